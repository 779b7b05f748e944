//! On which node a new pod is placed: where its requests fit, spread over zones and nodes, then where most is free.
//!
//! Of the real scheduler's filters and scores, those are kept that decide for a Deployment's pods: NodeResourcesFit, PodTopologySpread
//! with the cluster's default constraints (zones and nodes, as far as possible), LeastAllocated. They are applied one after the other;
//! the product adds them up with weights and draws among equals, where the first node is taken here.
//! Source: Kubernetes documentation, concepts/scheduling-eviction/{kube-scheduler,topology-spread-constraints,resource-bin-packing}.

/// CPU in milli-cores, memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    pub cpu_milli: u64,
    pub memory: u64,
}

/// A node with what its pods have requested. Pods that terminate hold their requests until they are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    pub zone: u32,
    /// Ready, and neither cordoned nor full by another rule.
    pub takes_pods: bool,
    pub allocatable: Resources,
    pub requested: Resources,
    pub pods: u32,
    pub pods_max: u32,
}

impl Node {
    pub fn fits(&self, request: Resources) -> bool {
        let fits = |requested: u64, more: u64, all: u64| more <= all.saturating_sub(requested);
        self.takes_pods
            && self.pods < self.pods_max
            && fits(self.requested.cpu_milli, request.cpu_milli, self.allocatable.cpu_milli)
            && fits(self.requested.memory, request.memory, self.allocatable.memory)
    }

    pub fn add(&mut self, request: Resources) {
        self.pods += 1;
        self.requested.cpu_milli += request.cpu_milli;
        self.requested.memory += request.memory;
    }

    pub fn remove(&mut self, request: Resources) {
        self.pods -= 1;
        self.requested.cpu_milli -= request.cpu_milli;
        self.requested.memory -= request.memory;
    }

    /// The mean of the free parts of CPU and memory, with one more pod.
    fn free_with(&self, request: Resources) -> f64 {
        let free = |requested: u64, more: u64, all: u64| if all == 0 { 0.0 } else { (all - requested - more) as f64 / all as f64 };
        (free(self.requested.cpu_milli, request.cpu_milli, self.allocatable.cpu_milli)
            + free(self.requested.memory, request.memory, self.allocatable.memory))
            / 2.0
    }
}

/// The node for a pod; `None`: it fits nowhere and stays pending. `siblings[i]` counts the pods of the same Deployment on node i.
pub fn place(nodes: &[Node], request: Resources, siblings: &[u32]) -> Option<usize> {
    let in_zone = |zone: u32| -> u32 { nodes.iter().zip(siblings).filter(|(node, _)| node.zone == zone).map(|(_, &count)| count).sum() };
    let mut best: Option<(usize, u32, f64)> = None;
    for (i, node) in nodes.iter().enumerate().filter(|(_, node)| node.fits(request)) {
        let (zone, free) = (in_zone(node.zone), node.free_with(request));
        let is_better = best.is_none_or(|(other, other_zone, other_free)| {
            (zone, siblings[i]) < (other_zone, siblings[other])
                || ((zone, siblings[i]) == (other_zone, siblings[other]) && free > other_free)
        });
        if is_better {
            best = Some((i, zone, free));
        }
    }
    best.map(|(i, ..)| i)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: Resources = Resources { cpu_milli: 500, memory: 1 << 30 };

    fn node(zone: u32) -> Node {
        let allocatable = Resources { cpu_milli: 2000, memory: 8 << 30 };
        Node { zone, takes_pods: true, allocatable, requested: Resources::default(), pods: 0, pods_max: 110 }
    }

    fn place_all(nodes: &mut [Node], n: usize) -> Vec<Option<usize>> {
        let mut siblings = vec![0; nodes.len()];
        let mut one = || {
            let place = place(nodes, POD, &siblings)?;
            nodes[place].add(POD);
            siblings[place] += 1;
            Some(place)
        };
        (0..n).map(|_| one()).collect()
    }

    #[test]
    fn pods_spread_over_zones_first_and_then_over_nodes() {
        let mut nodes = [node(0), node(0), node(1)];
        assert_eq!(place_all(&mut nodes, 6), [Some(0), Some(2), Some(1), Some(2), Some(0), Some(2)]);
    }

    #[test]
    fn a_pod_that_fits_nowhere_is_not_placed() {
        let mut nodes = [node(0)];
        assert_eq!(place_all(&mut nodes, 5), [Some(0), Some(0), Some(0), Some(0), None], "CPU for four");
        nodes[0].remove(POD);
        assert_eq!(place_all(&mut nodes, 2), [Some(0), None]);
        let mut small = [Node { allocatable: Resources { cpu_milli: 9000, memory: 1 << 29 }, ..node(0) }];
        assert_eq!(place_all(&mut small, 1), [None], "memory");
        assert_eq!(place_all(&mut [Node { pods_max: 1, ..node(0) }], 2), [Some(0), None]);
        assert_eq!(place_all(&mut [Node { takes_pods: false, ..node(0) }], 1), [None]);
        assert_eq!(place(&[], POD, &[]), None);
    }

    #[test]
    fn where_spreading_does_not_decide_the_emptier_node_wins() {
        let mut nodes = [node(0), node(0)];
        nodes[0].add(POD);
        assert_eq!(place(&nodes, POD, &[0, 0]), Some(1));
        assert_eq!(place(&nodes, POD, &[0, 1]), Some(0));
    }
}
