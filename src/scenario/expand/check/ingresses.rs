//! Ingresses: services that exist, paths that are told apart, settings of their class.

use super::Check;
use crate::control::defaults::{alb, target_group};
use crate::document::Path;
use crate::scenario::expand::targets::Product;
use crate::scenario::expand::things::block_item;
use crate::scenario::{CookieSticky, Ingress, IngressClass, IngressPath, PathType, ServiceType, TargetType, When};
use std::collections::BTreeMap;

/// Settings of class alb.
const OF_ALB: [&str; 14] = [
    "target_type",
    "zones",
    "cross_zone",
    "minimum_healthy",
    "minimum_healthy_dns",
    "algorithm",
    "anomaly_mitigation",
    "health_check",
    "deregistration_delay",
    "registration",
    "readiness_gates",
    "slow_start",
    "idle_timeout",
    "group",
];
/// What a group has once.
const OF_GROUP: [&str; 3] = ["zones", "idle_timeout", "tls"];

impl Check<'_, '_> {
    pub(super) fn ingresses(&mut self) {
        let blocks = self.blocks;
        let Some(kubernetes) = &blocks.kubernetes else { return };
        let base = Path::root().field("kubernetes");
        let names: Vec<&str> = kubernetes.ingresses.iter().map(|ingress| ingress.name.as_str()).collect();
        self.unique(&base.field("ingresses"), &names, "ingress");
        for (i, ingress) in kubernetes.ingresses.iter().enumerate() {
            self.ingress(i, ingress);
        }
        self.the_same_path_twice();
        if let Some(controller) = &kubernetes.ingress_nginx {
            let path = base.field("ingress_nginx");
            if controller.replicas == 0 {
                self.error(&path.field("replicas"), "is 0; the controller has one pod at least");
            } else if controller.replicas > 100 {
                self.error(&path.field("replicas"), format!("is {}; at most 100 can be simulated", controller.replicas));
            }
            match &controller.load_balancer {
                Some(settings) => {
                    let path = path.field("load_balancer");
                    self.network_load_balancer(&path, settings);
                    let why = "is for services: the pods of ingress-nginx are there from start to end";
                    self.not_for(&path, &["readiness_gates", "registration", "deregistration_delay"], why);
                }
                None => self.not_for(&path, &["external_traffic"], "is for `load_balancer`, which is not given"),
            }
            if !kubernetes.ingresses.iter().any(|ingress| ingress.class == IngressClass::Nginx) {
                self.warning(&path, "serves no ingress", "an ingress is served by it with `class: nginx`");
            }
        }
    }

    fn ingress(&mut self, index: usize, ingress: &Ingress) {
        let path = block_item("kubernetes", "ingresses", index);
        if ingress.rules.is_empty() && ingress.default_backend.is_none() {
            self.error_help(&path, "leads nowhere", "give it `rules`, or a `default_backend`");
        }
        match ingress.class {
            IngressClass::Alb => {
                self.not_for(&path, &["change_on_failure"], "is for `class: nginx`");
                self.of_alb(&path, index, ingress);
            }
            IngressClass::Nginx => {
                self.not_for(&path, &OF_ALB, "is for `class: alb`");
                if ingress.sticky.is_none() {
                    self.not_for(&path, &["change_on_failure"], "is for `sticky`, which is not given");
                }
                if matches!(ingress.sticky, Some(CookieSticky::AppCookie(_))) {
                    self.error_help(&path.field("sticky"), "is a cookie of the application", "nginx sets one of its own: `lb_cookie`");
                }
            }
        }
        if let Some(sticky) = ingress.sticky {
            self.cookie(&path.field("sticky"), sticky);
        }
        if let Some(service) = &ingress.default_backend {
            self.backend(&path.field("default_backend"), service, ingress);
        }
        for (r, rule) in ingress.rules.iter().enumerate() {
            let path = path.field("rules").index(r);
            if rule.paths.is_empty() {
                self.error_help(&path.field("paths"), "is empty", "for all paths write `paths: [{ service: web }]`");
            }
            if rule.host.as_ref().is_some_and(|host| host.is_empty() || host.contains('/')) {
                self.error(&path.field("host"), "is no host; write a name such as `shop.example`");
            }
            for (p, of_rule) in rule.paths.iter().enumerate() {
                self.path(&path.field("paths").index(p), of_rule, ingress);
            }
        }
    }

    fn of_alb(&mut self, path: &Path, index: usize, ingress: &Ingress) {
        let leader = self.blocks.leader(index);
        if leader != index {
            let first = &self.blocks.ingresses()[leader].name;
            self.not_for(path, &OF_GROUP, &format!("is said for the whole group by its first ingress, `{first}`"));
        }
        self.zones(&path.field("zones"), &ingress.zones, 1);
        if let Some(check) = &ingress.health_check {
            self.target_check(&path.field("health_check"), check, Product::ControllerAlb);
        }
        self.range(&path.field("deregistration_delay"), ingress.deregistration_delay, target_group::DEREGISTRATION_DELAY_RANGE);
        self.range(&path.field("idle_timeout"), ingress.idle_timeout, alb::IDLE_TIMEOUT_RANGE);
        self.algorithm(path, ingress.algorithm, ingress.anomaly_mitigation, ingress.slow_start);
        self.gates(path, ingress.readiness_gates, ingress.target_type);
        self.minimum(path, ingress.minimum_healthy, ingress.minimum_healthy_dns);
        self.one_zone_sticky(path, ingress.cross_zone, ingress.sticky.is_some());
    }

    fn path(&mut self, at: &Path, path: &IngressPath, ingress: &Ingress) {
        if !path.path.starts_with('/') {
            self.error(&at.field("path"), format!("is `{}`; a path begins with `/`", path.path));
        }
        match path.kind {
            PathType::ImplementationSpecific if ingress.class == IngressClass::Nginx => {
                self.error_help(&at.field("type"), "is for `class: alb`", "nginx takes it for `prefix`");
            }
            PathType::Prefix | PathType::Exact if path.path.contains(['*', '?']) => {
                self.error_help(
                    &at.field("path"),
                    format!("is `{}`: a pattern", path.path),
                    "patterns are of `type: implementation_specific` (alb)",
                );
            }
            _ => {}
        }
        if path.when != When::default() && ingress.class == IngressClass::Nginx {
            self.error_help(&at.field("when"), "is for `class: alb`", "ingress-nginx looks at hosts and paths alone");
        }
        match (&path.service, &path.forward, path.respond) {
            (Some(service), None, None) => self.backend(&at.field("service"), service, ingress),
            (None, Some(forward), None) => {
                for service in forward.keys() {
                    self.backend(&at.field("forward").field(service.clone()), service, ingress);
                }
                self.weights(&at.field("forward"), forward.iter());
            }
            (None, None, Some(status)) if (200..600).contains(&status) => {}
            (None, None, Some(status)) => self.error(&at.field("respond"), format!("is {status}; an answer has a status from 200 to 599")),
            (None, None, None) => self.error_help(at, "leads nowhere", "give it a `service`, `forward`, or `respond`"),
            _ => self.error(at, "has several of `service`, `forward` and `respond`; a path leads to one thing"),
        }
        if path.sticky.is_some() && path.forward.is_none() {
            self.error_help(&at.field("sticky"), "is for `forward`", "to keep a user on a pod, the ingress has `sticky`");
        }
    }

    /// A service that gets requests of an ingress.
    fn backend(&mut self, path: &Path, name: &str, ingress: &Ingress) {
        let services = self.blocks.services();
        let Some(service) = services.iter().find(|service| service.name == name) else {
            return self.unknown(path, name, "service", services.iter().map(|service| service.name.as_str()));
        };
        let by_port = ingress.class == IngressClass::Alb && ingress.target_type == TargetType::Instance;
        if by_port && service.kind == ServiceType::ClusterIp {
            let what = format!("is `{name}`, which has no node port");
            self.error_help(path, what, "write `type: node_port` at the service, or `target_type: ip` at the ingress");
        }
    }

    /// The same host and path in what one load balancer, or nginx, serves.
    fn the_same_path_twice(&mut self) {
        let blocks = self.blocks;
        let mut seen: BTreeMap<(usize, Option<&str>, &str, PathType), &str> = BTreeMap::new();
        for (i, ingress) in blocks.ingresses().iter().enumerate() {
            let server = if ingress.class == IngressClass::Alb { blocks.leader(i) } else { usize::MAX };
            for (r, rule) in ingress.rules.iter().enumerate() {
                for (p, path) in rule.paths.iter().enumerate().filter(|(_, path)| path.when == When::default()) {
                    let plain = path.path.trim_end_matches('/');
                    let plain = if path.kind == PathType::Prefix { plain } else { path.path.as_str() };
                    if let Some(first) = seen.insert((server, rule.host.as_deref(), plain, path.kind), &ingress.name) {
                        let at = block_item("kubernetes", "ingresses", i).field("rules").index(r).field("paths").index(p);
                        let host = rule.host.as_deref().unwrap_or("any host");
                        let what = format!("is `{}` at {host}, which the ingress `{first}` has already", path.path);
                        self.error_help(&at.field("path"), what, "a host and path lead to one place; `forward` shares them out by weight");
                    }
                }
            }
        }
    }
}
