//! The distribution of latencies: how many requests took how long.

use super::axis::Axis;
use super::picture::{Anchor, Picture, Place, WIDTH};
use super::style::{Color, latency, share};
use super::{Chart, DataTable, Study};
use crate::summary::VariantDetails;

/// Share of the fastest requests of a variant that the picture may leave out.
const CUT: f64 = 0.002;

/// Where a variant's curve begins.
fn begin(more: &VariantDetails) -> f64 {
    let (mut from, mut below) = (more.distribution_from_ms, 0.0);
    for (to, part) in &more.distribution {
        below += part;
        if below > CUT {
            break;
        }
        from = *to;
    }
    from
}

pub fn draw(study: &Study) -> Option<Chart> {
    let members: Vec<_> = study.members.iter().filter(|member| member.more.distribution.len() > 1).collect();
    if members.is_empty() {
        return None;
    }
    let max = members.iter().filter_map(|member| member.more.distribution.last()).map(|(ms, _)| *ms).fold(0.0, f64::max);
    // Where the fastest requests are few and far from the others, they would take the room of all.
    let min = members.iter().map(|member| begin(member.more)).fold(f64::INFINITY, f64::min).max(max / 1e5);
    let id = "distribution";
    let mut picture = Picture::new(id, 0.0);
    let items: Vec<(usize, &str)> = members.iter().map(|member| (member.series, study.label(member))).collect();
    let top = picture.legend((8.0, 8.0), &items) + 6.0;
    let place = Place { left: 60.0, top, right: WIDTH - 20.0, bottom: top + 210.0 };
    picture.grow(place.bottom + 38.0);
    // Buckets differ in their ratio from variant to variant: a height is a share per doubling of the latency.
    let density = |from: f64, to: f64, part: f64| part / (to / from).log2().max(1e-9);
    let curves: Vec<Vec<(f64, f64)>> = members
        .iter()
        .map(|member| {
            let mut from = member.more.distribution_from_ms;
            let mut points = vec![(from.max(min), 0.0)];
            for (to, part) in &member.more.distribution {
                let height = density(from, *to, *part);
                points.extend([(from.max(min), height), (to.max(min), height)]);
                from = *to;
            }
            points.push((from, 0.0));
            points
        })
        .collect();
    let high = curves.iter().flatten().map(|(_, height)| *height).fold(0.0, f64::max);
    let mut plot = picture.plot(place, Axis::log(min, max, latency), Axis::up_to(high, share), (true, true));
    for (member, points) in members.iter().zip(&curves) {
        plot.begin_series(member.series);
        plot.below(points, 0.0, Color::Series(member.series), 0.1);
        plot.line(points.iter().copied(), Color::Series(member.series), 1.5);
        plot.end_group();
    }
    picture.text(
        ((place.left + place.right) / 2.0, place.bottom + 28.0),
        "latency of the successful requests",
        Anchor::Middle,
        Color::Muted,
    );
    let title = study.title("Distribution of latencies");
    // Few enough rows to read.
    let rows = members.iter().flat_map(|member| {
        member.more.distribution.chunks(6).map(|buckets| {
            let part: f64 = buckets.iter().map(|(_, part)| part).sum();
            vec![member.told.name.clone(), buckets.last().map_or_else(String::new, |(to, _)| latency(*to)), share(part)]
        })
    });
    Some(Chart {
        id,
        caption: "How the successful requests spread over latencies, on a logarithmic axis: the height is the share of the requests for each doubling of the \
                  latency, so that equal areas are equal numbers of requests. Two humps mean two kinds of requests or of servers. At most one in 500 was so fast that it is left of the picture."
            .to_owned(),
        svg: picture.finish(&title),
        table: DataTable::new(&["variant", "up to", "requests"], rows.collect()),
        title,
    })
}
