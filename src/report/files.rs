//! The results folder. Each file is written whole or not at all: beside its place first, then put there in one step.

use super::csv;
use crate::compile::Compiled;
use crate::summary::{Accumulator, Details, Summary};
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Writes `summary.json`, `details.json`, `runs.csv` and `timeline.csv` into `dir`, which is made if need be.
pub fn write(dir: &Path, summary: &Summary, details: &Details, variants: &[Compiled], results: &[Accumulator]) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    for (file, json) in [("summary.json", summary.to_json()?), ("details.json", details.to_json()?)] {
        write_whole(&dir.join(file), |out| out.write_all(json.as_bytes()))?;
    }
    write_whole(&dir.join("runs.csv"), |out| csv::runs(out, variants, results))?;
    write_whole(&dir.join("timeline.csv"), |out| csv::timeline(out, variants, results))
}

/// Whatever goes wrong, what stood at `path` before stands there still, and nothing else is left in the folder.
pub(super) fn write_whole(path: &Path, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".lbsim-").suffix(".tmp");
    // As any other program's files: what the umask allows, not only the owner.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut out = BufWriter::new(builder.tempfile_in(dir)?);
    content(&mut out)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Longest folder name in characters.
const FOLDER_NAME_MAX: usize = 80;

/// A scenario's name as the name of one folder: letters, digits, `-`, `_` and dots inside; `_` for anything else.
pub fn folder_name(name: &str) -> String {
    let safe = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let name: String = name.trim().chars().map(safe).take(FOLDER_NAME_MAX).collect();
    let name = name.trim_matches('.');
    if name.is_empty() { "scenario".to_owned() } else { name.to_owned() }
}
