//! Rules of a balancer: the first that matches a request decides where it goes, or answers it.

use super::plan::StickyPlan;
use super::sticky::Sticky;
use crate::control::listener_rule::Cidr;
use crate::control::target_group::pick_group;
use crate::policy::TargetId;
use crate::rng::Rng;
use crate::scenario::SetWith;
use crate::units::Span;
use std::net::IpAddr;

/// A rule, its conditions worked out for each class and path that there is.
#[derive(Clone)]
pub struct RulePlan {
    pub classes: Which,
    pub paths: Which,
    /// Networks of the client's address; empty: any.
    pub sources: Vec<Cidr>,
    pub action: Action,
}

/// For which of a list of things a condition holds.
#[derive(Clone)]
pub enum Which {
    All,
    /// By index.
    These(Vec<bool>),
}

impl Which {
    pub fn has(&self, index: u32) -> bool {
        match self {
            Which::All => true,
            Which::These(these) => these[index as usize],
        }
    }
}

/// What a rule does.
#[derive(Clone)]
pub enum Action {
    Forward {
        choices: Vec<Choice>,
        /// How long a user stays with what was drawn for it.
        sticky: Option<Span>,
    },
    /// The status that is answered at once.
    Respond(u16),
}

impl Action {
    /// Whether users stay with what was drawn for them.
    pub fn binds(&self) -> bool {
        matches!(self, Action::Forward { sticky: Some(_), .. })
    }
}

/// A target of a rule.
#[derive(Clone)]
pub struct Choice {
    pub target: TargetId,
    /// As the scenario calls it.
    pub name: String,
    pub weight: u32,
}

/// What no rule matches.
pub const NOT_FOUND: Action = Action::Respond(404);

/// The rules of a balancer in the order in which they are asked.
pub struct Rules {
    rules: Vec<RulePlan>,
    /// By rule: whom users stay with, where they do, since that has answered.
    pub bound: Vec<Option<Sticky>>,
    rng: Rng,
}

impl Rules {
    pub fn new(rules: &[RulePlan], rng: Rng) -> Rules {
        let bound = |rule: &RulePlan| match rule.action {
            Action::Forward { sticky: Some(lasts), .. } => {
                Some(Sticky::new(StickyPlan::Cookie { ttl: Some(lasts), set_with: SetWith::Answer }))
            }
            _ => None,
        };
        Rules { bound: rules.iter().map(bound).collect(), rules: rules.to_vec(), rng }
    }

    /// The first rule that matches.
    pub fn find(&self, class: u32, path: u32, address: IpAddr) -> Option<usize> {
        self.rules.iter().position(|rule| {
            rule.classes.has(class)
                && rule.paths.has(path)
                && (rule.sources.is_empty() || rule.sources.iter().any(|network| network.contains(address)))
        })
    }

    pub fn action(&self, rule: Option<usize>) -> &Action {
        rule.map_or(&NOT_FOUND, |rule| &self.rules[rule].action)
    }

    /// A target of the rule, by weight. `None` where all weights are 0.
    pub fn draw(&mut self, rule: usize) -> Option<TargetId> {
        let Rules { rules, rng, .. } = self;
        let Action::Forward { choices, .. } = &rules[rule].action else { return None };
        let weights: Vec<u32> = choices.iter().map(|choice| choice.weight).collect();
        pick_group(&weights, rng).map(|place| choices[place].target)
    }

    /// Whether a user who was drawn this target may stay there: its weight is not 0.
    pub fn keeps(&self, rule: usize, target: TargetId) -> bool {
        match &self.rules[rule].action {
            Action::Forward { choices, .. } => choices.iter().any(|choice| choice.target == target && choice.weight > 0),
            Action::Respond(_) => false,
        }
    }

    /// Another weight for a target, in all rules that name it.
    pub fn set_weight(&mut self, name: &str, weight: u32) {
        for rule in &mut self.rules {
            if let Action::Forward { choices, .. } = &mut rule.action {
                choices.iter_mut().filter(|choice| choice.name == name).for_each(|choice| choice.weight = weight);
            }
        }
    }

    /// A session that is over comes back no more.
    pub fn forget(&mut self, user: u64) {
        self.bound.iter_mut().flatten().for_each(|bound| bound.forget(user));
    }
}
