//! The figures that a goal may name: the words of tables and objectives (`failed`, `p99`, `failed_share`, `success`, the columns of `runs.csv`),
//! and paths into a variant's part of `summary.json` (`requests.by_error.timeout`, `servers.web-1.utilization`).

use crate::error::did_you_mean;
use crate::scenario::Failure;
use crate::stats::{self, Estimate};
use crate::summary::{LatencyMetric, VariantSummary};
use serde_json::Value;

/// A number of a variant's results, found by its name.
#[derive(Clone, Debug)]
pub struct Figure {
    /// As it was written.
    pub name: String,
    pub unit: Unit,
    /// What happens in one replication and not on average: a count, or the maximum.
    pub is_count: bool,
    place: Place,
}

/// What a figure is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Millis,
    Seconds,
    Share,
    PerSecond,
    None,
}

#[derive(Clone, Debug)]
enum Place {
    /// Keys of maps, names or numbers of items.
    Path(Vec<String>),
    Computed(Computed),
}

/// A figure that `summary.json` does not have as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Computed {
    FailedShare,
    Success,
    Utilization,
    UtilizationMax,
    MeanQueue,
}

const COMPUTED: [(&str, Computed); 5] = [
    ("failed_share", Computed::FailedShare),
    ("success", Computed::Success),
    ("utilization", Computed::Utilization),
    ("utilization_max", Computed::UtilizationMax),
    ("mean_queue", Computed::MeanQueue),
];

/// Words that stand for a path; the rest follows from [`path_of`].
const SHORT: [(&str, &str); 30] = [
    ("sent", "requests.sent"),
    ("ok", "requests.ok"),
    ("failed", "requests.failed"),
    ("unfinished", "requests.unfinished"),
    ("stuck", "requests.stuck"),
    ("retried", "requests.retried"),
    ("hedged", "requests.hedged"),
    ("attempts_sent", "attempts.sent"),
    ("attempts_ok", "attempts.ok"),
    ("throughput", "throughput_rps"),
    ("waited_share", "waiting_ms.waited_share"),
    ("jain", "fairness.jain_requests"),
    ("jain_requests", "fairness.jain_requests"),
    ("jain_utilization", "fairness.jain_utilization"),
    ("max_over_mean", "fairness.max_over_mean"),
    ("cv", "fairness.cv"),
    ("users", "fairness.clients.users"),
    ("jain_latency", "fairness.clients.jain_latency"),
    ("p99_over_median", "fairness.clients.p99_over_median"),
    ("sessions", "affinity.sessions"),
    ("moved", "affinity.moved"),
    ("lost_state", "affinity.lost_state"),
    ("wiped", "affinity.wiped"),
    ("requests_moved_share", "affinity.requests_moved_share"),
    ("checks_sent", "health_checks.sent"),
    ("checks_failed", "health_checks.failed"),
    ("false_ejections", "health_checks.false_ejections"),
    // Where there is one fault only.
    ("lost", "failover.failed_requests"),
    ("detected", "failover.detected_after_s"),
    ("restored", "failover.restored_after_s"),
];

/// The path that a single word stands for.
fn path_of(word: &str) -> Option<String> {
    if let Some((_, path)) = SHORT.iter().find(|(short, _)| *short == word) {
        return Some((*path).to_owned());
    }
    if let Some(kind) = word.strip_prefix("error_") {
        return Some(format!("requests.by_error.{kind}"));
    }
    let families = [("response_", "response_ms"), ("waiting_", "waiting_ms"), ("", "latency_ms")];
    let (prefix, family) = families.iter().find(|(prefix, _)| word.starts_with(prefix))?;
    let metric = word[prefix.len()..].trim_end_matches("_ms");
    LatencyMetric::ALL.iter().any(|known| known.name() == metric).then(|| format!("{family}.{metric}"))
}

/// Every single word.
fn words() -> Vec<String> {
    let latencies = ["", "response_", "waiting_"].map(|prefix| LatencyMetric::ALL.map(|metric| format!("{prefix}{}", metric.name())));
    let errors = Failure::ALL.map(|kind| format!("error_{}", kind.name()));
    let fixed = COMPUTED.iter().map(|(word, _)| *word).chain(SHORT.iter().map(|(word, _)| *word)).chain(["throughput_rps"]);
    fixed.map(str::to_owned).chain(latencies.into_iter().flatten()).chain(errors).collect()
}

/// Why a name stands for no figure: which of its words is wrong, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    pub word: usize,
    pub message: String,
    pub help: String,
}

/// Parts of `summary.json` that have no figures of their own.
const WITHOUT_FIGURES: [&str; 6] = ["name", "point", "oracle", "slo", "warnings", "replications_done"];

impl Figure {
    /// Finds the figure by the words of its name. `names` is a variant's part of the summary with everything that the variant has.
    pub fn find(name: &str, words: &[String], names: &Value) -> Result<Figure, Unknown> {
        let computed = COMPUTED.iter().find(|(word, _)| words == [*word]);
        if let Some((_, computed)) = computed {
            let unit = if *computed == Computed::MeanQueue { Unit::None } else { Unit::Share };
            return Ok(Figure { name: name.to_owned(), unit, is_count: false, place: Place::Computed(*computed) });
        }
        // `p99.9` is read as two words.
        let path = path_of(&words.join("_")).map(|path| path.split('.').map(str::to_owned).collect());
        let is_short = path.is_some();
        let path: Vec<String> = path.unwrap_or_else(|| words.to_vec());
        check(&path, names).map_err(|unknown| Unknown { word: if is_short { 0 } else { unknown.word }, ..unknown })?;
        Ok(Figure { name: name.to_owned(), unit: unit(&path), is_count: is_count(&path), place: Place::Path(path) })
    }

    /// Its value in one run, whose figures are `told`. None where the run has none: no success, never detected.
    pub fn of_run(&self, told: &VariantSummary, json: &Value) -> Option<f64> {
        match &self.place {
            Place::Path(path) => estimate(path, json).map(|estimate| estimate.value),
            Place::Computed(computed) => computed.value(told),
        }
    }

    /// Its value over all runs with its interval; `runs` has the values of those that have one.
    pub fn of_all(&self, told: &VariantSummary, json: &Value, runs: &[f64]) -> Option<Estimate> {
        match &self.place {
            Place::Path(path) => estimate(path, json),
            Place::Computed(computed) => {
                let most = if self.unit == Unit::Share { 1.0 } else { f64::INFINITY };
                let all = match computed {
                    // Of the requests of all runs, as the table has it.
                    Computed::FailedShare | Computed::Success => stats::around(computed.value(told)?, runs),
                    _ => stats::mean_ci(runs),
                };
                all.value.is_finite().then(|| all.within(0.0, most))
            }
        }
    }
}

impl Computed {
    fn value(self, told: &VariantSummary) -> Option<f64> {
        let utilizations = || told.servers.iter().map(|server| server.utilization.map(|estimate| estimate.value));
        match self {
            Computed::FailedShare => told.failed_share(),
            // Not one minus the share of failures, which would leave a bit over.
            Computed::Success => {
                let (ok, failed) = (told.requests.ok?.value, told.requests.failed?.value + told.requests.stuck?.value);
                (ok + failed > 0.0).then(|| ok / (ok + failed))
            }
            Computed::Utilization => told.mean_utilization(),
            Computed::UtilizationMax => utilizations().collect::<Option<Vec<f64>>>()?.into_iter().reduce(f64::max),
            Computed::MeanQueue => Some(told.servers.iter().filter_map(|server| Some(server.mean_queue?.value)).sum()),
        }
    }
}

/// A figure is `null` or has a `value`.
fn is_figure(node: &Value) -> bool {
    node.is_null() || node.get("value").is_some()
}

/// What the items of lists are known by; a class also goes by its path.
const KEYS: [&str; 5] = ["name", "fault", "opener", "balancer", "path"];

fn item<'a>(items: &'a [Value], word: &str) -> Option<&'a Value> {
    let is_called = |item: &&Value| KEYS.iter().any(|key| item[*key].as_str() == Some(word));
    items.iter().find(is_called).or_else(|| items.get(word.parse::<usize>().ok()?))
}

/// The next node on a path, and whether a word was needed for it: the only item of a list may be left out.
fn step<'a>(node: &'a Value, word: &str) -> Option<(&'a Value, bool)> {
    match node {
        Value::Object(map) => map.get(word).map(|next| (next, true)),
        Value::Array(items) => match (item(items, word), &items[..]) {
            (Some(next), _) => Some((next, true)),
            (None, [only]) if only.get(word).is_some() => Some((only, false)),
            _ => None,
        },
        _ => None,
    }
}

/// Where a node has counts by kind, of which those that never happened are absent: the kinds. None are listed of statuses, which are numbers.
fn kinds(path: &[String], at: usize, node: &Value) -> Option<Vec<&'static str>> {
    match path[..at].last().map(String::as_str) {
        Some("by_error") if node.is_object() => Some(Failure::ALL.map(Failure::name).to_vec()),
        // Not the item of the list of that name.
        Some("statuses") if node.is_object() && node.get("balancer").is_none() => Some(Vec::new()),
        _ => None,
    }
}

/// Whether the path leads to a figure.
fn check(path: &[String], names: &Value) -> Result<(), Unknown> {
    let mut node = names;
    let mut at = 0;
    while at < path.len() {
        let word = &path[at];
        let is_hidden = at == 0 && WITHOUT_FIGURES.contains(&word.as_str());
        if let Some(kinds) = kinds(path, at, node) {
            let is_status = kinds.is_empty() && word.len() == 3 && word.parse::<u16>().is_ok();
            let is_known = is_status || kinds.contains(&word.as_str());
            let known = kinds.iter().map(|kind| (*kind).to_owned()).collect();
            return if is_known && at + 1 == path.len() { Ok(()) } else { Err(unknown(path, at, known)) };
        }
        let leads_on = |next: &Value| next.is_object() || next.is_array() || next.is_null();
        let is_over = is_hidden || at > 0 && is_figure(node);
        match step(node, word).filter(|(next, _)| !is_over && leads_on(next)) {
            Some((next, is_used)) => {
                node = next;
                at += usize::from(is_used);
            }
            None => return Err(unknown(path, at, known(node, at == 0))),
        }
    }
    if is_figure(node) {
        return Ok(());
    }
    let (name, known) = (path.join("."), known(node, false));
    let message = format!("`{name}` has several figures");
    Err(Unknown { word: path.len() - 1, message, help: format!("add one of {}", shortened(&known)) })
}

/// What may stand at a place: keys that lead to figures, names of items.
fn known(node: &Value, is_root: bool) -> Vec<String> {
    let leads_on = |(key, value): &(&String, &Value)| {
        !(is_root && WITHOUT_FIGURES.contains(&key.as_str())) && (value.is_null() || value.is_object() || value.is_array())
    };
    let own: Vec<String> = match node {
        Value::Object(_) if is_figure(node) => Vec::new(),
        Value::Object(map) => map.iter().filter(leads_on).map(|(key, _)| key.clone()).collect(),
        Value::Array(items) => {
            let called = |item: &Value| KEYS.iter().find_map(|key| item[*key].as_str().map(str::to_owned));
            let quoted = |name: String| if name.contains([' ', '.', '[', ']']) { format!("['{name}']") } else { name };
            items.iter().filter_map(called).map(quoted).collect()
        }
        _ => Vec::new(),
    };
    if is_root { words().into_iter().chain(own).collect() } else { own }
}

fn unknown(path: &[String], at: usize, known: Vec<String>) -> Unknown {
    let word = &path[at];
    let message = match at {
        0 => format!("there is no figure `{word}`"),
        _ => format!("there is no `{word}` in `{}`", path[..at].join(".")),
    };
    let is_whole = at == 0 && path.len() > 1 && words().contains(word);
    let help = match did_you_mean(word, known.iter().map(String::as_str)) {
        Some(_) if is_whole => format!("`{word}` is a figure by itself"),
        Some(meant) => format!("did you mean `{meant}`?"),
        None if at == 0 => {
            "the words are those of `lbsim list metrics`, such as `failed`, `p99`, `failed_share` or `requests.by_error.timeout`".to_owned()
        }
        None if path[at - 1] == "statuses" => "a status is a number such as `502`".to_owned(),
        None if known.is_empty() => format!("`{}` is the figure", path[..at].join(".")),
        None => format!("known here: {}", shortened(&known)),
    };
    Unknown { word: at, message, help }
}

/// So many names are read.
const NAMES_MAX: usize = 12;

fn shortened(names: &[String]) -> String {
    let more = if names.len() > NAMES_MAX { ", ..." } else { "" };
    format!("{}{more}", names[..names.len().min(NAMES_MAX)].join(", "))
}

/// What stands at the path; a kind of error that never happened is absent and zero.
fn estimate(path: &[String], json: &Value) -> Option<Estimate> {
    let mut node = json;
    let mut at = 0;
    while at < path.len() {
        let Some((next, is_used)) = step(node, &path[at]) else {
            return kinds(path, at, node).map(|_| Estimate { value: 0.0, ci95: Some((0.0, 0.0)) });
        };
        node = next;
        at += usize::from(is_used);
    }
    let interval = &node["ci95"];
    let ci95 = interval[0].as_f64().zip(interval[1].as_f64());
    Some(Estimate { value: node["value"].as_f64()?, ci95 })
}

fn unit(path: &[String]) -> Unit {
    let last = path.last().map_or("", String::as_str);
    match last {
        _ if last.ends_with("_share") || last.starts_with("jain") || ["share", "utilization", "up"].contains(&last) => Unit::Share,
        "throughput_rps" | "per_second" => Unit::PerSecond,
        _ if last.ends_with("_s") => Unit::Seconds,
        _ if path.iter().any(|word| word.ends_with("_ms")) => Unit::Millis,
        _ => Unit::None,
    }
}

fn is_count(path: &[String]) -> bool {
    const COUNTS: [&str; 11] = [
        "requests",
        "users",
        "sessions",
        "moved",
        "lost_state",
        "wiped",
        "failed_requests",
        "false_ejections",
        "occurrences",
        "passages",
        "max",
    ];
    let last = path.last().map_or("", String::as_str);
    let is_of_requests = ["requests", "attempts"].contains(&path[0].as_str());
    let is_of_checks = path[0] == "health_checks" && ["sent", "failed"].contains(&last);
    let is_of_connections = path[0] == "connections" && (["opened", "failed", "resets"].contains(&last) || last.starts_with("handshakes_"));
    is_of_requests || is_of_checks || is_of_connections || path[0] == "statuses" || COUNTS.contains(&last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::summarise;
    use crate::summary::tests::{about, record, results, variant};

    /// Two runs of 2000 requests that took 10 and 20 ms; two and four failed.
    fn told() -> (VariantSummary, Value) {
        let runs = results([record(&[10; 2000], 2), record(&[20; 2000], 4)]);
        let mut summary = summarise(&about(2), &[variant("a")], &[runs]);
        let told = summary.variants.remove(0);
        let json = serde_json::to_value(&told).unwrap();
        (told, json)
    }

    fn find(name: &str) -> Result<Figure, Unknown> {
        let words: Vec<String> = name.split('.').map(str::to_owned).collect();
        Figure::find(name, &words, &told().1)
    }

    #[test]
    fn every_word_stands_for_a_figure() {
        for word in words() {
            let figure = find(&word).unwrap_or_else(|unknown| panic!("{word}: {unknown:?}"));
            assert_eq!(figure.name, word);
        }
    }

    #[test]
    fn words_and_paths_have_units_and_say_whether_they_count() {
        for (name, unit, is_count) in [
            ("failed", Unit::None, true),
            ("requests.by_error.timeout", Unit::None, true),
            ("error_5xx", Unit::None, true),
            ("p99", Unit::Millis, false),
            ("p99_9", Unit::Millis, false),
            ("p99.9", Unit::Millis, false),
            ("max", Unit::Millis, true),
            ("response_p99_ms", Unit::Millis, false),
            ("failed_share", Unit::Share, false),
            ("success", Unit::Share, false),
            ("utilization_max", Unit::Share, false),
            ("servers.web-1.utilization", Unit::Share, false),
            ("servers.web-1.response_ms.p99", Unit::Millis, false),
            ("servers.1.requests", Unit::None, true),
            ("servers.0.mean_queue", Unit::None, false),
            ("waiting_ms.waited_share", Unit::Share, false),
            ("throughput_rps", Unit::PerSecond, false),
            ("health_checks.per_second", Unit::PerSecond, false),
            ("failover.0.detected_after_s", Unit::Seconds, false),
            ("failover.crash web-2.failed_requests", Unit::None, true),
            ("lost", Unit::None, true),
            ("detected", Unit::Seconds, false),
            ("jain", Unit::Share, false),
            ("classes.all.latency_ms.mean", Unit::Millis, false),
        ] {
            let figure = find(name).unwrap_or_else(|unknown| panic!("{name}: {unknown:?}"));
            assert_eq!((figure.unit, figure.is_count), (unit, is_count), "{name}");
        }
    }

    #[test]
    fn connections_go_by_their_opener_and_statuses_by_their_balancer() {
        let estimate = |value: f64| serde_json::json!({ "value": value, "ci95": null });
        let json = serde_json::json!({
            "connections": [{ "opener": "users", "opened": estimate(7.0), "waiting_ms": null }, { "opener": "edge", "opened": estimate(8.0) }],
            "statuses": [{ "balancer": "edge", "statuses": { "502": estimate(3.0) } }],
        });
        let find = |name: &str| Figure::find(name, &name.split('.').map(str::to_owned).collect::<Vec<_>>(), &json);
        for (name, is_count, value) in [
            ("connections.edge.opened", true, Some(8.0)),
            ("connections.users.waiting_ms", false, None),
            ("statuses.edge.statuses.502", true, Some(3.0)),
            ("statuses.statuses.503", true, Some(0.0)),
        ] {
            let figure = find(name).unwrap_or_else(|unknown| panic!("{name}: {unknown:?}"));
            assert_eq!((figure.is_count, figure.of_run(&told().0, &json)), (is_count, value), "{name}");
        }
        for (name, word) in [("connections.crowd.opened", 1), ("statuses.edge.statuses.bad", 3), ("statuses.edge.statuses", 2)] {
            assert_eq!(find(name).expect_err(name).word, word, "{name}");
        }
    }

    #[test]
    fn what_is_unknown_is_told_with_the_word_that_is_wrong() {
        for (name, word, part) in [
            ("fialed", 0, "did you mean `failed`?"),
            ("p999", 0, "did you mean `p99`?"),
            ("banana", 0, "lbsim list metrics"),
            ("requests.lost", 1, "known here: by_error"),
            ("requests.by_error.tiemout", 2, "did you mean `timeout`?"),
            ("servers.web-9.utilization", 1, "did you mean `web-1`?"),
            ("latency_ms", 0, "add one of"),
            ("failed.value", 0, "`failed` is a figure by itself"),
            ("requests.failed.value", 2, "`requests.failed` is the figure"),
            ("name", 0, ""),
            ("duration_s", 0, ""),
            ("slo.0.value", 0, ""),
        ] {
            let unknown = find(name).expect_err(name);
            assert!(unknown.word == word && unknown.help.contains(part), "{name}: {unknown:?}");
        }
    }

    #[test]
    fn values_are_those_of_the_summary() {
        let (told, json) = told();
        let value = |name: &str, runs: &[f64]| find(name).unwrap().of_all(&told, &json, runs);
        assert_eq!(value("failed", &[]).map(|all| all.value), Some(3.0));
        assert_eq!(value("mean", &[]), told.latency_ms.mean);
        assert_eq!(value("error_timeout", &[]).map(|all| all.value), Some(0.0));
        let share = value("failed_share", &[2.0 / 2002.0, 4.0 / 2004.0]).unwrap();
        assert!((share.value - 6.0 / 4006.0).abs() < 1e-12 && share.ci95.is_some_and(|(low, high)| low == 0.0 && high < 0.01));
        let success = find("success").unwrap().of_run(&told, &json).unwrap();
        assert!((success - 4000.0 / 4006.0).abs() < 1e-12);
    }
}
