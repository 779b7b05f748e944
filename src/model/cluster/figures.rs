//! What is counted of a group of pods while the run lasts.

use crate::measure::pods::PodRecord;
use crate::units::{Span, Time};

/// Counts and averages from the end of the warm-up on.
pub(in crate::model) struct Figures {
    from: Time,
    record: PodRecord,
    ready: u32,
    /// Up to when the number of ready pods is booked.
    booked: Time,
    ready_ns: u128,
}

impl Figures {
    pub fn new(from: Time) -> Figures {
        Figures { from, record: PodRecord::default(), ready: 0, booked: Time::ZERO, ready_ns: 0 }
    }

    fn counts(&self, now: Time) -> u64 {
        u64::from(now >= self.from)
    }

    pub fn created(&mut self, now: Time) {
        self.record.started += self.counts(now);
    }

    pub fn restarted(&mut self, now: Time) {
        self.record.restarts += self.counts(now);
    }

    pub fn evicted(&mut self, now: Time) {
        self.record.evicted += self.counts(now);
    }

    pub fn became_ready(&mut self, after: Span, now: Time) {
        if now >= self.from {
            self.record.ready_after.0 += after.as_secs_f64();
            self.record.ready_after.1 += 1;
        }
    }

    pub fn rolled_out(&mut self, took: Span, now: Time) {
        if now >= self.from {
            self.record.rollouts.0 += took.as_secs_f64();
            self.record.rollouts.1 += 1;
        }
    }

    pub fn ready_changes(&mut self, by: i32, now: Time) {
        self.book(now);
        self.ready = self.ready.saturating_add_signed(by);
    }

    fn book(&mut self, now: Time) {
        let span = now.max(self.from) - self.booked.max(self.from);
        self.booked = now;
        if span == Span::ZERO {
            return;
        }
        self.ready_ns += u128::from(self.ready) * u128::from(span.0);
        let least = self.record.ready_min.get_or_insert(self.ready);
        *least = self.ready.min(*least);
        self.record.ready_max = self.record.ready_max.max(self.ready);
    }

    pub fn failed(&mut self) {
        self.record.failed_requests += 1;
    }

    pub fn waits_for_slot(&mut self) {
        self.record.waited_for_slot = true;
    }

    /// The record at the end of the run.
    pub fn finish(&mut self, end: Time) -> PodRecord {
        if end > self.booked {
            self.book(end);
        }
        let window = end.since(self.from);
        self.record.ready_mean = if window == Span::ZERO { 0.0 } else { self.ready_ns as f64 / window.0 as f64 };
        self.record.clone()
    }
}
