//! `clients`: who sends requests, when, as whom, and what they do when no answer comes.

use super::Trace;
use crate::dist::Distribution;
use crate::document::{text_or_map, whole_number};
use crate::units::{Rate, SPAN_MAX, Share, Size, Span};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// A population of clients that behave alike.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// Name, unique among the clients.
    pub name: String,
    /// When requests (or sessions, where `session` is given) begin.
    pub arrivals: Arrivals,
    /// How many distinct users there are, and how popular each is. Without it every request or session is a user of its own.
    #[serde(default)]
    pub population: Option<Population>,
    /// Who shares addresses. Default: each user has an address of its own.
    #[serde(default)]
    pub addresses: Option<Addresses>,
    /// Makes each arrival a session of several requests.
    #[serde(default)]
    pub session: Option<Session>,
    /// Request classes, drawn by weight. A trace with its own `work` needs none.
    #[serde(default)]
    pub requests: Vec<RequestClass>,
    /// One-way network delay between the client and the first balancer. Default: none.
    #[serde(default)]
    pub latency: Option<Distribution>,
    /// How long the client waits for the answer to one try. Default: for ever.
    #[serde(default)]
    pub timeout: Option<Span>,
    /// When and how the client tries again. Default: never.
    #[serde(default)]
    pub retry: Option<Retry>,
    /// Zone in which the clients are. Default: none, near to everything.
    #[serde(default)]
    pub zone: Option<String>,
    /// Connections that are kept and used again. Default: a new one for each try, at no cost.
    #[serde(default)]
    pub connections: Option<super::Connections>,
    /// Known, but part of a later release.
    #[serde(default)]
    #[schemars(skip)]
    pub hedge: Option<crate::document::Later>,
    /// Known, but part of a later release.
    #[serde(default)]
    #[schemars(skip)]
    pub fan_out: Option<crate::document::Later>,
}

/// When requests or sessions begin.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Arrivals {
    /// Independent arrivals at a constant mean rate.
    Poisson {
        /// Mean number of arrivals per unit of time.
        rate: Rate,
    },
    /// The k-th arrival at k / rate.
    Deterministic {
        /// Arrivals per unit of time.
        rate: Rate,
    },
    /// Independent gaps of one distribution.
    Renewal {
        /// Time between two arrivals.
        gap: Distribution,
    },
    /// Markov-modulated Poisson: the rate changes between states in cyclic order, each stay exponential.
    Mmpp {
        /// The states, in the order in which they follow each other.
        states: Vec<MmppState>,
    },
    /// Poisson with rate mean + amplitude sin(2 pi t / period).
    Diurnal {
        /// Rate in the middle between high and low.
        mean: Rate,
        /// How far the rate goes up and down from the mean; at most the mean.
        amplitude: Rate,
        /// From peak to peak, such as `24h`.
        period: Span,
    },
    /// Poisson whose rate is linear between points, constant before the first and after the last.
    Piecewise {
        /// Times and the rates then, in ascending order.
        points: Vec<RatePoint>,
    },
    /// Poisson with the base rate, and the peak rate during `for` at the start of each `every`.
    Burst {
        /// Rate between the bursts.
        base: Rate,
        /// Rate during a burst.
        peak: Rate,
        /// From the start of a burst to the start of the next.
        every: Span,
        /// How long a burst lasts.
        #[serde(rename = "for")]
        lasts: Span,
    },
    /// A fixed number of users; each thinks, sends, waits for the answer, and thinks again.
    Closed {
        /// How many there are.
        users: u32,
        /// Time between an answer and the next request.
        think: Distribution,
    },
    /// Recorded arrivals.
    Trace(Trace),
}

/// One state of an `mmpp`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MmppState {
    /// Arrival rate in this state; 0/s is allowed.
    pub rate: Rate,
    /// Mean of the exponential time spent in it.
    pub mean_stay: Span,
}

/// One point of a `piecewise` rate.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RatePoint {
    /// Time since the start of the run.
    pub at: Span,
    /// Arrival rate at that time.
    pub rate: Rate,
}

/// How many users there are. `20000` means each is alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Population {
    pub users: u32,
    /// Exponent of the Zipf law of popularity; 0 makes all alike.
    pub zipf: f64,
}

/// The number of users, and how popular each is.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PopulationFields {
    /// How many users there are.
    users: u32,
    /// Exponent of the Zipf law of popularity; 0 makes all alike. Default: 0.
    #[serde(default)]
    zipf: f64,
}

impl From<PopulationFields> for Population {
    fn from(PopulationFields { users, zipf }: PopulationFields) -> Population {
        Population { users, zipf }
    }
}

impl JsonSchema for Population {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Population".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How many users there are: `20000` (each alike), or `{ users: 20000, zipf: 0.8 }`.",
            "anyOf": [{ "type": "integer", "minimum": 0, "maximum": u32::MAX }, generator.subschema_for::<PopulationFields>()]
        })
    }
}

impl<'de> Deserialize<'de> for Population {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let alike = |text: &str| whole_number(text, 0, u32::MAX.into()).map(|users| Population { users: users as u32, zipf: 0.0 });
        text_or_map::<D, Population, PopulationFields>(
            deserializer,
            "a number of users such as `20000`, or `{ users: 20000, zipf: 0.8 }`",
            alike,
        )
    }
}

/// Who shares an address.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Addresses {
    /// Users behind a shared address (network address translation).
    pub nat: Nat,
}

/// A share of the users sits behind a few addresses.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nat {
    /// Share of the users that sit there.
    pub share: Share,
    /// Number of shared addresses.
    pub behind: u32,
}

/// A session: several requests of one user, one after the other.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Requests in a session.
    pub requests: SessionLength,
    /// Time between an answer and the next request.
    pub think: Distribution,
}

/// Number of requests of a session, at least 1.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SessionLength {
    /// Always the same number.
    Constant(u32),
    /// 1, 2, 3, ... with the given mean.
    Geometric {
        /// Mean number of requests, 1 or more.
        mean: f64,
    },
    /// Each number from min to max alike.
    Uniform {
        /// Fewest requests.
        min: u32,
        /// Most requests.
        max: u32,
    },
}

/// A class of requests.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestClass {
    /// Default: the path, or `all`.
    #[serde(default)]
    pub name: Option<String>,
    /// Default: `/`.
    #[serde(default)]
    pub path: Option<String>,
    /// Share of this class among all, relative to the others. Default: 1.
    #[serde(default = "one")]
    pub weight: f64,
    /// Service time on a server of speed 1.
    pub work: Distribution,
    /// Host that is asked, for rules. Default: none.
    #[serde(default)]
    pub host: Option<String>,
    /// Method, for rules. Default: GET.
    #[serde(default)]
    pub method: Option<String>,
    /// Headers, for rules.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Query parameters, for rules.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// Bytes of the request and its answer together, for counting what crosses zones. Default: 0B.
    #[serde(default)]
    pub size: Size,
}

impl RequestClass {
    /// A class of which only the work is known.
    pub fn of_work(work: Distribution) -> RequestClass {
        let (headers, query) = (BTreeMap::new(), BTreeMap::new());
        RequestClass { name: None, path: None, weight: 1.0, work, host: None, method: None, headers, query, size: Size(0) }
    }
}

fn one() -> f64 {
    1.0
}

/// When and how a failed try is repeated. On a client the request goes through the balancer anew; on a balancer it is the
/// balancer that tries again.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Tries after the first.
    pub max: u32,
    /// Which failures are tried again. Default: connect_failure.
    #[serde(default = "default_when")]
    pub when: Vec<Failure>,
    /// POST, PATCH and LOCK, too, are tried again when they were sent already: they may then be done twice. Default: true.
    #[serde(default = "yes")]
    pub non_idempotent: bool,
    /// Wait before a retry. Default: none.
    #[serde(default)]
    pub backoff: Backoff,
    /// Retries are at most this share of the first tries of the last 10 s. Default: no limit.
    #[serde(default)]
    pub budget: Option<Share>,
    /// Which servers may be tried. Default: any.
    #[serde(default)]
    pub to: RetryTo,
}

fn yes() -> bool {
    true
}

fn default_when() -> Vec<Failure> {
    vec![Failure::ConnectFailure]
}

/// Ways in which a try fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The server's port is closed, or the connection was not made in time.
    ConnectFailure,
    /// The connection broke while the request was under way.
    Reset,
    /// No answer within the timeout.
    Timeout,
    /// The server's queue was full (a 503).
    Refused,
    /// The server answered with an error.
    #[serde(rename = "5xx")]
    ServerError,
    /// The balancer had no server to send to (a 503).
    NoServer,
    /// A rule of a balancer turned the request away, or none matched it (400 to 499).
    #[serde(rename = "4xx")]
    ClientError,
}

impl Failure {
    pub const ALL: [Failure; 7] = [
        Failure::ConnectFailure,
        Failure::Reset,
        Failure::Timeout,
        Failure::Refused,
        Failure::ServerError,
        Failure::NoServer,
        Failure::ClientError,
    ];

    /// The name in files and results.
    pub fn name(self) -> &'static str {
        match self {
            Failure::ConnectFailure => "connect_failure",
            Failure::Reset => "reset",
            Failure::Timeout => "timeout",
            Failure::Refused => "refused",
            Failure::ServerError => "5xx",
            Failure::NoServer => "no_server",
            Failure::ClientError => "4xx",
        }
    }
}

/// Wait before the k-th retry: base x 2^(k-1), at most max, with jitter. A bare duration is a constant wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    pub base: Span,
    /// Default: 1024 x base, which is where the tenth doubling arrives.
    pub max: Span,
    pub jitter: Jitter,
}

/// A wait that doubles with every retry.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct BackoffFields {
    /// Wait before the first retry.
    base: Span,
    /// The wait grows no further. Default: 1024 x base.
    #[serde(default)]
    max: Option<Span>,
    /// What is drawn at random about it. Default: none.
    #[serde(default)]
    jitter: Jitter,
}

impl From<BackoffFields> for Backoff {
    fn from(BackoffFields { base, max, jitter }: BackoffFields) -> Backoff {
        let max = max.unwrap_or(Span(base.0.saturating_mul(1024)).min(SPAN_MAX));
        Backoff { base, max, jitter }
    }
}

impl JsonSchema for Backoff {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Backoff".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Wait before a retry: a duration, or `{ base: 50ms, max: 1s, jitter: full }`, which doubles each time.",
            "anyOf": [generator.subschema_for::<Span>(), generator.subschema_for::<BackoffFields>()]
        })
    }
}

impl<'de> Deserialize<'de> for Backoff {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let constant = |text: &str| text.parse().map(|wait| Backoff { base: wait, max: wait, jitter: Jitter::None });
        text_or_map::<D, Backoff, BackoffFields>(
            deserializer,
            "a duration such as `50ms`, or `{ base: 50ms, max: 1s, jitter: full }`",
            constant,
        )
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { base: Span::ZERO, max: Span::ZERO, jitter: Jitter::None }
    }
}

/// What of a wait is drawn at random, so that those who failed together do not come back together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Jitter {
    /// The wait itself.
    #[default]
    None,
    /// Uniform between 0 and the wait.
    Full,
    /// Half the wait, plus uniform between 0 and the other half.
    Equal,
}

/// Which servers a retry may go to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RetryTo {
    /// Whichever the algorithm picks.
    #[default]
    Any,
    /// A server that this request has not tried yet.
    Other,
    /// The same, but who is bound to a server (`sticky`) is sent to it again, as long as it is in use: ingress-nginx with a cookie.
    OtherUnlessBound,
}
