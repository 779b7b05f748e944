//! The balancing algorithms: one file each behind the trait [`Policy`], and the table that names them.
//!
//! A policy sees what a real balancer sees: its own in-flight counts, weights, the health view and the outcomes of what it
//! sent. It stands below `model`, so it cannot peek at a server's queue: realism is a compile error.

use crate::rng::Rng;
use crate::units::{Span, Time};
use std::net::IpAddr;

/// Index of a target in its balancer's list.
pub type TargetId = u32;

/// What a balancer knows of its targets. Parallel arrays by [`TargetId`].
#[derive(Clone, Debug, Default)]
pub struct Targets {
    /// Name: a server's (`web-3`) or a balancer's.
    pub names: Vec<String>,
    /// Configured weight, at least 1.
    pub weight: Vec<u32>,
    /// Requests that a target works on at once as configured (`u32::MAX`: no limit).
    pub slots: Vec<u32>,
    /// Requests sent by this balancer and neither answered nor given up.
    pub in_flight: Vec<u32>,
    is_eligible: Vec<bool>,
    eligible: Vec<TargetId>,
}

impl Targets {
    /// All eligible, nothing in flight. Each entry is (name, weight, slots).
    pub fn new(specs: impl IntoIterator<Item = (String, u32, u32)>) -> Targets {
        let mut targets = Targets::default();
        for (name, weight, slots) in specs {
            targets.names.push(name);
            targets.weight.push(weight);
            targets.slots.push(slots);
        }
        let n = targets.names.len();
        targets.in_flight = vec![0; n];
        targets.is_eligible = vec![true; n];
        targets.eligible = (0..n as TargetId).collect();
        targets
    }

    /// `n` alike targets `s-1`, `s-2`, ... of weight 1; for tests.
    pub fn alike(n: usize) -> Targets {
        Targets::new((1..=n).map(|i| (format!("s-{i}"), 1, u32::MAX)))
    }

    pub fn len(&self) -> usize {
        self.weight.len()
    }

    pub fn is_empty(&self) -> bool {
        self.weight.is_empty()
    }

    /// Whether new requests may go there.
    #[inline]
    pub fn is_eligible(&self, target: TargetId) -> bool {
        self.is_eligible[target as usize]
    }

    /// Those that new requests may go to, ascending.
    #[inline]
    pub fn eligible(&self) -> &[TargetId] {
        &self.eligible
    }

    /// Replaces the eligible set; the caller tells the policy by `on_change`.
    pub fn set_eligible(&mut self, is_eligible: impl Fn(TargetId) -> bool) {
        self.eligible.clear();
        for target in 0..self.len() as TargetId {
            let yes = is_eligible(target);
            self.is_eligible[target as usize] = yes;
            if yes {
                self.eligible.push(target);
            }
        }
    }
}

/// What a balancer sees of a request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub now: Time,
    /// The client's address.
    pub address: IpAddr,
    /// Identity of the session, or of the user where there are no sessions.
    pub session: u64,
    pub path: &'a str,
}

/// What became of a request that was sent to a target, as the balancer sees it.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    pub now: Time,
    /// From sending to the answer, or to when the balancer gave up.
    pub latency: Span,
    /// The target sent an answer, be it an error.
    pub is_answered: bool,
    /// The answer was a success.
    pub is_ok: bool,
}

/// A decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    Target(TargetId),
    /// The request waits at the balancer until something it sent has ended (central queue).
    Wait,
    /// Nobody is eligible.
    Nobody,
}

/// A balancing algorithm with its state.
pub trait Policy: Send {
    /// Chooses among `targets.eligible()`.
    fn pick(&mut self, request: &Request, targets: &Targets, rng: &mut Rng) -> Pick;

    /// A request was sent to `target`; `targets.in_flight` counts it already.
    fn on_sent(&mut self, _target: TargetId, _targets: &Targets) {}

    /// A request sent to `target` has ended; `targets.in_flight` no longer counts it.
    fn on_done(&mut self, _target: TargetId, _outcome: &Outcome, _targets: &Targets) {}

    /// The eligible set has changed. Called before the first pick, too.
    fn on_change(&mut self, _targets: &Targets) {}
}

/// STUB to be replaced by the `policies!` table: the names and parameters, without the algorithms.
macro_rules! stub {
    ($($name:ident $variant:ident { $($field:ident: $type:ty = $default:expr),* })*) => {
        $(pub mod $name {
            #[allow(unused_imports)]
            use crate::document::Later;

            #[derive(Clone, Debug, PartialEq, serde::Deserialize)]
            #[serde(deny_unknown_fields, default)]
            pub struct Config { $(pub $field: $type),* }

            impl Default for Config {
                fn default() -> Config { Config { $($field: $default),* } }
            }
        })*

        #[derive(Clone, Debug, PartialEq, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Algorithm { $($variant($name::Config)),* }
    };
}

stub! {
    round_robin RoundRobin {}
    weighted_round_robin WeightedRoundRobin { order: Option<String> = None }
    random Random {}
    weighted_random WeightedRandom {}
    least_connections LeastConnections { ties: Option<String> = None, refresh: Option<Later> = None }
    weighted_least_connections WeightedLeastConnections { ties: Option<String> = None, refresh: Option<Later> = None }
    power_of_d PowerOfD { d: u32 = 2, replacement: bool = false, refresh: Option<Later> = None }
    ip_hash IpHash {}
    session_hash SessionHash {}
    consistent_hash ConsistentHash {}
    least_response_time LeastResponseTime {}
    first First {}
    central_queue CentralQueue {}
}

impl Default for Algorithm {
    fn default() -> Self {
        Algorithm::RoundRobin(round_robin::Config {})
    }
}

impl Algorithm {
    /// STUB: problems with the parameters, each as (field, what is wrong).
    pub fn validate(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// STUB: whether the name is that of an algorithm that comes with a later release.
pub fn is_later(name: &str) -> bool {
    const PRODUCTS: [&str; 10] = ["nginx.", "haproxy.", "envoy.", "aws.", "grpc.", "traefik.", "caddy.", "ipvs.", "linkerd.", "finagle."];
    matches!(name, "join_idle_queue" | "shortest_expected_delay") || PRODUCTS.iter().any(|product| name.starts_with(product))
}
