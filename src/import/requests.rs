//! What clients ask for: each host and path of the ingresses, each service that is reached from outside. How often is assumed.

use super::actions::Action;
use super::cluster::{Cluster, Entry};
use super::ingresses::{Class, Ingress, PathType};
use std::collections::BTreeMap;

/// What a pod is assumed to do: requests at once, mean work of one.
pub const SLOTS: u32 = 10;
pub const WORK_MS: u32 = 50;
/// The share of the busiest deployment's slots that is assumed to be in use.
const BUSY: f64 = 0.4;
/// Many requests take long to simulate.
const RATE_MAX: f64 = 2000.0;

/// Requests that are alike.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    pub entry: usize,
    pub host: Option<String>,
    pub path: String,
    pub method: Option<String>,
    pub headers: Vec<(String, String)>,
    pub query: Vec<(String, String)>,
    /// Such as `shop.example/cart`.
    pub name: String,
    pub note: String,
    /// Deployments that work on it, with their shares.
    shares: Vec<(usize, f64)>,
}

/// All classes, by the entries of the cluster.
pub fn classes(cluster: &Cluster) -> Vec<Asked> {
    let mut all = Vec::new();
    for (number, entry) in cluster.entries().iter().enumerate() {
        match entry {
            Entry::Service(index) => all.push(Asked {
                entry: number,
                path: "/".to_owned(),
                name: cluster.service_names[*index].clone(),
                note: cluster.services[*index].object.label.clone(),
                shares: shares(cluster, &Action::Service(*index)),
                ..Asked::default()
            }),
            Entry::Alb(leader) => {
                let members =
                    (0..cluster.ingresses.len()).filter(|i| cluster.ingresses[*i].class == Class::Alb && cluster.leader(*i) == *leader);
                of_ingresses(cluster, number, &members.map(|i| &cluster.ingresses[i]).collect::<Vec<_>>(), &mut all);
            }
            Entry::Nginx => {
                let members: Vec<&Ingress> = cluster.ingresses.iter().filter(|ingress| ingress.class == Class::Nginx).collect();
                of_ingresses(cluster, number, &members, &mut all);
            }
        }
    }
    unique(&mut all);
    all
}

fn of_ingresses(cluster: &Cluster, entry: usize, ingresses: &[&Ingress], all: &mut Vec<Asked>) {
    let rules = || ingresses.iter().flat_map(|ingress| &ingress.rules);
    for (rule, path) in rules().flat_map(|rule| rule.paths.iter().map(move |path| (rule, path))) {
        let host = rule.host.as_ref().or(path.when.host.first()).map(|host| example_host(host));
        let asked = example(&path.path, path.kind);
        all.push(Asked {
            entry,
            name: format!("{}{asked}", host.as_deref().unwrap_or_default()),
            host,
            path: asked,
            method: path.when.method.first().cloned(),
            headers: path.when.header.iter().map(|(name, values)| (name.clone(), example_text(&values[0]))).collect(),
            query: path.when.query.first().map(|query| example_query(query)).into_iter().collect(),
            note: match path.when.source.as_slice() {
                [] => format!("{} ({})", path.note, path.place),
                networks => format!("{} ({}); for addresses in {} alone", path.note, path.place, networks.join(", ")),
            },
            shares: shares(cluster, &path.action),
        });
    }
    let default = ingresses.iter().find_map(|ingress| Some((ingress, ingress.default_backend?)));
    let is_covered =
        rules().any(|rule| rule.host.is_none() && rule.paths.iter().any(|path| path.path == "/" && path.kind == PathType::Prefix));
    if let Some((ingress, service)) = default.filter(|_| !is_covered) {
        let has_hosts = rules().next().is_some();
        all.push(Asked {
            entry,
            path: if has_hosts { "/of-no-rule" } else { "/" }.to_owned(),
            name: "default backend".to_owned(),
            note: format!("{}: what no rule matches", ingress.object.label),
            shares: shares(cluster, &Action::Service(service)),
            ..Asked::default()
        });
    }
}

/// A path that the rule matches.
fn example(path: &str, kind: PathType) -> String {
    match kind {
        PathType::Pattern => example_text(path),
        PathType::Prefix | PathType::Exact => path.to_owned(),
    }
}

/// A host that the rule matches.
fn example_host(host: &str) -> String {
    host.replace('*', "www").replace('?', "x")
}

/// A text that the pattern matches.
fn example_text(pattern: &str) -> String {
    pattern.replace(['*', '?'], "x")
}

/// A parameter that the pattern matches, of `key=value` or of a value alone.
fn example_query(pattern: &str) -> (String, String) {
    let (key, value) = pattern.split_once('=').unwrap_or(("any", pattern));
    (example_text(key), example_text(value))
}

fn shares(cluster: &Cluster, action: &Action) -> Vec<(usize, f64)> {
    let weighted: Vec<(usize, u32)> = match action {
        Action::Service(index) => vec![(*index, 1)],
        Action::Forward(groups, _) => groups.clone(),
        Action::Respond(_) | Action::Redirect => Vec::new(),
    };
    let sum: f64 = weighted.iter().map(|(_, weight)| f64::from(*weight)).sum();
    let known = weighted.into_iter().filter_map(|(service, weight)| Some((cluster.pods_of(service)?, f64::from(weight) / sum.max(1.0))));
    known.collect()
}

/// Classes of the same name get numbers.
fn unique(all: &mut [Asked]) {
    let mut count: BTreeMap<String, u32> = BTreeMap::new();
    for class in all {
        let number = count.entry(class.name.clone()).or_insert(0);
        *number += 1;
        if *number > 1 {
            class.name = format!("{} #{number}", class.name);
        }
    }
}

/// Requests per second by which the busiest deployment is as busy as assumed; classes are alike.
pub fn rate(cluster: &Cluster, classes: &[Asked]) -> f64 {
    let mut load: BTreeMap<usize, f64> = BTreeMap::new();
    for (deployment, share) in classes.iter().flat_map(|class| &class.shares) {
        *load.entry(*deployment).or_insert(0.0) += share / classes.len().max(1) as f64;
    }
    let most = load.into_iter().filter_map(|(deployment, share)| {
        let pods = cluster.deployments[deployment].replicas.unwrap_or(1);
        let capacity = f64::from(pods) * f64::from(SLOTS) * 1000.0 / f64::from(WORK_MS);
        (pods > 0 && share > 0.0).then(|| BUSY * capacity / share)
    });
    let rate = most.fold(RATE_MAX, f64::min);
    // Two digits: it is not known better.
    let mut unit = 1.0;
    while rate / unit >= 100.0 {
        unit *= 10.0;
    }
    ((rate / unit).floor() * unit).max(1.0)
}
