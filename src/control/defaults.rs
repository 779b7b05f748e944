//! The products' defaults and limits, in one place.
//!
//! Source: stands with each group. Where the documents of a product disagree, the comment says which one is followed.

use crate::units::Span;

const fn s(seconds: u64) -> Span {
    Span::from_secs(seconds)
}

/// Probes of containers. Source: Kubernetes documentation, configure-liveness-readiness-startup-probes; API reference, Probe.
pub mod probe {
    use super::*;
    pub const INITIAL_DELAY: Span = s(0);
    pub const PERIOD: Span = s(10);
    pub const TIMEOUT: Span = s(1);
    pub const SUCCESS_THRESHOLD: u32 = 1;
    pub const FAILURE_THRESHOLD: u32 = 3;
    /// Statuses with which an `httpGet` probe passes, first and last.
    pub const HTTP_STATUS: (u16, u16) = (200, 399);
}

/// Pods and containers. Source: Kubernetes documentation, concepts/workloads/pods/pod-lifecycle.
pub mod pod {
    use super::*;
    /// From the request to end until SIGKILL; preStop takes its time out of it.
    pub const TERMINATION_GRACE: Span = s(30);
    /// Granted once more where preStop still runs when the grace is over.
    pub const PRE_STOP_EXTENSION: Span = s(2);
    pub const BACK_OFF_BASE: Span = s(10);
    pub const BACK_OFF_CAP: Span = s(300);
    /// A container that ran this long is restarted as if for the first time.
    pub const BACK_OFF_RESET_AFTER: Span = s(600);
}

/// Source: Kubernetes documentation, concepts/workloads/controllers/deployment.
pub mod deployment {
    use super::*;
    pub const REPLICAS: u32 = 1;
    /// Percent of the replicas, rounded up.
    pub const MAX_SURGE_PERCENT: u32 = 25;
    /// Percent of the replicas, rounded down.
    pub const MAX_UNAVAILABLE_PERCENT: u32 = 25;
    /// How long a pod must have been ready to count as available.
    pub const MIN_READY: Span = s(0);
    /// Without progress this long the rollout is reported as failed; nothing else happens.
    pub const PROGRESS_DEADLINE: Span = s(600);
}

/// Horizontal Pod Autoscaler. Source: Kubernetes documentation, tasks/run-application/horizontal-pod-autoscale.
pub mod hpa {
    use super::*;
    pub const SYNC: Span = s(15);
    /// No change while the ratio of the metric to its target is within 1 minus and 1 plus this.
    pub const TOLERANCE: f64 = 0.1;
    pub const MIN_REPLICAS: u32 = 1;
    /// Of the requested CPU, where no metric is given. Source: API reference, HorizontalPodAutoscalerSpec.
    pub const CPU_TARGET_PERCENT: u32 = 80;
    /// A pod that turned unready sooner than this after its start counts as never ready.
    pub const INITIAL_READINESS_DELAY: Span = s(30);
    /// While a pod is younger, its CPU counts only if it is ready and was so for a whole window of the metric.
    pub const CPU_INITIALIZATION: Span = s(300);
    pub const DOWN_WINDOW: Span = s(300);
    pub const UP_WINDOW: Span = s(0);
    pub const POLICY_PERIOD: Span = s(15);
    pub const UP_PODS: u32 = 4;
    pub const UP_PERCENT: u32 = 100;
    pub const DOWN_PERCENT: u32 = 100;
    /// An autoscaler without `behavior` at most multiplies the replicas so at a sync, or goes to as many as these. Source: Kubernetes,
    /// pkg/controller/podautoscaler/horizontal.go (scaleUpLimitFactor, scaleUpLimitMinimum).
    pub const UP_FACTOR_WITHOUT_BEHAVIOR: u32 = 2;
    pub const UP_LEAST_WITHOUT_BEHAVIOR: u32 = 4;
    /// How often metrics are gathered, and over which window. Source: metrics-server, README (`--metric-resolution`).
    pub const METRIC_RESOLUTION: Span = s(15);
}

/// Nodes and their loss. Source: Kubernetes documentation, concepts/architecture/nodes and taint-and-toleration.
pub mod node {
    use super::*;
    pub const LEASE_RENEWAL: Span = s(10);
    /// Without a renewal this long a node is Unknown. Kubernetes 1.32 made it 50 s.
    pub const MONITOR_GRACE: Span = s(40);
    /// How often the controller looks.
    pub const MONITOR_PERIOD: Span = s(5);
    /// How long pods tolerate that their node is not ready or unreachable.
    pub const TOLERATION: Span = s(300);
    /// Nodes a second from which pods are evicted.
    pub const EVICTION_RATE: f64 = 0.1;
    /// The same in a zone of which a large part is gone.
    pub const EVICTION_RATE_SECONDARY: f64 = 0.01;
    /// The part of a zone's nodes from which on it is large.
    pub const UNHEALTHY_ZONE: f64 = 0.55;
    /// In zones of no more nodes than this, evictions stop instead of slowing down.
    pub const LARGE_CLUSTER_NODES: u32 = 50;
    pub const PODS_MAX: u32 = 110;
}

/// Source: kubernetes/autoscaler, cluster-autoscaler/FAQ.md.
pub mod cluster_autoscaler {
    use super::*;
    pub const SCAN_INTERVAL: Span = s(10);
    /// How long a node must have been little used before it is removed.
    pub const UNNEEDED: Span = s(600);
    /// After a node was added, none is removed this long.
    pub const DELAY_AFTER_ADD: Span = s(600);
    /// A node is little used when its requests are below this part of what it has.
    pub const UTILIZATION_THRESHOLD: f64 = 0.5;
    /// Nodes that are removed in one round, of which one may have pods. Source: its flags (max-scale-down-parallelism, max-drain-parallelism).
    pub const REMOVED_AT_ONCE: usize = 10;
    /// How often it tries to evict a pod, and for how long until it lets the node be. Source: core/scaledown/actuation/drain.go
    /// (EvictionRetryTime), flag max-pod-eviction-time.
    pub const EVICTION_RETRY: Span = s(10);
    pub const EVICTION_MAX: Span = s(120);
    /// How long it waits for evicted pods to end: their grace, at most this, and so much more. Source: the same file (waitPodsToDisappear,
    /// DefaultPodEvictionHeadroom), flag max-graceful-termination-sec.
    pub const GRACE_MAX: Span = s(600);
    pub const EVICTION_HEADROOM: Span = s(30);
    /// A node that takes longer to register is given up.
    pub const PROVISION_MAX: Span = s(900);
}

/// Source: Kubernetes, kube-proxy configuration (minSyncPeriod, syncPeriod); Service API (sessionAffinityConfig).
pub mod kube_proxy {
    use super::*;
    pub const SYNC_MIN: Span = s(1);
    pub const SYNC: Span = s(30);
    pub const SESSION_AFFINITY: Span = s(10_800);
    /// Source: Service API, ClientIPConfig.
    pub const SESSION_AFFINITY_MAX: Span = s(86_400);
    /// From the change of a pod to the rules of a node, least and most: EndpointSlices travel, and rules are written once a second at most.
    /// No figure is published; the spread is ours.
    pub const PROPAGATION: (Span, Span) = (Span::from_millis(100), s(1));
}

/// Hints of topology-aware routing. Source: Kubernetes, endpointslice/topologycache/topologycache.go.
pub mod topology {
    /// No endpoint gets more than this part beyond what each would get if all zones shared.
    pub const OVERLOAD_THRESHOLD: f64 = 0.2;
}

/// Health checks of AWS target groups. Source: ELBv2 API model, CreateTargetGroupInput.
pub mod target_group {
    use super::*;
    pub const INTERVAL: Span = s(30);
    pub const INTERVAL_RANGE: (Span, Span) = (s(5), s(300));
    pub const TIMEOUT_RANGE: (Span, Span) = (s(2), s(120));
    /// Of an Application Load Balancer: its user guide. The API model says 6 s for HTTP groups.
    pub const TIMEOUT_ALB: Span = s(5);
    /// Of TCP, TLS and HTTPS groups.
    pub const TIMEOUT_NLB: Span = s(10);
    pub const HEALTHY_THRESHOLD: u32 = 5;
    pub const UNHEALTHY_THRESHOLD: u32 = 2;
    pub const THRESHOLD_RANGE: (u32, u32) = (2, 10);
    /// Statuses with which a check passes: first and last.
    pub const STATUS_ALB: (u16, u16) = (200, 200);
    pub const STATUS_NLB: (u16, u16) = (200, 399);
    pub const GRPC_STATUS_ALB: u16 = 12;
    /// Passes that a target needs which has just been registered with an Application Load Balancer.
    pub const FIRST_PASSES_ALB: u32 = 1;
    pub const DEREGISTRATION_DELAY: Span = s(300);
    pub const DEREGISTRATION_DELAY_RANGE: (Span, Span) = (s(0), s(3600));
    /// Fewer healthy targets than this and a node sends to all of them; and its zone leaves DNS.
    pub const HEALTHY_MIN: u32 = 1;
}

/// Application Load Balancer. Source: ELBv2 API model, attributes of load balancers, listeners and target groups.
pub mod alb {
    use super::*;
    pub const ALGORITHM: &str = "round_robin";
    pub const ALGORITHMS: [&str; 3] = ["round_robin", "least_outstanding_requests", "weighted_random"];
    /// Anomaly mitigation, only with `weighted_random`.
    pub const ANOMALY_MITIGATION: bool = false;
    /// Cannot be turned off at the load balancer, only at a target group.
    pub const CROSS_ZONE: bool = true;
    pub const IDLE_TIMEOUT: Span = s(60);
    pub const IDLE_TIMEOUT_RANGE: (Span, Span) = (s(1), s(4000));
    pub const CLIENT_KEEP_ALIVE: Span = s(3600);
    /// To a target; fixed. Source: Application Load Balancers user guide, troubleshooting (HTTP 504).
    pub const CONNECT_TIMEOUT: Span = s(10);
    /// Off.
    pub const SLOW_START: Span = s(0);
    pub const SLOW_START_RANGE: (Span, Span) = (s(30), s(900));
    pub const STICKINESS: Span = s(86_400);
    /// Also of the stickiness between target groups.
    pub const STICKINESS_RANGE: (Span, Span) = (s(1), s(604_800));
    /// The load balancer's own cookie lives this long, whatever the stickiness.
    pub const COOKIE_LIFE: Span = s(604_800);
    /// An application's cookie is kept in shards of so many bytes.
    pub const APP_COOKIE_SHARD: u32 = 4096;
    pub const APP_COOKIE_SHARDS_MAX: u32 = 4;
    pub const GROUP_WEIGHT_RANGE: (u32, u32) = (0, 999);
    pub const RULE_VALUES_MAX: usize = 5;
    /// Of the addresses behind its name.
    pub const DNS_TTL: Span = s(60);
}

/// Network Load Balancer. Source: ELBv2 API model; Network Load Balancers user guide.
pub mod nlb {
    use super::*;
    pub const CROSS_ZONE: bool = false;
    pub const TCP_IDLE_TIMEOUT: Span = s(350);
    pub const TCP_IDLE_TIMEOUT_RANGE: (Span, Span) = (s(60), s(6000));
    pub const UDP_IDLE_TIMEOUT: Span = s(120);
    /// Connections to a target that turns unhealthy are reset.
    pub const TERMINATES_ON_UNHEALTHY: bool = true;
    /// Connections to a target that has been deregistered are reset at the end of the delay; on for new UDP groups.
    pub const TERMINATES_ON_DEREGISTRATION: bool = false;
    /// From the change of a pod or node to its registration being complete, when its checks begin, least and most. Source: Network Load
    /// Balancers user guide, Register targets ("a few minutes for the registration process to complete and health checks to start"); the
    /// range is what a maintainer of kubernetes-sigs/aws-load-balancer-controller measured on the side of the NLB. For taking a target out
    /// the guide has "a few minutes", too, but nobody has published a range.
    pub const REGISTRATION: (Span, Span) = (s(90), s(180));
    pub const DNS_TTL: Span = s(60);
}

/// AWS Load Balancer Controller. Source: its docs/guide/ingress/annotations.md, docs/guide/service/annotations.md, docs/how-it-works.md.
pub mod controller {
    use super::*;
    pub const ALB_INTERVAL: Span = s(15);
    pub const ALB_TIMEOUT: Span = s(5);
    pub const ALB_HEALTHY_THRESHOLD: u32 = 2;
    pub const ALB_UNHEALTHY_THRESHOLD: u32 = 2;
    pub const NLB_INTERVAL: Span = s(10);
    pub const NLB_TIMEOUT: Span = s(10);
    pub const NLB_HEALTHY_THRESHOLD: u32 = 3;
    pub const NLB_UNHEALTHY_THRESHOLD: u32 = 3;
    /// Of node ports with `externalTrafficPolicy: Local`: HTTP at the node's health check port. Source: its pkg/service/model_builder.go.
    pub const NLB_LOCAL_INTERVAL: Span = s(10);
    pub const NLB_LOCAL_TIMEOUT: Span = s(6);
    pub const NLB_LOCAL_HEALTHY_THRESHOLD: u32 = 2;
    pub const NLB_LOCAL_UNHEALTHY_THRESHOLD: u32 = 2;
    /// `instance`: through the node port.
    pub const TARGET_TYPE: &str = "instance";
    pub const RESYNC: Span = s(36_000);
    /// A reconciliation that fails is tried again after 5 ms, then twice as long each time up to this.
    pub const RETRY_BASE: Span = Span::from_millis(5);
    pub const RETRY_CAP: Span = s(1000);
    /// From the change of a pod or node to its registration or deregistration, least and most: watch, reconcile, API calls. No figure is
    /// published; the spread is ours.
    pub const REGISTRATION: (Span, Span) = (Span::from_millis(500), s(3));
}

/// ingress-nginx. Source: its docs/user-guide/nginx-configuration/configmap.md.
pub mod ingress_nginx {
    use super::*;
    pub const KEEPALIVE: Span = s(75);
    pub const UPSTREAM_KEEPALIVE_TIMEOUT: Span = s(60);
    pub const UPSTREAM_KEEPALIVE_TIME: Span = s(3600);
    pub const UPSTREAM_KEEPALIVE_REQUESTS: u32 = 10_000;
    pub const CONNECT_TIMEOUT: Span = s(5);
    pub const READ_TIMEOUT: Span = s(60);
    /// Tries in all, for errors and timeouts (`proxy-next-upstream: error timeout`).
    pub const NEXT_UPSTREAM_TRIES: u32 = 3;
}

/// Source: Route 53 API model, HealthCheckConfig and ResourceRecordSet; developer guide.
pub mod route53 {
    use super::*;
    pub const INTERVAL: Span = s(30);
    pub const INTERVAL_FAST: Span = s(10);
    /// In both directions.
    pub const FAILURE_THRESHOLD: u32 = 3;
    /// How long a check waits for its connection.
    pub const CONNECT_TIMEOUT: Span = s(4);
    pub const FAILURE_THRESHOLD_RANGE: (u32, u32) = (1, 10);
    /// An endpoint is healthy while more than this part of the checkers finds it so.
    pub const HEALTHY_CHECKERS: f64 = 0.18;
    pub const MULTIVALUE_ANSWERS: usize = 8;
    pub const ALIAS_TTL: Span = s(60);
    pub const WEIGHT_MAX: u32 = 255;
}

/// Slow start. Source: Envoy, common.proto (SlowStartConfig); HAProxy, doc/configuration.txt (slowstart) and src/server.c.
pub mod slow_start {
    use super::*;
    pub const ENVOY_AGGRESSION: f64 = 1.0;
    /// The least part of its weight that a host has.
    pub const ENVOY_SHARE_MIN: f64 = 0.1;
    /// HAProxy raises the weight in so many steps.
    pub const HAPROXY_STEPS: u64 = 16;
    /// HAProxy raises it no more often than this.
    pub const HAPROXY_STEP_MIN: Span = s(1);
}

/// HAProxy's intervals between checks. Source: doc/configuration.txt (inter, fastinter, downinter, rise, fall).
pub mod haproxy {
    use super::*;
    pub const INTER: Span = s(2);
    pub const RISE: u32 = 2;
    pub const FALL: u32 = 3;
}
