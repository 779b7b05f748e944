//! Load balancers of AWS: a name that is resolved to a node in each zone, the rules of each node, and its view of the target groups.

use super::targets::{Product, Targets, fields, idle_timeout};
use super::text::{Field, Part, Place, Value, flow};
use super::things::{Thing, block_item};
use super::walk::{Forward, Walk};
use crate::control::defaults::{alb, route53};
use crate::document::{Path, scalar};
use crate::scenario::{LoadBalancerType, ServiceType, TargetType, TrafficPolicy};

/// A node of a load balancer.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub name: String,
    pub zone: Option<String>,
}

/// One in each zone, or several; the load balancer's own name where it is the only one.
pub(super) fn addresses(base: &str, zones: &[String], per_zone: u32) -> Vec<Address> {
    let places: Vec<Option<String>> = if zones.is_empty() { vec![None] } else { zones.iter().cloned().map(Some).collect() };
    let mut all = Vec::new();
    for zone in &places {
        for number in 1..=per_zone {
            let at = zone.as_ref().map_or(String::new(), |zone| format!("@{zone}"));
            let name = if per_zone > 1 { format!("{base}{at}#{number}") } else { format!("{base}{at}") };
            all.push(Address { name, zone: zone.clone() });
        }
    }
    if let [only] = all.as_mut_slice() {
        only.name = base.to_owned();
    }
    all
}

/// A target group as its load balancer knows it.
pub(super) struct Group<'a> {
    /// What users call it.
    pub name: String,
    pub product: Product,
    pub place: Place<'a>,
    pub targets: Targets,
    pub cross_zone: bool,
    /// The deployment whose pods wait for it (readiness gate).
    pub gate: Option<String>,
}

/// Whose targets the nodes of an Application Load Balancer use.
pub(super) fn reach(groups: &[Group]) -> String {
    let own: Vec<&str> = groups.iter().filter(|group| !group.cross_zone).map(|group| group.name.as_str()).collect();
    match own.len() {
        0 => "the targets of all zones".to_owned(),
        n if n == groups.len() => "the targets of its own zone alone".to_owned(),
        _ => format!("the targets of all zones, and of {} those of its own alone", own.join(" and ")),
    }
}

/// A line of `rules`.
pub(super) struct Line {
    /// Fields in front of the action.
    pub conditions: Vec<Field>,
    /// Groups by their numbers, with weights.
    pub forward: Vec<(usize, u32)>,
    /// `sticky` and `respond`.
    pub rest: Vec<Field>,
}

/// An Application Load Balancer, or what else looks at requests on several nodes.
pub(super) struct Application<'a> {
    pub thing: Thing,
    pub base: String,
    pub from: Path,
    pub addresses: Vec<Address>,
    pub comment: Vec<String>,
    /// `tls` and so on, of each node.
    pub fields: Vec<Field>,
    pub lines: Vec<Line>,
    pub groups: Vec<Group<'a>>,
    pub idle: String,
}

impl<'a> Walk<'a> {
    /// A load balancer of `aws`, by one of its listeners.
    pub(super) fn load_balancer(&mut self, index: usize, listener: usize) {
        let balancer = &self.blocks.aws.load_balancers[index];
        match balancer.kind {
            LoadBalancerType::Application => self.application_of_aws(index, listener),
            LoadBalancerType::Network => self.network_of_aws(index, listener),
        }
    }

    fn application_of_aws(&mut self, index: usize, listener: usize) {
        let blocks = self.blocks;
        let (thing, balancer) = (Thing::LoadBalancer(index, listener), &blocks.aws.load_balancers[index]);
        let path = block_item("aws", "load_balancers", index);
        let place = Place::of(blocks.document, path.clone());
        let of_listener = Place::of(blocks.document, path.field("listeners").index(listener));
        let listener = &balancer.listeners[listener];
        let idle = idle_timeout(Product::Alb, &place);
        let mut names: Vec<&str> = Vec::new();
        let forwards = listener.rules.iter().filter_map(|rule| rule.forward.as_ref()).chain([&listener.default]);
        for name in forwards.flat_map(|forward| forward.keys()) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        let place_of = |name: &str| names.iter().position(|known| *known == name).unwrap_or(0);
        let mut lines = Vec::new();
        for (i, rule) in listener.rules.iter().enumerate() {
            let at = Place::of(blocks.document, of_listener.path.field("rules").index(i));
            lines.push(Line {
                conditions: at.copies(&["priority", "when"]),
                forward: rule.forward.iter().flatten().map(|(name, weight)| (place_of(name), *weight)).collect(),
                rest: at.copies(&["sticky", "respond"]),
            });
        }
        lines.push(Line {
            conditions: Vec::new(),
            forward: listener.default.iter().map(|(name, weight)| (place_of(name), *weight)).collect(),
            rest: of_listener.copy("respond").into_iter().collect(),
        });
        let at = self.parts.parts.len();
        let groups: Vec<Group> = names.iter().filter_map(|name| self.group_of_aws(name, Product::Alb, alb::CROSS_ZONE)).collect();
        let proxies = self.parts.parts.split_off(at);
        let base = blocks.name_of(thing);
        let comment = vec![format!(
            "Application Load Balancer {}, port {}: each of its nodes looks at requests by itself, and uses {}.",
            balancer.name,
            listener.port(),
            reach(&groups)
        )];
        self.application(Application {
            thing,
            addresses: addresses(&base, &blocks.zones_of(balancer), balancer.nodes_per_zone),
            base,
            from: path,
            comment,
            fields: of_listener.copy("tls").into_iter().chain([idle.clone()]).collect(),
            lines,
            groups,
            idle: text_of(&idle),
        });
        self.parts.parts.extend(proxies);
    }

    fn network_of_aws(&mut self, index: usize, listener: usize) {
        let blocks = self.blocks;
        let (thing, balancer) = (Thing::LoadBalancer(index, listener), &blocks.aws.load_balancers[index]);
        let path = block_item("aws", "load_balancers", index);
        let place = Place::of(blocks.document, path.clone());
        let listener = &balancer.listeners[listener];
        let cross_zone = balancer.cross_zone.unwrap_or(crate::control::defaults::nlb::CROSS_ZONE);
        let base = blocks.name_of(thing);
        let addresses = addresses(&base, &blocks.zones_of(balancer), balancer.nodes_per_zone);
        let at = self.parts.parts.len();
        let group = listener.default.keys().next().and_then(|name| self.group_of_aws(name, Product::Nlb, cross_zone));
        let Some(group) = group else { return };
        let proxies = self.parts.parts.split_off(at);
        let comment = format!(
            "Network Load Balancer {}, port {}, target group {}: each flow goes to one target.",
            balancer.name,
            listener.port(),
            group.name
        );
        self.network(&base, &path, addresses, &group, idle_timeout(Product::Nlb, &place), comment);
        self.parts.parts.extend(proxies);
    }

    /// A target group of `aws`. Node ports of its service are written if they are not yet.
    fn group_of_aws(&mut self, name: &str, product: Product, cross_zone: bool) -> Option<Group<'a>> {
        let blocks = self.blocks;
        let (index, group) = blocks.group(name)?;
        let targets = match group.service.as_ref().and_then(|service| blocks.service(service)) {
            Some(service) => self.targets_of_service(service, group.target_type),
            None => {
                Targets { are_registered: group.targets.iter().any(|target| blocks.is_deployment(target)), names: group.targets.clone() }
            }
        };
        let place = Place::of(blocks.document, block_item("aws", "target_groups", index));
        let cross_zone = group.cross_zone.unwrap_or(cross_zone);
        Some(Group { name: name.to_owned(), product, place, targets, cross_zone, gate: None })
    }

    /// What is registered of a service.
    pub(super) fn targets_of_service(&mut self, service: usize, kind: TargetType) -> Targets {
        match kind {
            TargetType::Instance => Targets::ports(&self.proxies(service)),
            TargetType::Ip => Targets { names: vec![self.blocks.services()[service].deployment().to_owned()], are_registered: true },
        }
    }

    /// The name of a load balancer with several nodes.
    pub(super) fn name_part(&mut self, base: &str, from: &Path, addresses: &[Address], comment: Vec<String>) -> Vec<String> {
        if addresses.len() == 1 {
            return comment;
        }
        let names: Vec<String> = addresses.iter().map(|address| address.name.clone()).collect();
        let check = format!(
            "{{ http: /, interval: {}, timeout: {}, healthy_after: {}, unhealthy_after: {}, when_none: all }}",
            route53::INTERVAL_FAST,
            route53::CONNECT_TIMEOUT,
            route53::FAILURE_THRESHOLD,
            route53::FAILURE_THRESHOLD
        );
        let mut part = Part::new("balancers", base, from);
        part.comment = comment;
        let part = part
            .comment("Its name is resolved to the addresses of its nodes; a client takes one at random.")
            .with(Field::names("targets", &names))
            .with(Field::new("dns", format!("{{ routing: multivalue, ttl: {} }}", alb::DNS_TTL)).note("names of ELB have a TTL of 60s"))
            .with(
                Field::new("health_check", check)
                    .note("a zone without healthy targets leaves DNS; AWS documents no delay, this is a fast check of Route 53"),
            );
        self.parts.balancer(part);
        Vec::new()
    }

    pub(super) fn application(&mut self, app: Application<'a>) {
        let mut comment = self.name_part(&app.base, &app.from, &app.addresses, app.comment.clone());
        // One group only, and no rules: the node is its view of the group.
        let is_plain =
            matches!(app.lines.as_slice(), [line] if line.forward.len() == 1 && line.rest.is_empty() && line.conditions.is_empty());
        for (i, address) in app.addresses.iter().enumerate() {
            let is_first = i == 0;
            let view = |group: &Group| if is_plain { address.name.clone() } else { format!("{}/{}", address.name, group.name) };
            let views: Vec<String> = app.groups.iter().map(view).collect();
            let zone = || address.zone.as_ref().map(|zone| Field::new("zone", scalar(zone)));
            for (group, name) in app.groups.iter().zip(&views) {
                if let Some(deployment) = &group.gate {
                    self.gates.entry(deployment.clone()).or_default().push(name.clone());
                }
            }
            let mut node = Part::new("balancers", &address.name, &app.from).maybe(zone()).all(app.fields.clone());
            let first = &app.addresses[0].name;
            node.comment = std::mem::take(&mut comment);
            if let ([group], true) = (app.groups.as_slice(), is_plain) {
                let fields = fields(group.product, &group.place, &group.targets, group.cross_zone, &app.idle);
                let shared = shared_cookies(&fields, &address.name, first);
                let node = node.comment(format!("All requests go to the target group {}.", group.name)).all(fields).maybe(shared);
                self.parts.balancer(node.told(is_first));
                continue;
            }
            let shared = shared_cookies_of_rules(&app.lines, &address.name, first);
            let node =
                node.maybe((!views.is_empty()).then(|| Field::names("targets", &views))).with(rules(&app.lines, &views)).maybe(shared);
            let node = node.told(is_first);
            let node = if is_first { node } else { node.comment(format!("The same at {}.", address.name)) };
            self.parts.balancer(node);
            for (group, name) in app.groups.iter().zip(&views) {
                let from = &group.place.path;
                let fields = fields(group.product, &group.place, &group.targets, group.cross_zone, &app.idle);
                let shared = shared_cookies(&fields, name, &format!("{first}/{}", group.name));
                let part = Part::new("balancers", name, from)
                    .comment(format!("Target group {}, as {} sees it.", group.name, address.name))
                    .maybe(zone())
                    .with(Field::new("inside", "true").note("a part of the node: no way between them"))
                    .all(fields)
                    .maybe(shared);
                self.parts.balancer(part.told(is_first));
            }
            let groups = app.groups.iter().map(|group| group.name.clone()).zip(views).collect();
            self.forwards.push(Forward { thing: app.thing, balancer: address.name.clone(), groups });
        }
    }

    /// A Network Load Balancer: each node chooses a target for each flow.
    pub(super) fn network(&mut self, base: &str, from: &Path, addresses: Vec<Address>, group: &Group, idle: Field, comment: String) {
        let mut comment = self.name_part(base, from, &addresses, vec![comment]);
        for (i, address) in addresses.iter().enumerate() {
            if let Some(deployment) = &group.gate {
                self.gates.entry(deployment.clone()).or_default().push(address.name.clone());
            }
            let mut part = Part::new("balancers", &address.name, from)
                .with(Field::new("layer", "l4"))
                .maybe(address.zone.as_ref().map(|zone| Field::new("zone", scalar(zone))))
                .all(fields(group.product, &group.place, &group.targets, group.cross_zone, ""))
                .with(idle.clone());
            part.comment = std::mem::take(&mut comment);
            self.parts.balancer(part.told(i == 0));
        }
    }

    /// A service that clients, records or balancers of the file lead to.
    pub(super) fn service(&mut self, index: usize) {
        let blocks = self.blocks;
        let service = &blocks.services()[index];
        let path = block_item("kubernetes", "services", index);
        let base = blocks.name_of(Thing::Service(index));
        let how = match service.kind {
            ServiceType::ClusterIp => "its cluster IP. Callers run on all nodes alike, each goes through the kube-proxy of its own node.",
            ServiceType::NodePort => "its node port. Each connection from outside goes to a random node.",
            ServiceType::LoadBalancer => return self.network_of_service(index),
        };
        let names: Vec<String> =
            super::cluster_nodes_at_start(&blocks.nodes()).map(|node| super::cluster::proxy_name(service, &node.name)).collect();
        let part = Part::new("balancers", &base, &path)
            .comment(format!("Service {}: {how}", service.name))
            .with(Field::new("layer", "l4"))
            .with(Field::names("targets", &names))
            .with(Field::new("algorithm", "random"));
        self.parts.balancer(part);
        self.proxies(index);
    }

    fn network_of_service(&mut self, index: usize) {
        let blocks = self.blocks;
        let service = &blocks.services()[index];
        let path = block_item("kubernetes", "services", index);
        let place = Place { node: blocks.document.at(&path.field("load_balancer")), path: path.field("load_balancer") };
        let settings = service.load_balancer.clone().unwrap_or_default();
        let (product, to) = match settings.target_type {
            TargetType::Ip => (Product::ControllerNlb, "the pods themselves"),
            TargetType::Instance if service.external_traffic == TrafficPolicy::Local => {
                (Product::ControllerNlbLocal, "the node ports of nodes that have a pod (externalTrafficPolicy: Local)")
            }
            TargetType::Instance => (Product::ControllerNlb, "the node ports of all nodes"),
        };
        let zones = if settings.zones.is_empty() { blocks.zones() } else { settings.zones.clone() };
        let base = blocks.name_of(Thing::Service(index));
        let at = self.parts.parts.len();
        let targets = self.targets_of_service(index, settings.target_type);
        let proxies = self.parts.parts.split_off(at);
        let gate = settings.readiness_gates.then(|| service.deployment().to_owned());
        let group = Group { name: service.name.clone(), product, targets, cross_zone: settings.cross_zone, gate, place: place.clone() };
        let comment =
            format!("Service {}: a Network Load Balancer of the AWS controller. Each flow goes to one target: {to}.", service.name);
        self.network(&base, &path, addresses(&base, &zones, 1), &group, idle_timeout(product, &place), comment);
        self.parts.parts.extend(proxies);
    }
}

pub(super) fn rules(lines: &[Line], views: &[String]) -> Field {
    let mut all = Field { key: "rules".to_owned(), value: Value::List(Vec::new()), note: String::new(), given: Vec::new() };
    let mut texts = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        let mut fields = line.conditions.clone();
        if !line.forward.is_empty() {
            let to: Vec<String> = line.forward.iter().map(|(group, weight)| format!("{}: {weight}", scalar(&views[*group]))).collect();
            fields.push(Field::new("forward", format!("{{ {} }}", to.join(", "))));
        }
        fields.extend(line.rest.clone());
        let whole = flow("", fields);
        all.given.extend(whole.given.iter().map(|(steps, path)| (format!("[{i}].{steps}"), path.clone())));
        texts.push(text_of(&whole));
    }
    all.value = Value::List(texts);
    all
}

/// To users all nodes are one: the first keeps the cookies of all.
fn cookies_of(first: &str) -> Field {
    Field::new("cookies_of", scalar(first))
}

/// Of what has these fields, where they set a cookie.
pub(super) fn shared_cookies(fields: &[Field], own: &str, first: &str) -> Option<Field> {
    let sets_cookie = fields.iter().any(|field| field.key == "sticky" && text_of(field).contains("cookie"));
    (sets_cookie && own != first).then(|| cookies_of(first))
}

/// Of rules, where users stay with what was drawn for them.
pub(super) fn shared_cookies_of_rules(lines: &[Line], own: &str, first: &str) -> Option<Field> {
    let sets_cookie = lines.iter().any(|line| line.rest.iter().any(|field| field.key == "sticky"));
    (sets_cookie && own != first).then(|| cookies_of(first))
}

pub(super) fn text_of(field: &Field) -> String {
    match &field.value {
        Value::Line(text) => text.clone(),
        _ => String::new(),
    }
}
