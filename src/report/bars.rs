//! Percentiles as bars for the terminal: a line for each variant, all on one logarithmic scale.

use super::{Look, name, number};
use crate::summary::{Summary, VariantSummary};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Variants that have a bar.
const BARS_MAX: usize = 12;
const NAME_MAX: usize = 34;
/// Columns of a bar.
const BAR_MAX: usize = 60;
const BAR_MIN: usize = 20;
/// What fills a bar up to p50, p90, p99 and p99.9.
const FILLS: [char; 4] = ['█', '▓', '▒', '░'];

/// Bars of the variants, where there are several and no sweep; else nothing.
pub fn bars(summary: &Summary, look: Look) -> String {
    let shown: Vec<(&VariantSummary, [f64; 4])> = summary.variants.iter().filter_map(|told| Some((told, percentiles(told)?))).collect();
    if summary.by_point().len() > 1 || !(2..=BARS_MAX).contains(&shown.len()) {
        return String::new();
    }
    let names = shown.iter().map(|(told, _)| label(&told.name).width()).max().unwrap_or(0);
    let room = look.width.saturating_sub(names + 3).min(BAR_MAX);
    // A little below the fastest median, so that it has a bar, too.
    let low = shown.iter().map(|(_, values)| values[0]).fold(f64::INFINITY, f64::min) * 0.8;
    let high = shown.iter().map(|(_, values)| values[3]).fold(0.0, f64::max);
    if room < BAR_MIN || low <= 0.0 || high <= low {
        return String::new();
    }
    let place = |ms: f64| ((ms / low).ln() / (high / low).ln() * room as f64).round() as usize;
    let mut text = format!("\n {:names$}  p50 █  p90 ▓  p99 ▒  p99.9 ░  from {} to {} ms, logarithmic\n", "", number(low), number(high));
    for (told, values) in &shown {
        let mut bar = String::new();
        for (value, fill) in values.iter().zip(FILLS) {
            let drawn = bar.chars().count();
            bar.extend(std::iter::repeat_n(fill, place(*value).saturating_sub(drawn)));
        }
        let label = label(&told.name);
        // Formatting counts characters, a terminal columns.
        let gap = " ".repeat(names - label.width());
        text.push_str(&format!(" {label}{gap}  {bar}\n"));
    }
    text
}

/// A name, or as much of it as there is room for with a sign that it goes on.
fn label(full: &str) -> String {
    let name = name(full);
    if name.width() <= NAME_MAX {
        return name;
    }
    let mut columns = 0;
    let fits = |c: &char| {
        columns += c.width().unwrap_or(0);
        columns < NAME_MAX
    };
    name.chars().take_while(fits).chain(['…']).collect()
}

fn percentiles(told: &VariantSummary) -> Option<[f64; 4]> {
    let latency = &told.latency_ms;
    Some([latency.p50?.value, latency.p90?.value, latency.p99?.value, latency.p99_9?.value])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::summarise;
    use crate::summary::tests::{about, record, results, variant};

    #[test]
    fn a_bar_reaches_as_far_as_its_percentiles() {
        let variants = [variant("fast"), variant("slow")];
        let tail = |ms: u64| [vec![10; 1900], vec![ms; 100]].concat();
        let runs = [results([record(&tail(10), 0)]), results([record(&tail(1000), 0)])];
        let text = bars(&summarise(&about(1), &variants, &runs), Look { width: 80, color: false });
        let lines: Vec<&str> = text.lines().collect();
        let count = |line: &str, fill: char| line.chars().filter(|c| *c == fill).count();
        // 8 to 1000 ms on 60 columns: 10 ms is 3 of them.
        assert!(text.contains("from 8.00 to 1,000 ms"), "{text}");
        assert_eq!((count(lines[2], '█'), count(lines[2], '▒')), (3, 0), "{text}");
        assert_eq!((count(lines[3], '█'), count(lines[3], '▒'), count(lines[3], '░')), (3, 57, 0), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn bars_begin_below_each_other_whatever_the_letters() {
        let variants = [variant("fast"), variant("名前の長い変種"), variant(&"漢".repeat(40))];
        let runs = [results([record(&[10; 2000], 0)]), results([record(&[20; 2000], 0)]), results([record(&[30; 2000], 0)])];
        let text = bars(&summarise(&about(1), &variants, &runs), Look { width: 100, color: false });
        let begins: Vec<usize> = text.lines().skip(2).map(|line| line[..line.find('█').unwrap()].width()).collect();
        // Sixteen wide letters and the sign that the name goes on.
        assert_eq!(begins, [16 * 2 + 1 + 3; 3], "{text}");
        assert!(text.contains('…'), "{text}");
    }

    #[test]
    fn one_variant_has_no_bars() {
        assert_eq!(
            bars(&summarise(&about(1), &[variant("a")], &[results([record(&[10; 2000], 0)])]), Look { width: 80, color: false }),
            ""
        );
    }
}
