//! Pods, their nodes and controllers: what a rollout, a crash, a lost node, an autoscaler and a drain do to requests, by arithmetic.

use crate::detection::{PHASES, assert_uniform};
use crate::trial::{failed_by, figures, mean, once, plan, replications, variants};
use lbsim::measure::RunRecord;
use lbsim::measure::history::{PodPhase, TargetState};
use lbsim::model;
use lbsim::scenario::Failure;
use rayon::ThreadPoolBuilder;

/// Pods `web` behind a balancer `lb`, and 100 requests a second of 1 ms each.
fn scenario(count: u32, pods: &str, balancer: &str, more: &str) -> String {
    format!(
        "duration: 2m\n\
         clients: [{{ name: c, arrivals: {{ deterministic: {{ rate: 100/s }} }}, requests: [{{ work: {{ constant: 1ms }} }}] }}]\n\
         servers: [{{ name: web, count: {count}, slots: 10, pods: {{ start: {{ constant: 2s }}, image_pull: {{ constant: 5s }}, {pods} }} }}]\n\
         balancers: [{{ name: lb, targets: [web], {balancer} }}]\n{more}"
    )
}

const ENDPOINTS: &str = "members: { endpoints: { delay: { constant: 800ms } } }";
const ROLLOUT: &str = "operations: [{ rollout: { group: web, at: 10s } }]\n";
/// One after the other, none missing.
const ONE_BY_ONE: &str = "rolling_update: { max_surge: 1, max_unavailable: 0 }";
pub const READINESS: &str = "readiness_probe: { tcp: {}, period: 1s }";

/// When pods came into a phase, in seconds.
pub fn phases(record: &RunRecord, phase: PodPhase) -> Vec<f64> {
    let history = record.history.as_ref().expect("the first replication has a history");
    history.pods.iter().filter(|moment| moment.phase == phase).map(|moment| moment.at.as_secs_f64()).collect()
}

/// When targets of the balancer with this number came into a state, in seconds.
fn states(record: &RunRecord, balancer: u32, state: TargetState) -> Vec<f64> {
    let history = record.history.as_ref().expect("the first replication has a history");
    let seen = history.targets.iter().filter(|moment| moment.balancer == balancer && moment.state == state);
    seen.map(|moment| moment.at.as_secs_f64()).collect()
}

/// The first replication with each of these seeds: it has a history.
pub fn by_seed(text: &str, seeds: u64) -> Vec<RunRecord> {
    let compiled = &variants(text)[0];
    (1..=seeds).map(|seed| model::run(plan(compiled, seed, 0))).collect()
}

fn assert_near(what: &str, value: u64, expected: u64, slack: u64) {
    assert!(value.abs_diff(expected) <= slack, "{what}: {value}, expected {expected} +- {slack}");
}

// ---- Rollouts ---------------------------------------------------------------------------------------------------------

#[test]
fn a_rollout_without_pre_stop_loses_what_is_sent_until_the_news_arrives() {
    // Each of 4 pods gets a quarter of 100 requests a second, and for `delay - pre_stop` after its end, too; the turns of round robin may
    // give it one more or less.
    let lost = |pre_stop_ms: u64| {
        let pods = format!("replicas: 4, on_term: exit, {READINESS}, {ONE_BY_ONE}, pre_stop: {pre_stop_ms}ms");
        let record = once(&scenario(10, &pods, ENDPOINTS, ROLLOUT));
        assert_eq!(record.pods[0].started, 4);
        // Nobody is to blame for it but the rollout.
        assert_eq!(record.pods[0].failed_requests, record.requests.failed());
        assert_eq!(failed_by(&record, Failure::ConnectFailure) + failed_by(&record, Failure::Reset), record.requests.failed());
        record.requests.failed()
    };
    assert_near("no pre_stop", lost(0), 4 * 20, 8);
    assert_near("a short one", lost(600), 4 * 5, 8);
    assert_eq!(lost(801), 0);
}

#[test]
fn a_pre_stop_longer_than_the_largest_delay_loses_nothing() {
    let members = "members: { endpoints: { delay: { uniform: { min: 100ms, max: 1s } } } }";
    for on_term in ["exit", "drain"] {
        let pods = format!("replicas: 4, on_term: {on_term}, {READINESS}, pre_stop: 1001ms");
        let runs = replications(&scenario(12, &pods, members, ROLLOUT), 20);
        assert!(runs.iter().all(|run| run.requests.failed() == 0 && run.pods[0].started == 4 && run.pods[0].rollouts.1 == 1));
        let pods = format!("replicas: 4, on_term: {on_term}, {READINESS}");
        let runs = replications(&scenario(12, &pods, members, ROLLOUT), 20);
        // The mean delay is 550 ms: 80 x 55 requests, whose number has a standard deviation of 25 x 0.26 x sqrt(80) = 58. Five of them.
        let failed = runs.iter().map(|run| run.requests.failed()).sum::<u64>();
        assert_near(on_term, failed, 80 * 55 / 4, 290);
    }
}

#[test]
fn readiness_holds_traffic_back_until_the_pod_listens() {
    let lost = |probe: &str| {
        let pods = format!("replicas: 4, pre_stop: 1s, {ONE_BY_ONE}{probe}");
        once(&scenario(10, &pods, ENDPOINTS, ROLLOUT)).requests.failed()
    };
    // Without a probe a pod is ready when its container starts: endpoints have it 800 ms later, and it listens after 2 s.
    assert_near("no probe", lost(""), 4 * 30, 8);
    assert_eq!(lost(&format!(", {READINESS}")), 0);
    // A probe that only begins later holds it back as well.
    assert_eq!(lost(", startup_probe: { tcp: {}, period: 3s }"), 0);
}

/// The kubelet probes a container at once that has started and is not ready, and goes on from there.
#[test]
fn the_readiness_probe_does_not_wait_for_its_round_when_the_startup_probe_has_passed() {
    // On its node at 10 s, listening at 17 s. Startup probes at 16 s and 19 s; rounds of readiness would come at 17 s and 24 s.
    let ready = |more: &str| {
        let probes = format!("startup_probe: {{ tcp: {{}}, period: 3s }}, readiness_probe: {{ tcp: {{}}, period: 7s{more} }}");
        let record = once(&scenario(4, &format!("replicas: 1, {probes}, {ONE_BY_ONE}"), ENDPOINTS, ROLLOUT));
        phases(&record, PodPhase::Ready)[1..].to_vec()
    };
    assert_eq!(ready(""), [19.0]);
    assert_eq!(ready(", success_threshold: 2"), [26.0]);
    // Not before it may: 12 s after its start at 15 s.
    assert_eq!(ready(", initial_delay: 12s"), [33.0]);
}

#[test]
fn a_rollout_takes_as_long_as_its_steps() {
    // Each of 4 steps: 5 s for the image, 2 s to listen, and the pod is available 3 s later.
    let pods = format!("replicas: 4, pre_stop: 1s, {READINESS}, rolling_update: {{ max_surge: 1, max_unavailable: 0, min_ready: 3s }}");
    let record = once(&scenario(10, &pods, ENDPOINTS, ROLLOUT));
    assert_eq!((record.pods[0].rollouts, record.pods[0].ready_after), ((40.0, 1), (28.0, 4)));
    assert_eq!((record.pods[0].ready_min, record.pods[0].ready_max), (Some(4), 5));
    // All at once.
    let pods = format!("replicas: 4, pre_stop: 1s, {READINESS}, rolling_update: {{ max_surge: 100%, max_unavailable: 0 }}");
    assert_eq!(once(&scenario(10, &pods, ENDPOINTS, ROLLOUT)).pods[0].rollouts, (7.0, 1));
    // With one less instead of one more.
    let pods = format!("replicas: 4, pre_stop: 1s, {READINESS}, rolling_update: {{ max_surge: 0, max_unavailable: 1 }}");
    let record = once(&scenario(10, &pods, ENDPOINTS, ROLLOUT));
    assert_eq!((record.pods[0].ready_min, record.pods[0].ready_max, record.pods[0].started), (Some(3), 4, 4));
}

/// The controller's proportional scaling, with the documentation's numbers: 8 old and 5 new pods, none of which becomes ready, when 15 of 10
/// are wanted.
#[test]
fn a_rollout_that_is_scaled_adds_pods_of_both_versions() {
    let update = "rolling_update: { max_surge: 3, max_unavailable: 2 }, readiness_probe: { tcp: {}, period: 1s, initial_delay: 10m }";
    let operations = "operations: [{ rollout: { group: web, at: 10s } }, { scale: { group: web, replicas: 15, at: 12s } }, \
         { scale: { group: web, replicas: 5, at: 40s } }]\n";
    let record = once(&on_nodes("1m", "count: 1, cpu: 16", 40, &format!("replicas: 10, {update}"), operations));
    // Three old ones, whose image is there, start at once; two new ones with the five that wait for theirs until 15 s.
    let started = [vec![12.0; 3], vec![15.0; 7], vec![40.0; 2]].concat();
    assert_eq!(phases(&record, PodPhase::Starting), started);
    // 18 become 8: 6 of 11 and 4 of 7 go. Two more old ones may be missing then, for which two new ones come.
    assert_eq!(phases(&record, PodPhase::Terminating), [vec![10.0; 2], vec![40.0; 12]].concat());
    assert_eq!((record.pods[0].ready_min, record.pods[0].rollouts.1), (Some(3), 0));
}

/// During a rollout the autoscaler sees the pods of both versions: twice as many with half of the load each ask for as many as before. When
/// the old ones end, those that are left have figures of half the load for one more window, which only stabilization helps against.
#[test]
fn the_autoscaler_sees_the_pods_of_both_versions() {
    // 100 requests a second of 50 ms: 5 in flight, 1.25 at each of four pods, and 0.625 at each of eight for the minute in which new ones are
    // not yet taken for available.
    let update = "rolling_update: { max_surge: 100%, max_unavailable: 0, min_ready: 1m }";
    let run = |down: &str| {
        let pods = format!(
            "replicas: 4, pre_stop: 2s, {READINESS}, {update}, autoscale: {{ max: 10, in_flight: 1.25, scale_down: {{ {down} }} }}"
        );
        let text =
            scenario(20, &pods, ENDPOINTS, ROLLOUT).replace("constant: 1ms", "constant: 50ms").replace("duration: 2m", "duration: 4m");
        let record = once(&text);
        assert_eq!((record.pods[0].ready_max, record.pods[0].rollouts.1), (8, 1), "{:?}", record.pods[0]);
        phases(&record, PodPhase::Terminating)
    };
    // Ready at 17 s, available at 77 s.
    assert_eq!(run(""), [77.0; 4]);
    let misled = run("window: 0s");
    assert!(misled[..4] == [77.0; 4] && misled[4] == 90.0, "{misled:?}");
}

/// The strategy `Recreate`: nobody serves from the end of the old pods until the new ones listen.
#[test]
fn a_new_version_that_is_recreated_waits_for_the_last_old_pod() {
    // Deleted at 10 s, they serve for another second; the new ones pull for 5 s and start for 2 s, and endpoints have them 800 ms later.
    let text = |update: &str| scenario(10, &format!("replicas: 4, {READINESS}, on_term: exit, pre_stop: 1s, {update}"), ENDPOINTS, ROLLOUT);
    let record = once(&text("rolling_update: { recreate: true }"));
    assert_eq!(phases(&record, PodPhase::Terminating), [10.0; 4]);
    assert_eq!(phases(&record, PodPhase::Pulling), [11.0; 4]);
    assert_eq!((record.pods[0].rollouts, record.pods[0].ready_min, record.pods[0].ready_max), ((8.0, 1), Some(0), 4));
    assert_near("nobody there", record.requests.failed(), 780, 2);
    // All at once without waiting is a second less.
    let record = once(&text("rolling_update: { max_surge: 0, max_unavailable: 100% }"));
    assert_near("nobody there", record.requests.failed(), 680, 2);
}

#[test]
fn a_process_that_ignores_the_end_is_killed_with_what_it_has() {
    // Work of 3 s; the grace of 2 s begins with the deletion, and news takes 800 ms. A pod of 2 gets 5 requests a second, and has at its
    // kill those that were sent to it in the 800 ms before it fell out and in the second before the deletion.
    let text = |on_term: &str, grace: &str| {
        format!(
            "duration: 1m\nclients: [{{ name: c, arrivals: {{ deterministic: {{ rate: 10/s }} }}, requests: [{{ work: {{ constant: 3s }} }}] }}]\n\
             servers: [{{ name: web, count: 6, slots: 100, pods: {{ replicas: 2, on_term: {on_term}, grace: {grace}, {READINESS}, {ONE_BY_ONE} }} }}]\n\
             balancers: [{{ name: lb, targets: [web], {ENDPOINTS} }}]\n{ROLLOUT}"
        )
    };
    let record = once(&text("ignore", "2s"));
    assert_near("killed", failed_by(&record, Failure::Reset), 2 * 9, 4);
    assert_eq!(record.pods[0].failed_requests, record.requests.failed());
    assert_eq!(once(&text("ignore", "4s")).requests.failed(), 0);
    // One that drains refuses what is still sent to it, and finishes what it has.
    let record = once(&text("drain", "30s"));
    assert_near("refused", failed_by(&record, Failure::ConnectFailure), 2 * 4, 2);
    assert_eq!(failed_by(&record, Failure::Reset), 0);
}

// ---- Crashes ----------------------------------------------------------------------------------------------------------

#[test]
fn a_crash_loop_waits_10_20_40_s() {
    let text = "duration: 10m\nclients: [{ name: c, arrivals: { deterministic: { rate: 10/s } }, requests: [{ work: { constant: 1ms } }] }]\n\
         servers: [{ name: web, count: 3, pods: { replicas: 2, start: { constant: 2s } } }]\n\
         balancers: [{ name: lb, targets: [web], members: { endpoints: { delay: { constant: 500ms } } } }]\n\
         faults: [{ crash: { server: web-1, at: 100s, for: 200s } }]\n";
    let record = once(text);
    assert_eq!(phases(&record, PodPhase::Starting), [100.0, 110.0, 130.0, 170.0, 250.0, 410.0]);
    assert_eq!(record.pods[0].restarts, 6);
    // Up again 2 s after the last start; down until then.
    assert!((record.servers[0].up - (600.0 - 312.0) / 600.0).abs() < 1e-9, "{}", record.servers[0].up);
    // At the first restart it is on the list for a moment, but not for long enough that the news counts. What is lost is sent to it in
    // the first 500 ms, 5 a second, and at the end: ready when the container starts, 1.5 s before it listens. All of it is the fault's.
    assert_near("lost", record.requests.failed(), 3 + 8, 2);
    assert_eq!(record.failover.faults[0].failed_requests, record.requests.failed());
    assert_eq!((record.pods[0].failed_requests, record.failover.faults[0].detected_after_s), (0, Some(0.5)));
}

#[test]
fn liveness_restarts_a_process_that_hangs() {
    let text = |probe: &str| {
        format!(
            "duration: 5m\nclients: [{{ name: c, timeout: 1s, arrivals: {{ deterministic: {{ rate: 10/s }} }}, requests: [{{ work: {{ constant: 1ms }} }}] }}]\n\
             servers: [{{ name: web, count: 3, pods: {{ replicas: 2, start: {{ constant: 2s }}, grace: 5s, {READINESS}{probe} }} }}]\n\
             balancers: [{{ name: lb, targets: [web], members: {{ endpoints: {{ delay: {{ constant: 500ms }} }} }} }}]\n\
             faults: [{{ hang: {{ server: web-1, at: 100s }} }}]\n"
        )
    };
    // Without it the pod hangs to the end: a TCP probe passes, and every second request is lost.
    let record = once(&text(""));
    assert_near("hangs", record.failover.faults[0].failed_requests, 5 * 200, 10);
    assert_eq!(record.pods[0].restarts, 0);
    // The third probe in a row that runs into its timeout of 1 s, 20 to 30 s after the hang and 1 s more; the process does not hear SIGTERM
    // and is killed 5 s later; the new one listens 2 s after that and does not hang. The news of its end and return takes 500 ms each.
    let runs = replications(&text(", liveness_probe: { http: /, period: 10s }"), PHASES);
    assert!(runs.iter().all(|run| run.pods[0].restarts == 1 && run.pods[0].failed_requests == 0));
    let down: Vec<f64> = runs.iter().map(|run| (1.0 - run.servers[0].up) * 300.0).collect();
    assert_uniform("down", &down, (21.0 + 5.0 + 2.0, 31.0 + 5.0 + 2.0), 0.0);
}

#[test]
fn readiness_takes_a_pod_out_after_two_to_three_periods() {
    // Kubernetes' defaults: probes every 10 s, three failures; told after 1 s.
    let text = "duration: 4m\nclients: [{ name: c, timeout: 1s, arrivals: { deterministic: { rate: 1/s } }, requests: [{ work: { constant: 1ms } }] }]\n\
         servers: [{ name: web, count: 3, pods: { replicas: 2, readiness_probe: { http: / } } }]\n\
         balancers: [{ name: lb, targets: [web], members: { endpoints: { delay: { constant: 1s } } } }]\n";
    let extremes = |fault: &str| -> (Vec<f64>, Vec<f64>) {
        let runs = replications(&format!("{text}faults: [{{ {fault} }}]\n"), PHASES);
        let faults = || runs.iter().map(|run| &run.failover.faults[0]);
        (faults().filter_map(|fault| fault.detected_after_s).collect(), faults().filter_map(|fault| fault.restored_after_s).collect())
    };
    let (detected, restored) = extremes("errors: { server: web-1, share: 100%, at_once: true, at: 60s, for: 60s }");
    assert_uniform("refused at once", &detected, (21.0, 31.0), 0.0);
    assert_uniform("back", &restored, (1.0, 11.0), 0.0);
    let (detected, _) = extremes("blackhole: { server: web-1, at: 60s, for: 60s }");
    assert_uniform("into the timeout of 1 s", &detected, (22.0, 32.0), 0.0);
}

// ---- Target groups ----------------------------------------------------------------------------------------------------

fn target_group(check: &str, deregistration_delay: &str) -> String {
    format!("members: {{ target_group: {{ delay: {{ constant: 1s }}, deregistration_delay: {deregistration_delay} }} }}{check}")
}

#[test]
fn what_is_slow_finishes_within_the_deregistration_delay_or_is_cut() {
    let text = |delay: &str| {
        format!(
            "duration: 1m\nclients: [{{ name: c, arrivals: {{ deterministic: {{ rate: 10/s }} }}, requests: [{{ work: {{ constant: 3s }} }}] }}]\n\
             servers: [{{ name: web, count: 6, slots: 100, pods: {{ replicas: 2, pre_stop: 15s, {READINESS}, {ONE_BY_ONE} }} }}]\n\
             balancers: [{{ name: lb, targets: [web], {} }}]\n{ROLLOUT}",
            target_group("", delay)
        )
    };
    let record = once(&text("3001ms"));
    assert_eq!((record.requests.failed(), record.pods[0].started), (0, 2));
    // What was sent to a pod in the 2 s before it was taken out is not done 1 s later: 5 a second, at both pods.
    let record = once(&text("1s"));
    assert_near("cut", failed_by(&record, Failure::Reset), 2 * 10, 4);
    assert_eq!((record.requests.failed(), record.pods[0].failed_requests), (failed_by(&record, Failure::Reset), record.requests.failed()));
    // Draining lasts that long, and begins when the news of the deletion arrives.
    let (draining, out) = (states(&record, 0, TargetState::Draining), states(&record, 0, TargetState::Out));
    assert_eq!(draining.len(), 2);
    assert!(
        draining.iter().zip(out.iter().filter(|at| !draining.contains(at))).all(|(from, to)| (to - from - 1.0).abs() < 1e-9),
        "{draining:?} {out:?}"
    );
}

/// The two attributes of a Network Load Balancer are apart: connections to an unhealthy target are reset by default, those to a target that
/// is taken out stay.
#[test]
fn connections_of_a_network_load_balancer_outlive_the_deregistration_delay_unless_told_otherwise() {
    // At 10 s one of two pods goes, with the requests of 40 s that it got in the 11 s until the news of it: one in two of one a second.
    let text = |established: &str| {
        format!(
            "duration: 61s\nclients: [{{ name: c, arrivals: {{ deterministic: {{ rate: 1/s }} }}, requests: [{{ work: {{ constant: 40s }} }}] }}]\n\
             servers: [{{ name: web, count: 4, slots: 100, pods: {{ replicas: 2, grace: 1h }} }}]\n\
             balancers: [{{ name: lb, layer: l4, established: reset, targets: [web], algorithm: round_robin, \
             members: {{ target_group: {{ delay: {{ constant: 1ms }}, deregistration_delay: 5s{established} }} }} }}]\n\
             operations: [{{ scale: {{ group: web, replicas: 1, at: 10500ms }} }}]\n"
        )
    };
    let reset = |established: &str| failed_by(&once(&text(established)), Failure::Reset);
    assert_eq!([reset(""), reset(", established: keep"), reset(", established: reset")], [0, 0, 5]);
}

/// A load balancer's check every 15 s, of which one pass is enough for a new target.
const CHECK: &str = ", health_check: { http: /, interval: 15s, timeout: 5s, unhealthy_after: 2, healthy_after: 2 }";

#[test]
fn a_readiness_gate_keeps_a_rollout_from_emptying_the_target_group() {
    let none_healthy = |gate: &str| -> u64 {
        let pods = format!("replicas: 2, pre_stop: 20s, {READINESS}, {ONE_BY_ONE}{gate}");
        let runs = replications(&scenario(8, &pods, &target_group(CHECK, "10s"), ROLLOUT), 30);
        assert!(runs.iter().all(|run| run.pods[0].started == 2));
        assert!(runs.iter().all(|run| run.pods[0].ready_min == Some(2)));
        runs.iter().map(|run| failed_by(run, Failure::NoServer)).sum()
    };
    // The second old pod is taken out 7 s after the first new one was registered, whose first check comes within 15 s: in 8 of 15 runs
    // nobody is healthy for a while, 4 s in the mean of those. All 30 runs without it: (7/15)^30 < 1e-9.
    assert!(none_healthy("") > 1000);
    assert_eq!(none_healthy(", readiness_gates: [lb]"), 0);
}

#[test]
fn a_new_target_is_healthy_after_its_first_pass_and_an_unhealthy_one_after_more() {
    let pods = format!("replicas: 2, pre_stop: 20s, {READINESS}, {ONE_BY_ONE}, readiness_gates: [lb]");
    let waits = |balancer: &str| -> Vec<f64> {
        let text = scenario(8, &pods, balancer, ROLLOUT).replace("rate: 100/s", "rate: 1/s");
        let wait = |run: &RunRecord| {
            let initial = states(run, 0, TargetState::Initial)[0];
            states(run, 0, TargetState::Healthy).into_iter().find(|at| *at > initial).expect("it becomes healthy") - initial
        };
        by_seed(&text, u64::from(PHASES)).iter().map(wait).collect()
    };
    assert_uniform("first pass", &waits(&target_group(CHECK, "10s")), (0.0, 15.0), 0.0);
    // A Network Load Balancer wants as many passes as of an unhealthy target: one interval more.
    assert_uniform("two passes", &waits(&format!("{}, layer: l4", target_group(CHECK, "10s"))), (15.0, 30.0), 0.0);
}

#[test]
fn a_target_that_is_taken_out_is_checked_no_more() {
    // Both targets are checked once a second, one of them until it is deregistered 1 s after the 10th second; an hour of grace lets it finish
    // the 40 s of work that it has, and it takes nothing new, so that checks would fail: its connections would be reset.
    let check = ", layer: l4, established: reset, health_check: { tcp: {}, interval: 1s, timeout: 500ms, unhealthy_after: 2 }";
    let text = format!(
        "duration: 60500ms\nclients: [{{ name: c, arrivals: {{ deterministic: {{ rate: 1/s }} }}, requests: [{{ work: {{ constant: 40s }} }}] }}]\n\
         servers: [{{ name: web, count: 4, slots: 100, pods: {{ replicas: 2, grace: 1h }} }}]\n\
         balancers: [{{ name: lb, targets: [web], algorithm: round_robin, {} }}]\n\
         operations: [{{ scale: {{ group: web, replicas: 1, at: 10s }} }}]\n",
        target_group(check, "1h")
    );
    let record = once(&text);
    assert_near("checks", record.checks_sent, 61 + 11, 1);
    assert_eq!((failed_by(&record, Failure::Reset), states(&record, 0, TargetState::Unhealthy)), (0, vec![]));
}

// ---- Nodes ------------------------------------------------------------------------------------------------------------

pub fn on_nodes(duration: &str, nodes: &str, count: u32, pods: &str, more: &str) -> String {
    format!(
        "duration: {duration}\n\
         clients: [{{ name: c, timeout: 1s, arrivals: {{ deterministic: {{ rate: 30/s }} }}, requests: [{{ work: {{ constant: 1ms }} }}] }}]\n\
         nodes: [{{ name: worker, {nodes} }}]\n\
         servers: [{{ name: web, count: {count}, slots: 10, pods: {{ start: {{ constant: 2s }}, image_pull: {{ constant: 5s }}, {pods} }} }}]\n\
         balancers: [{{ name: lb, targets: [web], members: {{ endpoints: {{ delay: {{ constant: 500ms }} }} }} }}]\n{more}"
    )
}

#[test]
fn a_lost_node_leaves_endpoints_after_40_s_and_its_pods_are_replaced_300_s_later() {
    let pods = format!("replicas: 3, {READINESS}");
    let text = on_nodes("8m", "count: 4", 6, &pods, "faults: [{ crash: { node: worker-2, at: 60s } }]\n");
    let mut noticed = Vec::new();
    for record in by_seed(&text, 200) {
        let out = states(&record, 0, TargetState::Out);
        assert_eq!(out.len(), 1);
        noticed.push(out[0] - 0.5 - 60.0);
        // 300 s of toleration, then at once: another node, which does not have the image yet; listening and ready 2 s after the start.
        let gone = phases(&record, PodPhase::Gone);
        assert!((gone[0] - (out[0] - 0.5) - 300.0).abs() < 1e-6, "{gone:?} {out:?}");
        let (started, ready) = (phases(&record, PodPhase::Starting), phases(&record, PodPhase::Ready));
        assert!((started[0] - gone[0] - 5.0).abs() < 1e-6 && (ready[3] - gone[0] - 7.0).abs() < 1e-6, "{started:?} {ready:?} {gone:?}");
        assert_eq!((record.pods[0].evicted, record.pods[0].started, record.pods[0].ready_min), (1, 1, Some(2)));
        // A third of the requests, until nobody sends there any more: all of it the fault's.
        let fault = &record.failover.faults[0];
        assert_eq!((fault.failed_requests, record.pods[0].failed_requests), (record.requests.failed(), 0));
        assert_near("lost", record.requests.failed(), (10.0 * (out[0] - 60.0)) as u64, 2);
        assert!((fault.detected_after_s.expect("it is noticed") - (out[0] - 60.0)).abs() < 1e-6);
    }
    // The last renewal is 0 to 10 s old, and the controller sees it at its next round, 0 to 5 s later; 40 s after that it is over.
    let (least, most) = noticed.iter().fold((f64::MAX, f64::MIN), |(least, most), at| (least.min(*at), most.max(*at)));
    assert!(least >= 30.0 && most <= 45.0 && least < 33.0 && most > 42.0, "{least} to {most}");
    // Standard deviation sqrt((100 + 25) / 12) = 3.2, of the mean of 200 0.23. Five of them.
    assert!((mean(noticed) - 37.5).abs() < 1.15);
}

#[test]
fn a_node_that_comes_back_in_time_keeps_its_pods() {
    let pods = format!("replicas: 3, {READINESS}");
    for (fault, restarts) in [("crash", 1), ("blackhole", 0)] {
        let more = format!("faults: [{{ {fault}: {{ node: worker-2, at: 60s, for: 2m }} }}]\n");
        for record in by_seed(&on_nodes("8m", "count: 4", 6, &pods, &more), 20) {
            assert_eq!((record.pods[0].restarts, record.pods[0].evicted, record.pods[0].started), (restarts, 0, 0));
            assert_eq!(
                (states(&record, 0, TargetState::Out).len(), record.failover.faults[0].failed_requests),
                (1, record.requests.failed())
            );
            // Back at the next round after its return, or when its container listens again.
            let restored = record.failover.faults[0].restored_after_s.expect("it is restored");
            let (low, high) = if fault == "crash" { (2.5, 8.5) } else { (0.5, 5.5) };
            assert!((low..=high).contains(&restored), "{fault}: {restored}");
        }
    }
}

/// Callers on every node, the lost one too: its kube-proxy is lost with it, and what that one believes is nobody's business.
#[test]
fn the_kube_proxies_that_are_left_notice_a_lost_node() {
    let text = |kind: &str, fault: &str| {
        format!(
            "duration: 3m\n\
             clients: [{{ name: c, timeout: 1s, arrivals: {{ deterministic: {{ rate: 40/s }} }}, requests: [{{ work: {{ constant: 1ms }} }}] }}]\n\
             kubernetes:\n\
             \x20 nodes: [{{ name: worker, count: 4 }}]\n\
             \x20 proxy: {{ delay: {{ constant: 1s }} }}\n\
             \x20 deployments: [{{ name: web, replicas: 4, slots: 10, readiness_probe: {{ tcp: {{}} }} }}]\n\
             \x20 services: [{{ name: web, type: {kind} }}]\n\
             faults: [{{ {fault} }}]\n"
        )
    };
    for kind in ["cluster_ip", "node_port"] {
        for record in by_seed(&text(kind, "blackhole: { node: worker-2, at: 30s, for: 1m }"), 20) {
            let fault = &record.failover.faults[0];
            let detected = fault.detected_after_s.expect("it is noticed");
            assert!((31.0..=46.0).contains(&detected), "{kind}: {detected}");
            // In the eyes of three; and at the end in those of all four, from the same moment on.
            let restored = fault.restored_after_s.expect("it is restored");
            assert!((1.0..=6.0).contains(&restored), "{kind}: {restored}");
            assert!((fault.wrong_view_s - 3.0 * detected - 4.0 * restored).abs() < 1e-6, "{kind}: {fault:?}");
            assert_eq!(fault.false_ejections, 0);
        }
    }
    // A pod of another node crashes, which all notice 1 s later, while one node is away.
    let both = text("cluster_ip", "blackhole: { node: worker-2, at: 10s }")
        .replace("faults: [", "faults: [{ crash: { server: web-1, at: 1m, for: 5s } }, ");
    for record in by_seed(&both, 5) {
        assert_eq!(record.failover.faults[0].detected_after_s, Some(1.0));
    }
}

#[test]
fn a_balancer_is_lost_with_its_node() {
    // Checks every 2 s that wait for 1 s, two of them: out 3 to 5 s after the loss. Until then every second request is lost.
    let text = "duration: 1m\n\
         clients: [{ name: c, timeout: 1s, arrivals: { deterministic: { rate: 100/s } }, requests: [{ work: { constant: 1ms } }] }]\n\
         nodes: [{ name: worker, count: 2 }]\n\
         servers: [{ name: web, count: 2, slots: 10 }]\n\
         balancers:\n\
         - { name: outer, targets: [a, b], health_check: { tcp: {}, interval: 2s, timeout: 1s, unhealthy_after: 2, healthy_after: 1 } }\n\
         - { name: a, targets: [web], node: worker-1 }\n\
         - { name: b, targets: [web], node: worker-2 }\n\
         faults: [{ crash: { node: worker-1, at: 20s, for: 20s } }]\n";
    for record in replications(text, 50) {
        let detected = record.failover.faults[0].detected_after_s.expect("it is noticed");
        assert!((3.0..=5.0).contains(&detected), "{detected}");
        assert_near("lost", failed_by(&record, Failure::Timeout), (50.0 * detected) as u64, 2);
        assert_eq!(record.failover.faults[0].failed_requests, record.requests.failed());
    }
    // With a time limit for connecting nobody waits for the client's timeout; every second one of the new tries goes the same way.
    let patched = text.replace("targets: [a, b],", "targets: [a, b], connect_timeout: 100ms, retry: { max: 1, when: [connect_failure] },");
    for record in replications(&patched, 20) {
        assert_eq!(failed_by(&record, Failure::ConnectFailure), record.requests.failed());
        let detected = record.failover.faults[0].detected_after_s.expect("it is noticed");
        assert!(record.retried as f64 >= 45.0 * detected && record.requests.failed() as f64 <= 40.0 * detected);
    }
}

#[test]
fn a_budget_holds_while_a_node_is_drained() {
    // Four pods on two nodes: two must go.
    let drained = |budget: &str| {
        let pods = format!("replicas: 4, pre_stop: 1s, {READINESS}{budget}");
        once(&on_nodes("2m", "count: 2", 8, &pods, "operations: [{ drain: { node: worker-1, at: 20s } }]\n"))
    };
    let record = drained("");
    assert_eq!((record.pods[0].evicted, record.pods[0].ready_min, record.requests.failed()), (2, Some(2), 0));
    let record = drained(", disruption_budget: { min_available: 3 }");
    assert_eq!((record.pods[0].evicted, record.pods[0].ready_min, record.requests.failed()), (2, Some(3), 0));
    // The other node has the image: a replacement listens after 2 s, and the drain tries again every 5 s.
    assert_eq!(phases(&record, PodPhase::Terminating), [20.0, 25.0]);
    let record = drained(", disruption_budget: { max_unavailable: 0 }");
    assert_eq!((record.pods[0].evicted, record.pods[0].ready_min), (0, Some(4)));
}

#[test]
fn pods_without_room_wait_for_a_new_node() {
    // One pod to a node. At 12 s two more are wanted; the autoscaler looks every 10 s, and a node takes 30 s.
    let nodes = "count: 1, cpu: 1, autoscale: { max: 3, boot: { constant: 30s }, idle: 1m }";
    let pods = format!("replicas: 1, cpu: 600m, pre_stop: 1s, {READINESS}");
    let more = "operations: [{ scale: { group: web, replicas: 4, at: 12s } }, { scale: { group: web, replicas: 1, at: 100s } }]\n";
    let record = once(&on_nodes("5m", nodes, 8, &pods, more));
    assert_eq!(phases(&record, PodPhase::Pending)[1..], [12.0, 12.0, 12.0]);
    // The third finds no room: there is no fourth node.
    assert_eq!(phases(&record, PodPhase::Pulling), [50.0, 50.0]);
    assert_eq!(phases(&record, PodPhase::Ready)[1..], [57.0, 57.0]);
    assert_eq!(phases(&record, PodPhase::Terminating).len(), 3);
    assert_eq!(record.requests.failed(), 0);
}

#[test]
fn nodes_that_are_little_used_are_drained_and_removed_one_after_the_other() {
    // A pod on each of four nodes asks for a quarter of it: three nodes could go. From the look at 10 s on that lasts for a minute, and two may.
    let nodes = |settings: &str| format!("count: 4, cpu: 2, autoscale: {{ min: 2, max: 4, idle: 1m{settings} }}");
    let run = |settings: &str, pods: &str| {
        let pods = format!("replicas: 4, cpu: 500m, pre_stop: 1s, {READINESS}{pods}");
        once(&on_nodes("6m", &nodes(settings), 10, &pods, ""))
    };
    let record = run("", "");
    assert_eq!(phases(&record, PodPhase::Terminating), [70.0, 80.0]);
    assert_eq!((record.pods[0].evicted, record.pods[0].started, record.requests.failed()), (2, 2, 0));
    // Two to a node then: half of it is not less than half. Nor is a quarter less than a quarter.
    assert_eq!(run(", utilization: 25%", "").pods[0].evicted, 0);
    assert_eq!(run("", ", disruption_budget: { max_unavailable: 0 }").pods[0].evicted, 0);
}

#[test]
fn no_node_is_removed_soon_after_one_was_ordered() {
    // Ordered at 20 s for the pods of 12 s; at 70 s the nodes are seen to be empty again. What comes at 190 s finds them, or orders new ones.
    let started = |after_add: &str| {
        let nodes = format!("count: 1, cpu: 1, autoscale: {{ max: 3, boot: {{ constant: 30s }}, idle: 30s, after_add: {after_add} }}");
        let pods = format!("replicas: 1, cpu: 600m, pre_stop: 1s, {READINESS}");
        let scale =
            [(3, 12), (1, 60), (3, 190)].map(|(replicas, at)| format!("{{ scale: {{ group: web, replicas: {replicas}, at: {at}s }} }}"));
        let record = once(&on_nodes("5m", &nodes, 8, &pods, &format!("operations: [{}]\n", scale.join(", "))));
        phases(&record, PodPhase::Starting)[2..].to_vec()
    };
    assert_eq!(started("3m"), [190.0, 190.0], "until 200 s");
    assert_eq!(started("1m"), [225.0, 225.0], "removed at 100 s; ordered at 190 s, booted in 30 s, the image pulled in 5 s");
}

#[test]
fn a_node_whose_pods_cannot_be_evicted_for_two_minutes_stays() {
    // Two pods to a node, one of four may be missing. A new one is ready 205 s after its start.
    let nodes = "count: 2, cpu: 8, autoscale: { min: 1, max: 2, idle: 1m }";
    let run = |delay: u32| {
        let probe = format!("readiness_probe: {{ tcp: {{}}, period: 1s, initial_delay: {delay}s }}");
        let pods = format!("replicas: 4, cpu: 500m, pre_stop: 1s, disruption_budget: {{ max_unavailable: 1 }}, {probe}");
        once(&on_nodes("8m", nodes, 10, &pods, ""))
    };
    // Ready again before the next try, 10 s later.
    let record = run(5);
    assert_eq!((phases(&record, PodPhase::Terminating), record.pods[0].ready_min), (vec![70.0, 80.0], Some(3)));
    // Given up at 190 s; ready at 275 s, seen at 280 s, and a minute later it begins anew, with the one that is left.
    let record = run(205);
    assert_eq!((phases(&record, PodPhase::Terminating), record.pods[0].ready_min), (vec![70.0, 340.0], Some(3)));
}

/// Callers on every node of two zones; `more` may say what happens. The share of what they send to pods that crosses zones.
fn crossing(nodes: &str, replicas: u32, prefer: &str, more: &str) -> RunRecord {
    once(&crossing_told_after("1s", nodes, replicas, prefer, more))
}

fn crossing_told_after(delay: &str, nodes: &str, replicas: u32, prefer: &str, more: &str) -> String {
    format!(
        "duration: 10m\n\
         clients: [{{ name: c, timeout: 1s, arrivals: {{ poisson: {{ rate: 30/s }} }}, requests: [{{ work: {{ constant: 1ms }} }}] }}]\n\
         kubernetes:\n\
         \x20 nodes: [{nodes}]\n\
         \x20 proxy: {{ delay: {{ constant: {delay} }} }}\n\
         \x20 deployments: [{{ name: web, replicas: {replicas}, slots: 10, pre_stop: 2s, readiness_probe: {{ tcp: {{}} }} }}]\n\
         \x20 services: [{{ name: web, prefer: {prefer} }}]\n{more}"
    )
}

fn assert_crosses(record: &RunRecord, expected: f64, slack: f64) {
    let share = record.crossings.and_then(|crossings| crossings.share()).expect("zones are known");
    assert!((share - expected).abs() <= slack, "{share}, expected {expected} +- {slack}");
}

/// Endpoints are shared out by processors; 18,000 requests, so that a share of 1/8 has a standard deviation of 0.25 %. Six of them.
#[test]
fn topology_mode_auto_shares_pods_out_by_the_zones_processors() {
    let nodes = |a: u32, b: u32| format!("{{ name: a, zones: [a], cpu: {a} }}, {{ name: b, zones: [b], cpu: {b} }}");
    // Three pods in each zone, as the zones have the same.
    let record = crossing(&nodes(4, 4), 6, "topology_auto", "");
    assert_crosses(&record, 0.0, 0.0);
    // Twice as many processors: four of six are for the first zone, one of them is in the other. Its callers are half of all.
    let record = crossing(&nodes(8, 4), 6, "topology_auto", "");
    assert_crosses(&record, 0.5 / 4.0, 0.015);
    let mut shares: Vec<f64> = record.servers.iter().map(|server| server.attempts as f64 / record.attempts.sent as f64).collect();
    shares.retain(|share| *share > 0.0);
    shares.sort_by(f64::total_cmp);
    let expected = [0.125, 0.125, 0.125, 0.125, 0.25, 0.25];
    assert!(shares.len() == 6 && shares.iter().zip(expected).all(|(share, expected)| (share - expected).abs() < 0.02), "{shares:?}");
    // `trafficDistribution` keeps to the zone, whatever it has.
    assert_crosses(&crossing(&nodes(8, 4), 6, "same_zone", ""), 0.0, 0.0);
    // Three pods cannot be shared out between 5 : 4 without overloading one; a single one is fewer than there are zones.
    assert_crosses(&crossing(&nodes(5, 4), 3, "topology_auto", ""), 0.5, 0.025);
    assert_crosses(&crossing(&nodes(4, 4), 1, "topology_auto", ""), 0.5, 0.025);
    // From the scaling to one pod on, after a minute, half of them cross.
    let record = crossing(&nodes(4, 4), 6, "topology_auto", "operations: [{ scale: { group: web, replicas: 1, at: 1m } }]\n");
    assert_crosses(&record, 0.45, 0.025);
    assert_eq!(record.requests.failed(), 0);
}

/// A node without pods counts with its processors: when it is lost, hints change with no change of a pod.
#[test]
fn a_lost_node_changes_the_hints_of_pods_that_it_does_not_hold() {
    let nodes = "{ name: a, zones: [a], cpu: 4 }, { name: b, zones: [b], cpu: 4 }, { name: odd, zones: [b], cpu: 12, memory: 1MiB }";
    // 1 : 4 of the processors: of the five pods in the first zone three are for the other, whose callers are two thirds.
    assert_crosses(&crossing(nodes, 10, "topology_auto", ""), 2.0 / 3.0 * 3.0 / 8.0, 0.02);
    // Given up after 90 to 106 s, of which the last third of its callers is lost: 5 for each zone from then on. Otherwise it would go on
    // with 3/8 of every second request.
    let record = crossing(nodes, 10, "topology_auto", "faults: [{ blackhole: { node: odd-1, at: 1m } }]\n");
    assert_crosses(&record, 0.25 * 0.19, 0.015);
}

/// Hints go by the nodes as they were when the endpoints were written, however long that takes.
#[test]
fn hints_do_not_know_of_nodes_what_was_not_known_when_they_were_written() {
    let nodes = "{ name: a, zones: [a], cpu: 4 }, { name: b, zones: [b], cpu: 4 }, { name: odd, zones: [b], cpu: 12, memory: 1MiB }";
    // Two pods more at 50 s are known from 260 s on; that a node is gone at 200 s is written at 230 to 245 s and known 200 s later. Until 200 s
    // 2/3 x 3/8 of 30/s cross, then 1/2 x 3/8 of 20/s (the callers of that node are lost), from 260 to 438 s 1/2 x 1/3 of them, or 0.4 as the
    // parts are rounded, and none after that: 0.165 to 0.174 of all. By the nodes as of 260 s it would be 0.123.
    let more = "faults: [{ blackhole: { node: odd-1, at: 200s } }]\noperations: [{ scale: { group: web, replicas: 12, at: 50s } }]\n";
    assert_crosses(&once(&crossing_told_after("200s", nodes, 10, "topology_auto", more)), 0.17, 0.02);
}

#[test]
fn local_traffic_stays_on_the_node() {
    // Both proxies get half of the requests; the one with a single pod sends that one half of all.
    let text = "duration: 1m\n\
         clients: [{ name: c, arrivals: { deterministic: { rate: 100/s } }, requests: [{ work: { constant: 1ms } }] }]\n\
         nodes: [{ name: worker, count: 2, cpu: 2 }]\n\
         servers: [{ name: web, count: 5, slots: 10, pods: { replicas: 3, cpu: 500m } }]\n\
         balancers:\n\
         - { name: lb, targets: [p1, p2] }\n\
         - { name: p1, targets: [web], node: worker-1, members: { endpoints: { traffic: local } } }\n\
         - { name: p2, targets: [web], node: worker-2, members: { endpoints: { traffic: local } } }\n";
    let shares = |text: &str| {
        let mut attempts: Vec<u64> = once(text).servers.iter().map(|server| server.attempts).filter(|attempts| *attempts > 0).collect();
        attempts.sort_unstable();
        attempts
    };
    let local = shares(text);
    assert!(local.len() == 3 && local[2].abs_diff(3000) <= 1 && local[0].abs_diff(1500) <= 1 && local[1].abs_diff(1500) <= 1, "{local:?}");
    let cluster = shares(&text.replace("traffic: local", "traffic: cluster"));
    assert!(cluster.len() == 3 && cluster.iter().all(|attempts| attempts.abs_diff(2000) <= 2), "{cluster:?}");
}

/// The rule of KEP-1669: the health check port fails as soon as nothing but ending pods is left, so that the load balancer has gone before
/// they have.
#[test]
fn the_health_check_port_of_a_node_fails_while_its_last_pod_still_serves() {
    let text = |node_port: bool| {
        format!(
            "duration: 2m\n\
             clients: [{{ name: c, timeout: 1s, arrivals: {{ deterministic: {{ rate: 100/s }} }}, requests: [{{ work: {{ constant: 1ms }} }}] }}]\n\
             nodes: [{{ name: worker, count: 2, cpu: 1 }}]\n\
             servers: [{{ name: web, count: 4, slots: 10, pods: {{ replicas: 2, cpu: 600m, pre_stop: 40s, grace: 1m, on_term: exit }} }}]\n\
             balancers:\n\
             - {{ name: lb, layer: l4, targets: [p1, p2], members: {{ target_group: {{}} }}, health_check: {{ http: /healthz, node_port: {node_port}, \
             interval: 10s, timeout: 6s, unhealthy_after: 2, healthy_after: 2 }} }}\n\
             - {{ name: p1, layer: l4, targets: [web], node: worker-1, members: {{ endpoints: {{ traffic: local, delay: {{ constant: 1s }} }} }} }}\n\
             - {{ name: p2, layer: l4, targets: [web], node: worker-2, members: {{ endpoints: {{ traffic: local, delay: {{ constant: 1s }} }} }} }}\n\
             operations: [{{ scale: {{ group: web, replicas: 1, at: 20s }} }}]\n"
        )
    };
    // Two checks after the node knows: 10 to 20 s after 21 s; the pod serves up to 60 s.
    let compiled = &variants(&text(true))[0];
    let runs: Vec<RunRecord> = (1..=20).map(|seed| model::run(plan(compiled, seed, 0))).collect();
    for run in &runs {
        let out = states(run, 0, TargetState::Unhealthy);
        assert!(out.len() == 1 && (31.0..=41.0).contains(&out[0]), "{out:?}");
        assert_eq!(run.requests.failed(), 0);
    }
    // Where the check asks for the service itself, the node stays until the pod has gone at 60 s: two more checks, of which the last one
    // waits 6 s for an answer. Half of the requests of 17 to 27 s.
    let asking = once(&text(false));
    assert!((850..=1350).contains(&asking.requests.failed()), "{}", asking.requests.failed());
}

/// Of Kubernetes' rules: a proxy drops what a local policy leaves without an endpoint, and rejects where there is no endpoint at all.
#[test]
fn a_node_without_a_pod_drops_under_a_local_policy() {
    let text = |traffic: &str, replicas: u32, more: &str| {
        format!(
            "duration: 60450ms\nclients: [{{ name: c, arrivals: {{ deterministic: {{ rate: 10/s }} }}, requests: [{{ work: {{ constant: 1ms }} }}]{more} }}]\n\
             nodes: [{{ name: worker, count: 2, cpu: 1 }}]\n\
             servers: [{{ name: web, count: 4, slots: 10, pods: {{ replicas: {replicas}, cpu: 600m, start: {{ constant: 0s }}, image_pull: {{ constant: 0s }} }} }}]\n\
             balancers:\n- {{ name: port, layer: l4, targets: [web], node: worker-2, members: {{ endpoints: {{ traffic: {traffic}, delay: {{ constant: 950ms }} }} }} }}\n\
             operations: [{{ scale: {{ group: web, replicas: 2, at: 30s }} }}]\n"
        )
    };
    let failed = |text: &str| {
        let record = once(text);
        (failed_by(&record, Failure::NoServer), failed_by(&record, Failure::Timeout), failed_by(&record, Failure::ConnectFailure))
    };
    // The pod is on the other node up to 30 s, and this one knows of its own 950 ms later.
    assert_eq!(failed(&text("local", 1, ", timeout: 500ms")), (0, 309, 0));
    assert_eq!(failed(&text("cluster", 1, ", timeout: 500ms")), (0, 0, 0));
    assert_eq!(failed(&text("local", 0, ", timeout: 500ms")), (309, 0, 0));
    // Where connections are opened, the first packet is sent again: after 1, 3, 7, 15 and 31 s.
    let record = once(&text("local", 1, ", connections: { streams: 1 }"));
    assert_eq!((record.requests.failed(), record.unfinished), (0, 0));
    // What is sent at 0.1 s comes through at 31.1 s, and what at 16.1 s, too: 15 s later.
    let longest = record.classes[0].latency.max_ms().expect("all are answered");
    assert!((longest - 31_001.0).abs() < 1.0, "{longest}");
}

/// A cookie survives a scale-out, and a hash does not: of four pods and then five, modulo leaves a fifth of the users where they were, and a
/// ring takes a fifth of them away.
#[test]
fn a_cookie_survives_a_scale_out_and_a_hash_does_not() {
    // 2,000 users, each of whom asks some fifty times before and after.
    let moved = |balancer: &str| {
        let record = once(&format!(
            "duration: 200s\nclients: [{{ name: c, population: 2000, arrivals: {{ deterministic: {{ rate: 1000/s }} }}, requests: [{{ work: {{ constant: 1us }} }}] }}]\n\
             servers: [{{ name: web, count: 8, slots: 100, pods: {{ replicas: 4, start: {{ constant: 1s }}, image_pull: {{ constant: 0s }} }} }}]\n\
             balancers: [{{ name: lb, targets: [web], members: {{ endpoints: {{ delay: {{ constant: 1s }} }} }}, {balancer} }}]\n\
             operations: [{{ scale: {{ group: web, replicas: 5, at: 100s }} }}]\n"
        ));
        assert_eq!((record.requests.failed(), record.servers[4].attempts > 1000), (0, !balancer.contains("cookie")), "{balancer}");
        record.affinity.requests_moved
    };
    assert_eq!(moved("sticky: { cookie: {} }"), 0);
    // Binomial: standard deviation 18; five of them.
    let modulo = moved("algorithm: session_hash");
    assert!(modulo.abs_diff(1600) < 90, "{modulo}");
    // The new pod's share of the ring is a fifth, give or take a third of that by where its points lie.
    let ring = moved("algorithm: consistent_hash");
    assert!((200..=600).contains(&ring), "{ring}");
}

/// A check of a node port reaches a pod, or nobody: by TCP, too.
#[test]
fn a_tcp_check_of_a_node_port_fails_where_there_is_no_endpoint() {
    let views = |traffic: &str, replicas: u32, timeout: &str| {
        let record = once(&format!(
            "duration: 1m\nclients: [{{ name: c, timeout: 1s, arrivals: {{ deterministic: {{ rate: 10/s }} }}, requests: [{{ work: {{ constant: 1ms }} }}] }}]\n\
             nodes: [{{ name: worker, count: 2, cpu: 1 }}]\n\
             servers: [{{ name: web, count: 4, slots: 10, pods: {{ replicas: {replicas}, cpu: 600m }} }}]\n\
             balancers:\n\
             - {{ name: lb, layer: l4, targets: [p1, p2], members: {{ target_group: {{}} }}, health_check: {{ tcp: {{}}, interval: 10s, timeout: {timeout}, \
             phase: zero, unhealthy_after: 2 }} }}\n\
             - {{ name: p1, layer: l4, targets: [web], node: worker-1, members: {{ endpoints: {{ traffic: {traffic} }} }} }}\n\
             - {{ name: p2, layer: l4, targets: [web], node: worker-2, members: {{ endpoints: {{ traffic: {traffic} }} }} }}\n"
        ));
        states(&record, 0, TargetState::Unhealthy)
    };
    // Dropped: each check runs into its timeout. Refused: at once.
    assert_eq!(views("local", 1, "3s"), [13.0]);
    assert_eq!(views("cluster", 1, "3s"), Vec::<f64>::new());
    assert_eq!(views("cluster", 0, "3s"), [10.0, 10.0]);
}

// ---- Autoscaling ------------------------------------------------------------------------------------------------------

fn autoscaled(work: &str, replicas: u32, autoscale: &str) -> RunRecord {
    once(&format!(
        "duration: 10m\n\
         clients: [{{ name: c, arrivals: {{ deterministic: {{ rate: 100/s }} }}, requests: [{{ work: {{ constant: {work} }} }}] }}]\n\
         servers: [{{ name: web, count: 20, slots: 10, pods: {{ replicas: {replicas}, pre_stop: 2s, {READINESS}, autoscale: {{ {autoscale} }} }} }}]\n\
         balancers: [{{ name: lb, targets: [web], members: {{ endpoints: {{}} }} }}]\n"
    ))
}

#[test]
fn the_autoscaler_wants_what_the_formula_says_when_its_figures_are_full() {
    // 100 requests a second of 50 ms keep 5 of 10 slots busy: half. ceil(1 x 50 % / 10 %) = 5, and from 1 it may go up by 4 pods in 15 s.
    // At 15 s there are no figures yet; at 30 s there are those of the first 15 s.
    let record = autoscaled("50ms", 1, "max: 10, utilization: 10%, scale_up: {}");
    assert_eq!(phases(&record, PodPhase::Pending)[1..], [30.0; 4]);
    assert_eq!((record.pods[0].ready_max, record.pods[0].started), (5, 4));
    // Without any rules it goes to 4 at most, and to 5 at the next decision: the wish is not forgotten.
    let record = autoscaled("50ms", 1, "max: 10, utilization: 10%");
    assert_eq!(phases(&record, PodPhase::Pending)[1..], [30.0, 30.0, 30.0, 45.0]);
    assert_eq!((record.pods[0].ready_max, record.pods[0].started), (5, 4));
    // By requests at a pod: 5 in the mean, of which 0.5 are wanted: 10. Four pods at 30 s, then as many again as there are; new ones count
    // as soon as they have figures of a whole window.
    let record = autoscaled("50ms", 1, "max: 12, in_flight: 0.5, scale_down: {}");
    assert_eq!(phases(&record, PodPhase::Pending)[1..5], [30.0; 4]);
    assert_eq!(record.pods[0].ready_max, 10);
    // Never beyond the most.
    assert_eq!(autoscaled("50ms", 1, "max: 3, in_flight: 0.5").pods[0].ready_max, 3);
    // Within the tolerance of 10 % nothing happens: 5 over 5.4.
    assert_eq!(autoscaled("50ms", 1, "max: 12, in_flight: 5.4").pods[0].started, 0);
    assert_eq!(autoscaled("50ms", 1, "max: 12, in_flight: 4.4").pods[0].started, 1);
}

#[test]
fn the_autoscaler_goes_down_when_the_window_has_forgotten() {
    // 5 pods at 1 %, of which 10 % are wanted: 1. The number it was found with at 15 s holds it up for 300 s.
    let record = autoscaled("5ms", 5, "max: 10, utilization: 10%, scale_down: {}");
    assert_eq!(phases(&record, PodPhase::Terminating), [315.0; 4]);
    // Without rules what is exactly as old as the window still counts.
    let record = autoscaled("5ms", 5, "max: 10, utilization: 10%");
    assert_eq!(phases(&record, PodPhase::Terminating), [330.0; 4]);
    assert_eq!((record.pods[0].ready_min, record.requests.failed()), (Some(1), 0));
    let record = autoscaled("5ms", 5, "max: 10, utilization: 10%, scale_down: { window: 60s, policies: [{ change: 1, period: 60s }] }");
    assert_eq!(phases(&record, PodPhase::Terminating), [75.0, 135.0, 195.0, 255.0]);
    assert_eq!(autoscaled("5ms", 5, "max: 10, utilization: 10%, scale_down: { select: disabled }").pods[0].ready_min, Some(5));
}

// ---- All together -----------------------------------------------------------------------------------------------------

#[test]
fn the_number_of_threads_shows_nowhere() {
    let pods = format!("replicas: 4, on_term: exit, {READINESS}, liveness_probe: {{ http: / }}, autoscale: {{ max: 8, in_flight: 0.02 }}");
    let more = "faults: [{ crash: { server: web, mtbf: { exponential: { mean: 60s } }, mttr: { exponential: { mean: 10s } } } }, \
                { blackhole: { node: worker-1, at: 30s, for: 60s } }]\noperations: [{ rollout: { group: web, at: 20s } }]\n";
    let text = on_nodes("3m", "count: 3", 16, &pods, more);
    let told = |threads: usize| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        let runs = pool.install(|| replications(&text, 8));
        runs.iter().map(|run| format!("{}\n{:?}\n{:?}", figures(run), run.pods, run.history)).collect::<Vec<_>>()
    };
    let one = told(1);
    assert!(one == told(3));
    assert!(one[0] != one[1]);
}
