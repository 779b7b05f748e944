//! Zones and nodes: names to numbers.

use super::delay;
use crate::dist::Distribution;
use crate::input::Inputs;
use crate::model::places::{NOWHERE, NetworkPlan, Place};
use crate::scenario::Scenario;
use std::collections::BTreeMap;

/// Where the names of a scenario are.
#[derive(Default)]
pub(super) struct Ground {
    zones: BTreeMap<String, u32>,
    /// By node, such as `worker-1`.
    nodes: BTreeMap<String, Place>,
}

impl Ground {
    pub(super) fn of(scenario: &Scenario) -> Ground {
        let mut ground = Ground::default();
        for group in &scenario.nodes {
            let most = group.autoscale.as_ref().map_or(group.count, |autoscale| autoscale.max.max(group.count));
            for number in 0..most {
                let zone = (!group.zones.is_empty()).then(|| group.zones[number as usize % group.zones.len()].as_str());
                let place = Place { node: ground.nodes.len() as u32, ..ground.place(zone, None) };
                ground.nodes.insert(format!("{}-{}", group.name, number + 1), place);
            }
        }
        ground
    }

    /// The number of a node.
    pub(super) fn node(&self, name: &str) -> Result<u32, String> {
        self.nodes.get(name).map(|place| place.node).ok_or_else(|| format!("`{name}` is not a node"))
    }

    pub(super) fn zone_of_node(&self, name: &str) -> u32 {
        self.nodes.get(name).map_or(NOWHERE.zone, |place| place.zone)
    }

    /// The nodes that stand in a zone, or may come to, in their order.
    pub(super) fn nodes_of_zone(&self, zone: &str) -> Vec<u32> {
        let zone = self.zones.get(zone).copied();
        let mut nodes: Vec<u32> = self.nodes.values().filter(|place| Some(place.zone) == zone).map(|place| place.node).collect();
        nodes.sort_unstable();
        nodes
    }

    /// The number of a zone.
    pub(super) fn zone(&self, name: &str) -> Option<u32> {
        self.zones.get(name).copied()
    }

    /// How many zones there are.
    pub(super) fn zones(&self) -> usize {
        self.zones.len()
    }

    /// Where something with this zone and node is; the node's zone where no other is given.
    pub(super) fn place(&mut self, zone: Option<&str>, node: Option<&str>) -> Place {
        let node = node.and_then(|node| self.nodes.get(node)).copied().unwrap_or(NOWHERE);
        let Some(zone) = zone else { return node };
        let next = self.zones.len() as u32;
        Place { zone: *self.zones.entry(zone.to_owned()).or_insert(next), ..node }
    }
}

/// The delays between places, where the scenario says where more than its servers are.
pub(super) fn compile_network(scenario: &Scenario, inputs: &Inputs) -> Option<NetworkPlan> {
    let is_placed = scenario.network.is_some()
        || !scenario.nodes.is_empty()
        || scenario.clients.iter().any(|client| client.zone.is_some())
        || scenario.balancers.iter().any(|balancer| balancer.zone.is_some() || balancer.node.is_some());
    let network = scenario.network.clone().unwrap_or_default();
    let sampler = |distribution: &Option<Distribution>| delay(distribution.as_ref(), inputs);
    is_placed.then(|| NetworkPlan {
        same_node: sampler(&network.same_node),
        same_zone: sampler(&network.same_zone),
        cross_zone: sampler(&network.cross_zone),
    })
}
