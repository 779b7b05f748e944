//! Who of its targets a balancer knows as members: endpoints that are ready, told with a delay, or targets that a controller registers.
//!
//! What changes at a pod is written into a *condition*; each balancer that cares is sent it as news, which arrives later. News that is
//! overtaken by newer news is dropped. From what it knows a balancer works out its members: those it may send new requests to, as far as
//! its health checks let it.

use super::event::ClusterEvent;
use super::hints::Written;
use super::plan::MembersKind;
use super::{Cluster, Slot};
use crate::control::endpoints::{self, Proxy};
use crate::measure::history::{TargetMoment, TargetState};
use crate::model::balancer::{Balancer, Bar};
use crate::model::checker::Checker;
use crate::model::client::NONE;
use crate::model::event::Ref;
use crate::model::places::{NOWHERE, Place, is_in_zone_of};
use crate::model::plan::TargetRef;
use crate::model::world::World;
use crate::rng::{self, Rng};

/// What can be known of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) struct Condition {
    /// Which pod it is; 0: none is there.
    birth: u32,
    pub(super) is_ready: bool,
    pub(super) is_serving: bool,
    pub(super) is_terminating: bool,
    pub(super) place: Place,
}

pub(super) const NOBODY: Condition = Condition { birth: 0, is_ready: false, is_serving: false, is_terminating: false, place: NOWHERE };

/// A change on its way to a balancer.
pub(in crate::model) struct News {
    pub(super) balancer: u32,
    /// `NONE`: the nodes have changed.
    pub(super) target: u32,
    pub(super) number: u32,
    pub(super) condition: Condition,
    /// Where hints go by the zones' processors: those of the moment at which it was written.
    pub(super) zones: Option<Written>,
}

/// A balancer's knowledge of its targets.
pub(in crate::model) struct Members {
    /// By target: what it was told last, and the number of that.
    told: Vec<(Condition, u32)>,
    /// What has arrived.
    pub(super) known: Vec<(Condition, u32)>,
    pub(super) is_member: Vec<bool>,
    /// The zone that each ready target is meant for, in their order; where hints go by the zones' processors, and are possible.
    pub(super) hints: Option<Vec<u32>>,
    /// What they go by: of the latest news that has come.
    pub(super) zones: Written,
    /// By target: the token of the end of its draining; 0: it does not drain.
    pub(super) draining: Vec<u32>,
    pub(super) rng: Rng,
    /// The checker of the first target, or, without checks, a number for the failover tracker.
    pub first_pair: u32,
    pub has_checks: bool,
}

impl Members {
    pub fn is_member(&self, target: u32) -> bool {
        self.is_member[target as usize]
    }

    /// Which pod a target is, as far as is known.
    pub(super) fn knows(&self, target: u32) -> Option<u32> {
        Some(self.known[target as usize].0.birth).filter(|birth| *birth != NOBODY.birth)
    }
}

impl World {
    /// Everybody knows how it stands at the start.
    pub(super) fn begin_members(&mut self) {
        let plan = self.cluster().plan.clone();
        let topology = self.topology.clone();
        for (balancer, members) in plan.members.iter().enumerate() {
            let balancer_plan = &topology.balancers[balancer];
            let n = balancer_plan.targets.len();
            let rng = rng::stream(self.plan.seed, self.plan.replication, &format!("balancer/{}/members", balancer_plan.name));
            let state = members.as_ref().map(|_| Members {
                told: vec![(NOBODY, 0); n],
                known: vec![(NOBODY, 0); n],
                is_member: vec![false; n],
                hints: None,
                zones: Written::default(),
                draining: vec![0; n],
                rng,
                first_pair: NONE,
                has_checks: balancer_plan.check.is_some(),
            });
            self.cluster_mut().members.push(state);
        }
        for balancer in 0..plan.members.len() as u32 {
            self.begin_balancer(balancer);
        }
    }

    fn begin_balancer(&mut self, balancer: u32) {
        if self.cluster().members[balancer as usize].is_none() {
            return;
        }
        let n = self.balancers[balancer as usize].to.len();
        for target in 0..n as u32 {
            let condition = self.condition_of(balancer, target);
            if let Some(members) = &mut self.cluster_mut().members[balancer as usize] {
                (members.told[target as usize].0, members.known[target as usize].0) = (condition, condition);
            }
        }
        self.bar_other_zones(balancer);
        let zones = self.cluster_mut().write_zones(balancer);
        self.cluster_mut().refresh_hints(balancer, zones, false);
        let is_member = self.cluster().members_by_knowledge(balancer);
        for target in (0..n as u32).filter(|target| is_member[*target as usize]) {
            self.show_target(balancer, target, TargetState::Healthy);
        }
        self.balancers[balancer as usize].set_members(&is_member, &self.topology.balancers[balancer as usize].algorithm);
        if let Some(members) = &mut self.cluster_mut().members[balancer as usize] {
            members.is_member = is_member;
        }
    }

    /// What there is to know of a target now.
    fn condition_of(&self, balancer: u32, target: u32) -> Condition {
        let cluster = self.cluster();
        let always = |place| Condition { birth: 1, is_ready: true, is_serving: true, is_terminating: false, place };
        match self.balancers[balancer as usize].to[target as usize] {
            TargetRef::Balancer(inner) => {
                let place = cluster.plan.balancers[inner as usize];
                let kind = cluster.plan.members[balancer as usize].as_ref().map(|plan| plan.kind);
                let is_in_use = |node: u32| match kind {
                    Some(MembersKind::TargetGroup { .. }) => cluster.nodes[node as usize].is_registered(),
                    _ => cluster.nodes[node as usize].is_known(),
                };
                if place.node == NONE || is_in_use(place.node) { always(place) } else { NOBODY }
            }
            TargetRef::Server(server) => {
                let place = cluster.places[server as usize];
                match &cluster.slots[server as usize] {
                    Slot { group: NONE, .. } => always(place),
                    Slot { pod: None, .. } => NOBODY,
                    Slot { pod: Some(pod), group, .. } => {
                        let passes = pod.run != 0 && pod.probes.is_ready() && !cluster.is_unknown(pod.node);
                        // A controller registers a pod that only waits for the gates, for one of which it is itself the reason.
                        let gates = &cluster.plan.groups[*group as usize].gates;
                        let is_ready = pod.is_ready || (passes && gates.contains(&balancer));
                        Condition {
                            birth: pod.birth,
                            is_ready: is_ready && !pod.is_terminating,
                            is_serving: passes,
                            is_terminating: pod.is_terminating,
                            place,
                        }
                    }
                }
            }
        }
    }

    /// Something has changed at a pod: who is concerned is told.
    pub(super) fn pod_changed(&mut self, server: u32) {
        for (balancer, target) in self.cluster().users[server as usize].clone() {
            self.tell(balancer, target);
        }
    }

    /// A node comes, goes, or is given up: balancers that stand on it are targets of others.
    pub(super) fn node_changed(&mut self, node: u32) {
        for balancer in 0..self.balancers.len() as u32 {
            if self.cluster().members[balancer as usize].is_none() {
                continue;
            }
            for target in 0..self.balancers[balancer as usize].to.len() as u32 {
                let TargetRef::Balancer(inner) = self.balancers[balancer as usize].to[target as usize] else { continue };
                if self.cluster().plan.balancers[inner as usize].node == node {
                    self.tell(balancer, target);
                }
            }
            self.tell_of_nodes(balancer);
        }
    }

    fn tell(&mut self, balancer: u32, target: u32) {
        let now = self.now();
        let condition = self.condition_of(balancer, target);
        let cluster = self.cluster_mut();
        let plan = cluster.plan.clone();
        let (Some(plan), Some(members)) =
            (&plan.members[balancer as usize], cluster.members.get_mut(balancer as usize).and_then(Option::as_mut))
        else {
            return;
        };
        let condition = match plan.kind {
            MembersKind::Endpoints { .. } => condition,
            // A controller registers what is ready, and no more is of interest.
            MembersKind::TargetGroup { .. } if condition.is_ready => condition,
            MembersKind::TargetGroup { .. } => NOBODY,
        };
        let (told, number) = &mut members.told[target as usize];
        if *told == condition {
            return;
        }
        (*told, *number) = (condition, *number + 1);
        let number = *number;
        let delay = plan.registration.as_ref().filter(|_| condition != NOBODY).unwrap_or(&plan.delay).sample(&mut members.rng);
        let zones = cluster.write_zones(balancer);
        let news = cluster.news.insert(News { balancer, target, number, condition, zones });
        let news = cluster.news.at(news);
        self.schedule_cluster(now + delay, ClusterEvent::News(news));
    }

    pub(super) fn news_arrives(&mut self, news: Ref) {
        let cluster = self.cluster_mut();
        let News { balancer, target, number, condition, ref mut zones } = cluster.news[news.index];
        let zones = zones.take();
        cluster.news.remove(news.index);
        if target == NONE {
            cluster.refresh_hints(balancer, zones, true);
            let is_member = cluster.members_by_knowledge(balancer);
            return self.change_members(balancer, &is_member);
        }
        let plan = cluster.plan.clone();
        let (Some(plan), Some(members)) = (&plan.members[balancer as usize], &mut cluster.members[balancer as usize]) else { return };
        let known = &mut members.known[target as usize];
        if number <= known.1 {
            return;
        }
        let is_another = known.0.birth != condition.birth;
        *known = (condition, number);
        let was_member = members.is_member(target);
        self.bar_other_zones(balancer);
        self.cluster_mut().refresh_hints(balancer, zones, false);
        let mut is_member = self.cluster().members_by_knowledge(balancer);
        if is_another && was_member && is_member[target as usize] {
            // Another pod in the same slot is another target.
            is_member[target as usize] = false;
            self.change_members(balancer, &is_member);
            is_member[target as usize] = true;
        }
        self.change_members(balancer, &is_member);
        if let MembersKind::TargetGroup { deregistration_delay, .. } = plan.kind
            && was_member
            && !is_member[target as usize]
        {
            self.begin_draining(balancer, target, deregistration_delay);
        }
    }

    /// A balancer that keeps to its own zone goes by where it knows its targets to be.
    fn bar_other_zones(&mut self, balancer: u32) {
        let routing = &self.topology.balancers[balancer as usize].routing;
        let World { cluster, balancers, .. } = self;
        let members = cluster.as_ref().and_then(|cluster| cluster.members[balancer as usize].as_ref());
        if let (true, Some(members)) = (routing.own_zone_only, members) {
            let is_elsewhere = |target: u32| !is_in_zone_of(routing.place, members.known[target as usize].0.place);
            balancers[balancer as usize].bar(Bar::Zone, is_elsewhere);
        }
    }

    /// The members are these from now on.
    fn change_members(&mut self, balancer: u32, is_member: &[bool]) {
        let Some(members) = &mut self.cluster_mut().members[balancer as usize] else { return };
        let changed: Vec<u32> =
            (0..is_member.len() as u32).filter(|target| members.is_member(*target) != is_member[*target as usize]).collect();
        if changed.is_empty() {
            return;
        }
        members.is_member = is_member.to_vec();
        for target in &changed {
            members.draining[*target as usize] = 0;
        }
        let has_checks = members.has_checks;
        let before: Vec<bool> = changed.iter().map(|target| self.balancers[balancer as usize].is_good(*target)).collect();
        for &target in &changed {
            let joins = is_member[target as usize];
            let state = match (joins, has_checks) {
                (false, _) => TargetState::Out,
                (true, true) => {
                    self.begin_member_checks(balancer, target);
                    if self.balancers[balancer as usize].is_healthy(target) { TargetState::Healthy } else { TargetState::Initial }
                }
                (true, false) => TargetState::Healthy,
            };
            if !joins && has_checks {
                self.end_member_checks(balancer, target);
            }
            self.show_target(balancer, target, state);
        }
        self.balancers[balancer as usize].set_members(is_member, &self.topology.balancers[balancer as usize].algorithm);
        for (&target, was_in_use) in changed.iter().zip(before) {
            self.use_changed(balancer, target, was_in_use);
            if self.balancers[balancer as usize].is_good(target) {
                self.target_is_healthy(balancer, target);
            }
        }
        self.dispatch_waiting(balancer);
    }

    /// Tells the failover tracker where a target has come into use at a balancer or fallen out of it.
    fn use_changed(&mut self, balancer: u32, target: u32, was_in_use: bool) {
        let is_in_use = self.balancers[balancer as usize].is_good(target);
        if is_in_use == was_in_use {
            return;
        }
        let now = self.now();
        // Taken out as planned is not a mistake.
        let is_well = match self.balancers[balancer as usize].to[target as usize] {
            TargetRef::Server(server) => {
                let stays = self.cluster().pod(server).is_some_and(|pod| !pod.is_terminating);
                stays && self.servers[server as usize].is_up() && self.servers[server as usize].rare.faults.is_empty()
            }
            TargetRef::Balancer(_) => false,
        };
        let Some(members) = &self.cluster().members[balancer as usize] else { return };
        let pair = members.first_pair + target;
        self.recorder.failover.rotation_changed(pair, is_in_use, is_well, now);
    }

    /// A target has become healthy at a balancer: readiness gates may wait for that.
    pub(in crate::model) fn target_is_healthy(&mut self, balancer: u32, target: u32) {
        self.show_target(balancer, target, TargetState::Healthy);
        let TargetRef::Server(server) = self.balancers[balancer as usize].to[target as usize] else { return };
        let cluster = self.cluster_mut();
        let plan = cluster.plan.clone();
        let slot = &mut cluster.slots[server as usize];
        if slot.group == NONE {
            return;
        }
        let gates = &plan.groups[slot.group as usize].gates;
        let (Some(gate), Some(pod)) = (gates.iter().position(|gate| *gate == balancer), &mut slot.pod) else { return };
        if !std::mem::replace(&mut pod.gates[gate], true) {
            self.refresh_readiness(server);
        }
    }

    /// What the health check port of a node says of a kube-proxy's service: whether an endpoint that is ready is among those it sends to.
    /// One that ends and still serves is none; a proxy whose targets neither come nor go has them all.
    /// Source: Kubernetes, KEP-1669 (proxy terminating endpoints) and pkg/proxy/healthcheck.
    pub(in crate::model) fn has_ready_endpoint(&self, balancer: u32) -> bool {
        let members = self.cluster.as_ref().and_then(|cluster| cluster.members[balancer as usize].as_ref());
        members.is_none_or(|members| {
            members.known.iter().zip(&members.is_member).any(|((condition, _), is_member)| *is_member && condition.is_ready)
        })
    }

    /// Whether a kube-proxy without an endpoint to send to says nothing: it refuses where there is none anywhere, and drops packets where
    /// a local policy leaves it none while other nodes have some.
    /// Source: Kubernetes, pkg/proxy/iptables (rules "has no endpoints" and "has no local endpoints").
    #[inline(never)]
    pub(in crate::model) fn drops(&self, balancer: u32) -> bool {
        let Some(cluster) = &self.cluster else { return false };
        let (Some(plan), Some(members)) = (&cluster.plan.members[balancer as usize], &cluster.members[balancer as usize]) else {
            return false;
        };
        let is_local = matches!(plan.kind, MembersKind::Endpoints { traffic: endpoints::TrafficPolicy::Local, .. });
        let is_usable = |condition: &Condition| condition.is_ready || (condition.is_serving && condition.is_terminating);
        is_local && !members.is_member.contains(&true) && members.known.iter().any(|(condition, _)| is_usable(condition))
    }

    /// Keeps what a picture shows of a target.
    pub(in crate::model) fn show_target(&mut self, balancer: u32, target: u32, state: TargetState) {
        let at = self.now();
        if let Some(history) = &mut self.recorder.history {
            history.target_changes(TargetMoment { at, balancer, target, state });
        }
    }

    /// The users of a pod that has ended are nobody's.
    pub(super) fn forget_users_of(&mut self, server: u32) {
        for balancer in &mut self.balancers {
            let Some(sticky) = &mut balancer.sticky else { continue };
            if let Some(target) = balancer.to.iter().position(|to| *to == TargetRef::Server(server)) {
                sticky.forget_target(target as u32);
            }
        }
    }

    /// The checks have changed their mind about a member.
    pub(in crate::model) fn member_health_changes(&mut self, balancer: u32, target: u32, is_healthy: bool) {
        if is_healthy {
            self.target_is_healthy(balancer, target);
        } else {
            self.show_target(balancer, target, TargetState::Unhealthy);
        }
    }
}

impl Cluster {
    /// The members of a balancer, by what it knows.
    fn members_by_knowledge(&self, balancer: u32) -> Vec<bool> {
        let (Some(plan), Some(members)) = (&self.plan.members[balancer as usize], &self.members[balancer as usize]) else {
            return Vec::new();
        };
        match plan.kind {
            MembersKind::TargetGroup { .. } => members.known.iter().map(|(condition, _)| condition.is_ready).collect(),
            MembersKind::Endpoints { traffic, prefer, .. } => {
                let place = self.plan.balancers[balancer as usize];
                let service = endpoints::Service { internal: traffic, external: None, ignores_hints: false };
                let proxy = Proxy { node: place.node, zone: (place.zone != NONE).then_some(place.zone) };
                let list = members.endpoints(prefer);
                let usable = endpoints::usable(&list, &service, proxy);
                let mut is_member = vec![false; list.len()];
                usable.internal(&service).iter().for_each(|target| is_member[*target as usize] = true);
                is_member
            }
        }
    }

    /// The share of the balancers that use a server, of those that know their members or check.
    pub(in crate::model) fn share_in_use<'a>(
        &self,
        server: u32,
        balancers: &[Balancer],
        checkers: impl Iterator<Item = &'a Checker>,
    ) -> f32 {
        let members = self.users[server as usize].iter().copied();
        let others = checkers.map(|checker| (checker.balancer, checker.target)).filter(|pair| self.members[pair.0 as usize].is_none());
        let (mut all, mut used) = (0u32, 0u32);
        for (balancer, target) in members.chain(others) {
            all += 1;
            used += u32::from(balancers[balancer as usize].is_good(target));
        }
        if all == 0 { 1.0 } else { used as f32 / all as f32 }
    }

    /// Strikes of faults concern these pairs of a balancer and a server, besides the checkers.
    pub(in crate::model) fn unchecked_pairs(&self, server: u32) -> impl Iterator<Item = (u32, u32, u32)> {
        self.users[server as usize].iter().filter_map(|&(balancer, target)| {
            let members = self.members[balancer as usize].as_ref().filter(|members| !members.has_checks)?;
            Some((balancer, target, members.first_pair + target))
        })
    }
}
