//! What a reader of the figures should know before trusting them, with the next command to type.

use super::accumulate::{Accumulator, LatencyMetric, ratio};
use super::{Summary, VariantSummary};
use crate::compile::Compiled;
use crate::model::plan::{ArrivalPlan, FaultPlan, FaultSchedule};
use crate::scenario::Warmup;
use crate::stats;
use crate::units::{Span, Time};
use serde::{Deserialize, Serialize};

/// Why a figure needs care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningKind {
    /// Not all replications were run.
    Interrupted,
    /// With one replication there is no telling a difference from luck.
    NoIntervals,
    /// More work arrives than can be done, or nearly so: the figures depend on the run's length.
    Overload,
    /// Many requests were open at the end, for another reason.
    Unfinished,
    /// Every replication came out the same: nothing was drawn at random.
    Identical,
    /// Too few requests for a percentile that is told.
    FewSamples,
    WideInterval,
    /// The pilot runs could not tell where the warm-up ends.
    DoubtfulWarmup,
    /// A fault begins within the warm-up.
    EarlyFault,
    /// The run starts with empty servers, and nothing is cut.
    NoWarmup,
}

/// A sentence for the reader, and what would help.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Warning {
    pub kind: WarningKind,
    pub message: String,
    /// The next command to type and what it does; `null` where none helps.
    pub advice: Option<String>,
}

impl Warning {
    fn new(kind: WarningKind, message: String) -> Warning {
        Warning { kind, message, advice: None }
    }

    fn advise(self, advice: String) -> Warning {
        Warning { advice: Some(advice), ..self }
    }
}

/// Share of requests open at the end from which on it is told.
const UNFINISHED_MAX: f64 = 0.01;
/// Utilization from which on an unbounded queue has hardly a steady state within a run.
const UTILIZATION_MAX: f64 = 0.99;
/// Half-width of the p99's interval over the p99.
const HALF_WIDTH_MAX: f64 = 0.1;
/// Utilization from which on the filling of empty servers takes long enough to matter.
const UTILIZATION_WARMUP: f64 = 0.8;

/// Adds the warnings to the summary.
pub(super) fn advise(summary: &mut Summary, variants: &[Compiled], results: &[Accumulator]) {
    let asked = summary.replications;
    for ((told, variant), results) in summary.variants.iter_mut().zip(variants).zip(results) {
        if told.replications_done == 0 {
            continue;
        }
        let load = overload(told, variant).or_else(|| unfinished(told));
        let width = few_samples(told, variant, results).or_else(|| wide_interval(told));
        let found = [identical(results), load, width, warmup(told, variant, results), early_faults(variant, results)];
        told.warnings = found.into_iter().flatten().collect();
    }
    summary.warnings.extend(interrupted(&summary.variants, asked));
    if asked == 1 {
        let message = "one replication: the figures have no intervals, and no difference can be told from luck".to_owned();
        summary.warnings.push(Warning::new(WarningKind::NoIntervals, message).advise("`--replications 10` gives intervals".to_owned()));
    }
}

/// Names what is missing.
fn interrupted(variants: &[VariantSummary], asked: u32) -> Option<Warning> {
    let missing: Vec<String> = variants
        .iter()
        .filter(|variant| variant.replications_done < asked)
        .map(|variant| format!("{} ({} of {asked})", with_point(variant), variant.replications_done))
        .collect();
    let message = format!("interrupted: replications are missing of {}", missing.join(", "));
    (!missing.is_empty()).then(|| Warning::new(WarningKind::Interrupted, message))
}

/// `round_robin`, or `round_robin at rate=90/s`.
fn with_point(variant: &VariantSummary) -> String {
    match &variant.point[..] {
        [] => variant.name.clone(),
        point => {
            let values: Vec<String> = point.iter().map(|(path, value)| format!("{}={value}", short_path(path))).collect();
            format!("{} at {}", variant.name, values.join(", "))
        }
    }
}

/// The last word of a path: `rate` of `clients.users.arrivals.poisson.rate`.
pub fn short_path(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// A server that is always busy behind a queue without end, or a system that falls behind.
fn overload(told: &VariantSummary, variant: &Compiled) -> Option<Warning> {
    let plans = &variant.topology.servers;
    let busy = told.servers.iter().zip(plans).filter_map(|(server, plan)| Some((server, plan, server.utilization?.value)));
    let full = busy.clone().filter(|(_, plan, utilization)| plan.queue == u32::MAX && *utilization > UTILIZATION_MAX);
    let names: Vec<&str> = full.map(|(server, ..)| server.name.as_str()).collect();
    if names.is_empty() {
        return None;
    }
    let of_servers = match names.len() {
        1 => names[0].to_owned(),
        2 | 3 => names.join(", "),
        more => format!("{} and {} more servers", names[0], more - 1),
    };
    let message = format!(
        "{of_servers}: busy more than {} % of the time, so the queue grows without bound: the arrival rate exceeds the capacity, and \
         the latencies tell how long the run was",
        UTILIZATION_MAX * 100.0
    );
    Some(Warning::new(WarningKind::Overload, message))
}

fn unfinished(told: &VariantSummary) -> Option<Warning> {
    let share = ratio(told.requests.unfinished?.value, told.requests.sent?.value)?;
    let message = format!(
        "{:.1} % of the requests were still open at the end and are in no latency; a `timeout` for the client or a longer run would \
         tell what becomes of them",
        share * 100.0
    );
    (share > UNFINISHED_MAX).then(|| Warning::new(WarningKind::Unfinished, message))
}

/// Of the percentiles that everybody looks at, or that an objective names.
fn few_samples(told: &VariantSummary, variant: &Compiled, results: &Accumulator) -> Option<Warning> {
    if is_identical(results) {
        return None;
    }
    let count: u64 = results.classes.iter().map(|class| class.latency.count()).sum();
    let in_slo = |metric: LatencyMetric| told.slo.iter().any(|objective| objective.objective == metric.name());
    let metric = if in_slo(LatencyMetric::P999) { LatencyMetric::P999 } else { LatencyMetric::P99 };
    let needs = stats::percentile_needs(metric.quantile()?);
    if count >= needs || count == 0 {
        return None;
    }
    let message = format!("{} needs {} successful requests; there are {count}", metric.name(), needs);
    let warning = Warning::new(WarningKind::FewSamples, message);
    // A recorded workload is no longer than it is.
    let is_traced = variant.topology.clients.iter().any(|client| matches!(client.arrivals, ArrivalPlan::Trace(_)));
    let factor = needs.div_ceil(count);
    Some(match is_traced {
        true => warning.advise(format!("`--replications {}` gives enough", u64::from(told.replications_done) * factor)),
        false => warning.advise(format!("`--duration {}s` gives enough", (variant.duration.as_secs_f64() * factor as f64).ceil())),
    })
}

/// The same figures in each of several replications.
fn is_identical(results: &Accumulator) -> bool {
    let mut runs = results.runs.iter().map(|run| (run.requests, run.all.latency.get(LatencyMetric::Mean).map(f64::to_bits)));
    let first = runs.next();
    results.runs.len() > 1 && runs.all(|run| Some(run) == first)
}

fn identical(results: &Accumulator) -> Option<Warning> {
    let message = "every replication is the same: nothing here is drawn at random, so an interval of no width says nothing about other \
                   customers";
    is_identical(results)
        .then(|| Warning::new(WarningKind::Identical, message.to_owned()).advise("`--replications 1` tells as much".to_owned()))
}

fn wide_interval(told: &VariantSummary) -> Option<Warning> {
    let p99 = told.latency_ms.p99?;
    let half_width = ratio(p99.half_width()?, p99.value)?;
    let message = format!("the interval of p99 is wide (± {:.0} %)", half_width * 100.0);
    // Half-widths shrink with the root of the number.
    let advice = format!("`--replications {}` would halve it", u64::from(told.replications_done) * 4);
    (half_width > HALF_WIDTH_MAX).then(|| Warning::new(WarningKind::WideInterval, message).advise(advice))
}

/// Faults whose beginning is not counted.
fn early_faults(variant: &Compiled, results: &Accumulator) -> Option<Warning> {
    let begins_early = |fault: &&FaultPlan| match fault.schedule {
        // A fault from the start on that lasts is the scenario's normal state.
        FaultSchedule::Once { at, until } => at > Time::ZERO && at < results.warmup && until.is_some_and(|until| until < variant.duration),
        FaultSchedule::Flap { .. } | FaultSchedule::Random { .. } => false,
    };
    let names: Vec<&str> = variant.topology.faults.iter().filter(begins_early).map(|fault| fault.name.as_str()).collect();
    let message = format!(
        "{}: begins before the warm-up ends (after {:.1} s), so that what it does until then is not counted",
        names.join(", "),
        results.warmup.as_secs_f64()
    );
    (!names.is_empty()).then(|| Warning::new(WarningKind::EarlyFault, message))
}

fn warmup(told: &VariantSummary, variant: &Compiled, results: &Accumulator) -> Option<Warning> {
    if results.is_warmup_doubtful {
        let message = "the pilot runs are too short to tell where the warm-up ends".to_owned();
        let advice = format!("try `--duration {}s`", (variant.duration.as_secs_f64() * 4.0).ceil());
        return Some(Warning::new(WarningKind::DoubtfulWarmup, message).advise(advice));
    }
    let is_empty_start = variant.warmup == Warmup::Fixed(Span::ZERO) && results.warmup == Time::ZERO;
    let is_steady = variant.topology.faults.is_empty() && told.mean_utilization()? < UTILIZATION_MAX;
    let message = "the servers start empty and no warm-up is cut, so that the latencies come out too low".to_owned();
    (is_empty_start && is_steady && told.mean_utilization()? > UTILIZATION_WARMUP)
        .then(|| Warning::new(WarningKind::NoWarmup, message).advise("`--set warmup=auto` finds one".to_owned()))
}
