//! Target groups and load balancers of `aws`.

use super::{Check, names_of};
use crate::control::defaults::{alb, nlb, target_group};
use crate::document::Path;
use crate::scenario::expand::targets::Product;
use crate::scenario::expand::things::block_item;
use crate::scenario::{Listener, LoadBalancer, LoadBalancerType, Rule, ServiceType, TargetGroup, TargetSticky, TargetType};
use std::collections::{BTreeMap, BTreeSet};

/// Settings of target groups that an Application Load Balancer alone has.
const OF_APPLICATION: [&str; 3] = ["algorithm", "anomaly_mitigation", "slow_start"];

impl Check<'_, '_> {
    pub(super) fn target_groups(&mut self) {
        let blocks = self.blocks;
        let names: Vec<&str> = blocks.aws.target_groups.iter().map(|group| group.name.as_str()).collect();
        self.unique(&Path::root().field("aws").field("target_groups"), &names, "target group");
        for (i, group) in blocks.aws.target_groups.iter().enumerate() {
            let path = block_item("aws", "target_groups", i);
            self.targets(&path, group);
            self.algorithm(&path, group.algorithm, group.anomaly_mitigation, group.slow_start);
            self.range(&path.field("deregistration_delay"), group.deregistration_delay, target_group::DEREGISTRATION_DELAY_RANGE);
            self.minimum(&path, group.minimum_healthy, group.minimum_healthy_dns);
            if let Some(sticky) = group.sticky {
                self.target_sticky(&path.field("sticky"), sticky);
            }
            if !forwarded(&blocks.aws.load_balancers).any(|name| *name == group.name) {
                self.warning(
                    &path.field("name"),
                    "gets no requests: no listener leads to it",
                    "name it in `default`, or in a rule's `forward`",
                );
            }
        }
    }

    fn targets(&mut self, path: &Path, group: &TargetGroup) {
        let blocks = self.blocks;
        match (&group.service, group.targets.is_empty()) {
            (Some(_), false) => self.error(path, "has both `targets` and `service`; a target group has the one or the other"),
            (None, true) => self.error_help(path, "has no targets", "write `targets: [web]`, or `service: web`"),
            _ => {}
        }
        if let Some(name) = &group.service {
            let services = blocks.services();
            match services.iter().find(|service| service.name == *name) {
                None => self.unknown(&path.field("service"), name, "service", services.iter().map(|service| service.name.as_str())),
                Some(service) if service.kind == ServiceType::ClusterIp && group.target_type == TargetType::Instance => {
                    let what = format!("is `{name}`, which has no node port");
                    self.error_help(&path.field("service"), what, "write `type: node_port` at the service, or `type: ip` here");
                }
                Some(_) => {}
            }
            return;
        }
        self.not_for(path, &["type"], "is for `service`: `targets` are registered as they are");
        let is_fixed = !group.targets.iter().any(|target| blocks.is_deployment(target));
        for field in ["deregistration_delay", "registration", "on_deregistered"] {
            let path = path.field(field);
            if is_fixed && self.has(&path) {
                self.warning(
                    &path,
                    "changes nothing: its targets are registered from start to end",
                    "pods come and go: `service`, or a deployment",
                );
            }
        }
        let mut seen = BTreeSet::new();
        for (i, target) in group.targets.iter().enumerate() {
            let path = path.field("targets").index(i);
            if !seen.insert(target) {
                self.error_help(&path, format!("is `{target}`, which is a target already"), "to send it more, raise its `weight`");
            } else if !self.is_target(target) {
                let deployments = blocks.kubernetes.iter().flat_map(|all| &all.deployments).map(|deployment| deployment.name.as_str());
                let names = names_of(blocks.own("servers")).chain(names_of(blocks.own("balancers"))).chain(deployments);
                self.unknown(&path, target, "server group, server, deployment or balancer", names);
            }
        }
    }

    /// Whether it is a group, a balancer, a deployment, or looks like one server of them.
    fn is_target(&self, name: &str) -> bool {
        let is_named = |name: &str| {
            let own = names_of(self.blocks.own("servers")).chain(names_of(self.blocks.own("balancers")));
            own.into_iter().any(|known| known == name) || self.blocks.is_deployment(name)
        };
        // The check of the whole knows how many servers a group has.
        is_named(name) || name.rsplit_once('-').is_some_and(|(group, number)| number.parse::<u32>().is_ok() && is_named(group))
    }

    pub(super) fn load_balancers(&mut self) {
        let blocks = self.blocks;
        let names: Vec<&str> = blocks.aws.load_balancers.iter().map(|balancer| balancer.name.as_str()).collect();
        self.unique(&Path::root().field("aws").field("load_balancers"), &names, "load balancer");
        for (i, balancer) in blocks.aws.load_balancers.iter().enumerate() {
            let path = block_item("aws", "load_balancers", i);
            if balancer.nodes_per_zone == 0 {
                self.error(&path.field("nodes_per_zone"), "is 0; a load balancer has one node at least");
            }
            self.zones(&path.field("zones"), &balancer.zones, balancer.nodes_per_zone);
            if balancer.listeners.is_empty() {
                self.error_help(
                    &path.field("listeners"),
                    "is empty; a load balancer has one at least",
                    "write `listeners: [{ default: { web: 1 } }]`",
                );
            }
            if balancer.kind == LoadBalancerType::Application && balancer.cross_zone == Some(false) {
                let help = "a target group may have it off: `cross_zone: false` there";
                self.error_help(&path.field("cross_zone"), "is false; an application load balancer has it always on", help);
            }
            let range = match balancer.kind {
                LoadBalancerType::Application => alb::IDLE_TIMEOUT_RANGE,
                LoadBalancerType::Network => nlb::TCP_IDLE_TIMEOUT_RANGE,
            };
            self.range(&path.field("idle_timeout"), balancer.idle_timeout, range);
            let mut ports = BTreeMap::new();
            for (k, listener) in balancer.listeners.iter().enumerate() {
                let path = path.field("listeners").index(k);
                if ports.insert(listener.port(), k).is_some() {
                    self.error(&path.field("port"), format!("is {}, the port of another listener", listener.port()));
                }
                self.listener(&path, listener, balancer);
            }
        }
    }

    fn listener(&mut self, path: &Path, listener: &Listener, balancer: &LoadBalancer) {
        let is_network = balancer.kind == LoadBalancerType::Network;
        if is_network {
            let why = "is for application load balancers; a network one looks at flows, not at requests";
            self.not_for(path, &["rules", "respond", "tls"], why);
        }
        match (listener.default.is_empty(), listener.respond) {
            (true, None) => self.error_help(path, "has no `default`: where does the rest go?", "write `default: { web: 1 }`"),
            (false, Some(_)) => self.error(&path.field("respond"), "stands beside `default`; the rest goes to the one or the other"),
            (false, None) => self.forward(&path.field("default"), &listener.default, balancer),
            (true, Some(status)) => self.status(&path.field("respond"), status),
        }
        if is_network && listener.default.len() > 1 {
            self.error(&path.field("default"), "names several target groups; a listener of a network load balancer leads to one");
        }
        let mut priorities = BTreeSet::new();
        for (r, rule) in listener.rules.iter().enumerate().filter(|_| !is_network) {
            let path = path.field("rules").index(r);
            if self.has(&path.field("priority")) && !priorities.insert(rule.priority) {
                self.error(&path.field("priority"), format!("is {}, the priority of another rule", rule.priority));
            }
            self.rule(&path, rule, balancer);
        }
    }

    fn rule(&mut self, path: &Path, rule: &Rule, balancer: &LoadBalancer) {
        if !(1..=50_000).contains(&rule.priority) {
            self.error(&path.field("priority"), format!("is {}; priorities go from 1 to 50000", rule.priority));
        }
        match (&rule.forward, rule.respond) {
            (Some(_), Some(_)) => self.error(path, "has both `forward` and `respond`; a rule does the one or the other"),
            (None, None) => self.error_help(path, "does nothing", "write `forward: { web: 1 }`, or `respond: 404`"),
            (Some(forward), None) => self.forward(&path.field("forward"), forward, balancer),
            (None, Some(status)) => self.status(&path.field("respond"), status),
        }
    }

    fn status(&mut self, path: &Path, status: u16) {
        if !(200..600).contains(&status) {
            self.error(path, format!("is {status}; an answer has a status from 200 to 599"));
        }
    }

    /// Target groups with weights: known, and fit for this kind of load balancer.
    fn forward(&mut self, path: &Path, forward: &BTreeMap<String, u32>, balancer: &LoadBalancer) {
        let blocks = self.blocks;
        if forward.is_empty() {
            self.error_help(path, "is empty", "write `{ web: 1 }`");
            return;
        }
        self.weights(path, forward.iter());
        for name in forward.keys() {
            let Some((i, group)) = blocks.group(name) else {
                let names = blocks.aws.target_groups.iter().map(|group| group.name.as_str());
                self.unknown(&path.field(name.clone()), name, "target group", names);
                continue;
            };
            self.fits(&block_item("aws", "target_groups", i), group, balancer);
        }
    }

    fn fits(&mut self, path: &Path, group: &TargetGroup, balancer: &LoadBalancer) {
        let name = &balancer.name;
        let product = match balancer.kind {
            LoadBalancerType::Network => {
                let why = format!("is for application load balancers, and `{name}` is a network one");
                self.not_for(path, &OF_APPLICATION, &why);
                if matches!(group.sticky, Some(TargetSticky::LbCookie(_) | TargetSticky::AppCookie(_))) {
                    self.error_help(&path.field("sticky"), why, "a network load balancer knows addresses: `sticky: source_ip`");
                }
                Product::Nlb
            }
            LoadBalancerType::Application => {
                let why = format!("is for network load balancers, and `{name}` is an application one");
                self.not_for(path, &["on_unhealthy", "on_deregistered"], &why);
                self.one_zone_sticky(path, group.cross_zone, group.sticky.is_some());
                if group.sticky == Some(TargetSticky::SourceIp) {
                    self.error_help(&path.field("sticky"), why, "an application load balancer knows cookies: `sticky: { lb_cookie: 1d }`");
                }
                Product::Alb
            }
        };
        if let Some(check) = &group.health_check {
            self.target_check(&path.field("health_check"), check, product);
        }
        if group.cross_zone == Some(false) && self.blocks.zones_of(balancer).is_empty() {
            let help = "give the load balancer `zones`, or its targets a `zone`";
            self.warning(&path.field("cross_zone"), format!("changes nothing: `{name}` stands in no zone"), help);
        }
    }
}

/// Target groups that listeners name.
fn forwarded(balancers: &[LoadBalancer]) -> impl Iterator<Item = &String> {
    balancers.iter().flat_map(|balancer| &balancer.listeners).flat_map(|listener| {
        listener.rules.iter().filter_map(|rule| rule.forward.as_ref()).chain([&listener.default]).flat_map(|forward| forward.keys())
    })
}
