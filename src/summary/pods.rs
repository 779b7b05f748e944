//! Pods in the summary, and what became of them over time for the pictures.

use super::Figure;
use super::summarise::Runs;
use crate::compile::Compiled;
use crate::measure::PodRecord;
use crate::measure::history::{History, PodPhase, TargetState};
use crate::model::plan::TargetRef;
use serde::{Deserialize, Serialize};

/// A group of pods, after the warm-up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PodSummary {
    /// The server group.
    pub group: String,
    /// Pods created.
    pub started: Figure,
    /// Containers that were started again.
    pub restarts: Figure,
    /// Pods that a drain or the loss of a node took away.
    pub evicted: Figure,
    /// Ready pods: time average, least and most.
    pub ready_mean: Figure,
    pub ready_min: Figure,
    pub ready_max: Figure,
    /// From a pod's creation to its being ready for the first time, mean; `null` where no pod came so far.
    pub ready_after_s: Figure,
    /// From a rollout's beginning until all pods are of its version and available; `null` where none was completed.
    pub rollout_s: Figure,
    /// Requests that failed because a pod was started, ended or taken out as planned. They are in no fault's account.
    pub failed_requests: Figure,
    /// Share of the replications in which a pod had to wait because all places of the group (`count`) were taken.
    pub waited_for_place: Figure,
}

pub(super) fn pods(variant: &Compiled, runs: Runs) -> Vec<PodSummary> {
    let Some(cluster) = &variant.topology.cluster else { return Vec::new() };
    let summary = cluster.groups.iter().enumerate().map(|(index, group)| PodSummary {
        group: group.name.clone(),
        started: runs.count(|run| run.pods[index].started),
        restarts: runs.count(|run| run.pods[index].restarts),
        evicted: runs.count(|run| run.pods[index].evicted),
        ready_mean: runs.average(|run| Some(run.pods[index].ready_mean)),
        ready_min: runs.average(|run| run.pods[index].ready_min.map(f64::from)),
        ready_max: runs.average(|run| Some(f64::from(run.pods[index].ready_max))),
        ready_after_s: runs.average(|run| PodRecord::mean(run.pods[index].ready_after)),
        rollout_s: runs.average(|run| PodRecord::mean(run.pods[index].rollouts)),
        failed_requests: runs.count(|run| run.pods[index].failed_requests),
        waited_for_place: runs.share(|run| Some(f64::from(u8::from(run.pods[index].waited_for_slot)))),
    });
    summary.collect()
}

/// A pod came into a phase, in the first replication.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PodChange {
    pub at_s: f64,
    /// The place of the pod: a later one may have the same.
    pub pod: String,
    /// `pending`, `pulling`, `starting`, `running` (not ready), `ready`, `back_off`, `terminating`, `gone`.
    pub phase: String,
}

/// A target came into a state at a balancer that knows its members, in the first replication.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetChange {
    pub at_s: f64,
    pub balancer: String,
    pub target: String,
    /// `initial`, `healthy`, `unhealthy`, `draining`, `out` (no member).
    pub state: String,
}

fn phase(phase: PodPhase) -> &'static str {
    match phase {
        PodPhase::Pending => "pending",
        PodPhase::Pulling => "pulling",
        PodPhase::Starting => "starting",
        PodPhase::Running => "running",
        PodPhase::Ready => "ready",
        PodPhase::BackOff => "back_off",
        PodPhase::Terminating => "terminating",
        PodPhase::Gone => "gone",
    }
}

fn state(state: TargetState) -> &'static str {
    match state {
        TargetState::Initial => "initial",
        TargetState::Healthy => "healthy",
        TargetState::Unhealthy => "unhealthy",
        TargetState::Draining => "draining",
        TargetState::Out => "out",
    }
}

/// The changes within the run, at most so many of each.
pub(super) fn changes(variant: &Compiled, history: Option<&History>, most: usize) -> (Vec<PodChange>, Vec<TargetChange>) {
    let Some(history) = history else { return (Vec::new(), Vec::new()) };
    let topology = &variant.topology;
    let pods = history.pods.iter().filter(|moment| moment.at <= variant.duration).take(most).map(|moment| PodChange {
        at_s: moment.at.as_secs_f64(),
        pod: topology.servers[moment.server as usize].name.clone(),
        phase: phase(moment.phase).to_owned(),
    });
    let targets = history.targets.iter().filter(|moment| moment.at <= variant.duration).take(most).map(|moment| {
        let balancer = &topology.balancers[moment.balancer as usize];
        let target = match balancer.targets[moment.target as usize] {
            TargetRef::Server(server) => &topology.servers[server as usize].name,
            TargetRef::Balancer(inner) => &topology.balancers[inner as usize].name,
        };
        TargetChange {
            at_s: moment.at.as_secs_f64(),
            balancer: balancer.name.clone(),
            target: target.clone(),
            state: state(moment.state).to_owned(),
        }
    });
    (pods.collect(), targets.collect())
}
