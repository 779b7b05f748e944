//! Services: what they select, and the Network Load Balancers in front of them.

use super::annotations::{Annotations, NLB, TOPOLOGY, check, of_balancer, of_group, of_listeners};
use super::deployments::Deployment;
use super::objects::{Kind, OTHER_WORKLOADS, Object, pod_labels};
use super::selector::{Selector, shown};
use super::sheet::Field;
use super::view::{Reader, View};
use crate::control::defaults::kube_proxy;
use crate::error::did_you_mean;

/// From where a service is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    ClusterIp,
    NodePort,
    LoadBalancer,
}

/// A Service, as far as a scenario has it.
pub struct Service<'a> {
    pub object: &'a Object<'a>,
    pub reach: Reach,
    /// Names and numbers of its ports.
    pub ports: Vec<(Option<&'a str>, u32)>,
    /// Index of the deployment whose pods it selects; else why there is none.
    pub pods: Result<usize, String>,
    pub fields: Vec<Field>,
    pub comments: Vec<String>,
}

pub fn read<'a>(reader: &'a Reader, objects: &'a [Object<'a>], deployments: &[Deployment]) -> Vec<Service<'a>> {
    let services = objects.iter().filter(|object| object.kind == Kind::Service);
    services.filter_map(|object| service(reader, object, objects, deployments)).collect()
}

fn service<'a>(reader: &'a Reader, object: &'a Object<'a>, objects: &[Object], deployments: &[Deployment]) -> Option<Service<'a>> {
    let view = object.view(reader);
    let Some(spec) = view.get("spec") else {
        view.error_help("has no `spec`", "a Service says in it which pods it selects, and its ports");
        return None;
    };
    let types = [
        ("ClusterIP", Some(Reach::ClusterIp)),
        ("NodePort", Some(Reach::NodePort)),
        ("LoadBalancer", Some(Reach::LoadBalancer)),
        ("ExternalName", None),
    ];
    let kind = spec.get("type");
    let reach = match &kind {
        Some(kind) => kind.one_of(&types)?,
        None => Some(Reach::ClusterIp),
    };
    let mut service = Service {
        object,
        reach: reach.unwrap_or(Reach::ClusterIp),
        ports: Vec::new(),
        pods: Ok(0),
        fields: Vec::new(),
        comments: Vec::new(),
    };
    if reach.is_none() {
        spec.take_all();
        service.pods = Err("it is a name outside of the cluster (ExternalName)".to_owned());
        kind.iter().for_each(|kind| kind.warning("is ExternalName, a name outside of the cluster", "the Service is left out"));
        return Some(service);
    }
    service.ports = ports(&spec);
    if service.ports.is_empty() && spec.get("ports").is_some_and(|list| !list.items().is_empty()) {
        spec.take_all();
        service.pods = Err("it has no TCP port".to_owned());
        return Some(service);
    }
    service.pods = pods(&spec, object, objects, deployments, &mut service.comments);
    if service.ports.len() > 1 {
        let all: Vec<String> = service.ports.iter().map(|(_, number)| number.to_string()).collect();
        service.comments.push(format!("Its ports {} lead to the same pods: here they are one.", all.join(", ")));
    }
    if let Ok(deployment) = service.pods {
        target_ports(&spec, &deployments[deployment]);
    }
    if spec.get("clusterIP").and_then(|ip| ip.text()) == Some("None") {
        service.comments.push("It is headless: its callers resolve the pods themselves; here kube-proxy spreads them.".to_owned());
    }
    service.fields = traffic(&spec, service.reach);
    topology_mode(&Annotations::of(&view), &mut service.fields);
    if service.reach == Reach::LoadBalancer {
        let (fields, comment) = load_balancer(&view, &spec);
        service.comments.extend(comment);
        service.fields.push(match fields.is_empty() {
            true => Field::new("load_balancer", "{}"),
            false => Field::map("load_balancer", fields),
        });
    }
    Some(service)
}

fn ports<'a>(spec: &View<'a>) -> Vec<(Option<&'a str>, u32)> {
    let list = spec.get("ports").map(|list| list.items()).unwrap_or_default();
    let of_port = |port: View<'a>| {
        ["nodePort", "appProtocol"].iter().for_each(|field| drop(port.get(field)));
        if let Some(protocol) =
            port.get("protocol").filter(|protocol| protocol.text().is_some_and(|text| !text.eq_ignore_ascii_case("TCP")))
        {
            protocol.one_of(&[("TCP", ()), ("UDP", ()), ("SCTP", ())])?;
            protocol.warning("is not TCP: lbsim simulates requests over TCP alone", "the port is left out");
            port.take_all();
            return None;
        }
        let Some(number) = port.get("port") else {
            port.error_help("has no `port`", "such as `{ port: 80, targetPort: 8080 }`");
            return None;
        };
        Some((port.get("name").and_then(|name| name.text()), number.whole(1, 65_535)?))
    };
    list.into_iter().filter_map(of_port).collect()
}

/// Names of ports that the pods do not have.
fn target_ports(spec: &View, deployment: &Deployment) {
    for port in spec.get("ports").map(|list| list.items()).unwrap_or_default() {
        let Some(target) = port.get("targetPort") else { continue };
        let Some(name) = target.text() else { continue };
        if name.parse::<u32>().is_ok() || deployment.ports.iter().any(|known| known == name) {
            continue;
        }
        let help = match did_you_mean(name, deployment.ports.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if deployment.ports.is_empty() => "its containers name no ports; write the number".to_owned(),
            None => format!("its containers have {}", deployment.ports.join(", ")),
        };
        target.warning(format!("is `{name}`, which no container of {} has", deployment.object.label), help);
    }
}

fn pods(spec: &View, object: &Object, objects: &[Object], deployments: &[Deployment], comments: &mut Vec<String>) -> Result<usize, String> {
    let Some(selector) = spec.get("selector") else {
        spec.warning("has no `selector`: its endpoints are written by hand", "the Service is left out");
        return Err("it has no selector".to_owned());
    };
    let selects = Selector::of_map(&selector);
    let here = |other: &Object| other.namespace == object.namespace;
    let found: Vec<usize> =
        (0..deployments.len()).filter(|i| here(deployments[*i].object) && selects.matches(&deployments[*i].labels)).collect();
    if let [first, others @ ..] = found.as_slice() {
        if !others.is_empty() && !selects.is_empty() {
            let names: Vec<&str> = found.iter().map(|i| deployments[*i].object.name).collect();
            let what = format!("selects the pods of {}; those of {} are taken", names.join(" and "), names[0]);
            selector.warning(what, "a service of lbsim has one deployment; an ingress can share out by weight between two services");
            comments.push(format!("Its selector takes the pods of {}; those of {} are taken.", names.join(" and "), names[0]));
        }
        return Ok(*first);
    }
    let others = objects.iter().filter(|other| other.kind == Kind::OtherWorkload && here(other));
    if let Some(other) = others.into_iter().find(|other| selects.matches(&pod_labels(other))) {
        selector.warning(format!("selects the pods of {}, which is not simulated", other.label), "the Service is left out");
        return Err(format!("its pods are those of {}", other.label));
    }
    let labels: Vec<String> = deployments
        .iter()
        .filter(|deployment| here(deployment.object))
        .map(|deployment| format!("of {} have {}", deployment.object.name, shown(&deployment.labels)))
        .collect();
    let help = match labels.as_slice() {
        [] => format!("there is no Deployment in the namespace {}; give the file that has it, too", object.namespace),
        _ => format!("the pods {}", labels.iter().take(5).cloned().collect::<Vec<_>>().join("; those ")),
    };
    selector.warning(format!("selects no pods of a Deployment in the namespace {}", object.namespace), help);
    Err("its selector matches no pods".to_owned())
}

/// Other controllers of pods are named once each.
pub fn other_workloads(reader: &Reader, objects: &[Object]) {
    for object in objects.iter().filter(|object| object.kind == Kind::OtherWorkload) {
        // Made by a Deployment or a ReplicaSet that is there, or was: what `kubectl get` lists beside it.
        let is_owned = object.node.get("metadata").is_some_and(|metadata| metadata.get("ownerReferences").is_some());
        if let Some((_, why)) = OTHER_WORKLOADS.iter().find(|(kind, _)| *kind == object.kind_name && !is_owned) {
            let view = object.view(reader);
            let at = view.get("kind").unwrap_or(view);
            at.warning(
                format!("is a {}, which is not simulated: {why}", object.kind_name),
                "it is left out, with the services that select its pods",
            );
        }
    }
}

fn traffic(spec: &View, reach: Reach) -> Vec<Field> {
    let mut fields = Vec::new();
    let policies = [("Cluster", "cluster"), ("Local", "local")];
    if let Some(policy) = spec.get("externalTrafficPolicy").and_then(|policy| policy.one_of(&policies))
        && reach != Reach::ClusterIp
    {
        fields.push(Field::new("external_traffic", policy).note("externalTrafficPolicy"));
    }
    if let Some(view) = spec.get("internalTrafficPolicy") {
        match view.one_of(&policies) {
            Some("local") if reach == Reach::ClusterIp => {
                fields.push(Field::new("internal_traffic", "local").note("internalTrafficPolicy"))
            }
            Some("local") => view.warning("is for callers within the cluster; clients of this Service come from outside", "it is left out"),
            _ => {}
        }
    }
    let is_sticky = spec.get("sessionAffinity").and_then(|view| view.one_of(&[("None", false), ("ClientIP", true)])).unwrap_or(false);
    let timeout = spec.at("sessionAffinityConfig.clientIP.timeoutSeconds").and_then(|view| view.seconds(1));
    if is_sticky {
        let note = if timeout.is_some() { "sessionAffinity: ClientIP, timeoutSeconds" } else { "sessionAffinity: ClientIP; by default 3h" };
        let seconds = timeout.map_or(kube_proxy::SESSION_AFFINITY.to_string(), |seconds| format!("{seconds}s"));
        fields.push(Field::new("session_affinity", seconds).note(note));
    }
    let prefers = [("PreferClose", "same_zone"), ("PreferSameZone", "same_zone"), ("PreferSameNode", "same_node")];
    if let Some(prefer) = spec.get("trafficDistribution").and_then(|view| view.one_of(&prefers)) {
        fields.push(Field::new("prefer", prefer).note("trafficDistribution"));
    }
    fields
}

/// The annotation for hints by the zones' processors, under its old name, too; it counts more than `trafficDistribution`.
/// Source: Kubernetes, endpointslice/utils.go (hintsEnabled) and reconciler.go.
fn topology_mode(annotations: &Annotations, fields: &mut Vec<Field>) {
    let (old, new) = (annotations.get(TOPOLOGY, "topology-aware-hints"), annotations.get(TOPOLOGY, "topology-mode"));
    let Some(view) = old.or(new) else { return };
    match view.text().unwrap_or_default() {
        "Auto" | "auto" => {
            fields.retain(|field| field.key != "prefer");
            fields.push(Field::new("prefer", "topology_auto").note("topology-mode: Auto"));
        }
        "" | "Disabled" | "disabled" => {}
        other => view.warning(format!("is `{other}`, which turns nothing on"), "Kubernetes knows `Auto`"),
    }
}

/// The Network Load Balancer that the AWS controller makes, and what is to be known of it.
fn load_balancer<'a>(view: &View<'a>, spec: &View<'a>) -> (Vec<Field>, Option<String>) {
    let annotations = Annotations::of(view);
    let get = |name: &str| annotations.get(NLB, name);
    let mut fields = Vec::new();
    let kind = get("type").and_then(|kind| kind.text()).unwrap_or_default();
    let class = spec.get("loadBalancerClass").and_then(|class| class.text()).unwrap_or_default();
    let comment = match (kind, class) {
        ("external" | "nlb-ip", _) | (_, "service.k8s.aws/nlb") => None,
        ("nlb", _) => {
            Some("aws-load-balancer-type nlb is made by the cloud provider of old; taken as one of the AWS controller.".to_owned())
        }
        _ => Some(format!(
            "{}: which load balancer is made is not said; taken as a Network Load Balancer of the AWS controller.",
            super::sheet::ASSUMED
        )),
    };
    let target = get("nlb-target-type").and_then(|view| view.one_of(&[("instance", "instance"), ("ip", "ip"), ("nlb-ip", "ip")]));
    match target.or((kind == "nlb-ip").then_some("ip")) {
        Some(target) => fields.push(Field::new("target_type", target).note("aws-load-balancer-nlb-target-type")),
        None => fields.push(Field::new("target_type", "instance").note("default of the AWS controller")),
    }
    let balancer = get("attributes").map(|view| of_balancer(&view)).unwrap_or_default();
    let group = get("target-group-attributes").map(|view| of_group(&view, false)).unwrap_or_default();
    let old = get("cross-zone-load-balancing-enabled").map(|view| view.is_true());
    if let Some(cross_zone) = group.cross_zone.or(balancer.cross_zone).or(old) {
        fields.push(Field::new("cross_zone", cross_zone).note("load_balancing.cross_zone.enabled"));
    }
    fields.extend(check(
        &get,
        [
            "healthcheck-protocol",
            "healthcheck-path",
            "healthcheck-interval",
            "healthcheck-timeout",
            "healthcheck-healthy-threshold",
            "healthcheck-unhealthy-threshold",
            "healthcheck-success-codes",
        ],
        false,
    ));
    fields.extend(group.fields);
    if let Some(seconds) = of_listeners(&annotations).or(balancer.idle_timeout) {
        fields.push(Field::new("idle_timeout", format!("{seconds}s")).note("tcp.idle_timeout.seconds"));
    }
    (fields, comment)
}
