//! Everything that scenarios name in files, read once and shared by all their variants.

use super::{InputError, TraceData, load_empirical, load_trace};
use crate::dist::Distribution;
use crate::scenario::{Arrivals, Scenario, Trace};
use crate::units::Span;
use std::path::Path;
use std::sync::Arc;

/// The files of one or more scenarios.
#[derive(Default)]
pub struct Inputs {
    traces: Vec<(Trace, Arc<TraceData>)>,
    columns: Vec<Column>,
}

/// The values of a column.
struct Column {
    file: String,
    column: String,
    unit: Span,
    values: Arc<[Span]>,
}

impl Inputs {
    /// Reads what `scenario` names and is not there yet. Paths are relative to `base`, the scenario's directory.
    pub fn read(&mut self, scenario: &Scenario, base: &Path) -> Result<(), InputError> {
        for client in &scenario.clients {
            if let Arrivals::Trace(trace) = &client.arrivals
                && self.trace(trace).is_none()
            {
                self.traces.push((trace.clone(), Arc::new(load_trace(trace, base)?)));
            }
        }
        let mut distributions = Vec::new();
        scenario.each_distribution(&mut |distribution| distributions.push(distribution));
        for distribution in distributions {
            if let Distribution::Empirical { file, column, unit } = distribution
                && self.empirical(distribution).is_none()
            {
                let values = load_empirical(file, column, *unit, base)?;
                self.columns.push(Column { file: file.clone(), column: column.clone(), unit: *unit, values });
            }
        }
        Ok(())
    }

    pub fn trace(&self, trace: &Trace) -> Option<Arc<TraceData>> {
        self.traces.iter().find(|(known, _)| known == trace).map(|(_, data)| data.clone())
    }

    /// The values of an `empirical` distribution; `None` for the others.
    pub fn empirical(&self, distribution: &Distribution) -> Option<Arc<[Span]>> {
        let Distribution::Empirical { file, column, unit } = distribution else { return None };
        let known = self.columns.iter().find(|known| (&known.file, &known.column, &known.unit) == (file, column, unit));
        known.map(|known| known.values.clone())
    }

    /// What a user should know about how the files were read, each with the file's name.
    pub fn notes(&self) -> impl Iterator<Item = String> + '_ {
        self.traces.iter().flat_map(|(trace, data)| data.notes.iter().map(|note| format!("{}: {note}", trace.file)))
    }
}
