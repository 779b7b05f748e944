//! Sizes in bytes, written as the scenario file writes them: `512B`, `4KiB`, `1.5MiB`, `2GiB`, `20kB`, `3MB`, `1GB`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer};
use std::fmt;
use std::str::FromStr;

/// A number of bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Size(pub u64);

/// Longest units first, so that `KiB` is not read as `B`.
const UNITS: [(&str, u64); 8] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("B", 1),
];

/// The largest size that the file may write: a pebibyte.
const SIZE_MAX: f64 = (1u64 << 50) as f64;

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let wrong =
            || format!("`{text}` is not a size; write a number with a unit, such as `4KiB` (units: B, KiB, MiB, GiB, TiB, kB, MB, GB)");
        let text = text.trim();
        let (number, unit) = UNITS.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes))).ok_or_else(wrong)?;
        let number: f64 = number.trim().parse().map_err(|_| wrong())?;
        let bytes = number * unit as f64;
        match () {
            () if !(0.0..=SIZE_MAX).contains(&bytes) => Err(format!("`{text}` is out of range; a size is from 0B to 1024TiB")),
            () => Ok(Size((bytes + 0.5) as u64)),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, bytes) =
            UNITS[..4].iter().find(|(_, bytes)| self.0 >= *bytes && self.0.is_multiple_of(*bytes)).copied().unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / bytes)
    }
}

impl JsonSchema for Size {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Size".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A size with its unit: `4KiB`, `20kB`, `1.5GiB`.",
            "pattern": r"^\s*\d+(\.\d+)?([eE]\d+)?\s*([KMGT]iB|kB|MB|GB|B)\s*$"
        })
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = Size;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as `4KiB`")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Size, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_printed() {
        for (text, bytes, printed) in
            [("512B", 512, "512B"), ("4KiB", 4096, "4KiB"), ("1.5MiB", 1_572_864, "1536KiB"), ("20kB", 20_000, "20000B")]
        {
            let size: Size = text.parse().unwrap();
            assert_eq!((size.0, size.to_string().as_str()), (bytes, printed));
        }
        for wrong in ["4", "4 K", "-1B", "NaNB", "1e30GiB", "KiB", ""] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
    }
}
