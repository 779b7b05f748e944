//! `lbsim import`: a scenario from what others have written.

use super::{Exit, Failure, print, read_source, tell, tell_raw};
use crate::error::{Source, printable};
use crate::import;
use crate::scenario::variants;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Args)]
pub(super) struct ImportArgs {
    #[command(subcommand)]
    from: From,
}

#[derive(Subcommand)]
enum From {
    /// Turn Kubernetes manifests into a scenario: Deployments, Services, Ingresses, autoscalers, disruption budgets
    K8s(K8sArgs),
}

#[derive(Args)]
struct K8sArgs {
    /// Files with manifests; `-` reads standard input
    #[arg(required = true, value_name = "MANIFEST")]
    files: Vec<String>,
    /// Where the scenario goes; standard output unless given. A file that exists is not touched
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn import(args: &ImportArgs) -> Result<Exit, Failure> {
    let From::K8s(args) = &args.from;
    let sources = args.files.iter().map(|file| read_source(file).map(Arc::new).map_err(of_manifests)).collect::<Result<Vec<_>, _>>()?;
    let imported = import::import(&sources).map_err(Failure::Scenario)?;
    tell_raw(&imported.warnings.render(true));
    imported.notes.iter().for_each(|note| tell("note", &printable(note, 1000)));
    match &args.out {
        Some(file) => {
            let shown = super::new::write(file, &imported.text)?;
            tell("import", &format!("{shown}; try `lbsim check {shown}`"));
        }
        None => print(&imported.text)?,
    }
    checked(&imported.text)
}

/// The spots that the reader of files names are in a manifest.
fn of_manifests(failure: Failure) -> Failure {
    match failure {
        Failure::Scenario(errors) => Failure::Scenario(import::of_manifests(errors)),
        other => other,
    }
}

/// What the scenario itself has wrong, such as a cluster that is too large: told once it is written.
fn checked(text: &str) -> Result<Exit, Failure> {
    let source = Source { name: "the imported scenario".to_owned(), text: text.to_owned() };
    let study = variants::read(source, &[]).map_err(Failure::Scenario)?;
    tell_raw(&study.warnings.render(true));
    Ok(Exit::Done)
}
