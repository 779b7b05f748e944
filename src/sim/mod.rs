//! The kernel: a calendar of events that knows nothing of load balancing.

pub mod calendar;
pub use calendar::{Calendar, Lane, Source, Turn};
