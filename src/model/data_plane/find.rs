//! Balancers that find their target other than by a policy: by rules on the request, or as a name that is resolved.

use crate::model::attempt::Attempt;
use crate::model::balancer::Finder;
use crate::model::checker::Condition;
use crate::model::client::NONE;
use crate::model::cluster::Address;
use crate::model::connection::Source;
use crate::model::dns::Asker;
use crate::model::plan::TargetRef;
use crate::model::rules::Action;
use crate::model::sticky::Holder;
use crate::model::world::World;
use crate::policy::{Pick, TargetId};
use crate::rng::mix64;
use crate::scenario::Failure;
use std::collections::BTreeMap;

impl World {
    /// Whether a balancer is a good answer of a name: enough of its targets are taken for well by its checks (or else by whoever sends to
    /// servers behind them), and so it is with each of its target groups. A load balancer that sends to all because nobody is healthy is none.
    /// Source: Route 53 developer guide, Evaluate target health; Application Load Balancers user guide, Target group health.
    pub(in crate::model) fn can_serve(&self, balancer: u32) -> bool {
        self.serves(balancer, &mut BTreeMap::new())
    }

    /// `known`: what has been found of balancers that several send to.
    fn serves(&self, index: u32, known: &mut BTreeMap<u32, bool>) -> bool {
        if let Some(known) = known.get(&index) {
            return *known;
        }
        let balancer = &self.balancers[index as usize];
        let mut is_good = |target: TargetId| {
            balancer.is_well(target)
                && match balancer.to[target as usize] {
                    TargetRef::Server(_) => true,
                    TargetRef::Balancer(_) if balancer.goes_by_checks() => true,
                    TargetRef::Balancer(inner) => self.serves(inner, known),
                }
        };
        let used = (0..balancer.to.len() as TargetId).filter(|target| balancer.is_in_use(*target));
        let healthy: Vec<u32> = used.map(|target| u32::from(is_good(target))).collect();
        *known.entry(index).or_insert(balancer.has_enough(&healthy))
    }

    /// What a check meets. Of a balancer a name wants to know whether there is a server behind it that is well, and the health check port of
    /// a node tells of the endpoints that are ready.
    pub(in crate::model) fn condition_for(&mut self, checker: usize, to: TargetRef) -> Condition {
        let checker = &self.checkers[checker];
        let (is_http, asks_node, pair) = (checker.is_http(), checker.asks_node(), (checker.balancer, checker.target));
        let is_name = self.balancers[checker.balancer as usize].is_name();
        let mut condition = self.condition(to, is_http);
        let inner = match to {
            TargetRef::Balancer(inner) => inner,
            TargetRef::Server(server) => {
                match self.address(server, Some(pair)) {
                    Address::Current => {}
                    Address::Refuses => condition.is_crashed = true,
                    Address::Silent => condition.is_blackholed = true,
                }
                return condition;
            }
        };
        if asks_node {
            (condition.is_crashed, condition.is_blackholed) = (false, self.cut_off_by(inner).is_some());
            condition.is_in_error |= !self.has_ready_endpoint(inner);
        } else if is_http && is_name {
            condition.is_in_error = !self.can_serve(inner);
        }
        condition
    }

    /// Finds the target of an attempt at a balancer with a finder.
    #[inline(never)]
    pub(in crate::model) fn find(&mut self, attempt: u32, balancer: u32) {
        let Attempt { request, .. } = self.attempts[attempt];
        let (holder, id) = self.holder(&self.requests[request]);
        match self.balancers[balancer as usize].finder.as_deref() {
            Some(Finder::Rules(_)) => self.follow_rules(attempt, balancer, holder),
            Some(Finder::Name(_)) => self.resolve(attempt, balancer, holder, id),
            None => unreachable!("only called where there is a finder"),
        }
    }

    /// Each try asks anew; what is kept answers until its time is over. A record is taken whatever has become of it since.
    fn resolve(&mut self, attempt: u32, balancer: u32, holder: Holder, id: u64) {
        let now = self.now();
        let asker = self.asker(attempt, holder, id);
        let is_counted = now >= self.plan.warmup && now <= self.plan.duration;
        let Some((name, records)) = self.balancers[balancer as usize].name() else { return };
        let target = name.resolve(asker, &records, now, is_counted);
        self.follow(attempt, target.map_or(Pick::Nobody, Pick::Target));
    }

    /// Who resolves a name: the next balancer outside it that is a machine, or the user.
    fn asker(&self, attempt: u32, holder: Holder, id: u64) -> Asker {
        let first = self.hop_place(attempt, 0);
        let outside = (0..usize::from(self.attempts[attempt].depth)).rev().map(|depth| self.hops[first + depth].balancer);
        let routing = |balancer: u32| &self.topology.balancers[balancer as usize].routing;
        match outside.into_iter().find(|balancer| !routing(*balancer).is_transparent) {
            Some(balancer) => machine(balancer, routing(balancer).place.zone),
            None => {
                let client = self.requests[self.attempts[attempt].request].client;
                let zone = self.topology.clients[client as usize].place.zone;
                let is_old = self.clients[client as usize].users_return();
                Asker { client, id: holder.user.unwrap_or(id), comes_back: holder.user.is_some(), is_old, zone }
            }
        }
    }

    /// A connection that is kept is about to be opened. `number` tells it from others of the same source.
    pub(in crate::model) fn resolve_for(&mut self, balancer: u32, source: &Source, number: u64) -> Option<TargetId> {
        let now = self.now();
        let opener = source.opener;
        let asker = match opener.checked_sub(self.clients.len() as u32) {
            None => {
                let (user, zone) = (source.party.map(|(_, user)| user), self.topology.clients[opener as usize].place.zone);
                let is_per_user = self.connections.openers[opener as usize].as_ref().is_some_and(|opener| opener.plan.is_per_user);
                let is_old = !is_per_user || self.clients[opener as usize].users_return();
                Asker { client: opener, id: user.unwrap_or(mix64(number)), comes_back: user.is_some(), is_old, zone }
            }
            Some(balancer) => machine(balancer, self.topology.balancers[balancer as usize].routing.place.zone),
        };
        let is_counted = now >= self.plan.warmup && now <= self.plan.duration;
        let (name, records) = self.balancers[balancer as usize].name()?;
        name.resolve(asker, &records, now, is_counted)
    }

    fn follow_rules(&mut self, attempt: u32, balancer: u32, holder: Holder) {
        let request = &self.requests[self.attempts[attempt].request];
        let (class, path) = (request.class, request.path);
        let Some(rules) = self.balancers[balancer as usize].rules() else { return };
        let rule = rules.find(class, path, holder.address);
        let action = rules.action(rule);
        let is_sticky = action.binds();
        let respond = match action {
            Action::Forward { .. } => None,
            Action::Respond(status) => Some(*status),
        };
        match (rule, respond) {
            (Some(rule), None) => {
                let bound = if is_sticky { self.bound_by_rule(balancer, rule, holder) } else { None };
                let target = bound.or_else(|| self.balancers[balancer as usize].rules_mut()?.draw(rule));
                self.forward(attempt, balancer, target);
            }
            (_, status) => match self.cut_off_by(balancer) {
                Some(strike) => self.lose_at_balancer(attempt, strike),
                None => self.respond(attempt, balancer, status.unwrap_or(404)),
            },
        }
    }

    /// Sends an attempt to the target that was found, if it can be used.
    fn forward(&mut self, attempt: u32, balancer: u32, target: Option<TargetId>) {
        let usable = target.filter(|target| self.balancers[balancer as usize].targets.is_eligible(*target));
        self.follow(attempt, usable.map_or(Pick::Nobody, Pick::Target));
    }

    /// The balancer that keeps the cookies of this one: its first copy, or itself.
    pub(in crate::model) fn keeper_of_cookies(&self, balancer: u32) -> u32 {
        self.topology.balancers[balancer as usize].routing.cookies_of.unwrap_or(balancer)
    }

    fn bound_by_rule(&self, balancer: u32, rule: usize, holder: Holder) -> Option<TargetId> {
        let keeper = self.balancers[self.keeper_of_cookies(balancer) as usize].rules()?;
        let target = keeper.bound[rule].as_ref()?.target(holder, self.now())?;
        self.balancers[balancer as usize].rules()?.keeps(rule, target).then_some(target)
    }

    /// The balancer itself answers.
    fn respond(&mut self, attempt: u32, balancer: u32, status: u16) {
        let answered = &mut self.attempts[attempt];
        answered.server = NONE;
        answered.mark = status;
        answered.failure = match status {
            500.. => Some(Failure::ServerError),
            400.. => Some(Failure::ClientError),
            _ => None,
        };
        self.leave_balancer(attempt, balancer);
    }
}

/// A balancer that resolves a name.
fn machine(balancer: u32, zone: u32) -> Asker {
    Asker { client: NONE, id: mix64(u64::from(balancer)), comes_back: true, is_old: true, zone }
}
