//! What changed between two results beyond noise. With the same seed both met the same requests, so runs are paired by replication; with
//! different seeds Welch's interval is taken. Significance is joint over all that is compared (Bonferroni): where nothing has changed, one
//! comparison in twenty says that something has.

use super::runs::{Run, Runs};
use super::{name, number, percent, percent_round};
use crate::stats::{Difference, paired_difference, welch_difference};
use serde::Serialize;

/// A metric that is compared.
#[derive(Clone, Copy)]
struct Metric {
    name: &'static str,
    unit: &'static str,
    value: fn(&Run) -> Option<f64>,
    print: fn(f64) -> String,
    is_less_better: bool,
}

const METRICS: [Metric; 5] = [
    Metric { name: "mean", unit: " ms", value: |run| run.get("mean_ms"), print: number, is_less_better: true },
    Metric { name: "p50", unit: " ms", value: |run| run.get("p50_ms"), print: number, is_less_better: true },
    Metric { name: "p99", unit: " ms", value: |run| run.get("p99_ms"), print: number, is_less_better: true },
    Metric { name: "failed", unit: " %", value: Run::failed_share, print: percent, is_less_better: true },
    Metric { name: "throughput", unit: "/s", value: |run| run.get("throughput_rps"), print: number, is_less_better: false },
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Better,
    Worse,
    /// Worse beyond noise, but by no more than is tolerated.
    Tolerated,
    /// Not to be told from chance.
    Noise,
}

/// A metric of a variant, before and after.
#[derive(Debug, Serialize)]
pub struct Change {
    pub variant: String,
    pub metric: &'static str,
    /// Means over the replications.
    pub before: f64,
    pub after: f64,
    /// After - before, with its own 95 % interval.
    pub difference: f64,
    pub ci95: Option<(f64, f64)>,
    pub verdict: Verdict,
}

impl Change {
    pub fn is_worse(&self) -> bool {
        self.verdict == Verdict::Worse
    }

    /// As a share of the value before; from nothing, every change is without measure.
    fn relative(&self) -> f64 {
        if self.before == 0.0 { f64::INFINITY } else { (self.difference / self.before).abs() }
    }
}

/// All differences.
pub struct Changes {
    /// Both have the same seed.
    pub is_paired: bool,
    pub changes: Vec<Change>,
    pub only_before: Vec<String>,
    pub only_after: Vec<String>,
}

/// Compares the variants that both have. None in common is an error. What is worse by no more than the share `tolerance` of the value
/// before is tolerated.
pub fn changes(before: &Runs, after: &Runs, tolerance: f64) -> Result<Changes, String> {
    let only = |these: &Runs, others: &Runs| -> Vec<String> {
        let missing = these.variants.iter().filter(|(name, _)| others.variants.iter().all(|(other, _)| other != name));
        missing.map(|(name, _)| name.clone()).collect()
    };
    let common = before.variants.iter().filter_map(|(name, runs)| {
        let (_, others) = after.variants.iter().find(|(other, _)| other == name)?;
        Some((name, runs, others))
    });
    let is_paired = before.seed == after.seed;
    let pairs: Vec<_> = common.flat_map(|(name, a, b)| METRICS.iter().map(move |metric| (name, metric, a, b))).collect();
    if pairs.is_empty() {
        return Err("the two have no variant in common; names and sweep points must be the same".to_owned());
    }
    let mut changes: Vec<Change> =
        pairs.iter().filter_map(|(name, metric, a, b)| change(name, metric, (a, b), is_paired, pairs.len())).collect();
    for change in changes.iter_mut().filter(|change| change.is_worse() && change.relative() <= tolerance) {
        change.verdict = Verdict::Tolerated;
    }
    Ok(Changes { is_paired, changes, only_before: only(before, after), only_after: only(after, before) })
}

fn change(variant: &str, metric: &Metric, (before, after): (&[Run], &[Run]), is_paired: bool, comparisons: usize) -> Option<Change> {
    let Difference { value, ci95, significant } = if is_paired {
        let both: Vec<(f64, f64)> = before.iter().zip(after).filter_map(|(a, b)| Some(((metric.value)(a)?, (metric.value)(b)?))).collect();
        let (a, b): (Vec<f64>, Vec<f64>) = both.into_iter().unzip();
        if a.is_empty() {
            return None;
        }
        paired_difference(&b, &a, comparisons)
    } else {
        let [a, b] = [before, after].map(|runs| runs.iter().filter_map(metric.value).collect::<Vec<f64>>());
        welch_difference(&b, &a, comparisons)?
    };
    let mean = |runs: &[Run]| {
        let values: Vec<f64> = runs.iter().filter_map(metric.value).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let verdict = match significant {
        false => Verdict::Noise,
        true if (value < 0.0) == metric.is_less_better => Verdict::Better,
        true => Verdict::Worse,
    };
    Some(Change {
        variant: variant.to_owned(),
        metric: metric.name,
        before: mean(before)?,
        after: mean(after)?,
        difference: value,
        ci95,
        verdict,
    })
}

impl Changes {
    /// A line for each change beyond noise, and what else there is to say.
    pub fn to_text(&self) -> String {
        let how = if self.is_paired { "paired by replication" } else { "the seeds differ, so not paired" };
        let told: Vec<&Change> = self.changes.iter().filter(|change| change.verdict != Verdict::Noise).collect();
        let mut text = match told.len() {
            0 => format!("nothing changed beyond noise: {} comparisons, {how}\n", self.changes.len()),
            count => format!("{count} of {} comparisons changed beyond noise, {how}\n", self.changes.len()),
        };
        let is_word_long = told.iter().any(|change| change.verdict == Verdict::Tolerated);
        let word_width = if is_word_long { "tolerated".len() } else { "better".len() };
        let width = told.iter().map(|change| name(&change.variant).chars().count()).max().unwrap_or(0);
        for change in told {
            let Some(metric) = METRICS.iter().find(|metric| metric.name == change.metric) else { continue };
            let relative = if change.before == 0.0 { String::new() } else { format!(" ({:+} %)", percent_signed(change)) };
            let word = match change.verdict {
                Verdict::Worse => "worse",
                Verdict::Tolerated => "tolerated",
                Verdict::Better | Verdict::Noise => "better",
            };
            let Metric { print, unit, .. } = metric;
            let values = format!("{} to {}{unit}{relative}", print(change.before), print(change.after));
            text.push_str(&format!("  {word:word_width$}  {:width$}  {:10}  {values}\n", name(&change.variant), change.metric));
        }
        for (names, place) in [(&self.only_before, "before"), (&self.only_after, "after")] {
            if !names.is_empty() {
                text.push_str(&format!("only {place}: {}\n", names.iter().map(|known| name(known)).collect::<Vec<_>>().join(", ")));
            }
        }
        text
    }
}

/// The difference in percent of the value before, two digits.
fn percent_signed(change: &Change) -> f64 {
    percent_round(change.difference / change.before).parse().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::csv;
    use crate::summary::tests::{about, record, results, variant};
    use crate::summary::{SourceText, details, summarise};

    /// The folder of a study of two variants, whose runs take so many milliseconds.
    fn folder(seed: u64, means: [&[u64]; 2]) -> Runs {
        let variants = [variant("a"), variant("b")];
        let runs = means.map(|means| results(means.iter().map(|ms| record(&vec![*ms; 1000], 0))));
        let summary = summarise(&crate::summary::About { seed, ..about(means[0].len() as u32) }, &variants, &runs);
        let dir = tempfile::tempdir().unwrap();
        let source = SourceText { name: String::new(), text: String::new() };
        super::super::write(dir.path(), &summary, &details(source, String::new(), &variants, &runs), &variants, &runs).unwrap();
        assert_eq!(csv::cell("a"), "a");
        Runs::read(dir.path()).unwrap()
    }

    fn verdicts(found: &Changes) -> Vec<(&str, &str, Verdict)> {
        found.changes.iter().map(|change| (change.variant.as_str(), change.metric, change.verdict)).collect()
    }

    #[test]
    fn a_shift_of_every_pair_is_seen_where_the_spread_would_hide_it() {
        let before = folder(1, [&[100, 200, 300, 400], &[10, 11, 12, 13]]);
        let after = folder(1, [&[130, 230, 331, 430], &[10, 11, 12, 13]]);
        let found = changes(&before, &after, 0.0).unwrap();
        let told = verdicts(&found);
        assert!(told.contains(&("a", "mean", Verdict::Worse)) && told.contains(&("a", "p99", Verdict::Worse)), "{told:?}");
        assert!(told.iter().filter(|(variant, ..)| *variant == "b").all(|(_, _, verdict)| *verdict == Verdict::Noise), "{told:?}");
        let unpaired = changes(&before, &Runs { seed: 2, ..folder(2, [&[130, 230, 331, 430], &[10, 11, 12, 13]]) }, 0.0).unwrap();
        assert!(!unpaired.is_paired && verdicts(&unpaired).iter().all(|(_, _, verdict)| *verdict == Verdict::Noise));
        assert!(found.to_text().contains("worse   a  mean"), "{}", found.to_text());
        // The other way round it is better.
        assert!(changes(&after, &before, 0.0).unwrap().changes.iter().all(|change| !change.is_worse()));
    }

    #[test]
    fn what_is_worse_by_little_is_told_and_tolerated() {
        // The mean of 250 ms grows by 30 ms, which is 12 %; the first percentile at hand, p50, by as much.
        let before = folder(1, [&[100, 200, 300, 400], &[10, 11, 12, 13]]);
        let after = folder(1, [&[130, 230, 330, 430], &[10, 11, 12, 13]]);
        let worse = |tolerance| changes(&before, &after, tolerance).unwrap().changes.iter().filter(|change| change.is_worse()).count();
        assert!(worse(0.119) > 0 && worse(0.121) == 0);
        let text = changes(&before, &after, 0.121).unwrap().to_text();
        assert!(text.contains("  tolerated  a  mean"), "{text}");
        // From nothing to something is never little.
        let mut change = changes(&before, &after, 0.0).unwrap().changes.remove(0);
        change.before = 0.0;
        assert_eq!(change.relative(), f64::INFINITY);
    }

    #[test]
    fn nothing_in_common_is_an_error() {
        let before = folder(1, [&[100, 200], &[10, 11]]);
        let after = Runs { seed: 1, variants: vec![("c".to_owned(), Vec::new())] };
        assert!(changes(&before, &after, 0.0).is_err());
    }
}
