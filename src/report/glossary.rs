//! What every number means: the definitions of `docs/metrics.md`, which is the one place where they are written.

/// The document, as it is in the sources.
const METRICS: &str = include_str!("../../docs/metrics.md");

/// A number of the results with its definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The key in `summary.json`, such as `failover[].detected_after_s`.
    pub key: String,
    /// What it is: formula, unit, edge cases.
    pub definition: String,
}

/// The numbers of `summary.json`, in its order.
pub fn terms() -> Vec<Term> {
    let from = METRICS.find("## `summary.json`").unwrap_or(0);
    let to = METRICS.find("## `runs.csv`").unwrap_or(METRICS.len());
    let mut terms = Vec::new();
    let mut prefix = String::new();
    for line in METRICS[from..to].lines() {
        if let Some(heading) = line.strip_prefix("### ") {
            prefix = prefix_of(heading);
        } else if let Some((keys, meaning)) = line.strip_prefix("| `").and_then(|row| row.trim_end_matches('|').split_once(" | ")) {
            let definition = meaning.trim().replace('`', "");
            terms.extend(quoted(keys).into_iter().map(|key| Term { key: full(&prefix, &key), definition: definition.clone() }));
        }
    }
    terms
}

/// The keys of a cell: `name`, `point`; a key that begins with a point shares the beginning of the one before.
fn quoted(cell: &str) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for part in cell.trim_end_matches('`').split('`').step_by(2) {
        let key = match (part.strip_prefix('.'), keys.last().and_then(|before| before.rsplit_once('.'))) {
            (Some(rest), Some((front, _))) => format!("{front}.{rest}"),
            _ => part.to_owned(),
        };
        keys.push(key);
    }
    keys
}

/// Headings name what their keys belong to, where the keys do not say it themselves.
fn prefix_of(heading: &str) -> String {
    let first = heading.split('`').nth(1).unwrap_or("");
    match first {
        "" | "variants[]" | "health_checks" => String::new(),
        belongs => format!("{belongs}."),
    }
}

fn full(prefix: &str, key: &str) -> String {
    if key.contains("[]") { key.to_owned() } else { format!("{prefix}{key}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::summarise;
    use crate::summary::tests::{about, record, results, variant};
    use serde_json::Value;

    /// Keys of a file, lists as `[]`.
    fn keys(value: &Value, path: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    found.push(path.clone());
                    keys(value, &path, found);
                }
            }
            Value::Array(list) => list.iter().take(1).for_each(|value| keys(value, &format!("{path}[]"), found)),
            _ => {}
        }
    }

    #[test]
    fn every_key_of_the_summary_is_defined() {
        let variants = [variant("a"), variant("b")];
        let summary = summarise(&about(2), &variants, &[results([record(&[10; 2000], 2)]), results([record(&[20; 2000], 0)])]);
        let json: Value = serde_json::from_str(&summary.to_json().unwrap()).unwrap();
        let mut found = Vec::new();
        keys(&json, "", &mut found);
        let terms = terms();
        let parts =
            ["value", "ci95", "min", "max", "mean", "p50", "p90", "p95", "p99", "p99_9", "kind", "message", "advice", "point", "metric"];
        let is_defined = |path: &str| {
            let path = path.trim_start_matches("variants[].");
            let last = path.rsplit('.').next().unwrap_or(path);
            let named = |term: &Term| {
                let key = term.key.trim_end_matches("[]");
                key == path || path.starts_with(&format!("{key}.")) || path.starts_with(&format!("{key}[]."))
            };
            // A family is defined where all its members are.
            let is_family =
                terms.iter().any(|term| term.key.starts_with(&format!("{path}.")) || term.key.starts_with(&format!("{path}[]")));
            parts.contains(&last) || is_family || terms.iter().any(named)
        };
        let missing: Vec<&String> = found.iter().filter(|path| !is_defined(path)).collect();
        assert!(missing.is_empty(), "not in docs/metrics.md: {missing:?}\n{:?}", terms.iter().map(|term| &term.key).collect::<Vec<_>>());
        assert!(terms.iter().all(|term| term.definition.len() > 5), "{terms:?}");
    }
}
