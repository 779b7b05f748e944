//! Latencies: exact count, sum and extremes, and a log-linear histogram for percentiles (the layout of HdrHistogram: each
//! octave is cut into equal buckets, so that a bucket's width is a fixed share of its value).

use crate::units::Span;

/// Latencies with percentiles to three significant digits: 512 buckets to the octave, read in their middle, so that the error
/// is below 0.1 %.
pub type Latencies = LogLinear<9, 0>;

/// Latencies with percentiles to 1.6 % (32 buckets to the octave, in units of 1024 ns): small enough to have one for each
/// server and each bin of a timeline. Count, sum and maximum are exact.
pub type CoarseLatencies = LogLinear<5, 10>;

/// Latencies in 2^BITS buckets to the octave, in units of 2^UNIT_BITS ns. Latencies shorter than 2^BITS units fall into
/// buckets of one unit.
#[derive(Clone)]
#[repr(align(64))]
pub struct LogLinear<const BITS: u32, const UNIT_BITS: u32> {
    /// Grows by octaves to the highest bucket used.
    buckets: Vec<u64>,
    tally: Tally,
}

/// What is known of latencies exactly. Packed, so that a histogram's part that is touched each time fits into one line of the cache.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(Rust, packed(8))]
pub struct Tally {
    count: u64,
    sum_ns: u128,
    min_ns: u64,
    max_ns: u64,
}

impl Tally {
    const NONE: Tally = Tally { count: 0, sum_ns: 0, min_ns: u64::MAX, max_ns: 0 };

    #[inline(always)]
    pub fn of(latencies: impl Iterator<Item = Span>) -> Tally {
        let mut tally = Tally::NONE;
        latencies.for_each(|latency| tally.add(latency));
        tally
    }

    #[inline(always)]
    fn add(&mut self, latency: Span) {
        self.count += 1;
        self.sum_ns += u128::from(latency.0);
        self.min_ns = self.min_ns.min(latency.0);
        self.max_ns = self.max_ns.max(latency.0);
    }

    #[inline(always)]
    fn merge(&mut self, other: Tally) {
        self.count += other.count;
        self.sum_ns += other.sum_ns;
        self.min_ns = self.min_ns.min(other.min_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
    }
}

impl<const BITS: u32, const UNIT_BITS: u32> Default for LogLinear<BITS, UNIT_BITS> {
    fn default() -> Self {
        LogLinear { buckets: Vec::new(), tally: Tally::NONE }
    }
}

impl<const BITS: u32, const UNIT_BITS: u32> LogLinear<BITS, UNIT_BITS> {
    const PER_OCTAVE: usize = 1 << BITS;

    #[inline]
    fn bucket(ns: u64) -> usize {
        let units = ns >> UNIT_BITS;
        // With the bit of the first octave set, short latencies need no branch: they count from octave 0.
        let octave = 63 - (units | (1 << BITS)).leading_zeros() - BITS;
        ((octave as usize) << BITS) + (units >> octave) as usize
    }

    /// Lower end and width of a bucket in nanoseconds.
    fn span_ns(bucket: usize) -> (u64, u64) {
        let octave = (bucket >> BITS).saturating_sub(1) as u32;
        let units = (bucket - ((octave as usize) << BITS)) as u64;
        let width = 1u64 << (octave + UNIT_BITS);
        (units * width, width)
    }

    fn lowest_ns(bucket: usize) -> u64 {
        Self::span_ns(bucket).0
    }

    /// Middle of a bucket in nanoseconds; a bucket of one nanosecond is its value.
    fn middle_ns(bucket: usize) -> u64 {
        let (lowest, width) = Self::span_ns(bucket);
        lowest + width / 2
    }

    #[inline(always)]
    pub fn record(&mut self, latency: Span) {
        let bucket = Self::bucket(latency.0);
        match self.buckets.get_mut(bucket) {
            Some(count) => *count += 1,
            None => self.grow(bucket),
        }
        self.record_sum(latency);
    }

    /// The same as [`LogLinear::record`] for each of these latencies, of which `tally` is the tally.
    #[inline(always)]
    pub fn record_all(&mut self, latencies: impl Iterator<Item = Span>, tally: Tally) {
        let mut buckets = &mut self.buckets[..];
        for Span(ns) in latencies {
            let bucket = Self::bucket(ns);
            if bucket >= buckets.len() {
                self.buckets.resize((bucket + 1).next_multiple_of(Self::PER_OCTAVE), 0);
                buckets = &mut self.buckets[..];
            }
            buckets[bucket] += 1;
        }
        self.tally.merge(tally);
    }

    /// Counts a latency without its bucket: there will be no percentiles.
    #[inline(always)]
    pub fn record_sum(&mut self, latency: Span) {
        self.tally.add(latency);
    }

    /// The same latency `n` times.
    pub fn record_n(&mut self, latency: Span, n: u64) {
        if n > 0 {
            self.record(latency);
            self.buckets[Self::bucket(latency.0)] += n - 1;
            self.tally.count += n - 1;
            self.tally.sum_ns += u128::from(latency.0) * u128::from(n - 1);
        }
    }

    /// (middle in ns, count) of each used bucket.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let used = self.buckets.iter().enumerate().filter(|(_, count)| **count > 0);
        used.map(|(bucket, count)| (Self::middle_ns(bucket).clamp(self.tally.min_ns, self.tally.max_ns), *count))
    }

    #[cold]
    fn grow(&mut self, bucket: usize) {
        self.buckets.resize((bucket + 1).next_multiple_of(Self::PER_OCTAVE), 0);
        self.buckets[bucket] += 1;
    }

    pub fn merge(&mut self, other: &Self) {
        if other.buckets.len() > self.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(mine, theirs)| *mine += theirs);
        self.tally.merge(other.tally);
    }

    /// Adds the latencies of a histogram with buckets that lie within this one's: the same as recording each of them.
    pub fn merge_finer<const FINER: u32, const FINER_UNIT: u32>(&mut self, other: &LogLinear<FINER, FINER_UNIT>) {
        const { assert!(FINER >= BITS && FINER_UNIT <= UNIT_BITS) }
        for (finer, count) in other.buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
            let bucket = Self::bucket(LogLinear::<FINER, FINER_UNIT>::lowest_ns(finer));
            if bucket >= self.buckets.len() {
                self.buckets.resize((bucket / Self::PER_OCTAVE + 1) * Self::PER_OCTAVE, 0);
            }
            self.buckets[bucket] += count;
        }
        self.tally.merge(other.tally);
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.buckets.fill(0);
        *self = LogLinear { buckets: std::mem::take(&mut self.buckets), ..LogLinear::default() };
    }

    /// A copy without the buckets above the highest used one.
    pub fn trimmed(&self) -> Self {
        let used = self.buckets.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        LogLinear { buckets: self.buckets[..used].to_vec(), ..*self }
    }

    pub fn count(&self) -> u64 {
        self.tally.count
    }

    /// Arithmetic mean in milliseconds, exact. `None` without a latency.
    pub fn mean_ms(&self) -> Option<f64> {
        (self.tally.count > 0).then(|| self.tally.sum_ns as f64 / self.tally.count as f64 / 1e6)
    }

    /// Largest, in milliseconds, exact.
    pub fn max_ms(&self) -> Option<f64> {
        (self.tally.count > 0).then(|| self.tally.max_ns as f64 / 1e6)
    }

    /// The `q`-quantile in milliseconds: the smallest latency that at least the share `q` does not exceed, to the middle of its
    /// bucket, never outside the smallest and the largest. `None` without a latency.
    pub fn quantile_ms(&self, q: f64) -> Option<f64> {
        let wanted = ((q * self.tally.count as f64).ceil() as u64).clamp(1, self.tally.count.max(1));
        let mut seen = 0;
        let bucket = self.buckets.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        Some(Self::middle_ns(bucket).clamp(self.tally.min_ns, self.tally.max_ns) as f64 / 1e6)
    }

    /// (latency in ms, share of latencies up to it) at each used bucket, for drawing a distribution.
    pub fn distribution(&self) -> Vec<(f64, f64)> {
        let mut seen = 0;
        self.buckets()
            .map(|(ns, count)| {
                seen += count;
                (ns as f64 / 1e6, seen as f64 / self.tally.count as f64)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng;

    /// The definition, on the sorted values themselves.
    fn exact_ms(sorted: &[u64], q: f64) -> f64 {
        sorted[((q * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len()) - 1] as f64 / 1e6
    }

    #[test]
    fn a_finer_histogram_merged_is_the_same_as_recording_each_latency() {
        let mut rng = rng::stream(3, 0, "latency");
        let (mut fine, mut coarse, mut merged) = (Latencies::default(), CoarseLatencies::default(), CoarseLatencies::default());
        for _ in 0..50_000 {
            let latency = Span((1e9 * (rng::unit(&mut rng) * 40.0 - 30.0).exp2()) as u64);
            fine.record(latency);
            coarse.record(latency);
        }
        merged.merge_finer(&fine);
        assert_eq!(told(&merged), told(&coarse));
    }

    /// All that a histogram holds.
    fn told(latencies: &CoarseLatencies) -> (&[u64], Tally) {
        (&latencies.buckets, latencies.tally)
    }

    #[test]
    fn a_histogram_without_its_buckets_is_a_line_of_the_cache() {
        assert_eq!(size_of::<CoarseLatencies>(), 64);
    }

    #[test]
    fn many_at_once_are_the_same_as_one_by_one() {
        let mut rng = rng::stream(4, 0, "latency");
        let (mut each, mut all) = (CoarseLatencies::default(), CoarseLatencies::default());
        for many in [0, 1, 7, 256, 1000] {
            let latencies: Vec<_> = (0..many).map(|_| Span((1e9 * (rng::unit(&mut rng) * 40.0 - 30.0).exp2()) as u64)).collect();
            latencies.iter().for_each(|latency| each.record(*latency));
            all.record_all(latencies.iter().copied(), Tally::of(latencies.iter().copied()));
            assert_eq!(told(&all), told(&each));
        }
    }

    #[test]
    fn percentiles_agree_with_sorting() {
        let mut rng = rng::stream(1, 0, "latency");
        let (mut fine, mut coarse) = (Latencies::default(), CoarseLatencies::default());
        let mut values: Vec<u64> = (0..100_000).map(|_| (libm::exp(20.0 * rng::unit(&mut rng)) * 100.0) as u64).collect();
        for ns in &values {
            fine.record(Span(*ns));
            coarse.record(Span(*ns));
        }
        values.sort_unstable();
        for q in [0.001, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0] {
            let exact = exact_ms(&values, q);
            let (fine, coarse) = (fine.quantile_ms(q).unwrap(), coarse.quantile_ms(q).unwrap());
            assert!((fine / exact - 1.0).abs() <= 0.001, "{q}: {fine} {exact}");
            assert!((coarse / exact - 1.0).abs() <= 0.016 || (coarse - exact).abs() <= 0.000_513, "{q}: {coarse} {exact}");
        }
        let mean = values.iter().map(|ns| *ns as f64).sum::<f64>() / values.len() as f64 / 1e6;
        assert!((fine.mean_ms().unwrap() / mean - 1.0).abs() < 1e-9 && (coarse.mean_ms().unwrap() / mean - 1.0).abs() < 1e-9);
        assert_eq!(fine.max_ms(), Some(exact_ms(&values, 1.0)));
    }

    #[test]
    fn every_latency_falls_into_a_bucket_whose_middle_is_near() {
        for power in 0..63 {
            for ns in [1u64 << power, (1 << power) + 1, (1 << power) | (1 << (power / 2)), (2u64 << power) - 1] {
                let middle = Latencies::middle_ns(Latencies::bucket(ns));
                assert!(middle.abs_diff(ns) <= ns / 512, "{ns} {middle}");
            }
        }
        assert!((0..100_000).all(|ns| Latencies::bucket(ns) <= Latencies::bucket(ns + 1)));
        assert!((0..1024).all(|ns| Latencies::middle_ns(Latencies::bucket(ns)) == ns));
    }

    #[test]
    fn a_constant_is_its_own_percentile() {
        let mut latencies = Latencies::default();
        (0..10).for_each(|_| latencies.record(Span::from_millis(10)));
        assert_eq!((latencies.quantile_ms(0.5), latencies.quantile_ms(0.99), latencies.mean_ms()), (Some(10.0), Some(10.0), Some(10.0)));
    }

    #[test]
    fn merging_is_recording_together() {
        let (mut a, mut b, mut both) = (CoarseLatencies::default(), CoarseLatencies::default(), CoarseLatencies::default());
        for ms in 1..100 {
            if ms % 2 == 0 { &mut a } else { &mut b }.record(Span::from_millis(ms));
            both.record(Span::from_millis(ms));
        }
        a.merge(&b.trimmed());
        assert_eq!(a.distribution(), both.distribution());
        assert_eq!((a.quantile_ms(0.9), a.mean_ms(), a.max_ms(), a.count()), (both.quantile_ms(0.9), both.mean_ms(), both.max_ms(), 99));
    }

    #[test]
    fn nothing_recorded_has_no_figures() {
        assert_eq!((Latencies::default().mean_ms(), Latencies::default().quantile_ms(0.5)), (None, None));
        let mut cleared = CoarseLatencies::default();
        cleared.record(Span::from_millis(1));
        cleared.clear();
        assert_eq!((cleared.mean_ms(), cleared.quantile_ms(0.5), cleared.max_ms()), (None, None, None));
    }
}
