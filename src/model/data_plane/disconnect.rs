//! The ends of connections: closed by whoever opened them or by whoever is at their other end, forgotten on the way, cut from outside.

use crate::measure::statuses::mark;
use crate::model::attempt::{Attempt, Phase};
use crate::model::client::NONE;
use crate::model::connection::{Connection, Fate, NEVER, Passage, State};
use crate::model::event::Event;
use crate::model::plan::TargetRef;
use crate::model::world::World;
use crate::policy::TargetId;
use crate::scenario::Failure;
use crate::units::{Span, Time};

pub(super) const RESET: Fate = Fate { failure: Failure::Reset, strike: NONE, is_timeout: false };

/// How connections end that are ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) enum Ending {
    /// At once, with the requests on them.
    Reset,
    /// What is on them is answered, nothing more is taken.
    Clean,
    /// At once, and nobody hears of it.
    Silent,
}

impl World {
    // ---- By the opener ------------------------------------------------------------------------------------------------

    /// Who opened a connection closes it.
    pub(in crate::model) fn close_connection(&mut self, index: u32) {
        let now = self.now();
        self.forget_passages(index, true);
        let connection = &mut self.connections.slots[index];
        connection.state = State::Closed;
        let pool = self.connections.pool_of(index);
        self.connections.leave(index, now);
        self.connections.free_if_forgotten(index);
        self.serve_waiting(pool);
    }

    /// A connection takes no more requests; it is closed when those on it have ended.
    pub(in crate::model) fn retire_connection(&mut self, index: u32) {
        let connection = &mut self.connections.slots[index];
        connection.retires = true;
        let (pool, busy) = (connection.pool, connection.busy);
        match busy {
            0 => self.close_connection(index),
            _ => self.connections.pools[pool].free.retain(|other| *other != index),
        }
    }

    /// A user who does not come back closes its connections.
    pub(in crate::model) fn close_connections_of_user(&mut self, user: u64) {
        for opener in 0..self.connections.openers.len() as u32 {
            if !self.connections.openers[opener as usize].as_ref().is_some_and(|opener| opener.plan.is_per_user) {
                continue;
            }
            for pool in self.connections.pools_of(opener, user) {
                for index in std::mem::take(&mut self.connections.pools[pool].free) {
                    self.retire_connection(index);
                }
            }
            for terminator in self.connections.terminators.iter_mut().flatten() {
                terminator.seen.remove(&(opener, user));
            }
        }
    }

    // ---- By the other end ---------------------------------------------------------------------------------------------

    /// What is at the end of a connection closes it, which its opener hears later; what it sends meanwhile is reset.
    pub(in crate::model) fn end_closes(&mut self, index: u32) {
        let travel = self.connections.slots[index].travel;
        self.connection_ends(index, RESET, travel);
    }

    /// A connection is no more, which its opener hears after `delay`.
    pub(in crate::model) fn connection_ends(&mut self, index: u32, fate: Fate, delay: Span) {
        self.forget_passages(index, true);
        let connection = &mut self.connections.slots[index];
        connection.state = State::Closed;
        connection.fate = Some(fate);
        self.tell_opener(index, delay);
    }

    pub(in crate::model) fn tell_opener(&mut self, index: u32, delay: Span) {
        if delay == Span::ZERO {
            return self.opener_is_told(index);
        }
        let at = self.now() + delay;
        self.calendar.schedule(at, Event::OpenerIsTold(self.connections.slots.at(index)));
    }

    /// Its opener knows that a connection has ended or will soon, or that it could not be opened.
    pub(in crate::model) fn opener_is_told(&mut self, index: u32) {
        let now = self.now();
        match self.connections.slots[index].state {
            State::Closed if !self.connections.slots[index].is_left => {}
            State::Closed | State::Free => return,
            // What is on it is answered; the end will not take more for long.
            State::Opening | State::Open => return self.retire_connection(index),
        }
        self.connections.leave(index, now);
        let pool = self.connections.pool_of(index);
        let connection = &mut self.connections.slots[index];
        let (end, fate) = (connection.end, connection.fate);
        for waiter in std::mem::take(&mut connection.waiting) {
            if let Some(fate) = fate.filter(|_| self.attempts.is_current(waiter)) {
                self.fails_to_connect(waiter.index, end, fate);
            }
        }
        self.connections.free_if_forgotten(index);
        self.serve_waiting(pool);
    }

    fn fails_to_connect(&mut self, attempt: u32, end: TargetRef, fate: Fate) {
        if let TargetRef::Server(server) = end {
            self.attempts[attempt].server = server;
            let is_counted = self.requests[self.attempts[attempt].request].is_counted;
            self.recorder.attempt_sent(server, is_counted);
            if is_counted {
                self.recorder.attempts.fail(fate.failure);
            }
        }
        self.attempts[attempt].failure = Some(fate.failure);
        self.attempts[attempt].strike = fate.strike;
        self.attempts[attempt].mark = if fate.is_timeout { mark::CONNECT_TIMEOUT } else { mark::NONE };
        self.result_on_connection(attempt);
    }

    // ---- By time ------------------------------------------------------------------------------------------------------

    fn connection_deadline(&self, index: u32) -> Time {
        let end_idle = match self.connections.slots[index].end {
            TargetRef::Balancer(balancer) => self.topology.balancers[balancer as usize].ways.idle_timeout,
            TargetRef::Server(server) => self.topology.servers[server as usize].keep_alive,
        };
        self.connections.deadline(index, end_idle, |balancer| self.topology.balancers[balancer as usize].ways.idle_timeout)
    }

    /// Has a connection looked at when the first of its time limits passes; if something happens on it before, that is seen then.
    pub(in crate::model) fn set_timer(&mut self, index: u32) {
        let at = self.connection_deadline(index).max(self.now());
        let connection = &mut self.connections.slots[index];
        if at < connection.timer {
            connection.timer = at;
            self.calendar.schedule(at, Event::ConnectionTimer(self.connections.slots.at(index)));
        }
    }

    /// Some limit of a connection may have passed.
    pub(in crate::model) fn connection_timer(&mut self, index: u32) {
        let now = self.now();
        let connection = &mut self.connections.slots[index];
        if connection.timer != now {
            return; // An earlier one was set later.
        }
        connection.timer = NEVER;
        if self.connection_deadline(index) > now {
            return self.set_timer(index);
        }
        let connection = &self.connections.slots[index];
        let opener = self.connections.opener(connection.pool);
        let has_passed = |since: Time, span: Option<Span>| span.is_some_and(|span| now >= since + span);
        if connection.state == State::Opening {
            let strike = self.blame_for_silence(connection);
            return self.opening_fails(index, Fate { failure: Failure::ConnectFailure, strike, is_timeout: true }, Span::ZERO);
        }
        if connection.busy == 0 && has_passed(connection.idle_since, opener.plan.idle_timeout) {
            return self.close_connection(index);
        }
        if has_passed(connection.started, opener.plan.max_age) {
            self.retire_connection(index);
            if self.connections.slots[index].state != State::Open {
                return;
            }
        }
        for place in 0..self.connections.slots[index].passages.len() {
            let passage = self.connections.slots[index].passages[place];
            if has_passed(passage.last, self.topology.balancers[passage.balancer as usize].ways.idle_timeout) {
                self.forget_passage(index, place, true);
            }
        }
        let connection = &self.connections.slots[index];
        let end_idle = match connection.end {
            TargetRef::Balancer(balancer) => self.topology.balancers[balancer as usize].ways.idle_timeout,
            TargetRef::Server(server) => self.topology.servers[server as usize].keep_alive,
        };
        if connection.at_end == 0 && !connection.is_gone && has_passed(connection.end_idle_since, end_idle) {
            return self.end_closes(index);
        }
        self.set_timer(index);
    }

    /// What keeps the connection that a try waits for from being made.
    pub(in crate::model) fn blame_opening(&self, attempt: u32) -> u32 {
        let seat = self.connections.seat(attempt, self.attempts[attempt].open_hops);
        let connection = seat.map(|index| &self.connections.slots[index]).filter(|connection| connection.state == State::Opening);
        connection.map_or(NONE, |connection| self.blame_for_silence(connection))
    }

    /// What is to blame where the first packet of a connection gets no answer: what it was lost by, or what is wrong where it has got to.
    fn blame_for_silence(&self, connection: &Connection) -> u32 {
        match connection.end {
            _ if connection.lost_by != NONE => connection.lost_by,
            TargetRef::Server(server) => self.blame_server(server),
            TargetRef::Balancer(balancer) => self.cut_off_by(balancer).unwrap_or(NONE),
        }
    }

    // ---- From outside -------------------------------------------------------------------------------------------------

    /// A server's process ends, or is to end: so do the connections to it.
    pub(in crate::model) fn close_connections_to(&mut self, server: u32, ending: Ending) {
        self.end_connections_at(TargetRef::Server(server), ending);
    }

    /// Closes the connections that end here. What requests that are there already come to is not decided here.
    fn end_connections_at(&mut self, end: TargetRef, ending: Ending) {
        for index in 0..self.connections.slots.capacity() {
            let connection = &mut self.connections.slots[index];
            // The first packet of one that is being opened may not have come here yet: then it meets what is there.
            let is_here = connection.end == end && (connection.state == State::Open || connection.ready != NEVER);
            if !is_here || matches!(connection.state, State::Free | State::Closed) {
                continue;
            }
            match ending {
                Ending::Reset => self.end_closes(index),
                Ending::Silent => connection.is_gone = true,
                Ending::Clean if connection.state == State::Open && connection.at_end == 0 => self.end_closes(index),
                Ending::Clean => {
                    connection.drains = true;
                    let travel = connection.travel;
                    self.tell_opener(index, travel);
                }
            }
        }
    }

    /// An L4 balancer whose target is not to be used any more resets the connections to it, with the requests on them.
    pub(in crate::model) fn reset_established(&mut self, balancer: u32, target: TargetId) {
        self.cut_connections(balancer, |passage| passage == target, Ending::Reset);
        self.cut_flows(balancer, |passage| passage == target, Ending::Reset);
    }

    /// A balancer ends: the connections to it, through it, and those that it opened. `Clean`: what is on them is answered.
    pub(in crate::model) fn close_connections_of(&mut self, balancer: u32, ending: Ending) {
        self.end_connections_at(TargetRef::Balancer(balancer), ending);
        if ending == Ending::Clean {
            return;
        }
        self.cut_connections(balancer, |_| true, ending);
        self.cut_flows(balancer, |_| true, ending);
        for waiter in self.balancers[balancer as usize].line.drain() {
            if self.attempts.is_current(waiter.attempt) {
                let attempt = waiter.attempt.index;
                self.cut_flow(attempt, self.attempts[attempt].depth, balancer, ending);
            }
        }
        let opener = self.clients.len() as u32 + balancer;
        for index in 0..self.connections.slots.capacity() {
            let connection = &self.connections.slots[index];
            let is_own =
                !matches!(connection.state, State::Free | State::Closed) && self.connections.pools[connection.pool].opener == opener;
            if is_own && !connection.is_left {
                self.close_connection(index);
            }
        }
    }

    /// Who has connections through a balancer to some of its targets closes them as soon as nothing is on them.
    pub(in crate::model) fn retire_connections_through(&mut self, balancer: u32, is_target: &[bool]) {
        for index in 0..self.connections.slots.capacity() {
            let connection = &self.connections.slots[index];
            let is_here = |passage: &Passage| passage.balancer == balancer && is_target[passage.target as usize];
            if connection.state == State::Open && !connection.is_left && connection.passages.iter().any(is_here) {
                self.retire_connection(index);
            }
        }
    }

    /// Ends connections that pass a balancer to some of its targets, there; tries on them fail.
    fn cut_connections(&mut self, balancer: u32, is_target: impl Fn(TargetId) -> bool, ending: Ending) {
        let mut cut = vec![None; self.connections.slots.capacity() as usize];
        for index in 0..cut.len() as u32 {
            let connection = &self.connections.slots[index];
            let is_here = |passage: &&Passage| passage.balancer == balancer && passage.is_counted && is_target(passage.target);
            let Some(place) = connection.passages.iter().position(|passage| is_here(&passage)) else { continue };
            let reached = connection.passages[place].reached;
            if matches!(connection.state, State::Opening | State::Open) {
                cut[index as usize] = (connection.state == State::Open && connection.busy > 0).then_some(reached);
                match ending {
                    Ending::Silent => self.forget_passage(index, place, true),
                    _ => self.connection_ends(index, RESET, reached),
                }
            }
        }
        if ending == Ending::Silent {
            return;
        }
        for attempt in 0..self.attempts.capacity() {
            for segment in 0..self.connections.segments() {
                let Some(reached) = self.connections.seat(attempt, segment).and_then(|index| cut.get(index as usize).copied().flatten())
                else {
                    continue;
                };
                // A result that is on its way back from there may have passed.
                let is_back = self.attempts[attempt].phase == Phase::Returning && self.attempts[attempt].open_hops == segment;
                if !is_back {
                    let segment = usize::from(segment);
                    let fresh = self.cut_try(attempt, segment, segment + 1, segment);
                    if segment == 0 {
                        self.count_failed_way(fresh, Some(balancer));
                    }
                    self.returns(fresh, reached);
                }
                break;
            }
        }
    }

    /// As `cut_connections`, for tries whose connections are nobody's.
    fn cut_flows(&mut self, balancer: u32, is_target: impl Fn(TargetId) -> bool, ending: Ending) {
        for attempt in 0..self.attempts.capacity() {
            let Attempt { open_hops, is_abandoned, phase, check, .. } = self.attempts[attempt];
            let is_over = is_abandoned || matches!(phase, Phase::Free | Phase::Cancelled);
            if is_over || check != NONE {
                continue;
            }
            let hop = |depth: &u8| self.hops[self.hop_place(attempt, *depth)];
            let is_cut = |depth: &u8| hop(depth).balancer == balancer && is_target(hop(depth).target);
            if let Some(depth) = (0..open_hops).find(is_cut) {
                self.cut_flow(attempt, depth, balancer, ending);
            }
        }
    }

    /// A try that is at this depth in a balancer, or further inside, ends there.
    fn cut_flow(&mut self, attempt: u32, depth: u8, balancer: u32, ending: Ending) {
        let hops = usize::from(depth);
        let is_own = !self.balancers[balancer as usize].is_l4;
        let fresh = self.cut_try(attempt, hops, hops + 1, hops + usize::from(is_own));
        match ending {
            Ending::Silent => self.attempts[fresh].phase = Phase::Forgotten,
            _ => {
                self.attempts[fresh].depth = depth;
                self.go_up(fresh, balancer);
            }
        }
    }

    /// What is inside of so many hops of a try is cut off, and it fails; balancers from hop `gone` on see their client go.
    fn cut_try(&mut self, attempt: u32, hops: usize, seats: usize, gone: usize) -> u32 {
        let strike = self.blame_attempt(attempt);
        if self.requests[self.attempts[attempt].request].is_counted && self.is_at_server(attempt) {
            self.recorder.attempts.fail(Failure::Reset);
        }
        let fresh = self.cut_off(attempt, hops, seats, gone);
        let cut = &mut self.attempts[fresh];
        (cut.failure, cut.strike, cut.phase) = (Some(Failure::Reset), strike, Phase::Returning);
        fresh
    }

    /// An L4 balancer forgets a try's connection, which nobody keeps: no answer will come.
    pub(in crate::model) fn flow_is_forgotten(&mut self, attempt: u32, depth: usize) {
        if self.requests[self.attempts[attempt].request].is_counted && self.is_at_server(attempt) {
            self.recorder.attempts.fail(Failure::Timeout);
        }
        let fresh = self.cut_off(attempt, depth, depth + 1, depth);
        self.attempts[fresh].phase = Phase::Forgotten;
    }
}

#[cfg(test)]
mod tests;
