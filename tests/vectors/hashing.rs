//! Cases of hashing: functions, modulo and rings.

use crate::bench::{Bench, judge_picks, servers};
use crate::json::Json;
use crate::{Judged, Row, Trouble, same, unknown};
use lbsim::policy::consistent_hash::{Config, Key};
use lbsim::policy::hash::{WeightWalk, crc32, xxh64};
use lbsim::policy::ring::Ring;
use lbsim::policy::{TargetId, ip_hash};
use lbsim::rng::mix64;
use std::net::IpAddr;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

pub fn ip_hash(row: &Row) -> Judged {
    if !row.is_from("nginx") {
        return unknown("the rule is nginx's");
    }
    row.shape(&["clients", "weights"], &["down"])?;
    let Some(clients) = row.input.get("clients").and_then(Json::texts) else { return unknown("the clients are not addresses") };
    let servers = servers(row.input.get("weights").unwrap_or(&Json::Null))?;
    let mut bench = Bench::new(&ip_hash::Config::default(), &servers, 1);
    take_out(row, &mut bench, &servers)?;
    let pick = |client: &str| match client.parse::<IpAddr>() {
        Ok(address) => bench.pick_for(address, "/"),
        Err(_) => unknown(format!("`{client}` is no address")),
    };
    let picks: Vec<TargetId> = clients.into_iter().map(pick).collect::<Result<_, Trouble>>()?;
    judge_picks(&picks, &servers, &row.expected)
}

/// Takes the servers out of rotation that `down` lists by name or index.
fn take_out(row: &Row, bench: &mut Bench, servers: &[(String, u32)]) -> Judged {
    let Some(down) = row.input.get("down") else { return Ok(()) };
    let Some(list) = down.list() else { return unknown("`down` is not a list") };
    let is_out = |i: usize| list.iter().any(|json| json.count() == Some(i as u32) || json.text() == Some(servers[i].0.as_str()));
    bench.set_eligible(|target| !is_out(target as usize));
    Ok(())
}

/// nginx `hash key`: bits 16 to 30 of the CRC.
fn nginx_owner(key: &str, servers: &[(String, u32)]) -> TargetId {
    let weights: Vec<u32> = servers.iter().map(|&(_, weight)| weight).collect();
    WeightWalk::new(&weights).at(u64::from((crc32(key.as_bytes()) >> 16) & 0x7fff))
}

pub fn modulo(row: &Row) -> Judged {
    if !row.is_from("nginx") {
        return unknown("the rule is nginx's");
    }
    if row.input.get("servers_before").is_some() {
        return moved_by_modulo(row);
    }
    row.shape(&["weights"], &["key", "keys", "requests"])?;
    let servers = servers(row.input.get("weights").unwrap_or(&Json::Null))?;
    let keys = match (row.input.get("key").and_then(Json::text), row.input.get("keys").and_then(Json::texts)) {
        (Some(key), None) => vec![key; row.input.get("requests").and_then(Json::count).unwrap_or(1) as usize],
        (None, Some(keys)) => keys,
        _ => return unknown("neither `key` nor `keys`"),
    };
    let picks: Vec<TargetId> = keys.into_iter().map(|key| nginx_owner(key, &servers)).collect();
    judge_picks(&picks, &servers, &row.expected)
}

fn moved_by_modulo(row: &Row) -> Judged {
    row.shape(&["keys", "servers_before", "servers_after"], &["mode"])?;
    let list = |key: &str| servers(row.input.get(key).unwrap_or(&Json::Null));
    let (before, after) = (list("servers_before")?, list("servers_after")?);
    let Some(keys) = row.input.get("keys").and_then(Json::texts) else { return unknown("the keys are not texts") };
    let moved = moved(&keys, &before, &after, nginx_owner);
    match row.expected.map() {
        Some([(name, Json::Text(text))]) if name.ends_with("that_move") && text == "at least one" => same("one moves", moved > 0, true),
        Some([(name, Json::Number(count))]) if name.ends_with("that_move") => same("moved", moved as f64, *count),
        _ => unknown("another expectation"),
    }
}

/// Keys that are on another server afterwards although theirs is still there.
fn moved(keys: &[&str], before: &[(String, u32)], after: &[(String, u32)], owner: impl Fn(&str, &[(String, u32)]) -> TargetId) -> usize {
    let name = |key: &str, servers: &[(String, u32)]| servers[owner(key, servers) as usize].0.clone();
    let survives = |server: &String| after.iter().any(|(other, _)| other == server);
    keys.iter().filter(|key| survives(&name(key, before)) && name(key, before) != name(key, after)).count()
}

/// The functions that we have; a case that lists others too is judged by these.
pub fn function(row: &Row) -> Judged {
    row.shape(&["input"], &["seed"])?;
    let bytes: Vec<u8> = match row.input.get("input").and_then(Json::text) {
        Some("the 256 bytes 0x00..0xff") => (0..=255).collect(),
        Some(text) if !text.contains(' ') => text.bytes().collect(),
        _ => return unknown("the input is described in another way"),
    };
    let seed = row.input.get("seed").map_or(Some(0), Json::count);
    let (Some(seed), Some(expected)) = (seed, row.expected.map()) else { return unknown("another expectation") };
    let mut judged = 0;
    for (name, value) in expected {
        let got = match name.as_str() {
            "crc32" => u64::from(crc32(&bytes)),
            "xxh64" => xxh64(seed.into(), &bytes),
            _ => continue,
        };
        judged += 1;
        same(name, Some(got), integer(value))?;
    }
    if judged == 0 { unknown("hash functions that no algorithm here uses") } else { Ok(()) }
}

/// A 64-bit integer, written as a decimal text or as a number; negative ones are the same bits.
fn integer(json: &Json) -> Option<u64> {
    match json {
        Json::Text(text) => text.parse::<u64>().ok().or(text.parse::<i64>().ok().map(|value| value as u64)),
        _ => json.count().map(u64::from),
    }
}

fn ketama_owner(key: &str, servers: &[(String, u32)]) -> Result<TargetId, Trouble> {
    Bench::new(&Config { key: Key::Path, ..Config::default() }, servers, 1).pick_for(HERE, key)
}

pub fn ketama(row: &Row) -> Judged {
    let keys = row.input.keys();
    if keys.contains(&"server_sets") {
        return ketama_sets(row);
    }
    if keys.contains(&"cases") {
        return ketama_moves(row);
    }
    let servers = servers(row.input.get("servers").unwrap_or(&Json::Null))?;
    if let (Some(key), Some(steps)) = (row.input.get("key").and_then(Json::text), row.input.get("steps").and_then(Json::count)) {
        row.shape(&["servers", "key", "steps"], &[])?;
        let ring = Ring::ketama(servers.iter().map(|(name, weight)| (name.as_str(), *weight)), 160);
        let walk: Vec<TargetId> = ring.walk(crc32(key.as_bytes()).into()).take(steps as usize).collect();
        return judge_picks(&walk, &servers, &row.expected);
    }
    row.shape(&["servers", "keys"], &["down"])?;
    let Some(keys) = row.input.get("keys").and_then(Json::texts) else { return unknown("the keys are not texts") };
    let mut bench = Bench::new(&Config { key: Key::Path, ..Config::default() }, &servers, 1);
    take_out(row, &mut bench, &servers)?;
    let picks: Vec<TargetId> = keys.into_iter().map(|key| bench.pick_for(HERE, key)).collect::<Result<_, Trouble>>()?;
    judge_picks(&picks, &servers, &row.expected)
}

fn ketama_sets(row: &Row) -> Judged {
    row.shape(&["server_sets", "keys"], &["weights"])?;
    if row.input.get("weights").is_some_and(|weights| weights.text() != Some("all 1")) {
        return unknown("other weights than all 1");
    }
    let (Some(sets), Some(keys)) = (row.input.get("server_sets").and_then(Json::list), row.input.get("keys").and_then(Json::texts)) else {
        return unknown("the sets are written in another way");
    };
    let Some(expected) = row.expected.list().filter(|expected| expected.len() == sets.len()) else { return unknown("another expectation") };
    for (set, expected) in sets.iter().zip(expected) {
        let servers = servers(set)?;
        let picks: Vec<TargetId> = keys.iter().map(|key| ketama_owner(key, &servers)).collect::<Result<_, Trouble>>()?;
        judge_picks(&picks, &servers, expected)?;
    }
    Ok(())
}

fn ketama_moves(row: &Row) -> Judged {
    row.shape(&["keys", "cases"], &[])?;
    let (Some(cases), Some(keys)) = (row.input.get("cases").and_then(Json::list), row.input.get("keys").and_then(Json::texts)) else {
        return unknown("the cases are written in another way");
    };
    let Some([(name, expected)]) = row.expected.map() else { return unknown("another expectation") };
    if !name.starts_with("keys_moved_that_were_not_on") {
        return unknown(format!("`{name}` is expected"));
    }
    for case in cases {
        let list = |key: &str| servers(case.get(key).unwrap_or(&Json::Null));
        let moved = moved(&keys, &list("before")?, &list("after")?, |key, servers| ketama_owner(key, servers).unwrap_or_default());
        same("moved", Some(moved as u32), expected.count())?;
    }
    Ok(())
}

/// Hosts with their shares of the whole: equal, weighted, or weighted within weighted localities.
fn hosts(row: &Row) -> Result<Vec<(String, f64)>, Trouble> {
    if let Some(localities) = row.input.get("localities").and_then(Json::list) {
        let weight = |locality: &Json| locality.get("weight").and_then(Json::number).unwrap_or(1.0);
        let total: f64 = localities.iter().map(weight).sum();
        let mut all = Vec::new();
        for locality in localities {
            let inside = servers(locality.get("hosts").unwrap_or(&Json::Null))?;
            let sum: f64 = inside.iter().map(|&(_, weight)| f64::from(weight)).sum();
            all.extend(inside.into_iter().map(|(name, host)| (name, f64::from(host) / sum * weight(locality) / total)));
        }
        return Ok(all);
    }
    let mut list = match row.input.get("hosts") {
        // Only how many is told: any names do.
        Some(Json::Number(n)) => (0..*n as u32).map(|i| (format!("127.0.0.1:{}", 90 + i), 1)).collect(),
        Some(list) => servers(list)?,
        None => return unknown("no hosts"),
    };
    match row.input.get("weights") {
        None => {}
        Some(Json::Text(text)) if text == "equal" => {}
        Some(weights) => match weights.counts().filter(|weights| weights.len() == list.len()) {
            Some(weights) => list.iter_mut().zip(weights).for_each(|(host, weight)| host.1 = weight),
            None => return unknown("the weights are written in another way"),
        },
    }
    let sum: f64 = list.iter().map(|&(_, weight)| f64::from(weight)).sum();
    Ok(list.into_iter().map(|(name, weight)| (name, f64::from(weight) / sum)).collect())
}

/// The place of a host in the list by its whole name or by its port.
fn host_at(hosts: &[(String, f64)], name: &str) -> Option<usize> {
    hosts.iter().position(|(host, _)| host == name || host.rsplit(':').next() == Some(name))
}

pub fn ring(row: &Row) -> Judged {
    row.shape(&[], &["hosts", "localities", "weights", "min_ring_size", "max_ring_size", "request_hashes"])?;
    let hosts = hosts(row)?;
    // gRPC caps its rings at 4096 entries.
    let max_ring_size = if row.is_from("gRPC") { 4096 } else { Config::default().max_ring_size };
    let defaults = Config { max_ring_size, ..Config::default() };
    let size = |key: &str, default: u64| row.input.get(key).map_or(Some(default), |json| json.count().map(u64::from));
    let (Some(size_min), Some(size_max)) = (size("min_ring_size", defaults.min_ring_size), size("max_ring_size", defaults.max_ring_size))
    else {
        return unknown("the size of the ring is not a number");
    };
    let ring = Ring::envoy(hosts.iter().map(|(name, share)| (name.as_str(), *share)), size_min, size_max);
    if let Some(table) = row.expected.list() {
        let expected: Option<Vec<(u64, u32)>> = table.iter().map(|entry| ring_entry(&hosts, entry)).collect();
        let Some(expected) = expected else { return unknown("the table is written in another way") };
        return same("ring", ring.points().collect(), expected);
    }
    let mut entries = vec![0_u32; hosts.len()];
    ring.points().for_each(|(_, owner)| entries[owner as usize] += 1);
    let Some(expected) = row.expected.map() else { return unknown("another expectation") };
    for (name, value) in expected {
        match name.as_str() {
            "ring_size" => same(name, Some(ring.len() as u32), value.count())?,
            "min_entries" => same(name, entries.iter().min().copied(), value.count())?,
            "max_entries" => same(name, entries.iter().max().copied(), value.count())?,
            "hosts_without_any_entry" => same(name, Some(entries.iter().filter(|&&count| count == 0).count() as u32), value.count())?,
            "entries" => judge_by_host(name, &hosts, &entries, value)?,
            "counts" => judge_by_host(name, &hosts, &hits(row, &ring, hosts.len())?, value)?,
            _ => return unknown(format!("`{name}` is expected")),
        }
    }
    Ok(())
}

/// A row of a ring's table: the point, and the host by name, port or index.
fn ring_entry(hosts: &[(String, f64)], entry: &Json) -> Option<(u64, TargetId)> {
    let [point, host] = entry.list()? else { return None };
    let host = match host {
        Json::Text(name) => host_at(hosts, name)? as TargetId,
        _ => host.count()?,
    };
    Some((integer(point)?, host))
}

fn judge_by_host(what: &str, hosts: &[(String, f64)], got: &[u32], expected: &Json) -> Judged {
    let Some(expected) = expected.map() else { return unknown(format!("`{what}` is written in another way")) };
    for (name, count) in expected {
        let Some(i) = host_at(hosts, name) else { return unknown(format!("`{name}` is no host")) };
        same(&format!("{what} of {name}"), Some(got[i]), count.count())?;
    }
    Ok(())
}

/// How many requests each host gets, the hashes being `i * floor((2^64-1)/N) for i in 0..M`.
fn hits(row: &Row, ring: &Ring, n: usize) -> Result<Vec<u32>, Trouble> {
    let text = row.input.get("request_hashes").and_then(Json::text).unwrap_or_default();
    let parsed = text.strip_prefix("i * floor((2^64-1)/").and_then(|rest| {
        let (divisor, range) = rest.split_once(") for i in 0..")?;
        Some((divisor.parse::<u64>().ok()?, range.trim().parse::<u64>().ok()?))
    });
    let Some((divisor, last)) = parsed.filter(|&(divisor, _)| divisor > 0) else {
        return unknown("the requests' hashes are told in another way");
    };
    let mut hits = vec![0; n];
    for i in 0..=last {
        if let Some(owner) = ring.walk((u64::MAX / divisor).wrapping_mul(i)).next() {
            hits[owner as usize] += 1;
        }
    }
    Ok(hits)
}

/// Spread of the key space over 500 buckets, root mean square over 30 rings: 1 % standard error for one point per bucket.
pub fn ring_spread(row: &Row) -> Judged {
    row.shape(&["points_per_bucket"], &["metric"])?;
    let (Some(points), Some(expected)) = (row.input.get("points_per_bucket").and_then(Json::counts), row.expected.numbers()) else {
        return unknown("another expectation");
    };
    for (points, expected) in points.into_iter().zip(expected) {
        if points == 0 || points > 10_000 {
            return unknown("a ring of impossible size");
        }
        let square: f64 = (0..30).map(|seed| arc_variance(500, u64::from(points), seed)).sum();
        row.close(&format!("relative standard deviation with {points} points"), (square / 30.0).sqrt(), expected)?;
    }
    Ok(())
}

/// Mean square of (arc / mean arc - 1) over the buckets of one ring.
fn arc_variance(buckets: u64, points: u64, seed: u64) -> f64 {
    let names: Vec<String> = (0..buckets).map(|i| format!("{:016x}", mix64(mix64(seed) ^ i))).collect();
    let ring = Ring::envoy(names.iter().map(|name| (name.as_str(), 1.0 / buckets as f64)), buckets * points, buckets * points);
    let mut arcs = vec![0.0; buckets as usize];
    let mut previous = ring.points().last().map_or(0, |(point, _)| point);
    for (point, owner) in ring.points() {
        arcs[owner as usize] += point.wrapping_sub(previous) as f64 / 2f64.powi(64) * buckets as f64;
        previous = point;
    }
    arcs.iter().map(|arc| (arc - 1.0) * (arc - 1.0)).sum::<f64>() / buckets as f64
}
