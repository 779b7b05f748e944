//! `balancers`: what routes requests, by which algorithm, to whom, and with which checks and stickiness.

use super::{Connections, Dns, Established, HealthCheck, Layer, Members, Retry, Rule, SlowStart, Tls};
use crate::dist::Distribution;
use crate::policy::Algorithm;
use crate::units::Span;
use schemars::JsonSchema;
use serde::Deserialize;

/// A balancer: routes each request to one of its targets.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Balancer {
    /// Name, unique among servers and balancers.
    pub name: String,
    /// Server groups, single servers (`web-3`) or other balancers. With `rules` it may be left out: then these are all that they name.
    #[serde(default)]
    pub targets: Vec<String>,
    /// How a target is chosen. Default: round_robin.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// Active checks of the targets. Default: none, every target is always in rotation.
    #[serde(default)]
    pub health_check: Option<HealthCheck>,
    /// Keeps a user on the server that answered first.
    #[serde(default)]
    pub sticky: Option<Sticky>,
    /// The balancer whose cookies are good here, too (of `sticky` and of rules), as both are one to users: the nodes of a load balancer,
    /// or several proxies with the same settings. Default: its own alone; `instances` always share theirs.
    #[serde(default)]
    pub cookies_of: Option<String>,
    /// When the balancer itself tries another time. Default: never.
    #[serde(default)]
    pub retry: Option<Retry>,
    /// How long the balancer waits for a connection to be made. Default: for ever.
    #[serde(default)]
    pub connect_timeout: Option<Span>,
    /// How long the balancer waits for the answer to one try. Default: for ever.
    #[serde(default)]
    pub timeout: Option<Span>,
    /// One-way network delay in front of this balancer where it is the target of another one. Default: none.
    #[serde(default)]
    pub latency: Option<Distribution>,
    /// Weight of this balancer where it is the target of another one. Default: 1.
    #[serde(default = "one")]
    pub weight: u32,
    /// Independent copies of the balancer, each with its own counts, health view and draws; each request (at an `l4` balancer: each
    /// connection) goes through one of them at random. Default: 1.
    #[serde(default = "one")]
    pub instances: u32,
    /// Whether connections or requests are routed. Default: l7.
    #[serde(default)]
    pub layer: Layer,
    /// Zone in which it stands. Default: none, near to everything.
    #[serde(default)]
    pub zone: Option<String>,
    /// Node on which it runs, such as `worker-1`; when the node is lost, so is the balancer. Default: none.
    #[serde(default)]
    pub node: Option<String>,
    /// It is a part of the balancer in front of it, such as its view of a target group: there is no way between the two. Default: false.
    #[serde(default)]
    pub inside: bool,
    /// Only targets in its own zone are used (where it has a zone). Default: false.
    #[serde(default)]
    pub own_zone_only: bool,
    /// Rules on the request decide instead of the algorithm; what no rule matches is answered 404.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Makes it a name that clients resolve.
    #[serde(default)]
    pub dns: Option<Dns>,
    /// TLS ends here.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// Connections to the targets that are kept and used again. Default: a new one for each try, at no cost.
    #[serde(default)]
    pub connections: Option<Connections>,
    /// A connection through (l4) or to (l7) this balancer that is idle for so long is forgotten. Default: never.
    #[serde(default)]
    pub idle_timeout: Option<Span>,
    /// What becomes of connections to a target that turns unhealthy (l4). Default: keep.
    #[serde(default)]
    pub established: Established,
    /// How a new target comes to its full share. Default: at once.
    #[serde(default)]
    pub slow_start: Option<SlowStart>,
    /// How it comes to know pods among its targets. Default: all its targets are members all the time.
    #[serde(default)]
    pub members: Option<Members>,
    /// Known, but part of a later release.
    #[serde(default)]
    #[schemars(skip)]
    pub passive_health: Option<crate::document::Later>,
}

fn one() -> u32 {
    1
}

/// Stickiness: exactly one of the two.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Sticky {
    /// An answer sets a cookie that names the server.
    Cookie {
        /// Name of the cookie. Default: lb.
        #[serde(default = "default_cookie")]
        name: String,
        /// How long the cookie is valid from when it was set. Default: for ever.
        #[serde(default)]
        ttl: Option<Span>,
        /// With which answers it is set. Default: answer.
        #[serde(default)]
        set_with: SetWith,
    },
    /// The balancer remembers the client address.
    SourceIp {
        /// How long it is remembered after the last request. Default: for ever.
        #[serde(default)]
        ttl: Option<Span>,
    },
}

/// With which answers a cookie is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SetWith {
    /// Whatever the target answers, errors too, and nothing that the balancer answers itself: HAProxy's `cookie insert`, AWSALB.
    #[default]
    Answer,
    /// The target's answers that are no errors: a cookie that the application sets.
    Success,
    /// Any answer once a target was chosen, also the balancer's own that it cannot be reached: nginx, ingress-nginx, Traefik, Caddy.
    Choice,
}

impl SetWith {
    /// Whether this answer sets it; `is_answered`: the target has said it.
    pub fn takes(self, is_ok: bool, is_answered: bool) -> bool {
        match self {
            SetWith::Answer => is_answered,
            SetWith::Success => is_ok,
            SetWith::Choice => true,
        }
    }
}

fn default_cookie() -> String {
    "lb".to_owned()
}
