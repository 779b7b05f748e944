//! Servers work: what arrives starts, waits, is refused or meets a fault, and is done.

use super::send::free_attempt;
use crate::measure::recorder::Served;
use crate::model::attempt::{Attempt, Phase};
use crate::model::client::NONE;
use crate::model::event::Event;
use crate::model::server::{Admission, Presence};
use crate::model::world::World;
use crate::rng;
use crate::scenario::Failure;
use crate::units::Span;

impl World {
    #[inline(always)]
    pub(in crate::model) fn at_server(&mut self, attempt: u32) {
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
                self.calendar.schedule(at, Event::Finished { attempt: self.attempts.at(attempt), server: index });
            }
            Admission::Waits => self.join_line(attempt, index),
            Admission::Refused => self.answer_failure(attempt, Failure::Refused, self.blame_server(index)),
        }
    }

    /// Puts an attempt at the end of a server's line.
    #[inline(always)]
    pub(in crate::model) fn join_line(&mut self, attempt: u32, server: u32) {
        let joined = &mut self.attempts[attempt];
        joined.phase = Phase::Queued;
        joined.next = NONE;
        if let Some(before) = self.servers[server as usize].lengthen_line(attempt) {
            self.attempts[before].next = attempt;
        }
    }

    /// Whether a fault keeps the attempt from the server's queue.
    #[inline(never)]
    pub(in crate::model) fn meets_trouble(&mut self, attempt: u32) -> bool {
        let server = &self.servers[self.attempts[attempt].server as usize];
        if server.rare.changes_address && self.meets_old_address(attempt) {
            return true;
        }
        if !self.servers[self.attempts[attempt].server as usize].is_up() {
            self.meets_fault(attempt);
            return true;
        }
        // A health check has drawn before it joined the queue.
        self.attempts[attempt].check == NONE && self.draws_error(attempt)
    }

    /// The server cannot be talked to.
    #[inline(never)]
    pub(in crate::model) fn meets_fault(&mut self, attempt: u32) {
        let server = self.attempts[attempt].server;
        let strike = self.blame_server(server);
        let state = &self.servers[server as usize].rare;
        if state.blackholes == 0 && (state.crashes > 0 || state.presence != Presence::Serving) {
            return self.answer_failure(attempt, Failure::ConnectFailure, strike);
        }
        let Attempt { check, is_abandoned, .. } = self.attempts[attempt];
        self.lose(attempt, strike);
        if self.servers[server as usize].rare.blackholes > 0 && check == NONE && !is_abandoned {
            self.waits_for_connection(attempt);
        }
    }

    /// Whoever opens a connection that nothing answers gives up after its connect timeout: the balancer that sent the try, or the one before
    /// it where that looks at connections only. On a connection that is kept there is nothing to open.
    pub(in crate::model) fn waits_for_connection(&mut self, attempt: u32) {
        let Attempt { request, open_hops, .. } = self.attempts[attempt];
        if self.connections.seat(attempt, open_hops).is_some() {
            return;
        }
        self.first_packet_of_flow_is_lost(attempt);
        for depth in (0..open_hops).rev() {
            let hop = self.hops[self.hop_place(attempt, depth)];
            let balancer = &self.balancers[hop.balancer as usize];
            if let Some(timeout) = balancer.connect_timeout {
                let event = Event::BalancerTimeout { request: self.requests.at(request), token: hop.token, is_connect: true };
                self.calendar.schedule((hop.sent + timeout).max(self.calendar.now()), event);
                self.attempts[attempt].phase = Phase::Unconnected;
            }
            if !balancer.is_l4 {
                return;
            }
        }
    }

    /// Nothing will come back. An abandoned attempt has nobody left to wonder, a check has its deadline.
    #[inline(never)]
    pub(in crate::model) fn lose(&mut self, attempt: u32, strike: u32) {
        if self.attempts[attempt].is_abandoned || self.attempts[attempt].check != NONE {
            return self.free_attempt(attempt);
        }
        self.attempts[attempt].phase = Phase::Lost;
        self.attempts[attempt].strike = strike;
    }

    /// Whether an error fault answers this one at once; one that fails after the work is marked.
    #[inline(never)]
    pub(in crate::model) fn draws_error(&mut self, attempt: u32) -> bool {
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

    pub(in crate::model) fn schedule_sharing(&mut self, server: u32) {
        if let Some((at, generation)) = self.servers[server as usize].next_shared(self.calendar.now()) {
            self.calendar.schedule(at, Event::ShareFinished { server, generation });
        }
    }

    #[inline(always)]
    pub(in crate::model) fn finished(&mut self, attempt: u32) {
        let now = self.now();
        let server = self.attempts[attempt].server;
        self.servers[server as usize].release(now);
        self.start_waiting(server);
        self.served(attempt);
    }

    /// Fills free slots from the line.
    #[inline(always)]
    pub(in crate::model) fn start_waiting(&mut self, index: u32) {
        let World { servers, attempts, calendar, .. } = self;
        let server = &mut servers[index as usize];
        while server.head != NONE && server.has_free_slot() {
            let first = server.head;
            let (started, place) = attempts.open(first);
            server.head = started.next;
            if server.head == NONE {
                server.tail = NONE;
            }
            if started.phase == Phase::Cancelled {
                free_attempt(attempts, first);
                continue;
            }
            server.starts_waiting();
            started.duration = server.duration(started.work);
            started.phase = Phase::InService;
            let at = calendar.now() + started.duration;
            calendar.schedule(at, Event::Finished { attempt: place, server: index });
        }
    }

    pub(in crate::model) fn share_finished(&mut self, server: u32, generation: u32) {
        let now = self.now();
        if self.servers[server as usize].rare.sharing.generation != generation {
            return;
        }
        if let Some(attempt) = self.servers[server as usize].finish_shared(now) {
            self.schedule_sharing(server);
            self.served(attempt);
        }
    }

    /// Something has left a server: a pod that only finishes what it has may end.
    #[inline(always)]
    pub(in crate::model) fn rests(&mut self, server: u32) {
        if self.servers[server as usize].is_troubled {
            self.server_rests(server);
        }
    }

    /// The work is done at a server that is not as others are. Whether all is said about it.
    #[inline(never)]
    fn is_served_in_trouble(&mut self, attempt: u32) -> bool {
        let server = self.attempts[attempt].server;
        if self.servers[server as usize].rare.blackholes > 0 {
            self.lose(attempt, self.blame_server(server));
            return true;
        }
        self.server_rests(server);
        if self.servers[server as usize].rare.is_connected {
            self.served_on_connection(attempt);
            return true;
        }
        false
    }

    /// The work is done.
    #[inline(always)]
    pub(in crate::model) fn served(&mut self, attempt: u32) {
        let done = &self.attempts[attempt];
        let server = done.server;
        if done.check != NONE {
            return self.check_served(attempt);
        }
        if done.is_abandoned {
            self.free_attempt(attempt);
            return self.rests(server);
        }
        if self.servers[server as usize].is_troubled && self.is_served_in_trouble(attempt) {
            return;
        }
        let done = &self.attempts[attempt];
        if done.will_fail {
            let strike = done.strike;
            return self.answer_failure(attempt, Failure::ServerError, strike);
        }
        self.record_served(attempt);
        self.answer(attempt);
    }

    #[inline(always)]
    fn record_served(&mut self, attempt: u32) {
        let now = self.now();
        let done = &self.attempts[attempt];
        let request = &self.requests[done.request];
        if request.is_counted {
            let response = now - done.entered;
            let waiting = Span(response.0.saturating_sub(done.duration.0));
            self.recorder.attempt_served(Served { class: request.class, server: done.server, response, waiting });
        }
    }

    /// The work is done at a server to which connections are kept.
    #[inline(never)]
    fn served_on_connection(&mut self, attempt: u32) {
        let Attempt { will_fail, strike, .. } = self.attempts[attempt];
        if will_fail {
            return self.answer_failure(attempt, Failure::ServerError, strike);
        }
        self.record_served(attempt);
        if self.ways.is_some() {
            let Attempt { entered, duration, .. } = self.attempts[attempt];
            self.note_way(attempt, entered, duration);
        }
        if !self.answer_on_connection(attempt) {
            self.answer(attempt);
        }
    }
}
