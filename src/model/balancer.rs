//! A balancer: its view of the targets, its policy, its stickiness and the requests that wait in it.

use super::line::{Line, Waiter};
use super::link::Link;
use super::plan::{BalancerPlan, TargetRef};
use super::retry::Retries;
use super::sticky::{Holder, Sticky};
use crate::policy::{Outcome, Pick, Policy, Request, TargetId, Targets};
use crate::rng::Rng;
use crate::scenario::{Failure, WhenNone};
use crate::sim::Lane;
use crate::units::{Span, Time};

pub struct Balancer {
    pub targets: Targets,
    pub to: Vec<TargetRef>,
    /// Targets that answer nothing by themselves: servers, and balancers that look at connections only.
    passes_on: Vec<bool>,
    policy: Box<dyn Policy>,
    routing: Rng,
    /// What the checks say of each target.
    is_healthy: Vec<bool>,
    when_none: WhenNone,
    pub sticky: Option<Sticky>,
    /// Somebody here asks who sends a request.
    pub reads_request: bool,
    /// It routes connections.
    pub is_l4: bool,
    /// It keeps the connections to its targets.
    pub keeps_connections: bool,
    /// Something is to be done when a try is sent.
    pub minds_sending: bool,
    /// What it answers is looked at: tries may come on connections that are kept, or statuses are counted.
    pub is_watched: bool,
    pub retries: Option<Retries>,
    /// Requests that wait for a target.
    pub line: Line,
    /// No target gets more than its slots; what is too much waits here.
    keeps_to_slots: bool,
    /// Whoever of them is being sent on just now.
    pub dispatched: Option<Waiter>,
    pub connect_timeout: Option<Span>,
    pub timeout: Option<(Span, Lane)>,
    /// The network in front of it, where it is a target.
    pub link: Link,
}

/// What a balancer is built of besides its plan.
pub struct Parts {
    pub targets: Targets,
    pub routing: Rng,
    pub retries: Option<Retries>,
    pub timeout: Option<(Span, Lane)>,
    pub link: Link,
    /// Of each target: it is a server or looks at connections only.
    pub passes_on: Vec<bool>,
    /// Some connections are kept, or some statuses counted.
    pub is_watched: bool,
}

impl Balancer {
    pub fn new(plan: &BalancerPlan, parts: Parts) -> Balancer {
        let Parts { targets, routing, retries, timeout, link, passes_on, is_watched } = parts;
        let initially = plan.check.as_ref().is_none_or(|check| check.initially_healthy);
        let policy = plan.algorithm.build(&targets);
        let mut balancer = Balancer {
            is_healthy: vec![initially; targets.len()],
            keeps_to_slots: policy.keeps_to_slots(),
            reads_request: policy.reads_request() || plan.sticky.is_some() || plan.ways.is_l4,
            is_l4: plan.ways.is_l4,
            keeps_connections: plan.ways.kept.is_some(),
            minds_sending: timeout.is_some() || plan.ways.kept.is_some(),
            is_watched,
            policy,
            targets,
            to: plan.targets.clone(),
            passes_on,
            routing,
            when_none: plan.when_none,
            sticky: plan.sticky.map(Sticky::new),
            retries,
            line: Line::default(),
            dispatched: None,
            connect_timeout: plan.connect_timeout,
            timeout,
            link,
        };
        balancer.refresh();
        balancer
    }

    pub fn is_healthy(&self, target: TargetId) -> bool {
        self.is_healthy[target as usize]
    }

    pub fn set_healthy(&mut self, target: TargetId, is_healthy: bool) {
        self.is_healthy[target as usize] = is_healthy;
        self.refresh();
    }

    /// Works out who may be sent to, from the health view and the rule for when too few are well.
    fn refresh(&mut self) {
        let healthy = self.is_healthy.iter().filter(|healthy| **healthy).count();
        let everybody = match self.when_none {
            WhenNone::Fail => false,
            WhenNone::All => healthy == 0,
            WhenNone::Panic(share) => (healthy as f64) < share.0 * self.is_healthy.len() as f64,
        };
        let is_healthy = &self.is_healthy;
        self.targets.set_eligible(|target| everybody || is_healthy[target as usize]);
        self.policy.on_change(&self.targets);
    }

    /// The target that the user is bound to, as long as it is in rotation and not among those already tried.
    #[inline(always)]
    pub fn bound_to(&self, holder: Holder, now: Time, tried: &[u32]) -> Option<TargetId> {
        let target = self.sticky.as_ref()?.target(holder, now)?;
        (self.targets.is_eligible(target) && !self.is_tried(target, tried)).then_some(target)
    }

    /// Whether another request may be sent to the target now.
    pub fn has_room(&self, target: TargetId) -> bool {
        !self.keeps_to_slots || has_free_slot(&self.targets, target)
    }

    /// The policy's choice; servers in `tried` are left out as long as there is another.
    #[inline(always)]
    pub fn choose(&mut self, request: &Request, tried: &[u32]) -> Pick {
        if tried.is_empty() {
            return self.pick(request);
        }
        self.choose_another(request, tried)
    }

    /// The policy's choice.
    #[inline(always)]
    pub fn pick(&mut self, request: &Request) -> Pick {
        self.policy.pick(request, &self.targets, &mut self.routing)
    }

    /// Takes the oldest out of the line that has somewhere to go: its target has room, or is out of rotation, so that another
    /// one is to be found.
    pub fn next_in_line(&mut self) -> Option<Waiter> {
        let Balancer { line, targets, .. } = self;
        line.take(|target| has_free_slot(targets, target) || !targets.is_eligible(target))
    }

    fn is_tried(&self, target: TargetId, tried: &[u32]) -> bool {
        matches!(self.to[target as usize], TargetRef::Server(server) if tried.contains(&server))
    }

    fn choose_another(&mut self, request: &Request, tried: &[u32]) -> Pick {
        let eligible: Vec<bool> = (0..self.targets.len() as TargetId).map(|target| self.targets.is_eligible(target)).collect();
        let left: Vec<bool> =
            eligible.iter().enumerate().map(|(target, eligible)| *eligible && !self.is_tried(target as TargetId, tried)).collect();
        if !left.contains(&true) {
            return self.policy.pick(request, &self.targets, &mut self.routing);
        }
        self.targets.set_eligible(|target| left[target as usize]);
        self.policy.on_change(&self.targets);
        let pick = self.policy.pick(request, &self.targets, &mut self.routing);
        self.targets.set_eligible(|target| eligible[target as usize]);
        self.policy.on_change(&self.targets);
        pick
    }

    /// Whether a failure is an answer of a target. Where the way to a server is broken, nobody answers but a balancer that looks at requests.
    #[inline(never)]
    pub fn answers_with(&self, failure: Failure, target: TargetId) -> bool {
        !(matches!(failure, Failure::ConnectFailure | Failure::Reset) && self.passes_on[target as usize])
    }

    #[inline(always)]
    pub fn sent(&mut self, target: TargetId) {
        self.targets.in_flight[target as usize] += 1;
        self.policy.on_sent(target, &self.targets);
    }

    #[inline(always)]
    pub fn done(&mut self, target: TargetId, outcome: &Outcome) {
        debug_assert!(self.targets.in_flight[target as usize] > 0, "nothing ends that was not sent");
        self.targets.in_flight[target as usize] -= 1;
        self.policy.on_done(target, outcome, &self.targets);
    }
}

/// As far as the balancer knows, which counts what it sent.
fn has_free_slot(targets: &Targets, target: TargetId) -> bool {
    targets.in_flight[target as usize] < targets.slots[target as usize]
}
