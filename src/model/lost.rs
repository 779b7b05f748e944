//! Balancers that are cut off, with the node on which they run or with the zone in which they stand: packets to them and from them vanish.

use super::balancer::Bar;
use super::client::NONE;
use super::data_plane::Ending;
use super::plan::TargetRef;
use super::world::World;

impl World {
    /// The strike that has cut a balancer off.
    pub(super) fn cut_off_by(&self, balancer: u32) -> Option<u32> {
        self.lost_balancers.get(balancer as usize)?.last().copied()
    }

    /// Whether nothing answers there: it is cut off, or it stands for copies all of which are.
    pub(super) fn is_dark(&self, balancer: u32) -> bool {
        !self.lost_balancers.is_empty() && self.is_whole(balancer, &|one| self.cut_off_by(one).is_some())
    }

    /// Whether a balancer is struck, or all copies for which it stands.
    fn is_whole(&self, balancer: u32, is_struck: &impl Fn(u32) -> bool) -> bool {
        let stands_for_copies =
            || self.balancers[balancer as usize].is_l4 && self.topology.balancers[balancer as usize].routing.is_transparent;
        let is_copy_struck = |to: &TargetRef| matches!(to, TargetRef::Balancer(copy) if is_struck(*copy));
        is_struck(balancer) || stands_for_copies() && self.balancers[balancer as usize].to.iter().all(is_copy_struck)
    }

    /// From now on nothing answers there. `strike`: `NONE` where no fault is to blame.
    pub(super) fn cut_off_balancer(&mut self, balancer: u32, strike: u32) {
        self.lost_balancers.resize(self.balancers.len(), Vec::new());
        self.lost_balancers[balancer as usize].push(strike);
        self.balancers[balancer as usize].bar(Bar::Lost, |_| true);
    }

    /// The same in the middle of a run.
    pub(super) fn balancer_struck(&mut self, balancer: u32, strike: u32) {
        self.cut_off_balancer(balancer, strike);
        self.recorder.failover.watchers_lost(&self.views_of(balancer), self.calendar.now());
        if strike != NONE {
            self.blame_for_cut(balancer, |_| true, strike);
        }
        // Everything that is on its way through it is lost; servers beyond it work on for nobody.
        self.close_connections_of(balancer, Ending::Silent);
    }

    pub(super) fn balancer_released(&mut self, balancer: u32, strike: u32) {
        let lost_by = &mut self.lost_balancers[balancer as usize];
        lost_by.retain(|active| *active != strike);
        if lost_by.is_empty() {
            self.balancers[balancer as usize].bar(Bar::Lost, |_| false);
            self.recorder.failover.watchers_back(&self.views_of(balancer), self.calendar.now());
            self.dispatch_waiting(balancer);
        }
    }

    /// What a balancer thinks of its targets, by the numbers of the pairs.
    pub(super) fn views_of(&self, balancer: u32) -> Vec<(u32, bool)> {
        let state = &self.balancers[balancer as usize];
        let checkers = (0..).zip(&self.checkers).filter(|(_, checker)| checker.balancer == balancer);
        let mut views: Vec<_> = checkers.map(|(pair, checker)| (pair, state.is_good(checker.target))).collect();
        let members = self.cluster.as_ref().and_then(|cluster| cluster.members[balancer as usize].as_ref());
        if let Some(members) = members.filter(|members| !members.has_checks) {
            views.extend((0..state.to.len() as u32).map(|target| (members.first_pair + target, state.is_good(target))));
        }
        views
    }

    /// Whoever checks one of these balancers, and whether it is in use there.
    pub(super) fn pairs_of_balancers(&self, is_struck: impl Fn(u32) -> bool) -> Vec<(u32, bool)> {
        let pairs = self.checkers.iter().enumerate().filter_map(|(index, checker)| {
            let balancer = &self.balancers[checker.balancer as usize];
            match balancer.to[checker.target as usize] {
                TargetRef::Balancer(inner) if self.is_whole(inner, &is_struck) => Some((index as u32, balancer.is_good(checker.target))),
                _ => None,
            }
        });
        pairs.collect()
    }

    /// A request has come to a balancer that is cut off: nothing will come back. Whoever sent it there may give up connecting.
    pub(super) fn lose_at_balancer(&mut self, attempt: u32, strike: u32) {
        self.attempts[attempt].server = NONE;
        self.lose(attempt, strike);
        self.waits_for_connection(attempt);
    }

    /// What is under way through a balancer to some of its targets is going to be cut, because of this.
    pub(super) fn blame_for_cut(&mut self, balancer: u32, is_target: impl Fn(u32) -> bool, strike: u32) {
        for attempt in 0..self.attempts.capacity() {
            let held = &self.attempts[attempt];
            if held.is_free() || held.is_abandoned || held.request == NONE {
                continue;
            }
            let first = self.hop_place(attempt, 0);
            let hops = &self.hops[first..first + usize::from(held.open_hops)];
            if hops.iter().any(|hop| hop.balancer == balancer && is_target(hop.target)) {
                self.attempts[attempt].strike = strike;
            }
        }
    }
}
