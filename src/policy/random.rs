//! Random: each eligible target with the same chance. The neighbour of round robin: needs no state, so that any number of
//! balancers agree without talking, at the price of clumps. Source: Caddy's default, selectionpolicies.go; Envoy, random_lb.cc;
//! kube-proxy (iptables) does it per connection.

use super::{Pick, Policy, Recipe, Request, Targets};
use crate::rng::{Rng, below};
use schemars::JsonSchema;
use serde::Deserialize;

/// Parameters of `random`: none.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {}

impl Recipe for Config {
    const ABOUT: &'static str = "each target with the same chance";
    const SOURCE: &'static str = "Caddy, selectionpolicies.go; Envoy, random_lb.cc";

    fn build(&self, _: &Targets) -> Box<dyn Policy> {
        Box::new(Random)
    }
}

struct Random;

impl Policy for Random {
    fn reads_request(&self) -> bool {
        false
    }

    fn pick(&mut self, _: &Request, targets: &Targets, rng: &mut Rng) -> Pick {
        let eligible = targets.eligible();
        if eligible.is_empty() {
            return Pick::Nobody;
        }
        Pick::Target(eligible[below(rng, eligible.len() as u64) as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::conformance::{Harness, assert_shares};

    #[test]
    fn each_eligible_target_has_the_same_chance() {
        let mut harness = Harness::new(&Config {}, Targets::alike(5));
        harness.set_eligible(|target| target != 2);
        assert_shares(&harness.counts(40_000), &[0.25, 0.25, 0.0, 0.25, 0.25]);
    }
}
