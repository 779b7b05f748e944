//! The life of a request, in its order: arrive, route, serve, answer, give up, try again.

use super::attempt::{Attempt, Hop, Phase, Request};
use super::client::{Draw, NONE};
use super::event::{Event, Ref};
use super::plan::{ArrivalPlan, TargetRef};
use super::server::Admission;
use super::sticky::{Holder, NOBODY};
use super::world::World;
use crate::measure::affinity::Answer;
use crate::measure::recorder::{Answered, Served};
use crate::policy::{self, Outcome, Pick, TargetId};
use crate::rng;
use crate::scenario::Failure;
use crate::units::{Span, Time};

/// Pause of a user whose request took no time at all and who does not think: a loop around a refused connection.
const INSTANT_RETRY_PAUSE: Span = Span::from_millis(1);

impl World {
    /// Calls a handler with an attempt unless the event is stale.
    #[inline]
    pub(super) fn if_current(&mut self, attempt: Ref, handler: impl FnOnce(&mut World, u32)) {
        if self.attempts.is_current(attempt) {
            handler(self, attempt.index);
        }
    }

    // ---- Clients send -------------------------------------------------------------------------------------------------

    pub(super) fn begin_clients(&mut self) {
        for client in 0..self.clients.len() as u32 {
            if let ArrivalPlan::Closed { users, think } = &self.topology.clone().clients[client as usize].arrivals {
                for user in 0..*users {
                    let mut actor = self.clients[client as usize].closed_user(client, user);
                    let at = Time::ZERO + think.sample(&mut actor.rng);
                    let actor = self.actors.insert(actor);
                    self.calendar.schedule(at, Event::ActorSends { actor });
                }
            }
            self.schedule_arrival(client);
        }
    }

    #[inline(always)]
    fn schedule_arrival(&mut self, index: u32) {
        let client = &mut self.clients[index as usize];
        if let Some(at) = client.next_arrival(self.plan.duration) {
            self.calendar.schedule_in(client.arrival_lane, at, Event::Arrive { client: index });
        }
    }

    #[inline(always)]
    pub(super) fn arrive(&mut self, index: u32) {
        let plan = &self.topology.clients[index as usize];
        let client = &mut self.clients[index as usize];
        if let Some(session) = &plan.session {
            let actor = client.begin_session(index, session);
            let actor = self.actors.insert(actor);
            self.actor_sends(actor);
        } else {
            let classes = &self.topology.classes;
            let draw = client.draw(&plan.classes, |class| classes[class as usize].path);
            self.send_request(index, NONE, draw);
        }
        self.schedule_arrival(index);
    }

    pub(super) fn actor_sends(&mut self, index: u32) {
        let actor = &mut self.actors[index];
        let client = actor.client;
        let classes = &self.topology.classes;
        let choices = &self.topology.clients[client as usize].classes;
        let draw = self.clients[client as usize].draw_for(actor, choices, |class| classes[class as usize].path);
        self.send_request(client, index, draw);
    }

    #[inline(always)]
    fn send_request(&mut self, client: u32, actor: u32, draw: Draw) {
        let now = self.now();
        let is_counted = now >= self.plan.warmup;
        self.recorder.request_sent(is_counted);
        self.open_requests += 1;
        if let Some(retries) = &mut self.clients[client as usize].retries {
            retries.first_try(now);
        }
        let request = self.requests.insert(Request {
            client,
            class: draw.class,
            path: draw.path,
            user: draw.user,
            actor,
            attempt: NONE,
            retries: 0,
            work: draw.work,
            sent: now,
            is_counted,
            tried: None,
        });
        self.send_attempt(request);
    }

    #[inline(always)]
    fn send_attempt(&mut self, request: u32) {
        let client = self.requests[request].client as usize;
        let attempt = self.new_attempt(Attempt::new(request, self.requests[request].work));
        self.requests[request].attempt = attempt;
        if let Some((timeout, lane)) = self.clients[client].timeout {
            let event = Event::ClientTimeout(self.requests.at(request));
            self.calendar.schedule_in(lane, self.calendar.now() + timeout, event);
        }
        let attempts = &self.attempts;
        if !self.clients[client].link.carry(|| Event::AtBalancer(attempts.at(attempt)), &mut self.calendar) {
            self.at_balancer(attempt);
        }
    }

    #[inline(always)]
    pub(super) fn new_attempt(&mut self, attempt: Attempt) -> u32 {
        let index = self.attempts.insert(attempt);
        let places = self.attempts.capacity() as usize * self.topology.depth_max;
        if self.hops.len() < places {
            self.hops.resize(places, Hop::new(0));
        }
        index
    }

    #[inline(always)]
    pub(super) fn free_attempt(&mut self, attempt: u32) {
        self.attempts[attempt].phase = Phase::Free;
        self.attempts.remove(attempt);
    }

    // ---- Balancers route ----------------------------------------------------------------------------------------------

    #[inline(always)]
    fn hop_place(&self, attempt: u32, depth: u8) -> usize {
        attempt as usize * self.topology.depth_max + usize::from(depth)
    }

    #[inline(always)]
    fn hop(&self, attempt: u32) -> Hop {
        self.hops[self.hop_place(attempt, self.attempts[attempt].depth)]
    }

    #[inline(always)]
    pub(super) fn at_balancer(&mut self, attempt: u32) {
        let depth = self.attempts[attempt].depth;
        let place = self.hop_place(attempt, depth);
        let balancer = match depth {
            0 => self.topology.entry,
            _ => {
                let outer = self.hops[place - 1];
                match self.balancers[outer.balancer as usize].to[outer.target as usize] {
                    TargetRef::Balancer(inner) => inner,
                    TargetRef::Server(_) => unreachable!("a deeper hop follows a balancer only"),
                }
            }
        };
        self.begin_hop(attempt, balancer);
        let now = self.now();
        if let Some(retries) = &mut self.balancers[balancer as usize].retries {
            retries.first_try(now);
        }
        self.route(attempt);
    }

    #[inline(always)]
    pub(super) fn begin_hop(&mut self, attempt: u32, balancer: u32) {
        let place = self.hop_place(attempt, self.attempts[attempt].depth);
        self.hops[place] = Hop::new(balancer);
    }

    /// Who sends a request, as balancers tell users apart.
    #[inline(never)]
    fn holder(&self, request: &Request) -> (Holder, u64) {
        let client = &self.clients[request.client as usize];
        let address = client.address(request.user);
        let user_id = client.user_id(request.user);
        if request.actor == NONE {
            return (Holder { user: client.users_return().then_some(user_id), address }, user_id);
        }
        let session = self.actors[request.actor].id;
        let cookie = if client.users_return() { user_id } else { session };
        (Holder { user: Some(cookie), address }, session)
    }

    #[inline(always)]
    pub(super) fn route(&mut self, attempt: u32) {
        let now = self.now();
        let place = self.hop_place(attempt, self.attempts[attempt].depth);
        let balancer = self.hops[place].balancer;
        let request = &self.requests[self.attempts[attempt].request];
        let router = &self.balancers[balancer as usize];
        let (holder, session) = if router.reads_request { self.holder(request) } else { (NOBODY, 0) };
        let path = if router.reads_request { &self.topology.paths[request.path as usize] } else { "" };
        let seen = policy::Request { now, address: holder.address, session, path };
        match self.balancers[balancer as usize].choose(&seen, holder, request.tried()) {
            Pick::Target(target) => self.send_to_target(attempt, balancer, target),
            Pick::Wait => {
                let hop = &mut self.hops[place];
                hop.waits_since = hop.waits_since.min(now);
                let waiting = self.attempts.at(attempt);
                self.balancers[balancer as usize].waiting.push_back(waiting);
            }
            Pick::Nobody => {
                self.attempts[attempt].strike = self.blame_balancer(balancer);
                self.attempts[attempt].failure = Some(Failure::NoServer);
                self.leave_balancer(attempt);
            }
        }
    }

    #[inline(always)]
    fn send_to_target(&mut self, attempt: u32, balancer: u32, target: TargetId) {
        let now = self.now();
        let place = self.hop_place(attempt, self.attempts[attempt].depth);
        self.balancers[balancer as usize].sent(target);
        self.last_token = self.last_token.wrapping_add(1);
        let hop = &mut self.hops[place];
        hop.target = target;
        hop.sent = now;
        hop.token = self.last_token;
        self.attempts[attempt].open_hops += 1;
        if let Some((timeout, lane)) = self.balancers[balancer as usize].timeout {
            let request = self.requests.at(self.attempts[attempt].request);
            let event = Event::BalancerTimeout { request, token: self.last_token, is_connect: false };
            self.calendar.schedule_in(lane, now + timeout, event);
        }
        let attempts = &mut self.attempts;
        match self.balancers[balancer as usize].to[target as usize] {
            TargetRef::Balancer(inner) => {
                attempts[attempt].depth += 1;
                if !self.balancers[inner as usize].link.carry(|| Event::AtBalancer(attempts.at(attempt)), &mut self.calendar) {
                    self.at_balancer(attempt);
                }
            }
            TargetRef::Server(server) => {
                attempts[attempt].server = server;
                attempts[attempt].phase = Phase::ToServer;
                let is_counted = self.requests[attempts[attempt].request].is_counted;
                self.recorder.attempt_sent(server, is_counted);
                if !self.server_links[server as usize].carry(|| Event::AtServer(attempts.at(attempt)), &mut self.calendar) {
                    self.at_server(attempt);
                }
            }
        }
    }

    /// Sends on what waits in a balancer as far as there is room. Not recursive: a target that refuses at once ends here too.
    #[inline(never)]
    fn dispatch_waiting(&mut self, balancer: u32) {
        let index = balancer as usize;
        if self.balancers[index].waiting.is_empty() || std::mem::replace(&mut self.balancers[index].is_dispatching, true) {
            return;
        }
        while let Some(waiting) = self.balancers[index].waiting.pop_front() {
            if !self.attempts.is_current(waiting) {
                continue;
            }
            let before = self.balancers[index].waiting.len();
            self.route(waiting.index);
            if self.balancers[index].waiting.len() > before {
                // It waits again, behind the others now: back to the front, until something else ends.
                if let Some(again) = self.balancers[index].waiting.pop_back() {
                    self.balancers[index].waiting.push_front(again);
                }
                break;
            }
        }
        self.balancers[index].is_dispatching = false;
    }

    // ---- Servers work -------------------------------------------------------------------------------------------------

    #[inline(always)]
    pub(super) fn at_server(&mut self, attempt: u32) {
        let now = self.now();
        let index = self.attempts[attempt].server;
        if self.servers[index as usize].is_troubled && self.meets_trouble(attempt) {
            return;
        }
        let entered = self.hops[self.hop_place(attempt, self.attempts[attempt].depth)].waits_since.min(now);
        let server = &mut self.servers[index as usize];
        let joined = &mut self.attempts[attempt];
        joined.entered = entered;
        joined.duration = server.duration(joined.work);
        joined.phase = Phase::InService;
        match server.admit(attempt, joined.duration, now) {
            Admission::Starts if server.is_shared => self.schedule_sharing(index),
            Admission::Starts => {
                let at = now + joined.duration;
                self.calendar.schedule(at, Event::Finished(self.attempts.at(attempt)));
            }
            Admission::Waits => {
                joined.phase = Phase::Queued;
                joined.next = NONE;
                let last = std::mem::replace(&mut server.tail, attempt);
                if last == NONE {
                    server.head = attempt;
                } else {
                    self.attempts[last].next = attempt;
                }
            }
            Admission::Refused => self.answer_failure(attempt, Failure::Refused, self.blame_server(index)),
        }
    }

    /// Whether a fault keeps the attempt from the server's queue.
    #[inline(never)]
    fn meets_trouble(&mut self, attempt: u32) -> bool {
        if !self.servers[self.attempts[attempt].server as usize].is_up() {
            self.meets_fault(attempt);
            return true;
        }
        self.draws_error(attempt)
    }

    /// The server cannot be talked to.
    #[inline(never)]
    fn meets_fault(&mut self, attempt: u32) {
        let server = self.attempts[attempt].server;
        let strike = self.blame_server(server);
        if self.servers[server as usize].rare.blackholes == 0 && self.servers[server as usize].rare.crashes > 0 {
            return self.answer_failure(attempt, Failure::ConnectFailure, strike);
        }
        let Attempt { check, is_abandoned, .. } = self.attempts[attempt];
        if self.servers[server as usize].rare.blackholes > 0 && check == NONE && !is_abandoned {
            let hop = self.hop(attempt);
            if let Some(timeout) = self.balancers[hop.balancer as usize].connect_timeout {
                let request = self.requests.at(self.attempts[attempt].request);
                let event = Event::BalancerTimeout { request, token: hop.token, is_connect: true };
                self.calendar.schedule((hop.sent + timeout).max(self.now()), event);
            }
        }
        self.lose(attempt, strike);
    }

    /// Nothing will come back. An abandoned attempt has nobody left to wonder.
    #[inline(never)]
    pub(super) fn lose(&mut self, attempt: u32, strike: u32) {
        if self.attempts[attempt].is_abandoned {
            return self.free_attempt(attempt);
        }
        self.attempts[attempt].phase = Phase::Lost;
        self.attempts[attempt].strike = strike;
    }

    /// Whether an error fault answers this one at once; one that fails after the work is marked.
    #[inline(never)]
    fn draws_error(&mut self, attempt: u32) -> bool {
        let server = self.attempts[attempt].server as usize;
        for fault in 0..self.servers[server].rare.errors.len() {
            let (strike, share, at_once) = self.servers[server].rare.errors[fault];
            if rng::unit(&mut self.server_errors[server]) < share {
                if at_once {
                    self.answer_failure(attempt, Failure::ServerError, strike);
                    return true;
                }
                self.attempts[attempt].will_fail = true;
                self.attempts[attempt].strike = strike;
            }
        }
        false
    }

    pub(super) fn schedule_sharing(&mut self, server: u32) {
        if let Some((at, generation)) = self.servers[server as usize].next_shared(self.calendar.now()) {
            self.calendar.schedule(at, Event::ShareFinished { server, generation });
        }
    }

    #[inline(always)]
    pub(super) fn finished(&mut self, attempt: u32) {
        let now = self.now();
        let server = self.attempts[attempt].server;
        self.servers[server as usize].release(now);
        self.start_waiting(server);
        self.served(attempt);
    }

    /// Fills free slots from the line.
    #[inline(always)]
    fn start_waiting(&mut self, index: u32) {
        let now = self.now();
        loop {
            let server = &mut self.servers[index as usize];
            let first = server.head;
            if first == NONE || !server.has_free_slot() {
                return;
            }
            let started = &mut self.attempts[first];
            server.head = started.next;
            if server.head == NONE {
                server.tail = NONE;
            }
            if started.phase == Phase::Cancelled {
                self.free_attempt(first);
                continue;
            }
            server.starts_waiting();
            started.duration = server.duration(started.work);
            started.phase = Phase::InService;
            let at = now + started.duration;
            self.calendar.schedule(at, Event::Finished(self.attempts.at(first)));
        }
    }

    pub(super) fn share_finished(&mut self, server: u32, generation: u32) {
        let now = self.now();
        if self.servers[server as usize].rare.sharing.generation != generation {
            return;
        }
        if let Some(attempt) = self.servers[server as usize].finish_shared(now) {
            self.schedule_sharing(server);
            self.served(attempt);
        }
    }

    /// The work is done.
    #[inline(always)]
    fn served(&mut self, attempt: u32) {
        let now = self.now();
        let done = &mut self.attempts[attempt];
        let server = done.server;
        if done.check != NONE {
            return self.check_served(attempt);
        }
        if done.is_abandoned {
            return self.free_attempt(attempt);
        }
        let state = &self.servers[server as usize];
        if state.is_troubled && state.rare.blackholes > 0 {
            return self.lose(attempt, self.blame_server(server));
        }
        if done.will_fail {
            let strike = done.strike;
            return self.answer_failure(attempt, Failure::ServerError, strike);
        }
        let request = &self.requests[done.request];
        if request.is_counted {
            let response = now - done.entered;
            let waiting = Span(response.0.saturating_sub(done.duration.0));
            self.recorder.attempt_served(Served { class: request.class, server, response, waiting });
        }
        self.answer(attempt);
    }

    // ---- Answers return -----------------------------------------------------------------------------------------------

    #[inline(never)]
    pub(super) fn answer_failure(&mut self, attempt: u32, failure: Failure, strike: u32) {
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
        self.answer(attempt);
    }

    #[inline(always)]
    fn answer(&mut self, attempt: u32) {
        let server = self.attempts[attempt].server as usize;
        self.attempts[attempt].phase = Phase::Returning;
        let attempts = &self.attempts;
        if !self.server_links[server].carry(|| Event::ResultAtBalancer(attempts.at(attempt)), &mut self.calendar) {
            self.result_at_balancer(attempt);
        }
    }

    #[inline(always)]
    pub(super) fn result_at_balancer(&mut self, attempt: u32) {
        let hop = self.hop(attempt);
        self.close_hop(attempt, hop, true);
        self.pass_on(attempt, hop);
    }

    /// The result of an attempt goes on from a balancer that no longer counts it.
    #[inline(always)]
    fn pass_on(&mut self, attempt: u32, hop: Hop) {
        let balancer = &self.balancers[hop.balancer as usize];
        if balancer.sticky.is_some() && self.attempts[attempt].failure.is_none() {
            self.remember(attempt, hop);
        }
        let is_awaited = !self.balancers[hop.balancer as usize].waiting.is_empty();
        self.leave_balancer(attempt);
        if is_awaited {
            // Whoever waits is served after the result, at the same instant.
            self.dispatch_waiting(hop.balancer);
        }
    }

    /// The balancer no longer counts the attempt at this hop. `is_heard_from`: the target said something, if only that the
    /// connection failed.
    #[inline(always)]
    fn close_hop(&mut self, attempt: u32, hop: Hop, is_heard_from: bool) {
        let now = self.now();
        let failure = self.attempts[attempt].failure;
        let balancer = &mut self.balancers[hop.balancer as usize];
        // An inner balancer answers for a server that does not.
        let is_broken = matches!(failure, Some(Failure::ConnectFailure | Failure::Reset));
        let is_answered = is_heard_from && !(is_broken && matches!(balancer.to[hop.target as usize], TargetRef::Server(_)));
        let outcome = Outcome { now, latency: now - hop.sent, is_answered, is_ok: is_heard_from && failure.is_none() };
        balancer.done(hop.target, &outcome);
        self.attempts[attempt].open_hops -= 1;
    }

    #[inline(never)]
    fn remember(&mut self, attempt: u32, hop: Hop) {
        let now = self.now();
        let (holder, _) = self.holder(&self.requests[self.attempts[attempt].request]);
        if let Some(sticky) = &mut self.balancers[hop.balancer as usize].sticky {
            sticky.answered(holder, hop.target, now);
        }
    }

    /// The result goes up, unless this balancer tries again.
    #[inline(always)]
    fn leave_balancer(&mut self, attempt: u32) {
        if let Some(failure) = self.attempts[attempt].failure
            && self.balancer_retries(attempt, failure)
        {
            return;
        }
        let hop = self.hop(attempt);
        let leaving = &mut self.attempts[attempt];
        leaving.phase = Phase::Returning;
        let attempts = &mut self.attempts;
        if attempts[attempt].depth > 0 {
            attempts[attempt].depth -= 1;
            let link = &mut self.balancers[hop.balancer as usize].link;
            if !link.carry(|| Event::ResultAtBalancer(attempts.at(attempt)), &mut self.calendar) {
                self.result_at_balancer(attempt);
            }
        } else {
            let client = self.requests[attempts[attempt].request].client as usize;
            let link = &mut self.clients[client].link;
            if !link.carry(|| Event::ResultAtClient(attempts.at(attempt)), &mut self.calendar) {
                self.result_at_client(attempt);
            }
        }
    }

    #[inline(never)]
    fn balancer_retries(&mut self, attempt: u32, failure: Failure) -> bool {
        let now = self.now();
        let place = self.hop_place(attempt, self.attempts[attempt].depth);
        let hop = self.hops[place];
        let Some(retries) = &mut self.balancers[hop.balancer as usize].retries else { return false };
        let Some(wait) = retries.wait(failure, hop.retries, now) else { return false };
        if retries.is_to_other() {
            self.remember_tried(attempt);
        }
        self.hops[place].retries += 1;
        self.count_retry(self.attempts[attempt].request);
        let again = &mut self.attempts[attempt];
        again.phase = Phase::AtBalancer;
        again.failure = None;
        again.will_fail = false;
        again.strike = NONE;
        again.server = NONE;
        self.attempts.retire(attempt);
        self.calendar.schedule(now + wait, Event::BalancerRetry(self.attempts.at(attempt)));
        true
    }

    fn remember_tried(&mut self, attempt: u32) {
        let Attempt { server, request, .. } = self.attempts[attempt];
        let tried = self.requests[request].tried.get_or_insert_default();
        if server != NONE && !tried.contains(&server) {
            tried.push(server);
        }
    }

    fn count_retry(&mut self, request: u32) {
        self.recorder.retried += u64::from(self.requests[request].is_counted);
    }

    #[inline(always)]
    pub(super) fn result_at_client(&mut self, attempt: u32) {
        let Attempt { request, server, failure, strike, .. } = self.attempts[attempt];
        match failure {
            None => {
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
    fn request_answered(&mut self, index: u32, server: u32) {
        let now = self.now();
        let request = &self.requests[index];
        let (client, actor, is_counted) = (request.client, request.actor, request.is_counted);
        let latency = now - request.sent;
        let user = self.user_place(request.client, request.user);
        let answered = Answered { class: request.class, latency, is_counted, user };
        self.recorder.request_answered(answered, now);
        if actor != NONE || user.is_some() {
            self.count_visit(client, actor, user, server, is_counted);
        }
        if actor != NONE && is_counted {
            self.actors[actor].sum.add(latency);
        }
        self.close_request(index);
    }

    /// Place of a user among all that can come back.
    #[inline(always)]
    fn user_place(&self, client: u32, user: u32) -> Option<u32> {
        let client = &self.clients[client as usize];
        client.users_return().then(|| client.first_user + user)
    }

    /// Affinity is a matter of sessions where there are some, else of users.
    #[inline(never)]
    fn count_visit(&mut self, client: u32, actor: u32, user: Option<u32>, server: u32, is_counted: bool) {
        let answer = Answer { server, incarnation: self.servers[server as usize].rare.incarnation, is_counted };
        let is_session = self.topology.clients[client as usize].session.is_some();
        let mut visits = match user {
            Some(user) if !is_session => self.visits[user as usize],
            _ => self.actors[actor].visits,
        };
        let last = visits.last().filter(|last| *last != server).map(|last| self.is_gone(last));
        visits.answer(answer, last, &mut self.recorder.affinity);
        match user {
            Some(user) if !is_session => self.visits[user as usize] = visits,
            _ => self.actors[actor].visits = visits,
        }
    }

    // ---- Clients give up or try again ---------------------------------------------------------------------------------

    pub(super) fn client_times_out(&mut self, timed_out: Ref) {
        if !self.requests.is_current(timed_out) {
            return;
        }
        let request = timed_out.index;
        let attempt = self.requests[request].attempt;
        let strike = self.blame_attempt(attempt);
        if self.requests[request].is_counted && self.is_at_server(attempt) {
            self.recorder.attempts.fail(Failure::Timeout);
        }
        self.keep_tried_for_client(attempt);
        self.abandon(attempt, 0);
        self.attempt_failed(request, Failure::Timeout, strike);
    }

    fn keep_tried_for_client(&mut self, attempt: u32) {
        let client = self.requests[self.attempts[attempt].request].client as usize;
        if self.clients[client].retries.as_ref().is_some_and(|retries| retries.is_to_other()) {
            self.remember_tried(attempt);
        }
    }

    /// One try of the client has failed: the next one, or the end.
    #[inline(never)]
    fn attempt_failed(&mut self, index: u32, failure: Failure, strike: u32) {
        let now = self.now();
        let request = &mut self.requests[index];
        request.attempt = NONE;
        let retries = self.clients[request.client as usize].retries.as_mut();
        let to_other = retries.as_ref().is_some_and(|retries| retries.is_to_other());
        let Some(wait) = retries.and_then(|retries| retries.wait(failure, request.retries, now)) else {
            let (sent, is_counted) = (request.sent, request.is_counted);
            self.recorder.request_failed(failure, (strike != NONE).then_some(strike), sent, is_counted);
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

    pub(super) fn client_retries(&mut self, request: Ref) {
        if self.requests.is_current(request) {
            self.send_attempt(request.index);
        }
    }

    #[inline(always)]
    fn close_request(&mut self, index: u32) {
        let Request { actor, sent, .. } = self.requests[index];
        self.requests[index].client = NONE;
        self.open_requests -= 1;
        self.requests[index].tried = None;
        self.requests.remove(index);
        if actor != NONE {
            self.actor_goes_on(actor, sent);
        }
    }

    /// A session thinks before its next request, or is over. `sent`: when the request was sent that is over now.
    #[inline(never)]
    fn actor_goes_on(&mut self, index: u32, sent: Time) {
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
        let now = self.calendar.now();
        let mut at = now + think.sample(&mut actor.rng);
        if at == sent {
            // Refused at once and without a thought: without a pause time would stand still.
            at += INSTANT_RETRY_PAUSE;
        }
        self.calendar.schedule(at, Event::ActorSends { actor: index });
    }

    fn end_session(&mut self, index: u32) {
        self.tell_session_latency(index);
        let actor = &self.actors[index];
        if !self.clients[actor.client as usize].users_return() {
            let id = actor.id;
            for balancer in &mut self.balancers {
                if let Some(sticky) = &mut balancer.sticky {
                    sticky.forget(id);
                }
            }
        }
        self.actors.remove(index);
    }

    /// A session whose user does not come back is a user by itself.
    pub(super) fn tell_session_latency(&mut self, index: u32) {
        let actor = &mut self.actors[index];
        let sum = std::mem::take(&mut actor.sum);
        if !self.clients[actor.client as usize].users_return()
            && let Some(mean) = sum.mean()
        {
            self.recorder.users.record(mean);
        }
    }

    fn is_at_server(&self, attempt: u32) -> bool {
        matches!(self.attempts[attempt].phase, Phase::ToServer | Phase::Queued | Phase::InService | Phase::Lost)
    }

    /// Nobody waits any more at hop `outer` and outside it: the balancers from there on close their connections; the server
    /// works on unless it cancels.
    fn abandon(&mut self, attempt: u32, outer: usize) {
        let first = self.hop_place(attempt, 0);
        let inner = first + usize::from(self.attempts[attempt].depth);
        while usize::from(self.attempts[attempt].open_hops) > outer {
            let hop = self.hops[first + usize::from(self.attempts[attempt].open_hops) - 1];
            self.close_hop(attempt, hop, false);
        }
        self.leave_server(attempt);
        for place in first + outer..=inner {
            self.dispatch_waiting(self.hops[place].balancer);
        }
    }

    /// An attempt that nobody waits for leaves the server, or stays as work for nothing.
    fn leave_server(&mut self, attempt: u32) {
        let now = self.now();
        let Attempt { phase, server, .. } = self.attempts[attempt];
        let cancels = server != NONE && self.topology.servers[server as usize].cancels_abandoned;
        match phase {
            Phase::ToServer | Phase::Queued | Phase::InService if !cancels => self.attempts[attempt].is_abandoned = true,
            Phase::Queued => {
                self.servers[server as usize].leaves_line(now);
                self.attempts.retire(attempt);
                self.attempts[attempt].phase = Phase::Cancelled;
            }
            Phase::InService if self.servers[server as usize].is_shared => {
                self.servers[server as usize].cancel_shared(attempt, now);
                self.free_attempt(attempt);
                self.schedule_sharing(server);
            }
            Phase::InService => {
                self.free_attempt(attempt);
                self.servers[server as usize].release(now);
                self.start_waiting(server);
            }
            _ => self.free_attempt(attempt),
        }
    }

    /// A balancer gives up on its target. What the target holds becomes abandoned; the request goes on in a slot of its own.
    pub(super) fn balancer_times_out(&mut self, request: Ref, token: u32, is_connect: bool) {
        if !self.requests.is_current(request) || self.requests[request.index].attempt == NONE {
            return;
        }
        let index = self.requests[request.index].attempt;
        let first = self.hop_place(index, 0);
        let open = usize::from(self.attempts[index].open_hops);
        let Some(depth) = (0..open).find(|depth| self.hops[first + depth].token == token) else { return };
        let failure = if is_connect { Failure::ConnectFailure } else { Failure::Timeout };
        let strike = self.blame_attempt(index);
        if self.requests[request.index].is_counted && self.is_at_server(index) {
            self.recorder.attempts.fail(failure);
        }
        let left = &self.attempts[index];
        let fresh = Attempt {
            failure: Some(failure),
            strike,
            depth: depth as u8,
            open_hops: depth as u8 + 1,
            server: left.server,
            ..Attempt::new(request.index, left.work)
        };
        let fresh = self.new_attempt(fresh);
        let place = self.hop_place(fresh, 0);
        self.hops.copy_within(first..first + self.topology.depth_max, place);
        self.requests[request.index].attempt = fresh;
        self.abandon(index, depth + 1);
        let hop = self.hop(fresh);
        self.close_hop(fresh, hop, false);
        self.pass_on(fresh, hop);
    }
}
