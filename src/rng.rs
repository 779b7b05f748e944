//! Named random streams: each purpose draws from a generator of its own, so that every variant meets the same customers
//! and adding a server shifts nobody else's draws.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng};

/// The generator of every stream: xoshiro256++ (Blackman and Vigna 2021); values fixed by the exact crate version.
pub type Rng = Xoshiro256PlusPlus;

/// An independent generator for (seed, replication, name). The name is hashed with FNV-1a, the three are mixed with
/// splitmix64, so that no two streams share a prefix for any realistic number of them.
pub fn stream(seed: u64, replication: u32, name: &str) -> Rng {
    let name_hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    Rng::seed_from_u64(mix64(mix64(mix64(seed) ^ u64::from(replication)) ^ name_hash))
}

/// Uniform on [0, n); Lemire's multiplication without rejection: the bias is below n / 2^64. `n` must not be 0.
#[inline]
pub fn below(rng: &mut Rng, n: u64) -> u64 {
    ((u128::from(rng.next_u64()) * u128::from(n)) >> 64) as u64
}

/// Uniform on [0, 1) with 53 bits.
#[inline]
pub fn unit(rng: &mut Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// The finalizer of splitmix64 (Steele, Lea, Flood 2014): a bijection that spreads every bit.
pub fn mix64(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{prop_assert, prop_assume, proptest};
    use statrs::distribution::{ChiSquared, ContinuousCDF};
    use std::collections::BTreeSet;

    /// Correlation of two streams' uniform values: for independent ones normal with mean 0 and standard deviation 1 / sqrt(n).
    fn correlation(mut a: Rng, mut b: Rng, n: u32) -> f64 {
        // The variance of a uniform is 1/12.
        (0..n).map(|_| (unit(&mut a) - 0.5) * (unit(&mut b) - 0.5) * 12.0).sum::<f64>() / f64::from(n)
    }

    #[test]
    fn streams_that_differ_in_name_replication_or_seed_are_uncorrelated() {
        let n = 200_000;
        // 5 standard deviations: confidence 0.9999994 for each pair.
        let bound = 5.0 / f64::from(n).sqrt();
        let pairs = [
            (stream(1, 0, "arrivals"), stream(1, 0, "work")),
            (stream(1, 0, "web-1"), stream(1, 0, "web-2")),
            (stream(1, 0, ""), stream(1, 0, "a")),
            (stream(1, 0, "work"), stream(1, 1, "work")),
            (stream(1, 1, "work"), stream(1, u32::MAX, "work")),
            (stream(1, 0, "work"), stream(2, 0, "work")),
            (stream(0, 0, "work"), stream(u64::MAX, 0, "work")),
            (stream(0, 1, "work"), stream(1, 0, "work")),
        ];
        for (i, (a, b)) in pairs.into_iter().enumerate() {
            let measured = correlation(a, b, n);
            assert!(measured.abs() < bound, "pair {i}: {measured}, bound {bound}");
        }
        // The measure sees what it looks for.
        assert!(correlation(stream(1, 0, "work"), stream(1, 0, "work"), n) > 0.9);
    }

    #[test]
    fn no_two_streams_start_alike() {
        let mut first_values = BTreeSet::new();
        for seed in 0..20 {
            for replication in 0..50 {
                for server in 0..100 {
                    first_values.insert(stream(seed, replication, &format!("web-{server}")).next_u64());
                }
            }
        }
        // 100,000 random values of 64 bits collide with probability 3e-10.
        assert_eq!(first_values.len(), 100_000);
    }

    #[test]
    fn the_first_values_of_a_stream_never_change() {
        let first = |mut rng: Rng| [rng.next_u64(), rng.next_u64(), rng.next_u64(), rng.next_u64()];
        // Computed apart, from the published definitions of FNV-1a, splitmix64 and xoshiro256++.
        assert_eq!(
            first(stream(1, 0, "arrivals")),
            [0xf65f_4051_a521_dab9, 0xcb6d_5879_d652_47d2, 0x70a0_db3b_7605_a970, 0x317d_f9e2_b5e3_5ec2]
        );
        assert_eq!(
            first(stream(7, 3, "work")),
            [0x9773_73a4_9e38_6ad5, 0x0b8b_78fd_802c_e5ff, 0xb0e9_7c43_a7f7_c688, 0xc080_36a8_0f91_f636]
        );
        // The published first values of splitmix64 with seed 0.
        assert_eq!(mix64(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mix64(0x9e37_79b9_7f4a_7c15), 0x6e78_9e6a_a1b9_65f4);
    }

    /// Pearson's chi-square of equally likely cells stays below its 1 - 1e-6 quantile.
    fn assert_even(counts: &[u64], what: &str) {
        let expected = counts.iter().sum::<u64>() as f64 / counts.len() as f64;
        let chi_square: f64 = counts.iter().map(|&count| (count as f64 - expected).powi(2) / expected).sum();
        let bound = ChiSquared::new((counts.len() - 1) as f64).unwrap().inverse_cdf(1.0 - 1e-6);
        assert!(chi_square < bound, "{what}: chi-square {chi_square}, bound {bound}");
    }

    #[test]
    fn below_gives_each_number_the_same_share() {
        let mut rng = stream(1, 0, "below");
        for n in [2, 3, 7, 10, 100, 1000] {
            let mut counts = vec![0; n];
            (0..1_000_000).for_each(|_| counts[below(&mut rng, n as u64) as usize] += 1);
            assert_even(&counts, &format!("below {n}"));
        }
        // A range that does not fit into 64 bits a whole number of times.
        let n = 3 << 62;
        let mut counts = [0; 12];
        (0..1_000_000).for_each(|_| counts[(below(&mut rng, n) / (n / 12)) as usize] += 1);
        assert_even(&counts, "below 3 * 2^62");
    }

    #[test]
    fn unit_is_even_and_successive_values_fill_the_square() {
        let mut rng = stream(1, 0, "unit");
        let mut counts = vec![0; 64 * 64];
        for _ in 0..2_000_000 {
            let (x, y) = (unit(&mut rng), unit(&mut rng));
            counts[(x * 64.0) as usize * 64 + (y * 64.0) as usize] += 1;
        }
        assert_even(&counts, "pairs");
    }

    proptest! {
        #[test]
        fn draws_stay_in_their_range(seed: u64, replication: u32, name: String, n: u64) {
            prop_assume!(n > 0);
            let mut rng = stream(seed, replication, &name);
            prop_assert!(below(&mut rng, n) < n);
            prop_assert!((0.0..1.0).contains(&unit(&mut rng)));
            prop_assert!(stream(seed, replication, &name) == stream(seed, replication, &name));
        }
    }
}
