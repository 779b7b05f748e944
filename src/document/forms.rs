//! Help for types that the file writes in a form of their own: a bare text, or a bare text that stands for a map.

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// Reads a value that is always a bare text, such as `200-399`.
pub fn from_text<'de, D, T>(deserializer: D, expects: &'static str, read: fn(&str) -> Result<T, String>) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    deserializer.deserialize_str(Text { expects, read })
}

/// Reads a value that is a bare text or a map, such as `20000` or `{ users: 20000, zipf: 0.8 }`. `Fields` are those of the map.
pub fn text_or_map<'de, D, T, Fields>(deserializer: D, expects: &'static str, read: fn(&str) -> Result<T, String>) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    Fields: Deserialize<'de> + Into<T>,
{
    deserializer.deserialize_str(TextOrMap { text: Text { expects, read }, fields: PhantomData::<Fields> })
}

/// A whole number from `min` to `max`. `1e6` and `20_000` are whole numbers too.
pub fn whole_number(text: &str, min: i128, max: i128) -> Result<i128, String> {
    let digits = text.replace('_', "");
    let number = match (digits.parse::<i128>(), digits.parse::<f64>()) {
        (Ok(number), _) => number,
        (_, Ok(float)) if float.fract() == 0.0 && float.abs() < 1e15 => float as i128,
        (_, Ok(float)) if float.is_finite() => return Err(format!("`{text}` is not a whole number")),
        _ => return Err(format!("expected a whole number, found `{text}`")),
    };
    if number < 0 && min == 0 {
        return Err(format!("`{text}` is negative; this is a whole number from 0 up"));
    }
    if number < min || number > max {
        return Err(format!("`{text}` is out of range; this is a whole number from {min} to {max}"));
    }
    Ok(number)
}

struct Text<T> {
    expects: &'static str,
    read: fn(&str) -> Result<T, String>,
}

impl<T> Visitor<'_> for Text<T> {
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expects)
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.read)(text).map_err(E::custom)
    }
}

struct TextOrMap<T, Fields> {
    text: Text<T>,
    fields: PhantomData<Fields>,
}

impl<'de, T, Fields: Deserialize<'de> + Into<T>> Visitor<'de> for TextOrMap<T, Fields> {
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.expects)
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        self.text.visit_str(text)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        Fields::deserialize(MapAccessDeserializer::new(map)).map(Into::into)
    }
}
