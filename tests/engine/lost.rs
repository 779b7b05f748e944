//! What is lost on connections that are kept: on whom it is blamed, and what is counted of it.

use crate::trial::{failed_by, once};
use lbsim::measure::Status;
use lbsim::scenario::Failure;

/// Two servers, or two balancers on nodes, behind a balancer that keeps its connections.
fn kept(more: &str) -> String {
    format!(
        "duration: 1m\n\
         clients: [{{ name: c, timeout: 1s, arrivals: {{ deterministic: {{ rate: 100/s }} }}, requests: [{{ work: {{ constant: 1ms }} }}] }}]\n{more}"
    )
}

#[test]
fn a_client_that_gives_up_while_a_connection_is_made_into_the_dark_has_the_dark_to_blame() {
    // Every second request goes to s-1, which is dark from 20 s on; the last that give up within the minute were sent at 59 s.
    let record = once(&kept(
        "servers: [{ name: s, count: 2, slots: 10 }]\n\
         balancers: [{ name: lb, targets: [s], connections: {} }]\n\
         faults: [{ blackhole: { server: s-1, at: 20s } }]\n",
    ));
    let failed = failed_by(&record, Failure::Timeout);
    assert!((1940..=1960).contains(&failed), "{failed}");
    assert_eq!((record.failover.faults[0].failed_requests, record.requests.failed()), (failed, failed));
}

#[test]
fn who_gives_up_after_the_fault_still_has_the_fault_to_blame() {
    // First packets of half a second are lost; they are sent again after 1 s, when all is well, but whoever sent them has given up by then:
    // the client, or the balancer in front of the server.
    for timeout in ["", ", connect_timeout: 800ms"] {
        let text = kept(&format!(
            "servers: [{{ name: s, count: 2, slots: 10 }}]\n\
             balancers: [{{ name: lb, targets: [s], connections: {{ max_requests: 1 }}{timeout} }}]\n\
             faults: [{{ blackhole: {{ server: s-1, at: 20s, for: 500ms }} }}]\n"
        ));
        let record = once(&text.replacen("timeout: 1s", "timeout: 900ms", 1));
        let failed = record.requests.failed();
        assert_eq!((failed, record.failover.faults[0].failed_requests), (25, 25), "{timeout}");
    }
}

#[test]
fn nothing_answers_on_a_lost_node_whether_connections_are_kept_or_not() {
    for layer in ["l4", "l7"] {
        let record = once(&kept(&format!(
            "nodes: [{{ name: worker, count: 2 }}]\n\
             servers: [{{ name: web, count: 2, slots: 10 }}]\n\
             balancers:\n\
             - {{ name: outer, targets: [a, b], connections: {{ max_requests: 1 }} }}\n\
             - {{ name: a, targets: [web], layer: {layer}, node: worker-1 }}\n\
             - {{ name: b, targets: [web], layer: {layer}, node: worker-2 }}\n\
             faults: [{{ blackhole: {{ node: worker-1, at: 20s }} }}]\n"
        )));
        let failed = failed_by(&record, Failure::Timeout);
        assert!((1940..=1960).contains(&failed), "{layer}: {failed}");
        assert_eq!((record.failover.faults[0].failed_requests, record.requests.failed()), (failed, failed), "{layer}");
    }
}

#[test]
fn what_a_target_group_cuts_is_one_502_and_no_460() {
    // As in `cluster`: the deregistration delay of 1 s cuts what takes 3 s.
    let record = once(
        "duration: 1m\n\
         clients: [{ name: c, arrivals: { deterministic: { rate: 10/s } }, requests: [{ work: { constant: 3s } }] }]\n\
         servers: [{ name: web, count: 6, slots: 100, pods: { replicas: 2, pre_stop: 15s, readiness_probe: { tcp: {} } } }]\n\
         balancers: [{ name: lb, targets: [web], members: { target_group: { delay: { constant: 1s }, deregistration_delay: 1s } } }]\n\
         operations: [{ rollout: { group: web, at: 10s } }]\n",
    );
    let statuses = record.statuses.last().expect("the balancer's");
    let cut = failed_by(&record, Failure::Reset);
    assert!(cut > 10, "{cut}");
    assert_eq!((statuses.get(Status::Own(502)), statuses.get(Status::GONE)), (cut, 0));
}

/// An Application Load Balancer answers 504 where a target has not answered within its idle timeout, or is not reached within 10 s.
#[test]
fn an_application_load_balancer_waits_ten_seconds_for_a_connection_and_its_idle_timeout_for_an_answer() {
    let text = |work: &str, faults: &str| {
        format!(
            "duration: 100500ms\nclients: [{{ name: c, arrivals: {{ deterministic: {{ rate: 1/s }} }}, requests: [{{ work: {{ constant: {work} }} }}] }}]\n\
             servers: [{{ name: s, slots: 200 }}]\naws:\n\
             \x20 load_balancers: [{{ name: shop, type: application, listeners: [{{ default: {{ web: 1 }} }}] }}]\n\
             \x20 target_groups: [{{ name: web, targets: [s] }}]\n{faults}"
        )
    };
    let answers = |text: &str| {
        let record = once(text);
        (record.requests.ok, failed_by(&record, Failure::Timeout), failed_by(&record, Failure::ConnectFailure), record.unfinished)
    };
    // Sent from 1 s to 100 s: those up to 40 s have waited for 60 s, or have been answered after 59 s.
    assert_eq!(answers(&text("59s", "")), (41, 0, 0, 59));
    assert_eq!(answers(&text("61s", "")), (0, 40, 0, 60));
    // Nobody answers from 50.5 s on: those up to 90 s have given up connecting. (The one connection that is there takes the first of them.)
    assert_eq!(answers(&text("1ms", "faults: [{ blackhole: { server: s, at: 50500ms } }]")), (50, 0, 39, 11));
}
