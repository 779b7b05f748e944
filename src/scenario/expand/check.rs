//! What the blocks may have wrong: names that refer to nothing, settings that do not go together, values that the products do not take.
//! What is a matter of the primitives (values of probes, distributions, ...) is left to their checks, which speak of the blocks too.

mod aws;
mod cluster;
mod entry;
mod ingresses;
mod records;
mod settings;

use super::things::Blocks;
use crate::document::{Node, Path, Value};
use crate::error::{Diagnostic, Diagnostics, did_you_mean};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

/// Balancers that a block may stand for: more than any cluster that can be simulated needs.
const BALANCERS_MAX: u64 = 2000;
/// Kubernetes itself is built for no more. Source: its documentation, "Considerations for large clusters".
const NODES_MAX: u64 = 5000;
/// Nodes of a load balancer.
const ADDRESSES_MAX: u64 = 100;

/// Everything wrong with the blocks, in one go.
pub(super) fn check(blocks: &Blocks) -> Diagnostics {
    let mut check = Check { blocks, found: Diagnostics::new() };
    check.cluster();
    check.ingresses();
    check.target_groups();
    check.load_balancers();
    check.records();
    check.names();
    if !check.found.has_errors() {
        check.operations();
        check.entry();
    }
    check.found
}

struct Check<'a, 'b> {
    blocks: &'a Blocks<'b>,
    found: Diagnostics,
}

impl Check<'_, '_> {
    fn error(&mut self, path: &Path, what: impl Display) {
        self.found.push(self.diagnostic(Diagnostic::error, path, what));
    }

    fn error_help(&mut self, path: &Path, what: impl Display, help: impl Into<String>) {
        self.found.push(self.diagnostic(Diagnostic::error, path, what).help(help));
    }

    fn warning(&mut self, path: &Path, what: impl Display, help: &str) {
        self.found.push(self.diagnostic(Diagnostic::warning, path, what).help(help));
    }

    fn diagnostic(&self, make: fn(String) -> Diagnostic, path: &Path, what: impl Display) -> Diagnostic {
        let document = self.blocks.document;
        make(format!("{} {what}", document.path_text(path))).at(document.spot_at(path))
    }

    /// A name that refers to nothing, and which ones there are.
    fn unknown<'n>(&mut self, path: &Path, name: &str, what: &str, names: impl Iterator<Item = &'n str> + Clone) {
        let message = match did_you_mean(name, names.clone()) {
            Some(near) => format!("refers to `{name}`, which is no {what}; did you mean `{near}`?"),
            None => format!("refers to `{name}`, which is no {what}"),
        };
        let listed: Vec<&str> = names.take(20).collect();
        let help = if listed.is_empty() { "there is none in the file".to_owned() } else { format!("known here: {}", listed.join(", ")) };
        self.error_help(path, message, help);
    }

    /// Whether the user gives a field something.
    fn has(&self, path: &Path) -> bool {
        self.blocks.document.at(path).is_some_and(|node| !matches!(node.value, Value::Null))
    }

    /// Fields that do not belong there.
    fn not_for(&mut self, path: &Path, fields: &[&'static str], why: &str) {
        for field in fields {
            let path = path.field(*field);
            if self.has(&path) {
                self.error(&path, why);
            }
        }
    }

    /// Names within a list: given, and each once.
    fn unique(&mut self, list: &Path, names: &[&str], what: &str) {
        let mut seen = BTreeSet::new();
        for (i, name) in names.iter().enumerate() {
            let path = list.index(i).field("name");
            if name.trim().is_empty() || name.chars().any(char::is_control) {
                self.error(&path, "is not a name; a name has letters, digits, `-` and `_`");
            } else if !seen.insert(name) {
                self.error(&path, format!("is `{name}`, which another {what} is called already"));
            }
        }
    }

    /// Records and load balancers are balancers: no server, deployment or balancer of the file is called so.
    fn names(&mut self) {
        let blocks = self.blocks;
        let base = Path::root().field("aws");
        let records =
            blocks.aws.records.iter().enumerate().map(|(i, record)| (base.field("records").index(i), record.name.as_str(), "record"));
        let balancers = blocks.aws.load_balancers.iter().enumerate();
        let balancers = balancers.map(|(i, balancer)| (base.field("load_balancers").index(i), balancer.name.as_str(), "load balancer"));
        let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
        let deployments = blocks.kubernetes.iter().flat_map(|all| &all.deployments).map(|deployment| deployment.name.as_str());
        taken.extend(deployments.map(|name| (name, "deployment")));
        taken.extend(blocks.own_names("servers").map(|name| (name, "server group")));
        taken.extend(blocks.own_names("balancers").map(|name| (name, "balancer")));
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        for (path, name, kind) in records.chain(balancers) {
            let path = path.field("name");
            let other = taken.get(name).or_else(|| seen.get(name).filter(|other| **other != kind));
            if let Some(other) = other {
                self.error(&path, format!("is `{name}`, which a {other} is called already"));
            }
            seen.insert(name, kind);
        }
    }

    /// Weights by names: some of them above 0, none beyond what AWS takes.
    fn weights<'n>(&mut self, path: &Path, weights: impl Iterator<Item = (&'n String, &'n u32)> + Clone) {
        if weights.clone().all(|(_, weight)| *weight == 0) {
            let what = if weights.clone().count() == 1 { "has the weight 0" } else { "have the weight 0, all of them" };
            self.error_help(path, format!("{what}: nobody would get a request"), "raise one of the weights");
        }
        for (name, weight) in weights.filter(|(_, weight)| **weight > 999) {
            self.error(&path.field(name.clone()), format!("is {weight}; weights of target groups go from 0 to 999"));
        }
    }
}

/// The items of a list by their names.
fn names_of(nodes: &[Node]) -> impl Iterator<Item = &str> + Clone {
    nodes.iter().filter_map(Node::name)
}
