//! `lbsim explain`: a screen about an algorithm, a term or a number; the texts are those of `docs/explain.md` and `docs/metrics.md`.

use super::list::{word_of_the_scenario, words_of_the_scenario};
use super::{Exit, Failure, print, run::width};
use crate::error::{did_you_mean, printable};
use crate::policy::Algorithm;
use crate::report::glossary;
use clap::Args;

const TEXTS: &str = include_str!("../../docs/explain.md");
/// Longer lines are hard to read.
const WIDTH_MAX: usize = 90;

#[derive(Args)]
pub(super) struct ExplainArgs {
    /// An algorithm, a term such as `p99`, a word of the scenario such as `crash`, or a number of the results such as `servers[].share`
    #[arg(required = true, num_args = 1.., value_name = "NAME")]
    words: Vec<String>,
}

pub(super) fn explain(args: &ExplainArgs) -> Result<Exit, Failure> {
    let wanted = args.words.join(" ");
    let Some(text) = text(&wanted) else {
        let shown = printable(&wanted, 80);
        let terms = glossary::terms();
        let words = words_of_the_scenario();
        let names = sections().map(|(name, _)| name).chain(terms.iter().map(|term| term.key.as_str()));
        let names: Vec<&str> = names.chain(words.iter().map(String::as_str)).collect();
        let meant = did_you_mean(&wanted, names.iter().copied());
        let help = meant.map_or_else(|| "`lbsim list` has the names".to_owned(), |meant| format!("did you mean `{meant}`?"));
        return Err(Failure::Wrong(format!("there is nothing about `{shown}`; {help}")));
    };
    print(&wrapped(&text, width().min(WIDTH_MAX)))?;
    Ok(Exit::Done)
}

/// Names and texts of the page, in its order.
fn sections() -> impl Iterator<Item = (&'static str, &'static str)> {
    let sections = TEXTS.split("\n## ").skip(1).filter_map(|section| section.split_once('\n'));
    sections.map(|(name, text)| (name.trim().trim_matches('`'), text.trim()))
}

fn text(wanted: &str) -> Option<String> {
    let plain = |name: &str| name.to_lowercase().replace(['_', '-'], " ");
    if let Some((name, text)) = sections().find(|(name, _)| plain(name) == plain(wanted)) {
        let entry = Algorithm::ALL.iter().find(|entry| entry.name == name);
        let source = entry.map_or_else(String::new, |entry| format!("\n\nSource: {}.", entry.source));
        return Some(format!("{name}\n\n{text}{source}"));
    }
    if let Some((kind, about)) = word_of_the_scenario(&plain(wanted).replace(' ', "_")) {
        return Some(format!("{wanted}, {kind}\n\n{about}.\n\nIts fields: docs/scenario.md, or `lbsim schema`."));
    }
    let terms = glossary::terms();
    let is_meant = |key: &str| key == wanted || key.rsplit('.').next().is_some_and(|last| last.trim_end_matches("[]") == wanted);
    let found: Vec<String> =
        terms.iter().filter(|term| is_meant(&term.key)).map(|term| format!("{}\n\n{}", term.key, term.definition)).collect();
    (!found.is_empty()).then(|| found.join("\n\n"))
}

/// Paragraphs broken at spaces.
fn wrapped(text: &str, width: usize) -> String {
    let mut out = String::new();
    for paragraph in text.split("\n\n") {
        let mut column = 0;
        for word in paragraph.split_whitespace() {
            let length = word.chars().count();
            if column > 0 && column + 1 + length > width {
                out.push('\n');
                column = 0;
            }
            if column > 0 {
                out.push(' ');
                column += 1;
            }
            out.push_str(word);
            column += length;
        }
        out.push_str("\n\n");
    }
    out.trim_end().to_owned() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_algorithm_is_explained_with_a_scenario_to_try() {
        for entry in Algorithm::ALL {
            let (_, text) =
                sections().find(|(name, _)| *name == entry.name).unwrap_or_else(|| panic!("docs/explain.md lacks {}", entry.name));
            for part in ["Rule: ", "Neighbour: ", "Fails: ", "Try: lbsim scenarios/"] {
                assert!(text.contains(part), "{}: {part}", entry.name);
            }
        }
        for (name, text) in sections() {
            if let Some(command) = text.split("Try: lbsim ").nth(1) {
                let file = command.split_whitespace().next().unwrap_or("");
                assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(file).is_file(), "{name}: {file}");
            }
        }
        assert!(sections().count() >= Algorithm::ALL.len() + 20);
    }

    #[test]
    fn whatever_is_listed_is_explained() {
        for word in words_of_the_scenario().into_iter().chain(glossary::terms().into_iter().map(|term| term.key)) {
            assert!(text(&word).is_some(), "{word}");
        }
    }

    #[test]
    fn names_are_found_however_they_are_written() {
        assert!(text("Least Connections").is_some() && text("jain's index").is_some() && text("sticky-sessions").is_some());
        assert!(text("detected_after_s").is_some_and(|text| text.starts_with("failover[].detected_after_s")));
        assert!(text("Crash").is_some_and(|text| text.contains("a fault")) && text("lognormal").is_some());
        assert_eq!(text("fish"), None);
    }

    #[test]
    fn lines_are_no_longer_than_the_terminal() {
        let text = wrapped(&text("central_queue").unwrap(), 40);
        assert!(text.lines().all(|line| line.len() <= 40), "{text}");
    }
}
