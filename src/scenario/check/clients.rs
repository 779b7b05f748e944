//! Clients: who they are, what they ask for, and what they do when no answer comes. Their arrivals are checked by `arrivals`.

use super::{Checker, item};
use crate::document::Path;
use crate::scenario::{Arrivals, Client, Failure, Retry, Session, SessionLength, Trace};
use crate::units::{Share, Span, plain};
use std::collections::BTreeSet;

const TRIES_MAX: u32 = 1000;
/// Each user that can come back takes some memory in every run.
const POPULATION_MAX: u32 = 10_000_000;

impl Checker<'_> {
    pub(super) fn clients(&mut self) {
        let scenario = self.scenario;
        for (i, client) in scenario.clients.iter().enumerate() {
            let path = item("clients", i);
            self.arrivals(&path.field("arrivals"), client);
            self.users(&path, client);
            self.requests(&path, client);
            if let Some(session) = &client.session {
                self.session(&path.field("session"), session);
            }
            if let Some(latency) = &client.latency {
                self.distribution(&path.field("latency"), latency);
            }
            if let Some(timeout) = client.timeout {
                self.above_zero(&path.field("timeout"), timeout, "leave it out to wait for ever");
            }
            if let Some(retry) = &client.retry {
                self.retry(&path.field("retry"), retry, client.timeout.is_some());
            }
        }
    }

    fn users(&mut self, path: &Path, client: &Client) {
        if let Some(population) = client.population {
            let path = path.field("population");
            if population.users > POPULATION_MAX {
                self.error(&path, format!("has {} users; at most {POPULATION_MAX} can be simulated", population.users));
            }
            if population.users == 0 {
                self.error_help(&path, "is 0; there is one user at least", "leave it out to make every request a user of its own");
            }
            if population.zipf < 0.0 || population.zipf > 100.0 {
                let what = format!("is {}; the exponent of popularity is a number from 0 (all alike) to 100", plain(population.zipf));
                self.error(&path.field("zipf"), what);
            }
        }
        if let Some(addresses) = client.addresses
            && addresses.nat.behind == 0
        {
            let what = "is 0; those who share addresses share one at least";
            self.error(&path.field("addresses").field("nat").field("behind"), what);
        }
    }

    fn requests(&mut self, path: &Path, client: &Client) {
        let path = path.field("requests");
        let has_trace_work = matches!(&client.arrivals, Arrivals::Trace(Trace { work: Some(_), .. }));
        match (client.requests.is_empty(), has_trace_work) {
            (true, false) => {
                self.error(&path, "is missing; say how much work a request is: `requests: [{ work: { exponential: { mean: 10ms } } }]`")
            }
            (false, true) => {
                self.warning(&path, "is not used: the trace says the work of each request", "remove it, or the `work` of the trace")
            }
            _ => {}
        }
        let mut names = BTreeSet::new();
        for (i, class) in client.requests.iter().enumerate() {
            let path = path.index(i);
            if class.weight < 0.0 || class.weight > 1e12 {
                self.error(&path.field("weight"), format!("is {}; a weight is a number from 0 to 1e12", plain(class.weight)));
            }
            if let Some(wrong) = class.path.as_ref().filter(|path| !path.starts_with('/')) {
                self.error(&path.field("path"), format!("is `{wrong}`; a path begins with `/`"));
            }
            let name = class.name.as_deref().or(class.path.as_deref()).unwrap_or("all");
            if !names.insert(name) {
                self.error_help(&path, format!("is the second class called `{name}`"), "give each class a `name`, or a `path` of its own");
            }
            self.distribution(&path.field("work"), &class.work);
        }
        if !client.requests.is_empty() && client.requests.iter().all(|class| class.weight == 0.0) {
            self.error(&path, "has only classes of weight 0; one at least needs a weight above 0");
        }
    }

    fn session(&mut self, path: &Path, session: &Session) {
        let chosen = self.chosen(&path.field("requests"));
        match session.requests {
            SessionLength::Constant(0) => self.error(&chosen, "is 0; a session has one request at least"),
            SessionLength::Geometric { mean } if mean < 1.0 => {
                self.error(
                    &chosen.field("mean"),
                    format!("is {}; a session has one request at least, so the mean is 1 or more", plain(mean)),
                );
            }
            SessionLength::Uniform { min: 0, .. } => self.error(&chosen.field("min"), "is 0; a session has one request at least"),
            SessionLength::Uniform { min, max } if min > max => {
                self.error(&chosen.field("min"), format!("is {min}, above `max`, which is {max}; swap them"));
            }
            _ => {}
        }
        self.distribution(&path.field("think"), &session.think);
    }

    /// `has_timeout`: whether tries can time out at all.
    pub(super) fn retry(&mut self, path: &Path, retry: &Retry, has_timeout: bool) {
        if retry.max > TRIES_MAX {
            self.error(&path.field("max"), format!("is {}; at most {TRIES_MAX} tries can follow the first", retry.max));
        }
        if retry.when.is_empty() {
            let names: Vec<&str> = Failure::ALL.iter().map(|failure| failure.name()).collect();
            let help = format!("it lists some of {}", names.join(", "));
            self.error_help(&path.field("when"), "is empty: nothing would be tried again", help);
        }
        if retry.when.contains(&Failure::Timeout) && !has_timeout {
            self.warning(&path.field("when"), "has `timeout`, and no try ever times out", "add a `timeout` beside `retry`");
        }
        let backoff = retry.backoff;
        if backoff.max < backoff.base {
            let what = format!("has a `max` of {}, below its `base` of {}", backoff.max, backoff.base);
            self.error(&path.field("backoff"), what);
        }
        if backoff.base == Span::ZERO && backoff.max > Span::ZERO {
            self.warning(&path.field("backoff"), "has a `base` of 0s, and doubling zero is zero", "give a `base` such as `50ms`");
        }
        if retry.budget == Some(Share(0.0)) {
            self.warning(&path.field("budget"), "is 0%: nothing is ever tried again", "leave out `retry`, or give a share such as `20%`");
        }
    }
}
