//! Deployments: how many pods, what they ask for, how they begin and end.

use super::objects::{Kind, Object, pod_labels};
use super::probes;
use super::quantity::{Amount, bytes, millis, quantity};
use super::selector::{Labels, Selector, shown};
use super::sheet::Field;
use super::view::{Reader, View};
use crate::control::defaults;
use crate::error::Diagnostic;
use crate::units::Size;

/// A Deployment, as far as a scenario has it.
pub struct Deployment<'a> {
    pub object: &'a Object<'a>,
    pub labels: Labels,
    /// Wanted pods, unless an autoscaler says otherwise.
    pub replicas: Option<u32>,
    /// Asked for by a pod: thousandths of a processor, bytes.
    pub cpu: u64,
    pub memory: u64,
    /// Whether the manifest says what the pod asks for.
    pub has_cpu_request: bool,
    pub max_surge: Amount,
    pub ports: Vec<String>,
    /// Those of the scenario, beyond name and replicas.
    pub fields: Vec<Field>,
    /// What HorizontalPodAutoscalers and PodDisruptionBudgets have added.
    pub added: Vec<Field>,
    /// Most pods, as an autoscaler allows.
    pub pods_max: u32,
    pub comments: Vec<String>,
    /// What is not as in the manifest, where it is simulated at all.
    pub told: Vec<Diagnostic>,
}

/// What a pod asks for where the manifest does not say; as the scenario has it by default.
const CPU: u64 = 100;
const MEMORY: u64 = 128 << 20;

pub fn read<'a>(reader: &Reader, objects: &'a [Object<'a>]) -> Vec<Deployment<'a>> {
    objects.iter().filter(|object| object.kind == Kind::Deployment).filter_map(|object| deployment(reader, object)).collect()
}

fn deployment<'a>(reader: &Reader, object: &'a Object<'a>) -> Option<Deployment<'a>> {
    let view = object.view(reader);
    let Some(spec) = view.get("spec") else {
        view.error_help("has no `spec`", "a Deployment says in it what runs");
        return None;
    };
    let labels = pod_labels(object);
    selects_its_own(&spec, &labels);
    let replicas = spec.get("replicas").and_then(|replicas| replicas.whole(0, 100_000));
    let Some(pod) = spec.at("template.spec") else {
        spec.error_help("has no pod: `template.spec` is missing", "a Deployment says in it which containers run");
        return None;
    };
    let containers = pod.get("containers").map(|list| list.items()).unwrap_or_default();
    if containers.is_empty() {
        pod.error_help("has no containers", "write one at least: `containers: [{ name: web, image: ... }]`");
        return None;
    }
    let inits = pod.get("initContainers").map(|list| list.items()).unwrap_or_default();
    let mut fields = Vec::new();
    let mut comments = Vec::new();
    let cpu = requested(&containers, &inits, "cpu").map(millis);
    let memory = requested(&containers, &inits, "memory").map(bytes);
    fields.push(match cpu {
        Some(cpu) => Field::new("cpu", format!("{cpu}m")).note("resources.requests.cpu of its containers"),
        None => Field::new("cpu", format!("{CPU}m")).assumed("the manifest asks for no cpu"),
    });
    fields.push(match memory {
        Some(memory) => Field::new("memory", Size(memory)).note("resources.requests.memory of its containers"),
        None => Field::new("memory", Size(MEMORY)).assumed("the manifest asks for no memory"),
    });
    let main = main_container(&containers);
    let name = main.get("name").and_then(|name| name.text()).unwrap_or("the first");
    if containers.len() > 1 {
        comments.push(format!("Probes and hooks are those of its container {name}."));
    }
    for (from, to) in [("startupProbe", "startup_probe"), ("readinessProbe", "readiness_probe"), ("livenessProbe", "liveness_probe")] {
        fields.extend(main.get(from).and_then(|view| probes::probe(&view, to)));
    }
    if main.node.get("readinessProbe").is_none() {
        comments.push("It has no readiness probe: a pod counts as ready as soon as its container runs.".to_owned());
    }
    let mut told = Vec::new();
    fields.extend(probes::pre_stop(&main, &mut told));
    if let Some(grace) = pod.get("terminationGracePeriodSeconds").and_then(|grace| grace.seconds(0)) {
        fields.push(Field::new("grace", format!("{grace}s")).note("terminationGracePeriodSeconds"));
    }
    let (rolling, max_surge) = rolling_update(&spec, replicas.unwrap_or(defaults::deployment::REPLICAS));
    fields.extend(rolling);
    Some(Deployment {
        object,
        labels,
        replicas,
        cpu: cpu.unwrap_or(CPU),
        memory: memory.unwrap_or(MEMORY),
        has_cpu_request: cpu.is_some(),
        max_surge,
        ports: containers.iter().flat_map(port_names).collect(),
        fields,
        added: Vec::new(),
        pods_max: replicas.unwrap_or(defaults::deployment::REPLICAS),
        comments,
        told,
    })
}

/// The API refuses a Deployment that does not select its own pods.
fn selects_its_own(spec: &View, labels: &Labels) {
    let Some(selector) = spec.get("selector") else { return };
    let selects = Selector::of_label_selector(&selector);
    if !selects.matches(labels) {
        selector.error_help(
            format!("does not select its own pods, which have {}", shown(labels)),
            "`selector.matchLabels` and `template.metadata.labels` must agree",
        );
    }
}

/// The container that serves: the first with a readiness probe, else with ports, else the first.
fn main_container<'a>(containers: &[View<'a>]) -> View<'a> {
    let with = |field: &str| containers.iter().find(|container| container.node.get(field).is_some());
    with("readinessProbe").or_else(|| with("ports")).unwrap_or(&containers[0]).clone()
}

fn port_names(container: &View) -> Vec<String> {
    let Some(ports) = container.get("ports") else { return Vec::new() };
    let of_port = |port: View| {
        ["containerPort", "protocol"].iter().for_each(|field| drop(port.get(field)));
        Some(port.get("name")?.text()?.to_owned())
    };
    ports.items().into_iter().filter_map(of_port).collect()
}

/// What a pod asks for: the sum over its containers (those that start before and stay included), or the most that an initial one asks
/// for. A limit counts where no request is given. Source: Kubernetes documentation, concepts/workloads/pods/init-containers.
fn requested(containers: &[View], inits: &[View], resource: &str) -> Option<f64> {
    let of = |container: &View| {
        let requests = container.at(&format!("resources.requests.{resource}"));
        let limits = container.at(&format!("resources.limits.{resource}"));
        requests.or(limits)?.parsed(quantity)
    };
    let stays = |init: &&View| init.get("restartPolicy").and_then(|policy| policy.text()) == Some("Always");
    let all: Vec<f64> = containers.iter().chain(inits.iter().filter(stays)).filter_map(of).collect();
    let first =
        inits.iter().filter(|init| !stays(init)).filter_map(of).fold(None, |most: Option<f64>, next| Some(most.unwrap_or(0.0).max(next)));
    match (all.is_empty(), first) {
        (true, first) => first,
        (false, first) => Some(all.iter().sum::<f64>().max(first.unwrap_or(0.0))),
    }
}

fn rolling_update(spec: &View, replicas: u32) -> (Option<Field>, Amount) {
    let quarter = Amount::Percent(f64::from(defaults::deployment::MAX_SURGE_PERCENT));
    let min_ready = spec.get("minReadySeconds").and_then(|seconds| seconds.seconds(0)).filter(|seconds| *seconds > 0);
    let strategy = spec.get("strategy");
    let kind = strategy.as_ref().and_then(|strategy| strategy.get("type"));
    let is_recreate = kind.as_ref().and_then(|kind| kind.one_of(&[("RollingUpdate", false), ("Recreate", true)])).unwrap_or(false);
    let mut fields = Vec::new();
    let mut surge = quarter;
    let mut note = "strategy.rollingUpdate";
    if is_recreate {
        surge = Amount::Count(0);
        note = "strategy.type Recreate";
        fields.push(Field::new("recreate", true));
    } else if let Some(rolling) = strategy.as_ref().and_then(|strategy| strategy.get("rollingUpdate")) {
        let given = rolling.get("maxSurge").and_then(|value| value.parsed(Amount::read_any)).map(|surge| match surge {
            // A share in a scenario goes up to 100%.
            Amount::Percent(percent) if percent > 100.0 => Amount::Count(surge.of(replicas)),
            surge => surge,
        });
        let unavailable = rolling.get("maxUnavailable").and_then(|value| value.parsed(Amount::read));
        if given.is_some_and(Amount::is_zero) && unavailable.is_some_and(Amount::is_zero) {
            rolling.error_help("has 0 for both `maxSurge` and `maxUnavailable`: no pod could be replaced", "raise one of the two");
        }
        fields.extend(given.map(|amount| Field::new("max_surge", amount.text())));
        fields.extend(unavailable.map(|amount| Field::new("max_unavailable", amount.text())));
        surge = given.unwrap_or(quarter);
    }
    if let Some(seconds) = min_ready {
        note = if fields.is_empty() { "minReadySeconds" } else { note };
        fields.push(Field::new("min_ready", format!("{seconds}s")));
    }
    ((!fields.is_empty()).then(|| Field::flow("rolling_update", &fields).note(note)), surge)
}
