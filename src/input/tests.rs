//! Claims about whole files: what is read, what is refused and how the message reads. Real recordings are used where
//! they lie beside the project.

use super::*;
use crate::scenario::{TimeColumn, TraceWork};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use std::io::{Cursor, Write};
use std::path::PathBuf;

const SECOND: Span = Span(1_000_000_000);
const MILLISECOND: Span = Span(1_000_000);

fn csv_trace() -> Trace {
    Trace {
        file: "t.csv".to_owned(),
        format: TraceFormat::Csv,
        time: Some(TimeColumn { column: "at".to_owned(), unit: Some(SECOND) }),
        work: None,
        client: None,
        path: None,
        pace: None,
    }
}

fn full_trace() -> Trace {
    let columns = [("in".to_owned(), MILLISECOND), ("out".to_owned(), SECOND)].into();
    let work = Some(TraceWork { constant: Span::from_millis(5), columns });
    Trace { work, client: Some("who".to_owned()), path: Some("url".to_owned()), ..csv_trace() }
}

fn dated_trace() -> Trace {
    Trace { time: Some(TimeColumn { column: "at".to_owned(), unit: None }), ..csv_trace() }
}

fn log_trace() -> Trace {
    Trace { file: "a.log".to_owned(), format: TraceFormat::Combined, time: None, ..csv_trace() }
}

fn read_within(trace: &Trace, bytes: &[u8], limits: Limits) -> Result<TraceData, InputError> {
    read_trace(trace, Source::new("t.csv", Box::new(Cursor::new(bytes.to_vec())), limits)?)
}

fn read(trace: &Trace, bytes: &[u8]) -> Result<TraceData, InputError> {
    read_within(trace, bytes, LIMITS)
}

fn message(trace: &Trace, bytes: &[u8]) -> String {
    read(trace, bytes).expect_err("the file is wrong").to_string()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory does not fail");
    encoder.finish().expect("memory does not fail")
}

fn times(millis: &[u64]) -> Vec<Time> {
    millis.iter().map(|ms| Time(ms * 1_000_000)).collect()
}

const FULL: &str = "who,at,in,out,url\n10.0.0.7,0.5,10,1,/a\n\"Ann, B.\",0.75,0,0.001,\"/b \"\"q\"\"\"\n10.0.0.7,2,1.5,0,/a\n";

#[test]
fn a_csv_gives_times_work_clients_and_paths() {
    let read = read(&full_trace(), FULL.as_bytes()).unwrap();
    let client = |name: &str, address: Option<&str>| TraceClient { name: name.to_owned(), address: address.map(|a| a.parse().unwrap()) };
    let expected = TraceData {
        at: times(&[500, 750, 2000]),
        work: Some(vec![Span::from_millis(1015), Span::from_millis(6), Span(6_500_000)]),
        client: Some(vec![0, 1, 0]),
        clients: vec![client("10.0.0.7", Some("10.0.0.7")), client("Ann, B.", None)],
        path: Some(vec![0, 1, 0]),
        paths: vec!["/a".to_owned(), "/b \"q\"".to_owned()],
        length: Span::from_secs(2),
        notes: vec![],
    };
    assert_eq!(read, expected);
}

#[test]
fn gzip_byte_order_mark_and_line_ends_do_not_change_what_is_read() {
    let plain = read(&full_trace(), FULL.as_bytes());
    assert!(plain.is_ok());
    let windows = format!("\u{feff}{}", FULL.replace('\n', "\r\n"));
    let two_members = [gzip(&FULL.as_bytes()[..30]), gzip(&FULL.as_bytes()[30..])].concat();
    let variants = [gzip(FULL.as_bytes()), windows.as_bytes().to_vec(), gzip(windows.as_bytes()), two_members, FULL.trim_end().into()];
    for bytes in variants {
        assert_eq!(read(&full_trace(), &bytes), plain);
    }
}

#[test]
fn gzip_is_known_by_its_bytes_and_not_by_the_name() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("t.csv"), gzip(b"at\n1\n")).unwrap();
    std::fs::write(directory.path().join("t.csv.gz"), b"at\n1\n").unwrap();
    for file in ["t.csv", "t.csv.gz"] {
        let trace = Trace { file: file.to_owned(), ..csv_trace() };
        assert_eq!(load_trace(&trace, directory.path()).unwrap().at, times(&[1000]), "{file}");
    }
}

#[test]
fn rows_are_sorted_stably_with_all_their_columns_and_a_note_says_so() {
    let read = read(&full_trace(), b"who,at,in,out,url\nc,3,3,0,/3\nb,1,1,0,/1\nd,3,4,0,/4\na,2,2,0,/2\n").unwrap();
    assert_eq!(read.at, times(&[1000, 2000, 3000, 3000]));
    let work: Vec<u64> = read.work.unwrap().iter().map(|work| work.0 / 1_000_000 - 5).collect();
    assert_eq!(work, [1, 2, 3, 4]);
    let who: Vec<&str> = read.client.unwrap().iter().map(|&i| read.clients[i as usize].name.as_str()).collect();
    assert_eq!(who, ["b", "a", "c", "d"]);
    let paths: Vec<&str> = read.path.unwrap().iter().map(|&i| read.paths[i as usize].as_str()).collect();
    assert_eq!(paths, ["/1", "/2", "/3", "/4"]);
    assert_eq!(read.notes, ["2 of 4 rows came after a later one; sorted by time"]);
}

#[test]
fn pace_divides_times_and_leaves_work_alone() {
    let usual = read(&full_trace(), FULL.as_bytes()).unwrap();
    let fast = read(&Trace { pace: Some(2.0), ..full_trace() }, FULL.as_bytes()).unwrap();
    assert_eq!(fast.at, times(&[250, 375, 1000]));
    assert_eq!((fast.work, fast.length), (usual.work, Span::from_secs(1)));
    let pace = |pace| load_trace(&Trace { pace: Some(pace), ..csv_trace() }, Path::new("")).unwrap_err().message;
    assert_eq!(pace(0.0), "cannot be replayed at pace 0");
    assert!(pace(f64::NAN).contains("pace NaN") && pace(-1.0).contains("pace -1"));
}

#[test]
fn date_times_are_counted_from_the_earliest_row() {
    let file = b"at\n2023-11-16 18:17:03.9799600\n2023-11-16 18:17:04.0319600\n2023-11-16 18:17:03.9700000\n";
    assert_eq!(read(&dated_trace(), file).unwrap().at, [Time(0), Time(9_960_000), Time(61_960_000)]);
}

#[test]
fn an_error_names_the_line_and_what_would_be_right() {
    for (trace, file, expected) in [
        (csv_trace(), "at\n1\nx\n", "t.csv:3: `x` in column `at` is not a number"),
        (csv_trace(), "at\r\n1\r\nx\r\n", "t.csv:3: `x` in column `at` is not a number"),
        (csv_trace(), "at\n\n\n1\n \nx", "t.csv:6: `x` in column `at` is not a number"),
        (csv_trace(), "\n\r\nat,b\r\n\r\n1,\"2\r\n3\"\r\n\r\nx,5", "t.csv:8: `x` in column `at` is not a number"),
        (csv_trace(), "\n\nb\n1", "t.csv:3: has no column `at`; its columns are `b`"),
        (csv_trace(), " \n\n", "t.csv: is empty"),
        (csv_trace(), "at\n1\nx\n", "t.csv:3: `x` in column `at` is not a number"),
        (csv_trace(), "at,b\n1,2\n,2\n", "t.csv:3: column `at` is empty"),
        (csv_trace(), "at\n-1\n", "t.csv:2: `-1` in column `at` is negative"),
        (csv_trace(), "at\nNaN\n", "t.csv:2: `NaN` in column `at` is not a number"),
        (csv_trace(), "at\ninf\n", "t.csv:2: `inf` in column `at` is not a number"),
        (csv_trace(), "at\n1e300\n", "t.csv:2: `1e300` in column `at` times 1s is longer than a century"),
        (csv_trace(), "at\n1,2\n", "t.csv:2: the row has 2 fields, the header 1; is a comma or a quote missing or too many?"),
        (csv_trace(), "At,b\n1,2\n", "t.csv:1: has no column `at`; did you mean `At`?"),
        (csv_trace(), "\u{1b}at,b\n1,2\n", "t.csv:1: has no column `at`; did you mean `\\u{1b}at`?"),
        (csv_trace(), "time,work\n1,2\n", "t.csv:1: has no column `at`; its columns are `time`, `work`"),
        (csv_trace(), "0.1,5\n0.2,6\n", "t.csv:1: has no column `at`; the first line looks like values; it must name the columns"),
        (csv_trace(), "at;work\n1;2\n", "t.csv:1: has no column `at`; columns are separated by commas, not by ';'"),
        (csv_trace(), "at,at\n1,2\n", "t.csv:1: has two columns `at`; give one of them another name"),
        (csv_trace(), "at\n", "t.csv: has a header and no rows"),
        (csv_trace(), "", "t.csv: is empty"),
        (csv_trace(), "a\0t\n1\n", "t.csv: is not a text file; give a CSV file with a header, plain or packed with gzip"),
        (csv_trace(), "PK\x03\x04....", "t.csv: is a zip archive or a spreadsheet; give plain UTF-8 text, or text packed with gzip"),
        (
            Trace { time: None, ..csv_trace() },
            "at\n1\n",
            "t.csv: is a CSV file and the trace does not name the column with the time; write time: { column: arrival_s, unit: 1s }",
        ),
        (
            dated_trace(),
            "at\n0.5\n",
            "t.csv:2: `0.5` in column `at` is not a date-time: expected a form such as `2023-11-16 18:17:03.98` or `2023-11-16T18:17:03Z`; a number needs its unit: `unit: 1s` beside `column`",
        ),
        (
            dated_trace(),
            "at\n2023-02-30 00:00:00\n",
            "t.csv:2: `2023-02-30 00:00:00` in column `at` is not a date-time: there is no day 30 in Feb 2023, which has 28",
        ),
        (
            dated_trace(),
            "at\n1800-01-01 00:00:00\n2000-01-01 00:00:00\n",
            "t.csv: is longer than a century; is the `unit` of `time`, or `pace`, right?",
        ),
    ] {
        assert_eq!(message(&trace, file.as_bytes()), expected);
    }
}

#[test]
fn work_that_is_negative_or_no_number_is_refused_in_its_row() {
    let row = |cells: &str| message(&full_trace(), format!("who,at,in,out,url\na,1,1,1,/\na,{cells},/\n").as_bytes());
    assert_eq!(row("1,-3,1"), "t.csv:3: `-3` in column `in` is negative");
    assert_eq!(row("1,1,many"), "t.csv:3: `many` in column `out` is not a number");
    assert_eq!(row("1,1,1e10"), "t.csv:3: `1e10` in column `out` times 1s is longer than a century");
}

#[test]
fn cut_and_damaged_gzip_says_so() {
    let mut packed = gzip(format!("at\n{}", "1\n".repeat(500)).as_bytes());
    assert!(read(&csv_trace(), &packed).is_ok());
    let cut = message(&csv_trace(), &packed[..packed.len() - 12]);
    assert_eq!(cut, "t.csv: ends in the middle of its gzip data; it was cut off; fetch or pack it again");
    let checksum = packed.len() - 8;
    packed[checksum] ^= 1;
    let damaged = message(&csv_trace(), &packed);
    assert!(damaged.starts_with("t.csv: has damaged gzip data"), "{damaged}");
}

#[test]
fn what_is_too_large_is_refused_before_it_fills_the_memory() {
    let zeros = "1\n".repeat(5_000_000);
    let bomb = gzip(format!("at\n{zeros}").as_bytes());
    assert!(bomb.len() < 50_000);
    let limits = Limits { bytes: 1 << 20, rows: usize::MAX };
    let error = read_within(&csv_trace(), &bomb, limits).unwrap_err().to_string();
    assert_eq!(
        error,
        "t.csv: has too many bytes once it is unpacked; at most 2 GiB are read; keep the columns that are used, or a part of the rows"
    );
    let limits = Limits { bytes: u64::MAX, rows: 1000 };
    assert_eq!(read_within(&csv_trace(), &bomb, limits).unwrap_err().message, "has more than 1000 rows");
    for endless in ["x", "\n", "a\n"] {
        let body = format!("at\n1\n\"{}", endless.repeat(4_000_000 / endless.len()));
        let error = read(&csv_trace(), body.as_bytes()).unwrap_err();
        assert_eq!(error.message, "has no complete row within 1 MiB", "{endless:?}");
    }
    let error = read(&log_trace(), "x".repeat(4_000_000).as_bytes()).unwrap_err();
    assert_eq!(error.message, "has no complete row within 1 MiB");
}

#[test]
fn missing_files_and_directories_say_what_is_there() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("requests.csv.gz"), b"at\n1\n").unwrap();
    std::fs::create_dir(directory.path().join("folder")).unwrap();
    let error = |file: &str| load_trace(&Trace { file: file.to_owned(), ..csv_trace() }, directory.path()).unwrap_err();
    let missing = error("request.csv");
    assert_eq!(missing.message, "does not exist");
    assert_eq!(missing.help.as_deref(), Some("did you mean requests.csv.gz?"));
    assert_eq!(missing.file, directory.path().join("request.csv").display().to_string());
    assert_eq!(error("zzz").help.as_deref(), Some("paths are relative to the scenario file"));
    assert!(error("nowhere/t.csv").help.unwrap().starts_with("there is no directory "));
    assert_eq!(error("folder").message, "is a directory");
}

#[test]
fn names_that_are_not_utf8_stay_apart_and_are_noted() {
    let trace = Trace { client: Some("who".to_owned()), ..csv_trace() };
    let read = read(&trace, b"at,who\n1,a\xff\n2,a\xfe\n3,a\xff\n").unwrap();
    assert_eq!(read.client, Some(vec![0, 1, 0]));
    assert_eq!(read.notes, ["2 names are not UTF-8; what cannot be read in them is shown as \u{fffd}"]);
}

#[test]
fn times_since_1970_as_numbers_are_kept_and_noted() {
    let read = read(&csv_trace(), b"at\n1700158623\n1700158624\n").unwrap();
    assert_eq!(read.at[0], Time(1_700_158_623_000_000_000));
    assert_eq!(read.notes, ["the first request arrives only after 19677.8 days; numbers are times since the start"]);
}

#[test]
fn an_empirical_column_is_its_values_times_the_unit() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("w.csv"), "ms,who\n1.5,a\n0,b\n20,c\n").unwrap();
    let values = load_empirical("w.csv", "ms", MILLISECOND, directory.path()).unwrap();
    assert_eq!(*values, [Span(1_500_000), Span(0), Span(20_000_000)]);
    let error = load_empirical("w.csv", "mss", MILLISECOND, directory.path()).unwrap_err();
    assert_eq!(error.help.as_deref(), Some("did you mean `ms`?"));
    assert!(
        load_empirical("w.csv", "who", MILLISECOND, directory.path()).unwrap_err().message.contains("`a` in column `who` is not a number")
    );
}

const LOG: &str = r#"203.0.113.7 - - [17/May/2015:10:05:03 +0000] "GET /a?x=1 HTTP/1.1" 200 5 "-" "curl"
2001:db8::1 - - [17/May/2015:10:05:05 +0000] "GET /b HTTP/1.1" 200 5 "-" "curl"
host.example - - [17/May/2015:10:05:03 +0000] "\x16\x03\x01" 400 0 "-" "-"
203.0.113.7 - - [17/May/2015:10:05:04 +0000] "-" 408 0 "-" "-"
"#;

#[test]
fn a_log_gives_clients_paths_and_spread_times() {
    for bytes in [LOG.as_bytes().to_vec(), gzip(LOG.as_bytes()), format!("\u{feff}{}\n\n", LOG.replace('\n', "\r\n")).into_bytes()] {
        let read = read(&log_trace(), &bytes).unwrap();
        assert_eq!(read.at, times(&[0, 500, 1000, 2000]));
        let clients: Vec<(&str, bool)> = read.clients.iter().map(|client| (client.name.as_str(), client.address.is_some())).collect();
        assert_eq!(clients, [("203.0.113.7", true), ("2001:db8::1", true), ("host.example", false)]);
        assert_eq!(read.client, Some(vec![0, 2, 0, 1]));
        let paths: Vec<&str> = read.path.unwrap().iter().map(|&i| read.paths[i as usize].as_str()).collect();
        assert_eq!(paths, ["/a", r"\x16\x03\x01", "-", "/b"]);
        assert_eq!((read.work, read.length), (None, Span::from_secs(2)));
        assert_eq!(read.notes, ["2 of 4 rows came after a later one; sorted by time"]);
    }
}

#[test]
fn pace_is_applied_after_the_spread_over_the_second() {
    let read = read(&Trace { pace: Some(10.0), ..log_trace() }, LOG.as_bytes()).unwrap();
    assert_eq!(read.at, times(&[0, 50, 100, 200]));
}

#[test]
fn a_bad_log_line_is_quoted_short_and_escaped() {
    let bad = format!("{LOG}\x1b[31m{}\n", "z".repeat(100));
    let expected = format!(
        "t.csv:5: expected a client, a time and a request in: \\u{{1b}}[31m{}…; a line is: 203.0.113.7 - - [17/May/2015:10:05:03 +0000] \"GET /path HTTP/1.1\" 200 512 ...",
        "z".repeat(55)
    );
    assert_eq!(message(&log_trace(), bad.as_bytes()), expected);
    assert_eq!(message(&log_trace(), b"\n\n"), "t.csv: has no requests");
    let error = message(&Trace { client: Some("who".to_owned()), ..log_trace() }, LOG.as_bytes());
    assert!(error.contains("`client` names columns of a CSV file"), "{error}");
}

/// A real recording beside the project; `None`, with the reason printed, where it is absent.
fn recording(path: &str) -> Option<PathBuf> {
    let full = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(path);
    if !full.exists() {
        eprintln!("skipped: {} is not there", full.display());
        return None;
    }
    Some(full)
}

#[test]
fn the_azure_llm_trace_is_read_whole() {
    let Some(path) = recording("data/azure-llm-2023-code.csv.gz") else { return };
    let columns = [("ContextTokens".to_owned(), Span(200_000)), ("GeneratedTokens".to_owned(), Span::from_millis(20))].into();
    let trace = Trace {
        time: Some(TimeColumn { column: "TIMESTAMP".to_owned(), unit: None }),
        work: Some(TraceWork { constant: Span::from_millis(20), columns }),
        ..csv_trace()
    };
    let read = load_trace(&Trace { file: path.display().to_string(), ..trace }, Path::new("")).unwrap();
    assert_eq!(read.at.len(), 8_819);
    // First row 18:17:03.9799600 with 4808 and 10 tokens; last row 19:14:19.9280160.
    assert_eq!(read.work.unwrap()[0], Span::from_millis(20) + Span(4_808 * 200_000) + Span::from_millis(200));
    assert_eq!((read.at[0], read.length), (Time(0), Span(3_435_948_056_000)));
}

#[test]
fn the_apache_log_is_read_whole() {
    let Some(path) = recording("data/apache-combined.log.gz") else { return };
    let read = load_trace(&Trace { file: path.display().to_string(), ..log_trace() }, Path::new("")).unwrap();
    assert_eq!((read.at.len(), read.clients.len()), (10_000, 1_753)); // `cut -d' ' -f1 | sort -u | wc -l` says 1,753
    assert!(read.clients.iter().all(|client| client.address.is_some()));
    // From 17/May/2015:10:05:00 to 20/May/2015:21:05:59, whose requests are spread over that second.
    assert_eq!(read.length.0 / 1_000_000_000, 3 * 86_400 + 11 * 3_600 + 59);
    assert!(read.at.is_sorted());
}

#[test]
fn every_recorded_replay_is_read_whole() {
    let Some(directory) = recording("truth/reality/traces") else { return };
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let trace = Trace {
            file: path.display().to_string(),
            time: Some(TimeColumn { column: "arrival_s".to_owned(), unit: Some(SECOND) }),
            work: Some(TraceWork { constant: Span(100_000), columns: [("work_ms".to_owned(), MILLISECOND)].into() }),
            client: Some("address".to_owned()),
            ..csv_trace()
        };
        let read = load_trace(&trace, Path::new("")).unwrap_or_else(|error| panic!("{error}"));
        assert!(read.at.len() > 6_000 && read.at.is_sorted() && read.notes.is_empty(), "{}: {:?}", path.display(), read.notes);
        assert!(read.clients.iter().all(|client| client.address.is_some()));
        assert!(read.length > Span::from_secs(59) && read.length <= Span::from_secs(70));
    }
}

#[test]
fn the_traces_that_come_with_the_scenarios_are_read_without_a_note() {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let columns = [("prompt_tokens".to_owned(), Span(200_000)), ("output_tokens".to_owned(), Span::from_millis(20))].into();
    let llm = Trace {
        file: "data/llm-small.csv.gz".to_owned(),
        time: Some(TimeColumn { column: "arrival_s".to_owned(), unit: Some(SECOND) }),
        work: Some(TraceWork { constant: Span::from_millis(20), columns }),
        client: Some("client".to_owned()),
        ..csv_trace()
    };
    let llm = load_trace(&llm, &scenarios).unwrap();
    assert_eq!((llm.at.len(), llm.notes.len()), (2_000, 0));
    // llm-trace.yaml says: 32 slots at a load of 0.70.
    let work_s: f64 = llm.work.unwrap().iter().map(|work| work.as_secs_f64()).sum();
    assert!((work_s / llm.length.as_secs_f64() / 32.0 - 0.70).abs() < 0.005);

    let log = load_trace(&Trace { file: "data/access-small.log.gz".to_owned(), ..log_trace() }, &scenarios).unwrap();
    assert_eq!((log.at.len(), log.notes.len()), (3_000, 0));
    assert!(log.clients.iter().all(|client| client.address.is_some()));
    // access-log.yaml says: the busiest client sends 16 %, and the log is an hour.
    let client = log.client.unwrap();
    let busiest = (0..log.clients.len() as u32).map(|c| client.iter().filter(|&&of_row| of_row == c).count()).max();
    assert_eq!(busiest.map(|n| (n + 15) / 30), Some(16));
    assert!(log.length > Span::from_secs(3_500) && log.length < Span::from_secs(3_600));
}

/// Bytes with a few of them changed, removed or doubled.
fn mutated(bytes: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 0..6);
    edits.prop_map(move |edits| {
        let mut bytes = bytes.clone();
        for (index, byte, kind) in edits {
            let at = index.index(bytes.len().max(1));
            match kind {
                _ if bytes.is_empty() => bytes.push(byte),
                0 => bytes[at] = byte,
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, byte),
                _ => bytes.truncate(at + 1),
            }
        }
        bytes
    })
}

/// Read or refused, never a panic; and what is read is whole.
fn holds(trace: &Trace, bytes: &[u8]) {
    match read(trace, bytes) {
        Ok(read) => {
            assert!(!read.at.is_empty() && read.at.is_sorted());
            let n = read.at.len();
            assert_eq!(read.at[n - 1].since(Time::ZERO), read.length);
            assert!(read.work.is_none_or(|work| work.len() == n));
            assert!(read.client.is_none_or(|client| client.iter().all(|&i| (i as usize) < read.clients.len()) && client.len() == n));
            assert!(read.path.is_none_or(|path| path.iter().all(|&i| (i as usize) < read.paths.len()) && path.len() == n));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mutated_csv_never_panics(bytes in mutated(FULL.into())) {
        holds(&full_trace(), &bytes);
    }

    #[test]
    fn a_mutated_csv_with_dates_never_panics(bytes in mutated(b"at\n2023-11-16 18:17:03.97\n2023-11-16T18:17:04+02:00\n".to_vec())) {
        holds(&dated_trace(), &bytes);
    }

    #[test]
    fn a_mutated_gzip_never_panics(bytes in mutated(gzip(FULL.as_bytes()))) {
        holds(&full_trace(), &bytes);
    }

    #[test]
    fn a_mutated_log_never_panics(bytes in mutated(LOG.into())) {
        holds(&log_trace(), &bytes);
    }
}
