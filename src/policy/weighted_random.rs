//! Weighted random: each eligible target with a chance in proportion to its weight. The neighbour of weighted round robin:
//! the same shares without state, with clumps. Source: AWS ALB's weighted target groups; nginx `random`,
//! ngx_http_upstream_random_module.c (which draws over all and tries again, up to 20 times, where this draws over the eligible).

use super::{Outcome, Pick, Policy, Recipe, Request, TargetId, Targets};
use crate::control::anomaly::{Answers, Settings, anomalous, next_weight};
use crate::rng::{Rng, below};
use crate::units::Time;
use schemars::JsonSchema;
use serde::Deserialize;

/// Parameters of `weighted_random`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Targets that fail more than their peers get less, step by step, and their share back when they are well (AWS ALB's automatic target
    /// weights; at least three targets). Default: false.
    pub anomaly_mitigation: bool,
}

impl Recipe for Config {
    const ABOUT: &'static str = "each target with a chance in proportion to its weight";
    const SOURCE: &'static str = "nginx, ngx_http_upstream_random_module.c; AWS ALB weighted target groups";

    fn build(&self, targets: &Targets) -> Box<dyn Policy> {
        let mitigation = self.anomaly_mitigation.then(|| Box::new(Mitigation::new(targets.len())));
        Box::new(WeightedRandom { ends: Vec::new(), mitigation })
    }
}

struct WeightedRandom {
    /// Sum of the weights up to and with each eligible target.
    ends: Vec<u64>,
    mitigation: Option<Box<Mitigation>>,
}

/// What is known of the targets' errors.
struct Mitigation {
    settings: Settings,
    /// Answers in the present interval.
    answers: Vec<Answers>,
    /// Factors of the weights.
    factors: Vec<f64>,
    ends_at: Time,
}

impl Mitigation {
    fn new(targets: usize) -> Mitigation {
        let settings = Settings::default();
        let ends_at = Time::ZERO + settings.interval;
        Mitigation { settings, answers: vec![Answers::default(); targets], factors: vec![1.0; targets], ends_at }
    }

    /// Judges the interval that is over, if one is; whether the factors are others now.
    fn judge(&mut self, targets: &Targets, now: Time) -> bool {
        if now < self.ends_at {
            return false;
        }
        let before = self.factors.clone();
        let eligible = targets.eligible();
        let answers: Vec<Answers> = eligible.iter().map(|target| self.answers[*target as usize]).collect();
        for (target, is_anomalous) in eligible.iter().zip(anomalous(&answers, &self.settings)) {
            let factor = &mut self.factors[*target as usize];
            *factor = next_weight(*factor, is_anomalous, &self.settings);
        }
        self.answers.fill(Answers::default());
        while self.ends_at <= now {
            self.ends_at += self.settings.interval;
        }
        before != self.factors
    }

    /// A weight in parts of the least factor, which are whole.
    fn weight(&self, weight: u32, target: TargetId) -> u64 {
        (f64::from(weight) * self.factors[target as usize] / self.settings.weight_min) as u64
    }
}

impl Policy for WeightedRandom {
    fn reads_request(&self) -> bool {
        false
    }

    fn pick(&mut self, request: &Request, targets: &Targets, rng: &mut Rng) -> Pick {
        if let Some(mitigation) = &mut self.mitigation
            && mitigation.judge(targets, request.now)
        {
            self.on_change(targets);
        }
        let Some(&total) = self.ends.last() else { return Pick::Nobody };
        let point = below(rng, total);
        Pick::Target(targets.eligible()[self.ends.partition_point(|&end| end <= point)])
    }

    fn on_done(&mut self, target: TargetId, outcome: &Outcome, _: &Targets) {
        if let Some(mitigation) = &mut self.mitigation {
            let answers = &mut mitigation.answers[target as usize];
            answers.all += 1;
            answers.errors += u64::from(!outcome.is_ok);
        }
    }

    fn on_change(&mut self, targets: &Targets) {
        let WeightedRandom { ends, mitigation } = self;
        ends.clear();
        let mut sum = 0;
        ends.extend(targets.eligible().iter().map(|&target| {
            let weight = targets.weight[target as usize];
            sum += mitigation.as_ref().map_or(u64::from(weight), |mitigation| mitigation.weight(weight, target));
            sum
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::conformance::{Harness, assert_shares, weighted};

    #[test]
    fn shares_follow_the_weights_of_the_eligible() {
        let mut harness = Harness::new(&Config::default(), weighted(&[1, 2, 7, 5]));
        harness.set_eligible(|target| target != 3);
        assert_shares(&harness.counts(50_000), &[0.1, 0.2, 0.7, 0.0]);
    }

    /// A policy over four targets of weight 2, of which the first fails each of its requests from `fails.start` to `fails.end` seconds;
    /// picks of each ten seconds, 4000 in all.
    fn picks_by_interval(fails: std::ops::Range<u64>, intervals: usize) -> Vec<Vec<u64>> {
        use crate::units::Span;
        let mut targets = weighted(&[2; 4]);
        let mut policy = Config { anomaly_mitigation: true }.build(&targets);
        policy.on_change(&targets);
        let mut rng = crate::rng::stream(5, 0, "anomaly");
        let mut counts = vec![vec![0; 4]; intervals];
        for step in 0..intervals as u64 * 4000 {
            let now = Time::ZERO + Span(step * 2_500_000);
            let request = Request { now, address: std::net::IpAddr::from([10, 0, 0, 1]), session: 1, path: "/" };
            let Pick::Target(target) = policy.pick(&request, &targets, &mut rng) else { panic!("a target was due") };
            counts[(step / 4000) as usize][target as usize] += 1;
            targets.in_flight[target as usize] += 1;
            policy.on_sent(target, &targets);
            targets.in_flight[target as usize] -= 1;
            let is_ok = target != 0 || !fails.contains(&(now.0 / 1_000_000_000));
            policy.on_done(target, &Outcome { now, latency: Span::ZERO, is_answered: true, is_ok }, &targets);
        }
        counts
    }

    #[test]
    fn a_target_that_fails_more_than_its_peers_gets_less_and_its_share_back() {
        let counts = picks_by_interval(10..40, 9);
        // Intervals of 10 s: the first of failures is the second. Then 1/2, 1/4, 1/8 of its weight, and back in as many steps.
        for (interval, factor) in [(0, 1.0), (1, 1.0), (2, 0.5), (3, 0.25), (4, 0.125), (5, 0.25), (6, 0.5), (7, 1.0), (8, 1.0)] {
            let rest = 1.0 / (3.0 + factor);
            assert_shares(&counts[interval], &[factor * rest, rest, rest, rest]);
        }
    }

    #[test]
    fn without_mitigation_failures_change_nothing() {
        let mut harness = Harness::new(&Config::default(), weighted(&[1; 3]));
        (0..1000).for_each(|_| {
            harness.send(0);
            harness.fail(0);
        });
        assert_shares(&harness.counts(30_000), &[1.0 / 3.0; 3]);
    }
}
