//! The cluster autoscaler: new nodes for pods that find no room, and away with nodes that are not needed any more.

use super::Cluster;
use super::event::ClusterEvent;
use super::plan::{NodeAutoscalePlan, NodeGroupPlan};
use crate::control::cluster_autoscaler::{self, Thought};
use crate::control::defaults::cluster_autoscaler::{EVICTION_HEADROOM, EVICTION_MAX, EVICTION_RETRY, GRACE_MAX, REMOVED_AT_ONCE};
use crate::control::node_lifecycle::NodeView;
use crate::control::scheduler;
use crate::model::balancer::Bar;
use crate::model::client::NONE;
use crate::model::plan::TargetRef;
use crate::model::world::World;
use crate::units::{Span, Time};
use std::collections::BTreeMap;

/// A node that is drained in order to be removed.
#[derive(Clone, Copy, Debug)]
pub(in crate::model) struct Removal {
    /// Tells it from earlier ones.
    token: u32,
    /// Pods that cannot be evicted by then keep it.
    until: Time,
    /// All are evicted, and those that have not ended by then keep it.
    gone_by: Option<Time>,
    was_cordoned: bool,
}

impl World {
    /// A look at a group of nodes: as many new ones as the pods without a node need; or else away with what is not needed.
    pub(super) fn scan_nodes(&mut self, nodes: u32) {
        let now = self.now();
        // It sees what controllers and the scheduler make of this moment: a pod that has room on a new node is there.
        if self.cluster().is_unsettled() {
            return self.schedule_cluster(now, ClusterEvent::ScanNodes { nodes });
        }
        let plan = self.cluster().plan.clone();
        let group = &plan.node_groups[nodes as usize];
        let Some(autoscale) = &group.autoscale else { return };
        let wanted = self.cluster().nodes_wanted(nodes);
        if wanted.is_empty() {
            self.scale_down(group, autoscale);
        } else {
            self.cluster_mut().last_node_ordered = Some(now);
        }
        for index in wanted {
            let boot = autoscale.boot.sample(&mut self.cluster_mut().boot_rng[nodes as usize]);
            self.cluster_mut().nodes[index as usize].is_booting = true;
            self.schedule_cluster(now + boot, ClusterEvent::Booted { node: index });
        }
        self.schedule_cluster(now + autoscale.scan, ClusterEvent::ScanNodes { nodes });
    }

    /// Removes nodes that have been unneeded for long enough: empty ones at once, of the others one after the other.
    fn scale_down(&mut self, group: &NodeGroupPlan, autoscale: &NodeAutoscalePlan) {
        let now = self.now();
        let unneeded = self.cluster_mut().find_unneeded(group, autoscale, now);
        let cluster = self.cluster();
        // Nor in a round in which another group grows.
        if cluster.last_node_ordered.is_some_and(|at| at == now || at + autoscale.after_add > now) {
            return;
        }
        let stays = |node: &u32| {
            let node = &cluster.nodes[*node as usize];
            node.is_there && node.removal.is_none()
        };
        let there = (group.first..group.first + group.most).filter(stays).count();
        let surplus = there.saturating_sub(autoscale.min as usize);
        // Groups that are looked at in the same moment are one round.
        let begun = cluster.nodes.iter().filter(|node| node.removal.is_some()).count();
        let removed = cluster.nodes_removed.filter(|(at, _)| *at == now).map_or(0, |(_, count)| count);
        let mut left = surplus.min(REMOVED_AT_ONCE.saturating_sub(begun + removed));
        for index in unneeded {
            let nodes = &self.cluster().nodes;
            let is_empty = nodes[index as usize].room.pods == 0;
            if left == 0 || (!is_empty && nodes.iter().any(|node| node.removal.is_some())) {
                continue;
            }
            left -= 1;
            if is_empty { self.remove_node(index) } else { self.begin_removal(index) }
        }
    }

    fn begin_removal(&mut self, index: u32) {
        let until = self.now() + EVICTION_MAX;
        let token = self.cluster_mut().token();
        let node = &mut self.cluster_mut().nodes[index as usize];
        node.removal = Some(Removal { token, until, gone_by: None, was_cordoned: node.is_cordoned });
        node.is_cordoned = true;
        node.update();
        self.node_changed(index);
        self.empty_node(index, token);
    }

    /// Evicts the pods of a node that is to be removed, as far as budgets allow. Where they do not for long, or pods do not end in time, the
    /// node stays: a kubelet that is cut off does not say that they have.
    pub(super) fn empty_node(&mut self, index: u32, token: u32) {
        let now = self.now();
        let Some(removal) = self.cluster().nodes[index as usize].removal.filter(|removal| removal.token == token) else { return };
        let are_left = self.evict_pods(index);
        let gone_by = removal.gone_by.unwrap_or(now + self.cluster().longest_grace(index).min(GRACE_MAX) + EVICTION_HEADROOM);
        let (again, deadline) = if are_left { (now + EVICTION_RETRY, removal.until) } else { (gone_by, gone_by) };
        let node = &mut self.cluster_mut().nodes[index as usize];
        let Some(removal) = &mut node.removal else { return };
        if now < deadline {
            removal.gone_by = (!are_left).then_some(gone_by);
            return self.schedule_cluster(again, ClusterEvent::EmptyNode { node: index, token });
        }
        (node.is_cordoned, node.unneeded_since) = (removal.was_cordoned, None);
        node.removal = None;
        node.update();
        self.node_changed(index);
        self.wake_scheduler();
    }

    /// A pod has gone: its node goes, too, if it was the last one and that is what it is drained for.
    pub(super) fn node_may_go(&mut self, index: u32) {
        if index != NONE && self.cluster().nodes[index as usize].removal.is_some() && self.cluster().nodes[index as usize].room.pods == 0 {
            self.remove_node(index);
        }
    }

    fn remove_node(&mut self, index: u32) {
        let now = self.now();
        let removed = &mut self.cluster_mut().nodes_removed;
        *removed = Some((now, removed.filter(|(at, _)| *at == now).map_or(1, |(_, count)| count + 1)));
        let node = &mut self.cluster_mut().nodes[index as usize];
        (node.is_there, node.is_cordoned, node.removal, node.unneeded_since) = (false, false, None, None);
        // The pods of another node that comes in its place are not those that were marked.
        node.eviction = 0;
        node.images.clear();
        node.update();
        self.switch_off(index);
        self.node_changed(index);
    }

    pub(super) fn node_boots(&mut self, index: u32) {
        let now = self.now();
        let node = &mut self.cluster_mut().nodes[index as usize];
        node.is_booting = false;
        if !node.lost_by.is_empty() {
            return; // It is never heard from: another one will be ordered.
        }
        (node.is_there, node.back, node.unneeded_since) = (true, now, None);
        node.view = NodeView::new(now);
        node.update();
        for balancer in self.balancers_on(index) {
            self.balancer_released(balancer, NONE);
        }
        self.choose_among_nodes_there(index);
        self.node_changed(index);
        self.wake_scheduler();
    }

    // ---- Balancers on a node that comes and goes ----------------------------------------------------------------------

    /// Nodes that may come have not come yet.
    pub(super) fn begin_node_groups(&mut self) {
        for index in 0..self.cluster().nodes.len() as u32 {
            if !self.cluster().nodes[index as usize].is_there {
                self.choose_among_nodes_there(index);
                self.balancers_on(index).into_iter().for_each(|balancer| self.cut_off_balancer(balancer, NONE));
            }
        }
    }

    /// The machine is gone: so is what was on its way through the balancers there, and nobody is told.
    fn switch_off(&mut self, index: u32) {
        self.choose_among_nodes_there(index);
        for balancer in self.balancers_on(index) {
            self.balancer_struck(balancer, NONE);
        }
    }

    /// Who has a list of nodes that no controller keeps goes by the nodes that there are: a caller of a cluster IP moves with the pod that it
    /// is, and has closed its connections when the node goes.
    fn choose_among_nodes_there(&mut self, index: u32) {
        let places = self.cluster().plan.clone();
        for outer in 0..self.balancers.len() as u32 {
            let is_there_on = |to: &TargetRef| match to {
                TargetRef::Balancer(inner) => places.balancers[*inner as usize].node == index,
                TargetRef::Server(_) => false,
            };
            if self.has_members(outer) || !self.balancers[outer as usize].to.iter().any(is_there_on) {
                continue;
            }
            let World { cluster, balancers, .. } = self;
            let nodes = cluster.as_ref().map_or(&[][..], |cluster| &cluster.nodes);
            let balancer = &mut balancers[outer as usize];
            let is_gone: Vec<bool> = (balancer.to.iter())
                .map(|to| match to {
                    TargetRef::Balancer(inner) => {
                        nodes.get(places.balancers[*inner as usize].node as usize).is_some_and(|node| !node.is_there)
                    }
                    TargetRef::Server(_) => false,
                })
                .collect();
            balancer.bar(Bar::NoNode, |target| is_gone[target as usize]);
            self.retire_connections_through(outer, &is_gone);
        }
    }
}

impl Cluster {
    /// Whether a controller or the scheduler has something to do at this moment.
    fn is_unsettled(&self) -> bool {
        self.is_schedule_due || self.groups.iter().any(|group| group.is_reconcile_due)
    }

    /// The longest grace of the pods on a node.
    fn longest_grace(&self, node: u32) -> Span {
        let graces = self.pods_on(node).into_iter().map(|server| self.plan.groups[self.slots[server as usize].group as usize].grace);
        graces.max().unwrap_or(Span::ZERO)
    }

    /// Nodes of a group that the cluster could have done without for long enough, empty ones first.
    fn find_unneeded(&mut self, group: &NodeGroupPlan, autoscale: &NodeAutoscalePlan, now: Time) -> Vec<u32> {
        let groups = 0..self.groups.len() as u32;
        let mut thought = Thought::new(
            self.nodes.iter().map(|node| node.room).collect(),
            groups.clone().map(|group| self.siblings(group)).collect(),
            groups.map(|group| self.disruptions_allowed(group)).collect(),
        );
        let mut all: Vec<u32> = (group.first..group.first + group.most).rev().collect();
        all.sort_by_key(|node| self.nodes[*node as usize].room.pods > 0);
        let mut unneeded = Vec::new();
        for index in all {
            let node = &self.nodes[index as usize];
            let is_candidate = node.is_known()
                && node.lost_by.is_empty()
                && node.removal.is_none()
                && cluster_autoscaler::is_little_used(&node.room, autoscale.utilization);
            let is_unneeded = is_candidate && thought.can_do_without(index as usize, &self.pods_to_move(index));
            let node = &mut self.nodes[index as usize];
            node.unneeded_since = is_unneeded.then(|| node.unneeded_since.unwrap_or(now));
            if node.unneeded_since.is_some_and(|since| since + autoscale.idle <= now) {
                unneeded.push(index);
            }
        }
        unneeded
    }

    fn pods_to_move(&self, node: u32) -> Vec<cluster_autoscaler::Pod> {
        let stays = |server: &u32| self.pod(*server).is_some_and(|pod| !pod.is_terminating);
        let servers = self.pods_on(node).into_iter().filter(stays);
        let groups = servers.map(|server| self.slots[server as usize].group as usize);
        groups.map(|group| cluster_autoscaler::Pod { group, request: self.plan.groups[group].request }).collect()
    }

    /// Which nodes of a group must be ordered for the pods that wait: they are placed, in thought, on those that are on their way and on
    /// as many more as it takes.
    fn nodes_wanted(&self, nodes: u32) -> Vec<u32> {
        let group = &self.plan.node_groups[nodes as usize];
        let mut rooms: Vec<scheduler::Node> = self.nodes.iter().map(|node| node.room).collect();
        for (room, node) in rooms.iter_mut().zip(&self.nodes) {
            room.takes_pods |= node.is_booting;
        }
        let mut siblings: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        let mut wanted = Vec::new();
        for server in self.waiting_pods() {
            let of = self.slots[server as usize].group;
            let request = self.plan.groups[of as usize].request;
            let siblings = siblings.entry(of).or_insert_with(|| self.siblings(of));
            let is_free = |node: &u32| {
                let state = &self.nodes[*node as usize];
                !state.is_there && !state.is_booting && state.lost_by.is_empty() && !wanted.contains(node)
            };
            let place = match scheduler::place(&rooms, request, siblings) {
                Some(place) => place,
                None => {
                    let Some(new) = (group.first..group.first + group.most).find(is_free) else { break };
                    rooms[new as usize].takes_pods = true;
                    if !rooms[new as usize].fits(request) {
                        // It would not fit on a new one either.
                        rooms[new as usize].takes_pods = false;
                        continue;
                    }
                    wanted.push(new);
                    new as usize
                }
            };
            rooms[place].add(request);
            siblings[place] += 1;
        }
        wanted
    }
}
