//! The program `lbsim`; see `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    lbsim::cli::main(std::env::args_os())
}
