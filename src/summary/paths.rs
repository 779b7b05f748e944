//! What is told of the ways of requests: stop by stop, by request class.

use super::Figure;
use super::summarise::Runs;
use crate::compile::Compiled;
use crate::measure::PathRecord;
use crate::measure::paths::Stop;
use crate::model::places::NOWHERE;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The way of the requests of a class. Times are means, in milliseconds, over the requests that were answered at the first try; all
/// parts, each stop's times its share, add up to their mean latency.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PathSummary {
    /// The request class.
    pub class: String,
    /// Requests that were answered at the first try.
    pub requests: Figure,
    /// Balancers in the order in which they are passed.
    pub stops: Vec<StopSummary>,
    /// From the last stop to the server.
    pub to_server_ms: Figure,
    /// Waiting at the server.
    pub waiting_ms: Figure,
    pub service_ms: Figure,
    /// From the server back to the client.
    pub back_ms: Figure,
    /// Tries that the server answered with an error.
    pub failed_at_server: Figure,
}

/// A balancer on the way, or several that do the same in different zones, on different nodes (`shop@*`) or as copies (`shop#*`).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StopSummary {
    pub name: String,
    /// Share of the requests that pass here.
    pub share: Figure,
    /// From being sent on by the stop before to being sent on here, of those that pass: network, handshakes and waiting.
    pub ms: Figure,
    /// Tries that failed here.
    pub failed: Figure,
}

/// What stands for a balancer in a path: its zone, node or number is left out.
fn common_name(name: &str) -> String {
    let mut common = String::new();
    let mut is_skipping = false;
    for letter in name.chars() {
        match letter {
            '@' | '#' => {
                if !is_skipping {
                    common.push(letter);
                    common.push('*');
                }
                is_skipping = true;
            }
            '/' => {
                is_skipping = false;
                common.push('/');
            }
            _ if is_skipping => {}
            _ => common.push(letter),
        }
    }
    common
}

/// Balancers by what stands for them, from their names and whether they stand on a node. Where a name stands for some on nodes and for
/// others as well (the node ports of a controller and the zones of its load balancer), these are two: a request passes both.
fn together<'a>(balancers: impl Iterator<Item = (&'a str, bool)>) -> BTreeMap<String, Vec<usize>> {
    let mut groups: BTreeMap<(String, bool), Vec<usize>> = BTreeMap::new();
    for (index, (name, is_on_node)) in balancers.enumerate() {
        groups.entry((common_name(name), is_on_node)).or_default().push(index);
    }
    let others: BTreeSet<String> = groups.keys().filter(|(_, is_on_node)| !is_on_node).map(|(name, _)| name.clone()).collect();
    let name = |name: String, is_on_node: bool| if is_on_node && others.contains(&name) { format!("{name} on nodes") } else { name };
    groups.into_iter().map(|((common, is_on_node), members)| (name(common, is_on_node), members)).collect()
}

pub(super) fn paths(variant: &Compiled, runs: Runs) -> Vec<PathSummary> {
    let topology = &variant.topology;
    let is_told = runs.0.iter().any(|run| !run.paths.is_empty());
    let classes = topology.classes.iter().enumerate().filter(|_| is_told);
    classes.map(|(class, plan)| path(variant, runs, class, &plan.name)).collect()
}

fn path(variant: &Compiled, runs: Runs, class: usize, name: &str) -> PathSummary {
    let balancers = variant.topology.balancers.iter();
    let groups = together(balancers.map(|balancer| (&*balancer.name, balancer.routing.place.node != NOWHERE.node)));
    let record = |run: usize| runs.0[run].paths.get(class);
    let sum = |run: usize, members: &[usize], of: &dyn Fn(&Stop) -> u128| -> u128 {
        record(run).map_or(0, |record| members.iter().map(|member| of(&record.stops[*member])).sum())
    };
    let of_all = |members: &[usize], of: &dyn Fn(&Stop) -> u128| -> u128 { (0..runs.0.len()).map(|run| sum(run, members, of)).sum() };
    let mut stops: Vec<(f64, String, Vec<usize>)> = groups
        .into_iter()
        .filter(|(_, members)| of_all(members, &|stop| u128::from(stop.passes + stop.failed)) > 0)
        .map(|(name, members)| {
            let passes = of_all(&members, &|stop| u128::from(stop.passes));
            let before = of_all(&members, &|stop| u128::from(stop.before));
            (if passes > 0 { before as f64 / passes as f64 } else { f64::MAX }, name, members)
        })
        .collect();
    stops.sort_by(|one, other| one.0.total_cmp(&other.0).then_with(|| one.1.cmp(&other.1)));
    let each = |value: &dyn Fn(usize) -> Option<f64>| runs.of_each(value);
    let stop = |(_, name, members): (f64, String, Vec<usize>)| StopSummary {
        name,
        share: each(&|run| ratio(sum(run, &members, &|stop| u128::from(stop.passes)), record(run)?.answered.into())),
        ms: each(&|run| Some(ratio(sum(run, &members, &|stop| stop.spent), sum(run, &members, &|stop| stop.passes.into()))? / 1e6)),
        failed: each(&|run| Some(sum(run, &members, &|stop| stop.failed.into()) as f64)),
    };
    let part =
        |of: fn(&PathRecord) -> u128| each(&|run| record(run).and_then(|record| Some(ratio(of(record), record.answered.into())? / 1e6)));
    PathSummary {
        class: name.to_owned(),
        requests: each(&|run| Some(record(run)?.answered as f64)),
        stops: stops.into_iter().map(stop).collect(),
        to_server_ms: part(|record| record.to_server),
        waiting_ms: part(|record| record.waiting),
        service_ms: part(|record| record.service),
        back_ms: part(|record| record.back),
        failed_at_server: each(&|run| Some(record(run)?.failed_at_server as f64)),
    }
}

fn ratio(part: u128, whole: u128) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_nodes_and_copies_are_left_out() {
        let names = ["shop", "shop@a", "shop@a#2/web", "edge#1", "web@worker-1"];
        assert_eq!(names.map(common_name), ["shop", "shop@*", "shop@*/web", "edge#*", "web@*"]);
    }

    #[test]
    fn those_that_a_request_passes_one_after_the_other_are_not_together() {
        let names = [
            ("ingress-nginx", false),
            ("ingress-nginx@a", false),
            ("ingress-nginx@b", false),
            ("ingress-nginx@worker-1", true),
            ("ingress-nginx#1", true),
            ("web@worker-1", true),
            ("web@worker-2", true),
        ];
        let groups = together(names.into_iter());
        let expected = [
            ("ingress-nginx", vec![0]),
            ("ingress-nginx#*", vec![4]),
            ("ingress-nginx@*", vec![1, 2]),
            ("ingress-nginx@* on nodes", vec![3]),
            ("web@*", vec![5, 6]),
        ];
        assert_eq!(groups.into_iter().collect::<Vec<_>>(), expected.map(|(name, members)| (name.to_owned(), members)));
    }
}
