//! The rules that ARCHITECTURE.md states, read off the sources: who stands on whose floor, how long a file may be, what the engine
//! must not touch.

use std::fs;
use std::path::{Path, PathBuf};

/// Modules by floor, lowest first. A module may use lower floors, and on its own floor what stands left of it.
const FLOORS: [&[&str]; 9] = [
    &["error", "units", "later"],
    &["rng", "dist", "sim", "stats"],
    &["document", "control", "policy"],
    &["scenario", "measure"],
    &["model"],
    &["input", "compile", "import"],
    &["summary", "experiment", "tune"],
    &["report"],
    &["cli"],
];

/// Modules that compute the same numbers everywhere: no clock, no I/O, no threads, no hardware- or platform-dependent mathematics.
const ENGINE: [&str; 12] =
    ["units", "later", "rng", "dist", "sim", "stats", "policy", "control", "scenario", "measure", "model", "compile"];

/// What engine modules must not contain. Square roots and integer powers are exact or plain products; the rest is `libm`'s.
const FOREIGN: [&str; 9] =
    ["std::time", "std::fs", "std::thread", "std::env", "std::io", "std::process", "Instant::", "rayon", "thread_rng"];
const FUNCTIONS: [&str; 22] = [
    "ln", "log", "log2", "log10", "ln_1p", "exp", "exp2", "exp_m1", "powf", "sin", "cos", "tan", "sin_cos", "asin", "acos", "atan",
    "atan2", "sinh", "cosh", "tanh", "cbrt", "hypot",
];

/// Where a hash map may be, whose order differs from run to run, and why it does no harm.
const HASH_MAPS: [(&str, &str); 3] = [
    ("model/sticky.rs", "entries are looked up, and expired ones dropped one by one; `model/dns.rs` keeps answers in the same table"),
    ("document/parse.rs", "tells whether a key was seen before; the entries themselves are in a list"),
    ("input/mod.rs", "numbers the clients of a trace as they appear"),
];

const LINES_MAX: usize = 450;

struct SourceFile {
    /// Path under `src`, with forward slashes.
    path: String,
    /// `policy` for `policy/mod.rs`, `dist.rs` belongs to `dist`.
    module: String,
    /// Without comments and test code, which stands at the end.
    code: Vec<String>,
    lines: usize,
    head: String,
}

fn sources() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut paths: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { paths.push(path) }
        }
    }
    paths.sort();
    let sources: Vec<SourceFile> = paths.iter().filter(|path| !is_test(path)).map(|path| read(path, &root)).collect();
    assert!(sources.len() > 50, "the sources are found");
    sources
}

/// A file that is compiled for tests only.
fn is_test(path: &Path) -> bool {
    ["tests.rs", "policy/conformance.rs", "report/open_road.rs"].iter().any(|known| path.ends_with(known))
}

fn read(path: &Path, root: &Path) -> SourceFile {
    let text = fs::read_to_string(path).expect("a source file");
    let path = path.strip_prefix(root).expect("under src").to_string_lossy().replace('\\', "/");
    let kept: Vec<&str> = text.lines().take_while(|line| *line != "#[cfg(test)]" || !is_last_module(&text, line)).collect();
    let head = kept.iter().take_while(|line| line.starts_with("//!")).copied().collect::<Vec<_>>().join("\n");
    let code = kept.iter().filter(|line| !line.trim_start().starts_with("//")).map(|line| (*line).to_owned()).collect();
    let module = path.split(['/', '.']).next().unwrap_or_default().to_owned();
    SourceFile { module, code, lines: kept.len(), head, path }
}

/// Whether the tests begin there, which then go on to the end of the file.
fn is_last_module(text: &str, line: &str) -> bool {
    text.split_once(&format!("\n{line}\n")).is_some_and(|(_, rest)| rest.starts_with("mod tests {"))
}

/// What is wrong, one line each.
fn none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// Modules that a line of code names by `crate::`.
fn used(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default())
}

#[test]
fn modules_use_only_what_stands_below_or_left() {
    let place = |module: &str| FLOORS.iter().flat_map(|floor| floor.iter()).position(|known| *known == module);
    let mut wrong = Vec::new();
    for file in sources().iter().filter(|file| !["lib", "main"].contains(&file.module.as_str())) {
        let Some(own) = place(&file.module) else {
            wrong.push(format!("{} stands on no floor", file.path));
            continue;
        };
        for module in file.code.iter().flat_map(|line| used(line)).filter(|module| *module != file.module) {
            match place(module) {
                Some(other) if other < own => {}
                Some(_) => wrong.push(format!("{} uses {module}, which stands above or right of it", file.path)),
                None => wrong.push(format!("{} uses crate::{module}, which stands on no floor: name the module in the path", file.path)),
            }
        }
    }
    none(wrong);
}

#[test]
fn files_say_what_they_are_and_stay_short() {
    let mut wrong = Vec::new();
    for file in sources() {
        if file.lines > LINES_MAX {
            wrong.push(format!("{} has {} lines without its tests; {LINES_MAX} are allowed", file.path, file.lines));
        }
        if file.head.is_empty() && file.path != "main.rs" {
            wrong.push(format!("{} does not begin with what it is (//!)", file.path));
        }
    }
    none(wrong);
}

#[test]
fn each_algorithm_names_its_source() {
    let sources = sources();
    let is_one = |file: &&SourceFile| ["policy", "control"].contains(&file.module.as_str()) && !file.path.ends_with("/mod.rs");
    let algorithms = || sources.iter().filter(is_one);
    assert!(algorithms().count() > 20);
    none(algorithms().filter(|file| !file.head.contains("Source")).map(|file| format!("{} names no source", file.path)).collect());
}

#[test]
fn the_engine_has_no_clock_no_files_no_threads_and_no_platforms_mathematics() {
    let mut wrong = Vec::new();
    for file in sources().iter().filter(|file| ENGINE.contains(&file.module.as_str())) {
        for line in &file.code {
            let foreign = FOREIGN.iter().find(|name| line.contains(**name)).map(|name| (*name).to_owned());
            let function = FUNCTIONS.iter().map(|name| format!(".{name}(")).find(|call| line.contains(call));
            let by_path = FUNCTIONS
                .iter()
                .map(|name| format!("f64::{name}"))
                .find(|path| line.split(path).skip(1).any(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')));
            wrong.extend(foreign.or(function).or(by_path).map(|found| format!("{} contains {found}: {}", file.path, line.trim())));
        }
    }
    none(wrong);
}

#[test]
fn hash_maps_are_only_where_their_order_does_no_harm() {
    let is_allowed = |file: &SourceFile| HASH_MAPS.iter().any(|(path, _)| *path == file.path);
    let has_one = |file: &SourceFile| file.code.iter().any(|line| line.contains("HashMap") || line.contains("HashSet"));
    let sources = sources();
    let wrong = sources.iter().filter(|file| has_one(file) && !is_allowed(file)).map(|file| format!("{} has a hash map", file.path));
    let idle = HASH_MAPS.iter().filter(|(path, _)| !sources.iter().any(|file| file.path == *path && has_one(file)));
    none(wrong.chain(idle.map(|(path, _)| format!("{path} has no hash map any more: take it off the list"))).collect());
}
