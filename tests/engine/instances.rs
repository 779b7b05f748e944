//! Several instances of a balancer: each has its own counts, rotation, checks and view; a cookie is good at all of them.

use crate::trial::{failed_by, latency_ms, mean, once, replications};
use lbsim::measure::RunRecord;
use lbsim::scenario::Failure;

fn text(head: &str, client: &str, servers: &str, balancer: &str, rest: &str) -> String {
    format!(
        "{head}\nclients: [{{ name: c, {client} }}]\nservers: [{servers}]\nbalancers: [{{ name: lb, targets: [s], {balancer} }}]\n{rest}\n"
    )
}

#[test]
fn each_instance_has_a_rotation_of_its_own() {
    // Each second a request of 1.5 s over two servers: by turns none waits; two rotations behind a random choice meet.
    let waited = |instances: u32| {
        let client = "arrivals: { deterministic: { rate: 1/s } }, requests: [{ work: { constant: 1500ms } }]";
        let record = once(&text("duration: 1000s", client, "{ name: s, count: 2 }", &format!("instances: {instances}"), ""));
        let attempts: Vec<u64> = record.servers.iter().map(|server| server.attempts).collect();
        assert!(attempts[0].abs_diff(attempts[1]) <= u64::from(instances), "each rotation is even: {attempts:?}");
        record.classes[0].waited
    };
    assert_eq!(waited(1), 0);
    assert!(waited(2) > 100, "{}", waited(2));
}

/// Ten servers with exponential work of 10 ms, utilization 0.8. Instances begin their rotations at the same server; with 1000 of them,
/// each with 0.8 requests a second, it takes some 80 s until their turns have nothing to do with each other.
fn latency(balancer: &str) -> f64 {
    let client = "arrivals: { poisson: { rate: 800/s } }, requests: [{ work: { exponential: { mean: 10ms } } }]";
    let runs = replications(&text("duration: 340s\nwarmup: 100s", client, "{ name: s, count: 10 }", balancer, ""), 6);
    mean(runs.iter().map(latency_ms))
}

#[test]
fn least_connections_that_sees_a_part_lies_between_seeing_all_and_seeing_nothing() {
    let alone = latency("algorithm: least_connections");
    let few = latency("algorithm: least_connections, instances: 4");
    let many = latency("algorithm: { least_connections: { ties: random } }, instances: 1000");
    // M/M/1 at 0.8: 50 ms. Six runs of 192,000 requests each: the standard error of a mean is about 0.4 ms.
    assert!(alone < 20.0 && alone * 1.15 < few && few < 40.0, "{alone} {few}");
    assert!((many - 50.0).abs() < 2.0, "who sees one request in a thousand is as blind as random: {many}");
}

/// Poisson arrivals split over k rotations: with one, each server's arrivals are an Erlang-10 stream; with very many they are Poisson.
#[test]
fn many_rotations_make_poisson_arrivals() {
    let mm1 = 10.0 / (1.0 - 0.8);
    let (one, many) = (latency("algorithm: round_robin"), latency("algorithm: round_robin, instances: 1000"));
    // E10/M/1 at 0.8: sigma solves sigma = (10 x 0.8 / (10 x 0.8 + 1 - sigma))^10, so 0.6535 and 10 ms / (1 - sigma) = 28.9 ms.
    let sigma = (0..1000).fold(0.5_f64, |sigma, _| (8.0 / (9.0 - sigma)).powi(10));
    assert!((one - 10.0 / (1.0 - sigma)).abs() < 1.0, "{one}, {}", 10.0 / (1.0 - sigma));
    assert!((many - mm1).abs() < 2.0, "{many}");
}

#[test]
fn each_instance_finds_out_by_itself() {
    let crash = |instances: u32| {
        let client = "arrivals: { deterministic: { rate: 20/s } }, requests: [{ work: { constant: 1ms } }]";
        let check = format!(
            "instances: {instances}, health_check: {{ tcp: {{}}, interval: 5s, timeout: 1s, unhealthy_after: 1, healthy_after: 1 }}"
        );
        replications(&text("duration: 60s", client, "{ name: s, count: 2 }", &check, "faults: [{ crash: { server: s-1, at: 20s } }]"), 200)
    };
    let detected = |runs: &[RunRecord]| mean(runs.iter().map(|run| run.failover.faults[0].detected_after_s.expect("it is noticed")));
    let failed = |runs: &[RunRecord]| mean(runs.iter().map(|run| failed_by(run, Failure::ConnectFailure) as f64));
    let (one, three) = (crash(1), crash(3));
    // A uniform phase of 5 s: 2.5 s. The last of three: 3.75 s, with a standard deviation of 5 sqrt(3/80) = 0.97 s; five standard errors.
    assert!((detected(&one) - 2.5).abs() < 5.0 * 1.44 / 200_f64.sqrt(), "{}", detected(&one));
    assert!((detected(&three) - 3.75).abs() < 5.0 * 0.97 / 200_f64.sqrt(), "{}", detected(&three));
    // Half of 20/s fail until the instance that they meet knows, on average after 2.5 s: 25. The standard deviation of a run is about
    // 14.4 with one instance, and less with three.
    assert!((failed(&one) - 25.0).abs() < 5.1 && (failed(&three) - 25.0).abs() < 5.1, "{} {}", failed(&one), failed(&three));
    assert_eq!(mean(three.iter().map(|run| run.checks_sent as f64)), 3.0 * mean(one.iter().map(|run| run.checks_sent as f64)));
}

#[test]
fn a_cookie_is_good_at_every_instance_and_a_table_only_at_its_own() {
    let moved = |sticky: &str| {
        let client = "arrivals: { deterministic: { rate: 10/s } }, session: { requests: { constant: 20 }, think: { constant: 100ms } }, requests: [{ work: { constant: 1us } }]";
        let balancer = format!("instances: 3, algorithm: random, sticky: {{ {sticky} }}");
        once(&text("duration: 100s", client, "{ name: s, count: 5 }", &balancer, "")).affinity.requests_moved
    };
    assert_eq!(moved("cookie: {}"), 0);
    assert!(moved("source_ip: {}") > 1000);
    let rules = "duration: 100s\nclients: [{ name: c, arrivals: { deterministic: { rate: 10/s } }, session: { requests: { constant: 20 }, \
                 think: { constant: 100ms } }, requests: [{ work: { constant: 1us } }] }]\nservers: [{ name: a }, { name: b }]\n\
                 balancers: [{ name: lb, instances: 3, rules: [{ forward: { a: 1, b: 1 }, sticky: 1h }] }]\n";
    assert_eq!(once(rules).affinity.requests_moved, 0);
}

/// A load balancer with a node in each of two zones, of which clients take one at random for each request; `sticky` of its group and rule.
fn nodes_of_one_load_balancer(group: &str, rule: &str) -> String {
    format!(
        "duration: 100s\nclients: [{{ name: c, arrivals: {{ deterministic: {{ rate: 10/s }} }}, session: {{ requests: {{ constant: 20 }}, \
         think: {{ constant: 100ms }} }}, requests: [{{ work: {{ constant: 1us }} }}] }}]\nservers: [{{ name: s, count: 5 }}, {{ name: t }}]\n\
         nodes: [{{ name: n, count: 2, zones: [a, b], cpu: 1, memory: 1GiB }}]\n\
         aws:\n  load_balancers:\n    - name: shop\n      type: application\n      zones: [a, b]\n      listeners: [{{ {rule} }}]\n  \
         target_groups:\n    - {{ name: s, targets: [s]{group} }}\n    - {{ name: t, targets: [t]{group} }}\nentry: shop\n"
    )
}

#[test]
fn a_cookie_is_good_at_every_node_of_its_load_balancer() {
    let moved = |group: &str, rule: &str| once(&nodes_of_one_load_balancer(group, rule)).affinity.requests_moved;
    let cookie = ", sticky: { lb_cookie: 1h }";
    assert!(moved("", "default: { s: 1 }") > 10_000, "without cookies users wander");
    assert_eq!(moved(cookie, "default: { s: 1 }"), 0);
    let drawn = "rules: [{ when: { path: ['/*'] }, forward: { s: 1, t: 1 }, sticky: 1h }], respond: 404";
    assert_eq!(moved(cookie, drawn), 0, "of the rule and of the group");
    let unbound = drawn.replace(", sticky: 1h", "");
    assert!(moved(cookie, &unbound) > 5000, "drawn anew for each request");
}

#[test]
fn copies_honour_the_cookies_of_another_balancers_copies() {
    let moved = |of: &str| {
        let client = "arrivals: { deterministic: { rate: 10/s } }, session: { requests: { constant: 20 }, think: { constant: 100ms } }, requests: [{ work: { constant: 1us } }]";
        let sticky = "instances: 2, targets: [s], sticky: { cookie: {} }";
        let rules = "instances: 2, rules: [{ forward: { s: 1, t: 1 }, sticky: 1h }], sticky: { cookie: {} }";
        let run = |shape: &str| {
            once(&format!(
                "duration: 100s\nclients: [{{ name: c, {client} }}]\nservers: [{{ name: s, count: 5 }}, {{ name: t, count: 5 }}]\nbalancers:\n  \
                 - {{ name: front, targets: [x, y], algorithm: random }}\n  - {{ name: x, {shape} }}\n  - {{ name: y, {shape}{of} }}\n"
            ))
        };
        [sticky, rules].map(|shape| run(shape).affinity.requests_moved)
    };
    assert_eq!(moved(", cookies_of: x"), [0, 0]);
    assert!(moved("").iter().all(|moved| *moved > 1000));
}

#[test]
fn instances_draw_from_streams_of_their_own_and_take_no_time() {
    let client = "arrivals: { deterministic: { rate: 10/s } }, latency: { constant: 2ms }, requests: [{ work: { constant: 5ms } }]";
    let record = once(&text("duration: 100s", client, "{ name: s, count: 3 }", "algorithm: random, instances: 7", ""));
    assert!((latency_ms(&record) - 9.0).abs() < 0.2, "{}", latency_ms(&record));
}
