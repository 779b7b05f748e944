//! Warns of values from the command line that come to nothing, for something else replaces them.

use super::{Entry, Patch};
use crate::document::Node;
use crate::error::{Diagnostic, Diagnostics};

pub(super) fn by_sweep(sets: &[Patch], axes: &[(String, Vec<Patch>)], found: &mut Diagnostics) {
    for set in sets.iter().filter(|set| axes.iter().any(|(path, _)| *path == set.path)) {
        let message = format!("`{}` is swept over: the values of the sweep replace this one", set.path);
        found.push(Diagnostic::warning(message).at(set.spot.clone()).help("`--set sweep=null` takes the sweep away"));
    }
}

/// A value from the command line that every variant replaces by its own.
pub(super) fn by_compare(original: &Node, sets: &[Patch], entries: &[Entry], found: &mut Diagnostics) {
    let told = |left_out: Option<usize>, entry: &[Patch]| {
        let mut document = original.clone();
        let kept = sets.iter().enumerate().filter(|(place, _)| Some(*place) != left_out).map(|(_, set)| set);
        // One that fails is told elsewhere.
        kept.chain(entry).for_each(|patch| drop(patch.apply(&mut document)));
        document.to_line()
    };
    for (place, set) in sets.iter().enumerate().filter(|(place, _)| told(None, &[]) != told(Some(*place), &[])) {
        if entries.iter().all(|entry| told(None, &entry.patches) == told(Some(place), &entry.patches)) {
            let message = format!("every variant of `compare` sets `{}` itself: this value changes nothing", set.path);
            found.push(
                Diagnostic::warning(message).at(set.spot.clone()).help("`--set compare=null` runs the scenario without its variants"),
            );
        }
    }
}
