//! What people read: a table and a verdict for the terminal, and the files of the results folder. Pure functions from the
//! summary to text, but for `files`, which writes.

mod bars;
mod changes;
pub mod charts;
pub mod csv;
mod files;
pub mod glossary;
mod html;
#[cfg(test)]
mod open_road;
pub mod runs;
mod table;
#[cfg(test)]
mod tests;
mod tuned;
mod verdict;

pub use changes::{Change, Changes, Verdict, changes};
pub use files::{DrawError, draw, folder_name, write};
pub use table::{Look, table};
pub use tuned::{tuned_json, tuned_text, tuned_title, tuned_warnings};
pub use verdict::verdict;

use crate::error::printable;
use crate::summary::{Summary, Warning, WarningKind, short_path};

/// Longest name that a sentence or a cell holds; the middle of a longer one is left out.
const NAME_MAX: usize = 48;

/// What is printed at the end: a title, the findings, the table, the bars.
pub fn page(title: &str, summary: &Summary, look: Look) -> String {
    let findings: String = verdict(summary).iter().map(|line| format!("{line}\n")).collect();
    let gap = if findings.is_empty() { "" } else { "\n" };
    format!("{title}\n\n{findings}{gap}{}{}", table(summary, look), bars::bars(summary, look))
}

/// The warnings of all variants, those of one kind together, each with what to do about it.
pub fn notes(summary: &Summary) -> Vec<String> {
    let mut notes: Vec<String> = summary.warnings.iter().map(|warning| note(&warning.message, warning)).collect();
    let of_variants = || summary.variants.iter().flat_map(|variant| variant.warnings.iter().map(move |warning| (variant, warning)));
    let mut kinds: Vec<WarningKind> = of_variants().map(|(_, warning)| warning.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        let mut alike = of_variants().filter(|(_, warning)| warning.kind == kind);
        let Some((variant, warning)) = alike.next() else { continue };
        let place = place(&variant.name, &variant.point);
        let place = if summary.variants.len() == 1 { String::new() } else { format!("{place}: ") };
        let more = match alike.count() {
            0 => String::new(),
            1 => " (and 1 more variant)".to_owned(),
            more => format!(" (and {more} more variants)"),
        };
        notes.push(note(&format!("{place}{}{more}", warning.message), warning));
    }
    notes
}

fn note(message: &str, warning: &Warning) -> String {
    let message = printable(message, 400);
    warning.advice.as_ref().map_or_else(|| message.clone(), |advice| format!("{message}; {advice}"))
}

/// `round_robin`, or `round_robin at rate=90/s`.
fn place(variant: &str, point: &[(String, String)]) -> String {
    match point {
        [] => name(variant),
        point => format!("{} at {}", name(variant), coordinates(point)),
    }
}

/// `rate=90/s, count=4`.
fn coordinates(point: &[(String, String)]) -> String {
    let values: Vec<String> = point.iter().map(|(path, value)| format!("{}={}", name(short_path(path)), name(value))).collect();
    values.join(", ")
}

/// A name as it may reach a terminal.
fn name(text: &str) -> String {
    printable(text, NAME_MAX)
}

/// Three digits or more: `0.123`, `1.23`, `12.3`, `123`, `1,234`.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 0.9995 => format!("{value:.3}"),
        size if size < 9.995 => format!("{value:.2}"),
        size if size < 99.95 => format!("{value:.1}"),
        _ => whole(value),
    }
}

/// With commas between the thousands.
fn whole(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 && digits != "0" { format!("-{text}") } else { text }
}

/// A count that may be an average: with a digit behind the point where it is small.
fn count(value: f64) -> String {
    if value.fract() == 0.0 || value >= 99.95 { whole(value) } else { format!("{value:.1}") }
}

/// A share in percent, without the sign: `0`, `<0.001`, `0.012`, `0.12`, `1.23`, `12.3`.
fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0".to_owned(),
        size if size < 0.001 => "<0.001".to_owned(),
        size if size < 0.0995 => format!("{size:.3}"),
        size if size < 9.995 => format!("{size:.2}"),
        size => format!("{size:.1}"),
    }
}

/// A difference in percent: two digits.
fn percent_round(share: f64) -> String {
    let size = share * 100.0;
    if size.abs() < 9.95 { format!("{size:.1}") } else { format!("{size:.0}") }
}

/// `a`, `a and b`, `a, b and c`.
fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [front @ .., last] => format!("{} and {last}", front.join(", ")),
    }
}
