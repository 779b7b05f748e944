//! Session hash: the session's identity decides, so that its requests meet the same target without a cookie of the balancer.
//!
//! The hash is taken modulo the total weight of all targets; where the target is out it is hashed again, 21 times at most,
//! then the next in rotation takes it. Pods that come and go change the list itself. Neighbours: ip hash (users behind one
//! address go together), consistent hash (fewer sessions move when the list of targets changes; while one is out, both move
//! only its own).
//! Source: nginx, ngx_http_upstream_hash_module.c (`hash $cookie_session`), with a 64-bit hash where nginx keeps 15 bits of a
//! CRC, which is uneven over more than some hundred targets.

use super::hash::WeightWalk;
use super::round_robin::Rotation;
use super::{Pick, Policy, Recipe, Request, Targets};
use crate::rng::{Rng, mix64};
use schemars::JsonSchema;
use serde::Deserialize;

/// Parameters of `session_hash`: none.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {}

impl Recipe for Config {
    const ABOUT: &'static str = "the session decides, by its hash modulo the total weight";
    const SOURCE: &'static str = "nginx, ngx_http_upstream_hash_module.c";

    fn build(&self, targets: &Targets) -> Box<dyn Policy> {
        Box::new(SessionHash { walk: WeightWalk::new(&targets.weight), rotation: Rotation::default() })
    }
}

struct SessionHash {
    walk: WeightWalk,
    rotation: Rotation,
}

impl Policy for SessionHash {
    fn pick(&mut self, request: &Request, targets: &Targets, _: &mut Rng) -> Pick {
        let mut hash = request.session;
        self.walk.pick(targets, &mut self.rotation, || {
            hash = mix64(hash);
            hash
        })
    }

    fn on_change(&mut self, targets: &Targets) {
        self.rotation.on_change(targets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::conformance::{Harness, assert_shares, weighted};

    fn picks(harness: &mut Harness, sessions: std::ops::Range<u64>) -> Vec<Pick> {
        sessions.map(|session| harness.pick_for(|request| request.session = session)).collect()
    }

    fn counts(picks: &[Pick], n: u32) -> Vec<u64> {
        (0..n).map(|target| picks.iter().filter(|&&pick| pick == Pick::Target(target)).count() as u64).collect()
    }

    #[test]
    fn a_session_keeps_its_target_and_sessions_spread_by_weight() {
        let mut harness = Harness::new(&Config {}, weighted(&[1, 2, 1]));
        let first = picks(&mut harness, 0..40_000);
        assert_eq!(first, picks(&mut harness, 0..40_000));
        assert_shares(&counts(&first, 3), &[0.25, 0.5, 0.25]);
    }

    #[test]
    fn only_sessions_of_the_lost_target_move_and_the_others_share_them() {
        let mut harness = Harness::new(&Config {}, Targets::alike(5));
        let before = picks(&mut harness, 0..50_000);
        harness.set_eligible(|target| target != 3);
        let after = picks(&mut harness, 0..50_000);
        assert!(before.iter().zip(&after).all(|(old, new)| old == new || *old == Pick::Target(3)));
        assert_shares(&counts(&after, 5), &[0.25, 0.25, 0.25, 0.0, 0.25]);
    }
}
