//! The pictures. Each is a file of its own that says when it applies and draws itself from the summary and its details.

use crate::summary::{Details, Summary};

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

/// Draws a picture, or says by `None` that there is nothing to show.
type Draw = fn(&Summary, &Details) -> Option<Chart>;

/// All pictures, those that matter most first.
const ALL: [Draw; 0] = [];

/// The pictures that apply.
pub fn charts(summary: &Summary, details: &Details) -> Vec<Chart> {
    ALL.iter().filter_map(|draw| draw(summary, details)).collect()
}
