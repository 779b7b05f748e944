//! Keeps the ways of requests, where they are told: what a try has passed is noted when its server is done with it, and counted when its
//! answer is at the client.

use crate::measure::paths::{PathRecord, Served};
use crate::model::plan::Topology;
use crate::model::world::World;
use crate::units::{Span, Time};

/// The ways of requests by class, and those of the tries that are under way back.
pub(in crate::model) struct Ways {
    pub classes: Vec<PathRecord>,
    /// By slot of an attempt.
    served: Vec<Option<Served>>,
}

impl Ways {
    pub fn of(topology: &Topology) -> Option<Box<Ways>> {
        let classes = vec![PathRecord::new(topology.balancers.len()); topology.classes.len()];
        Ways::are_told(topology).then(|| Box::new(Ways { classes, served: Vec::new() }))
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
            // A connection that is kept passes balancers that look at connections only, as far apart as its first packet took.
            if let Some(connection) = self.connections.seat(attempt, segment) {
                let mut reached = Span::ZERO;
                for passage in &self.connections.slots[connection].passages {
                    at += Span(passage.reached.0.saturating_sub(reached.0));
                    reached = passage.reached;
                    stops.push((passage.balancer, at));
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

    /// A try has failed at a balancer, or at the server behind it.
    pub(in crate::model) fn count_failed_way(&mut self, attempt: u32, balancer: Option<u32>) {
        let request = &self.requests[self.attempts[attempt].request];
        let (Some(ways), true) = (&mut self.ways, request.is_counted) else { return };
        let class = &mut ways.classes[request.class as usize];
        match balancer {
            Some(balancer) => class.stops[balancer as usize].failed += 1,
            None => class.failed_at_server += 1,
        }
    }
}
