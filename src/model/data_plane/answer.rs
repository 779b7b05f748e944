//! Answers return: through the balancers, which may try again, to the client.

use super::travel::Leg;
use crate::measure::Status;
use crate::measure::affinity::Answer;
use crate::measure::recorder::Answered;
use crate::measure::statuses::mark;
use crate::model::attempt::{Attempt, Hop, NOT_WAITED, Phase};
use crate::model::client::NONE;
use crate::model::event::Event;
use crate::model::link::Carried;
use crate::model::plan::TargetRef;
use crate::model::world::World;
use crate::policy::Outcome;
use crate::scenario::Failure;

impl World {
    #[inline(never)]
    pub(in crate::model) fn answer_failure(&mut self, attempt: u32, failure: Failure, strike: u32) {
        if self.attempts[attempt].check != NONE {
            return self.check_fails_at_server(attempt);
        }
        if self.attempts[attempt].is_abandoned {
            return self.free_attempt(attempt);
        }
        self.attempts[attempt].failure = Some(failure);
        self.attempts[attempt].strike = strike;
        let request = self.attempts[attempt].request;
        if self.requests[request].is_counted {
            self.recorder.attempts.fail(failure);
        }
        if !self.answer_on_connection(attempt) {
            self.answer(attempt);
        }
    }

    #[inline(always)]
    pub(in crate::model) fn answer(&mut self, attempt: u32) {
        let server = self.attempts[attempt].server as usize;
        self.attempts[attempt].phase = Phase::Returning;
        let attempts = &self.attempts;
        match self.server_links[server].carry(|| Event::ResultAtBalancer(attempts.at(attempt)), &mut self.calendar) {
            Carried::Scheduled => {}
            Carried::AtOnce => self.result_at_balancer(attempt),
            Carried::ByPlace => self.travel(attempt, Leg::FromServer(server as u32)),
        }
    }

    #[inline(always)]
    pub(in crate::model) fn result_at_balancer(&mut self, attempt: u32) {
        let hop = self.hop(attempt);
        self.close_hop(attempt, hop, true);
        self.pass_on(attempt, hop, true);
    }

    /// The result of an attempt goes on from a balancer that no longer counts it, unless this tries again.
    #[inline(always)]
    pub(in crate::model) fn pass_on(&mut self, attempt: u32, hop: Hop, is_heard_from: bool) {
        let balancer = &self.balancers[hop.balancer as usize];
        let (binds, is_awaited) = (balancer.binds, !balancer.line.is_empty());
        if !self.tries_again(attempt, hop.balancer) {
            if binds {
                self.remember(attempt, hop, is_heard_from);
            }
            self.go_up(attempt, hop.balancer);
        }
        if is_awaited {
            // Whoever waits is served after the result, at the same instant.
            self.dispatch_waiting(hop.balancer);
        }
    }

    /// The balancer no longer counts the attempt at this hop. `is_heard_from`: the target said something, if only that the
    /// connection failed.
    #[inline(always)]
    pub(in crate::model) fn close_hop(&mut self, attempt: u32, hop: Hop, is_heard_from: bool) {
        let now = self.now();
        let failure = self.attempts[attempt].failure;
        let balancer = &mut self.balancers[hop.balancer as usize];
        // An inner balancer answers for a server that does not.
        let (is_answered, is_ok) = match failure {
            None => (is_heard_from, is_heard_from),
            Some(failure) => (is_heard_from && balancer.answers_with(failure, hop.target), false),
        };
        let outcome = Outcome { now, latency: now - hop.sent, is_answered, is_ok };
        balancer.done(hop.target, &outcome);
        self.attempts[attempt].open_hops -= 1;
    }

    /// Binds the user by the answer that goes up.
    #[inline(never)]
    pub(in crate::model) fn remember(&mut self, attempt: u32, hop: Hop, is_heard_from: bool) {
        let now = self.now();
        let failure = self.attempts[attempt].failure;
        let is_answered = failure.is_none_or(|failure| is_heard_from && self.is_answer_of_target(failure, hop));
        if self.balancers[hop.balancer as usize].is_l4 {
            return; // The address was bound when the connection was made.
        }
        let request = &self.requests[self.attempts[attempt].request];
        let (class, path) = (request.class, request.path);
        let (holder, _) = self.holder(request);
        let rule = self.balancers[hop.balancer as usize].rules().and_then(|rules| rules.find(class, path, holder.address));
        let keeper = self.keeper_of_cookies(hop.balancer);
        let keeper = &mut self.balancers[keeper as usize];
        let table = match rule {
            Some(rule) => keeper.rules_mut().and_then(|rules| rules.bound[rule].as_mut()),
            None => keeper.sticky.as_mut(),
        };
        if let Some(table) = table.filter(|table| table.set_with().takes(failure.is_none(), is_answered)) {
            table.answered(holder, hop.target, now);
        }
    }

    /// Whether a failure that comes from a target is what that has answered. Of a part of the balancer it is not: the balancer answers. It
    /// also answers for a server whose queue is full, as the statuses have it.
    fn is_answer_of_target(&self, failure: Failure, hop: Hop) -> bool {
        match (failure, self.balancers[hop.balancer as usize].to[hop.target as usize]) {
            (Failure::ServerError | Failure::ClientError, _) => true,
            (_, TargetRef::Server(_)) => false,
            (_, TargetRef::Balancer(inner)) => {
                !self.balancers[inner as usize].is_l4 && !self.topology.balancers[inner as usize].routing.is_transparent
            }
        }
    }

    /// The result goes up, unless this balancer tries again.
    #[inline(always)]
    pub(in crate::model) fn leave_balancer(&mut self, attempt: u32, balancer: u32) {
        if !self.tries_again(attempt, balancer) {
            self.go_up(attempt, balancer);
        }
    }

    /// Whether a try has failed and this balancer makes another one.
    #[inline(always)]
    fn tries_again(&mut self, attempt: u32, balancer: u32) -> bool {
        let Some(failure) = self.attempts[attempt].failure else { return false };
        if self.ways.is_some() {
            self.place_failure(attempt, balancer);
        }
        self.balancer_retries(attempt, failure)
    }

    /// The result goes up from the balancer that it is at.
    #[inline(always)]
    pub(in crate::model) fn go_up(&mut self, attempt: u32, balancer: u32) {
        if self.balancers[balancer as usize].is_watched && self.goes_up_watched(attempt, balancer) {
            return;
        }
        let leaving = &mut self.attempts[attempt];
        leaving.phase = Phase::Returning;
        let attempts = &mut self.attempts;
        if attempts[attempt].depth > 0 {
            attempts[attempt].depth -= 1;
            let link = &mut self.balancers[balancer as usize].link;
            match link.carry(|| Event::ResultAtBalancer(attempts.at(attempt)), &mut self.calendar) {
                Carried::Scheduled => {}
                Carried::AtOnce => self.result_at_balancer(attempt),
                Carried::ByPlace => self.travel(attempt, Leg::FromBalancer(balancer)),
            }
        } else {
            let client = self.requests[attempts[attempt].request].client as usize;
            let link = &mut self.clients[client].link;
            match link.carry(|| Event::ResultAtClient(attempts.at(attempt)), &mut self.calendar) {
                Carried::Scheduled => {}
                Carried::AtOnce => self.result_at_client(attempt),
                Carried::ByPlace => self.travel(attempt, Leg::ToClient),
            }
        }
    }

    /// Counts what a balancer answers. A part of another balancer answers nothing by itself: it is the whole that does. Whether the answer
    /// goes over a connection that is kept.
    #[inline(never)]
    fn goes_up_watched(&mut self, attempt: u32, balancer: u32) -> bool {
        if self.attempts[attempt].failure.is_some() {
            self.place_failure(attempt, balancer);
        }
        if !self.balancers[balancer as usize].is_l4 {
            let going = &mut self.attempts[attempt];
            let status = Status::of(going.failure, going.mark & !mark::PLACED);
            if !self.topology.balancers[balancer as usize].routing.is_transparent {
                if going.failure.is_some() {
                    going.mark = mark::ANSWERED;
                }
                self.count_status(attempt, balancer, status);
            }
        }
        self.answer_on_connection(attempt)
    }

    pub(in crate::model) fn count_status(&mut self, attempt: u32, balancer: u32, status: Status) {
        if self.topology.balancers[balancer as usize].ways.counts_statuses && self.requests[self.attempts[attempt].request].is_counted {
            self.recorder.statuses[balancer as usize].count(status);
        }
    }

    #[inline(never)]
    fn balancer_retries(&mut self, attempt: u32, failure: Failure) -> bool {
        let now = self.now();
        let place = self.hop_place(attempt, self.attempts[attempt].depth);
        let hop = self.hops[place];
        let Some(retries) = &mut self.balancers[hop.balancer as usize].retries else { return false };
        let is_idempotent = self.topology.classes[self.requests[self.attempts[attempt].request].class as usize].is_idempotent;
        if !retries.takes(failure, is_idempotent) {
            return false;
        }
        let Some(wait) = retries.wait(failure, hop.retries, now) else { return false };
        if retries.is_to_other() {
            self.remember_tried(attempt);
        }
        self.hops[place].retries += 1;
        self.hops[place].waits_since = NOT_WAITED;
        self.count_retry(self.attempts[attempt].request);
        self.draw_work_again(self.attempts[attempt].request);
        let work = self.requests[self.attempts[attempt].request].work;
        let again = &mut self.attempts[attempt];
        again.phase = Phase::AtBalancer;
        again.work = work;
        again.failure = None;
        again.will_fail = false;
        again.mark = mark::NONE;
        again.strike = NONE;
        again.server = NONE;
        self.attempts.retire(attempt);
        self.calendar.schedule(now + wait, Event::BalancerRetry(self.attempts.at(attempt)));
        true
    }

    pub(in crate::model) fn remember_tried(&mut self, attempt: u32) {
        let Attempt { server, request, .. } = self.attempts[attempt];
        let tried = self.requests[request].tried.get_or_insert_default();
        if server != NONE && !tried.contains(&server) {
            tried.push(server);
        }
    }

    pub(in crate::model) fn count_retry(&mut self, request: u32) {
        self.recorder.retried += u64::from(self.requests[request].is_counted);
    }

    #[inline(always)]
    pub(in crate::model) fn result_at_client(&mut self, attempt: u32) {
        let Attempt { request, server, failure, strike, .. } = self.attempts[attempt];
        match failure {
            None => {
                if self.ways.is_some() {
                    self.count_way(attempt);
                }
                self.free_attempt(attempt);
                self.request_answered(request, server);
            }
            Some(failure) => {
                self.keep_tried_for_client(attempt);
                self.free_attempt(attempt);
                self.attempt_failed(request, failure, strike);
            }
        }
    }

    #[inline(always)]
    pub(in crate::model) fn request_answered(&mut self, index: u32, server: u32) {
        let now = self.now();
        let request = &self.requests[index];
        let (actor, is_counted) = (request.actor, request.is_counted);
        let latency = now - request.sent;
        let user = self.user_place(request.client, request.user);
        let answered = Answered { class: request.class, latency, is_counted, user };
        self.recorder.request_answered(answered, now);
        if actor != NONE || user.is_some() {
            self.count_visit(actor, user, server, is_counted);
        }
        if actor != NONE && is_counted {
            self.actors[actor].sum.add(latency);
        }
        self.close_request(index);
    }

    /// Place of a user among all that can come back.
    #[inline(always)]
    pub(in crate::model) fn user_place(&self, client: u32, user: u32) -> Option<u32> {
        let client = &self.clients[client as usize];
        client.users_return().then(|| client.first_user + user)
    }

    /// Affinity is a matter of users where they come back, else of sessions.
    #[inline(never)]
    pub(in crate::model) fn count_visit(&mut self, actor: u32, user: Option<u32>, server: u32, is_counted: bool) {
        if server == NONE {
            // A balancer has answered by itself.
            return;
        }
        let answer = Answer { server, incarnation: self.servers[server as usize].rare.incarnation, is_counted };
        let mut visits = match user {
            Some(user) => self.visits[user as usize],
            None => self.actors[actor].visits,
        };
        let last = visits.last().filter(|last| *last != server).map(|last| self.is_gone(last));
        visits.answer(answer, last, &mut self.recorder.affinity);
        match user {
            Some(user) => self.visits[user as usize] = visits,
            None => self.actors[actor].visits = visits,
        }
    }
}
