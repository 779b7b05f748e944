//! A server: slots, a waiting room, FIFO or processor sharing, and the state that faults put it in. No calendar, no recorder:
//! it says what starts and when it will be done; the data plane schedules it.

use super::plan::ServerPlan;
use crate::units::{Span, Time};
use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

/// Integrals over time since the last reset, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Slots busy x time.
    pub busy: u128,
    /// Requests waiting x time.
    pub waiting: u128,
    /// Time without a crash.
    pub running: u64,
    /// Time without a crash, hang or blackhole.
    pub up: u64,
}

/// What a server does with a request that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    Starts,
    Waits,
    /// Slots and queue are full.
    Refused,
}

/// A try under processor sharing: done when the virtual time reaches `finish`.
#[derive(Clone, Copy, Debug)]
struct Shared {
    finish: f64,
    sequence: u64,
    attempt: u32,
}

impl PartialEq for Shared {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Shared {}

impl PartialOrd for Shared {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Shared {
    /// Reversed, for the standard heap; equal finishing times leave in order of arrival.
    fn cmp(&self, other: &Self) -> Ordering {
        other.finish.total_cmp(&self.finish).then(other.sequence.cmp(&self.sequence))
    }
}

/// Processor sharing in virtual time: it runs at the speed at which each request is worked on.
#[derive(Debug, Default)]
pub struct Sharing {
    /// Virtual nanoseconds of work that each request has got.
    virtual_ns: f64,
    since: Time,
    sequence: u64,
    jobs: BinaryHeap<Shared>,
    /// Of the event for the next completion; others are stale.
    pub generation: u32,
}

pub struct Server {
    slots: u32,
    queue: u32,
    speed: f64,
    pub busy: u32,
    /// Requests waiting; the queue may also hold cancelled ones.
    pub waiting: u32,
    pub line: VecDeque<u32>,
    pub sharing: Option<Sharing>,
    /// Number of active faults of each kind.
    pub crashes: u16,
    pub hangs: u16,
    pub blackholes: u16,
    /// Active error faults: (fault, share, at once).
    pub errors: Vec<(u32, f64, bool)>,
    /// Active slow faults: (fault, factor).
    pub slows: Vec<(u32, f64)>,
    slow_factor: f64,
    /// The fault that began last among the active ones.
    pub faults: Vec<u32>,
    /// Counts restarts: what a process remembers is gone when this changes.
    pub incarnation: u32,
    load: Load,
    changed: Time,
}

impl Server {
    pub fn new(plan: &ServerPlan) -> Server {
        Server {
            slots: plan.slots,
            queue: plan.queue,
            speed: plan.speed,
            busy: 0,
            waiting: 0,
            line: VecDeque::new(),
            sharing: plan.is_ps.then(Sharing::default),
            crashes: 0,
            hangs: 0,
            blackholes: 0,
            errors: Vec::new(),
            slows: Vec::new(),
            slow_factor: 1.0,
            faults: Vec::new(),
            incarnation: 0,
            load: Load::default(),
            changed: Time::ZERO,
        }
    }

    /// Whether packets reach a process that listens.
    pub fn is_reachable(&self) -> bool {
        self.crashes == 0 && self.blackholes == 0
    }

    /// Neither crashed, nor hanging, nor cut off.
    pub fn is_up(&self) -> bool {
        self.is_reachable() && self.hangs == 0
    }

    pub fn in_system(&self) -> u32 {
        self.busy + self.waiting
    }

    /// Brings the integrals up to `now`. To be called before anything that they depend on changes.
    #[inline]
    pub fn accrue(&mut self, now: Time) {
        let span = now.0 - self.changed.0;
        self.changed = now;
        self.load.busy += u128::from(self.busy) * u128::from(span);
        self.load.waiting += u128::from(self.waiting) * u128::from(span);
        self.load.running += if self.crashes == 0 { span } else { 0 };
        self.load.up += if self.is_up() { span } else { 0 };
    }

    /// The integrals up to `now`.
    pub fn load(&mut self, now: Time) -> Load {
        self.accrue(now);
        self.load
    }

    pub fn reset_load(&mut self, now: Time) {
        self.accrue(now);
        self.load = Load::default();
    }

    /// How long `work` takes if it starts now on a slot of its own.
    #[inline]
    pub fn duration(&self, work: Span) -> Span {
        if self.speed == 1.0 && self.slow_factor == 1.0 {
            return work;
        }
        Span((work.0 as f64 / self.speed * self.slow_factor + 0.5) as u64)
    }

    pub fn set_slow(&mut self) {
        self.slow_factor = self.slows.iter().map(|(_, factor)| factor).product();
    }

    /// Takes a request in, if there is room. FIFO: the caller schedules its end if it starts.
    #[inline]
    pub fn admit(&mut self, attempt: u32, duration: Span, now: Time) -> Admission {
        if self.sharing.is_some() {
            return self.admit_shared(attempt, duration, now);
        }
        if self.busy < self.slots {
            self.accrue(now);
            self.busy += 1;
            return Admission::Starts;
        }
        if self.waiting >= self.queue {
            return Admission::Refused;
        }
        self.accrue(now);
        self.waiting += 1;
        self.line.push_back(attempt);
        Admission::Waits
    }

    /// A slot has become free.
    #[inline]
    pub fn release(&mut self, now: Time) {
        self.accrue(now);
        self.busy -= 1;
    }

    /// Takes the next from the line if a slot is free. It may be one that was cancelled; see [`Server::starts_waiting`].
    #[inline]
    pub fn next_in_line(&mut self) -> Option<u32> {
        if self.busy < self.slots { self.line.pop_front() } else { None }
    }

    /// The one taken from the line does start.
    #[inline]
    pub fn starts_waiting(&mut self) {
        self.waiting -= 1;
        self.busy += 1;
    }

    /// Someone in the line is no longer waiting; its place in the line is passed over later.
    pub fn leaves_line(&mut self, now: Time) {
        self.accrue(now);
        self.waiting -= 1;
    }

    /// Forgets all requests (crash, hang).
    pub fn clear(&mut self, now: Time) {
        self.accrue(now);
        self.busy = 0;
        self.waiting = 0;
        self.line.clear();
        if let Some(sharing) = &mut self.sharing {
            sharing.jobs.clear();
            sharing.generation = sharing.generation.wrapping_add(1);
        }
    }

    fn admit_shared(&mut self, attempt: u32, duration: Span, now: Time) -> Admission {
        if self.busy >= self.slots && self.waiting >= self.queue {
            return Admission::Refused;
        }
        self.accrue(now);
        self.advance_sharing(now);
        if let Some(sharing) = &mut self.sharing {
            sharing.sequence += 1;
            let finish = sharing.virtual_ns + duration.0 as f64;
            sharing.jobs.push(Shared { finish, sequence: sharing.sequence, attempt });
        }
        self.count_shared();
        Admission::Starts
    }

    /// Virtual time up to `now`, at the rate min(1, slots / n) since the last change.
    fn advance_sharing(&mut self, now: Time) {
        let slots = f64::from(self.slots);
        if let Some(sharing) = &mut self.sharing {
            let n = sharing.jobs.len() as f64;
            if n > 0.0 {
                sharing.virtual_ns += (now.0 - sharing.since.0) as f64 * (slots / n).min(1.0);
            }
            sharing.since = now;
        }
    }

    /// Busy slots and those in excess of them, from the number that share.
    fn count_shared(&mut self) {
        let n = self.sharing.as_ref().map_or(0, |sharing| sharing.jobs.len() as u32);
        self.busy = n.min(self.slots);
        self.waiting = n - self.busy;
    }

    /// When the next one will be done if nothing changes; makes earlier answers stale.
    pub fn next_shared(&mut self, now: Time) -> Option<(Time, u32)> {
        let slots = f64::from(self.slots);
        let sharing = self.sharing.as_mut()?;
        sharing.generation = sharing.generation.wrapping_add(1);
        let first = sharing.jobs.peek()?;
        let rate = (slots / sharing.jobs.len() as f64).min(1.0);
        // Rounded up: at that instant the work is done, never a nanosecond short.
        let left_ns = ((first.finish - sharing.virtual_ns).max(0.0) / rate).ceil();
        Some((now + Span(left_ns as u64), sharing.generation))
    }

    /// The first one is done: takes it out.
    pub fn finish_shared(&mut self, now: Time) -> Option<u32> {
        self.accrue(now);
        self.advance_sharing(now);
        let sharing = self.sharing.as_mut()?;
        let first = sharing.jobs.pop()?;
        sharing.virtual_ns = sharing.virtual_ns.max(first.finish);
        if sharing.jobs.is_empty() {
            // An idle server starts its virtual time anew, so that long runs lose no precision.
            sharing.virtual_ns = 0.0;
        }
        self.count_shared();
        Some(first.attempt)
    }

    /// Takes out one that was cancelled. Linear in the number that share.
    pub fn cancel_shared(&mut self, attempt: u32, now: Time) {
        self.accrue(now);
        self.advance_sharing(now);
        if let Some(sharing) = &mut self.sharing {
            sharing.jobs.retain(|job| job.attempt != attempt);
        }
        self.count_shared();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dist::Distribution;

    fn server(slots: u32, queue: u32, is_ps: bool) -> Server {
        let latency = Distribution::Constant(Span::ZERO).sampler(None);
        Server::new(&ServerPlan {
            name: "s-1".to_owned(),
            group: "s".to_owned(),
            slots,
            queue,
            is_ps,
            speed: 1.0,
            weight: 1,
            latency,
            cancels_abandoned: false,
        })
    }

    #[test]
    fn slots_fill_before_the_queue_and_the_queue_before_refusal() {
        let mut server = server(2, 1, false);
        let admissions: Vec<_> = (0..4).map(|i| server.admit(i, Span(10), Time(0))).collect();
        assert_eq!(admissions, [Admission::Starts, Admission::Starts, Admission::Waits, Admission::Refused]);
        server.release(Time(10));
        assert_eq!(server.next_in_line(), Some(2));
        server.starts_waiting();
        assert_eq!((server.busy, server.waiting), (2, 0));
        let load = server.load(Time(15));
        assert_eq!((load.busy, load.waiting), (2 * 10 + 2 * 5, 10));
    }

    #[test]
    fn sharing_gives_each_an_equal_part() {
        // Two jobs of 10 from 0, one slot: alone 10; a second arrives at 5: the first has 5 left at half speed, done at 15,
        // the second then has 5 left at full speed, done at 20.
        let mut server = server(1, u32::MAX, true);
        server.admit(1, Span(10), Time(0));
        assert_eq!(server.next_shared(Time(0)).map(|(at, _)| at), Some(Time(10)));
        server.admit(2, Span(10), Time(5));
        assert_eq!(server.next_shared(Time(5)).map(|(at, _)| at), Some(Time(15)));
        assert_eq!(server.finish_shared(Time(15)), Some(1));
        assert_eq!(server.next_shared(Time(15)).map(|(at, _)| at), Some(Time(20)));
        assert_eq!(server.finish_shared(Time(20)), Some(2));
        let load = server.load(Time(20));
        assert_eq!((load.busy, load.waiting), (20, 10));
    }

    #[test]
    fn sharing_over_several_slots_runs_at_full_speed_while_they_last() {
        let mut server = server(2, u32::MAX, true);
        for attempt in 0..2 {
            server.admit(attempt, Span(10), Time(0));
        }
        assert_eq!(server.next_shared(Time(0)).map(|(at, _)| at), Some(Time(10)));
        server.admit(2, Span(10), Time(0));
        assert_eq!(server.next_shared(Time(0)).map(|(at, _)| at), Some(Time(15)));
    }
}
