//! Distributions of times: the parameters that people know, what is wrong with them, and the sampler that they make.

mod sampler;
#[cfg(test)]
mod tests;
mod ziggurat;

pub use sampler::Sampler;
pub use ziggurat::standard_exponential;

use crate::units::{SPAN_MAX, Share, Span, plain};
use sampler::cumulate;
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

/// What is wrong: the field within the distribution (`mean`, `shares[1]`; empty where it is the whole), and what would be right.
pub type Wrong = (String, String);

/// Coefficients of variation outside of this are slips of the pen, and would leave the range of the arithmetic.
const CV: std::ops::RangeInclusive<f64> = 1e-6..=1e3;
/// Below this nearly every value of a Weibull is zero to the nanosecond.
const WEIBULL_SHAPE_MIN: f64 = 0.01;
/// Shares are written in decimals, whose sum misses one by a little.
const SHARES_TOLERANCE: f64 = 1e-6;
/// An Erlang with more stages is drawn as the gamma that it is, in the time that four stages take.
const STAGES_SUMMED_MAX: u32 = 4;

/// A distribution of times, as the scenario file writes it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Distribution {
    /// Always the same.
    Constant(Span),
    /// Exponential with the given mean.
    Exponential {
        /// The mean.
        mean: Span,
    },
    /// Sum of k exponentials.
    Erlang {
        /// Number of stages; the more, the more regular (cv = 1/sqrt(k)).
        k: u32,
        /// Mean of the sum.
        mean: Span,
    },
    /// A mix of exponentials: `means` and `shares`, or two with balanced means from `mean` and `cv` (1 or more).
    Hyperexponential {
        /// Mean of each part.
        #[serde(default)]
        means: Option<Vec<Span>>,
        /// Share of each part; together one.
        #[serde(default)]
        shares: Option<Vec<Share>>,
        /// Mean of the whole; goes with `cv`.
        #[serde(default)]
        mean: Option<Span>,
        /// Coefficient of variation (standard deviation over mean) of the whole, 1 or more.
        #[serde(default)]
        cv: Option<f64>,
    },
    /// Uniform between min and max.
    Uniform {
        /// The least value.
        min: Span,
        /// The largest value.
        max: Span,
    },
    /// Normal, cut at zero (values below zero become zero).
    Normal {
        /// Mean before the cut.
        mean: Span,
        /// Standard deviation before the cut.
        sd: Span,
    },
    /// Lognormal by its own mean and coefficient of variation.
    Lognormal {
        /// The mean.
        mean: Span,
        /// Coefficient of variation: standard deviation over mean.
        cv: f64,
    },
    /// Gamma by its mean and coefficient of variation.
    Gamma {
        /// The mean.
        mean: Span,
        /// Coefficient of variation: standard deviation over mean.
        cv: f64,
    },
    /// Weibull by its mean and shape.
    Weibull {
        /// The mean.
        mean: Span,
        /// Below 1 the tail is heavier than an exponential's, above 1 lighter.
        shape: f64,
    },
    /// Pareto: P(X > x) = (min / x)^alpha.
    Pareto {
        /// The least value.
        min: Span,
        /// Tail index; the mean is finite above 1, the variance above 2.
        alpha: f64,
    },
    /// Pareto between min and max, truncated and renormalized.
    BoundedPareto {
        /// The least value.
        min: Span,
        /// The largest value.
        max: Span,
        /// Tail index.
        alpha: f64,
    },
    /// One of several values.
    Bimodal {
        /// The values, two or more.
        values: Vec<Span>,
        /// Share of each; together one.
        shares: Vec<Share>,
    },
    /// Drawn from the values in a column of a CSV file, each alike.
    Empirical {
        /// Path relative to the scenario file; `.gz` is unpacked as it is read.
        file: String,
        /// Name of the column in the header.
        column: String,
        /// What 1 in the column stands for, such as `1ms`.
        unit: Span,
    },
}

impl Distribution {
    /// Tells everything that is impossible. Numbers that come from text are checked again: a `Distribution` may be built in code.
    pub fn validate(&self) -> Result<(), Vec<Wrong>> {
        let mut check = Check::default();
        match self {
            Distribution::Constant(value) => check.within_a_century("", *value),
            Distribution::Exponential { mean } => check.above_zero("mean", *mean),
            Distribution::Erlang { k, mean } => {
                check.that(*k > 0, "k", || "0 stages are none; `k` starts at 1".into());
                check.above_zero("mean", *mean);
            }
            Distribution::Hyperexponential { means, shares, mean, cv } => check.hyperexponential(means, shares, *mean, *cv),
            Distribution::Uniform { min, max } => {
                check.within_a_century("max", *max);
                check.that(min <= max, "min", || format!("`{min}` is above `max`, which is `{max}`; swap them"));
            }
            Distribution::Normal { mean, sd } => {
                check.above_zero("mean", *mean);
                check.within_a_century("sd", *sd);
            }
            Distribution::Lognormal { mean, cv } | Distribution::Gamma { mean, cv } => {
                check.above_zero("mean", *mean);
                check.cv(*cv, *CV.start());
            }
            Distribution::Weibull { mean, shape } => {
                check.above_zero("mean", *mean);
                let is_possible = shape.is_finite() && *shape >= WEIBULL_SHAPE_MIN;
                check.that(is_possible, "shape", || {
                    format!("{} is no shape of a Weibull; it is a number from {WEIBULL_SHAPE_MIN} up", plain(*shape))
                });
            }
            Distribution::Pareto { min, alpha } => {
                check.above_zero("min", *min);
                check.alpha(*alpha);
            }
            Distribution::BoundedPareto { min, max, alpha } => {
                check.above_zero("min", *min);
                check.within_a_century("max", *max);
                check.that(min < max, "max", || format!("`{max}` is not above `min`, which is `{min}`"));
                check.alpha(*alpha);
            }
            Distribution::Bimodal { values, shares } => {
                values.iter().enumerate().for_each(|(i, value)| check.within_a_century(&format!("values[{i}]"), *value));
                check.shares(shares, "values", values.len());
            }
            Distribution::Empirical { file, column, unit } => {
                check.that(!file.is_empty(), "file", || "name a CSV file, such as `work.csv`".into());
                check.that(!column.is_empty(), "column", || "name the column to read".into());
                check.above_zero("unit", *unit);
            }
        }
        if check.wrong.is_empty() { Ok(()) } else { Err(check.wrong) }
    }

    /// The sampler. `empirical` are the values of an `empirical` distribution's file, at least one; the others ignore it.
    /// Panics where `validate` has something to say or those values are missing: both are to be checked where they are read.
    pub fn sampler(&self, empirical: Option<Arc<[Span]>>) -> Sampler {
        assert_eq!(self.validate(), Ok(()), "a distribution is validated before it is sampled");
        let ns = |span: Span| span.0 as f64;
        match self {
            Distribution::Constant(value) => Sampler::Constant(*value),
            Distribution::Exponential { mean } => Sampler::Exponential { mean: ns(*mean) },
            Distribution::Erlang { k, mean } if *k > STAGES_SUMMED_MAX => {
                Sampler::Gamma { shape: f64::from(*k), scale: ns(*mean) / f64::from(*k) }
            }
            Distribution::Erlang { k, mean } => Sampler::Erlang { k: *k, stage_mean: ns(*mean) / f64::from(*k) },
            Distribution::Hyperexponential { means: Some(means), shares: Some(shares), .. } => Sampler::Hyperexponential {
                up_to: cumulate(shares.iter().map(|share| share.0)),
                means: means.iter().map(|mean| ns(*mean)).collect(),
            },
            Distribution::Hyperexponential { mean, cv, .. } => balanced_means(ns(mean.unwrap_or_default()), cv.unwrap_or(1.0)),
            Distribution::Uniform { min, max } if min == max => Sampler::Constant(*min),
            Distribution::Uniform { min, max } => Sampler::Uniform { min: *min, max: *max },
            Distribution::Normal { mean, sd: Span::ZERO } => Sampler::Constant(*mean),
            Distribution::Normal { mean, sd } => Sampler::Normal { mean: ns(*mean), sd: ns(*sd) },
            Distribution::Lognormal { mean, cv } => {
                let variance = libm::log1p(cv * cv);
                Sampler::Lognormal { mu: libm::log(ns(*mean)) - 0.5 * variance, sigma: variance.sqrt() }
            }
            Distribution::Gamma { mean, cv } => Sampler::Gamma { shape: 1.0 / (cv * cv), scale: ns(*mean) * cv * cv },
            Distribution::Weibull { mean, shape } => Sampler::Weibull { shape: *shape, scale: ns(*mean) / libm::tgamma(1.0 + 1.0 / shape) },
            Distribution::Pareto { min, alpha } => Sampler::Pareto { min: ns(*min), alpha: *alpha },
            Distribution::BoundedPareto { min, max, alpha } => {
                let reach = libm::expm1(alpha * libm::log(ns(*min) / ns(*max)));
                Sampler::BoundedPareto { min: ns(*min), max: ns(*max), alpha: *alpha, reach }
            }
            Distribution::Bimodal { values, shares } => one_of(values, shares),
            Distribution::Empirical { .. } => {
                let values = empirical.filter(|values| !values.is_empty()).expect("the file's values are handed in, at least one");
                if all_alike(&values) { Sampler::Constant(values[0]) } else { Sampler::Empirical(values) }
            }
        }
    }
}

/// Two exponentials that contribute the same to the mean: shares p and 1 - p with p = (1 + sqrt((cv^2 - 1) / (cv^2 + 1))) / 2,
/// means m / (2p) and m / (2 (1 - p)). Source: Whitt, Approximating a point process by a renewal process, Oper. Res. 30(1),
/// 1982.
fn balanced_means(mean: f64, cv: f64) -> Sampler {
    let p = 0.5 * (1.0 + ((cv * cv - 1.0) / (cv * cv + 1.0)).sqrt());
    let means = [0.5 * mean / p, 0.5 * mean / (1.0 - p)];
    Sampler::Hyperexponential { up_to: cumulate([p, 1.0 - p].into_iter()), means: means.into() }
}

fn one_of(values: &[Span], shares: &[Share]) -> Sampler {
    if all_alike(values) {
        return Sampler::Constant(values[0]);
    }
    Sampler::Choice { up_to: cumulate(shares.iter().map(|share| share.0)), values: values.into() }
}

fn all_alike(values: &[Span]) -> bool {
    values.windows(2).all(|pair| pair[0] == pair[1])
}

/// Collects what is wrong.
#[derive(Default)]
struct Check {
    wrong: Vec<Wrong>,
}

impl Check {
    fn that(&mut self, is_right: bool, field: &str, message: impl FnOnce() -> String) {
        if !is_right {
            self.wrong.push((field.into(), message()));
        }
    }

    fn within_a_century(&mut self, field: &str, span: Span) {
        self.that(span <= SPAN_MAX, field, || format!("`{span}` is longer than a century"));
    }

    fn above_zero(&mut self, field: &str, span: Span) {
        self.that(span > Span::ZERO, field, || "must be above `0s`; for no time at all write `constant: 0s`".into());
        self.within_a_century(field, span);
    }

    fn cv(&mut self, cv: f64, min: f64) {
        let max = CV.end();
        self.that((min..=*max).contains(&cv), "cv", || {
            format!(
                "{} is not possible here; the coefficient of variation (standard deviation over mean) is a number from {min} to {max}",
                plain(cv)
            )
        });
    }

    fn alpha(&mut self, alpha: f64) {
        let is_possible = alpha.is_finite() && alpha > 0.0;
        self.that(is_possible, "alpha", || {
            format!("{} is no tail index; it is a number above 0 (above 1 for a finite mean)", plain(alpha))
        });
    }

    /// One share for each of the `count` values in the field `of`; together they are one.
    fn shares(&mut self, shares: &[Share], of: &str, count: usize) {
        self.that(count > 0, of, || "is empty; list at least one".into());
        self.that(shares.len() == count, "shares", || format!("has {} entries for {count} `{of}`; write one for each", shares.len()));
        for (i, share) in shares.iter().enumerate() {
            self.that((0.0..=1.0).contains(&share.0), &format!("shares[{i}]"), || format!("{} is not between 0% and 100%", share.0));
        }
        let total: f64 = shares.iter().map(|share| share.0).sum();
        let is_whole = (total - 1.0).abs() <= SHARES_TOLERANCE;
        self.that(is_whole, "shares", || format!("sum to {}; they must sum to one", (total * 1e9).round() / 1e9));
    }

    fn hyperexponential(&mut self, means: &Option<Vec<Span>>, shares: &Option<Vec<Share>>, mean: Option<Span>, cv: Option<f64>) {
        match (means, shares, mean, cv) {
            (Some(means), Some(shares), None, None) => {
                means.iter().enumerate().for_each(|(i, mean)| self.above_zero(&format!("means[{i}]"), *mean));
                self.shares(shares, "means", means.len());
            }
            (None, None, Some(mean), Some(cv)) => {
                self.above_zero("mean", mean);
                self.cv(cv, 1.0);
            }
            _ => self.that(false, "", || "needs either `means` and `shares`, or `mean` and `cv`".into()),
        }
    }
}
