//! Balancers whose cookies are good at others.

use super::{Checker, item};
use crate::document::Path;
use crate::scenario::{Balancer, Sticky};

impl Checker<'_> {
    pub(super) fn cookies(&mut self) {
        let scenario = self.scenario;
        for (i, balancer) in scenario.balancers.iter().enumerate() {
            let Some(name) = &balancer.cookies_of else { continue };
            let path = item("balancers", i).field("cookies_of");
            match scenario.balancers.iter().find(|other| other.name == *name) {
                None => self.unknown(&path, name, "balancer", scenario.balancers.iter().map(|other| other.name.as_str())),
                Some(keeper) if keeper.name == balancer.name => {
                    self.error_help(&path, "is the balancer itself", "leave it out: its own cookies are always good");
                }
                Some(keeper) => self.honoured(&path, balancer, keeper),
            }
        }
    }

    /// A cookie names a target, so both must have the same ones; that of a rule is for the rule of the same place.
    fn honoured(&mut self, path: &Path, balancer: &Balancer, keeper: &Balancer) {
        let name = &keeper.name;
        let rules = |balancer: &Balancer| -> Vec<bool> { balancer.rules.iter().map(|rule| rule.sticky.is_some()).collect() };
        let sets_cookie = |balancer: &Balancer| matches!(balancer.sticky, Some(Sticky::Cookie { .. })) || rules(balancer).contains(&true);
        if let Some(first) = &keeper.cookies_of {
            let help = format!("write `cookies_of: {first}` here, too");
            self.error_help(path, format!("is `{name}`, whose cookies are those of `{first}`"), help);
        } else if !sets_cookie(balancer) || !sets_cookie(keeper) {
            let who = if sets_cookie(balancer) { name } else { &balancer.name };
            let help = "cookies are set by `sticky: { cookie: {} }`, and by rules with `sticky`";
            self.error_help(path, format!("is of no use: `{who}` sets no cookie"), help);
        } else if matches!(balancer.sticky, Some(Sticky::Cookie { .. })) && balancer.targets != keeper.targets {
            let help = "a cookie names a target, so both need the same `targets` in the same order";
            self.error_help(path, format!("is `{name}`, which has other targets"), help);
        } else if rules(balancer) != rules(keeper) || balancer.targets.len() != keeper.targets.len() {
            let help = "a cookie of a rule is for the rule and the target of the same place: both need as many, `sticky` in the same rules";
            self.error_help(path, format!("is `{name}`, which has other rules"), help);
        }
    }
}
