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
