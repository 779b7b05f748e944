//! Rings of consistent hashing: each target owns points on a circle of hashes, a key belongs to the first point at or behind
//! its own hash. When a target is lost only its keys move. Source: nginx, ngx_http_upstream_hash_module.c, and Pingora,
//! pingora-ketama (`ketama`); Envoy, ring_hash_lb.cc (`envoy`).

use super::TargetId;
use super::hash::xxh64;

/// Most points of a ring: Envoy's limit. A ketama ring that would be larger gets fewer points per weight unit.
pub const POINTS_MAX: u64 = 8 * 1024 * 1024;

/// Points on the circle, ascending. The hash of a ketama ring has 32 bits, of an Envoy ring 64.
#[derive(Clone, Debug, PartialEq)]
pub struct Ring {
    hashes: Vec<u64>,
    owners: Vec<TargetId>,
    /// Where the points of each of 2^k equal stretches of the circle begin: points are spread evenly, so a lookup that starts there
    /// is done after a step or two, where a binary search over a large ring misses the cache twenty times.
    stretches: Vec<u32>,
    /// A hash shifted right by this is its stretch.
    shift: u32,
}

impl Ring {
    /// nginx's ring: `points` per weight unit, each the CRC-32 of host, NUL, port and the previous point. Of points with the
    /// same hash the one of the first target stays. `targets`: (name, weight).
    pub fn ketama<'a>(targets: impl Iterator<Item = (&'a str, u32)> + Clone, points: u32) -> Ring {
        let wanted: u64 = targets.clone().map(|(_, weight)| u64::from(weight) * u64::from(points)).sum();
        let mut entries = Vec::with_capacity(wanted.min(POINTS_MAX) as usize);
        for (owner, (name, weight)) in targets.enumerate() {
            let mut count = u64::from(weight) * u64::from(points);
            if wanted > POINTS_MAX {
                count = (u128::from(count) * u128::from(POINTS_MAX) / u128::from(wanted)).max(1) as u64;
            }
            let (host, port) = host_and_port(name);
            let mut base = crc32fast::Hasher::new();
            base.update(host.as_bytes());
            base.update(&[0]);
            base.update(port.as_bytes());
            let mut previous = 0_u32;
            for _ in 0..count {
                let mut hasher = base.clone();
                hasher.update(&previous.to_le_bytes());
                previous = hasher.finalize();
                entries.push((u64::from(previous), owner as TargetId));
            }
        }
        entries.sort_unstable();
        entries.dedup_by_key(|&mut (hash, _)| hash);
        Ring::sorted(entries, 32)
    }

    /// Envoy's ring: the i-th entry of a target is the xxHash64 of `name_i`. `targets`: (name, share of the whole). The scale is
    /// such that the smallest share gets a whole number of entries and the ring at least `size_min`, but never more than `size_max`
    /// in all; a ring smaller than the number of targets leaves some without any.
    pub fn envoy<'a>(targets: impl Iterator<Item = (&'a str, f64)> + Clone, size_min: u64, size_max: u64) -> Ring {
        let least = targets.clone().map(|(_, share)| share).fold(1.0, f64::min);
        let scale = ((least * size_min as f64).ceil() / least).min(size_max as f64);
        let mut entries = Vec::with_capacity(scale.ceil() as usize);
        let mut wanted = 0.0;
        for (owner, (name, share)) in targets.enumerate() {
            wanted += scale * share;
            let mut i = 0;
            while (entries.len() as f64) < wanted {
                entries.push((xxh64(0, format!("{name}_{i}").as_bytes()), owner as TargetId));
                i += 1;
            }
        }
        entries.sort_unstable();
        Ring::sorted(entries, 64)
    }

    fn sorted(entries: Vec<(u64, TargetId)>, hash_bits: u32) -> Ring {
        // At least two stretches, so that the shift stays below the width of a word.
        let stretches = entries.len().next_power_of_two().max(2);
        let shift = hash_bits - stretches.trailing_zeros();
        let begins = |stretch: usize| entries.partition_point(|&(hash, _)| hash >> shift < stretch as u64) as u32;
        let stretches = (0..stretches).map(begins).collect();
        let (hashes, owners) = entries.into_iter().unzip();
        Ring { hashes, owners, stretches, shift }
    }

    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// The points with their owners, ascending.
    pub fn points(&self) -> impl Iterator<Item = (u64, TargetId)> + '_ {
        self.hashes.iter().copied().zip(self.owners.iter().copied())
    }

    /// The owners of all points, once round, from the first point at or behind `hash`, which has as many bits as the ring's.
    pub fn walk(&self, hash: u64) -> impl Iterator<Item = TargetId> + '_ {
        let begin = self.stretches[(hash >> self.shift) as usize] as usize;
        let start = begin + self.hashes[begin..].iter().take_while(|&&point| point < hash).count();
        self.owners[start..].iter().chain(&self.owners[..start]).copied()
    }
}

/// nginx's split: what stands behind the last colon is a port if it is all digits; without a port it is empty.
fn host_and_port(name: &str) -> (&str, &str) {
    match name.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
        _ => (name, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::hash::crc32;
    use crate::rng::mix64;

    fn ketama(names: &[&str], points: u32) -> Ring {
        Ring::ketama(names.iter().map(|&name| (name, 1)), points)
    }

    /// Pingora's matches_nginx_sample: what a real nginx picked.
    #[test]
    fn ketama_picks_what_nginx_picked() {
        let ring = ketama(&["127.0.0.1:7777", "127.0.0.1:7778"], 160);
        let picks = ["/some/path", "/some/longer/path", "/sad/zaidoon"].map(|key| ring.walk(crc32(key.as_bytes()).into()).next());
        assert_eq!(picks, [Some(1), Some(0), Some(1)]);
    }

    #[test]
    fn a_name_without_a_port_is_all_host() {
        assert_eq!(host_and_port("web-3"), ("web-3", ""));
        assert_eq!(host_and_port("10.0.0.1:443"), ("10.0.0.1", "443"));
        assert_eq!(host_and_port("fe80::beef"), ("fe80::beef", ""));
    }

    /// Envoy's ring of two hosts on 1023 entries: the odd one goes to the first.
    #[test]
    fn envoys_odd_entry_goes_to_the_first_host() {
        let ring = Ring::envoy([("127.0.0.1:90", 0.5), ("127.0.0.1:91", 0.5)].into_iter(), 1023, 1023);
        assert_eq!(ring.points().filter(|&(_, owner)| owner == 0).count(), 512);
        assert_eq!(ring.len(), 1023);
    }

    #[test]
    fn a_huge_ring_is_scaled_down_and_keeps_the_proportions() {
        let ring = Ring::ketama([("a", 1_000_000), ("b", 3_000_000)].into_iter(), 160);
        let share = ring.points().filter(|&(_, owner)| owner == 0).count() as f64 / ring.len() as f64;
        // Of 2^23 hashes of 32 bits about 2^46 / 2^33 = 8192 collide (0.1 %).
        assert!(ring.len() as u64 <= POINTS_MAX && ring.len() as f64 > 0.99 * POINTS_MAX as f64);
        assert!((share - 0.25).abs() < 1e-3, "{share}");
    }

    #[test]
    fn lookup_finds_the_first_point_at_or_behind_the_hash() {
        for size in [1, 2, 3, 7, 64, 1000] {
            let ring = Ring::envoy([("a", 0.3), ("b", 0.7)].into_iter(), size, size);
            let points: Vec<(u64, TargetId)> = ring.points().collect();
            let keys = (0..2000).map(mix64).chain(points.iter().flat_map(|&(hash, _)| [hash, hash + 1, hash - 1])).chain([0, u64::MAX]);
            for key in keys {
                let first = points.iter().position(|&(hash, _)| hash >= key).unwrap_or(0);
                let expected: Vec<TargetId> = points.iter().cycle().skip(first).take(points.len()).map(|&(_, owner)| owner).collect();
                assert_eq!(ring.walk(key).collect::<Vec<_>>(), expected, "size {size} key {key}");
            }
        }
    }

    /// A ring of `n` targets with `virtual_nodes` entries each; `seed` makes another one.
    fn random_ring(n: u64, virtual_nodes: u64, seed: u64) -> Ring {
        let names: Vec<String> = (0..n).map(|i| format!("{:016x}", mix64(mix64(seed) ^ i))).collect();
        let share = 1.0 / n as f64;
        Ring::envoy(names.iter().map(|name| (name.as_str(), share)), n * virtual_nodes, n * virtual_nodes)
    }

    /// The share of the circle that each target owns, over the mean.
    fn arcs(ring: &Ring, n: usize) -> Vec<f64> {
        let mut arcs = vec![0.0; n];
        let mut previous = ring.hashes[ring.len() - 1];
        for (hash, owner) in ring.points() {
            arcs[owner as usize] += hash.wrapping_sub(previous) as f64 / 2f64.powi(64) * n as f64;
            previous = hash;
        }
        arcs
    }

    /// Coefficient of variation of the arcs: root mean square over `rings` rings.
    fn arc_cv(n: u64, virtual_nodes: u64, rings: u64) -> f64 {
        let square: f64 =
            (0..rings).flat_map(|seed| arcs(&random_ring(n, virtual_nodes, seed), n as usize)).map(|arc| (arc - 1.0) * (arc - 1.0)).sum();
        (square / (rings * n) as f64).sqrt()
    }

    fn assert_within(value: f64, expected: f64, relative: f64) {
        assert!((value / expected - 1.0).abs() < relative, "{value}, expected {expected} within {relative}");
    }

    /// A target's arc is Beta(V, (N - 1) V): cv = sqrt((N - 1) / (N V + 1)). 5 % is above 5 standard errors at these sizes.
    #[test]
    fn the_spread_of_ten_targets_follows_the_beta_law() {
        assert_within(arc_cv(10, 1, 5000), 0.904_534, 0.05);
        assert_within(arc_cv(10, 100, 400), 0.094_821, 0.05);
    }

    /// The largest of N spacings is H_N / N of the circle: 2.929 times the mean for ten. 4 % is 9 standard errors over 5000 rings.
    #[test]
    fn the_largest_of_ten_arcs_is_a_harmonic_number() {
        let largest = |seed| arcs(&random_ring(10, 1, seed), 10).into_iter().fold(0.0, f64::max);
        assert_within((0..5000).map(largest).sum::<f64>() / 5000.0, 2.928_968, 0.04);
    }

    /// Lamping and Veach 2014, figure 2: 0.997906, 0.315181 and 0.0315723 with 1, 10 and 1000 points per bucket.
    #[test]
    fn the_spread_falls_with_the_root_of_the_points_as_in_the_jump_hash_paper() {
        assert_within(arc_cv(500, 1, 40), 0.997_906, 0.03);
        assert_within(arc_cv(500, 10, 20), 0.315_181, 0.03);
        assert_within(arc_cv(500, 1000, 6), 0.031_572_3, 0.03);
    }

    /// Removes one of `n`, in turn each of the first ten: the share of keys that moves, and asserts that no other key does.
    fn moved_share(n: u64) -> f64 {
        let names: Vec<String> = (1..=n).map(|i| format!("s-{i}")).collect();
        let ring = |lost: Option<u64>| {
            let left = (0..n).filter(|&i| Some(i) != lost).map(|i| names[i as usize].as_str());
            (Ring::ketama(left.clone().map(|name| (name, 1)), 160), left.collect::<Vec<_>>())
        };
        let keys = || (0..20_000).map(|key| mix64(key) >> 32);
        let (full, _) = ring(None);
        let mut moved = 0;
        for lost in 0..n.min(10) {
            let (after, left) = ring(Some(lost));
            for key in keys() {
                let (old, new) =
                    (full.walk(key).next().map(|i| names[i as usize].as_str()), after.walk(key).next().map(|i| left[i as usize]));
                assert!(old == new || old == Some(names[lost as usize].as_str()), "only the lost server's keys move");
                moved += u64::from(old != new);
            }
        }
        moved as f64 / (n.min(10) * 20_000) as f64
    }

    /// The least possible: the keys of the lost server, 1/N. An arc of 160 points scatters by 8 % of itself, the mean over ten
    /// of them by 2.5 %; over all five of five targets the mean is 1/5 exactly. 15 % as the row has it.
    #[test]
    fn losing_one_target_moves_only_its_keys() {
        assert_within(moved_share(5), 0.2, 0.15);
        assert_within(moved_share(100), 0.01, 0.15);
    }
}
