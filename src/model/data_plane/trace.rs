//! Keeps the ways of requests, where they are told: what a try has passed is noted when its server is done with it, and counted when its
//! answer is at the client.

use crate::measure::Status;
use crate::measure::paths::{PathRecord, Served};
use crate::measure::statuses::mark;
use crate::model::client::NONE;
use crate::model::event::Ref;
use crate::model::plan::{TargetRef, Topology};
use crate::model::world::World;
use crate::scenario::Failure;
use crate::units::{Span, Time};

/// The ways of requests by class, and those of the tries that are under way back.
pub(in crate::model) struct Ways {
    pub classes: Vec<PathRecord>,
    /// By slot of an attempt.
    served: Vec<Option<Served>>,
    passed: Vec<Passed>,
}

/// The balancers that a try has passed on open connections, each with the segment of its way and the time.
#[derive(Clone)]
struct Passed {
    attempt: Ref,
    stops: Vec<(u8, u32, Time)>,
}

impl Ways {
    pub fn of(topology: &Topology) -> Option<Box<Ways>> {
        let classes = vec![PathRecord::new(topology.balancers.len()); topology.classes.len()];
        Ways::are_told(topology).then(|| Box::new(Ways { classes, served: Vec::new(), passed: Vec::new() }))
    }

    /// Where there is more on the way than balancers that look at requests.
    pub fn are_told(topology: &Topology) -> bool {
        let keeps = topology.clients.iter().any(|client| client.kept.is_some());
        let is_told = topology.balancers.iter().any(|balancer| {
            let ways = &balancer.ways;
            ways.is_l4 || ways.kept.is_some() || ways.tls.is_some() || !balancer.routing.rules.is_empty()
        });
        keeps || is_told || topology.cluster.is_some()
    }
}

impl World {
    /// A try on an open connection passes a balancer that looks at connections only.
    pub(in crate::model) fn note_passage(&mut self, attempt: u32, balancer: u32, at: Time) {
        let Some(ways) = &mut self.ways else { return };
        let slot = self.attempts.at(attempt);
        let place = attempt as usize;
        if ways.passed.len() <= place {
            ways.passed.resize(place + 1, Passed { attempt: slot, stops: Vec::new() });
        }
        let passed = &mut ways.passed[place];
        if passed.attempt != slot {
            passed.stops.clear();
            passed.attempt = slot;
        }
        passed.stops.push((self.attempts[attempt].open_hops, balancer, at));
    }

    /// The server has done the work of a try.
    #[inline(never)]
    pub(in crate::model) fn note_way(&mut self, attempt: u32, entered: Time, duration: Span) {
        let open = self.attempts[attempt].open_hops;
        let mut stops = Vec::new();
        let mut is_first_try = true;
        for segment in 0..=open {
            let mut at = match segment {
                0 => self.requests[self.attempts[attempt].request].sent,
                _ => self.hops[self.hop_place(attempt, segment - 1)].sent,
            };
            let end = if segment < open { self.hops[self.hop_place(attempt, segment)].sent } else { entered };
            let slot = self.attempts.at(attempt);
            let passed = self.ways.as_ref().and_then(|ways| ways.passed.get(attempt as usize)).filter(|passed| passed.attempt == slot);
            let on_segment = passed.into_iter().flat_map(|passed| &passed.stops).filter(|(of, ..)| *of == segment);
            let before = stops.len();
            stops.extend(on_segment.map(|&(_, balancer, at)| (balancer, at)));
            // Who has waited for a connection came with its handshake: it has passed what the first packet had passed.
            if let Some(connection) = self.connections.seat(attempt, segment).filter(|_| stops.len() == before) {
                let mut reached = Span::ZERO;
                for passage in &self.connections.slots[connection].passages {
                    at += Span(passage.reached.0.saturating_sub(reached.0));
                    reached = passage.reached;
                    stops.push((passage.balancer, at.min(end)));
                }
            }
            if segment < open {
                let hop = self.hops[self.hop_place(attempt, segment)];
                stops.push((hop.balancer, hop.sent));
                is_first_try &= hop.retries == 0;
            }
        }
        let at = self.now();
        let Some(ways) = &mut self.ways else { return };
        let slot = attempt as usize;
        if ways.served.len() <= slot {
            ways.served.resize(slot + 1, None);
        }
        ways.served[slot] = is_first_try.then_some(Served { stops, entered, duration, at });
    }

    /// The answer to a try is at the client.
    #[inline(never)]
    pub(in crate::model) fn count_way(&mut self, attempt: u32) {
        let now = self.now();
        let request = &self.requests[self.attempts[attempt].request];
        let Some(ways) = &mut self.ways else { return };
        // What a rule has answered has been at no server.
        let Some(served) = ways.served.get_mut(attempt as usize).and_then(Option::take) else { return };
        if request.is_counted && request.retries == 0 {
            ways.classes[request.class as usize].answered(&served, request.sent, now);
        }
    }

    /// A try that has failed is at a balancer: it is counted once, where it failed.
    #[inline(never)]
    pub(in crate::model) fn place_failure(&mut self, attempt: u32, balancer: u32) {
        let Some(failure) = self.attempts[attempt].failure.filter(|_| self.is_unplaced(attempt)) else { return };
        let mark = self.attempts[attempt].mark;
        let place = if !self.balancers[balancer as usize].is_l4 {
            (Status::of(Some(failure), mark) != Status::Target).then_some(balancer)
        } else if self.attempts[attempt].depth == 0 {
            // Nobody before it looks at requests.
            (failure == Failure::NoServer).then_some(balancer)
        } else {
            return;
        };
        self.count_failed_way(attempt, place);
    }

    /// A try whose client has opened the connection has failed: at what is there of a balancer, or else at the server.
    #[inline(never)]
    pub(in crate::model) fn place_failure_of_connection(&mut self, attempt: u32) {
        if self.attempts[attempt].failure.is_some() && self.is_unplaced(attempt) {
            self.count_failed_way(attempt, self.end_of_connection(attempt));
        }
    }

    /// The client gives a try up: it is counted at the balancer that waits for the answer, or at the server where none looks at requests.
    pub(in crate::model) fn place_given_up(&mut self, attempt: u32) {
        if !self.is_unplaced(attempt) {
            return; // A failure was on its way back.
        }
        let hops = (0..self.attempts[attempt].open_hops).rev().map(|depth| self.hops[self.hop_place(attempt, depth)].balancer);
        let (innermost, waiting) = (hops.clone().next(), hops.clone().find(|hop| !self.balancers[*hop as usize].is_l4));
        let place = match (waiting, innermost) {
            (Some(waiting), _) => Some(waiting),
            (None, Some(_)) if self.attempts[attempt].server != NONE => None,
            (None, Some(innermost)) => Some(innermost),
            (None, None) => self.end_of_connection(attempt),
        };
        self.count_failed_way(attempt, place);
    }

    /// The balancer at the end of the connection that a client's try is on or waits for, if it is not a server.
    fn end_of_connection(&self, attempt: u32) -> Option<u32> {
        match self.connections.seat(attempt, 0).map(|index| self.connections.slots[index].end) {
            Some(TargetRef::Balancer(balancer)) => Some(balancer),
            Some(TargetRef::Server(_)) => None,
            None => Some(self.entry),
        }
    }

    fn is_unplaced(&self, attempt: u32) -> bool {
        let mark = self.attempts[attempt].mark;
        mark != mark::ANSWERED && mark & mark::PLACED == 0
    }

    /// A try has failed at a balancer, or at the server behind it.
    pub(in crate::model) fn count_failed_way(&mut self, attempt: u32, balancer: Option<u32>) {
        let request = &self.requests[self.attempts[attempt].request];
        let (Some(ways), true) = (&mut self.ways, request.is_counted) else { return };
        self.attempts[attempt].mark |= mark::PLACED;
        let class = &mut ways.classes[request.class as usize];
        match balancer {
            Some(balancer) => class.stops[balancer as usize].failed += 1,
            None => class.failed_at_server += 1,
        }
    }
}
