//! The simulated world: plain data, parts with pure decisions, two files of wiring. It takes a [`plan::Plan`] and leaves a
//! record; it knows neither YAML nor reports.

pub mod arrivals;
pub mod attempt;
pub mod balancer;
mod books;
pub mod checker;
pub mod client;
pub mod cluster;
pub mod connection;
pub mod connections;
mod control_plane;
mod data_plane;
pub mod dns;
pub mod event;
mod faults;
pub mod line;
pub mod link;
mod lost;
mod operations;
pub mod places;
pub mod plan;
pub mod retry;
pub mod rules;
pub mod server;
pub mod slab;
pub mod sticky;
mod world;

#[cfg(test)]
pub(crate) use data_plane::is_open_road;
pub use world::run;
#[cfg(test)]
pub(crate) use world::run_step_by_step;
