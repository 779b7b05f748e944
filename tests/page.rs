//! The page beside the figures that it is made from: every number in its tables is one of `summary.json`, rounded, and its text is what was
//! reviewed. `INSTA_UPDATE=always cargo test --test page` writes the text anew.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// The results of a scenario, written by the program: the page and the summary.
fn results(scenario: &str) -> (String, Value) {
    let folder = TempDir::new().expect("a folder");
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let done =
        Command::new(env!("CARGO_BIN_EXE_lbsim")).current_dir(here).arg(scenario).arg("--out").arg(folder.path()).arg("--quiet").status();
    assert!(done.expect("lbsim runs").success(), "{scenario}");
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect("a file");
    (
        read("report.html").replace(&folder.path().display().to_string(), "FOLDER"),
        serde_json::from_str(&read("summary.json")).expect("JSON"),
    )
}

/// A cell: its text, the small figures below it, what it is sorted by.
#[derive(Clone, Debug)]
struct Cell {
    text: String,
    below: Option<String>,
    value: Option<f64>,
}

/// Tables below a heading: rows of cells by the heads of their columns.
fn table(page: &str, heading: &str) -> Vec<BTreeMap<String, Cell>> {
    let from = page.find(&format!(">{heading}</h2>")).unwrap_or_else(|| panic!("no {heading}"));
    let begin = from + page[from..].find("<table>").expect("a table");
    let end = begin + page[begin..].find("</table>").expect("its end") + "</table>".len();
    // HTML lets an attribute stand without a value.
    let text = page[begin..end].replace(" data-sort>", ">");
    let tree = roxmltree::Document::parse(&text).expect("a table is well-formed");
    let heads: Vec<String> = tree.descendants().filter(|node| node.has_tag_name("button")).map(|node| text_of(&node)).collect();
    let rows = tree.descendants().filter(|node| node.has_tag_name("tr")).skip(1);
    let cell = |node: roxmltree::Node| {
        let small = node.children().find(|child| child.has_tag_name("small"));
        let text = node.children().filter(|child| child.is_text()).map(|child| child.text().unwrap_or_default()).collect();
        let value = node.attribute("data-value").map(|value| value.parse().expect("a number"));
        Cell { text, below: small.map(|small| text_of(&small)), value }
    };
    let row = |node: roxmltree::Node| heads.iter().cloned().zip(node.children().map(cell)).collect();
    rows.map(row).collect()
}

fn text_of(node: &roxmltree::Node) -> String {
    node.descendants().filter_map(|node| if node.is_text() { node.text() } else { None }).collect()
}

/// Whether a printed number is this one, rounded: to half a unit of its last digit.
fn is_rounded(printed: &str, exact: f64) -> bool {
    let plain = printed.trim_end_matches([' ', '%', 'm', 's']).replace(',', "");
    if plain == "<0.001" {
        return exact > 0.0 && exact < 0.001;
    }
    let digits = plain.split_once('.').map_or(0, |(_, digits)| digits.len() as i32);
    let told: f64 = plain.parse().unwrap_or_else(|_| panic!("`{printed}` is a number"));
    // Eight digits are written: a tie may have fallen to either side of it.
    (told - exact).abs() <= 0.5 * 10f64.powi(-digits) * (1.0 + 1e-6) + exact.abs() * 1e-7
}

/// Checks a cell against an estimate or an extent of the summary; returns how many numbers it was.
fn compare(place: &str, cell: &Cell, found: &Value, scale: f64, range: (&str, &str)) -> usize {
    if found.is_null() {
        assert_eq!((cell.text.as_str(), cell.value), ("-", None), "{place}");
        return 0;
    }
    let exact = found["value"].as_f64().expect("a value");
    assert_eq!(cell.value, Some(exact), "{place}");
    assert!(is_rounded(&cell.text, exact * scale), "{place}: {} for {exact}", cell.text);
    let ends = match range {
        ("ci95", _) => found["ci95"].as_array().map(|ends| (ends[0].as_f64().expect("low"), ends[1].as_f64().expect("high"))),
        (low, high) => Some((found[low].as_f64().expect("low"), found[high].as_f64().expect("high"))).filter(|(low, high)| low < high),
    };
    let Some((low, high)) = ends else {
        assert_eq!(cell.below, None, "{place}");
        return 1;
    };
    let below = cell.below.clone().unwrap_or_else(|| panic!("{place} has its range"));
    let (told_low, told_high) = below.split_once(" to ").expect("a range");
    assert!(is_rounded(told_low, low.max(0.0) * scale) && is_rounded(told_high, high * scale), "{place}: {below} for {low} to {high}");
    3
}

const CI: (&str, &str) = ("ci95", "");

/// The cells that a row must have, by column: where it stands in the summary, and times what it is shown.
type Columns = [(&'static str, &'static str, f64)];

fn row(place: &str, row: &BTreeMap<String, Cell>, of: &Value, columns: &Columns, range: (&str, &str)) -> usize {
    let mut seen = 0;
    for (column, pointer, scale) in columns {
        // A column that is empty for all variants is left out.
        let Some(cell) = row.get(*column) else {
            assert!(of.pointer(pointer).is_none_or(Value::is_null), "{place} lacks {column}");
            continue;
        };
        seen += compare(&format!("{place}, {column}"), cell, of.pointer(pointer).unwrap_or(&Value::Null), *scale, range);
    }
    let known = |head: &str| columns.iter().any(|(column, ..)| *column == head);
    let foreign: Vec<&String> = row.iter().filter(|(head, cell)| !known(head) && cell.value.is_some()).map(|(head, _)| head).collect();
    assert!(foreign.iter().all(|head| *head == "failed %"), "{place}: {foreign:?} was not compared");
    seen
}

#[test]
fn every_number_in_the_tables_is_that_of_the_summary() {
    let mut seen = 0;
    for scenario in ["page.yaml", "cmd/small.yaml"] {
        let (page, summary) = results(scenario);
        let variants = summary["variants"].as_array().expect("variants");
        let comparison = table(&page, "The variants");
        assert_eq!(comparison.len(), variants.len(), "{scenario}");
        let columns = [
            ("mean ms", "/latency_ms/mean", 1.0),
            ("p50 ms", "/latency_ms/p50", 1.0),
            ("p95 ms", "/latency_ms/p95", 1.0),
            ("p99 ms", "/latency_ms/p99", 1.0),
            ("p99.9 ms", "/latency_ms/p99_9", 1.0),
            ("ok/s", "/throughput_rps", 1.0),
            ("moved %", "/affinity/requests_moved_share", 100.0),
            ("Jain's index", "/fairness/jain_requests", 1.0),
        ];
        for (line, told) in comparison.iter().zip(variants) {
            let place = format!("{scenario}, {}", told["name"]);
            seen += row(&place, line, told, &columns, CI);
            let count = |kind: &str| told["requests"][kind]["value"].as_f64().expect("a count");
            let failed = (count("failed") + count("stuck")) / (count("ok") + count("failed") + count("stuck"));
            let value = line["failed %"].value.expect("a share");
            assert!((value - failed).abs() < 1e-7, "{place}: {value} for {failed}");
            assert!(is_rounded(&line["failed %"].text, value * 100.0), "{place}: {:?}", line["failed %"]);
            seen += 1;
        }
        let mut faults = table(&page, "What the faults did").into_iter();
        let mut objectives = table(&page, "Objectives").into_iter();
        let mut failures = table(&page, "Failures by kind").into_iter();
        let mut servers = table(&page, "Servers").into_iter();
        let mut classes = if page.contains(">Request classes<") { table(&page, "Request classes") } else { Vec::new() }.into_iter();
        for told in variants {
            let place = format!("{scenario}, {}", told["name"]);
            let list = |part: &str| told[part].as_array().expect("a list").clone();
            for fault in list("failover") {
                let line = faults.next().expect("a row");
                assert_eq!(line["fault"].text, fault["fault"].as_str().unwrap_or_default());
                let columns = [
                    ("failed requests", "/failed_requests", 1.0),
                    ("detected after s", "/detected_after_s", 1.0),
                    ("last error after s", "/last_error_after_s", 1.0),
                    ("restored after s", "/restored_after_s", 1.0),
                    ("wrong view s", "/wrong_view_s", 1.0),
                    ("false ejections", "/false_ejections", 1.0),
                ];
                seen += row(&format!("{place}, {}", fault["fault"]), &line, &fault, &columns, ("min", "max"));
            }
            for objective in list("slo") {
                let line = objectives.next().expect("a row");
                let scale = if objective["objective"] == "success" { 100.0 } else { 1.0 };
                assert!(is_rounded(&line["limit"].text, objective["limit"].as_f64().expect("a limit") * scale), "{place}: {line:?}");
                assert_eq!(line["value"].value, objective["value"].as_f64(), "{place}");
                assert!(is_rounded(&line["value"].text, objective["value"].as_f64().expect("a value") * scale), "{place}: {line:?}");
                assert_eq!(line["met"].text == "met", objective["met"].as_bool().expect("met or not"));
                seen += 2;
            }
            let kinds = |part: &str| told[part]["by_error"].as_object().expect("kinds").clone();
            let (requests, attempts) = (kinds("requests"), kinds("attempts"));
            let mut names: Vec<&String> = requests.keys().chain(attempts.keys()).collect();
            names.sort();
            names.dedup();
            for kind in names {
                let line = failures.next().expect("a row");
                assert_eq!(&line["failure"].text, kind);
                let one = |counts: &serde_json::Map<String, Value>| counts.get(kind).cloned().unwrap_or(Value::Null);
                seen += compare(&format!("{place}, {kind}"), &line["requests"], &one(&requests), 1.0, CI);
                seen += compare(&format!("{place}, {kind}"), &line["attempts"], &one(&attempts), 1.0, CI);
            }
            for server in list("servers") {
                let line = servers.next().expect("a row");
                assert_eq!(line["server"].text, server["name"].as_str().unwrap_or_default());
                let columns = [
                    ("attempts", "/requests", 1.0),
                    ("share %", "/share", 100.0),
                    ("utilization %", "/utilization", 100.0),
                    ("mean queue", "/mean_queue", 1.0),
                    ("up %", "/up", 100.0),
                    ("mean ms", "/response_ms/mean", 1.0),
                    ("p99 ms", "/response_ms/p99", 1.0),
                ];
                seen += row(&format!("{place}, {}", server["name"]), &line, &server, &columns, CI);
            }
            for class in list("classes").into_iter().filter(|_| list("classes").len() > 1) {
                let line = classes.next().expect("a row");
                let columns =
                    [("mean ms", "/latency_ms/mean", 1.0), ("p50 ms", "/latency_ms/p50", 1.0), ("p99 ms", "/latency_ms/p99", 1.0)];
                seen += row(&format!("{place}, {}", class["name"]), &line, &class, &columns, CI);
            }
        }
        let rest = [faults.count(), objectives.count(), failures.count(), servers.count(), classes.count()];
        assert_eq!(rest, [0; 5], "{scenario}: rows that nobody stands for");
    }
    assert!(seen > 500, "{seen} numbers");
}

/// Text as it stands between tags, a line for each block; without style, script, and pictures.
fn text_of_page(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    while let Some(begin) = rest.find('<') {
        text.push_str(&rest[..begin]);
        let tag = &rest[begin..];
        let skipped = ["style", "script", "svg", "head"].into_iter().find(|name| tag[1..].starts_with(name) && !tag.starts_with("<header"));
        let end = match skipped {
            Some(name) => tag.find(&format!("</{name}>")).expect("an end") + name.len() + 3,
            None => tag.find('>').expect("an end") + 1,
        };
        let is_inline = ["<small", "</small", "<span", "<code", "</code", "</span", "<button", "</button", "<td", "<th>", "<th "]
            .iter()
            .any(|inline| tag.starts_with(inline));
        let is_cell = ["</td", "</th"].iter().any(|cell| tag.starts_with(cell));
        text.push_str(match (is_inline, is_cell) {
            (true, _) => " ",
            (_, true) => " | ",
            _ => "\n",
        });
        rest = &tag[end..];
    }
    let lines =
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|line| !line.is_empty() && line != "|");
    let joined = lines.collect::<Vec<_>>().join("\n");
    ["&#60;<", "&#62;>", "&#39;'", "&#34;\"", "&#38;&"].iter().fold(joined, |text, pair| text.replace(&pair[..5], &pair[5..]))
}

#[test]
fn the_page_says_what_was_reviewed() {
    let (page, _) = results("page.yaml");
    let text = text_of_page(&page);
    // Definitions are those of docs/metrics.md, word for word, and the figures behind the pictures fill pages.
    let end = text.find("What the numbers mean").expect("definitions");
    insta::assert_snapshot!("page", &text[..end]);
}
