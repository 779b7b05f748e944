//! Addresses of pods. Each pod has its own, which goes with it; the place that it had, a server here, may be another pod's by then.

use super::Pod;
use crate::model::attempt::Attempt;
use crate::model::client::NONE;
use crate::model::plan::TargetRef;
use crate::model::world::World;
use crate::scenario::Failure;

/// What a packet meets that is sent to a pod by somebody who may not have heard of its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) enum Address {
    /// It is that of the pod that is there, or it makes no difference.
    Current,
    /// The pod is gone; its sandbox is not yet.
    Refuses,
    /// Nobody has it any more.
    Silent,
}

impl World {
    /// Addresses of pods that are gone fall silent, in groups that say so.
    pub(super) fn begin_addresses(&mut self) {
        let now = self.now();
        let plan = self.cluster().plan.clone();
        for group in plan.groups.iter().filter(|group| group.address_lingers.is_some()) {
            for server in &group.servers {
                self.servers[*server as usize].change_standing(now, |rare| rare.changes_address = true);
            }
        }
    }

    /// A pod is gone, and its address soon. That of one that was cut off is silent already.
    pub(super) fn leaves_address(&mut self, server: u32, node: u32) {
        let now = self.now();
        let is_lost = self.cluster().is_lost(node);
        let cluster = self.cluster_mut();
        let plan = cluster.plan.clone();
        let slot = &mut cluster.slots[server as usize];
        let lingers = plan.groups[slot.group as usize].address_lingers.filter(|_| !is_lost);
        slot.address_until = lingers.map_or(now, |lingers| now + lingers);
    }

    /// The address to which a balancer sends that knows a server as one of its targets.
    pub(in crate::model) fn address(&self, server: u32, sender: Option<(u32, u32)>) -> Address {
        let Some(cluster) = &self.cluster else { return Address::Current };
        if !self.servers[server as usize].rare.changes_address {
            return Address::Current;
        }
        let slot = &cluster.slots[server as usize];
        let known = sender.and_then(|(balancer, target)| cluster.members[balancer as usize].as_ref()?.knows(target));
        let is_known = |pod: &Pod| known.is_none_or(|birth| birth == pod.birth);
        match &slot.pod {
            Some(pod) if is_known(pod) => Address::Current,
            _ if self.now() < slot.address_until => Address::Refuses,
            _ => Address::Silent,
        }
    }

    /// What is to blame where nobody is any more.
    pub(in crate::model) fn blame_address(&self, server: u32) -> u32 {
        let slot = self.cluster.as_ref().map(|cluster| &cluster.slots[server as usize]);
        match slot {
            Some(slot) if slot.pod.is_some() => super::planned(slot.group),
            _ => self.blame_server(server),
        }
    }

    /// Whether a try that has come to a server meets the address of a pod that is gone: it ends here, or is lost.
    pub(in crate::model) fn meets_old_address(&mut self, attempt: u32) -> bool {
        let Attempt { server, open_hops, check, is_abandoned, .. } = self.attempts[attempt];
        // A connection that is kept ends with its pod, and checks look before they queue.
        if check != NONE || self.connections.seat(attempt, open_hops).is_some() {
            return false;
        }
        let sender = open_hops.checked_sub(1).map(|depth| {
            let hop = self.hops[self.hop_place(attempt, depth)];
            (hop.balancer, hop.target)
        });
        let strike = self.blame_address(server);
        match self.address(server, sender) {
            Address::Current => return false,
            Address::Refuses => self.answer_failure(attempt, Failure::ConnectFailure, strike),
            Address::Silent => {
                self.attempts[attempt].goes_to_nobody();
                self.lose(attempt, strike);
                if !is_abandoned {
                    self.waits_for_connection(attempt);
                }
            }
        }
        true
    }

    /// The same for the first packet of a connection.
    pub(in crate::model) fn address_of_end(&self, connection: u32) -> Address {
        let connection = &self.connections.slots[connection];
        let TargetRef::Server(server) = connection.end else { return Address::Current };
        if connection.is_to_nobody {
            return Address::Silent;
        }
        let pool = &self.connections.pools[connection.pool];
        let opener = pool.opener.checked_sub(self.clients.len() as u32).map(|balancer| (balancer, pool.target));
        let last = connection.passages.last().map(|passage| (passage.balancer, passage.target));
        self.address(server, last.or(opener))
    }
}
