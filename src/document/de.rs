//! From nodes to typed structs: a `serde` deserializer whose errors point at the innermost node that was being read and say
//! what would be right. So the structs of a scenario are plain `#[derive(Deserialize)]`.
//!
//! Rules of the format: a bare name stands for the enum variant of that name with nothing given; a field that holds nothing
//! counts as not given; a plain scalar is a number or a truth value only where one is asked for.

mod choice;
mod error;

pub use error::{Error, later};

use super::{Key, Node, Value, whole_number};
use crate::error::Diagnostic;
use choice::Choice;
use serde::de::value::StrDeserializer;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};

/// The name of the type whose reading always fails, because the field comes with a later release.
pub(super) const LATER: &str = "known, but for a later release";

/// Reads a value of the type from the node.
pub fn read<'a, T: Deserialize<'a>>(node: &'a Node) -> Result<T, Diagnostic> {
    T::deserialize(Reader { node, key: None }).map_err(Error::into_diagnostic)
}

/// Reads a node; knows under which key it stands.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub node: &'a Node,
    pub key: Option<&'a Key>,
}

type Read<T> = Result<T, Error>;

impl<'a> Reader<'a> {
    /// Marks this node as where an error arose, unless something inside is marked already.
    fn locate<T>(&self, result: Read<T>) -> Read<T> {
        result.map_err(|error| error.or_at(&self.node.spot))
    }

    fn expected<T>(&self, expected: &str) -> Read<T> {
        Err(Error::new(format!("expected {expected}, found {}", self.node.described())).or_at(&self.node.spot))
    }

    fn plain(&self) -> Option<&'a str> {
        match &self.node.value {
            Value::Scalar { text, is_plain: true } => Some(text),
            _ => None,
        }
    }

    /// A whole number of a type with these bounds.
    fn whole(&self, min: i128, max: i128) -> Read<i128> {
        let Some(text) = self.plain() else { return self.expected("a whole number") };
        whole_number(text, min, max).map_err(|message| Error::new(message).or_at(&self.node.spot))
    }

    fn float(&self) -> Read<f64> {
        let Some(text) = self.plain() else { return self.expected("a number") };
        match text.replace('_', "").parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => self.expected("a number"),
        }
    }

    fn entries(&self, fields: Option<&'static [&'static str]>) -> Entries<'a> {
        Entries { left: self.node.entries(), value: None, fields }
    }
}

macro_rules! whole_numbers {
    ($($method:ident $visit:ident $type:ty),*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
            let number = self.whole(<$type>::MIN.into(), <$type>::MAX.into())?;
            // The bounds were those of the type.
            self.locate(visitor.$visit(number as $type))
        })*
    };
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        let result = match (&self.node.value, self.plain()) {
            (Value::Null, _) => visitor.visit_unit(),
            (_, Some("true" | "True" | "TRUE")) => visitor.visit_bool(true),
            (_, Some("false" | "False" | "FALSE")) => visitor.visit_bool(false),
            (_, Some(_)) if self.whole(0, u64::MAX.into()).is_ok() => return self.deserialize_u64(visitor),
            (_, Some(_)) if self.whole(i64::MIN.into(), 0).is_ok() => return self.deserialize_i64(visitor),
            (_, Some(_)) if self.float().is_ok() => return self.deserialize_f64(visitor),
            _ => return self.deserialize_str(visitor),
        };
        self.locate(result)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.plain() {
            Some("true" | "True" | "TRUE") => self.locate(visitor.visit_bool(true)),
            Some("false" | "False" | "FALSE") => self.locate(visitor.visit_bool(false)),
            _ => self.expected("`true` or `false`"),
        }
    }

    whole_numbers!(deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16, deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64);
    whole_numbers!(deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32, deserialize_i64 visit_i64 i64);

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        let number = self.float()?;
        self.locate(visitor.visit_f64(number))
    }

    /// A text; a list or map is handed over all the same, for types that take either.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        let result = match &self.node.value {
            Value::Scalar { text, .. } => visitor.visit_str(text),
            Value::List(items) => visitor.visit_seq(Items { left: items }),
            Value::Map(_) => visitor.visit_map(self.entries(None)),
            Value::Null => return self.expected(&error::in_words(&visitor)),
        };
        self.locate(result)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.node.value {
            Value::Null => visitor.visit_unit(),
            _ => self.expected("nothing"),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Read<V::Value> {
        match self.key {
            Some(key) if name == LATER => Err(Error::new(later(&format!("`{}`", key.text))).or_at(&key.spot)),
            _ => self.deserialize_unit(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Read<V::Value> {
        let result = visitor.visit_newtype_struct(self);
        self.locate(result)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match &self.node.value {
            Value::List(items) => self.locate(visitor.visit_seq(Items { left: items })),
            Value::Scalar { text, .. } => self.expected("a list").map_err(|error| error.help(format!("write `[{text}]`"))),
            Value::Map(_) => {
                self.expected("a list").map_err(|error| error.help("each item begins with `- `, or the whole is written `[...]`"))
            }
            Value::Null => self.expected("a list"),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Read<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _name: &'static str, _len: usize, visitor: V) -> Read<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match &self.node.value {
            Value::Map(_) => self.locate(visitor.visit_map(self.entries(None))),
            _ => self.expected("a map"),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(self, _name: &'static str, fields: &'static [&'static str], visitor: V) -> Read<V::Value> {
        match &self.node.value {
            Value::Map(_) => self.locate(visitor.visit_map(self.entries(Some(fields)))),
            _ if fields.is_empty() => self.expected("`{}`"),
            _ => self.expected("a map").map_err(|error| error.help(format!("its fields are {}", fields.join(", ")))),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(self, _name: &'static str, names: &'static [&'static str], visitor: V) -> Read<V::Value> {
        let choice = Choice::of(self, names)?;
        self.locate(visitor.visit_enum(choice))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        visitor.visit_unit()
    }
}

struct Items<'a> {
    left: &'a [Node],
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Read<Option<T::Value>> {
        let Some((node, left)) = self.left.split_first() else { return Ok(None) };
        self.left = left;
        let result = seed.deserialize(Reader { node, key: None });
        result.map(Some).map_err(|error| error.or_at(&node.spot))
    }
}

struct Entries<'a> {
    left: &'a [(Key, Node)],
    value: Option<Reader<'a>>,
    /// The fields of the struct that is read, if it is one.
    fields: Option<&'static [&'static str]>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Read<Option<K::Value>> {
        while let Some(((key, node), left)) = self.left.split_first() {
            self.left = left;
            let is_field = self.fields.is_some_and(|fields| fields.contains(&&*key.text));
            if is_field && matches!(node.value, Value::Null) {
                continue;
            }
            self.value = Some(Reader { node, key: Some(key) });
            let name: StrDeserializer<Error> = (*key.text).into_deserializer();
            return seed.deserialize(name).map(Some).map_err(|error| error.or_at(&key.spot));
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Read<V::Value> {
        let Some(reader) = self.value.take() else { return Err(Error::new("a value was asked for before its key".to_owned())) };
        seed.deserialize(reader).map_err(|error| error.or_at(&reader.node.spot))
    }
}
