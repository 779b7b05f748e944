//! Annotations: which there are, and lists of attributes within them. Source: AWS Load Balancer Controller, docs/guide/ingress/annotations.md
//! and docs/guide/service/annotations.md; ELBv2 API, TargetGroupAttribute and LoadBalancerAttribute.

use super::sheet::{Field, Value};
use super::view::View;

pub const ALB: &str = "alb.ingress.kubernetes.io/";
pub const NLB: &str = "service.beta.kubernetes.io/aws-load-balancer-";
pub const TOPOLOGY: &str = "service.kubernetes.io/";
pub const NGINX: &str = "nginx.ingress.kubernetes.io/";

/// The annotations of an object.
#[derive(Clone)]
pub struct Annotations<'a>(Option<View<'a>>);

impl<'a> Annotations<'a> {
    pub fn of(object: &View<'a>) -> Annotations<'a> {
        Annotations(object.at("metadata.annotations"))
    }

    pub fn get(&self, prefix: &str, name: &str) -> Option<View<'a>> {
        self.0.as_ref()?.get(&format!("{prefix}{name}"))
    }

    /// Whether there is one with this prefix. It is not taken for read.
    pub fn has_any(&self, prefix: &str) -> bool {
        self.0.as_ref().is_some_and(|all| all.node.entries().iter().any(|(key, _)| key.text.starts_with(prefix)))
    }

    /// Names behind a prefix.
    pub fn names(&self, prefix: &str) -> Vec<String> {
        let entries = self.0.iter().flat_map(|all| all.node.entries());
        entries.filter_map(|(key, _)| key.text.strip_prefix(prefix).map(str::to_owned)).collect()
    }
}

/// `a=1,b=2`.
pub fn attributes(view: &View) -> Vec<(String, String)> {
    let Some(text) = view.text() else { return Vec::new() };
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .filter_map(|part| match part.split_once('=') {
            Some((name, value)) => Some((name.trim().to_owned(), value.trim().to_owned())),
            None => {
                view.error_help(format!("`{part}` is no attribute"), "write `name=value`, with a comma between two");
                None
            }
        })
        .collect()
}

/// Attributes that say nothing about where requests go, or how long they take.
const QUIET: [&str; 8] = [
    "access_logs.",
    "connection_logs.",
    "deletion_protection.",
    "health_check_logs.",
    "routing.http.x_amzn_tls_version_and_cipher_suite.",
    "routing.http.xff_",
    "routing.http.drop_invalid_header_fields.",
    "routing.http.preserve_host_header.",
];

fn unread(view: &View, name: &str, value: &str) {
    if QUIET.iter().any(|quiet| name.starts_with(quiet)) {
        view.is_quiet(&format!("{name}={value}"));
    } else {
        view.warning(format!("has the attribute `{name}={value}`, which is not read"), "the scenario has no field for it");
    }
}

fn seconds(view: &View, name: &str, value: &str) -> Option<u32> {
    let number = value.parse::<u32>().ok().filter(|seconds| *seconds <= super::quantity::SECONDS_MAX);
    if number.is_none() {
        view.error(format!("`{name}` is `{value}`; it is a number of seconds"));
    }
    number
}

fn is_true(view: &View, name: &str, value: &str) -> bool {
    if !["true", "false"].contains(&value) {
        view.error(format!("`{name}` is `{value}`; it is `true` or `false`"));
    }
    value == "true"
}

/// `off`, or a number from 1 to the most.
fn number_or_off(view: &View, name: &str, value: &str, most: u32) -> Option<Option<u32>> {
    if value == "off" {
        return Some(None);
    }
    let number = value.parse::<u32>().ok().filter(|number| (1..=most).contains(number));
    if number.is_none() {
        let range = if most == 100 { "from 1 to 100" } else { "from 1 up" };
        view.error(format!("`{name}` is `{value}`; it is `off` or a number {range}"));
    }
    number.map(Some)
}

/// `target_group_health.<action>.minimum_healthy_targets.count` and `.percentage`: not given, `off`, or a number.
#[derive(Clone, Copy, Default)]
struct Minimum {
    count: Option<Option<u32>>,
    percent: Option<Option<u32>>,
}

impl Minimum {
    fn take(&mut self, view: &View, name: &str, value: &str) {
        if name.ends_with(".percentage") {
            self.percent = number_or_off(view, name, value, 100);
        } else if name.contains(".unhealthy_state_routing.") && value == "off" {
            view.error_help(format!("`{name}` is `off`"), "AWS takes a number from 1 up");
        } else {
            self.count = number_or_off(view, name, value, u32::MAX);
        }
    }

    /// As the scenario has it: a count of 1 is what AWS asks for where only the percentage is given.
    fn field(self, key: &'static str) -> Option<Field> {
        let percent = self.percent.flatten();
        Some(match (self.count, percent) {
            (None, None) => return None,
            (None, Some(percent)) => Field::new(key, format!("{percent}%")),
            (Some(count), None) => Field::new(key, count.unwrap_or(0)),
            (Some(count), Some(percent)) => Field::new(key, format!("{{ count: {}, share: {percent}% }}", count.unwrap_or(0))),
        })
    }
}

/// What a target group's attributes come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OfGroup {
    pub fields: Vec<Field>,
    pub cross_zone: Option<bool>,
}

/// Attributes of target groups, as fields of an ingress (`is_application`) or of a Network Load Balancer.
pub fn of_group(view: &View, is_application: bool) -> OfGroup {
    let mut out = OfGroup::default();
    let note = "target-group-attributes";
    let mut is_sticky = false;
    let mut sticky_type = if is_application { "lb_cookie" } else { "source_ip" }.to_owned();
    let (mut lb_cookie, mut app_cookie) = (86_400, 86_400);
    let (mut routing, mut dns) = (Minimum::default(), Minimum::default());
    let mut push = |field: Field| out.fields.push(field.note(note));
    for (name, value) in attributes(view) {
        match name.as_str() {
            "deregistration_delay.timeout_seconds" => {
                seconds(view, &name, &value).into_iter().for_each(|s| push(Field::new("deregistration_delay", format!("{s}s"))));
            }
            "slow_start.duration_seconds" if is_application => {
                let start = seconds(view, &name, &value).filter(|seconds| *seconds > 0);
                start.into_iter().for_each(|s| push(Field::new("slow_start", format!("{s}s"))));
            }
            "stickiness.enabled" => is_sticky = is_true(view, &name, &value),
            "stickiness.type" => sticky_type = value,
            "stickiness.lb_cookie.duration_seconds" => lb_cookie = seconds(view, &name, &value).unwrap_or(lb_cookie),
            "stickiness.app_cookie.duration_seconds" => app_cookie = seconds(view, &name, &value).unwrap_or(app_cookie),
            "stickiness.app_cookie.cookie_name" => {}
            "load_balancing.algorithm.type" if is_application => match value.as_str() {
                "round_robin" => {}
                "least_outstanding_requests" | "weighted_random" => push(Field::new("algorithm", value)),
                _ => view.error(format!("`{name}` is `{value}`; it is round_robin, least_outstanding_requests or weighted_random")),
            },
            "load_balancing.algorithm.anomaly_mitigation" if is_application => match value.as_str() {
                "on" => push(Field::new("anomaly_mitigation", true)),
                "off" => {}
                _ => view.error(format!("`{name}` is `{value}`; it is on or off")),
            },
            "target_health_state.unhealthy.connection_termination.enabled" if !is_application => {
                let word = if is_true(view, &name, &value) { "reset" } else { "keep" };
                push(Field::new("on_unhealthy", word));
            }
            "deregistration_delay.connection_termination.enabled" if !is_application => {
                let word = if is_true(view, &name, &value) { "reset" } else { "keep" };
                push(Field::new("on_deregistered", word));
            }
            "load_balancing.cross_zone.enabled" => match value.as_str() {
                "use_load_balancer_configuration" => {}
                "true" | "false" => out.cross_zone = Some(value == "true"),
                _ => view.error(format!("`{name}` is `{value}`; it is true, false or use_load_balancer_configuration")),
            },
            "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count"
            | "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage" => routing.take(view, &name, &value),
            "target_group_health.dns_failover.minimum_healthy_targets.count"
            | "target_group_health.dns_failover.minimum_healthy_targets.percentage" => dns.take(view, &name, &value),
            _ => unread(view, &name, &value),
        }
    }
    let has = |key: &str, value: Option<&str>| {
        let is_it = |field: &Field| field.key == key && value.is_none_or(|value| field.value == Value::Line(value.to_owned()));
        out.fields.iter().any(is_it)
    };
    if has("slow_start", None) && has("algorithm", None) {
        let help = "slow start is for `round_robin`; AWS takes only the one or the other";
        view.error_help("has `slow_start.duration_seconds` with another `load_balancing.algorithm.type`", help);
    }
    if has("anomaly_mitigation", None) && !has("algorithm", Some("weighted_random")) {
        let help = "anomaly mitigation is for `load_balancing.algorithm.type=weighted_random`";
        view.error_help("has `load_balancing.algorithm.anomaly_mitigation=on` with another `load_balancing.algorithm.type`", help);
    }
    let minima = [routing.field("minimum_healthy"), dns.field("minimum_healthy_dns")];
    out.fields.extend(minima.into_iter().flatten().map(|field| field.note(note)));
    if is_application && out.cross_zone == Some(false) {
        out.fields.push(Field::new("cross_zone", false).note(note));
        if is_sticky {
            let help = "an Application Load Balancer keeps nobody on a target within one zone; AWS takes only the one or the other";
            view.error_help("has `stickiness.enabled=true` with `load_balancing.cross_zone.enabled=false`", help);
        }
    }
    if is_sticky {
        let sticky = match (sticky_type.as_str(), is_application) {
            ("lb_cookie", true) => Some(Field::new("sticky", format!("{{ lb_cookie: {lb_cookie}s }}"))),
            ("app_cookie", true) => Some(Field::new("sticky", format!("{{ app_cookie: {app_cookie}s }}"))),
            ("source_ip", false) => Some(Field::new("source_ip_sticky", true)),
            _ => {
                let help = if is_application { "it is lb_cookie or app_cookie" } else { "a Network Load Balancer has source_ip" };
                view.error_help(format!("`stickiness.type` is `{sticky_type}`"), help);
                None
            }
        };
        out.fields.extend(sticky.map(|field| field.note(note)));
    }
    out
}

/// Attributes of a load balancer: what is read of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct OfBalancer {
    pub idle_timeout: Option<u32>,
    pub cross_zone: Option<bool>,
    /// Clients are given HTTP/2.
    pub http2: Option<bool>,
}

pub fn of_balancer(view: &View) -> OfBalancer {
    let mut out = OfBalancer::default();
    for (name, value) in attributes(view) {
        match name.as_str() {
            "idle_timeout.timeout_seconds" => out.idle_timeout = seconds(view, &name, &value),
            "load_balancing.cross_zone.enabled" => out.cross_zone = Some(is_true(view, &name, &value)),
            "routing.http2.enabled" => out.http2 = Some(is_true(view, &name, &value)),
            _ => unread(view, &name, &value),
        }
    }
    out
}

/// `tcp.idle_timeout.seconds` of the first listener that has it.
pub fn of_listeners(annotations: &Annotations) -> Option<u32> {
    let mut found = None;
    for name in annotations.names(&format!("{NLB}listener-attributes.")) {
        let Some(view) = annotations.get(NLB, &format!("listener-attributes.{name}")) else { continue };
        for (name, value) in attributes(&view) {
            match name.as_str() {
                "tcp.idle_timeout.seconds" if found.is_none() => found = seconds(&view, &name, &value),
                _ => unread(&view, &name, &value),
            }
        }
    }
    found
}

/// A check of targets from the annotations; `names` are those of the protocol, path, interval, timeout, thresholds and statuses.
pub fn check<'a>(get: &dyn Fn(&str) -> Option<View<'a>>, names: [&str; 7], is_application: bool) -> Option<Field> {
    let [protocol, path, interval, timeout, healthy, unhealthy, status] = names;
    let is_http = match get(protocol) {
        Some(view) => view.one_of(&[("TCP", false), ("HTTP", true), ("HTTPS", true)])?,
        None => is_application,
    };
    let mut fields = Vec::new();
    let path = get(path).and_then(|view| view.text());
    if let Some(path) = path.or((is_http && !is_application).then_some("/")) {
        match (is_http, path.starts_with('/')) {
            (true, true) => fields.push(Field::text("http", path)),
            (true, false) => fields.push(Field::text("http", &format!("/{path}"))),
            // A path without HTTP: the controller does not look at it.
            (false, _) => {}
        }
    }
    if let Some((view, range)) = get(status).and_then(|view| Some((view.clone(), statuses(&view)?))) {
        match (is_http, fields.is_empty()) {
            (false, _) => view.warning("is for HTTP checks; this one is a TCP connect", "it is left out"),
            (true, _) => fields.push(Field::new("status", range)),
        }
    }
    for (name, key) in [(interval, "interval"), (timeout, "timeout")] {
        if let Some(seconds) = get(name).and_then(|view| view.seconds(1)) {
            fields.push(Field::new(key, format!("{seconds}s")));
        }
    }
    for (name, key) in [(healthy, "healthy_threshold"), (unhealthy, "unhealthy_threshold")] {
        if let Some(count) = get(name).and_then(|view| view.whole(1, 1000)) {
            fields.push(Field::new(key, count));
        }
    }
    (!fields.is_empty()).then(|| Field::flow("health_check", &fields).note("healthcheck annotations"))
}

/// `200`, `200-399`, `200,301`: from the first to the last.
fn statuses(view: &View) -> Option<String> {
    let text = view.text()?;
    let numbers: Option<Vec<u16>> = text.split([',', '-']).map(|part| part.trim().parse().ok()).collect();
    let Some(numbers) = numbers.filter(|numbers| numbers.iter().all(|status| *status < 600)) else {
        view.error_help(format!("`{text}` is not a list of statuses"), "write `200`, `200,202` or `200-299`");
        return None;
    };
    let (first, last) = (*numbers.iter().min()?, *numbers.iter().max()?);
    if last < 100 {
        view.warning("are statuses of gRPC, which are not read", "lbsim checks by HTTP statuses");
        return None;
    }
    if text.contains(',') {
        view.warning(format!("is taken for all statuses from {first} to {last}"), "a check of lbsim has one range");
    }
    Some(if first == last { first.to_string() } else { format!("{first}-{last}") })
}
