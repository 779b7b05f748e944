//! Access logs in Apache's and nginx's combined format: `address ident user [time] "request" status size "referer" "agent"`.
//! Address, time and path are read; the common format, which ends after the size, is read alike.
//! Sources: Apache mod_log_config (`%h %l %u %t "%r" %>s %b`), nginx ngx_http_log_module (`combined`).

use super::source::{Source, unreadable};
use super::{Columns, InputError, instant, shown};
use crate::scenario::Trace;
use std::io::{BufRead, BufReader};

const NS_PER_S: i64 = 1_000_000_000;

/// What a line says about its request.
#[derive(Debug, PartialEq)]
struct Entry<'a> {
    client: &'a [u8],
    /// Seconds since 1970.
    second: i64,
    path: &'a [u8],
}

/// Reads client, second and path of every line; times stay whole seconds until [`spread_seconds`].
pub(super) fn read_trace(trace: &Trace, source: Source) -> Result<Columns, InputError> {
    refuse_csv_keys(trace, &source.name)?;
    let Source { name, limits, reader, since_row } = source;
    let mut reader = BufReader::with_capacity(64 << 10, reader);
    let mut columns = Columns { is_absolute: true, ..Columns::default() };
    let (mut clients, mut paths) = (Vec::new(), Vec::new());
    let mut buffer = Vec::new();
    let mut number = 0;
    loop {
        buffer.clear();
        if reader.read_until(b'\n', &mut buffer).map_err(|error| unreadable(&name, &error))? == 0 {
            break;
        }
        number += 1;
        let line = buffer.strip_prefix(b"\xef\xbb\xbf").filter(|_| number == 1).unwrap_or(&buffer).trim_ascii_end();
        if line.is_empty() {
            continue;
        }
        since_row.reset();
        if clients.len() == limits.rows {
            return Err(InputError::new(&name, format!("has more than {} lines", limits.rows)).help("give a part of them"));
        }
        let entry = parse(line).map_err(|why| wrong(&name, number, line, &why))?;
        columns.at.push(entry.second * NS_PER_S);
        clients.push(columns.clients.index_of(entry.client));
        paths.push(columns.paths.index_of(entry.path));
    }
    columns.client = Some(clients);
    columns.path = Some(paths);
    Ok(columns)
}

/// Logs say only the second. Its n requests are spread evenly over it in the log's order, the k-th at k / n (from 0), so
/// that they do not arrive as one burst at its start. `at` is sorted and in whole seconds.
pub(super) fn spread_seconds(at: &mut [i64]) {
    for second in at.chunk_by_mut(|a, b| a == b) {
        let n = second.len() as i64;
        for (k, at) in second.iter_mut().enumerate() {
            *at += k as i64 * NS_PER_S / n;
        }
    }
}

/// A log has no columns to name.
fn refuse_csv_keys(trace: &Trace, file: &str) -> Result<(), InputError> {
    let given = [
        ("time", trace.time.is_some()),
        ("work", trace.work.is_some()),
        ("client", trace.client.is_some()),
        ("path", trace.path.is_some()),
    ];
    match given.iter().find(|(_, is_given)| *is_given) {
        Some((key, _)) => {
            let error = InputError::new(file, format!("is read as an access log, and `{key}` names columns of a CSV file"));
            Err(error.help(format!("leave out `{key}` or `format: combined`; work comes from `requests`")))
        }
        None => Ok(()),
    }
}

fn wrong(file: &str, line: u64, text: &[u8], why: &str) -> InputError {
    let help = "a line is: 203.0.113.7 - - [17/May/2015:10:05:03 +0000] \"GET /path HTTP/1.1\" 200 512 ...";
    InputError::new(file, format!("{why} in: {}", shown(text))).at(line).help(help)
}

fn parse(line: &[u8]) -> Result<Entry<'_>, String> {
    let space = line.iter().position(|&b| b == b' ').ok_or("expected a client, a time and a request")?;
    let (client, rest) = line.split_at(space);
    if client.is_empty() {
        return Err("expected a client at the start".to_owned());
    }
    let (second, rest) = time(rest)?;
    let rest = rest.strip_prefix(b" \"").ok_or("expected a request in quotes after the time")?;
    let (request, rest) = quoted(rest).ok_or("the request's closing quote is missing")?;
    status(rest).ok_or("expected a status after the request")?;
    Ok(Entry { client, second, path: path(request) })
}

/// The first `[...]` that is a time: a user's name before it may hold spaces and brackets. Returns what follows it, too.
fn time(line: &[u8]) -> Result<(i64, &[u8]), String> {
    let mut why = "expected a time such as `[17/May/2015:10:05:03 +0000]`".to_owned();
    let starts = line.windows(2).enumerate().filter(|(_, pair)| pair == b" [");
    for (at, _) in starts {
        let rest = &line[at + 2..];
        let Some(end) = rest.iter().position(|&b| b == b']') else { break };
        match instant::log_time(&rest[..end]) {
            Ok(second) => return Ok((second, &rest[end + 1..])),
            Err(error) => why = error,
        }
    }
    Err(why)
}

/// Up to the closing quote, and what follows it. A backslash hides the byte behind it, as Apache writes quotes.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => return Some((&text[..at], &text[at + 1..])),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Three digits, or `-`; a line that was cut off has neither.
fn status(rest: &[u8]) -> Option<()> {
    let field = rest.strip_prefix(b" ")?.split(|&b| b == b' ').next()?;
    (field == b"-" || field.len() == 3 && field.iter().all(u8::is_ascii_digit)).then_some(())
}

/// The path of a request line up to the `?`. What is not a request line (`-`, the first bytes of a TLS handshake on the
/// plain port) came in all the same, and is its own path.
fn path(request: &[u8]) -> &[u8] {
    let Some(space) = request.iter().position(|&b| b == b' ') else { return request };
    let (method, target) = (&request[..space], &request[space + 1..]);
    if method.is_empty() || !method.iter().all(|b| b.is_ascii_alphabetic() || matches!(b, b'-' | b'_')) {
        return request;
    }
    let protocol = target.windows(6).rposition(|window| window == b" HTTP/");
    let target = protocol.map_or(target, |at| &target[..at]);
    target.split(|&b| b == b'?').next().unwrap_or(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_of(request: &str) -> &[u8] {
        path(request.as_bytes())
    }

    #[test]
    fn a_line_gives_client_second_and_path() {
        let line = br#"2001:db8::7 - bob [17/May/2015:10:05:03 +0000] "GET /a/b?x=1 HTTP/1.1" 200 12 "-" "curl""#;
        assert_eq!(parse(line), Ok(Entry { client: b"2001:db8::7", second: 1_431_857_103, path: b"/a/b" }));
    }

    #[test]
    fn a_user_with_spaces_and_brackets_does_not_hide_the_time() {
        let line = br#"host.example - "bob [x] jr" [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 -"#;
        assert_eq!(parse(line), Ok(Entry { client: b"host.example", second: 1_431_857_103, path: b"/" }));
    }

    #[test]
    fn garbage_requests_are_their_own_path() {
        assert_eq!(path_of("-"), b"-");
        assert_eq!(path_of(r"\x16\x03\x01"), br"\x16\x03\x01");
        assert_eq!(path_of(r"\x16\x03 \x01"), br"\x16\x03 \x01");
        assert_eq!(path_of(""), b"");
        assert_eq!(path_of("GET /a b HTTP/1.1"), b"/a b");
        assert_eq!(path_of("GET /old"), b"/old");
        assert_eq!(path_of("VERSION-CONTROL /x HTTP/1.1"), b"/x");
    }

    #[test]
    fn an_escaped_quote_does_not_end_the_request() {
        let line = br#"10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET /a\"b HTTP/1.1" 404 0 "-" "-""#;
        assert_eq!(parse(line).unwrap().path, br#"/a\"b"#);
    }

    #[test]
    fn cut_lines_are_refused_with_the_reason() {
        for (line, why) in [
            ("nonsense", "expected a client"),
            (" - - [17/May/2015:10:05:03 +0000] \"-\" 400 0", "expected a client at the start"),
            ("10.0.0.1 - - ", "expected a time"),
            ("10.0.0.1 - - [17/May/2015:10:05:03 +0000", "expected a time"),
            ("10.0.0.1 - - [31/Feb/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 1", "no day 31 in Feb"),
            ("10.0.0.1 - - [17/May/2015:10:05:03 +0000]", "expected a request"),
            ("10.0.0.1 - - [17/May/2015:10:05:03 +0000] \"GET / HT", "closing quote"),
            ("10.0.0.1 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\\\"", "closing quote"),
            ("10.0.0.1 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 2", "expected a status"),
        ] {
            let error = parse(line.as_bytes()).unwrap_err();
            assert!(error.contains(why), "{line}: {error}");
        }
    }

    #[test]
    fn the_requests_of_a_second_are_spread_over_it() {
        let mut at = [0, 0, 0, 0, NS_PER_S, 5 * NS_PER_S, 5 * NS_PER_S];
        spread_seconds(&mut at);
        assert_eq!(at, [0, 250_000_000, 500_000_000, 750_000_000, NS_PER_S, 5 * NS_PER_S, 5_500_000_000]);
    }
}
