//! The least loaded target without a scan: a winner tree over the targets' loads, and the policy on top of it that
//! `least_connections` and `weighted_least_connections` share. Update and pick cost O(log n).
//! Source of the tree: Knuth, The Art of Computer Programming 3, 5.4.1 (tree of winners); of the ties: see [`Ties`].

use super::{Outcome, Pick, Policy, Request, TargetId, Targets};
use crate::rng::{Rng, below};
use schemars::JsonSchema;
use serde::Deserialize;
use std::marker::PhantomData;

/// Which target is taken among those with the same, lowest load. With heavy-tailed work this changes the mean by 10 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ties {
    /// The next one in list order behind the last pick (nginx with equal weights).
    #[default]
    RoundRobin,
    /// Any of them with the same chance (Caddy).
    Random,
    /// The first one in the list (IPVS).
    First,
    /// The one that has stood at this load the longest; sending and ending both count as a change (HAProxy).
    LeastRecentlyChanged,
}

/// What a tree compares: the lowest wins.
pub trait Key: Copy {
    /// Of a target that is not in the running.
    const OUT: Self;

    /// What stands above two nodes.
    fn merge(self, other: Self) -> Self;

    fn is_as_low_as(self, other: Self) -> bool;
}

impl Key for u64 {
    const OUT: u64 = u64::MAX;

    #[inline]
    fn merge(self, other: u64) -> u64 {
        self.min(other)
    }

    #[inline]
    fn is_as_low_as(self, other: u64) -> bool {
        self == other
    }
}

/// Two keys in one: the high half decides, the low half among equals.
impl Key for u128 {
    const OUT: u128 = u128::MAX;

    #[inline]
    fn merge(self, other: u128) -> u128 {
        self.min(other)
    }

    #[inline]
    fn is_as_low_as(self, other: u128) -> bool {
        self == other
    }
}

/// A load with the number of targets that have it, to draw among equals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counted {
    load: u64,
    count: u64,
}

impl Key for Counted {
    const OUT: Counted = Counted { load: u64::MAX, count: 1 };

    #[inline]
    fn merge(self, other: Counted) -> Counted {
        let load = self.load.min(other.load);
        let of = |key: Counted| if key.load == load { key.count } else { 0 };
        Counted { load, count: of(self) + of(other) }
    }

    #[inline]
    fn is_as_low_as(self, other: Counted) -> bool {
        self.load == other.load
    }
}

/// A complete binary tree in an array: node i has the children 2i and 2i + 1, the leaves are the targets, and each inner node
/// holds the merger of its children's keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree<K> {
    keys: Vec<K>,
    first_leaf: usize,
}

impl<K: Key> Tree<K> {
    /// `n` targets, none of them in the running.
    pub fn new(n: usize) -> Tree<K> {
        let first_leaf = n.next_power_of_two();
        let mut tree = Tree { keys: vec![K::OUT; 2 * first_leaf], first_leaf };
        tree.refill(std::iter::empty());
        tree
    }

    /// Replaces all keys, in the order of the targets. O(n).
    pub fn refill(&mut self, keys: impl Iterator<Item = K>) {
        for (leaf, key) in self.keys[self.first_leaf..].iter_mut().zip(keys) {
            *leaf = key;
        }
        for node in (1..self.first_leaf).rev() {
            self.keys[node] = self.keys[2 * node].merge(self.keys[2 * node + 1]);
        }
    }

    /// O(log n), always up to the root: to stop where nothing changes any more costs more in mispredicted branches than it saves.
    #[inline]
    pub fn set(&mut self, target: TargetId, mut key: K) {
        let mut node = self.first_leaf + target as usize;
        self.keys[node] = key;
        while node > 1 {
            key = key.merge(self.keys[node ^ 1]);
            node /= 2;
            self.keys[node] = key;
        }
    }

    /// The lowest key; `OUT` where nobody is in the running.
    #[inline]
    pub fn least(&self) -> K {
        self.keys[1]
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.least().is_as_low_as(K::OUT)
    }

    /// The first target in the list that has the lowest key.
    #[inline]
    pub fn first(&self) -> TargetId {
        self.first_below(1)
    }

    #[inline]
    fn first_below(&self, mut node: usize) -> TargetId {
        let least = self.least();
        while node < self.first_leaf {
            node = 2 * node + usize::from(!self.keys[2 * node].is_as_low_as(least));
        }
        (node - self.first_leaf) as TargetId
    }

    /// The first target at or behind `start` in the list, and then from its beginning, that has the lowest key.
    #[inline]
    pub fn first_from(&self, start: TargetId) -> TargetId {
        let least = self.least();
        if start as usize >= self.first_leaf {
            return self.first();
        }
        let mut node = self.first_leaf + start as usize;
        if self.keys[node].is_as_low_as(least) {
            return start;
        }
        while node > 1 {
            let is_left = node.is_multiple_of(2);
            if is_left && self.keys[node + 1].is_as_low_as(least) {
                return self.first_below(node + 1);
            }
            node /= 2;
        }
        self.first()
    }

    /// The lowest key among all targets but this one.
    pub fn least_without(&self, target: TargetId) -> K {
        let mut node = self.first_leaf + target as usize;
        let mut least = K::OUT;
        while node > 1 {
            least = least.merge(self.keys[node ^ 1]);
            node /= 2;
        }
        least
    }
}

impl Tree<Counted> {
    /// Any target that has the lowest load, each with the same chance.
    #[inline]
    pub fn random(&self, rng: &mut Rng) -> TargetId {
        let least = self.least();
        let mut rank = below(rng, least.count);
        let mut node = 1;
        while node < self.first_leaf {
            let left = self.keys[2 * node];
            let left_count = if left.is_as_low_as(least) { left.count } else { 0 };
            let goes_right = rank >= left_count;
            rank -= if goes_right { left_count } else { 0 };
            node = 2 * node + usize::from(goes_right);
        }
        (node - self.first_leaf) as TargetId
    }
}

/// The load that is compared, as an integer that keeps the order.
pub trait Load: Send {
    fn of(target: TargetId, targets: &Targets) -> u64;
}

/// A key made of the load, and the choice among equals that it allows.
pub trait LoadKey: Key + Send + Sized {
    fn new(load: u64, last_change: u64) -> Self;

    fn choose(tree: &Tree<Self>, pointer: TargetId, rng: &mut Rng) -> TargetId;
}

/// In list order from the pointer on.
impl LoadKey for u64 {
    #[inline]
    fn new(load: u64, _: u64) -> u64 {
        load
    }

    #[inline]
    fn choose(tree: &Tree<u64>, pointer: TargetId, _: &mut Rng) -> TargetId {
        tree.first_from(pointer)
    }
}

/// By the time of the last change. Equals beyond that have never changed and go in list order.
impl LoadKey for u128 {
    #[inline]
    fn new(load: u64, last_change: u64) -> u128 {
        (u128::from(load) << 64) | u128::from(last_change)
    }

    #[inline]
    fn choose(tree: &Tree<u128>, _: TargetId, _: &mut Rng) -> TargetId {
        tree.first()
    }
}

/// At random.
impl LoadKey for Counted {
    #[inline]
    fn new(load: u64, _: u64) -> Counted {
        Counted { load, count: 1 }
    }

    #[inline]
    fn choose(tree: &Tree<Counted>, _: TargetId, rng: &mut Rng) -> TargetId {
        tree.random(rng)
    }
}

/// Sends each request to the target with the lowest load `L`; the key `K` makes the tie rule.
pub struct LeastLoaded<L, K> {
    tree: Tree<K>,
    ties: Ties,
    /// Behind the last pick; always 0 where ties go to the first.
    pointer: TargetId,
    /// Number of the last change of each target's count.
    last_change: Vec<u64>,
    changes: u64,
    load: PhantomData<L>,
}

/// The policy for that tie rule over `n` targets.
pub fn least_loaded<L: Load + 'static>(ties: Ties, n: usize) -> Box<dyn Policy> {
    match ties {
        Ties::RoundRobin | Ties::First => Box::new(LeastLoaded::<L, u64>::new(ties, n)),
        Ties::Random => Box::new(LeastLoaded::<L, Counted>::new(ties, n)),
        Ties::LeastRecentlyChanged => Box::new(LeastLoaded::<L, u128>::new(ties, n)),
    }
}

impl<L: Load, K: LoadKey> LeastLoaded<L, K> {
    fn new(ties: Ties, n: usize) -> LeastLoaded<L, K> {
        LeastLoaded { tree: Tree::new(n), ties, pointer: 0, last_change: vec![0; n], changes: 0, load: PhantomData }
    }

    #[inline]
    fn change(&mut self, target: TargetId, targets: &Targets) {
        self.changes += 1;
        self.last_change[target as usize] = self.changes;
        if targets.is_eligible(target) {
            self.tree.set(target, K::new(L::of(target, targets), self.changes));
        }
    }
}

impl<L: Load, K: LoadKey> Policy for LeastLoaded<L, K> {
    fn reads_request(&self) -> bool {
        false
    }

    fn pick(&mut self, _: &Request, _: &Targets, rng: &mut Rng) -> Pick {
        if self.tree.is_empty() {
            return Pick::Nobody;
        }
        let target = K::choose(&self.tree, self.pointer, rng);
        if self.ties == Ties::RoundRobin {
            self.pointer = target + 1;
        }
        Pick::Target(target)
    }

    fn on_sent(&mut self, target: TargetId, targets: &Targets) {
        self.change(target, targets);
    }

    fn on_done(&mut self, target: TargetId, _: &Outcome, targets: &Targets) {
        self.change(target, targets);
    }

    fn on_change(&mut self, targets: &Targets) {
        let last_change = &self.last_change;
        self.tree.refill((0..targets.len() as TargetId).map(|target| match targets.is_eligible(target) {
            true => K::new(L::of(target, targets), last_change[target as usize]),
            false => K::OUT,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::conformance::assert_shares;
    use crate::rng::stream;

    /// The tree against a plain scan, over all sizes to 40 and random keys with many equals.
    #[test]
    fn the_tree_agrees_with_a_scan() {
        const OUT: u64 = u64::MAX;
        let mut rng = stream(1, 0, "tree");
        for n in 1..40_usize {
            let (mut tree, mut counted) = (Tree::<u64>::new(n), Tree::<Counted>::new(n));
            let mut keys = vec![OUT; n];
            for _ in 0..200 {
                let target = below(&mut rng, n as u64) as usize;
                keys[target] = [0, 1, 2, 3, OUT][below(&mut rng, 5) as usize];
                tree.set(target as TargetId, keys[target]);
                counted.set(target as TargetId, Counted { load: keys[target], count: 1 });
                let least = keys.iter().copied().min().unwrap_or(OUT);
                assert_eq!((tree.least(), counted.least().load), (least, least));
                let without = (0..n).filter(|&i| i != target).map(|i| keys[i]).min().unwrap_or(OUT);
                assert_eq!(tree.least_without(target as TargetId), without);
                assert_eq!(tree.is_empty(), least == OUT);
                if least == OUT {
                    continue;
                }
                let start = below(&mut rng, n as u64 + 1) as usize;
                let cyclic = (start..n).chain(0..start.min(n)).find(|&i| keys[i] == least);
                assert_eq!(Some(tree.first_from(start as TargetId) as usize), cyclic, "n {n} start {start}");
                assert_eq!(Some(tree.first() as usize), keys.iter().position(|&key| key == least));
                assert_eq!(counted.least().count as usize, keys.iter().filter(|&&key| key == least).count());
                assert_eq!(keys[counted.random(&mut rng) as usize], least);
            }
            let mut refilled = Tree::<u64>::new(n);
            refilled.refill(keys.iter().copied());
            assert_eq!(refilled, tree);
        }
    }

    #[test]
    fn random_ties_are_uniform_among_the_tied() {
        let mut tree = Tree::<Counted>::new(11);
        tree.refill([3, 1, 1, 2, 1, 5, 1, 9, 2, 2, 1].into_iter().map(|load| Counted { load, count: 1 }));
        let mut rng = stream(2, 0, "ties");
        let mut counts = [0; 11];
        (0..50_000).for_each(|_| counts[tree.random(&mut rng) as usize] += 1);
        assert_shares(&counts, &[0.0, 0.2, 0.2, 0.0, 0.2, 0.0, 0.2, 0.0, 0.0, 0.0, 0.2]);
    }
}
