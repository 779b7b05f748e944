//! What target groups, ingresses and load balancers of services have in common: checks of targets, zones, times that AWS takes.

use super::{ADDRESSES_MAX, Check};
use crate::control::defaults::{alb, nlb, target_group};
use crate::document::Path;
use crate::scenario::expand::targets::Product;
use crate::scenario::{CookieSticky, MinimumHealthy, NetworkLoadBalancer, TargetAlgorithm, TargetCheck, TargetSticky, TargetType};
use crate::units::{Share, Span};

impl Check<'_, '_> {
    pub(super) fn target_check(&mut self, path: &Path, check: &TargetCheck, product: Product) {
        let defaults = product.check();
        match (&check.tcp, &check.http) {
            (Some(_), Some(_)) => self.error(path, "has both `tcp` and `http`; a check is the one or the other"),
            (Some(_), None) if product.is_application() => {
                self.error_help(
                    &path.field("tcp"),
                    "is for network load balancers",
                    "an application load balancer asks for a path: `http: /`",
                );
            }
            (_, Some(http)) if !http.starts_with('/') => {
                self.error(&path.field("http"), format!("is `{http}`; it is the path to ask for, and begins with `/`"));
            }
            (tcp, None) if check.status.is_some() && (tcp.is_some() || !product.is_application()) => {
                self.error(&path.field("status"), "is for `http`: a TCP connect has no status");
            }
            _ => {}
        }
        for (field, count) in [("healthy_threshold", check.healthy_threshold), ("unhealthy_threshold", check.unhealthy_threshold)] {
            match count {
                Some(0) => self.error(&path.field(field), "is 0; it takes one check at least to tell"),
                Some(count) => {
                    let (least, most) = target_group::THRESHOLD_RANGE;
                    self.usual(&path.field(field), !(least..=most).contains(&count), count, &format!("{least} to {most}"));
                }
                None => {}
            }
        }
        self.range(&path.field("interval"), check.interval, target_group::INTERVAL_RANGE);
        self.range(&path.field("timeout"), check.timeout, target_group::TIMEOUT_RANGE);
        let (interval, timeout) = (check.interval.unwrap_or(defaults.interval), check.timeout.unwrap_or(defaults.timeout));
        if timeout > interval && interval > Span::ZERO {
            let what = format!("is {timeout}, longer than the interval of {interval}: checks overlap");
            let at = if check.timeout.is_some() { "timeout" } else { "interval" };
            let what = if at == "timeout" { what } else { format!("is {interval}, shorter than the timeout of {timeout}: checks overlap") };
            self.warning(&path.field(at), what, "AWS takes a timeout that is shorter than the interval");
        }
    }

    /// An error where a time is zero, a warning where AWS does not take it.
    pub(super) fn range(&mut self, path: &Path, span: Option<Span>, (least, most): (Span, Span)) {
        let Some(span) = span else { return };
        if span == Span::ZERO && least > Span::ZERO {
            self.error(path, format!("is 0s; AWS takes {least} to {most}"));
        } else {
            self.usual(path, span < least || span > most, span, &format!("{least} to {most}"));
        }
    }

    fn usual(&mut self, path: &Path, is_unusual: bool, value: impl std::fmt::Display, range: &str) {
        if is_unusual {
            self.warning(path, format!("is {value}; AWS takes {range}"), "it is simulated all the same");
        }
    }

    pub(super) fn zones(&mut self, path: &Path, zones: &[String], per_zone: u32) {
        for (i, zone) in zones.iter().enumerate() {
            if zones[..i].contains(zone) {
                self.error(&path.index(i), format!("is `{zone}`, which is listed already"));
            }
        }
        let nodes = (zones.len().max(1) as u64).saturating_mul(per_zone.into());
        if nodes > ADDRESSES_MAX {
            self.error(path, format!("make {nodes} nodes of the load balancer; at most {ADDRESSES_MAX} can be simulated"));
        }
    }

    /// Algorithm, anomaly mitigation and slow start, which do not all go together.
    pub(super) fn algorithm(&mut self, path: &Path, algorithm: TargetAlgorithm, anomaly_mitigation: bool, slow_start: Option<Span>) {
        if anomaly_mitigation && algorithm != TargetAlgorithm::WeightedRandom {
            self.error(&path.field("anomaly_mitigation"), "goes with `algorithm: weighted_random` only");
        }
        if slow_start.is_some() && algorithm != TargetAlgorithm::RoundRobin {
            self.error(&path.field("slow_start"), "goes with `algorithm: round_robin` only");
        }
        self.range(&path.field("slow_start"), slow_start, alb::SLOW_START_RANGE);
    }

    /// How many targets must be healthy, as AWS takes it. That DNS asks for no fewer is checked where both are given, with the primitives.
    /// Source: ELBv2 API, TargetGroupAttribute.
    pub(super) fn minimum(&mut self, path: &Path, routing: Option<MinimumHealthy>, dns: Option<MinimumHealthy>) {
        let Some(MinimumHealthy(routing)) = routing else { return };
        let path = path.field("minimum_healthy");
        if routing.count == Some(0) || routing.share == Some(Share(0.0)) {
            self.error_help(&path, "asks for 0 targets", "AWS takes 1 or more, or 1% or more; leave it out for one");
        }
        if let Some(count) = routing.count.filter(|count| *count > 1 && dns.is_none()) {
            let what = format!("is {count}, and the zone stays in DNS down to 1, the default of `minimum_healthy_dns`");
            let help = format!("AWS asks for no fewer there: `minimum_healthy_dns: {count}`");
            self.warning(&path, what, &help);
        }
    }

    /// Targets of an application load balancer that are those of one zone. Source: Application Load Balancers user guide, cross-zone load
    /// balancing for target groups.
    pub(super) fn one_zone_sticky(&mut self, path: &Path, cross_zone: Option<bool>, is_sticky: bool) {
        if cross_zone == Some(false) && is_sticky {
            let help = "a user may come to the node of another zone, where its target is not used; AWS takes only the one or the other";
            self.error_help(&path.field("sticky"), "does not go with `cross_zone: false`", help);
        }
    }

    pub(super) fn cookie(&mut self, path: &Path, sticky: CookieSticky) {
        let (name, span) = match sticky {
            CookieSticky::LbCookie(span) => ("lb_cookie", span),
            CookieSticky::AppCookie(span) => ("app_cookie", span),
        };
        self.range(&path.field(name), Some(span), alb::STICKINESS_RANGE);
    }

    pub(super) fn target_sticky(&mut self, path: &Path, sticky: TargetSticky) {
        match sticky {
            TargetSticky::LbCookie(span) => self.cookie(path, CookieSticky::LbCookie(span)),
            TargetSticky::AppCookie(span) => self.cookie(path, CookieSticky::AppCookie(span)),
            TargetSticky::SourceIp => {}
        }
    }

    pub(super) fn network_load_balancer(&mut self, path: &Path, settings: &NetworkLoadBalancer) {
        self.zones(&path.field("zones"), &settings.zones, 1);
        if let Some(check) = &settings.health_check {
            self.target_check(&path.field("health_check"), check, Product::ControllerNlb);
        }
        self.range(&path.field("deregistration_delay"), settings.deregistration_delay, target_group::DEREGISTRATION_DELAY_RANGE);
        self.range(&path.field("idle_timeout"), settings.idle_timeout, nlb::TCP_IDLE_TIMEOUT_RANGE);
        self.minimum(path, settings.minimum_healthy, settings.minimum_healthy_dns);
        self.gates(path, settings.readiness_gates, settings.target_type);
    }

    pub(super) fn gates(&mut self, path: &Path, readiness_gates: bool, target_type: TargetType) {
        if readiness_gates && target_type == TargetType::Instance {
            let help = "node ports are registered, not pods: `target_type: ip`";
            self.error_help(&path.field("readiness_gates"), "goes with `target_type: ip` only", help);
        }
    }
}
