//! Connections that are ended from outside, in the middle of a run.

use super::Ending;
use crate::compile::compile;
use crate::error::Source;
use crate::input::Inputs;
use crate::measure::RunRecord;
use crate::model::plan::Plan;
use crate::model::world::World;
use crate::scenario::Failure;
use crate::scenario::variants::read;
use crate::units::{Span, Time};

/// Requests at 1, 2, 3, ... s of 300 ms each, 10 ms from the balancer; up to 10.5 s. At 4.2 s, with one of them in work, `strike` happens.
fn run(client: &str, balancers: &str, strike: impl FnOnce(&mut World)) -> RunRecord {
    let text = format!(
        "duration: 10500ms\nclients: [{{ name: c, arrivals: {{ deterministic: {{ rate: 1/s }} }}, population: 1, latency: {{ constant: 10ms }}, \
         requests: [{{ work: {{ constant: 300ms }} }}]{client} }}]\nservers: [{{ name: s }}]\nbalancers: [{balancers}]\n"
    );
    let study = read(Source { name: "strike.yaml".to_owned(), text }, &[]).expect("it is a scenario");
    let compiled = compile("strike", &[], &study.variants[0].scenario, &Inputs::default()).expect("it compiles");
    let mut world = World::new(Plan {
        seed: 1,
        replication: 0,
        duration: compiled.duration,
        drains: false,
        warmup: Time::ZERO,
        timeline_bin: Span::from_secs(1),
        is_pilot: false,
        topology: compiled.topology,
    });
    world.begin();
    world.play(Time(4_200_000_000), World::handle);
    strike(&mut world);
    world.play(compiled.duration, World::handle);
    world.end();
    world.finish()
}

const KEPT: &str = ", connections: {}";

/// (answered, reset, connections opened by the client)
fn outcome(record: &RunRecord) -> (u64, u64, u64) {
    let reset = record.requests.by_error().find(|(failure, _)| *failure == Failure::Reset).map_or(0, |(_, count)| count);
    assert_eq!(record.requests.failed(), reset);
    (record.requests.ok, reset, record.openers[0].map_or(0, |opener| opener.opened))
}

#[test]
fn a_server_that_drains_answers_what_it_has_and_its_connections_end() {
    let through_l4 = "{ name: lb, layer: l4, targets: [s] }";
    let clean = run(KEPT, through_l4, |world| world.close_connections_to(0, Ending::Clean));
    assert_eq!(outcome(&clean), (10, 0, 2));
    // Nobody hears of it: the next request is reset. (What is in work is somebody else's matter: the answer comes.)
    let silent = run(KEPT, through_l4, |world| world.close_connections_to(0, Ending::Silent));
    assert_eq!(outcome(&silent), (9, 1, 2));
}

#[test]
fn an_l4_balancer_that_ends_takes_the_requests_on_its_connections_with_it() {
    let l4 = "{ name: lb, layer: l4, targets: [s] }";
    for client in [KEPT, ""] {
        let opened = if client.is_empty() { 0 } else { 2 };
        let reset = run(client, l4, |world| world.close_connections_of(0, Ending::Reset));
        assert_eq!(outcome(&reset), (9, 1, opened));
        let clean = run(client, l4, |world| world.close_connections_of(0, Ending::Clean));
        assert_eq!(clean.requests.ok, 10);
    }
    let silent = run("", l4, |world| world.close_connections_of(0, Ending::Silent));
    assert_eq!((silent.requests.ok, silent.unfinished, silent.stuck), (9, 1, 1));
}

#[test]
fn a_balancer_that_ends_resets_who_came_to_it_and_lets_go_of_what_it_opened() {
    let lb = "{ name: lb, targets: [s], connections: {} }";
    for client in [KEPT, ""] {
        let opened = if client.is_empty() { 0 } else { 2 };
        let reset = run(client, lb, |world| world.close_connections_of(0, Ending::Reset));
        assert_eq!(outcome(&reset), (9, 1, opened));
        assert_eq!(reset.openers[1].expect("it keeps connections").opened, 2);
        let clean = run(client, lb, |world| world.close_connections_of(0, Ending::Clean));
        assert_eq!(outcome(&clean), (10, 0, opened));
    }
}

#[test]
fn established_connections_are_reset_to_one_target_only() {
    let l4 = "{ name: lb, layer: l4, targets: [s] }";
    let here = run(KEPT, l4, |world| world.reset_established(0, 0));
    assert_eq!(outcome(&here), (9, 1, 2));
    let elsewhere = run(KEPT, "{ name: lb, layer: l4, targets: [s, x] }, { name: x, targets: [s] }", |world| world.reset_established(0, 1));
    assert_eq!(outcome(&elsewhere), (10, 0, 1));
}
