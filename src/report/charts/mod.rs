//! The pictures. Each is a file of its own that says when it applies and draws itself from the summary and its details.
//!
//! A picture is an `<svg>` without fixed colors: they are CSS variables with a value for white paper, so that a file stands by itself and a page
//! can go dark. A series is a `<g class="series" data-series="N">`, N being the place of the variant; what has something to tell carries it
//! as `data-tip` and `<title>`. Pictures over time say where their plot lies, for a common crosshair.

mod affinity;
mod axis;
mod canvas;
mod clients;
mod comparison;
mod control_plane;
mod distribution;
mod failover;
mod load;
mod path;
mod percentiles;
mod picture;
mod shares;
mod style;
mod sweep;
#[cfg(test)]
mod tests;
mod timeline;

pub use canvas::escaped;

use super::{coordinates, name};
use crate::summary::{Details, Summary, VariantDetails, VariantSummary};

/// A picture, ready to stand in a page or in a file of its own.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Name of the file and of the anchor, such as `latency-percentiles`.
    pub id: &'static str,
    pub title: String,
    /// What it shows and how to read it, in a sentence or two.
    pub caption: String,
    /// A complete `<svg>` element without XML head.
    pub svg: String,
    pub table: DataTable,
}

/// The numbers behind a picture, as text, for those who do not see it. Names in it are not escaped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DataTable {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Chart {
    /// The picture as a file of its own, on white paper.
    pub fn file(&self) -> String {
        let paper = "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>";
        let at = self.svg.find("</title>").map_or(0, |end| end + "</title>".len());
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}{paper}{}\n", &self.svg[..at], &self.svg[at..])
    }
}

impl DataTable {
    fn new(columns: &[&str], rows: Vec<Vec<String>>) -> DataTable {
        DataTable { columns: columns.iter().map(|column| (*column).to_owned()).collect(), rows }
    }
}

/// What the pictures are drawn from. A sweep has many points; pictures of a single one show the last, which is mostly the hardest.
struct Study<'a> {
    summary: &'a Summary,
    /// Distinct names of variants, and the same shortened for labels.
    distinct: Vec<&'a str>,
    names: Vec<String>,
    /// The variants at the point that is shown.
    members: Vec<Member<'a>>,
}

/// A variant at a point.
#[derive(Clone, Copy)]
struct Member<'a> {
    /// Place of its name among the distinct names.
    series: usize,
    told: &'a VariantSummary,
    more: &'a VariantDetails,
}

impl<'a> Study<'a> {
    fn new(summary: &'a Summary, details: &'a Details) -> Study<'a> {
        let mut distinct: Vec<&str> = Vec::new();
        for told in &summary.variants {
            if !distinct.contains(&told.name.as_str()) {
                distinct.push(&told.name);
            }
        }
        let point = summary.variants.last().map_or(&[][..], |told| &told.point);
        let all = summary.variants.iter().zip(&details.variants);
        let member = |(told, more): (&'a VariantSummary, &'a VariantDetails)| Member {
            series: distinct.iter().position(|name| *name == told.name).unwrap_or(0),
            told,
            more,
        };
        let members = all.filter(|(told, _)| told.point == point && told.replications_done > 0).map(member).collect();
        Study { summary, names: distinct.iter().map(|name| style::short_name(name)).collect(), distinct, members }
    }

    fn label(&self, member: &Member) -> &str {
        &self.names[member.series]
    }

    /// Place of a variant's name among the distinct ones.
    fn series(&self, name: &str) -> usize {
        self.distinct.iter().position(|known| *known == name).unwrap_or(0)
    }

    /// A title, with the sweep's point where there is one.
    fn title(&self, title: &str) -> String {
        match self.summary.variants.last().map(|told| &told.point[..]) {
            None | Some([]) => title.to_owned(),
            Some(point) => format!("{title} at {}", coordinates(point)),
        }
    }
}

/// A sentence on what a picture has no room for: so many more of these.
fn cut(more: usize, what: &str) -> String {
    match more {
        0 => String::new(),
        1 => format!(" One more {what} is not shown."),
        _ => format!(" {more} more {what}s are not shown."),
    }
}

/// Draws a picture, or says by `None` that there is nothing to show.
type Draw = fn(&Study) -> Option<Chart>;

/// All pictures, those that matter most first.
const ALL: [Draw; 12] = [
    percentiles::draw,
    timeline::draw,
    sweep::draw,
    comparison::draw,
    control_plane::draw,
    path::draw,
    failover::draw,
    load::draw,
    shares::draw,
    affinity::draw,
    distribution::draw,
    clients::draw,
];

/// Names of all pictures that there may be.
pub const IDS: [&str; ALL.len()] = [
    "latency-percentiles",
    "timeline",
    "sweep",
    "comparison",
    "control-plane",
    "path",
    "failover",
    "load",
    "shares",
    "affinity",
    "distribution",
    "clients",
];

/// The color of the variant with this place, as CSS.
pub fn css_of_series(series: usize) -> String {
    let color = style::Color::Series(series).rgb();
    style::css((color.0, color.1, color.2))
}

/// The pictures that apply.
pub fn charts(summary: &Summary, details: &Details) -> Vec<Chart> {
    let study = Study::new(summary, details);
    ALL.iter().filter_map(|draw| draw(&study)).collect()
}
