//! `lbsim list`: the words that a scenario and the results may have, a line for each.

use super::{Exit, Failure, print};
use crate::policy::Algorithm;
use crate::report::glossary;
use crate::scenario::schema::schema;
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Args)]
pub(super) struct ListArgs {
    /// What to list; all of it unless given
    what: Option<What>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum What {
    /// How a balancer chooses
    Algorithms,
    /// Of times: work, gaps, latencies
    Distributions,
    /// When requests begin
    Arrivals,
    /// What goes wrong
    Faults,
    /// Numbers of the results
    Metrics,
}

/// A word and what it stands for.
#[derive(Serialize)]
struct Line {
    name: String,
    about: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
}

pub(super) fn list(args: &ListArgs) -> Result<Exit, Failure> {
    let wanted = args.what.map_or_else(|| What::value_variants().to_vec(), |what| vec![what]);
    let found: BTreeMap<What, Vec<Line>> = wanted.into_iter().map(|what| (what, lines(what))).collect();
    if args.json {
        let text = serde_json::to_string_pretty(&found).map_err(|error| Failure::Internal(error.to_string()))?;
        print(&format!("{text}\n"))?;
        return Ok(Exit::Done);
    }
    let mut text = String::new();
    for (what, lines) in &found {
        if found.len() > 1 {
            let title = what.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
            text.push_str(&format!("{}{title}\n", if text.is_empty() { "" } else { "\n" }));
        }
        let width = lines.iter().map(|line| line.name.len()).max().unwrap_or(0);
        text.extend(lines.iter().map(|line| format!("  {:width$}  {}\n", line.name, line.about)));
    }
    print(&text)?;
    Ok(Exit::Done)
}

fn lines(what: What) -> Vec<Line> {
    match what {
        What::Algorithms => {
            let line = |entry: &crate::policy::Entry| {
                let mark = if entry.is_oracle { " (a yardstick)" } else { "" };
                Line { name: entry.name.to_owned(), about: format!("{}{mark}", entry.about), source: Some(entry.source) }
            };
            Algorithm::ALL.iter().map(line).collect()
        }
        What::Distributions => choices("Distribution"),
        What::Arrivals => choices("Arrivals"),
        What::Faults => choices("Fault"),
        What::Metrics => glossary::terms().into_iter().map(|term| Line { name: term.key, about: term.definition, source: None }).collect(),
    }
}

/// What a distribution, an arrival process or a fault is: its kind, and what the schema says of it.
pub(super) fn word_of_the_scenario(wanted: &str) -> Option<(&'static str, String)> {
    let kinds = [(What::Distributions, "a distribution"), (What::Arrivals, "an arrival process"), (What::Faults, "a fault")];
    kinds.into_iter().find_map(|(what, kind)| {
        let line = lines(what).into_iter().find(|line| line.name == wanted)?;
        Some((kind, line.about))
    })
}

/// All of these words.
pub(super) fn words_of_the_scenario() -> Vec<String> {
    [What::Distributions, What::Arrivals, What::Faults].into_iter().flat_map(lines).map(|line| line.name).collect()
}

/// The words of a choice in the schema, with what it says of them.
fn choices(kind: &str) -> Vec<Line> {
    let schema = schema();
    let choices = schema["$defs"][kind]["oneOf"].as_array().cloned().unwrap_or_default();
    let line = |choice: &Value| {
        let name = choice["properties"].as_object()?.keys().next()?.clone();
        let about = choice["description"].as_str()?.trim_end_matches('.').replace('\n', " ");
        Some(Line { name, about, source: None })
    };
    choices.iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_has_a_line() {
        for what in What::value_variants() {
            let lines = lines(*what);
            assert!(lines.len() >= 5 && lines.iter().all(|line| !line.about.is_empty()), "{:?}", what.to_possible_value());
        }
        assert!(lines(What::Faults).iter().any(|line| line.name == "blackhole"));
        assert_eq!(lines(What::Distributions).len(), 13);
    }
}
