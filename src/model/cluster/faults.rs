//! What faults do to pods and nodes: a crash ends a container, the loss of a node cuts off everything on it.

use super::event::Timer;
use super::{Phase, planned};
use crate::model::client::NONE;
use crate::model::places::Place;
use crate::model::plan::{FaultKind, FaultPlan, TargetRef};
use crate::model::server::Presence;
use crate::model::world::World;

const TIMERS: [Timer; Timer::COUNT] = [Timer::Pulled, Timer::Listens, Timer::Restarts, Timer::Term, Timer::Kill, Timer::Available];

impl World {
    /// A crash fault strikes a server: a pod's container exits, and its kubelet starts it again, which fails as long as the fault lasts.
    pub(in crate::model) fn pod_crashes(&mut self, server: u32, strike: u32) {
        if self.cluster.as_ref().is_some_and(|cluster| cluster.pod(server).is_some()) {
            self.container_exits(server, strike);
        }
    }

    /// A hang is the state of a process: a new one does not have it.
    pub(super) fn end_hangs(&mut self, server: u32) {
        let hanging: Vec<u32> = self.servers[server as usize].rare.faults.clone();
        for strike in hanging {
            let fault = self.strikes[strike as usize].fault;
            if self.topology.faults[fault as usize].kind == FaultKind::Hang {
                self.release_server(server, strike, FaultKind::Hang);
            }
        }
    }

    // ---- Nodes --------------------------------------------------------------------------------------------------------

    pub(in crate::model) fn name_of_node(&self, node: u32) -> &str {
        &self.cluster().plan.nodes[node as usize].name
    }

    /// The servers and the checked pairs that a fault of nodes concerns now.
    pub(in crate::model) fn aim_at_nodes(&mut self, tracked: u32, nodes: &[u32], balancers: &[u32], plan: &FaultPlan) {
        let cluster = self.cluster();
        let is_on_them = |place: Place| nodes.contains(&place.node);
        let mut servers = self.recorder.failover.servers(tracked).to_vec();
        servers.retain(|server| plan.servers.contains(server));
        servers.extend((0..cluster.places.len() as u32).filter(|server| is_on_them(cluster.places[*server as usize])));
        servers.sort_unstable();
        servers.dedup();
        let fixed: Vec<u32> = servers.iter().copied().filter(|server| plan.servers.contains(server)).collect();
        let mut pairs = self.pairs_of(&servers);
        pairs.extend(self.pairs_struck_whole(&self.checked_balancers(), &fixed));
        if plan.loses_nodes().is_some() {
            let places = &self.cluster().plan.balancers;
            pairs.extend(self.pairs_of_balancers(|inner| is_on_them(places[inner as usize]) || balancers.contains(&inner)));
        }
        self.recorder.failover.aim(tracked, servers, pairs.into_iter());
        let now = self.now();
        for balancer in 0..self.balancers.len() as u32 {
            if self.cut_off_by(balancer).is_some() {
                self.recorder.failover.watchers_lost(&self.views_of(balancer), now);
            }
        }
    }

    /// A pod has left its node, and with it what ails everything there.
    pub(super) fn leaves_struck_node(&mut self, server: u32) {
        for strike in self.servers[server as usize].rare.faults.clone() {
            let topology = self.topology.clone();
            let fault = &topology.faults[self.strikes[strike as usize].fault as usize];
            if !fault.nodes.is_empty() && !fault.servers.contains(&server) {
                self.release_server(server, strike, fault.kind_at(server));
            }
        }
    }

    /// After its servers were cut off: the node itself, and the balancers on it.
    pub(in crate::model) fn node_struck(&mut self, node: u32, strike: u32, crashes: bool) {
        self.node_is_lost(node, strike);
        if crashes {
            for server in self.cluster().pods_on(node) {
                self.stop_timers(server, &TIMERS);
                let Some(pod) = self.cluster_mut().pod_mut(server) else { continue };
                if pod.run != 0 {
                    pod.run = 0;
                    pod.phase = Phase::BackOff;
                    self.stand(server, Presence::Absent, Some(strike));
                    self.servers[server as usize].rare.incarnation += 1;
                }
            }
        }
        for balancer in self.balancers_on(node) {
            self.balancer_struck(balancer, strike);
        }
    }

    pub(in crate::model) fn node_released(&mut self, node: u32, strike: u32, crashed: bool) {
        self.node_is_back(node, strike);
        for balancer in self.balancers_on(node) {
            self.balancer_released(balancer, strike);
        }
        if self.cluster().is_lost(node) {
            return;
        }
        for server in self.cluster().pods_on(node) {
            self.kubelet_is_back(server, crashed);
        }
    }

    /// What becomes of a pod whose node is back.
    fn kubelet_is_back(&mut self, server: u32, crashed: bool) {
        let now = self.now();
        let Some(pod) = self.cluster().pod(server) else { return };
        let group = self.cluster().slots[server as usize].group;
        match (pod.is_terminating, pod.phase) {
            (true, _) => self.end_pod(server),
            (false, Phase::Pending | Phase::Pulling) => self.pod_bound(server),
            (false, Phase::BackOff) if crashed => {
                self.cluster_mut().groups[group as usize].figures.restarted(now);
                self.start_container(server);
            }
            (false, _) => self.refresh_readiness(server),
        }
    }

    /// A pod of a node that was given up: its slot is free for another one.
    pub(super) fn give_up_pod(&mut self, server: u32) {
        let group = self.cluster().slots[server as usize].group;
        for strike in self.servers[server as usize].rare.faults.clone() {
            let fault = self.strikes[strike as usize].fault;
            let kind = self.topology.faults[fault as usize].kind_at(server);
            if matches!(kind, FaultKind::OnNode { .. }) {
                self.release_server(server, strike, kind);
                self.stand(server, Presence::Absent, Some(strike));
                self.lose_all_of(server, strike);
            }
        }
        self.stand(server, Presence::Absent, Some(planned(group)));
        if let Some(pod) = self.cluster_mut().pod_mut(server) {
            let was_ready = std::mem::replace(&mut pod.is_ready, false);
            debug_assert!(!was_ready, "the pods of a node that is given up are not ready");
        }
        self.pod_gone(server);
    }

    /// What a server holds will never be answered.
    fn lose_all_of(&mut self, server: u32, strike: u32) {
        self.servers[server as usize].rare.blackholes += 1;
        self.empty_server(server, strike, false);
        self.servers[server as usize].rare.blackholes -= 1;
        // Packets of flows to a pod that is no more find nobody, and not the next one in its place.
        for attempt in 0..self.attempts.capacity() {
            if self.attempts[attempt].server == server && self.is_flow_unanswered(attempt) {
                self.flow_fails(attempt);
            }
        }
    }

    // ---- Balancers on a node ------------------------------------------------------------------------------------------

    pub(super) fn balancers_on(&self, node: u32) -> Vec<u32> {
        let places = &self.cluster().plan.balancers;
        (0..places.len() as u32).filter(|balancer| places[*balancer as usize].node == node).collect()
    }

    /// A balancer closes its connections to a target that it has waited for long enough.
    pub(super) fn cut_target(&mut self, balancer: u32, target: u32) {
        self.blame_for_cut(balancer, |other| other == target, self.planned_end(balancer, target));
        self.reset_established(balancer, target);
    }

    fn planned_end(&self, balancer: u32, target: u32) -> u32 {
        match self.balancers[balancer as usize].to[target as usize] {
            TargetRef::Server(server) => match self.cluster().slots[server as usize].group {
                NONE => NONE,
                group => planned(group),
            },
            TargetRef::Balancer(_) => NONE,
        }
    }
}
