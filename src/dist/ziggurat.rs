//! Standard exponential and standard normal draws by the ziggurat method, with 256 layers and 53 bits of position.
//! Source: Marsaglia and Tsang, The ziggurat method for generating random variables, J. Stat. Softw. 5(8), 2000. Two
//! differences: layer and position come from disjoint bits of one 64-bit draw (theirs share bits, which Doornik 2005 found to
//! fail tests), and the tails draw exponentials instead of taking logarithms.
//!
//! The tables are computed by the compiler, from additions, multiplications and divisions alone, and the rare branches use
//! `libm`: the same stream gives the same values on every platform, and the common path checks nothing.

use crate::rng::{Rng, unit};
use rand_xoshiro::rand_core::Rng as _;
use std::f64::consts::{LN_2, SQRT_2};

const LAYERS: usize = 256;

/// Where the tail begins and the area of each layer, as the paper gives them for 256 layers.
const EXPONENTIAL_TAIL: f64 = 7.697_117_470_131_05;
const EXPONENTIAL_AREA: f64 = 0.003_949_659_822_581_557;
const NORMAL_TAIL: f64 = 3.654_152_885_361_009;
const NORMAL_AREA: f64 = 0.004_928_673_233_974_655;

/// Layers of equal area under a decreasing density f with f(0) = 1. Layer 0 is the widest, and has the tail.
struct Ziggurat {
    /// The layer's width over 2^53: times 53 random bits it is a position.
    step: [f64; LAYERS],
    /// Left of this the layer lies under the density.
    inner: [f64; LAYERS],
    /// The density at the layer's lower edge; the layer's upper edge is the next entry.
    density: [f64; LAYERS + 1],
}

static EXPONENTIAL: Ziggurat = Ziggurat::new(EXPONENTIAL_TAIL, EXPONENTIAL_AREA, false);
static NORMAL: Ziggurat = Ziggurat::new(NORMAL_TAIL, NORMAL_AREA, true);

/// Exponential with mean 1: finite, from 0 up.
#[inline]
pub fn standard_exponential(rng: &mut Rng) -> f64 {
    let bits = rng.next_u64();
    let layer = bits as usize % LAYERS;
    // By way of a signed number, which the processor converts in one step.
    let x = (bits >> 11) as i64 as f64 * EXPONENTIAL.step[layer];
    if x < EXPONENTIAL.inner[layer] { x } else { exponential_at_the_edge(rng, layer, x) }
}

/// One draw in 90: beyond the tail's start the exponential begins anew; in a wedge it is a matter of height.
#[cold]
#[inline(never)]
fn exponential_at_the_edge(rng: &mut Rng, layer: usize, x: f64) -> f64 {
    if layer == 0 {
        return EXPONENTIAL_TAIL + standard_exponential(rng);
    }
    if EXPONENTIAL.height(rng, layer) < libm::exp(-x) { x } else { standard_exponential(rng) }
}

/// Normal with mean 0 and standard deviation 1.
#[inline]
pub fn standard_normal(rng: &mut Rng) -> f64 {
    let bits = rng.next_u64();
    let layer = bits as usize % LAYERS;
    let x = (bits >> 11) as i64 as f64 * NORMAL.step[layer];
    // Bit 8 is neither in the layer nor in the position.
    let sign = if bits & 0x100 == 0 { 1.0 } else { -1.0 };
    if x < NORMAL.inner[layer] { sign * x } else { normal_at_the_edge(rng, layer, x, sign) }
}

#[cold]
#[inline(never)]
fn normal_at_the_edge(rng: &mut Rng, layer: usize, x: f64, sign: f64) -> f64 {
    if layer == 0 {
        return sign * (NORMAL_TAIL + normal_beyond_the_tail(rng));
    }
    if NORMAL.height(rng, layer) < libm::exp(-0.5 * x * x) { sign * x } else { standard_normal(rng) }
}

/// How far a normal lies beyond the tail's start, given that it does: Marsaglia's method, accepting nearly always.
fn normal_beyond_the_tail(rng: &mut Rng) -> f64 {
    loop {
        let x = standard_exponential(rng) / NORMAL_TAIL;
        if 2.0 * standard_exponential(rng) > x * x {
            return x;
        }
    }
}

impl Ziggurat {
    const fn new(tail: f64, area: f64, is_normal: bool) -> Ziggurat {
        let (mut step, mut inner, mut density) = ([0.0; LAYERS], [0.0; LAYERS], [1.0; LAYERS + 1]);
        let mut edge = tail;
        let mut height = if is_normal { exp(-0.5 * tail * tail) } else { exp(-tail) };
        // The base layer is as wide as a rectangle with the area of base and tail together; it starts at height 0.
        step[0] = area / height / (1u64 << 53) as f64;
        inner[0] = tail;
        density[0] = 0.0;
        let mut layer = 1;
        while layer < LAYERS {
            step[layer] = edge / (1u64 << 53) as f64;
            density[layer] = height;
            // The top layer narrows to a point, at height 1.
            if layer + 1 < LAYERS {
                height += area / edge;
                edge = if is_normal { sqrt(-2.0 * ln(height)) } else { -ln(height) };
                inner[layer] = edge;
            }
            layer += 1;
        }
        Ziggurat { step, inner, density }
    }

    /// A height within the layer, uniformly.
    fn height(&self, rng: &mut Rng, layer: usize) -> f64 {
        self.density[layer] + unit(rng) * (self.density[layer + 1] - self.density[layer])
    }
}

/// e^x for x in [-700, 0], to a few units in the last place: the compiler cannot call `libm` while it fills the tables.
const fn exp(x: f64) -> f64 {
    let halvings = (-x / LN_2 + 0.5) as u64;
    let rest = x + halvings as f64 * LN_2;
    // Taylor in Horner's form: |rest| <= ln(2) / 2, so that the 18th term is below 1e-24.
    let (mut sum, mut k) = (1.0, 18.0);
    while k > 0.0 {
        sum = 1.0 + rest * sum / k;
        k -= 1.0;
    }
    sum * f64::from_bits((1023 - halvings) << 52)
}

/// The natural logarithm of a normal number above 0, to a few units in the last place.
const fn ln(x: f64) -> f64 {
    let exponent = (x.to_bits() >> 52) as i64 - 1023;
    let mantissa = f64::from_bits((x.to_bits() & ((1 << 52) - 1)) | (1023 << 52));
    let (exponent, mantissa) = if mantissa > SQRT_2 { (exponent + 1, mantissa / 2.0) } else { (exponent, mantissa) };
    // ln(m) = 2 artanh((m - 1) / (m + 1)) with an argument below 0.172: the 15th term is below 1e-23.
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let (mut sum, mut k) = (0.0, 31.0);
    while k > 0.0 {
        sum = sum * ratio * ratio + 1.0 / k;
        k -= 2.0;
    }
    2.0 * ratio * sum + exponent as f64 * LN_2
}

/// Newton's method for x in (0, 16].
const fn sqrt(x: f64) -> f64 {
    let (mut root, mut step) = (4.0, 0);
    while step < 40 {
        root = 0.5 * (root + x / root);
        step += 1;
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{prop_assert, proptest};

    /// Every layer is as wide as its area and height say, and its inner edge is where the density meets its top.
    fn assert_layers_fit(ziggurat: &Ziggurat, area: f64, tail_area: f64, density: fn(f64) -> f64) {
        let width = |layer: usize| ziggurat.step[layer] * (1u64 << 53) as f64;
        let tail = width(1);
        assert!((width(0) * density(tail) - area).abs() < 1e-15);
        assert!((tail * density(tail) + tail_area - area).abs() < 1e-15, "{}", tail * density(tail) + tail_area - area);
        for layer in 1..LAYERS {
            let height = ziggurat.density[layer + 1] - ziggurat.density[layer];
            // The paper's constants close the top layer to 1e-12.
            assert!((width(layer) * height - area).abs() < 1e-12, "layer {layer}: {}", width(layer) * height - area);
            assert!((density(ziggurat.inner[layer]) - ziggurat.density[layer + 1]).abs() < 1e-12);
            assert!((density(width(layer)) - ziggurat.density[layer]).abs() < 1e-13);
            assert!(ziggurat.inner[layer] < width(layer));
        }
    }

    #[test]
    fn the_layers_have_the_same_area_and_close_at_the_top() {
        assert_layers_fit(&EXPONENTIAL, EXPONENTIAL_AREA, libm::exp(-EXPONENTIAL_TAIL), |x| libm::exp(-x));
        let tail_area = (std::f64::consts::PI / 2.0).sqrt() * libm::erfc(NORMAL_TAIL / SQRT_2);
        assert_layers_fit(&NORMAL, NORMAL_AREA, tail_area, |x| libm::exp(-0.5 * x * x));
    }

    proptest! {
        #[test]
        fn the_compile_time_functions_agree_with_libm(x in 1e-3..16.0f64) {
            prop_assert!((exp(-x) / libm::exp(-x) - 1.0).abs() < 1e-14);
            prop_assert!((ln(x) - libm::log(x)).abs() < 1e-14);
            prop_assert!((sqrt(x) - x.sqrt()).abs() < 1e-15 * x.max(1.0));
        }
    }

    /// The share of draws above x must match the closed form within 5 standard errors, in the body and far in the tail, where
    /// a mistake of the base layer would show.
    fn assert_shares(draw: fn(&mut Rng) -> f64, above: fn(f64) -> f64, at: &[f64]) {
        let n = 20_000_000;
        let mut rng = crate::rng::stream(1, 0, "ziggurat");
        let mut counts = vec![0u64; at.len()];
        for _ in 0..n {
            let x = draw(&mut rng);
            for (count, &bound) in counts.iter_mut().zip(at) {
                *count += u64::from(x > bound);
            }
        }
        for (&count, &bound) in counts.iter().zip(at) {
            let (share, expected) = (count as f64 / f64::from(n), above(bound));
            let standard_error = (expected * (1.0 - expected) / f64::from(n)).sqrt();
            assert!((share - expected).abs() < 5.0 * standard_error, "above {bound}: {share} instead of {expected}");
        }
    }

    #[test]
    fn the_exponential_is_right_in_body_and_tail() {
        assert_shares(standard_exponential, |x| libm::exp(-x), &[0.01, 0.1, 0.5, 1.0, 2.0, 4.0, 7.5, 7.697, 7.7, 8.0, 9.0, 11.0, 13.0]);
    }

    #[test]
    fn the_normal_is_right_on_both_sides_and_in_the_tails() {
        let above = |x: f64| 0.5 * libm::erfc(x / SQRT_2);
        assert_shares(
            standard_normal,
            above,
            &[-4.2, -3.7, -3.0, -2.0, -1.0, -0.2, 0.0, 0.2, 0.5, 1.0, 2.0, 3.0, 3.6, 3.655, 3.8, 4.2, 4.6],
        );
    }
}
