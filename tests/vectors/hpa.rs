//! Cases of the HorizontalPodAutoscaler.

use crate::json::Json;
use crate::kubernetes::{count, seconds};
use crate::{Judged, Row, Trouble, same, unknown};
use lbsim::control::defaults;
use lbsim::control::hpa::{Autoscaler, Behavior, Change, Config, Policy, Rules, Select};
use lbsim::control::replica_calculator::{
    PodMetric, Proposal, Standing, Target, Tolerance, by_average_value, by_pods, by_value, usage_ratio,
};
use lbsim::units::{Span, Time};

/// What one metric or several ask for.
pub fn replicas(row: &Row) -> Judged {
    if row.input.get("cases").is_some() {
        return multipliers(row);
    }
    let Some(current) = row.input.get("current").and_then(Json::count) else { return unknown("no number of current replicas") };
    let (least, most) = (count(&row.input, "min_replicas", 0)?, count(&row.input, "max_replicas", u32::MAX)?);
    let proposal = match metrics(&row.input)? {
        None => proposal(row, current, &row.input)?,
        Some(metrics) => {
            let proposals = metrics.iter().map(|input| proposal(row, current, input)).collect::<Result<Vec<_>, _>>()?;
            let config = Config { min_replicas: 0, max_replicas: u32::MAX, behavior: Some(unheld()) };
            let asked: Vec<Option<u32>> = proposals.iter().map(|proposal| proposal.map(|proposal| proposal.replicas)).collect();
            let replicas = Autoscaler::new(config).sync(Time::ZERO, current, &asked);
            Some(Proposal { replicas, current: 0 })
        }
    };
    judge_proposal(proposal.map(|found| Proposal { replicas: found.replicas.clamp(least, most.max(least)), ..found }), &row.expected)
}

/// Rules that hold nothing back.
fn unheld() -> Behavior {
    let policies = vec![Policy { change: Change::Pods(1_000_000), period: Span::from_secs(1) }];
    let rules = Rules { window: Span::ZERO, select: Select::Max, policies };
    Behavior { up: rules.clone(), down: rules }
}

/// The inputs of several metrics: listed under `metrics`, or with lists under `metric` and `target`.
fn metrics(input: &Json) -> Result<Option<Vec<Json>>, Trouble> {
    let lists = (input.get("metric").and_then(Json::list), input.get("target").and_then(Json::list));
    match (input.get("metrics").map(Json::list), lists) {
        (Some(Some(list)), _) => Ok(Some(list.to_vec())),
        (Some(None), _) => unknown("the metrics are no list"),
        (None, (Some(metrics), Some(targets))) if metrics.len() == targets.len() => {
            let one = |(metric, target): (&Json, &Json)| {
                Json::Map(vec![("metric".to_owned(), metric.clone()), ("target".to_owned(), target.clone())])
            };
            Ok(Some(metrics.iter().zip(targets).map(one).collect()))
        }
        _ => Ok(None),
    }
}

fn tolerance(input: &Json) -> Result<Tolerance, Trouble> {
    let share = |key: &str, default: f64| match input.get(key) {
        None => Ok(default),
        Some(value) => value.number().map_or_else(|| unknown(format!("`{key}` is not a number")), Ok),
    };
    let both = share("tolerance", defaults::hpa::TOLERANCE)?;
    Ok(Tolerance { down: share("scale_down_tolerance", both)?, up: share("scale_up_tolerance", both)? })
}

/// What one metric asks for; `None`: it cannot be computed.
fn proposal(row: &Row, current: u32, input: &Json) -> Result<Option<Proposal>, Trouble> {
    const OF_ALL: [&str; 6] = ["current", "tolerance", "scale_up_tolerance", "scale_down_tolerance", "min_replicas", "max_replicas"];
    let only = |required: &[&str], optional: &[&str]| {
        let keys = input.keys();
        match keys.iter().find(|key| !required.contains(key) && !optional.contains(key) && !OF_ALL.contains(key)) {
            Some(extra) => unknown(format!("`{extra}` in the input")),
            None => match required.iter().find(|key| !keys.contains(key)) {
                Some(missing) => unknown(format!("no `{missing}` in the input")),
                None => Ok(()),
            },
        }
    };
    let tolerance = tolerance(&row.input)?;
    let keys = input.keys();
    if keys.contains(&"cpu_milli") {
        only(&["cpu_milli", "request_milli", "target_percent"], &["ready", "phase", "deleted"])?;
        // A pod that requests nothing has no utilisation, and without it there is none of the others either.
        if input.get("request_milli").and_then(Json::list).is_some_and(|list| list.is_empty() || list.contains(&Json::Null)) {
            return Ok(None);
        }
        let target = Target::Utilization(number(input, "target_percent")? as u32);
        Ok(by_pods(current, &pods(input, "cpu_milli", current, true)?, target, tolerance))
    } else if keys.contains(&"metric_per_pod") {
        only(&["metric_per_pod", "target"], &["ready", "phase", "deleted"])?;
        let target = Target::AverageValue(number(input, "target")?);
        Ok(by_pods(current, &pods(input, "metric_per_pod", current, false)?, target, tolerance))
    } else if keys.contains(&"target_per_pod") {
        only(&["metric_total", "target_per_pod"], &[])?;
        Ok(by_average_value(current, number(input, "metric_total")?, number(input, "target_per_pod")?, tolerance))
    } else {
        only(&["metric", "target"], &["ready_pods", "ready"])?;
        if input.get("metric") == Some(&Json::Null) {
            return Ok(None);
        }
        let ready = match input.get("ready").map(Json::flags) {
            Some(Some(ready)) => ready.iter().filter(|ready| **ready).count() as u32,
            Some(None) => return unknown("who is ready is not said by true and false"),
            None => count(input, "ready_pods", current)?,
        };
        Ok(by_value(current, ready, number(input, "metric")?, number(input, "target")?, tolerance))
    }
}

fn judge_proposal(proposal: Option<Proposal>, expected: &Json) -> Judged {
    if expected.get("error").is_some() {
        return same("replicas", proposal.map(|proposal| proposal.replicas), None);
    }
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

/// The pods of a case. Metrics are given in the pods' order; those at the end without one, and `null`, are missing. Only for CPU does it
/// count whether a pod is ready.
fn pods(input: &Json, metrics: &str, current: u32, is_cpu: bool) -> Result<Vec<PodMetric>, Trouble> {
    let Some(values) = input.get(metrics).and_then(Json::list) else { return unknown(format!("`{metrics}` is no list")) };
    let list_of = |key: &str| -> Result<Option<Vec<bool>>, Trouble> {
        input.get(key).map_or(Ok(None), |list| {
            list.flags().map_or_else(|| unknown(format!("`{key}` is no list of true and false")), |list| Ok(Some(list)))
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

/// Steps under scaling policies, without stabilization; or with it, what comes of proposals one after the other.
pub fn behaviour(row: &Row) -> Judged {
    if row.input.get("recommendations").is_some() {
        return stabilized(row);
    }
    row.shape(&["replicas", "target_replicas", "policies"], &["select", "min_replicas", "max_replicas"])?;
    let (Some(start), Some(target)) =
        (row.input.get("replicas").and_then(Json::count), row.input.get("target_replicas").and_then(Json::count))
    else {
        return unknown("replicas and target are not counts");
    };
    let Some(list) = row.input.get("policies").and_then(Json::list).filter(|list| !list.is_empty()) else { return unknown("no policies") };
    let policies: Vec<Policy> = list.iter().map(policy).collect::<Result<_, _>>()?;
    let select = select(&row.input)?;
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

fn select(input: &Json) -> Result<Select, Trouble> {
    match input.get("select").map(|select| select.text().unwrap_or("").to_lowercase()).as_deref() {
        None | Some("max" | "max change") => Ok(Select::Max),
        Some("min" | "min change") => Ok(Select::Min),
        Some("disabled") => Ok(Select::Disabled),
        Some(other) => unknown(format!("the selection `{other}`")),
    }
}

/// Proposals at the autoscaler's syncs, with windows; what is not said is the default rules'.
fn stabilized(row: &Row) -> Judged {
    let optional = ["sync_s", "stabilization_window_s", "direction", "policies", "select", "min_replicas", "max_replicas"];
    row.shape(&["replicas", "recommendations"], &optional)?;
    let (Some(start), Some(proposals)) =
        (row.input.get("replicas").and_then(Json::count), row.input.get("recommendations").and_then(Json::counts))
    else {
        return unknown("replicas and recommendations are not counts");
    };
    let mut behavior = Behavior::default();
    let is_up = match row.input.get("direction").map(|direction| direction.text().unwrap_or("")) {
        None | Some("down") => false,
        Some("up") => true,
        Some(other) => return unknown(format!("the direction `{other}`")),
    };
    let rules = if is_up { &mut behavior.up } else { &mut behavior.down };
    rules.window = seconds(&row.input, "stabilization_window_s", rules.window)?;
    rules.select = select(&row.input)?;
    if let Some(list) = row.input.get("policies") {
        rules.policies = list.list().unwrap_or_default().iter().map(policy).collect::<Result<_, _>>()?;
    }
    let (least, most) = (count(&row.input, "min_replicas", 1)?, count(&row.input, "max_replicas", u32::MAX)?);
    let mut autoscaler = Autoscaler::new(Config { min_replicas: least, max_replicas: most, behavior: Some(behavior) });
    let sync = seconds(&row.input, "sync_s", defaults::hpa::SYNC)?;
    let (mut replicas, mut now) = (start, Time::ZERO);
    let mut steps = Vec::new();
    for proposal in proposals {
        replicas = autoscaler.sync(now, replicas, &[Some(proposal)]);
        steps.push(replicas);
        now += sync;
    }
    match row.expected.get("sequence").or(row.expected.get("steps")).and_then(Json::counts) {
        Some(expected) => same("replicas", steps, expected),
        None => unknown("no sequence is expected"),
    }
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
