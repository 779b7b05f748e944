//! Names that are resolved, and slow start.

use super::names::Named;
use super::{Checker, item};
use crate::document::Path;
use crate::policy::slow_start::manner;
use crate::scenario::{Balancer, Dns, Routing, Shape, SlowStart};
use crate::units::{Share, Span, plain};
use std::collections::BTreeSet;

/// Fields of a balancer that say nothing about a name.
const OF_MACHINES: [&str; 17] = [
    "algorithm",
    "sticky",
    "cookies_of",
    "retry",
    "connect_timeout",
    "timeout",
    "instances",
    "layer",
    "zone",
    "node",
    "own_zone_only",
    "rules",
    "tls",
    "connections",
    "idle_timeout",
    "slow_start",
    "members",
];
/// Records in an answer of Route 53 at most.
const ANSWERS_MAX: u32 = 8;
const RESOLVERS_MAX: u32 = 1_000_000;

impl Checker<'_> {
    pub(super) fn dns(&mut self) {
        let scenario = self.scenario;
        for (i, balancer) in scenario.balancers.iter().enumerate() {
            let Some(dns) = &balancer.dns else { continue };
            let path = item("balancers", i);
            for field in OF_MACHINES {
                let path = path.field(field);
                if self.document.at(&path).is_some() {
                    let help = "put it at the balancers that are the records; what a user does without an answer stands at the client";
                    self.error_help(&path, "is for what requests pass through, and with `dns` this is a name", help);
                }
            }
            self.name(&path.field("dns"), dns, balancer);
        }
    }

    fn name(&mut self, path: &Path, dns: &Dns, balancer: &Balancer) {
        match dns.resolvers {
            Some(0) => {
                self.error_help(&path.field("resolvers"), "is 0; there is one at least", "leave it out: each user keeps its own answers")
            }
            Some(resolvers) if resolvers > RESOLVERS_MAX => {
                self.error(&path.field("resolvers"), format!("is {resolvers}; at most {RESOLVERS_MAX} can be simulated"));
            }
            _ => {}
        }
        if dns.answers == 0 || dns.answers > ANSWERS_MAX {
            self.error(&path.field("answers"), format!("is {}; an answer has 1 to {ANSWERS_MAX} records", dns.answers));
        } else if dns.routing != Routing::Multivalue && self.document.at(&path.field("answers")).is_some() {
            self.warning(&path.field("answers"), "changes nothing: it is for `routing: multivalue`", "leave it out");
        }
        let records: u64 = balancer.targets.iter().map(|target| self.width(target)).sum();
        if dns.routing == Routing::Failover && records == 1 {
            self.warning(&path.field("routing"), "is `failover`, and there is one record only", "add a second target");
        }
        if dns.routing == Routing::Latency {
            self.distances(path, dns, balancer);
        } else if !dns.distances.is_empty() {
            self.warning(&path.field("distances"), "changes nothing: it is for `routing: latency`", "leave it out");
        }
    }

    /// The zones between which `latency` needs to know the way, and those that are given.
    fn distances(&mut self, name: &Path, dns: &Dns, balancer: &Balancer) {
        let path = &name.field("distances");
        let scenario = self.scenario;
        let clients: BTreeSet<&str> = scenario.clients.iter().filter_map(|client| client.zone.as_deref()).collect();
        let records: BTreeSet<&str> = balancer.targets.iter().filter_map(|target| self.zone_of(target)).collect();
        let mut given = BTreeSet::new();
        for pair in dns.distances.keys() {
            let path = path.field(pair.clone());
            let Some((from, to)) = pair.split_once(char::is_whitespace).map(|(from, to)| (from, to.trim())) else {
                self.error_help(&path, format!("is `{pair}`; it names two zones"), "write `{ \"eu us\": 40ms }`");
                continue;
            };
            for zone in [from, to] {
                if !clients.contains(zone) && !records.contains(zone) {
                    let known = clients.union(&records).copied().collect::<Vec<_>>();
                    self.unknown(&path, zone, "zone of a client or a record", known.into_iter());
                }
            }
            if !given.insert((from.min(to), from.max(to))) {
                self.error(&path, format!("is the second way between `{from}` and `{to}`"));
            }
        }
        if clients.is_empty() {
            let help = "give the clients a `zone`";
            self.warning(
                &name.field("routing"),
                "is for users in zones, and no client has one: the first healthy record is always the nearest",
                help,
            );
        }
        for from in &clients {
            for to in records.iter().filter(|to| *to != from) {
                if !given.contains(&(*from.min(to), *from.max(to))) {
                    let what = format!("lacks the way from `{from}` to `{to}`");
                    self.error_help(path, what, format!("write `{{ \"{from} {to}\": 40ms }}`"));
                }
            }
        }
    }

    pub(super) fn slow_starts(&mut self) {
        let scenario = self.scenario;
        for (i, balancer) in scenario.balancers.iter().enumerate() {
            if let Some(start) = balancer.slow_start {
                self.slow_start(&item("balancers", i).field("slow_start"), start, balancer);
            }
        }
    }

    fn slow_start(&mut self, path: &Path, start: SlowStart, balancer: &Balancer) {
        let is_short = start.lasts == Span::ZERO;
        if is_short {
            let field = path.field("for");
            let path = if self.document.at(&field).is_some() { field } else { path.clone() };
            self.error(&path, "is 0s; leave out `slow_start` for a full share at once");
        }
        if manner(&balancer.algorithm).is_none() {
            let what = format!("has no meaning with `{}`, where the request or a fixed order decides", balancer.algorithm.name());
            self.error_help(path, what, "it goes with turns, chance and the least loaded, such as `round_robin` or `least_connections`");
        }
        if !(0.05..=100.0).contains(&start.aggression) {
            let what = format!("is {}; it is a number from 0.05 to 100, and 1 is linear", plain(start.aggression));
            self.error(&path.field("aggression"), what);
        } else if start.shape != Shape::Envoy && self.document.at(&path.field("aggression")).is_some() {
            self.warning(&path.field("aggression"), "changes nothing: it is for `shape: envoy`", "leave it out");
        }
        if start.least > Share(1.0) {
            self.error(&path.field("least"), "is above 100%; it is the least part of its share that a target has");
        }
        if balancer.health_check.is_none() && balancer.members.is_none() {
            self.warning(path, "changes nothing: no target ever joins or comes back", "add a `health_check`");
        }
    }
}

impl<'a> Checker<'a> {
    /// The zone in which a target stands, as far as it is written there.
    fn zone_of(&self, target: &str) -> Option<&'a str> {
        match self.names.get(target)? {
            Named::Group(group) | Named::Server(group, _) => group.zone.as_deref(),
            Named::Balancer(index) => self.scenario.balancers[index].zone.as_deref(),
        }
    }
}
