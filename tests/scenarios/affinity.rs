//! Claims of the scenarios in which users stay with a server.

use super::kit::*;
use lbsim::summary::RunFigures;

fn lost_state(run: &RunFigures) -> f64 {
    run.affinity.lost_state as f64
}

pub const ACCESS_LOG: Lesson = Lesson {
    name: "access-log",
    sets: &[],
    claims: access_log,
    without: &[&[("balancers.edge.algorithm", "random"), ("clients.visitors.requests[0].work.exponential.mean", "2ms")]],
};

fn access_log(found: &Found, claims: &mut Claims) {
    for variant in ["round_robin", "least_connections"] {
        claims.always(&format!("{variant}: nobody fails"), &found.of(variant, failed), |share| share == 0.0);
        claims.within(&format!("{variant}: even"), average(&found.of(variant, share(2))), 0.245, 0.255);
    }
    claims.within("hash: nearly half on one server", average(&found.of("ip_hash", share(2))), 0.45, 0.5);
    claims.above("hash: the p99", over(&found.of("ip_hash", p99), &found.of("round_robin", p99)), 8.0);
    claims.above("hash: failures", average(&found.of("ip_hash", failed)), 0.08);
    claims.above("hash: nobody moves", average(&found.of("round_robin", moved)), 0.0);
}

pub const NAT_SKEW: Lesson = Lesson { name: "nat-skew", sets: &[], claims: nat_skew, without: &[&[("clients.users.addresses", "null")]] };

fn nat_skew(found: &Found, claims: &mut Claims) {
    claims.always("hash: nobody moves", &found.of("ip_hash", moved), |share| share == 0.0);
    claims.below("cookie: nobody moves", average(&found.of("cookie", moved)), 0.001);
    claims.within("round robin keeps nobody", average(&found.of("round_robin", moved)), 0.87, 0.88);
}

pub const STICKY_OUTLIVES_SERVER: Lesson =
    Lesson { name: "sticky-outlives-server", sets: &[], claims: sticky_outlives_server, without: &[&[("faults", "null")]] };

fn sticky_outlives_server(found: &Found, claims: &mut Claims) {
    claims.above("lost", average(&found.of("cookie", lost_state)), 100.0);
}

pub const CART: Lesson = Lesson { name: "cart", sets: &[("replications", "4")], claims: cart, without: &[&[("faults", "null")]] };

fn cart(found: &Found, claims: &mut Claims) {
    claims.above("lost", average(&found.of("round_robin", lost(0))), 100.0);
}
