//! Cases of Kubernetes' controllers and kube-proxy.

use crate::json::Json;
use crate::{Judged, Row, Trouble, same, unknown};
use lbsim::control::crash_loop::{self, CrashLoop};
use lbsim::control::endpoints::{Endpoint, Proxy, Service, TrafficDistribution, TrafficPolicy, rule_probabilities, usable};
use lbsim::control::node_lifecycle::{self, NodeView};
use lbsim::control::probe::Probe;
use lbsim::units::{Span, Time};

/// Seconds under `key`; `default` where there are none.
pub fn seconds(input: &Json, key: &str, default: Span) -> Result<Span, Trouble> {
    match input.get(key) {
        None | Some(Json::Null) => Ok(default),
        Some(value) => value.number().map_or_else(|| unknown(format!("`{key}` is not a number")), |s| Ok(Span::from_secs_f64(s))),
    }
}

/// A whole number under `key`; `default` where there is none.
pub fn count(input: &Json, key: &str, default: u32) -> Result<u32, Trouble> {
    match input.get(key) {
        None | Some(Json::Null) => Ok(default),
        Some(value) => value.count().map_or_else(|| unknown(format!("`{key}` is not a count")), Ok),
    }
}

/// Yes or no (on or off) under `key`; `default` where neither is said.
pub fn flag(input: &Json, key: &str, default: bool) -> Result<bool, Trouble> {
    match input.get(key) {
        None | Some(Json::Null) => Ok(default),
        Some(value) => value.flag().map_or_else(|| unknown(format!("`{key}` is neither true nor false")), Ok),
    }
}

/// Numbers names in the order in which they are first seen.
#[derive(Default)]
struct Names(Vec<String>);

impl Names {
    fn number(&mut self, name: &str) -> u32 {
        let place = self.0.iter().position(|known| known == name).unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len() - 1
        });
        place as u32
    }

    fn all(&mut self, list: Option<&Json>) -> Result<Vec<u32>, Trouble> {
        match list {
            None | Some(Json::Null) => Ok(Vec::new()),
            Some(list) => match list.texts() {
                Some(texts) => Ok(texts.into_iter().map(|name| self.number(name)).collect()),
                None => unknown("the hints are not names"),
            },
        }
    }
}

const HERE: u32 = 0;
const ELSEWHERE: u32 = u32::MAX;

/// Which endpoints a node's proxy uses: the cluster and the local list, by name.
pub fn endpoints(row: &Row) -> Judged {
    let optional = [
        "node_zone",
        "node",
        "zone_hints_honoured",
        "service_uses_cluster_endpoints",
        "service_uses_local_endpoints",
        "internal_traffic_policy",
        "external_traffic_policy",
        "externally_accessible",
        "traffic_distribution",
    ];
    row.shape(&["endpoints"], &optional)?;
    let Some(list) = row.input.get("endpoints").and_then(Json::list) else { return unknown("the endpoints are no list") };
    // Zones and nodes are numbered apart; the proxy's node is the first of its kind.
    let (mut zones, mut nodes) = (Names::default(), Names::default());
    let here = row.input.get("node").and_then(Json::text);
    nodes.number(here.unwrap_or(""));
    let mut names = Vec::new();
    let mut endpoints = Vec::new();
    // The zone of each endpoint's node, for those whose node is named.
    let mut zone_of_node = vec![u32::MAX];
    for item in list {
        let Some(name) = item.get("a").and_then(Json::text) else { return unknown("an endpoint has no name") };
        let known = ["a", "ready", "serving", "terminating", "local", "zones", "nodes", "zone", "node"];
        if let Some(other) = item.keys().iter().find(|key| !known.contains(key)) {
            return unknown(format!("`{other}` of an endpoint"));
        }
        names.push(name);
        // An endpoint that does not say whether it serves does so while it is ready; it does not terminate unless it says so.
        let is_ready = flag(item, "ready", true)?;
        let node = match item.get("node").and_then(Json::text) {
            Some(node) => nodes.number(node),
            None if flag(item, "local", false)? => HERE,
            None => ELSEWHERE,
        };
        if let (Some(zone), true) = (item.get("zone").and_then(Json::text), node != ELSEWHERE) {
            zone_of_node.resize(zone_of_node.len().max(node as usize + 1), u32::MAX);
            zone_of_node[node as usize] = zones.number(zone);
        }
        endpoints.push(Endpoint {
            is_ready,
            is_serving: flag(item, "serving", is_ready)?,
            is_terminating: flag(item, "terminating", false)?,
            node,
            zone_hints: zones.all(item.get("zones"))?,
            node_hints: nodes.all(item.get("nodes"))?,
        });
    }
    let distribution = match row.input.get("traffic_distribution").map(|text| text.text().unwrap_or("")) {
        None => TrafficDistribution::Any,
        Some("PreferSameZone" | "PreferClose") => TrafficDistribution::PreferSameZone,
        Some("PreferSameNode") => TrafficDistribution::PreferSameNode,
        Some(other) => return unknown(format!("the distribution `{other}`")),
    };
    if distribution != TrafficDistribution::Any {
        if endpoints.iter().any(|endpoint| zone_of_node.get(endpoint.node as usize).is_none_or(|zone| *zone == u32::MAX)) {
            return unknown("an endpoint without a node and its zone");
        }
        distribution.hint(&mut endpoints, &zone_of_node);
    }
    let zone = row.input.get("node_zone").and_then(Json::text).filter(|zone| !zone.is_empty()).map(|zone| zones.number(zone));
    let (internal, external) = policies(&row.input)?;
    let service = Service { internal, external, ignores_hints: !flag(&row.input, "zone_hints_honoured", true)? };
    let usable = usable(&endpoints, &service, Proxy { node: HERE, zone });
    let Some(expected) = row.expected.map().filter(|entries| !entries.is_empty()) else { return unknown("what is expected") };
    for (key, value) in expected {
        match key.as_str() {
            "cluster" => same_names(key, usable.cluster.as_deref(), &names, value)?,
            "local" => same_names(key, usable.local.as_deref(), &names, value)?,
            "internal" => same_names(key, Some(usable.internal(&service)), &names, value)?,
            "external" => same_names(key, Some(usable.external(&service)), &names, value)?,
            "all" | "reachable" => same_names(key, Some(&usable.reachable()), &names, value)?,
            "has_any" | "any" => same(key, &Json::Bool(usable.has_any), value)?,
            other => return unknown(format!("`{other}` is expected")),
        }
    }
    Ok(())
}

/// The policies of a service, said by name or by which lists it uses.
fn policies(input: &Json) -> Result<(TrafficPolicy, Option<TrafficPolicy>), Trouble> {
    let policy = |key: &str| match input.get(key).map(|policy| policy.text().unwrap_or("")) {
        None => Ok(None),
        Some("Cluster") => Ok(Some(TrafficPolicy::Cluster)),
        Some("Local") => Ok(Some(TrafficPolicy::Local)),
        Some(other) => unknown(format!("the policy `{other}`")),
    };
    let (internal, external) = (policy("internal_traffic_policy")?, policy("external_traffic_policy")?);
    if internal.is_some() || external.is_some() {
        let is_open = flag(input, "externally_accessible", external.is_some())?;
        return Ok((internal.unwrap_or_default(), is_open.then_some(external.unwrap_or_default())));
    }
    let uses_cluster = flag(input, "service_uses_cluster_endpoints", true)?;
    match (uses_cluster, flag(input, "service_uses_local_endpoints", false)?) {
        (true, false) => Ok((TrafficPolicy::Cluster, None)),
        (true, true) => Ok((TrafficPolicy::Cluster, Some(TrafficPolicy::Local))),
        (false, true) => Ok((TrafficPolicy::Local, None)),
        (false, false) => unknown("a service without endpoints of any kind"),
    }
}

/// The lists as sets: the product compares them so.
fn same_names(what: &str, got: Option<&[u32]>, names: &[&str], expected: &Json) -> Judged {
    let sorted = |mut list: Vec<String>| {
        list.sort();
        list
    };
    let got = got.map(|list| sorted(list.iter().map(|&i| names[i as usize].to_owned()).collect()));
    let expected = match expected {
        Json::Null => None,
        list => match list.texts() {
            Some(texts) => Some(sorted(texts.into_iter().map(str::to_owned).collect())),
            None => return unknown(format!("`{what}` is no list of names")),
        },
    };
    same(what, got, expected)
}

/// The probabilities on the rules of iptables mode, or the shares that come of them.
pub fn iptables(row: &Row) -> Judged {
    row.shape(&["endpoints"], &[])?;
    let n = match row.input.get("endpoints") {
        Some(Json::List(list)) => Some(list.len() as u32),
        Some(number) => number.count(),
        None => None,
    };
    let Some(n) = n else { return unknown("the endpoints are neither a list nor a number") };
    let rules = rule_probabilities(n);
    if let Some(shares) = row.expected.get("shares") {
        let Some(expected) = shares.numbers() else { return unknown("the shares are no numbers") };
        let mut left = 1.0;
        let mut share = |p: &Option<f64>| {
            let share = left * p.unwrap_or(1.0);
            left -= share;
            share
        };
        let got: Vec<f64> = rules.iter().map(&mut share).collect();
        same("number of shares", got.len(), expected.len())?;
        return got.iter().zip(expected).try_for_each(|(got, expected)| row.close("share", *got, expected));
    }
    let expected = row.expected.get("probabilities").unwrap_or(&row.expected);
    let Some(expected) = expected.list() else { return unknown("no list of rules is expected") };
    let printed: Vec<Json> = rules.iter().map(|p| p.map_or(Json::Null, |p| Json::Text(format!("{p:.10}")))).collect();
    // The last rule has no condition, which is a probability of 1.
    let as_printed = |json: &Json| match json {
        Json::Number(p) if *p == 1.0 => Json::Null,
        Json::Number(p) => Json::Text(format!("{p:.10}")),
        other => other.clone(),
    };
    same("probabilities", printed, expected.iter().map(as_printed).collect())
}

/// Numbers in a text, such as 1 and 7 of `1st..7th restart`.
fn numbers_in(text: &str) -> Vec<usize> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

/// The series of back-offs.
pub fn crash_loop(row: &Row) -> Judged {
    row.shape(&[], &["failures", "restarts", "base_s", "cap_s", "ran_s", "reset_after_s"])?;
    let default = crash_loop::Settings::default();
    let settings = crash_loop::Settings {
        base: seconds(&row.input, "base_s", default.base)?,
        cap: seconds(&row.input, "cap_s", default.cap)?,
        reset_after: seconds(&row.input, "reset_after_s", default.reset_after)?,
        first_waits: true,
    };
    let expected = row.expected.get("delay_s").unwrap_or(&row.expected);
    let Some(expected) = expected.numbers().or_else(|| Some(vec![expected.number()?])) else { return unknown("no delays are expected") };
    let (first, last) = match row.input.get("failures").or(row.input.get("restarts")) {
        None => (1, expected.len()),
        Some(Json::Text(text)) => match numbers_in(text)[..] {
            [one] => (one, one),
            [first, last] => (first, last),
            _ => return unknown(format!("the failures `{text}`")),
        },
        Some(number) => match number.count() {
            Some(n) => (n as usize + 1 - expected.len().min(n as usize), n as usize),
            None => return unknown("the failures are not a count"),
        },
    };
    if first == 0 || last < first || last > 10_000 {
        return unknown("which failures are meant");
    }
    let ran = match row.input.get("ran_s").map(Json::numbers) {
        None => vec![0.0; last],
        Some(Some(ran)) if ran.len() == last => ran,
        // One number is how long the last run took; those before ended at once.
        Some(None) => match row.input.get("ran_s").and_then(Json::number) {
            Some(ran) => (1..=last).map(|run| if run == last { ran } else { 0.0 }).collect(),
            None => return unknown("how long the container ran"),
        },
        Some(_) => return unknown("how long the container ran"),
    };
    let mut record = CrashLoop::default();
    let waits: Vec<f64> = ran.iter().map(|&ran| record.ended(Span::from_secs_f64(ran), &settings).as_secs_f64()).collect();
    same("delays", &waits[first - 1..], &expected[..])
}

/// When a node that stops reporting is Unknown, and when its pods go; or how many nodes a second are evicted.
pub fn node_failure(row: &Row) -> Judged {
    if row.input.get("event").is_none() {
        return eviction_rates(row);
    }
    row.shape(&["event"], &["grace_s", "toleration_s", "monitor_period_s"])?;
    let event = row.input.get("event").and_then(Json::text).unwrap_or("");
    let lost = match numbers_in(event)[..] {
        [at] if event.starts_with("node stops reporting at t=") => at as f64,
        _ => return unknown(format!("the event `{event}`")),
    };
    let default = node_lifecycle::Settings::default();
    let settings = node_lifecycle::Settings {
        monitor_grace: seconds(&row.input, "grace_s", default.monitor_grace)?,
        toleration: seconds(&row.input, "toleration_s", default.toleration)?,
        monitor_period: seconds(&row.input, "monitor_period_s", default.monitor_period)?,
        ..default
    };
    let last = Time::ZERO + Span::from_secs_f64(lost);
    let mut view = NodeView::new(last);
    let mut now = last;
    while view.monitor(now, last, &settings).is_none() {
        now += settings.monitor_period;
    }
    let Some(expected) = row.expected.map().filter(|entries| !entries.is_empty()) else { return unknown("what is expected") };
    for (key, value) in expected {
        let got = match key.as_str() {
            "marked_unknown_s" | "endpoints_not_ready_s" => now,
            "pods_evicted_s" => now + settings.toleration,
            other => return unknown(format!("`{other}` is expected")),
        };
        let Some(value) = value.number() else { return unknown(format!("`{key}` is not a number")) };
        row.close(key, got.as_secs_f64(), value)?;
    }
    Ok(())
}

/// Nodes a second from which pods are evicted, of one zone beside which another is well, or of each of several zones.
fn eviction_rates(row: &Row) -> Judged {
    let known = ["nodes", "unhealthy", "unhealthy_nodes", "unhealthy_percent"];
    let zone = |input: &Json| -> Result<(u32, u32), Trouble> {
        if let Some(other) = input.keys().iter().find(|key| !known.contains(key)) {
            return unknown(format!("`{other}` in the input"));
        }
        let Some(nodes) = input.get("nodes").and_then(Json::count) else { return unknown("no number of nodes") };
        let unhealthy = match input.get("unhealthy_percent").and_then(Json::number) {
            Some(percent) => (percent * f64::from(nodes) / 100.0).ceil() as u32,
            None => match input.get("unhealthy").or(input.get("unhealthy_nodes")).and_then(Json::count) {
                Some(unhealthy) => unhealthy,
                None => return unknown("no number of unhealthy nodes"),
            },
        };
        if unhealthy > nodes { unknown("more unhealthy nodes than nodes") } else { Ok((nodes - unhealthy, unhealthy)) }
    };
    let zones: Vec<(u32, u32)> = match row.input.get("zones") {
        Some(list) => list.list().unwrap_or_default().iter().map(zone).collect::<Result<_, _>>()?,
        None => vec![zone(&row.input)?],
    };
    let Some((key, expected)) = row.expected.map().and_then(|entries| entries.first()).filter(|(key, _)| key.contains("rate")) else {
        return unknown("no rate is expected");
    };
    let expected = match expected {
        Json::List(_) => expected.numbers(),
        one => one.number().map(|number| vec![number]),
    };
    let Some(expected) = expected.filter(|expected| expected.len() == zones.len()) else { return unknown(format!("`{key}`")) };
    let mut all = zones.clone();
    if row.input.get("zones").is_none() {
        all.push((3, 0));
    }
    let settings = node_lifecycle::Settings::default();
    expected
        .iter()
        .enumerate()
        .try_for_each(|(zone, expected)| row.close(key, node_lifecycle::eviction_rate(&all, zone, &settings), *expected))
}

/// How long a probe lets a container fail; of one probe, or of several by name.
pub fn probe_budget(row: &Row) -> Judged {
    const FIELDS: [&str; 5] = ["failure_threshold", "period_s", "initial_delay_s", "timeout_s", "success_threshold"];
    const PROBES: [&str; 3] = ["startup", "liveness", "readiness"];
    let Some(expected) = row.expected.map().filter(|entries| !entries.is_empty()) else { return unknown("what is expected") };
    if let Some(other) = row.input.keys().iter().find(|key| !FIELDS.contains(key) && !PROBES.contains(key)) {
        return unknown(format!("`{other}` in the input"));
    }
    for (key, value) in expected {
        let named = PROBES.iter().find(|name| row.input.get(name).is_some() && key.starts_with(*name));
        let startup = row.input.get("startup").filter(|_| key == "max_startup_s");
        let (input, figure) = match named {
            Some(name) => (row.input.get(name).unwrap_or(&row.input), key[name.len()..].trim_start_matches('_')),
            None => (startup.unwrap_or(&row.input), key.as_str()),
        };
        let probe = probe(input)?;
        let (least, most) = probe.detection();
        let got = match figure {
            "max_startup_s" | "startup_max_s" => probe.startup_max(),
            "detection_min_s" => least,
            "detection_max_s" => most,
            "detection_s" | "detection_range_s" => {
                same(key, Some(vec![least.as_secs_f64(), most.as_secs_f64()]), value.numbers())?;
                continue;
            }
            other => return unknown(format!("`{other}` is expected")),
        };
        same(key, Some(got.as_secs_f64()), value.number())?;
    }
    Ok(())
}

fn probe(input: &Json) -> Result<Probe, Trouble> {
    let default = Probe::default();
    Ok(Probe {
        initial_delay: seconds(input, "initial_delay_s", default.initial_delay)?,
        period: seconds(input, "period_s", default.period)?,
        timeout: seconds(input, "timeout_s", default.timeout)?,
        success_threshold: count(input, "success_threshold", default.success_threshold)?,
        failure_threshold: count(input, "failure_threshold", default.failure_threshold)?,
    })
}
