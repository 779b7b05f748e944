//! The study that a file describes: its scenario in every variant of `compare` and at every point of `sweep`. Each is the
//! document with some patches: first `--set`, then the variant's, then the point's.

mod hidden;
mod primitive;

pub use primitive::{Primitive, primitive};

use super::expand::{expand, has_blocks};
use super::{Scenario, check, read};
use crate::document::{self, Node, Value, de};
use crate::error::{Diagnostic, Diagnostics, Severity, Source, Spot};
use serde::de::Error;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Everything that a file asks to be simulated.
#[derive(Clone, Debug)]
pub struct Study {
    pub source: Arc<Source>,
    pub name: String,
    pub about: String,
    pub seed: u64,
    pub replications: u32,
    /// Variants in the order of `compare`, each at all points of `sweep`, the last path of which moves fastest.
    pub variants: Vec<Variant>,
    pub warnings: Diagnostics,
}

/// One scenario to simulate.
#[derive(Clone, Debug)]
pub struct Variant {
    /// Unique among the variants, but the same at every point of a sweep.
    pub name: String,
    /// The values of the sweep: (path, value as written).
    pub point: Vec<(String, String)>,
    pub scenario: Scenario,
}

const VARIANTS_MAX: usize = 1000;
/// All variants are held in memory: their values, all together.
const NODES_MAX: usize = 5_000_000;
/// Their servers, and what all balancers send to, all together.
const SERVERS_MAX: u64 = 5_000_000;
/// What a study has once; `compare` and `sweep` cannot change it.
const OF_THE_STUDY: [&str; 6] = ["name", "about", "seed", "replications", "compare", "sweep"];

/// A value to put at a path, and where the path was written.
#[derive(Clone, Debug)]
struct Patch {
    path: String,
    spot: Spot,
    value: Node,
}

impl Patch {
    fn apply(&self, document: &mut Node) -> Result<(), Diagnostic> {
        document.set(&self.path, &self.spot, self.value.clone())
    }
}

/// A variant of `compare`.
struct Entry {
    /// None where the algorithm that the scenario has gives the name.
    name: Option<String>,
    spot: Spot,
    patches: Vec<Patch>,
}

/// One variant, with a value that comes after all others, also after those of the variant's own patch.
#[derive(Clone, Copy, Debug)]
pub struct Trial<'a> {
    pub variant: &'a str,
    pub path: &'a str,
    /// As YAML.
    pub value: &'a str,
}

/// Reads a study. `sets` are patches from the command line: (path, value as YAML).
pub fn read(source: Source, sets: &[(String, String)]) -> Result<Study, Diagnostics> {
    read_some(source, sets, None)
}

/// Reads the one variant of a study that a trial is about.
pub fn read_trial(source: Source, sets: &[(String, String)], trial: Trial) -> Result<Study, Diagnostics> {
    read_some(source, sets, Some(trial))
}

/// What a variant has at a path, if it has anything. The study can be read.
pub fn written(source: Source, sets: &[(String, String)], variant: &str, path: &str) -> Result<Option<Node>, Diagnostics> {
    let mut document = document::parse(&Arc::new(source))?;
    for (path, value) in sets {
        set_patch(SET, path, value)?.apply(&mut document)?;
    }
    let entries = compare(&document, &mut Diagnostics::new());
    let own = entries.iter().find(|entry| entry.name.as_deref() == Some(variant));
    for patch in own.iter().flat_map(|entry| &entry.patches) {
        patch.apply(&mut document)?;
    }
    Ok(document.find(path).cloned())
}

fn read_some(source: Source, sets: &[(String, String)], trial: Option<Trial>) -> Result<Study, Diagnostics> {
    let source = Arc::new(source);
    let Patched { original, document, set_patches, mut found } = patched(&source, sets)?;
    let mut entries = compare(&document, &mut found);
    let is_trial = trial.is_some();
    if let Some(trial) = trial {
        entries.retain(|entry| entry.name.as_deref().is_none_or(|name| name == trial.variant));
        let last = keep(&mut found, set_patch(FIELD, trial.path, trial.value));
        found.extend(last.as_ref().and_then(|last| fixed(&last.path, &last.spot)));
        entries.iter_mut().for_each(|entry| entry.patches.extend(last.clone()));
    }
    let axes = sweep(&document, &mut found);
    hidden::by_sweep(&set_patches, &axes, &mut found);
    let count = axes.iter().map(|(_, values)| values.len()).fold(entries.len(), usize::saturating_mul);
    if let Some(error) = too_many(&document, count) {
        found.push(error);
        return Err(found);
    }
    if !is_trial {
        hidden::by_compare(&original, &set_patches, &entries, &mut found);
    }
    let base = without_compare(&document);
    let mut variants = Vec::new();
    let mut servers = 0;
    for entry in &entries {
        for number in 0..count / entries.len().max(1) {
            if found.is_full() {
                continue;
            }
            let next = variant(&base, entry, &point(&axes, number), &source, &mut found);
            servers += next.as_ref().map_or(0, |variant| servers_and_targets(&variant.scenario));
            if servers > SERVERS_MAX {
                let message = format!("the servers of all variants, and the targets of all their balancers, are more than {SERVERS_MAX}");
                let spot = section_spot(&document, &["sweep", "compare", "servers"]);
                found.push(Diagnostic::error(message).at(spot).help("fewer servers, fewer variants and points, or fewer balancers"));
                return Err(found);
            }
            variants.extend(next);
        }
    }
    study(source, variants, found)
}

/// A file with the patches of the command line.
struct Patched {
    original: Node,
    document: Node,
    set_patches: Vec<Patch>,
    found: Diagnostics,
}

fn patched(source: &Arc<Source>, sets: &[(String, String)]) -> Result<Patched, Diagnostics> {
    let original = document::parse(source)?;
    let mut document = original.clone();
    let mut found = Diagnostics::new();
    let set_patches: Vec<Patch> = sets.iter().filter_map(|(path, value)| keep(&mut found, set_patch(SET, path, value))).collect();
    if !matches!(document.value, Value::Map(_)) {
        return Err(read::scenario(&document).err().unwrap_or_default());
    }
    for patch in &set_patches {
        found.extend(patch.apply(&mut document).err());
    }
    Ok(Patched { original, document, set_patches, found })
}

fn study(source: Arc<Source>, variants: Vec<Variant>, mut found: Diagnostics) -> Result<Study, Diagnostics> {
    found.sort();
    match variants.first() {
        Some(first) if !found.has_errors() => {
            let Scenario { name, about, seed, replications, .. } = first.scenario.clone();
            Ok(Study { source, name, about, seed, replications, variants, warnings: found })
        }
        _ => Err(found),
    }
}

/// Keeps what could be read; what could not goes to the errors.
fn keep<T>(found: &mut Diagnostics, result: Result<T, Diagnostics>) -> Option<T> {
    result.map_err(|errors| found.extend(errors)).ok()
}

/// Options that patch; messages name them in the place of a file.
const SET: &str = "--set";
pub const FIELD: &str = "--field";

/// A patch of the command line. Messages quote it as `path=value`.
fn set_patch(option: &str, path: &str, value: &str) -> Result<Patch, Diagnostics> {
    let source = Arc::new(Source { name: option.to_owned(), text: format!("{path}={value}") });
    let value = document::parse_from(&source, path.len() + 1)?;
    if matches!(value.value, Value::Null) && value.spot.range.is_empty() {
        let help = format!("write a value behind it, or `{path}=null` to take away what the file says");
        let spot = Spot { range: 0..source.text.len(), source };
        return Err(Diagnostic::error(format!("`{path}=` gives no value")).at(spot).help(help).into());
    }
    Ok(Patch { path: path.to_owned(), spot: Spot { source, range: 0..path.len() }, value })
}

fn without_compare(document: &Node) -> Node {
    let entries = document.entries().iter().filter(|(key, _)| !matches!(&*key.text, "compare" | "sweep"));
    Node { value: Value::Map(entries.cloned().collect()), spot: document.spot.clone() }
}

/// The key of the first of these sections that there is.
fn section_spot(document: &Node, sections: &[&str]) -> Spot {
    let found = sections.iter().find_map(|key| document.entry(key));
    found.map_or(&document.spot, |(key, _)| &key.spot).clone()
}

/// How many of each are held in memory.
fn servers_and_targets(scenario: &Scenario) -> u64 {
    let groups: BTreeMap<&str, u64> = scenario.servers.iter().map(|group| (group.name.as_str(), u64::from(group.count))).collect();
    let targets = scenario.balancers.iter().flat_map(|balancer| &balancer.targets);
    groups.values().sum::<u64>() + targets.map(|target| groups.get(target.as_str()).copied().unwrap_or(1)).sum::<u64>()
}

fn too_many(document: &Node, count: usize) -> Option<Diagnostic> {
    let nodes = document.size();
    let message = match () {
        () if count > VARIANTS_MAX => format!("{count} variants and points are too many; at most {VARIANTS_MAX} are simulated"),
        () if count.saturating_mul(nodes) > NODES_MAX => format!("{count} variants of a scenario with {nodes} values do not fit in memory"),
        () => return None,
    };
    Some(Diagnostic::error(message).at(section_spot(document, &["sweep", "compare"])))
}

fn compare(document: &Node, found: &mut Diagnostics) -> Vec<Entry> {
    let as_written = || vec![Entry { name: None, spot: document.spot.clone(), patches: Vec::new() }];
    let Some(list) = document.get("compare") else { return as_written() };
    let items = match &list.value {
        Value::Null => return as_written(),
        Value::List(items) if !items.is_empty() => items,
        _ => {
            let message = format!("expected a list of variants, found {}", list.described());
            found.push(Diagnostic::error(message).at(list.spot.clone()).help("write `[round_robin, least_connections]`"));
            return as_written();
        }
    };
    let has_balancer = document.get("balancers").is_some_and(|balancers| !balancers.items().is_empty());
    let has_blocks = has_blocks(document);
    let mut names = BTreeSet::new();
    let mut entries = Vec::new();
    for item in items {
        let Some(mut entry) = keep(found, compare_entry(item)) else { continue };
        let is_algorithm = item.get("patch").is_none();
        if !has_balancer && (is_algorithm || !has_blocks) {
            if has_blocks {
                let message = "an algorithm is that of the first of `balancers`, and there is none";
                let help = "patch the block: `patch: { name: ..., set: { aws.target_groups.web.algorithm: ... } }`";
                found.push(Diagnostic::error(message).at(item.spot.clone()).help(help));
            }
            entry.patches.clear();
        }
        if let Some(name) = &entry.name
            && !names.insert(name.clone())
        {
            let help = "each has a name of its own: `patch: { name: ..., set: { ... } }` gives one";
            found.push(Diagnostic::error(format!("there are two variants called `{name}`")).at(entry.spot.clone()).help(help));
        }
        entries.push(entry);
    }
    entries
}

fn compare_entry(item: &Node) -> Result<Entry, Diagnostics> {
    match (&item.value, item.get("patch")) {
        (_, Some(patch)) => patch_entry(item, patch),
        (Value::Map(_), None) if item.get("name").or_else(|| item.get("set")).is_some() => {
            let help = "write `patch: { name: ..., set: { balancers.edge.algorithm: random } }`";
            Err(Diagnostic::error("a variant with a name of its own is a `patch`").at(item.spot.clone()).help(help).into())
        }
        (Value::Scalar { .. } | Value::Map(_), None) => {
            let algorithm = Patch { path: "balancers[0].algorithm".to_owned(), spot: item.spot.clone(), value: item.clone() };
            Ok(Entry { name: Some(algorithm_name(item)), spot: item.spot.clone(), patches: vec![algorithm] })
        }
        _ => {
            let message = format!("expected an algorithm or `patch`, found {}", item.described());
            Err(Diagnostic::error(message).at(item.spot.clone()).into())
        }
    }
}

/// `power_of_d d=3`: the name and what is given with it.
fn algorithm_name(node: &Node) -> String {
    match node.entries() {
        [(key, content)] => {
            let parameters = content.entries().iter().map(|(key, value)| format!(" {}={}", key.text, value.to_line()));
            format!("{}{}", key.text, parameters.collect::<String>())
        }
        _ => node.to_line(),
    }
}

fn patch_entry(item: &Node, patch: &Node) -> Result<Entry, Diagnostics> {
    const FIELDS: &[&str] = &["name", "set"];
    let mut found = Diagnostics::new();
    for (key, _) in item.entries().iter().filter(|(key, _)| &*key.text != "patch") {
        found.push(
            Diagnostic::error(format!("`{}` stands beside `patch`", key.text))
                .at(key.spot.clone())
                .help("an entry is an algorithm or a patch"),
        );
    }
    for (key, _) in patch.entries().iter().filter(|(key, _)| !FIELDS.contains(&&*key.text)) {
        found.push(de::Error::unknown_field(&key.text, FIELDS).into_diagnostic().at(key.spot.clone()));
    }
    let name = patch.name().unwrap_or_default();
    if let Some(blank) = patch.get("name").filter(|_| !name.is_empty() && name.trim().is_empty()) {
        found.push(
            Diagnostic::error("the name of this variant is blank").at(blank.spot.clone()).help("a name has letters, digits, or signs"),
        );
        return Err(found);
    }
    let Some(set) = patch.get("set").filter(|set| matches!(set.value, Value::Map(_)) && !name.is_empty()) else {
        let help = "write `patch: { name: no stickiness, set: { balancers.edge.sticky: null } }`";
        found.push(Diagnostic::error("a patch has a `name`, and a map `set` of paths to values").at(patch.spot.clone()).help(help));
        return Err(found);
    };
    let mut patches = Vec::new();
    for (key, value) in set.entries() {
        found.extend(fixed(&key.text, &key.spot));
        patches.push(Patch { path: key.text.to_string(), spot: key.spot.clone(), value: value.clone() });
    }
    let spot = patch.get("name").map_or(&patch.spot, |name| &name.spot).clone();
    if found.is_empty() { Ok(Entry { name: Some(name.to_owned()), spot, patches }) } else { Err(found) }
}

/// An error for a path that variants cannot differ in.
fn fixed(path: &str, spot: &Spot) -> Option<Diagnostic> {
    let first = path.split(['.', '[']).next().unwrap_or_default();
    let message = format!("`{first}` belongs to the study as a whole; its variants cannot differ in it");
    OF_THE_STUDY.contains(&first).then(|| Diagnostic::error(message).at(spot.clone()))
}

/// The axes of the sweep: patches that differ in the value only.
fn sweep(document: &Node, found: &mut Diagnostics) -> Vec<(String, Vec<Patch>)> {
    let Some(map) = document.get("sweep").filter(|map| !matches!(map.value, Value::Null)) else { return Vec::new() };
    if map.entries().is_empty() {
        let message = format!("expected a map of paths to lists of values, found {}", map.described());
        found.push(Diagnostic::error(message).at(map.spot.clone()).help("write `{ clients.users.arrivals.poisson.rate: [60/s, 90/s] }`"));
    }
    let mut axes = Vec::new();
    for (key, values) in map.entries() {
        found.extend(fixed(&key.text, &key.spot));
        if values.items().is_empty() {
            let message = format!("expected a list of values, found {}", values.described());
            found.push(Diagnostic::error(message).at(values.spot.clone()).help("write `[60/s, 90/s, 120/s]`"));
        }
        let patch = |value: &Node| Patch { path: key.text.to_string(), spot: key.spot.clone(), value: value.clone() };
        if !values.items().is_empty() {
            axes.push((key.text.to_string(), values.items().iter().map(patch).collect()));
        }
    }
    axes
}

/// The point with this number; the last axis moves fastest.
fn point(axes: &[(String, Vec<Patch>)], mut number: usize) -> Vec<&Patch> {
    let mut patches = Vec::new();
    for (_, values) in axes.iter().rev() {
        patches.push(&values[number % values.len()]);
        number /= values.len();
    }
    patches.reverse();
    patches
}

fn variant(base: &Node, entry: &Entry, point: &[&Patch], source: &Source, found: &mut Diagnostics) -> Option<Variant> {
    let mut document = base.clone();
    for patch in entry.patches.iter().chain(point.iter().copied()) {
        if let Err(error) = patch.apply(&mut document) {
            found.push(error);
            return None;
        }
    }
    let expanded = keep(found, expand(document))?;
    found.extend(expanded.warnings.clone());
    let document = &expanded.document;
    let explained = |errors: Diagnostics| errors.into_iter().filter_map(|error| expanded.explain(error)).collect::<Diagnostics>();
    let mut scenario = keep(found, read::scenario(document).map_err(explained))?;
    if scenario.name.is_empty() && document.get("name").is_none() {
        scenario.name = stem(&source.name).to_owned();
    }
    let problems = explained(check(&scenario, document));
    let is_wrong = problems.iter().any(|problem| problem.severity == Severity::Error);
    found.extend(problems);
    let first_algorithm = || document.get("balancers").and_then(|list| list.items().first()?.get("algorithm")).map(algorithm_name);
    let name = entry.name.clone().or_else(first_algorithm).unwrap_or_else(|| "round_robin".to_owned());
    let point = point.iter().map(|patch| (patch.path.clone(), patch.value.to_line())).collect();
    (!is_wrong).then_some(Variant { name, point, scenario })
}

/// `carts/cart.yaml` gives `cart`, `<stdin>` gives `stdin`.
fn stem(name: &str) -> &str {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let stem = file.strip_suffix(".yaml").or(file.strip_suffix(".yml")).unwrap_or(file);
    stem.trim_matches(['<', '>'])
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
duration: 10s
clients: [{ name: users, arrivals: { poisson: { rate: 5/s } }, requests: [{ path: /, work: { constant: 10ms } }] }]
servers: [{ name: web, count: 2, queue: 9 }]
balancers: [{ name: edge, targets: [web] }]
compare: [round_robin, { patch: { name: short, set: { servers.web.queue: 1 } } }]
";

    fn source() -> Source {
        Source { name: "a.yaml".to_owned(), text: TEXT.to_owned() }
    }

    #[test]
    fn the_value_of_a_trial_comes_after_all_patches() {
        let sets = [("servers.web.queue".to_owned(), "5".to_owned())];
        let queues = |variant, value| {
            let study = read_trial(source(), &sets, Trial { variant, path: "servers.web.queue", value }).unwrap();
            study.variants.iter().map(|found| (found.name.clone(), found.scenario.servers[0].queue.count())).collect::<Vec<_>>()
        };
        assert_eq!(queues("short", "7"), [("short".to_owned(), 7)]);
        assert_eq!(queues("round_robin", "8"), [("round_robin".to_owned(), 8)]);
        let text = |variant| written(source(), &sets, variant, "servers[0].queue").unwrap().and_then(|node| node.text().map(str::to_owned));
        assert_eq!((text("short").as_deref(), text("round_robin").as_deref()), (Some("1"), Some("5")));
        assert!(written(source(), &sets, "short", "servers.web.slots").unwrap().is_none());
    }

    #[test]
    fn a_trial_tells_its_mistakes_at_the_option() {
        let found = read_trial(source(), &[], Trial { variant: "short", path: "servers.web.cuont", value: "7" }).unwrap_err();
        assert!(found.to_string().contains("--> --field:1:1") && found.to_string().contains("did you mean `count`"), "{found}");
        assert!(read_trial(source(), &[], Trial { variant: "short", path: "seed", value: "7" }).is_err());
    }
}
