//! Hashing shared by several policies: the functions that products use, and the walk from a hash to a target through the
//! weights. Source: nginx, ngx_http_upstream_ip_hash_module.c and ngx_http_upstream_hash_module.c.

use super::round_robin::Rotation;
use super::{Pick, TargetId, Targets};

/// CRC-32 (IEEE 802.3), as nginx and Pingora place and look up points on their ring.
pub fn crc32(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// xxHash64, as Envoy and gRPC place and look up entries on their ring.
pub fn xxh64(seed: u64, bytes: &[u8]) -> u64 {
    twox_hash::XxHash64::oneshot(seed, bytes)
}

/// What nginx's `ip_hash` starts from.
pub const NGINX_IP_START: u32 = 89;

/// One turn of nginx's `ip_hash` over the bytes of an address, from [`NGINX_IP_START`] or from where the last turn ended.
#[inline]
pub fn nginx_ip_turn(start: u32, address: &[u8]) -> u32 {
    address.iter().fold(start, |hash, &byte| (hash * 113 + u32::from(byte)) % 6271)
}

/// Tries of a hash that nginx allows before it takes the next in rotation: its counter must exceed 20.
const TRIES_MAX: u32 = 21;

/// From a hash to a target: the hash modulo the total weight of *all* targets, walked through the weights in list order. So a
/// target that is out does not move the keys of the others.
#[derive(Clone, Debug)]
pub struct WeightWalk {
    /// Sum of the weights up to and with each target.
    ends: Vec<u64>,
}

impl WeightWalk {
    pub fn new(weights: &[u32]) -> WeightWalk {
        let mut sum = 0;
        let ends = weights.iter().map(|&weight| {
            sum += u64::from(weight);
            sum
        });
        WeightWalk { ends: ends.collect() }
    }

    /// The target that owns `hash`. There must be one. O(log n).
    #[inline]
    pub fn at(&self, hash: u64) -> TargetId {
        let point = hash % self.ends[self.ends.len() - 1];
        self.ends.partition_point(|&end| end <= point) as TargetId
    }

    /// Hashes until the owner is eligible, 21 times at most, then takes the next in `rotation`: nginx's rule for `ip_hash` and
    /// `hash`. `next_hash` gives a further hash each time.
    pub fn pick(&self, targets: &Targets, rotation: &mut Rotation, mut next_hash: impl FnMut() -> u64) -> Pick {
        if targets.eligible().is_empty() {
            return Pick::Nobody;
        }
        for _ in 0..TRIES_MAX {
            let owner = self.at(next_hash());
            if targets.is_eligible(owner) {
                return Pick::Target(owner);
            }
        }
        rotation.pick(targets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::mix64;

    /// HAProxy's converter tests over the bytes 0x00 to 0xff.
    #[test]
    fn hash_functions_give_haproxys_values() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(crc32(&bytes), 688_229_491);
        assert_eq!(xxh64(0, &bytes), 2_282_408_585_429_094_475);
        assert_eq!(xxh64(1, &bytes), 13_757_404_704_808_785_655);
    }

    #[test]
    fn the_walk_gives_each_target_its_weight_of_every_cycle() {
        let walk = WeightWalk::new(&[2, 1, 3]);
        let owners: Vec<TargetId> = (0..8).map(|hash| walk.at(hash)).collect();
        assert_eq!(owners, [0, 0, 1, 2, 2, 2, 0, 0]);
    }

    fn moved_share(before: usize, after: usize, is_counted: impl Fn(TargetId) -> bool) -> f64 {
        let (old, new) = (WeightWalk::new(&vec![1; before]), WeightWalk::new(&vec![1; after]));
        let counted: Vec<u64> = (0..400_000).map(mix64).filter(|&key| is_counted(old.at(key))).collect();
        counted.iter().filter(|&&key| old.at(key) != new.at(key)).count() as f64 / counted.len() as f64
    }

    /// Hash mod 10 and mod 9 agree for one residue in ten, so 9/10 of the keys move; of those whose server survived
    /// (N - 2) / (N - 1); from 10 to 11, 10/11. Tolerance 0.005 is 10 standard errors of a share of 400,000 keys.
    #[test]
    fn modulo_hashing_moves_nearly_every_key() {
        assert!((moved_share(10, 9, |_| true) - 0.9).abs() < 0.005);
        assert!((moved_share(10, 9, |owner| owner != 9) - 8.0 / 9.0).abs() < 0.005);
        assert!((moved_share(10, 11, |_| true) - 10.0 / 11.0).abs() < 0.005);
    }
}
