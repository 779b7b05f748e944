//! Cases of slow start, by product.

use crate::json::Json;
use crate::kubernetes::{count, seconds};
use crate::{Judged, Row, Trouble, same, unknown};
use lbsim::control::defaults;
use lbsim::control::slow_start::{Peer, Shape, alb_enters};
use lbsim::policy::TargetId;
use lbsim::policy::edf::Schedule;
use lbsim::units::Span;

/// Weights of young servers, and with Envoy the turns that they get.
pub fn slow_start(row: &Row) -> Judged {
    let keys = row.input.keys();
    if row.is_from("alb") && keys.contains(&"events") {
        alb_slow_start(row)
    } else if row.is_from("alb") {
        by_age(row, Some(Shape::Linear))
    } else if row.is_from("haproxy") {
        by_age(row, Some(Shape::HaProxy))
    } else if ["nginx", "ipvs", "traefik", "caddy", "nlb"].iter().any(|product| row.is_from(product)) {
        by_age(row, None)
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

/// Factors, or weights, at ages. `None`: the product has no slow start.
fn by_age(row: &Row, shape: Option<Shape>) -> Judged {
    const WINDOWS: [&str; 3] = ["window_s", "slow_start_s", "slowstart_s"];
    row.shape(&[], &[&WINDOWS[..], &["ages_s", "weight"]].concat())?;
    let Some(ages) = row.input.get("ages_s").and_then(Json::numbers) else { return unknown("the ages are no numbers") };
    let window = match WINDOWS.into_iter().find(|key| row.input.get(key).is_some()) {
        Some(key) => seconds(&row.input, key, Span::ZERO)?,
        None => Span::ZERO,
    };
    let weight = f64::from(count(&row.input, "weight", 1)?);
    let Some((key, expected)) = row.expected.map().and_then(|entries| entries.first()) else { return unknown("what is expected") };
    let times = match key.as_str() {
        "factors" => 1.0,
        "weights" => weight,
        other => return unknown(format!("`{other}` is expected")),
    };
    let Some(expected) = expected.numbers() else { return unknown(format!("`{key}` is no list of numbers")) };
    same("number of ages", ages.len(), expected.len())?;
    ages.iter().zip(expected).try_for_each(|(age, expected)| {
        let factor = shape.map_or(1.0, |shape| shape.factor(Span::from_secs_f64(*age), window));
        row.close(key, factor * times, expected)
    })
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
    let is_off = seconds(&row.input, "slow_start_s", defaults::alb::SLOW_START)? == Span::ZERO;
    let mut peers: Vec<Peer> = Vec::new();
    let mut entered = Vec::new();
    for event in events {
        let Some(n) = registered(event) else { return unknown(format!("the event `{event}`")) };
        // Later means after those before have warmed up.
        peers.iter_mut().for_each(|peer| peer.is_slow = false);
        let is_slow = !is_off && alb_enters(&peers);
        peers.extend(std::iter::repeat_n(Peer { is_healthy: true, is_slow }, n));
        entered.push(if is_slow { n as u32 } else { 0 });
    }
    same("in slow start", entered, expected)
}

/// How many targets `three targets registered at once ...` or `a fourth target registered later` brings.
fn registered(event: &str) -> Option<usize> {
    const WORDS: [&str; 10] = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    let (before, after) = event.split_once(" registered")?;
    let is_known = ["", "at once in an empty group", "in an empty group", "at once", "later"].contains(&after.trim());
    let mut words = before.split(' ');
    let first = words.next()?;
    let n = match first {
        "a" | "an" => 1,
        word => WORDS.iter().position(|known| *known == word).map(|i| i + 1).or(word.parse().ok())?,
    };
    (is_known && before.contains("target")).then_some(n)
}
