//! Label selectors. Source: Kubernetes, apimachinery, pkg/labels/selector.go.

use super::view::View;
use std::collections::BTreeMap;

pub type Labels = BTreeMap<String, String>;

/// What labels must be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq)]
struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

impl Selector {
    /// A map of labels, as services have it.
    pub fn of_map(view: &View) -> Selector {
        let entries = view.entries().into_iter();
        Selector(
            entries
                .filter_map(|(key, value)| {
                    Some(Requirement { key: key.to_owned(), operator: Operator::In, values: vec![value.text()?.to_owned()] })
                })
                .collect(),
        )
    }

    /// `matchLabels` and `matchExpressions`.
    pub fn of_label_selector(view: &View) -> Selector {
        let mut all = view.get("matchLabels").map(|labels| Selector::of_map(&labels)).unwrap_or_default();
        for item in view.get("matchExpressions").map(|list| list.items()).unwrap_or_default() {
            let operators =
                [("In", Operator::In), ("NotIn", Operator::NotIn), ("Exists", Operator::Exists), ("DoesNotExist", Operator::DoesNotExist)];
            let key = item.get("key").and_then(|key| key.text());
            let operator = item.get("operator").and_then(|operator| operator.one_of(&operators));
            let (Some(key), Some(operator)) = (key, operator) else {
                if key.is_none() || item.node.get("operator").is_none() {
                    item.error_help("is no requirement", "write `{ key: app, operator: In, values: [web] }`");
                }
                continue;
            };
            let values = item.get("values").map(|list| list.items()).unwrap_or_default();
            let values = values.iter().filter_map(|value| Some(value.text()?.to_owned())).collect();
            all.0.push(Requirement { key: key.to_owned(), operator, values });
        }
        all
    }

    /// It names no label, which selects everything or nothing, as the case may be.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|Requirement { key, operator, values }| {
            let value = labels.get(key);
            match operator {
                Operator::In => value.is_some_and(|value| values.contains(value)),
                Operator::NotIn => value.is_none_or(|value| !values.contains(value)),
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
            }
        })
    }
}

/// `app=web, tier=front`.
pub fn shown(labels: &Labels) -> String {
    let all: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if all.is_empty() { "no labels".to_owned() } else { all.join(", ") }
}
