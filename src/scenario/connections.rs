//! Connections: who keeps them, how long they live, what it costs to make one, and who looks at what travels on them.

use crate::dist::Distribution;
use crate::units::{Share, Span};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Limit;

/// What a balancer looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// Connections: all requests on one go to the same target.
    L4,
    /// Requests: each one is routed by itself.
    #[default]
    L7,
}

/// How connections are kept and used again. Without it every try makes a connection of its own, which costs nothing.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Connections {
    /// Who shares connections: each user (or session) has its own, or all share. Default: user (on a balancer: all).
    #[serde(default)]
    pub per: Option<Sharing>,
    /// Most connections at once to one target, of a user or of all; who finds all of them busy waits. Default: unbounded.
    #[serde(default = "Limit::unbounded")]
    pub max: Limit,
    /// Requests at once on a connection: 1 is HTTP/1.1, 100 or more HTTP/2 and gRPC. Default: 1.
    #[serde(default = "Limit::default")]
    pub streams: Limit,
    /// An idle connection is closed by its owner after this time. Default: never.
    #[serde(default)]
    pub idle_timeout: Option<Span>,
    /// A connection takes no new request when it is this old. Default: never.
    #[serde(default)]
    pub max_age: Option<Span>,
    /// Requests after which a connection is closed. Default: no limit.
    #[serde(default)]
    pub max_requests: Option<u32>,
}

/// Who shares connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sharing {
    /// Each user, or session, has connections of its own.
    User,
    /// Everybody shares them.
    All,
}

/// TLS that is terminated here. Costs what a new connection needs beyond the TCP handshake.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Round trips of a full handshake: 1 in TLS 1.3, 2 in TLS 1.2. Default: 1.
    #[serde(default = "one")]
    pub round_trips: u32,
    /// Time of computing a full handshake. Default: 2ms.
    #[serde(default = "default_handshake")]
    pub handshake: Distribution,
    /// Share of the handshakes of users seen before that resume a session. Default: 0%.
    #[serde(default)]
    pub resumed: Share,
    /// Round trips of a resumed handshake: 1, or 0 with early data. Default: 1.
    #[serde(default = "one")]
    pub resumed_round_trips: u32,
    /// Time of computing a resumed handshake. Default: 200us.
    #[serde(default = "default_resumption")]
    pub resumption: Distribution,
}

/// What becomes of the connections to a target that turns unhealthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Established {
    /// They stay; only new ones go elsewhere.
    #[default]
    Keep,
    /// They are reset, with the requests on them.
    Reset,
}

fn one() -> u32 {
    1
}

fn default_handshake() -> Distribution {
    Distribution::Constant(Span::from_millis(2))
}

fn default_resumption() -> Distribution {
    Distribution::Constant(Span(200_000))
}
