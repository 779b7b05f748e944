//! Latency and failures over time, with the faults and the moments when they were detected.

use super::axis::Axis;
use super::picture::{Anchor, BELOW, HOVERED, Picture, Place, Plot, WIDTH};
use super::style::{Color, TEXT, latency, moment, plain, short_name, text_width};
use super::{Chart, DataTable, Member, Study};

/// Variants that share a plot; of more each has one of its own.
const OVERLAID_MAX: usize = 4;
const LEFT: f64 = 70.0;
const RIGHT: f64 = WIDTH - 26.0;

pub fn draw(study: &Study) -> Option<Chart> {
    let members: Vec<&Member> = study.members.iter().filter(|member| !member.more.timeseries.sent_rps.is_empty()).collect();
    let first = members.first()?;
    let end = first.told.duration_s;
    let is_failing = members.iter().any(|member| member.more.timeseries.failed_rps.iter().any(|rate| *rate > 0.0));
    let groups: Vec<Vec<&Member>> =
        if members.len() <= OVERLAID_MAX { vec![members.clone()] } else { members.iter().map(|one| vec![*one]).collect() };
    let (tall, flat) = if groups.len() == 1 { (180.0, 74.0) } else { (60.0, 28.0) };
    let is_faulty = !first.more.faults.is_empty();
    let id = "timeline";
    let mut picture = Picture::new(id, 0.0);
    let mut top = 8.0;
    if groups.len() == 1 {
        let items: Vec<(usize, &str)> = members.iter().map(|member| (member.series, study.label(member))).collect();
        top = picture.legend((8.0, top), &items) + 6.0;
    }
    let latencies = || members.iter().flat_map(|member| member.more.timeseries.p99_ms.iter().flatten()).copied().filter(|ms| *ms > 0.0);
    let (min, max) = (latencies().fold(f64::INFINITY, f64::min), latencies().fold(0.0, f64::max));
    let rate_max = members.iter().flat_map(|member| &member.more.timeseries.failed_rps).copied().fold(0.0, f64::max);
    for (number, group) in groups.iter().enumerate() {
        let named = if groups.len() > 1 { format!("{}: p99", study.label(group[0])) } else { "p99 of the answers in each bin".to_owned() };
        picture.heading((8.0, top + 8.0), &named);
        let flags = if number == 0 { flags(first, end, (LEFT, RIGHT)) } else { Vec::new() };
        let rows = flags.iter().map(|flag| flag.row + 1).max().unwrap_or(0);
        let above = 18.0 + FLAG_ROW * rows as f64;
        let place = Place { left: LEFT, top: top + above, right: RIGHT, bottom: top + above + tall - 2.0 };
        fly(&picture, &flags, place.top);
        let axis = Axis::latency(min.min(max), max);
        let ends = axis.ends();
        let mut plot = picture.plot_over_time(place, (0.0, end), axis);
        bands(&mut plot, group, end, ends);
        for member in group {
            let series = &member.more.timeseries;
            plot.begin_series(member.series);
            let at = |(index, ms): (usize, &Option<f64>)| ((index as f64 + 0.5) * series.bin_s, *ms);
            plot.broken_line(series.p99_ms.iter().enumerate().map(at), Color::Series(member.series), 1.5);
            plot.end_group();
        }
        hover(&mut plot, study, group, end, ends, HOVERED / groups.len().min(2));
        top = place.bottom + BELOW;
        if is_failing {
            picture.heading((8.0, top + 10.0), "failed requests per second");
            let place = Place { left: LEFT, top: top + 18.0, right: RIGHT, bottom: top + 18.0 + flat };
            let axis = Axis::linear(0.0, rate_max * 1.06, plain);
            let ends = axis.ends();
            let mut plot = picture.plot_over_time(place, (0.0, end), axis);
            bands(&mut plot, group, end, ends);
            for member in group {
                let series = &member.more.timeseries;
                let points: Vec<(f64, f64)> = steps(&series.failed_rps, series.bin_s, end).collect();
                plot.begin_series(member.series);
                plot.below(&points, 0.0, Color::Series(member.series), 0.15);
                plot.line(points, Color::Series(member.series), 1.2);
                plot.end_group();
            }
            top = place.bottom + BELOW + 4.0;
        }
    }
    picture.grow(top + 4.0);
    let title = study.title("Latency and failures over time");
    let caption = format!(
        "Averages over the replications, in bins of {}; the warm-up is shown, too.{}",
        moment(first.more.timeseries.bin_s),
        if is_faulty {
            " Shaded: the faults of the first replication. Dashed: when the servers had left the rotation (mean over the replications)."
        } else {
            ""
        }
    );
    Some(Chart { id, caption, svg: picture.finish(&title), table: table(&members), title })
}

/// A label above a plot: from here to there, in which row (0 is next to the plot), and where its fault begins.
struct Flag {
    text: String,
    begins: f64,
    left: f64,
    right: f64,
    row: usize,
}

impl Flag {
    /// Right of its pole.
    fn is_right(&self) -> bool {
        self.left > self.begins
    }
}

const FLAG_ROW: f64 = 13.0;
const FLAG_ROWS_MAX: usize = 6;

/// The names of the faults, each once where it first strikes, right of its pole, or left of it where there is no room. Those that would lie
/// on each other go into rows of their own, ordered such that no pole crosses a name.
fn flags(member: &Member, end: f64, (left, right): (f64, f64)) -> Vec<Flag> {
    let mut flags: Vec<Flag> = Vec::new();
    for fault in &member.more.faults {
        let text = short_name(&fault.fault);
        if flags.iter().any(|known| known.text == text) {
            continue;
        }
        let begins = left + (right - left) * (fault.from_s / end).clamp(0.0, 1.0);
        flags.push(Flag { begins, left: begins + 3.0, right: begins + 3.0 + text_width(&text, TEXT), row: 0, text });
    }
    flags.sort_by(|a, b| a.begins.total_cmp(&b.begins));
    let meets = |one: &Flag, other: &Flag| one.left < other.right + 8.0 && other.left < one.right + 8.0;
    let row = |flag: &Flag, others: &[Flag]| others.iter().filter(|other| meets(flag, other)).map(|other| other.row + 1).max().unwrap_or(0);
    for place in (0..flags.len()).rev() {
        let (before, after) = flags.split_at_mut(place + 1);
        let flag = &mut before[place];
        if flag.right > WIDTH - 4.0 || after.iter().any(|other| !other.is_right() && meets(flag, other)) {
            (flag.left, flag.right) = (flag.left - 6.0 - (flag.right - flag.left), flag.begins - 3.0);
        } else {
            flag.row = row(flag, after);
        }
    }
    for place in 0..flags.len() {
        let (before, after) = flags.split_at_mut(place);
        if !after[0].is_right() {
            after[0].row = row(&after[0], before);
        }
    }
    flags.retain(|flag| flag.row < FLAG_ROWS_MAX);
    flags
}

/// The names, and a pole from each to where its fault begins; the plot is below `bottom`.
fn fly(picture: &Picture, flags: &[Flag], bottom: f64) {
    for flag in flags {
        let y = bottom - 7.0 - FLAG_ROW * flag.row as f64;
        picture.rect(Place { left: flag.begins - 0.3, top: y - 5.0, right: flag.begins + 0.3, bottom }, Color::Bad);
        picture.text((flag.left, y), &flag.text, Anchor::Left, Color::Bad);
    }
}

/// Bands of faults and the moments of detection.
fn bands(plot: &mut Plot, group: &[&Member], end: f64, (low, high): (f64, f64)) {
    let Some(first) = group.first() else { return };
    for fault in first.more.faults.iter().take(60) {
        plot.tip(format!("{}: {} to {}", fault.fault, moment(fault.from_s), moment(fault.to_s)));
        plot.rect(
            (fault.from_s, low),
            (fault.to_s.max(fault.from_s + end / 700.0), high),
            Color::Bad,
            if fault.is_down { 0.13 } else { 0.08 },
        );
        plot.no_tip();
    }
    for member in group {
        for fault in &member.told.failover {
            let begun = member.more.faults.iter().find(|span| span.fault == fault.fault);
            let once = fault.occurrences.is_some_and(|count| count.value <= 1.0);
            if let (Some(begun), Some(after), true) = (begun, fault.detected_after_s, once) {
                let at = begun.from_s + after.value;
                plot.begin_series(member.series);
                plot.tip(format!("{}: {} detected after {}", member.told.name, fault.fault, moment(after.value)));
                plot.dashed((at, low), (at, high), Color::Series(member.series));
                plot.no_tip();
                plot.end_group();
            }
        }
    }
}

fn hover(plot: &mut Plot, study: &Study, group: &[&Member], end: f64, (low, high): (f64, f64), columns: usize) {
    let Some(series) = group.first().map(|member| &member.more.timeseries) else { return };
    let middles: Vec<f64> = (0..series.sent_rps.len()).map(|bin| (bin as f64 + 0.5) * series.bin_s).collect();
    plot.hover(&middles, columns, (0.0, end), (low, high), |bin| {
        let line = |member: &&Member| {
            let series = &member.more.timeseries;
            let p99 = series.p99_ms.get(bin).copied().flatten().map_or("no answer".to_owned(), |ms| format!("p99 {}", latency(ms)));
            let failed = series.failed_rps.get(bin).copied().unwrap_or(0.0);
            let failed = if failed > 0.0 { format!(", {} failed/s", plain(failed)) } else { String::new() };
            format!("{}: {p99}{failed}", study.label(member))
        };
        std::iter::once(format!("at {}", moment(middles[bin]))).chain(group.iter().map(line)).collect::<Vec<_>>().join("\n")
    });
}

/// A rate that is constant in each bin; bins alike are one step.
pub fn steps(rates: &[f64], bin_s: f64, end: f64) -> impl Iterator<Item = (f64, f64)> {
    let mut bin = 0;
    rates.chunk_by(|a, b| a == b).flat_map(move |alike| {
        let from = bin as f64 * bin_s;
        bin += alike.len();
        [(from, alike[0]), ((bin as f64 * bin_s).min(end), alike[0])]
    })
}

/// At most 60 rows: bins that are told apart.
fn table(members: &[&Member]) -> DataTable {
    let bins = members.first().map_or(0, |member| member.more.timeseries.sent_rps.len());
    let every = bins.div_ceil(60).max(1);
    let mut columns = vec!["time".to_owned()];
    columns.extend(members.iter().flat_map(|member| ["p99 ms", "failed/s"].map(|what| format!("{} {what}", member.told.name))));
    let row = |bin: usize| {
        let mut row = vec![moment(bin as f64 * members[0].more.timeseries.bin_s)];
        for member in members {
            let series = &member.more.timeseries;
            row.push(series.p99_ms.get(bin).copied().flatten().map_or_else(String::new, plain));
            row.push(series.failed_rps.get(bin).map_or_else(String::new, |rate| plain(*rate)));
        }
        row
    };
    DataTable { columns, rows: (0..bins).step_by(every).map(row).collect() }
}
