//! Everything that a run needs, resolved: all names are indexes, all times nanoseconds. `compile` makes it, the world runs it.

use super::cluster::plan::ClusterPlan;
use super::dns::DnsPlan;
use super::places::{NetworkPlan, Place};
use super::rules::RulePlan;
use crate::control::target_group::Minimum;
use crate::dist::Sampler;
use crate::policy::{Algorithm, TargetId, slow_start};
use crate::scenario::{Failure, Jitter, RetryTo, SessionLength, SetWith, StatusRange, WhenNone};
use crate::units::{Share, Span, Time};
use std::net::IpAddr;
use std::sync::Arc;

/// One replication of one variant at one sweep point.
#[derive(Clone)]
pub struct Plan {
    pub seed: u64,
    pub replication: u32,
    pub duration: Time,
    /// After the end nothing new is sent, but what is open is played to its end (a trace without a given duration).
    pub drains: bool,
    pub warmup: Time,
    /// Width of a bin of the timeline.
    pub timeline_bin: Span,
    /// Collect latencies for finding the warm-up (MSER-5).
    pub is_pilot: bool,
    pub topology: Arc<Topology>,
}

/// What all replications of a variant share.
pub struct Topology {
    pub clients: Vec<ClientPlan>,
    /// Request classes of all clients.
    pub classes: Vec<ClassPlan>,
    /// Distinct paths, of classes and of traces.
    pub paths: Vec<String>,
    pub servers: Vec<ServerPlan>,
    pub balancers: Vec<BalancerPlan>,
    /// The balancer at which clients enter.
    pub entry: u32,
    /// Longest chain of balancers that a request passes.
    pub depth_max: usize,
    pub faults: Vec<FaultPlan>,
    /// Delays between places; `None` where nobody says where anything stands.
    pub network: Option<NetworkPlan>,
    /// Nodes, pods and their controllers, where there are any.
    pub cluster: Option<Arc<ClusterPlan>>,
    pub operations: Vec<OperationPlan>,
}

/// What operators do, and when.
pub struct OperationPlan {
    pub at: Time,
    pub action: OperationKind,
}

pub enum OperationKind {
    /// Weights of targets, at a balancer and its copies.
    Weights(Vec<WeightsPlan>),
}

/// New weights at one balancer.
pub struct WeightsPlan {
    pub balancer: u32,
    /// By target, where its algorithm or a name server goes by them.
    pub targets: Vec<(TargetId, u32)>,
    /// By name, where its rules do.
    pub rules: Vec<(String, u32)>,
}

impl Topology {
    /// A server, or a balancer that looks at connections only.
    pub fn passes_on(&self, target: TargetRef) -> bool {
        match target {
            TargetRef::Server(_) => true,
            TargetRef::Balancer(balancer) => self.balancers[balancer as usize].ways.is_l4,
        }
    }

    /// Somebody keeps connections, or counts the statuses that it answers.
    pub fn watches_connections(&self) -> bool {
        let balancers = self.balancers.iter().any(|balancer| balancer.ways.kept.is_some() || balancer.ways.counts_statuses);
        balancers || self.clients.iter().any(|client| client.kept.is_some())
    }
}

#[derive(Default)]
pub struct ClassPlan {
    pub name: String,
    /// Index into the paths.
    pub path: u32,
    /// Bytes of a request and its answer.
    pub size: u64,
    /// Doing it twice is as good as once.
    pub is_idempotent: bool,
}

pub struct ClientPlan {
    pub name: String,
    pub place: Place,
    pub arrivals: ArrivalPlan,
    pub users: Users,
    pub nat: Option<(Share, u32)>,
    pub session: Option<SessionPlan>,
    /// (class, work), drawn by weight.
    pub classes: Arc<[ClassChoice]>,
    pub latency: Sampler,
    pub timeout: Option<Span>,
    pub retry: Option<RetryPlan>,
    /// Connections that are kept.
    pub kept: Option<ConnectionsPlan>,
}

/// A class that a client may draw.
pub struct ClassChoice {
    pub class: u32,
    /// The class's, here as well: it is wanted with the work.
    pub path: u32,
    pub weight: f64,
    pub work: Sampler,
}

pub enum ArrivalPlan {
    Poisson {
        per_second: f64,
    },
    Deterministic {
        per_second: f64,
    },
    Renewal {
        gap: Sampler,
    },
    /// (arrivals per second, mean stay in seconds) of each state.
    Mmpp {
        states: Vec<(f64, f64)>,
    },
    Diurnal {
        mean: f64,
        amplitude: f64,
        period_s: f64,
    },
    /// (seconds, arrivals per second), ascending.
    Piecewise {
        points: Vec<(f64, f64)>,
    },
    Burst {
        base: f64,
        peak: f64,
        every: Span,
        lasts: Span,
    },
    Closed {
        users: u32,
        think: Sampler,
    },
    Trace(Arc<TracePlan>),
}

/// Recorded arrivals by column; optional columns are empty.
#[derive(Default)]
pub struct TracePlan {
    pub at: Vec<Time>,
    pub work: Vec<Span>,
    pub client: Vec<u32>,
    /// Address of each client, where the trace says it.
    pub addresses: Vec<Option<IpAddr>>,
    /// Path of each request, an index into the paths.
    pub path: Vec<u32>,
}

/// Who the users are.
#[derive(Clone, PartialEq, Debug)]
pub enum Users {
    /// Every request or session is a user of its own.
    Unbounded,
    Alike(u32),
    Zipf {
        users: u32,
        exponent: f64,
    },
    /// The clients that the trace names.
    Traced(u32),
}

impl Users {
    /// How many can come back; 0 if nobody does.
    pub fn count(&self) -> u32 {
        match self {
            Users::Unbounded => 0,
            Users::Alike(users) | Users::Zipf { users, .. } | Users::Traced(users) => *users,
        }
    }
}

pub struct SessionPlan {
    pub requests: SessionLength,
    pub think: Sampler,
}

#[derive(Clone)]
pub struct RetryPlan {
    pub max: u32,
    pub when: Vec<Failure>,
    pub base: Span,
    pub backoff_max: Span,
    pub jitter: Jitter,
    pub budget: Option<Share>,
    pub to: RetryTo,
    /// What is not idempotent is tried again although it was sent.
    pub non_idempotent: bool,
}

pub struct ServerPlan {
    pub name: String,
    pub group: String,
    pub slots: u32,
    pub queue: u32,
    pub is_ps: bool,
    pub speed: f64,
    pub weight: u32,
    pub latency: Sampler,
    pub cancels_abandoned: bool,
    /// Where it stands at the start.
    pub place: Place,
    /// After this time it closes an idle connection.
    pub keep_alive: Option<Span>,
    pub tls: Option<TlsPlan>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TargetRef {
    Server(u32),
    Balancer(u32),
}

#[derive(Clone)]
pub struct BalancerPlan {
    pub name: String,
    pub targets: Vec<TargetRef>,
    pub algorithm: Algorithm,
    pub check: Option<CheckPlan>,
    pub when_none: WhenNone,
    pub sticky: Option<StickyPlan>,
    pub retry: Option<RetryPlan>,
    pub connect_timeout: Option<Span>,
    pub timeout: Option<Span>,
    /// Network delay in front of it where it is a target.
    pub latency: Sampler,
    pub weight: u32,
    pub routing: RoutingPlan,
    pub ways: WaysPlan,
}

/// Where a balancer stands, and how it finds its target other than by its algorithm.
#[derive(Clone, Default)]
pub struct RoutingPlan {
    pub place: Place,
    /// It uses targets of its own zone only.
    pub own_zone_only: bool,
    /// No machine: a name, the copies of a balancer together, or a group behind a rule. Messages pass it where they are.
    pub is_transparent: bool,
    /// In the order in which they are asked; empty where the algorithm decides.
    pub rules: Vec<RulePlan>,
    pub dns: Option<DnsPlan>,
    pub slow_start: Option<slow_start::Config>,
    /// So many of its targets must be healthy for a name to lead to it.
    pub dns_minimum: Minimum,
    /// The first copy of the same balancer: a user's cookie is good at all of them.
    pub cookies_of: Option<u32>,
}

impl BalancerPlan {
    /// After which time a try that it sent and that is not answered ends here: it gives up waiting, or (l4) forgets the connection.
    pub fn waits_for(&self) -> Option<Span> {
        if self.ways.is_l4 { self.ways.idle_timeout } else { self.timeout }
    }
}

/// What a balancer does with connections.
#[derive(Clone, Default)]
pub struct WaysPlan {
    /// It routes connections, not requests.
    pub is_l4: bool,
    /// Connections to its targets that are kept.
    pub kept: Option<ConnectionsPlan>,
    pub tls: Option<TlsPlan>,
    /// A connection to it or (l4) through it that is idle for so long ends here.
    pub idle_timeout: Option<Span>,
    /// Connections to a target that turns unhealthy are reset (l4).
    pub resets_established: bool,
    /// The statuses that it answers are told.
    pub counts_statuses: bool,
}

/// Connections that are kept and used again.
#[derive(Clone, Copy)]
pub struct ConnectionsPlan {
    /// Each user or session has its own.
    pub is_per_user: bool,
    /// Most at once to one target; `u32::MAX` is no limit, here and below.
    pub max: u32,
    /// Requests at once on one.
    pub streams: u32,
    pub idle_timeout: Option<Span>,
    pub max_age: Option<Span>,
    pub max_requests: u32,
}

/// What ending TLS costs.
#[derive(Clone)]
pub struct TlsPlan {
    pub round_trips: u32,
    pub handshake: Sampler,
    /// Share of the handshakes of those seen before that resume a session.
    pub resumed: f64,
    pub resumed_round_trips: u32,
    pub resumption: Sampler,
}

#[derive(Clone)]
pub struct CheckPlan {
    pub is_http: bool,
    pub status: StatusRange,
    pub interval: Span,
    pub timeout: Span,
    pub unhealthy_after: u32,
    pub healthy_after: u32,
    pub from_end: bool,
    pub random_phase: bool,
    pub initially_healthy: bool,
    pub joins_queue: bool,
    /// It asks a kube-proxy whether its endpoints are ready.
    pub asks_node: bool,
}

#[derive(Clone, Copy)]
pub enum StickyPlan {
    Cookie { ttl: Option<Span>, set_with: SetWith },
    SourceIp { ttl: Option<Span> },
}

pub struct FaultPlan {
    /// As the results call it: `crash web-3`.
    pub name: String,
    /// What its random draws go by: the kind, whom it hits, and how many such faults stand before it; other faults do not count.
    pub stream: String,
    pub kind: FaultKind,
    pub servers: Vec<u32>,
    /// Struck with everything that is on them then.
    pub nodes: Vec<u32>,
    /// Machines of which balancers consist that run on no node: each with its parts. They are cut off.
    pub balancers: Vec<Vec<u32>>,
    pub schedule: FaultSchedule,
}

impl FaultPlan {
    /// What it does to a server that it strikes. A node that crashes or is unreachable cuts off what it holds.
    pub fn kind_at(&self, server: u32) -> FaultKind {
        match self.kind {
            _ if self.nodes.is_empty() || self.servers.contains(&server) => self.kind,
            FaultKind::Crash => FaultKind::OnNode { crashes: true },
            FaultKind::Blackhole => FaultKind::OnNode { crashes: false },
            kind => kind,
        }
    }

    /// Whether its nodes themselves are lost, and whether their processes are gone then.
    pub fn loses_nodes(&self) -> Option<bool> {
        match self.kind {
            FaultKind::Crash => Some(true),
            FaultKind::Blackhole => Some(false),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FaultKind {
    Crash,
    Hang,
    Blackhole,
    Errors {
        share: f64,
        at_once: bool,
    },
    Slow {
        factor: f64,
    },
    /// What stands on a node that is cut off; where the node crashes, its processes are gone as well.
    OnNode {
        crashes: bool,
    },
}

pub enum FaultSchedule {
    /// Once, on all servers together; `None` lasts to the end.
    Once { at: Time, until: Option<Time> },
    /// In turns from `at` on, on all servers together, down first.
    Flap { at: Time, until: Option<Time>, up: Span, down: Span },
    /// Again and again, on each server by itself.
    Random { mtbf: Sampler, mttr: Sampler },
}
