//! The load that clients offer: an error where it is more than can be simulated, a warning where it exceeds the capacity of the
//! servers and is simple to compute.

use super::Checker;
use super::names::Named;
use crate::dist::Distribution;
use crate::document::Path;
use crate::scenario::{Arrivals, Client, Limit, ServerGroup, SessionLength};
use std::collections::{BTreeMap, BTreeSet};

/// The mean in seconds, where it can be read off the parameters.
pub(super) fn mean_s(distribution: &Distribution) -> Option<f64> {
    match distribution {
        Distribution::Constant(mean)
        | Distribution::Exponential { mean }
        | Distribution::Erlang { mean, .. }
        | Distribution::Lognormal { mean, .. }
        | Distribution::Gamma { mean, .. }
        | Distribution::Weibull { mean, .. }
        | Distribution::Hyperexponential { mean: Some(mean), .. } => Some(mean.as_secs_f64()),
        Distribution::Uniform { min, max } => Some((min.as_secs_f64() + max.as_secs_f64()) / 2.0),
        Distribution::Bimodal { values, shares } if values.len() == shares.len() => {
            Some(values.iter().zip(shares).map(|(value, share)| value.as_secs_f64() * share.0).sum())
        }
        _ => None,
    }
}

/// Requests of a run, all replications and variants apart: beyond, a run takes hours on any computer.
const REQUESTS_MAX: f64 = 1e11;

/// Requests until `end_s`, where they can be read off the parameters.
fn requests_until(client: &Client, end_s: f64) -> Option<f64> {
    let Arrivals::Piecewise { points } = &client.arrivals else { return Some(rate_per_s(client)? * end_s) };
    // Constant before the first point and behind the last; trapezoids in between.
    let at = |index: usize| (points[index].at.as_secs_f64().min(end_s), points[index].rate.0);
    let (first, last) = (at(0), at(points.len() - 1));
    let between = (1..points.len()).map(|index| (at(index).0 - at(index - 1).0) * (at(index).1 + at(index - 1).1) / 2.0);
    Some((first.0 * first.1 + between.sum::<f64>() + (end_s - last.0) * last.1) * requests_per_arrival(client))
}

fn requests_per_arrival(client: &Client) -> f64 {
    match client.session.as_ref().map(|session| session.requests) {
        None => 1.0,
        Some(SessionLength::Constant(requests)) => f64::from(requests),
        Some(SessionLength::Geometric { mean }) => mean,
        Some(SessionLength::Uniform { min, max }) => (f64::from(min) + f64::from(max)) / 2.0,
    }
}

/// Requests per second over a long time.
fn rate_per_s(client: &Client) -> Option<f64> {
    let arrivals = match &client.arrivals {
        Arrivals::Poisson { rate } | Arrivals::Deterministic { rate } | Arrivals::Diurnal { mean: rate, .. } => rate.0,
        Arrivals::Mmpp { states } => {
            let time_s: f64 = states.iter().map(|state| state.mean_stay.as_secs_f64()).sum();
            states.iter().map(|state| state.rate.0 * state.mean_stay.as_secs_f64()).sum::<f64>() / time_s
        }
        Arrivals::Burst { base, peak, every, lasts } => {
            let share = lasts.as_secs_f64() / every.as_secs_f64();
            base.0 + (peak.0 - base.0) * share
        }
        Arrivals::Renewal { gap } => 1.0 / mean_s(gap)?,
        Arrivals::Piecewise { .. } | Arrivals::Closed { .. } | Arrivals::Trace(_) => return None,
    };
    Some(arrivals * requests_per_arrival(client))
}

/// Mean work of a request in seconds on a server of speed 1.
fn work_s(client: &Client) -> Option<f64> {
    let mut weighted = 0.0;
    for class in &client.requests {
        weighted += class.weight * mean_s(&class.work)?;
    }
    Some(weighted / client.requests.iter().map(|class| class.weight).sum::<f64>())
}

impl Checker<'_> {
    /// More than can be simulated.
    pub(super) fn requests_of_a_run(&mut self) {
        let scenario = self.scenario;
        let Some(duration) = scenario.duration else { return };
        let requests: f64 = scenario.clients.iter().filter_map(|client| requests_until(client, duration.as_secs_f64())).sum();
        if requests > REQUESTS_MAX {
            let what =
                format!("is {duration}, in which some {requests:.0e} requests arrive; at most {REQUESTS_MAX:e} can be simulated in a run");
            let help = "lower the rates, or simulate a shorter time: a hundred thousand requests give a good p99";
            self.error_help(&Path::root().field("duration"), what, help);
        }
    }

    pub(super) fn load(&mut self) {
        let offered: Option<f64> = self.scenario.clients.iter().map(|client| Some(rate_per_s(client)? * work_s(client)?)).sum();
        let (Some(offered), Some(capacity)) = (offered, self.capacity()) else { return };
        if capacity == 0.0 {
            let what = format!("never have a pod, and the clients bring {offered:.2} s of work per second");
            self.warning(&Path::root().field("servers"), what, "every request fails; is that meant?");
        } else if offered > capacity {
            let what = format!(
                "can do {capacity:.2} s of work per second, and the clients bring {offered:.2} s: a utilization of {:.0} %",
                100.0 * offered / capacity
            );
            self.warning(
                &Path::root().field("servers"),
                what,
                "queues grow to the end of the run, or requests are refused; is that meant?",
            );
        }
    }

    /// Seconds of work that all servers on the clients' way do in a second; none where a server has no limit.
    fn capacity(&self) -> Option<f64> {
        let mut todo = vec![self.entry_index()?];
        let mut seen = BTreeSet::new();
        let mut groups: BTreeMap<&str, &ServerGroup> = BTreeMap::new();
        let mut singles: BTreeMap<(&str, u32), &ServerGroup> = BTreeMap::new();
        while let Some(index) = todo.pop() {
            for target in &self.scenario.balancers[index].targets {
                match self.names.get(target)? {
                    Named::Balancer(next) if seen.insert(next) => todo.push(next),
                    Named::Balancer(_) => {}
                    Named::Group(group) => drop(groups.insert(&group.name, group)),
                    Named::Server(group, number) => drop(singles.insert((&group.name, number), group)),
                }
            }
        }
        let of_one = |group: &ServerGroup| match group.slots {
            Limit::Bounded(slots) => Some(f64::from(slots) * group.speed),
            Limit::Unbounded => None,
        };
        let count = |group: &ServerGroup| f64::from(group.pods.as_ref().map_or(group.count, |pods| self.most_pods(group, pods)));
        let whole: Option<f64> = groups.values().map(|group| Some(of_one(group)? * count(group))).sum();
        let single: Option<f64> = singles.iter().filter(|((name, _), _)| !groups.contains_key(name)).map(|(_, group)| of_one(group)).sum();
        Some(whole? + single?)
    }
}
