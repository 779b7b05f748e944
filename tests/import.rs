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
use proptest::test_runner::{RngSeed, TestRunner};
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
        let summary = ran(&text, &[("duration", "6s")]);
        let json = summary.to_json().expect("JSON");
        let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        let requests = &value["variants"][0]["requests"];
        let (sent, failed) = (requests["sent"].as_u64().unwrap_or(0), requests["failed"].as_u64().unwrap_or(u64::MAX));
        assert!(sent > 100, "{}: {requests}", path.display());
        // A fixed response of 503 is a failure, as it was asked for; nothing else fails.
        assert_eq!(failed > 0, text.contains("respond: 503"), "{}: {requests}", path.display());
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
