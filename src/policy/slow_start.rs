//! Slow start: a target that joins, or comes back, gets its share step by step. A wrapping around another policy, which chooses.
//!
//! Where the policy goes by weights, it is shown smaller ones. Where it goes by turns or chance, a turn of such a target is taken with a
//! probability of its factor and else passed on, which makes the shares the same on average. Where it takes the least loaded, a refused
//! turn goes to the least loaded of the others.
//! Who starts slowly differs: with `linear` whoever joins while a warm one is there (AWS), with `envoy` everybody, with `haproxy` who was
//! in rotation before. Source: `control/slow_start.rs` has the products' rules.

use super::{Algorithm, Outcome, Pick, Policy, Request, TargetId, Targets, weighted_round_robin};
use crate::control::slow_start::{Peer, Shape, alb_enters};
use crate::rng::{Rng, unit};
use crate::units::{Span, Time};

/// Weights shown to a policy are multiplied by this, so that a small share of a weight of 1 can be told.
const SCALE: f64 = 1000.0;

/// How a target comes to its full share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    pub window: Span,
    pub shape: Shape,
    /// Least factor.
    pub least: f64,
}

impl Config {
    fn factor(&self, age: Span) -> f64 {
        self.shape.factor(age, self.window).max(self.least)
    }
}

/// How a policy can be slowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It goes by the weights that it sees.
    Weights,
    /// Another pick at the same moment is another turn or draw, and each target has one now and then.
    Turns,
    /// It takes the least loaded, however often it is asked.
    Least,
}

/// How an algorithm can be slowed; not at all where the target follows from the request or from a fixed order.
pub fn manner(algorithm: &Algorithm) -> Option<Manner> {
    use weighted_round_robin::Order;
    match algorithm {
        Algorithm::WeightedRoundRobin(config) if config.order == Order::Block => Some(Manner::Turns),
        Algorithm::WeightedRoundRobin(_) | Algorithm::WeightedRandom(_) | Algorithm::WeightedLeastConnections(_) => Some(Manner::Weights),
        Algorithm::RoundRobin(_) | Algorithm::Random(_) => Some(Manner::Turns),
        Algorithm::LeastConnections(_) | Algorithm::LeastResponseTime(_) | Algorithm::PowerOfD(_) => Some(Manner::Least),
        _ => None,
    }
}

/// The policy of an algorithm, slowed.
pub fn build(algorithm: &Algorithm, config: Config, targets: &Targets) -> Box<dyn Policy> {
    let Some(manner) = manner(algorithm) else { return algorithm.build(targets) };
    let mut shown = targets.clone();
    if manner == Manner::Weights {
        shown.weight = targets.weight.iter().map(|weight| scaled(*weight, 1.0)).collect();
    }
    // The balancer tells of those that are in rotation at the start.
    let was_in = vec![false; targets.len()];
    Box::new(SlowStart { inner: algorithm.build(&shown), manner, config, ramps: Vec::new(), was_in, shown, next_step: Time::ZERO })
}

fn scaled(weight: u32, factor: f64) -> u32 {
    ((f64::from(weight) * SCALE * factor) as u32).max(1)
}

struct SlowStart {
    inner: Box<dyn Policy>,
    manner: Manner,
    config: Config,
    /// Who is on its way, and since when.
    ramps: Vec<(TargetId, Time)>,
    /// Has been in rotation.
    was_in: Vec<bool>,
    /// What the inner policy sees: with other weights, or without those that were refused just now.
    shown: Targets,
    /// When the weights shown are to be worked out anew.
    next_step: Time,
}

impl SlowStart {
    fn factor(&self, target: TargetId, now: Time) -> f64 {
        let since = self.ramps.iter().find(|(ramping, _)| *ramping == target);
        since.map_or(1.0, |(_, since)| self.config.factor(now - *since))
    }

    /// Forgets who has arrived; whether anybody is left.
    fn is_anybody_slow(&mut self, now: Time) -> bool {
        let window = self.config.window;
        self.ramps.retain(|(_, since)| now - *since < window);
        !self.ramps.is_empty()
    }

    /// The largest factor among those that may be picked: nobody is refused where all are equally slow.
    fn largest(&self, targets: &Targets, now: Time) -> f64 {
        let slow = self.ramps.iter().filter(|(target, _)| targets.is_eligible(*target));
        if slow.clone().count() < targets.eligible().len() {
            return 1.0;
        }
        slow.map(|(target, _)| self.factor(*target, now)).fold(0.0, f64::max)
    }

    /// Shows the inner policy the weights of this moment.
    fn show_weights(&mut self, targets: &Targets, now: Time) {
        self.shown.weight =
            (0..targets.len() as TargetId).map(|target| scaled(targets.weight[target as usize], self.factor(target, now))).collect();
        self.shown.set_eligible(|target| targets.is_eligible(target));
        self.inner.on_change(&self.shown);
        self.next_step = if self.ramps.is_empty() { Time(u64::MAX) } else { now + self.config.shape.step(self.config.window) };
    }

    fn pick_by_turns(&mut self, request: &Request, targets: &Targets, rng: &mut Rng) -> Pick {
        let largest = self.largest(targets, request.now);
        loop {
            let pick = self.inner.pick(request, targets, rng);
            let Pick::Target(target) = pick else { return pick };
            let factor = self.factor(target, request.now);
            // Where nobody has anything yet, all are alike.
            if factor >= largest || unit(rng) * largest < factor {
                return pick;
            }
        }
    }

    fn pick_least(&mut self, request: &Request, targets: &Targets, rng: &mut Rng) -> Pick {
        let largest = self.largest(targets, request.now);
        let mut pick = self.inner.pick(request, targets, rng);
        let mut refused: Vec<TargetId> = Vec::new();
        while let Pick::Target(target) = pick {
            let factor = self.factor(target, request.now);
            if factor >= largest || unit(rng) * largest < factor || refused.len() + 1 >= targets.eligible().len() {
                break;
            }
            refused.push(target);
            self.shown.in_flight.clone_from(&targets.in_flight);
            self.shown.set_eligible(|other| targets.is_eligible(other) && !refused.contains(&other));
            self.inner.on_change(&self.shown);
            pick = self.inner.pick(request, &self.shown, rng);
        }
        if !refused.is_empty() {
            self.inner.on_change(targets);
        }
        pick
    }
}

impl Policy for SlowStart {
    fn pick(&mut self, request: &Request, targets: &Targets, rng: &mut Rng) -> Pick {
        let now = request.now;
        if self.manner == Manner::Weights {
            if now >= self.next_step {
                self.is_anybody_slow(now);
                self.show_weights(targets, now);
            }
            return self.inner.pick(request, &self.shown, rng);
        }
        if !self.is_anybody_slow(now) {
            return self.inner.pick(request, targets, rng);
        }
        match self.manner {
            Manner::Weights | Manner::Turns => self.pick_by_turns(request, targets, rng),
            Manner::Least => self.pick_least(request, targets, rng),
        }
    }

    fn reads_request(&self) -> bool {
        self.inner.reads_request()
    }

    fn on_sent(&mut self, target: TargetId, targets: &Targets) {
        let seen = if self.manner == Manner::Weights { &mut self.shown } else { return self.inner.on_sent(target, targets) };
        seen.in_flight[target as usize] = targets.in_flight[target as usize];
        self.inner.on_sent(target, seen);
    }

    fn on_done(&mut self, target: TargetId, outcome: &Outcome, targets: &Targets) {
        let seen = if self.manner == Manner::Weights { &mut self.shown } else { return self.inner.on_done(target, outcome, targets) };
        seen.in_flight[target as usize] = targets.in_flight[target as usize];
        self.inner.on_done(target, outcome, seen);
    }

    fn on_change(&mut self, targets: &Targets) {
        for &target in targets.eligible() {
            self.was_in[target as usize] = true;
        }
        if self.manner == Manner::Weights {
            // The weights, which may be others now, are worked out at the next pick, which knows the time.
            self.shown.set_eligible(|target| targets.is_eligible(target));
            self.inner.on_change(&self.shown);
            self.next_step = Time::ZERO;
        } else {
            self.inner.on_change(targets);
        }
    }

    fn on_join(&mut self, target: TargetId, now: Time, targets: &Targets) {
        self.is_anybody_slow(now);
        self.ramps.retain(|(ramping, _)| *ramping != target);
        let peer = |&other: &TargetId| Peer { is_healthy: true, is_slow: self.ramps.iter().any(|(ramping, _)| *ramping == other) };
        let peers: Vec<Peer> = targets.eligible().iter().filter(|other| **other != target).map(peer).collect();
        let enters = match self.config.shape {
            Shape::Linear => alb_enters(&peers),
            Shape::Envoy { .. } => true,
            Shape::HaProxy => self.was_in[target as usize],
        };
        if enters {
            self.ramps.push((target, now));
        }
        self.next_step = Time::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::conformance::{assert_shares, weighted};
    use crate::rng::stream;
    use std::net::IpAddr;

    /// Shares of the picks over targets of weight 1, 1 and 2, each answered at once, when the first has come back `age` of 100 s ago.
    fn counts(algorithm: &str, shape: Shape, age_s: u64, n: usize) -> Vec<u64> {
        let algorithm: Algorithm = serde_json::from_str(algorithm).expect("an algorithm");
        let mut targets = weighted(&[1, 1, 2]);
        let config = Config { window: Span::from_secs(100), shape, least: 0.0 };
        let mut policy = build(&algorithm, config, &targets);
        policy.on_change(&targets);
        targets.set_eligible(|target| target != 0);
        policy.on_change(&targets);
        policy.on_join(0, Time::ZERO, &targets);
        targets.set_eligible(|_| true);
        policy.on_change(&targets);
        let now = Time::ZERO + Span::from_secs(age_s);
        let request = Request { now, address: IpAddr::from([10, 0, 0, 1]), session: 1, path: "/" };
        let mut rng = stream(3, 0, "slow start");
        let mut counts = vec![0; 3];
        for _ in 0..n {
            let Pick::Target(target) = policy.pick(&request, &targets, &mut rng) else { panic!("a target was due") };
            counts[target as usize] += 1;
            targets.in_flight[target as usize] += 1;
            policy.on_sent(target, &targets);
            targets.in_flight[target as usize] -= 1;
            let outcome = Outcome { now, latency: Span::ZERO, is_answered: true, is_ok: true };
            policy.on_done(target, &outcome, &targets);
        }
        counts
    }

    #[test]
    fn a_target_gets_its_factor_of_a_share() {
        let n = 40_000;
        for (age_s, factor) in [(10, 0.1), (50, 0.5), (100, 1.0)] {
            let of = |weights: [f64; 3]| weights.map(|weight| weight / weights.iter().sum::<f64>());
            for algorithm in
                [r#"{"weighted_round_robin": {}}"#, r#"{"weighted_random": {}}"#, r#"{"weighted_round_robin": {"order": "block"}}"#]
            {
                assert_shares(&counts(algorithm, Shape::Linear, age_s, n), &of([factor, 1.0, 2.0]));
            }
            for algorithm in [r#"{"round_robin": {}}"#, r#"{"random": {}}"#] {
                assert_shares(&counts(algorithm, Shape::Linear, age_s, n), &of([factor, 1.0, 1.0]));
            }
            // All are idle, so a refused turn of the first goes to one of the others.
            let least = counts(r#"{"least_connections": {"ties": "random"}}"#, Shape::Linear, age_s, n);
            assert_shares(&least, &[factor / 3.0, (1.0 - factor / 3.0) / 2.0, (1.0 - factor / 3.0) / 2.0]);
        }
    }

    #[test]
    fn at_the_first_moment_there_is_nothing_but_the_least_share() {
        assert_eq!(counts(r#"{"round_robin": {}}"#, Shape::Linear, 0, 999)[0], 0);
        assert!(counts(r#"{"least_connections": {"ties": "first"}}"#, Shape::envoy(), 0, 1000)[0] > 50);
        // HAProxy: one sixteenth of an equal share.
        assert_shares(&counts(r#"{"random": {}}"#, Shape::HaProxy, 0, 40_000), &[1.0 / 33.0, 16.0 / 33.0, 16.0 / 33.0]);
    }

    #[test]
    fn a_busy_warm_target_is_taken_before_an_idle_one_that_has_nothing_yet() {
        for algorithm in [r#"{"power_of_d": {"d": 9}}"#, r#"{"least_connections": {}}"#, r#"{"least_response_time": {}}"#] {
            let algorithm: Algorithm = serde_json::from_str(algorithm).expect("an algorithm");
            let mut targets = weighted(&[1, 1]);
            let mut policy = build(&algorithm, Config { window: Span::from_secs(100), shape: Shape::Linear, least: 0.0 }, &targets);
            targets.set_eligible(|target| target == 1);
            policy.on_change(&targets);
            (0..5).for_each(|_| {
                targets.in_flight[1] += 1;
                policy.on_sent(1, &targets);
            });
            policy.on_join(0, Time::ZERO, &targets);
            targets.set_eligible(|_| true);
            policy.on_change(&targets);
            let request = Request { now: Time::ZERO, address: IpAddr::from([10, 0, 0, 1]), session: 1, path: "/" };
            let pick = policy.pick(&request, &targets, &mut stream(3, 0, "slow start"));
            assert_eq!(pick, Pick::Target(1), "{algorithm:?}");
        }
    }

    #[test]
    fn who_is_slowed_differs_between_the_products() {
        let slowed = |shape: Shape, was_in: bool, others: bool| {
            let mut targets = weighted(&[1, 1]);
            targets.set_eligible(|target| if target == 0 { was_in } else { others });
            let mut policy = build(&Algorithm::default(), Config { window: Span::from_secs(100), shape, least: 0.0 }, &targets);
            policy.on_change(&targets);
            targets.set_eligible(|target| target == 1 && others);
            policy.on_change(&targets);
            policy.on_join(0, Time::ZERO, &targets);
            targets.set_eligible(|_| true);
            policy.on_change(&targets);
            let request = Request { now: Time::ZERO, address: IpAddr::from([10, 0, 0, 1]), session: 1, path: "/" };
            let mut rng = stream(3, 0, "slow start");
            let first = (0..1000).filter(|_| policy.pick(&request, &targets, &mut rng) == Pick::Target(0)).count();
            first < 400
        };
        assert_eq!([slowed(Shape::Linear, false, true), slowed(Shape::Linear, true, false)], [true, false]);
        assert_eq!([slowed(Shape::HaProxy, false, true), slowed(Shape::HaProxy, true, true)], [false, true]);
        assert_eq!([slowed(Shape::envoy(), false, true), slowed(Shape::envoy(), true, false)], [true, true]);
    }
}
