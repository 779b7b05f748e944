//! Connections that are kept: who has them, which requests are on them, how long they live. A connection runs from who opened it (a client
//! or an L7 balancer) through L4 balancers, whose choice it keeps, to the first L7 balancer or the server. State and decisions only;
//! `data_plane/connect.rs` schedules what comes of them.

use super::client::NONE;
use super::connection::{Connection, NEVER, Source, State};
use super::event::Ref;
use super::plan::{ConnectionsPlan, TargetRef, TlsPlan, Topology};
use super::slab::Slab;
use crate::measure::connections::OpenerRecord;
use crate::policy::TargetId;
use crate::rng::Rng;
use crate::units::{Span, Time};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The connections of one opener (of one of its users) to one target.
pub struct Pool {
    pub opener: u32,
    pub target: TargetId,
    /// Of a user that can come back; else it goes with its only connection.
    key: Option<(u32, u64, TargetId)>,
    /// Those that can take a request; the last was used most recently.
    pub free: Vec<u32>,
    /// Connections that there are.
    pub open: u32,
    /// Who waits for one, with the time since when.
    pub waiting: VecDeque<(Ref, Time)>,
    /// Those who wait are being served.
    pub is_served: bool,
}

/// A client or a balancer that keeps its connections.
pub struct Opener {
    pub plan: ConnectionsPlan,
    /// The handshake is given up after this time.
    pub connect_timeout: Option<Span>,
    pub record: OpenerRecord,
    /// Connections now, and since when.
    open: u32,
    changed: Time,
}

/// A balancer that ends TLS.
pub struct Terminator {
    pub plan: TlsPlan,
    pub rng: Rng,
    /// Who has made a full handshake.
    pub seen: BTreeSet<(u32, u64)>,
}

impl Opener {
    fn count_open(&mut self, change: i32, now: Time, window: (Time, Time)) {
        let span = now.min(window.1).0.saturating_sub(self.changed.max(window.0).0);
        self.record.open += u128::from(self.open) * u128::from(span);
        self.changed = now;
        self.open = self.open.saturating_add_signed(change);
    }
}

/// What a pool has for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    Use(u32),
    /// Too old, and to be taken out first.
    Aged(u32),
    Open,
    Wait,
}

/// A place on a connection.
#[derive(Clone, Copy)]
struct Seat {
    connection: u32,
    /// The request has come to the connection's end and is not answered.
    is_at_end: bool,
}

const NOWHERE: Seat = Seat { connection: u32::MAX, is_at_end: false };

/// All connections of a run. Without parts that keep any it is empty.
#[derive(Default)]
pub struct Connections {
    /// Clients first, then balancers; `None` where they keep no connections.
    pub openers: Vec<Option<Opener>>,
    pub slots: Slab<Connection>,
    pub pools: Slab<Pool>,
    by_party: BTreeMap<(u32, u64, TargetId), u32>,
    /// The connections that each attempt is on: from the client's on, one for each opener on its way.
    seats: Vec<Seat>,
    stride: usize,
    /// Of balancers, where they end TLS.
    pub terminators: Vec<Option<Terminator>>,
    /// Connections opened so far, also those that are not kept.
    numbers: u64,
    /// What is counted.
    window: (Time, Time),
}

impl Connections {
    pub fn new(topology: &Topology, window: (Time, Time), tls: impl Fn(&str) -> Rng) -> Connections {
        let opener = |plan: &Option<ConnectionsPlan>, connect_timeout| {
            let plan = *plan.as_ref()?;
            Some(Opener { plan, connect_timeout, record: OpenerRecord::default(), open: 0, changed: Time::ZERO })
        };
        let clients = topology.clients.iter().map(|client| opener(&client.kept, None));
        let balancers = topology.balancers.iter().map(|balancer| opener(&balancer.ways.kept, balancer.connect_timeout));
        let terminator =
            |name: &str, plan: &Option<TlsPlan>| Some(Terminator { plan: plan.as_ref()?.clone(), rng: tls(name), seen: BTreeSet::new() });
        let routers = topology.balancers.iter().map(|balancer| (&balancer.name, &balancer.ways.tls));
        let ends = routers.chain(topology.servers.iter().map(|server| (&server.name, &server.tls)));
        Connections {
            openers: clients.chain(balancers).collect(),
            stride: topology.depth_max + 1,
            terminators: ends.map(|(name, tls)| terminator(name, tls)).collect(),
            window,
            ..Connections::default()
        }
    }

    /// Makes room for so many attempts.
    pub fn make_room(&mut self, attempts: u32) {
        let places = attempts as usize * self.stride;
        if self.seats.len() < places {
            self.seats.resize(places, NOWHERE);
        }
    }

    /// Whether anybody keeps connections.
    pub fn are_kept(&self) -> bool {
        self.openers.iter().any(Option::is_some)
    }

    /// The plan of a pool's opener.
    pub fn plan(&self, pool: u32) -> ConnectionsPlan {
        self.opener(pool).plan
    }

    pub fn opener(&self, pool: u32) -> &Opener {
        let Some(opener) = &self.openers[self.pools[pool].opener as usize] else { unreachable!("only openers have pools") };
        opener
    }

    pub fn opener_mut(&mut self, pool: u32) -> &mut Opener {
        let Some(opener) = &mut self.openers[self.pools[pool].opener as usize] else { unreachable!("only openers have pools") };
        opener
    }

    // ---- Pools --------------------------------------------------------------------------------------------------------

    /// The pool of a user, or of all (`Some(0)`); nobody in particular gets a new one.
    pub fn pool(&mut self, opener: u32, user: Option<u64>, target: TargetId) -> u32 {
        let key = user.map(|user| (opener, user, target));
        if let Some(pool) = key.and_then(|key| self.by_party.get(&key)) {
            return *pool;
        }
        let pool = self.pools.insert(Pool { opener, target, key, free: Vec::new(), open: 0, waiting: VecDeque::new(), is_served: false });
        if let Some(key) = key {
            self.by_party.insert(key, pool);
        }
        pool
    }

    /// The pool of a connection, as long as there is one.
    pub fn pool_of(&self, connection: u32) -> Ref {
        self.pools.at(self.slots[connection].pool)
    }

    /// The pools of a user.
    pub fn pools_of(&self, opener: u32, user: u64) -> Vec<u32> {
        self.by_party.range((opener, user, 0)..=(opener, user, TargetId::MAX)).map(|(_, pool)| *pool).collect()
    }

    /// A pool with neither connections nor anybody who waits is forgotten.
    pub fn drop_if_empty(&mut self, index: u32) {
        let pool = &self.pools[index];
        if pool.open > 0 || !pool.waiting.is_empty() || pool.is_served {
            return;
        }
        if let Some(key) = pool.key {
            self.by_party.remove(&key);
        }
        self.pools.remove(index);
    }

    /// What the pool has for one more request.
    pub fn offer(&self, pool: u32, now: Time) -> Offer {
        let plan = self.plan(pool);
        match self.pools[pool].free.last() {
            Some(connection) if self.is_too_old(*connection, now) => Offer::Aged(*connection),
            Some(connection) => Offer::Use(*connection),
            None if self.pools[pool].open < plan.max => Offer::Open,
            None => Offer::Wait,
        }
    }

    pub fn is_too_old(&self, connection: u32, now: Time) -> bool {
        let connection = &self.slots[connection];
        self.plan(connection.pool).max_age.is_some_and(|age| now >= connection.started + age)
    }

    // ---- Connections --------------------------------------------------------------------------------------------------

    /// Number of a new connection.
    pub fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub fn open(&mut self, pool: u32, first: TargetRef, source: Source, now: Time) -> u32 {
        let number = self.number();
        self.pools[pool].open += 1;
        self.count_open(pool, 1, now);
        self.slots.insert(Connection {
            pool,
            state: State::Opening,
            is_left: false,
            is_gone: false,
            retires: false,
            drains: false,
            busy: 0,
            requests: 0,
            at_end: 0,
            started: now,
            ready: NEVER,
            travel: Span::ZERO,
            repeats: 0,
            lost_by: NONE,
            is_to_nobody: false,
            idle_since: now,
            end_idle_since: now,
            timer: NEVER,
            end: first,
            passages: Vec::new(),
            waiting: Vec::new(),
            source,
            number,
            fate: None,
        })
    }

    /// Books the time with so many connections, from the warm-up on; then there are `change` more.
    fn count_open(&mut self, pool: u32, change: i32, now: Time) {
        let window = self.window;
        self.opener_mut(pool).count_open(change, now, window);
    }

    /// The records of all openers.
    pub fn close_books(&mut self) -> Vec<Option<OpenerRecord>> {
        let window = self.window;
        let close = |opener: &mut Option<Opener>| {
            let opener = opener.as_mut()?;
            opener.count_open(0, window.1, window);
            Some(std::mem::take(&mut opener.record))
        };
        self.openers.iter_mut().map(close).collect()
    }

    /// The record of a pool's opener, if what happens now counts.
    pub fn record(&mut self, pool: u32, now: Time) -> Option<&mut OpenerRecord> {
        let is_counted = (self.window.0..=self.window.1).contains(&now);
        is_counted.then(|| &mut self.opener_mut(pool).record)
    }

    /// Puts an attempt on a connection. `false`: it has to wait for the handshake.
    pub fn assign(&mut self, attempt: u32, segment: u8, index: u32, now: Time) -> bool {
        let place = self.place(attempt, segment);
        self.seats[place] = Seat { connection: index, is_at_end: false };
        let plan = self.plan(self.slots[index].pool);
        let connection = &mut self.slots[index];
        connection.busy += 1;
        connection.requests += 1;
        connection.retires |= connection.requests >= plan.max_requests || self.pools[connection.pool].key.is_none();
        let (is_full, is_ready, pool) = (connection.busy >= plan.streams || connection.retires, now >= connection.ready, connection.pool);
        let free = &mut self.pools[pool].free;
        let place = free.iter().rposition(|other| *other == index);
        match (place, is_full) {
            (Some(place), true) => drop(free.remove(place)),
            (None, false) => free.push(index),
            _ => {}
        }
        is_ready
    }

    fn place(&self, attempt: u32, segment: u8) -> usize {
        attempt as usize * self.stride + usize::from(segment)
    }

    /// The connection that an attempt is on in this segment of its way.
    pub fn seat(&self, attempt: u32, segment: u8) -> Option<u32> {
        let seat = self.seats.get(self.place(attempt, segment))?;
        (seat.connection != NOWHERE.connection).then_some(seat.connection)
    }

    /// The attempt has come to the end of its connection.
    pub fn arrive(&mut self, attempt: u32, segment: u8) {
        let place = self.place(attempt, segment);
        let seat = &mut self.seats[place];
        seat.is_at_end = true;
        self.slots[seat.connection].at_end += 1;
    }

    /// The end has answered the attempt, or hears that nobody waits for it. `true`: nothing else is there.
    pub fn depart(&mut self, attempt: u32, segment: u8, now: Time) -> bool {
        let place = self.place(attempt, segment);
        let Some(seat) = self.seats.get_mut(place) else { return false };
        if !std::mem::replace(&mut seat.is_at_end, false) {
            return false;
        }
        let connection = &mut self.slots[seat.connection];
        connection.at_end -= 1;
        connection.end_idle_since = now;
        connection.at_end == 0
    }

    /// Takes an attempt off its connection.
    pub fn take_seat(&mut self, attempt: u32, segment: u8) -> Option<u32> {
        let connection = self.seat(attempt, segment)?;
        let place = self.place(attempt, segment);
        self.seats[place] = NOWHERE;
        self.slots[connection].busy -= 1;
        Some(connection)
    }

    /// An attempt goes on in another slot, with its first `segments` connections.
    pub fn move_seats(&mut self, from: u32, to: u32, segments: usize) {
        for segment in 0..segments as u8 {
            let (from, to) = (self.place(from, segment), self.place(to, segment));
            if from < self.seats.len() {
                self.seats[to] = std::mem::replace(&mut self.seats[from], NOWHERE);
            }
        }
    }

    /// The segments in which an attempt is on a connection.
    pub fn segments(&self) -> u8 {
        self.stride as u8
    }

    /// Its opener knows that a connection is no more.
    pub fn leave(&mut self, index: u32, now: Time) {
        let connection = &mut self.slots[index];
        connection.is_left = true;
        let pool = connection.pool;
        self.pools[pool].free.retain(|other| *other != index);
        self.pools[pool].open -= 1;
        self.count_open(pool, -1, now);
    }

    /// Frees the slot of a connection that nobody knows any more.
    pub fn free_if_forgotten(&mut self, index: u32) {
        let connection = &mut self.slots[index];
        if connection.is_left && connection.busy == 0 && connection.state == State::Closed {
            connection.state = State::Free;
            self.slots.remove(index);
        }
    }

    /// A request has left; the connection can take another one, and was used last.
    pub fn make_free(&mut self, index: u32, now: Time) {
        let connection = &mut self.slots[index];
        if connection.busy == 0 {
            connection.idle_since = now;
        }
        let free = &mut self.pools[connection.pool].free;
        if free.last() != Some(&index) {
            free.retain(|other| *other != index);
            free.push(index);
        }
    }

    /// When something will end on a connection if nothing happens on it. `end_idle`: how long its end keeps it idle;
    /// `passage_idle`: how long a balancer on its way does.
    pub fn deadline(&self, index: u32, end_idle: Option<Span>, passage_idle: impl Fn(u32) -> Option<Span>) -> Time {
        let connection = &self.slots[index];
        let opener = self.opener(connection.pool);
        let after = |since: Time, span: Option<Span>| span.map_or(NEVER, |span| since + span);
        match connection.state {
            State::Opening if connection.ready == NEVER => after(connection.started, opener.connect_timeout),
            State::Open => {
                let idle = if connection.busy == 0 { after(connection.idle_since, opener.plan.idle_timeout) } else { NEVER };
                let age = if connection.retires { NEVER } else { after(connection.started, opener.plan.max_age) };
                let end = if connection.at_end == 0 && !connection.is_gone { after(connection.end_idle_since, end_idle) } else { NEVER };
                let counted = connection.passages.iter().filter(|passage| passage.is_counted);
                counted.map(|passage| after(passage.last, passage_idle(passage.balancer))).fold(idle.min(age).min(end), Time::min)
            }
            _ => NEVER,
        }
    }

    /// Whether the books are right: connections, seats, and what L4 balancers count (`in_flight` of them beside these).
    pub fn counted_by_balancers(&self) -> u32 {
        let connections = (0..self.slots.capacity()).map(|index| &self.slots[index]).filter(|connection| connection.state != State::Free);
        connections.flat_map(|connection| &connection.passages).filter(|passage| passage.is_counted).count() as u32
    }

    /// Whether each connection counts the requests that are on it.
    pub fn are_balanced(&self) -> bool {
        let mut busy = vec![0; self.slots.capacity() as usize];
        self.seats.iter().filter(|seat| seat.connection != NOWHERE.connection).for_each(|seat| busy[seat.connection as usize] += 1);
        let is_right = |index: u32| self.slots[index].state == State::Free || self.slots[index].busy == busy[index as usize];
        (0..self.slots.capacity()).all(is_right)
    }
}
