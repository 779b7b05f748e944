//! Fields of a Service that kube-proxy goes by, where nothing that clients reach passes one: load balancers with target type `ip` and nginx
//! send to the pods themselves. Source: AWS Load Balancer Controller, docs/guide/service/nlb.md (IP mode); ingress-nginx,
//! docs/user-guide/miscellaneous.md (Why endpoints and not services).

use super::cluster::{Cluster, Entry};
use super::ingresses::Class;
use super::services::{Reach, Service};
use super::sheet::{Field, Value};
use super::view::Reader;
use std::collections::BTreeSet;

/// A field in the scenario, what it says where it does nothing in particular, and in the manifest.
const OF_PROXIES: [(&str, &str, &str); 4] = [
    ("external_traffic", "cluster", "externalTrafficPolicy"),
    ("internal_traffic", "cluster", "internalTrafficPolicy"),
    ("session_affinity", "", "sessionAffinity"),
    ("prefer", "", "trafficDistribution"),
];

/// Leaves such fields out, and tells so.
pub fn leave_out(reader: &Reader, cluster: &mut Cluster) {
    let services: Vec<usize> = past_proxies(cluster);
    for index in services {
        let service = &mut cluster.services[index];
        for (key, usual, name) in OF_PROXIES {
            let is_said = |field: &Field| field.key == key && field.value != Value::Line(usual.to_owned());
            if !service.fields.iter().any(is_said) {
                continue;
            }
            service.fields.retain(|field| field.key != key);
            let said = service.object.view(reader).at(&format!("spec.{name}"));
            let word = said.as_ref().and_then(|view| view.node.text()).unwrap_or_default().to_owned();
            let why = "all connections go to its pods themselves, and pass no kube-proxy";
            service.comments.push(format!("Its {name} ({word}) changes nothing and is left out: {why}."));
            if let Some(view) = said {
                view.warning(format!("is {word}, which changes nothing: {why}"), "it is left out; with target type `instance` it counts");
            }
        }
    }
}

/// Services that are reached, and by no kube-proxy.
fn past_proxies(cluster: &Cluster) -> Vec<usize> {
    let entries = cluster.entries().into_iter();
    let direct = entries.filter_map(|entry| if let Entry::Service(index) = entry { Some(index) } else { None });
    let direct = direct.filter(|index| !is_by_pods(&cluster.services[*index]));
    let by_port = cluster.ingresses.iter().filter(|ingress| ingress.class == Class::Alb && !ingress.settings.is_ip);
    let proxied: BTreeSet<usize> = direct.chain(by_port.flat_map(|ingress| ingress.services())).collect();
    // The controller of nginx is reached by its service; its own pods are no deployment of the scenario.
    let is_controllers =
        |index: &usize| cluster.controller_service().is_some_and(|service| std::ptr::eq(service, &cluster.services[*index]));
    let controllers = (0..cluster.services.len()).filter(|index| is_controllers(index) && is_by_pods(&cluster.services[*index]));
    cluster.reached().into_iter().chain(controllers).filter(|index| !proxied.contains(index)).collect()
}

/// Whether its Network Load Balancer registers pods.
fn is_by_pods(service: &Service) -> bool {
    let balancer = service.fields.iter().find(|field| field.key == "load_balancer").map(|field| &field.value);
    let ip = Value::Line("ip".to_owned());
    let is_ip = |fields: &Vec<Field>| fields.iter().any(|field| field.key == "target_type" && field.value == ip);
    service.reach == Reach::LoadBalancer && matches!(balancer, Some(Value::Map(fields)) if is_ip(fields))
}
