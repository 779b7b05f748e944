//! What was not read: told, never dropped silently. What could bear on the way of a request is a warning at its spot; what says nothing
//! about it (images, volumes, rights) is listed. Source of the names: Kubernetes API reference; AWS Load Balancer Controller, docs/guide.

use super::annotations::{ALB, NGINX, NLB, TOPOLOGY};
use super::objects::{Kind, Object, meant};
use super::view::Reader;
use crate::document::{Node, Value};
use crate::error::{Diagnostic, Spot, did_you_mean};

/// Fields that say nothing about where a request goes and how long it takes, from the object down. `[]` stands for any item.
const QUIET: [&str; 49] = [
    "apiVersion",
    "kind",
    "status",
    "metadata",
    "spec.revisionHistoryLimit",
    "spec.progressDeadlineSeconds",
    "spec.template.metadata",
    "spec.template.spec.initContainers[]",
    "spec.template.spec.volumes",
    "spec.template.spec.serviceAccountName",
    "spec.template.spec.serviceAccount",
    "spec.template.spec.automountServiceAccountToken",
    "spec.template.spec.securityContext",
    "spec.template.spec.imagePullSecrets",
    "spec.template.spec.restartPolicy",
    "spec.template.spec.dnsPolicy",
    "spec.template.spec.dnsConfig",
    "spec.template.spec.schedulerName",
    "spec.template.spec.hostname",
    "spec.template.spec.hostAliases",
    "spec.template.spec.enableServiceLinks",
    "spec.template.spec.shareProcessNamespace",
    "spec.template.spec.containers[].name",
    "spec.template.spec.containers[].image",
    "spec.template.spec.containers[].imagePullPolicy",
    "spec.template.spec.containers[].command",
    "spec.template.spec.containers[].args",
    "spec.template.spec.containers[].env",
    "spec.template.spec.containers[].envFrom",
    "spec.template.spec.containers[].volumeMounts",
    "spec.template.spec.containers[].volumeDevices",
    "spec.template.spec.containers[].securityContext",
    "spec.template.spec.containers[].workingDir",
    "spec.template.spec.containers[].stdin",
    "spec.template.spec.containers[].tty",
    "spec.template.spec.containers[].terminationMessagePath",
    "spec.template.spec.containers[].terminationMessagePolicy",
    "spec.template.spec.containers[].resources",
    "spec.clusterIP",
    "spec.clusterIPs",
    "spec.ipFamilies",
    "spec.ipFamilyPolicy",
    "spec.allocateLoadBalancerNodePorts",
    "spec.loadBalancerIP",
    "spec.loadBalancerSourceRanges",
    "spec.externalIPs",
    "spec.healthCheckNodePort",
    "spec.finalizers",
    "spec.unhealthyPodEvictionPolicy",
];

/// Of these nobody needs to hear.
const UNMISSED: [&str; 5] = ["apiVersion", "kind", "status", "metadata", "spec.template.metadata"];

/// Fields that are known and not simulated, and why.
const EXPLAINED: [(&str, &str); 11] = [
    ("spec.template.spec.affinity", PLACED),
    ("spec.template.spec.nodeSelector", PLACED),
    ("spec.template.spec.nodeName", PLACED),
    ("spec.template.spec.tolerations", PLACED),
    ("spec.template.spec.topologySpreadConstraints", PLACED),
    ("spec.template.spec.priorityClassName", "pods of lbsim have no priorities"),
    ("spec.template.spec.hostNetwork", "pods of lbsim have addresses of their own"),
    ("spec.template.spec.readinessGates", "readiness gates of the AWS controller are read from the namespace's label"),
    ("spec.paused", "a rollout of lbsim is not paused"),
    ("spec.publishNotReadyAddresses", "endpoints of lbsim are ready"),
    ("spec.parameters", "what IngressClassParams say is not read; write it into the scenario"),
];
const PLACED: &str = "lbsim places pods itself: on the node with the fewest pods of the deployment that has room";

const QUIET_ALB: [&str; 14] = [
    "scheme",
    "subnets",
    "security-groups",
    "tags",
    "load-balancer-name",
    "ip-address-type",
    "ssl-policy",
    "inbound-cidrs",
    "customer-owned-ipv4-pool",
    "manage-backend-security-group-rules",
    "healthcheck-port",
    "target-node-labels",
    "certificate-arn",
    "ipam-ipv4-pool-id",
];
const QUIET_NLB: [&str; 17] = [
    "scheme",
    "internal",
    "name",
    "subnets",
    "additional-resource-tags",
    "ip-address-type",
    "eip-allocations",
    "private-ipv4-addresses",
    "ipv6-addresses",
    "security-groups",
    "manage-backend-security-group-rules",
    "access-log-enabled",
    "access-log-s3-bucket-name",
    "access-log-s3-bucket-prefix",
    "backend-protocol",
    "healthcheck-port",
    "target-node-labels",
];
const QUIET_NGINX: [&str; 12] = [
    "ssl-redirect",
    "force-ssl-redirect",
    "preserve-trailing-slash",
    "proxy-body-size",
    "proxy-buffer-size",
    "proxy-buffering",
    "enable-cors",
    "cors-allow-origin",
    "cors-allow-methods",
    "cors-allow-headers",
    "enable-access-log",
    "app-root",
];

/// What a ConfigMap of ingress-nginx may say about the way of requests. Source: ingress-nginx, docs/user-guide/nginx-configuration/configmap.md.
const NGINX_SETTINGS: [&str; 19] = [
    "keep-alive",
    "keep-alive-requests",
    "limit-rate",
    "load-balance",
    "max-worker-connections",
    "proxy-connect-timeout",
    "proxy-next-upstream",
    "proxy-next-upstream-timeout",
    "proxy-next-upstream-tries",
    "proxy-read-timeout",
    "proxy-send-timeout",
    "retry-non-idempotent",
    "upstream-hash-by",
    "upstream-keepalive-connections",
    "upstream-keepalive-requests",
    "upstream-keepalive-time",
    "upstream-keepalive-timeout",
    "use-http2",
    "worker-shutdown-timeout",
];

/// Names that are read, to tell slips from what is not known.
const READ: [(&str, &str); 30] = [
    (ALB, "target-type"),
    (ALB, "healthcheck-protocol"),
    (ALB, "healthcheck-path"),
    (ALB, "healthcheck-interval-seconds"),
    (ALB, "healthcheck-timeout-seconds"),
    (ALB, "healthy-threshold-count"),
    (ALB, "unhealthy-threshold-count"),
    (ALB, "success-codes"),
    (ALB, "target-group-attributes"),
    (ALB, "load-balancer-attributes"),
    (ALB, "listen-ports"),
    (ALB, "group.name"),
    (ALB, "group.order"),
    (NLB, "type"),
    (NLB, "nlb-target-type"),
    (NLB, "cross-zone-load-balancing-enabled"),
    (NLB, "attributes"),
    (NLB, "target-group-attributes"),
    (NLB, "healthcheck-protocol"),
    (NLB, "healthcheck-path"),
    (NLB, "healthcheck-interval"),
    (NLB, "healthcheck-timeout"),
    (NLB, "healthcheck-healthy-threshold"),
    (NLB, "healthcheck-unhealthy-threshold"),
    (NLB, "healthcheck-success-codes"),
    (NGINX, "affinity"),
    (NGINX, "canary-weight"),
    (NGINX, "proxy-next-upstream-tries"),
    (NGINX, "session-cookie-change-on-failure"),
    (TOPOLOGY, "topology-mode"),
];

/// What was not read of an object because it says nothing about the way of a request.
#[derive(Default)]
pub struct NotRead {
    pub label: String,
    pub place: String,
    pub quiet: Vec<String>,
}

/// Walks over all objects once everything has been read.
pub fn find(reader: &Reader, objects: &[Object]) -> Vec<NotRead> {
    let all = objects.iter().map(|object| {
        let mut out = NotRead { label: object.label.clone(), place: object.place(), ..NotRead::default() };
        match object.kind {
            Kind::Silent => tell_silent(reader, object, &mut out),
            // Made by another object; else it is told with the services.
            Kind::OtherWorkload => {
                if object.node.get("metadata").is_some_and(|metadata| metadata.get("ownerReferences").is_some()) {
                    out.quiet.push("all of it (another object has made it)".to_owned());
                }
            }
            Kind::Unknown => {
                let spot = object.node.get("kind").unwrap_or(object.node).spot.clone();
                let message = format!("{}: is of a kind that is not read", object.label);
                reader.push(Diagnostic::warning(message).at(spot).help(meant(object.kind_name)));
            }
            _ => walk(reader, object, &mut out),
        }
        out.quiet.extend(reader.quiet_parts(&object.label));
        out
    });
    all.filter(|out| !out.quiet.is_empty()).collect()
}

/// Of kinds that say nothing about the way of a request: but for the settings of ingress-nginx.
fn tell_silent(reader: &Reader, object: &Object, out: &mut NotRead) {
    let data = object.node.get("data").filter(|_| object.kind_name == "ConfigMap");
    let keys = data.map(Node::entries).unwrap_or_default().iter().map(|(key, _)| key);
    let keys: Vec<_> = keys.filter(|key| NGINX_SETTINGS.contains(&&*key.text)).collect();
    for key in &keys {
        let message = format!("{}: data.{} is not read", object.label, key.text);
        let help = "if it is a setting of ingress-nginx, requests go by it: the scenario has the controller's default";
        reader.push(Diagnostic::warning(message).at(key.spot.clone()).help(help));
    }
    out.quiet.push(if keys.is_empty() { "all of it" } else { "the rest" }.to_owned());
}

fn walk(reader: &Reader, object: &Object, out: &mut NotRead) {
    let mut todo: Vec<(&Node, String, String)> = vec![(object.node, String::new(), String::new())];
    while let Some((node, path, pattern)) = todo.pop() {
        let join = |above: &str, name: &str| if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") };
        for (key, inner) in node.entries().iter().rev() {
            let (path, pattern) = (join(&path, &key.text), join(&pattern, &key.text));
            match (reader.is_seen(inner), pattern.as_str()) {
                (true, _) | (false, "metadata") => todo.push((inner, path, pattern)),
                (false, "metadata.annotations") => todo.push((inner, path, pattern)),
                (false, _) if matches!(inner.value, Value::Null) => {}
                (false, _) => tell(reader, object, out, (&path, &pattern), key.spot.clone()),
            }
        }
        for (index, inner) in node.items().iter().enumerate().rev() {
            todo.push((inner, format!("{path}[{index}]"), format!("{pattern}[]")));
        }
    }
    out.quiet.sort();
}

fn tell(reader: &Reader, object: &Object, out: &mut NotRead, (path, pattern): (&str, &str), spot: Spot) {
    let annotation = pattern.strip_prefix("metadata.annotations.");
    let is_quiet = match annotation {
        Some(name) => is_quiet_annotation(name),
        None => QUIET.iter().any(|quiet| within(pattern, quiet)),
    };
    if is_quiet {
        if annotation.is_some() || !UNMISSED.iter().any(|known| within(pattern, known)) {
            out.quiet.push(path.to_owned());
        }
        return;
    }
    let known = EXPLAINED.iter().find(|(known, _)| within(pattern, known)).map(|(_, why)| (*why).to_owned());
    let of_record = annotation.filter(|name| is_of_record(name)).map(|_| OF_RECORD.to_owned());
    let slip = annotation.and_then(slip_of);
    let help = known.or(of_record).or(slip).unwrap_or_else(|| "the scenario has no field for it; what it does is left out".to_owned());
    let message = format!("{}: {path} is not read", object.label);
    reader.push(Diagnostic::warning(message).at(spot).help(help));
}

/// Whether a path is one of the table, or below one.
fn within(pattern: &str, known: &str) -> bool {
    pattern.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn is_quiet_annotation(name: &str) -> bool {
    let behind = |prefix: &str, quiet: &[&str]| name.strip_prefix(prefix).map(|name| quiet.contains(&name));
    behind(ALB, &QUIET_ALB).or_else(|| behind(NLB, &QUIET_NLB)).or_else(|| behind(NGINX, &QUIET_NGINX)).unwrap_or_else(|| {
        !name.starts_with("service.beta.kubernetes.io/") && !name.starts_with("service.kubernetes.io/") && !is_of_record(name)
    })
}

/// Whether it says which of several answers of a name users get, or for how long they keep it. Source: external-dns,
/// docs/annotations/annotations.md.
fn is_of_record(name: &str) -> bool {
    name.strip_prefix(EXTERNAL_DNS).is_some_and(|name| name == "ttl" || name == "set-identifier" || name.starts_with("aws-"))
}
const EXTERNAL_DNS: &str = "external-dns.alpha.kubernetes.io/";
const OF_RECORD: &str = "records are not made of manifests: `aws.records` of a scenario has ttl, weights, failover and latency";

fn slip_of(name: &str) -> Option<String> {
    let prefix = [ALB, NLB, NGINX, TOPOLOGY].into_iter().find(|prefix| name.starts_with(prefix))?;
    let known = READ.iter().filter(|(of, _)| *of == prefix).map(|(_, known)| *known);
    did_you_mean(&name[prefix.len()..], known).map(|near| format!("did you mean `{prefix}{near}`?"))
}
