//! Messages travel between places: the delay between two zones or nodes on top of the link's own, both ways, and what crosses zones is
//! counted. Only where the scenario says where things stand; other links carry by themselves.

use crate::dist::Sampler;
use crate::model::connection::Passage;
use crate::model::event::Event;
use crate::model::places::{NOWHERE, Place, crosses_zones, distance};
use crate::model::plan::TargetRef;
use crate::model::world::World;
use crate::units::Span;

/// A part of a request's way there, or of its result's way back. The attempt's depth is that of the hop it arrives at.
#[derive(Clone, Copy)]
pub(in crate::model) enum Leg {
    ToEntry,
    ToBalancer(u32),
    ToServer(u32),
    FromServer(u32),
    /// From this balancer to the one outside it.
    FromBalancer(u32),
    ToClient,
}

impl World {
    /// Takes an attempt, or its result, over one leg.
    #[inline(never)]
    pub(in crate::model) fn travel(&mut self, attempt: u32, leg: Leg) {
        let depth = usize::from(self.attempts[attempt].depth);
        let ends = match leg {
            Leg::ToEntry | Leg::ToClient => self.outer_end(attempt, 0).zip(self.balancer_end(self.entry)),
            Leg::ToBalancer(inner) => self.outer_end(attempt, depth).zip(self.balancer_end(inner)),
            Leg::FromBalancer(inner) => self.outer_end(attempt, depth + 1).zip(self.balancer_end(inner)),
            Leg::ToServer(server) | Leg::FromServer(server) => self.outer_end(attempt, depth + 1).zip(self.server_end(server)),
        };
        if matches!(leg, Leg::ToEntry | Leg::ToBalancer(_) | Leg::ToServer(_)) {
            self.count_passage(attempt, ends);
        }
        let topology = &self.topology;
        let way = ends.zip(topology.network.as_ref()).map(|((outer, inner), network)| network.delay(distance(outer, inner)));
        let delay = match leg {
            Leg::ToEntry | Leg::ToClient => self.clients[self.requests[self.attempts[attempt].request].client as usize].link.draw(way),
            Leg::ToBalancer(inner) | Leg::FromBalancer(inner) => self.balancers[inner as usize].link.draw(way),
            Leg::ToServer(server) | Leg::FromServer(server) => self.server_links[server as usize].draw(way),
        };
        self.arrive_after(attempt, leg, delay);
    }

    fn arrive_after(&mut self, attempt: u32, leg: Leg, delay: Span) {
        let at = self.now() + delay;
        let slot = self.attempts.at(attempt);
        match leg {
            Leg::ToEntry | Leg::ToBalancer(_) if delay == Span::ZERO => self.at_balancer(attempt),
            Leg::ToEntry | Leg::ToBalancer(_) => self.calendar.schedule(at, Event::AtBalancer(slot)),
            Leg::ToServer(_) if delay == Span::ZERO => self.at_server(attempt),
            Leg::ToServer(_) => self.calendar.schedule(at, Event::AtServer(slot)),
            Leg::FromServer(_) | Leg::FromBalancer(_) if delay == Span::ZERO => self.result_at_balancer(attempt),
            Leg::FromServer(_) | Leg::FromBalancer(_) => self.calendar.schedule(at, Event::ResultAtBalancer(slot)),
            Leg::ToClient if delay == Span::ZERO => self.result_at_client(attempt),
            Leg::ToClient => self.calendar.schedule(at, Event::ResultAtClient(slot)),
        }
    }

    /// Where a message to what stands inside hop `depth - 1` comes from: the next balancer outside that is a machine, or the client.
    /// Nothing for a client that is near to everything.
    fn outer_end(&self, attempt: u32, depth: usize) -> Option<Place> {
        let first = self.hop_place(attempt, 0);
        let machine = (0..depth).rev().find_map(|depth| self.balancer_end(self.hops[first + depth].balancer));
        machine.or_else(|| {
            let client = self.requests[self.attempts[attempt].request].client as usize;
            self.places.as_ref().map(|places| places.clients[client]).filter(|place| *place != NOWHERE)
        })
    }

    /// Where a balancer stands, if it is a machine.
    fn balancer_end(&self, balancer: u32) -> Option<Place> {
        let is_machine = !self.topology.balancers[balancer as usize].routing.is_transparent;
        self.places.as_ref().filter(|_| is_machine).map(|places| places.balancers[balancer as usize])
    }

    fn server_end(&self, server: u32) -> Option<Place> {
        self.places.as_ref().map(|places| places.servers[server as usize])
    }

    fn count_passage(&mut self, attempt: u32, ends: Option<(Place, Place)>) {
        let request = &self.requests[self.attempts[attempt].request];
        if let (Some((outer, inner)), Some(places)) = (ends, &mut self.places)
            && request.is_counted
            && outer.has_zone()
            && inner.has_zone()
        {
            places.crossings.pass(crosses_zones(outer, inner), self.topology.classes[request.class as usize].size);
        }
    }

    /// The ends of a part of a connection's way: the last machine before it, or who opened the connection, and where it leads. Nothing
    /// where one of them is near to everything.
    pub(in crate::model) fn ends_of_leg(&self, opener: u32, before: &[Passage], to: TargetRef) -> Option<(Place, Place)> {
        let places = self.places.as_ref()?;
        let machine = before.iter().rev().find_map(|passage| self.balancer_end(passage.balancer));
        let outer = machine.or_else(|| match opener.checked_sub(self.clients.len() as u32) {
            None => Some(places.clients[opener as usize]).filter(|place| *place != NOWHERE),
            // A part of a balancer stands where the whole does.
            Some(balancer) => Some(places.balancers[balancer as usize]),
        });
        let inner = match to {
            TargetRef::Balancer(balancer) => self.balancer_end(balancer),
            TargetRef::Server(server) => self.server_end(server),
        };
        outer.zip(inner)
    }

    /// A request passes a part of its connection's way.
    pub(in crate::model) fn count_leg(&mut self, attempt: u32, opener: u32, before: &[Passage], to: TargetRef) {
        let ends = self.ends_of_leg(opener, before, to);
        self.count_passage(attempt, ends);
    }

    /// A request has passed the whole way of a connection.
    pub(in crate::model) fn count_legs(&mut self, attempt: u32, connection: u32) {
        if self.places.is_none() {
            return;
        }
        let (opener, passages, end) = self.way(connection);
        for (place, passage) in passages.iter().enumerate() {
            self.count_leg(attempt, opener, &passages[..place], TargetRef::Balancer(passage.balancer));
        }
        self.count_leg(attempt, opener, &passages, end);
    }

    /// How long a check travels one way.
    pub(in crate::model) fn check_travels(&mut self, checker: u32) -> Span {
        let topology = &self.topology;
        let checker = &mut self.checkers[checker as usize];
        let way: Option<&Sampler> = topology.network.as_ref().zip(self.places.as_ref()).map(|(network, places)| {
            let to = places.target(self.balancers[checker.balancer as usize].to[checker.target as usize]);
            network.delay(distance(places.balancers[checker.balancer as usize], to))
        });
        checker.draw_latency(way)
    }

    /// A pod has been placed: from now on the server stands there.
    pub(in crate::model) fn move_server(&mut self, server: u32, place: Place) {
        if let Some(places) = &mut self.places {
            places.servers[server as usize] = place;
        }
    }
}
