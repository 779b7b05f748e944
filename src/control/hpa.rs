//! Horizontal Pod Autoscaler: from what the metrics ask for to the replicas that are wanted now.
//!
//! At each sync the largest proposal of all metrics is held back twice: by *stabilization* (of the proposals within a window, the highest
//! counts for going down, the lowest for going up) and by *policies* (so many pods or percent within a period).
//! What one metric asks for stands in `replica_calculator`.
//! Without `behavior` it is held back otherwise: the API server fills in no rules then, and the controller takes the highest proposal of
//! the last 5 minutes (also on the way up, so that a peak is followed though it is over) and at most doubles the replicas at each sync, or
//! goes to 4. From one replica that is 4, where the default rules would allow 5.
//! Source: Kubernetes, pkg/controller/podautoscaler/horizontal.go (stabilizeRecommendationWithBehaviors,
//! convertDesiredReplicasWithBehaviorRate; stabilizeRecommendation, calculateScaleUpLimit), pkg/apis/autoscaling/v2/defaults.go;
//! documentation, tasks/run-application/horizontal-pod-autoscale.

use super::defaults::hpa as default;
use crate::units::{Span, Time};

/// How much may change within a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    pub change: Change,
    pub period: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Pods(u32),
    /// Of the replicas at the period's start; the result is rounded up on the way up and down on the way down.
    Percent(u32),
}

/// Which of several policies counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Select {
    /// The one that allows most.
    #[default]
    Max,
    /// The one that allows least.
    Min,
    /// No change in this direction.
    Disabled,
}

/// What holds changes in one direction back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Over which proposals are stabilized.
    pub window: Span,
    pub select: Select,
    /// Must not be empty.
    pub policies: Vec<Policy>,
}

impl Rules {
    pub fn default_up() -> Rules {
        let policy = |change| Policy { change, period: default::POLICY_PERIOD };
        let policies = vec![policy(Change::Pods(default::UP_PODS)), policy(Change::Percent(default::UP_PERCENT))];
        Rules { window: default::UP_WINDOW, select: Select::Max, policies }
    }

    pub fn default_down() -> Rules {
        let policies = vec![Policy { change: Change::Percent(default::DOWN_PERCENT), period: default::POLICY_PERIOD }];
        Rules { window: default::DOWN_WINDOW, select: Select::Max, policies }
    }

    fn period_max(&self) -> Span {
        self.policies.iter().map(|policy| policy.period).max().unwrap_or(Span::ZERO)
    }
}

/// The rules of both directions. What a definition leaves out of them is the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behavior {
    pub up: Rules,
    pub down: Rules,
}

impl Default for Behavior {
    fn default() -> Behavior {
        Behavior { up: Rules::default_up(), down: Rules::default_down() }
    }
}

/// An autoscaler's definition, but for its metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub min_replicas: u32,
    pub max_replicas: u32,
    /// `None`: the definition has no `behavior`, which is not the same as one with the default rules.
    pub behavior: Option<Behavior>,
}

impl Config {
    /// Without `behavior`.
    pub fn new(min_replicas: u32, max_replicas: u32) -> Config {
        Config { min_replicas, max_replicas, behavior: None }
    }
}

/// An autoscaler with what it remembers.
#[derive(Clone, Debug)]
pub struct Autoscaler {
    config: Config,
    /// Earlier proposals, before they were held back.
    proposals: Vec<(Time, u32)>,
    /// How many pods were added and removed, and when.
    added: Vec<(Time, u32)>,
    removed: Vec<(Time, u32)>,
}

impl Autoscaler {
    pub fn new(config: Config) -> Autoscaler {
        Autoscaler { config, proposals: Vec::new(), added: Vec::new(), removed: Vec::new() }
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The replicas that are wanted now, with `current` wanted until now. `proposals` has one for each metric, `None` where it could not
    /// be computed: then the number does not fall. With 0 replicas the autoscaler is off, unless its minimum is 0.
    pub fn sync(&mut self, now: Time, current: u32, proposals: &[Option<u32>]) -> u32 {
        if self.proposals.is_empty() {
            // The number it was found with counts as its first proposal.
            self.proposals.push((now, current));
        }
        let Config { min_replicas, max_replicas, .. } = self.config;
        let wanted = if current == 0 && min_replicas > 0 {
            0
        } else if current > max_replicas {
            max_replicas
        } else if current < min_replicas {
            min_replicas
        } else {
            match largest(current, proposals) {
                Some(proposal) => self.hold_back(now, current, proposal),
                None => current,
            }
        };
        self.remember(now, current, wanted);
        wanted
    }

    fn hold_back(&mut self, now: Time, current: u32, proposal: u32) -> u32 {
        let Config { min_replicas, max_replicas, behavior } = &self.config;
        let wanted = match behavior {
            None => self.highest_of_late(now, proposal).min(limit_without_behavior(current)).clamp(*min_replicas, *max_replicas),
            Some(Behavior { up, down }) => {
                let stable = self.stabilize(now, current, proposal, up.window, down.window);
                if stable > current {
                    stable.min(self.limit_up(now, current, up).max(current)).min(*max_replicas)
                } else if stable < current {
                    stable.max(self.limit_down(now, current, down).min(current)).max(*min_replicas)
                } else {
                    current
                }
            }
        };
        self.proposals.push((now, proposal));
        wanted
    }

    /// The highest proposal of the default window down, one that is exactly as old included.
    fn highest_of_late(&self, now: Time, proposal: u32) -> u32 {
        let late = self.proposals.iter().filter(|(at, _)| *at + default::DOWN_WINDOW >= now);
        late.fold(proposal, |highest, (_, replicas)| highest.max(*replicas))
    }

    /// Between the lowest proposal of the window up and the highest of the window down.
    fn stabilize(&self, now: Time, current: u32, proposal: u32, up: Span, down: Span) -> u32 {
        let within = |window: Span| self.proposals.iter().filter(move |(at, _)| *at + window > now).map(|&(_, replicas)| replicas);
        let lowest = within(up).fold(proposal, u32::min);
        let highest = within(down).fold(proposal, u32::max);
        current.max(lowest).min(highest)
    }

    fn limit_up(&self, now: Time, current: u32, rules: &Rules) -> u32 {
        let proposals = rules.policies.iter().map(|policy| {
            let before = self.at_start(now, current, policy.period);
            match policy.change {
                Change::Pods(pods) => before + i64::from(pods),
                Change::Percent(percent) => (before as f64 * (1.0 + f64::from(percent) / 100.0)).ceil() as i64,
            }
        });
        let limit = match rules.select {
            Select::Max => proposals.max(),
            Select::Min => proposals.min(),
            Select::Disabled => None,
        };
        count(limit.unwrap_or(i64::from(current)))
    }

    fn limit_down(&self, now: Time, current: u32, rules: &Rules) -> u32 {
        let proposals = rules.policies.iter().map(|policy| {
            let before = self.at_start(now, current, policy.period);
            match policy.change {
                Change::Pods(pods) => before - i64::from(pods),
                Change::Percent(percent) => (before as f64 * (1.0 - f64::from(percent) / 100.0)) as i64,
            }
        });
        let limit = match rules.select {
            Select::Max => proposals.min(),
            Select::Min => proposals.max(),
            Select::Disabled => None,
        };
        count(limit.unwrap_or(i64::from(current)))
    }

    /// The replicas when a period began that ends now.
    fn at_start(&self, now: Time, current: u32, period: Span) -> i64 {
        let sum = |changes: &[(Time, u32)]| -> i64 {
            changes.iter().filter(|(at, _)| *at + period > now).map(|&(_, pods)| i64::from(pods)).sum()
        };
        i64::from(current) - sum(&self.added) + sum(&self.removed)
    }

    /// Keeps the change, and drops what no window or period reaches any more.
    fn remember(&mut self, now: Time, before: u32, after: u32) {
        match after.cmp(&before) {
            std::cmp::Ordering::Greater => self.added.push((now, after - before)),
            std::cmp::Ordering::Less => self.removed.push((now, before - after)),
            std::cmp::Ordering::Equal => {}
        }
        let (window, period) = match &self.config.behavior {
            None => (default::DOWN_WINDOW, Span::ZERO),
            Some(Behavior { up, down }) => (up.window.max(down.window), up.period_max().max(down.period_max())),
        };
        // One proposal always stays: it tells that this is not the first sync.
        let last = self.proposals.last().copied();
        self.proposals.retain(|entry| entry.0 + window > now || Some(*entry) == last);
        self.added.retain(|(at, _)| *at + period > now);
        self.removed.retain(|(at, _)| *at + period > now);
    }
}

fn limit_without_behavior(current: u32) -> u32 {
    current.saturating_mul(default::UP_FACTOR_WITHOUT_BEHAVIOR).max(default::UP_LEAST_WITHOUT_BEHAVIOR)
}

fn count(number: i64) -> u32 {
    number.clamp(0, i64::from(u32::MAX)) as u32
}

/// The largest proposal. `None`: no change, because none is known, or one is unknown and the others ask for fewer than there are.
fn largest(current: u32, proposals: &[Option<u32>]) -> Option<u32> {
    let largest = proposals.iter().flatten().copied().max()?;
    (largest >= current || proposals.iter().all(Option::is_some)).then_some(largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Time {
        Time(Span::from_secs(s).0)
    }

    fn with_behavior(min_replicas: u32, max_replicas: u32, change: impl FnOnce(&mut Behavior)) -> Config {
        let mut behavior = Behavior::default();
        change(&mut behavior);
        Config { min_replicas, max_replicas, behavior: Some(behavior) }
    }

    fn policy(change: Change, period_s: u64) -> Policy {
        Policy { change, period: Span::from_secs(period_s) }
    }

    /// Replicas at each sync of 15 s, the metrics always asking for `proposal`.
    fn run(config: Config, start: u32, proposal: u32, syncs: u64) -> Vec<u32> {
        let mut autoscaler = Autoscaler::new(config);
        let mut replicas = start;
        (0..syncs)
            .map(|i| {
                replicas = autoscaler.sync(at(15 * i), replicas, &[Some(proposal)]);
                replicas
            })
            .collect()
    }

    #[test]
    fn the_default_rules_double_or_add_four_every_fifteen_seconds() {
        let config = |max_replicas| with_behavior(1, max_replicas, |_| {});
        assert_eq!(run(config(100), 1, 90, 6), [5, 10, 20, 40, 80, 90]);
        assert_eq!(run(config(30), 1, 90, 5), [5, 10, 20, 30, 30]);
    }

    #[test]
    fn the_default_rules_go_down_five_minutes_after_the_last_higher_proposal() {
        let replicas = run(with_behavior(2, 100, |_| {}), 10, 1, 22);
        assert!(replicas[..20].iter().all(|&replicas| replicas == 10), "{replicas:?}");
        assert_eq!(replicas[20..], [2, 2]);
    }

    /// calculateScaleUpLimit: twice as many, at least 4, at each sync, however long ago the last one was.
    #[test]
    fn without_behavior_it_doubles_or_goes_to_four() {
        assert_eq!(run(Config::new(1, 100), 1, 90, 6), [4, 8, 16, 32, 64, 90]);
        assert_eq!(run(Config::new(1, 30), 3, 90, 5), [6, 12, 24, 30, 30]);
        let mut autoscaler = Autoscaler::new(Config::new(1, 100));
        assert_eq!([0, 5, 10].map(|s| autoscaler.sync(at(s), 5 << (s / 5), &[Some(90)])), [10, 20, 40], "there are no periods");
    }

    /// stabilizeRecommendation: the highest of the last 5 minutes, whichever way that is.
    #[test]
    fn without_behavior_the_highest_proposal_of_five_minutes_counts_on_the_way_up_too() {
        let peak = |config: Config| {
            let mut autoscaler = Autoscaler::new(config);
            let mut replicas = 2;
            let wants = |sync: u64| if sync == 1 { 20 } else { 3 };
            let sync = |i: u64| {
                replicas = autoscaler.sync(at(15 * i), replicas, &[Some(wants(i))]);
                replicas
            };
            (0..24).map(sync).collect::<Vec<_>>()
        };
        // Asked for at 15 s, and still at 315 s.
        let replicas = peak(Config::new(1, 100));
        assert_eq!(replicas[..5], [3, 6, 12, 20, 20]);
        assert_eq!(replicas[20..], [20, 20, 3, 3]);
        // With rules a peak is followed while it lasts, and what was reached is held.
        let replicas = peak(with_behavior(1, 100, |_| {}));
        assert_eq!(replicas[..5], [3, 7, 7, 7, 7]);
        assert_eq!(replicas[20..], [7, 3, 3, 3]);
    }

    /// The documentation's example: 80 replicas, target 10, 4 pods or 10 % a minute.
    #[test]
    fn the_documented_scale_down_goes_eighty_seventy_two_sixty_four() {
        let config = |select| {
            let policies = vec![policy(Change::Pods(4), 60), policy(Change::Percent(10), 60)];
            with_behavior(1, 100, |behavior| behavior.down = Rules { window: Span::ZERO, select, policies })
        };
        let each_minute: Vec<u32> = run(config(Select::Max), 80, 10, 60).into_iter().step_by(4).collect();
        assert_eq!(each_minute[..9], [72, 64, 57, 51, 45, 40, 36, 32, 28]);
        assert_eq!(each_minute.last(), Some(&10));
        assert_eq!(run(config(Select::Min), 80, 10, 9), [76, 76, 76, 76, 72, 72, 72, 72, 68]);
        assert_eq!(run(config(Select::Disabled), 80, 10, 9), [80; 9]);
    }

    /// "Scaling policies": percentages are rounded up, or a small number would never grow.
    #[test]
    fn ten_percent_of_three_pods_is_one_pod() {
        let config = with_behavior(1, 100, |behavior| behavior.up.policies = vec![policy(Change::Percent(10), 15)]);
        assert_eq!(run(config, 3, 90, 5), [4, 5, 6, 7, 8]);
    }

    #[test]
    fn a_window_up_waits_for_the_lowest_proposal_to_age() {
        let config = with_behavior(1, 100, |behavior| behavior.up.window = Span::from_secs(60));
        let mut autoscaler = Autoscaler::new(config);
        let wanted: Vec<u32> = (0..7).map(|i| autoscaler.sync(at(15 * i), 4, &[Some(if i == 1 { 5 } else { 8 })])).collect();
        assert_eq!(wanted, [4, 4, 4, 4, 5, 8, 8]);
    }

    #[test]
    fn the_largest_of_several_metrics_counts_and_an_unknown_one_stops_the_fall() {
        let config = with_behavior(1, 100, |behavior| behavior.down.window = Span::ZERO);
        let sync = |proposals: &[Option<u32>]| Autoscaler::new(config.clone()).sync(at(0), 4, proposals);
        assert_eq!(sync(&[Some(3), Some(6), Some(2)]), 6);
        assert_eq!(sync(&[Some(3), Some(2)]), 3);
        assert_eq!(sync(&[Some(3), None]), 4);
        assert_eq!(sync(&[Some(6), None]), 6);
        assert_eq!(sync(&[None]), 4);
        assert_eq!(sync(&[]), 4);
    }

    #[test]
    fn zero_replicas_turn_it_off_and_bounds_count_at_once() {
        let mut autoscaler = Autoscaler::new(Config::new(3, 5));
        assert_eq!([0, 1, 9].map(|current| autoscaler.sync(at(0), current, &[Some(4)])), [0, 3, 5]);
    }

    #[test]
    fn what_it_remembers_does_not_grow() {
        for config in [Config::new(1, 100), with_behavior(1, 100, |_| {})] {
            let mut autoscaler = Autoscaler::new(config);
            let mut replicas = 5;
            for i in 0..10_000 {
                replicas = autoscaler.sync(at(15 * i), replicas, &[Some(if i / 40 % 2 == 0 { 50 } else { 5 })]);
            }
            assert!(autoscaler.proposals.len() <= 22 && autoscaler.added.len() + autoscaler.removed.len() <= 2);
        }
    }
}
