//! Quantities with their units: instants and spans in nanoseconds, rates per second, shares. Parsed from and printed
//! as the scenario file writes them (`250ms`, `90/s`, `5%`).

mod size;

pub use size::Size;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::str::FromStr;

const NS_PER_S: f64 = 1e9;

/// An instant of a run: nanoseconds since its start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Time(pub u64);

/// A length of time in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Span(pub u64);

/// Events per second; finite and not negative.
#[derive(Clone, Copy, PartialEq, PartialOrd, Default, Debug)]
pub struct Rate(pub f64);

/// A share of a whole, from 0 to 1.
#[derive(Clone, Copy, PartialEq, PartialOrd, Default, Debug)]
pub struct Share(pub f64);

/// The longest span that the file may write: a century. Sums of some dozens still fit into 64 bits of nanoseconds.
pub const SPAN_MAX: Span = Span(100 * 365 * 86_400 * 1_000_000_000);

impl Time {
    pub const ZERO: Time = Time(0);

    #[inline]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / NS_PER_S
    }

    /// The span since `earlier`; zero if `earlier` is in fact later.
    #[inline]
    pub fn since(self, earlier: Time) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Span {
    pub const ZERO: Span = Span(0);

    /// Nearest nanosecond; negative and NaN give zero, more than 292 years give 292.
    #[inline]
    pub fn from_secs_f64(seconds: f64) -> Span {
        Span::from_nanos_f64(seconds * NS_PER_S)
    }

    /// Nearest nanosecond; as above. By way of a signed number: the processor converts it in one step.
    #[inline]
    pub fn from_nanos_f64(nanos: f64) -> Span {
        Span(((nanos + 0.5) as i64).max(0) as u64)
    }

    pub const fn from_millis(ms: u64) -> Span {
        Span(ms * 1_000_000)
    }

    pub const fn from_secs(s: u64) -> Span {
        Span(s * 1_000_000_000)
    }

    #[inline]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / NS_PER_S
    }

    #[inline]
    pub fn as_millis_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl Add<Span> for Time {
    type Output = Time;
    #[inline]
    fn add(self, span: Span) -> Time {
        Time(self.0.saturating_add(span.0))
    }
}

impl AddAssign<Span> for Time {
    #[inline]
    fn add_assign(&mut self, span: Span) {
        *self = *self + span;
    }
}

impl Sub<Time> for Time {
    type Output = Span;
    #[inline]
    fn sub(self, earlier: Time) -> Span {
        debug_assert!(self >= earlier, "events never go back in time");
        Span(self.0.wrapping_sub(earlier.0))
    }
}

impl AddAssign for Span {
    #[inline]
    fn add_assign(&mut self, other: Span) {
        *self = *self + other;
    }
}

impl Add for Span {
    type Output = Span;
    #[inline]
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

/// A number as short as it reads: `1e300`, not three hundred zeros.
pub fn plain(number: f64) -> String {
    let size = number.abs();
    if size >= 1e12 || (size < 1e-6 && size > 0.0) { format!("{number:e}") } else { number.to_string() }
}

/// Splits `250ms` into the number and the unit behind it.
fn split_number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_' || c == '-' || c == '+'))?;
    let (number, unit) = text.split_at(end);
    Some((number.replace('_', "").parse().ok()?, unit.trim_start()))
}

impl FromStr for Span {
    type Err = String;
    fn from_str(text: &str) -> Result<Span, String> {
        let wrong = || format!("`{text}` is not a duration; write a number with a unit, such as `250ms`, `1.5s` or `10m`");
        let text_trimmed = text.trim();
        if text_trimmed.parse::<f64>().is_ok() {
            return Err(format!("`{text}` has no unit; durations are written like `250ms`, `1.5s` or `10m`"));
        }
        let (number, unit) = split_number(text_trimmed).ok_or_else(wrong)?;
        let ns = match unit {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" | "min" => 60e9,
            "h" => 3600e9,
            "d" => 86_400e9,
            _ => return Err(format!("`{unit}` is not a unit of time; use ns, us, ms, s, m, h or d")),
        };
        if number < 0.0 {
            return Err(format!("`{text}` is negative; durations start at `0s`"));
        }
        if number * ns > SPAN_MAX.0 as f64 {
            return Err(format!("`{text}` is longer than a century"));
        }
        Ok(Span((number * ns + 0.5) as u64))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [
            ("d", 86_400_000_000_000),
            ("h", 3_600_000_000_000),
            ("m", 60_000_000_000),
            ("s", 1_000_000_000),
            ("ms", 1_000_000),
            ("us", 1_000),
        ];
        if self.0 == 0 {
            return f.write_str("0s");
        }
        for (unit, ns) in units {
            if self.0.is_multiple_of(ns) || (self.0 >= ns && self.0.is_multiple_of(ns / 1000) && ns <= 1_000_000_000) {
                return write!(f, "{}{unit}", self.0 as f64 / ns as f64);
            }
        }
        write!(f, "{}ns", self.0)
    }
}

impl FromStr for Rate {
    type Err = String;
    fn from_str(text: &str) -> Result<Rate, String> {
        let wrong = || format!("`{text}` is not a rate; write it per second, minute or hour, such as `90/s` or `60/m`");
        let (number, unit) = text.trim().split_once('/').ok_or_else(wrong)?;
        let number: f64 = number.trim().replace('_', "").parse().map_err(|_| wrong())?;
        let seconds = match unit.trim() {
            "ms" => 1e-3,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return Err(wrong()),
        };
        let per_second = number / seconds;
        if !per_second.is_finite() || per_second < 0.0 {
            return Err(format!("`{text}` is not a rate; it must be a number from 0 up"));
        }
        Ok(Rate(per_second))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", plain(self.0))
    }
}

impl FromStr for Share {
    type Err = String;
    fn from_str(text: &str) -> Result<Share, String> {
        let wrong = || format!("`{text}` is not a share; write it as `5%` or `0.05`");
        let trimmed = text.trim();
        let value = match trimmed.strip_suffix('%') {
            // By its decimals: a hundredth of 99.9 is not 0.999 in binary.
            Some(percent) if !percent.contains(['e', 'E']) => format!("{}e-2", percent.trim()).parse::<f64>().map_err(|_| wrong())?,
            Some(percent) => percent.trim().parse::<f64>().map_err(|_| wrong())? / 100.0,
            None => trimmed.parse::<f64>().map_err(|_| wrong())?,
        };
        if !(0.0..=1.0).contains(&value) {
            return Err(format!("`{text}` is not between 0% and 100%"));
        }
        Ok(Share(value))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", (self.0 * 1e8).round() / 1e6)
    }
}

/// Deserializes from the text that the scenario file has; a bare number is given to the parser too, which tells what is missing.
/// The schema tells editors the same: the form, and what it is for.
macro_rules! from_text {
    ($type:ident, $expects:literal, $schema:tt) => {
        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl Visitor<'_> for Text {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expects)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}
from_text!(Span, "a duration such as `250ms`", {
    "type": "string",
    "pattern": r"^\s*\+?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)\s*(ns|us|µs|μs|ms|s|m|min|h|d)\s*$",
    "description": "A duration: a number with a unit (ns, us, ms, s, m, h, d), such as `250ms`, `1.5s` or `10m`."
});
from_text!(Rate, "a rate such as `90/s`", {
    "type": "string",
    "pattern": r"^\s*\+?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)([eE][+-]?\d+)?\s*/\s*(ms|s|m|min|h|d)\s*$",
    "description": "A rate: a number per second, minute, hour or day, such as `90/s` or `60/m`."
});
from_text!(Share, "a share such as `5%`", {
    "description": "A share of a whole: percent, such as `5%`, or a number from 0 to 1, such as `0.05`.",
    "anyOf": [
        { "type": "string", "pattern": r"^\s*\+?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*%\s*$" },
        { "type": "number", "minimum": 0, "maximum": 1 }
    ]
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_every_unit_and_fractions() {
        for (text, ns) in [
            ("250ms", 250_000_000),
            ("1.5s", 1_500_000_000),
            ("10m", 600_000_000_000),
            ("75us", 75_000),
            ("29.9573227355ms", 29_957_323),
            ("0ms", 0),
            ("1h", 3_600_000_000_000),
            ("3 s", 3_000_000_000),
        ] {
            assert_eq!(text.parse::<Span>(), Ok(Span(ns)), "{text}");
        }
    }

    #[test]
    fn a_span_without_a_unit_is_refused_with_the_reason() {
        assert!("250".parse::<Span>().unwrap_err().contains("has no unit"));
        assert!("-5s".parse::<Span>().unwrap_err().contains("negative"));
        assert!("5 fortnights".parse::<Span>().unwrap_err().contains("not a unit"));
        assert!("NaNs".parse::<Span>().is_err());
        assert!("1e9s".parse::<Span>().is_err());
        assert!("999999d".parse::<Span>().unwrap_err().contains("century"));
    }

    #[test]
    fn rates_and_shares_read_what_the_file_writes() {
        assert_eq!("90/s".parse::<Rate>(), Ok(Rate(90.0)));
        assert_eq!("60/m".parse::<Rate>(), Ok(Rate(1.0)));
        assert!("NaN/s".parse::<Rate>().is_err());
        assert!("-1/s".parse::<Rate>().is_err());
        assert!("1e308/ms".parse::<Rate>().is_err());
        assert_eq!("5%".parse::<Share>(), Ok(Share(0.05)));
        assert_eq!("99.9%".parse::<Share>(), Ok(Share(0.999)));
        assert!("%".parse::<Share>().is_err() && "nan%".parse::<Share>().is_err());
        assert_eq!("0.95".parse::<Share>(), Ok(Share(0.95)));
        assert!("120%".parse::<Share>().is_err());
    }

    #[test]
    fn large_and_small_numbers_are_printed_with_an_exponent() {
        for (number, text) in
            [(1e300, "1e300"), (-2.5e12, "-2.5e12"), (1e-9, "1e-9"), (1e9, "1000000000"), (0.0, "0"), (0.5, "0.5"), (f64::INFINITY, "inf")]
        {
            assert_eq!(plain(number), text);
        }
        assert_eq!((Rate(1e300).to_string(), Rate(90.0).to_string()), ("1e300/s".to_owned(), "90/s".to_owned()));
        assert_eq!("1e300/s".parse::<Rate>(), Ok(Rate(1e300)));
    }

    #[test]
    fn what_is_printed_reads_back() {
        for ns in [0, 1, 999, 1_000, 75_000, 1_500_000, 250_000_000, 1_500_000_000, 90_000_000_000, 3_600_000_000_000] {
            assert_eq!(Span(ns).to_string().parse::<Span>(), Ok(Span(ns)), "{}", Span(ns));
        }
    }
}
