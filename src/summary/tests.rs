//! Hand-made runs, and the figures that they must give. The makers serve the tests of the reports, too.

use super::*;
use crate::compile::Compiled;
use crate::dist::Distribution;
use crate::measure::timeline::{Bin, ServerBin};
use crate::measure::{AffinityRecord, ClassRecord, Counts, FailoverRecord, FaultRecord, RunRecord, ServerRecord, Timeline, UserLatency};
use crate::model::places::Place;
use crate::model::plan::{
    ArrivalPlan, BalancerPlan, ClassChoice, ClassPlan, ClientPlan, FaultKind, FaultPlan, FaultSchedule, RoutingPlan, ServerPlan, TargetRef,
    Topology, Users, WaysPlan,
};
use crate::policy::Algorithm;
use crate::scenario::{Failure, Slo, Warmup, WhenNone};
use crate::units::{Share, Span, Time};
use std::sync::Arc;

/// Two servers of one slot behind one balancer, exponential work of 10 ms; one fault at the end of time.
pub(crate) fn topology(per_second: f64) -> Topology {
    let never = Distribution::Constant(Span::ZERO);
    let none = || never.sampler(None);
    let server = |number: u32| ServerPlan {
        name: format!("web-{number}"),
        group: "web".to_owned(),
        slots: 1,
        queue: u32::MAX,
        is_ps: false,
        speed: 1.0,
        weight: 1,
        latency: none(),
        cancels_abandoned: false,
        place: Place::default(),
        keep_alive: None,
        tls: None,
    };
    let client = ClientPlan {
        name: "users".to_owned(),
        place: Place::default(),
        arrivals: ArrivalPlan::Poisson { per_second },
        users: Users::Unbounded,
        nat: None,
        session: None,
        classes: [ClassChoice {
            class: 0,
            path: 0,
            weight: 1.0,
            work: Distribution::Exponential { mean: Span::from_millis(10) }.sampler(None),
        }]
        .into(),
        latency: none(),
        timeout: None,
        retry: None,
        kept: None,
    };
    let balancer = BalancerPlan {
        name: "edge".to_owned(),
        targets: vec![TargetRef::Server(0), TargetRef::Server(1)],
        algorithm: Algorithm::default(),
        check: None,
        when_none: WhenNone::Fail,
        sticky: None,
        retry: None,
        connect_timeout: None,
        timeout: None,
        latency: none(),
        weight: 1,
        routing: RoutingPlan::default(),
        ways: WaysPlan::default(),
    };
    let fault = FaultPlan {
        name: "crash web-2".to_owned(),
        stream: "crash web-2".to_owned(),
        kind: FaultKind::Crash,
        servers: vec![1],
        nodes: Vec::new(),
        balancers: Vec::new(),
        schedule: FaultSchedule::Once { at: Time(u64::MAX / 2), until: None },
    };
    Topology {
        clients: vec![client],
        classes: vec![ClassPlan { name: "all".to_owned(), path: 0, size: 0, is_idempotent: true }],
        paths: vec!["/".to_owned()],
        servers: vec![server(1), server(2)],
        balancers: vec![balancer],
        entry: 0,
        depth_max: 1,
        faults: vec![fault],
        network: None,
        operations: Vec::new(),
        cluster: None,
    }
}

pub(crate) fn variant(name: &str) -> Compiled {
    Compiled {
        name: name.to_owned(),
        point: Vec::new(),
        topology: Arc::new(topology(100.0)),
        duration: Time(12_000_000_000),
        drains: false,
        warmup: Warmup::Fixed(Span::from_secs(2)),
        slo: None,
        is_oracle: false,
    }
}

pub(crate) fn about(replications: u32) -> About {
    About { scenario: "test".to_owned(), about: "A test.".to_owned(), seed: 7, replications }
}

/// A run of 10 s with these latencies; of the attempts three quarters go to the first server.
pub(crate) fn record(latencies_ms: &[u64], failed: u64) -> RunRecord {
    let ok = latencies_ms.len() as u64;
    let mut class = ClassRecord::default();
    let mut users = UserLatency::default();
    for ms in latencies_ms {
        class.latency.record(Span::from_millis(*ms));
        class.response.record(Span::from_millis(*ms));
        class.waiting.record(Span::from_millis(ms / 2));
        class.waited += u64::from(ms / 2 > 0);
        users.record(Span::from_millis(*ms));
    }
    let mut requests = Counts::default();
    (requests.sent, requests.ok) = (ok + failed + 1, ok);
    (0..failed).for_each(|_| requests.fail(Failure::Reset));
    let server = |attempts, utilization| ServerRecord {
        attempts,
        mean_busy: 0.5,
        utilization: Some(utilization),
        mean_queue: 0.25,
        up: 1.0,
        ..ServerRecord::default()
    };
    let bin = Bin { sent: 4, ok: 3, failed: 1, ..Bin::default() };
    let server_bin = |attempts| ServerBin { attempts, in_system: 0.5, waiting: 0.25, in_rotation: 1.0, up: 1.0 };
    RunRecord {
        window_s: 10.0,
        requests,
        unfinished: 1,
        stuck: 0,
        answered: latencies_ms.len() as u64,
        retried: 2,
        attempts: requests,
        classes: vec![class],
        servers: vec![server(3 * (ok + failed), 0.75), server(ok + failed, 0.25)],
        users,
        failover: FailoverRecord {
            faults: vec![FaultRecord {
                name: "crash web-2".to_owned(),
                occurrences: 1,
                detected_after_s: (failed > 0).then_some(failed as f64),
                failed_requests: failed,
                wrong_view_s: 5.0,
                ..FaultRecord::default()
            }],
            false_ejections: 1,
        },
        affinity: AffinityRecord { sessions: 10, moved: 2, lost_state: 1, wiped: 0, requests: 40, requests_moved: 4 },
        checks_sent: 20,
        checks_failed: 3,
        crossings: None,
        openers: vec![None, None],
        statuses: vec![],
        names: Vec::new(),
        paths: Vec::new(),
        timeline: Timeline {
            bin: Span::from_secs(6),
            bins: vec![bin.clone(), bin],
            servers: 2,
            server_bins: vec![server_bin(3.0), server_bin(1.0), server_bin(3.0), server_bin(1.0)],
            runs: 1,
        },
        pods: Vec::new(),
        history: None,
        truncation: None,
        events: 1000,
    }
}

/// The runs of a variant.
pub(crate) fn results(runs: impl IntoIterator<Item = RunRecord>) -> Accumulator {
    let mut results = Accumulator::new(Time(2_000_000_000));
    runs.into_iter().for_each(|run| results.fold(run));
    results
}

fn value(figure: Figure) -> f64 {
    figure.expect("there is a value").value
}

#[test]
fn places_that_held_no_pod_are_no_servers() {
    let mut plan = variant("a");
    let mut topology = topology(100.0);
    topology.servers.extend(self::topology(100.0).servers);
    plan.topology = Arc::new(topology);
    // The third place is empty in both runs, the fourth in the first one.
    let run = |attempts: u64| {
        let mut run = record(&[10, 20], 2);
        let place = ServerRecord { was_empty: true, utilization: Some(0.0), ..ServerRecord::default() };
        let fourth = ServerRecord { was_empty: attempts == 0, attempts, utilization: Some(attempts as f64 / 16.0), ..place.clone() };
        run.servers.extend([place, fourth]);
        run
    };
    let (summary, results) = ([run(0), run(4)], results([run(0), run(4)]));
    assert_eq!(summary.map(|run| run.servers.len()), [4, 4]);
    let summary = summarise(&about(2), &[plan], std::slice::from_ref(&results));
    let told = &summary.variants[0];
    assert_eq!(told.servers.iter().map(|server| value(server.requests)).collect::<Vec<_>>(), [12.0, 4.0, 2.0]);
    // Not 1/8: the average over the runs in which it was there.
    assert_eq!(told.servers.iter().map(|server| value(server.utilization)).collect::<Vec<_>>(), [0.75, 0.25, 0.25]);
    // Attempts 12 and 4: 16^2 / (2 x 160) = 0.8; 12, 4, 4: 20^2 / (3 x 176) = 0.7576.
    assert!((value(told.fairness.jain_requests) - (0.8 + 400.0 / 528.0) / 2.0).abs() < 1e-12);
    assert_eq!([&results.runs[0], &results.runs[1]].map(|run| run.mean_utilization()), [Some(0.5), Some(1.25 / 3.0)]);
}

#[test]
fn a_hand_made_study_gives_exactly_these_numbers() {
    let slo = Slo { p99: Some(Span::from_millis(35)), success: Some(Share(0.8)), ..Slo::default() };
    let variant = Compiled { slo: Some(slo), ..variant("a") };
    let summary = summarise(&about(2), &[variant], &[results([record(&[10, 20], 2), record(&[30, 40], 0)])]);
    let told = &summary.variants[0];
    // Pooled: 10, 20, 30, 40 ms. Of the replications: 15 and 35; half-width 12.706 x sqrt(200 / 2) = 127.06, of which 25 down to 0.
    assert_eq!((value(told.latency_ms.mean), value(told.latency_ms.max)), (25.0, 40.0));
    let (low, high) = told.latency_ms.mean.unwrap().ci95.unwrap();
    assert!(low == 0.0 && (high - (25.0 + 127.062)).abs() < 1e-3);
    assert_eq!(told.latency_ms.max.unwrap().ci95, None);
    assert!((value(told.latency_ms.p50) / 20.0 - 1.0).abs() < 5e-4);
    assert_eq!([value(told.requests.sent), value(told.requests.ok), value(told.requests.failed)], [4.0, 2.0, 1.0]);
    assert_eq!((value(told.requests.unfinished), value(told.requests.by_error["reset"])), (1.0, 1.0));
    assert_eq!((value(told.throughput_rps), value(told.waiting_ms.waited_share)), (0.2, 1.0));
    assert_eq!(told.servers.iter().map(|server| value(server.share)).collect::<Vec<_>>(), [0.75, 0.25]);
    // Attempts 3 : 1, so (3 + 1)^2 / (2 x (9 + 1)) = 0.8, the largest 3 / 2 of the mean, cv 0.5. Utilizations alike.
    let fairness = &told.fairness;
    assert_eq!([value(fairness.jain_requests), value(fairness.jain_utilization)], [0.8, 0.8]);
    assert_eq!([value(fairness.max_over_mean), value(fairness.cv)], [1.5, 0.5]);
    // Users 10 and 20: 900 / (2 x 500) = 0.9; 30 and 40: 4900 / (2 x 2500) = 0.98.
    assert!((value(fairness.clients.jain_latency) - 0.94).abs() < 1e-12);
    assert_eq!([value(told.affinity.moved), value(told.affinity.requests_moved_share)], [2.0, 0.1]);
    assert_eq!([value(told.health_checks.per_second), value(told.health_checks.false_ejections)], [2.0, 1.0]);
    // p99 of four is the largest. Success: 4 of 6.
    let judged: Vec<_> = told.slo.iter().map(|objective| (objective.objective.as_str(), objective.limit, objective.met)).collect();
    assert_eq!(judged, [("p99", 35.0, false), ("success", 0.8, false)]);
    assert_eq!(told.slo[1].value, Some(4.0 / 6.0));
    assert!(!summary.is_slo_met());
}

#[test]
fn failover_averages_the_replications_in_which_it_happened() {
    let summary = summarise(&about(3), &[variant("a")], &[results([record(&[10], 2), record(&[10], 0), record(&[10], 4)])]);
    let fault = &summary.variants[0].failover[0];
    let detected = fault.detected_after_s.unwrap();
    assert_eq!((detected.value, detected.min, detected.max, fault.detected_replications), (3.0, 2.0, 4.0, 2));
    assert_eq!(fault.failed_requests.map(|extent| (extent.value, extent.min)), Some((2.0, 0.0)));
    assert_eq!(fault.restored_after_s, None);
}

#[test]
fn where_nothing_succeeds_latencies_are_null_and_no_objective_is_met() {
    let variant = Compiled { slo: Some(Slo { p50: Some(Span::from_secs(1)), ..Slo::default() }), ..variant("a") };
    let summary = summarise(&about(1), &[variant], &[results([record(&[], 5)])]);
    let json: serde_json::Value = serde_json::from_str(&summary.to_json().unwrap()).unwrap();
    let told = &json["variants"][0];
    assert!(told["latency_ms"]["p99"].is_null() && told["waiting_ms"]["waited_share"].is_null());
    assert_eq!(told["requests"]["failed"], serde_json::json!({ "value": 5.0, "ci95": null }));
    assert_eq!(told["slo"][0], serde_json::json!({ "objective": "p50", "limit": 1000.0, "value": null, "met": false }));
}

#[test]
fn a_variant_without_a_complete_replication_has_no_figures() {
    let summary = summarise(&about(2), &[variant("a"), variant("b")], &[results([record(&[10], 0)]), results([])]);
    let told = &summary.variants[1];
    assert_eq!((told.replications_done, told.requests.sent, told.latency_ms.p99), (0, None, None));
    assert!(summary.comparisons.is_empty());
    assert_eq!(summary.warnings[0].kind, WarningKind::Interrupted);
    assert!(summary.warnings[0].message.ends_with("a (1 of 2), b (0 of 2)"), "{}", summary.warnings[0].message);
}

#[test]
fn the_file_has_the_keys_of_the_contract_in_their_order() {
    let point = vec![("clients.users.rate".to_owned(), "9/s".to_owned()), ("a.b".to_owned(), "1".to_owned())];
    let summary = summarise(&about(1), &[Compiled { point, ..variant("a") }], &[results([record(&[10], 1)])]);
    let json = summary.to_json().unwrap();
    let mut at = 0;
    for key in [
        "lbsim",
        "scenario",
        "seed",
        "replications",
        "variants",
        "name",
        "point",
        "clients.users.rate",
        "a.b",
        "requests",
        "sent",
        "ok",
        "failed",
        "unfinished",
        "retried",
        "hedged",
        "by_error",
        "attempts",
        "sent",
        "ok",
        "by_error",
        "throughput_rps",
        "latency_ms",
        "mean",
        "p50",
        "p90",
        "p95",
        "p99",
        "p99_9",
        "max",
        "response_ms",
        "waiting_ms",
        "mean",
        "waited_share",
        "classes",
        "name",
        "path",
        "latency_ms",
        "response_ms",
        "servers",
        "name",
        "requests",
        "share",
        "utilization",
        "mean_queue",
        "up",
        "response_ms",
        "fairness",
        "jain_requests",
        "jain_utilization",
        "max_over_mean",
        "cv",
        "failover",
        "fault",
        "detected_after_s",
        "last_error_after_s",
        "restored_after_s",
        "failed_requests",
        "false_ejections",
        "affinity",
        "sessions",
        "moved",
        "lost_state",
        "requests_moved_share",
        "health_checks",
        "sent",
        "failed",
        "per_second",
        "comparisons",
    ] {
        let quoted = format!("\"{key}\":");
        at += json[at..].find(&quoted).unwrap_or_else(|| panic!("no {key} after {}", &json[at.saturating_sub(80)..at])) + quoted.len();
    }
}

/// Replications of 1000 requests of about so many milliseconds each.
fn runs_around(means_ms: &[u64]) -> Accumulator {
    results(means_ms.iter().map(|ms| record(&vec![*ms; 1000], 0)))
}

#[test]
fn the_best_is_named_with_paired_differences_and_a_yardstick_never_is() {
    let variants = [variant("slow"), variant("fast"), Compiled { is_oracle: true, ..variant("oracle") }];
    // The replications differ more among themselves than the variants do; paired, the difference is 10, 11, 9, 10 ms.
    let runs = [runs_around(&[100, 200, 300, 400]), runs_around(&[90, 189, 291, 390]), runs_around(&[50, 60, 70, 80])];
    let summary = summarise(&about(4), &variants, &runs);
    let mean: Vec<&Comparison> = summary.comparisons.iter().filter(|row| row.metric == Metric::Mean).collect();
    let pairs: Vec<(&str, &str)> = mean.iter().map(|row| (row.best.as_str(), row.against.as_str())).collect();
    assert_eq!(pairs, [("fast", "slow"), ("fast", "oracle")]);
    assert!(mean[0].significant && (mean[0].difference.value + 10.0).abs() < 1e-9);
    assert!((mean[0].relative.unwrap().value - (960.0 / 1000.0 - 1.0)).abs() < 1e-9);
    assert!(mean[1].difference.value > 0.0);
    let first = summary.against_first.iter().find(|row| row.metric == Metric::Mean && row.variant == "fast").unwrap();
    assert_eq!((first.first.as_str(), first.difference, first.significant), ("slow", mean[0].difference, true));
}

#[test]
fn equals_do_not_differ_and_points_are_compared_apart() {
    let at = |name: &str, rate: &str| Compiled { point: vec![("rate".to_owned(), rate.to_owned())], ..variant(name) };
    let variants = [at("a", "1/s"), at("a", "2/s"), at("b", "1/s"), at("b", "2/s")];
    let runs = [[10, 11, 12], [20, 21, 22], [10, 11, 12], [30, 31, 33]].map(|means| runs_around(&means));
    let summary = summarise(&about(3), &variants, &runs);
    let told: Vec<_> = (summary.comparisons.iter().filter(|row| row.metric == Metric::Mean))
        .map(|row| (row.point[0].1.as_str(), row.best.as_str(), row.significant))
        .collect();
    assert_eq!(told, [("1/s", "a", false), ("2/s", "a", true)]);
}

#[test]
fn a_percentile_without_enough_requests_is_not_compared() {
    // 3000 requests settle a p99 (1000), not a p99.9 (10,000).
    let summary = summarise(&about(3), &[variant("a"), variant("b")], &[runs_around(&[10, 11, 12]), runs_around(&[20, 21, 22])]);
    assert!(summary.comparisons.iter().any(|row| row.metric == Metric::P99));
    assert!(!summary.comparisons.iter().any(|row| row.metric == Metric::P999));
}

#[test]
fn warnings_name_the_next_command() {
    let kinds = |summary: &Summary| summary.variants[0].warnings.iter().map(|warning| warning.kind).collect::<Vec<_>>();
    // 500 requests for a p99 that needs 1000: twice the duration of 12 s.
    let few = summarise(&about(1), &[variant("a")], &[results([record(&[10; 500], 0)])]);
    assert_eq!(kinds(&few), [WarningKind::FewSamples]);
    assert!(few.variants[0].warnings[0].advice.as_deref().unwrap().contains("--duration 24s"));
    assert_eq!(few.warnings[0].kind, WarningKind::NoIntervals);
    let wide = summarise(&about(4), &[variant("a")], &[runs_around(&[10, 20, 30, 40])]);
    assert_eq!(kinds(&wide), [WarningKind::WideInterval]);
    assert!(wide.variants[0].warnings[0].advice.as_deref().unwrap().contains("--replications 16"));
    let fine = summarise(&about(4), &[variant("a")], &[runs_around(&[1000, 1001, 1000, 999])]);
    assert!(kinds(&fine).is_empty() && fine.warnings.is_empty());
}

#[test]
fn a_system_that_falls_behind_is_called_overloaded() {
    let full = |_| {
        let mut run = record(&[10; 1000], 0);
        run.servers[0].utilization = Some(0.999);
        run.unfinished = 500;
        run
    };
    let summary = summarise(&about(2), &[variant("a")], &[results([0, 1].map(full))]);
    let found = &summary.variants[0].warnings;
    // The two runs are alike, which is told first.
    assert_eq!(found[0].kind, WarningKind::Identical);
    let warning = &found[1];
    assert_eq!(warning.kind, WarningKind::Overload);
    assert!(warning.message.starts_with("web-1: busy more than 99 % of the time"), "{}", warning.message);
    let stuck = |_| RunRecord { unfinished: 500, ..record(&[10; 1000], 0) };
    let summary = summarise(&about(2), &[variant("a")], &[results([0, 1].map(stuck))]);
    assert_eq!(summary.variants[0].warnings[1].kind, WarningKind::Unfinished);
}

#[test]
fn what_is_written_can_be_read_back() {
    let variants = [variant("a"), variant("b")];
    let results = [results([record(&[10, 20, 30], 1), record(&[15, 25], 0)]), results([record(&[40, 50], 0), record(&[45, 55, 65], 2)])];
    let json = summarise(&about(2), &variants, &results).to_json().expect("it can be written");
    let read: Summary = serde_json::from_str(&json).expect("it can be read");
    assert!(read.comparisons.len() >= 2 && read.to_json().expect("it can be written again") == json);
}

#[test]
fn intervals_end_where_the_quantity_does() {
    // One failure in ten runs, one request that goes elsewhere, nearly all to one server: Student's t alone would leave the bounds.
    let runs = (0..10).map(|i| {
        let mut run = record(&[if i == 0 { 900 } else { 1 }], u64::from(i == 0));
        run.servers[0].attempts = 100;
        run.servers[1].attempts = u64::from(i == 0);
        run.servers[0].utilization = Some(if i == 0 { 0.5 } else { 1.0 });
        run.servers[1].up = if i == 0 { 0.1 } else { 1.0 };
        run.affinity.requests_moved = u64::from(i == 0);
        (run.unfinished, run.stuck) = (u64::from(i == 0), u64::from(i == 0));
        run
    });
    let rare = results(runs);
    let never = results((0..10).map(|_| record(&[1], 0)));
    let summary = summarise(&about(10), &[variant("never"), variant("rare")], &[never, rare]);
    let told = &summary.variants[1];
    let mean = |values: &[f64]| crate::stats::mean_ci(values).ci95.unwrap();
    let one_of_ten = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    assert!(mean(&one_of_ten).0 < 0.0, "the test has something to find");
    for figure in
        [told.requests.failed, told.requests.stuck, told.requests.unfinished, told.affinity.requests_moved_share, told.latency_ms.mean]
    {
        let estimate = figure.unwrap();
        let (low, high) = estimate.ci95.unwrap();
        assert!(low == 0.0 && high > estimate.value, "{estimate:?}");
    }
    for figure in [told.servers[0].utilization, told.servers[1].up, told.servers[0].share] {
        let (low, high) = figure.unwrap().ci95.unwrap();
        assert!(low > 0.0 && high == 1.0, "{figure:?}");
    }
    // Two servers: from 1/2 on, and the largest at most twice the mean.
    assert_eq!(told.fairness.jain_requests.unwrap().ci95.unwrap().0, 0.5);
    assert_eq!(told.fairness.max_over_mean.unwrap().ci95.unwrap().1, 2.0);
    assert!(told.fairness.cv.unwrap().ci95.unwrap().1 == 1.0);
    let half_width = told.requests.failed.unwrap().half_width().unwrap();
    assert!((half_width - (mean(&one_of_ten).1 - 0.1)).abs() < 1e-12, "the side that is not cut");
    for row in &summary.comparisons {
        let bound = if row.metric == Metric::FailedShare { 1.0 } else { f64::INFINITY };
        let (low, high) = row.difference.ci95.unwrap();
        assert!(low >= -bound && high <= bound, "{row:?}");
        assert!(row.relative.and_then(|relative| relative.ci95).is_none_or(|(low, _)| low >= -1.0), "{row:?}");
    }
}
