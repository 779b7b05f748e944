//! The cluster autoscaler: new nodes for pods that find no room, and away with nodes that are not needed any more.

use super::Cluster;
use super::event::ClusterEvent;
use super::plan::{NodeAutoscalePlan, NodeGroupPlan};
use crate::control::cluster_autoscaler::{self, Thought};
use crate::control::defaults::cluster_autoscaler::{EVICTION_MAX, EVICTION_RETRY, REMOVED_AT_ONCE};
use crate::control::node_lifecycle::NodeView;
use crate::control::scheduler;
use crate::model::client::NONE;
use crate::model::world::World;
use crate::units::Time;
use std::collections::BTreeMap;

/// A node that is drained in order to be removed.
#[derive(Clone, Copy, Debug)]
pub(in crate::model) struct Removal {
    /// Pods that cannot be evicted by then keep it.
    until: Time,
    was_cordoned: bool,
}

impl World {
    /// A look at a group of nodes: as many new ones as the pods without a node need; or else away with what is not needed.
    pub(super) fn scan_nodes(&mut self, nodes: u32) {
        let now = self.now();
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
        if cluster.last_node_ordered.is_some_and(|at| at + autoscale.after_add > now) {
            return;
        }
        let stays = |node: &u32| {
            let node = &cluster.nodes[*node as usize];
            node.is_there && node.removal.is_none()
        };
        let there = (group.first..group.first + group.most).filter(stays).count();
        let mut surplus = there.saturating_sub(autoscale.min as usize).min(REMOVED_AT_ONCE);
        for index in unneeded {
            let nodes = &self.cluster().nodes;
            let is_empty = nodes[index as usize].room.pods == 0;
            if surplus == 0 || (!is_empty && nodes.iter().any(|node| node.removal.is_some())) {
                continue;
            }
            surplus -= 1;
            if is_empty { self.remove_node(index) } else { self.begin_removal(index) }
        }
    }

    fn begin_removal(&mut self, index: u32) {
        let until = self.now() + EVICTION_MAX;
        let node = &mut self.cluster_mut().nodes[index as usize];
        node.removal = Some(Removal { until, was_cordoned: node.is_cordoned });
        node.is_cordoned = true;
        node.update();
        self.empty_node(index);
    }

    /// Evicts the pods of a node that is to be removed, as far as budgets allow; where they do not for long, the node stays.
    pub(super) fn empty_node(&mut self, index: u32) {
        let now = self.now();
        if self.cluster().nodes[index as usize].removal.is_none() {
            return;
        }
        let are_left = self.evict_pods(index);
        let node = &mut self.cluster_mut().nodes[index as usize];
        match node.removal {
            Some(removal) if are_left && now >= removal.until => {
                (node.removal, node.is_cordoned, node.unneeded_since) = (None, removal.was_cordoned, None);
                node.update();
                self.wake_scheduler();
            }
            Some(_) if are_left => self.schedule_cluster(now + EVICTION_RETRY, ClusterEvent::EmptyNode { node: index }),
            _ => {}
        }
    }

    /// A pod has gone: its node goes, too, if it was the last one and that is what it is drained for.
    pub(super) fn node_may_go(&mut self, index: u32) {
        if index != NONE && self.cluster().nodes[index as usize].removal.is_some() && self.cluster().nodes[index as usize].room.pods == 0 {
            self.remove_node(index);
        }
    }

    fn remove_node(&mut self, index: u32) {
        let node = &mut self.cluster_mut().nodes[index as usize];
        (node.is_there, node.is_cordoned, node.removal, node.unneeded_since) = (false, false, None, None);
        // The pods of another node that comes in its place are not those that were marked.
        node.eviction = 0;
        node.images.clear();
        node.update();
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
        self.node_changed(index);
        self.wake_scheduler();
    }
}

impl Cluster {
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
