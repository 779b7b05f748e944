//! A balancer: its view of the targets, its policy, its stickiness and the requests that wait in it.

use super::dns::{Name, Records};
use super::line::{Line, Waiter};
use super::link::Link;
use super::plan::{BalancerPlan, TargetRef};
use super::retry::Retries;
use super::rules::Rules;
use super::sticky::{Holder, Sticky};
use crate::control::dns::alias_is_healthy;
use crate::control::target_group::{Minimum, Pool};
use crate::policy::{Algorithm, Outcome, Pick, Policy, Request, TargetId, Targets, slow_start};
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
    /// Why each target must not be used, whatever the checks say; empty where nobody ever had a reason.
    barred: Vec<u8>,
    when_none: WhenNone,
    dns_minimum: Minimum,
    /// Its checks say what is well, also of a balancer among the targets.
    is_checked: bool,
    pub sticky: Option<Sticky>,
    /// Its answers may bind users: to a target, or to what a rule drew.
    pub binds: bool,
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
    /// Finds the target instead of the policy.
    pub finder: Option<Box<Finder>>,
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

/// How a target is found other than by a policy.
pub enum Finder {
    Rules(Rules),
    Name(Name),
}

/// Reasons for which a target is none of the balancer's for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Bar {
    /// It stands in another zone.
    Zone = 1,
    /// Its weight is 0.
    Weight = 2,
    /// It is not known as a member.
    Member = 4,
    /// The balancer is lost with its node, and sends to nobody.
    Lost = 8,
    /// It stands on a node that is not there.
    NoNode = 16,
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
        let policy = match plan.routing.slow_start {
            None => plan.algorithm.build(&targets),
            Some(config) => slow_start::build(&plan.algorithm, config, &targets),
        };
        let mut balancer = Balancer {
            is_healthy: vec![initially; targets.len()],
            barred: Vec::new(),
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
            dns_minimum: plan.routing.dns_minimum,
            is_checked: plan.check.is_some(),
            sticky: plan.sticky.map(Sticky::new),
            binds: plan.sticky.is_some() || plan.routing.rules.iter().any(|rule| rule.action.binds()),
            retries,
            line: Line::default(),
            dispatched: None,
            finder: None,
            connect_timeout: plan.connect_timeout,
            timeout,
            link,
        };
        balancer.refresh();
        balancer
    }

    /// From now on the target is found so.
    pub fn find_by(&mut self, finder: Finder) {
        self.finder = Some(Box::new(finder));
        self.reads_request = true;
    }

    /// The name that it is, with what a name server goes by.
    pub fn name(&mut self) -> Option<(&mut Name, Records<'_>)> {
        match self.finder.as_deref_mut() {
            Some(Finder::Name(name)) => Some((name, Records { is_healthy: &self.is_healthy, weight: &self.targets.weight })),
            _ => None,
        }
    }

    pub fn rules(&self) -> Option<&Rules> {
        match self.finder.as_deref() {
            Some(Finder::Rules(rules)) => Some(rules),
            _ => None,
        }
    }

    pub fn rules_mut(&mut self) -> Option<&mut Rules> {
        match self.finder.as_deref_mut() {
            Some(Finder::Rules(rules)) => Some(rules),
            _ => None,
        }
    }

    pub fn is_healthy(&self, target: TargetId) -> bool {
        self.is_healthy[target as usize]
    }

    pub fn set_healthy(&mut self, target: TargetId, is_healthy: bool) {
        self.is_healthy[target as usize] = is_healthy;
        self.refresh();
    }

    /// A target joins, or is well again, and is about to be sent to.
    pub fn joins(&mut self, target: TargetId, now: Time) {
        self.policy.on_join(target, now, &self.targets);
    }

    /// Other weights. A policy that has laid them down is built anew; the others see them.
    pub fn set_weights(&mut self, weights: &[(TargetId, u32)], algorithm: &Algorithm) {
        for (target, weight) in weights {
            self.targets.weight[*target as usize] = *weight;
        }
        let weight = self.targets.weight.clone();
        // A name server has its own rule for 0.
        let is_barred = self.finder.is_none();
        self.bar(Bar::Weight, |target| is_barred && weight[target as usize] == 0);
        self.lay_down_anew(algorithm);
    }

    /// Who is a member now. Hashes are taken over the members: an absent one is not a target that is down.
    pub fn set_members(&mut self, is_member: &[bool], algorithm: &Algorithm) {
        self.bar(Bar::Member, |target| !is_member[target as usize]);
        self.lay_down_anew(algorithm);
    }

    /// A policy that lays targets down by their weights (hashing) is built anew.
    fn lay_down_anew(&mut self, algorithm: &Algorithm) {
        if self.finder.is_some() || slow_start::manner(algorithm).is_some() {
            return;
        }
        let mut seen = self.targets.clone();
        for (weight, reasons) in seen.weight.iter_mut().zip(&self.barred) {
            if reasons & (Bar::Weight as u8 | Bar::Member as u8) != 0 {
                *weight = 0;
            }
        }
        if seen.weight.iter().all(|weight| *weight == 0) {
            // Nobody is picked, and a ring of nothing cannot be made.
            seen.weight.fill(1);
        }
        self.policy = algorithm.build(&seen);
        self.policy.on_change(&self.targets);
    }

    /// Puts targets out of use for a reason, or lets them be used as far as that reason goes.
    pub fn bar(&mut self, reason: Bar, is_barred: impl Fn(TargetId) -> bool) {
        self.barred.resize(self.is_healthy.len(), 0);
        for (target, reasons) in self.barred.iter_mut().enumerate() {
            let others = *reasons & !(reason as u8);
            *reasons = if is_barred(target as TargetId) { others | reason as u8 } else { others };
        }
        self.refresh();
    }

    /// The health of a target is taken for this until its checks tell; to be followed by `bar`.
    pub fn note_health(&mut self, target: TargetId, is_healthy: bool) {
        self.is_healthy[target as usize] = is_healthy;
    }

    /// Whether the target is one of the balancer's and taken for healthy.
    pub fn is_good(&self, target: TargetId) -> bool {
        self.is_in_use(target) && self.is_healthy(target)
    }

    /// Whether the target is one of the balancer's, be it well or not.
    pub fn is_in_use(&self, target: TargetId) -> bool {
        self.barred.get(target as usize).is_none_or(|reasons| *reasons == 0)
    }

    /// Whether it takes the target for well and uses it.
    pub fn is_well(&self, target: TargetId) -> bool {
        self.is_in_use(target) && self.is_healthy[target as usize]
    }

    /// Whether nothing but its checks says what is well. A name goes by what is behind its records, too.
    pub fn goes_by_checks(&self) -> bool {
        self.is_checked && !self.is_name()
    }

    /// Whether a name may lead to it. `healthy`: of each target in use, what is well there. The targets of rules are target groups.
    pub fn has_enough(&self, healthy: &[u32]) -> bool {
        match self.rules() {
            Some(_) => alias_is_healthy(healthy),
            None => self.dns_minimum.is_met(Pool { registered: healthy.len() as u32, healthy: healthy.iter().sum() }),
        }
    }

    /// Whether it is a name that is resolved.
    pub fn is_name(&self) -> bool {
        matches!(self.finder.as_deref(), Some(Finder::Name(_)))
    }

    /// Works out who may be sent to, from the health view and the rule for when too few are well.
    fn refresh(&mut self) {
        let in_use: Vec<bool> = (0..self.is_healthy.len() as TargetId).map(|target| self.is_in_use(target)).collect();
        let healthy = self.is_healthy.iter().zip(&in_use).filter(|(healthy, in_use)| **healthy && **in_use).count();
        let everybody = match self.when_none {
            WhenNone::Fail => false,
            WhenNone::All => healthy == 0,
            WhenNone::Panic(minimum) => {
                let registered = in_use.iter().filter(|in_use| **in_use).count() as u32;
                !minimum.0.is_met(Pool { registered, healthy: healthy as u32 })
            }
        };
        let is_healthy = &self.is_healthy;
        self.targets.set_eligible(|target| in_use[target as usize] && (everybody || is_healthy[target as usize]));
        self.policy.on_change(&self.targets);
    }

    /// The target that the user is bound to, as long as it serves its users and is not among those already tried, where that matters.
    #[inline(always)]
    pub fn bound_to(&self, holder: Holder, now: Time, tried: &[u32]) -> Option<TargetId> {
        self.bound_in(self.sticky.as_ref()?, holder, now, tried)
    }

    /// The same by the table that another copy of the balancer keeps.
    #[inline]
    pub fn bound_in(&self, table: &Sticky, holder: Holder, now: Time, tried: &[u32]) -> Option<TargetId> {
        let target = table.target(holder, now)?;
        let serves = serves_bound(&self.targets, &self.barred, &self.is_healthy, target);
        (serves && (!self.is_tried(target, tried) || self.stays_with_bound())).then_some(target)
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
        let Balancer { line, targets, barred, is_healthy, .. } = self;
        line.take(|target| has_free_slot(targets, target) || !serves_bound(targets, barred, is_healthy, target))
    }

    fn stays_with_bound(&self) -> bool {
        self.retries.as_ref().is_some_and(Retries::stays_with_bound)
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

/// Whether those who are bound to the target stay with it: while it is in rotation, and while nothing but its weight of 0 keeps others
/// away. Source: HAProxy (a server of weight 0), nginx-tests upstream_sticky_drain.t, Traefik wrr_test.go (fenced), IPVS (quiescent).
fn serves_bound(targets: &Targets, barred: &[u8], is_healthy: &[bool], target: TargetId) -> bool {
    let is_spared = || barred.get(target as usize) == Some(&(Bar::Weight as u8)) && is_healthy[target as usize];
    targets.is_eligible(target) || is_spared()
}

/// As far as the balancer knows, which counts what it sent.
fn has_free_slot(targets: &Targets, target: TargetId) -> bool {
    targets.in_flight[target as usize] < targets.slots[target as usize]
}
