use super::*;
use crate::compile::compile;
use crate::summary::tests::{about, record, topology, variant};
use crate::summary::{WarningKind, summarise};
use crate::units::Span;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

fn options(replications: u32, jobs: usize) -> Options {
    Options { seed: 7, replications, jobs: Some(jobs) }
}

fn quiet(_: Progress) {}

fn never() -> AtomicBool {
    AtomicBool::new(false)
}

/// Two variants with loads of 0.25 and 0.75.
fn variants() -> Vec<Compiled> {
    let with_rate = |name: &str, rate| Compiled { topology: Arc::new(topology(rate)), ..variant(name) };
    vec![with_rate("light", 50.0), with_rate("heavy", 150.0)]
}

#[test]
fn the_bytes_do_not_depend_on_the_number_of_threads() {
    let json = |jobs| {
        let auto: Vec<Compiled> = variants().into_iter().map(|variant| Compiled { warmup: Warmup::Auto, ..variant }).collect();
        let results = run(&auto, &options(5, jobs), &never(), &quiet).unwrap();
        summarise(&about(5), &auto, &results).to_json().unwrap()
    };
    let one = json(1);
    assert!(one.contains("\"p99\"") && one.len() > 10_000);
    assert!(one == json(4) && one == json(13), "the order of finishing shows");
}

#[test]
fn runs_are_folded_in_the_order_of_the_plan_whatever_finishes_first() {
    // Earlier runs take longer.
    let simulate = |plan: Plan| {
        thread::sleep(Duration::from_millis(u64::from(20 - 4 * plan.replication)));
        record(&[u64::from(plan.replication) + 1], 0)
    };
    let results = run_by(&simulate, &variants(), &options(5, 4), &never(), &quiet).unwrap();
    for result in results {
        let means: Vec<_> = result.runs.iter().map(|run| run.all.latency.get(crate::summary::LatencyMetric::Mean)).collect();
        assert_eq!(means, [1.0, 2.0, 3.0, 4.0, 5.0].map(Some));
    }
}

#[test]
fn few_finished_runs_are_held_at_a_time() {
    // The first run waits until no other may begin: those are ahead_max - 1 beside it.
    let begun = AtomicUsize::new(0);
    let simulate = |plan: Plan| {
        let number = begun.fetch_add(1, Ordering::SeqCst);
        if number == 0 {
            let patience = (0..200).take_while(|_| begun.load(Ordering::SeqCst) < AHEAD_MAX * 2);
            patience.for_each(|_| thread::sleep(Duration::from_millis(5)));
            thread::sleep(Duration::from_millis(50));
            assert_eq!(begun.load(Ordering::SeqCst), AHEAD_MAX * 2, "replication {}", plan.replication);
        }
        record(&[10], 0)
    };
    let results = run_by(&simulate, &variants(), &options(30, 2), &never(), &quiet).unwrap();
    assert_eq!(results.iter().map(|result| result.runs.len()).collect::<Vec<_>>(), [30, 30]);
}

#[test]
fn an_interruption_keeps_what_is_complete_and_names_what_is_missing() {
    let stop = never();
    let on_progress = |progress: Progress| stop.store(progress.done == 5, Ordering::Relaxed);
    let variants = variants();
    let results = run_by(&|_| record(&[10; 1000], 0), &variants, &options(10, 1), &stop, &on_progress).unwrap();
    // Five runs in the order light, heavy, light, heavy, light.
    assert_eq!(results.iter().map(|result| result.runs.len()).collect::<Vec<_>>(), [3, 2]);
    let summary = summarise(&about(10), &variants, &results);
    assert_eq!(summary.warnings[0].kind, WarningKind::Interrupted);
    assert_eq!(summary.warnings[0].message, "interrupted: replications are missing of light (3 of 10), heavy (2 of 10)");
    assert_eq!(summary.variants[1].replications_done, 2);
}

#[test]
fn a_crash_ends_it_and_names_the_run() {
    let simulate = |plan: Plan| match plan.replication {
        2 => panic!("slot 3 is taken"),
        _ => record(&[10], 0),
    };
    for jobs in [1, 4] {
        let error = run_by(&simulate, &variants(), &options(20, jobs), &never(), &quiet).err().unwrap().to_string();
        assert!(error.ends_with("replication 2, seed 7: slot 3 is taken"), "{error}");
        assert!(error.contains("`light`") || error.contains("`heavy`"), "{error}");
    }
}

#[test]
fn a_crash_while_folding_ends_it_too() {
    let on_progress = |progress: Progress| assert!(progress.done < 3, "the display broke");
    let error = run_by(&|_| record(&[10], 0), &variants(), &options(20, 3), &never(), &on_progress).err().unwrap();
    assert!(error.to_string().contains("the display broke"));
}

#[test]
fn an_automatic_warmup_is_the_latest_cut_of_the_variants_that_are_compared() {
    let at = |name: &str, rate: &str, warmup| Compiled { point: vec![("rate".to_owned(), rate.to_owned())], warmup, ..variant(name) };
    let variants = [
        at("a", "1/s", Warmup::Auto),
        at("b", "1/s", Warmup::Auto),
        at("fixed", "1/s", Warmup::Fixed(Span::from_secs(4))),
        at("a", "2/s", Warmup::Auto),
    ];
    let calls = AtomicUsize::new(0);
    // In the order of the tasks with one thread: a, b, a at 2/s, and again.
    let cuts = [(1, true), (3, true), (2, true), (2, true), (1, true), (2, false), (0, true), (0, true), (9, true)];
    let simulate = |plan: Plan| {
        let truncation = plan.is_pilot.then(|| {
            let (at, is_reliable) = cuts[calls.fetch_add(1, Ordering::SeqCst)];
            assert_eq!(plan.warmup, Time::ZERO);
            Truncation { at: Time(at * 1_000_000_000), is_reliable }
        });
        RunRecord { truncation, ..record(&[10], 0) }
    };
    let results = run_by(&simulate, &variants, &options(4, 1), &never(), &quiet).unwrap();
    let found: Vec<_> = results.iter().map(|result| (result.warmup.as_secs_f64(), result.is_warmup_doubtful)).collect();
    // At most half of the 12 s.
    assert_eq!(found, [(3.0, false), (3.0, false), (4.0, false), (6.0, true)]);
}

#[test]
fn pilots_are_told_apart_from_runs() {
    let auto: Vec<Compiled> = variants().into_iter().map(|variant| Compiled { warmup: Warmup::Auto, ..variant }).collect();
    let seen = Mutex::new(Vec::new());
    run_by(&|_| record(&[10], 0), &auto, &options(4, 1), &never(), &|progress| seen.lock().unwrap().push(progress)).unwrap();
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen[5], Progress { done: 6, total: 6, is_pilot: true });
    assert_eq!(seen[13], Progress { done: 8, total: 8, is_pilot: false });
}

/// The shapes that the short cut knows: full queues, several classes and clients, requests that wait in the balancer, unequal servers.
const OPEN_ROADS: &str = "
duration: 20s
warmup: 3s
clients:
  - name: steady
    arrivals: { poisson: { rate: 300/s } }
    requests: [{ name: small, path: /a, weight: 3, work: { exponential: { mean: 8ms } } }, { name: large, path: /b, work: { constant: 20ms } }]
  - { name: waves, arrivals: { diurnal: { mean: 80/s, amplitude: 70/s, period: 8s } }, requests: [{ work: { lognormal: { mean: 9ms, cv: 2 } } }] }
servers:
  - { name: web, count: 3, slots: 1, queue: 4, weight: 2 }
  - { name: big, count: 1, slots: 2, speed: 0.5 }
balancers: [{ name: lb, targets: [web, big], algorithm: round_robin }]
compare: [round_robin, weighted_round_robin, random, weighted_random, least_connections, weighted_least_connections, power_of_d, ip_hash,
  session_hash, consistent_hash, least_response_time, first, central_queue]
";

#[test]
fn the_short_cut_gives_what_the_steps_give() {
    let source = crate::error::Source { name: "open roads".to_owned(), text: OPEN_ROADS.to_owned() };
    let study = crate::scenario::variants::read(source, &[]).expect("the scenario is right");
    let inputs = crate::input::Inputs::default();
    let compiled = |variant: &crate::scenario::variants::Variant| compile(&variant.name, &variant.point, &variant.scenario, &inputs);
    let variants: Vec<Compiled> = study.variants.iter().map(|variant| compiled(variant).expect("the variant compiles")).collect();
    assert!(variants.len() == 13 && variants.iter().all(|variant| crate::model::is_open_road(&variant.topology)));
    let told = |simulate: &(dyn Fn(Plan) -> RunRecord + Sync)| {
        let results = run_by(simulate, &variants, &options(2, 2), &never(), &quiet).expect("it runs");
        let json = summarise(&about(2), &variants, &results).to_json().expect("it can be written");
        let timelines: Vec<_> = results.iter().map(|results| results.timeline.server_bins.clone()).collect();
        let totals: Vec<_> = results.iter().flat_map(|results| &results.timeline.bins).map(|bin| (bin.sent, bin.ok, bin.failed)).collect();
        let latencies: Vec<_> = results.iter().flat_map(|results| &results.classes).map(|class| class.response.distribution()).collect();
        (json, timelines, totals, latencies)
    };
    let (short, long) = (told(&crate::model::run), told(&crate::model::run_step_by_step));
    assert!(short.0.contains("refused"), "some queue was full");
    assert!(short == long, "the short cut leads elsewhere");
}

#[test]
fn a_run_that_is_played_to_its_end_takes_no_short_cut() {
    let calm = crate::model::plan::Topology { faults: Vec::new(), ..topology(190.0) };
    let draining = [Compiled { drains: true, topology: Arc::new(calm), ..variant("played to its end") }];
    assert!(crate::model::is_open_road(&draining[0].topology));
    let told = |simulate: &(dyn Fn(Plan) -> RunRecord + Sync)| {
        let results = run_by(simulate, &draining, &options(3, 1), &never(), &quiet).expect("it runs");
        let unfinished: u64 = results[0].runs.iter().map(|run| run.unfinished).sum();
        (unfinished, summarise(&about(3), &draining, &results).to_json().expect("it can be written"))
    };
    let (short, long) = (told(&crate::model::run), told(&crate::model::run_step_by_step));
    assert_eq!((short.0, long.0), (0, 0), "everything is played to its end");
    assert!(short == long);
}
