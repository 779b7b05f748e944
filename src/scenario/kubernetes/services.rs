//! `kubernetes.services`: names for the pods of a deployment.

use crate::dist::Distribution;
use crate::scenario::{Established, MinimumHealthy, Prefer, TargetCheck, TargetType, TrafficPolicy};
use crate::units::Span;
use schemars::JsonSchema;
use serde::Deserialize;

/// A Service. Every node has a kube-proxy for it (the balancers `<name>@<node>`); the service as a whole is `service/<name>`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Name, unique among the services.
    pub name: String,
    /// The deployment whose pods are its endpoints. Default: that of the same name.
    #[serde(default)]
    pub deployment: Option<String>,
    /// From where it can be reached. Default: cluster_ip.
    #[serde(default, rename = "type")]
    pub kind: ServiceType,
    /// A client's address stays with the same pod for so long after its last connection (`sessionAffinity: ClientIP`; the timeout of
    /// Kubernetes is 3h). Default: none.
    #[serde(default)]
    pub session_affinity: Option<Span>,
    /// Where connections that come from outside may go (`externalTrafficPolicy`). Default: cluster.
    #[serde(default)]
    pub external_traffic: TrafficPolicy,
    /// Where connections of pods may go (`internalTrafficPolicy`). Default: cluster.
    #[serde(default)]
    pub internal_traffic: TrafficPolicy,
    /// Which endpoints are preferred (`trafficDistribution`, or `topology_auto` for the annotation
    /// `topology-mode: Auto`). Default: none.
    #[serde(default)]
    pub prefer: Prefer,
    /// The Network Load Balancer that the AWS Load Balancer Controller makes for type `load_balancer`.
    #[serde(default)]
    pub load_balancer: Option<NetworkLoadBalancer>,
}

impl Service {
    /// The deployment whose pods are its endpoints.
    pub fn deployment(&self) -> &str {
        self.deployment.as_deref().unwrap_or(&self.name)
    }
}

/// From where a service can be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServiceType {
    /// From within the cluster. Where clients enter at it, they are pods that are spread evenly over the nodes.
    #[default]
    ClusterIp,
    /// Also by a port of every node. Where clients enter at it, each connection goes to a random node.
    NodePort,
    /// Also by a Network Load Balancer.
    LoadBalancer,
}

/// A Network Load Balancer as the AWS Load Balancer Controller makes it for a service (or for the controller of ingress-nginx).
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkLoadBalancer {
    /// What is registered: node ports or pods. Default: instance.
    pub target_type: TargetType,
    /// Zones in which it has a node. Default: those of the cluster's nodes.
    pub zones: Vec<String>,
    /// Its nodes use the targets of all zones. Default: false.
    pub cross_zone: bool,
    /// How many targets must be healthy: with fewer, all are used. Default: 1.
    pub minimum_healthy: Option<MinimumHealthy>,
    /// How many must be healthy for the zone to stay in DNS; no fewer than `minimum_healthy`, or 0: it always stays. Default: 1.
    pub minimum_healthy_dns: Option<MinimumHealthy>,
    /// How targets are checked. Default: tcp (`http: /healthz` of the node for `external_traffic: local` with node ports), every 10s,
    /// 10s long, healthy after 3, unhealthy after 3.
    pub health_check: Option<TargetCheck>,
    /// How long a target that is taken out may finish what it has. Default: 300s.
    pub deregistration_delay: Option<Span>,
    /// From the change of a pod or node to its registration or deregistration. Default: uniform from 500ms to 3s, but from 90s to
    /// 180s for the registration of a new target.
    pub registration: Option<Distribution>,
    /// A new pod counts as ready only when its target is healthy (`ip` only). Default: false.
    pub readiness_gates: bool,
    /// A client's address stays with its target. Default: false.
    pub source_ip_sticky: bool,
    /// What becomes of the connections to a target that turns unhealthy. Default: reset.
    pub on_unhealthy: Option<Established>,
    /// What becomes of the connections to a target that was taken out, when the deregistration delay is over. Default: keep.
    pub on_deregistered: Option<Established>,
    /// A flow that is idle for so long is forgotten. Default: 350s.
    pub idle_timeout: Option<Span>,
}
