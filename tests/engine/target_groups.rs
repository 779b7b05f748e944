//! Target groups of `aws` as their load balancers use them: whose targets a node sends to, and what keeps a zone in DNS.

use crate::trial::{failed_by, once};
use lbsim::control::cross_zone::{Zone, share_per_target};
use lbsim::measure::RunRecord;
use lbsim::scenario::Failure;

/// Two targets in zone a and eight in zone b, 200 requests a second for 100 s, each of which asks the name for itself.
fn run(group: &str, balancer: &str) -> RunRecord {
    once(&format!(
        "duration: 100s\nclients: [{{ name: c, arrivals: {{ deterministic: {{ rate: 200/s }} }}, requests: [{{ path: /x, work: {{ constant: 1us }} }}] }}]\n\
         servers: [{{ name: small, count: 2, slots: 9, zone: a }}, {{ name: large, count: 8, slots: 9, zone: b }}]\naws:\n  \
         target_groups: [{{ name: web, targets: [small, large]{group} }}]\n  load_balancers: [{{ name: shop, {balancer} }}]\n"
    ))
}

const ALB: &str = "type: application, listeners: [{ default: { web: 1 } }]";

/// Of two zones with half of the clients each, as the decision has it. 20,000 requests: five standard deviations of a node's half are 354.
fn is_shared(run: &RunRecord, is_on: bool) -> bool {
    let zones = [2, 8].map(|targets| Zone { targets, client_share: 0.5 });
    let shares = share_per_target(&zones, is_on);
    let expected = |server: usize| 20_000.0 * shares[usize::from(server >= 2)];
    let slack = |server: usize| if is_on { 2.0 } else { 354.0 / if server < 2 { 2.0 } else { 8.0 } + 2.0 };
    run.servers.iter().enumerate().all(|(i, server)| (server.attempts as f64 - expected(i)).abs() <= slack(i))
}

/// The group's setting counts more than the load balancer's. Source: Application and Network Load Balancers user guides, cross-zone load
/// balancing for target groups.
#[test]
fn a_group_has_the_last_word_on_zones() {
    assert!(is_shared(&run("", ALB), true));
    assert!(is_shared(&run(", cross_zone: true", ALB), true));
    assert!(is_shared(&run(", cross_zone: false", ALB), false));
    // Flows are spread by their hash: a target's share of its node's flows is binomial, and only the zone's part tells.
    let small = |run: &RunRecord| run.servers[..2].iter().map(|server| server.attempts).sum::<u64>();
    let nlb = |said: &str, group: &str| small(&run(group, &format!("type: network{said}, listeners: [{{ default: {{ web: 1 }} }}]")));
    // A half of 20,000, standard deviation 71, or two tenths, standard deviation 57; five of them.
    let (is_half, is_fifth) = (|n: u64| n.abs_diff(10_000) < 354, |n: u64| n.abs_diff(4_000) < 283);
    assert!(is_half(nlb("", "")) && is_half(nlb(", cross_zone: true", ", cross_zone: false")));
    assert!(is_fifth(nlb("", ", cross_zone: true")) && is_fifth(nlb(", cross_zone: true", "")));
}

#[test]
fn each_group_of_a_load_balancer_has_its_own_reach() {
    let groups = ", cross_zone: false }, { name: all, targets: [small, large]";
    let rules = "type: application, listeners: [{ rules: [{ when: { path: [/y] }, forward: { all: 1 } }], default: { web: 1 } }]";
    assert!(is_shared(&run(groups, rules), false));
    assert!(is_shared(&run(groups, &rules.replace("/y", "/x")), true));
}

/// The node of zone c has no target of its own. It answers 503 until the name has found out, by three checks 10 s apart with a random
/// phase: that is 20 to 30 s of a third of 200 requests a second, give or take five standard deviations (180).
#[test]
fn a_zone_without_targets_answers_503_and_leaves_dns() {
    let zones = "zones: [a, b, c], ";
    let off = run(", cross_zone: false", &format!("{zones}{ALB}"));
    let failed = failed_by(&off, Failure::NoServer);
    assert!(failed == off.requests.failed() && (1333 - 180..2000 + 180).contains(&failed), "{:?}", off.requests);
    let late: u64 = off.timeline.bins.iter().skip(off.timeline.bins.len() * 31 / 100).map(|bin| bin.failed).sum();
    assert_eq!(late, 0);
    assert_eq!(run("", &format!("{zones}{ALB}")).requests.failed(), 0);
    // All groups lose the zone, also one that could be served from there.
    let groups = ", cross_zone: false }, { name: all, targets: [small, large]";
    let other = "type: application, listeners: [{ rules: [{ when: { path: [/x] }, forward: { all: 1 } }], default: { web: 1 } }]";
    let both = run(groups, &format!("{zones}{other}"));
    let [a, b, c] = both.names[0].answers[..] else { panic!("three nodes") };
    assert_eq!((both.requests.failed(), a, b), (0, 20_000, 20_000));
    assert!((3999..=6001).contains(&c), "{c} answers with zone c");
}
