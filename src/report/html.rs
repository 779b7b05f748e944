//! The page: one file that needs nothing else, made of the summary and its details alone. Style, script and layout are in `templates/`.

mod platform;

use super::charts::{Chart, DataTable, css_of_series, escaped};
use super::table::is_best;
use super::{NAME_MAX, coordinates, count, glossary, name, notes, number, percent, place, verdict};
use crate::error::printable;
use crate::stats::Estimate;
use crate::summary::{Details, Extent, Figure, Metric, Summary, VariantSummary, rounded};
use askama::Template;

/// Rows of a table; of more the first ones, and how many there are.
const ROWS_MAX: usize = 200;
const INTERVALS: &str = "Below each value its 95 % interval.";
/// Rows that stand open.
const ROWS_OPEN: usize = 24;
/// The script is allowed by its hash alone (which a test computes): whatever a name smuggles in is not run.
const SCRIPT_HASH: &str = "sha256-EzsrisF2JyvbMNxW29UtA6jFTl+E1OsXDEVpq775QeU=";

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    script_hash: &'static str,
    css: &'static str,
    script: &'static str,
    version: String,
    title: String,
    about: String,
    verdict: Vec<String>,
    notes: Vec<String>,
    comparison: String,
    has_best: bool,
    has_oracle: bool,
    is_swept: bool,
    legend: Vec<Series>,
    charts: Vec<Figured>,
    sections: Vec<Section>,
    command: String,
    seed: u64,
    replications: u32,
    source_name: String,
    source_text: String,
    terms: Vec<glossary::Term>,
}

struct Series {
    name: String,
    color: String,
}

/// A chart with its table as markup.
struct Figured {
    id: &'static str,
    title: String,
    caption: String,
    svg: String,
    table: String,
}

struct Section {
    title: &'static str,
    rows: usize,
    is_long: bool,
    table: String,
    /// What the small figures are.
    note: &'static str,
}

/// The page as text.
pub fn page(summary: &Summary, details: &Details, charts: &[Chart]) -> Result<String, askama::Error> {
    let is_swept = summary.by_point().len() > 1;
    let (comparison, has_best) = comparison(summary, is_swept);
    let text = |text: &str| printable(text, usize::MAX);
    let mut names: Vec<&str> = Vec::new();
    for told in &summary.variants {
        if !names.contains(&told.name.as_str()) {
            names.push(&told.name);
        }
    }
    let legend = names.iter().enumerate().map(|(place, known)| Series { name: name(known), color: css_of_series(place) });
    let page = Page {
        script_hash: SCRIPT_HASH,
        css: include_str!("../../templates/report.css"),
        script: include_str!("../../templates/report.js"),
        version: text(&summary.lbsim),
        title: printable(&summary.scenario, NAME_MAX * 2),
        about: text(summary.about.trim()),
        verdict: verdict(summary),
        notes: notes(summary),
        comparison,
        has_best,
        has_oracle: summary.variants.iter().any(|told| told.oracle),
        is_swept,
        legend: legend.collect(),
        charts: charts.iter().map(figured).collect(),
        sections: sections(summary),
        command: text(&details.command),
        seed: summary.seed,
        replications: summary.replications,
        source_name: text(&details.source.name),
        source_text: details.source.text.lines().map(|line| text(line) + "\n").collect(),
        terms: glossary::terms(),
    };
    page.render()
}

fn figured(chart: &Chart) -> Figured {
    let DataTable { columns, rows } = &chart.table;
    let mut table = Markup::new(columns.iter().map(|column| column.as_str()), false);
    for row in rows {
        table.row(row.iter().map(|cell| Cell::text(name(cell))));
    }
    let Chart { id, title, caption, svg, .. } = chart.clone();
    Figured { id, title, caption, svg, table: table.finish() }
}

// ---- Tables as markup ---------------------------------------------------------------------------------------------------

/// A cell: what it shows, what lies below it, what it is sorted by.
struct Cell {
    text: String,
    below: String,
    value: Option<f64>,
    class: &'static str,
}

impl Cell {
    fn text(text: String) -> Cell {
        Cell { text, below: String::new(), value: None, class: "" }
    }

    fn figure(figure: Figure, print: fn(f64) -> String) -> Cell {
        let Some(Estimate { value, ci95 }) = figure else { return Cell::text("-".to_owned()) };
        let below = ci95.map_or_else(String::new, |(low, high)| format!("{} to {}", print(low.max(0.0)), print(high)));
        Cell { text: print(value), below, value: Some(value), class: "" }
    }

    fn extent(extent: Option<Extent>, print: fn(f64) -> String) -> Cell {
        let Some(Extent { value, min, max, .. }) = extent else { return Cell::text("-".to_owned()) };
        let below = if max > min { format!("{} to {}", print(min), print(max)) } else { String::new() };
        Cell { text: print(value), below, value: Some(value), class: "" }
    }
}

/// A table being written.
struct Markup {
    html: String,
    rows: usize,
}

impl Markup {
    fn new<'a>(columns: impl Iterator<Item = &'a str>, is_sorted: bool) -> Markup {
        let head = |column: &str| match is_sorted {
            true => format!("<th scope=\"col\"><button type=\"button\" data-sort>{}</button></th>", escaped(column)),
            false => format!("<th scope=\"col\">{}</th>", escaped(column)),
        };
        let heads: String = columns.map(|column| head(&printable(column, NAME_MAX))).collect();
        Markup {
            html: format!(
                "<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"table\"><table><thead><tr>{heads}</tr></thead><tbody>"
            ),
            rows: 0,
        }
    }

    /// Beyond [`ROWS_MAX`] rows are counted, not written.
    fn row(&mut self, cells: impl Iterator<Item = Cell>) {
        self.rows += 1;
        if self.rows > ROWS_MAX {
            return;
        }
        self.html.push_str("<tr>");
        for (place, cell) in cells.enumerate() {
            let tag = if place == 0 { "th scope=\"row\"" } else { "td" };
            let class = if cell.class.is_empty() { String::new() } else { format!(" class=\"{}\"", cell.class) };
            let value = cell.value.map_or_else(String::new, |value| format!(" data-value=\"{}\"", rounded(value)));
            let below = if cell.below.is_empty() { String::new() } else { format!("<small>{}</small>", escaped(&cell.below)) };
            self.html.push_str(&format!("<{tag}{class}{value}>{}{below}</{}>", escaped(&cell.text), &tag[..2]));
        }
        self.html.push_str("</tr>");
    }

    fn finish(mut self) -> String {
        self.html.push_str("</tbody></table></div>");
        if self.rows > ROWS_MAX {
            self.html
                .push_str(&format!("<p class=\"small\">... and {} more rows, in the files beside this page.</p>", self.rows - ROWS_MAX));
        }
        self.html
    }
}

/// A column of the comparison.
struct Column {
    title: &'static str,
    figure: fn(&VariantSummary) -> Figure,
    print: fn(f64) -> String,
    metric: Option<Metric>,
}

const COLUMNS: [Column; 9] = [
    Column { title: "mean ms", figure: |told| told.latency_ms.mean, print: number, metric: Some(Metric::Mean) },
    Column { title: "p50 ms", figure: |told| told.latency_ms.p50, print: number, metric: Some(Metric::P50) },
    Column { title: "p95 ms", figure: |told| told.latency_ms.p95, print: number, metric: None },
    Column { title: "p99 ms", figure: |told| told.latency_ms.p99, print: number, metric: Some(Metric::P99) },
    Column { title: "p99.9 ms", figure: |told| told.latency_ms.p99_9, print: number, metric: Some(Metric::P999) },
    Column { title: "failed %", figure: failed, print: percent, metric: Some(Metric::FailedShare) },
    Column { title: "ok/s", figure: |told| told.throughput_rps, print: number, metric: None },
    Column { title: "moved %", figure: |told| told.affinity.requests_moved_share, print: percent, metric: None },
    Column { title: "Jain's index", figure: |told| told.fairness.jain_requests, print: |jain| format!("{jain:.3}"), metric: None },
];

fn failed(told: &VariantSummary) -> Figure {
    told.failed_share().map(|value| Estimate { value, ci95: None })
}

/// All variants at all points, and whether one of them is the best in something.
fn comparison(summary: &Summary, is_swept: bool) -> (String, bool) {
    let columns: Vec<&Column> =
        COLUMNS.iter().filter(|column| summary.variants.iter().any(|told| (column.figure)(told).is_some())).collect();
    let keys = ["variant", "at"].into_iter().take(1 + usize::from(is_swept));
    let mut table = Markup::new(keys.chain(columns.iter().map(|column| column.title)), true);
    let mut has_best = false;
    for told in summary.by_point().into_iter().flatten() {
        let mark = if told.oracle { " †" } else { "" };
        let mut cells = vec![Cell::text(format!("{}{mark}", name(&told.name)))];
        cells.extend(is_swept.then(|| Cell::text(coordinates(&told.point))));
        for column in &columns {
            let is_best = column.metric.is_some_and(|metric| is_best(summary, told, metric));
            has_best |= is_best;
            cells.push(Cell { class: if is_best { "best" } else { "" }, ..Cell::figure((column.figure)(told), column.print) });
        }
        table.row(cells.into_iter());
    }
    (table.finish(), has_best)
}

fn sections(summary: &Summary) -> Vec<Section> {
    let found = [
        ("What the faults did", failover(summary), "Below each value the least and the most of the replications."),
        ("Objectives", objectives(summary), ""),
        ("Failures by kind", errors(summary), INTERVALS),
        ("The way of requests", platform::paths(summary), INTERVALS),
        ("Pods", platform::pods(summary), INTERVALS),
        ("Answers by status", platform::statuses(summary), INTERVALS),
        ("Connections", platform::connections(summary), INTERVALS),
        ("Names", platform::names(summary), INTERVALS),
        ("Across zones", platform::zones(summary), INTERVALS),
        ("Request classes", classes(summary), INTERVALS),
        ("Servers", servers(summary), INTERVALS),
    ];
    let section = |(title, table, note): (&'static str, Markup, &'static str)| {
        let rows = table.rows;
        Section { title, rows, is_long: rows > ROWS_OPEN, table: table.finish(), note }
    };
    found.into_iter().filter(|(_, table, _)| table.rows > 0).map(section).collect()
}

fn at(told: &VariantSummary) -> Cell {
    Cell::text(place(&told.name, &told.point))
}

fn failover(summary: &Summary) -> Markup {
    let columns = [
        "variant",
        "fault",
        "failed requests",
        "detected after s",
        "last error after s",
        "restored after s",
        "wrong view s",
        "false ejections",
    ];
    let mut table = Markup::new(columns.into_iter(), true);
    for told in &summary.variants {
        for fault in &told.failover {
            let times = [fault.detected_after_s, fault.last_error_after_s, fault.restored_after_s, fault.wrong_view_s];
            let mut cells = vec![at(told), Cell::text(name(&fault.fault)), Cell::extent(fault.failed_requests, count)];
            cells.extend(times.map(|time| Cell::extent(time, number)));
            cells.push(Cell::extent(fault.false_ejections, count));
            table.row(cells.into_iter());
        }
    }
    table
}

fn objectives(summary: &Summary) -> Markup {
    let mut table = Markup::new(["variant", "objective", "limit", "value", "met"].into_iter(), true);
    for told in &summary.variants {
        for objective in &told.slo {
            let print =
                if objective.objective == "success" { |share| format!("{} %", percent(share)) } else { |ms| format!("{} ms", number(ms)) };
            let value = Cell::figure(objective.value.map(|value| Estimate { value, ci95: None }), print);
            let met = Cell {
                class: if objective.met { "best" } else { "missed" },
                ..Cell::text(if objective.met { "met" } else { "missed" }.to_owned())
            };
            table.row(
                [at(told), Cell::text(objective.objective.replace('_', ".")), Cell::text(print(objective.limit)), value, met].into_iter(),
            );
        }
    }
    table
}

fn errors(summary: &Summary) -> Markup {
    let mut table = Markup::new(["variant", "failure", "requests", "attempts"].into_iter(), true);
    for told in &summary.variants {
        let (requests, attempts) = (&told.requests.by_error, &told.attempts.by_error);
        let mut kinds: Vec<&String> = requests.keys().chain(attempts.keys()).collect();
        kinds.sort();
        kinds.dedup();
        for kind in kinds {
            let of = |counts: &std::collections::BTreeMap<String, Figure>| Cell::figure(counts.get(kind).copied().flatten(), count);
            table.row([at(told), Cell::text(kind.clone()), of(requests), of(attempts)].into_iter());
        }
    }
    table
}

fn classes(summary: &Summary) -> Markup {
    let mut table = Markup::new(["variant", "class", "path", "mean ms", "p50 ms", "p99 ms"].into_iter(), true);
    for told in summary.variants.iter().filter(|told| told.classes.len() > 1) {
        for class in &told.classes {
            let latencies = [class.latency_ms.mean, class.latency_ms.p50, class.latency_ms.p99];
            let cells = [at(told), Cell::text(name(&class.name)), Cell::text(name(&class.path))];
            table.row(cells.into_iter().chain(latencies.map(|figure| Cell::figure(figure, number))));
        }
    }
    table
}

fn servers(summary: &Summary) -> Markup {
    let columns = ["variant", "server", "attempts", "share %", "utilization %", "mean queue", "up %", "mean ms", "p99 ms"];
    let mut table = Markup::new(columns.into_iter(), true);
    for told in &summary.variants {
        for server in &told.servers {
            let mut cells = vec![at(told), Cell::text(name(&server.name)), Cell::figure(server.requests, count)];
            cells.extend([server.share, server.utilization].map(|figure| Cell::figure(figure, percent)));
            cells.push(Cell::figure(server.mean_queue, number));
            cells.push(Cell::figure(server.up, percent));
            cells.extend([server.response_ms.mean, server.response_ms.p99].map(|figure| Cell::figure(figure, number)));
            table.row(cells.into_iter());
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::charts::charts;
    use super::*;
    use crate::summary::tests::{about, record, results, variant};
    use crate::summary::{SourceText, details, summarise};
    use base64::Engine;
    use sha2::Digest;

    fn built(names: &[&str]) -> String {
        let variants: Vec<_> = names.iter().map(|name| variant(name)).collect();
        let runs: Vec<_> = (1..=names.len() as u64).map(|n| results([record(&[10 * n; 2000], n), record(&[11 * n; 2000], 0)])).collect();
        let source = SourceText { name: "a.yaml".to_owned(), text: "name: a # </pre><script>alert(2)</script>\n".to_owned() };
        let summary = summarise(&about(2), &variants, &runs);
        let details = details(source, "lbsim a.yaml --set 'x=<b>'".to_owned(), &variants, &runs);
        page(&summary, &details, &charts(&summary, &details)).unwrap()
    }

    #[test]
    fn the_script_is_allowed_by_its_hash() {
        // The browser hashes what stands between the tags, with the line break in front.
        let script = format!("\n{}", include_str!("../../templates/report.js"));
        let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(script.as_bytes()));
        assert_eq!(SCRIPT_HASH, format!("sha256-{hash}"), "templates/report.js has changed: this is its hash now");
        assert!(built(&["a"]).contains(&format!("<script>{script}</script>")));
    }

    #[test]
    fn names_with_markup_stay_text() {
        let page = built(&["<script>alert(1)</script>", "\"quoted' & \u{202e}turned"]);
        assert_eq!(page.matches("<script").count(), 1);
        assert!(page.contains("&#60;script&#62;alert(1)") || page.contains("&lt;script&gt;alert(1)"));
        assert!(
            !page.contains('\u{202e}') && page.contains("--set &#39;x=&#60;b&#62;&#39;"),
            "{:?}",
            page.find("--set").map(|at| &page[at..at + 60])
        );
    }

    #[test]
    fn the_page_needs_nothing_else_and_is_small() {
        let names: Vec<String> = (0..12).map(|n| format!("variant {n}")).collect();
        let page = built(&names.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(page.len() < 1_000_000, "{} bytes", page.len());
        let without_namespaces = page.replace("http://www.w3.org/2000/svg", "");
        for outside in ["http://", "https://", "//cdn", "src=", "@import", "url("] {
            assert!(!without_namespaces.contains(outside), "{outside}");
        }
        assert!(page.contains("default-src 'none'"));
        for part in ["What came out", "The variants", "The pictures that matter", "To repeat it", "What the numbers mean"] {
            assert!(page.contains(&format!(">{part}</h2>")), "{part}");
        }
    }

    #[test]
    fn the_best_is_marked_as_in_the_terminal() {
        let page = built(&["fast", "slow"]);
        assert_eq!(
            page.matches("<td class=\"best\"").count(),
            super::super::table(
                &crate::summary::summarise(
                    &about(2),
                    &[variant("fast"), variant("slow")],
                    &[results([record(&[10; 2000], 1), record(&[11; 2000], 0)]), results([record(&[20; 2000], 2), record(&[22; 2000], 0)])]
                ),
                super::super::Look { width: 200, color: false }
            )
            .matches('*')
            .count()
            .saturating_sub(1)
        );
    }
}
