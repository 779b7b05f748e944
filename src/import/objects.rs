//! The objects in the files: several documents in a file, and lists of objects. What is of a kind that matters, and what is not.

use super::selector::Labels;
use super::view::{Reader, View};
use crate::document::{Node, Value};
use crate::error::{Diagnostic, did_you_mean};
use std::collections::BTreeMap;

/// Kinds that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Namespace,
    Deployment,
    Service,
    Ingress,
    IngressClass,
    Autoscaler,
    DisruptionBudget,
    /// Runs pods that cannot be simulated.
    OtherWorkload,
    /// Says nothing about traffic.
    Silent,
    /// Not known.
    Unknown,
}

const KINDS: [(&str, Kind); 7] = [
    ("Namespace", Kind::Namespace),
    ("Deployment", Kind::Deployment),
    ("Service", Kind::Service),
    ("Ingress", Kind::Ingress),
    ("IngressClass", Kind::IngressClass),
    ("HorizontalPodAutoscaler", Kind::Autoscaler),
    ("PodDisruptionBudget", Kind::DisruptionBudget),
];

/// Other controllers of pods, and why they are not simulated.
pub const OTHER_WORKLOADS: [(&str, &str); 9] = [
    ("StatefulSet", "its pods have names and disks of their own, and follow each other in order"),
    ("ReplicaSet", "it has no rolling update; write a Deployment, which makes its ReplicaSets itself"),
    ("ReplicationController", "it has no rolling update; write a Deployment"),
    ("DaemonSet", "it has a pod on every node"),
    ("Pod", "nobody makes it anew when it ends; write a Deployment"),
    ("Job", "its pods serve no requests"),
    ("CronJob", "its pods serve no requests"),
    ("Rollout", "it is of Argo Rollouts; write a Deployment"),
    ("DeploymentConfig", "it is of OpenShift; write a Deployment"),
];

/// Kinds that say nothing about the way of a request.
const SILENT: [&str; 20] = [
    "ConfigMap",
    "Secret",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ClusterRole",
    "ClusterRoleBinding",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "StorageClass",
    "CustomResourceDefinition",
    "LimitRange",
    "ResourceQuota",
    "PriorityClass",
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "ServiceMonitor",
    "PodMonitor",
    "PrometheusRule",
    "Event",
];

pub struct Object<'a> {
    pub kind: Kind,
    pub kind_name: &'a str,
    pub name: &'a str,
    pub namespace: &'a str,
    /// Such as `Deployment web`, with the namespace where another one has the same name.
    pub label: String,
    pub node: &'a Node,
}

impl<'a> Object<'a> {
    pub fn view<'v>(&'v self, reader: &'v Reader) -> View<'v> {
        View::root(reader, self.node, &self.label)
    }

    /// Whether its version of the API is a stable one.
    pub fn is_stable(&self) -> bool {
        self.node.get("apiVersion").and_then(Node::text).is_none_or(|version| !version.contains("beta"))
    }

    /// The file and line at which it stands.
    pub fn place(&self) -> String {
        let (line, _) = self.node.spot.line_and_column();
        format!("{}:{line}", self.node.spot.source.name)
    }
}

/// All objects, in the order of the files.
pub fn list<'a>(reader: &Reader, documents: &'a [Node]) -> Vec<Object<'a>> {
    let mut objects = Vec::new();
    let mut todo: Vec<&Node> = documents.iter().rev().collect();
    while let Some(node) = todo.pop() {
        match &node.value {
            Value::Null => {}
            Value::Map(_) => match node.get("items") {
                Some(items) if node.get("kind").and_then(Node::text).is_some_and(|kind| kind.ends_with("List")) => {
                    todo.extend(items.items().iter().rev());
                }
                _ => objects.extend(object(reader, node)),
            },
            _ => reader.push(
                Diagnostic::error(format!("expected an object of Kubernetes, found {}", node.described()))
                    .at(node.spot.clone())
                    .help("an object is a map with `apiVersion`, `kind` and `metadata`"),
            ),
        }
    }
    label(&mut objects);
    unique(reader, &objects);
    objects
}

fn object<'a>(reader: &Reader, node: &'a Node) -> Option<Object<'a>> {
    let fail = |message: String, spot: &Node, help: &str| {
        reader.push(Diagnostic::error(message).at(spot.spot.clone()).help(help));
        None
    };
    let Some(kind_node) = node.get("kind") else {
        let is_scenario = ["clients", "servers", "balancers", "kubernetes"].iter().any(|key| node.get(key).is_some());
        let help = if is_scenario { "this is a scenario; `lbsim import` reads manifests" } else { "such as `kind: Deployment`" };
        return fail("this object has no `kind`".to_owned(), node, help);
    };
    let Some(kind_name) = kind_node.text() else {
        return fail(format!("`kind` is a word, found {}", kind_node.described()), kind_node, "such as `kind: Deployment`");
    };
    let kind = kind_of(kind_name, node.get("apiVersion").and_then(Node::text).unwrap_or_default());
    if kind == Kind::Unknown && node.get("metadata").is_none() && node.get("apiVersion").is_none() {
        return fail(format!("`{kind_name}` is no kind of object"), kind_node, &meant(kind_name));
    }
    let metadata = node.get("metadata");
    let text = |name: &str| metadata.and_then(|metadata| metadata.get(name)).and_then(Node::text);
    let name = text("name").or_else(|| text("generateName")).unwrap_or_default();
    let is_read = kind < Kind::OtherWorkload;
    if name.contains("{{") {
        let at = metadata.and_then(|metadata| metadata.get("name")).unwrap_or(node);
        reader.push(super::template::error(at.spot.clone()));
        return None;
    }
    if is_read && (name.trim().is_empty() || name.chars().any(char::is_control)) {
        let at = metadata.and_then(|metadata| metadata.get("name").or(Some(metadata))).unwrap_or(node);
        return fail(format!("this {kind_name} has no name"), at, "an object is known by `metadata.name`");
    }
    Some(Object { kind, kind_name, name, namespace: text("namespace").unwrap_or("default"), label: String::new(), node })
}

fn kind_of(name: &str, api: &str) -> Kind {
    // Other products have kinds of the same names, such as the Service of Knative.
    let group = api.split_once('/').map_or("", |(group, _)| group);
    let is_own = ["", "apps", "extensions", "networking.k8s.io", "autoscaling", "policy"].contains(&group);
    match KINDS.iter().find(|(known, _)| *known == name && is_own) {
        Some((_, kind)) => *kind,
        None if OTHER_WORKLOADS.iter().any(|(known, _)| *known == name) => Kind::OtherWorkload,
        None if SILENT.contains(&name) => Kind::Silent,
        None => Kind::Unknown,
    }
}

/// What an unknown kind may be a slip of.
pub fn meant(kind: &str) -> String {
    let known = KINDS.iter().map(|(known, _)| *known);
    match did_you_mean(kind, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("read are {}", known.collect::<Vec<_>>().join(", ")),
    }
}

fn label(objects: &mut [Object]) {
    let mut namespaces: BTreeMap<(Kind, &str, &str), Vec<&str>> = BTreeMap::new();
    for object in objects.iter() {
        let all = namespaces.entry((object.kind, object.kind_name, object.name)).or_default();
        if !all.contains(&object.namespace) {
            all.push(object.namespace);
        }
    }
    let is_shared: Vec<bool> = objects.iter().map(|object| namespaces[&(object.kind, object.kind_name, object.name)].len() > 1).collect();
    for (object, is_shared) in objects.iter_mut().zip(is_shared) {
        object.label = match is_shared {
            true => format!("{} {}/{}", object.kind_name, object.namespace, object.name),
            false => format!("{} {}", object.kind_name, object.name),
        };
    }
}

fn unique(reader: &Reader, objects: &[Object]) {
    let mut seen: BTreeMap<(Kind, &str, &str), &Object> = BTreeMap::new();
    for object in objects.iter().filter(|object| object.kind < Kind::OtherWorkload) {
        match seen.get(&(object.kind, object.namespace, object.name)) {
            // A namespace is often written in several files.
            Some(_) if object.kind == Kind::Namespace => {}
            Some(first) => {
                let spot = object.node.get("metadata").and_then(|metadata| metadata.get("name")).unwrap_or(object.node).spot.clone();
                let message = format!("{} is given twice in the namespace {}", object.label, object.namespace);
                reader
                    .push(Diagnostic::error(message).at(spot).help(format!("it stands at {} already; keep one of the two", first.place())));
            }
            None => {
                seen.insert((object.kind, object.namespace, object.name), object);
            }
        }
    }
}

/// The labels of the pods that a workload makes.
pub fn pod_labels(object: &Object) -> Labels {
    let metadata = match object.kind_name {
        "Pod" => object.node.get("metadata"),
        _ => object.node.get("spec").and_then(|spec| spec.get("template")).and_then(|template| template.get("metadata")),
    };
    let labels = metadata.and_then(|metadata| metadata.get("labels"));
    let entries = labels.map(Node::entries).unwrap_or_default().iter();
    entries.map(|(key, node)| (key.text.to_string(), node.text().unwrap_or_default().to_owned())).collect()
}
