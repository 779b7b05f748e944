//! `alb.ingress.kubernetes.io/actions.*`: where a path leads, as JSON. Source: AWS Load Balancer Controller,
//! docs/guide/ingress/annotations.md (actions) and pkg/ingress/action_parser.go; the names of fields are compared as Go does it, upper and
//! lower case alike.

use super::view::View;
use serde_json::Value;

/// Where a path leads.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Index of a service.
    Service(usize),
    /// Services with weights; and how long a user stays with the one that was drawn for it, in seconds.
    Forward(Vec<(usize, u32)>, Option<u32>),
    /// A status that is answered at once.
    Respond(u16),
    /// From HTTP to HTTPS: what is redirected there comes back through the other listener.
    Redirect,
}

impl Action {
    pub fn services(&self) -> Vec<usize> {
        match self {
            Action::Service(index) => vec![*index],
            Action::Forward(groups, _) => groups.iter().map(|(index, _)| *index).collect(),
            Action::Respond(_) | Action::Redirect => Vec::new(),
        }
    }
}

/// A field of an object, whatever its case.
pub fn get<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    value.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// A number, also in quotes.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

pub fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned).or_else(|| value.as_u64().map(|number| number.to_string()))
}

/// The value of an annotation that is JSON, such as the example.
pub fn json(view: &View, example: &str) -> Option<Value> {
    let text = view.text()?;
    match serde_json::from_str(text) {
        Ok(value) => Some(value),
        Err(error) => {
            let reason = error.to_string();
            let reason = reason.split(" at line ").next().unwrap_or_default().to_owned();
            view.error_help(
                format!("is not JSON: {reason} (character {})", error.column()),
                format!("such as `{example}`, in single quotes"),
            );
            None
        }
    }
}

/// Finds a service by its name and port; the view is where it is asked for.
type Find<'a, 'f> = &'f dyn Fn(&View<'a>, &str, Option<&str>) -> Option<usize>;

/// The action of an annotation. `find` looks a service up, by name and port.
pub fn read<'a>(view: &View<'a>, find: Find<'a, '_>) -> Option<Action> {
    let value = json(view, "{\"type\": \"forward\", ...}")?;
    let kind = get(&value, "type").and_then(text).unwrap_or_default();
    match kind.to_ascii_lowercase().as_str() {
        "forward" => forward(view, &value, find),
        "fixed-response" => {
            let status = get(&value, "fixedResponseConfig").and_then(|config| get(config, "statusCode")).and_then(number);
            match status {
                Some(status @ 200..=599) => Some(Action::Respond(status as u16)),
                _ => {
                    view.error_help("has no status from 200 to 599", "write `\"fixedResponseConfig\": {\"statusCode\": \"503\"}`");
                    None
                }
            }
        }
        "redirect" => Some(redirect(view, &value)),
        "" => {
            view.error_help("has no `type`", "it is forward, fixed-response or redirect");
            None
        }
        _ => {
            view.error_help(format!("is of the type `{kind}`"), "it is forward, fixed-response or redirect");
            None
        }
    }
}

/// A redirect to HTTPS leads to the same path once more; another one leads away.
fn redirect(view: &View, value: &Value) -> Action {
    let config = get(value, "redirectConfig");
    let of = |name: &str| config.and_then(|config| get(config, name)).and_then(text);
    let is_same = |name: &str, mark: &str| of(name).is_none_or(|given| given == mark);
    let is_to_https = of("protocol").is_some_and(|protocol| protocol.eq_ignore_ascii_case("https"));
    if is_to_https && is_same("host", "#{host}") && is_same("path", "/#{path}") {
        view.warning("redirects to HTTPS; clients come by HTTPS at once", "redirects are not followed: what it would cost is left out");
        return Action::Redirect;
    }
    let status = of("statusCode").and_then(|code| code.rsplit('_').next()?.parse().ok()).filter(|code| (300..400).contains(code));
    view.warning("redirects elsewhere; it is answered, and nobody follows", "redirects are not followed");
    Action::Respond(status.unwrap_or(302))
}

fn forward<'a>(view: &View<'a>, value: &Value, find: Find<'a, '_>) -> Option<Action> {
    let config = get(value, "forwardConfig");
    let listed = config.and_then(|config| get(config, "targetGroups")).and_then(Value::as_array);
    let Some(listed) = listed.filter(|groups| !groups.is_empty()) else {
        if get(value, "targetGroupARN").is_some() {
            view.warning("leads to a target group outside of the cluster (targetGroupARN)", "the path is left out");
        } else {
            view.error_help(
                "forwards to nothing",
                "write `\"forwardConfig\": {\"targetGroups\": [{\"serviceName\": \"web\", \"servicePort\": 80}]}`",
            );
        }
        return None;
    };
    let mut groups: Vec<(usize, u32)> = Vec::new();
    for group in listed {
        let weight = match get(group, "weight") {
            None => Some(1),
            Some(weight) => number(weight).filter(|weight| *weight <= 999).map(|weight| weight as u32),
        };
        let Some(weight) = weight else {
            view.error_help("has a weight that is no whole number from 0 to 999", "weights are shares of each other: 90 and 10");
            return None;
        };
        let Some(name) = get(group, "serviceName").and_then(text) else {
            let what = get(group, "targetGroupARN").and_then(text).unwrap_or_default();
            view.warning(format!("leads to the target group `{what}` outside of the cluster"), "its share is left out");
            continue;
        };
        let port = get(group, "servicePort").and_then(text);
        let index = find(view, &name, port.as_deref())?;
        match groups.iter_mut().find(|(known, _)| *known == index) {
            Some((_, sum)) => *sum += weight,
            None => groups.push((index, weight)),
        }
    }
    if groups.iter().all(|(_, weight)| *weight == 0) {
        view.error_help("has no target group with a weight above 0", "nobody would get a request");
        return None;
    }
    let sticky = config.and_then(|config| get(config, "targetGroupStickinessConfig"));
    let is_sticky = sticky.and_then(|sticky| get(sticky, "enabled")).and_then(Value::as_bool).unwrap_or(false);
    let seconds = sticky.and_then(|sticky| get(sticky, "durationSeconds")).and_then(number);
    let seconds = is_sticky.then_some(seconds.filter(|seconds| (1..=604_800).contains(seconds)).unwrap_or(3600) as u32);
    match groups.as_slice() {
        [(only, _)] => Some(Action::Service(*only)),
        _ => Some(Action::Forward(groups, seconds)),
    }
}
