//! The true state of each server that a fault struck, above what its balancers thought of it, with their checks.

use super::axis::Axis;
use super::picture::{Anchor, BELOW, Picture, Place, WIDTH};
use super::style::{Color, TEXT, moment, short_name, text_width};
use super::{Chart, DataTable, Member, Study};
use crate::summary::{Change, FaultSpan, VariantDetails};

/// Servers of a variant, and variants, that are shown.
const SERVERS_MAX: usize = 8;
const VARIANTS_MAX: usize = 4;

/// A server with what is known of it.
struct Line<'a> {
    server: &'a str,
    /// Else it is another balancer, which has no state of its own.
    is_server: bool,
    spans: Vec<&'a FaultSpan>,
    /// Balancers that check it.
    balancers: Vec<&'a str>,
}

pub fn draw(study: &Study) -> Option<Chart> {
    // Variants differ only in what their balancers see; where they see the same, one is enough.
    let mut shown: Vec<(&Member, usize)> = Vec::new();
    for member in study.members.iter().filter(|member| !lines(member).is_empty()) {
        let is_same = |known: &Member| known.more.rotation == member.more.rotation && known.more.faults == member.more.faults;
        match shown.iter_mut().find(|(known, _)| is_same(known)) {
            Some((_, others)) => *others += 1,
            None => shown.push((member, 0)),
        }
    }
    let more = shown.iter().skip(VARIANTS_MAX).map(|(_, others)| 1 + others).sum();
    shown.truncate(VARIANTS_MAX);
    let end = shown.first()?.0.told.duration_s;
    let all: Vec<(&Member, usize, Vec<Line>)> = shown.iter().map(|(member, others)| (*member, *others, lines(member))).collect();
    let is_titled = all.len() > 1;
    let rows = |line: &Line| 1 + line.balancers.len();
    let height: f64 = all
        .iter()
        .map(|(_, _, lines)| lines.iter().map(|line| rows(line) as f64 * 15.0 + 8.0).sum::<f64>() + if is_titled { 20.0 } else { 0.0 })
        .sum();
    let label = |line: &Line| {
        text_width(&short_name(line.server), TEXT).max(line.balancers.iter().map(|name| text_width(&view(name), TEXT)).fold(0.0, f64::max))
    };
    let left = all.iter().flat_map(|(_, _, lines)| lines).map(label).fold(0.0, f64::max) + 24.0;
    let id = "failover";
    let mut picture = Picture::new(id, height + 26.0 + BELOW);
    let place = Place { left, top: 22.0, right: WIDTH - 26.0, bottom: height + 22.0 };
    key(&picture, left);
    picture.plot_over_time(place, (0.0, end), Axis::names(&[], 0));
    let x = |at: f64| left + (place.right - left) * (at / end).clamp(0.0, 1.0);
    let mut y = place.top + 4.0;
    for (member, others, lines) in &all {
        if is_titled {
            let alike = if *others > 0 { format!(", and {others} more that saw the same") } else { String::new() };
            picture.heading((left + 6.0, y + 8.0), &format!("{}{alike}", study.label(member)));
            y += 20.0;
        }
        for line in lines {
            picture.text((left - 10.0, y + 6.0), &short_name(line.server), Anchor::Right, Color::Ink);
            if line.is_server {
                picture.rect(Place { left, top: y + 1.0, right: place.right, bottom: y + 12.0 }, Color::Heat(2));
            }
            for span in &line.spans {
                picture.tip(Some(format!("{}: {} to {}", span.fault, moment(span.from_s), moment(span.to_s))));
                let bar = Place { left: x(span.from_s), top: y + 1.0, right: x(span.to_s).max(x(span.from_s) + 1.0), bottom: y + 12.0 };
                if span.is_down {
                    picture.rect(bar, Color::Bad);
                } else {
                    picture.rect(Place { top: y + 5.0, bottom: y + 9.0, ..bar }, Color::Bad);
                }
                picture.tip(None);
            }
            y += 15.0;
            for balancer in &line.balancers {
                picture.text((left - 10.0, y + 5.0), &view(balancer), Anchor::Right, Color::Muted);
                for (from, to, is_in) in stretches(&member.more.views(balancer, line.server), end) {
                    let what = if is_in { "in rotation" } else { "out of rotation" };
                    picture.tip(Some(format!("{balancer}: {} {what} from {} to {}", line.server, moment(from), moment(to))));
                    let bar = Place { left: x(from), top: y + 2.0, right: x(to).max(x(from) + 0.6), bottom: y + 8.0 };
                    picture.rect(bar, if is_in { Color::Heat(3) } else { Color::Series(4) });
                    picture.tip(None);
                }
                checks(&picture, member.more, (balancer, line.server), y + 10.0, &x);
                y += 15.0;
            }
            y += 8.0;
        }
    }
    let title = study.title("Faults, and when the balancers noticed");
    let rows = all.iter().flat_map(|(member, _, lines)| table_rows(member, lines, end)).collect();
    let cut = super::cut(more, "variant");
    let thinned = if all.iter().any(|(member, ..)| member.more.is_cut) { " (there were too many: some are left out)" } else { "" };
    Some(Chart {
        id,
        caption: format!(
            "The first replication. Above: the true state of the server. Below: what the balancer thought of it, with its health checks as ticks, the \
             long ones failed{thinned}. Where the upper bar is red and the lower one is not orange, requests are sent to a server that does not answer.{cut}"
        ),
        svg: picture.finish(&title),
        table: DataTable::new(&["variant", "server", "what", "from", "to"], rows),
        title,
    })
}

fn view(balancer: &str) -> String {
    format!("as {} sees it", short_name(balancer))
}

/// What the colors mean.
fn key(picture: &Picture, left: f64) {
    let mut x = left;
    for (color, text) in [
        (Color::Heat(2), "up"),
        (Color::Bad, "down (thin: errs or slow)"),
        (Color::Heat(3), "in rotation"),
        (Color::Series(4), "out of rotation"),
    ] {
        picture.rect(Place { left: x, top: 4.0, right: x + 12.0, bottom: 12.0 }, color);
        picture.text((x + 17.0, 8.0), text, Anchor::Left, Color::Ink);
        x += 17.0 + text_width(text, TEXT) + 18.0;
    }
}

/// The servers that something happened to, those struck first in front.
fn lines<'a>(member: &Member<'a>) -> Vec<Line<'a>> {
    let Member { told, more, .. } = *member;
    let struck = more.faults.iter().flat_map(|span| &span.servers);
    let mut servers: Vec<&str> = Vec::new();
    for server in struck.chain(more.rotation.iter().map(|seen| &seen.target)) {
        if !servers.contains(&server.as_str()) {
            servers.push(server);
        }
    }
    let line = |server: &str| {
        let mut balancers: Vec<&str> = Vec::new();
        for seen in more.checks.iter().chain(&more.rotation).filter(|seen| seen.target == server) {
            if !balancers.contains(&seen.balancer.as_str()) {
                balancers.push(&seen.balancer);
            }
        }
        balancers
    };
    let found = servers.iter().take(SERVERS_MAX).map(|server| Line {
        server,
        is_server: told.servers.iter().any(|known| known.name == *server),
        spans: more.faults.iter().filter(|span| span.servers.iter().any(|struck| struck == server)).collect(),
        balancers: line(server),
    });
    found.collect()
}

/// From, to, and whether in rotation.
fn stretches(changes: &[Change], end: f64) -> Vec<(f64, f64, bool)> {
    let mut stretches = Vec::new();
    let (mut from, mut is_in) = (0.0, true);
    for change in changes {
        if change.is_good != is_in {
            if change.at_s > from {
                stretches.push((from, change.at_s, is_in));
            }
            (from, is_in) = (change.at_s, change.is_good);
        }
    }
    stretches.push((from, end, is_in));
    stretches
}

/// Ticks for checks, each kind as one path.
fn checks(picture: &Picture, more: &VariantDetails, (balancer, server): (&str, &str), y: f64, x: &impl Fn(f64) -> f64) {
    let ticks = |is_good: bool, height: f64| {
        let of_pair = more.checks.iter().filter(|seen| seen.is_good == is_good && seen.balancer == balancer && seen.target == server);
        of_pair.map(|seen| format!("M{:.1} {:.1}h.7v{height}h-.7z", x(seen.at_s), y - 1.0)).collect::<String>()
    };
    picture.path(&ticks(true, 2.0), Color::Muted);
    picture.path(&ticks(false, 4.5), Color::Bad);
}

fn table_rows(member: &Member, lines: &[Line], end: f64) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for line in lines {
        let mut row = |what: String, from: f64, to: f64| {
            rows.push(vec![member.told.name.clone(), line.server.to_owned(), what, moment(from), moment(to)]);
        };
        line.spans.iter().take(20).for_each(|span| row(span.fault.clone(), span.from_s, span.to_s));
        for balancer in &line.balancers {
            let out = stretches(&member.more.views(balancer, line.server), end).into_iter().filter(|(_, _, is_in)| !is_in);
            out.take(20).for_each(|(from, to, _)| row(format!("out of rotation at {balancer}"), from, to));
        }
    }
    rows
}
