//! Startup, readiness and liveness probes of a container: when they run and what their outcomes come to.
//!
//! Until the startup probe has passed, the other two do not run. Readiness decides about traffic only, liveness and startup about restarts.
//! Unlike a load balancer's health check, a probe counts *equal* outcomes in a row, and each pod is seen by its own kubelet alone.
//! Source: Kubernetes documentation, tasks/configure-pod-container/configure-liveness-readiness-startup-probes; pkg/kubelet/prober/worker.go;
//! that the readiness probe follows the startup probe at once: prober_manager.go (UpdatePodStatus). (It does so as well when the container
//! has been seen to run, up to a second after its start, when hardly a process listens.)

use super::defaults::probe as default;
use crate::units::{Span, Time};

/// A probe's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// From the container's start to the first probe that counts.
    pub initial_delay: Span,
    /// From the start of one probe to the start of the next.
    pub period: Span,
    pub timeout: Span,
    /// Passes in a row that make it pass. 1 for startup and liveness.
    pub success_threshold: u32,
    pub failure_threshold: u32,
}

impl Default for Probe {
    fn default() -> Probe {
        Probe {
            initial_delay: default::INITIAL_DELAY,
            period: default::PERIOD,
            timeout: default::TIMEOUT,
            success_threshold: default::SUCCESS_THRESHOLD,
            failure_threshold: default::FAILURE_THRESHOLD,
        }
    }
}

impl Probe {
    /// How long a container may fail from its first probe on: a startup probe of 30 times 10 s gives 300 s to start.
    pub fn budget(&self) -> Span {
        Span(self.period.0.saturating_mul(u64::from(self.failure_threshold)))
    }

    /// From the container's start until a startup probe that never passes has it restarted.
    pub fn startup_max(&self) -> Span {
        self.initial_delay + self.budget()
    }

    /// Least and most time from a fault until the probe has failed, where probes fail at once; the phase decides. A fault that lets them
    /// run into their timeout takes that longer.
    pub fn detection(&self) -> (Span, Span) {
        (Span(self.period.0.saturating_mul(u64::from(self.failure_threshold.saturating_sub(1)))), self.budget())
    }

    /// The first probe of a container that started at `started`, where the kubelet's rounds come at `phase` and then each period.
    pub fn first(&self, started: Time, phase: Time) -> Time {
        let from = started + self.initial_delay;
        let period = self.period.0.max(1);
        phase + Span(from.since(phase).0.div_ceil(period).saturating_mul(period))
    }
}

/// Which of a container's probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Startup,
    Readiness,
    Liveness,
}

/// What an outcome brings about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The startup probe has passed: the others may run.
    Started,
    Ready,
    NotReady,
    /// The container must be killed and started again.
    Restart,
}

/// One probe and what it has seen since the container started.
#[derive(Clone, Copy, Debug)]
struct Watch {
    probe: Probe,
    passes: bool,
    last: bool,
    in_a_row: u32,
}

impl Watch {
    fn new(probe: Probe, passes: bool) -> Watch {
        Watch { probe, passes, last: passes, in_a_row: 0 }
    }

    /// Whether the outcome decides: true where enough equal ones in a row have come.
    fn takes(&mut self, passed: bool) -> bool {
        self.in_a_row = if passed == self.last { self.in_a_row.saturating_add(1) } else { 1 };
        self.last = passed;
        let needed = if passed { self.probe.success_threshold } else { self.probe.failure_threshold };
        let decides = self.in_a_row >= needed;
        if decides {
            self.passes = passed;
        }
        decides
    }
}

/// The probes of one container.
#[derive(Clone, Copy, Debug)]
pub struct Probes {
    startup: Option<Watch>,
    readiness: Option<Watch>,
    liveness: Option<Watch>,
    has_started: bool,
}

impl Probes {
    /// Of a container that starts now. Not ready until the readiness probe has passed; alive until liveness has failed.
    pub fn new(startup: Option<Probe>, readiness: Option<Probe>, liveness: Option<Probe>) -> Probes {
        Probes {
            startup: startup.map(|probe| Watch::new(probe, false)),
            readiness: readiness.map(|probe| Watch::new(probe, false)),
            liveness: liveness.map(|probe| Watch::new(probe, true)),
            has_started: startup.is_none(),
        }
    }

    /// The container starts again: all begins anew.
    pub fn restart(&mut self) {
        let settings = |watch: &Option<Watch>| watch.as_ref().map(|watch| watch.probe);
        *self = Probes::new(settings(&self.startup), settings(&self.readiness), settings(&self.liveness));
    }

    pub fn settings(&self, kind: Kind) -> Option<&Probe> {
        let watch = match kind {
            Kind::Startup => &self.startup,
            Kind::Readiness => &self.readiness,
            Kind::Liveness => &self.liveness,
        };
        watch.as_ref().map(|watch| &watch.probe)
    }

    /// Whether a round of this probe, `age` after the container's start, asks the container at all.
    pub fn runs(&self, kind: Kind, age: Span) -> bool {
        let is_its_turn = (kind == Kind::Startup) != self.has_started;
        is_its_turn && self.settings(kind).is_some_and(|probe| age >= probe.initial_delay)
    }

    /// Started, and the readiness probe, if there is one, passes.
    pub fn is_ready(&self) -> bool {
        self.has_started && self.readiness.is_none_or(|watch| watch.passes)
    }

    pub fn has_started(&self) -> bool {
        self.has_started
    }

    /// Takes in an outcome; `Some` where it changes something. Outcomes of a probe that must not run are ignored.
    pub fn concludes(&mut self, kind: Kind, passed: bool) -> Option<Change> {
        if (kind == Kind::Startup) == self.has_started {
            return None;
        }
        match kind {
            Kind::Startup => {
                if !self.startup.as_mut()?.takes(passed) {
                    return None;
                }
                self.has_started = passed;
                Some(if passed { Change::Started } else { Change::Restart })
            }
            Kind::Readiness => {
                let watch = self.readiness.as_mut()?;
                let before = watch.passes;
                watch.takes(passed);
                (watch.passes != before).then_some(if passed { Change::Ready } else { Change::NotReady })
            }
            Kind::Liveness => (self.liveness.as_mut()?.takes(passed) && !passed).then_some(Change::Restart),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Span = Span::from_secs;

    /// The documentation's example: failureThreshold 30, periodSeconds 10.
    #[test]
    fn a_startup_probe_of_thirty_times_ten_seconds_gives_five_minutes() {
        let probe = Probe { failure_threshold: 30, ..Probe::default() };
        assert_eq!((probe.budget(), probe.startup_max()), (S(300), S(300)));
        assert_eq!(Probe { initial_delay: S(5), ..probe }.startup_max(), S(305));
        assert_eq!(Probe::default().detection(), (S(20), S(30)));
    }

    #[test]
    fn the_first_probe_is_the_first_round_after_the_initial_delay() {
        let probe = Probe { initial_delay: S(5), ..Probe::default() };
        let at = |s: u64| Time(S(s).0);
        assert_eq!(probe.first(at(100), at(3)), at(113));
        assert_eq!(probe.first(at(98), at(3)), at(103));
        assert_eq!(probe.first(at(0), at(7)), at(7));
    }

    #[test]
    fn readiness_starts_failed_and_needs_three_failures_in_a_row_to_fail_again() {
        let mut probes = Probes::new(None, Some(Probe::default()), None);
        assert!(!probes.is_ready());
        let outcomes = [false, true, false, false, true, false, false, false, true];
        let changes: Vec<_> = outcomes.map(|passed| probes.concludes(Kind::Readiness, passed)).into();
        let (ready, gone) = (Some(Change::Ready), Some(Change::NotReady));
        assert_eq!(changes, [None, ready, None, None, None, None, None, gone, ready]);
    }

    #[test]
    fn without_a_readiness_probe_a_container_is_ready_at_once() {
        assert!(Probes::new(None, None, Some(Probe::default())).is_ready());
    }

    #[test]
    fn the_startup_probe_holds_back_the_others() {
        let probe = Some(Probe::default());
        let mut probes = Probes::new(probe, None, probe);
        assert!(probes.runs(Kind::Startup, S(0)) && !probes.runs(Kind::Liveness, S(99)));
        assert!((0..9).all(|_| probes.concludes(Kind::Liveness, false).is_none()));
        assert!(!probes.is_ready());
        assert_eq!(probes.concludes(Kind::Startup, true), Some(Change::Started));
        assert!(probes.runs(Kind::Liveness, S(99)) && !probes.runs(Kind::Startup, S(99)) && probes.is_ready());
        assert_eq!([false; 3].map(|passed| probes.concludes(Kind::Liveness, passed)), [None, None, Some(Change::Restart)]);
        probes.restart();
        assert!(!probes.has_started());
        assert_eq!([false; 3].map(|passed| probes.concludes(Kind::Startup, passed)), [None, None, Some(Change::Restart)]);
    }

    #[test]
    fn the_initial_delay_counts_from_the_start_of_the_container() {
        let probes = Probes::new(None, Some(Probe { initial_delay: S(15), ..Probe::default() }), None);
        assert!(!probes.runs(Kind::Readiness, S(14)) && probes.runs(Kind::Readiness, S(15)));
        assert!(!probes.runs(Kind::Liveness, S(15)), "there is none");
    }
}
