//! What users see when a scenario is wrong: every file in `tests/bad` gives exactly the message in the `.txt` beside it.
//! `UPDATE_BAD=1` rewrites those; review the difference like prose. And: what is right is read, and nothing panics.

use flate2::Compression;
use flate2::write::GzEncoder;
use lbsim::document;
use lbsim::error::{Diagnostics, Source};
use lbsim::scenario::variants::{self, Study};
use proptest::prelude::*;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A `# --set path=value` line at the top of a case stands for that option.
fn read(path: &Path) -> Result<Study, Diagnostics> {
    let bytes = fs::read(path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let source = document::decode(name, &bytes)?;
    let options = source.text.lines().map_while(|line| line.strip_prefix("# --set "));
    let sets: Vec<(String, String)> =
        options.filter_map(|option| option.split_once('=')).map(|(path, value)| (path.to_owned(), value.to_owned())).collect();
    variants::read(source, &sets)
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|found| found == extension));
    files.sort();
    files
}

fn bad() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad")
}

#[test]
fn every_mistake_gets_the_message_that_was_reviewed() {
    let mut differences = Vec::new();
    let cases = files(&bad(), "yaml");
    assert!(cases.len() >= 35, "{} cases", cases.len());
    for case in cases {
        let report = match read(&case) {
            Ok(study) => study.warnings.to_string() + "\n",
            Err(errors) => errors.to_string() + "\n",
        };
        assert_ne!(report, "\n", "{} has nothing wrong", case.display());
        assert!(!report.contains("nvalid") && !report.contains("error: error"), "{report}");
        let expected = case.with_extension("txt");
        if std::env::var_os("UPDATE_BAD").is_some() {
            fs::write(&expected, &report).unwrap();
        }
        if fs::read_to_string(&expected).ok().as_ref() != Some(&report) {
            differences.push(format!("{}:\n{report}", expected.display()));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn every_reviewed_message_has_its_case() {
    for expected in files(&bad(), "txt") {
        assert!(expected.with_extension("yaml").exists(), "{}", expected.display());
    }
}

/// The scenario of the manual's first page.
const COMPLETE: &str = include_str!("complete.yaml");

fn source(text: &str) -> Source {
    Source { name: "cart.yaml".to_owned(), text: text.to_owned() }
}

#[test]
fn the_complete_example_gives_its_variants_at_every_point() {
    let study = variants::read(source(COMPLETE), &[]).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!((study.name.as_str(), study.seed, study.replications), ("cart", 7, 10));
    assert_eq!(study.variants.len(), 7 * 3);
    let names: Vec<&str> = study.variants.iter().step_by(3).map(|variant| variant.name.as_str()).collect();
    assert_eq!(names[4..], ["ip_hash", "power_of_d d=2", "least connections without stickiness"]);
    let path = "clients.shoppers.arrivals.poisson.rate".to_owned();
    let points: Vec<_> = study.variants[3..6].iter().map(|variant| variant.point.clone()).collect();
    assert_eq!(points, ["60/s", "90/s", "120/s"].map(|rate| vec![(path.clone(), rate.to_owned())]));
    assert!(study.variants[0].scenario.balancers[0].sticky.is_some());
    assert!(study.variants[20].scenario.balancers[0].sticky.is_none());
}

#[test]
fn options_change_every_variant_and_a_set_beats_the_file() {
    let sets = [("seed", "8"), ("duration", "30m"), ("servers.web.count", "9"), ("sweep", "null"), ("compare", "null")];
    let sets = sets.map(|(path, value)| (path.to_owned(), value.to_owned()));
    let study = variants::read(source(COMPLETE), &sets).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!((study.seed, study.variants.len()), (8, 1));
    let only = &study.variants[0];
    assert_eq!((only.name.as_str(), only.scenario.servers[0].count), ("round_robin", 9));
}

#[test]
fn a_scenario_without_a_name_is_called_like_its_file() {
    let text = COMPLETE.replace("name: cart\n", "");
    assert_eq!(variants::read(source(&text), &[]).unwrap().name, "cart");
}

#[test]
fn recorded_scenarios_are_read_or_wait_for_a_later_release() {
    let truth = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/truth");
    let scenarios = [files(&truth.join("kit/scenarios"), "yaml"), files(&truth.join("reality/scenarios"), "yaml")].concat();
    if scenarios.is_empty() {
        println!("skipped: {} is not there", truth.display());
        return;
    }
    let (mut read_count, mut refused) = (0, Vec::new());
    for path in &scenarios {
        match read(path) {
            Ok(_) => read_count += 1,
            Err(errors) if errors.iter().all(|error| error.message.contains("known, but not part of")) => {}
            Err(errors) => refused.push(errors.to_string()),
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n\n"));
    assert!(read_count > scenarios.len() / 2, "{read_count} of {}", scenarios.len());
}

#[test]
fn a_megabyte_of_junk_is_refused_within_a_second() {
    let junk = [
        "[",
        "{",
        "{a: ",
        "- ",
        "a: b: ",
        "&a ",
        "*a ",
        "? ",
        "\"",
        "'",
        "|\n",
        "a: &x [*x]\n",
        "#",
        "%",
        "a\n",
        "é ",
        "[a, ",
        "!",
        "a: 1\n",
        "- - -\n",
        "  ",
        "---\n",
        "? - ",
        "a,",
        ": ",
    ];
    for part in junk {
        let text = part.repeat((1 << 20) / part.len());
        let start = Instant::now();
        let result = variants::read(source(&text), &[]);
        assert!(result.is_err(), "{part:?}");
        let report = result.unwrap_err().to_string();
        assert!(report.len() < 20_000, "{part:?}: {} bytes", report.len());
        // Measured: at most 0.13 s on one slow core.
        assert!(start.elapsed() < Duration::from_secs(1), "{part:?} took {:?}", start.elapsed());
    }
}

/// A change that a slip of the hand or a broken disk might make.
#[derive(Clone, Debug)]
enum Slip {
    Byte(usize, u8),
    Delete(usize, usize),
    Double(usize),
    Drop(usize),
    Swap(usize, usize),
}

fn slip() -> impl Strategy<Value = Slip> {
    let place = any::<usize>;
    prop_oneof![
        (place(), prop_oneof![any::<u8>(), prop::sample::select(&b"{}[]:,-#&*!|>'\"%@`~ \n\t0"[..])])
            .prop_map(|(at, byte)| Slip::Byte(at, byte)),
        (place(), 1..20usize).prop_map(|(at, count)| Slip::Delete(at, count)),
        place().prop_map(Slip::Double),
        place().prop_map(Slip::Drop),
        (place(), place()).prop_map(|(one, other)| Slip::Swap(one, other)),
    ]
}

fn with_slip(bytes: Vec<u8>, slip: &Slip) -> Vec<u8> {
    let mut bytes = bytes;
    let len = bytes.len().max(1);
    let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let count = lines.len().max(1);
    match *slip {
        Slip::Byte(at, byte) if !bytes.is_empty() => {
            bytes[at % len] = byte;
            return bytes;
        }
        Slip::Delete(at, count) => {
            let at = at % len;
            bytes.drain(at.min(bytes.len())..(at + count).min(bytes.len()));
            return bytes;
        }
        Slip::Double(at) if !lines.is_empty() => lines.insert(at % count, lines[at % count]),
        Slip::Drop(at) if !lines.is_empty() => drop(lines.remove(at % count)),
        Slip::Swap(one, other) if !lines.is_empty() => lines.swap(one % count, other % count),
        _ => {}
    }
    lines.concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn no_slip_makes_the_reader_panic(slips in prop::collection::vec(slip(), 1..6)) {
        let bytes = slips.iter().fold(COMPLETE.as_bytes().to_vec(), with_slip);
        if let Err(errors) = document::decode("a.yaml", &bytes).and_then(|source| variants::read(source, &[])) {
            let report = errors.render(true);
            prop_assert!(!report.is_empty());
            // Colours are the only escape sequences.
            let is_color = |part: &str| part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m');
            let are_colors = report.split("\u{1b}[").skip(1).all(is_color);
            prop_assert!(are_colors, "{report:?}");
        }
    }

    #[test]
    fn no_set_makes_the_reader_panic(path in "[a-z.\\[\\]0-9]{0,30}|(clients|servers|balancers|faults|sweep|compare)(\\.shoppers|\\.web|\\.edge|\\[[0-9]\\])?(\\.[a-z_]{1,12}){0,4}", value in "\\PC{0,20}|[\\[\\]{}:,a-z0-9 ]{0,30}") {
        let result = variants::read(source(COMPLETE), &[(path, value)]);
        if let Err(errors) = result {
            prop_assert!(errors.has_errors() && !errors.to_string().is_empty());
        }
    }
}

#[test]
fn the_largest_scenarios_are_read_in_seconds() {
    let head = "duration: 1m\nclients:\n  - { name: u, arrivals: { poisson: { rate: 1/s } }, requests: [{ work: { constant: 1ms } }] }\n";
    let many = |count: usize, item: &dyn Fn(usize) -> String| (0..count).map(item).collect::<String>();
    let groups = format!(
        "{head}servers:\n{}balancers:\n  - name: b\n    targets:\n{}",
        many(20_000, &|i| format!("  - name: s{i}\n")),
        many(20_000, &|i| format!("    - s{i}\n"))
    );
    let chain = format!(
        "{head}servers: [{{ name: s }}]\nbalancers:\n{}",
        many(15_000, &|i| format!("  - {{ name: b{i}, targets: [s, b{}] }}\n", i + 1))
    );
    let lost =
        format!("{head}servers: [{{ name: s }}]\nbalancers:\n{}", many(15_000, &|i| format!("  - {{ name: b{i}, targets: [t{i}] }}\n")));
    let swept = format!("{groups}sweep: {{ servers.s1.count: [{}] }}\n", many(100, &|i| format!("{}, ", i + 1)));
    let alike = format!(
        "{head}servers: [{{ name: s, count: 100000 }}]\nbalancers:\n  - name: b\n    targets: [{}]\n{}",
        many(300, &|i| format!("c{i}, ")),
        many(300, &|i| format!("  - {{ name: c{i}, targets: [s] }}\n"))
    );
    for text in [groups, chain, lost, swept, alike] {
        let start = Instant::now();
        let report = variants::read(source(&text), &[]).map_or_else(|errors| errors.to_string(), |study| study.warnings.to_string());
        // Measured: at most 1.5 s on one slow core.
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}: {report}", start.elapsed());
    }
}

/// Six layers of a hundred balancers, each of which sends to all of the next: a thousand million ways through.
#[test]
fn a_mesh_of_balancers_is_compiled_in_no_time() {
    let layer = |layer: usize| {
        let next = if layer == 5 { "s".to_owned() } else { (0..100).map(|i| format!("b{}x{i}, ", layer + 1)).collect() };
        (0..100).map(|i| format!("  - {{ name: b{layer}x{i}, targets: [{next}] }}\n")).collect::<String>()
    };
    let text = format!(
        "duration: 1m\nclients:\n  - {{ name: u, arrivals: {{ poisson: {{ rate: 1/s }} }}, requests: [{{ work: {{ constant: 1ms }} }}] }}\n\
         servers: [{{ name: s }}]\nbalancers:\n{}",
        (0..6).map(layer).collect::<String>()
    );
    let start = Instant::now();
    let study = variants::read(source(&text), &[]).unwrap_or_else(|errors| panic!("{errors}"));
    let compiled = lbsim::compile::compile("mesh", &[], &study.variants[0].scenario, &lbsim::input::Inputs::default()).unwrap();
    assert_eq!(compiled.topology.depth_max, 6);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

/// The program itself, with 500 MB of address space: it ends by itself, says what is wrong, and takes less than a second.
#[cfg(target_os = "linux")]
#[test]
fn no_mistake_costs_a_second_or_half_a_gigabyte() {
    let check = |path: &Path, kilobytes: u32| {
        let limited = format!("ulimit -v {kilobytes} && exec \"$0\" check \"$1\"");
        Command::new("sh").args(["-c", &limited, env!("CARGO_BIN_EXE_lbsim")]).arg(path).output().unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let mut cases = files(&bad(), "yaml");
    for (name, bytes) in monsters() {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        cases.extend(name.ends_with(".yaml").then_some(path));
    }
    for case in &cases {
        let mut fastest = Duration::MAX;
        // The machine may be busy with other things: one of three tries counts.
        for _ in 0..3 {
            let start = Instant::now();
            let output = check(case, 500_000);
            fastest = fastest.min(start.elapsed());
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(matches!(output.status.code(), Some(0 | 2)), "{}: {} {told}", case.display(), output.status);
            assert!(told.is_empty() == output.status.success() || told.starts_with("warning"), "{}: {told}", case.display());
            assert!(told.len() < 20_000 && !told.contains("panicked"), "{}: {told}", case.display());
            if fastest < Duration::from_secs(1) {
                break;
            }
        }
        assert!(fastest < Duration::from_secs(1), "{} took {fastest:?}", case.display());
    }
    assert!(!check(&cases[0], 3_000).status.success(), "the limit is one");
}

/// Files that would fill the memory or the afternoon of a careless reader.
#[cfg(target_os = "linux")]
fn monsters() -> Vec<(&'static str, Vec<u8>)> {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..30 {
        let before = format!("*a{}, ", i - 1).repeat(10);
        laughs += &format!("a{i}: &a{i} [{before}]\n");
    }
    let mut state = 1_u64;
    let junk = (0..1 << 20).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    let of_trace = |file: &str| {
        format!(
            "clients:\n  - name: u\n    arrivals: {{ trace: {{ file: {file}, time: {{ column: t, unit: 1s }} }} }}\n    requests: [{{ work: {{ constant: 1ms }} }}]\n\
             servers: [{{ name: s }}]\nbalancers: [{{ name: b, targets: [s] }}]\n"
        )
    };
    let packed = |bytes: &[u8], times: usize| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        (0..times).for_each(|_| encoder.write_all(bytes).unwrap());
        encoder.finish().unwrap()
    };
    vec![
        ("ten-megabytes.yaml", b"  - { name: a-server-with-a-name, count: 3 }\n".repeat(10 << 20 >> 5)),
        ("laughs.yaml", laughs.into_bytes()),
        ("deep.yaml", b"[".repeat(900_000)),
        ("deep-block.yaml", (0..1400).map(|i| " ".repeat(i) + "a:\n").collect::<String>().into_bytes()),
        ("junk.yaml", junk.collect()),
        ("zeros.yaml", vec![0; 10 << 20]),
        ("one-line.csv.gz", packed(&[b'x'; 1 << 20], 500)),
        ("one-line.yaml", of_trace("one-line.csv.gz").into_bytes()),
        ("no-number.csv.gz", packed(&[b"t\n", &b"soon\n".repeat(1000)[..]].concat(), 1)),
        ("no-number.yaml", of_trace("no-number.csv.gz").into_bytes()),
        ("cut-off.csv.gz", packed(&b"t\n1\n".repeat(100), 100)[..50].to_vec()),
        ("cut-off.yaml", of_trace("cut-off.csv.gz").into_bytes()),
    ]
}
