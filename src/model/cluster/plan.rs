//! What a run needs to know of nodes, pods, who is told of them, and what operators do: names are indexes, times nanoseconds.

use crate::control::probe::Probe;
use crate::control::replica_calculator::{Mistrust, Target, Tolerance};
use crate::control::rolling_update::{Amount, Budget};
use crate::control::scheduler::Resources;
use crate::control::{endpoints, hpa};
use crate::dist::Sampler;
use crate::model::places::Place;
use crate::scenario::OnTerm;
use crate::units::{Span, Time};

/// Nodes, pods and controllers of a scenario.
pub struct ClusterPlan {
    /// How many zones there are.
    pub zones: usize,
    /// Those that there are at the start and those that may come, group by group.
    pub nodes: Vec<NodePlan>,
    pub node_groups: Vec<NodeGroupPlan>,
    pub groups: Vec<PodGroupPlan>,
    /// By server: its place in `groups`, or `NONE`.
    pub group_of: Vec<u32>,
    /// By server; that of a pod is where its group stands, until it is placed on a node.
    pub places: Vec<Place>,
    /// By balancer.
    pub balancers: Vec<Place>,
    /// By balancer; `None`: all its targets are members all the time.
    pub members: Vec<Option<MembersPlan>>,
    pub operations: Vec<(Time, OperationPlan)>,
}

pub struct NodePlan {
    pub name: String,
    pub zone: u32,
    pub allocatable: Resources,
    pub is_there_at_start: bool,
}

pub struct NodeGroupPlan {
    /// Its nodes are `first..first + most` of all; the first ones are there at the start.
    pub first: u32,
    pub most: u32,
    pub autoscale: Option<NodeAutoscalePlan>,
}

pub struct NodeAutoscalePlan {
    /// Fewest nodes.
    pub min: u32,
    pub scan: Span,
    pub boot: Sampler,
    pub idle: Span,
    /// Part of a node below which it is little used.
    pub utilization: f64,
    pub after_add: Span,
}

/// A Deployment.
pub struct PodGroupPlan {
    pub name: String,
    /// The slots for its pods.
    pub servers: Vec<u32>,
    pub replicas: u32,
    pub request: Resources,
    pub image_pull: Sampler,
    pub start: Sampler,
    pub startup: Option<ProbePlan>,
    pub readiness: Option<ProbePlan>,
    pub liveness: Option<ProbePlan>,
    pub pre_stop: Span,
    pub grace: Span,
    pub on_term: OnTerm,
    /// How long the address of a pod that is gone refuses connections, before nobody answers there. `None`: for ever.
    pub address_lingers: Option<Span>,
    pub max_surge: Amount,
    pub max_unavailable: Amount,
    /// All old pods end before a new one is made.
    pub recreate: bool,
    pub min_ready: Span,
    pub autoscale: Option<AutoscalePlan>,
    pub budget: Option<Budget>,
    /// Balancers at which a pod must be healthy before it counts as ready.
    pub gates: Vec<u32>,
}

#[derive(Clone, Copy)]
pub struct ProbePlan {
    pub probe: Probe,
    pub is_http: bool,
    pub joins_queue: bool,
}

/// A HorizontalPodAutoscaler.
pub struct AutoscalePlan {
    pub config: hpa::Config,
    pub target: Target,
    pub sync: Span,
    pub window: Span,
    pub tolerance: Tolerance,
    pub mistrust: Mistrust,
}

/// How a balancer comes to know its members.
pub struct MembersPlan {
    /// From the change of a pod to its being known here.
    pub delay: Sampler,
    /// The same where one joins a target group, if that is another time.
    pub registration: Option<Sampler>,
    pub kind: MembersKind,
}

#[derive(Clone, Copy)]
pub enum MembersKind {
    Endpoints {
        traffic: endpoints::TrafficPolicy,
        prefer: endpoints::TrafficDistribution,
        /// Hints go by the zones' processors (topology-mode Auto).
        by_cpu: bool,
    },
    TargetGroup {
        deregistration_delay: Span,
        /// What is left after the delay is reset.
        resets_then: bool,
        first_passes: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationPlan {
    Rollout { group: u32 },
    Scale { group: u32, replicas: u32 },
    Drain { node: u32 },
}
