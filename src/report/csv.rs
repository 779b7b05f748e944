//! The tables for other programs: `runs.csv`, one row for each run, and `timeline.csv`, one for each moment.
//!
//! Text is written so that neither a spreadsheet takes it for a formula nor a terminal for a command.

use crate::compile::Compiled;
use crate::error::printable;
use crate::measure::timeline::ServerBin;
use crate::model::plan::ServerPlan;
use crate::scenario::Failure;
use crate::summary::{Accumulator, LatencyFigures, LatencyMetric, RunFigures};
use std::io::{self, Write};

/// Text as a cell: control characters are escaped, and what a spreadsheet would take for a formula gets an apostrophe in front.
pub fn cell(text: &str) -> String {
    let is_formula = |c: char| matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠') || c.is_control();
    let shown = printable(text, usize::MAX);
    if text.chars().next().is_some_and(is_formula) { format!("'{shown}") } else { shown }
}

/// A number in the shortest form that reads back; empty where there is none.
fn value(number: Option<f64>) -> String {
    number.filter(|number| number.is_finite()).map_or_else(String::new, |number| number.to_string())
}

fn share(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

/// Distinct items in order of appearance.
fn distinct<'a>(items: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut known: Vec<&str> = Vec::new();
    for item in items {
        if !known.contains(&item) {
            known.push(item);
        }
    }
    known
}

fn sweep_paths(variants: &[Compiled]) -> Vec<&str> {
    distinct(variants.iter().flat_map(|variant| &variant.point).map(|(path, _)| path.as_str()))
}

/// The variant's name and its coordinates.
fn place(variant: &Compiled, paths: &[&str]) -> Vec<String> {
    let at = |path: &&str| variant.point.iter().find(|(known, _)| known == path).map_or_else(String::new, |(_, value)| cell(value));
    std::iter::once(cell(&variant.name)).chain(paths.iter().map(at)).collect()
}

fn latency_columns(prefix: &str) -> impl Iterator<Item = String> {
    LatencyMetric::ALL.into_iter().map(move |metric| format!("{prefix}{}_ms", metric.name()))
}

fn latency_cells(figures: &LatencyFigures) -> impl Iterator<Item = String> {
    LatencyMetric::ALL.into_iter().map(|metric| value(figures.get(metric)))
}

/// One row for each replication of each variant at each sweep point: all its figures but those of single servers. A fault's columns
/// carry its name; they are empty where the variant has no such fault, or where the thing did not happen.
pub fn runs(out: impl Write, variants: &[Compiled], results: &[Accumulator]) -> io::Result<()> {
    let paths = sweep_paths(variants);
    let faults = distinct(variants.iter().flat_map(|variant| &variant.topology.faults).map(|fault| fault.name.as_str()));
    let kinds = failures(variants);
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(run_columns(&paths, &faults, &kinds))?;
    for (variant, results) in variants.iter().zip(results) {
        let place = place(variant, &paths);
        for (replication, run) in results.runs.iter().enumerate() {
            let mut row = place.clone();
            row.push(replication.to_string());
            row.push(value(Some(results.warmup.as_secs_f64())));
            row.extend(run_cells(run, &faults, &kinds));
            writer.write_record(row)?;
        }
    }
    writer.flush()
}

const COUNT_COLUMNS: [&str; 9] = ["window_s", "sent", "ok", "failed", "unfinished", "stuck", "retried", "attempts_sent", "attempts_ok"];
const FIGURE_COLUMNS: [&str; 22] = [
    "failed_share",
    "waited_share",
    "utilization",
    "utilization_max",
    "mean_queue",
    "jain_requests",
    "jain_utilization",
    "max_over_mean",
    "cv",
    "users",
    "jain_latency",
    "p99_over_median",
    "sessions",
    "moved",
    "lost_state",
    "wiped",
    "requests_moved_share",
    "checks_sent",
    "checks_failed",
    "false_ejections",
    "throughput_rps",
    "events",
];
const FAULT_COLUMNS: [&str; 7] =
    ["occurrences", "detected_after_s", "last_error_after_s", "restored_after_s", "failed_requests", "false_ejections", "wrong_view_s"];

/// Kinds of failures that have a column: `4xx` only where a balancer can answer so by itself.
fn failures(variants: &[Compiled]) -> Vec<Failure> {
    let has_rules = variants.iter().any(|variant| variant.topology.balancers.iter().any(|balancer| !balancer.routing.rules.is_empty()));
    Failure::ALL.into_iter().filter(|kind| *kind != Failure::ClientError || has_rules).collect()
}

fn run_columns(paths: &[&str], faults: &[&str], kinds: &[Failure]) -> Vec<String> {
    let mut columns = vec!["variant".to_owned()];
    columns.extend(paths.iter().map(|path| cell(path)));
    columns.extend(["replication", "warmup_s"].map(str::to_owned));
    columns.extend(COUNT_COLUMNS.map(str::to_owned));
    columns.extend(kinds.iter().map(|failure| format!("error_{}", failure.name())));
    columns.extend(["", "response_", "waiting_"].into_iter().flat_map(latency_columns));
    columns.extend(FIGURE_COLUMNS.map(str::to_owned));
    columns.extend(faults.iter().flat_map(|fault| FAULT_COLUMNS.map(|column| cell(&format!("{fault} {column}")))));
    columns
}

fn run_cells(run: &RunFigures, faults: &[&str], kinds: &[Failure]) -> Vec<String> {
    let (requests, attempts) = (&run.requests, &run.attempts);
    let counts = [requests.sent, requests.ok, requests.failed(), run.unfinished, run.stuck, run.retried, attempts.sent, attempts.ok];
    let mut cells = vec![value(Some(run.window_s))];
    cells.extend(counts.map(|count| count.to_string()));
    let errors = |kind: Failure| requests.by_error().find(|(failure, _)| *failure == kind).map_or(0, |(_, count)| count);
    cells.extend(kinds.iter().map(|kind| errors(*kind).to_string()));
    cells.extend([&run.all.latency, &run.all.response, &run.all.waiting].into_iter().flat_map(latency_cells));
    cells.extend(figure_cells(run));
    for fault in faults {
        let found = run.faults.iter().find(|known| known.name == *fault);
        cells.extend(match found {
            Some(fault) => [
                fault.occurrences.to_string(),
                value(fault.detected_after_s),
                value(fault.last_error_after_s),
                value(fault.restored_after_s),
                fault.failed_requests.to_string(),
                fault.false_ejections.to_string(),
                value(Some(fault.wrong_view_s)),
            ],
            None => [const { String::new() }; FAULT_COLUMNS.len()],
        });
    }
    cells
}

fn figure_cells(run: &RunFigures) -> [String; FIGURE_COLUMNS.len()] {
    let (evenness, affinity) = (&run.evenness, &run.affinity);
    [
        value(run.failed_share()),
        value(run.all.waited_share),
        value(run.mean_utilization()),
        value(run.utilization_max()),
        value(Some(run.mean_queue())),
        value(Some(evenness.jain_requests)),
        value(evenness.jain_utilization),
        value(Some(evenness.max_over_mean)),
        value(Some(evenness.cv)),
        run.users.to_string(),
        value(Some(run.jain_latency)),
        value(run.p99_over_median),
        affinity.sessions.to_string(),
        affinity.moved.to_string(),
        affinity.lost_state.to_string(),
        affinity.wiped.to_string(),
        value(run.requests_moved_share()),
        run.checks_sent.to_string(),
        run.checks_failed.to_string(),
        run.false_ejections.to_string(),
        value(run.throughput_rps()),
        run.events.to_string(),
    ]
}

const TIMELINE_COLUMNS: [&str; 15] = [
    "t_s",
    "server",
    "sent",
    "ok",
    "failed",
    "mean_ms",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "in_system",
    "queue",
    "attempts",
    "share",
    "in_rotation",
    "up",
];

/// One row for each bin of the whole system (`server` is empty), followed by one for each server where the timeline has them.
/// Counts and standings are averages over the runs, latencies those of all runs' requests; `t_s` is the bin's start. A place for pods in
/// which none ever ran has no rows.
pub fn timeline(out: impl Write, variants: &[Compiled], results: &[Accumulator]) -> io::Result<()> {
    let paths = sweep_paths(variants);
    let mut writer = csv::Writer::from_writer(out);
    let columns = std::iter::once("variant".to_owned()).chain(paths.iter().map(|path| cell(path)));
    writer.write_record(columns.chain(TIMELINE_COLUMNS.map(str::to_owned)))?;
    for (variant, results) in variants.iter().zip(results) {
        let place = place(variant, &paths);
        let name = |(index, server): (usize, &ServerPlan)| was_there(results, index).then(|| cell(&server.name));
        let names: Vec<Option<String>> = variant.topology.servers.iter().enumerate().map(name).collect();
        for bin in 0..results.timeline.bins.len() {
            for row in bin_rows(results, bin, &names) {
                writer.write_record(place.iter().chain(&row))?;
            }
        }
    }
    writer.flush()
}

/// Whether a server is one of the summary's, or had something to do before the window began.
fn was_there(results: &Accumulator, server: usize) -> bool {
    let timeline = &results.timeline;
    let has_work = |bin: &ServerBin| bin.attempts > 0.0 || bin.in_system > 0.0;
    results.is_used(server) || timeline.server_bins.iter().skip(server).step_by(timeline.servers.max(1)).any(has_work)
}

type Row = [String; TIMELINE_COLUMNS.len()];

/// `names` has those of the servers that have rows.
fn bin_rows(results: &Accumulator, index: usize, names: &[Option<String>]) -> Vec<Row> {
    let timeline = &results.timeline;
    let runs = f64::from(timeline.runs.max(1));
    let start = (timeline.bin.0 as f64 * index as f64) / 1e9;
    let servers = timeline.server_bins.get(index * timeline.servers..(index + 1) * timeline.servers).unwrap_or_default();
    let sum = |of: fn(&ServerBin) -> f32| servers.iter().map(|server| f64::from(of(server))).sum::<f64>();
    let attempts = sum(|server| server.attempts);
    let total = |of: fn(&ServerBin) -> f32| value((!servers.is_empty()).then(|| sum(of) / runs));
    let bin = &timeline.bins[index];
    let mean = |count: u64| value(Some(count as f64 / runs));
    let whole = [
        value(Some(start)),
        String::new(),
        mean(bin.sent),
        mean(bin.ok),
        mean(bin.failed),
        value(bin.latency.mean_ms()),
        value(bin.latency.quantile_ms(0.5)),
        value(bin.latency.quantile_ms(0.95)),
        value(bin.latency.quantile_ms(0.99)),
        total(|server| server.in_system),
        total(|server| server.waiting),
        total(|server| server.attempts),
        String::new(),
        String::new(),
        String::new(),
    ];
    let of_server = |(server, name): (&ServerBin, &String)| {
        let mean = |sum: f32| value(Some(f64::from(sum) / runs));
        let mut row: Row = std::array::from_fn(|_| String::new());
        (row[0], row[1]) = (value(Some(start)), name.clone());
        let standing = [mean(server.in_system), mean(server.waiting), mean(server.attempts)];
        row[9..12].clone_from_slice(&standing);
        row[12] = value(share(f64::from(server.attempts), attempts));
        (row[13], row[14]) = (mean(server.in_rotation), mean(server.up));
        row
    };
    let there = servers.iter().zip(names).filter_map(|(server, name)| Some((server, name.as_ref()?)));
    std::iter::once(whole).chain(there.map(of_server)).collect()
}
