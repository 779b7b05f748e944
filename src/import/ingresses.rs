//! Ingresses: hosts and paths, and the services that they lead to. Source: Kubernetes API reference, Ingress; AWS Load Balancer Controller,
//! docs/guide/ingress/annotations.md; ingress-nginx, docs/user-guide/nginx-configuration/annotations.md.

use super::actions::{self, Action};
use super::annotations::{ALB, Annotations, NGINX};
use super::conditions::{self, Conditions};
use super::objects::{Kind, Object};
use super::services::Service;
use super::settings::{self, Settings};
use super::view::{Reader, View};
use crate::error::did_you_mean;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Alb,
    Nginx,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathType {
    Prefix,
    Exact,
    /// A pattern, of class alb.
    Pattern,
}

/// An Ingress, as far as a scenario has it.
pub struct Ingress<'a> {
    pub object: &'a Object<'a>,
    pub class: Class,
    pub rules: Vec<Rule>,
    /// Index of the service.
    pub default_backend: Option<usize>,
    pub settings: Settings,
    pub comments: Vec<String>,
    /// A canary of nginx: its share in percent.
    pub canary: Option<u32>,
}

pub struct Rule {
    pub host: Option<String>,
    pub paths: Vec<Path>,
}

pub struct Path {
    pub path: String,
    pub kind: PathType,
    /// What must hold besides.
    pub when: Conditions,
    pub action: Action,
    pub note: String,
    /// File and line.
    pub place: String,
}

/// Ingresses read so far have their places in the order in which rules are asked.
pub fn read<'a>(reader: &'a Reader, objects: &'a [Object<'a>], services: &[Service<'a>]) -> Vec<Ingress<'a>> {
    let classes = classes(reader, objects);
    let all = objects.iter().filter(|object| object.kind == Kind::Ingress);
    let mut ingresses: Vec<Ingress> = all.filter_map(|object| ingress(reader, object, &classes, services)).collect();
    // Source: AWS Load Balancer Controller, pkg/ingress/group_loader.go: by group.order, then by namespace and name.
    let order = |ingress: &Ingress| (ingress.settings.order, ingress.object.namespace.to_owned(), ingress.object.name.to_owned());
    ingresses.sort_by_key(|ingress| ingress.settings.group.as_ref().map(|_| order(ingress)));
    super::canary::merge(reader, &mut ingresses);
    super::canary::twice(reader, &mut ingresses);
    ingresses.retain(|ingress| !ingress.rules.is_empty() || ingress.default_backend.is_some());
    without_pods(reader, &mut ingresses);
    ingresses
}

/// A load balancer that answers everything by itself has nothing to balance.
fn without_pods(reader: &Reader, ingresses: &mut Vec<Ingress>) {
    let group = |ingress: &Ingress| ingress.settings.group.clone();
    let with_pods: Vec<Option<String>> = ingresses.iter().filter(|ingress| !ingress.services().is_empty()).map(group).collect();
    ingresses.retain(|ingress| {
        let leads = !ingress.services().is_empty() || (ingress.settings.group.is_some() && with_pods.contains(&group(ingress)));
        if !leads {
            ingress.object.view(reader).warning("leads to no pods: the load balancer answers all by itself", "it is left out");
        }
        leads
    });
}

struct Classes<'a> {
    known: Vec<(&'a str, Option<Class>)>,
    default: Option<Class>,
}

/// Classes that the manifests bring along.
fn classes<'a>(reader: &Reader, objects: &'a [Object<'a>]) -> Classes<'a> {
    let mut classes = Classes { known: Vec::new(), default: None };
    for object in objects.iter().filter(|object| object.kind == Kind::IngressClass) {
        let view = object.view(reader);
        let controller = view.at("spec.controller").and_then(|controller| controller.text()).unwrap_or_default();
        let class = match controller {
            "ingress.k8s.aws/alb" => Some(Class::Alb),
            "k8s.io/ingress-nginx" | "k8s.io/internal-ingress-nginx" => Some(Class::Nginx),
            _ => None,
        };
        let is_default = Annotations::of(&view).get("ingressclass.kubernetes.io/", "is-default-class").is_some_and(|view| view.is_true());
        if is_default && class.is_some() {
            classes.default = class;
        }
        classes.known.push((object.name, class));
    }
    classes
}

fn class_of(view: &View, spec: &View, annotations: &Annotations, classes: &Classes) -> Option<Class> {
    let given = spec.get("ingressClassName").or_else(|| annotations.get("kubernetes.io/", "ingress.class"));
    let Some(given) = given else {
        let by_annotations = [(ALB, Class::Alb), (NGINX, Class::Nginx)].into_iter().find(|(prefix, _)| annotations.has_any(prefix));
        let class = classes.default.or(by_annotations.map(|(_, class)| class));
        if class.is_none() {
            view.error_help("does not say who serves it", "write `ingressClassName: alb` or `ingressClassName: nginx` into its `spec`");
        }
        return class;
    };
    let name = given.text()?;
    let known = classes.known.iter().find(|(known, _)| *known == name).map(|(_, class)| *class);
    let class = known.unwrap_or(match name {
        "alb" => Some(Class::Alb),
        "nginx" => Some(Class::Nginx),
        _ => None,
    });
    if class.is_none() {
        let help = match known {
            Some(_) => "lbsim knows the AWS Load Balancer Controller and ingress-nginx; the Ingress is left out".to_owned(),
            None => "known are `alb` and `nginx`; give the file with its IngressClass, too. The Ingress is left out".to_owned(),
        };
        given.warning(format!("is `{name}`, which lbsim does not know"), help);
        spec.take_all();
    }
    class
}

struct Reading<'r, 'a> {
    services: &'r [Service<'a>],
    namespace: &'a str,
    annotations: Annotations<'a>,
    class: Class,
    /// nginx: paths are regular expressions.
    is_regex: bool,
}

fn ingress<'a>(reader: &'a Reader, object: &'a Object<'a>, classes: &Classes, services: &[Service<'a>]) -> Option<Ingress<'a>> {
    let view = object.view(reader);
    let Some(spec) = view.get("spec") else {
        view.error_help("has no `spec`", "an Ingress says in it which hosts and paths lead where");
        return None;
    };
    let annotations = Annotations::of(&view);
    let class = class_of(&view, &spec, &annotations, classes)?;
    let nginx_regex =
        || annotations.get(NGINX, "use-regex").is_some_and(|view| view.is_true()) | annotations.get(NGINX, "rewrite-target").is_some();
    let is_regex = class == Class::Nginx && nginx_regex();
    let reading = Reading { services, namespace: object.namespace, annotations: annotations.clone(), class, is_regex };
    let mut rules = Vec::new();
    for rule in spec.get("rules").map(|list| list.items()).unwrap_or_default() {
        rules.extend(reading.rule(&rule, object));
    }
    let mut default_backend = None;
    let backend = spec.get("defaultBackend").or_else(|| spec.get("backend"));
    match backend.map(|backend| (reading.backend(&backend), backend)) {
        Some((Some(Action::Service(service)), _)) => default_backend = Some(service),
        Some((Some(action), backend)) => rules.push(Rule {
            host: None,
            paths: vec![Path {
                path: "/".to_owned(),
                kind: PathType::Prefix,
                when: Conditions::default(),
                action,
                note: "defaultBackend".to_owned(),
                place: place(&backend),
            }],
        }),
        _ => {}
    }
    rules.retain(|rule: &Rule| !rule.paths.is_empty());
    if rules.is_empty() && default_backend.is_none() {
        view.warning("leads nowhere that can be simulated", "it is left out");
    }
    let has_tls = spec.get("tls").is_some_and(|tls| {
        tls.take_all();
        !tls.node.items().is_empty()
    });
    let used: Vec<usize> = used(&rules, default_backend);
    let settings = match class {
        Class::Alb => settings::alb(reader, &annotations, &used.iter().map(|i| &services[*i]).collect::<Vec<_>>(), has_tls),
        Class::Nginx => settings::nginx(&annotations, has_tls),
    };
    if class == Class::Alb && !settings.is_ip {
        node_ports(&view, &used, services);
    }
    let canary = if class == Class::Nginx { super::canary::share(&annotations) } else { Some(None) };
    let Some(canary) = canary else {
        return Some(Ingress { object, class, rules: Vec::new(), default_backend: None, settings, comments: Vec::new(), canary: None });
    };
    Some(Ingress { object, class, rules, default_backend, settings, comments: Vec::new(), canary })
}

/// The services behind rules, each once.
fn used(rules: &[Rule], default_backend: Option<usize>) -> Vec<usize> {
    let mut all: Vec<usize> =
        rules.iter().flat_map(|rule| &rule.paths).flat_map(|path| path.action.services()).chain(default_backend).collect();
    all.sort_unstable();
    all.dedup();
    all
}

impl Ingress<'_> {
    pub fn services(&self) -> Vec<usize> {
        used(&self.rules, self.default_backend)
    }
}

/// The controller refuses a service without node ports for target type instance.
fn node_ports(view: &View, used: &[usize], services: &[Service]) {
    for service in used.iter().map(|i| &services[*i]).filter(|service| service.reach == super::services::Reach::ClusterIp) {
        let at = view.at("metadata.annotations").unwrap_or_else(|| view.clone());
        let what = format!("leads to {}, which has no node port, and target-type is `instance`", service.object.label);
        at.error_help(what, "write `alb.ingress.kubernetes.io/target-type: ip` here, or `type: NodePort` in the Service");
    }
}

fn place(view: &View) -> String {
    let spot = view.spot();
    format!("{}:{}", spot.source.name, spot.line_and_column().0)
}

impl<'a> Reading<'_, 'a> {
    fn rule(&self, rule: &View<'a>, object: &Object) -> Option<Rule> {
        let host = rule.get("host").and_then(|host| {
            let text = host.text()?;
            let is_host = !text.is_empty() && !text.contains(['/', ' ', ':']);
            if !is_host {
                host.error_help(format!("is `{text}`, which is no host"), "write a name such as `shop.example`, without port and path");
            }
            is_host.then(|| text.to_owned())
        });
        let Some(paths) = rule.at("http.paths") else {
            rule.warning("has no paths", "all its requests go to the default backend");
            return None;
        };
        let paths = paths.items().into_iter().filter_map(|path| self.path(&path, object)).collect();
        Some(Rule { host, paths })
    }

    fn path(&self, view: &View<'a>, object: &Object) -> Option<Path> {
        let text = view.get("path").map_or(Some(""), |path| path.text())?;
        let types = [("Prefix", PathType::Prefix), ("Exact", PathType::Exact), ("ImplementationSpecific", PathType::Pattern)];
        let kind = match view.get("pathType") {
            Some(kind) => kind.one_of(&types)?,
            None => {
                if object.is_stable() {
                    view.warning(
                        "has no `pathType`; it is taken for `ImplementationSpecific`",
                        "networking.k8s.io/v1 demands it: write Prefix, Exact or ImplementationSpecific",
                    );
                }
                PathType::Pattern
            }
        };
        let at = view.get("path").unwrap_or_else(|| view.clone());
        if !text.is_empty() && !text.starts_with('/') {
            at.error_help(format!("is `{text}`; a path begins with `/`"), format!("write `/{text}`"));
            return None;
        }
        let Some(backend) = view.get("backend") else {
            view.error_help("has no `backend`", "write `backend: { service: { name: web, port: { number: 80 } } }`");
            return None;
        };
        let (action, when) = (self.backend(&backend), self.conditions(&backend));
        let (action, mut when) = (action?, when?);
        // Without a path there is no condition on it but those of `conditions.*` (buildRuleConditions of the AWS controller).
        let (text, kind) = match self.class {
            Class::Alb if text.is_empty() && when.path.is_empty() => ("/".to_owned(), PathType::Prefix),
            Class::Alb if text.is_empty() => (when.path.remove(0), PathType::Pattern),
            _ => (text.to_owned(), kind),
        };
        let (path, kind, note) = self.as_written(&at, &text, kind)?;
        if let Action::Redirect = action {
            return None;
        }
        let note = if note.is_empty() { object.label.clone() } else { format!("{}; {note}", object.label) };
        Some(Path { path, kind, when, action, note, place: place(view) })
    }

    /// The path as the scenario has it.
    fn as_written(&self, at: &View, text: &str, kind: PathType) -> Option<(String, PathType, String)> {
        let text = if text.is_empty() { "/" } else { text };
        let has_pattern = text.contains(['*', '?']);
        match (self.class, kind) {
            (Class::Alb, PathType::Prefix | PathType::Exact) if has_pattern => {
                at.error_help(
                    format!("is `{text}`, a pattern"),
                    "the AWS controller takes patterns with `pathType: ImplementationSpecific` only",
                );
                None
            }
            (Class::Alb, kind) => Some((text.to_owned(), kind, String::new())),
            (Class::Nginx, PathType::Exact) if !has_pattern => Some((text.to_owned(), kind, String::new())),
            (Class::Nginx, _) if self.is_regex || has_pattern || text.contains(['(', '[', '^', '$', '\\', '|']) => {
                // A regular expression: as far as it is plain, it is a prefix.
                let end = text.find(['(', '[', '^', '$', '\\', '|', '*', '?', '+', '.']).unwrap_or(text.len());
                let end = if text[end..].starts_with(['*', '?', '+']) && end > 1 { end - 1 } else { end };
                let plain = text.get(..end).unwrap_or("/");
                let plain = if plain.starts_with('/') { plain } else { "/" };
                if plain != text {
                    at.warning(
                        format!("is the regular expression `{text}`, taken for the prefix `{plain}`"),
                        "lbsim has no regular expressions",
                    );
                }
                Some((plain.to_owned(), PathType::Prefix, if plain == text { String::new() } else { format!("path {text}") }))
            }
            (Class::Nginx, _) => Some((text.to_owned(), PathType::Prefix, String::new())),
        }
    }

    /// Where a path leads. None where that cannot be simulated, which is told.
    fn backend(&self, view: &View<'a>) -> Option<Action> {
        if let Some(resource) = view.get("resource") {
            resource.take_all();
            resource.warning("is an object, not a Service", "the path is left out");
            return None;
        }
        // networking.k8s.io/v1, else v1beta1.
        let (name_of, port, port_name) = match view.get("service") {
            Some(service) => {
                let port = service.get("port");
                let by_name = port.as_ref().and_then(|port| port.get("name"));
                let by_number = port.as_ref().and_then(|port| port.get("number"));
                (service.get("name"), by_number.or_else(|| by_name.clone()), by_name)
            }
            None => (view.get("serviceName"), view.get("servicePort"), view.get("servicePort")),
        };
        let Some(name_of) = name_of else {
            view.error_help("names no Service", "write `service: { name: web, port: { number: 80 } }`");
            return None;
        };
        let name = name_of.text()?;
        if port_name.and_then(|port| port.text()) == Some("use-annotation") {
            return self.annotated(&name_of, name);
        }
        self.service(&name_of, name, port.as_ref()).map(Action::Service)
    }

    /// What must hold for a path that leads to a service, or an action, of this name. None where that cannot be simulated, which is told.
    fn conditions(&self, backend: &View<'a>) -> Option<Conditions> {
        let name = backend.at("service.name").or_else(|| backend.get("serviceName")).and_then(|name| name.text());
        let name = name.filter(|_| self.class == Class::Alb);
        match name.and_then(|name| self.annotations.get(ALB, &format!("conditions.{name}"))) {
            Some(annotation) => conditions::read(&annotation),
            None => Some(Conditions::default()),
        }
    }

    fn annotated(&self, at: &View<'a>, name: &str) -> Option<Action> {
        let key = format!("actions.{name}");
        let Some(annotation) = self.annotations.get(ALB, &key).filter(|_| self.class == Class::Alb) else {
            let known = self.annotations.names(&format!("{ALB}actions."));
            let help = match did_you_mean(name, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => format!("write `{ALB}{key}` with its JSON"),
                None => format!("known are {}", known.join(", ")),
            };
            at.error_help(format!("is the action `{name}`, and there is no annotation `{ALB}{key}`"), help);
            return None;
        };
        let lookup = |at: &View<'a>, service: &str, port: Option<&str>| self.service_named(at, service, port);
        actions::read(&annotation, &lookup)
    }

    fn service(&self, at: &View<'a>, name: &str, port: Option<&View<'a>>) -> Option<usize> {
        let Some(port) = port else {
            at.error_help(format!("leads to `{name}` without a port"), "write `port: { number: 80 }` or `port: { name: http }`");
            return None;
        };
        let number = port.text()?;
        self.find(at, name).filter(|index| self.has_port(port, &self.services[*index], number))
    }

    fn service_named(&self, at: &View<'a>, name: &str, port: Option<&str>) -> Option<usize> {
        let index = self.find(at, name)?;
        match port {
            Some(port) if !self.has_port(at, &self.services[index], port) => None,
            _ => Some(index),
        }
    }

    /// The service of this name, whose pods can be simulated.
    fn find(&self, at: &View<'a>, name: &str) -> Option<usize> {
        let here = |service: &&Service| service.object.namespace == self.namespace;
        let found = self.services.iter().position(|service| here(&service) && service.object.name == name);
        let Some(index) = found else {
            let names: Vec<&str> = self.services.iter().filter(here).map(|service| service.object.name).collect();
            let help = match did_you_mean(name, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if names.is_empty() => format!("there is none in the namespace {}; give the file that has it, too", self.namespace),
                None => format!("known in the namespace {}: {}; give the file that has it, too", self.namespace, names.join(", ")),
            };
            at.error_help(format!("leads to `{name}`, which is no Service in the manifests"), help);
            return None;
        };
        if let Err(why) = &self.services[index].pods {
            at.warning(
                format!("leads to {}, which is left out: {why}", self.services[index].object.label),
                "what leads there is left out, too",
            );
            return None;
        }
        Some(index)
    }

    fn has_port(&self, at: &View<'a>, service: &Service, port: &str) -> bool {
        let is_there = service.ports.iter().any(|(name, number)| name.is_some_and(|name| name == port) || number.to_string() == port);
        if !is_there {
            let known: Vec<String> =
                service.ports.iter().map(|(name, number)| name.map_or(number.to_string(), |name| format!("{number} ({name})"))).collect();
            let help = if known.is_empty() { "it has no ports".to_owned() } else { format!("it has {}", known.join(", ")) };
            at.error_help(format!("asks for the port `{port}`, which {} does not have", service.object.label), help);
        }
        is_there
    }
}
