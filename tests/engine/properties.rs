//! What holds in every run, whatever the scenario: checked on scenarios drawn at random. A failure prints the scenario.

use crate::generator::{Kind, scenario, with_routes};
use crate::trial::{figures, plan, sum_ms, variants};
use lbsim::measure::latency::LogLinear;
use lbsim::measure::{Latencies, RunRecord};
use lbsim::model;
use lbsim::scenario::Failure;
use rayon::prelude::*;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Runs `check` on scenarios of a kind. Panics carry the scenario's text.
fn for_each(kind: Kind, count: u64, check: impl Fn(&str, &RunRecord) + Sync) {
    let count = count * times();
    // Each seed twice: with connections that are kept, and without.
    let kinds = [kind, Kind { connects: true, ..kind }];
    (0..count).into_par_iter().flat_map(|seed| kinds.map(|kind| (seed, kind))).for_each(|(seed, kind)| {
        let text = scenario(seed, kind);
        let record = run(&text);
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&text, &record)));
        assert!(checked.is_ok(), "in this scenario:\n{text}");
    });
}

/// LBSIM_HUNT=20 runs twenty times as many scenarios.
fn times() -> u64 {
    std::env::var("LBSIM_HUNT").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

/// The scenario's run; a panic of the engine names it.
fn run(text: &str) -> RunRecord {
    let compiled = &variants(text)[0];
    let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| model::run(plan(compiled, 3, 0))));
    ran.unwrap_or_else(|_| panic!("the engine panicked in this scenario:\n{text}"))
}

const ANY: Kind = Kind { drains: false, is_calm: false, is_nameless: false, has_pods: false, connects: false };
const DRAINING: Kind = Kind { drains: true, is_calm: false, is_nameless: false, has_pods: false, connects: false };
const CALM: Kind = Kind { drains: true, is_calm: true, is_nameless: false, has_pods: false, connects: false };

#[test]
fn requests_and_attempts_are_conserved() {
    for_each(ANY, 400, are_conserved);
}

#[test]
fn they_are_conserved_through_rules_names_instances_and_zones_too() {
    let count = 400 * times();
    (0..count).into_par_iter().for_each(|seed| {
        let text = with_routes(&scenario(seed, ANY), seed);
        let record = run(&text);
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| are_conserved(&text, &record)));
        assert!(checked.is_ok(), "in this scenario:\n{text}");
        assert_eq!(figures(&record), figures(&run(&text)), "the same again in this scenario:\n{text}");
    });
}

fn are_conserved(text: &str, record: &RunRecord) {
    let (requests, attempts) = (&record.requests, &record.attempts);
    assert_eq!(requests.sent, requests.ok + requests.failed() + record.unfinished);
    let open = attempts.sent.checked_sub(attempts.ok + attempts.failed()).expect("no attempt ends twice");
    assert!(open <= record.unfinished, "{open} attempts open, {} requests", record.unfinished);
    assert!(attempts.sent <= requests.sent + record.retried && requests.ok <= attempts.ok);
    assert_eq!(attempts.sent, record.servers.iter().map(|server| server.attempts).sum::<u64>());
    assert_eq!(attempts.ok, record.servers.iter().map(|server| server.response.count()).sum::<u64>());
    assert_eq!(attempts.ok, record.classes.iter().map(|class| class.response.count()).sum::<u64>());
    assert_eq!(attempts.ok, record.classes.iter().map(|class| class.waiting.count()).sum::<u64>());
    assert_eq!(requests.ok, record.classes.iter().map(|class| class.latency.count()).sum::<u64>());
    let blamed: u64 = record.failover.faults.iter().map(|fault| fault.failed_requests).sum();
    assert!(blamed <= requests.failed() + record.stuck && record.stuck <= record.unfinished);
    if text.contains("warmup: 0s") {
        let bins =
            record.timeline.bins.iter().fold((0, 0, 0), |(sent, ok, failed), bin| (sent + bin.sent, ok + bin.ok, failed + bin.failed));
        assert_eq!(bins, (requests.sent, requests.ok, requests.failed()));
        let in_bins: f32 = record.timeline.server_bins.iter().map(|bin| bin.attempts).sum();
        assert_eq!(in_bins as u64, attempts.sent);
    }
}

#[test]
fn figures_lie_where_they_can() {
    for_each(ANY, 400, |_, record| {
        for server in &record.servers {
            assert!((0.0..=1.0 + 1e-9).contains(&server.utilization.unwrap_or(0.0)), "{:?}", server.utilization);
            assert!((0.0..=1.0).contains(&server.up) && server.mean_busy >= 0.0 && server.mean_queue >= 0.0);
            assert_ordered(&server.response);
        }
        for class in &record.classes {
            for latencies in [&class.latency, &class.response, &class.waiting] {
                assert_ordered(latencies);
            }
            assert!(class.waited <= class.waiting.count());
            assert!(sum_ms(&class.waiting) <= sum_ms(&class.response) * (1.0 + 1e-12));
        }
        let affinity = &record.affinity;
        assert!(affinity.lost_state <= affinity.moved && affinity.moved <= affinity.sessions);
        assert!(affinity.moved <= affinity.requests_moved && affinity.requests_moved <= affinity.requests);
        assert!(record.checks_failed <= record.checks_sent);
        let jain = record.users.jain();
        assert!(jain <= 1.0 + 1e-9 && jain * record.users.users() as f64 >= 1.0 - 1e-9 || record.users.users() == 0, "{jain}");
    });
}

fn assert_ordered<const B: u32, const U: u32>(latencies: &LogLinear<B, U>) {
    let quantiles: Vec<f64> = [0.0, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0].iter().filter_map(|q| latencies.quantile_ms(*q)).collect();
    assert!(quantiles.is_sorted(), "{quantiles:?}");
    if let (Some(last), Some(max), Some(mean)) = (quantiles.last(), latencies.max_ms(), latencies.mean_ms()) {
        assert!(*last <= max && mean <= max && quantiles[0] <= mean * 1.02 + 1e-3);
    }
}

#[test]
fn failures_have_their_causes() {
    for_each(ANY, 200, |text, record| {
        let can_happen = |failure: Failure| match failure {
            Failure::ConnectFailure => text.contains("crash:") || text.contains("flap:") || text.contains("connect_timeout"),
            Failure::Reset => ["crash:", "flap:", "keep_alive:", "idle_timeout:", "established:"].iter().any(|cause| text.contains(cause)),
            Failure::Timeout => text.contains(" timeout:") || text.contains(" idle_timeout:"),
            Failure::Refused => text.contains("queue: 0") || text.contains("queue: 3") || text.contains("queue: 20"),
            Failure::ServerError => text.contains("errors:"),
            Failure::NoServer => text.contains("health_check"),
            Failure::ClientError => text.contains("rules:"),
        };
        let failures = record.requests.by_error().chain(record.attempts.by_error());
        failures.for_each(|(failure, _)| assert!(can_happen(failure), "{failure:?}"));
    });
}

#[test]
fn a_run_whose_arrivals_end_ends_empty() {
    for_each(DRAINING, 300, |_, record| {
        assert_eq!(record.unfinished, 0);
        assert_eq!(record.attempts.sent, record.attempts.ok + record.attempts.failed());
        let last = &record.timeline.server_bins[record.timeline.server_bins.len() - record.timeline.servers..];
        // Nothing open, so nothing in flight in any balancer: the engine asserts that both agree.
        assert!(last.iter().all(|bin| bin.in_system == 0.0), "{last:?}");
    });
}

#[test]
fn requests_and_attempts_are_conserved_whatever_becomes_of_pods_and_nodes() {
    let rollouts = AtomicU32::new(0);
    for_each(Kind { has_pods: true, ..ANY }, 400, |_, record| {
        let (requests, attempts) = (&record.requests, &record.attempts);
        assert_eq!(requests.sent, requests.ok + requests.failed() + record.unfinished);
        let open = attempts.sent.checked_sub(attempts.ok + attempts.failed()).expect("no attempt ends twice");
        assert!(open <= record.unfinished, "{open} attempts open, {} requests", record.unfinished);
        let blamed: u64 = record.failover.faults.iter().map(|fault| fault.failed_requests).sum();
        let planned: u64 = record.pods.iter().map(|group| group.failed_requests).sum();
        assert!(blamed + planned <= requests.failed() + record.stuck, "{blamed} and {planned} of {}", requests.failed());
        for group in &record.pods {
            assert!(
                f64::from(group.ready_min.unwrap_or(0)) <= group.ready_mean + 1e-9 && group.ready_mean <= f64::from(group.ready_max) + 1e-9
            );
            rollouts.fetch_add(group.rollouts.1 as u32, Relaxed);
        }
    });
    assert!(rollouts.into_inner() > 100, "rollouts come to their end");
    for_each(Kind { has_pods: true, ..DRAINING }, 200, |_, record| {
        assert_eq!(record.unfinished, 0);
        assert_eq!(record.attempts.sent, record.attempts.ok + record.attempts.failed());
        let last = &record.timeline.server_bins[record.timeline.server_bins.len() - record.timeline.servers..];
        assert!(last.iter().all(|bin| bin.in_system == 0.0), "{last:?}");
    });
    for_each(Kind { has_pods: true, ..ANY }, 60, |text, record| {
        let again = run(text);
        assert!(
            figures(record) == figures(&again)
                && format!("{:?}{:?}", record.pods, record.history) == format!("{:?}{:?}", again.pods, again.history)
        );
    });
}

#[test]
fn little_and_the_utilization_law_hold_to_the_nanosecond() {
    let drained = AtomicU32::new(0);
    for_each(CALM, 300, |_, record| {
        if record.unfinished > 0 {
            return; // Too much work for the time there is.
        }
        drained.fetch_add(1, Relaxed);
        let window_ms = record.window_s * 1e3;
        for server in &record.servers {
            // The integral of the number in system is the sum of the times in system. Half a nanosecond a request comes from processor
            // sharing, which rounds the ends of requests up.
            let (in_system, response) = ((server.mean_busy + server.mean_queue) * window_ms, sum_ms(&server.response));
            assert!((in_system - response).abs() <= 1e-9 * response + 2e-6, "{in_system} {response}");
        }
        let busy = record.servers.iter().map(|server| server.mean_busy).sum::<f64>() * window_ms;
        let served: f64 = record.classes.iter().map(|class| sum_ms(&class.response) - sum_ms(&class.waiting)).sum();
        assert!((busy - served).abs() <= 1e-9 * served + 3e-6 * record.attempts.ok as f64, "{busy} {served}");
    });
    assert!(u64::from(drained.into_inner()) > 560 * times());
}

#[test]
fn the_books_of_connections_are_right() {
    let kept = AtomicU32::new(0);
    for_each(ANY, 200, |text, record| {
        for opener in record.openers.iter().flatten() {
            assert!(opener.reused <= opener.tries && opener.waited <= opener.tries + opener.failed);
            // Every try that opened its connection opened one that was made, failed, or is being made; window's edges apart.
            if text.contains("warmup: 0s") {
                assert!(opener.opened + opener.failed <= opener.tries && opener.tries - opener.reused >= opener.opened);
            }
            assert!(opener.resumed == 0 || opener.full > 0 || text.contains("warmup: 3s"));
            kept.fetch_add(1, Relaxed);
        }
        for statuses in record.statuses.iter().filter(|_| text.contains("warmup: 0s")) {
            let answered: u64 = statuses.iter().map(|(_, count)| count).sum();
            assert!(answered <= record.requests.sent + record.retried);
        }
    });
    assert!(kept.into_inner() > 100);
}

#[test]
fn a_run_repeats_itself_to_the_last_bit() {
    for_each(ANY, 100, |text, record| {
        let again = run(text);
        assert!(figures(record) == figures(&again) && format!("{:?}", record.failover.faults) == format!("{:?}", again.failover.faults));
    });
}

#[test]
fn names_of_servers_change_nothing_but_names() {
    // Random latencies, random phases of checks, random errors and faults and the ring of consistent hashing go by names.
    for_each(Kind { is_nameless: true, ..ANY }, 150, |text, record| {
        let renamed = ["s0", "s1", "s2"].iter().fold(text.to_owned(), |text, name| text.replace(name, &name.replace('s', "other")));
        assert!(renamed != *text && figures(record) == figures(&run(&renamed)));
    });
}

#[test]
fn a_fault_that_never_comes_or_changes_nothing_changes_nothing() {
    for_each(ANY, 150, |text, record| {
        for idle in
            ["crash: { server: s0, mtbf: { constant: 10h }, mttr: { constant: 1s } }", "slow: { server: s0-1, factor: 1, at: 2s, for: 3s }"]
        {
            // At the end of the list: the streams of faults that strike at random are named after their place in it.
            let list = text.trim_end().strip_suffix(']').expect("the faults stand last");
            let comma = if list.ends_with('[') { "" } else { ", " };
            let mut more = run(&format!("{list}{comma}{{ {idle} }}]\n"));
            // It has events of its own, two at most.
            assert!(more.events >= record.events && more.events <= record.events + 2);
            more.events = record.events;
            assert!(figures(record) == figures(&more), "with {idle}");
        }
    });
}

#[test]
fn percentiles_are_those_of_the_sorted_latencies() {
    // The k-th request waits (k - 1) x 50 ms and is worked on for 150 ms.
    let text = "duration: 70s\n\
                clients: [{ name: c, arrivals: { deterministic: { rate: 10/s } }, requests: [{ work: { constant: 150ms } }] }]\n\
                servers: [{ name: s }]\n\
                balancers: [{ name: lb, targets: [s] }]\n";
    let record = run(text);
    let exact: Vec<f64> = (0..record.requests.ok).map(|k| 150.0 + 50.0 * k as f64).collect();
    // Sent at 0.1 (k + 1), done at 0.1 + 0.15 (k + 1) <= 70: 466 of 700.
    assert_eq!(exact.len(), 466);
    let latencies: &Latencies = &record.classes[0].latency;
    for q in [0.01, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0] {
        let expected = exact[((q * exact.len() as f64).ceil() as usize).max(1) - 1];
        let got = latencies.quantile_ms(q).unwrap();
        // Half a bucket: 512 of them to the octave.
        assert!((got / expected - 1.0).abs() <= 1.0 / 1024.0, "{q}: {got} {expected}");
    }
}
