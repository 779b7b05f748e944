//! Flows that nobody keeps: a try that passes a balancer which looks at connections makes one of its own, and its first packet may be lost.
//! It is sent again to where it was lost, as that of a connection that is kept (`connect`): what was chosen before stays chosen.

use super::connect::FIRST_PACKET_REPEATS;
use crate::model::attempt::Phase;
use crate::model::client::NONE;
use crate::model::event::{Event, Ref};
use crate::model::world::World;
use crate::scenario::Failure;
use crate::units::Span;

/// Who opens a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opener {
    Client,
    /// The balancer of this hop.
    Hop(u8),
}

impl World {
    /// Who opened the flow that a try is lost on. `None`: it passes no balancer that looks at connections, and is none.
    fn opener_of_flow(&self, attempt: u32) -> Option<Opener> {
        let lost = &self.attempts[attempt];
        let is_l4 = |depth: u8| self.balancers[self.hops[self.hop_place(attempt, depth)].balancer as usize].is_l4;
        let mut is_flow = lost.server == NONE && is_l4(lost.depth);
        for depth in (0..lost.open_hops).rev() {
            if !is_l4(depth) {
                return is_flow.then_some(Opener::Hop(depth));
            }
            is_flow = true;
        }
        is_flow.then_some(Opener::Client)
    }

    pub(in crate::model) fn is_flow(&self, attempt: u32) -> bool {
        self.opener_of_flow(attempt).is_some()
    }

    /// Whether the first packet of a flow will be sent again.
    pub(in crate::model) fn is_flow_unanswered(&self, attempt: u32) -> bool {
        self.attempts[attempt].phase == Phase::Unconnected && self.is_flow(attempt)
    }

    /// The first packet of a flow is lost: it will be sent again.
    pub(super) fn first_packet_of_flow_is_lost(&mut self, attempt: u32) {
        if self.is_flow(attempt) {
            self.repeat_flow(attempt, 0);
        }
    }

    /// After 1 s, 2 s, 4 s and so on.
    fn repeat_flow(&mut self, attempt: u32, repeats: u32) {
        self.attempts[attempt].phase = Phase::Unconnected;
        let at = self.now() + Span::from_secs(1 << repeats);
        self.calendar.schedule(at, Event::FlowAgain { attempt: self.attempts.at(attempt), repeats: repeats + 1 });
    }

    /// The first packet of a flow is sent again, or, after the last time, who sent it gives up.
    pub(in crate::model) fn flow_again(&mut self, attempt: Ref, repeats: u32) {
        let index = attempt.index;
        if !self.attempts.is_current(attempt) || self.attempts[index].phase != Phase::Unconnected {
            return;
        }
        if repeats > FIRST_PACKET_REPEATS {
            return self.flow_fails(index);
        }
        if let Some(strike) = self.still_swallows(index) {
            self.attempts[index].strike = strike;
            return self.repeat_flow(index, repeats);
        }
        let found = &mut self.attempts[index];
        found.strike = NONE;
        if found.server == NONE {
            found.phase = Phase::AtBalancer;
            self.route(index);
        } else {
            found.phase = Phase::ToServer;
            self.at_server(index);
        }
    }

    /// What is to blame if a packet is lost again where it was lost before.
    fn still_swallows(&self, attempt: u32) -> Option<u32> {
        if self.attempts[attempt].is_to_nobody() {
            return Some(self.attempts[attempt].strike);
        }
        let server = self.attempts[attempt].server;
        if server != NONE {
            return (self.servers[server as usize].rare.blackholes > 0).then(|| self.blame_server(server));
        }
        let balancer = self.hop(attempt).balancer;
        let drops = || self.balancers[balancer as usize].targets.eligible().is_empty() && self.drops(balancer);
        self.cut_off_by(balancer).or_else(|| drops().then(|| self.blame_balancer(balancer)))
    }

    /// Nobody has answered the last packet either, or there is nobody any more who could.
    pub(in crate::model) fn flow_fails(&mut self, attempt: u32) {
        let request = self.attempts[attempt].request;
        match self.opener_of_flow(attempt) {
            Some(Opener::Hop(depth)) => {
                let token = self.hops[self.hop_place(attempt, depth)].token;
                self.balancer_times_out(self.requests.at(request), token, true);
            }
            Some(Opener::Client) => self.client_gives_up(request, Failure::ConnectFailure),
            None => {}
        }
    }
}
