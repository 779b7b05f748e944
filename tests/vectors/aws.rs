//! Cases of AWS load balancers and Route 53, of slow start by product, and of HAProxy's intervals between checks.

use crate::json::Json;
use crate::kubernetes::{count, flag, seconds};
use crate::{Judged, Row, Trouble, same, unknown};
use lbsim::control::check_interval::{self, Intervals};
use lbsim::control::cross_zone::{Zone, share_per_target};
use lbsim::control::defaults;
use lbsim::control::dns::{Failover, HealthCheck, Weighted, alias_is_healthy, failover, multivalue, weighted, weighted_shares};
use lbsim::control::slow_start::{Peer, Shape, alb_enters};
use lbsim::control::target_group::{Group, Minimum, Pool, Target, Thresholds, dns_zones, group_shares, pick_group};
use lbsim::policy::TargetId;
use lbsim::policy::edf::Schedule;
use lbsim::rng::{Rng, stream};
use lbsim::units::{Share, Span};

/// A target's state after some checks.
pub fn health_check(row: &Row) -> Judged {
    if !row.is_from("alb") {
        return unknown("another product's first check");
    }
    row.shape(&["new_target_checks"], &["healthy_threshold", "unhealthy_threshold"])?;
    let default = Thresholds::default();
    let thresholds = Thresholds {
        healthy: count(&row.input, "healthy_threshold", default.healthy)?,
        unhealthy: count(&row.input, "unhealthy_threshold", default.unhealthy)?,
        ..default
    };
    let Some(checks) = row.input.get("new_target_checks").and_then(Json::texts) else { return unknown("the checks are no list of texts") };
    let mut target = Target::default();
    target.register();
    let mut states = Vec::new();
    for check in checks {
        match check {
            "pass" => target.concludes(true, &thresholds),
            "fail" => target.concludes(false, &thresholds),
            other => return unknown(format!("the check `{other}`")),
        };
        states.push(format!("{:?}", target.state()).to_lowercase());
    }
    match (row.expected.get("state").and_then(Json::text), row.expected.get("states").and_then(Json::texts)) {
        (Some(state), None) => same("state", states.last().map(String::as_str), Some(state)),
        (None, Some(expected)) => same("states", states.iter().map(String::as_str).collect(), expected),
        _ => unknown("no state is expected"),
    }
}

/// A minimum of healthy targets; the count stays at its default where only the percentage is set.
fn minimum(row: &Row, action: &str) -> Result<Minimum, Trouble> {
    let key = |unit: &str| format!("{action}_failover_min_{unit}");
    let default = Minimum::default();
    let percent = row.input.get(&key("percent")).map(|_| count(&row.input, &key("percent"), 0)).transpose()?;
    let share = percent.map(|percent| Share(f64::from(percent) / 100.0));
    Ok(Minimum { count: Some(count(&row.input, &key("count"), default.count.unwrap_or(1))?), share })
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
    // On at an ALB, off at an NLB; a row of both must say it.
    let Some(Json::Bool(cross_zone)) = row.input.get("cross_zone") else { return unknown("cross-zone is neither on nor off") };
    let group = Group { cross_zone: *cross_zone, routing: minimum(row, "routing")?, dns: minimum(row, "dns")? };
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

/// Shares of the traffic by zone.
pub fn cross_zone(row: &Row) -> Judged {
    row.shape(&["targets_per_zone", "cross_zone"], &["client_share_per_zone"])?;
    let Some(map) = row.input.get("targets_per_zone").and_then(Json::map).filter(|map| !map.is_empty()) else {
        return unknown("the targets are no map");
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
    let shares = share_per_target(&zones, flag(&row.input, "cross_zone", true)?);
    let Some(Json::Map(expected)) = row.expected.get("percent_per_target").filter(|_| row.expected.keys().len() == 1) else {
        return unknown("what is expected");
    };
    for (name, value) in expected {
        let (Some(zone), Some(value)) = (map.iter().position(|(known, _)| known == name), value.number()) else {
            return unknown(format!("the share of zone {name}"));
        };
        row.close(&format!("percent of a target in {name}"), 100.0 * shares[zone], value)?;
    }
    Ok(())
}

/// Compares shares with what is expected, and what is drawn with the shares: within five standard deviations, confidence 0.9999994.
fn judge_shares(row: &Row, shares: &[f64], expected: &Json, mut draw: impl FnMut(&mut Rng) -> Option<usize>) -> Judged {
    let Some(expected) = expected.get("shares").and_then(Json::numbers) else { return unknown("no shares are expected") };
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

/// The groups of a weighted forward action.
pub fn weighted_groups(row: &Row) -> Judged {
    row.shape(&["weights"], &[])?;
    let Some(weights) = row.input.get("weights").and_then(Json::counts) else { return unknown("the weights are no list of counts") };
    judge_shares(row, &group_shares(&weights), &row.expected, |rng| pick_group(&weights, rng))
}

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
        let health = |key: &str| match case.get(key).and_then(Json::text) {
            Some("healthy" | "no health check") => Ok(true),
            Some("unhealthy") => Ok(false),
            other => unknown(format!("the {key} is {other:?}")),
        };
        let answer = match failover(health("primary")?, health("secondary")?) {
            Failover::Primary => "primary",
            Failover::Secondary => "secondary",
        };
        let expected = expected.get("answer").unwrap_or(expected);
        expected.text().map_or_else(|| unknown("no answer is expected"), |expected| same("answer", answer, expected))
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
    let Some(weights) = case.get("weights").and_then(Json::counts) else { return unknown("the weights are no list of counts") };
    let healthy = match case.get("healthy") {
        None => vec![true; weights.len()],
        Some(list) => match list.list().map(|list| list.iter().map(|item| *item == Json::Bool(true)).collect::<Vec<_>>()) {
            Some(healthy) if healthy.len() == weights.len() => healthy,
            _ => return unknown("the health of the records"),
        },
    };
    let records: Vec<Weighted> = weights.iter().zip(healthy).map(|(&weight, is_healthy)| Weighted { weight, is_healthy }).collect();
    judge_shares(row, &weighted_shares(&records), expected, |rng| weighted(&records, rng))
}

/// The thresholds as they show when checks come in, and the interval.
pub fn dns_health(row: &Row) -> Judged {
    if !row.is_from("route 53") {
        return unknown("another product's checks");
    }
    row.shape(&[], &["failure_threshold", "interval_s"])?;
    let threshold = count(&row.input, "failure_threshold", defaults::route53::FAILURE_THRESHOLD)?;
    let interval = seconds(&row.input, "interval_s", defaults::route53::INTERVAL)?;
    let mut check = HealthCheck::new(threshold);
    let mut until = |passed: bool| (1..1000).find(|_| check.concludes(passed).is_some());
    let (failures, passes) = (until(false), until(true));
    let Some(expected) = row.expected.map().filter(|entries| !entries.is_empty()) else { return unknown("what is expected") };
    for (key, value) in expected {
        let got = match key.as_str() {
            "interval_s" => Some(interval.as_secs_f64()),
            "failure_threshold" => failures.map(f64::from),
            "recovery_threshold" => passes.map(f64::from),
            other => return unknown(format!("`{other}` is expected")),
        };
        same(key, got, value.number())?;
    }
    Ok(())
}

/// Weights of young servers, and with Envoy the turns that they get.
pub fn slow_start(row: &Row) -> Judged {
    let keys = row.input.keys();
    if row.is_from("alb") {
        alb_slow_start(row)
    } else if !row.is_from("envoy") {
        unknown("another product's slow start")
    } else if keys.contains(&"cases") {
        row.shape(&["cases"], &[])?;
        let (Some(cases), Some(expected)) = (row.input.get("cases").and_then(Json::list), row.expected.numbers()) else {
            return unknown("the cases or the factors");
        };
        same("number of cases", cases.len(), expected.len())?;
        cases.iter().zip(expected).try_for_each(|(case, expected)| {
            let window = seconds(case, "window", Span::ZERO)?;
            row.close("factor", envoy(case)?.factor(seconds(case, "age", window)?, window), expected)
        })
    } else {
        envoy_turns(row)
    }
}

fn envoy(input: &Json) -> Result<Shape, Trouble> {
    let number = |key: &str, default: f64| match input.get(key) {
        None => Ok(default),
        Some(value) => value.number().map_or_else(|| unknown(format!("`{key}` is not a number")), Ok),
    };
    let share_min = number("min_weight_percent", 100.0 * defaults::slow_start::ENVOY_SHARE_MIN)? / 100.0;
    Ok(Shape::Envoy { aggression: number("aggression", defaults::slow_start::ENVOY_AGGRESSION)?, share_min })
}

fn envoy_turns(row: &Row) -> Judged {
    row.shape(&["window_s", "host_ages_s"], &["aggression", "weights", "picks", "min_weight_percent"])?;
    let window = seconds(&row.input, "window_s", Span::ZERO)?;
    let shape = envoy(&row.input)?;
    let Some(ages) = row.input.get("host_ages_s").and_then(Json::list) else { return unknown("the ages are no list") };
    let mut factors = Vec::new();
    for age in ages {
        factors.push(match age {
            Json::Text(text) if text == "full" => 1.0,
            Json::Number(age) => shape.factor(Span::from_secs_f64(*age), window),
            _ => return unknown("an age is neither a number nor `full`"),
        });
    }
    let weights = row.input.get("weights").map_or(Some(vec![1.0; ages.len()]), Json::numbers);
    let Some(weights) = weights.filter(|weights| weights.len() == factors.len()) else { return unknown("the weights do not fit") };
    let weight = |target: TargetId| weights[target as usize] * factors[target as usize];
    let Some(expected) = row.expected.map().filter(|entries| !entries.is_empty()) else { return unknown("what is expected") };
    for (key, value) in expected {
        match key.as_str() {
            "factors" => match value.numbers() {
                Some(expected) if expected.len() == factors.len() => {
                    factors.iter().zip(expected).try_for_each(|(got, expected)| row.close("factor", *got, expected))?;
                }
                _ => return unknown("the factors do not fit"),
            },
            // Of the one host that is in slow start.
            "factor" => {
                let young: Vec<f64> = factors.iter().copied().filter(|factor| *factor < 1.0).collect();
                match (young.as_slice(), value.number()) {
                    ([factor], Some(expected)) => row.close("factor", *factor, expected)?,
                    _ => return unknown("which host's factor is expected"),
                }
            }
            "sequence" => {
                let Some(expected) = value.counts() else { return unknown("the sequence is no list of hosts") };
                let mut schedule = Schedule::new((0..ages.len() as TargetId).map(|target| (target, weight(target))));
                let picks = count(&row.input, "picks", expected.len() as u32)?;
                let turns: Vec<u32> = (0..picks).filter_map(|_| schedule.next(weight)).collect();
                same("sequence", turns, expected)?;
            }
            other => return unknown(format!("`{other}` is expected")),
        }
    }
    Ok(())
}

/// How many targets enter slow start at each event: those registered in one operation turn healthy together.
fn alb_slow_start(row: &Row) -> Judged {
    row.shape(&["slow_start_s", "events"], &[])?;
    let events = row.input.get("events").and_then(Json::texts);
    let (Some(events), Some(expected)) = (events, row.expected.get("in_slow_start").and_then(Json::counts)) else {
        return unknown("the events or how many are in slow start");
    };
    let mut peers: Vec<Peer> = Vec::new();
    let mut entered = Vec::new();
    for event in events {
        let Some(n) = registered(event) else { return unknown(format!("the event `{event}`")) };
        // Later means after those before have warmed up.
        peers.iter_mut().for_each(|peer| peer.is_slow = false);
        let is_slow = alb_enters(&peers);
        peers.extend(std::iter::repeat_n(Peer { is_healthy: true, is_slow }, n));
        entered.push(if is_slow { n as u32 } else { 0 });
    }
    same("in slow start", entered, expected)
}

/// How many targets `three targets registered at once ...` or `a fourth target registered later` brings.
fn registered(event: &str) -> Option<usize> {
    const WORDS: [&str; 10] = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    let (before, after) = event.split_once(" registered ")?;
    let is_known = ["at once in an empty group", "at once", "later"].contains(&after);
    let mut words = before.split(' ');
    let first = words.next()?;
    let n = match first {
        "a" | "an" => 1,
        word => WORDS.iter().position(|known| *known == word).map(|i| i + 1).or(word.parse().ok())?,
    };
    (is_known && before.contains("target")).then_some(n)
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
    row.shape(&["states"], &["inter_ms", "fastinter_ms", "downinter_ms"])?;
    let span = |key: &str| match row.input.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(value) => {
            value.number().map_or_else(|| unknown(format!("`{key}` is not a number")), |ms| Ok(Some(Span::from_secs_f64(ms / 1000.0))))
        }
    };
    let inter = span("inter_ms")?.unwrap_or(Intervals::default().inter);
    let intervals = Intervals { inter, fast: span("fastinter_ms")?, down: span("downinter_ms")? };
    let Some(states) = row.input.get("states").and_then(Json::texts) else { return unknown("the states are no list of texts") };
    let mut got = Vec::new();
    for state in states {
        let standing = match state.to_lowercase().as_str() {
            "up 100 %" | "up 100%" | "up" => Standing::Up,
            "going down" => Standing::GoingDown,
            "going up" => Standing::GoingUp,
            "yet unchecked" | "unchecked" => Standing::Unchecked,
            "down 100 %" | "down 100%" | "down" => Standing::Down,
            other => return unknown(format!("the state `{other}`")),
        };
        got.push(intervals.in_state(standing).as_millis_f64());
    }
    match row.expected.get("interval_ms").and_then(Json::numbers) {
        Some(expected) => same("intervals", got, expected),
        None => unknown("no intervals are expected"),
    }
}
