//! Claims of the scenarios in which a server fails.

use super::kit::*;

pub const GRAY_FAILURE: Lesson = Lesson {
    name: "gray-failure",
    sets: &[],
    claims: gray_failure,
    without: &[
        &[("servers.web.count", "7")],
        &[("faults[0].slow.factor", "1")],
        &[("faults[1].errors", "{ server: web-2, share: 100%, at_once: true }")],
        &[("faults[1].errors.server", "web")],
        &[("servers.web.slots", "2"), ("servers.web.queue", "0")],
        &[("balancers.edge.health_check", "{ http: /ping, interval: 1s, unhealthy_after: 1 }")],
    ],
};

fn gray_failure(found: &Found, claims: &mut Claims) {
    for variant in ["round_robin", "random"] {
        claims.within(&format!("{variant}: an eighth for web-1"), average(&found.of(variant, share(0))), 0.124, 0.126);
    }
    let rotation = found.of("round_robin", share(0));
    for (variant, most) in [("power_of_d d=2", 0.75), ("least_connections", 0.7), ("least_response_time", 0.4)] {
        claims.below(&format!("{variant}: less for web-1"), over(&found.of(variant, share(0)), &rotation), most);
    }
    let least = found.of("least_response_time", share(0));
    for variant in ["power_of_d d=2", "least_connections"] {
        claims.below(&format!("least for web-1, against {variant}"), over(&least, &found.of(variant, share(0))), 0.6);
    }
    for variant in ["power_of_d d=2", "least_connections", "least_response_time"] {
        for blind in ["round_robin", "random"] {
            claims.below(&format!("p99 of {variant} to {blind}"), over(&found.of(variant, p99), &found.of(blind, p99)), 0.75);
        }
        let errors = over(&found.of(variant, lost(1)), &found.of("round_robin", lost(1)));
        claims.within(&format!("{variant}: a little more errors of web-2"), errors, 1.001, 1.15);
    }
    claims.within("errors of random as of round robin", over(&found.of("random", lost(1)), &found.of("round_robin", lost(1))), 0.97, 1.03);
    claims.always("a try elsewhere", &found.of("least connections, errors tried elsewhere", failed), |share| share < 1e-4);
    claims.always("no check notices", &found.of("round_robin", |run| run.checks_failed as f64), |failed| failed == 0.0);
}

pub const SLOW_SERVER: Lesson = Lesson {
    name: "slow-server",
    sets: &[],
    claims: slow_server,
    without: &[&[("faults[0].slow.factor", "1")], &[("servers.web.count", "7")], &[("faults", "[{ crash: { server: web-1, at: 30s } }]")]],
};

fn slow_server(found: &Found, claims: &mut Claims) {
    claims.within("round robin: an eighth for web-1", average(&found.of("round_robin", share(0))), 0.1249, 0.1251);
    claims.above("round robin: failures", average(&found.of("round_robin", failed)), 0.05);
    for variant in ["least_connections", "power_of_d d=2", "least_response_time"] {
        claims.below(&format!("{variant}: less for web-1"), over(&found.of(variant, share(0)), &found.of("round_robin", share(0))), 0.8);
        let failures = minus(&found.of(variant, failed), &found.of("round_robin", failed));
        claims.below(&format!("{variant}: fewer failures"), failures, -0.05);
    }
    for variant in ["round_robin", "least_connections", "power_of_d d=2"] {
        let ratio = over(&found.of("least_response_time", p99), &found.of(variant, p99));
        claims.below(&format!("least response time has a lower p99 than {variant}"), ratio, 0.9);
    }
    let survivors = over(&found.of("round_robin", p99), &found.of("least_connections", p99));
    claims.below("round robin's p99 looks good", survivors, 0.97);
    let queued = "round robin with checks in the queue";
    claims.always("the check is answered at once", &found.of("round_robin", detected(0)), |after| after == f64::INFINITY);
    claims.always("a check in the queue notices", &found.of(queued, detected(0)), |after| (10.0..20.0).contains(&after));
    claims.within("... and fewer fail", over(&found.of(queued, failed), &found.of("round_robin", failed)), 0.4, 0.8);
}

pub const FAST_FAILING: Lesson = Lesson {
    name: "fast-failing",
    sets: &[],
    claims: fast_failing,
    without: &[
        &[("faults[0].errors.at_once", "false")],
        &[("faults", "[{ slow: { server: web-1, factor: 2, at: 10s } }]")],
        &[("faults[0].errors.server", "web")],
        &[("balancers.edge.health_check", "{ http: /ping }")],
    ],
};

fn fast_failing(found: &Found, claims: &mut Claims) {
    for (variant, low, high) in [
        ("round_robin", 0.1249, 0.1251),
        ("random", 0.123, 0.127),
        ("power_of_d d=2", 0.22, 0.25),
        ("least_connections", 0.49, 0.54),
        ("least_response_time", 0.98, 1.0),
    ] {
        claims.within(&format!("{variant}: failures"), average(&found.of(variant, failed)), low, high);
        let difference = minus(&found.of(variant, share(0)), &found.of(variant, failed));
        claims.within(&format!("{variant}: as many as its share"), difference, -0.001, 0.001);
    }
    let (checked, retried) = ("least connections, HTTP check", "least connections, errors tried elsewhere");
    claims.always("an HTTP check", &found.of(checked, detected(0)), |after| (10.0..=15.0).contains(&after));
    claims.below("... ends it", over(&found.of(checked, failed), &found.of("least_connections", failed)), 0.15);
    claims.always("a TCP check does not", &found.of("least_connections", |run| run.checks_failed as f64), |failed| failed == 0.0);
    claims.always("a try elsewhere hides it", &found.of(retried, failed), |share| share < 1e-4);
    let tries = found.of(retried, |run| run.retried as f64 / run.requests.sent as f64);
    claims.within("... from the users: tries", average(&tries), 0.8, 0.87);
    let first_tries = found.of(retried, |run| run.servers[0].attempts as f64 / run.requests.sent as f64);
    claims.above("... web-1 looks idler than before", minus(&first_tries, &found.of("least_connections", share(0))), 0.25);
}

pub const FAILOVER_SETTINGS: Lesson = Lesson {
    name: "failover-settings",
    sets: &[],
    claims: failover_settings,
    without: &[
        &[("faults", "[{ hang: { server: web-2, at: 1m, for: 3m } }]"), ("servers.web.count", "5")],
        &[("clients.users.retry", "{ max: 1, when: [connect_failure], to: other }")],
    ],
};

fn failover_settings(found: &Found, claims: &mut Claims) {
    for (row, interval) in [1.0, 5.0, 10.0, 30.0].into_iter().enumerate() {
        for (column, checks) in [1.0, 3.0, 5.0].into_iter().enumerate() {
            let point = 3 * row + column;
            let after = found.at("round_robin", point, detected(0));
            let is_in_time = |after: f64| after >= interval * (checks - 1.0) && after <= interval * checks + 0.001;
            claims.always(&format!("{interval} s, {checks} checks: detection"), &after, is_in_time);
            // A sixth of 200/s until then, and what a server that is busy 1.67 of 4 slots is working on.
            let expected: Vec<f64> = after.iter().map(|after| 200.0 / 6.0 * after + 1.7).collect();
            let lost = found.at("round_robin", point, lost(0));
            // Four standard deviations of that many independent failures.
            let bound = 4.0 / expected.iter().sum::<f64>().sqrt();
            claims.within(&format!("{interval} s, {checks} checks: lost in proportion"), over(&lost, &expected), 1.0 - bound, 1.0 + bound);
            let sent = found.at("round_robin", point, |run| run.checks_sent as f64 / run.window_s * interval / 6.0);
            claims.within(&format!("{interval} s, {checks} checks: checks as the price"), average(&sent), 0.98, 1.02);
        }
    }
}

pub const ZONE_OUTAGE: Lesson = Lesson {
    name: "zone-outage",
    sets: &[],
    claims: zone_outage,
    without: &[
        &[("faults", "[{ crash: { zone: b, at: 1m, for: 2m } }]"), ("servers.a.slots", "8")],
        &[("faults", "[{ slow: { zone: b, factor: 1, at: 1m, for: 2m } }]")],
        &[("servers.c.slots", "1")],
        &[("balancers.edge.health_check.interval", "2s")],
        &[("sweep", "{ clients.users.arrivals.poisson.rate: [720/s, 900/s, 900/s] }")],
    ],
};

fn zone_outage(found: &Found, claims: &mut Claims) {
    const RATES: [f64; 3] = [600.0, 720.0, 900.0];
    let rise = |variant: &str, point: usize| over(&found.at(variant, point, p99), &found.at("least_connections", 0, p99));
    claims.within("600/s: room for it", rise("round_robin", 0), 1.0, 1.1);
    claims.within("720/s: round robin's p99", rise("round_robin", 1), 1.35, 1.65);
    claims.within("720/s: hardly that of least connections", rise("least_connections", 1), 1.0, 1.05);
    for variant in ["round_robin", "least_connections", "checks every second", "connect timeout"] {
        let refused = |point: usize| found.at(variant, point, errors("refused"));
        claims.always(&format!("{variant}, 720/s: nothing refused"), &refused(1), |refused| refused == 0.0);
        // 100/s too many for 2 minutes, less what fits the queues, and less what is lost in the dark.
        claims.within(&format!("{variant}, 900/s: the rest refused"), average(&refused(2)), 10_000.0, 13_000.0);
    }
    for (point, rate) in RATES.into_iter().enumerate() {
        let at = |variant: &str| found.at(variant, point, lost(0));
        let rotation = at("round_robin");
        // The average server is out after 1.5 intervals and the timeout: 9.5 s. The phases of 40 checks put 0.23 s of noise on that.
        claims.within(&format!("{rate}/s: a third into the dark"), average(&rotation), rate * 8.3 / 3.0, rate * 10.7 / 3.0);
        let most = if point == 2 { 0.25 } else { 0.05 };
        claims.below(&format!("{rate}/s: least connections turns away"), over(&at("least_connections"), &rotation), most);
        // 1.5 s and half a second: 2.0 of 9.5 s.
        claims.within(&format!("{rate}/s: checks every second"), over(&at("checks every second"), &rotation), 0.19, 0.23);
        claims.below(&format!("{rate}/s: another try saves"), over(&at("connect timeout"), &rotation), 0.1);
        let price = over(&found.at("connect timeout", point, p99), &found.at("round_robin", point, p99));
        claims.above(&format!("{rate}/s: and pays"), price, 1.02);
    }
}
