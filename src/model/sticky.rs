//! Stickiness: which target a returning user is sent to, remembered in the user's cookie or in the balancer's table.

use super::plan::StickyPlan;
use crate::policy::TargetId;
use crate::rng::mix64;
use crate::scenario::SetWith;
use crate::units::{Span, Time};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::net::{IpAddr, Ipv4Addr};

/// Hashes keys that are one 64-bit number. Only looked up, never iterated, so the order of entries shows nowhere.
#[derive(Default)]
pub(super) struct MixHasher(u64);

impl Hasher for MixHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = mix64(self.0 ^ u64::from(*byte)));
    }
    fn write_u64(&mut self, key: u64) {
        self.0 = mix64(key);
    }
}

/// What is remembered by a 64-bit key.
pub(super) type Table<T> = HashMap<u64, T, BuildHasherDefault<MixHasher>>;

#[derive(Clone, Copy)]
struct Entry {
    target: TargetId,
    expires: Time,
}

/// Who a user is to the table.
#[derive(Clone, Copy)]
pub struct Holder {
    /// Key of the user (or session), if it can come back.
    pub user: Option<u64>,
    pub address: IpAddr,
}

/// Stands for whoever it is, where nobody asks.
pub const NOBODY: Holder = Holder { user: None, address: IpAddr::V4(Ipv4Addr::UNSPECIFIED) };

pub struct Sticky {
    plan: StickyPlan,
    entries: Table<Entry>,
    /// Entries at which the expired ones are swept out.
    sweep_at: usize,
}

impl Sticky {
    pub fn new(plan: StickyPlan) -> Sticky {
        Sticky { plan, entries: Table::default(), sweep_at: 1024 }
    }

    fn key(&self, holder: Holder) -> Option<u64> {
        match (self.plan, holder.address) {
            (StickyPlan::Cookie { .. }, _) => holder.user,
            (StickyPlan::SourceIp { .. }, IpAddr::V4(address)) => Some(u64::from(address.to_bits())),
            (StickyPlan::SourceIp { .. }, IpAddr::V6(address)) => Some(mix64(address.to_bits() as u64) ^ (address.to_bits() >> 64) as u64),
        }
    }

    /// The target that the user is bound to.
    #[inline(always)]
    pub fn target(&self, holder: Holder, now: Time) -> Option<TargetId> {
        self.entries.get(&self.key(holder)?).filter(|entry| entry.expires > now).map(|entry| entry.target)
    }

    /// With which answers users are bound. An address is remembered with what the target answers, as HAProxy's stick tables do.
    pub fn set_with(&self) -> SetWith {
        match self.plan {
            StickyPlan::Cookie { set_with, .. } => set_with,
            StickyPlan::SourceIp { .. } => SetWith::Answer,
        }
    }

    /// An answer of `target` has passed: a cookie is set where there is none or another; an address is remembered anew.
    #[inline(always)]
    pub fn answered(&mut self, holder: Holder, target: TargetId, now: Time) {
        let Some(key) = self.key(holder) else { return };
        let (ttl, is_renewed) = match self.plan {
            StickyPlan::Cookie { ttl, .. } => (ttl, false),
            StickyPlan::SourceIp { ttl } => (ttl, true),
        };
        let fresh = Entry { target, expires: ttl.map_or(Time(u64::MAX), |ttl: Span| now + ttl) };
        let entry = self.entries.entry(key).or_insert(fresh);
        if is_renewed || entry.target != target || entry.expires <= now {
            *entry = fresh;
        }
        if self.entries.len() > self.sweep_at {
            self.entries.retain(|_, entry| entry.expires > now);
            self.sweep_at = (self.entries.len() * 2).max(1024);
        }
    }

    /// A target is no more what it was: nobody is bound to it.
    pub fn forget_target(&mut self, target: TargetId) {
        self.entries.retain(|_, entry| entry.target != target);
    }

    /// The user will not come back (its session is over).
    pub fn forget(&mut self, user: u64) {
        if matches!(self.plan, StickyPlan::Cookie { .. }) {
            self.entries.remove(&user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

    #[test]
    fn a_cookie_lives_from_when_it_was_set_an_address_from_the_last_answer() {
        let ttl = Some(Span(10));
        let holder = Holder { user: Some(5), address: HERE };
        for (plan, at_15) in [(StickyPlan::Cookie { ttl, set_with: SetWith::Answer }, None), (StickyPlan::SourceIp { ttl }, Some(2))] {
            let mut sticky = Sticky::new(plan);
            sticky.answered(holder, 2, Time(0));
            sticky.answered(holder, 2, Time(8));
            assert_eq!((sticky.target(holder, Time(9)), sticky.target(holder, Time(15))), (Some(2), at_15));
        }
    }

    #[test]
    fn an_answer_from_another_server_sets_the_cookie_anew() {
        let mut sticky = Sticky::new(StickyPlan::Cookie { ttl: None, set_with: SetWith::Answer });
        let holder = Holder { user: Some(5), address: HERE };
        sticky.answered(holder, 2, Time(0));
        sticky.answered(holder, 3, Time(1));
        assert_eq!(sticky.target(holder, Time(2)), Some(3));
        sticky.forget(5);
        assert_eq!(sticky.target(holder, Time(3)), None);
    }

    #[test]
    fn users_behind_one_address_share_its_entry_and_not_its_cookie() {
        let mut by_address = Sticky::new(StickyPlan::SourceIp { ttl: None });
        let mut by_cookie = Sticky::new(StickyPlan::Cookie { ttl: None, set_with: SetWith::Answer });
        for sticky in [&mut by_address, &mut by_cookie] {
            sticky.answered(Holder { user: Some(1), address: HERE }, 4, Time(0));
        }
        let other = Holder { user: Some(2), address: HERE };
        assert_eq!((by_address.target(other, Time(1)), by_cookie.target(other, Time(1))), (Some(4), None));
    }
}
