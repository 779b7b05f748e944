//! CrashLoopBackOff: how long the kubelet waits before it starts a container again.
//!
//! The wait doubles from 10 s to 5 min, and starts anew once the container has run for 10 min. A container that ends for the first time
//! is started again at once: there is nothing yet to back off from.
//! Source: Kubernetes documentation, concepts/workloads/pods/pod-lifecycle (container restarts); pkg/kubelet (doBackOff).

use super::defaults;
use crate::units::Span;

/// The rule's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The first wait.
    pub base: Span,
    /// The longest wait.
    pub cap: Span,
    /// A container that ran this long starts with a clean record.
    pub reset_after: Span,
    /// The first restart waits too.
    pub first_waits: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        let (base, cap, reset_after) = (defaults::pod::BACK_OFF_BASE, defaults::pod::BACK_OFF_CAP, defaults::pod::BACK_OFF_RESET_AFTER);
        Settings { base, cap, reset_after, first_waits: false }
    }
}

/// The record of one container. A new pod begins with a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CrashLoop {
    /// The wait that comes next; `None`: it has not ended yet.
    next: Option<Span>,
}

impl CrashLoop {
    /// The container has ended after it ran this long: how long to wait before it is started again.
    pub fn ended(&mut self, ran: Span, settings: &Settings) -> Span {
        if ran >= settings.reset_after {
            self.next = None;
        }
        let wait = match self.next {
            Some(wait) => wait,
            None if settings.first_waits => settings.base,
            None => {
                self.next = Some(settings.base.min(settings.cap));
                return Span::ZERO;
            }
        };
        let wait = wait.min(settings.cap);
        self.next = Some(Span(wait.0.saturating_mul(2)).min(settings.cap));
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(settings: &Settings, ran_s: &[u64]) -> Vec<u64> {
        let mut record = CrashLoop::default();
        ran_s.iter().map(|&ran| record.ended(Span::from_secs(ran), settings).0 / 1_000_000_000).collect()
    }

    #[test]
    fn the_wait_doubles_to_five_minutes() {
        let waiting = Settings { first_waits: true, ..Settings::default() };
        assert_eq!(waits(&waiting, &[1; 7]), [10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(waits(&Settings::default(), &[1; 8]), [0, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn ten_minutes_of_running_clear_the_record() {
        assert_eq!(waits(&Settings::default(), &[1, 1, 1, 599, 600, 1]), [0, 10, 20, 40, 0, 10]);
    }

    #[test]
    fn a_cap_below_the_base_is_the_wait() {
        let settings = Settings { cap: Span::from_secs(4), first_waits: true, ..Settings::default() };
        assert_eq!(waits(&settings, &[1, 1]), [4, 4]);
    }
}
