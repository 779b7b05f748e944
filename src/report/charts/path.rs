//! The way of requests, hop by hop, as a waterfall: what each stop adds to the latency, and which tries fail there.

use super::axis::Axis;
use super::picture::{Anchor, BELOW, Picture, Place, WIDTH};
use super::style::{Color, TEXT, latency, plain, share, short_name, text_width};
use super::{Chart, DataTable, Study};
use crate::summary::PathSummary;

/// Ways that are shown, of all variants together.
const WAYS_MAX: usize = 10;
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
    class: &'a str,
    heading: String,
    parts: Vec<Part>,
}

impl Way<'_> {
    fn ms(&self) -> f64 {
        self.parts.iter().map(|part| part.ms * part.share).sum()
    }

    fn height(&self) -> f64 {
        HEADING + ROW * self.parts.len() as f64 + 8.0
    }
}

pub fn draw(study: &Study) -> Option<Chart> {
    let is_one = study.members.len() == 1;
    let ways = study.members.iter().flat_map(|member| member.told.paths.iter().map(move |path| (member, path)));
    let mut ways: Vec<Way> = ways
        .filter(|(_, path)| path.requests.is_some_and(|requests| requests.value > 0.0) || parts(path).iter().any(|part| part.failed > 0.0))
        .map(|(member, path)| {
            let heading = if is_one { short_name(&path.class) } else { format!("{}: {}", study.label(member), short_name(&path.class)) };
            Way { variant: &member.told.name, class: &path.class, heading, parts: parts(path) }
        })
        .collect();
    // Variants of one kind of request are below each other, in the order in which the kinds come.
    let mut classes: Vec<&str> = Vec::new();
    ways.iter().for_each(|way| {
        if !classes.contains(&way.class) {
            classes.push(way.class)
        }
    });
    ways.sort_by_key(|way| classes.iter().position(|class| *class == way.class));
    let more = ways.len().saturating_sub(WAYS_MAX);
    ways.truncate(WAYS_MAX);
    if ways.is_empty() {
        return None;
    }
    let left = ways.iter().flat_map(|way| &way.parts).map(|part| text_width(&part.name, TEXT)).fold(0.0, f64::max).min(260.0) + 24.0;
    let mut picture = Picture::new("path", 0.0);
    let mut top = 8.0;
    for group in ways.chunk_by(|a, b| a.class == b.class) {
        // An axis for each kind: some take a thousand times as long as others.
        let longest = group.iter().map(Way::ms).fold(0.0, f64::max);
        let place = Place { left, top, right: WIDTH - 165.0, bottom: top + group.iter().map(Way::height).sum::<f64>() };
        waterfalls(&picture, group, place, Axis::up_to(longest, latency));
        top = place.bottom + BELOW + 8.0;
    }
    picture.grow(top - 4.0);
    let title = study.title("The way of a request, hop by hop");
    let cut = super::cut(more, "way");
    Some(Chart {
        id: "path",
        caption: format!(
            "Mean latency of the requests that were answered at the first try, from the client to the server and back. A stop's bar is the time from being sent \
             on by the stop before to being sent on there: network, handshakes and waiting. The parts add up to the mean latency. Where only some of the \
             requests pass, it says how many. Failed: tries that failed there, average of the replications. `@*` stands for all zones or nodes of a \
             balancer, `#*` for its copies.{cut}"
        ),
        svg: picture.finish(&title),
        table: table(&ways),
        title,
    })
}

/// Ways below each other on one axis.
fn waterfalls(picture: &Picture, ways: &[Way], place: Place, axis: Axis) {
    let (_, end) = axis.ends();
    picture.plot(place, axis, Axis::names(&[], 0), (true, false));
    let x = |ms: f64| place.left + (place.right - place.left) * (ms / end).clamp(0.0, 1.0);
    let mut y = place.top;
    for way in ways {
        picture.heading((place.left + 6.0, y + 12.0), &way.heading);
        y += HEADING;
        let mut from = 0.0;
        for part in &way.parts {
            let to = from + part.ms * part.share;
            picture.text((place.left - 10.0, y + ROW / 2.0), &part.name, Anchor::Right, Color::Ink);
            picture.tip(Some(format!(
                "{}: {} for {} of the requests, {} tries failed",
                part.name,
                latency(part.ms),
                share(part.share),
                plain(part.failed)
            )));
            picture.rect(Place { left: x(from), top: y + 3.0, right: x(to).max(x(from) + 1.0), bottom: y + ROW - 3.0 }, part.color);
            picture.tip(None);
            let told = if part.share > 0.995 { latency(part.ms) } else { format!("{} for {}", latency(part.ms), share(part.share)) };
            picture.text((place.right + 10.0, y + ROW / 2.0), &told, Anchor::Left, Color::Muted);
            if part.failed > 0.0 {
                picture.text((WIDTH - 8.0, y + ROW / 2.0), &format!("{} failed", plain(part.failed)), Anchor::Right, Color::Bad);
            }
            y += ROW;
            from = to;
        }
        y += 8.0;
    }
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
