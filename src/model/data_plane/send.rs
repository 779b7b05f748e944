//! Clients send: arrivals, sessions and closed loops become requests, and requests become attempts.

use super::travel::Leg;
use crate::model::attempt::{Attempt, Hop, Phase, Request};
use crate::model::client::{Draw, NONE};
use crate::model::event::Event;
use crate::model::link::Carried;
use crate::model::plan::ArrivalPlan;
use crate::model::slab::Slab;
use crate::model::world::World;
use crate::units::Time;

impl World {
    pub(in crate::model) fn begin_clients(&mut self) {
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
    pub(in crate::model) fn schedule_arrival(&mut self, index: u32) {
        let client = &mut self.clients[index as usize];
        if let Some(at) = client.next_arrival(self.plan.duration) {
            self.calendar.schedule_next(client.source, at, Event::Arrive { client: index });
        }
    }

    #[inline(always)]
    pub(in crate::model) fn arrive(&mut self, index: u32) {
        let plan = &self.topology.clients[index as usize];
        let client = &mut self.clients[index as usize];
        if let Some(session) = &plan.session {
            let actor = client.begin_session(index, session);
            let actor = self.actors.insert(actor);
            self.actor_sends(actor);
        } else {
            let draw = client.draw();
            self.send_request(index, NONE, draw);
        }
        self.schedule_arrival(index);
    }

    pub(in crate::model) fn actor_sends(&mut self, index: u32) {
        let actor = &mut self.actors[index];
        let client = actor.client;
        let draw = self.clients[client as usize].draw_for(actor);
        self.send_request(client, index, draw);
    }

    #[inline(always)]
    pub(in crate::model) fn send_request(&mut self, client: u32, actor: u32, draw: Draw) {
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
    pub(in crate::model) fn send_attempt(&mut self, request: u32) {
        let client = self.requests[request].client as usize;
        let attempt = self.new_attempt(Attempt::new(request, self.requests[request].work));
        self.requests[request].attempt = attempt;
        let sender = &mut self.clients[client];
        if let Some((timeout, lane)) = sender.timeout {
            let event = Event::ClientTimeout(self.requests.at(request));
            self.calendar.schedule_in(lane, self.calendar.now() + timeout, event);
        }
        if sender.keeps_connections {
            return self.client_takes_connection(attempt, client as u32);
        }
        let attempts = &self.attempts;
        match self.clients[client].link.carry(|| Event::AtBalancer(attempts.at(attempt)), &mut self.calendar) {
            Carried::Scheduled => {}
            Carried::AtOnce => self.at_balancer(attempt),
            Carried::ByPlace => self.travel(attempt, Leg::ToEntry),
        }
    }

    #[inline(always)]
    pub(in crate::model) fn new_attempt(&mut self, attempt: Attempt) -> u32 {
        let index = self.attempts.insert(attempt);
        self.make_room_for_hops();
        index
    }

    #[inline(always)]
    pub(in crate::model) fn make_room_for_hops(&mut self) {
        let places = self.attempts.capacity() as usize * self.depth_max;
        if self.hops.len() < places {
            self.hops.resize(places, Hop::new(0));
        }
    }

    #[inline(always)]
    pub(in crate::model) fn free_attempt(&mut self, attempt: u32) {
        free_attempt(&mut self.attempts, attempt);
    }
}

#[inline(always)]
pub(super) fn free_attempt(attempts: &mut Slab<Attempt>, attempt: u32) {
    attempts.remove(attempt).phase = Phase::Free;
}
