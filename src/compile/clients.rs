//! Clients: their arrivals, users, classes and what they do when no answer comes.

use super::connections::compile_connections;
use super::{Paths, delay, sampler};
use crate::dist::Distribution;
use crate::input::{Inputs, TraceData};
use crate::model::places::NOWHERE;
use crate::model::plan::{ArrivalPlan, ClassChoice, ClassPlan, ClientPlan, RetryPlan, SessionPlan, TracePlan, Users};
use crate::scenario::{Arrivals, Client, RequestClass, Retry, Sharing};
use crate::units::Span;
use std::sync::Arc;

/// Methods that may do something twice when they are sent twice. Source: nginx, ngx_http_upstream.c (`proxy_next_upstream`).
const NOT_IDEMPOTENT: [&str; 3] = ["POST", "PATCH", "LOCK"];

pub(super) fn compile_client(
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
        place: NOWHERE,
        arrivals: compile_arrivals(&client.arrivals, trace, paths, inputs),
        users,
        nat: client.addresses.map(|addresses| (addresses.nat.share, addresses.nat.behind)),
        session: client.session.as_ref().map(|session| SessionPlan { requests: session.requests, think: sampler(&session.think, inputs) }),
        classes: choices.into(),
        latency: delay(client.latency.as_ref(), inputs),
        timeout: client.timeout,
        retry: client.retry.as_ref().map(compile_retry),
        kept: client.connections.as_ref().map(|connections| compile_connections(connections, Sharing::User)),
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
    let traced = [RequestClass::of_work(Distribution::Constant(Span::ZERO))];
    let given = if client.requests.is_empty() { &traced[..] } else { &client.requests[..] };
    let mut choices = Vec::new();
    for class in given {
        let path = paths.add(class.path.as_deref().unwrap_or("/"));
        let own = class.name.as_deref().or(class.path.as_deref()).unwrap_or("all");
        let name = if is_one_of_many { format!("{} {own}", client.name) } else { own.to_owned() };
        choices.push(ClassChoice { class: classes.len() as u32, path, weight: class.weight, work: sampler(&class.work, inputs) });
        let is_idempotent = !class.method.as_deref().is_some_and(|method| NOT_IDEMPOTENT.contains(&method));
        classes.push(ClassPlan { name, path, size: class.size.0, is_idempotent });
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

pub(super) fn compile_retry(retry: &Retry) -> RetryPlan {
    RetryPlan {
        max: retry.max,
        when: retry.when.clone(),
        base: retry.backoff.base,
        backoff_max: retry.backoff.max,
        jitter: retry.backoff.jitter,
        budget: retry.budget,
        to: retry.to,
        non_idempotent: retry.non_idempotent,
    }
}
