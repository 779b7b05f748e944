//! Slips of the hand, broken disks and malice: the shipped scenarios and their traces, changed at random. The reader never panics,
//! is always done soon, and what it says points into the file. `LBSIM_FUZZ_CASES` sets how many are tried; the seed is fixed.

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use lbsim::compile::compile;
use lbsim::document;
use lbsim::error::Diagnostics;
use lbsim::input::{InputError, Inputs, TraceData, load_trace};
use lbsim::scenario::{Arrivals, Trace, variants};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestCaseError, TestRunner};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Unoptimised, on a busy machine. Measured: at most 0.2 s.
const LONGEST: Duration = Duration::from_secs(5);

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

fn shipped() -> Vec<Vec<u8>> {
    let paths = fs::read_dir(scenarios()).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect();
    paths.sort();
    assert!(paths.len() >= 7);
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// One change. Places are taken modulo the length.
#[derive(Clone, Debug)]
enum Slip {
    Byte(usize, u8),
    Delete(usize, usize),
    Insert(usize, &'static [u8]),
    /// A copy of a part at another place.
    Copy(usize, usize, usize),
    Cut(usize),
    DoubleLine(usize),
    DropLine(usize),
    SwapLines(usize, usize),
    /// The first number from the place on becomes another one.
    Number(usize, &'static [u8]),
}

const WORDS: &[&[u8]] = &[
    b"null",
    b"~",
    b"{}",
    b"[]",
    b": ",
    b"- ",
    b"&a ",
    b"*a ",
    b"<<: *a",
    b"!!str ",
    b"|\n",
    b">-\n",
    b"\"",
    b"'",
    b"#",
    b"\t",
    b"\r\n",
    b"---\n",
    b"...\n",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\0",
    b"\xc3\xa9",
    b"\xe2\x80\xae",
    b"\x1b[31m",
    b"unbounded",
    b"trace: ",
    b"sweep:\n  seed: [1]\n",
    b"compare: [random]\n",
    b"balancers",
    b",",
    b"/",
    b"%",
    b"ms",
    b"inf",
    b"nan",
    b"1/s",
];
const NUMBERS: &[&[u8]] = &[
    b"0",
    b"-1",
    b"-0",
    b"1e300",
    b"1e-300",
    b"1e999",
    b"4294967295",
    b"4294967296",
    b"18446744073709551616",
    b"99999999999999999999999999",
    b"0.1",
    b"NaN",
    b"1_000",
    b"0x10",
    b"100000",
    b"1e9",
    b".5",
    b"5.",
    b"00",
    b"\xd9\xa3",
];

fn slip() -> impl Strategy<Value = Slip> {
    let place = any::<usize>;
    let word = prop::sample::select(WORDS);
    let number = prop::sample::select(NUMBERS);
    prop_oneof![
        2 => (place(), prop_oneof![any::<u8>(), prop::sample::select(&b"{}[]:,-#&*!|>'\"%@`~ \n\t0"[..])]).prop_map(|(at, byte)| Slip::Byte(at, byte)),
        2 => (place(), 1..30usize).prop_map(|(at, count)| Slip::Delete(at, count)),
        2 => (place(), word).prop_map(|(at, word)| Slip::Insert(at, word)),
        1 => (place(), 1..200usize, place()).prop_map(|(from, count, to)| Slip::Copy(from, count, to)),
        1 => place().prop_map(Slip::Cut),
        1 => place().prop_map(Slip::DoubleLine),
        1 => place().prop_map(Slip::DropLine),
        1 => (place(), place()).prop_map(|(one, other)| Slip::SwapLines(one, other)),
        4 => (place(), number).prop_map(|(at, number)| Slip::Number(at, number)),
    ]
}

fn slips() -> impl Strategy<Value = Vec<Slip>> {
    prop::collection::vec(slip(), 1..5)
}

fn apply(bytes: &mut Vec<u8>, slip: &Slip) {
    let len = bytes.len();
    if len == 0 {
        return;
    }
    let with_lines = |change: &dyn Fn(&mut Vec<&[u8]>, usize)| {
        let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        let count = lines.len();
        change(&mut lines, count);
        lines.concat()
    };
    match *slip {
        Slip::Byte(at, byte) => bytes[at % len] = byte,
        Slip::Delete(at, count) => drop(bytes.drain(at % len..(at % len + count).min(len))),
        Slip::Insert(at, word) => drop(bytes.splice(at % len..at % len, word.iter().copied())),
        Slip::Copy(from, count, to) => {
            let part = bytes[from % len..(from % len + count).min(len)].to_vec();
            bytes.splice(to % len..to % len, part);
        }
        Slip::Cut(at) => bytes.truncate(at % len),
        Slip::DoubleLine(at) => *bytes = with_lines(&|lines, count| lines.insert(at % count, lines[at % count])),
        Slip::DropLine(at) => {
            *bytes = with_lines(&|lines, count| {
                lines.remove(at % count);
            })
        }
        Slip::SwapLines(one, other) => *bytes = with_lines(&|lines, count| lines.swap(one % count, other % count)),
        Slip::Number(at, number) => {
            let Some(start) = (at % len..len).find(|place| bytes[*place].is_ascii_digit()) else { return };
            let end = (start..len).find(|place| !bytes[*place].is_ascii_digit() && bytes[*place] != b'.').unwrap_or(len);
            bytes.splice(start..end, number.iter().copied());
        }
    }
}

fn slipped(bytes: &[u8], slips: &[Slip]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    slips.iter().for_each(|slip| apply(&mut bytes, slip));
    bytes
}

fn cases() -> u32 {
    std::env::var("LBSIM_FUZZ_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(400)
}

/// Runs `check` on so many inputs; panics are failures, and the input is told as it can be given again.
fn for_each<T: std::fmt::Debug>(inputs: impl Strategy<Value = T>, check: impl Fn(T) -> Result<(), TestCaseError>) {
    let config = ProptestConfig { cases: cases(), failure_persistence: None, rng_seed: RngSeed::Fixed(7), ..ProptestConfig::default() };
    let told = TestRunner::new(config).run(&inputs, |input| {
        let start = Instant::now();
        check(input)?;
        prop_assert!(start.elapsed() < LONGEST, "took {:?}", start.elapsed());
        Ok(())
    });
    told.unwrap_or_else(|error| panic!("{error}"));
}

/// Every diagnostic has a spot, on characters' borders within its source, and can be printed without what a terminal obeys.
fn points_into_the_file(found: &Diagnostics, text: &str) -> Result<(), TestCaseError> {
    for diagnostic in found.iter() {
        let Some(spot) = &diagnostic.spot else { return Err(TestCaseError::fail(format!("without a spot: {diagnostic:?}"))) };
        let range = &spot.range;
        prop_assert!(
            spot.source.text.get(range.clone()).is_some(),
            "{range:?} of {} bytes: {}",
            spot.source.text.len(),
            diagnostic.message
        );
        prop_assert_eq!(&spot.source.text, text);
        let (line, _) = spot.line_and_column();
        prop_assert!(line >= 1 && line <= text.matches('\n').count() + 1);
        prop_assert!(!diagnostic.message.is_empty());
    }
    let told = found.to_string();
    prop_assert!(told.len() < 200_000 && !told.chars().any(|c| c.is_control() && c != '\n'), "{told:?}");
    Ok(())
}

/// As `lbsim check` does: the text, the variants, their files, the plan.
fn check_scenario(bytes: &[u8]) -> Result<(), TestCaseError> {
    let source = match document::decode("fuzzed.yaml", bytes) {
        Ok(source) => source,
        Err(found) => {
            prop_assert!(found.has_errors() && !found.to_string().is_empty());
            return Ok(());
        }
    };
    let text = source.text.clone();
    let study = match variants::read(source, &[]) {
        Ok(study) => study,
        Err(found) => {
            prop_assert!(found.has_errors());
            return points_into_the_file(&found, &text);
        }
    };
    points_into_the_file(&study.warnings, &text)?;
    let mut inputs = Inputs::default();
    for variant in &study.variants {
        if let Err(error) = inputs.read(&variant.scenario, &scenarios()) {
            prop_assert!(!error.message.is_empty());
            return Ok(());
        }
        if let Err(message) = compile(&variant.name, &variant.point, &variant.scenario, &inputs) {
            prop_assert!(!message.is_empty());
            return Ok(());
        }
    }
    Ok(())
}

#[test]
fn no_changed_scenario_makes_the_reader_panic_or_linger() {
    let shipped = shipped();
    let inputs = (prop::sample::select(shipped), slips()).prop_map(|(bytes, slips)| slipped(&bytes, &slips));
    for_each(inputs.prop_map(Bytes), |Bytes(bytes)| check_scenario(&bytes));
}

/// Shown as text, so that a failing case can be read.
struct Bytes(Vec<u8>);

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// A shipped scenario's trace as it says it, and the packed file.
fn trace(scenario: &str) -> (Trace, Vec<u8>) {
    let bytes = fs::read(scenarios().join(scenario)).unwrap();
    let study = variants::read(document::decode(scenario, &bytes).unwrap(), &[]).unwrap();
    let Arrivals::Trace(trace) = study.variants[0].scenario.clients[0].arrivals.clone() else { panic!("{scenario} replays no trace") };
    let packed = fs::read(scenarios().join(&trace.file)).unwrap();
    (trace, packed)
}

fn unpacked(packed: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    MultiGzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    bytes
}

/// The first lines: a slip among three thousand alike is as good as one among a hundred.
fn head(bytes: &[u8], lines: usize) -> Vec<u8> {
    bytes.split_inclusive(|byte| *byte == b'\n').take(lines).flatten().copied().collect()
}

/// What was read makes sense; what was refused is told with the file, and with a line that it has.
fn makes_sense(result: &Result<TraceData, InputError>, file: &Path, plain: Option<&[u8]>) -> Result<(), TestCaseError> {
    match result {
        Ok(data) => {
            prop_assert!(!data.at.is_empty() && data.at.is_sorted());
            let rows = data.at.len();
            let names = |column: &Option<Vec<u32>>, names: usize| {
                column.as_ref().is_none_or(|column| column.len() == rows && column.iter().all(|name| (*name as usize) < names))
            };
            prop_assert!(names(&data.client, data.clients.len()) && names(&data.path, data.paths.len()));
            prop_assert!(data.work.as_ref().is_none_or(|work| work.len() == rows));
        }
        Err(error) => {
            let told = error.to_string();
            prop_assert!(told.starts_with(&file.display().to_string()) && !error.message.is_empty(), "{told}");
            prop_assert!(told.len() < 2000 && !told.chars().any(char::is_control), "{told:?}");
            if let (Some(line), Some(plain)) = (error.line, plain) {
                let lines = plain.split_inclusive(|byte| *byte == b'\n').count() as u64;
                prop_assert!((1..=lines).contains(&line), "line {line} of {lines}: {told}");
            }
        }
    }
    Ok(())
}

fn check_trace(trace: &Trace, bytes: &[u8], plain: Option<&[u8]>) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fuzzed");
    fs::write(&file, bytes).unwrap();
    let trace = Trace { file: "fuzzed".to_owned(), ..trace.clone() };
    makes_sense(&load_trace(&trace, folder.path()), &file, plain)
}

#[test]
fn no_changed_trace_makes_the_reader_panic_or_linger() {
    for scenario in ["llm-trace.yaml", "access-log.yaml"] {
        let (trace, packed) = trace(scenario);
        let plain = head(&unpacked(&packed), 100);
        check_trace(&trace, &plain, Some(&plain)).expect("the file as it is");
        for_each(slips(), |slips| {
            let bytes = slipped(&plain, &slips);
            check_trace(&trace, &bytes, Some(&bytes))
        });
    }
}

#[test]
fn no_changed_packed_trace_makes_the_reader_panic_or_linger() {
    for scenario in ["llm-trace.yaml", "access-log.yaml"] {
        let (trace, packed) = trace(scenario);
        for_each(slips(), |slips| check_trace(&trace, &slipped(&packed, &slips), None));
        // Slips before packing, so that the unpacking succeeds.
        let plain = head(&unpacked(&packed), 100);
        for_each(slips(), |slips| {
            let bytes = slipped(&plain, &slips);
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&bytes).unwrap();
            check_trace(&trace, &encoder.finish().unwrap(), Some(&bytes))
        });
    }
}
