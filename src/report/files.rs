//! The results folder. Each file is written whole or not at all: beside its place first, then put there in one step.

use super::{charts, csv, html};
use crate::compile::Compiled;
use crate::error::printable;
use crate::summary::{Accumulator, Details, Summary};
use serde::de::DeserializeOwned;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::{fmt, fs};

/// Writes `summary.json`, `details.json`, `runs.csv` and `timeline.csv` into `dir`, which is made if need be.
pub fn write(dir: &Path, summary: &Summary, details: &Details, variants: &[Compiled], results: &[Accumulator]) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    for (file, json) in [("summary.json", summary.to_json()?), ("details.json", details.to_json()?)] {
        write_whole(&dir.join(file), |out| out.write_all(json.as_bytes()))?;
    }
    write_whole(&dir.join("runs.csv"), |out| csv::runs(out, variants, results))?;
    write_whole(&dir.join("timeline.csv"), |out| csv::timeline(out, variants, results))
}

/// Why a page cannot be drawn.
#[derive(Debug)]
pub enum DrawError {
    /// The folder or a file in it cannot be read or written.
    Io(PathBuf, io::Error),
    /// A file is not what `lbsim` of this version writes.
    Foreign(PathBuf, String),
}

impl fmt::Display for DrawError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |path: &Path| printable(&path.display().to_string(), 200);
        match self {
            DrawError::Io(path, error) if error.kind() == io::ErrorKind::NotFound => {
                write!(f, "there is no file `{}`; name a folder that `lbsim run` has written", shown(path))
            }
            DrawError::Io(path, error) => write!(f, "`{}`: {error}", shown(path)),
            DrawError::Foreign(path, message) => {
                write!(f, "`{}` is not as lbsim {} writes it: {message}", shown(path), env!("CARGO_PKG_VERSION"))
            }
        }
    }
}

impl std::error::Error for DrawError {}

/// Builds `report.html` and `charts/*.svg` from the `summary.json` and `details.json` of a results folder. Pictures of an earlier run
/// that do not apply any more are removed. Returns where the page is.
pub fn draw(dir: &Path) -> Result<PathBuf, DrawError> {
    let summary: Summary = read(&dir.join("summary.json"))?;
    let details: Details = read(&dir.join("details.json"))?;
    if summary.variants.len() != details.variants.len() {
        return Err(DrawError::Foreign(dir.join("details.json"), "it belongs to another run than summary.json".to_owned()));
    }
    let charts = charts::charts(&summary, &details);
    let page = html::page(&summary, &details, &charts).map_err(|error| DrawError::Foreign(dir.join("summary.json"), error.to_string()))?;
    let folder = dir.join("charts");
    let written = |path: PathBuf, text: String| {
        write_whole(&path, |out| out.write_all(text.as_bytes())).map_err(|error| DrawError::Io(path.clone(), error))
    };
    fs::create_dir_all(&folder).map_err(|error| DrawError::Io(folder.clone(), error))?;
    for id in charts::IDS.iter().filter(|id| charts.iter().all(|chart| chart.id != **id)) {
        // What is not there need not go; what cannot go does no harm.
        let _ = fs::remove_file(folder.join(format!("{id}.svg")));
    }
    for chart in &charts {
        written(folder.join(format!("{}.svg", chart.id)), chart.file())?;
    }
    let path = dir.join("report.html");
    written(path.clone(), page)?;
    Ok(path)
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, DrawError> {
    let text = fs::read_to_string(path).map_err(|error| DrawError::Io(path.to_owned(), error))?;
    serde_json::from_str(&text).map_err(|error| DrawError::Foreign(path.to_owned(), error.to_string()))
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
