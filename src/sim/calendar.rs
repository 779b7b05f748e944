//! The event calendar: events leave in order of time, equal times in order of insertion.
//!
//! What happens after a constant delay is in order already: it goes through a FIFO lane and never enters the heap; a source
//! that has one event pending at a time (an arrival stream) has a place of its own. The scan of their heads is linear, so they
//! are few; asked for more than `HEADS_MAX`, the calendar answers with the heap, and nobody else need know.
//!
//! The heap is 4-ary, and what leaves it is removed late: most events schedule a successor, which then takes the free place at
//! the top and sinks once, where the standard heap would sift for the removal and again for the insertion.

use crate::units::{Span, Time};
use std::collections::VecDeque;

/// More heads than this cost more in their scan than the heap does.
const HEADS_MAX: usize = 12;

/// Where events of one constant delay, or of one source, queue up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane(u8);

/// The lane that stands for the heap.
const HEAP: Lane = Lane(u8::MAX);

/// Key of an empty place: later than everything.
const NEVER: u128 = u128::MAX;

/// Time in the upper half, sequence number in the lower: one comparison orders both.
#[inline(always)]
fn key(at: Time, sequence: u64) -> u128 {
    (u128::from(at.0) << 64) | u128::from(sequence)
}

#[derive(Clone, Copy)]
struct Entry<E> {
    key: u128,
    event: E,
}

impl<E: Default> Entry<E> {
    /// An empty place.
    fn none() -> Entry<E> {
        Entry { key: NEVER, event: E::default() }
    }
}

/// The future of a run.
pub struct Calendar<E> {
    now: Time,
    sequence: u64,
    heap: Heap<E>,
    /// The entry at the top of the heap has left; its place is free.
    is_top_gone: bool,
    lanes: Vec<Queue<E>>,
    /// Constant delays that have a lane.
    delays: Vec<(Span, Lane)>,
}

/// The events of a lane. The first stands beside the others: most lanes hold one at a time.
struct Queue<E> {
    first: Entry<E>,
    others: VecDeque<Entry<E>>,
}

impl<E: Copy + Default> Default for Calendar<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Copy + Default> Calendar<E> {
    pub fn new() -> Self {
        Calendar { now: Time::ZERO, sequence: 0, heap: Heap::new(), is_top_gone: false, lanes: Vec::new(), delays: Vec::new() }
    }

    /// The time of the event that was taken last.
    #[inline(always)]
    pub fn now(&self) -> Time {
        self.now
    }

    /// A lane for one source whose events come in order of time.
    pub fn ordered_lane(&mut self) -> Lane {
        if self.lanes.len() >= HEADS_MAX {
            return HEAP;
        }
        self.lanes.push(Queue { first: Entry::none(), others: VecDeque::new() });
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
    pub fn schedule(&mut self, at: Time, event: impl Into<E>) {
        debug_assert!(at >= self.now, "events never go back in time");
        self.sequence += 1;
        let entry = Entry { key: key(at, self.sequence), event: event.into() };
        if self.is_top_gone {
            self.is_top_gone = false;
            self.heap.replace_top(entry);
        } else {
            self.heap.push(entry);
        }
    }

    /// Schedules in a lane; times within a lane never fall.
    #[inline(always)]
    pub fn schedule_in(&mut self, lane: Lane, at: Time, event: impl Into<E>) {
        // The lane that stands for the heap is not among them.
        let Some(queue) = self.lanes.get_mut(lane.0 as usize) else { return self.schedule(at, event) };
        debug_assert!(at >= self.now, "events never go back in time");
        self.sequence += 1;
        let entry = Entry { key: key(at, self.sequence), event: event.into() };
        if queue.first.key == NEVER {
            queue.first = entry;
            return;
        }
        debug_assert!(queue.others.back().map_or(queue.first.key, |last| last.key) < entry.key, "a lane is in order");
        queue.others.push_back(entry);
    }

    /// Takes the next event if it is due by `until` (some end, not the end of time), and advances the clock to it.
    #[inline(always)]
    pub fn next(&mut self, until: Time) -> Option<E> {
        debug_assert!(until < Time(u64::MAX), "what is never is later than any end");
        if self.is_top_gone {
            self.is_top_gone = false;
            self.heap.drop_top();
        }
        let mut first = self.heap.top().key;
        let mut from = usize::MAX;
        for (lane, queue) in self.lanes.iter().enumerate() {
            // Without a branch: which is first is what the processor could not guess.
            let is_first = queue.first.key < first;
            first = if is_first { queue.first.key } else { first };
            from = if is_first { lane } else { from };
        }
        let at = Time((first >> 64) as u64);
        if at > until {
            return None;
        }
        self.now = at;
        match self.lanes.get_mut(from) {
            Some(queue) => {
                let event = queue.first.event;
                queue.first = queue.others.pop_front().unwrap_or_else(Entry::none);
                Some(event)
            }
            None => {
                self.is_top_gone = true;
                Some(self.heap.top().event)
            }
        }
    }
}

/// A 4-ary heap. The four children of an entry lie in two lines of the cache, not in three: with ten thousand entries that spares a
/// third of what misses the cache.
struct Heap<E> {
    /// By place: four to a group. The top is the last of the first group; the children of place p are group p - 2.
    groups: Vec<Four<E>>,
    /// The last place in use; `TOP - 1` where there is none.
    last: usize,
}

/// Places that are not in use are empty ones: no comparison asks how many there are.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Four<E>([Entry<E>; 4]);

const TOP: usize = 3;

impl<E: Copy + Default> Heap<E> {
    fn new() -> Heap<E> {
        Heap { groups: vec![Four([Entry::none(); 4])], last: TOP - 1 }
    }

    #[inline(always)]
    fn top(&self) -> &Entry<E> {
        &self.groups[0].0[TOP]
    }

    #[inline(always)]
    fn put(&mut self, place: usize, entry: Entry<E>) {
        self.groups[place / 4].0[place % 4] = entry;
    }

    /// Puts `entry` behind the last place, and lets it rise to where it belongs.
    #[inline(always)]
    fn push(&mut self, entry: Entry<E>) {
        self.last += 1;
        let mut place = self.last;
        if place / 4 == self.groups.len() {
            self.groups.push(Four([Entry::none(); 4]));
        }
        while place > TOP {
            let parent = place / 4 + 2;
            let above = self.groups[parent / 4].0[parent % 4];
            if above.key <= entry.key {
                break;
            }
            self.put(place, above);
            place = parent;
        }
        self.put(place, entry);
    }

    /// The top is another one: it sinks to where it belongs.
    #[inline(always)]
    fn replace_top(&mut self, entry: Entry<E>) {
        let mut place = TOP;
        while let Some(Four(children)) = self.groups.get(place - 2) {
            let lesser = |a: usize, b: usize| if children[b].key < children[a].key { b } else { a };
            let child = lesser(lesser(0, 1), lesser(2, 3));
            let least = children[child];
            if least.key >= entry.key {
                break;
            }
            self.put(place, least);
            place = 4 * (place - 2) + child;
        }
        self.put(place, entry);
    }

    fn drop_top(&mut self) {
        let last = self.groups[self.last / 4].0[self.last % 4];
        self.put(self.last, Entry::none());
        self.last -= 1;
        if self.last >= TOP {
            self.replace_top(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng;

    fn drain<E: Copy + Default>(calendar: &mut Calendar<E>) -> Vec<(Time, E)> {
        std::iter::from_fn(|| calendar.next(Time(u64::MAX - 1)).map(|event| (calendar.now(), event))).collect()
    }

    #[test]
    fn equal_times_leave_in_order_of_insertion_over_heap_and_lanes() {
        let mut calendar = Calendar::<i32>::new();
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
        let mut calendar = Calendar::<u32>::new();
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
    fn successors_scheduled_between_departures_keep_the_order() {
        // Each departure schedules none, one or two successors, as a model would; the order must be that of a sorted list.
        let mut rng = rng::stream(2, 0, "calendar");
        let mut calendar = Calendar::<u32>::new();
        let mut pending: Vec<(Time, u32)> = Vec::new();
        let mut event = 0;
        for step in 0..20_000 {
            let successors = if step < 10 { 3 } else { rng::below(&mut rng, 3) };
            for _ in 0..successors {
                let at = calendar.now() + Span(rng::below(&mut rng, 50));
                calendar.schedule(at, event);
                pending.push((at, event));
                event += 1;
            }
            let next = pending.iter().copied().min();
            let left = calendar.next(Time(u64::MAX - 1)).map(|event| (calendar.now(), event));
            assert_eq!(left, next);
            pending.retain(|entry| Some(*entry) != next);
        }
    }

    /// As a model uses it: constant delays and sources in lanes (more of them than there are), the rest in the heap, and a clock
    /// that is stopped now and then before the next event.
    #[test]
    fn any_mixture_of_heap_and_lanes_leaves_as_from_a_sorted_list() {
        for seed in 0..200 {
            let mut rng = rng::stream(seed, 0, "calendar");
            let mut calendar = Calendar::<u64>::new();
            let mut pending = std::collections::BTreeMap::new();
            let delays: Vec<_> = (0..rng::below(&mut rng, 8)).map(|i| (Span(i * i), calendar.delay_lane(Span(i * i)))).collect();
            let mut sources: Vec<_> = (0..rng::below(&mut rng, 9)).map(|_| (calendar.ordered_lane(), Time::ZERO)).collect();
            let mut number = 0;
            for step in 0..2000 {
                let successors = if step < 10 { 3 } else { rng::below(&mut rng, 3) };
                for _ in 0..successors {
                    number += 1;
                    let kind = rng::below(&mut rng, 3);
                    let at = if kind == 0 && !delays.is_empty() {
                        let (delay, lane) = delays[rng::below(&mut rng, delays.len() as u64) as usize];
                        let at = calendar.now() + delay;
                        calendar.schedule_in(lane, at, number);
                        at
                    } else if kind == 1 && !sources.is_empty() {
                        let source = rng::below(&mut rng, sources.len() as u64) as usize;
                        let (lane, last) = &mut sources[source];
                        *last = calendar.now().max(*last) + Span(rng::below(&mut rng, 12));
                        calendar.schedule_in(*lane, *last, number);
                        *last
                    } else {
                        let at = calendar.now() + Span(rng::below(&mut rng, 40));
                        calendar.schedule(at, number);
                        at
                    };
                    pending.insert((at, number), ());
                }
                let until = calendar.now() + Span(rng::below(&mut rng, 30));
                let due = pending.keys().next().copied().filter(|(at, _)| *at <= until);
                assert_eq!(calendar.next(until).map(|event| (calendar.now(), event)), due, "seed {seed}, step {step}");
                due.map(|first| pending.remove(&first));
            }
            assert!(drain(&mut calendar).into_iter().eq(pending.into_keys()), "seed {seed}");
        }
    }

    #[test]
    fn nothing_leaves_that_is_due_later() {
        let mut calendar = Calendar::<()>::new();
        calendar.schedule(Time(10), ());
        assert_eq!(calendar.next(Time(9)), None);
        assert_eq!(calendar.next(Time(10)), Some(()));
    }
}
