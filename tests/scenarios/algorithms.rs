//! Claims of the scenarios in which nothing fails: what the algorithms are worth.

use super::kit::*;
use lbsim::summary::{LatencyMetric, RunFigures};

type Figure = fn(&RunFigures) -> f64;

/// The light and the heavy tail change places.
const SWAPPED: (&str, &str) =
    ("sweep", "{ clients.users.requests.page.work: [{ lognormal: { mean: 20ms, cv: 3 } }, { exponential: { mean: 20ms } }] }");
const LIGHT: usize = 0;
const HEAVY: usize = 1;

pub const HEAVY_TAIL: Lesson = Lesson {
    name: "heavy-tail",
    sets: &[],
    claims: heavy_tail,
    without: &[&[SWAPPED], &[("clients.users.arrivals.poisson.rate", "10/s")]],
};

fn heavy_tail(found: &Found, claims: &mut Claims) {
    let ratio =
        |variant: &str, to: &str, point: usize, figure: Figure| over(&found.at(variant, point, figure), &found.at(to, point, figure));
    let wait = |variant: &str, point: usize| found.at(variant, point, |run| mean(run) - 20.0);
    // Pollaczek and Khinchine: 20 + 46.7 ms, and 20 + 233 ms.
    claims.within("light: random is ten M/M/1", average(&found.at("random", LIGHT, mean)), 65.3, 68.0);
    claims.within("heavy: random is ten M/G/1", average(&found.at("random", HEAVY, mean)), 225.0, 285.0);
    // Kingman: at most 55 % of random's wait, and 91 %.
    claims.within("light: round robin's wait", over(&wait("round_robin", LIGHT), &wait("random", LIGHT)), 0.4, 0.55);
    claims.within("heavy: round robin's wait", over(&wait("round_robin", HEAVY), &wait("random", HEAVY)), 0.85, 0.95);
    claims.below("light: round robin's p99", ratio("round_robin", "random", LIGHT, p99), 0.65);
    claims.within("heavy: nothing at the p99", ratio("round_robin", "random", HEAVY, p99), 0.9, 1.12);
    for figure in [mean as Figure, p99] {
        for (variant, worse) in
            [("power_of_d d=2", "round_robin"), ("least_connections", "power_of_d d=2"), ("central_queue", "least_connections")]
        {
            claims.below(&format!("heavy: {variant} below {worse}"), ratio(variant, worse, HEAVY, figure), 0.85);
        }
        for variant in ["power_of_d d=2", "least_connections"] {
            let wins = |point: usize| -> Values {
                let pairs = found.at("round_robin", point, figure).into_iter().zip(found.at(variant, point, figure));
                pairs.map(|(worse, better)| worse / better).collect()
            };
            claims.above(&format!("{variant} wins more with a heavy tail"), over(&wins(HEAVY), &wins(LIGHT)), 2.0);
        }
    }
}

pub const LEAST_CONNECTIONS_TIES: Lesson =
    Lesson { name: "least-connections-ties", sets: &[], claims: least_connections_ties, without: &[&[SWAPPED]] };

/// The end of the file.
pub const LEAST_CONNECTIONS_TIES_WITH_SLOTS: Lesson = Lesson {
    name: "least-connections-ties",
    sets: &[("servers.web.slots", "4"), ("clients.users.arrivals.poisson.rate", "2800/s"), ("duration", "2m"), ("replications", "8")],
    claims: |found, claims| ties_make_no_difference(found, claims, HEAVY),
    without: &[&[("servers.web.slots", "1"), ("clients.users.arrivals.poisson.rate", "700/s"), ("duration", "5m")]],
};

fn ties(rule: &str) -> String {
    format!("least_connections ties={rule}")
}

fn least_connections_ties(found: &Found, claims: &mut Claims) {
    let ratio = |rule: &str, to: &str, figure: Figure| over(&found.at(&ties(rule), HEAVY, figure), &found.at(&ties(to), HEAVY, figure));
    for rule in ["round_robin", "random", "first"] {
        claims.within(&format!("mean of {rule}"), ratio(rule, "least_recently_changed", mean), 0.945, 0.965);
        claims.within(&format!("p99 of {rule}"), ratio(rule, "least_recently_changed", p99), 0.91, 0.945);
    }
    for rule in ["round_robin", "random"] {
        claims.below(&format!("first is better than {rule}"), ratio("first", rule, mean), 0.995);
        claims.below(&format!("first is better at the p99 than {rule}"), ratio("first", rule, p99), 0.99);
    }
    ties_make_no_difference(found, claims, LIGHT);
}

fn ties_make_no_difference(found: &Found, claims: &mut Claims, point: usize) {
    for rule in ["round_robin", "random", "first"] {
        for figure in [mean as Figure, p99] {
            let ratio = over(&found.at(&ties(rule), point, figure), &found.at(&ties("least_recently_changed"), point, figure));
            claims.within(&format!("{rule} makes no difference"), ratio, 0.995, 1.005);
        }
    }
}

pub const HETEROGENEOUS: Lesson = Lesson {
    name: "heterogeneous",
    sets: &[],
    claims: heterogeneous,
    without: &[
        &[("servers.old.speed", "1")],
        &[("clients.users.arrivals.poisson.rate", "2000/s")],
        &[("clients.users.arrivals.poisson.rate", "10/s")],
    ],
};

fn heterogeneous(found: &Found, claims: &mut Claims) {
    let (matching, above) = ("weighted_round_robin", "weighted_round_robin 5 to 1");
    // new-1 to new-4, old-1 to old-4.
    let (new, old) = (0, 4);
    claims.within("round robin drives the old ones to 90 %", average(&found.of("round_robin", utilization(old))), 0.88, 0.92);
    let evenness = found.of(matching, |run| run.evenness.jain_utilization.unwrap_or(f64::NAN));
    claims.within("weights that match are even", average(&evenness), 0.999, 1.0);
    claims.below("weights above the speeds are faster", over(&found.of(above, p99), &found.of(matching, p99)), 0.9);
    claims.above("... and crowd the new ones", over(&found.of(above, utilization(new)), &found.of(matching, utilization(new))), 1.2);
    claims.below("round robin is the slowest", over(&found.of(matching, p99), &found.of("round_robin", p99)), 0.65);
    claims.within("no need for weights", over(&found.of("least_connections", p99), &found.of(matching, p99)), 0.98, 1.03);
    claims.below("... in the mean", over(&found.of("least_connections", mean), &found.of(matching, mean)), 0.99);
}

pub const WEIGHTS_WRONG: Lesson = Lesson {
    name: "weights-wrong",
    sets: &[],
    claims: weights_wrong,
    without: &[&[("servers.small.slots", "16")], &[("servers.small.weight", "2")], &[("clients.users.arrivals.poisson.rate", "2000/s")]],
};

fn weights_wrong(found: &Found, claims: &mut Claims) {
    let [forgotten, low, right, high] = [0, 1, 2, 3];
    let (told, counts, times) = ("weighted_round_robin", "weighted_least_connections", "least_response_time");
    // big-1 to big-3, small-1 to small-3.
    let small = 3;
    let cost = |variant: &str, point: usize, figure: Figure| over(&found.at(variant, point, figure), &found.at(counts, right, figure));
    claims.within("forgotten: half of all fails", average(&found.at(told, forgotten, failed)), 0.47, 0.51);
    claims.always("... because the small ones drown", &found.at(told, forgotten, utilization(small)), |busy| busy > 0.99);
    claims.always("too low: at the limit", &found.at(told, low, utilization(small)), |busy| busy > 0.9);
    claims.above("... at the p99", cost(told, low, p99), 4.0);
    claims.within("too high: little to do", average(&found.at(told, high, utilization(small))), 0.15, 0.2);
    for (what, point) in [("fits", right), ("too high", high)] {
        claims.within(&format!("{what}: costs nothing"), cost(told, point, mean), 1.0, 1.02);
    }
    for variant in [counts, times] {
        claims.always(&format!("{variant} fails nobody"), &found.at(variant, forgotten, failed), |share| share == 0.0);
    }
    claims.within("counting costs a third", cost(counts, forgotten, mean), 1.33, 1.4);
    claims.within("measuring half of that", cost(times, forgotten, mean), 1.12, 1.18);
    let unweighted = minus(&found.at("least_connections", high, mean), &found.at(counts, forgotten, mean));
    claims.within("least connections reads no weights", unweighted, 0.0, 0.0);
}

pub const LLM_TRACE: Lesson = Lesson {
    name: "llm-trace",
    sets: &[],
    claims: llm_trace,
    without: &[&[("servers.gpu.slots", "32"), ("servers.gpu.count", "1")], &[("servers.gpu.slots", "1"), ("servers.gpu.count", "26")]],
};

fn llm_trace(found: &Found, claims: &mut Claims) {
    let p95 = || latency(LatencyMetric::P95);
    let waiting = |run: &RunFigures| run.all.waiting.get(LatencyMetric::Mean).unwrap_or(f64::NAN);
    for variant in ["least_connections", "power_of_d d=2", "least_response_time"] {
        claims.below(&format!("{variant}: p95"), over(&found.of(variant, p95()), &found.of("round_robin", p95())), 0.9);
        claims.below(&format!("{variant}: waiting"), over(&found.of(variant, waiting), &found.of("round_robin", waiting)), 0.6);
    }
    let nearly = over(&found.of("power_of_d d=2", p95()), &found.of("least_connections", p95()));
    claims.within("two choices are nearly as good", nearly, 0.99, 1.08);
}
