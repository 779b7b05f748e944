//! A goal, `failed == 0 and p99 < 500ms`: comparisons of figures with numbers, all of which must hold, and the rule by which one holds.
//! It is made for a verdict to be trusted: a count must hold in every replication, an average by the unfavourable end of its interval.

use super::figure::{Figure, Unit, Unknown};
use crate::error::{Diagnostic, Source, Spot};
use crate::stats::Estimate;
use crate::units::{Rate, Share, Span};
use serde_json::Value;
use std::ops::Range;
use std::sync::Arc;

/// What must hold.
#[derive(Clone, Debug)]
pub struct Goal {
    pub comparisons: Vec<Comparison>,
    /// As it was written.
    pub text: String,
}

/// A figure against a number.
#[derive(Clone, Debug)]
pub struct Comparison {
    pub figure: Figure,
    pub sign: Sign,
    /// In the figure's unit.
    pub limit: f64,
    /// As it was written.
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    Equal,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// By what a comparison is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// It holds in each replication by itself.
    EveryReplication,
    /// The upper end of the interval holds.
    UpperEnd,
    LowerEnd,
}

/// How a comparison came out.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    pub met: bool,
    /// The value itself is on the right side, and only its interval, or a single replication, is not.
    pub is_close: bool,
    /// Over all replications.
    pub value: Option<f64>,
    pub ci95: Option<(f64, f64)>,
    /// What was compared: the least favourable replication, or the end of the interval.
    pub compared: Option<f64>,
    /// Replications that have no value.
    pub missing: usize,
}

impl Sign {
    fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Sign::Equal => value == limit,
            Sign::Less => value < limit,
            Sign::AtMost => value <= limit,
            Sign::More => value > limit,
            Sign::AtLeast => value >= limit,
        }
    }
}

impl Comparison {
    pub fn rule(&self) -> Rule {
        match self.sign {
            _ if self.figure.is_count => Rule::EveryReplication,
            Sign::Equal => Rule::EveryReplication,
            Sign::Less | Sign::AtMost => Rule::UpperEnd,
            Sign::More | Sign::AtLeast => Rule::LowerEnd,
        }
    }

    /// Judges by the figure over all replications and by its value in each. A replication without a value misses.
    pub fn judge(&self, all: Option<Estimate>, runs: &[Option<f64>]) -> Judged {
        let known = || runs.iter().flatten().copied();
        let holds = |value: f64| self.sign.holds(value, self.limit);
        let rule = self.rule();
        let end = |of: fn((f64, f64)) -> f64| all.map(|all| all.ci95.map_or(all.value, of));
        let compared = match (rule, self.sign) {
            (Rule::UpperEnd, _) => end(|(_, high)| high),
            (Rule::LowerEnd, _) => end(|(low, _)| low),
            (Rule::EveryReplication, Sign::Less | Sign::AtMost) => known().reduce(f64::max),
            (Rule::EveryReplication, Sign::More | Sign::AtLeast) => known().reduce(f64::min),
            (Rule::EveryReplication, Sign::Equal) => known().max_by(|a, b| (a - self.limit).abs().total_cmp(&(b - self.limit).abs())),
        };
        let missing = runs.iter().filter(|run| run.is_none()).count();
        let met = missing == 0 && compared.is_some_and(holds);
        let is_close = !met && missing == 0 && all.is_some_and(|all| holds(all.value));
        Judged { met, is_close, value: all.map(|all| all.value), ci95: all.and_then(|all| all.ci95), compared, missing }
    }
}

// ---- Reading -----------------------------------------------------------------------------------------------------------

impl Goal {
    /// Reads a goal. `names` is a variant's part of the summary with everything that the variant has.
    pub fn read(text: &str, names: &Value) -> Result<Goal, Diagnostic> {
        let source = Arc::new(Source { name: "--meet".to_owned(), text: text.to_owned() });
        let mut reader = Reader { text, at: 0, source };
        let mut comparisons = Vec::new();
        loop {
            comparisons.push(reader.comparison(names)?);
            if reader.rest().is_empty() {
                return Ok(Goal { comparisons, text: text.trim().to_owned() });
            }
            // Only `and` ends a comparison before the end of the text.
            reader.at += "and".len();
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    source: Arc<Source>,
}

/// Characters of signs, and those by which other languages join.
const SIGNS: &[char] = &['<', '>', '=', '!', '&', '|', ',', ';', '≤', '≥'];

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn skip_blank(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn error(&self, range: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Diagnostic {
        Diagnostic::error(message).at(Spot { source: self.source.clone(), range }).help(help)
    }

    fn comparison(&mut self, names: &Value) -> Result<Comparison, Diagnostic> {
        self.skip_blank();
        let start = self.at;
        let words = self.name()?;
        let name = self.text[start..self.at].to_owned();
        let plain: Vec<String> = words.iter().map(|(word, _)| word.clone()).collect();
        let figure = Figure::find(&name, &plain, names).map_err(|Unknown { word, message, help }| {
            let place = words.get(word).map_or(start..self.at, |(_, range)| range.clone());
            self.error(place, message, help)
        })?;
        let sign = self.sign()?;
        let limit = self.limit(&figure, sign)?;
        let text = self.text[start..self.at].trim().to_owned();
        Ok(Comparison { figure, sign, limit, text })
    }

    /// The words of `requests.by_error['5xx']`, each with its place.
    fn name(&mut self) -> Result<Vec<(String, Range<usize>)>, Diagnostic> {
        let start = self.at;
        let mut words = Vec::new();
        loop {
            let begin = self.at;
            let rest = self.rest();
            if let Some(inner) = rest.strip_prefix('[') {
                let quote = inner.chars().next().filter(|c| matches!(c, '\'' | '"'));
                let close = quote.map_or("]".to_owned(), |quote| format!("{quote}]"));
                let opened = 1 + usize::from(quote.is_some());
                let Some(length) = rest[opened..].find(&close) else {
                    return Err(self.error(
                        begin..self.text.len(),
                        format!("`{close}` is missing"),
                        "write `servers[0]` or `failover['crash web-1']`",
                    ));
                };
                words.push((rest[opened..opened + length].to_owned(), begin + opened..begin + opened + length));
                self.at += opened + length + close.len();
            } else {
                let length = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-'))).unwrap_or(rest.len());
                if length == 0 {
                    return Err(self.no_name());
                }
                words.push((rest[..length].to_owned(), begin..begin + length));
                self.at += length;
            }
            match self.rest().chars().next() {
                Some('.') => self.at += 1,
                Some('[') => {}
                _ => break,
            }
        }
        let is_number = words[0].0.starts_with(|c: char| c.is_ascii_digit());
        let help = "the figure stands first: `p99 < 500ms`";
        if is_number { Err(self.error(start..self.at, "here a figure is expected", help)) } else { Ok(words) }
    }

    fn no_name(&self) -> Diagnostic {
        let end = self.at + self.rest().chars().next().map_or(0, char::len_utf8);
        self.error(self.at..end, "here a figure is expected", "write `failed == 0`, or `failed == 0 and p99 < 500ms`")
    }

    fn sign(&mut self) -> Result<Sign, Diagnostic> {
        self.skip_blank();
        let rest = self.rest();
        let length = rest.find(|c: char| !SIGNS.contains(&c)).unwrap_or(rest.len());
        let (place, written) = (self.at..self.at + length, &rest[..length]);
        let help = match written {
            "==" | "<" | "<=" | ">" | ">=" => "",
            "=" => "write `==`",
            "=<" | "≤" => "write `<=`",
            "=>" | "≥" => "write `>=`",
            "!=" | "<>" => "a goal is a side: write `<`, `<=`, `>` or `>=`, or `==`",
            _ => "the signs are ==, <, <=, > and >=",
        };
        if !help.is_empty() {
            let end = if written.is_empty() { self.at + rest.split(char::is_whitespace).next().map_or(0, str::len) } else { place.end };
            return Err(self.error(place.start..end, "here a comparison is expected", help));
        }
        let sign = match written {
            "==" => Sign::Equal,
            "<" => Sign::Less,
            "<=" => Sign::AtMost,
            ">" => Sign::More,
            _ => Sign::AtLeast,
        };
        self.at += length;
        Ok(sign)
    }

    /// The number or quantity up to `and` or the end.
    fn limit(&mut self, figure: &Figure, sign: Sign) -> Result<f64, Diagnostic> {
        self.skip_blank();
        let rest = self.rest();
        let words = rest.match_indices("and").find(|(at, _)| {
            let is_blank = |c: Option<char>| c.is_none_or(char::is_whitespace);
            is_blank(rest[..*at].chars().next_back()) && is_blank(rest[at + "and".len()..].chars().next())
        });
        let text = rest[..words.map_or(rest.len(), |(at, _)| at)].trim_end();
        let place = self.at..self.at + text.len();
        if let Some(stray) = text.find(SIGNS) {
            let end = stray + text[stray..].find(|c: char| !SIGNS.contains(&c)).unwrap_or(text.len() - stray);
            return Err(self.error(self.at + stray..self.at + end, "the number ends here", "comparisons are joined by `and`"));
        }
        if let Some(or) = text.find(" or ") {
            let help = "all comparisons of a goal must hold; look for the others by a second run";
            return Err(self.error(self.at + or + 1..self.at + or + 3, "`or` is not known in a goal", help));
        }
        let limit = limit(text, figure).map_err(|(message, help)| self.error(place.clone(), message, help))?;
        if limit == 0.0 && sign == Sign::Less {
            return Err(self.error(place, format!("`{}` is never below zero", figure.name), "write `== 0`"));
        }
        self.at += words.map_or(rest.len(), |(at, _)| at);
        Ok(limit)
    }
}

/// The number in the figure's unit; else what is wrong, and what would be right.
fn limit(text: &str, figure: &Figure) -> Result<f64, (String, String)> {
    let name = &figure.name;
    let number = || text.replace('_', "").parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    let of = |what: &str, example: &str| format!("`{name}` is {what}: write `{name} <= {example}`");
    match figure.unit {
        _ if text.is_empty() => Err(("here a number is expected".to_owned(), format!("write what `{name}` is compared with"))),
        Unit::Millis => text.parse::<Span>().map(Span::as_millis_f64).map_err(|reason| (reason, of("a time", "500ms"))),
        Unit::Seconds => text.parse::<Span>().map(Span::as_secs_f64).map_err(|reason| (reason, of("a time", "10s"))),
        Unit::Share => text.parse::<Share>().map(|share| decimal(share.0)).map_err(|reason| (reason, of("a share", "1%"))),
        Unit::PerSecond => text.parse::<Rate>().map(|rate| rate.0).map_err(|reason| (reason, of("a rate", "90/s"))),
        Unit::None => number().ok_or_else(|| {
            let share = if figure.is_count && text.ends_with('%') { "; `failed_share` is the share of failures" } else { "" };
            (format!("`{text}` is not a number from 0 up"), format!("`{name}` has no unit{share}"))
        }),
    }
}

/// The decimal number that was written: 99.9 / 100 comes out a bit above 0.999, and would be missed by 999 of 1000.
fn decimal(share: f64) -> f64 {
    format!("{share:.12}").parse().unwrap_or(share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::summarise;
    use crate::summary::tests::{about, record, results, variant};

    fn read(text: &str) -> Result<Goal, Diagnostic> {
        let summary = summarise(&about(2), &[variant("a")], &[results([record(&[10; 2000], 2)])]);
        Goal::read(text, &serde_json::to_value(&summary.variants[0]).unwrap())
    }

    #[test]
    fn comparisons_are_read_with_their_units() {
        for (text, limits) in [
            ("failed == 0", vec![(Sign::Equal, 0.0, Rule::EveryReplication)]),
            ("p99 < 500ms", vec![(Sign::Less, 500.0, Rule::UpperEnd)]),
            ("p99<1.5s", vec![(Sign::Less, 1500.0, Rule::UpperEnd)]),
            ("failed_share <= 0.1%", vec![(Sign::AtMost, 0.001, Rule::UpperEnd)]),
            ("success >= 99.9%", vec![(Sign::AtLeast, 0.999, Rule::LowerEnd)]),
            ("utilization_max < 0.8", vec![(Sign::Less, 0.8, Rule::UpperEnd)]),
            ("throughput_rps > 90/s", vec![(Sign::More, 90.0, Rule::LowerEnd)]),
            ("failover['crash web-2'].detected_after_s <= 10s", vec![(Sign::AtMost, 10.0, Rule::UpperEnd)]),
            ("requests.by_error['5xx'] <= 1_000", vec![(Sign::AtMost, 1000.0, Rule::EveryReplication)]),
            (
                "  failed==0 and servers[1].utilization >= 5 %  and max <= 1s ",
                vec![
                    (Sign::Equal, 0.0, Rule::EveryReplication),
                    (Sign::AtLeast, 0.05, Rule::LowerEnd),
                    (Sign::AtMost, 1000.0, Rule::EveryReplication),
                ],
            ),
        ] {
            let goal = read(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
            let found: Vec<_> = goal.comparisons.iter().map(|found| (found.sign, found.limit, found.rule())).collect();
            assert_eq!(found, limits, "{text}");
        }
        let texts: Vec<String> = read("failed==0 and p99 < 500 ms").unwrap().comparisons.into_iter().map(|found| found.text).collect();
        assert_eq!(texts, ["failed==0", "p99 < 500 ms"]);
    }

    #[test]
    fn mistakes_are_pointed_at() {
        for (text, marked, help) in [
            ("", "", "write `failed == 0`"),
            ("failed = 0", "=", "write `==`"),
            ("failed", "", "the signs are"),
            ("failed 0", "0", "the signs are"),
            ("failed != 0", "!=", "a goal is a side"),
            ("failed =< 3", "=<", "write `<=`"),
            ("failed ==", "", "compared with"),
            ("failed < 0", "0", "write `== 0`"),
            ("p99 < 500", "500", "write `p99 <= 500ms`"),
            ("p99 < 5 %", "5 %", "a time"),
            ("failed <= 1%", "1%", "`failed_share`"),
            ("success >= 120%", "120%", "a share"),
            ("fialed == 0", "fialed", "did you mean `failed`?"),
            ("failed == 0 and requests.by_error.tiemout == 0", "tiemout", "did you mean `timeout`?"),
            ("failed == 0 && p99 < 1s", "&&", "joined by `and`"),
            ("failed == 0, p99 < 1s", ",", "joined by `and`"),
            ("failed == 0 or p99 < 1s", "<", "joined by `and`"),
            ("failed == 0 or 1", "or", "all comparisons"),
            ("failed == 0 and", "", "write `failed == 0`"),
            ("500ms > p99", "500ms", "the figure stands first"),
            ("servers['web-1.share < 1%", "['web-1.share < 1%", "write `servers[0]`"),
            ("utilization..x < 1", ".", "write `failed"),
        ] {
            let error = read(text).expect_err(text);
            let spot = error.spot.clone().unwrap_or_else(|| panic!("{text}"));
            assert_eq!(&text[spot.range], marked, "{text}");
            assert!(error.help.as_ref().is_some_and(|told| told.contains(help)), "{text}: {error:?}");
        }
    }

    fn judge(text: &str, all: Option<(f64, f64, f64)>, runs: &[Option<f64>]) -> (bool, bool) {
        let all = all.map(|(value, low, high)| Estimate { value, ci95: Some((low, high)) });
        let judged = read(text).unwrap().comparisons[0].judge(all, runs);
        (judged.met, judged.is_close)
    }

    #[test]
    fn counts_must_hold_in_every_replication() {
        let runs = [Some(0.0), Some(3.0), Some(0.0)];
        assert_eq!(judge("failed == 0", Some((1.0, 0.0, 5.0)), &runs), (false, false));
        assert_eq!(judge("failed == 0", Some((0.0, 0.0, 0.0)), &[Some(0.0); 3]), (true, false));
        // The interval ends at 2, yet there was one with 3.
        assert_eq!(judge("failed <= 2", Some((1.0, 0.0, 2.0)), &runs), (false, true));
        // The interval goes to 5, yet none has more than 3.
        assert_eq!(judge("failed <= 3", Some((1.0, 0.0, 5.0)), &runs), (true, false));
        assert_eq!(judge("ok >= 1", Some((1.0, 0.0, 5.0)), &runs), (false, true));
    }

    #[test]
    fn averages_hold_by_the_unfavourable_end() {
        let runs = [Some(480.0), Some(500.0)];
        assert_eq!(judge("p99 < 500ms", Some((490.0, 480.0, 499.0)), &runs), (true, false));
        assert_eq!(judge("p99 < 500ms", Some((490.0, 470.0, 510.0)), &runs), (false, true));
        assert_eq!(judge("p99 < 500ms", Some((510.0, 490.0, 530.0)), &runs), (false, false));
        assert_eq!(judge("success >= 99%", Some((0.995, 0.991, 0.999)), &runs), (true, false));
        assert_eq!(judge("success >= 99%", Some((0.995, 0.989, 1.0)), &runs), (false, true));
    }

    #[test]
    fn a_replication_without_a_value_misses() {
        assert_eq!(judge("p99 < 500ms", Some((490.0, 480.0, 499.0)), &[Some(490.0), None]), (false, false));
        assert_eq!(judge("p99 < 500ms", None, &[None, None]), (false, false));
    }

    #[test]
    fn without_an_interval_the_value_decides() {
        let comparison = read("p99 < 500ms").unwrap().comparisons.remove(0);
        assert!(comparison.judge(Some(Estimate { value: 499.0, ci95: None }), &[Some(499.0)]).met);
        assert!(!comparison.judge(Some(Estimate { value: 500.0, ci95: None }), &[Some(500.0)]).met);
    }
}
