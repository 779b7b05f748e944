//! Cases of AWS load balancers, and of HAProxy's intervals between checks.

use crate::balancing::run;
use crate::json::Json;
use crate::kubernetes::{count, flag};
use crate::{Judged, Row, Trouble, same, unknown};
use lbsim::control::check_interval::{self, Intervals};
use lbsim::control::cross_zone::{Zone, share_per_target};
use lbsim::control::defaults;
use lbsim::control::target_group::{Group, Minimum, Pool, Target, Thresholds, dns_zones, group_shares, pick_group};
use lbsim::rng::{Rng, stream};
use lbsim::units::{Share, Span};

/// The state of a target after some checks: of one that is new, or that was healthy or unhealthy before.
pub fn health_check(row: &Row) -> Judged {
    if !row.is_from("alb") {
        return unknown("another product's first check");
    }
    const BEFORE: [&str; 3] = ["new_target_checks", "healthy_target_checks", "unhealthy_target_checks"];
    let Some(before) = BEFORE.into_iter().find(|key| row.input.get(key).is_some()) else { return unknown("no checks in the input") };
    row.shape(&[before], &["healthy_threshold", "unhealthy_threshold"])?;
    let default = Thresholds::default();
    let thresholds = Thresholds {
        healthy: count(&row.input, "healthy_threshold", default.healthy)?,
        unhealthy: count(&row.input, "unhealthy_threshold", default.unhealthy)?,
        ..default
    };
    let Some(checks) = row.input.get(before).and_then(Json::list) else { return unknown("the checks are no list") };
    let mut target = Target::default();
    target.register();
    let passes = if before == BEFORE[1] { thresholds.first } else { 0 };
    let fails = if before == BEFORE[2] { thresholds.unhealthy } else { 0 };
    for _ in 0..passes + fails {
        target.concludes(passes > 0, &thresholds);
    }
    let told = |target: &Target| format!("{:?}", target.state()).to_lowercase();
    let mut states = vec![told(&target)];
    for check in checks {
        match (check.text(), check) {
            (Some("pass"), _) | (_, Json::Bool(true)) => target.concludes(true, &thresholds),
            (Some("fail"), _) | (_, Json::Bool(false)) => target.concludes(false, &thresholds),
            (_, other) => return unknown(format!("the check {other:?}")),
        };
        states.push(told(&target));
    }
    match (row.expected.get("state").and_then(Json::text), row.expected.get("states").and_then(Json::texts)) {
        (Some(state), None) => same("state", states.last().map(String::as_str), Some(state)),
        (None, Some(expected)) => same("states", states[1..].iter().map(String::as_str).collect(), expected),
        _ => unknown("no state is expected"),
    }
}

/// A minimum of healthy targets; the count stays at its default where only the percentage is set. Each may be `off`.
fn minimum(row: &Row, action: &str) -> Result<Minimum, Trouble> {
    let value = |unit: &str, default: Option<u32>| {
        let key = format!("{action}_failover_min_{unit}");
        match row.input.get(&key) {
            Some(Json::Text(text)) if text == "off" => Ok(None),
            None => Ok(default),
            Some(_) => count(&row.input, &key, 0).map(Some),
        }
    };
    let percent = value("percent", None)?;
    Ok(Minimum { count: value("count", Minimum::default().count)?, share: percent.map(|percent| Share(f64::from(percent) / 100.0)) })
}

/// Whether cross-zone is on: as the case says, or as the product does. A case of both products must say it.
fn cross_zone_of(row: &Row) -> Result<bool, Trouble> {
    match (row.is_from("alb"), row.is_from("nlb")) {
        (true, false) => flag(&row.input, "cross_zone", defaults::alb::CROSS_ZONE),
        (false, true) => flag(&row.input, "cross_zone", defaults::nlb::CROSS_ZONE),
        _ if row.input.get("cross_zone").is_none() => unknown("cross-zone is neither on nor off"),
        _ => flag(&row.input, "cross_zone", false),
    }
}

/// Where nodes fail open and which zones stay in DNS.
pub fn group_health(row: &Row) -> Judged {
    let optional =
        ["dns_failover_min_percent", "dns_failover_min_count", "routing_failover_min_percent", "routing_failover_min_count", "cross_zone"];
    row.shape(&["zones"], &optional)?;
    let Some(map) = row.input.get("zones").and_then(Json::map).filter(|map| !map.is_empty()) else {
        return unknown("the zones are no map");
    };
    let mut zones = Vec::new();
    for (name, zone) in map {
        match (zone.get("total").and_then(Json::count), zone.get("healthy").and_then(Json::count)) {
            (Some(registered), Some(healthy)) if healthy <= registered => zones.push(Pool { registered, healthy }),
            _ => return unknown(format!("the targets of zone {name}")),
        }
    }
    let group = Group { cross_zone: cross_zone_of(row)?, routing: minimum(row, "routing")?, dns: minimum(row, "dns")? };
    let Some(expected) = row.expected.map().filter(|entries| !entries.is_empty()) else { return unknown("what is expected") };
    for (key, value) in expected {
        if key == "dns_zones" {
            let names: Vec<&str> = dns_zones(&[(group, zones.clone())], zones.len()).into_iter().map(|zone| map[zone].0.as_str()).collect();
            same(key, Some(names), value.texts())?;
            continue;
        }
        let zone = key.strip_prefix("node_").and_then(|name| map.iter().position(|(known, _)| known == name));
        let (Some(zone), Some(text)) = (zone, value.text()) else { return unknown(format!("`{key}` is expected")) };
        node(&group, &zones, zone, text)?;
    }
    Ok(())
}

/// `healthy targets only (10)` or `all 10 targets, healthy or not`; the number may be missing.
fn node(group: &Group, zones: &[Pool], zone: usize, text: &str) -> Judged {
    let is_open = group.fails_open(zones, zone);
    let reach = if group.cross_zone { zones } else { &zones[zone..=zone] };
    let (says_open, targets): (bool, u32) = if text.starts_with("healthy targets only") {
        (false, reach.iter().map(|pool| pool.healthy).sum())
    } else if text.starts_with("all") && text.ends_with("healthy or not") {
        (true, reach.iter().map(|pool| pool.registered).sum())
    } else {
        return unknown(format!("`{text}` is expected"));
    };
    same(&format!("node {zone} sends to all"), is_open, says_open)?;
    let number = text.split(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty());
    number.map_or(Ok(()), |number| same("targets", Some(targets), number.parse().ok()))
}

/// A map, or a list as a map with its places as names.
fn named(json: &Json) -> Option<Vec<(String, Json)>> {
    match json {
        Json::List(list) => Some(list.iter().enumerate().map(|(i, value)| (i.to_string(), value.clone())).collect()),
        other => other.map().map(<[_]>::to_vec),
    }
}

/// Shares of the traffic by zone.
pub fn cross_zone(row: &Row) -> Judged {
    row.shape(&["targets_per_zone"], &["client_share_per_zone", "cross_zone"])?;
    let Some(map) = row.input.get("targets_per_zone").and_then(named).filter(|map| !map.is_empty()) else {
        return unknown("the targets are neither a map nor a list");
    };
    let even = 100.0 / map.len() as f64;
    let clients = match row.input.get("client_share_per_zone") {
        None => Some(vec![even; map.len()]),
        Some(Json::Map(shares)) => map.iter().map(|(name, _)| shares.iter().find(|(zone, _)| zone == name)?.1.number()).collect(),
        Some(list) => list.numbers(),
    };
    let targets: Option<Vec<u32>> = map.iter().map(|(_, targets)| targets.count()).collect();
    let (Some(clients), Some(targets)) = (clients.filter(|clients| clients.len() == map.len()), targets) else {
        return unknown("the clients' shares or the numbers of targets");
    };
    let zones: Vec<Zone> =
        targets.iter().zip(&clients).map(|(&targets, share)| Zone { targets, client_share: share / clients.iter().sum::<f64>() }).collect();
    let shares = share_per_target(&zones, cross_zone_of(row)?);
    let Some(expected) = row.expected.map().filter(|entries| !entries.is_empty()) else { return unknown("what is expected") };
    for (key, values) in expected {
        let is_of_zone = match key.as_str() {
            "percent_per_target" => false,
            "percent_per_zone" => true,
            other => return unknown(format!("`{other}` is expected")),
        };
        let Some(values) = named(values) else { return unknown(format!("`{key}` is neither a map nor a list")) };
        for (name, value) in values {
            let (Some(zone), Some(value)) = (map.iter().position(|(known, _)| *known == name), value.number()) else {
                return unknown(format!("the share of zone {name}"));
            };
            let times = if is_of_zone { f64::from(targets[zone]) } else { 1.0 };
            row.close(&format!("{key} in {name}"), 100.0 * shares[zone] * times, value)?;
        }
    }
    Ok(())
}

/// Compares shares with what is expected, and what is drawn with the shares: within five standard deviations, confidence 0.9999994.
pub fn judge_shares(row: &Row, shares: &[f64], expected: &Json, mut draw: impl FnMut(&mut Rng) -> Option<usize>) -> Judged {
    let Some(expected) = expected.get("shares").and_then(numbers_of) else { return unknown("no shares are expected") };
    same("number of shares", shares.len(), expected.len())?;
    for (got, expected) in shares.iter().zip(&expected) {
        row.close("share", *got, *expected)?;
    }
    const N: u32 = 20_000;
    let mut rng = stream(1, 0, "vectors");
    let mut counts = vec![0u32; shares.len()];
    for _ in 0..N {
        match draw(&mut rng) {
            Some(choice) => counts[choice] += 1,
            None => return same("a choice", expected.iter().all(|&share| share == 0.0), true),
        }
    }
    for (&count, share) in counts.iter().zip(expected) {
        let deviation = (f64::from(N) * share * (1.0 - share)).max(0.0).sqrt();
        if (f64::from(count) - f64::from(N) * share).abs() > 5.0 * deviation + 1e-6 {
            return Err(Trouble::Wrong(format!("{count} of {N} draws, expected a share of {share}")));
        }
    }
    Ok(())
}

/// The numbers of a list, or of a map in its order.
fn numbers_of(json: &Json) -> Option<Vec<f64>> {
    named(json)?.iter().map(|(_, value)| value.number()).collect()
}

/// Counts of a list, or of a map in its order.
pub fn counts_of(json: &Json) -> Option<Vec<u32>> {
    named(json)?.iter().map(|(_, value)| value.count()).collect()
}

/// The groups of a weighted forward action.
pub fn weighted_groups(row: &Row) -> Judged {
    row.shape(&["weights"], &["healthy", "stickiness_s", "requests_of_one_client"])?;
    let Some(weights) = row.input.get("weights").and_then(counts_of) else { return unknown("the weights are no counts") };
    if row.input.get("stickiness_s").is_some() {
        return sticky_groups(row, &weights);
    }
    // Health changes no share, as long as it is said of each group.
    if row.input.get("healthy").is_some_and(|list| list.flags().is_none_or(|flags| flags.len() != weights.len())) {
        return unknown("the health of the groups");
    }
    judge_shares(row, &group_shares(&weights), &row.expected, |rng| pick_group(&weights, rng))
}

/// How many groups a client meets that keeps its cookie: one request a second through a load balancer.
fn sticky_groups(row: &Row, weights: &[u32]) -> Judged {
    let requests = count(&row.input, "requests_of_one_client", 1)?;
    let (Some(ttl), Some(expected)) = (row.input.get("stickiness_s").and_then(Json::count), row.expected.get("groups_used")) else {
        return unknown("how long it sticks, or what is expected");
    };
    let list = |text: &dyn Fn(usize, u32) -> String| {
        let each: Vec<String> = weights.iter().enumerate().map(|(i, &weight)| text(i, weight)).collect();
        each.join(", ")
    };
    let record = run(&format!(
        "duration: {requests}500ms\n\
         clients: [{{ name: c, population: 1, arrivals: {{ deterministic: {{ rate: 1/s }} }}, requests: [{{ work: {{ constant: 1ms }} }}] }}]\n\
         servers: [{}]\naws:\n  target_groups: [{}]\n  \
         load_balancers: [{{ name: lb, type: application, listeners: [{{ rules: [{{ forward: {{ {} }}, sticky: {ttl}s }}], respond: 404 }}] }}]\n",
        list(&|i, _| format!("{{ name: s{i} }}")),
        list(&|i, _| format!("{{ name: g{i}, targets: [s{i}] }}")),
        list(&|i, weight| format!("g{i}: {weight}")),
    ));
    let used = record.servers.iter().filter(|server| server.attempts > 0).count();
    same("groups used", Some(used as u32), expected.count())
}

/// The cookies of application-based stickiness.
pub fn app_cookie(row: &Row) -> Judged {
    row.shape(&["app_cookie_sizes_kib"], &[])?;
    let sizes = row.input.get("app_cookie_sizes_kib").and_then(Json::numbers);
    let (Some(sizes), Some(expected)) = (sizes, row.expected.get("client_cookies").and_then(Json::list)) else {
        return unknown("the sizes or the cookies");
    };
    let cookies = sizes.iter().map(|kib| lbsim::control::app_cookie::names((kib * 1024.0).ceil() as u32));
    let cookies: Vec<Json> =
        cookies.map(|names| names.map_or(Json::Null, |names| Json::List(names.into_iter().map(Json::Text).collect()))).collect();
    same("cookies", &cookies[..], expected)
}

/// HAProxy's intervals in each state.
pub fn check_interval(row: &Row) -> Judged {
    use check_interval::Standing;
    if !row.is_from("haproxy") {
        return unknown("another product's intervals");
    }
    row.shape(&[], &["inter_ms", "fastinter_ms", "downinter_ms", "states", "state"])?;
    let span = |key: &str| match row.input.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(value) => {
            value.number().map_or_else(|| unknown(format!("`{key}` is not a number")), |ms| Ok(Some(Span::from_secs_f64(ms / 1000.0))))
        }
    };
    let inter = span("inter_ms")?.unwrap_or(Intervals::default().inter);
    let intervals = Intervals { inter, fast: span("fastinter_ms")?, down: span("downinter_ms")? };
    let one = row.input.get("state").and_then(Json::text).map(|state| vec![state]);
    let Some(states) = row.input.get("states").and_then(Json::texts).or(one) else { return unknown("the states are no texts") };
    let mut got = Vec::new();
    for state in states {
        let standing = match state.to_lowercase().as_str() {
            // The document's words: "Transitionally UP (going down `fall`)".
            state if state.contains("going down") => Standing::GoingDown,
            state if state.contains("going up") => Standing::GoingUp,
            state if state.contains("unchecked") => Standing::Unchecked,
            state if state.split_whitespace().next() == Some("up") => Standing::Up,
            state if state.split_whitespace().next() == Some("down") => Standing::Down,
            other => return unknown(format!("the state `{other}`")),
        };
        got.push(intervals.in_state(standing).as_millis_f64());
    }
    let expected = row.expected.get("interval_ms");
    match expected.and_then(|expected| expected.numbers().or(expected.number().map(|one| vec![one]))) {
        Some(expected) => same("intervals", got, expected),
        None => unknown("no intervals are expected"),
    }
}
