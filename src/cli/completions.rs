//! `lbsim completions`: the completion script of a shell, on standard output.

use super::{Cli, Exit, Failure, print};
use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

#[derive(Args)]
pub(super) struct CompletionsArgs {
    /// The shell; how to install the script stands in its manual
    shell: Shell,
}

pub(super) fn completions(args: &CompletionsArgs) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "lbsim", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
