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

/// The node of zone c has no target of its own: it answers 503, and the name has long found out when the run begins. Where it stays in DNS
/// it gets a third of 200 requests a second: five standard deviations are 334.
#[test]
fn a_zone_without_targets_answers_503_and_is_not_in_dns() {
    let zones = "zones: [a, b, c], ";
    let off = |dns: &str| run(&format!(", cross_zone: false{dns}"), &format!("{zones}{ALB}"));
    assert_eq!(off("").requests.failed(), 0);
    let stays = off(", minimum_healthy_dns: 0");
    let failed = failed_by(&stays, Failure::NoServer);
    assert!(failed == stays.requests.failed() && failed.abs_diff(6667) < 334, "{:?}", stays.requests);
    assert_eq!(run("", &format!("{zones}{ALB}")).requests.failed(), 0);
    // All groups lose the zone, also one that could be served from there.
    let groups = ", cross_zone: false }, { name: all, targets: [small, large]";
    let other = "type: application, listeners: [{ rules: [{ when: { path: [/x] }, forward: { all: 1 } }], default: { web: 1 } }]";
    let both = run(groups, &format!("{zones}{other}"));
    let [a, b, c] = both.names[0].answers[..] else { panic!("three nodes") };
    assert_eq!((both.requests.failed(), a, b, c), (0, 20_000, 20_000, 0));
}

/// Failed requests from the second on, of 200 a second.
fn failed_from(run: &RunRecord, second: usize) -> u64 {
    let bins = &run.timeline.bins;
    bins[bins.len() * second / 100..].iter().map(|bin| bin.failed).sum()
}

const QUICK: &str = ", health_check: { interval: 5s, timeout: 2s }";

fn crashed(servers: &[&str]) -> String {
    let list: Vec<String> = servers.iter().map(|server| format!("{{ crash: {{ server: {server}, at: 10s }} }}")).collect();
    format!("listeners: [{{ default: {{ web: 1 }} }}] }}]\nfaults: [{}]\n# ", list.join(", "))
}

/// Two of the eight targets of a zone are well. Whichever of the two minima is not met, the node sends to all: six of eight requests fail.
/// Source: Application Load Balancers user guide, Target group health.
#[test]
fn a_node_sends_to_all_where_either_minimum_is_not_met() {
    let faults = crashed(&["large-1", "large-2", "large-3", "large-4", "large-5", "large-6", "small"]);
    let late = |minimum: &str| {
        let group = format!("{QUICK}, {minimum}, minimum_healthy_dns: 0, cross_zone: false");
        failed_from(&run(&group, &format!("type: application, zones: [b], {faults}")), 60)
    };
    let all_used = |failed: u64| failed.abs_diff(6000) <= 8;
    assert_eq!([late("minimum_healthy: 2"), late("minimum_healthy: 25%"), late("minimum_healthy: { count: 2, share: 25% }")], [0; 3]);
    assert!(all_used(late("minimum_healthy: { count: 3, share: 25% }")) && all_used(late("minimum_healthy: { count: 2, share: 26% }")));
}

/// Of zone a nobody is left, and its node fails open: its clients' requests fail as long as the name leads there.
#[test]
fn a_zone_stays_in_dns_where_its_minimum_is_off() {
    let late = |dns: &str| {
        let group = format!("{QUICK}, cross_zone: false, minimum_healthy_dns: {dns}");
        failed_from(&run(&group, &format!("type: application, {}", crashed(&["small"]))), 60)
    };
    // Seen after two checks 5 s apart, and by the name after three 10 s apart: before 50 s.
    assert_eq!([late("1"), late("50%"), late("{ count: 0, share: 1% }")], [0; 3]);
    // Half of 8,000 requests: five standard deviations are 224.
    assert!(late("0").abs_diff(4000) < 224, "{}", late("0"));
}

/// One of the eight targets of zone b is well, and both of zone a.
#[test]
fn a_zone_leaves_dns_where_either_minimum_is_not_met() {
    let faults = crashed(&["large-1", "large-2", "large-3", "large-4", "large-5", "large-6", "large-7"]);
    let small = |dns: &str| {
        let group = format!("{QUICK}, cross_zone: false, minimum_healthy_dns: {dns}");
        run(&group, &format!("type: application, {faults}")).servers[..2].iter().map(|server| server.attempts).sum::<u64>()
    };
    // Half of all, give or take five standard deviations; or all of those from 50 s on at the latest.
    assert!(small("{ count: 1, share: 12% }").abs_diff(10_000) < 354);
    assert!(small("{ count: 2, share: 12% }") > 14_646 && small("{ count: 1, share: 13% }") > 14_646);
}

/// What is healthy is what the target group's checks find: a proxy that answers TCP is, though nobody behind it lives.
#[test]
fn a_record_evaluates_the_health_that_the_checks_of_the_targets_find() {
    let failed = |check: &str| {
        let text = format!(
            "duration: 200s\nwarmup: 100s\nclients: [{{ name: c, arrivals: {{ deterministic: {{ rate: 20/s }} }}, requests: [{{ work: {{ constant: 1us }} }}] }}]\n\
             servers: [{{ name: web, zone: a }}, {{ name: spare }}]\nfaults: [{{ crash: {{ server: web }} }}]\n\
             balancers: [{{ name: edge, targets: [web], health_check: {{ http: /, interval: 5s }} }}, {{ name: other, targets: [spare] }}]\naws:\n  \
             records: [{{ name: shop.example, routing: failover, to: [shop, other], health_check: {{ interval: 10s }} }}]\n  \
             target_groups: [{{ name: web, targets: [edge], health_check: {{ {check}, interval: 10s }} }}]\n  \
             load_balancers: [{{ name: shop, type: network, cross_zone: true, listeners: [{{ default: {{ web: 1 }} }}] }}]\nentry: shop.example\n"
        );
        let run = once(&text);
        (run.requests.failed(), failed_by(&run, Failure::NoServer))
    };
    assert_eq!(failed("http: /"), (0, 0));
    assert_eq!(failed("tcp: {}"), (2001, 2001));
}

/// Registration takes minutes in a network load balancer, and taking out does not: of 200 requests a second the new pods get none before.
#[test]
fn a_new_target_of_a_network_load_balancer_is_used_late_and_one_that_goes_leaves_at_once() {
    let run = |kind: &str, duration: u64, scale: &str, group: &str| {
        once(&format!(
            "duration: {duration}s\nclients: [{{ name: c, arrivals: {{ deterministic: {{ rate: 200/s }} }}, requests: [{{ work: {{ constant: 1us }} }}] }}]\nkubernetes:\n  \
             nodes: [{{ name: worker, count: 2, zones: [a] }}]\n  \
             deployments: [{{ name: web, replicas: 2, slots: 9, image_pull: {{ constant: 1s }}, start: {{ constant: 1s }}, on_term: drain, pre_stop: 10s }}]\n  services: [{{ name: web }}]\naws:\n  \
             target_groups: [{{ name: web, service: web, type: ip{group} }}]\n  load_balancers: [{{ name: shop, type: {kind}, listeners: [{{ default: {{ web: 1 }} }}] }}]\n\
             operations: [{{ scale: {{ group: web, replicas: {scale}, at: 10s }} }}]\n"
        ))
    };
    let new = |run: &RunRecord| run.servers[2..].iter().map(|server| server.attempts).sum::<u64>();
    // Ready at 12 s; registered after 90 to 180 s, healthy after five checks 30 s apart at most.
    assert_eq!(new(&run("network", 101, "4", "")), 0);
    assert!(new(&run("network", 350, "4", "")) > 0);
    assert!(new(&run("application", 101, "4", ", health_check: { interval: 5s, timeout: 2s }")) > 0);
    assert_eq!(new(&run("network", 101, "4", ", health_check: { interval: 5s, timeout: 2s }")), 0);
    assert!(new(&run("network", 101, "4", ", registration: { constant: 1s }, health_check: { interval: 5s, timeout: 2s }")) > 0);
    // Told at 10 s, left by 13 s: nobody is lost within the 10 s of the hook.
    assert_eq!(run("network", 60, "1", "").requests.failed(), 0);
}
