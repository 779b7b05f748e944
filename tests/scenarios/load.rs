//! Claims of the scenarios with more traffic than capacity.

use super::kit::*;

pub const FLASH_CROWD: Lesson = Lesson {
    name: "flash-crowd",
    sets: &[],
    claims: flash_crowd,
    without: &[
        // No crowd, or one that stays.
        &[("clients.crowd.arrivals", "{ poisson: { rate: 480/s } }")],
        &[("clients.crowd.arrivals", "{ poisson: { rate: 1600/s } }")],
        &[("clients.crowd.timeout", "200ms")],
    ],
};

fn flash_crowd(found: &Found, claims: &mut Claims) {
    let ladder = ["no queue", "queue of 64", "queue of 256"];
    let (unbounded, dropped) = ("unbounded queue", "unbounded queue, abandoned work dropped");
    for pair in ladder.windows(2) {
        let fewer = over(&found.of(pair[1], failed), &found.of(pair[0], failed));
        claims.within(&format!("{}: few failures become answers", pair[1]), fewer, 0.85, 0.97);
        let later = over(&found.of(pair[1], p99), &found.of(pair[0], p99));
        claims.above(&format!("{}: all answers become late", pair[1]), later, 2.0);
    }
    for variant in ladder {
        claims.within(&format!("{variant}: the excess is refused"), average(&found.of(variant, errors("refused"))), 7_300.0, 9_500.0);
        claims.always(&format!("{variant}: nobody waits in vain"), &found.of(variant, errors("timeout")), |count| count == 0.0);
    }
    claims.above("unbounded: the worst", over(&found.of(unbounded, failed), &found.of("no queue", failed)), 2.5);
    claims.above("unbounded: waiting in vain", average(&found.of(unbounded, errors("timeout"))), 20_000.0);
    // From the end of the crowd at 42 s on; the backlog is served by 1 min 10 s.
    claims.always("unbounded: nobody is served", &[found.ok_rate(unbounded, 42..62)], |rate| rate < 5.0);
    claims.always("unbounded: until it is over", &[found.ok_rate(unbounded, 72..120)], |rate| (470.0..490.0).contains(&rate));
    for variant in ladder.into_iter().chain([dropped]) {
        claims.always(&format!("{variant}: at once"), &[found.ok_rate(variant, 42..62)], |rate| (470.0..560.0).contains(&rate));
    }
    claims.below("dropped: that does not happen", over(&found.of(dropped, failed), &found.of(unbounded, failed)), 0.35);
}

pub const RETRY_STORM: Lesson = Lesson {
    name: "retry-storm",
    sets: &[("replications", "6")],
    claims: retry_storm,
    without: &[
        // No overload to begin with.
        &[("clients.apps.arrivals", "{ poisson: { rate: 280/s } }")],
        // An overload that stays.
        &[("clients.apps.arrivals", "{ poisson: { rate: 500/s } }")],
    ],
};

fn retry_storm(found: &Found, claims: &mut Claims) {
    for variant in ["1 retry", "3 retries", "3 retries with back-off", "3 retries with long back-off"] {
        claims.above(&format!("{variant}: nearly everything fails"), average(&found.of(variant, failed)), 0.95);
        let busy = found.of(variant, utilization(0));
        claims.always(&format!("{variant}: all servers work for nobody"), &busy, |busy| busy > 0.99);
    }
    for (variant, most) in [("1 retry", 2.0), ("3 retries", 4.0)] {
        let tries = found.of(variant, |run| (run.requests.sent + run.retried) as f64 / run.requests.sent as f64);
        claims.within(&format!("{variant}: all tries are made"), average(&tries), 0.95 * most, most);
    }
    let healthy = found.of("no retries", |run| run.answered as f64 / run.window_s);
    claims.within("no retries: all is well again", average(&healthy), 275.0, 285.0);
    for variant in ["no retries", "3 retries within a budget of 20 %", "3 retries and short queues", "3 retries and abandoned work dropped"]
    {
        claims.always(&format!("{variant}: all is well again"), &found.of(variant, failed), |share| share < 1e-3);
        claims.below(&format!("{variant}: as fast as ever"), average(&found.of(variant, p99)), 300.0);
    }
}
