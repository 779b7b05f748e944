//! The engine as a whole, through the scenario format: claims about single mechanisms, properties of scenarios drawn at
//! random, and figures of queueing theory. One binary, so that it is linked once.

mod addresses;
mod cluster;
mod connections;
mod cookies;
mod detection;
mod dns;
mod flows;
mod generator;
mod instances;
mod lost;
mod lost_zones;
mod node_groups;
mod paths;
mod places;
mod properties;
mod rules;
mod semantics;
mod slow_start;
mod target_groups;
mod theory;
mod trial;
mod weights;
mod zone_faults;
