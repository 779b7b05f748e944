//! Latency against what is swept.

use super::axis::Axis;
use super::picture::{Anchor, Picture, Place, STROKES, WIDTH};
use super::style::{Color, TEXT, latency, short_name, text_width};
use super::{Chart, DataTable, Study};
use crate::summary::{VariantSummary, short_path};

/// From one variant's interval to the next one's, and from the first one's to the last one's at most, in units of the view box.
const DODGE: f64 = 5.0;
const DODGED_MAX: f64 = 40.0;

pub fn draw(study: &Study) -> Option<Chart> {
    let last = &study.summary.variants.last()?.point;
    // The dimension with the most values; the others stand at their last one.
    let values = |path: &str| {
        let mut known: Vec<&str> = Vec::new();
        for (_, value) in study.summary.variants.iter().flat_map(|told| &told.point).filter(|(other, _)| other == path) {
            if !known.contains(&value.as_str()) {
                known.push(value);
            }
        }
        known
    };
    let (path, _) = last.iter().rev().max_by_key(|(path, _)| values(path).len())?;
    let values: Vec<&str> = values(path);
    if values.len() < 2 {
        return None;
    }
    let is_shown = |told: &VariantSummary| told.point.iter().zip(last).all(|((known, value), (_, fixed))| known == path || value == fixed);
    let place_of = |told: &VariantSummary| {
        told.point.iter().find(|(known, _)| known == path).and_then(|(_, value)| values.iter().position(|known| known == value))
    };
    let shown: Vec<(usize, usize, &VariantSummary)> = (study.summary.variants.iter().filter(|told| is_shown(told)))
        .filter_map(|told| Some((study.series(&told.name), place_of(told)?, told)))
        .collect();
    let found = || shown.iter().filter_map(|(_, _, told)| told.latency_ms.p99).map(|p99| p99.value).filter(|ms| *ms > 0.0);
    let (min, max) = (found().fold(f64::INFINITY, f64::min), found().fold(0.0, f64::max));
    if max == 0.0 {
        return None;
    }
    // Numbers with one unit stand where they belong, anything else in even steps.
    let numbers: Option<Vec<f64>> = values.iter().map(|value| number(value)).collect();
    let same_unit = values.iter().all(|value| unit(value) == unit(values[0]));
    let numbers = numbers.filter(|numbers| same_unit && numbers.windows(2).all(|pair| pair[0] < pair[1]));
    let x = |place: usize| numbers.as_ref().map_or(place as f64 + 0.5, |numbers| numbers[place]);
    let axis = match &numbers {
        Some(numbers) => Axis::at(&numbers.iter().zip(&values).map(|(at, value)| (*at, short_name(value))).collect::<Vec<_>>()),
        None => Axis::names(&values.iter().map(|value| short_name(value)).collect::<Vec<_>>(), 8),
    };
    let id = "sweep";
    let labels = study.names.iter().map(|name| text_width(name, TEXT)).fold(0.0, f64::max);
    let place = Place { left: 66.0, top: 26.0, right: WIDTH - labels - STROKES, bottom: 290.0 };
    let picture = Picture::new(id, place.bottom + 40.0);
    picture.heading((8.0, 10.0), "p99 (line) and mean (faint)");
    let means = || shown.iter().filter_map(|(_, _, told)| told.latency_ms.mean).map(|mean| mean.value).filter(|ms| *ms > 0.0);
    // Room for the intervals, but not for one that would press everything else flat.
    let tops = || shown.iter().filter_map(|(_, _, told)| told.latency_ms.p99?.ci95.map(|(_, high)| high.min(2.0 * max)));
    let (low, high) = (means().fold(min, f64::min), tops().fold(max, f64::max));
    let (from, to) = axis.ends();
    let aside = dodge(&(0..values.len()).map(x).collect::<Vec<_>>(), study.names.len(), (to - from) / (place.right - place.left));
    let mut plot = picture.plot(place, axis, Axis::latency(low, high), (true, true));
    let mut ends = Vec::new();
    for (series, name) in study.names.iter().enumerate() {
        let mut points: Vec<(usize, &VariantSummary)> =
            shown.iter().filter(|(known, ..)| *known == series).map(|(_, place, told)| (*place, *told)).collect();
        points.sort_by_key(|(place, _)| *place);
        let color = Color::Series(series);
        plot.begin_series(series);
        plot.broken_line(
            points.iter().map(|(place, told)| (x(*place) + aside(series), told.latency_ms.mean.map(|mean| mean.value))),
            color,
            0.7,
        );
        plot.broken_line(
            points.iter().map(|(place, told)| (x(*place) + aside(series), told.latency_ms.p99.map(|p99| p99.value))),
            color,
            2.0,
        );
        for (place, told) in &points {
            let Some(p99) = told.latency_ms.p99 else { continue };
            let interval =
                p99.ci95.map_or_else(String::new, |(low, high)| format!(" (95 % CI {} to {})", latency(low.max(0.0)), latency(high)));
            let mean = told.latency_ms.mean.map_or_else(String::new, |mean| format!("\nmean {}", latency(mean.value)));
            plot.tip(format!("{} at {}\np99 {}{interval}{mean}", told.name, values[*place], latency(p99.value)));
            if let Some((low, high)) = p99.ci95 {
                plot.solid((x(*place) + aside(series), low.max(min * 0.5)), (x(*place) + aside(series), high), color, 1.2);
            }
            plot.dot((x(*place) + aside(series), p99.value), 3.0, color);
            plot.no_tip();
        }
        plot.end_group();
        if let Some(p99) = points.iter().rev().find_map(|(_, told)| told.latency_ms.p99) {
            ends.push((plot.at(0.0, p99.value).1, series, name.as_str()));
        }
    }
    picture.end_labels(place.right, (place.top, place.bottom), ends);
    picture.text(((place.left + place.right) / 2.0, place.bottom + 30.0), path, Anchor::Middle, Color::Muted);
    let others: Vec<(String, String)> = last.iter().filter(|(known, _)| known != path).cloned().collect();
    let fixed = if others.is_empty() { String::new() } else { format!(" All at {}.", super::coordinates(&others)) };
    let beside = if study.names.len() > 1 { " Variants at the same value stand a little beside each other." } else { "" };
    let title = format!("Latency against {}", super::name(short_path(path)));
    let row = |(_, place, told): &(usize, usize, &VariantSummary)| {
        let value = |figure: crate::summary::Figure| figure.map_or_else(String::new, |found| latency(found.value));
        vec![told.name.clone(), values[*place].to_owned(), value(told.latency_ms.mean), value(told.latency_ms.p99)]
    };
    Some(Chart {
        id,
        caption: format!("How p99 and mean grow over the sweep, with 95 % intervals.{beside}{fixed}"),
        svg: picture.finish(&title),
        table: DataTable::new(&["variant", short_path(path), "mean", "p99"], shown.iter().map(row).collect()),
        title,
    })
}

/// How far a variant stands beside the value that it was run at, so that intervals do not lie on each other; `unit` is what a unit of the
/// view box is on the axis. All are within a third of the room between two values.
fn dodge(xs: &[f64], variants: usize, unit: f64) -> impl Fn(usize) -> f64 + use<> {
    let closest = xs.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
    let whole = (closest / 3.0).min(DODGED_MAX * unit);
    let step = (whole / variants as f64).min(DODGE * unit);
    move |series| (series as f64 - (variants as f64 - 1.0) / 2.0) * step
}

/// `120/s` is 120.
fn number(value: &str) -> Option<f64> {
    value[..value.len() - unit(value).len()].trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// What stands behind the digits.
fn unit(value: &str) -> &str {
    value.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '_'))
}
