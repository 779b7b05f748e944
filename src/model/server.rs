//! A server: slots, a waiting room, FIFO or processor sharing, and the state that faults put it in. No calendar, no recorder:
//! it says what starts and when it will be done; the data plane schedules it.

use super::client::NONE;
use super::plan::ServerPlan;
use crate::units::{Span, Time};
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Integrals over time since the last reset, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Slots busy x time.
    pub busy: u128,
    /// Requests waiting x time.
    pub waiting: u128,
    /// Time without a crash, with a process.
    pub running: u64,
    /// Time without a crash, hang or blackhole.
    pub up: u64,
}

/// Where the process of a server stands. One that is no pod is always there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    #[default]
    Serving,
    /// It takes nothing new and finishes what it has.
    Draining,
    /// Nobody listens.
    Absent,
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

/// What requests touch, in one cache line; what only faults and processor sharing touch is in `rare`.
#[repr(align(64))]
pub struct Server {
    slots: u32,
    queue: u32,
    pub busy: u32,
    /// Requests waiting; the line may also hold cancelled ones.
    pub waiting: u32,
    /// First and last attempt in the line, linked by `Attempt::next`; `NONE` if it is empty.
    pub head: u32,
    pub tail: u32,
    changed: Time,
    /// Integrals since they were last moved to `rare.load`, in nanoseconds.
    busy_ns: u64,
    waiting_ns: u64,
    pub rare: Box<Rare>,
    pub is_shared: bool,
    /// Work does not take exactly its own time.
    is_stretched: bool,
    /// Some fault is active, it does not serve, or there is something else to look at.
    pub is_troubled: bool,
}

/// The part of a server that few requests touch.
#[derive(Default)]
pub struct Rare {
    speed: f64,
    slow_factor: f64,
    pub sharing: Sharing,
    /// Number of active faults of each kind.
    pub crashes: u16,
    pub hangs: u16,
    pub blackholes: u16,
    /// Active error faults: (strike, share, at once).
    pub errors: Vec<(u32, f64, bool)>,
    /// Active slow faults: (strike, factor).
    pub slows: Vec<(u32, f64)>,
    /// All active strikes in the order in which they began.
    pub faults: Vec<u32>,
    /// Tries come on connections that are kept.
    pub is_connected: bool,
    /// Of a pod.
    pub presence: Presence,
    /// Each pod here has an address of its own, which falls silent after it.
    pub changes_address: bool,
    /// What is to blame for what fails while it does not serve, as a strike.
    pub away_by: Option<u32>,
    /// Counts restarts: what a process remembers is gone when this changes.
    pub incarnation: u32,
    load: Load,
    /// When `load.running` and `load.up` were last brought up to date.
    standing_since: Time,
}

impl Server {
    pub fn new(plan: &ServerPlan) -> Server {
        let rare = Rare { speed: plan.speed, slow_factor: 1.0, ..Rare::default() };
        Server {
            slots: plan.slots,
            queue: plan.queue,
            busy: 0,
            waiting: 0,
            head: NONE,
            tail: NONE,
            changed: Time::ZERO,
            busy_ns: 0,
            waiting_ns: 0,
            rare: Box::new(rare),
            is_shared: plan.is_ps,
            is_stretched: plan.speed != 1.0,
            is_troubled: false,
        }
    }

    /// Whether packets reach a process that listens.
    pub fn is_reachable(&self) -> bool {
        self.rare.crashes == 0 && self.rare.blackholes == 0 && self.rare.presence == Presence::Serving
    }

    /// Neither crashed, nor hanging, nor cut off.
    pub fn is_up(&self) -> bool {
        self.is_reachable() && self.rare.hangs == 0
    }

    /// Brings the integrals of the load up to `now`. To be called before the load changes.
    #[inline(always)]
    pub fn accrue(&mut self, now: Time) {
        let span = now.0 - self.changed.0;
        self.changed = now;
        self.busy_ns += u64::from(self.busy) * span;
        self.waiting_ns += u64::from(self.waiting) * span;
    }

    /// A fault begins or ends: the time so far is booked under the old standing, then `change` is made.
    pub fn change_standing(&mut self, now: Time, change: impl FnOnce(&mut Rare)) {
        self.load(now);
        change(&mut self.rare);
        self.rare.slow_factor = self.rare.slows.iter().map(|(_, factor)| factor).product();
        self.is_stretched = self.rare.speed != 1.0 || self.rare.slow_factor != 1.0;
        self.is_troubled =
            !self.rare.faults.is_empty() || self.rare.is_connected || self.rare.changes_address || self.rare.presence != Presence::Serving;
    }

    /// The integrals up to `now`. Called at least once a minute, so that 64 bits are enough in between.
    pub fn load(&mut self, now: Time) -> Load {
        self.accrue(now);
        let is_up = self.is_up();
        let rare = &mut self.rare;
        let span = now.0 - rare.standing_since.0;
        rare.standing_since = now;
        rare.load.busy += u128::from(std::mem::take(&mut self.busy_ns));
        rare.load.waiting += u128::from(std::mem::take(&mut self.waiting_ns));
        rare.load.running += if rare.crashes == 0 && rare.presence != Presence::Absent { span } else { 0 };
        rare.load.up += if is_up { span } else { 0 };
        rare.load
    }

    /// How long `work` takes if it starts now on a slot of its own.
    #[inline(always)]
    pub fn duration(&self, work: Span) -> Span {
        if !self.is_stretched {
            return work;
        }
        Span::from_nanos_f64(work.0 as f64 / self.rare.speed * self.rare.slow_factor)
    }

    /// Takes a request in, if there is room. The caller schedules its end, or puts it into the line.
    #[inline(always)]
    pub fn admit(&mut self, attempt: u32, duration: Span, now: Time) -> Admission {
        if self.is_shared {
            return self.admit_shared(attempt, duration, now);
        }
        self.admit_to_line(now)
    }

    /// The same for a server that takes one after the other.
    #[inline(always)]
    pub fn admit_to_line(&mut self, now: Time) -> Admission {
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
        Admission::Waits
    }

    /// Puts an attempt behind the others in the line. The one before it, to which it is to be linked, if there is one.
    #[inline(always)]
    pub fn lengthen_line(&mut self, attempt: u32) -> Option<u32> {
        let before = std::mem::replace(&mut self.tail, attempt);
        if before == NONE {
            self.head = attempt;
            return None;
        }
        Some(before)
    }

    /// A slot has become free.
    #[inline(always)]
    pub fn release(&mut self, now: Time) {
        self.accrue(now);
        self.busy -= 1;
    }

    #[inline]
    pub fn has_free_slot(&self) -> bool {
        self.busy < self.slots
    }

    /// One that waited takes a slot.
    #[inline(always)]
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
        self.head = NONE;
        self.tail = NONE;
        let sharing = &mut self.rare.sharing;
        sharing.jobs.clear();
        sharing.generation = sharing.generation.wrapping_add(1);
    }

    fn admit_shared(&mut self, attempt: u32, duration: Span, now: Time) -> Admission {
        if self.busy >= self.slots && self.waiting >= self.queue {
            return Admission::Refused;
        }
        self.accrue(now);
        self.advance_sharing(now);
        let sharing = &mut self.rare.sharing;
        sharing.sequence += 1;
        let finish = sharing.virtual_ns + duration.0 as f64;
        sharing.jobs.push(Shared { finish, sequence: sharing.sequence, attempt });
        self.count_shared();
        Admission::Starts
    }

    /// Virtual time up to `now`, at the rate min(1, slots / n) since the last change.
    fn advance_sharing(&mut self, now: Time) {
        let slots = f64::from(self.slots);
        let sharing = &mut self.rare.sharing;
        let n = sharing.jobs.len() as f64;
        if n > 0.0 {
            sharing.virtual_ns += (now.0 - sharing.since.0) as f64 * (slots / n).min(1.0);
        }
        sharing.since = now;
    }

    /// Busy slots and those in excess of them, from the number that share.
    fn count_shared(&mut self) {
        let n = self.rare.sharing.jobs.len() as u32;
        self.busy = n.min(self.slots);
        self.waiting = n - self.busy;
    }

    /// When the next one will be done if nothing changes; makes earlier answers stale.
    pub fn next_shared(&mut self, now: Time) -> Option<(Time, u32)> {
        let slots = f64::from(self.slots);
        let sharing = &mut self.rare.sharing;
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
        let sharing = &mut self.rare.sharing;
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
        self.rare.sharing.jobs.retain(|job| job.attempt != attempt);
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
            place: Default::default(),
            keep_alive: None,
            tls: None,
        })
    }

    #[test]
    fn slots_fill_before_the_queue_and_the_queue_before_refusal() {
        let mut server = server(2, 1, false);
        let admissions: Vec<_> = (0..4).map(|i| server.admit(i, Span(10), Time(0))).collect();
        assert_eq!(admissions, [Admission::Starts, Admission::Starts, Admission::Waits, Admission::Refused]);
        server.release(Time(10));
        assert!(server.has_free_slot());
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
