//! Claims of the scenarios in which pods come and go.

use super::kit::*;
use lbsim::measure::Status;
use lbsim::summary::RunFigures;
use serde_json::Value;
use std::process::Command;

fn failures(run: &RunFigures) -> f64 {
    run.requests.failed() as f64
}

/// Requests that met a pod that had ended.
fn broken(run: &RunFigures) -> f64 {
    errors("connect_failure")(run) + errors("reset")(run)
}

/// Answers with a status, of all balancers.
fn answered(status: u16) -> impl Fn(&RunFigures) -> f64 {
    move |run| run.statuses.iter().map(|statuses| statuses.get(Status::Own(status)) as f64).sum()
}

/// Everything that failed was answered with this status, once.
fn all_failures_are(status: u16) -> impl Fn(&RunFigures) -> f64 {
    move |run| answered(status)(run) - failures(run)
}

/// Ready pods on average.
fn ready(run: &RunFigures) -> f64 {
    run.pods.first().map_or(f64::NAN, |pods| pods.ready_mean)
}

const SLOW_CONTROLLER: (&str, &str) = ("kubernetes.ingresses.shop.registration", "{ uniform: { min: 20s, max: 40s } }");
const QUICK_CONTROLLER: (&str, &str) = ("kubernetes.ingresses.shop.registration", "{ constant: 1ms }");

pub const ROLLING_DEPLOY: Lesson = Lesson {
    name: "rolling-deploy",
    sets: &[],
    claims: rolling_deploy,
    without: &[
        &[SLOW_CONTROLLER],
        &[QUICK_CONTROLLER, ("clients.users.requests[1].work", "{ constant: 1s }")],
        &[("faults", "[{ errors: { server: web, share: 10% } }]"), ("clients.users.timeout", "7s")],
    ],
};

fn rolling_deploy(found: &Found, claims: &mut Claims) {
    let lost = |variant: &str| found.of(variant, failures);
    // Four pods: 4 requests in flight (15/s, of which 3 % take 8 s), and 15/s for 1.75 s, or more where fewer targets are left.
    claims.within("as it comes", average(&lost("as it comes")), 110.0, 400.0);
    for variant in ["as it comes", "preStop 2s", "deregistration delay 5s"] {
        claims.always(&format!("{variant}: all are 502"), &found.of(variant, all_failures_are(502)), |others| others == 0.0);
        claims.always(&format!("{variant}: nobody else gave up"), &found.of(variant, answered(460)), |gone| gone == 0.0);
    }
    claims.within("a short preStop helps a little", over(&lost("preStop 2s"), &lost("as it comes")), 0.1, 0.5);
    for variant in ["preStop 15s", "preStop 15s and readiness gate"] {
        claims.always(variant, &lost(variant), |lost| lost == 0.0);
    }
    // 0.45/s at each pod that take 8 s, of which 3 s are left after 5 s: 5, or more where fewer targets are left.
    claims.within("a short deregistration delay cuts", average(&lost("deregistration delay 5s")), 4.0, 18.0);
}

/// What the about of `target-ip-vs-instance` says of rollouts.
pub const TARGET_TYPE_IN_A_ROLLOUT: Lesson = Lesson {
    name: "rolling-deploy",
    sets: &[
        ("kubernetes.services.web.type", "node_port"),
        (
            "compare",
            "[{ patch: { name: ip, set: { kubernetes.deployments.web.pre_stop: 0s } } }, \
              { patch: { name: ip 15s, set: { kubernetes.deployments.web.pre_stop: 15s } } }, \
              { patch: { name: instance, set: { kubernetes.ingresses.shop.target_type: instance } } }, \
              { patch: { name: instance 15s, set: { kubernetes.ingresses.shop.target_type: instance, kubernetes.deployments.web.pre_stop: 15s } } }]",
        ),
    ],
    claims: |found, claims| {
        claims.below("instance loses less as it comes", over(&found.of("instance", failures), &found.of("ip", failures)), 0.5);
        claims.always("a preStop is enough with ip", &found.of("ip 15s", failures), |lost| lost == 0.0);
        // 0.45/s at each of four pods that take 8 s are under way when it ends: 14.
        claims.above("and not with instance", average(&found.of("instance 15s", failures)), 5.0);
    },
    without: &[
        &[("kubernetes.proxy", "{ delay: { constant: 5s } }"), QUICK_CONTROLLER],
        &[SLOW_CONTROLLER],
        &[("kubernetes.deployments.web.on_term", "drain")],
    ],
};

pub const READINESS_GATE: Lesson = Lesson {
    name: "readiness-gate",
    sets: &[],
    claims: readiness_gate,
    without: &[
        &[SLOW_CONTROLLER],
        &[QUICK_CONTROLLER],
        &[("kubernetes.deployments.web.rolling_update", "{ max_surge: 0, max_unavailable: 1 }")],
    ],
};

fn readiness_gate(found: &Found, claims: &mut Claims) {
    let no_server = errors("no_server");
    // 50/s for 4.5 s.
    claims.within("neither: an ended pod", average(&found.of("neither", broken)), 160.0, 290.0);
    for variant in ["neither", "preStop"] {
        // At each node, in one case of two, by how much one delay is longer than the other: 50/s for 1.17 s, with a standard deviation of 13.
        claims.within(&format!("{variant}: nobody to send to"), average(&found.of(variant, &no_server)), 5.0, 140.0);
    }
    // The first second of the 4.5 s is refused, for the rest nobody answers.
    claims.within("neither: 502", average(&found.of("neither", answered(502))), 35.0, 65.0);
    claims.within("neither: 504", average(&found.of("neither", answered(504))), 120.0, 230.0);
    claims.within("gate: 502", average(&found.of("gate", answered(502))), 17.0, 33.0);
    claims.within("gate: 504", average(&found.of("gate", answered(504))), 60.0, 115.0);
    // Half of 50/s, for 4.5 s.
    claims.within("gate: an ended pod", average(&found.of("gate", broken)), 80.0, 145.0);
    claims.always("gate: always somebody to send to", &found.of("gate", &no_server), |lost| lost == 0.0);
    claims.always("preStop: no ended pod", &found.of("preStop", broken), |lost| lost == 0.0);
    claims.always("both", &found.of("gate and preStop", failures), |lost| lost == 0.0);
}

pub const PRE_STOP: Lesson = Lesson {
    name: "pre-stop",
    sets: &[],
    claims: |found, claims| {
        // At each of three pods 25/s (four are registered when one ends): of a delay of 2 to 10 s 1.56 s are left on average after 5 s, and
        // 1.58 s worth of requests are under way.
        claims.within("5 s are too little", average(&found.of("round_robin", failures)), 175.0, 295.0);
        let others = found.of("round_robin", |run| all_failures_are(502)(run) + answered(504)(run));
        claims.always("all are 502 or 504", &others, |others| others == 0.0);
        // Of the 1.56 s the first second is refused, 0.56 s on average: 25/s at each of three pods for the 1 s that is left.
        claims.within("504", average(&found.of("round_robin", answered(504))), 40.0, 110.0);
    },
    without: &[&[("kubernetes.deployments.web.pre_stop", "10s"), ("clients.users.timeout", "3s")]],
};

pub const PRE_STOP_OF_THE_SUM: Lesson = Lesson {
    name: "pre-stop",
    sets: &[("kubernetes.deployments.web.pre_stop", "14s")],
    claims: |found, claims| claims.always("10 s + 4 s", &found.of("round_robin", failures), |lost| lost == 0.0),
    without: &[&[("kubernetes.deployments.web.pre_stop", "11s")]],
};

pub const PRE_STOP_BEHIND_NODE_PORTS: Lesson = Lesson {
    name: "pre-stop",
    sets: &[
        ("kubernetes.ingresses.shop.target_type", "instance"),
        ("kubernetes.ingresses.shop.readiness_gates", "null"),
        ("kubernetes.services.web.type", "node_port"),
        ("kubernetes.deployments.web.pre_stop", "30s"),
    ],
    claims: |found, claims| {
        // 33/s for 2 s are under way at each of three pods when it ends: 200, and more where the kept connections gather.
        claims.within("no sleep is enough", average(&found.of("round_robin", failures)), 150.0, 270.0);
        let others = found.of("round_robin", |run| failures(run) - errors("reset")(run));
        claims.always("what is under way is reset, and nothing else fails", &others, |others| others == 0.0);
    },
    without: &[
        &[("kubernetes.deployments.web.on_term", "drain")],
        &[("kubernetes.deployments.web.pre_stop", "0s"), ("kubernetes.proxy.delay", "{ constant: 5s }")],
    ],
};

/// The preStop that `lbsim tune` finds, in seconds.
fn tuned(sets: &[&str]) -> f64 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbsim"));
    command.arg("tune").arg(folder().join("pre-stop.yaml"));
    command.args(["--field", "kubernetes.deployments.web.pre_stop", "--meet", "failed == 0", "--json"]);
    for set in sets {
        command.args(["--set", set]);
    }
    let output = command.output().expect("lbsim");
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let found = told["found"].as_str().unwrap_or_else(|| panic!("nothing is found: {told}"));
    found.strip_suffix('s').and_then(|seconds| seconds.parse().ok()).unwrap_or_else(|| panic!("seconds: {found}"))
}

#[test]
fn tune_finds_the_sum_for_pre_stop() {
    // Never more than the longest delay and the longest request together. The longest of 180 delays (three pods, three nodes, 20 runs) is
    // within 0.4 s of the bound with a confidence of 0.9999 (1 - (19/20)^180); then each node sends it 8 requests a second, and the last of
    // 24 s worth of those that are drawn at such late moments takes nearly 4 s.
    let found = tuned(&[]);
    assert!((12.8..=14.0).contains(&found), "{found}");
    // For a process that finishes what it has: the delay alone.
    let drained = tuned(&["kubernetes.deployments.web.on_term=drain"]);
    assert!((9.6..=10.0).contains(&drained), "{drained}");
}

pub const POD_CRASH: Lesson = Lesson {
    name: "pod-crash",
    sets: &[],
    claims: pod_crash,
    without: &[
        &[("kubernetes.proxy.delay", "{ constant: 5s }"), ("kubernetes.deployments.web.start", "{ constant: 1s }")],
        &[("faults[0].crash.for", "100s"), ("kubernetes.deployments.web.start", "{ constant: 10s }")],
    ],
};

fn pod_crash(found: &Found, claims: &mut Claims) {
    let (probed, blind) = ("readiness probe", "no readiness probe");
    for variant in [probed, blind] {
        let restarts = found.of(variant, |run| run.pods.first().map_or(f64::NAN, |pods| pods.restarts as f64));
        claims.always(&format!("{variant}: at once, then after 10, 20, 40, 80 and 160 s"), &restarts, |restarts| restarts == 6.0);
    }
    // 150 s until the next start, 5 s until it listens, 2 s until it is asked, 1 s until the nodes know.
    let restored = found.of(probed, |run| run.faults.first().and_then(|fault| fault.restored_after_s).unwrap_or(f64::NAN));
    claims.always("back", &restored, |after| (155.0..=158.1).contains(&after));
    let last = found.of(probed, |run| run.faults.first().and_then(|fault| fault.last_error_after_s).unwrap_or(f64::NAN));
    claims.always("nothing fails after the first second", &last, |after| after <= 1.01);
    // 20/s: 1 in flight, and 0.55 s.
    claims.within("lost", average(&found.of(probed, lost(0))), 8.0, 16.0);
    // 5 s, of which the news takes 0.55 s.
    claims.within("blind: lost", minus(&found.of(blind, failures), &found.of(probed, failures)), 78.0, 102.0);
}

pub const NODE_LOSS: Lesson = Lesson {
    name: "node-loss",
    sets: &[],
    claims: node_loss,
    without: &[
        &[("faults[0].blackhole.for", "10s")],
        &[("kubernetes.nodes.worker.count", "8"), ("clients.users.timeout", "60ms")],
        &[("faults", "[{ blackhole: { server: web-1, at: 1m } }]")],
    ],
};

fn node_loss(found: &Found, claims: &mut Claims) {
    let (checked, told) = ("checked by a target group", "endpoints alone");
    claims.always("checks", &found.of(checked, detected(0)), |after| (20.0..=35.1).contains(&after));
    // The last sign of life is up to 10 s old, the controller looks every 5 s, and the news takes up to 1 s.
    claims.always("endpoints", &found.of(told, detected(0)), |after| (30.0..=46.1).contains(&after));
    claims.below("checks are sooner", over(&found.of(checked, failures), &found.of(told, failures)), 1.0);
    // A quarter of 50/s.
    let expected: Vec<f64> = found.of(told, detected(0)).iter().map(|after| 12.5 * after).collect();
    claims.within("a quarter goes into the dark", over(&found.of(told, failures), &expected), 0.93, 1.07);
    for variant in [checked, told] {
        let elsewhere = found.of(variant, |run| (failures(run) - lost(0)(run)) / failures(run).max(1.0));
        claims.always(&format!("{variant}: nothing else fails"), &elsewhere, |share| share == 0.0);
        // Two pods for 300 s, and 5 s until they are ready elsewhere, of 460 s.
        claims.always(&format!("{variant}: ready"), &found.of(variant, ready), |pods| (pods - (8.0 - 2.0 * 305.0 / 460.0)).abs() < 0.005);
    }
}

pub const HPA_FLASH_CROWD: Lesson = Lesson {
    name: "hpa-flash-crowd",
    sets: &[],
    claims: hpa_flash_crowd,
    without: &[
        &[("clients.users.arrivals", "{ poisson: { rate: 220/s } }")],
        &[("clients.users.arrivals.piecewise.points", "[{ at: 90s, rate: 220/s }, { at: 150s, rate: 1000/s }]")],
    ],
};

fn hpa_flash_crowd(found: &Found, claims: &mut Claims) {
    claims.within("80 %: late", average(&found.of("target 80%", failed)), 0.03, 0.1);
    claims.always("80 %: in time in the end", &[found.ok_rate("target 80%", 240..300)], |rate| (430.0..=450.0).contains(&rate));
    for variant in ["target 40%", "seven pods"] {
        claims.always(&format!("{variant}: enough before it comes"), &found.of(variant, failed), |share| share == 0.0);
    }
    claims.below("seven pods: less", over(&found.of("seven pods", ready), &found.of("target 40%", ready)), 0.8);
    // Five pods can do 400/s of 440/s.
    claims.always("at most 5: for ever", &[found.ok_rate("at most 5 pods", 240..300)], |rate| (390.0..=404.0).contains(&rate));
}
