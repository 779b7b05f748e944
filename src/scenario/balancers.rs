//! `balancers`: what routes requests, by which algorithm, to whom, and with which checks and stickiness.

use super::{HealthCheck, Retry};
use crate::dist::Distribution;
use crate::policy::Algorithm;
use crate::units::Span;
use schemars::JsonSchema;
use serde::Deserialize;

/// A balancer: routes each request to one of its targets.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Balancer {
    /// Name, unique among servers and balancers.
    pub name: String,
    /// Server groups, single servers (`web-3`) or other balancers.
    pub targets: Vec<String>,
    /// How a target is chosen. Default: round_robin.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// Active checks of the targets. Default: none, every target is always in rotation.
    #[serde(default)]
    pub health_check: Option<HealthCheck>,
    /// Keeps a user on the server that answered first.
    #[serde(default)]
    pub sticky: Option<Sticky>,
    /// When the balancer itself tries another time. Default: never.
    #[serde(default)]
    pub retry: Option<Retry>,
    /// How long the balancer waits for a connection to be made. Default: for ever.
    #[serde(default)]
    pub connect_timeout: Option<Span>,
    /// How long the balancer waits for the answer to one try. Default: for ever.
    #[serde(default)]
    pub timeout: Option<Span>,
    /// One-way network delay in front of this balancer where it is the target of another one. Default: none.
    #[serde(default)]
    pub latency: Option<Distribution>,
    /// Weight of this balancer where it is the target of another one. Default: 1.
    #[serde(default = "one")]
    pub weight: u32,
    /// Independent copies of the balancer. More than 1 is part of a later release.
    #[serde(default = "one")]
    pub instances: u32,
    /// Known, but part of a later release.
    #[serde(default)]
    #[schemars(skip)]
    pub passive_health: Option<crate::document::Later>,
    /// Known, but part of a later release.
    #[serde(default)]
    #[schemars(skip)]
    pub slow_start: Option<crate::document::Later>,
}

fn one() -> u32 {
    1
}

/// Stickiness: exactly one of the two.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Sticky {
    /// The first answer sets a cookie that names the server.
    Cookie {
        /// Name of the cookie. Default: lb.
        #[serde(default = "default_cookie")]
        name: String,
        /// How long the cookie is valid from when it was set. Default: for ever.
        #[serde(default)]
        ttl: Option<Span>,
    },
    /// The balancer remembers the client address.
    SourceIp {
        /// How long it is remembered after the last request. Default: for ever.
        #[serde(default)]
        ttl: Option<Span>,
    },
}

fn default_cookie() -> String {
    "lb".to_owned()
}
