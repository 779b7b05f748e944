//! Runs the scenarios of a kit through lbsim and compares its figures with what theory, papers, independent simulations and
//! real balancers say. `tests/truth/README.md` says where the expected numbers come from.

#[path = "truth/expression.rs"]
mod expression;

use expression::{evaluate, number};
use rayon::prelude::*;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A figure that a scenario has to give.
#[derive(Deserialize)]
struct Row {
    id: String,
    scenario: String,
    /// `core`, or a part of the program that may be still to come.
    needs: String,
    /// An expression over the first variant of summary.json.
    read: String,
    value: f64,
    tolerance: Tolerance,
    /// Where the value comes from.
    #[serde(default)]
    source: String,
}

#[derive(Deserialize)]
struct Tolerance {
    r#type: String,
    value: f64,
}

impl Row {
    fn holds(&self, found: f64) -> Result<bool, String> {
        let off = (found - self.value).abs();
        match self.tolerance.r#type.as_str() {
            "rel" => Ok(off <= self.tolerance.value * self.value.abs()),
            "abs" => Ok(off <= self.tolerance.value),
            "exact" => Ok(found == self.value),
            // Bounds; the slack is that of a number that was written in decimals.
            "min" => Ok(found >= self.value - 1e-6),
            "max" => Ok(found <= self.value + 1e-6),
            other => Err(format!("tolerance {other} is not known")),
        }
    }
}

impl Row {
    /// A line of the documentation's table.
    fn line(&self, found: f64) -> String {
        let allowed = match (self.tolerance.r#type.as_str(), self.tolerance.value) {
            ("rel", value) => format!("± {} %", plain(value * 100.0)),
            ("abs", value) => format!("± {}", plain(value)),
            ("min", _) => "at least".to_owned(),
            ("max", _) => "at most".to_owned(),
            _ => "exactly".to_owned(),
        };
        let mark = if self.holds(found).unwrap_or(false) { "" } else { " **does not hold**" };
        let source = self.source.replace('|', "/");
        format!(
            "| `{}` | `{}` | {} | {}{mark} | {allowed} | {source} |",
            self.id,
            self.read.replace('|', "/"),
            plain(self.value),
            plain(found)
        )
    }
}

/// Five significant digits.
fn plain(value: f64) -> String {
    let rounded: f64 = format!("{value:.4e}").parse().unwrap_or(value);
    rounded.to_string()
}

/// The table in `docs/` must be that of this run, figure by figure: the same seed gives the same numbers.
/// `UPDATE_CHECKED=1 cargo test --test truth` writes it anew.
fn check_table(kit: &str, title: &str, verdict: &Verdict) -> Result<(), String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/checked-{kit}.md"));
    let mut text = format!(
        "# {title}\n\n{} rows hold, {} do not; written by `UPDATE_CHECKED=1 cargo test --test truth`.\n\n",
        verdict.held,
        verdict.red.len()
    );
    for red in verdict.known.iter().filter(|red| verdict.red.iter().any(|told| told.starts_with(&red.id))) {
        text +=
            &format!("`{}` does not hold, and a second computation agrees with lbsim: {}.\n\n", red.id, red.because.trim_end_matches('.'));
    }
    text += "| row | figure | expected | lbsim | allowed | source |\n| --- | --- | --- | --- | --- | --- |\n";
    verdict.told.iter().for_each(|line| text += &format!("{line}\n"));
    if std::env::var_os("UPDATE_CHECKED").is_some() {
        return std::fs::write(&path, text).map_err(|error| error.to_string());
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let stale = written.lines().zip(text.lines()).find(|(old, new)| old != new).map(|(_, new)| new.to_owned());
    if written == text {
        Ok(())
    } else {
        Err(format!("{} is stale, at {stale:?}: UPDATE_CHECKED=1 cargo test --test truth", path.display()))
    }
}

/// What became of a scenario.
enum Outcome {
    /// The first variant of its summary.
    Ran(Value),
    /// It uses what lbsim does not have yet, and is told so.
    Later,
    Broken(String),
}

/// Whether all that is wrong with a scenario is that something in it comes with a later release.
fn is_refused_as_later(errors: &str) -> bool {
    let mut errors = errors.lines().filter(|line| line.starts_with("error:")).peekable();
    errors.peek().is_some() && errors.all(|line| line.contains("known, but not part of"))
}

fn run(scenario: &Path) -> Outcome {
    let outcome = || -> Result<Outcome, String> {
        let out = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_lbsim"));
        command.arg(scenario).arg("--out").arg(out.path()).args(["--quiet", "--jobs", "1"]);
        let done = command.output().map_err(|error| error.to_string())?;
        let errors = String::from_utf8_lossy(&done.stderr);
        if is_refused_as_later(&errors) {
            return Ok(Outcome::Later);
        }
        let summary = std::fs::read_to_string(out.path().join("summary.json"));
        let summary = summary.map_err(|_| format!("no result ({}): {}", done.status, errors.lines().next().unwrap_or_default()))?;
        let summary: Value = serde_json::from_str(&summary).map_err(|error| error.to_string())?;
        summary["variants"].get(0).cloned().map(Outcome::Ran).ok_or_else(|| "no variant".to_owned())
    };
    outcome().unwrap_or_else(Outcome::Broken)
}

/// What must hold in every run, whatever it simulates.
fn broken_identities(variant: &Value) -> Result<Vec<String>, String> {
    let mut broken = Vec::new();
    let sent = evaluate("requests.sent", variant)?;
    let rest = evaluate("requests.sent - requests.ok - requests.failed - requests.unfinished", variant)?;
    if rest.abs() > 1e-6 * sent.max(1.0) {
        broken.push(format!("sent - ok - failed - unfinished = {rest}"));
    }
    let shares = if evaluate("attempts.sent", variant)? > 0.0 { evaluate("sum(s.share for s in servers)", variant)? } else { 1.0 };
    if (shares - 1.0).abs() > 1e-6 {
        broken.push(format!("shares sum to {shares}"));
    }
    let kinds = variant["requests"]["by_error"].as_object().into_iter().flat_map(|kinds| kinds.values());
    let failed: f64 = kinds.map(number).sum::<Result<f64, String>>()?;
    if (failed - evaluate("requests.failed", variant)?).abs() > 1e-6 * sent.max(1.0) {
        broken.push(format!("the kinds of errors sum to {failed}"));
    }
    let percentiles = ["p50", "p90", "p95", "p99", "p99_9", "max"].map(|name| &variant["latency_ms"][name]);
    let percentiles: Vec<f64> = percentiles.into_iter().filter_map(|figure| number(figure).ok()).collect();
    if !percentiles.is_sorted_by(|below, above| *below <= above * (1.0 + 1e-9)) {
        broken.push(format!("percentiles fall: {percentiles:?}"));
    }
    Ok(broken)
}

/// A row that does not hold and that a second computation, independent of lbsim, sides against. It is told in every run.
#[derive(Deserialize)]
struct Red {
    id: String,
    /// What the second computation allows.
    between: (f64, f64),
    because: String,
}

fn red_rows() -> Vec<Red> {
    serde_json::from_str(include_str!("truth/red.json")).expect("red.json is a list of rows")
}

/// What a kit comes to.
struct Verdict {
    held: usize,
    skipped: usize,
    failures: Vec<String>,
    /// Rows that are known not to hold.
    red: Vec<String>,
    known: Vec<Red>,
    /// All rows with what was found, as lines of a table.
    told: Vec<String>,
}

impl Verdict {
    fn judge(&mut self, name: &str, rows: &[Row], outcome: Outcome) {
        match outcome {
            Outcome::Ran(variant) => {
                let broken = broken_identities(&variant).unwrap_or_else(|why| vec![why]);
                self.failures.extend(broken.into_iter().map(|broken| format!("{name:52} {broken}")));
                rows.iter().for_each(|row| self.judge_row(row, &variant));
            }
            Outcome::Later => {
                let (core, later): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.needs == "core");
                self.skipped += later.len();
                self.failures.extend(core.iter().map(|row| format!("{:52} is refused, though it needs core only", row.id)));
            }
            Outcome::Broken(why) => self.failures.extend(rows.iter().map(|row| format!("{:52} {why}", row.id))),
        }
    }

    fn judge_row(&mut self, row: &Row, variant: &Value) {
        let found = evaluate(&row.read, variant);
        if let Ok(found) = found {
            self.told.push(row.line(found));
        }
        match found.clone().and_then(|found| row.holds(found)) {
            Ok(true) => self.held += 1,
            Ok(false) => {
                let found = found.unwrap_or(f64::NAN);
                let (off, tolerance) = (found - row.value, &row.tolerance);
                let relative = 100.0 * off / row.value.abs();
                let told = format!(
                    "{:52} {found:14.6} expected {:14.6}, off {off:+.5} ({relative:+.2} %), allowed {} {}",
                    row.id, row.value, tolerance.r#type, tolerance.value
                );
                match self.known.iter().find(|red| red.id == row.id && (red.between.0..=red.between.1).contains(&found)) {
                    Some(red) => self.red.push(format!("{told}\n    {}", red.because)),
                    None => self.failures.push(told),
                }
            }
            Err(why) => self.failures.push(format!("{:52} cannot read {}: {why}", row.id, row.read)),
        }
    }
}

/// From this time on a scenario's duration is told.
const SLOW: Duration = Duration::from_secs(5);

/// One kit at a time: a kit uses all processors by itself.
static TURN: Mutex<()> = Mutex::new(());

/// Runs each scenario of the kit once and judges its rows. `title`: of its table in the documentation.
fn check(kit: &Path, title: Option<&str>) {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let started = Instant::now();
    let expected = std::fs::read_to_string(kit.join("expect.json")).expect("a kit has an expect.json");
    let rows: Vec<Row> = serde_json::from_str(&expected).expect("rows of a kit");
    assert!(!rows.is_empty(), "a kit has rows");
    let mut by_scenario: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    rows.into_iter().for_each(|row| by_scenario.entry(row.scenario.clone()).or_default().push(row));
    let scenarios: Vec<(String, Vec<Row>)> = by_scenario.into_iter().collect();
    let run_timed = |(name, _): &(String, Vec<Row>)| {
        let started = Instant::now();
        let outcome = run(&kit.join("scenarios").join(format!("{name}.yaml")));
        (outcome, started.elapsed())
    };
    let outcomes: Vec<(Outcome, Duration)> = scenarios.par_iter().with_max_len(1).map(run_timed).collect();
    let mut verdict = Verdict { held: 0, skipped: 0, failures: Vec::new(), red: Vec::new(), known: red_rows(), told: Vec::new() };
    let mut report = String::new();
    for ((name, rows), (outcome, took)) in scenarios.iter().zip(outcomes) {
        verdict.judge(name, rows, outcome);
        if took > SLOW {
            report += &format!("{name:52} {:8.1} s\n", took.as_secs_f64());
        }
    }
    verdict.failures.iter().for_each(|failure| report += &format!("{failure}\n"));
    verdict.red.iter().for_each(|red| report += &format!("{red}\n"));
    let table = title.map_or(Ok(()), |title| check_table(&kit.file_name().unwrap_or_default().to_string_lossy(), title, &verdict));
    let Verdict { held, skipped, failures, red, .. } = verdict;
    let (failed, seconds) = (failures.len(), started.elapsed().as_secs_f64());
    let name = kit.file_name().unwrap_or_default().display();
    report += &format!(
        "{name}: {held} rows hold, {failed} do not, {} are known to be red, {skipped} are for a later release ({seconds:.0} s)\n",
        red.len()
    );
    drop(turn);
    // Past the capture of output, so that the count is seen when all is well, too.
    let told = std::io::stderr().write_all(format!("\n{report}").as_bytes());
    assert!(told.is_ok() && failures.is_empty(), "{failed} rows of {} do not hold", kit.display());
    assert_eq!(table, Ok(()));
}

fn kit(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/truth").join(name)
}

#[test]
fn theory_and_independent_simulations_agree() {
    check(&kit("kit"), Some("Theory, papers and independent simulations against lbsim"));
}

#[test]
fn replayed_traces_agree_with_real_balancers() {
    check(&kit("reality"), Some("Real HAProxy, nginx and Envoy against lbsim"));
}

/// `LBSIM_KIT=<folder> cargo test --test truth`: a kit of one's own.
#[test]
fn another_kit_agrees() {
    match std::env::var_os("LBSIM_KIT") {
        Some(folder) => check(Path::new(&folder), None),
        None => println!("skipped: LBSIM_KIT names no folder with expect.json and scenarios"),
    }
}

#[test]
fn tolerances_are_inclusive_on_both_sides_and_bounds_on_one() {
    let row = |r#type: &str, value: f64| Row {
        id: String::new(),
        source: String::new(),
        scenario: String::new(),
        needs: String::new(),
        read: String::new(),
        value: -10.0,
        tolerance: Tolerance { r#type: r#type.to_owned(), value },
    };
    for (kind, tolerance, holds, fails) in [
        ("rel", 0.1, [-11.0, -9.0], [-11.1, -8.9]),
        ("abs", 0.5, [-10.5, -9.5], [-10.6, -9.4]),
        ("exact", 0.0, [-10.0, -10.0], [-10.000001, -9.999999]),
        ("min", 0.0, [-10.0, 5.0], [-10.1, -11.0]),
        ("max", 0.0, [-10.0, -50.0], [-9.9, 0.0]),
    ] {
        assert!(holds.into_iter().all(|found| row(kind, tolerance).holds(found) == Ok(true)), "{kind}");
        assert!(fails.into_iter().all(|found| row(kind, tolerance).holds(found) == Ok(false)), "{kind}");
    }
    assert!(row("about", 1.0).holds(1.0).is_err());
}

#[test]
fn broken_identities_are_found() {
    let variant = serde_json::json!({
        "requests": { "sent": 10, "ok": 6, "failed": 3, "unfinished": 0, "by_error": { "timeout": 2 } },
        "attempts": { "sent": 12 },
        "servers": [{ "share": 0.5 }, { "share": 0.4 }],
        "latency_ms": { "p50": 2.0, "p90": 1.0, "max": null },
    });
    let broken = broken_identities(&variant).expect("all figures are there");
    assert_eq!(broken.len(), 4, "{broken:?}");
    assert!(is_refused_as_later("error: `maglev` is known, but not part of lbsim 0.1 yet\n --> x.yaml:3\n"));
    assert!(
        !is_refused_as_later("error: `maglev` is known, but not part of lbsim 0.1 yet\nerror: no servers\n") && !is_refused_as_later("")
    );
}
