//! Pods of a group in one run: how many came and went, and how many were ready.

/// Counted from the end of the warm-up on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodRecord {
    /// Pods created.
    pub started: u64,
    /// Containers that were started again.
    pub restarts: u64,
    /// Pods that a drain or the loss of a node took away.
    pub evicted: u64,
    /// Ready pods, over time.
    pub ready_mean: f64,
    pub ready_min: Option<u32>,
    pub ready_max: u32,
    /// From the creation of a pod to its being ready for the first time: sum in seconds, and how many.
    pub ready_after: (f64, u64),
    /// From a rollout's beginning until all pods are of its version and available: sum in seconds, and how many.
    pub rollouts: (f64, u64),
    /// Requests that failed because a pod was started, ended or taken out as planned.
    pub failed_requests: u64,
    /// A pod had to wait because the group had no slot for it.
    pub waited_for_slot: bool,
}

impl PodRecord {
    /// Mean of a sum over a count.
    pub fn mean((sum, count): (f64, u64)) -> Option<f64> {
        (count > 0).then(|| sum / count as f64)
    }
}
