//! Which nodes the cluster autoscaler finds unneeded: little used, and their pods would fit elsewhere.
//!
//! Nodes are tried one after the other: the pods of one that could go are placed on others in thought, which have less room for the pods of
//! the next ones, and it takes none of those itself. A pod whose disruption budget is used up keeps its node.
//! Source: kubernetes/autoscaler, cluster-autoscaler/FAQ.md ("How does scale-down work?"), core/scaledown/planner/planner.go
//! (categorizeNodes), core/scaledown/eligibility (isNodeBelowUtilizationThreshold), core/scaledown/pdb/basic.go.

use super::scheduler::{self, Node, Resources};

/// Whether the pods ask for less than this part of a node, of CPU and of memory.
pub fn is_little_used(node: &Node, threshold: f64) -> bool {
    let part = |requested: u64, all: u64| if all == 0 { 0.0 } else { requested as f64 / all as f64 };
    let cpu = part(node.requested.cpu_milli, node.allocatable.cpu_milli);
    cpu.max(part(node.requested.memory, node.allocatable.memory)) < threshold
}

/// A pod that would have to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its Deployment.
    pub group: usize,
    pub request: Resources,
}

/// The cluster as it would be without the nodes that could go.
#[derive(Clone, Debug)]
pub struct Thought {
    nodes: Vec<Node>,
    /// By Deployment and node: its pods there.
    siblings: Vec<Vec<u32>>,
    /// By Deployment: how many pods its disruption budget lets go. `None`: it has none.
    allowed: Vec<Option<u32>>,
    /// By node: pods that have come there in thought.
    moved: Vec<Vec<Pod>>,
}

impl Thought {
    pub fn new(nodes: Vec<Node>, siblings: Vec<Vec<u32>>, allowed: Vec<Option<u32>>) -> Thought {
        Thought { moved: vec![Vec::new(); nodes.len()], nodes, siblings, allowed }
    }

    /// Whether the cluster could do without a node: all its `pods`, and those that have come there in thought, may go and find room
    /// elsewhere. Then they have gone, in thought.
    pub fn can_do_without(&mut self, node: usize, pods: &[Pod]) -> bool {
        if pods.iter().any(|pod| self.allowed[pod.group] == Some(0)) {
            return false;
        }
        if self.nodes[node].pods == 0 {
            self.nodes[node].takes_pods = false;
            return true;
        }
        let mut next = self.clone();
        next.nodes[node].takes_pods = false;
        for pod in pods.iter().chain(&std::mem::take(&mut next.moved[node])) {
            next.siblings[pod.group][node] -= 1;
            let Some(place) = scheduler::place(&next.nodes, pod.request, &next.siblings[pod.group]) else { return false };
            next.nodes[place].add(pod.request);
            next.siblings[pod.group][place] += 1;
            next.moved[place].push(*pod);
            next.allowed[pod.group] = next.allowed[pod.group].map(|left| left.saturating_sub(1));
        }
        *self = next;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: Resources = Resources { cpu_milli: 500, memory: 1 << 30 };

    fn node(pods: u32) -> Node {
        let allocatable = Resources { cpu_milli: 2000, memory: 16 << 30 };
        let mut node = Node { zone: 0, takes_pods: true, allocatable, requested: Resources::default(), pods: 0, pods_max: 110 };
        (0..pods).for_each(|_| node.add(POD));
        node
    }

    fn thought(pods: &[u32], allowed: Option<u32>) -> Thought {
        Thought::new(pods.iter().map(|pods| node(*pods)).collect(), vec![pods.to_vec()], vec![allowed])
    }

    fn pods(count: usize) -> Vec<Pod> {
        vec![Pod { group: 0, request: POD }; count]
    }

    #[test]
    fn a_node_is_little_used_below_half_of_cpu_and_of_memory() {
        assert_eq!([0, 1, 2].map(|pods| is_little_used(&node(pods), 0.5)), [true, true, false], "a quarter of the CPU each");
        let small = Node { allocatable: Resources { cpu_milli: 9000, memory: 2 << 30 }, ..node(1) };
        assert!(!is_little_used(&small, 0.5), "half of the memory");
        assert!(!is_little_used(&node(0), 0.0));
    }

    #[test]
    fn pods_must_find_room_that_no_node_before_has_taken() {
        // Two on each of three nodes, four fit on one: the first can go, then there are two places left for two, then none.
        let mut cluster = thought(&[2, 2, 2], None);
        assert!(cluster.can_do_without(0, &pods(2)));
        assert_eq!((cluster.nodes[1].pods, cluster.nodes[2].pods, &cluster.siblings[0]), (3, 3, &vec![0, 3, 3]));
        assert!(!cluster.can_do_without(1, &pods(2)), "one place is left for three, and the first node takes none");
        assert_eq!(cluster.nodes[1].pods, 3, "it stays as it was");
        // One on each of four nodes: the last one has to take them all, those that came from others included.
        let mut cluster = thought(&[1, 1, 1, 1], None);
        assert_eq!([0, 1, 2, 3].map(|node| cluster.can_do_without(node, &pods(1))), [true, true, true, false]);
        assert_eq!(cluster.siblings[0], [0, 0, 0, 4]);
        assert!(!thought(&[1], None).can_do_without(0, &pods(1)));
        assert!(thought(&[0], None).can_do_without(0, &[]), "an empty node needs nobody");
        let mut cluster = thought(&[0, 1], None);
        assert!(cluster.can_do_without(0, &[]) && !cluster.can_do_without(1, &pods(1)), "one that goes takes nobody");
    }

    #[test]
    fn a_budget_that_is_used_up_keeps_the_node() {
        assert!(!thought(&[1, 0], Some(0)).can_do_without(0, &pods(1)));
        let mut cluster = thought(&[1, 1, 0, 0], Some(1));
        assert!(cluster.can_do_without(0, &pods(1)));
        assert!(!cluster.can_do_without(1, &pods(1)), "the one before has used it");
        assert!(cluster.can_do_without(2, &[]));
        assert!(thought(&[2, 0], Some(1)).can_do_without(0, &pods(2)), "one at a time");
    }
}
