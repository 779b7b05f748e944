//! The same life of a request in one stride, for runs in which nothing can cut it short: no timeout, retry, session, network delay,
//! health check, fault or second balancer. What the steps in the other files ask at each corner is known beforehand here.
//! What goes wrong all the same (nobody to send to, a full queue) is handed to them. Results are the same to the bit, which a test holds.

use crate::measure::recorder::Served;
use crate::model::attempt::{Attempt, Hop, Phase, Request};
use crate::model::client::{Draw, NONE};
use crate::model::event::{Event, Packed};
use crate::model::plan::{ArrivalPlan, TargetRef, Topology, Users};
use crate::model::server::Admission;
use crate::model::sticky::NOBODY;
use crate::model::world::World;
use crate::policy::{self, Outcome, Pick};
use crate::scenario::Failure;
use crate::units::Span;

/// Whether nothing in a run can come between a request and its answer.
pub(crate) fn is_open_road(topology: &Topology) -> bool {
    let [balancer] = &topology.balancers[..] else { return false };
    if topology.watches_connections() || balancer.ways.is_l4 {
        return false;
    }
    let is_instant = |latency: &crate::dist::Sampler| latency.constant() == Some(Span::ZERO);
    let is_nowhere = topology.network.is_none();
    let waits_for_nothing = is_nowhere
        && balancer.check.is_none()
        && balancer.sticky.is_none()
        && balancer.retry.is_none()
        && balancer.routing.rules.is_empty();
    let waits_for_nothing = waits_for_nothing && balancer.routing.dns.is_none() && topology.operations.is_empty();
    let clients = topology.clients.iter().all(|client| {
        is_instant(&client.latency)
            && client.timeout.is_none()
            && client.retry.is_none()
            && client.session.is_none()
            && matches!(client.users, Users::Unbounded)
            && !matches!(client.arrivals, ArrivalPlan::Closed { .. } | ArrivalPlan::Trace(_))
    });
    let servers = topology.servers.iter().all(|server| is_instant(&server.latency) && !server.is_ps);
    let is_class_short = topology.classes.len() <= usize::from(u16::MAX);
    waits_for_nothing
        && is_class_short
        && balancer.timeout.is_none()
        && topology.faults.is_empty()
        && topology.cluster.is_none()
        && clients
        && servers
}

impl World {
    #[inline(always)]
    pub(in crate::model) fn handle_on_open_road(&mut self, event: Packed) {
        if let Some(client) = event.arrival() {
            let sender = &mut self.clients[client as usize];
            let draw = sender.draw_untraced();
            let (next, source) = (sender.next_arrival(self.plan.duration), sender.source);
            self.send_straight(client, draw);
            if let Some(at) = next {
                self.calendar.schedule_next(source, at, event);
            }
        } else if let Some((attempt, server)) = event.finished() {
            self.finish_and_answer(attempt.index, server);
        } else {
            self.handle(event);
        }
    }

    #[inline(always)]
    fn send_straight(&mut self, client: u32, Draw { class, path, user, work }: Draw) {
        let now = self.now();
        let is_counted = now >= self.plan.warmup;
        self.recorder.request_sent(is_counted);
        let request =
            || Request { client, class, path, user, actor: NONE, attempt: NONE, retries: 0, work, sent: now, is_counted, tried: None };
        let balancer = &mut self.balancers[self.entry as usize];
        let (holder, session, path) = match balancer.reads_request {
            true => {
                let (holder, session) = self.clients[client as usize].holder(user, None);
                (holder, session, &*self.topology.paths[path as usize])
            }
            false => (NOBODY, 0, ""),
        };
        let pick = balancer.pick(&policy::Request { now, address: holder.address, session, path });
        let Pick::Target(target) = pick else { return self.hold_up(request(), pick) };
        let TargetRef::Server(index) = balancer.to[target as usize] else { unreachable!("the only balancer has servers only") };
        balancer.sent(target);
        self.recorder.attempt_sent(index, is_counted);
        let server = &mut self.servers[index as usize];
        let duration = server.duration(work);
        let admission = server.admit_to_line(now);
        let phase = if admission == Admission::Waits { Phase::Queued } else { Phase::InService };
        let place = Attempt { server: index, target, mark: class as u16, open_hops: 1, phase, ..Attempt::new(NONE, work) };
        let attempt = self.attempts.insert_at(Attempt { duration, entered: now, ..place });
        match admission {
            Admission::Starts => self.calendar.schedule(now + duration, Event::Finished { attempt, server: index }),
            Admission::Waits => {
                if let Some(before) = server.lengthen_line(attempt.index) {
                    self.attempts[before].next = attempt.index;
                }
            }
            Admission::Refused => self.turn_back(request(), attempt.index),
        }
    }

    /// The policy lets it wait, or there is nobody to send it to.
    #[inline(never)]
    fn hold_up(&mut self, request: Request, pick: Pick) {
        let attempt = self.attempts.insert(Attempt::new(NONE, request.work));
        self.leave_open_road(request, attempt, Hop::new(self.entry));
        self.follow(attempt, pick);
    }

    /// From here on it is taken step by step.
    fn leave_open_road(&mut self, request: Request, attempt: u32, hop: Hop) {
        self.open_requests += 1;
        let request = self.requests.insert(Request { attempt, ..request });
        self.attempts[attempt].request = request;
        self.make_room_for_hops();
        self.hops[attempt as usize] = hop;
    }

    /// One that had waited in the balancer.
    #[inline(never)]
    fn finish_held_up(&mut self, attempt: u32) {
        self.finished(attempt);
    }

    /// The server's queue is full.
    #[inline(never)]
    fn turn_back(&mut self, request: Request, attempt: u32) {
        let target = self.attempts[attempt].target;
        let hop = Hop { target, sent: request.sent, ..Hop::new(self.entry) };
        self.leave_open_road(request, attempt, hop);
        self.answer_failure(attempt, Failure::Refused, NONE);
    }

    #[inline(always)]
    fn finish_and_answer(&mut self, attempt: u32, server: u32) {
        let now = self.now();
        if self.attempts[attempt].request != NONE {
            return self.finish_held_up(attempt);
        }
        let place = self.attempts.remove(attempt);
        place.phase = Phase::Free;
        let Attempt { mark, target, entered, duration, .. } = *place;
        self.servers[server as usize].release(now);
        self.start_waiting(server);
        let latency = now - entered;
        let is_counted = entered >= self.plan.warmup;
        let waiting = Span(latency.0.saturating_sub(duration.0));
        let served = Served { class: u32::from(mark), server, response: latency, waiting };
        self.recorder.served_and_answered(served, is_counted, now);
        let entry = self.entry;
        let balancer = &mut self.balancers[entry as usize];
        balancer.done(target, &Outcome { now, latency, is_answered: true, is_ok: true });
        if !balancer.line.is_empty() {
            self.dispatch_waiting(entry);
        }
    }
}
