//! The Deployment's controller: as many pods as are wanted, of the version that is wanted; and who goes first where there are too many.

use super::Pod;
use crate::control::rolling_update::{self, Limits, Pods};
use crate::model::world::World;
use crate::units::Time;
use std::cmp::Reverse;

impl World {
    /// Compares what is there with what is wanted, and does the next step.
    pub(super) fn reconcile(&mut self, group: u32) {
        let now = self.now();
        self.cluster_mut().groups[group as usize].is_reconcile_due = false;
        let (pods, limits) = self.count_pods(group);
        let step = match self.cluster().plan.groups[group as usize].recreate {
            true => rolling_update::recreate(limits.replicas, &pods, self.old_that_end(group)),
            false => rolling_update::step(&limits, &pods),
        };
        self.delete_pods(group, step.delete_new, |pod, version| pod.version == version);
        self.delete_pods(group, step.deletes_old(), |pod, version| pod.version != version);
        let mut created = 0;
        while created < step.create_new && self.create_pod(group).is_some() {
            self.cluster_mut().groups[group as usize].figures.created(now);
            created += 1;
        }
        let state = &mut self.cluster_mut().groups[group as usize];
        if created < step.create_new {
            state.figures.waits_for_slot();
        }
        let is_done = pods.old == 0 && pods.new == limits.replicas && pods.new_available == limits.replicas;
        if is_done && let Some(begun) = state.rollout.take() {
            state.figures.rolled_out(now - begun, now);
        }
    }

    fn count_pods(&self, group: u32) -> (Pods, Limits) {
        let cluster = self.cluster();
        let (plan, state) = (&cluster.plan.groups[group as usize], &cluster.groups[group as usize]);
        let mut pods = Pods::default();
        for (_, pod) in cluster.pods_of(group).filter(|(_, pod)| !pod.is_terminating) {
            let is_available = u32::from(self.is_available(group, pod));
            let (all, available) = if pod.version == state.version {
                (&mut pods.new, &mut pods.new_available)
            } else {
                (&mut pods.old, &mut pods.old_available)
            };
            *all += 1;
            *available += is_available;
        }
        (pods, Limits::new(state.replicas, plan.max_surge, plan.max_unavailable))
    }

    /// Pods of earlier versions that are deleted and have not ended.
    fn old_that_end(&self, group: u32) -> u32 {
        let cluster = self.cluster();
        let version = cluster.groups[group as usize].version;
        cluster.pods_of(group).filter(|(_, pod)| pod.is_terminating && pod.version != version).count() as u32
    }

    fn is_available(&self, group: u32, pod: &Pod) -> bool {
        pod.is_ready && self.now() >= pod.ready_changed + self.cluster().plan.groups[group as usize].min_ready
    }

    /// Deletes some of those that `is_meant`: those without a node first, then those that are not ready, those on nodes with the most of
    /// their kind, those that became ready last, and the youngest.
    /// Source: Kubernetes, pkg/controller/controller_utils.go (ActivePodsWithRanks).
    fn delete_pods(&mut self, group: u32, count: u32, is_meant: impl Fn(&Pod, u32) -> bool) {
        if count == 0 {
            return;
        }
        let cluster = self.cluster();
        let version = cluster.groups[group as usize].version;
        let siblings = cluster.siblings(group);
        let together = |pod: &Pod| siblings.get(pod.node as usize).copied().unwrap_or(0);
        let since = |pod: &Pod| if pod.is_ready { pod.ready_changed } else { Time::ZERO };
        let rank = |pod: &Pod| (pod.started.is_some(), pod.is_ready, Reverse(together(pod)), Reverse(since(pod)), Reverse(pod.birth));
        let meant = cluster.pods_of(group).filter(|(_, pod)| !pod.is_terminating && is_meant(pod, version));
        let mut ranked: Vec<_> = meant.map(|(server, pod)| (rank(pod), server)).collect();
        ranked.sort_unstable();
        for (_, server) in ranked.into_iter().take(count as usize) {
            self.terminate(server);
        }
    }

    /// Another number of pods is wanted.
    pub(super) fn scale(&mut self, group: u32, replicas: u32) {
        self.cluster_mut().groups[group as usize].replicas = replicas;
        self.wake(group);
    }
}
