//! The autoscaler of a group of pods: figures are gathered window by window, and decided upon at each sync.

use super::Phase;
use super::event::ClusterEvent;
use super::plan::AutoscalePlan;
use crate::control::hpa::Autoscaler;
use crate::control::replica_calculator::{PodMetric, PodTimes, Standing, Target, by_pods, cpu_standing};
use crate::model::server::Load;
use crate::model::world::World;
use crate::units::Time;

/// An autoscaler with the figures that it knows.
pub(in crate::model) struct Scaler {
    decider: Autoscaler,
    /// By slot: the load when the window began.
    at_start: Vec<Load>,
    window_began: Time,
    /// When the last full window ended, and by slot the mean number in service and in the system over it, in thousandths.
    sampled: Option<Time>,
    busy_milli: Vec<u64>,
    present_milli: Vec<u64>,
}

impl Scaler {
    pub fn new(plan: &AutoscalePlan, slots: usize) -> Scaler {
        Scaler {
            decider: Autoscaler::new(plan.config.clone()),
            at_start: vec![Load::default(); slots],
            window_began: Time::ZERO,
            sampled: None,
            busy_milli: vec![0; slots],
            present_milli: vec![0; slots],
        }
    }
}

impl World {
    pub(super) fn begin_autoscaling(&mut self) {
        let plan = self.cluster().plan.clone();
        for (group, autoscale) in plan.groups.iter().enumerate().filter_map(|(group, plan)| Some((group as u32, plan.autoscale.as_ref()?)))
        {
            // At the same instant the decision comes before the window's end: its figures are a window old then.
            self.schedule_cluster(Time::ZERO + autoscale.sync, ClusterEvent::SyncReplicas { group });
            self.schedule_cluster(Time::ZERO + autoscale.window, ClusterEvent::Sample { group });
        }
        for (nodes, autoscale) in
            plan.node_groups.iter().enumerate().filter_map(|(nodes, plan)| Some((nodes as u32, plan.autoscale.as_ref()?)))
        {
            self.schedule_cluster(Time::ZERO + autoscale.scan, ClusterEvent::ScanNodes { nodes });
        }
    }

    /// A window is full: the next one begins.
    pub(super) fn sample_group(&mut self, group: u32) {
        let now = self.now();
        let plan = self.cluster().plan.clone();
        let plan = &plan.groups[group as usize];
        let Some(autoscale) = &plan.autoscale else { return };
        let loads: Vec<Load> = plan.servers.iter().map(|server| self.servers[*server as usize].load(now)).collect();
        let Some(scaler) = &mut self.cluster_mut().groups[group as usize].scaler else { return };
        let window = u128::from((now - scaler.window_began).0.max(1));
        for (slot, (load, before)) in loads.iter().zip(&scaler.at_start).enumerate() {
            let milli = |integral: u128| (integral * 1000 / window) as u64;
            scaler.busy_milli[slot] = milli(load.busy - before.busy);
            scaler.present_milli[slot] = milli(load.busy - before.busy + load.waiting - before.waiting);
        }
        (scaler.at_start, scaler.window_began, scaler.sampled) = (loads, now, Some(now));
        self.schedule_cluster(now + autoscale.window, ClusterEvent::Sample { group });
    }

    pub(super) fn sync_replicas(&mut self, group: u32) {
        let now = self.now();
        let plan = self.cluster().plan.clone();
        let Some(autoscale) = &plan.groups[group as usize].autoscale else { return };
        self.schedule_cluster(now + autoscale.sync, ClusterEvent::SyncReplicas { group });
        let metrics = self.metrics_of(group, autoscale);
        let state = &mut self.cluster_mut().groups[group as usize];
        let current = state.replicas;
        let proposal = by_pods(current, &metrics, autoscale.target, autoscale.tolerance).map(|proposal| proposal.replicas);
        let Some(scaler) = &mut state.scaler else { return };
        let wanted = scaler.decider.sync(now, current, &[proposal]);
        if wanted != current {
            self.scale(group, wanted);
        }
    }

    /// The pods as the autoscaler sees them: by the last full window.
    fn metrics_of(&self, group: u32, autoscale: &AutoscalePlan) -> Vec<PodMetric> {
        let now = self.now();
        let cluster = self.cluster();
        let (plan, Some(scaler)) = (&cluster.plan.groups[group as usize], &cluster.groups[group as usize].scaler) else {
            return Vec::new();
        };
        let slots = u64::from(self.topology.servers[plan.servers[0] as usize].slots);
        let metric = |(slot, server): (usize, &u32)| {
            let pod = cluster.pod(*server)?;
            let is_pending = matches!(pod.phase, Phase::Pending | Phase::Pulling);
            // A pod that did not run for the whole window has no figure yet.
            let is_known = pod.started.is_some_and(|started| scaler.sampled.is_some_and(|at| started + autoscale.window <= at));
            let (standing, value) = match autoscale.target {
                Target::Utilization(_) => {
                    let times = PodTimes {
                        is_gone: pod.is_terminating,
                        is_pending,
                        is_ready: pod.is_ready,
                        started: pod.started,
                        ready_changed: pod.ready_changed,
                        sampled: scaler.sampled.unwrap_or(Time::ZERO),
                        window: autoscale.window,
                    };
                    (cpu_standing(&times, now, &autoscale.mistrust), scaler.busy_milli[slot])
                }
                Target::AverageValue(_) if pod.is_terminating => (Standing::Gone, 0),
                Target::AverageValue(_) if is_pending => (Standing::SetAside, 0),
                Target::AverageValue(_) => (Standing::Counted, scaler.present_milli[slot]),
            };
            Some(PodMetric { standing, value: is_known.then_some(value), request: slots * 1000 })
        };
        plan.servers.iter().enumerate().filter_map(metric).collect()
    }
}
