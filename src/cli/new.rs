//! `lbsim new`: a commented scenario to start from.

use super::{Exit, Failure, print, tell};
use crate::error::printable;
use clap::Args;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// What is written.
pub(super) const STARTER: &str = include_str!("../../templates/starter.yaml");

#[derive(Args)]
pub(super) struct NewArgs {
    /// Where to; `-` or nothing prints it. A file that exists is not touched
    file: Option<PathBuf>,
}

pub(super) fn new(args: &NewArgs) -> Result<Exit, Failure> {
    let Some(file) = args.file.as_ref().filter(|file| file.as_os_str() != "-") else {
        print(STARTER)?;
        return Ok(Exit::Done);
    };
    let shown = write(file, STARTER)?;
    tell("new", &format!("{shown}; try `lbsim {shown}`"));
    Ok(Exit::Done)
}

/// Writes a file that is not there yet; how to call it in messages.
pub(super) fn write(file: &Path, text: &str) -> Result<String, Failure> {
    let shown = printable(&file.display().to_string(), 200);
    let written = OpenOptions::new().write(true).create_new(true).open(file).and_then(|mut out| out.write_all(text.as_bytes()));
    match written {
        Ok(()) => Ok(shown),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(Failure::Wrong(format!("there is a file `{shown}` already, and it is left as it is; name another one")))
        }
        Err(error) => Err(Failure::Wrong(format!("cannot write `{shown}`: {error}"))),
    }
}
