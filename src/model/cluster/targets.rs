//! What a balancer does about targets that come and go: their checks begin and end, and those that are taken out of a target group drain.

use super::event::ClusterEvent;
use super::plan::MembersKind;
use crate::measure::history::TargetState;
use crate::model::client::NONE;
use crate::model::world::World;
use crate::units::Span;

impl World {
    // ---- Draining -----------------------------------------------------------------------------------------------------

    /// A target is deregistered: it gets nothing new, and what it has may end within the delay.
    pub(super) fn begin_draining(&mut self, balancer: u32, target: u32, delay: Span) {
        let at = self.now() + delay;
        let cluster = self.cluster_mut();
        let token = cluster.token();
        if let Some(members) = &mut cluster.members[balancer as usize] {
            members.draining[target as usize] = token;
        }
        self.show_target(balancer, target, TargetState::Draining);
        self.schedule_cluster(at, ClusterEvent::Drained { balancer, target, token });
    }

    /// The delay is over: what is still open through this balancer is cut. One that looks at connections only lets them be, unless it is told
    /// to end them.
    pub(super) fn target_drained(&mut self, balancer: u32, target: u32, token: u32) {
        let Some(members) = &mut self.cluster_mut().members[balancer as usize] else { return };
        if members.draining[target as usize] != token {
            return;
        }
        members.draining[target as usize] = 0;
        self.show_target(balancer, target, TargetState::Out);
        let plan = &self.cluster().plan.members[balancer as usize];
        if matches!(plan.as_ref().map(|plan| plan.kind), Some(MembersKind::TargetGroup { resets_then: true, .. })) {
            self.cut_target(balancer, target);
        }
    }

    // ---- Checks of members --------------------------------------------------------------------------------------------

    /// The number of a checker, or of the pair where there are no checks.
    pub(in crate::model) fn begin_pairs(&mut self, balancer: u32, first: u32) {
        if let Some(cluster) = &mut self.cluster
            && let Some(members) = &mut cluster.members[balancer as usize]
        {
            members.first_pair = first;
        }
    }

    /// Balancers without checks number their pairs behind the checkers.
    pub(in crate::model) fn number_unchecked(&mut self) {
        let mut next = self.checkers.len() as u32;
        let World { cluster, balancers, .. } = self;
        let Some(cluster) = cluster else { return };
        for (members, balancer) in cluster.members.iter_mut().zip(balancers).filter_map(|(members, of)| Some((members.as_mut()?, of))) {
            if !members.has_checks {
                members.first_pair = next;
                next += balancer.to.len() as u32;
            }
        }
    }

    /// Whether checks of a target run from the start.
    pub(in crate::model) fn is_checked_at_start(&self, balancer: u32, target: u32) -> bool {
        let members = self.cluster.as_ref().and_then(|cluster| cluster.members[balancer as usize].as_ref());
        members.is_none_or(|members| members.is_member(target))
    }

    /// Whether a server is a place for pods that holds none, or one that has never run.
    pub(in crate::model) fn is_unused_place(&self, server: u32) -> bool {
        let slot = self.cluster.as_ref().map(|cluster| &cluster.slots[server as usize]).filter(|slot| slot.group != NONE);
        slot.is_some_and(|slot| slot.pod.as_ref().is_none_or(|pod| pod.started.is_none()))
    }

    /// Whether a balancer's targets come and go.
    pub(in crate::model) fn has_members(&self, balancer: u32) -> bool {
        self.cluster.as_ref().is_some_and(|cluster| cluster.members[balancer as usize].is_some())
    }

    pub(super) fn begin_member_checks(&mut self, balancer: u32, target: u32) {
        let now = self.now();
        let cluster = self.cluster_mut();
        let token = cluster.token();
        let plan = cluster.plan.clone();
        let (Some(plan), Some(members)) = (&plan.members[balancer as usize], &cluster.members[balancer as usize]) else { return };
        let index = members.first_pair + target;
        let first_passes = match plan.kind {
            MembersKind::TargetGroup { first_passes, .. } => Some(first_passes),
            MembersKind::Endpoints { .. } => None,
        };
        let checker = &mut self.checkers[index as usize];
        let is_healthy = checker.begin_anew(token, first_passes);
        let at = now + Span(checker.first_start().0);
        self.balancers[balancer as usize].note_health(target, is_healthy);
        self.schedule_cluster(at, ClusterEvent::CheckStarts { checker: index, token });
    }

    pub(super) fn end_member_checks(&mut self, balancer: u32, target: u32) {
        let cluster = self.cluster_mut();
        let token = cluster.token();
        if let Some(members) = &cluster.members[balancer as usize] {
            let index = members.first_pair + target;
            self.checkers[index as usize].stop(token);
        }
    }

    /// A check of a target that has been there since the start, unless its rounds have ended: the target has left, and may have come back
    /// with rounds of its own.
    pub(in crate::model) fn standing_check_starts(&mut self, index: u32) {
        if self.checkers[index as usize].token == 0 {
            self.check_starts(index);
        }
    }

    pub(super) fn member_check_starts(&mut self, checker: u32, token: u32) {
        if self.checkers[checker as usize].token == token {
            self.check_starts(checker);
        }
    }
}
