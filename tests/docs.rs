//! The documentation is whole: the reference of the scenario file is that of the schema, links lead somewhere, and the summary has every page.
//! `UPDATE_DOCS=1 cargo test --test docs` writes the reference anew.

use lbsim::scenario::schema::schema;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

/// The type that a field refers to, by its name in the schema.
fn referred(property: &Value) -> Option<&str> {
    let direct = property["$ref"].as_str().or_else(|| property["items"]["$ref"].as_str());
    let either =
        || property["anyOf"].as_array()?.iter().find_map(|choice| choice["$ref"].as_str().or_else(|| choice["items"]["$ref"].as_str()));
    direct.or_else(either)?.rsplit('/').next()
}

/// One line of text, safe within a table.
fn line(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

fn kind(property: &Value, known: &BTreeSet<String>) -> String {
    let simple = match &property["type"] {
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect::<Vec<_>>().join(" or "),
        _ => String::new(),
    };
    let list = if property["type"] == "array" || property["items"].is_object() { "list of " } else { "" };
    match referred(property) {
        Some(name) if known.contains(name) => format!("{list}[{name}](#{})", name.to_lowercase()),
        Some(name) => format!("{list}{name}"),
        None => simple,
    }
}

fn fields(object: &Value, known: &BTreeSet<String>, out: &mut String) {
    let Some(properties) = object["properties"].as_object() else { return };
    if properties.is_empty() {
        return;
    }
    let required: Vec<&str> = object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    out.push_str("| field | form | what |\n| --- | --- | --- |\n");
    for (name, property) in properties {
        let must = if required.contains(&name.as_str()) { "**must be given.** " } else { "" };
        let what = line(property["description"].as_str().unwrap_or(""));
        out.push_str(&format!("| `{name}` | {} | {must}{what} |\n", kind(property, known)));
    }
    out.push('\n');
}

/// A type: its description, its fields, or its choices with their fields.
fn described(value: &Value, known: &BTreeSet<String>, out: &mut String) {
    if let Some(text) = value["description"].as_str() {
        out.push_str(&format!("{}\n\n", text.replace("\n\n", "\n")));
    }
    fields(value, known, out);
    for choice in value["oneOf"].as_array().or(value["anyOf"].as_array()).into_iter().flatten() {
        let about = line(choice["description"].as_str().unwrap_or(""));
        let names = choice["enum"].as_array().or(choice["const"].as_str().map(|_| &EMPTY)).into_iter().flatten();
        let names: Vec<String> = names
            .filter_map(Value::as_str)
            .map(|name| format!("`{name}`"))
            .chain(choice["const"].as_str().map(|name| format!("`{name}`")))
            .collect();
        if !names.is_empty() {
            out.push_str(&format!("- {}: {about}\n", names.join(", ")));
        }
        if let Some((name, content)) = choice["properties"].as_object().and_then(|properties| properties.iter().next()) {
            let inner: Vec<String> = content["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(field, what)| format!("`{field}` {}", line(what["description"].as_str().unwrap_or(""))))
                .collect();
            let form = kind(content, known);
            let inner = if inner.is_empty() {
                if form.is_empty() || form == "object" { String::new() } else { format!(" ({form})") }
            } else {
                format!(" Fields: {}", inner.join(" "))
            };
            out.push_str(&format!("- `{name}`: {about}{inner}\n"));
        }
    }
    out.push('\n');
}

static EMPTY: Vec<Value> = Vec::new();

fn reference() -> String {
    let schema = schema();
    let types = schema["$defs"].as_object().cloned().unwrap_or_default();
    // Parameters of algorithms stand with them.
    let known: BTreeSet<String> = types.keys().filter(|name| !name.starts_with("Config")).cloned().collect();
    let mut out = "# The scenario file, field by field\n\nWritten from the program's own schema (`lbsim schema`) by `UPDATE_DOCS=1 cargo test --test docs`. `lbsim new` writes a commented scenario to start from.\n\n## The file\n\n".to_owned();
    fields(&schema, &known, &mut out);
    for (name, value) in types.iter().filter(|(name, _)| known.contains(*name)) {
        out.push_str(&format!("## {name}\n\n"));
        if name == "Algorithm" {
            algorithms(value, &types, &mut out);
        } else {
            described(value, &known, &mut out);
        }
    }
    out.trim_end().to_owned() + "\n"
}

fn algorithms(value: &Value, types: &serde_json::Map<String, Value>, out: &mut String) {
    out.push_str("How a target is chosen: a bare name, or a name with parameters. `lbsim explain NAME` explains it.\n\n");
    for choice in value["oneOf"].as_array().into_iter().flatten() {
        let Some((name, content)) = choice["properties"].as_object().and_then(|properties| properties.iter().next()) else { continue };
        let parameters = referred(content).and_then(|name| types.get(name)).and_then(|config| config["properties"].as_object());
        let parameters: Vec<String> = parameters
            .into_iter()
            .flatten()
            .map(|(field, what)| format!("`{field}`: {}", line(what["description"].as_str().unwrap_or(""))))
            .collect();
        let parameters = if parameters.is_empty() { String::new() } else { format!(" Parameters: {}", parameters.join(" ")) };
        out.push_str(&format!("- `{name}`: {}{parameters}\n", line(choice["description"].as_str().unwrap_or(""))));
    }
    out.push('\n');
}

#[test]
fn the_reference_is_that_of_the_schema() {
    let path = docs().join("scenario.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, reference()).expect("it can be written");
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == reference(),
        "docs/scenario.md is stale: UPDATE_DOCS=1 cargo test --test docs"
    );
}

fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = fs::read_dir(docs()).expect("docs").filter_map(|entry| Some(entry.ok()?.path())).collect();
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    pages
}

#[test]
fn links_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let others = ["README.md", "ARCHITECTURE.md", "notebooks/README.md"].map(|file| root.join(file));
    let mut broken = Vec::new();
    for page in pages().iter().chain(&others) {
        let text = fs::read_to_string(page).expect("a page");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or("");
            let is_inside = !file.is_empty() && !target.contains("://") && !target.contains(' ');
            if is_inside && !page.parent().unwrap_or(root).join(file).exists() {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_summary_has_every_page() {
    let summary = fs::read_to_string(docs().join("SUMMARY.md")).expect("a summary");
    for page in pages() {
        let name = page.file_name().unwrap_or_default().to_string_lossy().into_owned();
        assert!(name == "SUMMARY.md" || summary.contains(&format!("({name})")), "{name} is not in SUMMARY.md");
    }
}
