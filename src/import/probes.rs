//! Probes and the end of a container. Source: Kubernetes API reference, Probe and Lifecycle.

use super::sheet::Field;
use super::view::View;
use crate::control::defaults::probe;
use crate::error::Diagnostic;

/// A probe as the scenario has it.
pub fn probe(view: &View, key: &'static str) -> Option<Field> {
    let mut note = view.path.rsplit("].").next().unwrap_or_default().to_owned();
    let mut fields = Vec::new();
    match (view.get("httpGet"), view.get("tcpSocket"), view.get("exec"), view.get("grpc")) {
        (Some(http), ..) => {
            let path = http.get("path").and_then(|path| path.text()).unwrap_or("/");
            let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
            fields.push(Field::text("http", &path));
            ["port", "scheme"].iter().for_each(|name| drop(http.get(name)));
        }
        (None, Some(tcp), ..) => {
            tcp.get("port");
            fields.push(Field::new("tcp", "{}"));
        }
        (None, None, exec, grpc) => {
            let Some(other) = exec.or(grpc) else {
                view.error_help("does not say what is probed", "write `httpGet`, `tcpSocket`, `exec` or `grpc`");
                return None;
            };
            other.take_all();
            let name = other.path.rsplit('.').next().unwrap_or_default().to_owned();
            other.warning(
                "is taken for a TCP connect",
                "lbsim probes by `tcp` or `http`; a command or a gRPC check may see more than they do",
            );
            note.push_str(&format!("; {name}, taken for a TCP connect"));
            fields.push(Field::new("tcp", "{}"));
        }
    }
    // 0 stands for the default, as in Kubernetes.
    let times = [("initialDelaySeconds", "initial_delay", 0), ("periodSeconds", "period", 1), ("timeoutSeconds", "timeout", 1)];
    for (from, to, least) in times {
        if let Some(seconds) = view.get(from).and_then(|value| value.seconds(0)).filter(|seconds| *seconds >= least) {
            fields.push(Field::new(to, format!("{seconds}s")));
        }
    }
    for (from, to) in [("successThreshold", "success_threshold"), ("failureThreshold", "failure_threshold")] {
        let Some(value) = view.get(from) else { continue };
        let Some(count) = value.whole(0, 1_000_000).filter(|count| *count > 0) else { continue };
        if from == "successThreshold" && count > probe::SUCCESS_THRESHOLD && key != "readiness_probe" {
            value.error_help(format!("is {count}; it must be 1 here"), "Kubernetes lets only readiness probes pass several times");
            continue;
        }
        fields.push(Field::new(to, count));
    }
    Some(Field::flow(key, &fields).note(note))
}

/// How long `lifecycle.preStop` takes: a sleep, as an action or within a command. `told`: what else it does.
pub fn pre_stop(container: &View, told: &mut Vec<Diagnostic>) -> Option<Field> {
    let pre_stop = container.at("lifecycle.preStop")?;
    if let Some(seconds) = pre_stop.get("sleep").and_then(|sleep| sleep.get("seconds")) {
        let seconds = seconds.seconds(0)?;
        return Some(Field::new("pre_stop", format!("{seconds}s")).note("lifecycle.preStop.sleep"));
    }
    let Some(command) = pre_stop.get("exec").and_then(|exec| exec.get("command")) else {
        if !pre_stop.node.entries().is_empty() {
            pre_stop.take_all();
            let help = "lbsim knows a hook that sleeps; write the time that it takes as `pre_stop` in the scenario";
            told.push(pre_stop.warned("is not read", help));
        }
        return None;
    };
    let words: Vec<&str> = command.items().iter().filter_map(|word| word.text()).flat_map(str::split_whitespace).collect();
    let line = words.join(" ");
    let Some(seconds) = sleep_of(&words) else {
        told.push(command.warned(
            format!("has no `sleep`; `{line}` is taken to take no time"),
            "write the time that it takes as `pre_stop` in the scenario",
        ));
        return None;
    };
    let others = words.iter().filter(|word| !is_wrapping(word)).count();
    if others > 2 {
        told.push(command.warned(
            format!("does more than sleep; of `{line}` the {seconds}s are taken"),
            "the other commands are taken to take no time; `pre_stop` in the scenario has the whole",
        ));
    }
    Some(Field::new("pre_stop", format!("{seconds}s")).note(format!("lifecycle.preStop.exec: {line}")))
}

/// Words of a command around the sleep: the shell and its options.
fn is_wrapping(word: &str) -> bool {
    let name = word.trim_matches(['"', '\'']).rsplit('/').next().unwrap_or_default();
    ["sh", "bash", "ash", "dash", "-c", "-ec", "exec", "env", "busybox"].contains(&name)
}

/// The seconds of `sleep 15`, `/bin/sleep 1m`, all sleeps of a command together.
fn sleep_of(words: &[&str]) -> Option<f64> {
    let bare = |word: &str| word.trim_matches(['"', '\'', ';', '&', '(', ')']).to_owned();
    let pairs = words.windows(2).filter(|pair| bare(pair[0]).rsplit('/').next() == Some("sleep"));
    let times: Vec<f64> = pairs
        .filter_map(|pair| {
            let text = bare(pair[1]);
            let (number, scale) = match text.chars().last()? {
                's' => (&text[..text.len() - 1], 1.0),
                'm' => (&text[..text.len() - 1], 60.0),
                'h' => (&text[..text.len() - 1], 3600.0),
                _ => (text.as_str(), 1.0),
            };
            let is_number = number.starts_with(|c: char| c.is_ascii_digit() || c == '.');
            number.parse::<f64>().ok().filter(|seconds| is_number && (0.0..=1e6).contains(seconds)).map(|seconds| seconds * scale)
        })
        .collect();
    (!times.is_empty()).then(|| times.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeps_are_found_in_commands() {
        let of = |command: &str| sleep_of(&command.split_whitespace().collect::<Vec<_>>());
        assert_eq!(of("sleep 15"), Some(15.0));
        assert_eq!(of("/bin/sh -c \"/bin/sleep 5; nginx -s quit\""), Some(5.0));
        assert_eq!(of("sh -c sleep 1m && sleep 2.5"), Some(62.5));
        for none in ["nginx -s quit", "sleep", "sleep infinity", "sleep $N", "sleep -5", "asleep 5"] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
