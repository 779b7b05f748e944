//! Ingresses that share hosts and paths: canaries of ingress-nginx, which take a share of another one's requests, and what is given twice.
//! Source: ingress-nginx, docs/user-guide/nginx-configuration/annotations.md (Canary).

use super::actions::Action;
use super::annotations::{Annotations, NGINX};
use super::ingresses::{Class, Ingress, PathType};
use super::view::Reader;
use std::collections::BTreeMap;

/// The share of a canary in percent: `Some(None)` where it is none, `None` where its requests cannot be told from others.
pub fn share(annotations: &Annotations) -> Option<Option<u32>> {
    let get = |name: &str| annotations.get(NGINX, name);
    if !get("canary").is_some_and(|view| view.is_true()) {
        return Some(None);
    }
    let total = get("canary-weight-total").and_then(|total| total.whole(1, 1_000_000)).unwrap_or(100);
    let by_other = ["canary-by-header", "canary-by-cookie", "canary-by-header-value", "canary-by-header-pattern"];
    let marked = by_other.iter().filter_map(|name| get(name)).collect::<Vec<_>>();
    match (get("canary-weight"), marked.first()) {
        (Some(weight), _) => {
            marked
                .iter()
                .for_each(|view| view.warning("is not read; the canary has its weight alone", "requests of lbsim have no such mark"));
            weight.whole(0, total).map(|weight| Some(weight * 100 / total))
        }
        (None, Some(mark)) => {
            mark.warning("tells which requests a canary gets, and requests of lbsim have no such mark", "the canary is left out");
            None
        }
        (None, None) => Some(Some(0)),
    }
}

/// A canary's paths become weights of the paths that it shares.
pub fn merge(reader: &Reader, ingresses: &mut [Ingress]) {
    for canary in 0..ingresses.len() {
        let Some(share) = ingresses[canary].canary else { continue };
        let rules = std::mem::take(&mut ingresses[canary].rules);
        ingresses[canary].default_backend = None;
        for (rule, path) in rules.iter().flat_map(|rule| rule.paths.iter().map(move |path| (rule, path))) {
            let Action::Service(new) = path.action else { continue };
            let label = ingresses[canary].object.label.clone();
            let namespace = ingresses[canary].object.namespace;
            let mut others = ingresses
                .iter_mut()
                .filter(|other| other.class == Class::Nginx && other.canary.is_none() && other.object.namespace == namespace)
                .flat_map(|other| &mut other.rules)
                .filter(|other| other.host == rule.host)
                .flat_map(|other| &mut other.paths);
            match others.find(|other| other.path == path.path && other.kind == path.kind) {
                Some(stable) => {
                    if let Action::Service(old) = stable.action
                        && old != new
                        && share > 0
                    {
                        stable.action = Action::Forward(vec![(old, 100 - share), (new, share)], None);
                        stable.note = format!("{}; {label} takes {share}%", stable.note);
                    }
                }
                None => {
                    let view = ingresses[canary].object.view(reader);
                    view.warning(
                        format!("is a canary for `{}` at {}, which no other Ingress has", path.path, host(rule.host.as_deref())),
                        "a canary takes a share of another Ingress; the path is left out",
                    );
                }
            }
        }
    }
}

fn host(host: Option<&str>) -> &str {
    host.unwrap_or("any host")
}

/// What a load balancer would have twice: the first one counts, as in Kubernetes' documentation of the controllers.
pub fn twice(reader: &Reader, ingresses: &mut [Ingress]) {
    let mut seen: BTreeMap<(String, Option<String>, String, PathType), String> = BTreeMap::new();
    for ingress in ingresses.iter_mut() {
        let server = match (ingress.class, &ingress.settings.group) {
            (Class::Nginx, _) => "nginx".to_owned(),
            (Class::Alb, Some(group)) => format!("group {group}"),
            (Class::Alb, None) => format!("alone {}/{}", ingress.object.namespace, ingress.object.name),
        };
        let object = ingress.object;
        for rule in &mut ingress.rules {
            rule.paths.retain(|path| {
                if !path.when.is_empty() {
                    return true;
                }
                let plain = if path.kind == PathType::Prefix { path.path.trim_end_matches('/') } else { &path.path };
                let key = (server.clone(), rule.host.clone(), plain.to_owned(), path.kind);
                let Some(first) = seen.get(&key) else {
                    seen.insert(key, path.place.clone());
                    return true;
                };
                object.view(reader).warning(
                    format!("has `{}` at {} ({}), which stands at {first} already", path.path, host(rule.host.as_deref()), path.place),
                    "a host and path lead to one place; the first one is taken",
                );
                false
            });
        }
        ingress.rules.retain(|rule| !rule.paths.is_empty());
    }
}
