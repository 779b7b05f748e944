//! Zones, nodes and the ways between them.

use crate::trial::{failed_by, latency_ms, once};
use lbsim::control::cross_zone::{Zone, crossing_share, share_per_target};
use lbsim::measure::RunRecord;
use lbsim::scenario::Failure;

/// Ten requests, one each second, of 5 ms, from a client in zone a.
fn ten(client: &str, network: &str, servers: &str, balancers: &str) -> RunRecord {
    once(&format!(
        "duration: 10500ms\nclients:\n  - {{ name: c, zone: a, arrivals: {{ deterministic: {{ rate: 1/s }} }}, \
         requests: [{{ work: {{ constant: 5ms }}, size: 1MiB }}], {client} }}\nnetwork: {{ {network} }}\n\
         nodes: [{{ name: n, count: 2, zones: [a, b] }}]\nservers:\n  - {servers}\nbalancers:\n  - {balancers}\n"
    ))
}

#[test]
fn ways_between_places_are_travelled_both_there_and_back() {
    let network = "same_node: { constant: 100us }, same_zone: { constant: 3ms }, cross_zone: { constant: 10ms }";
    let latency = |server: &str, balancer: &str| {
        let record = ten(
            "latency: { constant: 1ms }",
            network,
            &format!("{{ name: s, latency: {{ constant: 2ms }}, {server} }}"),
            &format!("{{ name: lb, targets: [s], {balancer} }}"),
        );
        assert_eq!(record.requests.ok, 10);
        latency_ms(&record)
    };
    // Twice 1 ms to the balancer and 2 ms to the server, 5 ms of work, and twice the ways between the places.
    let expected = |ways_ms: f64| 11.0 + 2.0 * ways_ms;
    for (server, balancer, ways_ms) in [
        ("zone: b", "zone: a", 3.0 + 10.0),
        ("zone: b", "zone: b", 10.0 + 3.0),
        ("zone: a", "zone: b", 10.0 + 10.0),
        ("node: n-1", "node: n-1", 3.0 + 0.1),
        ("node: n-2", "node: n-1", 3.0 + 10.0),
        ("zone: b", "weight: 1", 3.0 + 3.0),
    ] {
        let measured = latency(server, balancer);
        assert!((measured - expected(ways_ms)).abs() < 1e-6, "{server}, {balancer}: {measured} ms");
    }
}

#[test]
fn a_client_without_a_zone_is_near_to_everything() {
    let text = |zone: &str| {
        format!(
            "duration: 10500ms\nclients:\n  - {{ name: c, {zone} arrivals: {{ deterministic: {{ rate: 1/s }} }}, requests: [{{ work: {{ constant: 5ms }} }}] }}\n\
             network: {{ same_zone: {{ constant: 3ms }}, cross_zone: {{ constant: 10ms }} }}\nservers: [{{ name: s, zone: a }}]\n\
             balancers: [{{ name: lb, zone: a, targets: [s] }}]\n"
        )
    };
    assert!((latency_ms(&once(&text(""))) - 11.0).abs() < 1e-6);
    assert!((latency_ms(&once(&text("zone: b,"))) - 31.0).abs() < 1e-6);
}

#[test]
fn a_health_check_travels_too() {
    // The way takes 40 ms each way: a check that waits 70 ms never sees its answer, and one that waits 90 ms does.
    let view = |timeout: &str| {
        let record = ten(
            "timeout: 1s",
            "cross_zone: { constant: 40ms }",
            "{ name: s, zone: b }",
            &format!(
                "{{ name: lb, zone: a, targets: [s], health_check: {{ tcp: {{}}, interval: 1s, timeout: {timeout}, phase: zero, unhealthy_after: 1 }} }}"
            ),
        );
        (record.checks_failed > 5, failed_by(&record, Failure::NoServer))
    };
    assert_eq!((view("70ms"), view("90ms")), ((true, 10), (false, 0)));
}

/// Two nodes of a balancer in zones a and b, with 2 and 8 servers; 1000 requests by turns over the nodes.
fn two_and_eight(own_zone_only: bool) -> RunRecord {
    once(&format!(
        "duration: 10005ms\nclients: [{{ name: c, arrivals: {{ deterministic: {{ rate: 100/s }} }}, requests: [{{ work: {{ constant: 5ms }}, size: 1MiB }}] }}]\n\
         servers:\n  - {{ name: a, count: 2, zone: a }}\n  - {{ name: b, count: 8, zone: b }}\n\
         balancers:\n  - {{ name: name, targets: [node-a, node-b] }}\n\
         \x20 - {{ name: node-a, zone: a, targets: [a, b], own_zone_only: {own_zone_only} }}\n\
         \x20 - {{ name: node-b, zone: b, targets: [a, b], own_zone_only: {own_zone_only} }}\n"
    ))
}

/// The example of AWS's guides: with cross-zone load balancing off, each zone's servers share what their node gets.
#[test]
fn two_and_eight_servers_get_25_and_6_25_percent_within_their_zones_and_10_across() {
    let zones = [2, 8].map(|targets| Zone { targets, client_share: 0.5 });
    assert_eq!((share_per_target(&zones, false), share_per_target(&zones, true)), (vec![0.25, 0.0625], vec![0.1, 0.1]));
    assert!((crossing_share(&zones, true) - 0.5).abs() < 1e-9);
    let attempts = |record: &RunRecord| record.servers.iter().map(|server| server.attempts).collect::<Vec<_>>();
    let within = two_and_eight(true);
    assert_eq!(attempts(&within)[..2], [250, 250]);
    // 500 turns over 8 servers.
    assert!(attempts(&within)[2..].iter().all(|attempts| [62, 63].contains(attempts)), "{:?}", attempts(&within));
    let across = two_and_eight(false);
    assert_eq!(attempts(&across), [100; 10]);

    let (within, across) = (within.crossings.unwrap(), across.crossings.unwrap());
    // From the name to its nodes nothing is counted: it stands nowhere.
    assert_eq!((within.passages, within.crossed, within.bytes), (1000, 0, 0));
    // 8 in 10 of node-a's and 2 in 10 of node-b's requests.
    assert_eq!((across.passages, across.crossed, across.gib()), (1000, 500, 500.0 / 1024.0));
}

/// What crosses zones does not depend on whether a request comes on a connection that was there or on one that is opened for it.
#[test]
fn the_first_request_of_a_connection_crosses_zones_like_the_others() {
    for (connections, opened) in [("streams: 1, max_requests: 1", 10), ("streams: 1, max_requests: 5", 2), ("streams: 1", 1)] {
        let record = ten(
            &format!("connections: {{ per: all, {connections} }}"),
            "cross_zone: { constant: 1ms }",
            "{ name: s, zone: b }",
            "{ name: lb, layer: l4, zone: a, targets: [s] }",
        );
        let opener = record.openers[0].as_ref().unwrap();
        assert_eq!((record.requests.ok, opener.opened), (10, opened), "{connections}");
        let crossings = record.crossings.unwrap();
        // From the client in zone a to the balancer in zone a, and on to the server in zone b.
        assert_eq!((crossings.passages, crossings.crossed, crossings.gib()), (20, 10, 10.0 / 1024.0), "{connections}");
    }
}

#[test]
fn nobody_in_the_own_zone_is_nobody() {
    let text = |when_none: &str| {
        format!(
            "duration: 10500ms\nclients: [{{ name: c, arrivals: {{ deterministic: {{ rate: 1/s }} }}, requests: [{{ work: {{ constant: 5ms }} }}] }}]\n\
             servers:\n  - {{ name: a, zone: a }}\n  - {{ name: b, zone: b }}\n\
             balancers: [{{ name: lb, zone: a, targets: [a, b], own_zone_only: true, health_check: {{ tcp: {{}}, interval: 1s, timeout: 500ms, \
             phase: zero, unhealthy_after: 1, when_none: {when_none} }} }}]\nfaults: [{{ crash: {{ server: a-1, at: 3s }} }}]\n"
        )
    };
    // Three answers, then refusals from the server that nobody can replace, or none to send to: never the other zone.
    let record = once(&text("fail"));
    assert_eq!((record.requests.ok, record.servers[1].attempts), (2, 0));
    assert!(failed_by(&record, Failure::NoServer) >= 7);
    let open = once(&text("all"));
    assert_eq!((open.requests.ok, open.servers[1].attempts, failed_by(&open, Failure::ConnectFailure)), (2, 0, 8));
}

#[test]
fn pods_are_in_a_zone_as_long_as_their_node_is_theirs() {
    // One pod in each zone; when the node in zone b is drained, its pod is replaced in zone a, in a place that was empty, and from then on
    // used there. From 60 s on nothing comes back from it, which a check finds out within 2 s.
    let record = once(
        "duration: 2m\nclients: [{ name: c, timeout: 100ms, arrivals: { deterministic: { rate: 100/s } }, requests: [{ work: { constant: 1ms } }] }]\n\
         nodes: [{ name: n, count: 2, zones: [a, b] }]\n\
         servers: [{ name: web, count: 4, slots: 10, pods: { replicas: 2, start: { constant: 1s }, readiness_probe: { tcp: {}, period: 1s } } }]\n\
         balancers: [{ name: lb, zone: a, targets: [web], own_zone_only: true, members: { endpoints: {} }, \
         health_check: { tcp: {}, interval: 1s, timeout: 500ms, unhealthy_after: 1 } }]\n\
         operations: [{ drain: { node: n-2, at: 20s } }]\nfaults: [{ blackhole: { server: web-3, at: 60s } }]\n",
    );
    let attempts: Vec<u64> = record.servers.iter().map(|server| server.attempts).collect();
    let served = attempts.iter().filter(|attempts| **attempts > 0).count();
    assert!(served == 2 && attempts[2] > 1500, "{attempts:?}");
    // Half of 100 a second for up to 2 s.
    assert!((1..=110).contains(&record.requests.failed()), "{}", record.requests.failed());
    assert_eq!(record.servers.iter().map(|server| server.was_empty).collect::<Vec<_>>(), [false, false, false, true]);
}
