//! Where clients enter, and what they never reach.

use super::Check;
use crate::document::Path;
use crate::scenario::expand::things::{Blocks, Meaning, Thing, block_item};
use crate::scenario::expand::walk::{Entry, entry, targets_of_own};
use crate::scenario::{Ingress, IngressClass, IngressNginx, Prefer, ServiceType, TargetType, TrafficPolicy};
use std::collections::BTreeSet;

impl Check<'_, '_> {
    pub(super) fn entry(&mut self) {
        let blocks = self.blocks;
        let start = match entry(blocks) {
            Entry::Thing(thing) => Some(thing),
            Entry::Own(_) => None,
            Entry::Open(names) => {
                let path = Path::root().field("entry");
                let help = format!("`entry: {}`, or one of {}", names[0], names.join(", "));
                if self.has(&path) {
                    self.error_help(&path, format!("may be {}", names.join(" or ")), help);
                } else {
                    let path = if blocks.kubernetes.is_some() { "kubernetes" } else { "aws" };
                    self.error_help(&Path::root().field(path), "leaves open where clients enter", help);
                }
                return;
            }
            Entry::Nothing => {
                let path = if blocks.kubernetes.is_some() { "kubernetes" } else { "aws" };
                let help = "a record, a load balancer, an ingress or a service leads to the servers";
                return self.error_help(&Path::root().field(path), "has nothing at which clients could enter", help);
            }
        };
        let mut reached = BTreeSet::new();
        let mut services = BTreeSet::new();
        let mut todo: Vec<Thing> = start.into_iter().chain(targets_of_own(blocks)).collect();
        while let Some(thing) = todo.pop() {
            if reached.insert(thing) {
                todo.extend(next(blocks, thing));
                services.extend(behind(blocks, thing));
            }
        }
        services.extend(reached.iter().filter_map(|thing| if let Thing::Service(index) = thing { Some(*index) } else { None }));
        self.past_proxies(&reached, &services);
        let help = "nothing on the clients' way leads to it, so it is left out";
        for (i, _) in blocks.aws.records.iter().enumerate().filter(|(i, _)| !reached.contains(&Thing::Record(*i))) {
            self.warning(&block_item("aws", "records", i).field("name"), "is never reached by a client", help);
        }
        for (i, balancer) in blocks.aws.load_balancers.iter().enumerate() {
            for k in (0..balancer.listeners.len()).filter(|k| !reached.contains(&Thing::LoadBalancer(i, *k))) {
                let path = block_item("aws", "load_balancers", i);
                let path = if balancer.listeners.len() > 1 { path.field("listeners").index(k) } else { path.field("name") };
                self.warning(&path, "is never reached by a client", help);
            }
        }
        for (i, _) in blocks.ingresses().iter().enumerate().filter(|(i, ingress)| !reached.contains(&of_ingress(blocks, *i, ingress))) {
            self.warning(&block_item("kubernetes", "ingresses", i).field("name"), "is never reached by a client", help);
        }
        for i in (0..blocks.services().len()).filter(|i| !services.contains(i)) {
            self.warning(&block_item("kubernetes", "services", i).field("name"), "is never reached by a client", help);
        }
    }
}

/// Settings of a service that its kube-proxies go by.
const OF_PROXIES: [&str; 4] = ["external_traffic", "internal_traffic", "session_affinity", "prefer"];

impl Check<'_, '_> {
    /// What is said of kube-proxies that no connection passes: where load balancers send to the pods themselves, or nginx does.
    fn past_proxies(&mut self, reached: &BTreeSet<Thing>, services: &BTreeSet<usize>) {
        let blocks = self.blocks;
        let proxied: BTreeSet<usize> = reached.iter().flat_map(|thing| proxied(blocks, *thing)).collect();
        let why = "changes nothing: all connections go to the pods themselves, and pass no kube-proxy";
        let help = "a load balancer sends to node ports with target type `instance`; nginx always sends to pods";
        for index in services.difference(&proxied) {
            let service = &blocks.services()[*index];
            let says = |field: &str| match field {
                "external_traffic" => service.external_traffic == TrafficPolicy::Local,
                // Of others it has been said that it is for callers within the cluster.
                "internal_traffic" => service.kind == ServiceType::ClusterIp && service.internal_traffic == TrafficPolicy::Local,
                "session_affinity" => service.session_affinity.is_some(),
                _ => service.prefer != Prefer::None,
            };
            for field in OF_PROXIES.into_iter().filter(|field| says(field)) {
                self.warning(&block_item("kubernetes", "services", *index).field(field), why, help);
            }
        }
        let base = Path::root().field("kubernetes");
        if proxied.is_empty() && !services.is_empty() && self.has(&base.field("proxy")) {
            self.warning(&base.field("proxy"), why, help);
        }
        let nginx = blocks.kubernetes.as_ref().and_then(|kubernetes| kubernetes.ingress_nginx.as_ref());
        let is_by_pods =
            |nginx: &&IngressNginx| nginx.load_balancer.as_ref().is_some_and(|balancer| balancer.target_type == TargetType::Ip);
        if nginx.filter(is_by_pods).is_some_and(|nginx| nginx.external_traffic == TrafficPolicy::Local) {
            let help = "its load balancer sends to node ports with `target_type: instance`";
            self.warning(&base.field("ingress_nginx").field("external_traffic"), why, help);
        }
    }
}

/// Services whose kube-proxies are on the way behind a thing.
fn proxied(blocks: &Blocks, thing: Thing) -> Vec<usize> {
    let all = behind(blocks, thing);
    let is_by_port = |service: &usize| match thing {
        Thing::Record(_) | Thing::Nginx => false,
        Thing::Service(index) => {
            let service = &blocks.services()[index];
            let settings = service.load_balancer.clone().unwrap_or_default();
            service.kind != ServiceType::LoadBalancer || settings.target_type == TargetType::Instance
        }
        Thing::Ingress(leader) => blocks.ingresses().iter().enumerate().any(|(i, ingress)| {
            let is_here = ingress.class == IngressClass::Alb && blocks.leader(i) == leader;
            is_here && ingress.target_type == TargetType::Instance && of_ingresses(blocks, &|other, _| other == i).contains(service)
        }),
        Thing::LoadBalancer(..) => blocks.shiftable(thing).iter().filter_map(|name| blocks.group(name)).any(|(_, group)| {
            let of_group = group.service.as_ref().and_then(|name| blocks.service(name));
            group.target_type == TargetType::Instance && of_group == Some(*service)
        }),
    };
    all.into_iter().filter(is_by_port).collect()
}

fn of_ingress(blocks: &Blocks, index: usize, ingress: &Ingress) -> Thing {
    match ingress.class {
        IngressClass::Alb => Thing::Ingress(blocks.leader(index)),
        IngressClass::Nginx => Thing::Nginx,
    }
}

/// Things to which this one leads.
fn next(blocks: &Blocks, thing: Thing) -> Vec<Thing> {
    let Thing::Record(index) = thing else { return Vec::new() };
    let names = blocks.aws.records[index].to.0.iter();
    names
        .filter_map(|(name, _)| match blocks.meaning(name) {
            Meaning::Thing(thing) => Some(thing),
            _ => None,
        })
        .collect()
}

/// Services to which some of the ingresses lead.
fn of_ingresses(blocks: &Blocks, is_served: &dyn Fn(usize, &Ingress) -> bool) -> Vec<usize> {
    let served = blocks.ingresses().iter().enumerate().filter(|(i, ingress)| is_served(*i, ingress)).map(|(_, ingress)| ingress);
    let names = served.flat_map(|ingress| {
        let paths = ingress.rules.iter().flat_map(|rule| &rule.paths);
        let of_paths = paths.flat_map(|path| crate::scenario::expand::ingresses::services(path).into_keys());
        of_paths.chain(ingress.default_backend.clone())
    });
    names.filter_map(|name| blocks.service(&name)).collect()
}

/// Services whose pods or node ports are the targets of a thing.
fn behind(blocks: &Blocks, thing: Thing) -> Vec<usize> {
    match thing {
        Thing::Record(_) => Vec::new(),
        Thing::Service(index) => vec![index],
        Thing::Nginx => of_ingresses(blocks, &|_, ingress| ingress.class == IngressClass::Nginx),
        Thing::Ingress(leader) => of_ingresses(blocks, &|i, ingress| ingress.class == IngressClass::Alb && blocks.leader(i) == leader),
        Thing::LoadBalancer(..) => {
            let groups = blocks.shiftable(thing);
            let services = groups.iter().filter_map(|name| blocks.group(name)).filter_map(|(_, group)| group.service.as_ref());
            services.filter_map(|name| blocks.service(name)).collect()
        }
    }
}
