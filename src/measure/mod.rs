//! What a run leaves behind: plain numbers by family, collected while it runs, folded over replications in their order.

pub mod affinity;
pub mod connections;
pub mod crossings;
pub mod failover;
pub mod fairness;
pub mod history;
pub mod latency;
pub mod names;
pub mod paths;
pub mod pods;
pub mod recorder;
pub mod statuses;
pub mod timeline;
pub mod traffic;

use crate::units::Span;
pub use affinity::{AffinityRecord, Visits};
pub use connections::OpenerRecord;
pub use crossings::Crossings;
pub use failover::{FailoverRecord, FaultRecord};
pub use fairness::UserLatency;
pub use history::History;
pub use latency::{CoarseLatencies, Latencies};
pub use names::NameRecord;
pub use paths::PathRecord;
pub use pods::PodRecord;
pub use recorder::Recorder;
pub use statuses::{Status, Statuses};
pub use timeline::Timeline;
pub use traffic::{Counts, ServerRecord};

/// One replication of one variant.
pub struct RunRecord {
    /// Seconds from the end of the warm-up to the end of the run.
    pub window_s: f64,
    /// Requests of clients first sent within the window.
    pub requests: Counts,
    /// Requests still open at the end.
    pub unfinished: u64,
    /// Those of them that nothing will ever answer: swallowed by a hang or a blackhole, and no timeout ends them.
    pub stuck: u64,
    /// Answered with success within the window, whenever sent.
    pub answered: u64,
    /// Tries beyond the first, by clients and by balancers.
    pub retried: u64,
    /// Tries that balancers sent to servers.
    pub attempts: Counts,
    pub classes: Vec<ClassRecord>,
    pub servers: Vec<ServerRecord>,
    pub users: UserLatency,
    pub failover: FailoverRecord,
    pub affinity: AffinityRecord,
    pub checks_sent: u64,
    pub checks_failed: u64,
    /// Of each client, then of each balancer; `None` where it keeps no connections.
    pub openers: Vec<Option<OpenerRecord>>,
    /// What each balancer answered; empty where that is not counted.
    pub statuses: Vec<Statuses>,
    /// By request class; empty where ways are not told.
    pub paths: Vec<PathRecord>,
    /// By group of pods.
    pub pods: Vec<PodRecord>,
    pub timeline: Timeline,
    /// Where the scenario says where things stand.
    pub crossings: Option<Crossings>,
    /// By name (a balancer with `dns`), in the order of the scenario.
    pub names: Vec<NameRecord>,
    /// Of the first replication.
    pub history: Option<History>,
    /// Where MSER-5 would cut, if this was a pilot.
    pub truncation: Option<crate::stats::Truncation>,
    /// Events handled, for the speed of the simulator itself.
    pub events: u64,
}

/// Latencies of one request class.
#[derive(Clone, Default)]
pub struct ClassRecord {
    /// Of successful requests, as the client sees it.
    pub latency: Latencies,
    /// Of successful attempts at the server: queueing and service.
    pub response: Latencies,
    /// Of successful attempts at the server: queueing alone.
    pub waiting: Latencies,
    /// Successful attempts that waited at all.
    pub waited: u64,
}

impl ClassRecord {
    #[inline(always)]
    fn record_waiting(&mut self, waiting: Span) {
        self.waiting.record(waiting);
        self.waited += u64::from(waiting > Span::ZERO);
    }

    pub fn merge(&mut self, other: &ClassRecord) {
        self.latency.merge(&other.latency);
        self.response.merge(&other.response);
        self.waiting.merge(&other.waiting);
        self.waited += other.waited;
    }
}
