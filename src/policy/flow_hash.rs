//! Flow hash: the five parts of a connection's identity (protocol, both addresses, both ports) decide, as in a Network Load Balancer.
//!
//! A new connection has a new source port, so even one client's connections spread; with few that live long, some targets get several and
//! others none. All that travels on a connection goes to the same target. Neighbours: ip hash (the address alone, so a client stays),
//! random (the same shares: a hash of a port that nobody chose is chance).
//! How the product maps the hash to a target is not known; here it is the hash modulo the number of targets in rotation.
//! Source: AWS, User Guide for Network Load Balancers ("flow hash algorithm"); Linux picks the port, RFC 6056.

use super::{Pick, Policy, Recipe, Request, Targets};
use crate::rng::{Rng, below, mix64};
use schemars::JsonSchema;
use serde::Deserialize;
use std::net::IpAddr;

/// Parameters of `flow_hash`: none.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {}

impl Recipe for Config {
    const ABOUT: &'static str = "addresses and ports decide, new for each connection";
    const SOURCE: &'static str = "AWS, User Guide for Network Load Balancers";

    fn build(&self, _: &Targets) -> Box<dyn Policy> {
        Box::new(FlowHash)
    }
}

/// Ephemeral ports of Linux: the first, and how many.
const PORTS: (u64, u64) = (32_768, 28_232);

struct FlowHash;

impl Policy for FlowHash {
    fn pick(&mut self, request: &Request, targets: &Targets, rng: &mut Rng) -> Pick {
        let eligible = targets.eligible();
        if eligible.is_empty() {
            return Pick::Nobody;
        }
        let address = match request.address {
            IpAddr::V4(address) => u64::from(address.to_bits()),
            IpAddr::V6(address) => mix64(address.to_bits() as u64) ^ (address.to_bits() >> 64) as u64,
        };
        // Protocol and destination are the same for all. The sequence number that the product hashes too is as random as the port.
        let port = PORTS.0 + below(rng, PORTS.1);
        let hash = mix64(address ^ mix64(port));
        Pick::Target(eligible[(hash % eligible.len() as u64) as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::conformance::{Harness, assert_shares};

    #[test]
    fn one_clients_connections_spread_evenly_if_they_are_many() {
        let mut harness = Harness::new(&Config::default(), Targets::alike(5));
        harness.set_eligible(|target| target != 2);
        assert_shares(&harness.counts(40_000), &[0.25, 0.25, 0.0, 0.25, 0.25]);
    }

    /// Twelve flows over four targets: the expected largest number is well above three. By enumeration of the multinomial, the probability
    /// that all four get exactly three is 12! / (3!^4 4^12) = 0.022.
    #[test]
    fn few_flows_are_uneven() {
        let mut harness = Harness::new(&Config::default(), Targets::alike(4));
        let trials = 2000;
        let even = (0..trials).filter(|_| harness.counts(12).iter().all(|count| *count == 3)).count();
        let expected = 0.02203 * f64::from(trials);
        // Standard deviation sqrt(expected) = 6.6: five of them.
        assert!((even as f64 - expected).abs() < 5.0 * expected.sqrt(), "{even}");
    }
}
