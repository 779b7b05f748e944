//! How a balancer finds its target other than by an algorithm: rules on the request, and names that are resolved; and how a target that
//! is new gets its share step by step.

use crate::document::text_or_map;
use crate::units::{Share, Span};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// A rule of a balancer that looks at requests: the first that matches decides.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Rules with smaller numbers are asked first; equal ones in the order of the file. Default: 50000.
    #[serde(default = "last_priority")]
    pub priority: u32,
    /// All of these must hold. Default: it always matches.
    #[serde(default)]
    pub when: When,
    /// Where the request goes: targets of this balancer with the weights by which they are drawn (0: never).
    #[serde(default)]
    pub forward: Option<BTreeMap<String, u32>>,
    /// A user stays with the target that was drawn for it, for so long. Default: drawn anew for each request.
    #[serde(default)]
    pub sticky: Option<Span>,
    /// Instead of `forward`: the status that is answered at once. 400 and above is a failure.
    #[serde(default)]
    pub respond: Option<u16>,
}

fn last_priority() -> u32 {
    50_000
}

/// Conditions; of each given one of its values must match.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// Patterns of the path, upper and lower case told apart; `*` stands for any text, `?` for one character.
    pub path: Vec<String>,
    /// Patterns of the host, upper and lower case alike; `*` and `?` as above.
    pub host: Vec<String>,
    /// Each of these headers must have one of the values (patterns, upper and lower case alike).
    pub header: BTreeMap<String, Vec<String>>,
    /// Methods, such as `GET`.
    pub method: Vec<String>,
    /// Patterns of `key=value`, or of a value alone, in the query.
    pub query: Vec<String>,
    /// Networks of the client's address, such as `10.0.0.0/8`.
    pub source: Vec<String>,
}

/// A name that clients resolve. The balancer's targets are the records, their weights those of the targets.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dns {
    /// Which record is answered. Default: simple.
    #[serde(default)]
    pub routing: Routing,
    /// How long an answer may be used. Default: 60s.
    #[serde(default = "default_ttl")]
    pub ttl: Span,
    /// Resolvers that keep answers, each user at one of them. Default: each user (or session) keeps its own.
    #[serde(default)]
    pub resolvers: Option<u32>,
    /// Share of the resolvers that keep their first answer for ever. Default: 0%.
    #[serde(default)]
    pub ignore_ttl: Share,
    /// Most records in an answer of `multivalue`; the user takes one of them at random. Default: 8.
    #[serde(default = "default_answers")]
    pub answers: u32,
    /// Network delay between the user's zone and each record's, for `latency`: by the zones' names, such as `{ "eu us": 40ms }`.
    #[serde(default)]
    pub distances: BTreeMap<String, Span>,
}

/// How a name server chooses the record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Routing {
    /// All records; the user takes one at random.
    #[default]
    Simple,
    /// One record, drawn by weight for each query.
    Weighted,
    /// The first record as long as it is healthy, then the next.
    Failover,
    /// Up to `answers` healthy records; the user takes one at random.
    Multivalue,
    /// The healthy record with the shortest way from the user's zone.
    Latency,
}

fn default_ttl() -> Span {
    Span::from_secs(60)
}

fn default_answers() -> u32 {
    8
}

/// How a target that joins, or is healthy again, comes to its full share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlowStart {
    pub lasts: Span,
    pub shape: Shape,
    /// Of `envoy`: 1 is linear, larger rises faster at first.
    pub aggression: f64,
    /// Least factor of the weight.
    pub least: Share,
}

/// How the share rises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// In proportion to the time (AWS).
    #[default]
    Linear,
    /// (age / window) to the power of 1 / aggression, from `least` on.
    Envoy,
    /// In sixteenths of the weight; only after having been down.
    Haproxy,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SlowStartFields {
    /// How long it takes.
    #[serde(rename = "for")]
    lasts: Span,
    /// How the share rises. Default: linear.
    #[serde(default)]
    shape: Shape,
    /// Of `envoy`: 1 is linear, larger rises faster at first. Default: 1.
    #[serde(default = "aggression")]
    aggression: f64,
    /// Least factor of the weight. Default: 10 % for `envoy`, else 0 %.
    #[serde(default)]
    least: Option<Share>,
}

fn aggression() -> f64 {
    1.0
}

impl From<SlowStartFields> for SlowStart {
    fn from(SlowStartFields { lasts, shape, aggression, least }: SlowStartFields) -> SlowStart {
        let least = least.unwrap_or(Share(if shape == Shape::Envoy { 0.1 } else { 0.0 }));
        SlowStart { lasts, shape, aggression, least }
    }
}

impl JsonSchema for SlowStart {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SlowStart".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How long a new target takes to its full share: `30s` (linear), or `{ for: 30s, shape: envoy }`.",
            "anyOf": [generator.subschema_for::<Span>(), generator.subschema_for::<SlowStartFields>()]
        })
    }
}

impl<'de> Deserialize<'de> for SlowStart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let linear = |text: &str| text.parse().map(|lasts| SlowStart { lasts, shape: Shape::Linear, aggression: 1.0, least: Share(0.0) });
        text_or_map::<D, SlowStart, SlowStartFields>(deserializer, "a duration such as `30s`, or `{ for: 30s, shape: envoy }`", linear)
    }
}
