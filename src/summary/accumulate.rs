//! What is kept of a variant's runs: the latencies of all of them pooled, and the figures of each that make the intervals.
//! Memory grows with the number of runs by a few numbers per server, not with their requests.

use crate::measure::latency::LogLinear;
use crate::measure::{
    AffinityRecord, ClassRecord, CoarseLatencies, Counts, Crossings, FaultRecord, History, NameRecord, OpenerRecord, PathRecord, PodRecord,
    RunRecord, ServerRecord, Statuses, Timeline, UserLatency,
};
use crate::stats;
use crate::units::Time;

/// The runs of one variant at one sweep point, folded in the order of their replications.
#[derive(Clone, Default)]
pub struct Accumulator {
    pub warmup: Time,
    /// The warm-up was to be found by pilot runs, and they were too short to tell.
    pub is_warmup_doubtful: bool,
    /// Latencies by request class, of all runs.
    pub classes: Vec<ClassRecord>,
    /// Response times by server, of all runs.
    pub server_response: Vec<CoarseLatencies>,
    pub timeline: Timeline,
    /// Mean latencies of the users of all runs.
    pub users: UserLatency,
    /// Of the first replication.
    pub history: Option<History>,
    /// The figures of each run, by replication.
    pub runs: Vec<RunFigures>,
}

/// The scalar figures of one run.
#[derive(Clone)]
pub struct RunFigures {
    pub window_s: f64,
    pub requests: Counts,
    pub unfinished: u64,
    pub stuck: u64,
    pub answered: u64,
    pub retried: u64,
    pub attempts: Counts,
    /// Of all classes together.
    pub all: ClassFigures,
    pub classes: Vec<ClassFigures>,
    pub servers: Vec<ServerFigures>,
    pub evenness: Evenness,
    pub users: u64,
    pub jain_latency: f64,
    pub p99_over_median: Option<f64>,
    pub faults: Vec<FaultRecord>,
    pub false_ejections: u64,
    pub affinity: AffinityRecord,
    pub checks_sent: u64,
    pub checks_failed: u64,
    /// Where the scenario says where things stand.
    pub crossings: Option<Crossings>,
    /// Of clients, then of balancers, where they keep connections.
    pub openers: Vec<Option<OpenerRecord>>,
    /// By balancer, where they are counted.
    pub statuses: Vec<Statuses>,
    pub names: Vec<NameRecord>,
    /// By request class; empty where ways are not told.
    pub paths: Vec<PathRecord>,
    /// By group of pods.
    pub pods: Vec<PodRecord>,
    pub events: u64,
}

/// The latencies of a class in one run.
#[derive(Clone)]
pub struct ClassFigures {
    pub latency: LatencyFigures,
    pub response: LatencyFigures,
    pub waiting: LatencyFigures,
    /// Share of the successful attempts that waited at all.
    pub waited_share: Option<f64>,
}

/// One server in one run.
#[derive(Clone)]
pub struct ServerFigures {
    /// A place for pods in which none ran.
    pub was_empty: bool,
    pub attempts: u64,
    /// Of the attempts sent to all servers. `None` where there were none.
    pub share: Option<f64>,
    pub utilization: Option<f64>,
    pub mean_queue: f64,
    pub up: f64,
    pub response: LatencyFigures,
}

/// How evenly the attempts went to the servers; the definitions stand with the functions in `stats`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evenness {
    pub jain_requests: f64,
    /// Of the utilizations. `None` where a server has unbounded slots.
    pub jain_utilization: Option<f64>,
    pub max_over_mean: f64,
    pub cv: f64,
}

/// What is told of a set of latencies, in milliseconds; the order of the columns everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatencyMetric {
    Mean,
    P50,
    P90,
    P95,
    P99,
    P999,
    Max,
}

impl LatencyMetric {
    pub const ALL: [LatencyMetric; 7] = {
        use LatencyMetric::*;
        [Mean, P50, P90, P95, P99, P999, Max]
    };

    /// The name in files and results.
    pub fn name(self) -> &'static str {
        match self {
            LatencyMetric::Mean => "mean",
            LatencyMetric::P50 => "p50",
            LatencyMetric::P90 => "p90",
            LatencyMetric::P95 => "p95",
            LatencyMetric::P99 => "p99",
            LatencyMetric::P999 => "p99_9",
            LatencyMetric::Max => "max",
        }
    }

    /// The share of latencies below it, of a percentile.
    pub fn quantile(self) -> Option<f64> {
        match self {
            LatencyMetric::Mean | LatencyMetric::Max => None,
            LatencyMetric::P50 => Some(0.5),
            LatencyMetric::P90 => Some(0.9),
            LatencyMetric::P95 => Some(0.95),
            LatencyMetric::P99 => Some(0.99),
            LatencyMetric::P999 => Some(0.999),
        }
    }
}

/// The metrics of a set of latencies, in milliseconds; `None` where there is no latency.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LatencyFigures {
    pub count: u64,
    values: [Option<f64>; LatencyMetric::ALL.len()],
}

impl LatencyFigures {
    pub fn get(&self, metric: LatencyMetric) -> Option<f64> {
        self.values[metric as usize]
    }

    fn new(count: u64, mean: Option<f64>, max: Option<f64>, quantile: impl Fn(f64) -> Option<f64>) -> LatencyFigures {
        let value = |metric: LatencyMetric| match (metric, metric.quantile()) {
            (_, Some(q)) => quantile(q),
            (LatencyMetric::Max, None) => max,
            (_, None) => mean,
        };
        LatencyFigures { count, values: LatencyMetric::ALL.map(value) }
    }
}

impl<const BITS: u32, const UNIT_BITS: u32> From<&LogLinear<BITS, UNIT_BITS>> for LatencyFigures {
    fn from(latencies: &LogLinear<BITS, UNIT_BITS>) -> LatencyFigures {
        LatencyFigures::new(latencies.count(), latencies.mean_ms(), latencies.max_ms(), |q| latencies.quantile_ms(q))
    }
}

impl From<&ClassRecord> for ClassFigures {
    fn from(class: &ClassRecord) -> ClassFigures {
        ClassFigures {
            latency: (&class.latency).into(),
            response: (&class.response).into(),
            waiting: (&class.waiting).into(),
            waited_share: ratio(class.waited as f64, class.waiting.count() as f64),
        }
    }
}

/// `None` where there is nothing to divide by.
pub(super) fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

/// All classes as one.
pub fn together(classes: &[ClassRecord]) -> ClassRecord {
    let mut all = ClassRecord::default();
    classes.iter().for_each(|class| all.merge(class));
    all
}

impl Accumulator {
    pub fn new(warmup: Time) -> Accumulator {
        Accumulator { warmup, ..Accumulator::default() }
    }

    /// Adds the next replication.
    pub fn fold(&mut self, run: RunRecord) {
        self.add(&run);
        self.history = self.history.take().or(run.history);
    }

    /// Whether a server was there in some replication: it is no place for pods that remained empty.
    pub fn is_used(&self, server: usize) -> bool {
        self.runs.is_empty() || self.runs.iter().any(|run| !run.servers[server].was_empty)
    }

    /// Adds the figures of the next replication; its history is left to [`Accumulator::fold`].
    pub fn add(&mut self, run: &RunRecord) {
        self.classes.resize_with(run.classes.len(), ClassRecord::default);
        self.server_response.resize_with(run.servers.len(), CoarseLatencies::default);
        self.runs.push(RunFigures::of(run));
        for (pooled, class) in self.classes.iter_mut().zip(&run.classes) {
            pooled.merge(class);
        }
        for (pooled, server) in self.server_response.iter_mut().zip(&run.servers) {
            pooled.merge(&server.response);
        }
        self.timeline.merge(&run.timeline);
        self.users.merge(&run.users);
    }
}

impl RunFigures {
    fn of(run: &RunRecord) -> RunFigures {
        let all = match &run.classes[..] {
            [one] => ClassFigures::from(one),
            classes => ClassFigures::from(&together(classes)),
        };
        RunFigures {
            window_s: run.window_s,
            requests: run.requests,
            unfinished: run.unfinished,
            stuck: run.stuck,
            answered: run.answered,
            retried: run.retried,
            attempts: run.attempts,
            all,
            classes: run.classes.iter().map(ClassFigures::from).collect(),
            servers: server_figures(&run.servers),
            evenness: Evenness::of(&run.servers),
            users: run.users.users(),
            jain_latency: run.users.jain(),
            p99_over_median: run.users.p99_over_median(),
            faults: run.failover.faults.clone(),
            false_ejections: run.failover.false_ejections,
            affinity: run.affinity,
            checks_sent: run.checks_sent,
            checks_failed: run.checks_failed,
            crossings: run.crossings,
            openers: run.openers.clone(),
            statuses: run.statuses.clone(),
            names: run.names.clone(),
            paths: run.paths.clone(),
            pods: run.pods.clone(),
            events: run.events,
        }
    }

    /// Requests answered with success, per second after the warm-up.
    pub fn throughput_rps(&self) -> Option<f64> {
        ratio(self.answered as f64, self.window_s)
    }

    /// Share of the requests that failed, of those that are finished or that nothing will ever answer. `None` where there is none.
    pub fn failed_share(&self) -> Option<f64> {
        let failed = (self.requests.failed() + self.stuck) as f64;
        ratio(failed, self.requests.ok as f64 + failed)
    }

    /// Busy slot time over available slot time, all servers alike that were there. `None` where a server has unbounded slots.
    pub fn mean_utilization(&self) -> Option<f64> {
        let utilizations = self.utilizations()?;
        ratio(utilizations.iter().sum(), utilizations.len() as f64)
    }

    /// Of the busiest server. `None` where a server has unbounded slots.
    pub fn utilization_max(&self) -> Option<f64> {
        self.utilizations()?.into_iter().reduce(f64::max)
    }

    fn utilizations(&self) -> Option<Vec<f64>> {
        self.servers.iter().filter(|server| !server.was_empty).map(|server| server.utilization).collect()
    }

    /// Requests waiting, time average, all servers together.
    pub fn mean_queue(&self) -> f64 {
        self.servers.iter().map(|server| server.mean_queue).sum()
    }

    /// Share of the answered requests of returning clients that went elsewhere than the last.
    pub fn requests_moved_share(&self) -> Option<f64> {
        ratio(self.affinity.requests_moved as f64, self.affinity.requests as f64)
    }
}

fn server_figures(servers: &[ServerRecord]) -> Vec<ServerFigures> {
    let total: u64 = servers.iter().map(|server| server.attempts).sum();
    let figures = |server: &ServerRecord| ServerFigures {
        was_empty: server.was_empty,
        attempts: server.attempts,
        share: ratio(server.attempts as f64, total as f64),
        utilization: server.utilization,
        mean_queue: server.mean_queue,
        up: server.up,
        response: (&server.response).into(),
    };
    servers.iter().map(figures).collect()
}

impl Evenness {
    fn of(servers: &[ServerRecord]) -> Evenness {
        let there = || servers.iter().filter(|server| !server.was_empty);
        let attempts: Vec<f64> = there().map(|server| server.attempts as f64).collect();
        let utilizations: Option<Vec<f64>> = there().map(|server| server.utilization).collect();
        Evenness {
            jain_requests: stats::jain(&attempts),
            jain_utilization: utilizations.map(|utilizations| stats::jain(&utilizations)),
            max_over_mean: stats::max_over_mean(&attempts),
            cv: stats::coefficient_of_variation(&attempts),
        }
    }
}
