//! Weighted random: each eligible target with a chance in proportion to its weight. The neighbour of weighted round robin:
//! the same shares without state, with clumps. Source: AWS ALB's weighted target groups; nginx `random`,
//! ngx_http_upstream_random_module.c (which draws over all and tries again, up to 20 times, where this draws over the eligible).

use super::{Pick, Policy, Recipe, Request, Targets};
use crate::rng::{Rng, below};
use schemars::JsonSchema;
use serde::Deserialize;

/// Parameters of `weighted_random`: none.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {}

impl Recipe for Config {
    const ABOUT: &'static str = "each target with a chance in proportion to its weight";
    const SOURCE: &'static str = "nginx, ngx_http_upstream_random_module.c; AWS ALB weighted target groups";

    fn build(&self, _: &Targets) -> Box<dyn Policy> {
        Box::new(WeightedRandom { ends: Vec::new() })
    }
}

struct WeightedRandom {
    /// Sum of the weights up to and with each eligible target.
    ends: Vec<u64>,
}

impl Policy for WeightedRandom {
    fn reads_request(&self) -> bool {
        false
    }

    fn pick(&mut self, _: &Request, targets: &Targets, rng: &mut Rng) -> Pick {
        let Some(&total) = self.ends.last() else { return Pick::Nobody };
        let point = below(rng, total);
        Pick::Target(targets.eligible()[self.ends.partition_point(|&end| end <= point)])
    }

    fn on_change(&mut self, targets: &Targets) {
        self.ends.clear();
        let mut sum = 0;
        self.ends.extend(targets.eligible().iter().map(|&target| {
            sum += u64::from(targets.weight[target as usize]);
            sum
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::conformance::{Harness, assert_shares, weighted};

    #[test]
    fn shares_follow_the_weights_of_the_eligible() {
        let mut harness = Harness::new(&Config {}, weighted(&[1, 2, 7, 5]));
        harness.set_eligible(|target| target != 3);
        assert_shares(&harness.counts(50_000), &[0.1, 0.2, 0.7, 0.0]);
    }
}
