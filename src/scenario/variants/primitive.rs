//! One scenario of a file with the blocks replaced by what they stand for: what `lbsim expand` prints.

use super::{Entry, Patched, compare, patched, stem, variant, without_compare};
use crate::document::Value;
use crate::error::{Diagnostic, Diagnostics, Source, did_you_mean};
use crate::scenario::expand::expand;
use crate::scenario::expand::print::Print;
use std::sync::Arc;

/// A scenario without blocks.
#[derive(Clone, Debug)]
pub struct Primitive {
    /// As a file.
    pub text: String,
    /// Variants of the file that it is not, and whether the file has a sweep: both are left out.
    pub other_variants: Vec<String>,
    pub has_sweep: bool,
    pub warnings: Diagnostics,
}

/// The scenario of a file, or the named one of its variants, with the blocks replaced by what they stand for.
pub fn primitive(source: Source, sets: &[(String, String)], variant_name: Option<&str>) -> Result<Primitive, Diagnostics> {
    let source = Arc::new(source);
    let Patched { original, document, mut found, .. } = patched(&source, sets)?;
    let has_compare = document.get("compare").is_some_and(|list| !matches!(list.value, Value::Null));
    let entries = compare(&document, &mut found);
    let names: Vec<String> = entries.iter().filter_map(|entry| entry.name.clone()).collect();
    let as_written = Entry { name: None, spot: document.spot.clone(), patches: Vec::new() };
    let entry = match variant_name {
        None => &as_written,
        Some(name) => entries.iter().find(|entry| entry.name.as_deref() == Some(name)).ok_or_else(|| no_variant(name, &names))?,
    };
    let base = without_compare(&document);
    variant(&base, entry, &[], &source, &mut found);
    found.sort();
    let mut document = base;
    for patch in &entry.patches {
        found.extend(patch.apply(&mut document).err());
    }
    if found.has_errors() {
        return Err(found);
    }
    let expanded = expand(document.clone())?;
    let name = document.get("name").is_none().then(|| stem(&source.name));
    let text = Print { original: &original, document: &document, expanded: &expanded, name, variant: variant_name }.text();
    let other_variants =
        if has_compare { names.into_iter().filter(|name| Some(name.as_str()) != variant_name).collect() } else { Vec::new() };
    Ok(Primitive { text, other_variants, has_sweep: original.get("sweep").is_some(), warnings: found })
}

fn no_variant(name: &str, names: &[String]) -> Diagnostics {
    let error = match did_you_mean(name, names.iter().map(String::as_str)) {
        Some(near) => Diagnostic::error(format!("there is no variant `{name}`, did you mean `{near}`?")),
        None => Diagnostic::error(format!("there is no variant `{name}`")),
    };
    let help = if names.is_empty() { "the file has no `compare`".to_owned() } else { format!("its variants are {}", names.join(", ")) };
    error.help(help).into()
}
