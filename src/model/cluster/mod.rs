//! Nodes, pods and those who are told of them: state and wiring. What controllers decide stands in `control`; here they are asked when
//! their time has come, and what they decide is done to servers and balancers.
//!
//! A pod is the present tenant of a *slot*, which is a server; when it has ended, a later pod may move in. The times at which things
//! happen to pods, and what the balancers come to know of it, are events (`event`); nothing here is asked by requests on their way, but
//! for what stands in the server (`Presence`) and in the balancer (who is eligible).

mod addresses;
mod autoscale;
mod deployment;
pub mod event;
mod faults;
mod figures;
mod hints;
mod kubelet;
mod members;
mod node_groups;
mod nodes;
mod operations;
pub mod plan;
mod probes;
mod targets;

pub(super) use addresses::Address;
pub use event::ClusterEvent;
pub(super) use members::Members;

use super::client::NONE;
use super::event::Event;
use super::places::Place;
use super::plan::TargetRef;
use super::server::Presence;
use super::slab::Slab;
use super::world::World;
use crate::control::crash_loop::CrashLoop;
use crate::control::node_lifecycle::EvictionQueue;
use crate::control::probe::Probes;
use crate::measure::history::{PodMoment, PodPhase};
use crate::measure::pods::PodRecord;
use crate::rng::{self, Rng};
use crate::units::{Span, Time};
use autoscale::Scaler;
use event::Timer;
use members::News;
use nodes::{Monitor, Node};
use plan::ClusterPlan;
use std::sync::Arc;

/// In the place of a strike, where no fault is to blame but a controller that started or ended a pod: this and the number of its group.
const PLANNED: u32 = 0xc000_0000;

/// What is to blame when a pod of the group is started or ended as planned.
pub(super) fn planned(group: u32) -> u32 {
    PLANNED + group
}

/// The group whose controller is to blame.
pub(super) fn planned_group(strike: u32) -> Option<u32> {
    (PLANNED..NONE).contains(&strike).then(|| strike - PLANNED)
}

pub(super) struct Cluster {
    pub plan: Arc<ClusterPlan>,
    /// By server.
    pub slots: Vec<Slot>,
    pub groups: Vec<Group>,
    pub nodes: Vec<Node>,
    /// By server.
    pub places: Vec<Place>,
    /// By balancer.
    pub members: Vec<Option<Members>>,
    pub news: Slab<News>,
    /// (balancer, target) of balancers with members, by server.
    pub users: Vec<Vec<(u32, u32)>>,
    /// By zone; the last one is for nodes without a zone.
    pub evictions: Vec<EvictionQueue>,
    pub monitor: Monitor,
    /// By group of nodes: how long new ones take.
    pub boot_rng: Vec<Rng>,
    /// When the cluster autoscaler ordered a node for the last time.
    pub last_node_ordered: Option<Time>,
    /// When it removed nodes for the last time, and how many at that moment.
    pub nodes_removed: Option<(Time, usize)>,
    is_schedule_due: bool,
    last_token: u32,
}

/// A server that may hold a pod.
pub(super) struct Slot {
    /// `NONE`: not a pod's.
    pub group: u32,
    pub pod: Option<Pod>,
    freed: Time,
    /// Until when the address of its last pod refuses connections.
    address_until: Time,
    timers: [u32; Timer::COUNT],
    /// Draws the times of its pods.
    rng: Rng,
}

/// What a pod's container does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No node yet, or its node is lost before it could start.
    Pending,
    Pulling,
    /// The process is there and does not listen yet.
    Starting,
    Running,
    /// Told to end, it finishes what it has.
    Draining,
    /// The container has ended and waits to be started again.
    BackOff,
}

pub(super) struct Pod {
    /// Tells it from other pods of its slot.
    pub birth: u32,
    pub version: u32,
    pub created: Time,
    pub node: u32,
    pub phase: Phase,
    /// Number of the container's present run; 0: it does not run.
    pub run: u32,
    pub container_started: Time,
    /// When the first container started.
    pub started: Option<Time>,
    pub probes: Probes,
    /// Since when the kubelet's rounds go, of the three kinds of probes.
    pub rounds: [Time; 3],
    /// When the next readiness probe starts.
    pub readiness_due: Time,
    pub crash_loop: CrashLoop,
    pub is_terminating: bool,
    /// The container has been told to end, be it to be started again.
    pub is_ending: bool,
    /// The container has been running since before the run began.
    pub is_old: bool,
    /// As the cluster's API says.
    pub is_ready: bool,
    pub ready_changed: Time,
    pub was_ready: bool,
    /// Of each readiness gate.
    pub gates: Vec<bool>,
}

/// A Deployment.
pub(super) struct Group {
    pub replicas: u32,
    /// How many were wanted when the controller looked last.
    sized_for: u32,
    pub version: u32,
    is_reconcile_due: bool,
    /// When the rollout under way began.
    pub rollout: Option<Time>,
    pub scaler: Option<Scaler>,
    pub figures: figures::Figures,
}

impl Cluster {
    /// A number that was not given before.
    fn token(&mut self) -> u32 {
        self.last_token += 1;
        self.last_token
    }

    fn pod(&self, server: u32) -> Option<&Pod> {
        self.slots[server as usize].pod.as_ref()
    }

    fn pod_mut(&mut self, server: u32) -> Option<&mut Pod> {
        self.slots[server as usize].pod.as_mut()
    }

    /// The pods of a group with their servers, those that terminate included.
    fn pods_of(&self, group: u32) -> impl Iterator<Item = (u32, &Pod)> {
        self.plan.groups[group as usize].servers.iter().filter_map(|&server| Some((server, self.pod(server)?)))
    }
}

impl World {
    pub(super) fn cluster(&self) -> &Cluster {
        self.cluster.as_ref().expect("only a cluster has pods and nodes")
    }

    pub(super) fn cluster_mut(&mut self) -> &mut Cluster {
        self.cluster.as_mut().expect("only a cluster has pods and nodes")
    }

    /// The pods of the start are there and ready, and everybody knows.
    pub(super) fn begin_cluster(&mut self) {
        let Some(plan) = self.topology.cluster.clone() else { return };
        self.cluster = Some(Box::new(self.new_cluster(&plan)));
        for server in (0..plan.group_of.len() as u32).filter(|server| plan.group_of[*server as usize] != NONE) {
            self.stand(server, Presence::Absent, Some(planned(plan.group_of[server as usize])));
        }
        for group in 0..plan.groups.len() as u32 {
            for _ in 0..plan.groups[group as usize].replicas {
                self.create_running_pod(group);
            }
        }
        self.begin_addresses();
        self.begin_members();
        self.begin_node_groups();
        self.begin_autoscaling();
        // Like a fault, what an operator does is no transient of the start.
        if !self.plan.is_pilot {
            for (index, (at, _)) in plan.operations.iter().enumerate() {
                self.calendar.schedule(*at, Event::Cluster(ClusterEvent::Operation { index: index as u32 }));
            }
        }
    }

    fn new_cluster(&self, plan: &Arc<ClusterPlan>) -> Cluster {
        let stream = |name: String| rng::stream(self.plan.seed, self.plan.replication, &name);
        let slots = self.topology.servers.iter().zip(&plan.group_of).map(|(server, &group)| Slot {
            group,
            pod: None,
            freed: Time::ZERO,
            address_until: Time::ZERO,
            timers: [0; Timer::COUNT],
            rng: stream(format!("pod/{}", server.name)),
        });
        let groups = plan.groups.iter().map(|group| Group {
            replicas: group.replicas,
            sized_for: group.replicas,
            version: 0,
            is_reconcile_due: false,
            rollout: None,
            scaler: group.autoscale.as_ref().map(|autoscale| Scaler::new(autoscale, group.servers.len())),
            figures: figures::Figures::new(self.plan.warmup),
        });
        let mut users = vec![Vec::new(); self.servers.len()];
        for (balancer, _) in plan.members.iter().enumerate().filter(|(_, members)| members.is_some()) {
            for (target, to) in self.topology.balancers[balancer].targets.iter().enumerate() {
                if let TargetRef::Server(server) = to {
                    users[*server as usize].push((balancer as u32, target as u32));
                }
            }
        }
        Cluster {
            slots: slots.collect(),
            groups: groups.collect(),
            nodes: plan.nodes.iter().map(|node| Node::new(node, &mut stream(format!("node/{}", node.name)))).collect(),
            places: plan.places.clone(),
            members: Vec::new(),
            news: Slab::default(),
            users,
            evictions: vec![EvictionQueue::default(); plan.zones + 1],
            monitor: Monitor::new(&mut stream("cluster/monitor".to_owned())),
            boot_rng: (0..plan.node_groups.len()).map(|group| stream(format!("nodes/{group}/boot"))).collect(),
            last_node_ordered: None,
            nodes_removed: None,
            is_schedule_due: false,
            last_token: 0,
            plan: plan.clone(),
        }
    }

    #[inline(never)]
    pub(super) fn cluster_event(&mut self, event: ClusterEvent) {
        match event {
            ClusterEvent::PodTimer { server, timer, token } => self.pod_timer(server, timer, token),
            ClusterEvent::ProbeStarts { server, kind, run } => self.probe_starts(server, kind, run),
            ClusterEvent::Reconcile { group } => self.reconcile(group),
            ClusterEvent::Schedule => self.schedule_pods(),
            ClusterEvent::News(news) => self.news_arrives(news),
            ClusterEvent::Drained { balancer, target, token } => self.target_drained(balancer, target, token),
            ClusterEvent::CheckStarts { checker, token } => self.member_check_starts(checker, token),
            ClusterEvent::Monitor => self.monitor_nodes(),
            ClusterEvent::Evict { node, token } => self.evict_node(node, token),
            ClusterEvent::Booted { node } => self.node_boots(node),
            ClusterEvent::DrainAgain { node } => self.drain_node(node),
            ClusterEvent::EmptyNode { node, token } => self.empty_node(node, token),
            ClusterEvent::ScanNodes { nodes } => self.scan_nodes(nodes),
            ClusterEvent::SyncReplicas { group } => self.sync_replicas(group),
            ClusterEvent::Sample { group } => self.sample_group(group),
            ClusterEvent::Operation { index } => self.operate(index),
        }
    }

    fn schedule_cluster(&mut self, at: Time, event: ClusterEvent) {
        self.calendar.schedule(at, Event::Cluster(event));
    }

    /// The controller of a group will look at its pods, after what else happens now.
    fn wake(&mut self, group: u32) {
        let now = self.now();
        if !std::mem::replace(&mut self.cluster_mut().groups[group as usize].is_reconcile_due, true) {
            self.schedule_cluster(now, ClusterEvent::Reconcile { group });
        }
    }

    /// The scheduler will look for pods without a node.
    fn wake_scheduler(&mut self) {
        let now = self.now();
        if !std::mem::replace(&mut self.cluster_mut().is_schedule_due, true) {
            self.schedule_cluster(now, ClusterEvent::Schedule);
        }
    }

    fn set_pod_timer(&mut self, server: u32, timer: Timer, after: Span) {
        let at = self.now() + after;
        let cluster = self.cluster_mut();
        let token = cluster.token();
        cluster.slots[server as usize].timers[timer as usize] = token;
        self.schedule_cluster(at, ClusterEvent::PodTimer { server, timer, token });
    }

    fn stop_timers(&mut self, server: u32, timers: &[Timer]) {
        let slot = &mut self.cluster_mut().slots[server as usize];
        timers.iter().for_each(|timer| slot.timers[*timer as usize] = 0);
    }

    /// Where the process of a server stands from now on.
    fn stand(&mut self, server: u32, presence: Presence, away_by: Option<u32>) {
        let now = self.now();
        self.servers[server as usize].change_standing(now, |rare| (rare.presence, rare.away_by) = (presence, away_by));
    }

    /// Where a server is: what delays its packets, and what is lost with the node.
    fn set_place(&mut self, server: u32, place: Place) {
        self.cluster_mut().places[server as usize] = place;
        self.move_server(server, place);
    }

    /// Keeps what a picture shows of a pod.
    fn show_pod(&mut self, server: u32) {
        let at = self.now();
        let phase = match self.cluster().pod(server) {
            None => PodPhase::Gone,
            Some(pod) if pod.is_terminating => PodPhase::Terminating,
            Some(pod) => match pod.phase {
                Phase::Pending => PodPhase::Pending,
                Phase::Pulling => PodPhase::Pulling,
                Phase::BackOff => PodPhase::BackOff,
                _ if pod.is_ready => PodPhase::Ready,
                Phase::Starting => PodPhase::Starting,
                Phase::Running | Phase::Draining => PodPhase::Running,
            },
        };
        if let Some(history) = &mut self.recorder.history {
            history.pod_changes(PodMoment { at, server, phase });
        }
    }

    /// A counted request has failed because of what a controller did.
    pub(super) fn planned_failure(&mut self, group: u32) {
        self.cluster_mut().groups[group as usize].figures.failed();
    }

    /// The records of all groups at the end.
    pub(super) fn pod_records(&mut self) -> Vec<PodRecord> {
        let end = self.plan.duration;
        let Some(cluster) = &mut self.cluster else { return Vec::new() };
        cluster.groups.iter_mut().map(|group| group.figures.finish(end)).collect()
    }
}
