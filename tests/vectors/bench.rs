//! A policy with its targets as a case describes them, and the comparison of what it picks with what the case expects.

use crate::json::Json;
use crate::{Judged, Trouble, same, unknown};
use lbsim::policy::{Outcome, Pick, Policy, Recipe, Request, TargetId, Targets};
use lbsim::rng::{Rng, stream};
use lbsim::units::{Span, Time};
use std::net::IpAddr;

pub struct Bench {
    pub targets: Targets,
    policy: Box<dyn Policy>,
    rng: Rng,
}

impl Bench {
    pub fn new(config: &impl Recipe, servers: &[(String, u32)], seed: u64) -> Bench {
        let targets = Targets::new(servers.iter().map(|(name, weight)| (name.clone(), *weight, u32::MAX)));
        let mut policy = config.build(&targets);
        policy.on_change(&targets);
        Bench { targets, policy, rng: stream(seed, 0, "vectors") }
    }

    pub fn set_eligible(&mut self, is_eligible: impl Fn(TargetId) -> bool) {
        self.targets.set_eligible(is_eligible);
        self.policy.on_change(&self.targets);
    }

    pub fn pick_for(&mut self, address: IpAddr, path: &str) -> Result<TargetId, Trouble> {
        let request = Request { now: Time::ZERO, address, session: 0, path };
        match self.policy.pick(&request, &self.targets, &mut self.rng) {
            Pick::Target(target) => Ok(target),
            other => Err(Trouble::Wrong(format!("{other:?} instead of a target"))),
        }
    }

    pub fn pick(&mut self) -> Result<TargetId, Trouble> {
        self.pick_for(IpAddr::from([127, 0, 0, 1]), "/")
    }

    pub fn picks(&mut self, n: u32) -> Result<Vec<TargetId>, Trouble> {
        (0..n).map(|_| self.pick()).collect()
    }

    pub fn send(&mut self, target: TargetId) {
        self.targets.in_flight[target as usize] += 1;
        self.policy.on_sent(target, &self.targets);
    }

    pub fn done(&mut self, target: TargetId, latency: Span) {
        self.targets.in_flight[target as usize] -= 1;
        let outcome = Outcome { now: Time::ZERO, latency, is_answered: true, is_ok: true };
        self.policy.on_done(target, &outcome, &self.targets);
    }

    /// Sends this many to each target, to stay in flight.
    pub fn load(&mut self, in_flight: &[u32]) {
        for (target, &count) in in_flight.iter().enumerate() {
            (0..count).for_each(|_| self.send(target as TargetId));
        }
    }
}

/// Servers as cases write them: `{"a": 5, "b": 1}`, `[5, 1]` (weights, named by index), `["s1", "s2"]` (weight 1), or a number.
pub fn servers(json: &Json) -> Result<Vec<(String, u32)>, Trouble> {
    let named = |(i, weight): (usize, u32)| (i.to_string(), weight);
    let servers: Option<Vec<(String, u32)>> = match json {
        Json::Map(entries) => entries.iter().map(|(name, weight)| Some((name.clone(), weight.count()?))).collect(),
        Json::List(_) => match (json.counts(), json.texts()) {
            (Some(weights), _) => Some(weights.into_iter().enumerate().map(named).collect()),
            (_, Some(names)) => Some(names.into_iter().map(|name| (name.to_owned(), 1)).collect()),
            _ => None,
        },
        _ => json.count().map(|n| (0..n as usize).map(|i| named((i, 1))).collect()),
    };
    match servers {
        Some(servers) if servers.iter().any(|&(_, weight)| weight == 0) => unknown("weight 0 is not possible here"),
        Some(servers) if servers.is_empty() => unknown("no servers"),
        Some(servers) => Ok(servers),
        None => unknown("the servers are written in another way"),
    }
}

/// Compares picks with a list of names or indexes, `{"counts": {...} or [...]}` or `{"pick": index}`.
pub fn judge_picks(picks: &[TargetId], servers: &[(String, u32)], expected: &Json) -> Judged {
    let name = |target: TargetId| servers[target as usize].0.as_str();
    match expected {
        Json::List(_) => match (expected.texts(), expected.counts()) {
            (_, Some(indexes)) => same("picks", picks, &indexes),
            (Some(names), _) => same("picks", picks.iter().map(|&pick| name(pick)).collect::<Vec<_>>(), names),
            _ => unknown("the expected picks are neither names nor indexes"),
        },
        Json::Map(entries) if entries.len() == 1 => match entries[0].0.as_str() {
            "counts" => judge_counts(picks, servers, &entries[0].1),
            "pick" => match entries[0].1.count() {
                Some(index) => same("pick", picks.first(), Some(&index)),
                None => same("pick", picks.first().map(|&pick| name(pick)), entries[0].1.text()),
            },
            other => unknown(format!("`{other}` is expected")),
        },
        _ => unknown("what is expected is written in another way"),
    }
}

/// Compares how often each server was picked with `{"s1": 15, ...}` or `[15, ...]`.
pub fn judge_counts(picks: &[TargetId], servers: &[(String, u32)], expected: &Json) -> Judged {
    let counts: Vec<u32> = (0..servers.len()).map(|i| picks.iter().filter(|&&pick| pick as usize == i).count() as u32).collect();
    if let Some(expected) = expected.counts() {
        return same("counts", counts, expected);
    }
    let Some(entries) = expected.map() else { return unknown("the counts are written in another way") };
    for (name, count) in entries {
        let Some(i) = servers.iter().position(|(other, _)| other == name) else { return unknown(format!("`{name}` is no server")) };
        same(&format!("picks of {name}"), Some(counts[i]), count.count())?;
    }
    Ok(())
}

/// Servers named as out of rotation in a phrase such as `host 1 down`; none in `all up`. A phrase that says neither is unknown.
pub fn servers_out(phrase: &str) -> Result<Vec<u32>, Trouble> {
    if phrase == "up" || phrase == "all up" {
        return Ok(Vec::new());
    }
    let words = || phrase.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
    let out: Vec<u32> = words().filter_map(|word| word.parse().ok()).collect();
    let is_plain = words().all(|word| word.parse::<u32>().is_ok() || ["host", "hosts", "and", "down", "full"].contains(&word));
    if is_plain && !out.is_empty() && (phrase.ends_with("down") || phrase.ends_with("full")) {
        return Ok(out);
    }
    unknown(format!("the step `{phrase}`"))
}
