//! Patches, spots of paths, and the rules of the deserializer.

use super::*;
use crate::error::{Diagnostic, Source};
use serde::Deserialize;
use std::collections::BTreeMap;

fn source(text: &str) -> Arc<Source> {
    Arc::new(Source { name: "a.yaml".to_owned(), text: text.to_owned() })
}

fn node(text: &str) -> Node {
    parse(&source(text)).unwrap_or_else(|errors| panic!("{errors}"))
}

fn refusal(text: &str) -> String {
    parse(&source(text)).unwrap_err().iter().map(|error| error.message.clone()).collect()
}

/// The document as one line after `path=value`.
fn patched(text: &str, path: &str, value: &str) -> Result<String, Diagnostic> {
    let mut document = node(text);
    let value = parse_from(&source(value), 0).unwrap();
    let at = value.spot.clone();
    document.set(path, &at, value).map(|()| document.to_line())
}

#[test]
fn a_patch_replaces_what_stands_at_the_path() {
    assert_eq!(patched("a: { b: 1, c: 2 }", "a.b", "3").unwrap(), "{ a: { b: 3, c: 2 } }");
    assert_eq!(patched("a: 1", "a", "[x, { y: z }]").unwrap(), "{ a: [x, { y: z }] }");
}

#[test]
fn a_patch_finds_items_by_name_and_by_number() {
    let text = "s: [{ name: web, n: 1 }, { name: api }, { q: 0 }]";
    assert_eq!(patched(text, "s.api.n", "7").unwrap(), "{ s: [{ name: web, n: 1 }, { name: api, n: 7 }, { q: 0 }] }");
    assert_eq!(patched(text, "s[2].q", "5").unwrap(), "{ s: [{ name: web, n: 1 }, { name: api }, { q: 5 }] }");
    assert_eq!(patched(text, "s.web", "").unwrap(), "{ s: [{ name: api }, { q: 0 }] }");
    assert_eq!(patched("a: [[1, 2], [3]]", "a[0].[1]", "9").map_err(|e| e.message), Err("`a[0].[1]` is not a path".to_owned()));
}

#[test]
fn a_patch_makes_the_maps_on_the_way() {
    assert_eq!(patched("a: {}", "a.b.c", "1").unwrap(), "{ a: { b: { c: 1 } } }");
    assert_eq!(patched("a: 1", "b.c", "1").unwrap(), "{ a: 1, b: { c: 1 } }");
}

#[test]
fn below_a_bare_name_a_patch_makes_a_map() {
    assert_eq!(patched("algorithm: random", "algorithm.power_of_d.d", "3").unwrap(), "{ algorithm: { power_of_d: { d: 3 } } }");
}

#[test]
fn null_removes_and_leaves_what_is_not_there() {
    assert_eq!(patched("a: { b: 1, c: 2 }", "a.b", "null").unwrap(), "{ a: { c: 2 } }");
    // A null counts as not given; it stays so that an unknown field is found out.
    assert_eq!(patched("a: { c: 2 }", "a.b.x", "null").unwrap(), "{ a: { c: 2, b: null } }");
}

#[test]
fn names_with_dots_are_found_whole() {
    let text = "algorithm: { nginx.random: { two: 1 } }\nnginx: 1\ns: [{ name: a.b, n: 1 }, { name: a, b: 2 }]";
    assert!(patched(text, "algorithm.nginx.random.two", "2").unwrap().starts_with("{ algorithm: { nginx.random: { two: 2 } }"));
    assert!(patched(text, "s.a.b.n", "2").unwrap().ends_with("s: [{ name: a.b, n: 2 }, { name: a, b: 2 }] }"));
}

#[test]
fn a_patch_that_meets_nothing_says_what_there_is() {
    let error = |path: &str| patched("s: [{ name: web }, { name: api }]\nm: {}", path, "1").unwrap_err();
    assert_eq!(error("s.wbe.n").message, "nothing in `s` is called `wbe`");
    assert_eq!(error("s.wbe.n").help.unwrap(), "did you mean `web`?");
    assert_eq!(error("s.other").help.unwrap(), "known here: web, api");
    assert_eq!(error("s[2].n").message, "`s` has no item [2]");
    assert_eq!(error("s[x]").message, "`[x]` is not the number of an item");
    assert_eq!(error("m[0]").message, "`m` is not a list");
    for path in ["", ".", "a.", ".a", "a..b", "a[", &"a.".repeat(100)] {
        assert!(error(path).message.contains("is not a path") || error(path).message.contains("is not a list"), "{path:?}");
    }
}

fn quoted(document: &Node, path: &Path) -> String {
    let spot = document.spot_at(path);
    spot.source.text[spot.range].to_owned()
}

#[test]
fn a_spot_is_that_of_the_value_else_of_the_nearest_thing_above() {
    let document = node("clients:\n  - name: a\n    rate: 5/s # often\n    more: { x: 1 }\nseed:\n");
    let client = Path::root().field("clients").index(0);
    assert_eq!(quoted(&document, &client.field("rate")), "5/s");
    assert_eq!(quoted(&document, &client.field("more")), "more");
    assert_eq!(quoted(&document, &client.field("more").field("y")), "more");
    assert_eq!(quoted(&document, &client.field("nothing").index(3)), "name: a");
    assert_eq!(quoted(&document, &Path::root().field("clients").index(9)), "clients");
    assert_eq!(quoted(&document, &Path::root().field("seed")), "seed");
    assert_eq!(document.path_text(&client.field("more").field("y")), "clients.a.more.y");
}

#[test]
fn a_path_names_items_by_number_where_they_have_no_name() {
    let document = node("a: [{ name: x, b: [1] }, { c: 2 }]");
    let path = Path::root().steps("a[0].b[0]");
    assert_eq!(document.path_text(&path), "a.x.b[0]");
    assert_eq!(document.path_text(&Path::root().field("a").index(1).field("c")), "a[1].c");
}

#[test]
fn spots_count_bytes_also_behind_other_alphabets_and_a_byte_order_mark() {
    let document = node("\u{feff}näme: größe\nb: € x\n");
    assert_eq!(quoted(&document, &Path::root().field("näme")), "größe");
    assert_eq!(quoted(&document, &Path::root().field("b")), "€ x");
}

#[test]
fn aliases_repeat_what_was_marked() {
    assert_eq!(node("a: &x { b: 1 }\nc: [*x, *x]").to_line(), "{ a: { b: 1 }, c: [{ b: 1 }, { b: 1 }] }");
    assert_eq!(refusal("a: &x [*x]"), "this alias stands inside what it refers to");
    let nested = format!("a: &x {}1{}\nb: {}*x{}", "[".repeat(40), "]".repeat(40), "[".repeat(40), "]".repeat(40));
    assert_eq!(refusal(&nested), "this is nested more than 64 deep");
}

#[test]
fn depth_up_to_64_is_read() {
    assert_eq!(refusal(&format!("{}{}", "[".repeat(65), "]".repeat(65))), "this is nested more than 64 deep");
    assert_eq!(node(&format!("{}{}", "[".repeat(64), "]".repeat(64))).size(), 64);
}

#[test]
fn a_file_of_more_than_a_mebibyte_is_refused() {
    assert!(decode("a.yaml", &vec![b'#'; 1 << 20]).is_ok());
    assert!(decode("a.yaml", &vec![b'#'; (1 << 20) + 1]).unwrap_err().to_string().contains("at most 1 MiB"));
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Thing {
    name: String,
    #[serde(default)]
    count: Option<u32>,
    #[serde(default)]
    is_on: bool,
    #[serde(default)]
    speed: f64,
    #[serde(default)]
    choice: Choice,
    #[serde(default)]
    columns: BTreeMap<String, i64>,
    #[serde(default)]
    hedge: Option<Later>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Choice {
    #[default]
    Plain,
    Wrapped(u32),
    Settings {
        #[serde(default)]
        d: u8,
    },
    Group(Group),
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Group {
    ties: String,
}

fn thing(text: &str) -> Result<Thing, String> {
    de::read(&node(text)).map_err(|error| {
        let spot = error.spot.unwrap();
        format!("{} @ {}", error.message, &spot.source.text[spot.range])
    })
}

fn choice(text: &str) -> Result<Choice, String> {
    thing(&format!("name: x\nchoice: {text}")).map(|thing| thing.choice)
}

#[test]
fn plain_scalars_are_what_is_asked_for() {
    let read = thing("name: no\ncount: 1e3\nis_on: true\nspeed: 1\ncolumns: { a.b: -3 }").unwrap();
    assert_eq!((read.name.as_str(), read.count, read.is_on, read.speed, read.columns["a.b"]), ("no", Some(1000), true, 1.0, -3));
    assert_eq!(thing("name: 007").unwrap().name, "007");
    assert_eq!(thing("name: x\ncount: 1_000").unwrap().count, Some(1000));
    assert_eq!(thing("name: x\nis_on: on").unwrap_err(), "expected `true` or `false`, found `on` @ on");
    assert_eq!(thing("name: x\nspeed: .inf").unwrap_err(), "expected a number, found `.inf` @ .inf");
    assert_eq!(thing("name: x\nspeed: 1e999").unwrap_err(), "expected a number, found `1e999` @ 1e999");
    assert_eq!(
        thing("name: x\ncount: 4294967296").unwrap_err(),
        "`4294967296` is out of range; this is a whole number from 0 to 4294967295 @ 4294967296"
    );
}

#[test]
fn a_field_that_holds_nothing_counts_as_not_given() {
    assert_eq!(thing("name: x\ncount:\nis_on: ~\nspeed: null\nchoice:").unwrap().count, None);
    assert_eq!(thing("name:\ncount: 1").unwrap_err(), "`name` is missing @ name");
    assert!(thing("name: x\ncuont:").unwrap_err().starts_with("unknown field `cuont`, did you mean `count`?"));
}

#[test]
fn a_bare_name_stands_for_a_variant_with_nothing_given() {
    assert_eq!(choice("plain"), Ok(Choice::Plain));
    assert_eq!(choice("{ plain: {} }"), Ok(Choice::Plain));
    assert_eq!(choice("settings"), Ok(Choice::Settings { d: 0 }));
    assert_eq!(choice("{ settings: }"), Ok(Choice::Settings { d: 0 }));
    assert_eq!(choice("group"), Ok(Choice::Group(Group::default())));
    assert_eq!(choice("{ group: { ties: first } }"), Ok(Choice::Group(Group { ties: "first".to_owned() })));
    assert_eq!(choice("{ wrapped: 3 }"), Ok(Choice::Wrapped(3)));
    assert_eq!(choice("wrapped").unwrap_err(), "`wrapped` needs a whole number @ wrapped");
}

#[test]
fn a_choice_is_one_known_name() {
    assert_eq!(
        choice("{ plain: {}, wrapped: 3 }").unwrap_err(),
        "`plain` and `wrapped` exclude each other: exactly one is given here @ wrapped"
    );
    assert_eq!(choice("setings").unwrap_err(), "unknown name `setings`, did you mean `settings`? @ setings");
    assert_eq!(choice("{ plain: 1 }").unwrap_err(), "`plain` takes no parameters @ 1");
    assert_eq!(choice("haproxy.leastconn").unwrap_err(), format!("{} @ haproxy.leastconn", de::later("`haproxy.leastconn`")));
    assert!(choice("[plain]").unwrap_err().starts_with("expected one of plain, wrapped, settings, group, found a list"));
}

#[test]
fn a_field_of_a_later_release_is_refused_by_its_name() {
    assert_eq!(thing("name: x\nhedge: { after: 3 }").unwrap_err(), format!("{} @ hedge", de::later("`hedge`")));
    assert!(thing("name: x\nhedge:").is_ok());
}

#[test]
fn an_error_points_at_the_innermost_node() {
    assert_eq!(
        thing("name: x\nchoice: { settings: { d: 300 } }").unwrap_err(),
        "`300` is out of range; this is a whole number from 0 to 255 @ 300"
    );
    assert_eq!(thing("name: x\ncolumns: { a: b }").unwrap_err(), "expected a whole number, found `b` @ b");
    assert_eq!(thing("- x").unwrap_err(), "expected a map, found a list @ - x");
}
