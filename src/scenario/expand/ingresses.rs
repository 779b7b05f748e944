//! Ingresses: an Application Load Balancer that the AWS controller makes, or ingress-nginx in the cluster.

use super::cluster::delay;
use super::load_balancers::{Address, Application, Group, Line, addresses, reach, shared_cookies, shared_cookies_of_rules};
use super::targets::{NGINX_COOKIE, Product, Targets, idle_timeout, sticky};
use super::text::{Field, Part, Place, flow};
use super::things::{NGINX, Thing, block_item};
use super::walk::{Forward, Walk};
use crate::control::defaults::{alb, ingress_nginx};
use crate::document::{Path, scalar};
use crate::scenario::{Ingress, IngressClass, IngressPath, IngressRule, PathType, TargetType, TrafficPolicy};
use std::collections::BTreeMap;

/// Conditions of a path: hosts and paths of its `when` join those of the Ingress, the rest must hold as well (AWS Load Balancer Controller,
/// pkg/ingress/model_build_listener_rules.go, buildRuleConditions).
fn when(rule: &IngressRule, path: &IngressPath, place: &Place) -> Option<Field> {
    let plain = path.path.trim_end_matches('/');
    let own = match path.kind {
        PathType::Prefix if plain.is_empty() => Vec::new(),
        PathType::Prefix => vec![plain.to_owned(), format!("{plain}/*")],
        PathType::Exact | PathType::ImplementationSpecific => vec![path.path.clone()],
    };
    let given = place.below("when");
    let joined = |key: &'static str, own: &[String], more: &[String]| {
        let field = Field::names(key, &[own, more].concat());
        (0..more.len()).fold(field, |field, i| field.given(&format!("[{}]", own.len() + i), given.path.field(key).index(i)))
    };
    let mut fields = Vec::new();
    let host = rule.host.as_slice();
    if !host.is_empty() || !path.when.host.is_empty() {
        fields.push(joined("host", host, &path.when.host));
    }
    // The whole tree is any path, whatever else is named.
    if !own.is_empty() {
        fields.push(joined("path", &own, &path.when.path));
    }
    fields.extend(given.copies(&["header", "method", "query", "source"]));
    (!fields.is_empty()).then(|| flow("when", fields))
}

/// Exact paths, then prefixes from the longest on, then the rest as written: the order of the AWS controller (sortIngressPaths), which is
/// also that of the Kubernetes documentation.
fn in_order(paths: &[IngressPath]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..paths.len()).collect();
    let rank = |path: &IngressPath| match path.kind {
        PathType::Exact => (0, 0),
        PathType::Prefix => (1, usize::MAX - path.path.len()),
        PathType::ImplementationSpecific => (2, 0),
    };
    order.sort_by_key(|i| rank(&paths[*i]));
    order
}

/// Services of a path with their weights.
pub(super) fn services(path: &IngressPath) -> BTreeMap<String, u32> {
    path.forward.clone().unwrap_or_else(|| path.service.iter().map(|service| (service.clone(), 1)).collect())
}

/// The groups of a load balancer, as its lines come to need them: (ingress, service).
#[derive(Default)]
struct Needed(Vec<(usize, String)>);

impl Needed {
    fn number(&mut self, ingress: usize, service: &str) -> usize {
        let known = self.0.iter().position(|(of, name)| *of == ingress && name == service);
        known.unwrap_or_else(|| {
            self.0.push((ingress, service.to_owned()));
            self.0.len() - 1
        })
    }

    /// The service's name; that of the ingress behind it where another ingress has the service already.
    fn name(&self, ingresses: &[Ingress], number: usize) -> String {
        let (ingress, service) = &self.0[number];
        let is_first = self.0[..number].iter().all(|(_, earlier)| earlier != service);
        if is_first { service.clone() } else { format!("{service}:{}", ingresses[*ingress].name) }
    }
}

impl<'a> Walk<'a> {
    fn lines(&self, index: usize, needed: &mut Needed) -> Vec<Line> {
        let ingress = &self.blocks.ingresses()[index];
        let mut lines = Vec::new();
        for (r, rule) in ingress.rules.iter().enumerate() {
            for p in in_order(&rule.paths) {
                let path = &rule.paths[p];
                let place = block_item("kubernetes", "ingresses", index).field("rules").index(r).field("paths").index(p);
                let place = Place::of(self.blocks.document, place);
                let forward = services(path).iter().map(|(service, weight)| (needed.number(index, service), *weight)).collect();
                let conditions = when(rule, path, &place).into_iter().collect();
                lines.push(Line { conditions, forward, rest: place.copies(&["sticky", "respond"]) });
            }
        }
        lines
    }

    fn default_line(&self, index: usize, needed: &mut Needed) -> Option<Line> {
        let service = self.blocks.ingresses()[index].default_backend.as_ref()?;
        Some(Line { conditions: Vec::new(), forward: vec![(needed.number(index, service), 1)], rest: Vec::new() })
    }

    /// The Application Load Balancer of an ingress, and of those of its group.
    pub(super) fn ingress(&mut self, leader: usize) {
        let blocks = self.blocks;
        let all = blocks.ingresses();
        let members: Vec<usize> = (0..all.len()).filter(|i| all[*i].class == IngressClass::Alb && blocks.leader(*i) == leader).collect();
        let mut needed = Needed::default();
        let mut lines: Vec<Line> = members.iter().flat_map(|i| self.lines(*i, &mut needed)).collect();
        lines.extend(members.iter().find_map(|i| self.default_line(*i, &mut needed)));
        let path = block_item("kubernetes", "ingresses", leader);
        let place = Place::of(blocks.document, path.clone());
        let idle = idle_timeout(Product::ControllerAlb, &place);
        let at = self.parts.parts.len();
        let groups: Vec<Group> = (0..needed.0.len()).filter_map(|number| self.group_of_ingress(&needed, number)).collect();
        let proxies = self.parts.parts.split_off(at);
        let zones = if all[leader].zones.is_empty() { blocks.zones() } else { all[leader].zones.clone() };
        let thing = Thing::Ingress(leader);
        let base = blocks.name_of(thing);
        let names: Vec<&str> = members.iter().map(|i| all[*i].name.as_str()).collect();
        let to = match all[leader].target_type {
            TargetType::Instance => "node ports (target-type: instance)",
            TargetType::Ip => "pods (target-type: ip)",
        };
        let comment = vec![
            format!("Ingress {}: an Application Load Balancer that the AWS controller makes. Its targets are {to};", names.join(" and ")),
            format!("each of its nodes looks at requests by itself, and uses {}. What no rule matches is answered 404.", reach(&groups)),
        ];
        self.application(Application {
            thing,
            addresses: addresses(&base, &zones, 1),
            base,
            from: path,
            comment,
            fields: place.copy("tls").into_iter().chain([idle.clone()]).collect(),
            lines,
            groups,
            idle: super::load_balancers::text_of(&idle),
        });
        self.parts.parts.extend(proxies);
    }

    fn group_of_ingress(&mut self, needed: &Needed, number: usize) -> Option<Group<'a>> {
        let blocks = self.blocks;
        let (ingress, service) = &needed.0[number];
        let settings = &blocks.ingresses()[*ingress];
        let service = blocks.service(service)?;
        let targets = self.targets_of_service(service, settings.target_type);
        let gate = settings.readiness_gates.then(|| blocks.services()[service].deployment().to_owned());
        let place = Place::of(blocks.document, block_item("kubernetes", "ingresses", *ingress));
        let name = needed.name(blocks.ingresses(), number);
        let cross_zone = settings.cross_zone.unwrap_or(alb::CROSS_ZONE);
        Some(Group { name, product: Product::ControllerAlb, place, targets, cross_zone, gate })
    }

    // ---- ingress-nginx ------------------------------------------------------------------------------------------------

    /// Rules of all ingresses of the class. A host that is named leaves what its paths do not match to the default backend.
    fn nginx_lines(&self, needed: &mut Needed) -> Vec<Line> {
        let all = self.blocks.ingresses();
        let members: Vec<usize> = (0..all.len()).filter(|i| all[*i].class == IngressClass::Nginx).collect();
        let default = |needed: &mut Needed| members.iter().find_map(|i| self.default_line(*i, needed));
        let mut hosts: Vec<Option<&str>> = Vec::new();
        for rule in members.iter().flat_map(|i| &all[*i].rules) {
            if !hosts.contains(&rule.host.as_deref()) {
                hosts.push(rule.host.as_deref());
            }
        }
        // Exact hosts, then wildcards, then those without a host.
        hosts.sort_by_key(|host| host.map_or(2, |host| u8::from(host.starts_with('*'))));
        let mut lines = Vec::new();
        for host in hosts {
            let mut paths: Vec<(usize, usize, &IngressRule, usize)> = Vec::new();
            for i in &members {
                for (r, rule) in all[*i].rules.iter().enumerate().filter(|(_, rule)| rule.host.as_deref() == host) {
                    paths.extend((0..rule.paths.len()).map(|p| (*i, r, rule, p)));
                }
            }
            let in_turn: Vec<IngressPath> = paths.iter().map(|(_, _, rule, p)| rule.paths[*p].clone()).collect();
            for number in in_order(&in_turn) {
                let (i, r, rule, p) = paths[number];
                let place = block_item("kubernetes", "ingresses", i).field("rules").index(r).field("paths").index(p);
                let forward = services(&rule.paths[p]).iter().map(|(service, weight)| (needed.number(i, service), *weight)).collect();
                let place = Place::of(self.blocks.document, place);
                let conditions = when(rule, &rule.paths[p], &place).into_iter().collect();
                lines.push(Line { conditions, forward, rest: place.copies(&["sticky", "respond"]) });
            }
            if let Some(host) = host {
                let condition = flow("when", vec![Field::names("host", &[host.to_owned()])]);
                lines.push(match default(needed) {
                    Some(line) => Line { conditions: vec![condition], ..line },
                    None => Line { conditions: vec![condition], forward: Vec::new(), rest: vec![Field::new("respond", 404)] },
                });
            }
        }
        lines.extend(default(needed));
        lines
    }

    /// ingress-nginx: its pods, each with its own rules and its own view of the endpoints, and what is in front of them.
    pub(super) fn nginx(&mut self) {
        let blocks = self.blocks;
        let settings = blocks.kubernetes.as_ref().and_then(|kubernetes| kubernetes.ingress_nginx.clone()).unwrap_or_default();
        let of_settings = Place::of(blocks.document, Path::root().field("kubernetes").field("ingress_nginx"));
        let path = blocks.path_of(Thing::Nginx);
        let mut needed = Needed::default();
        let lines = self.nginx_lines(&mut needed);
        let nodes: Vec<_> = super::cluster_nodes_at_start(&blocks.nodes()).cloned().collect();
        let is_alone = settings.replicas == 1 && settings.load_balancer.is_none();
        let replicas: Vec<(Address, String)> = (0..settings.replicas as usize)
            .map(|i| {
                let node = &nodes[i % nodes.len()];
                let name = if is_alone { NGINX.to_owned() } else { format!("{NGINX}#{}", i + 1) };
                (Address { name, zone: node.zone.clone() }, node.name.clone())
            })
            .collect();
        let names: Vec<String> = replicas.iter().map(|(replica, _)| replica.name.clone()).collect();
        if settings.load_balancer.is_some() {
            self.nginx_load_balancer(&replicas, &path);
        } else if !is_alone {
            let part = Part::new("balancers", NGINX, &path)
                .comment("ingress-nginx: each connection goes to a random pod of the controller.")
                .with(Field::new("layer", "l4"))
                .with(Field::names("targets", &names))
                .with(Field::new("algorithm", "random"));
            self.parts.balancer(part);
        }
        let tls = (0..blocks.ingresses().len())
            .filter(|i| blocks.ingresses()[*i].class == IngressClass::Nginx)
            .find_map(|i| Place::of(blocks.document, block_item("kubernetes", "ingresses", i)).copy("tls"));
        for (i, (replica, node)) in replicas.iter().enumerate() {
            let views: Vec<String> =
                (0..needed.0.len()).map(|number| format!("{}/{}", replica.name, needed.name(blocks.ingresses(), number))).collect();
            let place_of = |part: Part| {
                part.with(Field::new("node", scalar(node))).maybe(replica.zone.as_ref().map(|zone| Field::new("zone", scalar(zone))))
            };
            let mut part = place_of(Part::new("balancers", &replica.name, &path))
                .maybe((!views.is_empty()).then(|| Field::names("targets", &views)))
                .with(super::load_balancers::rules(&lines, &views))
                .maybe(shared_cookies_of_rules(&lines, &replica.name, &names[0]))
                .maybe(tls.clone())
                .with(Field::new("idle_timeout", ingress_nginx::KEEPALIVE).note("keep-alive, default of ingress-nginx"));
            if i == 0 {
                part =
                    part.comment("A pod of ingress-nginx: it sends to the endpoints of the services directly, not through a kube-proxy.");
            }
            self.parts.balancer(part);
            for (number, name) in views.iter().enumerate() {
                let (ingress, service) = &needed.0[number];
                let place = Place::of(blocks.document, block_item("kubernetes", "ingresses", *ingress));
                let Some(service) = blocks.service(service) else { continue };
                let deployment = blocks.services()[service].deployment().to_owned();
                let fields = upstream(&place, &of_settings, settings.retries, &deployment);
                let first = format!("{}/{}", names[0], needed.name(blocks.ingresses(), number));
                let shared = shared_cookies(&fields, name, &first);
                let part = place_of(Part::new("balancers", name, &place.path)).with(Field::new("inside", "true")).all(fields).maybe(shared);
                self.parts.balancer(part.told(i == 0));
            }
            let groups = (0..views.len()).map(|number| needed.name(blocks.ingresses(), number)).zip(views).collect();
            self.forwards.push(Forward { thing: Thing::Nginx, balancer: replica.name.clone(), groups });
        }
    }

    /// The Network Load Balancer of the controller's service.
    fn nginx_load_balancer(&mut self, replicas: &[(Address, String)], path: &Path) {
        let blocks = self.blocks;
        let Some(kubernetes) = &blocks.kubernetes else { return };
        let controller = kubernetes.ingress_nginx.clone().unwrap_or_default();
        let settings = controller.load_balancer.clone().unwrap_or_default();
        let place = Place::of(blocks.document, Path::root().field("kubernetes").field("ingress_nginx").field("load_balancer"));
        let zones = if settings.zones.is_empty() { blocks.zones() } else { settings.zones.clone() };
        let is_local = controller.external_traffic == TrafficPolicy::Local;
        let mut ports = Vec::new();
        if settings.target_type == TargetType::Instance {
            for node in blocks.nodes() {
                let here = |on: &String| !is_local || *on == node.name;
                let targets: Vec<String> = replicas.iter().filter(|(_, on)| here(on)).map(|(replica, _)| replica.name.clone()).collect();
                if targets.is_empty() {
                    continue;
                }
                ports.push(
                    Part::new("balancers", format!("{NGINX}@{}", node.name), path)
                        .with(Field::new("layer", "l4"))
                        .with(Field::new("node", scalar(&node.name)))
                        .maybe(node.zone.as_ref().map(|zone| Field::new("zone", scalar(zone))))
                        .with(Field::names("targets", &targets))
                        .with(Field::new("algorithm", "random")),
                );
            }
            if let Some(first) = ports.first_mut() {
                let which = if is_local { "those nodes that have a pod of it (externalTrafficPolicy: Local)" } else { "every node" };
                first.comment.push(format!("The node port of ingress-nginx on {which}."));
            }
        }
        let names = match settings.target_type {
            TargetType::Instance => ports.iter().map(|part| part.name.clone()).collect(),
            TargetType::Ip => replicas.iter().map(|(replica, _)| replica.name.clone()).collect(),
        };
        // The controller's pods are fixed: nothing is registered or deregistered.
        let targets = Targets { names, are_registered: false };
        let product =
            if is_local && settings.target_type == TargetType::Instance { Product::ControllerNlbLocal } else { Product::ControllerNlb };
        let group = Group { name: NGINX.to_owned(), product, place: place.clone(), targets, cross_zone: settings.cross_zone, gate: None };
        let comment = "ingress-nginx: a Network Load Balancer in front of the controller's pods.".to_owned();
        self.network(NGINX, path, addresses(NGINX, &zones, 1), &group, idle_timeout(product, &place), comment);
        for part in ports {
            self.parts.balancer(part);
        }
    }
}

/// Fields of an upstream of nginx.
fn upstream(ingress: &Place, controller: &Place, retries: u32, deployment: &str) -> Vec<Field> {
    let members = flow("members", vec![flow("endpoints", vec![delay(controller)])]);
    let connections = format!(
        "{{ idle_timeout: {}, max_age: {}, max_requests: {} }}",
        ingress_nginx::UPSTREAM_KEEPALIVE_TIMEOUT,
        ingress_nginx::UPSTREAM_KEEPALIVE_TIME,
        ingress_nginx::UPSTREAM_KEEPALIVE_REQUESTS
    );
    let mut fields = vec![
        Field::names("targets", &[deployment.to_owned()]),
        Field::new("algorithm", "round_robin").note("default of ingress-nginx"),
        members,
    ];
    let sticky = sticky(ingress, NGINX_COOKIE);
    let (to, why) = next_upstream(ingress, sticky.is_some());
    fields.extend(sticky);
    if retries > 0 {
        let text = format!("{{ max: {retries}, when: [connect_failure, reset, timeout], non_idempotent: false, to: {to} }}");
        fields.push(
            Field::new("retry", text)
                .note(format!("proxy-next-upstream: error timeout, by default {} tries{why}", ingress_nginx::NEXT_UPSTREAM_TRIES)),
        );
    }
    fields.push(Field::new("connect_timeout", ingress_nginx::CONNECT_TIMEOUT).note("proxy-connect-timeout"));
    fields.push(Field::new("timeout", ingress_nginx::READ_TIMEOUT).note("proxy-read-timeout"));
    fields.push(Field::new("connections", connections).note("upstream-keepalive-timeout, -time, -requests"));
    fields
}

/// Where a try goes after one that failed. Each is a choice of its own, which by turns may meet the pod that failed. With a cookie in the
/// request it is the cookie's pod again, as long as that is an endpoint; without one, or with `session-cookie-change-on-failure`, a pod that
/// has not failed. Source: ingress-nginx, `balancer/round_robin.lua` and `balancer/sticky.lua` (`balance`).
fn next_upstream(ingress: &Place, is_sticky: bool) -> (&'static str, &'static str) {
    let changes = ingress.get("change_on_failure").and_then(|node| node.text()).is_some_and(|text| text.eq_ignore_ascii_case("true"));
    match (is_sticky, changes) {
        (false, _) => ("any", ""),
        (true, false) => ("other_unless_bound", "; session-cookie-change-on-failure: false"),
        (true, true) => ("other", "; session-cookie-change-on-failure: true"),
    }
}
