//! Arrivals: that something arrives, that time moves on, and that a trace says what is needed of it.

use super::Checker;
use crate::document::Path;
use crate::scenario::{Arrivals, Client, Trace, TraceFormat};
use crate::units::{Rate, Span, plain};

/// Above this more than one request would arrive in a nanosecond, the unit of time.
const RATE_MAX: f64 = 1e9;
/// Each of them is held in memory.
const USERS_MAX: u32 = 10_000_000;

impl Checker<'_> {
    pub(super) fn arrivals(&mut self, path: &Path, client: &Client) {
        let chosen = self.chosen(path);
        match &client.arrivals {
            Arrivals::Poisson { rate } | Arrivals::Deterministic { rate } => {
                self.rates(&chosen.field("rate"), [(chosen.field("rate"), *rate)])
            }
            Arrivals::Renewal { gap } => self.distribution_above_zero(&chosen.field("gap"), gap, "time would stand still"),
            Arrivals::Mmpp { states } => {
                let path = chosen.field("states");
                if states.len() < 2 {
                    self.error_help(&path, "has fewer than two states", "for one rate that never changes write `poisson: { rate: 90/s }`");
                }
                for (i, state) in states.iter().enumerate() {
                    self.above_zero(&path.index(i).field("mean_stay"), state.mean_stay, "each state lasts some time");
                }
                self.rates(&path, states.iter().enumerate().map(|(i, state)| (path.index(i).field("rate"), state.rate)));
            }
            Arrivals::Diurnal { mean, amplitude, period } => {
                self.rates(&chosen.field("mean"), [(chosen.field("mean"), *mean)]);
                self.above_zero(&chosen.field("period"), *period, "a period lasts some time, such as `24h`");
                if amplitude.0 > mean.0 {
                    let what = format!("is {amplitude}, above the mean of {mean}: the rate would be negative at night");
                    self.error(&chosen.field("amplitude"), what);
                }
            }
            Arrivals::Piecewise { points } => {
                let path = chosen.field("points");
                if points.is_empty() {
                    self.error(&path, "is empty; it needs one point at least, such as `{ at: 0s, rate: 10/s }`");
                }
                for (i, pair) in points.windows(2).enumerate() {
                    if pair[1].at <= pair[0].at {
                        let what = format!("is {}, not after the point before it at {}", pair[1].at, pair[0].at);
                        self.error_help(
                            &path.index(i + 1).field("at"),
                            what,
                            "points are in the order of time; for a jump put two 1ms apart",
                        );
                    }
                }
                self.rates(&path, points.iter().enumerate().map(|(i, point)| (path.index(i).field("rate"), point.rate)));
            }
            Arrivals::Burst { base, peak, every, lasts } => {
                self.rates(&chosen, [(chosen.field("base"), *base), (chosen.field("peak"), *peak)]);
                self.above_zero(&chosen.field("every"), *every, "a burst comes every so often, such as every `60s`");
                self.above_zero(&chosen.field("for"), *lasts, "a burst lasts some time");
                if lasts > every && *every > Span::ZERO {
                    self.error(&chosen.field("for"), format!("is {lasts}, longer than `every`, which is {every}"));
                }
            }
            Arrivals::Closed { users, think } => {
                if *users == 0 || *users > USERS_MAX {
                    self.error(&chosen.field("users"), format!("is {users}; it is a number from 1 to {USERS_MAX}"));
                }
                self.distribution(&chosen.field("think"), think);
                self.no_session(path, client, "closed");
            }
            Arrivals::Trace(trace) => {
                self.trace(&chosen, trace);
                self.no_session(path, client, "trace");
            }
        }
    }

    /// Several rates, at least one of which is above zero.
    fn rates(&mut self, path: &Path, rates: impl IntoIterator<Item = (Path, Rate)>) {
        let mut fastest = None;
        for (path, rate) in rates {
            if rate.0 > RATE_MAX {
                self.error(&path, format!("is {rate}; at most {RATE_MAX}/s can be simulated"));
            }
            fastest = Some(rate.0.max(fastest.unwrap_or(0.0)));
        }
        if fastest == Some(0.0) {
            self.error(path, "is 0/s: nothing would ever arrive");
        }
    }

    fn no_session(&mut self, path: &Path, client: &Client, name: &str) {
        if client.session.is_some() {
            let what = format!("is `{name}`, which has no sessions: each request comes when `{name}` says");
            self.error_help(path, what, "remove `session`, or choose other arrivals");
        }
    }

    fn trace(&mut self, path: &Path, trace: &Trace) {
        if trace.file.is_empty() {
            self.error(&path.field("file"), "is empty; name a file, such as `requests.csv`");
        }
        if let Some(pace) = trace.pace
            && (pace <= 0.0 || pace > 1e9)
        {
            self.error(&path.field("pace"), format!("is {}; it is a number above 0 (2.0 is twice as fast)", plain(pace)));
        }
        match trace.format {
            TraceFormat::Combined => self.no_columns(path, trace),
            TraceFormat::Csv => self.columns(path, trace),
        }
    }

    fn no_columns(&mut self, path: &Path, trace: &Trace) {
        let given = [
            ("time", trace.time.is_some()),
            ("work", trace.work.is_some()),
            ("client", trace.client.is_some()),
            ("path", trace.path.is_some()),
        ];
        for (field, _) in given.into_iter().filter(|(_, is_given)| *is_given) {
            let what = "is for CSV: an access log in the format `combined` has no columns";
            self.error_help(
                &path.field(field),
                what,
                "time, client address and path are read from the log; the work comes from `requests`",
            );
        }
    }

    fn columns(&mut self, path: &Path, trace: &Trace) {
        match &trace.time {
            None => {
                let what = "has no `time`: say which column has the arrival time, such as `time: { column: arrival_s, unit: 1s }`";
                self.error_help(path, what, "for an access log write `format: combined`");
            }
            Some(time) => {
                if let Some(unit) = time.unit {
                    self.above_zero(&path.field("time").field("unit"), unit, "a unit is such as `1s` or `1ms`");
                }
                if time.column.is_empty() {
                    self.error(&path.field("time").field("column"), "is empty; name the column with the arrival time");
                }
            }
        }
        if let Some(work) = &trace.work
            && work.constant == Span::ZERO
            && work.columns.values().all(|unit| *unit == Span::ZERO)
        {
            self.error_help(&path.field("work"), "is always 0s", "write `{ constant: 20ms }` or `{ columns: { work_ms: 1ms } }`");
        }
    }
}
