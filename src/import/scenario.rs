//! The text of the scenario.

use super::actions::Action;
use super::cluster::{Cluster, Entry};
use super::controller;
use super::ingresses::{Class, Path, PathType, Rule};
use super::leftover::NotRead;
use super::requests::{SLOTS, WORK_MS, classes, rate};
use super::services::Reach;
use super::sheet::{ASSUMED, Field, Item, Value, comment, in_braces, section};
use super::view::Told;
use crate::control::defaults::{deployment, ingress_nginx};
use crate::document::scalar;
use crate::error::Source;
use std::sync::Arc;

/// What tells classes apart at the entry where there are several load balancers.
const MARK: &str = "entry";

/// Of users, and why: HTTP/2, as browsers have it, unless no load balancer gives it to them.
fn connections(cluster: &Cluster) -> (&'static str, String) {
    match cluster.has_http2() {
        true => ("streams: 100, idle_timeout: 60s", format!("{ASSUMED}: HTTP/2, as browsers have it; `streams: 1` is HTTP/1.1")),
        false => ("streams: 1, idle_timeout: 60s", "HTTP/1.1: load-balancer-attributes: routing.http2.enabled".to_owned()),
    }
}

pub fn text(cluster: &Cluster, told: &[Told], not_read: &[NotRead], sources: &[Arc<Source>]) -> String {
    let mut out = String::new();
    head(&mut out, cluster, sources);
    clients(&mut out, cluster);
    section(&mut out, &kubernetes(cluster));
    out.push('\n');
    entry(&mut out, cluster);
    ideas(&mut out, cluster);
    not_as_written(&mut out, told);
    without_bearing(&mut out, not_read);
    out.trim_end().to_owned() + "\n"
}

fn head(out: &mut String, cluster: &Cluster, sources: &[Arc<Source>]) {
    let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    comment(
        out,
        0,
        &format!("From {} by `lbsim import k8s`. Behind a value stands the field of the manifest that it was read from.", names.join(", ")),
    );
    comment(
        out,
        0,
        &format!(
            "What is marked {ASSUMED} no manifest says: put in what you know or measure. `lbsim expand` prints what all this stands for."
        ),
    );
    let first = cluster.ingresses.first().map(|ingress| ingress.object.name);
    let name = first.unwrap_or_else(|| cluster.deployments[0].object.name);
    section(out, &Field::text("name", name));
    section(out, &Field::new("duration", "5m").assumed("how long to look"));
    out.push('\n');
}

fn clients(out: &mut String, cluster: &Cluster) {
    let classes = classes(cluster);
    let entries = cluster.entries();
    let work = format!("{{ exponential: {{ mean: {WORK_MS}ms }} }}");
    let items = classes.iter().map(|class| {
        let mut fields = vec![Field::text("name", &class.name)];
        fields.extend(class.host.as_ref().map(|host| Field::text("host", host)));
        fields.push(Field::text("path", &class.path));
        let mark = (entries.len() > 1).then(|| (MARK.to_owned(), cluster.name_of(&entries[class.entry])));
        let pairs = |pairs: &mut dyn Iterator<Item = &(String, String)>| {
            pairs.map(|(name, value)| format!("{}: {}", scalar(name), scalar(value))).collect::<Vec<_>>().join(", ")
        };
        let all = [("headers", pairs(&mut mark.iter().chain(&class.headers))), ("query", pairs(&mut class.query.iter()))];
        fields.extend(class.method.as_ref().map(|method| Field::text("method", method)));
        let given = all.into_iter().filter(|(_, pairs)| !pairs.is_empty());
        fields.extend(given.map(|(key, pairs)| Field::new(key, format!("{{ {pairs} }}"))));
        fields.push(Field::new("work", &work));
        Item { fields, is_flow: true, note: class.note.clone(), ..Item::default() }
    });
    let mut requests = vec![Item {
        comments: vec![format!(
            "{ASSUMED}: work is the time that a request takes at a pod with nothing else to do. All classes are asked for alike: give them a `weight`."
        )],
        ..Item::default()
    }];
    requests.extend(items);
    let rate = Field::new("arrivals", format!("{{ poisson: {{ rate: {}/s }} }}", rate(cluster, &classes)));
    let (kept, why) = connections(cluster);
    let client = Item {
        fields: vec![
            Field::new("name", "users"),
            rate.assumed("40% of the slots of the busiest deployment"),
            Field::new("population", 1000).assumed("how many users there are; stickiness keeps each of them somewhere"),
            Field::new("latency", "{ constant: 10ms }").assumed("one way, from a user to the load balancer"),
            Field::new("timeout", "30s").assumed("how long a user waits"),
            Field::new("connections", format!("{{ {kept} }}")).note(why),
            Field::list("requests", requests),
        ],
        ..Item::default()
    };
    section(out, &Field::list("clients", vec![client]));
    out.push('\n');
}

// ---- The cluster ----------------------------------------------------------------------------------------------------------

fn kubernetes(cluster: &Cluster) -> Field {
    let nodes = cluster.nodes();
    let is_free = |name: &&str| !cluster.deployment_names.iter().any(|known| known == name);
    let name = ["node", "worker", "k8s-node"].iter().find(|name| is_free(name)).copied().unwrap_or("cluster-node");
    let group = format!("{{ name: {name}, count: {}, zones: [a, b, c], cpu: {}, memory: {}GiB }}", nodes.count, nodes.cpu, nodes.memory);
    let network = "{ same_node: { constant: 50us }, same_zone: { constant: 250us }, cross_zone: { constant: 500us } }";
    let mut fields = vec![
        Field::new("nodes", format!("[{group}]")).assumed("room for all pods, in three zones"),
        Field::new("network", network).assumed("one way"),
        Field::list("deployments", cluster.simulated().map(|index| deployment_item(cluster, index)).collect()),
    ];
    let services = services(cluster);
    fields.extend((!services.is_empty()).then(|| Field::list("services", services)));
    let ingresses: Vec<Item> = (0..cluster.ingresses.len()).map(|index| ingress(cluster, index)).collect();
    fields.extend((!ingresses.is_empty()).then(|| Field::list("ingresses", ingresses)));
    fields.extend(nginx(cluster));
    Field::map("kubernetes", fields)
}

fn deployment_item(cluster: &Cluster, index: usize) -> Item {
    let deployment = &cluster.deployments[index];
    let mut comments =
        vec![format!("{} ({}), namespace {}.", deployment.object.label, deployment.object.place(), deployment.object.namespace)];
    comments.extend(deployment.comments.iter().cloned());
    let replicas = deployment.replicas.unwrap_or(deployment::REPLICAS);
    let note = match (deployment.added.iter().any(|field| field.key == "autoscale"), deployment.replicas) {
        (true, _) => "at the start; the autoscaler changes it",
        (false, Some(_)) => "spec.replicas",
        (false, None) => "default of Kubernetes",
    };
    let mut fields = vec![
        Field::text("name", &cluster.deployment_names[index]),
        Field::new("replicas", replicas).note(note),
        Field::new("slots", SLOTS).assumed("requests that a pod works on at once"),
    ];
    fields.extend(deployment.fields.iter().cloned());
    fields.push(Field::new("image_pull", "{ constant: 5s }").assumed("on a node that does not have the image"));
    fields.push(Field::new("start", "{ constant: 2s }").assumed("from the start of the container to listening"));
    fields.push(Field::new("on_term", "drain").assumed("at SIGTERM it finishes what it has; `exit` ends at once"));
    fields.extend(deployment.added.iter().cloned());
    Item { comments, fields, ..Item::default() }
}

fn services(cluster: &Cluster) -> Vec<Item> {
    let reached = cluster.reached();
    let mut items = Vec::new();
    for (index, service) in cluster.services.iter().enumerate() {
        let Some(deployment) = cluster.pods_of(index) else {
            if let Err(why) = &service.pods {
                items.push(Item {
                    comments: vec![format!("{} ({}) is left out: {why}.", service.object.label, service.object.place())],
                    ..Item::default()
                });
            }
            continue;
        };
        let mut comments = vec![format!("{} ({}).", service.object.label, service.object.place())];
        comments.extend(service.comments.iter().cloned());
        let mut fields = vec![Field::text("name", &cluster.service_names[index])];
        if cluster.deployment_names[deployment] != cluster.service_names[index] {
            fields.push(Field::text("deployment", &cluster.deployment_names[deployment]).note("selector"));
        }
        match service.reach {
            Reach::ClusterIp => {}
            Reach::NodePort => fields.push(Field::new("type", "node_port").note("type: NodePort")),
            Reach::LoadBalancer => fields.push(Field::new("type", "load_balancer").note("type: LoadBalancer")),
        }
        let gated = cluster.gated.iter().any(|namespace| namespace == service.object.namespace);
        fields.extend(service.fields.iter().cloned().map(|field| if gated { with_gate(field) } else { field }));
        if reached.contains(&index) {
            items.push(Item { comments, fields, ..Item::default() });
        } else {
            comments.push("No client from outside reaches it. For callers within the cluster, add it, and make it the `entry`:".to_owned());
            comments.push(format!("- {}", in_braces(&fields)));
            items.push(Item { comments, ..Item::default() });
        }
    }
    items
}

/// The readiness gate of a Network Load Balancer that registers pods.
fn with_gate(field: Field) -> Field {
    let is_ip = |inner: &Field| inner.key == "target_type" && inner.value == Value::Line("ip".to_owned());
    match field.value {
        Value::Map(mut inner) if field.key == "load_balancer" && inner.iter().any(is_ip) => {
            inner.push(gate());
            Field { value: Value::Map(inner), ..field }
        }
        value => Field { value, ..field },
    }
}

fn gate() -> Field {
    Field::new("readiness_gates", true).note("label of the namespace: elbv2.k8s.aws/pod-readiness-gate-inject")
}

// ---- Ingresses ------------------------------------------------------------------------------------------------------------

fn ingress(cluster: &Cluster, index: usize) -> Item {
    let ingress = &cluster.ingresses[index];
    let settings = &ingress.settings;
    let mut comments = vec![format!("{} ({}), namespace {}.", ingress.object.label, ingress.object.place(), ingress.object.namespace)];
    comments.extend(ingress.comments.iter().cloned());
    let mut fields = vec![
        Field::text("name", &cluster.ingress_names[index]),
        Field::new("class", if ingress.class == Class::Alb { "alb" } else { "nginx" }).note("ingress class"),
    ];
    fields.extend(
        settings.group.as_ref().filter(|_| ingress.class == Class::Alb).map(|group| Field::text("group", group).note("group.name")),
    );
    fields.extend(settings.fields.iter().cloned());
    // A load balancer has one TLS setting and one idle timeout: its first ingress says it for all.
    let members: Vec<usize> = match ingress.class {
        Class::Alb if cluster.is_leader(index) => (0..cluster.ingresses.len()).filter(|i| cluster.leader(*i) == index).collect(),
        Class::Alb => Vec::new(),
        Class::Nginx => vec![index],
    };
    if ingress.class == Class::Alb && settings.is_ip && cluster.gated.iter().any(|namespace| namespace == ingress.object.namespace) {
        fields.push(gate());
    }
    if let Some(seconds) = members.iter().find_map(|i| cluster.ingresses[*i].settings.idle_timeout) {
        fields.push(Field::new("idle_timeout", format!("{seconds}s")).note("load-balancer-attributes: idle_timeout.timeout_seconds"));
    }
    if let Some(secured) = members.iter().map(|i| &cluster.ingresses[*i].settings).find(|settings| settings.has_tls) {
        let note = format!("{}; {ASSUMED}: TLS 1.3, 2ms of computing for a handshake", secured.tls_note);
        fields.push(Field::new("tls", "{}").note(note));
    }
    if let Some(service) = ingress.default_backend {
        fields.push(Field::text("default_backend", &cluster.service_names[service]).note("defaultBackend"));
    }
    if !ingress.rules.is_empty() {
        fields.push(Field::list("rules", ingress.rules.iter().map(|rule| rule_item(cluster, rule)).collect()));
    }
    Item { comments, fields, ..Item::default() }
}

fn rule_item(cluster: &Cluster, rule: &Rule) -> Item {
    let mut fields: Vec<Field> = rule.host.iter().map(|host| Field::text("host", host)).collect();
    fields.push(Field::list("paths", rule.paths.iter().map(|path| path_item(cluster, path)).collect()));
    Item { fields, ..Item::default() }
}

fn path_item(cluster: &Cluster, path: &Path) -> Item {
    let mut fields = vec![Field::text("path", &path.path)];
    match path.kind {
        PathType::Prefix => {}
        PathType::Exact => fields.push(Field::new("type", "exact")),
        PathType::Pattern => fields.push(Field::new("type", "implementation_specific")),
    }
    if !path.when.is_empty() {
        fields.push(path.when.field());
    }
    let name = |service: &usize| scalar(&cluster.service_names[*service]);
    match &path.action {
        Action::Service(service) => fields.push(Field::new("service", name(service))),
        Action::Forward(groups, sticky) => {
            let all: Vec<String> = groups.iter().map(|(service, weight)| format!("{}: {weight}", name(service))).collect();
            fields.push(Field::new("forward", format!("{{ {} }}", all.join(", "))));
            fields.extend(sticky.map(|seconds| Field::new("sticky", format!("{seconds}s"))));
        }
        Action::Respond(status) => fields.push(Field::new("respond", status)),
        Action::Redirect => {}
    }
    Item { fields, is_flow: true, ..Item::default() }
}

/// The controller of ingress-nginx: as its own manifest says, else assumed.
fn nginx(cluster: &Cluster) -> Option<Field> {
    let of_class: Vec<_> = cluster.ingresses.iter().filter(|ingress| ingress.class == Class::Nginx).collect();
    if of_class.is_empty() {
        return None;
    }
    let mut fields = Vec::new();
    match cluster.controller {
        Some(index) => {
            let replicas = cluster.deployments[index].replicas.unwrap_or(1).clamp(1, 100);
            fields.push(Field::new("replicas", replicas).note(format!("{}: spec.replicas", cluster.deployments[index].object.label)));
        }
        None => fields.push(Field::new("replicas", 2).assumed("pods of the controller, which is not in the manifests")),
    }
    if let Some(service) = cluster.controller_service() {
        for field in service.fields.iter().filter(|field| ["load_balancer", "external_traffic"].contains(&field.key)) {
            let mut field = field.clone();
            if let Value::Map(inner) = &mut field.value {
                inner.retain(|inner| !controller::is_fixed(inner));
            }
            fields.push(field);
        }
    }
    if let Some(retries) = of_class.iter().find_map(|ingress| ingress.settings.retries) {
        let note = format!("proxy-next-upstream-tries less one; by default {} tries", ingress_nginx::NEXT_UPSTREAM_TRIES);
        fields.push(Field::new("retries", retries).note(note));
    }
    Some(Field::map("ingress_nginx", fields))
}

// ---- The rest -------------------------------------------------------------------------------------------------------------

/// Where clients enter; with several load balancers something that stands for their names.
fn entry(out: &mut String, cluster: &Cluster) {
    let entries = cluster.entries();
    let names: Vec<String> = entries.iter().map(|entry| cluster.name_of(entry)).collect();
    if let [only] = names.as_slice() {
        let note =
            if matches!(entries[0], Entry::Service(_)) { "where clients enter" } else { "where clients enter: the only load balancer" };
        section(out, &Field::text("entry", only).note(note));
        return;
    }
    let about = format!(
        "Clients enter at one place. It stands for the names of the load balancers, and leads each class where its header `{MARK}` says; \
         there is no such header in truth. It takes no time, and connections end at it: a handshake of TLS behind it costs what it takes \
         to compute, and no round trip. For one load balancer alone: `entry: {}`, without it.",
        names[0]
    );
    comment(out, 0, &about);
    let rules = names.iter().map(|name| {
        let fields = vec![
            Field::new("when", format!("{{ header: {{ {MARK}: [{}] }} }}", scalar(name))),
            Field::new("forward", format!("{{ {}: 1 }}", scalar(name))),
        ];
        Item { fields, is_flow: true, ..Item::default() }
    });
    let fields = vec![
        Field::new("name", "internet"),
        Field::new("connections", format!("{{ per: user, {} }}", connections(cluster).0)).note("as the users have them"),
        Field::list("rules", rules.collect()),
    ];
    let balancer = Item { fields, ..Item::default() };
    section(out, &Field::list("balancers", vec![balancer]));
}

/// What to ask it next.
fn ideas(out: &mut String, cluster: &Cluster) {
    let Some(index) = cluster.simulated().next() else { return };
    let name = scalar(&cluster.deployment_names[index]);
    out.push('\n');
    comment(out, 0, "To see what a new version, or the loss of a node, does:");
    comment(out, 0, &format!("operations: [{{ rollout: {{ group: {name}, at: 1m }} }}]"));
}

/// All that was told.
fn not_as_written(out: &mut String, told: &[Told]) {
    if told.is_empty() {
        return;
    }
    out.push('\n');
    comment(out, 0, "Not as in the manifests:");
    for warning in told {
        comment(out, 0, &format!("! {} ({}): {}", warning.message, warning.place(), warning.help));
    }
}

fn without_bearing(out: &mut String, not_read: &[NotRead]) {
    if not_read.is_empty() {
        return;
    }
    out.push('\n');
    comment(out, 0, "Not read, as it says nothing about the way of a request:");
    for object in not_read {
        comment(out, 0, &format!("- {} ({}): {}", object.label, object.place, object.quiet.join(", ")));
    }
}
