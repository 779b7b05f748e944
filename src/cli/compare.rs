//! `lbsim compare A B`: two results folders, and what changed from one to the other beyond noise.

use super::{Exit, Failure, print};
use crate::report::runs::Runs;
use crate::report::{Change, changes};
use crate::units::Share;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct CompareArgs {
    /// Results folder of before
    before: PathBuf,
    /// Results folder of after
    after: PathBuf,
    /// What may be worse without failing, as a share of the value before (2%): such a change is told, and the exit code stays 0
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = str::parse::<Share>)]
    tolerance: Share,
    /// Print all differences as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn compare(args: &CompareArgs) -> Result<Exit, Failure> {
    let read = |dir: &PathBuf| Runs::read(dir).map_err(Failure::Wrong);
    let (before, after) = (read(&args.before)?, read(&args.after)?);
    let found = changes(&before, &after, args.tolerance.0).map_err(Failure::Wrong)?;
    if args.json {
        let text = serde_json::to_string_pretty(
            &json!({ "paired": found.is_paired, "changes": found.changes, "only_before": found.only_before, "only_after": found.only_after }),
        );
        print(&format!("{}\n", text.map_err(|error| Failure::Internal(error.to_string()))?))?;
    } else {
        print(&found.to_text())?;
    }
    Ok(if found.changes.iter().any(Change::is_worse) { Exit::Missed } else { Exit::Done })
}
