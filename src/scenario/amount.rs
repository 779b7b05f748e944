//! A number or a share: of pods that may be missing, of targets that must be healthy.

use crate::control::target_group::Minimum;
use crate::document::{from_text, whole_number};
use crate::units::Share;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// A number (of pods, of targets), or a share of all that are wanted or there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    Count(u32),
    Share(Share),
}

impl Amount {
    pub fn minimum(self) -> Minimum {
        match self {
            Amount::Count(count) => Minimum { count: Some(count), share: None },
            Amount::Share(share) => Minimum { count: None, share: Some(share) },
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Amount::Count(count) => count.fmt(f),
            Amount::Share(share) => share.fmt(f),
        }
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Amount".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number, or a share of all that are wanted or there such as `25%`.",
            "anyOf": [{ "type": "integer", "minimum": 0, "maximum": u32::MAX }, { "type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*%\s*$" }]
        })
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, "a number, or a share such as `25%`", |text| match text.contains('%') {
            true => text.parse().map(Amount::Share),
            false if text.trim().parse::<f64>().is_err() => Err(format!("expected a number, or a share such as `25%`, found `{text}`")),
            false => whole_number(text, 0, u32::MAX.into()).map(|count| Amount::Count(count as u32)),
        })
    }
}
