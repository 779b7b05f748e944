//! What the pictures and the page are drawn from, beyond the figures of the summary: curves, the run over time, and the history
//! of faults, health checks and rotation. Stored as `details.json`, so that `lbsim report` can build the page anew.
//!
//! Times are in seconds from the start of the run, latencies in milliseconds, shares from 0 to 1.

use serde::{Deserialize, Serialize};

/// Beside the summary; its variants are in the order of the summary's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Details {
    pub source: SourceText,
    /// The command line that repeats the study, in a shell's quotes.
    pub command: String,
    pub variants: Vec<VariantDetails>,
}

/// The scenario as it was written, comments included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceText {
    pub name: String,
    pub text: String,
}

/// The pictures' data of one variant at one sweep point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VariantDetails {
    /// Latency by percentile, of the successful requests of all replications: (share of requests at or below, milliseconds), from 0 up
    /// to the last share that ten requests lie beyond. Shares are spaced evenly in the number of nines.
    pub percentiles: Vec<(f64, f64)>,
    /// Distribution of the same latencies: (upper end of the bucket in milliseconds, share of the requests in it), buckets of equal
    /// ratio; the first begins at `distribution_from_ms`.
    pub distribution: Vec<(f64, f64)>,
    pub distribution_from_ms: f64,
    /// Mean latency of users by percentile: (share of the users at or below, milliseconds).
    pub users: Vec<(f64, f64)>,
    /// Weight of each server over the sum of all, in the order of the summary's servers.
    pub weight_shares: Vec<f64>,
    pub timeseries: Timeseries,
    /// Load by server over time; absent where the run was too large to keep it.
    pub load: Option<LoadMap>,
    /// The faults of the scenario, as they struck in the first replication.
    pub faults: Vec<FaultSpan>,
    /// What happened to servers and in the balancers' views in the first replication.
    pub history: History,
}

/// Averages over the replications, by bins of equal width (the last may be shorter): at most 400.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timeseries {
    pub bin_s: f64,
    /// Per second, requests first sent in the bin.
    pub sent_rps: Vec<f64>,
    /// Per second, requests that ended in the bin, well or not.
    pub ok_rps: Vec<f64>,
    pub failed_rps: Vec<f64>,
    /// Latencies of the requests that ended well in the bin; `null` where there was none.
    pub mean_ms: Vec<Option<f64>>,
    pub p50_ms: Vec<Option<f64>>,
    pub p99_ms: Vec<Option<f64>>,
    /// Per second, answers to returning clients by another server than their last; empty where nobody returns.
    pub moved_rps: Vec<f64>,
}

/// A heat map: rows are servers (of at most 60: where there are more, some in a row of neighbours are averaged), columns bins of time, at most 150.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadMap {
    pub bin_s: f64,
    /// A server's name, or `web-1 to web-4` for a row of several.
    pub rows: Vec<String>,
    /// Requests at the server (in service or waiting), time average over the bin and the replications; by row, then bin.
    pub in_system: Vec<Vec<f64>>,
    /// Those of them that wait.
    pub waiting: Vec<Vec<f64>>,
}

/// One occurrence of a fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultSpan {
    /// As in the summary's `failover`, such as `crash web-3`.
    pub fault: String,
    pub servers: Vec<String>,
    pub from_s: f64,
    /// The end of the run where it lasts that long.
    pub to_s: f64,
}

/// Changes in the order of time, of the servers that a fault or an ejection concerned; at most 2,000 of each kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// A server is up or (crashed, hung, unreachable) down. All are up at the start.
    pub servers: Vec<Change>,
    /// A balancer took a target out of rotation or put it back; a change at 0 s tells that it began outside.
    pub rotation: Vec<Change>,
    /// A health check ended, well or not.
    pub checks: Vec<Change>,
    /// More happened than is kept.
    pub is_cut: bool,
}

/// Something changed to good or to bad.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    pub at_s: f64,
    /// The server.
    pub server: String,
    /// The balancer whose view or check it is; empty for the server itself.
    pub balancer: String,
    pub is_good: bool,
}

impl Details {
    /// The file `details.json`.
    pub fn to_json(&self) -> serde_json::Result<String> {
        super::to_json(self)
    }
}
