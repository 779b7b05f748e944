//! Manifests of Kubernetes as a scenario: text with comments on what was read from where, and what was assumed. What cannot be simulated
//! is named. No I/O; what a scenario is and what runs it is not known here: the text is read like any other.

mod actions;
mod annotations;
mod bypass;
mod canary;
mod cluster;
mod conditions;
mod controller;
mod deployments;
mod ingresses;
mod leftover;
mod objects;
mod probes;
mod quantity;
mod requests;
mod scaling;
mod scenario;
mod selector;
mod services;
mod settings;
mod sheet;
mod template;
mod view;

use crate::document::{self, Node};
use crate::error::{Diagnostic, Diagnostics, Severity, Source};
use cluster::Cluster;
use objects::{Kind, Object};
use std::sync::Arc;
use view::Reader;

/// A scenario from manifests.
#[derive(Debug)]
pub struct Imported {
    /// The scenario, as YAML with comments.
    pub text: String,
    /// What is not as in the manifests, at its spots.
    pub warnings: Diagnostics,
    /// What was not read because it says nothing about the way of a request.
    pub notes: Vec<String>,
}

/// Turns manifests into a scenario: Deployments, Services, Ingresses, HorizontalPodAutoscalers and PodDisruptionBudgets.
pub fn import(sources: &[Arc<Source>]) -> Result<Imported, Diagnostics> {
    let mut documents: Vec<Node> = Vec::new();
    let mut wrong = Diagnostics::new();
    for source in sources {
        match document::parse_all(source) {
            Ok(all) => documents.extend(all),
            Err(errors) => wrong.extend(template::found(source, &errors).map_or_else(|| of_manifests(errors), Diagnostics::from)),
        }
    }
    if wrong.has_errors() {
        return Err(wrong);
    }
    let reader = Reader::default();
    let objects = objects::list(&reader, &documents);
    let result = convert(&reader, &objects, sources);
    let notes = result.as_ref().map(|(_, notes)| notes.clone()).unwrap_or_default();
    let text = result.map(|(text, _)| text);
    let warnings = reader.into_found();
    match text {
        Some(text) if !warnings.has_errors() => Ok(Imported { text, warnings, notes }),
        _ => Err(template::among(&warnings).map_or_else(|| errors_first(warnings), Diagnostics::from)),
    }
}

/// Errors alone where they have spots: many a warning follows from them. That there is nothing to simulate is explained by warnings.
fn errors_first(found: Diagnostics) -> Diagnostics {
    let is_error = |diagnostic: &Diagnostic| diagnostic.severity == Severity::Error && diagnostic.spot.is_some();
    if !found.iter().any(is_error) {
        return found;
    }
    found.into_iter().filter(is_error).collect()
}

fn convert(reader: &Reader, objects: &[Object], sources: &[Arc<Source>]) -> Option<(String, Vec<String>)> {
    services::other_workloads(reader, objects);
    let gated = gated(reader, objects);
    let mut deployments = deployments::read(reader, objects);
    scaling::read(reader, objects, &mut deployments);
    let services = services::read(reader, objects, &deployments);
    let ingresses = ingresses::read(reader, objects, &services);
    if reader.has_errors() {
        return None;
    }
    let mut cluster = Cluster::new(deployments, services, ingresses, gated);
    bypass::leave_out(reader, &mut cluster);
    controller::tell(reader, &cluster);
    if cluster.simulated().next().is_none() || cluster.entries().is_empty() {
        reader.push(nothing(&cluster, objects, sources));
        return None;
    }
    let not_read = leftover::find(reader, objects);
    let notes = not_read.iter().filter(|object| !object.quiet.is_empty());
    let notes = notes
        .map(|object| format!("{}: not read, as it says nothing about the way of a request: {}", object.label, object.quiet.join(", ")));
    Some((scenario::text(&cluster, &reader.told(), &not_read, sources), notes.collect()))
}

/// Namespaces in which the AWS controller gives pods a readiness gate. Source: AWS Load Balancer Controller,
/// docs/deploy/pod_readiness_gate.md.
fn gated(reader: &Reader, objects: &[Object]) -> Vec<String> {
    let namespaces = objects.iter().filter(|object| object.kind == Kind::Namespace);
    let is_gated = |object: &&Object| {
        let label = object.view(reader).at("metadata.labels").and_then(|labels| labels.get("elbv2.k8s.aws/pod-readiness-gate-inject"));
        label.is_some_and(|label| label.one_of(&[("enabled", true), ("disabled", false)]).unwrap_or(false))
    };
    namespaces.filter(is_gated).map(|object| object.name.to_owned()).collect()
}

fn nothing(cluster: &Cluster, objects: &[Object], sources: &[Arc<Source>]) -> Diagnostic {
    let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    let what = match (cluster.simulated().next(), objects.len()) {
        (_, 0) => "there is no object in the manifests",
        (None, _) => "there is no Deployment in the manifests that can be simulated",
        (Some(_), _) => "there is no Service or Ingress in the manifests by which clients reach a Deployment",
    };
    let help = "a scenario needs a Deployment, and a Service that selects its pods";
    Diagnostic::error(format!("{what} ({})", names.join(", "))).help(help)
}

/// What the reader of YAML says of scenarios, said of manifests. Its help holds no word of the file.
pub fn of_manifests(errors: Diagnostics) -> Diagnostics {
    let said = |text: String| text.replace("a scenario", "a manifest").replace("no scenario", "no manifest");
    let all = errors.into_iter().map(|mut error| {
        error.help = error.help.map(said);
        if error.message.starts_with("the file has ") || error.message.starts_with("this is a gzip") {
            error.message = said(error.message);
        }
        error
    });
    all.collect()
}
