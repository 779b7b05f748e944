//! Connections that are kept: requests take them, open them or wait for them, travel on them, and leave them.

use super::disconnect::RESET;
use crate::model::attempt::{Attempt, Phase, Request};
use crate::model::client::NONE;
use crate::model::connections::{Connection, Fate, Offer, Passage, Source, State};
use crate::model::event::{Event, Ref};
use crate::model::plan::TargetRef;
use crate::model::world::World;
use crate::policy::{Outcome, TargetId};
use crate::rng;
use crate::scenario::Failure;
use crate::units::{Span, Time};
use std::net::{IpAddr, Ipv4Addr};

impl World {
    // ---- Taking a connection ------------------------------------------------------------------------------------------

    /// A client's try takes a connection to the entry.
    #[inline(never)]
    pub(in crate::model) fn client_takes_connection(&mut self, attempt: u32, client: u32) {
        // A server that is reached without any balancer that counts requests looks here for the time since which it waits.
        self.begin_hop(attempt, self.entry);
        self.take_connection(attempt, client, 0);
    }

    /// A balancer's try takes a connection to the target that was chosen.
    #[inline(never)]
    pub(in crate::model) fn balancer_takes_connection(&mut self, attempt: u32, balancer: u32, target: TargetId) {
        self.take_connection(attempt, self.clients.len() as u32 + balancer, target);
    }

    fn take_connection(&mut self, attempt: u32, opener: u32, target: TargetId) {
        let now = self.now();
        self.connections.make_room(self.attempts.capacity());
        let source = self.source(&self.requests[self.attempts[attempt].request], opener);
        loop {
            let pool = self.connections.pool(opener, source.party.map(|(_, user)| user), target);
            match self.connections.offer(pool, now) {
                Offer::Use(connection) => return self.use_connection(attempt, connection),
                Offer::Aged(connection) => self.retire_connection(connection),
                Offer::Open => return self.open_connection(attempt, pool, source),
                Offer::Wait => {
                    let waiter = (self.attempts.at(attempt), now);
                    return self.connections.pools[pool].waiting.push_back(waiter);
                }
            }
        }
    }

    /// Who opens a connection for a request: the user or all users of a client, or the balancer.
    fn source(&self, request: &Request, opener: u32) -> Source {
        let is_per_user = self.connections.openers[opener as usize].as_ref().is_some_and(|opener| opener.plan.is_per_user);
        let holder = self.holder(request).0;
        let user = if is_per_user { holder.user } else { Some(0) };
        let address = match opener.checked_sub(self.clients.len() as u32) {
            None => holder.address,
            Some(balancer) => balancer_address(balancer),
        };
        Source { address, party: user.map(|user| (opener, user)) }
    }

    /// Puts a try on a connection, and sends it as soon as the handshake is done.
    fn use_connection(&mut self, attempt: u32, connection: u32) {
        let now = self.now();
        let segment = self.attempts[attempt].open_hops;
        let pool = self.connections.slots[connection].pool;
        if let Some(record) = self.connections.record(pool, now) {
            record.tries += 1;
        }
        if self.connections.slots[connection].requests > 0
            && let Some(record) = self.connections.record(pool, now)
        {
            record.reused += 1;
        }
        if self.connections.assign(attempt, segment, connection, now) {
            self.send_on(attempt, connection);
        } else {
            let waiter = self.attempts.at(attempt);
            self.connections.slots[connection].waiting.push(waiter);
        }
    }

    // ---- Opening ------------------------------------------------------------------------------------------------------

    fn open_connection(&mut self, attempt: u32, pool: u32, source: Source) {
        let now = self.now();
        let opener = self.connections.pools[pool].opener;
        let first = match opener.checked_sub(self.clients.len() as u32) {
            None => TargetRef::Balancer(self.entry),
            Some(balancer) => self.balancers[balancer as usize].to[self.connections.pools[pool].target as usize],
        };
        let connection = self.connections.open(pool, first, source, now);
        self.use_connection(attempt, connection);
        self.set_timer(connection);
        let delay = self.first_leg(opener, first);
        self.first_packet_goes_on(connection, delay);
    }

    fn first_packet_goes_on(&mut self, connection: u32, delay: Span) {
        if delay == Span::ZERO {
            return self.first_packet_arrives(connection);
        }
        let at = self.now() + delay;
        self.calendar.schedule(at, Event::FirstPacket(self.connections.slots.at(connection)));
    }

    /// Time from an opener to the first thing on its way.
    fn first_leg(&mut self, opener: u32, first: TargetRef) -> Span {
        match self.clients.get_mut(opener as usize) {
            Some(client) => client.link.draw(),
            None => self.leg(first),
        }
    }

    /// Time to what stands at this place of a way, one way or the other.
    fn leg_at(&mut self, opener: u32, place: usize, to: TargetRef) -> Span {
        if place == 0 { self.first_leg(opener, to) } else { self.leg(to) }
    }

    /// Time to a balancer or server from what stands before it, one way.
    fn leg(&mut self, to: TargetRef) -> Span {
        match to {
            TargetRef::Balancer(balancer) => self.balancers[balancer as usize].link.draw(),
            TargetRef::Server(server) => self.server_links[server as usize].draw(),
        }
    }

    /// The first packet of a connection: an L4 balancer chooses the target for all that will follow, the end answers.
    pub(in crate::model) fn first_packet_arrives(&mut self, index: u32) {
        let now = self.now();
        if self.connections.slots[index].state != State::Opening {
            return; // It was ended meanwhile.
        }
        match self.connections.slots[index].end {
            TargetRef::Balancer(balancer) if self.balancers[balancer as usize].is_l4 => {
                let Connection { source, number, started, .. } = self.connections.slots[index];
                let Some(target) = self.choose_flow(balancer, &source, number) else {
                    let fate = Fate { failure: Failure::NoServer, strike: self.blame_balancer(balancer), is_timeout: false };
                    return self.opening_fails(index, fate, now - started);
                };
                self.balancers[balancer as usize].sent(target);
                let to = self.balancers[balancer as usize].to[target as usize];
                let passage = Passage { balancer, target, reached: now - started, last: now, is_counted: true };
                let connection = &mut self.connections.slots[index];
                connection.passages.push(passage);
                connection.end = to;
                let delay = self.leg(to);
                self.first_packet_goes_on(index, delay);
            }
            TargetRef::Balancer(balancer) => self.shake_hands(index, Some(balancer)),
            TargetRef::Server(server) => {
                let state = &self.servers[server as usize].rare;
                if state.blackholes > 0 {
                    return;
                }
                if state.crashes > 0 {
                    let fate = Fate { failure: Failure::ConnectFailure, strike: self.blame_server(server), is_timeout: false };
                    let travel = now - self.connections.slots[index].started;
                    return self.opening_fails(index, fate, travel);
                }
                self.shake_hands(index, None);
            }
        }
    }

    /// The first packet is at the end: from here it takes its answer, the round trips of TLS and the time that they compute, and the way
    /// of the first request.
    fn shake_hands(&mut self, index: u32, balancer: Option<u32>) {
        let now = self.now();
        let Connection { source, started, .. } = self.connections.slots[index];
        let travel = now - started;
        let mut handshake = (0, Span::ZERO, None);
        if let Some(tls) = balancer.and_then(|balancer| self.connections.terminators[balancer as usize].as_mut()) {
            let is_known = source.party.is_some_and(|party| tls.seen.contains(&party));
            let is_resumed = is_known && rng::unit(&mut tls.rng) < tls.plan.resumed;
            let (trips, time) = match is_resumed {
                true => (tls.plan.resumed_round_trips, &tls.plan.resumption),
                false => (tls.plan.round_trips, &tls.plan.handshake),
            };
            handshake = (trips, time.sample(&mut tls.rng), Some(is_resumed));
            tls.seen.extend(source.party);
        }
        let (round_trips, computing, is_resumed) = handshake;
        let pool = self.connections.slots[index].pool;
        if let Some(record) = self.connections.record(pool, now) {
            record.full += u64::from(is_resumed == Some(false));
            record.resumed += u64::from(is_resumed == Some(true));
        }
        let rest = Span(2 * travel.0 * (1 + u64::from(round_trips)) + computing.0);
        let connection = &mut self.connections.slots[index];
        connection.travel = travel;
        connection.ready = now + Span(rest.0 - travel.0);
        if rest == Span::ZERO {
            return self.established(index);
        }
        self.calendar.schedule(now + rest, Event::Established(self.connections.slots.at(index)));
    }

    /// The first request can be at the end of a connection now; so can be those that have waited with it.
    pub(in crate::model) fn established(&mut self, index: u32) {
        let now = self.now();
        let connection = &mut self.connections.slots[index];
        if connection.state != State::Opening {
            return; // It was ended meanwhile.
        }
        connection.state = State::Open;
        (connection.idle_since, connection.end_idle_since) = (now, now);
        connection.passages.iter_mut().for_each(|passage| passage.last = now);
        let (pool, waiting, end) = (connection.pool, std::mem::take(&mut connection.waiting), connection.end);
        if let Some(record) = self.connections.record(pool, now) {
            record.opened += 1;
        }
        self.set_timer(index);
        for waiter in waiting {
            if self.attempts.is_current(waiter) {
                self.heads_for(waiter.index, end);
                self.arrives_on_connection(waiter.index);
            }
        }
    }

    /// The fault that keeps a try's connection from being opened, if any does.
    pub(in crate::model) fn blame_connection(&self, attempt: u32) -> u32 {
        let connection = self.connections.seat(attempt, self.attempts[attempt].open_hops);
        match connection.map(|index| self.connections.slots[index].end) {
            Some(TargetRef::Server(server)) => self.blame_server(server),
            _ => NONE,
        }
    }

    /// Where a try is going, as far as the books are concerned.
    fn heads_for(&mut self, attempt: u32, end: TargetRef) {
        if let TargetRef::Server(server) = end {
            let going = &mut self.attempts[attempt];
            going.server = server;
            going.phase = Phase::ToServer;
            let is_counted = self.requests[going.request].is_counted;
            self.recorder.attempt_sent(server, is_counted);
        }
    }

    /// A connection cannot be made, which its opener hears after `delay`.
    pub(in crate::model) fn opening_fails(&mut self, index: u32, fate: Fate, delay: Span) {
        let now = self.now();
        self.forget_passages(index, false);
        let connection = &mut self.connections.slots[index];
        connection.state = State::Closed;
        connection.fate = Some(fate);
        let pool = connection.pool;
        if let Some(record) = self.connections.record(pool, now) {
            record.failed += 1;
        }
        self.tell_opener(index, delay);
    }

    // ---- Flows --------------------------------------------------------------------------------------------------------

    /// An L4 balancer chooses the target of a new connection. `number` tells the connection from others of the same source.
    pub(in crate::model) fn choose_flow(&mut self, balancer: u32, source: &Source, number: u64) -> Option<TargetId> {
        use crate::model::sticky::Holder;
        use crate::policy::{Pick, Request};
        let now = self.now();
        let holder = Holder { user: None, address: source.address };
        let router = &mut self.balancers[balancer as usize];
        let target = match router.bound_to(holder, now, &[]) {
            Some(target) => target,
            None => match router.pick(&Request { now, address: source.address, session: number, path: "" }) {
                Pick::Target(target) => target,
                Pick::Wait | Pick::Nobody => return None,
            },
        };
        if let Some(sticky) = &mut router.sticky {
            sticky.answered(holder, target, now);
        }
        Some(target)
    }

    /// A try that makes a connection of its own, which nobody keeps, is at an L4 balancer.
    #[inline(never)]
    pub(in crate::model) fn route_flow(&mut self, attempt: u32, balancer: u32) {
        let depth = self.attempts[attempt].depth;
        let above = (0..depth).rev().map(|depth| self.hops[self.hop_place(attempt, depth)].balancer);
        let opener = above.into_iter().find(|above| !self.balancers[*above as usize].is_l4);
        let address = match opener {
            Some(opener) => balancer_address(opener),
            None => self.holder(&self.requests[self.attempts[attempt].request]).0.address,
        };
        let number = self.connections.number();
        let pick = self.choose_flow(balancer, &Source { address, party: None }, number);
        self.follow(attempt, pick.map_or(crate::policy::Pick::Nobody, crate::policy::Pick::Target));
    }

    // ---- On the way ---------------------------------------------------------------------------------------------------

    /// Sends a try on an open connection: along the way that was chosen when it was opened.
    fn send_on(&mut self, attempt: u32, index: u32) {
        let now = self.now();
        let (opener, passages, end) = self.way(index);
        let mut delay = Span::ZERO;
        for (place, passage) in passages.iter().enumerate() {
            let to = TargetRef::Balancer(passage.balancer);
            delay += self.leg_at(opener, place, to);
            if !self.passes(index, place, now + delay) {
                // The answer to a packet of a connection that nobody knows is a reset.
                let back = self.way_back(opener, &passages[..=place]);
                self.attempts[attempt].failure = Some(Failure::Reset);
                self.connection_ends(index, RESET, delay + back);
                return self.returns(attempt, delay + back);
            }
        }
        delay += self.leg_at(opener, passages.len(), end);
        self.heads_for(attempt, end);
        if delay == Span::ZERO {
            return self.arrives_on_connection(attempt);
        }
        self.calendar.schedule(now + delay, Event::OnConnection(self.attempts.at(attempt)));
    }

    fn way(&self, index: u32) -> (u32, Vec<Passage>, TargetRef) {
        let connection = &self.connections.slots[index];
        (self.connections.pools[connection.pool].opener, connection.passages.clone(), connection.end)
    }

    /// Time from the last of these balancers back to who opened the connection.
    fn way_back(&mut self, opener: u32, passages: &[Passage]) -> Span {
        let mut delay = Span::ZERO;
        for (place, passage) in passages.iter().enumerate().rev() {
            let to = TargetRef::Balancer(passage.balancer);
            delay += self.leg_at(opener, place, to);
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
        let is_closed = self.connections.slots[index].state == State::Closed;
        match self.connections.slots[index].end {
            TargetRef::Server(server) if is_closed => {
                if self.servers[server as usize].rare.blackholes > 0 {
                    return self.lose(attempt, self.blame_server(server));
                }
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
        let mut delay = self.leg_at(opener, passages.len(), end);
        for (place, passage) in passages.iter().enumerate().rev() {
            if is_open && !self.passes(index, place, now + delay) {
                // Forgotten meanwhile: the answer ends here, and nobody is told.
                self.attempts[attempt].phase = Phase::Forgotten;
                return true;
            }
            let to = TargetRef::Balancer(passage.balancer);
            delay += self.leg_at(opener, place, to);
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
        match self.next_waiter(pool) {
            Some(waiter) => self.use_connection(waiter, index),
            None => {
                self.connections.make_free(index, now);
                self.set_timer(index);
            }
        }
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

    /// What waits for a connection goes on with a new one, as far as there may be more.
    pub(in crate::model) fn serve_waiting(&mut self, pool: Ref) {
        let index = pool.index;
        // What happens at once may end in the pool's being dropped.
        while self.connections.pools.is_current(pool) {
            let has_room = self.connections.pools[index].open < self.connections.plan(index).max;
            let Some(waiter) = has_room.then(|| self.next_waiter(index)).flatten() else {
                return self.connections.drop_if_empty(index);
            };
            let opener = self.connections.pools[index].opener;
            let source = self.source(&self.requests[self.attempts[waiter].request], opener);
            self.open_connection(waiter, index, source);
        }
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

    /// Calls a handler with a connection unless the event is stale.
    pub(in crate::model) fn if_connected(&mut self, connection: Ref, handler: impl FnOnce(&mut World, u32)) {
        if self.connections.slots.is_current(connection) {
            handler(self, connection.index);
        }
    }
}

/// The address from which a balancer opens connections.
fn balancer_address(balancer: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 | balancer))
}
