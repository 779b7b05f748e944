//! Balancers: their targets, checks and stickiness, and the graph that they form.

use super::names::{Named, split_server};
use super::{Checker, item};
use crate::document::Path;
use crate::error::did_you_mean;
use crate::policy::Algorithm;
use crate::scenario::{Balancer, HealthCheck, IntervalFrom, MinimumHealthy, Sticky, WhenNone};
use crate::units::{Share, Span};
use std::collections::{BTreeMap, BTreeSet};

/// Two names, a load balancer's name, its node, the target group, node port, nginx, upstream: real chains are shorter.
const CHAIN_MAX: usize = 8;
/// Each has counts and checks of its own for every target.
const INSTANCES_MAX: u32 = 1000;

impl Checker<'_> {
    pub(super) fn balancers(&mut self) {
        let scenario = self.scenario;
        for (i, balancer) in scenario.balancers.iter().enumerate() {
            let path = item("balancers", i);
            self.targets(&path.field("targets"), balancer);
            self.algorithm(&path.field("algorithm"), balancer);
            if let Some(check) = &balancer.health_check {
                self.health_check(&path.field("health_check"), check);
                self.more_than_there_are(&path.field("health_check"), check, balancer);
            }
            if let Some(sticky) = &balancer.sticky {
                self.sticky(&path.field("sticky"), sticky);
            }
            for (field, timeout) in [("timeout", balancer.timeout), ("connect_timeout", balancer.connect_timeout)] {
                if let Some(timeout) = timeout {
                    self.above_zero(&path.field(field), timeout, "leave it out to wait for ever");
                }
            }
            if let Some(retry) = &balancer.retry {
                self.retry(&path.field("retry"), retry, balancer.timeout.is_some());
            }
            if let Some(latency) = &balancer.latency {
                self.distribution(&path.field("latency"), latency);
            }
            self.weight(&path, balancer.weight);
            match balancer.instances {
                0 => self.error(&path.field("instances"), "is 0; a balancer runs once at least"),
                1..=INSTANCES_MAX => {}
                instances => self.error(&path.field("instances"), format!("is {instances}; at most {INSTANCES_MAX} can be simulated")),
            }
        }
        self.graph();
    }

    fn targets(&mut self, path: &Path, balancer: &Balancer) {
        let scenario = self.scenario;
        if balancer.targets.is_empty() {
            self.error(path, "is empty; a balancer needs one target at least");
        }
        let all: BTreeSet<&str> = balancer.targets.iter().map(String::as_str).collect();
        let mut seen = BTreeSet::new();
        for (i, target) in balancer.targets.iter().enumerate() {
            let path = path.index(i);
            if !seen.insert(target) {
                self.error_help(&path, format!("is `{target}`, which is a target already"), "to send it more, raise its `weight`");
                continue;
            }
            match self.names.get(target) {
                Some(Named::Server(group, _)) if all.contains(group.name.as_str()) => {
                    self.error(&path, format!("is `{target}`, one of the group `{}`, which is a target as a whole", group.name));
                }
                Some(_) => {}
                None => {
                    let groups = scenario.servers.iter().map(|group| group.name.as_str());
                    let names = groups.chain(scenario.balancers.iter().map(|balancer| balancer.name.as_str()));
                    self.unknown_server(&path, target, "server group, server or balancer", names);
                }
            }
        }
    }

    /// As `unknown`, for a name that may be meant as that of one server.
    pub(super) fn unknown_server<'n>(&mut self, path: &Path, name: &str, what: &str, names: impl Iterator<Item = &'n str> + Clone) {
        let group = name.rsplit_once('-').and_then(|(group, _)| self.names.group(group));
        match group.filter(|group| group.count > 0 && (split_server(name).is_some() || name.ends_with("-0"))) {
            Some(group) => {
                let (name_of, count) = (&group.name, group.count);
                let what = format!("refers to `{name}`, and the group `{name_of}` has the servers {name_of}-1 to {name_of}-{count}");
                self.error(path, what);
            }
            None => match split_server(name).and_then(|(group, number)| Some((did_you_mean(group, names.clone())?, number))) {
                Some((near, number)) if self.names.get(&format!("{near}-{number}")).is_some() => {
                    self.error(path, format!("refers to `{name}`, which is no {what}; did you mean `{near}-{number}`?"));
                }
                _ => self.unknown(path, name, what, names),
            },
        }
    }

    fn algorithm(&mut self, path: &Path, balancer: &Balancer) {
        for (field, what) in balancer.algorithm.validate() {
            let path = self.chosen(path).steps(&field);
            self.error(&path, format!("cannot be: {what}"));
        }
        if let Algorithm::PowerOfD(config) = &balancer.algorithm {
            let targets: u64 = balancer.targets.iter().map(|target| self.width(target)).sum();
            if u64::from(config.d) > targets {
                let path = self.chosen(path).field("d");
                let what = format!("is {}, and there are only {targets} targets to draw from", config.d);
                self.warning(&path, what, "with as many draws as targets it is `least_connections`");
            }
        }
    }

    /// How many targets the name stands for.
    pub(super) fn width(&self, target: &str) -> u64 {
        match self.names.get(target) {
            Some(Named::Group(group)) => u64::from(group.count),
            Some(_) => 1,
            None => 0,
        }
    }

    fn health_check(&mut self, path: &Path, check: &HealthCheck) {
        match (&check.tcp, &check.http) {
            (Some(_), Some(_)) => self.error(path, "has both `tcp` and `http`; a check is the one or the other"),
            (None, None) => self.error_help(path, "does not say what is checked", "write `tcp: {}`, or `http: /ping`"),
            (None, Some(http)) if !http.starts_with('/') => {
                self.error(&path.field("http"), format!("is `{http}`; it is the path to ask for, and begins with `/`"));
            }
            (Some(_), None) if self.document.at(&path.field("status")).is_some() => {
                self.error(&path.field("status"), "is for `http`: a TCP connect has no status");
            }
            _ => {}
        }
        self.minimum(path, check);
        if check.checks_queue && check.tcp.is_some() {
            self.warning(
                &path.field("checks_queue"),
                "changes nothing: the kernel answers a TCP connect",
                "an HTTP check can wait in the server's queue: `http: /ping`",
            );
        }
        self.above_zero(&path.field("interval"), check.interval, "checks are some time apart, such as `5s`");
        if check.interval > Span::ZERO && check.interval < Span::from_millis(1) {
            self.error(&path.field("interval"), format!("is {}; checks are at least 1ms apart", check.interval));
        }
        self.above_zero(&path.field("timeout"), check.timeout, "a check waits for some time, such as `2s`");
        for (field, count) in [("unhealthy_after", check.unhealthy_after), ("healthy_after", check.healthy_after)] {
            if count == 0 {
                self.error(&path.field(field), "is 0; it takes one check at least to tell");
            }
        }
        if check.timeout > check.interval && check.interval > Span::ZERO && check.interval_from == IntervalFrom::Start {
            let what = format!("is {}, longer than the interval of {}: checks overlap", check.timeout, check.interval);
            self.warning(&path.field("timeout"), what, "products wait for the end of a check: `interval_from: end` does so, too");
        }
    }

    /// How many targets must be well, for the balancer and for names that lead to it.
    fn minimum(&mut self, path: &Path, check: &HealthCheck) {
        let path = path.field("dns_minimum");
        let Some(MinimumHealthy(dns)) = check.dns_minimum else { return };
        if dns.share == Some(Share(0.0)) {
            let help = "for a name to lead here whatever is healthy, write `0`";
            self.error_help(&path, "has a share of 0%; a name leads to where at least one target is healthy", help);
        }
        let WhenNone::Panic(MinimumHealthy(routing)) = check.when_none else { return };
        let counts = dns.count.zip(routing.count).filter(|(dns, routing)| dns < routing && *dns > 0);
        let shares = dns.share.zip(routing.share).filter(|(dns, routing)| dns.0 < routing.0);
        let (dns, routing) = match (counts, shares) {
            (Some((dns, routing)), _) => (dns.to_string(), routing.to_string()),
            (None, Some((dns, routing))) => (dns.to_string(), routing.to_string()),
            (None, None) => return,
        };
        let help = "a name is to leave before all targets are used, whatever their health; AWS asks for it";
        self.error_help(&path, format!("is {dns}, less than the {routing} below which all targets are used"), help);
    }

    /// A number of healthy targets that is never reached.
    fn more_than_there_are(&mut self, path: &Path, check: &HealthCheck, balancer: &Balancer) {
        let of_target = |target: &String| match self.names.get(target) {
            Some(Named::Group(group)) => group.pods.as_ref().map_or(group.count, |pods| self.most_pods(group, pods)),
            _ => 1,
        };
        let targets = balancer.targets.iter().map(of_target).fold(0, u32::saturating_add);
        let routing = match check.when_none {
            WhenNone::Panic(MinimumHealthy(routing)) => routing.count,
            _ => None,
        };
        let dns = check.dns_minimum.and_then(|MinimumHealthy(dns)| dns.count);
        let is_asked = |count: &u32| *count > targets;
        let there_are = |count: u32| format!("asks for {count} healthy targets, and there are at most {targets}");
        if let Some(count) = routing.filter(is_asked) {
            let path = path.field("when_none").field("panic");
            self.warning(&path, there_are(count), "all targets are used all the time, whatever their health; is that meant?");
        }
        if let Some(count) = dns.filter(is_asked) {
            self.warning(&path.field("dns_minimum"), there_are(count), "no name ever leads here as long as it has another; is that meant?");
        }
    }

    fn sticky(&mut self, path: &Path, sticky: &Sticky) {
        let chosen = self.chosen(path);
        let ttl = match sticky {
            Sticky::Cookie { name, ttl, .. } => {
                if name.is_empty() {
                    self.error(&chosen.field("name"), "is empty; a cookie has a name");
                }
                ttl
            }
            Sticky::SourceIp { ttl } => ttl,
        };
        if let Some(ttl) = ttl {
            self.above_zero(&chosen.field("ttl"), *ttl, "leave it out to be sticky for ever");
        }
    }

    /// Balancers that send to each other in a circle, and too long chains.
    fn graph(&mut self) {
        let mut heights = BTreeMap::new();
        for i in 0..self.scenario.balancers.len() {
            self.height(i, &mut heights);
        }
    }

    /// Balancers and servers that no request reaches.
    pub(super) fn reach(&mut self) {
        let scenario = self.scenario;
        let mut reached = BTreeSet::new();
        let mut groups = BTreeSet::new();
        let mut todo: Vec<usize> = self.entry_index().into_iter().collect();
        while let Some(i) = todo.pop() {
            if reached.insert(i) {
                for target in &scenario.balancers[i].targets {
                    match self.names.get(target) {
                        Some(Named::Balancer(next)) => todo.push(next),
                        Some(Named::Group(group) | Named::Server(group, _)) => drop(groups.insert(group.name.as_str())),
                        None => {}
                    }
                }
            }
        }
        for i in (0..scenario.balancers.len()).filter(|i| !reached.contains(i)) {
            self.warning(
                &item("balancers", i).field("name"),
                "is never reached by a client",
                "make it a target of the balancer that clients enter, or the `entry`",
            );
        }
        for (i, _) in scenario.servers.iter().enumerate().filter(|(_, group)| !groups.contains(group.name.as_str())) {
            self.warning(
                &item("servers", i).field("name"),
                "gets no requests: no balancer on the clients' way has it as a target",
                "add it to `targets`",
            );
        }
    }

    /// The balancer that clients enter; none where `entry` is wrong.
    pub(super) fn entry_index(&self) -> Option<usize> {
        match &self.scenario.entry {
            None => (!self.scenario.balancers.is_empty()).then_some(0),
            Some(name) => self.scenario.balancers.iter().position(|balancer| balancer.name == *name),
        }
    }

    /// The number of balancers in the longest chain from this one on, found without recursion. Reports circles and long chains.
    fn height(&mut self, start: usize, heights: &mut BTreeMap<usize, usize>) {
        let scenario = self.scenario;
        let mut chain = vec![(start, 0)];
        while let Some(&(balancer, next)) = chain.last() {
            let Some(target) = scenario.balancers[balancer].targets.get(next) else {
                let height = 1 + self.next_balancers(balancer).filter_map(|next| heights.get(&next)).max().copied().unwrap_or(0);
                heights.insert(balancer, height);
                if height == CHAIN_MAX + 1 {
                    let what = format!("is the first of a chain of {height} balancers; at most {CHAIN_MAX} are allowed");
                    self.error(&item("balancers", balancer).field("targets"), what);
                }
                chain.pop();
                continue;
            };
            if let Some(top) = chain.last_mut() {
                top.1 += 1;
            }
            let Some(Named::Balancer(target_index)) = self.names.get(target) else { continue };
            if chain.iter().any(|(visited, _)| *visited == target_index) {
                let what = format!("leads back to `{target}`: requests would go round in circles");
                self.error(&item("balancers", balancer).field("targets").index(next), what);
            } else if !heights.contains_key(&target_index) {
                chain.push((target_index, 0));
            }
        }
    }

    fn next_balancers(&self, balancer: usize) -> impl Iterator<Item = usize> {
        self.scenario.balancers[balancer].targets.iter().filter_map(|target| match self.names.get(target) {
            Some(Named::Balancer(index)) => Some(index),
            _ => None,
        })
    }
}
