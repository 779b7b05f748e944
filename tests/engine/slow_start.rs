//! Slow start: the share of a server that comes back follows its factor.

use crate::trial::replications_in_bins;
use lbsim::control::slow_start::Shape;
use lbsim::units::Span;

/// Requests to each of three servers in bins of ten seconds. The first is out from 10 s on and back with the check at 31 s.
fn bins(algorithm: &str, slow_start: &str) -> Vec<[f64; 3]> {
    let text = format!(
        "duration: 200s\nclients: [{{ name: c, arrivals: {{ poisson: {{ rate: 2000/s }} }}, requests: [{{ work: {{ constant: 100us }} }}] }}]\n\
         servers: [{{ name: s, count: 3, slots: 10 }}]\nbalancers: [{{ name: lb, targets: [s], algorithm: {algorithm}, {slow_start} \
         health_check: {{ tcp: {{}}, interval: 1s, timeout: 500ms, phase: zero, unhealthy_after: 1, healthy_after: 1 }} }}]\n\
         faults: [{{ crash: {{ server: s-1, at: 9500ms, for: 21s }} }}]\n"
    );
    let runs = replications_in_bins(&text, 2, Some(Span::from_secs(10)));
    let attempts = |bin: usize, server: usize| runs.iter().map(|run| f64::from(run.timeline.server_bins[bin * 3 + server].attempts)).sum();
    (0..20).map(|bin| [0, 1, 2].map(|server| attempts(bin, server))).collect()
}

/// The mean factor between two ages, by small steps.
fn mean_factor(shape: Shape, window_s: f64, from_s: f64, to_s: f64) -> f64 {
    let at = |i: f64| from_s + (to_s - from_s) * (i + 0.5) / 1000.0;
    // A share, not a factor, is averaged over time: f / (f + 2).
    (0..1000)
        .map(|i| shape.factor(Span::from_secs_f64(at(f64::from(i))), Span::from_secs_f64(window_s)))
        .map(|f| f / (f + 2.0))
        .sum::<f64>()
        / 1000.0
}

#[test]
fn the_share_of_a_server_that_comes_back_follows_its_factor() {
    let cases = [
        ("slow_start: 100s,", Shape::Linear),
        ("slow_start: { for: 100s, shape: envoy, aggression: 2 },", Shape::Envoy { aggression: 2.0, share_min: 0.1 }),
        ("slow_start: { for: 100s, shape: haproxy },", Shape::HaProxy),
    ];
    for algorithm in ["round_robin", "weighted_round_robin", "random", "weighted_random"] {
        for (slow_start, shape) in cases {
            let bins = bins(algorithm, slow_start);
            for (bin, served) in bins.iter().enumerate().take(20).skip(4) {
                let share = served[0] / served.iter().sum::<f64>();
                let age_s = bin as f64 * 10.0 - 31.0;
                let expected = mean_factor(shape, 100.0, age_s, age_s + 10.0);
                // Two runs with 20,000 requests in a bin: standard error at most 0.0024; five of them.
                assert!((share - expected).abs() < 0.012, "{algorithm} {slow_start} bin {bin}: {share}, expected {expected}");
            }
        }
    }
}

#[test]
fn without_it_the_share_is_full_at_once_and_least_connections_floods() {
    let share = |bins: &[[f64; 3]]| bins[4][0] / bins[4].iter().sum::<f64>();
    assert!((share(&bins("round_robin", "")) - 1.0 / 3.0).abs() < 0.012);
    let (slow, at_once) = (share(&bins("least_connections", "slow_start: 100s,")), share(&bins("least_connections", "")));
    assert!(slow < 0.12 && at_once > 0.32, "{slow} {at_once}");
    let weighted = share(&bins("weighted_least_connections", "slow_start: 100s,"));
    assert!(weighted < 0.34, "{weighted}");
}
