//! The scenario file as a tree of nodes that know where they stand.

/// A field that is known and comes with a later release: refused wherever it is given.
#[derive(Clone, Copy, Debug, PartialEq, serde::Deserialize)]
pub struct Later {}
