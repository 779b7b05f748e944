//! When requests or sessions begin: one generator for each form of `arrivals`.

use super::plan::{ArrivalPlan, TracePlan};
use crate::dist::{Sampler, standard_exponential};
use crate::rng::{self, Rng};
use crate::units::{Span, Time};
use std::sync::Arc;

/// A stream of arrival times. Closed loops have none: their users are actors.
pub enum Arrivals {
    Poisson {
        mean_gap_s: f64,
        at: Time,
    },
    Deterministic {
        per_second: f64,
        sent: u64,
    },
    Renewal {
        gap: Sampler,
        at: Time,
    },
    Mmpp {
        states: Vec<(f64, f64)>,
        state: usize,
        state_ends: Time,
        at: Time,
    },
    /// Poisson with a rate that changes over time, by thinning (Lewis and Shedler 1979).
    Varying {
        rate: VaryingRate,
        rate_max: f64,
        at: Time,
    },
    Trace {
        trace: Arc<TracePlan>,
        row: usize,
    },
    None,
}

/// A rate as a function of time.
pub enum VaryingRate {
    Diurnal { mean: f64, amplitude: f64, period_s: f64 },
    Piecewise { points: Vec<(f64, f64)> },
    Burst { base: f64, peak: f64, every: Span, lasts: Span },
}

impl VaryingRate {
    fn at(&self, time: Time) -> f64 {
        match self {
            VaryingRate::Diurnal { mean, amplitude, period_s } => {
                let phase = (time.as_secs_f64() / period_s).fract();
                mean + amplitude * libm::sin(std::f64::consts::TAU * phase)
            }
            VaryingRate::Piecewise { points } => interpolate(points, time.as_secs_f64()),
            VaryingRate::Burst { base, peak, every, lasts } => {
                if time.0 % every.0 < lasts.0 {
                    *peak
                } else {
                    *base
                }
            }
        }
    }

    fn max(&self) -> f64 {
        match self {
            VaryingRate::Diurnal { mean, amplitude, .. } => mean + amplitude,
            VaryingRate::Piecewise { points } => points.iter().fold(0.0, |max, (_, rate)| max.max(*rate)),
            VaryingRate::Burst { base, peak, .. } => base.max(*peak),
        }
    }
}

/// Linear between points, constant outside.
fn interpolate(points: &[(f64, f64)], at_s: f64) -> f64 {
    let after = points.partition_point(|(point_s, _)| *point_s <= at_s);
    match (after.checked_sub(1).map(|i| points[i]), points.get(after)) {
        (Some((t0, r0)), Some(&(t1, r1))) => r0 + (r1 - r0) * (at_s - t0) / (t1 - t0),
        (Some((_, rate)), None) | (None, Some(&(_, rate))) => rate,
        (None, None) => 0.0,
    }
}

impl Arrivals {
    pub fn new(plan: &ArrivalPlan, rng: &mut Rng) -> Arrivals {
        let varying = |rate: VaryingRate| match rate.max() {
            max if max > 0.0 => Arrivals::Varying { rate_max: max, rate, at: Time::ZERO },
            _ => Arrivals::None,
        };
        match plan {
            ArrivalPlan::Poisson { per_second } | ArrivalPlan::Deterministic { per_second } if *per_second <= 0.0 => Arrivals::None,
            ArrivalPlan::Poisson { per_second } => Arrivals::Poisson { mean_gap_s: 1.0 / per_second, at: Time::ZERO },
            ArrivalPlan::Deterministic { per_second } => Arrivals::Deterministic { per_second: *per_second, sent: 0 },
            ArrivalPlan::Renewal { gap } => Arrivals::Renewal { gap: gap.clone(), at: Time::ZERO },
            ArrivalPlan::Mmpp { states } => mmpp(states, rng),
            ArrivalPlan::Diurnal { mean, amplitude, period_s } => {
                varying(VaryingRate::Diurnal { mean: *mean, amplitude: *amplitude, period_s: *period_s })
            }
            ArrivalPlan::Piecewise { points } => varying(VaryingRate::Piecewise { points: points.clone() }),
            ArrivalPlan::Burst { base, peak, every, lasts } => {
                varying(VaryingRate::Burst { base: *base, peak: *peak, every: *every, lasts: *lasts })
            }
            ArrivalPlan::Trace(trace) => Arrivals::Trace { trace: trace.clone(), row: 0 },
            ArrivalPlan::Closed { .. } => Arrivals::None,
        }
    }

    /// The next arrival by `until`; `None` when there is none.
    #[inline(always)]
    pub fn next(&mut self, until: Time, rng: &mut Rng) -> Option<Time> {
        match self {
            Arrivals::Poisson { mean_gap_s, at } => {
                *at += Span::from_secs_f64(standard_exponential(rng) * *mean_gap_s);
                Some(*at)
            }
            Arrivals::Deterministic { per_second, sent } => {
                *sent += 1;
                Some(Time::ZERO + Span::from_secs_f64(*sent as f64 / *per_second))
            }
            Arrivals::Renewal { gap, at } => {
                *at += gap.sample(rng);
                Some(*at)
            }
            Arrivals::Mmpp { states, state, state_ends, at } => next_of_mmpp(states, state, state_ends, at, until, rng),
            Arrivals::Varying { rate, rate_max, at } => next_of_varying(rate, *rate_max, at, until, rng),
            Arrivals::Trace { trace, row } => {
                *row += 1;
                trace.at.get(*row - 1).copied()
            }
            Arrivals::None => None,
        }
    }

    /// Row of the trace that the last arrival came from.
    pub fn trace_row(&self) -> Option<(&TracePlan, usize)> {
        match self {
            Arrivals::Trace { trace, row } => Some((trace, row - 1)),
            _ => None,
        }
    }
}

/// Starts in a state drawn by the share of time spent in it.
fn mmpp(states: &[(f64, f64)], rng: &mut Rng) -> Arrivals {
    let total: f64 = states.iter().map(|(_, stay)| stay).sum();
    let mut left = rng::unit(rng) * total;
    let mut state = 0;
    while state + 1 < states.len() && left >= states[state].1 {
        left -= states[state].1;
        state += 1;
    }
    let state_ends = Time::ZERO + Span::from_secs_f64(standard_exponential(rng) * states[state].1);
    Arrivals::Mmpp { states: states.to_vec(), state, state_ends, at: Time::ZERO }
}

fn next_of_mmpp(
    states: &[(f64, f64)],
    state: &mut usize,
    state_ends: &mut Time,
    at: &mut Time,
    until: Time,
    rng: &mut Rng,
) -> Option<Time> {
    while *at <= until {
        let (per_second, _) = states[*state];
        if per_second > 0.0 {
            let candidate = *at + Span::from_secs_f64(standard_exponential(rng) / per_second);
            if candidate <= *state_ends {
                *at = candidate;
                return Some(candidate);
            }
        }
        // Exponential gaps forget how long they have lasted, so the draw starts afresh in the next state.
        *at = *state_ends;
        *state = (*state + 1) % states.len();
        *state_ends = *at + Span::from_secs_f64(standard_exponential(rng) * states[*state].1);
    }
    None
}

fn next_of_varying(rate: &VaryingRate, rate_max: f64, at: &mut Time, until: Time, rng: &mut Rng) -> Option<Time> {
    while *at <= until {
        *at += Span::from_secs_f64(standard_exponential(rng) / rate_max);
        if rng::unit(rng) * rate_max < rate.at(*at) {
            return Some(*at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Time = Time(3_600_000_000_000);

    fn times(plan: &ArrivalPlan, until: Time) -> Vec<f64> {
        let mut rng = rng::stream(1, 0, "arrivals");
        let mut arrivals = Arrivals::new(plan, &mut rng);
        std::iter::from_fn(|| arrivals.next(until, &mut rng).filter(|at| *at <= until)).map(Time::as_secs_f64).collect()
    }

    #[test]
    fn poisson_counts_per_second_have_variance_equal_to_mean() {
        let counts = times(&ArrivalPlan::Poisson { per_second: 100.0 }, HOUR).iter().fold(vec![0.0; 3600], |mut counts, at| {
            counts[(*at as usize).min(3599)] += 1.0;
            counts
        });
        let mean = counts.iter().sum::<f64>() / 3600.0;
        let variance = counts.iter().map(|count: &f64| (count - mean).powi(2)).sum::<f64>() / 3599.0;
        // Standard error of the mean 10 / 60; of the dispersion sqrt(2 / 3600) = 0.024: five of them each.
        assert!((mean - 100.0).abs() < 0.84, "{mean}");
        assert!((variance / mean - 1.0).abs() < 0.12, "{}", variance / mean);
    }

    #[test]
    fn deterministic_arrivals_come_at_k_over_rate() {
        assert_eq!(times(&ArrivalPlan::Deterministic { per_second: 4.0 }, Time(1_100_000_000)), [0.25, 0.5, 0.75, 1.0]);
    }

    #[test]
    fn mmpp_spends_its_time_by_mean_stay() {
        // Mean rate (40 x 5 + 160 x 1) / 6 = 60/s. Long-run variance of counts per unit of time: 60 (1 + 2 x 120^2 x 0.2 x 1 / (1.2^3 x 60)) = 3393,
        // so the standard error over 10 h of simulated time is 0.31/s.
        let rate = times(&ArrivalPlan::Mmpp { states: vec![(40.0, 5.0), (160.0, 1.0)] }, Time(36_000_000_000_000)).len() as f64 / 36_000.0;
        assert!((rate - 60.0).abs() < 1.6, "{rate}");
    }

    #[test]
    fn varying_rates_follow_their_shape() {
        let sine = times(&ArrivalPlan::Diurnal { mean: 100.0, amplitude: 80.0, period_s: 3600.0 }, HOUR);
        // First half: 100 x 1800 + 80 x 3600 / pi = 271,673; standard error sqrt = 521.
        let first_half = sine.iter().filter(|at| **at < 1800.0).count() as f64;
        assert!((first_half - 271_673.0).abs() < 2606.0, "{first_half}");
        let ramp = times(&ArrivalPlan::Piecewise { points: vec![(0.0, 0.0), (100.0, 200.0)] }, Time(200_000_000_000));
        // 10,000 on the ramp, 20,000 behind it; standard errors 100 and 141.
        let on_ramp = ramp.iter().filter(|at| **at < 100.0).count() as f64;
        assert!((on_ramp - 10_000.0).abs() < 500.0, "{on_ramp}");
        assert!((ramp.len() as f64 - on_ramp - 20_000.0).abs() < 707.0);
        let burst = times(&ArrivalPlan::Burst { base: 50.0, peak: 500.0, every: Span::from_secs(60), lasts: Span::from_secs(2) }, HOUR);
        let in_burst = burst.iter().filter(|at| **at % 60.0 < 2.0).count() as f64;
        // 60 bursts of 1000, standard error 245; between them 58 s x 50/s x 60 = 174,000, standard error 417.
        assert!((in_burst - 60_000.0).abs() < 1225.0, "{in_burst}");
        assert!((burst.len() as f64 - in_burst - 174_000.0).abs() < 2086.0);
    }

    #[test]
    fn a_rate_of_zero_sends_nothing() {
        assert!(times(&ArrivalPlan::Poisson { per_second: 0.0 }, HOUR).is_empty());
        assert!(times(&ArrivalPlan::Piecewise { points: vec![(0.0, 0.0)] }, HOUR).is_empty());
    }
}
