//! YAML text to a tree of nodes, from the events of `saphyr-parser`. One document, plain words as keys, no key twice; limits
//! on size, depth and number of nodes keep a hostile file from costing time or memory. Nothing here recurses.

use super::{Key, Node, Value};
use crate::error::{Diagnostic, Diagnostics, Source, Spot};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Tag};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

/// A scenario is written by hand: the largest known has some kilobytes.
const BYTES_MAX: usize = 1 << 20;
pub(super) const DEPTH_MAX: usize = 64;
/// Counted with aliases expanded, so that a few lines cannot stand for billions of nodes.
const NODES_MAX: usize = 100_000;

/// The bytes of a file as text: at most 1 MiB of UTF-8, with or without a byte order mark.
pub fn decode(name: &str, bytes: &[u8]) -> Result<Source, Diagnostics> {
    let named = |text: String| Source { name: name.to_owned(), text };
    if bytes.len() > BYTES_MAX {
        return Err(too_big(named(String::new()), bytes.len()).into());
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(named(text.to_owned())),
        Err(error) => {
            let at = error.valid_up_to();
            let message = match bytes {
                [0x1f, 0x8b, ..] => "this is a gzip file, not a scenario".to_owned(),
                [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "the file is written in UTF-16".to_owned(),
                _ => format!("the byte 0x{:02x} is not text in UTF-8", bytes[at]),
            };
            let source = Arc::new(named(String::from_utf8_lossy(bytes).into_owned()));
            let diagnostic = Diagnostic::error(message).at(Spot { source, range: at..at + '\u{fffd}'.len_utf8() });
            Err(diagnostic.help("a scenario is YAML text, saved as UTF-8").into())
        }
    }
}

fn too_big(source: Source, bytes: usize) -> Diagnostic {
    let message = format!("the file has {bytes} bytes; a scenario has at most 1 MiB ({BYTES_MAX} bytes)");
    Diagnostic::error(message).at(Spot { source: Arc::new(source), range: 0..0 })
}

/// The one document of a source.
pub fn parse(source: &Arc<Source>) -> Result<Node, Diagnostics> {
    let node = parse_from(source, 0)?;
    match node.value {
        Value::Null => Err(empty(source).into()),
        _ => Ok(node),
    }
}

/// The document that begins at a byte of the source. Nothing there is null.
pub fn parse_from(source: &Arc<Source>, start: usize) -> Result<Node, Diagnostics> {
    let spot = Spot { source: source.clone(), range: start..start };
    Ok(build(source, start, false)?.pop().unwrap_or(Node { value: Value::Null, spot }))
}

/// All documents of a source, those that hold nothing included: `---` stands between two.
pub fn parse_all(source: &Arc<Source>) -> Result<Vec<Node>, Diagnostics> {
    build(source, 0, true)
}

fn build(source: &Arc<Source>, start: usize, takes_several: bool) -> Result<Vec<Node>, Diagnostics> {
    let text = source.text.get(start..).unwrap_or_default();
    let (text, start) = text.strip_prefix('\u{feff}').map_or((text, start), |rest| (rest, start + '\u{feff}'.len_utf8()));
    if text.len() > BYTES_MAX {
        return Err(too_big(Source { name: source.name.clone(), text: String::new() }, text.len()).into());
    }
    let builder = Builder { source: source.clone(), bytes: ByteIndex::new(text, start), takes_several, ..Builder::default() };
    builder.build(text).map_err(Diagnostics::from)
}

fn empty(source: &Arc<Source>) -> Diagnostic {
    Diagnostic::error("the scenario is empty")
        .at(Spot { source: source.clone(), range: 0..0 })
        .help("a scenario has at least `duration`, `clients`, `servers` and `balancers`")
}

/// From the parser's index of characters to bytes of the source.
#[derive(Default)]
struct ByteIndex {
    start: usize,
    len: usize,
    /// Empty where all characters have one byte.
    of_char: Vec<u32>,
}

impl ByteIndex {
    fn new(text: &str, start: usize) -> ByteIndex {
        let of_char = if text.is_ascii() { Vec::new() } else { text.char_indices().map(|(at, _)| at as u32).collect() };
        ByteIndex { start, len: text.len(), of_char }
    }

    fn of(&self, index: usize) -> usize {
        let byte = if self.of_char.is_empty() { index } else { self.of_char.get(index).map_or(self.len, |&at| at as usize) };
        self.start + byte.min(self.len)
    }
}

/// A list or map that is still open.
struct Open {
    start: usize,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<(Key, Node)>, seen: HashMap<Arc<str>, usize>, key: Option<Key> },
}

#[derive(Default)]
struct Builder {
    source: Arc<Source>,
    bytes: ByteIndex,
    open: Vec<Open>,
    /// The documents that are complete.
    roots: Vec<Node>,
    takes_several: bool,
    documents: usize,
    anchors: BTreeMap<usize, (Node, usize)>,
    nodes: usize,
}

type Found<T> = Result<T, Box<Diagnostic>>;

impl Builder {
    fn build(mut self, text: &str) -> Result<Vec<Node>, Diagnostic> {
        if let Some((at, c)) = text.char_indices().find(|&(_, c)| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}')) {
            let start = self.bytes.start + at;
            let message = format!("the control character U+{:04X} is not allowed in YAML", c as u32);
            return Err(Diagnostic::error(message).at(self.spot(start..start + c.len_utf8())).help("is this a text file?"));
        }
        let mut parser = Parser::new_from_str(text);
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| self.syntax_error(&error))?;
            let range = self.bytes.of(span.start.index())..self.bytes.of(span.end.index());
            self.take(event, range).map_err(|diagnostic| *diagnostic)?;
        }
        Ok(self.roots)
    }

    fn spot(&self, range: Range<usize>) -> Spot {
        Spot { source: self.source.clone(), range }
    }

    fn error<T>(&self, range: Range<usize>, message: impl Into<String>, help: &str) -> Found<T> {
        Err(Box::new(Diagnostic::error(message).at(self.spot(range)).help(help)))
    }

    fn take(&mut self, event: Event, range: Range<usize>) -> Found<()> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                // An alias reaches no further than its document.
                self.anchors.clear();
                if self.documents > 1 && !self.takes_several {
                    return self.error(
                        range,
                        "a second document begins here",
                        "a scenario is one document; put each into a file of its own",
                    );
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => self.scalar(&text, style, anchor, tag, range),
            Event::Alias(anchor) => self.alias(anchor, range),
            Event::SequenceStart(anchor, tag) => self.begin(Content::List(Vec::new()), anchor, tag, range),
            Event::MappingStart(anchor, tag) => {
                self.begin(Content::Map { entries: Vec::new(), seen: HashMap::new(), key: None }, anchor, tag, range)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(range),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    /// Whether the next node is the key of a map.
    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { content: Content::Map { key: None, .. }, .. }))
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, anchor: usize, tag: Option<Cow<Tag>>, range: Range<usize>) -> Found<()> {
        let is_text = self.check_tag(tag, &["str", "int", "float", "bool", "null"], &range)?;
        let range = trim(&self.source.text, range);
        let text: Arc<str> = Arc::from(text);
        if self.expects_key() {
            return self.key(Key { text, spot: self.spot(range) }, style);
        }
        let is_plain = style == ScalarStyle::Plain && !is_text;
        let value = match &*text {
            "" | "~" | "null" | "Null" | "NULL" if is_plain => Value::Null,
            _ => Value::Scalar { text, is_plain },
        };
        let node = Node { value, spot: self.spot(range) };
        self.remember(anchor, &node, 1)?;
        self.put(node)
    }

    fn key(&mut self, new: Key, style: ScalarStyle) -> Found<()> {
        if new.text.is_empty() && style == ScalarStyle::Plain {
            return self.error(new.spot.range, "a key is missing here", "write `key: value`");
        }
        let Some(Open { content: Content::Map { entries, seen, key, .. }, .. }) = self.open.last_mut() else { return Ok(()) };
        if let Some(&first) = seen.get(&new.text) {
            let line = |range: &Range<usize>| self.source.text[..range.start].matches('\n').count() + 1;
            let help = format!("it stands on line {} already; keep one of the two", line(&entries[first].0.spot.range));
            return self.error(new.spot.range, format!("`{}` is given twice", new.text), &help);
        }
        seen.insert(new.text.clone(), entries.len());
        *key = Some(new);
        Ok(())
    }

    fn alias(&mut self, anchor: usize, range: Range<usize>) -> Found<()> {
        if self.expects_key() {
            return self.error(range, "an alias cannot be a key", "write the key out");
        }
        let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
            return self.error(range, "this alias stands inside what it refers to", "an alias can only repeat what was complete before it");
        };
        if self.open.len() + depth(&node) > DEPTH_MAX {
            return self.too_deep(range);
        }
        self.count(size, &range)?;
        self.put(node)
    }

    fn begin(&mut self, content: Content, anchor: usize, tag: Option<Cow<Tag>>, range: Range<usize>) -> Found<()> {
        self.check_tag(tag, if matches!(content, Content::List(_)) { &["seq"] } else { &["map"] }, &range)?;
        if self.expects_key() {
            return self.error(range, "a key must be a word, not a list or map", "a value that begins with `{` or `[` needs quotes");
        }
        if self.open.len() >= DEPTH_MAX {
            return self.too_deep(range);
        }
        self.open.push(Open { start: range.start, anchor, content });
        Ok(())
    }

    fn too_deep<T>(&self, range: Range<usize>) -> Found<T> {
        self.error(range, format!("this is nested more than {DEPTH_MAX} deep"), "no scenario needs more than ten levels")
    }

    fn end(&mut self, range: Range<usize>) -> Found<()> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let text = &self.source.text;
        let is_flow = text[open.start.min(text.len())..].starts_with(['{', '[']);
        let whole = open.start..range.end.max(open.start);
        let (value, first) = match open.content {
            Content::List(items) => {
                let first = items.first().map(|item| open.start..item.spot.range.end);
                (Value::List(items), first)
            }
            Content::Map { entries, .. } => {
                let first = entries.first().map(|(key, node)| key.spot.range.start..node.spot.range.end.max(key.spot.range.end));
                (Value::Map(entries), first)
            }
        };
        // A block ends where the next one begins, many lines below: its first entry stands for it.
        let range = if is_flow { whole } else { first.filter(|first| first.start <= first.end).unwrap_or(whole) };
        let node = Node { value, spot: self.spot(range.clone()) };
        let size = if open.anchor > 0 { node.size() } else { 0 };
        self.remember(open.anchor, &node, size)?;
        self.put(node)
    }

    /// Keeps what has an anchor. Copies count too, so that anchors inside anchors do not add up.
    fn remember(&mut self, anchor: usize, node: &Node, size: usize) -> Found<()> {
        if anchor > 0 {
            self.count(size, &node.spot.range)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        Ok(())
    }

    fn put(&mut self, mut node: Node) -> Found<()> {
        self.count(1, &node.spot.range)?;
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.roots.push(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map { entries, key, .. }) => {
                if let Some(key) = key.take() {
                    if node.spot.range.is_empty() {
                        node.spot = key.spot.clone();
                    }
                    entries.push((key, node));
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, nodes: usize, range: &Range<usize>) -> Found<()> {
        self.nodes += nodes;
        if self.nodes > NODES_MAX {
            let message = format!("the document has more than {NODES_MAX} values, its aliases written out");
            return self.error(range.clone(), message, "many alike servers are one group with a `count`");
        }
        Ok(())
    }

    /// Whether the tag makes it a text; refuses tags that are not YAML's own for this kind of node.
    fn check_tag(&self, tag: Option<Cow<Tag>>, allowed: &[&str], range: &Range<usize>) -> Found<bool> {
        let Some(tag) = tag else { return Ok(false) };
        if !tag.is_yaml_core_schema() || !allowed.contains(&tag.suffix.as_str()) {
            return self.error(range.clone(), format!("the tag `{tag}` is not known here"), "remove it; a scenario needs no tags");
        }
        Ok(tag.suffix == "str")
    }

    fn syntax_error(&self, error: &ScanError) -> Diagnostic {
        let at = self.bytes.of(error.marker().index());
        let next = self.source.text[at.min(self.source.text.len())..].chars().next().filter(|c| *c != '\n');
        let (message, help) = in_our_words(error.info());
        let diagnostic = Diagnostic::error(message).at(self.spot(at..at + next.map_or(0, char::len_utf8)));
        if help.is_empty() { diagnostic } else { diagnostic.help(help) }
    }
}

fn depth(node: &Node) -> usize {
    let mut level = vec![node];
    let mut depth = 0;
    while !level.is_empty() {
        depth += 1;
        level = level.iter().flat_map(|node| node.items().iter().chain(node.entries().iter().map(|(_, node)| node))).collect();
    }
    depth - 1
}

/// The range without white space behind it, which the parser counts in.
fn trim(text: &str, range: Range<usize>) -> Range<usize> {
    let len = text.get(range.clone()).map_or(range.len(), |part| part.trim_end().len());
    range.start..range.start + len
}

/// The parser's complaints, as a user of scenarios would say them: (part of its message, ours, what to do).
const SYNTAX: &[(&str, &str, &str)] = &[
    ("in quoted scalar", "this quoted text has no end on its line", "add the closing quote"),
    ("only valid inside a block", "a `-` cannot begin an item here", "is a `]` or `}` missing before this line?"),
    ("tab", "a tab is used for indentation", "indent with spaces"),
    (
        "mapping values are not allowed",
        "a `:` is not expected here",
        "does this line have the indentation of its neighbours? A value with `: ` in it needs quotes",
    ),
    ("flow mapping, did not find", "`,` or `}` is missing before this", "each `{` needs its `}`, and a `,` stands between two entries"),
    ("flow sequence, expected", "`,` or `]` is missing before this", "each `[` needs its `]`, and a `,` stands between two items"),
    ("quoted scalar, found unexpected end", "this quoted text has no end", "add the closing quote"),
    ("simple key expect", "`:` is missing after this key", "write `key: value`"),
    (
        "block mapping, did not find expected key",
        "this line does not fit what stands above it",
        "entries of one map begin in the same column",
    ),
    ("did not find expected '-'", "this line does not fit the list above it", "items of one list begin with `- ` in the same column"),
    ("unknown anchor", "this alias refers to nothing", "an alias `*x` repeats what was marked `&x` before"),
    ("document start", "this does not belong to what stands above it", "entries of one map begin in the same column"),
    ("recursion limit", "this is nested too deep", "no scenario needs more than ten levels"),
    ("unknown escape", "there is no such escape in a quoted text", "write `\\\\` for a backslash, or use single quotes"),
    ("handle wasn't declared", "this tag is not known", "remove it; a scenario needs no tags"),
    ("misplaced bracket", "this bracket closes nothing", "remove it, or add the one that opens"),
    ("unexpected character", "this character cannot begin a value", "put the value into quotes"),
    ("did not find expected node content", "a value is missing here", "is there a `,` too many, or a bracket without its partner?"),
    ("indentation", "this line has the wrong indentation", "what belongs together begins in the same column"),
    ("':' must be followed", "a space is missing after `:`", "write `key: value`"),
    ("'-' must be followed", "a space is missing after `-`", "write `- item`"),
    ("block sequence entries are not allowed", "a `-` is not expected here", "a list begins on a line of its own, or is written `[a, b]`"),
];

fn in_our_words(info: &str) -> (String, &'static str) {
    match SYNTAX.iter().find(|(part, ..)| info.contains(part)) {
        Some((_, message, help)) => ((*message).to_owned(), help),
        None => (format!("this is not YAML: {}", info.replace("invalid", "unexpected")), ""),
    }
}
