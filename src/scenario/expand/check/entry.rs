//! Where clients enter, and what they never reach.

use super::Check;
use crate::document::Path;
use crate::scenario::expand::things::{Blocks, Meaning, Thing, block_item};
use crate::scenario::expand::walk::{Entry, entry, targets_of_own};
use crate::scenario::{Ingress, IngressClass};
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
        for i in (0..blocks.services().len()).filter(|i| !services.contains(i) && !reached.contains(&Thing::Service(*i))) {
            self.warning(&block_item("kubernetes", "services", i).field("name"), "is never reached by a client", help);
        }
    }
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

/// Services whose pods or node ports are the targets of a thing.
fn behind(blocks: &Blocks, thing: Thing) -> Vec<usize> {
    let of_ingresses = |is_served: &dyn Fn(usize, &Ingress) -> bool| {
        let served = blocks.ingresses().iter().enumerate().filter(|(i, ingress)| is_served(*i, ingress)).map(|(_, ingress)| ingress);
        let names = served.flat_map(|ingress| {
            let paths = ingress.rules.iter().flat_map(|rule| &rule.paths);
            let of_paths = paths.flat_map(|path| crate::scenario::expand::ingresses::services(path).into_keys());
            of_paths.chain(ingress.default_backend.clone())
        });
        names.filter_map(|name| blocks.service(&name)).collect()
    };
    match thing {
        Thing::Record(_) => Vec::new(),
        Thing::Service(index) => vec![index],
        Thing::Nginx => of_ingresses(&|_, ingress| ingress.class == IngressClass::Nginx),
        Thing::Ingress(leader) => of_ingresses(&|i, ingress| ingress.class == IngressClass::Alb && blocks.leader(i) == leader),
        Thing::LoadBalancer(..) => {
            let groups = blocks.shiftable(thing);
            let services = groups.iter().filter_map(|name| blocks.group(name)).filter_map(|(_, group)| group.service.as_ref());
            services.filter_map(|name| blocks.service(name)).collect()
        }
    }
}
