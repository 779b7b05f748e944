//! Which answers set a cookie. A user who comes once a second meets first what fails, then by turns what is well.

use crate::trial::{failed_by, once};
use lbsim::scenario::Failure;

/// Failed requests of ten, and the tries that each server got.
fn run(balancers: &str, fault: &str) -> (u64, Vec<u64>) {
    let run = once(&format!(
        "duration: 10500ms\nclients: [{{ name: c, population: 1, arrivals: {{ deterministic: {{ rate: 1/s }} }}, requests: [{{ work: {{ constant: 1ms }} }}] }}]\n\
         servers: [{{ name: bad }}, {{ name: good }}]\nbalancers: [{balancers}]\nfaults: [{{ {fault} }}]\n"
    ));
    (run.requests.failed(), run.servers.iter().map(|server| server.attempts).collect())
}

fn sticky(more: &str, set_with: &str) -> String {
    format!("{{ name: lb, targets: [bad, good], algorithm: round_robin, sticky: {{ cookie: {{ {set_with} }} }}{more} }}")
}

const ERRORS: &str = "errors: { server: bad, share: 100% }";
const CRASH: &str = "crash: { server: bad }";

/// HAProxy, `http_process_res_common`: any answer of a server. nginx, `ngx_http_upstream_get_sticky_peer`: any answer once there is a peer.
#[test]
fn an_error_of_the_target_sets_the_cookie_and_one_of_the_balancer_where_the_product_does() {
    let bound = (10, vec![10, 0]);
    let other = (1, vec![1, 9]);
    for (set_with, of_target, of_balancer) in [
        ("", &bound, &other),
        ("set_with: answer", &bound, &other),
        ("set_with: success", &other, &other),
        ("set_with: choice", &bound, &bound),
    ] {
        assert_eq!(run(&sticky("", set_with), ERRORS), *of_target, "{set_with}");
        assert_eq!(run(&sticky("", set_with), CRASH), *of_balancer, "{set_with}");
        // 504, which the balancer answers when it has waited for long enough.
        assert_eq!(run(&sticky(", timeout: 100ms", set_with), "hang: { server: bad }"), *of_balancer, "{set_with}");
    }
}

#[test]
fn an_answer_that_nobody_gets_sets_no_cookie() {
    let retry = ", retry: { max: 1, when: [5xx], to: other }";
    assert_eq!(run(&sticky(retry, ""), ERRORS), (0, vec![1, 10]));
    // The client has gone when the error comes.
    let slow = "duration: 10500ms\nclients: [{ name: c, population: 1, timeout: 100ms, arrivals: { deterministic: { rate: 1/s } }, requests: [{ work: { constant: 1ms } }] }]\n\
                servers: [{ name: bad, speed: 0.002 }, { name: good }]\nfaults: [{ errors: { server: bad, share: 100% } }]\n";
    let run = once(&format!("{slow}balancers: [{}]\n", sticky("", "")));
    assert_eq!((run.requests.failed(), failed_by(&run, Failure::Timeout), run.servers[1].attempts), (1, 1, 9));
}

/// A proxy that looks at requests answers 502 for a server that is gone, and what it answers is its answer; a proxy of connections says nothing.
#[test]
fn a_proxy_that_is_a_target_answers_for_what_is_behind_it() {
    let two = |layer: &str| {
        let proxies = format!("{{ name: one, {layer}targets: [bad] }}, {{ name: two, {layer}targets: [good] }}");
        run(&format!("{}, {proxies}", sticky("", "").replace("bad, good", "one, two")), CRASH).0
    };
    assert_eq!((two(""), two("layer: l4, ")), (10, 1));
    // One that says nothing has not answered: the balancer in front has waited for long enough.
    let proxies = "{ name: one, targets: [bad] }, { name: two, targets: [good] }";
    let lb = sticky(", timeout: 100ms", "").replace("bad, good", "one, two");
    assert_eq!(run(&format!("{lb}, {proxies}"), "hang: { server: bad }").0, 1);
}

/// A load balancer's cookie for target groups (AWSALBTG): set with what a target answers, while the view of a group is the load balancer.
#[test]
fn the_cookie_of_target_groups_is_set_with_errors_of_targets_alone() {
    let failed = |fault: &str| {
        let run = once(&format!(
            "duration: 100s\nclients: [{{ name: c, population: 100, arrivals: {{ poisson: {{ rate: 100/s }} }}, requests: [{{ work: {{ constant: 1us }} }}] }}]\n\
             servers: [{{ name: a, zone: a }}, {{ name: b, zone: a }}]\nfaults: [{{ {fault}: {{ server: a{} }} }}]\naws:\n  \
             target_groups: [{{ name: blue, targets: [a], health_check: {{ interval: 300s }} }}, {{ name: green, targets: [b] }}]\n  \
             load_balancers: [{{ name: shop, type: application, listeners: [{{ rules: [{{ forward: {{ blue: 1, green: 1 }}, sticky: 1h }}], respond: 404 }}] }}]\n",
            if fault == "errors" { ", share: 100%" } else { "" }
        ));
        run.requests.failed() as f64
    };
    // Each user is drawn until something well has answered: once on average, with a variance of 2 for each of 100 users.
    assert!((failed("crash") - 100.0).abs() < 5.0 * 200_f64.sqrt(), "{}", failed("crash"));
    // Half of the users stay with errors, 100 each: five standard deviations of 50 are 25 users, and of 5,000 requests 354.
    assert!((failed("errors") - 5_000.0).abs() < 2_854.0, "{}", failed("errors"));
}

/// ingress-nginx, `balancer/sticky.lua`: a try that failed is made again at the pod of the cookie, unless there is no cookie yet.
#[test]
fn who_is_bound_is_sent_to_the_same_server_again_where_the_product_does_so() {
    let run = |to: &str, at: &str| {
        let retry = format!(", retry: {{ max: 1, to: {to} }}");
        run(&sticky(&retry, "set_with: choice").replace("round_robin", "first"), &format!("crash: {{ server: bad, at: {at} }}"))
    };
    // Bound by three answers; then each of seven requests is tried twice.
    assert_eq!(run("other_unless_bound", "3500ms"), (7, vec![17, 0]));
    assert_eq!(run("any", "3500ms"), (7, vec![17, 0]));
    assert_eq!(run("other", "3500ms"), (0, vec![4, 7]));
    // Nobody is bound: the retry goes elsewhere, and binds there.
    assert_eq!(run("other_unless_bound", "0s"), (0, vec![1, 10]));
    assert_eq!(run("any", "0s"), (10, vec![20, 0]));
}
