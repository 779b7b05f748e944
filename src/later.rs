//! The names of algorithms that are known and come with a later release: a scenario that uses one is told so.

/// Algorithms in the project's own words.
pub const LATER: &[&str] = &[
    "adaptive_replica_selection",
    "aperture",
    "bounded_load_hash",
    "c3",
    "deterministic_subsetting",
    "edf_weighted_round_robin",
    "join_idle_queue",
    "jump_hash",
    "least_request",
    "least_time",
    "least_work_left",
    "locality_weighted",
    "maglev",
    "never_queue",
    "peak_ewma",
    "prequal",
    "priority",
    "rendezvous",
    "shortest_expected_delay",
    "static_stride",
    "utilization_weighted",
    "weighted_least_request",
];

/// Products whose algorithms will be offered as `<product>.<its name for it>`.
const PRODUCTS: &[&str] =
    &["nginx", "haproxy", "envoy", "aws", "grpc", "traefik", "caddy", "ipvs", "linkerd", "finagle", "kube_proxy", "pingora"];

/// Whether `name` stands for an algorithm that is known, but not in this release.
pub fn is_later(name: &str) -> bool {
    match name.split_once('.') {
        Some((product, algorithm)) => PRODUCTS.contains(&product) && !algorithm.is_empty(),
        None => LATER.contains(&name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Algorithm;

    #[test]
    fn later_names_are_known_and_not_yet_in_the_table() {
        assert!(is_later("maglev") && is_later("haproxy.leastconn") && is_later("kube_proxy.iptables"));
        assert!(!is_later("round_robin") && !is_later("nginx.") && !is_later("acme.round_robin") && !is_later("nginx"));
        assert!(LATER.iter().all(|name| Algorithm::by_name(name).is_none()));
    }
}
