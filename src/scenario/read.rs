//! From a document to the typed scenario. Where it cannot be read, every section and every item of a list is read by itself,
//! so that one report has the mistakes of all of them.

use super::{
    Balancer, Client, Deployment, Fault, Ingress, IngressNginx, LoadBalancer, Network, NodeGroup, Operation, Proxy, RecordSet, Scenario,
    ServerGroup, Service, Slo, TargetGroup, Warmup,
};
use crate::document::{Key, Node, Value, de};
use crate::error::{Diagnostic, Diagnostics};
use crate::units::Span;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Error};

/// Everything that may stand at the top of a file. The blocks, `compare` and `sweep` are no part of [`Scenario`].
pub(super) const SECTIONS: &[&str] = &[
    "name",
    "about",
    "seed",
    "duration",
    "warmup",
    "replications",
    "clients",
    "servers",
    "balancers",
    "entry",
    "nodes",
    "network",
    "faults",
    "operations",
    "slo",
    "kubernetes",
    "aws",
    "compare",
    "sweep",
];
const REQUIRED: [&str; 3] = ["clients", "servers", "balancers"];

/// Reads a document without `compare` and `sweep`.
pub(super) fn scenario(document: &Node) -> Result<Scenario, Diagnostics> {
    de::read::<Scenario>(document).map(complete).map_err(|first| {
        let mut found = all_errors(document);
        if found.is_empty() {
            found.push(first);
        }
        found
    })
}

/// Fills in what one field says in place of another: a balancer without targets has those of its rules.
fn complete(mut scenario: Scenario) -> Scenario {
    for balancer in scenario.balancers.iter_mut().filter(|balancer| balancer.targets.is_empty()) {
        let named = balancer.rules.iter().filter_map(|rule| rule.forward.as_ref()).flat_map(|forward| forward.keys());
        for target in named {
            if !balancer.targets.contains(target) {
                balancer.targets.push(target.clone());
            }
        }
    }
    scenario
}

fn all_errors(document: &Node) -> Diagnostics {
    if !matches!(document.value, Value::Map(_)) {
        let message = format!("expected a map of sections, found {}", document.described());
        return Diagnostic::error(message).at(document.spot.clone()).help(format!("the sections are {}", SECTIONS.join(", "))).into();
    }
    let mut found = sections(document);
    for name in REQUIRED {
        if document.get(name).is_none_or(|node| matches!(node.value, Value::Null)) {
            let spot = document.spot.clone();
            found.push(de::Error::missing_field(name).into_diagnostic().at(spot));
        }
    }
    found
}

/// What is wrong in the sections that there are.
pub(super) fn sections(document: &Node) -> Diagnostics {
    document.entries().iter().flat_map(|(key, node)| section(key, node)).collect()
}

/// A block, or none where it cannot be read; then all that is wrong with it.
pub(super) fn block<T: DeserializeOwned>(node: &Node, found: &mut Diagnostics) -> Option<T> {
    match de::read(node) {
        Ok(block) => Some(block),
        Err(first) => {
            let before = found.len();
            found.extend(node.entries().iter().flat_map(|(key, node)| part_of_block(&key.text, node)));
            if found.len() == before {
                found.push(first);
            }
            None
        }
    }
}

/// What is wrong in a part of a block.
fn part_of_block(key: &str, node: &Node) -> Vec<Diagnostic> {
    match (key, &node.value) {
        (_, Value::Null) => Vec::new(),
        ("nodes", _) => each::<NodeGroup>(node),
        ("proxy", _) => one::<Proxy>(node),
        ("network", _) => one::<Network>(node),
        ("deployments", _) => each::<Deployment>(node),
        ("services", _) => each::<Service>(node),
        ("ingresses", _) => each::<Ingress>(node),
        ("ingress_nginx", _) => one::<IngressNginx>(node),
        ("records", _) => each::<RecordSet>(node),
        ("load_balancers", _) => each::<LoadBalancer>(node),
        ("target_groups", _) => each::<TargetGroup>(node),
        _ => Vec::new(),
    }
}

/// What is wrong in a section.
fn section(key: &Key, node: &Node) -> Vec<Diagnostic> {
    match (&*key.text, &node.value) {
        (name, Value::Null) if SECTIONS.contains(&name) => Vec::new(),
        ("name" | "about" | "entry", _) => one::<String>(node),
        ("seed", _) => one::<u64>(node),
        ("replications", _) => one::<u32>(node),
        ("duration", _) => one::<Span>(node),
        ("warmup", _) => one::<Warmup>(node),
        ("slo", _) => one::<Slo>(node),
        ("clients", _) => each::<Client>(node),
        ("servers", _) => each::<ServerGroup>(node),
        ("balancers", _) => each::<Balancer>(node),
        ("faults", _) => each::<Fault>(node),
        ("nodes", _) => each::<NodeGroup>(node),
        ("operations", _) => each::<Operation>(node),
        ("network", _) => one::<Network>(node),
        (name, _) => vec![de::Error::unknown_field(name, SECTIONS).into_diagnostic().at(key.spot.clone())],
    }
}

fn one<'a, T: Deserialize<'a>>(node: &'a Node) -> Vec<Diagnostic> {
    de::read::<T>(node).err().into_iter().collect()
}

fn each<'a, T: Deserialize<'a>>(node: &'a Node) -> Vec<Diagnostic> {
    match &node.value {
        Value::List(items) => items.iter().flat_map(one::<T>).collect(),
        _ => one::<Vec<T>>(node),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::parse;
    use crate::error::Source;
    use std::sync::Arc;

    #[test]
    fn the_list_of_sections_is_that_of_the_struct() {
        let node = parse(&Arc::new(Source { name: "a.yaml".to_owned(), text: "nonsense: 1".to_owned() })).unwrap();
        let help = de::read::<Scenario>(&node).unwrap_err().help.unwrap();
        let fields: Vec<&str> = help.strip_prefix("the fields here are ").unwrap().split(", ").collect();
        assert_eq!([fields.as_slice(), &["kubernetes", "aws", "compare", "sweep"]].concat(), SECTIONS);
    }
}
