//! Fairness among clients: the mean latencies that users get, from the luckiest to the worst-off.

use super::axis::Axis;
use super::picture::{Anchor, HOVERED, Picture, Place, STROKES, WIDTH};
use super::style::{Color, TEXT, latency, plain, text_width};
use super::{Chart, DataTable, Member, Study};

/// The axis reaches down to the mean latency at this share of the users.
const FROM: f64 = 0.01;

pub fn draw(study: &Study) -> Option<Chart> {
    // Where every request is a user of its own, this is the percentiles' picture again.
    let comes_back = |member: &&Member| {
        let users = member.told.fairness.clients.users.map_or(0.0, |users| users.value);
        let ok = member.told.requests.ok.map_or(0.0, |ok| ok.value);
        member.more.users.len() > 1 && users > 1.0 && users < ok * 0.9
    };
    let members: Vec<&Member> = study.members.iter().filter(comes_back).collect();
    // The luckiest user would take the room of all others on a logarithmic axis.
    let values =
        || members.iter().flat_map(|member| &member.more.users).filter(|(share, ms)| *share >= FROM && *ms > 0.0).map(|(_, ms)| *ms);
    let (min, max) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
    if members.is_empty() || max == 0.0 {
        return None;
    }
    let id = "clients";
    let labels = members.iter().map(|member| text_width(study.label(member), TEXT)).fold(0.0, f64::max);
    let place = Place { left: 66.0, top: 16.0, right: WIDTH - labels - STROKES, bottom: 240.0 };
    let picture = Picture::new(id, place.bottom + 38.0);
    let percent = |share: f64| format!("{} %", plain(share * 100.0));
    let axis = Axis::latency(min, max);
    let (low, high) = axis.ends();
    let mut plot = picture.plot(place, Axis::linear(0.0, 1.0, percent), axis, (true, true));
    let mut ends = Vec::new();
    for member in &members {
        plot.begin_series(member.series);
        plot.line(member.more.users.iter().copied().filter(|(_, ms)| *ms >= min.min(max)), Color::Series(member.series), 1.8);
        plot.end_group();
        if let Some((_, ms)) = member.more.users.last() {
            ends.push((plot.at(0.0, *ms).1, member.series, study.label(member)));
        }
    }
    let shares: Vec<f64> = members[0].more.users.iter().map(|(share, _)| *share).collect();
    plot.hover(&shares, HOVERED, (0.0, 1.0), (low, high), |place| {
        let line = |member: &&Member| Some(format!("{}: {}", study.label(member), latency(member.more.users.get(place)?.1)));
        std::iter::once(format!("{} of the users get at most", percent(shares[place])))
            .chain(members.iter().filter_map(line))
            .collect::<Vec<_>>()
            .join("\n")
    });
    picture.end_labels(place.right, (place.top, place.bottom), ends);
    picture.text(
        ((place.left + place.right) / 2.0, place.bottom + 28.0),
        "share of the users, the luckiest first",
        Anchor::Middle,
        Color::Muted,
    );
    let title = study.title("Fairness among clients");
    let at = |member: &Member, hundredth: usize| member.more.users.get(hundredth).map_or_else(String::new, |(_, ms)| latency(*ms));
    let row = |member: &&Member| {
        let clients = &member.told.fairness.clients;
        let jain = clients.jain_latency.map_or_else(String::new, |jain| format!("{:.3}", jain.value));
        let mut row = vec![member.told.name.clone()];
        row.extend([1, 50, 90, 99, 100].map(|hundredth| at(member, hundredth)));
        row.push(jain);
        row
    };
    Some(Chart {
        id,
        caption: "The mean latency of each user over the run, users in order of it. A flat line treats all alike; one that climbs at its right end leaves some \
                  users behind."
            .to_owned(),
        svg: picture.finish(&title),
        table: DataTable::new(&["variant", "1 %", "50 %", "90 %", "99 %", "worst-off", "Jain's index"], members.iter().map(row).collect()),
        title,
    })
}
