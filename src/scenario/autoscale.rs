//! `autoscale`: how the number of pods follows the load.

use super::Amount;
use crate::units::{Share, Span};
use schemars::JsonSchema;
use serde::Deserialize;

/// A HorizontalPodAutoscaler: wanted = ceil(pods x metric / target). With neither `scale_up` nor `scale_down` it is one without `behavior`:
/// the highest wish of the last 5m counts, and a decision at most doubles the pods, or goes to 4.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Autoscale {
    /// Fewest pods. Default: 1.
    #[serde(default = "one")]
    pub min: u32,
    /// Most pods.
    pub max: u32,
    /// Wanted utilization of the pods' slots, averaged over the pods. One of `utilization` and `in_flight`.
    #[serde(default)]
    pub utilization: Option<Share>,
    /// Wanted requests at a pod (in service and waiting), averaged over the pods.
    #[serde(default)]
    pub in_flight: Option<f64>,
    /// How often it decides. Default: 15s.
    #[serde(default = "fifteen_seconds")]
    pub sync: Span,
    /// How old the figures are that it decides by, which are averages over the same time. Default: 15s.
    #[serde(default = "fifteen_seconds")]
    pub metrics_window: Span,
    /// Deviation of the ratio from 1 that changes nothing. Default: 10%.
    #[serde(default = "default_tolerance")]
    pub tolerance: Share,
    /// Figures of a pod that has just started do not count for so long. Default: 5m.
    #[serde(default = "five_minutes")]
    pub cpu_initialization: Span,
    /// How a pod that is not ready yet is told from one that is not ready any more. Default: 30s.
    #[serde(default = "thirty_seconds")]
    pub initial_readiness_delay: Span,
    /// How it goes up. Default, where `scale_down` is given (or in `scale_up: {}`): no window; 100 % or 4 pods in 15s, whichever is more.
    #[serde(default)]
    pub scale_up: Option<Scaling>,
    /// How it goes down. Default, where `scale_up` is given: a window of 5m; 100 % in 15s.
    #[serde(default)]
    pub scale_down: Option<Scaling>,
}

/// A direction of scaling.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scaling {
    /// Of the recommendations within this window the most careful one counts. Default: as Kubernetes.
    #[serde(default)]
    pub window: Option<Span>,
    /// Limits of the change. Default: as Kubernetes.
    #[serde(default)]
    pub policies: Option<Vec<ScalingPolicy>>,
    /// Which policy counts. Default: max.
    #[serde(default)]
    pub select: Select,
}

/// At most so much in so long.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScalingPolicy {
    /// Pods, or a share of them.
    pub change: Amount,
    /// In this time.
    pub period: Span,
}

/// Which of several policies counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Select {
    /// The one that allows the largest change.
    #[default]
    Max,
    /// The one that allows the smallest.
    Min,
    /// No change in this direction.
    Disabled,
}

fn fifteen_seconds() -> Span {
    Span::from_secs(15)
}

fn five_minutes() -> Span {
    Span::from_secs(300)
}

fn default_tolerance() -> Share {
    Share(0.1)
}

fn one() -> u32 {
    1
}

fn thirty_seconds() -> Span {
    Span::from_secs(30)
}
