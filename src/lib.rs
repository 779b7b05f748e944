//! lbsim, the load-balancing flight simulator: which balancing strategy should I run, and what happens when a server dies?
//!
//! Data flows one way: scenario -> compile -> simulate -> measure -> summarise -> report. Modules stand on floors, and use
//! only what stands below; ARCHITECTURE.md tells why.

pub mod error;
pub mod later;
pub mod units;

pub mod dist;
pub mod rng;
pub mod sim;
pub mod stats;

pub mod control;
pub mod document;
pub mod policy;

pub mod scenario;

pub mod measure;

pub mod model;

pub mod input;

pub mod compile;

pub mod import;

pub mod summary;

pub mod experiment;

pub mod tune;

pub mod report;

pub mod cli;
