//! What the deserializer says when a value is not what its field takes.

use super::choice::one_of;
use crate::error::{Diagnostic, Spot, did_you_mean};
use crate::later::is_later;
use serde::de::{Expected, Unexpected};
use std::fmt::{self, Display};

/// A diagnostic on its way up; the first node that it passes gives it its spot.
#[derive(Debug)]
pub struct Error(Box<Diagnostic>);

impl Error {
    pub(in crate::document) fn new(message: String) -> Error {
        Error(Box::new(Diagnostic::error(message)))
    }

    pub(in crate::document) fn or_at(mut self, spot: &Spot) -> Error {
        self.0.spot.get_or_insert_with(|| spot.clone());
        self
    }

    pub(in crate::document) fn help(mut self, help: impl Into<String>) -> Error {
        self.0.help = Some(help.into());
        self
    }

    fn label(mut self, label: String) -> Error {
        self.0.label = Some(label);
        self
    }

    pub fn into_diagnostic(self) -> Diagnostic {
        *self.0
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: Display>(message: T) -> Error {
        Error::new(message.to_string())
    }

    fn invalid_type(found: Unexpected, expected: &dyn Expected) -> Error {
        Error::new(format!("expected {}, found {}", in_words(expected), described(found)))
    }

    fn invalid_value(found: Unexpected, expected: &dyn Expected) -> Error {
        Error::invalid_type(found, expected)
    }

    fn invalid_length(len: usize, expected: &dyn Expected) -> Error {
        Error::new(format!("expected {expected}, found {len} of them"))
    }

    fn unknown_variant(name: &str, expected: &'static [&'static str]) -> Error {
        if is_later(name) {
            return Error::new(later(&format!("`{name}`")));
        }
        unknown("name", name, expected).help(format!("expected {}", one_of(expected)))
    }

    fn unknown_field(name: &str, expected: &'static [&'static str]) -> Error {
        let help = match expected {
            [] => "nothing can be given here".to_owned(),
            [only] => format!("the only field here is {only}"),
            _ => format!("the fields here are {}", expected.join(", ")),
        };
        unknown("field", name, expected).help(help)
    }

    fn missing_field(name: &'static str) -> Error {
        Error::new(format!("`{name}` is missing")).label(format!("needs `{name}`"))
    }

    fn duplicate_field(name: &'static str) -> Error {
        Error::new(format!("`{name}` is given twice"))
    }
}

fn unknown(what: &str, name: &str, expected: &[&str]) -> Error {
    match did_you_mean(name, expected.iter().copied()) {
        Some(near) => Error::new(format!("unknown {what} `{name}`, did you mean `{near}`?")),
        None => Error::new(format!("unknown {what} `{name}`")),
    }
}

/// What is said of something that the format has and this version does not.
pub fn later(what: &str) -> String {
    concat!("{} is known, but not part of lbsim ", env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"), " yet")
        .replace("{}", what)
}

/// What a visitor expects; those of the standard library speak of Rust's types.
pub(super) fn in_words(expected: &dyn Expected) -> String {
    match expected.to_string().as_str() {
        "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        "a string" => "a text".to_owned(),
        "a sequence" => "a list".to_owned(),
        other => other.to_owned(),
    }
}

fn described(found: Unexpected) -> String {
    match found {
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(value) => format!("`{value}`"),
        Unexpected::Signed(value) => format!("`{value}`"),
        Unexpected::Float(value) => format!("`{value}`"),
        Unexpected::Str(text) => format!("`{text}`"),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a map".to_owned(),
        other => other.to_string(),
    }
}
