//! The JSON schema of the scenario file (draft 2020-12), for editors and for the reference: that of [`Scenario`], with what belongs to
//! the study as a whole. A schema tells the form; what fits together is checked by `lbsim check`.

use super::{Aws, Kubernetes, Scenario};
use crate::policy::Algorithm;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

/// The schema. Words that come with a later release are not in it.
pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let algorithm = generator.subschema_for::<Algorithm>();
    let blocks = [("kubernetes", generator.subschema_for::<Option<Kubernetes>>()), ("aws", generator.subschema_for::<Option<Aws>>())];
    let mut schema = generator.into_root_schema_for::<Scenario>().to_value();
    schema["title"] = json!("lbsim scenario");
    schema["description"] =
        json!("What is simulated: clients, servers, the balancers between them, faults, and the variants that are compared.");
    for (name, block) in blocks {
        schema["properties"][name] = block.to_value();
        schema["properties"][name]["description"] =
            json!("Nodes, servers and balancers in the words of the product; `lbsim expand` prints what it stands for.");
    }
    // What a block stands for may be all servers and balancers that there are.
    schema["required"] = json!(["clients"]);
    schema["anyOf"] = json!([{ "required": ["servers", "balancers"] }, { "required": ["kubernetes"] }, { "required": ["servers", "aws"] }]);
    let set = json!({
        "type": "object",
        "description": "Values to put at paths, such as `balancers.edge.algorithm: random`. A path goes by names, or by places: `balancers[0].algorithm`.",
        "additionalProperties": { "description": "The value that stands there instead; `null` takes it away." }
    });
    let patch = json!({
        "type": "object",
        "description": "A variant that differs from the scenario in several values.",
        "properties": { "name": { "type": "string", "minLength": 1, "description": "Name of the variant." }, "set": set },
        "required": ["name", "set"],
        "additionalProperties": false
    });
    let patched = json!({ "type": "object", "description": "A variant by its changes.", "properties": { "patch": patch }, "required": ["patch"], "additionalProperties": false });
    schema["properties"]["compare"] = json!({
        "type": ["array", "null"],
        "description": "The variants: an algorithm (of the first balancer), or a patch. Default: the scenario as written.",
        "items": { "anyOf": [algorithm, patched] }
    });
    schema["properties"]["sweep"] = json!({
        "type": ["object", "null"],
        "description": "Paths and the values to put there, one after the other; every variant runs at every combination.",
        "additionalProperties": { "type": "array", "minItems": 1, "description": "The values." }
    });
    schema
}
