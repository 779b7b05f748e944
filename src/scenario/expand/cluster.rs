//! Nodes, pods and kube-proxies: what `kubernetes` stands for up to the services.

use super::text::{Field, Part, Place, Value, flow};
use super::things::{Blocks, ClusterNode, block_item};
use super::walk::Walk;
use crate::control::defaults::{deployment, kube_proxy, pod, probe};
use crate::document::{Path, de, scalar};
use crate::scenario::{
    Amount, Deployment, IpvsScheduler, Operation, Prefer, ProxyMode, RollingUpdate, Service, ServiceType, TrafficPolicy,
};
use crate::units::Span;

/// `scale` operations on a group, as far as they can be read.
fn scaled_to(blocks: &Blocks, group: &str) -> u32 {
    let operations = blocks.document.get("operations").and_then(|node| de::read::<Vec<Operation>>(node).ok()).unwrap_or_default();
    let to = operations.iter().filter_map(|operation| match operation {
        Operation::Scale { group: scaled, replicas, .. } if scaled == group => Some(*replicas),
        _ => None,
    });
    to.max().unwrap_or(0)
}

/// How many pods a deployment may have at once, and why.
pub(super) struct Most {
    pub wanted: u32,
    pub surge: u32,
}

impl Most {
    pub fn of(blocks: &Blocks, deployment: &Deployment) -> Most {
        let autoscaled = deployment.autoscale.as_ref().map_or(0, |autoscale| autoscale.max);
        let wanted = deployment.replicas.max(autoscaled).max(scaled_to(blocks, &deployment.name));
        Most { wanted, surge: surge(&deployment.rolling_update, wanted) }
    }

    /// Wanted, surplus, and as many as are wanted that end meanwhile: those of the old version. One where none is wanted: a group has one.
    pub fn count(&self) -> u32 {
        self.wanted.saturating_mul(2).saturating_add(self.surge).max(1)
    }
}

/// A share is rounded up. Source: Kubernetes documentation, concepts/workloads/controllers/deployment (maxSurge).
fn surge(update: &RollingUpdate, wanted: u32) -> u32 {
    match update.surplus() {
        Amount::Count(count) => count,
        Amount::Share(share) => (f64::from(wanted) * share.0 - 1e-9).ceil().max(0.0) as u32,
    }
}

impl Walk<'_> {
    pub(super) fn nodes(&mut self) {
        let Some(kubernetes) = &self.blocks.kubernetes else { return };
        for (i, group) in kubernetes.nodes.iter().enumerate() {
            let path = block_item("kubernetes", "nodes", i);
            let place = Place::of(self.blocks.document, path.clone());
            let mut part = Part::new("nodes", &group.name, &path);
            part.fields = place.copies(&["name", "count", "zones", "cpu", "memory", "autoscale"]);
            self.parts.parts.push(part);
        }
        let network = Place::of(self.blocks.document, Path::root().field("kubernetes"));
        self.parts.network = network.copy("network");
    }

    pub(super) fn deployments(&mut self) {
        let Some(kubernetes) = &self.blocks.kubernetes else { return };
        for (i, deployment) in kubernetes.deployments.iter().enumerate() {
            let path = block_item("kubernetes", "deployments", i);
            let place = Place::of(self.blocks.document, path.clone());
            let most = Most::of(self.blocks, deployment);
            let why = format!(
                "at most so many pods at once: {} wanted, {} more in a rollout (max_surge), {} that end meanwhile",
                most.wanted, most.surge, most.wanted
            );
            let mut part = Part::new("servers", &deployment.name, &path)
                .comment(format!("Deployment {}: each server is a place for a pod.", deployment.name))
                .with(Field::new("count", most.count()).note(why))
                .all(place.copies(&["slots", "queue", "discipline", "speed", "latency", "abandoned", "keep_alive", "tls"]))
                .with(self.pods(deployment, &place));
            part.fields[0] = place.copied("name", "name").unwrap_or_else(|| part.fields[0].clone());
            self.parts.parts.push(part);
        }
    }

    fn pods(&self, deployment: &Deployment, place: &Place) -> Field {
        let mut fields = vec![place.copy_or("replicas", deployment::REPLICAS, "default of Kubernetes")];
        fields.extend(place.copies(&["cpu", "memory", "image_pull", "start"]));
        for name in ["startup_probe", "readiness_probe", "liveness_probe"] {
            fields.extend(place.copy(name).map(|field| {
                let missing = probe_defaults(&place.below(name));
                field.note(missing)
            }));
        }
        fields.extend(place.copy("pre_stop"));
        fields.push(place.copy_or("grace", pod::TERMINATION_GRACE, "default of Kubernetes: terminationGracePeriodSeconds"));
        fields.extend(place.copies(&["on_term", "address_lingers"]));
        let quarter =
            format!("{{ max_surge: {}%, max_unavailable: {}% }}", deployment::MAX_SURGE_PERCENT, deployment::MAX_UNAVAILABLE_PERCENT);
        fields.push(place.copy_or("rolling_update", quarter, "default of Kubernetes: maxSurge rounded up, maxUnavailable down"));
        let autoscale = "what is not given is as the HorizontalPodAutoscaler has it by default: sync 15s, tolerance 10%, down window 5m";
        fields.extend(place.copy("autoscale").map(|field| field.note(autoscale)));
        fields.extend(place.copy("disruption_budget"));
        if let Some(gates) = self.gates.get(&deployment.name) {
            fields.push(Field::names("readiness_gates", gates).note("a new pod is ready when it is healthy at these (pod readiness gate)"));
        }
        Field { key: "pods".to_owned(), value: Value::Map(fields), note: String::new(), given: Vec::new() }
    }

    /// The kube-proxies of a service: one for each node. Their names, with the zones.
    pub(super) fn proxies(&mut self, index: usize) -> Vec<(String, ClusterNode)> {
        let service = &self.blocks.services()[index];
        let nodes = self.blocks.nodes();
        let named: Vec<(String, ClusterNode)> = nodes.into_iter().map(|node| (proxy_name(service, &node.name), node)).collect();
        if !self.proxied.insert(index) {
            return named;
        }
        for (i, (name, node)) in named.iter().enumerate() {
            let part = self.proxy(index, name, node);
            self.parts.balancer(self.proxy_comment(part, service).told(i == 0));
        }
        named
    }

    fn proxy_comment(&self, part: Part, service: &Service) -> Part {
        let mode = self.blocks.kubernetes.as_ref().map(|kubernetes| kubernetes.proxy.mode).unwrap_or_default();
        let how = match mode {
            ProxyMode::Iptables => "iptables: a random endpoint for each connection, whatever its health",
            ProxyMode::Nftables => "nftables: a random endpoint for each connection, whatever its health",
            ProxyMode::Ipvs => "ipvs: a scheduler of the kernel chooses for each connection",
        };
        part.comment(format!("Service {}: the kube-proxy of every node. {how}.", service.name))
    }

    fn proxy(&self, index: usize, name: &str, node: &ClusterNode) -> Part {
        let service = &self.blocks.services()[index];
        let path = block_item("kubernetes", "services", index);
        let place = Place::of(self.blocks.document, path.clone());
        let proxy = Place::of(self.blocks.document, Path::root().field("kubernetes").field("proxy"));
        let (mode, scheduler) = self.blocks.kubernetes.as_ref().map(|all| (all.proxy.mode, all.proxy.scheduler)).unwrap_or_default();
        let algorithm = match (mode, scheduler.unwrap_or(IpvsScheduler::Rr)) {
            (ProxyMode::Iptables | ProxyMode::Nftables, _) => "random",
            (ProxyMode::Ipvs, IpvsScheduler::Rr) => "round_robin",
            (ProxyMode::Ipvs, IpvsScheduler::Lc) => "{ least_connections: { ties: first } }",
            (ProxyMode::Ipvs, IpvsScheduler::Sh) => "ip_hash",
        };
        let traffic = match service.kind {
            ServiceType::ClusterIp => place.copied("internal_traffic", "traffic"),
            ServiceType::NodePort | ServiceType::LoadBalancer => place.copied("external_traffic", "traffic"),
        };
        let local = match service.kind {
            ServiceType::ClusterIp => service.internal_traffic,
            ServiceType::NodePort | ServiceType::LoadBalancer => service.external_traffic,
        } == TrafficPolicy::Local;
        // Hints do not apply to local traffic.
        let prefer = (!local && service.prefer != Prefer::None).then(|| place.copy("prefer")).flatten();
        let mut endpoints = vec![delay(&proxy)];
        endpoints.extend(traffic);
        endpoints.extend(prefer);
        let members = flow("members", vec![flow("endpoints", endpoints)]);
        let sticky = place.get("session_affinity").map(|ttl| {
            let text = format!("{{ source_ip: {{ ttl: {} }} }}", ttl.to_yaml());
            let note = format!("sessionAffinity: ClientIP ({} in Kubernetes)", kube_proxy::SESSION_AFFINITY);
            Field::new("sticky", text).given("source_ip.ttl", place.path.field("session_affinity")).note(note)
        });
        Part::new("balancers", name, &path)
            .with(Field::new("layer", "l4"))
            .with(Field::new("node", scalar(&node.name)))
            .maybe(node.zone.as_ref().map(|zone| Field::new("zone", scalar(zone))))
            .with(Field::names("targets", &[service.deployment().to_owned()]))
            .with(Field::new("algorithm", algorithm))
            .with(members)
            .maybe(sticky)
    }
}

/// `web@worker-1`.
pub(super) fn proxy_name(service: &Service, node: &str) -> String {
    format!("{}@{node}", service.name)
}

/// The time until a change is known, of kube-proxies or a controller.
pub(super) fn delay(place: &Place) -> Field {
    let why = "delay by default: EndpointSlices travel, and kube-proxy waits up to 1s (minSyncPeriod)";
    place.copy_or("delay", uniform(kube_proxy::PROPAGATION), why)
}

/// A uniform distribution between the two.
pub(super) fn uniform((min, max): (Span, Span)) -> String {
    format!("{{ uniform: {{ min: {min}, max: {max} }} }}")
}

/// What of a probe is by default.
fn probe_defaults(place: &Place) -> String {
    let all = [
        ("initial_delay", probe::INITIAL_DELAY.to_string()),
        ("period", probe::PERIOD.to_string()),
        ("timeout", probe::TIMEOUT.to_string()),
        ("success_threshold", probe::SUCCESS_THRESHOLD.to_string()),
        ("failure_threshold", probe::FAILURE_THRESHOLD.to_string()),
    ];
    let missing: Vec<String> = all.iter().filter(|(field, _)| !place.has(field)).map(|(field, value)| format!("{field} {value}")).collect();
    if missing.is_empty() { String::new() } else { format!("defaults of Kubernetes: {}", missing.join(", ")) }
}
