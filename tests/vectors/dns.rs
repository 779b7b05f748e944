//! Cases of Route 53.

use crate::aws::{counts_of, judge_shares};
use crate::json::Json;
use crate::kubernetes::{count, seconds};
use crate::{Judged, Row, same, unknown};
use lbsim::control::defaults;
use lbsim::control::dns::{
    Failover, HealthCheck, Latency, Weighted, alias_is_healthy, failover, is_healthy_to_most, multivalue, nearest, weighted,
    weighted_shares,
};
use lbsim::rng::stream;
use lbsim::units::Span;

/// What Route 53 answers.
pub fn dns_routing(row: &Row) -> Judged {
    if !row.is_from("route 53") {
        return unknown("another product's answers");
    }
    let Some(cases) = row.input.get("cases").filter(|_| row.input.keys().len() == 1) else {
        return dns_case(row, &row.input, &row.expected);
    };
    let Some(cases) = cases.list().filter(|cases| !cases.is_empty()) else { return unknown("the cases are no list") };
    let expected: Vec<Json> = match &row.expected {
        Json::List(list) => list.clone(),
        // One list under a name: the cases' answers in order.
        Json::Map(entries) if entries.len() == 1 => {
            let (key, list) = &entries[0];
            let one = |value: &Json| Json::Map(vec![(key.clone(), value.clone())]);
            list.list().unwrap_or_default().iter().map(one).collect()
        }
        _ => return unknown("what is expected"),
    };
    same("number of cases", cases.len(), expected.len())?;
    cases.iter().zip(&expected).try_for_each(|(case, expected)| dns_case(row, case, expected))
}

fn dns_case(row: &Row, case: &Json, expected: &Json) -> Judged {
    let keys = case.keys();
    let only = |known: &[&str]| keys.iter().all(|key| known.contains(key));
    if keys.contains(&"weights") && only(&["weights", "healthy"]) {
        weighted_case(row, case, expected)
    } else if keys.contains(&"primary") && only(&["primary", "secondary"]) {
        let health = |key: &str| match (case.get(key).and_then(Json::text), case.get(key)) {
            (Some("healthy" | "no health check"), _) | (_, Some(Json::Bool(true))) => Ok(true),
            (Some("unhealthy"), _) | (_, Some(Json::Bool(false))) => Ok(false),
            (_, other) => unknown(format!("the {key} is {other:?}")),
        };
        let answer = match failover(health("primary")?, health("secondary")?) {
            Failover::Primary => "primary",
            Failover::Secondary => "secondary",
        };
        let expected = expected.get("answer").unwrap_or(expected);
        expected.text().map_or_else(|| unknown("no answer is expected"), |expected| same("answer", answer, expected))
    } else if keys.contains(&"latency_ms") && only(&["latency_ms", "healthy"]) {
        latency_case(case, expected)
    } else if case.get("records").and_then(Json::texts).is_some() && only(&["records", "healthy", "policy"]) {
        named_records(case, expected)
    } else if keys.contains(&"records") && only(&["records", "healthy"]) {
        let (Some(records), Some(healthy)) = (case.get("records").and_then(Json::count), case.get("healthy").and_then(Json::count)) else {
            return unknown("the records are no counts");
        };
        let is_healthy: Vec<bool> = (0..records).map(|record| record < healthy).collect();
        let answers = multivalue(&is_healthy, &mut stream(1, 0, "vectors")).len();
        let expected = ["answers", "answer_count", "returned"].iter().find_map(|key| expected.get(key)?.count());
        expected.map_or_else(|| unknown("no number of answers is expected"), |expected| same("answers", answers, expected as usize))
    } else if keys.contains(&"healthy_targets_per_group") && only(&["healthy_targets_per_group"]) {
        let healthy = case.get("healthy_targets_per_group").and_then(Json::counts);
        match (healthy, expected.get("healthy")) {
            (Some(healthy), Some(expected)) => same("healthy", &Json::Bool(alias_is_healthy(&healthy)), expected),
            _ => unknown("the groups or their health"),
        }
    } else {
        unknown(format!("a case with {keys:?}"))
    }
}

fn weighted_case(row: &Row, case: &Json, expected: &Json) -> Judged {
    let Some(weights) = case.get("weights").and_then(counts_of) else { return unknown("the weights are no counts") };
    let healthy = match case.get("healthy").map(Json::flags) {
        None => vec![true; weights.len()],
        Some(Some(healthy)) if healthy.len() == weights.len() => healthy,
        Some(_) => return unknown("the health of the records"),
    };
    let records: Vec<Weighted> = weights.iter().zip(healthy).map(|(&weight, is_healthy)| Weighted { weight, is_healthy }).collect();
    judge_shares(row, &weighted_shares(&records), expected, |rng| weighted(&records, rng))
}

/// The nearest region, by name.
fn latency_case(case: &Json, expected: &Json) -> Judged {
    let Some(regions) = case.get("latency_ms").and_then(Json::map) else { return unknown("the latencies are no map") };
    let mut records = Vec::new();
    for (name, latency) in regions {
        let Some(ms) = latency.number() else { return unknown("a latency is not a number") };
        let is_healthy = match case.get("healthy") {
            None => true,
            Some(healthy) => match healthy.get(name).and_then(Json::flag) {
                Some(is_healthy) => is_healthy,
                None => return unknown(format!("the health of {name}")),
            },
        };
        records.push(Latency { latency: Span::from_secs_f64(ms / 1000.0), is_healthy });
    }
    let answer = nearest(&records).map(|record| regions[record].0.as_str());
    let expected = expected.get("answer").unwrap_or(expected);
    expected.text().map_or_else(|| unknown("no answer is expected"), |expected| same("answer", answer, Some(expected)))
}

/// Which records a multivalue answer has, by name.
fn named_records(case: &Json, expected: &Json) -> Judged {
    let (Some(names), Some(healthy)) = (case.get("records").and_then(Json::texts), case.get("healthy").and_then(Json::flags)) else {
        return unknown("the records or their health");
    };
    if names.len() != healthy.len() || case.get("policy").is_some_and(|policy| policy.text() != Some("multivalue")) {
        return unknown("another policy, or the health of other records");
    }
    let mut answer = multivalue(&healthy, &mut stream(1, 0, "vectors"));
    answer.sort_unstable();
    let answer: Vec<&str> = answer.into_iter().map(|record| names[record]).collect();
    same("answer", Some(answer), expected.get("answer").unwrap_or(expected).texts())
}

/// The thresholds as they show when checks come in, the interval, and what follows from them; or what a check or the checkers conclude.
pub fn dns_health(row: &Row) -> Judged {
    if !row.is_from("route 53") {
        return unknown("another product's checks");
    }
    row.shape(&[], &["failure_threshold", "interval_s", "checks", "checkers", "healthy_checkers"])?;
    let threshold = count(&row.input, "failure_threshold", defaults::route53::FAILURE_THRESHOLD)?;
    let interval = seconds(&row.input, "interval_s", defaults::route53::INTERVAL)?;
    let mut check = HealthCheck::new(threshold);
    if let Some(checks) = row.input.get("checks").and_then(Json::texts) {
        let state = |passed: &str| {
            check.concludes(passed == "pass");
            if check.is_healthy() { "healthy" } else { "unhealthy" }
        };
        let states: Vec<&str> = checks.into_iter().map(state).collect();
        return same("states", Some(states), row.expected.get("states").and_then(Json::texts));
    }
    if let (Some(checkers), Some(healthy)) =
        (row.input.get("checkers").and_then(Json::count), row.input.get("healthy_checkers").and_then(Json::count))
    {
        return same("healthy", Some(is_healthy_to_most(healthy, checkers)), row.expected.get("healthy").and_then(Json::flag));
    }
    let mut until = |passed: bool| (1..1000).find(|_| check.concludes(passed).is_some());
    let (failures, passes) = (until(false), until(true));
    let Some(expected) = row.expected.map().filter(|entries| !entries.is_empty()) else { return unknown("what is expected") };
    for (key, value) in expected {
        let got = match key.as_str() {
            "interval_s" => Some(interval.as_secs_f64()),
            "failure_threshold" => failures.map(f64::from),
            "recovery_threshold" => passes.map(f64::from),
            // A fault strikes just before a check, or just after.
            "detection_s" => {
                let range = failures.map(|failures| [failures - 1, failures].map(|n| f64::from(n) * interval.as_secs_f64()).to_vec());
                same(key, range, value.numbers())?;
                continue;
            }
            other => return unknown(format!("`{other}` is expected")),
        };
        same(key, got, value.number())?;
    }
    Ok(())
}
