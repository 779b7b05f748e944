//! What a scenario that can be read may still have wrong: names that refer to nothing, values that cannot be, parts that
//! contradict each other. Everything is found in one go, named by its path; the document knows where that stands.

mod arrivals;
mod balancers;
mod clients;
mod connections;
mod cookies;
mod dns;
mod faults;
mod load;
mod names;
mod nodes;
mod operations;
mod places;
mod pods;
mod rules;
mod servers;

use super::{Arrivals, Scenario, Warmup};
use crate::dist::Distribution;
use crate::document::{Node, Path, Segment};
use crate::error::{Diagnostic, Diagnostics, did_you_mean};
use crate::units::Span;
use names::Names;
use std::fmt::Display;

/// Everything wrong with the scenario, which was read from the document.
pub fn check(scenario: &Scenario, document: &Node) -> Diagnostics {
    let mut checker = Checker { scenario, document, names: Names::of(scenario), found: Diagnostics::new() };
    checker.run();
    checker.unique_names();
    checker.clients();
    checker.servers();
    checker.balancers();
    checker.connections();
    checker.rules();
    checker.cookies();
    checker.places();
    checker.dns();
    checker.slow_starts();
    checker.operations();
    checker.pods();
    checker.nodes();
    checker.faults();
    if !checker.found.has_errors() {
        checker.requests_of_a_run();
        checker.reach();
        checker.idle_settings();
        checker.load();
    }
    checker.found
}

struct Checker<'a> {
    scenario: &'a Scenario,
    document: &'a Node,
    names: Names<'a>,
    found: Diagnostics,
}

/// Of replications, servers and weights: enough for anything real, and small enough to be held in memory.
const REPLICATIONS_MAX: u32 = 100_000;

impl Checker<'_> {
    /// Says that what stands at the path is wrong: the path, then `what`.
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
        make(format!("{} {what}", self.document.path_text(path))).at(self.document.spot_at(path))
    }

    /// Says that a name refers to nothing, and which ones there are.
    fn unknown<'n>(&mut self, path: &Path, name: &str, what: &str, names: impl Iterator<Item = &'n str> + Clone) {
        if self.found.is_full() {
            return;
        }
        let message = match did_you_mean(name, names.clone()) {
            Some(near) => format!("refers to `{name}`, which is no {what}; did you mean `{near}`?"),
            None => format!("refers to `{name}`, which is no {what}"),
        };
        let listed: Vec<&str> = names.take(20).collect();
        match listed.as_slice() {
            [] => self.error(path, message),
            _ => self.error_help(path, message, format!("known here: {}", listed.join(", "))),
        }
    }

    fn above_zero(&mut self, path: &Path, span: Span, why: &str) {
        if span == Span::ZERO {
            self.error(path, format!("is 0s; {why}"));
        }
    }

    fn distribution(&mut self, path: &Path, distribution: &Distribution) {
        for (field, what) in distribution_problems(distribution) {
            let path = self.chosen(path).steps(&field);
            self.error(&path, format!("cannot be: {what}"));
        }
    }

    /// As `distribution`, of a time that must not always be zero.
    fn distribution_above_zero(&mut self, path: &Path, distribution: &Distribution, why: &str) {
        self.distribution(path, distribution);
        if load::mean_s(distribution) == Some(0.0) {
            self.error(path, format!("is always 0s; {why}"));
        }
    }

    /// The path of what a choice (`algorithm`, `arrivals`, a distribution) holds: one step more, the name of the choice.
    fn chosen(&self, path: &Path) -> Path {
        match self.document.at(path).map(Node::entries) {
            Some([(key, _)]) => path.field(key.text.to_string()),
            _ => path.clone(),
        }
    }

    /// What concerns the run as a whole.
    fn run(&mut self) {
        let root = Path::root();
        let scenario = self.scenario;
        if let Some(problem) = folder_problem(&scenario.name) {
            self.error_help(&root.field("name"), problem, "the results go into a folder of this name");
        }
        match scenario.duration {
            Some(duration) => {
                self.above_zero(&root.field("duration"), duration, "a run lasts some time, such as `10m`");
                self.warmup(duration);
            }
            None if scenario.clients.iter().any(|client| matches!(client.arrivals, Arrivals::Trace(_))) => {}
            None => self.error(&root.field("duration"), "is missing; write how long a run lasts, such as `duration: 10m`"),
        }
        if scenario.replications == 0 || scenario.replications > REPLICATIONS_MAX {
            let what = format!("is {}; it is a number from 1 to {REPLICATIONS_MAX} (10 is usual)", scenario.replications);
            self.error(&root.field("replications"), what);
        }
        for (section, is_empty) in [
            ("clients", scenario.clients.is_empty()),
            ("servers", scenario.servers.is_empty()),
            ("balancers", scenario.balancers.is_empty()),
        ] {
            if is_empty {
                self.error(&root.field(section), "is empty; it needs one entry at least");
            }
        }
    }

    fn warmup(&mut self, duration: Span) {
        if let Warmup::Fixed(warmup) = self.scenario.warmup
            && warmup >= duration
            && duration > Span::ZERO
        {
            let what = format!("is {warmup}, and the run ends at {duration}: nothing would be counted");
            self.error(&Path::root().field("warmup"), what);
        }
    }
}

/// Why a name cannot be that of a folder.
fn folder_problem(name: &str) -> Option<&'static str> {
    match name.trim() {
        "" => Some("is empty"),
        "." | ".." => Some("is not a name"),
        _ if name.contains(['/', '\\']) => Some("has a slash in it"),
        _ if name.chars().any(char::is_control) => Some("has a control character in it"),
        _ if name.len() > 200 => Some("is longer than 200 bytes"),
        _ => None,
    }
}

fn distribution_problems(distribution: &Distribution) -> Vec<(String, String)> {
    distribution.validate().err().unwrap_or_default()
}

/// The path of an item of a section.
fn item(section: &'static str, index: usize) -> Path {
    Path(vec![Segment::Field(section.into()), Segment::Index(index)])
}
