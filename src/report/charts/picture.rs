//! A picture with plots in it, drawn by plotters at places that the picture says.

use super::axis::Axis;
use super::canvas::{Canvas, Ink, SCALE, Tip, escaped};
use super::style::{Color, TEXT, dashes, text_width};
use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::prelude::{Cartesian2d, Circle, DrawingArea, IntoDrawingArea, LineSeries, PathElement, Polygon, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, FontDesc, FontFamily, FontStyle, RGBAColor, ShapeStyle, TRANSPARENT, TextStyle};

/// Width of all pictures, in units of the view box.
pub const WIDTH: f64 = 760.0;
/// No picture is higher.
const HEIGHT_MAX: f64 = 6000.0;
/// Columns to hover in a plot.
pub const HOVERED: usize = 80;
/// More ticks than an axis has: all are drawn.
const TICKS_MAX: usize = 1000;
/// Room for the strokes before names at the right of a plot, and beside it.
pub const STROKES: f64 = 32.0;
/// Room for tick labels below a plot.
pub const BELOW: f64 = 20.0;

/// A rectangle in units of the view box.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

pub struct Picture {
    id: &'static str,
    height: f64,
    ink: Ink,
    area: DrawingArea<Canvas, Shift>,
    /// Range of time and the plot that shows it.
    time: Option<(f64, f64, Place)>,
}

/// Where a text stands at its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    Left,
    Middle,
    Right,
}

fn scaled(units: f64) -> i32 {
    (units * SCALE).round() as i32
}

/// Drawing into a string does not fail.
fn drawn<T, E>(result: Result<T, E>) {
    debug_assert!(result.is_ok());
}

impl Picture {
    pub fn new(id: &'static str, height: f64) -> Picture {
        let ink = Ink::default();
        let canvas = Canvas { ink: ink.clone(), size: (scaled(WIDTH) as u32, scaled(HEIGHT_MAX) as u32) };
        Picture { id, height, ink, area: canvas.into_drawing_area(), time: None }
    }

    /// Makes it as high as what is in it.
    pub fn grow(&mut self, height: f64) {
        self.height = height;
    }

    /// A plot at `place`, with the ticks of its axes outside of it; a faint grid at those of the axes that are told.
    pub fn plot(&self, place: Place, x: Axis, y: Axis, grid: (bool, bool)) -> Plot {
        let x = x.fitted(place.right - place.left, |label| text_width(label, TEXT) + 6.0);
        let y = y.fitted(place.bottom - place.top, |_| TEXT + 1.0);
        let left = y.label_width() + 8.0;
        let corner = (scaled(place.left - left), scaled(place.top - TEXT));
        let size = (scaled(place.right - place.left + left), scaled(place.bottom - place.top + TEXT + BELOW));
        let area = self.area.clone().shrink(corner, size);
        let mut builder = ChartBuilder::on(&area);
        builder.margin_top(scaled(TEXT)).x_label_area_size(scaled(BELOW)).y_label_area_size(scaled(left));
        let mut chart = match builder.build_cartesian_2d(x, y) {
            Ok(chart) => chart,
            Err(error) => unreachable!("{error}"),
        };
        self.ink.raw("<g class=\"axes\">");
        let label = style(Anchor::Left, Color::Muted, FontStyle::Normal);
        let mut mesh = chart.configure_mesh();
        mesh.axis_style(width(Color::Muted, 0.7)).light_line_style(TRANSPARENT).bold_line_style(width(Color::Grid, 0.6));
        mesh.label_style(label).set_all_tick_mark_size(scaled(3.0)).x_labels(TICKS_MAX).y_labels(TICKS_MAX);
        if !grid.0 {
            mesh.disable_x_mesh();
        }
        if !grid.1 {
            mesh.disable_y_mesh();
        }
        drawn(mesh.draw());
        self.ink.raw("</g>");
        Plot { chart, ink: self.ink.clone() }
    }

    /// As `plot`, over time: all such pictures share a crosshair.
    pub fn plot_over_time(&mut self, place: Place, ends: (f64, f64), y: Axis) -> Plot {
        self.gridded_over_time(place, ends, y, (true, true))
    }

    /// As `plot_over_time`, without a grid, which would cross what is drawn below it.
    pub fn plain_over_time(&mut self, place: Place, ends: (f64, f64), y: Axis) -> Plot {
        self.gridded_over_time(place, ends, y, (false, false))
    }

    fn gridded_over_time(&mut self, place: Place, (from, to): (f64, f64), y: Axis, grid: (bool, bool)) -> Plot {
        let whole = self.time.map_or(place, |(_, _, known)| Place { bottom: place.bottom, ..known });
        self.time = Some((from, to, whole));
        self.plot(place, Axis::time(from, to), y, grid)
    }

    pub fn text(&self, (x, y): (f64, f64), text: &str, anchor: Anchor, color: Color) {
        self.write((x, y), text, style(anchor, color, FontStyle::Normal));
    }

    /// A heading within the picture.
    pub fn heading(&self, (x, y): (f64, f64), text: &str) {
        self.write((x, y), text, style(Anchor::Left, Color::Ink, FontStyle::Bold));
    }

    fn write(&self, (x, y): (f64, f64), text: &str, style: TextStyle) {
        drawn(self.area.draw(&Text::new(text.to_owned(), (scaled(x), scaled(y)), style)));
    }

    /// A plain rectangle.
    pub fn rect(&self, place: Place, color: Color) {
        let corners = [(scaled(place.left), scaled(place.top)), (scaled(place.right), scaled(place.bottom))];
        drawn(self.area.draw(&Rectangle::new(corners, color.rgb().filled())));
    }

    /// A path of SVG commands in units of the view box, filled.
    pub fn path(&self, commands: &str, color: Color) {
        let rgb = color.rgb();
        self.ink.raw(&format!("<path d=\"{commands}\" style=\"fill:{}\"/>", super::style::css((rgb.0, rgb.1, rgb.2))));
    }

    /// What is drawn until `end_group` belongs to a variant.
    pub fn begin_series(&self, series: usize) {
        begin_series(&self.ink, series);
    }

    pub fn end_group(&self) {
        self.ink.raw("</g>");
    }

    pub fn tip(&self, tip: Option<String>) {
        self.ink.tip(tip.map(|text| Tip { text, is_titled: true }));
    }

    /// Names of series with a stroke in their color, in lines from the top left on; returns where the last line ends.
    pub fn legend(&self, (left, top): (f64, f64), items: &[(usize, &str)]) -> f64 {
        let (mut x, mut y) = (left, top);
        for (series, name) in items {
            let needed = 22.0 + text_width(name, TEXT) + 14.0;
            if x + needed > WIDTH && x > left {
                (x, y) = (left, y + 16.0);
            }
            self.begin_series(*series);
            self.stroke((x, x + 17.0), y, *series);
            self.text((x + 22.0, y), name, Anchor::Left, Color::Ink);
            self.end_group();
            x += needed;
        }
        y + 8.0
    }

    /// A stroke as the lines of a variant are drawn.
    fn stroke(&self, (from, to): (f64, f64), y: f64, series: usize) {
        let ends = [(scaled(from), scaled(y)), (scaled(to), scaled(y))];
        drawn(self.area.draw(&PathElement::new(ends, width(Color::Series(series), 2.2))));
    }

    /// Names at the ends of lines, at the right of `x`: (height, series, name); moved apart where they would lie on each other.
    pub fn end_labels(&self, x: f64, (top, bottom): (f64, f64), mut labels: Vec<(f64, usize, &str)>) {
        const GAP: f64 = 15.0;
        labels.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut lowest = top - GAP;
        for label in &mut labels {
            label.0 = label.0.max(lowest + GAP);
            lowest = label.0;
        }
        let mut highest = bottom.max(top + GAP * labels.len() as f64) + GAP;
        for label in labels.iter_mut().rev() {
            label.0 = label.0.min(highest - GAP);
            highest = label.0;
        }
        for (y, series, name) in labels {
            self.begin_series(series);
            self.stroke((x + 4.0, x + 21.0), y, series);
            self.text((x + 25.0, y), name, Anchor::Left, Color::Ink);
            self.end_group();
        }
    }

    /// The whole element; `title` names it to those who do not see it.
    pub fn finish(self, title: &str) -> String {
        let time = self.time.map_or_else(String::new, |(from, to, place)| {
            format!(
                " data-time-from=\"{from}\" data-time-to=\"{to}\" data-plot-left=\"{:.1}\" data-plot-right=\"{:.1}\" \
                 data-plot-top=\"{:.1}\" data-plot-bottom=\"{:.1}\"",
                place.left, place.right, place.top, place.bottom
            )
        });
        let Picture { id, height, ink, .. } = &self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-labelledby=\"{id}-title\" \
             font-family=\"system-ui, sans-serif\" font-size=\"{TEXT}\"{time}><title id=\"{id}-title\">{}</title>{}</svg>",
            escaped(title),
            ink.taken()
        )
    }
}

fn begin_series(ink: &Ink, series: usize) {
    let dashes = dashes(series);
    let dashes = if dashes.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{dashes}\"") };
    ink.raw(&format!("<g class=\"series\" data-series=\"{series}\"{dashes}>"));
}

/// Text at its point, its middle at the height of it.
fn style(anchor: Anchor, color: Color, weight: FontStyle) -> TextStyle<'static> {
    let at = match anchor {
        Anchor::Left => HPos::Left,
        Anchor::Middle => HPos::Center,
        Anchor::Right => HPos::Right,
    };
    let color = color.rgb().to_backend_color();
    TextStyle { font: FontDesc::new(FontFamily::SansSerif, TEXT * SCALE, weight), color, pos: Pos::new(at, VPos::Center) }
}

fn width(color: Color, units: f64) -> ShapeStyle {
    color.rgb().stroke_width(scaled(units) as u32)
}

fn mixed(color: Color, alpha: f64) -> RGBAColor {
    color.rgb().mix(alpha)
}

/// Axes at a place of a picture.
pub struct Plot {
    chart: ChartContext<'static, Canvas, Cartesian2d<Axis, Axis>>,
    ink: Ink,
}

impl Plot {
    pub fn begin_series(&self, series: usize) {
        begin_series(&self.ink, series);
    }

    pub fn end_group(&self) {
        self.ink.raw("</g>");
    }

    /// What the next shapes tell.
    pub fn tip(&self, tip: String) {
        self.ink.tip(Some(Tip { text: tip, is_titled: true }));
    }

    pub fn no_tip(&self) {
        self.ink.tip(None);
    }

    /// A place of the plot in units of the view box.
    pub fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let (x, y) = self.chart.backend_coord(&(x, y));
        (f64::from(x) / SCALE, f64::from(y) / SCALE)
    }

    pub fn line(&mut self, points: impl IntoIterator<Item = (f64, f64)>, color: Color, units: f64) {
        drawn(self.chart.draw_series(LineSeries::new(points, width(color, units))));
    }

    /// A line with gaps where there is no value.
    pub fn broken_line(&mut self, points: impl IntoIterator<Item = (f64, Option<f64>)>, color: Color, units: f64) {
        let mut part: Vec<(f64, f64)> = Vec::new();
        for (x, y) in points {
            match y {
                Some(y) => part.push((x, y)),
                None => self.part(std::mem::take(&mut part), color, units),
            }
        }
        self.part(part, color, units);
    }

    /// A value between two gaps is a dot.
    fn part(&mut self, part: Vec<(f64, f64)>, color: Color, units: f64) {
        match part[..] {
            [] => {}
            [only] => self.dot(only, units, color),
            _ => self.line(part, color, units),
        }
    }

    pub fn dot(&mut self, point: (f64, f64), radius: f64, color: Color) {
        drawn(self.chart.draw_series([Circle::new(point, scaled(radius), color.rgb().filled())]));
    }

    /// Filled between two corners; `alpha` from 0 (nothing to see, but with a tip to hover) to 1.
    pub fn rect(&mut self, from: (f64, f64), to: (f64, f64), color: Color, alpha: f64) {
        drawn(self.chart.draw_series([Rectangle::new([from, to], mixed(color, alpha).filled())]));
    }

    /// The area below a line.
    pub fn below(&mut self, points: &[(f64, f64)], floor: f64, color: Color, alpha: f64) {
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return };
        let outline = [(first.0, floor)].into_iter().chain(points.iter().copied()).chain([(last.0, floor)]);
        drawn(self.chart.draw_series([Polygon::new(outline.collect::<Vec<_>>(), mixed(color, alpha).filled())]));
    }

    /// An arrowhead at the right end: what it ends goes on beyond the plot.
    pub fn goes_on(&mut self, y: f64, units: f64, color: Color) {
        let (x, y) = self.at(self.chart.plotting_area().get_x_range().end, y);
        let rgb = color.rgb();
        let color = super::style::css((rgb.0, rgb.1, rgb.2));
        self.ink.raw(&format!(
            "<path d=\"M{:.1} {:.1}l{units} {units}l-{units} {units}z\" style=\"fill:{color}\"/>",
            x - units / 2.0,
            y - units
        ));
    }

    /// A thin dashed line.
    pub fn dashed(&mut self, from: (f64, f64), to: (f64, f64), color: Color) {
        self.ink.raw("<g stroke-dasharray=\"4 3\">");
        self.line([from, to], color, 1.2);
        self.end_group();
    }

    /// A line without the dashes of its series.
    pub fn solid(&mut self, from: (f64, f64), to: (f64, f64), color: Color, units: f64) {
        self.ink.raw("<g stroke-dasharray=\"none\">");
        self.line([from, to], color, units);
        self.end_group();
    }

    /// An invisible rectangle to hover.
    pub fn hover_rect(&mut self, from: (f64, f64), to: (f64, f64), tip: String) {
        self.ink.tip(Some(Tip { text: tip, is_titled: false }));
        self.rect(from, to, Color::Ink, 0.0);
        self.ink.tip(None);
    }

    /// Invisible columns to hover, each of which tells something; at most so many.
    pub fn hover(&mut self, xs: &[f64], max: usize, (left, right): (f64, f64), (low, high): (f64, f64), tip: impl Fn(usize) -> String) {
        let every = xs.len().div_ceil(max).max(1);
        let places: Vec<usize> = (every / 2..xs.len()).step_by(every).collect();
        for (number, place) in places.iter().enumerate() {
            let begin = number.checked_sub(1).map_or(left, |before| (xs[places[before]] + xs[*place]) / 2.0);
            let end = places.get(number + 1).map_or(right, |after| (xs[*place] + xs[*after]) / 2.0);
            self.hover_rect((begin, low), (end, high), tip(*place));
        }
    }
}
