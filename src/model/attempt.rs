//! A request and its attempts. A client sends a request as one attempt after the other; an attempt passes balancers, hop by
//! hop, and reaches a server. When nobody waits for it any more, it may live on at the server: abandoned work costs.

use super::client::NONE;
use crate::scenario::Failure;
use crate::units::{Span, Time};

/// A client's request until it is answered or given up.
pub struct Request {
    pub client: u32,
    pub class: u32,
    pub path: u32,
    /// Index among the client's users, or a running number (that may wrap: nobody looks it up).
    pub user: u32,
    /// The session or closed-loop user that sent it, or `NONE`.
    pub actor: u32,
    /// The attempt that is under way, or `NONE`.
    pub attempt: u32,
    /// Tries by the client beyond the first.
    pub retries: u32,
    pub work: Span,
    pub sent: Time,
    /// Sent after the warm-up.
    pub is_counted: bool,
    /// Servers that earlier attempts failed at, kept where a retry goes to others only. Boxed: most requests never need it.
    pub tried: Option<Box<Vec<u32>>>,
}

impl Request {
    pub fn tried(&self) -> &[u32] {
        self.tried.as_ref().map_or(&[], |tried| tried)
    }
}

/// Where an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The slot is not in use.
    Free,
    /// Under way to, or waiting in, a balancer.
    AtBalancer,
    /// Under way to the server.
    ToServer,
    /// In the server's line.
    Queued,
    /// Taken out of the line by cancelling; the slot is freed when its place comes up.
    Cancelled,
    /// Worked on.
    InService,
    /// Swallowed by a hang or a blackhole: only a timeout ends it.
    Lost,
    /// Swallowed by a blackhole before there was a connection: the balancer's `connect_timeout` ends it; the first packet of a flow is sent
    /// again.
    Unconnected,
    /// The result is under way back.
    Returning,
    /// The result was lost on its way back: only a timeout ends it.
    Forgotten,
}

pub struct Attempt {
    /// `NONE` for a health check, and on the open road (see `data_plane/express.rs`), which keeps what it needs of the request here.
    pub request: u32,
    pub server: u32,
    pub phase: Phase,
    /// Hop that it is at: 0 at the first balancer.
    pub depth: u8,
    /// Hops at which a balancer counts it as in flight.
    pub open_hops: u8,
    pub is_abandoned: bool,
    /// `None`: success, as far as known.
    pub failure: Option<Failure>,
    /// The server will answer with an error after the work.
    pub will_fail: bool,
    /// The fault that is to blame for the failure, or `NONE`.
    pub strike: u32,
    /// The health check that it belongs to, or `NONE`.
    pub check: u32,
    /// The next in the server's line, or `NONE`.
    pub next: u32,
    /// On the open road the request's class, elsewhere what balancers have made of it (`measure::statuses::mark`).
    pub mark: u16,
    /// On the open road: the balancer's number of the server. Elsewhere `NONE`, but where it is `NOBODY`: see `goes_to_nobody`.
    pub target: u32,
    pub work: Span,
    /// How long the work takes at the server's speed on a slot of its own, from when it started.
    pub duration: Span,
    /// When it joined a queue, at the server or (central queue) at the balancer.
    pub entered: Time,
}

impl Attempt {
    pub fn new(request: u32, work: Span) -> Attempt {
        Attempt {
            request,
            server: NONE,
            phase: Phase::AtBalancer,
            depth: 0,
            open_hops: 0,
            is_abandoned: false,
            failure: None,
            will_fail: false,
            strike: NONE,
            check: NONE,
            next: NONE,
            mark: 0,
            target: NONE,
            work,
            duration: Span::ZERO,
            entered: Time::ZERO,
        }
    }
}

/// In the place of a target.
const NOBODY: u32 = NONE - 1;

impl Attempt {
    /// It is at an address that nobody has any more, whoever may be in that place later.
    pub fn goes_to_nobody(&mut self) {
        self.target = NOBODY;
    }

    pub fn is_to_nobody(&self) -> bool {
        self.target == NOBODY
    }
}

/// An attempt's stay at one balancer.
#[derive(Clone, Copy)]
#[repr(align(32))]
pub struct Hop {
    pub balancer: u32,
    /// The target it was sent to last.
    pub target: u32,
    /// Retries by this balancer.
    pub retries: u32,
    /// Number of this sending, for its timeouts.
    pub token: u32,
    /// When it was sent to the target.
    pub sent: Time,
    /// When it began to wait at this balancer; `NOT_WAITED` if it did not.
    pub waits_since: Time,
}

/// Later than any time.
pub const NOT_WAITED: Time = Time(u64::MAX);

impl Hop {
    pub fn new(balancer: u32) -> Hop {
        Hop { balancer, target: 0, retries: 0, token: 0, sent: Time::ZERO, waits_since: NOT_WAITED }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_attempts_leave_room_for_a_generation_in_a_cache_line() {
        assert!(size_of::<Request>() <= 56 && size_of::<Attempt>() <= 60 && size_of::<Hop>() <= 32);
        assert!(size_of::<super::super::server::Server>() <= 64);
    }
}
