//! What happens in a cluster: kinds 50 to 69 of the packed events.

use crate::control::probe::Kind;
use crate::model::event::Ref;

/// Of what a pod's clock goes off. Each has one at most of each; a new one makes the last one stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// The image is there.
    Pulled,
    /// The container listens.
    Listens,
    /// The container starts again.
    Restarts,
    /// preStop is over.
    Term,
    /// The grace is over.
    Kill,
    /// It has been ready long enough to count as available.
    Available,
}

impl Timer {
    pub const COUNT: usize = 6;
    const ALL: [Timer; Timer::COUNT] = [Timer::Pulled, Timer::Listens, Timer::Restarts, Timer::Term, Timer::Kill, Timer::Available];
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterEvent {
    PodTimer {
        server: u32,
        timer: Timer,
        token: u32,
    },
    /// A probe of a container starts; `run` tells which container.
    ProbeStarts {
        server: u32,
        kind: Kind,
        run: u32,
    },
    /// The Deployment's controller looks at its pods.
    Reconcile {
        group: u32,
    },
    /// The scheduler looks at pods that wait for a node.
    Schedule,
    /// A change reaches a balancer.
    News(Ref),
    /// The deregistration delay of a target is over.
    Drained {
        balancer: u32,
        target: u32,
        token: u32,
    },
    /// The next check of a target that comes and goes.
    CheckStarts {
        checker: u32,
        token: u32,
    },
    /// The node controller makes a round.
    Monitor,
    /// The pods of a lost node are given up.
    Evict {
        node: u32,
        token: u32,
    },
    /// A new node is ready.
    Booted {
        node: u32,
    },
    /// Pods that a budget kept on a node that is drained are tried again.
    DrainAgain {
        node: u32,
    },
    /// The cluster autoscaler looks at a group of nodes.
    ScanNodes {
        nodes: u32,
    },
    /// The autoscaler of a group of pods decides.
    SyncReplicas {
        group: u32,
    },
    /// A window of its figures is full.
    Sample {
        group: u32,
    },
    /// An operator does something.
    Operation {
        index: u32,
    },
    /// A node that is to be removed: pods that a budget kept there are tried again, or should have ended by now.
    EmptyNode {
        node: u32,
        token: u32,
    },
}

impl ClusterEvent {
    pub const FIRST: u8 = 50;
    pub const LAST: u8 = 65;

    /// Kind, number and slot.
    pub fn pack(self) -> (u8, u32, Ref) {
        let of = |kind, number, index, generation| (kind, number, Ref { index, generation });
        match self {
            ClusterEvent::PodTimer { server, timer, token } => of(50, server, timer as u32, token),
            ClusterEvent::ProbeStarts { server, kind, run } => of(51, server, kind as u32, run),
            ClusterEvent::Reconcile { group } => of(52, group, 0, 0),
            ClusterEvent::Schedule => of(53, 0, 0, 0),
            ClusterEvent::News(news) => (54, 0, news),
            ClusterEvent::Drained { balancer, target, token } => of(55, balancer, target, token),
            ClusterEvent::CheckStarts { checker, token } => of(56, checker, 0, token),
            ClusterEvent::Monitor => of(57, 0, 0, 0),
            ClusterEvent::Evict { node, token } => of(58, node, 0, token),
            ClusterEvent::Booted { node } => of(59, node, 0, 0),
            ClusterEvent::DrainAgain { node } => of(60, node, 0, 0),
            ClusterEvent::ScanNodes { nodes } => of(61, nodes, 0, 0),
            ClusterEvent::SyncReplicas { group } => of(62, group, 0, 0),
            ClusterEvent::Sample { group } => of(63, group, 0, 0),
            ClusterEvent::Operation { index } => of(64, index, 0, 0),
            ClusterEvent::EmptyNode { node, token } => of(65, node, 0, token),
        }
    }

    pub fn unpack(kind: u8, number: u32, slot: Ref) -> ClusterEvent {
        let (index, token) = (slot.index, slot.generation);
        match kind {
            50 => ClusterEvent::PodTimer { server: number, timer: Timer::ALL[index as usize], token },
            51 => {
                let kind = [Kind::Startup, Kind::Readiness, Kind::Liveness][index as usize];
                ClusterEvent::ProbeStarts { server: number, kind, run: token }
            }
            52 => ClusterEvent::Reconcile { group: number },
            53 => ClusterEvent::Schedule,
            54 => ClusterEvent::News(slot),
            55 => ClusterEvent::Drained { balancer: number, target: index, token },
            56 => ClusterEvent::CheckStarts { checker: number, token },
            57 => ClusterEvent::Monitor,
            58 => ClusterEvent::Evict { node: number, token },
            59 => ClusterEvent::Booted { node: number },
            60 => ClusterEvent::DrainAgain { node: number },
            61 => ClusterEvent::ScanNodes { nodes: number },
            62 => ClusterEvent::SyncReplicas { group: number },
            63 => ClusterEvent::Sample { group: number },
            64 => ClusterEvent::Operation { index: number },
            _ => ClusterEvent::EmptyNode { node: number, token },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::{Event, Packed};

    #[test]
    fn each_event_comes_back_as_it_was_packed() {
        let (slot, token) = (Ref { index: 5, generation: 6 }, 9);
        let events = [
            ClusterEvent::PodTimer { server: 3, timer: Timer::Available, token },
            ClusterEvent::ProbeStarts { server: 3, kind: Kind::Liveness, run: token },
            ClusterEvent::Reconcile { group: 2 },
            ClusterEvent::Schedule,
            ClusterEvent::News(slot),
            ClusterEvent::Drained { balancer: 1, target: 2, token },
            ClusterEvent::CheckStarts { checker: 4, token },
            ClusterEvent::Monitor,
            ClusterEvent::Evict { node: 7, token },
            ClusterEvent::Booted { node: 7 },
            ClusterEvent::DrainAgain { node: 7 },
            ClusterEvent::ScanNodes { nodes: 1 },
            ClusterEvent::SyncReplicas { group: 2 },
            ClusterEvent::Sample { group: 2 },
            ClusterEvent::Operation { index: 8 },
            ClusterEvent::EmptyNode { node: 7, token },
        ];
        for event in events {
            assert_eq!(Packed::from(Event::Cluster(event)).unpack(), Event::Cluster(event));
        }
        for timer in Timer::ALL {
            let event = ClusterEvent::PodTimer { server: 3, timer, token };
            assert_eq!(Packed::from(Event::Cluster(event)).unpack(), Event::Cluster(event));
        }
    }
}
