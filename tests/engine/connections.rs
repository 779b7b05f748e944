//! Connections: what they pin, what they cost, how they end. Deterministic arrivals come at k / rate, so that most figures are exact.

use crate::trial::{failed_by, latency_ms, once};
use lbsim::measure::RunRecord;
use lbsim::scenario::Failure;

fn attempts(record: &RunRecord) -> Vec<u64> {
    record.servers.iter().map(|server| server.attempts).collect()
}

/// Clients, servers and balancers as given.
fn scenario(head: &str, client: &str, servers: &str, balancers: &str) -> String {
    format!("{head}\nclients: [{{ name: c, {client} }}]\nservers: [{servers}]\nbalancers: [{balancers}]\n")
}

/// One request a second, each with so much work.
fn each_second(work: &str, more: &str) -> String {
    format!("arrivals: {{ deterministic: {{ rate: 1/s }} }}, requests: [{{ work: {{ constant: {work} }} }}]{more}")
}

#[test]
fn one_http2_connection_through_an_l4_balancer_pins_all_on_one_target() {
    let run = |layer: &str, streams: &str| {
        let client = format!(
            "arrivals: {{ poisson: {{ rate: 100/s }} }}, requests: [{{ work: {{ exponential: {{ mean: 20ms }} }} }}], connections: {{ per: all, streams: {streams} }}"
        );
        let lb = format!("{{ name: lb, layer: {layer}, targets: [s], algorithm: random }}");
        once(&scenario("duration: 100s", &client, "{ name: s, count: 4, slots: 8 }", &lb))
    };
    let pinned = run("l4", "100");
    let mut shares = attempts(&pinned);
    shares.sort_unstable();
    assert_eq!(shares[..3], [0, 0, 0]);
    assert_eq!(pinned.openers[0].unwrap().opened, 1);
    // Per request: binomial with n = 10,000 and p = 1/4; standard deviation 43, five of them.
    let even = attempts(&run("l7", "100"));
    let sent: u64 = even.iter().sum();
    assert!(even.iter().all(|count| count.abs_diff(sent / 4) < 217), "{even:?}");
}

#[test]
fn a_handshake_takes_its_round_trips_and_its_computing() {
    let latencies = |tls: &str, more: &str| {
        let client = each_second("10ms", &format!(", latency: {{ constant: 20ms }}, population: 1, connections: {{ {more} }}"));
        let lb = format!("{{ name: lb, targets: [s]{tls} }}");
        let record = once(&scenario("duration: 10500ms", &client, "{ name: s, latency: { constant: 1ms } }", &lb));
        assert_eq!(record.requests.ok, 10);
        latency_ms(&record)
    };
    // The way there and back, and the work: 20 + 1 + 10 + 1 + 20 = 52 ms. TCP: one round trip of 40 ms more, for the first of ten.
    let all_new = |tls: &str| latencies(tls, "max_requests: 1");
    assert_eq!(latencies("", ""), 52.0 + 4.0);
    assert_eq!(all_new(""), 92.0);
    assert_eq!(all_new(", tls: { round_trips: 1, handshake: { constant: 2ms } }"), 92.0 + 40.0 + 2.0);
    assert_eq!(all_new(", tls: { round_trips: 2, handshake: { constant: 2ms } }"), 92.0 + 80.0 + 2.0);
    // All but the first resume their session; with early data that takes no round trip.
    let resumed = |trips: u32| all_new(&format!(", tls: {{ round_trips: 2, resumed: 100%, resumed_round_trips: {trips} }}"));
    assert!((resumed(1) - (92.0 + (80.0 + 2.0) / 10.0 + 0.9 * (40.0 + 0.2))).abs() < 1e-9, "{}", resumed(1));
    assert!((resumed(0) - (92.0 + (80.0 + 2.0) / 10.0 + 0.9 * 0.2)).abs() < 1e-9, "{}", resumed(0));
}

#[test]
fn a_connection_that_was_forgotten_on_its_way_is_reset_and_one_that_was_closed_is_not() {
    // Requests at 1, 11, 21, ... s, each on the same connection unless that has ended.
    let run = |lb: &str, client_idle: &str| {
        let client = format!(
            "arrivals: {{ deterministic: {{ rate: 0.1/s }} }}, population: 1, requests: [{{ work: {{ constant: 10ms }} }}], latency: {{ constant: 1ms }}, connections: {{ idle_timeout: {client_idle} }}"
        );
        once(&scenario("duration: 105s", &client, "{ name: s }", lb))
    };
    let l4 = "{ name: lb, layer: l4, targets: [s], idle_timeout: 5s }";
    let record = run(l4, "60s");
    // Every other one finds the connection forgotten.
    assert_eq!((record.requests.ok, failed_by(&record, Failure::Reset)), (5, 5));
    assert_eq!(record.openers[0].unwrap().resets, 5);
    assert_eq!(run(l4, "4s").requests.ok, 10);
    let l7 = run("{ name: lb, targets: [s], idle_timeout: 5s }", "60s");
    assert_eq!((l7.requests.ok, l7.openers[0].unwrap().opened), (10, 10));
}
