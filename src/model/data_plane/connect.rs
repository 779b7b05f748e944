//! Connections that are kept: requests take them, open them or wait for them, travel on them, and leave them.

use crate::model::attempt::{Phase, Request};
use crate::model::client::NONE;
use crate::model::cluster::Address;
use crate::model::connection::{Connection, Fate, Passage, Source, State};
use crate::model::connections::Offer;
use crate::model::event::{Event, Ref};
use crate::model::places::distance;
use crate::model::plan::TargetRef;
use crate::model::server::Presence;
use crate::model::world::World;
use crate::policy::TargetId;
use crate::rng;
use crate::scenario::Failure;
use crate::units::Span;
use std::net::{IpAddr, Ipv4Addr};

/// As Linux does: `tcp_syn_retries`.
pub(super) const FIRST_PACKET_REPEATS: u32 = 6;

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
                    let waiting = &mut self.connections.pools[pool].waiting;
                    if waiting.len() == waiting.capacity() {
                        waiting.retain(|(waiter, _)| self.attempts.is_current(*waiter));
                    }
                    return waiting.push_back(waiter);
                }
            }
        }
    }

    /// Who opens a connection for a request: the user or all users of a client, or the balancer.
    pub(super) fn source(&self, request: &Request, opener: u32) -> Source {
        let is_per_user = self.connections.openers[opener as usize].as_ref().is_some_and(|opener| opener.plan.is_per_user);
        let holder = self.holder(request).0;
        let user = if is_per_user { holder.user } else { Some(0) };
        let address = match opener.checked_sub(self.clients.len() as u32) {
            None => holder.address,
            Some(balancer) => balancer_address(balancer),
        };
        Source { opener, address, party: user.map(|user| (opener, user)) }
    }

    /// Puts a try on a connection, and sends it as soon as the handshake is done.
    pub(super) fn use_connection(&mut self, attempt: u32, connection: u32) {
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
            let waiting = &mut self.connections.slots[connection].waiting;
            if waiting.len() == waiting.capacity() {
                waiting.retain(|waiter| self.attempts.is_current(*waiter));
            }
            waiting.push(waiter);
        }
    }

    // ---- Opening ------------------------------------------------------------------------------------------------------

    pub(super) fn open_connection(&mut self, attempt: u32, pool: u32, source: Source) {
        let now = self.now();
        let opener = self.connections.pools[pool].opener;
        let first = match opener.checked_sub(self.clients.len() as u32) {
            None => TargetRef::Balancer(self.entry),
            Some(balancer) => self.balancers[balancer as usize].to[self.connections.pools[pool].target as usize],
        };
        let connection = self.connections.open(pool, first, source, now);
        self.use_connection(attempt, connection);
        self.set_timer(connection);
        let delay = self.leg(opener, &[], first);
        self.first_packet_goes_on(connection, delay);
    }

    fn first_packet_goes_on(&mut self, connection: u32, delay: Span) {
        self.connections.slots[connection].travel += delay;
        if delay == Span::ZERO {
            return self.first_packet_arrives(connection);
        }
        let at = self.now() + delay;
        self.calendar.schedule(at, Event::FirstPacket(self.connections.slots.at(connection)));
    }

    /// Time to a balancer or server from what stands before it on the way of a connection, one way or the other.
    pub(super) fn leg(&mut self, opener: u32, before: &[Passage], to: TargetRef) -> Span {
        let topology = self.topology.clone();
        let ends = self.ends_of_leg(opener, before, to);
        let way = ends.zip(topology.network.as_ref()).map(|((outer, inner), network)| network.delay(distance(outer, inner)));
        match (self.clients.get_mut(opener as usize), to) {
            (Some(client), _) if before.is_empty() => client.link.draw(way),
            (_, TargetRef::Balancer(balancer)) => self.balancers[balancer as usize].link.draw(way),
            (_, TargetRef::Server(server)) => self.server_links[server as usize].draw(way),
        }
    }

    /// The first packet of a connection: an L4 balancer chooses the target for all that will follow, the end answers.
    pub(in crate::model) fn first_packet_arrives(&mut self, index: u32) {
        let now = self.now();
        if self.connections.slots[index].state != State::Opening {
            return; // It was ended meanwhile.
        }
        let end = self.connections.slots[index].end;
        if let TargetRef::Balancer(balancer) = end
            && let Some(strike) = self.cut_off_by(balancer)
        {
            return self.first_packet_is_lost(index, strike); // Its node is lost.
        }
        match end {
            TargetRef::Balancer(balancer) if self.balancers[balancer as usize].is_l4 => {
                let Connection { source, number, travel, .. } = self.connections.slots[index];
                let Some(target) = self.choose_flow(balancer, &source, number) else {
                    let strike = self.blame_balancer(balancer);
                    if self.drops(balancer) {
                        return self.first_packet_is_lost(index, strike);
                    }
                    let fate = Fate { failure: Failure::NoServer, strike, is_timeout: false };
                    return self.opening_fails(index, fate, travel);
                };
                self.balancers[balancer as usize].sent(target);
                let to = self.balancers[balancer as usize].to[target as usize];
                let passage = Passage { balancer, target, reached: travel, last: now, is_counted: true };
                let connection = &mut self.connections.slots[index];
                connection.passages.push(passage);
                connection.end = to;
                let (opener, passages, _) = self.way(index);
                let delay = self.leg(opener, &passages, to);
                self.first_packet_goes_on(index, delay);
            }
            TargetRef::Balancer(balancer) => self.shake_hands(index, balancer as usize),
            TargetRef::Server(server) => {
                let address = self.address_of_end(index);
                if address == Address::Silent {
                    self.connections.slots[index].is_to_nobody = true;
                    return self.first_packet_is_lost(index, self.blame_address(server));
                }
                let state = &self.servers[server as usize].rare;
                if state.blackholes > 0 {
                    return self.first_packet_is_lost(index, self.blame_server(server));
                }
                if state.crashes > 0 || state.presence != Presence::Serving || address == Address::Refuses {
                    let fate = Fate { failure: Failure::ConnectFailure, strike: self.blame_address(server), is_timeout: false };
                    let travel = self.connections.slots[index].travel;
                    return self.opening_fails(index, fate, travel);
                }
                self.shake_hands(index, self.balancers.len() + server as usize);
            }
        }
    }

    /// Nothing answers. The packet is sent again after 1 s, 2 s, 4 s, ...; after the last time its opener gives up.
    fn first_packet_is_lost(&mut self, index: u32, strike: u32) {
        let connection = &mut self.connections.slots[index];
        // The fault may be over when somebody gives up waiting for the next one.
        connection.lost_by = strike;
        let wait = Span::from_secs(1 << connection.repeats);
        if connection.repeats == FIRST_PACKET_REPEATS {
            let fate = Fate { failure: Failure::ConnectFailure, strike, is_timeout: true };
            return self.opening_fails(index, fate, wait);
        }
        connection.repeats += 1;
        let at = self.now() + wait;
        self.calendar.schedule(at, Event::FirstPacket(self.connections.slots.at(index)));
    }

    /// The first packet is at the end: from here it takes its answer, the round trips of TLS and the time that they compute, and the way
    /// of the first request. `end` is its place among those that may end TLS.
    fn shake_hands(&mut self, index: u32, end: usize) {
        let now = self.now();
        let Connection { source, travel, .. } = self.connections.slots[index];
        let mut handshake = (0, Span::ZERO, None);
        if let Some(tls) = &mut self.connections.terminators[end] {
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
                self.count_legs(waiter.index, index);
                self.heads_for(waiter.index, end);
                self.arrives_on_connection(waiter.index);
            }
        }
    }

    /// Where a try is going, as far as the books are concerned.
    pub(super) fn heads_for(&mut self, attempt: u32, end: TargetRef) {
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
        if self.balancers[balancer as usize].name().is_some() {
            return self.resolve_for(balancer, source, number);
        }
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
        let pick = self.choose_flow(balancer, &Source { opener: NONE, address, party: None }, number);
        self.follow(attempt, pick.map_or(crate::policy::Pick::Nobody, crate::policy::Pick::Target));
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
