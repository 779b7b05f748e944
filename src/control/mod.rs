//! Decisions of the controllers between a name and a pod: Kubernetes, AWS load balancers, Route 53.
//!
//! Each file is one mechanism of one product: plain functions and small states that are told the time and draw from the stream they are
//! given. They know neither calendar nor servers; who asks them when is the model's business. The products' defaults are in `defaults`.

pub mod anomaly;
pub mod app_cookie;
pub mod check_interval;
pub mod cluster_autoscaler;
pub mod crash_loop;
pub mod cross_zone;
pub mod defaults;
pub mod dns;
pub mod endpoints;
pub mod hpa;
pub mod ingress;
pub mod listener_rule;
pub mod node_lifecycle;
pub mod probe;
pub mod replica_calculator;
pub mod rolling_update;
pub mod scheduler;
pub mod slow_start;
pub mod target_group;
pub mod topology;
