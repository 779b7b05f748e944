//! Weighted round robin: each target in proportion to its weight, by turns.
//!
//! `smooth` spreads a heavy target over the cycle (weights 5, 1, 1 give a a b a c a a); `block` gives it all its turns in a
//! row, which hurts a target that queues. Neighbours: round robin (weights ignored), weighted random (same shares, with clumps).
//! Source: `smooth`: nginx, ngx_http_upstream_round_robin.c, without its failure accounting. `block`: Caddy,
//! selectionpolicies.go (there `start: 1`), and Pingora's block table (start 0).
//!
//! A pick of `smooth` looks at every eligible target, as in nginx: O(n).

use super::{Pick, Policy, Recipe, Request, TargetId, Targets, hash::WeightWalk};
use crate::rng::Rng;
use schemars::JsonSchema;
use serde::Deserialize;

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
#[derive(Default)]
struct Smooth {
    /// Counter of each target; of the eligible ones only valid as of the last change.
    current: Vec<i64>,
    /// The eligible targets with their counters and weights, side by side so that a pick runs over plain arrays.
    eligible: Vec<TargetId>,
    eligible_current: Vec<i64>,
    eligible_weight: Vec<i64>,
    eligible_total: i64,
}

impl Policy for Smooth {
    fn reads_request(&self) -> bool {
        false
    }

    fn pick(&mut self, _: &Request, _: &Targets, _: &mut Rng) -> Pick {
        let mut largest = i64::MIN;
        for (current, weight) in self.eligible_current.iter_mut().zip(&self.eligible_weight) {
            *current += weight;
            largest = largest.max(*current);
        }
        let Some(winner) = self.eligible_current.iter().position(|&current| current == largest) else { return Pick::Nobody };
        self.eligible_current[winner] -= self.eligible_total;
        Pick::Target(self.eligible[winner])
    }

    fn on_change(&mut self, targets: &Targets) {
        for (&target, &current) in self.eligible.iter().zip(&self.eligible_current) {
            self.current[target as usize] = current;
        }
        self.eligible.clear();
        self.eligible.extend_from_slice(targets.eligible());
        self.eligible_current.clear();
        self.eligible_current.extend(self.eligible.iter().map(|&target| self.current[target as usize]));
        self.eligible_weight.clear();
        self.eligible_weight.extend(self.eligible.iter().map(|&target| i64::from(targets.weight[target as usize])));
        self.eligible_total = self.eligible_weight.iter().sum();
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
