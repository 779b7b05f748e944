//! The samplers against closed forms, against `rand_distr`, and against their own past.

use super::*;
use crate::rng::{Rng, mix64, stream};
use proptest::prelude::*;
use rand_distr::Distribution as _;
use statrs::function::gamma::{gamma, gamma_lr};
use std::f64::consts::SQRT_2;

const MS: f64 = 1e6;
const DRAWS: usize = 1_000_000;

fn ms(value: u64) -> Span {
    Span::from_millis(value)
}

fn shares(values: &[f64]) -> Vec<Share> {
    values.iter().map(|&value| Share(value)).collect()
}

/// A distribution with its raw moments E(X^j), infinite where they are, and its cumulated distribution function, in ns.
struct Case {
    name: &'static str,
    distribution: Distribution,
    moment: Box<dyn Fn(f64) -> f64>,
    cdf: Box<dyn Fn(f64) -> f64>,
}

fn case(name: &'static str, distribution: Distribution, moment: impl Fn(f64) -> f64 + 'static, cdf: impl Fn(f64) -> f64 + 'static) -> Case {
    Case { name, distribution, moment: Box::new(moment), cdf: Box::new(cdf) }
}

fn exponential_case() -> Case {
    let distribution = Distribution::Exponential { mean: ms(10) };
    case("exponential", distribution, |j| gamma(j + 1.0) * (10.0 * MS).powf(j), |x| 1.0 - (-x / (10.0 * MS)).exp())
}

fn gamma_case(name: &'static str, distribution: Distribution, shape: f64) -> Case {
    let scale = 10.0 * MS / shape;
    let moment = move |j| gamma(shape + j) / gamma(shape) * scale.powf(j);
    case(name, distribution, moment, move |x| gamma_lr(shape, x / scale))
}

fn mixture_case(name: &'static str, distribution: Distribution, parts: [(f64, f64); 2]) -> Case {
    let moment = move |j: f64| parts.iter().map(|(p, mean)| p * gamma(j + 1.0) * mean.powf(j)).sum();
    case(name, distribution, moment, move |x| parts.iter().map(|(p, mean)| p * (1.0 - (-x / mean).exp())).sum())
}

fn uniform_case() -> Case {
    let (min, max) = (5.0 * MS, 15.0 * MS);
    let distribution = Distribution::Uniform { min: ms(5), max: ms(15) };
    let moment = move |j: f64| (max.powf(j + 1.0) - min.powf(j + 1.0)) / ((j + 1.0) * (max - min));
    case("uniform", distribution, moment, move |x| ((x - min) / (max - min)).clamp(0.0, 1.0))
}

/// The moments of max(0, X): M0 = Phi(m/s), M1 = m M0 + s phi(m/s), then M_j = m M_(j-1) + (j-1) s^2 M_(j-2), by parts.
fn normal_case(name: &'static str, mean_ms: u64, sd_ms: u64) -> Case {
    let (mean, sd) = (mean_ms as f64 * MS, sd_ms as f64 * MS);
    let below = move |x: f64| 0.5 * libm::erfc((mean - x) / sd / SQRT_2);
    let moment = move |j: f64| {
        let density = (-0.5 * (mean / sd).powi(2)).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let mut moments = vec![1.0 - below(0.0)];
        moments.push(mean * moments[0] + sd * density);
        for i in 2..=j as usize {
            moments.push(mean * moments[i - 1] + (i - 1) as f64 * sd * sd * moments[i - 2]);
        }
        moments[j as usize]
    };
    case(name, Distribution::Normal { mean: ms(mean_ms), sd: ms(sd_ms) }, moment, below)
}

fn lognormal_case(name: &'static str, cv: f64) -> Case {
    let variance = (1.0 + cv * cv).ln();
    let mu = (10.0 * MS).ln() - variance / 2.0;
    let moment = move |j: f64| (j * mu + j * j * variance / 2.0).exp();
    let cdf = move |x: f64| 0.5 * libm::erfc((mu - x.ln()) / variance.sqrt() / SQRT_2);
    case(name, Distribution::Lognormal { mean: ms(10), cv }, moment, cdf)
}

fn weibull_case(name: &'static str, shape: f64) -> Case {
    let scale = 10.0 * MS / gamma(1.0 + 1.0 / shape);
    let moment = move |j: f64| scale.powf(j) * gamma(1.0 + j / shape);
    case(name, Distribution::Weibull { mean: ms(10), shape }, moment, move |x| 1.0 - (-(x / scale).powf(shape)).exp())
}

fn pareto_case(name: &'static str, alpha: f64) -> Case {
    let min = 2.0 * MS;
    let moment = move |j: f64| if alpha > j { alpha * min.powf(j) / (alpha - j) } else { f64::INFINITY };
    let cdf = move |x: f64| if x < min { 0.0 } else { 1.0 - (min / x).powf(alpha) };
    case(name, Distribution::Pareto { min: ms(2), alpha }, moment, cdf)
}

fn bounded_pareto_case(name: &'static str, alpha: f64) -> Case {
    let (min, max) = (2.0 * MS, 1000.0 * MS);
    let whole = 1.0 - (min / max).powf(alpha);
    let moment = move |j: f64| {
        let integral = if j == alpha { (max / min).ln() } else { (max.powf(j - alpha) - min.powf(j - alpha)) / (j - alpha) };
        alpha * min.powf(alpha) / whole * integral
    };
    let cdf = move |x: f64| ((1.0 - (min / x).powf(alpha)) / whole).clamp(0.0, 1.0);
    case(name, Distribution::BoundedPareto { min: ms(2), max: ms(1000), alpha }, moment, cdf)
}

fn discrete_case(name: &'static str, distribution: Distribution, parts: &'static [(f64, f64)]) -> Case {
    let moment = move |j: f64| parts.iter().map(|(p, value)| p * (value * MS).powf(j)).sum();
    case(name, distribution, moment, move |x| parts.iter().filter(|(_, value)| value * MS <= x).map(|(p, _)| p).sum())
}

fn two_values() -> Distribution {
    Distribution::Bimodal { values: vec![ms(10), ms(100)], shares: shares(&[0.95, 0.05]) }
}

fn from_file() -> Distribution {
    Distribution::Empirical { file: "work.csv".into(), column: "ms".into(), unit: ms(1) }
}

fn file_values() -> Option<Arc<[Span]>> {
    Some([ms(1), ms(2), ms(2), ms(30)].into())
}

fn cases() -> Vec<Case> {
    let two_exponentials =
        Distribution::Hyperexponential { means: Some(vec![ms(5), ms(50)]), shares: Some(shares(&[0.9, 0.1])), mean: None, cv: None };
    let balanced = Distribution::Hyperexponential { means: None, shares: None, mean: Some(ms(10)), cv: Some(2.0) };
    let p = (1.0 + 0.6f64.sqrt()) / 2.0;
    vec![
        exponential_case(),
        gamma_case("erlang of 4", Distribution::Erlang { k: 4, mean: ms(10) }, 4.0),
        gamma_case("erlang of 30", Distribution::Erlang { k: 30, mean: ms(10) }, 30.0),
        mixture_case("hyperexponential by means", two_exponentials, [(0.9, 5.0 * MS), (0.1, 50.0 * MS)]),
        mixture_case("hyperexponential by cv", balanced, [(p, 5.0 * MS / p), (1.0 - p, 5.0 * MS / (1.0 - p))]),
        uniform_case(),
        normal_case("normal", 10, 2),
        normal_case("normal that is often cut", 10, 15),
        lognormal_case("lognormal", 0.5),
        lognormal_case("lognormal with a tail", 1.5),
        gamma_case("gamma with cv 2", Distribution::Gamma { mean: ms(10), cv: 2.0 }, 0.25),
        gamma_case("gamma with cv 1/2", Distribution::Gamma { mean: ms(10), cv: 0.5 }, 4.0),
        weibull_case("weibull with shape 1/2", 0.5),
        weibull_case("weibull with shape 3", 3.0),
        pareto_case("pareto", 2.5),
        pareto_case("pareto with a light tail", 9.0),
        bounded_pareto_case("bounded pareto", 1.1),
        bounded_pareto_case("bounded pareto with alpha 1", 1.0),
        discrete_case("bimodal", two_values(), &[(0.95, 10.0), (0.05, 100.0)]),
        discrete_case("empirical", from_file(), &[(0.25, 1.0), (0.5, 2.0), (0.25, 30.0)]),
    ]
}

fn draws(sampler: &Sampler, name: &str, n: usize) -> Vec<u64> {
    let mut rng = stream(7, 0, name);
    (0..n).map(|_| sampler.sample(&mut rng).0).collect()
}

/// Within 5 standard errors (two-sided confidence 0.9999994), of the closed form's own variance and fourth moment.
fn assert_moments(case: &Case, values: &[u64]) {
    let [m1, m2, m3, m4] = [1.0, 2.0, 3.0, 4.0].map(|j| (case.moment)(j));
    let n = values.len() as f64;
    let variance = m2 - m1 * m1;
    let mean = values.iter().map(|&x| x as f64).sum::<f64>() / n;
    assert!((mean - m1).abs() < 5.0 * (variance / n).sqrt(), "{}: mean {mean} instead of {m1}", case.name);

    let fourth = m4 - 4.0 * m3 * m1 + 6.0 * m2 * m1 * m1 - 3.0 * m1.powi(4);
    if fourth.is_finite() {
        let drawn = values.iter().map(|&x| (x as f64 - m1).powi(2)).sum::<f64>() / n;
        let standard_error = ((fourth - variance * variance) / n).sqrt();
        assert!((drawn - variance).abs() < 5.0 * standard_error, "{}: variance {drawn} instead of {variance}", case.name);
    }
}

/// The share of values up to a quantile is binomial: within 5 standard errors of what the closed form says.
fn assert_quantiles(case: &Case, values: &[u64]) {
    for q in [0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999] {
        // Values are rounded, so that x stands for everything below x + 1/2.
        let up_to = |x: u64| (case.cdf)(x as f64 + 0.5);
        let (mut low, mut high) = (0, SPAN_MAX.0);
        while low < high {
            let middle = low.midpoint(high);
            if up_to(middle) < q { low = middle + 1 } else { high = middle }
        }
        let expected = up_to(low).min(1.0);
        let share = values.iter().filter(|&&x| x <= low).count() as f64 / values.len() as f64;
        let standard_error = (expected * (1.0 - expected) / values.len() as f64).sqrt();
        assert!((share - expected).abs() <= 5.0 * standard_error, "{}: {share} instead of {expected} lie up to {low} ns", case.name);
    }
}

#[test]
fn every_distribution_has_its_mean_variance_and_quantiles() {
    for case in cases() {
        let values = draws(&case.distribution.sampler(file_values()), case.name, DRAWS);
        assert_moments(&case, &values);
        assert_quantiles(&case, &values);
    }
}

#[test]
fn the_stated_mean_is_the_closed_form() {
    for case in cases() {
        let (stated, expected) = (case.distribution.sampler(file_values()).mean(), (case.moment)(1.0) / 1e9);
        assert!((stated / expected - 1.0).abs() < 1e-9, "{}: {stated} instead of {expected}", case.name);
    }
    for cv in [1.0, 1.7, 30.0, 1000.0] {
        let balanced = Distribution::Hyperexponential { means: None, shares: None, mean: Some(ms(10)), cv: Some(cv) };
        assert!((balanced.sampler(None).mean() / 0.01 - 1.0).abs() < 1e-9);
    }
}

#[test]
fn a_pareto_without_a_mean_says_so_and_still_draws_spans() {
    for alpha in [1e-9, 0.05, 1.0] {
        let sampler = Distribution::Pareto { min: ms(1), alpha }.sampler(None);
        assert_eq!(sampler.mean(), f64::INFINITY);
        let values = draws(&sampler, "heavy", 100_000);
        assert!(values.iter().all(|&x| (ms(1).0..=SPAN_MAX.0).contains(&x)));
        // With alpha 0.05 a value exceeds a century with probability (1 ms / 100 years)^0.05 = 0.24.
        assert_eq!(values.contains(&SPAN_MAX.0), alpha < 1.0);
    }
}

#[test]
fn what_cannot_vary_is_known_to_be_constant() {
    let constants = [
        Distribution::Constant(ms(10)),
        Distribution::Uniform { min: ms(10), max: ms(10) },
        Distribution::Normal { mean: ms(10), sd: Span::ZERO },
        Distribution::Bimodal { values: vec![ms(10), ms(10)], shares: shares(&[0.5, 0.5]) },
    ];
    for distribution in constants {
        let sampler = distribution.sampler(None);
        assert_eq!(sampler.constant(), Some(ms(10)));
        assert_eq!(sampler.mean(), 0.01);
        assert_eq!(sampler.sample(&mut stream(1, 0, "work")), ms(10));
    }
    assert_eq!(from_file().sampler(Some([ms(3), ms(3)].into())).constant(), Some(ms(3)));
    assert!(cases().iter().all(|case| case.distribution.sampler(file_values()).constant().is_none()));
}

#[test]
fn a_uniform_reaches_both_ends() {
    let values = draws(&Distribution::Uniform { min: Span(1), max: Span(3) }.sampler(None), "ends", 1000);
    // Each of the three is missed with probability (2/3)^1000.
    assert!([1, 2, 3].iter().all(|end| values.contains(end)) && values.iter().all(|x| (1..=3).contains(x)));
}

#[test]
fn a_share_of_zero_is_never_drawn() {
    // The tenths sum to a little less than one; the last share above zero must take what is left.
    let mut parts = vec![0.1; 10];
    parts.push(0.0);
    let values: Vec<Span> = (0..11).map(Span::from_millis).collect();
    let sampler = Distribution::Bimodal { values, shares: shares(&parts) }.sampler(None);
    assert!(draws(&sampler, "shares", DRAWS).iter().all(|&x| x < 10 * 1_000_000));
    let Sampler::Choice { up_to, .. } = sampler else { panic!("a choice of values") };
    assert_eq!(up_to[9..], [1.0, 1.0]);
}

/// Two-sample Kolmogorov-Smirnov: the largest distance between the empirical distribution functions of n values each stays
/// below sqrt(-ln(level / 2) / n).
fn assert_same_distribution(name: &str, distribution: Distribution, mut oracle: impl FnMut(&mut Rng) -> f64) {
    let (n, level) = (300_000, 0.001f64);
    let mut ours = draws(&distribution.sampler(None), name, n);
    let mut rng = stream(8, 0, name);
    let mut theirs: Vec<u64> = (0..n).map(|_| (oracle(&mut rng).max(0.0) + 0.5) as u64).collect();
    ours.sort_unstable();
    theirs.sort_unstable();
    let (mut i, mut k, mut distance) = (0, 0, 0);
    while i < n && k < n {
        let x = ours[i].min(theirs[k]);
        i += ours[i..].iter().take_while(|&&value| value == x).count();
        k += theirs[k..].iter().take_while(|&&value| value == x).count();
        distance = distance.max(i.abs_diff(k));
    }
    let (distance, bound) = (distance as f64 / n as f64, (-(level / 2.0).ln() / n as f64).sqrt());
    assert!(distance < bound, "{name}: distance {distance}, at level {level} less than {bound}");
}

#[test]
fn our_samplers_and_those_of_rand_distr_draw_alike() {
    let ten = 10.0 * MS;
    let exponential = rand_distr::Exp::new(1.0 / ten).unwrap();
    assert_same_distribution("exponential", Distribution::Exponential { mean: ms(10) }, |rng| exponential.sample(rng));
    let normal = rand_distr::Normal::new(ten, 8.0 * MS).unwrap();
    assert_same_distribution("normal", Distribution::Normal { mean: ms(10), sd: ms(8) }, |rng| normal.sample(rng));
    for cv in [0.3, 1.0, 3.0] {
        let lognormal = rand_distr::LogNormal::from_mean_cv(ten, cv).unwrap();
        assert_same_distribution("lognormal", Distribution::Lognormal { mean: ms(10), cv }, |rng| lognormal.sample(rng));
        let gamma = rand_distr::Gamma::new(1.0 / (cv * cv), ten * cv * cv).unwrap();
        assert_same_distribution("gamma", Distribution::Gamma { mean: ms(10), cv }, |rng| gamma.sample(rng));
    }
    for shape in [0.5, 1.0, 4.0] {
        let weibull = rand_distr::Weibull::new(ten / gamma(1.0 + 1.0 / shape), shape).unwrap();
        assert_same_distribution("weibull", Distribution::Weibull { mean: ms(10), shape }, |rng| weibull.sample(rng));
    }
}

/// What every sampler gave when it was written: the same on every platform, with every set of features. The hash covers the
/// first 10,000 values, hence the branches that one draw in 100 takes.
#[test]
fn the_first_values_of_a_stream_never_change() {
    let drawn: Vec<String> = cases()
        .iter()
        .map(|case| {
            let sampler = case.distribution.sampler(file_values());
            let mut rng = stream(42, 0, "golden");
            let values: Vec<u64> = (0..10_000).map(|_| sampler.sample(&mut rng).0).collect();
            let hash = values.iter().fold(0, |hash, &value| mix64(hash ^ value));
            format!("{}: {:?} {hash:016x}", case.name, &values[..8])
        })
        .collect();
    assert_eq!(drawn, GOLDEN);
}

const GOLDEN: [&str; 20] = [
    "exponential: [15610906, 1564771, 1314925, 2293656, 22521279, 22898377, 10145192, 790538] 3498f908e02da124",
    "erlang of 4: [5196065, 14088846, 7154332, 5152137, 5384210, 11585537, 7363435, 4360799] a3b34ae9c2ef2ee7",
    "erlang of 30: [12767942, 10297028, 7017931, 8322561, 9786047, 8885998, 9078033, 9021489] 01c2e9afa695cf9c",
    "hyperexponential by means: [7823856, 1146828, 114491883, 395269, 7284617, 3841451, 1844968, 55800648] eec92a075d326ae4",
    "hyperexponential by cv: [6942095, 1292495, 101588457, 445475, 8209885, 4329379, 2079310, 49511822] 571ad539f3d6115c",
    "uniform: [14631805, 6593507, 8689465, 6001840, 14195366, 10911673, 10765621, 5469747] a011298d60f30317",
    "normal: [12905533, 10356403, 10443551, 9630109, 6469794, 7051751, 8174487, 9855118] 5fdb7a44e44975cc",
    "normal that is often cut: [31791499, 12673021, 13326632, 7225816, 0, 0, 0, 8913384] 8f8d3e223a0cfb82",
    "lognormal: [17765747, 9729789, 9932138, 8196019, 3885348, 4457844, 5811535, 8643379] 0b15b6221baa5a57",
    "lognormal with a tail: [26855387, 6730999, 7057071, 4537925, 816244, 1119477, 2059196, 5127465] d06897cb91263afa",
    "gamma with cv 2: [85272, 839062, 586935, 55449, 2518377, 240169, 7969329, 3205347] eee109b20e50e046",
    "gamma with cv 1/2: [18028295, 10269850, 3047283, 5454677, 8897242, 6691307, 7138613, 7005563] f9a6ca664639e627",
    "weibull with shape 1/2: [12185020, 122425, 86451, 263043, 25360401, 26216783, 5146246, 31247] daa2c9c0e8590092",
    "weibull with shape 3: [12990760, 6034512, 5694542, 6854903, 14678765, 14760239, 11252403, 4806173] e6cfd2d16b5ffe6f",
    "pareto: [3734386, 2129182, 2108010, 2192173, 4923395, 4998222, 3001028, 2064254] 20c6d8c33d723b9d",
    "pareto with a light tail: [2378813, 2035077, 2029435, 2051625, 2568658, 2579443, 2238647, 2017645] 7b332a2ff19598e1",
    "bounded pareto: [39233088, 2341432, 3037667, 2201209, 19548913, 4503575, 4362495, 2089321] c00abeaca6417f28",
    "bounded pareto with alpha 1: [51618363, 2378212, 3165602, 2222182, 24300593, 4877869, 4710415, 2098373] 46a9c624c33155f7",
    "bimodal: [100000000, 10000000, 10000000, 10000000, 10000000, 10000000, 10000000, 10000000] c3e74b31242c28a0",
    "empirical: [30000000, 1000000, 2000000, 1000000, 30000000, 2000000, 2000000, 1000000] 0c08dc3ad078a310",
];

/// The fields in which something is wrong.
fn wrong_fields(distribution: &Distribution) -> Vec<String> {
    distribution.validate().err().unwrap_or_default().into_iter().map(|(field, _)| field).collect()
}

#[test]
fn what_is_impossible_is_named_by_its_field() {
    let mean = ms(10);
    let zero = Span::ZERO;
    let hyper = |means: &[Span], parts: &[f64], mean, cv| Distribution::Hyperexponential {
        means: (!means.is_empty()).then(|| means.to_vec()),
        shares: (!parts.is_empty()).then(|| shares(parts)),
        mean,
        cv,
    };
    let wrong = [
        (Distribution::Constant(Span(u64::MAX)), vec![""]),
        (Distribution::Exponential { mean: zero }, vec!["mean"]),
        (Distribution::Erlang { k: 0, mean: zero }, vec!["k", "mean"]),
        (hyper(&[], &[], None, None), vec![""]),
        (hyper(&[], &[], Some(mean), None), vec![""]),
        (hyper(&[mean], &[1.0], Some(mean), Some(2.0)), vec![""]),
        (hyper(&[], &[], Some(mean), Some(0.9)), vec!["cv"]),
        (hyper(&[mean, zero], &[0.5, 0.5], None, None), vec!["means[1]"]),
        (hyper(&[mean, mean], &[1.0], None, None), vec!["shares"]),
        (hyper(&[mean, mean], &[0.5, 0.6], None, None), vec!["shares"]),
        (hyper(&[mean, mean], &[1.5, -0.5], None, None), vec!["shares[0]", "shares[1]"]),
        (hyper(&[mean, mean], &[0.5, f64::NAN], None, None), vec!["shares[1]", "shares"]),
        (Distribution::Uniform { min: ms(2), max: ms(1) }, vec!["min"]),
        (Distribution::Normal { mean: zero, sd: zero }, vec!["mean"]),
        (Distribution::Lognormal { mean, cv: 0.0 }, vec!["cv"]),
        (Distribution::Lognormal { mean, cv: f64::NAN }, vec!["cv"]),
        (Distribution::Gamma { mean: zero, cv: -1.0 }, vec!["mean", "cv"]),
        (Distribution::Gamma { mean, cv: f64::INFINITY }, vec!["cv"]),
        (Distribution::Weibull { mean, shape: 0.0 }, vec!["shape"]),
        (Distribution::Weibull { mean, shape: f64::INFINITY }, vec!["shape"]),
        (Distribution::Pareto { min: zero, alpha: 0.0 }, vec!["min", "alpha"]),
        (Distribution::Pareto { min: mean, alpha: f64::NAN }, vec!["alpha"]),
        (Distribution::BoundedPareto { min: mean, max: mean, alpha: 1.0 }, vec!["max"]),
        (Distribution::Bimodal { values: vec![], shares: vec![] }, vec!["values", "shares"]),
        (Distribution::Bimodal { values: vec![mean], shares: shares(&[0.5, 0.5]) }, vec!["shares"]),
        (Distribution::Empirical { file: String::new(), column: String::new(), unit: zero }, vec!["file", "column", "unit"]),
    ];
    for (distribution, fields) in wrong {
        assert_eq!(wrong_fields(&distribution), fields, "{distribution:?}");
    }
}

#[test]
fn what_is_possible_passes() {
    for case in cases() {
        assert_eq!(case.distribution.validate(), Ok(()), "{}", case.name);
    }
    let zeros = Distribution::Bimodal { values: vec![Span::ZERO, ms(1)], shares: shares(&[0.333_333_3, 0.666_666_6]) };
    assert_eq!(zeros.validate(), Ok(()));
    assert_eq!(Distribution::Constant(Span::ZERO).validate(), Ok(()));
    assert_eq!(Distribution::Uniform { min: Span::ZERO, max: Span::ZERO }.validate(), Ok(()));
}

#[test]
fn a_message_says_what_would_be_right() {
    let uneven = Distribution::Bimodal { values: vec![ms(1), ms(2)], shares: shares(&[0.5, 0.4]) };
    assert_eq!(uneven.validate(), Err(vec![("shares".into(), "sum to 0.9; they must sum to one".into())]));
    let backwards = Distribution::Uniform { min: ms(15), max: ms(5) };
    assert_eq!(backwards.validate(), Err(vec![("min".into(), "`15ms` is above `max`, which is `5ms`; swap them".into())]));
}

#[test]
#[should_panic(expected = "validated before it is sampled")]
fn an_impossible_distribution_makes_no_sampler() {
    Distribution::Erlang { k: 0, mean: ms(1) }.sampler(None);
}

/// Whatever passes the validation, to the ends of the ranges; spans up to 104 days, where f64 still has whole nanoseconds.
fn possible() -> impl Strategy<Value = Distribution> {
    let span = || prop_oneof![1..=1000u64, 1..=1u64 << 53].prop_map(Span);
    let cv = || (-6.0..=3.0f64).prop_map(|exponent| 10f64.powf(exponent).clamp(1e-6, 1e3));
    let alpha = || (-9.0..=9.0f64).prop_map(|exponent| 10f64.powf(exponent));
    prop_oneof![
        span().prop_map(|mean| Distribution::Exponential { mean }),
        (1..=u32::MAX, span()).prop_map(|(k, mean)| Distribution::Erlang { k, mean }),
        (span(), 1.0..=1e3).prop_map(|(mean, cv)| Distribution::Hyperexponential {
            means: None,
            shares: None,
            mean: Some(mean),
            cv: Some(cv)
        }),
        (span(), span()).prop_map(|(a, b)| Distribution::Uniform { min: a.min(b), max: a.max(b) }),
        (span(), span()).prop_map(|(mean, sd)| Distribution::Normal { mean, sd }),
        (span(), cv()).prop_map(|(mean, cv)| Distribution::Lognormal { mean, cv }),
        (span(), cv()).prop_map(|(mean, cv)| Distribution::Gamma { mean, cv }),
        (span(), 0.01..=1e6).prop_map(|(mean, shape)| Distribution::Weibull { mean, shape }),
        (span(), alpha()).prop_map(|(min, alpha)| Distribution::Pareto { min, alpha }),
        (span(), span(), alpha()).prop_filter("needs room", |(a, b, _)| a != b).prop_map(|(a, b, alpha)| Distribution::BoundedPareto {
            min: a.min(b),
            max: a.max(b),
            alpha
        }),
    ]
}

proptest! {
    #[test]
    fn whatever_is_possible_draws_spans_within_its_bounds(distribution in possible(), seed in any::<u64>()) {
        prop_assert_eq!(distribution.validate(), Ok(()));
        let sampler = distribution.sampler(None);
        let mut rng = stream(seed, 0, "work");
        let values: Vec<Span> = (0..100).map(|_| sampler.sample(&mut rng)).collect();
        let (least, most) = match distribution {
            Distribution::Uniform { min, max } | Distribution::BoundedPareto { min, max, .. } => (min, max),
            Distribution::Pareto { min, .. } => (min, SPAN_MAX),
            _ => (Span::ZERO, SPAN_MAX),
        };
        prop_assert!(values.iter().all(|value| (least..=most).contains(value)));
        let stated = match distribution {
            Distribution::Exponential { mean } | Distribution::Erlang { mean, .. } | Distribution::Weibull { mean, .. } => Some(mean),
            Distribution::Lognormal { mean, .. } | Distribution::Gamma { mean, .. } => Some(mean),
            Distribution::Hyperexponential { mean, .. } => mean,
            _ => None,
        };
        match stated {
            Some(mean) => prop_assert!((sampler.mean() / mean.as_secs_f64() - 1.0).abs() < 1e-9),
            None => prop_assert!(sampler.mean() * 1e9 >= least.0 as f64 * (1.0 - 1e-9), "{} {:?}", sampler.mean(), least),
        }
    }
}
