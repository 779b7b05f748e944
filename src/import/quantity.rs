//! Quantities of Kubernetes (`500m`, `128Mi`, `1e3`), and numbers that may be a share (IntOrString). Source: Kubernetes,
//! apimachinery, pkg/api/resource/quantity.go and pkg/util/intstr.

/// A century would be read, and is not meant.
pub const SECONDS_MAX: u32 = 31_536_000;

/// Powers of 1000 and of 1024, by their suffixes. Nano and micro come with metrics.
const SUFFIXES: [(&str, f64); 15] = [
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
];

/// A quantity as a number.
pub fn quantity(text: &str) -> Result<f64, String> {
    let wrong = || format!("`{text}` is not a quantity; write a number such as `500m`, `2`, `128Mi` or `1Gi`");
    let (number, scale) = SUFFIXES.iter().find_map(|(suffix, scale)| Some((text.strip_suffix(suffix)?, *scale))).unwrap_or((text, 1.0));
    let is_number =
        number.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) && number.ends_with(|c: char| c.is_ascii_digit() || c == '.');
    let value = number.parse::<f64>().ok().filter(|_| is_number).ok_or_else(wrong)? * scale;
    match value {
        _ if value < 0.0 => Err(format!("`{text}` is negative")),
        _ if value.is_finite() => Ok(value),
        _ => Err(wrong()),
    }
}

/// Thousandths of a processor, rounded up as Kubernetes does.
pub fn millis(cores: f64) -> u64 {
    (cores * 1000.0 - 1e-6).ceil().clamp(0.0, 1e9) as u64
}

/// Whole bytes, rounded up.
pub fn bytes(amount: f64) -> u64 {
    amount.ceil().clamp(0.0, 1e15) as u64
}

/// A number of pods, or a share of them as the scenario file writes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    Count(u32),
    Percent(f64),
}

impl Amount {
    /// At most all of them.
    pub fn read(text: &str) -> Result<Amount, String> {
        match Amount::read_any(text)? {
            Amount::Percent(percent) if percent > 100.0 => Err(format!("`{text}` is more than 100%")),
            amount => Ok(amount),
        }
    }

    pub fn read_any(text: &str) -> Result<Amount, String> {
        let wrong = || format!("`{text}` is not a number of pods; write `1`, or a share such as `25%`");
        match text.strip_suffix('%') {
            Some(percent) => percent.parse::<u16>().map(|percent| Amount::Percent(f64::from(percent))).map_err(|_| wrong()),
            None => text.parse().map(Amount::Count).map_err(|_| wrong()),
        }
    }

    pub fn text(self) -> String {
        match self {
            Amount::Count(count) => count.to_string(),
            Amount::Percent(percent) => format!("{percent}%"),
        }
    }

    pub fn is_zero(self) -> bool {
        matches!(self, Amount::Count(0)) || self == Amount::Percent(0.0)
    }

    /// Of so many pods, rounded up.
    pub fn of(self, pods: u32) -> u32 {
        match self {
            Amount::Count(count) => count,
            Amount::Percent(percent) => (f64::from(pods) * percent / 100.0 - 1e-9).ceil().max(0.0) as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_those_of_kubernetes() {
        for (text, value) in [
            ("500m", 0.5),
            ("2", 2.0),
            ("0.1", 0.1),
            ("128Mi", 134_217_728.0),
            ("1Gi", 1_073_741_824.0),
            ("1.5G", 1.5e9),
            ("1e3", 1000.0),
            ("12E", 1.2e19),
            ("100k", 1e5),
            ("7u", 7e-6),
        ] {
            assert!((quantity(text).unwrap() - value).abs() <= 1e-12 * value, "{text}");
        }
        for wrong in ["", "m", "Mi", "1 Gi", "128MB", "1GiB", "-1", "inf", "NaN", "1e999", "0x10", "1_000", "ten"] {
            assert!(quantity(wrong).is_err(), "{wrong}");
        }
        assert_eq!([millis(0.5), millis(0.1), millis(0.0001), millis(2.0)], [500, 100, 1, 2000]);
        assert_eq!([bytes(0.1), bytes(134_217_728.0)], [1, 134_217_728]);
    }

    #[test]
    fn a_share_of_pods_is_rounded_up() {
        let read = |text| Amount::read(text).unwrap();
        assert_eq!((read("25%").of(3), read("25%").of(4), read("2").of(9), read("0%").of(9)), (1, 1, 2, 0));
        assert_eq!((read("25%").text().as_str(), read("1").text().as_str()), ("25%", "1"));
        assert!(read("0%").is_zero() && read("0").is_zero() && !read("1").is_zero());
        for wrong in ["101%", "-1", "1.5", "a", "", "%"] {
            assert!(Amount::read(wrong).is_err(), "{wrong}");
        }
    }
}
