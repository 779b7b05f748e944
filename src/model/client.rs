//! Clients: who a request comes from, of which class it is and how much work, all drawn before any balancer sees it.

use super::arrivals::Arrivals;
use super::link::Link;
use super::plan::{ArrivalPlan, ClassChoice, ClientPlan, SessionPlan, Users};
use super::retry::Retries;
use super::sticky::Holder;
use crate::measure::affinity::Visits;
use crate::measure::fairness::UserSum;
use crate::rng::{self, Rng, mix64};
use crate::scenario::SessionLength;
use crate::sim::{Lane, Source};
use crate::units::{Span, Time};
use rand_distr::Distribution as _;
use rand_distr::weighted::WeightedAliasIndex;
use rand_xoshiro::rand_core::SeedableRng;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// Stands for "none" where an index is kept in 32 bits.
pub const NONE: u32 = u32::MAX;

/// What a request is, apart from what becomes of it.
#[derive(Clone, Copy, Debug)]
pub struct Draw {
    pub class: u32,
    pub path: u32,
    pub work: Span,
    /// Index among the client's users; a running number where nobody comes back.
    pub user: u32,
}

/// A session, or a user of a closed loop: sends one request after the other.
pub struct Actor {
    pub client: u32,
    pub user: u32,
    /// Identity for hashing: the session's own, or the user's in a closed loop.
    pub id: u64,
    /// Requests left in the session; closed loops never end.
    pub left: u32,
    /// All that it will draw, whatever the balancers do: every variant meets the same sessions.
    pub rng: Rng,
    pub visits: Visits,
    pub sum: UserSum,
}

pub struct Client {
    pub arrivals: Arrivals,
    pub source: Source,
    pub arrivals_rng: Rng,
    pub link: Link,
    pub timeout: Option<(Span, Lane)>,
    pub retries: Option<Retries>,
    /// Its tries go over connections that are kept.
    pub keeps_connections: bool,
    /// Place of the first of its users among all users that can come back.
    pub first_user: u32,
    population: Population,
    addresses: Vec<Option<IpAddr>>,
    nat: Option<Nat>,
    /// Tells this client's users from others'. The same in every replication: who sits where is structure, not chance.
    salt: u64,
    /// Seeds what sessions and closed-loop users draw.
    actor_salt: u64,
    classes: Arc<[ClassChoice]>,
    class_index: Option<WeightedAliasIndex<f64>>,
    class_rng: Rng,
    work_rng: Rng,
    /// Work of further tries, so that they do not shift what first tries draw.
    again_rng: Rng,
    user_rng: Rng,
    next_user: u32,
    next_session: u64,
}

/// Who shares addresses.
struct Nat {
    share: f64,
    /// Number of shared addresses.
    behind: u32,
    /// Multiplier that permutes the users.
    stride: u64,
}

enum Population {
    Unbounded,
    Alike(u32),
    Zipf(WeightedAliasIndex<f64>, u32),
    Traced,
}

/// What a client is built of besides its plan.
pub struct Parts {
    pub seed: u64,
    pub replication: u32,
    pub first_user: u32,
    pub source: Source,
    pub link: Link,
    pub timeout: Option<(Span, Lane)>,
    pub retries: Option<Retries>,
}

/// An alias table of positive weights; `None` where there is nothing to choose.
fn alias(weights: Vec<f64>) -> Option<WeightedAliasIndex<f64>> {
    if weights.len() < 2 { None } else { WeightedAliasIndex::new(weights).ok() }
}

fn population(users: &Users) -> Population {
    match users {
        Users::Unbounded => Population::Unbounded,
        Users::Alike(users) => Population::Alike(*users),
        Users::Traced(_) => Population::Traced,
        Users::Zipf { users, exponent } => match alias((1..=*users).map(|rank| libm::pow(f64::from(rank), -exponent)).collect()) {
            Some(index) => Population::Zipf(index, *users),
            None => Population::Alike(*users),
        },
    }
}

impl Client {
    pub fn new(plan: &ClientPlan, parts: Parts) -> Client {
        let stream = |what: &str| rng::stream(parts.seed, parts.replication, &format!("client/{}/{what}", plan.name));
        let mut arrivals_rng = stream("arrivals");
        let addresses = match &plan.arrivals {
            ArrivalPlan::Trace(trace) => trace.addresses.clone(),
            _ => Vec::new(),
        };
        Client {
            arrivals: Arrivals::new(&plan.arrivals, &mut arrivals_rng),
            source: parts.source,
            arrivals_rng,
            link: parts.link,
            timeout: parts.timeout,
            retries: parts.retries,
            keeps_connections: plan.kept.is_some(),
            first_user: parts.first_user,
            population: population(&plan.users),
            addresses,
            nat: plan.nat.map(|(share, behind)| Nat { share: share.0, behind, stride: coprime(u64::from(plan.users.count()).max(1)) }),
            salt: rng::below(&mut rng::stream(parts.seed, 0, &format!("client/{}/users", plan.name)), u64::MAX),
            actor_salt: rng::below(&mut stream("sessions"), u64::MAX),
            classes: plan.classes.clone(),
            class_index: alias(plan.classes.iter().map(|choice| choice.weight).collect()),
            class_rng: stream("class"),
            work_rng: stream("work"),
            again_rng: stream("work again"),
            user_rng: stream("user"),
            next_user: 0,
            next_session: 0,
        }
    }

    /// The next arrival by `until`.
    #[inline(always)]
    pub fn next_arrival(&mut self, until: Time) -> Option<Time> {
        self.arrivals.next(until, &mut self.arrivals_rng)
    }

    /// The request that arrives now, of an open stream without sessions.
    #[inline(always)]
    pub fn draw(&mut self) -> Draw {
        match self.arrivals {
            Arrivals::Trace { .. } => self.draw_traced(),
            _ => self.draw_untraced(),
        }
    }

    /// The same, where no trace says anything.
    #[inline(always)]
    pub fn draw_untraced(&mut self) -> Draw {
        let user = self.draw_user();
        let choice = match &self.class_index {
            Some(index) => &self.classes[index.sample(&mut self.class_rng)],
            None => &self.classes[0],
        };
        Draw { class: choice.class, path: choice.path, work: choice.work.sample(&mut self.work_rng), user }
    }

    fn draw_traced(&mut self) -> Draw {
        let drawn_user = self.draw_user();
        let Some((trace, row)) = self.arrivals.trace_row() else { unreachable!("only called for traces") };
        let choice = match &self.class_index {
            Some(index) => &self.classes[index.sample(&mut self.class_rng)],
            None => &self.classes[0],
        };
        let class = choice.class;
        let work = trace.work.get(row).copied();
        let user = trace.client.get(row).copied().unwrap_or(drawn_user);
        let path = trace.path.get(row).copied().unwrap_or(choice.path);
        Draw { class, path, work: work.unwrap_or_else(|| choice.work.sample(&mut self.work_rng)), user }
    }

    /// The request that a session or closed-loop user sends next, from its own stream.
    pub fn draw_for(&self, actor: &mut Actor) -> Draw {
        let choice = match &self.class_index {
            Some(index) => &self.classes[index.sample(&mut actor.rng)],
            None => &self.classes[0],
        };
        Draw { class: choice.class, path: choice.path, work: choice.work.sample(&mut actor.rng), user: actor.user }
    }

    /// Work of another try of a request of `class`: drawn anew, as service times differ from try to try. `None` where the trace
    /// says the work, which is the request's own.
    pub fn draw_again(&mut self, class: u32) -> Option<Span> {
        if let Arrivals::Trace { trace, .. } = &self.arrivals
            && !trace.work.is_empty()
        {
            return None;
        }
        let choice = self.classes.iter().find(|choice| choice.class == class)?;
        Some(choice.work.sample(&mut self.again_rng))
    }

    #[inline(always)]
    fn draw_user(&mut self) -> u32 {
        match &self.population {
            Population::Alike(users) => rng::below(&mut self.user_rng, u64::from(*users)) as u32,
            Population::Zipf(index, _) => index.sample(&mut self.user_rng) as u32,
            Population::Unbounded | Population::Traced => {
                let user = self.next_user;
                self.next_user = user.wrapping_add(1);
                user
            }
        }
    }

    /// A session that begins now.
    #[inline(always)]
    pub fn begin_session(&mut self, client: u32, plan: &SessionPlan) -> Actor {
        let user = self.draw_user();
        let session = self.next_session;
        self.next_session += 1;
        let mut rng = Rng::seed_from_u64(mix64(self.actor_salt ^ mix64(session)));
        let left = session_length(plan.requests, &mut rng);
        Actor {
            client,
            user,
            id: mix64(self.actor_salt.wrapping_add(session)),
            left,
            rng,
            visits: Visits::default(),
            sum: UserSum::default(),
        }
    }

    /// User number `user` of a closed loop.
    pub fn closed_user(&mut self, client: u32, user: u32) -> Actor {
        let rng = Rng::seed_from_u64(mix64(self.actor_salt ^ mix64(u64::from(user))));
        let id = self.user_id(user);
        Actor { client, user, id, left: u32::MAX, rng, visits: Visits::default(), sum: UserSum::default() }
    }

    /// A population is structure: the same users in every replication. Users who never return are chance: others each time.
    fn user_salt(&self) -> u64 {
        if self.users_return() { self.salt } else { self.actor_salt }
    }

    /// Identity of a user for hashing and cookies.
    #[inline]
    pub fn user_id(&self, user: u32) -> u64 {
        mix64(self.user_salt() ^ u64::from(user))
    }

    /// Who a request is from, as balancers can tell, with the identity of the session, or of the user where there are none.
    pub fn holder(&self, user: u32, session: Option<u64>) -> (Holder, u64) {
        let (address, user_id) = (self.address(user), self.user_id(user));
        let known = self.users_return().then_some(user_id);
        (Holder { user: known.or(session), address }, session.unwrap_or(user_id))
    }

    /// Whether users come back.
    pub fn users_return(&self) -> bool {
        !matches!(self.population, Population::Unbounded)
    }

    /// The address of a user: the trace's, one of the shared ones behind NAT, or one of its own.
    #[inline]
    pub fn address(&self, user: u32) -> IpAddr {
        if let Some(Some(address)) = self.addresses.get(user as usize) {
            return *address;
        }
        let (number, salt) = match &self.nat {
            // Counted from the top, where no user's own number is.
            Some(nat) if self.is_behind_nat(user, nat) => {
                (u32::MAX - (mix64(self.user_salt() ^ !u64::from(user)) % u64::from(nat.behind)) as u32, self.salt)
            }
            _ => (user, self.user_salt()),
        };
        IpAddr::V4(Ipv4Addr::from_bits(scramble(number ^ salt as u32)))
    }

    /// Exactly the share of a bounded population, in an order that has nothing to do with popularity.
    fn is_behind_nat(&self, user: u32, nat: &Nat) -> bool {
        let user = u64::from(user);
        match &self.population {
            Population::Alike(users) | Population::Zipf(_, users) => {
                let users = u64::from(*users);
                let place = (user.wrapping_mul(nat.stride) + self.salt % users) % users;
                (place as f64) < nat.share * users as f64
            }
            Population::Unbounded | Population::Traced => (mix64(self.user_salt() ^ user) >> 11) as f64 / ((1u64 << 53) as f64) < nat.share,
        }
    }
}

/// A multiplier that permutes 0..n and jumps far: the first one from the golden section on that has no common factor with n.
fn coprime(n: u64) -> u64 {
    let gcd = |mut a: u64, mut b: u64| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    let mut multiplier = ((n as f64 * 0.618_033_988_75) as u64).max(1);
    while gcd(multiplier, n) != 1 {
        multiplier += 1;
    }
    multiplier
}

/// A bijection of 32 bits that spreads neighbours (the finalizer of MurmurHash3, Appleby): distinct users keep distinct
/// addresses, in networks far from each other.
fn scramble(x: u32) -> u32 {
    let x = (x ^ (x >> 16)).wrapping_mul(0x85eb_ca6b);
    let x = (x ^ (x >> 13)).wrapping_mul(0xc2b2_ae35);
    x ^ (x >> 16)
}

fn session_length(length: SessionLength, rng: &mut Rng) -> u32 {
    match length {
        SessionLength::Constant(n) => n,
        SessionLength::Uniform { min, max } => min + rng::below(rng, u64::from(max - min) + 1) as u32,
        // P(N > k) = (1 - 1/mean)^k
        SessionLength::Geometric { mean } if mean > 1.0 => {
            let k = libm::floor(libm::log(1.0 - rng::unit(rng)) / libm::log1p(-1.0 / mean));
            1 + k.min(1e9) as u32
        }
        SessionLength::Geometric { .. } => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn geometric_sessions_have_their_mean_and_at_least_one_request() {
        let mut rng = rng::stream(1, 0, "sessions");
        let lengths: Vec<_> = (0..100_000).map(|_| session_length(SessionLength::Geometric { mean: 8.0 }, &mut rng)).collect();
        let mean = lengths.iter().map(|n| f64::from(*n)).sum::<f64>() / 1e5;
        // Standard deviation sqrt(8 x 7) = 7.5, standard error 0.024: five of them.
        assert!((mean - 8.0).abs() < 0.12, "{mean}");
        assert_eq!(lengths.iter().min(), Some(&1));
        // P(N = 1) = 1/8
        let ones = lengths.iter().filter(|n| **n == 1).count() as f64 / 1e5;
        assert!((ones - 0.125).abs() < 0.0053, "{ones}");
    }

    #[test]
    fn scrambling_keeps_numbers_apart() {
        let mut seen: Vec<_> = (0..100_000).map(scramble).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 100_000);
    }

    #[test]
    fn the_multiplier_permutes() {
        for n in [1, 2, 6, 97, 400, 20_000] {
            let multiplier = coprime(n);
            let mut places: Vec<_> = (0..n).map(|i| i * multiplier % n).collect();
            places.sort_unstable();
            assert!(places.into_iter().eq(0..n));
        }
    }
}
