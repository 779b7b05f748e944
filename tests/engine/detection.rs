//! How long health checks take to notice a fault and its end: arithmetic of interval, timeout and thresholds, with the phase of
//! the checks uniform.

use crate::trial::{mean, once, replications};
use lbsim::measure::FaultRecord;

struct Setting {
    interval_s: f64,
    timeout_s: f64,
    unhealthy_after: u32,
    healthy_after: u32,
    from_end: bool,
    /// One-way delay between balancer and server.
    latency_s: f64,
}

/// Replications; each has a phase of its own.
pub const PHASES: u32 = 300;
const BEGINS_S: f64 = 200.0;
const LASTS_S: f64 = 300.0;

fn scenario(setting: &Setting, check: &str, fault: &str) -> String {
    let Setting { interval_s, timeout_s, unhealthy_after, healthy_after, from_end, latency_s } = setting;
    let from = if *from_end { "end" } else { "start" };
    format!(
        "duration: 700s\n\
         clients: [{{ name: c, arrivals: {{ poisson: {{ rate: 0.1/s }} }}, timeout: 1s, requests: [{{ work: {{ constant: 1ms }} }}] }}]\n\
         servers: [{{ name: s, count: 2, latency: {{ constant: {latency_s}s }} }}]\n\
         balancers: [{{ name: lb, targets: [s], health_check: {{ {check}, interval: {interval_s}s, timeout: {timeout_s}s, \
         unhealthy_after: {unhealthy_after}, healthy_after: {healthy_after}, interval_from: {from} }} }}]\n\
         faults: [{{ {fault}: {{ server: s-1, at: {BEGINS_S}s, for: {LASTS_S}s }} }}]\n"
    )
}

/// Seconds from a failing or passing check's start to its outcome, and the seconds from its start to its meeting the server.
fn bounds(setting: &Setting, outcome_s: f64, before_s: f64, count: u32) -> (f64, f64) {
    let Setting { interval_s, from_end, latency_s, .. } = *setting;
    // From the start of one check to the next, while outcomes take this long; a check never starts before the last one's end.
    let period = |length_s: f64| if from_end { interval_s + length_s } else { interval_s.max(length_s) };
    // The first check that meets the change starts at most one latency before it, at a uniform phase of the period before.
    let earliest = f64::from(count - 1) * period(outcome_s) + outcome_s - latency_s;
    (earliest, earliest + period(before_s))
}

pub fn assert_uniform(what: &str, values: &[f64], (low, high): (f64, f64), slack_s: f64) {
    assert_eq!(values.len(), PHASES as usize, "{what}: it happened in every run");
    let (least, most) = values.iter().fold((f64::MAX, f64::MIN), |(least, most), value| (least.min(*value), most.max(*value)));
    assert!(least >= low - 1e-6 && most <= high + 1e-6, "{what}: {least} to {most}, not within {low} to {high}");
    // Of 300 uniform values none in the first or last 7 %: probability 2 x 0.93^300 = 7e-10.
    let edge = 0.07 * (high - low) + slack_s;
    assert!(least < low + edge && most > high - edge, "{what}: {least} to {most} does not fill {low} to {high}");
    // Standard error of the mean: width / sqrt(12 x 300) = width / 60. Five of them.
    let off = mean(values.iter().copied()) - 0.5 * (low + high);
    assert!(off.abs() < (high - low) / 12.0 + slack_s, "{what}: mean off by {off}");
}

fn settings() -> Vec<Setting> {
    let of = |interval_s, timeout_s, unhealthy_after, healthy_after, from_end, latency_s| Setting {
        interval_s,
        timeout_s,
        unhealthy_after,
        healthy_after,
        from_end,
        latency_s,
    };
    vec![
        of(5.0, 2.0, 3, 2, false, 0.0),
        of(5.0, 2.0, 3, 2, true, 0.0),
        of(30.0, 5.0, 2, 5, false, 0.0),
        of(2.0, 1.0, 1, 1, false, 0.05),
        of(10.0, 4.0, 3, 3, true, 0.1),
        // Longer than the interval: the next check starts when the last one has ended.
        of(2.0, 5.0, 3, 2, false, 0.0),
        of(1.0, 1.0, 4, 1, false, 0.0),
        // HAProxy's defaults: a refusal is noticed after 4 to 6 s; a server that hangs after 7 to 9 s, where one was measured to be out after 7.7.
        of(2.0, 1.0, 3, 2, true, 0.0),
    ]
}

#[test]
fn detection_takes_what_interval_timeout_and_threshold_say() {
    for setting in settings() {
        for (check, fault) in
            [("tcp: {}", "crash"), ("http: /", "crash"), ("tcp: {}", "blackhole"), ("http: /", "blackhole"), ("http: /", "hang")]
        {
            let round_trip_s = 2.0 * setting.latency_s;
            let failing_s = if fault == "crash" { round_trip_s } else { setting.timeout_s };
            let records = replications(&scenario(&setting, check, fault), PHASES);
            let what = format!(
                "{fault}, {check}, interval {} timeout {} x {} from {} latency {}",
                setting.interval_s,
                setting.timeout_s,
                setting.unhealthy_after,
                if setting.from_end { "end" } else { "start" },
                setting.latency_s
            );
            // With a latency the period before is a little longer than the interval over which the first start is drawn.
            let slack_s = round_trip_s;
            let detected: Vec<f64> = records.iter().filter_map(|record| record.failover.faults[0].detected_after_s).collect();
            assert_uniform(&what, &detected, bounds(&setting, failing_s, round_trip_s, setting.unhealthy_after), slack_s);
            let restored: Vec<f64> = records.iter().filter_map(|record| record.failover.faults[0].restored_after_s).collect();
            let (low, high) = bounds(&setting, round_trip_s, failing_s, setting.healthy_after);
            let what = format!("restored: {what}");
            if fault == "crash" || !setting.from_end && setting.timeout_s <= setting.interval_s {
                assert_uniform(&what, &restored, (low, high), slack_s);
            } else {
                // The fault has changed the period, and so many checks later the phases are no longer spread over all of it.
                assert!(
                    restored.len() == PHASES as usize && restored.iter().all(|after| (low - 1e-6..=high + 1e-6).contains(after)),
                    "{what}"
                );
            }
        }
    }
}

#[test]
fn a_tcp_check_never_notices_a_hang() {
    for setting in settings() {
        let records = replications(&scenario(&setting, "tcp: {}", "hang"), 20);
        assert!(records.iter().all(|record| record.failover.faults[0].detected_after_s.is_none()));
        assert!(records.iter().all(|record| record.checks_failed == 0 && record.failover.false_ejections == 0));
    }
}

#[test]
fn a_slow_server_fails_checks_only_where_they_wait_in_its_queue() {
    let run = |check: &str| {
        let text = format!(
            "duration: 200s\n\
             clients: [{{ name: c, arrivals: {{ poisson: {{ rate: 40/s }} }}, requests: [{{ work: {{ constant: 20ms }} }}] }}]\n\
             servers: [{{ name: s, count: 2 }}]\n\
             balancers: [{{ name: lb, targets: [s], health_check: {{ {check}, interval: 2s, timeout: 1s, unhealthy_after: 2 }} }}]\n\
             faults: [{{ slow: {{ server: s-1, factor: 20, at: 50s, for: 100s }} }}]\n"
        );
        let records = replications(&text, 5);
        records.iter().filter(|record| record.failover.faults[0].detected_after_s.is_some()).count()
    };
    assert_eq!((run("tcp: {}"), run("http: /"), run("http: /, checks_queue: true")), (0, 0, 5));
}

#[test]
fn a_fault_is_detected_when_the_last_of_its_servers_is_out() {
    // Two servers, each at a phase of its own: the later of two uniform ones, on average at 2/3 of the interval.
    let text = "duration: 200s\n\
                clients: [{ name: c, arrivals: { poisson: { rate: 0.1/s } }, requests: [{ work: { constant: 1ms } }] }]\n\
                servers: [{ name: s, count: 2 }, { name: t }]\n\
                balancers: [{ name: lb, targets: [s, t], health_check: { tcp: {}, interval: 6s, timeout: 1s, unhealthy_after: 2 } }]\n\
                faults: [{ crash: { server: s, at: 100s } }]\n";
    let detected: Vec<f64> = replications(text, 300).iter().filter_map(|record| record.failover.faults[0].detected_after_s).collect();
    assert_eq!(detected.len(), 300);
    // Standard deviation of the larger of two: 6 / sqrt(18) = 1.41 s, standard error 0.082 s: five of them.
    let off = mean(detected.iter().copied()) - (6.0 + 4.0);
    assert!(off.abs() < 0.41, "{off}");
}

/// Faults at random keep their times when another fault is added in front of them, behind them, or on other servers.
#[test]
fn a_fault_that_is_added_changes_the_draws_of_no_other() {
    let crash = |server: &str| {
        format!("  - crash: {{ server: {server}, mtbf: {{ exponential: {{ mean: 20s }} }}, mttr: {{ exponential: {{ mean: 5s }} }} }}\n")
    };
    let hang = "  - hang: { server: a-1, mtbf: { exponential: { mean: 30s } }, mttr: { exponential: { mean: 1s } } }\n";
    let run = |faults: &str| {
        once(&format!(
            "duration: 10m\nwarmup: 0s\nclients:\n  - {{ name: c, arrivals: {{ poisson: {{ rate: 1/s }} }}, requests: [{{ work: {{ constant: 1ms }} }}] }}\n\
             servers:\n  - {{ name: a, count: 2 }}\n  - {{ name: b, count: 2 }}\nbalancers:\n  - {{ name: lb, targets: [a, b] }}\nfaults:\n{faults}"
        ))
    };
    let up = |faults: &str| run(faults).servers[1].up;
    let alone = up(&crash("a-2"));
    assert!(alone < 0.95 && alone > 0.5, "{alone}");
    for more in [
        crash("b") + &crash("a-2"),
        crash("a-1") + hang + &crash("a-2"),
        crash("a-2") + "  - slow: { server: a-2, factor: 3, at: 1s }\n",
        "  - crash: { server: b-1, at: 1s }\n".to_owned() + &crash("a-2"),
    ] {
        assert_eq!(up(&more), alone, "{more}");
    }
    // Two alike are two, each with times of its own.
    assert!(up(&(crash("a-2") + &crash("a-2"))) < alone);
}

/// A balancer of zones in front of the balancers of two zones, every check at full seconds, the zones' balancers 100 ms away.
fn zones(fault: &str) -> FaultRecord {
    let check = |unhealthy_after| {
        format!("{{ http: /, interval: 1s, timeout: 500ms, unhealthy_after: {unhealthy_after}, healthy_after: 2, phase: zero }}")
    };
    let zone = |name: &str| {
        format!("  - {{ name: zone-{name}, targets: [{name}], latency: {{ constant: 100ms }}, health_check: {} }}\n", check(3))
    };
    let text = format!(
        "duration: 60s\nwarmup: 0s\nclients:\n  - {{ name: c, arrivals: {{ deterministic: {{ rate: 1/s }} }}, requests: [{{ work: {{ constant: 1ms }} }}] }}\n\
         servers:\n  - {{ name: a, count: 2, zone: a }}\n  - {{ name: b, count: 2, zone: b }}\n\
         balancers:\n  - {{ name: global, targets: [zone-a, zone-b], health_check: {} }}\n{}{}faults:\n  - {fault}\n",
        check(2),
        zone("a"),
        zone("b")
    );
    once(&text).failover.faults.remove(0)
}

#[test]
fn the_balancer_in_front_detects_the_loss_of_a_whole_zone_and_not_that_of_a_server() {
    let close = |found: Option<f64>, expected: f64| found.is_some_and(|found| (found - expected).abs() < 1e-6);
    // The zone's checks of 11, 12 and 13 s fail at once; then the global ones of 13 and 14 s, whose answers are back at 14.2 s.
    // After 20.5 s those of 21 and 22 s pass in the zone, those of 22 and 23 s globally, until 23.2 s.
    let whole = zones("crash: { zone: a, at: 10500ms, for: 10s }");
    assert!(close(whole.detected_after_s, 3.7) && close(whole.restored_after_s, 2.7), "{whole:?}");
    // Two servers 2.5 s each and the zone 3.7 s in rotation too long; 1.5 s each and 2.7 s out of it too long.
    assert!(close(Some(whole.wrong_view_s), 2.0 * 2.5 + 3.7 + 2.0 * 1.5 + 2.7), "{whole:?}");
    assert_eq!(whole.false_ejections, 0);
    let server = zones("crash: { server: a-2, at: 10500ms, for: 10s }");
    assert!(close(server.detected_after_s, 2.5) && close(server.restored_after_s, 1.5), "{server:?}");
    assert!(close(Some(server.wrong_view_s), 2.5 + 1.5), "{server:?}");
    let group = zones("crash: { server: a, at: 10500ms, for: 10s }");
    assert_eq!(
        (group.detected_after_s, group.restored_after_s),
        (whole.detected_after_s, whole.restored_after_s),
        "a group is as good as its zone"
    );
}

const CLIENT: &str =
    "clients: [{ name: c, timeout: 1s, arrivals: { poisson: { rate: 0.1/s } }, requests: [{ path: /, work: { constant: 1ms } }] }]\n";

/// When a fault was noticed, in each of so many runs.
fn detected(text: &str) -> Vec<f64> {
    replications(text, PHASES).iter().filter_map(|record| record.failover.faults[0].detected_after_s).collect()
}

/// The checks of load balancers with nothing but AWS's defaults: 30 s and two failures, plus the timeout of the last one.
#[test]
fn load_balancers_of_aws_notice_after_30_to_60_s() {
    let text = |kind: &str, fault: &str| {
        format!(
            "duration: 400s\n{CLIENT}servers: [{{ name: s, count: 2 }}]\nfaults: [{{ {fault}: {{ server: s-1, at: 100s }} }}]\naws:\n  \
             target_groups: [{{ name: web, targets: [s] }}]\n  load_balancers: [{{ name: lb, type: {kind}, listeners: [{{ default: {{ web: 1 }} }}] }}]\n"
        )
    };
    for (kind, timeout_s) in [("application", 5.0), ("network", 10.0)] {
        assert_uniform(kind, &detected(&text(kind, "crash")), (30.0, 60.0), 0.0);
        assert_uniform(kind, &detected(&text(kind, "blackhole")), (30.0 + timeout_s, 60.0 + timeout_s), 0.0);
    }
}

/// Those with the AWS Load Balancer Controller's defaults. Pods without a readiness probe: nobody else notices.
#[test]
fn load_balancers_of_the_controller_notice_after_two_checks_of_15_s_or_three_of_10_s() {
    let text = |block: &str, fault: &str| {
        format!(
            "duration: 300s\n{CLIENT}faults: [{{ {fault}, at: 100s }} }}]\nkubernetes:\n  \
             nodes: [{{ name: worker, count: 2 }}]\n  deployments: [{{ name: web, replicas: 2, slots: 10 }}]\n  {block}\n"
        )
    };
    let ingress =
        "services: [{ name: web }]\n  ingresses: [{ name: shop, class: alb, target_type: ip, rules: [{ paths: [{ service: web }] }] }]";
    let errors = "errors: { server: web-1, share: 100%, at_once: true";
    assert_uniform("alb, errors", &detected(&text(ingress, errors)), (15.0, 30.0), 0.0);
    assert_uniform("alb, into the timeout of 5 s", &detected(&text(ingress, "hang: { server: web-1")), (20.0, 35.0), 0.0);
    let service = "services: [{ name: web, type: load_balancer, load_balancer: { target_type: ip } }]";
    let found = detected(&text(service, "blackhole: { server: web-1"));
    assert_uniform("nlb, into the timeout of 10 s", &found, (30.0, 40.0), 0.0);
}

/// Route 53's defaults: three checks of 30 s, the last of which runs into its timeout of 4 s, then up to the TTL at each resolver.
#[test]
fn a_record_fails_over_after_60_to_90_s_and_the_ttl() {
    let text = |at: u32| {
        format!(
            "duration: 500s\n\
             clients: [{{ name: c, timeout: 1s, arrivals: {{ deterministic: {{ rate: 10/s }} }}, requests: [{{ path: /, work: {{ constant: 1us }} }}] }}]\n\
             servers: [{{ name: a, zone: eu }}, {{ name: b, zone: us }}]\n\
             balancers: [{{ name: eu, targets: [a], zone: eu }}, {{ name: us, targets: [b], zone: us }}]\n\
             faults: [{{ crash: {{ zone: eu, at: {at}s }} }}]\n\
             aws: {{ records: [{{ name: shop.example, routing: failover, ttl: 60s, resolvers: 1, to: [eu, us], health_check: {{ http: / }} }}] }}\n"
        )
    };
    // The resolver asks once a minute: the fault comes at all phases of that minute.
    let runs: Vec<_> = (0..60).flat_map(|phase| replications(&text(200 + phase), 5)).collect();
    let fault = |record: &lbsim::measure::RunRecord| record.failover.faults[0].clone();
    let detected: Vec<f64> = runs.iter().filter_map(|run| fault(run).detected_after_s).collect();
    assert_uniform("decided", &detected, (64.0, 94.0), 0.0);
    // Whoever has asked just before stays for 60 s more, and waits for the last answer for 1 s. The sum of a uniform 30 s and a uniform 60 s
    // has a standard deviation of 19.4 s: five standard errors of 300 runs.
    let ended: Vec<f64> = runs.iter().filter_map(|run| fault(run).last_error_after_s).collect();
    assert!(ended.len() == runs.len() && ended.iter().all(|after| (64.8..=155.2).contains(after)), "{ended:?}");
    let mean = mean(ended);
    assert!((mean - 110.0).abs() < 5.0 * 19.4 / 300_f64.sqrt(), "{mean}");
}
