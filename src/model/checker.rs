//! Health checks: what a balancer thinks of one target, from the checks it has seen.

use super::plan::CheckPlan;
use crate::control::target_group::{self, State, Thresholds};
use crate::dist::Sampler;
use crate::rng::Rng;
use crate::scenario::StatusRange;
use crate::units::{Span, Time};

/// How a server that is well answers a check.
pub const STATUS_OK: u16 = 200;

/// One balancer's checks of one target.
pub struct Checker {
    pub balancer: u32,
    pub target: u32,
    is_healthy: bool,
    /// Checks in a row that speak against the present view.
    contrary: u32,
    /// Network delay of the target, drawn from the checker's own stream.
    latency: Sampler,
    rng: Rng,
    plan: CheckPlan,
    pub started: Time,
    /// Of the present round of checks, where its target comes and goes; else 0.
    pub token: u32,
    /// As long as a target that has just been registered is in its first checks: how it stands with them.
    first: Option<FirstChecks>,
}

/// The first checks of a target of a target group.
type FirstChecks = (target_group::Target, target_group::Thresholds);

/// What a check comes to when it meets its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encounter {
    Answered {
        passes: bool,
    },
    /// Nothing comes back: it will run into its timeout.
    Silence,
    /// It joins the server's queue.
    Queues,
}

/// What a check meets.
#[derive(Clone, Copy, Debug)]
pub struct Condition {
    pub is_crashed: bool,
    pub is_blackholed: bool,
    pub is_hanging: bool,
    /// The check is one of the requests that are answered with an error.
    pub is_in_error: bool,
}

impl Checker {
    pub fn new(balancer: u32, target: u32, plan: CheckPlan, latency: Sampler, rng: Rng) -> Checker {
        Checker {
            balancer,
            target,
            is_healthy: plan.initially_healthy,
            contrary: 0,
            latency,
            rng,
            plan,
            started: Time::ZERO,
            token: 0,
            first: None,
        }
    }

    /// Its target was not well before the run began.
    pub fn begins_unhealthy(&mut self) {
        self.is_healthy = false;
    }

    pub fn is_http(&self) -> bool {
        self.plan.is_http
    }

    /// It asks a kube-proxy for its endpoints.
    pub fn asks_node(&self) -> bool {
        self.plan.asks_node
    }

    pub fn is_healthy(&self) -> bool {
        self.is_healthy
    }

    /// Checks of a target that has joined begin, in rounds known by this token. `first_passes`: it is registered with a target group, and
    /// healthy after so many passes; else it is taken for what the setting says. Whether it is healthy.
    pub fn begin_anew(&mut self, token: u32, first_passes: Option<u32>) -> bool {
        self.token = token;
        self.contrary = 0;
        self.is_healthy = first_passes.is_none() && self.plan.initially_healthy;
        self.first = first_passes.map(|first| {
            let mut target = target_group::Target::default();
            target.register();
            (target, Thresholds { first, healthy: self.plan.healthy_after, unhealthy: self.plan.unhealthy_after })
        });
        self.is_healthy
    }

    /// Its target has left: what is under way counts no more.
    pub fn stop(&mut self, token: u32) {
        self.token = token;
    }

    /// When the first check starts.
    pub fn first_start(&mut self) -> Time {
        if self.plan.random_phase { Time((self.plan.interval.0 as f64 * crate::rng::unit(&mut self.rng)) as u64) } else { Time::ZERO }
    }

    /// The start of the next check, when one ends now.
    pub fn next_start(&self, now: Time) -> Time {
        if self.plan.from_end { now + self.plan.interval } else { (self.started + self.plan.interval).max(now) }
    }

    /// When the present check is given up.
    pub fn deadline(&self) -> Time {
        self.started + self.plan.timeout
    }

    /// How long a check travels one way, over the target's link and, where they lie apart, the way between the places.
    pub fn draw_latency(&mut self, way: Option<&Sampler>) -> Span {
        let own = self.latency.sample(&mut self.rng);
        own + way.map_or(Span::ZERO, |way| way.sample(&mut self.rng))
    }

    /// What a check meets.
    pub fn meet(&self, condition: Condition) -> Encounter {
        encounter(self.plan.is_http, self.plan.joins_queue, self.plan.status, condition)
    }

    /// Whether an answer with this status passes.
    pub fn expects(&self, status: u16) -> bool {
        expects(self.plan.status, status)
    }

    /// Takes in the outcome of a check; `Some(view)` where it changes the view.
    pub fn concludes(&mut self, passed: bool) -> Option<bool> {
        if let Some((target, thresholds)) = &mut self.first {
            let is_healthy = target.concludes(passed, thresholds).map(|state| state == State::Healthy)?;
            // One that fails its first checks was not healthy before.
            return (std::mem::replace(&mut self.is_healthy, is_healthy) != is_healthy).then_some(is_healthy);
        }
        if passed == self.is_healthy {
            self.contrary = 0;
            return None;
        }
        self.contrary += 1;
        let needed = if self.is_healthy { self.plan.unhealthy_after } else { self.plan.healthy_after };
        if self.contrary < needed {
            return None;
        }
        self.contrary = 0;
        self.is_healthy = passed;
        Some(passed)
    }
}

/// What a check or probe meets: the table of faults in the scenario format's documentation.
pub fn encounter(is_http: bool, joins_queue: bool, status: StatusRange, condition: Condition) -> Encounter {
    let answer = if condition.is_in_error { 500 } else { STATUS_OK };
    if condition.is_blackholed {
        Encounter::Silence
    } else if condition.is_crashed {
        Encounter::Answered { passes: false }
    } else if !is_http {
        Encounter::Answered { passes: true }
    } else if condition.is_hanging {
        Encounter::Silence
    } else if joins_queue && !condition.is_in_error {
        Encounter::Queues
    } else {
        Encounter::Answered { passes: expects(status, answer) }
    }
}

fn expects(range: StatusRange, status: u16) -> bool {
    (range.first..=range.last).contains(&status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dist::Distribution;
    use crate::rng;
    use crate::scenario::StatusRange;

    fn checker(is_http: bool) -> Checker {
        let plan = CheckPlan {
            is_http,
            status: StatusRange::default(),
            interval: Span::from_secs(5),
            timeout: Span::from_secs(2),
            unhealthy_after: 3,
            healthy_after: 2,
            from_end: false,
            random_phase: true,
            initially_healthy: true,
            joins_queue: false,
            asks_node: false,
        };
        Checker::new(0, 0, plan, Distribution::Constant(Span::ZERO).sampler(None), rng::stream(1, 0, "check"))
    }

    #[test]
    fn only_checks_in_a_row_change_the_view() {
        let mut checker = checker(false);
        let outcomes = [false, false, true, false, false, false, true, false, true, true];
        let views: Vec<_> = outcomes.into_iter().map(|passed| checker.concludes(passed)).collect();
        assert_eq!(views, [None, None, None, None, None, Some(false), None, None, None, Some(true)]);
    }

    #[test]
    fn a_check_sees_of_each_fault_what_the_table_says() {
        let well = Condition { is_crashed: false, is_blackholed: false, is_hanging: false, is_in_error: false };
        let pass = Encounter::Answered { passes: true };
        let fail = Encounter::Answered { passes: false };
        let rows = [
            (well, pass, pass),
            (Condition { is_crashed: true, ..well }, fail, fail),
            (Condition { is_blackholed: true, ..well }, Encounter::Silence, Encounter::Silence),
            (Condition { is_hanging: true, ..well }, pass, Encounter::Silence),
            (Condition { is_in_error: true, ..well }, pass, fail),
        ];
        for (condition, tcp, http) in rows {
            assert_eq!((checker(false).meet(condition), checker(true).meet(condition)), (tcp, http), "{condition:?}");
        }
    }
}
