//! The findings in words. A variant is called better only where the paired difference is significant and large enough to matter (see
//! `summary::compare`), and a yardstick is never the winner.

use super::{coordinates, count, listed, name, number, percent, percent_round};
use crate::stats::Estimate;
use crate::summary::{Comparison, Extent, Failover, MATTERS, Metric, Objective, Summary, VariantSummary};

/// Items of a list that are written out.
const LISTED_MAX: usize = 4;
/// Findings about faults that are told.
const FAILOVER_MAX: usize = 8;
/// Sweep points whose findings are told.
const POINTS_MAX: usize = 6;

/// One finding a line; at a sweep each point's under a line that names it.
pub fn verdict(summary: &Summary) -> Vec<String> {
    let points = summary.by_point();
    let mut lines = Vec::new();
    for members in points.iter().take(POINTS_MAX) {
        let point = &members[0].point;
        let found = Point { summary, point, members }.findings();
        if point.is_empty() {
            lines.extend(found);
        } else if !found.is_empty() {
            lines.push(format!("{}:", coordinates(point)));
            lines.extend(found.into_iter().map(|line| format!("  {line}")));
        }
    }
    if points.len() > POINTS_MAX {
        lines.push(format!("... and {} more points, see the table", points.len() - POINTS_MAX));
    }
    lines
}

/// A sweep point with its variants.
struct Point<'a> {
    summary: &'a Summary,
    point: &'a [(String, String)],
    members: &'a [&'a VariantSummary],
}

impl Point<'_> {
    fn findings(&self) -> Vec<String> {
        let mut lines = Vec::new();
        match self.members {
            [only] => lines.extend(alone(only)),
            _ => {
                let metric = if self.rows(Metric::P99).next().is_some() { Metric::P99 } else { Metric::Mean };
                lines.extend(self.fastest(metric));
                lines.extend(self.yardsticks(metric));
                lines.extend(self.failures(metric));
            }
        }
        lines.extend(self.failover());
        lines.extend(self.objectives());
        lines
    }

    /// The best against the others, yardsticks included.
    fn rows(&self, metric: Metric) -> impl Iterator<Item = &Comparison> {
        self.summary.comparisons.iter().filter(move |row| row.metric == metric && row.point == self.point)
    }

    fn member(&self, name: &str) -> Option<&VariantSummary> {
        self.members.iter().find(|told| told.name == name).copied()
    }

    fn is_oracle(&self, name: &str) -> bool {
        self.member(name).is_some_and(|told| told.oracle)
    }

    fn fastest(&self, metric: Metric) -> Vec<String> {
        let mut rows: Vec<&Comparison> = self.rows(metric).filter(|row| !self.is_oracle(&row.against)).collect();
        let Some(first) = rows.first() else { return Vec::new() };
        let (best, first_value, word) = (first.best.clone(), first.best_value, word(metric));
        if rows.iter().all(|row| row.difference.ci95.is_none()) {
            return Vec::new();
        }
        // The runner-up first.
        rows.sort_by(|a, b| b.difference.value.total_cmp(&a.difference.value));
        let (differing, alike): (Vec<&Comparison>, Vec<&Comparison>) = rows.into_iter().partition(|row| row.significant);
        let (worse, near): (Vec<&Comparison>, Vec<&Comparison>) = differing.into_iter().partition(|row| row.matters());
        let mut lines = Vec::new();
        if !alike.is_empty() {
            let equals = std::iter::once(self.with_value(metric, &best, first_value))
                .chain(alike.iter().map(|row| self.with_value(metric, &row.against, row.against_value)));
            lines.push(format!("no difference in {word} beyond noise between {}", listed(&shortened(equals.collect(), "others"))));
        }
        if !near.is_empty() {
            let others = near.iter().map(|row| self.with_value(metric, &row.against, row.against_value));
            lines.push(format!(
                "the {word} of {} is less than {} % below that of {}: more than noise, and too little to matter",
                self.with_value(metric, &best, first_value),
                100.0 * MATTERS,
                listed(&shortened(others.collect(), "others"))
            ));
        }
        match &worse[..] {
            [] => {}
            [row] => {
                let (amount, interval) = lower(row, "95 % CI ");
                let [lower_value, higher_value] = [(&row.best, row.best_value), (&row.against, row.against_value)]
                    .map(|(variant, value)| number(self.shown(metric, variant, value)));
                let values = format!("{lower_value} against {higher_value} ms");
                lines.push(format!("{} has {amount} lower {word} than {}{interval}: {values}", name(&best), name(&row.against)));
            }
            _ => {
                let others = worse.iter().map(|row| {
                    let (amount, interval) = lower(row, "");
                    format!("{amount} below {}{interval}", name(&row.against))
                });
                let others = shortened(others.collect(), "others").join(", ");
                let lead = if alike.is_empty() && near.is_empty() {
                    format!("has the lowest {word}")
                } else {
                    format!("has a lower {word} than the rest")
                };
                lines.push(format!("{} {lead}: {others}", self.with_value(metric, &best, first_value)));
            }
        }
        lines
    }

    /// The value of a variant as the table has it (of the requests of all replications), else the mean over replications.
    fn shown(&self, metric: Metric, variant: &str, mean_ms: f64) -> f64 {
        let pooled = self.member(variant).and_then(|told| told.latency_ms.get(metric.latency()?));
        pooled.map_or(mean_ms, |estimate| estimate.value)
    }

    /// `round_robin (120 ms)`
    fn with_value(&self, metric: Metric, variant: &str, mean_ms: f64) -> String {
        format!("{} ({} ms)", name(variant), number(self.shown(metric, variant, mean_ms)))
    }

    /// How far the best is from what no balancer can do.
    fn yardsticks(&self, metric: Metric) -> Vec<String> {
        let rows = self.rows(metric).filter(|row| self.is_oracle(&row.against) && row.matters() && row.difference.value > 0.0);
        let line = |row: &Comparison| {
            let above = match row.relative {
                Some(relative) => format!("{} %", percent_round(relative.value)),
                None => format!("{} ms", number(row.difference.value)),
            };
            format!(
                "{} is {above} above {}, a yardstick that no balancer can reach",
                name(&row.best),
                self.with_value(metric, &row.against, row.against_value)
            )
        };
        rows.map(line).collect()
    }

    /// Who fails more than the one that fails least.
    fn failures(&self, headline: Metric) -> Option<String> {
        let share = |variant: &str| self.member(variant).and_then(VariantSummary::failed_share).map_or_else(String::new, percent);
        let worse: Vec<&Comparison> = self
            .rows(Metric::FailedShare)
            .filter(|row| row.matters() && row.difference.value < 0.0 && !self.is_oracle(&row.against))
            .collect();
        let best = &worse.first()?.best;
        let alike = self.rows(Metric::FailedShare).filter(|row| !row.matters() && !self.is_oracle(&row.against));
        // What is not told apart may have quite another value, where there are few replications.
        let (equal, unsure): (Vec<&Comparison>, Vec<&Comparison>) = alike.partition(|row| share(&row.against) == share(best));
        let least: Vec<String> = std::iter::once(name(best)).chain(equal.iter().map(|row| name(&row.against))).collect();
        let verb = if least.len() == 1 { "fails" } else { "fail" };
        let others = worse.iter().map(|row| format!("{} {} %", name(&row.against), share(&row.against)));
        let fastest = self.rows(headline).map(|row| &row.best).next();
        let flaw = fastest.filter(|fastest| worse.iter().any(|row| row.against == **fastest));
        let flaw = flaw.map_or_else(String::new, |fastest| {
            format!("; mind that the {} of {} is that of the requests that succeed", word(headline), name(fastest))
        });
        let unsure: Vec<String> = unsure.iter().map(|row| format!("{} ({} %)", name(&row.against), share(&row.against))).collect();
        let unsure = match unsure.is_empty() {
            true => String::new(),
            false => format!(", without a difference from {} that matters beyond noise", listed(&shortened(unsure, "others"))),
        };
        Some(format!(
            "{} {verb} the fewest requests: {} %, against {}{unsure}{flaw}",
            listed(&shortened(least, "others")),
            share(best),
            listed(&shortened(others.collect(), "others"))
        ))
    }

    /// What the faults did, those together to whom they did the same.
    fn failover(&self) -> Vec<String> {
        let mut groups: Vec<(String, Vec<String>)> = Vec::new();
        for told in self.members {
            for found in told.failover.iter().filter_map(|fault| failover(told, fault)) {
                match groups.iter_mut().find(|(known, _)| *known == found) {
                    Some((_, names)) => names.push(name(&told.name)),
                    None => groups.push((found, vec![name(&told.name)])),
                }
            }
        }
        let more = groups.len().saturating_sub(FAILOVER_MAX);
        let told = groups.into_iter().take(FAILOVER_MAX);
        let mut lines: Vec<String> = told.map(|(found, names)| format!("{} {found}", listed(&shortened(names, "others")))).collect();
        if more > 0 {
            lines.push(format!("... and {more} more about faults"));
        }
        lines
    }

    fn objectives(&self) -> Vec<String> {
        let mut names: Vec<&str> = Vec::new();
        for objective in self.members.iter().flat_map(|told| &told.slo) {
            if !names.contains(&objective.objective.as_str()) {
                names.push(&objective.objective);
            }
        }
        names.into_iter().map(|name| self.objective(name)).collect()
    }

    fn objective(&self, wanted: &str) -> String {
        let judged = self.members.iter().filter_map(|told| Some((told, told.slo.iter().find(|objective| objective.objective == wanted)?)));
        let (met, missed): (Vec<_>, Vec<_>) = judged.partition(|(_, objective)| objective.met);
        let limit = met.iter().chain(&missed).map(|(_, objective)| limit(objective)).next().unwrap_or_default();
        let met: Vec<String> = met.iter().map(|(told, _)| name(&told.name)).collect();
        let missed: Vec<String> = missed.iter().map(|(told, objective)| format!("{} ({})", name(&told.name), reached(objective))).collect();
        let (met_by, missed_by) = (listed(&shortened(met.clone(), "others")), listed(&shortened(missed.clone(), "others")));
        match (met.len(), missed.len()) {
            (1, 0) => format!("SLO {limit}: met"),
            (_, 0) => format!("SLO {limit}: met by all"),
            (0, 1) => format!("SLO {limit}: missed by {missed_by}"),
            (0, _) => format!("SLO {limit}: missed by all, {missed_by}"),
            _ => format!("SLO {limit}: met by {met_by}, missed by {missed_by}"),
        }
    }
}

/// A single variant has nothing to be compared with.
fn alone(told: &VariantSummary) -> Option<String> {
    let p99 = told.latency_ms.p99?;
    let interval = p99.ci95.map_or_else(String::new, |(low, high)| format!(" (95 % CI {} to {})", number(low), number(high)));
    let failed = told.failed_share().map_or_else(String::new, |share| format!("; {} % of the requests failed", percent(share)));
    Some(format!("{}: p99 {} ms{interval}{failed}", name(&told.name), number(p99.value)))
}

fn word(metric: Metric) -> &'static str {
    match metric {
        Metric::Mean => "mean latency",
        Metric::P50 => "median latency",
        Metric::P99 => "p99",
        Metric::P999 => "p99.9",
        Metric::FailedShare => "share of failures",
    }
}

/// How much lower the best is, and the interval: `46 %` and ` (95 % CI 41 to 51 %)`; in milliseconds where there is no ratio.
fn lower(row: &Comparison, label: &str) -> (String, String) {
    let (estimate, print, unit): (Estimate, fn(f64) -> String, &str) = match row.relative.filter(|relative| relative.ci95.is_some()) {
        Some(relative) => (relative, percent_round, "%"),
        None => (row.difference, number, "ms"),
    };
    let interval = estimate.ci95.map_or_else(String::new, |(low, high)| format!(" ({label}{} to {} {unit})", print(-high), print(-low)));
    (format!("{} {unit}", print(-estimate.value)), interval)
}

/// At most so many, and how many there are beyond.
fn shortened(mut items: Vec<String>, word: &str) -> Vec<String> {
    if items.len() > LISTED_MAX + 1 {
        let more = items.len() - LISTED_MAX;
        items.truncate(LISTED_MAX);
        items.push(format!("{more} {word}"));
    }
    items
}

/// What a fault cost a variant and how it was noticed; nothing where it did not strike.
fn failover(told: &VariantSummary, fault: &Failover) -> Option<String> {
    if fault.occurrences?.value == 0.0 {
        return None;
    }
    let lost = fault.failed_requests?.value;
    let lost = match lost {
        0.0 => "lost no request".to_owned(),
        1.0 => "lost 1 request".to_owned(),
        _ => format!("lost {} requests", count(lost)),
    };
    let noticed = match (fault.detected_after_s, fault.detected_replications) {
        (None, _) => "which no health check detected".to_owned(),
        (Some(after), all) if all == told.replications_done => format!("detected after {}", seconds(after)),
        (Some(after), some) => format!("detected in {some} of {} replications, after {}", told.replications_done, seconds(after)),
    };
    let restored = match fault.restored_after_s {
        Some(after) if fault.detected_after_s.is_some() => format!(", back in rotation {} after its end", seconds(after)),
        _ => String::new(),
    };
    Some(format!("{lost} to {}, {noticed}{restored}", fault_words(&fault.fault)))
}

/// `12.5 s (10.1 to 14.9)`: the extremes of the replications.
fn seconds(after: Extent) -> String {
    let range = if after.max > after.min { format!(" ({} to {})", number(after.min), number(after.max)) } else { String::new() };
    format!("{} s{range}", number(after.value))
}

/// `crash web-3` is `the crash of web-3`.
fn fault_words(fault: &str) -> String {
    let fault = name(fault);
    match fault.split_once(' ') {
        Some(("slow", place)) => format!("the slowness of {place}"),
        Some(("flap", place)) => format!("the flapping of {place}"),
        Some((kind, place)) => format!("the {kind} of {place}"),
        None => fault,
    }
}

fn limit(objective: &Objective) -> String {
    match objective.objective.as_str() {
        "success" => format!("success of {} % at least", trimmed(objective.limit * 100.0)),
        metric => format!("{} of {} ms at most", metric.replace('_', "."), trimmed(objective.limit)),
    }
}

/// The way a limit was most likely written: without the rounding errors of a conversion.
fn trimmed(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// What came of an objective, precise enough to differ from the limit.
fn reached(objective: &Objective) -> String {
    match (objective.objective.as_str(), objective.value) {
        (_, None) => "no request".to_owned(),
        ("success", Some(share)) => format!("{} % failed", percent(1.0 - share)),
        (_, Some(value)) => format!("{} ms", number(value)),
    }
}
