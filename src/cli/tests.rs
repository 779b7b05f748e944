use super::*;

fn rewritten(line: &str) -> String {
    let args = with_command(line.split(' ').map(OsString::from).collect());
    args.iter().map(|arg| arg.to_str().unwrap()).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_command_run_may_be_left_out() {
    for (typed, meant) in [
        ("lbsim cart.yaml", "lbsim run cart.yaml"),
        ("lbsim --seed 3 cart.yaml", "lbsim run --seed 3 cart.yaml"),
        ("lbsim --seed=3 --quiet cart.yaml", "lbsim run --seed=3 --quiet cart.yaml"),
        ("lbsim -", "lbsim run -"),
        ("lbsim --json", "lbsim run --json"),
        ("lbsim -- run", "lbsim run -- run"),
        ("lbsim run cart.yaml", "lbsim run cart.yaml"),
        ("lbsim check cart.yaml", "lbsim check cart.yaml"),
        ("lbsim --color never check cart.yaml", "lbsim check --color never cart.yaml"),
        ("lbsim help run", "lbsim help run"),
        ("lbsim --help", "lbsim --help"),
        ("lbsim -V", "lbsim -V"),
        ("lbsim", "lbsim"),
    ] {
        assert_eq!(rewritten(typed), meant);
    }
}

#[test]
fn the_definition_of_the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

fn study_args(line: &str) -> StudyArgs {
    let args = with_command(line.split(' ').map(OsString::from).collect());
    match Cli::try_parse_from(args) {
        Ok(Cli { command: Command::Check(check), .. }) => check.study,
        _ => panic!("`{line}` is a check"),
    }
}

#[test]
fn options_become_patches_and_win_over_set() {
    let args = study_args("lbsim check a.yaml --set seed=1 --seed 9 --duration 1.5s --set a.b=c=d --replications 4");
    let patches: Vec<String> = args.patches().iter().map(|(path, value)| format!("{path} {value}")).collect();
    assert_eq!(patches, ["seed 1", "a.b c=d", "seed 9", "replications 4", "duration 1.5s"]);
}

#[test]
fn wrong_options_are_refused() {
    for line in
        ["lbsim a.yaml --replications 0", "lbsim a.yaml --jobs 0", "lbsim a.yaml --duration 30", "lbsim a.yaml --set seed", "lbsim a b"]
    {
        let args = with_command(line.split(' ').map(OsString::from).collect());
        assert_eq!(Cli::try_parse_from(args).err().map(|error| error.exit_code()), Some(2), "{line}");
    }
}

#[test]
fn a_file_that_is_not_there_may_be_a_slip_of_a_command() {
    let missing = io::Error::from(io::ErrorKind::NotFound);
    assert!(cannot_read("chekc", &missing).ends_with("did you mean the command `check`?"));
    assert_eq!(cannot_read("a.yaml", &missing), "there is no file `a.yaml`");
}

#[test]
fn every_shell_completes_every_command() {
    for shell in clap_complete::Shell::value_variants() {
        let mut script = Vec::new();
        clap_complete::generate(*shell, &mut Cli::command(), "lbsim", &mut script);
        let script = String::from_utf8(script).unwrap();
        for command in ["run", "check", "completions", "man", "assert-slo"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
}

#[test]
fn errors_as_json_have_their_place_and_their_help() {
    let source = Source { name: "a.yaml".to_owned(), text: "seed: 1\nservers: [{ name: é, cout: 2 }]\n".to_owned() };
    let diagnostics = variants::read(source, &[]).expect_err("a field is unknown");
    let findings: Vec<serde_json::Value> = diagnostics.iter().map(|found| check::as_json(found).expect("it can be written")).collect();
    let unknown = findings.iter().find(|found| found["message"].as_str().is_some_and(|text| text.contains("cout"))).expect("it is told");
    assert_eq!((&unknown["line"], &unknown["column"], &unknown["file"]), (&2.into(), &22.into(), &"a.yaml".into()));
    assert!(unknown["severity"] == "error" && unknown["help"].as_str().is_some_and(|help| help.contains("count")));
}

#[test]
fn odd_lengths_are_told_to_the_second() {
    let told = [
        (295_212_700_000, "4m 55s"),
        (600_000_000_000, "10m"),
        (1_500_000_000, "1.5s"),
        (59_600_000_000, "60s"),
        (8_000_100_000_000, "2h 13m"),
    ];
    assert_eq!(told.map(|(ns, _)| length(Span(ns))), told.map(|(_, text)| text));
}
