//! `lbsim schema`: the JSON schema of the scenario file, for editors.

use super::{Exit, Failure, print};
use crate::scenario::schema::schema as of_scenario;

pub(super) fn schema() -> Result<Exit, Failure> {
    let text = serde_json::to_string_pretty(&of_scenario()).map_err(|error| Failure::Internal(error.to_string()))?;
    print(&format!("{text}\n"))?;
    Ok(Exit::Done)
}
