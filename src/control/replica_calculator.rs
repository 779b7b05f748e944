//! How many replicas one metric of a HorizontalPodAutoscaler asks for.
//!
//! The basis is `ceil(replicas x metric / target)`; what makes it careful is how pods count that are not ready, or of which no metric is
//! known: as idle where more replicas are asked for, as busy (or not at all) where fewer are. Utilisation is a whole percentage,
//! averages are whole milli-units, both rounded down, as in the product: at the edge of a replica that decides.
//! Source: Kubernetes, pkg/controller/podautoscaler/replica_calculator.go and metrics/utilization.go.

use super::defaults;
use crate::units::{Span, Time};

/// No change while the ratio of metric to target is within `1 - down` and `1 + up`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    pub down: f64,
    pub up: f64,
}

impl Default for Tolerance {
    fn default() -> Tolerance {
        Tolerance { down: defaults::hpa::TOLERANCE, up: defaults::hpa::TOLERANCE }
    }
}

impl Tolerance {
    fn covers(self, ratio: f64) -> bool {
        (1.0 - self.down..=1.0 + self.up).contains(&ratio)
    }
}

/// What a metric asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposal {
    pub replicas: u32,
    /// The metric as the autoscaler reports it: percent of the request, or milli-units for each pod or in all.
    pub current: u64,
}

/// Whether a pod's metric counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Counted,
    /// Pending, or, for CPU, not yet ready: idle where more replicas are asked for, left out where fewer.
    SetAside,
    /// Failed, or being deleted: no pod at all.
    Gone,
}

/// A pod as the calculation sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodMetric {
    pub standing: Standing,
    /// In milli-units; `None`: not known.
    pub value: Option<u64>,
    /// What the pod's containers request of the resource, in milli-units. Only utilisation needs it.
    pub request: u64,
}

/// What the autoscaler knows of a pod's life when it reads its CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodTimes {
    pub is_gone: bool,
    pub is_pending: bool,
    pub is_ready: bool,
    /// When the pod started; `None`: not yet.
    pub started: Option<Time>,
    /// When it became ready or unready for the last time.
    pub ready_changed: Time,
    /// The end of the metric's window, and its length.
    pub sampled: Time,
    pub window: Span,
}

/// For how long after its start a pod's CPU is mistrusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mistrust {
    pub cpu_initialization: Span,
    pub initial_readiness_delay: Span,
}

impl Default for Mistrust {
    fn default() -> Mistrust {
        let (cpu_initialization, initial_readiness_delay) = (defaults::hpa::CPU_INITIALIZATION, defaults::hpa::INITIAL_READINESS_DELAY);
        Mistrust { cpu_initialization, initial_readiness_delay }
    }
}

/// How a pod's CPU counts.
pub fn cpu_standing(pod: &PodTimes, now: Time, mistrust: &Mistrust) -> Standing {
    if pod.is_gone {
        return Standing::Gone;
    }
    let Some(started) = pod.started.filter(|_| !pod.is_pending) else { return Standing::SetAside };
    let is_set_aside = if started + mistrust.cpu_initialization > now {
        !pod.is_ready || pod.sampled < pod.ready_changed + pod.window
    } else {
        !pod.is_ready && started + mistrust.initial_readiness_delay > pod.ready_changed
    };
    if is_set_aside { Standing::SetAside } else { Standing::Counted }
}

/// What each pod should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Percent of its request.
    Utilization(u32),
    /// Milli-units.
    AverageValue(u64),
}

impl Target {
    /// The ratio to the target and the current figure, over (value, request) of pods. `None` where there is nothing to divide.
    fn ratio(self, pods: &[(u64, u64)]) -> Option<(f64, u64)> {
        let total: u64 = pods.iter().map(|pod| pod.0).sum();
        let (current, target) = match self {
            Target::Utilization(percent) => {
                let requested: u64 = pods.iter().map(|pod| pod.1).sum();
                ((total * 100).checked_div(requested)?, u64::from(percent))
            }
            Target::AverageValue(value) => (total.checked_div(pods.len() as u64)?, value),
        };
        Some((usage_ratio(current, target)?, current))
    }

    /// What a pod of unknown use is taken for where fewer replicas are asked for: all it has, or its target if that is more.
    fn busy(self, request: u64) -> u64 {
        match self {
            Target::Utilization(percent) => request * u64::from(percent.max(100)) / 100,
            Target::AverageValue(value) => value,
        }
    }
}

/// A metric of each pod: a resource's utilisation or value, or a custom one. `None`: it cannot be computed.
pub fn by_pods(current: u32, pods: &[PodMetric], target: Target, tolerance: Tolerance) -> Option<Proposal> {
    let of = |standing| pods.iter().filter(move |pod: &&PodMetric| pod.standing == standing);
    let known: Vec<(u64, u64)> = of(Standing::Counted).filter_map(|pod| Some((pod.value?, pod.request))).collect();
    let missing: Vec<u64> = of(Standing::Counted).filter(|pod| pod.value.is_none()).map(|pod| pod.request).collect();
    let set_aside: Vec<u64> = of(Standing::SetAside).map(|pod| pod.request).collect();
    let (ratio, figure) = target.ratio(&known)?;
    let unchanged = Some(Proposal { replicas: current, current: figure });

    let counts_idle = ratio > 1.0 && !set_aside.is_empty();
    if missing.is_empty() && !counts_idle {
        let replicas = if tolerance.covers(ratio) { current } else { replicas(ratio, known.len() as u32) };
        return Some(Proposal { replicas, current: figure });
    }
    let mut all = known;
    if ratio < 1.0 {
        all.extend(missing.iter().map(|&request| (target.busy(request), request)));
    } else if ratio > 1.0 || matches!(target, Target::AverageValue(_)) {
        all.extend(missing.iter().map(|&request| (0, request)));
    }
    if counts_idle {
        all.extend(set_aside.iter().map(|&request| (0, request)));
    }
    let (careful, _) = target.ratio(&all)?;
    let is_reversed = (ratio < 1.0 && careful > 1.0) || (ratio > 1.0 && careful < 1.0);
    if tolerance.covers(careful) || is_reversed {
        return unchanged;
    }
    let replicas = replicas(careful, all.len() as u32);
    if (careful < 1.0 && replicas > current) || (careful > 1.0 && replicas < current) {
        return unchanged;
    }
    Some(Proposal { replicas, current: figure })
}

/// One value of an object or from outside the cluster, against a target for it as a whole: multiplies the pods that are *ready*.
pub fn by_value(current: u32, ready: u32, value: u64, target: u64, tolerance: Tolerance) -> Option<Proposal> {
    let ratio = usage_ratio(value, target)?;
    let replicas = match current {
        0 => replicas(ratio, 1),
        _ if tolerance.covers(ratio) => current,
        _ => replicas(ratio, ready),
    };
    Some(Proposal { replicas, current: value })
}

/// One value of an object or from outside, against a target for each pod.
pub fn by_average_value(current: u32, value: u64, target_per_pod: u64, tolerance: Tolerance) -> Option<Proposal> {
    if target_per_pod == 0 {
        return None;
    }
    let ratio = value as f64 / (target_per_pod as f64 * f64::from(current));
    let replicas = if tolerance.covers(ratio) { current } else { replicas(value as f64 / target_per_pod as f64, 1) };
    Some(Proposal { replicas, current: if current == 0 { value } else { value.div_ceil(u64::from(current)) } })
}

/// The factor by which the replicas should change. `None`: there is no target.
pub fn usage_ratio(value: u64, target: u64) -> Option<f64> {
    (target > 0).then(|| value as f64 / target as f64)
}

/// The documentation's formula, `ceil(pods x ratio)`. A count out of range is the largest there is.
pub fn replicas(ratio: f64, pods: u32) -> u32 {
    (ratio * f64::from(pods)).ceil() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: u64 = 1000;

    fn pods(values: &[u64], standings: &[Standing]) -> Vec<PodMetric> {
        let pod = |(i, &standing): (usize, &Standing)| PodMetric { standing, value: values.get(i).copied(), request: ONE };
        standings.iter().enumerate().map(pod).collect()
    }

    fn cpu(current: u32, values: &[u64], standings: &[Standing], percent: u32) -> (u32, u64) {
        let proposal = by_pods(current, &pods(values, standings), Target::Utilization(percent), Tolerance::default()).expect("a proposal");
        (proposal.replicas, proposal.current)
    }

    const IN: Standing = Standing::Counted;
    const ASIDE: Standing = Standing::SetAside;
    const GONE: Standing = Standing::Gone;

    /// Cases of replica_calculator_test.go: replicas, and the utilisation that is reported.
    #[test]
    fn cpu_utilisation_agrees_with_the_controllers_own_cases() {
        let up = [300, 500, 700];
        assert_eq!(cpu(3, &up, &[IN; 3], 30), (5, 50), "ScaleUp");
        assert_eq!(cpu(3, &up, &[ASIDE, IN, IN], 30), (4, 60), "ScaleUpUnreadyLessScale");
        assert_eq!(cpu(3, &[400, 500, 700], &[IN, ASIDE, ASIDE], 30), (3, 40), "ScaleUpUnreadyNoScale");
        assert_eq!(cpu(2, &[500, 700], &[IN, IN, GONE, GONE], 30), (4, 60), "ScaleUpIgnoresFailedPods");
        let down = [100, 300, 500, 250, 250];
        assert_eq!(cpu(5, &down, &[IN; 5], 50), (3, 28), "ScaleDown");
        assert_eq!(cpu(5, &down, &[IN, IN, IN, ASIDE, ASIDE], 50), (2, 30), "ScaleDownIncludeUnreadyPods");
        assert_eq!(cpu(4, &[475; 3], &[IN, IN, IN, ASIDE], 50), (4, 47), "one that is set aside does not make the others idle");
        assert_eq!(cpu(5, &[100], &[IN, ASIDE, ASIDE, ASIDE, ASIDE], 50), (1, 10), "ScaleDownExcludeUnscheduledPods");
    }

    #[test]
    fn missing_metrics_agree_with_the_controllers_own_cases() {
        assert_eq!(cpu(4, &[400, 95], &[IN; 4], 100), (3, 24), "MissingMetrics");
        assert_eq!(cpu(2, &[1000], &[IN; 2], 100), (2, 100), "MissingMetricsNoChangeEq");
        assert_eq!(cpu(2, &[1900], &[IN; 2], 100), (2, 190), "MissingMetricsNoChangeGt");
        assert_eq!(cpu(2, &[600], &[IN; 2], 100), (2, 60), "MissingMetricsNoChangeLt");
        assert_eq!(cpu(3, &[100, 450], &[ASIDE, IN, IN], 50), (3, 45), "MissingMetricsUnreadyChange");
        assert_eq!(cpu(3, &[100, 2000], &[ASIDE, IN, IN], 50), (4, 200), "MissingMetricsUnreadyScaleUp");
        assert_eq!(cpu(4, &[100, 100, 100], &[ASIDE, IN, IN, IN], 50), (3, 10), "MissingMetricsUnreadyScaleDown");
        assert_eq!(cpu(2, &[100, 100], &[IN; 3], 50), (2, 10), "DuringRollingUpdateWithMaxSurge");
        assert_eq!(by_pods(4, &pods(&[], &[IN; 4]), Target::Utilization(50), Tolerance::default()), None, "EmptyMetrics");
    }

    #[test]
    fn the_tolerance_includes_its_ends() {
        // Utilisation 33 % of a target of 30 % is a ratio of 1.1, which `(1 - ratio).abs() <= 0.1` would not cover.
        assert_eq!(cpu(10, &[330; 10], &[IN; 10], 30).0, 10);
        assert_eq!(cpu(10, &[340; 10], &[IN; 10], 30).0, 12);
        assert_eq!(cpu(10, &[270; 10], &[IN; 10], 30).0, 10);
        assert_eq!(cpu(10, &[260; 10], &[IN; 10], 30).0, 9);
        let requests = [900, 1000, 1100];
        let pods: Vec<PodMetric> = [1010, 1030, 1020]
            .iter()
            .zip(requests)
            .map(|(&value, request)| PodMetric { standing: IN, value: Some(value), request })
            .collect();
        let proposal = by_pods(3, &pods, Target::Utilization(100), Tolerance::default());
        assert_eq!(proposal, Some(Proposal { replicas: 3, current: 102 }), "Tolerance");
    }

    #[test]
    fn custom_metrics_agree_with_the_controllers_own_cases() {
        let custom = |current, values: &[u64], target| {
            let pods = pods(values, &vec![IN; values.len()]);
            by_pods(current, &pods, Target::AverageValue(target), Tolerance::default()).expect("a proposal")
        };
        assert_eq!(custom(3, &[20_000, 10_000, 30_000], 15_000), Proposal { replicas: 4, current: 20_000 }, "ScaleUpCM");
        assert_eq!(custom(3, &[50_000, 15_000, 30_000], 15_000), Proposal { replicas: 7, current: 31_666 });
        assert_eq!(custom(5, &[12_000; 5], 20_000), Proposal { replicas: 3, current: 12_000 }, "ScaleDownCM");
        assert_eq!(custom(3, &[20_000, 21_000, 21_000], 20_000), Proposal { replicas: 3, current: 20_666 }, "ToleranceCM");
    }

    #[test]
    fn values_of_objects_agree_with_the_controllers_own_cases() {
        let value = |current, ready, value, target| by_value(current, ready, value, target, Tolerance::default()).unwrap().replicas;
        assert_eq!(value(3, 3, 20_000, 15_000), 4, "ScaleUpCMObject");
        assert_eq!(value(3, 1, 50_000, 10_000), 5, "ScaleUpCMObjectIgnoresUnreadyPods");
        assert_eq!(value(3, 1, 8_600, 4_400), 2, "ScaleUpCMExternalIgnoresUnreadyPods");
        assert_eq!(value(5, 5, 8_600, 14_334), 3, "ScaleDownCMExternal");
        assert_eq!(value(3, 3, 20_666, 20_000), 3, "ToleranceCMObject");
        assert_eq!(value(0, 0, 8_600, 4_400), 2, "from zero, one pod's share counts");
        let average = |current, value, target| {
            let proposal = by_average_value(current, value, target, Tolerance::default()).unwrap();
            (proposal.replicas, proposal.current)
        };
        assert_eq!(average(3, 20_000, 5_000), (4, 6_667), "ScaleUpCMPerPodObject");
        assert_eq!(average(5, 6_000, 2_000), (3, 1_200), "ScaleDownPerPodCMObject");
        assert_eq!(average(4, 20_166, 5_000), (4, 5_042), "TolerancePerPodCMObject");
        assert_eq!(average(5, 8_600, 2_867), (3, 1_720), "ScaleDownPerPodCMExternal");
    }

    /// Cases of TestGroupPods, with its periods of 2 min and 10 s.
    #[test]
    fn cpu_of_young_pods_counts_only_when_they_are_ready_for_a_whole_window() {
        let ago = |s: u64| Time(Span::from_secs(3600 - s).0);
        let mistrust = Mistrust { cpu_initialization: Span::from_secs(120), initial_readiness_delay: Span::from_secs(10) };
        let pod = |started, changed, is_ready, sampled, window| PodTimes {
            is_gone: false,
            is_pending: false,
            is_ready,
            started: Some(ago(started)),
            ready_changed: ago(changed),
            sampled: ago(sampled),
            window: Span::from_secs(window),
        };
        let standing = |pod: PodTimes| cpu_standing(&pod, ago(0), &mistrust);
        assert_eq!(standing(pod(60, 30, true, 0, 30)), IN, "fresh metrics during the initialisation");
        assert_eq!(standing(pod(60, 30, true, 0, 60)), ASIDE, "the window began before it was ready");
        assert_eq!(standing(pod(600, 594, false, 0, 0)), ASIDE, "unready, and never ready before");
        assert_eq!(standing(pod(600, 590, false, 0, 0)), IN, "was ready once");
        assert_eq!(standing(pod(180, 180, true, 120, 60)), IN, "after the initialisation");
        assert_eq!(standing(PodTimes { is_pending: true, ..pod(0, 0, false, 0, 0) }), ASIDE);
        assert_eq!(standing(PodTimes { is_gone: true, ..pod(600, 590, true, 0, 0) }), GONE);
    }
}
