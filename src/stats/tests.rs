use super::*;
use crate::dist::standard_exponential;
use crate::rng::{Rng, stream};
use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, proptest};
use rand_distr::{Distribution as _, StandardNormal};
use statrs::distribution::Beta;

fn normal(rng: &mut Rng) -> f64 {
    StandardNormal.sample(rng)
}

#[test]
fn the_t_quantile_is_that_of_the_tables() {
    // NIST/SEMATECH e-Handbook of Statistical Methods, table 1.3.6.7.2, column 0.975; more digits: R, qt(0.975, df).
    for (df, t) in [(1, 12.706_204_74), (2, 4.302_652_73), (4, 2.776_445_105), (9, 2.262_157_163), (29, 2.045_229_642), (99, 1.984_216_952)]
    {
        let ours = t_quantile(df + 1, 0.025).unwrap();
        assert!((ours / t - 1.0).abs() < 1e-8, "{df}: {ours}");
    }
    // Many degrees of freedom, two terms: z + (z^3 + z) / (4 df) + (5 z^5 + 16 z^3 + 3 z) / (96 df^2), Abramowitz and Stegun 26.7.5.
    let z = 1.959_963_984_540_054_f64;
    for df in [1_000, 9_999, 10_000, 100_000, 10_000_000] {
        let n = f64::from(df);
        let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * n * n);
        let expected = z + (z.powi(3) + z) / (4.0 * n) + second;
        let ours = t_quantile(df as usize + 1, 0.025).unwrap();
        assert!((ours - expected).abs() < 1e-7, "{df}: {ours} instead of {expected}");
    }
}

#[test]
fn the_interval_of_a_mean_is_students() {
    // Mean 3, s = sqrt(2.5), half-width 2.776445 * sqrt(2.5 / 5).
    let Estimate { value, ci95: Some((low, high)) } = mean_ci(&[1.0, 2.0, 3.0, 4.0, 5.0]) else { panic!("five values have an interval") };
    assert_eq!(value, 3.0);
    assert!((high - 3.0 - 1.963_243).abs() < 1e-6 && (3.0 - low - 1.963_243).abs() < 1e-6);
    let pooled = around(3.5, &[1.0, 2.0, 3.0, 4.0, 5.0]);
    assert!((pooled.ci95.unwrap().0 - (3.5 - 1.963_243)).abs() < 1e-6);
}

#[test]
fn one_replication_has_no_interval_and_none_has_no_mean() {
    assert_eq!(mean_ci(&[7.0]), Estimate { value: 7.0, ci95: None });
    assert!(mean_ci(&[]).value.is_nan() && mean_ci(&[]).ci95.is_none());
    assert_eq!(paired_difference(&[3.0], &[1.0], 1), Difference { value: 2.0, ci95: None, significant: false });
    assert_eq!(relative_difference(&[3.0], &[1.0]), Difference { value: 2.0, ci95: None, significant: false });
    assert_eq!(mean_ci(&[0.1; 7]), Estimate { value: 0.1, ci95: Some((0.1, 0.1)) });
}

#[test]
fn equal_variants_do_not_differ() {
    let values = [1.1, 1.7, 1.3, 1.9];
    let none = Difference { value: 0.0, ci95: Some((0.0, 0.0)), significant: false };
    assert_eq!(paired_difference(&values, &values, 1), none);
    assert_eq!(relative_difference(&values, &values), none);
}

#[test]
fn pairing_finds_what_the_spread_of_the_replications_hides() {
    let b = [10.0, 20.0, 30.0, 40.0, 50.0];
    let a = [9.1, 17.9, 27.1, 35.9, 45.1];
    assert!(paired_difference(&a, &b, 1).significant);
    let relative = relative_difference(&a, &b);
    assert!(relative.significant && (relative.value + 0.099_333).abs() < 1e-6);
    // Apart, the intervals of the two means overlap.
    assert!(mean_ci(&a).ci95.unwrap().1 > mean_ci(&b).ci95.unwrap().0);
}

#[test]
fn a_ratio_to_what_may_be_zero_has_no_interval() {
    let unsure = relative_difference(&[5.0, 6.0, 7.0], &[-1.0, 0.5, 2.0]);
    assert_eq!((unsure.ci95, unsure.significant), (None, false));
    assert!(!relative_difference(&[5.0, 6.0], &[0.0, 0.0]).value.is_finite());
    assert_eq!(relative_difference(&[5.0, 6.0], &[0.0, 0.0]).ci95, None);
}

#[test]
fn the_ends_of_the_relative_interval_solve_fiellers_equation() {
    let (a, b) = ([5.0, 7.0, 6.0, 9.0], [10.0, 12.0, 9.0, 15.0]);
    let (low, high) = relative_difference(&a, &b).ci95.unwrap();
    for ratio in [1.0 + low, 1.0 + high] {
        // At the ends the paired interval of a - ratio b ends at zero.
        let scaled = b.map(|b| ratio * b);
        let (low, high) = paired_difference(&a, &scaled, 1).ci95.unwrap();
        assert!(low.abs().min(high.abs()) < 1e-12);
    }
}

proptest! {
    #[test]
    fn both_differences_agree_on_significance(pairs in proptest::collection::vec((0.1..10.0f64, 0.1..10.0f64), 2..20)) {
        let (a, b): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        let (absolute, relative) = (paired_difference(&a, &b, 1), relative_difference(&a, &b));
        if relative.ci95.is_some() {
            prop_assert_eq!(absolute.significant, relative.significant);
            prop_assert_eq!(absolute.value > 0.0, relative.value > 0.0);
        }
    }

    #[test]
    fn evenness_stays_in_its_range(values in proptest::collection::vec((0..1000u32).prop_map(f64::from), 1..50)) {
        let n = values.len() as f64;
        let (jain, cv, most) = (jain(&values), coefficient_of_variation(&values), max_over_mean(&values));
        prop_assert!((1.0 / n - 1e-12..=1.0 + 1e-12).contains(&jain));
        prop_assert!((jain - 1.0 / (1.0 + cv * cv)).abs() < 1e-12);
        prop_assert!((1.0 - 1e-12..=n + 1e-12).contains(&most));
    }
}

/// Of many sets of 10 replications the 95 % interval must cover the truth in 95 %, within 5 binomial standard errors
/// (1.1 % of 10,000 sets; confidence 0.9999994).
fn assert_covers(what: &str, mut covers: impl FnMut(&mut Rng) -> bool) {
    let (sets, mut rng) = (10_000, stream(1, 0, what));
    let share = (0..sets).filter(|_| covers(&mut rng)).count() as f64 / f64::from(sets);
    let standard_error = (0.95 * 0.05 / f64::from(sets)).sqrt();
    assert!((share - 0.95).abs() < 5.0 * standard_error, "{what}: {share}");
}

fn contains(ci95: Option<(f64, f64)>, truth: f64) -> bool {
    ci95.is_some_and(|(low, high)| low <= truth && truth <= high)
}

#[test]
fn intervals_cover_the_truth_as_often_as_they_say() {
    assert_covers("normal", |rng| contains(mean_ci(&[(); 10].map(|()| 5.0 + normal(rng))).ci95, 5.0));
    // A replication's value is a mean over many requests, here 100; of single exponentials only 90 % would cover.
    let run = |rng: &mut Rng| (0..100).map(|_| standard_exponential(rng)).sum::<f64>() / 100.0;
    assert_covers("means of exponentials", |rng| contains(mean_ci(&[(); 10].map(|()| run(rng))).ci95, 1.0));
}

#[test]
fn paired_intervals_cover_the_truth_as_often_as_they_say() {
    // Both variants see the same traffic: a common part, and one of their own.
    let pair = |rng: &mut Rng| {
        let common: [f64; 10] = [(); 10].map(|()| normal(rng));
        (common.map(|x| 6.0 + x + 0.3 * normal(rng)), common.map(|x| 10.0 + 2.0 * x + 0.3 * normal(rng)))
    };
    assert_covers("difference", |rng| {
        let (a, b) = pair(rng);
        contains(paired_difference(&a, &b, 1).ci95, -4.0)
    });
    assert_covers("ratio", |rng| {
        let (a, b) = pair(rng);
        contains(relative_difference(&a, &b).ci95, -0.4)
    });
}

#[test]
fn a_percentile_needs_ten_observations_beyond_it() {
    let needs = [0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999].map(percentile_needs);
    assert_eq!(needs, [10, 20, 100, 200, 1_000, 10_000, 100_000]);
    assert_eq!(percentile_needs(1.0), u64::MAX);
    // What the comment says of p99: the share beyond the tenth largest of 1000 is beta distributed.
    let beyond = Beta::new(10.0, 991.0).unwrap();
    assert!((beyond.inverse_cdf(0.025) - 0.005).abs() < 5e-4 && (beyond.inverse_cdf(0.975) - 0.017).abs() < 5e-4);
}

#[test]
fn evenness_matches_hand_counts_and_is_never_nan() {
    assert_eq!([jain(&[3.0, 3.0, 3.0]), jain(&[6.0, 0.0, 0.0])], [1.0, 1.0 / 3.0]);
    assert_eq!(jain(&[1.0, 2.0, 3.0]), 36.0 / 42.0);
    assert_eq!(coefficient_of_variation(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]), 0.4);
    assert_eq!(max_over_mean(&[1.0, 2.0, 6.0]), 2.0);
    for nothing in [&[][..], &[0.0, 0.0]] {
        assert_eq!([jain(nothing), coefficient_of_variation(nothing), max_over_mean(nothing)], [1.0, 0.0, 1.0]);
    }
}

/// One value per second.
fn collect(values: impl IntoIterator<Item = f64>) -> Mser5 {
    let mut mser = Mser5::default();
    for (i, value) in values.into_iter().enumerate() {
        mser.push(Time(i as u64 * 1_000_000_000), value);
    }
    mser
}

fn cut_s(mser: &Mser5) -> usize {
    mser.truncation().at.as_secs_f64() as usize
}

/// First-order autoregressive noise with standard deviation 1.
fn autoregressive(phi: f64, n: usize, rng: &mut Rng) -> Vec<f64> {
    let mut last = normal(rng);
    let step = |_| {
        last = phi * last + (1.0 - phi * phi).sqrt() * normal(rng);
        last
    };
    (0..n).map(step).collect()
}

#[test]
fn mser_cuts_a_decaying_start_and_the_bias_with_it() {
    let n = 20_000;
    for (phi, least) in [(0.0, 400), (0.9, 200)] {
        let mut means = Vec::new();
        for replication in 0..100 {
            let noise = autoregressive(phi, n, &mut stream(1, replication, "decay"));
            let values: Vec<f64> = noise.iter().enumerate().map(|(i, noise)| 10.0 * (-(i as f64) / 200.0).exp() + noise).collect();
            let mser = collect(values.iter().copied());
            assert!(mser.truncation().is_reliable);
            let cut = cut_s(&mser);
            // After 200 seconds 10 has decayed to 3.7, after 400 to 1.35 standard deviations of the noise, after 2000 to nothing.
            assert!((least..2_000).contains(&cut), "phi {phi}, replication {replication}: {cut} s");
            means.push(mean(&values[cut..]));
        }
        // All values have a mean of 0.1 (2000 / 20,000). What the cut leaves of it is below 0.02, within 5 standard errors of
        // the mean over the replications.
        let bias = mean(&means);
        let standard_error = half_width(&means).unwrap() / t_quantile(means.len(), 0.025).unwrap();
        assert!(bias.abs() < 0.02 + 5.0 * standard_error, "phi {phi}: {bias}, standard error {standard_error}");
    }
}

#[test]
fn mser_cuts_little_of_what_is_stationary() {
    // A cut pays where the k batches before it have more than twice the mean square: exp(-k (1 - ln 2) / 2) for independent
    // ones, 2e-7 for k = 100 (500 s of 20,000). Batches of the correlated series count half: (1 - r^2) / (1 + r^2), r = 0.9^5.
    for (phi, most) in [(0.0, 500), (0.9, 1_000)] {
        let runs: Vec<Mser5> =
            (0..200).map(|replication| collect(autoregressive(phi, 20_000, &mut stream(1, replication, "stationary")))).collect();
        assert!(runs.iter().all(|mser| mser.truncation().is_reliable && cut_s(mser) < most));
        // The first batch alone has more than twice the mean square in 16 %.
        assert!(runs.iter().filter(|mser| cut_s(mser) == 0).count() > 100);
    }
}

#[test]
fn mser_says_when_the_run_is_too_short() {
    // A queue without a steady state grows, and no cut helps.
    let mut rng = stream(1, 0, "overload");
    let growing = collect((0..20_000).map(|i| 0.01 * f64::from(i) + normal(&mut rng)));
    assert!(!growing.truncation().is_reliable);
    assert!(cut_s(&growing) < 10_000, "half of the run is kept");
    // Nine batches are too few, ten are not.
    assert!(!collect([1.0; 49]).truncation().is_reliable);
    assert!(collect([1.0; 50]).truncation().is_reliable);
    assert_eq!(Mser5::default().truncation(), Truncation { at: Time::ZERO, is_reliable: false });
}

#[test]
fn mser_finds_a_step_to_the_batch() {
    // 0 for 500 s, then 1 and -1 in turn: each batch from there on has a mean of +0.2 or -0.2.
    let value = |i: u32| if i < 500 { 30.0 } else { f64::from(i % 2) * 2.0 - 1.0 };
    assert_eq!(cut_s(&collect((0..5_000).map(value))), 500);
    assert_eq!(cut_s(&collect((0..5_000).map(|i| value(i + 2)))), 500);
    assert_eq!(cut_s(&collect([7.0; 1000])), 0);
}

#[test]
fn mser_keeps_its_memory_bounded_and_finds_the_same_end() {
    let mut rng = stream(1, 0, "long");
    let mser = collect((0..3_000_000).map(|i| if i < 300_000 { 3.0 } else { 0.0 } + normal(&mut rng)));
    assert!(mser.batches.len() < BATCHES_MAX && mser.batches.len() >= BATCHES_MAX / 2 - 1);
    assert_eq!(mser.batch_size, 640);
    assert!(mser.batches.iter().zip(0..).all(|(batch, i)| batch.at == Time(i * 640 * 1_000_000_000)));
    let cut = cut_s(&mser);
    // To the batch that has the step, or within what the noise may add: a batch's mean has standard deviation 0.04.
    assert!((300_000 - 640..300_000 + 30_000).contains(&cut) && mser.truncation().is_reliable, "{cut}");
    let kept: f64 = mser.batches.iter().map(|batch| batch.value).sum::<f64>() / mser.batches.len() as f64;
    assert!((kept - 0.3).abs() < 0.01);
}

#[test]
fn a_difference_told_among_many_needs_more_evidence() {
    // Mean 1.5, standard error 0.2887: 5.196 of them. Student's t for 3 degrees of freedom is 3.182 alone and 5.841 among five.
    let (a, b) = ([2.0, 3.0, 2.0, 3.0], [1.0; 4]);
    let (alone, among) = (paired_difference(&a, &b, 1), paired_difference(&a, &b, 5));
    assert!(alone.significant && !among.significant);
    assert_eq!((alone.value, alone.ci95), (among.value, among.ci95));
}

#[test]
fn welchs_interval_is_that_of_a_worked_example() {
    // 9.9047 degrees of freedom, t = 2.23105, by numerical integration of the density with another program.
    let a = [17.2, 20.9, 22.6, 18.1, 21.7, 21.4, 23.5, 24.2, 14.7, 21.8];
    let b = [21.5, 22.8, 21.0, 23.0, 21.6, 23.6, 22.5, 20.7, 23.4, 21.8, 20.7, 21.7, 21.5, 22.5, 23.6, 21.5, 22.5, 23.5, 21.5, 21.8];
    let found = welch_difference(&a, &b, 1).unwrap();
    let (low, high) = found.ci95.unwrap();
    assert!((found.value - (20.61 - 22.135)).abs() < 1e-9);
    assert!((low + 3.698_42).abs() < 1e-3 && (high - 0.648_42).abs() < 1e-3, "{low} {high}");
    assert!(welch_difference(&a, &b[..1], 1).is_none());
}
