//! The balancing algorithms: one file each behind the trait [`Policy`], and the table that names them.
//!
//! A policy sees what a real balancer sees: its own in-flight counts, weights, the health view and the outcomes of what it
//! sent. It stands below `model`, so it cannot peek at a server's queue: realism is a compile error.

// One line per algorithm here and one in the table below. Not made by the macro: rustfmt follows only plain `mod` lines.
pub mod central_queue;
pub mod consistent_hash;
pub mod first;
pub mod flow_hash;
pub mod ip_hash;
pub mod least_connections;
pub mod least_response_time;
pub mod power_of_d;
pub mod random;
pub mod round_robin;
pub mod session_hash;
pub mod weighted_least_connections;
pub mod weighted_random;
pub mod weighted_round_robin;

// Shared by several.
pub mod edf;
pub mod hash;
pub mod least;
pub mod ring;
pub mod slow_start;

#[cfg(test)]
mod conformance;

use crate::rng::Rng;
use crate::units::{Span, Time};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
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

    /// Whether it looks at who sends a request, and what for. Those that say no spare the balancer working that out.
    fn reads_request(&self) -> bool {
        true
    }

    /// Whether it sends a target no more than its slots, so that requests wait at the balancer.
    fn keeps_to_slots(&self) -> bool {
        false
    }

    /// A request was sent to `target`; `targets.in_flight` counts it already.
    fn on_sent(&mut self, _target: TargetId, _targets: &Targets) {}

    /// A request sent to `target` has ended; `targets.in_flight` no longer counts it.
    fn on_done(&mut self, _target: TargetId, _outcome: &Outcome, _targets: &Targets) {}

    /// The eligible set has changed. Called before the first pick, and around a single pick that leaves out servers already
    /// tried; so it keeps rotations and counters as they are, and costs at most O(n log n).
    fn on_change(&mut self, _targets: &Targets) {}

    /// A target joins, or is well again: it is about to become eligible.
    fn on_join(&mut self, _target: TargetId, _now: Time, _targets: &Targets) {}
}

/// The parameters of an algorithm: what a scenario may write behind its name, and how a policy comes of it.
pub trait Recipe: Default {
    /// One line for lists: what it does.
    const ABOUT: &'static str;
    /// The product or paper that the rule is taken from.
    const SOURCE: &'static str;
    /// It knows or does what no balancer of that kind can: a yardstick.
    const IS_ORACLE: bool = false;

    /// What is wrong with the values: (field, what would be right).
    fn problems(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// A policy in its initial state. The caller calls `on_change` before the first pick.
    fn build(&self, targets: &Targets) -> Box<dyn Policy>;
}

/// A line of the table of algorithms.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub name: &'static str,
    pub about: &'static str,
    pub source: &'static str,
    pub is_oracle: bool,
}

/// Makes the table from `name => Variant` lines; `name` is the module and the scenario's word for it.
macro_rules! policies {
    ($($name:ident => $variant:ident),* $(,)?) => {
        /// An algorithm with its parameters, as the scenario names it.
        #[derive(Clone, Debug, PartialEq, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Algorithm {
            $($variant($name::Config)),*
        }

        impl JsonSchema for Algorithm {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                "Algorithm".into()
            }
            /// The same text as everywhere else describes each of them: that of the table.
            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let choices = [$({
                    let parameters = generator.subschema_for::<$name::Config>();
                    json_schema!({
                        "type": "object",
                        "description": format!("{}. Source: {}.", capitalized($name::Config::ABOUT), $name::Config::SOURCE),
                        "properties": { stringify!($name): parameters },
                        "required": [stringify!($name)],
                        "additionalProperties": false
                    })
                }),*];
                let names = json_schema!({
                    "enum": [$(stringify!($name)),*],
                    "description": "An algorithm with its parameters as they are by default; `lbsim explain NAME` explains it."
                });
                let choices: Vec<Schema> = std::iter::once(names).chain(choices).collect();
                json_schema!({ "description": "How a target is chosen.", "oneOf": choices })
            }
        }

        impl Algorithm {
            /// Every algorithm of this release, in the order of the table.
            pub const ALL: &'static [Entry] = &[$(Entry {
                name: stringify!($name),
                about: $name::Config::ABOUT,
                source: $name::Config::SOURCE,
                is_oracle: $name::Config::IS_ORACLE,
            }),*];

            pub fn name(&self) -> &'static str {
                match self { $(Algorithm::$variant(_) => stringify!($name)),* }
            }

            /// The algorithm of that name with its default parameters.
            pub fn by_name(name: &str) -> Option<Algorithm> {
                match name { $(stringify!($name) => Some(Algorithm::$variant($name::Config::default())),)* _ => None }
            }

            pub fn is_oracle(&self) -> bool {
                match self { $(Algorithm::$variant(_) => $name::Config::IS_ORACLE),* }
            }

            /// What is wrong with the parameters: (field, what would be right). Empty: nothing.
            pub fn validate(&self) -> Vec<(String, String)> {
                match self { $(Algorithm::$variant(config) => config.problems()),* }
            }

            /// A policy in its initial state. `on_change` must be called before the first pick.
            pub fn build(&self, targets: &Targets) -> Box<dyn Policy> {
                match self { $(Algorithm::$variant(config) => config.build(targets)),* }
            }
        }
    };
}

policies! {
    round_robin => RoundRobin,
    weighted_round_robin => WeightedRoundRobin,
    random => Random,
    weighted_random => WeightedRandom,
    least_connections => LeastConnections,
    weighted_least_connections => WeightedLeastConnections,
    power_of_d => PowerOfD,
    ip_hash => IpHash,
    session_hash => SessionHash,
    consistent_hash => ConsistentHash,
    flow_hash => FlowHash,
    least_response_time => LeastResponseTime,
    first => First,
    central_queue => CentralQueue,
}

/// A line of a list as the beginning of a sentence.
fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

impl Default for Algorithm {
    fn default() -> Algorithm {
        Algorithm::RoundRobin(round_robin::Config::default())
    }
}
