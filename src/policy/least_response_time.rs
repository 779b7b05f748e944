//! Least response time: the lowest product of the mean response time and the requests in flight plus one, over the weight.
//! Neighbours: least connections (blind to speed), peak EWMA (forgets with time, where this keeps the last 100 answers).
//!
//! A target without an answer yet scores 0, so it takes everything until its first answer comes. Equal scores are resolved by
//! a weighted rotation (earliest deadline first). Every answer counts, errors too: a target that fails fast draws traffic.
//! Source: Traefik, pkg/server/service/loadbalancer/leasttime; it measures to the first byte and cuts to whole milliseconds,
//! here the whole answer counts to the nanosecond.

use super::least::Tree;
use super::{Outcome, Pick, Policy, Recipe, Request, TargetId, Targets};
use crate::document::Later;
use crate::rng::Rng;
use schemars::JsonSchema;
use serde::Deserialize;

/// Parameters of `least_response_time`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How often the load figures are renewed. Known, but part of a later release.
    #[schemars(skip)]
    pub refresh: Option<Later>,
}

impl Recipe for Config {
    const ABOUT: &'static str = "the lowest mean response time times (in flight + 1), over the weight";
    const SOURCE: &'static str = "Traefik, pkg/server/service/loadbalancer/leasttime";

    fn build(&self, targets: &Targets) -> Box<dyn Policy> {
        let n = targets.len();
        let mut deadline = 0.0;
        let deadlines = targets.weight.iter().map(|&weight| {
            // Each newcomer joins behind the one before it.
            deadline += 1.0 / f64::from(weight);
            deadline
        });
        let deadlines = deadlines.collect();
        Box::new(LeastResponseTime { tree: Tree::new(n), times: vec![Times::default(); n], deadlines })
    }
}

/// How many answers are remembered.
const SAMPLES: usize = 100;

/// The last response times of a target.
#[derive(Clone, Debug, Default)]
pub struct Times {
    ns: Vec<u64>,
    oldest: usize,
    sum_ns: u64,
}

impl Times {
    pub fn add(&mut self, ns: u64) {
        self.sum_ns += ns;
        if self.ns.len() < SAMPLES {
            self.ns.push(ns);
        } else {
            self.sum_ns -= std::mem::replace(&mut self.ns[self.oldest], ns);
            self.oldest = (self.oldest + 1) % SAMPLES;
        }
    }

    /// Mean of the last 100, 0 without any.
    pub fn mean_ns(&self) -> f64 {
        self.score(0, 1)
    }

    /// Mean times (in flight + 1), over the weight. One division, so that equal ratios of integers give equal scores.
    fn score(&self, in_flight: u32, weight: u32) -> f64 {
        let divisor = self.ns.len().max(1) as f64 * f64::from(weight);
        self.sum_ns as f64 * (f64::from(in_flight) + 1.0) / divisor
    }
}

struct LeastResponseTime {
    /// The bits of the score over those of the deadline; neither is ever negative, so the bits order as the numbers do.
    tree: Tree<u128>,
    times: Vec<Times>,
    /// When it is each target's turn among equals.
    deadlines: Vec<f64>,
}

impl LeastResponseTime {
    fn key(&self, target: TargetId, targets: &Targets) -> u128 {
        let i = target as usize;
        if !targets.is_eligible(target) {
            return u128::MAX;
        }
        let score = self.times[i].score(targets.in_flight[i], targets.weight[i]);
        (u128::from(score.to_bits()) << 64) | u128::from(self.deadlines[i].to_bits())
    }

    fn update(&mut self, target: TargetId, targets: &Targets) {
        self.tree.set(target, self.key(target, targets));
    }
}

impl Policy for LeastResponseTime {
    fn pick(&mut self, _: &Request, targets: &Targets, _: &mut Rng) -> Pick {
        if self.tree.is_empty() {
            return Pick::Nobody;
        }
        let target = self.tree.first();
        let is_tied = self.tree.least_without(target) >> 64 == self.tree.least() >> 64;
        if is_tied {
            // Only a pick among equals is a turn.
            self.deadlines[target as usize] += 1.0 / f64::from(targets.weight[target as usize]);
            self.update(target, targets);
        }
        Pick::Target(target)
    }

    fn on_sent(&mut self, target: TargetId, targets: &Targets) {
        self.update(target, targets);
    }

    fn on_done(&mut self, target: TargetId, outcome: &Outcome, targets: &Targets) {
        if outcome.is_answered {
            self.times[target as usize].add(outcome.latency.0);
        }
        self.update(target, targets);
    }

    fn on_change(&mut self, targets: &Targets) {
        let mut tree = std::mem::replace(&mut self.tree, Tree::new(0));
        tree.refill((0..targets.len() as TargetId).map(|target| self.key(target, targets)));
        self.tree = tree;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::conformance::{Harness, weighted};
    use crate::units::Span;

    fn harness(weights: &[u32], means_ms: &[u64]) -> Harness {
        let mut harness = Harness::new(&Config::default(), weighted(weights));
        for (target, &ms) in means_ms.iter().enumerate().filter(|&(_, &ms)| ms > 0) {
            harness.answer(target as TargetId, Span::from_millis(ms));
        }
        harness
    }

    #[test]
    fn the_mean_is_that_of_the_last_hundred() {
        let mut times = Times::default();
        assert_eq!(times.mean_ns(), 0.0);
        (1..=250).for_each(|ns| times.add(ns));
        assert_eq!(times.mean_ns(), 200.5, "151 to 250");
    }

    /// Traefik's TestScoreCalculationWithInflight: 10 ms each, five in flight at the first.
    #[test]
    fn requests_in_flight_weigh_as_much_as_slowness() {
        let mut harness = harness(&[1, 1], &[10, 10]);
        (0..5).for_each(|_| harness.send(0));
        assert_eq!(harness.held_picks(5), [1; 5]);
    }

    /// Traefik's TestWRRTieBreakingWeightedDistribution: 15 ms / 3 = 5 ms / 1, 60 and 20 within 1 (the first deadlines are
    /// staggered by the order in the list).
    #[test]
    fn equal_scores_take_turns_by_weight() {
        let mut harness = harness(&[3, 1], &[15, 5]);
        let counts = harness.counts(80);
        assert!(counts[0].abs_diff(60) <= 1 && counts[1].abs_diff(20) <= 1, "{counts:?}");
    }

    #[test]
    fn a_target_without_an_answer_takes_everything_until_its_first() {
        let mut harness = harness(&[1, 1], &[50, 0]);
        assert_eq!(harness.held_picks(20), [1; 20]);
        harness.answer(1, Span::from_millis(10));
        assert_eq!(harness.pick(), Pick::Target(0), "50 ms x 1 < 10 ms x 21");
    }

    #[test]
    fn a_failed_connection_is_no_sample() {
        let mut harness = harness(&[1, 1], &[50, 60]);
        harness.send(1);
        harness.fail(1);
        assert_eq!(harness.pick(), Pick::Target(0));
    }
}
