//! `lbsim check`: reads a scenario and all that it names, and says whether it can be run.

use super::{Exit, Failure, StudyArgs, outline, print, read, tell_reading};
use crate::error::printable;
use clap::Args;

#[derive(Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub(super) study: StudyArgs,
}

pub(super) fn check(args: &CheckArgs) -> Result<Exit, Failure> {
    let ready = read(&args.study)?;
    tell_reading(&ready);
    print(&format!("{} is fine: {}\n", printable(&ready.study.source.name, 200), outline(&ready)))?;
    Ok(Exit::Done)
}
