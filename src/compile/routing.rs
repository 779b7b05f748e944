//! Servers and balancers.

use super::clients::compile_retry;
use super::connections::{compile_tls, compile_ways};
use super::places::Ground;
use super::{Names, delay};
use crate::control::slow_start as slow;
use crate::control::target_group::Minimum;
use crate::input::Inputs;
use crate::model::dns::DnsPlan;
use crate::model::plan::{BalancerPlan, CheckPlan, RoutingPlan, ServerPlan, StickyPlan, TargetRef};
use crate::policy::slow_start;
use crate::scenario::{
    Abandoned, Balancer, Discipline, Dns, HealthCheck, Initially, IntervalFrom, MinimumHealthy, Phase, Scenario, ServerGroup, Shape,
    SlowStart, Sticky, WhenNone,
};
use std::collections::BTreeMap;

pub(super) fn compile_group(group: &ServerGroup, ground: &mut Ground, inputs: &Inputs) -> Vec<ServerPlan> {
    let place = ground.place(group.zone.as_deref(), group.node.as_deref());
    let server = |number: u32| ServerPlan {
        name: format!("{}-{number}", group.name),
        group: group.name.clone(),
        slots: group.slots.count(),
        queue: group.queue.count(),
        is_ps: group.discipline == Discipline::Ps,
        speed: group.speed,
        weight: group.weight,
        latency: delay(group.latency.as_ref(), inputs),
        cancels_abandoned: group.abandoned == Abandoned::Cancel,
        place,
        keep_alive: group.keep_alive,
        tls: group.tls.as_ref().map(|tls| compile_tls(tls, inputs)),
    };
    (1..=group.count).map(server).collect()
}

pub(super) fn compile_balancer(
    balancer: &Balancer,
    scenario: &Scenario,
    names: &Names,
    ground: &mut Ground,
    inputs: &Inputs,
) -> Result<BalancerPlan, String> {
    let targets: Vec<Vec<TargetRef>> = balancer.targets.iter().map(|target| names.targets(target)).collect::<Result<_, _>>()?;
    Ok(BalancerPlan {
        name: balancer.name.clone(),
        targets: targets.concat(),
        algorithm: balancer.algorithm.clone(),
        when_none: balancer.health_check.as_ref().map_or(WhenNone::Fail, |check| check.when_none),
        check: balancer.health_check.as_ref().map(compile_check),
        sticky: balancer.sticky.as_ref().map(|sticky| match sticky {
            Sticky::Cookie { ttl, set_with, .. } => StickyPlan::Cookie { ttl: *ttl, set_with: *set_with },
            Sticky::SourceIp { ttl } => StickyPlan::SourceIp { ttl: *ttl },
        }),
        retry: balancer.retry.as_ref().map(compile_retry),
        connect_timeout: balancer.connect_timeout,
        timeout: balancer.timeout,
        latency: delay(balancer.latency.as_ref(), inputs),
        weight: balancer.weight,
        routing: RoutingPlan {
            place: ground.place(balancer.zone.as_deref(), balancer.node.as_deref()),
            own_zone_only: balancer.own_zone_only,
            is_transparent: balancer.dns.is_some() || balancer.inside,
            dns: balancer.dns.as_ref().map(compile_dns),
            slow_start: balancer.slow_start.map(compile_slow_start),
            dns_minimum: balancer.health_check.as_ref().and_then(|check| check.dns_minimum).map_or_else(Minimum::default, dns_minimum),
            ..RoutingPlan::default()
        },
        ways: compile_ways(balancer, scenario, inputs),
    })
}

/// A share of the targets is one of them at least.
fn dns_minimum(MinimumHealthy(given): MinimumHealthy) -> Minimum {
    Minimum { count: given.count.or(Minimum::default().count), ..given }
}

fn compile_check(check: &HealthCheck) -> CheckPlan {
    CheckPlan {
        is_http: check.http.is_some(),
        status: check.status,
        interval: check.interval,
        timeout: check.timeout,
        unhealthy_after: check.unhealthy_after,
        healthy_after: check.healthy_after,
        from_end: check.interval_from == IntervalFrom::End,
        random_phase: check.phase == Phase::Random,
        initially_healthy: check.initially == Initially::Healthy,
        joins_queue: check.checks_queue,
        asks_node: check.node_port,
    }
}

/// Without the distances, which need the places of all.
fn compile_dns(dns: &Dns) -> DnsPlan {
    DnsPlan {
        routing: dns.routing,
        ttl: dns.ttl,
        resolvers: dns.resolvers,
        ignore_ttl: dns.ignore_ttl,
        answers: dns.answers as usize,
        distances: BTreeMap::new(),
    }
}

fn compile_slow_start(start: SlowStart) -> slow_start::Config {
    let shape = match start.shape {
        Shape::Linear => slow::Shape::Linear,
        Shape::Envoy => slow::Shape::Envoy { aggression: start.aggression, share_min: start.least.0 },
        Shape::Haproxy => slow::Shape::HaProxy,
    };
    slow_start::Config { window: start.lasts, shape, least: start.least.0 }
}
