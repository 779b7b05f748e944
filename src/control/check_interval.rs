//! HAProxy's intervals between health checks: `inter`, and other ones while a server changes sides or is down.
//!
//! Source: HAProxy, doc/configuration.txt (inter, fastinter, downinter), src/check.c (srv_getinter).

use super::defaults::haproxy as default;
use crate::units::Span;

/// Where a server stands between up and down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Up, and the last check passed.
    Up,
    /// Up, and the last check failed.
    GoingDown,
    /// Down, and the last check passed.
    GoingUp,
    Unchecked,
    /// Down, and the last check failed.
    Down,
}

/// A server's intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intervals {
    pub inter: Span,
    /// While it changes sides, and before the first check. `None`: `inter`.
    pub fast: Option<Span>,
    /// While it is down. `None`: `inter`.
    pub down: Option<Span>,
}

impl Default for Intervals {
    fn default() -> Intervals {
        Intervals { inter: default::INTER, fast: None, down: None }
    }
}

impl Intervals {
    pub fn in_state(&self, standing: Standing) -> Span {
        match standing {
            Standing::Up => self.inter,
            Standing::GoingDown | Standing::GoingUp | Standing::Unchecked => self.fast.unwrap_or(self.inter),
            Standing::Down => self.down.unwrap_or(self.inter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_is_inter() {
        use Standing::{Down, GoingDown, GoingUp, Unchecked, Up};
        let all = |intervals: Intervals| [Up, GoingDown, GoingUp, Unchecked, Down].map(|standing| intervals.in_state(standing).0);
        let set = Intervals { inter: Span(5), fast: Some(Span(1)), down: Some(Span(20)) };
        assert_eq!(all(set), [5, 1, 1, 1, 20]);
        assert_eq!(all(Intervals { fast: None, ..set }), [5, 5, 5, 5, 20]);
        assert_eq!(all(Intervals { down: None, ..set }), [5, 1, 1, 1, 5]);
        assert_eq!(all(Intervals::default()), [2_000_000_000; 5]);
    }
}
