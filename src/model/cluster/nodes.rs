//! Nodes: who is placed where, what is lost with a node, and what the cluster notices of it and when.

use super::event::ClusterEvent;
use super::node_groups::Removal;
use super::plan::NodePlan;
use super::{Cluster, Phase};
use crate::control::node_lifecycle::{self, NodeView};
use crate::control::scheduler::{self, Resources};
use crate::model::client::NONE;
use crate::model::places::Place;
use crate::model::world::World;
use crate::rng::{self, Rng};
use crate::units::{Span, Time};
use std::collections::BTreeMap;

/// Where nodes and autoscalers do not say otherwise: Kubernetes' own times.
fn settings() -> node_lifecycle::Settings {
    node_lifecycle::Settings::default()
}

pub(in crate::model) struct Node {
    pub is_there: bool,
    /// Strikes that cut it off.
    pub lost_by: Vec<u32>,
    /// Its last return, or its first appearance.
    pub back: Time,
    /// When it renewed its lease for the last time before it was lost.
    renewed: Time,
    lease_phase: Span,
    pub view: NodeView,
    /// Its pods are marked for eviction, by this token; 0: they are not.
    pub eviction: u32,
    /// No pods are placed there any more.
    pub is_cordoned: bool,
    pub room: scheduler::Node,
    /// When the image of (group, version) is there.
    pub images: BTreeMap<(u32, u32), Time>,
    /// It has been ordered and does not run yet.
    pub is_booting: bool,
    /// Since when the cluster autoscaler could do without it.
    pub unneeded_since: Option<Time>,
    /// The cluster autoscaler drains it.
    pub removal: Option<Removal>,
}

impl Node {
    pub fn new(plan: &NodePlan, rng: &mut Rng) -> Node {
        let lease = settings().lease_renewal.0 as f64;
        let room = scheduler::Node {
            zone: plan.zone,
            takes_pods: plan.is_there_at_start,
            allocatable: plan.allocatable,
            requested: Resources::default(),
            pods: 0,
            pods_max: crate::control::defaults::node::PODS_MAX,
        };
        Node {
            is_there: plan.is_there_at_start,
            lost_by: Vec::new(),
            back: Time::ZERO,
            renewed: Time::ZERO,
            lease_phase: Span((lease * rng::unit(rng)) as u64),
            view: NodeView::new(Time::ZERO),
            eviction: 0,
            is_cordoned: false,
            room,
            images: BTreeMap::new(),
            is_booting: false,
            unneeded_since: None,
            removal: None,
        }
    }

    /// Whether the scheduler takes it into account.
    pub fn update(&mut self) {
        self.room.takes_pods = self.is_there && !self.view.is_unknown() && !self.is_cordoned;
    }

    /// It is there and the cluster knows nothing else.
    pub fn is_known(&self) -> bool {
        self.is_there && !self.view.is_unknown()
    }

    /// Whether the AWS Load Balancer Controller registers it: whatever its health, until the cluster autoscaler marks it as one to be deleted.
    /// Source: aws-load-balancer-controller, pkg/k8s/node_utils.go (IsNodeSuitableAsTrafficProxy; older versions deregistered a node that was
    /// not ready, too).
    pub fn is_registered(&self) -> bool {
        self.is_there && self.removal.is_none()
    }

    /// The newest renewal of its lease.
    fn renewal(&self, now: Time) -> Time {
        if self.lost_by.is_empty() { self.back.max(before(now, self.lease_phase, settings().lease_renewal)) } else { self.renewed }
    }
}

/// The last time by `now` of a round that comes at the phase and then each period.
fn before(now: Time, phase: Span, period: Span) -> Time {
    let since = now.since(Time(phase.0));
    if now < Time(phase.0) { Time::ZERO } else { Time(phase.0 + since.0 / period.0 * period.0) }
}

/// The node controller's rounds. They are events only while there is something to see.
pub(in crate::model) struct Monitor {
    phase: Span,
    is_running: bool,
}

impl Monitor {
    pub fn new(rng: &mut Rng) -> Monitor {
        Monitor { phase: Span((settings().monitor_period.0 as f64 * rng::unit(rng)) as u64), is_running: false }
    }

    fn last(&self, now: Time) -> Time {
        before(now, self.phase, settings().monitor_period)
    }

    /// The first round after `now`.
    fn next(&self, now: Time) -> Time {
        if now < Time(self.phase.0) { Time(self.phase.0) } else { self.last(now) + settings().monitor_period }
    }
}

impl Cluster {
    /// Whether a node is cut off, be it noticed or not.
    pub fn is_lost(&self, node: u32) -> bool {
        node != NONE && !self.nodes[node as usize].lost_by.is_empty()
    }

    /// Whether the cluster has given a node up.
    pub fn is_unknown(&self, node: u32) -> bool {
        node != NONE && self.nodes[node as usize].view.is_unknown()
    }

    pub(super) fn image_at(&self, node: u32, group: u32, version: u32) -> Option<Time> {
        if node == NONE { None } else { self.nodes[node as usize].images.get(&(group, version)).copied() }
    }

    /// A pod without a node is on one of its own, which keeps nothing.
    pub(super) fn add_image(&mut self, node: u32, group: u32, version: u32, at: Time) {
        if node != NONE {
            self.nodes[node as usize].images.insert((group, version), at);
        }
    }

    pub(super) fn leave_node(&mut self, node: u32, request: Resources) {
        if node != NONE {
            self.nodes[node as usize].room.remove(request);
        }
    }

    /// Pods of a group on each node.
    pub(super) fn siblings(&self, group: u32) -> Vec<u32> {
        let mut siblings = vec![0; self.nodes.len()];
        for (_, pod) in self.pods_of(group).filter(|(_, pod)| pod.node != NONE && !pod.is_terminating) {
            siblings[pod.node as usize] += 1;
        }
        siblings
    }

    pub(super) fn pods_on(&self, node: u32) -> Vec<u32> {
        let is_there = |server: &u32| self.pod(*server).is_some_and(|pod| pod.node == node);
        (0..self.slots.len() as u32).filter(is_there).collect()
    }

    /// Pods that have no node yet, the oldest first.
    pub(super) fn waiting_pods(&self) -> Vec<u32> {
        let waits =
            |server: &u32| self.pod(*server).is_some_and(|pod| pod.phase == Phase::Pending && pod.node == NONE && !pod.is_terminating);
        let mut waiting: Vec<u32> = (0..self.slots.len() as u32).filter(waits).collect();
        waiting.sort_by_key(|server| self.pod(*server).map(|pod| pod.birth));
        waiting
    }
}

impl World {
    /// Finds a node for a pod. `false`: it fits nowhere. Where there are no nodes at all, there is room for everybody.
    pub(super) fn place_pod(&mut self, server: u32) -> bool {
        let cluster = self.cluster_mut();
        if cluster.nodes.is_empty() {
            return true;
        }
        let plan = cluster.plan.clone();
        let group = cluster.slots[server as usize].group;
        let request = plan.groups[group as usize].request;
        let rooms: Vec<scheduler::Node> = cluster.nodes.iter().map(|node| node.room).collect();
        let Some(node) = scheduler::place(&rooms, request, &cluster.siblings(group)) else { return false };
        cluster.nodes[node].room.add(request);
        if let Some(pod) = cluster.pod_mut(server) {
            pod.node = node as u32;
        }
        self.set_place(server, Place { zone: plan.nodes[node].zone, node: node as u32 });
        true
    }

    pub(super) fn schedule_pods(&mut self) {
        self.cluster_mut().is_schedule_due = false;
        for server in self.cluster().waiting_pods() {
            if !self.place_pod(server) {
                continue;
            }
            let node = self.cluster().pod(server).map_or(NONE, |pod| pod.node);
            // The kubelet of a node that is lost, though nobody knows it yet, hears nothing.
            if !self.cluster().is_lost(node) {
                self.pod_bound(server);
            }
        }
    }

    // ---- Loss ---------------------------------------------------------------------------------------------------------

    /// A node is cut off: it renewed its lease for the last time.
    pub(super) fn node_is_lost(&mut self, index: u32, strike: u32) {
        let now = self.now();
        let cluster = self.cluster_mut();
        let node = &mut cluster.nodes[index as usize];
        if node.lost_by.is_empty() {
            node.renewed = node.renewal(now);
            // The controller's rounds so far: it has seen that renewal, if there was one since.
            let seen = cluster.monitor.next(Time(node.renewed.0.saturating_sub(1)));
            if seen <= now {
                node.view.monitor(seen, node.renewed, &settings());
            }
        }
        node.lost_by.push(strike);
        self.run_monitor();
    }

    fn run_monitor(&mut self) {
        let now = self.now();
        let monitor = &mut self.cluster_mut().monitor;
        if !std::mem::replace(&mut monitor.is_running, true) {
            let at = monitor.next(now);
            self.schedule_cluster(at, ClusterEvent::Monitor);
        }
    }

    pub(super) fn node_is_back(&mut self, index: u32, strike: u32) {
        let now = self.now();
        let node = &mut self.cluster_mut().nodes[index as usize];
        node.lost_by.retain(|active| *active != strike);
        if node.lost_by.is_empty() {
            node.back = now;
        }
    }

    /// A round of the node controller over the nodes that are, or were, not heard from.
    pub(super) fn monitor_nodes(&mut self) {
        let now = self.now();
        let cluster = self.cluster_mut();
        cluster.monitor.is_running = false;
        let mut changed = Vec::new();
        let mut is_any = false;
        for (index, node) in cluster.nodes.iter_mut().enumerate().filter(|(_, node)| node.is_there) {
            if node.lost_by.is_empty() && !node.view.is_unknown() {
                continue;
            }
            if node.view.monitor(now, node.renewal(now), &settings()).is_some() {
                changed.push(index as u32);
            }
            node.update();
            is_any |= !node.lost_by.is_empty() || node.view.is_unknown();
        }
        for index in changed {
            self.node_view_changes(index);
        }
        self.mark_for_eviction();
        if is_any {
            self.run_monitor();
        }
    }

    /// A node has become unknown, or known again.
    fn node_view_changes(&mut self, index: u32) {
        if !self.cluster().is_unknown(index) {
            self.cluster_mut().nodes[index as usize].eviction = 0;
        }
        for server in self.cluster().pods_on(index) {
            self.refresh_readiness(server);
        }
        self.node_changed(index);
        self.wake_scheduler();
    }

    /// Pods of unknown nodes go one node after the other, slower or not at all where much of a zone is gone.
    fn mark_for_eviction(&mut self) {
        let now = self.now();
        let cluster = self.cluster_mut();
        let place = |zone: u32, zones: usize| if zone == NONE { zones - 1 } else { zone as usize };
        let mut zones = vec![(0, 0); cluster.evictions.len()];
        for node in cluster.nodes.iter().filter(|node| node.is_there) {
            let (ready, lost) = &mut zones[place(node.room.zone, cluster.evictions.len())];
            *(if node.view.is_unknown() { lost } else { ready }) += 1;
        }
        // A zone without nodes is no zone.
        let places: Vec<usize> = (0..zones.len()).filter(|zone| zones[*zone] != (0, 0)).collect();
        let mut marked = Vec::new();
        let counts: Vec<(u32, u32)> = places.iter().map(|zone| zones[*zone]).collect();
        for index in 0..cluster.nodes.len() {
            let node = &cluster.nodes[index];
            if !node.is_there || !node.view.is_unknown() || node.eviction != 0 {
                continue;
            }
            let zone = place(node.room.zone, cluster.evictions.len());
            let Some(counted) = places.iter().position(|known| *known == zone) else { continue };
            let rate = node_lifecycle::eviction_rate(&counts, counted, &settings());
            if let Some(at) = cluster.evictions[zone].mark(now, rate) {
                let token = cluster.token();
                cluster.nodes[index].eviction = token;
                marked.push((at, ClusterEvent::Evict { node: index as u32, token }));
            }
        }
        marked.into_iter().for_each(|(at, event)| self.schedule_cluster(at + settings().toleration, event));
    }

    /// The toleration is over: the pods are deleted. Nobody there hears it, but replacements are created elsewhere; the old ones will
    /// find out when the node is back, and serve nobody until then.
    pub(super) fn evict_node(&mut self, index: u32, token: u32) {
        if self.cluster().nodes[index as usize].eviction != token {
            return;
        }
        let now = self.now();
        for server in self.cluster().pods_on(index) {
            let group = self.cluster().slots[server as usize].group;
            self.cluster_mut().groups[group as usize].figures.evicted(now);
            self.give_up_pod(server);
        }
    }
}
