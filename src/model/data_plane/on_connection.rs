//! Requests travel on connections that are kept, their results come back, and the connections are free for others.

use super::disconnect::RESET;
use crate::model::attempt::{Attempt, Phase};
use crate::model::connection::{Connection, Passage, State};
use crate::model::connections::Offer;
use crate::model::event::{Event, Ref};
use crate::model::plan::TargetRef;
use crate::model::world::World;
use crate::policy::Outcome;
use crate::scenario::Failure;
use crate::units::{Span, Time};

impl World {
    /// Sends a try on an open connection: along the way that was chosen when it was opened.
    pub(super) fn send_on(&mut self, attempt: u32, index: u32) {
        let now = self.now();
        let (opener, passages, end) = self.way(index);
        let mut delay = Span::ZERO;
        for (place, passage) in passages.iter().enumerate() {
            let to = TargetRef::Balancer(passage.balancer);
            delay += self.leg(opener, &passages[..place], to);
            self.count_leg(attempt, opener, &passages[..place], to);
            if !self.passes(index, place, now + delay) {
                if let Some(strike) = self.cut_off_by(passage.balancer) {
                    return self.lose(attempt, strike); // Nobody is there to say so.
                }
                // The answer to a packet of a connection that nobody knows is a reset.
                let back = self.way_back(opener, &passages[..=place]);
                self.attempts[attempt].failure = Some(Failure::Reset);
                if self.attempts[attempt].open_hops == 0 {
                    self.count_failed_way(attempt, Some(passage.balancer));
                }
                self.connection_ends(index, RESET, delay + back);
                return self.returns(attempt, delay + back);
            }
            if self.ways.is_some() {
                self.note_passage(attempt, passage.balancer, now + delay);
            }
        }
        delay += self.leg(opener, &passages, end);
        self.count_leg(attempt, opener, &passages, end);
        self.heads_for(attempt, end);
        if delay == Span::ZERO {
            return self.arrives_on_connection(attempt);
        }
        self.calendar.schedule(now + delay, Event::OnConnection(self.attempts.at(attempt)));
    }

    pub(super) fn way(&self, index: u32) -> (u32, Vec<Passage>, TargetRef) {
        let connection = &self.connections.slots[index];
        (self.connections.pools[connection.pool].opener, connection.passages.clone(), connection.end)
    }

    /// Time from the last of these balancers back to who opened the connection.
    fn way_back(&mut self, opener: u32, passages: &[Passage]) -> Span {
        let mut delay = Span::ZERO;
        for (place, passage) in passages.iter().enumerate().rev() {
            let to = TargetRef::Balancer(passage.balancer);
            delay += self.leg(opener, &passages[..place], to);
        }
        delay
    }

    /// Whether a packet that passes an L4 balancer at `at` finds its connection there.
    fn passes(&mut self, index: u32, place: usize, at: Time) -> bool {
        let passage = &mut self.connections.slots[index].passages[place];
        let idle = self.topology.balancers[passage.balancer as usize].ways.idle_timeout;
        if !passage.is_counted || idle.is_some_and(|idle| at >= passage.last + idle) {
            return false;
        }
        passage.last = passage.last.max(at);
        true
    }

    /// A try has come to the end of its connection.
    pub(in crate::model) fn arrives_on_connection(&mut self, attempt: u32) {
        let segment = self.attempts[attempt].open_hops;
        let Some(index) = self.connections.seat(attempt, segment) else {
            // Given up on its way; the server has it all the same.
            return self.at_server(attempt);
        };
        let Connection { end, state, is_gone, travel, .. } = self.connections.slots[index];
        let is_closed = state == State::Closed || is_gone;
        if is_closed && let Some(strike) = self.swallows(end) {
            return self.lose(attempt, strike);
        }
        if is_closed && state != State::Closed {
            self.connection_ends(index, RESET, travel);
        }
        match end {
            TargetRef::Server(server) if is_closed => {
                self.answer_failure(attempt, Failure::Reset, self.blame_server(server));
            }
            TargetRef::Balancer(_) if is_closed => {
                self.attempts[attempt].failure = Some(Failure::Reset);
                self.answer_on_connection(attempt);
            }
            TargetRef::Server(_) => {
                self.connections.arrive(attempt, segment);
                self.at_server(attempt);
            }
            TargetRef::Balancer(balancer) => {
                self.connections.arrive(attempt, segment);
                self.attempts[attempt].depth = segment;
                self.enter_balancer(attempt, balancer);
            }
        }
    }

    /// What keeps the end of a connection from telling that it has closed it.
    fn swallows(&self, end: TargetRef) -> Option<u32> {
        match end {
            TargetRef::Server(server) => (self.servers[server as usize].rare.blackholes > 0).then(|| self.blame_server(server)),
            TargetRef::Balancer(balancer) => self.cut_off_by(balancer),
        }
    }

    /// Whether a try came on a connection, over which its result goes back.
    #[inline(never)]
    pub(in crate::model) fn answer_on_connection(&mut self, attempt: u32) -> bool {
        let now = self.now();
        let Attempt { open_hops: segment, .. } = self.attempts[attempt];
        let Some(index) = self.connections.seat(attempt, segment) else { return false };
        let is_last = self.connections.depart(attempt, segment, now);
        self.attempts[attempt].phase = Phase::Returning;
        self.attempts[attempt].depth = segment.saturating_sub(1);
        let (opener, passages, end) = self.way(index);
        let is_open = self.connections.slots[index].state == State::Open;
        let mut delay = self.leg(opener, &passages, end);
        for (place, passage) in passages.iter().enumerate().rev() {
            if is_open && !self.passes(index, place, now + delay) {
                // Forgotten meanwhile: the answer ends here, and nobody is told.
                self.attempts[attempt].phase = Phase::Forgotten;
                return true;
            }
            let to = TargetRef::Balancer(passage.balancer);
            delay += self.leg(opener, &passages[..place], to);
        }
        if is_last && is_open {
            match self.connections.slots[index].drains {
                true => self.end_closes(index),
                false => self.set_timer(index),
            }
        }
        self.returns(attempt, delay);
        true
    }

    pub(in crate::model) fn returns(&mut self, attempt: u32, delay: Span) {
        self.attempts[attempt].phase = Phase::Returning;
        if delay == Span::ZERO {
            return self.result_on_connection(attempt);
        }
        let at = self.now() + delay;
        self.calendar.schedule(at, Event::ResultOnConnection(self.attempts.at(attempt)));
    }

    /// The result of a try is back at who opened the connection, which is free for the next one.
    pub(in crate::model) fn result_on_connection(&mut self, attempt: u32) {
        let segment = self.attempts[attempt].open_hops;
        if segment == 0 && self.ways.is_some() {
            self.place_failure_of_connection(attempt);
        }
        self.release_seat(attempt, segment);
        match segment {
            0 => self.result_at_client(attempt),
            _ => self.result_at_balancer(attempt),
        }
    }

    fn release_seat(&mut self, attempt: u32, segment: u8) {
        let now = self.now();
        let is_reset = self.attempts[attempt].failure == Some(Failure::Reset);
        let is_last = self.connections.depart(attempt, segment, now);
        let Some(index) = self.connections.take_seat(attempt, segment) else { return };
        let pool = self.connections.slots[index].pool;
        if self.connections.slots[index].state == State::Closed {
            if is_reset && let Some(record) = self.connections.record(pool, now) {
                record.resets += 1;
            }
            return self.connections.free_if_forgotten(index);
        }
        if is_last && self.connections.slots[index].drains {
            return self.end_closes(index);
        }
        if self.connections.slots[index].retires || self.connections.is_too_old(index, now) {
            return self.retire_connection(index);
        }
        self.connections.make_free(index, now);
        self.set_timer(index);
        self.serve_waiting(self.connections.pools.at(pool));
    }

    /// The first of those that wait for a connection of a pool.
    pub(in crate::model) fn next_waiter(&mut self, pool: u32) -> Option<u32> {
        let now = self.now();
        while let Some((waiter, since)) = self.connections.pools[pool].waiting.pop_front() {
            if self.attempts.is_current(waiter) {
                if let Some(record) = self.connections.record(pool, now) {
                    record.waited += 1;
                    record.waiting += now - since;
                }
                return Some(waiter.index);
            }
        }
        None
    }

    /// Nobody waits any more for the results of a try in these segments. A connection with one request at a time is closed with it.
    pub(in crate::model) fn give_up_seats(&mut self, attempt: u32, outer: usize) {
        for segment in outer as u8..self.connections.segments() {
            let Some(index) = self.connections.seat(attempt, segment) else { continue };
            let connection = &self.connections.slots[index];
            if connection.state != State::Closed && self.connections.plan(connection.pool).streams == 1 {
                self.connections.depart(attempt, segment, self.calendar.now());
                self.connections.take_seat(attempt, segment);
                self.close_connection(index);
            } else {
                self.release_seat(attempt, segment);
            }
        }
    }

    /// What waits for a connection goes on as far as there is one. Not recursive: a try that ends at once leaves its place to the next here.
    pub(in crate::model) fn serve_waiting(&mut self, pool: Ref) {
        let (now, index) = (self.now(), pool.index);
        if !self.connections.pools.is_current(pool) || self.connections.pools[index].is_served {
            return;
        }
        self.connections.pools[index].is_served = true;
        loop {
            let offer = self.connections.offer(index, now);
            if offer == Offer::Wait || self.connections.pools[index].waiting.is_empty() {
                break;
            }
            if let Offer::Aged(connection) = offer {
                self.retire_connection(connection);
                continue;
            }
            let Some(waiter) = self.next_waiter(index) else { break };
            match offer {
                Offer::Use(connection) => self.use_connection(waiter, connection),
                _ => {
                    let opener = self.connections.pools[index].opener;
                    let source = self.source(&self.requests[self.attempts[waiter].request], opener);
                    self.open_connection(waiter, index, source);
                }
            }
        }
        self.connections.pools[index].is_served = false;
        self.connections.drop_if_empty(index);
    }

    /// The outcome of a connection in the eyes of the balancers on its way.
    pub(in crate::model) fn forget_passages(&mut self, index: u32, is_ok: bool) {
        for place in 0..self.connections.slots[index].passages.len() {
            self.forget_passage(index, place, is_ok);
        }
    }

    pub(in crate::model) fn forget_passage(&mut self, index: u32, place: usize, is_ok: bool) {
        let now = self.now();
        let connection = &mut self.connections.slots[index];
        let latency = now - connection.started;
        let passage = &mut connection.passages[place];
        if std::mem::replace(&mut passage.is_counted, false) {
            let outcome = Outcome { now, latency, is_answered: is_ok, is_ok };
            self.balancers[passage.balancer as usize].done(passage.target, &outcome);
        }
    }
}
