//! Which endpoints of a Service kube-proxy uses on one node, and with what chance each.
//!
//! A Service has up to two lists: the *cluster* list (ready endpoints, narrowed by topology hints) and the *local* list (ready endpoints on
//! this node, hints ignored). Each falls back to terminating endpoints that still serve, on its own, when it has no ready one.
//! Source: Kubernetes, pkg/proxy/topology.go (CategorizeEndpoints) and pkg/proxy/iptables (probabilities of the rules).

/// An endpoint as its EndpointSlice describes it. Nodes and zones are indexes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// Its pod is ready and not terminating.
    pub is_ready: bool,
    /// Its pod passes its readiness probe, terminating or not.
    pub is_serving: bool,
    pub is_terminating: bool,
    /// Where its pod runs.
    pub node: u32,
    /// Zones whose proxies should use it. Empty: no hint.
    pub zone_hints: Vec<u32>,
    /// Nodes whose proxies should use it. Empty: no hint.
    pub node_hints: Vec<u32>,
}

impl Endpoint {
    /// The conditions that the EndpointSlice controller gives to a pod, without hints.
    pub fn of_pod(node: u32, passes_readiness: bool, is_terminating: bool) -> Endpoint {
        let is_ready = passes_readiness && !is_terminating;
        Endpoint { is_ready, is_serving: passes_readiness, is_terminating, node, ..Endpoint::default() }
    }

    fn is_last_resort(&self) -> bool {
        !self.is_ready && self.is_serving && self.is_terminating
    }
}

/// Where traffic of one kind may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrafficPolicy {
    /// To endpoints on any node.
    #[default]
    Cluster,
    /// To endpoints on the node that the traffic reached, or nowhere.
    Local,
}

/// The Service's preference, from which the EndpointSlice controller makes hints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrafficDistribution {
    #[default]
    Any,
    /// Formerly called PreferClose.
    PreferSameZone,
    /// Same node, then same zone, then anywhere.
    PreferSameNode,
}

impl TrafficDistribution {
    /// Writes the hints: each endpoint is for its own node and zone. `zones` gives a node's zone.
    pub fn hint(self, endpoints: &mut [Endpoint], zones: &[u32]) {
        for endpoint in endpoints {
            let zone = zones[endpoint.node as usize];
            endpoint.zone_hints = if self == TrafficDistribution::Any { Vec::new() } else { vec![zone] };
            endpoint.node_hints = if self == TrafficDistribution::PreferSameNode { vec![endpoint.node] } else { Vec::new() };
        }
    }
}

/// What a Service's definition says about its traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// For clients inside the cluster.
    pub internal: TrafficPolicy,
    /// For traffic that comes by a node port or a load balancer. `None`: the Service has neither.
    pub external: Option<TrafficPolicy>,
    /// Hints are ignored: of old, without the annotation `topology-mode: auto`.
    pub ignores_hints: bool,
}

impl Service {
    /// Whether it needs the cluster list. External traffic needs it even with `Local`, for the cluster's own pods that call the load
    /// balancer's address.
    pub fn uses_cluster(&self) -> bool {
        self.internal == TrafficPolicy::Cluster || self.external.is_some()
    }

    pub fn uses_local(&self) -> bool {
        self.internal == TrafficPolicy::Local || self.external == Some(TrafficPolicy::Local)
    }
}

/// The node on which the proxy runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proxy {
    pub node: u32,
    /// `None`: the node has no zone label.
    pub zone: Option<u32>,
}

/// The lists of one Service on one node, as indexes of its endpoints in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usable {
    /// `None`: the Service never uses this list.
    pub cluster: Option<Vec<u32>>,
    pub local: Option<Vec<u32>>,
    /// Some endpoint, on whatever node, could take the Service's traffic. Traffic without a usable endpoint is rejected where there is
    /// none anywhere, and dropped where a local policy has none here.
    pub has_any: bool,
}

impl Usable {
    /// For a client inside the cluster.
    pub fn internal(&self, service: &Service) -> &[u32] {
        self.under(service.internal)
    }

    /// For traffic that reached this node from outside. Empty where the Service takes none.
    pub fn external(&self, service: &Service) -> &[u32] {
        service.external.map_or(&[], |policy| self.under(policy))
    }

    fn under(&self, policy: TrafficPolicy) -> &[u32] {
        let list = if policy == TrafficPolicy::Cluster { &self.cluster } else { &self.local };
        list.as_deref().unwrap_or(&[])
    }

    /// Both lists in one, in the endpoints' order, each once.
    pub fn reachable(&self) -> Vec<u32> {
        let mut all: Vec<u32> = [&self.cluster, &self.local].into_iter().flatten().flatten().copied().collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// Sorts a Service's endpoints into the lists that a node's proxy uses.
pub fn usable(endpoints: &[Endpoint], service: &Service, proxy: Proxy) -> Usable {
    let cluster = service.uses_cluster().then(|| {
        let scope = if service.ignores_hints { Scope::All } else { scope(endpoints, proxy) };
        or_last_resort(endpoints, |endpoint| endpoint.is_ready && scope.has(endpoint, proxy), |_| true)
    });
    let local = service.uses_local().then(|| {
        let is_here = |endpoint: &Endpoint| endpoint.node == proxy.node;
        or_last_resort(endpoints, |endpoint| endpoint.is_ready && is_here(endpoint), is_here)
    });
    Usable { cluster, local, has_any: endpoints.iter().any(|endpoint| endpoint.is_ready || endpoint.is_last_resort()) }
}

/// Those that are `first`, or if there are none, the serving but terminating ones in `fallback`.
fn or_last_resort(endpoints: &[Endpoint], first: impl Fn(&Endpoint) -> bool, fallback: impl Fn(&Endpoint) -> bool) -> Vec<u32> {
    let list = select(endpoints, first);
    if list.is_empty() { select(endpoints, |endpoint| endpoint.is_last_resort() && fallback(endpoint)) } else { list }
}

fn select(endpoints: &[Endpoint], is_in: impl Fn(&Endpoint) -> bool) -> Vec<u32> {
    (0..endpoints.len() as u32).filter(|&i| is_in(&endpoints[i as usize])).collect()
}

/// How far the hints narrow the cluster list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    All,
    Zone,
    Node,
}

impl Scope {
    fn has(self, endpoint: &Endpoint, proxy: Proxy) -> bool {
        match self {
            Scope::All => true,
            Scope::Zone => is_for_zone(endpoint, proxy),
            Scope::Node => endpoint.node_hints.contains(&proxy.node),
        }
    }
}

fn is_for_zone(endpoint: &Endpoint, proxy: Proxy) -> bool {
    proxy.zone.is_some_and(|zone| endpoint.zone_hints.contains(&zone))
}

/// Hints count only if *every* ready endpoint has one and at least one is for this proxy: by node first, then by zone.
fn scope(endpoints: &[Endpoint], proxy: Proxy) -> Scope {
    let ready = || endpoints.iter().filter(|endpoint| endpoint.is_ready);
    if ready().all(|endpoint| !endpoint.node_hints.is_empty()) && ready().any(|endpoint| endpoint.node_hints.contains(&proxy.node)) {
        Scope::Node
    } else if ready().all(|endpoint| !endpoint.zone_hints.is_empty()) && ready().any(|endpoint| is_for_zone(endpoint, proxy)) {
        Scope::Zone
    } else {
        Scope::All
    }
}

/// The probability on each of the rules that iptables mode writes for `n` endpoints, in order: rule i matches 1 in n - i, the last one
/// always (`None`). So each endpoint gets 1/n of the new connections.
pub fn rule_probabilities(n: u32) -> Vec<Option<f64>> {
    (0..n).map(|i| (i + 1 < n).then(|| 1.0 / f64::from(n - i))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: u32 = 0;
    const THERE: u32 = 1;
    const A: u32 = 0;
    const B: u32 = 1;

    fn ready(node: u32) -> Endpoint {
        Endpoint::of_pod(node, true, false)
    }

    fn hinted(node: u32, zones: &[u32]) -> Endpoint {
        Endpoint { zone_hints: zones.to_vec(), ..ready(node) }
    }

    fn lists(endpoints: &[Endpoint], service: Service) -> (Option<Vec<u32>>, Option<Vec<u32>>) {
        let usable = usable(endpoints, &service, Proxy { node: HERE, zone: Some(A) });
        (usable.cluster, usable.local)
    }

    const LOCAL_OUTSIDE: Service = Service { internal: TrafficPolicy::Cluster, external: Some(TrafficPolicy::Local), ignores_hints: false };

    /// topology_test.go: "normal endpoint filtering", "missing hints", "node in different zone", "only unready endpoints in same zone".
    #[test]
    fn zone_hints_filter_only_if_every_ready_endpoint_has_one_and_one_is_for_here() {
        let inside = Service::default();
        let all = [hinted(1, &[A]), hinted(1, &[B]), hinted(1, &[2]), hinted(1, &[A])];
        assert_eq!(lists(&all, inside), (Some(vec![0, 3]), None));
        assert_eq!(lists(&all, Service { ignores_hints: true, ..inside }).0, Some(vec![0, 1, 2, 3]));
        let mut missing = all.clone();
        missing[2].zone_hints.clear();
        assert_eq!(lists(&missing, inside).0, Some(vec![0, 1, 2, 3]));
        assert_eq!(lists(&all[1..3], inside).0, Some(vec![0, 1]));
        let mut unready = all;
        (unready[0].is_ready, unready[3].is_ready) = (false, false);
        assert_eq!(lists(&unready, inside).0, Some(vec![1, 2]));
    }

    #[test]
    fn a_node_hint_wins_over_a_zone_hint() {
        let mut endpoints = [ready(HERE), ready(THERE), ready(2)];
        TrafficDistribution::PreferSameNode.hint(&mut endpoints, &[A, A, B]);
        assert_eq!(lists(&endpoints, Service::default()).0, Some(vec![0]));
        assert_eq!(lists(&endpoints[1..], Service::default()).0, Some(vec![0]), "none on this node: one of the zone");
        assert_eq!(lists(&endpoints[2..], Service::default()).0, Some(vec![0]), "none in this zone: any");
        TrafficDistribution::PreferSameZone.hint(&mut endpoints, &[A, A, B]);
        assert_eq!(lists(&endpoints, Service::default()).0, Some(vec![0, 1]));
    }

    /// topology_test.go: "externalTrafficPolicy: Local, topology ignored for Local endpoints", "conflicting topology and localness".
    #[test]
    fn the_local_list_ignores_hints() {
        let endpoints = [hinted(HERE, &[A]), hinted(HERE, &[B]), hinted(THERE, &[A]), hinted(THERE, &[B])];
        let both = usable(&endpoints, &LOCAL_OUTSIDE, Proxy { node: HERE, zone: Some(A) });
        assert_eq!((both.cluster.as_deref(), both.local.as_deref()), (Some(&[0, 2][..]), Some(&[0, 1][..])));
        assert_eq!(both.reachable(), [0, 1, 2]);
        assert_eq!((both.internal(&LOCAL_OUTSIDE), both.external(&LOCAL_OUTSIDE)), (&[0, 2][..], &[0, 1][..]));
    }

    /// topology_test.go: "iTP: Cluster, eTP: Local, PTE enabled, with terminating endpoints".
    #[test]
    fn terminating_endpoints_are_the_last_resort_of_each_list() {
        let endpoints =
            [ready(THERE), Endpoint::of_pod(HERE, false, false), Endpoint::of_pod(HERE, true, true), Endpoint::of_pod(THERE, true, true)];
        assert_eq!(lists(&endpoints, LOCAL_OUTSIDE), (Some(vec![0]), Some(vec![2])));
        assert_eq!(lists(&endpoints[1..], LOCAL_OUTSIDE), (Some(vec![1, 2]), Some(vec![1])));
        let held_back = Endpoint { is_terminating: false, ..endpoints[2].clone() };
        assert_eq!(lists(&[held_back], LOCAL_OUTSIDE), (Some(vec![]), Some(vec![])), "serving, and neither ready nor terminating");
    }

    /// topology_test.go: "iTP: Local, eTP: Local, all endpoints remote", "externalTrafficPolicy ignored if not externally accessible".
    #[test]
    fn a_local_policy_without_a_local_endpoint_has_none() {
        let service = Service { internal: TrafficPolicy::Local, external: Some(TrafficPolicy::Local), ignores_hints: false };
        assert_eq!(lists(&[ready(THERE), ready(THERE)], service), (Some(vec![0, 1]), Some(vec![])));
        let inside = Service { external: None, ..service };
        let usable = usable(&[ready(THERE)], &inside, Proxy { node: HERE, zone: None });
        assert_eq!((usable.cluster, usable.local, usable.has_any), (None, Some(vec![]), true));
    }

    /// "Debug Services" of the Kubernetes documentation lists 0.3333, 0.5 and no condition.
    #[test]
    fn iptables_rules_give_each_endpoint_the_same_share() {
        assert_eq!(rule_probabilities(3), [Some(1.0 / 3.0), Some(0.5), None]);
        assert_eq!((rule_probabilities(1), rule_probabilities(0)), (vec![None], vec![]));
        let mut left = 1.0;
        for probability in rule_probabilities(7) {
            let share = left * probability.unwrap_or(1.0);
            assert!((share - 1.0 / 7.0).abs() < 1e-12);
            left -= share;
        }
    }
}
