//! Server groups: counts, capacity and weights.

use super::{Checker, item};
use crate::document::Path;
use crate::scenario::Limit;
use crate::units::plain;

const SERVERS_MAX: u64 = 100_000;
pub(super) const WEIGHT_MAX: u32 = 1_000_000;

impl Checker<'_> {
    pub(super) fn servers(&mut self) {
        let scenario = self.scenario;
        for (i, group) in scenario.servers.iter().enumerate() {
            let path = item("servers", i);
            if group.count == 0 {
                self.error(&path.field("count"), "is 0; a group has one server at least");
            }
            if group.slots == Limit::Bounded(0) {
                self.error(&path.field("slots"), "is 0; a server without a slot works on nothing");
            }
            if group.speed.is_nan() || group.speed <= 0.0 || group.speed > 1e6 {
                let what = format!("is {}; a server has a speed above 0 and at most 1000000 (1.0 is the reference)", plain(group.speed));
                self.error(&path.field("speed"), what);
            }
            self.weight(&path, group.weight);
            if let Some(latency) = &group.latency {
                self.distribution(&path.field("latency"), latency);
            }
        }
        let total: u64 = scenario.servers.iter().map(|group| u64::from(group.count)).sum();
        if total > SERVERS_MAX {
            self.error(&Path::root().field("servers"), format!("has {total} servers; at most {SERVERS_MAX} can be simulated"));
        }
    }

    pub(super) fn weight(&mut self, path: &Path, weight: u32) {
        if weight == 0 || weight > WEIGHT_MAX {
            let what = format!("is {weight}; a weight is a whole number from 1 to {WEIGHT_MAX}");
            self.error_help(&path.field("weight"), what, "what shall get nothing is left out of `targets`");
        }
    }
}
