//! What operators do during a run: weights. What concerns pods and nodes is checked with them.

use super::names::Named;
use super::servers::WEIGHT_MAX;
use super::{Checker, item};
use crate::document::Path;
use crate::policy::Algorithm;
use crate::scenario::{Balancer, Operation};
use crate::units::Span;
use std::collections::BTreeMap;

impl Checker<'_> {
    pub(super) fn operations(&mut self) {
        let scenario = self.scenario;
        for (i, operation) in scenario.operations.iter().enumerate() {
            let path = self.chosen(&item("operations", i));
            match operation {
                Operation::Weights { balancer, set, at } => {
                    self.operation_time(&path, *at);
                    self.weights(&path, balancer, set);
                }
                Operation::Rollout { .. } | Operation::Scale { .. } | Operation::Drain { .. } => {}
            }
        }
    }

    /// An operation behind the end of the run does nothing.
    pub(super) fn operation_time(&mut self, path: &Path, at: Span) {
        if let Some(duration) = self.scenario.duration
            && at >= duration
        {
            self.warning(&path.field("at"), format!("is {at}, and the run ends at {duration}: it never happens"), "let it happen earlier");
        }
    }

    fn weights(&mut self, path: &Path, name: &str, set: &BTreeMap<String, u32>) {
        let scenario = self.scenario;
        let names = scenario.balancers.iter().map(|balancer| balancer.name.as_str());
        let Some(balancer) = scenario.balancers.iter().find(|balancer| balancer.name == name) else {
            return self.unknown(&path.field("balancer"), name, "balancer", names);
        };
        let path = path.field("set");
        if set.is_empty() {
            self.error(&path, "is empty: nothing would change");
        }
        for (target, weight) in set {
            let path = path.field(target.clone());
            if *weight > WEIGHT_MAX {
                self.error(&path, format!("is {weight}; a weight is a whole number from 0 to {WEIGHT_MAX}"));
            } else if !self.has_target(balancer, target) {
                let known = balancer.targets.iter().map(String::as_str);
                self.unknown(&path, target, &format!("target of `{name}`"), known);
            } else if *weight > 0 && !goes_by_weight(balancer) {
                let what = format!("changes nothing: `{name}` does not go by weights");
                self.warning(
                    &path,
                    what,
                    "0 takes a target out; for other weights choose `weighted_round_robin` or another that goes by them",
                );
            }
        }
    }

    /// Whether a name is that of a target, or (without rules) of one server among them.
    fn has_target(&self, balancer: &Balancer, name: &str) -> bool {
        let is_target = |name: &str| balancer.targets.iter().any(|target| target == name);
        match self.names.get(name) {
            Some(Named::Server(group, _)) if balancer.rules.is_empty() => is_target(name) || is_target(&group.name),
            _ => is_target(name),
        }
    }
}

/// Whether a target's weight matters there.
fn goes_by_weight(balancer: &Balancer) -> bool {
    let by_algorithm = matches!(
        balancer.algorithm,
        Algorithm::WeightedRoundRobin(_)
            | Algorithm::WeightedRandom(_)
            | Algorithm::WeightedLeastConnections(_)
            | Algorithm::LeastResponseTime(_)
            | Algorithm::IpHash(_)
            | Algorithm::SessionHash(_)
            | Algorithm::ConsistentHash(_)
    );
    let is_weighted_name = balancer.dns.as_ref().is_some_and(|dns| dns.routing == crate::scenario::Routing::Weighted);
    is_weighted_name || !balancer.rules.is_empty() || (balancer.dns.is_none() && by_algorithm)
}
