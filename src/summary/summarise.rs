//! From the runs of each variant to the figures that are told of it.

use super::accumulate::{Accumulator, ClassFigures, LatencyFigures, LatencyMetric, RunFigures, ratio, together};
use super::paths::paths;
use super::pods::pods;
use super::{
    Affinity, Attempts, ClassSummary, ClientFairness, ConnectionsSummary, Extent, Failover, Fairness, Figure, HealthChecks, LatencySummary,
    NameSummary, Objective, RecordSummary, Requests, ServerSummary, StatusesSummary, Summary, Traffic, VariantSummary, WaitingSummary,
    advice, compare,
};
use crate::compile::Compiled;
use crate::measure::{Counts, FaultRecord, OpenerRecord, Status};
use crate::model::plan::{BalancerPlan, TargetRef};
use crate::scenario::{Failure, Slo};
use crate::stats::{self, Estimate};
use std::collections::{BTreeMap, BTreeSet};

/// The study as a whole.
#[derive(Clone, Debug)]
pub struct About {
    pub scenario: String,
    pub about: String,
    pub seed: u64,
    /// Replications asked for.
    pub replications: u32,
}

/// Summarises the runs of all variants; `results` has an entry for each of `variants`.
pub fn summarise(about: &About, variants: &[Compiled], results: &[Accumulator]) -> Summary {
    assert_eq!(variants.len(), results.len(), "each variant has its results");
    let mut summary = Summary {
        lbsim: env!("CARGO_PKG_VERSION").to_owned(),
        scenario: about.scenario.clone(),
        about: about.about.clone(),
        seed: about.seed,
        replications: about.replications,
        variants: variants.iter().zip(results).map(|(variant, runs)| variant_summary(variant, runs)).collect(),
        comparisons: Vec::new(),
        against_first: Vec::new(),
        warnings: Vec::new(),
    };
    (summary.comparisons, summary.against_first) = compare::compare(variants, results);
    advice::advise(&mut summary, variants, results);
    summary
}

/// One variant by itself: its figures, without comparisons and warnings.
pub fn variant_summary(variant: &Compiled, results: &Accumulator) -> VariantSummary {
    let runs = Runs(&results.runs);
    let all = together(&results.classes);
    let latency_ms = runs.pooled(&(&all.latency).into(), |run| &run.all.latency);
    VariantSummary {
        name: variant.name.clone(),
        point: variant.point.clone(),
        oracle: variant.is_oracle,
        replications_done: results.runs.len() as u32,
        duration_s: variant.duration.as_secs_f64(),
        warmup_s: results.warmup.as_secs_f64(),
        requests: requests(runs),
        attempts: Attempts {
            sent: runs.count(|run| run.attempts.sent),
            ok: runs.count(|run| run.attempts.ok),
            by_error: runs.by_error(|run| &run.attempts),
        },
        throughput_rps: runs.average(RunFigures::throughput_rps),
        response_ms: runs.pooled(&(&all.response).into(), |run| &run.all.response),
        waiting_ms: WaitingSummary {
            waiting: runs.pooled(&(&all.waiting).into(), |run| &run.all.waiting),
            waited_share: within(
                around(ClassFigures::from(&all).waited_share, results.runs.iter().map(|run| run.all.waited_share)),
                0.0,
                1.0,
            ),
        },
        classes: classes(variant, results),
        servers: servers(variant, results),
        fairness: fairness(runs, variant.topology.servers.len()),
        failover: failover(variant, runs),
        affinity: affinity(runs),
        health_checks: HealthChecks {
            sent: runs.count(|run| run.checks_sent),
            failed: runs.count(|run| run.checks_failed),
            per_second: runs.average(|run| (run.window_s > 0.0).then(|| run.checks_sent as f64 / run.window_s)),
            false_ejections: runs.count(|run| run.false_ejections),
        },
        paths: paths(variant, runs),
        pods: pods(variant, runs),
        traffic: traffic(runs),
        connections: connections(variant, runs),
        statuses: statuses(variant, runs),
        names: names(variant, runs),
        slo: variant.slo.map_or_else(Vec::new, |slo| judge(&slo, &latency_ms, results)),
        latency_ms,
        warnings: Vec::new(),
    }
}

fn names(variant: &Compiled, runs: Runs) -> Vec<NameSummary> {
    let topology = &variant.topology;
    let named = topology.balancers.iter().filter(|balancer| balancer.routing.dns.is_some());
    let record = |place: usize, index: usize, target: &TargetRef| {
        let share = |run: &RunFigures| {
            let name = run.names.get(place)?;
            (name.queries > 0).then(|| name.answers[index] as f64 / name.queries as f64)
        };
        let name = match target {
            TargetRef::Server(server) => topology.servers[*server as usize].name.clone(),
            TargetRef::Balancer(inner) => topology.balancers[*inner as usize].name.clone(),
        };
        RecordSummary { name, share: runs.share(share) }
    };
    let summary = |(place, balancer): (usize, &BalancerPlan)| NameSummary {
        name: balancer.name.clone(),
        queries: runs.count(|run| run.names.get(place).map_or(0, |name| name.queries)),
        records: balancer.targets.iter().enumerate().map(|(index, target)| record(place, index, target)).collect(),
    };
    named.enumerate().map(summary).collect()
}

/// Only where places matter.
fn traffic(runs: Runs) -> Option<Traffic> {
    runs.0.iter().any(|run| run.crossings.is_some()).then(|| Traffic {
        passages: runs.count(|run| run.crossings.map_or(0, |crossings| crossings.passages)),
        cross_zone_share: runs.share(|run| run.crossings?.share()),
        cross_zone_gib: runs.average(|run| run.crossings.map(|crossings| crossings.gib())),
    })
}

/// The runs of a variant, to be averaged over.
#[derive(Clone, Copy)]
pub(super) struct Runs<'a>(pub &'a [RunFigures]);

impl Runs<'_> {
    pub(super) fn average(self, value: impl Fn(&RunFigures) -> Option<f64>) -> Figure {
        average(self.0.iter().map(value))
    }

    /// As `average`, of runs by their number.
    pub(super) fn of_each(self, value: impl Fn(usize) -> Option<f64>) -> Figure {
        average((0..self.0.len()).map(value))
    }

    pub(super) fn count(self, count: impl Fn(&RunFigures) -> u64) -> Figure {
        self.average(|run| Some(count(run) as f64))
    }

    /// What is never above one.
    pub(super) fn share(self, value: impl Fn(&RunFigures) -> Option<f64>) -> Figure {
        within(self.average(value), 0.0, 1.0)
    }

    fn by_error(self, counts: impl Fn(&RunFigures) -> &Counts) -> BTreeMap<String, Figure> {
        let count =
            |run: &RunFigures, kind: Failure| counts(run).by_error().find(|(failure, _)| *failure == kind).map_or(0, |(_, count)| count);
        let happened = |kind: &Failure| self.0.iter().any(|run| count(run, *kind) > 0);
        Failure::ALL.into_iter().filter(happened).map(|kind| (kind.name().to_owned(), self.count(|run| count(run, kind)))).collect()
    }

    /// The figures of all runs' latencies, and how far those of single runs are from each other.
    fn pooled(self, pooled: &LatencyFigures, of_run: impl Fn(&RunFigures) -> &LatencyFigures) -> LatencySummary {
        let figure = |metric| around(pooled.get(metric), self.0.iter().map(|run| of_run(run).get(metric)));
        LatencySummary {
            mean: figure(LatencyMetric::Mean),
            p50: figure(LatencyMetric::P50),
            p90: figure(LatencyMetric::P90),
            p95: figure(LatencyMetric::P95),
            p99: figure(LatencyMetric::P99),
            p99_9: figure(LatencyMetric::P999),
            max: figure(LatencyMetric::Max).map(|max| Estimate { ci95: None, ..max }),
        }
    }

    /// A figure of the fault with this number.
    fn extent(self, fault: usize, value: impl Fn(&FaultRecord) -> Option<f64>) -> Option<Extent> {
        let values: Vec<f64> = self.0.iter().filter_map(|run| value(run.faults.get(fault)?)).collect();
        let Estimate { value, ci95 } = average(values.iter().copied().map(Some))?;
        let min = values.iter().copied().fold(f64::INFINITY, f64::min);
        let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Some(Extent { value, ci95, min, max })
    }
}

/// The mean of the replications that have a value, none of which is negative; nothing where none has.
fn average(values: impl Iterator<Item = Option<f64>>) -> Figure {
    let values: Vec<f64> = values.flatten().collect();
    within(finite(stats::mean_ci(&values)), 0.0, f64::INFINITY)
}

/// A pooled value, which is not negative, with the interval of the replications that have one of their own.
fn around(value: Option<f64>, per_replication: impl Iterator<Item = Option<f64>>) -> Figure {
    let values: Vec<f64> = per_replication.flatten().collect();
    within(finite(stats::around(value?, &values)), 0.0, f64::INFINITY)
}

fn within(figure: Figure, least: f64, most: f64) -> Figure {
    figure.map(|estimate| estimate.within(least, most))
}

/// Nothing but finite numbers reaches the results.
fn finite(estimate: Estimate) -> Figure {
    let ci95 = estimate.ci95.filter(|(low, high)| low.is_finite() && high.is_finite());
    estimate.value.is_finite().then_some(Estimate { ci95, ..estimate })
}

fn requests(runs: Runs) -> Requests {
    Requests {
        sent: runs.count(|run| run.requests.sent),
        ok: runs.count(|run| run.requests.ok),
        failed: runs.count(|run| run.requests.failed()),
        unfinished: runs.count(|run| run.unfinished),
        stuck: runs.count(|run| run.stuck),
        retried: runs.count(|run| run.retried),
        hedged: runs.count(|_| 0),
        by_error: runs.by_error(|run| &run.requests),
    }
}

fn classes(variant: &Compiled, results: &Accumulator) -> Vec<ClassSummary> {
    let runs = Runs(&results.runs);
    let plans = variant.topology.classes.iter().zip(&results.classes).enumerate();
    let summary = plans.map(|(index, (plan, pooled))| ClassSummary {
        name: plan.name.clone(),
        path: variant.topology.paths.get(plan.path as usize).cloned().unwrap_or_default(),
        latency_ms: runs.pooled(&(&pooled.latency).into(), |run| &run.classes[index].latency),
        response_ms: runs.pooled(&(&pooled.response).into(), |run| &run.classes[index].response),
    });
    summary.collect()
}

fn servers(variant: &Compiled, results: &Accumulator) -> Vec<ServerSummary> {
    let runs = Runs(&results.runs);
    let plans = variant.topology.servers.iter().zip(&results.server_response).enumerate();
    let summary = plans.filter(|(index, _)| results.is_used(*index)).map(|(index, (plan, pooled))| ServerSummary {
        name: plan.name.clone(),
        requests: runs.count(|run| run.servers[index].attempts),
        share: runs.share(|run| run.servers[index].share),
        utilization: runs.share(|run| run.servers[index].utilization.filter(|_| !run.servers[index].was_empty)),
        mean_queue: runs.average(|run| Some(run.servers[index].mean_queue)),
        up: runs.share(|run| Some(run.servers[index].up)),
        response_ms: runs.pooled(&pooled.into(), |run| &run.servers[index].response),
    });
    summary.collect()
}

fn fairness(runs: Runs, servers: usize) -> Fairness {
    let n = servers.max(1) as f64;
    Fairness {
        jain_requests: within(runs.average(|run| Some(run.evenness.jain_requests)), 1.0 / n, 1.0),
        jain_utilization: within(runs.average(|run| run.evenness.jain_utilization), 1.0 / n, 1.0),
        max_over_mean: within(runs.average(|run| Some(run.evenness.max_over_mean)), 1.0, n),
        utilization_max: within(runs.average(RunFigures::utilization_max), 0.0, 1.0),
        cv: within(runs.average(|run| Some(run.evenness.cv)), 0.0, (n - 1.0).sqrt()),
        clients: ClientFairness {
            users: runs.count(|run| run.users),
            jain_latency: runs.share(|run| Some(run.jain_latency)),
            p99_over_median: within(runs.average(|run| run.p99_over_median), 1.0, f64::INFINITY),
        },
    }
}

fn failover(variant: &Compiled, runs: Runs) -> Vec<Failover> {
    let is_detected = |run: &RunFigures, fault: usize| run.faults.get(fault).is_some_and(|fault| fault.detected_after_s.is_some());
    let summary = variant.topology.faults.iter().enumerate().map(|(index, plan)| Failover {
        fault: plan.name.clone(),
        detected_after_s: runs.extent(index, |fault| fault.detected_after_s),
        last_error_after_s: runs.extent(index, |fault| fault.last_error_after_s),
        restored_after_s: runs.extent(index, |fault| fault.restored_after_s),
        failed_requests: runs.extent(index, |fault| Some(fault.failed_requests as f64)),
        false_ejections: runs.extent(index, |fault| Some(fault.false_ejections as f64)),
        wrong_view_s: runs.extent(index, |fault| Some(fault.wrong_view_s)),
        occurrences: runs.extent(index, |fault| Some(fault.occurrences as f64)),
        detected_replications: runs.0.iter().filter(|run| is_detected(run, index)).count() as u32,
    });
    summary.collect()
}

fn affinity(runs: Runs) -> Affinity {
    Affinity {
        sessions: runs.count(|run| run.affinity.sessions),
        moved: runs.count(|run| run.affinity.moved),
        lost_state: runs.count(|run| run.affinity.lost_state),
        wiped: runs.count(|run| run.affinity.wiped),
        requests_moved_share: runs.share(RunFigures::requests_moved_share),
    }
}

fn connections(variant: &Compiled, runs: Runs) -> Vec<ConnectionsSummary> {
    let topology = &variant.topology;
    let clients = topology.clients.iter().map(|client| (&client.name, client.kept.is_some()));
    let balancers = topology.balancers.iter().map(|balancer| (&balancer.name, balancer.ways.kept.is_some()));
    let openers = clients.chain(balancers).enumerate().filter(|(_, (_, keeps))| *keeps);
    let summary = openers.map(|(index, (name, _))| {
        let record = |run: &RunFigures| run.openers.get(index).copied().flatten().unwrap_or_default();
        let count = |count: fn(&OpenerRecord) -> u64| runs.count(|run| count(&record(run)));
        ConnectionsSummary {
            opener: name.clone(),
            opened: count(|record| record.opened),
            failed: count(|record| record.failed),
            reused_share: runs.share(|run| ratio(record(run).reused as f64, record(run).tries as f64)),
            resets: count(|record| record.resets),
            handshakes_full: count(|record| record.full),
            handshakes_resumed: count(|record| record.resumed),
            mean_open: runs.average(|run| ratio(record(run).open as f64 / 1e9, run.window_s)),
            waited_share: runs.share(|run| ratio(record(run).waited as f64, record(run).tries as f64)),
            waiting_ms: runs.average(|run| ratio(record(run).waiting.as_millis_f64(), record(run).waited as f64)),
        }
    });
    summary.collect()
}

fn statuses(variant: &Compiled, runs: Runs) -> Vec<StatusesSummary> {
    let balancers = variant.topology.balancers.iter().enumerate().filter(|(_, balancer)| balancer.ways.counts_statuses);
    let summary = balancers.map(|(index, balancer)| {
        let happened: BTreeSet<Status> = runs
            .0
            .iter()
            .filter_map(|run| run.statuses.get(index))
            .flat_map(|statuses| statuses.iter().map(|(status, _)| status))
            .collect();
        let count = |status: Status| runs.count(|run| run.statuses.get(index).map_or(0, |statuses| statuses.get(status)));
        let statuses = happened.into_iter().map(|status| (status.name(), count(status))).collect();
        StatusesSummary { balancer: balancer.name.clone(), statuses }
    });
    summary.collect()
}

/// Judges by the value itself, not by the end of its interval.
fn judge(slo: &Slo, latency: &LatencySummary, results: &Accumulator) -> Vec<Objective> {
    let limits = [
        (LatencyMetric::Mean, slo.mean),
        (LatencyMetric::P50, slo.p50),
        (LatencyMetric::P90, slo.p90),
        (LatencyMetric::P95, slo.p95),
        (LatencyMetric::P99, slo.p99),
        (LatencyMetric::P999, slo.p99_9),
    ];
    let bounded = limits.into_iter().filter_map(|(metric, limit)| Some((metric, limit?.as_millis_f64())));
    let mut objectives: Vec<Objective> = bounded
        .map(|(metric, limit)| {
            let value = latency.get(metric).map(|estimate| estimate.value);
            Objective { objective: metric.name().to_owned(), limit, value, met: value.is_some_and(|value| value <= limit) }
        })
        .collect();
    if let Some(success) = slo.success {
        let value = success_share(&results.runs);
        objectives.push(Objective {
            objective: "success".to_owned(),
            limit: success.0,
            value,
            met: value.is_some_and(|value| value >= success.0),
        });
    }
    objectives
}

/// Of the requests of all runs that are finished or that nothing will ever answer.
fn success_share(runs: &[RunFigures]) -> Option<f64> {
    let ok: u64 = runs.iter().map(|run| run.requests.ok).sum();
    let finished: u64 = ok + runs.iter().map(|run| run.requests.failed() + run.stuck).sum::<u64>();
    (finished > 0).then(|| ok as f64 / finished as f64)
}
