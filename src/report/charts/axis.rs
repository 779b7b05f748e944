//! Axes: a range, how it is laid out, and ticks at round values with labels that fit.

use super::style;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use std::ops::Range;

/// A direction of a plot.
#[derive(Clone, Debug)]
pub struct Axis {
    from: f64,
    to: f64,
    is_log: bool,
    ticks: Vec<(f64, String)>,
    /// A tick that stands only where the others leave room for it.
    spare: Option<(f64, String)>,
}

/// Ticks on an axis, about.
const TICKS: f64 = 6.0;

impl Axis {
    /// From `from` to `to` with ticks at round values; `label` writes them.
    pub fn linear(from: f64, to: f64, label: impl Fn(f64) -> String) -> Axis {
        let to = if to > from { to } else { from + 1.0 };
        let step = round_step((to - from) / TICKS);
        Axis { from, to, is_log: false, ticks: multiples(from, to, step).map(|tick| (tick, label(tick))).collect(), spare: None }
    }

    /// From zero to a little more than `max`.
    pub fn up_to(max: f64, label: impl Fn(f64) -> String) -> Axis {
        Axis::linear(0.0, if max > 0.0 { max * 1.06 } else { 1.0 }, label)
    }

    /// From zero to a little more than `max`, with few ticks, but at least two above zero: for narrow plots.
    pub fn sparse(max: f64, label: impl Fn(f64) -> String) -> Axis {
        let to = if max > 0.0 { max * 1.06 } else { 1.0 };
        let step = round_step(to / 5.0);
        Axis { from: 0.0, to, is_log: false, ticks: multiples(0.0, to, step).map(|tick| (tick, label(tick))).collect(), spare: None }
    }

    /// Ticks where they are told, in rising order; the axis reaches a little further.
    pub fn at(ticks: &[(f64, String)]) -> Axis {
        let ends = ticks.first().zip(ticks.last());
        let (first, last) = ends.map_or((0.0, 1.0), |(first, last)| (first.0, last.0));
        let margin = (last - first) * 0.04;
        let mut kept: Vec<(f64, String)> = Vec::new();
        for (at, label) in ticks {
            if kept.last().is_none_or(|(before, _)| at - before > (last - first) / 14.0) {
                kept.push((*at, label.clone()));
            }
        }
        Axis { from: first - margin, to: last + margin, is_log: false, ticks: kept, spare: None }
    }

    /// Logarithmic, from about `from` to about `to`, both above zero; with as many ticks as there is room for.
    pub fn log(from: f64, to: f64, label: impl Fn(f64) -> String) -> Axis {
        let from = from.max(f64::MIN_POSITIVE.sqrt());
        let to = to.max(from * 1.2);
        let decades = (to / from).log10();
        let factors: &[f64] = if decades < 1.2 {
            &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0]
        } else if decades < 3.0 {
            &[1.0, 2.0, 5.0]
        } else {
            &[1.0]
        };
        let every = (decades / 7.0).ceil().max(1.0) as usize;
        let first = from.log10().floor() as i32;
        let powers = (first..=to.log10().ceil() as i32).step_by(every);
        let ticks = powers.flat_map(|power| factors.iter().map(move |factor| factor * 10f64.powi(power)));
        let ticks = ticks.filter(|tick| (from * 0.999..=to * 1.001).contains(tick)).map(|tick| (tick, label(tick)));
        Axis { from, to, is_log: true, ticks: ticks.collect(), spare: None }
    }

    /// Latencies in milliseconds: logarithmic where they differ by much, else from zero.
    pub fn latency(min: f64, max: f64) -> Axis {
        if min > 0.0 && max / min > 25.0 { Axis::log(min * 0.9, max * 1.1, style::latency) } else { Axis::up_to(max, style::latency) }
    }

    /// Time of a run, in seconds.
    pub fn time(from: f64, to: f64) -> Axis {
        let wanted = (to - from) / TICKS;
        let steps = [60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 14_400.0, 21_600.0, 43_200.0, 86_400.0];
        let step = match wanted {
            w if w < 10.0 => round_step(w),
            w if w < 15.0 => 15.0,
            w if w < 30.0 => 30.0,
            w => steps.into_iter().find(|step| *step >= w).unwrap_or_else(|| round_step(w / 86_400.0) * 86_400.0),
        };
        let label = |seconds: f64| match seconds {
            0.0 => "0".to_owned(),
            s if step < 60.0 && to <= 120.0 => format!("{} s", style::plain(s)),
            s if step < 60.0 => style::moment(s.max(120.0)).replacen("2:00", &format!("{}:{:02}", (s / 60.0) as u64, (s % 60.0) as u64), 1),
            s if step < 3600.0 => format!("{} min", style::plain(s / 60.0)),
            s => format!("{} h", style::plain(s / 3600.0)),
        };
        Axis { from, to, is_log: false, ticks: multiples(from, to, step).map(|tick| (tick, label(tick))).collect(), spare: None }
    }

    /// Rows or columns with names, each one wide, the first from 0 to 1; only as many names as there is room for.
    pub fn names(names: &[String], room: usize) -> Axis {
        let every = names.len().div_ceil(room.max(1)).max(1);
        let ticks = names.iter().enumerate().step_by(every).map(|(place, name)| (place as f64 + 0.5, name.clone()));
        Axis { from: 0.0, to: names.len().max(1) as f64, is_log: false, ticks: ticks.collect(), spare: None }
    }

    /// So many rows, the first one at the top, without ticks.
    pub fn rows(count: usize) -> Axis {
        Axis { from: count.max(1) as f64, to: 0.0, is_log: false, ticks: Vec::new(), spare: None }
    }

    /// Shares by their number of nines: 0 %, 50 %, 90 %, 99 %, ... up to `nines`.
    pub fn nines(nines: f64) -> Axis {
        let named = ["0 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %", "99.9999 %", "99.99999 %", "99.999999 %"];
        let mut ticks: Vec<(f64, String)> = named.iter().enumerate().map(|(place, name)| (place as f64, (*name).to_owned())).collect();
        ticks.retain(|(at, _)| *at <= nines + 1e-9);
        let spare = Some((0.5f64.log10().abs(), "50 %".to_owned()));
        Axis { from: 0.0, to: nines.max(0.31), is_log: false, ticks, spare }
    }

    /// The other way round: larger values at the other end.
    pub fn flipped(self) -> Axis {
        Axis { from: self.to, to: self.from, ..self }
    }

    /// Without the ticks that have no room for their labels on an axis of this length; `needed` tells the room of a label.
    pub fn fitted(self, length: f64, needed: impl Fn(&str) -> f64) -> Axis {
        let at = |tick: f64| f64::from(self.map(&tick, (0, (length * 10.0) as i32))) / 10.0;
        let is_apart = |a: &(f64, String), b: &(f64, String)| (at(a.0) - at(b.0)).abs() >= (needed(&a.1) + needed(&b.1)) / 2.0;
        let mut ticks = if self.is_log {
            // Powers of ten first, then what fits between.
            let is_power = |tick: f64| (tick.log10() - tick.log10().round()).abs() < 1e-9;
            let mut kept: Vec<(f64, String)> = Vec::new();
            for wanted in [true, false] {
                for tick in self.ticks.iter().filter(|tick| is_power(tick.0) == wanted) {
                    if kept.iter().all(|other| is_apart(tick, other)) {
                        kept.push(tick.clone());
                    }
                }
            }
            kept.sort_by(|a, b| a.0.total_cmp(&b.0));
            kept
        } else {
            // Every second, third, ... so that they stay even.
            let thinned = |every: usize| self.ticks.iter().step_by(every).cloned().collect::<Vec<_>>();
            let fits = |ticks: &Vec<(f64, String)>| ticks.windows(2).all(|pair| is_apart(&pair[0], &pair[1]));
            (1..=self.ticks.len()).map(thinned).find(fits).unwrap_or_default()
        };
        ticks.extend(self.spare.clone().filter(|spare| ticks.iter().all(|tick| is_apart(spare, tick))));
        Axis { ticks, ..self }
    }

    pub fn ends(&self) -> (f64, f64) {
        (self.from.min(self.to), self.from.max(self.to))
    }

    /// Longest of the labels, in units of the view box.
    pub fn label_width(&self) -> f64 {
        self.ticks.iter().map(|(_, label)| style::text_width(label, style::TEXT)).fold(0.0, f64::max)
    }
}

/// 1, 2 or 5 times a power of ten, at least this.
fn round_step(wanted: f64) -> f64 {
    let power = 10f64.powf(wanted.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= wanted * 0.999).unwrap_or(wanted)
}

fn multiples(from: f64, to: f64, step: f64) -> impl Iterator<Item = f64> {
    let first = (from / step - 1e-9).ceil() as i64;
    let last = (to / step + 1e-9).floor() as i64;
    (first..=last.min(first + 50)).map(move |multiple| multiple as f64 * step)
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (low, high): (i32, i32)) -> i32 {
        let place = |value: f64| if self.is_log { value.max(self.from.min(self.to)).ln() } else { value };
        let share = (place(*value) - place(self.from)) / (place(self.to) - place(self.from));
        low + (f64::from(high - low) * share.clamp(-0.01, 1.01)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.iter().map(|(tick, _)| *tick).collect()
    }

    fn range(&self) -> Range<f64> {
        self.from..self.to
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        self.ticks.iter().find(|(tick, _)| tick == value).map_or_else(String::new, |(_, label)| label.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_gives_way_to_the_nines() {
        let labels = |length: f64| {
            let axis = Axis::nines(5.0).fitted(length, |label| style::text_width(label, style::TEXT) + 6.0);
            axis.ticks.into_iter().map(|(_, label)| label).collect::<Vec<_>>()
        };
        let nines = ["0 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %"];
        assert_eq!(labels(2000.0), [&nines[..], &["50 %"]].concat());
        assert_eq!(labels(450.0), nines);
        assert_eq!(labels(200.0), ["0 %", "99 %", "99.99 %"]);
    }
}
