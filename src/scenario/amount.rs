//! A number or a share: of pods that may be missing, or (also both) of targets that must be healthy.

use crate::control::target_group::Minimum;
use crate::document::{from_text, text_or_map, whole_number};
use crate::units::Share;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

/// A number of pods, or a share of all that are wanted or there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    Count(u32),
    Share(Share),
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
        from_text(deserializer, "a number, or a share such as `25%`", amount)
    }
}

fn amount(text: &str) -> Result<Amount, String> {
    match text.contains('%') {
        true => text.parse().map(Amount::Share),
        false if text.trim().parse::<f64>().is_err() => Err(format!("expected a number, or a share such as `25%`, found `{text}`")),
        false => whole_number(text, 0, u32::MAX.into()).map(|count| Amount::Count(count as u32)),
    }
}

/// How many targets must be healthy: a number, a share of those that are there, or both, each of which must be met.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MinimumHealthy(pub Minimum);

impl From<Amount> for MinimumHealthy {
    fn from(amount: Amount) -> Self {
        MinimumHealthy(match amount {
            Amount::Count(count) => Minimum { count: Some(count), share: None },
            Amount::Share(share) => Minimum { count: None, share: Some(share) },
        })
    }
}

/// A number and a share of targets, each of which must be healthy.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MinimumHealthyFields {
    /// So many at least.
    count: u32,
    /// So large a part of those that are there at least.
    share: Share,
}

impl From<MinimumHealthyFields> for MinimumHealthy {
    fn from(MinimumHealthyFields { count, share }: MinimumHealthyFields) -> Self {
        MinimumHealthy(Minimum { count: Some(count), share: Some(share) })
    }
}

impl JsonSchema for MinimumHealthy {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "MinimumHealthy".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How many targets must be healthy: a number, a share of those that are there such as `25%`, or `{ count: 2, share: 25% }`, each of which must be met.",
            "anyOf": [
                { "type": "integer", "minimum": 0, "maximum": u32::MAX },
                { "type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*%\s*$" },
                generator.subschema_for::<MinimumHealthyFields>()
            ]
        })
    }
}

impl<'de> Deserialize<'de> for MinimumHealthy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expects = "a number, a share such as `25%`, or both as `{ count: 2, share: 25% }`";
        text_or_map::<D, MinimumHealthy, MinimumHealthyFields>(deserializer, expects, |text| amount(text).map(MinimumHealthy::from))
    }
}
