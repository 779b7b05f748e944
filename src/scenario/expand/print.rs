//! What `lbsim expand` prints: the user's own sections as written, and in place of the blocks what they stand for.

use super::text::Section;
use super::{BLOCKS, Expanded};
use crate::document::{self, Node, Value, scalar};
use crate::error::Source;
use std::sync::Arc;

/// One scenario: what is printed of it, and under which names it ran.
pub(in crate::scenario) struct Print<'a> {
    /// The file as it was read, without any patch.
    pub original: &'a Node,
    /// With its patches, and with the blocks.
    pub document: &'a Node,
    pub expanded: &'a Expanded,
    /// The name of the scenario, where the file does not give one.
    pub name: Option<&'a str>,
    /// The variant, where it was chosen by name.
    pub variant: Option<&'a str>,
}

impl Print<'_> {
    /// The text. It reads back as the expanded document: where pieces of the user's text do not fit together (an anchor that is used in
    /// another section, a file in braces), all sections are written anew, without the user's comments.
    pub fn text(&self) -> String {
        let as_written = self.assemble(true);
        if self.reads_back(&as_written) { as_written } else { self.assemble(false) }
    }

    fn reads_back(&self, text: &str) -> bool {
        let source = Arc::new(Source { name: String::new(), text: text.to_owned() });
        let Ok(again) = document::parse(&source) else { return false };
        let added = usize::from(self.name.is_some()) + usize::from(self.variant.is_some());
        let wanted = self.expanded.document.entries();
        let is_there = |(key, node): &(document::Key, Node)| again.get(&key.text).is_some_and(|found| found.is_same(node));
        again.entries().len() == wanted.len() + added && wanted.iter().all(is_there)
    }

    fn assemble(&self, as_written: bool) -> String {
        let generated = &self.expanded.sections;
        let pieces = Pieces::of(self.original);
        let mut out = if as_written { pieces.head.clone() } else { String::new() };
        if let Some(name) = self.name {
            out.push_str(&format!("name: {}\n", scalar(name)));
        }
        let mut left: Vec<&Section> = generated.iter().collect();
        let has_block_at = |key: &str| BLOCKS.contains(&key);
        for (key, node) in self.document.entries() {
            if has_block_at(&key.text) {
                self.write_generated(&mut left, &mut out);
                continue;
            }
            let section = generated.iter().find(|section| section.key == &*key.text);
            match section {
                Some(section) if section.key == "balancers" || section.key == "servers" || section.key == "nodes" => {
                    out.push_str(&appended(node, section));
                    left.retain(|other| other.key != section.key);
                }
                Some(_) => {}
                None => {
                    match pieces.text(&key.text).filter(|_| as_written && self.original.get(&key.text).is_some_and(|old| old.is_same(node)))
                    {
                        Some(text) => out.push_str(text),
                        None => out.push_str(&node.to_section(&key.text)),
                    }
                }
            }
        }
        self.write_generated(&mut left, &mut out);
        if let Some(variant) = self.variant {
            out.push_str(&format!("compare: [{{ patch: {{ name: {}, set: {{}} }} }}]\n", scalar(variant)));
        }
        out
    }

    /// What the user has no section for, once.
    fn write_generated(&self, left: &mut Vec<&Section>, out: &mut String) {
        let is_own = |section: &&Section| {
            let is_list = ["nodes", "servers", "balancers"].contains(&section.key);
            is_list && self.document.get(section.key).is_some_and(|node| !matches!(node.value, Value::Null))
        };
        let now: Vec<&Section> = left.iter().copied().filter(|section| !is_own(section)).collect();
        left.retain(is_own);
        if now.is_empty() {
            return;
        }
        out.push_str("\n# What `kubernetes` and `aws` stand for.\n");
        for section in now {
            out.push_str(&format!("{}:{}\n", section.key, section.body));
        }
    }
}

/// The user's items, and the generated ones behind them.
fn appended(node: &Node, section: &Section) -> String {
    let own = match node.items() {
        [] => format!("{}:\n", section.key),
        _ => node.to_section(section.key),
    };
    format!("{own}  # What `kubernetes` and `aws` stand for.\n{}\n", section.body.trim_start_matches('\n'))
}

/// The text of a file by its sections; a comment belongs to the section below it.
struct Pieces {
    /// What stands before the first section.
    head: String,
    sections: Vec<(String, String)>,
}

impl Pieces {
    fn of(document: &Node) -> Pieces {
        let text = &document.spot.source.text;
        let line_start = |at: usize| text[..at.min(text.len())].rfind('\n').map_or(0, |end| end + 1);
        let mut starts: Vec<usize> =
            document.entries().iter().map(|(key, _)| above_comments(text, line_start(key.spot.range.start))).collect();
        let head = starts.first().map_or(String::new(), |first| text[..*first].to_owned());
        starts.push(text.len());
        let bodies = starts.windows(2).map(|pair| {
            let body = text.get(pair[0]..pair[1]).unwrap_or_default();
            if body.ends_with('\n') || body.is_empty() { body.to_owned() } else { format!("{body}\n") }
        });
        let sections = document.entries().iter().map(|(key, _)| key.text.to_string()).zip(bodies).collect();
        Pieces { head, sections }
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.sections.iter().find(|(known, _)| known == key).map(|(_, text)| text.as_str())
    }
}

/// The start of the comments and empty lines that stand right above a line.
fn above_comments(text: &str, start: usize) -> usize {
    let mut at = start;
    while at > 0 {
        let above = text[..at - 1].rfind('\n').map_or(0, |end| end + 1);
        let line = text[above..at].trim_end();
        if !line.is_empty() && !line.starts_with('#') {
            break;
        }
        at = above;
    }
    at
}
