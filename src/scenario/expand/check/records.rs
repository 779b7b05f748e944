//! Records of `aws`: where they lead, and what their routing needs.

use super::Check;
use crate::document::Path;
use crate::scenario::expand::things::{Meaning, Thing, block_item};
use crate::scenario::{RecordSet, Routing};
use crate::units::Span;
use std::collections::{BTreeMap, BTreeSet};

impl Check<'_, '_> {
    pub(super) fn records(&mut self) {
        let blocks = self.blocks;
        let names: Vec<&str> = blocks.aws.records.iter().map(|record| record.name.as_str()).collect();
        self.unique(&Path::root().field("aws").field("records"), &names, "record");
        for (i, record) in blocks.aws.records.iter().enumerate() {
            self.record(&block_item("aws", "records", i), record);
        }
        self.circles();
        self.weights_of_destinations();
    }

    fn record(&mut self, path: &Path, record: &RecordSet) {
        let to = path.field("to");
        if record.to.0.is_empty() {
            self.error_help(&to, "is empty", "write where the name leads: `to: [shop]`");
        }
        let mut seen = BTreeSet::new();
        for (k, (name, weight)) in record.to.0.iter().enumerate() {
            let is_map = self.blocks.document.at(&to).is_some_and(|node| !node.entries().is_empty());
            let at = if is_map { to.field(name.clone()) } else { to.index(k) };
            if !seen.insert(name) {
                self.error(&at, format!("is `{name}`, which is a record already"));
            }
            self.destination(&at, name);
            let blocks = self.blocks;
            if let (Routing::Latency, Meaning::Thing(thing)) = (record.routing, blocks.meaning(name))
                && blocks.zone_of(thing).is_none()
            {
                let help = "give it one zone that stands for its region, such as `zones: [eu]`";
                self.error_help(&at, format!("is `{name}`, which stands in no zone or in several: how far is it?"), help);
            }
            if record.routing != Routing::Weighted && *weight != 1 {
                self.error_help(&at, format!("is {weight}; weights are for `routing: weighted`"), "write a list of names: `to: [eu, us]`");
            }
        }
        if let Some(check) = &record.health_check {
            let path = path.field("health_check");
            if !check.http.starts_with('/') {
                self.error(&path.field("http"), format!("is `{}`; it is the path to ask for, and begins with `/`", check.http));
            }
            for (field, span) in [("interval", check.interval), ("timeout", check.timeout)] {
                if span == Span::ZERO {
                    self.error(&path.field(field), "is 0s; Route 53 checks every 30s, or every 10s");
                }
            }
            if !(1..=10).contains(&check.threshold) {
                self.error(&path.field("threshold"), format!("is {}; Route 53 takes 1 to 10", check.threshold));
            }
        } else if record.routing == Routing::Failover {
            self.warning(&path.field("routing"), "has no `health_check`: the first record is always answered", "write `health_check: {}`");
        }
        if record.routing != Routing::Multivalue {
            self.not_for(path, &["answers"], "is for `routing: multivalue`");
        }
        if record.routing != Routing::Latency {
            self.not_for(path, &["distances"], "is for `routing: latency`");
        }
        if record.resolvers == Some(0) {
            self.error(&path.field("resolvers"), "is 0; leave it out, and each user keeps answers by itself");
        }
        if record.answers == 0 {
            self.error(&path.field("answers"), "is 0; an answer has one record at least");
        }
    }

    fn destination(&mut self, path: &Path, name: &str) {
        let blocks = self.blocks;
        match blocks.meaning(name) {
            Meaning::Thing(_) => {}
            Meaning::Several(names) => {
                let what = format!("is `{name}`, which may be {}", names.join(" or "));
                self.error_help(path, what, format!("write `{}`", names.join("`, or `")));
            }
            Meaning::Nothing if blocks.own_names("balancers").any(|own| own == name) => {}
            Meaning::Nothing => {
                let all: Vec<String> = blocks.referable().into_iter().map(|(names, _)| names[0].clone()).collect();
                let names = all.iter().map(String::as_str).chain(blocks.own_names("balancers").collect::<Vec<_>>());
                self.unknown(path, name, "record, load balancer, ingress, service or balancer", names);
            }
        }
    }

    /// Records that lead back to themselves.
    fn circles(&mut self) {
        let blocks = self.blocks;
        let next = |index: usize| {
            let names = blocks.aws.records[index].to.0.iter();
            names.filter_map(|(name, _)| match blocks.meaning(name) {
                Meaning::Thing(Thing::Record(next)) => Some(next),
                _ => None,
            })
        };
        for start in 0..blocks.aws.records.len() {
            let (mut seen, mut todo) = (BTreeSet::new(), next(start).collect::<Vec<_>>());
            while let Some(index) = todo.pop() {
                if seen.insert(index) {
                    todo.extend(next(index));
                }
            }
            if seen.contains(&start) {
                let what = "leads back to itself: it would be resolved for ever";
                self.error(&block_item("aws", "records", start).field("to"), what);
                return;
            }
        }
    }

    /// The weight of a record is that of the balancer to which it leads, which has only one.
    fn weights_of_destinations(&mut self) {
        let blocks = self.blocks;
        let mut known: BTreeMap<String, (u32, &str)> = BTreeMap::new();
        for (i, record) in blocks.aws.records.iter().enumerate().filter(|(_, record)| record.routing == Routing::Weighted) {
            for (name, weight) in record.to.0.iter().filter(|(_, weight)| *weight > 0) {
                let at = block_item("aws", "records", i).field("to").field(name.clone());
                match blocks.meaning(name) {
                    Meaning::Thing(thing) => {
                        let full = blocks.name_of(thing);
                        let (first, by) = *known.entry(full).or_insert((*weight, &record.name));
                        if first != *weight {
                            let what = format!("is {weight}, and `{by}` leads there with the weight {first}");
                            self.error_help(&at, what, "give one of the two a record of its own: `{ name: ..., to: [...] }`");
                        }
                    }
                    _ => {
                        let own = blocks.own("balancers").iter().find(|balancer| balancer.name() == Some(name));
                        let of_own = own.and_then(|own| own.get("weight")).and_then(|weight| weight.text()).unwrap_or("1");
                        if of_own != weight.to_string() {
                            let help = format!("the weight of a balancer of the file is its own: `balancers.{name}.weight`");
                            self.error_help(&at, format!("is {weight}, and the balancer `{name}` has the weight {of_own}"), help);
                        }
                    }
                }
            }
        }
    }
}
