//! The ways of requests: no failed try is left out, and the parts add up.

use crate::trial::{failed_by, once};
use lbsim::measure::RunRecord;
use lbsim::measure::paths::PathRecord;
use lbsim::scenario::Failure;

fn path(record: &RunRecord) -> &PathRecord {
    &record.paths[0]
}

/// Failed tries by balancer, and those of servers.
fn failed(record: &RunRecord) -> (Vec<u64>, u64) {
    (path(record).stops.iter().map(|stop| stop.failed).collect(), path(record).failed_at_server)
}

/// All parts together, in nanoseconds.
fn sum(record: &RunRecord) -> u128 {
    let path = path(record);
    path.stops.iter().map(|stop| stop.spent).sum::<u128>() + path.to_server + path.waiting + path.service + path.back
}

/// Users with a connection each, through a balancer that looks at connections, to servers that refuse, crash and vanish.
fn through_a_network_load_balancer(latency: &str) -> String {
    format!(
        "duration: 200s
clients:
  - name: users
    arrivals: {{ poisson: {{ rate: 50/s }} }}
    population: 20
    latency: {latency}
    connections: {{ streams: 1, max_requests: 50 }}
    timeout: 300ms
    requests: [{{ work: {{ exponential: {{ mean: 50ms }} }} }}]
servers: [{{ name: web, count: 2, slots: 4, queue: 3 }}]
balancers: [{{ name: shop, layer: l4, targets: [web], algorithm: flow_hash, idle_timeout: 2s }}]
faults: [{{ crash: {{ server: web-1, at: 50s, for: 20s }} }}, {{ blackhole: {{ server: web-2, at: 100s, for: 20s }} }}]
"
    )
}

#[test]
fn no_failed_try_on_a_kept_connection_is_left_out() {
    let record = once(&through_a_network_load_balancer("{ constant: 20ms }"));
    let (stops, at_server) = failed(&record);
    for kind in [Failure::Refused, Failure::ConnectFailure, Failure::Timeout, Failure::Reset] {
        assert!(failed_by(&record, kind) > 0, "{kind:?}");
    }
    assert_eq!(stops[0] + at_server, record.requests.failed());
    // The balancer forgets connections that are idle for 2 s, and resets what comes on them.
    assert!(stops[0] > 0 && stops[0] <= failed_by(&record, Failure::Reset), "{stops:?}");
}

#[test]
fn the_parts_add_up_where_each_request_takes_its_own_time_on_a_kept_connection() {
    let record = once(&through_a_network_load_balancer("{ exponential: { mean: 20ms } }"));
    let latencies = &record.classes[0].latency;
    let mean = sum(&record) as f64 / path(&record).answered as f64 / 1e6;
    assert_eq!(path(&record).answered, latencies.count());
    assert!((mean - latencies.mean_ms().unwrap()).abs() < 1e-6, "{mean}");
    // The way to the balancer is an exponential time: 9,800 of them have a standard error of 0.2 ms; five of those. It is shorter by
    // little as who takes more than 300 ms in all does not count.
    let stop = &path(&record).stops[0];
    let to_balancer = stop.spent as f64 / stop.passes as f64 / 1e6;
    assert!((to_balancer - 19.5).abs() < 1.0, "{to_balancer}");
}

#[test]
fn tries_that_a_balancer_repeats_have_failed_there() {
    let text = "duration: 100s
clients: [{ name: users, arrivals: { poisson: { rate: 50/s } }, population: 20, connections: {}, requests: [{ work: { exponential: { mean: 50ms } } }] }]
servers: [{ name: web, count: 2, slots: 4, queue: 0 }]
balancers: [{ name: edge, targets: [web], algorithm: random, retry: { max: 2, when: [refused, connect_failure] }, connections: {} }]
faults: [{ crash: { server: web-1, at: 50s, for: 20s } }]
";
    let record = once(text);
    assert!(record.retried > 0 && record.requests.failed() > 0);
    assert_eq!(failed(&record), (vec![record.requests.failed() + record.retried], 0));
}

#[test]
fn what_a_client_gives_up_has_failed_at_the_balancer_that_waits_for_it() {
    let run = |balancers: &str| {
        let text = format!(
            "duration: 100s
clients: [{{ name: users, arrivals: {{ deterministic: {{ rate: 10/s }} }}, timeout: 1s, requests: [{{ work: {{ constant: 10ms }} }}] }}]
servers: [{{ name: web }}]
balancers: [{balancers}]
faults: [{{ hang: {{ server: web, at: 50s }} }}]
"
        );
        let record = once(&text);
        assert!(failed_by(&record, Failure::Timeout) > 450);
        assert_eq!(failed_by(&record, Failure::Timeout), record.requests.failed());
        (failed(&record), record.requests.failed())
    };
    let l7 = "{ name: proxy, targets: [web] }";
    let (found, all) = run(&format!("{{ name: nlb, layer: l4, targets: [proxy] }}, {l7}"));
    assert_eq!(found, (vec![0, all], 0));
    let (found, all) = run("{ name: proxy, targets: [nlb] }, { name: nlb, layer: l4, targets: [web] }");
    assert_eq!(found, (vec![all, 0], 0));
    let (found, all) = run("{ name: nlb, layer: l4, targets: [web] }");
    assert_eq!(found, (vec![0], all));
}

/// A load balancer resets the connections to a target that turns unhealthy: the tries on them have failed there.
#[test]
fn tries_on_connections_that_a_balancer_resets_have_failed_there() {
    let text = "duration: 60s
clients: [{ name: users, arrivals: { deterministic: { rate: 10/s } }, population: 20, connections: {}, requests: [{ work: { constant: 10ms } }] }]
servers: [{ name: web, count: 2, slots: 99 }]
balancers: [{ name: nlb, layer: l4, established: reset, targets: [web], algorithm: flow_hash, health_check: { http: /, interval: 1s, timeout: 500ms, unhealthy_after: 2 } }]
faults: [{ hang: { server: web-1, at: 20s } }]
";
    let record = once(text);
    let reset = failed_by(&record, Failure::Reset);
    assert!(reset > 0 && reset == record.requests.failed(), "{reset}");
    assert_eq!(failed(&record), (vec![reset], 0));
}
