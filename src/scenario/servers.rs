//! `servers`: groups of alike servers, their capacity and the network in front of them.

use crate::dist::Distribution;
use crate::document::{from_text, whole_number};
use crate::units::Span;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

/// A group of alike servers, called `<name>-1`, `<name>-2`, ...
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerGroup {
    /// Name, unique among servers and balancers.
    pub name: String,
    /// Number of servers. Default: 1.
    #[serde(default = "one")]
    pub count: u32,
    /// Requests that a server works on at once. Default: 1.
    #[serde(default)]
    pub slots: Limit,
    /// Places for requests that wait for a slot. Default: unbounded.
    #[serde(default = "Limit::unbounded")]
    pub queue: Limit,
    /// Order of service. Default: fifo.
    #[serde(default)]
    pub discipline: Discipline,
    /// Work done per unit of time; 0.5 takes twice as long. Default: 1.
    #[serde(default = "full_speed")]
    pub speed: f64,
    /// Weight that balancers give to it: a whole number from 1 up. Default: 1.
    #[serde(default = "one")]
    pub weight: u32,
    /// Zone, for faults that hit a zone and for the way to other zones.
    #[serde(default)]
    pub zone: Option<String>,
    /// Node on which the servers run, such as `worker-1`. Default: none. (Pods are placed by the scheduler.)
    #[serde(default)]
    pub node: Option<String>,
    /// One-way network delay between the balancer and the server. Default: none.
    #[serde(default)]
    pub latency: Option<Distribution>,
    /// What becomes of work that nobody waits for any more. Default: finish.
    #[serde(default)]
    pub abandoned: Abandoned,
    /// The server closes a connection that is idle for so long. Default: never.
    #[serde(default)]
    pub keep_alive: Option<Span>,
    /// TLS ends at the servers: balancers in front look at connections only (pass-through). Default: none.
    #[serde(default)]
    pub tls: Option<super::Tls>,
    /// The servers are pods that a controller runs. Default: they are there from start to end.
    #[serde(default)]
    pub pods: Option<super::Pods>,
}

fn one() -> u32 {
    1
}

fn full_speed() -> f64 {
    1.0
}

/// A number from 0 up, or `unbounded`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    Bounded(u32),
    Unbounded,
}

impl Default for Limit {
    fn default() -> Self {
        Limit::Bounded(1)
    }
}

impl JsonSchema for Limit {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Limit".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A whole number, or `unbounded`.",
            "anyOf": [{ "type": "integer", "minimum": 0, "maximum": u32::MAX }, { "const": "unbounded" }]
        })
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, "a whole number, or `unbounded`", |text| match text {
            "unbounded" => Ok(Limit::Unbounded),
            _ => {
                let number =
                    whole_number(text, 0, u32::MAX.into()).map_err(|reason| format!("{reason}; write `unbounded` for no limit"))?;
                Ok(Limit::Bounded(number as u32))
            }
        })
    }
}

impl Limit {
    pub(super) fn unbounded() -> Limit {
        Limit::Unbounded
    }

    /// As a number; `u32::MAX` stands for no limit.
    pub fn count(self) -> u32 {
        match self {
            Limit::Bounded(n) => n,
            Limit::Unbounded => u32::MAX,
        }
    }
}

/// In which order a server works on what is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Discipline {
    /// First in, first out: each slot works on one request until it is done.
    #[default]
    Fifo,
    /// Processor sharing: all that are there get min(1, slots / n) of a slot each.
    Ps,
}

/// What becomes of work that nobody waits for any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Abandoned {
    /// The server does not notice and finishes it.
    #[default]
    Finish,
    /// The server drops it at once.
    Cancel,
}
