//! Reading `runs.csv` back: the figures of each run, by variant and point of the sweep.

use crate::error::printable;
use crate::summary::Summary;
use std::collections::BTreeMap;
use std::path::Path;

/// The runs of a results folder.
pub struct Runs {
    pub seed: u64,
    /// By variant, with its point where there is a sweep; in the order of the file.
    pub variants: Vec<(String, Vec<Run>)>,
}

/// Figures of a run by the name of their column; empty cells are absent.
pub struct Run(BTreeMap<String, f64>);

impl Run {
    pub fn get(&self, column: &str) -> Option<f64> {
        self.0.get(column).copied()
    }

    /// Failed over finished requests.
    pub fn failed_share(&self) -> Option<f64> {
        let failed = self.get("failed")? + self.get("stuck").unwrap_or(0.0);
        let finished = self.get("ok")? + failed;
        (finished > 0.0).then(|| failed / finished)
    }
}

impl Runs {
    /// Reads `summary.json` and `runs.csv` of a results folder; what is wrong is told in words.
    pub fn read(dir: &Path) -> Result<Runs, String> {
        let wrong = |file: &str, message: String| format!("`{}`: {message}", printable(&dir.join(file).display().to_string(), 200));
        let missing = |file: &str| wrong(file, "there is no such file; name a folder that `lbsim run` has written".to_owned());
        let summary = std::fs::read_to_string(dir.join("summary.json")).map_err(|_| missing("summary.json"))?;
        let summary: Summary = serde_json::from_str(&summary).map_err(|error| wrong("summary.json", error.to_string()))?;
        let table = csv::Reader::from_path(dir.join("runs.csv")).map_err(|_| missing("runs.csv"))?;
        let variants = variants(table).map_err(|message| wrong("runs.csv", message))?;
        Ok(Runs { seed: summary.seed, variants })
    }
}

fn variants(mut table: csv::Reader<std::fs::File>) -> Result<Vec<(String, Vec<Run>)>, String> {
    let heads: Vec<String> = table.headers().map_err(|error| error.to_string())?.iter().map(str::to_owned).collect();
    // What stands in front of the replication is the variant and its point.
    let Some(keys) = heads.iter().position(|head| head == "replication").filter(|place| *place > 0) else {
        return Err("the header has no column `replication` behind the variant's".to_owned());
    };
    let mut variants: Vec<(String, Vec<Run>)> = Vec::new();
    for record in table.records() {
        let record = record.map_err(|error| error.to_string())?;
        let place: Vec<String> = (1..keys).map(|key| format!("{}={}", crate::summary::short_path(&heads[key]), &record[key])).collect();
        let name = if place.is_empty() { record[0].to_owned() } else { format!("{} at {}", &record[0], place.join(", ")) };
        let figures = heads.iter().zip(record.iter()).skip(keys).filter_map(|(head, cell)| Some((head.clone(), cell.parse().ok()?)));
        let run = Run(figures.collect());
        match variants.iter_mut().find(|(known, _)| *known == name) {
            Some((_, runs)) => runs.push(run),
            None => variants.push((name, vec![run])),
        }
    }
    Ok(variants)
}
