//! A name: what resolvers and users keep of its answers, and which record a user takes.

use super::client::NONE;
use super::sticky::Table;
use crate::control::dns::{Latency, Weighted, multivalue, nearest, weighted};
use crate::measure::names::NameRecord;
use crate::policy::TargetId;
use crate::rng::{Rng, below, mix64};
use crate::scenario::Routing;
use crate::units::{Share, Span, Time};
use std::collections::BTreeMap;

/// A name as the scenario describes it.
#[derive(Clone)]
pub struct DnsPlan {
    pub routing: Routing,
    pub ttl: Span,
    pub resolvers: Option<u32>,
    pub ignore_ttl: Share,
    pub answers: usize,
    /// By the zone of whoever asks: the way to each record.
    pub distances: BTreeMap<u32, Vec<Span>>,
}

/// Who resolves a name.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    /// A client, or `NONE`: a balancer, which has no resolver between.
    pub client: u32,
    /// Tells users apart.
    pub id: u64,
    /// It comes again, so that keeping an answer is of use.
    pub comes_back: bool,
    /// It was there before the run began.
    pub is_old: bool,
    pub zone: u32,
}

/// What the name server goes by: health and weight of each record.
pub struct Records<'a> {
    pub is_healthy: &'a [bool],
    pub weight: &'a [u32],
}

struct Kept {
    records: Vec<TargetId>,
    until: Time,
}

pub struct Name {
    plan: DnsPlan,
    kept: Table<Kept>,
    /// Entries at which the expired ones are swept out.
    sweep_at: usize,
    rng: Rng,
    /// Says how old the answers are that were kept when the run began.
    ages: u64,
    pub record: NameRecord,
}

/// Where an answer is kept.
#[derive(Clone, Copy)]
struct Cache {
    key: u64,
    keeps_for_ever: bool,
    /// It has been used before the run began.
    is_old: bool,
}

impl Name {
    pub fn new(plan: &DnsPlan, records: usize, rng: Rng, ages: &mut Rng) -> Name {
        let ages = below(ages, u64::MAX);
        Name { plan: plan.clone(), kept: Table::default(), sweep_at: 1024, rng, ages, record: NameRecord::of(records) }
    }

    /// The record that the asker connects to now. `None`: there are none.
    pub fn resolve(&mut self, asker: Asker, records: &Records, now: Time, is_counted: bool) -> Option<TargetId> {
        let Some(cache) = self.cache_of(asker) else {
            let answer = self.query(asker.zone, records, is_counted);
            return take_one(&answer, &mut self.rng);
        };
        if self.kept.get(&cache.key).is_none_or(|kept| kept.until <= now) {
            let until = if cache.keeps_for_ever { Time(u64::MAX) } else { now + self.rest_of_ttl(cache, now) };
            let records = self.query(asker.zone, records, is_counted);
            self.kept.insert(cache.key, Kept { records, until });
            self.sweep(now);
        }
        take_one(&self.kept.get(&cache.key)?.records, &mut self.rng)
    }

    /// How long an answer may be used. Who has been asking before the run began has one of any age when it asks for the first time, so that
    /// not all ask again at the same time; after a whole TTL none of those is left.
    fn rest_of_ttl(&self, cache: Cache, now: Time) -> Span {
        let ttl = self.plan.ttl;
        let is_from_before = cache.is_old && self.is_warming_up(now) && !self.kept.contains_key(&cache.key);
        let age = if is_from_before { share_of(mix64(self.ages ^ mix64(cache.key))) } else { 0.0 };
        Span(ttl.0 - (age * ttl.0 as f64) as u64)
    }

    /// Answers from before the run may be left.
    fn is_warming_up(&self, now: Time) -> bool {
        now.0 < self.plan.ttl.0
    }

    /// Where the asker's answers are kept. `None`: nowhere.
    fn cache_of(&self, asker: Asker) -> Option<Cache> {
        let share = self.plan.ignore_ttl.0;
        match self.plan.resolvers.filter(|_| asker.client != NONE) {
            Some(resolvers) => {
                let resolver = mix64(asker.id) % u64::from(resolvers);
                let keeps_for_ever = (resolver as f64) < libm::round(share * f64::from(resolvers));
                Some(Cache { key: u64::from(asker.client) << 32 | resolver, keeps_for_ever, is_old: true })
            }
            None if asker.comes_back => {
                let keeps_for_ever = share_of(mix64(!asker.id)) < share;
                Some(Cache { key: own_key(asker.client, asker.id), keeps_for_ever, is_old: asker.is_old })
            }
            None => None,
        }
    }

    /// Asks the name server.
    fn query(&mut self, zone: u32, records: &Records, is_counted: bool) -> Vec<TargetId> {
        let Records { is_healthy, weight } = *records;
        let all = || 0..is_healthy.len();
        let answer: Vec<usize> = match self.plan.routing {
            Routing::Simple if is_healthy.contains(&true) => all().filter(|record| is_healthy[*record]).collect(),
            Routing::Simple => all().collect(),
            Routing::Weighted => {
                let records: Vec<Weighted> =
                    all().map(|record| Weighted { weight: weight[record], is_healthy: is_healthy[record] }).collect();
                weighted(&records, &mut self.rng).into_iter().collect()
            }
            Routing::Failover => all().find(|record| is_healthy[*record]).or_else(|| all().next()).into_iter().collect(),
            Routing::Multivalue => {
                let mut records = multivalue(is_healthy, &mut self.rng);
                records.truncate(self.plan.answers);
                records
            }
            Routing::Latency => {
                let ways = self.plan.distances.get(&zone);
                let way = |record: usize| ways.map_or(Span::ZERO, |ways| ways[record]);
                let records: Vec<Latency> = all().map(|record| Latency { latency: way(record), is_healthy: is_healthy[record] }).collect();
                nearest(&records).into_iter().collect()
            }
        };
        if is_counted {
            self.record.answered(&answer);
        }
        answer.into_iter().map(|record| record as TargetId).collect()
    }

    /// A session that is over asks no more.
    pub fn forget(&mut self, client: u32, id: u64) {
        if self.plan.resolvers.is_none() {
            self.kept.remove(&own_key(client, id));
        }
    }

    fn sweep(&mut self, now: Time) {
        // At first it is still to be known who has asked.
        if self.kept.len() > self.sweep_at && !self.is_warming_up(now) {
            self.kept.retain(|_, kept| kept.until > now);
            self.sweep_at = (self.kept.len() * 2).max(1024);
        }
    }
}

/// A number from 0 to 1, without 1.
fn share_of(bits: u64) -> f64 {
    (bits >> 11) as f64 / ((1u64 << 53) as f64)
}

/// Where whoever has no resolver keeps its answers. Connections that all users share are user 0 of each client.
fn own_key(client: u32, id: u64) -> u64 {
    id ^ mix64(u64::from(client))
}

/// A user takes any of the records of an answer.
fn take_one(answer: &[TargetId], rng: &mut Rng) -> Option<TargetId> {
    match answer {
        [] => None,
        [one] => Some(*one),
        many => Some(many[below(rng, many.len() as u64) as usize]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::stream;

    fn plan(routing: Routing) -> DnsPlan {
        DnsPlan { routing, ttl: Span(10), resolvers: None, ignore_ttl: Share(0.0), answers: 8, distances: BTreeMap::new() }
    }

    fn user(id: u64) -> Asker {
        Asker { client: 0, id, comes_back: true, is_old: false, zone: 1 }
    }

    fn resolve(name: &mut Name, asker: Asker, is_healthy: &[bool], at: u64) -> Option<TargetId> {
        name.resolve(asker, &Records { is_healthy, weight: &vec![1; is_healthy.len()] }, Time(at), true)
    }

    #[test]
    fn an_answer_is_kept_for_its_ttl_by_whom_it_was_given_to() {
        let mut name = Name::new(&plan(Routing::Failover), 2, stream(1, 0, "dns"), &mut stream(1, 0, "ages"));
        assert_eq!(resolve(&mut name, user(1), &[true, true], 0), Some(0));
        assert_eq!(resolve(&mut name, user(1), &[false, true], 9), Some(0), "still kept");
        assert_eq!(resolve(&mut name, user(2), &[false, true], 9), Some(1), "another user asks for the first time");
        assert_eq!(resolve(&mut name, user(1), &[false, true], 10), Some(1));
        assert_eq!(resolve(&mut name, user(3), &[false, false], 10), Some(0), "all unhealthy: the first");
        assert_eq!((name.record.queries, &name.record.answers[..]), (4, &[2, 2][..]));
        name.forget(0, 1);
        assert_eq!(resolve(&mut name, user(1), &[true, true], 11), Some(0));
    }

    #[test]
    fn whoever_does_not_come_back_asks_each_time() {
        let mut name = Name::new(&plan(Routing::Failover), 2, stream(1, 0, "dns"), &mut stream(1, 0, "ages"));
        let once = Asker { comes_back: false, ..user(1) };
        (0..5).for_each(|at| assert_eq!(resolve(&mut name, once, &[true, true], at), Some(0)));
        assert_eq!(name.record.queries, 5);
    }

    #[test]
    fn users_of_a_resolver_share_its_answers_and_some_resolvers_keep_theirs_for_ever() {
        let shared = DnsPlan { resolvers: Some(4), ignore_ttl: Share(0.5), ..plan(Routing::Failover) };
        let mut name = Name::new(&shared, 2, stream(1, 0, "dns"), &mut stream(1, 0, "ages"));
        let asked = |name: &mut Name, is_healthy: &[bool], at| -> usize {
            (0..1000).filter(|id| resolve(name, Asker { comes_back: false, ..user(*id) }, is_healthy, at) == Some(1)).count()
        };
        assert_eq!(asked(&mut name, &[true, true], 100), 0);
        assert_eq!((asked(&mut name, &[false, true], 109), name.record.queries), (0, 4));
        let moved = asked(&mut name, &[false, true], 1000);
        assert_eq!(name.record.queries, 6);
        // The users of two of four resolvers: 500, standard deviation 16.
        assert!((420..580).contains(&moved), "{moved}");
    }

    #[test]
    fn answers_from_before_the_run_are_of_any_age_and_the_next_ones_fresh() {
        let mut name =
            Name::new(&DnsPlan { ttl: Span(1000), ..plan(Routing::Failover) }, 2, stream(1, 0, "dns"), &mut stream(1, 0, "ages"));
        let ask = |name: &mut Name, asker: Asker, at| {
            let before = name.record.queries;
            name.resolve(asker, &Records { is_healthy: &[true, true], weight: &[1, 1] }, Time(at), true);
            name.record.queries > before
        };
        // Of 3000 that were there before, who asks anew by the middle of the TTL: half, standard deviation 27.
        let old = |id| Asker { is_old: true, ..user(id) };
        assert!((0..3000).all(|id| ask(&mut name, old(id), 0)) && ask(&mut name, user(5000), 0));
        let early: Vec<u64> = (0..3000).filter(|id| ask(&mut name, old(*id), 500)).collect();
        assert!((1365..=1635).contains(&early.len()), "{}", early.len());
        assert!(!ask(&mut name, user(5000), 999) && ask(&mut name, user(5000), 1000), "who is new has a whole TTL");
        let all_ask = |name: &mut Name, ids: &[u64], at| ids.iter().filter(|id| ask(name, old(**id), at)).count();
        assert_eq!(all_ask(&mut name, &early, 1499), 0, "a whole TTL from the second on");
        assert_eq!(all_ask(&mut name, &early, 1500), early.len());
        // So has who was there before and asks for the first time after that.
        let late: Vec<u64> = (6000..6100).collect();
        assert_eq!([2500, 3499, 3500].map(|at| all_ask(&mut name, &late, at)), [100, 0, 100]);
    }

    #[test]
    fn users_of_one_resolver_share_an_answer_of_any_age() {
        let shared = DnsPlan { resolvers: Some(500), ttl: Span(1000), ..plan(Routing::Failover) };
        let mut name = Name::new(&shared, 2, stream(1, 0, "dns"), &mut stream(1, 0, "ages"));
        let mut asked = |at| {
            (0..20_000).for_each(|id| _ = resolve(&mut name, user(id), &[true, true], at));
            name.record.queries
        };
        assert_eq!(asked(0), 500);
        // Three quarters of 500: 375, standard deviation 10.
        let first = asked(750) - 500;
        assert!((330..=420).contains(&first), "{first}");
        assert_eq!(asked(1000) - 500, 500);
    }

    #[test]
    fn the_zone_of_the_asker_decides_who_is_near() {
        let distances = BTreeMap::from([(1, vec![Span(5), Span(9)]), (2, vec![Span(9), Span(5)])]);
        let mut name = Name::new(&DnsPlan { distances, ..plan(Routing::Latency) }, 2, stream(1, 0, "dns"), &mut stream(1, 0, "ages"));
        let nearest = |name: &mut Name, zone, id, is_healthy: &[bool]| resolve(name, Asker { zone, ..user(id) }, is_healthy, 0);
        assert_eq!((nearest(&mut name, 1, 1, &[true; 2]), nearest(&mut name, 2, 2, &[true; 2])), (Some(0), Some(1)));
        assert_eq!(nearest(&mut name, 1, 3, &[false, true]), Some(1));
        assert_eq!(nearest(&mut name, NONE, 4, &[true; 2]), Some(0), "near to everything: the first");
    }

    #[test]
    fn a_simple_or_multivalue_answer_has_several_of_which_one_is_taken() {
        for routing in [Routing::Simple, Routing::Multivalue] {
            let mut name = Name::new(&DnsPlan { answers: 3, ..plan(routing) }, 4, stream(1, 0, "dns"), &mut stream(1, 0, "ages"));
            let mut taken = [0; 4];
            (0..400).for_each(|at| taken[resolve(&mut name, user(1), &[true, false, true, true], 10 * at).unwrap() as usize] += 1);
            // Each of three in 400 draws: 133, standard deviation 9.4.
            assert!(taken[1] == 0 && [taken[0], taken[2], taken[3]].iter().all(|n| (86..181).contains(n)), "{routing:?} {taken:?}");
            assert!(resolve(&mut name, user(2), &[false; 4], 0).is_some(), "all unhealthy: as if all were healthy");
        }
    }
}
