//! Topology-aware routing (`service.kubernetes.io/topology-mode: Auto`): for which zone the EndpointSlice controller means each endpoint,
//! so that zones have endpoints in proportion to their processors.
//!
//! Each ready endpoint is meant for its own zone first; then zones that have more than their part give some to those that have less. There
//! are no hints at all where nodes say too little, where there are fewer endpoints than zones, or where whole endpoints cannot be shared
//! out so that none gets 20 % more than its part. What kube-proxy makes of hints stands in `endpoints`.
//! Source: Kubernetes, endpointslice/topologycache (topologycache.go: SetNodes, getAllocations, AddHints; utils.go:
//! getGivingAndReceivingZones, redistributeHints, serviceOverloaded); documentation, concepts/services-networking/topology-aware-routing.
//! The controller walks its zones in the random order of a map; here the first one counts.

use super::defaults::topology::OVERLOAD_THRESHOLD;

/// The parts of a cluster's processors that its zones have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Zones {
    /// Zone and part, by zone. Empty: too little is known of the nodes.
    parts: Vec<(u32, f64)>,
}

impl Zones {
    /// Of the ready nodes, each with its zone and its allocatable CPU. One without, or a single zone: no hints.
    pub fn of_nodes(nodes: impl IntoIterator<Item = (Option<u32>, u64)>) -> Zones {
        let mut cpu: Vec<(u32, u64)> = Vec::new();
        for (zone, milli) in nodes {
            let (Some(zone), 1..) = (zone, milli) else { return Zones::default() };
            match cpu.binary_search_by_key(&zone, |(known, _)| *known) {
                Ok(place) => cpu[place].1 += milli,
                Err(place) => cpu.insert(place, (zone, milli)),
            }
        }
        let all: u64 = cpu.iter().map(|(_, milli)| milli).sum();
        let parts = if cpu.len() < 2 { Vec::new() } else { cpu };
        Zones { parts: parts.into_iter().map(|(zone, milli)| (zone, milli as f64 / all as f64)).collect() }
    }

    /// How many of so many endpoints each zone should have. `None`: it cannot be done.
    fn allocate(&self, endpoints: usize) -> Option<Vec<Allocation>> {
        if self.parts.is_empty() || endpoints < self.parts.len() {
            return None;
        }
        let mut allocations: Vec<Allocation> = self
            .parts
            .iter()
            .map(|&(zone, part)| {
                let minimum = minimum(part, endpoints);
                Allocation { zone, minimum, maximum: 0, desired: (part * endpoints as f64).max(minimum as f64) }
            })
            .collect();
        let spare = endpoints.checked_sub(allocations.iter().map(|allocation| allocation.minimum).sum())?;
        allocations.iter_mut().for_each(|allocation| allocation.maximum = allocation.minimum + spare);
        Some(allocations)
    }

    /// The zone that each ready endpoint is meant for, from the zones in which they are. `None`: no endpoint gets a hint.
    pub fn hints(&self, endpoints: &[Option<u32>]) -> Option<Vec<u32>> {
        let allocations = self.allocate(endpoints.len())?;
        let mut hints = endpoints.iter().copied().collect::<Option<Vec<u32>>>()?;
        let (mut giving, mut receiving) = exchange(&allocations, &hints);
        for hint in &mut hints {
            let Some(given) = giving.iter_mut().find(|(zone, left)| *zone == *hint && *left > 0) else { continue };
            let Some(received) = receiving.iter_mut().find(|(_, left)| *left > 0) else { break };
            (given.1, received.1, *hint) = (given.1 - 1, received.1 - 1, received.0);
        }
        Some(hints)
    }

    /// Hints after the nodes have changed: they stay unless a zone has too few endpoints now, and even then if they are possible. Where
    /// there were none, there are none until the endpoints change.
    pub fn hints_kept(&self, endpoints: &[Option<u32>], hints: Option<Vec<u32>>) -> Option<Vec<u32>> {
        let hints = hints?;
        let has_too_few = |&(zone, part): &(u32, f64)| count(&hints, zone) < minimum(part, hints.len());
        if !self.parts.is_empty() && !self.parts.iter().any(has_too_few) {
            return Some(hints);
        }
        let allocations = self.allocate(endpoints.len())?;
        let is_known = |zone: &u32| allocations.iter().any(|allocation| allocation.zone == *zone);
        let is_possible = hints.iter().all(is_known) && allocations.iter().all(|of| count(&hints, of.zone) <= of.maximum);
        if is_possible { Some(hints) } else { self.hints(endpoints) }
    }
}

/// Endpoints of a zone.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Allocation {
    zone: u32,
    minimum: usize,
    maximum: usize,
    desired: f64,
}

/// With fewer endpoints those of a zone would be overloaded.
fn minimum(part: f64, endpoints: usize) -> usize {
    (part * endpoints as f64 * (1.0 / (1.0 + OVERLOAD_THRESHOLD))).ceil() as usize
}

fn count(hints: &[u32], zone: u32) -> usize {
    hints.iter().filter(|hint| **hint == zone).count()
}

/// Zones, and how many endpoints each gives or receives.
type Moves = Vec<(u32, u32)>;

/// How many endpoints zones give to others, and how many they receive. One is moved where that brings both sides nearer to their part, at
/// least one of them by a whole endpoint.
fn exchange(allocations: &[Allocation], hints: &[u32]) -> (Moves, Moves) {
    let beyond = |allocation: &Allocation| count(hints, allocation.zone) as f64 - allocation.desired;
    let mut over: Vec<f64> = allocations.iter().map(|allocation| beyond(allocation).max(0.0)).collect();
    let mut under: Vec<f64> = allocations.iter().map(|allocation| (-beyond(allocation)).max(0.0)).collect();
    let none = || allocations.iter().map(|allocation| (allocation.zone, 0)).collect::<Moves>();
    let (mut giving, mut receiving) = (none(), none());
    while let (Some(from), Some(to)) = (most(&over), most(&under)) {
        let (more, less) = (over[from], under[to]);
        if more.max(less) < 1.0 || more.min(less) < 0.5 {
            break;
        }
        (over[from], under[to]) = (more - 1.0, less - 1.0);
        giving[from].1 += 1;
        receiving[to].1 += 1;
    }
    (giving, receiving)
}

/// The first of the largest above 0.
fn most(values: &[f64]) -> Option<usize> {
    let mut best: Option<usize> = None;
    for (place, value) in values.iter().enumerate().filter(|(_, value)| **value > 0.0) {
        if best.is_none_or(|best| *value > values[best]) {
            best = Some(place);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zones(cpu: &[u64]) -> Zones {
        Zones::of_nodes((0..).map(Some).zip(cpu.iter().copied()))
    }

    /// So many endpoints in each zone, in this order.
    fn endpoints(counts: &[usize]) -> Vec<Option<u32>> {
        (0..).zip(counts).flat_map(|(zone, count)| vec![Some(zone); *count]).collect()
    }

    fn shared_out(cpu: &[u64], counts: &[usize]) -> Option<Vec<usize>> {
        let hints = zones(cpu).hints(&endpoints(counts))?;
        Some((0..cpu.len() as u32).map(|zone| count(&hints, zone)).collect())
    }

    /// topologycache_test.go, Test_getAllocations.
    #[test]
    fn allocations_keep_every_endpoint_below_an_overload_of_20_percent() {
        let allocated = |cpu: &[u64], endpoints| {
            let of = |allocation: &Allocation| (allocation.minimum, allocation.maximum, allocation.desired);
            zones(cpu).allocate(endpoints).map(|all| all.iter().map(of).collect::<Vec<_>>())
        };
        assert_eq!(zones(&[]).allocate(10), None);
        assert_eq!(zones(&[4000]).allocate(10), None);
        assert_eq!(allocated(&[1000, 1000, 1000], 2), None, "fewer endpoints than zones");
        assert_eq!(allocated(&[1000, 1000, 1000], 4), None, "4/3 are too many for one: at least two each");
        let near = |found: Option<Vec<(usize, usize, f64)>>, expected: &[(usize, usize, f64)]| {
            let found = found.expect("it can be done");
            assert!(found.iter().zip(expected).all(|(a, b)| (a.0, a.1) == (b.0, b.1) && (a.2 - b.2).abs() < 1e-9), "{found:?}");
        };
        near(allocated(&[1000, 1000], 10), &[(5, 5, 5.0), (5, 5, 5.0)]);
        near(allocated(&[1000, 1000, 1000], 16), &[(5, 6, 16.0 / 3.0); 3]);
        near(allocated(&[4000, 1000], 10), &[(7, 8, 8.0), (2, 3, 2.0)]);
        near(allocated(&[9000, 1000], 5), &[(4, 4, 4.5), (1, 1, 1.0)]);
    }

    #[test]
    fn nodes_that_say_too_little_make_no_hints() {
        assert_eq!(Zones::of_nodes([(Some(0), 1000), (None, 1000), (Some(1), 1000)]), Zones::default());
        assert_eq!(Zones::of_nodes([(Some(0), 1000), (Some(1), 0)]), Zones::default());
        assert_eq!(Zones::of_nodes([(Some(3), 1000), (Some(3), 1000)]), Zones::default());
        assert_eq!(Zones::of_nodes([(Some(3), 1000), (Some(1), 500), (Some(3), 500)]).parts, [(1, 0.25), (3, 0.75)]);
        assert_eq!(zones(&[1000, 1000]).hints(&[Some(0), Some(1), None]), None);
    }

    #[test]
    fn zones_with_more_than_their_part_give_to_those_with_less() {
        assert_eq!(shared_out(&[1000, 1000], &[5, 5]), Some(vec![5, 5]));
        assert_eq!(shared_out(&[1000, 1000], &[8, 2]), Some(vec![5, 5]));
        assert_eq!(shared_out(&[1000, 1000], &[10, 0]), Some(vec![5, 5]));
        assert_eq!(shared_out(&[2000, 1000, 1000], &[2, 2, 4]), Some(vec![4, 2, 2]));
        // The first endpoints of a zone are those that move.
        assert_eq!(zones(&[1000, 1000]).hints(&endpoints(&[3, 1])), Some(vec![1, 0, 0, 1]));
        // Of equals the first gives.
        assert_eq!(shared_out(&[1000, 1000, 1000], &[1, 3, 3]), Some(vec![2, 2, 3]));
        // Half an endpoint more here and less there is no whole one on either side.
        assert_eq!(shared_out(&[1000, 1000], &[6, 5]), Some(vec![6, 5]));
        // A third of an endpoint more or less is left as it is.
        assert_eq!(shared_out(&[1000, 1000, 1000], &[5, 5, 6]), Some(vec![5, 5, 6]));
    }

    /// Whatever the zones, each endpoint is meant for one, and none is further from its part than without an exchange.
    #[test]
    fn an_exchange_brings_no_zone_further_from_its_part() {
        let mut exchanged = 0;
        for cpu in [[1000, 1000, 1000], [4000, 2000, 1000], [1000, 2000, 2000], [3000, 3000, 1000]] {
            let zones = zones(&cpu);
            for counts in (0..1000).map(|number| [number / 100, number / 10 % 10, number % 10]) {
                let endpoints = endpoints(&counts);
                let (Some(hints), Some(allocations)) = (zones.hints(&endpoints), zones.allocate(endpoints.len())) else { continue };
                assert_eq!(hints.len(), endpoints.len());
                for of in allocations {
                    let far = |count: usize| (count as f64 - of.desired).abs();
                    let (before, after) = (counts[of.zone as usize], count(&hints, of.zone));
                    assert!(far(after) <= far(before) + 1e-9, "{cpu:?} {counts:?}: {hints:?}");
                    exchanged += usize::from(after != before);
                }
            }
        }
        assert!(exchanged > 1000);
    }

    #[test]
    fn other_nodes_change_hints_only_where_a_zone_has_too_few() {
        let endpoints = endpoints(&[5, 5]);
        let hints = zones(&[1000, 1000]).hints(&endpoints);
        // 6 : 5 asks for 5 and 4 at least, 3 : 1 for 7 and 3.
        assert_eq!(zones(&[6000, 5000]).hints_kept(&endpoints, hints.clone()), hints);
        let moved = zones(&[3000, 1000]).hints_kept(&endpoints, hints.clone()).expect("it can be done");
        assert_eq!([count(&moved, 0), count(&moved, 1)], [7, 3]);
        // Too few in one zone, and no more in the others than they may have: they stay, though made anew they would be others.
        let uneven = self::endpoints(&[2, 4, 4]);
        let of_old: Vec<u32> = uneven.iter().copied().flatten().collect();
        assert_eq!(zones(&[1000, 1000, 1000]).hints_kept(&uneven, Some(of_old.clone())), Some(of_old));
        assert_eq!(shared_out(&[1000, 1000, 1000], &[2, 4, 4]), Some(vec![3, 3, 4]));
        // Hints for a zone that is gone stay as long as the others have enough; else all are made anew.
        let kept = |endpoints: &[usize], hints: &[usize]| {
            let hints: Vec<u32> = self::endpoints(hints).into_iter().flatten().collect();
            let kept = zones(&[1000, 1000]).hints_kept(&self::endpoints(endpoints), Some(hints)).expect("it can be done");
            [count(&kept, 0), count(&kept, 1), count(&kept, 2)]
        };
        assert_eq!(kept(&[4, 6, 2], &[5, 5, 2]), [5, 5, 2]);
        assert_eq!(kept(&[5, 4, 2], &[4, 5, 2]), [5, 4, 2]);
        // A zone that is gone takes its hints along; of one zone there are none, and they come back with the next change of endpoints only.
        assert_eq!(zones(&[1000]).hints_kept(&endpoints, hints), None);
        assert_eq!(zones(&[1000, 1000]).hints_kept(&endpoints, None), None);
    }
}
