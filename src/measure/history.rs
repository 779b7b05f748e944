//! What happened to the servers and in the balancers' views in one run, moment by moment: for pictures, not for figures. It is kept of the
//! first replication alone, and of the servers that a fault strikes or that leave the rotation, up to a bound.

use crate::units::Time;

/// Checks and changes that are kept, each.
const KEPT_MAX: usize = 20_000;

/// An occurrence of a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spell {
    /// Place of the fault in the plan.
    pub fault: u32,
    pub servers: Vec<u32>,
    pub from: Time,
    /// `None` lasts beyond the end.
    pub to: Option<Time>,
}

/// What a balancer came to think of a target, or what its check of it came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    pub at: Time,
    pub balancer: u32,
    /// Place among the targets of the balancer.
    pub target: u32,
    pub is_good: bool,
}

/// What a pod is at, as a picture shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodPhase {
    /// It waits for a node.
    Pending,
    /// Its image is on its way.
    Pulling,
    Starting,
    /// Not ready, or not ready any more.
    Running,
    Ready,
    /// It waits to be started again (CrashLoopBackOff).
    BackOff,
    Terminating,
    Gone,
}

/// A pod has come into a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodMoment {
    pub at: Time,
    /// Its slot.
    pub server: u32,
    pub phase: PodPhase,
}

/// What a target is to a balancer that knows its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetState {
    /// Registered, in its first checks.
    Initial,
    Healthy,
    Unhealthy,
    Draining,
    /// No member.
    Out,
}

/// A target has come into a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetMoment {
    pub at: Time,
    pub balancer: u32,
    pub target: u32,
    pub state: TargetState,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    pub spells: Vec<Spell>,
    /// A target left the rotation or returned; those that begin outside have left at the start.
    pub rotation: Vec<Sight>,
    /// A check ended.
    pub checks: Vec<Sight>,
    /// Where there are pods.
    pub pods: Vec<PodMoment>,
    /// Where balancers know their members.
    pub targets: Vec<TargetMoment>,
    /// More happened than is kept.
    pub is_cut: bool,
}

impl History {
    pub fn fault_begins(&mut self, fault: u32, servers: &[u32], from: Time) {
        if self.spells.len() < KEPT_MAX {
            self.spells.push(Spell { fault, servers: servers.to_vec(), from, to: None });
        } else {
            self.is_cut = true;
        }
    }

    pub fn fault_ends(&mut self, fault: u32, servers: &[u32], at: Time) {
        let open = self.spells.iter_mut().rfind(|spell| spell.fault == fault && spell.to.is_none() && spell.servers == servers);
        if let Some(spell) = open {
            spell.to = Some(at);
        }
    }

    pub fn rotation_changes(&mut self, sight: Sight) {
        Self::keep(&mut self.rotation, sight, &mut self.is_cut);
    }

    pub fn check_ends(&mut self, sight: Sight) {
        Self::keep(&mut self.checks, sight, &mut self.is_cut);
    }

    /// A pod may be told to be what it is already.
    pub fn pod_changes(&mut self, moment: PodMoment) {
        let last = self.pods.iter().rfind(|last| last.server == moment.server);
        if last.is_none_or(|last| last.phase != moment.phase) {
            Self::keep(&mut self.pods, moment, &mut self.is_cut);
        }
    }

    pub fn target_changes(&mut self, moment: TargetMoment) {
        let last = self.targets.iter().rfind(|last| (last.balancer, last.target) == (moment.balancer, moment.target));
        if last.is_none_or(|last| last.state != moment.state) {
            Self::keep(&mut self.targets, moment, &mut self.is_cut);
        }
    }

    fn keep<T>(kept: &mut Vec<T>, sight: T, is_cut: &mut bool) {
        if kept.len() < KEPT_MAX {
            kept.push(sight);
        } else {
            *is_cut = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spell_ends_where_it_began_and_what_is_too_much_is_told() {
        let mut history = History::default();
        history.fault_begins(0, &[1], Time(5));
        history.fault_begins(0, &[2], Time(6));
        history.fault_ends(0, &[1], Time(7));
        assert_eq!(history.spells.iter().map(|spell| spell.to).collect::<Vec<_>>(), [Some(Time(7)), None]);
        let sight = Sight { at: Time(1), balancer: 0, target: 0, is_good: false };
        (0..KEPT_MAX).for_each(|_| history.check_ends(sight));
        assert!(!history.is_cut);
        history.check_ends(sight);
        assert!(history.is_cut && history.checks.len() == KEPT_MAX);
    }
}
