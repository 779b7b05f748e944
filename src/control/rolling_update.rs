//! How many pods a Deployment creates and deletes now, during a rolling update and outside one, and when it is scaled in the middle of one;
//! how many a PodDisruptionBudget lets go.
//!
//! Source: Kubernetes, pkg/controller/deployment/rolling.go, sync.go (scale) and util/deployment_util.go (NewRSNewReplicas,
//! ResolveFenceposts, GetReplicaSetProportion),
//! pkg/controller/disruption/disruption.go; documentation, concepts/workloads/controllers/deployment and
//! tasks/run-application/configure-pdb.

use std::cmp::Reverse;

/// A number of pods, or a percentage of those that are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    Count(u32),
    Percent(u32),
}

impl Amount {
    /// Percentages rounded up.
    pub fn up(self, total: u32) -> u32 {
        match self {
            Amount::Count(count) => count,
            Amount::Percent(percent) => clamp((u64::from(total) * u64::from(percent)).div_ceil(100)),
        }
    }

    /// Percentages rounded down.
    pub fn down(self, total: u32) -> u32 {
        match self {
            Amount::Count(count) => count,
            Amount::Percent(percent) => clamp(u64::from(total) * u64::from(percent) / 100),
        }
    }
}

fn clamp(number: u64) -> u32 {
    number.min(u64::from(u32::MAX)) as u32
}

/// What a rollout must keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub replicas: u32,
    /// Pods that may exist above `replicas`.
    pub surge: u32,
    /// Pods of `replicas` that may be unavailable.
    pub unavailable: u32,
}

impl Limits {
    /// Surge is rounded up and unavailable down; where both come to 0, one may be unavailable, or nothing would ever move.
    pub fn new(replicas: u32, max_surge: Amount, max_unavailable: Amount) -> Limits {
        let surge = max_surge.up(replicas);
        let unavailable = max_unavailable.down(replicas);
        let unavailable = if surge == 0 && unavailable == 0 { 1 } else { unavailable };
        Limits { replicas, surge, unavailable: unavailable.min(replicas) }
    }

    /// The least number of pods that stay available.
    pub fn available_min(&self) -> u32 {
        self.replicas - self.unavailable
    }

    /// The most pods that exist at once, those that terminate not counted.
    pub fn pods_max(&self) -> u32 {
        self.replicas.saturating_add(self.surge)
    }
}

/// Pods of a Deployment. Those that terminate are none of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pods {
    /// Of earlier versions.
    pub old: u32,
    /// Of those, the ones that have been ready for minReadySeconds.
    pub old_available: u32,
    /// Of the version that is wanted.
    pub new: u32,
    pub new_available: u32,
}

/// What to do now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    pub create_new: u32,
    /// More new pods than wanted, after the number was lowered.
    pub delete_new: u32,
    /// Old pods that are not available: they go first.
    pub delete_old_unavailable: u32,
    pub delete_old_available: u32,
}

impl Step {
    pub fn deletes_old(&self) -> u32 {
        self.delete_old_unavailable + self.delete_old_available
    }
}

/// The next step of a rolling update; with no old pods, simply what is missing or too much. The controller creates in one sync and deletes
/// in the next, at once: what it creates cannot be available yet, so the two steps are one here.
pub fn step(limits: &Limits, pods: &Pods) -> Step {
    let room = limits.pods_max().saturating_sub(pods.old + pods.new);
    let create_new = limits.replicas.saturating_sub(pods.new).min(room);
    let delete_new = pods.new.saturating_sub(limits.replicas);
    // Pods that the new version lacks of being available must not be made up for by deleting old ones.
    let new_unavailable = pods.new.saturating_sub(pods.new_available);
    let deletable = (pods.old + pods.new).saturating_sub(limits.available_min() + new_unavailable);
    if pods.old == 0 || deletable == 0 {
        return Step { create_new, delete_new, ..Step::default() };
    }
    let old_unavailable = pods.old.saturating_sub(pods.old_available);
    let cleaned = old_unavailable.min(deletable);
    let spare = (pods.old_available + pods.new_available).saturating_sub(limits.available_min());
    let deleted = cleaned + spare.min(pods.old - cleaned);
    let delete_old_unavailable = deleted.min(old_unavailable);
    Step { create_new, delete_new, delete_old_unavailable, delete_old_available: deleted - delete_old_unavailable }
}

/// The pods of one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaSet {
    pub version: u32,
    pub size: u32,
}

/// The sizes of the versions, of which several have pods, when another number of replicas is wanted than `before`: all pods that there may be
/// now are shared out in proportion to the sizes, and what rounding leaves over goes to the largest. Only then the rollout goes on.
pub fn rescale(sets: &[ReplicaSet], before: &Limits, now: &Limits) -> Vec<ReplicaSet> {
    let total: i64 = sets.iter().map(|set| i64::from(set.size)).sum();
    let allowed = if now.replicas == 0 { 0 } else { i64::from(now.pods_max()) };
    let wanted = allowed - total;
    let mut sets = sets.to_vec();
    // Of equal size newer versions grow first, and older ones shrink first.
    sets.sort_by_key(|set| {
        (Reverse(set.size), if wanted > 0 { Reverse(i64::from(set.version)) } else { Reverse(-i64::from(set.version)) })
    });
    let mut left = wanted;
    for set in &mut sets {
        let share = f64::from(set.size) * allowed as f64 / f64::from(before.pods_max().max(1));
        let part = (share + 0.5) as i64 - i64::from(set.size);
        let part = match left {
            0 => 0,
            _ if wanted > 0 => part.min(left),
            _ => part.max(left),
        };
        set.size = pods(i64::from(set.size) + part);
        left -= part;
    }
    if let Some(largest) = sets.first_mut() {
        largest.size = pods(i64::from(largest.size) + left);
    }
    sets
}

fn pods(count: i64) -> u32 {
    count.clamp(0, i64::from(u32::MAX)) as u32
}

/// The next step of strategy `Recreate`: all old pods go, and new ones come once the last of them has ended. `terminating` counts old pods
/// that have not.
pub fn recreate(replicas: u32, pods: &Pods, terminating: u32) -> Step {
    let may_create = pods.old == 0 && terminating == 0;
    Step {
        create_new: if may_create { replicas.saturating_sub(pods.new) } else { 0 },
        delete_new: pods.new.saturating_sub(replicas),
        delete_old_unavailable: pods.old.saturating_sub(pods.old_available),
        delete_old_available: pods.old_available.min(pods.old),
    }
}

/// What a PodDisruptionBudget demands. Percentages of the pods that are wanted, rounded up in both cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    MinAvailable(Amount),
    MaxUnavailable(Amount),
}

impl Budget {
    /// Pods that must stay healthy of `wanted`.
    pub fn healthy_min(self, wanted: u32) -> u32 {
        match self {
            Budget::MinAvailable(amount) => amount.up(wanted),
            Budget::MaxUnavailable(amount) => wanted.saturating_sub(amount.up(wanted)),
        }
    }

    /// How many healthy pods may be evicted now: a drained node's pods wait while this is 0.
    pub fn disruptions_allowed(self, wanted: u32, healthy: u32) -> u32 {
        if wanted == 0 { 0 } else { healthy.saturating_sub(self.healthy_min(wanted)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(old: u32, old_available: u32, new: u32, new_available: u32) -> Pods {
        Pods { old, old_available, new, new_available }
    }

    /// deployment_util.go, ResolveFenceposts; 25 % and 25 % are the defaults.
    #[test]
    fn surge_is_rounded_up_and_unavailable_down_and_not_both_are_zero() {
        let quarter = Amount::Percent(25);
        let limits = |replicas| Limits::new(replicas, quarter, quarter);
        assert_eq!(limits(10), Limits { replicas: 10, surge: 3, unavailable: 2 });
        assert_eq!(limits(1), Limits { replicas: 1, surge: 1, unavailable: 0 });
        assert_eq!(limits(4), Limits { replicas: 4, surge: 1, unavailable: 1 });
        assert_eq!(Limits::new(5, Amount::Count(0), Amount::Percent(10)).unavailable, 1);
        assert_eq!(Limits::new(2, Amount::Count(0), Amount::Count(5)).available_min(), 0);
    }

    /// rolling.go, comment in reconcileOldReplicaSets: 10 replicas, 2 unavailable, surge 3.
    #[test]
    fn new_pods_that_never_become_available_stop_the_rollout() {
        let limits = Limits { replicas: 10, surge: 3, unavailable: 2 };
        assert_eq!(step(&limits, &counts(10, 10, 0, 0)), Step { create_new: 3, delete_old_available: 2, ..Step::default() });
        assert_eq!(step(&limits, &counts(8, 8, 3, 0)), Step { create_new: 2, ..Step::default() });
        assert_eq!(step(&limits, &counts(8, 8, 5, 0)), Step::default());
        assert_eq!(step(&limits, &counts(8, 7, 5, 0)), Step::default(), "an old pod that fails is not replaced by deleting it");
        // Rolled back: the five that crash are old now, eight of the good version exist, one of them on a lost node.
        assert_eq!(step(&limits, &counts(5, 0, 8, 7)).deletes_old(), 4);
        assert_eq!(step(&limits, &counts(1, 0, 8, 7)).create_new, 2);
    }

    #[test]
    fn unhealthy_old_pods_go_first() {
        let limits = Limits { replicas: 4, surge: 1, unavailable: 1 };
        assert_eq!(step(&limits, &counts(4, 2, 1, 1)), Step { delete_old_unavailable: 2, ..Step::default() });
        assert_eq!(step(&limits, &counts(4, 3, 1, 1)), Step { delete_old_unavailable: 1, delete_old_available: 1, ..Step::default() });
    }

    /// Every rollout ends if new pods become available, and on the way keeps both bounds.
    #[test]
    fn a_rollout_keeps_its_bounds_and_ends() {
        for replicas in 1..20 {
            for (surge, unavailable) in [(25, 25), (0, 10), (100, 0), (0, 100), (50, 50)] {
                let limits = Limits::new(replicas, Amount::Percent(surge), Amount::Percent(unavailable));
                let mut pods = counts(replicas, replicas, 0, 0);
                let mut steps = 0;
                while pods != counts(0, 0, replicas, replicas) {
                    let step = step(&limits, &pods);
                    pods.new += step.create_new;
                    pods.old -= step.deletes_old();
                    pods.old_available -= step.delete_old_available;
                    assert!(pods.old + pods.new <= limits.pods_max(), "{limits:?} {pods:?}");
                    assert!(pods.old_available + pods.new_available >= limits.available_min(), "{limits:?} {pods:?}");
                    // One new pod at a time becomes available.
                    pods.new_available = pods.new.min(pods.new_available + 1);
                    steps += 1;
                    assert!(steps < 200, "{limits:?} is stuck at {pods:?}");
                }
                assert_eq!(step(&limits, &pods), Step::default());
            }
        }
    }

    #[test]
    fn a_new_number_of_replicas_is_made_up_at_once() {
        let limits = Limits::new(8, Amount::Percent(25), Amount::Percent(25));
        assert_eq!(step(&limits, &counts(0, 0, 3, 3)), Step { create_new: 5, ..Step::default() });
        assert_eq!(step(&limits, &counts(0, 0, 11, 11)), Step { delete_new: 3, ..Step::default() });
    }

    /// "Proportional scaling" of the documentation: 10 replicas, surge 3, stuck with 8 old and 5 new ones; then 15 are wanted.
    #[test]
    fn a_rollout_that_is_scaled_keeps_the_proportions_of_its_versions() {
        let limits = |replicas| Limits::new(replicas, Amount::Count(3), Amount::Count(2));
        let scaled = |sizes: &[u32], before, now| -> Vec<u32> {
            let sets: Vec<ReplicaSet> = (0..).zip(sizes).map(|(version, size)| ReplicaSet { version, size: *size }).collect();
            let mut sets = rescale(&sets, &limits(before), &limits(now));
            sets.sort_by_key(|set| set.version);
            sets.into_iter().map(|set| set.size).collect()
        };
        assert_eq!(scaled(&[8, 5], 10, 15), [11, 7]);
        assert_eq!(scaled(&[11, 7], 15, 5), [5, 3]);
        assert_eq!(scaled(&[8, 5], 10, 0), [0, 0]);
        // Of equal ones the newer gets the odd pod, and the older loses it.
        assert_eq!(scaled(&[5, 5], 7, 8), [5, 6]);
        assert_eq!(scaled(&[5, 5], 7, 6), [4, 5]);
        // Nothing is to be added: all stay as they are, whatever their proportions would give.
        assert_eq!(scaled(&[8, 5], 5, 10), [8, 5]);
        // What rounding takes away or leaves over is the largest one's: 3 versions, 18 pods for 13.
        assert_eq!(scaled(&[9, 2, 2], 10, 15), [12, 3, 3]);
        assert_eq!(scaled(&[5, 4, 4], 10, 15), [7, 5, 6]);
        for sizes in [[1, 1, 11], [4, 4, 5], [7, 3, 3]] {
            for replicas in 1..40 {
                assert_eq!(scaled(&sizes, 10, replicas).iter().sum::<u32>(), replicas + 3, "{sizes:?} to {replicas}");
            }
        }
    }

    #[test]
    fn recreate_waits_for_the_last_old_pod_to_end() {
        assert_eq!(recreate(3, &counts(3, 2, 0, 0), 0).deletes_old(), 3);
        assert_eq!(recreate(3, &counts(0, 0, 0, 0), 1), Step::default());
        assert_eq!(recreate(3, &counts(0, 0, 0, 0), 0).create_new, 3);
    }

    /// "Specifying a Disruption Budget": 7 pods at minAvailable 50 % keep 4; maxUnavailable 30 % of 7 is 3.
    #[test]
    fn a_budget_rounds_percentages_up() {
        assert_eq!(Budget::MinAvailable(Amount::Percent(50)).healthy_min(7), 4);
        assert_eq!(Budget::MaxUnavailable(Amount::Percent(30)).healthy_min(7), 4);
        assert_eq!(Budget::MinAvailable(Amount::Count(2)).disruptions_allowed(3, 3), 1);
        assert_eq!(Budget::MinAvailable(Amount::Count(2)).disruptions_allowed(3, 1), 0);
        assert_eq!(Budget::MaxUnavailable(Amount::Count(1)).disruptions_allowed(3, 3), 1);
        assert_eq!(Budget::MaxUnavailable(Amount::Count(1)).disruptions_allowed(0, 2), 0, "none is wanted: it guards nothing");
    }
}
