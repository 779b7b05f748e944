//! Cases of what a balancer does around its algorithm: panic, stickiness, and limits of connections.

use crate::json::Json;
use crate::kubernetes::seconds;
use crate::{Judged, Row, Trouble, same, unknown};
use lbsim::compile::compile;
use lbsim::error::Source;
use lbsim::input::Inputs;
use lbsim::measure::RunRecord;
use lbsim::model::balancer::{Balancer, Parts};
use lbsim::model::link::Link;
use lbsim::model::plan::{BalancerPlan, Plan, RoutingPlan, StickyPlan, TargetRef, WaysPlan};
use lbsim::model::sticky::Holder;
use lbsim::policy::{Algorithm, Pick, Request, TargetId, Targets};
use lbsim::rng::stream;
use lbsim::scenario::variants::read;
use lbsim::scenario::{Amount, SetWith, WhenNone};
use lbsim::sim::Calendar;
use lbsim::units::{Share, Span, Time};
use std::net::{IpAddr, Ipv4Addr};

/// A balancer of alike servers.
fn balancer(servers: usize, algorithm: Algorithm, when_none: WhenNone, sticky: Option<StickyPlan>) -> Balancer {
    let no_delay = lbsim::dist::Distribution::Constant(Span::ZERO).sampler(None);
    let plan = BalancerPlan {
        name: "lb".to_owned(),
        targets: (0..servers as u32).map(TargetRef::Server).collect(),
        algorithm,
        check: None,
        when_none,
        sticky,
        retry: None,
        connect_timeout: None,
        timeout: None,
        latency: no_delay.clone(),
        weight: 1,
        routing: RoutingPlan::default(),
        ways: WaysPlan::default(),
    };
    let (routing, passes_on) = (stream(1, 0, "vectors"), vec![true; servers]);
    let link = Link::new(&no_delay, routing.clone(), &mut Calendar::<()>::new());
    Balancer::new(
        &plan,
        Parts { targets: Targets::alike(servers), routing, retries: None, timeout: None, link, passes_on, is_watched: false },
    )
}

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn choose(balancer: &mut Balancer, user: Option<u64>, tried: &[u32]) -> Option<TargetId> {
    let request = Request { now: Time::ZERO, address: ADDRESS, session: user.unwrap_or(0), path: "/" };
    if let Some(target) = balancer.bound_to(Holder { user, address: ADDRESS }, request.now, tried) {
        return Some(target);
    }
    match balancer.choose(&request, tried) {
        Pick::Target(target) => Some(target),
        Pick::Wait | Pick::Nobody => None,
    }
}

/// Below the threshold health is ignored; at it, and with a threshold of 0, it is not.
pub fn panic_threshold(row: &Row) -> Judged {
    if !row.is_from("envoy") {
        return unknown("another product's rule of panic");
    }
    row.shape(&["hosts", "threshold_percent"], &["healthy", "phases"])?;
    let (Some(hosts), Some(percent)) =
        (row.input.get("hosts").and_then(Json::count), row.input.get("threshold_percent").and_then(Json::number))
    else {
        return unknown("hosts and threshold are not numbers");
    };
    let mut balancer = balancer(hosts as usize, Algorithm::default(), WhenNone::Panic(Amount::Share(Share(percent / 100.0)).into()), None);
    if let Some(healthy) = row.input.get("healthy").and_then(Json::count) {
        (0..hosts).for_each(|host| balancer.set_healthy(host, host < healthy));
        let expected = match row.expected.get("pick") {
            Some(Json::Null) => None,
            Some(pick) => Some(pick.count()),
            None => return unknown("no single pick is expected"),
        };
        return same("pick", choose(&mut balancer, None, &[]).map(Some), expected);
    }
    let (Some(phases), Some(expected)) = (row.input.get("phases").and_then(Json::list), row.expected.list()) else {
        return unknown("no phases");
    };
    for (phase, expected) in phases.iter().zip(expected) {
        panic_phase(&mut balancer, hosts, phase, expected)?;
    }
    same("number of phases", phases.len(), expected.len())
}

fn panic_phase(balancer: &mut Balancer, hosts: u32, phase: &Json, expected: &Json) -> Judged {
    let healthy = phase.get("healthy").and_then(Json::counts);
    let (Some(healthy), Some(picks)) = (healthy, phase.get("picks").and_then(Json::count)) else { return unknown("the phase's shape") };
    (0..hosts).for_each(|host| balancer.set_healthy(host, healthy.contains(&host)));
    let picks: Vec<u32> = (0..picks).filter_map(|_| choose(balancer, None, &[])).collect();
    let follows = |pair: &[u32]| pair[1] == (pair[0] + 1) % hosts;
    let are_healthy = picks.iter().all(|pick| healthy.contains(pick));
    let is_right = match expected.get("picks_from").and_then(Json::text) {
        Some(text) if text.starts_with("all") && text.ends_with("in order") => picks.windows(2).all(follows) && !are_healthy,
        Some("healthy hosts only") => are_healthy,
        _ => return unknown("what is expected of the phase"),
    };
    if is_right && !picks.is_empty() { Ok(()) } else { Err(Trouble::Wrong(format!("picks {picks:?} with {healthy:?} healthy"))) }
}

pub fn stickiness(row: &Row) -> Judged {
    let keys = row.input.keys();
    if row.is_from("kube-proxy") {
        return client_address(row);
    }
    if row.is_from("alb") {
        return target_gone(row);
    }
    match () {
        () if keys.contains(&"phases") => drained(row),
        () if keys.contains(&"alternating") => fenced(row),
        () if keys.contains(&"request_cookie") => unknown_cookie(row),
        () if !row.is_from("nginx") => unknown("another product's cookies"),
        () if keys.contains(&"sticky_to") => sticky_retry(row),
        () => empty_route(row),
    }
}

/// Servers by turns with cookies; those marked ` (drain)` or ` (draining)` have the weight 0.
fn draining(row: &Row) -> Result<(Vec<&str>, Balancer), Trouble> {
    let Some(written) = row.input.get("servers").and_then(Json::texts) else { return unknown("the servers' shape") };
    let (mut names, mut weights) = (Vec::new(), Vec::new());
    for (number, text) in written.iter().enumerate() {
        let (name, mark) = text.split_once(" (").unwrap_or((text, ""));
        match mark.trim_end_matches(')') {
            "" => {}
            "drain" | "draining" | "fenced" => weights.push((number as TargetId, 0)),
            _ => return unknown(format!("what is meant by `{text}`")),
        }
        names.push(name);
    }
    let plan = StickyPlan::Cookie { ttl: None, set_with: SetWith::Answer };
    let mut balancer = balancer(names.len(), Algorithm::default(), WhenNone::Fail, Some(plan));
    balancer.set_weights(&weights, &Algorithm::default());
    Ok((names, balancer))
}

/// Binds a user whose cookie names a server.
fn bind(balancer: &mut Balancer, names: &[&str], user: u64, route: &str) -> Result<(), Trouble> {
    let Some(target) = names.iter().position(|name| *name == route) else { return unknown(format!("the server `{route}`")) };
    if let Some(sticky) = &mut balancer.sticky {
        sticky.answered(Holder { user: Some(user), address: ADDRESS }, target as TargetId, Time::ZERO);
    }
    Ok(())
}

/// Phases of requests with a route or none.
fn drained(row: &Row) -> Judged {
    row.shape(&["servers", "phases"], &[])?;
    let (names, mut balancer) = draining(row)?;
    let mut served = Vec::new();
    for (number, phase) in row.input.get("phases").and_then(Json::list).unwrap_or_default().iter().enumerate() {
        let Some(requests) = phase.get("requests").and_then(Json::count) else { return unknown("the phase's shape") };
        let user = match phase.get("route").and_then(Json::text) {
            Some(route) => {
                bind(&mut balancer, &names, number as u64, route)?;
                Some(number as u64)
            }
            None => None,
        };
        served.push((0..requests).filter_map(|_| choose(&mut balancer, user, &[])).map(|pick| names[pick as usize]).collect::<Vec<_>>());
    }
    let expected: Option<Vec<Vec<&str>>> = row.expected.list().unwrap_or_default().iter().map(Json::texts).collect();
    same("servers", Some(served), expected)
}

/// A bound user and a new one by turns.
fn fenced(row: &Row) -> Judged {
    row.shape(&["servers", "alternating", "rounds"], &[])?;
    let (names, mut balancer) = draining(row)?;
    let alternating = row.input.get("alternating");
    let route = alternating.and_then(|both| both.get("sticky_to")).and_then(Json::text);
    let is_new = alternating.and_then(|both| both.get("new")) == Some(&Json::Bool(true));
    let (Some(route), true, Some(rounds)) = (route, is_new, row.input.get("rounds").and_then(Json::count)) else {
        return unknown("who comes by turns");
    };
    bind(&mut balancer, &names, 1, route)?;
    let mut counts = vec![0; names.len()];
    for user in (0..rounds).flat_map(|_| [Some(1), None]) {
        if let Some(pick) = choose(&mut balancer, user, &[]) {
            counts[pick as usize] += 1;
        }
    }
    let Some(expected) = row.expected.get("counts").and_then(Json::map) else { return unknown("what is expected") };
    for (name, count) in expected {
        let Some(number) = names.iter().position(|known| known == name) else { return unknown(format!("the server `{name}`")) };
        same(name, Some(counts[number]), count.count())?;
    }
    Ok(())
}

/// A cookie that names no server is that of a new user, and is replaced. Servers of lbsim see no cookies at all.
fn unknown_cookie(row: &Row) -> Judged {
    row.shape(&["servers", "request_cookie", "mode"], &[])?;
    let Some(map) = row.input.get("servers").and_then(Json::map) else { return unknown("the servers' shape") };
    let cookies: Option<Vec<(&str, &str)>> =
        map.iter().map(|(name, text)| Some((name.as_str(), text.text()?.strip_prefix("cookie value ")?))).collect();
    let (Some(cookies), Some(given)) = (cookies, row.input.get("request_cookie").and_then(Json::text)) else {
        return unknown("the cookies' shape");
    };
    let given = given.split(" (").next().unwrap_or_default();
    if row.expected.get("cookie_seen_by_server").is_some_and(|seen| *seen != Json::Null) {
        return unknown("a cookie that is shown to the server");
    }
    let names: Vec<&str> = cookies.iter().map(|(name, _)| *name).collect();
    let plan = StickyPlan::Cookie { ttl: None, set_with: SetWith::Answer };
    let mut balancer = balancer(names.len(), Algorithm::default(), WhenNone::Fail, Some(plan));
    if let Some((name, _)) = cookies.iter().find(|(_, cookie)| *cookie == given) {
        bind(&mut balancer, &names, 1, name)?;
    }
    let before = balancer.bound_to(Holder { user: Some(1), address: ADDRESS }, Time::ZERO, &[]);
    let Some(target) = choose(&mut balancer, Some(1), &[]) else { return unknown("nobody to send to") };
    same("server", Some(names[target as usize]), row.expected.get("server").and_then(Json::text))?;
    let set = (before != Some(target)).then(|| cookies[target as usize].1);
    same("the cookie that is set", set, row.expected.get("set_cookie").and_then(Json::text))
}

/// A cookie binds to a server; a retry goes to another one, whatever the algorithm.
fn sticky_retry(row: &Row) -> Judged {
    row.shape(&["servers", "sticky_to", "retry_on", "balancers"], &["all_answer"])?;
    let names = row.input.get("servers").and_then(Json::texts);
    let (Some(names), Some(bound)) = (names, row.input.get("sticky_to").and_then(Json::text)) else { return unknown("the servers' shape") };
    let Some(bound) = names.iter().position(|name| *name == bound) else { return unknown("sticky to no server") };
    if row.expected.get("attempts_each_server_once") != Some(&Json::Bool(true)) {
        return unknown("what is expected of the attempts");
    }
    for name in row.input.get("balancers").and_then(Json::texts).unwrap_or_default() {
        let Some(algorithm) = algorithm(name) else { return unknown(format!("the balancer `{name}`")) };
        let mut balancer =
            balancer(names.len(), algorithm, WhenNone::Fail, Some(StickyPlan::Cookie { ttl: None, set_with: SetWith::Answer }));
        let holder = Holder { user: Some(1), address: ADDRESS };
        if let Some(sticky) = &mut balancer.sticky {
            sticky.answered(holder, bound as u32, Time::ZERO);
        }
        let mut tried = Vec::new();
        for _ in &names {
            tried.extend(choose(&mut balancer, Some(1), &tried));
        }
        same("the first attempt", tried.first(), Some(&(bound as u32)))?;
        tried.sort_unstable();
        same("servers tried", tried, (0..names.len() as u32).collect())?;
    }
    Ok(())
}

/// When a client's address is known to the balancer: until the timeout after its last request.
fn client_address(row: &Row) -> Judged {
    row.shape(&["requests_at_s"], &["session_affinity", "timeout_s"])?;
    if row.input.get("session_affinity").is_some_and(|kind| kind.text() != Some("ClientIP")) {
        return unknown("another affinity");
    }
    let times = row.input.get("requests_at_s").and_then(Json::numbers);
    let (Some(times), Some(expected)) = (times, row.expected.get("bound").and_then(Json::flags)) else {
        return unknown("the times or who is bound");
    };
    let ttl = seconds(&row.input, "timeout_s", lbsim::control::defaults::kube_proxy::SESSION_AFFINITY)?;
    let mut balancer = balancer(2, Algorithm::default(), WhenNone::Fail, Some(StickyPlan::SourceIp { ttl: Some(ttl) }));
    let holder = Holder { user: None, address: ADDRESS };
    let mut bound = Vec::new();
    for at in times {
        let now = Time::ZERO + Span::from_secs_f64(at);
        bound.push(balancer.bound_to(holder, now, &[]).is_some());
        if let Some(sticky) = &mut balancer.sticky {
            sticky.answered(holder, 0, now);
        }
    }
    same("bound", bound, expected)
}

/// Where a cookie leads before and after each event; a target that comes back does not get its users back.
fn target_gone(row: &Row) -> Judged {
    row.shape(&["targets", "sticky_to", "events"], &[])?;
    let names = row.input.get("targets").and_then(Json::texts);
    let (Some(names), Some(events)) = (names, row.input.get("events").and_then(Json::texts)) else {
        return unknown("the targets or the events");
    };
    let number = |name: Option<&str>| {
        let found = name.and_then(|name| names.iter().position(|known| *known == name));
        found.map_or_else(|| unknown(format!("the target {name:?}")), |number| Ok(number as TargetId))
    };
    let plan = StickyPlan::Cookie { ttl: None, set_with: SetWith::Answer };
    let mut balancer = balancer(names.len(), Algorithm::default(), WhenNone::Fail, Some(plan));
    let holder = Holder { user: Some(1), address: ADDRESS };
    let bound = number(row.input.get("sticky_to").and_then(Json::text))?;
    if let Some(sticky) = &mut balancer.sticky {
        sticky.answered(holder, bound, Time::ZERO);
    }
    let mut led = Vec::new();
    for event in [None].into_iter().chain(events.into_iter().map(Some)) {
        if let Some(event) = event {
            match event.split_once(' ') {
                Some((name, "unhealthy")) => balancer.set_healthy(number(Some(name))?, false),
                Some((name, "healthy")) => balancer.set_healthy(number(Some(name))?, true),
                _ => return unknown(format!("the event `{event}`")),
            }
        }
        let Some(target) = choose(&mut balancer, Some(1), &[]) else { return unknown("nobody to send to") };
        if let Some(sticky) = &mut balancer.sticky {
            sticky.answered(holder, target, Time::ZERO);
        }
        led.push(names[target as usize]);
    }
    same("targets", Some(led), row.expected.get("server").and_then(Json::texts))
}

/// Without a route the algorithm decides.
fn empty_route(row: &Row) -> Judged {
    row.shape(&["servers", "route", "requests"], &[])?;
    let (Some(servers), Some(n)) = (row.input.get("servers").map(Json::keys), row.input.get("requests").and_then(Json::count)) else {
        return unknown("the servers' shape");
    };
    if row.input.get("route").and_then(Json::text) != Some("") {
        return unknown("a route is given");
    }
    let mut balancer =
        balancer(servers.len(), Algorithm::default(), WhenNone::Fail, Some(StickyPlan::Cookie { ttl: None, set_with: SetWith::Answer }));
    let picks: Vec<&str> = (0..n).filter_map(|_| choose(&mut balancer, None, &[])).map(|pick| servers[pick as usize]).collect();
    same("picks", Some(picks), row.expected.texts())
}

fn algorithm(name: &str) -> Option<Algorithm> {
    let ours = match name {
        "round robin" => "round_robin",
        "least_conn" => "least_connections",
        "ip_hash" => "ip_hash",
        "hash" => "session_hash",
        "hash consistent" => "consistent_hash",
        _ => return None,
    };
    Algorithm::by_name(ours)
}

/// A server of a case of limits: (name, limit, weight, backup).
type Limited<'a> = (&'a str, Option<u32>, u32, bool);

/// nginx's `max_conns`: slots without a queue, and a balancer that sends on what is refused. Backups are what `first` fills last.
pub fn max_conns(row: &Row) -> Judged {
    if !row.is_from("nginx") {
        return unknown("another product's limits");
    }
    row.shape(&["servers", "held_requests"], &["one_client", "balancers"])?;
    let (Some(map), Some(held)) = (row.input.get("servers").and_then(Json::map), row.input.get("held_requests").and_then(Json::count))
    else {
        return unknown("the servers' shape");
    };
    let servers: Vec<Limited> = map.iter().map(|(name, limits)| limited(name, limits)).collect::<Result<_, _>>()?;
    if servers.iter().any(|server| server.3) {
        return backups(&servers, held, &row.expected);
    }
    let names = row.input.get("balancers").and_then(Json::texts).unwrap_or(vec!["round robin"]);
    for name in names {
        let Some(algorithm) = algorithm(name) else { return unknown(format!("the balancer `{name}`")) };
        let has_weights = servers.iter().any(|server| server.2 != 1);
        let algorithm = if has_weights && name == "round robin" { "weighted_round_robin" } else { algorithm.name() };
        accepted(&hold(&servers, held, algorithm), &servers, &row.expected)?;
    }
    Ok(())
}

fn limited<'a>(name: &'a str, limits: &Json) -> Result<Limited<'a>, Trouble> {
    if let Some(other) = limits.keys().iter().find(|key| !["max_conns", "weight", "backup"].contains(key)) {
        return unknown(format!("`{other}` of a server"));
    }
    let limit = limits.get("max_conns").and_then(Json::count).filter(|limit| *limit > 0);
    let weight = limits.get("weight").and_then(Json::count).unwrap_or(1);
    Ok((name, limit, weight, limits.get("backup") == Some(&Json::Bool(true))))
}

/// One server and its backups: the server up to its limit, then the first backup.
fn backups(servers: &[Limited], held: u32, expected: &Json) -> Judged {
    if servers.iter().filter(|server| !server.3).count() != 1 || servers[0].3 {
        return unknown("turns among several in front of the backups");
    }
    let Some(expected) = expected.texts() else { return unknown("the expected order") };
    let record = hold(servers, held, "first");
    let order: Vec<&str> = servers.iter().zip(counts(&record)).flat_map(|((name, ..), count)| vec![*name; count as usize]).collect();
    same("picks", order, expected)
}

/// Requests that never end, one a second.
fn hold(servers: &[Limited], held: u32, algorithm: &str) -> RunRecord {
    let limit = |limit: &Option<u32>| limit.map_or("unbounded".to_owned(), |limit| limit.to_string());
    let group = |(name, slots, weight, _): &Limited| format!("{{ name: {name}, slots: {}, queue: 0, weight: {weight} }}", limit(slots));
    let names: Vec<&str> = servers.iter().map(|server| server.0).collect();
    let text = format!(
        "duration: {}ms\n\
         clients: [{{ name: c, population: 1, arrivals: {{ deterministic: {{ rate: 1/s }} }}, requests: [{{ work: {{ constant: 1h }} }}] }}]\n\
         servers: [{}]\n\
         balancers: [{{ name: lb, targets: [{}], algorithm: {algorithm}, retry: {{ max: {}, when: [refused], to: other }} }}]\n",
        held * 1000 + 900,
        servers.iter().map(group).collect::<Vec<_>>().join(", "),
        names.join(", "),
        names.len()
    );
    run(&text)
}

/// A run of a scenario.
pub fn run(text: &str) -> RunRecord {
    let study = read(Source { name: "case".to_owned(), text: text.to_owned() }, &[]).expect("the case is a scenario");
    let compiled = compile("case", &[], &study.variants[0].scenario, &Inputs::default()).expect("the case compiles");
    lbsim::model::run(Plan {
        seed: 1,
        replication: 0,
        duration: compiled.duration,
        drains: false,
        warmup: Time::ZERO,
        timeline_bin: Span::from_millis(100),
        is_pilot: false,
        topology: compiled.topology,
    })
}

/// Requests that each server holds at the end.
fn counts(record: &RunRecord) -> Vec<u32> {
    let bins = &record.timeline.server_bins;
    bins[bins.len() - record.timeline.servers..].iter().map(|bin| bin.in_system.round() as u32).collect()
}

fn accepted(record: &RunRecord, servers: &[Limited], expected: &Json) -> Judged {
    let Some(accepted) = expected.get("accepted") else { return unknown("what is expected") };
    for ((name, ..), count) in servers.iter().zip(counts(record)) {
        same(&format!("accepted by {name}"), Some(count), accepted.get(name).and_then(Json::count))?;
    }
    let rejected = expected.get("rejected").and_then(Json::count).unwrap_or(0);
    same("rejected", record.requests.failed(), rejected.into())
}
