//! `lbsim run`: simulates a scenario, prints what came out and writes the results folder.

use super::{Exit, Failure, Ready, StudyArgs, is_color_wanted, outline, print, read, tell, tell_reading};
use crate::error::printable;
use crate::experiment::{self, Options, Progress};
use crate::report::{self, Look};
use crate::summary::{About, SourceText, Summary, details, summarise};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::env;
use std::fs;
use std::io::{IsTerminal, stdout};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[derive(Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    study: StudyArgs,
    /// Threads; as many as there are processors unless given
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    jobs: Option<NonZeroUsize>,
    /// Folder for the results; `results/<name>` unless given
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the summary as JSON instead of the table
    #[arg(long)]
    json: bool,
    /// Print errors only; with --json also the summary
    #[arg(long)]
    quiet: bool,
    /// Exit with 1 if a variant misses an objective
    #[arg(long)]
    assert_slo: bool,
}

pub(super) fn at_least_one(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "a whole number from 1 up is right; leave --jobs out for all processors".to_owned())
}

pub(super) fn run(args: &RunArgs) -> Result<Exit, Failure> {
    let ready = read(&args.study)?;
    if !args.quiet {
        tell_reading(&ready);
    }
    if args.assert_slo && ready.variants.iter().all(|variant| variant.slo.is_none()) {
        return Err(Failure::Wrong("--assert-slo needs objectives; the scenario has no `slo`".to_owned()));
    }
    let dir = args.out.clone().unwrap_or_else(|| Path::new("results").join(report::folder_name(&ready.study.name)));
    // Before an hour of simulation, not after it.
    fs::create_dir_all(&dir).map_err(|error| cannot_write(&dir, &error))?;
    let study = &ready.study;
    let stop = Arc::new(AtomicBool::new(false));
    let bar = progress_bar(ready.variants.len() as u64 * u64::from(study.replications), args.quiet);
    stop_on_interrupt(&stop, &bar);
    let options = Options { seed: study.seed, replications: study.replications, jobs: args.jobs.map(usize::from) };
    let results = experiment::run(&ready.variants, &options, &stop, &|progress| show(&bar, progress));
    bar.finish_and_clear();
    let results = results.map_err(|error| Failure::Internal(error.to_string()))?;
    if results.iter().all(|results| results.runs.is_empty()) {
        tell("interrupted", "no replication was complete; nothing is written");
        return Ok(Exit::Interrupted);
    }
    let about = About { scenario: study.name.clone(), about: study.about.clone(), seed: study.seed, replications: study.replications };
    let summary = summarise(&about, &ready.variants, &results);
    let source = SourceText { name: study.source.name.clone(), text: study.source.text.clone() };
    let details = details(source, args.study.command(), &ready.variants, &results);
    report::write(&dir, &summary, &details, &ready.variants, &results).map_err(|error| cannot_write(&dir, &error))?;
    let page = report::draw(&dir).map_err(|error| Failure::Wrong(format!("cannot draw the report: {error}")))?;
    show_results(args, &ready, &summary, &page)?;
    Ok(exit(args, &summary))
}

fn cannot_write(dir: &Path, error: &std::io::Error) -> Failure {
    Failure::Wrong(format!("cannot write the results into `{}`: {error}", printable(&dir.display().to_string(), 200)))
}

fn show_results(args: &RunArgs, ready: &Ready, summary: &Summary, page: &Path) -> Result<(), Failure> {
    if args.json {
        print(&summary.to_json().map_err(|error| Failure::Internal(error.to_string()))?)?;
    } else if !args.quiet {
        let title = format!("{}: {}, seed {}", printable(&summary.scenario, 80), outline(ready), summary.seed);
        print(&report::page(&title, summary, Look { width: width(), color: is_color_wanted() }))?;
    }
    if !args.quiet {
        report::notes(summary).iter().for_each(|note| tell("note", note));
        tell("report", &printable(&page.display().to_string(), 200));
    }
    Ok(())
}

fn exit(args: &RunArgs, summary: &Summary) -> Exit {
    if summary.variants.iter().any(|variant| variant.replications_done < summary.replications) {
        return Exit::Interrupted;
    }
    if args.assert_slo && !summary.is_slo_met() {
        let missed = summary.variants.iter().filter(|variant| variant.slo.iter().any(|objective| !objective.met)).count();
        tell("slo", &format!("missed by {missed} of {} variants", summary.variants.len()));
        return Exit::Missed;
    }
    Exit::Done
}

/// Columns of the terminal as the shell tells them; what fits everywhere where it does not.
pub(super) fn width() -> usize {
    let told = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0);
    let real = || terminal_size::terminal_size_of(stdout()).map(|(width, _)| usize::from(width.0)).filter(|width| *width > 0);
    told.or_else(real).unwrap_or(if stdout().is_terminal() { 80 } else { 100 })
}

// ---- While it runs ---------------------------------------------------------------------------------------------------

/// Shown on a terminal only.
pub(super) fn progress_bar(runs: u64, is_quiet: bool) -> ProgressBar {
    let target = if is_quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(Some(runs), target);
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} runs, {eta} left") {
        bar.set_style(style);
    }
    bar.set_message("simulating");
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

fn show(bar: &ProgressBar, progress: Progress) {
    bar.set_message(if progress.is_pilot { "finding the warm-up" } else { "simulating" });
    bar.set_length(progress.total as u64);
    bar.set_position(progress.done as u64);
}

/// The first Ctrl-C lets the runs under way finish, the second ends the program at once.
pub(super) fn stop_on_interrupt(stop: &Arc<AtomicBool>, bar: &ProgressBar) {
    let (stop, bar) = (stop.clone(), bar.clone());
    let handler = move || {
        if stop.swap(true, Ordering::Relaxed) {
            process::exit(Exit::Interrupted as i32);
        }
        bar.suspend(|| tell("interrupted", "finishing the runs under way; Ctrl-C again ends it at once"));
    };
    // Without a handler Ctrl-C ends the program, which is what it always does.
    let _ = ctrlc::set_handler(handler);
}
