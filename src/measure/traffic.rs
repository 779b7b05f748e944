//! Traffic: what was sent and what became of it, in total and by server.

use super::CoarseLatencies;
use crate::scenario::Failure;

/// Counts of requests or attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub sent: u64,
    pub ok: u64,
    by_error: [u64; Failure::ALL.len()],
}

impl Counts {
    #[inline]
    pub fn fail(&mut self, failure: Failure) {
        self.by_error[failure as usize] += 1;
    }

    pub fn failed(&self) -> u64 {
        self.by_error.iter().sum()
    }

    /// (kind, count) of the kinds that happened.
    pub fn by_error(&self) -> impl Iterator<Item = (Failure, u64)> + '_ {
        Failure::ALL.into_iter().map(|failure| (failure, self.by_error[failure as usize])).filter(|(_, count)| *count > 0)
    }
}

/// One server over the window.
#[derive(Clone, Default)]
pub struct ServerRecord {
    /// A place for pods in which none ran within the window.
    pub was_empty: bool,
    /// Attempts sent to it.
    pub attempts: u64,
    /// Busy slots, time average.
    pub mean_busy: f64,
    /// Busy slot time over available slot time (slots x time without a crash). `None` where slots are unbounded.
    pub utilization: Option<f64>,
    /// Requests waiting, time average; those in service do not count.
    pub mean_queue: f64,
    /// Share of the time without a crash, hang or blackhole.
    pub up: f64,
    /// Successful attempts: queueing and service.
    pub response: CoarseLatencies,
}
