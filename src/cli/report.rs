//! `lbsim report`: builds the page and the pictures of a results folder anew.

use super::{Exit, Failure, tell};
use crate::error::printable;
use crate::report;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct ReportArgs {
    /// A results folder, such as `results/cart`
    dir: PathBuf,
}

pub(super) fn report(args: &ReportArgs) -> Result<Exit, Failure> {
    let page = report::draw(&args.dir).map_err(|error| Failure::Wrong(error.to_string()))?;
    tell("report", &printable(&page.display().to_string(), 200));
    Ok(Exit::Done)
}
