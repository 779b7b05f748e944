//! The open road leads where the steps lead: random scenarios are run both ways, and every file of results is compared byte for byte.

use super::csv;
use crate::compile::{Compiled, compile};
use crate::error::Source;
use crate::experiment::{Options, run_by};
use crate::input::Inputs;
use crate::measure::RunRecord;
use crate::model::{self, plan::Plan};
use crate::scenario::variants;
use crate::summary::tests::about;
use crate::summary::{Accumulator, summarise};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestCaseError, TestRunner};
use std::cell::Cell;
use std::sync::atomic::AtomicBool;

/// Each of them meets `plain` with nine tenths, else what takes a scenario off the road.
fn mostly(plain: impl Strategy<Value = String> + 'static, off: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![19 => plain.boxed(), 1 => prop::sample::select(off).prop_map(str::to_owned)]
}

fn one_of(choices: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(choices).prop_map(str::to_owned)
}

/// Round numbers on purpose: arrivals, ends of service, bins and the warm-up's end fall on the same nanosecond.
const ARRIVALS: &[&str] = &[
    "poisson: { rate: 40/s }",
    "poisson: { rate: 250/s }",
    "deterministic: { rate: 100/s }",
    "deterministic: { rate: 7/s }",
    "renewal: { gap: { constant: 5ms } }",
    "renewal: { gap: { gamma: { mean: 8ms, cv: 3 } } }",
    "renewal: { gap: { bimodal: { values: [0ms, 30ms], shares: [0.7, 0.3] } } }",
    "mmpp: { states: [{ rate: 0/s, mean_stay: 200ms }, { rate: 500/s, mean_stay: 100ms }] }",
    "diurnal: { mean: 90/s, amplitude: 90/s, period: 2s }",
    "piecewise: { points: [{ at: 0s, rate: 0/s }, { at: 1s, rate: 300/s }] }",
    "burst: { base: 5/s, peak: 600/s, every: 1s, for: 100ms }",
];
const OTHER_ARRIVALS: &[&str] =
    &["closed: { users: 6, think: { exponential: { mean: 20ms } } }", "closed: { users: 3, think: { constant: 0ms } }"];
const WORK: &[&str] = &[
    "{ constant: 10ms }",
    "{ constant: 5ms }",
    "{ exponential: { mean: 8ms } }",
    "{ lognormal: { mean: 9ms, cv: 3 } }",
    "{ bimodal: { values: [0ms, 20ms], shares: [0.5, 0.5] } }",
    "{ pareto: { min: 2ms, alpha: 1.5 } }",
    "{ uniform: { min: 0ms, max: 30ms } }",
];
const ALGORITHMS: &[&str] = &[
    "round_robin",
    "weighted_round_robin",
    "weighted_round_robin: { order: block }",
    "random",
    "weighted_random",
    "least_connections",
    "least_connections: { ties: random }",
    "least_connections: { ties: first }",
    "weighted_least_connections",
    "power_of_d: { d: 2 }",
    "power_of_d: { d: 3, replacement: true }",
    "ip_hash",
    "session_hash",
    "consistent_hash",
    "least_response_time",
    "first",
    "central_queue",
];
const OTHER_CLIENT: &[&str] = &[
    ", timeout: 15ms",
    ", population: 9",
    ", latency: { constant: 1ms }",
    ", latency: { exponential: { mean: 1ms } }",
    ", retry: { max: 2, when: [refused] }",
    ", population: { users: 30, zipf: 1.1 }, session: { requests: { geometric: { mean: 3 } }, think: { constant: 10ms } }",
    ", session: { requests: { constant: 2 }, think: { exponential: { mean: 10ms } } }",
    ", timeout: 20ms, retry: { max: 1, when: [timeout], backoff: 3ms }",
];
const NAT: &[&str] = &["", "", ", addresses: { nat: { share: 60%, behind: 2 } }"];
const SERVER: &[&str] =
    &["", "", ", speed: 0.5", ", speed: 3", ", weight: 3", ", weight: 2, speed: 0.7", ", zone: a", ", abandoned: cancel"];
const OTHER_SERVER: &[&str] = &[", discipline: ps", ", latency: { constant: 500us }", ", latency: { uniform: { min: 0ms, max: 2ms } }"];
const OTHER_BALANCER: &[&str] = &[
    ", timeout: 20ms",
    ", retry: { max: 1, when: [refused] }",
    ", sticky: { source_ip: {} }",
    ", sticky: { cookie: { ttl: 1s } }",
    ", health_check: { tcp: {}, interval: 300ms, timeout: 100ms, unhealthy_after: 1, healthy_after: 1 }",
];
const FAULTS: &[&str] = &[
    "crash: { server: a-1, at: 200ms, for: 1s }",
    "slow: { server: a, factor: 4, at: 200ms }",
    "errors: { server: a, share: 20%, at: 100ms }",
];

fn clients() -> impl Strategy<Value = String> {
    let class = (one_of(WORK), 1..4u32, 0..3u32).prop_map(|(work, weight, path)| format!("path: /{path}, weight: {weight}, work: {work}"));
    let client = (
        mostly(one_of(ARRIVALS), OTHER_ARRIVALS),
        prop::collection::vec(class, 1..4),
        mostly(Just(String::new()), OTHER_CLIENT),
        one_of(NAT),
    );
    prop::collection::vec(client, 1..4).prop_map(|clients| {
        let line = |(index, (arrivals, classes, more, nat)): (usize, (String, Vec<String>, String, String))| {
            let more = if arrivals.starts_with("closed") && more.contains("session")
                || more.contains("population") && arrivals.starts_with("closed")
            {
                String::new()
            } else {
                more
            };
            let classes: Vec<String> = classes.iter().enumerate().map(|(k, class)| format!("{{ name: k{k}, {class} }}, ")).collect();
            format!("  - {{ name: c{index}, arrivals: {{ {arrivals} }}, requests: [{}]{more}{nat} }}\n", classes.concat())
        };
        clients.into_iter().enumerate().map(line).collect()
    })
}

fn servers() -> impl Strategy<Value = (String, usize)> {
    let slots = one_of(&["1", "1", "2", "5", "unbounded"]);
    let queue = one_of(&["0", "1", "3", "20", "unbounded"]);
    let group = (1..4u32, slots, queue, one_of(SERVER), mostly(Just(String::new()), OTHER_SERVER));
    prop::collection::vec(group, 1..4).prop_map(|groups| {
        let line = |(index, (count, slots, queue, more, off)): (usize, (u32, String, String, String, String))| {
            format!("  - {{ name: {}, count: {count}, slots: {slots}, queue: {queue}{more}{off} }}\n", char::from(b'a' + index as u8))
        };
        let count = groups.len();
        (groups.into_iter().enumerate().map(line).collect(), count)
    })
}

/// A scenario that is mostly plain: about half of them are on the open road.
fn scenario() -> impl Strategy<Value = String> {
    let run = (
        500..4000u32,
        prop_oneof![Just("auto".to_owned()), Just("0s".to_owned()), (1..400u32).prop_map(|ms| format!("{ms}ms")), Just("300ms".to_owned())],
    );
    let algorithms = prop::sample::subsequence(ALGORITHMS, 1..4);
    let off = (mostly(Just(String::new()), OTHER_BALANCER), mostly(Just(String::new()), FAULTS), 0..20u32);
    (run, clients(), servers(), algorithms, off).prop_map(|((ms, warmup), clients, (servers, groups), algorithms, (balancer, fault, chain))| {
        let groups: Vec<String> = (0..groups).map(|index| char::from(b'a' + index as u8).to_string()).collect();
        let chained = if chain == 0 { format!("  - {{ name: inner, targets: [{}] }}\n", groups.join(", ")) } else { String::new() };
        let targets = if chain == 0 { "inner".to_owned() } else { groups.join(", ") };
        let fault = if fault.is_empty() { String::new() } else { format!("faults: [{{ {fault} }}]\n") };
        let compared: Vec<String> = algorithms.iter().map(|word| if word.contains(':') { format!("{{ {word} }}") } else { (*word).to_owned() }).collect();
        format!(
            "duration: {ms}ms\nwarmup: {warmup}\nclients:\n{clients}servers:\n{servers}balancers:\n  - {{ name: lb, targets: [{targets}]{balancer} }}\n{chained}{fault}compare: [{}]\nslo: {{ p99: 20ms, success: 99% }}\n",
            compared.join(", ")
        )
    })
}

/// All that is written of a study.
fn files(variants: &[Compiled], results: &[Accumulator]) -> [String; 3] {
    let summary = summarise(&about(2), variants, results).to_json().expect("it can be written");
    let (mut runs, mut timeline) = (Vec::new(), Vec::new());
    csv::runs(&mut runs, variants, results).expect("memory does not fail");
    csv::timeline(&mut timeline, variants, results).expect("memory does not fail");
    [summary, String::from_utf8_lossy(&runs).into_owned(), String::from_utf8_lossy(&timeline).into_owned()]
}

fn played(variants: &[Compiled], simulate: fn(Plan) -> RunRecord) -> [String; 3] {
    let options = Options { seed: 11, replications: 2, jobs: Some(2) };
    let results = run_by(&simulate, variants, &options, &AtomicBool::new(false), &|_| {}).expect("it runs");
    files(variants, &results)
}

/// `LBSIM_HUNT=20` tries twenty times as many.
fn cases() -> u32 {
    let times = std::env::var("LBSIM_HUNT").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    500 * times
}

#[test]
fn random_scenarios_leave_the_same_files_both_ways() {
    let (open, refusals, read) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let config = ProptestConfig { cases: cases(), failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() };
    let told = TestRunner::new(config).run(&scenario(), |text| {
        let source = Source { name: "road.yaml".to_owned(), text: text.clone() };
        let study = variants::read(source, &[]).map_err(|errors| TestCaseError::fail(format!("{errors}\n{text}")))?;
        let ready = |variant: &variants::Variant| compile(&variant.name, &variant.point, &variant.scenario, &Inputs::default());
        let variants: Vec<Compiled> = study.variants.iter().map(|variant| ready(variant).expect("it compiles")).collect();
        read.set(read.get() + 1);
        if !model::is_open_road(&variants[0].topology) {
            return Ok(());
        }
        open.set(open.get() + 1);
        let (short, long) = (played(&variants, model::run), played(&variants, model::run_step_by_step));
        refusals.set(refusals.get() + u32::from(short[0].contains("\"refused\"")));
        for (short, long) in short.iter().zip(&long) {
            let differing = short.lines().zip(long.lines()).find(|(short, long)| short != long);
            prop_assert!(short == long, "the short cut leads elsewhere: {differing:?}\n{text}");
        }
        Ok(())
    });
    told.unwrap_or_else(|error| panic!("{error}"));
    let (read, open, refusals) = (read.get(), open.get(), refusals.get());
    assert!(open * 3 > read && refusals * 8 > open, "{read} scenarios, {open} on the open road, {refusals} with full queues");
}
