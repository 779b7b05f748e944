//! What a target group says of its targets: algorithm, membership, checks, stickiness. The same for groups of `aws`, ingresses of class
//! alb, and load balancers of services; only the defaults differ.

use super::cluster::uniform;
use super::text::{Field, Place, flow};
use super::things::ClusterNode;
use crate::control::defaults::{alb, controller, nlb, target_group};
use crate::document::scalar;
use crate::scenario::{StatusRange, TargetAlgorithm};
use crate::units::Span;
use std::fmt::Display;

/// The cookie of ingress-nginx, which is set as soon as a pod is chosen (`balancer/sticky.lua`).
pub(super) const NGINX_COOKIE: &str = "INGRESSCOOKIE";

/// Whose defaults hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Product {
    /// A target group of an Application or Network Load Balancer.
    Alb,
    Nlb,
    /// The same, made by the AWS Load Balancer Controller.
    ControllerAlb,
    ControllerNlb,
    /// For node ports of a service with `externalTrafficPolicy: Local`.
    ControllerNlbLocal,
}

/// The check that a product makes by default.
pub(super) struct CheckDefaults {
    http: Option<&'static str>,
    status: StatusRange,
    pub interval: Span,
    pub timeout: Span,
    pub healthy: u32,
    pub unhealthy: u32,
    source: &'static str,
}

fn statuses((first, last): (u16, u16)) -> StatusRange {
    StatusRange { first, last }
}

impl Product {
    pub fn is_application(self) -> bool {
        matches!(self, Product::Alb | Product::ControllerAlb)
    }

    pub fn check(self) -> CheckDefaults {
        let of_alb = CheckDefaults {
            http: Some("/"),
            status: statuses(target_group::STATUS_ALB),
            interval: target_group::INTERVAL,
            timeout: target_group::TIMEOUT_ALB,
            healthy: target_group::HEALTHY_THRESHOLD,
            unhealthy: target_group::UNHEALTHY_THRESHOLD,
            source: "defaults of an ALB's target group (ELBv2 API)",
        };
        let of_nlb = CheckDefaults {
            http: None,
            status: statuses(target_group::STATUS_NLB),
            timeout: target_group::TIMEOUT_NLB,
            source: "defaults of an NLB's target group (ELBv2 API)",
            ..of_alb
        };
        match self {
            Product::Alb => of_alb,
            Product::Nlb => of_nlb,
            Product::ControllerAlb => CheckDefaults {
                interval: controller::ALB_INTERVAL,
                timeout: controller::ALB_TIMEOUT,
                healthy: controller::ALB_HEALTHY_THRESHOLD,
                unhealthy: controller::ALB_UNHEALTHY_THRESHOLD,
                source: "defaults of the AWS Load Balancer Controller (ingress annotations)",
                ..of_alb
            },
            Product::ControllerNlb => CheckDefaults {
                interval: controller::NLB_INTERVAL,
                timeout: controller::NLB_TIMEOUT,
                healthy: controller::NLB_HEALTHY_THRESHOLD,
                unhealthy: controller::NLB_UNHEALTHY_THRESHOLD,
                source: "defaults of the AWS Load Balancer Controller (service annotations)",
                ..of_nlb
            },
            Product::ControllerNlbLocal => CheckDefaults {
                http: Some("/healthz"),
                interval: controller::NLB_LOCAL_INTERVAL,
                timeout: controller::NLB_LOCAL_TIMEOUT,
                healthy: controller::NLB_LOCAL_HEALTHY_THRESHOLD,
                unhealthy: controller::NLB_LOCAL_UNHEALTHY_THRESHOLD,
                source: "defaults of the AWS Load Balancer Controller for externalTrafficPolicy Local: the node's health check port",
                ..of_nlb
            },
        }
    }
}

/// What a group sends to.
#[derive(Clone, Debug)]
pub(super) struct Targets {
    pub names: Vec<String>,
    /// Pods or nodes, which a controller registers and deregisters.
    pub are_registered: bool,
}

impl Targets {
    pub fn ports(proxies: &[(String, ClusterNode)]) -> Targets {
        Targets { names: proxies.iter().map(|(name, _)| name.clone()).collect(), are_registered: true }
    }
}

/// Fields of the balancer of a target group, from `targets` on. `place` has the settings.
pub(super) fn fields(product: Product, place: &Place, targets: &Targets, cross_zone: bool, idle: &str) -> Vec<Field> {
    let mut fields = vec![Field::names("targets", &targets.names)];
    fields.push(algorithm(product, place));
    if !cross_zone {
        let is_said = product.is_application() || place.has("cross_zone");
        let why = if is_said { "cross-zone is off" } else { "cross-zone is off, the default of an NLB" };
        fields.push(Field::new("own_zone_only", true).note(why));
    }
    if targets.are_registered {
        fields.push(members(product, place));
    }
    fields.push(health_check(product, place));
    fields.extend(sticky(place, "AWSALB"));
    fields.extend(place.copy("slow_start"));
    if product.is_application() {
        fields.push(Field::new("connect_timeout", alb::CONNECT_TIMEOUT).note("504 where a target is not reached by then"));
        fields.push(Field::new("timeout", idle).note("504 where a target has not answered by then: the idle timeout"));
        fields.push(Field::new("connections", format!("{{ idle_timeout: {idle} }}")).note("kept to the targets and used again"));
    } else {
        let note = "connections to an unhealthy target are reset, the default of an NLB";
        fields.push(place.copied("on_unhealthy", "established").unwrap_or_else(|| Field::new("established", "reset").note(note)));
    }
    fields
}

fn algorithm(product: Product, place: &Place) -> Field {
    if !product.is_application() {
        return Field::new("algorithm", "flow_hash").note("of the 5-tuple, for each flow");
    }
    let Some(given) = place.get("algorithm") else {
        return Field::new("algorithm", alb::ALGORITHM).note("default of an ALB");
    };
    let is_mitigating = place.get("anomaly_mitigation").and_then(|node| node.text()).is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let name = match given.text().and_then(by_name).unwrap_or_default() {
        TargetAlgorithm::RoundRobin => "round_robin",
        TargetAlgorithm::LeastOutstandingRequests => "least_connections",
        TargetAlgorithm::WeightedRandom if is_mitigating => "{ weighted_random: { anomaly_mitigation: true } }",
        TargetAlgorithm::WeightedRandom => "weighted_random",
    };
    Field::new("algorithm", name)
}

fn by_name(text: &str) -> Option<TargetAlgorithm> {
    [TargetAlgorithm::RoundRobin, TargetAlgorithm::LeastOutstandingRequests, TargetAlgorithm::WeightedRandom]
        .into_iter()
        .zip(alb::ALGORITHMS)
        .find_map(|(algorithm, name)| (name == text).then_some(algorithm))
}

fn members(product: Product, place: &Place) -> Field {
    let delay = place
        .copied("registration", "delay")
        .unwrap_or_else(|| Field::new("delay", uniform(controller::REGISTRATION)).note("delay by default: watch, reconcile, API calls"));
    let note = "deregistration_delay by default of AWS";
    let deregistration = place.copy_or("deregistration_delay", target_group::DEREGISTRATION_DELAY, note);
    let mut fields = vec![delay];
    if !product.is_application() && place.get("registration").is_none() {
        let note = "registration by default of an NLB: 90s to 180s until checks of a new target begin";
        fields.push(Field::new("registration", uniform(nlb::REGISTRATION)).note(note));
    }
    fields.push(deregistration);
    if !product.is_application() {
        let note = "established by default of an NLB (no connection termination on deregistration)";
        fields.push(place.copied("on_deregistered", "established").unwrap_or_else(|| Field::new("established", "keep").note(note)));
    }
    flow("members", vec![flow("target_group", fields)])
}

fn health_check(product: Product, place: &Place) -> Field {
    let defaults = product.check();
    let check = place.below("health_check");
    let mut missing = Vec::new();
    let mut fields = Vec::new();
    match (check.copy("tcp"), check.copy("http"), defaults.http) {
        (Some(tcp), _, _) => fields.push(tcp),
        (None, Some(http), _) => fields.push(http),
        (None, None, Some(http)) => {
            missing.push(format!("http {http}"));
            fields.push(Field::new("http", http));
        }
        (None, None, None) => {
            missing.push("tcp".to_owned());
            fields.push(Field::new("tcp", "{}"));
        }
    }
    let is_http = fields[0].key == "http";
    if is_http && product == Product::ControllerNlbLocal {
        fields.push(Field::new("node_port", true));
    }
    let mut take = |field: &'static str, key: &str, default: &dyn Display| {
        fields.push(check.copied(field, key).unwrap_or_else(|| {
            missing.push(format!("{field} {default}"));
            Field::new(key, default)
        }));
    };
    if is_http {
        take("status", "status", &in_words(defaults.status));
    }
    take("interval", "interval", &defaults.interval);
    take("timeout", "timeout", &defaults.timeout);
    take("healthy_threshold", "healthy_after", &defaults.healthy);
    take("unhealthy_threshold", "unhealthy_after", &defaults.unhealthy);
    let when_none = match place.get("minimum_healthy") {
        Some(minimum) => {
            let text = format!("{{ panic: {} }}", minimum.to_yaml());
            Field::new("when_none", text).given("panic", place.path.field("minimum_healthy"))
        }
        None => Field::new("when_none", "all"),
    };
    fields.push(when_none);
    fields.extend(place.copied("minimum_healthy_dns", "dns_minimum"));
    let note = match missing.as_slice() {
        [] => "fails open".to_owned(),
        _ => format!("{}; fails open", defaults.source),
    };
    flow("health_check", fields).note(note)
}

fn in_words(status: StatusRange) -> String {
    if status.first == status.last { status.first.to_string() } else { format!("{}-{}", status.first, status.last) }
}

/// `sticky`, or `source_ip_sticky` of a service. A cookie of the application is set with what it answers well: what it does with an error
/// nobody knows.
pub(super) fn sticky(place: &Place, cookie: &str) -> Option<Field> {
    if place.get("source_ip_sticky").and_then(|node| node.text()).is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        return Some(Field::new("sticky", "{ source_ip: {} }"));
    }
    let given = place.get("sticky")?;
    let name = given.text().or_else(|| Some(&*given.entries().first()?.0.text))?;
    let steps = place.path.field("sticky");
    Some(match name {
        "source_ip" => Field::new("sticky", "{ source_ip: {} }"),
        _ => {
            let (cookie, set_with) = match name {
                "app_cookie" => ("AWSALBAPP", ", set_with: success"),
                _ if cookie == NGINX_COOKIE => (cookie, ", set_with: choice"),
                _ => (cookie, ""),
            };
            let ttl = given.get(name).map_or("null".to_owned(), |node| node.to_yaml());
            Field::new("sticky", format!("{{ cookie: {{ name: {}, ttl: {ttl}{set_with} }} }}", scalar(cookie)))
                .given("cookie.ttl", steps.field(name.to_owned()))
        }
    })
}

/// When an idle connection is given up.
pub(super) fn idle_timeout(product: Product, place: &Place) -> Field {
    let (default, note) = match product.is_application() {
        true => (alb::IDLE_TIMEOUT, "default of an ALB"),
        false => (nlb::TCP_IDLE_TIMEOUT, "default of an NLB"),
    };
    place.copy_or("idle_timeout", default, note)
}
