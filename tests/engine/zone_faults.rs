//! Faults of a zone where there are nodes and pods: they strike the nodes, and with them what is on them then.

use crate::trial::once;
use lbsim::measure::RunRecord;

/// Six places for pods on nodes in zones a and b, and a server of zone a that is no pod; 100 requests a second.
fn run(nodes: &str, more: &str) -> RunRecord {
    once(&format!(
        "duration: 3m\n\
         clients: [{{ name: c, timeout: 1s, arrivals: {{ deterministic: {{ rate: 100/s }} }}, requests: [{{ work: {{ constant: 1ms }} }}] }}]\n\
         nodes: [{{ name: worker, {nodes} }}]\n\
         servers:\n- {{ name: web, count: 6, slots: 10, pods: {{ replicas: 4, start: {{ constant: 2s }}, readiness_probe: {{ tcp: {{}} }} }} }}\n\
         - {{ name: old, slots: 10, zone: a }}\n\
         balancers:\n- {{ name: lb, targets: [pods, old], algorithm: random }}\n\
         - {{ name: pods, targets: [web], members: {{ endpoints: {{ delay: {{ constant: 1s }} }} }} }}\n{more}"
    ))
}

#[test]
fn a_zone_of_one_node_is_that_node() {
    for kind in ["crash", "blackhole"] {
        let nodes = "count: 2, zones: [a, b]";
        let strike = |place: &str| format!("{{ {kind}: {{ {place}, at: 30s, for: 100s }} }}");
        let whole = run(nodes, &format!("faults: [{}]\n", strike("zone: a")));
        let apart = run(nodes, &format!("faults: [{}, {}]\n", strike("node: worker-1"), strike("server: old")));
        let told = |record: &RunRecord| format!("{:?} {:?} {}", record.requests, record.attempts, record.unfinished);
        assert_eq!(told(&whole), told(&apart), "{kind}");
        let blamed = |record: &RunRecord| record.failover.faults.iter().map(|fault| fault.failed_requests).sum::<u64>();
        // 25 a second go to the two pods there until the cluster has given the node up, after 30 to 45 s, and 50 to the other server.
        assert!(whole.requests.failed() > 5500 && blamed(&whole) == whole.requests.failed(), "{kind}: {:?}", whole.requests);
        assert_eq!(blamed(&whole), blamed(&apart), "{kind}");
    }
}

#[test]
fn all_nodes_of_a_zone_are_lost_and_no_other() {
    // Two of four pods in zone a; the lot of them is back when the zone is.
    let fault = |zone: &str| format!("faults: [{{ blackhole: {{ zone: {zone}, at: 30s, for: 30s }} }}]\n");
    let lost = |zone: &str| run("count: 4, zones: [a, b]", &fault(zone));
    let (a, b) = (lost("a"), lost("b"));
    // Half of the requests to pods in 30 s, 25 a second, and of zone a the server that is no pod, another 50 a second. Binomial shares of
    // 3000: five standard deviations are below 140.
    assert!((a.requests.failed() as f64 - 2250.0).abs() < 140.0, "{}", a.requests.failed());
    assert!((b.requests.failed() as f64 - 750.0).abs() < 140.0, "{}", b.requests.failed());
    assert!(
        [&a, &b].iter().all(|record| record.failover.faults[0].failed_requests == record.requests.failed() && record.pods[0].started == 0)
    );
}

#[test]
fn what_is_wrong_in_a_zone_is_not_taken_along_to_another() {
    // Pods of zone a are slow; after the rollout at 30 s all pods are new ones, and those that are placed while the zone is slow are well.
    let more = "faults: [{ slow: { zone: a, factor: 100, at: 20s } }]\noperations: [{ rollout: { group: web, at: 30s } }]\n";
    let record = run("count: 4, zones: [a, b]", more);
    let slow = |record: &RunRecord, from: usize, to: usize| {
        record.timeline.bins[from..to].iter().map(|bin| bin.latency.quantile_ms(0.99).unwrap_or(0.0)).fold(0.0, f64::max)
    };
    let pods_alone = run("count: 4, zones: [c, b]", &more.replace("zone: a", "zone: c"));
    assert!(slow(&record, 22, 28) > 90.0 && slow(&pods_alone, 22, 28) > 90.0);
    assert!(slow(&pods_alone, 100, 170) < 2.0, "{}", slow(&pods_alone, 100, 170));
    assert!(slow(&record, 100, 170) > 90.0, "the server that is no pod is slow to the end");
}
