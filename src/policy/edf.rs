//! Earliest deadline first: targets take turns in proportion to weights that may be fractions and may change between turns.
//!
//! A target's next turn is 1 / weight after its last one, with the weight that it has at that moment. Unlike smooth weighted round robin,
//! a turn costs O(log n) whatever the weights, and a weight that grows (slow start) counts from the target's next turn on.
//! Source: Envoy, source/common/upstream/edf_scheduler.h.

use super::TargetId;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// What Envoy adds to a weight for the first deadline: where weights are multiples of each other, the lighter target wins ties by it.
const FIRST_WEIGHT_EXCESS: f64 = 1e-13;

/// A target in the schedule; the greatest is the next.
struct Entry {
    deadline: f64,
    /// Equal deadlines: who entered first.
    entered: u64,
    target: TargetId,
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> Ordering {
        other.deadline.total_cmp(&self.deadline).then(other.entered.cmp(&self.entered))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

/// The turns of some targets.
#[derive(Default)]
pub struct Schedule {
    entries: BinaryHeap<Entry>,
    now: f64,
    entered: u64,
}

impl Schedule {
    /// Of targets with their weights, in the order in which equals take turns. Weight 0 or less never has one.
    pub fn new(weights: impl IntoIterator<Item = (TargetId, f64)>) -> Schedule {
        let mut schedule = Schedule::default();
        for (target, weight) in weights.into_iter().filter(|(_, weight)| *weight > 0.0) {
            schedule.enter(target, weight + FIRST_WEIGHT_EXCESS);
        }
        schedule
    }

    fn enter(&mut self, target: TargetId, weight: f64) {
        self.entries.push(Entry { deadline: self.now + 1.0 / weight, entered: self.entered, target });
        self.entered += 1;
    }

    /// The next turn. `weight` tells what the target weighs now; one that no longer weighs anything leaves the schedule.
    pub fn next(&mut self, weight: impl FnOnce(TargetId) -> f64) -> Option<TargetId> {
        let Entry { deadline, target, .. } = self.entries.pop()?;
        self.now = deadline;
        let weight = weight(target);
        if weight > 0.0 {
            self.enter(target, weight);
        }
        Some(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(weights: &[f64], n: usize) -> Vec<TargetId> {
        let mut schedule = Schedule::new((0..).zip(weights.iter().copied()));
        (0..n).filter_map(|_| schedule.next(|target| weights[target as usize])).collect()
    }

    /// round_robin_lb_test.cc, "Weighted" in its first two phases and the cases of slow start; edf_scheduler_test.cc, equal weights.
    #[test]
    fn turns_are_those_of_envoys_tests() {
        assert_eq!(turns(&[1.0, 2.0], 6), [1, 0, 1, 1, 0, 1]);
        assert_eq!(turns(&[2.0, 1.0, 3.0], 12), [2, 0, 2, 1, 0, 2, 2, 0, 2, 1, 0, 2]);
        assert_eq!(turns(&[1.0, 0.2], 5), [0, 0, 0, 0, 1]);
        assert_eq!(turns(&[1.0, 0.5, 0.5], 5), [0, 1, 2, 0, 0]);
        assert_eq!(turns(&[1.0; 3], 6), [0, 1, 2, 0, 1, 2]);
        assert_eq!(turns(&[1.0, 0.0], 3), [0, 0, 0]);
        assert!(turns(&[0.0], 1).is_empty());
    }

    #[test]
    fn a_weight_that_grows_counts_from_the_next_turn_on() {
        let mut schedule = Schedule::new([(0, 1.0), (1, 0.5)]);
        let turns: Vec<_> = (0..6).filter_map(|turn| schedule.next(|target| if target == 1 && turn < 2 { 0.5 } else { 1.0 })).collect();
        assert_eq!(turns, [0, 1, 0, 0, 1, 0]);
    }
}
