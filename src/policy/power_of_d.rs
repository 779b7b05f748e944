//! Power of d choices: draws d targets and takes the one with the fewest requests in flight; the first drawn wins a tie.
//! Neighbours: random (d = 1), least connections (d = all of them).
//!
//! Drawn without replacement the most loaded target can never be taken; with replacement (Envoy, gRPC, HAProxy) a target is
//! compared with itself with chance 1/n, which makes half the picks over two targets random.
//! Source: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing" (2001); nginx `random two`, Traefik p2c
//! (different ones); Envoy, least_request_lb.cc, gRPC A48 (with replacement).

use super::{Pick, Policy, Recipe, Request, TargetId, Targets};
use crate::document::Later;
use crate::rng::{Rng, below};
use schemars::JsonSchema;
use serde::Deserialize;

/// Parameters of `power_of_d`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How many targets are drawn; more than there are means all of them. Default: 2.
    pub d: u32,
    /// Whether the same target can be drawn more than once. Default: false.
    pub replacement: bool,
    /// How often the load figures are renewed. Known, but part of a later release.
    #[schemars(skip)]
    pub refresh: Option<Later>,
}

impl Default for Config {
    fn default() -> Config {
        Config { d: 2, replacement: false, refresh: None }
    }
}

impl Recipe for Config {
    const ABOUT: &'static str = "the least loaded of d targets drawn at random";
    const SOURCE: &'static str = "Mitzenmacher 2001; Envoy, least_request_lb.cc; nginx, ngx_http_upstream_random_module.c";

    fn problems(&self) -> Vec<(String, String)> {
        if self.d > 0 {
            return Vec::new();
        }
        vec![("d".to_owned(), "d is 0; at least 1 target must be drawn (2 is usual)".to_owned())]
    }

    fn build(&self, _: &Targets) -> Box<dyn Policy> {
        Box::new(PowerOfD { d: self.d.max(1), replacement: self.replacement, urn: Vec::new() })
    }
}

/// The sample with the fewest in flight; a later one wins only if it has strictly fewer. None without samples.
pub fn least_of(samples: impl IntoIterator<Item = TargetId>, in_flight: &[u32]) -> Option<TargetId> {
    samples.into_iter().reduce(|best, next| if in_flight[next as usize] < in_flight[best as usize] { next } else { best })
}

struct PowerOfD {
    d: u32,
    replacement: bool,
    /// The eligible targets in the order that earlier draws left them in: any order is as good to draw from.
    urn: Vec<TargetId>,
}

impl PowerOfD {
    /// The next of `drawn` different targets: the first steps of a Fisher-Yates shuffle.
    #[inline]
    fn draw_another(urn: &mut [TargetId], drawn: usize, rng: &mut Rng) -> TargetId {
        let place = drawn + below(rng, (urn.len() - drawn) as u64) as usize;
        urn.swap(drawn, place);
        urn[drawn]
    }
}

impl Policy for PowerOfD {
    fn reads_request(&self) -> bool {
        false
    }

    fn pick(&mut self, _: &Request, targets: &Targets, rng: &mut Rng) -> Pick {
        let (eligible, in_flight) = (targets.eligible(), &targets.in_flight);
        let n = eligible.len();
        let choice = if self.replacement {
            let d = if n == 0 { 0 } else { self.d };
            least_of((0..d).map(|_| eligible[below(rng, n as u64) as usize]), in_flight)
        } else if self.d == 2 && n >= 2 {
            let first = below(rng, n as u64) as usize;
            let second = below(rng, n as u64 - 1) as usize;
            let second = second + usize::from(second >= first);
            // With everybody in rotation the list says what is known, at the price of two more misses of the cache.
            let drawn = [first, second].map(|place| if n == targets.len() { place as TargetId } else { eligible[place] });
            least_of(drawn, in_flight)
        } else {
            let urn = &mut self.urn;
            least_of((0..n.min(self.d as usize)).map(|drawn| PowerOfD::draw_another(urn, drawn, rng)), in_flight)
        };
        choice.map_or(Pick::Nobody, Pick::Target)
    }

    fn on_change(&mut self, targets: &Targets) {
        self.urn.clear();
        self.urn.extend_from_slice(targets.eligible());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::conformance::{Harness, assert_shares};

    fn harness(d: u32, replacement: bool, in_flight: &[u32]) -> Harness {
        let mut harness = Harness::new(&Config { d, replacement, refresh: None }, Targets::alike(in_flight.len()));
        for (target, &count) in in_flight.iter().enumerate() {
            (0..count).for_each(|_| harness.send(target as TargetId));
        }
        harness
    }

    /// gRPC-Go's TestLeastRequestE2E: samples modulo 3, every request stays in flight.
    #[test]
    fn the_first_sample_is_kept_unless_a_later_one_has_strictly_fewer() {
        let pairs = [[0, 0], [0, 1], [1, 2], [0, 3], [1, 0], [2, 0], [0, 0], [2, 2], [2, 1]];
        let mut in_flight = [0; 3];
        let picks = pairs.map(|pair| {
            let pick = least_of(pair.map(|sample| sample % 3), &in_flight).expect("two samples");
            in_flight[pick as usize] += 1;
            pick
        });
        assert_eq!(picks, [0, 1, 2, 0, 1, 2, 0, 2, 1]);
    }

    /// Over n different loads the r-th lowest wins if it is drawn and none below it is: C(n - r, d - 1) / C(n, d) without
    /// replacement; ((n - r + 1)^d - (n - r)^d) / n^d with it. The loads do not rise with the index, so that a target drawn
    /// against itself by mistake would show.
    #[test]
    fn shares_over_unequal_loads_follow_the_draws() {
        let shares = |d, replacement| harness(d, replacement, &[3, 0, 2, 1]).counts(60_000);
        assert_shares(&shares(2, false), &[0.0, 3.0 / 6.0, 1.0 / 6.0, 2.0 / 6.0]);
        assert_shares(&shares(3, false), &[0.0, 3.0 / 4.0, 0.0, 1.0 / 4.0]);
        assert_shares(&shares(2, true), &[1.0 / 16.0, 7.0 / 16.0, 3.0 / 16.0, 5.0 / 16.0]);
        assert_shares(&shares(1, false), &[0.25; 4]);
    }

    #[test]
    fn equal_loads_share_evenly() {
        for (d, replacement) in [(2, false), (2, true), (3, false), (5, false), (9, false)] {
            assert_shares(&harness(d, replacement, &[1; 5]).counts(50_000), &[0.2; 5]);
        }
    }

    #[test]
    fn more_draws_than_targets_is_least_connections() {
        assert_eq!(harness(9, false, &[2, 1, 3]).counts(100), [0, 100, 0]);
    }

    #[test]
    fn no_draw_is_told() {
        assert_eq!(Config { d: 0, ..Config::default() }.problems().len(), 1);
    }
}
