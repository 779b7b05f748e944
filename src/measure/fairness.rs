//! Fairness among clients: how unequal is the latency that users get.

use super::{CoarseLatencies, Latencies};
use crate::units::Span;

/// Mean latencies of users. A user is one of the population, or a session, or (where nobody comes back) a request.
#[derive(Clone, Default)]
pub struct UserLatency {
    users: u64,
    sum_ms: f64,
    sum_of_squares: f64,
    means: CoarseLatencies,
}

impl UserLatency {
    /// One user's mean latency.
    #[inline]
    pub fn record(&mut self, mean: Span) {
        let ms = mean.as_millis_f64();
        self.users += 1;
        self.sum_ms += ms;
        self.sum_of_squares += ms * ms;
        self.means.record(mean);
    }

    /// As many users as there are latencies, each with one of them (to the precision of the histogram).
    pub fn record_all(&mut self, latencies: &Latencies) {
        for (ns, count) in latencies.buckets() {
            let ms = ns as f64 / 1e6;
            self.sum_of_squares += ms * ms * count as f64;
            self.sum_ms += ms * count as f64;
            self.users += count;
            self.means.record_n(Span(ns), count);
        }
    }

    /// Adds the users of another run.
    pub fn merge(&mut self, other: &UserLatency) {
        self.users += other.users;
        self.sum_ms += other.sum_ms;
        self.sum_of_squares += other.sum_of_squares;
        self.means.merge(&other.means);
    }

    /// The users' mean latencies.
    pub fn means(&self) -> &CoarseLatencies {
        &self.means
    }

    /// Users with at least one success.
    pub fn users(&self) -> u64 {
        self.users
    }

    /// Jain's index of the users' mean latencies: (sum x)^2 / (n sum x^2), from 1/n (one waits for all) to 1 (all alike).
    /// No users, or no latency at all, gives 1. Jain, Chiu, Hawe 1984.
    pub fn jain(&self) -> f64 {
        if self.sum_of_squares == 0.0 { 1.0 } else { self.sum_ms * self.sum_ms / (self.users as f64 * self.sum_of_squares) }
    }

    /// How many times the median user's mean latency the worst-off one in a hundred gets or more. `None` without users.
    pub fn p99_over_median(&self) -> Option<f64> {
        let (p99, median) = (self.means.quantile_ms(0.99)?, self.means.quantile_ms(0.5)?);
        (median > 0.0).then(|| p99 / median)
    }
}

/// Sums of one user over a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct UserSum {
    pub sum_ns: u64,
    pub count: u32,
}

impl UserSum {
    pub fn add(&mut self, latency: Span) {
        self.sum_ns += latency.0;
        self.count += 1;
    }

    pub fn mean(self) -> Option<Span> {
        (self.count > 0).then(|| Span(self.sum_ns / u64::from(self.count)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jain_is_one_for_alike_users_and_falls_with_one_that_waits() {
        let mut fair = UserLatency::default();
        (0..4).for_each(|_| fair.record(Span::from_millis(10)));
        assert_eq!(fair.jain(), 1.0);
        let mut unfair = fair.clone();
        unfair.record(Span::from_millis(60));
        // (40 + 60)^2 / (5 x (4 x 100 + 3600)) = 0.5
        assert_eq!(unfair.jain(), 0.5);
        assert!(UserLatency::default().jain() == 1.0 && UserLatency::default().p99_over_median().is_none());
    }
}
