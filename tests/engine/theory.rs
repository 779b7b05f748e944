//! Figures of queueing theory that the scenario files of the reference set do not express. Values and tolerances are read by
//! their id from `../shared/truth/theory.json` beside the project, or from the file that LBSIM_THEORY names; where there is
//! none, a test says so and passes.

use crate::trial::{latency_ms, mean, once, plan, replications, replications_in_bins, sum_ms, variants};
use lbsim::measure::RunRecord;
use lbsim::model::{self, plan::Plan};
use lbsim::rng;
use lbsim::stats::{coefficient_of_variation, jain, mean_ci};
use lbsim::units::Span;
use rayon::prelude::*;
use std::collections::VecDeque;
use std::path::PathBuf;

struct Theory(Vec<serde_json::Value>);

/// The rows, or `None` (said on standard output) where they are not at hand.
fn theory() -> Option<Theory> {
    let path = match std::env::var_os("LBSIM_THEORY") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/truth/theory.json"),
    };
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: no rows at {}; LBSIM_THEORY can name the file", path.display());
        return None;
    };
    Some(Theory(serde_json::from_str(&text).expect("the rows are JSON")))
}

impl Theory {
    fn row(&self, id: &str) -> &serde_json::Value {
        self.0.iter().find(|row| row["id"] == id).unwrap_or_else(|| panic!("no row {id}"))
    }

    fn value(&self, id: &str) -> f64 {
        self.row(id)["value"].as_f64().unwrap_or_else(|| panic!("{id} is no number"))
    }

    /// Asserts that a figure is within the row's tolerance.
    fn check(&self, id: &str, got: f64) {
        let (value, tolerance) = (self.value(id), &self.row(id)["tolerance_suggested"]);
        let width = tolerance["value"].as_f64().unwrap_or(0.0);
        let is_right = match tolerance["type"].as_str() {
            Some("rel") => (got - value).abs() <= width * value.abs(),
            // Values are written to eight significant digits.
            Some("abs" | "exact") => (got - value).abs() <= width + 1e-8 * value.abs(),
            Some("min") => got >= value - width,
            Some("max") => got <= value + width,
            other => panic!("{id}: unknown tolerance {other:?}"),
        };
        println!("{id}: {got}, row {value} {tolerance}");
        assert!(is_right, "{id}: {got}, row {value} {tolerance}");
    }
}

fn scenario(head: &str, client: &str, servers: &str, algorithm: &str) -> String {
    format!(
        "{head}\nclients: [{{ name: c, {client} }}]\nservers: [{{ name: s, {servers} }}]\nbalancers: [{{ name: lb, targets: [s], algorithm: {algorithm} }}]\n"
    )
}

fn poisson(per_second: f64, work: &str) -> String {
    format!("arrivals: {{ poisson: {{ rate: {per_second}/s }} }}, requests: [{{ work: {work} }}]")
}

const EXP_10MS: &str = "{ exponential: { mean: 10ms } }";

/// Mean time at the server over all replications, in milliseconds.
fn response_ms(records: &[RunRecord]) -> f64 {
    let classes = || records.iter().flat_map(|record| &record.classes);
    classes().map(|class| sum_ms(&class.response)).sum::<f64>() / classes().map(|class| class.response.count()).sum::<u64>() as f64
}

#[test]
fn no_algorithm_beats_the_central_queue_and_the_better_informed_wins() {
    let Some(theory) = theory() else { return };
    let names = ["central_queue", "least_connections", "{ power_of_d: { d: 2 } }", "round_robin", "random"];
    let means: Vec<f64> = names
        .iter()
        .map(|algorithm| {
            let text = scenario("duration: 2000s\nwarmup: 50s", &poisson(360.0, EXP_10MS), "count: 4", algorithm);
            response_ms(&replications(&text, 2))
        })
        .collect();
    println!("{means:?}");
    // The row's order has the names of theory.
    let order: Vec<&str> = theory.row("order-n4-rho90")["value"].as_array().unwrap().iter().filter_map(|name| name.as_str()).collect();
    assert_eq!(order, ["central M/M/4", "least_connections", "power_of_d d=2", "round_robin", "random"]);
    assert!(means.is_sorted(), "{means:?}");
    means[1..].iter().for_each(|mean| theory.check("bound-central-n4-rho90", *mean));
    // Measured over 1.4 million requests with a standard error of about 1 %, the bound itself.
    assert!((means[0] / theory.value("bound-central-n4-rho90") - 1.0).abs() < 0.05, "{}", means[0]);
}

#[test]
fn sharing_and_lining_up_differ_as_the_work_varies() {
    let Some(theory) = theory() else { return };
    let ratio = |work: &str| {
        let of = |discipline: &str| {
            let text = scenario("duration: 5000s\nwarmup: 20s", &poisson(80.0, work), &format!("discipline: {discipline}"), "round_robin");
            response_ms(&replications(&text, 4))
        };
        of("ps") / of("fifo")
    };
    theory.check("ps-vs-fifo-det", ratio("{ constant: 10ms }"));
    theory.check("fifo-exp-eq-ps-exp", ratio(EXP_10MS));
}

/// Share of the bins in which a server held `k` requests or more, from bins so short that little happens in one.
fn share_with(records: &[RunRecord], first_bin: usize, k: f32) -> f64 {
    mean(records.iter().map(|record| {
        let bins = &record.timeline.server_bins[first_bin * record.timeline.servers..];
        bins.iter().filter(|bin| bin.in_system >= k - 0.5).count() as f64 / bins.len() as f64
    }))
}

#[test]
fn lines_behind_two_choices_are_as_long_as_the_published_ones() {
    let Some(theory) = theory() else { return };
    // 2 ms hold 0.36 arrivals and departures of a server. Bins of servers are kept up to 400,000.
    let text = scenario("duration: 79s", &poisson(900.0, EXP_10MS), "count: 10", "{ power_of_d: { d: 2, replacement: true } }");
    let records = replications_in_bins(&text, 100, Some(Span::from_millis(2)));
    theory.check("pod-gast-n10-d2-rho90-x3", share_with(&records, 2000, 3.0));
    theory.check("pod-gast-n10-d2-rho90-x5", share_with(&records, 2000, 5.0));
    for d in [2, 3] {
        // Half the number of servers of the row: the difference to infinitely many is about 0.56 / 250 for two choices.
        let text = scenario("duration: 4s", &poisson(22_500.0, EXP_10MS), "count: 250", &format!("{{ power_of_d: {{ d: {d} }} }}"));
        let records = replications_in_bins(&text, 12, Some(Span(2_500_000)));
        theory.check(&format!("pod-mf-d{d}-rho90-tail3"), share_with(&records, 1000, 3.0));
    }
}

/// Mean total time in milliseconds and utilization of a server whose requests come back with probability 0.2 after each of their
/// first three tries: by hand, apart from the engine.
fn with_feedback(requests: u32) -> (f64, f64) {
    let rng = &mut rng::stream(1, 0, "feedback");
    let mut exponential = |mean: f64| -mean * libm::log(1.0 - rng::unit(rng));
    let (mut arrival, mut now, mut busy, mut total, mut sent, mut done) = (0.0, 0.0, 0.0, 0.0, 0, 0);
    let mut line: VecDeque<(f64, f64, u32)> = VecDeque::new();
    while done < requests {
        while sent < requests && (line.is_empty() || arrival <= now) {
            now = if line.is_empty() { f64::max(now, arrival) } else { now };
            line.push_back((arrival, exponential(10.0), 1));
            (arrival, sent) = (arrival + exponential(1000.0 / 60.0), sent + 1);
        }
        let Some((begun, work, tries)) = line.pop_front() else { break };
        // Whoever arrives during the work stands in front of the one that comes back.
        let ends = now + work;
        while sent < requests && arrival <= ends {
            line.push_back((arrival, exponential(10.0), 1));
            (arrival, sent) = (arrival + exponential(1000.0 / 60.0), sent + 1);
        }
        (now, busy) = (ends, busy + work);
        let comes_back = tries < 4 && exponential(1.0) < -libm::log(0.8);
        if comes_back {
            line.push_back((begun, exponential(10.0), tries + 1));
        } else {
            (total, done) = (total + now - begun, done + 1);
        }
    }
    (total / f64::from(requests), busy / now)
}

#[test]
fn requests_that_come_back_load_the_server_by_their_number() {
    let Some(theory) = theory() else { return };
    let client = format!("{}, retry: {{ max: 3, when: [5xx], backoff: 0ms }}", poisson(60.0, EXP_10MS));
    let text = scenario("duration: 8000s\nwarmup: 20s", &client, "slots: 1", "round_robin");
    let records = replications(&format!("{text}faults: [{{ errors: {{ server: s, share: 20% }} }}]\n"), 4);
    theory.check("retry-mm1-rho60-p0.2-k3-util", mean(records.iter().map(|record| record.servers[0].utilization.unwrap())));
    // A second computation: the queue by hand, each try with work of its own.
    let (expected, utilization) = with_feedback(2_000_000);
    theory.check("retry-mm1-rho60-p0.2-k3-total", expected);
    theory.check("retry-mm1-rho60-p0.2-k3-util", utilization);
    // Latency is that of successes. The 0.16 % that failed had four tries; how long those took is not recorded.
    let ok: f64 = records.iter().map(|record| latency_ms(record) * record.requests.ok as f64).sum();
    let failed: u64 = records.iter().map(|record| record.requests.failed()).sum();
    let all: u64 = records.iter().map(|record| record.requests.ok + record.requests.failed()).sum();
    let total = (ok + 4.0 * response_ms(&records) * failed as f64) / all as f64;
    theory.check("retry-mm1-rho60-p0.2-k3-total", total);
}

#[test]
fn shares_of_random_choices_vary_as_a_multinomial() {
    let Some(theory) = theory() else { return };
    for (servers, requests, runs) in [(10, 1000, 3000), (100, 10_000, 400)] {
        let client = format!("arrivals: {{ deterministic: {{ rate: {requests}/s }} }}, requests: [{{ work: {{ constant: 1us }} }}]");
        let records = replications(&scenario("duration: 1s", &client, &format!("count: {servers}"), "random"), runs);
        let counts = |record: &RunRecord| -> Vec<f64> { record.servers.iter().map(|server| server.attempts as f64).collect() };
        assert!(records.iter().all(|record| record.requests.sent == requests));
        theory
            .check(&format!("jain-inverse-random-n{servers}-r{requests}"), mean(records.iter().map(|record| 1.0 / jain(&counts(record)))));
        let squares = records.iter().map(|record| coefficient_of_variation(&counts(record)).powi(2));
        theory.check(&format!("cv2-random-n{servers}-r{requests}"), mean(squares));
    }
}

#[test]
fn turns_give_exact_shares() {
    let Some(theory) = theory() else { return };
    let of = |requests: u64, servers: &str, targets: &str, algorithm: &str| {
        let record = once(&format!(
            "duration: 1s\nclients: [{{ name: c, arrivals: {{ deterministic: {{ rate: {requests}/s }} }}, requests: [{{ work: {{ constant: 1us }} }}] }}]\n\
             servers: [{servers}]\nbalancers: [{{ name: lb, targets: [{targets}], algorithm: {algorithm} }}]\n"
        ));
        jain(&record.servers.iter().map(|server| server.attempts as f64).collect::<Vec<_>>())
    };
    theory.check("jain-rr", of(1000, "{ name: s, count: 10 }", "s", "round_robin"));
    theory.check("jain-wrr-511", of(700, "{ name: a, weight: 5 }, { name: b, count: 2 }", "a, b", "weighted_round_robin"));
}

#[test]
fn checks_that_fail_by_chance_eject_at_last() {
    let Some(theory) = theory() else { return };
    let faults: Vec<String> = (1..=50).map(|k| format!("{{ errors: {{ server: s-{k}, share: 10% }} }}")).collect();
    let text = format!(
        "duration: 60000s\nclients: [{{ name: c, arrivals: {{ deterministic: {{ rate: 1/m }} }}, requests: [{{ work: {{ constant: 1ms }} }}] }}]\n\
         servers: [{{ name: s, count: 50 }}]\n\
         balancers: [{{ name: lb, targets: [s], health_check: {{ http: /, interval: 5s, timeout: 1s, unhealthy_after: 3, healthy_after: 100 }} }}]\n\
         faults: [{}]\n",
        faults.join(", ")
    );
    let records = replications(&text, 24);
    let times: Vec<f64> = records.iter().flat_map(|record| &record.failover.faults).filter_map(|fault| fault.detected_after_s).collect();
    // Nearly exponential: one in exp(60,000 / 5550) = 50,000 has not happened yet.
    assert!(times.len() >= 1199, "{}", times.len());
    theory.check("false-eject-p0.1-f3", mean(times));
}

#[test]
fn servers_that_fail_at_random_are_up_as_renewal_theory_says() {
    let Some(theory) = theory() else { return };
    let text = |servers: u32, duration: &str| {
        format!(
            "duration: {duration}\nclients: [{{ name: c, arrivals: {{ deterministic: {{ rate: 1/m }} }}, requests: [{{ work: {{ constant: 1ms }} }}] }}]\n\
             servers: [{{ name: s, count: {servers} }}]\nbalancers: [{{ name: lb, targets: [s] }}]\n\
             faults: [{{ crash: {{ server: s, mtbf: {{ exponential: {{ mean: 1000s }} }}, mttr: {{ exponential: {{ mean: 50s }} }} }} }}]\n"
        )
    };
    let share = |records: &[RunRecord], is_so: &dyn Fn(usize) -> bool| {
        mean(records.iter().map(|record| {
            let instants = record.timeline.server_bins.chunks(record.timeline.servers);
            let count = instants.len() as f64;
            instants.filter(|servers| is_so(servers.iter().filter(|server| server.up > 0.0).count())).count() as f64 / count
        }))
    };
    // The ends of bins are samples. All down lasts for 50 / 3 s on average and happens some 160 times in 2.6 x 10^7 s: standard
    // error 11 %.
    let records = replications_in_bins(&text(3, "650000s"), 40, Some(Span::from_secs(5)));
    theory.check("avail-all-down-1000", share(&records, &|up| up == 0));
    // The timeline and the servers' own figure agree: both see 1000 / 1050.
    let up = mean(records.iter().flat_map(|record| &record.servers).map(|server| server.up));
    assert!((up - 1000.0 / 1050.0).abs() < 0.001, "{up}");
    let records = replications_in_bins(&text(6, "300000s"), 10, Some(Span::from_secs(5)));
    theory.check("avail-4of6-1000", share(&records, &|up| up >= 4));
}

#[test]
fn a_queue_that_starts_empty_fills_as_its_chain_does() {
    let Some(theory) = theory() else { return };
    let text = scenario("duration: 1010ms", &poisson(90.0, EXP_10MS), "count: 1", "round_robin");
    let records = replications_in_bins(&text, 20_000, Some(Span::from_millis(10)));
    // The bins before and after 1 s.
    let at_1s =
        |record: &RunRecord| f64::from(record.timeline.server_bins[99].in_system + record.timeline.server_bins[100].in_system) / 2.0;
    theory.check("transient-mm1-rho90-t100", mean(records.iter().map(at_1s)));
}

#[test]
fn requests_in_flight_follow_a_rate_that_swings() {
    let Some(theory) = theory() else { return };
    let client =
        "arrivals: { diurnal: { mean: 100/s, amplitude: 80/s, period: 60s } }, requests: [{ work: { exponential: { mean: 5s } } }]";
    let records =
        replications_in_bins(&scenario("duration: 1320s", client, "slots: unbounded", "round_robin"), 10, Some(Span::from_secs(1)));
    // 20 periods after the first two, by second of the period.
    let in_second = |second: usize| {
        let periods =
            records.iter().flat_map(|record| (2..22).map(move |period| record.timeline.server_bins[60 * period + second].in_system));
        mean(periods.map(f64::from))
    };
    theory.check("sine-peak-inflight", (0..60).map(in_second).fold(0.0, f64::max));
}

#[test]
fn poisson_arrivals_vary_as_they_should() {
    let Some(theory) = theory() else { return };
    let text = scenario("duration: 10000s", &poisson(100.0, "{ constant: 1ms }"), "count: 1", "round_robin");
    let record = &replications_in_bins(&text, 1, Some(Span::from_secs(1)))[0];
    let counts: Vec<f64> = record.timeline.bins.iter().map(|bin| bin.sent as f64).collect();
    theory.check("poisson-dispersion", coefficient_of_variation(&counts).powi(2) * mean(counts));
}

/// Scenarios of very different kinds, each long enough for its edges not to matter.
fn long_scenarios() -> Vec<String> {
    let lognormal = "{ lognormal: { mean: 10ms, cv: 1.5 } }";
    vec![
        scenario("duration: 2000s\nwarmup: 20s", &poisson(90.0, EXP_10MS), "count: 1", "round_robin"),
        scenario("duration: 1000s\nwarmup: 20s", &poisson(280.0, lognormal), "count: 4, discipline: ps", "least_connections"),
        scenario(
            "duration: 1000s\nwarmup: 20s",
            &poisson(600.0, EXP_10MS),
            "count: 2, slots: 4, queue: 3, speed: 0.5",
            "{ power_of_d: { d: 2 } }",
        ),
        scenario(
            "duration: 1000s\nwarmup: 20s",
            "arrivals: { mmpp: { states: [{ rate: 40/s, mean_stay: 1s }, { rate: 160/s, mean_stay: 200ms }] } }, requests: [{ work: { constant: 10ms } }]",
            "count: 3, slots: 2, discipline: ps",
            "random",
        ),
        scenario(
            "duration: 1000s\nwarmup: 20s",
            "arrivals: { poisson: { rate: 10/s } }, session: { requests: { geometric: { mean: 8 } }, think: { exponential: { mean: 1s } } }, requests: [{ work: { gamma: { mean: 20ms, cv: 0.5 } } }]",
            "count: 2",
            "session_hash",
        ),
    ]
}

#[test]
fn number_throughput_and_time_obey_littles_law_and_the_utilization_law() {
    let Some(theory) = theory() else { return };
    for text in long_scenarios() {
        let record = once(&text);
        let slots = variants(&text)[0].topology.servers[0].slots;
        for server in &record.servers {
            let in_system = server.mean_busy + server.mean_queue;
            let throughput_by_time = sum_ms(&server.response) / 1e3 / record.window_s;
            theory.check("little-any", (in_system - throughput_by_time).abs() / in_system);
            assert!((server.utilization.unwrap() * f64::from(slots) - server.mean_busy).abs() < 1e-9);
        }
        // All servers together, as work is known by class only.
        let work: f64 = record.classes.iter().map(|class| sum_ms(&class.response) - sum_ms(&class.waiting)).sum::<f64>() / 1e3;
        let utilization = mean(record.servers.iter().map(|server| server.utilization.unwrap()));
        theory.check("utilisation-any", (utilization - work / record.window_s / f64::from(slots) / record.servers.len() as f64).abs());
        let open = record.requests.sent - record.requests.ok - record.requests.failed() - record.unfinished;
        theory.check("conservation-any", open as f64);
    }
}

#[test]
fn a_closed_loop_obeys_the_response_time_law() {
    let Some(theory) = theory() else { return };
    for (users, think_s, servers) in [(20.0, 0.1, "count: 1"), (60.0, 0.1, "count: 4"), (50.0, 0.02, "count: 2, slots: 2, discipline: ps")]
    {
        let client = format!(
            "arrivals: {{ closed: {{ users: {users}, think: {{ exponential: {{ mean: {think_s}s }} }} }} }}, requests: [{{ work: {EXP_10MS} }}]"
        );
        let record = once(&scenario("duration: 1000s\nwarmup: 10s", &client, servers, "least_connections"));
        let throughput = record.requests.ok as f64 / record.window_s;
        theory.check("closed-any", (users - throughput * (latency_ms(&record) / 1e3 + think_s)).abs() / users);
    }
}

#[test]
fn intervals_cover_the_truth_as_often_as_they_say() {
    // M/M/1 at load 0.5: 20 ms. 200 studies of ten replications each, of about 3000 requests.
    let text = scenario("duration: 62s\nwarmup: 2s", &poisson(50.0, EXP_10MS), "count: 1", "round_robin");
    let compiled = &variants(&text)[0];
    let covers = |seed: u64| {
        let means: Vec<f64> = (0..10).map(|replication| latency_ms(&model::run(plan(compiled, seed, replication)))).collect();
        let (low, high) = mean_ci(&means).ci95.unwrap();
        low <= 20.0 && 20.0 <= high
    };
    let covered = (1..=200u64).into_par_iter().filter(|seed| covers(*seed)).count();
    // 95 % of 200 are 190, standard deviation 3.1; 90 to 99 % are 180 to 198.
    println!("{covered} of 200 intervals cover the truth");
    assert!((180..=198).contains(&covered), "{covered} of 200");
}

#[test]
fn the_warm_up_is_found_where_it_ends() {
    // 130/s for the first 60 s of 600, where 100/s can be served: a backlog of 1800 requests, which load 0.5 works off in 36 s.
    let rush = poisson(50.0, EXP_10MS)
        .replace("poisson: { rate: 50/s }", "piecewise: { points: [{ at: 60s, rate: 130/s }, { at: 60001ms, rate: 50/s }] }");
    assert!(rush.contains("piecewise"));
    let text = scenario("duration: 600s", &rush, "count: 1", "round_robin");
    let compiled = &variants(&text)[0];
    let truncations: Vec<_> = (0..20)
        .into_par_iter()
        .map(|replication| model::run(Plan { is_pilot: true, ..plan(compiled, 1, replication) }).truncation.unwrap())
        .collect();
    assert!(truncations.iter().all(|truncation| truncation.is_reliable));
    let cuts: Vec<f64> = truncations.iter().map(|truncation| truncation.at.as_secs_f64()).collect();
    assert!(cuts.iter().all(|at| (75.0..200.0).contains(at)), "{cuts:?}");
    // Without a transient little is cut.
    let steady = &variants(&scenario("duration: 600s", &poisson(50.0, EXP_10MS), "count: 1", "round_robin"))[0];
    let cut = |replication| model::run(Plan { is_pilot: true, ..plan(steady, 1, replication) }).truncation.unwrap().at.as_secs_f64();
    let mut cuts: Vec<f64> = (0..20).map(cut).collect();
    cuts.sort_by(f64::total_cmp);
    assert!(cuts[10] < 60.0, "{cuts:?}");
}
