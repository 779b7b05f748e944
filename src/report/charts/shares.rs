//! What share of the attempts each server got, against its weight.

use super::axis::Axis;
use super::picture::{BELOW, Picture, Place, STROKES, WIDTH};
use super::style::{Color, TEXT, plain, share, short_name, text_width};
use super::{Chart, DataTable, Member, Study};
use crate::stats::Estimate;

/// Servers that have a row each; of more only how far they are from their weight, in order.
const ROWS_MAX: usize = 24;
/// Servers of a variant that the table tells.
const TOLD_MAX: usize = 200;

pub fn draw(study: &Study) -> Option<Chart> {
    let members: Vec<&Member> =
        study.members.iter().filter(|member| member.told.servers.iter().any(|server| server.share.is_some())).collect();
    // Variants may differ in their servers. Of more than have a row each, no names are asked for.
    let mut servers: Vec<&str> = Vec::new();
    for got in members.iter().flat_map(|member| servers_of(member)) {
        if servers.len() <= ROWS_MAX && !servers.contains(&got.name) {
            servers.push(got.name);
        }
    }
    if servers.len() < 2 {
        return None;
    }
    let title = study.title("Share of each server");
    let (svg, caption) = if servers.len() <= ROWS_MAX { rows(study, &members, &servers, &title) } else { ranked(study, &members, &title) };
    let row = |member: &Member, got: Got| vec![member.told.name.clone(), got.name.to_owned(), share(got.share.value), share(got.weight)];
    let rows = members.iter().flat_map(|member| servers_of(member).take(TOLD_MAX).map(move |got| row(member, got)));
    let table = DataTable::new(&["variant", "server", "share", "weight's share"], rows.collect());
    Some(Chart { id: "shares", title, caption: caption.to_owned(), svg, table })
}

/// What a server got, and what its weight would give it.
struct Got<'a> {
    name: &'a str,
    share: Estimate,
    weight: f64,
}

/// The servers of a variant, where it has sent anything.
fn servers_of<'a>(member: &'a Member) -> impl Iterator<Item = Got<'a>> {
    let servers = member.told.servers.iter().zip(&member.more.weight_shares);
    servers.filter_map(|(server, weight)| Some(Got { name: &server.name, share: server.share?, weight: *weight }))
}

fn rows(study: &Study, members: &[&Member], servers: &[&str], title: &str) -> (String, &'static str) {
    let names: Vec<String> = servers.iter().map(|name| short_name(name)).collect();
    let left = names.iter().map(|name| text_width(name, TEXT)).fold(0.0, f64::max) + 20.0;
    let row = (6.0 * members.len() as f64 + 6.0).clamp(16.0, 46.0);
    let mut picture = Picture::new("shares", 0.0);
    let items: Vec<(usize, &str)> = members.iter().map(|member| (member.series, study.label(member))).collect();
    let top = picture.legend((8.0, 8.0), &items) + 4.0;
    let place = Place { left, top, right: WIDTH - 20.0, bottom: top + row * names.len() as f64 };
    picture.grow(place.bottom + BELOW + 4.0);
    let max = members.iter().flat_map(|member| servers_of(member)).map(|got| got.share.value.max(got.weight)).fold(0.0, f64::max);
    let mut plot = picture.plot(place, Axis::up_to(max, share), Axis::names(&names, 100).flipped(), (true, false));
    for (place, server) in servers.iter().enumerate() {
        let mut marked: Vec<f64> = Vec::new();
        for (number, member) in members.iter().enumerate() {
            let y = place as f64 + (number as f64 + 1.0) / (members.len() as f64 + 1.0);
            let Some(Got { share: found, weight, .. }) = servers_of(member).find(|got| got.name == *server) else { continue };
            let interval =
                found.ci95.map_or_else(String::new, |(low, high)| format!(" (95 % CI {} to {})", share(low.max(0.0)), share(high)));
            plot.begin_series(member.series);
            plot.tip(format!("{}: {} got {}{interval}\nits weight: {}", member.told.name, names[place], share(found.value), share(weight)));
            plot.line([(weight, y), (found.value, y)], Color::Series(member.series), 1.0);
            plot.dot((found.value, y), 3.0, Color::Series(member.series));
            plot.no_tip();
            plot.end_group();
            // Where variants give it different weights, each has its mark.
            if !marked.contains(&weight) {
                marked.push(weight);
            }
        }
        for weight in &marked {
            plot.line([(*weight, place as f64 + 0.06), (*weight, place as f64 + 0.94)], Color::Ink, 1.4);
        }
    }
    let caption = "Dots: the share of all attempts that a server got. Upright marks: the share that its weight would give it. A server far to the right of its \
                   mark works more than its weight says; a fault takes servers to the left, and so does coming late.";
    (picture.finish(title), caption)
}

/// Many servers: share over weight's share, from the least to the most.
fn ranked(study: &Study, members: &[&Member], title: &str) -> (String, &'static str) {
    let curve = |member: &Member| {
        let mut ratios: Vec<f64> = servers_of(member).map(|got| got.share.value / got.weight).collect();
        ratios.sort_by(f64::total_cmp);
        ratios
    };
    let curves: Vec<Vec<f64>> = members.iter().map(|member| curve(member)).collect();
    let max = curves.iter().flatten().copied().fold(1.0, f64::max);
    let servers = curves.iter().map(Vec::len).max().unwrap_or(1);
    let labels = members.iter().map(|member| text_width(study.label(member), TEXT)).fold(0.0, f64::max);
    let place = Place { left: 50.0, top: 14.0, right: WIDTH - labels - STROKES, bottom: 250.0 };
    let picture = Picture::new("shares", place.bottom + BELOW + 6.0);
    let rank = |at: f64| if at == 0.0 { "least".to_owned() } else { plain(at) };
    let mut plot = picture.plot(
        place,
        Axis::linear(0.0, (servers - 1) as f64, rank),
        Axis::up_to(max, |ratio| format!("{}×", plain(ratio))),
        (false, true),
    );
    plot.line([(0.0, 1.0), ((servers - 1) as f64, 1.0)], Color::Ink, 0.8);
    let mut ends = Vec::new();
    for (member, curve) in members.iter().zip(&curves) {
        plot.begin_series(member.series);
        plot.line(curve.iter().enumerate().map(|(rank, ratio)| (rank as f64, *ratio)), Color::Series(member.series), 1.8);
        plot.end_group();
        if let Some(last) = curve.last() {
            ends.push((plot.at(0.0, *last).1, member.series, study.label(member)));
        }
    }
    picture.end_labels(place.right, (place.top, place.bottom), ends);
    let caption = "Each server's share of the attempts over the share that its weight would give it, servers in order of it. A flat line at 1× follows the weights.";
    (picture.finish(title), caption)
}
