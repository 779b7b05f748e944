//! What `lbsim expand` prints is what is run: the printed file is the same scenario, with the same results. Its text is held by
//! `tests/cmd/expand.trycmd`.

use lbsim::compile::compile;
use lbsim::error::Source;
use lbsim::experiment::{Options, run};
use lbsim::input::Inputs;
use lbsim::scenario::variants::{Study, primitive, read};
use lbsim::summary::{About, Summary, summarise};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd/expand");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    assert!(files.len() >= 8, "{} scenarios", files.len());
    files
}

fn source(name: &str, text: &str) -> Source {
    Source { name: name.to_owned(), text: text.to_owned() }
}

fn stem(path: &Path) -> &str {
    path.file_stem().and_then(|stem| stem.to_str()).expect("a name")
}

fn summary(study: &Study) -> Summary {
    let variants: Vec<_> = study
        .variants
        .iter()
        .map(|variant| compile(&variant.name, &variant.point, &variant.scenario, &Inputs::default()).expect("it compiles"))
        .collect();
    let options = Options { seed: study.seed, replications: study.replications, jobs: Some(1) };
    let results = run(&variants, &options, &AtomicBool::new(false), &|_| {}).expect("it runs");
    let about = About { scenario: study.name.clone(), about: study.about.clone(), seed: study.seed, replications: study.replications };
    summarise(&about, &variants, &results)
}

/// `summary.json` of a study.
fn json(study: &Study) -> String {
    summary(study).to_json().expect("JSON")
}

#[test]
fn the_printed_file_gives_the_same_results() {
    for path in files() {
        let text = fs::read_to_string(&path).expect("a file");
        let name = stem(&path);
        let file = format!("{name}.yaml");
        let no_compare = [("compare".to_owned(), "null".to_owned())];
        let printed = primitive(source(&file, &text), &no_compare, None).unwrap_or_else(|errors| panic!("{errors}"));
        assert!(!["kubernetes:", "aws:"].iter().any(|block| printed.text.lines().any(|line| line.starts_with(block))), "{}", printed.text);
        let original = read(source(&file, &text), &no_compare).unwrap_or_else(|errors| panic!("{errors}"));
        let again =
            read(source("elsewhere.yaml", &printed.text), &[]).unwrap_or_else(|errors| panic!("{name}: {errors}\n{}", printed.text));
        assert_eq!(format!("{:?}", original.variants), format!("{:?}", again.variants), "{name}");
        assert!(json(&original) == json(&again), "{name}: other results");
    }
}

#[test]
fn a_variant_is_printed_under_its_name() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd/expand/service-of-a-group.yaml")).expect("a file");
    let printed = primitive(source("a.yaml", &text), &[], Some("pods")).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(printed.other_variants, ["no preStop"]);
    let again = read(source("b.yaml", &printed.text), &[]).unwrap_or_else(|errors| panic!("{errors}\n{}", printed.text));
    let original = read(source("a.yaml", &text), &[]).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(format!("{:?}", again.variants), format!("{:?}", &original.variants[1..]), "{}", printed.text);
    let wrong = primitive(source("a.yaml", &text), &[], Some("port")).map(|_| ()).unwrap_err().to_string();
    assert!(wrong.contains("no variant `port`") && wrong.contains("no preStop, pods"), "{wrong}");
}

/// A patch on a block changes what it stands for, and `--set` does so too.
#[test]
fn patches_go_into_the_blocks() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd/expand/service-of-a-group.yaml")).expect("a file");
    let sets = [("kubernetes.deployments.web.replicas".to_owned(), "5".to_owned())];
    let study = read(source("a.yaml", &text), &sets).unwrap_or_else(|errors| panic!("{errors}"));
    let pods: Vec<_> = study.variants.iter().map(|variant| variant.scenario.servers[0].pods.clone().expect("pods")).collect();
    assert_eq!(pods.iter().map(|pods| pods.replicas).collect::<Vec<_>>(), [5, 5]);
    assert_eq!(pods.iter().map(|pods| pods.pre_stop.to_string()).collect::<Vec<_>>(), ["0s", "5s"]);
    let targets: Vec<_> = study.variants.iter().map(|variant| variant.scenario.balancers[1].targets.clone()).collect();
    assert_eq!(targets, [vec!["web@worker-1".to_owned(), "web@worker-2".to_owned()], vec!["web".to_owned()]]);
}

/// A file whose pieces cannot be cut out is written anew.
#[test]
fn anchors_and_braces_are_written_out() {
    let cluster =
        "kubernetes: { nodes: [{ name: n, count: &two 2 }], deployments: [{ name: web, replicas: *two }], services: [{ name: web }] }";
    let clients = "clients: [{ name: u, arrivals: { poisson: { rate: 1/s } }, requests: [{ work: { constant: 1ms } }] }]";
    for text in [format!("{cluster}\nreplications: *two\nduration: 1m\n{clients}\n"), format!("{{ duration: 1m, {clients}, {cluster} }}")] {
        let printed = primitive(source("a.yaml", &text), &[], None).unwrap_or_else(|errors| panic!("{errors}"));
        let again = read(source("b.yaml", &printed.text), &[]).unwrap_or_else(|errors| panic!("{errors}\n{}", printed.text));
        let original = read(source("a.yaml", &text), &[]).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(format!("{:?}", again.variants), format!("{:?}", original.variants), "{}", printed.text);
    }
}

/// A load balancer that fails open is not well: its name's other record takes over.
#[test]
fn records_fail_over_from_a_load_balancer_that_fails_open() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd/expand/aws-dns-failover.yaml")).expect("a file");
    let fault = "faults: [{ crash: { server: web } }]\nentry: shop.example\nwarmup: 3m\n";
    let study = |health: &str| {
        let sets = [
            ("duration", "5m"),
            ("clients.users.population", "null"),
            ("aws.records[0].health_check", health),
            ("aws.records[0].ttl", "10s"),
            ("aws.records[0].resolvers", "null"),
            ("aws.records[0].ignore_ttl", "0%"),
            ("aws.records[1].to", "[shop.example]"),
            ("aws.records[1].routing", "simple"),
        ];
        let sets = sets.map(|(path, value)| (path.to_owned(), value.to_owned()));
        read(source("a.yaml", &format!("{text}{fault}")), &sets).unwrap_or_else(|errors| panic!("{errors}"))
    };
    let failed = |study: &Study| summary(study).variants[0].failed_share();
    // Crashed from the start: out at the load balancer within 61 s and at the name within 30 s more, both before the warm-up ends.
    let (with, without) = (failed(&study("{ interval: 10s }")), failed(&study("null")));
    assert_eq!((with, without), (Some(0.0), Some(1.0)));
}

/// A user of ingress-nginx with a cookie keeps to a pod whose node is gone, until it is no endpoint: all its tries fail, as they do there.
#[test]
fn the_next_try_of_ingress_nginx_is_at_the_pod_of_the_cookie() {
    let failed = |more: &str| {
        let text = format!(
            "duration: 3m\nwarmup: 0s\nreplications: 1\nclients: [{{ name: c, population: 50, timeout: 30s, arrivals: {{ poisson: {{ rate: 20/s }} }}, requests: [{{ path: /, work: {{ constant: 1ms }} }}] }}]\n\
             kubernetes:\n  nodes: [{{ name: worker, count: 4, zones: [a, b] }}]\n  deployments: [{{ name: web, replicas: 4, slots: 4, readiness_probe: {{ tcp: {{}} }} }}]\n  services: [{{ name: web }}]\n  \
             ingresses: [{{ name: shop, class: nginx, default_backend: web{more} }}]\nfaults: [{{ blackhole: {{ node: worker-3, at: 1m }} }}]\n"
        );
        let study = read(source("nginx.yaml", &text), &[]).unwrap_or_else(|errors| panic!("{errors}"));
        let printed = primitive(source("nginx.yaml", &text), &[], None).unwrap_or_else(|errors| panic!("{errors}")).text;
        let to = ["any", "other_unless_bound", "other"].into_iter().find(|to| printed.contains(&format!("to: {to} }}")));
        (to.expect("a retry"), summary(&study).variants[0].requests.failed.map_or(f64::NAN, |failed| failed.value))
    };
    let (bound, changed, plain) =
        (failed(", sticky: { lb_cookie: 1h }"), failed(", sticky: { lb_cookie: 1h }, change_on_failure: true"), failed(""));
    assert_eq!((bound.0, changed.0, plain.0), ("other_unless_bound", "other", "any"));
    // Some 40 s, three tries of 5 s each: a quarter of the users, 5 requests in a second, some 125 of them in time to fail.
    assert!(bound.1 > 60.0 && changed.1 < bound.1 / 5.0 && plain.1 < bound.1 / 3.0, "{bound:?} {changed:?} {plain:?}");
}
