//! What every algorithm must keep, checked for each line of the table; and the harness that the algorithms' own tests use.

use super::*;
use crate::rng::{below, stream};

/// A policy with its targets, and the counts kept as a balancer keeps them.
pub struct Harness {
    pub targets: Targets,
    policy: Box<dyn Policy>,
    rng: Rng,
    now: Time,
}

impl Harness {
    pub fn new(config: &impl Recipe, targets: Targets) -> Harness {
        Harness::of(config.build(&targets), targets)
    }

    fn of(mut policy: Box<dyn Policy>, targets: Targets) -> Harness {
        policy.on_change(&targets);
        Harness { targets, policy, rng: stream(7, 0, "policy"), now: Time(0) }
    }

    /// A request that nothing distinguishes.
    pub fn pick(&mut self) -> Pick {
        self.pick_for(|_| ())
    }

    pub fn pick_for(&mut self, describe: impl FnOnce(&mut Request<'static>)) -> Pick {
        let mut request = Request { now: self.now, address: IpAddr::from([10, 0, 0, 1]), session: 1, path: "/" };
        describe(&mut request);
        self.policy.pick(&request, &self.targets, &mut self.rng)
    }

    fn pick_target(&mut self) -> TargetId {
        match self.pick() {
            Pick::Target(target) => target,
            other => panic!("{other:?} where a target was due"),
        }
    }

    pub fn send(&mut self, target: TargetId) {
        self.targets.in_flight[target as usize] += 1;
        self.policy.on_sent(target, &self.targets);
    }

    fn end(&mut self, target: TargetId, latency: Span, is_answered: bool) {
        self.now += latency;
        self.targets.in_flight[target as usize] -= 1;
        let outcome = Outcome { now: self.now, latency, is_answered, is_ok: is_answered };
        self.policy.on_done(target, &outcome, &self.targets);
    }

    pub fn done(&mut self, target: TargetId) {
        self.end(target, Span::from_millis(10), true);
    }

    /// A connection to `target` was refused.
    pub fn fail(&mut self, target: TargetId) {
        self.end(target, Span::ZERO, false);
    }

    /// Sends one request there that is answered after `latency`.
    pub fn answer(&mut self, target: TargetId, latency: Span) {
        self.send(target);
        self.end(target, latency, true);
    }

    pub fn set_eligible(&mut self, is_eligible: impl Fn(TargetId) -> bool) {
        self.targets.set_eligible(is_eligible);
        self.policy.on_change(&self.targets);
    }

    /// Picks that are not sent.
    pub fn picks(&mut self, n: usize) -> Vec<TargetId> {
        (0..n).map(|_| self.pick_target()).collect()
    }

    /// Picks that are sent and stay in flight.
    pub fn held_picks(&mut self, n: usize) -> Vec<TargetId> {
        let mut held = || {
            let target = self.pick_target();
            self.send(target);
            target
        };
        (0..n).map(|_| held()).collect()
    }

    /// How often each target was picked, nothing being sent.
    pub fn counts(&mut self, n: usize) -> Vec<u64> {
        let picks = self.picks(n);
        self.count(picks)
    }

    /// The same, each request being answered before the next one comes.
    pub fn counts_one_by_one(&mut self, n: usize) -> Vec<u64> {
        let mut one = || {
            let target = self.pick_target();
            self.send(target);
            self.done(target);
            target
        };
        let picks = (0..n).map(|_| one()).collect();
        self.count(picks)
    }

    fn count(&self, picks: Vec<TargetId>) -> Vec<u64> {
        let mut counts = vec![0; self.targets.len()];
        picks.into_iter().for_each(|target| counts[target as usize] += 1);
        counts
    }
}

pub fn weighted(weights: &[u32]) -> Targets {
    Targets::new(weights.iter().enumerate().map(|(i, &weight)| (format!("s-{}", i + 1), weight, u32::MAX)))
}

pub fn with_slots(slots: &[u32]) -> Targets {
    Targets::new(slots.iter().enumerate().map(|(i, &slots)| (format!("s-{}", i + 1), 1, slots)))
}

/// Each share within 5 standard errors of a binomial count: a false alarm in 1.7 million comparisons.
pub fn assert_shares(counts: &[u64], shares: &[f64]) {
    let n: f64 = counts.iter().sum::<u64>() as f64;
    for (target, (&count, &share)) in counts.iter().zip(shares).enumerate() {
        let standard_error = (share * (1.0 - share) / n).sqrt();
        assert!((count as f64 / n - share).abs() <= 5.0 * standard_error, "target {target}: {counts:?}, expected shares {shares:?}");
    }
}

/// Every line of the table with its defaults, and the parameters that change the rule.
fn every_algorithm() -> Vec<Algorithm> {
    let with_parameters = [
        r#"{"round_robin": {"start": 5}}"#,
        r#"{"weighted_round_robin": {"order": "block", "start": 1}}"#,
        r#"{"least_connections": {"ties": "random"}}"#,
        r#"{"least_connections": {"ties": "first"}}"#,
        r#"{"least_connections": {"ties": "least_recently_changed"}}"#,
        r#"{"weighted_least_connections": {"ties": "random"}}"#,
        r#"{"weighted_least_connections": {"ties": "least_recently_changed"}}"#,
        r#"{"power_of_d": {"replacement": true}}"#,
        r#"{"power_of_d": {"d": 3}}"#,
        r#"{"power_of_d": {"d": 1000}}"#,
        r#"{"ip_hash": {"octets": 4}}"#,
        r#"{"consistent_hash": {"key": "path", "ring": "envoy"}}"#,
        r#"{"consistent_hash": {"key": "address", "points": 1}}"#,
        r#"{"consistent_hash": {"ring": "envoy", "min_ring_size": 2, "max_ring_size": 2}}"#,
    ];
    let defaults = Algorithm::ALL.iter().filter_map(|entry| Algorithm::by_name(entry.name));
    defaults.chain(with_parameters.iter().map(|text| serde_json::from_str(text).expect(text))).collect()
}

fn harness(algorithm: &Algorithm, targets: Targets) -> Harness {
    Harness::of(algorithm.build(&targets), targets)
}

/// A request with everything about it drawn.
fn some_request(seed: u64) -> impl FnOnce(&mut Request<'static>) {
    const PATHS: [&str; 3] = ["/", "/cart", "/pay"];
    move |request| {
        request.session = seed % 1000;
        request.path = PATHS[(seed % 3) as usize];
        request.address =
            if seed.is_multiple_of(5) { IpAddr::from((seed as u128).to_be_bytes()) } else { IpAddr::from((seed as u32).to_be_bytes()) };
    }
}

#[test]
fn the_table_is_complete_and_readable() {
    for entry in Algorithm::ALL {
        let algorithm = Algorithm::by_name(entry.name).expect(entry.name);
        assert_eq!(algorithm.name(), entry.name);
        let written: Algorithm = serde_json::from_str(&format!("{{\"{}\": {{}}}}", entry.name)).expect(entry.name);
        assert_eq!(written, algorithm, "the word in the file is the name, and nothing written means the defaults");
        assert!(entry.source.len() > 10, "{} names no source", entry.name);
        assert!(entry.about.len() > 10 && entry.about.len() < 90, "{}", entry.name);
        assert!(algorithm.validate().is_empty(), "{}: the defaults are fine", entry.name);
        assert_eq!(algorithm.is_oracle(), entry.is_oracle);
        assert!(!crate::later::is_later(entry.name));
        let unknown = format!("{{\"{}\": {{\"no_such_field\": 1}}}}", entry.name);
        assert!(serde_json::from_str::<Algorithm>(&unknown).is_err(), "{}: unknown fields are refused", entry.name);
    }
    assert_eq!(Algorithm::default().name(), "round_robin");
    assert_eq!(Algorithm::by_name("no_such_algorithm"), None);
    let oracles: Vec<&str> = Algorithm::ALL.iter().filter(|entry| entry.is_oracle).map(|entry| entry.name).collect();
    assert_eq!(oracles, ["central_queue"]);
}

#[test]
fn a_single_target_gets_everything() {
    for algorithm in every_algorithm() {
        let mut harness = harness(&algorithm, Targets::alike(1));
        for seed in 0..50 {
            assert_eq!(harness.pick_for(some_request(seed)), Pick::Target(0), "{algorithm:?}");
            harness.send(0);
        }
    }
}

#[test]
fn nobody_is_picked_where_nobody_is_eligible() {
    for algorithm in every_algorithm() {
        assert_eq!(harness(&algorithm, Targets::alike(0)).pick(), Pick::Nobody, "{algorithm:?} without targets");
        let mut harness = harness(&algorithm, Targets::alike(3));
        assert_ne!(harness.pick(), Pick::Nobody);
        harness.set_eligible(|_| false);
        assert_eq!(harness.pick(), Pick::Nobody, "{algorithm:?}");
        harness.set_eligible(|target| target == 1);
        assert_eq!(harness.pick(), Pick::Target(1), "{algorithm:?}");
    }
}

/// Sends, ends and eligibility at random; returns the picks. Panics where an ineligible target is picked, or where a request is
/// made to wait although an eligible target has a free slot, or by a policy that does not hold requests.
fn churn(algorithm: &Algorithm, n: usize, seed: u64) -> Vec<Pick> {
    let mut world = stream(seed, 0, "churn");
    let specs: Vec<_> = (0..n).map(|i| (format!("s-{i}"), 1 + below(&mut world, 4) as u32, 1 + below(&mut world, 3) as u32)).collect();
    let mut harness = harness(algorithm, Targets::new(specs));
    let mut in_flight: Vec<TargetId> = Vec::new();
    let mut picks = Vec::new();
    for _ in 0..20_000 {
        match below(&mut world, 20) {
            0 => {
                let out = below(&mut world, 1 << n.min(63));
                harness.set_eligible(|target| out >> (target % 63) & 1 == 0);
            }
            1..=9 if !in_flight.is_empty() => {
                let target = in_flight.swap_remove(below(&mut world, in_flight.len() as u64) as usize);
                match below(&mut world, 4) {
                    0 => harness.fail(target),
                    ms => harness.end(target, Span::from_millis(ms), true),
                }
            }
            _ => {
                let seed = below(&mut world, 1 << 40);
                let pick = harness.pick_for(some_request(seed));
                picks.push(pick);
                let targets = &harness.targets;
                match pick {
                    Pick::Target(target) => {
                        assert!(targets.is_eligible(target), "{algorithm:?} picked {target}, which is out");
                        in_flight.push(target);
                        harness.send(target);
                    }
                    Pick::Wait => {
                        let is_full = |&target: &TargetId| targets.in_flight[target as usize] >= targets.slots[target as usize];
                        assert!(targets.eligible().iter().all(is_full), "{algorithm:?} waits though a slot is free");
                        assert!(["first", "central_queue"].contains(&algorithm.name()));
                    }
                    Pick::Nobody => assert!(targets.eligible().is_empty(), "{algorithm:?} found nobody"),
                }
            }
        }
    }
    picks
}

#[test]
fn churn_never_leads_to_an_ineligible_target_and_runs_repeat_exactly() {
    for algorithm in every_algorithm() {
        for (n, seed) in [(2, 1), (7, 2), (40, 3)] {
            assert_eq!(churn(&algorithm, n, seed), churn(&algorithm, n, seed), "{algorithm:?}");
        }
    }
}

#[test]
fn least_connections_never_pick_more_than_the_least_after_churn() {
    for ties in ["round_robin", "random", "first", "least_recently_changed"] {
        let algorithm = serde_json::from_str(&format!("{{\"least_connections\": {{\"ties\": \"{ties}\"}}}}")).expect(ties);
        let mut world = stream(4, 0, "least");
        let mut harness = harness(&algorithm, Targets::alike(13));
        for _ in 0..5000 {
            let target = below(&mut world, 13) as TargetId;
            match below(&mut world, 3) {
                0 => harness.send(target),
                1 if harness.targets.in_flight[target as usize] > 0 => harness.done(target),
                _ => harness.set_eligible(|other| other != target),
            }
            let (picked, targets) = (harness.pick_target(), &harness.targets);
            let least = targets.eligible().iter().map(|&target| targets.in_flight[target as usize]).min();
            assert_eq!(Some(targets.in_flight[picked as usize]), least, "{ties}");
        }
    }
}

/// Retries that leave out the target just tried: what all picks together give must stay in proportion to the weights.
/// A rotation that started anew at each change would give the first target far more. The retries come at random moments:
/// in a fixed beat they resonate with the rotation, in nginx as here.
#[test]
fn leaving_out_targets_for_one_pick_keeps_rotations_fair() {
    let rotations = [
        r#"{"round_robin": {}}"#,
        r#"{"weighted_round_robin": {}}"#,
        r#"{"least_connections": {}}"#,
        r#"{"weighted_least_connections": {}}"#,
    ];
    for text in rotations {
        let algorithm: Algorithm = serde_json::from_str(text).expect(text);
        let mut harness = harness(&algorithm, Targets::alike(5));
        let mut counts = [0_u64; 5];
        let mut world = stream(5, 0, "retries");
        for _ in 0..30_000 {
            let tried = harness.pick_target();
            counts[tried as usize] += 1;
            if below(&mut world, 3) == 0 {
                harness.set_eligible(|target| target != tried);
                let other = harness.pick_target();
                assert_ne!(other, tried);
                counts[other as usize] += 1;
                harness.set_eligible(|_| true);
            }
        }
        let mean = counts.iter().sum::<u64>() / 5;
        assert!(counts.iter().all(|count| count.abs_diff(mean) <= mean / 50), "{algorithm:?}: {counts:?}");
    }
}

/// Weights 1, 2, 3, 6: exact to a cycle where the rule is a rotation, within 5 standard errors where it draws.
#[test]
fn weighted_algorithms_share_in_proportion() {
    let shares = [1.0, 2.0, 3.0, 6.0].map(|weight| weight / 12.0);
    for text in [r#"{"weighted_round_robin": {}}"#, r#"{"weighted_round_robin": {"order": "block"}}"#] {
        let algorithm: Algorithm = serde_json::from_str(text).expect(text);
        assert_eq!(harness(&algorithm, weighted(&[1, 2, 3, 6])).counts(12_000), [1000, 2000, 3000, 6000], "{text}");
    }
    // The first deadlines lie up to one cycle apart, which shifts each count by no more than its weight.
    let counts = harness(&Algorithm::LeastResponseTime(Default::default()), weighted(&[1, 2, 3, 6])).counts(12_000);
    assert!(counts.iter().zip([1, 2, 3, 6]).all(|(count, weight)| count.abs_diff(1000 * weight) <= weight), "{counts:?}");
    assert_shares(&harness(&Algorithm::WeightedRandom(Default::default()), weighted(&[1, 2, 3, 6])).counts(60_000), &shares);
    let mut harness = harness(&Algorithm::WeightedLeastConnections(Default::default()), weighted(&[1, 2, 3, 6]));
    harness.held_picks(1200);
    assert_eq!(harness.targets.in_flight, [100, 200, 300, 600]);
}
