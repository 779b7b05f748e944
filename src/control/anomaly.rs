//! Anomaly mitigation of an ALB's `weighted_random` ("automatic target weights"): less traffic for targets that fail more than their peers.
//!
//! Known: errors (5xx and failed connections) of a target are compared with those of the other targets of its group; from three healthy
//! targets on; an anomalous one's traffic is lowered step by step to a negligible level, and raised step by step once it is well.
//! Unconfirmed, and chosen here: how often (every 10 s), what is disproportionate (an error rate above 1 % and more than twice that of all
//! the others together, and so many errors more than that rate would give that chance explains them in 1 of 1,000 intervals: a one-sided
//! z of 3.09), by how much (halved, down to 1/128; doubled).
//! Like Envoy's outlier detection by success rate, but it lowers a weight instead of ejecting.
//! Source: AWS, Application Load Balancers user guide, Target groups (automatic target weights); AWS networking blog, "Improving
//! availability with Application Load Balancer automatic target weights", 2023.

use crate::units::Span;

/// What the mitigation goes by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    pub interval: Span,
    pub targets_min: usize,
    pub error_rate_min: f64,
    pub ratio_min: f64,
    /// How surprising the errors must be, in standard deviations.
    pub z_min: f64,
    /// What an anomalous interval multiplies the weight by, and a normal one divides it by.
    pub step: f64,
    pub weight_min: f64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            interval: Span::from_secs(10),
            targets_min: 3,
            error_rate_min: 0.01,
            ratio_min: 2.0,
            z_min: 3.09,
            step: 0.5,
            weight_min: 1.0 / 128.0,
        }
    }
}

/// Answers of a target in one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    pub all: u64,
    /// 5xx, and connections that failed.
    pub errors: u64,
}

/// Whether each of the healthy targets is anomalous.
pub fn anomalous(targets: &[Answers], settings: &Settings) -> Vec<bool> {
    let all: u64 = targets.iter().map(|target| target.all).sum();
    let errors: u64 = targets.iter().map(|target| target.errors).sum();
    let is_one = |target: &Answers| {
        let (others, other_errors) = (all - target.all, errors - target.errors);
        if targets.len() < settings.targets_min || target.all == 0 || others == 0 {
            return false;
        }
        let (n, own) = (target.all as f64, target.errors as f64 / target.all as f64);
        let peers = other_errors as f64 / others as f64;
        // Where the others have no error at all, chance is taken for the least rate that counts.
        let expected = peers.max(settings.error_rate_min);
        let surprise = n * (own - expected) / (n * expected * (1.0 - expected)).sqrt();
        own > settings.ratio_min * peers && surprise > settings.z_min
    };
    targets.iter().map(is_one).collect()
}

/// The next weight of a target, 1 being the full one.
pub fn next_weight(weight: f64, is_anomalous: bool, settings: &Settings) -> f64 {
    if is_anomalous { (weight * settings.step).max(settings.weight_min) } else { (weight / settings.step).min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(targets: &[(u64, u64)]) -> Vec<bool> {
        let targets: Vec<Answers> = targets.iter().map(|&(all, errors)| Answers { all, errors }).collect();
        anomalous(&targets, &Settings::default())
    }

    #[test]
    fn a_target_that_fails_more_than_its_peers_is_anomalous() {
        assert_eq!(verdicts(&[(100, 20), (100, 1), (100, 0)]), [true, false, false]);
        assert_eq!(verdicts(&[(100, 100), (100, 0)]), [false, false], "at least three targets");
        assert_eq!(verdicts(&[(100, 30), (100, 28), (100, 33)]), [false; 3], "all fail alike");
        assert_eq!(verdicts(&[(1000, 300), (1000, 200), (1000, 200)]), [false; 3], "less than twice as much");
        assert_eq!(verdicts(&[(10, 1), (100, 0), (100, 0)]), [false; 3], "one error may be chance");
        assert_eq!(verdicts(&[(0, 0), (0, 0), (5, 5)]), [false; 3], "there are no peers");
        assert!(verdicts(&[]).is_empty());
    }

    #[test]
    fn its_weight_is_lowered_step_by_step_and_raised_again() {
        let settings = Settings::default();
        let mut weight = 1.0;
        for _ in 0..20 {
            weight = next_weight(weight, true, &settings);
        }
        assert_eq!(weight, 1.0 / 128.0);
        let mut steps = 0;
        while weight < 1.0 {
            weight = next_weight(weight, false, &settings);
            steps += 1;
        }
        assert_eq!((weight, steps), (1.0, 7));
    }
}
