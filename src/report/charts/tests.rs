//! Pictures of hand-made studies, from the plain to the extreme: they are well-formed, stay within their frame, and no text lies on
//! another.

use super::style::{TEXT, text_width};
use super::{Chart, charts};
use crate::compile::Compiled;
use crate::measure::history::{History, Sight, Spell};
use crate::measure::timeline::{Bin, ServerBin};
use crate::measure::{RunRecord, ServerRecord, Timeline};
use crate::model::plan::{FaultPlan, ServerPlan, TargetRef, Topology};
use crate::scenario::Failure;
use crate::summary::tests::{about, record, results, topology, variant};
use crate::summary::{Details, PodChange, SourceText, Summary, TargetChange, details, summarise};
use crate::units::{Span, Time};
use std::sync::Arc;

/// What a study is made of.
#[derive(Clone)]
struct Shape {
    names: Vec<String>,
    servers: usize,
    failed: u64,
    /// Milliseconds of the slowest requests.
    slowest: u64,
    sweep: Vec<&'static str>,
    /// When faults begin, in tenths of a second; each lasts four seconds.
    faults: Vec<u64>,
}

fn shape(variants: usize, servers: usize) -> Shape {
    let names = ["round_robin", "least_connections", "ip_hash", "random", "power_of_d d=2", "first"];
    let name = |place: usize| format!("{}{}", names[place % names.len()], if place < names.len() { "" } else { " again" });
    Shape { names: (0..variants).map(name).collect(), servers, failed: 3, slowest: 4000, sweep: Vec::new(), faults: vec![40] }
}

fn servers(count: usize, faults: usize) -> Arc<Topology> {
    let mut topology = topology(100.0);
    let plan = topology.servers.remove(0);
    let named = |number: usize| ServerPlan {
        name: format!("web-{number}"),
        weight: 1 + number as u32 % 3,
        latency: plan.latency.clone(),
        group: plan.group.clone(),
        tls: None,
        ..plan
    };
    topology.servers = (1..=count).map(named).collect();
    topology.balancers[0].targets = (0..count as u32).map(TargetRef::Server).collect();
    topology.faults[0].servers = vec![count as u32 - 1];
    for number in 1..faults {
        let first = crate::summary::tests::topology(100.0).faults.remove(0);
        topology.faults.push(FaultPlan { name: format!("crash another server, {number}"), ..first });
    }
    Arc::new(topology)
}

fn run(shape: &Shape, place: usize, replication: u64) -> RunRecord {
    let latencies: Vec<u64> =
        (0..3000).map(|n| 5 + place as u64 + replication + if n % 100 == 0 { shape.slowest } else { n % 50 }).collect();
    let mut run = record(&latencies, shape.failed);
    let server = |number: usize| ServerRecord {
        attempts: 10 + (number * 7 + place) as u64 % 13,
        utilization: Some(0.5),
        up: 1.0,
        ..ServerRecord::default()
    };
    run.servers = (0..shape.servers).map(server).collect();
    let bins = 120;
    let bin = |number: u64| {
        let mut bin = Bin { sent: 25, ok: 24, failed: u64::from(number == 50) * shape.failed, moved: number % 3, ..Bin::default() };
        bin.latency.record(Span::from_millis(20 + number % 7 * 10 + u64::from(number == 50) * shape.slowest));
        bin
    };
    let server_bin = |number: usize| ServerBin { attempts: 1.0, in_system: (number % 9) as f32, waiting: 0.5, in_rotation: 1.0, up: 1.0 };
    run.timeline = Timeline {
        bin: Span::from_millis(100),
        bins: (0..bins).map(bin).collect(),
        servers: shape.servers,
        server_bins: (0..bins as usize * shape.servers).map(server_bin).collect(),
        runs: 1,
    };
    let struck = shape.servers as u32 - 1;
    let sight = |tenths: u64, is_good| Sight { at: Time(tenths * 100_000_000), balancer: 0, target: struck, is_good };
    run.history = Some(History {
        spells: (shape.faults.iter().zip(0..))
            .map(|(from, fault)| Spell {
                fault,
                servers: vec![struck],
                from: Time(from * 100_000_000),
                to: Some(Time((from + 40) * 100_000_000)),
            })
            .collect(),
        rotation: vec![sight(50 + place as u64, false), sight(90, true)],
        checks: (0..120).step_by(5).map(|tenths| sight(tenths, !(40..80).contains(&tenths))).collect(),
        is_cut: false,
        ..History::default()
    });
    run.failover.faults[0].detected_after_s = (shape.failed > 0).then_some(1.0 + place as f64 / 10.0);
    (0..shape.failed).for_each(|_| run.attempts.fail(Failure::Reset));
    run
}

fn study(shape: &Shape) -> (Summary, Details) {
    let topology = servers(shape.servers, shape.faults.len());
    let points: Vec<Vec<(String, String)>> = match &shape.sweep[..] {
        [] => vec![Vec::new()],
        values => values.iter().map(|value| vec![("clients.users.arrivals.poisson.rate".to_owned(), (*value).to_owned())]).collect(),
    };
    let at = |name: &String, point: &Vec<(String, String)>| Compiled { point: point.clone(), topology: topology.clone(), ..variant(name) };
    let variants: Vec<Compiled> =
        shape.names.iter().flat_map(|name| points.iter().map(move |point| (name, point))).map(|(name, point)| at(name, point)).collect();
    let runs: Vec<_> = (0..variants.len()).map(|place| results((0..3).map(|replication| run(shape, place, replication)))).collect();
    let source = SourceText { name: "a.yaml".to_owned(), text: "name: a".to_owned() };
    (summarise(&about(3), &variants, &runs), details(source, "lbsim a.yaml".to_owned(), &variants, &runs))
}

/// A text with where it lies: left, top, right, bottom.
type Box = (String, [f64; 4]);

fn number(node: roxmltree::Node, name: &str) -> f64 {
    node.attribute(name).unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
}

fn boxes(svg: &roxmltree::Document) -> Vec<Box> {
    let texts = svg.descendants().filter(|node| node.has_tag_name("text"));
    let of_text = |node: roxmltree::Node| {
        let text = node.text().unwrap_or_default().to_owned();
        let (x, y, width) = (number(node, "x"), number(node, "y"), text_width(&text, TEXT));
        let left = match node.attribute("text-anchor") {
            Some("middle") => x - width / 2.0,
            Some("end") => x - width,
            _ => x,
        };
        (text, [left, y - TEXT * 0.75, left + width, y + TEXT * 0.2])
    };
    texts.map(of_text).collect()
}

/// What is wrong with a picture.
fn faults(chart: &Chart, place: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let svg = roxmltree::Document::parse(&chart.svg).unwrap_or_else(|error| panic!("{place}, {}: {error}", chart.id));
    let root = svg.root_element();
    assert_eq!((root.tag_name().name(), root.attribute("role"), root.attribute("class")), ("svg", Some("img"), Some("chart")));
    let frame: Vec<f64> = root.attribute("viewBox").unwrap().split(' ').map(|part| part.parse().unwrap()).collect();
    let boxes = boxes(&svg);
    for (text, [left, top, right, bottom]) in &boxes {
        let is_within = *left >= 0.0 && *top >= 0.0 && *right <= frame[2] + 1.0 && *bottom <= frame[3];
        if !is_within {
            faults.push(format!("{place}, {}: `{text}` at {left:.0} {top:.0} {right:.0} {bottom:.0} of {frame:?}", chart.id));
        }
    }
    for (index, (text, a)) in boxes.iter().enumerate() {
        for (other, b) in &boxes[index + 1..] {
            let is_apart = a[2] <= b[0] || b[2] <= a[0] || a[3] <= b[1] || b[3] <= a[1];
            if !is_apart {
                faults.push(format!("{place}, {}: `{text}` at {a:.0?} lies on `{other}` at {b:.0?}", chart.id));
            }
        }
    }
    for shape in svg.descendants().filter(|node| node.has_tag_name("rect")) {
        let (right, bottom) = (number(shape, "x") + number(shape, "width"), number(shape, "y") + number(shape, "height"));
        assert!(
            number(shape, "x") >= -1.0 && right <= frame[2] + 1.0 && bottom <= frame[3] + 1.0,
            "{place}, {}: {right} {bottom}",
            chart.id
        );
    }
    assert!(!chart.title.is_empty() && chart.caption.ends_with('.') && !chart.table.rows.is_empty(), "{place}, {}", chart.id);
    for row in &chart.table.rows {
        assert_eq!(row.len(), chart.table.columns.len(), "{place}, {}", chart.id);
    }
    faults
}

fn ids(charts: &[Chart]) -> Vec<&'static str> {
    charts.iter().map(|chart| chart.id).collect()
}

#[test]
fn pictures_hold_whatever_the_study() {
    let long = Shape {
        names: vec![
            "a name that is much longer than any label may be, <b>&amp;\"'\u{202e}\u{7}".to_owned(),
            "日本語の名前はこれより長いかもしれない名前です".to_owned(),
        ],
        ..shape(2, 4)
    };
    let shapes = [
        ("two", shape(2, 4)),
        ("twelve", shape(12, 4)),
        ("one", shape(1, 1)),
        ("many servers", shape(3, 200)),
        ("no errors", Shape { failed: 0, ..shape(3, 8) }),
        ("wide", Shape { slowest: 40_000_000, ..shape(3, 30) }),
        ("long names", long),
        ("sweep", Shape { sweep: vec!["10/s", "20/s", "30/s", "80/s"], ..shape(3, 4) }),
        ("faults", Shape { faults: vec![5, 8, 9, 40, 41, 70, 105, 112, 115, 119], ..shape(6, 4) }),
        ("sweep of words", Shape { sweep: vec!["fast", "slow"], ..shape(2, 4) }),
    ];
    let mut wrong = Vec::new();
    for (place, shape) in shapes {
        let (summary, details) = study(&shape);
        let found = charts(&summary, &details);
        assert!(found.iter().all(|chart| super::IDS.contains(&chart.id)));
        assert!(found.len() >= 5, "{place}: {:?}", ids(&found));
        let bytes: usize = found.iter().map(|chart| chart.svg.len()).sum();
        assert!(bytes < 800_000, "{place}: {:?}", found.iter().map(|chart| (chart.id, chart.svg.len())).collect::<Vec<_>>());
        wrong.extend(found.iter().flat_map(|chart| faults(chart, place)));
    }
    assert!(
        wrong.is_empty(),
        "{} places, such as\n{}",
        wrong.len(),
        wrong.iter().take(25).map(|fault| format!("{fault}\n")).collect::<String>()
    );
}

#[test]
fn a_picture_says_when_it_applies() {
    let drawn = |shape: &Shape| {
        let (summary, details) = study(shape);
        ids(&charts(&summary, &details))
    };
    let alone = drawn(&shape(1, 1));
    assert!(!alone.contains(&"comparison") && !alone.contains(&"shares") && !alone.contains(&"sweep"), "{alone:?}");
    assert!(alone.contains(&"failover") && alone.contains(&"affinity"), "{alone:?}");
    let swept = drawn(&Shape { sweep: vec!["1/s", "2/s"], ..shape(2, 3) });
    assert!(swept.contains(&"sweep") && swept.contains(&"comparison"), "{swept:?}");
}

#[test]
fn intervals_of_a_sweep_do_not_lie_on_each_other() {
    let (summary, details) = study(&Shape { sweep: vec!["10/s", "20/s", "30/s"], ..shape(4, 3) });
    let found = charts(&summary, &details);
    let sweep = found.iter().find(|chart| chart.id == "sweep").unwrap();
    let svg = roxmltree::Document::parse(&sweep.svg).unwrap();
    let mut xs: Vec<f64> = svg.descendants().filter(|node| node.has_tag_name("circle")).map(|dot| number(dot, "cx")).collect();
    xs.sort_by(f64::total_cmp);
    // Four variants at three values: far from those of the next value, near to those of the same.
    let gaps: Vec<f64> = xs.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(gaps.iter().filter(|gap| **gap > 100.0).count(), 2, "{xs:?}");
    assert_eq!(gaps.iter().filter(|gap| (4.0..6.0).contains(*gap)).count(), 9, "{xs:?}");
}

#[test]
fn pods_and_views_without_a_place_in_the_picture_are_told() {
    let caption = |pods: usize, views: usize| {
        let (summary, mut details) = study(&shape(1, 3));
        let change = |pod: usize| PodChange { at_s: 1.0, pod: format!("web-{pod}"), phase: "ready".to_owned() };
        let view = |seen: usize| TargetChange {
            at_s: 2.0 + seen as f64,
            balancer: format!("edge-{seen}"),
            target: "web-0".to_owned(),
            state: "healthy".to_owned(),
        };
        details.variants[0].pods = (0..pods).map(change).collect();
        details.variants[0].targets = (0..views).map(view).collect();
        charts(&summary, &details).into_iter().find(|chart| chart.id == "control-plane").unwrap().caption
    };
    assert!(!caption(12, 3).contains("not shown"));
    let told = caption(15, 4);
    assert!(told.contains(" 3 more pods are not shown.") && told.contains(" One more thin bar is not shown."), "{told}");
}

#[test]
fn a_picture_shows_the_numbers_of_the_summary() {
    let (summary, details) = study(&shape(2, 4));
    let found = charts(&summary, &details);
    let percentiles = found.iter().find(|chart| chart.id == "latency-percentiles").unwrap();
    let told = &summary.variants[0].latency_ms;
    for (head, figure) in [("50 %", told.p50), ("95 %", told.p95), ("99 %", told.p99)] {
        let column = percentiles.table.columns.iter().position(|column| column == head).unwrap();
        assert_eq!(percentiles.table.rows[0][column], super::style::latency(figure.unwrap().value), "{head}");
    }
    let compared = found.iter().find(|chart| chart.id == "comparison").unwrap();
    let mean = summary.variants[1].latency_ms.mean.unwrap().value;
    assert!(compared.table.rows[1][1].starts_with(&super::style::latency(mean)), "{:?}", compared.table.rows);
    assert!(found.iter().all(|chart| chart.svg.contains("data-series=\"1\"") || chart.id == "failover"));
}
