//! Requests per second of the whole engine beside the bare loop (`floor.rs`), interleaved in one run, medians and ratios:
//! `cargo bench`. Arguments: requests per run in millions (default 3), and a text that a case's name must hold.

mod floor;

use lbsim::compile::compile;
use lbsim::error::Source;
use lbsim::input::Inputs;
use lbsim::measure::timeline::bin_for;
use lbsim::model::plan::Plan;
use lbsim::scenario::Warmup;
use lbsim::scenario::variants::read;
use lbsim::units::Time;
use std::time::Instant;

struct Case {
    name: &'static str,
    algorithm: &'static str,
    pick: floor::Pick,
    servers: usize,
}

const LOAD: f64 = 0.9;

const CASES: [Case; 5] = [
    Case { name: "M/M/1", algorithm: "round_robin", pick: floor::Pick::Single, servers: 1 },
    Case { name: "power of two, 100 servers", algorithm: "power_of_d", pick: floor::Pick::PowerOfTwo, servers: 100 },
    Case { name: "least connections, 100", algorithm: "least_connections", pick: floor::Pick::Least, servers: 100 },
    Case { name: "power of two, 10,000", algorithm: "power_of_d", pick: floor::Pick::PowerOfTwo, servers: 10_000 },
    Case { name: "least connections, 10,000", algorithm: "least_connections", pick: floor::Pick::Least, servers: 10_000 },
];

/// The case as a plan for about `requests` requests.
fn plan(case: &Case, requests: f64, replication: u32) -> Plan {
    let rate = LOAD * case.servers as f64 * 100.0;
    let Case { servers, algorithm, .. } = case;
    let text = format!(
        "duration: {}s\n\
         clients: [{{ name: users, arrivals: {{ poisson: {{ rate: {rate}/s }} }}, requests: [{{ work: {{ exponential: {{ mean: 10ms }} }} }}] }}]\n\
         servers: [{{ name: s, count: {servers} }}]\n\
         balancers: [{{ name: lb, targets: [s], algorithm: {algorithm} }}]\n",
        requests / rate
    );
    let study = read(Source { name: case.name.to_owned(), text }, &[]).expect("the case is a scenario");
    let compiled = compile(case.name, &[], &study.variants[0].scenario, &Inputs::default()).expect("the case compiles");
    assert!(matches!(compiled.warmup, Warmup::Fixed(_)));
    Plan {
        seed: 1,
        replication,
        duration: compiled.duration,
        drains: false,
        warmup: Time::ZERO,
        timeline_bin: bin_for(compiled.duration),
        is_pilot: false,
        topology: compiled.topology,
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let requests = arguments.first().and_then(|first| first.parse::<f64>().ok()).unwrap_or(3.0) * 1e6;
    let only = arguments.get(1).map_or("", String::as_str);
    println!("{:28} {:>10} {:>10} {:>8} {:>12} {:>10}", "case, load 0.9", "bare M/s", "lbsim M/s", "ratio", "ns/request", "mean ms");
    for case in CASES.iter().filter(|case| case.name.contains(only)) {
        let (mut bare, mut lbsim, mut ratios, mut mean) = (Vec::new(), Vec::new(), Vec::new(), 0.0);
        for round in 0..5u32 {
            let start = Instant::now();
            floor::run(case.pick, case.servers, LOAD, requests as u64, u64::from(round) + 1);
            bare.push(requests / start.elapsed().as_secs_f64() / 1e6);
            let plan = plan(case, requests, round);
            let start = Instant::now();
            let record = lbsim::model::run(plan);
            lbsim.push(record.requests.ok as f64 / start.elapsed().as_secs_f64() / 1e6);
            ratios.push(lbsim[round as usize] / bare[round as usize]);
            mean = record.classes[0].response.mean_ms().unwrap_or(f64::NAN);
        }
        let (bare, lbsim, ratio) = (median(&mut bare), median(&mut lbsim), median(&mut ratios));
        println!("{:28} {bare:>10.2} {lbsim:>10.2} {ratio:>8.2} {:>12.1} {mean:>10.2}", case.name, 1e3 / lbsim);
    }
}
