//! Balancers route: from one to the next, to a target, or into their own line.

use super::travel::Leg;
use crate::model::attempt::{Hop, Phase, Request};
use crate::model::client::NONE;
use crate::model::event::Event;
use crate::model::line::Waiter;
use crate::model::link::Carried;
use crate::model::plan::TargetRef;
use crate::model::sticky::{Holder, NOBODY};
use crate::model::world::World;
use crate::policy::{self, Pick, TargetId};
use crate::scenario::Failure;
use crate::units::Time;

impl World {
    #[inline(always)]
    pub(in crate::model) fn hop_place(&self, attempt: u32, depth: u8) -> usize {
        attempt as usize * self.depth_max + usize::from(depth)
    }

    #[inline(always)]
    pub(in crate::model) fn hop(&self, attempt: u32) -> Hop {
        self.hops[self.hop_place(attempt, self.attempts[attempt].depth)]
    }

    #[inline(always)]
    pub(in crate::model) fn at_balancer(&mut self, attempt: u32) {
        let depth = self.attempts[attempt].depth;
        let place = self.hop_place(attempt, depth);
        let balancer = match depth {
            0 => self.entry,
            _ => {
                let outer = self.hops[place - 1];
                match self.balancers[outer.balancer as usize].to[outer.target as usize] {
                    TargetRef::Balancer(inner) => inner,
                    TargetRef::Server(_) => unreachable!("a deeper hop follows a balancer only"),
                }
            }
        };
        self.enter_balancer(attempt, balancer);
    }

    /// A try reaches a balancer at the depth that it says.
    #[inline(always)]
    pub(in crate::model) fn enter_balancer(&mut self, attempt: u32, balancer: u32) {
        self.begin_hop(attempt, balancer);
        let now = self.now();
        if let Some(retries) = &mut self.balancers[balancer as usize].retries {
            retries.first_try(now);
        }
        self.route(attempt);
    }

    #[inline(always)]
    pub(in crate::model) fn begin_hop(&mut self, attempt: u32, balancer: u32) {
        let place = self.hop_place(attempt, self.attempts[attempt].depth);
        self.hops[place] = Hop::new(balancer);
    }

    /// Who sends a request, as balancers tell users apart.
    #[inline(never)]
    pub(in crate::model) fn holder(&self, request: &Request) -> (Holder, u64) {
        let session = (request.actor != NONE).then(|| self.actors[request.actor].id);
        self.clients[request.client as usize].holder(request.user, session)
    }

    #[inline(always)]
    pub(in crate::model) fn route(&mut self, attempt: u32) {
        let now = self.now();
        let place = self.hop_place(attempt, self.attempts[attempt].depth);
        let balancer = self.hops[place].balancer;
        let request = &self.requests[self.attempts[attempt].request];
        let router = &self.balancers[balancer as usize];
        let (holder, session) = match router.reads_request {
            true if router.finder.is_some() => return self.find(attempt, balancer),
            true if router.is_l4 => return self.route_flow(attempt, balancer),
            true => self.holder(request),
            false => (NOBODY, 0),
        };
        let path = if router.reads_request { &self.topology.paths[request.path as usize] } else { "" };
        if let Some(target) = self.bound_to(balancer, holder, now, request.tried()) {
            return match router.has_room(target) {
                true => self.send_to_target(attempt, balancer, target),
                false => self.wait(attempt, Some(target)),
            };
        }
        let seen = policy::Request { now, address: holder.address, session, path };
        let pick = self.balancers[balancer as usize].choose(&seen, request.tried());
        self.follow(attempt, pick);
    }

    /// The target that a user is bound to, in the table of the balancer or of its first copy.
    #[inline(always)]
    fn bound_to(&self, balancer: u32, holder: Holder, now: Time, tried: &[u32]) -> Option<TargetId> {
        let router = &self.balancers[balancer as usize];
        let own = router.sticky.as_ref()?;
        let keeper = self.keeper_of_cookies(balancer);
        let table = if keeper == balancer { own } else { self.balancers[keeper as usize].sticky.as_ref()? };
        router.bound_in(table, holder, now, tried)
    }

    /// Does what the balancer has chosen.
    #[inline(always)]
    pub(in crate::model) fn follow(&mut self, attempt: u32, pick: Pick) {
        let place = self.hop_place(attempt, self.attempts[attempt].depth);
        let balancer = self.hops[place].balancer;
        match pick {
            Pick::Target(target) => self.send_to_target(attempt, balancer, target),
            Pick::Wait => self.wait(attempt, None),
            Pick::Nobody => self.finds_nobody(attempt, balancer),
        }
    }

    #[inline(never)]
    fn finds_nobody(&mut self, attempt: u32, balancer: u32) {
        if let Some(strike) = self.cut_off_by(balancer) {
            return self.lose_at_balancer(attempt, strike);
        }
        let strike = self.blame_balancer(balancer);
        if self.drops(balancer) {
            return self.lose_at_balancer(attempt, strike);
        }
        self.attempts[attempt].strike = strike;
        self.attempts[attempt].failure = Some(Failure::NoServer);
        self.leave_balancer(attempt, balancer);
    }

    #[inline(always)]
    pub(in crate::model) fn send_to_target(&mut self, attempt: u32, balancer: u32, target: TargetId) {
        let now = self.now();
        let place = self.hop_place(attempt, self.attempts[attempt].depth);
        self.balancers[balancer as usize].sent(target);
        self.last_token = self.last_token.wrapping_add(1);
        let hop = &mut self.hops[place];
        hop.target = target;
        hop.sent = now;
        hop.token = self.last_token;
        self.attempts[attempt].open_hops += 1;
        if self.balancers[balancer as usize].minds_sending {
            if let Some((timeout, lane)) = self.balancers[balancer as usize].timeout {
                let request = self.requests.at(self.attempts[attempt].request);
                let event = Event::BalancerTimeout { request, token: self.last_token, is_connect: false };
                self.calendar.schedule_in(lane, now + timeout, event);
            }
            if self.balancers[balancer as usize].keeps_connections {
                return self.balancer_takes_connection(attempt, balancer, target);
            }
        }
        let attempts = &mut self.attempts;
        match self.balancers[balancer as usize].to[target as usize] {
            TargetRef::Balancer(inner) => {
                attempts[attempt].depth += 1;
                match self.balancers[inner as usize].link.carry(|| Event::AtBalancer(attempts.at(attempt)), &mut self.calendar) {
                    Carried::Scheduled => {}
                    Carried::AtOnce => self.at_balancer(attempt),
                    Carried::ByPlace => self.travel(attempt, Leg::ToBalancer(inner)),
                }
            }
            TargetRef::Server(server) => {
                attempts[attempt].server = server;
                attempts[attempt].phase = Phase::ToServer;
                let is_counted = self.requests[attempts[attempt].request].is_counted;
                self.recorder.attempt_sent(server, is_counted);
                match self.server_links[server as usize].carry(|| Event::AtServer(attempts.at(attempt)), &mut self.calendar) {
                    Carried::Scheduled => {}
                    Carried::AtOnce => self.at_server(attempt),
                    Carried::ByPlace => self.travel(attempt, Leg::ToServer(server)),
                }
            }
        }
    }

    /// It waits at the balancer for any target, or for the one that its user is bound to. Who is being dispatched has a number
    /// in the line and keeps it.
    #[inline(never)]
    fn wait(&mut self, attempt: u32, bound_to: Option<TargetId>) {
        let now = self.now();
        let place = self.hop_place(attempt, self.attempts[attempt].depth);
        let hop = &mut self.hops[place];
        hop.waits_since = hop.waits_since.min(now);
        let balancer = &mut self.balancers[hop.balancer as usize];
        let number = match balancer.dispatched.filter(|waiter| waiter.attempt == self.attempts.at(attempt)) {
            Some(waiter) => waiter.number,
            None => balancer.line.number(),
        };
        balancer.line.put(Waiter { number, attempt: self.attempts.at(attempt) }, bound_to);
    }

    /// Sends on what waits in a balancer as far as there is room. Not recursive: a target that refuses at once ends here too.
    #[inline(never)]
    pub(in crate::model) fn dispatch_waiting(&mut self, balancer: u32) {
        let index = balancer as usize;
        if self.balancers[index].line.is_empty() || self.balancers[index].dispatched.is_some() {
            return;
        }
        while let Some(waiter) = self.balancers[index].next_in_line() {
            if !self.attempts.is_current(waiter.attempt) {
                continue;
            }
            self.balancers[index].dispatched = Some(waiter);
            self.route(waiter.attempt.index);
            if self.balancers[index].line.waits_for_any(waiter.number) {
                // No target has room, so nobody else can go either.
                break;
            }
        }
        self.balancers[index].dispatched = None;
    }
}
