//! Statistics of independent replications: intervals, paired comparisons, the end of the warm-up, evenness. Pure functions.
//! Sources: Law, Simulation Modeling and Analysis, 5th ed., 2015, chapters 9 and 10 (replications, paired t intervals);
//! the others stand with their function.

use crate::units::Time;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// A value and its 95 % interval (lower and upper end); none where there are fewer than two replications.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    pub value: f64,
    pub ci95: Option<(f64, f64)>,
}

impl Estimate {
    /// The same with an interval that stays within what the quantity can be: a rare count has no interval that reaches below zero.
    pub fn within(self, least: f64, most: f64) -> Estimate {
        Estimate { ci95: self.ci95.map(|(low, high)| (low.max(least), high.min(most))), ..self }
    }

    /// Half the width of the interval, as it was before a bound cut off one side.
    pub fn half_width(&self) -> Option<f64> {
        self.ci95.map(|(low, high)| (high - self.value).max(self.value - low))
    }
}

/// A difference between two variants that met the same customers. Significant where the 95 % interval excludes zero.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    pub value: f64,
    pub ci95: Option<(f64, f64)>,
    pub significant: bool,
}

/// The mean of independent replications with its Student-t 95 % interval. NaN for no values.
pub fn mean_ci(values: &[f64]) -> Estimate {
    around(mean(values), values)
}

/// A value that was pooled over the replications, such as a percentile of all requests, with the half-width that the
/// replications' own values give.
pub fn around(value: f64, per_replication: &[f64]) -> Estimate {
    let ci95 = half_width(per_replication).map(|half| (value - half, value + half));
    Estimate { value, ci95 }
}

/// The mean of a - b, replication by replication, with its paired Student-t 95 % interval. It is one of several `comparisons` that
/// are told together: significant where zero stays out of an interval so wide that all of them hold at once with 95 %
/// (Bonferroni; with one comparison, the interval itself). Panics where the lengths differ.
pub fn paired_difference(a: &[f64], b: &[f64], comparisons: usize) -> Difference {
    assert_eq!(a.len(), b.len(), "each replication of one variant has its twin in the other");
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let Estimate { value, ci95 } = mean_ci(&differences);
    let joint = half_width_among(&differences, comparisons).map(|half| (value - half, value + half));
    Difference { value, ci95, significant: excludes_zero(joint) }
}

/// The mean of a - b of independent runs, with Welch's 95 % interval; `comparisons` as with [`paired_difference`]. `None` where one has
/// fewer than two values. Source: Welch, The generalization of "Student's" problem, Biometrika 34, 1947.
pub fn welch_difference(a: &[f64], b: &[f64], comparisons: usize) -> Option<Difference> {
    let variance_of_mean = |values: &[f64]| {
        let (n, middle) = (values.len() as f64, mean(values));
        (n >= 2.0).then(|| values.iter().map(|value| (value - middle) * (value - middle)).sum::<f64>() / (n * (n - 1.0)))
    };
    let (v_a, v_b) = (variance_of_mean(a)?, variance_of_mean(b)?);
    let value = mean(a) - mean(b);
    let degrees = (v_a + v_b).powi(2) / (v_a * v_a / (a.len() as f64 - 1.0) + v_b * v_b / (b.len() as f64 - 1.0));
    // Without any spread the interval is the value itself.
    let half = |tail: f64| {
        let t = StudentsT::new(0.0, 1.0, degrees.max(1.0)).ok()?.inverse_cdf(1.0 - tail);
        Some(if v_a + v_b > 0.0 { t * (v_a + v_b).sqrt() } else { 0.0 })
    };
    let around = |half: f64| (value - half, value + half);
    let joint = half(0.025 / comparisons.max(1) as f64).map(around);
    Some(Difference { value, ci95: half(0.025).map(around), significant: excludes_zero(joint) })
}

/// The mean of a over the mean of b, minus one: -0.46 says that a is 46 % lower. The interval is Fieller's for paired values,
/// exact for normal ones, also with few replications, where the delta method is too narrow. Where there is one it excludes zero
/// exactly where that of `paired_difference` does, so that two sentences about a comparison never contradict each other. No interval where
/// the mean of b cannot be told from zero; not finite where it is zero. Source: Fieller, Some problems in interval
/// estimation, J. R. Stat. Soc. B 16(2), 1954.
pub fn relative_difference(a: &[f64], b: &[f64]) -> Difference {
    assert_eq!(a.len(), b.len(), "each replication of one variant has its twin in the other");
    let ratio = mean(a) / mean(b);
    let ci95 = fieller(a, b, ratio).map(|(low, high)| (ratio - 1.0 + low, ratio - 1.0 + high));
    Difference { value: ratio - 1.0, ci95, significant: excludes_zero(ci95) }
}

/// The ends of Fieller's interval, as distances from the ratio: all d for which the residuals a - (ratio + d) b have a mean that
/// is not significantly different from zero, the roots of d^2 (mean(b)^2 - t^2 v_b) + 2 d t^2 v_be - t^2 v_e, where the
/// v are variances of means: of b, of the residuals e at the ratio itself, and the covariance of both.
fn fieller(a: &[f64], b: &[f64], ratio: f64) -> Option<(f64, f64)> {
    let n = a.len() as f64;
    let t_squared = t_quantile(a.len(), 0.025)?.powi(2);
    let mean_b = mean(b);
    let (mut v_b, mut v_be, mut v_e) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let residual = a - ratio * b;
        v_b += (b - mean_b) * (b - mean_b);
        v_be += (b - mean_b) * residual;
        v_e += residual * residual;
    }
    let [v_b, v_be, v_e] = [v_b, v_be, v_e].map(|sum| t_squared * sum / (n * (n - 1.0)));
    let curvature = mean_b * mean_b - v_b;
    let root = (v_be * v_be + v_e * curvature).sqrt();
    // Where the curvature is not above zero, zero is a plausible mean of b, and any ratio possible.
    (curvature > 0.0).then_some(((-v_be - root) / curvature, (-v_be + root) / curvature))
}

fn excludes_zero(ci95: Option<(f64, f64)>) -> bool {
    ci95.is_some_and(|(low, high)| low > 0.0 || high < 0.0)
}

/// Shifted by the first value, so that equal values have exactly that mean, and no variance.
fn mean(values: &[f64]) -> f64 {
    let Some(&first) = values.first() else { return f64::NAN };
    first + values.iter().map(|value| value - first).sum::<f64>() / values.len() as f64
}

/// The sum of the squared deviations from the mean.
fn squared_deviations(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|value| (value - mean) * (value - mean)).sum()
}

/// Half the width of the Student-t 95 % interval of the mean.
fn half_width(values: &[f64]) -> Option<f64> {
    half_width_among(values, 1)
}

/// The same for one of several intervals that hold together.
fn half_width_among(values: &[f64], intervals: usize) -> Option<f64> {
    let n = values.len() as f64;
    let variance_of_mean = squared_deviations(values) / (n - 1.0) / n;
    Some(t_quantile(values.len(), 0.025 / intervals.max(1) as f64)? * variance_of_mean.sqrt())
}

/// The quantile of Student's t for a mean of n values that leaves `tail` above it; none for fewer than two values.
fn t_quantile(n: usize, tail: f64) -> Option<f64> {
    let degrees_of_freedom = n.checked_sub(1).filter(|&df| df > 0)? as f64;
    if degrees_of_freedom < 10_000.0 {
        return Some(StudentsT::new(0.0, 1.0, degrees_of_freedom).ok()?.inverse_cdf(1.0 - tail));
    }
    // Beyond, statrs 0.19 cancels its digits away (7 % too low for ten million), while this expansion is right to 1e-7:
    // Abramowitz and Stegun 26.7.5.
    let normal = Normal::standard().inverse_cdf(1.0 - tail);
    Some(normal + (normal * normal + 1.0) * normal / (4.0 * degrees_of_freedom))
}

/// How many observations a percentile needs before it means anything: ten beyond it, hence 10 / (1 - q), for q from 0 to
/// below 1: 1000 for p99, 10,000 for p99.9. Even then the tenth largest of 1000 stands for anything between the true p98.3 and
/// p99.5 (95 % of a beta distribution with 10 and 991); with fewer it is the luck of a few requests. `u64::MAX` for the
/// maximum, which no number of observations settles.
pub fn percentile_needs(q: f64) -> u64 {
    // 1 - 0.9 is a little below 0.1; that must not cost one more.
    (10.0 / (1.0 - q) - 1e-6).ceil() as u64
}

/// Jain's index of the shares: (sum x)^2 / (n sum x^2), from 1/n (all on one) to 1 (even). NaN never: nothing, or nothing but
/// zeros, gives 1. Source: Jain, Chiu, Hawe, A quantitative measure of fairness, DEC-TR-301, 1984.
pub fn jain(values: &[f64]) -> f64 {
    let sum: f64 = values.iter().sum();
    let sum_of_squares: f64 = values.iter().map(|value| value * value).sum();
    if sum_of_squares == 0.0 { 1.0 } else { sum * sum / (values.len() as f64 * sum_of_squares) }
}

/// Coefficient of variation of a whole population (divided by n, not n - 1): standard deviation over mean, 0 where all are
/// alike. NaN never: nothing, or nothing but zeros, gives 0. For values from 0 up; jain = 1 / (1 + cv^2).
pub fn coefficient_of_variation(values: &[f64]) -> f64 {
    if values.iter().all(|&value| value == 0.0) {
        return 0.0;
    }
    (squared_deviations(values) / values.len() as f64).sqrt() / mean(values)
}

/// The largest over the mean: 1 where all are alike, n where one has all. NaN never: nothing, or nothing but zeros, gives 1.
pub fn max_over_mean(values: &[f64]) -> f64 {
    if values.iter().all(|&value| value == 0.0) {
        return 1.0;
    }
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max) / mean(values)
}

/// Where the warm-up ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncation {
    /// The start of the first batch to keep.
    pub at: Time,
    /// False where the run is too short to tell: the best cut would lie in its second half, or there are hardly any batches.
    pub is_reliable: bool,
}

/// MSER-5: cuts the warm-up where the mean of the rest has the smallest standard error, over means of five successive
/// values. Like Welch's method, but without an eye. Memory is bounded: where there are too many batches, neighbours are
/// merged. Sources: White, An effective truncation heuristic for bias reduction in simulation output, Simulation 69(6), 1997;
/// the last five batches are no candidates: Hoad, Robinson, Davies, Automating warm-up length estimation, J. Oper. Res. Soc. 61,
/// 2010.
#[derive(Clone, Debug)]
pub struct Mser5 {
    batches: Vec<Batch>,
    /// How many values make a batch: 5, 10, 20 ...
    batch_size: u64,
    /// The batch that is being filled: its start, how many values, their sum.
    filling: Batch,
    filled: u64,
}

/// A batch's first value's time, and the mean of its values (while it is being filled: their sum).
#[derive(Clone, Copy, Debug, Default)]
struct Batch {
    at: Time,
    value: f64,
}

const BATCHES_MAX: usize = 8192;
/// The standard error of fewer batches is small by luck.
const BATCHES_KEPT_MIN: usize = 5;

impl Default for Mser5 {
    fn default() -> Mser5 {
        Mser5 { batches: Vec::new(), batch_size: 5, filling: Batch::default(), filled: 0 }
    }
}

impl Mser5 {
    /// Adds a finite value; values come in the order of their times.
    pub fn push(&mut self, at: Time, value: f64) {
        debug_assert!(value.is_finite(), "a warm-up ends by finite values");
        if self.filled == 0 {
            self.filling = Batch { at, value: 0.0 };
        }
        self.filling.value += value;
        self.filled += 1;
        if self.filled == self.batch_size {
            self.close_batch();
        }
    }

    fn close_batch(&mut self) {
        self.batches.push(Batch { at: self.filling.at, value: self.filling.value / self.batch_size as f64 });
        self.filled = 0;
        if self.batches.len() == BATCHES_MAX {
            let merge = |pair: &[Batch]| Batch { at: pair[0].at, value: 0.5 * (pair[0].value + pair[1].value) };
            self.batches = self.batches.chunks_exact(2).map(merge).collect();
            self.batch_size *= 2;
        }
    }

    /// The best cut within the first half, so that at least half of the run is kept; of equal ones the earliest. An
    /// unfinished last batch does not count. Without any batch: nothing is cut, and that is not reliable.
    pub fn truncation(&self) -> Truncation {
        let n = self.batches.len();
        let errors = self.squared_errors();
        let best = |candidates: &[f64]| (0..candidates.len()).min_by(|&i, &k| candidates[i].total_cmp(&candidates[k]));
        let candidates = &errors[..n.saturating_sub(BATCHES_KEPT_MIN)];
        let in_first_half = best(&candidates[..candidates.len().min(n / 2)]);
        Truncation {
            at: in_first_half.map_or(Time::ZERO, |i| self.batches[i].at),
            is_reliable: n >= 2 * BATCHES_KEPT_MIN && in_first_half == best(candidates),
        }
    }

    /// For each first batch to keep, the mean squared deviation of the kept ones over their number (White's statistic), by
    /// Welford's recurrence from the end.
    fn squared_errors(&self) -> Vec<f64> {
        let (mut kept, mut mean, mut deviations) = (0.0, 0.0, 0.0);
        let mut errors: Vec<f64> = (self.batches.iter().rev())
            .map(|batch| {
                kept += 1.0;
                let from_mean = batch.value - mean;
                mean += from_mean / kept;
                deviations += from_mean * (batch.value - mean);
                deviations / (kept * kept)
            })
            .collect();
        errors.reverse();
        errors
    }
}

#[cfg(test)]
mod tests;
