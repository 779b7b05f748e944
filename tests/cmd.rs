//! What the command line prints, word for word: `tests/cmd/*.trycmd`. `TRYCMD=overwrite cargo test --test cmd` writes them anew.

#[test]
fn the_command_line_prints_what_it_printed() {
    let cases = trycmd::TestCases::new();
    cases.env("NO_COLOR", "1").env("COLUMNS", "100").case("tests/cmd/*.trycmd");
    cases.run();
}
