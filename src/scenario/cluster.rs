//! A cluster: nodes, the pods that controllers run on them, who is told of a pod when, and what operators do. What a `kubernetes:` block
//! expands to; the names are those of Kubernetes.

use super::{Amount, Autoscale, Established};
use crate::control::defaults::{cluster_autoscaler, controller, kube_proxy};
use crate::dist::Distribution;
use crate::document::from_text;
use crate::units::{Share, Size, Span};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

/// A group of alike nodes, called `<name>-1`, `<name>-2`, ...
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeGroup {
    /// Name, unique among nodes, servers and balancers.
    pub name: String,
    /// Number of nodes at the start. Default: 1.
    #[serde(default = "one")]
    pub count: u32,
    /// Zones, taken in turn: the first node in the first zone, and so on. Default: no zone.
    #[serde(default)]
    pub zones: Vec<String>,
    /// Processors that pods can ask for. Default: 4.
    #[serde(default = "default_node_cpu")]
    pub cpu: Cpu,
    /// Memory that pods can ask for. Default: 16GiB.
    #[serde(default = "default_node_memory")]
    pub memory: Size,
    /// Adds nodes where pods find no room, and takes nodes away that are not needed. Default: never.
    #[serde(default)]
    pub autoscale: Option<NodeAutoscale>,
}

/// A cluster autoscaler for a group of nodes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeAutoscale {
    /// Fewest nodes. Default: those of the start (`count`).
    #[serde(default)]
    pub min: Option<u32>,
    /// Most nodes.
    pub max: u32,
    /// How often it looks for pods without room. Default: 10s.
    #[serde(default = "ten_seconds")]
    pub scan: Span,
    /// From the decision to a node that is ready. Default: 90s.
    #[serde(default = "default_boot")]
    pub boot: Distribution,
    /// A node that is not needed for so long is drained and taken away (`scale-down-unneeded-time`). Default: 10m.
    #[serde(default = "ten_minutes")]
    pub idle: Span,
    /// A node is not needed when its pods ask for less than this part of its processors and of its memory, may be evicted, and find room
    /// on other nodes (`scale-down-utilization-threshold`). 0%: no node is ever taken away. Default: 50%.
    #[serde(default = "half")]
    pub utilization: Share,
    /// No node is taken away for so long after one was ordered (`scale-down-delay-after-add`). Default: 10m.
    #[serde(default = "default_after_add")]
    pub after_add: Span,
}

/// Processors in thousandths: `500m` is half of one, `2` is two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpu(pub u64);

impl JsonSchema for Cpu {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cpu".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Processors: `2`, `0.5` or `500m` (thousandths).",
            "anyOf": [{ "type": "number", "minimum": 0 }, { "type": "string", "pattern": r"^\s*(\d+m|\d+(\.\d+)?)\s*$" }]
        })
    }
}

impl<'de> Deserialize<'de> for Cpu {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, "processors such as `2` or `500m`", |text| {
            let wrong = || format!("`{text}` is not a number of processors; write `2`, `0.5` or `500m`");
            let (number, scale) = match text.trim().strip_suffix('m') {
                Some(thousandths) => (thousandths, 1.0),
                None => (text.trim(), 1000.0),
            };
            let number: f64 = number.parse().map_err(|_| wrong())?;
            let thousandths = number * scale;
            if (0.0..=1e9).contains(&thousandths) { Ok(Cpu((thousandths + 0.5) as u64)) } else { Err(wrong()) }
        })
    }
}

/// Runs the servers of a group as pods: `count` is the most there can be at once, those that start and end included.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pods {
    /// Wanted pods at the start. They run and are ready then. Default: 1.
    #[serde(default = "one")]
    pub replicas: u32,
    /// Processors that a pod asks for. Default: 100m.
    #[serde(default = "default_pod_cpu")]
    pub cpu: Cpu,
    /// Memory that a pod asks for. Default: 128MiB.
    #[serde(default = "default_pod_memory")]
    pub memory: Size,
    /// From placing a pod on a node that does not have the image yet to having it. Default: 5s.
    #[serde(default = "default_pull")]
    pub image_pull: Distribution,
    /// From the start of the container to listening. Default: 2s.
    #[serde(default = "default_start")]
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
    #[serde(default = "thirty_seconds")]
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
    /// Balancers (target groups) at which a new pod must be healthy before it counts as ready. Default: none.
    #[serde(default)]
    pub readiness_gates: Vec<String>,
}

/// A probe of a container by its kubelet.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// A TCP connect passes: `tcp: {}`. One of `tcp` and `http`.
    #[serde(default)]
    pub tcp: Option<super::Tcp>,
    /// The path of an HTTP request; 200 to 399 passes.
    #[serde(default)]
    pub http: Option<String>,
    /// From the start of the container to the first probe. Default: 0s.
    #[serde(default)]
    pub initial_delay: Span,
    /// From probe to probe. Default: 10s.
    #[serde(default = "ten_seconds")]
    pub period: Span,
    /// How long a probe waits. Default: 1s.
    #[serde(default = "one_second")]
    pub timeout: Span,
    /// Passes in a row that count as success. Default: 1.
    #[serde(default = "one")]
    pub success_threshold: u32,
    /// Failures in a row that count as failure. Default: 3.
    #[serde(default = "three")]
    pub failure_threshold: u32,
    /// An HTTP probe waits in the server's queue like a request. Default: false.
    #[serde(default)]
    pub probes_queue: bool,
}

/// What a process does at SIGTERM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnTerm {
    /// It takes no new connections, finishes what it has, and ends.
    #[default]
    Drain,
    /// It ends at once; what it has is reset.
    Exit,
    /// It goes on until it is killed.
    Ignore,
}

/// How many pods may be too many or missing while a new version replaces the old one.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RollingUpdate {
    /// Pods beyond the wanted number; a share is rounded up. Default: 25%.
    pub max_surge: Amount,
    /// Pods that may be missing; a share is rounded down. Default: 25%.
    pub max_unavailable: Amount,
    /// All old pods end before a new one is made (the strategy `Recreate`), without regard to the two amounts. Default: false.
    pub recreate: bool,
    /// How long a new pod must be ready to count as available. Default: 0s.
    pub min_ready: Span,
}

impl Default for RollingUpdate {
    fn default() -> Self {
        let quarter = Amount::Share(Share(0.25));
        RollingUpdate { max_surge: quarter, max_unavailable: quarter, recreate: false, min_ready: Span::ZERO }
    }
}

impl RollingUpdate {
    /// Pods beyond the wanted number.
    pub fn surplus(&self) -> Amount {
        if self.recreate { Amount::Count(0) } else { self.max_surge }
    }
}

/// A PodDisruptionBudget: one of the two.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DisruptionBudget {
    /// Pods that must stay.
    #[serde(default)]
    pub min_available: Option<Amount>,
    /// Pods that may be missing.
    #[serde(default)]
    pub max_unavailable: Option<Amount>,
}

/// How a balancer comes to know the pods among its targets. Without it all its targets are its members all the time.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Members {
    /// As kube-proxy on a node, or an ingress controller: endpoints that are ready, told with a delay.
    Endpoints {
        /// From the change of a pod to its being used or not used here. Default: uniform from 100ms to 1s.
        #[serde(default = "default_propagation")]
        delay: Distribution,
        /// Which endpoints are used. Default: cluster.
        #[serde(default)]
        traffic: TrafficPolicy,
        /// Which are preferred where there is a choice. Default: none.
        #[serde(default)]
        prefer: Prefer,
    },
    /// As a target group of AWS, to which a controller registers pods or nodes.
    TargetGroup {
        /// From the change of a pod to its registration or deregistration. Default: uniform from 500ms to 3s.
        #[serde(default = "default_registration")]
        delay: Distribution,
        /// From the change of a pod to its registration, where that takes longer than taking it out. Default: as `delay`.
        #[serde(default)]
        registration: Option<Distribution>,
        /// How long a target that is taken out may finish what it has. Default: 300s.
        #[serde(default = "default_deregistration")]
        deregistration_delay: Span,
        /// What becomes of the connections that are left then (l4; what an l7 balancer has is always reset). Default: keep.
        #[serde(default)]
        established: Option<Established>,
    },
}

/// Which endpoints traffic may go to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrafficPolicy {
    /// All in the cluster.
    #[default]
    Cluster,
    /// Only those on the balancer's own node.
    Local,
}

/// Which endpoints are preferred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Prefer {
    /// All alike.
    #[default]
    None,
    /// Those of the same zone, as long as there is one.
    SameZone,
    /// Those of the same node, then of the same zone.
    SameNode,
    /// Those meant for this zone: the zones share the endpoints in proportion to their nodes' processors (the annotation
    /// `service.kubernetes.io/topology-mode: Auto`); where that cannot be done without one getting more than 20 % too much, all alike.
    TopologyAuto,
}

/// Delays between places, one way, on top of `latency`. A balancer or server without a place is in the same zone as everybody.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// Between two on the same node. Default: none.
    pub same_node: Option<Distribution>,
    /// Between two nodes of a zone. Default: none.
    pub same_zone: Option<Distribution>,
    /// Between two zones. Default: none.
    pub cross_zone: Option<Distribution>,
}

/// What operators do during the run.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Operation {
    /// A new version replaces the pods of a group, as its `rolling_update` says.
    Rollout {
        /// The server group.
        group: String,
        /// When.
        at: Span,
    },
    /// Another number of pods is wanted.
    Scale {
        /// The server group.
        group: String,
        /// How many.
        replicas: u32,
        /// When.
        at: Span,
    },
    /// Other weights of the targets of a balancer's rules, or of its targets.
    Weights {
        /// The balancer.
        balancer: String,
        /// New weights by target; those not named keep theirs.
        set: std::collections::BTreeMap<String, u32>,
        /// When.
        at: Span,
    },
    /// The pods of a node are evicted, as far as disruption budgets allow, and none is placed there any more.
    Drain {
        /// The node, such as `worker-2`.
        node: String,
        /// When.
        at: Span,
    },
}

/// Calls `visit` with every distribution of clusters, networks and connections in a scenario.
pub(super) fn each_distribution<'a>(scenario: &'a super::Scenario, visit: &mut impl FnMut(&'a Distribution)) {
    scenario.nodes.iter().filter_map(|nodes| nodes.autoscale.as_ref()).for_each(|autoscale| visit(&autoscale.boot));
    for pods in scenario.servers.iter().filter_map(|group| group.pods.as_ref()) {
        visit(&pods.image_pull);
        visit(&pods.start);
    }
    if let Some(network) = &scenario.network {
        [&network.same_node, &network.same_zone, &network.cross_zone].into_iter().flatten().for_each(&mut *visit);
    }
    for balancer in &scenario.balancers {
        match &balancer.members {
            Some(Members::Endpoints { delay, .. }) => visit(delay),
            Some(Members::TargetGroup { delay, registration, .. }) => {
                [Some(delay), registration.as_ref()].into_iter().flatten().for_each(&mut *visit)
            }
            None => {}
        }
    }
    let balancers = scenario.balancers.iter().filter_map(|balancer| balancer.tls.as_ref());
    for tls in balancers.chain(scenario.servers.iter().filter_map(|group| group.tls.as_ref())) {
        visit(&tls.handshake);
        visit(&tls.resumption);
    }
}

fn one() -> u32 {
    1
}

fn three() -> u32 {
    3
}

fn one_second() -> Span {
    Span::from_secs(1)
}

fn ten_seconds() -> Span {
    Span::from_secs(10)
}

pub(super) fn thirty_seconds() -> Span {
    Span::from_secs(30)
}

fn ten_minutes() -> Span {
    cluster_autoscaler::UNNEEDED
}

fn default_after_add() -> Span {
    cluster_autoscaler::DELAY_AFTER_ADD
}

fn half() -> Share {
    Share(cluster_autoscaler::UTILIZATION_THRESHOLD)
}

fn default_node_cpu() -> Cpu {
    Cpu(4000)
}

fn default_node_memory() -> Size {
    Size(16 << 30)
}

pub(super) fn default_pod_cpu() -> Cpu {
    Cpu(100)
}

pub(super) fn default_pod_memory() -> Size {
    Size(128 << 20)
}

fn default_boot() -> Distribution {
    Distribution::Constant(Span::from_secs(90))
}

pub(super) fn default_pull() -> Distribution {
    Distribution::Constant(Span::from_secs(5))
}

pub(super) fn default_start() -> Distribution {
    Distribution::Constant(Span::from_secs(2))
}

fn default_propagation() -> Distribution {
    let (min, max) = kube_proxy::PROPAGATION;
    Distribution::Uniform { min, max }
}

fn default_registration() -> Distribution {
    let (min, max) = controller::REGISTRATION;
    Distribution::Uniform { min, max }
}

fn default_deregistration() -> Span {
    Span::from_secs(300)
}
