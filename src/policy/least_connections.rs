//! Least connections: the target with the fewest requests in flight from this balancer. Neighbours: power of d (asks only d of
//! them), weighted least connections (divides by the weight). A target that comes back empty takes everything until it has
//! caught up. Source: nginx, ngx_http_upstream_least_conn_module.c; HAProxy, lb_fwlc.c; Caddy, selectionpolicies.go; Linux,
//! ip_vs_lc.c. They differ in the tie rule, see [`Ties`].

use super::least::{Load, Ties, least_loaded};
use super::{Policy, Recipe, TargetId, Targets};
use crate::document::Later;
use schemars::JsonSchema;
use serde::Deserialize;

/// Parameters of `least_connections`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Which target is taken among equals. Default: round_robin.
    pub ties: Ties,
    /// How often the load figures are renewed. Known, but part of a later release.
    #[schemars(skip)]
    pub refresh: Option<Later>,
}

impl Recipe for Config {
    const ABOUT: &'static str = "the target with the fewest requests in flight";
    const SOURCE: &'static str = "HAProxy, lb_fwlc.c; Caddy, selectionpolicies.go; Linux, ip_vs_lc.c";

    fn build(&self, targets: &Targets) -> Box<dyn Policy> {
        least_loaded::<Count>(self.ties, targets.len())
    }
}

struct Count;

impl Load for Count {
    #[inline]
    fn of(target: TargetId, targets: &Targets) -> u64 {
        u64::from(targets.in_flight[target as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Pick;
    use crate::policy::conformance::{Harness, assert_shares};

    fn harness(ties: Ties, n: usize) -> Harness {
        Harness::new(&Config { ties, refresh: None }, Targets::alike(n))
    }

    /// Caddy's TestLeastConnPolicy: 10, 10 and 0 active requests.
    #[test]
    fn the_smallest_count_wins() {
        for ties in [Ties::RoundRobin, Ties::Random, Ties::First, Ties::LeastRecentlyChanged] {
            let mut harness = harness(ties, 3);
            (0..10).for_each(|_| [0, 1].into_iter().for_each(|target| harness.send(target)));
            assert_eq!(harness.pick(), Pick::Target(2), "{ties:?}");
        }
    }

    /// nginx's test 'balanced': ten requests one after another over two idle servers, five each.
    #[test]
    fn idle_targets_take_turns_by_default() {
        assert_eq!(harness(Ties::RoundRobin, 2).counts_one_by_one(10), [5, 5]);
    }

    #[test]
    fn first_sends_everything_to_the_first_idle_target() {
        assert_eq!(harness(Ties::First, 3).counts_one_by_one(10), [10, 0, 0]);
    }

    #[test]
    fn random_ties_share_evenly() {
        assert_shares(&harness(Ties::Random, 4).counts_one_by_one(40_000), &[0.25; 4]);
    }

    /// HAProxy moves a server to the end of its equals whenever its count changes, up or down.
    #[test]
    fn least_recently_changed_puts_every_change_behind_its_equals() {
        let mut harness = harness(Ties::LeastRecentlyChanged, 3);
        harness.send(1);
        harness.done(1);
        harness.send(0);
        harness.done(0);
        assert_eq!(harness.held_picks(4), [2, 1, 0, 2], "2 never changed, 1 changed before 0; then all hold one");
        harness.done(0);
        harness.done(1);
        assert_eq!(harness.held_picks(1), [0], "0 has stood at no request longer than 1");
    }
}
