//! `kubernetes.ingresses`: HTTP from outside, by host and path.

use super::NetworkLoadBalancer;
use crate::dist::Distribution;
use crate::scenario::{CookieSticky, MinimumHealthy, TargetAlgorithm, TargetCheck, TargetType, Tls, When};
use crate::units::Span;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// An Ingress. Its load balancer is `ingress/<name>` (alb); all of class nginx are served by `ingress-nginx`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ingress {
    /// Name, unique among the ingresses.
    pub name: String,
    /// Who serves it.
    pub class: IngressClass,
    /// Hosts and paths, and the services that they lead to. What none of them matches goes to `default_backend`.
    #[serde(default)]
    pub rules: Vec<IngressRule>,
    /// Where the rest goes. Default: it is answered 404.
    #[serde(default)]
    pub default_backend: Option<String>,
    /// TLS ends at the load balancer, or at nginx.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// A cookie keeps a user on its pod (behind node ports: on its node). Default: none.
    #[serde(default)]
    pub sticky: Option<CookieSticky>,
    /// With `sticky` (nginx): when a try fails, the next one goes to another pod, whose cookie the user gets. Default: false, it goes to the
    /// same pod again.
    #[serde(default)]
    pub change_on_failure: bool,
    /// What is registered (alb): node ports or pods. Default: instance.
    #[serde(default)]
    pub target_type: TargetType,
    /// Zones in which the load balancer has a node (alb). Default: those of the cluster's nodes.
    #[serde(default)]
    pub zones: Vec<String>,
    /// The load balancer's nodes use the targets of all zones, or those of their own alone (alb). Default: true.
    #[serde(default)]
    pub cross_zone: Option<bool>,
    /// How many targets of a service must be healthy (alb): with fewer, all are used. Default: 1.
    #[serde(default)]
    pub minimum_healthy: Option<MinimumHealthy>,
    /// How many must be healthy for the zone to stay in DNS (alb); no fewer than `minimum_healthy`, or 0: it always stays. Default: 1.
    #[serde(default)]
    pub minimum_healthy_dns: Option<MinimumHealthy>,
    /// How a target is chosen (alb). Default: round_robin.
    #[serde(default)]
    pub algorithm: TargetAlgorithm,
    /// Anomalous targets get less (alb, with `weighted_random`). Default: false.
    #[serde(default)]
    pub anomaly_mitigation: bool,
    /// How targets are checked (alb). Default: `http: /`, status 200, every 15s, 5s long, healthy after 2, unhealthy after 2.
    #[serde(default)]
    pub health_check: Option<TargetCheck>,
    /// How long a target that is taken out may finish what it has (alb). Default: 300s.
    #[serde(default)]
    pub deregistration_delay: Option<Span>,
    /// From the change of a pod or node to its registration or deregistration (alb). Default: uniform from 500ms to 3s.
    #[serde(default)]
    pub registration: Option<Distribution>,
    /// A new pod counts as ready only when its target is healthy (alb with `ip`). Default: false.
    #[serde(default)]
    pub readiness_gates: bool,
    /// How long a new target takes to its full share (alb). Default: none.
    #[serde(default)]
    pub slow_start: Option<Span>,
    /// A connection that is idle for so long is closed (alb). Default: 60s.
    #[serde(default)]
    pub idle_timeout: Option<Span>,
    /// Ingresses of the same group share a load balancer, `ingress/<group>` (alb). Default: one of its own.
    #[serde(default)]
    pub group: Option<String>,
}

/// Who serves an ingress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IngressClass {
    /// An Application Load Balancer, which the AWS Load Balancer Controller makes.
    Alb,
    /// ingress-nginx: pods of its own that send to the endpoints directly.
    Nginx,
}

/// The paths of a host.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IngressRule {
    /// The host, such as `shop.example` or `*.shop.example`. Default: any.
    #[serde(default)]
    pub host: Option<String>,
    /// Its paths; exact ones come first, then the longest.
    pub paths: Vec<IngressPath>,
}

/// A path, and one of `service`, `forward` and `respond`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IngressPath {
    /// The path. Default: `/`.
    #[serde(default = "root")]
    pub path: String,
    /// How it is compared. Default: prefix.
    #[serde(default, rename = "type")]
    pub kind: PathType,
    /// Further conditions (alb; `conditions.*` of the AWS controller). Its hosts and paths are others to the rule's host and the path; of
    /// the rest, all must hold. Default: none.
    #[serde(default)]
    pub when: When,
    /// The service that gets the requests.
    #[serde(default)]
    pub service: Option<String>,
    /// Services with the weights by which they are drawn (a weighted action of the AWS controller).
    #[serde(default)]
    pub forward: Option<BTreeMap<String, u32>>,
    /// With `forward`: a user stays with the service that was drawn for it, for so long. Default: drawn anew for each request.
    #[serde(default)]
    pub sticky: Option<Span>,
    /// The status that is answered at once (a fixed response).
    #[serde(default)]
    pub respond: Option<u16>,
}

/// How a path is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PathType {
    /// `/cart` matches `/cart` and `/cart/items`, and not `/carts`.
    #[default]
    Prefix,
    /// `/cart` matches `/cart` alone.
    Exact,
    /// A pattern with `*` and `?` (alb).
    ImplementationSpecific,
}

/// The pods of ingress-nginx: `ingress-nginx#1`, `ingress-nginx#2`, ... They are fixed: one after the other on the nodes, from start to end.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IngressNginx {
    /// How many there are. Default: 1.
    pub replicas: u32,
    /// From the change of a pod to its being used or not used by a controller's pod. Default: uniform from 100ms to 1s.
    pub delay: Option<Distribution>,
    /// The Network Load Balancer in front of them. Default: none, each connection goes to a random one of them.
    pub load_balancer: Option<NetworkLoadBalancer>,
    /// Whether a node port leads to the controllers of all nodes, or of its own node alone. Default: cluster.
    pub external_traffic: crate::scenario::TrafficPolicy,
    /// Tries at other pods after the first, when a connection or an answer fails (`proxy-next-upstream-tries` less one). Default: 2.
    pub retries: u32,
}

impl Default for IngressNginx {
    fn default() -> Self {
        IngressNginx { replicas: 1, delay: None, load_balancer: None, external_traffic: Default::default(), retries: 2 }
    }
}

fn root() -> String {
    "/".to_owned()
}
