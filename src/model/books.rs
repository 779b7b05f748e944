//! The end of a run: what is open is played out or counted as it stands, and the books become the run's record.

use super::attempt::{Attempt, Hop, Phase, Request};
use super::client;
use super::event::Event;
use super::world::World;
use crate::measure::{RunRecord, ServerRecord};
use crate::sim::Turn;
use crate::units::Span;

/// Draining ends after this span at the latest, or after the length of the run: what has no timeout may never end.
const DRAIN_MIN: Span = Span::from_secs(60);

impl World {
    /// The window is over.
    pub(super) fn end(&mut self) {
        let end = self.plan.duration;
        debug_assert!(self.is_balanced(), "what balancers and servers count is what is there");
        if (self.recorder.timeline.bins.len() as u64) * self.plan.timeline_bin.0 < end.0 {
            self.end_bin(end);
        }
        self.load_at_end = self.servers.iter_mut().map(|server| server.load(end)).collect();
    }

    /// Plays what is open to its end.
    pub(super) fn drain(&mut self) {
        let turn = Turn::after(self.plan.duration + DRAIN_MIN.max(Span(self.plan.duration.0)));
        while self.open_requests > 0
            && let Some(event) = self.calendar.next(turn)
        {
            self.events += 1;
            if !matches!(event.unpack(), Event::Arrive { .. } | Event::ActorSends { .. }) {
                self.handle(event);
            }
        }
    }

    /// Closes the books.
    pub(super) fn finish(mut self) -> RunRecord {
        let end = self.plan.duration;
        let (unfinished, stuck) = self.close_requests();
        let ended = self.now().max(end);
        let window = end - self.plan.warmup;
        self.recorder.close_servers();
        let servers = (0..self.servers.len()).map(|server| self.server_record(server, window.0 as f64)).collect();
        let lone = self.topology.clients.iter().filter(|client| client.users.count() == 0 && client.session.is_none());
        let lone_classes: Vec<u32> = lone.flat_map(|client| client.classes.iter().map(|choice| choice.class)).collect();
        self.recorder.close_users(lone_classes.into_iter());
        let pods = self.pod_records();
        let recorder = self.recorder;
        RunRecord {
            pods,
            window_s: window.as_secs_f64(),
            requests: recorder.requests,
            unfinished,
            stuck,
            answered: recorder.answered,
            retried: recorder.retried,
            attempts: recorder.attempts(),
            classes: recorder.classes,
            servers,
            users: recorder.users,
            failover: recorder.failover.finish(ended),
            affinity: recorder.affinity,
            checks_sent: recorder.checks_sent,
            checks_failed: recorder.checks_failed,
            openers: self.connections.close_books(),
            statuses: recorder.statuses,
            paths: self.ways.map_or_else(Vec::new, |ways| ways.classes),
            timeline: recorder.timeline,
            names: self.balancers.iter_mut().filter_map(|balancer| balancer.name().map(|(name, _)| name.record.clone())).collect(),
            crossings: self.places.map(|places| places.crossings),
            history: recorder.history,
            truncation: recorder.pilot.map(|pilot| pilot.truncation()),
            events: self.events,
        }
    }

    /// Whether the balancers' requests in flight and the servers' requests are those of the attempts that are open.
    fn is_balanced(&self) -> bool {
        let (mut in_flight, mut at_servers) = (0, vec![0; self.servers.len()]);
        for attempt in (0..self.attempts.capacity()).map(|attempt| &self.attempts[attempt]) {
            in_flight += if attempt.is_free() || attempt.is_abandoned || attempt.phase == Phase::Cancelled {
                0
            } else {
                u32::from(attempt.open_hops)
            };
            if matches!(attempt.phase, Phase::Queued | Phase::InService) {
                at_servers[attempt.server as usize] += 1;
            }
        }
        in_flight + self.connections.counted_by_balancers()
            == self.balancers.iter().flat_map(|balancer| &balancer.targets.in_flight).sum::<u32>()
            && self.connections.are_balanced()
            && self.servers.iter().zip(at_servers).all(|(server, at_server)| server.busy + server.waiting == at_server)
    }

    /// Requests that are open at the end count as unfinished, and those that nothing will ever answer as stuck, too; open
    /// sessions tell what their users got so far.
    fn close_requests(&mut self) -> (u64, u64) {
        for actor in 0..self.actors.capacity() {
            self.tell_session_latency(actor);
        }
        let (mut unfinished, mut stuck) = (0, 0);
        for request in 0..self.requests.capacity() {
            let Request { attempt, sent, is_counted, .. } = self.requests[request];
            if !self.requests[request].is_open() || !is_counted {
                continue;
            }
            unfinished += 1;
            let times_out = self.clients[self.requests[request].client as usize].timeout.is_some();
            if !times_out && attempt != client::NONE && self.is_lost_for_good(attempt) {
                stuck += 1;
                let strike = self.attempts[attempt].strike;
                if let Some(strike) = self.fault_to_blame(strike, true) {
                    self.recorder.failover.request_failed(strike, sent);
                }
            }
        }
        // The open road keeps no requests.
        let at_server = |attempt: &Attempt| matches!(attempt.phase, Phase::Queued | Phase::InService);
        let lone = |attempt: &Attempt| attempt.request == client::NONE && attempt.check == client::NONE && at_server(attempt);
        let attempts = (0..self.attempts.capacity()).map(|attempt| &self.attempts[attempt]);
        unfinished += attempts.filter(|attempt| lone(attempt) && attempt.entered >= self.plan.warmup).count() as u64;
        (unfinished, stuck)
    }

    /// Swallowed, and no balancer on its way gives up either.
    fn is_lost_for_good(&self, attempt: u32) -> bool {
        let first = self.hop_place(attempt, 0);
        let open = &self.hops[first..first + usize::from(self.attempts[attempt].open_hops)];
        let times_out = |hop: &Hop| self.balancers[hop.balancer as usize].timeout.is_some();
        matches!(self.attempts[attempt].phase, Phase::Lost | Phase::Forgotten) && !open.iter().any(times_out)
    }

    fn server_record(&mut self, index: usize, window_ns: f64) -> ServerRecord {
        let load = self.load_at_end[index];
        let before = self.load_at_warmup[index];
        let slots = self.topology.servers[index].slots;
        let busy = (load.busy - before.busy) as f64;
        let running = (load.running - before.running) as f64;
        let per_window = |integral: f64| if window_ns > 0.0 { integral / window_ns } else { 0.0 };
        let attempts = self.recorder.attempts_to(index);
        ServerRecord {
            was_empty: running == 0.0 && attempts == 0 && self.is_unused_place(index as u32),
            attempts,
            mean_busy: per_window(busy),
            utilization: (slots != u32::MAX).then(|| if running > 0.0 { busy / (f64::from(slots) * running) } else { 0.0 }),
            mean_queue: per_window((load.waiting - before.waiting) as f64),
            up: per_window((load.up - before.up) as f64),
            response: std::mem::take(&mut self.recorder.server_response[index]),
        }
    }
}
