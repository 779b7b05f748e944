//! `kubernetes`: a cluster as its users describe it. It is expanded to nodes, servers with pods, and the balancers between a client and
//! a pod (`scenario/expand`); `lbsim expand` prints what it stands for.

mod ingresses;
mod services;

pub use ingresses::*;
pub use services::*;

use super::{Abandoned, Autoscale, Cpu, Discipline, DisruptionBudget, Limit, Network, NodeGroup, OnTerm, Probe, RollingUpdate};
use crate::dist::Distribution;
use crate::units::{Size, Span};
use schemars::JsonSchema;
use serde::Deserialize;

/// A Kubernetes cluster. `lbsim expand` prints the nodes, servers and balancers that it stands for.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kubernetes {
    /// Groups of nodes.
    pub nodes: Vec<NodeGroup>,
    /// How the kube-proxy of every node spreads connections, and when it is told of changes.
    #[serde(default)]
    pub proxy: Proxy,
    /// Delays between nodes and between zones, as the section `network`. Default: none.
    #[serde(default)]
    pub network: Option<Network>,
    /// What runs: alike pods.
    pub deployments: Vec<Deployment>,
    /// Names for the pods of a deployment, spread over by kube-proxy.
    #[serde(default)]
    pub services: Vec<Service>,
    /// HTTP from outside, by host and path.
    #[serde(default)]
    pub ingresses: Vec<Ingress>,
    /// The controller of the ingresses of class nginx. Default: one pod.
    #[serde(default)]
    pub ingress_nginx: Option<IngressNginx>,
}

/// The kube-proxy of every node.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Proxy {
    /// How it forwards. Default: iptables.
    pub mode: ProxyMode,
    /// How `ipvs` chooses. Default: rr.
    pub scheduler: Option<IpvsScheduler>,
    /// From the change of a pod to the rules of a node. Default: uniform from 100ms to 1s.
    pub delay: Option<Distribution>,
}

/// How a kube-proxy forwards connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProxyMode {
    /// A random endpoint for each connection.
    #[default]
    Iptables,
    /// By a scheduler of the kernel's IPVS, for each connection.
    Ipvs,
    /// A random endpoint for each connection.
    Nftables,
}

/// A scheduler of IPVS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IpvsScheduler {
    /// Round robin.
    Rr,
    /// Least connections; the first in the list among equals.
    Lc,
    /// By a hash of the source address.
    Sh,
}

/// A Deployment: alike pods. It becomes a server group of this name, whose servers `<name>-1`, `<name>-2`, ... are places for pods.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// Name, unique among deployments, servers and balancers.
    pub name: String,
    /// Wanted pods at the start. They run and are ready then. Default: 1.
    #[serde(default = "one")]
    pub replicas: u32,
    /// Requests that a pod works on at once. Default: 1.
    #[serde(default)]
    pub slots: Limit,
    /// Places for requests that wait for a slot. Default: unbounded.
    #[serde(default = "Limit::unbounded")]
    pub queue: Limit,
    /// Order of service. Default: fifo.
    #[serde(default)]
    pub discipline: Discipline,
    /// Work done per unit of time; 0.5 takes twice as long. Default: 1.
    #[serde(default = "full_speed")]
    pub speed: f64,
    /// One-way network delay in front of a pod, on top of `network`. Default: none.
    #[serde(default)]
    pub latency: Option<Distribution>,
    /// What becomes of work that nobody waits for any more. Default: finish.
    #[serde(default)]
    pub abandoned: Abandoned,
    /// A pod closes a connection that is idle for so long. Default: never.
    #[serde(default)]
    pub keep_alive: Option<Span>,
    /// TLS ends at the pods: balancers in front look at connections only (pass-through). Default: none.
    #[serde(default)]
    pub tls: Option<super::Tls>,
    /// Processors that a pod asks for. Default: 100m.
    #[serde(default = "super::default_pod_cpu")]
    pub cpu: Cpu,
    /// Memory that a pod asks for. Default: 128MiB.
    #[serde(default = "super::default_pod_memory")]
    pub memory: Size,
    /// From placing a pod on a node that does not have the image yet to having it. Default: 5s.
    #[serde(default = "super::default_pull")]
    pub image_pull: Distribution,
    /// From the start of the container to listening. Default: 2s.
    #[serde(default = "super::default_start")]
    pub start: Distribution,
    /// Holds back the other probes until it has passed. Default: none.
    #[serde(default)]
    pub startup_probe: Option<Probe>,
    /// A pod is ready as long as it passes. Default: none, ready when it runs.
    #[serde(default)]
    pub readiness_probe: Option<Probe>,
    /// A container that fails it is restarted. Default: none.
    #[serde(default)]
    pub liveness_probe: Option<Probe>,
    /// Runs before the container is told to end; it serves meanwhile. Default: 0s.
    #[serde(default)]
    pub pre_stop: Span,
    /// From the beginning of the end (`pre_stop` included) to the kill. Default: 30s.
    #[serde(default = "super::thirty_seconds")]
    pub grace: Span,
    /// What the process does when it is told to end. Default: drain.
    #[serde(default)]
    pub on_term: OnTerm,
    /// How long the address of a pod that is gone refuses connections; after that nobody answers there. Default: it refuses for ever.
    #[serde(default)]
    pub address_lingers: Option<Span>,
    /// How a new version replaces the old one. Default: as Kubernetes.
    #[serde(default)]
    pub rolling_update: RollingUpdate,
    /// Changes the number of pods with the load. Default: none.
    #[serde(default)]
    pub autoscale: Option<Autoscale>,
    /// How many pods may be evicted at once. Default: no limit.
    #[serde(default)]
    pub disruption_budget: Option<DisruptionBudget>,
}

fn one() -> u32 {
    1
}

fn full_speed() -> f64 {
    1.0
}
