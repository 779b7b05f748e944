//! Names: which there are, whether two things share one, and what a target or a fault's `server` means.

use super::{Checker, item};
use crate::document::Path;
use crate::scenario::{Scenario, ServerGroup};
use std::collections::BTreeMap;

/// What a name stands for.
#[derive(Clone, Copy)]
pub(super) enum Named<'a> {
    Group(&'a ServerGroup),
    /// The server of a group with this number, from 1.
    Server(&'a ServerGroup, u32),
    /// The index of a balancer.
    Balancer(usize),
}

/// All names of groups and balancers; where a name is used twice, the first group or balancer.
pub(super) struct Names<'a>(BTreeMap<&'a str, Named<'a>>);

impl<'a> Names<'a> {
    pub(super) fn of(scenario: &'a Scenario) -> Names<'a> {
        let groups = scenario.servers.iter().map(|group| (group.name.as_str(), Named::Group(group)));
        let balancers = scenario.balancers.iter().enumerate().map(|(i, balancer)| (balancer.name.as_str(), Named::Balancer(i)));
        let mut names = BTreeMap::new();
        for (name, named) in groups.chain(balancers) {
            names.entry(name).or_insert(named);
        }
        Names(names)
    }

    /// What the name of a group, a balancer or one server stands for.
    pub(super) fn get(&self, name: &str) -> Option<Named<'a>> {
        if let Some(named) = self.0.get(name) {
            return Some(*named);
        }
        let (group, number) = split_server(name)?;
        let group = self.group(group)?;
        (1..=group.count).contains(&number).then_some(Named::Server(group, number))
    }

    pub(super) fn group(&self, name: &str) -> Option<&'a ServerGroup> {
        match self.0.get(name) {
            Some(Named::Group(group)) => Some(group),
            _ => None,
        }
    }
}

/// `web-3` as group and number. `web-03` and `web-0` are no servers.
pub(super) fn split_server(name: &str) -> Option<(&str, u32)> {
    let (group, number) = name.rsplit_once('-')?;
    let is_plain = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
    number.parse().ok().filter(|_| is_plain).map(|number| (group, number))
}

impl Checker<'_> {
    pub(super) fn unique_names(&mut self) {
        let scenario = self.scenario;
        let clients = scenario.clients.iter().enumerate().map(|(i, client)| (item("clients", i), client.name.as_str()));
        self.unique(clients.collect(), "client");
        let servers = scenario.servers.iter().enumerate().map(|(i, group)| (item("servers", i), group.name.as_str()));
        let balancers = scenario.balancers.iter().enumerate().map(|(i, balancer)| (item("balancers", i), balancer.name.as_str()));
        let routed: Vec<(Path, &str)> = servers.chain(balancers).collect();
        for (path, name) in &routed {
            self.not_a_server(path, name);
        }
        self.unique(routed, "server group or balancer");
        self.entry();
    }

    fn unique(&mut self, named: Vec<(Path, &str)>, what: &str) {
        let mut seen = BTreeMap::new();
        for (path, name) in named {
            let path = path.field("name");
            if name.trim().is_empty() || name.chars().any(char::is_control) {
                self.error(&path, "is not a name; a name has letters, digits, `-` and `_`");
            } else if seen.insert(name, ()).is_some() {
                self.error(&path, format!("is `{name}`, which another {what} is called already"));
            }
        }
    }

    /// The servers of a group have names too: `web-1` must not be a second thing.
    fn not_a_server(&mut self, path: &Path, name: &str) {
        let Some((group, number)) = split_server(name) else { return };
        if self.names.group(group).is_some_and(|group| number <= group.count) {
            let what = format!("is `{name}`, which is the name of server {number} of the group `{group}`");
            self.error(&path.field("name"), what);
        }
    }

    fn entry(&mut self) {
        let scenario = self.scenario;
        let Some(entry) = &scenario.entry else { return };
        let path = Path::root().field("entry");
        let names = scenario.balancers.iter().map(|balancer| balancer.name.as_str());
        match self.names.get(entry) {
            Some(Named::Balancer(_)) => {}
            Some(_) => self.error(&path, format!("is `{entry}`, which is no balancer; clients enter at a balancer")),
            None => self.unknown(&path, entry, "balancer", names),
        }
    }
}
