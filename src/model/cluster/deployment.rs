//! The Deployment's controller: as many pods as are wanted, of the version that is wanted; and who goes first where there are too many.

use super::Pod;
use crate::control::rolling_update::{self, Limits, Pods, ReplicaSet};
use crate::model::world::World;
use crate::units::Time;
use std::cmp::Reverse;
use std::collections::BTreeMap;

impl World {
    /// Compares what is there with what is wanted, and does the next step.
    pub(super) fn reconcile(&mut self, group: u32) {
        let now = self.now();
        self.cluster_mut().groups[group as usize].is_reconcile_due = false;
        let (pods, limits) = self.count_pods(group);
        if self.rescale(group, &pods, &limits) {
            return self.wake(group);
        }
        let step = match self.cluster().plan.groups[group as usize].recreate {
            true => rolling_update::recreate(limits.replicas, &pods, self.old_that_end(group)),
            false => rolling_update::step(&limits, &pods),
        };
        self.delete_pods(group, step.delete_new, |pod, version| pod.version == version);
        self.delete_pods(group, step.deletes_old(), |pod, version| pod.version != version);
        let version = self.cluster().groups[group as usize].version;
        self.create_pods(group, version, step.create_new);
        let state = &mut self.cluster_mut().groups[group as usize];
        let is_done = pods.old == 0 && pods.new == limits.replicas && pods.new_available == limits.replicas;
        if is_done && let Some(begun) = state.rollout.take() {
            state.figures.rolled_out(now - begun, now);
        }
    }

    /// Another number is wanted in the middle of a rollout: all versions grow or shrink before it goes on. Whether that has happened.
    fn rescale(&mut self, group: u32, pods: &Pods, limits: &Limits) -> bool {
        let plan = self.cluster().plan.clone();
        let plan = &plan.groups[group as usize];
        let state = &mut self.cluster_mut().groups[group as usize];
        let before = std::mem::replace(&mut state.sized_for, limits.replicas);
        let is_saturated = pods.new == limits.replicas && pods.new_available == limits.replicas;
        if before == limits.replicas || plan.recreate || pods.old == 0 || is_saturated {
            return false;
        }
        let mut sizes: BTreeMap<u32, u32> = BTreeMap::new();
        for (_, pod) in self.cluster().pods_of(group).filter(|(_, pod)| !pod.is_terminating) {
            *sizes.entry(pod.version).or_default() += 1;
        }
        let sets: Vec<ReplicaSet> = sizes.iter().map(|(&version, &size)| ReplicaSet { version, size }).collect();
        let wanted = match sets[..] {
            // Only one has pods: it gets all, be it the old one.
            [only] => vec![ReplicaSet { size: limits.replicas, ..only }],
            _ => rolling_update::rescale(&sets, &Limits::new(before, plan.max_surge, plan.max_unavailable), limits),
        };
        for ReplicaSet { version, size } in wanted {
            let there = sizes[&version];
            self.delete_pods(group, there.saturating_sub(size), |pod, _| pod.version == version);
            self.create_pods(group, version, size.saturating_sub(there));
        }
        true
    }

    /// New pods of a version, as far as there are places for them.
    fn create_pods(&mut self, group: u32, version: u32, count: u32) {
        let now = self.now();
        let mut created = 0;
        while created < count && self.create_pod(group, version).is_some() {
            self.cluster_mut().groups[group as usize].figures.created(now);
            created += 1;
        }
        if created < count {
            self.cluster_mut().groups[group as usize].figures.waits_for_slot();
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
