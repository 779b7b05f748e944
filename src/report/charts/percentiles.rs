//! Latency by percentile, on an axis that gives every nine as much room as the one before.

use super::axis::Axis;
use super::picture::{HOVERED, Picture, Place, STROKES, WIDTH};
use super::style::{Color, TEXT, latency, nearly_all, text_width};
use super::{Chart, DataTable, Study};

/// The axis reaches down to the least latency at this share.
const FROM: f64 = 0.1;
/// Shares that the table tells.
const TOLD: [f64; 8] = [0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999, 0.99999];

pub fn draw(study: &Study) -> Option<Chart> {
    let curves: Vec<_> = study.members.iter().filter(|member| member.more.percentiles.len() > 1).collect();
    let last = curves.iter().filter_map(|member| member.more.percentiles.last());
    let nines_max = last.map(|(share, _)| nines(*share)).fold(0.0, f64::max);
    // The fastest requests would take the room of all others on a logarithmic axis.
    let values =
        || curves.iter().flat_map(|member| &member.more.percentiles).filter(|(share, ms)| *share >= FROM && *ms > 0.0).map(|(_, ms)| *ms);
    let (min, max) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
    if curves.is_empty() || max == 0.0 {
        return None;
    }
    let id = "latency-percentiles";
    let label_width = curves.iter().map(|member| text_width(study.label(member), TEXT)).fold(0.0, f64::max);
    let place = Place { left: 66.0, top: 16.0, right: WIDTH - label_width - STROKES, bottom: 300.0 };
    let picture = Picture::new(id, place.bottom + 38.0);
    let mut plot = picture.plot(place, Axis::nines(nines_max), Axis::latency(min, max), (true, true));
    let mut ends = Vec::new();
    for member in &curves {
        plot.begin_series(member.series);
        plot.line(
            member.more.percentiles.iter().filter(|(_, ms)| *ms >= min.min(max)).map(|(share, ms)| (nines(*share), *ms)),
            Color::Series(member.series),
            2.0,
        );
        plot.end_group();
        let (_, ms) = member.more.percentiles.last()?;
        ends.push((plot.at(0.0, *ms).1, member.series, study.label(member)));
    }
    let steps: Vec<f64> = (0..=(nines_max * 10.0) as u32).map(|step| f64::from(step) / 10.0).collect();
    let (low, high) = Axis::latency(min, max).ends();
    plot.hover(&steps, HOVERED, (0.0, nines_max), (low, high), |step| {
        let wanted = 1.0 - 10f64.powf(-steps[step]);
        let lines =
            curves.iter().filter_map(|member| Some(format!("{}: {}", study.label(member), latency(at(&member.more.percentiles, wanted)?))));
        let head = if step == 0 { "the fastest took".to_owned() } else { format!("{} of the requests took at most", nearly_all(wanted)) };
        std::iter::once(head).chain(lines).collect::<Vec<_>>().join("\n")
    });
    picture.end_labels(place.right, (place.top, place.bottom), ends);
    picture.text(
        ((place.left + place.right) / 2.0, place.bottom + 28.0),
        "share of the successful requests",
        super::picture::Anchor::Middle,
        Color::Muted,
    );
    let title = study.title("Latency by percentile");
    let told: Vec<f64> = TOLD.into_iter().filter(|share| nines(*share) <= nines_max + 1e-9).collect();
    let row = |member: &&super::Member| {
        let values = told.iter().map(|share| at(&member.more.percentiles, *share).map_or_else(String::new, latency));
        std::iter::once(member.told.name.clone()).chain(values).collect()
    };
    let columns: Vec<String> = std::iter::once("variant".to_owned()).chain(told.iter().map(|told| nearly_all(*told))).collect();
    Some(Chart {
        id,
        caption: "How long all but the slowest requests took: at 99 %, one request in a hundred took longer. Each line ends where ten requests are left \
                  beyond it. A line that lies lower is better; lines that cross are good at different things."
            .to_owned(),
        svg: picture.finish(&title),
        table: DataTable { columns, rows: curves.iter().map(row).collect() },
        title,
    })
}

fn nines(share: f64) -> f64 {
    -(1.0 - share).log10()
}

/// The latency at a share, on the line between the points of the curve around it. `None` beyond its end.
fn at(curve: &[(f64, f64)], share: f64) -> Option<f64> {
    let after = curve.iter().position(|(known, _)| *known >= share - 1e-12)?;
    let (to, high) = curve[after];
    let Some((from, low)) = after.checked_sub(1).map(|before| curve[before]) else { return Some(high) };
    let part = (nines(share) - nines(from)) / (nines(to) - nines(from));
    Some(low + (high - low) * part)
}
