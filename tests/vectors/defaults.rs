//! The products' defaults against those in `control/defaults.rs`.

use crate::json::Json;
use crate::{Judged, Row, Trouble, unknown};
use lbsim::control::defaults::{
    alb, controller, deployment, haproxy, hpa, kube_proxy, nlb, node, pod, probe, route53, slow_start, target_group,
};
use lbsim::control::target_group::Minimum;
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

fn text(text: &str) -> Json {
    Json::Text(text.to_owned())
}

/// Statuses with which a check passes: `200`, or `200-399`.
fn matcher((first, last): (u16, u16)) -> Json {
    Json::Text(if first == last { first.to_string() } else { format!("{first}-{last}") })
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
        ("unhealthy_routing_min_healthy_percent", on(Minimum::default().share.is_some())),
        ("dns_failover_min_healthy_percent", on(Minimum::default().share.is_some())),
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
        ("lb_cookie_duration_s", s(alb::STICKINESS)),
        ("lb_cookie_duration_range_s", spans(alb::STICKINESS_RANGE)),
        ("cookie_life_s", s(alb::COOKIE_LIFE)),
        ("app_cookie_shards_max", n(alb::APP_COOKIE_SHARDS_MAX)),
        ("rule_condition_values_max", n(alb::RULE_VALUES_MAX as u32)),
        ("matcher", matcher(target_group::STATUS_ALB)),
        ("grpc_matcher", n(u32::from(target_group::GRPC_STATUS_ALB))),
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
        ("connection_termination_on_unhealthy", on(nlb::TERMINATES_ON_UNHEALTHY)),
        ("deregistration_connection_termination", on(nlb::TERMINATES_ON_DEREGISTRATION)),
        ("matcher", matcher(target_group::STATUS_NLB)),
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
        ("resync_h", n(controller::RESYNC.as_secs_f64() / 3600.0)),
        ("max_backoff_s", s(controller::RETRY_CAP)),
    ]
}

/// What has its own table within Kubernetes: the same word means another thing there.
fn of_kube_proxy() -> Table {
    vec![
        ("mode", text("iptables")),
        ("session_affinity_s", s(kube_proxy::SESSION_AFFINITY)),
        ("session_affinity_timeout_s", s(kube_proxy::SESSION_AFFINITY)),
        ("session_affinity_max_s", s(kube_proxy::SESSION_AFFINITY_MAX)),
        ("min_sync_s", s(kube_proxy::SYNC_MIN)),
        ("min_sync_period_s", s(kube_proxy::SYNC_MIN)),
        ("sync_s", s(kube_proxy::SYNC)),
        ("sync_period_s", s(kube_proxy::SYNC)),
    ]
}

fn of_kubernetes() -> Table {
    let percent = |percent: u32| text(&format!("{percent}%"));
    vec![
        ("initial_delay_s", s(probe::INITIAL_DELAY)),
        ("period_s", s(probe::PERIOD)),
        ("timeout_s", s(probe::TIMEOUT)),
        ("success_threshold", n(probe::SUCCESS_THRESHOLD)),
        ("failure_threshold", n(probe::FAILURE_THRESHOLD)),
        ("termination_grace_s", s(pod::TERMINATION_GRACE)),
        ("pre_stop_extension_s", s(pod::PRE_STOP_EXTENSION)),
        ("crash_loop_base_s", s(pod::BACK_OFF_BASE)),
        ("crash_loop_max_s", s(pod::BACK_OFF_CAP)),
        ("crash_loop_reset_s", s(pod::BACK_OFF_RESET_AFTER)),
        ("replicas", n(deployment::REPLICAS)),
        ("max_surge", percent(deployment::MAX_SURGE_PERCENT)),
        ("max_unavailable", percent(deployment::MAX_UNAVAILABLE_PERCENT)),
        ("max_surge_percent", n(deployment::MAX_SURGE_PERCENT)),
        ("max_unavailable_percent", n(deployment::MAX_UNAVAILABLE_PERCENT)),
        ("min_ready_s", s(deployment::MIN_READY)),
        ("progress_deadline_s", s(deployment::PROGRESS_DEADLINE)),
        ("sync_period_s", s(hpa::SYNC)),
        ("tolerance", n(hpa::TOLERANCE)),
        ("min_replicas", n(hpa::MIN_REPLICAS)),
        ("initial_readiness_delay_s", s(hpa::INITIAL_READINESS_DELAY)),
        ("cpu_initialization_s", s(hpa::CPU_INITIALIZATION)),
        ("scale_down_stabilization_s", s(hpa::DOWN_WINDOW)),
        ("scale_up_stabilization_s", s(hpa::UP_WINDOW)),
        ("scale_up_pods", n(hpa::UP_PODS)),
        ("scale_up_percent", n(hpa::UP_PERCENT)),
        ("scale_up_period_s", s(hpa::POLICY_PERIOD)),
        ("scale_down_percent", n(hpa::DOWN_PERCENT)),
        ("scale_down_period_s", s(hpa::POLICY_PERIOD)),
        ("lease_s", s(node::LEASE_RENEWAL)),
        ("monitor_grace_s", s(node::MONITOR_GRACE)),
        ("monitor_period_s", s(node::MONITOR_PERIOD)),
        ("toleration_s", s(node::TOLERATION)),
        ("eviction_rate", n(node::EVICTION_RATE)),
        ("eviction_rate_per_s", n(node::EVICTION_RATE)),
        ("secondary_eviction_rate", n(node::EVICTION_RATE_SECONDARY)),
        ("secondary_eviction_rate_per_s", n(node::EVICTION_RATE_SECONDARY)),
        ("unhealthy_zone_threshold", n(node::UNHEALTHY_ZONE)),
        ("large_cluster_size", n(node::LARGE_CLUSTER_NODES)),
        ("pods_max", n(node::PODS_MAX)),
        ("session_affinity_s", s(kube_proxy::SESSION_AFFINITY)),
        ("min_sync_s", s(kube_proxy::SYNC_MIN)),
    ]
}

fn of_haproxy() -> Table {
    vec![("inter_ms", n(haproxy::INTER.as_millis_f64())), ("rise", n(haproxy::RISE)), ("fall", n(haproxy::FALL))]
}

fn of_envoy() -> Table {
    vec![
        ("slow_start_min_weight_percent", n(100.0 * slow_start::ENVOY_SHARE_MIN)),
        ("slow_start_aggression", n(slow_start::ENVOY_AGGRESSION)),
    ]
}

fn of_route53() -> Table {
    vec![
        ("interval_s", s(route53::INTERVAL)),
        ("failure_threshold", n(route53::FAILURE_THRESHOLD)),
        ("recovery_threshold", n(route53::FAILURE_THRESHOLD)),
        ("alias_ttl_s", s(route53::ALIAS_TTL)),
        ("multivalue_answers", n(route53::MULTIVALUE_ANSWERS as u32)),
        ("multivalue_max_records", n(route53::MULTIVALUE_ANSWERS as u32)),
        ("fast_interval_s", s(route53::INTERVAL_FAST)),
        ("failure_threshold_range", counts(route53::FAILURE_THRESHOLD_RANGE)),
        ("weight_range", counts((0, route53::WEIGHT_MAX))),
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
    } else if row.is_from("kube-proxy") || row.input.get("product").and_then(Json::text).is_some_and(|of| of.contains("kube-proxy")) {
        of_kube_proxy()
    } else if row.is_from("kubernetes") {
        of_kubernetes()
    } else if row.is_from("haproxy") {
        of_haproxy()
    } else if row.is_from("envoy") {
        of_envoy()
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
