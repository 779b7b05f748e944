//! `lbsim expand`: a scenario with its blocks replaced by the primitives that they stand for.

use super::{Exit, Failure, StudyArgs, print, read_source, tell, tell_raw};
use crate::error::printable;
use crate::scenario::variants;
use clap::Args;

#[derive(Args)]
pub(super) struct ExpandArgs {
    #[command(flatten)]
    study: StudyArgs,
    /// The variant of `compare`; the scenario as written unless given
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
}

pub(super) fn expand(args: &ExpandArgs) -> Result<Exit, Failure> {
    let source = read_source(&args.study.file)?;
    let primitive = variants::primitive(source, &args.study.patches(), args.variant.as_deref()).map_err(Failure::Scenario)?;
    tell_raw(&primitive.warnings.render(true));
    if !primitive.other_variants.is_empty() {
        let names = printable(&primitive.other_variants.join(", "), 1000);
        tell("note", &format!("one scenario is printed; `--variant NAME` chooses another: {names}"));
    }
    if primitive.has_sweep {
        tell("note", "the sweep is left out; `--set PATH=VALUE` gives the value of a point");
    }
    print(&primitive.text)?;
    Ok(Exit::Done)
}
