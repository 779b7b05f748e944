//! `faults`: what goes wrong, where, from when to when.

use crate::dist::Distribution;
use crate::units::{Share, Span};
use schemars::JsonSchema;
use serde::Deserialize;

/// A fault. Every kind says where (`server` or `zone`) and when.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The process is gone: connections are refused, requests in flight are reset.
    Crash(Plain),
    /// It accepts and never answers; what it held and what it gets meanwhile is never answered.
    Hang(Plain),
    /// Packets vanish: connections time out, answers do not arrive.
    Blackhole(Plain),
    /// A share of the requests is answered 500.
    Errors(Errors),
    /// Work that starts now takes longer (a gray failure).
    Slow(Slow),
    /// Crashes and returns in turns, down first.
    Flap(Flap),
}

/// Where and when: `server` or `zone`; once (`at`, `for`) or again and again (`mtbf`, `mttr`).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plain {
    /// A server (`web-3`) or a group (each of its servers).
    #[serde(default)]
    pub server: Option<String>,
    /// Every server of a zone, every node there with the pods that are on it then, and every balancer there that runs on no node (not of
    /// `hang`): it is cut off.
    #[serde(default)]
    pub zone: Option<String>,
    /// A node (`worker-2`) with everything on it, of `crash` and `blackhole`: it is cut off, and with `crash` its processes are gone.
    #[serde(default)]
    pub node: Option<String>,
    /// When it begins. Default: 0s.
    #[serde(default)]
    pub at: Option<Span>,
    /// How long it lasts. Default: to the end.
    #[serde(default, rename = "for")]
    pub lasts: Option<Span>,
    /// Time from repair to the next failure, drawn for each server by itself.
    #[serde(default)]
    pub mtbf: Option<Distribution>,
    /// Time from failure to repair.
    #[serde(default)]
    pub mttr: Option<Distribution>,
}

/// As [`Plain`], with the share of the requests.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Errors {
    /// A server (`web-3`) or a group (each of its servers).
    #[serde(default)]
    pub server: Option<String>,
    /// Every server of a zone, and every node there with the pods that are on it then.
    #[serde(default)]
    pub zone: Option<String>,
    /// When it begins. Default: 0s.
    #[serde(default)]
    pub at: Option<Span>,
    /// How long it lasts. Default: to the end.
    #[serde(default, rename = "for")]
    pub lasts: Option<Span>,
    /// Time from repair to the next failure, drawn for each server by itself.
    #[serde(default)]
    pub mtbf: Option<Distribution>,
    /// Time from failure to repair.
    #[serde(default)]
    pub mttr: Option<Distribution>,
    /// Share of the requests that fail.
    pub share: Share,
    /// They fail at once, without taking a slot, instead of after the work. Default: false.
    #[serde(default)]
    pub at_once: bool,
}

/// As [`Plain`], with the factor.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slow {
    /// A server (`web-3`) or a group (each of its servers).
    #[serde(default)]
    pub server: Option<String>,
    /// Every server of a zone, and every node there with the pods that are on it then.
    #[serde(default)]
    pub zone: Option<String>,
    /// When it begins. Default: 0s.
    #[serde(default)]
    pub at: Option<Span>,
    /// How long it lasts. Default: to the end.
    #[serde(default, rename = "for")]
    pub lasts: Option<Span>,
    /// Time from repair to the next failure, drawn for each server by itself.
    #[serde(default)]
    pub mtbf: Option<Distribution>,
    /// Time from failure to repair.
    #[serde(default)]
    pub mttr: Option<Distribution>,
    /// Work takes this many times as long.
    pub factor: f64,
}

/// Where, from when to when, and the two lengths in turn.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Flap {
    /// A server (`web-3`) or a group (each of its servers).
    #[serde(default)]
    pub server: Option<String>,
    /// Every server of a zone, every node there with the pods that are on it then, and every balancer there that runs on no node: it is
    /// cut off.
    #[serde(default)]
    pub zone: Option<String>,
    /// When it begins. Default: 0s.
    #[serde(default)]
    pub at: Option<Span>,
    /// How long it lasts. Default: to the end.
    #[serde(default, rename = "for")]
    pub lasts: Option<Span>,
    /// How long it stays up each time.
    pub up: Span,
    /// How long it stays down each time.
    pub down: Span,
}
