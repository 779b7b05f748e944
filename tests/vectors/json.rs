//! JSON that keeps the order of its keys, which is the order of the servers in the cases.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Map(Vec<(String, Json)>),
}

impl Json {
    pub fn get(&self, key: &str) -> Option<&Json> {
        self.map()?.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    pub fn map(&self) -> Option<&[(String, Json)]> {
        if let Json::Map(entries) = self { Some(entries) } else { None }
    }

    pub fn keys(&self) -> Vec<&str> {
        self.map().unwrap_or_default().iter().map(|(key, _)| key.as_str()).collect()
    }

    pub fn list(&self) -> Option<&[Json]> {
        if let Json::List(items) = self { Some(items) } else { None }
    }

    pub fn text(&self) -> Option<&str> {
        if let Json::Text(text) = self { Some(text) } else { None }
    }

    /// True or false; `on` and `off` are the same.
    pub fn flag(&self) -> Option<bool> {
        match self {
            Json::Bool(yes) => Some(*yes),
            Json::Text(text) if text == "on" => Some(true),
            Json::Text(text) if text == "off" => Some(false),
            _ => None,
        }
    }

    pub fn number(&self) -> Option<f64> {
        if let Json::Number(number) = self { Some(*number) } else { None }
    }

    /// A whole number, 0 or more.
    pub fn count(&self) -> Option<u32> {
        self.number().filter(|number| number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(number)).map(|number| number as u32)
    }

    pub fn counts(&self) -> Option<Vec<u32>> {
        self.list()?.iter().map(Json::count).collect()
    }

    pub fn numbers(&self) -> Option<Vec<f64>> {
        self.list()?.iter().map(Json::number).collect()
    }

    pub fn flags(&self) -> Option<Vec<bool>> {
        self.list()?.iter().map(Json::flag).collect()
    }

    pub fn texts(&self) -> Option<Vec<&str>> {
        self.list()?.iter().map(Json::text).collect()
    }
}

struct AnyJson;

impl<'de> Visitor<'de> for AnyJson {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value as f64))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Json::Map(entries))
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(AnyJson)
    }
}
