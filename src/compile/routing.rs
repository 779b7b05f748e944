//! Servers and balancers.

use super::clients::compile_retry;
use super::places::Ground;
use super::{Names, delay};
use crate::input::Inputs;
use crate::model::plan::{BalancerPlan, CheckPlan, RoutingPlan, ServerPlan, StickyPlan, TargetRef};
use crate::scenario::{Abandoned, Balancer, Discipline, HealthCheck, Initially, IntervalFrom, Phase, ServerGroup, Sticky, WhenNone};

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
    };
    (1..=group.count).map(server).collect()
}

pub(super) fn compile_balancer(balancer: &Balancer, names: &Names, ground: &mut Ground, inputs: &Inputs) -> Result<BalancerPlan, String> {
    let targets: Vec<Vec<TargetRef>> = balancer.targets.iter().map(|target| names.targets(target)).collect::<Result<_, _>>()?;
    Ok(BalancerPlan {
        name: balancer.name.clone(),
        targets: targets.concat(),
        algorithm: balancer.algorithm.clone(),
        when_none: balancer.health_check.as_ref().map_or(WhenNone::Fail, |check| check.when_none),
        check: balancer.health_check.as_ref().map(compile_check),
        sticky: balancer.sticky.as_ref().map(|sticky| match sticky {
            Sticky::Cookie { ttl, .. } => StickyPlan::Cookie { ttl: *ttl },
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
            ..RoutingPlan::default()
        },
    })
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
    }
}
