//! Cases of round robin, weighted or not.

use crate::bench::{Bench, judge_picks, servers, servers_out};
use crate::json::Json;
use crate::{Judged, Row, Trouble, unknown};
use lbsim::policy::{Recipe, TargetId, round_robin, weighted_round_robin};

/// One pick per step, or `picks` of them with everybody up.
fn run(row: &Row, config: &impl Recipe, servers: &[(String, u32)]) -> Result<Vec<TargetId>, Trouble> {
    let mut bench = Bench::new(config, servers, 1);
    let Some(steps) = row.input.get("steps") else {
        return match row.input.get("picks").and_then(Json::count) {
            Some(picks) => bench.picks(picks),
            None => unknown("neither `picks` nor `steps`"),
        };
    };
    let Some(steps) = steps.texts() else { return unknown("the steps are not phrases") };
    let mut pick_at = |step: &str| {
        let out = servers_out(step)?;
        bench.set_eligible(|target| !out.contains(&target));
        bench.pick()
    };
    steps.into_iter().map(&mut pick_at).collect()
}

/// Runs the case on the servers that `key` tells.
fn judge(row: &Row, config: &impl Recipe, key: &str) -> Judged {
    let Some(list) = row.input.get(key) else { return unknown(format!("no `{key}`")) };
    let servers = servers(list)?;
    judge_picks(&run(row, config, &servers)?, &servers, &row.expected)
}

pub fn smooth(row: &Row) -> Judged {
    row.shape(&["weights"], &["picks", "steps"])?;
    judge(row, &weighted_round_robin::Config::default(), "weights")
}

/// Where the rotation starts is a parameter: Caddy counts up before use, Envoy draws it and the case tells what it drew.
pub fn round_robin(row: &Row) -> Judged {
    row.shape(&["hosts"], &["picks", "steps", "start"])?;
    let start = match row.input.get("start") {
        Some(start) => start.count(),
        None if row.is_from("Caddy") => Some(1),
        None if row.is_from("Envoy") || row.is_from("gRPC") => return unknown("the start is random and not told"),
        None => Some(0),
    };
    let Some(start) = start else { return unknown("the start is not an index") };
    judge(row, &round_robin::Config { start }, "hosts")
}

pub fn block(row: &Row) -> Judged {
    if row.input.get("first_request_tries").is_some() {
        return unknown("a request's later tries go through a list without weights; not offered");
    }
    row.shape(&["weights"], &["picks", "steps"])?;
    if row.is_from("Pingora") && row.input.get("steps").is_some() {
        return unknown("Pingora's rule for a backend that is out; not offered");
    }
    let start = u32::from(row.is_from("Caddy"));
    judge(row, &weighted_round_robin::Config { order: weighted_round_robin::Order::Block, start }, "weights")
}
