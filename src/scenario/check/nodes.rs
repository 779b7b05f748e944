//! Nodes, what stands on them, who is told of pods, and what operators do.

use super::names::{Named, split_server};
use super::{Checker, item};
use crate::document::Path;
use crate::scenario::{Balancer, Layer, Members, NodeGroup, Operation, Prefer, TrafficPolicy};
use crate::units::Span;
use std::collections::BTreeSet;

const NODES_MAX: u64 = 10_000;

impl Checker<'_> {
    pub(super) fn nodes(&mut self) {
        let scenario = self.scenario;
        let mut seen = BTreeSet::new();
        for (i, nodes) in scenario.nodes.iter().enumerate() {
            let path = item("nodes", i);
            let name = &path.field("name");
            if nodes.name.trim().is_empty() || nodes.name.chars().any(char::is_control) {
                self.error(name, "is not a name; a name has letters, digits, `-` and `_`");
            } else if !seen.insert(nodes.name.as_str()) {
                self.error(name, format!("is `{}`, which another group of nodes is called already", nodes.name));
            } else if self.names.get(&nodes.name).is_some() {
                self.error(name, format!("is `{}`, which a server, a server group or a balancer is called already", nodes.name));
            }
            if nodes.count == 0 && nodes.autoscale.is_none() {
                self.error(&path.field("count"), "is 0, and nothing adds nodes");
            }
            if nodes.cpu.0 == 0 {
                self.error(&path.field("cpu"), "is 0; a node has processors");
            }
            if nodes.memory.0 == 0 {
                self.error(&path.field("memory"), "is 0; a node has memory");
            }
            if let Some(autoscale) = &nodes.autoscale {
                let path = path.field("autoscale");
                if autoscale.max < nodes.count {
                    self.error(&path.field("max"), format!("is {}, less than the {} nodes of the start", autoscale.max, nodes.count));
                }
                if let Some(min) = autoscale.min.filter(|min| *min > nodes.count) {
                    self.error(&path.field("min"), format!("is {min}, more than the {} nodes of the start", nodes.count));
                }
                if autoscale.scan < Span::from_millis(1) {
                    self.error(&path.field("scan"), format!("is {}; looks are at least 1ms apart", autoscale.scan));
                }
                self.distribution(&path.field("boot"), &autoscale.boot);
            }
        }
        let total: u64 = scenario.nodes.iter().map(|nodes| u64::from(most_nodes(nodes))).sum();
        if total > NODES_MAX {
            self.error(&Path::root().field("nodes"), format!("has {total} nodes; at most {NODES_MAX} can be simulated"));
        }
        self.members();
        self.pod_operations();
    }

    /// A node by its name, such as `worker-2`.
    pub(super) fn node(&mut self, path: &Path, name: &str) {
        let scenario = self.scenario;
        let group = |name: &str| scenario.nodes.iter().find(|nodes| nodes.name == name);
        if let Some((nodes, number)) = split_server(name).and_then(|(nodes, number)| Some((group(nodes)?, number))) {
            let most = most_nodes(nodes);
            if most > 0 && !(1..=most).contains(&number) {
                self.error(path, format!("refers to `{name}`, and there are the nodes {0}-1 to {0}-{most}", nodes.name));
            }
        } else if let Some(nodes) = group(name) {
            self.error(path, format!("is `{name}`, which is a group of nodes; name one of them, such as `{}-1`", nodes.name));
        } else {
            let names: Vec<String> = scenario.nodes.iter().map(|nodes| format!("{}-1", nodes.name)).collect();
            self.unknown(path, name, "node", names.iter().map(String::as_str));
        }
    }

    fn members(&mut self) {
        let scenario = self.scenario;
        for (i, balancer) in scenario.balancers.iter().enumerate() {
            let path = item("balancers", i);
            self.health_port(&path.field("health_check").field("node_port"), balancer);
            match &balancer.members {
                None => {
                    if let Some(place) = balancer.targets.iter().position(|target| self.is_of_pods(target)) {
                        let what = format!(
                            "is `{}`, whose pods come and go, and nothing tells `{}` of them",
                            balancer.targets[place], balancer.name
                        );
                        let help = "write `members: { endpoints: {} }`, or `members: { target_group: {} }`";
                        self.error_help(&path.field("targets").index(place), what, help);
                    }
                }
                Some(members) => self.members_of(&path.field("members"), balancer, members),
            }
        }
    }

    /// The health check port of a node is that of a kube-proxy.
    fn health_port(&mut self, path: &Path, balancer: &Balancer) {
        let Some(check) = balancer.health_check.as_ref().filter(|check| check.node_port) else { return };
        if check.tcp.is_some() {
            self.error(path, "is for `http` checks: a TCP connect tells nothing of the pods");
        }
        let has_port = |target: &&String| match self.names.get(target) {
            Some(Named::Balancer(index)) => self.scenario.balancers[index].node.is_some(),
            _ => false,
        };
        if let Some(other) = balancer.targets.iter().find(|target| !has_port(target)) {
            let what = format!("asks for the health check port of a node, and the target `{other}` has none");
            self.error_help(path, what, "it is for balancers that stand on a `node`");
        }
    }

    /// Endpoints are shared out by the zones of the nodes: there must be some, and the balancer must be in one.
    fn topology_auto(&mut self, path: &Path, balancer: &Balancer) {
        if balancer.node.is_none() && balancer.zone.is_none() {
            return self.error(path, "is `topology_auto`, and the balancer has neither a `zone` nor a `node`");
        }
        let groups = &self.scenario.nodes;
        let zones: std::collections::BTreeSet<&String> = groups.iter().flat_map(|group| &group.zones).collect();
        if let Some(group) = groups.iter().find(|group| group.zones.is_empty()) {
            let what = format!("is `topology_auto`, which changes nothing: the nodes `{}` have no zone", group.name);
            self.warning(path, what, "Kubernetes gives no hints where the zone of a node is not known");
        } else if zones.len() < 2 {
            let what = if groups.is_empty() { "there are no `nodes`" } else { "all nodes are in one zone" };
            self.warning(
                path,
                format!("is `topology_auto`, which changes nothing: {what}"),
                "Kubernetes shares endpoints out between zones",
            );
        }
    }

    fn members_of(&mut self, path: &Path, balancer: &Balancer, members: &Members) {
        let chosen = self.chosen(path);
        let comes_and_goes = |target: &String| {
            let on_node = |index: usize| self.scenario.balancers[index].node.is_some();
            self.is_of_pods(target) || matches!(self.names.get(target), Some(Named::Balancer(index)) if on_node(index))
        };
        if !balancer.targets.iter().any(comes_and_goes) {
            self.warning(
                path,
                "changes nothing: no target is a pod, or a balancer on a node",
                "without `members` all targets are members all the time",
            );
        }
        match members {
            Members::Endpoints { delay, traffic, prefer } => {
                self.distribution(&chosen.field("delay"), delay);
                if *traffic == TrafficPolicy::Local && balancer.node.is_none() {
                    self.error(&chosen.field("traffic"), "is `local`, and the balancer stands on no `node`");
                }
                if *prefer == Prefer::SameNode && balancer.node.is_none() {
                    self.error(&chosen.field("prefer"), "is `same_node`, and the balancer stands on no `node`");
                }
                if *prefer == Prefer::SameZone && balancer.node.is_none() && balancer.zone.is_none() {
                    self.error(&chosen.field("prefer"), "is `same_zone`, and the balancer has neither a `zone` nor a `node`");
                }
                if *prefer == Prefer::TopologyAuto {
                    self.topology_auto(&chosen.field("prefer"), balancer);
                }
            }
            Members::TargetGroup { delay, registration, established, .. } => {
                self.distribution(&chosen.field("delay"), delay);
                if let Some(registration) = registration {
                    self.distribution(&chosen.field("registration"), registration);
                }
                if established.is_some() && balancer.layer == Layer::L7 {
                    self.error(
                        &chosen.field("established"),
                        "is for `layer: l4`: what this balancer has when the delay is over is always reset",
                    );
                }
            }
        }
    }

    fn pod_operations(&mut self) {
        let scenario = self.scenario;
        for (i, operation) in scenario.operations.iter().enumerate() {
            let path = item("operations", i);
            let path = self.chosen(&path);
            let at = match operation {
                Operation::Rollout { group, at } => {
                    self.group_of_pods(&path.field("group"), group);
                    at
                }
                Operation::Scale { group, at, .. } => {
                    self.group_of_pods(&path.field("group"), group);
                    at
                }
                Operation::Drain { node, at } => {
                    self.node(&path.field("node"), node);
                    at
                }
                Operation::Weights { .. } => continue,
            };
            self.operation_time(&path, *at);
        }
    }

    fn group_of_pods(&mut self, path: &Path, name: &str) {
        let scenario = self.scenario;
        let with_pods = scenario.servers.iter().filter(|group| group.pods.is_some()).map(|group| group.name.as_str());
        match self.names.get(name) {
            Some(Named::Group(group)) if group.pods.is_some() => {}
            Some(_) => self.error(path, format!("is `{name}`, which is no group of pods")),
            None => self.unknown(path, name, "group of pods", with_pods),
        }
    }
}

/// Those of the start and those that may come.
pub(super) fn most_nodes(nodes: &NodeGroup) -> u32 {
    nodes.autoscale.as_ref().map_or(nodes.count, |autoscale| autoscale.max.max(nodes.count))
}
