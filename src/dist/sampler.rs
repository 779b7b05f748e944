//! Samplers: what a `Distribution` is compiled to. Every transcendental function is `libm`'s, so that a seed gives the same
//! values on every platform. Sources: Devroye, Non-Uniform Random Variate Generation, 1986 (inverse transforms); Marsaglia and
//! Tsang, A simple method for generating gamma variables, ACM TOMS 26(3), 2000.

use super::ziggurat::{standard_exponential, standard_normal};
use crate::rng::{Rng, below, unit};
use crate::units::{SPAN_MAX, Span};
use std::f64::consts::{FRAC_1_SQRT_2, PI};
use std::sync::Arc;

/// Draws spans, rounded to the nearest nanosecond and at most a century (a heavy tail would not fit into 64 bits).
/// The same stream gives the same values everywhere. Fields are in nanoseconds.
#[derive(Clone, Debug)]
pub enum Sampler {
    Constant(Span),
    Exponential {
        mean: f64,
    },
    Erlang {
        k: u32,
        stage_mean: f64,
    },
    /// Exponentials; `up_to` are the cumulated shares.
    Hyperexponential {
        up_to: Arc<[f64]>,
        means: Arc<[f64]>,
    },
    Uniform {
        min: Span,
        max: Span,
    },
    Normal {
        mean: f64,
        sd: f64,
    },
    /// e to a normal with mean `mu` and standard deviation `sigma`.
    Lognormal {
        mu: f64,
        sigma: f64,
    },
    Gamma {
        shape: f64,
        scale: f64,
    },
    Weibull {
        shape: f64,
        scale: f64,
    },
    Pareto {
        min: f64,
        alpha: f64,
    },
    /// `reach` is expm1(alpha ln(min / max)): less the share of the unbounded Pareto that lies below the maximum.
    BoundedPareto {
        min: f64,
        max: f64,
        alpha: f64,
        reach: f64,
    },
    /// One of several values; `up_to` are the cumulated shares.
    Choice {
        up_to: Arc<[f64]>,
        values: Arc<[Span]>,
    },
    Empirical(Arc<[Span]>),
}

impl Sampler {
    /// One value. The time it takes is a few nanoseconds; the number of draws from the stream may vary.
    #[inline]
    pub fn sample(&self, rng: &mut Rng) -> Span {
        match self {
            Sampler::Constant(value) => *value,
            Sampler::Exponential { mean } => to_span(mean * standard_exponential(rng)),
            other => other.sample_rarer(rng),
        }
    }

    fn sample_rarer(&self, rng: &mut Rng) -> Span {
        match self {
            Sampler::Constant(_) | Sampler::Exponential { .. } => self.sample(rng),
            Sampler::Erlang { k, stage_mean } => to_span(stage_mean * (0..*k).map(|_| standard_exponential(rng)).sum::<f64>()),
            Sampler::Hyperexponential { up_to, means } => to_span(means[choose(up_to, rng)] * standard_exponential(rng)),
            Sampler::Uniform { min, max } => Span(min.0 + below(rng, (max.0 - min.0).saturating_add(1))),
            Sampler::Normal { mean, sd } => to_span(mean + sd * standard_normal(rng)),
            Sampler::Lognormal { mu, sigma } => to_span(libm::exp(mu + sigma * standard_normal(rng))),
            Sampler::Gamma { shape, scale } => to_span(scale * standard_gamma(*shape, rng)),
            // Inverse transforms with an exponential in the place of -ln(u): one logarithm less, and a tail that does not end
            // where the bits of u do.
            Sampler::Weibull { shape, scale } => to_span(scale * libm::pow(standard_exponential(rng), 1.0 / shape)),
            Sampler::Pareto { min, alpha } => to_span(min * libm::exp(standard_exponential(rng) / alpha)),
            Sampler::BoundedPareto { min, max, alpha, reach } => {
                to_span((min * libm::exp(-libm::log1p(unit(rng) * reach) / alpha)).min(*max))
            }
            Sampler::Choice { up_to, values } => values[choose(up_to, rng)],
            Sampler::Empirical(values) => values[below(rng, values.len() as u64) as usize],
        }
    }

    /// The mean of the values in seconds, as they are drawn (a normal after the cut at zero). Infinite for a Pareto with
    /// alpha of 1 or less, though each value is at most a century.
    pub fn mean(&self) -> f64 {
        let ns = match self {
            Sampler::Constant(value) => value.0 as f64,
            Sampler::Exponential { mean } => *mean,
            Sampler::Erlang { k, stage_mean } => f64::from(*k) * stage_mean,
            Sampler::Hyperexponential { up_to, means } => weighted_mean(up_to, means.iter().copied()),
            Sampler::Uniform { min, max } => 0.5 * (min.0 as f64 + max.0 as f64),
            Sampler::Normal { mean, sd } => mean_above_zero(*mean, *sd),
            Sampler::Lognormal { mu, sigma } => libm::exp(mu + 0.5 * sigma * sigma),
            Sampler::Gamma { shape, scale } => shape * scale,
            Sampler::Weibull { shape, scale } => scale * libm::tgamma(1.0 + 1.0 / shape),
            Sampler::Pareto { alpha, .. } if *alpha <= 1.0 => f64::INFINITY,
            Sampler::Pareto { min, alpha } => min * alpha / (alpha - 1.0),
            Sampler::BoundedPareto { min, max, alpha, .. } => bounded_pareto_mean(*min, *max, *alpha),
            Sampler::Choice { up_to, values } => weighted_mean(up_to, values.iter().map(|value| value.0 as f64)),
            Sampler::Empirical(values) => values.iter().map(|value| value.0 as f64).sum::<f64>() / values.len() as f64,
        };
        ns / 1e9
    }

    /// The value, where there is only one.
    pub fn constant(&self) -> Option<Span> {
        match self {
            Sampler::Constant(value) => Some(*value),
            _ => None,
        }
    }
}

/// Nearest nanosecond; what is below zero becomes zero, what is above a century a century.
#[inline]
fn to_span(ns: f64) -> Span {
    Span::from_nanos_f64(ns).min(SPAN_MAX)
}

/// An index with the probability of its share.
fn choose(up_to: &[f64], rng: &mut Rng) -> usize {
    let u = unit(rng);
    up_to.partition_point(|&bound| bound <= u)
}

/// Cumulated shares, scaled to end at exactly 1, so that no draw below 1 falls behind the last share above zero.
pub(super) fn cumulate(shares: impl Iterator<Item = f64> + Clone) -> Arc<[f64]> {
    let total: f64 = shares.clone().sum();
    let sums = shares.scan(0.0, |sum, share| {
        *sum += share;
        // The last sum is the total, bit by bit: the same additions in the same order.
        Some(*sum / total)
    });
    sums.collect()
}

fn weighted_mean(up_to: &[f64], values: impl Iterator<Item = f64>) -> f64 {
    let mut before = 0.0;
    up_to.iter().zip(values).map(|(&bound, value)| value * (bound - std::mem::replace(&mut before, bound))).sum()
}

/// Gamma with scale 1. A shape below 1 is drawn one higher and scaled by a uniform to the power of 1 / shape, as the paper says.
fn standard_gamma(shape: f64, rng: &mut Rng) -> f64 {
    if shape < 1.0 {
        let boost = libm::exp(-standard_exponential(rng) / shape);
        return boost * standard_gamma(shape + 1.0, rng);
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = standard_normal(rng);
        let root = 1.0 + c * x;
        if root <= 0.0 {
            continue;
        }
        let v = root * root * root;
        let u = unit(rng);
        // The first test spares most draws the logarithms.
        if u < 1.0 - 0.0331 * (x * x) * (x * x) || libm::log(u) < 0.5 * x * x + d * (1.0 - v + libm::log(v)) {
            return d * v;
        }
    }
}

/// The mean of max(0, X) for a normal X: mean Phi(mean / sd) + sd phi(mean / sd).
fn mean_above_zero(mean: f64, sd: f64) -> f64 {
    let z = mean / sd;
    let density = libm::exp(-0.5 * z * z) / (2.0 * PI).sqrt();
    mean * 0.5 * libm::erfc(-z * FRAC_1_SQRT_2) + sd * density
}

/// alpha / (alpha - 1) min (1 - r^(alpha - 1)) / (1 - r^alpha) with r = min / max, whose limit at alpha = 1 is the logarithm.
fn bounded_pareto_mean(min: f64, max: f64, alpha: f64) -> f64 {
    let log_ratio = libm::log(min / max);
    let excess = alpha - 1.0;
    let integral = if excess == 0.0 { log_ratio } else { libm::expm1(excess * log_ratio) / excess };
    min * alpha * integral / libm::expm1(alpha * log_ratio)
}
