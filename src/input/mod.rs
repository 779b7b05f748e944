//! Files that scenarios name, read into memory: traces (CSV or access log, plain or gzip) and columns of measured values.
//! This is where the scenario meets the disk; everything below works on what it returns.

mod inputs;
mod instant;
mod log;
mod source;
mod table;
#[cfg(test)]
mod tests;

pub use inputs::Inputs;

use crate::scenario::{Trace, TraceFormat};
use crate::units::{SPAN_MAX, Span, Time};
use source::Source;
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use table::Table;

/// What is wrong with a file that a scenario names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputError {
    /// The file, as a path from where the program runs.
    pub file: String,
    /// Line of the file (unpacked), from 1, where one is to blame.
    pub line: Option<u64>,
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl InputError {
    fn new(file: &str, message: impl Into<String>) -> InputError {
        InputError { file: file.to_owned(), line: None, message: message.into(), help: None }
    }

    fn at(mut self, line: u64) -> InputError {
        self.line = Some(line);
        self
    }

    fn help(mut self, help: impl Into<String>) -> InputError {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(help) = &self.help {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for InputError {}

/// A recorded workload, column by column: entry i of each column belongs to request i. Sorted by time; requests of one
/// instant keep the file's order. `pace` is applied to the times, not to the work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceData {
    /// When each request arrives. Numbers are kept as given, so that the first may come after 0; date-times and access
    /// logs are counted from the earliest row.
    pub at: Vec<Time>,
    /// Work of each request; `None` where the trace does not say, and it comes from `requests`.
    pub work: Option<Vec<Span>>,
    /// Who sent it, as an index into `clients`.
    pub client: Option<Vec<u32>>,
    /// The clients in the order in which the file first names them.
    pub clients: Vec<TraceClient>,
    /// Path of each request, as an index into `paths`. Of an access log: without the query string.
    pub path: Option<Vec<u32>>,
    pub paths: Vec<String>,
    /// Time of the last arrival, hence the default duration; a run must include what arrives at its last instant.
    pub length: Span,
    /// What a user should know about how the file was read, each a sentence without the file's name.
    pub notes: Vec<String>,
}

/// Somebody who sends requests in a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceClient {
    pub name: String,
    /// The name, where it is an IP address.
    pub address: Option<IpAddr>,
}

/// How much of a file is read before it is refused; memory stays proportional to rows and distinct names.
#[derive(Clone, Copy)]
struct Limits {
    /// Bytes after unpacking.
    bytes: u64,
    /// Rows or log lines.
    rows: usize,
}

const LIMITS: Limits = Limits { bytes: 2 << 30, rows: 20_000_000 };

/// Reads the trace whose path is relative to `base`, the scenario's directory. Refuses what it cannot understand with the line
/// that is to blame: no row is left out silently.
pub fn load_trace(trace: &Trace, base: &Path) -> Result<TraceData, InputError> {
    let path = base.join(&trace.file);
    let name = path.display().to_string();
    check_pace(trace, &name)?;
    read_trace(trace, source::open(&path, &name, LIMITS)?)
}

/// Reads a column of values, each times `unit`, for `empirical`. The path is relative to `base`, the scenario's directory.
pub fn load_empirical(file: &str, column: &str, unit: Span, base: &Path) -> Result<Arc<[Span]>, InputError> {
    let path = base.join(file);
    let name = path.display().to_string();
    read_empirical(column, unit, source::open(&path, &name, LIMITS)?)
}

fn read_trace(trace: &Trace, source: Source) -> Result<TraceData, InputError> {
    let name = source.name.clone();
    let mut columns = match trace.format {
        TraceFormat::Csv => table::read_trace(trace, Table::open(source)?)?,
        TraceFormat::Combined => log::read_trace(trace, source)?,
    };
    let mut notes = columns.notes();
    let late = columns.sort();
    if late > 0 {
        notes.push(format!("{late} of {} rows came after a later one; sorted by time", columns.at.len()));
    }
    if trace.format == TraceFormat::Combined {
        log::spread_seconds(&mut columns.at);
    }
    finish(columns, trace.pace.unwrap_or(1.0), notes, &name)
}

fn read_empirical(column: &str, unit: Span, source: Source) -> Result<Arc<[Span]>, InputError> {
    let mut table = Table::open(source)?;
    let column = table.column(column)?;
    let mut values = Vec::new();
    while table.advance()? {
        values.push(Span(table.nanoseconds(&[(column, unit)], Span::ZERO)?));
    }
    Ok(values.into())
}

fn check_pace(trace: &Trace, file: &str) -> Result<(), InputError> {
    match trace.pace {
        Some(pace) if !(pace.is_finite() && pace > 0.0) => {
            Err(InputError::new(file, format!("cannot be replayed at pace {pace}")).help("2.0 is twice as fast, 0.5 half as fast"))
        }
        _ => Ok(()),
    }
}

/// The columns as they are read: times in nanoseconds since the start, or since 1970 for date-times.
#[derive(Default)]
struct Columns {
    at: Vec<i64>,
    /// Times are counted from the earliest row, not from 0.
    is_absolute: bool,
    work: Option<Vec<Span>>,
    client: Option<Vec<u32>>,
    clients: Names,
    path: Option<Vec<u32>>,
    paths: Names,
}

impl Columns {
    /// Sorts by time, stably. Returns how many rows are earlier than some row before them.
    fn sort(&mut self) -> usize {
        let mut latest = i64::MIN;
        let mut late = 0;
        for &at in &self.at {
            late += usize::from(at < latest);
            latest = latest.max(at);
        }
        if late > 0 {
            let mut order: Vec<u32> = (0..self.at.len() as u32).collect();
            order.sort_by_key(|&row| self.at[row as usize]);
            permute(&mut self.at, &order);
            self.work.iter_mut().for_each(|column| permute(column, &order));
            self.client.iter_mut().for_each(|column| permute(column, &order));
            self.path.iter_mut().for_each(|column| permute(column, &order));
        }
        late
    }

    fn notes(&self) -> Vec<String> {
        let lossy = self.clients.not_utf8 + self.paths.not_utf8;
        if lossy == 0 {
            return Vec::new();
        }
        vec![format!("{lossy} names are not UTF-8; what cannot be read in them is shown as \u{fffd}")]
    }
}

fn permute<T: Copy>(column: &mut Vec<T>, order: &[u32]) {
    *column = order.iter().map(|&row| column[row as usize]).collect();
}

/// Turns sorted columns into a trace: counts from the start, applies the pace.
fn finish(columns: Columns, pace: f64, mut notes: Vec<String>, file: &str) -> Result<TraceData, InputError> {
    let (Some(&first), Some(&last)) = (columns.at.first(), columns.at.last()) else {
        return Err(InputError::new(file, "has no requests"));
    };
    let start = if columns.is_absolute { first } else { 0 };
    if (last - start) as f64 / pace > SPAN_MAX.0 as f64 {
        return Err(InputError::new(file, "is longer than a century").help("is the `unit` of `time`, or `pace`, right?"));
    }
    let at: Vec<Time> = columns.at.iter().map(|&at| at_pace(at - start, pace)).collect();
    let (head, length) = (at[0].since(Time::ZERO), at[at.len() - 1].since(Time::ZERO));
    if head > Span::from_secs(86_400) && head.0 > length.0 - head.0 {
        notes.push(format!(
            "the first request arrives only after {:.1} days; numbers are times since the start",
            head.as_secs_f64() / 86_400.0
        ));
    }
    let clients = columns.clients.names.into_iter().map(|name| TraceClient { address: name.parse().ok(), name }).collect();
    let (work, client, path, paths) = (columns.work, columns.client, columns.path, columns.paths.names);
    Ok(TraceData { at, work, client, clients, path, paths, length, notes })
}

fn at_pace(ns: i64, pace: f64) -> Time {
    if pace == 1.0 { Time(ns as u64) } else { Time((ns as f64 / pace + 0.5) as u64) }
}

/// Distinct names by their bytes, numbered in order of first appearance. The map only looks up, so its order never matters.
#[derive(Default)]
struct Names {
    index: HashMap<Box<[u8]>, u32>,
    names: Vec<String>,
    /// Names that are not UTF-8 and were converted with a loss.
    not_utf8: usize,
}

impl Names {
    fn index_of(&mut self, name: &[u8]) -> u32 {
        if let Some(&index) = self.index.get(name) {
            return index;
        }
        let index = self.names.len() as u32;
        self.not_utf8 += usize::from(std::str::from_utf8(name).is_err());
        self.names.push(String::from_utf8_lossy(name).into_owned());
        self.index.insert(name.into(), index);
        index
    }
}

/// The candidate that looks most like `name`, if one does: but for case a Jaro-Winkler similarity of 0.8 or more, or (where the name
/// is too short for that to tell) one character more, less or other.
fn closest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    const ALIKE: f64 = 0.8;
    let alike = |candidate: &str| {
        let candidate = candidate.to_lowercase();
        let is_one_off = wanted.chars().count() > 1 && strsim::damerau_levenshtein(&wanted, &candidate) <= 1;
        strsim::jaro_winkler(&wanted, &candidate).max(if is_one_off { ALIKE } else { 0.0 })
    };
    let scored = candidates.map(|candidate| (alike(candidate), candidate)).filter(|(score, _)| *score >= ALIKE);
    scored.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, candidate)| candidate)
}

/// Bytes of a file for a message: escaped, cut after 60 characters.
fn shown(bytes: &[u8]) -> String {
    const LENGTH_MAX: usize = 60;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * LENGTH_MAX + 4)]);
    let mut shown = String::new();
    for c in text.chars().take(LENGTH_MAX) {
        match c {
            '"' | '\'' | '\\' => shown.push(c),
            _ => shown.extend(c.escape_debug()),
        }
    }
    if text.chars().count() > LENGTH_MAX {
        shown.push('…');
    }
    shown
}
