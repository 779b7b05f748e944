//! `aws`: Route 53 records, load balancers and target groups as their users describe them. They are expanded to balancers
//! (`scenario/expand`); `lbsim expand` prints what they stand for.

mod targets;

pub use targets::*;

use super::{Routing, Rule, Tls};
use crate::control::defaults::route53;
use crate::document::whole_number;
use crate::units::{Share, Span};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// Parts of AWS. `lbsim expand` prints the balancers that they stand for.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Aws {
    /// Records of Route 53.
    pub records: Vec<RecordSet>,
    /// Application and Network Load Balancers.
    pub load_balancers: Vec<LoadBalancer>,
    /// What load balancers send to.
    pub target_groups: Vec<TargetGroup>,
}

/// The records of a name. Where they lead to a load balancer, its own name is resolved, too.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordSet {
    /// The name, such as `shop.example`; unique among records, load balancers, servers and balancers.
    pub name: String,
    /// Which record is answered. Default: simple.
    #[serde(default)]
    pub routing: Routing,
    /// How long an answer may be used. Default: 60s.
    #[serde(default = "one_minute")]
    pub ttl: Span,
    /// Where the records lead: load balancers, ingresses, services, other records, or balancers of the file.
    pub to: Destinations,
    /// Checks of what the records lead to. Default: none.
    #[serde(default)]
    pub health_check: Option<RecordCheck>,
    /// Resolvers that keep answers, each user at one of them. Default: each user (or session) keeps its own.
    #[serde(default)]
    pub resolvers: Option<u32>,
    /// Share of the resolvers that keep their first answer for ever. Default: 0%.
    #[serde(default)]
    pub ignore_ttl: Share,
    /// Most records in an answer of `multivalue`. Default: 8.
    #[serde(default = "eight")]
    pub answers: u32,
    /// Network delay between the user's zone and each destination's, for `latency`: by the zones' names, such as `{ "eu us": 40ms }`.
    #[serde(default)]
    pub distances: BTreeMap<String, Span>,
}

/// A health check of Route 53.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RecordCheck {
    /// The path that is asked for. Default: `/`.
    pub http: String,
    /// From check to check: 30s, or 10s (fast). Default: 30s.
    pub interval: Span,
    /// How long a check waits. Default: 4s.
    pub timeout: Span,
    /// Checks in a row that change the verdict, in both directions. Default: 3.
    pub threshold: u32,
}

impl Default for RecordCheck {
    fn default() -> Self {
        let (interval, timeout, threshold) = (route53::INTERVAL, route53::CONNECT_TIMEOUT, route53::FAILURE_THRESHOLD);
        RecordCheck { http: "/".to_owned(), interval, timeout, threshold }
    }
}

/// Where records lead, in the order of the file, with their weights: `[eu, us]`, or `{ blue: 90, green: 10 }`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destinations(pub Vec<(String, u32)>);

impl JsonSchema for Destinations {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Destinations".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Where records lead, in the order of the file: `[eu, us]`, or with weights `{ blue: 90, green: 10 }`.",
            "anyOf": [
                { "type": "array", "items": { "type": "string" } },
                { "type": "object", "additionalProperties": { "type": "integer", "minimum": 0, "maximum": 255 } }
            ]
        })
    }
}

impl<'de> Deserialize<'de> for Destinations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Destinations;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("names such as `[eu, us]`, or names with weights such as `{ blue: 90, green: 10 }`")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Destinations, A::Error> {
                let mut all = Vec::new();
                while let Some(name) = items.next_element::<String>()? {
                    all.push((name, 1));
                }
                Ok(Destinations(all))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Destinations, A::Error> {
                let mut all = Vec::new();
                while let Some((name, Weight(weight))) = entries.next_entry::<String, Weight>()? {
                    all.push((name, weight));
                }
                Ok(Destinations(all))
            }
        }
        deserializer.deserialize_str(Names)
    }
}

/// A weight of a record: 0 to 255.
struct Weight(u32);

impl<'de> Deserialize<'de> for Weight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::document::from_text(deserializer, "a weight from 0 to 255", |text| {
            whole_number(text, 0, 255).map(|weight| Weight(weight as u32))
        })
    }
}

/// A load balancer of AWS. Its own name is resolved to its nodes, one in each zone, for 60s.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadBalancer {
    /// Name, unique among records, load balancers, servers and balancers.
    pub name: String,
    /// Application (requests, by rules) or network (flows).
    #[serde(rename = "type")]
    pub kind: LoadBalancerType,
    /// Zones in which it has nodes. Default: those of the nodes or servers behind it.
    #[serde(default)]
    pub zones: Vec<String>,
    /// Its nodes use the targets of all zones (application: always, but for target groups that say otherwise). Default: true (network: false).
    #[serde(default)]
    pub cross_zone: Option<bool>,
    /// Nodes in each zone, each with an address, counts and checks of its own. Default: 1.
    #[serde(default = "one")]
    pub nodes_per_zone: u32,
    /// Ports, and where they lead. The load balancer's name stands for the first one, `<name>:<port>` for another.
    pub listeners: Vec<Listener>,
    /// A connection that is idle for so long is closed (network: forgotten). Default: 60s (network: 350s).
    #[serde(default)]
    pub idle_timeout: Option<Span>,
}

/// The kind of a load balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoadBalancerType {
    /// An Application Load Balancer: routes requests by rules.
    Application,
    /// A Network Load Balancer: routes flows by a hash of the 5-tuple.
    Network,
}

/// A port of a load balancer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// The port. Default: 80, or 443 with `tls`.
    #[serde(default)]
    pub port: Option<u16>,
    /// TLS ends here (application).
    #[serde(default)]
    pub tls: Option<Tls>,
    /// Rules on the request (application). `forward` names target groups.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Where the rest goes: target groups with the weights by which they are drawn. One of `default` and `respond`.
    #[serde(default)]
    pub default: BTreeMap<String, u32>,
    /// The status by which the rest is answered at once (application).
    #[serde(default)]
    pub respond: Option<u16>,
}

impl Listener {
    /// The port, given or by default.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.tls.is_some() { 443 } else { 80 })
    }
}

fn one() -> u32 {
    1
}

fn eight() -> u32 {
    8
}

fn one_minute() -> Span {
    Span::from_secs(60)
}
