//! Cross-zone load balancing: which part of a load balancer's traffic each target gets.
//!
//! On, every node of the load balancer spreads over all targets; off, over those of its own zone. Clients spread over the nodes by DNS.
//! Source: AWS, Elastic Load Balancing user guide, "How Elastic Load Balancing works" (cross-zone load balancing).

/// A zone of a load balancer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Zone {
    pub targets: u32,
    /// The part of the clients' traffic that reaches its node; all together 1.
    pub client_share: f64,
}

/// The share of the traffic that one target of each zone gets, 0 where the zone has none. With cross-zone off a zone without targets
/// leaves DNS, and its clients go to the other zones in the proportions of these.
pub fn share_per_target(zones: &[Zone], is_on: bool) -> Vec<f64> {
    let targets: u32 = zones.iter().map(|zone| zone.targets).sum();
    let served: f64 = zones.iter().filter(|zone| zone.targets > 0).map(|zone| zone.client_share).sum();
    let share = |zone: &Zone| match (zone.targets, is_on) {
        (0, _) => 0.0,
        (_, true) => 1.0 / f64::from(targets),
        (here, false) if served > 0.0 => zone.client_share / served / f64::from(here),
        (_, false) => 0.0,
    };
    zones.iter().map(share).collect()
}

/// The share of the traffic that goes from a node in one zone to a target in another.
pub fn crossing_share(zones: &[Zone], is_on: bool) -> f64 {
    let targets: u32 = zones.iter().map(|zone| zone.targets).sum();
    if !is_on || targets == 0 {
        return 0.0;
    }
    zones.iter().map(|zone| zone.client_share * (1.0 - f64::from(zone.targets) / f64::from(targets))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The guide's figure: 2 and 8 targets; off: 25 % and 6.25 % each, on: 10 %.
    #[test]
    fn two_and_eight_targets_share_as_in_the_guide() {
        let zones = [2, 8].map(|targets| Zone { targets, client_share: 0.5 });
        assert_eq!(share_per_target(&zones, false), [0.25, 0.0625]);
        assert_eq!(share_per_target(&zones, true), [0.1, 0.1]);
        assert!((crossing_share(&zones, true) - 0.5).abs() < 1e-12);
        assert_eq!(crossing_share(&zones, false), 0.0);
    }

    #[test]
    fn a_zone_without_targets_leaves_its_clients_to_the_others() {
        let zones = [(0, 0.5), (2, 0.25), (1, 0.25)].map(|(targets, client_share)| Zone { targets, client_share });
        assert_eq!(share_per_target(&zones, false), [0.0, 0.25, 0.5]);
        assert_eq!(share_per_target(&zones[..1], false), [0.0]);
        assert_eq!(share_per_target(&zones[..1], true), [0.0]);
    }
}
