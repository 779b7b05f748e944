//! The table for the terminal: a row for each variant, the columns that matter most, as many as fit.

use super::{coordinates, count, name, number, percent, percent_round};
use crate::summary::{Failover, Figure, MATTERS, Metric, Summary, VariantSummary};
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table};

/// How it is to look.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Columns of the terminal.
    pub width: usize,
    pub color: bool,
}

/// A column of figures.
struct Column {
    title: &'static str,
    /// The higher, the longer it stays where there is no room for all.
    worth: u8,
    cell: fn(&VariantSummary) -> Option<String>,
    /// What its values are compared by.
    metric: Option<Metric>,
}

const COLUMNS: [Column; 11] = [
    Column { title: "mean ms", worth: 6, cell: |told| figure(told.latency_ms.mean, number), metric: Some(Metric::Mean) },
    Column { title: "p50 ms", worth: 3, cell: |told| figure(told.latency_ms.p50, number), metric: Some(Metric::P50) },
    Column { title: "p99 ms", worth: 9, cell: |told| figure(told.latency_ms.p99, number), metric: Some(Metric::P99) },
    Column { title: "±%", worth: 4, cell: half_width, metric: None },
    Column { title: "failed %", worth: 8, cell: |told| told.failed_share().map(percent), metric: Some(Metric::FailedShare) },
    Column { title: "lost", worth: 7, cell: |told| only_fault(told)?.failed_requests.map(|lost| count(lost.value)), metric: None },
    Column {
        title: "detected s",
        worth: 7,
        cell: |told| only_fault(told)?.detected_after_s.map(|after| number(after.value)),
        metric: None,
    },
    Column { title: "busy % (max)", worth: 5, cell: busy, metric: None },
    Column { title: "moved %", worth: 2, cell: |told| figure(told.affinity.requests_moved_share, percent), metric: None },
    Column { title: "ok/s", worth: 1, cell: |told| figure(told.throughput_rps, number), metric: None },
    Column { title: "jain", worth: 0, cell: |told| figure(told.fairness.jain_requests, |jain| format!("{jain:.3}")), metric: None },
];

fn figure(figure: Figure, print: fn(f64) -> String) -> Option<String> {
    figure.map(|estimate| print(estimate.value))
}

/// Half the width of the p99's interval, of its value.
fn half_width(told: &VariantSummary) -> Option<String> {
    let p99 = told.latency_ms.p99?;
    let half_width = p99.half_width()?;
    (p99.value > 0.0).then(|| percent_round(half_width / p99.value))
}

/// What several faults did does not fit into a cell.
fn only_fault(told: &VariantSummary) -> Option<&Failover> {
    match &told.failover[..] {
        [fault] => Some(fault),
        _ => None,
    }
}

/// Utilization of all servers, and of the busiest of each run: by chance it may be another one each time, and be hidden in the servers'
/// own averages.
fn busy(told: &VariantSummary) -> Option<String> {
    let most = told.fairness.utilization_max?.value;
    Some(format!("{:.0} ({:.0})", told.mean_utilization()? * 100.0, most * 100.0))
}

const BEST: char = '*';
const YARDSTICK: char = '†';
const GREEN: &str = "\u{1b}[32m";
const PLAIN: &str = "\u{1b}[0m";

/// A row: a variant at a point, and the metrics in which it is the best there.
struct Row<'a> {
    told: &'a VariantSummary,
    best: Vec<Metric>,
}

/// The table, and below it what its marks mean. Fits into the width, unless names and the most valuable columns do not.
pub fn table(summary: &Summary, look: Look) -> String {
    let best = |told| Metric::ALL.into_iter().filter(|metric| is_best(summary, told, *metric)).collect();
    let members = summary.by_point().into_iter().flatten();
    let rows: Vec<Row> = members.map(|told| Row { told, best: best(told) }).collect();
    let is_used = |column: &&Column| rows.iter().any(|row| (column.cell)(row.told).is_some());
    let mut columns: Vec<&Column> = COLUMNS.iter().filter(is_used).collect();
    let mut hidden = Vec::new();
    let mut lines = render(&rows, &columns, usize::MAX);
    while width(&lines) > look.width && columns.iter().any(|column| column.worth < WORTH_ALWAYS) {
        let least = columns.iter().enumerate().min_by_key(|(_, column)| column.worth).map_or(0, |(index, _)| index);
        hidden.push(columns.remove(least).title);
        lines = render(&rows, &columns, usize::MAX);
    }
    if width(&lines) > look.width {
        lines = render(&rows, &columns, SHORT_NAME);
    }
    let text = lines.join("\n") + "\n";
    let legend = legend(summary, text.contains(BEST), &hidden, look.width);
    if look.color { colored(&text) + &legend } else { text + &legend }
}

/// Columns of this worth stay, whatever the width.
const WORTH_ALWAYS: u8 = 8;
/// Characters of a name where there is no room.
const SHORT_NAME: usize = 16;

fn width(lines: &[String]) -> usize {
    lines.iter().map(|line| line.chars().count()).max().unwrap_or(0)
}

fn render(rows: &[Row], columns: &[&Column], name_max: usize) -> Vec<String> {
    let is_swept = rows.iter().any(|row| !row.told.point.is_empty());
    let mut table = Table::new();
    let style = NOTHING.header_separator(LineStyle::none().fill('-').junction('-'));
    table.load_style(style).set_content_arrangement(ContentArrangement::Disabled);
    let keys = ["variant", "at"].into_iter().take(1 + usize::from(is_swept));
    table.set_header(keys.clone().chain(columns.iter().map(|column| column.title)));
    for row in rows {
        let mut cells = vec![variant_name(row.told, name_max)];
        cells.extend(is_swept.then(|| coordinates(&row.told.point)));
        cells.extend(columns.iter().map(|column| cell(row, column, rows)));
        table.add_row(cells);
    }
    for index in keys.count()..table.column_count() {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

fn cell(row: &Row, column: &Column, rows: &[Row]) -> String {
    let is_marked = |row: &Row| column.metric.is_some_and(|metric| row.best.contains(&metric));
    let mut text = (column.cell)(row.told).unwrap_or_else(|| "-".to_owned());
    if is_marked(row) {
        text.push(BEST);
    } else if rows.iter().any(is_marked) {
        // The digits of a column stand under each other.
        text.push(' ');
    }
    text
}

fn variant_name(told: &VariantSummary, max: usize) -> String {
    let full = name(&told.name);
    let mut shown: String = full.chars().take(max).collect();
    if shown.len() < full.len() {
        shown.push('…');
    }
    if told.oracle {
        shown.push(YARDSTICK);
    }
    shown
}

/// Better than every other variant at its point, yardsticks aside, beyond noise and by enough to matter.
pub(super) fn is_best(summary: &Summary, told: &VariantSummary, metric: Metric) -> bool {
    let is_yardstick = |name: &str| summary.variants.iter().any(|other| other.name == name && other.point == told.point && other.oracle);
    let mut rows = (summary.comparisons.iter())
        .filter(|row| row.metric == metric && row.point == told.point && !is_yardstick(&row.against))
        .peekable();
    rows.peek().is_some() && rows.all(|row| row.best == told.name && row.matters())
}

/// Figures with a mark in green.
fn colored(text: &str) -> String {
    let is_marked = |word: &str| word.ends_with(BEST) && word.starts_with(|c: char| c.is_ascii_digit() || c == '<');
    let words = text.split_inclusive([' ', '\n']).map(|word| {
        let figure = word.trim_end();
        if is_marked(figure) { format!("{GREEN}{figure}{PLAIN}{}", &word[figure.len()..]) } else { word.to_owned() }
    });
    words.collect()
}

fn legend(summary: &Summary, is_marked: bool, hidden: &[&str], width: usize) -> String {
    let mut lines = Vec::new();
    if is_marked {
        let there = if summary.by_point().len() > 1 { " there" } else { "" };
        lines.push(format!("{BEST} the lowest{there}, by {} % or more and by joint 95 % paired intervals", 100.0 * MATTERS));
    }
    if summary.variants.iter().any(|told| told.oracle) {
        lines.push(format!("{YARDSTICK} a yardstick: it knows what no balancer can know"));
    }
    if !hidden.is_empty() {
        let named = format!("no room for: {}", hidden.join(", "));
        lines.push(if named.chars().count() <= width { named } else { format!("no room for {} more columns", hidden.len()) });
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}
