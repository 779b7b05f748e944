//! Where things stand, how long messages travel between them, and how much crosses zones.

use super::client::NONE;
use super::plan::{TargetRef, Topology};
use crate::dist::Sampler;
use crate::measure::crossings::Crossings;

/// A zone and a node, as numbers; `NONE` where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub zone: u32,
    pub node: u32,
}

impl Place {
    pub fn has_zone(self) -> bool {
        self.zone != NONE
    }
}

/// Near to everything: no delay on top of the link's own.
pub const NOWHERE: Place = Place { zone: NONE, node: NONE };

impl Default for Place {
    fn default() -> Self {
        NOWHERE
    }
}

/// Delays between places, one way.
pub struct NetworkPlan {
    pub same_node: Sampler,
    pub same_zone: Sampler,
    pub cross_zone: Sampler,
}

/// What lies between two places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distance {
    SameNode,
    SameZone,
    CrossZone,
}

/// Who has no zone is in the same zone as everybody.
pub fn distance(from: Place, to: Place) -> Distance {
    if from.node != NONE && from.node == to.node {
        Distance::SameNode
    } else if crosses_zones(from, to) {
        Distance::CrossZone
    } else {
        Distance::SameZone
    }
}

/// Both have a zone, and not the same.
pub fn crosses_zones(from: Place, to: Place) -> bool {
    from.zone != NONE && to.zone != NONE && from.zone != to.zone
}

/// Whether a balancer that keeps to its own zone may send there.
pub fn is_in_zone_of(balancer: Place, target: Place) -> bool {
    !crosses_zones(balancer, target)
}

impl NetworkPlan {
    pub fn delay(&self, distance: Distance) -> &Sampler {
        match distance {
            Distance::SameNode => &self.same_node,
            Distance::SameZone => &self.same_zone,
            Distance::CrossZone => &self.cross_zone,
        }
    }
}

/// Where everything stands now; servers that are pods move.
pub struct Places {
    pub clients: Vec<Place>,
    pub balancers: Vec<Place>,
    pub servers: Vec<Place>,
    pub crossings: Crossings,
}

impl Places {
    pub fn of(topology: &Topology) -> Places {
        Places {
            clients: topology.clients.iter().map(|client| client.place).collect(),
            balancers: topology.balancers.iter().map(|balancer| balancer.routing.place).collect(),
            servers: topology.servers.iter().map(|server| server.place).collect(),
            crossings: Crossings::default(),
        }
    }
}

impl Places {
    /// Where a target stands now.
    pub fn target(&self, target: TargetRef) -> Place {
        match target {
            TargetRef::Server(server) => self.servers[server as usize],
            TargetRef::Balancer(balancer) => self.balancers[balancer as usize],
        }
    }
}

impl Topology {
    /// Where a target stands at the start.
    pub fn place(&self, target: TargetRef) -> Place {
        match target {
            TargetRef::Server(server) => self.servers[server as usize].place,
            TargetRef::Balancer(balancer) => self.balancers[balancer as usize].routing.place,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_no_zone_is_in_everybodys() {
        let place = |zone, node| Place { zone, node };
        assert_eq!(distance(place(1, 7), place(1, 7)), Distance::SameNode);
        assert_eq!(distance(place(1, 7), place(1, 8)), Distance::SameZone);
        assert_eq!(distance(place(1, NONE), place(2, NONE)), Distance::CrossZone);
        assert_eq!(distance(place(1, 7), NOWHERE), Distance::SameZone);
        assert_eq!(distance(NOWHERE, NOWHERE), Distance::SameZone);
        assert!(is_in_zone_of(place(1, 7), NOWHERE) && !is_in_zone_of(place(1, 7), place(2, 8)));
    }
}
