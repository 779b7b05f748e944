//! `alb.ingress.kubernetes.io/conditions.*`: what must hold besides an Ingress's host and path, as JSON. Source: AWS Load Balancer
//! Controller, docs/guide/ingress/annotations.md (conditions), pkg/ingress/enhanced_backend_builder.go; names of fields as Go compares
//! them, upper and lower case alike.

use super::actions::{get, json, text};
use super::sheet::Field;
use super::view::View;
use crate::document::scalar;
use serde_json::Value;

/// Conditions of a path, as `when` of a scenario has them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conditions {
    pub host: Vec<String>,
    pub path: Vec<String>,
    /// Names with the values of each.
    pub header: Vec<(String, Vec<String>)>,
    pub method: Vec<String>,
    /// `key=value`, or a value alone.
    pub query: Vec<String>,
    pub source: Vec<String>,
}

const KINDS: &str = "known are host-header, path-pattern, http-header, http-request-method, query-string and source-ip";

/// The conditions of an annotation; None where they cannot be had, which is told.
pub fn read(view: &View) -> Option<Conditions> {
    let value = json(view, "[{\"field\": \"http-request-method\", \"httpRequestMethodConfig\": {\"values\": [\"GET\"]}}]")?;
    let Some(list) = value.as_array() else {
        view.error_help("is no list", "write `[{\"field\": ..., ...}]`");
        return None;
    };
    let mut all = Conditions::default();
    for condition in list {
        all.take(view, condition)?;
    }
    Some(all)
}

impl Conditions {
    fn take(&mut self, view: &View, condition: &Value) -> Option<()> {
        let field = get(condition, "field").and_then(text).unwrap_or_default();
        let config = |name: &str| get(condition, name);
        match field.as_str() {
            "host-header" => self.host.extend(values(view, &field, config("hostHeaderConfig"))?),
            "path-pattern" => self.path.extend(values(view, &field, config("pathPatternConfig"))?),
            "http-request-method" => self.method.extend(values(view, &field, config("httpRequestMethodConfig"))?),
            "source-ip" => self.source.extend(values(view, &field, config("sourceIpConfig"))?),
            "http-header" => {
                let config = config("httpHeaderConfig");
                let Some(name) = config.and_then(|config| get(config, "httpHeaderName")).and_then(text) else {
                    view.error_help(
                        "has an http-header without `httpHeaderName`",
                        "write `{\"httpHeaderName\": \"X-Version\", \"values\": [\"2\"]}`",
                    );
                    return None;
                };
                let values = values(view, &field, config)?;
                if self.header.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
                    view.warning(
                        format!("asks for the header {name} twice, which must have a value of each"),
                        "lbsim has each header once; the path is left out",
                    );
                    return None;
                }
                self.header.push((name, values));
            }
            "query-string" => {
                let listed = config("queryStringConfig").and_then(|config| get(config, "values")).and_then(Value::as_array);
                let of_pair = |pair: &Value| {
                    let value = get(pair, "value").and_then(text)?;
                    Some(get(pair, "key").and_then(text).map_or(value.clone(), |key| format!("{key}={value}")))
                };
                let pairs = listed.filter(|list| !list.is_empty()).and_then(|list| list.iter().map(of_pair).collect::<Option<Vec<_>>>());
                let Some(pairs) = pairs else {
                    view.error_help(
                        "has a query-string without a `value`",
                        "write `{\"values\": [{\"key\": \"version\", \"value\": \"2\"}]}`",
                    );
                    return None;
                };
                if !self.query.is_empty() {
                    view.warning("has several conditions on the query, which must hold all", "lbsim has one; the path is left out");
                    return None;
                }
                self.query = pairs;
            }
            _ => {
                view.error_help(format!("has a condition on `{field}`"), KINDS);
                return None;
            }
        }
        Some(())
    }

    pub fn is_empty(&self) -> bool {
        *self == Conditions::default()
    }

    /// `when` of the scenario.
    pub fn field(&self) -> Field {
        let list = |texts: &[String]| format!("[{}]", texts.iter().map(|text| scalar(text)).collect::<Vec<_>>().join(", "));
        let lists =
            [("path", &self.path), ("host", &self.host), ("method", &self.method), ("query", &self.query), ("source", &self.source)];
        let mut fields: Vec<Field> =
            lists.into_iter().filter(|(_, texts)| !texts.is_empty()).map(|(key, texts)| Field::new(key, list(texts))).collect();
        if !self.header.is_empty() {
            let all: Vec<String> = self.header.iter().map(|(name, values)| format!("{}: {}", scalar(name), list(values))).collect();
            fields.push(Field::new("header", format!("{{ {} }}", all.join(", "))));
        }
        Field::flow("when", &fields)
    }
}

/// Texts of `values`, of which there is one at least.
fn values(view: &View, field: &str, config: Option<&Value>) -> Option<Vec<String>> {
    let listed = config.and_then(|config| get(config, "values")).and_then(Value::as_array);
    let texts: Option<Vec<String>> = listed.and_then(|list| list.iter().map(text).collect());
    match texts {
        Some(texts) if !texts.is_empty() => Some(texts),
        _ if config.is_some_and(|config| get(config, "regexValues").is_some()) => {
            view.warning(format!("has a {field} with `regexValues`: lbsim has no regular expressions"), "the path is left out");
            None
        }
        _ => {
            view.error_help(format!("has a {field} without `values`"), "each condition has a list of texts, of which one must match");
            None
        }
    }
}
