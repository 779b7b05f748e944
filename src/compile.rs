//! Resolves a checked scenario into the plan of its runs: names to indexes, units to nanoseconds, defaults to values.

mod clients;
mod cluster;
mod connections;
mod faults;
mod operations;
mod places;
mod routes;
mod routing;

use crate::dist::{Distribution, Sampler};
use crate::input::Inputs;
use crate::model::plan::{ArrivalPlan, BalancerPlan, ClientPlan, FaultPlan, ServerPlan, TargetRef, Topology};
use crate::scenario::{Scenario, Slo, Warmup};
use crate::units::{Span, Time};
use clients::compile_client;
use cluster::compile_cluster;
use faults::compile_fault;
use operations::compile_operations;
use places::{Ground, compile_network};
use routes::{resolve_distances, spread_and_group};
use routing::{compile_balancer, compile_group};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A variant at a sweep point, ready to run.
#[derive(Clone)]
pub struct Compiled {
    pub name: String,
    /// The sweep's coordinates: (path, value as written).
    pub point: Vec<(String, String)>,
    pub topology: Arc<Topology>,
    pub duration: Time,
    /// The duration is the trace's: what is open at its end is played to the end.
    pub drains: bool,
    pub warmup: Warmup,
    pub slo: Option<Slo>,
    /// Uses a yardstick that no balancer can run.
    pub is_oracle: bool,
}

/// Compiles a scenario that has passed its checks. What the files that it names make impossible is an error in words.
pub fn compile(name: &str, point: &[(String, String)], scenario: &Scenario, inputs: &Inputs) -> Result<Compiled, String> {
    let mut paths = Paths::default();
    let mut classes = Vec::new();
    let mut clients = Vec::new();
    let mut ground = Ground::of(scenario);
    for client in &scenario.clients {
        let plan = compile_client(client, scenario.clients.len() > 1, &mut classes, &mut paths, inputs)?;
        clients.push(ClientPlan { place: ground.place(client.zone.as_deref(), None), ..plan });
    }
    let servers: Vec<ServerPlan> = scenario.servers.iter().flat_map(|group| compile_group(group, &mut ground, inputs)).collect();
    let names = Names::new(scenario, &servers);
    let mut balancers: Vec<BalancerPlan> = scenario
        .balancers
        .iter()
        .map(|balancer| compile_balancer(balancer, scenario, &names, &mut ground, inputs))
        .collect::<Result<_, _>>()?;
    let made_of = spread_and_group(scenario, &mut balancers, &names, &paths)?;
    resolve_distances(scenario, &mut balancers, &servers, &mut ground);
    let entry = match &scenario.entry {
        Some(entry) => names.balancer(entry)?,
        None => 0,
    };
    let cluster = compile_cluster(scenario, &servers, &balancers, &names, &ground, inputs)?;
    let faults = scenario.faults.iter().map(|fault| compile_fault(fault, scenario, &names, &ground, &balancers, inputs));
    let mut faults: Vec<FaultPlan> = faults.collect::<Result<_, _>>()?;
    number_alike(faults.iter_mut().map(|fault| &mut fault.name));
    number_alike(faults.iter_mut().map(|fault| &mut fault.stream));
    let operations = compile_operations(scenario, &names, &balancers, &made_of)?;
    let depth_max = depth(entry, &balancers, &mut vec![0; balancers.len()]);
    let duration = duration(scenario, &clients)?;
    if let Warmup::Fixed(warmup) = scenario.warmup
        && warmup.0 >= duration.0
    {
        return Err(format!("warmup is {warmup}, but the run is over after {}", Span(duration.0)));
    }
    Ok(Compiled {
        name: name.to_owned(),
        point: point.to_vec(),
        is_oracle: scenario.balancers.iter().any(|balancer| balancer.algorithm.is_oracle()),
        topology: Arc::new(Topology {
            clients,
            classes,
            paths: paths.list,
            servers,
            balancers,
            entry,
            depth_max,
            faults,
            operations,
            cluster,
            network: compile_network(scenario, inputs),
        }),
        duration,
        drains: scenario.duration.is_none(),
        warmup: scenario.warmup,
        slo: scenario.slo,
    })
}

/// The given duration, or the length of the longest trace.
fn duration(scenario: &Scenario, clients: &[ClientPlan]) -> Result<Time, String> {
    if let Some(duration) = scenario.duration {
        return Ok(Time(duration.0));
    }
    let ends = clients.iter().filter_map(|client| match &client.arrivals {
        ArrivalPlan::Trace(trace) => trace.at.last().copied(),
        _ => None,
    });
    ends.max().ok_or_else(|| "duration is missing; without a trace it must say how long a run lasts, such as `10m`".to_owned())
}

/// Longest chain of balancers from one of them on. `known` has what was found before: the ways through many balancers are more
/// than can be walked.
fn depth(balancer: u32, balancers: &[BalancerPlan], known: &mut [usize]) -> usize {
    if known[balancer as usize] == 0 {
        let inner = balancers[balancer as usize].targets.iter().map(|target| match target {
            TargetRef::Server(_) => 0,
            TargetRef::Balancer(inner) => depth(*inner, balancers, known),
        });
        known[balancer as usize] = 1 + inner.max().unwrap_or(0);
    }
    known[balancer as usize]
}

/// Distinct paths in order of appearance.
#[derive(Default)]
struct Paths {
    list: Vec<String>,
    index: BTreeMap<String, u32>,
}

impl Paths {
    fn add(&mut self, path: &str) -> u32 {
        *self.index.entry(path.to_owned()).or_insert_with(|| {
            self.list.push(path.to_owned());
            self.list.len() as u32 - 1
        })
    }
}

/// What the names in a scenario stand for.
struct Names {
    groups: BTreeMap<String, Vec<u32>>,
    servers: BTreeMap<String, u32>,
    zones: BTreeMap<String, Vec<u32>>,
    balancers: BTreeMap<String, u32>,
}

impl Names {
    fn new(scenario: &Scenario, servers: &[ServerPlan]) -> Names {
        let mut names = Names { groups: BTreeMap::new(), servers: BTreeMap::new(), zones: BTreeMap::new(), balancers: BTreeMap::new() };
        for (index, server) in servers.iter().enumerate() {
            names.servers.insert(server.name.clone(), index as u32);
            names.groups.entry(server.group.clone()).or_default().push(index as u32);
            let group = scenario.servers.iter().find(|group| group.name == server.group);
            // Pods are where their nodes are, if there are any.
            let is_fixed = |group: &&crate::scenario::ServerGroup| group.pods.is_none() || scenario.nodes.is_empty();
            let zone = group.filter(is_fixed).and_then(|group| group.zone.clone());
            if let Some(zone) = zone {
                names.zones.entry(zone).or_default().push(index as u32);
            }
        }
        names.balancers = scenario.balancers.iter().enumerate().map(|(index, balancer)| (balancer.name.clone(), index as u32)).collect();
        names
    }

    fn balancer(&self, name: &str) -> Result<u32, String> {
        self.balancers.get(name).copied().ok_or_else(|| format!("`{name}` is not a balancer"))
    }

    /// A group's servers, or the one server of that name.
    fn servers(&self, name: &str) -> Result<Vec<u32>, String> {
        let group = self.groups.get(name).cloned();
        group.or_else(|| self.servers.get(name).map(|server| vec![*server])).ok_or_else(|| format!("`{name}` is not a server"))
    }

    fn targets(&self, name: &str) -> Result<Vec<TargetRef>, String> {
        match self.balancers.get(name) {
            Some(balancer) => Ok(vec![TargetRef::Balancer(*balancer)]),
            None => Ok(self.servers(name)?.into_iter().map(TargetRef::Server).collect()),
        }
    }
}

fn sampler(distribution: &Distribution, inputs: &Inputs) -> Sampler {
    distribution.sampler(inputs.empirical(distribution))
}

fn delay(latency: Option<&Distribution>, inputs: &Inputs) -> Sampler {
    sampler(latency.unwrap_or(&Distribution::Constant(Span::ZERO)), inputs)
}

/// Tells those of one name apart by a number.
fn number_alike<'a>(names: impl Iterator<Item = &'a mut String>) {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for name in names {
        let count = seen.entry(name.clone()).or_default();
        *count += 1;
        if *count > 1 {
            *name = format!("{name} ({count})");
        }
    }
}
