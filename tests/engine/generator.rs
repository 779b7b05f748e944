//! Scenarios drawn at random, from a seed: every kind of part in every combination that the format allows.

/// Draws for the generator; splitmix64, whose quality is plenty for choosing.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// A whole number from `low` to `high`.
    pub fn number(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }

    pub fn choose<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[(self.next() % from.len() as u64) as usize]
    }
}

/// What a generated scenario may hold.
#[derive(Clone, Copy, Default)]
pub struct Kind {
    /// Arrivals end after 10 s, faults before 15 s, and everybody gives up at last: the run ends empty.
    pub drains: bool,
    /// Nothing is lost, given up or checked in a queue: every attempt sent is served or refused.
    pub is_calm: bool,
    /// No random stream has the name of a server.
    pub is_nameless: bool,
    /// Server groups are pods, on nodes or not, and controllers and operators are at work.
    pub has_pods: bool,
    /// Connections are kept, and some balancers look at nothing else.
    pub connects: bool,
}

/// End of a run, and of one that drains.
pub const DURATION_S: u64 = 20;
pub const DRAINED_S: u64 = 300;

pub fn scenario(seed: u64, kind: Kind) -> String {
    let dice = &mut Dice::new(seed);
    let duration_s = if kind.drains { DRAINED_S } else { DURATION_S };
    let warmup = if kind.drains || kind.is_calm || dice.one_in(2) { "0s" } else { "3s" };
    let groups = dice.number(1, 3);
    let clients: Vec<String> = (0..dice.number(1, 2)).map(|i| client(dice, i, kind)).collect();
    let mut servers: Vec<String> = (0..groups).map(|i| group(dice, i, kind)).collect();
    let mut balancers = balancers(dice, groups, kind);
    let mut faults: Vec<String> =
        if kind.is_calm { Vec::new() } else { (0..dice.number(0, 4)).map(|_| fault(dice, groups, kind)).collect() };
    let cluster = if kind.has_pods { cluster(dice, &mut servers, &mut balancers, &mut faults) } else { String::new() };
    format!(
        "seed: {seed}\n{cluster}duration: {duration_s}s\nwarmup: {warmup}\nclients:\n  - {}\nservers:\n  - {}\nbalancers:\n  - {}\nfaults: [{}]\n",
        clients.join("\n  - "),
        servers.join("\n  - "),
        balancers.join("\n  - "),
        faults.join(", ")
    )
}

fn time(dice: &mut Dice, mean_ms: u64) -> String {
    match dice.number(0, 9) {
        0 => format!("{{ constant: {mean_ms}ms }}"),
        1 | 2 => format!("{{ exponential: {{ mean: {mean_ms}ms }} }}"),
        3 => format!("{{ erlang: {{ k: 3, mean: {mean_ms}ms }} }}"),
        4 => format!("{{ hyperexponential: {{ mean: {mean_ms}ms, cv: 2 }} }}"),
        5 => format!("{{ uniform: {{ min: 0ms, max: {}ms }} }}", 2 * mean_ms),
        6 => format!("{{ lognormal: {{ mean: {mean_ms}ms, cv: 1.5 }} }}"),
        7 => format!("{{ weibull: {{ mean: {mean_ms}ms, shape: 0.7 }} }}"),
        8 => format!("{{ bimodal: {{ values: [0ms, {}ms], shares: [50%, 50%] }} }}", 2 * mean_ms),
        _ => format!("{{ gamma: {{ mean: {mean_ms}ms, cv: 0.5 }} }}"),
    }
}

fn arrivals(dice: &mut Dice, kind: Kind) -> String {
    let rate = if kind.drains && !kind.is_calm { dice.number(5, 30) } else { dice.number(5, 120) };
    if kind.drains {
        return format!(
            "{{ piecewise: {{ points: [{{ at: 0s, rate: {rate}/s }}, {{ at: 10s, rate: {rate}/s }}, {{ at: 10001ms, rate: 0/s }}] }} }}"
        );
    }
    match dice.number(0, 8) {
        0 | 1 => format!("{{ poisson: {{ rate: {rate}/s }} }}"),
        2 => format!("{{ deterministic: {{ rate: {rate}/s }} }}"),
        3 => format!("{{ renewal: {{ gap: {} }} }}", time(dice, 10)),
        4 => format!("{{ mmpp: {{ states: [{{ rate: 0/s, mean_stay: 1s }}, {{ rate: {rate}/s, mean_stay: 500ms }}] }} }}"),
        5 => format!("{{ diurnal: {{ mean: {rate}/s, amplitude: {rate}/s, period: 7s }} }}"),
        6 => format!("{{ burst: {{ base: 0/s, peak: {}/s, every: 3s, for: 300ms }} }}", 5 * rate),
        7 => format!("{{ piecewise: {{ points: [{{ at: 1s, rate: 0/s }}, {{ at: 9s, rate: {}/s }}] }} }}", 2 * rate),
        _ => format!("{{ closed: {{ users: {}, think: {} }} }}", dice.number(1, 30), time(dice, 100)),
    }
}

fn latency(dice: &mut Dice, kind: Kind) -> String {
    match dice.number(0, 5) {
        0 | 1 => ", latency: { constant: 2ms }".to_owned(),
        2 if !kind.is_nameless => format!(", latency: {}", time(dice, 3)),
        3 if !kind.is_calm => ", latency: { constant: 150ms }".to_owned(),
        _ => String::new(),
    }
}

fn retry(dice: &mut Dice, kind: Kind) -> String {
    let when = if kind.is_calm {
        "[refused, no_server]"
    } else {
        dice.choose(&["[connect_failure, reset, timeout, refused, 5xx, no_server]", "[timeout]", "[5xx, refused]"])
    };
    let backoff = dice.choose(&["0ms", "20ms", "{ base: 10ms, max: 100ms, jitter: full }", "{ base: 5ms, jitter: equal }"]);
    let budget = dice.choose(&["", ", budget: 10%", ", budget: 50%"]);
    let to = dice.choose(&["any", "other"]);
    format!(", retry: {{ max: {}, when: {when}, backoff: {backoff}, to: {to}{budget} }}", dice.number(1, 3))
}

fn client(dice: &mut Dice, index: u64, kind: Kind) -> String {
    let arrivals = arrivals(dice, kind);
    let mut more = String::new();
    let is_closed = arrivals.contains("closed");
    if !is_closed && dice.one_in(3) {
        let requests = dice.choose(&["{ constant: 3 }", "{ geometric: { mean: 4 } }", "{ uniform: { min: 1, max: 5 } }"]);
        more += &format!(", session: {{ requests: {requests}, think: {} }}", time(dice, dice_think(kind)));
    }
    if !is_closed && dice.one_in(2) {
        more += dice.choose(&[", population: 40", ", population: { users: 100, zipf: 1.1 }"]);
    }
    if dice.one_in(3) {
        more += ", addresses: { nat: { share: 50%, behind: 2 } }";
    }
    if kind.connects && !dice.one_in(3) {
        more += &connections(dice, kind);
    }
    more += &latency(dice, kind);
    // Shorter than some latencies, longer than most work.
    if !kind.is_calm && (kind.drains || dice.one_in(2)) {
        more += &format!(", timeout: {}ms", dice.number(60, 1500));
    }
    if dice.one_in(2) {
        more += &retry(dice, kind);
    }
    let mean_ms = dice.number(1, 40);
    let work = time(dice, mean_ms);
    let second = if dice.one_in(2) { format!(", {{ path: /b, weight: 0.3, work: {} }}", time(dice, 2 * mean_ms)) } else { String::new() };
    format!("{{ name: c{index}, arrivals: {arrivals}, requests: [{{ path: /a, work: {work} }}{second}]{more} }}")
}

fn dice_think(kind: Kind) -> u64 {
    if kind.drains { 50 } else { 300 }
}

fn group(dice: &mut Dice, index: u64, kind: Kind) -> String {
    let slots = dice.choose(&["1", "1", "2", "8", "unbounded"]);
    let queue = dice.choose(&["unbounded", "unbounded", "0", "3", "20"]);
    let discipline = dice.choose(&["fifo", "fifo", "ps"]);
    let speed = dice.choose(&["1.0", "0.5", "2.5"]);
    let abandoned = dice.choose(&["finish", "cancel"]);
    let (count, weight, zone) = (dice.number(1, 4), dice.number(1, 5), dice.choose(&["a", "b"]));
    let mut latency = latency(dice, kind);
    if kind.connects && dice.one_in(2) {
        latency += &format!(", keep_alive: {}ms", dice.number(20, 2000));
    }
    format!(
        "{{ name: s{index}, count: {count}, slots: {slots}, queue: {queue}, discipline: {discipline}, speed: {speed}, weight: {weight}, zone: {zone}, abandoned: {abandoned}{latency} }}"
    )
}

fn algorithm(dice: &mut Dice, kind: Kind) -> &'static str {
    const SENDS_AT_ONCE: [&str; 16] = [
        "round_robin",
        "weighted_round_robin",
        "{ weighted_round_robin: { order: block } }",
        "random",
        "weighted_random",
        "least_connections",
        "{ least_connections: { ties: random } }",
        "{ least_connections: { ties: least_recently_changed } }",
        "{ least_connections: { ties: first } }",
        "weighted_least_connections",
        "{ power_of_d: { d: 2 } }",
        "{ power_of_d: { d: 2, replacement: true } }",
        "ip_hash",
        "session_hash",
        "least_response_time",
        "consistent_hash",
    ];
    const WAITS: [&str; 2] = ["central_queue", "first"];
    match () {
        () if kind.is_nameless => dice.choose(&SENDS_AT_ONCE[..15]),
        () if kind.is_calm || !dice.one_in(4) => dice.choose(&SENDS_AT_ONCE),
        () => dice.choose(&WAITS),
    }
}

fn health_check(dice: &mut Dice, kind: Kind) -> String {
    let check =
        if kind.is_calm { "tcp: {}" } else { dice.choose(&["tcp: {}", "http: /", "http: /, checks_queue: true", "http: /, status: 204"]) };
    let rule = dice.choose(&["fail", "all", "{ panic: 50% }"]);
    let (from, initially) = (dice.choose(&["start", "end"]), dice.choose(&["healthy", "healthy", "unhealthy"]));
    let phase = if kind.is_nameless { "zero" } else { dice.choose(&["zero", "random"]) };
    let (interval_ms, timeout_ms) = (dice.number(100, 2000), dice.number(50, 1000));
    let (down, up) = (dice.number(1, 3), dice.number(1, 3));
    format!(
        ", health_check: {{ {check}, interval: {interval_ms}ms, timeout: {timeout_ms}ms, unhealthy_after: {down}, healthy_after: {up}, \
         interval_from: {from}, phase: {phase}, initially: {initially}, when_none: {rule} }}"
    )
}

fn balancer(dice: &mut Dice, name: &str, targets: &str, kind: Kind) -> String {
    let mut more = String::new();
    if dice.one_in(2) {
        more += &health_check(dice, kind);
    }
    if kind.connects && dice.one_in(3) {
        return l4_balancer(dice, name, targets, more, kind);
    }
    if kind.connects {
        if dice.one_in(2) {
            more += &connections(dice, kind);
        }
        if dice.one_in(2) {
            more += dice.choose(&[", tls: {}", ", tls: { round_trips: 2, handshake: { exponential: { mean: 5ms } }, resumed: 60% }"]);
        }
        if dice.one_in(2) {
            more += &format!(", idle_timeout: {}ms", dice.number(20, 3000));
        }
    }
    if dice.one_in(3) {
        more += dice.choose(&[", sticky: { cookie: { ttl: 3s } }", ", sticky: { cookie: {} }", ", sticky: { source_ip: { ttl: 2s } }"]);
    }
    if !kind.is_calm && dice.one_in(2) {
        more += &format!(", timeout: {}ms", dice.number(30, 800));
    }
    if !kind.is_calm && dice.one_in(3) {
        more += &format!(", connect_timeout: {}ms", dice.number(20, 300));
    }
    if dice.one_in(2) {
        more += &retry(dice, kind);
    }
    more += &latency(dice, kind);
    format!("{{ name: {name}, targets: [{targets}], algorithm: {}, weight: {}{more} }}", algorithm(dice, kind), dice.number(1, 3))
}

fn l4_balancer(dice: &mut Dice, name: &str, targets: &str, mut more: String, kind: Kind) -> String {
    let algorithm = dice.choose(&[
        "round_robin",
        "random",
        "weighted_random",
        "least_connections",
        "weighted_least_connections",
        "{ power_of_d: { d: 2 } }",
        "ip_hash",
    ]);
    if dice.one_in(3) {
        more += dice.choose(&[", sticky: { source_ip: {} }", ", sticky: { source_ip: { ttl: 2s } }"]);
    }
    // What is forgotten is lost, and without a timeout nothing else ends it.
    if !kind.is_calm && dice.one_in(2) {
        more += &format!(", idle_timeout: {}ms", dice.number(20, 3000));
    }
    if !kind.is_calm && dice.one_in(2) {
        more += ", established: reset";
    }
    more += &latency(dice, kind);
    format!("{{ name: {name}, layer: l4, targets: [{targets}], algorithm: {algorithm}, weight: {}{more} }}", dice.number(1, 3))
}

fn connections(dice: &mut Dice, kind: Kind) -> String {
    let mut limits = vec![format!("per: {}", dice.choose(&["user", "all"]))];
    // Without a timeout it could take for ever until a connection is free.
    if !kind.is_calm && dice.one_in(3) {
        limits.push(format!("max: {}", dice.number(1, 20)));
    }
    if dice.one_in(2) {
        limits.push(format!("streams: {}", dice.choose(&["1", "2", "100", "unbounded"])));
    }
    if dice.one_in(3) {
        limits.push(format!("idle_timeout: {}ms", dice.number(20, 3000)));
    }
    if dice.one_in(4) {
        limits.push(format!("max_age: {}ms", dice.number(50, 5000)));
    }
    if dice.one_in(4) {
        limits.push(format!("max_requests: {}", dice.number(1, 9)));
    }
    format!(", connections: {{ {} }}", limits.join(", "))
}

/// One balancer, or one in front of two or of one and a group.
fn balancers(dice: &mut Dice, groups: u64, kind: Kind) -> Vec<String> {
    let all: Vec<String> = (0..groups).map(|i| format!("s{i}")).collect();
    match dice.number(0, 3) {
        0 if groups > 1 => vec![
            balancer(dice, "edge", "left, right", kind),
            balancer(dice, "left", &all[0], kind),
            balancer(dice, "right", &all[1..].join(", "), kind),
        ],
        1 if groups > 1 => {
            vec![balancer(dice, "edge", &format!("inner, {}", all[0]), kind), balancer(dice, "inner", &all[1..].join(", "), kind)]
        }
        2 => vec![balancer(dice, "edge", "inner", kind), balancer(dice, "inner", &all.join(", "), kind)],
        _ => vec![balancer(dice, "edge", &all.join(", "), kind)],
    }
}

fn fault(dice: &mut Dice, groups: u64, kind: Kind) -> String {
    let group = dice.number(0, groups - 1);
    let place = match dice.number(0, 3) {
        0 => format!("server: s{group}"),
        _ => format!("server: s{group}-1"),
    };
    let once = format!("at: {}ms, for: {}ms", dice.number(0, 9000), dice.number(1, 6000));
    let when = match dice.number(0, 4) {
        0 if !kind.drains && !kind.is_nameless => format!("mtbf: {}, mttr: {}", time(dice, 3000), time(dice, 500)),
        1 if !kind.drains => format!("at: {}ms", dice.number(0, 19_000)),
        _ => once.clone(),
    };
    match dice.number(0, if kind.is_nameless { 4 } else { 5 }) {
        0 => format!("{{ crash: {{ {place}, {when} }} }}"),
        1 => format!("{{ hang: {{ {place}, {when} }} }}"),
        2 => format!("{{ blackhole: {{ {place}, {when} }} }}"),
        3 => format!("{{ slow: {{ {place}, {when}, factor: {} }} }}", dice.choose(&["0.5", "3", "20"])),
        4 => format!("{{ flap: {{ {place}, {once}, up: 300ms, down: 200ms }} }}"),
        _ => format!("{{ errors: {{ {place}, {when}, share: 40%, at_once: {} }} }}", dice.choose(&["true", "false"])),
    }
}

/// Makes pods of some groups, tells balancers of them, and adds nodes and what operators do: the lines for the scenario's top.
fn cluster(dice: &mut Dice, servers: &mut [String], balancers: &mut [String], faults: &mut Vec<String>) -> String {
    let nodes = if dice.one_in(4) { 0 } else { dice.number(1, 4) };
    let mut operations = Vec::new();
    for (index, group) in servers.iter_mut().enumerate() {
        if dice.one_in(4) {
            continue;
        }
        let replicas: u64 =
            group.split("count: ").nth(1).and_then(|rest| rest.split(',').next()).map_or(1, |count| count.parse().unwrap_or(1));
        // Sometimes hardly enough for a rollout, sometimes plenty.
        let count = replicas + 11 + dice.number(0, 10);
        *group = group.replacen(&format!("count: {replicas},"), &format!("count: {count},"), 1);
        *group = format!("{}, pods: {{ replicas: {replicas}, {} }} }}", group.strip_suffix(" }").unwrap_or(group), pods(dice, group));
        for _ in 0..dice.number(0, 2) {
            let at = format!("at: {}ms", dice.number(100, 12_000));
            operations.push(match dice.number(0, 1) {
                0 => format!("{{ rollout: {{ group: s{index}, {at} }} }}"),
                _ => format!("{{ scale: {{ group: s{index}, replicas: {}, {at} }} }}", dice.number(0, replicas + 8)),
            });
        }
    }
    for balancer in balancers.iter_mut() {
        let delay = dice.choose(&["", "delay: { constant: 0s }", "delay: { uniform: { min: 0s, max: 2s } }"]);
        let comma = if delay.is_empty() { "" } else { ", " };
        let node = if nodes > 0 && dice.one_in(3) { format!(", node: n-{}", dice.number(1, nodes)) } else { String::new() };
        let traffic = if node.is_empty() { "cluster" } else { dice.choose(&["cluster", "local"]) };
        let members = match dice.number(0, 1) {
            0 => format!("endpoints: {{ traffic: {traffic}{comma}{delay} }}"),
            _ => format!("target_group: {{ deregistration_delay: {}ms{comma}{delay} }}", dice.number(0, 3000)),
        };
        *balancer = format!("{}{node}, members: {{ {members} }} }}", balancer.strip_suffix(" }").unwrap_or(balancer));
    }
    for _ in 0..if nodes > 0 { dice.number(0, 2) } else { 0 } {
        let (kind, node) = (dice.choose(&["crash", "blackhole"]), dice.number(1, nodes));
        faults.push(format!("{{ {kind}: {{ node: n-{node}, at: {}ms, for: {}ms }} }}", dice.number(0, 9000), dice.number(1, 60_000)));
        if dice.one_in(2) {
            operations.push(format!("{{ drain: {{ node: n-{}, at: {}ms }} }}", dice.number(1, nodes), dice.number(0, 12_000)));
        }
    }
    let autoscale = dice.choose(&[
        "",
        ", autoscale: { max: 6, scan: 1s, boot: { constant: 2s }, idle: 3s }",
        ", autoscale: { min: 1, max: 6, scan: 1s, boot: { constant: 2s }, idle: 2s, utilization: 80%, after_add: 3s }",
    ]);
    let zones = dice.choose(&["[]", "[a, b]"]);
    if nodes > 0 && zones != "[]" && dice.one_in(2) {
        let (kind, zone) = (dice.choose(&["crash", "hang", "blackhole"]), if nodes > 1 { dice.choose(&["a", "b"]) } else { "a" });
        faults.push(format!("{{ {kind}: {{ zone: {zone}, at: {}ms, for: {}ms }} }}", dice.number(0, 9000), dice.number(1, 60_000)));
    }
    let nodes = match nodes {
        0 => String::new(),
        _ => format!("nodes: [{{ name: n, count: {nodes}, zones: {zones}, cpu: {}{autoscale} }}]\n", dice.choose(&["1", "8"])),
    };
    format!("{nodes}operations: [{}]\n", operations.join(", "))
}

fn pods(dice: &mut Dice, group: &str) -> String {
    let mut more = format!("cpu: 200m, image_pull: {}, start: {}", time(dice, 200), time(dice, 100));
    for probe in ["startup", "readiness", "liveness"] {
        if dice.one_in(2) {
            let what = dice.choose(&["tcp: {}", "http: /", "http: /, probes_queue: true"]);
            let (period, timeout) = (dice.number(50, 1000), dice.number(20, 500));
            let failures = dice.number(1, 3);
            more += &format!(", {probe}_probe: {{ {what}, period: {period}ms, timeout: {timeout}ms, failure_threshold: {failures} }}");
        }
    }
    let (on_term, surge) = (dice.choose(&["drain", "exit", "ignore"]), dice.choose(&["1", "2", "0"]));
    let unavailable = if surge == "0" { "1" } else { dice.choose(&["0", "1", "50%"]) };
    let min_ready = dice.choose(&["0s", "300ms"]);
    more += &format!(
        ", on_term: {on_term}, pre_stop: {}ms, grace: {}ms, rolling_update: {{ max_surge: {surge}, max_unavailable: {unavailable}, min_ready: {min_ready} }}",
        dice.number(0, 1500),
        dice.number(0, 3000)
    );
    if dice.one_in(3) {
        more += dice.choose(&[", disruption_budget: { min_available: 1 }", ", disruption_budget: { max_unavailable: 25% }"]);
    }
    if dice.one_in(2) {
        let by = if group.contains("slots: unbounded") { "in_flight: 1.5" } else { dice.choose(&["utilization: 50%", "in_flight: 2"]) };
        let down = dice.choose(&["", ", scale_down: { window: 2s }"]);
        more += &format!(", autoscale: {{ max: 10, {by}, sync: 1s, metrics_window: 700ms, cpu_initialization: 1s{down} }}");
    }
    more
}

/// The same scenario with instances, places, names, rules, slow start and changed weights put in here and there.
pub fn with_routes(text: &str, seed: u64) -> String {
    let dice = &mut Dice::new(seed ^ 0x5eed);
    let mut text = text.to_owned();
    for name in ["edge", "inner", "left", "right"] {
        let mut more = String::new();
        if dice.one_in(2) {
            more += &format!("instances: {}, ", dice.number(2, 4));
        }
        if dice.one_in(2) {
            more += dice.choose(&["zone: a, ", "zone: b, ", "zone: a, own_zone_only: true, ", "zone: b, own_zone_only: true, "]);
        }
        text = text.replacen(&format!("{{ name: {name}, "), &format!("{{ name: {name}, {more}"), 1);
    }
    let is_slowable = !["hash", "first", "central"].iter().any(|word| text.contains(word));
    if is_slowable && dice.one_in(2) {
        let start = dice.choose(&["1s", "{ for: 3s, shape: envoy, aggression: 2 }", "{ for: 20s, shape: haproxy }"]);
        text = text.replace(", health_check:", &format!(", slow_start: {start}, health_check:"));
    }
    if dice.one_in(2) {
        text = text.replace("{ name: c0, ", "{ name: c0, zone: a, ");
        text += &format!("network: {{ same_zone: {{ constant: 1ms }}, cross_zone: {} }}\n", time(dice, 20));
    }
    let mut entry = "edge";
    let mut fronts = String::new();
    if dice.one_in(2) {
        let routing = dice.choose(&["simple", "weighted", "failover", "multivalue"]);
        let kept = dice.choose(&["", ", resolvers: 2", ", ignore_ttl: 50%", ", resolvers: 3, ignore_ttl: 100%"]);
        let check = if dice.one_in(2) { ", health_check: { http: /, interval: 700ms, timeout: 300ms }" } else { "" };
        fronts += &format!("\n  - {{ name: front, targets: [edge, s0], dns: {{ routing: {routing}, ttl: 3s{kept} }}{check} }}");
        entry = "front";
    }
    if dice.one_in(2) {
        let sticky = dice.choose(&["", ", sticky: 2s"]);
        let copies = dice.choose(&["", "instances: 2, "]);
        let rules =
            format!("{{ when: {{ path: [/a] }}, forward: {{ {entry}: 2, s0: 1 }}{sticky} }}, {{ respond: {} }}", dice.number(400, 599));
        let retry = dice.choose(&["", ", retry: { max: 1, when: [no_server, refused, 4xx] }", ", timeout: 200ms"]);
        fronts += &format!("\n  - {{ name: gate, {copies}rules: [{rules}]{retry} }}");
        text += "operations: [{ weights: { balancer: gate, set: { s0: 5 }, at: 4s } }]\n";
        entry = "gate";
    } else if text.contains("name: inner") && dice.one_in(2) {
        text += "operations: [{ weights: { balancer: edge, set: { inner: 0 }, at: 4s } }, { weights: { balancer: edge, set: { inner: 3 }, at: 9s } }]\n";
    }
    text.replacen("\nfaults:", &format!("{fronts}\nentry: {entry}\nfaults:"), 1)
}
