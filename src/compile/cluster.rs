//! Nodes, pods, members and operations.

use super::places::Ground;
use super::{Names, sampler};
use crate::control::endpoints::{TrafficDistribution, TrafficPolicy as Policy};
use crate::control::probe;
use crate::control::replica_calculator::{Mistrust, Target, Tolerance};
use crate::control::rolling_update::{self, Budget};
use crate::control::scheduler::Resources;
use crate::control::{defaults, hpa};
use crate::input::Inputs;
use crate::model::client::NONE;
use crate::model::cluster::plan::{
    AutoscalePlan, ClusterPlan, MembersKind, MembersPlan, NodeAutoscalePlan, NodeGroupPlan, NodePlan, OperationPlan, PodGroupPlan,
    ProbePlan,
};
use crate::model::plan::{BalancerPlan, ServerPlan, TargetRef};
use crate::scenario::{
    Amount, Autoscale, Balancer, Established, Layer, Members, NodeGroup, Operation, Pods, Prefer, Probe, Scaling, Scenario, Select,
    ServerGroup, TrafficPolicy,
};
use crate::units::Time;
use std::sync::Arc;

fn most_nodes(group: &NodeGroup) -> u32 {
    group.autoscale.as_ref().map_or(group.count, |autoscale| autoscale.max.max(group.count))
}

/// Whether anything comes and goes, or can be lost with a node.
fn has_cluster(scenario: &Scenario) -> bool {
    !scenario.nodes.is_empty()
        || scenario.servers.iter().any(|group| group.pods.is_some())
        || scenario.balancers.iter().any(|balancer| balancer.members.is_some())
}

pub(super) fn compile_cluster(
    scenario: &Scenario,
    servers: &[ServerPlan],
    balancers: &[BalancerPlan],
    names: &Names,
    ground: &Ground,
    inputs: &Inputs,
) -> Result<Option<Arc<ClusterPlan>>, String> {
    if !has_cluster(scenario) {
        return Ok(None);
    }
    let with_pods: Vec<(&ServerGroup, &Pods)> = scenario.servers.iter().filter_map(|group| Some((group, group.pods.as_ref()?))).collect();
    let group_of = |server: &ServerPlan| {
        let place = with_pods.iter().position(|(group, _)| group.name == server.group);
        place.map_or(NONE, |place| place as u32)
    };
    let pod_group = |name: &str| {
        let place = with_pods.iter().position(|(group, _)| group.name == name);
        place.map(|place| place as u32).ok_or_else(|| format!("`{name}` has no pods"))
    };
    let mut operations = Vec::new();
    for operation in &scenario.operations {
        let (at, operation) = match operation {
            Operation::Rollout { group, at } => (at, OperationPlan::Rollout { group: pod_group(group)? }),
            Operation::Scale { group, replicas, at } => (at, OperationPlan::Scale { group: pod_group(group)?, replicas: *replicas }),
            Operation::Drain { node, at } => (at, OperationPlan::Drain { node: ground.node(node)? }),
            Operation::Weights { .. } => continue,
        };
        operations.push((Time(at.0), operation));
    }
    let mut first = 0;
    let mut node_groups = Vec::new();
    let mut nodes = Vec::new();
    for group in &scenario.nodes {
        let most = most_nodes(group);
        for number in 0..most {
            let name = format!("{}-{}", group.name, number + 1);
            let zone = ground.zone_of_node(&name);
            let allocatable = Resources { cpu_milli: group.cpu.0, memory: group.memory.0 };
            nodes.push(NodePlan { name, zone, allocatable, is_there_at_start: number < group.count });
        }
        let autoscale = group.autoscale.as_ref().map(|autoscale| NodeAutoscalePlan {
            scan: autoscale.scan,
            boot: sampler(&autoscale.boot, inputs),
            idle: autoscale.idle,
            min: autoscale.min.unwrap_or(group.count),
            utilization: autoscale.utilization.0,
            after_add: autoscale.after_add,
        });
        node_groups.push(NodeGroupPlan { first, most, autoscale });
        first += most;
    }
    let members = balancers.iter().map(|plan| {
        let balancer = origin(scenario, &plan.name)?;
        let is_named = |target: &TargetRef| match target {
            TargetRef::Server(_) => true,
            TargetRef::Balancer(inner) => balancers[*inner as usize].routing.place.node != NONE,
        };
        let healthy_after = plan.check.as_ref().map_or(1, |check| check.healthy_after);
        // An Application Load Balancer takes a new target after one pass; a Network Load Balancer after as many as an unhealthy one.
        let is_l7 = balancer.layer == Layer::L7;
        let first_passes = if is_l7 { defaults::target_group::FIRST_PASSES_ALB } else { healthy_after };
        let members = balancer.members.as_ref().filter(|_| plan.targets.iter().any(is_named));
        members.map(|members| compile_members(members, is_l7, first_passes, inputs))
    });
    Ok(Some(Arc::new(ClusterPlan {
        zones: ground.zones(),
        nodes,
        node_groups,
        groups: with_pods
            .iter()
            .map(|(group, pods)| compile_pods(group, pods, scenario, balancers, names, inputs))
            .collect::<Result<_, _>>()?,
        group_of: servers.iter().map(group_of).collect(),
        places: servers.iter().map(|server| server.place).collect(),
        balancers: balancers.iter().map(|balancer| balancer.routing.place).collect(),
        members: members.collect(),
        operations,
    })))
}

/// The balancer of the scenario that one of the plan is, is a copy of (`edge#2`), or is a group of (`edge/web`).
fn origin<'a>(scenario: &'a Scenario, plan: &str) -> Option<&'a Balancer> {
    let is_origin =
        |balancer: &&Balancer| plan.strip_prefix(&balancer.name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['#', '/']));
    scenario.balancers.iter().filter(is_origin).max_by_key(|balancer| balancer.name.len())
}

fn compile_pods(
    group: &ServerGroup,
    pods: &Pods,
    scenario: &Scenario,
    balancers: &[BalancerPlan],
    names: &Names,
    inputs: &Inputs,
) -> Result<PodGroupPlan, String> {
    let servers = names.servers(&group.name)?;
    // A pod must be healthy at each copy of a gate.
    let is_gate = |plan: &BalancerPlan| {
        let is_named = origin(scenario, &plan.name).is_some_and(|balancer| pods.readiness_gates.contains(&balancer.name));
        is_named && servers.iter().any(|server| plan.targets.contains(&TargetRef::Server(*server)))
    };
    let gates = (0..balancers.len()).filter(|balancer| is_gate(&balancers[*balancer])).map(|balancer| balancer as u32).collect();
    let budget = pods.disruption_budget.and_then(|budget| match (budget.min_available, budget.max_unavailable) {
        (Some(available), _) => Some(Budget::MinAvailable(amount(available))),
        (None, unavailable) => unavailable.map(|unavailable| Budget::MaxUnavailable(amount(unavailable))),
    });
    Ok(PodGroupPlan {
        name: group.name.clone(),
        servers,
        replicas: pods.replicas,
        request: Resources { cpu_milli: pods.cpu.0, memory: pods.memory.0 },
        image_pull: sampler(&pods.image_pull, inputs),
        start: sampler(&pods.start, inputs),
        startup: pods.startup_probe.as_ref().map(compile_probe),
        readiness: pods.readiness_probe.as_ref().map(compile_probe),
        liveness: pods.liveness_probe.as_ref().map(compile_probe),
        pre_stop: pods.pre_stop,
        grace: pods.grace,
        on_term: pods.on_term,
        address_lingers: pods.address_lingers,
        max_surge: amount(pods.rolling_update.max_surge),
        max_unavailable: amount(pods.rolling_update.max_unavailable),
        recreate: pods.rolling_update.recreate,
        min_ready: pods.rolling_update.min_ready,
        autoscale: pods.autoscale.as_ref().map(compile_autoscale),
        budget,
        gates,
    })
}

/// Kubernetes takes whole percentages.
fn amount(amount: Amount) -> rolling_update::Amount {
    match amount {
        Amount::Count(count) => rolling_update::Amount::Count(count),
        Amount::Share(share) => rolling_update::Amount::Percent((share.0 * 100.0).round() as u32),
    }
}

fn compile_probe(probe: &Probe) -> ProbePlan {
    let settings = probe::Probe {
        initial_delay: probe.initial_delay,
        period: probe.period,
        timeout: probe.timeout,
        success_threshold: probe.success_threshold,
        failure_threshold: probe.failure_threshold,
    };
    ProbePlan { probe: settings, is_http: probe.http.is_some(), joins_queue: probe.probes_queue }
}

fn compile_autoscale(autoscale: &Autoscale) -> AutoscalePlan {
    let target = match (autoscale.utilization, autoscale.in_flight) {
        (None, Some(in_flight)) => Target::AverageValue((in_flight * 1000.0).round() as u64),
        (utilization, _) => {
            let default = f64::from(defaults::hpa::CPU_TARGET_PERCENT) / 100.0;
            Target::Utilization((utilization.map_or(default, |share| share.0) * 100.0).round() as u32)
        }
    };
    AutoscalePlan {
        config: hpa::Config {
            min_replicas: autoscale.min,
            max_replicas: autoscale.max,
            behavior: (autoscale.scale_up.is_some() || autoscale.scale_down.is_some()).then(|| hpa::Behavior {
                up: rules(autoscale.scale_up.as_ref(), hpa::Rules::default_up()),
                down: rules(autoscale.scale_down.as_ref(), hpa::Rules::default_down()),
            }),
        },
        target,
        sync: autoscale.sync,
        window: autoscale.metrics_window,
        tolerance: Tolerance { down: autoscale.tolerance.0, up: autoscale.tolerance.0 },
        mistrust: Mistrust { cpu_initialization: autoscale.cpu_initialization, initial_readiness_delay: autoscale.initial_readiness_delay },
    }
}

fn rules(given: Option<&Scaling>, default: hpa::Rules) -> hpa::Rules {
    let Some(given) = given else { return default };
    let policy = |policy: &crate::scenario::ScalingPolicy| hpa::Policy {
        change: match policy.change {
            Amount::Count(pods) => hpa::Change::Pods(pods),
            Amount::Share(share) => hpa::Change::Percent((share.0 * 100.0).round() as u32),
        },
        period: policy.period,
    };
    hpa::Rules {
        window: given.window.unwrap_or(default.window),
        select: match given.select {
            Select::Max => hpa::Select::Max,
            Select::Min => hpa::Select::Min,
            Select::Disabled => hpa::Select::Disabled,
        },
        policies: given.policies.as_ref().map_or(default.policies, |policies| policies.iter().map(policy).collect()),
    }
}

fn compile_members(members: &Members, is_l7: bool, first_passes: u32, inputs: &Inputs) -> MembersPlan {
    match members {
        Members::Endpoints { delay, traffic, prefer } => MembersPlan {
            delay: sampler(delay, inputs),
            registration: None,
            kind: MembersKind::Endpoints {
                traffic: match traffic {
                    TrafficPolicy::Cluster => Policy::Cluster,
                    TrafficPolicy::Local => Policy::Local,
                },
                by_cpu: *prefer == Prefer::TopologyAuto,
                prefer: match prefer {
                    Prefer::None | Prefer::TopologyAuto => TrafficDistribution::Any,
                    Prefer::SameZone => TrafficDistribution::PreferSameZone,
                    Prefer::SameNode => TrafficDistribution::PreferSameNode,
                },
            },
        },
        Members::TargetGroup { delay, registration, deregistration_delay, established } => MembersPlan {
            delay: sampler(delay, inputs),
            registration: registration.as_ref().map(|registration| sampler(registration, inputs)),
            kind: MembersKind::TargetGroup {
                deregistration_delay: *deregistration_delay,
                resets_then: is_l7 || *established == Some(Established::Reset),
                first_passes,
            },
        },
    }
}
