//! Balancers route: from one to the next, to a target, or into their own line.

use crate::model::attempt::{Hop, Phase, Request};
use crate::model::client::NONE;
use crate::model::event::Event;
use crate::model::plan::TargetRef;
use crate::model::sticky::{Holder, NOBODY};
use crate::model::world::World;
use crate::policy::{self, Pick, TargetId};
use crate::scenario::Failure;

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
    pub(in crate::model) fn route(&mut self, attempt: u32) {
        let now = self.now();
        let place = self.hop_place(attempt, self.attempts[attempt].depth);
        let balancer = self.hops[place].balancer;
        let request = &self.requests[self.attempts[attempt].request];
        let router = &self.balancers[balancer as usize];
        let (holder, session) = if router.reads_request { self.holder(request) } else { (NOBODY, 0) };
        let path = if router.reads_request { &self.topology.paths[request.path as usize] } else { "" };
        let seen = policy::Request { now, address: holder.address, session, path };
        let pick = self.balancers[balancer as usize].choose(&seen, holder, request.tried());
        self.follow(attempt, pick);
    }

    /// Does what the balancer has chosen.
    #[inline(always)]
    pub(in crate::model) fn follow(&mut self, attempt: u32, pick: Pick) {
        let now = self.now();
        let place = self.hop_place(attempt, self.attempts[attempt].depth);
        let balancer = self.hops[place].balancer;
        match pick {
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
    pub(in crate::model) fn dispatch_waiting(&mut self, balancer: u32) {
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
}
