//! Faults: whom they hit, and when.

use super::names::Named;
use super::{Checker, item};
use crate::dist::Distribution;
use crate::document::Path;
use crate::scenario::Fault;
use crate::units::{Share, Span, plain};
use std::collections::BTreeSet;

/// What every kind of fault has.
struct Common<'a> {
    name: &'static str,
    server: Option<&'a str>,
    zone: Option<&'a str>,
    node: Option<&'a str>,
    at: Option<Span>,
    lasts: Option<Span>,
    mtbf: Option<&'a Distribution>,
    mttr: Option<&'a Distribution>,
}

impl<'a> Common<'a> {
    fn of(fault: &'a Fault) -> Common<'a> {
        macro_rules! common {
            ($name:literal, $f:ident, $node:expr, $mtbf:expr, $mttr:expr) => {
                Common {
                    name: $name,
                    server: $f.server.as_deref(),
                    zone: $f.zone.as_deref(),
                    node: $node,
                    at: $f.at,
                    lasts: $f.lasts,
                    mtbf: $mtbf,
                    mttr: $mttr,
                }
            };
        }
        match fault {
            Fault::Crash(f) => common!("crash", f, f.node.as_deref(), f.mtbf.as_ref(), f.mttr.as_ref()),
            Fault::Hang(f) => common!("hang", f, f.node.as_deref(), f.mtbf.as_ref(), f.mttr.as_ref()),
            Fault::Blackhole(f) => common!("blackhole", f, f.node.as_deref(), f.mtbf.as_ref(), f.mttr.as_ref()),
            Fault::Errors(f) => common!("errors", f, None, f.mtbf.as_ref(), f.mttr.as_ref()),
            Fault::Slow(f) => common!("slow", f, None, f.mtbf.as_ref(), f.mttr.as_ref()),
            Fault::Flap(f) => common!("flap", f, None, None, None),
        }
    }
}

impl Checker<'_> {
    pub(super) fn faults(&mut self) {
        let scenario = self.scenario;
        let of_nodes = scenario.nodes.iter().flat_map(|group| &group.zones).map(String::as_str);
        let zones: BTreeSet<&str> = scenario.servers.iter().filter_map(|group| group.zone.as_deref()).chain(of_nodes).collect();
        for (i, fault) in scenario.faults.iter().enumerate() {
            let common = Common::of(fault);
            let path = item("faults", i).field(common.name);
            // Of balancers nothing is struck but the machine.
            let of_balancers = scenario.balancers.iter().filter_map(|balancer| balancer.zone.as_deref());
            let cuts_off = matches!(fault, Fault::Crash(_) | Fault::Blackhole(_) | Fault::Flap(_));
            let zones = zones.iter().copied().chain(of_balancers.filter(|_| cuts_off)).collect();
            self.place(&path, &common, &zones);
            self.once(&path, &common);
            self.again_and_again(&path, &common);
            match fault {
                Fault::Slow(slow) if slow.factor <= 0.0 || slow.factor > 1e9 => {
                    let what = format!("is {}; it is a number above 0 (5 makes work take five times as long)", plain(slow.factor));
                    self.error(&path.field("factor"), what);
                }
                Fault::Errors(errors) if errors.share == Share(0.0) => {
                    self.warning(&path.field("share"), "is 0%: no request fails", "give a share such as `10%`");
                }
                Fault::Flap(flap) => {
                    self.above_zero(&path.field("up"), flap.up, "for a server that stays down write `crash`");
                    self.above_zero(&path.field("down"), flap.down, "it must be down for some time");
                }
                _ => {}
            }
        }
    }

    fn place(&mut self, path: &Path, fault: &Common, zones: &BTreeSet<&str>) {
        let scenario = self.scenario;
        if let Some(node) = fault.node {
            let path = path.field("node");
            return match (fault.server, fault.zone) {
                _ if !matches!(fault.name, "crash" | "blackhole") => {
                    self.error(
                        &path,
                        format!("is given for `{}`; a node as a whole crashes (`crash`) or is cut off (`blackhole`)", fault.name),
                    );
                }
                (None, None) => self.node(&path, node),
                _ => self.error(&path, "is given beside `server` or `zone`; a fault hits one of them"),
            };
        }
        match (fault.server, fault.zone) {
            (None, None) => self.error(path, "hits nobody; say `server: <a server or group>` or `zone: <a zone>`"),
            (Some(_), Some(_)) => self.error(&path.field("zone"), "is given beside `server`; a fault hits the one or the other"),
            (Some(name), None) => match self.names.get(name) {
                Some(Named::Group(_) | Named::Server(..)) => {}
                Some(Named::Balancer(_)) => {
                    self.error(&path.field("server"), format!("is `{name}`, which is a balancer; faults hit servers"))
                }
                None => {
                    let names = scenario.servers.iter().map(|group| group.name.as_str());
                    self.unknown_server(&path.field("server"), name, "server or server group", names);
                }
            },
            (None, Some(zone)) => {
                if !zones.contains(zone) {
                    let cuts_off = matches!(fault.name, "crash" | "blackhole" | "flap");
                    let what = if cuts_off { "zone of any server, node or balancer" } else { "zone of any server or node" };
                    self.unknown(&path.field("zone"), zone, what, zones.iter().copied());
                }
            }
        }
    }

    fn once(&mut self, path: &Path, fault: &Common) {
        if let (Some(at), Some(duration)) = (fault.at, self.scenario.duration)
            && at >= duration
        {
            self.error(&path.field("at"), format!("is {at}, and the run ends at {duration}"));
        }
        if let Some(lasts) = fault.lasts {
            self.above_zero(&path.field("for"), lasts, "a fault lasts some time; leave it out for one that lasts to the end");
        }
    }

    fn again_and_again(&mut self, path: &Path, fault: &Common) {
        match (fault.mtbf, fault.mttr) {
            (None, None) => return,
            (Some(_), None) => self.error(path, "has `mtbf` without `mttr`; say how long a repair takes"),
            (None, Some(_)) => self.error(path, "has `mttr` without `mtbf`; say how long a server lives"),
            (Some(mtbf), Some(mttr)) => {
                self.distribution_above_zero(&path.field("mtbf"), mtbf, "a server lives for some time");
                self.distribution_above_zero(&path.field("mttr"), mttr, "a repair takes some time");
            }
        }
        for (field, is_given) in [("at", fault.at.is_some()), ("for", fault.lasts.is_some())] {
            if is_given {
                let what = "is given beside `mtbf` and `mttr`; a fault happens once or again and again";
                self.error(&path.field(field), what);
            }
        }
    }
}
