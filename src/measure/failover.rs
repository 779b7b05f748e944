//! Failover: for each fault, when the balancers noticed, what it cost until then, and when they came back.
//!
//! A *pair* is a balancer with a health check and one of its targets that the fault strikes: a server, or a balancer behind which
//! the fault leaves no server. A fault is *detected* when the last of its pairs has been taken out of rotation, and *restored*
//! when after its end all of them are back in. A balancer that is itself lost with its node sends to nobody: its pairs do not count
//! meanwhile.

use crate::units::Time;

/// One fault in one run; means over its occurrences where it strikes again and again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FaultRecord {
    pub name: String,
    pub occurrences: u64,
    /// Seconds from the fault's start until the last pair is out of rotation. `None` where that did not happen.
    pub detected_after_s: Option<f64>,
    /// Seconds from the fault's start to the sending of the last request that failed because of it.
    pub last_error_after_s: Option<f64>,
    /// Seconds from the fault's end until all pairs are in rotation again. `None` where none had stopped.
    pub restored_after_s: Option<f64>,
    /// Counted requests that failed because of it.
    pub failed_requests: u64,
    /// Removals of servers that were well, between the fault's start and its restoration.
    pub false_ejections: u64,
    /// Time with a wrong view, summed over pairs: in rotation during the fault, or out of it afterwards.
    pub wrong_view_s: f64,
}

#[derive(Clone, Debug, Default)]
pub struct FailoverRecord {
    pub faults: Vec<FaultRecord>,
    /// Removals of servers without any fault, whenever they were.
    pub false_ejections: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    sum: f64,
    count: u64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    fn value(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

#[derive(Clone, Debug, Default)]
struct Totals {
    record: FaultRecord,
    detected: Mean,
    last_error: Mean,
    restored: Mean,
}

/// One balancer's view of one target.
#[derive(Clone, Copy, Debug)]
struct Pair {
    id: u32,
    is_in_rotation: bool,
    is_detected: bool,
    /// Its balancer is lost.
    is_absent: bool,
}

impl Pair {
    fn new((id, is_in_rotation): (u32, bool)) -> Pair {
        Pair { id, is_in_rotation, is_detected: false, is_absent: false }
    }
}

/// A place where a fault strikes: all its servers together, or (at random) one of them.
#[derive(Clone, Debug)]
struct Strike {
    fault: u32,
    servers: Vec<u32>,
    pairs: Vec<Pair>,
    /// Begin of the current or latest occurrence.
    begins: Option<Time>,
    ends: Option<Time>,
    /// When a pair left rotation for the first time, the latest of them.
    removed: Option<Time>,
    detected: Option<Time>,
    restored: Option<Time>,
    last_error: Option<Time>,
    accrued: Time,
}

/// Follows faults and views through a run.
#[derive(Default)]
pub struct FailoverTracker {
    strikes: Vec<Strike>,
    totals: Vec<Totals>,
    false_ejections: u64,
}

impl FailoverTracker {
    pub fn add_fault(&mut self, name: &str) -> u32 {
        self.totals.push(Totals { record: FaultRecord { name: name.to_owned(), ..FaultRecord::default() }, ..Totals::default() });
        (self.totals.len() - 1) as u32
    }

    /// A strike of `fault` on `servers`; `pairs` are those that watch them, with whether each is in rotation at first.
    pub fn add_strike(&mut self, fault: u32, servers: Vec<u32>, pairs: impl Iterator<Item = (u32, bool)>) -> u32 {
        let pairs = pairs.map(Pair::new).collect();
        self.strikes.push(Strike {
            fault,
            servers,
            pairs,
            begins: None,
            ends: None,
            removed: None,
            detected: None,
            restored: None,
            last_error: None,
            accrued: Time::ZERO,
        });
        (self.strikes.len() - 1) as u32
    }

    /// Whom a strike concerns, where that is known only when it begins.
    pub fn aim(&mut self, strike: u32, servers: Vec<u32>, pairs: impl Iterator<Item = (u32, bool)>) {
        let strike = &mut self.strikes[strike as usize];
        strike.servers = servers;
        strike.pairs = pairs.map(Pair::new).collect();
    }

    pub fn begins(&mut self, strike: u32, now: Time) {
        self.close(strike, now);
        let strike = &mut self.strikes[strike as usize];
        (strike.begins, strike.ends) = (Some(now), None);
        (strike.removed, strike.detected, strike.restored, strike.last_error) = (None, None, None, None);
        strike.pairs.iter_mut().for_each(|pair| pair.is_detected = !pair.is_in_rotation);
        strike.accrued = now;
    }

    pub fn ends(&mut self, strike: u32, now: Time) {
        self.accrue(strike, now);
        let strike = &mut self.strikes[strike as usize];
        strike.ends = Some(now);
        if strike.was_out() && strike.are_all_back() {
            strike.restored = Some(now);
        }
    }

    /// The balancer of these pairs is lost with its node: what it thinks does not count.
    pub fn watchers_lost(&mut self, pairs: &[(u32, bool)], now: Time) {
        self.change_watchers(pairs, now, |pair, _| pair.is_absent = true);
    }

    /// It is back, with this view of each of its targets.
    pub fn watchers_back(&mut self, pairs: &[(u32, bool)], now: Time) {
        self.change_watchers(pairs, now, |pair, is_in_rotation| (pair.is_absent, pair.is_in_rotation) = (false, is_in_rotation));
    }

    fn change_watchers(&mut self, pairs: &[(u32, bool)], now: Time, change: impl Fn(&mut Pair, bool)) {
        for index in 0..self.strikes.len() as u32 {
            self.accrue(index, now);
            let strike = &mut self.strikes[index as usize];
            for pair in &mut strike.pairs {
                let known = pairs.iter().find(|(id, _)| *id == pair.id);
                known.into_iter().for_each(|(_, is_in_rotation)| change(pair, *is_in_rotation));
            }
            strike.watchers_change(now);
        }
    }

    /// A pair has left or re-entered rotation. `is_server_well`: no fault is active on its server.
    pub fn rotation_changed(&mut self, pair: u32, is_in_rotation: bool, is_server_well: bool, now: Time) {
        let mut is_late_detection = false;
        for index in 0..self.strikes.len() as u32 {
            if self.strikes[index as usize].pairs.iter().any(|known| known.id == pair) {
                self.accrue(index, now);
                is_late_detection |= self.strikes[index as usize].view_changed(pair, is_in_rotation, now);
            }
        }
        if !is_in_rotation && is_server_well && !is_late_detection {
            self.false_ejections += 1;
            let latest = self.strikes.iter().filter(|strike| strike.is_open()).max_by_key(|strike| strike.begins);
            if let Some(fault) = latest.map(|strike| strike.fault) {
                self.totals[fault as usize].record.false_ejections += 1;
            }
        }
    }

    /// A counted request, first sent at `sent`, failed because of the strike.
    pub fn request_failed(&mut self, strike: u32, sent: Time) {
        let strike = &mut self.strikes[strike as usize];
        let Some(begins) = strike.begins else { return };
        strike.last_error = strike.last_error.max(Some(sent.max(begins)));
        self.totals[strike.fault as usize].record.failed_requests += 1;
    }

    pub fn finish(mut self, now: Time) -> FailoverRecord {
        (0..self.strikes.len() as u32).for_each(|strike| self.close(strike, now));
        let faults = self.totals.into_iter().map(|totals| FaultRecord {
            detected_after_s: totals.detected.value(),
            last_error_after_s: totals.last_error.value(),
            restored_after_s: totals.restored.value(),
            ..totals.record
        });
        FailoverRecord { faults: faults.collect(), false_ejections: self.false_ejections }
    }

    /// Adds the time with a wrong view up to `now`.
    fn accrue(&mut self, strike: u32, now: Time) {
        let strike = &mut self.strikes[strike as usize];
        if strike.begins.is_some() {
            let is_active = strike.ends.is_none();
            let wrong = strike.present().filter(|pair| pair.is_in_rotation == is_active).count();
            self.totals[strike.fault as usize].record.wrong_view_s += wrong as f64 * (now - strike.accrued).as_secs_f64();
        }
        strike.accrued = now;
    }

    /// Books the current occurrence.
    fn close(&mut self, strike: u32, now: Time) {
        self.accrue(strike, now);
        let strike = &self.strikes[strike as usize];
        let Some(begins) = strike.begins else { return };
        let totals = &mut self.totals[strike.fault as usize];
        totals.record.occurrences += 1;
        if let Some(at) = strike.detected {
            totals.detected.add((at - begins).as_secs_f64());
        }
        if let Some(at) = strike.last_error {
            totals.last_error.add((at - begins).as_secs_f64());
        }
        if let (Some(at), Some(ends)) = (strike.restored, strike.ends) {
            totals.restored.add((at - ends).as_secs_f64());
        }
    }

    /// Servers of a strike.
    pub fn servers(&self, strike: u32) -> &[u32] {
        &self.strikes[strike as usize].servers
    }
}

impl Strike {
    fn is_open(&self) -> bool {
        self.begins.is_some() && self.restored.is_none()
    }

    /// Pairs whose view counts.
    fn present(&self) -> impl Iterator<Item = &Pair> {
        self.pairs.iter().filter(|pair| !pair.is_absent)
    }

    /// What was never taken out is not put back.
    fn was_out(&self) -> bool {
        self.present().any(|pair| pair.is_detected)
    }

    fn are_all_back(&self) -> bool {
        self.present().all(|pair| pair.is_in_rotation)
    }

    /// The last pair that had to has left rotation.
    fn look_for_detection(&mut self) {
        if self.detected.is_none() && self.was_out() && self.present().all(|pair| pair.is_detected) {
            self.detected = self.removed;
        }
    }

    /// Others than before have to notice, or to put back.
    fn watchers_change(&mut self, now: Time) {
        self.look_for_detection();
        if self.ends.is_some() && self.was_out() && self.are_all_back() != self.restored.is_some() {
            self.restored = self.are_all_back().then_some(now);
        }
    }

    /// Whether this was the (late) detection of a fault that is over already.
    fn view_changed(&mut self, pair: u32, is_in_rotation: bool, now: Time) -> bool {
        let is_over = self.ends.is_some();
        let mut is_first_removal = false;
        for known in self.pairs.iter_mut().filter(|known| known.id == pair) {
            known.is_in_rotation = is_in_rotation;
            if !is_in_rotation && self.begins.is_some() {
                is_first_removal |= !std::mem::replace(&mut known.is_detected, true);
            }
        }
        if is_first_removal {
            self.removed = Some(now);
            self.look_for_detection();
        }
        if is_over {
            self.restored = self.are_all_back().then_some(now);
        }
        is_over && is_first_removal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(s: u64) -> Time {
        Time(s * 1_000_000_000)
    }

    #[test]
    fn the_last_pair_detects_and_the_last_pair_restores() {
        let mut tracker = FailoverTracker::default();
        let fault = tracker.add_fault("crash s-1");
        let strike = tracker.add_strike(fault, vec![0], [(7, true), (8, true)].into_iter());
        tracker.begins(strike, seconds(100));
        tracker.rotation_changed(7, false, false, seconds(110));
        tracker.request_failed(strike, seconds(114));
        tracker.rotation_changed(8, false, false, seconds(115));
        tracker.ends(strike, seconds(200));
        tracker.rotation_changed(7, true, true, seconds(203));
        tracker.rotation_changed(8, true, true, seconds(205));
        let record = tracker.finish(seconds(300));
        let fault = &record.faults[0];
        assert_eq!((fault.detected_after_s, fault.last_error_after_s, fault.restored_after_s), (Some(15.0), Some(14.0), Some(5.0)));
        // In rotation while down: 10 + 15 s; out while up: 3 + 5 s.
        assert_eq!((fault.failed_requests, fault.false_ejections, fault.wrong_view_s), (1, 0, 33.0));
    }

    /// Of the balancers 7, 8 and 9 the last one is lost with the fault, and the second one a while later.
    #[test]
    fn a_balancer_that_is_lost_has_nothing_to_notice() {
        let followed = |lost_at: u64| {
            let mut tracker = FailoverTracker::default();
            let fault = tracker.add_fault("crash node");
            let strike = tracker.add_strike(fault, vec![0], [(7, true), (8, true), (9, true)].into_iter());
            tracker.begins(strike, seconds(100));
            tracker.watchers_lost(&[(9, false)], seconds(100));
            let mut moments = [(110, 7), (115, 8), (lost_at, 0)];
            moments.sort_unstable();
            for (at, pair) in moments {
                match pair {
                    0 => tracker.watchers_lost(&[(8, false)], seconds(at)),
                    // It would not be asked once it is lost.
                    8 if at > lost_at => {}
                    pair => tracker.rotation_changed(pair, false, false, seconds(at)),
                }
            }
            tracker.ends(strike, seconds(200));
            tracker.rotation_changed(7, true, true, seconds(203));
            // The two come back: the one believes what it believed, the other one has heard.
            tracker.watchers_back(&[(8, false)], seconds(204));
            tracker.watchers_back(&[(9, true)], seconds(205));
            tracker.rotation_changed(8, true, true, seconds(209));
            tracker.finish(seconds(300)).faults.remove(0)
        };
        let (late, early) = (followed(150), followed(112));
        assert_eq!((late.detected_after_s, early.detected_after_s), (Some(15.0), Some(10.0)));
        assert_eq!((late.restored_after_s, early.restored_after_s), (Some(9.0), Some(9.0)));
        // In rotation while down: 10 + 15 (or 12) s; out while up: 3 + 5 s.
        assert_eq!((late.wrong_view_s, early.wrong_view_s), (33.0, 30.0));
    }

    #[test]
    fn a_fault_that_nobody_notices_is_neither_detected_nor_restored() {
        let mut tracker = FailoverTracker::default();
        let fault = tracker.add_fault("slow s-1");
        let strike = tracker.add_strike(fault, vec![0], [(7, true)].into_iter());
        tracker.begins(strike, seconds(10));
        tracker.ends(strike, seconds(20));
        let record = tracker.finish(seconds(30));
        assert_eq!((record.faults[0].detected_after_s, record.faults[0].restored_after_s), (None, None));
        assert_eq!(record.faults[0].wrong_view_s, 10.0);
    }

    #[test]
    fn removing_a_server_that_is_well_is_a_false_ejection() {
        let mut tracker = FailoverTracker::default();
        let fault = tracker.add_fault("crash s-1");
        let strike = tracker.add_strike(fault, vec![0], [(7, true)].into_iter());
        tracker.begins(strike, seconds(10));
        tracker.rotation_changed(9, false, true, seconds(11));
        let record = tracker.finish(seconds(30));
        assert_eq!((record.faults[0].false_ejections, record.false_ejections), (1, 1));
    }

    #[test]
    fn occurrences_at_random_are_averaged() {
        let mut tracker = FailoverTracker::default();
        let fault = tracker.add_fault("crash s");
        let strike = tracker.add_strike(fault, vec![0], [(7, true)].into_iter());
        for (begin, detect) in [(0, 4), (100, 106)] {
            tracker.begins(strike, seconds(begin));
            tracker.rotation_changed(7, false, false, seconds(detect));
            tracker.ends(strike, seconds(begin + 50));
            tracker.rotation_changed(7, true, true, seconds(begin + 52));
        }
        let record = tracker.finish(seconds(200));
        assert_eq!(
            (record.faults[0].occurrences, record.faults[0].detected_after_s, record.faults[0].restored_after_s),
            (2, Some(5.0), Some(2.0))
        );
    }
}
