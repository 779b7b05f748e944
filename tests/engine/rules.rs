//! Rules of a balancer: which one decides, whom it draws, and what is answered at once.

use crate::trial::{failed_by, latency_ms, once};
use lbsim::measure::{RunRecord, Status};
use lbsim::scenario::Failure;

/// A client that sends one request a second, ten in all, of the given class.
fn ten(name: &str, class: &str) -> String {
    format!(
        "  - {{ name: {name}, arrivals: {{ deterministic: {{ rate: 1/s }} }}, requests: [{{ work: {{ constant: 5ms }}, {class} }}] }}\n"
    )
}

fn run(clients: &str, servers: &str, rules: &str) -> RunRecord {
    once(&format!("duration: 10500ms\nclients:\n{clients}servers: [{servers}]\nbalancers: [{{ name: lb, {rules} }}]\n"))
}

fn attempts(record: &RunRecord) -> Vec<u64> {
    record.servers.iter().map(|server| server.attempts).collect()
}

const THREE: &str = "{ name: a }, { name: b }, { name: c }";

#[test]
fn the_first_rule_that_matches_decides_and_nothing_that_matches_is_404() {
    let clients = [
        ten("api", "path: /api/v1, host: Shop.Example.COM"),
        ten("post", "path: /api/v1, method: POST"),
        ten("shop", "path: /, host: shop.example.com"),
        ten("other", "path: /API/v1, host: example.com"),
    ];
    let rules = "rules: [\
        { priority: 20, when: { path: [/api/*] }, forward: { a: 1 } }, \
        { when: { host: ['*.example.com'] }, forward: { b: 1 } }, \
        { when: { host: [shop.example.com] }, forward: { c: 1 } }, \
        { priority: 10, when: { path: ['/api/v?'], method: [PUT, POST] }, forward: { c: 1 } }]";
    let record = run(&clients.concat(), THREE, rules);
    assert_eq!(attempts(&record), [10, 10, 10]);
    assert_eq!((failed_by(&record, Failure::ClientError), record.requests.failed()), (10, 10));
}

#[test]
fn headers_queries_and_addresses_are_looked_at() {
    let clients = [
        ten("one", "headers: { X-Beta: 'Yes' }"),
        ten("two", "query: { version: v2 }"),
        ten("three", "headers: { x-beta: 'no' }, query: { version: v1 }"),
    ];
    let rules = "rules: [\
        { when: { header: { x-beta: ['y*'] } }, forward: { a: 1 } }, \
        { when: { query: ['version=V2'] }, forward: { b: 1 } }, \
        { when: { query: [v1], source: [0.0.0.0/0] }, forward: { c: 1 } }]";
    assert_eq!(attempts(&run(&clients.concat(), THREE, rules)), [10, 10, 10]);
    // Each user has an address of its own, and half of all addresses begin with a 0 bit.
    let many = "  - { name: c, arrivals: { poisson: { rate: 1000/s } }, requests: [{ work: { constant: 1us } }] }\n";
    let rules = "rules: [{ when: { source: [0.0.0.0/1] }, forward: { a: 1 } }, { forward: { b: 1, c: 0 } }]";
    let record = run(many, THREE, rules);
    let share = attempts(&record)[0] as f64 / record.requests.sent as f64;
    // Standard error of 10,500 requests: 0.0049; five of them.
    assert!((share - 0.5).abs() < 0.025 && attempts(&record)[2] == 0, "{share}");
}

#[test]
fn a_forward_draws_by_weight_and_the_algorithm_chooses_within_the_group() {
    let many = "  - { name: c, arrivals: { poisson: { rate: 1000/s } }, requests: [{ work: { constant: 1us } }] }\n";
    let record = run(many, "{ name: blue, count: 3 }, { name: green, count: 2 }", "rules: [{ forward: { blue: 90, green: 10 } }]");
    let attempts = attempts(&record);
    let share = attempts[..3].iter().sum::<u64>() as f64 / record.requests.ok as f64;
    // Standard error sqrt(0.9 x 0.1 / 10,500) = 0.0029: five of them.
    assert!((share - 0.9).abs() < 0.015, "{share}");
    let is_even = |group: &[u64]| group.iter().max().unwrap() - group.iter().min().unwrap() <= 1;
    assert!(is_even(&attempts[..3]) && is_even(&attempts[3..]), "round robin in each group by itself: {attempts:?}");
}

/// Sessions of twenty requests, two seconds apart.
fn sessions(rules: &str) -> RunRecord {
    let client = "  - { name: c, arrivals: { deterministic: { rate: 10/s } }, session: { requests: { constant: 20 }, think: { constant: 100ms } }, \
                  requests: [{ work: { constant: 1us } }] }\n";
    run(client, "{ name: blue }, { name: green }", rules)
}

#[test]
fn it_is_the_answer_that_binds_a_user_to_what_a_rule_drew() {
    // 100 users; one of the two groups is down, and nobody checks. Each user fails until it is drawn the other one: once on average, with
    // a variance of 2. Bound by the draw, half of them would fail for ever.
    let record = once(
        "duration: 100s\nclients: [{ name: c, arrivals: { poisson: { rate: 100/s } }, population: 100, \
         requests: [{ work: { constant: 1us } }] }]\nservers: [{ name: a }, { name: b }]\n\
         balancers: [{ name: lb, rules: [{ forward: { a: 1, b: 1 }, sticky: 1h }] }]\nfaults: [{ crash: { server: a, at: 0s } }]\n",
    );
    // Four standard deviations of 14.1.
    assert!((record.requests.failed() as f64 - 100.0).abs() < 57.0, "{}", record.requests.failed());
}

#[test]
fn a_user_stays_with_what_a_sticky_rule_drew() {
    let drawn_anew = sessions("rules: [{ forward: { blue: 1, green: 1 } }]");
    let sticky = sessions("rules: [{ forward: { blue: 1, green: 1 }, sticky: 1h }]");
    let short = sessions("rules: [{ forward: { blue: 1, green: 1 }, sticky: 450ms }]");
    assert_eq!(sticky.affinity.requests_moved, 0);
    let moved = |record: &RunRecord| record.affinity.requests_moved as f64 / record.affinity.requests as f64;
    // About 1,900 requests of users who come back, half of them drawn to the other: standard error 0.0115, five of them. With 450 ms
    // each fifth draw is anew, at the sixth request and so on: a tenth of them moves.
    assert!((moved(&drawn_anew) - 0.5).abs() < 0.06, "{}", moved(&drawn_anew));
    assert!((moved(&short) - 0.1).abs() < 0.035, "{}", moved(&short));
    // Both are drawn: 105 sessions, an even draw; five standard errors of the share.
    let share = attempts(&sticky)[0] as f64 / sticky.attempts.sent as f64;
    assert!((share - 0.5).abs() < 0.25, "{share}");
}

#[test]
fn what_is_answered_at_once_takes_no_server_and_fails_from_400_on() {
    let answered = |status: u16| {
        let clients = ten("c", "path: /").replace("arrivals", "latency: { constant: 3ms }, arrivals");
        run(&clients, "{ name: a }", &format!("targets: [a], rules: [{{ respond: {status} }}, {{ priority: 99999, forward: {{ a: 1 }} }}]"))
    };
    for (status, ok, client_errors, server_errors) in [(200, 10, 0, 0), (302, 10, 0, 0), (403, 0, 10, 0), (503, 0, 0, 10)] {
        let record = answered(status);
        assert_eq!(
            (record.requests.ok, failed_by(&record, Failure::ClientError), failed_by(&record, Failure::ServerError)),
            (ok, client_errors, server_errors)
        );
        assert_eq!((record.attempts.sent, record.attempts.failed()), (0, 0));
        assert!(ok == 0 || (latency_ms(&record) - 6.0).abs() < 1e-9);
    }
}

#[test]
fn users_who_come_back_to_a_balancer_that_answers_by_itself_have_no_server() {
    let record = sessions("targets: [blue, green], rules: [{ respond: 200 }, { priority: 99999, forward: { blue: 1, green: 1 } }]");
    assert!(record.requests.ok > 1000 && record.affinity.requests == 0);
}

#[test]
fn a_group_that_is_down_fails_its_share_and_no_other() {
    let check = "health_check: { tcp: {}, interval: 1s, timeout: 500ms, phase: zero, unhealthy_after: 1 }";
    let text = format!(
        "duration: 100s\nclients: [{{ name: c, arrivals: {{ deterministic: {{ rate: 100/s }} }}, requests: [{{ work: {{ constant: 1us }} }}] }}]\n\
         servers: [{{ name: blue }}, {{ name: green, count: 2 }}]\n\
         balancers: [{{ name: lb, {check}, rules: [{{ forward: {{ blue: 1, green: 3 }} }}] }}]\nfaults: [{{ crash: {{ server: blue, at: 500ms }} }}]\n"
    );
    let record = once(&text);
    let (none, refused) = (failed_by(&record, Failure::NoServer) as f64, failed_by(&record, Failure::ConnectFailure));
    // A quarter of what comes after the check at 1 s: 9,900 requests, standard error 43; five of them. Before, half a second's share.
    assert!((none - 2475.0).abs() < 216.0 && refused < 30, "{none} {refused}");
    assert_eq!(record.requests.ok, attempts(&record)[1..].iter().sum::<u64>() + attempts(&record)[0] - refused);
}

#[test]
fn a_balancer_and_its_parts_answer_once() {
    // Requests at 1, 2, ... 10 s; the server is gone from 5.5 s on.
    let run = |balancers: &str| {
        once(&format!(
            "duration: 10500ms\nclients:\n{}servers: [{{ name: a }}]\nbalancers:\n{balancers}faults: [{{ crash: {{ server: a, at: 5500ms }} }}]\n",
            ten("c", "path: /")
        ))
    };
    let group = "- { name: lb, rules: [{ forward: { a: 1 } }] }\n";
    let part = "- { name: lb, rules: [{ forward: { view: 1 } }] }\n- { name: view, inside: true, targets: [a] }\n";
    let plain = "- { name: lb, targets: [view] }\n- { name: view, inside: true, targets: [a], connections: {} }\n";
    for balancers in [group, part, plain] {
        let record = run(balancers);
        let told = |index: usize| record.statuses[index].iter().map(|(status, count)| (status.name(), count)).collect::<Vec<_>>();
        assert_eq!((told(0), told(1)), (vec![("200".to_owned(), 5), ("502".to_owned(), 5)], vec![]), "{balancers}");
    }
    // Another balancer answers for itself: to the one in front it is a target that answered with an error.
    let two = "- { name: lb, rules: [{ forward: { inner: 1 } }] }\n- { name: inner, targets: [a], idle_timeout: 1m }\n";
    let record = run(two);
    assert_eq!((record.statuses[0].get(Status::Target), record.statuses[1].get(Status::Own(502))), (5, 5));
}
