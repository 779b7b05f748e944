//! What happens to requests, one mechanism at a time, in scenarios small enough to be worked out by hand. Deterministic arrivals
//! come at k / rate, so that most figures are exact.

use crate::trial::{attempts_failed_by, failed_by, latency_ms, mean, once, replications, variants};
use lbsim::measure::RunRecord;
use lbsim::model;
use lbsim::scenario::Failure;

/// A scenario with one client group `c`, servers and balancers as given, and faults.
fn scenario(head: &str, client: &str, servers: &str, balancers: &str, faults: &str) -> String {
    format!("{head}\nclients: [{{ name: c, {client} }}]\nservers: [{servers}]\nbalancers: [{balancers}]\nfaults: [{faults}]\n")
}

/// One request a second with constant work.
fn each_second(work: &str, more: &str) -> String {
    format!("arrivals: {{ deterministic: {{ rate: 1/s }} }}, requests: [{{ work: {{ constant: {work} }} }}]{more}")
}

const LB: &str = "{ name: lb, targets: [s] }";

fn outcome(record: &RunRecord) -> (u64, u64, u64, u64) {
    (record.requests.sent, record.requests.ok, record.requests.failed(), record.unfinished)
}

fn attempts(record: &RunRecord) -> Vec<u64> {
    record.servers.iter().map(|server| server.attempts).collect()
}

#[test]
fn work_that_nobody_waits_for_costs_its_time_unless_it_is_cancelled() {
    for (discipline, slots) in [("fifo", 1), ("ps", 1), ("fifo", 2)] {
        let busy = |abandoned: &str| {
            let servers = format!("{{ name: s, slots: {slots}, discipline: {discipline}, abandoned: {abandoned} }}");
            let record = once(&scenario("duration: 100400ms", &each_second("800ms", ", timeout: 500ms"), &servers, LB, ""));
            assert_eq!(outcome(&record), (100, 0, 99, 1));
            record.servers[0].mean_busy * 100.4
        };
        // 99 requests are worked on for 0.8 s or 0.5 s, and the last one for 0.4 s up to the end.
        let (finish, cancel) = (busy("finish"), busy("cancel"));
        assert!((finish - (99.0 * 0.8 + 0.4)).abs() < 1e-6, "{finish}");
        assert!((cancel - (99.0 * 0.5 + 0.4)).abs() < 1e-6, "{cancel}");
    }
}

#[test]
fn a_cancelled_request_leaves_the_line_and_its_place_is_free() {
    // At 1, 2, 3 s: one in service to 11 s, one in the only place of the queue that gives up at 4.5 s; the one at 3 s is refused,
    // the one at 5 s finds the place free (it gives up at 7.5 s, the one at 6 s is refused, and so on).
    let servers = "{ name: s, queue: 1, abandoned: cancel }";
    let client = each_second("10s", ", timeout: 2500ms");
    let record = once(&scenario("duration: 5200ms", &client, servers, LB, ""));
    // 1 s: served from 1 to 3.5 s, then cancelled; 2 s: starts at 3.5 s, gives up at 4.5 s; 3 s: refused; 4 s: waits, starts at
    // 4.5 s; 5 s: waits.
    assert_eq!(outcome(&record), (5, 0, 3, 2));
    assert_eq!((failed_by(&record, Failure::Timeout), failed_by(&record, Failure::Refused)), (2, 1));
    assert!((record.servers[0].mean_busy * 5.2 - 4.2).abs() < 1e-9, "always busy from 1 s on");
}

#[test]
fn requests_in_flight_at_a_crash_are_reset_and_later_ones_refused_a_connection() {
    let record = once(&scenario(
        "duration: 10500ms",
        &each_second("1500ms", ""),
        "{ name: s, slots: 1 }",
        LB,
        "{ crash: { server: s-1, at: 3200ms, for: 3s } }",
    ));
    // 1 s: done at 2.5 s. 2 s and 3 s: in service and in line at 3.2 s. 4, 5, 6 s: refused. 7 to 10 s: 8.5, 10 s, two are open.
    assert_eq!(outcome(&record), (10, 3, 5, 2));
    assert_eq!((failed_by(&record, Failure::Reset), failed_by(&record, Failure::ConnectFailure)), (2, 3));
    let fault = &record.failover.faults[0];
    assert_eq!((fault.failed_requests, fault.last_error_after_s), (5, Some(2.8)));
    assert!((record.servers[0].up - 7.5 / 10.5).abs() < 1e-12);
}

#[test]
fn a_hang_swallows_what_is_there_and_what_comes_until_it_ends() {
    let record = once(&scenario(
        "duration: 20500ms",
        &each_second("1500ms", ", timeout: 8s"),
        "{ name: s, slots: 8 }",
        LB,
        "{ hang: { server: s-1, at: 3200ms, for: 3s } }",
    ));
    // Sent at 2, 3 s (in service at 3.2 s), 4, 5, 6 s: never answered. The rest takes 1.5 s; those of 19 and 20 s: 20.5 s, open.
    assert_eq!(failed_by(&record, Failure::Timeout), 5);
    assert_eq!((record.requests.failed(), record.unfinished), (5, 1));
    assert_eq!(record.failover.faults[0].last_error_after_s, Some(2.8));
}

#[test]
fn a_blackhole_keeps_answers_from_arriving_and_lets_the_server_work() {
    let record = once(&scenario(
        "duration: 20500ms",
        &each_second("1500ms", ", timeout: 4s"),
        "{ name: s, slots: 8 }",
        "{ name: lb, targets: [s], connect_timeout: 500ms }",
        "{ blackhole: { server: s-1, at: 3200ms, for: 3s } }",
    ));
    // 2 s (answer due 3.5 s) and 3 s (4.5 s): connected, no answer: the client's timeout. 4, 5, 6 s: no connection.
    assert_eq!((failed_by(&record, Failure::Timeout), failed_by(&record, Failure::ConnectFailure)), (2, 3));
    assert!((record.servers[0].mean_busy * 20.5 - (17.0 - 0.5) * 1.5 - 0.5).abs() < 1.0, "{}", record.servers[0].mean_busy * 20.5);
}

#[test]
fn a_slow_server_takes_longer_for_what_starts_then_and_for_nothing_else() {
    let client = each_second("800ms", "");
    let record = once(&scenario(
        "duration: 9900ms",
        &client,
        "{ name: s, slots: 9 }",
        LB,
        "{ slow: { server: s, factor: 2, at: 2500ms, for: 2s } }",
    ));
    // Of 1 to 9 s, those of 3 and 4 s start while it is slow: 1.6 s. The others: 0.8 s, also the one that is at work at 2.5 s.
    assert_eq!(record.requests.ok, 9);
    let latencies = record.classes[0].latency.distribution();
    assert_eq!(latencies.iter().map(|(ms, _)| (ms / 10.0).round() * 10.0).collect::<Vec<_>>(), [800.0, 1600.0]);
    assert!((latencies[0].1 - 7.0 / 9.0).abs() < 1e-12);
    // In a line it is the start of the work that counts: sent at 1, 2, 3 s, at work from 1, 2.5, 4 s.
    let record =
        once(&scenario("duration: 4s", &each_second("1500ms", ""), "{ name: s }", LB, "{ slow: { server: s, factor: 2, at: 2400ms } }"));
    assert_eq!((record.requests.ok, record.unfinished), (1, 3), "the one of 2 s is done at 5.5 s only");
}

#[test]
fn errors_at_once_take_no_slot_and_errors_after_the_work_do() {
    let busy = |at_once: bool| {
        let faults = format!("{{ errors: {{ server: s, share: 100%, at_once: {at_once} }} }}");
        let record = once(&scenario("duration: 10900ms", &each_second("900ms", ""), "{ name: s }", LB, &faults));
        assert_eq!((record.requests.failed(), failed_by(&record, Failure::ServerError)), (10, 10));
        record.servers[0].mean_busy * 10.9
    };
    assert_eq!(busy(true), 0.0);
    assert!((busy(false) - 9.0).abs() < 1e-9);
}

#[test]
fn a_flapping_server_is_down_first_and_then_in_turns() {
    let record = once(&scenario(
        "duration: 30500ms",
        &each_second("10ms", ""),
        "{ name: s }",
        LB,
        "{ flap: { server: s, at: 9500ms, for: 12s, up: 3s, down: 2s } }",
    ));
    // Down 9.5 to 11.5, 14.5 to 16.5, 19.5 to 21.5 s: two requests each.
    assert_eq!(outcome(&record), (30, 24, 6, 0));
    assert!((record.servers[0].up - 24.5 / 30.5).abs() < 1e-12);
    assert_eq!(record.failover.faults[0].occurrences, 3);
}

#[test]
fn a_fault_of_a_zone_strikes_its_servers_and_no_others() {
    let servers = "{ name: s, count: 2, zone: a, slots: 9 }, { name: t, count: 2, zone: b, slots: 9 }, { name: u, zone: a, slots: 9 }";
    let record = once(&scenario(
        "duration: 50500ms",
        &each_second("10ms", ""),
        servers,
        "{ name: lb, targets: [s, t, u] }",
        "{ crash: { zone: a, at: 20s, for: 10s } }",
    ));
    // Ten requests in turns to five servers, three of them down.
    assert_eq!(outcome(&record), (50, 44, 6, 0));
    let up: Vec<bool> = record.servers.iter().map(|server| server.up == 1.0).collect();
    assert_eq!(up, [false, false, true, true, false]);
}

#[test]
fn faults_overlap_and_each_ends_by_itself() {
    let faults = "{ crash: { server: s, at: 2500ms, for: 4s } }, { crash: { server: s, at: 4500ms, for: 4s } }, { slow: { server: s, factor: 3, at: 1500ms, for: 9s } }";
    let record = once(&scenario("duration: 12900ms", &each_second("100ms", ""), "{ name: s }", LB, faults));
    // Down from 2.5 to 8.5 s: 3 to 8 s fail. Slow at 2, 9, 10 s.
    assert_eq!(outcome(&record), (12, 6, 6, 0));
    assert!((latency_ms(&record) - (3.0 * 300.0 + 3.0 * 100.0) / 6.0).abs() < 1e-9);
    assert!((record.servers[0].up - 6.9 / 12.9).abs() < 1e-12);
}

#[test]
fn a_refused_attempt_is_sent_on_to_another_server() {
    let servers = "{ name: full, slots: 1, queue: 0 }, { name: wide, slots: unbounded }";
    let balancer = |retry: &str| format!("{{ name: lb, targets: [full, wide]{retry} }}");
    let client = each_second("100s", "");
    let without = once(&scenario("duration: 20500ms", &client, servers, &balancer(""), ""));
    let with = once(&scenario("duration: 20500ms", &client, servers, &balancer(", retry: { max: 1, when: [refused], to: other }"), ""));
    // The first takes the only slot; the nine others in the rotation's turn of `full` are refused.
    assert_eq!((without.requests.failed(), failed_by(&without, Failure::Refused)), (9, 9));
    assert_eq!((with.requests.failed(), with.unfinished), (0, 20));
    assert_eq!(with.retried, attempts_failed_by(&with, Failure::Refused));
    assert_eq!(with.servers[1].attempts, 19);
}

#[test]
fn a_budget_limits_retries_to_its_share() {
    let client = "arrivals: { poisson: { rate: 100/s } }, requests: [{ work: { constant: 1ms } }]";
    let share = "{ errors: { server: s, share: 100% } }";
    for (of_client, of_balancer) in
        [(", retry: { max: 3, when: [5xx], budget: 20% }", ""), ("", ", retry: { max: 3, when: [5xx], budget: 20% }")]
    {
        let balancer = format!("{{ name: lb, targets: [s]{of_balancer} }}");
        let record = once(&scenario("duration: 100s", &format!("{client}{of_client}"), "{ name: s, slots: 9 }", &balancer, share));
        let retried = record.retried as f64 / record.requests.sent as f64;
        // Never above the share; every failure asks for a retry, so what is allowed is used up but for a window's rounding.
        assert!(retried <= 0.2 && retried > 0.195, "{retried}");
    }
}

#[test]
fn retries_to_others_visit_each_server_once() {
    let servers = "{ name: s, count: 3, slots: 99 }";
    let client = |to: &str| {
        format!(
            "arrivals: {{ poisson: {{ rate: 50/s }} }}, requests: [{{ work: {{ constant: 1ms }} }}], retry: {{ max: 2, when: [5xx], to: {to} }}"
        )
    };
    let fail = "{ errors: { server: s, share: 100% } }";
    for algorithm in ["random", "round_robin", "least_connections", "power_of_d", "ip_hash", "consistent_hash", "first"] {
        let balancer = format!("{{ name: lb, targets: [s], algorithm: {algorithm} }}");
        let record = once(&scenario("duration: 20s", &client("other"), servers, &balancer, fail));
        let (sent, open) = (record.requests.sent, record.unfinished);
        assert!(attempts(&record).iter().all(|n| *n <= sent && *n >= sent - open), "{algorithm}: {sent} {:?}", attempts(&record));
    }
    let record = once(&scenario("duration: 20s", &client("any"), servers, "{ name: lb, targets: [s], algorithm: random }", fail));
    assert!(attempts(&record).iter().any(|n| *n > record.requests.sent), "three random draws repeat themselves");
}

#[test]
fn when_nobody_is_healthy_the_rule_decides() {
    // The servers are well, but their 200 is not among the expected statuses: out after the second check, at 0.9 s.
    let balancer = |rule: &str| {
        format!(
            "{{ name: lb, targets: [s], health_check: {{ http: /, status: 204, interval: 900ms, timeout: 500ms, unhealthy_after: 2, phase: zero, when_none: {rule} }} }}"
        )
    };
    let run = |rule: &str| once(&scenario("duration: 10500ms", &each_second("10ms", ""), "{ name: s, count: 4 }", &balancer(rule), ""));
    assert_eq!(failed_by(&run("fail"), Failure::NoServer), 10);
    assert_eq!(run("all").requests.ok, 10);
    assert_eq!(run("{ panic: 50% }").requests.ok, 10);
    assert_eq!(failed_by(&run("{ panic: 0% }"), Failure::NoServer), 10);
}

#[test]
fn panic_uses_the_dead_where_too_few_are_well() {
    let run = |rule: &str, dead: u32| {
        let faults: Vec<String> = (1..=dead).map(|k| format!("{{ crash: {{ server: s-{k} }} }}")).collect();
        let balancer = format!(
            "{{ name: lb, targets: [s], health_check: {{ tcp: {{}}, interval: 900ms, timeout: 500ms, unhealthy_after: 1, phase: zero, when_none: {rule} }} }}"
        );
        once(&scenario("duration: 40500ms", &each_second("10ms", ""), "{ name: s, count: 4 }", &balancer, &faults.join(", ")))
            .requests
            .failed()
    };
    // 40 requests in turns. Two of four well is not fewer than 50 %.
    assert_eq!([run("fail", 3), run("all", 3), run("{ panic: 50% }", 2)], [0, 0, 0]);
    assert_eq!([run("{ panic: 50% }", 3), run("{ panic: 51% }", 2), run("all", 4)], [30, 20, 40]);
}

#[test]
fn the_inner_balancer_gives_up_first_and_tries_another_server() {
    let servers = "{ name: s, latency: { constant: 10ms } }, { name: t, latency: { constant: 10ms } }";
    let balancers = |outer_timeout: &str| {
        format!(
            "{{ name: outer, targets: [inner], timeout: {outer_timeout}, retry: {{ max: 1, when: [timeout] }} }}, \
             {{ name: inner, targets: [s, t], algorithm: first, timeout: 300ms, latency: {{ constant: 5ms }}, retry: {{ max: 1, when: [timeout], to: other }} }}"
        )
    };
    let hang = "{ hang: { server: s } }";
    let client = each_second("100ms", ", latency: { constant: 20ms }");
    let record = once(&scenario("duration: 4900ms", &client, servers, &balancers("500ms"), hang));
    // 20 + 5 to the inner one, 300 there, 10 + 100 + 10 at t, 5 + 20 back.
    assert_eq!((record.requests.ok, record.retried), (4, 4));
    assert!((latency_ms(&record) - 470.0).abs() < 1e-9, "{}", latency_ms(&record));
    // Where the outer one gives up first, twice, the inner one has no time to try another server, and does not do so later.
    let record = once(&scenario("duration: 4900ms", &client, servers, &balancers("200ms"), hang));
    assert_eq!((record.requests.ok, failed_by(&record, Failure::Timeout), record.retried), (0, 4, 4));
    assert_eq!(attempts(&record), [8, 0]);
}

#[test]
fn nothing_sent_before_the_end_of_the_warm_up_counts() {
    let head = "duration: 10500ms\nwarmup: 5s";
    let record =
        once(&scenario(head, &each_second("2s", ""), "{ name: s, slots: 9 }", LB, "{ crash: { server: s, at: 3500ms, for: 1s } }"));
    // Counted: 5 to 10 s; of these 9 and 10 s are open. Before: two were reset, one was refused.
    assert_eq!(outcome(&record), (6, 4, 0, 2));
    assert_eq!((attempts(&record), record.failover.faults[0].failed_requests), (vec![6], 0));
    assert_eq!(record.window_s, 5.5);
    // 2 s each from 5, 6, 7, 8 s on, 1.5 and 0.5 s of the last two: 10 s of 5.5 s.
    assert!((record.servers[0].mean_busy - 10.0 / 5.5).abs() < 1e-12);
}

#[test]
fn latency_is_the_clients_with_its_retries_and_both_ways_of_the_network() {
    let client = each_second("100ms", ", latency: { constant: 7ms }, retry: { max: 2, when: [5xx], backoff: { base: 50ms, max: 1s } }");
    let servers = "{ name: s, latency: { constant: 3ms } }";
    let faults = "{ errors: { server: s, share: 100%, at: 900ms, for: 300ms } }";
    let record = once(&scenario("duration: 1900ms", &client, servers, LB, faults));
    // At the server at 1.01 s: fails. Back at 1.12 s, again at 1.17 s, at the server at 1.18 s: fails. Back at 1.29 s, waits 100 ms,
    // at the server at 1.40 s: done, back at 1.51 s.
    assert_eq!((record.requests.ok, record.retried), (1, 2));
    assert!((latency_ms(&record) - 510.0).abs() < 1e-9, "{}", latency_ms(&record));
    assert!((record.classes[0].response.mean_ms().unwrap() - 100.0).abs() < 1e-9);
}

const SHOP: &str = "arrivals: { poisson: { rate: 20/s } }, population: 2000, \
                    session: { requests: { constant: 20 }, think: { exponential: { mean: 2s } } }, requests: [{ work: { exponential: { mean: 2ms } } }]";

fn shop(balancer: &str, faults: &str) -> RunRecord {
    let check = "health_check: { tcp: {}, interval: 1s, timeout: 500ms, unhealthy_after: 1, healthy_after: 1 }";
    let balancer = format!("{{ name: lb, targets: [s], {check}, {balancer} }}");
    once(&scenario("duration: 300s", SHOP, "{ name: s, count: 4, slots: 8 }", &balancer, faults))
}

#[test]
fn a_cookie_outlives_the_servers_return_and_a_hash_goes_back() {
    let crash = "{ crash: { server: s-1, at: 100s, for: 20s } }";
    let cookie = shop("sticky: { cookie: { name: lb } }", crash);
    let hash = shop("algorithm: session_hash", crash);
    let well = shop("sticky: { cookie: { name: lb } }", "");
    assert_eq!((well.affinity.moved, well.affinity.requests_moved, well.affinity.lost_state, well.affinity.wiped), (0, 0, 0, 0));
    // About 800 sessions (20/s x 38 s of thinking) are open at a time, a quarter of them on s-1. By cookie each moves once and
    // stays; by hash it goes back when the server returns.
    let of_cookie = cookie.affinity;
    assert!(of_cookie.moved > 100 && of_cookie.requests_moved == of_cookie.moved, "{of_cookie:?}");
    assert_eq!(of_cookie.lost_state, of_cookie.moved, "each of them has lost its cart");
    let of_hash = hash.affinity;
    assert!(of_hash.requests_moved > of_hash.moved + 40, "{of_hash:?}");
    assert!(of_hash.lost_state < of_hash.moved, "{of_hash:?}: those who began during the fault had nothing there to lose");
}

#[test]
fn users_behind_one_address_stay_together_by_address_and_not_by_cookie() {
    let spread = |sticky: &str| {
        let client = "arrivals: { poisson: { rate: 100/s } }, population: 400, addresses: { nat: { share: 100%, behind: 1 } }, requests: [{ work: { constant: 1ms } }]";
        let balancer = format!("{{ name: lb, targets: [s], sticky: {{ {sticky} }} }}");
        attempts(&once(&scenario("duration: 60s", client, "{ name: s, count: 4, slots: 9 }", &balancer, "")))
    };
    assert!(spread("source_ip: {}").iter().filter(|n| **n > 0).count() == 1);
    assert!(spread("cookie: {}").iter().all(|n| *n > 1000));
}

#[test]
fn a_user_of_a_closed_loop_thinks_after_the_answer() {
    // 100 ms of work and 400 ms of thinking: two a second, the first at 0.4 s.
    let client = "arrivals: { closed: { users: 1, think: { constant: 400ms } } }, requests: [{ work: { constant: 100ms } }]";
    let record = once(&scenario("duration: 10s", client, "{ name: s }", LB, ""));
    assert_eq!(outcome(&record), (20, 20, 0, 0));
}

#[test]
fn a_full_line_refuses_and_the_places_are_as_many_as_written() {
    // 1 s at work, 2 and 3 s in the queue, 4 to 9 s refused.
    for discipline in ["fifo", "ps"] {
        let servers = format!("{{ name: s, queue: 2, discipline: {discipline} }}");
        let record = once(&scenario("duration: 9500ms", &each_second("100s", ""), &servers, LB, ""));
        assert_eq!((failed_by(&record, Failure::Refused), record.unfinished), (6, 3), "{discipline}");
    }
}

#[test]
fn requests_that_wait_at_the_balancer_go_to_a_server_as_soon_as_it_returns() {
    // s-2 is out until its check at 5 s; the request of 4.4 s waits for s-1, which is busy for long.
    for algorithm in ["central_queue", "first"] {
        let balancer = format!(
            "{{ name: lb, targets: [s], algorithm: {algorithm}, health_check: {{ tcp: {{}}, interval: 1s, timeout: 500ms, unhealthy_after: 1, healthy_after: 1, phase: zero }} }}"
        );
        let client = "arrivals: { deterministic: { rate: 0.45/s } }, requests: [{ work: { constant: 100s } }]";
        let record = once(&scenario("duration: 6s", client, "{ name: s, count: 2 }", &balancer, "{ crash: { server: s-2, for: 4500ms } }"));
        // From 5 s on s-2 is busy.
        assert!((record.servers[1].mean_busy * 6.0 - 1.0).abs() < 1e-9, "{algorithm}: {}", record.servers[1].mean_busy * 6.0);
    }
}

#[test]
fn requests_that_wait_at_the_balancer_fail_when_nobody_is_left() {
    for algorithm in ["central_queue", "first"] {
        let balancer = format!(
            "{{ name: lb, targets: [s], algorithm: {algorithm}, health_check: {{ http: /, interval: 1s, timeout: 500ms, unhealthy_after: 1, phase: zero }} }}"
        );
        let client = each_second("100s", "");
        let record = once(&scenario("duration: 9500ms", &client, "{ name: s }", &balancer, "{ hang: { server: s, at: 4200ms } }"));
        // The check of 5 s fails at 5.5 s. What waits since 2, 3, 4, 5 s, and what comes later, has no server to go to.
        assert_eq!((failed_by(&record, Failure::NoServer), record.unfinished), (8, 1), "{algorithm}");
    }
}

#[test]
fn a_retry_begins_to_wait_anew() {
    // At work: that of 1 s to 2.5 s, of 2 s to 4 s (it fails), of 3 s to 5.5 s, of 4 s to 7 s, then the retry, since 4.01 s in line.
    let client = "arrivals: { deterministic: { rate: 1/s } }, requests: [{ work: { constant: 1500ms } }]";
    let balancer = "{ name: lb, targets: [s], algorithm: central_queue, retry: { max: 1, when: [5xx], backoff: 10ms } }";
    let faults = "{ errors: { server: s, share: 100%, at: 2400ms, for: 500ms } }";
    let record = once(&scenario("duration: 8900ms", client, "{ name: s }", balancer, faults));
    assert_eq!((record.requests.ok, record.retried), (4, 1));
    let waits: Vec<f64> = record.classes[0].waiting.distribution().iter().map(|(ms, _)| (ms / 10.0).round() * 10.0).collect();
    assert_eq!(waits, [0.0, 1000.0, 1500.0, 2990.0]);
}

#[test]
fn a_check_that_waits_is_lost_with_its_server() {
    // The check of 2 s waits behind a request until 4 s and would pass; the network is gone since 3 s.
    let balancer = "{ name: lb, targets: [s], health_check: { http: /, interval: 2s, timeout: 4s, unhealthy_after: 1, phase: zero, checks_queue: true } }";
    for fault in ["blackhole", "hang"] {
        let faults = format!("{{ {fault}: {{ server: s, at: 3s }} }}");
        let client = "arrivals: { deterministic: { rate: 1/s } }, requests: [{ work: { constant: 3s } }]";
        let record = once(&scenario("duration: 20s", client, "{ name: s }", balancer, &faults));
        assert_eq!(record.failover.faults[0].detected_after_s, Some(3.0), "{fault}");
    }
}

#[test]
fn a_check_in_the_queue_meets_an_error_fault_once() {
    let failing_share = |checks_queue: bool, at_once: bool| {
        let balancer = format!(
            "{{ name: lb, targets: [s], health_check: {{ http: /, interval: 100ms, timeout: 50ms, unhealthy_after: 1000000, checks_queue: {checks_queue} }} }}"
        );
        let faults = format!("{{ errors: {{ server: s, share: 30%, at_once: {at_once} }} }}");
        let record = once(&scenario("duration: 1000s", &each_second("1ms", ""), "{ name: s, slots: 2 }", &balancer, &faults));
        record.checks_failed as f64 / record.checks_sent as f64
    };
    for (checks_queue, at_once) in [(false, false), (false, true), (true, false), (true, true)] {
        let share = failing_share(checks_queue, at_once);
        // Standard error sqrt(0.21 / 10,000) = 0.0046: five of them.
        assert!((share - 0.3).abs() < 0.023, "checks_queue {checks_queue}, at_once {at_once}: {share}");
    }
}

#[test]
fn a_queued_check_passes_by_its_status_like_any_other() {
    for checks_queue in [false, true] {
        let balancer = format!(
            "{{ name: lb, targets: [s], health_check: {{ http: /, status: 204, interval: 1s, timeout: 500ms, checks_queue: {checks_queue} }} }}"
        );
        let record = once(&scenario("duration: 20s", &each_second("1ms", ""), "{ name: s }", &balancer, ""));
        assert_eq!(record.checks_failed, record.checks_sent, "checks_queue {checks_queue}");
    }
}

#[test]
fn a_request_given_up_on_its_way_is_simply_gone() {
    // The client's timeout is shorter than its way to the balancer, and checks use the same places in memory.
    let client =
        "arrivals: { poisson: { rate: 50/s } }, latency: { constant: 1s }, timeout: 500ms, requests: [{ work: { constant: 1ms } }]";
    let balancer = "{ name: lb, targets: [s], health_check: { http: /, interval: 10ms, timeout: 5ms, checks_queue: true } }";
    let record = once(&scenario("duration: 20s", client, "{ name: s, count: 3, slots: 2, queue: 4 }", balancer, ""));
    assert_eq!(record.requests.ok, 0);
    assert_eq!(record.attempts.sent, 0);
    assert_eq!(failed_by(&record, Failure::Timeout) + record.unfinished, record.requests.sent);
}

#[test]
fn a_check_that_travels_longer_than_its_timeout_fails_at_the_timeout() {
    let balancer = "{ name: lb, targets: [s], health_check: { tcp: {}, interval: 10s, timeout: 900ms, unhealthy_after: 1, phase: zero } }";
    let record = once(&scenario("duration: 9500ms", &each_second("1ms", ""), "{ name: s, latency: { constant: 3s } }", balancer, ""));
    assert_eq!(failed_by(&record, Failure::NoServer), 9);
}

#[test]
fn the_timeline_holds_what_the_totals_hold_to_the_last_instant() {
    let client = "arrivals: { deterministic: { rate: 100/s } }, requests: [{ work: { constant: 5ms } }]";
    let record = once(&scenario("duration: 10s", client, "{ name: s }", LB, ""));
    assert_eq!(record.requests.sent, 1000);
    assert_eq!(record.timeline.bins.iter().map(|bin| bin.sent).sum::<u64>(), 1000, "the last request comes at 10 s");
}

#[test]
fn a_long_overload_does_not_run_out_of_numbers() {
    // 0.9 a second join the line: at the end 3,000 h x 3600 s x 0.9 = 9,720,000, half of it on average.
    let client = "arrivals: { deterministic: { rate: 1/s } }, requests: [{ work: { constant: 10s } }]";
    let record = once(&scenario("duration: 3000h", client, "{ name: s }", LB, ""));
    assert!((record.servers[0].mean_queue / 4_860_000.0 - 1.0).abs() < 1e-3, "{}", record.servers[0].mean_queue);
}

#[test]
fn a_user_without_a_thought_who_is_turned_away_does_not_stop_time() {
    let closed = "arrivals: { closed: { users: 3, think: { constant: 0s } } }, requests: [{ work: { constant: 100ms } }]";
    let check = "{ name: lb, targets: [s], health_check: { tcp: {}, interval: 1s, timeout: 500ms } }";
    for (servers, balancer, faults) in [
        ("{ name: s, queue: 0 }", LB, ""),
        ("{ name: s }", LB, "{ crash: { server: s, at: 1s, for: 1s } }"),
        ("{ name: s }", LB, "{ errors: { server: s, share: 50%, at_once: true, at: 1s } }"),
        ("{ name: s }", check, "{ crash: { server: s, at: 1s } }"),
    ] {
        let record = once(&scenario("duration: 10s", closed, servers, balancer, faults));
        assert_eq!(record.requests.sent, record.requests.ok + record.requests.failed() + record.unfinished);
        assert!(record.requests.ok >= 9, "{servers} {faults}: {:?}", outcome(&record));
    }
}

#[test]
fn a_variant_is_the_same_alone_and_among_others() {
    let text = |compare: &str| {
        let client = "arrivals: { poisson: { rate: 100/s } }, population: 50, requests: [{ work: { exponential: { mean: 20ms } } }]";
        let balancer = "{ name: lb, targets: [s], health_check: { http: /, interval: 1s, timeout: 500ms } }";
        format!(
            "{}compare: [{compare}]\n",
            scenario("duration: 20s", client, "{ name: s, count: 3 }", balancer, "{ crash: { server: s-2, at: 5s, for: 5s } }")
        )
    };
    let names = ["round_robin", "random", "least_connections", "{ power_of_d: { d: 2 } }", "ip_hash", "central_queue"];
    let together = variants(&text(&names.join(", ")));
    assert_eq!(together.len(), names.len());
    for (name, among) in names.iter().zip(&together) {
        let alone = &variants(&text(name))[0];
        let figures = |compiled| crate::trial::figures(&model::run(crate::trial::plan(compiled, 5, 2)));
        assert!(figures(alone) == figures(among), "{name}");
    }
}

#[test]
fn a_variant_meets_the_same_customers_as_another() {
    // Work in the system is conserved: with one slow line per server or one in front of all, the same work arrives.
    let client = "arrivals: { poisson: { rate: 50/s } }, requests: [{ work: { exponential: { mean: 10ms } } }]";
    let sums: Vec<f64> = ["round_robin", "random", "least_connections"]
        .iter()
        .map(|algorithm| {
            let balancer = format!("{{ name: lb, targets: [s], algorithm: {algorithm} }}");
            let record = &replications(&scenario("duration: 100s", client, "{ name: s, count: 2, slots: unbounded }", &balancer, ""), 1)[0];
            mean(record.classes.iter().map(|class| class.latency.mean_ms().unwrap()))
        })
        .collect();
    assert!(sums.iter().all(|sum| (sum - sums[0]).abs() < 1e-9), "{sums:?}");
}

/// A server of one slot without a queue refuses whatever comes while it works: only waiting at the balancer avoids that.
#[test]
fn bound_requests_wait_at_the_balancer_for_their_own_server() {
    for algorithm in ["first", "central_queue"] {
        for sticky in ["source_ip: {}", "cookie: {}"] {
            let record = once(&format!(
                "duration: 60s\nwarmup: 0s\nclients:\n  - {{ name: c, arrivals: {{ poisson: {{ rate: 100/s }} }}, population: 9, requests: [{{ work: {{ exponential: {{ mean: 10ms }} }} }}] }}\n\
                 servers:\n  - {{ name: s, count: 3, queue: 0 }}\nbalancers:\n  - {{ name: lb, targets: [s], algorithm: {algorithm}, sticky: {{ {sticky} }} }}\n"
            ));
            assert_eq!(record.requests.failed(), 0, "{algorithm} {sticky}: a server was sent more than it takes");
            assert!(record.requests.ok > 5500 && record.servers.iter().all(|server| server.mean_queue == 0.0));
            // At most two requests of each user were under way before its first answer bound it.
            assert!(record.affinity.requests_moved < 30, "{algorithm} {sticky}: {:?}", record.affinity);
            assert!(record.classes[0].waited > 1000, "they waited");
        }
    }
}

/// One user, bound to one of two servers of one slot: an M/M/1 queue at the balancer, whatever the other server could do.
/// Mean response 1 / (100/s - 50/s) = 20 ms.
#[test]
fn a_bound_user_makes_a_queue_of_its_own() {
    let text = "duration: 2000s\nwarmup: 5s\nclients:\n  - { name: c, arrivals: { poisson: { rate: 50/s } }, population: 1, requests: [{ work: { exponential: { mean: 10ms } } }] }\n\
                servers:\n  - { name: s, count: 2, queue: 0 }\nbalancers:\n  - { name: lb, targets: [s], algorithm: first, sticky: { source_ip: {} } }\n";
    let records = replications(text, 20);
    assert!(records.iter().all(|record| record.requests.failed() == 0));
    let means: Vec<f64> = records.iter().map(latency_ms).collect();
    let mean = mean(means.iter().copied());
    // Of 2 million requests: five standard errors, from the replications.
    let error = (means.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 19.0 / 20.0).sqrt();
    assert!((mean - 20.0).abs() < 5.0 * error && error < 0.1, "{mean} +- {error}");
}

/// What waits for a server that hangs goes elsewhere once the checks have found it out; what it had swallowed is lost.
#[test]
fn bound_requests_go_elsewhere_when_their_server_leaves_rotation() {
    let record = once(
        "duration: 30020ms\nwarmup: 0s\nclients:\n  - { name: c, arrivals: { deterministic: { rate: 20/s } }, population: 1, requests: [{ work: { constant: 10ms } }] }\n\
         servers:\n  - { name: s, count: 2, queue: 0 }\nbalancers:\n  - { name: lb, targets: [s], algorithm: first, sticky: { cookie: {} }, health_check: { http: /, interval: 1s, timeout: 500ms, unhealthy_after: 2, phase: zero } }\n\
         faults:\n  - hang: { server: s-1, at: 10005ms }\n",
    );
    // Sent at 10 s it was in work when the hang began. Checks of 11 s and 12 s fail, the second at 12.5 s; from then on all go to s-2.
    assert_eq!((record.stuck, record.unfinished, record.requests.failed()), (1, 1, 0));
    let waited = record.classes[0].latency.max_ms().unwrap();
    assert!((waited - 2460.0).abs() < 5.0, "the request of 10.05 s waited until 12.5 s and took 10 ms: {waited}");
}

#[test]
fn what_some_timeout_will_end_is_open_and_not_stuck() {
    let swallowed = |fault: &str, balancers: &str, client: &str| {
        let faults = format!("{{ {fault}: {{ server: s, at: 5500ms }} }}");
        let record = once(&scenario("duration: 10500ms", &each_second("100ms", client), "{ name: s }", balancers, &faults));
        assert_eq!((record.requests.sent, record.requests.ok), (10, 5));
        (record.requests.failed(), record.unfinished, record.stuck, record.failover.faults[0].failed_requests)
    };
    // Sent at 6 to 10 s: nothing ends them, or those of 6, 7 and 8 s have run into the 2 s of whoever waits no longer.
    let chain = "{ name: edge, targets: [lb], timeout: 2s }, { name: lb, targets: [s] }";
    assert_eq!(swallowed("hang", LB, ""), (0, 5, 5, 5));
    assert_eq!(swallowed("hang", LB, ", timeout: 2s"), (3, 2, 0, 3));
    assert_eq!(swallowed("hang", "{ name: lb, targets: [s], timeout: 2s }", ""), (3, 2, 0, 3));
    assert_eq!(swallowed("hang", chain, ""), (3, 2, 0, 3));
    // Waiting for a connection ends where there is none, and helps nobody where the server accepts and falls silent.
    let connects = "{ name: lb, targets: [s], connect_timeout: 2s }";
    assert_eq!(swallowed("blackhole", connects, ""), (3, 2, 0, 3));
    assert_eq!(swallowed("hang", connects, ""), (0, 5, 5, 5));
    assert_eq!(swallowed("blackhole", LB, ""), (0, 5, 5, 5));
}

/// nginx without `non_idempotent`: a POST that was sent is not tried again, one for which no connection was made is.
#[test]
fn what_is_not_idempotent_is_tried_again_only_where_it_was_not_sent() {
    let failed = |method: &str, setting: &str| {
        let retry = format!("retry: {{ max: 1, when: [connect_failure, reset], to: other, non_idempotent: {setting} }}");
        let client = |retry: &str| {
            let requests = format!("requests: [{{ method: {method}, work: {{ constant: 500ms }} }}]");
            format!("arrivals: {{ deterministic: {{ rate: 10/s }} }}, {requests}{retry}")
        };
        let faults = "{ crash: { server: s-1, at: 4950ms, for: 2s } }";
        let run = |client: String, balancer: String| {
            let record = once(&scenario("duration: 9990ms", &client, "{ name: s, count: 2, slots: 20 }", &balancer, faults));
            (failed_by(&record, Failure::Reset), failed_by(&record, Failure::ConnectFailure))
        };
        let of_balancer = run(client(""), format!("{{ name: lb, targets: [s], {retry} }}"));
        let of_client = run(client(&format!(", {retry}")), "{ name: lb, targets: [s] }".to_owned());
        (of_balancer, of_client)
    };
    // In the crash s-1 has what was sent to it in the last half second: every other one of ten a second.
    let (by_balancer, by_client) = failed("POST", "false");
    assert!((2..=3).contains(&by_balancer.0) && by_balancer.1 == 0, "{by_balancer:?}");
    assert!((2..=3).contains(&by_client.0), "{by_client:?}");
    assert_eq!(failed("GET", "false").0, (0, 0));
    assert_eq!((failed("POST", "true").0, failed("PUT", "false").0), ((0, 0), (0, 0)));
}
