//! The recorder of one run: the data plane tells it what happened, it counts what belongs to the window.

use super::affinity::AffinityRecord;
use super::failover::FailoverTracker;
use super::fairness::{UserLatency, UserSum};
use super::history::History;
use super::latency::Tally;
use super::statuses::Statuses;
use super::timeline::{Bin, ServerBin, Timeline};
use super::{ClassRecord, CoarseLatencies, Counts};
use crate::scenario::Failure;
use crate::stats::Mser5;
use crate::units::{Span, Time};

/// Up to this many servers each has percentiles of its own; beyond, mean and maximum alone (memory, and the cache misses of
/// tens of thousands of histograms).
const SERVER_PERCENTILES_MAX: usize = 1000;

/// So many answers are recorded at once.
const HELD_MAX: usize = 256;

/// What is recorded of each server's response times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ServerDetail {
    /// The only server has those of all classes: nothing is recorded twice.
    OfClasses,
    Percentiles,
    Sums,
}

impl ServerDetail {
    fn of(servers: usize) -> ServerDetail {
        match servers {
            1 => ServerDetail::OfClasses,
            2..=SERVER_PERCENTILES_MAX => ServerDetail::Percentiles,
            _ => ServerDetail::Sums,
        }
    }
}

/// Counters of a run. Those of requests and attempts hold only what was first sent within the window.
pub struct Recorder {
    pub requests: Counts,
    pub retried: u64,
    /// Requests answered with success within the window.
    pub answered: u64,
    window: (Time, Time),
    /// Outcomes of attempts; those sent are counted by server.
    pub attempts: Counts,
    pub classes: Vec<ClassRecord>,
    /// Attempts by server: (counted, all).
    server_attempts: Vec<(u64, u64)>,
    pub server_response: Vec<CoarseLatencies>,
    server_detail: ServerDetail,
    pub users: UserLatency,
    /// Sums of the users that can come back.
    pub user_sums: Vec<UserSum>,
    pub affinity: AffinityRecord,
    pub failover: FailoverTracker,
    pub checks_sent: u64,
    pub checks_failed: u64,
    /// By balancer, where it is counted.
    pub statuses: Vec<Statuses>,
    pub timeline: Timeline,
    bin: Bin,
    /// Answers that are still to be recorded: the first `holds` of them. Counted are all of them or none.
    held: Box<[Served; HELD_MAX]>,
    holds: usize,
    are_held_counted: bool,
    /// All attempts by server up to the end of the last bin.
    attempts_at_bin: Vec<u64>,
    /// Answers elsewhere than the last up to the end of the last bin.
    moved_at_bin: u64,
    /// Where it is kept.
    pub history: Option<History>,
    pub pilot: Option<Mser5>,
}

/// An answered request.
#[derive(Clone, Copy)]
pub struct Answered {
    pub class: u32,
    pub latency: Span,
    pub is_counted: bool,
    /// Index of the user, where it can come back.
    pub user: Option<u32>,
}

/// A successful attempt at a server.
#[derive(Clone, Copy, Default)]
pub struct Served {
    pub class: u32,
    pub server: u32,
    pub response: Span,
    pub waiting: Span,
}

impl Recorder {
    pub fn new(classes: usize, servers: usize, users: usize, timeline: Timeline, window: (Time, Time), is_pilot: bool) -> Recorder {
        Recorder {
            requests: Counts::default(),
            retried: 0,
            answered: 0,
            window,
            attempts: Counts::default(),
            classes: vec![ClassRecord::default(); classes],
            server_attempts: vec![(0, 0); servers],
            server_response: vec![CoarseLatencies::default(); servers],
            server_detail: ServerDetail::of(servers),
            users: UserLatency::default(),
            user_sums: vec![UserSum::default(); users],
            affinity: AffinityRecord::default(),
            failover: FailoverTracker::default(),
            checks_sent: 0,
            checks_failed: 0,
            statuses: Vec::new(),
            attempts_at_bin: vec![0; timeline.servers],
            timeline,
            bin: Bin::default(),
            held: Box::new([Served::default(); HELD_MAX]),
            holds: 0,
            are_held_counted: false,
            moved_at_bin: 0,
            history: None,
            pilot: is_pilot.then(Mser5::default),
        }
    }

    #[inline(always)]
    pub fn request_sent(&mut self, is_counted: bool) {
        self.bin.sent += 1;
        self.requests.sent += u64::from(is_counted);
    }

    #[inline(always)]
    pub fn attempt_sent(&mut self, server: u32, is_counted: bool) {
        let (counted, all) = &mut self.server_attempts[server as usize];
        *counted += u64::from(is_counted);
        *all += 1;
    }

    /// Counted attempts that were sent to a server.
    pub fn attempts_to(&self, server: usize) -> u64 {
        self.server_attempts[server].0
    }

    /// All counted attempts.
    pub fn attempts(&self) -> Counts {
        let mut attempts = self.attempts;
        attempts.sent = self.server_attempts.iter().map(|(counted, _)| counted).sum();
        attempts
    }

    #[inline(always)]
    pub fn attempt_served(&mut self, served: Served) {
        let class = &mut self.classes[served.class as usize];
        class.response.record(served.response);
        class.record_waiting(served.waiting);
        self.served_by(served);
    }

    /// A successful attempt that is its request's answer at the same moment: its response time is the request's latency, and
    /// [`Recorder::responses_are_latencies`] tells so at the end.
    #[inline(always)]
    pub fn served_and_answered(&mut self, served: Served, is_counted: bool, now: Time) {
        self.answered_at(now, served.response);
        if self.are_held_counted != is_counted {
            self.record_held();
            self.are_held_counted = is_counted;
        }
        self.held[self.holds % HELD_MAX] = served;
        self.holds += 1;
        if self.holds == HELD_MAX {
            self.record_held();
        }
    }

    /// Records what [`Recorder::served_and_answered`] has put aside.
    #[inline(never)]
    fn record_held(&mut self) {
        let held = &self.held[..std::mem::take(&mut self.holds)];
        self.bin.ok += held.len() as u64;
        let responses = held.iter().map(|served| served.response);
        let tally = Tally::of(responses.clone());
        self.bin.latency.record_all(responses.clone(), tally);
        if !self.are_held_counted {
            return;
        }
        self.requests.ok += held.len() as u64;
        self.attempts.ok += held.len() as u64;
        if let [class] = &mut self.classes[..] {
            class.latency.record_all(responses, tally);
            let waiting = held.iter().map(|served| served.waiting);
            class.waiting.record_all(waiting.clone(), Tally::of(waiting));
            class.waited += held.iter().filter(|served| served.waiting > Span::ZERO).count() as u64;
        } else {
            for served in held {
                let class = &mut self.classes[served.class as usize];
                class.latency.record(served.response);
                class.record_waiting(served.waiting);
            }
        }
        let servers = &mut self.server_response;
        match self.server_detail {
            ServerDetail::OfClasses => {}
            ServerDetail::Percentiles => held.iter().for_each(|served| servers[served.server as usize].record(served.response)),
            ServerDetail::Sums => held.iter().for_each(|served| servers[served.server as usize].record_sum(served.response)),
        }
    }

    #[inline(always)]
    fn served_by(&mut self, served: Served) {
        self.attempts.ok += 1;
        let response = &mut self.server_response[served.server as usize];
        match self.server_detail {
            ServerDetail::OfClasses => {}
            ServerDetail::Percentiles => response.record(served.response),
            ServerDetail::Sums => response.record_sum(served.response),
        }
    }

    /// What the servers' latencies are beyond what was recorded on the way.
    pub fn close_servers(&mut self) {
        if self.server_detail == ServerDetail::OfClasses {
            self.server_response = vec![CoarseLatencies::default()];
            self.classes.iter().for_each(|class| self.server_response[0].merge_finer(&class.response));
        }
    }

    /// There was nothing between client and server: what a request took is what its only attempt took.
    pub fn responses_are_latencies(&mut self) {
        debug_assert!(self.holds == 0, "the last bin has ended");
        for class in &mut self.classes {
            class.response = class.latency.clone();
        }
    }

    /// Counted or not.
    #[inline(always)]
    fn answered_at(&mut self, now: Time, latency: Span) {
        self.answered += u64::from(now >= self.window.0 && now <= self.window.1);
        if let Some(pilot) = &mut self.pilot {
            pilot.push(Time(now.0 - latency.0), latency.as_millis_f64());
        }
    }

    #[inline(always)]
    pub fn request_answered(&mut self, answered: Answered, now: Time) {
        self.bin.ok += 1;
        self.bin.latency.record(answered.latency);
        self.answered_at(now, answered.latency);
        if !answered.is_counted {
            return;
        }
        self.requests.ok += 1;
        self.classes[answered.class as usize].latency.record(answered.latency);
        if let Some(user) = answered.user {
            self.user_sums[user as usize].add(answered.latency);
        }
    }

    /// A request has failed for good. `strike`: the fault that is to blame.
    pub fn request_failed(&mut self, failure: Failure, strike: Option<u32>, sent: Time, is_counted: bool) {
        self.bin.failed += 1;
        if is_counted {
            self.requests.fail(failure);
            if let Some(strike) = strike {
                self.failover.request_failed(strike, sent);
            }
        }
    }

    /// A fault strikes; `tracked` is its number with the failover tracker.
    pub fn fault_begins(&mut self, fault: u32, tracked: u32, now: Time) {
        self.failover.begins(tracked, now);
        if let Some(history) = &mut self.history {
            history.fault_begins(fault, self.failover.servers(tracked), now);
        }
    }

    pub fn fault_ends(&mut self, fault: u32, tracked: u32, now: Time) {
        self.failover.ends(tracked, now);
        if let Some(history) = &mut self.history {
            history.fault_ends(fault, self.failover.servers(tracked), now);
        }
    }

    /// Ends a bin of the timeline. `standing(server)` tells (requests in system, waiting, in rotation, up) over the bin.
    pub fn end_bin(&mut self, mut standing: impl FnMut(usize) -> (f64, f64, f32, bool)) {
        self.record_held();
        let bin = std::mem::take(&mut self.bin);
        let moved = self.affinity.requests_moved - std::mem::replace(&mut self.moved_at_bin, self.affinity.requests_moved);
        self.timeline.bins.push(Bin { latency: bin.latency.trimmed(), sent: bin.sent, ok: bin.ok, failed: bin.failed, moved });
        self.bin.latency = bin.latency;
        self.bin.latency.clear();
        for (server, before) in self.attempts_at_bin.iter_mut().enumerate() {
            let (in_system, waiting, in_rotation, up) = standing(server);
            let all = self.server_attempts[server].1;
            self.timeline.server_bins.push(ServerBin {
                attempts: (all - std::mem::replace(before, all)) as f32,
                in_system: in_system as f32,
                waiting: waiting as f32,
                in_rotation,
                up: f32::from(u8::from(up)),
            });
        }
    }

    /// Tells the fairness among users what the returning ones got, and the requests of `lone_classes`, each of which is a user
    /// of its own.
    pub fn close_users(&mut self, lone_classes: impl Iterator<Item = u32>) {
        for class in lone_classes {
            self.users.record_all(&self.classes[class as usize].latency);
        }
        for sum in std::mem::take(&mut self.user_sums) {
            if let Some(mean) = sum.mean() {
                self.users.record(mean);
            }
        }
    }
}
