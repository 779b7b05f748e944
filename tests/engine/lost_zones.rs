//! Faults of a zone where a load balancer has a node: its address answers nobody, until the name has found out and the answers that are kept
//! have run out.

use crate::trial::{failed_by, mean, once, replications};
use lbsim::measure::RunRecord;
use lbsim::scenario::Failure;

/// Ten requests a second of 450 ms to the first address that is well, `lb@a` or `lb@b`; both send to a server in zone b. The name checks at
/// 0 s, 10 s, ...
fn text(dns: &str, node: &str, fault: &str, more: &str) -> String {
    let check = "health_check: { http: /, interval: 10s, timeout: 4s, phase: zero, unhealthy_after: 3, healthy_after: 3, when_none: all }";
    format!(
        "duration: 200s\nclients: [{{ name: c, timeout: 1s, arrivals: {{ deterministic: {{ rate: 10/s }} }}, requests: [{{ path: /, work: {{ constant: 450ms }} }}]{more} }}]\n\
         servers: [{{ name: web, slots: 99, zone: b }}]\nbalancers:\n\
         - {{ name: lb, targets: [lb@a, lb@b], dns: {{ routing: failover, {dns} }}, {check} }}\n\
         - {{ name: lb@a, targets: [web], zone: a, {node} }}\n- {{ name: lb@b, targets: [web], zone: b, {node} }}\nfaults: [{fault}]\n"
    )
}

fn run(dns: &str, node: &str, fault: &str) -> RunRecord {
    once(&text(dns, node, fault, ""))
}

const CRASH: &str = "{ crash: { zone: a, at: 61s, for: 60s } }";

/// The checks of 70, 80 and 90 s run into their timeout: out at 94 s, 33 s after the fault; those of 130, 140 and 150 s pass: back 29 s after
/// its end. Each request asks the name for itself: those sent from 61 s on and before 94 s are lost, and the four that were in work.
#[test]
fn an_address_is_lost_until_the_checks_of_its_name_have_found_out() {
    for node in ["layer: l7", "layer: l4", "rules: [{ forward: { web: 1 } }]", "instances: 2"] {
        for fault in [CRASH.to_owned(), CRASH.replace("crash", "blackhole")] {
            let run = run("ttl: 1s", node, &fault);
            let failed = failed_by(&run, Failure::Timeout);
            assert_eq!((failed, run.requests.failed(), run.unfinished), (334, 334, 5), "{node}");
            let told = &run.failover.faults[0];
            assert_eq!((told.failed_requests, told.detected_after_s, told.restored_after_s), (334, Some(33.0), Some(29.0)), "{node}");
        }
    }
}

/// Then a resolver's answer of up to 60 s runs out: 30 s more on average, with a standard deviation of 17.3 s.
#[test]
fn who_keeps_an_answer_stays_with_the_lost_address_for_the_ttl() {
    let runs = replications(&text("ttl: 60s, resolvers: 1", "layer: l7", &CRASH.replace("60s", "120s"), ""), 30);
    let failed: Vec<f64> = runs.iter().map(|run| run.requests.failed() as f64).collect();
    // Five standard errors of 30 runs, at ten requests a second.
    let mean = mean(failed.iter().copied());
    assert!((mean - 634.0).abs() < 5.0 * 173.0 / 30_f64.sqrt(), "{mean}");
    assert!(failed.iter().all(|failed| (334.0..=934.0).contains(failed)), "{failed:?}");
    assert!(runs.iter().all(|run| run.failover.faults[0].failed_requests == run.requests.failed()));
}

/// A connection that is open when its other end is lost tells nothing: who sends on it waits in vain, and then opens one elsewhere.
#[test]
fn connections_to_a_lost_address_end_in_silence() {
    let run = once(&text("ttl: 1s", "layer: l7", CRASH, ", population: 10, connections: { streams: 1 }"));
    // Each new connection asks anew, and is opened for a request that gives up after 1 s; the last one does so after 94 s.
    let failed = failed_by(&run, Failure::Timeout);
    assert_eq!((failed, run.failover.faults[0].failed_requests), (run.requests.failed(), failed));
    assert!((334..=344).contains(&failed), "{failed}");
}

#[test]
fn what_is_wrong_with_servers_is_not_wrong_with_a_node_of_a_load_balancer() {
    for fault in ["{ hang: { zone: b, at: 61s, for: 60s } }", "{ slow: { zone: b, factor: 1, at: 61s } }"] {
        let lb = run("ttl: 1s", "health_check: { tcp: {}, interval: 2s, timeout: 1s, when_none: all }", fault);
        assert!(lb.failover.faults[0].false_ejections == 0 && lb.names[0].answers[1] == 0, "{fault}");
    }
}

/// What a rule answers by itself, it does not answer from a zone that is gone.
#[test]
fn a_lost_address_answers_nothing_by_itself() {
    let run = run("ttl: 1s", "rules: [{ respond: 200 }]", CRASH);
    assert_eq!((failed_by(&run, Failure::Timeout), run.requests.failed()), (330, 330));
}

/// Each node of a load balancer fails by itself, with its parts; a node that stands in no zone, never.
#[test]
fn nodes_fail_at_random_each_by_itself() {
    let fault = "{ crash: { zone: a, mtbf: { exponential: { mean: 200s } }, mttr: { exponential: { mean: 200s } } } }";
    // What a node that is cut off has taken its targets for is mended soon.
    let check = "interval: 5s, timeout: 2s, healthy_threshold: 2";
    let text = |nodes: u32, zones: &str| {
        format!(
            "duration: 20000s\nclients: [{{ name: c, timeout: 1s, arrivals: {{ deterministic: {{ rate: 1/s }} }}, requests: [{{ work: {{ constant: 1us }} }}] }}]\n\
             servers: [{{ name: web, slots: 99 }}, {{ name: other, zone: a }}]\nfaults: [{fault}]\naws:\n  \
             target_groups: [{{ name: web, targets: [web], health_check: {{ {check} }} }}, {{ name: rest, targets: [web], health_check: {{ {check} }} }}]\n  \
             load_balancers: [{{ name: shop, type: application, {zones}nodes_per_zone: {nodes}, listeners: [{{ rules: [{{ when: {{ path: [/x] }}, forward: {{ rest: 1 }} }}], default: {{ web: 1 }} }}] }}]\n"
        )
    };
    let share = |text: &str| {
        let run = once(text);
        run.requests.failed() as f64 / run.requests.sent as f64
    };
    // In turns up and down for 200 s on average: half of the time, 50 cycles with a standard deviation of 5 % of the time; five of them.
    let one = share(&text(1, "zones: [a], "));
    assert!((one - 0.5).abs() < 0.25, "{one}");
    // Of three, the name leaves out those that it has found to be gone, so that requests are lost where all three are gone (an eighth of the
    // time, with half the deviation of one) and, of a third of them each, in the 20 to 34 s of each 400 until it has found out.
    let three = share(&text(3, "zones: [a], "));
    assert!(three > 0.125 + 0.05 - 0.125 && three < 0.125 + 0.085 + 0.125, "{three}");
    assert_eq!(share(&text(1, "")), 0.0);
}
