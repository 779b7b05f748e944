//! What operators do: roll out a version, scale, drain a node.

use super::event::ClusterEvent;
use super::plan::OperationPlan;
use super::{Cluster, Phase};
use crate::model::world::World;
use crate::units::Span;

/// How often a drain tries again what a budget forbids. Source: kubectl, pkg/drain/drain.go (evictPods).
const DRAIN_RETRY: Span = Span::from_secs(5);

impl World {
    pub(super) fn operate(&mut self, index: u32) {
        let now = self.now();
        let (_, operation) = self.cluster().plan.operations[index as usize];
        match operation {
            OperationPlan::Rollout { group } => {
                let state = &mut self.cluster_mut().groups[group as usize];
                state.version += 1;
                state.rollout = Some(now);
                self.wake(group);
            }
            OperationPlan::Scale { group, replicas } => self.scale(group, replicas),
            OperationPlan::Drain { node } => {
                let state = &mut self.cluster_mut().nodes[node as usize];
                state.is_cordoned = true;
                state.update();
                self.drain_node(node);
            }
        }
    }

    /// Evicts the pods of a node as far as budgets allow, and comes back for the others, unless the node has been removed meanwhile.
    pub(super) fn drain_node(&mut self, node: u32) {
        let now = self.now();
        if self.cluster().nodes[node as usize].is_cordoned && self.evict_pods(node) {
            self.schedule_cluster(now + DRAIN_RETRY, ClusterEvent::DrainAgain { node });
        }
    }

    /// Evicts the pods of a node as far as budgets allow. Whether some are left.
    pub(super) fn evict_pods(&mut self, node: u32) -> bool {
        let now = self.now();
        let mut are_left = false;
        for server in self.cluster().pods_on(node) {
            let cluster = self.cluster();
            let group = cluster.slots[server as usize].group;
            let Some(pod) = cluster.pod(server).filter(|pod| !pod.is_terminating) else { continue };
            // The budget protects healthy pods; one that is not ready may go while enough others are, and what does not run yet is no
            // matter of budgets (Kubernetes, eviction.go, canIgnorePDB).
            if matches!(pod.phase, Phase::Pending | Phase::Pulling) || self.may_be_evicted(group, pod.is_ready) {
                self.cluster_mut().groups[group as usize].figures.evicted(now);
                self.terminate(server);
            } else {
                are_left = true;
            }
        }
        are_left
    }

    fn may_be_evicted(&self, group: u32, is_ready: bool) -> bool {
        let cluster = self.cluster();
        let Some(budget) = cluster.plan.groups[group as usize].budget else { return true };
        let (healthy, wanted) = (cluster.healthy_pods(group), cluster.groups[group as usize].replicas);
        match budget.healthy_min(wanted) {
            least @ 1.. if !is_ready => healthy >= least,
            // Where none has to be healthy, too, the budget is asked, and has none to let go where none is healthy.
            _ => budget.disruptions_allowed(wanted, healthy) > 0,
        }
    }
}

impl Cluster {
    fn healthy_pods(&self, group: u32) -> u32 {
        self.pods_of(group).filter(|(_, pod)| pod.is_ready && !pod.is_terminating).count() as u32
    }

    /// How many healthy pods a budget lets go now. `None`: there is none.
    pub(super) fn disruptions_allowed(&self, group: u32) -> Option<u32> {
        let budget = self.plan.groups[group as usize].budget?;
        Some(budget.disruptions_allowed(self.groups[group as usize].replicas, self.healthy_pods(group)))
    }
}
