//! Consistent hash: a ring of points decides by the session, the address or the path. Neighbour: session hash and ip hash,
//! whose modulus moves nearly every key when the list of targets changes; here about one in n moves, and a target that is out
//! hands its keys to those next to its points.
//! Source: nginx `hash ... consistent`, ngx_http_upstream_hash_module.c, and Pingora, pingora-ketama (ring: ketama);
//! Envoy, ring_hash_lb.cc (ring: envoy). The ring stands for all targets; those that are out are passed over clockwise.

use super::hash::{crc32, xxh64};
use super::ring::{POINTS_MAX, Ring};
use super::{Pick, Policy, Recipe, Request, Targets};
use crate::rng::{Rng, mix64};
use schemars::JsonSchema;
use serde::Deserialize;
use std::net::IpAddr;

/// Parameters of `consistent_hash`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What decides. Default: session.
    pub key: Key,
    /// Whose rule places the points. Default: ketama.
    pub ring: Layout,
    /// `ketama`: points per unit of weight. Default: 160, as in nginx.
    pub points: u32,
    /// `envoy`: fewest entries of the ring. Default: 1024.
    pub min_ring_size: u64,
    /// `envoy`: most entries of the ring. Default: 8388608.
    pub max_ring_size: u64,
}

impl Default for Config {
    fn default() -> Config {
        Config { key: Key::Session, ring: Layout::Ketama, points: 160, min_ring_size: 1024, max_ring_size: POINTS_MAX }
    }
}

/// What is hashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    /// The identity of the session, or of the user where there are no sessions.
    #[default]
    Session,
    /// The client's address.
    Address,
    /// The path of the request.
    Path,
}

/// How the points of the ring are placed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// CRC-32, 160 points per unit of weight: nginx and Pingora.
    #[default]
    Ketama,
    /// xxHash64, a ring of at least 1024 entries in all: Envoy.
    Envoy,
}

impl Recipe for Config {
    const ABOUT: &'static str = "a ring of points decides by session, address or path";
    const SOURCE: &'static str = "nginx, ngx_http_upstream_hash_module.c; Envoy, ring_hash_lb.cc";

    fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        if self.points == 0 {
            problems.push(("points".to_owned(), "points is 0; a target needs at least 1 point on the ring (160 is usual)".to_owned()));
        }
        if self.min_ring_size == 0 || self.min_ring_size > self.max_ring_size {
            let text = format!("min_ring_size is {}; it must lie between 1 and max_ring_size ({})", self.min_ring_size, self.max_ring_size);
            problems.push(("min_ring_size".to_owned(), text));
        }
        if self.max_ring_size > POINTS_MAX {
            problems
                .push(("max_ring_size".to_owned(), format!("max_ring_size is {}; at most {POINTS_MAX} are possible", self.max_ring_size)));
        }
        problems
    }

    fn build(&self, targets: &Targets) -> Box<dyn Policy> {
        let names = targets.names.iter().map(String::as_str);
        let ring = match self.ring {
            Layout::Ketama => Ring::ketama(names.zip(targets.weight.iter().copied()), self.points.max(1)),
            Layout::Envoy => {
                let total: f64 = targets.weight.iter().copied().map(f64::from).sum();
                let shares = targets.weight.iter().map(|&weight| f64::from(weight) / total);
                let size_max = self.max_ring_size.clamp(1, POINTS_MAX);
                Ring::envoy(names.zip(shares), self.min_ring_size.clamp(1, size_max), size_max)
            }
        };
        Box::new(ConsistentHash { key: self.key, layout: self.ring, ring })
    }
}

struct ConsistentHash {
    key: Key,
    layout: Layout,
    ring: Ring,
}

impl ConsistentHash {
    fn hash(&self, bytes: &[u8]) -> u64 {
        match self.layout {
            Layout::Ketama => u64::from(crc32(bytes)),
            Layout::Envoy => xxh64(0, bytes),
        }
    }

    fn hash_of(&self, request: &Request) -> u64 {
        match (self.key, request.address) {
            // A session's identity is an opaque random string to a balancer; ours count up, so they are spread first.
            (Key::Session, _) => self.hash(&mix64(request.session).to_le_bytes()),
            (Key::Address, IpAddr::V4(address)) => self.hash(&address.octets()),
            (Key::Address, IpAddr::V6(address)) => self.hash(&address.octets()),
            (Key::Path, _) => self.hash(request.path.as_bytes()),
        }
    }
}

impl Policy for ConsistentHash {
    fn pick(&mut self, request: &Request, targets: &Targets, _: &mut Rng) -> Pick {
        if targets.eligible().is_empty() {
            return Pick::Nobody;
        }
        let owner = self.ring.walk(self.hash_of(request)).find(|&owner| targets.is_eligible(owner));
        // A ring with fewer entries than targets may hold none that is eligible.
        Pick::Target(owner.unwrap_or(targets.eligible()[0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::conformance::{Harness, weighted};

    fn session_picks(harness: &mut Harness) -> Vec<Pick> {
        (0..30_000).map(|session| harness.pick_for(|request| request.session = session)).collect()
    }

    #[test]
    fn only_the_keys_of_a_lost_target_move_and_they_spread() {
        for ring in [Layout::Ketama, Layout::Envoy] {
            let mut harness = Harness::new(&Config { ring, ..Config::default() }, Targets::alike(6));
            let before = session_picks(&mut harness);
            harness.set_eligible(|target| target != 4);
            let after = session_picks(&mut harness);
            let moved: Vec<Pick> = before.iter().zip(&after).filter(|(old, new)| old != new).map(|(_, &new)| new).collect();
            assert!(before.iter().zip(&after).all(|(old, new)| old == new || *old == Pick::Target(4)));
            let heirs = (0..6).filter(|&target| moved.contains(&Pick::Target(target))).count();
            assert_eq!(heirs, 5, "{ring:?}: all the others inherit");
        }
    }

    /// A share s of a ring of N points is Beta(N s, N (1 - s)), relative variance (1 - s) / (s (N + 1)); the 30,000 keys add
    /// (1 - s) / (30,000 s). N is 1024 or more here. Within 5 standard deviations.
    #[test]
    fn shares_follow_the_weights() {
        for ring in [Layout::Ketama, Layout::Envoy] {
            let mut harness = Harness::new(&Config { ring, ..Config::default() }, weighted(&[1, 3, 5]));
            let picks = session_picks(&mut harness);
            for (target, share) in [1.0_f64 / 9.0, 3.0 / 9.0, 5.0 / 9.0].into_iter().enumerate() {
                let got = picks.iter().filter(|&&pick| pick == Pick::Target(target as u32)).count() as f64 / picks.len() as f64;
                let sd = ((1.0 - share) / share * (1.0 / 1025.0 + 1.0 / 30_000.0)).sqrt();
                assert!((got / share - 1.0).abs() < 5.0 * sd, "{ring:?} {target}: {got} for {share}");
            }
        }
    }

    #[test]
    fn the_key_decides_and_nothing_else() {
        let mut harness = Harness::new(&Config { key: Key::Path, ..Config::default() }, Targets::alike(50));
        let a = harness.pick_for(|request| (request.path, request.session) = ("/a", 1));
        assert_eq!(a, harness.pick_for(|request| (request.path, request.session) = ("/a", 2)));
        assert_ne!(a, harness.pick_for(|request| request.path = "/b"));
        let mut harness = Harness::new(&Config { key: Key::Address, ..Config::default() }, Targets::alike(50));
        let one = harness.pick_for(|request| request.address = [10, 0, 0, 1].into());
        assert_eq!(one, harness.pick_for(|request| (request.address, request.path) = ([10, 0, 0, 1].into(), "/c")));
        assert_ne!(one, harness.pick_for(|request| request.address = [10, 0, 0, 2].into()));
    }

    #[test]
    fn impossible_rings_are_told() {
        assert_eq!(Config { points: 0, ..Config::default() }.problems().len(), 1);
        assert_eq!(Config { min_ring_size: 9, max_ring_size: 8, ..Config::default() }.problems().len(), 1);
        assert_eq!(Config { max_ring_size: POINTS_MAX + 1, ..Config::default() }.problems().len(), 1);
        assert!(Config::default().problems().is_empty());
    }
}
