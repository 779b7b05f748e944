//! The controller of ingress-nginx: of its Deployment and Service a scenario has the number of pods, and what is in front of them. What else
//! they say is named. And what is told only of Deployments that are simulated.

use super::cluster::Cluster;
use super::deployments::Deployment;
use super::objects::Object;
use super::services::Service;
use super::sheet::{ASSUMED, Field, Value};
use super::view::Reader;

/// Fields of a scenario's deployment, and what they are in the manifest.
const OF_PODS: [(&str, &str); 10] = [
    ("cpu", "resources.requests.cpu"),
    ("memory", "resources.requests.memory"),
    ("startup_probe", "startupProbe"),
    ("readiness_probe", "readinessProbe"),
    ("liveness_probe", "livenessProbe"),
    ("pre_stop", PRE_STOP),
    ("grace", "terminationGracePeriodSeconds"),
    ("rolling_update", "strategy"),
    ("autoscale", "its HorizontalPodAutoscaler"),
    ("disruption_budget", "its PodDisruptionBudget"),
];
const PRE_STOP: &str = "lifecycle.preStop";

/// The same of a service.
const OF_SERVICE: [(&str, &str); 4] = [
    ("internal_traffic", "internalTrafficPolicy"),
    ("session_affinity", "sessionAffinity"),
    ("prefer", "trafficDistribution"),
    ("deregistration_delay", "target-group-attributes: deregistration_delay.timeout_seconds"),
];

/// Fields of its Network Load Balancer that the scenario has not.
pub fn is_fixed(field: &Field) -> bool {
    field.key == "deregistration_delay" || field.key == "readiness_gates"
}

/// Tells what is left out.
pub fn tell(reader: &Reader, cluster: &Cluster) {
    for index in cluster.simulated() {
        cluster.deployments[index].told.iter().for_each(|told| reader.push(told.clone()));
    }
    for index in cluster.without_http2() {
        let view = cluster.ingresses[index].object.view(reader);
        let at = view.at("metadata.annotations").unwrap_or(view);
        let help = "another load balancer has HTTP/2, and the clients are of one kind: give those of this one `streams: 1`";
        at.warning("has `routing.http2.enabled=false`, which is left out", help);
    }
    let Some(controller) = cluster.controller.map(|index| &cluster.deployments[index]) else { return };
    let help = "its pods are there from start to end in lbsim: of them `replicas` alone is read";
    not_read(reader, controller.object, "is", &of_pods(controller), help);
    let Some(service) = cluster.controller_service() else { return };
    let help = "the controller's pods are there from start to end in lbsim, and are registered all the time";
    not_read(reader, service.object, "leads to", &of_service(service), help);
}

fn not_read(reader: &Reader, object: &Object, what: &str, names: &[&str], help: &str) {
    if !names.is_empty() {
        let view = object.view(reader);
        let at = view.get("spec").unwrap_or(view);
        at.warning(format!("{what} the controller of ingress-nginx; not read of it: {}", names.join(", ")), help);
    }
}

fn of_pods(controller: &Deployment) -> Vec<&'static str> {
    let is_said =
        |key: &str| controller.fields.iter().chain(&controller.added).any(|field| field.key == key && !field.note.starts_with(ASSUMED));
    let mut names: Vec<&'static str> = OF_PODS.iter().filter(|(key, _)| is_said(key)).map(|(_, name)| *name).collect();
    // A hook that does not sleep.
    if !controller.told.is_empty() && !names.contains(&PRE_STOP) {
        names.push(PRE_STOP);
    }
    names
}

fn of_service(service: &Service) -> Vec<&'static str> {
    let inner = service.fields.iter().filter_map(|field| if let Value::Map(inner) = &field.value { Some(inner) } else { None });
    let is_said = |key: &str| service.fields.iter().chain(inner.clone().flatten()).any(|field| field.key == key);
    OF_SERVICE.iter().filter(|(key, _)| is_said(key)).map(|(_, name)| *name).collect()
}
