//! Groups of nodes that the cluster autoscaler grows and shrinks, and budgets that are asked before a node is emptied.

use crate::cluster::{READINESS, by_seed, on_nodes, phases};
use crate::trial::{failed_by, once};
use lbsim::measure::history::{PodPhase, TargetState};
use lbsim::scenario::Failure;

/// Four nodes, of which the last one is drained from 70 s on: its pod gets SIGTERM at 95 s. At 72 s it is lost.
fn lost_in_its_drain(fault: &str) -> String {
    let nodes = "count: 4, cpu: 2, autoscale: { min: 2, max: 4, idle: 1m, boot: { constant: 30s }, after_add: 20m }";
    let pods = format!("replicas: 4, cpu: 500m, pre_stop: 25s, {READINESS}");
    let more = format!("faults: [{{ {fault} }}]\noperations: [{{ scale: {{ group: web, replicas: 16, at: 170s }} }}]\n");
    on_nodes("12m", nodes, 20, &pods, &more)
}

/// What ends on a node that is cut off is known to the cluster when the kubelet is back; until then the pod keeps its place and its node.
#[test]
fn the_end_of_a_pod_is_known_when_its_kubelet_is_back() {
    for fault in ["blackhole", "crash"] {
        let record = once(&lost_in_its_drain(&format!("{fault}: {{ node: worker-4, at: 72s, for: 65s }}")));
        // The grace of 30 s and 30 s more after the eviction the removal is given up, and the next node is drained.
        assert_eq!(phases(&record, PodPhase::Terminating), [70.0, 130.0], "{fault}");
        assert_eq!(phases(&record, PodPhase::Gone), [137.0, 155.0], "{fault}");
    }
}

/// A node is drained, lost, and removed when it is back; what comes in its place is not given up because that was.
#[test]
fn a_new_node_does_not_inherit_the_eviction_of_the_one_before() {
    // With a grace of two minutes the removal is not given up before 137 s.
    let text = lost_in_its_drain("crash: { node: worker-4, at: 72s, for: 65s }").replace("pre_stop: 25s", "pre_stop: 25s, grace: 2m");
    let record = once(&text.replace("at: 170s", "at: 140s"));
    // The pod of the node that is drained.
    assert_eq!((record.pods[0].evicted, phases(&record, PodPhase::Gone)[0]), (1, 137.0));
}

#[test]
fn a_node_that_is_lost_while_it_is_drained_does_not_keep_others_from_being_removed() {
    let record = once(&lost_in_its_drain("blackhole: { node: worker-4, at: 72s }").replace("at: 170s", "at: 10m"));
    assert_eq!(phases(&record, PodPhase::Terminating)[..2], [70.0, 130.0]);
}

/// A node is empty for a moment when it has booted, and one may be taken for empty at the moment at which a pod is made.
#[test]
fn a_node_that_a_pod_waits_for_is_not_removed_before_the_scheduler_has_its_turn() {
    let ready = |nodes: &str, at: &str| {
        let nodes = format!("{nodes}, cpu: 2");
        let pods = format!("replicas: 1, cpu: 1500m, {READINESS}");
        let more = format!("operations: [{{ scale: {{ group: web, replicas: 2, at: {at} }} }}]\n");
        phases(&once(&on_nodes("2m", &nodes, 4, &pods, &more)), PodPhase::Ready)[1..].to_vec()
    };
    // Ordered at 20 s, booted at the look of 40 s; the image and the start take 7 s.
    assert_eq!(ready("count: 1, autoscale: { min: 0, max: 4, idle: 0s, after_add: 0s, boot: { constant: 20s } }", "15s"), [47.0]);
    // Empty since the look at 10 s: at 60 s it could go, and at 60 s the pod is wanted.
    assert_eq!(ready("count: 2, autoscale: { min: 0, max: 4, idle: 50s }", "60s"), [67.0]);
}

/// Ten in a round, whatever groups they are of.
#[test]
fn ten_empty_nodes_go_in_a_round_of_all_groups() {
    let groups = "nodes: [{ name: a, count: 9, cpu: 1, autoscale: { min: 0, max: 9, idle: 1m } }, { name: b, count: 8, cpu: 1, autoscale: { min: 0, max: 8, idle: 1m } }]";
    let pulling = |at: u32| {
        let pods = format!("replicas: 1, cpu: 600m, {READINESS}");
        let more = format!("operations: [{{ scale: {{ group: web, replicas: 18, at: {at}s }} }}]\n");
        let text = on_nodes("2m", "count: 1", 40, &pods, &more).replace("nodes: [{ name: worker, count: 1 }]", groups);
        phases(&once(&text), PodPhase::Pulling).into_iter().filter(|when| *when == f64::from(at)).count()
    };
    // One pod to a node: sixteen are empty from 10 s on, ten of which go at 70 s and the rest at 80 s.
    assert_eq!([69, 75, 85].map(pulling), [16, 6, 0]);
}

/// The kube-proxy of a node that is removed takes along what passes it, and nobody is told.
#[test]
fn connections_through_the_kube_proxy_of_a_removed_node_are_lost() {
    let run = |members: &str| {
        once(&format!(
            "duration: 3m\n\
             clients: [{{ name: c, timeout: 5s, population: 20, connections: {{}}, arrivals: {{ deterministic: {{ rate: 19.33/s }} }}, \
             requests: [{{ work: {{ constant: 1ms }} }}] }}]\n\
             nodes: [{{ name: worker, count: 2, cpu: 2, autoscale: {{ min: 1, max: 2, idle: 1m }} }}]\n\
             servers: [{{ name: web, count: 2, slots: 10, pods: {{ replicas: 1, cpu: 500m, {READINESS} }} }}]\n\
             balancers:\n\
             - {{ name: lb, layer: l4, algorithm: round_robin, targets: [p1, p2]{members} }}\n\
             - {{ name: p1, layer: l4, targets: [web], node: worker-1, members: {{ endpoints: {{}} }} }}\n\
             - {{ name: p2, layer: l4, targets: [web], node: worker-2, members: {{ endpoints: {{}} }} }}\n"
        ))
    };
    // Of 20 connections every second one goes through the node that has been empty for a minute at 70 s; the next request on it waits for an
    // answer in vain, and is the last one there.
    let record = run(", members: { target_group: { delay: { constant: 1ms } } }");
    assert_eq!((record.requests.failed(), failed_by(&record, Failure::Timeout)), (10, 10));
    assert_eq!(record.openers[0].map(|opener| opener.opened), Some(30));
    // Callers without a load balancer are pods, which have left the node and closed their connections before.
    let record = run("");
    assert_eq!((record.requests.failed(), record.openers[0].map(|opener| opener.opened)), (0, Some(30)));
}

// ---- Budgets ----------------------------------------------------------------------------------------------------------

/// Kubernetes' `canIgnorePDB`.
#[test]
fn pods_that_do_not_run_yet_are_evicted_whatever_the_budget_says() {
    // Four new ones pull their image when the node is drained, two of them there; five would have to be healthy.
    let pods = format!(
        "replicas: 4, pre_stop: 1s, {READINESS}, rolling_update: {{ max_surge: 100%, max_unavailable: 0 }}, disruption_budget: {{ min_available: 5 }}"
    );
    let more = "operations: [{ rollout: { group: web, at: 18s } }, { drain: { node: worker-1, at: 20s } }]\n";
    let record = once(&on_nodes("1m", "count: 2", 16, &pods, more));
    assert_eq!((record.pods[0].evicted, phases(&record, PodPhase::Terminating)[..2].to_vec()), (2, vec![20.0; 2]));
}

/// A pod that is not ready may go while enough others are, but where none has to be, the budget itself is asked, which allows nothing when
/// none is healthy. Source: Kubernetes, pkg/registry/core/pod/storage/eviction.go.
#[test]
fn a_budget_that_wants_none_healthy_keeps_pods_that_are_not_ready() {
    let evicted = |budget: &str, fault: &str| {
        let pods =
            format!("replicas: 4, readiness_probe: {{ http: /, period: 1s, failure_threshold: 1 }}, disruption_budget: {{ {budget} }}");
        let more = format!("{fault}operations: [{{ drain: {{ node: worker-1, at: 20s }} }}]\n");
        once(&on_nodes("40s", "count: 2", 10, &pods, &more)).pods[0].evicted
    };
    let sick = "faults: [{ errors: { server: web, share: 100%, at_once: true, at: 5s } }]\n";
    assert_eq!((evicted("max_unavailable: 100%", sick), evicted("max_unavailable: 100%", "")), (0, 2));
    // One of four is sick: three are healthy, as it takes. The other one on that node goes when there is a new one.
    let one = sick.replace("server: web", "server: web-1");
    assert_eq!(evicted("min_available: 3", &one), 2);
}

/// A service of two pods at node ports behind a Network Load Balancer.
fn at_node_ports(duration: &str, nodes: &str, pods: &str, more: &str) -> String {
    format!(
        "duration: {duration}\n\
         clients: [{{ name: c, timeout: 20s, arrivals: {{ poisson: {{ rate: 20/s }} }}, requests: [{{ work: {{ constant: 10ms }} }}] }}]\n\
         kubernetes:\n  nodes: [{nodes}]\n  \
         deployments: [{{ name: web, slots: 400, start: {{ constant: 1s }}, readiness_probe: {{ http: /ready, period: 1s }}, {pods} }}]\n  \
         services: [{{ name: web, type: load_balancer, load_balancer: {{ target_type: instance }} }}]\n{more}"
    )
}

/// The AWS controller takes a node out when the autoscaler marks it, before its pods have ended and it goes: here 25 s before, and the
/// controller needs 3 s at most. Both nodes of the group hold a pod that the third has room for.
#[test]
fn a_node_that_is_drained_to_be_removed_gets_no_new_connections() {
    let nodes = "{ name: base, count: 1, cpu: 4 }, { name: g, count: 2, cpu: 4, autoscale: { min: 0, max: 2, idle: 60s, after_add: 0s } }";
    for record in by_seed(&at_node_ports("5m", nodes, "replicas: 3, cpu: 1, pre_stop: 25s", ""), 5) {
        assert_eq!((phases(&record, PodPhase::Gone).len(), record.requests.failed()), (2, 0));
    }
}

/// Whether a node that is not ready serves is a matter of its checks: it is not registered anew, which would take minutes.
#[test]
fn a_node_that_is_not_ready_stays_registered() {
    let fault = "faults: [{ blackhole: { node: worker-3, at: 60s, for: 60s } }]\n";
    let record = once(&at_node_ports("5m", "{ name: worker, count: 3, zones: [a] }", "replicas: 2", fault));
    let moments = |state: TargetState| -> Vec<f64> {
        let history = record.history.as_ref().expect("the first replication has a history");
        history.targets.iter().filter(|moment| moment.state == state).map(|moment| moment.at.as_secs_f64()).collect()
    };
    // The pod there leaves the endpoints of the kube-proxies as the node is taken for lost; the load balancer has only its checks.
    let (unhealthy, healthy) = (moments(TargetState::Unhealthy), moments(TargetState::Healthy));
    assert!(!unhealthy.is_empty() && unhealthy.iter().all(|at| (60.0..120.0).contains(at)), "{unhealthy:?}");
    // Three checks in a row, every 10 s.
    assert!(healthy.iter().any(|at| (140.0..155.0).contains(at)), "{healthy:?}");
}
