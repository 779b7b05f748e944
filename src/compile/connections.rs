//! What balancers and clients do with connections.

use super::sampler;
use crate::input::Inputs;
use crate::model::plan::{ConnectionsPlan, TlsPlan, WaysPlan};
use crate::scenario::{Balancer, Connections, Established, Layer, Scenario, Sharing, Tls};

/// `default`: who shares connections where the scenario does not say it.
pub(super) fn compile_connections(connections: &Connections, default: Sharing) -> ConnectionsPlan {
    ConnectionsPlan {
        is_per_user: connections.per.unwrap_or(default) == Sharing::User,
        max: connections.max.count(),
        streams: connections.streams.count(),
        idle_timeout: connections.idle_timeout,
        max_age: connections.max_age,
        max_requests: connections.max_requests.unwrap_or(u32::MAX),
    }
}

/// Whether a balancer, or a part of it, has something about connections.
fn minds_connections(balancer: &Balancer, all: &[Balancer]) -> bool {
    let is_part = |other: &&Balancer| other.inside && balancer.targets.contains(&other.name);
    balancer.connections.is_some()
        || balancer.tls.is_some()
        || balancer.idle_timeout.is_some()
        || balancer.members.is_some()
        || !balancer.rules.is_empty()
        || all.iter().filter(is_part).any(|part| minds_connections(part, all))
}

pub(super) fn compile_ways(balancer: &Balancer, scenario: &Scenario, inputs: &Inputs) -> WaysPlan {
    // A name is resolved for a connection, too.
    let is_l4 = balancer.layer == Layer::L4 || balancer.dns.is_some();
    let clients_keep = scenario.clients.iter().any(|client| client.connections.is_some());
    WaysPlan {
        is_l4,
        kept: balancer.connections.as_ref().map(|connections| compile_connections(connections, Sharing::All)),
        tls: balancer.tls.as_ref().map(|tls| compile_tls(tls, inputs)),
        idle_timeout: balancer.idle_timeout,
        resets_established: balancer.established == Established::Reset,
        counts_statuses: !is_l4 && !balancer.inside && (clients_keep || minds_connections(balancer, &scenario.balancers)),
    }
}

pub(super) fn compile_tls(tls: &Tls, inputs: &Inputs) -> TlsPlan {
    TlsPlan {
        round_trips: tls.round_trips,
        handshake: sampler(&tls.handshake, inputs),
        resumed: tls.resumed.0,
        resumed_round_trips: tls.resumed_round_trips,
        resumption: sampler(&tls.resumption, inputs),
    }
}
