//! What the cluster notices of a lost node, and when: Unknown after the lease's grace, eviction of its pods 5 min later, slower or not at
//! all where a large part of a zone is gone.
//!
//! Source: Kubernetes documentation, concepts/architecture/nodes (heartbeats, rate limits on eviction);
//! pkg/controller/nodelifecycle/node_lifecycle_controller.go.

use super::defaults::node as default;
use crate::units::{Span, Time};

/// The node controller's settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// How often the kubelet renews its lease.
    pub lease_renewal: Span,
    pub monitor_period: Span,
    pub monitor_grace: Span,
    /// How long pods stay on a node that is not ready or unreachable.
    pub toleration: Span,
    /// Nodes a second.
    pub eviction_rate: f64,
    pub eviction_rate_secondary: f64,
    pub unhealthy_zone: f64,
    pub large_cluster_nodes: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            lease_renewal: default::LEASE_RENEWAL,
            monitor_period: default::MONITOR_PERIOD,
            monitor_grace: default::MONITOR_GRACE,
            toleration: default::TOLERATION,
            eviction_rate: default::EVICTION_RATE,
            eviction_rate_secondary: default::EVICTION_RATE_SECONDARY,
            unhealthy_zone: default::UNHEALTHY_ZONE,
            large_cluster_nodes: default::LARGE_CLUSTER_NODES,
        }
    }
}

/// What the controller thinks of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeView {
    /// The newest renewal that the controller has seen, and when it saw it: the grace counts from then, by its own clock.
    renewal: Time,
    seen: Time,
    is_unknown: bool,
}

impl NodeView {
    /// Of a node that has just joined.
    pub fn new(now: Time) -> NodeView {
        NodeView { renewal: now, seen: now, is_unknown: false }
    }

    /// Unknown: its endpoints are not ready, and its pods will be evicted.
    pub fn is_unknown(&self) -> bool {
        self.is_unknown
    }

    /// A round of the controller, which finds the lease renewed at `renewal`; `Some(is_unknown)` where the view changes.
    pub fn monitor(&mut self, now: Time, renewal: Time, settings: &Settings) -> Option<bool> {
        if renewal > self.renewal {
            (self.renewal, self.seen) = (renewal, now);
        }
        let is_unknown = now >= self.seen + settings.monitor_grace;
        let changes = is_unknown != self.is_unknown;
        self.is_unknown = is_unknown;
        changes.then_some(is_unknown)
    }
}

/// Least and most time from a node's loss until the controller calls it Unknown: the renewal may be up to one period old, and each of the
/// two rounds that matter up to one round late.
pub fn detection(settings: &Settings) -> (Span, Span) {
    let grace = settings.monitor_grace;
    (Span(grace.0.saturating_sub(settings.lease_renewal.0)), grace + settings.monitor_period + settings.monitor_period)
}

/// How much of a zone is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneState {
    Normal,
    /// A large part, and at least three nodes.
    Partial,
    /// Every node.
    Full,
}

pub fn zone_state(ready: u32, not_ready: u32, settings: &Settings) -> ZoneState {
    let part = f64::from(not_ready) / f64::from((ready + not_ready).max(1));
    if ready == 0 && not_ready > 0 {
        ZoneState::Full
    } else if not_ready > 2 && part >= settings.unhealthy_zone {
        ZoneState::Partial
    } else {
        ZoneState::Normal
    }
}

/// Nodes a second from which pods may be evicted in zone `zone`, given (ready, not ready) of each zone. Where every zone is gone it is
/// the controller that is cut off, and none are.
pub fn eviction_rate(zones: &[(u32, u32)], zone: usize, settings: &Settings) -> f64 {
    let state = |&(ready, not_ready): &(u32, u32)| zone_state(ready, not_ready, settings);
    if zones.iter().all(|zone| state(zone) == ZoneState::Full) {
        return 0.0;
    }
    let is_large = zones[zone].0 + zones[zone].1 > settings.large_cluster_nodes;
    match state(&zones[zone]) {
        ZoneState::Partial if is_large => settings.eviction_rate_secondary,
        ZoneState::Partial => 0.0,
        ZoneState::Normal | ZoneState::Full => settings.eviction_rate,
    }
}

/// The order in which a zone's lost nodes are marked for eviction: one at a time, at its rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EvictionQueue {
    /// When the next one may be marked.
    free: Time,
}

impl EvictionQueue {
    /// When a node that turned Unknown now is marked; `None`: not at this rate. Its pods go the toleration later.
    pub fn mark(&mut self, now: Time, rate: f64) -> Option<Time> {
        if rate <= 0.0 {
            return None;
        }
        let marked = self.free.max(now);
        self.free = marked + Span::from_secs_f64(1.0 / rate);
        Some(marked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng;

    fn at(s: f64) -> Time {
        Time::ZERO + Span::from_secs_f64(s)
    }

    /// When a node is Unknown that is lost at `lost`, with renewals and rounds at these phases.
    fn unknown_at(lost: f64, renewal_phase: f64, monitor_phase: f64) -> f64 {
        let settings = Settings::default();
        let mut view = NodeView::new(Time::ZERO);
        for round in 0.. {
            let now = monitor_phase + 5.0 * f64::from(round);
            let renewals = ((now.min(lost) - renewal_phase) / 10.0).floor();
            let renewal = if renewals < 0.0 { Time::ZERO } else { at(renewal_phase + 10.0 * renewals) };
            if view.monitor(at(now), renewal, &settings) == Some(true) {
                return now - lost;
            }
        }
        unreachable!("it is noticed")
    }

    #[test]
    fn a_lost_node_is_unknown_forty_seconds_after_its_last_heartbeat() {
        assert_eq!(unknown_at(100.0, 0.0, 0.0), 40.0);
        let mut rng = rng::stream(1, 0, "phases");
        let (least, most) = detection(&Settings::default());
        for _ in 0..1000 {
            let mut draw = |most: f64| rng::unit(&mut rng) * most;
            let took = unknown_at(100.0 + draw(20.0), draw(10.0), draw(5.0));
            assert!((least.as_secs_f64()..=most.as_secs_f64()).contains(&took), "{took}");
        }
    }

    #[test]
    fn a_heartbeat_makes_it_known_again() {
        let mut view = NodeView::new(Time::ZERO);
        let settings = Settings::default();
        assert_eq!(view.monitor(at(39.0), Time::ZERO, &settings), None);
        assert_eq!(view.monitor(at(40.0), Time::ZERO, &settings), Some(true));
        assert_eq!(view.monitor(at(45.0), at(42.0), &settings), Some(false));
        assert!(!view.is_unknown());
    }

    /// The documentation's rates: 0.1 nodes a second, 0.01 where 55 % of a zone is unhealthy, none in clusters up to 50 nodes, none
    /// where all zones are.
    #[test]
    fn evictions_slow_down_or_stop_where_much_is_gone() {
        let rate = |zones: &[(u32, u32)]| eviction_rate(zones, 0, &Settings::default());
        assert_eq!(rate(&[(9, 1), (10, 0)]), 0.1);
        assert_eq!(rate(&[(45, 55), (100, 0)]), 0.01);
        assert_eq!(rate(&[(46, 54), (100, 0)]), 0.1);
        assert_eq!(rate(&[(2, 8), (10, 0)]), 0.0);
        assert_eq!(rate(&[(1, 2), (10, 0)]), 0.1, "two nodes are no large part");
        assert_eq!(rate(&[(0, 10), (10, 0)]), 0.1, "a whole zone is moved");
        assert_eq!(rate(&[(0, 10), (0, 10)]), 0.0);
    }

    #[test]
    fn nodes_are_marked_one_by_one() {
        let mut queue = EvictionQueue::default();
        assert_eq!([0.0; 3].map(|now| queue.mark(at(now), 0.1)), [0.0, 10.0, 20.0].map(|s| Some(at(s))));
        assert_eq!(queue.mark(at(100.0), 0.1), Some(at(100.0)));
        assert_eq!(queue.mark(at(100.0), 0.0), None);
    }
}
