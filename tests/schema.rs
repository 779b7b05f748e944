//! The committed schema is the program's, says something about every field, and an independent validator takes all shipped scenarios
//! by it. `UPDATE_SCHEMA=1 cargo test --test schema` writes it anew.

use lbsim::error::Source;
use lbsim::scenario::schema::schema;
use lbsim::scenario::variants::read;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn written() -> String {
    serde_json::to_string_pretty(&schema()).expect("a schema is JSON") + "\n"
}

#[test]
fn the_committed_schema_is_current() {
    let path = root().join("scenario.schema.json");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&path, written()).expect("it can be written");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == written(), "scenario.schema.json is stale: UPDATE_SCHEMA=1 cargo test --test schema");
}

/// Properties without a description, by their path.
fn undescribed(value: &Value, path: &str, found: &mut Vec<String>) {
    if let Value::Object(map) = value {
        for (name, property) in map.get("properties").and_then(Value::as_object).into_iter().flatten() {
            // What stands for a type is described where the type is.
            let is_described = property.get("description").is_some() || property.get("$ref").is_some() || path.ends_with("/oneOf");
            if !is_described {
                found.push(format!("{path}/{name}"));
            }
        }
        map.iter().for_each(|(key, inner)| undescribed(inner, &format!("{path}/{key}"), found));
    }
    if let Value::Array(list) = value {
        list.iter().for_each(|inner| undescribed(inner, path, found));
    }
}

#[test]
fn every_field_has_a_description() {
    let mut found = Vec::new();
    undescribed(&schema(), "", &mut found);
    assert!(found.is_empty(), "{found:#?}");
}

fn scenarios(dir: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(dir).map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect::<Vec<_>>()).unwrap_or_default();
    let mut found: Vec<PathBuf> =
        entries.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect();
    found.sort();
    found
}

#[test]
fn an_independent_validator_takes_every_shipped_scenario() {
    let validator = jsonschema::validator_for(&schema()).expect("the schema is one");
    let folders = ["scenarios", "tests/truth/kit/scenarios", "tests/truth/reality/scenarios"];
    let all: Vec<PathBuf> = folders.iter().flat_map(|folder| scenarios(&root().join(folder))).collect();
    assert!(all.len() > 50, "{} scenarios", all.len());
    let mut wrong = Vec::new();
    for path in all {
        let text = fs::read_to_string(&path).expect("it can be read");
        let value: Value = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        // The kits also hold scenarios for what comes later.
        if read(Source { name: path.display().to_string(), text }, &[]).is_err() {
            continue;
        }
        wrong.extend(validator.iter_errors(&value).map(|error| format!("{} at {}: {error}", path.display(), error.instance_path())));
    }
    assert!(wrong.is_empty(), "{} errors, such as {:#?}", wrong.len(), &wrong[..wrong.len().min(12)]);
}

#[test]
fn the_validator_refuses_what_the_program_refuses() {
    let validator = jsonschema::validator_for(&schema()).expect("the schema is one");
    let good = "{ duration: 10s, clients: [{ name: c, arrivals: { poisson: { rate: 9/s } }, requests: [{ work: { constant: 1ms } }] }], \
                servers: [{ name: s }], balancers: [{ name: b, targets: [s] }] }";
    let validates = |text: &str| validator.is_valid(&serde_saphyr::from_str::<Value>(text).expect("it is YAML"));
    assert!(validates(good));
    for (right, wrong) in
        [("9/s", "9"), ("1ms", "1"), ("targets", "target"), ("constant", "constantly"), ("10s", "10 parsecs"), ("poisson", "fish")]
    {
        assert!(!validates(&good.replace(right, wrong)), "{wrong}");
    }
}
