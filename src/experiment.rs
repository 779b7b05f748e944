//! Runs every replication of every variant on threads. Results are folded in the order of the plan, never in that of finishing,
//! so that the same seed gives the same bytes for any number of threads.
//!
//! The plan goes replication by replication, and within one variant by variant: whenever it is interrupted, what is there is
//! balanced. Threads take the runs in that order, so what is complete after an interruption is the plan's beginning, without
//! holes. A thread that is far ahead waits, so that only a few finished runs are held at a time.

use crate::compile::Compiled;
use crate::measure::{RunRecord, timeline};
use crate::model::plan::Plan;
use crate::scenario::Warmup;
use crate::stats::Truncation;
use crate::summary::Accumulator;
use crate::units::Time;
use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::{fmt, thread};

/// Pilot runs of each variant where the warm-up is to be found.
const PILOTS_MAX: u32 = 3;
/// Runs that may be under way or held, per thread.
const AHEAD_MAX: usize = 4;

/// How to run a study.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub seed: u64,
    pub replications: u32,
    /// Threads; `None`: as many as there are processors.
    pub jobs: Option<usize>,
}

/// How far it is; told after each run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub done: usize,
    pub total: usize,
    /// These runs only look for the end of the warm-up.
    pub is_pilot: bool,
}

/// Why there are no results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExperimentError {
    /// A run panicked, which is a bug. Everything to repeat it is here.
    Crashed { variant: String, replication: u32, seed: u64, message: String },
    /// The threads could not be started.
    Threads(String),
}

impl fmt::Display for ExperimentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExperimentError::Crashed { variant, replication, seed, message } => {
                write!(f, "the simulator failed in variant `{variant}`, replication {replication}, seed {seed}: {message}")
            }
            ExperimentError::Threads(message) => write!(f, "cannot start threads: {message}"),
        }
    }
}

impl std::error::Error for ExperimentError {}

/// Runs all replications of all variants and returns what each variant's runs left, in the order of `variants`. Once `stop` is
/// set, no further run is started; those under way are finished and counted.
pub fn run(
    variants: &[Compiled],
    options: &Options,
    stop: &AtomicBool,
    on_progress: &(dyn Fn(Progress) + Sync),
) -> Result<Vec<Accumulator>, ExperimentError> {
    run_by(&crate::model::run, variants, options, stop, on_progress)
}

/// As [`run`], with the simulator as an argument.
pub(crate) fn run_by(
    simulate: &(dyn Fn(Plan) -> RunRecord + Sync),
    variants: &[Compiled],
    options: &Options,
    stop: &AtomicBool,
    on_progress: &(dyn Fn(Progress) + Sync),
) -> Result<Vec<Accumulator>, ExperimentError> {
    let runner = Runner { simulate, variants, options, stop, on_progress };
    let mut results = runner.find_warmups()?;
    runner.run_all(&mut results)?;
    Ok(results)
}

struct Runner<'a> {
    simulate: &'a (dyn Fn(Plan) -> RunRecord + Sync),
    variants: &'a [Compiled],
    options: &'a Options,
    stop: &'a AtomicBool,
    on_progress: &'a (dyn Fn(Progress) + Sync),
}

/// One run.
#[derive(Clone, Copy)]
struct Task {
    variant: usize,
    replication: u32,
}

impl Runner<'_> {
    /// Empty accumulators with the warm-up of each variant. Where it is `auto`, it is the latest cut that MSER-5 proposes for any
    /// pilot run of any such variant at the same sweep point: variants that are compared are cut alike, so that pairs stay pairs,
    /// and a point with a light load does not pay for a heavy one.
    fn find_warmups(&self) -> Result<Vec<Accumulator>, ExperimentError> {
        let is_auto = |variant: &Compiled| variant.warmup == Warmup::Auto;
        let pilots = self.tasks(self.options.replications.min(PILOTS_MAX), is_auto);
        let mut cuts: Vec<Option<Truncation>> = vec![None; self.variants.len()];
        let simulate = |task: Task| (self.simulate)(self.plan(task, Time::ZERO, true)).truncation;
        self.in_order(&pilots, true, simulate, |task, found| {
            cuts[task.variant] = latest(cuts[task.variant], found);
        })?;
        let warmup = |variant: &Compiled| match variant.warmup {
            Warmup::Fixed(span) => Accumulator::new(Time::ZERO + span),
            Warmup::Auto => {
                let alike = self.variants.iter().zip(&cuts).filter(|(other, _)| is_auto(other) && other.point == variant.point);
                let cut = alike.fold(None, |cut, (_, found)| latest(cut, *found));
                let found = Accumulator::new(cut.map_or(Time::ZERO, |cut| cut.at.min(Time(variant.duration.0 / 2))));
                Accumulator { is_warmup_doubtful: !cut.is_some_and(|cut| cut.is_reliable), ..found }
            }
        };
        Ok(self.variants.iter().map(warmup).collect())
    }

    fn run_all(&self, results: &mut [Accumulator]) -> Result<(), ExperimentError> {
        let warmups: Vec<Time> = results.iter().map(|result| result.warmup).collect();
        let tasks = self.tasks(self.options.replications, |_| true);
        let simulate = |task: Task| (self.simulate)(self.plan(task, warmups[task.variant], false));
        self.in_order(&tasks, false, simulate, |task, run| results[task.variant].fold(run))
    }

    /// Replication by replication, then variant by variant.
    fn tasks(&self, replications: u32, belongs: impl Fn(&Compiled) -> bool) -> Vec<Task> {
        let members: Vec<usize> = (0..self.variants.len()).filter(|index| belongs(&self.variants[*index])).collect();
        (0..replications).flat_map(|replication| members.iter().map(move |variant| Task { variant: *variant, replication })).collect()
    }

    fn plan(&self, task: Task, warmup: Time, is_pilot: bool) -> Plan {
        let variant = &self.variants[task.variant];
        Plan {
            seed: self.options.seed,
            replication: task.replication,
            duration: variant.duration,
            drains: variant.drains,
            warmup,
            timeline_bin: timeline::bin_for(variant.duration),
            is_pilot,
            topology: variant.topology.clone(),
        }
    }

    /// Does the tasks on threads and folds what comes of them in the order of the tasks, each as soon as it is its turn.
    fn in_order<T: Send>(
        &self,
        tasks: &[Task],
        is_pilot: bool,
        work: impl Fn(Task) -> T + Sync,
        fold: impl FnMut(Task, T) + Send,
    ) -> Result<(), ExperimentError> {
        if tasks.is_empty() {
            return Ok(());
        }
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let threads = self.options.jobs.unwrap_or(processors).clamp(1, tasks.len());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| ExperimentError::Threads(error.to_string()))?;
        let line =
            Line { tasks, ahead_max: AHEAD_MAX * threads, stop: self.stop, turn: Condvar::new(), state: Mutex::new(State::new(fold)) };
        let worker = || {
            while let Some(index) = line.next() {
                let result = catch_unwind(AssertUnwindSafe(|| work(tasks[index])));
                let result = result.map_err(|panic| self.crashed(tasks[index], panic));
                let progress = |done| (self.on_progress)(Progress { done, total: tasks.len(), is_pilot });
                // Folding may have a bug, too; nobody shall wait for a turn that never comes.
                let booked = catch_unwind(AssertUnwindSafe(|| line.finished(index, result, progress)));
                booked.unwrap_or_else(|panic| line.fail(self.crashed(tasks[index], panic)));
            }
        };
        pool.scope(|scope| (0..threads).for_each(|_| scope.spawn(|_| worker())));
        let state = line.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        state.error.map_or(Ok(()), Err)
    }

    fn crashed(&self, task: Task, panic: Box<dyn Any + Send>) -> ExperimentError {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        ExperimentError::Crashed {
            variant: self.variants[task.variant].name.clone(),
            replication: task.replication,
            seed: self.options.seed,
            message: text.unwrap_or("no message").to_owned(),
        }
    }
}

/// The later of two cuts; in doubt where one of them is.
fn latest(a: Option<Truncation>, b: Option<Truncation>) -> Option<Truncation> {
    match (a, b) {
        (Some(a), Some(b)) => Some(Truncation { at: a.at.max(b.at), is_reliable: a.is_reliable && b.is_reliable }),
        (one, other) => one.or(other),
    }
}

/// Tasks that are taken and folded in order.
struct Line<'a, T, F> {
    tasks: &'a [Task],
    /// A task is not begun before the one so many places in front of it is folded.
    ahead_max: usize,
    stop: &'a AtomicBool,
    /// Something was folded, or it is over.
    turn: Condvar,
    state: Mutex<State<T, F>>,
}

struct State<T, F> {
    begun: usize,
    folded: usize,
    /// Finished out of turn.
    held: BTreeMap<usize, T>,
    fold: F,
    error: Option<ExperimentError>,
    done: usize,
}

impl<T, F: FnMut(Task, T)> State<T, F> {
    fn new(fold: F) -> State<T, F> {
        State { begun: 0, folded: 0, held: BTreeMap::new(), fold, error: None, done: 0 }
    }
}

impl<T, F: FnMut(Task, T)> Line<'_, T, F> {
    fn lock(&self) -> MutexGuard<'_, State<T, F>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next task to begin; `None` when there is none, or when it is over.
    fn next(&self) -> Option<usize> {
        let is_ahead = |state: &mut State<T, F>| state.error.is_none() && state.begun >= state.folded + self.ahead_max;
        let mut state = self.turn.wait_while(self.lock(), is_ahead).unwrap_or_else(PoisonError::into_inner);
        if state.error.is_some() || self.stop.load(Ordering::Relaxed) || state.begun == self.tasks.len() {
            return None;
        }
        state.begun += 1;
        Some(state.begun - 1)
    }

    fn finished(&self, index: usize, result: Result<T, ExperimentError>, on_progress: impl Fn(usize)) {
        let result = match result {
            Ok(result) => result,
            Err(error) => return self.fail(error),
        };
        let mut state = self.lock();
        let state = &mut *state;
        state.held.insert(index, result);
        state.done += 1;
        on_progress(state.done);
        while let Some(result) = state.held.remove(&state.folded) {
            (state.fold)(self.tasks[state.folded], result);
            state.folded += 1;
        }
        self.turn.notify_all();
    }

    /// Ends it; of several errors the first to happen is told.
    fn fail(&self, error: ExperimentError) {
        let mut state = self.lock();
        state.error = state.error.take().or(Some(error));
        self.turn.notify_all();
    }
}

#[cfg(test)]
mod tests;
