//! Weighted least connections: the lowest ratio of requests in flight to weight. Neighbours: least connections (no weights),
//! shortest expected delay (counts the arriving request, so an idle heavy target wins, where here all idle targets are equal).
//! Source: nginx, ngx_http_upstream_least_conn_module.c (ties there go by smooth weighted round robin); HAProxy, lb_fwlc.c;
//! Linux, ip_vs_wlc.c.

use super::least::{Load, Ties, least_loaded};
use super::{Policy, Recipe, TargetId, Targets};
use crate::document::Later;
use schemars::JsonSchema;
use serde::Deserialize;

/// Parameters of `weighted_least_connections`.
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
    const ABOUT: &'static str = "the lowest ratio of requests in flight to weight";
    const SOURCE: &'static str = "nginx, ngx_http_upstream_least_conn_module.c; Linux, ip_vs_wlc.c";

    fn build(&self, targets: &Targets) -> Box<dyn Policy> {
        least_loaded::<Ratio>(self.ties, targets.len())
    }
}

struct Ratio;

impl Load for Ratio {
    /// The bits of n / w, which order as the numbers do because none is negative. The quotient decides as the cross-products
    /// n1 w2 and n2 w1 would: equal ratios round to the same number, and different ones differ by at least 1 / (n1 w2)
    /// relatively, far above the 2^-53 of rounding as long as n w stays below 2^52.
    #[inline]
    fn of(target: TargetId, targets: &Targets) -> u64 {
        let i = target as usize;
        (f64::from(targets.in_flight[i]) / f64::from(targets.weight[i])).to_bits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::conformance::{Harness, weighted};

    #[test]
    fn held_requests_fill_in_proportion_to_the_weights() {
        let mut harness = Harness::new(&Config::default(), weighted(&[1, 2, 5]));
        harness.held_picks(80);
        assert_eq!(harness.targets.in_flight, [10, 20, 50]);
    }

    #[test]
    fn equal_ratios_are_ties_and_thirds_do_not_break_them() {
        let mut harness = Harness::new(&Config { ties: Ties::First, refresh: None }, weighted(&[3, 9, 1]));
        (0..1).for_each(|_| harness.send(0));
        (0..3).for_each(|_| harness.send(1));
        harness.send(2);
        assert_eq!(harness.held_picks(2), [0, 1], "1/3 = 3/9 < 1");
    }
}
