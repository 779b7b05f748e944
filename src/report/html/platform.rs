//! Tables of what stands between users and servers: the way of requests, statuses, connections, names, pods, and what crosses zones.

use super::{Cell, Markup, at, count, name, number, percent};
use crate::summary::{Figure, Summary};

pub(super) fn paths(summary: &Summary) -> Markup {
    let mut table = Markup::new(["variant", "requests of class", "part of the way", "share %", "ms", "failed tries"].into_iter(), true);
    let all = Some(crate::stats::Estimate { value: 1.0, ci95: None });
    for told in &summary.variants {
        for path in &told.paths {
            let stops = path.stops.iter().map(|stop| (name(&stop.name), stop.share, stop.ms, stop.failed));
            let end: [(&str, Figure, Figure); 4] = [
                ("to the server", path.to_server_ms, None),
                ("waiting at the server", path.waiting_ms, None),
                ("service", path.service_ms, path.failed_at_server),
                ("way back", path.back_ms, None),
            ];
            let end = end.into_iter().map(|(part, ms, failed)| (part.to_owned(), all, ms, failed));
            for (part, share, ms, failed) in stops.chain(end) {
                let cells = [at(told), Cell::text(name(&path.class)), Cell::text(part)];
                let figures = [Cell::figure(share, percent), Cell::figure(ms, number), Cell::figure(failed, count)];
                table.row(cells.into_iter().chain(figures));
            }
        }
    }
    table
}

pub(super) fn statuses(summary: &Summary) -> Markup {
    let mut table = Markup::new(["variant", "balancer", "status", "answers"].into_iter(), true);
    for told in &summary.variants {
        for balancer in &told.statuses {
            for (status, answers) in &balancer.statuses {
                let cells = [at(told), Cell::text(name(&balancer.balancer)), Cell::text(status.clone()), Cell::figure(*answers, count)];
                table.row(cells.into_iter());
            }
        }
    }
    table
}

pub(super) fn connections(summary: &Summary) -> Markup {
    let columns = ["variant", "opened by", "opened", "not made", "reused %", "reset", "TLS full", "TLS resumed", "open", "waited %"];
    let mut table = Markup::new(columns.into_iter(), true);
    for told in &summary.variants {
        for kept in &told.connections {
            let mut cells =
                vec![at(told), Cell::text(name(&kept.opener)), Cell::figure(kept.opened, count), Cell::figure(kept.failed, count)];
            cells.push(Cell::figure(kept.reused_share, percent));
            cells.extend([kept.resets, kept.handshakes_full, kept.handshakes_resumed].map(|figure| Cell::figure(figure, count)));
            cells.push(Cell::figure(kept.mean_open, number));
            cells.push(Cell::figure(kept.waited_share, percent));
            table.row(cells.into_iter());
        }
    }
    table
}

pub(super) fn names(summary: &Summary) -> Markup {
    let mut table = Markup::new(["variant", "name", "queries", "record", "answered %"].into_iter(), true);
    for told in &summary.variants {
        for resolved in &told.names {
            for record in &resolved.records {
                let cells =
                    [at(told), Cell::text(name(&resolved.name)), Cell::figure(resolved.queries, count), Cell::text(name(&record.name))];
                table.row(cells.into_iter().chain([Cell::figure(record.share, percent)]));
            }
        }
    }
    table
}

pub(super) fn pods(summary: &Summary) -> Markup {
    let columns = [
        "variant",
        "pods",
        "started",
        "restarts",
        "evicted",
        "ready, mean",
        "ready, least",
        "ready, most",
        "ready after s",
        "rollout s",
        "failed requests",
    ];
    let mut table = Markup::new(columns.into_iter(), true);
    for told in &summary.variants {
        for group in &told.pods {
            let mut cells = vec![at(told), Cell::text(name(&group.group))];
            cells.extend([group.started, group.restarts, group.evicted].map(|figure| Cell::figure(figure, count)));
            let times = [group.ready_mean, group.ready_min, group.ready_max, group.ready_after_s, group.rollout_s];
            cells.extend(times.map(|figure| Cell::figure(figure, number)));
            cells.push(Cell::figure(group.failed_requests, count));
            table.row(cells.into_iter());
        }
    }
    table
}

pub(super) fn zones(summary: &Summary) -> Markup {
    let mut table = Markup::new(["variant", "hops between places", "across zones %", "across zones GiB"].into_iter(), true);
    for told in &summary.variants {
        if let Some(traffic) = &told.traffic {
            let passages = Cell::figure(traffic.passages, count);
            let figures = [passages, Cell::figure(traffic.cross_zone_share, percent), Cell::figure(traffic.cross_zone_gib, number)];
            table.row(std::iter::once(at(told)).chain(figures));
        }
    }
    table
}
