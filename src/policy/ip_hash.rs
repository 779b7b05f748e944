//! IP hash: a client's address decides, so that its requests meet the same target without a cookie.
//!
//! nginx folds the first three octets of an IPv4 address, so that a whole /24 goes together, and all of an IPv6 address.
//! Where the target is out, it goes on hashing, and after 21 tries takes the next in rotation. Neighbours: session hash (the
//! session decides, so users behind one address spread), consistent hash (fewer clients move when the list changes).
//! Source: nginx, ngx_http_upstream_ip_hash_module.c; its fall-back rotation is weighted, this one is not.

use super::hash::{NGINX_IP_START, WeightWalk, nginx_ip_turn};
use super::round_robin::Rotation;
use super::{Pick, Policy, Recipe, Request, Targets};
use crate::rng::Rng;
use schemars::JsonSchema;
use serde::Deserialize;
use std::net::IpAddr;

/// Parameters of `ip_hash`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How many octets of an IPv4 address count, from 1 to 4; 4 is the whole address. Default: 3, as in nginx.
    pub octets: u8,
}

impl Default for Config {
    fn default() -> Config {
        Config { octets: 3 }
    }
}

impl Recipe for Config {
    const ABOUT: &'static str = "the client's address decides";
    const SOURCE: &'static str = "nginx, ngx_http_upstream_ip_hash_module.c";

    fn problems(&self) -> Vec<(String, String)> {
        if (1..=4).contains(&self.octets) {
            return Vec::new();
        }
        vec![("octets".to_owned(), format!("octets is {}; an IPv4 address has 1 to 4 of them", self.octets))]
    }

    fn build(&self, targets: &Targets) -> Box<dyn Policy> {
        let octets = usize::from(self.octets.clamp(1, 4));
        Box::new(IpHash { octets, walk: WeightWalk::new(&targets.weight), rotation: Rotation::default() })
    }
}

struct IpHash {
    octets: usize,
    walk: WeightWalk,
    rotation: Rotation,
}

impl Policy for IpHash {
    fn pick(&mut self, request: &Request, targets: &Targets, _: &mut Rng) -> Pick {
        let (v4, v6);
        let address: &[u8] = match request.address {
            IpAddr::V4(address) => {
                v4 = address.octets();
                &v4[..self.octets]
            }
            IpAddr::V6(address) => {
                v6 = address.octets();
                &v6
            }
        };
        let mut hash = NGINX_IP_START;
        self.walk.pick(targets, &mut self.rotation, || {
            hash = nginx_ip_turn(hash, address);
            u64::from(hash)
        })
    }

    fn on_change(&mut self, targets: &Targets) {
        self.rotation.on_change(targets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::conformance::{Harness, weighted};

    fn picks(harness: &mut Harness, addresses: impl IntoIterator<Item = String>) -> Vec<Pick> {
        let addresses = addresses.into_iter().map(|text| text.parse::<IpAddr>().expect("an address"));
        addresses.map(|address| harness.pick_for(|request| request.address = address)).collect()
    }

    /// nginx's own test: 127.0.1.2 to 127.0.30.2 over two servers, 15 each.
    #[test]
    fn thirty_networks_split_evenly_over_two() {
        let mut harness = Harness::new(&Config::default(), Targets::alike(2));
        let picks = picks(&mut harness, (1..=30).map(|i| format!("127.0.{i}.2")));
        assert_eq!(picks.iter().filter(|&&pick| pick == Pick::Target(0)).count(), 15);
    }

    /// By hand for 10.0.0.x: ((89 * 113 + 10) mod 6271 = 3796; 3796 * 113 mod 6271 = 2520; 2520 * 113 mod 6271 = 2565.
    #[test]
    fn a_whole_24_network_goes_together() {
        let mut harness = Harness::new(&Config::default(), weighted(&[2000, 500, 65, 435]));
        let same = picks(&mut harness, (1..=200).map(|i| format!("10.0.0.{i}")));
        assert!(same.iter().all(|&pick| pick == Pick::Target(3)), "2565 mod 3000 lies in the last block");
    }

    #[test]
    fn four_octets_tell_neighbours_apart() {
        let mut harness = Harness::new(&Config { octets: 4 }, Targets::alike(4));
        let picks = picks(&mut harness, (1..=4).map(|i| format!("10.0.0.{i}")));
        assert!((0..4).all(|target| picks.contains(&Pick::Target(target))), "four in a row differ by one modulo 4: {picks:?}");
    }

    #[test]
    fn clients_of_the_others_stay_while_one_is_out() {
        let addresses = || (0..200).map(|i| format!("10.{i}.7.1"));
        let mut harness = Harness::new(&Config::default(), Targets::alike(5));
        let before = picks(&mut harness, addresses());
        harness.set_eligible(|target| target != 2);
        let after = picks(&mut harness, addresses());
        assert!(before.iter().zip(&after).all(|(old, new)| old == new || *old == Pick::Target(2)));
        assert!(before.contains(&Pick::Target(2)) && !after.contains(&Pick::Target(2)));
    }

    #[test]
    fn octets_out_of_range_are_told() {
        assert_eq!((Config { octets: 0 }.problems().len(), Config { octets: 5 }.problems().len()), (1, 1));
        assert!(Config::default().problems().is_empty());
    }
}
