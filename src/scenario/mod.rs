//! The scenario file as plain structs: every field with its doc, unit and default. No behaviour, no I/O.
//! `variants` says how `compare`, `sweep` and `--set` patch the document before it becomes these structs.

mod amount;
pub mod autoscale;
pub mod aws;
pub mod balancers;
mod check;
pub mod clients;
pub mod cluster;
pub mod connections;
mod expand;
pub mod faults;
pub mod health;
pub mod kubernetes;
mod read;
pub mod routes;
pub mod schema;
pub mod servers;
pub mod trace;
pub mod variants;

pub use amount::{Amount, MinimumHealthy};
pub use autoscale::*;
pub use aws::*;
pub use balancers::*;
pub use check::check;
pub use clients::*;
pub use cluster::*;
pub use connections::*;
pub use faults::*;
pub use health::*;
pub use kubernetes::*;
pub use routes::*;
pub use servers::*;
pub use trace::*;
pub use variants::{Study, Variant};

use crate::dist::Distribution;
use crate::document::from_text;
use crate::units::{Share, Span};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

/// One variant of a scenario, as the simulator needs it: the document after its patches, without `compare` and `sweep`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Name of the scenario; the results folder is called so. Default: the file's name.
    #[serde(default)]
    pub name: String,
    /// What the scenario shows and what to look for.
    #[serde(default)]
    pub about: String,
    /// Seed of all random draws. Default: 1.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// How long a run lasts in simulated time. Default: the length of the trace; without a trace it must be given.
    #[serde(default)]
    pub duration: Option<Span>,
    /// What happens before this time is not counted. Default: 0s.
    #[serde(default)]
    pub warmup: Warmup,
    /// Independent runs of each variant. Default: 10.
    #[serde(default = "default_replications")]
    pub replications: u32,
    /// Who sends requests.
    pub clients: Vec<Client>,
    /// Who works on them. Needed unless `kubernetes` is given.
    pub servers: Vec<ServerGroup>,
    /// Who routes them. Needed unless `kubernetes` or `aws` is given.
    pub balancers: Vec<Balancer>,
    /// The balancer at which clients enter. Default: the first one listed.
    #[serde(default)]
    pub entry: Option<String>,
    /// Machines on which pods and node balancers run.
    #[serde(default)]
    pub nodes: Vec<NodeGroup>,
    /// Delays between places.
    #[serde(default)]
    pub network: Option<Network>,
    /// What goes wrong, and when.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// What operators do, and when.
    #[serde(default)]
    pub operations: Vec<Operation>,
    /// Objectives that every variant is judged by.
    #[serde(default)]
    pub slo: Option<Slo>,
}

fn default_seed() -> u64 {
    1
}

fn default_replications() -> u32 {
    10
}

/// The part of a run that is not counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Warmup {
    Fixed(Span),
    /// Found by MSER-5 from a pilot run.
    Auto,
}

impl Default for Warmup {
    fn default() -> Self {
        Warmup::Fixed(Span::ZERO)
    }
}

impl JsonSchema for Warmup {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Warmup".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration such as `1m`, or `auto`: found by MSER-5 from a pilot run.",
            "anyOf": [generator.subschema_for::<Span>(), { "const": "auto" }]
        })
    }
}

impl<'de> Deserialize<'de> for Warmup {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, "a duration such as `1m`, or `auto`", |text| match text {
            "auto" => Ok(Warmup::Auto),
            _ => text.parse().map(Warmup::Fixed).map_err(|reason: String| format!("{reason}; or `auto`")),
        })
    }
}

/// Service level objectives; each one given must hold.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Slo {
    /// Upper bound of the mean latency.
    pub mean: Option<Span>,
    /// Upper bound of the median latency.
    pub p50: Option<Span>,
    /// Upper bound of the 90th percentile of the latency.
    pub p90: Option<Span>,
    /// Upper bound of the 95th percentile of the latency.
    pub p95: Option<Span>,
    /// Upper bound of the 99th percentile of the latency.
    pub p99: Option<Span>,
    /// Upper bound of the 99.9th percentile of the latency.
    pub p99_9: Option<Span>,
    /// Least share of the finished requests that must succeed.
    pub success: Option<Share>,
}

impl Scenario {
    /// Calls `visit` with every distribution that the scenario uses.
    pub fn each_distribution<'a>(&'a self, visit: &mut impl FnMut(&'a Distribution)) {
        for client in &self.clients {
            match &client.arrivals {
                Arrivals::Renewal { gap } => visit(gap),
                Arrivals::Closed { think, .. } => visit(think),
                _ => {}
            }
            client.session.iter().for_each(|session| visit(&session.think));
            client.requests.iter().for_each(|class| visit(&class.work));
            client.latency.iter().for_each(&mut *visit);
        }
        self.servers.iter().filter_map(|group| group.latency.as_ref()).for_each(&mut *visit);
        self.balancers.iter().filter_map(|balancer| balancer.latency.as_ref()).for_each(&mut *visit);
        cluster::each_distribution(self, visit);
        for fault in &self.faults {
            let (mtbf, mttr) = match fault {
                Fault::Crash(fault) | Fault::Hang(fault) | Fault::Blackhole(fault) => (&fault.mtbf, &fault.mttr),
                Fault::Errors(fault) => (&fault.mtbf, &fault.mttr),
                Fault::Slow(fault) => (&fault.mtbf, &fault.mttr),
                Fault::Flap(_) => (&None, &None),
            };
            mtbf.iter().chain(mttr).for_each(&mut *visit);
        }
    }
}
