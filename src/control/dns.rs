//! What Route 53 answers: simple, weighted, failover, multivalue and latency routing, with the health of records.
//!
//! A group of records whose members are all unhealthy is answered as if all were healthy. Records without a health check count as healthy.
//! Answers are for queries, and a resolver's cache makes many clients of one: shares of queries are not shares of requests.
//! Source: Route 53 API model (ResourceRecordSet, HealthCheckConfig); developer guide, "How Route 53 chooses records when health checking
//! is configured", "How Route 53 determines whether a health check is healthy", "Active-active and active-passive failover".

use super::defaults::route53 as default;
use crate::rng::{Rng, below, unit};
use crate::units::Span;

/// A weighted record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weighted {
    pub weight: u32,
    pub is_healthy: bool,
}

/// The share of the queries that each record gets: by weight among the healthy ones with a weight; if there are none, evenly among the
/// healthy ones of weight 0; if there are none either, as if all were healthy.
pub fn weighted_shares(records: &[Weighted]) -> Vec<f64> {
    let healthy = shares(records, |record| record.is_healthy);
    if healthy.iter().any(|&share| share > 0.0) { healthy } else { shares(records, |_| true) }
}

/// Shares among the records that may be answered; all 0 where there are none.
fn shares(records: &[Weighted], may: impl Fn(&Weighted) -> bool) -> Vec<f64> {
    let total: u64 = records.iter().filter(|record| may(record)).map(|record| u64::from(record.weight)).sum();
    let count = records.iter().filter(|record| may(record)).count();
    let share = |record: &Weighted| match (may(record), total) {
        (false, _) => 0.0,
        (true, 0) => 1.0 / count as f64,
        (true, total) => f64::from(record.weight) / total as f64,
    };
    records.iter().map(share).collect()
}

/// The record for one query; `None`: there are none.
pub fn weighted(records: &[Weighted], rng: &mut Rng) -> Option<usize> {
    draw(&weighted_shares(records), rng)
}

/// An index with the probability of its share.
pub fn draw(shares: &[f64], rng: &mut Rng) -> Option<usize> {
    let total: f64 = shares.iter().sum();
    let mut left = unit(rng) * total;
    let mut last = None;
    for (i, &share) in shares.iter().enumerate().filter(|(_, share)| **share > 0.0) {
        last = Some(i);
        left -= share;
        if left < 0.0 {
            break;
        }
    }
    last
}

/// The record of a failover pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failover {
    Primary,
    Secondary,
}

/// The secondary only where the primary is unhealthy and the secondary is not.
pub fn failover(primary_is_healthy: bool, secondary_is_healthy: bool) -> Failover {
    if !primary_is_healthy && secondary_is_healthy { Failover::Secondary } else { Failover::Primary }
}

/// The records in a multivalue answer: up to eight healthy ones, drawn and in a drawn order where there are more; where none is healthy,
/// up to eight of all.
pub fn multivalue(is_healthy: &[bool], rng: &mut Rng) -> Vec<usize> {
    let healthy: Vec<usize> = (0..is_healthy.len()).filter(|&i| is_healthy[i]).collect();
    let mut records = if healthy.is_empty() { (0..is_healthy.len()).collect() } else { healthy };
    shuffle(&mut records, rng);
    records.truncate(default::MULTIVALUE_ANSWERS);
    records
}

/// The values of a simple record, all of them, in a drawn order.
pub fn simple(values: usize, rng: &mut Rng) -> Vec<usize> {
    let mut values: Vec<usize> = (0..values).collect();
    shuffle(&mut values, rng);
    values
}

/// Fisher and Yates.
fn shuffle(list: &mut [usize], rng: &mut Rng) {
    for i in (1..list.len()).rev() {
        list.swap(i, below(rng, i as u64 + 1) as usize);
    }
}

/// A record of latency routing: how far its region is from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    pub latency: Span,
    pub is_healthy: bool,
}

/// The nearest healthy record, or the nearest where none is healthy. The first of equals.
pub fn nearest(records: &[Latency]) -> Option<usize> {
    let any_healthy = records.iter().any(|record| record.is_healthy);
    (0..records.len()).filter(|&i| records[i].is_healthy || !any_healthy).min_by_key(|&i| records[i].latency)
}

/// The health of an alias to a load balancer with `evaluate target health`: every target group, given by its healthy targets, has one.
/// A group without targets has none; a load balancer without groups is unhealthy.
pub fn alias_is_healthy(healthy_targets: &[u32]) -> bool {
    !healthy_targets.is_empty() && healthy_targets.iter().all(|&healthy| healthy > 0)
}

/// A health check of an endpoint, as one of the checkers in the world sees it. Healthy until it has been found otherwise; the same
/// threshold counts in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    threshold: u32,
    is_healthy: bool,
    contrary: u32,
}

impl Default for HealthCheck {
    fn default() -> HealthCheck {
        HealthCheck::new(default::FAILURE_THRESHOLD)
    }
}

impl HealthCheck {
    pub fn new(threshold: u32) -> HealthCheck {
        HealthCheck { threshold, is_healthy: true, contrary: 0 }
    }

    pub fn is_healthy(&self) -> bool {
        self.is_healthy
    }

    /// Takes in an outcome; `Some(is_healthy)` where it changes the view.
    pub fn concludes(&mut self, passed: bool) -> Option<bool> {
        self.contrary = if passed == self.is_healthy { 0 } else { self.contrary + 1 };
        if self.contrary < self.threshold.max(1) {
            return None;
        }
        (self.is_healthy, self.contrary) = (passed, 0);
        Some(passed)
    }
}

/// Whether Route 53 calls an endpoint healthy of which `healthy` of so many checkers think well: more than 18 %.
pub fn is_healthy_to_most(healthy: u32, checkers: u32) -> bool {
    f64::from(healthy) > default::HEALTHY_CHECKERS * f64::from(checkers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::stream;

    fn records(entries: &[(u32, bool)]) -> Vec<Weighted> {
        entries.iter().map(|&(weight, is_healthy)| Weighted { weight, is_healthy }).collect()
    }

    #[test]
    fn weight_zero_is_never_answered_unless_all_are() {
        let shares = |entries: &[(u32, bool)]| weighted_shares(&records(entries));
        assert_eq!(shares(&[(0, true), (1, true)]), [0.0, 1.0]);
        assert_eq!(shares(&[(0, true), (0, true)]), [0.5, 0.5]);
        assert_eq!(shares(&[(1, true), (3, true)]), [0.25, 0.75]);
        assert_eq!(shares(&[(1, true), (3, false), (1, true)]), [0.5, 0.0, 0.5]);
        assert_eq!(shares(&[(1, false), (0, true)]), [0.0, 1.0], "all with a weight are unhealthy");
        assert_eq!(shares(&[(1, false), (3, false), (0, false)]), [0.25, 0.75, 0.0], "all are: as if none were");
        assert!(shares(&[]).is_empty());
    }

    #[test]
    fn draws_follow_the_shares() {
        let mut rng = stream(1, 0, "dns");
        let records = records(&[(1, true), (0, true), (3, true)]);
        let n = 40_000;
        let mut counts = [0; 3];
        (0..n).for_each(|_| counts[weighted(&records, &mut rng).expect("one")] += 1);
        assert_eq!(counts[1], 0);
        // Standard deviation of the count: sqrt(n / 4 * 3 / 4) = 87; five of them: confidence 0.9999994.
        assert!((f64::from(counts[0]) - f64::from(n) / 4.0).abs() < 5.0 * 87.0, "{counts:?}");
        assert_eq!(weighted(&[], &mut rng), None);
    }

    #[test]
    fn with_both_unhealthy_the_primary_is_answered() {
        use Failover::{Primary, Secondary};
        let answers = [(true, false), (false, true), (false, false), (true, true)].map(|(a, b)| failover(a, b));
        assert_eq!(answers, [Primary, Secondary, Primary, Primary]);
    }

    #[test]
    fn a_multivalue_answer_has_up_to_eight_healthy_records() {
        let mut rng = stream(1, 0, "dns");
        let mut answer = |is_healthy: &[bool]| {
            let mut records = multivalue(is_healthy, &mut rng);
            records.sort_unstable();
            records
        };
        assert_eq!(answer(&[true, false, true]), [0, 2]);
        assert_eq!(answer(&[false; 3]), [0, 1, 2]);
        assert_eq!((answer(&[true; 20]).len(), answer(&[false; 20]).len()), (8, 8));
        let mut seen = [false; 20];
        (0..200).for_each(|_| answer(&[true; 20]).into_iter().for_each(|record| seen[record] = true));
        // One of 20 is missing from 200 draws of 8 with probability 20 * 0.6^200.
        assert_eq!(seen, [true; 20]);
    }

    #[test]
    fn the_nearest_healthy_region_is_answered() {
        let record = |ms, is_healthy| Latency { latency: Span::from_millis(ms), is_healthy };
        assert_eq!(nearest(&[record(80, true), record(20, true), record(20, true)]), Some(1));
        assert_eq!(nearest(&[record(80, true), record(20, false)]), Some(0));
        assert_eq!(nearest(&[record(80, false), record(20, false)]), Some(1));
        assert_eq!(nearest(&[]), None);
    }

    #[test]
    fn an_alias_needs_a_healthy_target_in_every_group() {
        assert_eq!([alias_is_healthy(&[2, 1]), alias_is_healthy(&[2, 0]), alias_is_healthy(&[])], [true, false, false]);
    }

    #[test]
    fn three_in_a_row_turn_a_health_check_both_ways() {
        let mut check = HealthCheck::default();
        let views = [false, false, true, false, false, false, true, true, true].map(|passed| check.concludes(passed));
        assert_eq!(views, [None, None, None, None, None, Some(false), None, None, Some(true)]);
        assert!(is_healthy_to_most(4, 16) && !is_healthy_to_most(2, 16));
    }
}
