//! Probes of the containers by the kubelet of their node: they meet the server as it is then.

use super::event::ClusterEvent;
use super::plan::ProbePlan;
use crate::control::probe::{Change, Kind};
use crate::model::checker::{Encounter, STATUS_OK, encounter};
use crate::model::connection::NEVER;
use crate::model::event::Event;
use crate::model::plan::TargetRef;
use crate::model::world::{Check, World};
use crate::scenario::StatusRange;
use crate::units::{Span, Time};

impl World {
    pub(super) fn schedule_first_probe(&mut self, server: u32, kind: Kind) {
        let Some(pod) = self.cluster().pod(server) else { return };
        let Some(probe) = pod.probes.settings(kind) else { return };
        let phase = pod.rounds[kind as usize];
        let at = if pod.is_old { phase } else { probe.first(pod.container_started, phase) };
        let run = pod.run;
        self.schedule_probe(server, kind, run, at);
    }

    fn schedule_probe(&mut self, server: u32, kind: Kind, run: u32, at: Time) {
        if let (Kind::Readiness, Some(pod)) = (kind, self.cluster_mut().pod_mut(server)) {
            pod.readiness_due = at;
        }
        self.schedule_cluster(at, ClusterEvent::ProbeStarts { server, kind, run });
    }

    fn probe_plan(&self, server: u32, kind: Kind) -> Option<ProbePlan> {
        let cluster = self.cluster();
        let group = &cluster.plan.groups[cluster.slots[server as usize].group as usize];
        match kind {
            Kind::Startup => group.startup,
            Kind::Readiness => group.readiness,
            Kind::Liveness => group.liveness,
        }
    }

    pub(super) fn probe_starts(&mut self, server: u32, kind: Kind, run: u32) {
        let now = self.now();
        let Some(plan) = self.probe_plan(server, kind) else { return };
        let Some(pod) = self.cluster_mut().pod_mut(server).filter(|pod| pod.run == run) else { return };
        if kind == Kind::Readiness {
            if pod.readiness_due != now {
                return; // Its rounds have begun anew.
            }
            pod.readiness_due = NEVER;
        }
        let Some(pod) = self.cluster().pod(server) else { return };
        // A pod that terminates is not restarted, but whether it serves is still of interest.
        let is_over = match kind {
            Kind::Startup => pod.probes.has_started() || pod.is_ending,
            Kind::Liveness => pod.is_ending,
            Kind::Readiness => false,
        };
        if is_over {
            return;
        }
        let age = if pod.is_old { Span(u64::MAX) } else { now - pod.container_started };
        if !pod.probes.runs(kind, age) || self.cluster().is_lost(pod.node) {
            return self.schedule_probe(server, kind, run, now + plan.probe.period);
        }
        let condition = self.condition(TargetRef::Server(server), plan.is_http);
        let check = self.checks.insert(Check::Probe { server, kind, run, started: now });
        let check = self.checks.at(check);
        match encounter(plan.is_http, plan.joins_queue, StatusRange::default(), condition) {
            Encounter::Answered { passes } => self.check_ends(check, passes),
            Encounter::Silence => self.calendar.schedule(now + plan.probe.timeout, Event::CheckEnds { check, passed: false }),
            Encounter::Queues => {
                self.calendar.schedule(now + plan.probe.timeout, Event::CheckEnds { check, passed: false });
                self.check_joins_queue(check, TargetRef::Server(server));
            }
        }
    }

    /// The answer to a probe that has waited in the server's queue.
    pub(in crate::model) fn queued_probe_passes(passed: bool) -> bool {
        let expected = StatusRange::default();
        passed && (expected.first..=expected.last).contains(&STATUS_OK)
    }

    pub(in crate::model) fn probe_ends(&mut self, server: u32, kind: Kind, run: u32, started: Time, passed: bool) {
        let now = self.now();
        let Some(plan) = self.probe_plan(server, kind) else { return };
        let Some(pod) = self.cluster_mut().pod_mut(server).filter(|pod| pod.run == run) else { return };
        let change = pod.probes.concludes(kind, passed);
        let next = (started + plan.probe.period).max(now);
        self.schedule_probe(server, kind, run, next);
        match change {
            None => {}
            Some(Change::Restart) => self.end_container(server),
            Some(Change::Ready | Change::NotReady) => self.refresh_readiness(server),
            Some(Change::Started) => {
                // Once a container has started, the kubelet does not wait for the next round to see whether it is ready: the rounds begin anew.
                if self.probe_plan(server, Kind::Readiness).is_some() {
                    self.schedule_probe(server, Kind::Readiness, run, now);
                }
                self.refresh_readiness(server);
            }
        }
    }
}
