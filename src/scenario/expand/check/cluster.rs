//! Nodes, deployments and services.

use super::{BALANCERS_MAX, Check, NODES_MAX};
use crate::control::defaults::kube_proxy;
use crate::document::{Path, de};
use crate::scenario::expand::cluster::Most;
use crate::scenario::expand::things::block_item;
use crate::scenario::{Deployment, Kubernetes, ProxyMode, Service, ServiceType, TrafficPolicy};
use crate::units::Span;

/// Pods of a deployment.
const PODS_MAX: u32 = 100_000;

impl Check<'_, '_> {
    pub(super) fn cluster(&mut self) {
        let Some(kubernetes) = &self.blocks.kubernetes else { return };
        let base = Path::root().field("kubernetes");
        self.nodes(&base, kubernetes);
        if kubernetes.proxy.scheduler.is_some() && kubernetes.proxy.mode != ProxyMode::Ipvs {
            self.error_help(&base.field("proxy").field("scheduler"), "is for `mode: ipvs`", "the other modes choose at random");
        }
        if kubernetes.network.is_some() && self.has(&Path::root().field("network")) {
            self.error(&base.field("network"), "stands beside the section `network`; keep one of the two");
        }
        if kubernetes.deployments.is_empty() {
            self.error(&base.field("deployments"), "is empty; a cluster runs one deployment at least");
        }
        for (i, deployment) in kubernetes.deployments.iter().enumerate() {
            self.deployment(&block_item("kubernetes", "deployments", i), deployment);
        }
        self.services(&base, kubernetes);
    }

    fn nodes(&mut self, base: &Path, kubernetes: &Kubernetes) {
        let path = base.field("nodes");
        let names: Vec<&str> = kubernetes.nodes.iter().map(|group| group.name.as_str()).collect();
        self.unique(&path, &names, "group of nodes");
        let most = |count: u32, max: Option<u32>| u64::from(count.max(max.unwrap_or(0)));
        let all: u64 =
            kubernetes.nodes.iter().map(|group| most(group.count, group.autoscale.as_ref().map(|autoscale| autoscale.max))).sum();
        if kubernetes.nodes.iter().all(|group| group.count == 0) {
            self.error(&path, "has no node at the start; a cluster needs one at least");
        }
        let proxies = all * kubernetes.services.len() as u64;
        if all > NODES_MAX {
            self.error(&path, format!("stands for {all} nodes; Kubernetes is built for {NODES_MAX} at most"));
        } else if proxies > BALANCERS_MAX {
            let services = kubernetes.services.len();
            let what = format!("stands for {all} nodes, and each has a kube-proxy for {services} services: {proxies} balancers");
            self.error_help(&path, what, format!("at most {BALANCERS_MAX} can be simulated; leave out services that no request meets"));
        }
    }

    fn deployment(&mut self, path: &Path, deployment: &Deployment) {
        let most = Most::of(self.blocks, deployment);
        if most.count() > PODS_MAX {
            self.error(&path.field("replicas"), format!("makes more than {PODS_MAX} pods at once possible; no more can be simulated"));
        }
    }

    fn services(&mut self, base: &Path, kubernetes: &Kubernetes) {
        let names: Vec<&str> = kubernetes.services.iter().map(|service| service.name.as_str()).collect();
        self.unique(&base.field("services"), &names, "service");
        for (i, service) in kubernetes.services.iter().enumerate() {
            let path = block_item("kubernetes", "services", i);
            if !self.blocks.is_deployment(service.deployment()) {
                let at = if service.deployment.is_some() { path.field("deployment") } else { path.field("name") };
                let deployments = kubernetes.deployments.iter().map(|deployment| deployment.name.as_str());
                self.unknown(&at, service.deployment(), "deployment", deployments);
            }
            if service.session_affinity == Some(Span::ZERO) {
                self.error(&path.field("session_affinity"), "is 0s; leave it out to have none");
            }
            if let Some(affinity) = service.session_affinity.filter(|affinity| *affinity > kube_proxy::SESSION_AFFINITY_MAX) {
                let what = format!("is {affinity}; Kubernetes takes 1s to {}", kube_proxy::SESSION_AFFINITY_MAX);
                self.warning(&path.field("session_affinity"), what, "it is simulated all the same");
            }
            self.traffic(&path, service);
            match (&service.load_balancer, service.kind) {
                (Some(_), ServiceType::ClusterIp | ServiceType::NodePort) => {
                    self.error_help(&path.field("load_balancer"), "is for `type: load_balancer`", "write `type: load_balancer`");
                }
                (Some(settings), ServiceType::LoadBalancer) => self.network_load_balancer(&path.field("load_balancer"), settings),
                (None, _) => {}
            }
        }
    }

    fn traffic(&mut self, path: &Path, service: &Service) {
        if service.kind == ServiceType::ClusterIp && self.has(&path.field("external_traffic")) {
            let help = "a cluster IP is not reached from outside: `internal_traffic`, or `type: node_port`";
            self.error_help(&path.field("external_traffic"), "is for node ports and load balancers", help);
        }
        if service.kind != ServiceType::ClusterIp && service.internal_traffic == TrafficPolicy::Local {
            let help = "clients come from outside: `external_traffic`, or `type: cluster_ip`";
            self.warning(&path.field("internal_traffic"), "changes nothing for a service that is reached from outside", help);
        }
    }

    /// Operations that change weights: known load balancers and groups, and something to shift.
    pub(super) fn operations(&mut self) {
        let blocks = self.blocks;
        for (i, item) in blocks.own("operations").iter().enumerate() {
            let Some(thing) = crate::scenario::expand::operations::target(blocks, item) else { continue };
            let path = Path::root().field("operations").index(i).field("weights");
            let known = blocks.shiftable(thing);
            if known.len() < 2 {
                let what = "has one target at most: there is nothing to shift";
                self.error_help(&path.field("balancer"), what, "name the other target, too, with the weight 0");
                continue;
            }
            let Some(set) = item.get("weights").and_then(|weights| weights.get("set")) else { continue };
            for (key, weight) in set.entries() {
                if !known.contains(&key.text.to_string()) {
                    self.unknown(
                        &path.field("set").field(key.text.to_string()),
                        &key.text,
                        "target of it",
                        known.iter().map(String::as_str),
                    );
                } else if de::read::<u32>(weight).is_err() {
                    let found = weight.described();
                    self.error(&path.field("set").field(key.text.to_string()), format!("is {found}; a weight is a whole number from 0 up"));
                }
            }
        }
    }
}
