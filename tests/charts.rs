//! Every number that a picture tells, in the table below it and where it is pointed at, is one of `summary.json` or `details.json` at the
//! precision that is printed.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// What a scenario left: the page, the summary and the details.
struct Left {
    page: String,
    summary: Value,
    details: Value,
}

/// A picture: what it tells where it is pointed at, in the order of drawing, and the rows of its table.
struct Told {
    tips: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// A variant with its details.
#[derive(Clone, Copy)]
struct Variant<'a> {
    name: &'a str,
    told: &'a Value,
    more: &'a Value,
}

fn left_by(scenario: &str, arguments: &[&str]) -> Left {
    let folder = TempDir::new().expect("a folder");
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut program = Command::new(env!("CARGO_BIN_EXE_lbsim"));
    let done = program.current_dir(here).arg(scenario).args(arguments).arg("--quiet").arg("--out").arg(folder.path()).status();
    assert!(done.expect("lbsim runs").success(), "{scenario}");
    let text = |name: &str| fs::read_to_string(folder.path().join(name)).expect("a file");
    let json = |name: &str| serde_json::from_str(&text(name)).expect("JSON");
    Left { page: text("report.html"), summary: json("summary.json"), details: json("details.json") }
}

impl Left {
    fn picture(&self, id: &str) -> Told {
        let from = self.page.find(&format!("<figure id=\"{id}\">")).unwrap_or_else(|| panic!("no {id}"));
        let figure = &self.page[from..from + self.page[from..].find("</figure>").expect("its end")];
        let part = |name: &str| {
            let begin = figure.find(&format!("<{name}")).expect("a part");
            let end = figure.rfind(&format!("</{name}>")).expect("its end") + name.len() + 3;
            &figure[begin..end]
        };
        let svg = roxmltree::Document::parse(part("svg")).expect("it is well-formed");
        // A bar, its interval and its dot tell the same.
        let mut tips: Vec<String> = svg.descendants().filter_map(|node| node.attribute("data-tip")).map(str::to_owned).collect();
        tips.dedup();
        let table = roxmltree::Document::parse(part("table")).expect("it is well-formed");
        let text = |node: roxmltree::Node| node.descendants().filter_map(|part| if part.is_text() { part.text() } else { None }).collect();
        let rows = table.descendants().filter(|node| node.has_tag_name("tr")).skip(1);
        Told { tips, rows: rows.map(|row| row.children().map(text).collect()).collect() }
    }

    /// The variants at the last point.
    fn variants(&self) -> Vec<Variant<'_>> {
        let all = self.summary["variants"].as_array().expect("variants");
        let last = &all.last().expect("a variant")["point"];
        let both = all.iter().zip(self.details["variants"].as_array().expect("details"));
        both.filter(|(told, _)| &told["point"] == last)
            .map(|(told, more)| Variant { name: told["name"].as_str().expect("a name"), told, more })
            .collect()
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is a number"))
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// Half a unit of the last of three digits; thousands are written whole.
fn half(printed: f64) -> f64 {
    let digits = (2.0 - printed.abs().max(1e-4).log10().floor()).clamp(0.0, 6.0);
    0.5 * 10f64.powf(-digits)
}

/// Whether `printed` says `exact`, as a latency in ms (`L`), a share (`S`), a share in nines (`N`), a plain number (`P`), an index with three digits
/// behind the point (`J`), or a moment (`M`).
fn is_said(printed: &str, kind: char, exact: f64) -> bool {
    let Some((told, tolerance)) = read(printed, kind, exact) else { return false };
    // Eight digits are written: a tie may have fallen to either side of it.
    (told - exact).abs() <= tolerance * (1.0 + 1e-6) + exact.abs() * 1e-7
}

/// What is printed, and how far the exact number may be from it.
fn read(printed: &str, kind: char, exact: f64) -> Option<(f64, f64)> {
    let number = |text: &str| text.replace(',', "").parse::<f64>().ok();
    let in_unit = |unit: &str, size: f64| number(printed.strip_suffix(unit)?).map(|told| (told * size, half(told) * size));
    match kind {
        'L' if printed == "0" => Some((0.0, 0.0)),
        'L' => in_unit(" µs", 1e-3).or_else(|| in_unit(" ms", 1.0)).or_else(|| in_unit(" s", 1000.0)),
        'S' => in_unit(" %", 0.01),
        'N' => {
            let digits = (1.0 - ((1.0 - exact) * 100.0).log10().floor()).max(1.0);
            Some((in_unit(" %", 0.01)?.0, 0.005 * 10f64.powf(-digits)))
        }
        'P' => in_unit("", 1.0),
        'J' => Some((number(printed)?, 0.0005)),
        // From two minutes on seconds are cut.
        'M' if printed.contains(':') => {
            let told = printed.split(':').try_fold(0.0, |sum, part| Some(sum * 60.0 + number(part)?))?;
            Some((told + 0.5, 0.5))
        }
        'M' => in_unit(" s", 1.0),
        _ => unreachable!("{kind}"),
    }
}

/// Whether a text is this form, with numbers where the form has `{L}`, `{S}`, ...
fn fits(text: &str, form: &str, exact: &[f64]) -> bool {
    let mut rest = text;
    let mut exact = exact.iter();
    let mut parts = form.split('{');
    let Some(begun) = parts.next().and_then(|first| rest.strip_prefix(first)) else { return false };
    rest = begun;
    for part in parts {
        let (kind, literal) = part.split_once('}').expect("a form");
        let end = if literal.is_empty() { Some(rest.len()) } else { rest.find(literal) };
        let (Some(end), Some(exact)) = (end, exact.next()) else { return false };
        if !is_said(&rest[..end], kind.chars().next().expect("a kind"), *exact) {
            return false;
        }
        rest = &rest[end + literal.len()..];
    }
    rest.is_empty() && exact.next().is_none()
}

/// What is expected, in order; counts its numbers.
#[derive(Default)]
struct Expected {
    forms: Vec<(String, Vec<f64>)>,
}

impl Expected {
    fn say(&mut self, form: String, exact: Vec<f64>) {
        self.forms.push((form, exact));
    }

    fn is_all_of(&self, told: &[String], place: &str) -> usize {
        for (text, (form, exact)) in told.iter().zip(&self.forms) {
            assert!(fits(text, form, exact), "{place}: `{text}` for `{form}` with {exact:?}");
        }
        assert_eq!(told.len(), self.forms.len(), "{place}");
        self.forms.iter().map(|(_, exact)| exact.len()).sum()
    }
}

/// Rows of cells that stand in one text.
fn joined(rows: &[Vec<String>]) -> Vec<String> {
    rows.iter().map(|row| row.join(" | ")).collect()
}

/// ` (95 % CI {} to {})` with its values, or nothing.
fn interval(figure: &Value, kind: char, scale: f64) -> (String, Vec<f64>) {
    match figure["ci95"].as_array() {
        Some(ends) => (format!(" (95 % CI {{{kind}}} to {{{kind}}})"), vec![number(&ends[0]).max(0.0) * scale, number(&ends[1]) * scale]),
        None => (String::new(), Vec::new()),
    }
}

fn hovered(count: usize, max: usize) -> impl Iterator<Item = usize> {
    let every = count.div_ceil(max).max(1);
    (every / 2..count).step_by(every)
}

// ---- Picture by picture -------------------------------------------------------------------------------------------------

fn percentiles(left: &Left) -> usize {
    let curve = |variant: &Variant| -> Vec<(f64, f64)> {
        list(variant.more, "percentiles").iter().map(|point| (number(&point[0]), number(&point[1]))).collect()
    };
    // A point of the curve, or the last one before it: what is shown lies on points.
    let at = |variant: &Variant, share: f64| curve(variant).iter().find(|(known, _)| (known - share).abs() < 2e-8).map(|(_, ms)| *ms);
    let picture = left.picture("latency-percentiles");
    let variants = left.variants();
    let mut rows = Expected::default();
    let shares = [0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999];
    for variant in &variants {
        let told: Vec<f64> = shares.iter().filter_map(|share| at(variant, *share)).collect();
        rows.say(format!("{}{}", variant.name, " | {L}".repeat(told.len())), told);
        for (share, figure) in [(0.5, "p50"), (0.95, "p95"), (0.99, "p99"), (0.999, "p99_9")] {
            let Some(ms) = at(variant, share) else { continue };
            let exact = number(&variant.told["latency_ms"][figure]["value"]);
            assert!((ms - exact).abs() <= exact * 1e-7, "{}: {figure} is {exact}, drawn {ms}", variant.name);
        }
    }
    let last = variants.iter().map(|variant| curve(variant).last().expect("a point").0).fold(0.0, f64::max);
    let steps = ((1.0 - last).log10().abs() * 10.0 + 1e-9) as usize + 1;
    let mut tips = Expected::default();
    for step in hovered(steps, 80) {
        let share = 1.0 - 10f64.powf(-(step as f64) / 10.0);
        let known: Vec<(&str, f64)> = variants.iter().filter_map(|variant| Some((variant.name, at(variant, share)?))).collect();
        let lines: String = known.iter().map(|(name, _)| format!("\n{name}: {{L}}")).collect();
        let values = known.iter().map(|(_, ms)| *ms);
        match step {
            0 => tips.say(format!("the fastest took{lines}"), values.collect()),
            _ => tips.say(format!("{{N}} of the requests took at most{lines}"), std::iter::once(share).chain(values).collect()),
        }
    }
    rows.is_all_of(&joined(&picture.rows), "percentiles") + tips.is_all_of(&picture.tips, "percentiles")
}

fn bands(tips: &mut Expected, variant: &Variant) {
    for fault in list(variant.more, "faults") {
        let name = fault["fault"].as_str().expect("a name");
        tips.say(format!("{name}: {{M}} to {{M}}"), vec![number(&fault["from_s"]), number(&fault["to_s"])]);
    }
}

fn detections(tips: &mut Expected, variants: &[Variant]) {
    for variant in variants {
        for fault in list(variant.told, "failover") {
            if let (Some(after), true) = (fault["detected_after_s"]["value"].as_f64(), number(&fault["occurrences"]["value"]) <= 1.0) {
                tips.say(format!("{}: {} detected after {{M}}", variant.name, fault["fault"].as_str().expect("a name")), vec![after]);
            }
        }
    }
}

fn timeline(left: &Left) -> usize {
    let picture = left.picture("timeline");
    let variants = left.variants();
    assert!(variants.len() <= 4, "they share a plot");
    let series = |variant: &Variant, name: &str, bin: usize| variant.more["timeseries"][name][bin].as_f64();
    let first = &variants[0].more["timeseries"];
    let (bin_s, bins) = (number(&first["bin_s"]), list(first, "sent_rps").len());
    let mut rows = Expected::default();
    for bin in (0..bins).step_by(bins.div_ceil(60)) {
        let (mut form, mut exact) = ("{M}".to_owned(), vec![bin as f64 * bin_s]);
        for variant in &variants {
            let p99 = series(variant, "p99_ms", bin);
            form += if p99.is_some() { " | {P} | {P}" } else { " |  | {P}" };
            exact.extend(p99);
            exact.extend(series(variant, "failed_rps", bin));
        }
        rows.say(form, exact);
    }
    let mut tips = Expected::default();
    bands(&mut tips, &variants[0]);
    detections(&mut tips, &variants);
    for bin in hovered(bins, 80) {
        let (mut form, mut exact) = ("at {M}".to_owned(), vec![(bin as f64 + 0.5) * bin_s]);
        for variant in &variants {
            let (p99, failed) = (series(variant, "p99_ms", bin), series(variant, "failed_rps", bin).filter(|rate| *rate > 0.0));
            form += &format!("\n{}: {}", variant.name, if p99.is_some() { "p99 {L}" } else { "no answer" });
            form += if failed.is_some() { ", {P} failed/s" } else { "" };
            exact.extend(p99.into_iter().chain(failed));
        }
        tips.say(form, exact);
    }
    if variants.iter().any(|variant| list(&variant.more["timeseries"], "failed_rps").iter().any(|rate| number(rate) > 0.0)) {
        bands(&mut tips, &variants[0]);
        detections(&mut tips, &variants);
    }
    rows.is_all_of(&joined(&picture.rows), "timeline") + tips.is_all_of(&picture.tips, "timeline")
}

fn comparison(left: &Left) -> usize {
    let picture = left.picture("comparison");
    let variants = left.variants();
    let count = |variant: &Variant, kind: &str| number(&variant.told["requests"][kind]["value"]);
    let finished = |variant: &Variant| count(variant, "ok") + count(variant, "failed") + count(variant, "stuck");
    let mut tips = Expected::default();
    let mut rows: Vec<(String, Vec<f64>)> = variants.iter().map(|variant| (variant.name.to_owned(), Vec::new())).collect();
    for (title, kind) in [("mean latency", 'L'), ("p99", 'L'), ("failed requests", 'S')] {
        for (variant, row) in variants.iter().zip(&mut rows) {
            let (figure, scale) = match title {
                "mean latency" => (&variant.told["latency_ms"]["mean"], 1.0),
                "p99" => (&variant.told["latency_ms"]["p99"], 1.0),
                _ => (&variant.told["requests"]["failed"], 1.0 / finished(variant)),
            };
            let (form, ends) = interval(figure, kind, scale);
            let exact: Vec<f64> = std::iter::once(number(&figure["value"]) * scale).chain(ends).collect();
            row.0 += &format!(" | {{{kind}}}{}", form.replace("95 % CI ", ""));
            row.1.extend(&exact);
            tips.say(format!("{}: {title} {{{kind}}}{form}", variant.name), exact);
        }
    }
    Expected { forms: rows }.is_all_of(&joined(&picture.rows), "comparison") + tips.is_all_of(&picture.tips, "comparison")
}

fn shares(left: &Left) -> usize {
    let picture = left.picture("shares");
    let variants = left.variants();
    let weight = |variant: &Variant, place: usize| number(&variant.more["weight_shares"][place]);
    let (mut rows, mut tips) = (Expected::default(), Expected::default());
    for variant in &variants {
        for (place, server) in list(variant.told, "servers").iter().enumerate() {
            let exact = vec![number(&server["share"]["value"]), weight(variant, place)];
            rows.say(format!("{} | {} | {{S}} | {{S}}", variant.name, server["name"].as_str().expect("a name")), exact);
        }
    }
    for place in 0..list(variants[0].told, "servers").len() {
        for variant in &variants {
            let server = &variant.told["servers"][place];
            let (form, ends) = interval(&server["share"], 'S', 1.0);
            let exact = std::iter::once(number(&server["share"]["value"])).chain(ends).chain([weight(variant, place)]);
            let name = server["name"].as_str().expect("a name");
            tips.say(format!("{}: {name} got {{S}}{form}\nits weight: {{S}}", variant.name), exact.collect());
        }
    }
    rows.is_all_of(&joined(&picture.rows), "shares") + tips.is_all_of(&picture.tips, "shares")
}

fn load(left: &Left) -> usize {
    let picture = left.picture("load");
    let variants = left.variants();
    let mean = |cells: &[Value]| cells.iter().map(number).sum::<f64>() / cells.len() as f64;
    let (mut rows, mut tips) = (Expected::default(), Expected::default());
    for variant in &variants {
        let (map, end) = (&variant.more["load"], number(&variant.told["duration_s"]));
        let names = list(map, "rows");
        let most = (900 / (names.len() * variants.len())).clamp(1, 30);
        for (row, name) in names.iter().enumerate() {
            let name = name.as_str().expect("a name");
            let cells = |part: &str| map[part][row].as_array().expect("cells").clone();
            let (all, waiting) = (cells("in_system"), cells("waiting"));
            let highest = all.iter().map(number).fold(0.0, f64::max);
            rows.say(format!("{} | {name} | {{P}} | {{P}} | {{P}}", variant.name), vec![mean(&all), mean(&waiting), highest]);
            let every = all.len().div_ceil(most);
            for from in (0..all.len()).step_by(every) {
                let to = (from + every).min(all.len());
                let at = |bin: usize| (bin as f64 * number(&map["bin_s"])).min(end);
                let exact = vec![at(from), at(to), mean(&all[from..to]), mean(&waiting[from..to])];
                tips.say(format!("{name}, {{M}} to {{M}}\n{{P}} requests, {{P}} of them waiting"), exact);
            }
        }
    }
    rows.is_all_of(&joined(&picture.rows), "load") + tips.is_all_of(&picture.tips, "load")
}

fn affinity(left: &Left) -> usize {
    let picture = left.picture("affinity");
    let variants = left.variants();
    let (mut rows, mut tips) = (Expected::default(), Expected::default());
    for variant in &variants {
        let figures = ["sessions", "moved", "lost_state", "wiped", "requests_moved_share"];
        let exact = figures.map(|figure| number(&variant.told["affinity"][figure]["value"]));
        rows.say(format!("{} | {{P}} | {{P}} | {{P}} | {{P}} | {{S}}", variant.name), exact.to_vec());
    }
    bands(&mut tips, &variants[0]);
    let series = |variant: &Variant| variant.more["timeseries"].clone();
    for bin in hovered(list(&series(&variants[0]), "moved_rps").len(), 80) {
        let (mut form, mut exact) = ("at {M}".to_owned(), vec![(bin as f64 + 0.5) * number(&series(&variants[0])["bin_s"])]);
        for variant in &variants {
            form += &format!("\n{}: {{P}} moved/s", variant.name);
            exact.push(number(&series(variant)["moved_rps"][bin]));
        }
        tips.say(form, exact);
    }
    rows.is_all_of(&joined(&picture.rows), "affinity") + tips.is_all_of(&picture.tips, "affinity")
}

fn distribution(left: &Left) -> usize {
    let picture = left.picture("distribution");
    let mut rows = Expected::default();
    for variant in left.variants() {
        for buckets in list(variant.more, "distribution").chunks(6) {
            let part: f64 = buckets.iter().map(|bucket| number(&bucket[1])).sum();
            rows.say(format!("{} | {{L}} | {{S}}", variant.name), vec![number(&buckets.last().expect("a bucket")[0]), part]);
        }
    }
    rows.is_all_of(&joined(&picture.rows), "distribution")
}

fn clients(left: &Left) -> usize {
    let picture = left.picture("clients");
    let variants = left.variants();
    let at = |variant: &Variant, hundredth: usize| number(&variant.more["users"][hundredth][1]);
    let (mut rows, mut tips) = (Expected::default(), Expected::default());
    for variant in &variants {
        let jain = number(&variant.told["fairness"]["clients"]["jain_latency"]["value"]);
        let exact = [1, 50, 90, 99, 100].map(|hundredth| at(variant, hundredth)).into_iter().chain([jain]);
        rows.say(format!("{}{} | {{J}}", variant.name, " | {L}".repeat(5)), exact.collect());
    }
    for hundredth in hovered(101, 80) {
        let lines: String = variants.iter().map(|variant| format!("\n{}: {{L}}", variant.name)).collect();
        let values = variants.iter().map(|variant| at(variant, hundredth));
        let exact = std::iter::once(hundredth as f64 / 100.0).chain(values).collect();
        tips.say(format!("{{S}} of the users get at most{lines}"), exact);
    }
    rows.is_all_of(&joined(&picture.rows), "clients") + tips.is_all_of(&picture.tips, "clients")
}

/// Each text is one of those that the details allow, whichever.
fn is_one_of(texts: &[String], allowed: &[(String, Vec<f64>)], place: &str) -> usize {
    for text in texts {
        assert!(allowed.iter().any(|(form, exact)| fits(text, form, exact)), "{place}: `{text}` is not in the details");
    }
    assert!(!texts.is_empty(), "{place}");
    2 * texts.len()
}

fn failover(left: &Left) -> usize {
    let picture = left.picture("failover");
    let (mut tips, mut rows) = (Vec::new(), Vec::new());
    for variant in left.variants() {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        for fault in list(variant.more, "faults") {
            let exact = vec![number(&fault["from_s"]), number(&fault["to_s"])];
            tips.push((format!("{}: {{M}} to {{M}}", text(&fault["fault"])), exact.clone()));
            for server in list(fault, "servers") {
                rows.push((format!("{} | {} | {} | {{M}} | {{M}}", variant.name, text(server), text(&fault["fault"])), exact.clone()));
            }
        }
        // Between two changes of a view, from the beginning to the end, in and out by turns.
        let seen = list(variant.more, "rotation").iter().chain(list(variant.more, "checks"));
        for (balancer, target) in seen.map(|change| (text(&change["balancer"]), text(&change["target"]))) {
            let of_pair = |change: &&Value| change["balancer"] == balancer.as_str() && change["target"] == target.as_str();
            let changes: Vec<&Value> = list(variant.more, "rotation").iter().filter(of_pair).collect();
            let begins = std::iter::once(0.0).chain(changes.iter().map(|change| number(&change["at_s"])));
            let ends = changes.iter().map(|change| number(&change["at_s"])).chain([number(&variant.told["duration_s"])]);
            for (place, (from, to)) in begins.zip(ends).enumerate() {
                let is_in = place == 0 || changes[place - 1]["is_good"] == true;
                let what = if is_in { "in" } else { "out of" };
                tips.push((format!("{balancer}: {target} {what} rotation from {{M}} to {{M}}"), vec![from, to]));
                rows.push((format!("{} | {target} | {what} rotation at {balancer} | {{M}} | {{M}}", variant.name), vec![from, to]));
            }
        }
    }
    is_one_of(&picture.tips, &tips, "failover") + is_one_of(&joined(&picture.rows), &rows, "failover")
}

/// When, and which state began.
type Moment = (f64, String);

fn control_plane(left: &Left) -> usize {
    let picture = left.picture("control-plane");
    let (mut tips, mut rows) = (Vec::new(), Vec::new());
    for variant in left.variants() {
        let end = number(&variant.told["duration_s"]);
        let mut stories: Vec<(String, String, String, Vec<Moment>)> = Vec::new();
        for (part, who, state) in [("pods", "pod", "phase"), ("targets", "target", "state")] {
            for change in list(variant.more, part) {
                let (pod, at) = (change[who].as_str().expect("a name"), change["balancer"].as_str());
                let (what, place) = at.map_or((pod.to_owned(), "its node".to_owned()), |at| (format!("{pod} at {at}"), at.to_owned()));
                let moment = (number(&change["at_s"]), change[state].as_str().expect("a state").replace('_', "-"));
                match stories.iter_mut().find(|(known, ..)| *known == what) {
                    Some((.., changes)) => changes.push(moment),
                    None => stories.push((what, pod.to_owned(), place, vec![moment])),
                }
            }
        }
        for (what, pod, place, changes) in stories {
            for (from, state) in &changes {
                for to in changes.iter().map(|(at, _)| *at).chain([end]).filter(|to| to > from) {
                    tips.push((format!("{what}: {state} from {{M}} to {{M}}"), vec![*from, to]));
                    tips.push((format!("{what}, …: {state} from {{M}} to {{M}}"), vec![*from, to]));
                    for place in [place.clone(), format!("{place}, …")] {
                        rows.push((format!("{} | {pod} | {place} | {state} | {{M}} | {{M}}", variant.name), vec![*from, to]));
                    }
                }
            }
        }
        let series = &variant.more["timeseries"];
        for (bin, rate) in list(series, "failed_rps").iter().enumerate() {
            let at = |bin: usize| bin as f64 * number(&series["bin_s"]);
            tips.push(("{P} failed a second from {M} to {M}".to_owned(), vec![number(rate), at(bin), at(bin + 1)]));
        }
    }
    is_one_of(&picture.tips, &tips, "control plane") + is_one_of(&joined(&picture.rows), &rows, "control plane")
}

fn path(left: &Left) -> usize {
    let picture = left.picture("path");
    let value = |figure: &Value| figure["value"].as_f64().unwrap_or(0.0);
    let (mut rows, mut tips) = (Expected::default(), Expected::default());
    for row in &picture.rows {
        let variants = left.variants();
        let variant = variants.iter().find(|variant| variant.name == row[0]).expect("a variant");
        let class = row[1].rsplit(": ").next().expect("a class");
        let way = list(variant.told, "paths").iter().find(|way| way["class"] == class).expect("a way");
        let exact = match &row[2][..] {
            "to the server" => [1.0, value(&way["to_server_ms"]), 0.0],
            "waiting at the server" => [1.0, value(&way["waiting_ms"]), 0.0],
            "service" => [1.0, value(&way["service_ms"]), value(&way["failed_at_server"])],
            "way back" => [1.0, value(&way["back_ms"]), 0.0],
            name => {
                let stop = list(way, "stops").iter().find(|stop| stop["name"] == name).expect("a stop");
                [value(&stop["share"]), value(&stop["ms"]), value(&stop["failed"])]
            }
        };
        rows.say(format!("{} | {} | {} | {{S}} | {{L}} | {{P}}", row[0], row[1], row[2]), exact.to_vec());
        tips.say(format!("{}: {{L}} for {{S}} of the requests, {{P}} tries failed", row[2]), vec![exact[1], exact[0], exact[2]]);
    }
    rows.is_all_of(&joined(&picture.rows), "path") + tips.is_all_of(&picture.tips, "path")
}

fn sweep(left: &Left) -> usize {
    let picture = left.picture("sweep");
    let (mut rows, mut tips) = (Expected::default(), Expected::default());
    let all = list(&left.summary, "variants");
    for told in all {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let (name, at) =
            (text(&told["name"]), text(&told["point"].as_object().expect("a point").values().next().expect("a value").clone()));
        let (mean, p99) = (&told["latency_ms"]["mean"], &told["latency_ms"]["p99"]);
        rows.say(format!("{name} | {at} | {{L}} | {{L}}"), vec![number(&mean["value"]), number(&p99["value"])]);
        let (form, ends) = interval(p99, 'L', 1.0);
        let exact = std::iter::once(number(&p99["value"])).chain(ends).chain([number(&mean["value"])]);
        tips.say(format!("{name} at {at}\np99 {{L}}{form}\nmean {{L}}"), exact.collect());
    }
    let by_form = |told: &[String]| {
        let mut told = told.to_vec();
        told.sort();
        told
    };
    rows.forms.sort_by(|a, b| a.0.cmp(&b.0));
    tips.forms.sort_by(|a, b| a.0.cmp(&b.0));
    rows.is_all_of(&by_form(&joined(&picture.rows)), "sweep") + tips.is_all_of(&by_form(&picture.tips), "sweep")
}

#[test]
fn every_number_in_the_pictures_is_that_of_the_files() {
    let plain = left_by("page.yaml", &[]);
    let pictures = [percentiles, timeline, comparison, shares, load, affinity, distribution, clients, failover];
    let seen: usize = pictures.iter().map(|picture| picture(&plain)).sum();
    assert!(seen > 2000, "{seen} numbers");
    let pods = left_by("../scenarios/rolling-deploy.yaml", &["--replications", "2"]);
    let seen = control_plane(&pods) + path(&pods);
    assert!(seen > 1000, "{seen} numbers");
    let swept = left_by("browser/scenarios/sweep.yaml", &[]);
    let seen = sweep(&swept) + percentiles(&swept) + comparison(&swept);
    assert!(seen > 200, "{seen} numbers");
}

#[test]
fn a_wrong_number_is_seen() {
    assert!(fits("a: 12.3 ms of 4 %", "a: {L} of {S}", &[12.34, 0.04]));
    assert!(!fits("a: 12.3 ms of 4 %", "a: {L} of {S}", &[12.36, 0.04]) && !fits("a: 12.3 ms of 4 %", "a: {L} of {S}", &[12.34, 0.0401]));
    assert!(
        !fits("a: 12.3 ms", "b: {L}", &[12.3]) && !fits("a: 12.3 ms", "a: {L}", &[12.3, 1.0]) && !fits("a: 1 s, b", "a: {L}", &[1000.0])
    );
    assert!(
        is_said("2:30", 'M', 150.9) && !is_said("2:30", 'M', 151.1) && is_said("99.68 %", 'N', 0.996_838) && !is_said("100 %", 'N', 0.9999)
    );
}
