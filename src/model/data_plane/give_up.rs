//! Somebody gives up: timeouts of clients and balancers, retries, abandoned work, and the end of a request.

use crate::measure::Status;
use crate::measure::statuses::mark;
use crate::model::attempt::{Attempt, Phase, Request};
use crate::model::balancer::Finder;
use crate::model::client::NONE;
use crate::model::cluster::planned_group;
use crate::model::event::{Event, Ref};
use crate::model::plan::ArrivalPlan;
use crate::model::world::World;
use crate::scenario::Failure;
use crate::units::{Span, Time};

/// What passes between two requests of a user who neither waits nor thinks.
const ACTOR_PAUSE: Span = Span::from_millis(1);

impl World {
    pub(in crate::model) fn client_times_out(&mut self, timed_out: Ref) {
        if !self.requests.is_current(timed_out) {
            return;
        }
        self.client_gives_up(timed_out.index, Failure::Timeout);
    }

    /// A client gives up on a try.
    pub(super) fn client_gives_up(&mut self, request: u32, failure: Failure) {
        let attempt = self.requests[request].attempt;
        let strike = self.blame_attempt(attempt);
        if self.requests[request].is_counted && self.is_at_server(attempt) {
            self.recorder.attempts.fail(failure);
        }
        if self.ways.is_some() {
            self.place_given_up(attempt);
        }
        self.keep_tried_for_client(attempt);
        self.abandon(attempt, 0);
        self.attempt_failed(request, failure, strike);
    }

    pub(in crate::model) fn keep_tried_for_client(&mut self, attempt: u32) {
        let client = self.requests[self.attempts[attempt].request].client as usize;
        if self.clients[client].retries.as_ref().is_some_and(|retries| retries.is_to_other()) {
            self.remember_tried(attempt);
        }
    }

    /// One try of the client has failed: the next one, or the end.
    #[inline(never)]
    pub(in crate::model) fn attempt_failed(&mut self, index: u32, failure: Failure, strike: u32) {
        let now = self.now();
        let request = &mut self.requests[index];
        request.attempt = NONE;
        let retries = self.clients[request.client as usize].retries.as_mut();
        let to_other = retries.as_ref().is_some_and(|retries| retries.is_to_other());
        let is_idempotent = self.topology.classes[request.class as usize].is_idempotent;
        let retries = retries.filter(|retries| retries.takes(failure, is_idempotent));
        let Some(wait) = retries.and_then(|retries| retries.wait(failure, request.retries, now)) else {
            let (sent, is_counted) = (request.sent, request.is_counted);
            let strike = self.fault_to_blame(strike, is_counted);
            self.recorder.request_failed(failure, strike, sent, is_counted);
            return self.close_request(index);
        };
        request.retries += 1;
        if !to_other {
            request.tried = None;
        }
        self.count_retry(index);
        self.requests.retire(index);
        self.calendar.schedule(now + wait, Event::ClientRetry(self.requests.at(index)));
    }

    /// The fault that a failure is booked under; what a controller did as planned is booked under its pods.
    pub(in crate::model) fn fault_to_blame(&mut self, strike: u32, is_counted: bool) -> Option<u32> {
        match planned_group(strike) {
            Some(group) if is_counted => self.planned_failure(group),
            None if strike != NONE => return Some(strike),
            _ => {}
        }
        None
    }

    /// The next try of a request has a service time of its own.
    pub(in crate::model) fn draw_work_again(&mut self, index: u32) {
        let request = &mut self.requests[index];
        if let Some(work) = self.clients[request.client as usize].draw_again(request.class) {
            request.work = work;
        }
    }

    pub(in crate::model) fn client_retries(&mut self, request: Ref) {
        if self.requests.is_current(request) {
            self.draw_work_again(request.index);
            self.send_attempt(request.index);
        }
    }

    #[inline(always)]
    pub(in crate::model) fn close_request(&mut self, index: u32) {
        let Request { actor, sent, .. } = self.requests[index];
        self.requests[index].client = NONE;
        self.open_requests -= 1;
        self.requests[index].tried = None;
        self.requests.remove(index);
        if actor != NONE {
            self.actor_goes_on(actor, sent);
        }
    }

    /// A session thinks before its next request, or is over. Whoever was turned away in no time and does not think would send
    /// for ever at the same instant; it waits for a moment.
    #[inline(never)]
    pub(in crate::model) fn actor_goes_on(&mut self, index: u32, sent: Time) {
        let topology = self.topology.clone();
        let actor = &mut self.actors[index];
        let plan = &topology.clients[actor.client as usize];
        let think = match (&plan.session, &plan.arrivals) {
            (Some(session), _) => {
                actor.left -= 1;
                if actor.left == 0 {
                    return self.end_session(index);
                }
                &session.think
            }
            (None, ArrivalPlan::Closed { think, .. }) => think,
            (None, _) => unreachable!("only sessions and closed loops have actors"),
        };
        let at = self.calendar.now() + think.sample(&mut actor.rng);
        let at = if at == sent { at + ACTOR_PAUSE } else { at };
        self.calendar.schedule(at, Event::ActorSends { actor: index });
    }

    pub(in crate::model) fn end_session(&mut self, index: u32) {
        self.tell_session_latency(index);
        let actor = &self.actors[index];
        if !self.clients[actor.client as usize].users_return() {
            let (client, id) = (actor.client, actor.id);
            if self.connections.are_kept() {
                self.close_connections_of_user(id);
            }
            for balancer in &mut self.balancers {
                if let Some(sticky) = &mut balancer.sticky {
                    sticky.forget(id);
                }
                match balancer.finder.as_deref_mut() {
                    Some(Finder::Rules(rules)) => rules.forget(id),
                    Some(Finder::Name(name)) => name.forget(client, id),
                    None => {}
                }
            }
        }
        self.actors.remove(index);
    }

    /// A session whose user does not come back is a user by itself.
    pub(in crate::model) fn tell_session_latency(&mut self, index: u32) {
        let actor = &mut self.actors[index];
        let sum = std::mem::take(&mut actor.sum);
        if !self.clients[actor.client as usize].users_return()
            && let Some(mean) = sum.mean()
        {
            self.recorder.users.record(mean);
        }
    }

    pub(in crate::model) fn is_at_server(&self, attempt: u32) -> bool {
        let Attempt { phase, server, .. } = self.attempts[attempt];
        // What was lost on its way has been at no server.
        matches!(phase, Phase::ToServer | Phase::Queued | Phase::InService | Phase::Lost | Phase::Unconnected) && server != NONE
    }

    /// Nobody waits any more at hop `outer` and outside it: the balancers from there on close their connections; the server
    /// works on unless it cancels.
    pub(in crate::model) fn abandon(&mut self, attempt: u32, outer: usize) {
        self.abandon_unheard(attempt, outer, outer);
    }

    /// The same; only balancers from hop `gone` on see their client go.
    fn abandon_unheard(&mut self, attempt: u32, outer: usize, gone: usize) {
        let first = self.hop_place(attempt, 0);
        let inner = first + usize::from(self.attempts[attempt].depth);
        if !self.recorder.statuses.is_empty() {
            self.count_gone(attempt, gone);
        }
        while usize::from(self.attempts[attempt].open_hops) > outer {
            let hop = self.hops[first + usize::from(self.attempts[attempt].open_hops) - 1];
            self.close_hop(attempt, hop, false);
        }
        if self.connections.are_kept() {
            self.give_up_seats(attempt, outer);
        }
        self.leave_server(attempt);
        for place in first + outer..=inner {
            self.dispatch_waiting(self.hops[place].balancer);
        }
    }

    /// The balancers from hop `outer` on that had a request hear that its client is gone.
    fn count_gone(&mut self, attempt: u32, outer: usize) {
        let Attempt { open_hops, depth, .. } = self.attempts[attempt];
        for at in outer as u8..=depth {
            let balancer = self.hops[self.hop_place(attempt, at)].balancer;
            if at < open_hops || self.balancers[balancer as usize].line.holds(self.attempts.at(attempt)) {
                self.count_status(attempt, balancer, Status::GONE);
            }
        }
    }

    /// An attempt that nobody waits for leaves the server, or stays as work for nothing.
    pub(in crate::model) fn leave_server(&mut self, attempt: u32) {
        let now = self.now();
        let Attempt { phase, server, .. } = self.attempts[attempt];
        let cancels = server != NONE && self.topology.servers[server as usize].cancels_abandoned;
        match phase {
            Phase::ToServer | Phase::Queued | Phase::InService if !cancels => self.attempts[attempt].is_abandoned = true,
            Phase::Queued => {
                self.servers[server as usize].leaves_line(now);
                self.attempts.retire(attempt);
                self.attempts[attempt].phase = Phase::Cancelled;
                self.rests(server);
            }
            Phase::InService if self.servers[server as usize].is_shared => {
                self.servers[server as usize].cancel_shared(attempt, now);
                self.free_attempt(attempt);
                self.schedule_sharing(server);
                self.rests(server);
            }
            Phase::InService => {
                self.free_attempt(attempt);
                self.servers[server as usize].release(now);
                self.start_waiting(server);
                self.rests(server);
            }
            _ => self.free_attempt(attempt),
        }
    }

    /// A balancer gives up on its target. What the target holds becomes abandoned; the request goes on in a slot of its own.
    pub(in crate::model) fn balancer_times_out(&mut self, request: Ref, token: u32, is_connect: bool) {
        if !self.requests.is_current(request) || self.requests[request.index].attempt == NONE {
            return;
        }
        let index = self.requests[request.index].attempt;
        let first = self.hop_place(index, 0);
        let open = usize::from(self.attempts[index].open_hops);
        let Some(depth) = (0..open).find(|depth| self.hops[first + depth].token == token) else { return };
        if is_connect && self.attempts[index].phase != Phase::Unconnected {
            return; // The connection was made after all.
        }
        let balancer = &self.balancers[self.hops[first + depth].balancer as usize];
        if balancer.is_l4 {
            if let Some((timeout, lane)) = balancer.timeout.filter(|_| self.is_flow_unanswered(index)) {
                // A first packet that is sent again makes the flow anew.
                let at = self.calendar.now() + timeout;
                return self.calendar.schedule_in(lane, at, Event::BalancerTimeout { request, token, is_connect });
            }
            return self.flow_is_forgotten(index, depth);
        }
        let failure = if is_connect { Failure::ConnectFailure } else { Failure::Timeout };
        let strike = self.blame_attempt(index);
        if self.requests[request.index].is_counted && self.is_at_server(index) {
            self.recorder.attempts.fail(failure);
        }
        let fresh = self.cut_off(index, depth + 1, depth + 1, depth + 1);
        let given_up = &mut self.attempts[fresh];
        (given_up.failure, given_up.strike) = (Some(failure), strike);
        given_up.mark = if is_connect { mark::CONNECT_TIMEOUT } else { mark::NONE };
        let hop = self.hop(fresh);
        self.close_hop(fresh, hop, false);
        self.pass_on(fresh, hop, false);
    }

    /// What is inside the first `hops` hops of an attempt, and its connections from `seats` on, become abandoned; its request goes on in the
    /// slot that is returned.
    pub(in crate::model) fn cut_off(&mut self, index: u32, hops: usize, seats: usize, gone: usize) -> u32 {
        let Attempt { request, server, work, .. } = self.attempts[index];
        let (depth, open_hops) = (hops.saturating_sub(1) as u8, hops as u8);
        let fresh = self.new_attempt(Attempt { depth, open_hops, server, ..Attempt::new(request, work) });
        let (first, place) = (self.hop_place(index, 0), self.hop_place(fresh, 0));
        self.hops.copy_within(first..first + self.depth_max, place);
        if self.connections.are_kept() {
            self.connections.make_room(self.attempts.capacity());
            self.connections.move_seats(index, fresh, seats);
        }
        self.requests[request].attempt = fresh;
        self.abandon_unheard(index, hops, gone);
        fresh
    }
}
