//! Connections: what they pin, what they cost, how they end. Deterministic arrivals come at k / rate, so that most figures are exact.

use crate::trial::{failed_by, latency_ms, mean, once, replications};
use lbsim::measure::{RunRecord, Status};
use lbsim::scenario::Failure;

fn attempts(record: &RunRecord) -> Vec<u64> {
    record.servers.iter().map(|server| server.attempts).collect()
}

/// Clients, servers and balancers as given.
fn scenario(head: &str, client: &str, servers: &str, balancers: &str) -> String {
    format!("{head}\nclients: [{{ name: c, {client} }}]\nservers: [{servers}]\nbalancers: [{balancers}]\n")
}

/// One request a second, each with so much work.
fn each_second(work: &str, more: &str) -> String {
    format!("arrivals: {{ deterministic: {{ rate: 1/s }} }}, requests: [{{ work: {{ constant: {work} }} }}]{more}")
}

#[test]
fn one_http2_connection_through_an_l4_balancer_pins_all_on_one_target() {
    let run = |layer: &str, streams: &str| {
        let client = format!(
            "arrivals: {{ poisson: {{ rate: 100/s }} }}, requests: [{{ work: {{ exponential: {{ mean: 20ms }} }} }}], connections: {{ per: all, streams: {streams} }}"
        );
        let lb = format!("{{ name: lb, layer: {layer}, targets: [s], algorithm: random }}");
        once(&scenario("duration: 100s", &client, "{ name: s, count: 4, slots: 8 }", &lb))
    };
    let pinned = run("l4", "100");
    let mut shares = attempts(&pinned);
    shares.sort_unstable();
    assert_eq!(shares[..3], [0, 0, 0]);
    assert_eq!(pinned.openers[0].unwrap().opened, 1);
    // Per request: binomial with n = 10,000 and p = 1/4; standard deviation 43, five of them.
    let even = attempts(&run("l7", "100"));
    let sent: u64 = even.iter().sum();
    assert!(even.iter().all(|count| count.abs_diff(sent / 4) < 217), "{even:?}");
}

#[test]
fn a_handshake_takes_its_round_trips_and_its_computing() {
    let latencies = |tls: &str, more: &str| {
        let client = each_second("10ms", &format!(", latency: {{ constant: 20ms }}, population: 1, connections: {{ {more} }}"));
        let lb = format!("{{ name: lb, targets: [s]{tls} }}");
        let record = once(&scenario("duration: 10500ms", &client, "{ name: s, latency: { constant: 1ms } }", &lb));
        assert_eq!(record.requests.ok, 10);
        latency_ms(&record)
    };
    // The way there and back, and the work: 20 + 1 + 10 + 1 + 20 = 52 ms. TCP: one round trip of 40 ms more, for the first of ten.
    let all_new = |tls: &str| latencies(tls, "max_requests: 1");
    assert_eq!(latencies("", ""), 52.0 + 4.0);
    assert_eq!(all_new(""), 92.0);
    assert_eq!(all_new(", tls: { round_trips: 1, handshake: { constant: 2ms } }"), 92.0 + 40.0 + 2.0);
    assert_eq!(all_new(", tls: { round_trips: 2, handshake: { constant: 2ms } }"), 92.0 + 80.0 + 2.0);
    // All but the first resume their session; with early data that takes no round trip.
    let resumed = |trips: u32| all_new(&format!(", tls: {{ round_trips: 2, resumed: 100%, resumed_round_trips: {trips} }}"));
    assert!((resumed(1) - (92.0 + (80.0 + 2.0) / 10.0 + 0.9 * (40.0 + 0.2))).abs() < 1e-9, "{}", resumed(1));
    assert!((resumed(0) - (92.0 + (80.0 + 2.0) / 10.0 + 0.9 * 0.2)).abs() < 1e-9, "{}", resumed(0));
}

#[test]
fn tls_passes_through_to_the_servers_that_end_it() {
    let latency = |tls: &str| {
        let client = each_second("10ms", ", latency: { constant: 20ms }, population: 1, connections: { max_requests: 1 }");
        let server = format!("{{ name: s, latency: {{ constant: 1ms }}{tls} }}");
        let record = once(&scenario("duration: 10500ms", &client, &server, "{ name: lb, layer: l4, targets: [s] }"));
        assert_eq!((record.requests.ok, record.openers[0].unwrap().full), (10, if tls.is_empty() { 0 } else { 10 }));
        latency_ms(&record)
    };
    // Each round trip goes all the way to the server: 2 x (20 + 1) ms; one for TCP, two for TLS.
    let plain = 52.0 + 42.0;
    assert_eq!(latency(""), plain);
    assert_eq!(latency(", tls: { round_trips: 2, handshake: { constant: 2ms } }"), plain + 84.0 + 2.0);
}

#[test]
fn a_connection_that_was_forgotten_on_its_way_is_reset_and_one_that_was_closed_is_not() {
    // Requests at 1, 11, 21, ... s, each on the same connection unless that has ended.
    let run = |lb: &str, client_idle: &str| {
        let client = format!(
            "arrivals: {{ deterministic: {{ rate: 0.1/s }} }}, population: 1, requests: [{{ work: {{ constant: 10ms }} }}], latency: {{ constant: 1ms }}, connections: {{ idle_timeout: {client_idle} }}"
        );
        once(&scenario("duration: 105s", &client, "{ name: s }", lb))
    };
    let l4 = "{ name: lb, layer: l4, targets: [s], idle_timeout: 5s }";
    let record = run(l4, "60s");
    // Every other one finds the connection forgotten.
    assert_eq!((record.requests.ok, failed_by(&record, Failure::Reset)), (5, 5));
    assert_eq!(record.openers[0].unwrap().resets, 5);
    assert_eq!(run(l4, "4s").requests.ok, 10);
    let l7 = run("{ name: lb, targets: [s], idle_timeout: 5s }", "60s");
    assert_eq!((l7.requests.ok, l7.openers[0].unwrap().opened), (10, 10));
}

/// Closed users who send twice a second, each over one connection of its own, through a balancer that draws at random.
fn users_over_connections(layer: &str, users: u32) -> String {
    scenario(
        "duration: 20200ms",
        &format!(
            "arrivals: {{ closed: {{ users: {users}, think: {{ constant: 500ms }} }} }}, requests: [{{ work: {{ constant: 0s }} }}], connections: {{}}"
        ),
        "{ name: s, count: 4, slots: unbounded }",
        &format!("{{ name: lb, layer: {layer}, targets: [s], algorithm: random }}"),
    )
}

#[test]
fn few_long_lived_connections_are_spread_by_the_binomial_law_and_requests_evenly() {
    // Chi-squared of 20 users over 4 servers has a mean of 3 per run; over 300 runs the sum has 900 degrees of freedom and a standard
    // deviation of sqrt(2 x 900) = 42: five of them, confidence 0.9999994.
    let spread = |layer: &str| {
        let runs = replications(&users_over_connections(layer, 20), 300);
        let of_run = |record: &RunRecord| {
            let mean = record.attempts.sent as f64 / 4.0;
            let per_user = record.attempts.sent as f64 / 20.0;
            attempts(record).into_iter().map(|count| (count as f64 - mean).powi(2) / mean / per_user).sum::<f64>()
        };
        runs.iter().map(of_run).sum::<f64>()
    };
    let by_connection = spread("l4");
    assert!((by_connection - 900.0).abs() < 212.0, "{by_connection}");
    // 40 requests of each user are drawn each by itself: a fortieth of the spread.
    let by_request = spread("l7");
    assert!((by_request * 40.0 - 900.0).abs() < 212.0, "{by_request}");
}

#[test]
fn each_connection_is_equally_likely_to_go_to_each_target() {
    // Sessions of three requests, a connection each: some 20,000 connections over 5 servers.
    let client = "arrivals: { poisson: { rate: 200/s } }, session: { requests: { constant: 3 }, think: { exponential: { mean: 100ms } } }, \
                  requests: [{ work: { constant: 0s } }], connections: {}";
    let record = once(&scenario(
        "duration: 100s",
        client,
        "{ name: s, count: 5, slots: unbounded }",
        "{ name: lb, layer: l4, targets: [s], algorithm: random }",
    ));
    let opener = record.openers[0].unwrap();
    assert!(opener.opened > 19_000 && opener.opened < 21_000);
    let expected = opener.opened as f64 / 5.0;
    // Sessions that are open at the end have sent less than three; they are too few to matter.
    let chi: f64 = attempts(&record).iter().map(|count| (*count as f64 / 3.0 - expected).powi(2) / expected).sum();
    // 4 degrees of freedom: below 28.5 with probability 0.99999.
    assert!(chi < 28.5, "{chi} {:?}", attempts(&record));
}

#[test]
fn least_connections_counts_connections_where_it_sees_no_requests() {
    // Nine users come one after the other and stay; hardly ever is a request in flight, but the connections are counted.
    let run = |layer: &str, algorithm: &str| {
        let client = "arrivals: { closed: { users: 9, think: { uniform: { min: 900ms, max: 1100ms } } } }, requests: [{ work: { constant: 1us } }], connections: {}";
        let lb = format!("{{ name: lb, layer: {layer}, targets: [s], algorithm: {{ least_connections: {{ ties: {algorithm} }} }} }}");
        attempts(&once(&scenario("duration: 60s", client, "{ name: s, count: 3, slots: unbounded }", &lb)))
    };
    let counted = run("l4", "first");
    let total: u64 = counted.iter().sum();
    // Three users each; they differ by a few requests.
    assert!(counted.iter().all(|count| count.abs_diff(total / 3) < 10), "{counted:?}");
    let unseen = run("l7", "first");
    assert!(unseen[0] > 9 * (unseen[1] + unseen[2]), "{unseen:?}");
}

#[test]
fn a_server_that_keeps_connections_for_less_time_than_the_balancer_answers_some_with_502() {
    let run = |keep_alive: &str| {
        let client = "arrivals: { renewal: { gap: { constant: 5011500us } } }, requests: [{ work: { constant: 10ms } }]";
        let servers = format!("{{ name: s, latency: {{ constant: 1ms }}{keep_alive} }}");
        let lb = "{ name: lb, targets: [s], connections: { idle_timeout: 60s } }";
        once(&scenario("duration: 151s", client, &servers, lb))
    };
    // k-th request at k x 5.0115 s. The first opens a connection and is answered 13 ms later: the server would close it 5 s after that, at
    // 10.0245 s; the second arrives at 10.024 s, and is answered at 10.034 s. The third leaves the balancer at 15.0345 s: the server has closed
    // at 15.034 s, which the balancer hears at 15.035 s. So every third of the 30 is lost.
    let raced = run(", keep_alive: 5s");
    assert_eq!((raced.requests.ok, failed_by(&raced, Failure::Reset)), (20, 10));
    let statuses = &raced.statuses[0];
    assert_eq!((statuses.get(Status::Own(200)), statuses.get(Status::Own(502))), (20, 10));
    let opener = raced.openers[1].unwrap();
    assert_eq!((opener.opened, opener.resets, opener.reused), (10, 10, 20));
    assert_eq!(run(", keep_alive: 61s").requests.ok, 30);
    assert_eq!(run("").requests.ok, 30);
}

#[test]
fn who_finds_all_connections_busy_waits_as_in_an_m_m_c_queue() {
    // 80 requests a second of 40 ms over 4 connections: 3.2 Erlang. Erlang C: the share that waits, and the mean wait C / (100 - 80) s.
    let client = "arrivals: { poisson: { rate: 80/s } }, requests: [{ work: { exponential: { mean: 40ms } } }], \
                  connections: { per: all, max: 4 }";
    let text = scenario("duration: 520s\nwarmup: 20s", client, "{ name: s, slots: unbounded }", "{ name: lb, targets: [s] }");
    let runs = replications(&text, 20);
    let load: f64 = 3.2;
    let terms: Vec<f64> = (0..4)
        .scan(1.0, |term, k| {
            let now = *term;
            *term *= load / f64::from(k + 1);
            Some(now)
        })
        .collect();
    let last = load.powi(4) / 24.0 / (1.0 - 0.8);
    let erlang_c = last / (terms.iter().sum::<f64>() + last);
    let expected_ms = 40.0 + erlang_c / 20.0 * 1e3;
    let close = |what: &str, values: Vec<f64>, expected: f64| {
        let average = mean(values.iter().copied());
        let variance = values.iter().map(|value| (value - average).powi(2)).sum::<f64>() / 19.0;
        // Student's t with 19 degrees of freedom: within 4.5 standard errors with probability 0.9998.
        let bound = 4.5 * (variance / 20.0).sqrt();
        assert!((average - expected).abs() < bound && bound < 0.1 * expected, "{what}: {average} {expected} {bound}");
    };
    close("latency", runs.iter().map(latency_ms).collect(), expected_ms);
    let opener = |record: &RunRecord| record.openers[0].unwrap();
    close("waited", runs.iter().map(|run| opener(run).waited as f64 / opener(run).tries as f64).collect(), erlang_c);
    assert!(runs.iter().all(|run| opener(run).open <= 4 * 500_000_000_000));
}

#[test]
fn a_connection_ends_by_its_age_or_after_so_many_requests() {
    let opened = |limit: &str| {
        let client = each_second("10ms", &format!(", population: 1, connections: {{ {limit} }}"));
        let record = once(&scenario("duration: 10500ms", &client, "{ name: s }", "{ name: lb, targets: [s] }"));
        assert_eq!(record.requests.ok, 10);
        record.openers[0].unwrap().opened
    };
    // Opened at 1, 4, 7 and 10 s.
    assert_eq!((opened(""), opened("max_age: 2500ms"), opened("max_requests: 3")), (1, 4, 4));
    assert_eq!((opened("idle_timeout: 900ms"), opened("idle_timeout: 1100ms")), (10, 1));
}

#[test]
fn streams_share_a_connection_and_what_is_too_much_waits() {
    // At 1, 2, 3, ... s requests of 2.5 s: three at once.
    let run = |limits: &str| {
        let client = each_second("2500ms", &format!(", population: 1, connections: {{ {limits} }}"));
        let record = once(&scenario("duration: 30s", &client, "{ name: s, slots: unbounded }", "{ name: lb, targets: [s] }"));
        (record.openers[0].unwrap().opened, record.openers[0].unwrap().waited)
    };
    assert_eq!(run("streams: 3"), (1, 0));
    assert_eq!(run("streams: 1"), (3, 0));
    // Two connections carry two each.
    assert_eq!(run("streams: 2"), (2, 0));
    let (opened, waited) = run("max: 1, streams: 2");
    assert!(opened == 1 && waited > 20, "{opened} {waited}");
}

#[test]
fn connections_to_a_target_that_turns_unhealthy_stay_or_are_reset() {
    let run = |established: &str, kept: &str| {
        let client = each_second("100ms", &format!(", population: 1, timeout: 20s{kept}"));
        let lb = format!(
            "{{ name: lb, layer: l4, targets: [s], established: {established}, health_check: {{ tcp: {{}}, interval: 1s, timeout: 500ms, unhealthy_after: 2, phase: zero }} }}"
        );
        let text = scenario("duration: 13500ms", &client, "{ name: s, count: 2 }", &lb);
        once(&(text + "faults: [{ blackhole: { server: s-1, at: 3500ms } }]\n"))
    };
    // One connection, to s-1, that is blackholed at 3.5 s. Checks at 4 and 5 s fail at 4.5 and 5.5 s. The requests at 4 and 5 s are on
    // connections to s-1 (HTTP/1.1: the first is taken, the second opens another, round robin to s-2).
    let kept = ", connections: { streams: 100 }";
    let reset = run("reset", kept);
    // With streams 4 and 5 s share the connection: both are reset at 5.5 s, and from 6 s on a new one goes to s-2.
    assert_eq!((reset.requests.ok, failed_by(&reset, Failure::Reset), reset.unfinished), (11, 2, 0));
    let stays = run("keep", kept);
    // All from 4 s on go into the void.
    assert_eq!((stays.requests.ok, stays.unfinished), (3, 10));
    // Connections that nobody keeps: the requests at 1 and 3 s went to s-1, and so does the one at 5 s, which is reset.
    let flows = run("reset", "");
    assert_eq!((flows.requests.ok, failed_by(&flows, Failure::Reset), flows.unfinished), (12, 1, 0));
}

#[test]
fn a_crash_resets_idle_connections_and_the_next_request_opens_another() {
    let run = |layer: &str| {
        let client = each_second("100ms", ", population: 1, latency: { constant: 1ms }, connections: {}");
        let lb = format!("{{ name: lb, layer: {layer}, targets: [s], connections: {{}} }}")
            .replace(", connections: {}", if layer == "l4" { "" } else { ", connections: {}" });
        once(
            &(scenario("duration: 10500ms", &client, "{ name: s }", &lb)
                + "faults: [{ crash: { server: s-1, at: 3500ms, for: 200ms } }]\n"),
        )
    };
    let through = run("l4");
    assert_eq!((through.requests.ok, through.openers[0].unwrap().opened), (10, 2));
    let to_balancer = run("l7");
    assert_eq!((to_balancer.requests.ok, to_balancer.openers[0].unwrap().opened, to_balancer.openers[1].unwrap().opened), (10, 1, 2));
}

#[test]
fn an_answer_over_a_connection_that_was_forgotten_meanwhile_is_lost() {
    for kept in ["", ", connections: {}"] {
        let client = each_second("3s", &format!(", population: 1, timeout: 5s{kept}"));
        let run = |idle: &str| {
            let lb = format!("{{ name: lb, layer: l4, targets: [s], idle_timeout: {idle} }}");
            once(&scenario("duration: 1900ms", &client, "{ name: s, slots: unbounded }", &lb).replace("1900ms", "12s"))
        };
        let lost = run("2s");
        assert_eq!((lost.requests.ok, failed_by(&lost, Failure::Timeout)), (0, 7));
        assert_eq!(run("4s").requests.ok, 9);
    }
}

#[test]
fn an_l4_balancer_keeps_an_address_on_its_target_as_long_as_new_connections_come() {
    let servers_used = |ttl: &str, kept: &str| {
        let client = each_second("10ms", &format!(", population: 1{kept}"));
        let lb = format!("{{ name: lb, layer: l4, targets: [s], algorithm: random, sticky: {{ source_ip: {{ ttl: {ttl} }} }} }}");
        let record = once(&scenario("duration: 60500ms", &client, "{ name: s, count: 10 }", &lb));
        attempts(&record).iter().filter(|count| **count > 0).count()
    };
    for kept in ["", ", connections: { max_requests: 1 }"] {
        assert_eq!(servers_used("1500ms", kept), 1);
        // 60 draws of 10 leave one out with probability 10 x 0.9^60 = 0.018; at most five with probability below 1e-17.
        assert!(servers_used("500ms", kept) > 5);
    }
    // A connection that stays does not refresh the entry, but stays.
    assert_eq!(servers_used("500ms", ", connections: {}"), 1);
}

#[test]
fn statuses_tell_who_failed() {
    let status = |client: &str, servers: &str, lb: &str, faults: &str| {
        let text = scenario(
            "duration: 10500ms",
            &each_second("100ms", client),
            servers,
            &format!("{{ name: lb, targets: [s], connections: {{}}{lb} }}"),
        );
        let record = once(&format!("{text}faults: [{faults}]\n"));
        record.statuses[0].iter().map(|(status, count)| (status.name(), count)).collect::<Vec<_>>()
    };
    let is = |found: Vec<(String, u64)>, expected: &[(&str, u64)]| {
        let found: Vec<(&str, u64)> = found.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        assert_eq!(found, expected);
    };
    // Down from 2.5 to 5.5 s: three connections are refused. Down at 2.05 s: one request is reset.
    is(status("", "{ name: s }", "", "{ crash: { server: s-1, at: 2500ms, for: 3s } }"), &[("200", 7), ("502", 3)]);
    is(status("", "{ name: s }", "", "{ crash: { server: s-1, at: 2050ms, for: 500ms } }"), &[("200", 9), ("502", 1)]);
    is(status("", "{ name: s, speed: 0.01 }", ", timeout: 500ms", ""), &[("504", 10)]);
    is(
        status("", "{ name: s }", ", connect_timeout: 500ms", "{ blackhole: { server: s-1, at: 0s, for: 3200ms } }"),
        &[("200", 7), ("504", 3)],
    );
    is(status("", "{ name: s, queue: 0, speed: 0.05 }", "", ""), &[("200", 4), ("503", 5)]);
    is(status(", timeout: 50ms", "{ name: s }", "", ""), &[("460", 10)]);
    is(status("", "{ name: s }", "", "{ errors: { server: s-1, at: 2500ms, for: 3s, share: 100% } }"), &[("200", 7), ("target_5xx", 3)]);
    let check = ", health_check: { tcp: {}, interval: 1s, timeout: 500ms, unhealthy_after: 1, healthy_after: 1, phase: zero }";
    // The request at 2 s comes before the check of that instant, the one at 5 s too.
    is(status("", "{ name: s }", check, "{ crash: { server: s-1, at: 1500ms, for: 3s } }"), &[("200", 6), ("502", 1), ("503", 3)]);
}

#[test]
fn a_first_packet_that_nothing_answers_is_sent_again() {
    // Sent at 1 s, and again at 2, 4 and 8 s: the server is back at 5 s. HTTP/2: all wait for the one connection.
    let run = |limits: &str| {
        let client = each_second("100ms", &format!(", population: 1, connections: {{ streams: 100{limits} }}"));
        let text = scenario("duration: 10500ms", &client, "{ name: s, slots: unbounded }", "{ name: lb, targets: [s] }");
        once(
            &(text.replace("balancers: [{ name: lb", "balancers: [{ name: lb, layer: l4")
                + "faults: [{ blackhole: { server: s-1, at: 500ms, for: 4500ms } }]\n"),
        )
    };
    let record = run("");
    assert_eq!((record.requests.ok, record.openers[0].unwrap().opened), (10, 1));
    // Those of 1 to 8 s are answered at 8.1 s.
    let waited: f64 = (1..=8).map(|sent| 8100.0 - 1000.0 * f64::from(sent)).sum::<f64>() + 200.0;
    assert!((latency_ms(&record) - waited / 10.0).abs() < 1e-6, "{}", latency_ms(&record));
}
