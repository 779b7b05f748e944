//! Opening a file: what it is by its first bytes, unpacked as it is read, with limits on what comes out.
//! Sources of the first bytes: RFC 1952 (gzip), RFC 8878 (Zstandard), PKWARE APPNOTE (zip), the formats' own specifications.

use super::{InputError, Limits, closest, shown};
use flate2::bufread::MultiGzDecoder;
use std::cell::Cell;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

const BUFFER: usize = 64 << 10;
/// The longest row. What is longer is a file of another kind, or a quote that never ends.
const ROW_BYTES_MAX: u64 = 1 << 20;

/// An open file: plain bytes, however they are stored.
pub(super) struct Source {
    pub name: String,
    pub limits: Limits,
    pub reader: Metered,
    pub since_row: SinceRow,
}

/// Bytes read since the last complete row; shared by the reader, which counts, and the loop over the rows, which resets.
#[derive(Clone, Default)]
pub(super) struct SinceRow(Rc<Cell<u64>>);

impl SinceRow {
    pub fn reset(&self) {
        self.0.set(0);
    }
}

/// A reader that stops at the limits, so that a small archive cannot fill the memory. It ends the last line where the file
/// does not, so that lines can be counted by their ends.
pub(super) struct Metered {
    inner: Box<dyn Read>,
    left: u64,
    since_row: SinceRow,
    is_line_open: bool,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut n = self.inner.read(buffer)?;
        if n == 0 && self.is_line_open && !buffer.is_empty() {
            buffer[0] = b'\n';
            n = 1;
        }
        self.is_line_open = n > 0 && buffer[n - 1] != b'\n';
        self.left = self.left.checked_sub(n as u64).ok_or_else(|| io::Error::other(Stop::TooBig))?;
        let since_row = self.since_row.0.get() + n as u64;
        if since_row > ROW_BYTES_MAX + 2 * BUFFER as u64 {
            return Err(io::Error::other(Stop::RowTooLong));
        }
        self.since_row.0.set(since_row);
        Ok(n)
    }
}

/// Why [`Metered`] stopped.
#[derive(Debug)]
enum Stop {
    TooBig,
    RowTooLong,
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Stop::TooBig => "has too many bytes once it is unpacked",
            Stop::RowTooLong => "has no complete row within 1 MiB",
        })
    }
}

impl std::error::Error for Stop {}

/// Opens the file at `path`, called `name` in messages.
pub(super) fn open(path: &Path, name: &str, limits: Limits) -> Result<Source, InputError> {
    let metadata = fs::metadata(path).map_err(|error| not_opened(path, name, &error))?;
    if metadata.is_dir() {
        return Err(InputError::new(name, "is a directory").help("name a file in it"));
    }
    let file = fs::File::open(path).map_err(|error| not_opened(path, name, &error))?;
    Source::new(name, Box::new(file), limits)
}

impl Source {
    /// Unpacks gzip by its first bytes, whatever the name says; refuses other archives by theirs.
    pub fn new(name: &str, bytes: Box<dyn Read>, limits: Limits) -> Result<Source, InputError> {
        let since_row = SinceRow::default();
        let mut packed = BufReader::with_capacity(BUFFER, bytes);
        let head = packed.fill_buf().map_err(|error| unreadable(name, &error))?;
        if head.is_empty() {
            return Err(InputError::new(name, "is empty"));
        }
        refuse_other_kinds(name, head)?;
        let inner: Box<dyn Read> = if head.starts_with(&[0x1f, 0x8b]) { Box::new(MultiGzDecoder::new(packed)) } else { Box::new(packed) };
        let reader = Metered { inner, left: limits.bytes, since_row: since_row.clone(), is_line_open: false };
        Ok(Source { name: name.to_owned(), limits, reader, since_row })
    }
}

/// Refuses what starts like something that is neither text nor gzip.
fn refuse_other_kinds(name: &str, head: &[u8]) -> Result<(), InputError> {
    let kinds: [(&[u8], &str); 7] = [
        (b"PK\x03\x04", "a zip archive or a spreadsheet"),
        (b"PAR1", "a Parquet file"),
        (b"\x28\xb5\x2f\xfd", "packed with zstd"),
        (b"BZh", "packed with bzip2"),
        (b"\xfd7zXZ\0", "packed with xz"),
        (b"\xff\xfe", "UTF-16 text"),
        (b"\xfe\xff", "UTF-16 text"),
    ];
    match kinds.iter().find(|(magic, _)| head.starts_with(magic)) {
        Some((_, kind)) => Err(InputError::new(name, format!("is {kind}")).help("give plain UTF-8 text, or text packed with gzip")),
        None => Ok(()),
    }
}

/// What went wrong while reading; `line` where it is known.
pub(super) fn unreadable(name: &str, error: &io::Error) -> InputError {
    if let Some(stop) = error.get_ref().and_then(|inner| inner.downcast_ref::<Stop>()) {
        let help = match stop {
            Stop::TooBig => "at most 2 GiB are read; keep the columns that are used, or a part of the rows",
            Stop::RowTooLong => "is a closing quote missing, or is it another kind of file?",
        };
        return InputError::new(name, stop.to_string()).help(help);
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            InputError::new(name, "ends in the middle of its gzip data").help("it was cut off; fetch or pack it again")
        }
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            InputError::new(name, format!("has damaged gzip data ({error})")).help("fetch or pack it again")
        }
        _ => InputError::new(name, format!("cannot be read ({error})")),
    }
}

fn not_opened(path: &Path, name: &str, error: &io::Error) -> InputError {
    if error.kind() != io::ErrorKind::NotFound {
        return InputError::new(name, format!("cannot be opened ({error})"));
    }
    let missing = InputError::new(name, "does not exist");
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = fs::read_dir(parent) else {
        return missing.help(format!("there is no directory {}", parent.display()));
    };
    let mut beside: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    beside.sort();
    let wanted = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    match closest(&wanted, beside.iter().map(String::as_str)) {
        Some(close) => missing.help(format!("did you mean {}?", shown(close.as_bytes()))),
        None => missing.help("paths are relative to the scenario file"),
    }
}
