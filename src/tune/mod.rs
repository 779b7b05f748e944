//! The smallest or largest value of one field that meets a goal: what a goal says and when it holds, which values are looked at, and in
//! which order. Every value meets the same customers (the same seed). Where values come from and how they are simulated is the caller's.

mod figure;
mod goal;
mod range;
mod search;
mod trial;

pub use figure::{Figure, Unit};
pub use goal::{Comparison, Goal, Judged, Rule};
pub use range::{Kind, Range, Wishes, shown};
pub use search::{Wanted, broken, search};
pub use trial::{Readings, names, simulate};

/// What a search has found.
pub struct Tuned {
    pub field: String,
    /// The variant that was tuned, where the scenario has several.
    pub variant: Option<String>,
    pub goal: Goal,
    pub wanted: Wanted,
    pub range: Range,
    pub seed: u64,
    pub replications: u32,
    /// Every value that was looked at, by its number in the range.
    pub tried: std::collections::BTreeMap<u64, Tried>,
    /// The number of the answer.
    pub found: Option<u64>,
    pub is_interrupted: bool,
}

/// What became of a value.
pub enum Tried {
    Run(Box<Readings>),
    /// The scenario does not allow it, for this reason; so it does not meet the goal.
    Refused(String),
}

impl Tried {
    pub fn is_met(&self) -> bool {
        matches!(self, Tried::Run(readings) if readings.is_met())
    }
}

impl Tuned {
    /// The neighbour of the answer that does not meet the goal; without an answer the end of the range that was most likely to.
    pub fn nearest_miss(&self) -> Option<u64> {
        let near = match (self.found, self.wanted) {
            (Some(found), Wanted::Lowest) => found.checked_sub(1)?,
            (Some(found), Wanted::Highest) => found + 1,
            (None, Wanted::Lowest) => self.range.last(),
            (None, Wanted::Highest) => 0,
        };
        self.tried.get(&near).filter(|tried| !tried.is_met()).map(|_| near)
    }

    /// Two values that contradict what the search takes for granted; see [`broken`].
    pub fn broken(&self) -> Option<(u64, u64)> {
        let tried: Vec<(u64, bool)> = self.tried.iter().map(|(number, tried)| (*number, tried.is_met())).collect();
        broken(&tried, self.wanted)
    }
}
