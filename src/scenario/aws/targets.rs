//! `aws.target_groups`: what load balancers send to, and what the blocks say alike of targets.

use crate::dist::Distribution;
use crate::scenario::{Established, MinimumHealthy, StatusRange, Tcp};
use crate::units::Span;
use schemars::JsonSchema;
use serde::Deserialize;

/// A target group. Each node of a load balancer has its own view of it: the balancer `<node>/<group>`, such as `shop@a/web`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetGroup {
    /// Name, unique among the target groups.
    pub name: String,
    /// Server groups, single servers (`web-3`), deployments or balancers of the file. One of `targets` and `service`.
    #[serde(default)]
    pub targets: Vec<String>,
    /// A service of `kubernetes`, whose pods or node ports are registered as they come and go.
    #[serde(default)]
    pub service: Option<String>,
    /// What is registered of a service: node ports or pods. Default: instance.
    #[serde(default, rename = "type")]
    pub target_type: TargetType,
    /// How a target is chosen (application). Default: round_robin.
    #[serde(default)]
    pub algorithm: TargetAlgorithm,
    /// Anomalous targets get less (with `weighted_random`). Default: false.
    #[serde(default)]
    pub anomaly_mitigation: bool,
    /// How targets are checked. Default: `http: /`, status 200 (network: tcp), every 30s, 5s (network: 10s) long, healthy after 5 (the
    /// first pass of a new target counts at once), unhealthy after 2.
    #[serde(default)]
    pub health_check: Option<TargetCheck>,
    /// How long a new target takes to its full share (application, 30s to 15m). Default: none.
    #[serde(default)]
    pub slow_start: Option<Span>,
    /// Keeps a user on its target. Default: none.
    #[serde(default)]
    pub sticky: Option<TargetSticky>,
    /// How long a target that is taken out may finish what it has. Default: 300s.
    #[serde(default)]
    pub deregistration_delay: Option<Span>,
    /// From the change of a pod or node to its registration or deregistration. Default: uniform from 500ms to 3s, in a network load
    /// balancer from 90s to 180s for the registration of a new target.
    #[serde(default)]
    pub registration: Option<Distribution>,
    /// Nodes use the targets of all zones, or those of their own alone. Default: as the load balancer says.
    #[serde(default)]
    pub cross_zone: Option<bool>,
    /// How many of the targets must be healthy: with fewer, all are used. Default: 1.
    #[serde(default)]
    pub minimum_healthy: Option<MinimumHealthy>,
    /// How many must be healthy for the zone to stay in DNS; no fewer than `minimum_healthy`, or 0: it always stays. Default: 1.
    #[serde(default)]
    pub minimum_healthy_dns: Option<MinimumHealthy>,
    /// What becomes of the connections to a target that turns unhealthy (network). Default: reset.
    #[serde(default)]
    pub on_unhealthy: Option<Established>,
    /// What becomes of the connections to a target that was taken out, when the deregistration delay is over (network). Default: keep.
    #[serde(default)]
    pub on_deregistered: Option<Established>,
}

/// What is registered of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetType {
    /// The service's port on every node, behind which kube-proxy chooses once more.
    #[default]
    Instance,
    /// The pods themselves.
    Ip,
}

/// How a target group chooses a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetAlgorithm {
    /// One after the other.
    #[default]
    RoundRobin,
    /// The one with the fewest requests in flight.
    LeastOutstandingRequests,
    /// At random.
    WeightedRandom,
}

/// A health check of targets; what is not given is the product's default.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TargetCheck {
    /// A TCP connect passes: `tcp: {}`. One of `tcp` and `http`.
    pub tcp: Option<Tcp>,
    /// The path of an HTTP request.
    pub http: Option<String>,
    /// Statuses that pass.
    pub status: Option<StatusRange>,
    /// From check to check.
    pub interval: Option<Span>,
    /// How long a check waits.
    pub timeout: Option<Span>,
    /// Passes in a row that bring an unhealthy target back.
    pub healthy_threshold: Option<u32>,
    /// Failures in a row that take a target out.
    pub unhealthy_threshold: Option<u32>,
}

/// What keeps a user on its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetSticky {
    /// A cookie of the load balancer, valid for so long (application; 1d is usual).
    LbCookie(Span),
    /// A cookie of the application, valid for so long (application).
    AppCookie(Span),
    /// The client's address (network).
    SourceIp,
}

/// A cookie that keeps a user on its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CookieSticky {
    /// A cookie of the load balancer, valid for so long.
    LbCookie(Span),
    /// A cookie of the application, valid for so long (alb).
    AppCookie(Span),
}
