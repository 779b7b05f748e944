//! Flows that nobody keeps: tries that make a connection of their own through a balancer which looks at connections. A first packet that is
//! lost is sent again after 1, 2, 4, ... seconds.

use crate::trial::{failed_by, once, sum_ms};
use lbsim::measure::{RunRecord, Status};
use lbsim::scenario::Failure;

/// Ten requests a second to one server; `balancers` from the entry on.
fn flows(duration: &str, client: &str, balancers: &str, fault: &str) -> RunRecord {
    once(&format!(
        "duration: {duration}\n\
         clients: [{{ name: c, arrivals: {{ deterministic: {{ rate: 10/s }} }}, requests: [{{ work: {{ constant: 10ms }} }}]{client} }}]\n\
         servers: [{{ name: s, slots: 10000 }}]\n\
         balancers: [{balancers}]\n\
         faults: [{{ blackhole: {{ server: s, {fault} }} }}]\n"
    ))
}

const L4: &str = "{ name: nlb, targets: [s], layer: l4 }";
const SHORT: &str = "at: 4950ms, for: 500ms";

/// Time that answered requests have waited beyond their work, in whole seconds.
fn waited_s(record: &RunRecord) -> f64 {
    let sum: f64 = record.classes.iter().map(|class| sum_ms(&class.latency)).sum();
    (sum / 1000.0 - record.requests.ok as f64 * 0.01).round()
}

#[test]
fn a_first_packet_that_is_lost_is_sent_again_after_1_2_4_s() {
    // Five are sent in half a second, and come through a second later.
    let record = flows("20050ms", "", L4, SHORT);
    assert_eq!((record.requests.failed(), record.unfinished, waited_s(&record)), (0, 0, 5.0));
    // Of twenty in two seconds the first ten are lost again, and come through after 1 + 2 s.
    let record = flows("20050ms", "", L4, "at: 4950ms, for: 2s");
    assert_eq!((record.requests.failed(), record.unfinished, waited_s(&record)), (0, 0, 10.0 + 30.0));
    // Whoever has given up by then still has the fault to blame.
    let record = flows("20050ms", ", timeout: 900ms", L4, SHORT);
    assert_eq!((failed_by(&record, Failure::Timeout), record.failover.faults[0].failed_requests), (5, 5));
    // Balancers that look at requests say nothing of packets: what vanishes is lost for good.
    let record = flows("20050ms", "", "{ name: alb, targets: [s] }", SHORT);
    assert_eq!((record.requests.failed(), record.unfinished, record.stuck), (0, 5, 5));
}

#[test]
fn who_opens_a_flow_that_nobody_answers_gives_up_after_127_s() {
    // Sent from 5.0 s on; those up to 53 s have waited for 127 s by the end of the run. The rest may come through yet.
    let record = flows("180050ms", "", L4, "at: 4950ms");
    assert_eq!((failed_by(&record, Failure::ConnectFailure), record.requests.failed()), (481, 481));
    assert_eq!((record.unfinished, record.stuck, record.failover.faults[0].failed_requests), (1270, 0, 481));
    // A balancer in front that looks at requests is the one who opens it: it answers 504.
    let record = flows("180050ms", "", &format!("{{ name: alb, targets: [nlb], connections: {{ max_requests: 1 }} }}, {L4}"), "at: 4950ms");
    assert_eq!((failed_by(&record, Failure::ConnectFailure), record.statuses[0].get(Status::Own(504))), (481, 481), "kept");
    let record = flows("180050ms", "", &format!("{{ name: alb, targets: [nlb], idle_timeout: 1h }}, {L4}"), "at: 4950ms");
    assert_eq!((failed_by(&record, Failure::ConnectFailure), record.statuses[0].get(Status::Own(504))), (481, 481), "not kept");
}

/// The balancer forgets a flow that is idle for a minute, but not one whose first packet is still sent again.
#[test]
fn an_idle_timeout_forgets_no_flow_that_is_still_to_be_made() {
    let record = flows("300s", "", "{ name: nlb, targets: [s], layer: l4, idle_timeout: 60s }", "at: 4950ms, for: 62s");
    assert_eq!((record.stuck, record.requests.failed()), (0, 0));
}

#[test]
fn a_connect_timeout_ends_the_wait_and_not_the_request() {
    let text = |timeout: &str| format!("{{ name: alb, targets: [nlb], connect_timeout: {timeout} }}, {L4}");
    let record = flows("20050ms", "", &text("800ms"), SHORT);
    assert_eq!((failed_by(&record, Failure::ConnectFailure), record.failover.faults[0].failed_requests), (5, 5));
    // The connection is made after a second, and work of 10 ms is done before the timeout; work of 2 s outlasts it.
    let record = flows("20050ms", "", &text("1500ms"), SHORT);
    assert_eq!((record.requests.failed(), record.unfinished, waited_s(&record)), (0, 0, 5.0));
    let work = once(&format!(
        "duration: 20050ms\nclients: [{{ name: c, arrivals: {{ deterministic: {{ rate: 10/s }} }}, requests: [{{ work: {{ constant: 2s }} }}] }}]\n\
         servers: [{{ name: s, slots: 100 }}]\nbalancers: [{}]\nfaults: [{{ blackhole: {{ server: s, {SHORT} }} }}]\n",
        text("1500ms")
    ));
    // Sent by 18 s; the answers of five that were worked on before are lost in the dark.
    assert_eq!((work.requests.failed(), work.attempts.ok, work.stuck), (0, 180 - 5, 5));
}

/// A node without a ready pod drops under a local policy. What is sent there comes through when a pod has come, at the next packet.
#[test]
fn what_a_kube_proxy_drops_is_sent_again() {
    let text = |timeout: &str| {
        format!(
            "duration: 30050ms\n\
             clients: [{{ name: c, arrivals: {{ deterministic: {{ rate: 10/s }} }}, requests: [{{ work: {{ constant: 10ms }} }}]{timeout} }}]\n\
             nodes: [{{ name: worker, count: 2, cpu: 2 }}]\n\
             servers: [{{ name: web, count: 4, slots: 10, pods: {{ replicas: 1, cpu: 500m, start: {{ constant: 100ms }}, image_pull: {{ constant: 500ms }} }} }}]\n\
             balancers:\n\
             - {{ name: lb, targets: [p1, p2], algorithm: round_robin }}\n\
             - {{ name: p1, targets: [web], layer: l4, node: worker-1, members: {{ endpoints: {{ traffic: local, delay: {{ constant: 100ms }} }} }} }}\n\
             - {{ name: p2, targets: [web], layer: l4, node: worker-2, members: {{ endpoints: {{ traffic: local, delay: {{ constant: 100ms }} }} }} }}\n\
             operations: [{{ scale: {{ group: web, replicas: 2, at: 9350ms }} }}]\n"
        )
    };
    // Half of all go to a node without a pod until 9.95 s, and each comes through at its next packet: all of them by 8.1 s + 7 s.
    let record = once(&text(""));
    assert_eq!((record.requests.failed(), record.unfinished, record.requests.ok), (0, 0, 300));
    // Sent every 0.2 s from 0.1 s (or 0.2 s) to 9.9 s; up to 2.9 s after 1, 3, 7 and 15 s, from 3.0 s on after 7 s, and so on.
    let waited = waited_s(&record);
    let expected: f64 = (0..49)
        .map(|i| 0.2 + 0.2 * f64::from(i))
        .map(|sent| [1.0, 3.0, 7.0, 15.0].into_iter().find(|wait| sent + wait > 9.95).unwrap_or(0.0))
        .sum();
    assert!((waited - expected).abs() <= 15.0, "{waited}, expected {expected}");
    // Without the packets they would wait for ever; a client with a second of patience sees them fail.
    let record = once(&text(", timeout: 900ms"));
    assert!(failed_by(&record, Failure::Timeout).abs_diff(49) <= 1);
}
