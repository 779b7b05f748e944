//! Weights that operators change during a run, and flow hashing.

use crate::trial::{once, replications_in_bins};
use lbsim::units::Span;

/// Requests by server before and after 50 s of 100 s; 100 requests a second.
fn before_and_after(rest: &str) -> [Vec<f64>; 2] {
    let text = format!(
        "duration: 100s\nclients: [{{ name: c, arrivals: {{ deterministic: {{ rate: 100/s }} }}, requests: [{{ work: {{ constant: 1us }} }}] }}]\n\
         servers: [{{ name: blue, count: 2 }}, {{ name: green }}]\n{rest}\n"
    );
    let runs = replications_in_bins(&text, 1, Some(Span::from_secs(50)));
    let bin = |bin: usize| (0..3).map(|server| f64::from(runs[0].timeline.server_bins[bin * 3 + server].attempts)).collect();
    [bin(0), bin(1)]
}

#[test]
fn blue_hands_over_to_green_at_the_moment_of_the_operation() {
    let rules = "balancers: [{ name: lb, rules: [{ forward: { blue: 1, green: 0 } }] }]\n\
                 operations: [{ weights: { balancer: lb, set: { blue: 0, green: 1 }, at: 50s } }]";
    let [before, after] = before_and_after(rules);
    // The request at 50 s comes after the operation of that instant.
    assert_eq!((before, after[0] + after[1]), (vec![2500.0, 2499.0, 0.0], 0.0));
    let instances = rules.replace("name: lb,", "name: lb, instances: 3,");
    let [before, after] = before_and_after(&instances);
    assert_eq!((before[2], after[0] + after[1]), (0.0, 0.0));
    let half = rules.replace("set: { blue: 0, green: 1 }", "set: { green: 1 }");
    let [_, after] = before_and_after(&half);
    // Drawn evenly: 5,000 requests, standard error 35.
    assert!((after[2] - 2500.0).abs() < 177.0, "{after:?}");
}

#[test]
fn new_weights_of_targets_count_from_the_next_turn_on() {
    let operation = "operations: [{ weights: { balancer: lb, set: { green: 6 }, at: 50s } }]";
    let [before, after] =
        before_and_after(&format!("balancers: [{{ name: lb, targets: [blue, green], algorithm: weighted_round_robin }}]\n{operation}"));
    // By turns: a third each, then 1, 1 and 6 of eight.
    assert!(before.iter().all(|n| (n - 1666.5).abs() < 2.0), "{before:?}");
    assert!((after[0] - 625.0).abs() < 3.0 && (after[2] - 3750.0).abs() < 6.0, "{after:?}");
    for algorithm in ["weighted_random", "{ ip_hash: { octets: 4 } }", "session_hash"] {
        let [before, after] =
            before_and_after(&format!("balancers: [{{ name: lb, targets: [blue, green], algorithm: {algorithm} }}]\n{operation}"));
        // Standard errors 33 and 31: five of them.
        let is_weighted = algorithm != "session_hash";
        assert!((before[2] - 1667.0).abs() < 170.0, "{algorithm} {before:?}");
        assert!(!is_weighted || (after[2] - 3750.0).abs() < 160.0, "{algorithm} {after:?}");
    }
}

#[test]
fn a_weight_of_zero_takes_a_target_out_whatever_the_algorithm() {
    for algorithm in
        ["round_robin", "random", "least_connections", "power_of_d", "ip_hash", "consistent_hash", "least_response_time", "flow_hash"]
    {
        let rest = format!(
            "balancers: [{{ name: lb, targets: [blue, green], algorithm: {algorithm} }}]\n\
             operations: [{{ weights: {{ balancer: lb, set: {{ blue-1: 0, green: 0 }}, at: 50s }} }}]"
        );
        let [before, after] = before_and_after(&rest);
        assert!(before.iter().all(|n| *n > 100.0), "{algorithm} {before:?}");
        assert_eq!((after[0], after[2]), (0.0, 0.0), "{algorithm}");
    }
}

#[test]
fn a_weight_of_zero_leaves_a_target_those_who_are_bound_to_it() {
    // 30 users, about ten of them at each of three servers; each asks some three times a second.
    let green = |sticky: &str, fault: &str| {
        let text = format!(
            "duration: 100s\nclients: [{{ name: c, population: 30, arrivals: {{ deterministic: {{ rate: 100/s }} }}, requests: [{{ work: {{ constant: 1us }} }}] }}]\n\
             servers: [{{ name: blue, count: 2 }}, {{ name: green }}]\n\
             balancers: [{{ name: lb, targets: [blue, green], sticky: {sticky}, health_check: {{ tcp: {{}}, interval: 1s }} }}]\n\
             operations: [{{ weights: {{ balancer: lb, set: {{ green: 0 }}, at: 50s }} }}]\n{fault}\n"
        );
        let runs = replications_in_bins(&text, 1, Some(Span::from_secs(10)));
        (0..10).map(|bin| runs[0].timeline.server_bins[bin * 3 + 2].attempts as u32).collect::<Vec<u32>>()
    };
    // An address is remembered anew with each request: all stay. 333 a bin by ten users, standard deviation 15.
    let by_address = green("{ source_ip: { ttl: 10s } }", "");
    assert!(by_address.iter().all(|n| (n.abs_diff(333)) < 75), "{by_address:?}");
    // A cookie is good for 20 s from when it was set (not to the instant at which a user may ask again): the last ones end at 70 s, and
    // nobody is bound anew.
    let by_cookie = green("{ cookie: { ttl: 19995ms } }", "");
    assert!(by_cookie[5] > 0 && by_cookie[7..].iter().all(|n| *n == 0), "{by_cookie:?}");
    // Who is unhealthy besides keeps nobody.
    let crashed = green("{ source_ip: { ttl: 10s } }", "faults: [{ crash: { server: green-1, at: 60s } }]");
    assert!(crashed[5] > 0 && crashed[7..].iter().all(|n| *n == 0), "{crashed:?}");
}

#[test]
fn weights_of_a_name_are_those_of_the_answers() {
    let rest = "balancers: [{ name: name, targets: [blue-1, green], dns: { routing: weighted, ttl: 10s } }]\n\
                operations: [{ weights: { balancer: name, set: { blue-1: 0 }, at: 50s } }]";
    let [before, after] = before_and_after(rest);
    // Each request asks for itself: 4,999 even draws, standard error 35.
    assert!((before[0] - 2500.0).abs() < 177.0, "{before:?}");
    assert_eq!(after[0], 0.0);
}

#[test]
fn flow_hash_spreads_single_requests_evenly() {
    let text = "duration: 200s\nclients: [{ name: c, arrivals: { deterministic: { rate: 100/s } }, population: 3, requests: [{ work: { constant: 1us } }] }]\n\
                servers: [{ name: s, count: 4 }]\nbalancers: [{ name: lb, layer: l4, targets: [s], algorithm: flow_hash }]\n";
    // Each try is a connection with a port of its own: 20,000 by four, standard deviation 61.
    assert!(once(text).servers.iter().all(|server| server.attempts.abs_diff(5000) < 306));
}
