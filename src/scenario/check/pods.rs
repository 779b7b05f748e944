//! Pods: their number, probes, end, rollouts and autoscaling.

use super::names::Named;
use super::{Checker, item};
use crate::document::Path;
use crate::scenario::{Amount, Autoscale, Limit, Members, Operation, Pods, Probe, RollingUpdate, Scaling, ServerGroup};
use crate::units::{Share, Span, plain};

impl Checker<'_> {
    pub(super) fn pods(&mut self) {
        let scenario = self.scenario;
        for (i, group) in scenario.servers.iter().enumerate() {
            let Some(pods) = &group.pods else { continue };
            let path = item("servers", i);
            if group.node.is_some() {
                self.error(&path.field("node"), "is given for pods, which the scheduler places");
            }
            self.pod_count(&path, group, pods);
            let path = path.field("pods");
            self.pod_requests(&path, pods);
            self.distribution(&path.field("image_pull"), &pods.image_pull);
            self.distribution(&path.field("start"), &pods.start);
            let probes = [
                ("startup_probe", &pods.startup_probe),
                ("readiness_probe", &pods.readiness_probe),
                ("liveness_probe", &pods.liveness_probe),
            ];
            for (field, probe) in probes {
                if let Some(probe) = probe {
                    self.probe(&path.field(field), probe, field == "readiness_probe");
                }
            }
            if pods.pre_stop >= pods.grace && pods.pre_stop > Span::ZERO {
                let what =
                    format!("is {}, and the grace is over after {}: the process has no time to end by itself", pods.pre_stop, pods.grace);
                self.warning(&path.field("pre_stop"), what, "the time of `pre_stop` is part of `grace`");
            }
            self.rolling_update(&path.field("rolling_update"), &pods.rolling_update);
            self.disruption_budget(&path.field("disruption_budget"), pods);
            for (gate, name) in pods.readiness_gates.iter().enumerate() {
                self.readiness_gate(&path.field("readiness_gates").index(gate), name, group);
            }
            if let Some(autoscale) = &pods.autoscale {
                self.autoscale(&path.field("autoscale"), autoscale, group);
            }
        }
    }

    /// The most pods that are wanted at some time: at the start, by an operator, or by the autoscaler, which does not act on 0 pods.
    pub(super) fn most_pods(&self, group: &ServerGroup, pods: &Pods) -> u32 {
        let scaled = self.scenario.operations.iter().filter_map(|operation| match operation {
            Operation::Scale { group: name, replicas, .. } if *name == group.name => Some(*replicas),
            _ => None,
        });
        let most = scaled.fold(pods.replicas, u32::max);
        pods.autoscale.as_ref().filter(|_| most > 0).map_or(most, |autoscale| most.max(autoscale.max))
    }

    fn pod_count(&mut self, path: &Path, group: &ServerGroup, pods: &Pods) {
        let most = self.most_pods(group, pods);
        let surge = match pods.rolling_update.surplus() {
            Amount::Count(count) => count,
            Amount::Share(share) => (share.0 * f64::from(most)).ceil() as u32,
        };
        let needed = most.saturating_add(surge);
        if group.count < needed {
            let what = format!(
                "is {}; {most} pods, and {surge} more while a new version replaces the old one, need {needed} at least",
                group.count
            );
            let help = "a pod that ends keeps its place until it is gone: twice the wanted number is plenty, and places that are never used cost nothing";
            self.error_help(&path.field("count"), what, help);
        }
    }

    fn pod_requests(&mut self, path: &Path, pods: &Pods) {
        let nodes = &self.scenario.nodes;
        if nodes.is_empty() {
            return;
        }
        let fits = nodes.iter().any(|node| node.cpu >= pods.cpu && node.memory >= pods.memory);
        if !fits {
            let what = format!(
                "asks for {} processors and {} of memory, and no node has as much: its pods would wait for ever",
                plain(pods.cpu.0 as f64 / 1000.0),
                pods.memory
            );
            self.error(path, what);
        }
    }

    fn probe(&mut self, path: &Path, probe: &Probe, may_need_more: bool) {
        match (&probe.tcp, &probe.http) {
            (Some(_), Some(_)) => self.error(path, "has both `tcp` and `http`; a probe is the one or the other"),
            (None, None) => self.error_help(path, "does not say what is probed", "write `tcp: {}`, or `http: /ready`"),
            (None, Some(http)) if !http.starts_with('/') => {
                self.error(&path.field("http"), format!("is `{http}`; it is the path to ask for, and begins with `/`"));
            }
            _ => {}
        }
        if probe.probes_queue && probe.tcp.is_some() {
            self.warning(
                &path.field("probes_queue"),
                "changes nothing: the kernel answers a TCP connect",
                "an HTTP probe can wait in the server's queue: `http: /ready`",
            );
        }
        self.apart(&path.field("period"), probe.period, "probes");
        self.above_zero(&path.field("timeout"), probe.timeout, "a probe waits for some time, such as `1s`");
        for (field, count) in [("success_threshold", probe.success_threshold), ("failure_threshold", probe.failure_threshold)] {
            if count == 0 {
                self.error(&path.field(field), "is 0; it takes one probe at least to tell");
            }
        }
        if probe.success_threshold > 1 && !may_need_more {
            let what = format!(
                "is {}; one pass is enough for a startup or liveness probe, and Kubernetes takes nothing else",
                probe.success_threshold
            );
            self.error(&path.field("success_threshold"), what);
        }
    }

    /// What happens again and again must not do so without end at one moment.
    fn apart(&mut self, path: &Path, span: Span, what: &str) {
        self.above_zero(path, span, &format!("{what} are some time apart, such as `10s`"));
        if span > Span::ZERO && span < Span::from_millis(1) {
            self.error(path, format!("is {span}; {what} are at least 1ms apart"));
        }
    }

    fn rolling_update(&mut self, path: &Path, update: &RollingUpdate) {
        let is_none = |amount: Amount| amount == Amount::Count(0) || amount == Amount::Share(Share(0.0));
        for field in
            ["max_surge", "max_unavailable"].into_iter().filter(|field| update.recreate && self.document.at(&path.field(*field)).is_some())
        {
            self.error(&path.field(field), "says nothing where `recreate` is true: all old pods end at once");
        }
        if is_none(update.max_surge) && is_none(update.max_unavailable) {
            self.error(path, "allows neither a pod more (`max_surge`) nor one less (`max_unavailable`): no pod could ever be replaced");
        }
        self.whole_percent(&path.field("max_surge"), update.max_surge);
        self.whole_percent(&path.field("max_unavailable"), update.max_unavailable);
    }

    fn whole_percent(&mut self, path: &Path, amount: Amount) {
        if let Amount::Share(share) = amount
            && (share.0 * 100.0 - (share.0 * 100.0).round()).abs() > 1e-9
        {
            self.error(path, format!("is {share}; Kubernetes takes whole percentages"));
        }
    }

    fn disruption_budget(&mut self, path: &Path, pods: &Pods) {
        let Some(budget) = &pods.disruption_budget else { return };
        match (budget.min_available, budget.max_unavailable) {
            (Some(_), Some(_)) => self.error(path, "has both `min_available` and `max_unavailable`; a budget is the one or the other"),
            (None, None) => {
                self.error(path, "says neither how many pods must stay (`min_available`) nor how many may be missing (`max_unavailable`)")
            }
            (Some(amount), None) => self.whole_percent(&path.field("min_available"), amount),
            (None, Some(amount)) => self.whole_percent(&path.field("max_unavailable"), amount),
        }
    }

    fn readiness_gate(&mut self, path: &Path, name: &str, group: &ServerGroup) {
        let scenario = self.scenario;
        let Some(balancer) = scenario.balancers.iter().find(|balancer| balancer.name == name) else {
            return match self.names.get(name) {
                Some(_) => {
                    self.error(path, format!("is `{name}`, which is no balancer; a gate is a balancer at which the pod must be healthy"))
                }
                None => self.unknown(path, name, "balancer", scenario.balancers.iter().map(|balancer| balancer.name.as_str())),
            };
        };
        if !matches!(balancer.members, Some(Members::TargetGroup { .. })) {
            let what = format!("is `{name}`, to which no controller registers pods");
            self.error_help(path, what, "readiness gates are for balancers with `members: { target_group: {} }`");
        } else if !balancer.targets.contains(&group.name) {
            self.error(
                path,
                format!("is `{name}`, which does not have `{}` among its targets: no pod could ever be healthy there", group.name),
            );
        }
    }

    fn autoscale(&mut self, path: &Path, autoscale: &Autoscale, group: &ServerGroup) {
        if let Some(pods) = group.pods.as_ref().filter(|pods| pods.replicas == 0 && self.most_pods(group, pods) == 0) {
            let what = format!(
                "does nothing: `{}` begins with {} pods, and an autoscaler leaves a deployment of 0 alone",
                group.name, pods.replicas
            );
            self.warning(path, what, "give `replicas` 1 or more, or have an operation `scale` start some");
        }
        if autoscale.min == 0 {
            self.error(&path.field("min"), "is 0; one pod is the least");
        }
        if autoscale.max < autoscale.min {
            self.error(&path.field("max"), format!("is {}, less than the least number of {}", autoscale.max, autoscale.min));
        }
        match (autoscale.utilization, autoscale.in_flight) {
            (Some(_), Some(_)) => {
                self.error(&path.field("in_flight"), "is given beside `utilization`; the number of pods follows the one or the other")
            }
            (None, None) => {
                self.error_help(path, "does not say by what the number of pods goes", "write `utilization: 50%`, or `in_flight: 4`")
            }
            (Some(share), None) => {
                if share.0 < 0.01 {
                    self.error(&path.field("utilization"), format!("is {share}; it is one percent at least"));
                }
                self.whole_percent(&path.field("utilization"), Amount::Share(share));
                if group.slots == Limit::Unbounded {
                    let what = "is a share of the slots, of which the group has no limited number";
                    self.error_help(&path.field("utilization"), what, "give the group `slots`, or scale by `in_flight`");
                }
            }
            (None, Some(number)) => {
                if number.is_nan() || !(0.001..=1e9).contains(&number) {
                    self.error(&path.field("in_flight"), format!("is {}; it is a number of requests from 0.001 up", plain(number)));
                }
            }
        }
        self.apart(&path.field("sync"), autoscale.sync, "decisions");
        self.apart(&path.field("metrics_window"), autoscale.metrics_window, "figures");
        for (field, scaling) in [("scale_up", &autoscale.scale_up), ("scale_down", &autoscale.scale_down)] {
            if let Some(scaling) = scaling {
                self.scaling(&path.field(field), scaling);
            }
        }
    }

    fn scaling(&mut self, path: &Path, scaling: &Scaling) {
        let Some(policies) = &scaling.policies else { return };
        let path = path.field("policies");
        if policies.is_empty() {
            self.error_help(&path, "is empty; it has one policy at least", "for no change in this direction write `select: disabled`");
        }
        for (i, policy) in policies.iter().enumerate() {
            let path = path.index(i);
            self.whole_percent(&path.field("change"), policy.change);
            self.above_zero(&path.field("period"), policy.period, "a limit holds for some time, such as `15s`");
        }
    }

    /// Whether a target stands for pods.
    pub(super) fn is_of_pods(&self, target: &str) -> bool {
        matches!(self.names.get(target), Some(Named::Group(group) | Named::Server(group, _)) if group.pods.is_some())
    }
}
