//! Resolves a checked scenario into the plan of its runs: names to indexes, units to nanoseconds, defaults to values.

use crate::dist::{Distribution, Sampler};
use crate::input::{Inputs, TraceData};
use crate::model::plan::{
    ArrivalPlan, BalancerPlan, CheckPlan, ClassChoice, ClassPlan, ClientPlan, FaultKind, FaultPlan, FaultSchedule, RetryPlan, ServerPlan,
    SessionPlan, StickyPlan, TargetRef, Topology, TracePlan, Users,
};
use crate::scenario::{
    Abandoned, Arrivals, Balancer, Client, Discipline, Fault, HealthCheck, Initially, IntervalFrom, Phase, RequestClass, Retry, RetryTo,
    Scenario, ServerGroup, Slo, Sticky, Warmup, WhenNone,
};
use crate::units::{Span, Time};
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
    for client in &scenario.clients {
        clients.push(compile_client(client, scenario.clients.len() > 1, &mut classes, &mut paths, inputs)?);
    }
    let servers: Vec<ServerPlan> = scenario.servers.iter().flat_map(|group| compile_group(group, inputs)).collect();
    let names = Names::new(scenario, &servers);
    let balancers: Vec<BalancerPlan> =
        scenario.balancers.iter().map(|balancer| compile_balancer(balancer, &names, inputs)).collect::<Result<_, _>>()?;
    let entry = match &scenario.entry {
        Some(entry) => names.balancer(entry)?,
        None => 0,
    };
    let faults = scenario.faults.iter().map(|fault| compile_fault(fault, scenario, &names, inputs));
    let mut faults: Vec<FaultPlan> = faults.collect::<Result<_, _>>()?;
    number_alike(faults.iter_mut().map(|fault| &mut fault.name));
    number_alike(faults.iter_mut().map(|fault| &mut fault.stream));
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
        topology: Arc::new(Topology { clients, classes, paths: paths.list, servers, balancers, entry, depth_max, faults }),
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
            let zone = scenario.servers.iter().find(|group| group.name == server.group).and_then(|group| group.zone.clone());
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

// ---- Clients ----------------------------------------------------------------------------------------------------------

fn compile_client(
    client: &Client,
    is_one_of_many: bool,
    classes: &mut Vec<ClassPlan>,
    paths: &mut Paths,
    inputs: &Inputs,
) -> Result<ClientPlan, String> {
    let trace = match &client.arrivals {
        Arrivals::Trace(trace) => Some(inputs.trace(trace).ok_or_else(|| format!("trace {} was not read", trace.file))?),
        _ => None,
    };
    let choices = compile_classes(client, is_one_of_many, classes, paths, inputs);
    let users = match (&trace, &client.arrivals, &client.population) {
        (Some(trace), ..) if trace.client.is_some() => Users::Traced(trace.clients.len() as u32),
        (_, Arrivals::Closed { users, .. }, _) => Users::Alike(*users),
        (_, _, None) => Users::Unbounded,
        (_, _, Some(population)) if population.zipf == 0.0 => Users::Alike(population.users),
        (_, _, Some(population)) => Users::Zipf { users: population.users, exponent: population.zipf },
    };
    Ok(ClientPlan {
        name: client.name.clone(),
        arrivals: compile_arrivals(&client.arrivals, trace, paths, inputs),
        users,
        nat: client.addresses.map(|addresses| (addresses.nat.share, addresses.nat.behind)),
        session: client.session.as_ref().map(|session| SessionPlan { requests: session.requests, think: sampler(&session.think, inputs) }),
        classes: choices,
        latency: delay(client.latency.as_ref(), inputs),
        timeout: client.timeout,
        retry: client.retry.as_ref().map(compile_retry),
    })
}

/// The client's classes; a trace that says the work itself has one that is only a name.
fn compile_classes(
    client: &Client,
    is_one_of_many: bool,
    classes: &mut Vec<ClassPlan>,
    paths: &mut Paths,
    inputs: &Inputs,
) -> Vec<ClassChoice> {
    let traced = [RequestClass { name: None, path: None, weight: 1.0, work: Distribution::Constant(Span::ZERO) }];
    let given = if client.requests.is_empty() { &traced[..] } else { &client.requests[..] };
    let mut choices = Vec::new();
    for class in given {
        let path = class.path.as_deref().unwrap_or("/");
        let own = class.name.as_deref().or(class.path.as_deref()).unwrap_or("all");
        let name = if is_one_of_many { format!("{} {own}", client.name) } else { own.to_owned() };
        choices.push(ClassChoice { class: classes.len() as u32, weight: class.weight, work: sampler(&class.work, inputs) });
        classes.push(ClassPlan { name, path: paths.add(path) });
    }
    choices
}

fn compile_arrivals(arrivals: &Arrivals, trace: Option<Arc<TraceData>>, paths: &mut Paths, inputs: &Inputs) -> ArrivalPlan {
    match arrivals {
        Arrivals::Poisson { rate } => ArrivalPlan::Poisson { per_second: rate.0 },
        Arrivals::Deterministic { rate } => ArrivalPlan::Deterministic { per_second: rate.0 },
        Arrivals::Renewal { gap } => ArrivalPlan::Renewal { gap: sampler(gap, inputs) },
        Arrivals::Mmpp { states } => {
            ArrivalPlan::Mmpp { states: states.iter().map(|state| (state.rate.0, state.mean_stay.as_secs_f64())).collect() }
        }
        Arrivals::Diurnal { mean, amplitude, period } => {
            ArrivalPlan::Diurnal { mean: mean.0, amplitude: amplitude.0, period_s: period.as_secs_f64() }
        }
        Arrivals::Piecewise { points } => {
            ArrivalPlan::Piecewise { points: points.iter().map(|point| (point.at.as_secs_f64(), point.rate.0)).collect() }
        }
        Arrivals::Burst { base, peak, every, lasts } => ArrivalPlan::Burst { base: base.0, peak: peak.0, every: *every, lasts: *lasts },
        Arrivals::Closed { users, think } => ArrivalPlan::Closed { users: *users, think: sampler(think, inputs) },
        Arrivals::Trace(_) => ArrivalPlan::Trace(Arc::new(trace.map_or_else(TracePlan::default, |trace| compile_trace(&trace, paths)))),
    }
}

fn compile_trace(trace: &TraceData, paths: &mut Paths) -> TracePlan {
    let places: Vec<u32> = trace.paths.iter().map(|path| paths.add(path)).collect();
    TracePlan {
        at: trace.at.clone(),
        work: trace.work.clone().unwrap_or_default(),
        client: trace.client.clone().unwrap_or_default(),
        addresses: trace.clients.iter().map(|client| client.address).collect(),
        path: trace.path.iter().flatten().map(|path| places[*path as usize]).collect(),
    }
}

fn compile_retry(retry: &Retry) -> RetryPlan {
    RetryPlan {
        max: retry.max,
        when: retry.when.clone(),
        base: retry.backoff.base,
        backoff_max: retry.backoff.max,
        jitter: retry.backoff.jitter,
        budget: retry.budget,
        to_other: retry.to == RetryTo::Other,
    }
}

// ---- Servers and balancers --------------------------------------------------------------------------------------------

fn compile_group(group: &ServerGroup, inputs: &Inputs) -> Vec<ServerPlan> {
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
    };
    (1..=group.count).map(server).collect()
}

fn compile_balancer(balancer: &Balancer, names: &Names, inputs: &Inputs) -> Result<BalancerPlan, String> {
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

// ---- Faults -----------------------------------------------------------------------------------------------------------

/// Where and when, as every kind of fault says it.
struct Place<'a> {
    server: &'a Option<String>,
    zone: &'a Option<String>,
    at: Option<Span>,
    lasts: Option<Span>,
    random: Option<(&'a Distribution, &'a Distribution)>,
}

/// Takes the fields that the kinds have in common out of one of them.
macro_rules! place {
    ($fault:expr) => {
        Place {
            server: &$fault.server,
            zone: &$fault.zone,
            at: $fault.at,
            lasts: $fault.lasts,
            random: $fault.mtbf.as_ref().zip($fault.mttr.as_ref()),
        }
    };
}

fn compile_fault(fault: &Fault, scenario: &Scenario, names: &Names, inputs: &Inputs) -> Result<FaultPlan, String> {
    let (word, kind, place) = match fault {
        Fault::Crash(fault) => ("crash", FaultKind::Crash, place!(fault)),
        Fault::Hang(fault) => ("hang", FaultKind::Hang, place!(fault)),
        Fault::Blackhole(fault) => ("blackhole", FaultKind::Blackhole, place!(fault)),
        Fault::Errors(fault) => ("errors", FaultKind::Errors { share: fault.share.0, at_once: fault.at_once }, place!(fault)),
        Fault::Slow(fault) => ("slow", FaultKind::Slow { factor: fault.factor }, place!(fault)),
        Fault::Flap(fault) => {
            let place = Place { server: &fault.server, zone: &fault.zone, at: fault.at, lasts: fault.lasts, random: None };
            ("flap", FaultKind::Crash, place)
        }
    };
    let (at, until) =
        (Time::ZERO + place.at.unwrap_or_default(), place.lasts.map(|lasts| Time::ZERO + place.at.unwrap_or_default() + lasts));
    let schedule = match (fault, place.random) {
        (Fault::Flap(flap), _) => FaultSchedule::Flap { at, until, up: flap.up, down: flap.down },
        (_, Some((mtbf, mttr))) => FaultSchedule::Random { mtbf: sampler(mtbf, inputs), mttr: sampler(mttr, inputs) },
        _ => FaultSchedule::Once { at, until },
    };
    let (whom, servers) = match (place.server, place.zone) {
        (Some(server), _) => (server.clone(), names.servers(server)?),
        (None, Some(zone)) => (format!("zone {zone}"), names.zones.get(zone).cloned().ok_or_else(|| format!("`{zone}` is not a zone"))?),
        (None, None) => return Err(format!("the fault `{word}` says neither `server` nor `zone`")),
    };
    let is_alone = scenario.faults.len() == 1;
    let when = if at > Time::ZERO && !is_alone { format!(" at {}", Span(at.0)) } else { String::new() };
    Ok(FaultPlan { name: format!("{word} {whom}{when}"), stream: format!("{word} {whom}"), kind, servers, schedule })
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
