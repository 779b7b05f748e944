//! Central queue: requests wait at the balancer and go to a target only when it has a free slot. The yardstick: no algorithm
//! that sends at once can keep targets as busy, because here no request waits at one while another is idle (M/M/c). Real
//! balancers rarely know the slots exactly, hence an oracle. Neighbour: first (also waits, but fills in list order).
//! Source: queueing theory, Kleinrock, Queueing Systems 1 (1975), 3.5; HAProxy comes near with `maxconn` on its servers.

use super::least::Tree;
use super::{Outcome, Pick, Policy, Recipe, Request, TargetId, Targets};
use crate::rng::Rng;
use schemars::JsonSchema;
use serde::Deserialize;

/// Parameters of `central_queue`: none.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {}

impl Recipe for Config {
    const ABOUT: &'static str = "requests wait at the balancer until a target has a free slot";
    const SOURCE: &'static str = "Kleinrock, Queueing Systems 1 (1975)";
    const IS_ORACLE: bool = true;

    fn build(&self, targets: &Targets) -> Box<dyn Policy> {
        let n = targets.len();
        Box::new(CentralQueue { tree: Tree::new(n), last_change: vec![0; n], changes: 0 })
    }
}

/// Among the targets with a free slot the one with the fewest in flight is taken, and of these the one that has stood so the
/// longest: with one slot each, the one that has been idle the longest.
struct CentralQueue {
    tree: Tree<u128>,
    last_change: Vec<u64>,
    changes: u64,
}

fn key(target: TargetId, last_change: u64, targets: &Targets) -> u128 {
    let i = target as usize;
    match targets.is_eligible(target) && targets.in_flight[i] < targets.slots[i] {
        true => (u128::from(targets.in_flight[i]) << 64) | u128::from(last_change),
        false => u128::MAX,
    }
}

impl CentralQueue {
    fn change(&mut self, target: TargetId, targets: &Targets) {
        self.changes += 1;
        self.last_change[target as usize] = self.changes;
        self.tree.set(target, key(target, self.changes, targets));
    }
}

impl Policy for CentralQueue {
    fn pick(&mut self, _: &Request, targets: &Targets, _: &mut Rng) -> Pick {
        if targets.eligible().is_empty() {
            return Pick::Nobody;
        }
        if self.tree.is_empty() { Pick::Wait } else { Pick::Target(self.tree.first()) }
    }

    fn keeps_to_slots(&self) -> bool {
        true
    }

    fn on_sent(&mut self, target: TargetId, targets: &Targets) {
        self.change(target, targets);
    }

    fn on_done(&mut self, target: TargetId, _: &Outcome, targets: &Targets) {
        self.change(target, targets);
    }

    fn on_change(&mut self, targets: &Targets) {
        let last_change = &self.last_change;
        self.tree.refill((0..targets.len() as TargetId).map(|target| key(target, last_change[target as usize], targets)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::conformance::{Harness, with_slots};

    #[test]
    fn requests_wait_until_a_slot_is_free_and_the_longest_idle_takes_them() {
        let mut harness = Harness::new(&Config {}, with_slots(&[1, 1, 1]));
        assert_eq!(harness.held_picks(3), [0, 1, 2]);
        assert_eq!(harness.pick(), Pick::Wait);
        harness.done(2);
        harness.done(0);
        assert_eq!(harness.held_picks(2), [2, 0]);
        harness.set_eligible(|_| false);
        assert_eq!(harness.pick(), Pick::Nobody);
    }
}
