//! The event calendar: events leave in order of time, equal times in order of insertion.
//!
//! What happens after a constant delay, and each arrival stream, is in order already: it goes through a FIFO lane and never
//! enters the heap. The head scan is linear, so lanes are few; asked for more than [`LANES_MAX`], the calendar answers with
//! the heap, and nobody else need know.

use crate::units::{Span, Time};
use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

/// More lanes than this cost more in the scan of their heads than the heap does.
const LANES_MAX: usize = 12;

/// Where events of one constant delay, or of one ordered source, queue up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane(u8);

/// The lane that stands for the heap.
const HEAP: Lane = Lane(u8::MAX);

/// Head of an empty lane: later than everything.
const NEVER: u128 = u128::MAX;

/// Time in the upper half, sequence number in the lower: one comparison orders both.
fn key(at: Time, sequence: u64) -> u128 {
    (u128::from(at.0) << 64) | u128::from(sequence)
}

struct Entry<E> {
    key: u128,
    event: E,
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    /// Reversed: the standard heap gives the largest first, we want the earliest.
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        other.key.cmp(&self.key)
    }
}

/// The future of a run.
pub struct Calendar<E> {
    now: Time,
    sequence: u64,
    heap: BinaryHeap<Entry<E>>,
    lanes: Vec<VecDeque<Entry<E>>>,
    /// Key of each lane's first entry.
    heads: Vec<u128>,
    /// Constant delays that have a lane.
    delays: Vec<(Span, Lane)>,
}

impl<E> Default for Calendar<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> Calendar<E> {
    pub fn new() -> Self {
        Calendar { now: Time::ZERO, sequence: 0, heap: BinaryHeap::new(), lanes: Vec::new(), heads: Vec::new(), delays: Vec::new() }
    }

    /// The time of the event that was taken last.
    #[inline]
    pub fn now(&self) -> Time {
        self.now
    }

    /// A lane for one source whose events come in order of time.
    pub fn ordered_lane(&mut self) -> Lane {
        if self.lanes.len() >= LANES_MAX {
            return HEAP;
        }
        self.lanes.push(VecDeque::new());
        self.heads.push(NEVER);
        Lane(self.lanes.len() as u8 - 1)
    }

    /// The lane shared by all events that are scheduled exactly `delay` ahead.
    pub fn delay_lane(&mut self, delay: Span) -> Lane {
        if let Some((_, lane)) = self.delays.iter().find(|(known, _)| *known == delay) {
            return *lane;
        }
        let lane = self.ordered_lane();
        self.delays.push((delay, lane));
        lane
    }

    /// Schedules at any time from now on.
    #[inline(always)]
    pub fn schedule(&mut self, at: Time, event: E) {
        debug_assert!(at >= self.now, "events never go back in time");
        self.sequence += 1;
        self.heap.push(Entry { key: key(at, self.sequence), event });
    }

    /// Schedules in a lane; times within a lane never fall.
    #[inline(always)]
    pub fn schedule_in(&mut self, lane: Lane, at: Time, event: E) {
        if lane == HEAP {
            return self.schedule(at, event);
        }
        debug_assert!(at >= self.now, "events never go back in time");
        self.sequence += 1;
        let entry = Entry { key: key(at, self.sequence), event };
        let queue = &mut self.lanes[lane.0 as usize];
        if queue.is_empty() {
            self.heads[lane.0 as usize] = entry.key;
        }
        debug_assert!(queue.back().is_none_or(|last| last.key < entry.key), "a lane is in order");
        queue.push_back(entry);
    }

    /// Takes the next event if it is due by `until`, and advances the clock to it.
    #[inline(always)]
    pub fn next(&mut self, until: Time) -> Option<E> {
        let mut first = self.heap.peek().map_or(NEVER, |entry| entry.key);
        let mut from = usize::MAX;
        for (lane, &head) in self.heads.iter().enumerate() {
            if head < first {
                first = head;
                from = lane;
            }
        }
        let at = Time((first >> 64) as u64);
        if first == NEVER || at > until {
            return None;
        }
        self.now = at;
        if from == usize::MAX {
            return self.heap.pop().map(|entry| entry.event);
        }
        let queue = &mut self.lanes[from];
        let entry = queue.pop_front();
        self.heads[from] = queue.front().map_or(NEVER, |next| next.key);
        entry.map(|entry| entry.event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng;

    fn drain<E>(calendar: &mut Calendar<E>) -> Vec<(Time, E)> {
        std::iter::from_fn(|| calendar.next(Time(u64::MAX - 1)).map(|event| (calendar.now(), event))).collect()
    }

    #[test]
    fn equal_times_leave_in_order_of_insertion_over_heap_and_lanes() {
        let mut calendar = Calendar::new();
        let lane = calendar.delay_lane(Span(5));
        calendar.schedule(Time(5), 1);
        calendar.schedule_in(lane, Time(5), 2);
        calendar.schedule(Time(5), 3);
        calendar.schedule_in(lane, Time(5), 4);
        calendar.schedule(Time(1), 0);
        assert_eq!(drain(&mut calendar).into_iter().map(|(_, event)| event).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn random_schedules_leave_sorted_as_by_a_stable_sort() {
        let mut rng = rng::stream(1, 0, "calendar");
        let mut calendar = Calendar::new();
        let lanes: Vec<_> = (0..20).map(|i| (Span(i % 15), calendar.delay_lane(Span(i % 15)))).collect();
        let mut expected = Vec::new();
        for event in 0..2000u32 {
            let (delay, lane) = lanes[rng::below(&mut rng, 20) as usize];
            if rng::below(&mut rng, 2) == 0 {
                expected.push((Time(0) + delay, event));
                calendar.schedule_in(lane, Time(0) + delay, event);
            } else {
                let at = Time(rng::below(&mut rng, 30));
                expected.push((at, event));
                calendar.schedule(at, event);
            }
        }
        expected.sort_by_key(|(at, _)| *at);
        assert_eq!(drain(&mut calendar), expected);
    }

    #[test]
    fn nothing_leaves_that_is_due_later() {
        let mut calendar = Calendar::new();
        calendar.schedule(Time(10), ());
        assert_eq!(calendar.next(Time(9)), None);
        assert_eq!(calendar.next(Time(10)), Some(()));
    }
}
