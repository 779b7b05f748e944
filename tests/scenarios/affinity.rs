//! Claims of the scenarios in which users stay with a server.

use super::kit::*;
use lbsim::summary::RunFigures;

/// Users whose server was gone, or had forgotten them.
fn lost_state(run: &RunFigures) -> f64 {
    run.affinity.lost_state as f64
}

fn lost_or_forgotten(run: &RunFigures) -> f64 {
    (run.affinity.lost_state + run.affinity.wiped) as f64
}

pub const ACCESS_LOG: Lesson = Lesson {
    name: "access-log",
    sets: &[],
    claims: access_log,
    without: &[&[("servers.web.slots", "16")], &[("servers.web.count", "5")], &[("faults", "[{ errors: { server: web-1, share: 10% } }]")]],
};

fn access_log(found: &Found, claims: &mut Claims) {
    for variant in ["round_robin", "least_connections"] {
        claims.always(&format!("{variant}: nobody fails"), &found.of(variant, failed), |share| share == 0.0);
        claims.within(&format!("{variant}: even"), average(&found.of(variant, share(2))), 0.24, 0.26);
    }
    claims.within("hash: nearly half on web-3", average(&found.of("ip_hash", share(2))), 0.45, 0.5);
    claims.above("hash: more than web-3 can do", average(&found.of("ip_hash", utilization(2))), 0.98);
    claims.above("hash: failures", average(&found.of("ip_hash", failed)), 0.04);
    claims.above("hash: the p99", over(&found.of("ip_hash", p99), &found.of("round_robin", p99)), 8.0);
}

pub const ACCESS_LOG_WITH_TWICE_THE_SERVERS: Lesson = Lesson {
    name: "access-log",
    sets: &[("servers.web.count", "8")],
    claims: |found, claims| {
        claims.above("hash: the p99", over(&found.of("ip_hash", p99), &found.of("round_robin", p99)), 7.0);
        claims.above("hash: web-3", average(&found.of("ip_hash", busiest)), 0.9);
    },
    without: &[&[("servers.web.count", "64")]],
};

pub const NAT_SKEW: Lesson = Lesson {
    name: "nat-skew",
    sets: &[],
    claims: nat_skew,
    without: &[
        &[("clients.users.addresses", "null"), ("servers.web.count", "6")],
        &[("faults", "[{ crash: { server: web-1, at: 1m, for: 20s } }]"), ("balancers.edge.health_check", "{ tcp: {} }")],
        &[("clients.users.arrivals.poisson.rate", "2/s"), ("duration", "10m")],
    ],
};

fn nat_skew(found: &Found, claims: &mut Claims) {
    claims.always("hash: nobody moves", &found.of("ip_hash", moved), |share| share == 0.0);
    claims.below("cookie: nobody moves", average(&found.of("cookie", moved)), 1e-4);
    // One time in eight it is the same server again.
    claims.within("round robin keeps nobody", average(&found.of("round_robin", moved)), 0.87, 0.88);
    let jain = |variant: &str| found.of(variant, |run| run.evenness.jain_requests);
    claims.below("hash: uneven", average(&jain("ip_hash")), 0.96);
    claims.above("cookie: nearly even", average(&jain("cookie")), 0.995);
    claims.above("round robin: even", average(&jain("round_robin")), 0.9999);
    claims.above("hash: the busiest", over(&found.of("ip_hash", busiest), &found.of("cookie", busiest)), 1.1);
    claims.below("cookie keeps users apart", over(&found.of("cookie", p99), &found.of("ip_hash", p99)), 0.98);
    claims.below("round robin balances best", over(&found.of("round_robin", p99), &found.of("cookie", p99)), 0.98);
}

pub const NAT_SKEW_WHERE_TWO_MEET: Lesson = Lesson {
    name: "nat-skew",
    sets: &[("seed", "3")],
    claims: |found, claims| claims.above("where two addresses meet", average(&found.of("ip_hash", busiest)), 0.9),
    without: &[&[("seed", "23")]],
};

/// Where these variants stand in the file.
const RETRIED: &str = "compare[1]";
const RING: &str = "compare[3]";

pub const STICKY_OUTLIVES_SERVER: Lesson = Lesson {
    name: "sticky-outlives-server",
    sets: &[],
    claims: sticky_outlives_server,
    without: &[
        &[("faults[0].crash.server", "web"), ("servers.web.count", "4")],
        // For good.
        &[("faults", "[{ crash: { server: web-2, at: 2m } }]")],
        &[("balancers.edge.algorithm", "consistent_hash"), ("servers.web.weight", "3"), ("faults[0].crash.at", "1m")],
        &[("faults", "[{ crash: { server: web-2, at: 5m, for: 1m } }, { crash: { server: web-2, at: 7m, for: 1m } }]")],
        &[(RING, "{ patch: { name: consistent_hash, set: { balancers.edge.algorithm: { consistent_hash: { points: 1 } } } } }")],
        &[(RETRIED, "{ patch: { name: cookie and another try, set: { faults: null } } }")],
    ],
};

fn sticky_outlives_server(found: &Found, claims: &mut Claims) {
    let (cookie, retried, hash, ring) = ("cookie", "cookie and another try", "session_hash", "consistent_hash");
    let ratio = |a: &str, b: &str, figure: fn(&RunFigures) -> f64| over(&found.of(a, figure), &found.of(b, figure));
    // Of 180 sessions on each server.
    claims.within("cookie: carts lost", average(&found.of(cookie, lost_state)), 130.0, 180.0);
    claims.within("hash: about as many", ratio(hash, cookie, lost_state), 0.9, 1.15);
    claims.within("ring: no better than the hash", ratio(ring, hash, lost_state), 0.95, 1.2);
    claims.within("ring: moves as much", ratio(ring, hash, moved), 0.95, 1.2);
    for variant in [hash, ring] {
        claims.within(&format!("{variant}: moves users twice"), ratio(variant, cookie, moved), 1.9, 2.5);
        claims.above(&format!("{variant}: fills web-2 sooner"), ratio(variant, cookie, |run| share(1)(run)), 1.15);
    }
    claims.always("another try saves the requests", &found.of(retried, failed), |share| share == 0.0);
    for variant in [cookie, hash, ring] {
        claims.within(&format!("{variant}: requests that failed"), average(&found.of(variant, lost(0))), 110.0, 180.0);
    }
    claims.within("... and no cart", ratio(retried, cookie, lost_state), 0.98, 1.2);
    claims.always("without affinity nobody fails", &found.of("no affinity, another try", failed), |share| share == 0.0);
}

/// Of the seven variants of ten minutes each.
const FEWER: (&str, &str) = ("replications", "3");

pub const CART: Lesson = Lesson {
    name: "cart",
    sets: &[("replications", "6")],
    claims: cart,
    without: &[
        // No peak, a short crash, and a server that hardly moves.
        &[
            FEWER,
            ("clients.shoppers.arrivals", "{ poisson: { rate: 45/s } }"),
            ("faults[0].crash.for", "1s"),
            ("faults[1].slow.factor", "100"),
        ],
        // A cookie that is forgotten.
        &[FEWER, ("balancers.edge.sticky.cookie.ttl", "1s")],
        // Nobody comes back, and no server grows slow.
        &[
            FEWER,
            ("clients.shoppers.session", "null"),
            ("clients.shoppers.population", "null"),
            ("clients.shoppers.addresses", "null"),
            ("faults[1].slow.factor", "1"),
        ],
    ],
};

fn cart(found: &Found, claims: &mut Claims) {
    let (counts, free) = ("least_connections", "least connections without stickiness");
    claims.above("the crash: round robin loses", average(&found.of("round_robin", lost(0))), 1_000.0);
    claims.always("... until the checks notice", &found.of("round_robin", detected(0)), |after| (10.0..=15.0).contains(&after));
    claims.above("the slow server: it loses more", over(&found.of("round_robin", lost(1)), &found.of("round_robin", lost(0))), 1.5);
    claims.below(
        "counts by weight: hardly any",
        over(&found.of("weighted_least_connections", lost(1)), &found.of("round_robin", lost(1))),
        0.1,
    );
    claims.above("round robin overloads the slow ones", over(&found.of("round_robin", p99), &found.of("weighted_round_robin", p99)), 4.0);
    for variant in ["round_robin", "weighted_round_robin", counts, "weighted_least_connections", "power_of_d d=2"] {
        claims.within(&format!("{variant}: carts lost"), average(&found.of(variant, lost_or_forgotten)), 800.0, 1_400.0);
        claims.below(&format!("{variant}: the cookie keeps"), average(&found.of(variant, moved)), 0.005);
    }
    claims.above("without it everybody moves", average(&found.of(free, moved)), 0.8);
    claims.below("the cookie costs", over(&found.of(free, p99), &found.of(counts, p99)), 0.99);
    claims.above("the cookie saves", over(&found.of(free, lost(0)), &found.of(counts, lost(0))), 2.2);
}
