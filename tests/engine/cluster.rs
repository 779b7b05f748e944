//! Pods, their nodes and controllers: what a rollout, a crash, a lost node, an autoscaler and a drain do to requests, by arithmetic.

use crate::trial::{failed_by, once, replications};
use lbsim::measure::RunRecord;
use lbsim::measure::history::{PodPhase, TargetState};
use lbsim::scenario::Failure;

/// A scenario with one group of pods `web` behind one balancer `lb`, 100 requests a second of 1 ms each.
struct Setup<'a> {
    duration: &'a str,
    count: u32,
    pods: &'a str,
    members: &'a str,
    more: &'a str,
}

fn scenario(setup: &Setup) -> String {
    let Setup { duration, count, pods, members, more } = setup;
    format!(
        "duration: {duration}\n\
         clients: [{{ name: c, arrivals: {{ deterministic: {{ rate: 100/s }} }}, requests: [{{ work: {{ constant: 1ms }} }}] }}]\n\
         servers: [{{ name: web, count: {count}, slots: 10, pods: {{ {pods} }} }}]\n\
         balancers: [{{ name: lb, targets: [web], members: {{ {members} }} }}]\n{more}"
    )
}

const ROLLOUT: &str = "operations: [{ rollout: { group: web, at: 10s } }]\n";

/// When pods came into a phase, in the first replication, in seconds.
fn phases(record: &RunRecord, phase: PodPhase) -> Vec<f64> {
    let history = record.history.as_ref().expect("the first replication has a history");
    history.pods.iter().filter(|moment| moment.phase == phase).map(|moment| moment.at.as_secs_f64()).collect()
}

#[test]
fn a_rollout_without_pre_stop_loses_what_is_sent_until_the_news_arrives() {
    // Each of 4 pods gets a quarter of 100 requests a second, and after its exit for 800 ms more: 20 each, give or take one at each end.
    let pods = "replicas: 4, on_term: exit, start: { constant: 2s }, image_pull: { constant: 5s }, \
                readiness_probe: { tcp: {}, period: 1s }, rolling_update: { max_surge: 1, max_unavailable: 0 }";
    let record =
        once(&scenario(&Setup { duration: "2m", count: 10, pods, members: "endpoints: { delay: { constant: 800ms } }", more: ROLLOUT }));
    let failed = failed_by(&record, Failure::ConnectFailure);
    println!("{} {:?} {:?}", failed, record.requests, record.pods);
    println!("{:?}", record.history.as_ref().unwrap().pods);
}
