//! Decisions of the controllers between a name and a pod: Kubernetes, AWS load balancers, Route 53.
//!
//! Each file is one mechanism of one product: plain functions and small states that are told the time and draw from the stream they are
//! given. They know neither calendar nor servers; who asks them when is the model's business. The products' defaults are in `defaults`.

pub mod crash_loop;
pub mod defaults;
pub mod endpoints;
pub mod hpa;
pub mod node_lifecycle;
pub mod probe;
pub mod replica_calculator;
pub mod rolling_update;
pub mod scheduler;
