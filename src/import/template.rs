//! Templates of Helm, which are no manifests yet.

use crate::error::{Diagnostic, Diagnostics, Severity, Source, Spot};
use std::sync::Arc;

const MARK: &str = "{{";

pub fn error(spot: Spot) -> Diagnostic {
    Diagnostic::error("this is a Helm template, not a manifest")
        .at(spot)
        .help("render it with `helm template` first: `helm template NAME CHART | lbsim import k8s -`")
}

/// What is said of a file that is no YAML because of what is to be filled in: at the error, or in a line that begins with it.
pub fn found(source: &Arc<Source>, errors: &Diagnostics) -> Option<Diagnostic> {
    let of_line = || {
        let mut begin = 0;
        source.text.split_inclusive('\n').find_map(|line| {
            let at = begin + (line.len() - line.trim_start().len());
            begin += line.len();
            line.trim_start().starts_with(MARK).then(|| error(Spot { source: source.clone(), range: at..at + MARK.len() }))
        })
    };
    among(errors).or_else(of_line)
}

/// The first error at a line with something to be filled in.
pub fn among(found: &Diagnostics) -> Option<Diagnostic> {
    let errors = found.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    errors.filter_map(|error| error.spot.as_ref()).find_map(|spot| {
        let text = &spot.source.text;
        let begin = text[..spot.range.start].rfind('\n').map_or(0, |at| at + 1);
        let line = text[begin..].lines().next().unwrap_or_default();
        let start = begin + line.find(MARK)?;
        Some(error(Spot { source: spot.source.clone(), range: start..start + MARK.len() }))
    })
}
