//! Which variant is better, and whether the runs can tell: paired differences, replication by replication, at each sweep point.
//!
//! Both variants of a pair met the same customers, so what they have in common cancels out. Each interval that is
//! told holds by itself with 95 % confidence; `significant` is joint over the comparisons of a metric at a point (Bonferroni).
//! Replications in which one of the two has no value (no success) drop out of the pair. A percentile is compared
//! where both have as many requests as it needs.

use super::accumulate::{Accumulator, LatencyMetric, RunFigures};
use super::{as_map, from_map};
use crate::compile::Compiled;
use crate::stats::{self, Difference, Estimate};
use serde::{Deserialize, Serialize};

/// What variants are compared by; of each, less is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    Mean,
    P50,
    P99,
    #[serde(rename = "p99_9")]
    P999,
    /// Failed over finished requests.
    FailedShare,
}

impl Metric {
    pub const ALL: [Metric; 5] = [Metric::Mean, Metric::P50, Metric::P99, Metric::P999, Metric::FailedShare];

    /// The latency metric that it is.
    pub fn latency(self) -> Option<LatencyMetric> {
        match self {
            Metric::Mean => Some(LatencyMetric::Mean),
            Metric::P50 => Some(LatencyMetric::P50),
            Metric::P99 => Some(LatencyMetric::P99),
            Metric::P999 => Some(LatencyMetric::P999),
            Metric::FailedShare => None,
        }
    }

    fn of(self, run: &RunFigures) -> Option<f64> {
        match self.latency() {
            Some(metric) => run.all.latency.get(metric),
            None => run.failed_share(),
        }
    }

    /// Requests that it needs to mean anything.
    fn needs(self) -> u64 {
        self.latency().and_then(LatencyMetric::quantile).map_or(1, stats::percentile_needs)
    }
}

/// The smallest relative difference that is called one. What is below it is less than anybody knows the work and the rates that he typed, and
/// may come of what is beside the point: sessions that are a little longer bring other requests into the time that is looked at.
pub const MATTERS: f64 = 0.02;

/// The best variant against another one. Yardsticks are never the best, but stand among the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    pub metric: Metric,
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub point: Vec<(String, String)>,
    /// The variant with the lowest mean over the replications.
    pub best: String,
    pub against: String,
    /// Averages over the replications that both have; a pooled percentile in the table may be another number.
    pub best_value: f64,
    pub against_value: f64,
    /// Best minus other, in the metric's unit.
    pub difference: Estimate,
    /// Best over other, minus one; `null` where the other is zero.
    pub relative: Option<Estimate>,
    /// Zero stays out of the interval that holds with 95 % for all comparisons of the metric at once (Bonferroni).
    pub significant: bool,
}

impl Comparison {
    /// More than noise, and enough to matter to a reader.
    pub fn matters(&self) -> bool {
        self.significant && self.relative.is_none_or(|relative| relative.value.abs() >= MATTERS)
    }
}

/// Another variant against the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgainstFirst {
    pub metric: Metric,
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub point: Vec<(String, String)>,
    pub first: String,
    pub variant: String,
    /// Variant minus first, in the metric's unit.
    pub difference: Estimate,
    /// Variant over first, minus one; `null` where the first is zero.
    pub relative: Option<Estimate>,
    pub significant: bool,
}

/// Compares at every sweep point, metric by metric.
pub(super) fn compare(variants: &[Compiled], results: &[Accumulator]) -> (Vec<Comparison>, Vec<AgainstFirst>) {
    let (mut with_best, mut with_first) = (Vec::new(), Vec::new());
    for members in points(variants) {
        for metric in Metric::ALL {
            let sides: Vec<Side> = members.iter().filter_map(|index| Side::new(metric, &variants[*index], &results[*index])).collect();
            with_best.extend(against_best(metric, &sides));
            let first = sides.iter().position(|side| std::ptr::eq(side.variant, &variants[members[0]]));
            with_first.extend(first.iter().flat_map(|first| against_first(metric, &sides, *first)));
        }
    }
    (with_best, with_first)
}

/// The numbers of the variants at each sweep point.
fn points(variants: &[Compiled]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (index, variant) in variants.iter().enumerate() {
        match groups.iter_mut().find(|group| variants[group[0]].point == variant.point) {
            Some(group) => group.push(index),
            None => groups.push(vec![index]),
        }
    }
    groups
}

/// A variant's values of a metric by replication.
struct Side<'a> {
    variant: &'a Compiled,
    values: Vec<Option<f64>>,
    mean: f64,
}

impl<'a> Side<'a> {
    /// Nothing where the metric has no meaning.
    fn new(metric: Metric, variant: &'a Compiled, results: &Accumulator) -> Option<Side<'a>> {
        let values: Vec<Option<f64>> = results.runs.iter().map(|run| metric.of(run)).collect();
        let count: u64 = results.classes.iter().map(|class| class.latency.count()).sum();
        if metric.latency().is_some() && count < metric.needs() {
            return None;
        }
        let known: Vec<f64> = values.iter().flatten().copied().collect();
        let mean = stats::mean_ci(&known).value;
        mean.is_finite().then_some(Side { variant, values, mean })
    }
}

struct Paired {
    values: [f64; 2],
    difference: Estimate,
    relative: Option<Estimate>,
    significant: bool,
}

/// a - b over the replications that both have, as one of several comparisons.
fn paired(metric: Metric, a: &Side, b: &Side, comparisons: usize) -> Option<Paired> {
    let both = a.values.iter().zip(&b.values).filter_map(|(a, b)| Some(((*a)?, (*b)?)));
    let (a, b): (Vec<f64>, Vec<f64>) = both.unzip();
    let Difference { value, ci95, significant } = stats::paired_difference(&a, &b, comparisons);
    let relative = stats::relative_difference(&a, &b);
    // Nothing is less than nothing: a ratio ends at -1, a difference of shares at one.
    let relative = Estimate { value: relative.value, ci95: relative.ci95 }.within(-1.0, f64::INFINITY);
    let relative = relative.value.is_finite().then_some(relative);
    let most = if metric == Metric::FailedShare { 1.0 } else { f64::INFINITY };
    let values = [&a, &b].map(|values| stats::mean_ci(values).value);
    let difference = Estimate { value, ci95 }.within(-most, most);
    value.is_finite().then_some(Paired { values, difference, relative, significant })
}

fn against_best(metric: Metric, sides: &[Side]) -> Vec<Comparison> {
    let candidates = sides.iter().enumerate().filter(|(_, side)| !side.variant.is_oracle);
    let Some((best, best_side)) = candidates.min_by(|(_, a), (_, b)| a.mean.total_cmp(&b.mean)) else { return Vec::new() };
    let others = sides.iter().enumerate().filter(|(index, _)| *index != best);
    let compared = others.filter_map(|(_, other)| {
        let Paired { values: [best_value, against_value], difference, relative, significant } =
            paired(metric, best_side, other, sides.len() - 1)?;
        let (best, against) = (best_side.variant.name.clone(), other.variant.name.clone());
        let point = best_side.variant.point.clone();
        Some(Comparison { metric, point, best, against, best_value, against_value, difference, relative, significant })
    });
    compared.collect()
}

fn against_first(metric: Metric, sides: &[Side], first: usize) -> Vec<AgainstFirst> {
    let first_side = &sides[first];
    let others = sides.iter().enumerate().filter(|(index, _)| *index != first);
    let compared = others.filter_map(|(_, other)| {
        let Paired { difference, relative, significant, .. } = paired(metric, other, first_side, sides.len() - 1)?;
        let (first, variant) = (first_side.variant.name.clone(), other.variant.name.clone());
        Some(AgainstFirst { metric, point: other.variant.point.clone(), first, variant, difference, relative, significant })
    });
    compared.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_significant_and_tiny_does_not_matter() {
        let row = |against_value: f64, significant| Comparison {
            metric: Metric::FailedShare,
            point: Vec::new(),
            best: "a".to_owned(),
            against: "b".to_owned(),
            best_value: 0.0099,
            against_value,
            difference: Estimate { value: 0.0099 - against_value, ci95: None },
            relative: (against_value > 0.0).then(|| Estimate { value: 0.0099 / against_value - 1.0, ci95: None }),
            significant,
        };
        assert!(!row(0.01, true).matters(), "0.99 % against 1.00 %");
        assert!(row(0.0102, true).matters() && !row(0.0102, false).matters());
    }
}
