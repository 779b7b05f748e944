//! The scenario file as a tree of nodes that know where they stand: read from YAML, changed by patches, asked for the spot
//! of a path, and turned into typed structs by the deserializer in `de`. No I/O.

pub mod de;
mod forms;
mod parse;
mod patch;
mod path;
mod print;

pub use forms::{from_text, text_or_map, whole_number};
pub use parse::{decode, parse, parse_all, parse_from};
pub use path::{Path, Segment};
pub use print::scalar;

use crate::error::Spot;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny};
use std::fmt::Write;
use std::sync::Arc;

/// A value of the file, and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    pub value: Value,
    /// A scalar's text; of a map or list as much as stands on its first line.
    pub spot: Spot,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// A word, number or quoted text. What it means is for the reader to say: `no` may be a name.
    Scalar {
        text: Arc<str>,
        /// Written without quotes, so that it may be a number.
        is_plain: bool,
    },
    List(Vec<Node>),
    /// In the order of the file; no key twice.
    Map(Vec<(Key, Node)>),
}

/// The key of a map's entry.
#[derive(Clone, Debug)]
pub struct Key {
    pub text: Arc<str>,
    pub spot: Spot,
}

impl Node {
    /// The entry of a map with this key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|(_, node)| node)
    }

    /// The entry of a map together with its key.
    pub fn entry(&self, key: &str) -> Option<(&Key, &Node)> {
        self.entries().iter().find(|(found, _)| &*found.text == key).map(|(found, node)| (found, node))
    }

    /// The entries of a map; of anything else none.
    pub fn entries(&self) -> &[(Key, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; of anything else none.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The text of the entry `name`, by which lists know their items.
    pub fn name(&self) -> Option<&str> {
        self.get("name")?.text()
    }

    /// The number of nodes, itself included.
    pub fn size(&self) -> usize {
        let mut todo = vec![self];
        let mut count = 0;
        while let Some(node) = todo.pop() {
            count += 1;
            todo.extend(node.items());
            todo.extend(node.entries().iter().map(|(_, node)| node));
        }
        count
    }

    /// What it is, for messages: "`abc`", "a list".
    pub fn described(&self) -> String {
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Scalar { text, is_plain: true } => format!("`{text}`"),
            Value::Scalar { text, .. } => format!("the text \"{text}\""),
            Value::List(items) => if items.is_empty() { "an empty list" } else { "a list" }.to_owned(),
            Value::Map(entries) => if entries.is_empty() { "an empty map" } else { "a map" }.to_owned(),
        }
    }

    /// On one line, as it could be written in a file: `{ power_of_d: { d: 2 } }`. Used to name variants and points.
    pub fn to_line(&self) -> String {
        let mut line = String::new();
        self.write_line(&mut line);
        line
    }

    fn write_line(&self, out: &mut String) {
        let (open, close, count) = match &self.value {
            Value::Null => return out.push_str("null"),
            Value::Scalar { text, .. } => return out.push_str(text),
            Value::List(items) => ("[", "]", items.len()),
            Value::Map(entries) => ("{ ", " }", entries.len()),
        };
        if count == 0 {
            return out.push_str(&format!("{}{}", open.trim(), close.trim()));
        }
        out.push_str(open);
        let keyed = self.entries().iter().map(|(key, node)| (Some(key), node));
        for (i, (key, node)) in self.items().iter().map(|node| (None, node)).chain(keyed).enumerate() {
            out.push_str(if i > 0 { ", " } else { "" });
            if let Some(key) = key {
                // Writing into a string cannot fail.
                let _ = write!(out, "{}: ", key.text);
            }
            node.write_line(out);
        }
        out.push_str(close);
    }
}

/// A field that is known and comes with a later release: refused wherever it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Later {}

impl<'de> Deserialize<'de> for Later {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The reader of nodes knows the name of the field and refuses by this name of the type.
        deserializer.deserialize_unit_struct(de::LATER, IgnoredAny)?;
        Err(D::Error::custom(de::later("this field")))
    }
}

#[cfg(test)]
mod tests;
