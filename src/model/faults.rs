//! Faults strike servers and nodes, and end: what becomes of what they hold, and who has to find out.

use super::attempt::Phase;
use super::data_plane::Ending;
use super::event::Event;
use super::plan::{FaultKind, FaultSchedule, TargetRef};
use super::world::{Strike, World};
use crate::rng;
use crate::scenario::Failure;
use crate::units::Time;
use std::collections::BTreeSet;

/// Whom a strike hits.
#[derive(Default)]
struct Hit {
    servers: Vec<u32>,
    nodes: Vec<u32>,
    balancers: Vec<u32>,
}

impl World {
    /// Whom each strike of a schedule hits: one for all that the fault hits, or one for each of them. What a node holds is seen when it is
    /// struck.
    fn strikes_of(&self, fault: u32) -> Vec<Hit> {
        let plan = &self.topology.faults[fault as usize];
        match plan.schedule {
            FaultSchedule::Once { .. } | FaultSchedule::Flap { .. } => {
                vec![Hit { servers: plan.servers.clone(), nodes: plan.nodes.clone(), balancers: plan.balancers.concat() }]
            }
            FaultSchedule::Random { .. } => {
                let servers = plan.servers.iter().map(|server| Hit { servers: vec![*server], ..Hit::default() });
                let nodes = plan.nodes.iter().map(|node| Hit { nodes: vec![*node], ..Hit::default() });
                let balancers = plan.balancers.iter().map(|machine| Hit { balancers: machine.clone(), ..Hit::default() });
                servers.chain(nodes).chain(balancers).collect()
            }
        }
    }

    pub(super) fn begin_faults(&mut self) {
        let topology = self.topology.clone();
        let reach = self.checked_balancers();
        for (fault, plan) in topology.faults.iter().enumerate() {
            let fault = fault as u32;
            let tracked_fault = self.recorder.failover.add_fault(&plan.name);
            for Hit { servers, nodes, balancers } in self.strikes_of(fault) {
                let strike = self.strikes.len() as u32;
                let first = match (servers.first(), &nodes[..], balancers.first()) {
                    (Some(server), ..) => &topology.servers[*server as usize].name,
                    (None, [node], _) if plan.nodes.len() > 1 => self.name_of_node(*node),
                    (None, [], Some(balancer)) => &topology.balancers[*balancer as usize].name,
                    (None, ..) => "",
                };
                let rng = rng::stream(self.plan.seed, self.plan.replication, &format!("fault/{}/{first}", plan.stream));
                let mut pairs: Vec<_> = self.pairs_of(&servers).into_iter().chain(self.pairs_struck_whole(&reach, &servers)).collect();
                if !balancers.is_empty() {
                    let lost = self.pairs_of_balancers(|balancer| balancers.contains(&balancer));
                    pairs.retain(|(pair, _)| lost.iter().all(|(other, _)| other != pair));
                    pairs.extend(lost);
                }
                let tracked = self.recorder.failover.add_strike(tracked_fault, servers, pairs.into_iter());
                self.strikes.push(Strike { fault, nodes, balancers, tracked, rng });
                let at = match &plan.schedule {
                    FaultSchedule::Once { at, .. } | FaultSchedule::Flap { at, .. } => *at,
                    FaultSchedule::Random { mtbf, .. } => Time::ZERO + mtbf.sample(&mut self.strikes[strike as usize].rng),
                };
                self.calendar.schedule(at, Event::FaultBegins { strike });
            }
        }
    }

    /// What balancers think of servers, by number: checkers, and members that nobody checks; and whether each is in use.
    pub(super) fn pairs_of(&self, servers: &[u32]) -> Vec<(u32, bool)> {
        let mut pairs = Vec::new();
        for server in servers {
            for &pair in &self.watchers[*server as usize] {
                let checker = &self.checkers[pair as usize];
                pairs.push((pair, self.balancers[checker.balancer as usize].is_good(checker.target)));
            }
            let unchecked = self.cluster.iter().flat_map(|cluster| cluster.unchecked_pairs(*server));
            pairs.extend(unchecked.map(|(balancer, target, pair)| (pair, self.balancers[balancer as usize].is_good(target))));
        }
        pairs
    }

    /// The same of checked balancers behind which a fault on these servers leaves nobody.
    pub(super) fn pairs_struck_whole(&self, checked: &[(u32, BTreeSet<u32>)], servers: &[u32]) -> Vec<(u32, bool)> {
        struck_whole(checked, servers).into_iter().map(|pair| (pair, self.checkers[pair as usize].is_healthy())).collect()
    }

    /// Checkers whose target is a balancer, with the servers that can be reached through it.
    pub(super) fn checked_balancers(&self) -> Vec<(u32, BTreeSet<u32>)> {
        let checked = self.checkers.iter().enumerate().filter_map(|(index, checker)| {
            match self.balancers[checker.balancer as usize].to[checker.target as usize] {
                TargetRef::Balancer(inner) => Some((index as u32, self.reach(inner))),
                TargetRef::Server(_) => None,
            }
        });
        checked.collect()
    }

    fn reach(&self, balancer: u32) -> BTreeSet<u32> {
        let (mut servers, mut seen, mut todo) = (BTreeSet::new(), BTreeSet::from([balancer]), vec![balancer]);
        while let Some(balancer) = todo.pop() {
            for to in &self.balancers[balancer as usize].to {
                match to {
                    TargetRef::Server(server) => drop(servers.insert(*server)),
                    TargetRef::Balancer(inner) if seen.insert(*inner) => todo.push(*inner),
                    TargetRef::Balancer(_) => {}
                }
            }
        }
        servers
    }

    pub(super) fn fault_begins(&mut self, strike: u32) {
        let now = self.now();
        let topology = self.topology.clone();
        let Strike { fault, tracked, ref nodes, ref balancers, .. } = self.strikes[strike as usize];
        let (nodes, balancers) = (nodes.clone(), balancers.clone());
        let plan = &topology.faults[fault as usize];
        let ends = match &plan.schedule {
            FaultSchedule::Once { until, .. } => *until,
            FaultSchedule::Flap { until, down, .. } => Some(until.unwrap_or(Time(u64::MAX)).min(now + *down)),
            FaultSchedule::Random { mttr, .. } => Some(now + mttr.sample(&mut self.strikes[strike as usize].rng)),
        };
        if let Some(at) = ends {
            self.calendar.schedule(at, Event::FaultEnds { strike });
        }
        if !nodes.is_empty() {
            self.aim_at_nodes(tracked, &nodes, &balancers, plan);
        }
        self.recorder.fault_begins(fault, tracked, now);
        for server in self.recorder.failover.servers(tracked).to_vec() {
            self.strike_server(server, strike, plan.kind_at(server));
        }
        if let Some(crashes) = plan.loses_nodes() {
            nodes.iter().for_each(|node| self.node_struck(*node, strike, crashes));
        }
        balancers.iter().for_each(|balancer| self.balancer_struck(*balancer, strike));
    }

    pub(super) fn fault_ends(&mut self, strike: u32) {
        let now = self.now();
        let topology = self.topology.clone();
        let Strike { fault, tracked, ref nodes, ref balancers, .. } = self.strikes[strike as usize];
        let (nodes, balancers) = (nodes.clone(), balancers.clone());
        let plan = &topology.faults[fault as usize];
        for server in self.recorder.failover.servers(tracked).to_vec() {
            self.release_server(server, strike, plan.kind_at(server));
        }
        if let Some(crashes) = plan.loses_nodes() {
            nodes.iter().for_each(|node| self.node_released(*node, strike, crashes));
        }
        balancers.iter().for_each(|balancer| self.balancer_released(*balancer, strike));
        self.recorder.fault_ends(fault, tracked, now);
        let again = match &plan.schedule {
            FaultSchedule::Once { .. } => None,
            FaultSchedule::Flap { until, up, .. } => Some(now + *up).filter(|at| until.is_none_or(|until| *at < until)),
            FaultSchedule::Random { mtbf, .. } => Some(now + mtbf.sample(&mut self.strikes[strike as usize].rng)),
        };
        if let Some(at) = again {
            self.calendar.schedule(at, Event::FaultBegins { strike });
        }
    }

    fn strike_server(&mut self, index: u32, strike: u32, kind: FaultKind) {
        let now = self.now();
        self.servers[index as usize].change_standing(now, |server| {
            server.faults.push(strike);
            match kind {
                FaultKind::Crash => {
                    server.crashes += 1;
                    server.incarnation += u32::from(server.crashes == 1);
                }
                FaultKind::Hang => server.hangs += 1,
                FaultKind::Blackhole | FaultKind::OnNode { .. } => server.blackholes += 1,
                FaultKind::Errors { share, at_once } => server.errors.push((strike, share, at_once)),
                FaultKind::Slow { factor } => server.slows.push((strike, factor)),
            }
        });
        match kind {
            FaultKind::Crash => {
                self.empty_server(index, strike, true);
                self.pod_crashes(index, strike);
            }
            FaultKind::OnNode { crashes: true } => {
                self.servers[index as usize].rare.incarnation += 1;
                self.empty_server(index, strike, true);
            }
            FaultKind::Hang => self.empty_server(index, strike, false),
            FaultKind::Blackhole | FaultKind::OnNode { .. } | FaultKind::Errors { .. } | FaultKind::Slow { .. } => {}
        }
    }

    /// A fault is over on a server, if it was not before: a new process does not have what ailed the old one.
    pub(super) fn release_server(&mut self, index: u32, strike: u32, kind: FaultKind) {
        let now = self.now();
        if !self.servers[index as usize].rare.faults.contains(&strike) {
            return;
        }
        self.servers[index as usize].change_standing(now, |server| {
            server.faults.retain(|active| *active != strike);
            match kind {
                FaultKind::Crash => server.crashes -= 1,
                FaultKind::Hang => server.hangs -= 1,
                FaultKind::Blackhole | FaultKind::OnNode { .. } => server.blackholes -= 1,
                FaultKind::Errors { .. } => server.errors.retain(|(active, ..)| *active != strike),
                FaultKind::Slow { .. } => server.slows.retain(|(active, _)| *active != strike),
            }
        });
    }

    /// Everything in a server ends: reset by a crash (if packets still travel), swallowed by a hang.
    pub(super) fn empty_server(&mut self, index: u32, strike: u32, is_crash: bool) {
        let now = self.now();
        self.servers[index as usize].clear(now);
        let is_cut_off = self.servers[index as usize].rare.blackholes > 0;
        if is_crash {
            self.close_connections_to(index, if is_cut_off { Ending::Silent } else { Ending::Reset });
        }
        for attempt in 0..self.attempts.capacity() {
            if self.attempts[attempt].server != index || self.attempts[attempt].is_to_nobody() {
                continue;
            }
            match self.attempts[attempt].phase {
                Phase::Cancelled => self.free_attempt(attempt),
                Phase::Unconnected if !is_crash || is_cut_off || self.is_flow(attempt) => {}
                Phase::Queued | Phase::InService | Phase::Lost | Phase::Unconnected => {
                    self.attempts.retire(attempt);
                    if is_crash && !is_cut_off {
                        self.answer_failure(attempt, Failure::Reset, strike);
                    } else {
                        self.lose(attempt, strike);
                    }
                }
                Phase::Free | Phase::AtBalancer | Phase::ToServer | Phase::Returning | Phase::Forgotten => {}
            }
        }
    }
}

/// Checkers of balancers behind which a fault on these servers leaves nobody: only those have to take the balancer out.
fn struck_whole(reach: &[(u32, BTreeSet<u32>)], struck: &[u32]) -> Vec<u32> {
    let is_whole = |reached: &BTreeSet<u32>| {
        !reached.is_empty()
            && reached.len() <= struck.len()
            && struck.iter().filter(|server| reached.contains(server)).count() == reached.len()
    };
    reach.iter().filter(|(_, reached)| is_whole(reached)).map(|(checker, _)| *checker).collect()
}
