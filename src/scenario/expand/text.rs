//! The text of an expansion: parts with comments, each of which knows from where in the user's file it comes. So what is wrong with the
//! parts is said of the user's file.

use crate::document::{Node, Path, scalar};
use std::fmt::Display;
use std::ops::Range;

/// Sections of an expansion, in the order in which they are written.
pub(super) const LISTS: [&str; 4] = ["nodes", "servers", "balancers", "operations"];

/// An item of a section.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub section: &'static str,
    pub name: String,
    /// What it stands for, a line each.
    pub comment: Vec<String>,
    pub fields: Vec<Field>,
    /// What of the user's file it stands for.
    pub from: Path,
}

/// `key: value  # note`.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub key: String,
    pub value: Value,
    pub note: String,
    /// Values that the user wrote: steps below this field, and where they stand in the user's file.
    pub given: Vec<(String, Path)>,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Line(String),
    Map(Vec<Field>),
    /// Items, each on a line.
    List(Vec<String>),
}

impl Field {
    pub fn new(key: &str, value: impl Display) -> Field {
        Field { key: key.to_owned(), value: Value::Line(value.to_string()), note: String::new(), given: Vec::new() }
    }

    pub fn note(self, note: impl Into<String>) -> Field {
        Field { note: note.into(), ..self }
    }

    pub fn names(key: &str, names: &[String]) -> Field {
        let names: Vec<String> = names.iter().map(|name| scalar(name)).collect();
        Field::new(key, format!("[{}]", names.join(", ")))
    }

    pub fn given(self, steps: &str, path: Path) -> Field {
        let mut given = self.given;
        given.push((steps.to_owned(), path));
        Field { given, ..self }
    }
}

impl Part {
    pub fn new(section: &'static str, name: impl Into<String>, from: &Path) -> Part {
        let name = name.into();
        Part { section, comment: Vec::new(), fields: vec![Field::new("name", scalar(&name))], name, from: from.clone() }
    }

    pub fn comment(mut self, line: impl Into<String>) -> Part {
        self.comment.push(line.into());
        self
    }

    pub fn with(mut self, field: Field) -> Part {
        self.fields.push(field);
        self
    }

    pub fn maybe(self, field: Option<Field>) -> Part {
        match field {
            Some(field) => self.with(field),
            None => self,
        }
    }

    /// Without comments and notes: the same was said of another one before.
    pub fn quiet(mut self) -> Part {
        self.comment.clear();
        self.fields.iter_mut().for_each(|field| field.note.clear());
        self
    }

    /// As the first of its kind, or as one more.
    pub fn told(self, is_first: bool) -> Part {
        if is_first { self } else { self.quiet() }
    }

    pub fn all(mut self, fields: impl IntoIterator<Item = Field>) -> Part {
        self.fields.extend(fields);
        self
    }
}

/// A map or item in the user's file.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    pub node: Option<&'a Node>,
    pub path: Path,
}

impl<'a> Place<'a> {
    pub fn of(document: &'a Node, path: Path) -> Place<'a> {
        Place { node: document.at(&path), path }
    }

    /// The value of a field, unless it holds nothing.
    pub fn get(&self, field: &str) -> Option<&'a Node> {
        self.node?.get(field).filter(|node| !matches!(node.value, crate::document::Value::Null))
    }

    pub fn has(&self, field: &str) -> bool {
        self.get(field).is_some()
    }

    pub fn below(&self, field: &'static str) -> Place<'a> {
        Place { node: self.get(field), path: self.path.field(field) }
    }

    /// The field as the user wrote it, under another name.
    pub fn copied(&self, field: &'static str, key: &str) -> Option<Field> {
        Some(Field::new(key, self.get(field)?.to_yaml()).given("", self.path.field(field)))
    }

    pub fn copy(&self, field: &'static str) -> Option<Field> {
        self.copied(field, field)
    }

    pub fn copies(&self, fields: &[&'static str]) -> Vec<Field> {
        fields.iter().filter_map(|field| self.copy(field)).collect()
    }

    /// As written, or the default with a note where it comes from.
    pub fn copy_or(&self, field: &'static str, default: impl Display, note: &str) -> Field {
        self.copy(field).unwrap_or_else(|| Field::new(field, default).note(note))
    }
}

/// `{ a: 1, b: 2 }` of fields whose values are single lines; keeps what the user wrote.
pub(super) fn flow(key: &str, fields: Vec<Field>) -> Field {
    let mut whole = Field::new(key, "");
    let mut entries = Vec::new();
    for field in fields {
        if let Value::Line(value) = &field.value {
            entries.push(format!("{}: {value}", scalar(&field.key)));
        }
        for (steps, path) in field.given {
            let steps = if steps.is_empty() { field.key.clone() } else { format!("{}.{steps}", field.key) };
            whole.given.push((steps, path));
        }
        if !field.note.is_empty() {
            whole.note = if whole.note.is_empty() { field.note } else { format!("{}; {}", whole.note, field.note) };
        }
    }
    whole.value = Value::Line(if entries.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", entries.join(", ")) });
    whole
}

/// What is written, before it is text.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    pub parts: Vec<Part>,
    pub network: Option<Field>,
    pub entry: Option<Field>,
    /// Remarks that stand before the section, such as what is left out.
    pub remarks: Vec<(&'static str, String)>,
}

/// A part in the text.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub range: Range<usize>,
    pub section: &'static str,
    pub index: usize,
    pub name: String,
    pub from: Path,
    /// (steps below the item, where the user wrote it).
    pub given: Vec<(String, Path)>,
}

/// The text of a section.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub key: &'static str,
    /// Without the line of the key.
    pub body: String,
}

impl Parts {
    pub fn balancer(&mut self, part: Part) {
        self.parts.push(part);
    }

    pub fn find(&mut self, name: &str) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| part.section == "balancers" && part.name == name)
    }

    /// The sections as text. Places in `Written` count from the start of the whole, which is all sections with their keys in turn.
    pub fn write(&self) -> (Vec<Section>, Vec<Written>) {
        let mut sections = Vec::new();
        let mut written = Vec::new();
        let mut start = 0;
        let mut finish = |key: &'static str, body: String| {
            start += key.len() + 2 + body.len();
            sections.push(Section { key, body });
            start
        };
        let mut at = 0;
        for key in ["nodes", "network", "servers", "balancers", "entry", "operations"] {
            let single = match key {
                "network" => self.network.as_ref(),
                "entry" => self.entry.as_ref(),
                _ => None,
            };
            if let Some(field) = single {
                let Value::Line(value) = &field.value else { continue };
                let body = format!(" {value}{}\n", comment_of(&field.note));
                let from = field.given.first().map(|(_, path)| path.clone()).unwrap_or_default();
                let range = at..at + key.len() + 2 + body.len();
                written.push(Written { range, section: key, index: 0, name: String::new(), from, given: field.given.clone() });
                at = finish(key, body);
                continue;
            }
            let parts: Vec<&Part> = self.parts.iter().filter(|part| part.section == key).collect();
            if parts.is_empty() {
                continue;
            }
            let mut body = "\n".to_owned();
            for (_, remark) in self.remarks.iter().filter(|(section, _)| *section == key) {
                body.push_str(&format!("  # {remark}\n"));
            }
            for (index, part) in parts.into_iter().enumerate() {
                let begin = at + key.len() + 2 + body.len() - 1;
                let given = write_part(part, &mut body);
                let end = at + key.len() + 2 + body.len();
                written.push(Written {
                    range: begin..end,
                    section: part.section,
                    index,
                    name: part.name.clone(),
                    from: part.from.clone(),
                    given,
                });
            }
            at = finish(key, body);
        }
        (sections, written)
    }
}

fn comment_of(note: &str) -> String {
    if note.is_empty() { String::new() } else { format!("  # {note}") }
}

fn write_part(part: &Part, out: &mut String) -> Vec<(String, Path)> {
    for line in &part.comment {
        out.push_str(&format!("  # {line}\n"));
    }
    let mut given = Vec::new();
    for (i, field) in part.fields.iter().enumerate() {
        out.push_str(if i == 0 { "  - " } else { "    " });
        write_field(field, 6, "", out, &mut given);
    }
    given
}

fn write_field(field: &Field, indent: usize, above: &str, out: &mut String, given: &mut Vec<(String, Path)>) {
    let own = if above.is_empty() { field.key.clone() } else { format!("{above}.{}", field.key) };
    for (steps, path) in &field.given {
        given.push((if steps.is_empty() { own.clone() } else { format!("{own}.{steps}") }, path.clone()));
    }
    let margin = " ".repeat(indent);
    out.push_str(&format!("{}:", scalar(&field.key)));
    match &field.value {
        Value::Line(value) => out.push_str(&format!(" {value}{}\n", comment_of(&field.note))),
        Value::List(lines) => {
            out.push_str(&format!("{}\n", comment_of(&field.note)));
            lines.iter().for_each(|line| out.push_str(&format!("{margin}- {line}\n")));
        }
        Value::Map(fields) => {
            out.push_str(&format!("{}\n", comment_of(&field.note)));
            for field in fields {
                out.push_str(&margin);
                write_field(field, indent + 2, &own, out, given);
            }
        }
    }
}
