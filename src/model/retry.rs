//! Retries: which failures, how often, after which wait, within which budget. The same part serves clients and balancers.

use super::plan::RetryPlan;
use crate::rng::{self, Rng};
use crate::scenario::{Failure, Jitter, RetryTo};
use crate::units::{Span, Time};

/// Seconds that a budget looks back, as in Finagle's and Linkerd's retry budgets.
const BUDGET_WINDOW_S: usize = 10;

/// Decides on retries of one client group or one balancer.
pub struct Retries {
    plan: RetryPlan,
    rng: Rng,
    /// (first tries, retries) in each second of the window.
    seconds: [(u32, u32); BUDGET_WINDOW_S],
    second: u64,
}

impl Retries {
    pub fn new(plan: RetryPlan, rng: Rng) -> Retries {
        Retries { plan, rng, seconds: [(0, 0); BUDGET_WINDOW_S], second: 0 }
    }

    /// Retries go to servers not tried yet.
    pub fn is_to_other(&self) -> bool {
        self.plan.to != RetryTo::Any
    }

    /// Who is bound to a server stays with it.
    pub fn stays_with_bound(&self) -> bool {
        self.plan.to == RetryTo::OtherUnlessBound
    }

    /// A first try was sent.
    #[inline]
    pub fn first_try(&mut self, now: Time) {
        if self.plan.budget.is_some() {
            self.advance(now);
            self.seconds[self.second as usize % BUDGET_WINDOW_S].0 += 1;
        }
    }

    /// Whether this failure of such a request may be tried again: one that is not idempotent was not sent where no connection was made.
    pub fn takes(&self, failure: Failure, is_idempotent: bool) -> bool {
        is_idempotent || self.plan.non_idempotent || matches!(failure, Failure::ConnectFailure | Failure::NoServer)
    }

    /// The wait before the next try, if there is to be one. `retries`: how many there were already.
    pub fn wait(&mut self, failure: Failure, retries: u32, now: Time) -> Option<Span> {
        if retries >= self.plan.max || !self.plan.when.contains(&failure) || !self.spend_budget(now) {
            return None;
        }
        let doubled = self.plan.base.0.saturating_mul(1u64.checked_shl(retries.min(63)).unwrap_or(u64::MAX));
        let wait = doubled.min(self.plan.backoff_max.0);
        Some(Span(match self.plan.jitter {
            Jitter::None => wait,
            Jitter::Full => (wait as f64 * rng::unit(&mut self.rng)) as u64,
            Jitter::Equal => wait / 2 + ((wait - wait / 2) as f64 * rng::unit(&mut self.rng)) as u64,
        }))
    }

    fn spend_budget(&mut self, now: Time) -> bool {
        let Some(share) = self.plan.budget else { return true };
        self.advance(now);
        let (first, again) = self.seconds.iter().fold((0, 0), |(first, again), second| (first + second.0, again + second.1));
        let is_allowed = f64::from(again + 1) <= share.0 * f64::from(first);
        self.seconds[self.second as usize % BUDGET_WINDOW_S].1 += u32::from(is_allowed);
        is_allowed
    }

    fn advance(&mut self, now: Time) {
        let second = now.0 / 1_000_000_000;
        while self.second < second {
            if second - self.second > BUDGET_WINDOW_S as u64 {
                self.second = second - BUDGET_WINDOW_S as u64;
            }
            self.second += 1;
            self.seconds[self.second as usize % BUDGET_WINDOW_S] = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Share;

    fn retries(max: u32, jitter: Jitter, budget: Option<Share>) -> Retries {
        let plan = RetryPlan {
            max,
            when: vec![Failure::Timeout],
            base: Span::from_millis(50),
            backoff_max: Span::from_millis(300),
            jitter,
            budget,
            to: RetryTo::Any,
            non_idempotent: true,
        };
        Retries::new(plan, rng::stream(1, 0, "backoff"))
    }

    #[test]
    fn the_wait_doubles_up_to_its_maximum() {
        let mut retries = retries(9, Jitter::None, None);
        let waits: Vec<_> = (0..5).map(|k| retries.wait(Failure::Timeout, k, Time::ZERO).unwrap().0 / 1_000_000).collect();
        assert_eq!(waits, [50, 100, 200, 300, 300]);
        assert_eq!(retries.wait(Failure::Timeout, 9, Time::ZERO), None);
        assert_eq!(retries.wait(Failure::Reset, 0, Time::ZERO), None);
    }

    #[test]
    fn jitter_stays_within_its_bounds_and_has_its_mean() {
        for (jitter, low, mean) in [(Jitter::Full, 0.0, 25.0), (Jitter::Equal, 25.0, 37.5)] {
            let mut retries = retries(9, jitter, None);
            let waits: Vec<_> = (0..10_000).map(|_| retries.wait(Failure::Timeout, 0, Time::ZERO).unwrap().as_millis_f64()).collect();
            assert!(waits.iter().all(|ms| (low..=50.0).contains(ms)));
            // Standard error at most 50 / sqrt(12 x 10,000) = 0.144: five of them.
            assert!((waits.iter().sum::<f64>() / 1e4 - mean).abs() < 0.73);
        }
    }

    #[test]
    fn a_budget_limits_retries_to_its_share_of_the_last_ten_seconds() {
        let mut retries = retries(9, Jitter::None, Some(Share(0.2)));
        (0..100).for_each(|_| retries.first_try(Time::ZERO));
        let allowed = (0..100).filter(|_| retries.wait(Failure::Timeout, 0, Time::ZERO).is_some()).count();
        assert_eq!(allowed, 20);
        assert!(retries.wait(Failure::Timeout, 0, Time(30_000_000_000)).is_none(), "old first tries count no longer");
    }
}
