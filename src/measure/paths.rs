//! The way of requests, stop by stop: how long each balancer on it and the way to it take, then the server, then the way back; and which
//! tries fail where. Kept of requests that were answered at their first try, so that the parts add up to the latency.

use crate::units::{Span, Time};

/// A balancer on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stop {
    /// Requests that passed here.
    pub passes: u64,
    /// Sum of their numbers of stops before this one.
    pub before: u64,
    /// From being sent on by the stop before (at first: by the client) to being sent on here, in nanoseconds.
    pub spent: u128,
    /// Tries that failed here: nobody to send to, no answer or none in time from behind.
    pub failed: u64,
}

/// The ways of the requests of one class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathRecord {
    /// By balancer.
    pub stops: Vec<Stop>,
    /// Requests that were answered at the first try.
    pub answered: u64,
    /// Sums in nanoseconds: from the last stop to the server, waiting there, service, and the way back to the client.
    pub to_server: u128,
    pub waiting: u128,
    pub service: u128,
    pub back: u128,
    /// Tries that the server answered with an error.
    pub failed_at_server: u64,
}

/// What is known of a try when its server is done with it.
#[derive(Clone, Debug, Default)]
pub struct Served {
    /// Balancers on the way, each with the time when it had sent the request on.
    pub stops: Vec<(u32, Time)>,
    /// When it came to the server, how long its work took, and when that was done.
    pub entered: Time,
    pub duration: Span,
    pub at: Time,
}

impl PathRecord {
    pub fn new(balancers: usize) -> PathRecord {
        PathRecord { stops: vec![Stop::default(); balancers], ..PathRecord::default() }
    }

    /// The answer to a request that was sent at `sent` is at the client now.
    pub fn answered(&mut self, served: &Served, sent: Time, now: Time) {
        let mut last = sent;
        for (number, (balancer, left)) in served.stops.iter().enumerate() {
            let stop = &mut self.stops[*balancer as usize];
            stop.passes += 1;
            stop.before += number as u64;
            stop.spent += u128::from(left.since(last).0);
            last = last.max(*left);
        }
        let started = Time(served.at.0 - served.duration.0.min(served.at.0)).max(served.entered);
        self.answered += 1;
        self.to_server += u128::from(served.entered.since(last).0);
        self.waiting += u128::from(started.since(served.entered).0);
        self.service += u128::from(served.at.since(started).0);
        self.back += u128::from(now.since(served.at).0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_add_up_to_the_latency() {
        let mut record = PathRecord::new(3);
        let served = Served { stops: vec![(2, Time(15)), (0, Time(20))], entered: Time(26), duration: Span(30), at: Time(60) };
        record.answered(&served, Time(10), Time(67));
        let spent = |stop: usize| record.stops[stop].spent;
        assert_eq!((spent(2), spent(0), spent(1)), (5, 5, 0));
        assert_eq!((record.to_server, record.waiting, record.service, record.back), (6, 4, 30, 7));
        assert_eq!(spent(2) + spent(0) + 6 + 4 + 30 + 7, 57);
        assert_eq!((record.stops[0].before, record.stops[2].before), (1, 0));
    }
}
