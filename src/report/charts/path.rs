//! The way of requests, hop by hop, as a waterfall: what each stop adds to the latency, and which tries fail there.

use super::axis::Axis;
use super::picture::{Anchor, BELOW, Picture, Place, WIDTH};
use super::style::{Color, TEXT, latency, plain, share, short_name, text_width};
use super::{Chart, DataTable, Study};
use crate::summary::PathSummary;

/// Ways that are shown, of all variants together.
const WAYS_MAX: usize = 8;
const ROW: f64 = 17.0;
const HEADING: f64 = 22.0;

/// A part of a way.
struct Part {
    name: String,
    /// Share of the requests that pass here.
    share: f64,
    /// How long it takes those that pass.
    ms: f64,
    failed: f64,
    color: Color,
}

struct Way<'a> {
    variant: &'a str,
    heading: String,
    parts: Vec<Part>,
}

pub fn draw(study: &Study) -> Option<Chart> {
    let is_one = study.members.len() == 1;
    let ways = study.members.iter().flat_map(|member| member.told.paths.iter().map(move |path| (member, path)));
    let ways: Vec<Way> = ways
        .filter(|(_, path)| path.requests.is_some_and(|requests| requests.value > 0.0))
        .map(|(member, path)| {
            let heading = if is_one { short_name(&path.class) } else { format!("{}: {}", study.label(member), short_name(&path.class)) };
            Way { variant: &member.told.name, heading, parts: parts(path) }
        })
        .collect();
    let more = ways.len().saturating_sub(WAYS_MAX);
    let ways = &ways[..ways.len().min(WAYS_MAX)];
    let longest = ways.iter().map(|way| way.parts.iter().map(|part| part.ms * part.share).sum::<f64>()).fold(0.0, f64::max);
    if ways.is_empty() {
        return None;
    }
    let left = ways.iter().flat_map(|way| &way.parts).map(|part| text_width(&part.name, TEXT)).fold(0.0, f64::max).min(260.0) + 24.0;
    let rows: f64 = ways.iter().map(|way| HEADING + ROW * way.parts.len() as f64 + 8.0).sum();
    let picture = Picture::new("path", rows + 12.0 + BELOW);
    let place = Place { left, top: 8.0, right: WIDTH - 150.0, bottom: rows + 8.0 };
    let axis = Axis::up_to(longest, latency);
    let (_, end) = axis.ends();
    picture.plot(place, axis, Axis::names(&[], 0), (true, false));
    let x = |ms: f64| left + (place.right - left) * (ms / end).clamp(0.0, 1.0);
    let mut y = place.top;
    for way in ways {
        picture.heading((8.0, y + 12.0), &way.heading);
        y += HEADING;
        let mut from = 0.0;
        for part in &way.parts {
            let to = from + part.ms * part.share;
            picture.text((left - 10.0, y + ROW / 2.0), &part.name, Anchor::Right, Color::Ink);
            picture.tip(Some(format!(
                "{}: {} of {} of the requests, {} tries failed",
                part.name,
                latency(part.ms),
                share(part.share),
                plain(part.failed)
            )));
            picture.rect(Place { left: x(from), top: y + 3.0, right: x(to).max(x(from) + 1.0), bottom: y + ROW - 3.0 }, part.color);
            picture.tip(None);
            let told = if part.share > 0.995 { latency(part.ms) } else { format!("{} of {}", latency(part.ms), share(part.share)) };
            picture.text((place.right + 10.0, y + ROW / 2.0), &told, Anchor::Left, Color::Muted);
            if part.failed > 0.0 {
                picture.text((WIDTH - 8.0, y + ROW / 2.0), &format!("{} failed", plain(part.failed)), Anchor::Right, Color::Bad);
            }
            y += ROW;
            from = to;
        }
        y += 8.0;
    }
    let title = study.title("The way of a request, hop by hop");
    let cut = if more > 0 { format!(" {more} more ways are not shown.") } else { String::new() };
    Some(Chart {
        id: "path",
        caption: format!(
            "Mean latency of the requests that were answered at the first try, from the client to the server and back. A stop's bar is the time from being sent \
             on by the stop before to being sent on there: network, handshakes and waiting. The parts add up to the mean latency. Failed: tries that failed there, \
             average of the replications. `@*` stands for all zones, nodes or copies of a balancer.{cut}"
        ),
        svg: picture.finish(&title),
        table: table(ways),
        title,
    })
}

fn parts(path: &PathSummary) -> Vec<Part> {
    let value = |figure: &crate::summary::Figure| figure.map_or(0.0, |found| found.value);
    let part = |name: String, ms: f64, failed: f64, color: Color| Part { name, share: 1.0, ms, failed, color };
    let mut parts: Vec<Part> = path
        .stops
        .iter()
        .map(|stop| Part {
            share: value(&stop.share),
            ..part(short_name(&stop.name), value(&stop.ms), value(&stop.failed), Color::Heat(4))
        })
        .collect();
    parts.push(part("to the server".to_owned(), value(&path.to_server_ms), 0.0, Color::Heat(4)));
    parts.push(part("waiting at the server".to_owned(), value(&path.waiting_ms), 0.0, Color::Heat(2)));
    parts.push(part("service".to_owned(), value(&path.service_ms), value(&path.failed_at_server), Color::Heat(6)));
    parts.push(part("way back".to_owned(), value(&path.back_ms), 0.0, Color::Heat(4)));
    parts
}

fn table(ways: &[Way]) -> DataTable {
    let row = |way: &Way, part: &Part| {
        vec![way.variant.to_owned(), way.heading.clone(), part.name.clone(), share(part.share), latency(part.ms), plain(part.failed)]
    };
    let rows = ways.iter().flat_map(|way| way.parts.iter().map(move |part| row(way, part))).collect();
    DataTable::new(&["variant", "requests", "part of the way", "share", "time", "failed"], rows)
}
