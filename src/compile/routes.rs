//! Balancers as they are run: the copies of one with `instances`, and the groups behind its rules.

use super::places::Ground;
use super::{Names, Paths};
use crate::control::listener_rule::{Condition, Pattern, QueryPattern, Request};
use crate::control::target_group::Minimum;
use crate::dist::{Distribution, Sampler};
use crate::model::places::Place;
use crate::model::plan::{BalancerPlan, RoutingPlan, ServerPlan, StickyPlan, TargetRef, WaysPlan};
use crate::model::rules::{Action, Choice, RulePlan, Which};
use crate::policy::{Algorithm, TargetId};
use crate::scenario::{Balancer, RequestClass, Rule, Scenario, When, WhenNone};
use crate::units::Span;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

/// Adds to the balancers, which stand in the order of the scenario, what each of them is made of. A balancer with `instances` becomes
/// a transparent spreader over its copies `edge#1`, `edge#2`, ...; one with rules sends to groups `edge/web`, each of which is a
/// balancer of its own with the algorithm, checks and stickiness: a target group.
///
/// Returns of which balancer of the scenario each of them is; groups, which come last, are left out.
pub(super) fn spread_and_group(
    scenario: &Scenario,
    plans: &mut Vec<BalancerPlan>,
    names: &Names,
    paths: &Paths,
) -> Result<Vec<usize>, String> {
    let classes = classes(scenario);
    let mut made_of: Vec<usize> = (0..plans.len()).collect();
    for (index, balancer) in scenario.balancers.iter().enumerate() {
        if balancer.instances > 1 {
            spread(index, balancer.instances, plans);
            made_of.resize(plans.len(), index);
        }
    }
    for (index, &of) in made_of.iter().enumerate() {
        let balancer = &scenario.balancers[of];
        let is_spreader = balancer.instances > 1 && index == of;
        if !balancer.rules.is_empty() && !is_spreader {
            group(index, balancer, plans, names)?;
            plans[index].routing.rules = rules(balancer, &classes, paths);
        }
    }
    share_cookies(scenario, plans, &made_of, names)?;
    Ok(made_of)
}

/// Works out how far the records of names with latency routing are from each zone.
pub(super) fn resolve_distances(scenario: &Scenario, plans: &mut [BalancerPlan], servers: &[ServerPlan], ground: &mut Ground) {
    let places: Vec<Place> = plans.iter().map(|plan| plan.routing.place).collect();
    let balancers = scenario.balancers.iter().enumerate();
    for (index, dns) in balancers.filter_map(|(index, balancer)| Some((index, balancer.dns.as_ref()?))) {
        let mut ways: BTreeMap<(u32, u32), Span> = BTreeMap::new();
        for (pair, way) in &dns.distances {
            if let Some((from, to)) = pair.split_once(char::is_whitespace) {
                let (from, to) = (ground.place(Some(from), None).zone, ground.place(Some(to.trim()), None).zone);
                ways.insert((from, to), *way);
                ways.insert((to, from), *way);
            }
        }
        let records: Vec<u32> = plans[index]
            .targets
            .iter()
            .map(|target| match target {
                TargetRef::Server(server) => servers[*server as usize].place.zone,
                TargetRef::Balancer(balancer) => places[*balancer as usize].zone,
            })
            .collect();
        let zones: BTreeSet<u32> = ways.keys().map(|(from, _)| *from).collect();
        // Within a zone, and to what stands in none, there is no way to go.
        let to_records = |from: u32| records.iter().map(|to| ways.get(&(from, *to)).copied().unwrap_or_default()).collect();
        if let Some(plan) = &mut plans[index].routing.dns {
            plan.distances = zones.into_iter().map(|from| (from, to_records(from))).collect();
        }
    }
}

fn no_delay() -> Sampler {
    Distribution::Constant(Span::ZERO).sampler(None)
}

fn spread(index: usize, copies: u32, plans: &mut Vec<BalancerPlan>) {
    let first = plans.len() as u32;
    let one = plans[index].clone();
    let random = Algorithm::by_name("random").unwrap_or_default();
    plans[index] = BalancerPlan {
        name: one.name.clone(),
        targets: (first..first + copies).map(TargetRef::Balancer).collect(),
        latency: one.latency.clone(),
        weight: one.weight,
        // A connection leads to one of the copies.
        ways: WaysPlan { is_l4: true, ..WaysPlan::default() },
        ..passage(random)
    };
    for number in 1..=copies {
        plans.push(BalancerPlan { name: format!("{}#{number}", one.name), latency: no_delay(), weight: 1, ..one.clone() });
    }
}

/// A balancer that is no machine: nothing waits, fails or is checked there.
fn passage(algorithm: Algorithm) -> BalancerPlan {
    BalancerPlan {
        name: String::new(),
        targets: Vec::new(),
        algorithm,
        check: None,
        when_none: WhenNone::Fail,
        sticky: None,
        retry: None,
        connect_timeout: None,
        timeout: None,
        latency: no_delay(),
        weight: 1,
        routing: RoutingPlan { is_transparent: true, ..RoutingPlan::default() },
        ways: WaysPlan::default(),
    }
}

/// Puts the server groups among the targets of a balancer with rules behind balancers of their own. What concerns single servers
/// (algorithm, checks, stickiness, connect timeout) goes there; timeout and retries stay.
fn group(index: usize, balancer: &Balancer, plans: &mut Vec<BalancerPlan>, names: &Names) -> Result<(), String> {
    let outer = plans[index].clone();
    let mut targets = Vec::new();
    for name in &balancer.targets {
        let behind = names.targets(name)?;
        if let [TargetRef::Balancer(inner)] = behind[..] {
            targets.push(TargetRef::Balancer(inner));
            continue;
        }
        targets.push(TargetRef::Balancer(plans.len() as u32));
        plans.push(BalancerPlan {
            name: format!("{}/{name}", outer.name),
            targets: behind,
            retry: None,
            timeout: None,
            latency: no_delay(),
            weight: 1,
            routing: RoutingPlan { is_transparent: true, ..outer.routing.clone() },
            ways: WaysPlan { kept: outer.ways.kept, ..WaysPlan::default() },
            ..outer.clone()
        });
    }
    let routing = RoutingPlan { own_zone_only: false, dns_minimum: Minimum::default(), ..outer.routing.clone() };
    let algorithm = Algorithm::default();
    // Connections lead from a group to its servers, and from here only to balancers.
    let has_balancers = balancer.targets.iter().any(|name| names.balancers.contains_key(name));
    let ways = WaysPlan { kept: outer.ways.kept.filter(|_| has_balancers), ..outer.ways.clone() };
    plans[index] = BalancerPlan {
        targets,
        algorithm,
        check: None,
        when_none: WhenNone::Fail,
        sticky: None,
        connect_timeout: None,
        routing,
        ways,
        ..outer
    };
    Ok(())
}

/// A cookie is the client's, so it is good at each copy, and wherever the cookies of another balancer are honoured: one keeps them for all.
fn share_cookies(scenario: &Scenario, plans: &mut [BalancerPlan], made_of: &[usize], names: &Names) -> Result<(), String> {
    for (index, of) in made_of.iter().enumerate() {
        let whole = match &scenario.balancers[*of].cookies_of {
            Some(name) => names.balancer(name)? as usize,
            None => *of,
        };
        // Copies stand behind all balancers of the scenario.
        let copy = made_of[scenario.balancers.len()..].iter().position(|of| *of == whole);
        let keeper = copy.map_or(whole, |copy| scenario.balancers.len() + copy);
        if keeper == index {
            continue;
        }
        if has_cookies(&plans[index]) {
            plans[index].routing.cookies_of = Some(keeper as u32);
        }
        for (target, group) in plans[index].targets.clone().into_iter().enumerate() {
            if let (TargetRef::Balancer(group), Some(keeper)) = (group, plans[keeper].targets.get(target))
                && let (true, &TargetRef::Balancer(keeper)) = (group as usize >= made_of.len(), keeper)
                && has_cookies(&plans[group as usize])
            {
                plans[group as usize].routing.cookies_of = Some(keeper);
            }
        }
    }
    Ok(())
}

fn has_cookies(plan: &BalancerPlan) -> bool {
    !matches!(plan.sticky, Some(StickyPlan::SourceIp { .. }))
}

/// The classes of all clients in the order of the plan's.
fn classes(scenario: &Scenario) -> Vec<RequestClass> {
    let nothing_known = || RequestClass::of_work(Distribution::Constant(Span::ZERO));
    let of_client = |client: &crate::scenario::Client| match client.requests.is_empty() {
        true => vec![nothing_known()],
        false => client.requests.clone(),
    };
    scenario.clients.iter().flat_map(of_client).collect()
}

fn rules(balancer: &Balancer, classes: &[RequestClass], paths: &Paths) -> Vec<RulePlan> {
    let mut rules: Vec<&Rule> = balancer.rules.iter().collect();
    // Stable: equal priorities in the order of the file.
    rules.sort_by_key(|rule| rule.priority);
    rules.into_iter().map(|rule| compile_rule(rule, balancer, classes, paths)).collect()
}

fn compile_rule(rule: &Rule, balancer: &Balancer, classes: &[RequestClass], paths: &Paths) -> RulePlan {
    let place = |name: &String| balancer.targets.iter().position(|target| target == name);
    let choice = |(name, weight): (&String, &u32)| {
        place(name).map(|place| Choice { target: place as TargetId, name: name.clone(), weight: *weight })
    };
    let action = match (&rule.forward, rule.respond) {
        (Some(forward), _) => Action::Forward { choices: forward.iter().filter_map(choice).collect(), sticky: rule.sticky },
        (None, status) => Action::Respond(status.unwrap_or(404)),
    };
    let when = &rule.when;
    let of_class = class_conditions(when);
    let path_matches = |path: &String| {
        let patterns = when.path.iter().map(|text| Pattern::exact_case(text)).collect();
        let path = path.split('?').next().unwrap_or(path);
        when.path.is_empty() || Condition::Path(patterns).holds(&Request { path, ..BARE })
    };
    RulePlan {
        classes: which(classes.iter().map(|class| class_holds(&of_class, class))),
        paths: which(paths.list.iter().map(path_matches)),
        // What is no network has been told by the checks.
        sources: when.source.iter().filter_map(|source| source.parse().ok()).collect(),
        action,
    }
}

fn which(these: impl Iterator<Item = bool>) -> Which {
    let these: Vec<bool> = these.collect();
    if these.contains(&false) { Which::These(these) } else { Which::All }
}

/// A request of which nothing is known.
const BARE: Request = Request { method: "GET", host: "", path: "/", query: "", headers: &[], source: IpAddr::V4(Ipv4Addr::UNSPECIFIED) };

/// The conditions on what does not change from request to request of a class.
fn class_conditions(when: &When) -> Vec<Condition> {
    let any_case = |patterns: &[String]| patterns.iter().map(|text| Pattern::any_case(text)).collect();
    let query = |text: &String| match text.split_once('=') {
        Some((key, value)) => QueryPattern { key: Some(Pattern::any_case(key)), value: Pattern::any_case(value) },
        None => QueryPattern { key: None, value: Pattern::any_case(text) },
    };
    let mut conditions: Vec<Condition> =
        when.header.iter().map(|(name, patterns)| Condition::Header(name.clone(), any_case(patterns))).collect();
    if !when.host.is_empty() {
        conditions.push(Condition::Host(any_case(&when.host)));
    }
    if !when.method.is_empty() {
        conditions.push(Condition::Method(when.method.clone()));
    }
    if !when.query.is_empty() {
        conditions.push(Condition::Query(when.query.iter().map(query).collect()));
    }
    conditions
}

fn class_holds(conditions: &[Condition], class: &RequestClass) -> bool {
    let headers: Vec<(&str, &str)> = class.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let query: Vec<String> = class.query.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let query = query.join("&");
    let (method, host) = (class.method.as_deref().unwrap_or("GET"), class.host.as_deref().unwrap_or(""));
    let request = Request { method, host, query: &query, headers: &headers, ..BARE };
    conditions.iter().all(|condition| condition.holds(&request))
}
