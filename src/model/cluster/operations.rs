//! What operators do: roll out a version, scale, drain a node.

use super::event::ClusterEvent;
use super::plan::OperationPlan;
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

    /// Evicts the pods of a node as far as budgets allow, and comes back for the others.
    pub(super) fn drain_node(&mut self, node: u32) {
        let now = self.now();
        let mut are_left = false;
        for server in self.cluster().pods_on(node) {
            let cluster = self.cluster();
            let group = cluster.slots[server as usize].group;
            let Some(pod) = cluster.pod(server).filter(|pod| !pod.is_terminating) else { continue };
            // The budget protects healthy pods; one that is not ready may go while enough others are.
            if self.may_be_evicted(group, pod.is_ready) {
                self.cluster_mut().groups[group as usize].figures.evicted(now);
                self.terminate(server);
            } else {
                are_left = true;
            }
        }
        if are_left {
            self.schedule_cluster(now + DRAIN_RETRY, ClusterEvent::DrainAgain { node });
        }
    }

    fn may_be_evicted(&self, group: u32, is_ready: bool) -> bool {
        let cluster = self.cluster();
        let Some(budget) = cluster.plan.groups[group as usize].budget else { return true };
        let wanted = cluster.groups[group as usize].replicas;
        let healthy = cluster.pods_of(group).filter(|(_, pod)| pod.is_ready && !pod.is_terminating).count() as u32;
        if is_ready { budget.disruptions_allowed(wanted, healthy) > 0 } else { healthy >= budget.healthy_min(wanted) }
    }
}
