//! Cases of Kubernetes' controllers and kube-proxy.

use crate::json::Json;
use crate::{Judged, Row, Trouble, same, unknown};
use lbsim::control::crash_loop::{self, CrashLoop};
use lbsim::control::endpoints::{Endpoint, Proxy, Service, TrafficPolicy, rule_probabilities, usable};
use lbsim::control::hpa::{Autoscaler, Behavior, Change, Config, Policy, Rules, Select};
use lbsim::control::node_lifecycle::{self, NodeView};
use lbsim::control::probe::Probe;
use lbsim::control::replica_calculator::{
    PodMetric, Proposal, Standing, Target, Tolerance, by_average_value, by_pods, by_value, usage_ratio,
};
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

/// Yes or no under `key`; `default` where neither is said.
pub fn flag(input: &Json, key: &str, default: bool) -> Result<bool, Trouble> {
    match input.get(key) {
        None | Some(Json::Null) => Ok(default),
        Some(Json::Bool(value)) => Ok(*value),
        Some(_) => unknown(format!("`{key}` is neither true nor false")),
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
    let optional = ["node_zone", "node", "zone_hints_honoured", "service_uses_cluster_endpoints", "service_uses_local_endpoints"];
    row.shape(&["endpoints"], &optional)?;
    let Some(list) = row.input.get("endpoints").and_then(Json::list) else { return unknown("the endpoints are no list") };
    // Zones and nodes are numbered apart; the proxy's node is the first of its kind.
    let (mut zones, mut nodes) = (Names::default(), Names::default());
    nodes.number(row.input.get("node").and_then(Json::text).unwrap_or(""));
    let mut names = Vec::new();
    let mut endpoints = Vec::new();
    for item in list {
        let Some(name) = item.get("a").and_then(Json::text) else { return unknown("an endpoint has no name") };
        let known = ["a", "ready", "serving", "terminating", "local", "zones", "nodes"];
        if let Some(other) = item.keys().iter().find(|key| !known.contains(key)) {
            return unknown(format!("`{other}` of an endpoint"));
        }
        names.push(name);
        // An endpoint that does not say whether it serves does so while it is ready; it does not terminate unless it says so.
        let is_ready = flag(item, "ready", true)?;
        endpoints.push(Endpoint {
            is_ready,
            is_serving: flag(item, "serving", is_ready)?,
            is_terminating: flag(item, "terminating", false)?,
            node: if flag(item, "local", false)? { HERE } else { ELSEWHERE },
            zone_hints: zones.all(item.get("zones"))?,
            node_hints: nodes.all(item.get("nodes"))?,
        });
    }
    let zone = row.input.get("node_zone").and_then(Json::text).filter(|zone| !zone.is_empty()).map(|zone| zones.number(zone));
    let uses_cluster = flag(&row.input, "service_uses_cluster_endpoints", true)?;
    let uses_local = flag(&row.input, "service_uses_local_endpoints", false)?;
    let (internal, external) = match (uses_cluster, uses_local) {
        (true, false) => (TrafficPolicy::Cluster, None),
        (true, true) => (TrafficPolicy::Cluster, Some(TrafficPolicy::Local)),
        (false, true) => (TrafficPolicy::Local, None),
        (false, false) => return unknown("a service without endpoints of any kind"),
    };
    let service = Service { internal, external, ignores_hints: !flag(&row.input, "zone_hints_honoured", true)? };
    let usable = usable(&endpoints, &service, Proxy { node: HERE, zone });
    let Some(expected) = row.expected.map().filter(|entries| !entries.is_empty()) else { return unknown("what is expected") };
    for (key, value) in expected {
        match key.as_str() {
            "cluster" => same_names(key, usable.cluster.as_deref(), &names, value)?,
            "local" => same_names(key, usable.local.as_deref(), &names, value)?,
            "all" | "reachable" => same_names(key, Some(&usable.reachable()), &names, value)?,
            "has_any" | "any" => same(key, &Json::Bool(usable.has_any), value)?,
            other => return unknown(format!("`{other}` is expected")),
        }
    }
    Ok(())
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

/// The probabilities on the rules of iptables mode.
pub fn iptables(row: &Row) -> Judged {
    row.shape(&["endpoints"], &[])?;
    let n = match row.input.get("endpoints") {
        Some(Json::List(list)) => Some(list.len() as u32),
        Some(number) => number.count(),
        None => None,
    };
    let (Some(n), Some(expected)) = (n, row.expected.list()) else { return unknown("the endpoints or the list of rules") };
    let printed: Vec<Json> = rule_probabilities(n).iter().map(|p| p.map_or(Json::Null, |p| Json::Text(format!("{p:.10}")))).collect();
    let as_printed = |json: &Json| if let Json::Number(p) = json { Json::Text(format!("{p:.10}")) } else { json.clone() };
    same("probabilities", printed, expected.iter().map(as_printed).collect())
}

/// What one metric asks for.
pub fn replicas(row: &Row) -> Judged {
    if row.input.get("cases").is_some() {
        return multipliers(row);
    }
    let Some(current) = row.input.get("current").and_then(Json::count) else { return unknown("no number of current replicas") };
    let tolerance = match row.input.get("tolerance").map(Json::number) {
        None => Tolerance::default(),
        Some(Some(share)) => Tolerance { down: share, up: share },
        Some(None) => return unknown("the tolerance is not a number"),
    };
    let keys = row.input.keys();
    let proposal = if keys.contains(&"cpu_milli") {
        row.shape(&["current", "cpu_milli", "request_milli", "target_percent"], &["ready", "phase", "deleted", "tolerance"])?;
        by_pods(
            current,
            &pods(&row.input, "cpu_milli", current, true)?,
            Target::Utilization(number(&row.input, "target_percent")? as u32),
            tolerance,
        )
    } else if keys.contains(&"metric_per_pod") {
        row.shape(&["current", "metric_per_pod", "target"], &["ready", "phase", "deleted", "tolerance"])?;
        by_pods(
            current,
            &pods(&row.input, "metric_per_pod", current, false)?,
            Target::AverageValue(number(&row.input, "target")?),
            tolerance,
        )
    } else if keys.contains(&"target_per_pod") {
        row.shape(&["current", "metric_total", "target_per_pod"], &["tolerance"])?;
        by_average_value(current, number(&row.input, "metric_total")?, number(&row.input, "target_per_pod")?, tolerance)
    } else {
        row.shape(&["current", "metric", "target"], &["ready_pods", "ready", "tolerance"])?;
        let ready = match row.input.get("ready").map(flags) {
            Some(Some(ready)) => ready.iter().filter(|ready| **ready).count() as u32,
            Some(None) => return unknown("who is ready is not said by true and false"),
            None => count(&row.input, "ready_pods", current)?,
        };
        by_value(current, ready, number(&row.input, "metric")?, number(&row.input, "target")?, tolerance)
    };
    judge_proposal(proposal, &row.expected)
}

fn judge_proposal(proposal: Option<Proposal>, expected: &Json) -> Judged {
    let Some(entries) = expected.map().filter(|_| expected.get("replicas").is_some()) else { return unknown("no replicas are expected") };
    for (key, value) in entries {
        let got = match key.as_str() {
            "replicas" => proposal.map(|proposal| f64::from(proposal.replicas)),
            "utilisation_percent" | "utilization_percent" | "average" | "value" => proposal.map(|proposal| proposal.current as f64),
            other => return unknown(format!("`{other}` is expected")),
        };
        same(key, got, value.number())?;
    }
    Ok(())
}

fn number(input: &Json, key: &str) -> Result<u64, Trouble> {
    let number = input.get(key).and_then(Json::number).filter(|number| number.fract() == 0.0 && *number >= 0.0);
    number.map_or_else(|| unknown(format!("`{key}` is not a whole number")), |number| Ok(number as u64))
}

fn flags(json: &Json) -> Option<Vec<bool>> {
    json.list()?.iter().map(|item| if let Json::Bool(yes) = item { Some(*yes) } else { None }).collect()
}

/// The pods of a case. Metrics are given in the pods' order; those at the end without one, and `null`, are missing. Only for CPU does it
/// count whether a pod is ready.
fn pods(input: &Json, metrics: &str, current: u32, is_cpu: bool) -> Result<Vec<PodMetric>, Trouble> {
    let Some(values) = input.get(metrics).and_then(Json::list) else { return unknown(format!("`{metrics}` is no list")) };
    let list_of = |key: &str| -> Result<Option<Vec<bool>>, Trouble> {
        input.get(key).map_or(Ok(None), |list| {
            flags(list).map_or_else(|| unknown(format!("`{key}` is no list of true and false")), |list| Ok(Some(list)))
        })
    };
    let (ready, deleted) = (list_of("ready")?, list_of("deleted")?);
    let phases = match input.get("phase").map(Json::texts) {
        Some(None) => return unknown("the phases are no names"),
        phases => phases.flatten(),
    };
    let requests = input.get("request_milli");
    let lengths = [ready.as_ref().map(Vec::len), deleted.as_ref().map(Vec::len), phases.as_ref().map(Vec::len)];
    let of_requests = requests.and_then(Json::list).map(<[Json]>::len);
    let n = lengths.into_iter().flatten().max().or(of_requests).unwrap_or(current as usize);
    (0..n)
        .map(|i| {
            let request = match requests {
                Some(Json::List(list)) => list.get(i).and_then(Json::number),
                Some(one) => one.number(),
                None => Some(0.0),
            };
            let Some(request) = request else { return unknown("a pod's request is not a number") };
            let phase = phases.as_ref().and_then(|phases| phases.get(i)).copied().unwrap_or("Running");
            let is_deleted = deleted.as_ref().and_then(|deleted| deleted.get(i)).copied().unwrap_or(false);
            let is_unready = is_cpu && ready.as_ref().and_then(|ready| ready.get(i)) == Some(&false);
            let value = match values.get(i) {
                None | Some(Json::Null) => None,
                Some(value) => Some(value.number().map_or_else(|| unknown("a metric is not a number"), |value| Ok(value as u64))?),
            };
            let standing = match phase.to_lowercase().as_str() {
                "failed" => Standing::Gone,
                _ if is_deleted => Standing::Gone,
                "pending" => Standing::SetAside,
                // A running pod without a metric is missing, ready or not.
                "running" if is_unready && value.is_some() => Standing::SetAside,
                "running" | "succeeded" => Standing::Counted,
                _ => return unknown(format!("the phase {phase}")),
            };
            Ok(PodMetric { standing, value, request: request as u64 })
        })
        .collect()
}

/// The factor between metric and target.
fn multipliers(row: &Row) -> Judged {
    row.shape(&["cases"], &[])?;
    let (Some(cases), Some(expected)) =
        (row.input.get("cases").and_then(Json::list), row.expected.get("multipliers").and_then(Json::numbers))
    else {
        return unknown("the cases or the multipliers");
    };
    same("number of cases", cases.len(), expected.len())?;
    for (case, expected) in cases.iter().zip(expected) {
        let Some(ratio) = usage_ratio(number(case, "metric_milli")?, number(case, "target_milli")?) else {
            return unknown("a target of 0");
        };
        row.close("multiplier", ratio, expected)?;
    }
    Ok(())
}

/// Steps under scaling policies, without stabilization.
pub fn behaviour(row: &Row) -> Judged {
    row.shape(&["replicas", "target_replicas", "policies"], &["select", "min_replicas", "max_replicas"])?;
    let (Some(start), Some(target)) =
        (row.input.get("replicas").and_then(Json::count), row.input.get("target_replicas").and_then(Json::count))
    else {
        return unknown("replicas and target are not counts");
    };
    let Some(list) = row.input.get("policies").and_then(Json::list).filter(|list| !list.is_empty()) else { return unknown("no policies") };
    let policies: Vec<Policy> = list.iter().map(policy).collect::<Result<_, _>>()?;
    let select = match row.input.get("select").map(|select| select.text().unwrap_or("").to_lowercase()).as_deref() {
        None | Some("max" | "max change") => Select::Max,
        Some("min" | "min change") => Select::Min,
        Some("disabled") => Select::Disabled,
        Some(other) => return unknown(format!("the selection `{other}`")),
    };
    let period = policies.iter().map(|policy| policy.period).max().unwrap_or(Span::ZERO);
    let rules = Rules { window: Span::ZERO, select, policies };
    let (least, most) =
        (count(&row.input, "min_replicas", target.min(start).min(1))?, count(&row.input, "max_replicas", target.max(start))?);
    let config = Config { min_replicas: least, max_replicas: most, behavior: Some(Behavior { up: rules.clone(), down: rules }) };
    let mut autoscaler = Autoscaler::new(config);
    let (mut replicas, mut now) = (start, Time::ZERO);
    let mut steps = vec![start];
    for _ in 0..1000 {
        replicas = autoscaler.sync(now, replicas, &[Some(target)]);
        steps.push(replicas);
        // Each step when the one before has left every policy's period.
        now += period;
    }
    let Some(expected) = row.expected.map().filter(|entries| !entries.is_empty()) else { return unknown("what is expected") };
    for (key, value) in expected {
        if ["sequence_first_steps", "sequence", "steps"].contains(&key.as_str()) {
            let Some(expected) = value.counts() else { return unknown(format!("`{key}` is no list of counts")) };
            same(key, &steps[1..=expected.len().min(1000)], &expected[..])?;
        } else if let Some(bound) = key.strip_prefix("below_").and_then(|rest| rest.strip_suffix("_step")?.parse::<u32>().ok()) {
            // The last step may be smaller: it ends at the target.
            let is_whole = |pair: &&[u32]| pair[0] < bound && pair[1] < pair[0] && pair[1] != target;
            let below: Vec<u32> = steps.windows(2).filter(is_whole).map(|pair| pair[0] - pair[1]).collect();
            if below.is_empty() {
                return unknown(format!("no whole step below {bound}"));
            }
            let Some(expected) = value.count() else { return unknown(format!("`{key}` is not a count")) };
            same(key, below.iter().all(|&step| step == expected), true)?;
        } else {
            return unknown(format!("`{key}` is expected"));
        }
    }
    Ok(())
}

fn policy(json: &Json) -> Result<Policy, Trouble> {
    let value = json.get("value").and_then(Json::count);
    let change = match (json.get("type").and_then(Json::text).map(str::to_lowercase).as_deref(), value) {
        (Some("pods"), Some(pods)) => Change::Pods(pods),
        (Some("percent"), Some(percent)) => Change::Percent(percent),
        _ => return unknown("a policy's type or value"),
    };
    Ok(Policy { change, period: seconds(json, "period_s", Span::from_secs(60))? })
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
        Some(_) => return unknown("how long the container ran"),
    };
    let mut record = CrashLoop::default();
    let waits: Vec<f64> = ran.iter().map(|&ran| record.ended(Span::from_secs_f64(ran), &settings).as_secs_f64()).collect();
    same("delays", &waits[first - 1..], &expected[..])
}

/// When a node that stops reporting is Unknown, and when its pods go.
pub fn node_failure(row: &Row) -> Judged {
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

/// How long a probe lets a container fail.
pub fn probe_budget(row: &Row) -> Judged {
    row.shape(&[], &["failure_threshold", "period_s", "initial_delay_s", "timeout_s", "success_threshold"])?;
    let default = Probe::default();
    let probe = Probe {
        initial_delay: seconds(&row.input, "initial_delay_s", default.initial_delay)?,
        period: seconds(&row.input, "period_s", default.period)?,
        timeout: seconds(&row.input, "timeout_s", default.timeout)?,
        success_threshold: count(&row.input, "success_threshold", default.success_threshold)?,
        failure_threshold: count(&row.input, "failure_threshold", default.failure_threshold)?,
    };
    let Some(expected) = row.expected.map().filter(|entries| !entries.is_empty()) else { return unknown("what is expected") };
    for (key, value) in expected {
        let got = match key.as_str() {
            "max_startup_s" => probe.startup_max(),
            "detection_min_s" => probe.detection().0,
            "detection_max_s" => probe.detection().1,
            other => return unknown(format!("`{other}` is expected")),
        };
        same(key, Some(got.as_secs_f64()), value.number())?;
    }
    Ok(())
}
