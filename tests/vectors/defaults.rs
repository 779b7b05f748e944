//! The products' defaults against those in `control/defaults.rs`.

use crate::json::Json;
use crate::{Judged, Row, Trouble, unknown};
use lbsim::control::defaults::{alb, controller, deployment, hpa, kube_proxy, nlb, node, pod, probe, route53, target_group};
use lbsim::units::Span;

type Table = Vec<(&'static str, Json)>;

fn s(span: Span) -> Json {
    Json::Number(span.as_secs_f64())
}

fn spans(range: (Span, Span)) -> Json {
    Json::List(vec![s(range.0), s(range.1)])
}

fn n(number: impl Into<f64>) -> Json {
    Json::Number(number.into())
}

fn counts(range: (u32, u32)) -> Json {
    Json::List(vec![n(range.0), n(range.1)])
}

fn on(is_on: bool) -> Json {
    Json::Text(if is_on { "on" } else { "off" }.to_owned())
}

fn checks() -> Table {
    vec![
        ("interval_s", s(target_group::INTERVAL)),
        ("interval_range_s", spans(target_group::INTERVAL_RANGE)),
        ("timeout_range_s", spans(target_group::TIMEOUT_RANGE)),
        ("healthy_threshold", n(target_group::HEALTHY_THRESHOLD)),
        ("unhealthy_threshold", n(target_group::UNHEALTHY_THRESHOLD)),
        ("threshold_range", counts(target_group::THRESHOLD_RANGE)),
        ("deregistration_delay_s", s(target_group::DEREGISTRATION_DELAY)),
        ("deregistration_delay_range_s", spans(target_group::DEREGISTRATION_DELAY_RANGE)),
        ("unhealthy_routing_min_healthy_count", n(target_group::HEALTHY_MIN)),
        ("dns_failover_min_healthy_count", n(target_group::HEALTHY_MIN)),
    ]
}

fn of_alb() -> Table {
    let names = alb::ALGORITHMS.iter().map(|name| Json::Text((*name).to_owned())).collect();
    let mut table = checks();
    table.extend([
        ("timeout_s", s(target_group::TIMEOUT_ALB)),
        ("algorithm", Json::Text(alb::ALGORITHM.to_owned())),
        ("algorithms", Json::List(names)),
        ("anomaly_mitigation", on(alb::ANOMALY_MITIGATION)),
        ("slow_start_s", s(alb::SLOW_START)),
        ("slow_start_range_s", spans(alb::SLOW_START_RANGE)),
        ("cross_zone", on(alb::CROSS_ZONE)),
        ("idle_timeout_s", s(alb::IDLE_TIMEOUT)),
        ("idle_timeout_range_s", spans(alb::IDLE_TIMEOUT_RANGE)),
        ("client_keep_alive_s", s(alb::CLIENT_KEEP_ALIVE)),
        ("target_group_weight_range", counts(alb::GROUP_WEIGHT_RANGE)),
        ("stickiness_s", s(alb::STICKINESS)),
        ("stickiness_range_s", spans(alb::STICKINESS_RANGE)),
        ("dns_ttl_s", s(alb::DNS_TTL)),
    ]);
    table
}

fn of_nlb() -> Table {
    let mut table = checks();
    table.extend([
        ("timeout_s", s(target_group::TIMEOUT_NLB)),
        ("cross_zone", on(nlb::CROSS_ZONE)),
        ("tcp_idle_timeout_s", s(nlb::TCP_IDLE_TIMEOUT)),
        ("tcp_idle_timeout_range_s", spans(nlb::TCP_IDLE_TIMEOUT_RANGE)),
        ("udp_idle_timeout_s", s(nlb::UDP_IDLE_TIMEOUT)),
        ("dns_ttl_s", s(nlb::DNS_TTL)),
    ]);
    table
}

fn of_controller() -> Table {
    let checks = |interval, timeout, healthy: u32, unhealthy: u32| {
        let entries = [
            ("interval_s", s(interval)),
            ("timeout_s", s(timeout)),
            ("healthy_threshold", n(healthy)),
            ("unhealthy_threshold", n(unhealthy)),
        ];
        Json::Map(entries.map(|(key, value)| (key.to_owned(), value)).into())
    };
    vec![
        (
            "alb",
            checks(
                controller::ALB_INTERVAL,
                controller::ALB_TIMEOUT,
                controller::ALB_HEALTHY_THRESHOLD,
                controller::ALB_UNHEALTHY_THRESHOLD,
            ),
        ),
        (
            "nlb",
            checks(
                controller::NLB_INTERVAL,
                controller::NLB_TIMEOUT,
                controller::NLB_HEALTHY_THRESHOLD,
                controller::NLB_UNHEALTHY_THRESHOLD,
            ),
        ),
        ("target_type", Json::Text(controller::TARGET_TYPE.to_owned())),
        ("resync_s", s(controller::RESYNC)),
    ]
}

fn of_kubernetes() -> Table {
    vec![
        ("initial_delay_s", s(probe::INITIAL_DELAY)),
        ("period_s", s(probe::PERIOD)),
        ("timeout_s", s(probe::TIMEOUT)),
        ("success_threshold", n(probe::SUCCESS_THRESHOLD)),
        ("failure_threshold", n(probe::FAILURE_THRESHOLD)),
        ("termination_grace_s", s(pod::TERMINATION_GRACE)),
        ("max_surge_percent", n(deployment::MAX_SURGE_PERCENT)),
        ("max_unavailable_percent", n(deployment::MAX_UNAVAILABLE_PERCENT)),
        ("sync_period_s", s(hpa::SYNC)),
        ("tolerance", n(hpa::TOLERANCE)),
        ("initial_readiness_delay_s", s(hpa::INITIAL_READINESS_DELAY)),
        ("cpu_initialization_s", s(hpa::CPU_INITIALIZATION)),
        ("scale_down_stabilization_s", s(hpa::DOWN_WINDOW)),
        ("scale_up_stabilization_s", s(hpa::UP_WINDOW)),
        ("lease_s", s(node::LEASE_RENEWAL)),
        ("monitor_grace_s", s(node::MONITOR_GRACE)),
        ("toleration_s", s(node::TOLERATION)),
        ("eviction_rate", n(node::EVICTION_RATE)),
        ("secondary_eviction_rate", n(node::EVICTION_RATE_SECONDARY)),
        ("session_affinity_s", s(kube_proxy::SESSION_AFFINITY)),
        ("min_sync_s", s(kube_proxy::SYNC_MIN)),
    ]
}

fn of_route53() -> Table {
    vec![
        ("interval_s", s(route53::INTERVAL)),
        ("failure_threshold", n(route53::FAILURE_THRESHOLD)),
        ("recovery_threshold", n(route53::FAILURE_THRESHOLD)),
        ("alias_ttl_s", s(route53::ALIAS_TTL)),
        ("multivalue_answers", n(route53::MULTIVALUE_ANSWERS as u32)),
    ]
}

/// Those of the products whose mechanisms are in `control`.
pub fn defaults(row: &Row) -> Judged {
    row.shape(&[], &["product", "target_types"])?;
    let types = row.input.get("target_types").map(Json::texts);
    if types.is_some_and(|types| types.is_none_or(|types| types.iter().any(|kind| !["instance", "ip"].contains(kind)))) {
        return unknown("other types of targets");
    }
    let table = if row.is_from("controller") {
        of_controller()
    } else if row.is_from("alb") {
        of_alb()
    } else if row.is_from("nlb") {
        of_nlb()
    } else if row.is_from("elb") {
        checks()
    } else if row.is_from("kubernetes") {
        of_kubernetes()
    } else if row.is_from("route 53") {
        of_route53()
    } else {
        return unknown("the product's defaults are not in control/defaults.rs");
    };
    let Some(expected) = row.expected.map().filter(|entries| !entries.is_empty()) else { return unknown("what is expected") };
    // What is wrong counts first, then what is not known.
    let judge = |(key, value): &(String, Json)| match table.iter().find(|(known, _)| known == key) {
        Some((_, ours)) => agree(key, ours, value),
        None => unknown(format!("the default `{key}`")),
    };
    let judged: Vec<Judged> = expected.iter().map(judge).collect();
    let is_wrong = |judged: &Judged| matches!(judged, Err(Trouble::Wrong(_)));
    let worst = judged.iter().position(is_wrong).or_else(|| judged.iter().position(Result::is_err));
    worst.map_or(Ok(()), |worst| judged.into_iter().nth(worst).unwrap_or(Ok(())))
}

/// Whether a default agrees. A text may go on after ours (`on, cannot be turned off at load balancer level`), a map may have less.
fn agree(key: &str, ours: &Json, expected: &Json) -> Judged {
    let agrees = match (ours, expected) {
        (Json::Text(ours), Json::Text(expected)) => expected.split(", ").next() == Some(ours),
        (Json::Text(ours), Json::Bool(expected)) => (ours == "on") == *expected,
        (Json::Map(_), Json::Map(entries)) => {
            return entries.iter().try_for_each(|(inner, value)| match ours.get(inner) {
                Some(ours) => agree(inner, ours, value),
                None => unknown(format!("the default `{key}.{inner}`")),
            });
        }
        (ours, expected) => ours == expected,
    };
    if agrees { Ok(()) } else { Err(Trouble::Wrong(format!("{key}: got {ours:?}, expected {expected:?}"))) }
}
