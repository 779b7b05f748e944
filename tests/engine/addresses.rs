//! The address of a pod that is gone: it refuses as long as its sandbox is there, and then nobody answers.

use crate::cluster::READINESS;
use crate::trial::{failed_by, once, replications_in_bins};
use lbsim::measure::{RunRecord, Status};
use lbsim::scenario::Failure;
use lbsim::units::Span;

/// Ten requests a second, by turns to two pods; one of them ends at 20.05 s, and the balancer hears of it 4 s later.
fn one_of_two_ends(client: &str, lingers: &str, balancer: &str) -> RunRecord {
    let text = format!(
        "duration: 1m\n\
         clients: [{{ name: c, {client}, arrivals: {{ deterministic: {{ rate: 10/s }} }}, requests: [{{ work: {{ constant: 1ms }} }}] }}]\n\
         servers: [{{ name: web, count: 3, slots: 10, pods: {{ replicas: 2, on_term: exit, {READINESS}{lingers} }} }}]\n\
         balancers: [{{ name: lb, targets: [web], algorithm: round_robin, members: {{ target_group: {{ delay: {{ constant: 4s }} }} }}, {balancer} }}]\n\
         operations: [{{ scale: {{ group: web, replicas: 1, at: 20050ms }} }}]\n"
    );
    replications_in_bins(&text, 1, Some(Span::from_secs(1))).remove(0)
}

/// Failed requests by the second in which that was known.
fn failures(record: &RunRecord) -> Vec<(usize, u64)> {
    record.timeline.bins.iter().enumerate().map(|(second, bin)| (second, bin.failed)).filter(|(_, failed)| *failed > 0).collect()
}

/// An Application Load Balancer waits 10 s for a connection.
#[test]
fn a_load_balancer_answers_502_as_long_as_the_address_lingers_and_504_after_ten_seconds() {
    for connections in ["", ", connections: {}"] {
        let run = |lingers: &str| {
            let record = one_of_two_ends("timeout: 30s", lingers, &format!("layer: l7, connect_timeout: 10s{connections}"));
            let statuses = record.statuses.last().expect("the balancer's");
            assert_eq!(record.pods[0].failed_requests, record.requests.failed());
            assert_eq!(failed_by(&record, Failure::ConnectFailure), record.requests.failed());
            (statuses.get(Status::Own(502)), statuses.get(Status::Own(504)), failures(&record))
        };
        // Every second one of those from 20.1 s to 24 s: 5 up to 21 s, and 15 from 21.1 s on, for which it waits.
        let (refused, unreached, seconds) = run(", address_lingers: 1s");
        assert_eq!((refused, unreached), (5, 15), "{connections}");
        let early: u64 = seconds.iter().filter(|(second, _)| (20..=21).contains(second)).map(|(_, failed)| failed).sum();
        let late: u64 = seconds.iter().filter(|(second, _)| (31..=34).contains(second)).map(|(_, failed)| failed).sum();
        assert_eq!((early, late), (5, 15), "{connections}: {seconds:?}");
        assert_eq!((run(", address_lingers: 0s").0, run(", address_lingers: 0s").1), (0, 20), "{connections}");
        assert_eq!((run("").0, run("").1), (20, 0), "{connections}: it refuses for ever");
    }
}

/// A Network Load Balancer passes packets on to the pods, and gives nothing up: its clients do.
#[test]
fn a_client_of_a_network_load_balancer_waits_for_its_own_timeout() {
    for connections in ["", ", connections: { max_requests: 1 }"] {
        let record = one_of_two_ends(&format!("timeout: 8s{connections}"), ", address_lingers: 1s", "layer: l4");
        assert_eq!((failed_by(&record, Failure::ConnectFailure), failed_by(&record, Failure::Timeout)), (5, 15), "{connections}");
        let late: u64 = failures(&record).into_iter().filter(|(second, _)| (29..=32).contains(second)).map(|(_, failed)| failed).sum();
        assert_eq!(late, 15, "{connections}");
        assert_eq!(record.pods[0].failed_requests, 20);
    }
}

/// The next pod has the place, and not the address.
#[test]
fn what_is_sent_to_a_pod_that_is_gone_does_not_reach_the_one_in_its_place() {
    let run = |lingers: &str, balancer: &str| {
        once(&format!(
            "duration: 1m\n\
             clients: [{{ name: c, timeout: 3s, arrivals: {{ deterministic: {{ rate: 10/s }} }}, requests: [{{ work: {{ constant: 1ms }} }}] }}]\n\
             servers: [{{ name: web, slots: 10, pods: {{ on_term: exit, start: {{ constant: 0s }}, image_pull: {{ constant: 0s }}, \
             rolling_update: {{ recreate: true }}{lingers} }} }}]\n\
             balancers: [{{ name: lb, targets: [web], members: {{ endpoints: {{ delay: {{ constant: 5s }} }} }}, {balancer} }}]\n\
             operations: [{{ rollout: {{ group: web, at: 20050ms }} }}]\n"
        ))
    };
    for balancer in ["layer: l7", "layer: l7, connections: {}", "layer: l4"] {
        // The new one serves at once, and is known 5 s later. Ten are refused; of the other forty no packet that is sent again reaches it.
        let record = run(", address_lingers: 1s", balancer);
        assert_eq!((failed_by(&record, Failure::ConnectFailure), failed_by(&record, Failure::Timeout)), (10, 40), "{balancer}");
        assert_eq!(record.pods[0].failed_requests, 50);
        // Where it makes no difference, the name of the place is the address.
        assert_eq!(run("", balancer).requests.failed(), 0);
    }
}

/// Checks of a target that is gone and still registered: refused, and later without an answer.
#[test]
fn a_check_of_an_address_that_nobody_has_runs_into_its_timeout() {
    let check = |lingers: &str| {
        let check = "layer: l7, health_check: { tcp: {}, interval: 1s, timeout: 800ms, phase: zero, unhealthy_after: 2 }";
        let record = one_of_two_ends("timeout: 30s", lingers, check);
        let history = record.history.as_ref().expect("the first replication has one");
        let out = history.rotation.iter().find(|sight| !sight.is_good).map(|sight| sight.at.as_secs_f64());
        out.expect("it is taken out")
    };
    // Checks at 21 s and 22 s fail at once; or the first one after the second in which it refuses, and then 0.8 s later.
    assert_eq!((check(""), check(", address_lingers: 100ms")), (22.0, 22.8));
}
