//! What becomes of the connections that a client or balancer keeps. Counts are of the window.

use crate::units::Span;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct OpenerRecord {
    /// Connections that were made.
    pub opened: u64,
    /// Connections that could not be made.
    pub failed: u64,
    /// Tries that were put on a connection, and those of them whose connection had carried one before.
    pub tries: u64,
    pub reused: u64,
    /// Tries that were reset with their connection.
    pub resets: u64,
    /// TLS handshakes.
    pub full: u64,
    pub resumed: u64,
    /// Tries that waited for a connection, and how long in all. (For a free one, not for the handshake.)
    pub waited: u64,
    pub waiting: Span,
    /// Connections x time, in nanoseconds.
    pub open: u128,
}
