//! The life of a pod on its node: the image, the container's start, crashes and restarts, and its end.

use super::event::Timer;
use super::{Phase, Pod, planned};
use crate::control::crash_loop::{self, CrashLoop};
use crate::control::defaults::pod::PRE_STOP_EXTENSION;
use crate::control::probe::{Kind, Probes};
use crate::model::client::NONE;
use crate::model::connection::NEVER;
use crate::model::data_plane::Ending;
use crate::model::server::Presence;
use crate::model::world::World;
use crate::rng;
use crate::scenario::OnTerm;
use crate::units::{Span, Time};

impl World {
    /// A new pod of a version, without a node yet; its slot. `None`: there is none for it.
    pub(super) fn create_pod(&mut self, group: u32, version: u32) -> Option<u32> {
        let now = self.now();
        let server = self.free_slot(group)?;
        let cluster = self.cluster_mut();
        let plan = cluster.plan.clone();
        let plan = &plan.groups[group as usize];
        let probe = |of: &Option<super::plan::ProbePlan>| of.as_ref().map(|plan| plan.probe);
        let pod = Pod {
            birth: cluster.token(),
            version,
            created: now,
            node: NONE,
            phase: Phase::Pending,
            run: 0,
            container_started: now,
            started: None,
            probes: Probes::new(probe(&plan.startup), probe(&plan.readiness), probe(&plan.liveness)),
            rounds: [now; 3],
            readiness_due: NEVER,
            crash_loop: CrashLoop::default(),
            is_terminating: false,
            is_ending: false,
            is_old: false,
            is_ready: false,
            ready_changed: now,
            was_ready: false,
            gates: vec![false; plan.gates.len()],
        };
        cluster.slots[server as usize].pod = Some(pod);
        self.stand(server, Presence::Absent, Some(planned(group)));
        self.show_pod(server);
        self.wake_scheduler();
        Some(server)
    }

    /// The slot that has been free the longest, so that a name comes back as late as can be.
    fn free_slot(&self, group: u32) -> Option<u32> {
        let cluster = self.cluster();
        let free = cluster.plan.groups[group as usize].servers.iter().copied().filter(|server| cluster.pod(*server).is_none());
        free.min_by_key(|server| cluster.slots[*server as usize].freed)
    }

    /// A pod of the start: it has been running and ready for ever. Without room on the nodes it waits for some.
    pub(super) fn create_running_pod(&mut self, group: u32) {
        let version = self.cluster().groups[group as usize].version;
        let Some(server) = self.create_pod(group, version) else { return };
        if !self.place_pod(server) {
            return;
        }
        let cluster = self.cluster_mut();
        let slot = &mut cluster.slots[server as usize];
        let Some(pod) = &mut slot.pod else { return };
        for kind in [Kind::Startup, Kind::Readiness, Kind::Liveness] {
            let Some(period) = pod.probes.settings(kind).map(|probe| probe.period) else { continue };
            pod.rounds[kind as usize] = Time((period.0 as f64 * rng::unit(&mut slot.rng)) as u64);
            // It passed them all before the run began.
            let passes = pod.probes.settings(kind).map_or(0, |probe| probe.success_threshold);
            for _ in 0..passes {
                pod.probes.concludes(kind, true);
            }
        }
        pod.gates.fill(true);
        pod.was_ready = true;
        pod.is_old = true;
        pod.phase = Phase::Running;
        pod.started = Some(Time::ZERO);
        let (node, version) = (pod.node, pod.version);
        cluster.add_image(node, group, version, Time::ZERO);
        self.container_runs(server);
        self.stand(server, Presence::Serving, None);
        self.refresh_readiness(server);
    }

    pub(super) fn pod_timer(&mut self, server: u32, timer: Timer, token: u32) {
        let slot = &mut self.cluster_mut().slots[server as usize];
        if slot.timers[timer as usize] != token {
            return;
        }
        slot.timers[timer as usize] = 0;
        let group = slot.group;
        match timer {
            Timer::Pulled => self.start_container(server),
            Timer::Listens => self.container_listens(server),
            Timer::Restarts => {
                let now = self.now();
                self.cluster_mut().groups[group as usize].figures.restarted(now);
                self.start_container(server);
            }
            Timer::Term => self.signal_term(server),
            Timer::Kill => self.container_exits(server, self.cause_of_end(server)),
            Timer::Available => self.wake(group),
        }
    }

    /// The kubelet of its node hears of a pod.
    pub(super) fn pod_bound(&mut self, server: u32) {
        let now = self.now();
        let cluster = self.cluster_mut();
        let plan = cluster.plan.clone();
        let slot = &mut cluster.slots[server as usize];
        let (group, Some(pod)) = (slot.group, &mut slot.pod) else { return };
        pod.rounds = [now; 3];
        pod.phase = Phase::Pulling;
        let (node, version) = (pod.node, pod.version);
        let at = match cluster.image_at(node, group, version) {
            Some(at) => at.max(now),
            None => {
                let at = now + plan.groups[group as usize].image_pull.sample(&mut cluster.slots[server as usize].rng);
                cluster.add_image(node, group, version, at);
                at
            }
        };
        if at > now {
            self.set_pod_timer(server, Timer::Pulled, at - now);
            self.show_pod(server);
        } else {
            self.start_container(server);
        }
    }

    pub(super) fn start_container(&mut self, server: u32) {
        let now = self.now();
        let cluster = self.cluster_mut();
        let plan = cluster.plan.clone();
        let slot = &mut cluster.slots[server as usize];
        let (group, Some(pod)) = (slot.group, &mut slot.pod) else { return };
        pod.phase = Phase::Starting;
        pod.is_old = false;
        pod.started.get_or_insert(now);
        pod.probes.restart();
        let start = plan.groups[group as usize].start.sample(&mut slot.rng);
        self.end_hangs(server);
        self.show_pod(server);
        self.container_runs(server);
        if self.servers[server as usize].rare.crashes > 0 {
            return self.container_exits(server, self.blame_server(server));
        }
        self.set_pod_timer(server, Timer::Listens, start);
        self.refresh_readiness(server);
    }

    /// A container runs from now on: its probes begin.
    fn container_runs(&mut self, server: u32) {
        let now = self.now();
        let cluster = self.cluster_mut();
        let run = cluster.token();
        let Some(pod) = cluster.pod_mut(server) else { return };
        (pod.run, pod.container_started, pod.is_ending) = (run, now, false);
        for kind in [Kind::Startup, Kind::Readiness, Kind::Liveness] {
            self.schedule_first_probe(server, kind);
        }
    }

    fn container_listens(&mut self, server: u32) {
        let Some(pod) = self.cluster_mut().pod_mut(server) else { return };
        pod.phase = Phase::Running;
        self.stand(server, Presence::Serving, None);
        self.show_pod(server);
    }

    /// The process of a server is gone: crashed, killed, or at its own end. What it had is reset.
    pub(super) fn container_exits(&mut self, server: u32, by: u32) {
        let now = self.now();
        let Some(pod) = self.cluster_mut().pod_mut(server).filter(|pod| pod.run != 0) else { return };
        let ran = if pod.is_old { Span(u64::MAX) } else { now - pod.container_started };
        pod.run = 0;
        let (is_terminating, wait) = (pod.is_terminating, pod.crash_loop.ended(ran, &crash_loop::Settings::default()));
        pod.phase = Phase::BackOff;
        self.stop_timers(server, &[Timer::Listens, Timer::Term, Timer::Kill]);
        self.stand(server, Presence::Absent, Some(by));
        self.servers[server as usize].rare.incarnation += 1;
        self.empty_server(server, by, true);
        if is_terminating {
            return self.tell_end(server);
        }
        self.set_pod_timer(server, Timer::Restarts, wait);
        self.refresh_readiness(server);
        self.show_pod(server);
    }

    /// A pod is deleted: its endpoints and its container are told at the same moment.
    pub(super) fn terminate(&mut self, server: u32) {
        let Some(pod) = self.cluster_mut().pod_mut(server).filter(|pod| !pod.is_terminating) else { return };
        pod.is_terminating = true;
        let node = pod.node;
        self.stop_timers(server, &[Timer::Pulled, Timer::Restarts, Timer::Available]);
        self.refresh_readiness(server);
        self.show_pod(server);
        // A kubelet that is cut off hears of it when it is back.
        if !self.cluster().is_lost(node) {
            self.end_pod(server);
        }
    }

    /// The kubelet ends a pod that is deleted.
    pub(super) fn end_pod(&mut self, server: u32) {
        let Some(pod) = self.cluster().pod(server) else { return };
        if pod.run == 0 { self.pod_gone(server) } else { self.end_container(server) }
    }

    /// The last container of a pod that is deleted has ended. A kubelet that is cut off tells so when it is back.
    fn tell_end(&mut self, server: u32) {
        let node = self.cluster().pod(server).map_or(NONE, |pod| pod.node);
        if !self.cluster().is_lost(node) {
            self.pod_gone(server);
        }
    }

    /// preStop, then SIGTERM, and SIGKILL when the grace is over.
    pub(super) fn end_container(&mut self, server: u32) {
        let cluster = self.cluster_mut();
        let plan = cluster.plan.clone();
        let slot = &mut cluster.slots[server as usize];
        let (group, Some(pod)) = (slot.group, &mut slot.pod) else { return };
        if std::mem::replace(&mut pod.is_ending, true) {
            return;
        }
        let plan = &plan.groups[group as usize];
        let overruns = plan.pre_stop > Span::ZERO && plan.pre_stop >= plan.grace;
        let kill = if overruns { plan.grace + PRE_STOP_EXTENSION } else { plan.grace };
        self.set_pod_timer(server, Timer::Kill, kill);
        match plan.pre_stop.min(plan.grace) {
            Span::ZERO => self.signal_term(server),
            pre_stop => self.set_pod_timer(server, Timer::Term, pre_stop),
        }
    }

    fn signal_term(&mut self, server: u32) {
        let cluster = self.cluster_mut();
        let plan = cluster.plan.clone();
        let slot = &mut cluster.slots[server as usize];
        let (group, Some(pod)) = (slot.group, &mut slot.pod) else { return };
        match plan.groups[group as usize].on_term {
            OnTerm::Ignore => {}
            OnTerm::Drain if pod.phase == Phase::Running => {
                pod.phase = Phase::Draining;
                self.stand(server, Presence::Draining, Some(self.cause_of_end(server)));
                self.close_connections_to(server, Ending::Clean);
                self.server_rests(server);
            }
            OnTerm::Drain | OnTerm::Exit => {
                // A process that hangs does not hear it.
                if self.servers[server as usize].rare.hangs == 0 {
                    self.container_exits(server, self.cause_of_end(server));
                }
            }
        }
    }

    /// What is to blame for the end of a container: a fault that is active, unless its pod is deleted anyhow.
    fn cause_of_end(&self, server: u32) -> u32 {
        let cluster = self.cluster();
        let is_terminating = cluster.pod(server).is_some_and(|pod| pod.is_terminating);
        let fault = self.servers[server as usize].rare.faults.last().copied().filter(|_| !is_terminating);
        fault.unwrap_or(planned(cluster.slots[server as usize].group))
    }

    /// Something in a troubled server has ended: one that drains and has nothing left ends itself.
    #[inline(never)]
    pub(in crate::model) fn server_rests(&mut self, server: u32) {
        let state = &self.servers[server as usize];
        let is_done = state.rare.presence == Presence::Draining && state.busy + state.waiting == 0 && state.rare.hangs == 0;
        if is_done {
            // After what happens now: the last answer is still on its way out.
            self.set_pod_timer(server, Timer::Kill, Span::ZERO);
        }
    }

    /// A pod has ended for good; its slot is free for another one.
    pub(super) fn pod_gone(&mut self, server: u32) {
        let now = self.now();
        let cluster = self.cluster_mut();
        let plan = cluster.plan.clone();
        let slot = &mut cluster.slots[server as usize];
        let (group, Some(pod)) = (slot.group, slot.pod.take()) else { return };
        slot.freed = now;
        slot.timers.fill(0);
        cluster.leave_node(pod.node, plan.groups[group as usize].request);
        self.leaves_address(server, pod.node);
        let place = plan.places[server as usize];
        self.set_place(server, place);
        self.leaves_struck_node(server);
        self.forget_users_of(server);
        self.pod_changed(server);
        self.show_pod(server);
        self.node_may_go(pod.node);
        self.wake(group);
        self.wake_scheduler();
    }

    /// What the cluster's API says of a pod may have changed.
    pub(super) fn refresh_readiness(&mut self, server: u32) {
        let now = self.now();
        let cluster = self.cluster_mut();
        let plan = cluster.plan.clone();
        let (group, Some(pod)) = (cluster.slots[server as usize].group, cluster.pod(server)) else { return };
        let is_ready = if pod.is_terminating || cluster.is_unknown(pod.node) {
            false
        } else if cluster.is_lost(pod.node) {
            // Nobody has noticed yet.
            pod.is_ready
        } else {
            pod.run != 0 && pod.probes.is_ready() && pod.gates.iter().all(|passed| *passed)
        };
        let slot = &mut cluster.slots[server as usize];
        let Some(pod) = &mut slot.pod else { return };
        if is_ready != pod.is_ready {
            (pod.is_ready, pod.ready_changed) = (is_ready, now);
            let figures = &mut cluster.groups[group as usize].figures;
            figures.ready_changes(if is_ready { 1 } else { -1 }, now);
            if is_ready && !std::mem::replace(&mut pod.was_ready, true) {
                figures.became_ready(now - pod.created, now);
            }
            let min_ready = plan.groups[group as usize].min_ready;
            if is_ready && min_ready > Span::ZERO {
                self.set_pod_timer(server, Timer::Available, min_ready);
            }
            self.wake(group);
            self.show_pod(server);
        }
        self.pod_changed(server);
    }
}
