//! Returning clients and sessions that were answered by another server than before, over time and in all.

use super::axis::Axis;
use super::picture::{BELOW, HOVERED, Picture, Place, WIDTH};
use super::style::{Color, moment, plain};
use super::timeline::steps;
use super::{Chart, DataTable, Member, Study};
use crate::summary::Figure;

pub fn draw(study: &Study) -> Option<Chart> {
    let returns = |member: &&Member| !member.more.timeseries.moved_rps.is_empty();
    let members: Vec<&Member> = study.members.iter().filter(returns).collect();
    let end = members.first()?.told.duration_s;
    let id = "affinity";
    let mut picture = Picture::new(id, 0.0);
    let items: Vec<(usize, &str)> = members.iter().map(|member| (member.series, study.label(member))).collect();
    let top = picture.legend((8.0, 8.0), &items) + 6.0;
    picture.heading((8.0, top + 8.0), "answers per second by another server than the last");
    let place = Place { left: 66.0, top: top + 26.0, right: WIDTH - 26.0, bottom: top + 190.0 };
    picture.grow(place.bottom + BELOW + 4.0);
    let max = members.iter().flat_map(|member| &member.more.timeseries.moved_rps).copied().fold(0.0, f64::max);
    let axis = Axis::up_to(max, plain);
    let (low, high) = axis.ends();
    let mut plot = picture.plot_over_time(place, (0.0, end), axis);
    for fault in members[0].more.faults.iter().take(60) {
        plot.tip(format!("{}: {} to {}", fault.fault, moment(fault.from_s), moment(fault.to_s)));
        plot.rect((fault.from_s, low), (fault.to_s, high), Color::Bad, 0.1);
        plot.no_tip();
    }
    for member in &members {
        let series = &member.more.timeseries;
        plot.begin_series(member.series);
        plot.line(steps(&series.moved_rps, series.bin_s, end), Color::Series(member.series), 1.4);
        plot.end_group();
    }
    let series = &members[0].more.timeseries;
    let middles: Vec<f64> = (0..series.moved_rps.len()).map(|bin| (bin as f64 + 0.5) * series.bin_s).collect();
    plot.hover(&middles, HOVERED, (0.0, end), (low, high), |bin| {
        let line = |member: &&Member| {
            let rate = member.more.timeseries.moved_rps.get(bin).copied().unwrap_or(0.0);
            format!("{}: {} moved/s", study.label(member), plain(rate))
        };
        std::iter::once(format!("at {}", moment(middles[bin]))).chain(members.iter().map(line)).collect::<Vec<_>>().join("\n")
    });
    let title = study.title("Sessions that moved");
    let value = |figure: Figure| figure.map_or_else(String::new, |found| plain(found.value));
    let row = |member: &&Member| {
        let told = &member.told.affinity;
        let share = told.requests_moved_share.map_or_else(String::new, |found| super::style::share(found.value));
        let mut row = vec![member.told.name.clone()];
        row.extend([told.sessions, told.moved, told.lost_state, told.wiped].map(value));
        row.push(share);
        row
    };
    Some(Chart {
        id,
        caption: "Answers to clients or sessions that come back, by another server than the one that answered last. What that server kept in memory (a cart, \
                  a login) is not there. The table has the sessions that moved, that lost their server, and that came back to a server which had forgotten them."
            .to_owned(),
        svg: picture.finish(&title),
        table: DataTable::new(
            &["variant", "sessions or clients", "moved", "lost their server", "forgotten", "requests moved"],
            members.iter().map(row).collect(),
        ),
        title,
    })
}
