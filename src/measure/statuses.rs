//! What a balancer answers by itself, and what it passes on, as HTTP statuses.

use crate::scenario::Failure;
use std::collections::BTreeMap;

/// What is known of an attempt before its result goes up from a balancer. Kept in `Attempt::mark`.
pub mod mark {
    /// Nothing.
    pub const NONE: u16 = 0;
    /// Its connection was not made in time.
    pub const CONNECT_TIMEOUT: u16 = 1;
    /// A balancer further inside has answered the failure.
    pub const ANSWERED: u16 = 2;
    /// From here on: the status that a rule of the balancer answers.
    pub const FIRST_STATUS: u16 = 100;
    /// Besides any of these: it has been counted where the try failed, by a part of the balancer that will answer.
    pub const PLACED: u16 = 1 << 15;
}

/// A status, and who it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Of the balancer itself; 200 of a target, too.
    Own(u16),
    /// An error that the target answered with.
    Target,
}

impl Status {
    /// The client has given up first.
    pub const GONE: Status = Status::Own(460);

    /// What a balancer answers when this became of an attempt.
    pub fn of(failure: Option<Failure>, mark: u16) -> Status {
        match failure {
            _ if mark >= mark::FIRST_STATUS => Status::Own(mark),
            None => Status::Own(200),
            Some(_) if mark == mark::ANSWERED => Status::Target,
            Some(Failure::ConnectFailure) if mark == mark::CONNECT_TIMEOUT => Status::Own(504),
            Some(Failure::ConnectFailure | Failure::Reset) => Status::Own(502),
            Some(Failure::Timeout) => Status::Own(504),
            Some(Failure::Refused | Failure::NoServer) => Status::Own(503),
            Some(Failure::ServerError | Failure::ClientError) => Status::Target,
        }
    }

    /// The name in files and results.
    pub fn name(self) -> String {
        match self {
            Status::Own(status) => status.to_string(),
            Status::Target => "target_5xx".to_owned(),
        }
    }
}

/// How often a balancer answered with each status.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statuses(BTreeMap<Status, u64>);

impl Statuses {
    pub fn count(&mut self, status: Status) {
        *self.0.entry(status).or_default() += 1;
    }

    pub fn get(&self, status: Status) -> u64 {
        self.0.get(&status).copied().unwrap_or(0)
    }

    /// Those that happened.
    pub fn iter(&self) -> impl Iterator<Item = (Status, u64)> + '_ {
        self.0.iter().map(|(status, count)| (*status, *count))
    }
}
