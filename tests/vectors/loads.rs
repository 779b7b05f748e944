//! Cases of the algorithms that look at load or response time.

use crate::bench::{Bench, judge_counts, judge_picks, servers};
use crate::json::Json;
use crate::{Judged, Row, Trouble, same, unknown};
use lbsim::policy::least::Ties;
use lbsim::policy::least_response_time::Times;
use lbsim::policy::{TargetId, least_connections, least_response_time, power_of_d, weighted_least_connections};
use lbsim::stats::coefficient_of_variation;
use lbsim::units::Span;

/// The tie rule of a product's least connections.
fn ties(row: &Row) -> Result<Ties, Trouble> {
    let rules = [("nginx", Ties::RoundRobin), ("caddy", Ties::Random), ("haproxy", Ties::LeastRecentlyChanged), ("ipvs", Ties::First)];
    let rule = rules.iter().find(|(product, _)| row.is_from(product));
    rule.map_or_else(|| unknown("the product's tie rule is not known"), |&(_, ties)| Ok(ties))
}

pub fn least_connections(row: &Row) -> Judged {
    let keys = row.input.keys();
    if keys.contains(&"active") {
        return pick_by_load(row);
    }
    if keys.contains(&"held_requests") {
        return held_requests(row);
    }
    row.shape(&["servers", "sequential_requests"], &[])?;
    let ties = ties(row)?;
    if ties == Ties::Random && row.is_exact() {
        return unknown("exact figures of a random choice");
    }
    let (Some(list), Some(n)) = (row.input.get("servers"), row.input.get("sequential_requests").and_then(Json::count)) else {
        return unknown("the number of requests is not one");
    };
    let servers = servers(list)?;
    if servers.iter().any(|&(_, weight)| weight != 1) {
        return unknown("idle ties in proportion to weights; not offered");
    }
    let mut bench = Bench::new(&least_connections::Config { ties, refresh: None }, &servers, 1);
    let mut one = || {
        let target = bench.pick()?;
        bench.send(target);
        bench.done(target, Span::from_millis(1));
        Ok(target)
    };
    let picks: Vec<TargetId> = (0..n).map(|_| one()).collect::<Result<_, Trouble>>()?;
    judge_picks(&picks, &servers, &row.expected)
}

/// The pick over given counts, with or without weights; the lowest must be alone for the case to be independent of ties.
fn pick_by_load(row: &Row) -> Judged {
    row.shape(&["active"], &["weights", "selection"])?;
    let Some(active) = row.input.get("active").and_then(Json::counts) else { return unknown("the counts are not numbers") };
    let weights = row.input.get("weights").map_or(Some(vec![1; active.len()]), Json::counts);
    let Some(weights) = weights.filter(|weights| weights.len() == active.len() && !weights.contains(&0)) else {
        return unknown("the weights do not fit");
    };
    let ratio = |i: usize| f64::from(active[i]) / f64::from(weights[i]);
    let least = (0..active.len()).map(ratio).fold(f64::INFINITY, f64::min);
    if (0..active.len()).filter(|&i| ratio(i) == least).count() != 1 && ties(row).ok() != Some(Ties::First) {
        return unknown("several hosts are tied");
    }
    let servers: Vec<(String, u32)> = weights.iter().enumerate().map(|(i, &weight)| (i.to_string(), weight)).collect();
    let mut bench = if weights.iter().all(|&weight| weight == 1) {
        Bench::new(&least_connections::Config { ties: Ties::First, refresh: None }, &servers, 1)
    } else {
        Bench::new(&weighted_least_connections::Config { ties: Ties::First, refresh: None }, &servers, 1)
    };
    bench.load(&active);
    judge_picks(&bench.picks(1)?, &servers, &row.expected)
}

pub fn full_scan(row: &Row) -> Judged {
    pick_by_load(row)
}

/// Requests that stay in flight, over servers of which some take only so many.
fn held_requests(row: &Row) -> Judged {
    row.shape(&["servers", "held_requests"], &[])?;
    let (Some(entries), Some(n)) = (row.input.get("servers").and_then(Json::map), row.input.get("held_requests").and_then(Json::count))
    else {
        return unknown("the servers are written in another way");
    };
    let mut limits = Vec::new();
    for (name, server) in entries {
        if let Some(key) = server.keys().into_iter().find(|key| *key != "max_conns") {
            return unknown(format!("`{key}` of {name} is not the algorithm's business"));
        }
        let limit = server.get("max_conns").map_or(Some(0), Json::count);
        let Some(limit) = limit else { return unknown("max_conns is not a number") };
        limits.push(if limit == 0 { u32::MAX } else { limit });
    }
    let servers: Vec<(String, u32)> = entries.iter().map(|(name, _)| (name.clone(), 1)).collect();
    let mut bench = Bench::new(&least_connections::Config { ties: ties(row)?, refresh: None }, &servers, 1);
    let (mut picks, mut rejected) = (Vec::new(), 0);
    for _ in 0..n {
        let in_flight = bench.targets.in_flight.clone();
        bench.set_eligible(|target| in_flight[target as usize] < limits[target as usize]);
        if bench.targets.eligible().is_empty() {
            rejected += 1;
            continue;
        }
        let target = bench.pick()?;
        bench.send(target);
        picks.push(target);
    }
    if let Some(expected) = row.expected.get("rejected") {
        same("rejected", Some(rejected), expected.count())?;
    }
    match row.expected.get("accepted") {
        Some(accepted) => judge_counts(&picks, &servers, accepted),
        None => judge_picks(&picks, &servers, &row.expected),
    }
}

pub fn power_of_d(row: &Row) -> Judged {
    let keys = row.input.keys();
    match keys.iter().find(|key| key.starts_with("sampled_index")) {
        Some(key) => sampled_pairs(row, key),
        None if keys.contains(&"samples") => samples(row),
        None if row.is_from("Traefik") => traefik_draws(row),
        None if row.is_from("Caddy") => caddy_choice(row),
        None if keys.contains(&"active_on_first_pick") => other_of_two(row),
        None => unknown("a shape of draws that is not offered (weights?)"),
    }
}

/// Draws one after another, each request staying in flight.
fn sampled_pairs(row: &Row, key: &str) -> Judged {
    row.shape(&["hosts", key], &["choice_count", "note"])?;
    let (Some(hosts), Some(draws)) = (row.input.get("hosts").and_then(Json::count), row.input.get(key).and_then(Json::list)) else {
        return unknown("the draws are written in another way");
    };
    let mut in_flight = vec![0; hosts as usize];
    let mut picks = Vec::new();
    for draw in draws {
        let Some(draw) = draw.counts().filter(|_| hosts > 0) else { return unknown("a draw is not a list of indexes") };
        let Some(pick) = power_of_d::least_of(draw.into_iter().map(|sample| sample % hosts), &in_flight) else {
            return unknown("a draw without samples");
        };
        in_flight[pick as usize] += 1;
        picks.push(pick);
    }
    same("picks", Some(picks), row.expected.counts())
}

/// One pick over given samples and counts.
fn samples(row: &Row) -> Judged {
    row.shape(&["active", "samples"], &["choice_count", "note"])?;
    let (Some(active), Some(samples)) = (row.input.get("active").and_then(Json::counts), row.input.get("samples").and_then(Json::counts))
    else {
        return unknown("the samples are written in another way");
    };
    let n = active.len() as u32;
    let pick = power_of_d::least_of(samples.into_iter().map(|sample| sample % n.max(1)).filter(|_| n > 0), &active);
    same("pick", pick, row.expected.get("pick").and_then(Json::count))
}

/// Traefik draws twice from the full range and moves an equal second one to its neighbour.
fn traefik_draws(row: &Row) -> Judged {
    row.shape(&["cases"], &[])?;
    let (Some(cases), Some(expected)) = (row.input.get("cases").and_then(Json::list), row.expected.list()) else {
        return unknown("the cases are written in another way");
    };
    for (case, expected) in cases.iter().zip(expected) {
        let Some(in_flight) = case.get("inflight").and_then(Json::counts) else { return unknown("no `inflight`") };
        let n = in_flight.len() as u32;
        let draws = match case.get("randoms").and_then(Json::counts).as_deref() {
            Some(&[first, second]) if n > 1 => vec![first % n, if second % n == first % n { (second + 1) % n } else { second % n }],
            None if n == 1 => vec![0],
            _ => return unknown("other than two draws"),
        };
        same("pick", power_of_d::least_of(draws, &in_flight), expected.count())?;
    }
    same("number of cases", cases.len(), expected.len())
}

/// Caddy's `random_choose` where it covers all that are up: only then the figures are exact.
fn caddy_choice(row: &Row) -> Judged {
    row.shape(&["hosts", "choose", "picks"], &[])?;
    let (Some(hosts), Some(d), Some(n)) = (
        row.input.get("hosts").and_then(Json::list),
        row.input.get("choose").and_then(Json::count),
        row.input.get("picks").and_then(Json::count),
    ) else {
        return unknown("the hosts are written in another way");
    };
    let up: Vec<bool> = hosts.iter().map(|host| host.get("healthy") != Some(&Json::Bool(false))).collect();
    let active: Vec<u32> = hosts.iter().map(|host| host.get("active").and_then(Json::count).unwrap_or(0)).collect();
    if up.iter().filter(|&&is_up| is_up).count() > d as usize {
        return unknown("exact figures of a random choice");
    }
    let servers: Vec<(String, u32)> = (0..hosts.len()).map(|i| (i.to_string(), 1)).collect();
    let mut bench = Bench::new(&power_of_d::Config { d, ..Default::default() }, &servers, 1);
    bench.load(&active);
    bench.set_eligible(|target| up[target as usize]);
    judge_picks(&bench.picks(n)?, &servers, &row.expected)
}

/// Two servers, one of them just picked and busy: the other one is next, whatever is drawn.
fn other_of_two(row: &Row) -> Judged {
    row.shape(&["servers", "active_on_first_pick", "next_requests"], &[])?;
    let servers = servers(row.input.get("servers").unwrap_or(&Json::Null))?;
    let counts = (row.input.get("active_on_first_pick").and_then(Json::count), row.input.get("next_requests").and_then(Json::count));
    let (Some(active), Some(1), 2) = (counts.0, counts.1, servers.len()) else { return unknown("other than two servers and one request") };
    if row.expected.get("next_pick").and_then(Json::text) != Some("the other server") {
        return unknown("another expectation than the other server");
    }
    for seed in 0..200 {
        let mut bench = Bench::new(&power_of_d::Config::default(), &servers, seed);
        let first = bench.pick()?;
        (0..active).for_each(|_| bench.send(first));
        same("next pick", bench.pick()?, 1 - first)?;
    }
    Ok(())
}

pub fn least_time(row: &Row) -> Judged {
    if !row.is_from("Traefik") {
        return unknown("the rule is Traefik's; other products average otherwise");
    }
    let keys = row.input.keys();
    if keys.contains(&"samples_ms") {
        return means(row);
    }
    if keys.contains(&"avg_ms") { scores(row) } else { cold_start(row) }
}

fn means(row: &Row) -> Judged {
    row.shape(&["samples_ms"], &["sample_buffer"])?;
    if row.input.get("sample_buffer").is_some_and(|size| size.count() != Some(100)) {
        return unknown("a buffer of other than 100 samples");
    }
    let (Some(lists), Some(expected)) = (row.input.get("samples_ms").and_then(Json::list), row.expected.numbers()) else {
        return unknown("the samples are written in another way");
    };
    for (list, expected) in lists.iter().zip(expected) {
        let Some(samples) = list.numbers() else { return unknown("a sample is not a number") };
        let mut times = Times::default();
        samples.iter().for_each(|ms| times.add(Span::from_secs_f64(ms / 1e3).0));
        row.close("mean in ms", times.mean_ns() / 1e6, expected)?;
    }
    Ok(())
}

fn scores(row: &Row) -> Judged {
    row.shape(&["avg_ms", "inflight", "weights", "picks"], &["note"])?;
    let input = |key: &str| row.input.get(key).and_then(Json::counts);
    let (Some(inflight), Some(weights)) = (input("inflight"), input("weights")) else { return unknown("the loads are not numbers") };
    let (Some(averages), Some(n)) = (row.input.get("avg_ms").and_then(Json::list), row.input.get("picks").and_then(Json::count)) else {
        return unknown("the averages are not a list");
    };
    let servers = servers(row.input.get("weights").unwrap_or(&Json::Null))?;
    if inflight.len() != weights.len() || averages.len() != weights.len() {
        return unknown("lists of unequal length");
    }
    let mut bench = Bench::new(&least_response_time::Config::default(), &servers, 1);
    for (target, average) in averages.iter().enumerate() {
        if let Some(ms) = average.number() {
            bench.send(target as TargetId);
            bench.done(target as TargetId, Span::from_secs_f64(ms / 1e3));
        }
    }
    bench.load(&inflight);
    let stays = row.input.get("note").and_then(Json::text).is_some_and(|note| note.contains("stays in flight"));
    let mut counts = vec![0_u32; weights.len()];
    for _ in 0..n {
        let target = bench.pick()?;
        counts[target as usize] += 1;
        if stays {
            bench.send(target);
        }
    }
    let Some(expected) = row.expected.get("counts").and_then(Json::counts) else { return unknown("other than counts is expected") };
    same("number of counts", counts.len(), expected.len())?;
    counts.iter().zip(expected).try_for_each(|(&count, expected)| row.close(&format!("picks {counts:?}"), count.into(), expected.into()))
}

/// A target with a history beside one without, requests one after another.
fn cold_start(row: &Row) -> Judged {
    row.shape(&["warm_avg_ms", "cold_avg_ms", "real_latency_ms", "sequential_requests"], &[])?;
    let real = row.input.get("real_latency_ms");
    let ms = |json: Option<&Json>| json.and_then(Json::number).map(|ms| Span::from_secs_f64(ms / 1e3));
    let latency = |name: &str| ms(real.and_then(|real| real.get(name)));
    let (Some(average), Some(warm), Some(cold)) = (ms(row.input.get("warm_avg_ms")), latency("warm"), latency("cold")) else {
        return unknown("the latencies are not numbers");
    };
    let Some(n) = row.input.get("sequential_requests").and_then(Json::count) else { return unknown("no number of requests") };
    let bound = row.expected.get("cold_gets").and_then(Json::text).and_then(|text| text.strip_prefix("more than "));
    let Some(bound) = bound.and_then(|text| text.split(' ').next()?.parse::<u32>().ok()) else { return unknown("another bound") };
    let servers = [("warm".to_owned(), 1), ("cold".to_owned(), 1)];
    let mut bench = Bench::new(&least_response_time::Config::default(), &servers, 1);
    bench.send(0);
    bench.done(0, average);
    let mut cold_gets = 0;
    for _ in 0..n {
        let target = bench.pick()?;
        bench.send(target);
        bench.done(target, if target == 0 { warm } else { cold });
        cold_gets += target;
    }
    same(&format!("cold gets {cold_gets}, which is more than {bound}"), cold_gets > bound, true)
}

/// Spread over servers: the population form of the standard deviation, written out here because no algorithm has it.
pub fn spread(row: &Row) -> Judged {
    row.shape(&["requests_per_server"], &[])?;
    let expected = row.expected.get("population_std_dev").and_then(Json::map);
    let (Some(loads), Some(expected)) = (row.input.get("requests_per_server"), expected) else {
        return unknown("another measure of spread");
    };
    for (name, expected) in expected {
        let (Some(load), Some(expected)) = (loads.get(name).and_then(Json::numbers), expected.number()) else {
            return unknown(format!("no loads of {name}"));
        };
        let mean = load.iter().sum::<f64>() / load.len() as f64;
        row.close(name, coefficient_of_variation(&load) * mean, expected)?;
    }
    Ok(())
}
