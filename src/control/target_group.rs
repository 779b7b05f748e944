//! AWS target groups: the states of a target, and whom a load balancer's node sends to.
//!
//! A target that has just been registered with an ALB is healthy after one pass; the threshold of passes counts for those that come back.
//! A node sends to the healthy targets; with fewer of them than the minimum it *fails open*, to all. A zone with fewer than its own
//! minimum leaves DNS, unless all do.
//! Source: AWS, Application Load Balancers user guide, Target groups, Health checks, Target group health, Listeners (forward actions);
//! Network Load Balancers user guide. Unconfirmed: that failing open includes targets in `initial`, and that a target which failed its
//! first checks needs the full number of passes.

use super::defaults::target_group as default;
use super::dns::draw;
use crate::rng::Rng;
use crate::units::Share;

/// What the API reports of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Being registered, or in its first checks.
    Initial,
    Healthy,
    Unhealthy,
    /// Deregistered; what is in flight may end.
    Draining,
    /// Not registered, its group is in no rule, or its zone is not enabled.
    Unused,
}

/// How many checks in a row change a target's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Passes of a target that has just been registered.
    pub first: u32,
    /// Passes of an unhealthy one.
    pub healthy: u32,
    pub unhealthy: u32,
}

impl Default for Thresholds {
    fn default() -> Thresholds {
        Thresholds { first: default::FIRST_PASSES_ALB, healthy: default::HEALTHY_THRESHOLD, unhealthy: default::UNHEALTHY_THRESHOLD }
    }
}

/// A target as one node of the load balancer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    state: State,
    /// Checks in a row with the same outcome, and that outcome.
    in_a_row: u32,
    last: bool,
}

impl Default for Target {
    fn default() -> Target {
        Target { state: State::Unused, in_a_row: 0, last: false }
    }
}

impl Target {
    pub fn state(&self) -> State {
        self.state
    }

    /// It is registered, or registered again while it drains.
    pub fn register(&mut self) {
        *self = Target { state: State::Initial, ..Target::default() };
    }

    /// It gets nothing new from now on.
    pub fn deregister(&mut self) {
        if self.state != State::Unused {
            self.state = State::Draining;
        }
    }

    /// The deregistration delay is over.
    pub fn drained(&mut self) {
        if self.state == State::Draining {
            self.state = State::Unused;
        }
    }

    /// Takes in a check's outcome; `Some` where it changes the state. Draining and unused targets are not checked.
    pub fn concludes(&mut self, passed: bool, thresholds: &Thresholds) -> Option<State> {
        self.in_a_row = if passed == self.last { self.in_a_row.saturating_add(1) } else { 1 };
        self.last = passed;
        let next = match (self.state, passed) {
            (State::Initial, true) if self.in_a_row >= thresholds.first => State::Healthy,
            (State::Unhealthy, true) if self.in_a_row >= thresholds.healthy => State::Healthy,
            (State::Initial | State::Healthy, false) if self.in_a_row >= thresholds.unhealthy => State::Unhealthy,
            _ => return None,
        };
        self.state = next;
        Some(next)
    }
}

/// How many targets must be healthy. Where both are given, each must be met.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Minimum {
    /// `None`: off.
    pub count: Option<u32>,
    /// Of the registered targets; `None`: off.
    pub share: Option<Share>,
}

impl Default for Minimum {
    fn default() -> Minimum {
        Minimum { count: Some(default::HEALTHY_MIN), share: None }
    }
}

impl Minimum {
    pub fn is_met(&self, pool: Pool) -> bool {
        let enough_count = self.count.is_none_or(|count| pool.healthy >= count);
        // 7 of 100 are 7 %, whatever the last bit of 0.07 x 100.
        let enough_share = self.share.is_none_or(|share| f64::from(pool.healthy) >= share.0 * f64::from(pool.registered) - 1e-9);
        enough_count && enough_share
    }
}

/// Targets of a group in one zone, or in all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    pub registered: u32,
    pub healthy: u32,
}

/// A target group's settings.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Group {
    pub cross_zone: bool,
    /// Below it a node sends to all targets.
    pub routing: Minimum,
    /// Below it a zone leaves DNS. Not less than the one for routing.
    pub dns: Minimum,
}

impl Group {
    /// What counts for a zone's node: the zone's targets, or with cross-zone all.
    fn scope(&self, zones: &[Pool], zone: usize) -> Pool {
        let sum = |a: Pool, b: &Pool| Pool { registered: a.registered + b.registered, healthy: a.healthy + b.healthy };
        if self.cross_zone { zones.iter().fold(Pool::default(), sum) } else { zones[zone] }
    }

    /// Whether the node of that zone sends to all targets in its reach, healthy or not.
    pub fn fails_open(&self, zones: &[Pool], zone: usize) -> bool {
        !self.routing.is_met(self.scope(zones, zone))
    }

    /// Whether this group keeps the zone in DNS.
    pub fn keeps_in_dns(&self, zones: &[Pool], zone: usize) -> bool {
        self.dns.is_met(self.scope(zones, zone))
    }

    /// The targets to which the node in `zone` sends, given the zone and state of each. Empty: 503.
    pub fn routable(&self, targets: &[(u32, State)], zones: &[Pool], zone: u32) -> Vec<usize> {
        let in_reach = |target: u32| self.cross_zone || target == zone;
        let is_open = self.fails_open(zones, zone as usize);
        let takes = |state| match state {
            State::Healthy => true,
            State::Initial | State::Unhealthy => is_open,
            State::Draining | State::Unused => false,
        };
        (0..targets.len()).filter(|&i| in_reach(targets[i].0) && takes(targets[i].1)).collect()
    }
}

/// Counts registered and healthy targets by zone. Those that drain are registered no more.
pub fn pools(targets: &[(u32, State)], zones: usize) -> Vec<Pool> {
    let mut pools = vec![Pool::default(); zones];
    for &(zone, state) in targets {
        let pool = &mut pools[zone as usize];
        pool.registered += u32::from(!matches!(state, State::Draining | State::Unused));
        pool.healthy += u32::from(state == State::Healthy);
    }
    pools
}

/// The zones in DNS, of a load balancer with these groups and their targets by zone: those that every group keeps; all where none is kept.
pub fn dns_zones(groups: &[(Group, Vec<Pool>)], zones: usize) -> Vec<usize> {
    let kept = |zone: &usize| groups.iter().all(|(group, pools)| group.keeps_in_dns(pools, *zone));
    let list: Vec<usize> = (0..zones).filter(kept).collect();
    if list.is_empty() { (0..zones).collect() } else { list }
}

/// The share of the requests that each group of a weighted forward action gets. Health does not count: a group without healthy targets
/// keeps its share. All 0: none gets any.
pub fn group_shares(weights: &[u32]) -> Vec<f64> {
    let total: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
    weights.iter().map(|&weight| if total == 0 { 0.0 } else { f64::from(weight) / total as f64 }).collect()
}

/// The group for one request, drawn by weight; `None` where all weights are 0.
pub fn pick_group(weights: &[u32], rng: &mut Rng) -> Option<usize> {
    draw(&group_shares(weights), rng)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::stream;

    fn states(checks: &[bool], thresholds: &Thresholds) -> Vec<State> {
        let mut target = Target::default();
        target.register();
        checks
            .iter()
            .map(|&passed| {
                target.concludes(passed, thresholds);
                target.state()
            })
            .collect()
    }

    #[test]
    fn a_new_target_is_healthy_after_one_pass_and_a_failed_one_after_five() {
        use State::{Healthy, Initial, Unhealthy};
        let default = Thresholds::default();
        assert_eq!(states(&[true], &default), [Healthy]);
        assert_eq!(states(&[false, true], &default), [Initial, Healthy]);
        let seen = states(&[true, false, true, false, false, true, true, true, true, false, true, true, true, true, true], &default);
        assert_eq!(seen[2..5], [Healthy, Healthy, Unhealthy]);
        assert_eq!(seen[5..14], [Unhealthy; 9]);
        assert_eq!(seen[14], Healthy);
        let controller = Thresholds { healthy: 2, ..default };
        assert_eq!(states(&[false, false, true, true], &controller), [Initial, Unhealthy, Unhealthy, Healthy]);
    }

    #[test]
    fn a_draining_target_is_not_checked_and_ends_unused() {
        let mut target = Target::default();
        target.deregister();
        assert_eq!(target.state(), State::Unused);
        target.register();
        target.deregister();
        assert_eq!((target.concludes(true, &Thresholds::default()), target.state()), (None, State::Draining));
        target.drained();
        assert_eq!(target.state(), State::Unused);
    }

    /// The guide's example: 10 targets in each of two zones, 6 of B fail, 50 % for both actions.
    #[test]
    fn minimum_health_works_as_in_the_guides_example() {
        let zones = [Pool { registered: 10, healthy: 10 }, Pool { registered: 10, healthy: 4 }];
        let half = Minimum { count: None, share: Some(Share(0.5)) };
        let off = Group { cross_zone: false, routing: half, dns: half };
        assert_eq!([off.fails_open(&zones, 0), off.fails_open(&zones, 1)], [false, true]);
        assert_eq!(dns_zones(&[(off, zones.to_vec())], 2), [0]);
        let on = Group { cross_zone: true, ..off };
        assert_eq!([on.fails_open(&zones, 0), on.fails_open(&zones, 1)], [false, false]);
        assert_eq!(dns_zones(&[(on, zones.to_vec())], 2), [0, 1]);
    }

    #[test]
    fn either_minimum_is_enough_to_act_and_all_zones_bad_is_none_bad() {
        // 0.07 x 100 is a little more than 7 in binary.
        let seven = Minimum { count: None, share: Some(Share(0.07)) };
        assert!(seven.is_met(Pool { registered: 100, healthy: 7 }) && !seven.is_met(Pool { registered: 100, healthy: 6 }));
        let both = Minimum { count: Some(3), share: Some(Share(0.2)) };
        let met = |healthy, registered| both.is_met(Pool { registered, healthy });
        assert_eq!([met(3, 10), met(2, 5), met(3, 16)], [true, false, false]);
        let group = Group::default();
        assert_eq!(dns_zones(&[(group, vec![Pool { registered: 2, healthy: 0 }; 2])], 2), [0, 1]);
        let fine = vec![Pool { registered: 2, healthy: 2 }; 2];
        let broken = vec![Pool { registered: 2, healthy: 2 }, Pool { registered: 2, healthy: 0 }];
        assert_eq!(dns_zones(&[(group, fine), (group, broken)], 2), [0], "one group takes the zone from all");
    }

    #[test]
    fn a_node_sends_to_healthy_targets_or_else_to_all_that_are_registered() {
        let targets = [(0, State::Healthy), (0, State::Unhealthy), (1, State::Unhealthy), (1, State::Initial), (1, State::Draining)];
        let zones = pools(&targets, 2);
        assert_eq!(zones, [Pool { registered: 2, healthy: 1 }, Pool { registered: 2, healthy: 0 }]);
        let off = Group::default();
        assert_eq!(off.routable(&targets, &zones, 0), [0]);
        assert_eq!(off.routable(&targets, &zones, 1), [2, 3]);
        let on = Group { cross_zone: true, ..off };
        assert_eq!(on.routable(&targets, &zones, 1), [0]);
    }

    #[test]
    fn groups_are_drawn_by_weight() {
        assert_eq!(group_shares(&[10, 10]), [0.5, 0.5]);
        assert_eq!(group_shares(&[0, 999]), [0.0, 1.0]);
        let mut rng = stream(1, 0, "groups");
        let n = 40_000;
        let first = (0..n).filter(|_| pick_group(&[1, 3], &mut rng) == Some(0)).count();
        // Five standard deviations of sqrt(n * 3 / 16) = 87: confidence 0.9999994.
        assert!((first as f64 - 10_000.0).abs() < 435.0, "{first}");
        assert_eq!(pick_group(&[0, 0], &mut rng), None);
    }
}
