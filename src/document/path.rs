//! Paths into a document: `clients.shoppers.arrivals.poisson.rate`, `servers[0].speed`. Checks name what they find wrong by
//! path, and the document knows where that stands; so the typed structs carry no spots.

use super::{Node, Value};
use crate::error::Spot;
use std::borrow::Cow;

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// The entry of a map.
    Field(Cow<'static, str>),
    /// The item of a list, from 0.
    Index(usize),
}

/// Steps from the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(pub Vec<Segment>);

impl Path {
    pub fn root() -> Path {
        Path::default()
    }

    /// This path and one field more.
    pub fn field(&self, name: impl Into<Cow<'static, str>>) -> Path {
        self.with(Segment::Field(name.into()))
    }

    /// This path and one item more.
    pub fn index(&self, index: usize) -> Path {
        self.with(Segment::Index(index))
    }

    fn with(&self, segment: Segment) -> Path {
        Path(self.0.iter().cloned().chain([segment]).collect())
    }

    /// The steps `b[0].c` more, without a look at any document. An empty text adds none.
    pub fn steps(&self, dotted: &str) -> Path {
        let parts = dotted.split(['.', '[']).filter(|part| !part.is_empty());
        parts.fold(self.clone(), |path, part| match part.strip_suffix(']').and_then(|number| number.parse().ok()) {
            Some(index) => path.index(index),
            None => path.field(part.to_owned()),
        })
    }
}

impl Node {
    /// The node at the path, if the file has it.
    pub fn at(&self, path: &Path) -> Option<&Node> {
        path.0.iter().try_fold(self, |node, segment| match segment {
            Segment::Field(name) => node.get(name),
            Segment::Index(index) => node.items().get(*index),
        })
    }

    /// Where the path stands: the value, else its key, else the nearest thing above that the file has.
    pub fn spot_at(&self, path: &Path) -> Spot {
        let mut node = self;
        let mut spot = self.spot.clone();
        for segment in &path.0 {
            let next = match (segment, &node.value) {
                (Segment::Field(name), Value::Map(_)) => node.entry(name).map(|(key, next)| (Some(key), next)),
                // A bare name stands for a map of one entry without content, and `constant: 10ms` for its own field.
                (Segment::Index(index), Value::List(items)) => items.get(*index).map(|next| (None, next)),
                _ => None,
            };
            let Some((key, next)) = next else { break };
            node = next;
            spot = match (key, &next.value) {
                // The whole of a long map is no help; its key is.
                (Some(key), Value::Map(_) | Value::List(_)) => key.spot.clone(),
                _ => next.spot.clone(),
            };
        }
        spot
    }

    /// The path as a user writes it: items go by their `name` where they have one, else by number.
    pub fn path_text(&self, path: &Path) -> String {
        let mut node = Some(self);
        let mut text = String::new();
        for segment in &path.0 {
            match segment {
                Segment::Field(name) => {
                    push_word(&mut text, name);
                    node = node.and_then(|node| node.get(name));
                }
                Segment::Index(index) => {
                    node = node.and_then(|node| node.items().get(*index));
                    match node.and_then(Node::name) {
                        Some(name) => push_word(&mut text, name),
                        None => text.push_str(&format!("[{index}]")),
                    }
                }
            }
        }
        text
    }
}

fn push_word(text: &mut String, word: &str) {
    if !text.is_empty() {
        text.push('.');
    }
    text.push_str(word);
}
