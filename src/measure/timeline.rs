//! The run over time, in bins: what was sent and answered, the latencies, and each server's load and standing.

use super::CoarseLatencies;
use crate::units::{Span, Time};

/// Per-server bins are kept up to this many (bins x servers); beyond, the timeline has the totals alone.
const SERVER_BINS_MAX: usize = 400_000;

/// One bin of the whole system. Requests are counted from the start of the run, the warm-up included.
#[derive(Clone, Default)]
pub struct Bin {
    /// Requests first sent in it.
    pub sent: u64,
    /// Requests that ended in it, well or not.
    pub ok: u64,
    pub failed: u64,
    /// Answers to returning clients by another server than their last, of requests sent after the warm-up.
    pub moved: u64,
    /// Latencies of the requests that ended well in it.
    pub latency: CoarseLatencies,
}

impl Bin {
    pub fn merge(&mut self, other: &Bin) {
        self.sent += other.sent;
        self.ok += other.ok;
        self.failed += other.failed;
        self.moved += other.moved;
        self.latency.merge(&other.latency);
    }
}

/// One bin of one server; sums over the folded runs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ServerBin {
    /// Attempts sent to it.
    pub attempts: f32,
    /// Requests at the server (in service or waiting), time average.
    pub in_system: f32,
    /// Requests waiting, time average.
    pub waiting: f32,
    /// Share of the balancers that had it in rotation at the end of the bin.
    pub in_rotation: f32,
    /// Whether it was free of crash, hang and blackhole at the end of the bin (0 or 1).
    pub up: f32,
}

/// Bins of equal width, the last one possibly shorter.
#[derive(Clone, Default)]
pub struct Timeline {
    pub bin: Span,
    pub bins: Vec<Bin>,
    /// Number of servers with bins of their own: all or none.
    pub servers: usize,
    /// By bin, then by server.
    pub server_bins: Vec<ServerBin>,
    /// Number of runs folded in.
    pub runs: u32,
}

/// Width of the bins for a run: a round number of time; one second, unless the run is shorter than five minutes (then about
/// 300 bins) or longer than twenty (then at most 1,200).
pub fn bin_for(duration: Time) -> Span {
    let wanted = if duration.0 <= 300_000_000_000 { duration.0 / 300 } else { (duration.0 / 1200).max(1_000_000_000) };
    let steps_ms = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 30_000, 60_000];
    let step = steps_ms.iter().map(|ms| Span::from_millis(*ms)).find(|step| step.0 >= wanted);
    step.unwrap_or(Span(wanted.next_multiple_of(60_000_000_000)))
}

impl Timeline {
    pub fn new(bin: Span, duration: Time, servers: usize) -> Timeline {
        let bins = (duration.0.div_ceil(bin.0.max(1))) as usize;
        let servers = if bins.saturating_mul(servers) <= SERVER_BINS_MAX { servers } else { 0 };
        Timeline { bin, bins: Vec::with_capacity(bins), servers, server_bins: Vec::with_capacity(bins * servers), runs: 1 }
    }

    /// Adds another run of the same scenario.
    pub fn merge(&mut self, other: &Timeline) {
        if self.runs == 0 {
            *self = other.clone();
            return;
        }
        for (mine, theirs) in self.bins.iter_mut().zip(&other.bins) {
            mine.merge(theirs);
        }
        for (mine, theirs) in self.server_bins.iter_mut().zip(&other.server_bins) {
            mine.attempts += theirs.attempts;
            mine.in_system += theirs.in_system;
            mine.waiting += theirs.waiting;
            mine.in_rotation += theirs.in_rotation;
            mine.up += theirs.up;
        }
        self.runs += other.runs;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_minutes_have_a_bin_a_second_and_a_day_has_no_more_than_1200() {
        assert_eq!(bin_for(Time(600_000_000_000)), Span::from_secs(1));
        assert_eq!(bin_for(Time(10_000_000_000)), Span::from_millis(50));
        for seconds in [1, 30, 300, 301, 1200, 3600, 86_400, 10_000_000] {
            let duration = Time(seconds * 1_000_000_000);
            assert!(duration.0.div_ceil(bin_for(duration).0) <= 1200, "{seconds}");
        }
    }
}
