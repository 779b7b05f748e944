//! The variants beside each other: mean, p99 and failures with their intervals.

use super::axis::Axis;
use super::picture::{Anchor, BELOW, Picture, Place, WIDTH};
use super::style::{Color, TEXT, latency, share, text_width};
use super::{Chart, DataTable, Member, Study};
use crate::stats::Estimate;

type Panel = (&'static str, fn(&Member) -> Option<Estimate>, fn(f64) -> String);

const PANELS: [Panel; 3] = [
    ("mean latency", |member| member.told.latency_ms.mean, latency),
    ("p99", |member| member.told.latency_ms.p99, latency),
    ("failed requests", failed, share),
];

/// The share of failures; its interval is that of their number.
fn failed(member: &Member) -> Option<Estimate> {
    let value = member.told.failed_share()?;
    let (failed, stuck) = (member.told.requests.failed?, member.told.requests.stuck?);
    let finished = member.told.requests.ok?.value + failed.value + stuck.value;
    let ci95 = failed.ci95.filter(|_| stuck.value == 0.0).map(|(low, high)| (low.max(0.0) / finished, high / finished));
    Some(Estimate { value, ci95 })
}

pub fn draw(study: &Study) -> Option<Chart> {
    if study.members.len() < 2 {
        return None;
    }
    let panels: Vec<&Panel> = PANELS
        .iter()
        .filter(|(_, value, _)| study.members.iter().any(|member| value(member).is_some_and(|found| found.value > 0.0)))
        .collect();
    if panels.is_empty() {
        return None;
    }
    let id = "comparison";
    let names = study.members.iter().map(|member| text_width(study.label(member), TEXT)).fold(0.0, f64::max) + 16.0;
    let row = 20.0;
    let bottom = 24.0 + row * study.members.len() as f64;
    let picture = Picture::new(id, bottom + BELOW + 6.0);
    let each = (WIDTH - names - 14.0) / panels.len() as f64;
    for (number, (title, value, print)) in panels.iter().enumerate() {
        let left = names + each * number as f64 + 8.0;
        let place = Place { left, top: 24.0, right: left + each - 30.0, bottom };
        let estimates: Vec<Option<Estimate>> = study.members.iter().map(value).collect();
        let high = estimates
            .iter()
            .flatten()
            .map(|found| found.ci95.map_or(found.value, |(_, high)| high.min(found.value * 2.0)))
            .fold(0.0, f64::max);
        picture.heading((place.left, 12.0), title);
        let few = |value: f64| print(value);
        let axis = Axis::sparse(high, few);
        let (_, end) = axis.ends();
        let mut plot = picture.plot(place, axis, Axis::rows(study.members.len()), (true, false));
        for (row, (member, found)) in study.members.iter().zip(&estimates).enumerate() {
            let Some(found) = found else { continue };
            let y = row as f64 + 0.5;
            let interval =
                found.ci95.map_or_else(String::new, |(low, high)| format!(" (95 % CI {} to {})", print(low.max(0.0)), print(high)));
            plot.begin_series(member.series);
            plot.tip(format!("{}: {title} {}{interval}", member.told.name, print(found.value)));
            plot.rect((0.0, y - 0.28), (found.value, y + 0.28), Color::Series(member.series), 0.28);
            if let Some((low, high)) = found.ci95 {
                plot.solid((low.max(0.0), y), (high.min(end), y), Color::Series(member.series), 1.6);
                if high > end {
                    plot.goes_on(y, 4.0, Color::Series(member.series));
                }
            }
            plot.dot((found.value, y), 3.2, Color::Series(member.series));
            plot.no_tip();
            plot.end_group();
        }
        if number == 0 {
            for (row, member) in study.members.iter().enumerate() {
                let y = plot.at(0.0, row as f64 + 0.5).1;
                picture.text((names - 8.0, y), study.label(member), Anchor::Right, Color::Ink);
            }
        }
    }
    let title = study.title("The variants compared");
    let columns: Vec<&str> = std::iter::once("variant").chain(panels.iter().map(|(title, ..)| *title)).collect();
    let cell = |found: Option<Estimate>, print: fn(f64) -> String| {
        let interval = |(low, high): (f64, f64)| format!(" ({} to {})", print(low.max(0.0)), print(high));
        found.map_or_else(String::new, |found| format!("{}{}", print(found.value), found.ci95.map_or_else(String::new, interval)))
    };
    let row = |member: &Member| {
        std::iter::once(member.told.name.clone()).chain(panels.iter().map(|(_, value, print)| cell(value(member), *print))).collect()
    };
    Some(Chart {
        id,
        caption: "Bars and dots are the values, lines their 95 % intervals (with an arrowhead: it goes on). Whether two variants differ is told by the paired comparison in the verdict, \
                  not by whether their intervals overlap: all variants met the same requests."
            .to_owned(),
        svg: picture.finish(&title),
        table: DataTable::new(&columns, study.members.iter().map(row).collect()),
        title,
    })
}
