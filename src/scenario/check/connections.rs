//! Connections: what cannot be kept, what an L4 balancer cannot see, and what changes nothing because nobody keeps connections there.

use super::names::Named;
use super::{Checker, item};
use crate::document::Path;
use crate::policy::{Algorithm, consistent_hash};
use crate::scenario::{Arrivals, Balancer, Client, Connections, Established, Layer, Limit, Sharing, Sticky, Tls};
use std::collections::BTreeSet;

/// Real handshakes take two at most; more than this is a mistake.
const ROUND_TRIPS_MAX: u32 = 10;

/// Balancers (by index) and server groups at which connections end that are kept.
#[derive(Default)]
struct Ends<'a> {
    balancers: BTreeSet<usize>,
    groups: BTreeSet<&'a str>,
}

impl<'a> Checker<'a> {
    pub(super) fn connections(&mut self) {
        let scenario = self.scenario;
        let all_lone = scenario.clients.iter().all(is_lone);
        for (i, client) in scenario.clients.iter().enumerate() {
            let path = item("clients", i).field("connections");
            if let Some(connections) = &client.connections {
                let is_lone = is_lone(client) && connections.per != Some(Sharing::All);
                self.kept(&path, connections, is_lone);
            }
        }
        for (i, balancer) in scenario.balancers.iter().enumerate() {
            let path = item("balancers", i);
            if let Some(connections) = &balancer.connections {
                self.kept(&path.field("connections"), connections, all_lone && connections.per == Some(Sharing::User));
            }
            if let Some(tls) = &balancer.tls {
                self.tls(&path.field("tls"), tls);
            }
            if let Some(idle) = balancer.idle_timeout {
                self.above_zero(&path.field("idle_timeout"), idle, "leave it out to keep connections for ever");
            }
            match balancer.layer {
                Layer::L4 => self.l4(&path, balancer),
                Layer::L7 if balancer.established == Established::Reset => {
                    let what = "is `reset`, and this balancer has no connections through it: it is for `layer: l4`";
                    self.error(&path.field("established"), what);
                }
                Layer::L7 => {}
            }
        }
        for (i, group) in scenario.servers.iter().enumerate() {
            if let Some(keep_alive) = group.keep_alive {
                self.above_zero(&item("servers", i).field("keep_alive"), keep_alive, "leave it out to keep connections for ever");
            }
            if let Some(tls) = &group.tls {
                self.tls(&item("servers", i).field("tls"), tls);
            }
        }
    }

    /// `is_lone`: every user has one request only.
    fn kept(&mut self, path: &Path, connections: &Connections, is_lone: bool) {
        if connections.max == Limit::Bounded(0) {
            self.error_help(&path.field("max"), "is 0; nothing could be sent without a connection", "`unbounded` is no limit");
        }
        if connections.streams == Limit::Bounded(0) {
            self.error(&path.field("streams"), "is 0; a connection carries one request at a time (HTTP/1.1) or more (HTTP/2: 100)");
        }
        if connections.max_requests == Some(0) {
            self.error(&path.field("max_requests"), "is 0; a connection carries one request at least");
        }
        for (field, span) in [("idle_timeout", connections.idle_timeout), ("max_age", connections.max_age)] {
            if let Some(span) = span {
                self.above_zero(&path.field(field), span, "leave it out to keep connections for ever");
            }
        }
        if is_lone {
            self.warning(
                path,
                "are each user's own, and every request is a user of its own: no connection is used again",
                "write `per: all`, or give the clients a `population` or a `session`",
            );
        }
    }

    fn tls(&mut self, path: &Path, tls: &Tls) {
        if tls.round_trips == 0 || tls.round_trips > ROUND_TRIPS_MAX {
            let what = format!("is {}; a full handshake takes 1 round trip in TLS 1.3, 2 in TLS 1.2", tls.round_trips);
            self.error(&path.field("round_trips"), what);
        }
        if tls.resumed_round_trips > ROUND_TRIPS_MAX {
            let what = format!("is {}; a resumed handshake takes 1 round trip, or 0 with early data", tls.resumed_round_trips);
            self.error(&path.field("resumed_round_trips"), what);
        }
        self.distribution(&path.field("handshake"), &tls.handshake);
        self.distribution(&path.field("resumption"), &tls.resumption);
    }

    /// What takes more than the sight of connections.
    fn l4(&mut self, path: &Path, balancer: &Balancer) {
        const SEES: &str = "and `layer: l4` sees connections, not what is on them";
        if let Some(Sticky::Cookie { .. }) = balancer.sticky {
            let help = "`sticky: { source_ip: {} }` goes by the address; a cookie takes `layer: l7`";
            self.error_help(&path.field("sticky"), format!("goes by a cookie, {SEES}"), help);
        }
        let unseen = [
            ("rules", !balancer.rules.is_empty(), "look at requests"),
            ("retry", balancer.retry.is_some(), "repeats requests"),
            ("timeout", balancer.timeout.is_some(), "waits for answers"),
            ("tls", balancer.tls.is_some(), "ends TLS"),
            ("connections", balancer.connections.is_some(), "are kept between requests"),
        ];
        for (field, is_given, does) in unseen {
            if is_given {
                self.error_help(&path.field(field), format!("{does}, {SEES}"), "leave it out, or write `layer: l7`");
            }
        }
        if balancer.connect_timeout.is_some() {
            let help = "give it to the balancer that opens the connections";
            self.error_help(&path.field("connect_timeout"), "is for who opens connections, and `layer: l4` passes them on", help);
        }
        let needs = match &balancer.algorithm {
            Algorithm::SessionHash(_) => Some("sessions"),
            Algorithm::ConsistentHash(config) if config.key == consistent_hash::Key::Session => Some("sessions"),
            Algorithm::ConsistentHash(config) if config.key == consistent_hash::Key::Path => Some("paths"),
            Algorithm::LeastResponseTime(_) => Some("answers"),
            Algorithm::CentralQueue(_) | Algorithm::First(_) => Some("when a slot is free"),
            _ => None,
        };
        if let Some(needs) = needs {
            let help = "for example `random`, `round_robin`, `least_connections`, `ip_hash`, or `consistent_hash: { key: address }`";
            self.error_help(&path.field("algorithm"), format!("looks at {needs}, {SEES}"), help);
        }
    }

    /// Settings of connections where nobody keeps any.
    pub(super) fn idle_settings(&mut self) {
        let scenario = self.scenario;
        let ends = self.ends();
        const HELP: &str = "give `connections` to the clients or to the balancer that sends to it";
        for (i, balancer) in scenario.balancers.iter().enumerate().filter(|(i, _)| !ends.balancers.contains(i)) {
            let is_l7 = balancer.layer == Layer::L7;
            for (field, is_given) in [("tls", balancer.tls.is_some()), ("idle_timeout", balancer.idle_timeout.is_some() && is_l7)] {
                if is_given {
                    let what = "changes nothing: nobody who sends to this balancer keeps connections, and others cost nothing";
                    self.warning(&item("balancers", i).field(field), what, HELP);
                }
            }
        }
        for (i, group) in scenario.servers.iter().enumerate() {
            if group.keep_alive.is_some() && !ends.groups.contains(group.name.as_str()) {
                let what = "changes nothing: nobody who sends to these servers keeps connections";
                self.warning(&item("servers", i).field("keep_alive"), what, HELP);
            }
        }
    }

    /// Where connections end that are kept: behind L4 balancers and names, at the first L7 balancer or server.
    fn ends(&self) -> Ends<'a> {
        let scenario = self.scenario;
        let mut ends = Ends::default();
        let mut passed = BTreeSet::new();
        let mut todo = Vec::new();
        if scenario.clients.iter().any(|client| client.connections.is_some()) {
            todo.extend(self.entry_index());
        }
        for balancer in scenario.balancers.iter().filter(|balancer| balancer.connections.is_some()) {
            self.step(balancer, &mut todo, &mut ends);
        }
        while let Some(i) = todo.pop() {
            let balancer = &scenario.balancers[i];
            match balancer.layer == Layer::L4 || balancer.dns.is_some() {
                true if passed.insert(i) => self.step(balancer, &mut todo, &mut ends),
                true => {}
                false => drop(ends.balancers.insert(i)),
            }
        }
        ends
    }

    fn step(&self, balancer: &'a Balancer, todo: &mut Vec<usize>, ends: &mut Ends<'a>) {
        for target in &balancer.targets {
            match self.names.get(target) {
                Some(Named::Balancer(next)) => todo.push(next),
                Some(Named::Group(group) | Named::Server(group, _)) => drop(ends.groups.insert(group.name.as_str())),
                None => {}
            }
        }
    }
}

/// Whether every request is a user of its own.
fn is_lone(client: &Client) -> bool {
    let names_clients = match &client.arrivals {
        Arrivals::Closed { .. } => true,
        Arrivals::Trace(trace) => trace.client.is_some() || trace.format == crate::scenario::TraceFormat::Combined,
        _ => false,
    };
    client.population.is_none() && client.session.is_none() && !names_clients
}
