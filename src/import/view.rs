//! A manifest's fields as they are read. What was read is remembered, so that what was not can be told (`leftover`).

use super::quantity;
use crate::document::{Key, Node, Value, whole_number};
use crate::error::{Diagnostic, Diagnostics, Severity, Spot};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Display;

/// What the reading of manifests has met so far.
#[derive(Default)]
pub struct Reader {
    seen: RefCell<BTreeSet<*const Node>>,
    found: RefCell<Diagnostics>,
    /// All warnings, by file and place in it.
    told: RefCell<BTreeSet<Told>>,
    /// Parts of values that say nothing about the way of a request: of which object, which.
    quiet: RefCell<BTreeSet<(String, String)>>,
}

/// A warning, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Told {
    file: String,
    at: usize,
    line: usize,
    pub message: String,
    pub help: String,
}

impl Told {
    fn of(diagnostic: &Diagnostic) -> Option<Told> {
        let spot = diagnostic.spot.as_ref()?;
        let line = spot.line_and_column().0;
        let (message, help) = (diagnostic.message.clone(), diagnostic.help.clone().unwrap_or_default());
        Some(Told { file: spot.source.name.clone(), at: spot.range.start, line, message, help })
    }

    /// File and line.
    pub fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

impl Reader {
    pub fn push(&self, diagnostic: Diagnostic) {
        if diagnostic.severity == Severity::Warning {
            self.told.borrow_mut().extend(Told::of(&diagnostic));
        }
        self.found.borrow_mut().push(diagnostic);
    }

    /// All warnings so far, in the order of the files.
    pub fn told(&self) -> Vec<Told> {
        self.told.borrow().iter().cloned().collect()
    }

    /// What says nothing about the way of a request in values of an object that were read for another part.
    pub fn quiet_parts(&self, object: &str) -> Vec<String> {
        self.quiet.borrow().iter().filter(|(of, _)| of == object).map(|(_, part)| part.clone()).collect()
    }

    pub fn has_errors(&self) -> bool {
        self.found.borrow().has_errors()
    }

    /// Everything that was found wrong, in the order of the files.
    pub fn into_found(self) -> Diagnostics {
        let mut found = self.found.into_inner();
        found.sort();
        found
    }

    pub fn is_seen(&self, node: &Node) -> bool {
        self.seen.borrow().contains(&std::ptr::from_ref(node))
    }

    fn see(&self, node: &Node) {
        self.seen.borrow_mut().insert(std::ptr::from_ref(node));
    }
}

/// A value in an object, and how to call it in messages.
#[derive(Clone)]
pub struct View<'a> {
    pub reader: &'a Reader,
    pub node: &'a Node,
    key: Option<&'a Key>,
    /// Such as `Deployment web`.
    pub object: &'a str,
    /// Such as `spec.replicas`; empty for the object itself.
    pub path: String,
}

impl<'a> View<'a> {
    pub fn root(reader: &'a Reader, node: &'a Node, object: &'a str) -> View<'a> {
        reader.see(node);
        View { reader, node, key: None, object, path: String::new() }
    }

    /// Where a message about it points to: a value, or the key of a map or list.
    pub fn spot(&self) -> Spot {
        match (&self.node.value, self.key) {
            (Value::Map(_) | Value::List(_) | Value::Null, Some(key)) => key.spot.clone(),
            _ => self.node.spot.clone(),
        }
    }

    /// The field of a map, if it holds something.
    pub fn get(&self, name: &str) -> Option<View<'a>> {
        if !matches!(self.node.value, Value::Map(_)) {
            self.expect_map();
            return None;
        }
        let (key, node) = self.node.entry(name)?;
        self.reader.see(node);
        let found = View { reader: self.reader, node, key: Some(key), object: self.object, path: self.below(name) };
        (!matches!(node.value, Value::Null)).then_some(found)
    }

    /// The field at `a.b.c`.
    pub fn at(&self, path: &str) -> Option<View<'a>> {
        path.split('.').try_fold(self.clone(), |view, name| view.get(name))
    }

    fn below(&self, name: &str) -> String {
        match self.path.as_str() {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        }
    }

    /// The fields of a map, all of them taken for read.
    pub fn entries(&self) -> Vec<(&'a str, View<'a>)> {
        self.expect_map();
        let entries = self.node.entries().iter();
        let views = entries.map(|(key, node)| {
            self.reader.see(node);
            let path = self.below(&key.text);
            (&*key.text, View { reader: self.reader, node, key: Some(key), object: self.object, path })
        });
        views.collect()
    }

    /// The items of a list.
    pub fn items(&self) -> Vec<View<'a>> {
        if !matches!(self.node.value, Value::List(_)) {
            self.error(format!("expected a list, found {}", self.node.described()));
        }
        let items = self.node.items().iter().enumerate();
        let views = items.map(|(index, node)| {
            self.reader.see(node);
            View { reader: self.reader, node, key: None, object: self.object, path: format!("{}[{index}]", self.path) }
        });
        views.collect()
    }

    fn expect_map(&self) {
        if !matches!(self.node.value, Value::Map(_)) {
            self.error(format!("expected a map, found {}", self.node.described()));
        }
    }

    /// Takes all that is in it for read: it is told in another way.
    pub fn take_all(&self) {
        let mut todo = vec![self.node];
        while let Some(node) = todo.pop() {
            self.reader.see(node);
            todo.extend(node.items());
            todo.extend(node.entries().iter().map(|(_, node)| node));
        }
    }

    // ---- What is wrong --------------------------------------------------------------------------------------------------

    fn diagnostic(&self, make: fn(String) -> Diagnostic, what: impl Display) -> Diagnostic {
        let path = if self.path.is_empty() { String::new() } else { format!(" {}:", self.path) };
        make(format!("{}:{path} {what}", self.object)).at(self.spot())
    }

    pub fn error(&self, what: impl Display) {
        self.reader.push(self.diagnostic(Diagnostic::error, what));
    }

    pub fn error_help(&self, what: impl Display, help: impl Into<String>) {
        self.reader.push(self.diagnostic(Diagnostic::error, what).help(help));
    }

    pub fn warning(&self, what: impl Display, help: impl Into<String>) {
        self.reader.push(self.warned(what, help));
    }

    /// A warning that is told later, or not at all.
    pub fn warned(&self, what: impl Display, help: impl Into<String>) -> Diagnostic {
        self.diagnostic(Diagnostic::warning, what).help(help)
    }

    /// A part of it says nothing about the way of a request.
    pub fn is_quiet(&self, part: &str) {
        self.reader.quiet.borrow_mut().insert((self.object.to_owned(), format!("{} ({part})", self.path)));
    }

    // ---- What it holds --------------------------------------------------------------------------------------------------

    pub fn text(&self) -> Option<&'a str> {
        let text = self.node.text();
        if text.is_none() {
            self.error(format!("expected a text, found {}", self.node.described()));
        }
        text
    }

    /// The text that `read` understands.
    pub fn parsed<T>(&self, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        read(self.text()?.trim()).map_err(|message| self.error(message)).ok()
    }

    pub fn whole(&self, min: u32, max: u32) -> Option<u32> {
        self.parsed(|text| whole_number(text, min.into(), max.into()).map(|number| number as u32))
    }

    pub fn is_true(&self) -> bool {
        let known = self.parsed(|text| match text.to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(format!("expected `true` or `false`, found `{text}`")),
        });
        known.unwrap_or(false)
    }

    /// Seconds as the scenario file writes them.
    pub fn seconds(&self, min: u32) -> Option<u32> {
        self.whole(min, quantity::SECONDS_MAX)
    }

    /// One of several words, upper and lower case alike; what it stands for.
    pub fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        self.parsed(|text| {
            let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
            let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            found.map(|(_, value)| *value).ok_or_else(|| format!("`{text}` is not one of {}", names.join(", ")))
        })
    }
}
