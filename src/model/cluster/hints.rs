//! For whom endpoints are meant: the hints of the EndpointSlice controller, as they come to a kube-proxy with the endpoints that it knows.

use super::Cluster;
use super::event::ClusterEvent;
use super::members::{Condition, Members, NOBODY, News};
use super::plan::MembersKind;
use crate::control::endpoints::{Endpoint, TrafficDistribution};
use crate::control::topology::Zones;
use crate::model::client::NONE;
use crate::model::places::Place;
use crate::model::world::World;

/// The zones' processors as the controller saw them when it wrote endpoints, and the number of that.
#[derive(Debug, Default)]
pub(in crate::model) struct Written {
    number: u32,
    zones: Zones,
}

impl World {
    /// Where hints go by the processors of nodes, a change of those comes with news that is about no target.
    pub(super) fn tell_of_nodes(&mut self, balancer: u32) {
        let now = self.now();
        let cluster = self.cluster_mut();
        let plan = cluster.plan.clone();
        let (Some(plan), Some(members)) = (&plan.members[balancer as usize], &mut cluster.members[balancer as usize]) else { return };
        if let MembersKind::Endpoints { by_cpu: true, .. } = plan.kind {
            let delay = plan.delay.sample(&mut members.rng);
            let zones = cluster.write_zones(balancer);
            let news = cluster.news.insert(News { balancer, target: NONE, number: 0, condition: NOBODY, zones });
            let news = cluster.news.at(news);
            self.schedule_cluster(now + delay, ClusterEvent::News(news));
        }
    }
}

impl Cluster {
    /// The zones' processors now, for a balancer to which they matter.
    pub(super) fn write_zones(&mut self, balancer: u32) -> Option<Written> {
        let MembersKind::Endpoints { by_cpu: true, .. } = self.plan.members[balancer as usize].as_ref()?.kind else { return None };
        let known = self.nodes.iter().zip(&self.plan.nodes).filter(|(node, _)| node.is_known());
        let zone = |zone: u32| (zone != NONE).then_some(zone);
        let zones = Zones::of_nodes(known.map(|(_, plan)| (zone(plan.zone), plan.allocatable.cpu_milli)));
        Some(Written { number: self.token(), zones })
    }

    /// Works out anew which zone the controller means each endpoint for that a balancer knows: hints come with the endpoints that they stand
    /// at. `of_nodes`: only the nodes have changed.
    pub(super) fn refresh_hints(&mut self, balancer: u32, written: Option<Written>, of_nodes: bool) {
        let (Some(written), Some(members)) = (written, &mut self.members[balancer as usize]) else { return };
        if written.number > members.zones.number {
            members.zones = written;
        }
        let ready = members.known.iter().map(|(condition, _)| condition).filter(|condition| condition.is_ready);
        let zone = |zone: u32| (zone != NONE).then_some(zone);
        let endpoints: Vec<Option<u32>> = ready.map(|condition| zone(condition.place.zone)).collect();
        let zones = &members.zones.zones;
        members.hints = if of_nodes { zones.hints_kept(&endpoints, members.hints.take()) } else { zones.hints(&endpoints) };
    }
}

impl Members {
    /// What is known of the targets, with hints.
    pub(super) fn endpoints(&self, prefer: TrafficDistribution) -> Vec<Endpoint> {
        let mut list: Vec<Endpoint> = self.known.iter().map(|(condition, _)| endpoint(condition, prefer)).collect();
        if let Some(hints) = &self.hints {
            let ready = list.iter_mut().filter(|endpoint| endpoint.is_ready);
            ready.zip(hints).for_each(|(endpoint, zone)| endpoint.zone_hints = vec![*zone]);
        }
        list
    }
}

/// As an EndpointSlice says it. Hints name the endpoint's own zone and node.
fn endpoint(condition: &Condition, prefer: TrafficDistribution) -> Endpoint {
    let Place { zone, node } = condition.place;
    let hint = |is_given: bool, of: u32| if is_given && of != NONE { vec![of] } else { Vec::new() };
    Endpoint {
        is_ready: condition.is_ready,
        is_serving: condition.is_serving,
        is_terminating: condition.is_terminating,
        node,
        zone_hints: hint(prefer != TrafficDistribution::Any, zone),
        node_hints: hint(prefer == TrafficDistribution::PreferSameNode, node),
    }
}
