//! The command line: what may be typed, and the way from a scenario file to what is printed. Each command has a file of its own.
//!
//! Results go to standard output; progress, notes and errors to standard error.

mod check;
mod compare;
mod completions;
mod expand;
mod explain;
mod import;
mod list;
mod man;
mod new;
mod report;
mod run;
mod schema;
#[cfg(test)]
mod tests;
mod tune;

use crate::compile::{Compiled, compile};
use crate::document;
use crate::error::{Diagnostics, Source, did_you_mean, printable};
use crate::input::Inputs;
use crate::scenario::variants::{self, Study};
use crate::units::Span;
use anstream::{AutoStream, ColorChoice};
use clap::{Args, ColorChoice as ClapColor, CommandFactory, Parser, Subcommand, ValueEnum};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

/// A load-balancing flight simulator: which strategy should I run, and what happens when a server dies?
#[derive(Parser)]
#[command(name = "lbsim", version, arg_required_else_help = true, max_term_width = 100, after_help = EPILOGUE)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Colors in the output; `auto` also minds NO_COLOR.
    #[arg(long, global = true, value_enum, default_value_t = When::Auto, value_name = "WHEN", display_order = 100)]
    color: When,
}

const EPILOGUE: &str = "`lbsim cart.yaml` is short for `lbsim run cart.yaml`.\n\n\
    Exit codes: 0 done, 1 an objective was missed under --assert-slo, `compare` found something worse or `tune` no value, 2 the command line or the scenario is wrong, \
    3 an internal error, 130 interrupted by Ctrl-C.";

#[derive(Subcommand)]
enum Command {
    /// Simulate a scenario; compare its variants
    Run(run::RunArgs),
    /// Read and check a scenario without simulating it
    Check(check::CheckArgs),
    /// Print a scenario with `kubernetes` and `aws` replaced by the balancers and servers that they stand for
    Expand(expand::ExpandArgs),
    /// Write a commented scenario to start from
    New(new::NewArgs),
    /// Turn what others have written, such as Kubernetes manifests, into a scenario
    Import(import::ImportArgs),
    /// Find the smallest value of one field that meets a goal; exit code 1 if there is none
    Tune(tune::TuneArgs),
    /// Tell what changed between two results folders beyond noise; exit code 1 if something got worse
    Compare(compare::CompareArgs),
    /// List the words that a scenario and the results may have
    List(list::ListArgs),
    /// Explain an algorithm, a term or a number
    Explain(explain::ExplainArgs),
    /// Build the page and the pictures of a results folder anew
    Report(report::ReportArgs),
    /// Print the JSON schema of the scenario file
    Schema,
    /// Print the completion script of a shell
    Completions(completions::CompletionsArgs),
    /// Print the manual page
    Man,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

/// Which scenario, and what is different from the file.
#[derive(Args)]
struct StudyArgs {
    /// The scenario; `-` reads standard input
    file: String,
    /// Seed of all random draws
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Independent runs of each variant
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    replications: Option<u32>,
    /// Simulated time of a run, such as `30s`
    #[arg(long, value_name = "TIME")]
    duration: Option<Span>,
    /// Set any value of the scenario; may be given again and again
    #[arg(long = "set", value_name = "PATH=VALUE", value_parser = path_and_value)]
    sets: Vec<(String, String)>,
}

fn path_and_value(text: &str) -> Result<(String, String), String> {
    let (path, value) = text.split_once('=').ok_or("write it as `path=value`, such as `balancers.edge.algorithm=random`")?;
    Ok((path.to_owned(), value.to_owned()))
}

impl StudyArgs {
    /// The patches of the command line; what has an option of its own comes last and wins.
    fn patches(&self) -> Vec<(String, String)> {
        let own = [
            ("seed", self.seed.map(|seed| seed.to_string())),
            ("replications", self.replications.map(|replications| replications.to_string())),
            ("duration", self.duration.map(|duration| duration.to_string())),
        ];
        let own = own.into_iter().filter_map(|(path, value)| Some((path.to_owned(), value?)));
        self.sets.iter().cloned().chain(own).collect()
    }
}

impl StudyArgs {
    /// The command that repeats the study, in a shell's quotes.
    fn command(&self) -> String {
        let own =
            [("--seed", self.seed.map(|seed| seed.to_string())), ("--replications", self.replications.map(|count| count.to_string()))];
        let own = own.into_iter().chain([("--duration", self.duration.map(|duration| duration.to_string()))]);
        let own = own.filter_map(|(option, value)| Some([option.to_owned(), value?])).flatten();
        let sets = self.sets.iter().flat_map(|(path, value)| ["--set".to_owned(), format!("{path}={value}")]);
        let words = ["lbsim".to_owned(), self.file.clone()].into_iter().chain(own).chain(sets);
        words.map(|word| quoted(&word)).collect::<Vec<_>>().join(" ")
    }
}

/// As one word of a shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,%+@".contains(c);
    let is_quoted = word.is_empty() || !word.chars().all(is_plain);
    if is_quoted { format!("'{}'", word.replace('\'', r"'\''")) } else { word.to_owned() }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Done = 0,
    Missed = 1,
    Wrong = 2,
    Internal = 3,
    /// As shells tell it of a program that Ctrl-C has ended.
    Interrupted = 130,
}

/// Why there is no result.
#[derive(Debug)]
enum Failure {
    /// The command line, the scenario or a file is wrong.
    Wrong(String),
    /// The scenario is wrong; quoted with the spots.
    Scenario(Diagnostics),
    /// A bug.
    Internal(String),
}

impl Failure {
    fn tell(self) -> Exit {
        match self {
            Failure::Wrong(message) => {
                tell("error", &message);
                Exit::Wrong
            }
            Failure::Scenario(diagnostics) => {
                tell_raw(&diagnostics.render(true));
                Exit::Wrong
            }
            Failure::Internal(message) => {
                tell("internal error", &format!("{message}\nThis is a bug; please report it with the scenario and this message."));
                Exit::Internal
            }
        }
    }
}

/// Writes to standard error; where nobody listens there is nothing to do about it.
fn tell_raw(text: &str) {
    let _ = anstream::stderr().write_all(text.as_bytes());
}

fn tell(kind: &str, message: &str) {
    tell_raw(&format!("{kind}: {message}\n"));
}

/// Writes a result. A reader that has seen enough (`| head`) is no error.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Wrong(format!("cannot write the result: {error}"))),
        _ => Ok(()),
    }
}

/// Does what the command line says.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = with_command(args.into_iter().collect());
    let result = std::panic::catch_unwind(|| dispatch(args));
    // The panic has printed itself.
    let exit = result.unwrap_or_else(|_| Failure::Internal("the program failed".to_owned()).tell() as u8);
    ExitCode::from(exit)
}

fn dispatch(args: Vec<OsString>) -> u8 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return error.exit_code() as u8;
        }
    };
    match cli.color {
        When::Auto => {}
        When::Always => ColorChoice::Always.write_global(),
        When::Never => ColorChoice::Never.write_global(),
    }
    let result = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::check(&args),
        Command::Expand(args) => expand::expand(&args),
        Command::New(args) => new::new(&args),
        Command::Import(args) => import::import(&args),
        Command::Tune(args) => tune::tune(&args),
        Command::Compare(args) => compare::compare(&args),
        Command::List(args) => list::list(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::Report(args) => report::report(&args),
        Command::Schema => schema::schema(),
        Command::Completions(args) => completions::completions(&args),
        Command::Man => man::man(),
    };
    result.unwrap_or_else(Failure::tell) as u8
}

/// Whether results may be colored.
fn is_color_wanted() -> bool {
    AutoStream::choice(&io::stdout()) != ColorChoice::Never
}

/// `lbsim cart.yaml` is `lbsim run cart.yaml`, and options may stand in front of the command.
fn with_command(mut args: Vec<OsString>) -> Vec<OsString> {
    let cli = Cli::command().color(ClapColor::Never);
    let is_command = |arg: &OsStr| arg == "help" || cli.get_subcommands().any(|known| arg == known.get_name());
    let first = first_positional(&cli, &args);
    match args.get(first) {
        Some(arg) if is_command(arg) => args[1..=first].rotate_right(1),
        None if args.len() < 2 || args[1..].iter().any(|arg| ["-h", "--help", "-V", "--version"].iter().any(|known| arg == known)) => {}
        _ => args.insert(1, "run".into()),
    }
    args
}

/// Index of the first argument that is neither an option nor the value of one.
fn first_positional(cli: &clap::Command, args: &[OsString]) -> usize {
    let options = || cli.get_arguments().chain(cli.get_subcommands().flat_map(clap::Command::get_arguments));
    let takes_value = |name: &str| options().any(|option| option.get_long() == Some(name) && option.get_action().takes_values());
    let mut index = 1;
    while let Some(arg) = args.get(index).and_then(|arg| arg.to_str()) {
        match arg.strip_prefix("--") {
            Some("") => return args.len(),
            Some(name) => index += if takes_value(name) { 2 } else { 1 },
            None if arg.starts_with('-') && arg != "-" => index += 1,
            None => break,
        }
    }
    index
}

// ---- From the file to what can be run --------------------------------------------------------------------------------

/// A study, read and checked, and its variants ready to run.
struct Ready {
    study: Study,
    variants: Vec<Compiled>,
    /// What a user should know about the files that the scenario names.
    notes: Vec<String>,
}

/// More than any scenario has; the reader of the document says how much one may have.
const BYTES_READ_MAX: u64 = 4 << 20;

fn read(args: &StudyArgs) -> Result<Ready, Failure> {
    let study = variants::read(read_source(&args.file)?, &args.patches()).map_err(Failure::Scenario)?;
    let mut inputs = Inputs::default();
    for variant in &study.variants {
        inputs.read(&variant.scenario, base(&args.file)).map_err(|error| Failure::Wrong(printable(&error.to_string(), 1000)))?;
    }
    let compiled = study.variants.iter().map(|variant| {
        compile(&variant.name, &variant.point, &variant.scenario, &inputs).map_err(|message| {
            let place = if study.variants.len() > 1 { format!("variant `{}`: ", variant.name) } else { String::new() };
            Failure::Wrong(printable(&format!("{}: {place}{message}", study.source.name), 1000))
        })
    });
    let variants = compiled.collect::<Result<_, _>>()?;
    let notes = inputs.notes().map(|note| printable(&note, 1000)).collect();
    Ok(Ready { study, variants, notes })
}

/// Where the files are that a scenario names.
fn base(file: &str) -> &Path {
    Path::new(file).parent().filter(|_| file != "-").unwrap_or(Path::new(""))
}

fn read_source(file: &str) -> Result<Source, Failure> {
    let mut bytes = Vec::new();
    let (name, result) = match file {
        "-" => ("<stdin>", io::stdin().lock().take(BYTES_READ_MAX).read_to_end(&mut bytes)),
        _ => (file, File::open(file).and_then(|open| open.take(BYTES_READ_MAX).read_to_end(&mut bytes))),
    };
    result.map_err(|error| Failure::Wrong(cannot_read(name, &error)))?;
    document::decode(name, &bytes).map_err(Failure::Scenario)
}

fn cannot_read(file: &str, error: &io::Error) -> String {
    let shown = printable(file, 200);
    let command = Cli::command();
    let meant = did_you_mean(file, command.get_subcommands().map(clap::Command::get_name));
    match (error.kind(), meant) {
        (io::ErrorKind::NotFound, Some(meant)) => format!("there is no file `{shown}`; did you mean the command `{meant}`?"),
        (io::ErrorKind::NotFound, None) => format!("there is no file `{shown}`"),
        (io::ErrorKind::IsADirectory, _) => format!("`{shown}` is a folder; name a scenario file in it"),
        _ => format!("cannot read `{shown}`: {error}"),
    }
}

/// Warnings and notes of reading.
fn tell_reading(ready: &Ready) {
    tell_raw(&ready.study.warnings.render(true));
    ready.notes.iter().for_each(|note| tell("note", note));
}

/// `3 variants at 2 points, 10 replications of 10m each`.
fn outline(ready: &Ready) -> String {
    let first = &ready.variants[0];
    let points = ready.variants.iter().filter(|variant| variant.name == first.name).count();
    let counted = |count: usize, word: &str| if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") };
    let at = if first.point.is_empty() { String::new() } else { format!(" at {}", counted(points, "point")) };
    let replications = counted(ready.study.replications as usize, "replication");
    format!("{}{at}, {replications} of {} each", counted(ready.variants.len() / points.max(1), "variant"), length(Span(first.duration.0)))
}

/// A length of time for the eye: a trace's, which may be any number of nanoseconds, to the second.
fn length(span: Span) -> String {
    let seconds = span.as_secs_f64().round() as u64;
    match seconds {
        0..10 => span.to_string(),
        _ if span.0.is_multiple_of(1_000_000_000) => span.to_string(),
        10..120 => format!("{seconds}s"),
        120..7200 => format!("{}m {}s", seconds / 60, seconds % 60),
        _ => format!("{}h {}m", seconds / 3600, seconds % 3600 / 60),
    }
}
