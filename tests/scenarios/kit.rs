//! Runs a shipped scenario through the library, and holds what its `about` claims against the intervals of the runs.

use lbsim::compile::compile;
use lbsim::document;
use lbsim::experiment::{self, Options};
use lbsim::input::Inputs;
use lbsim::scenario::variants;
use lbsim::stats::{Estimate, mean_ci, paired_difference, relative_difference};
use lbsim::summary::{Accumulator, LatencyMetric, RunFigures};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// Paths and values as `--set` has them.
pub type Sets = &'static [(&'static str, &'static str)];

/// A shipped scenario, what it claims, and worlds without its causes, in which its claims are wrong.
pub struct Lesson {
    pub name: &'static str,
    /// What makes it short enough for a test without changing what it shows.
    pub sets: Sets,
    pub claims: fn(&Found, &mut Claims),
    /// Each claim has to be wrong in one of these: one that holds whatever happens says nothing.
    pub without: &'static [Sets],
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

impl Lesson {
    /// The claims that do not hold.
    pub fn broken(&self) -> Vec<String> {
        self.judge(&[]).into_iter().filter(|claim| !claim.holds).map(|claim| claim.told).collect()
    }

    /// The claims that no world without their cause refutes. It takes few runs to see that.
    pub fn idle(&self) -> Vec<String> {
        const FEW: (&str, &str) = ("replications", "8");
        let worlds: Vec<Vec<Claim>> = self.without.iter().map(|world| self.judge(&[&[FEW][..], world].concat())).collect();
        let Some(first) = worlds.first() else { return vec!["there is no world without the cause".to_owned()] };
        let is_idle = |index: &usize| !worlds.iter().any(|claims| claims[*index].is_refuted);
        (0..first.len()).filter(is_idle).flat_map(|index| worlds.iter().map(move |claims| claims[index].told.clone())).collect()
    }

    fn judge(&self, world: &[(&str, &str)]) -> Vec<Claim> {
        let sets: Vec<(&str, &str)> = self.sets.iter().chain(world).copied().collect();
        let mut claims = Claims::default();
        (self.claims)(&run(self.name, &sets), &mut claims);
        assert!(!claims.0.is_empty(), "{} claims nothing", self.name);
        claims.0
    }
}

/// The runs of each variant at each point of the sweep, in the order of the file.
pub struct Found(Vec<(String, Accumulator)>);

pub fn run(name: &str, sets: &[(&str, &str)]) -> Found {
    let file = folder().join(format!("{name}.yaml"));
    let bytes = fs::read(&file).expect("a scenario");
    let sets: Vec<(String, String)> = sets.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect();
    let study = document::decode(name, &bytes).and_then(|source| variants::read(source, &sets));
    let study = study.unwrap_or_else(|errors| panic!("{}", errors.render(false)));
    let mut inputs = Inputs::default();
    let compiled: Vec<_> = study
        .variants
        .iter()
        .map(|variant| {
            inputs.read(&variant.scenario, &folder()).expect("the scenario's files");
            compile(&variant.name, &variant.point, &variant.scenario, &inputs).expect("a plan")
        })
        .collect();
    let options = Options { seed: study.seed, replications: study.replications, jobs: None };
    let results = experiment::run(&compiled, &options, &AtomicBool::new(false), &|_| {}).expect("results");
    Found(compiled.iter().map(|variant| variant.name.clone()).zip(results).collect())
}

/// A figure by replication.
pub type Values = Vec<f64>;

impl Found {
    /// Of a scenario without a sweep.
    pub fn of(&self, variant: &str, figure: impl Fn(&RunFigures) -> f64) -> Values {
        self.at(variant, 0, figure)
    }

    /// At a point of the sweep, by its number.
    pub fn at(&self, variant: &str, point: usize, figure: impl Fn(&RunFigures) -> f64) -> Values {
        self.all(variant, point).runs.iter().map(figure).collect()
    }

    /// All that is kept of a variant's runs.
    fn all(&self, variant: &str, point: usize) -> &Accumulator {
        let found = self.0.iter().filter(|(name, _)| name == variant).nth(point);
        &found.unwrap_or_else(|| panic!("there is no variant `{variant}` at point {point}")).1
    }

    /// Requests per second that were answered well from one second to another, over all runs: the timeline has no intervals.
    pub fn ok_rate(&self, variant: &str, seconds: std::ops::Range<u64>) -> f64 {
        let runs = self.all(variant, 0);
        let bin = runs.timeline.bin.as_secs_f64();
        let is_in = |index: usize| (seconds.start as f64..seconds.end as f64).contains(&((index as f64 + 0.5) * bin));
        let bins = runs.timeline.bins.iter().enumerate().filter(|(index, _)| is_in(*index)).map(|(_, found)| found.ok);
        bins.sum::<u64>() as f64 / (seconds.end - seconds.start) as f64 / f64::from(runs.timeline.runs)
    }
}

// ---- Figures of a run; those that are not there compare as false ------------------------------------------------------

pub fn mean(run: &RunFigures) -> f64 {
    latency(LatencyMetric::Mean)(run)
}

pub fn p99(run: &RunFigures) -> f64 {
    latency(LatencyMetric::P99)(run)
}

pub fn latency(metric: LatencyMetric) -> impl Fn(&RunFigures) -> f64 {
    move |run| run.all.latency.get(metric).unwrap_or(f64::NAN)
}

pub fn failed(run: &RunFigures) -> f64 {
    run.failed_share().unwrap_or(f64::NAN)
}

/// Requests that failed in that way.
pub fn errors(kind: &'static str) -> impl Fn(&RunFigures) -> f64 {
    move |run| run.requests.by_error().filter(|(failure, _)| failure.name() == kind).map(|(_, count)| count as f64).sum()
}

pub fn moved(run: &RunFigures) -> f64 {
    run.requests_moved_share().unwrap_or(f64::NAN)
}

/// Share of the attempts that a server got, by its number in the file's order.
pub fn share(server: usize) -> impl Fn(&RunFigures) -> f64 {
    move |run| run.servers.get(server).and_then(|server| server.share).unwrap_or(f64::NAN)
}

pub fn utilization(server: usize) -> impl Fn(&RunFigures) -> f64 {
    move |run| run.servers.get(server).and_then(|server| server.utilization).unwrap_or(f64::NAN)
}

/// Of the busiest server.
pub fn busiest(run: &RunFigures) -> f64 {
    run.servers.iter().filter_map(|server| server.utilization).fold(f64::NAN, f64::max)
}

/// Requests that failed because of a fault, by its number in the file.
pub fn lost(fault: usize) -> impl Fn(&RunFigures) -> f64 {
    move |run| run.faults.get(fault).map_or(f64::NAN, |fault| fault.failed_requests as f64)
}

/// When the fault was detected; endless where it was not.
pub fn detected(fault: usize) -> impl Fn(&RunFigures) -> f64 {
    move |run| run.faults.get(fault).map_or(f64::NAN, |fault| fault.detected_after_s.unwrap_or(f64::INFINITY))
}

// ---- Intervals and claims ---------------------------------------------------------------------------------------------

/// Where the true value lies with 95 % confidence.
#[derive(Clone, Copy, Debug)]
pub struct Interval(f64, f64);

impl From<Option<(f64, f64)>> for Interval {
    /// Without an interval nothing can be claimed.
    fn from(ci95: Option<(f64, f64)>) -> Interval {
        ci95.map_or(Interval(f64::NEG_INFINITY, f64::INFINITY), |(low, high)| Interval(low, high))
    }
}

pub fn average(values: &[f64]) -> Interval {
    let Estimate { ci95, .. } = mean_ci(values);
    ci95.into()
}

/// Paired difference a - b.
pub fn minus(a: &[f64], b: &[f64]) -> Interval {
    paired_difference(a, b, 1).ci95.into()
}

/// Paired ratio a / b.
pub fn over(a: &[f64], b: &[f64]) -> Interval {
    relative_difference(a, b).ci95.map(|(low, high)| (1.0 + low, 1.0 + high)).into()
}

struct Claim {
    told: String,
    /// The whole interval lies where it was claimed to lie.
    holds: bool,
    /// None of it does.
    is_refuted: bool,
}

/// What was claimed, and whether it holds. The same claims in the same order, whatever was found.
#[derive(Default)]
pub struct Claims(Vec<Claim>);

impl Claims {
    /// The whole interval lies between the bounds.
    pub fn within(&mut self, what: &str, found: Interval, low: f64, high: f64) {
        let Interval(from, to) = found;
        let told = format!("{what}: {from:.4} to {to:.4}, claimed {low:.4} to {high:.4}\n");
        // Not a number is nowhere.
        let (holds, is_possible) = (from >= low && to <= high, from <= high && to >= low);
        self.0.push(Claim { told, holds, is_refuted: !is_possible });
    }

    pub fn above(&mut self, what: &str, found: Interval, low: f64) {
        self.within(what, found, low, f64::INFINITY);
    }

    pub fn below(&mut self, what: &str, found: Interval, high: f64) {
        self.within(what, found, f64::NEG_INFINITY, high);
    }

    /// In each single replication.
    pub fn always(&mut self, what: &str, values: &[f64], is_so: impl Fn(f64) -> bool) {
        let holds = !values.is_empty() && values.iter().all(|value| is_so(*value));
        self.0.push(Claim { told: format!("{what}: {values:.4?}\n"), holds, is_refuted: !holds });
    }
}
