//! Affinity: whether a client (or session) stays with the server that answered it before.

/// What one client or session has seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Visits {
    /// Server that answered last, plus one; 0: none yet.
    last: u32,
    /// Restarts of that server when it answered.
    incarnation: u32,
    is_seen: bool,
    is_moved: bool,
    is_lost: bool,
    is_wiped: bool,
}

/// An answer, as far as affinity cares.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    pub server: u32,
    /// Restarts of that server so far.
    pub incarnation: u32,
    /// The request counts (it was sent after the warm-up).
    pub is_counted: bool,
}

/// Counts over the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AffinityRecord {
    /// Clients or sessions that were answered.
    pub sessions: u64,
    /// Those that were answered by more than one server.
    pub moved: u64,
    /// Those that moved because their server was gone: down, out of rotation, or restarted since.
    pub lost_state: u64,
    /// Those that came back to their server after it had restarted, so that it had forgotten them.
    pub wiped: u64,
    /// Answered requests of clients or sessions that had been answered before.
    pub requests: u64,
    /// Those of them that were answered elsewhere than the last.
    pub requests_moved: u64,
}

impl Visits {
    /// The server that answered last.
    pub fn last(&self) -> Option<u32> {
        self.last.checked_sub(1)
    }

    /// Counts an answer. `last`: of the server that answered last, where it is another one, whether it cannot be reached or
    /// used right now, and how often it has restarted.
    pub fn answer(&mut self, answer: Answer, last: Option<(bool, u32)>, record: &mut AffinityRecord) {
        if answer.is_counted {
            record.sessions += u64::from(!std::mem::replace(&mut self.is_seen, true));
        }
        if self.last != 0 && answer.is_counted {
            record.requests += 1;
            record.requests_moved += u64::from(last.is_some());
            self.count_change(answer, last, record);
        }
        self.last = answer.server + 1;
        self.incarnation = answer.incarnation;
    }

    fn count_change(&mut self, answer: Answer, last: Option<(bool, u32)>, record: &mut AffinityRecord) {
        if let Some((is_gone, incarnation)) = last {
            record.moved += u64::from(!std::mem::replace(&mut self.is_moved, true));
            if is_gone || incarnation != self.incarnation {
                record.lost_state += u64::from(!std::mem::replace(&mut self.is_lost, true));
            }
        } else if answer.incarnation != self.incarnation {
            record.wiped += u64::from(!std::mem::replace(&mut self.is_wiped, true));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_counts_once_per_session_and_every_time_per_request() {
        let (mut visits, mut record) = (Visits::default(), AffinityRecord::default());
        for (server, incarnation) in [(3, 0), (3, 0), (4, 0), (3, 0), (3, 1)] {
            let answer = Answer { server, incarnation, is_counted: true };
            let last = visits.last().filter(|last| *last != server).map(|last| (last == 3, 0));
            visits.answer(answer, last, &mut record);
        }
        assert_eq!(record, AffinityRecord { sessions: 1, moved: 1, lost_state: 1, wiped: 1, requests: 4, requests_moved: 2 });
    }

    #[test]
    fn what_happened_before_the_window_is_remembered_but_not_counted() {
        let (mut visits, mut record) = (Visits::default(), AffinityRecord::default());
        visits.answer(Answer { server: 1, incarnation: 0, is_counted: false }, None, &mut record);
        visits.answer(Answer { server: 2, incarnation: 0, is_counted: true }, Some((false, 0)), &mut record);
        assert_eq!(record, AffinityRecord { sessions: 1, moved: 1, lost_state: 0, wiped: 0, requests: 1, requests_moved: 1 });
    }
}
