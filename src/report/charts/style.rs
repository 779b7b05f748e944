//! How pictures look: colors, dashes, sizes of text, and numbers with their units.
//!
//! The colors of series are those of Okabe and Ito, which color-blind people tell apart ("Color Universal Design", 2008), without the yellow,
//! which does not show on white; dashes and labels say the same again.

use crate::error::printable;
use plotters::style::RGBColor;

/// A color by its part in a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// Of the variant with this place.
    Series(usize),
    Ink,
    Muted,
    Grid,
    /// Failures and faults.
    Bad,
    /// From nothing (0) to much ([`HEAT_STEPS`]).
    Heat(usize),
}

const SERIES: [(u8, u8, u8); 7] =
    [(0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233), (40, 40, 40)];
const INK: (u8, u8, u8) = (26, 26, 26);
const MUTED: (u8, u8, u8) = (90, 90, 90);
const GRID: (u8, u8, u8) = (222, 222, 222);
const BAD: (u8, u8, u8) = (193, 18, 31);
/// Light to dark, even steps of lightness.
const HEAT: [(u8, u8, u8); 9] = [
    (247, 247, 245),
    (221, 236, 240),
    (188, 219, 232),
    (146, 197, 221),
    (98, 170, 207),
    (56, 139, 190),
    (30, 106, 164),
    (16, 73, 128),
    (8, 42, 84),
];
/// The highest step of [`Color::Heat`].
pub const HEAT_STEPS: usize = HEAT.len() - 1;

impl Color {
    pub fn rgb(self) -> RGBColor {
        let (r, g, b) = match self {
            Color::Series(series) => SERIES[series % SERIES.len()],
            Color::Ink => INK,
            Color::Muted => MUTED,
            Color::Grid => GRID,
            Color::Bad => BAD,
            Color::Heat(step) => HEAT[step.min(HEAT_STEPS)],
        };
        RGBColor(r, g, b)
    }
}

/// The CSS variable of a color, with its value for white paper.
pub fn css(rgb: (u8, u8, u8)) -> String {
    let numbered = |name: &str, list: &[(u8, u8, u8)], first: usize| {
        list.iter().position(|known| *known == rgb).map(|place| format!("{name}-{}", place + first))
    };
    let named = [("ink", INK), ("muted", MUTED), ("grid", GRID), ("bad", BAD)];
    let named = || named.into_iter().find(|(_, known)| *known == rgb).map(|(name, _)| name.to_owned());
    let hex = format!("#{:02x}{:02x}{:02x}", rgb.0, rgb.1, rgb.2);
    match numbered("series", &SERIES, 1).or_else(|| numbered("heat", &HEAT, 0)).or_else(named) {
        Some(name) => format!("var(--{name}, {hex})"),
        None => hex,
    }
}

/// Dashes of a series, for `stroke-dasharray`: solid for as many as there are colors, then others.
pub fn dashes(series: usize) -> &'static str {
    ["", "7 3", "2 2", "9 3 2 3"][(series / SERIES.len()) % 4]
}

/// Size of labels, in units of the view box.
pub const TEXT: f64 = 11.0;

/// How wide a text is at a size, about: as in the wider ones of common sans-serif fonts.
pub fn text_width(text: &str, size: f64) -> f64 {
    let wide = |c: char| match c {
        'i' | 'l' | 'j' | '.' | ',' | ':' | '\'' | '|' | ' ' => 0.32,
        'm' | 'W' | '%' | '@' => 0.98,
        'w' | 'M' => 0.87,
        c if c.is_uppercase() => 0.7,
        c if c.is_ascii() => 0.6,
        _ => 1.0,
    };
    text.chars().map(wide).sum::<f64>() * size
}

/// Width of a label, in multiples of its size: some 26 characters.
const LABEL_MAX: f64 = 15.6;

/// A name as a label: without control characters, the middle left out where it is long.
pub fn short_name(name: &str) -> String {
    let name = printable(name, usize::MAX);
    if text_width(&name, 1.0) <= LABEL_MAX {
        return name;
    }
    let fitting = |characters: &mut dyn Iterator<Item = char>, room: f64| {
        let mut used = 0.0;
        let fits = |c: &char| {
            used += text_width(c.encode_utf8(&mut [0; 4]), 1.0);
            used <= room
        };
        characters.take_while(fits).collect::<Vec<char>>()
    };
    let front = fitting(&mut name.chars(), LABEL_MAX * 0.58);
    let back = fitting(&mut name.chars().rev(), LABEL_MAX * 0.35);
    front.into_iter().chain(['…']).chain(back.into_iter().rev()).collect()
}

/// A latency: `0.5 ms`, `20 ms`, `1.5 s`.
pub fn latency(ms: f64) -> String {
    match ms {
        0.0 => "0".to_owned(),
        _ if ms >= 1000.0 => format!("{} s", plain(ms / 1000.0)),
        _ if ms < 0.0995 => format!("{} µs", plain(ms * 1000.0)),
        _ => format!("{} ms", plain(ms)),
    }
}

/// Three significant digits, without zeros behind the point.
pub fn plain(value: f64) -> String {
    let size = value.abs();
    let digits = match size {
        0.0 => return "0".to_owned(),
        _ if !(1e-4..1e6).contains(&size) => return format!("{value:.2e}"),
        _ if size >= 99.95 => 0,
        _ if size >= 9.995 => 1,
        _ if size >= 0.9995 => 2,
        _ if size >= 0.0995 => 3,
        _ if size >= 0.009_95 => 4,
        _ if size >= 0.000_995 => 5,
        _ => 6,
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { super::super::whole(value) }
}

/// A share: `12.5 %`.
pub fn share(share: f64) -> String {
    format!("{} %", plain(share * 100.0))
}

/// A share near 1, with two digits of what is missing: `50 %`, `96.8 %`, `99.997 %`.
pub fn nearly_all(share: f64) -> String {
    let missing = ((1.0 - share) * 100.0).max(1e-12);
    let digits = (1.0 - missing.log10().floor()).max(1.0) as usize;
    let text = format!("{:.digits$}", share * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A moment of a run: `90 s`, `2:30`, `1:02:30`.
pub fn moment(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{} s", plain(s)),
        s if s < 3600.0 => format!("{}:{:02}", (s / 60.0) as u64, (s % 60.0) as u64),
        s => format!("{}:{:02}:{:02}", (s / 3600.0) as u64, (s % 3600.0 / 60.0) as u64, (s % 60.0) as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_nines_as_many_as_they_need() {
        let told = [123.4, 12.34, 1.234, 0.1234, 0.012_34, 0.001_234, 0.000_123_4].map(plain);
        assert_eq!(told, ["123", "12.3", "1.23", "0.123", "0.0123", "0.00123", "0.000123"]);
        let told = [0.0, 0.2057, 0.5, 0.9, 0.968_377, 0.99, 0.996_838, 0.9999, 0.999_968_4, 0.999_999].map(nearly_all);
        assert_eq!(told, ["0 %", "20.6 %", "50 %", "90 %", "96.8 %", "99 %", "99.68 %", "99.99 %", "99.9968 %", "99.9999 %"]);
    }

    #[test]
    fn labels_are_as_wide_as_there_is_room_for() {
        assert_eq!(short_name("weighted_least_connections"), "weighted_least_connections");
        assert_eq!(short_name("least connections without stickiness"), "least connection…stickiness");
        for name in ["W".repeat(40), "i".repeat(80), "漢".repeat(30), "least connections ".repeat(3)] {
            let short = short_name(&name);
            assert!(text_width(&short, 1.0) <= LABEL_MAX && text_width(&short, 1.0) > LABEL_MAX * 0.85, "{short}");
            assert!(name.starts_with(short.split('…').next().unwrap()) && name.ends_with(short.split('…').next_back().unwrap()), "{short}");
        }
    }
}
