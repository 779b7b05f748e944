//! Names: what is kept of their answers decides who goes where, and how long a change takes to arrive.

use crate::trial::{failed_by, latency_ms, mean, once, replications};
use lbsim::measure::RunRecord;
use lbsim::scenario::Failure;

/// A name over single servers, or over what `balancers` adds.
fn text(duration: &str, client: &str, name: &str, rest: &str) -> String {
    format!(
        "duration: {duration}\nclients:\n  - {{ name: c, requests: [{{ work: {{ constant: 1us }} }}], {client} }}\n\
         servers: [{{ name: a, zone: eu, slots: 99 }}, {{ name: b, zone: us, slots: 99 }}]\nbalancers:\n  - {{ name: name, {name} }}\n{rest}\n"
    )
}

fn share_of_a(run: &RunRecord) -> f64 {
    run.servers[0].attempts as f64 / run.attempts.sent as f64
}

#[test]
fn weights_are_shares_of_queries_and_not_of_requests() {
    let client = "arrivals: { deterministic: { rate: 100/s } }";
    let runs = |dns: &str| replications(&text("100s", client, &format!("targets: [a, b], dns: {{ routing: weighted, {dns} }}"), ""), 60);
    // Every request is a user of its own and asks for itself: a binomial share of 10,000 in 60 runs, standard error 0.00065.
    let each = runs("ttl: 60s");
    assert!((mean(each.iter().map(share_of_a)) - 0.5).abs() < 0.0033);
    assert!(each.iter().all(|run| run.names[0].queries == run.requests.sent && (share_of_a(run) - 0.5).abs() < 0.025));
    // Four resolvers ask once each: the share of the requests is that of the resolvers, a binomial of four: variance 1/16. The sample
    // variance of 60 such shares has a standard deviation of 0.0100 (fourth central moment 10/1024): five of them.
    let four = runs("ttl: 1000h, resolvers: 4");
    assert!(four.iter().all(|run| run.names[0].queries == 4 && run.names[0].answers.iter().sum::<u64>() == 4));
    let variance = mean(four.iter().map(|run| (share_of_a(run) - 0.5).powi(2)));
    assert!((variance - 0.0625).abs() < 0.05 && variance > 0.03, "{variance}");
    // Asking again and again evens it out. A request each 10 ms is a given resolver's with a chance of 1/4, so after the TTL it takes 3 more
    // of them on average until it asks: 4 x 100 s / 130 ms queries, with a standard deviation of 4 x sqrt(100 x 0.0346^2 / 0.13^3) / 2 = 15.
    let often = runs("ttl: 100ms, resolvers: 4");
    assert!(often.iter().all(|run| (run.names[0].queries as f64 - 3077.0).abs() < 80.0 && (share_of_a(run) - 0.5).abs() < 0.05));
}

const CHECK: &str = "health_check: { tcp: {}, interval: 10s, timeout: 2s, unhealthy_after: 3, healthy_after: 3 }";

/// ALGORITHMS, detection delays: 20 to 30 s to decide (interval 10 s, threshold 3), then up to the TTL.
#[test]
fn failover_takes_the_checks_time_and_up_to_the_ttl() {
    let client = "arrivals: { deterministic: { rate: 10/s } }";
    let name = format!("targets: [a, b], dns: {{ routing: failover, ttl: 60s, resolvers: 1 }}, {CHECK}");
    let mut delays = Vec::new();
    // The resolver asks once a minute; the crash falls at all phases of that minute, and the checks have a random phase of their own.
    for phase in 0..30 {
        let fault = format!("faults: [{{ crash: {{ server: a-1, at: {}s }} }}]", 300 + 2 * phase);
        let runs = replications(&text("500s", client, &name, &fault), 4);
        delays.extend(runs.iter().map(|run| run.failover.faults[0].last_error_after_s.expect("requests failed")));
        assert!(runs.iter().all(|run| run.requests.failed() > 0 && run.servers[1].attempts > 0));
    }
    // 25 s + 30 s. The standard deviation of a uniform 10 s and a uniform 60 s is 17.6 s; 120 runs: five standard errors.
    let (least, most) = delays.iter().fold((f64::MAX, 0.0_f64), |(least, most), delay| (least.min(*delay), most.max(*delay)));
    assert!((mean(delays.iter().copied()) - 55.0).abs() < 5.0 * 17.6 / 120_f64.sqrt(), "{}", mean(delays));
    assert!(least > 19.8 && least < 30.0 && most < 90.1 && most > 80.0, "{least} to {most} s");
}

#[test]
fn whoever_ignores_the_ttl_never_moves() {
    let client = "arrivals: { deterministic: { rate: 100/s } }, population: 2000";
    let after = |dns: &str| {
        let name = format!("targets: [a, b], dns: {{ routing: failover, ttl: 30s, {dns} }}, {CHECK}");
        let run = once(&text("400s", client, &name, "faults: [{ crash: { server: a-1, at: 100s } }]"));
        // At the end, long after 30 s of checks and 30 s of TTL: 20,000 requests since 200 s.
        let last = &run.timeline.bins[run.timeline.bins.len() / 2..];
        last.iter().map(|bin| bin.failed).sum::<u64>() as f64 / last.iter().map(|bin| bin.sent).sum::<u64>() as f64
    };
    assert_eq!(after("ignore_ttl: 0%"), 0.0);
    // All but those who come for the first time when the answer has changed, after some 130 s: exp(-6.5) = 0.15 % of the users.
    assert!(after("ignore_ttl: 100%") > 0.99, "{}", after("ignore_ttl: 100%"));
    // Half of 2000 users: standard deviation 0.011, five of them. Of ten resolvers exactly three.
    assert!((after("ignore_ttl: 50%") - 0.5).abs() < 0.06, "{}", after("ignore_ttl: 50%"));
    assert!((after("ignore_ttl: 30%, resolvers: 10") - 0.3).abs() < 0.05, "{}", after("ignore_ttl: 30%, resolvers: 10"));
}

#[test]
fn a_multivalue_answer_names_only_what_is_healthy() {
    let many = "duration: 200s\nclients: [{ name: c, arrivals: { deterministic: { rate: 100/s } }, requests: [{ work: { constant: 1us } }] }]\n\
                servers: [{ name: s, count: 10, slots: 99 }]\nbalancers: [{ name: name, targets: [s], dns: { routing: multivalue, ttl: 1s, answers: 3 }, \
                health_check: { tcp: {}, interval: 1s, timeout: 500ms, phase: zero, unhealthy_after: 1 } }]\nfaults: [{ crash: { server: s-4, at: 500ms } }]\n";
    let run = once(many);
    assert!(run.names[0].answers[3] < 60, "one in three answers of the first second: {:?}", run.names[0].answers);
    assert_eq!(run.names[0].answers.iter().sum::<u64>(), 3 * run.names[0].queries);
    // A ninth of 20,000: 2,211, standard deviation 44; five of them.
    let attempts: Vec<u64> = run.servers.iter().map(|server| server.attempts).collect();
    assert!(attempts.iter().enumerate().all(|(i, n)| i == 3 || n.abs_diff(2216) < 222), "{attempts:?}");
}

#[test]
fn the_nearest_healthy_record_is_answered() {
    let clients = "arrivals: { deterministic: { rate: 10/s } }, zone: eu }\n  - { name: d, requests: [{ work: { constant: 1us } }], \
                   arrivals: { deterministic: { rate: 30/s } }, zone: us";
    let name = "targets: [a, b], dns: { routing: latency, ttl: 1s, distances: { 'us eu': 40ms } }, \
                health_check: { tcp: {}, interval: 1s, timeout: 500ms, phase: zero, unhealthy_after: 1 }";
    let attempts = |faults: &str| {
        let run = once(&text("100050ms", clients, name, faults));
        run.servers.iter().map(|server| server.attempts).collect::<Vec<_>>()
    };
    assert_eq!(attempts(""), [1000, 3001]);
    let down = attempts("faults: [{ crash: { server: a, at: 50s } }]");
    assert!(down[0].abs_diff(510) < 15 && down[1].abs_diff(3492) < 15, "{down:?}");
}

#[test]
fn where_nothing_is_healthy_the_answer_is_as_if_all_were() {
    let client = "arrivals: { deterministic: { rate: 100/s } }";
    let run = |routing: &str| {
        let check = "health_check: { tcp: {}, interval: 1s, timeout: 500ms, phase: zero, unhealthy_after: 1 }";
        let name = format!("targets: [a, b], dns: {{ routing: {routing}, ttl: 1s }}, {check}");
        let faults = "faults: [{ crash: { server: a, at: 500ms } }, { crash: { server: b, at: 500ms } }]";
        once(&text("100s", client, &name, faults))
    };
    let failover = run("failover");
    assert_eq!((failover.servers[1].attempts, failed_by(&failover, Failure::NoServer)), (0, 0), "the primary");
    assert!(failed_by(&failover, Failure::ConnectFailure) > 9900);
    for routing in ["simple", "weighted", "multivalue"] {
        // Both alike: 10,000 requests, standard error 0.005.
        assert!((share_of_a(&run(routing)) - 0.5).abs() < 0.03, "{routing}");
    }
}

#[test]
fn a_name_takes_no_time_and_stands_nowhere() {
    let text = "duration: 10500ms\nclients: [{ name: c, zone: eu, latency: { constant: 1ms }, arrivals: { deterministic: { rate: 1/s } }, requests: [{ work: { constant: 5ms }, size: 1GiB }] }]\n\
                network: { same_zone: { constant: 3ms }, cross_zone: { constant: 20ms } }\nservers: [{ name: s, zone: us }]\n\
                balancers:\n  - { name: name, targets: [lb], dns: {} }\n  - { name: lb, zone: us, targets: [s], latency: { constant: 2ms } }\n";
    let run = once(text);
    // Twice 1 ms in front of the client, 2 ms in front of the balancer, 20 ms between the zones and 3 ms within one, and the work.
    assert!((latency_ms(&run) - 57.0).abs() < 1e-6, "{}", latency_ms(&run));
    let crossings = run.crossings.unwrap();
    assert_eq!((crossings.passages, crossings.crossed, crossings.gib()), (20, 10, 10.0));
}

#[test]
fn a_balancer_with_nobody_left_leaves_the_name() {
    let inner = "health_check: { tcp: {}, interval: 1s, timeout: 500ms, phase: zero, unhealthy_after: 1 }";
    let text = format!(
        "duration: 200s\nclients: [{{ name: c, arrivals: {{ deterministic: {{ rate: 10/s }} }}, requests: [{{ work: {{ constant: 1us }} }}] }}]\n\
         servers: [{{ name: a }}, {{ name: b }}]\nbalancers:\n  - {{ name: name, targets: [one, two], dns: {{ routing: failover, ttl: 5s, resolvers: 1 }}, \
         health_check: {{ http: /, interval: 10s, timeout: 2s, phase: zero, unhealthy_after: 2 }} }}\n  - {{ name: one, targets: [a], {inner} }}\n  - {{ name: two, targets: [b], {inner} }}\n\
         faults: [{{ crash: {{ server: a, at: 101s }} }}]\n"
    );
    let run = once(&text);
    // The checks of the name at 110 and 120 s fail; the resolver asks every 5 s, so by 125.1 s: at most 24.2 s of 10 requests each.
    assert!((180..250).contains(&run.requests.failed()), "{}", run.requests.failed());
    assert!(run.servers[1].attempts > 740);
}

/// What is asked of a load balancer before a name leads to it. Two target groups behind rules, or eight servers behind one node.
#[test]
fn a_name_leads_to_where_enough_is_healthy_in_each_group() {
    let check = "health_check: { http: /, interval: 1s, timeout: 500ms, phase: zero, unhealthy_after: 1, when_none: all";
    let scenario = |targets: &str, check_here: &str, faults: &str| {
        format!(
            "duration: 40s\nclients: [{{ name: c, arrivals: {{ deterministic: {{ rate: 100/s }} }}, requests: [{{ path: /a, work: {{ constant: 1us }} }}] }}]\n\
             servers: [{{ name: a, count: 4, slots: 99 }}, {{ name: b, count: 4, slots: 99 }}, {{ name: spare, slots: 99 }}]\nbalancers:\n  \
             - {{ name: name, targets: [main, other], dns: {{ routing: failover, ttl: 1s }}, {check} }} }}\n  \
             - {{ name: main, {targets}, {check}, {check_here} }} }}\n  - {{ name: other, targets: [spare] }}\nfaults: [{faults}]\n"
        )
    };
    let spare = |text: &str| {
        let run = once(text);
        run.servers[8].attempts
    };
    let one = "targets: [a, b]";
    let crash = |servers: &[&str]| {
        let list: Vec<String> = servers.iter().map(|server| format!("{{ crash: {{ server: {server}, at: 9500ms }} }}")).collect();
        list.join(", ")
    };
    // Seen at 10 s by the node and by the name or, where the name looks first, at 11 s; each request asks for itself.
    let is_away = |spare: u64| (2900..=3001).contains(&spare);
    let half = crash(&["a-1", "a-2", "a-3", "a-4"]);
    let more = crash(&["a-1", "a-2", "a-3", "a-4", "b-1"]);
    assert_eq!(spare(&scenario(one, "dns_minimum: 1", &more)), 0);
    assert_eq!(spare(&scenario(one, "dns_minimum: 50%", &half)), 0);
    assert!(is_away(spare(&scenario(one, "dns_minimum: 50%", &more))));
    assert_eq!(spare(&scenario(one, "dns_minimum: 3", &more)), 0);
    assert!(is_away(spare(&scenario(one, "dns_minimum: 4", &more))));
    // A group whose targets are all gone takes the whole load balancer away, also from requests for the other group.
    let groups = "rules: [{ when: { path: [/a] }, forward: { b: 1 } }, { forward: { a: 1 } }], targets: [a, b]";
    assert_eq!(spare(&scenario(groups, "dns_minimum: 1", &crash(&["a-1", "a-2", "a-3"]))), 0);
    assert!(is_away(spare(&scenario(groups, "dns_minimum: 1", &half))));
}

/// A zone without targets has long left DNS when the run begins.
#[test]
fn a_zone_without_targets_is_not_in_dns_from_the_start() {
    for kind in ["application", "network"] {
        let run = once(&format!(
            "duration: 20s\nclients: [{{ name: c, arrivals: {{ poisson: {{ rate: 50/s }} }}, requests: [{{ work: {{ constant: 1ms }} }}] }}]\n\
             servers: [{{ name: a, count: 2, zone: a }}, {{ name: b, count: 2, zone: b }}]\naws:\n  \
             target_groups: [{{ name: web, targets: [a, b], cross_zone: false }}]\n  \
             load_balancers: [{{ name: shop, type: {kind}, zones: [a, b, c], listeners: [{{ default: {{ web: 1 }} }}] }}]\n"
        ));
        assert_eq!((run.requests.failed(), run.names[0].answers[2]), (0, 0), "{kind}");
    }
}

/// Nor is one whose node has no endpoint of a service that is local to its nodes: its health check port has long said so.
#[test]
fn a_zone_without_local_endpoints_is_not_in_dns_from_the_start() {
    let run = once(
        "duration: 20s\nclients: [{ name: c, arrivals: { poisson: { rate: 50/s } }, requests: [{ work: { constant: 1ms } }] }]\n\
         kubernetes:\n  nodes: [{ name: worker, count: 3, zones: [a, b, c] }]\n  \
         deployments: [{ name: web, replicas: 2, slots: 10 }]\n  \
         services: [{ name: web, type: load_balancer, external_traffic: local, load_balancer: { target_type: instance } }]\n",
    );
    let without = run.names[0].answers.iter().filter(|answers| **answers == 0).count();
    assert_eq!((run.requests.failed(), without), (0, 1));
}
