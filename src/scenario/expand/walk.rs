//! The way from where clients enter to the pods: each thing on it is written once, in the order in which it is met.

use super::text::{Field, Part, Parts, Place};
use super::things::{Blocks, Meaning, Thing};
use crate::document::{Node, scalar};
use crate::scenario::{IngressClass, Routing};
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Walk<'a> {
    pub blocks: &'a Blocks<'a>,
    pub parts: Parts,
    pub done: BTreeSet<Thing>,
    /// Services whose kube-proxies are written.
    pub proxied: BTreeSet<usize>,
    /// Target groups at which the pods of a deployment must be healthy.
    pub gates: BTreeMap<String, Vec<String>>,
    pub forwards: Vec<Forward>,
}

/// A balancer whose rules forward to target groups.
pub(super) struct Forward {
    pub thing: Thing,
    pub balancer: String,
    /// What users call each group, and its balancer.
    pub groups: Vec<(String, String)>,
}

impl<'a> Walk<'a> {
    pub fn new(blocks: &'a Blocks<'a>) -> Walk<'a> {
        Walk {
            blocks,
            parts: Parts::default(),
            done: BTreeSet::new(),
            proxied: BTreeSet::new(),
            gates: BTreeMap::new(),
            forwards: Vec::new(),
        }
    }

    /// Writes everything.
    pub fn run(mut self) -> Walk<'a> {
        self.nodes();
        match entry(self.blocks) {
            Entry::Thing(thing) => {
                let name = self.blocks.name_of(thing);
                self.parts.entry = Some(Field::new("entry", scalar(&name)).note("where clients enter"));
                self.need(thing);
            }
            Entry::Own(Some(name)) => self.parts.entry = Some(Field::new("entry", scalar(&name))),
            Entry::Own(None) | Entry::Open(_) | Entry::Nothing => {}
        }
        for thing in targets_of_own(self.blocks) {
            self.need(thing);
        }
        self.deployments();
        self
    }

    /// Writes a thing and all behind it, once.
    pub fn need(&mut self, thing: Thing) {
        if !self.done.insert(thing) {
            return;
        }
        match thing {
            Thing::Record(index) => self.record(index),
            Thing::LoadBalancer(index, listener) => self.load_balancer(index, listener),
            Thing::Ingress(index) => self.ingress(index),
            Thing::Nginx => self.nginx(),
            Thing::Service(index) => self.service(index),
        }
    }

    fn record(&mut self, index: usize) {
        let record = &self.blocks.aws.records[index];
        let path = self.blocks.path_of(Thing::Record(index));
        let place = Place::of(self.blocks.document, path.clone());
        let all: Vec<(Option<Thing>, String, u32)> = record.to.0.iter().map(|(name, weight)| self.destination(name, *weight)).collect();
        // Route 53: weight 0 is never answered, unless all are 0.
        let is_used = |weight: u32| weight > 0 || record.routing != Routing::Weighted || all.iter().all(|(.., weight)| *weight == 0);
        let used: Vec<_> = all.iter().filter(|(.., weight)| is_used(*weight)).cloned().collect();
        let names: Vec<String> = used.iter().map(|(_, name, _)| name.clone()).collect();
        let mut dns = vec![place.copy_or("routing", "simple", "")];
        dns.push(place.copy_or("ttl", record.ttl, ""));
        dns.extend(place.copies(&["resolvers", "ignore_ttl", "answers", "distances"]));
        let what = match record.routing {
            Routing::Simple => "a client takes one of them at random",
            Routing::Weighted => "one is answered, drawn by weight for each query",
            Routing::Failover => "the first as long as it is healthy, then the next",
            Routing::Multivalue => "the healthy ones are answered, a client takes one at random",
            Routing::Latency => "the healthy one that is nearest to the client's zone is answered",
        };
        let mut part = Part::new("balancers", &record.name, &path)
            .comment(format!("Records of {}: {what}. Answers are kept for the TTL; connections outlive it.", record.name))
            .with(Field::names("targets", &names))
            .with(super::text::flow("dns", dns));
        let left: Vec<&str> = all.iter().filter(|(.., weight)| !is_used(*weight)).map(|(_, name, _)| name.as_str()).collect();
        if !left.is_empty() {
            part = part.comment(format!("Never answered, as its weight is 0: {}.", left.join(", ")));
        }
        let part = part.maybe(record.health_check.as_ref().map(|check| {
            let text = format!(
                "{{ http: {}, interval: {}, timeout: {}, healthy_after: {}, unhealthy_after: {}, when_none: all }}",
                scalar(&check.http),
                check.interval,
                check.timeout,
                check.threshold,
                check.threshold
            );
            let given = place.below("health_check");
            let field = Field::new("health_check", text).note("a check of Route 53; what is not given is its default");
            ["http", "interval", "timeout"].into_iter().fold(field, |field, name| match given.has(name) {
                true => field.given(name, given.path.field(name)),
                false => field,
            })
        }));
        self.parts.balancer(part);
        for (thing, name, weight) in used {
            let Some(thing) = thing else { continue };
            self.need(thing);
            let Some(part) = self.parts.find(&name) else { continue };
            let has_weight = part.fields.iter().any(|field| field.key == "weight");
            if record.routing == Routing::Weighted && weight > 1 && !has_weight {
                part.fields.insert(1, Field::new("weight", weight).note(format!("by the records of {}", record.name)));
            }
        }
    }

    /// What a record leads to, its name among the balancers, and its weight.
    fn destination(&self, name: &str, weight: u32) -> (Option<Thing>, String, u32) {
        match self.blocks.meaning(name) {
            Meaning::Thing(thing) => (Some(thing), self.blocks.name_of(thing), weight),
            _ => (None, name.to_owned(), weight),
        }
    }
}

/// Where clients enter.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Thing(Thing),
    /// A balancer of the file; its name where it is not the first one.
    Own(Option<String>),
    /// Several could be meant.
    Open(Vec<String>),
    Nothing,
}

/// The `entry` of the file, or the outermost: a balancer of the file, records, a load balancer, an ingress, a service.
pub(super) fn entry(blocks: &Blocks) -> Entry {
    let given = blocks.document.get("entry").and_then(Node::text);
    if let Some(name) = given {
        return match blocks.meaning(name) {
            _ if blocks.own_names("balancers").any(|own| own == name) => Entry::Own(None),
            Meaning::Thing(thing) => Entry::Thing(thing),
            Meaning::Several(names) => Entry::Open(names),
            // The check of the whole says that there is no such balancer.
            Meaning::Nothing => Entry::Own(None),
        };
    }
    let targets: BTreeSet<&str> = own_targets(blocks).chain(targets_of_blocks(blocks)).collect();
    let own: Vec<&str> = blocks.own_names("balancers").collect();
    if let Some(place) = own.iter().position(|name| !targets.contains(name)) {
        return Entry::Own((place > 0).then(|| own[place].to_owned()));
    }
    let led_to: BTreeSet<Thing> = led_to(blocks).collect();
    let records = (0..blocks.aws.records.len()).map(Thing::Record);
    let balancers = (0..blocks.aws.load_balancers.len()).map(|index| Thing::LoadBalancer(index, 0));
    let ingresses = blocks.ingresses().iter().enumerate().map(|(i, ingress)| match ingress.class {
        IngressClass::Alb => Thing::Ingress(blocks.leader(i)),
        IngressClass::Nginx => Thing::Nginx,
    });
    let services = (0..blocks.services().len()).map(Thing::Service);
    let kinds: [Vec<Thing>; 4] = [records.collect(), balancers.collect(), ingresses.collect(), services.collect()];
    for kind in kinds {
        let outermost: BTreeSet<Thing> = kind.into_iter().filter(|thing| !led_to.contains(thing)).collect();
        match outermost.iter().collect::<Vec<_>>().as_slice() {
            [] => {}
            [only] => return Entry::Thing(**only),
            _ => return Entry::Open(outermost.into_iter().map(|thing| blocks.name_of(thing)).collect()),
        }
    }
    Entry::Nothing
}

/// What records lead to.
fn led_to(blocks: &Blocks) -> impl Iterator<Item = Thing> {
    let names = blocks.aws.records.iter().flat_map(|record| &record.to.0).map(|(name, _)| name.as_str());
    names.filter_map(|name| match blocks.meaning(name) {
        Meaning::Thing(thing) => Some(thing),
        _ => None,
    })
}

/// What the file's own balancers lead to: by `targets`, or by what their rules name.
fn own_targets<'b>(blocks: &'b Blocks) -> impl Iterator<Item = &'b str> {
    blocks.own("balancers").iter().flat_map(|balancer| {
        let targets = balancer.get("targets").map_or(&[][..], Node::items).iter().filter_map(Node::text);
        let rules = balancer.get("rules").map_or(&[][..], Node::items).iter().filter_map(|rule| rule.get("forward"));
        targets.chain(rules.flat_map(Node::entries).map(|(key, _)| &*key.text))
    })
}

/// Balancers of the file to which target groups or records lead.
fn targets_of_blocks<'b>(blocks: &'b Blocks) -> impl Iterator<Item = &'b str> {
    let groups = blocks.aws.target_groups.iter().flat_map(|group| &group.targets).map(String::as_str);
    groups.chain(blocks.aws.records.iter().flat_map(|record| &record.to.0).map(|(name, _)| name.as_str()))
}

/// Things among the targets of the file's own balancers, by their full names.
pub(super) fn targets_of_own(blocks: &Blocks) -> Vec<Thing> {
    let all = blocks.referable();
    own_targets(blocks).filter_map(|target| all.iter().find(|(names, _)| names[0] == target).map(|(_, thing)| *thing)).collect()
}
