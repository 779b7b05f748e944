//! What an Ingress says by annotations of its load balancer and of its targets.

use super::actions::json;
use super::annotations::{ALB, Annotations, NGINX, check, of_balancer, of_group};
use super::services::Service;
use super::sheet::Field;
use super::view::{Reader, View};
use serde_json::Value;

/// Fields of the ingress in the scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub fields: Vec<Field>,
    pub is_ip: bool,
    pub has_tls: bool,
    pub tls_note: &'static str,
    pub idle_timeout: Option<u32>,
    pub group: Option<String>,
    pub order: u32,
    /// alb: its load balancer gives clients HTTP/2.
    pub has_http2: bool,
    /// nginx: tries after the first.
    pub retries: Option<u32>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            fields: Vec::new(),
            is_ip: false,
            has_tls: false,
            tls_note: "",
            idle_timeout: None,
            group: None,
            order: 0,
            has_http2: true,
            retries: None,
        }
    }
}

/// Names of the check's annotations.
const CHECK: [&str; 7] = [
    "healthcheck-protocol",
    "healthcheck-path",
    "healthcheck-interval-seconds",
    "healthcheck-timeout-seconds",
    "healthy-threshold-count",
    "unhealthy-threshold-count",
    "success-codes",
];

/// Class alb. Annotations of a service count more than those of the ingress. Source: docs/guide/ingress/annotations.md.
pub fn alb<'a>(reader: &'a Reader, annotations: &Annotations<'a>, services: &[&'a Service<'a>], has_tls: bool) -> Settings {
    let mut settings = Settings::default();
    let own = |name: &str| annotations.get(ALB, name);
    let of_services: Vec<Annotations<'a>> = services.iter().map(|service| Annotations::of(&service.object.view(reader))).collect();
    // Those of the service where the ingress has but one, or all agree.
    let of_target = |name: &str| {
        let given: Vec<View<'a>> = of_services.iter().filter_map(|annotations| annotations.get(ALB, name)).collect();
        let Some(first) = given.first().cloned() else { return own(name) };
        let text = |view: &View| view.node.text().map(str::to_owned);
        if given.len() < of_services.len() || given.iter().any(|other| text(other) != text(&first)) {
            first.warning(
                "differs from service to service; this one is taken for all of the Ingress",
                "an ingress of lbsim has one setting for all its services",
            );
        }
        own(name);
        Some(first)
    };
    match of_target("target-type") {
        Some(view) => {
            // What is wrong is said; that node ports are missing would only follow from it.
            let is_ip = view.one_of(&[("instance", false), ("ip", true)]).unwrap_or(true);
            settings.is_ip = is_ip;
            let word = if is_ip { "ip" } else { "instance" };
            settings.fields.push(Field::new("target_type", word).note("target-type"));
        }
        None => settings.fields.push(Field::new("target_type", "instance").note("default of the AWS controller")),
    }
    settings.fields.extend(check(&of_target, CHECK, true));
    if let Some(view) = of_target("target-group-attributes") {
        settings.fields.extend(of_group(&view, true).fields);
    }
    let of_balancer = own("load-balancer-attributes").map(|view| of_balancer(&view)).unwrap_or_default();
    settings.idle_timeout = of_balancer.idle_timeout;
    settings.has_http2 = of_balancer.http2.unwrap_or(true);
    settings.group = own("group.name").and_then(|name| name.text()).map(str::to_owned);
    settings.order = own("group.order").and_then(|order| order.whole(0, 1000)).unwrap_or(0);
    let has_certificate = own("certificate-arn").is_some();
    let listeners = own("listen-ports").and_then(|view| listeners(&view));
    let redirects = own("ssl-redirect").is_some();
    settings.has_tls = match listeners {
        Some((_, has_https)) => has_https,
        None => has_certificate || has_tls,
    };
    settings.tls_note = match listeners {
        Some((true, true)) if redirects => "listen-ports, ssl-redirect: clients come by HTTPS at once",
        Some((true, true)) => "listen-ports: HTTP and HTTPS; clients come by HTTPS",
        Some(_) => "listen-ports",
        None if has_certificate => "certificate-arn",
        None => "spec.tls",
    };
    settings
}

/// Whether there are listeners for HTTP and for HTTPS.
fn listeners(view: &View) -> Option<(bool, bool)> {
    let value = json(view, "[{\"HTTP\": 80}, {\"HTTPS\": 443}]")?;
    let names: Vec<String> = match &value {
        Value::Array(items) => items.iter().filter_map(Value::as_object).flat_map(|item| item.keys().cloned()).collect(),
        _ => Vec::new(),
    };
    if names.is_empty() || names.iter().any(|name| !["HTTP", "HTTPS"].contains(&name.as_str())) {
        view.error_help("is no list of ports", "write `[{\"HTTP\": 80}, {\"HTTPS\": 443}]`");
        return None;
    }
    Some((names.iter().any(|name| name == "HTTP"), names.iter().any(|name| name == "HTTPS")))
}

/// Class nginx. Source: ingress-nginx, docs/user-guide/nginx-configuration/annotations.md.
pub fn nginx(annotations: &Annotations, has_tls: bool) -> Settings {
    let own = |name: &str| annotations.get(NGINX, name);
    let mut settings = Settings { has_tls, tls_note: "spec.tls", ..Settings::default() };
    if let Some(affinity) = own("affinity") {
        let is_cookie = affinity.one_of(&[("cookie", true)]).unwrap_or(false);
        let age = own("session-cookie-max-age").or_else(|| own("session-cookie-expires")).and_then(|age| age.seconds(1));
        ["session-cookie-name", "session-cookie-path"].iter().for_each(|name| drop(own(name)));
        if is_cookie {
            let note = if age.is_some() {
                "affinity: cookie, session-cookie-max-age"
            } else {
                "affinity: cookie, which lasts as long as the browser; 1d is assumed"
            };
            settings.fields.push(Field::new("sticky", format!("{{ lb_cookie: {}s }}", age.unwrap_or(86_400))).note(note));
            let change = own("session-cookie-change-on-failure").filter(|change| change.is_true());
            settings.fields.extend(change.map(|_| Field::new("change_on_failure", true).note("session-cookie-change-on-failure")));
        }
    }
    if let Some(tries) = own("proxy-next-upstream-tries") {
        match tries.whole(0, 1000) {
            Some(0) => tries.warning("is 0, which is no limit", "the default of 3 tries is taken"),
            Some(tries) => settings.retries = Some(tries - 1),
            None => {}
        }
    }
    settings
}
