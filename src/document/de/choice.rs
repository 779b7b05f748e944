//! One of several: a bare name (`random`), or a map with the name as its only key (`{ power_of_d: { d: 2 } }`).

use super::error::in_words;
use super::{Error, Read, Reader};
use crate::document::Value;
use crate::error::Spot;
use serde::de::value::{MapDeserializer, StrDeserializer};
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;

pub(super) struct Choice<'a> {
    name: &'a str,
    spot: &'a Spot,
    content: Option<Reader<'a>>,
}

impl<'a> Choice<'a> {
    pub(super) fn of(reader: Reader<'a>, names: &[&str]) -> Read<Choice<'a>> {
        let node = reader.node;
        match &node.value {
            Value::Scalar { text, .. } => Ok(Choice { name: text, spot: &node.spot, content: None }),
            Value::Map(entries) => match entries.as_slice() {
                [(key, content)] => {
                    let content = (!matches!(content.value, Value::Null)).then_some(Reader { node: content, key: Some(key) });
                    Ok(Choice { name: &key.text, spot: &key.spot, content })
                }
                [] => reader.expected(&one_of(names)),
                [(first, _), (second, _), ..] => {
                    let message = format!("`{}` and `{}` exclude each other: exactly one is given here", first.text, second.text);
                    Err(Error::new(message).or_at(&second.spot).help(format!("keep {}", one_of(names))))
                }
            },
            Value::List(_) | Value::Null => reader.expected(&one_of(names)),
        }
    }
}

pub(super) fn one_of(names: &[&str]) -> String {
    match names {
        [] => "a name".to_owned(),
        [only] => format!("`{only}`"),
        _ => format!("one of {}", names.join(", ")),
    }
}

impl<'de> EnumAccess<'de> for Choice<'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Read<(V::Value, Self)> {
        let name: StrDeserializer<Error> = self.name.into_deserializer();
        let variant = seed.deserialize(name).map_err(|error| error.or_at(self.spot))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Choice<'de> {
    type Error = Error;

    fn unit_variant(self) -> Read<()> {
        match self.content {
            Some(content) if !matches!(&content.node.value, Value::Map(entries) if entries.is_empty()) => {
                let error = Error::new(format!("`{}` takes no parameters", self.name)).or_at(&content.node.spot);
                Err(error.help(format!("write just `{}`", self.name)))
            }
            _ => Ok(()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Read<T::Value> {
        let result = match self.content {
            Some(content) => seed.deserialize(content),
            None => seed.deserialize(Bare { name: self.name }),
        };
        result.map_err(|error| error.or_at(self.spot))
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Read<V::Value> {
        let result = match self.content {
            Some(content) => content.deserialize_struct("", fields, visitor),
            None => Bare { name: self.name }.deserialize_any_map(visitor),
        };
        result.map_err(|error| error.or_at(self.spot))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Read<V::Value> {
        match self.content {
            Some(content) => content.deserialize_tuple(len, visitor),
            None => Err(Error::new(format!("`{}` needs a list of {len}", self.name)).or_at(self.spot)),
        }
    }
}

/// What a bare name holds: a map without entries. Asked for anything else, it says that a value is missing.
struct Bare<'a> {
    name: &'a str,
}

impl Bare<'_> {
    fn deserialize_any_map<'de, V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        visitor.visit_map(MapDeserializer::new(std::iter::empty::<(&str, &str)>()))
    }
}

impl<'de> Deserializer<'de> for Bare<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        Err(Error::new(format!("`{}` needs {}", self.name, in_words(&visitor))))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.deserialize_any_map(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(self, _: &'static str, _: &'static [&'static str], visitor: V) -> Read<V::Value> {
        self.deserialize_any_map(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Read<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct seq tuple
        tuple_struct enum identifier ignored_any
    }
}
