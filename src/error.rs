//! What is wrong with an input, and where: messages that quote the line, point at the spot and say what would be right.
//! Rendered in the style of rustc with `annotate-snippets`. Nothing that a file contains reaches the terminal unescaped.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Text that was read, and what to call it in messages: the path as given, `<stdin>` or `--set`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Source {
    pub name: String,
    pub text: String,
}

/// A range of bytes in a source.
#[derive(Clone, Debug)]
pub struct Spot {
    pub source: Arc<Source>,
    pub range: Range<usize>,
}

impl PartialEq for Spot {
    fn eq(&self, other: &Spot) -> bool {
        self.range == other.range && (Arc::ptr_eq(&self.source, &other.source) || self.source == other.source)
    }
}

impl Spot {
    /// Line and column (in characters) of its begin, both from 1.
    pub fn line_and_column(&self) -> (usize, usize) {
        let excerpt = Excerpt::of(self);
        (excerpt.line, excerpt.column)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Error,
    Warning,
}

/// One thing that is wrong, or looks wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    pub severity: Severity,
    pub message: String,
    pub spot: Option<Spot>,
    /// Stands beside the caret.
    pub label: Option<String>,
    /// What would be right.
    pub help: Option<String>,
}

impl Diagnostic {
    pub fn error(message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Error, message: message.into(), spot: None, label: None, help: None }
    }

    pub fn warning(message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(message) }
    }

    pub fn at(self, spot: Spot) -> Diagnostic {
        Diagnostic { spot: Some(spot), ..self }
    }

    pub fn label(self, label: impl Into<String>) -> Diagnostic {
        Diagnostic { label: Some(label.into()), ..self }
    }

    pub fn help(self, help: impl Into<String>) -> Diagnostic {
        Diagnostic { help: Some(help.into()), ..self }
    }

    fn render(&self, renderer: &Renderer) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(printable(&self.message, MESSAGE_MAX)));
        let mut place = None;
        let label = self.label.as_ref().map(|label| printable(label, MESSAGE_MAX));
        if let Some(spot) = &self.spot {
            let excerpt = Excerpt::of(spot);
            let name = printable(&spot.source.name, MESSAGE_MAX);
            let annotation = AnnotationKind::Primary.span(excerpt.range).label(label);
            let snippet = Snippet::source(excerpt.text).line_start(excerpt.line).path(name.clone());
            group = group.element(snippet.annotation(annotation));
            place = Some((format!("{name}:{}:", excerpt.line), excerpt.column));
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(printable(help, MESSAGE_MAX)));
        }
        let report = renderer.render(&[group]);
        place.map_or(report.clone(), |(place, column)| with_column(&report, &place, column))
    }
}

/// The report with the true column: the renderer counts in the line as it is quoted, which may be shortened.
fn with_column(report: &str, place: &str, column: usize) -> String {
    let Some((before, behind)) = report.split_once("-->").and_then(|(title, rest)| {
        let at = title.len() + "-->".len() + rest.find(place)? + place.len();
        Some(report.split_at(at))
    }) else {
        return report.to_owned();
    };
    format!("{before}{column}{}", behind.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// Everything found wrong in one go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Diagnostics(Vec<Diagnostic>);

/// A report shows so many and counts the rest.
const SHOWN_MAX: usize = 20;
/// Nobody needs more to see what is wrong, and finding duplicates stays quick.
const KEPT_MAX: usize = 200;

impl Diagnostics {
    pub fn new() -> Diagnostics {
        Diagnostics::default()
    }

    /// Adds it unless the same is there already, as happens when several variants share a mistake, or the list is full.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.0.len() < KEPT_MAX && !self.0.contains(&diagnostic) {
            self.0.push(diagnostic);
        }
    }

    pub fn extend(&mut self, others: impl IntoIterator<Item = Diagnostic>) {
        others.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Nothing more would be kept.
    pub fn is_full(&self) -> bool {
        self.0.len() >= KEPT_MAX
    }

    pub fn has_errors(&self) -> bool {
        self.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// In the order of the file; what has no spot comes first.
    pub fn sort(&mut self) {
        self.0.sort_by(|one, other| {
            let key = |diagnostic: &Diagnostic| diagnostic.spot.as_ref().map(|spot| (spot.source.name.clone(), spot.range.start));
            key(one).cmp(&key(other))
        });
    }

    /// The report, each message followed by an empty line.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        // Lines are short already.
        let renderer = renderer.term_width(1000);
        let mut report = String::new();
        for diagnostic in self.0.iter().take(SHOWN_MAX) {
            report.push_str(&diagnostic.render(&renderer));
            report.push_str("\n\n");
        }
        if self.len() > SHOWN_MAX {
            report.push_str(&format!("... and {} more\n", self.len() - SHOWN_MAX));
        }
        report
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render(false).trim_end())
    }
}

impl std::error::Error for Diagnostics {}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Diagnostics {
        Diagnostics(vec![diagnostic])
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<I: IntoIterator<Item = Diagnostic>>(diagnostics: I) -> Diagnostics {
        let mut list = Diagnostics::new();
        list.extend(diagnostics);
        list
    }
}

const MESSAGE_MAX: usize = 500;
/// Longer lines are shortened to so many characters in front of the spot, and so many from the spot on.
const LINE_MAX: usize = 140;
const LINE_BEFORE_MAX: usize = 60;
const LINE_AFTER_MAX: usize = 80;

/// The line of a spot as it is quoted: shortened around the spot, its control characters escaped.
struct Excerpt {
    line: usize,
    column: usize,
    text: String,
    range: Range<usize>,
}

impl Excerpt {
    fn of(spot: &Spot) -> Excerpt {
        let text = spot.source.text.as_str();
        let start = floor_char(text, spot.range.start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let rest = text[start..].split('\n').next().unwrap_or_default().trim_end();
        let marked = rest.get(..floor_char(rest, spot.range.end.saturating_sub(start))).unwrap_or_default().trim_end();
        let before = &text[line_start..start];
        let mut excerpt =
            Excerpt { line: text[..start].matches('\n').count() + 1, column: before.chars().count() + 1, text: String::new(), range: 0..0 };
        let is_long = excerpt.column - 1 + rest.chars().take(LINE_MAX + 1).count() > LINE_MAX;
        let (before_max, after_max) = if is_long { (LINE_BEFORE_MAX, LINE_AFTER_MAX) } else { (LINE_MAX, LINE_MAX) };
        let skipped = (excerpt.column - 1).saturating_sub(before_max);
        if skipped > 0 {
            excerpt.text.push_str("...");
        }
        before.chars().skip(skipped).for_each(|c| push_escaped(&mut excerpt.text, c));
        excerpt.range.start = excerpt.text.len();
        excerpt.range.end = excerpt.range.start;
        for (offset, c) in rest.char_indices().take(after_max) {
            push_escaped(&mut excerpt.text, c);
            if offset < marked.len() {
                excerpt.range.end = excerpt.text.len();
            }
        }
        if rest.chars().nth(after_max).is_some() {
            excerpt.text.push_str("...");
        }
        excerpt
    }
}

/// The last place at or before `index` where a character begins.
fn floor_char(text: &str, index: usize) -> usize {
    let index = index.min(text.len());
    (0..=index).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// Text without anything that a terminal would obey, at most `chars_max` long: the middle of a longer one is left out.
pub fn printable(text: &str, chars_max: usize) -> String {
    let mut out = String::new();
    let count = text.chars().count();
    for (i, c) in text.chars().enumerate() {
        if count > chars_max && i == chars_max / 2 {
            out.push_str(" ... ");
        }
        if count <= chars_max || i < chars_max / 2 || i >= count - chars_max / 2 {
            push_escaped(&mut out, c);
        }
    }
    out
}

fn push_escaped(out: &mut String, c: char) {
    match c {
        '\t' => out.push(' '),
        _ if c.is_control() || is_invisible(c) => out.extend(c.escape_default()),
        _ => out.push(c),
    }
}

/// Characters that change the direction of text or show nothing, and so hide what a line says.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The candidate that `word` is most likely a slip of, if any is near.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Nobody mistypes a word of a hundred letters; the comparison takes time in proportion to the length.
    if word.chars().count() > 100 {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace(['-', ' ', '.'], "_");
    let word = plain(word);
    let likeness = |candidate: &str| {
        let candidate = plain(candidate);
        let starts_alike = word.len() >= 3 && (candidate.starts_with(&word) || word.starts_with(&candidate) && candidate.len() >= 3);
        strsim::damerau_levenshtein(&word, &candidate) <= 1 + word.chars().count() / 5 && word.chars().count() > 1
            || starts_alike
            || strsim::jaro_winkler(&word, &candidate) > 0.9
    };
    candidates
        .into_iter()
        .filter(|candidate| likeness(candidate))
        .min_by_key(|candidate| strsim::damerau_levenshtein(&word, &plain(candidate)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(text: &str, range: Range<usize>) -> Spot {
        Spot { source: Arc::new(Source { name: "a.yaml".to_owned(), text: text.to_owned() }), range }
    }

    #[test]
    fn a_message_quotes_the_line_and_points_at_the_spot() {
        let report =
            Diagnostics::from(Diagnostic::error("no such thing").at(spot("a: 1\nb: two # yes\n", 8..11)).label("here").help("try 2"));
        let text = report.to_string();
        assert!(text.starts_with("error: no such thing\n --> a.yaml:2:4\n"), "{text}");
        assert!(text.contains("2 | b: two # yes\n  |    ^^^ here"), "{text}");
        assert!(text.ends_with("= help: try 2"), "{text}");
    }

    #[test]
    fn no_escape_sequence_reaches_the_terminal() {
        let mut bad = spot("k: \u{1b}[31mred\u{202e}\u{7}\n", 3..12);
        bad.source = Arc::new(Source { name: "\u{1b}]0;x\u{7}".to_owned(), text: bad.source.text.clone() });
        let list = Diagnostics::from(Diagnostic::error("a\u{1b}[0m\nb\u{9b}c").at(bad).label("\u{1b}").help("\r\u{8}"));
        for c in list.to_string().chars() {
            assert!(c == '\n' || !(c.is_control() || is_invisible(c)), "{c:?}");
        }
    }

    #[test]
    fn long_lines_and_messages_stay_short_and_the_column_true() {
        let text = format!("{}X{}", "ä".repeat(100_000), "b".repeat(100_000));
        let list = Diagnostics::from(Diagnostic::error("m".repeat(10_000)).at(spot(&text, 200_000..200_001)));
        let report = list.to_string();
        assert!(report.len() < 1200, "{}", report.len());
        assert!(report.contains("a.yaml:1:100001\n"), "{report}");
        assert!(list.render(true).contains("a.yaml:1:100001"), "{}", list.render(true));
    }

    #[test]
    fn any_range_can_be_shown() {
        let text = "äö\r\n\n€ x";
        for start in 0..15 {
            for end in 0..15 {
                let list = Diagnostics::from(Diagnostic::error("e").at(spot(text, start..end)));
                assert!(list.to_string().contains("a.yaml:"), "{start}..{end}");
            }
        }
    }

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        assert_eq!(did_you_mean("intervall", ["timeout", "interval"]), Some("interval"));
        assert_eq!(did_you_mean("least_conections", ["round_robin", "least_connections"]), Some("least_connections"));
        assert_eq!(did_you_mean("webb", ["slow", "web"]), Some("web"));
        assert_eq!(did_you_mean("Round-Robin", ["random", "round_robin"]), Some("round_robin"));
        assert_eq!(did_you_mean("banana", ["timeout", "interval"]), None);
    }

    #[test]
    fn the_same_mistake_is_listed_once_and_a_long_list_is_cut() {
        let mut list = Diagnostics::new();
        for i in 0..60 {
            list.push(Diagnostic::error(format!("e{}", i / 2)));
        }
        assert_eq!(list.len(), 30);
        assert!(list.to_string().ends_with("... and 10 more"));
    }
}
