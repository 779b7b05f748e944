//! Weighted round robin: each target in proportion to its weight, by turns.
//!
//! `smooth` spreads a heavy target over the cycle (weights 5, 1, 1 give a a b a c a a); `block` gives it all its turns in a
//! row, which hurts a target that queues. Neighbours: round robin (weights ignored), weighted random (same shares, with clumps).
//! Source: `smooth`: nginx, ngx_http_upstream_round_robin.c, without its failure accounting. `block`: Caddy,
//! selectionpolicies.go (there `start: 1`), and Pingora's block table (start 0).
//!
//! A pick of `smooth` costs O(k + log n) for k distinct weights among n eligible targets (nginx looks at all of them).

use super::{Pick, Policy, Recipe, Request, TargetId, Targets, hash::WeightWalk};
use crate::rng::Rng;
use schemars::JsonSchema;
use serde::Deserialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// Parameters of `weighted_round_robin`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// In which order the turns come. Default: smooth.
    pub order: Order,
    /// `block` only: the turn to begin with, counted from 0 over the sum of the weights. Default: 0.
    pub start: u32,
}

/// In which order the turns of a cycle come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Spread over the cycle: nginx's rule.
    #[default]
    Smooth,
    /// All turns of a target in a row: Caddy's rule. While targets are out, the turns of the k-th target go to the
    /// (k modulo the number left)-th of those left, so shares shift.
    Block,
}

impl Recipe for Config {
    const ABOUT: &'static str = "by turns, in proportion to the weights";
    const SOURCE: &'static str = "nginx, ngx_http_upstream_round_robin.c (smooth); Caddy, selectionpolicies.go (block)";

    fn problems(&self) -> Vec<(String, String)> {
        if self.start > 0 && self.order == Order::Smooth {
            return vec![("start".to_owned(), "start belongs to `order: block`; smooth always starts with all counters at 0".to_owned())];
        }
        Vec::new()
    }

    fn build(&self, targets: &Targets) -> Box<dyn Policy> {
        match self.order {
            Order::Smooth => Box::new(Smooth { current: vec![0; targets.len()], ..Smooth::default() }),
            Order::Block => Box::new(Block { walk: WeightWalk::new(&targets.weight), turn: u64::from(self.start) }),
        }
    }
}

/// nginx's rule: every eligible target's counter grows by its weight, the largest (first in the list) wins and pays the total.
///
/// Counters of equal weights grow alike, so among them only a winner's place changes: each weight has a heap of its own, and a
/// pick compares the tops. The sequence is that of the plain scan, ties included.
#[derive(Default)]
struct Smooth {
    /// Counter of each target; of the eligible ones only valid as of the last change.
    current: Vec<i64>,
    /// The eligible targets by weight.
    alike: Vec<Alike>,
    /// Picks since the last change. A weight of 10^6 over 10^12 picks fits into 64 bits.
    picks: i64,
    eligible_total: i64,
}

/// Eligible targets of one weight.
struct Alike {
    weight: i64,
    /// Counter as of the last change, less what was paid since; the largest on top, of equal ones the first in the list.
    counters: BinaryHeap<(i64, Reverse<TargetId>)>,
}

impl Alike {
    /// What every counter has grown by.
    fn growth(&self, picks: i64) -> i64 {
        picks * self.weight
    }
}

impl Policy for Smooth {
    fn reads_request(&self) -> bool {
        false
    }

    fn pick(&mut self, _: &Request, _: &Targets, _: &mut Rng) -> Pick {
        self.picks += 1;
        let picks = self.picks;
        let largest = |alike: &Alike| alike.counters.peek().map(|(counter, target)| (counter + alike.growth(picks), *target));
        let Some(winner) = (0..self.alike.len()).max_by_key(|index| largest(&self.alike[*index])) else { return Pick::Nobody };
        let Some(mut top) = self.alike[winner].counters.peek_mut() else { return Pick::Nobody };
        top.0 -= self.eligible_total;
        Pick::Target(top.1.0)
    }

    fn on_change(&mut self, targets: &Targets) {
        for alike in self.alike.drain(..) {
            let growth = alike.growth(self.picks);
            for (counter, Reverse(target)) in alike.counters {
                self.current[target as usize] = counter + growth;
            }
        }
        let mut by_weight: BTreeMap<i64, Vec<(i64, Reverse<TargetId>)>> = BTreeMap::new();
        for &target in targets.eligible() {
            let counter = (self.current[target as usize], Reverse(target));
            by_weight.entry(i64::from(targets.weight[target as usize])).or_default().push(counter);
        }
        self.eligible_total = by_weight.iter().map(|(weight, counters)| weight * counters.len() as i64).sum();
        self.alike.extend(by_weight.into_iter().map(|(weight, counters)| Alike { weight, counters: counters.into() }));
        self.picks = 0;
    }
}

/// Caddy's rule: a counter over a table in which each target has as many turns in a row as its weight.
struct Block {
    walk: WeightWalk,
    turn: u64,
}

impl Policy for Block {
    fn pick(&mut self, _: &Request, targets: &Targets, _: &mut Rng) -> Pick {
        if targets.eligible().is_empty() {
            return Pick::Nobody;
        }
        let owner = self.walk.at(self.turn) as usize;
        self.turn += 1;
        Pick::Target(targets.eligible()[owner % targets.eligible().len()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::conformance::{Harness, weighted};

    /// The sequence in the message of the commit that brought smooth balancing to nginx.
    #[test]
    fn weights_5_1_1_give_nginxs_sequence() {
        let mut harness = Harness::new(&Config::default(), weighted(&[5, 1, 1]));
        assert_eq!(harness.picks(7), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(harness.picks(7), [0, 0, 1, 0, 2, 0, 0], "the counters are back at 0 after a cycle");
    }

    /// nginx's loop as it stands, target by target.
    struct Scan {
        current: Vec<i64>,
    }

    impl Scan {
        fn pick(&mut self, targets: &Targets) -> Option<TargetId> {
            let weight = |target: &TargetId| i64::from(targets.weight[*target as usize]);
            targets.eligible().iter().for_each(|target| self.current[*target as usize] += weight(target));
            let winner = targets
                .eligible()
                .iter()
                .copied()
                .reduce(|best, target| if self.current[target as usize] > self.current[best as usize] { target } else { best })?;
            self.current[winner as usize] -= targets.eligible().iter().map(weight).sum::<i64>();
            Some(winner)
        }
    }

    #[test]
    fn smooth_gives_the_sequence_of_the_plain_scan_whatever_the_weights_and_changes() {
        for seed in 0..100 {
            let mut rng = crate::rng::stream(seed, 0, "weights");
            let mut below = |n: u64| crate::rng::below(&mut rng, n);
            let (n, distinct) = (1 + below(30), 1 + below(8));
            let weights: Vec<u32> = (0..n).map(|_| 1 + below(distinct) as u32 * 3).collect();
            let mut harness = Harness::new(&Config::default(), weighted(&weights));
            let mut scan = Scan { current: vec![0; weights.len()] };
            let mut targets = weighted(&weights);
            for _ in 0..40 {
                for _ in 0..below(60) {
                    let expected = scan.pick(&targets).map_or(Pick::Nobody, Pick::Target);
                    assert_eq!(harness.pick(), expected, "seed {seed}, weights {weights:?}");
                }
                let out: Vec<bool> = weights.iter().map(|_| below(4) == 0).collect();
                targets.set_eligible(|target| !out[target as usize]);
                harness.set_eligible(|target| !out[target as usize]);
            }
        }
    }

    #[test]
    fn smooth_keeps_the_proportions_of_those_left() {
        let mut harness = Harness::new(&Config::default(), weighted(&[5, 1, 3]));
        harness.picks(4);
        harness.set_eligible(|target| target != 1);
        // 80 cycles of 8 turns; the counters brought along can shift at most one cycle's worth.
        let counts = harness.counts(640);
        assert_eq!(counts[1], 0);
        assert!(counts[0].abs_diff(400) <= 5 && counts[2].abs_diff(240) <= 3, "{counts:?}");
    }

    /// Caddy's TestWeightedRoundRobinPolicy: the counter starts at 1; with a host missing the block's index is taken modulo
    /// the number of hosts left.
    #[test]
    fn block_gives_caddys_sequence_with_start_one() {
        let mut harness = Harness::new(&Config { order: Order::Block, start: 1 }, weighted(&[3, 2, 1]));
        let mut picks = harness.picks(6);
        harness.set_eligible(|target| target != 0);
        picks.extend(harness.picks(1));
        harness.set_eligible(|_| true);
        picks.extend(harness.picks(1));
        harness.set_eligible(|target| target != 1);
        picks.extend(harness.picks(1));
        assert_eq!(picks, [0, 0, 1, 1, 2, 0, 1, 0, 2]);
    }

    #[test]
    fn start_without_block_is_told() {
        assert_eq!(Config { start: 1, ..Config::default() }.problems().len(), 1);
        assert!(Config { start: 1, order: Order::Block }.problems().is_empty());
    }
}
