//! The bare loop: how fast one thread can simulate a load balancer if nothing but the model is there. Poisson arrivals,
//! exponential service of mean 1, N FIFO servers with one slot, every sojourn time recorded in a log-linear histogram.
//! Time is in ticks of 2^-30; the calendar is a 4-ary heap with one entry for each busy server.

use rand_distr::{Distribution, Exp1};
use rand_xoshiro::Xoshiro256PlusPlus as Rng;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng};
use std::collections::VecDeque;

const TICK: f64 = (1u64 << 30) as f64;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pick {
    Single,
    PowerOfTwo,
    Least,
}

struct Histogram {
    counts: Vec<u64>,
    sum: u128,
    n: u64,
}

impl Histogram {
    #[inline]
    fn index(v: u64) -> usize {
        if v < 128 {
            return v as usize;
        }
        let octave = 63 - v.leading_zeros() as usize - 7;
        (octave + 1) * 128 + ((v >> octave) as usize & 127)
    }

    #[inline]
    fn add(&mut self, v: u64) {
        self.counts[Self::index(v)] += 1;
        self.sum += u128::from(v);
        self.n += 1;
    }
}

struct Heap(Vec<(u64, u32)>);

impl Heap {
    #[inline]
    fn push(&mut self, key: (u64, u32)) {
        let mut i = self.0.len();
        self.0.push(key);
        while i > 0 {
            let parent = (i - 1) / 4;
            if self.0[parent].0 <= key.0 {
                break;
            }
            self.0[i] = self.0[parent];
            i = parent;
        }
        self.0[i] = key;
    }

    #[inline]
    fn top(&self) -> u64 {
        self.0.first().map_or(u64::MAX, |first| first.0)
    }

    #[inline]
    fn replace(&mut self, key: (u64, u32)) {
        let n = self.0.len();
        let mut i = 0;
        loop {
            let child = 4 * i + 1;
            if child >= n {
                break;
            }
            let mut least = child;
            for j in child + 1..(child + 4).min(n) {
                if self.0[j].0 < self.0[least].0 {
                    least = j;
                }
            }
            if self.0[least].0 >= key.0 {
                break;
            }
            self.0[i] = self.0[least];
            i = least;
        }
        self.0[i] = key;
    }

    #[inline]
    fn pop(&mut self) {
        if let Some(last) = self.0.pop()
            && !self.0.is_empty()
        {
            self.replace(last);
        }
    }
}

/// Least loaded in O(1): servers grouped by load, the place of each known, a random member of the lowest group.
struct Buckets {
    members: Vec<Vec<u32>>,
    place: Vec<u32>,
    low: usize,
}

impl Buckets {
    #[inline]
    fn shift(&mut self, server: u32, from: usize, to: usize) {
        let group = &mut self.members[from];
        let i = self.place[server as usize] as usize;
        group.swap_remove(i);
        if let Some(&moved) = group.get(i) {
            self.place[moved as usize] = i as u32;
        }
        if self.members.len() <= to {
            self.members.push(Vec::new());
        }
        self.place[server as usize] = self.members[to].len() as u32;
        self.members[to].push(server);
        self.low = self.low.min(to);
        while self.members[self.low].is_empty() {
            self.low += 1;
        }
    }
}

#[inline]
fn below(rng: &mut Rng, n: usize) -> usize {
    ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize
}

#[inline]
fn exponential(rng: &mut Rng, mean: f64) -> u64 {
    let x: f64 = Exp1.sample(rng);
    (x * mean * TICK) as u64
}

/// Simulates until `requests` are done; the mean sojourn in units of the mean service time.
pub fn run(pick: Pick, n: usize, load: f64, requests: u64, seed: u64) -> f64 {
    let mut streams = [1, 2, 3].map(|stream| Rng::seed_from_u64(seed * 10 + stream));
    let mut queues: Vec<VecDeque<u64>> = vec![VecDeque::new(); n];
    let mut in_system = vec![0u32; n];
    let mut heap = Heap(Vec::with_capacity(n));
    let mut histogram = Histogram { counts: vec![0; 64 * 128], sum: 0, n: 0 };
    let mut buckets = Buckets { members: vec![(0..n as u32).collect()], place: (0..n as u32).collect(), low: 0 };
    let mut arrival = 0u64;
    let gap = 1.0 / (load * n as f64);
    while histogram.n < requests {
        let next = heap.top();
        if arrival <= next {
            let server = match pick {
                Pick::Single => 0,
                Pick::PowerOfTwo => {
                    let x = below(&mut streams[2], n);
                    let mut y = below(&mut streams[2], n - 1);
                    y += usize::from(y >= x);
                    if in_system[y] < in_system[x] { y } else { x }
                }
                Pick::Least => {
                    let group = &buckets.members[buckets.low];
                    group[below(&mut streams[2], group.len())] as usize
                }
            };
            if pick == Pick::Least {
                buckets.shift(server as u32, in_system[server] as usize, in_system[server] as usize + 1);
            }
            in_system[server] += 1;
            queues[server].push_back(arrival);
            if in_system[server] == 1 {
                let work = exponential(&mut streams[1], 1.0);
                heap.push((arrival + work, server as u32));
            }
            arrival += exponential(&mut streams[0], gap);
        } else {
            let server = heap.0[0].1 as usize;
            if let Some(since) = queues[server].pop_front() {
                histogram.add(next - since);
            }
            if pick == Pick::Least {
                buckets.shift(server as u32, in_system[server] as usize, in_system[server] as usize - 1);
            }
            in_system[server] -= 1;
            if in_system[server] > 0 {
                let work = exponential(&mut streams[1], 1.0);
                heap.replace((next + work, server as u32));
            } else {
                heap.pop();
            }
        }
    }
    histogram.sum as f64 / histogram.n as f64 / TICK
}
