//! A connection, from who opened it to its end, with the L4 balancers in between whose choice it keeps.

use super::event::Ref;
use super::plan::TargetRef;
use crate::policy::TargetId;
use crate::scenario::Failure;
use crate::units::{Span, Time};
use std::net::IpAddr;

/// Later than any time.
pub const NEVER: Time = Time(u64::MAX);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The slot is not in use.
    Free,
    /// The handshake is under way.
    Opening,
    Open,
    /// It has ended, or could not be opened; who opened it may not know yet.
    Closed,
}

/// Who opens a connection, as balancers on its way see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// A client, or a balancer behind them; `NONE` where nobody keeps the connection.
    pub opener: u32,
    pub address: IpAddr,
    /// Who it is by (opener, user), if it can come back.
    pub party: Option<(u32, u64)>,
}

/// Where a connection passes an L4 balancer.
#[derive(Clone, Copy, Debug)]
pub struct Passage {
    pub balancer: u32,
    pub target: TargetId,
    /// The way up to here, as the first packet took it.
    pub reached: Span,
    /// When the last packet passed.
    pub last: Time,
    /// The balancer has it in its table, and counts it.
    pub is_counted: bool,
}

/// Why requests on a connection fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    pub failure: Failure,
    pub strike: u32,
    /// It took longer than its opener waits.
    pub is_timeout: bool,
}

pub struct Connection {
    pub pool: u32,
    pub state: State,
    /// Its opener has let go of it.
    pub is_left: bool,
    /// Its end has forgotten it without a word.
    pub is_gone: bool,
    /// Takes no new requests.
    pub retires: bool,
    /// Its end closes it as soon as it has answered what it has.
    pub drains: bool,
    /// Requests on it, in the eyes of its opener.
    pub busy: u32,
    /// Requests so far.
    pub requests: u32,
    /// Requests that are at its end.
    pub at_end: u32,
    pub started: Time,
    /// From when on its opener may send.
    pub ready: Time,
    /// One way, as the first packet took it (up to where it is).
    pub travel: Span,
    /// How often the first packet was sent again.
    pub repeats: u32,
    /// Why it was lost the last time, as long as it was.
    pub lost_by: u32,
    /// Since when there is no request on it: for its opener, and at its end.
    pub idle_since: Time,
    pub end_idle_since: Time,
    /// When it is looked at next.
    pub timer: Time,
    /// The address at its end is nobody's any more, whoever may be in that place later.
    pub is_to_nobody: bool,
    /// Where the first packet goes next; at last, where the connection ends.
    pub end: TargetRef,
    pub passages: Vec<Passage>,
    /// Requests that wait for the handshake.
    pub waiting: Vec<Ref>,
    pub source: Source,
    /// Tells it from all others.
    pub number: u64,
    pub fate: Option<Fate>,
}
