//! The blocks `kubernetes` and `aws` as the primitives that they stand for: nodes, servers with pods, balancers. They are written as
//! text with comments, which is read like any file and put into the document; what is run is what `lbsim expand` prints. What is wrong
//! with the blocks is found before (`check`), and what is wrong with the text all the same is said of the blocks (`Expanded::explain`).

mod check;
mod cluster;
mod ingresses;
mod load_balancers;
mod operations;
pub(super) mod print;
mod targets;
mod text;
mod things;
mod walk;

use super::{Aws, Kubernetes, read};
use crate::document::{self, Key, Node, Path, Segment, Value};
use crate::error::{Diagnostic, Diagnostics, Severity, Source, Spot};
use std::sync::Arc;
use text::{LISTS, Section, Written};
use things::{Blocks, ClusterNode};
use walk::Walk;

/// The blocks, by their keys in the file.
pub(super) const BLOCKS: [&str; 2] = ["kubernetes", "aws"];

/// Whether the document has a block that holds something.
pub(super) fn has_blocks(document: &Node) -> bool {
    BLOCKS.iter().any(|block| document.get(block).is_some_and(|node| !matches!(node.value, Value::Null)))
}

/// A document without blocks.
pub(super) struct Expanded {
    pub document: Node,
    /// With them; what messages speak of.
    blocks: Option<Node>,
    written: Vec<Written>,
    source: Arc<Source>,
    sections: Vec<Section>,
    pub warnings: Diagnostics,
}

/// Takes the blocks out of a document and puts in what they stand for.
pub(super) fn expand(document: Node) -> Result<Expanded, Diagnostics> {
    if !has_blocks(&document) {
        let document = without_blocks(document);
        let (source, warnings) = (Arc::default(), Diagnostics::new());
        return Ok(Expanded { document, blocks: None, written: Vec::new(), source, sections: Vec::new(), warnings });
    }
    let blocks = read(&document)?;
    let warnings = check::check(&blocks);
    if warnings.has_errors() {
        return Err(warnings);
    }
    let walk = Walk::new(&blocks).run();
    let (mut sections, written) = walk.parts.write();
    sections.extend(operations::rewritten(&walk));
    let text: String = sections.iter().map(|section| format!("{}:{}", section.key, section.body)).collect();
    let source = Arc::new(Source { name: format!("{} (expanded)", document.spot.source.name), text });
    let mut generated = match source.text.is_empty() {
        true => Node { value: Value::Map(Vec::new()), spot: document.spot.clone() },
        false => document::parse(&source)?,
    };
    for part in &written {
        graft(part, &mut generated, &document);
    }
    let merged = merge(without_blocks(document.clone()), generated);
    Ok(Expanded { document: merged, blocks: Some(document), written, source, sections, warnings })
}

fn read(document: &Node) -> Result<Blocks<'_>, Diagnostics> {
    let mut found = Diagnostics::new();
    let given = |block: &str| document.get(block).filter(|node| !matches!(node.value, Value::Null));
    let kubernetes: Option<Kubernetes> = given("kubernetes").and_then(|node| read::block(node, &mut found));
    let aws: Aws = given("aws").and_then(|node| read::block(node, &mut found)).unwrap_or_default();
    if found.has_errors() {
        // The mistakes of the other sections in the same go.
        found.extend(read::sections(&without_blocks(document.clone())));
        return Err(found);
    }
    Ok(Blocks { document, kubernetes, aws })
}

fn without_blocks(document: Node) -> Node {
    let Node { value: Value::Map(entries), spot } = document else { return document };
    Node { value: Value::Map(entries.into_iter().filter(|(key, _)| !BLOCKS.contains(&&*key.text)).collect()), spot }
}

/// What the user wrote stands in the text word for word: from here on it is the user's, with the spot in the user's file.
fn graft(part: &Written, generated: &mut Node, document: &Node) {
    let base = Path::root().field(part.section);
    let base = if LISTS.contains(&part.section) { base.index(part.index) } else { base };
    for (steps, from) in &part.given {
        let Some(user) = document.at(from) else { continue };
        let key = match from.0.split_last() {
            Some((Segment::Field(name), above)) => {
                document.at(&Path(above.to_vec())).and_then(|map| map.entry(name)).map(|(key, _)| &key.spot)
            }
            _ => None,
        };
        put(generated, &base.steps(steps).0, user, key);
    }
}

fn put(node: &mut Node, path: &[Segment], user: &Node, key_spot: Option<&Spot>) {
    match (path, &mut node.value) {
        ([], _) => *node = user.clone(),
        ([Segment::Index(index), rest @ ..], Value::List(items)) => {
            if let Some(item) = items.get_mut(*index) {
                put(item, rest, user, key_spot);
            }
        }
        ([Segment::Field(name), rest @ ..], Value::Map(entries)) => {
            if let Some((key, inner)) = entries.iter_mut().find(|(key, _)| *key.text == **name) {
                if let (true, Some(spot)) = (rest.is_empty(), key_spot) {
                    key.spot = spot.clone();
                }
                put(inner, rest, user, key_spot);
            }
        }
        _ => {}
    }
}

/// Lists get the generated items behind the user's; the rest is replaced.
fn merge(document: Node, generated: Node) -> Node {
    let (Value::Map(mut entries), spot) = (document.value, document.spot) else {
        return generated;
    };
    let Value::Map(new) = generated.value else { return Node { value: Value::Map(entries), spot } };
    for (key, node) in new {
        match entries.iter_mut().find(|(known, _)| known.text == key.text) {
            None => entries.push((key, node)),
            Some((known, old)) => match (&mut old.value, node.value) {
                (Value::List(items), Value::List(more)) if &*key.text != "operations" => items.extend(more),
                (_, value) => {
                    let spot = if matches!(old.value, Value::Null) { key.spot.clone() } else { known.spot.clone() };
                    *known = Key { text: key.text, spot };
                    old.value = value;
                }
            },
        }
    }
    Node { value: Value::Map(entries), spot }
}

impl Expanded {
    /// What is said of the merged document, said of the user's file: by the paths and spots there. Warnings about values that the user
    /// did not write are left out: the check of the blocks has said what there is to say.
    pub fn explain(&self, diagnostic: Diagnostic) -> Option<Diagnostic> {
        let Some(blocks) = &self.blocks else { return Some(diagnostic) };
        let renamed = self.renamed(&diagnostic.message, blocks);
        let place = diagnostic.spot.as_ref().filter(|spot| Arc::ptr_eq(&spot.source, &self.source)).map(|spot| spot.range.start);
        let Some(at) = place else {
            return Some(Diagnostic { message: renamed.unwrap_or(diagnostic.message), ..diagnostic });
        };
        let part = self.written.iter().find(|part| part.range.contains(&at));
        if part.is_some() && diagnostic.severity == Severity::Warning {
            return None;
        }
        let from = part.map_or_else(|| Path::root().field(BLOCKS[0]), |part| part.from.clone());
        let name = blocks.path_text(&from);
        let message = format!("{} (in what `{name}` stands for; `lbsim expand` prints it)", renamed.unwrap_or(diagnostic.message));
        Some(Diagnostic { message, spot: Some(blocks.spot_at(&from)), ..diagnostic })
    }

    /// The message with the path in the user's file in place of that of the part, or of what was copied into it.
    fn renamed(&self, message: &str, blocks: &Node) -> Option<String> {
        let begins =
            |prefix: &str| message.strip_prefix(prefix).filter(|rest| rest.starts_with(['.', ' ', '['])).map(|rest| (prefix.len(), rest));
        let mut best: Option<(usize, String)> = None;
        let mut take = |prefix: &str, from: &Path| {
            if let Some((len, rest)) = begins(prefix)
                && best.as_ref().is_none_or(|(longest, _)| len > *longest)
            {
                best = Some((len, format!("{}{rest}", blocks.path_text(from))));
            }
        };
        for part in &self.written {
            let path = if part.name.is_empty() { part.section.to_owned() } else { format!("{}.{}", part.section, part.name) };
            if begins(&path).is_some() {
                take(&path, &part.from);
                take(&format!("{path}.pods"), &part.from);
                part.given.iter().for_each(|(steps, from)| take(&format!("{path}.{steps}").replace(".[", "["), from));
            }
        }
        best.map(|(_, text)| text)
    }
}

/// Nodes that are there from the start.
fn cluster_nodes_at_start(nodes: &[ClusterNode]) -> impl Iterator<Item = &ClusterNode> {
    nodes.iter().filter(|node| node.is_at_start)
}
