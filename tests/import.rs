//! Manifests as scenarios: every file in `tests/manifests` gives exactly what stands in `imported/` (the scenario, and what is told),
//! which passes the check, expands, and runs; every file in `bad` gives exactly the message beside it. `UPDATE_IMPORT=1` writes them
//! anew; review the difference like prose. And nothing panics.

use lbsim::compile::compile;
use lbsim::document;
use lbsim::error::{Diagnostics, Source};
use lbsim::experiment::{Options, run};
use lbsim::import::{Imported, import};
use lbsim::input::Inputs;
use lbsim::scenario::variants::{primitive, read};
use lbsim::summary::{About, Summary, summarise};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/manifests")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).expect("a name")
}

fn source(name: &str, text: &str) -> Arc<Source> {
    Arc::new(Source { name: name.to_owned(), text: text.to_owned() })
}

fn imported(path: &Path) -> Result<Imported, Diagnostics> {
    import(&[source(name(path), &fs::read_to_string(path).expect("a file"))])
}

fn good(name: &str) -> Imported {
    imported(&folder().join(name)).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Compares with what was reviewed; writes it under `UPDATE_IMPORT=1`.
fn expect(path: &Path, found: &str, differences: &mut Vec<String>) {
    if std::env::var_os("UPDATE_IMPORT").is_some() {
        fs::write(path, found).expect("a file is written");
    }
    if fs::read_to_string(path).ok().as_deref() != Some(found) {
        differences.push(format!("{}:\n{found}", path.display()));
    }
}

fn none(differences: &[String]) {
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn manifests_become_the_scenarios_that_were_reviewed() {
    let mut differences = Vec::new();
    let all = files(&folder());
    assert!(all.len() >= 5);
    for path in all {
        let imported = imported(&path).unwrap_or_else(|errors| panic!("{errors}"));
        let notes: String = imported.notes.iter().map(|note| format!("note: {note}\n")).collect();
        let into = folder().join("imported").join(name(&path));
        expect(&into, &imported.text, &mut differences);
        expect(&into.with_extension("txt"), &format!("{}{notes}", imported.warnings.render(false)), &mut differences);
    }
    none(&differences);
}

/// What standard error tells is in the file, too, also when that is all that is left.
#[test]
fn every_warning_stands_in_the_scenario() {
    let mut told = 0;
    for path in files(&folder()) {
        let imported = imported(&path).unwrap_or_else(|errors| panic!("{errors}"));
        let comments: Vec<&str> = imported.text.lines().filter_map(|line| line.trim_start().strip_prefix("# ")).collect();
        let comments = comments.join(" ");
        for warning in imported.warnings.iter() {
            let message: Vec<&str> = warning.message.split_whitespace().collect();
            assert!(comments.contains(&message.join(" ")), "{}: {}\n{comments}", path.display(), warning.message);
            told += 1;
        }
    }
    assert!(told > 15, "{told}");
}

/// One replication of some seconds.
fn ran(text: &str, sets: &[(&str, &str)]) -> Summary {
    let sets: Vec<(String, String)> = sets.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect();
    let study =
        read(Source { name: "imported.yaml".to_owned(), text: text.to_owned() }, &sets).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    assert!(study.warnings.is_empty(), "{}\n{text}", study.warnings);
    let variants: Vec<_> = study
        .variants
        .iter()
        .map(|variant| compile(&variant.name, &variant.point, &variant.scenario, &Inputs::default()).expect("it compiles"))
        .collect();
    let options = Options { seed: study.seed, replications: 1, jobs: Some(1) };
    let results = run(&variants, &options, &AtomicBool::new(false), &|_| {}).expect("it runs");
    let about = About { scenario: study.name.clone(), about: study.about.clone(), seed: study.seed, replications: 1 };
    summarise(&about, &variants, &results)
}

#[test]
fn imported_scenarios_pass_the_check_expand_and_run() {
    for path in files(&folder()) {
        let text = imported(&path).unwrap_or_else(|errors| panic!("{errors}")).text;
        let file = Source { name: "imported.yaml".to_owned(), text: text.clone() };
        primitive(file, &[], None).unwrap_or_else(|errors| panic!("{}: {errors}", path.display()));
        // From when checks have found the nodes without pods of `externalTrafficPolicy: Local`.
        let summary = ran(&text, &[("duration", "1m"), ("warmup", "45s")]);
        let json = summary.to_json().expect("JSON");
        let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        let requests = &value["variants"][0]["requests"];
        let figure = |name: &str| requests[name]["value"].as_f64().expect("a figure");
        let (sent, failed) = (figure("sent"), figure("failed"));
        assert!(sent > 100.0, "{}: {requests}", path.display());
        // A fixed response of 503 is a failure, as it was asked for; nothing else fails.
        assert_eq!(failed > 0.0, text.contains("respond: 503"), "{}: {requests}", path.display());
    }
}

#[test]
fn every_bad_manifest_gets_the_message_that_was_reviewed() {
    let mut differences = Vec::new();
    let all = files(&folder().join("bad"));
    assert!(all.len() >= 12, "{} cases", all.len());
    for path in all {
        let errors = imported(&path).err().unwrap_or_else(|| panic!("{} has nothing wrong", path.display()));
        assert!(errors.has_errors());
        let report = errors.to_string() + "\n";
        assert!(!report.contains("scenario has") && !report.contains("error: error"), "{report}");
        expect(&path.with_extension("txt"), &report, &mut differences);
    }
    none(&differences);
}

/// Several files are one set of manifests, however they are cut.
#[test]
fn several_files_are_one_set_of_manifests() {
    let text = fs::read_to_string(folder().join("2048.yaml")).expect("a file");
    let parts: Vec<Arc<Source>> = text.split("---\n").enumerate().map(|(i, part)| source(&format!("{i}.yaml"), part)).collect();
    let apart = import(&parts).unwrap_or_else(|errors| panic!("{errors}"));
    let without_comments = |text: &str| document::parse(&source("a.yaml", text)).expect("YAML").to_line();
    assert_eq!(without_comments(&apart.text), without_comments(&good("2048.yaml").text));
    // Without the file that has the Service, the Ingress leads nowhere.
    let errors = import(&[parts[2].clone(), parts[4].clone()]).unwrap_err().to_string();
    assert!(errors.contains("leads to `service-2048`, which is no Service in the manifests"), "{errors}");
    assert!(errors.contains("--> 4.yaml:"), "{errors}");
}

/// A rollout of an imported Deployment loses nothing with the preStop of its manifest, and something without: what was read is simulated.
#[test]
fn what_was_read_of_the_end_of_a_pod_matters() {
    let text = good("two-hosts.yaml").text.replace("path: /admin, respond: 503", "path: /admin, service: api");
    let failed = |pre_stop: &str| {
        let rollout = ("operations", "[{ rollout: { group: web-blue, at: 5s } }]");
        let sets = [("duration", "90s"), rollout, ("kubernetes.deployments.web-blue.pre_stop", pre_stop)];
        let json: serde_json::Value = serde_json::from_str(&ran(&text, &sets).to_json().expect("JSON")).expect("JSON");
        json["variants"][0]["requests"]["failed"]["value"].as_f64().expect("a figure")
    };
    assert_eq!(failed("15s"), 0.0);
    assert!(failed("0s") > 0.0);
}

/// A change that a slip of the hand might make.
#[derive(Clone, Debug)]
enum Slip {
    DropLine(usize),
    SwapLines(usize, usize),
    CopyLine(usize, usize),
    /// The value behind the n-th `: ` becomes another one.
    Value(usize, &'static str),
    /// A word becomes that of another place.
    Word(usize, usize),
    Char(usize, char),
}

const VALUES: [&str; 24] = [
    "null",
    "~",
    "{}",
    "[]",
    "''",
    "0",
    "-1",
    "1e300",
    "4294967296",
    "99999999999",
    "0.5",
    "NaN",
    "100%",
    "500%",
    "1Gi",
    "true",
    "'*'",
    "a.b",
    "'/x?y*'",
    "\"\u{e9}\\u2028\"",
    "[[]]",
    "{ a: { b: 1 } }",
    "'a: b # c'",
    "|",
];

fn slip() -> impl Strategy<Value = Slip> {
    let place = any::<usize>;
    let chars = prop::sample::select(&['{', '}', '[', ':', '-', '#', '"', '*', '&', ' ', '\n', '0', '\u{e9}'][..]);
    prop_oneof![
        2 => place().prop_map(Slip::DropLine),
        1 => (place(), place()).prop_map(|(one, other)| Slip::SwapLines(one, other)),
        1 => (place(), place()).prop_map(|(from, to)| Slip::CopyLine(from, to)),
        4 => (place(), prop::sample::select(&VALUES[..])).prop_map(|(at, value)| Slip::Value(at, value)),
        2 => (place(), place()).prop_map(|(at, from)| Slip::Word(at, from)),
        1 => (place(), chars).prop_map(|(at, c)| Slip::Char(at, c)),
    ]
}

/// Where words begin, and the words.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut all = Vec::new();
    let mut start = 0;
    for part in text.split_inclusive(|c: char| !c.is_alphanumeric() && !"-_.".contains(c)) {
        let word = part.trim_end_matches(|c: char| !c.is_alphanumeric() && !"-_.".contains(c));
        all.extend((!word.is_empty()).then_some((start, word)));
        start += part.len();
    }
    all
}

fn changed(text: &str, slip: &Slip) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    let words = words(text);
    if lines.is_empty() || words.is_empty() {
        return text.to_owned();
    }
    let count = lines.len();
    match *slip {
        Slip::DropLine(at) => drop(lines.remove(at % count)),
        Slip::SwapLines(one, other) => lines.swap(one % count, other % count),
        Slip::CopyLine(from, to) => lines.insert(to % count, lines[from % count]),
        Slip::Value(at, value) => {
            let places: Vec<usize> = text.match_indices(": ").map(|(at, _)| at + 2).collect();
            let Some(start) = places.get(at % places.len().max(1)) else { return text.to_owned() };
            let end = text[*start..].find(['\n', ',', '}']).map_or(text.len(), |end| start + end);
            return format!("{}{value}{}", &text[..*start], &text[end..]);
        }
        Slip::Word(at, from) => {
            let (start, old) = words[at % words.len()];
            return format!("{}{}{}", &text[..start], words[from % words.len()].1, &text[start + old.len()..]);
        }
        Slip::Char(at, c) => {
            let place = text.char_indices().nth(at % text.chars().count()).map_or(0, |(place, _)| place);
            return format!("{}{c}{}", &text[..place], &text[place..]);
        }
    }
    lines.join("\n")
}

/// Manifests changed at random: no panic, and what comes out is a scenario that can be run.
#[test]
fn manifests_with_slips_never_panic_and_what_comes_out_is_a_scenario() {
    let texts: Vec<String> = files(&folder()).iter().map(|path| fs::read_to_string(path).expect("a file")).collect();
    let cases = std::env::var("LBSIM_FUZZ_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(600);
    let config = Config { cases, rng_seed: RngSeed::Fixed(5), failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let strategy = (prop::sample::select(texts), prop::collection::vec(slip(), 1..4));
    let done = TestRunner::new(config).run(&strategy, |(text, slips)| {
        let text = slips.iter().fold(text, |text, slip| changed(&text, slip));
        match import(&[source("slip.yaml", &text)]) {
            Err(errors) => prop_assert!(errors.has_errors() && !errors.to_string().is_empty()),
            Ok(imported) => {
                let file = Source { name: "imported.yaml".to_owned(), text: imported.text.clone() };
                if let Err(errors) = read(file, &[]) {
                    return Err(TestCaseError::fail(format!("{errors}\n{}", imported.text)));
                }
            }
        }
        Ok(())
    });
    done.unwrap_or_else(|failure| panic!("{failure}"));
}
