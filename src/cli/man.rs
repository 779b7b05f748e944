//! `lbsim man`: the manual page in roff, on standard output (`lbsim man | man -l -`).

use super::{Cli, Exit, Failure, print};
use clap::CommandFactory;
use std::io;

pub(super) fn man() -> Result<Exit, Failure> {
    let page = page().map_err(|error| Failure::Internal(error.to_string()))?;
    print(&String::from_utf8_lossy(&page))?;
    Ok(Exit::Done)
}

/// The page of the program, and behind it the options of each command.
fn page() -> io::Result<Vec<u8>> {
    let mut command = Cli::command();
    command.build();
    let mut page = Vec::new();
    let main = clap_mangen::Man::new(command.clone());
    main.render_title(&mut page)?;
    main.render_name_section(&mut page)?;
    main.render_synopsis_section(&mut page)?;
    main.render_description_section(&mut page)?;
    main.render_subcommands_section(&mut page)?;
    for subcommand in command.get_subcommands().filter(|command| command.get_name() != "help") {
        page.extend_from_slice(format!(".SH \"LBSIM {}\"\n", subcommand.get_name().to_uppercase()).as_bytes());
        let mut options = Vec::new();
        clap_mangen::Man::new(subcommand.clone()).render_options_section(&mut options)?;
        let options = String::from_utf8_lossy(&options);
        let body = options.lines().filter(|line| !line.starts_with(".SH") && !line.starts_with(".ie") && !line.starts_with(".el"));
        page.extend(body.flat_map(|line| line.bytes().chain([b'\n'])));
    }
    main.render_extra_section(&mut page)?;
    main.render_version_section(&mut page)?;
    Ok(page)
}
