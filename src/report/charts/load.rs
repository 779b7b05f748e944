//! Requests at each server over time, as a heat map.

use super::axis::Axis;
use super::picture::{Anchor, BELOW, Picture, Place, WIDTH};
use super::style::{Color, HEAT_STEPS, TEXT, moment, plain, short_name, text_width};
use super::{Chart, DataTable, Member, Study};
use crate::summary::LoadMap;

/// Variants that have a map.
const MAPS_MAX: usize = 8;
/// The scale is bent by this power, so that small loads differ.
const BEND: f64 = 0.7;
/// Cells of the whole picture; where there are more, neighbours in time are averaged.
const CELLS_MAX: usize = 7000;
/// Cells to hover, and columns of them in a row of a map.
const HOVERED_OF_ALL: usize = 900;
const HOVERED_MAX: usize = 30;

pub fn draw(study: &Study) -> Option<Chart> {
    let all: Vec<(&Member, &LoadMap)> = study.members.iter().filter_map(|member| Some((member, member.more.load.as_ref()?))).collect();
    let max = all.iter().flat_map(|(_, map)| map.in_system.iter().flatten()).copied().fold(0.0, f64::max);
    if max == 0.0 {
        return None;
    }
    let shown = &all[..all.len().min(MAPS_MAX)];
    let label_width = shown.iter().flat_map(|(_, map)| &map.rows).map(|name| text_width(&short_name(name), TEXT)).fold(0.0, f64::max);
    let left = label_width + 20.0;
    let together = (shown.iter().map(|(_, map)| map.in_system.iter().map(Vec::len).sum::<usize>()).sum::<usize>()).div_ceil(CELLS_MAX);
    let height = |map: &LoadMap| row_height(map) * map.rows.len() as f64;
    let heights: f64 = shown.iter().map(|(_, map)| 20.0 + height(map) + BELOW + 4.0).sum();
    let id = "load";
    let mut picture = Picture::new(id, 26.0 + heights);
    key(&picture, left, max);
    let mut top = 24.0;
    for (member, map) in shown {
        let end = member.told.duration_s;
        picture.heading((left, top + 10.0), study.label(member));
        let place = Place { left, top: top + 20.0, right: WIDTH - 26.0, bottom: top + 20.0 + height(map) };
        let names: Vec<String> = map.rows.iter().map(|name| short_name(name)).collect();
        let room = (height(map) / (TEXT + 1.0)) as usize;
        picture.begin_series(member.series);
        cells(&picture, map, place, end, (max, together));
        picture.end_group();
        let mut plot = picture.plain_over_time(place, (0.0, end), Axis::names(&names, room).flipped());
        hover(&mut plot, map, end, (HOVERED_OF_ALL / (map.rows.len() * shown.len())).clamp(1, HOVERED_MAX));
        top = place.bottom + BELOW + 4.0;
    }
    let title = study.title("Requests at each server");
    let more = all.len() - shown.len();
    let cut = super::cut(more, "variant");
    Some(Chart {
        id,
        caption: format!(
            "Requests in service or waiting, average over the replications and bins of {}. A row further up the scale than the others has more to \
             do than they have; a row that falls to 0 has lost its traffic.{cut}",
            moment(shown[0].1.bin_s)
        ),
        svg: picture.finish(&title),
        table: table(shown),
        title,
    })
}

/// Lower where there are many.
fn row_height(map: &LoadMap) -> f64 {
    match map.rows.len() {
        31.. => 6.0,
        13..=30 => 9.0,
        _ => 15.0,
    }
}

/// The step of a load.
fn step(load: f64, max: f64) -> usize {
    if load <= 0.0 { 0 } else { (((load / max).powf(BEND) * HEAT_STEPS as f64).ceil() as usize).clamp(1, HEAT_STEPS) }
}

/// All cells of a step are one path; neighbours are one rectangle.
fn cells(picture: &Picture, map: &LoadMap, place: Place, end: f64, (max, together): (f64, usize)) {
    let mut paths = vec![String::new(); HEAT_STEPS + 1];
    let row_height = (place.bottom - place.top) / map.rows.len() as f64;
    let x = |column: usize| place.left + (place.right - place.left) * (column as f64 * map.bin_s / end).min(1.0);
    for (row, loads) in map.in_system.iter().enumerate() {
        let y = place.top + row as f64 * row_height;
        let levels: Vec<usize> = loads.chunks(together).map(|some| step(some.iter().sum::<f64>() / some.len() as f64, max)).collect();
        let mut from = 0;
        for alike in levels.chunk_by(|a, b| a == b) {
            let to = from + alike.len();
            let (left, right) = (x(from * together), x(to * together));
            // A little wider, so that no paper shines through between neighbours.
            paths[alike[0]].push_str(&format!("M{left:.1} {y:.1}h{:.1}v{:.1}H{left:.1}z", right - left + 0.2, row_height - 0.6));
            from = to;
        }
    }
    for (level, path) in paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
        picture.path(path, Color::Heat(level));
    }
}

fn hover(plot: &mut super::picture::Plot, map: &LoadMap, end: f64, hovered: usize) {
    let columns = map.in_system.first().map_or(0, Vec::len);
    let every = columns.div_ceil(hovered).max(1);
    for (row, name) in map.rows.iter().enumerate() {
        for from in (0..columns).step_by(every) {
            let to = (from + every).min(columns);
            let mean = |loads: &[f64]| loads[from..to].iter().sum::<f64>() / (to - from) as f64;
            let (begin, until) = (from as f64 * map.bin_s, (to as f64 * map.bin_s).min(end));
            let (all, waiting) = (mean(&map.in_system[row]), mean(&map.waiting[row]));
            plot.tip(format!(
                "{name}, {} to {}\n{} requests, {} of them waiting",
                moment(begin),
                moment(until),
                plain(all),
                plain(waiting)
            ));
            plot.rect((begin, row as f64), (until, row as f64 + 1.0), Color::Ink, 0.0);
        }
    }
}

/// What the colors mean.
fn key(picture: &Picture, left: f64, max: f64) {
    picture.text((left, 10.0), "0", Anchor::Left, Color::Muted);
    for level in 0..=HEAT_STEPS {
        let at = left + 12.0 + level as f64 * 18.0;
        picture.rect(Place { left: at, top: 4.0, right: at + 18.0, bottom: 15.0 }, Color::Heat(level));
    }
    let at = left + 12.0 + (HEAT_STEPS + 1) as f64 * 18.0 + 6.0;
    let middle = max * 0.5f64.powf(1.0 / BEND);
    let told = format!("{} requests at a server; the color in the middle: {}", plain(max), plain(middle));
    picture.text((at, 10.0), &told, Anchor::Left, Color::Muted);
}

fn table(shown: &[(&Member, &LoadMap)]) -> DataTable {
    let row = |(member, map): &(&Member, &LoadMap), row: usize| {
        let mean = |loads: &[f64]| plain(loads.iter().sum::<f64>() / loads.len().max(1) as f64);
        let max = map.in_system[row].iter().copied().fold(0.0, f64::max);
        vec![member.told.name.clone(), map.rows[row].clone(), mean(&map.in_system[row]), mean(&map.waiting[row]), plain(max)]
    };
    let rows = shown.iter().flat_map(|found| (0..found.1.rows.len()).map(move |server| row(found, server)));
    DataTable::new(&["variant", "server", "mean requests", "mean waiting", "most in a bin"], rows.collect())
}
