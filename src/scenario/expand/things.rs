//! What the blocks name: records, load balancers, ingresses and services, how they are referred to, and what they are called among the
//! balancers.

use crate::document::{Node, Path, Segment};
use crate::scenario::{Aws, Ingress, IngressClass, Kubernetes, LoadBalancer, RecordSet, Service, TargetGroup};

/// The blocks of a file, and what else of it they have to do with.
pub(super) struct Blocks<'a> {
    pub document: &'a Node,
    pub kubernetes: Option<Kubernetes>,
    pub aws: Aws,
}

/// Something that a client or a record may lead to. Numbers are places in the lists of the blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Thing {
    Record(usize),
    /// A load balancer, and which of its listeners.
    LoadBalancer(usize, usize),
    /// The first ingress of a group; alb.
    Ingress(usize),
    /// The controller of all ingresses of class nginx.
    Nginx,
    Service(usize),
}

/// What a reference means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Thing(Thing),
    Nothing,
    /// Several, by their full names.
    Several(Vec<String>),
}

/// The name of the controller among the balancers.
pub(super) const NGINX: &str = "ingress-nginx";

/// A node of the cluster.
#[derive(Clone, Debug)]
pub(super) struct ClusterNode {
    pub name: String,
    pub zone: Option<String>,
    /// It is there from the start; others may be added by the autoscaler.
    pub is_at_start: bool,
}

impl Blocks<'_> {
    pub fn services(&self) -> &[Service] {
        self.kubernetes.as_ref().map_or(&[], |kubernetes| &kubernetes.services)
    }

    pub fn ingresses(&self) -> &[Ingress] {
        self.kubernetes.as_ref().map_or(&[], |kubernetes| &kubernetes.ingresses)
    }

    pub fn service(&self, name: &str) -> Option<usize> {
        self.services().iter().position(|service| service.name == name)
    }

    pub fn group(&self, name: &str) -> Option<(usize, &TargetGroup)> {
        self.aws.target_groups.iter().enumerate().find(|(_, group)| group.name == name)
    }

    pub fn is_deployment(&self, name: &str) -> bool {
        self.kubernetes.iter().flat_map(|kubernetes| &kubernetes.deployments).any(|deployment| deployment.name == name)
    }

    /// The items of a list of the file itself.
    pub fn own(&self, section: &str) -> &[Node] {
        self.document.get(section).map_or(&[], Node::items)
    }

    pub fn own_names(&self, section: &str) -> impl Iterator<Item = &str> {
        self.own(section).iter().filter_map(Node::name)
    }

    /// The first ingress of the same group: the one whose load balancer serves all of them.
    pub fn leader(&self, index: usize) -> usize {
        let all = self.ingresses();
        let is_same = |other: &Ingress| other.class == IngressClass::Alb && other.group.is_some() && other.group == all[index].group;
        all.iter().position(is_same).unwrap_or(index)
    }

    /// Its name among the balancers.
    pub fn name_of(&self, thing: Thing) -> String {
        match thing {
            Thing::Record(index) => self.aws.records[index].name.clone(),
            Thing::LoadBalancer(index, listener) => listener_name(&self.aws.load_balancers[index], listener),
            Thing::Ingress(index) => {
                let ingress = &self.ingresses()[index];
                format!("ingress/{}", ingress.group.as_ref().unwrap_or(&ingress.name))
            }
            Thing::Nginx => NGINX.to_owned(),
            Thing::Service(index) => format!("service/{}", self.services()[index].name),
        }
    }

    /// Where it stands in the file.
    pub fn path_of(&self, thing: Thing) -> Path {
        match thing {
            Thing::Record(index) => block_item("aws", "records", index),
            Thing::LoadBalancer(index, _) => block_item("aws", "load_balancers", index),
            Thing::Ingress(index) => block_item("kubernetes", "ingresses", index),
            Thing::Nginx => {
                let first = self.ingresses().iter().position(|ingress| ingress.class == IngressClass::Nginx);
                block_item("kubernetes", "ingresses", first.unwrap_or(0))
            }
            Thing::Service(index) => block_item("kubernetes", "services", index),
        }
    }

    /// Everything that can be referred to: the names it goes by (the full one first), and what it is.
    pub fn referable(&self) -> Vec<(Vec<String>, Thing)> {
        let mut all = Vec::new();
        for (i, RecordSet { name, .. }) in self.aws.records.iter().enumerate() {
            all.push((vec![name.clone()], Thing::Record(i)));
        }
        for (i, balancer) in self.aws.load_balancers.iter().enumerate() {
            for (k, listener) in balancer.listeners.iter().enumerate() {
                let mut names = vec![listener_name(balancer, k), format!("{}:{}", balancer.name, listener.port())];
                names.dedup();
                all.push((names, Thing::LoadBalancer(i, k)));
            }
        }
        for (i, ingress) in self.ingresses().iter().enumerate() {
            let thing = match ingress.class {
                IngressClass::Alb => Thing::Ingress(self.leader(i)),
                IngressClass::Nginx => Thing::Nginx,
            };
            all.push((vec![self.name_of(thing), format!("ingress/{}", ingress.name), ingress.name.clone()], thing));
        }
        for (i, service) in self.services().iter().enumerate() {
            all.push((vec![format!("service/{}", service.name), service.name.clone()], Thing::Service(i)));
        }
        all
    }

    pub fn meaning(&self, name: &str) -> Meaning {
        let mut found: Vec<(String, Thing)> = Vec::new();
        for (names, thing) in self.referable() {
            if names.iter().any(|known| known == name) && !found.iter().any(|(_, known)| *known == thing) {
                found.push((names[0].clone(), thing));
            }
        }
        match found.as_slice() {
            [] => Meaning::Nothing,
            [(_, thing)] => Meaning::Thing(*thing),
            _ => match found.iter().find(|(full, _)| full == name) {
                Some((_, thing)) => Meaning::Thing(*thing),
                None => Meaning::Several(found.into_iter().map(|(full, _)| full).collect()),
            },
        }
    }

    /// Target groups, services or records among which a thing shares out, by the names that users give them.
    pub fn shiftable(&self, thing: Thing) -> Vec<String> {
        let mut names: Vec<String> = match thing {
            Thing::Record(index) => self.aws.records[index].to.0.iter().map(|(name, _)| name.clone()).collect(),
            Thing::LoadBalancer(index, listener) => {
                let listener = &self.aws.load_balancers[index].listeners[listener];
                let forwards = listener.rules.iter().filter_map(|rule| rule.forward.as_ref()).chain([&listener.default]);
                forwards.flat_map(|forward| forward.keys().cloned()).collect()
            }
            Thing::Ingress(_) | Thing::Nginx => {
                let served = self.ingresses().iter().enumerate().filter(|(i, ingress)| match ingress.class {
                    IngressClass::Alb => thing == Thing::Ingress(self.leader(*i)),
                    IngressClass::Nginx => thing == Thing::Nginx,
                });
                let paths = served.flat_map(|(_, ingress)| ingress.rules.iter().flat_map(|rule| &rule.paths));
                paths.flat_map(|path| super::ingresses::services(path).into_keys()).collect()
            }
            Thing::Service(_) => Vec::new(),
        };
        names.sort();
        names.dedup();
        names
    }

    /// All nodes that there can be, in the order of the file.
    pub fn nodes(&self) -> Vec<ClusterNode> {
        let mut all = Vec::new();
        for group in self.kubernetes.iter().flat_map(|kubernetes| &kubernetes.nodes) {
            let most = group.autoscale.as_ref().map_or(group.count, |autoscale| autoscale.max.max(group.count));
            for i in 0..most {
                let zone = (!group.zones.is_empty()).then(|| group.zones[i as usize % group.zones.len()].clone());
                all.push(ClusterNode { name: format!("{}-{}", group.name, i + 1), zone, is_at_start: i < group.count });
            }
        }
        all
    }

    /// Its zones, or those of the nodes or servers behind it.
    pub fn zones_of(&self, balancer: &LoadBalancer) -> Vec<String> {
        if !balancer.zones.is_empty() {
            return balancer.zones.clone();
        }
        let forwards = balancer.listeners.iter().flat_map(|listener| {
            listener.rules.iter().filter_map(|rule| rule.forward.as_ref()).chain([&listener.default]).flat_map(|forward| forward.keys())
        });
        let groups: Vec<_> = forwards.filter_map(|name| self.group(name)).map(|(_, group)| group).collect();
        let targets = || groups.iter().flat_map(|group| &group.targets);
        if groups.iter().any(|group| group.service.is_some()) || targets().any(|target| self.is_deployment(target)) {
            return self.zones();
        }
        let mut zones = Vec::new();
        for item in self.own("servers").iter().chain(self.own("balancers")) {
            let is_target = targets().any(|target| item.name().is_some_and(|name| is_of(target, name)));
            if let Some(zone) = item.get("zone").and_then(Node::text).filter(|_| is_target)
                && !zones.contains(&zone.to_owned())
            {
                zones.push(zone.to_owned());
            }
        }
        zones
    }

    /// The zone of what has one node only.
    pub fn zone_of(&self, thing: Thing) -> Option<String> {
        let zones = match thing {
            Thing::LoadBalancer(index, _) => {
                let balancer = &self.aws.load_balancers[index];
                if balancer.nodes_per_zone == 1 { self.zones_of(balancer) } else { Vec::new() }
            }
            Thing::Ingress(index) if !self.ingresses()[index].zones.is_empty() => self.ingresses()[index].zones.clone(),
            Thing::Ingress(_) => self.zones(),
            Thing::Service(index) => match &self.services()[index].load_balancer {
                Some(balancer) if !balancer.zones.is_empty() => balancer.zones.clone(),
                _ => self.zones(),
            },
            Thing::Record(_) | Thing::Nginx => Vec::new(),
        };
        <[String; 1]>::try_from(zones).ok().map(|[zone]| zone)
    }

    /// Zones of the cluster, in the order in which they appear.
    pub fn zones(&self) -> Vec<String> {
        let mut zones = Vec::new();
        for zone in self.nodes().into_iter().filter_map(|node| node.zone) {
            if !zones.contains(&zone) {
                zones.push(zone);
            }
        }
        zones
    }
}

/// The first listener goes by the load balancer's name alone.
fn listener_name(balancer: &LoadBalancer, listener: usize) -> String {
    match listener {
        0 => balancer.name.clone(),
        _ => format!("{}:{}", balancer.name, balancer.listeners[listener].port()),
    }
}

/// The path of an item of a list in a block.
pub(super) fn block_item(block: &'static str, list: &'static str, index: usize) -> Path {
    Path(vec![Segment::Field(block.into()), Segment::Field(list.into()), Segment::Index(index)])
}

/// Whether a target is this group, or one of its servers.
fn is_of(target: &str, group: &str) -> bool {
    target == group || target.strip_prefix(group).is_some_and(|rest| rest.starts_with('-'))
}
