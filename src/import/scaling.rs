//! HorizontalPodAutoscalers and PodDisruptionBudgets, which belong to a Deployment. Source: Kubernetes API reference, autoscaling/v2 and
//! policy/v1.

use super::deployments::Deployment;
use super::objects::{Kind, Object};
use super::quantity::{Amount, quantity};
use super::selector::Selector;
use super::sheet::{Field, Item};
use super::view::{Reader, View};
use crate::control::defaults::hpa;
use crate::document::Value;
use crate::error::did_you_mean;

pub fn read(reader: &Reader, objects: &[Object], deployments: &mut [Deployment]) {
    for object in objects {
        match object.kind {
            Kind::Autoscaler => autoscaler(&object.view(reader), object, deployments),
            Kind::DisruptionBudget => budget(&object.view(reader), object, deployments),
            _ => {}
        }
    }
}

fn autoscaler(view: &View, object: &Object, deployments: &mut [Deployment]) {
    let Some(spec) = view.get("spec") else {
        return view.error_help("has no `spec`", "an autoscaler says in it what it scales");
    };
    let Some(target) = spec.get("scaleTargetRef") else {
        return spec
            .error_help("does not say what it scales", "write `scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: web }`");
    };
    target.get("apiVersion");
    let kind = target.get("kind").and_then(|kind| kind.text()).unwrap_or("Deployment");
    let Some(name_of) = target.get("name") else { return target.error("has no `name`") };
    let Some(name) = name_of.text() else { return };
    if kind != "Deployment" {
        spec.take_all();
        return target.warning(format!("scales a {kind}, which is not simulated"), "the autoscaler is left out");
    }
    let here = deployments.iter().filter(|deployment| deployment.object.namespace == object.namespace);
    let names: Vec<&str> = here.map(|deployment| deployment.object.name).collect();
    let Some(deployment) =
        deployments.iter_mut().find(|deployment| deployment.object.namespace == object.namespace && deployment.object.name == name)
    else {
        let help = match did_you_mean(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => {
                format!("there is no Deployment in the namespace {}; give the file that has it, too", object.namespace)
            }
            None => format!("known in the namespace {}: {}", object.namespace, names.join(", ")),
        };
        return name_of.error_help(format!("refers to `{name}`, which is no Deployment in the manifests"), help);
    };
    if deployment.added.iter().any(|field| field.key == "autoscale") {
        return name_of.error_help(format!("scales `{name}`, which another autoscaler scales already"), "keep one of the two");
    }
    let min = spec.get("minReplicas").and_then(|min| min.whole(0, 100_000)).unwrap_or(hpa::MIN_REPLICAS);
    let Some(max_of) = spec.get("maxReplicas") else { return spec.error("has no `maxReplicas`, which must be given") };
    let Some(max) = max_of.whole(1, 100_000) else { return };
    if max < min {
        return max_of.error_help(format!("is {max}, below `minReplicas`, which is {min}"), "raise it, or lower the other");
    }
    if min == 0 {
        spec.warning("has `minReplicas: 0`, which is taken for 1", "lbsim does not scale to nothing");
    }
    let Some((target, note)) = wanted(&spec, deployment) else {
        spec.get("behavior").iter().for_each(View::take_all);
        return spec.warning(
            "follows no metric that lbsim knows; the number of pods stays as it is",
            "lbsim scales by cpu, or by requests in flight: `autoscale: { max: 10, in_flight: 10 }` in the scenario",
        );
    };
    let mut fields = vec![Field::new("min", min.max(1)).note("minReplicas"), Field::new("max", max).note("maxReplicas"), target.note(note)];
    if let Some(behavior) = spec.get("behavior") {
        for (from, to) in [("scaleUp", "scale_up"), ("scaleDown", "scale_down")] {
            fields.extend(behavior.get(from).and_then(|rules| scaling(&rules, to)));
        }
        if !fields.iter().any(|field| field.key.starts_with("scale_")) {
            // Not the same as none: it brings the default rules.
            fields.push(Field::new("scale_up", "{}").note("behavior, which says nothing: the default rules"));
        }
    }
    deployment.pods_max = max;
    let first = deployment.replicas.unwrap_or(min.max(1));
    deployment.replicas = Some(first.clamp(min.max(1), max));
    deployment.comments.push(format!("{} ({}) scales it.", object.label, object.place()));
    deployment.added.push(Field::map("autoscale", fields));
}

/// The metric that is followed: cpu, as the utilization of the pods' slots.
fn wanted(spec: &View, deployment: &Deployment) -> Option<(Field, String)> {
    const SLOTS: &str = "; utilization is that of the slots";
    if let Some(percent) = spec.get("targetCPUUtilizationPercentage") {
        return percent_of(&percent).map(|field| (field, format!("targetCPUUtilizationPercentage{SLOTS}")));
    }
    let Some(metrics) = spec.get("metrics") else {
        let percent = hpa::CPU_TARGET_PERCENT;
        return Some((Field::new("utilization", format!("{percent}%")), format!("no metric is given: the default of Kubernetes{SLOTS}")));
    };
    let mut found = None;
    for metric in metrics.items() {
        let kind = metric.get("type").and_then(|kind| kind.text()).unwrap_or_default();
        let resource = metric.get("resource").or_else(|| metric.get("containerResource"));
        let name = resource.as_ref().and_then(|resource| resource.get("name")).and_then(|name| name.text()).unwrap_or_default();
        let read = resource.filter(|_| name == "cpu" && found.is_none()).and_then(|resource| {
            resource.get("container");
            utilization(&resource, deployment)
        });
        if read.is_some() {
            found = read;
            continue;
        }
        let other = ["pods", "object", "external"].iter().find_map(|kind| metric.node.get(kind)?.get("metric")?.name());
        let name = if name.is_empty() { other.unwrap_or_default() } else { name };
        metric.take_all();
        let what = if name.is_empty() { kind.to_owned() } else { format!("{kind} {name}") };
        let why = if found.is_some() && name == "cpu" { "lbsim follows one metric" } else { "lbsim knows cpu, and requests in flight" };
        metric.warning(format!("is the metric `{what}`, which is not read"), why);
    }
    found.map(|field| (field, format!("metrics: cpu{SLOTS}")))
}

fn utilization(resource: &View, deployment: &Deployment) -> Option<Field> {
    // autoscaling/v2 has `target`, v2beta1 the field itself.
    let target = resource.get("target").unwrap_or_else(|| resource.clone());
    target.get("type");
    if let Some(percent) = target.get("averageUtilization").or_else(|| target.get("targetAverageUtilization")) {
        return percent_of(&percent);
    }
    let average = target.get("averageValue")?;
    let cores = average.parsed(quantity)?;
    if !deployment.has_cpu_request || deployment.cpu == 0 {
        average.warning("is an amount of cpu, and the pods ask for none", "a share of the request is needed: `averageUtilization`");
        return None;
    }
    let percent = (cores * 100_000.0 / deployment.cpu as f64).round();
    if percent < 1.0 {
        average.error("is 0; the pods would never be enough");
        return None;
    }
    Some(Field::new("utilization", format!("{}%", percent.min(100.0))))
}

fn percent_of(view: &View) -> Option<Field> {
    let percent = view.whole(1, 100_000)?;
    if percent > 100 {
        view.warning(format!("is {percent}%, taken for 100%"), "pods may use more cpu than they ask for; slots cannot be more than busy");
    }
    Some(Field::new("utilization", format!("{}%", percent.min(100))))
}

/// One direction of `behavior`.
fn scaling(rules: &View, key: &'static str) -> Option<Field> {
    let mut fields = Vec::new();
    if let Some(window) = rules.get("stabilizationWindowSeconds").and_then(|window| window.seconds(0)) {
        fields.push(Field::new("window", format!("{window}s")));
    }
    if let Some(list) = rules.get("policies") {
        if matches!(&list.node.value, Value::List(items) if items.is_empty()) {
            list.error_help("has no policy", "write one, or leave `policies` out for the default of Kubernetes");
        }
        let policies = list.items().into_iter().filter_map(|policy| {
            let must = |field: &str| {
                let found = policy.get(field);
                if found.is_none() {
                    policy.error_help(format!("has no `{field}`"), "such as `{ type: Percent, value: 100, periodSeconds: 15 }`");
                }
                found
            };
            let is_percent = must("type")?.one_of(&[("Pods", false), ("Percent", true)])?;
            let value_of = must("value")?;
            let value = value_of.whole(1, 100_000)?;
            let period = must("periodSeconds")?.seconds(1)?;
            if is_percent && value > 100 {
                value_of.warning(format!("is {value} percent, taken for 100"), "a share in a scenario goes up to 100%");
            }
            let change = if is_percent { Amount::Percent(f64::from(value.min(100))) } else { Amount::Count(value) };
            Some(Item { fields: vec![Field::new("change", change.text()), Field::new("period", format!("{period}s"))], ..Item::default() })
        });
        let policies: Vec<Item> = policies.collect();
        if !policies.is_empty() {
            fields.push(Field::list("policies", policies));
        }
    }
    let select = rules.get("selectPolicy").and_then(|select| select.one_of(&[("Max", "max"), ("Min", "min"), ("Disabled", "disabled")]));
    fields.extend(select.map(|select| Field::new("select", select)));
    let from = rules.path.rsplit('.').next().unwrap_or_default();
    (!fields.is_empty()).then(|| Field::flow(key, &fields).note(format!("behavior.{from}")))
}

fn budget(view: &View, object: &Object, deployments: &mut [Deployment]) {
    let Some(spec) = view.get("spec") else {
        return view.error_help("has no `spec`", "a budget says in it which pods, and how many of them");
    };
    let Some(selector) = spec.get("selector") else {
        return spec.error_help("does not say which pods it is about", "write `selector: { matchLabels: { app: web } }`");
    };
    let selects = Selector::of_label_selector(&selector);
    let amount = |name: &'static str| spec.get(name).and_then(|value| Some((value.parsed(Amount::read)?, value)));
    let field = match (amount("minAvailable"), amount("maxUnavailable")) {
        (Some((_, view)), Some(_)) => {
            return view.error_help("stands beside `maxUnavailable`", "a budget has the one or the other");
        }
        (Some((amount, _)), None) => Field::new("min_available", amount.text()),
        (None, Some((amount, _))) => Field::new("max_unavailable", amount.text()),
        (None, None) => return spec.error_help("allows nothing", "write `minAvailable` or `maxUnavailable`"),
    };
    let is_selected = |deployment: &&mut Deployment| deployment.object.namespace == object.namespace && selects.matches(&deployment.labels);
    let mut selected: Vec<&mut Deployment> = deployments.iter_mut().filter(is_selected).collect();
    match selected.len() {
        0 => selector.warning(
            format!("selects no pods of a Deployment in the namespace {}", object.namespace),
            "its labels must be those of `spec.template.metadata.labels`; the budget is left out",
        ),
        1 => {}
        count => selector.warning(
            format!("selects the pods of {count} Deployments; each gets the budget for itself"),
            "in Kubernetes it counts all these pods together",
        ),
    }
    for deployment in &mut selected {
        if deployment.added.iter().any(|field| field.key == "disruption_budget") {
            selector.warning(
                format!("selects the pods of {}, which have a budget already", deployment.object.label),
                "Kubernetes evicts no pod that has two budgets; this one is left out",
            );
            continue;
        }
        let note = format!("{} ({})", object.label, object.place());
        deployment.added.push(Field::flow("disruption_budget", std::slice::from_ref(&field)).note(note));
    }
}
