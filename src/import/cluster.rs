//! All that was read, put together: names that are unique, where clients enter, how many nodes it needs.

use super::deployments::Deployment;
use super::ingresses::{Class, Ingress};
use super::services::{Reach, Service};
use std::collections::BTreeSet;

pub struct Cluster<'a> {
    pub deployments: Vec<Deployment<'a>>,
    pub services: Vec<Service<'a>>,
    pub ingresses: Vec<Ingress<'a>>,
    pub deployment_names: Vec<String>,
    pub service_names: Vec<String>,
    pub ingress_names: Vec<String>,
    /// Namespaces whose pods get readiness gates.
    pub gated: Vec<String>,
    /// Index of the deployment that is the controller of ingress-nginx.
    pub controller: Option<usize>,
}

/// Where clients enter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Index of the first ingress of a load balancer.
    Alb(usize),
    Nginx,
    Service(usize),
}

/// Names of the scenario's own parts.
const TAKEN: [&str; 3] = ["ingress-nginx", "internet", "users"];

/// Each name once: as in the manifest, else with the namespace in front.
fn unique<'n>(names: impl Iterator<Item = (&'n str, &'n str)> + Clone, taken: &[&str]) -> Vec<String> {
    let mut used: BTreeSet<String> = taken.iter().map(|name| (*name).to_owned()).collect();
    let is_single = |name: &str| names.clone().filter(|(_, other)| *other == name).count() == 1;
    names
        .clone()
        .map(|(namespace, name)| {
            let first = if is_single(name) && !used.contains(name) { name.to_owned() } else { format!("{namespace}-{name}") };
            let numbered = (2..).map(|number| format!("{first}-{number}"));
            let found = std::iter::once(first.clone()).chain(numbered).find(|name| !used.contains(name)).unwrap_or(first);
            used.insert(found.clone());
            found
        })
        .collect()
}

impl<'a> Cluster<'a> {
    pub fn new(
        deployments: Vec<Deployment<'a>>,
        services: Vec<Service<'a>>,
        ingresses: Vec<Ingress<'a>>,
        gated: Vec<String>,
    ) -> Cluster<'a> {
        let deployment_names = unique(deployments.iter().map(|deployment| (deployment.object.namespace, deployment.object.name)), &TAKEN);
        let service_names = unique(services.iter().map(|service| (service.object.namespace, service.object.name)), &[]);
        let ingress_names = unique(ingresses.iter().map(|ingress| (ingress.object.namespace, ingress.object.name)), &[]);
        let has_nginx = ingresses.iter().any(|ingress| ingress.class == Class::Nginx);
        let is_controller = |deployment: &Deployment| {
            let label = |key: &str| deployment.labels.get(key).map(String::as_str);
            let component = label("app.kubernetes.io/component").unwrap_or("controller");
            label("app.kubernetes.io/name") == Some("ingress-nginx") && component == "controller"
        };
        let controller = deployments.iter().position(is_controller).filter(|_| has_nginx);
        Cluster { deployments, services, ingresses, deployment_names, service_names, ingress_names, gated, controller }
    }

    /// The service of the controller of ingress-nginx by which it is reached from outside.
    pub fn controller_service(&self) -> Option<&Service<'a>> {
        let controller = self.controller?;
        self.services.iter().find(|service| service.pods == Ok(controller) && service.reach == Reach::LoadBalancer)
    }

    /// Deployments that are simulated as such.
    pub fn simulated(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.deployments.len()).filter(|index| self.controller != Some(*index))
    }

    /// The deployment behind a service, if it is simulated.
    pub fn pods_of(&self, service: usize) -> Option<usize> {
        let deployment = *self.services[service].pods.as_ref().ok()?;
        (self.controller != Some(deployment)).then_some(deployment)
    }

    /// The first ingress of the load balancer of an ingress.
    pub fn leader(&self, index: usize) -> usize {
        let Some(group) = &self.ingresses[index].settings.group else { return index };
        let is_same = |other: &Ingress| other.class == Class::Alb && other.settings.group.as_ref() == Some(group);
        self.ingresses.iter().position(is_same).unwrap_or(index)
    }

    pub fn is_leader(&self, index: usize) -> bool {
        self.leader(index) == index
    }

    /// All places at which clients may enter from outside; where there is none, services that are reached from within.
    pub fn entries(&self) -> Vec<Entry> {
        let behind: BTreeSet<usize> = self.ingresses.iter().flat_map(Ingress::services).collect();
        let mut entries = Vec::new();
        for (index, ingress) in self.ingresses.iter().enumerate() {
            match ingress.class {
                Class::Alb if self.is_leader(index) => entries.push(Entry::Alb(index)),
                Class::Nginx if !entries.contains(&Entry::Nginx) => entries.push(Entry::Nginx),
                Class::Alb | Class::Nginx => {}
            }
        }
        let all = || (0..self.services.len()).filter(|index| self.pods_of(*index).is_some());
        entries.extend(
            all()
                .filter(|index| match self.services[*index].reach {
                    Reach::LoadBalancer => true,
                    Reach::NodePort => !behind.contains(index),
                    Reach::ClusterIp => false,
                })
                .map(Entry::Service),
        );
        if entries.is_empty() {
            entries.extend(all().map(Entry::Service));
        }
        entries
    }

    /// Whether a load balancer gives clients HTTP/2.
    pub fn has_http2(&self) -> bool {
        self.entries().iter().any(|entry| match entry {
            Entry::Alb(index) => self.group_has_http2(*index),
            Entry::Nginx | Entry::Service(_) => true,
        })
    }

    fn group_has_http2(&self, leader: usize) -> bool {
        let members = (0..self.ingresses.len()).filter(|index| self.leader(*index) == leader);
        members.map(|index| &self.ingresses[index].settings).all(|settings| settings.has_http2)
    }

    /// Load balancers without HTTP/2 beside others: clients of a scenario are of one kind.
    pub fn without_http2(&self) -> Vec<usize> {
        let leaders = self.entries().into_iter().filter_map(|entry| if let Entry::Alb(index) = entry { Some(index) } else { None });
        leaders.filter(|index| self.has_http2() && !self.group_has_http2(*index)).collect()
    }

    /// What the scenario calls it.
    pub fn name_of(&self, entry: &Entry) -> String {
        match entry {
            Entry::Alb(index) => {
                let name = self.ingresses[*index].settings.group.as_ref().unwrap_or(&self.ingress_names[*index]);
                format!("ingress/{name}")
            }
            Entry::Nginx => "ingress-nginx".to_owned(),
            Entry::Service(index) => format!("service/{}", self.service_names[*index]),
        }
    }

    /// Services that somebody reaches.
    pub fn reached(&self) -> BTreeSet<usize> {
        let direct = self.entries().into_iter().filter_map(|entry| match entry {
            Entry::Service(index) => Some(index),
            Entry::Alb(_) | Entry::Nginx => None,
        });
        direct.chain(self.ingresses.iter().flat_map(Ingress::services)).collect()
    }

    /// Nodes that have room for all pods, a rollout's surplus included, in three zones.
    pub fn nodes(&self) -> Nodes {
        let services = self.reached().len().max(1) as u64;
        let pods = |index: usize| {
            let deployment = &self.deployments[index];
            let wanted = deployment.pods_max.max(deployment.replicas.unwrap_or(1));
            u64::from(wanted) + u64::from(deployment.max_surge.of(wanted))
        };
        let largest = |of: fn(&Deployment) -> u64| self.simulated().map(|index| of(&self.deployments[index])).max().unwrap_or(0);
        let (cpu_most, memory_most) = (largest(|deployment| deployment.cpu), largest(|deployment| deployment.memory));
        let mut nodes = Nodes { count: 3, cpu: 4, memory: 16 };
        for cpu in [4, 8, 16, 32, 64, 128] {
            nodes = Nodes { cpu, memory: 4 * cpu, count: nodes.count };
            if cpu_most > cpu * 1000 || memory_most > nodes.memory << 30 {
                continue;
            }
            let needed = self.simulated().map(|index| {
                let deployment = &self.deployments[index];
                let by_cpu = (cpu * 1000).checked_div(deployment.cpu).unwrap_or(PODS_PER_NODE);
                let by_memory = (nodes.memory << 30).checked_div(deployment.memory).unwrap_or(PODS_PER_NODE);
                pods(index) as f64 / by_cpu.min(by_memory).clamp(1, PODS_PER_NODE) as f64
            });
            nodes.count = (needed.sum::<f64>().ceil() as u64 + 1).max(3).div_ceil(3) * 3;
            if nodes.count <= 12 && nodes.count * services <= 600 {
                break;
            }
        }
        nodes.cpu = nodes.cpu.max(cpu_most.div_ceil(1000));
        nodes.memory = nodes.memory.max(memory_most.div_ceil(1 << 30));
        nodes
    }
}

/// Source: Kubernetes documentation, setup/best-practices/cluster-large.
const PODS_PER_NODE: u64 = 110;

/// Alike nodes: how many, processors and GiB of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nodes {
    pub count: u64,
    pub cpu: u64,
    pub memory: u64,
}
