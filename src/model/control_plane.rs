//! What happens beside the requests: health checks, and whom to blame for a failure.

use super::attempt::{Attempt, Phase};
use super::checker::{Checker, Condition, Encounter, STATUS_OK};
use super::client::NONE;
use super::cluster::ClusterEvent;
use super::event::{Event, Ref};
use super::plan::TargetRef;
use super::server::Presence;
use super::world::{Check, World};
use crate::measure::history::Sight;
use crate::rng;
use crate::units::{Span, Time};

impl World {
    // ---- Health checks ------------------------------------------------------------------------------------------------

    pub(super) fn begin_checks(&mut self) {
        let topology = self.topology.clone();
        for (balancer, plan) in topology.balancers.iter().enumerate() {
            let Some(check) = &plan.check else { continue };
            self.begin_pairs(balancer as u32, self.checkers.len() as u32);
            for (target, to) in plan.targets.iter().enumerate() {
                if !self.balancers[balancer].is_in_use(target as u32) && !self.has_members(balancer as u32) {
                    continue;
                }
                let index = self.checkers.len() as u32;
                let (name, latency) = match to {
                    TargetRef::Server(server) => {
                        self.watchers[*server as usize].push(index);
                        let server = &topology.servers[*server as usize];
                        (&server.name, &server.latency)
                    }
                    TargetRef::Balancer(inner) => {
                        let inner = &topology.balancers[*inner as usize];
                        (&inner.name, &inner.latency)
                    }
                };
                let rng = rng::stream(self.plan.seed, self.plan.replication, &format!("check/{}/{name}", plan.name));
                let mut checker = Checker::new(balancer as u32, target as u32, check.clone(), latency.clone(), rng);
                let at = checker.first_start();
                if self.is_checked_at_start(balancer as u32, target as u32) {
                    self.calendar.schedule(at, Event::CheckStarts { checker: index });
                }
                self.checkers.push(checker);
            }
        }
        self.number_unchecked();
        self.know_from_before();
    }

    /// Checks have long found out what they can: which nodes have no endpoint of a service that is local to them; then, of names, which zone
    /// of a load balancer has nobody to serve it.
    fn know_from_before(&mut self) {
        for is_of_names in [false, true] {
            for index in 0..self.checkers.len() {
                let checker = &self.checkers[index];
                let (balancer, target) = (checker.balancer as usize, checker.target);
                let (is_name, asks_node) = (self.balancers[balancer].is_name(), checker.asks_node());
                let was_good = match self.balancers[balancer].to[target as usize] {
                    TargetRef::Balancer(inner) if asks_node => self.has_ready_endpoint(inner),
                    TargetRef::Balancer(inner) if checker.is_http() && is_name => self.can_serve(inner),
                    _ => true,
                };
                if is_name == is_of_names && !was_good {
                    self.checkers[index].begins_unhealthy();
                    self.balancers[balancer].set_healthy(target, false);
                }
            }
        }
        for checker in self.checkers.iter().filter(|checker| !checker.is_healthy()) {
            if let Some(history) = &mut self.recorder.history {
                let sight = Sight { at: Time::ZERO, balancer: checker.balancer, target: checker.target, is_good: false };
                history.rotation_changes(sight);
            }
        }
    }

    pub(super) fn check_starts(&mut self, index: u32) {
        let now = self.now();
        self.recorder.checks_sent += u64::from((self.plan.warmup..=self.plan.duration).contains(&now));
        self.checkers[index as usize].started = now;
        let travel = self.check_travels(index);
        let checker = &mut self.checkers[index as usize];
        let token = checker.token;
        let check = self.checks.insert(Check::Checker { checker: index, token });
        let check = self.checks.at(check);
        let deadline = checker.deadline();
        if travel == Span::ZERO {
            self.check_at_target(check);
        } else if now + travel > deadline {
            self.calendar.schedule(deadline, Event::CheckEnds { check, passed: false });
        } else {
            self.calendar.schedule(now + travel, Event::CheckAtTarget { check });
        }
    }

    pub(super) fn check_at_target(&mut self, check: Ref) {
        let now = self.now();
        let Some(index) = self.checker_of(check).map(|checker| checker as usize) else { return };
        let (balancer, target) = (self.checkers[index].balancer as usize, self.checkers[index].target as usize);
        let to = self.balancers[balancer].to[target];
        let mut condition = self.condition_for(index, to);
        condition.is_blackholed |= self.cut_off_by(balancer as u32).is_some();
        let deadline = self.checkers[index].deadline().max(now);
        match self.checkers[index].meet(condition) {
            Encounter::Answered { passes } => {
                let at = now + self.check_travels(index as u32);
                if at > deadline {
                    self.calendar.schedule(deadline, Event::CheckEnds { check, passed: false });
                } else if at == now {
                    self.check_ends(check, passes);
                } else {
                    self.calendar.schedule(at, Event::CheckEnds { check, passed: passes });
                }
            }
            Encounter::Silence => self.calendar.schedule(deadline, Event::CheckEnds { check, passed: false }),
            Encounter::Queues => {
                self.calendar.schedule(deadline, Event::CheckEnds { check, passed: false });
                self.check_joins_queue(check, to);
            }
        }
    }

    /// The checker whose check this is. `None`: its target has left since, and the check is over.
    fn checker_of(&mut self, check: Ref) -> Option<u32> {
        match self.checks[check.index] {
            Check::Checker { checker, token } if self.checkers[checker as usize].token == token => Some(checker),
            _ => {
                self.checks.remove(check.index);
                None
            }
        }
    }

    /// What a check meets. A balancer as target answers HTTP with an error when it has nobody to send to. A kube-proxy answers nothing
    /// itself: without an endpoint it refuses, or drops.
    pub(super) fn condition(&mut self, to: TargetRef, is_http: bool) -> Condition {
        match to {
            TargetRef::Server(server) => {
                let state = &self.servers[server as usize].rare;
                let mut is_in_error = false;
                if is_http {
                    for (_, share, _) in &state.errors {
                        is_in_error |= rng::unit(&mut self.server_errors[server as usize]) < *share;
                    }
                }
                let is_crashed = state.crashes > 0 || state.presence != Presence::Serving;
                Condition { is_crashed, is_blackholed: state.blackholes > 0, is_hanging: state.hangs > 0, is_in_error }
            }
            TargetRef::Balancer(inner) => {
                let is_in_error = self.balancers[inner as usize].targets.eligible().is_empty();
                let is_crashed = is_in_error && self.balancers[inner as usize].is_l4 && self.has_members(inner);
                let is_blackholed = self.is_dark(inner) || self.drops(inner);
                Condition { is_crashed, is_blackholed, is_hanging: false, is_in_error }
            }
        }
    }

    pub(super) fn check_joins_queue(&mut self, check: Ref, to: TargetRef) {
        let TargetRef::Server(server) = to else { return self.check_ends(check, true) };
        let attempt = self.new_attempt(Attempt { server, check: check.index, phase: Phase::ToServer, ..Attempt::new(NONE, Span::ZERO) });
        // Only for the time since which it waits. The place in memory may go on to a request that is given up on its way to a
        // balancer, and then the old balancer is looked at: it must be one.
        self.begin_hop(attempt, self.topology.entry);
        self.check_attempts.resize(self.attempts.capacity() as usize, None);
        self.check_attempts[attempt as usize] = Some(check);
        self.at_server(attempt);
    }

    /// A check that had joined the queue has been answered; the answer may not get out.
    pub(super) fn check_served(&mut self, attempt: u32) {
        if self.servers[self.attempts[attempt].server as usize].rare.blackholes > 0 {
            return self.lose(attempt, NONE);
        }
        self.end_queued_check(attempt, true);
    }

    pub(super) fn check_fails_at_server(&mut self, attempt: u32) {
        self.end_queued_check(attempt, false);
    }

    fn end_queued_check(&mut self, attempt: u32, passed: bool) {
        let check = self.check_attempts[attempt as usize].take();
        self.free_attempt(attempt);
        let Some(check) = check.filter(|check| self.checks.is_current(*check)) else { return };
        if let Check::Probe { .. } = self.checks[check.index] {
            return self.check_ends(check, World::queued_probe_passes(passed));
        }
        let Some(index) = self.checker_of(check) else { return };
        let at = self.calendar.now() + self.check_travels(index);
        let passed = passed && self.checkers[index as usize].expects(STATUS_OK);
        self.calendar.schedule(at, Event::CheckEnds { check, passed });
    }

    pub(super) fn check_ends(&mut self, check: Ref, passed: bool) {
        if !self.checks.is_current(check) {
            return;
        }
        let now = self.now();
        if let Check::Probe { server, kind, run, started } = self.checks[check.index] {
            self.checks.remove(check.index);
            return self.probe_ends(server, kind, run, started, passed);
        }
        let Some(index) = self.checker_of(check) else { return };
        self.checks.remove(check.index);
        let checker = &mut self.checkers[index as usize];
        if !passed && (self.plan.warmup..=self.plan.duration).contains(&checker.started) {
            self.recorder.checks_failed += 1;
        }
        let next = match checker.token {
            0 => Event::CheckStarts { checker: index },
            token => Event::Cluster(ClusterEvent::CheckStarts { checker: index, token }),
        };
        self.calendar.schedule(checker.next_start(now), next);
        let (balancer, target) = (checker.balancer as usize, checker.target);
        let view = checker.concludes(passed);
        let sight = Sight { at: now, balancer: balancer as u32, target, is_good: passed };
        if let Some(history) = &mut self.recorder.history {
            history.check_ends(sight);
            view.into_iter().for_each(|is_good| history.rotation_changes(Sight { is_good, ..sight }));
        }
        if let Some(view) = view {
            if view {
                self.balancers[balancer].joins(target, now);
            }
            self.balancers[balancer].set_healthy(target, view);
            if !view && self.topology.balancers[balancer].ways.resets_established {
                self.reset_established(balancer as u32, target);
            }
            let is_server_well = match self.balancers[balancer].to[target as usize] {
                TargetRef::Server(server) => self.servers[server as usize].rare.faults.is_empty(),
                TargetRef::Balancer(inner) => !self.balancers[inner as usize].targets.eligible().is_empty(),
            };
            // Whoever is lost with its node sends to nobody, whatever it believes.
            if self.cut_off_by(balancer as u32).is_none() {
                self.recorder.failover.rotation_changed(index, view, is_server_well, now);
            }
            if self.has_members(balancer as u32) {
                self.member_health_changes(balancer as u32, target, view);
            }
            self.dispatch_waiting(balancer as u32);
        }
    }

    // ---- Whom to blame ------------------------------------------------------------------------------------------------

    /// The fault that began last among those active on a server, as the failover tracker calls it; else what keeps its process away.
    pub(super) fn blame_server(&self, server: u32) -> u32 {
        let state = &self.servers[server as usize].rare;
        state.faults.last().copied().or(state.away_by).unwrap_or(NONE)
    }

    /// A balancer has nobody: any fault among the servers that it reaches is to blame.
    pub(super) fn blame_balancer(&self, balancer: u32) -> u32 {
        let mut blamed = self.balancers[balancer as usize].to.iter().map(|to| match to {
            TargetRef::Server(server) => self.blame_server(*server),
            TargetRef::Balancer(inner) => self.blame_balancer(*inner),
        });
        blamed.find(|strike| *strike != NONE).unwrap_or(NONE)
    }

    pub(super) fn blame_attempt(&self, attempt: u32) -> u32 {
        let Attempt { strike, server, .. } = self.attempts[attempt];
        match strike {
            NONE if server != NONE => self.blame_server(server),
            NONE => self.blame_opening(attempt),
            _ => strike,
        }
    }

    /// Whether a server cannot be used now, in truth or in the view of a balancer, and how often it has restarted.
    pub(super) fn is_gone(&self, server: u32) -> (bool, u32) {
        let state = &self.servers[server as usize];
        let is_out = self.watchers[server as usize].iter().any(|checker| !self.checkers[*checker as usize].is_healthy());
        (is_out || !state.is_up(), state.rare.incarnation)
    }
}
