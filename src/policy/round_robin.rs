//! Round robin: the next target in list order. The neighbour of random: as blind to load, but without its clumps.
//!
//! Who is not eligible is passed over and the rotation goes on behind the one that was picked, so those that are left share
//! evenly. Envoy rotates over its healthy list, from a random index per worker; Caddy moves its counter on past a host that is
//! down, which picks the same, from the second host (`start: 1`); Traefik's and nginx's are weighted ones with equal weights.
//! Source: Envoy, round_robin_lb.cc; Caddy, selectionpolicies.go.

use super::{Pick, Policy, Recipe, Request, TargetId, Targets};
use crate::rng::Rng;
use schemars::JsonSchema;
use serde::Deserialize;

/// Parameters of `round_robin`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Index of the first pick in the list of targets, from 0; counted modulo their number. Default: 0.
    pub start: u32,
}

impl Recipe for Config {
    const ABOUT: &'static str = "the next target in list order";
    const SOURCE: &'static str = "Envoy, round_robin_lb.cc; Caddy, selectionpolicies.go";

    fn build(&self, targets: &Targets) -> Box<dyn Policy> {
        Box::new(Rotation::starting_at(self.start % targets.len().max(1) as u32))
    }
}

/// A rotation over the eligible targets; also what hashing falls back on.
#[derive(Clone, Debug, Default)]
pub struct Rotation {
    /// The target whose turn it is, or that stands before the one whose turn it is where it is not eligible.
    next: TargetId,
    /// Where in the eligible list that is; its length stands for 0.
    position: usize,
}

impl Rotation {
    pub fn starting_at(next: TargetId) -> Rotation {
        Rotation { next, position: 0 }
    }

    /// The eligible list is another one: finds the place in it. O(log n).
    pub fn on_change(&mut self, targets: &Targets) {
        self.position = targets.eligible().partition_point(|&target| target < self.next);
    }

    #[inline]
    pub fn pick(&mut self, targets: &Targets) -> Pick {
        let eligible = targets.eligible();
        let Some(&target) = eligible.get(self.position).or(eligible.first()) else { return Pick::Nobody };
        self.position = if self.position < eligible.len() { self.position + 1 } else { 1 };
        self.next = target + 1;
        Pick::Target(target)
    }
}

impl Policy for Rotation {
    fn reads_request(&self) -> bool {
        false
    }

    fn pick(&mut self, _: &Request, targets: &Targets, _: &mut Rng) -> Pick {
        Rotation::pick(self, targets)
    }

    fn on_change(&mut self, targets: &Targets) {
        Rotation::on_change(self, targets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::conformance::Harness;

    #[test]
    fn targets_take_turns_in_list_order() {
        let mut harness = Harness::new(&Config::default(), Targets::alike(3));
        assert_eq!(harness.picks(7), [0, 1, 2, 0, 1, 2, 0]);
    }

    /// Caddy's TestRoundRobinPolicy: the counter is moved before use and past hosts that are down or full.
    #[test]
    fn caddys_sequence_comes_out_with_start_one() {
        let mut harness = Harness::new(&Config { start: 1 }, Targets::alike(3));
        let mut picks = harness.picks(3);
        harness.set_eligible(|target| target != 1);
        picks.extend(harness.picks(1));
        harness.set_eligible(|_| true);
        picks.extend(harness.picks(1));
        harness.set_eligible(|target| target != 1);
        picks.extend(harness.picks(1));
        assert_eq!(picks, [1, 2, 0, 2, 0, 2]);
    }

    #[test]
    fn the_others_share_evenly_while_one_is_out() {
        let mut harness = Harness::new(&Config::default(), Targets::alike(4));
        harness.set_eligible(|target| target != 1);
        assert_eq!(harness.counts(300), [100, 0, 100, 100]);
    }
}
