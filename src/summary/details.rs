//! What the pictures and the page are drawn from, beyond the figures of the summary: curves, the run over time, and the history
//! of faults, health checks and rotation. Stored as `details.json`, so that `lbsim report` can build the page anew.
//!
//! Times are in seconds from the start of the run, latencies in milliseconds, shares from 0 to 1.

use super::accumulate::{Accumulator, together};
use super::pods::{self, PodChange, TargetChange};
use super::to_json;
use crate::compile::Compiled;
use crate::measure::history::{History, Sight};
use crate::measure::timeline::{Bin, ServerBin};
use crate::measure::{Latencies, Timeline};
use crate::model::plan::{FaultKind, TargetRef, Topology};
use crate::units::Time;
use serde::{Deserialize, Serialize};
use serde_json::ser::CompactFormatter;
use std::collections::{BTreeMap, BTreeSet};

/// Bins of the time series of all variants together, and of one.
const BINS_OF_ALL: usize = 4800;
const BINS_MAX: usize = 400;
const BINS_MIN: usize = 60;
/// Rows and columns of a load map, its cells for all variants together, and the variants that have one.
const ROWS_MAX: usize = 60;
const COLUMNS_MAX: usize = 150;
const CELLS_OF_ALL: usize = 48_000;
const MAPS_MAX: usize = 16;
/// Sightings and faults that are kept of a variant, each.
const SIGHTINGS_MAX: usize = 2000;
/// Steps of the percentiles' curve to a nine, and requests that its last point has beyond it.
const STEPS_PER_NINE: f64 = 20.0;
/// Shares that people ask for and that are not among those steps: what the pictures say of them is what the summary says.
const BETWEEN: [f64; 3] = [0.5, 0.75, 0.95];
const BEYOND_LAST: f64 = 10.0;
/// Buckets of the distribution.
const BUCKETS: usize = 60;

/// Beside the summary; its variants are in the order of the summary's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Details {
    pub source: SourceText,
    /// The command line that repeats the study, in a shell's quotes.
    pub command: String,
    pub variants: Vec<VariantDetails>,
}

/// The scenario as it was written, comments included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceText {
    pub name: String,
    pub text: String,
}

/// The pictures' data of one variant at one sweep point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VariantDetails {
    /// Latency by percentile, of the successful requests of all replications: (share of requests at or below, milliseconds), from 0 up
    /// to the last share that ten requests lie beyond. Shares are spaced evenly in the number of nines; 50, 75 and 95 % are among them.
    pub percentiles: Vec<(f64, f64)>,
    /// Distribution of the same latencies: (upper end of the bucket in milliseconds, share of the requests in it), buckets of equal
    /// ratio; the first begins at `distribution_from_ms`.
    pub distribution: Vec<(f64, f64)>,
    pub distribution_from_ms: f64,
    /// Mean latency of users by percentile: (share of the users at or below, milliseconds), in hundredths.
    pub users: Vec<(f64, f64)>,
    /// Weight of each server of the summary over the sum of all of them, in their order.
    pub weight_shares: Vec<f64>,
    pub timeseries: Timeseries,
    /// Load by server over time; absent where there is too much of it.
    pub load: Option<LoadMap>,
    /// The faults of the scenario, as they struck in the first replication.
    pub faults: Vec<FaultSpan>,
    /// What the balancers came to think of servers in the first replication: out of rotation, back in. Out at 0 s: it began outside.
    pub rotation: Vec<Sighting>,
    /// Health checks of the servers that a fault struck or that left the rotation, as they ended in the first replication.
    pub checks: Vec<Sighting>,
    /// There were more faults, changes or checks than are kept.
    pub is_cut: bool,
    /// What became of pods and of the targets of balancers that know their members, in the first replication.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<PodChange>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<TargetChange>,
}

/// Averages over the replications, by bins of equal width (the last may be shorter): at most 400.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timeseries {
    pub bin_s: f64,
    /// Per second, requests first sent in the bin.
    pub sent_rps: Vec<f64>,
    /// Per second, requests that ended in the bin, well or not.
    pub ok_rps: Vec<f64>,
    pub failed_rps: Vec<f64>,
    /// Latencies of the requests that ended well in the bin; `null` where there was none.
    pub mean_ms: Vec<Option<f64>>,
    pub p50_ms: Vec<Option<f64>>,
    pub p99_ms: Vec<Option<f64>>,
    /// Per second, answers to returning clients by another server than their last, of requests sent after the warm-up; empty where
    /// nobody returns.
    pub moved_rps: Vec<f64>,
}

/// A heat map: rows are servers (of at most 60: where there are more, some in a row of neighbours are averaged), columns bins of time, at
/// most 150. Servers that were never there have no row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadMap {
    pub bin_s: f64,
    /// A server's name, or `web-1 to web-4` for a row of several.
    pub rows: Vec<String>,
    /// Requests at a server (in service or waiting), time average over the bin and the replications; by row, then bin.
    pub in_system: Vec<Vec<f64>>,
    /// Those of them that wait.
    pub waiting: Vec<Vec<f64>>,
}

/// One occurrence of a fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultSpan {
    /// As in the summary's `failover`, such as `crash web-3`.
    pub fault: String,
    /// The servers answer nothing (crashed, hung or unreachable); else they err or are slow.
    pub is_down: bool,
    pub servers: Vec<String>,
    pub from_s: f64,
    /// The end of the run where it lasts that long.
    pub to_s: f64,
}

/// What a balancer came to think of a target, or what its check of it came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sighting {
    pub at_s: f64,
    pub balancer: String,
    /// A server, or another balancer.
    pub target: String,
    pub is_good: bool,
}

/// A change of a value at a moment, for drawing steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    pub at_s: f64,
    pub is_good: bool,
}

impl Details {
    /// The file `details.json`.
    pub fn to_json(&self) -> serde_json::Result<String> {
        to_json(self, CompactFormatter)
    }
}

impl VariantDetails {
    /// How the view of a target changed.
    pub fn views(&self, balancer: &str, target: &str) -> Vec<Change> {
        let of_pair = self.rotation.iter().filter(|seen| seen.balancer == balancer && seen.target == target);
        of_pair.map(|seen| Change { at_s: seen.at_s, is_good: seen.is_good }).collect()
    }
}

/// The details of all variants; `results` has an entry for each of `variants`.
pub fn details(source: SourceText, command: String, variants: &[Compiled], results: &[Accumulator]) -> Details {
    let count = variants.len().max(1);
    let limits = Limits {
        bins: (BINS_OF_ALL / count).clamp(BINS_MIN, BINS_MAX),
        columns: if count > MAPS_MAX { 0 } else { (CELLS_OF_ALL / count / ROWS_MAX).min(COLUMNS_MAX) },
    };
    let variants = variants.iter().zip(results).map(|(variant, runs)| variant_details(variant, runs, limits)).collect();
    Details { source, command, variants }
}

#[derive(Clone, Copy)]
struct Limits {
    bins: usize,
    columns: usize,
}

fn variant_details(variant: &Compiled, results: &Accumulator, limits: Limits) -> VariantDetails {
    let latency = together(&results.classes).latency;
    let (distribution_from_ms, distribution) = distribution(&latency);
    let users = results.users.means();
    let hundredths = (0..=100).map(|hundredth| f64::from(hundredth) / 100.0);
    let returns = results.runs.iter().any(|run| run.affinity.requests > 0);
    let story = Story::new(variant, results.history.as_ref());
    let there: Vec<usize> = (0..variant.topology.servers.len()).filter(|server| results.is_used(*server)).collect();
    let (pods, targets) = pods::changes(variant, results.history.as_ref(), SIGHTINGS_MAX);
    VariantDetails {
        percentiles: percentiles(&latency),
        distribution,
        distribution_from_ms,
        users: hundredths.filter_map(|share| Some((share, users.quantile_ms(share)?))).collect(),
        weight_shares: weight_shares(&variant.topology, &there),
        timeseries: timeseries(&results.timeline, variant.duration, limits.bins, returns),
        load: load_map(&results.timeline, variant, &there, limits.columns),
        faults: story.faults,
        rotation: story.rotation,
        checks: story.checks,
        is_cut: story.is_cut || pods.len().max(targets.len()) == SIGHTINGS_MAX,
        pods,
        targets,
    }
}

fn percentiles(latency: &Latencies) -> Vec<(f64, f64)> {
    let nines = libm::log10(latency.count() as f64 / BEYOND_LAST).max(0.0);
    let steps = (nines * STEPS_PER_NINE) as u32;
    let mut shares: Vec<f64> = (0..=steps).map(|step| 1.0 - libm::pow(10.0, -f64::from(step) / STEPS_PER_NINE)).collect();
    let last = shares[steps as usize];
    shares.extend(BETWEEN.into_iter().filter(|share| *share < last));
    shares.sort_by(f64::total_cmp);
    shares.into_iter().filter_map(|share| Some((share, latency.quantile_ms(share)?))).collect()
}

/// The lower end, and the buckets. Latencies below a millionth of the largest are in the first.
fn distribution(latency: &Latencies) -> (f64, Vec<(f64, f64)>) {
    let (Some(min), Some(max)) = (latency.quantile_ms(0.0), latency.max_ms()) else { return (0.0, Vec::new()) };
    let from = min.max(max / 1e6);
    if from >= max {
        return (min, vec![(max, 1.0)]);
    }
    let ratio = libm::log(max / from) / BUCKETS as f64;
    let mut counts = [0u64; BUCKETS];
    for (ns, count) in latency.buckets() {
        let place = libm::log((ns as f64 / 1e6).max(from) / from) / ratio;
        counts[(place as usize).min(BUCKETS - 1)] += count;
    }
    let end = |bucket: usize| if bucket + 1 == BUCKETS { max } else { from * libm::exp(ratio * (bucket + 1) as f64) };
    let buckets = counts.iter().enumerate().map(|(bucket, count)| (end(bucket), *count as f64 / latency.count() as f64));
    (from, buckets.collect())
}

fn weight_shares(topology: &Topology, there: &[usize]) -> Vec<f64> {
    let weights = there.iter().map(|server| f64::from(topology.servers[*server].weight));
    let total: f64 = weights.clone().sum();
    weights.map(|weight| weight / total).collect()
}

// ---- Over time --------------------------------------------------------------------------------------------------------

fn timeseries(timeline: &Timeline, duration: Time, bins_max: usize, returns: bool) -> Timeseries {
    let together = timeline.bins.len().div_ceil(bins_max).max(1);
    let bin_s = timeline.bin.as_secs_f64() * together as f64;
    let mut series = Timeseries { bin_s, ..Timeseries::default() };
    for (index, bins) in timeline.bins.chunks(together).enumerate() {
        let mut whole = Bin::default();
        bins.iter().for_each(|bin| whole.merge(bin));
        // Over the replications, and over the part of the bin that lies within the run.
        let width = bin_s.min(duration.as_secs_f64() - index as f64 * bin_s);
        let rate = |count: u64| short(count as f64 / f64::from(timeline.runs) / width);
        series.sent_rps.push(rate(whole.sent));
        series.ok_rps.push(rate(whole.ok));
        series.failed_rps.push(rate(whole.failed));
        series.mean_ms.push(whole.latency.mean_ms().map(short));
        series.p50_ms.push(whole.latency.quantile_ms(0.5).map(short));
        series.p99_ms.push(whole.latency.quantile_ms(0.99).map(short));
        if returns {
            series.moved_rps.push(rate(whole.moved));
        }
    }
    series
}

/// As many digits as a picture can show.
fn short(value: f64) -> f64 {
    format!("{value:.4e}").parse().unwrap_or(value)
}

fn load_map(timeline: &Timeline, variant: &Compiled, there: &[usize], columns_max: usize) -> Option<LoadMap> {
    if there.is_empty() || columns_max == 0 || timeline.runs == 0 {
        return None;
    }
    let bins = timeline.server_bins.len() / timeline.servers;
    let (down, across) = (there.len().div_ceil(ROWS_MAX), bins.div_ceil(columns_max).max(1));
    let rows: Vec<&[usize]> = there.chunks(down).collect();
    let mean = |row: usize, column: usize, of: fn(&ServerBin) -> f32| {
        let (servers, bins) = (rows[row], column * across..((column + 1) * across).min(bins));
        let cells = (bins.len() * servers.len()) as f64 * f64::from(timeline.runs);
        let sums = bins.flat_map(|bin| servers.iter().map(move |server| (bin, *server)));
        short(sums.map(|(bin, server)| f64::from(of(&timeline.server_bins[bin * timeline.servers + server]))).sum::<f64>() / cells)
    };
    let columns = bins.div_ceil(across);
    let map = |of| (0..rows.len()).map(|row| (0..columns).map(|column| mean(row, column, of)).collect()).collect();
    Some(LoadMap {
        bin_s: timeline.bin.as_secs_f64() * across as f64,
        in_system: map(|server| server.in_system),
        waiting: map(|server| server.waiting),
        rows: rows.iter().map(|places| row_name(variant, places)).collect(),
    })
}

fn row_name(variant: &Compiled, places: &[usize]) -> String {
    let name = |place: usize| &variant.topology.servers[place].name;
    match places {
        [] => String::new(),
        [one] => name(*one).clone(),
        [first, .., last] => format!("{} to {}", name(*first), name(*last)),
    }
}

// ---- The first replication --------------------------------------------------------------------------------------------

/// The history with names, cut to what a picture can show.
#[derive(Default)]
struct Story {
    faults: Vec<FaultSpan>,
    rotation: Vec<Sighting>,
    checks: Vec<Sighting>,
    is_cut: bool,
}

impl Story {
    fn new(variant: &Compiled, history: Option<&History>) -> Story {
        let Some(history) = history else { return Story::default() };
        let topology = &*variant.topology;
        let is_within = |at: Time| at <= variant.duration;
        let spells: Vec<_> = history.spells.iter().filter(|spell| is_within(spell.from)).collect();
        let span = |spell: &&crate::measure::history::Spell| FaultSpan {
            fault: topology.faults[spell.fault as usize].name.clone(),
            is_down: matches!(topology.faults[spell.fault as usize].kind, FaultKind::Crash | FaultKind::Hang | FaultKind::Blackhole),
            servers: spell.servers.iter().map(|server| topology.servers[*server as usize].name.clone()).collect(),
            from_s: spell.from.as_secs_f64(),
            to_s: spell.to.unwrap_or(variant.duration).min(variant.duration).as_secs_f64(),
        };
        let sighting = |seen: &Sight| Sighting {
            at_s: seen.at.as_secs_f64(),
            balancer: topology.balancers[seen.balancer as usize].name.clone(),
            target: target_name(topology, seen),
            is_good: seen.is_good,
        };
        let faults: Vec<FaultSpan> = spells.iter().take(SIGHTINGS_MAX).map(span).collect();
        let rotation = history.rotation.iter().filter(|seen| is_within(seen.at));
        let checks = history.checks.iter().filter(|seen| is_within(seen.at));
        let mut concerned: BTreeSet<String> = faults.iter().flat_map(|fault| fault.servers.iter().cloned()).collect();
        concerned.extend(rotation.clone().map(|seen| target_name(topology, seen)));
        let checks: Vec<Sighting> = checks.map(sighting).filter(|seen| concerned.contains(&seen.target)).collect();
        let is_cut = history.is_cut || spells.len().max(rotation.clone().count()).max(checks.len()) > SIGHTINGS_MAX;
        let checks = thinned(checks);
        Story { faults, rotation: rotation.take(SIGHTINGS_MAX).map(sighting).collect(), checks, is_cut }
    }
}

/// Where there are too many checks: those that failed, and of those that passed every second, third, ... of a target.
fn thinned(mut checks: Vec<Sighting>) -> Vec<Sighting> {
    if checks.len() > SIGHTINGS_MAX {
        let failed = checks.iter().filter(|check| !check.is_good).count();
        let every = (checks.len() - failed).div_ceil((SIGHTINGS_MAX.saturating_sub(failed)).max(1));
        let mut passed: BTreeMap<(String, String), usize> = BTreeMap::new();
        checks.retain(|check| {
            let number = passed.entry((check.balancer.clone(), check.target.clone())).or_default();
            *number += usize::from(check.is_good);
            !check.is_good || (*number).is_multiple_of(every)
        });
        checks.truncate(SIGHTINGS_MAX);
    }
    checks
}

fn target_name(topology: &Topology, seen: &Sight) -> String {
    match topology.balancers[seen.balancer as usize].targets[seen.target as usize] {
        TargetRef::Server(server) => topology.servers[server as usize].name.clone(),
        TargetRef::Balancer(inner) => topology.balancers[inner as usize].name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{record, results, variant};
    use super::*;
    use crate::measure::history::Spell;

    fn source() -> SourceText {
        SourceText { name: "a.yaml".to_owned(), text: "name: a".to_owned() }
    }

    #[test]
    fn curves_series_and_maps_tell_what_the_runs_hold() {
        let mut first = record(&[10, 20, 30, 40], 0);
        let sight = |seconds: u64, is_good| Sight { at: Time(seconds * 1_000_000_000), balancer: 0, target: 1, is_good };
        first.history = Some(History {
            spells: vec![Spell { fault: 0, servers: vec![1], from: Time(3_000_000_000), to: None }],
            rotation: vec![sight(5, false)],
            checks: vec![sight(4, false), Sight { target: 0, ..sight(4, true) }, sight(13, true)],
            is_cut: false,
            ..History::default()
        });
        let runs = results([first, record(&[10; 996], 0)]);
        let told = details(source(), "lbsim a.yaml".to_owned(), &[variant("a")], &[runs]);
        let told_variant = &told.variants[0];
        // 1000 requests: two nines, and ten requests beyond the last.
        let (first, last) = (told_variant.percentiles[0], *told_variant.percentiles.last().unwrap());
        assert_eq!((first.0, told_variant.percentiles.len()), (0.0, 44));
        assert!(told_variant.percentiles.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1));
        assert!((last.0 - 0.99).abs() < 1e-12 && (last.1 - 10.0).abs() < 0.01, "{last:?}");
        assert!((told_variant.distribution.iter().map(|(_, share)| share).sum::<f64>() - 1.0).abs() < 1e-12);
        assert_eq!(told_variant.distribution.last().unwrap().0, 40.0);
        // Two bins of six seconds with 4 sent and 1 failed in each run.
        let series = &told_variant.timeseries;
        assert_eq!((series.bin_s, &series.sent_rps[..], &series.failed_rps[..]), (6.0, &[0.66667, 0.66667][..], &[0.16667, 0.16667][..]));
        let load = told_variant.load.as_ref().unwrap();
        assert_eq!((&load.rows[..], &load.in_system[0][..]), (&["web-1".to_owned(), "web-2".to_owned()][..], &[0.5, 0.5][..]));
        assert_eq!(told_variant.weight_shares, [0.5, 0.5]);
        // The fault lasts to the end; checks of a server that nothing concerns, and after the end, are left out.
        assert_eq!((told_variant.faults[0].from_s, told_variant.faults[0].to_s, told_variant.faults[0].is_down), (3.0, 12.0, true));
        assert_eq!(told_variant.checks.len(), 1);
        assert_eq!(told_variant.views("edge", "web-2"), [Change { at_s: 5.0, is_good: false }]);
        let read: Details = serde_json::from_str(&told.to_json().unwrap()).unwrap();
        assert_eq!(read.to_json().unwrap(), told.to_json().unwrap());
    }

    #[test]
    fn a_server_that_was_never_there_is_no_row_and_has_no_weight() {
        let mut absent = record(&[10; 100], 0);
        absent.servers[1].was_empty = true;
        let told = details(source(), String::new(), &[variant("a")], &[results([absent])]);
        let told = &told.variants[0];
        assert_eq!(told.weight_shares, [1.0]);
        assert_eq!(told.load.as_ref().unwrap().rows, ["web-1"]);
    }

    #[test]
    fn of_too_many_checks_those_that_failed_are_kept_and_the_rest_is_spread() {
        let check = |second: usize| Sighting {
            at_s: second as f64,
            balancer: "edge".to_owned(),
            target: format!("web-{}", second % 2),
            is_good: !(8000..8300).contains(&second),
        };
        let kept = thinned((0..9000).map(check).collect());
        assert!((1500..=SIGHTINGS_MAX).contains(&kept.len()), "{}", kept.len());
        assert_eq!(kept.iter().filter(|check| !check.is_good).count(), 300);
        for target in ["web-0", "web-1"] {
            let of_target: Vec<f64> = kept.iter().filter(|check| check.target == target).map(|check| check.at_s).collect();
            assert!(of_target.len() > 700 && of_target.windows(2).all(|pair| pair[1] - pair[0] <= 12.0), "{target}");
        }
        assert!(kept.last().unwrap().at_s > 8980.0);
    }

    #[test]
    fn nothing_to_tell_gives_empty_curves() {
        let told = details(source(), String::new(), &[variant("a")], &[results([])]);
        let told = &told.variants[0];
        assert!(told.percentiles.is_empty() && told.distribution.is_empty() && told.users.is_empty() && told.load.is_none());
    }
}
