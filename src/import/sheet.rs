//! The text of the scenario: fields, each with what it was read from, or that it was assumed.

use crate::document::scalar;

/// A field of a map.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub key: &'static str,
    pub value: Value,
    /// Stands behind the value as a comment.
    pub note: String,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// As YAML, on one line.
    Line(String),
    Map(Vec<Field>),
    List(Vec<Item>),
}

/// An item of a list, and what stands above it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Item {
    pub comments: Vec<String>,
    pub fields: Vec<Field>,
    /// All on one line.
    pub is_flow: bool,
    pub note: String,
}

/// How what nobody knows from a manifest is marked.
pub const ASSUMED: &str = "ASSUMED";

impl Field {
    pub fn new(key: &'static str, value: impl ToString) -> Field {
        Field { key, value: Value::Line(value.to_string()), note: String::new() }
    }

    /// A name or other text, quoted where it must be.
    pub fn text(key: &'static str, text: &str) -> Field {
        Field::new(key, scalar(text))
    }

    pub fn map(key: &'static str, fields: Vec<Field>) -> Field {
        Field { key, value: Value::Map(fields), note: String::new() }
    }

    /// A map on one line; all its values are on one line.
    pub fn flow(key: &'static str, fields: &[Field]) -> Field {
        Field::new(key, in_braces(fields))
    }

    pub fn list(key: &'static str, items: Vec<Item>) -> Field {
        Field { key, value: Value::List(items), note: String::new() }
    }

    pub fn note(self, note: impl Into<String>) -> Field {
        Field { note: note.into(), ..self }
    }

    pub fn assumed(self, why: &str) -> Field {
        self.note(format!("{ASSUMED}: {why}"))
    }
}

/// Fields on one line; their notes are left out.
pub fn in_braces(fields: &[Field]) -> String {
    let all = fields.iter().map(|field| match &field.value {
        Value::Line(text) => format!("{}: {text}", field.key),
        Value::Map(fields) => format!("{}: {}", field.key, in_braces(fields)),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|item| in_braces(&item.fields)).collect();
            format!("{}: [{}]", field.key, items.join(", "))
        }
    });
    match all.collect::<Vec<_>>().join(", ") {
        text if text.is_empty() => "{}".to_owned(),
        text => format!("{{ {text} }}"),
    }
}

/// Longer comments are broken.
const COMMENT_MAX: usize = 132;

/// Lines of a comment, from the column on. Nothing in it ends the comment.
pub fn comment(out: &mut String, indent: usize, text: &str) {
    let text: String = text.chars().map(|c| if is_harmless(c) { c } else { ' ' }).collect();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if !line.is_empty() && indent + line.chars().count() + word.chars().count() + 3 > COMMENT_MAX {
            out.push_str(&format!("{:indent$}# {line}\n", ""));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    out.push_str(format!("{:indent$}# {line}", "").trim_end());
    out.push('\n');
}

fn is_harmless(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
}

fn end_of_line(out: &mut String, note: &str) {
    if !note.is_empty() {
        let note: String = note.chars().map(|c| if is_harmless(c) { c } else { ' ' }).collect();
        out.push_str(&format!("  # {note}"));
    }
    out.push('\n');
}

/// Fields on lines of their own. The first one stands behind what is there already (`- `).
fn fields(out: &mut String, indent: usize, all: &[Field], mut is_begun: bool) {
    for field in all {
        if !is_begun {
            out.push_str(&format!("{:indent$}", ""));
        }
        is_begun = false;
        out.push_str(&format!("{}:", field.key));
        match &field.value {
            Value::Line(text) => {
                out.push_str(&format!(" {text}"));
                end_of_line(out, &field.note);
            }
            Value::Map(inner) => {
                end_of_line(out, &field.note);
                fields(out, indent + 2, inner, false);
            }
            Value::List(items) => {
                end_of_line(out, &field.note);
                list(out, indent + 2, items);
            }
        }
    }
}

fn list(out: &mut String, indent: usize, items: &[Item]) {
    for item in items {
        item.comments.iter().for_each(|text| comment(out, indent, text));
        if item.fields.is_empty() {
            continue;
        }
        out.push_str(&format!("{:indent$}- ", ""));
        if item.is_flow {
            out.push_str(&in_braces(&item.fields));
            end_of_line(out, &item.note);
        } else {
            fields(out, indent + 2, &item.fields, true);
        }
    }
}

/// The sections of a file.
pub fn section(out: &mut String, section: &Field) {
    fields(out, 0, std::slice::from_ref(section), false);
}
