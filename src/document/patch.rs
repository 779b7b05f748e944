//! Patches: `balancers.edge.sticky: null`. A path names keys of maps, items of lists by their `name` or as `[0]`.

use super::parse::DEPTH_MAX;
use super::{Key, Node, Value};
use crate::error::{Diagnostic, Spot, did_you_mean};
use std::sync::Arc;

impl Node {
    /// Puts a value at the path, in place of what was there. Null removes. Maps on the way that are not there yet are made;
    /// a bare name on the way (`algorithm: random`) gives way to a map. `at` is where the path was written, for messages.
    pub fn set(&mut self, path: &str, at: &Spot, value: Node) -> Result<(), Diagnostic> {
        let parts = path.split(['.', '[']);
        if parts.clone().any(str::is_empty) || parts.count() > DEPTH_MAX || path.contains("][") {
            let help = "paths are written like `clients.users.timeout` or `servers[0].speed`";
            return Err(Diagnostic::error(format!("`{path}` is not a path")).at(at.clone()).help(help));
        }
        Patch { path, at }.apply(self, path, value)
    }

    /// What stands at a path as `set` takes it, if the document has it.
    pub fn find(&self, path: &str) -> Option<&Node> {
        if path.is_empty() {
            return Some(self);
        }
        let numbered = || path.strip_prefix('[')?.split_once(']').and_then(|(number, rest)| Some((number.parse().ok()?, rest)));
        match &self.value {
            Value::List(items) => {
                let by_number = numbered().map(|(index, rest)| (index, rest.strip_prefix('.').unwrap_or(rest)));
                let (index, rest) = by_number.or_else(|| longest(items.iter().map(Node::name), path))?;
                items.get(index)?.find(rest)
            }
            Value::Map(entries) => {
                let (index, rest) = longest(entries.iter().map(|(key, _)| Some(&*key.text)), path)?;
                entries[index].1.find(rest)
            }
            Value::Scalar { .. } | Value::Null => None,
        }
    }
}

struct Patch<'a> {
    path: &'a str,
    at: &'a Spot,
}

impl Patch<'_> {
    /// Changes `node` as the rest of the path says. Recursion is as deep as the path has parts, which is checked.
    fn apply(&self, node: &mut Node, rest: &str, value: Node) -> Result<(), Diagnostic> {
        match &mut node.value {
            Value::List(items) => {
                let (index, rest) = self.find_item(items, rest)?;
                match (rest.is_empty(), &value.value) {
                    (true, Value::Null) => drop(items.remove(index)),
                    (true, _) => items[index] = value,
                    (false, _) => self.apply(&mut items[index], rest, value)?,
                }
                Ok(())
            }
            Value::Map(entries) => self.apply_to_map(entries, rest, value),
            // What stands here has no fields: it gives way to a map of what is set.
            Value::Scalar { .. } | Value::Null => {
                let mut entries = Vec::new();
                self.apply_to_map(&mut entries, rest, value)?;
                *node = Node { value: Value::Map(entries), spot: self.at.clone() };
                Ok(())
            }
        }
    }

    fn apply_to_map(&self, entries: &mut Vec<(Key, Node)>, rest: &str, value: Node) -> Result<(), Diagnostic> {
        if rest.starts_with('[') {
            return Err(self.error(format!("`{}` is not a list", self.before(rest))));
        }
        let found = longest(entries.iter().map(|(key, _)| Some(&*key.text)), rest);
        let Some((index, behind)) = found else {
            return self.insert(entries, rest, value);
        };
        match (behind.is_empty(), &value.value) {
            (true, Value::Null) => drop(entries.remove(index)),
            (true, _) => entries[index].1 = value,
            (false, _) => self.apply(&mut entries[index].1, behind, value)?,
        }
        Ok(())
    }

    fn insert(&self, entries: &mut Vec<(Key, Node)>, rest: &str, value: Node) -> Result<(), Diagnostic> {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let mut new = value;
        // To remove what is not there changes nothing; the null stays, so that a misspelt name is still found out.
        if end < rest.len() && !matches!(new.value, Value::Null) {
            let mut below = Vec::new();
            self.apply_to_map(&mut below, rest[end..].strip_prefix('.').unwrap_or(&rest[end..]), new)?;
            new = Node { value: Value::Map(below), spot: self.at.clone() };
        }
        entries.push((Key { text: Arc::from(&rest[..end]), spot: self.at.clone() }, new));
        Ok(())
    }

    /// The item that the rest of the path begins with, and what follows.
    fn find_item<'r>(&self, items: &[Node], rest: &'r str) -> Result<(usize, &'r str), Diagnostic> {
        if let Some((number, behind)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            let behind = behind.strip_prefix('.').unwrap_or(behind);
            return match number.parse::<usize>() {
                Ok(index) if index < items.len() => Ok((index, behind)),
                Ok(_) => {
                    let help = match items.len() {
                        0 => "the list is empty".to_owned(),
                        count => format!("items are counted from 0, so the last is [{}]", count - 1),
                    };
                    Err(self.error(format!("`{}` has no item [{number}]", self.before(rest))).help(help))
                }
                Err(_) => Err(self.error(format!("`[{number}]` is not the number of an item"))),
            };
        }
        if let Some(found) = longest(items.iter().map(Node::name), rest) {
            return Ok(found);
        }
        let word = &rest[..rest.find(['.', '[']).unwrap_or(rest.len())];
        let names: Vec<&str> = items.iter().filter_map(Node::name).collect();
        let message = format!("nothing in `{}` is called `{word}`", self.before(rest));
        let help = match did_you_mean(word, names.iter().copied()) {
            Some(name) => format!("did you mean `{name}`?"),
            None if names.is_empty() => "its items have no names; write their number, `[0]` for the first".to_owned(),
            None => format!("known here: {}", names.join(", ")),
        };
        Err(self.error(message).help(help))
    }

    /// The part of the path in front of what is left of it.
    fn before(&self, rest: &str) -> &str {
        self.path[..self.path.len() - rest.len()].trim_end_matches('.')
    }

    fn error(&self, message: String) -> Diagnostic {
        Diagnostic::error(message).at(self.at.clone())
    }
}

/// The longest of the names that the path begins with, and what follows it: names such as `nginx.least_conn` have dots.
fn longest<'n, 'r>(names: impl Iterator<Item = Option<&'n str>>, rest: &'r str) -> Option<(usize, &'r str)> {
    let matches = names.enumerate().filter_map(|(index, name)| {
        let name = name?;
        let behind = rest.strip_prefix(name)?;
        match behind.as_bytes().first() {
            None | Some(b'[') => Some((index, behind, name.len())),
            Some(b'.') => Some((index, &behind[1..], name.len())),
            Some(_) => None,
        }
    });
    matches.max_by_key(|&(_, _, len)| len).map(|(index, behind, _)| (index, behind))
}
