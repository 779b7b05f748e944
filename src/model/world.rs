//! All parts as plain vectors, and one match that hands each event to whom it concerns.

use super::attempt::{Attempt, Hop, Phase, Request};
use super::balancer::{self, Balancer, Bar, Finder};
use super::checker::Checker;
use super::client::{self, Actor, Client};
use super::cluster::Cluster;
use super::connections::Connections;
use super::data_plane::{Ways, is_open_road};
use super::dns::Name;
use super::event::{Event, Packed, Ref};
use super::link::Link;
use super::places::{Places, is_in_zone_of};
use super::plan::{BalancerPlan, Plan, ServerPlan, TargetRef, Topology};
use super::retry::Retries;
use super::rules::Rules;
use super::server::{Load, Server};
use super::slab::Slab;
use crate::control::probe::Kind;
use crate::dist::Sampler;
use crate::measure::history::History;
use crate::measure::{Recorder, RunRecord, Statuses, Timeline, Visits};
use crate::policy::Targets;
use crate::rng::{self, Rng};
use crate::sim::{Calendar, Turn};
use crate::units::{Span, Time};
use std::sync::Arc;

/// One health check or probe under way.
#[derive(Clone, Copy)]
pub(super) enum Check {
    /// Of a balancer; `token` is that of the checker when it started.
    Checker { checker: u32, token: u32 },
    /// Of a kubelet: of this run of the container.
    Probe { server: u32, kind: Kind, run: u32, started: Time },
}

/// One fault on one server (or on all of its servers): see `control_plane`.
pub(super) struct Strike {
    pub fault: u32,
    /// Nodes that it strikes with everything on them.
    pub nodes: Vec<u32>,
    /// Balancers that it cuts off, which run on no node.
    pub balancers: Vec<u32>,
    /// Index in the failover tracker.
    pub tracked: u32,
    /// Draws the times of a fault that strikes at random.
    pub rng: Rng,
}

pub(super) struct World {
    pub plan: Plan,
    pub topology: Arc<Topology>,
    /// As in the topology, near at hand.
    pub depth_max: usize,
    pub entry: u32,
    pub calendar: Calendar<Packed>,
    /// When the loads are looked at next. Not in the calendar: it would be one more to compare with at every event.
    pub(super) tick: Option<Turn>,
    pub recorder: Recorder,
    pub clients: Vec<Client>,
    pub actors: Slab<Actor>,
    pub requests: Slab<Request>,
    pub attempts: Slab<Attempt>,
    /// Hops of each attempt: `depth_max` places for each slot.
    pub hops: Vec<Hop>,
    pub balancers: Vec<Balancer>,
    pub servers: Vec<Server>,
    pub server_links: Vec<Link>,
    pub server_errors: Vec<Rng>,
    pub checkers: Vec<Checker>,
    pub checks: Slab<Check>,
    /// Checks that wait in a server, by the slot of their attempt.
    pub check_attempts: Vec<Option<Ref>>,
    /// What users that can come back have seen.
    pub visits: Vec<Visits>,
    /// Checkers that watch each server.
    pub watchers: Vec<Vec<u32>>,
    pub strikes: Vec<Strike>,
    /// By balancer: strikes that have cut it off. Empty as long as nobody was.
    pub lost_balancers: Vec<Vec<u32>>,
    /// Where there are nodes or pods.
    pub cluster: Option<Box<Cluster>>,
    /// Loads at the end of the warm-up, of the last bin, and of the run.
    pub(super) load_at_warmup: Vec<Load>,
    pub(super) load_at_bin: Vec<Load>,
    pub(super) load_at_end: Vec<Load>,
    /// Requests under way.
    pub open_requests: u64,
    pub(super) events: u64,
    /// Last number given to a sending by a balancer.
    pub last_token: u32,
    /// The ways of requests, where they are told.
    pub ways: Option<Box<Ways>>,
    /// Where everything stands, where that matters.
    pub places: Option<Box<Places>>,
    /// Those that are kept.
    pub connections: Box<Connections>,
}

/// A hundred million requests wait for a minute in a third of 64 bits of nanoseconds, and more do not fit into memory.
const LOAD_INTERVAL_MAX: Span = Span::from_secs(60);

/// Runs a plan to its end.
pub fn run(plan: Plan) -> RunRecord {
    // Draining asks for the open requests, which the open road does not keep.
    if !plan.drains && is_open_road(&plan.topology) {
        run_by(plan, World::handle_on_open_road, |world| world.recorder.responses_are_latencies())
    } else {
        run_step_by_step(plan)
    }
}

/// As [`run`], without short cuts.
pub(crate) fn run_step_by_step(plan: Plan) -> RunRecord {
    run_by(plan, World::handle, |_| {})
}

#[inline(always)]
fn run_by(plan: Plan, handle: impl Fn(&mut World, Packed), close: impl FnOnce(&mut World)) -> RunRecord {
    let mut world = World::new(plan);
    world.begin();
    world.play(world.plan.duration, handle);
    world.end();
    if world.plan.drains {
        world.drain();
    }
    close(&mut world);
    world.finish()
}

impl World {
    pub(super) fn new(plan: Plan) -> World {
        let topology = plan.topology.clone();
        let mut calendar = Calendar::new();
        let clients = clients(&plan, &topology, &mut calendar);
        let returning: usize = topology.clients.iter().map(|client| client.users.count() as usize).sum();
        let timeline = Timeline::new(plan.timeline_bin, plan.duration, topology.servers.len());
        let window = (plan.warmup, plan.duration);
        let mut recorder = Recorder::new(topology.classes.len(), topology.servers.len(), returning, timeline, window, plan.is_pilot);
        if topology.balancers.iter().any(|balancer| balancer.ways.counts_statuses) {
            recorder.statuses = vec![Statuses::default(); topology.balancers.len()];
        }
        recorder.history = (plan.replication == 0 && !plan.is_pilot).then(History::default);
        let stream = |name: String| rng::stream(plan.seed, plan.replication, &name);
        let ways = Ways::of(&topology);
        let places = topology.network.is_some().then(|| Box::new(Places::of(&topology)));
        let connections = Connections::new(&topology, window, |name| stream(format!("balancer/{name}/tls")));
        let server_network = |server: &ServerPlan| stream(format!("server/{}/network", server.name));
        World {
            balancers: topology.balancers.iter().map(|balancer| build_balancer(balancer, &plan, &mut calendar)).collect(),
            servers: servers(&topology),
            server_links: topology
                .servers
                .iter()
                .map(|server| link(&topology, &server.latency, server_network(server), &mut calendar))
                .collect(),
            server_errors: topology.servers.iter().map(|server| stream(format!("server/{}/errors", server.name))).collect(),
            watchers: vec![Vec::new(); topology.servers.len()],
            load_at_warmup: vec![Load::default(); topology.servers.len()],
            load_at_bin: vec![Load::default(); topology.servers.len()],
            load_at_end: Vec::new(),
            open_requests: 0,
            clients,
            recorder,
            calendar,
            tick: None,
            depth_max: topology.depth_max,
            entry: topology.entry,
            topology,
            plan,
            actors: Slab::default(),
            requests: Slab::default(),
            attempts: Slab::default(),
            hops: Vec::new(),
            checkers: Vec::new(),
            checks: Slab::default(),
            check_attempts: Vec::new(),
            visits: vec![Visits::default(); returning],
            strikes: Vec::new(),
            lost_balancers: Vec::new(),
            cluster: None,
            events: 0,
            last_token: 0,
            places,
            ways,
            connections: Box::new(connections),
        }
    }

    /// Schedules what happens by itself: the warm-up's end first, so that it precedes arrivals at the same time.
    pub(super) fn begin(&mut self) {
        self.calendar.schedule(self.plan.warmup, Event::WarmupEnds);
        self.schedule_tick();
        self.begin_operations();
        self.begin_cluster();
        self.begin_checks();
        if !self.plan.is_pilot {
            // What a fault changes is no transient of the start.
            self.begin_faults();
        }
        self.begin_clients();
    }

    /// Lets happen what happens by `until`.
    #[inline(always)]
    pub(super) fn play(&mut self, until: Time, handle: impl Fn(&mut World, Packed)) {
        let end = Turn::after(until);
        loop {
            let tick = self.tick.filter(|tick| *tick < end);
            let turn = tick.unwrap_or(end);
            while let Some(event) = self.calendar.next(turn) {
                self.events += 1;
                handle(self, event);
            }
            if tick.is_none() {
                return;
            }
            self.events += 1;
            self.calendar.take_turn(turn);
            self.timeline_tick();
        }
    }

    pub(super) fn handle(&mut self, event: Packed) {
        match event.unpack() {
            Event::Arrive { client } => self.arrive(client),
            Event::ActorSends { actor } => self.actor_sends(actor),
            Event::ClientTimeout(request) => self.client_times_out(request),
            Event::ClientRetry(request) => self.client_retries(request),
            Event::AtBalancer(attempt) => self.if_current(attempt, World::at_balancer),
            Event::BalancerRetry(attempt) => self.if_current(attempt, World::route),
            Event::BalancerTimeout { request, token, is_connect } => self.balancer_times_out(request, token, is_connect),
            Event::AtServer(attempt) => self.if_current(attempt, World::at_server),
            Event::Finished { attempt, .. } => self.if_current(attempt, World::finished),
            Event::ShareFinished { server, generation } => self.share_finished(server, generation),
            Event::ResultAtBalancer(attempt) => self.if_current(attempt, World::result_at_balancer),
            Event::ResultAtClient(attempt) => self.if_current(attempt, World::result_at_client),
            Event::CheckStarts { checker } => self.standing_check_starts(checker),
            Event::CheckAtTarget { check } => self.check_at_target(check),
            Event::CheckEnds { check, passed } => self.check_ends(check, passed),
            Event::FaultBegins { strike } => self.fault_begins(strike),
            Event::FaultEnds { strike } => self.fault_ends(strike),
            Event::Operates { operation } => self.operates(operation),
            Event::Cluster(event) => self.cluster_event(event),
            Event::WarmupEnds => self.warmup_ends(),
            Event::FirstPacket(connection) => self.if_connected(connection, World::first_packet_arrives),
            Event::FlowAgain { attempt, repeats } => self.flow_again(attempt, repeats),
            Event::Established(connection) => self.if_connected(connection, World::established),
            Event::OnConnection(attempt) => self.if_current(attempt, World::arrives_on_connection),
            Event::ResultOnConnection(attempt) => self.if_current(attempt, World::result_on_connection),
            Event::OpenerIsTold(connection) => self.if_connected(connection, World::opener_is_told),
            Event::ConnectionTimer(connection) => self.if_connected(connection, World::connection_timer),
        }
    }

    pub(super) fn now(&self) -> Time {
        self.calendar.now()
    }

    fn warmup_ends(&mut self) {
        let now = self.now();
        self.load_at_warmup = self.servers.iter_mut().map(|server| server.load(now)).collect();
    }

    fn timeline_tick(&mut self) {
        let now = self.now();
        if now == self.bin_ends() {
            self.end_bin(now);
        } else {
            for server in &mut self.servers {
                let _ = server.load(now);
            }
        }
        self.schedule_tick();
    }

    /// At the end of the bin, or earlier for the sake of the integrals. Not at the end of the run: `finish` closes the last
    /// bin when everything of that instant has happened.
    fn schedule_tick(&mut self) {
        let at = (self.now() + LOAD_INTERVAL_MAX).min(self.bin_ends());
        self.tick = (at < self.plan.duration).then(|| self.calendar.turn(at));
    }

    fn bin_ends(&self) -> Time {
        Time((self.recorder.timeline.bins.len() as u64 + 1) * self.plan.timeline_bin.0)
    }

    pub(super) fn end_bin(&mut self, now: Time) {
        let width = (now.0 - self.recorder.timeline.bins.len() as u64 * self.plan.timeline_bin.0).max(1) as f64;
        let World { recorder, servers, load_at_bin, watchers, checkers, cluster, balancers, .. } = self;
        recorder.end_bin(|index| {
            let load = servers[index].load(now);
            let before = std::mem::replace(&mut load_at_bin[index], load);
            let waiting = (load.waiting - before.waiting) as f64 / width;
            let busy = (load.busy - before.busy) as f64 / width;
            let watching = &watchers[index];
            let healthy = watching.iter().filter(|checker| checkers[**checker as usize].is_healthy()).count();
            let in_rotation = match cluster {
                Some(cluster) => cluster.share_in_use(index as u32, balancers, watching.iter().map(|checker| &checkers[*checker as usize])),
                None if watching.is_empty() => 1.0,
                None => healthy as f32 / watching.len() as f32,
            };
            (busy + waiting, waiting, in_rotation, servers[index].is_up())
        });
    }
}

impl Request {
    /// Whether the slot is in use.
    pub fn is_open(&self) -> bool {
        self.client != client::NONE
    }
}

impl Attempt {
    pub fn is_free(&self) -> bool {
        self.phase == Phase::Free
    }
}

fn clients(plan: &Plan, topology: &Topology, calendar: &mut Calendar<Packed>) -> Vec<Client> {
    let mut first_user = 0;
    let mut clients = Vec::new();
    for client_plan in &topology.clients {
        let stream = |what: &str| rng::stream(plan.seed, plan.replication, &format!("client/{}/{what}", client_plan.name));
        let parts = client::Parts {
            seed: plan.seed,
            replication: plan.replication,
            first_user,
            source: calendar.source(),
            link: link(topology, &client_plan.latency, stream("network"), calendar),
            timeout: client_plan.timeout.map(|timeout| (timeout, calendar.delay_lane(timeout))),
            retries: client_plan.retry.clone().map(|retry| Retries::new(retry, stream("backoff"))),
        };
        first_user += client_plan.users.count();
        clients.push(Client::new(client_plan, parts));
    }
    clients
}

fn servers(topology: &Topology) -> Vec<Server> {
    let is_connected = topology.watches_connections() || Ways::are_told(topology);
    let build = |plan: &ServerPlan| {
        let mut server = Server::new(plan);
        server.change_standing(Time::ZERO, |rare| rare.is_connected = is_connected);
        server
    };
    topology.servers.iter().map(build).collect()
}

fn build_balancer(balancer: &BalancerPlan, plan: &Plan, calendar: &mut Calendar<Packed>) -> Balancer {
    let topology = &plan.topology;
    let stream = |what: &str| rng::stream(plan.seed, plan.replication, &format!("balancer/{}/{what}", balancer.name));
    let targets = Targets::new(balancer.targets.iter().map(|target| match target {
        TargetRef::Server(server) => {
            let server = &topology.servers[*server as usize];
            (server.name.clone(), server.weight, server.slots)
        }
        TargetRef::Balancer(inner) => {
            let inner = &topology.balancers[*inner as usize];
            (inner.name.clone(), inner.weight, u32::MAX)
        }
    }));
    let parts = balancer::Parts {
        targets,
        routing: stream("routing"),
        retries: balancer.retry.clone().map(|retry| Retries::new(retry, stream("backoff"))),
        link: link(topology, &balancer.latency, stream("network"), calendar),
        timeout: balancer.waits_for().map(|timeout| (timeout, calendar.delay_lane(timeout))),
        passes_on: balancer.targets.iter().map(|target| topology.passes_on(*target)).collect(),
        is_watched: topology.watches_connections() || Ways::are_told(topology),
    };
    let mut built = Balancer::new(balancer, parts);
    if !balancer.routing.rules.is_empty() {
        built.find_by(Finder::Rules(Rules::new(&balancer.routing.rules, stream("rules"))));
    }
    if let Some(dns) = &balancer.routing.dns {
        built.find_by(Finder::Name(Name::new(dns, balancer.targets.len(), stream("dns"), &mut stream("dns_ages"))));
    }
    if balancer.routing.own_zone_only {
        built.bar(Bar::Zone, |target| !is_in_zone_of(balancer.routing.place, topology.place(balancer.targets[target as usize])));
    }
    built
}

/// A link; where it matters where its ends stand, one between places.
fn link(topology: &Topology, latency: &Sampler, rng: Rng, calendar: &mut Calendar<Packed>) -> Link {
    let link = Link::new(latency, rng, calendar);
    if topology.network.is_some() { link.between_places(latency) } else { link }
}
