//! `lbsim check`: reads a scenario and all that it names, and says whether it can be run.

use super::{Exit, Failure, Ready, StudyArgs, outline, print, read, tell_reading};
use crate::error::{Diagnostic, Severity, printable};
use clap::{Args, ValueEnum};
use serde::Serialize;

#[derive(Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub(super) study: StudyArgs,
    /// How findings are told; `json` is one object on standard output, for editors and scripts
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Json,
}

pub(super) fn check(args: &CheckArgs) -> Result<Exit, Failure> {
    let result = read(&args.study);
    if args.format == Format::Json {
        return tell_json(&args.study.file, result);
    }
    let ready = result?;
    tell_reading(&ready);
    print(&format!("{} is fine: {}\n", printable(&ready.study.source.name, 200), outline(&ready)))?;
    Ok(Exit::Done)
}

/// What `--format json` prints.
#[derive(Serialize)]
struct Report<'a> {
    file: &'a str,
    /// It can be run: there is no error.
    ok: bool,
    /// Variants at all sweep points; 0 where there is an error.
    variants: usize,
    findings: Vec<Finding>,
}

/// A diagnostic; `null` stands for what it does not have. Lines and columns (in characters) count from 1.
#[derive(Serialize)]
struct Finding {
    severity: &'static str,
    message: String,
    file: Option<String>,
    line: Option<usize>,
    column: Option<usize>,
    label: Option<String>,
    help: Option<String>,
}

impl Finding {
    fn plain(severity: &'static str, message: String) -> Finding {
        Finding { severity, message, file: None, line: None, column: None, label: None, help: None }
    }
}

impl From<&Diagnostic> for Finding {
    fn from(diagnostic: &Diagnostic) -> Finding {
        let severity = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let place = diagnostic.spot.as_ref().map(|spot| (spot.source.name.clone(), spot.line_and_column()));
        Finding {
            file: place.as_ref().map(|(file, _)| file.clone()),
            line: place.as_ref().map(|(_, (line, _))| *line),
            column: place.as_ref().map(|(_, (_, column))| *column),
            label: diagnostic.label.clone(),
            help: diagnostic.help.clone(),
            ..Finding::plain(severity, diagnostic.message.clone())
        }
    }
}

fn tell_json(file: &str, result: Result<Ready, Failure>) -> Result<Exit, Failure> {
    let (ok, variants, findings) = match result {
        Ok(ready) => {
            let warnings = ready.study.warnings.iter().map(Finding::from);
            let notes = ready.notes.iter().map(|note| Finding::plain("note", note.clone()));
            (true, ready.variants.len(), warnings.chain(notes).collect())
        }
        Err(Failure::Scenario(diagnostics)) => (false, 0, diagnostics.iter().map(Finding::from).collect()),
        Err(Failure::Wrong(message)) => (false, 0, vec![Finding::plain("error", message)]),
        Err(bug @ Failure::Internal(_)) => return Err(bug),
    };
    let report = Report { file, ok, variants, findings };
    let json = serde_json::to_string_pretty(&report).map_err(|error| Failure::Internal(error.to_string()))?;
    print(&format!("{json}\n"))?;
    Ok(if ok { Exit::Done } else { Exit::Wrong })
}

#[cfg(test)]
pub(super) fn as_json(diagnostic: &Diagnostic) -> serde_json::Result<serde_json::Value> {
    serde_json::to_value(Finding::from(diagnostic))
}
