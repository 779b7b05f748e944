//! `operations: weights` speak of load balancers and target groups; each node of the load balancer has rules of its own.

use super::text::Section;
use super::things::{Meaning, Thing};
use super::walk::Walk;
use crate::document::{Node, scalar};

/// The section `operations` of the file, where one of them is about a load balancer of a block.
pub(super) fn rewritten(walk: &Walk) -> Option<Section> {
    let items = walk.blocks.own("operations");
    let all: Vec<Option<Vec<String>>> = items.iter().map(|item| of_nodes(walk, item)).collect();
    if all.iter().all(Option::is_none) {
        return None;
    }
    let lines = items.iter().zip(all).flat_map(|(item, lines)| lines.unwrap_or_else(|| vec![item.to_yaml()]));
    Some(Section { key: "operations", body: lines.fold("\n".to_owned(), |text, line| text + &format!("  - {line}\n")) })
}

/// The load balancer whose weights an operation changes.
pub(super) fn target(walk: &super::Blocks, item: &Node) -> Option<Thing> {
    let name = item.get("weights")?.get("balancer")?.text()?;
    match walk.meaning(name) {
        Meaning::Thing(thing) => Some(thing),
        _ => None,
    }
}

/// The same for each node of the load balancer, or for the records.
fn of_nodes(walk: &Walk, item: &Node) -> Option<Vec<String>> {
    let thing = target(walk.blocks, item)?;
    let weights = item.get("weights")?;
    let at = weights.get("at").map_or("null".to_owned(), Node::to_yaml);
    let set = weights.get("set").map_or(&[][..], Node::entries);
    let line = |balancer: &str, rename: &dyn Fn(&str) -> String| {
        let set: Vec<String> = set.iter().map(|(key, weight)| format!("{}: {}", scalar(&rename(&key.text)), weight.to_yaml())).collect();
        format!("weights: {{ balancer: {}, set: {{ {} }}, at: {at} }}", scalar(balancer), set.join(", "))
    };
    if let Thing::Record(_) = thing {
        let rename = |name: &str| match walk.blocks.meaning(name) {
            Meaning::Thing(thing) => walk.blocks.name_of(thing),
            _ => name.to_owned(),
        };
        return Some(vec![line(&walk.blocks.name_of(thing), &rename)]);
    }
    let nodes = walk.forwards.iter().filter(|forward| forward.thing == thing);
    Some(
        nodes
            .map(|forward| {
                let known = |name: &str| forward.groups.iter().find(|(group, _)| group == name).map(|(_, balancer)| balancer.clone());
                line(&forward.balancer, &|name| known(name).unwrap_or_else(|| name.to_owned()))
            })
            .collect(),
    )
}
