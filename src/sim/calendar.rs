//! The event calendar: events leave in order of time, equal times in order of insertion.
//!
//! What happens after a constant delay is in order already: it goes through a FIFO lane and never enters the heap. A source that
//! has one event pending at a time (an arrival stream) has a place of its own, and which source is first is looked up only
//! when one of them has had its turn. The scans are linear, so lanes and sources are few; asked for more than `HEADS_MAX`, the
//! calendar answers with the heap, and nobody else need know. What happens at times known beforehand (the bins of a timeline)
//! need not be in the calendar at all: it takes a [`Turn`], and the loop that asks for the events before that turn.
//!
//! The heap is 4-ary, and what leaves it is removed late: most events schedule a successor, which then takes the free place at
//! the top and sinks once, where the standard heap would sift for the removal and again for the insertion.

use crate::units::{Span, Time};
use std::collections::VecDeque;

/// More lanes, or sources, than this cost more in their scan than the heap does.
const HEADS_MAX: usize = 12;

/// Where events of one constant delay queue up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane(u8);

/// Something that has one event pending at a time, and schedules the next one when it has had its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source(u8);

/// Stands for the heap in place of a lane or a source.
const HEAP: u8 = u8::MAX;

/// A place in the order of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn(u128);

impl Turn {
    /// Behind everything that happens by `end`.
    pub fn after(end: Time) -> Turn {
        debug_assert!(end < Time(u64::MAX), "what is never is later than any end");
        Turn(key(end, u64::MAX))
    }
}

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
    /// The pending event of each source; an empty place where it has none.
    sources: Vec<Entry<E>>,
    /// The earliest of them, and whose it is.
    first_source: (Entry<E>, u8),
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
        Calendar {
            now: Time::ZERO,
            sequence: 0,
            heap: Heap::new(),
            is_top_gone: false,
            lanes: Vec::new(),
            delays: Vec::new(),
            sources: Vec::new(),
            first_source: (Entry::none(), 0),
        }
    }

    /// The time of the event that was taken last.
    #[inline(always)]
    pub fn now(&self) -> Time {
        self.now
    }

    /// A place for something that never has more than one event pending.
    pub fn source(&mut self) -> Source {
        if self.sources.len() >= HEADS_MAX {
            return Source(HEAP);
        }
        self.sources.push(Entry::none());
        Source(self.sources.len() as u8 - 1)
    }

    /// The lane shared by all events that are scheduled exactly `delay` ahead.
    pub fn delay_lane(&mut self, delay: Span) -> Lane {
        if let Some((_, lane)) = self.delays.iter().find(|(known, _)| *known == delay) {
            return *lane;
        }
        let lane = if self.lanes.len() < HEADS_MAX {
            self.lanes.push(Queue { first: Entry::none(), others: VecDeque::new() });
            Lane(self.lanes.len() as u8 - 1)
        } else {
            Lane(HEAP)
        };
        self.delays.push((delay, lane));
        lane
    }

    /// A turn at this time, behind what has been scheduled for then.
    #[inline(always)]
    pub fn turn(&mut self, at: Time) -> Turn {
        debug_assert!(at >= self.now, "events never go back in time");
        self.sequence += 1;
        Turn(key(at, self.sequence))
    }

    /// Advances the clock to a turn before which there is nothing left.
    pub fn take_turn(&mut self, turn: Turn) {
        self.now = Time((turn.0 >> 64) as u64);
    }

    /// Schedules at any time from now on.
    #[inline(always)]
    pub fn schedule(&mut self, at: Time, event: impl Into<E>) {
        let entry = self.entry(at, event);
        self.put_in_heap(entry);
    }

    #[inline(always)]
    fn entry(&mut self, at: Time, event: impl Into<E>) -> Entry<E> {
        Entry { key: self.turn(at).0, event: event.into() }
    }

    #[inline(always)]
    fn put_in_heap(&mut self, entry: Entry<E>) {
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
        let entry = self.entry(at, event);
        // The lane that stands for the heap is not among them.
        let Some(queue) = self.lanes.get_mut(usize::from(lane.0)) else { return self.put_in_heap(entry) };
        if queue.first.key == NEVER {
            queue.first = entry;
            return;
        }
        debug_assert!(queue.others.back().map_or(queue.first.key, |last| last.key) < entry.key, "a lane is in order");
        queue.others.push_back(entry);
    }

    /// Schedules the next event of a source that has none pending.
    #[inline(always)]
    pub fn schedule_next(&mut self, source: Source, at: Time, event: impl Into<E>) {
        let entry = self.entry(at, event);
        let Some(pending) = self.sources.get_mut(usize::from(source.0)) else { return self.put_in_heap(entry) };
        debug_assert!(pending.key == NEVER, "a source has one event pending");
        *pending = entry;
        if entry.key < self.first_source.0.key {
            self.first_source = (entry, source.0);
        }
    }

    /// Takes the next event that comes before `turn`, and advances the clock to it.
    #[inline(always)]
    pub fn next(&mut self, turn: Turn) -> Option<E> {
        if self.is_top_gone {
            self.is_top_gone = false;
            self.heap.drop_top();
        }
        let mut first = self.heap.top.key;
        let mut from = usize::MAX;
        for (lane, queue) in self.lanes.iter().enumerate() {
            // Without a branch: which is first is what the processor could not guess.
            let is_first = queue.first.key < first;
            first = if is_first { queue.first.key } else { first };
            from = if is_first { lane } else { from };
        }
        let is_source = self.first_source.0.key < first;
        first = if is_source { self.first_source.0.key } else { first };
        if first >= turn.0 {
            return None;
        }
        self.now = Time((first >> 64) as u64);
        if is_source {
            return Some(self.take_source());
        }
        match self.lanes.get_mut(from) {
            Some(queue) => {
                let event = queue.first.event;
                queue.first = queue.others.pop_front().unwrap_or_else(Entry::none);
                Some(event)
            }
            None => {
                self.is_top_gone = true;
                Some(self.heap.top.event)
            }
        }
    }

    /// The event of the source that is first; the next one becomes first.
    #[inline(always)]
    fn take_source(&mut self) -> E {
        let (Entry { event, .. }, source) = self.first_source;
        self.sources[usize::from(source)].key = NEVER;
        self.first_source.0.key = NEVER;
        if self.sources.len() > 1 {
            self.find_first_source();
        }
        event
    }

    #[inline(never)]
    fn find_first_source(&mut self) {
        for (source, entry) in self.sources.iter().enumerate() {
            if entry.key < self.first_source.0.key {
                self.first_source = (*entry, source as u8);
            }
        }
    }
}

/// A 4-ary heap. The four children of an entry lie in two lines of the cache, not in three: with ten thousand entries that spares a
/// third of what misses the cache.
struct Heap<E> {
    /// An empty place if there is nothing.
    top: Entry<E>,
    /// What is below the top, by place: four to a group. The children of the top are group 0, those of place p group p + 1.
    groups: Vec<Four<E>>,
    /// Number of entries below the top.
    below: usize,
}

/// Places that are not in use are empty ones: no comparison asks how many there are.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Four<E>([Entry<E>; 4]);

impl<E: Copy + Default> Heap<E> {
    fn new() -> Heap<E> {
        Heap { top: Entry::none(), groups: Vec::new(), below: 0 }
    }

    #[inline(always)]
    fn put(&mut self, place: usize, entry: Entry<E>) {
        self.groups[place / 4].0[place % 4] = entry;
    }

    /// The least of a group, and its place.
    #[inline(always)]
    fn least_of(&self, group: usize) -> Option<(usize, Entry<E>)> {
        let Four(entries) = self.groups.get(group)?;
        let lesser = |a: usize, b: usize| if entries[b].key < entries[a].key { b } else { a };
        let least = lesser(lesser(0, 1), lesser(2, 3));
        Some((4 * group + least, entries[least]))
    }

    /// Puts `entry` behind the last place, and lets it rise to where it belongs.
    #[inline(always)]
    fn push(&mut self, entry: Entry<E>) {
        if self.top.key == NEVER {
            self.top = entry;
            return;
        }
        let mut place = self.below;
        self.below += 1;
        if place / 4 == self.groups.len() {
            self.groups.push(Four([Entry::none(); 4]));
        }
        while let Some(parent) = (place / 4).checked_sub(1) {
            let above = self.groups[parent / 4].0[parent % 4];
            if above.key <= entry.key {
                return self.put(place, entry);
            }
            self.put(place, above);
            place = parent;
        }
        if self.top.key <= entry.key {
            return self.put(place, entry);
        }
        self.put(place, self.top);
        self.top = entry;
    }

    /// The top is another one: it sinks to where it belongs.
    #[inline(always)]
    fn replace_top(&mut self, entry: Entry<E>) {
        let mut place = match self.least_of(0) {
            Some((place, least)) if least.key < entry.key => {
                self.top = least;
                place
            }
            _ => {
                self.top = entry;
                return;
            }
        };
        while let Some((child, least)) = self.least_of(place + 1) {
            if least.key >= entry.key {
                break;
            }
            self.put(place, least);
            place = child;
        }
        self.put(place, entry);
    }

    fn drop_top(&mut self) {
        let Some(last) = self.below.checked_sub(1) else {
            self.top = Entry::none();
            return;
        };
        self.below = last;
        let entry = self.groups[last / 4].0[last % 4];
        self.put(last, Entry::none());
        self.replace_top(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng;

    /// The turn that is behind all others.
    const LAST: Turn = Turn(NEVER);

    fn drain<E: Copy + Default>(calendar: &mut Calendar<E>) -> Vec<(Time, E)> {
        std::iter::from_fn(|| calendar.next(LAST).map(|event| (calendar.now(), event))).collect()
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
            let left = calendar.next(LAST).map(|event| (calendar.now(), event));
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
            // More sources than there are places for, and the event that each has pending.
            let mut sources: Vec<_> = (0..rng::below(&mut rng, 16)).map(|_| (calendar.source(), (Time::ZERO, 0))).collect();
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
                    } else if kind == 1 && sources.iter().any(|(_, last)| !pending.contains_key(last)) {
                        let at = calendar.now() + Span(rng::below(&mut rng, 12));
                        let first = rng::below(&mut rng, sources.len() as u64) as usize;
                        sources.rotate_left(first);
                        let idle = sources.iter_mut().find(|(_, last)| !pending.contains_key(last));
                        let (source, last) = idle.expect("one has nothing pending");
                        calendar.schedule_next(*source, at, number);
                        *last = (at, number);
                        at
                    } else {
                        let at = calendar.now() + Span(rng::below(&mut rng, 40));
                        calendar.schedule(at, number);
                        at
                    };
                    pending.insert((at, number), ());
                }
                // Up to a time, or up to a turn in the midst of the events of one time.
                let until = calendar.now() + Span(rng::below(&mut rng, 30));
                let (turn, last) = match rng::below(&mut rng, 2) {
                    0 => (Turn::after(until), u64::MAX),
                    _ => (calendar.turn(until), number),
                };
                if last == number {
                    number += 1;
                    calendar.schedule(until, number);
                    pending.insert((until, number), ());
                }
                let due = pending.keys().next().copied().filter(|due| *due <= (until, last));
                assert_eq!(calendar.next(turn).map(|event| (calendar.now(), event)), due, "seed {seed}, step {step}");
                due.map(|first| pending.remove(&first));
            }
            assert!(drain(&mut calendar).into_iter().eq(pending.into_keys()), "seed {seed}");
        }
    }

    #[test]
    fn nothing_leaves_that_is_due_later() {
        let mut calendar = Calendar::<()>::new();
        calendar.schedule(Time(10), ());
        assert_eq!(calendar.next(Turn::after(Time(9))), None);
        assert_eq!(calendar.next(Turn::after(Time(10))), Some(()));
    }
}
