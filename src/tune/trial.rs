//! One value of the field, simulated: the summary of its runs, and the goal's figures of each run by itself.

use super::goal::{Goal, Judged};
use crate::compile::Compiled;
use crate::experiment::{self, ExperimentError, Options, Progress};
use crate::measure::{RunRecord, timeline};
use crate::model;
use crate::model::plan::Plan;
use crate::summary::{About, Accumulator, Summary, VariantSummary, summarise, variant_summary};
use crate::units::Time;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

/// What the runs of a value have shown.
pub struct Readings {
    pub summary: Summary,
    /// By comparison of the goal.
    pub judged: Vec<Judged>,
}

impl Readings {
    /// All comparisons hold.
    pub fn is_met(&self) -> bool {
        self.judged.iter().all(|judged| judged.met)
    }

    /// What does not hold is all a matter of intervals.
    pub fn is_close(&self) -> bool {
        !self.is_met() && self.judged.iter().all(|judged| judged.met || judged.is_close)
    }

    /// All replications were run.
    pub fn is_complete(&self) -> bool {
        self.summary.variants[0].replications_done == self.summary.replications
    }
}

/// Everything that a variant's summary has, without a value: it comes from a run without length.
pub fn names(variant: &Compiled) -> Value {
    let plan = Plan {
        seed: 0,
        replication: 0,
        duration: Time(1),
        drains: false,
        warmup: Time::ZERO,
        timeline_bin: timeline::bin_for(Time(1)),
        is_pilot: false,
        topology: variant.topology.clone(),
    };
    as_json(&of_run(variant, &model::run(plan)))
}

/// The summary of one run alone.
fn of_run(variant: &Compiled, run: &RunRecord) -> VariantSummary {
    let mut alone = Accumulator::new(Time::ZERO);
    alone.add(run);
    variant_summary(variant, &alone)
}

/// The summary is plain data: it always is a map.
fn as_json(told: &VariantSummary) -> Value {
    serde_json::to_value(told).unwrap_or_default()
}

/// Runs a variant and judges it by the goal. Once `stop` is set, the runs under way are finished; [`Readings::is_complete`] tells.
pub fn simulate(
    about: &About,
    variant: &Compiled,
    goal: &Goal,
    options: &Options,
    stop: &AtomicBool,
    on_progress: &(dyn Fn(Progress) + Sync),
) -> Result<Readings, ExperimentError> {
    let by_run: Mutex<BTreeMap<u32, Vec<Option<f64>>>> = Mutex::default();
    let with_figures = |plan: Plan| {
        let (replication, is_pilot) = (plan.replication, plan.is_pilot);
        let run = model::run(plan);
        if !is_pilot {
            let told = of_run(variant, &run);
            let json = as_json(&told);
            let figures = goal.comparisons.iter().map(|comparison| comparison.figure.of_run(&told, &json)).collect();
            by_run.lock().unwrap_or_else(PoisonError::into_inner).insert(replication, figures);
        }
        run
    };
    let variants = std::slice::from_ref(variant);
    let results = experiment::run_by(&with_figures, variants, options, stop, on_progress)?;
    let summary = summarise(about, variants, &results);
    let told = &summary.variants[0];
    let json = as_json(told);
    // Runs that were not folded, because an earlier one is missing, do not count.
    let by_run = by_run.into_inner().unwrap_or_else(PoisonError::into_inner);
    let folded: Vec<Vec<Option<f64>>> = by_run.into_values().take(told.replications_done as usize).collect();
    let judge = |(index, comparison): (usize, &super::Comparison)| {
        let runs: Vec<Option<f64>> = folded.iter().map(|figures| figures[index]).collect();
        let known: Vec<f64> = runs.iter().flatten().copied().collect();
        comparison.judge(comparison.figure.of_all(told, &json, &known), &runs)
    };
    let judged = goal.comparisons.iter().enumerate().map(judge).collect();
    Ok(Readings { summary, judged })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::tests::{about, variant};

    fn readings(goal: &str, jobs: usize) -> Readings {
        let variant = variant("a");
        let goal = Goal::read(goal, &names(&variant)).unwrap_or_else(|error| panic!("{error:?}"));
        let options = Options { seed: 7, replications: 4, jobs: Some(jobs) };
        simulate(&about(4), &variant, &goal, &options, &AtomicBool::new(false), &|_| ()).unwrap()
    }

    #[test]
    fn figures_of_runs_and_of_all_belong_together() {
        let goal = "ok >= 1 and mean <= 1s and utilization_max <= 100% and servers.web-2.requests >= 1 and failed == 0";
        let readings = readings(goal, 3);
        let told = &readings.summary.variants[0];
        assert!(readings.is_met() && readings.is_complete(), "{:?}", readings.judged);
        let [ok, mean, busy, requests, failed] = &readings.judged[..] else { panic!("five") };
        // The least of several counts is below their mean, and not by much.
        let sent = told.requests.ok.map(|ok| ok.value);
        assert!(ok.value == sent && ok.compared < sent && ok.compared > sent.map(|sent| 0.7 * sent), "{ok:?}");
        let all = told.latency_ms.mean;
        assert_eq!((mean.value, mean.compared), (all.map(|all| all.value), all.and_then(|all| all.ci95).map(|(_, high)| high)));
        // The busiest of two servers in each run is at least as busy as both on average.
        assert!(busy.value >= told.mean_utilization() && busy.compared > busy.value, "{busy:?}");
        assert_eq!(requests.value, told.servers[1].requests.map(|all| all.value));
        assert_eq!((failed.value, failed.compared, failed.missing), (Some(0.0), Some(0.0), 0));
    }

    #[test]
    fn the_number_of_threads_does_not_show() {
        let [one, many] = [1, 4].map(|jobs| readings("p99 <= 1s and sent >= 1", jobs).judged);
        assert_eq!(one, many);
    }

    #[test]
    fn what_is_stopped_is_not_complete() {
        let variant = variant("a");
        let goal = Goal::read("failed == 0", &names(&variant)).unwrap();
        let options = Options { seed: 7, replications: 4, jobs: Some(1) };
        let stopped = simulate(&about(4), &variant, &goal, &options, &AtomicBool::new(true), &|_| ()).unwrap();
        assert!(!stopped.is_complete() && !stopped.is_met(), "{:?}", stopped.judged);
    }
}
