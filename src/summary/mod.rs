//! The results of a study, exactly as `summary.json` has them. The structs are the contract: names, order and units of the
//! fields are those of the file. Fields may be added; none changes its meaning.
//!
//! - Latencies are in milliseconds, other times in seconds, shares from 0 to 1.
//! - A figure is the average over the replications with its 95 % interval (Student's t). Latency figures are those of the
//!   requests of all replications pooled, with the half-width that the replications' own figures give.
//! - Intervals end where the quantity does: at 0, shares also at 1.
//! - `null` stands where there is nothing to tell: no latency without a success, no interval with one replication. Never NaN.

mod accumulate;
mod advice;
mod compare;
mod connections;
mod details;
mod paths;
mod pods;
mod summarise;
#[cfg(test)]
pub(crate) mod tests;

pub use accumulate::{Accumulator, ClassFigures, Evenness, LatencyFigures, LatencyMetric, RunFigures, ServerFigures, together};
pub use advice::{Warning, WarningKind, short_path};
pub use compare::{AgainstFirst, Comparison, MATTERS, Metric};
pub use connections::{ConnectionsSummary, StatusesSummary};
pub use details::{Change, Details, FaultSpan, LoadMap, Sighting, SourceText, Timeseries, VariantDetails, details};
pub use paths::{PathSummary, StopSummary};
pub use pods::{PodChange, PodSummary, TargetChange};
pub use summarise::{About, summarise, variant_summary};

use crate::stats::Estimate;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::ser::{Formatter, PrettyFormatter};
use std::collections::BTreeMap;
use std::io;

/// A value with its interval; `null` where there is nothing to tell.
pub type Figure = Option<Estimate>;

/// Everything that a study found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Summary {
    /// Version of the program.
    pub lbsim: String,
    pub scenario: String,
    /// What the scenario says about itself.
    pub about: String,
    pub seed: u64,
    /// Replications asked for; `replications_done` of a variant says how many there are.
    pub replications: u32,
    /// Variants in the order of the scenario, each at all points of the sweep.
    pub variants: Vec<VariantSummary>,
    /// By sweep point and metric: the best variant against each other one.
    pub comparisons: Vec<Comparison>,
    /// By sweep point and metric: each other variant against the first.
    pub against_first: Vec<AgainstFirst>,
    /// What a reader of the figures should know, about the study as a whole.
    pub warnings: Vec<Warning>,
}

/// One variant at one sweep point.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VariantSummary {
    pub name: String,
    /// The sweep's coordinates: path and value as written; empty without a sweep.
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub point: Vec<(String, String)>,
    /// Uses a yardstick that no balancer can run; it is never named the best.
    pub oracle: bool,
    /// Complete replications; fewer than asked for after an interruption.
    pub replications_done: u32,
    pub duration_s: f64,
    /// What was cut from the start of each run, be it given or found by pilot runs.
    pub warmup_s: f64,
    pub requests: Requests,
    pub attempts: Attempts,
    /// Requests answered with success, per second after the warm-up.
    pub throughput_rps: Figure,
    /// Of successful requests, as the client sees it, from its first attempt on.
    pub latency_ms: LatencySummary,
    /// Of successful attempts at the server: queueing and service.
    pub response_ms: LatencySummary,
    /// Of successful attempts at the server: queueing alone.
    pub waiting_ms: WaitingSummary,
    pub classes: Vec<ClassSummary>,
    pub servers: Vec<ServerSummary>,
    pub fairness: Fairness,
    pub failover: Vec<Failover>,
    pub affinity: Affinity,
    pub health_checks: HealthChecks,
    /// By request class; only where there is more on the way than balancers that look at requests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<PathSummary>,
    /// By group; only where there are pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<PodSummary>,
    /// Only where the scenario says where clients, balancers or nodes stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
    /// Of the clients and balancers that keep connections.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connections: Vec<ConnectionsSummary>,
    /// Of the balancers that look at requests, where something about connections is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<StatusesSummary>,
    /// Names that are resolved (balancers with `dns`); left out where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<NameSummary>,
    /// The objectives of the scenario, judged.
    pub slo: Vec<Objective>,
    /// What a reader of this variant's figures should know.
    pub warnings: Vec<Warning>,
}

/// Requests of clients first sent after the warm-up: sent = ok + failed + unfinished.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Requests {
    pub sent: Figure,
    pub ok: Figure,
    pub failed: Figure,
    /// Open at the end of the run.
    pub unfinished: Figure,
    /// Those of the unfinished that nothing will ever answer: swallowed by a hang or a blackhole, and the client has no timeout.
    /// They count among the failures where shares are judged.
    pub stuck: Figure,
    /// Tries beyond the first, by clients and by balancers.
    pub retried: Figure,
    /// Copies sent because no answer had come yet.
    pub hedged: Figure,
    /// By kind; a kind that never happened is absent.
    pub by_error: BTreeMap<String, Figure>,
}

/// Every try that a balancer sent to a server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attempts {
    pub sent: Figure,
    pub ok: Figure,
    pub by_error: BTreeMap<String, Figure>,
}

/// What is told of latencies. The maximum is the largest of all replications and has no interval: it grows with their number.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LatencySummary {
    pub mean: Figure,
    pub p50: Figure,
    pub p90: Figure,
    pub p95: Figure,
    pub p99: Figure,
    pub p99_9: Figure,
    pub max: Figure,
}

impl LatencySummary {
    pub fn get(&self, metric: LatencyMetric) -> Figure {
        match metric {
            LatencyMetric::Mean => self.mean,
            LatencyMetric::P50 => self.p50,
            LatencyMetric::P90 => self.p90,
            LatencyMetric::P95 => self.p95,
            LatencyMetric::P99 => self.p99,
            LatencyMetric::P999 => self.p99_9,
            LatencyMetric::Max => self.max,
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WaitingSummary {
    #[serde(flatten)]
    pub waiting: LatencySummary,
    /// Share of the successful attempts that waited at all.
    pub waited_share: Figure,
}

/// A request class.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClassSummary {
    pub name: String,
    pub path: String,
    pub latency_ms: LatencySummary,
    pub response_ms: LatencySummary,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServerSummary {
    pub name: String,
    /// Attempts sent to it.
    pub requests: Figure,
    /// Of the attempts sent to all servers.
    pub share: Figure,
    /// Busy slot time over available slot time; `null` where slots are unbounded.
    pub utilization: Figure,
    /// Requests waiting, time average; those in service do not count.
    pub mean_queue: Figure,
    /// Share of the time without a crash, hang or blackhole.
    pub up: Figure,
    /// Percentiles to 1.6 %.
    pub response_ms: LatencySummary,
}

/// How evenly the attempts went to the servers, whatever their weights.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fairness {
    /// Jain's index of the attempts, from 1/n (all to one) to 1 (even).
    pub jain_requests: Figure,
    /// Jain's index of the utilizations; `null` where a server has unbounded slots.
    pub jain_utilization: Figure,
    /// The busiest server's attempts over the mean.
    pub max_over_mean: Figure,
    /// Utilization of the busiest server, which may be another one in each replication; `null` where a server has unbounded slots.
    #[serde(default)]
    pub utilization_max: Figure,
    /// Standard deviation over mean of the attempts; the servers are all there are, so divided by n.
    pub cv: Figure,
    pub clients: ClientFairness,
}

/// How alike the mean latencies are that users get. A user is one of the population, or else a session, or else a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClientFairness {
    /// Users with at least one success.
    pub users: Figure,
    pub jain_latency: Figure,
    /// The mean latency of the worst-off user in a hundred over the median user's.
    pub p99_over_median: Figure,
}

/// A figure of failover: the average over the replications in which it happened, and their extremes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Extent {
    pub value: f64,
    pub ci95: Option<(f64, f64)>,
    pub min: f64,
    pub max: f64,
}

/// One fault; means over its occurrences within a run where it strikes again and again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failover {
    pub fault: String,
    /// From the fault's start to the server's removal from rotation; `null` where no replication had that.
    pub detected_after_s: Option<Extent>,
    /// From the fault's start to the sending of the last request that failed because of it.
    pub last_error_after_s: Option<Extent>,
    /// From the fault's end until every balancer routes to the server again.
    pub restored_after_s: Option<Extent>,
    pub failed_requests: Option<Extent>,
    /// Removals of servers that were well, between the fault's start and its restoration.
    pub false_ejections: Option<Extent>,
    /// Time with a wrong view, summed over balancers and servers: in rotation during the fault, or out of it afterwards.
    pub wrong_view_s: Option<Extent>,
    /// How often it struck in a run.
    pub occurrences: Option<Extent>,
    /// Replications in which it was detected, of those that are done.
    pub detected_replications: u32,
}

/// Clients (or sessions) that come back, and where they were answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Affinity {
    /// Clients or sessions that were answered.
    pub sessions: Figure,
    /// Those that were answered by more than one server.
    pub moved: Figure,
    /// Those that moved because their server was gone.
    pub lost_state: Figure,
    /// Those that came back to their server after it had restarted, so that it had forgotten them.
    pub wiped: Figure,
    /// Share of the requests of returning clients that were answered elsewhere than the last; `null` where nobody returns.
    pub requests_moved_share: Figure,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HealthChecks {
    pub sent: Figure,
    pub failed: Figure,
    /// After the warm-up, all balancers together.
    pub per_second: Figure,
    /// Removals of servers without any fault, whenever they were.
    pub false_ejections: Figure,
}

/// A name, and what was answered to those who asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NameSummary {
    pub name: String,
    /// Queries that reached the name server; what a cache answered is none.
    pub queries: Figure,
    pub records: Vec<RecordSummary>,
}

/// A record of a name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecordSummary {
    pub name: String,
    /// Share of the queries whose answer had it; `null` without a query.
    pub share: Figure,
}

/// What travelled between zones.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Traffic {
    /// Passages from a client or balancer to the next hop, both of which stand in a zone.
    pub passages: Figure,
    /// Share of them between two different zones; `null` where there were none.
    pub cross_zone_share: Figure,
    /// Requests and answers (the `size` of their classes) that crossed zones, counted at each crossing.
    pub cross_zone_gib: Figure,
}

/// An objective and how the variant did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    /// A latency metric, or `success`.
    pub objective: String,
    /// Milliseconds at most; for `success` the share of the finished requests at least.
    pub limit: f64,
    /// `null` where no request makes one; then the objective is not met.
    pub value: Option<f64>,
    pub met: bool,
}

impl VariantSummary {
    /// Failed over finished requests. `None` where none has finished.
    pub fn failed_share(&self) -> Option<f64> {
        let (ok, failed) = (self.requests.ok?.value, self.requests.failed?.value + self.requests.stuck?.value);
        (ok + failed > 0.0).then(|| failed / (ok + failed))
    }

    /// Busy slot time over available slot time, all servers alike. `None` where a server has unbounded slots.
    pub fn mean_utilization(&self) -> Option<f64> {
        let values: Option<Vec<f64>> = self.servers.iter().map(|server| server.utilization.map(|estimate| estimate.value)).collect();
        let values = values.filter(|values| !values.is_empty())?;
        Some(values.iter().sum::<f64>() / values.len() as f64)
    }
}

impl Summary {
    /// The variants of each point of the sweep, in the order of the file. One group where nothing is swept.
    pub fn by_point(&self) -> Vec<Vec<&VariantSummary>> {
        let mut groups: Vec<Vec<&VariantSummary>> = Vec::new();
        for variant in &self.variants {
            match groups.iter_mut().find(|group| group[0].point == variant.point) {
                Some(group) => group.push(variant),
                None => groups.push(vec![variant]),
            }
        }
        groups
    }

    /// Whether every objective of every variant is met.
    pub fn is_slo_met(&self) -> bool {
        self.variants.iter().flat_map(|variant| &variant.slo).all(|objective| objective.met)
    }

    /// The file `summary.json`.
    pub fn to_json(&self) -> serde_json::Result<String> {
        to_json(self, PrettyFormatter::new())
    }
}

/// As JSON with figures of eight digits.
fn to_json<F: Formatter>(value: &impl Serialize, layout: F) -> serde_json::Result<String> {
    let mut json = Vec::new();
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut json, EightDigits(layout)))?;
    json.push(b'\n');
    // The serializer writes UTF-8 only.
    Ok(String::from_utf8_lossy(&json).into_owned())
}

/// A figure as the files have it.
pub fn rounded(value: f64) -> f64 {
    if value.fract() == 0.0 || value.abs() >= 1e8 { value } else { format!("{value:.7e}").parse().unwrap_or(value) }
}

/// Writes figures with eight significant digits (integers below 2^53 in full). More would be noise: replications differ in the
/// third or fourth, and the last bits of a t quantile differ between platforms, which the bytes of a file should not.
struct EightDigits<F>(F);

impl<F: Formatter> Formatter for EightDigits<F> {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        self.0.write_f64(writer, rounded(value))
    }
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }
    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }
    fn end_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }
    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }
    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }
    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }
    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }
    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

/// A map in the order of the list.
fn as_map<S: Serializer>(point: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(point.iter().map(|(path, value)| (path, value)))
}

fn from_map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, String)>, D::Error> {
    struct Pairs;
    impl<'de> serde::de::Visitor<'de> for Pairs {
        type Value = Vec<(String, String)>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a map of paths to values")
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut pairs = Vec::new();
            while let Some(pair) = map.next_entry()? {
                pairs.push(pair);
            }
            Ok(pairs)
        }
    }
    deserializer.deserialize_map(Pairs)
}
