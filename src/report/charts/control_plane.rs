//! What the control plane did: the phases of pods, and below each what the balancers that know it took it for, on one axis with the failures.

use super::axis::Axis;
use super::picture::{Anchor, BELOW, Picture, Place, WIDTH};
use super::style::{Color, TEXT, moment, plain, short_name, text_width};
use super::{Chart, DataTable, Member, Study};
use crate::summary::VariantDetails;

/// Pods of a variant, views of a pod, and variants that are shown.
const PODS_MAX: usize = 12;
const VIEWS_MAX: usize = 3;
const VARIANTS_MAX: usize = 3;
const POD: f64 = 16.0;
const ROW: f64 = 14.0;
const FAILURES: f64 = 46.0;

/// A state from one time to another.
#[derive(Clone, PartialEq)]
struct Stretch {
    from: f64,
    to: f64,
    state: String,
}

/// A pod's place, with what balancers took it for.
struct Line<'a> {
    pod: &'a str,
    phases: Vec<Stretch>,
    /// Balancers that saw the same are one.
    views: Vec<(String, Vec<Stretch>)>,
    views_left_out: usize,
}

/// States in the order of the key: the word, how it is told, and its color; nothing is drawn for those that are not here.
const STATES: [(&str, &str, Color); 8] = [
    ("pending", "pending", Color::Grid),
    ("pulling", "pulling", Color::Heat(2)),
    ("starting", "starting", Color::Heat(3)),
    ("running", "not ready", Color::Heat(4)),
    ("ready", "ready", Color::Heat(6)),
    ("back_off", "back-off", Color::Bad),
    ("terminating", "terminating", Color::Series(4)),
    ("unhealthy", "unhealthy", Color::Bad),
];

fn color(state: &str) -> Option<Color> {
    match state {
        "initial" => Some(Color::Heat(3)),
        "healthy" => Some(Color::Heat(6)),
        "draining" => Some(Color::Series(4)),
        _ => STATES.iter().find(|(word, ..)| *word == state).map(|(.., color)| *color),
    }
}

pub fn draw(study: &Study) -> Option<Chart> {
    let end = study.members.first()?.told.duration_s;
    let mut all: Vec<(&Member, Vec<Line>)> = study.members.iter().map(|member| (member, lines(member.more, end))).collect();
    all.retain(|(_, lines)| !lines.is_empty());
    if all.is_empty() {
        return None;
    }
    let more = all.len().saturating_sub(VARIANTS_MAX);
    all.truncate(VARIANTS_MAX);
    let is_titled = all.len() > 1;
    let block = |lines: &[Line]| {
        let rows: f64 = lines.iter().map(|line| POD + ROW * line.views.len() as f64 + 6.0).sum();
        rows + FAILURES + if is_titled { 20.0 } else { 0.0 }
    };
    let height: f64 = all.iter().map(|(_, lines)| block(lines)).sum();
    let names = all.iter().flat_map(|(_, lines)| lines).flat_map(|line| line.views.iter().map(|(view, _)| view.as_str()).chain([line.pod]));
    let left = names.map(|name| text_width(&short_name(name), TEXT)).fold(text_width("nothing failed", TEXT), f64::max).min(240.0) + 24.0;
    let mut picture = Picture::new("control-plane", 0.0);
    let top = key(&picture, left);
    picture.grow(top + height + BELOW + 4.0);
    let place = Place { left, top, right: WIDTH - 26.0, bottom: top + height };
    picture.plot_over_time(place, (0.0, end), Axis::names(&[], 0));
    let x = |at: f64| left + (place.right - left) * (at / end).clamp(0.0, 1.0);
    let mut y = top + 4.0;
    for (member, lines) in &all {
        if is_titled {
            picture.heading((left + 6.0, y + 8.0), study.label(member));
            y += 20.0;
        }
        for line in lines {
            picture.text((left - 10.0, y + 5.0), &short_name(line.pod), Anchor::Right, Color::Ink);
            bars(&picture, line.pod, &line.phases, (y, y + 10.0), &x);
            y += POD;
            for (view, stretches) in &line.views {
                picture.text((left - 10.0, y + 3.0), &short_name(view), Anchor::Right, Color::Muted);
                bars(&picture, &format!("{} at {view}", line.pod), stretches, (y, y + 6.0), &x);
                y += ROW;
            }
            y += 6.0;
        }
        failures(&picture, member.more, left, (y, y + FAILURES - 14.0), &x);
        y += FAILURES;
    }
    let title = study.title("Pods, targets and failures over time");
    let rows = all.iter().flat_map(|(member, lines)| table_rows(member, lines)).collect();
    let pods: usize = all.iter().map(|(member, lines)| changed_pods(member.more).len() - lines.len()).sum();
    let views: usize = all.iter().flat_map(|(_, lines)| lines).map(|line| line.views_left_out).sum();
    let cut = super::cut(more, "variant") + &super::cut(pods, "pod") + &super::cut(views, "thin bar");
    Some(Chart {
        id: "control-plane",
        caption: format!(
            "The first replication. Thick: what a pod is at. Thin, below it: what the balancers that know it take it for; where a thin bar goes on although the thick \
             one has ended, requests are still sent to a pod that is gone. Last: failed requests a second, average of the replications. Pods to which nothing \
             happens are left out.{cut}"
        ),
        svg: picture.finish(&title),
        table: DataTable::new(&["variant", "pod", "at", "state", "from", "to"], rows),
        title,
    })
}

/// What the colors mean; returns where the picture goes on.
fn key(picture: &Picture, left: f64) -> f64 {
    let (mut x, mut y) = (left, 8.0);
    for (word, told, color) in STATES {
        let told = match word {
            "starting" => "starting / initial",
            "ready" => "ready / healthy",
            "terminating" => "terminating / draining",
            "back_off" => "back-off / unhealthy",
            "unhealthy" => continue,
            _ => told,
        };
        let wide = 17.0 + text_width(told, TEXT) + 16.0;
        if x + wide > WIDTH - 8.0 {
            (x, y) = (left, y + 16.0);
        }
        picture.rect(Place { left: x, top: y - 4.0, right: x + 12.0, bottom: y + 4.0 }, color);
        picture.text((x + 17.0, y), told, Anchor::Left, Color::Ink);
        x += wide;
    }
    y + 16.0
}

fn bars(picture: &Picture, what: &str, stretches: &[Stretch], (top, bottom): (f64, f64), x: &impl Fn(f64) -> f64) {
    for stretch in stretches {
        let Some(color) = color(&stretch.state) else { continue };
        let state = stretch.state.replace('_', "-");
        picture.tip(Some(format!("{what}: {state} from {} to {}", moment(stretch.from), moment(stretch.to))));
        let right = x(stretch.to).max(x(stretch.from) + 0.6);
        picture.rect(Place { left: x(stretch.from), top, right, bottom }, color);
        picture.tip(None);
    }
}

/// Failed requests a second, as columns.
fn failures(picture: &Picture, more: &VariantDetails, left: f64, (top, bottom): (f64, f64), x: &impl Fn(f64) -> f64) {
    let series = &more.timeseries;
    let most = series.failed_rps.iter().copied().fold(0.0, f64::max);
    let told = if most > 0.0 { "failed/s" } else { "nothing failed" };
    picture.text((left - 10.0, bottom - 4.0), told, Anchor::Right, Color::Muted);
    picture.rect(Place { left, top: bottom, right: x(f64::INFINITY), bottom: bottom + 0.6 }, Color::Grid);
    for (bin, failed) in series.failed_rps.iter().enumerate().filter(|(_, failed)| **failed > 0.0) {
        let (from, to) = (bin as f64 * series.bin_s, (bin + 1) as f64 * series.bin_s);
        picture.tip(Some(format!("{} failed a second from {} to {}", plain(*failed), moment(from), moment(to))));
        let height = ((bottom - top) * failed / most).max(1.0);
        picture.rect(Place { left: x(from), top: bottom - height, right: x(to).max(x(from) + 0.8), bottom }, Color::Bad);
        picture.tip(None);
    }
    if most > 0.0 {
        picture.text((left - 10.0, top + 5.0), &plain(most), Anchor::Right, Color::Muted);
    }
}

/// The pods that something happened to, in the order of the server groups.
fn changed_pods(more: &VariantDetails) -> Vec<&str> {
    let mut pods: Vec<&str> = Vec::new();
    for change in &more.pods {
        let is_new = !pods.contains(&change.pod.as_str());
        if is_new && more.pods.iter().any(|other| other.pod == change.pod && other.at_s > 0.0) {
            pods.push(&change.pod);
        }
    }
    pods
}

/// The first of the pods that something happened to.
fn lines(more: &VariantDetails, end: f64) -> Vec<Line<'_>> {
    let line = |pod| {
        let phases = stretches(more.pods.iter().filter(|change| change.pod == pod).map(|change| (change.at_s, &change.phase)), end);
        let mut views: Vec<(String, Vec<Stretch>)> = Vec::new();
        let mut seen: Vec<&str> = Vec::new();
        for balancer in more.targets.iter().filter(|change| change.target == pod).map(|change| change.balancer.as_str()) {
            if seen.contains(&balancer) {
                continue;
            }
            seen.push(balancer);
            let of_pair = more.targets.iter().filter(|change| change.target == pod && change.balancer == balancer);
            let view = stretches(of_pair.map(|change| (change.at_s, &change.state)), end);
            match views.iter_mut().find(|(_, known)| *known == view) {
                Some((name, _)) if !name.ends_with('…') => name.push_str(", …"),
                Some(_) => {}
                None => views.push((balancer.to_owned(), view)),
            }
        }
        let views_left_out = views.len().saturating_sub(VIEWS_MAX);
        views.truncate(VIEWS_MAX);
        Line { pod, phases, views, views_left_out }
    };
    changed_pods(more).into_iter().take(PODS_MAX).map(line).collect()
}

fn stretches<'a>(changes: impl Iterator<Item = (f64, &'a String)>, end: f64) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    for (at, state) in changes {
        // A target that drains or is gone fails its checks; it drains, or is gone, all the same.
        if state == "unhealthy" && stretches.last().is_some_and(|last| last.state == "draining" || last.state == "out") {
            continue;
        }
        if let Some(last) = stretches.last_mut() {
            last.to = at;
        }
        stretches.push(Stretch { from: at, to: end, state: state.clone() });
    }
    stretches.retain(|stretch| stretch.to > stretch.from);
    stretches
}

fn table_rows(member: &Member, lines: &[Line]) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for line in lines {
        let mut all = |at: &str, stretches: &[Stretch]| {
            for stretch in stretches.iter().take(20).filter(|stretch| color(&stretch.state).is_some()) {
                let state = stretch.state.replace('_', "-");
                rows.push(vec![
                    member.told.name.clone(),
                    line.pod.to_owned(),
                    at.to_owned(),
                    state,
                    moment(stretch.from),
                    moment(stretch.to),
                ]);
            }
        };
        all("its node", &line.phases);
        line.views.iter().for_each(|(view, stretches)| all(view, stretches));
    }
    rows
}
