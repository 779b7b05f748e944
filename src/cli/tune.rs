//! `lbsim tune`: the smallest (or largest) value of one field that meets a goal.

use super::run::{at_least_one, progress_bar, stop_on_interrupt};
use super::{Exit, Failure, StudyArgs, base, length, print, read_source, tell, tell_raw};
use crate::compile::{Compiled, compile};
use crate::error::{Diagnostic, Severity, Source, Spot, did_you_mean, printable};
use crate::experiment::Options;
use crate::input::Inputs;
use crate::report::{tuned_json, tuned_text, tuned_title, tuned_warnings};
use crate::scenario::variants::{self, Study, Trial};
use crate::summary::About;
use crate::tune::{self, Goal, Kind, Range, Tried, Tuned, Wanted, Wishes};
use crate::units::Span;
use clap::Args;
use indicatif::ProgressBar;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

const ABOUT_GOALS: &str = "A goal is `FIGURE SIGN NUMBER`, several joined by `and`: `failed == 0`, `p99 < 500ms`, `failed_share <= 0.1%`, `success >= 99.9%`, \
    `utilization_max < 80%`, `requests.by_error.timeout == 0`. Signs are ==, <, <=, > and >=. Figures are those of tables and of `slo`, the columns of \
    runs.csv, and paths into a variant's part of summary.json; `lbsim list metrics` has them.\n\n\
    A count (`failed`), a maximum, and whatever is compared by == must hold in every replication. An average (`p99`, `failed_share`) must hold at the \
    unfavourable end of its 95 % interval. A replication without a value misses. `lbsim explain tune` tells why.\n\n\
    What is tried first doubles, then halves the gap down to the step; the end of the range is tried, too. Every value meets the same customers. \
    Exit codes: 0 found, 1 no value of the range meets the goal, 2 the command line or the scenario is wrong, 130 interrupted by Ctrl-C.";

#[derive(Args)]
#[command(after_help = ABOUT_GOALS)]
pub(super) struct TuneArgs {
    #[command(flatten)]
    study: StudyArgs,
    /// The field, by its path as in --set: a duration, rate, share, size or number
    #[arg(long, value_name = "PATH")]
    field: String,
    /// The goal, such as "failed == 0 and p99 < 500ms"
    #[arg(long, value_name = "GOAL")]
    meet: String,
    /// Smallest value to look at; zero, or for rates and numbers with a point a tenth of the scenario's value, unless given
    #[arg(long, value_name = "VALUE")]
    from: Option<String>,
    /// Largest value to look at; ten times the scenario's value unless given, of shares 100%; where the scenario has none 1m or 100
    #[arg(long, value_name = "VALUE")]
    to: Option<String>,
    /// How exact it is to be; 1 of whole numbers, else the second digit of the scenario's value, at most 1s and 1%, unless given
    #[arg(long, value_name = "VALUE")]
    step: Option<String>,
    /// Find the smallest value that meets the goal; this is the default
    #[arg(long)]
    lowest: bool,
    /// Find the largest value that meets the goal
    #[arg(long, conflicts_with = "lowest")]
    highest: bool,
    /// The variant of `compare` to tune; the first unless given
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
    /// Threads; as many as there are processors unless given
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    jobs: Option<NonZeroUsize>,
    /// Print every value that was tried, and the answer, as JSON
    #[arg(long)]
    json: bool,
    /// Print errors only; with --json also what was found
    #[arg(long)]
    quiet: bool,
}

impl TuneArgs {
    fn wishes(&self) -> Wishes<'_> {
        Wishes { from: self.from.as_deref(), to: self.to.as_deref(), step: self.step.as_deref() }
    }
}

pub(super) fn tune(args: &TuneArgs) -> Result<Exit, Failure> {
    let bench = Bench::open(args)?;
    if !args.quiet {
        tell_raw(&bench.study.warnings.render(true));
    }
    let compiled = bench.compile(&bench.study)?;
    let goal = Goal::read(&args.meet, &tune::names(&compiled)).map_err(|error| Failure::Scenario(error.into()))?;
    let range = bench.range()?;
    let mut tuned = Tuned {
        field: args.field.clone(),
        variant: (bench.study.variants.len() > 1).then(|| bench.variant.clone()),
        goal,
        wanted: if args.highest { Wanted::Highest } else { Wanted::Lowest },
        range,
        seed: bench.study.seed,
        replications: bench.study.replications,
        tried: BTreeMap::new(),
        found: None,
        is_interrupted: false,
    };
    if !args.quiet && !args.json {
        print(&format!("{}\n\n", title(&tuned, &bench, Span(compiled.duration.0))))?;
    }
    look(&bench, &mut tuned)?;
    if args.json {
        let json = serde_json::to_string_pretty(&tuned_json(&tuned)).map_err(|error| Failure::Internal(error.to_string()))?;
        print(&format!("{json}\n"))?;
    } else if !args.quiet {
        print(&tuned_text(&tuned))?;
    }
    if !args.quiet {
        tuned_warnings(&tuned).iter().for_each(|warning| tell("warning", warning));
    }
    Ok(match tuned.found {
        _ if tuned.is_interrupted => Exit::Interrupted,
        Some(_) => Exit::Done,
        None => Exit::Missed,
    })
}

/// `small: servers.web.count from 1 to 20 in steps of 1, 4 replications of 1m each, seed 5`
fn title(tuned: &Tuned, bench: &Bench, duration: Span) -> String {
    let variant = tuned.variant.as_ref().map_or_else(String::new, |variant| format!(", variant {}", printable(variant, 80)));
    let replications = if tuned.replications == 1 { "1 replication".to_owned() } else { format!("{} replications", tuned.replications) };
    let name = printable(&bench.study.name, 80);
    format!("{name}: {}{variant}, {replications} of {} each, seed {}", tuned_title(tuned), length(duration), tuned.seed)
}

/// Why a search ends early.
enum Stop {
    Interrupted,
    Failed(Failure),
}

fn look(bench: &Bench, tuned: &mut Tuned) -> Result<(), Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let bar = progress_bar(u64::from(tuned.replications), bench.args.quiet);
    stop_on_interrupt(&stop, &bar);
    let (goal, range, wanted) = (tuned.goal.clone(), tuned.range.clone(), tuned.wanted);
    let meets = |index: u64| {
        let tried = bench.try_value(&range.value(index), &goal, &stop, &bar)?;
        let is_met = tried.is_met();
        tuned.tried.insert(index, tried);
        Ok(is_met)
    };
    let found = tune::search(range.last(), wanted, |index| range.double(index), meets);
    bar.finish_and_clear();
    match found {
        Ok(found) => tuned.found = found,
        Err(Stop::Interrupted) => tuned.is_interrupted = true,
        Err(Stop::Failed(failure)) => return Err(failure),
    }
    Ok(())
}

/// The scenario, ready to take any value of the field.
struct Bench<'a> {
    args: &'a TuneArgs,
    source: Source,
    sets: Vec<(String, String)>,
    study: Study,
    variant: String,
    /// What was read for one value serves the others.
    inputs: RefCell<Inputs>,
}

impl<'a> Bench<'a> {
    fn open(args: &'a TuneArgs) -> Result<Bench<'a>, Failure> {
        let source = read_source(&args.study.file)?;
        let sets = args.study.patches();
        let study = variants::read(copy(&source), &sets).map_err(Failure::Scenario)?;
        if let Some((path, _)) = study.variants[0].point.first() {
            let message = format!("{} sweeps over `{}`, and tuning is a sweep of its own", source.name, path);
            return Err(Failure::Wrong(printable(&format!("{message}; `--set sweep=null` takes the sweep away"), 1000)));
        }
        let names = || study.variants.iter().map(|variant| variant.name.as_str());
        let variant = args.variant.clone().unwrap_or_else(|| study.variants[0].name.clone());
        if !names().any(|name| name == variant) {
            let help = did_you_mean(&variant, names()).map_or_else(
                || format!("there are {}", names().collect::<Vec<_>>().join(", ")),
                |meant| format!("did you mean `{meant}`?"),
            );
            return Err(Failure::Wrong(printable(&format!("there is no variant `{variant}`; {help}"), 1000)));
        }
        Ok(Bench { args, source, sets, study, variant, inputs: RefCell::default() })
    }

    /// The variant as the study has it.
    fn compile(&self, study: &Study) -> Result<Compiled, Failure> {
        let found = study.variants.iter().find(|variant| variant.name == self.variant).or(study.variants.first());
        let Some(variant) = found else { return Err(Failure::Internal("a study has a variant".to_owned())) };
        let mut inputs = self.inputs.borrow_mut();
        let wrong = |message: String| Failure::Wrong(printable(&message, 1000));
        inputs.read(&variant.scenario, base(&self.args.study.file)).map_err(|error| wrong(error.to_string()))?;
        let compiled = compile(&self.variant, &variant.point, &variant.scenario, &inputs);
        compiled.map_err(|message| wrong(format!("{}: {message}", study.source.name)))
    }

    /// The variant with a value in the field.
    fn with(&self, value: &str) -> Result<Compiled, Failure> {
        let trial = Trial { variant: &self.variant, path: &self.args.field, value };
        let study = variants::read_trial(copy(&self.source), &self.sets, trial).map_err(Failure::Scenario)?;
        self.compile(&study)
    }

    fn accepts(&self, value: &str) -> bool {
        self.with(value).is_ok()
    }

    /// The values to look at. Those that were asked for must be possible; the others give way.
    fn range(&self) -> Result<Range, Failure> {
        let wishes = self.args.wishes();
        let node = variants::written(copy(&self.source), &self.sets, &self.variant, &self.args.field).map_err(Failure::Scenario)?;
        let written = node.as_ref().and_then(|node| node.text());
        let kind = Kind::find(written, wishes, |value| self.accepts(value));
        let Some(kind) = kind else {
            let Some(node) = node else {
                // What is wrong with a number says what the field takes, or that there is no such field.
                self.with("1").map_err(|failure| without_value(failure, &self.args.field))?;
                return Err(Failure::Wrong(format!("`{}` takes any word", printable(&self.args.field, 200))));
            };
            let help = "--field names a duration, a rate, a share, a size or a number";
            let message = format!("`{}` is {}, no quantity that could be smaller or larger; {help}", self.args.field, node.described());
            return Err(Failure::Wrong(printable(&message, 1000)));
        };
        let range = Range::new(kind, written, wishes).map_err(|message| Failure::Wrong(printable(&message, 1000)))?;
        for (_, end) in [(wishes.from, 0), (wishes.to, range.last())].into_iter().filter(|(wish, _)| wish.is_some()) {
            self.with(&range.value(end))?;
        }
        match range.within(written, wishes, |index| self.accepts(&range.value(index))) {
            Some(range) => Ok(range),
            None => {
                self.with(&range.value(range.last())).map_err(|failure| without_value(failure, &self.args.field))?;
                Err(Failure::Wrong("no value of the range is possible".to_owned()))
            }
        }
    }

    fn try_value(&self, value: &str, goal: &Goal, stop: &AtomicBool, bar: &ProgressBar) -> Result<Tried, Stop> {
        let compiled = match self.with(value) {
            Ok(compiled) => compiled,
            Err(failure @ Failure::Internal(_)) => return Err(Stop::Failed(failure)),
            Err(failure) => return Ok(Tried::Refused(reason(&failure))),
        };
        let Study { name, about, seed, replications, .. } = &self.study;
        let about = About { scenario: name.clone(), about: about.clone(), seed: *seed, replications: *replications };
        let options = Options { seed: *seed, replications: *replications, jobs: self.args.jobs.map(usize::from) };
        bar.set_message(value.to_owned());
        let readings = tune::simulate(&about, &compiled, goal, &options, stop, &|progress| {
            bar.set_length(progress.total as u64);
            bar.set_position(progress.done as u64);
        });
        let readings = readings.map_err(|error| Stop::Failed(Failure::Internal(error.to_string())))?;
        if readings.is_complete() { Ok(Tried::Run(Box::new(readings))) } else { Err(Stop::Interrupted) }
    }
}

/// Messages quote the field as the user wrote it: the value was lbsim's.
fn without_value(failure: Failure, field: &str) -> Failure {
    let Failure::Scenario(found) = failure else { return failure };
    let own = Arc::new(Source { name: variants::FIELD.to_owned(), text: field.to_owned() });
    let of_field = |mut diagnostic: Diagnostic| {
        if let Some(spot) = diagnostic.spot.as_mut().filter(|spot| spot.source.name == variants::FIELD) {
            let range = if spot.range.end <= field.len() { spot.range.clone() } else { 0..field.len() };
            *spot = Spot { source: own.clone(), range };
        }
        diagnostic
    };
    Failure::Scenario(found.into_iter().map(of_field).collect())
}

fn copy(source: &Source) -> Source {
    Source { name: source.name.clone(), text: source.text.clone() }
}

/// In a few words.
fn reason(failure: &Failure) -> String {
    match failure {
        Failure::Scenario(found) => {
            let first = found.iter().find(|found| found.severity == Severity::Error);
            first.map_or_else(String::new, |first| first.message.clone())
        }
        Failure::Wrong(message) | Failure::Internal(message) => message.clone(),
    }
}
