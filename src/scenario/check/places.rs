//! Where things stand, and the ways between.

use super::nodes::most_nodes;
use super::{Checker, item};
use crate::document::Path;

impl Checker<'_> {
    /// Zones, nodes and the network between them.
    pub(super) fn places(&mut self) {
        let scenario = self.scenario;
        let nodes = scenario.nodes.iter().flat_map(|group| {
            (0..most_nodes(group).min(10_000)).map(move |number| {
                let zone = (!group.zones.is_empty()).then(|| group.zones[number as usize % group.zones.len()].as_str());
                (format!("{}-{}", group.name, number + 1), zone)
            })
        });
        let nodes: Vec<(String, Option<&str>)> = nodes.collect();
        let servers = scenario.servers.iter().enumerate().map(|(i, group)| (item("servers", i), &group.zone, &group.node));
        let balancers = scenario.balancers.iter().enumerate().map(|(i, balancer)| (item("balancers", i), &balancer.zone, &balancer.node));
        for (path, zone, node) in servers.chain(balancers) {
            self.zone(&path, zone);
            let Some(node) = node else { continue };
            match (nodes.iter().find(|(name, _)| name == node), zone) {
                (None, _) => self.node(&path.field("node"), node),
                (Some((_, Some(own))), Some(zone)) if own != zone => {
                    self.error(&path.field("zone"), format!("is `{zone}`, and the node `{node}` stands in `{own}`; leave it out"));
                }
                _ => {}
            }
        }
        for (i, client) in scenario.clients.iter().enumerate() {
            self.zone(&item("clients", i), &client.zone);
        }
        for (i, balancer) in scenario.balancers.iter().enumerate() {
            if balancer.own_zone_only && balancer.zone.is_none() && balancer.node.is_none() {
                let help = "say in which `zone` it stands";
                self.warning(&item("balancers", i).field("own_zone_only"), "changes nothing: the balancer stands in no zone", help);
            }
        }
        if let Some(network) = &scenario.network {
            let path = Path::root().field("network");
            for (field, delay) in
                [("same_node", &network.same_node), ("same_zone", &network.same_zone), ("cross_zone", &network.cross_zone)]
            {
                delay.iter().for_each(|delay| self.distribution(&path.field(field), delay));
            }
        }
    }

    fn zone(&mut self, path: &Path, zone: &Option<String>) {
        if zone.as_ref().is_some_and(|zone| zone.trim().is_empty()) {
            self.error(&path.field("zone"), "is empty; leave it out for what stands in no zone");
        }
    }
}
