//! Holds every shipped scenario to what its `about` says: each claim has to hold with the confidence of the intervals, and has to
//! fail in a world without its cause.

#[path = "scenarios/affinity.rs"]
mod affinity;
#[path = "scenarios/algorithms.rs"]
mod algorithms;
#[path = "scenarios/faults.rs"]
mod faults;
#[path = "scenarios/kit.rs"]
mod kit;
#[path = "scenarios/load.rs"]
mod load;
#[path = "scenarios/path.rs"]
mod path;
#[path = "scenarios/pods.rs"]
mod pods;

use kit::Lesson;
use std::collections::BTreeSet;
use std::fs;

/// Makes the table, and two tests of each line.
macro_rules! lessons {
    ($($test:ident => $group:ident::$lesson:ident),* $(,)?) => {
        const LESSONS: &[&Lesson] = &[$(&$group::$lesson),*];
        $(mod $test {
            #[test]
            fn shows_what_it_claims() {
                let broken = super::$group::$lesson.broken();
                assert!(broken.is_empty(), "\n{}", broken.concat());
            }

            #[test]
            fn claims_what_could_be_wrong() {
                let idle = super::$group::$lesson.idle();
                assert!(idle.is_empty(), "\n{}", idle.concat());
            }
        })*
    };
}

lessons! {
    access_log => affinity::ACCESS_LOG,
    access_log_with_twice_the_servers => affinity::ACCESS_LOG_WITH_TWICE_THE_SERVERS,
    alb_vs_nlb => path::ALB_VS_NLB,
    blue_green => path::BLUE_GREEN,
    cart => affinity::CART,
    cross_zone => path::CROSS_ZONE,
    dns_failover => path::DNS_FAILOVER,
    eks_ingress => path::EKS_INGRESS,
    external_traffic_policy => path::EXTERNAL_TRAFFIC_POLICY,
    failover_settings => faults::FAILOVER_SETTINGS,
    fast_failing => faults::FAST_FAILING,
    flash_crowd => load::FLASH_CROWD,
    gray_failure => faults::GRAY_FAILURE,
    grpc_through_service => path::GRPC_THROUGH_SERVICE,
    heavy_tail => algorithms::HEAVY_TAIL,
    heterogeneous => algorithms::HETEROGENEOUS,
    hpa_flash_crowd => pods::HPA_FLASH_CROWD,
    least_connections_ties => algorithms::LEAST_CONNECTIONS_TIES,
    least_connections_ties_with_slots => algorithms::LEAST_CONNECTIONS_TIES_WITH_SLOTS,
    llm_trace => algorithms::LLM_TRACE,
    long_lived_connections => path::LONG_LIVED_CONNECTIONS,
    nat_skew => affinity::NAT_SKEW,
    nat_skew_where_two_meet => affinity::NAT_SKEW_WHERE_TWO_MEET,
    node_loss => pods::NODE_LOSS,
    pod_crash => pods::POD_CRASH,
    pre_stop => pods::PRE_STOP,
    target_type_in_a_rollout => pods::TARGET_TYPE_IN_A_ROLLOUT,
    pre_stop_behind_node_ports => pods::PRE_STOP_BEHIND_NODE_PORTS,
    pre_stop_of_the_sum => pods::PRE_STOP_OF_THE_SUM,
    readiness_gate => pods::READINESS_GATE,
    retry_storm => load::RETRY_STORM,
    rolling_deploy => pods::ROLLING_DEPLOY,
    slow_server => faults::SLOW_SERVER,
    sticky_outlives_server => affinity::STICKY_OUTLIVES_SERVER,
    target_ip_vs_instance => path::TARGET_IP_VS_INSTANCE,
    weights_wrong => algorithms::WEIGHTS_WRONG,
    zone_outage => faults::ZONE_OUTAGE,
}

#[test]
fn every_shipped_scenario_has_its_claims() {
    let paths = fs::read_dir(kit::folder()).expect("scenarios").map(|entry| entry.expect("an entry").path());
    let yaml = paths.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    let shipped: BTreeSet<String> = yaml.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect();
    let claimed: BTreeSet<String> = LESSONS.iter().map(|lesson| lesson.name.to_owned()).collect();
    assert_eq!(shipped, claimed);
}
