//! Judges the algorithms against exact cases from other products' own tests, documents and code.
//!
//! The cases are read from `../shared/truth/vectors.json` beside the project, or from the file that LBSIM_VECTORS names; where
//! there is none, the test says so and passes. A row is judged by its mechanism, product and input alone, so rows of the same
//! mechanism with other numbers are judged as well. What is not judged is listed with the reason.

#[path = "vectors/aws.rs"]
mod aws;
#[path = "vectors/balancing.rs"]
mod balancing;
#[path = "vectors/bench.rs"]
mod bench;
#[path = "vectors/defaults.rs"]
mod defaults;
#[path = "vectors/dns.rs"]
mod dns;
#[path = "vectors/hashing.rs"]
mod hashing;
#[path = "vectors/hpa.rs"]
mod hpa;
#[path = "vectors/json.rs"]
mod json;
#[path = "vectors/kubernetes.rs"]
mod kubernetes;
#[path = "vectors/loads.rs"]
mod loads;
#[path = "vectors/rotations.rs"]
mod rotations;
#[path = "vectors/slow_start.rs"]
mod slow_start;

use json::Json;
use std::path::PathBuf;

/// Why a row did not pass.
pub enum Trouble {
    /// Our answer differs.
    Wrong(String),
    /// We have no such mechanism, or the row is of a shape or a product's rule that ours does not claim.
    Unknown(String),
}

pub type Judged = Result<(), Trouble>;

pub fn unknown<T>(why: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble::Unknown(why.into()))
}

/// Passes if `got` and `expected` agree, else tells both.
pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: T, expected: T) -> Judged {
    if got == expected { Ok(()) } else { Err(Trouble::Wrong(format!("{what}: got {got:?}, expected {expected:?}"))) }
}

/// One case.
pub struct Row {
    id: String,
    mechanism: String,
    product: String,
    kind: String,
    pub input: Json,
    pub expected: Json,
    tolerance: Option<String>,
}

impl Row {
    fn of(json: &Json) -> Option<Row> {
        let text = |key: &str| json.get(key).and_then(Json::text).map(str::to_owned);
        Some(Row {
            id: text("id")?,
            mechanism: text("mechanism")?,
            product: text("product").unwrap_or_default(),
            kind: text("kind").unwrap_or_default(),
            input: json.get("input")?.clone(),
            expected: json.get("expected")?.clone(),
            tolerance: text("tolerance"),
        })
    }

    pub fn is_from(&self, product: &str) -> bool {
        self.product.to_lowercase().contains(&product.to_lowercase())
    }

    pub fn is_exact(&self) -> bool {
        self.kind == "exact"
    }

    /// The first number of the tolerance (`10 %` is 0.1 of the value); 0 where none is given.
    pub fn tolerance(&self, value: f64) -> f64 {
        let Some(text) = &self.tolerance else { return 0.0 };
        let number = text.split_whitespace().next().and_then(|word| word.trim_end_matches('%').parse::<f64>().ok()).unwrap_or(0.0);
        if text.contains('%') { number / 100.0 * value.abs() } else { number }
    }

    pub fn close(&self, what: &str, got: f64, expected: f64) -> Judged {
        if (got - expected).abs() <= self.tolerance(expected) + 1e-12 * expected.abs() {
            return Ok(());
        }
        Err(Trouble::Wrong(format!("{what}: got {got}, expected {expected} within {}", self.tolerance(expected))))
    }

    /// Unknown unless the input has all of `required` and nothing beside them but `optional`.
    pub fn shape(&self, required: &[&str], optional: &[&str]) -> Judged {
        let keys = self.input.keys();
        if let Some(missing) = required.iter().find(|key| !keys.contains(key)) {
            return unknown(format!("no `{missing}` in the input"));
        }
        match keys.iter().find(|key| !required.contains(key) && !optional.contains(key)) {
            Some(extra) => unknown(format!("`{extra}` in the input")),
            None => Ok(()),
        }
    }
}

fn judge(row: &Row) -> Judged {
    match row.mechanism.as_str() {
        "smooth_wrr" => rotations::smooth(row),
        "round_robin" => rotations::round_robin(row),
        "block_wrr" => rotations::block(row),
        "least_conn" => loads::least_connections(row),
        "least_request_full_scan" => loads::full_scan(row),
        "power_of_d_choices" => loads::power_of_d(row),
        "least_time" => loads::least_time(row),
        "load_spread_metric" => loads::spread(row),
        "panic_threshold" => balancing::panic_threshold(row),
        "stickiness" if row.input.get("app_cookie_sizes_kib").is_some() => aws::app_cookie(row),
        "stickiness" => balancing::stickiness(row),
        "max_conns" => balancing::max_conns(row),
        "ip_hash" => hashing::ip_hash(row),
        "hash_modulo" => hashing::modulo(row),
        "hash_function" => hashing::function(row),
        "ketama" => hashing::ketama(row),
        "ring_hash" => hashing::ring(row),
        "ring_spread" => hashing::ring_spread(row),
        "kube_proxy_endpoints" => kubernetes::endpoints(row),
        "kube_proxy_iptables" => kubernetes::iptables(row),
        "hpa_replicas" => hpa::replicas(row),
        "hpa_behaviour" => hpa::behaviour(row),
        "crash_loop_backoff" => kubernetes::crash_loop(row),
        "node_failure" => kubernetes::node_failure(row),
        "probe_budget" => kubernetes::probe_budget(row),
        "alb_health_check" => aws::health_check(row),
        "target_group_health" => aws::group_health(row),
        "cross_zone" => aws::cross_zone(row),
        "weighted_target_groups" => aws::weighted_groups(row),
        "dns_routing" => dns::dns_routing(row),
        "dns_health" => dns::dns_health(row),
        "slow_start" => slow_start::slow_start(row),
        "check_interval" => aws::check_interval(row),
        "defaults" => defaults::defaults(row),
        _ => unknown("this mechanism is not judged here"),
    }
}

fn path() -> PathBuf {
    match std::env::var_os("LBSIM_VECTORS") {
        Some(path) => path.into(),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/truth/vectors.json"),
    }
}

/// The ids of the rows that pass, and of those that fail or are not judged with the reason.
#[derive(Default)]
struct Found {
    passed: Vec<String>,
    failed: Vec<String>,
    unknown: Vec<String>,
}

fn judge_all(text: &str) -> Found {
    let document: Json = serde_json::from_str(text).expect("the vectors are JSON");
    let rows = document.get("vectors").unwrap_or(&document).list().expect("a list of vectors");
    let mut found = Found::default();
    for json in rows {
        let Some(row) = Row::of(json) else {
            found.unknown.push(format!("{json:?}: not a row with id, mechanism, input and expected"));
            continue;
        };
        match judge(&row) {
            Ok(()) => found.passed.push(row.id),
            Err(Trouble::Wrong(why)) => found.failed.push(format!("{} ({}, {}): {why}", row.id, row.mechanism, row.product)),
            Err(Trouble::Unknown(why)) => found.unknown.push(format!("{} ({}, {}): {why}", row.id, row.mechanism, row.product)),
        }
    }
    found
}

#[test]
fn algorithms_agree_with_the_products_own_cases() {
    let path = path();
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: no vectors at {}; LBSIM_VECTORS can name the file", path.display());
        return;
    };
    let Found { passed, failed, unknown } = judge_all(&text);
    println!("{} passed, {} failed, {} not judged", passed.len(), failed.len(), unknown.len());
    for (title, list) in [("failed", &failed), ("not judged", &unknown), ("passed", &passed)] {
        println!("{title}:\n  {}", list.join("\n  "));
    }
    assert!(failed.is_empty(), "{} rows fail:\n  {}", failed.len(), failed.join("\n  "));
    assert!(!passed.is_empty(), "no row could be judged");
}

/// Cases of our own, worked out by hand from the sources that they name. All of them are judged.
#[test]
fn the_mechanisms_of_kubernetes_and_aws_agree_with_cases_worked_out_by_hand() {
    let Found { passed, failed, unknown } = judge_all(include_str!("vectors/cases.json"));
    assert!(failed.is_empty(), "{} rows fail:\n  {}", failed.len(), failed.join("\n  "));
    assert!(unknown.is_empty(), "{} rows are not judged:\n  {}", unknown.len(), unknown.join("\n  "));
    assert!(passed.len() > 200, "{}", passed.len());
}
