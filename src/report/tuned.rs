//! What a search for a value has found: the values that were looked at, a sentence, what to mind; and the same as JSON.

use super::{count, name, notes, number, percent};
use crate::error::printable;
use crate::summary::{Warning, WarningKind, rounded, short_path};
use crate::tune::{Comparison, Judged, Readings, Rule, Tried, Tuned, Unit, Wanted, shown};
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table};
use serde_json::{Value, json};

/// Longest reason of a refusal in a row.
const REASON_MAX: usize = 120;

/// The table of the values that were looked at, and the answer.
pub fn tuned_text(tuned: &Tuned) -> String {
    let mut table = Table::new();
    let style = NOTHING.header_separator(LineStyle::none().fill('-').junction('-'));
    table.load_style(style).set_content_arrangement(ContentArrangement::Disabled);
    let figures = tuned.goal.comparisons.iter().map(|comparison| format!("{}{}", name(&comparison.figure.name), unit(comparison)));
    table.set_header([name(short_path(&tuned.field))].into_iter().chain(figures).chain(["met".to_owned()]));
    for (index, tried) in &tuned.tried {
        let mut cells = vec![tuned.range.value(*index)];
        match tried {
            Tried::Run(readings) => {
                let judged = tuned.goal.comparisons.iter().zip(&readings.judged);
                cells.extend(judged.map(|(comparison, judged)| cell(comparison, judged)));
                cells.push(word(readings).to_owned());
            }
            Tried::Refused(reason) => {
                cells.extend(tuned.goal.comparisons.iter().map(|_| "-".to_owned()));
                cells.push(format!("refused: {}", printable(reason, REASON_MAX)));
            }
        }
        table.add_row(cells);
    }
    for index in 0..=tuned.goal.comparisons.len() {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let rows: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    let rows = if tuned.tried.is_empty() { String::new() } else { format!("{rows}{}\n", legend(tuned)) };
    format!("{rows}{}\n", sentence(tuned))
}

fn word(readings: &Readings) -> &'static str {
    match (readings.is_met(), readings.is_close()) {
        (true, _) => "yes",
        (false, true) => "not sure",
        (false, false) => "no",
    }
}

/// What stands behind a figure's name.
fn unit(comparison: &Comparison) -> &'static str {
    match comparison.figure.unit {
        Unit::Millis => " ms",
        Unit::Seconds if comparison.figure.name.ends_with("_s") => "",
        Unit::Seconds => " s",
        Unit::Share => " %",
        Unit::PerSecond if comparison.figure.name.ends_with("_rps") => "",
        Unit::PerSecond => " /s",
        Unit::None => "",
    }
}

fn plain(comparison: &Comparison, value: f64) -> String {
    match comparison.figure.unit {
        // 99.95 % is not 100 %.
        Unit::Share if value > 0.9 => format!("{:.3}", value * 100.0).trim_end_matches('0').trim_end_matches('.').to_owned(),
        Unit::Share => percent(value),
        _ if comparison.figure.is_count => count(value),
        _ => number(value),
    }
}

/// The value, and what it was judged by where that is another number: `12` and `max 31`, `480` and `to 512`.
fn figure(comparison: &Comparison, judged: &Judged) -> (String, Vec<String>) {
    let shown = judged.value.map(|value| plain(comparison, value));
    let compared = judged.compared.map(|compared| plain(comparison, compared)).filter(|compared| Some(compared) != shown.as_ref());
    let word = match comparison.rule() {
        Rule::EveryReplication if judged.compared > judged.value => "max",
        Rule::EveryReplication => "min",
        Rule::UpperEnd => "to",
        Rule::LowerEnd => "from",
    };
    let compared = compared.map(|compared| format!("{word} {compared}"));
    let missing = (judged.missing > 0).then(|| format!("{} runs without", judged.missing));
    (shown.unwrap_or_else(|| "-".to_owned()), compared.into_iter().chain(missing).collect())
}

/// `480 (to 512)`.
fn cell(comparison: &Comparison, judged: &Judged) -> String {
    let (value, notes) = figure(comparison, judged);
    if notes.is_empty() { value } else { format!("{value} ({})", notes.join(", ")) }
}

/// What the brackets mean, a line each.
fn legend(tuned: &Tuned) -> String {
    let rules: Vec<Rule> = tuned.goal.comparisons.iter().map(Comparison::rule).collect();
    let counts = rules
        .contains(&Rule::EveryReplication)
        .then_some("max, min: the worst replication, by which it is judged; every one must meet the goal\n");
    let averages = rules.iter().any(|rule| *rule != Rule::EveryReplication);
    let averages = averages.then_some(match tuned.replications {
        1 => "one replication: an average is judged by its value, as there is no interval\n",
        _ => "to, from: the unfavourable end of the 95 % interval, by which it is judged\n",
    });
    counts.into_iter().chain(averages).collect()
}

/// ` (p99 612 ms, to 640)`, of the first comparison that does not hold.
fn why(tuned: &Tuned, index: u64) -> String {
    let reason = match tuned.tried.get(&index) {
        Some(Tried::Run(readings)) => {
            let missed = tuned.goal.comparisons.iter().zip(&readings.judged).find(|(_, judged)| !judged.met);
            missed.map_or_else(String::new, |(comparison, judged)| {
                let (value, notes) = figure(comparison, judged);
                let parts = [format!("{} {value}{}", name(&comparison.figure.name), unit(comparison))].into_iter().chain(notes);
                parts.collect::<Vec<_>>().join(", ")
            })
        }
        Some(Tried::Refused(reason)) => printable(reason, REASON_MAX),
        None => String::new(),
    };
    if reason.is_empty() { reason } else { format!(" ({reason})") }
}

fn sentence(tuned: &Tuned) -> String {
    let (field, goal) = (printable(&tuned.field, 120), printable(&tuned.goal.text, 200));
    let value = |index: u64| tuned.range.value(index);
    let last = tuned.range.last();
    let range = &tuned.range;
    let below = if range.is_first_least { "" } else { "; --from looks further down" };
    let above = if range.is_last_most { "" } else { "; --to looks further up" };
    let (most, least, end, before, behind) = match tuned.wanted {
        Wanted::Lowest => ("smallest", "largest", last, below, above),
        Wanted::Highest => ("largest", "smallest", 0, above, below),
    };
    if tuned.is_interrupted {
        return format!("interrupted{}", between(tuned).map_or_else(|| ": too early to tell".to_owned(), |told| format!(": {told}")));
    }
    match (tuned.found, tuned.nearest_miss()) {
        (Some(found), Some(miss)) => {
            format!("{field} = {} is the {most} value that meets {goal}; {} does not{}", value(found), value(miss), why(tuned, miss))
        }
        (Some(found), None) => format!("{field} = {}, the {most} value of the range, meets {goal} already{before}", value(found)),
        (None, _) => format!(
            "no value of {field} from {} to {} meets {goal}, not even the {least}, {}{}{behind}",
            value(0),
            value(last),
            value(end),
            why(tuned, end)
        ),
    }
}

/// Where the answer must be, as far as is known.
fn between(tuned: &Tuned) -> Option<String> {
    let turns = |tried: &Tried| tried.is_met() == (tuned.wanted == Wanted::Lowest);
    let upper = tuned.tried.iter().find(|(_, tried)| turns(tried)).map(|(index, _)| *index);
    let lower = tuned.tried.iter().rfind(|(index, tried)| !turns(tried) && upper.is_none_or(|upper| **index < upper));
    let [upper, lower] = [upper, lower.map(|(index, _)| *index)].map(|end| end.map(|index| tuned.range.value(index)));
    match (tuned.wanted, lower, upper) {
        (Wanted::Lowest, Some(lower), Some(upper)) => Some(format!("the answer is above {lower} and at most {upper}")),
        (Wanted::Lowest, Some(lower), None) => Some(format!("the answer, if there is one, is above {lower}")),
        (Wanted::Lowest, None, upper) => upper.map(|upper| format!("the answer is at most {upper}")),
        (Wanted::Highest, Some(lower), Some(upper)) => Some(format!("the answer is at least {lower} and below {upper}")),
        (Wanted::Highest, Some(lower), None) => Some(format!("the answer is at least {lower}")),
        (Wanted::Highest, None, upper) => upper.map(|upper| format!("the answer, if there is one, is below {upper}")),
    }
}

/// What to mind: an order that does not hold, intervals that leave it open, and what the summary of the answer warns of.
pub fn tuned_warnings(tuned: &Tuned) -> Vec<String> {
    let value = |index: u64| tuned.range.value(index);
    let mut told = Vec::new();
    if let Some((smaller, larger)) = tuned.broken() {
        let (good, bad, other) = match tuned.wanted {
            Wanted::Lowest => (format!("the smaller {}", value(smaller)), value(larger), "--highest"),
            Wanted::Highest => (format!("the larger {}", value(larger)), value(smaller), "--lowest"),
        };
        let message = format!(
            "{bad}{} misses the goal although {good} meets it, so there is more than one border, and only one of them was looked for",
            why(tuned, if tuned.wanted == Wanted::Lowest { larger } else { smaller })
        );
        told.push(format!("{message}; {other} looks for another one, --from and --to look at a part of the range"));
    }
    if let Some(miss) = tuned.nearest_miss()
        && let Some(Tried::Run(readings)) = tuned.tried.get(&miss)
        && readings.is_close()
    {
        let advice = format!("`--replications {}` may tell", u64::from(tuned.replications) * 4);
        told.push(format!("{}{} would do by its average, but not for sure; {advice}", value(miss), why(tuned, miss)));
    }
    if let Some(found) = tuned.found
        && tuned.goal.comparisons.iter().any(|comparison| comparison.rule() == Rule::EveryReplication)
    {
        told.push(format!(
            "{} was good in {}; of other runs up to {} % may still miss the goal (95 % confidence): leave some room, or `--replications {}`",
            value(found),
            if tuned.replications == 1 { "the one run".to_owned() } else { format!("all {} runs", tuned.replications) },
            percent(share_that_may_miss(tuned.replications)),
            u64::from(tuned.replications) * 4
        ));
    }
    let shown = tuned.found.or_else(|| tuned.nearest_miss());
    if let Some((index, Tried::Run(readings))) = shown.and_then(|index| tuned.tried.get_key_value(&index)) {
        let mut summary = readings.summary.clone();
        // A percentile that the goal does not ask for may be as uncertain as it likes.
        if tuned.goal.comparisons.iter().all(|comparison| comparison.figure.unit != Unit::Millis) {
            let is_of_latency = |warning: &Warning| matches!(warning.kind, WarningKind::WideInterval | WarningKind::FewSamples);
            summary.variants[0].warnings.retain(|warning| !is_of_latency(warning));
        }
        told.extend(notes(&summary).iter().map(|note| format!("at {}: {note}", value(*index))));
    }
    told
}

/// The largest share of runs that miss a goal which `runs` of them, all that were made, meet with a probability of 5 %.
fn share_that_may_miss(runs: u32) -> f64 {
    1.0 - 0.05_f64.powf(1.0 / f64::from(runs))
}

/// All of it as JSON.
pub fn tuned_json(tuned: &Tuned) -> Value {
    let figure = |(comparison, judged): (&Comparison, &Judged)| {
        let rule = match comparison.rule() {
            Rule::EveryReplication => "every_replication",
            Rule::UpperEnd => "upper_end",
            Rule::LowerEnd => "lower_end",
        };
        json!({
            "comparison": comparison.text,
            "figure": comparison.figure.name,
            "value": judged.value.map(rounded),
            "ci95": judged.ci95.map(|(low, high)| [rounded(low), rounded(high)]),
            "rule": rule,
            "compared": judged.compared.map(rounded),
            "replications_without_value": judged.missing,
            "met": judged.met,
        })
    };
    let tried = tuned.tried.iter().map(|(index, tried)| {
        let (figures, refused): (Vec<Value>, Option<&str>) = match tried {
            Tried::Run(readings) => (tuned.goal.comparisons.iter().zip(&readings.judged).map(figure).collect(), None),
            Tried::Refused(reason) => (Vec::new(), Some(reason)),
        };
        json!({ "value": tuned.range.value(*index), "met": tried.is_met(), "refused": refused, "figures": figures })
    });
    json!({
        "field": tuned.field,
        "variant": tuned.variant,
        "goal": tuned.goal.text,
        "wanted": if tuned.wanted == Wanted::Lowest { "lowest" } else { "highest" },
        "from": tuned.range.value(0),
        "to": tuned.range.value(tuned.range.last()),
        "step": tuned.range.step(),
        "seed": tuned.seed,
        "replications": tuned.replications,
        "tried": tried.collect::<Vec<Value>>(),
        "found": tuned.found.map(|index| tuned.range.value(index)),
        "interrupted": tuned.is_interrupted,
        "warnings": tuned_warnings(tuned),
    })
}

/// `servers.web.count from 1 to 40 in steps of 1`.
pub fn tuned_title(tuned: &Tuned) -> String {
    format!("{} from {}", printable(&tuned.field, 120), shown(&tuned.range))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::summarise;
    use crate::summary::tests::{about, record, results, variant};
    use crate::tune::{Goal, Kind, Range, Wishes, names};

    /// Values from 0 to 10, of which each in the list failed so many requests in each of two replications.
    fn tuned(wanted: Wanted, tried: &[(u64, [u64; 2])]) -> Tuned {
        let goal = Goal::read("failed <= 5", &names(&variant("a"))).unwrap();
        let run = |counts: &[u64; 2]| {
            let runs = results(counts.iter().map(|failed| record(&[10; 2000], *failed)));
            let summary = summarise(&about(2), &[variant("a")], &[runs]);
            let values = counts.map(|failed| Some(failed as f64));
            let judged = vec![goal.comparisons[0].judge(summary.variants[0].requests.failed, &values)];
            Tried::Run(Box::new(Readings { summary, judged }))
        };
        let tried = tried.iter().map(|(index, counts)| (*index, run(counts))).collect();
        let range = Range::new(Kind::Whole, None, Wishes { to: Some("10"), ..Wishes::default() }).unwrap();
        let (field, variant) = ("servers.web.count".to_owned(), None);
        Tuned { field, variant, goal: goal.clone(), wanted, range, seed: 1, replications: 2, tried, found: None, is_interrupted: false }
    }

    #[test]
    fn the_answer_stands_beside_its_neighbour() {
        let found = Tuned { found: Some(3), ..tuned(Wanted::Lowest, &[(2, [4, 9]), (3, [5, 0]), (10, [0, 0])]) };
        let text = tuned_text(&found);
        assert!(text.contains("\n     3   2.5 (max 5)   yes\n"), "{text}");
        assert!(
            text.ends_with("servers.web.count = 3 is the smallest value that meets failed <= 5; 2 does not (failed 6.5, max 9)\n"),
            "{text}"
        );
        assert!(!tuned_warnings(&found).iter().any(|warning| warning.contains("border")));
        // On average 2 is no good either; 1 to 7 is.
        let close = Tuned { found: Some(3), ..tuned(Wanted::Lowest, &[(2, [1, 7]), (3, [5, 0])]) };
        assert!(tuned_text(&close).contains("not sure") && tuned_warnings(&close)[0].contains("`--replications 8` may tell"));
    }

    #[test]
    fn what_contradicts_the_order_is_told() {
        let lowest = Tuned { found: Some(3), ..tuned(Wanted::Lowest, &[(2, [9, 9]), (3, [0, 0]), (10, [7, 9])]) };
        assert!(tuned_warnings(&lowest)[0].starts_with("10 (failed 8, max 9) misses the goal although the smaller 3 meets it"));
        let highest = tuned(Wanted::Highest, &[(0, [9, 9]), (10, [0, 0])]);
        assert!(tuned_warnings(&highest)[0].starts_with("0 (failed 9) misses the goal although the larger 10 meets it"));
        assert!(tuned_text(&highest).contains("not even the smallest, 0 (failed 9)\n"), "{}", tuned_text(&highest));
    }

    #[test]
    fn what_every_run_met_need_not_be_met_by_others() {
        assert!((share_that_may_miss(1) - 0.95).abs() < 1e-12);
        // Clopper and Pearson's upper end for 0 of 20.
        assert!((share_that_may_miss(20) - 0.139_108).abs() < 1e-6);
        let found = Tuned { found: Some(3), ..tuned(Wanted::Lowest, &[(2, [9, 9]), (3, [5, 0])]) };
        assert_eq!(
            tuned_warnings(&found)[0],
            "3 was good in all 2 runs; of other runs up to 77.6 % may still miss the goal (95 % confidence): leave some room, or `--replications 8`"
        );
        assert!(!tuned_warnings(&tuned(Wanted::Lowest, &[(10, [9, 9])])).iter().any(|warning| warning.contains("other runs")));
    }

    #[test]
    fn an_interrupted_search_says_what_it_knows() {
        let stopped = |wanted, tried: &[(u64, [u64; 2])]| {
            let text = tuned_text(&Tuned { is_interrupted: true, ..tuned(wanted, tried) });
            text.lines().last().map(str::to_owned).unwrap_or_default()
        };
        let (bad, good) = ([9, 9], [0, 0]);
        assert_eq!(stopped(Wanted::Lowest, &[]), "interrupted: too early to tell");
        assert_eq!(stopped(Wanted::Lowest, &[(0, bad), (1, bad)]), "interrupted: the answer, if there is one, is above 1");
        assert_eq!(stopped(Wanted::Lowest, &[(0, bad), (4, good), (8, good)]), "interrupted: the answer is above 0 and at most 4");
        assert_eq!(stopped(Wanted::Highest, &[(0, good), (4, good), (8, bad)]), "interrupted: the answer is at least 4 and below 8");
        assert_eq!(stopped(Wanted::Highest, &[(0, good)]), "interrupted: the answer is at least 0");
    }

    #[test]
    fn a_value_that_the_scenario_refuses_has_a_row_with_the_reason() {
        let mut refused = tuned(Wanted::Lowest, &[(10, [0, 0])]);
        refused.tried.insert(9, Tried::Refused("no \u{1b}[31mroom".to_owned()));
        let text = tuned_text(&Tuned { found: Some(10), ..refused });
        assert!(text.contains("refused: no \\u{1b}[31mroom\n") && text.contains("9 does not (no \\u{1b}"), "{text}");
    }
}
