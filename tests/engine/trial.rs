//! From the text of a scenario to what its runs leave behind.

use lbsim::compile::{Compiled, compile};
use lbsim::error::Source;
use lbsim::input::Inputs;
use lbsim::measure::timeline::bin_for;
use lbsim::measure::{Latencies, RunRecord};
use lbsim::model;
use lbsim::model::plan::Plan;
use lbsim::scenario::variants::read;
use lbsim::scenario::{Failure, Warmup};
use lbsim::units::{Span, Time};
use rayon::prelude::*;
use std::fmt::Write;

/// All variants of a scenario, compiled.
pub fn variants(text: &str) -> Vec<Compiled> {
    let source = Source { name: "trial.yaml".to_owned(), text: text.to_owned() };
    let study = read(source, &[]).unwrap_or_else(|found| panic!("{found:?}\n{text}"));
    let compiled = |variant: &lbsim::scenario::Variant| {
        compile(&variant.name, &variant.point, &variant.scenario, &Inputs::default()).unwrap_or_else(|why| panic!("{why}\n{text}"))
    };
    study.variants.iter().map(compiled).collect()
}

pub fn plan(compiled: &Compiled, seed: u64, replication: u32) -> Plan {
    let Warmup::Fixed(warmup) = compiled.warmup else { panic!("a trial's warm-up is fixed") };
    Plan {
        seed,
        replication,
        duration: compiled.duration,
        drains: compiled.drains,
        warmup: Time(warmup.0),
        timeline_bin: bin_for(compiled.duration),
        is_pilot: false,
        topology: compiled.topology.clone(),
    }
}

/// The first variant, once.
pub fn once(text: &str) -> RunRecord {
    model::run(plan(&variants(text)[0], 1, 0))
}

/// The first variant, in this many replications.
pub fn replications(text: &str, count: u32) -> Vec<RunRecord> {
    replications_in_bins(text, count, None)
}

/// The same with a timeline in bins of the given width.
pub fn replications_in_bins(text: &str, count: u32, bin: Option<Span>) -> Vec<RunRecord> {
    let compiled = &variants(text)[0];
    let run = |replication| {
        let plan = plan(compiled, 1, replication);
        model::run(Plan { timeline_bin: bin.unwrap_or(plan.timeline_bin), ..plan })
    };
    (0..count).into_par_iter().map(run).collect()
}

pub fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, count) = values.into_iter().fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

/// Failed requests of one kind.
pub fn failed_by(record: &RunRecord, kind: Failure) -> u64 {
    record.requests.by_error().find(|(failure, _)| *failure == kind).map_or(0, |(_, count)| count)
}

/// Failed attempts of one kind.
pub fn attempts_failed_by(record: &RunRecord, kind: Failure) -> u64 {
    record.attempts.by_error().find(|(failure, _)| *failure == kind).map_or(0, |(_, count)| count)
}

/// Sum of the latencies in milliseconds.
pub fn sum_ms<const B: u32, const U: u32>(latencies: &lbsim::measure::latency::LogLinear<B, U>) -> f64 {
    latencies.mean_ms().unwrap_or(0.0) * latencies.count() as f64
}

/// Mean latency of the answered requests in milliseconds.
pub fn latency_ms(record: &RunRecord) -> f64 {
    let all = record.classes.iter().fold(Latencies::default(), |mut all, class| {
        all.merge(&class.latency);
        all
    });
    all.mean_ms().unwrap_or(f64::NAN)
}

/// Everything that a run leaves behind but the record of its faults, written out to the last bit.
pub fn figures(record: &RunRecord) -> String {
    let mut text = format!(
        "{:?} {} {} {:?} {:?} {} {} {}",
        record.requests,
        record.unfinished,
        record.retried,
        record.attempts,
        record.affinity,
        record.checks_sent,
        record.checks_failed,
        record.events
    );
    for class in &record.classes {
        for latencies in [&class.latency, &class.response, &class.waiting] {
            let _ = write!(text, "\n{:?} {:?}", latencies.mean_ms(), latencies.distribution());
        }
    }
    for server in &record.servers {
        let _ = write!(text, "\n{} {} {:?} {} {}", server.attempts, server.mean_busy, server.utilization, server.mean_queue, server.up);
        let _ = write!(text, " {:?} {:?}", server.response.mean_ms(), server.response.distribution());
    }
    let _ = write!(text, "\n{} {} {:?}", record.users.users(), record.users.jain(), record.users.p99_over_median());
    for bin in &record.timeline.bins {
        let _ = write!(text, "\n{} {} {} {:?}", bin.sent, bin.ok, bin.failed, bin.latency.distribution());
    }
    let _ = write!(text, "\n{:?}", record.timeline.server_bins);
    text
}
