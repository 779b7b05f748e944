//! Who waits in a balancer, in order of arrival: for whichever target, or for the one that a user is bound to.
//! As in HAProxy, whose backend has a queue and each of its servers one too, and where the older goes first (queue.c).

use super::event::Ref;
use crate::policy::TargetId;
use std::collections::{BTreeMap, VecDeque};

/// A request that waits, with its number in the order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiter {
    pub number: u64,
    pub attempt: Ref,
}

/// The line of a balancer.
#[derive(Default)]
pub struct Line {
    /// For whichever target, the older first.
    any: VecDeque<Waiter>,
    /// For one target; no entry is empty.
    bound: BTreeMap<TargetId, VecDeque<Waiter>>,
    numbers: u64,
}

impl Line {
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.any.is_empty() && self.bound.is_empty()
    }

    /// The number of one that begins to wait.
    pub fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Puts a request where it belongs by its number: mostly at the end, or back to the front.
    pub fn put(&mut self, waiter: Waiter, bound_to: Option<TargetId>) {
        let line = match bound_to {
            None => &mut self.any,
            Some(target) => self.bound.entry(target).or_default(),
        };
        let place = line.partition_point(|other| other.number < waiter.number);
        line.insert(place, waiter);
    }

    /// Whether the one with this number waits for whichever target.
    pub fn waits_for_any(&self, number: u64) -> bool {
        self.any.binary_search_by_key(&number, |waiter| waiter.number).is_ok()
    }

    /// Takes out all.
    pub fn drain(&mut self) -> Vec<Waiter> {
        let bound = std::mem::take(&mut self.bound).into_values().flatten();
        self.any.drain(..).chain(bound).collect()
    }

    /// Whether this request waits here.
    pub fn holds(&self, attempt: Ref) -> bool {
        self.any.iter().chain(self.bound.values().flatten()).any(|waiter| waiter.attempt == attempt)
    }

    /// Takes out the oldest of those that may go: the first that waits for any target, and the first for each target that `is_open`.
    pub fn take(&mut self, is_open: impl Fn(TargetId) -> bool) -> Option<Waiter> {
        let bound = self.bound.iter().filter(|(target, _)| is_open(**target));
        let first = bound.filter_map(|(target, line)| Some((line.front()?.number, *target))).min();
        match (self.any.front(), first) {
            (Some(any), Some((number, _))) if any.number < number => self.any.pop_front(),
            (_, Some((_, target))) => self.take_bound(target),
            (_, None) => self.any.pop_front(),
        }
    }

    fn take_bound(&mut self, target: TargetId) -> Option<Waiter> {
        let line = self.bound.get_mut(&target)?;
        let first = line.pop_front();
        if line.is_empty() {
            self.bound.remove(&target);
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter(number: u64) -> Waiter {
        Waiter { number, attempt: Ref { index: number as u32, generation: 0 } }
    }

    #[test]
    fn the_older_goes_first_and_a_closed_target_holds_up_only_its_own() {
        let mut line = Line::default();
        for (number, bound_to) in [(1, Some(7)), (2, None), (3, Some(4)), (4, Some(7)), (5, None)] {
            assert_eq!(line.number(), number);
            line.put(waiter(number), bound_to);
        }
        let mut take = |closed: TargetId| line.take(|target| target != closed).map(|waiter| waiter.number);
        assert_eq!([take(7), take(7), take(0), take(4), take(7), take(7)], [Some(2), Some(3), Some(1), Some(4), Some(5), None]);
        assert!(line.is_empty());
    }

    #[test]
    fn whoever_waits_again_is_where_it_was() {
        let mut line = Line::default();
        (1..=3).for_each(|number| line.put(waiter(number), None));
        let first = line.take(|_| true).unwrap();
        line.put(first, None);
        assert!(line.waits_for_any(1) && !line.waits_for_any(4));
        assert_eq!(line.take(|_| true), Some(waiter(1)));
    }
}
