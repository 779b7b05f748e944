//! `health_check`: how a balancer finds out who is alive.

use super::MinimumHealthy;
use crate::document::from_text;
use crate::units::Span;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

/// An active health check: exactly one of `tcp` and `http`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthCheck {
    /// A TCP connect passes the check: `tcp: {}`.
    #[serde(default)]
    pub tcp: Option<Tcp>,
    /// The path of an HTTP request that must be answered with an expected status.
    #[serde(default)]
    pub http: Option<String>,
    /// The path is asked for at the health check port of the target's node, where the target is a kube-proxy: it passes while a pod there
    /// is ready, whatever ends and still serves. Default: false.
    #[serde(default)]
    pub node_port: bool,
    /// Statuses that pass. Default: 200-399.
    #[serde(default)]
    pub status: StatusRange,
    /// From check to check. Default: 5s.
    #[serde(default = "default_interval")]
    pub interval: Span,
    /// How long a check waits. Default: 2s.
    #[serde(default = "default_timeout")]
    pub timeout: Span,
    /// Failed checks in a row that take a target out. Default: 3.
    #[serde(default = "three")]
    pub unhealthy_after: u32,
    /// Passed checks in a row that bring it back. Default: 2.
    #[serde(default = "two")]
    pub healthy_after: u32,
    /// Whether the interval runs from the start of a check or from its end to the start of the next. Default: start.
    #[serde(default)]
    pub interval_from: IntervalFrom,
    /// When the first check of a target starts: at a uniform point of the first interval, or at 0. Default: random.
    #[serde(default)]
    pub phase: Phase,
    /// What a target is taken for before any check. Default: healthy.
    #[serde(default)]
    pub initially: Initially,
    /// What happens to requests when no target is healthy. Default: fail.
    #[serde(default)]
    pub when_none: WhenNone,
    /// How many of the targets must be healthy for a name (`dns`) to lead here; 0: it always does. Default: 1.
    #[serde(default)]
    pub dns_minimum: Option<MinimumHealthy>,
    /// An HTTP check waits in the server's queue like a request. Default: false, it is answered at once.
    #[serde(default)]
    pub checks_queue: bool,
}

/// No settings: `tcp: {}`.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tcp {}

/// HTTP statuses from `first` to `last`, both included. Written `200` or `200-399`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusRange {
    pub first: u16,
    pub last: u16,
}

impl Default for StatusRange {
    fn default() -> Self {
        StatusRange { first: 200, last: 399 }
    }
}

impl JsonSchema for StatusRange {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "StatusRange".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An HTTP status, or a range of them: `200` or `200-399`.",
            "anyOf": [
                { "type": "integer", "minimum": 100, "maximum": 599 },
                { "type": "string", "pattern": r"^\s*[1-5]\d\d\s*(-\s*[1-5]\d\d\s*)?$" }
            ]
        })
    }
}

impl<'de> Deserialize<'de> for StatusRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, "statuses such as `200` or `200-399`", |text| {
            let status = |part: &str| part.trim().parse().ok().filter(|status| (100..600).contains(status));
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            match (status(first), status(last)) {
                (Some(first), Some(last)) if first <= last => Ok(StatusRange { first, last }),
                (Some(first), Some(last)) => Err(format!("`{text}` is empty; write `{last}-{first}`")),
                _ => Err(format!("`{text}` is not an HTTP status or a range of them; write `200` or `200-399`")),
            }
        })
    }
}

fn default_interval() -> Span {
    Span::from_secs(5)
}

fn default_timeout() -> Span {
    Span::from_secs(2)
}

fn three() -> u32 {
    3
}

fn two() -> u32 {
    2
}

/// From where the interval between checks runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IntervalFrom {
    /// From the start of a check to the start of the next.
    #[default]
    Start,
    /// From the end of a check to the start of the next.
    End,
}

/// When the first check starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// At a uniform point of the first interval.
    #[default]
    Random,
    /// At the start of the run.
    Zero,
}

/// What a target is taken for before any check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Initially {
    /// In rotation from the start.
    #[default]
    Healthy,
    /// Out of rotation until its checks pass.
    Unhealthy,
}

/// What a balancer does when too few targets are healthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenNone {
    /// No healthy target: the request fails (no_server).
    #[default]
    Fail,
    /// No healthy target: all are used.
    All,
    /// Fewer healthy targets than this number or share of them (`{ count: 2, share: 50% }`: than either): all are used.
    Panic(MinimumHealthy),
}
