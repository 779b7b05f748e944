use super::files::write_whole;
use super::*;
use crate::compile::Compiled;
use crate::measure::timeline::ServerBin;
use crate::scenario::Slo;
use crate::summary::tests::{about, record, results, variant};
use crate::summary::{Accumulator, SourceText, details, summarise};
use crate::units::{Share, Span};
use std::io;

/// Replications of 2000 requests; the slowest 5 % take so many milliseconds.
fn with_tail(tails_ms: &[u64], failed: u64) -> Accumulator {
    let run = |tail: &u64| {
        let mut latencies = vec![10; 1900];
        latencies.resize(2000, *tail);
        record(&latencies, failed)
    };
    results(tails_ms.iter().map(run))
}

fn named(names: &[&str]) -> Vec<Compiled> {
    names.iter().map(|name| variant(name)).collect()
}

fn study(variants: &[Compiled], results: &[Accumulator]) -> Summary {
    summarise(&about(results[0].runs.len() as u32), variants, results)
}

const WIDE: Look = Look { width: 120, color: false };

#[test]
fn the_winner_of_two_is_named_with_interval() {
    let summary = study(&named(&["round_robin", "least"]), &[with_tail(&[200, 210, 190, 200], 0), with_tail(&[100, 106, 94, 100], 0)]);
    let lines = verdict(&summary);
    // Ratio 400 / 800 = 0.5; those of the replications 0.5, 0.5048, 0.4947, 0.5.
    assert_eq!(lines[0], "least has 50 % lower p99 than round_robin (95 % CI 49 to 51 %): 106 against 210 ms");
}

#[test]
fn equals_have_no_winner_in_words_or_marks() {
    let summary =
        study(&named(&["a", "b", "slow"]), &[with_tail(&[99, 101, 100], 0), with_tail(&[101, 99, 100], 0), with_tail(&[300, 302, 304], 0)]);
    let lines = verdict(&summary);
    assert!(lines[0].starts_with("no difference in p99 beyond noise between a (") && lines[0].contains("b ("), "{lines:?}");
    assert!(lines[1].contains(" has 67 % lower p99 than slow (95 % CI"), "{lines:?}");
    let spread = [[99, 101, 100], [300, 302, 304], [400, 402, 404]].map(|tails| with_tail(&tails, 0));
    let lines = verdict(&study(&named(&["a", "b", "c"]), &spread));
    assert!(lines[0].starts_with("a (101 ms) has the lowest p99: 67 % below b (6") && lines[0].contains("), 75 % below c ("), "{lines:?}");
    assert!(!table(&summary, WIDE).contains('*'), "{}", table(&summary, WIDE));
}

#[test]
fn a_winner_is_marked_and_a_yardstick_never_wins() {
    let variants = [variant("a"), variant("b"), Compiled { is_oracle: true, ..variant("oracle") }];
    let summary = study(&variants, &[with_tail(&[200, 210, 190], 0), with_tail(&[100, 105, 94], 0), with_tail(&[50, 52, 47], 0)]);
    let text = table(&summary, WIDE);
    let line = |name: &str| text.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
    assert!(line("b").contains('*') && !line("a").contains('*') && !line("oracle").contains('*'), "{text}");
    assert!(line("oracle").contains("oracle†") && text.contains("† a yardstick"), "{text}");
    let lines = verdict(&summary);
    assert!(
        lines.iter().any(|line| line.starts_with("b is ") && line.contains("above oracle (52.0") && line.contains("yardstick")),
        "{lines:?}"
    );
    assert!(!lines.iter().any(|line| line.starts_with("oracle")), "{lines:?}");
}

#[test]
fn a_fast_variant_that_fails_more_is_called_out() {
    let summary = study(&named(&["fast", "safe"]), &[with_tail(&[100, 105, 95], 500), with_tail(&[200, 205, 195], 3)]);
    let lines = verdict(&summary);
    let failures = lines.iter().find(|line| line.starts_with("safe fails the fewest")).unwrap();
    assert!(failures.contains("0.15 %, against fast 20.0 %; mind that the p99 of fast is that of the requests that succeed"), "{failures}");
}

#[test]
fn failover_tells_losses_and_the_range_of_the_detection() {
    // Detected after as many seconds as requests failed.
    let runs = |failed: [u64; 2]| results(failed.map(|failed| record(&[10; 1000], failed)));
    let summary = study(&named(&["a", "b"]), &[runs([10, 15]), runs([0, 4])]);
    let lines = verdict(&summary);
    assert!(lines.contains(&"a lost 12.5 requests to the crash of web-2, detected after 12.5 s (10.0 to 15.0)".to_owned()), "{lines:?}");
    assert!(
        lines.contains(&"b lost 2 requests to the crash of web-2, detected in 1 of 2 replications, after 4.00 s".to_owned()),
        "{lines:?}"
    );
    let unnoticed = study(&named(&["a"]), &[runs([0, 0])]);
    assert!(verdict(&unnoticed).contains(&"a lost no request to the crash of web-2, which no health check detected".to_owned()));
}

#[test]
fn objectives_are_judged_by_name() {
    let slo = Some(Slo { p99: Some(Span::from_millis(150)), success: Some(Share(0.999)), ..Slo::default() });
    let variants = ["a", "b"].map(|name| Compiled { slo, ..variant(name) });
    let summary = study(&variants, &[with_tail(&[100, 105], 0), with_tail(&[200, 205], 10)]);
    let lines = verdict(&summary);
    assert!(lines.iter().any(|line| line.starts_with("SLO p99 of 150 ms at most: met by a, missed by b (20")), "{lines:?}");
    assert!(lines.contains(&"SLO success of 99.9 % at least: met by a, missed by b (0.50 % failed)".to_owned()), "{lines:?}");
}

#[test]
fn the_table_fits_its_width_and_says_what_it_left_out() {
    let at = |name: &str, rate: &str| Compiled { point: vec![("clients.users.rate".to_owned(), rate.to_owned())], ..variant(name) };
    let variants = [
        at("weighted_least_connections", "60/s"),
        at("round_robin", "60/s"),
        at("weighted_least_connections", "90/s"),
        at("round_robin", "90/s"),
    ];
    let runs = [[100, 101], [200, 202], [300, 302], [400, 404]].map(|tails| with_tail(&tails, 1));
    let summary = study(&variants, &runs);
    for width in [72, 80, 100, 120, 160] {
        let text = table(&summary, Look { width, color: false });
        let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= width, "{width}: {widest}\n{text}");
        assert!(text.contains("p99 ms") && text.contains("failed %") && text.contains("rate=90/s"), "{text}");
        assert_eq!(width <= 120, text.contains("no room for"), "{width}\n{text}");
    }
    // The rows of a point stand together.
    let text = table(&summary, WIDE);
    let rates: Vec<bool> = text.lines().skip(2).take(4).map(|line| line.contains("60/s")).collect();
    assert_eq!(rates, [true, true, false, false], "{text}");
    let narrow = table(&summary, Look { width: 50, color: false });
    assert!(narrow.contains("weighted_least_c…"), "{narrow}");
}

#[test]
fn color_changes_no_character() {
    let summary = study(&named(&["a", "b"]), &[with_tail(&[200, 210], 0), with_tail(&[100, 105], 0)]);
    let (plain, colored) = (table(&summary, WIDE), table(&summary, Look { color: true, ..WIDE }));
    assert!(colored.contains("\u{1b}[32m") && !plain.contains('\u{1b}'));
    assert_eq!(colored.replace("\u{1b}[32m", "").replace("\u{1b}[0m", ""), plain);
}

#[test]
fn names_bring_no_escapes_to_the_terminal_and_no_formulas_to_the_spreadsheet() {
    let evil = "=HYPERLINK(\"http://x\")\u{1b}[2J\r\n";
    let variants = [Compiled { point: vec![("+path\u{7}".to_owned(), "@v".to_owned())], ..variant(evil) }];
    let runs = [with_tail(&[100, 105], 3)];
    let summary = study(&variants, &runs);
    let shown = [table(&summary, WIDE), verdict(&summary).join("\n"), notes(&summary).join("\n")].join("\n");
    assert!(shown.contains("HYPERLINK") && shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
    let mut file = Vec::new();
    csv::runs(&mut file, &variants, &runs).unwrap();
    csv::timeline(&mut file, &variants, &runs).unwrap();
    let text = String::from_utf8(file).unwrap();
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    let mut reader = ::csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(text.as_bytes());
    for row in reader.records().map(Result::unwrap) {
        assert!(row.iter().all(|cell| !cell.starts_with(['=', '+', '-', '@'])), "{row:?}");
    }
    assert!(text.contains("'=HYPERLINK") && text.contains("'+path") && text.contains("'@v"), "{text}");
}

#[test]
fn cells_keep_harmless_text_as_it_is() {
    assert_eq!(csv::cell("least connections, sticky"), "least connections, sticky");
    for (text, shown) in [("-1", "'-1"), ("=1+1", "'=1+1"), ("@a", "'@a"), ("\ta", "' a"), ("a=b", "a=b"), ("", "")] {
        assert_eq!(csv::cell(text), shown);
    }
}

/// A CSV file as rows of (column, value).
fn rows(text: &[u8]) -> Vec<std::collections::BTreeMap<String, String>> {
    ::csv::Reader::from_reader(text).deserialize().map(Result::unwrap).collect()
}

#[test]
fn runs_csv_has_a_row_for_each_run_with_its_figures() {
    let variants = named(&["a", "b"]);
    let runs = [results([record(&[10, 20], 2), record(&[30], 0)]), results([record(&[], 1)])];
    let mut file = Vec::new();
    csv::runs(&mut file, &variants, &runs).unwrap();
    let rows = rows(&file);
    let of = |row: usize, column: &str| rows[row][column].as_str();
    assert_eq!(rows.len(), 3);
    assert_eq!(
        [of(0, "variant"), of(0, "replication"), of(0, "mean_ms"), of(0, "error_reset"), of(0, "warmup_s")],
        ["a", "0", "15", "2", "2"]
    );
    assert_eq!(
        [of(1, "replication"), of(1, "max_ms"), of(1, "crash web-2 detected_after_s"), of(1, "throughput_rps")],
        ["1", "30", "", "0.1"]
    );
    assert_eq!([of(2, "variant"), of(2, "p99_ms"), of(2, "failed"), of(2, "crash web-2 detected_after_s")], ["b", "", "1", "1"]);
}

#[test]
fn timeline_csv_averages_over_the_runs() {
    let mut file = Vec::new();
    csv::timeline(&mut file, &named(&["a"]), &[results([record(&[10], 0), record(&[10], 0)])]).unwrap();
    let rows = rows(&file);
    assert_eq!(rows.len(), 6);
    let of = |row: usize, column: &str| rows[row][column].as_str();
    assert_eq!([of(0, "t_s"), of(0, "server"), of(0, "sent"), of(0, "failed"), of(0, "attempts")], ["0", "", "4", "1", "4"]);
    assert_eq!([of(1, "t_s"), of(1, "server"), of(1, "share"), of(1, "queue"), of(1, "up")], ["0", "web-1", "0.75", "0.25", "1"]);
    assert_eq!([of(3, "t_s"), of(3, "in_system"), of(5, "server"), of(5, "share")], ["6", "1", "web-2", "0.25"]);
}

#[test]
fn timeline_csv_has_no_rows_for_places_that_never_held_a_pod() {
    let servers = |was_empty: bool, had_work: bool| {
        let mut run = record(&[10], 0);
        run.servers[1].was_empty = was_empty;
        let second = run.timeline.server_bins.iter_mut().skip(1).step_by(2);
        second.filter(|_| !had_work).for_each(|bin| *bin = ServerBin::default());
        let mut file = Vec::new();
        csv::timeline(&mut file, &named(&["a"]), &[results([run])]).unwrap();
        rows(&file).iter().map(|row| row["server"].clone()).collect::<Vec<_>>()
    };
    let both = ["", "web-1", "web-2", "", "web-1", "web-2"];
    assert_eq!(servers(true, false), ["", "web-1", "", "web-1"]);
    assert_eq!(servers(true, true), both, "a pod there had work during the warm-up");
    assert_eq!(servers(false, false), both, "a server that had nothing to do was there");
}

#[test]
fn a_file_that_fails_half_way_leaves_the_old_one_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("runs.csv");
    write_whole(&path, |out| out.write_all(b"old")).unwrap();
    let failed = write_whole(&path, |out| {
        out.write_all(&[b'x'; 100_000])?;
        Err(io::Error::other("disk full"))
    });
    assert_eq!(failed.unwrap_err().to_string(), "disk full");
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    write_whole(&path, |out| out.write_all(b"new")).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"new");
}

#[test]
fn the_results_folder_holds_the_summary_and_both_tables() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("deep/er");
    let (variants, runs) = (named(&["a"]), [with_tail(&[100, 105], 0)]);
    let summary = study(&variants, &runs);
    let source = SourceText { name: "a.yaml".to_owned(), text: "name: a".to_owned() };
    write(&out, &summary, &details(source, "lbsim a.yaml".to_owned(), &variants, &runs), &variants, &runs).unwrap();
    let mut names: Vec<_> = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["details.json", "runs.csv", "summary.json", "timeline.csv"]);
    assert_eq!(std::fs::read_to_string(out.join("summary.json")).unwrap(), summary.to_json().unwrap());
}

#[cfg(unix)]
#[test]
fn results_are_readable_for_others_as_the_umask_says() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let (ours, plain) = (dir.path().join("ours"), dir.path().join("plain"));
    write_whole(&ours, |out| out.write_all(b"x")).unwrap();
    std::fs::write(&plain, b"x").unwrap();
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&ours), mode(&plain));
}

#[test]
fn a_folder_name_never_leaves_its_parent() {
    for (name, folder) in [
        ("cart", "cart"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("..", "scenario"),
        ("", "scenario"),
        ("a b/c\\d:e", "a_b_c_d_e"),
        ("v1.2", "v1.2"),
        ("naïve", "naïve"),
        ("\u{0}", "_"),
    ] {
        assert_eq!(folder_name(name), folder, "{name:?}");
    }
    assert_eq!(folder_name(&"x".repeat(500)).len(), 80);
}

#[test]
fn notes_of_one_kind_are_told_once() {
    let few = || results([record(&[10; 500], 0)]);
    let summary = study(&named(&["a", "b", "c"]), &[few(), few(), few()]);
    let notes = notes(&summary);
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].starts_with("one replication") && notes[0].ends_with("; `--replications 10` gives intervals"), "{notes:?}");
    assert!(
        notes[1].starts_with("a: p99 needs 1000 successful requests; there are 500 (and 2 more variants); `--duration 24s`"),
        "{notes:?}"
    );
}

#[test]
fn numbers_have_three_digits_and_no_more() {
    assert_eq!(
        [0.0, 0.01234, 0.9999, 1.2345, 99.96, 1234.5, 1e7].map(number),
        ["0", "0.012", "1.00", "1.23", "100", "1,234", "10,000,000"]
    );
    assert_eq!([0.0, 1e-6, 0.00012, 0.0012, 0.0123, 0.123, 1.0].map(percent), ["0", "<0.001", "0.012", "0.12", "1.23", "12.3", "100.0"]);
    assert_eq!([whole(-1234.0), whole(-0.2), count(2.5), count(1875.0)], ["-1,234", "0", "2.5", "1,875"]);
}

/// The figures of the table and of the first lines of `summary.json`, from nothing but the rows of `runs.csv`.
#[test]
fn the_headline_figures_can_be_computed_from_runs_csv() {
    let run = |latencies: &[u64], failed, stuck| {
        let mut run = record(latencies, failed);
        (run.unfinished, run.stuck, run.requests.sent) = (stuck + 1, stuck, run.requests.sent + stuck);
        run.servers[1].utilization = Some(0.25 + stuck as f64 / 10.0);
        run
    };
    let results = [results([run(&[10, 20, 30], 2, 1), run(&[40], 0, 3), run(&[5, 6, 70, 8], 1, 0)])];
    let variants = named(&["a"]);
    let summary = study(&variants, &results);
    let told = &summary.variants[0];
    let mut file = Vec::new();
    csv::runs(&mut file, &variants, &results).unwrap();
    let rows = rows(&file);
    let column = |name: &str| rows.iter().map(|row| row[name].parse::<f64>().unwrap()).collect::<Vec<f64>>();
    let sum = |name: &str| column(name).iter().sum::<f64>();
    let mean = |values: Vec<f64>| crate::stats::mean_ci(&values);
    let is_near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b.abs();
    let lost = sum("failed") + sum("stuck");
    assert!(is_near(told.failed_share().unwrap(), lost / (sum("ok") + lost)));
    for (index, share) in column("failed_share").into_iter().enumerate() {
        let [ok, lost] = [column("ok")[index], column("failed")[index] + column("stuck")[index]];
        assert!(is_near(share, lost / (ok + lost)) && Some(share) == results[0].runs[index].failed_share());
    }
    for (name, figure) in [
        ("sent", told.requests.sent),
        ("stuck", told.requests.stuck),
        ("unfinished", told.requests.unfinished),
        ("throughput_rps", told.throughput_rps),
        ("jain_requests", told.fairness.jain_requests),
        ("jain_utilization", told.fairness.jain_utilization),
        ("requests_moved_share", told.affinity.requests_moved_share),
    ] {
        let (computed, figure) = (mean(column(name)), figure.unwrap());
        assert!(is_near(computed.value, figure.value), "{name}");
        assert!(figure.ci95.unwrap().1 <= computed.ci95.unwrap().1, "{name}");
    }
    assert!(is_near(mean(column("utilization")).value, told.mean_utilization().unwrap()));
    assert_eq!(column("utilization_max"), [0.75, 0.75, 0.75]);
    assert_eq!(column("mean_queue"), [0.5, 0.5, 0.5]);
    let pooled_mean = column("mean_ms").iter().zip(column("ok")).map(|(mean, ok)| mean * ok).sum::<f64>() / sum("ok");
    assert!(is_near(pooled_mean, told.latency_ms.mean.unwrap().value));
    // Pooled percentiles need the requests; the half-width of their intervals does not.
    for (name, figure) in [
        ("p50_ms", told.latency_ms.p50),
        ("p90_ms", told.latency_ms.p90),
        ("p99_ms", told.latency_ms.p99),
        ("p99_9_ms", told.latency_ms.p99_9),
    ] {
        assert!(is_near(mean(column(name)).half_width().unwrap(), figure.unwrap().half_width().unwrap()), "{name}");
    }
    let largest = column("max_ms").into_iter().fold(0.0, f64::max);
    assert_eq!(largest, told.latency_ms.max.unwrap().value);
}
