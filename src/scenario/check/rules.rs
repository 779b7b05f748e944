//! Rules of balancers, and what they look at in a request.

use super::servers::WEIGHT_MAX;
use super::{Checker, item};
use crate::control::listener_rule::Cidr;
use crate::document::Path;
use crate::scenario::{Balancer, Client, Rule, When};

/// First and last status that a rule can answer.
const STATUS: std::ops::RangeInclusive<u16> = 200..=599;

impl Checker<'_> {
    pub(super) fn rules(&mut self) {
        let scenario = self.scenario;
        for (i, balancer) in scenario.balancers.iter().enumerate().filter(|(_, balancer)| !balancer.rules.is_empty()) {
            let path = item("balancers", i);
            if self.document.at(&path.field("targets")).is_some() {
                self.named_by_no_rule(&path.field("targets"), balancer);
            }
            for (r, rule) in balancer.rules.iter().enumerate() {
                self.rule(&path.field("rules").index(r), rule, balancer);
            }
            self.after_the_last(&path.field("rules"), balancer);
            if balancer.health_check.is_some()
                && balancer.targets.iter().all(|target| scenario.balancers.iter().any(|other| other.name == *target))
            {
                let help = "give each of those balancers a `health_check` of its own";
                self.warning(&path.field("health_check"), "checks nothing: the rules send to balancers only", help);
            }
        }
        for (i, client) in scenario.clients.iter().enumerate() {
            self.attributes(&item("clients", i).field("requests"), client);
        }
    }

    fn named_by_no_rule(&mut self, path: &Path, balancer: &Balancer) {
        for (t, target) in balancer.targets.iter().enumerate() {
            let is_named = balancer.rules.iter().any(|rule| rule.forward.as_ref().is_some_and(|forward| forward.contains_key(target)));
            if !is_named {
                let what = format!("is `{target}`, which no rule names: it gets nothing");
                self.warning(&path.index(t), what, "name it in the `forward` of a rule");
            }
        }
    }

    fn rule(&mut self, path: &Path, rule: &Rule, balancer: &Balancer) {
        match (&rule.forward, rule.respond) {
            (Some(_), Some(_)) => self.error(path, "has both `forward` and `respond`; a rule does the one or the other"),
            (None, None) => self.error_help(path, "does not say what is done", "write `forward: { web: 1 }`, or `respond: 404`"),
            (None, Some(status)) if !STATUS.contains(&status) => {
                self.error(&path.field("respond"), format!("is {status}; a rule answers a status from 200 to 599"));
            }
            (None, Some(_)) if rule.sticky.is_some() => {
                self.error(&path.field("sticky"), "is for `forward`: what is answered at once is drawn for nobody");
            }
            (Some(forward), None) => {
                let path = path.field("forward");
                if forward.is_empty() {
                    self.error(&path, "is empty; it names one target at least");
                } else if forward.values().all(|weight| *weight == 0) {
                    let help = "requests that match it fail with no_server";
                    self.warning(&path, "has only weights of 0: it sends to nobody", help);
                }
                for (target, weight) in forward {
                    self.choice(&path.field(target.clone()), target, *weight, balancer);
                }
            }
            (None, Some(_)) => {}
        }
        if let Some(sticky) = rule.sticky {
            self.above_zero(&path.field("sticky"), sticky, "leave it out to draw anew for each request");
        }
        self.conditions(&path.field("when"), &rule.when);
    }

    fn choice(&mut self, path: &Path, target: &str, weight: u32, balancer: &Balancer) {
        if !balancer.targets.iter().any(|known| known == target) {
            let name = balancer.name.as_str();
            self.unknown(path, target, &format!("target of `{name}`"), balancer.targets.iter().map(String::as_str));
        } else if weight > WEIGHT_MAX {
            self.error(path, format!("is {weight}; a weight is a whole number from 0 to {WEIGHT_MAX}"));
        }
    }

    fn conditions(&mut self, path: &Path, when: &When) {
        for (field, patterns) in [("path", &when.path), ("host", &when.host), ("method", &when.method), ("query", &when.query)] {
            for (i, pattern) in patterns.iter().enumerate() {
                let path = path.field(field).index(i);
                if pattern.is_empty() {
                    self.error(&path, "is empty, which nothing is; `*` is anything");
                } else if field == "path" && !pattern.starts_with(['/', '*', '?']) {
                    self.error(&path, format!("is `{pattern}`; a path begins with `/`"));
                } else if field == "method" {
                    self.method(&path, pattern);
                }
            }
        }
        for (name, patterns) in &when.header {
            let path = path.field("header").field(name.clone());
            if name.is_empty() {
                self.error(&path, "has no name, and no header is called that");
            } else if patterns.is_empty() {
                self.error_help(&path, "has no value that would match", "`[\"*\"]` is any value");
            }
        }
        for (i, source) in when.source.iter().enumerate() {
            if let Err(why) = source.parse::<Cidr>() {
                self.error(&path.field("source").index(i), format!("cannot be: {why}"));
            }
        }
    }

    fn method(&mut self, path: &Path, method: &str) {
        if method.chars().any(|c| c.is_lowercase()) {
            self.error(path, format!("is `{method}`; methods are written in capitals: `{}`", method.to_uppercase()));
        }
    }

    /// Rules behind one that always matches.
    fn after_the_last(&mut self, path: &Path, balancer: &Balancer) {
        let always = |rule: &Rule| {
            let When { path, host, header, method, query, source } = &rule.when;
            [path, host, method, query, source].iter().all(|patterns| patterns.is_empty()) && header.is_empty()
        };
        let mut order: Vec<(usize, &Rule)> = balancer.rules.iter().enumerate().collect();
        order.sort_by_key(|(_, rule)| rule.priority);
        let Some(last) = order.iter().position(|(_, rule)| always(rule)) else { return };
        for (i, rule) in &order[last + 1..] {
            let what = format!("is never asked: rule {} before it always matches", order[last].0 + 1);
            let help = if rule.priority == order[last].1.priority {
                "put it first, or give it a smaller `priority`"
            } else {
                "give it a smaller `priority`"
            };
            self.warning(&path.index(*i), what, help);
        }
    }

    /// What rules look at in the classes of a client.
    fn attributes(&mut self, path: &Path, client: &Client) {
        for (i, class) in client.requests.iter().enumerate() {
            let path = path.index(i);
            if class.host.as_ref().is_some_and(|host| host.trim().is_empty()) {
                self.error(&path.field("host"), "is empty; leave it out where nobody asks for a host");
            }
            if let Some(method) = &class.method {
                self.method(&path.field("method"), method);
            }
        }
    }
}
