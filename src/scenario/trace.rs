//! `trace`: recorded arrivals, and what the columns of their file mean.

use crate::units::Span;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Arrivals read from a file: CSV with a header, or an access log.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// Path relative to the scenario file; `.gz` is unpacked as it is read.
    pub file: String,
    /// `csv` (default) or `combined`, the log format of Apache and nginx.
    #[serde(default)]
    pub format: TraceFormat,
    /// The column with the arrival time. CSV only.
    #[serde(default)]
    pub time: Option<TimeColumn>,
    /// Work of each request: a constant plus each column times its unit. CSV only; without it the work comes from `requests`.
    #[serde(default)]
    pub work: Option<TraceWork>,
    /// Column that says who the client is; an IP address is the client's address too. CSV only.
    #[serde(default)]
    pub client: Option<String>,
    /// Column with the path. CSV only.
    #[serde(default)]
    pub path: Option<String>,
    /// Speed of the replay: 2.0 is twice as fast. Default: 1.
    #[serde(default)]
    pub pace: Option<f64>,
}

/// How the file of a trace is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TraceFormat {
    /// Comma-separated values with a header.
    #[default]
    Csv,
    /// An access log of Apache or nginx.
    Combined,
}

/// Where the arrival time stands: a number in `unit` since the start; without a unit a date-time, counted from the first row.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeColumn {
    /// Name of the column in the header.
    pub column: String,
    /// What 1 in the column stands for, such as `1ms`.
    #[serde(default)]
    pub unit: Option<Span>,
}

/// Work of a traced request.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TraceWork {
    /// Work of every request, whatever its columns say. Default: 0s.
    #[serde(default)]
    pub constant: Span,
    /// Each column with the work that one unit of it costs.
    #[serde(default)]
    pub columns: BTreeMap<String, Span>,
}
