//! lbsim, the load-balancing flight simulator: which balancing strategy should I run, and what happens when a server dies?
//!
//! Data flows one way: scenario -> compile -> simulate -> measure -> summarise -> report. Modules stand on floors, and use
//! only what stands below; ARCHITECTURE.md tells why.

pub mod error;
pub mod units;

pub mod dist;
pub mod rng;
pub mod sim;

pub mod policy;
pub mod stats;

pub mod document;
pub mod scenario;

pub mod input;
