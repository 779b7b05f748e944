//! First: the first target in the list that has a free slot; the others serve only what overflows, so that they can be
//! switched off at low load. Neighbour: least connections with `ties: first`, which fills all targets evenly.
//!
//! Where every slot is taken the request waits at the balancer. A target without a limit takes everything.
//! Source: HAProxy `balance first`, lb_fas.c and backend.c; slots stand for its `maxconn`.

use super::least::Tree;
use super::{Outcome, Pick, Policy, Recipe, Request, TargetId, Targets};
use crate::document::Later;
use crate::rng::Rng;
use schemars::JsonSchema;
use serde::Deserialize;

/// Parameters of `first`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How often the load figures are renewed. Known, but part of a later release.
    #[schemars(skip)]
    pub refresh: Option<Later>,
}

impl Recipe for Config {
    const ABOUT: &'static str = "the first target in the list with a free slot; waits where there is none";
    const SOURCE: &'static str = "HAProxy, lb_fas.c";

    fn build(&self, targets: &Targets) -> Box<dyn Policy> {
        Box::new(First { tree: Tree::new(targets.len()) })
    }
}

const FREE: u64 = 0;

/// All keys are `FREE` or out, so that the first with the lowest key is the first with a free slot.
struct First {
    tree: Tree<u64>,
}

fn key(target: TargetId, targets: &Targets) -> u64 {
    let i = target as usize;
    if targets.is_eligible(target) && targets.in_flight[i] < targets.slots[i] { FREE } else { u64::MAX }
}

impl Policy for First {
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
        self.tree.set(target, key(target, targets));
    }

    fn on_done(&mut self, target: TargetId, _: &Outcome, targets: &Targets) {
        self.tree.set(target, key(target, targets));
    }

    fn on_change(&mut self, targets: &Targets) {
        self.tree.refill((0..targets.len() as TargetId).map(|target| key(target, targets)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::conformance::{Harness, with_slots};

    #[test]
    fn slots_fill_in_list_order_and_then_requests_wait() {
        let mut harness = Harness::new(&Config::default(), with_slots(&[2, 1, 2]));
        assert_eq!(harness.held_picks(5), [0, 0, 1, 2, 2]);
        assert_eq!(harness.pick(), Pick::Wait);
        harness.done(1);
        assert_eq!(harness.pick(), Pick::Target(1));
        harness.set_eligible(|target| target != 1);
        assert_eq!(harness.pick(), Pick::Wait);
        harness.set_eligible(|_| false);
        assert_eq!(harness.pick(), Pick::Nobody);
    }

    #[test]
    fn without_limits_the_first_takes_everything() {
        let mut harness = Harness::new(&Config::default(), Targets::alike(3));
        assert_eq!(harness.held_picks(4), [0, 0, 0, 0]);
    }
}
