//! Faults.

use super::places::Ground;
use super::{Names, sampler};
use crate::dist::Distribution;
use crate::input::Inputs;
use crate::model::places::{NOWHERE, Place as Spot};
use crate::model::plan::{BalancerPlan, FaultKind, FaultPlan, FaultSchedule, TargetRef};
use crate::scenario::{Fault, Scenario};
use crate::units::{Span, Time};
use std::collections::BTreeSet;

/// Where and when, as every kind of fault says it.
struct Place<'a> {
    server: &'a Option<String>,
    zone: &'a Option<String>,
    node: Option<&'a String>,
    at: Option<Span>,
    lasts: Option<Span>,
    random: Option<(&'a Distribution, &'a Distribution)>,
}

/// Takes the fields that the kinds have in common out of one of them.
macro_rules! place {
    ($fault:expr) => {
        place!($fault, None)
    };
    ($fault:expr, $node:expr) => {
        Place {
            server: &$fault.server,
            zone: &$fault.zone,
            node: $node,
            at: $fault.at,
            lasts: $fault.lasts,
            random: $fault.mtbf.as_ref().zip($fault.mttr.as_ref()),
        }
    };
}

pub(super) fn compile_fault(
    fault: &Fault,
    scenario: &Scenario,
    names: &Names,
    ground: &Ground,
    balancers: &[BalancerPlan],
    inputs: &Inputs,
) -> Result<FaultPlan, String> {
    let (word, kind, place) = match fault {
        Fault::Crash(fault) => ("crash", FaultKind::Crash, place!(fault, fault.node.as_ref())),
        Fault::Hang(fault) => ("hang", FaultKind::Hang, place!(fault)),
        Fault::Blackhole(fault) => ("blackhole", FaultKind::Blackhole, place!(fault, fault.node.as_ref())),
        Fault::Errors(fault) => ("errors", FaultKind::Errors { share: fault.share.0, at_once: fault.at_once }, place!(fault)),
        Fault::Slow(fault) => ("slow", FaultKind::Slow { factor: fault.factor }, place!(fault)),
        Fault::Flap(fault) => {
            let place = Place { server: &fault.server, zone: &fault.zone, node: None, at: fault.at, lasts: fault.lasts, random: None };
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
    let (whom, servers, nodes, balancers) = match (place.server, place.zone, place.node) {
        (None, None, Some(node)) => (node.clone(), Vec::new(), vec![ground.node(node)?], Vec::new()),
        (Some(server), ..) => (server.clone(), names.servers(server)?, Vec::new(), Vec::new()),
        (None, Some(zone), _) => {
            let (servers, nodes) = (names.zones.get(zone).cloned().unwrap_or_default(), ground.nodes_of_zone(zone));
            let cuts_off = matches!(kind, FaultKind::Crash | FaultKind::Blackhole);
            let balancers = ground.zone(zone).filter(|_| cuts_off).map_or(Vec::new(), |zone| machines(balancers, zone));
            if servers.is_empty() && nodes.is_empty() && balancers.is_empty() {
                return Err(format!("`{zone}` is not a zone"));
            }
            (format!("zone {zone}"), servers, nodes, balancers)
        }
        (None, None, None) => return Err(format!("the fault `{word}` says neither `server` nor `zone`")),
    };
    let is_alone = scenario.faults.len() == 1;
    let when = if at > Time::ZERO && !is_alone { format!(" at {}", Span(at.0)) } else { String::new() };
    Ok(FaultPlan { name: format!("{word} {whom}{when}"), stream: format!("{word} {whom}"), kind, servers, nodes, balancers, schedule })
}

/// The balancers of a zone that run on none of the scenario's nodes, such as those of a managed load balancer: each with its parts.
fn machines(balancers: &[BalancerPlan], zone: u32) -> Vec<Vec<u32>> {
    let is_here = |index: u32| balancers[index as usize].routing.place == Spot { zone, ..NOWHERE };
    let is_part = |index: u32| balancers[index as usize].routing.is_transparent;
    let here = || (0..balancers.len() as u32).filter(|index| is_here(*index));
    let mut seen = BTreeSet::new();
    let mut machines = Vec::new();
    for first in here().filter(|index| !is_part(*index)).chain(here().filter(|index| is_part(*index))) {
        let mut machine = Vec::new();
        let mut todo = vec![first];
        while let Some(index) = todo.pop() {
            if seen.insert(index) {
                machine.push(index);
                let inner = balancers[index as usize].targets.iter().filter_map(|target| match target {
                    TargetRef::Balancer(inner) if is_here(*inner) && is_part(*inner) => Some(*inner),
                    _ => None,
                });
                todo.extend(inner);
            }
        }
        if !machine.is_empty() {
            machines.push(machine);
        }
    }
    machines
}
