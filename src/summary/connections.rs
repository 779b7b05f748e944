//! What is told of connections and statuses.

use super::Figure;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The connections that a client or balancer keeps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConnectionsSummary {
    /// The client or balancer that opens them.
    pub opener: String,
    /// Connections that were made.
    pub opened: Figure,
    /// Connections that could not be made.
    pub failed: Figure,
    /// Share of the tries that went over a connection opened for another one.
    pub reused_share: Figure,
    /// Tries that were reset with their connection.
    pub resets: Figure,
    /// TLS handshakes, full and resumed.
    pub handshakes_full: Figure,
    pub handshakes_resumed: Figure,
    /// Connections at once, time average.
    pub mean_open: Figure,
    /// Share of the tries that waited for a connection because there were `max`.
    pub waited_share: Figure,
    /// How long those waited on average, in milliseconds; `null` where none did.
    pub waiting_ms: Figure,
}

/// What a balancer answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StatusesSummary {
    pub balancer: String,
    /// By status; one that never happened is absent.
    pub statuses: BTreeMap<String, Figure>,
}
