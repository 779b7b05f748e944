//! Where plotters draws: an SVG writer that knows groups, CSS colors and tips, which plotters' own does not. Plotters' coordinates are
//! integers, so it is made to draw ten times as large, and the view box scales back.

use super::style::{TEXT, css, text_width};
use crate::error::printable;
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind, FontStyle, FontTransform, text_anchor,
};
use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt::Write;
use std::rc::Rc;

/// Units of plotters to a unit of the view box.
pub const SCALE: f64 = 10.0;

/// The elements written so far, shared by plotters and by those who group its elements.
#[derive(Clone, Default)]
pub struct Ink(Rc<RefCell<Written>>);

#[derive(Default)]
struct Written {
    svg: String,
    tip: Option<Tip>,
}

/// What a shape tells.
#[derive(Clone)]
pub struct Tip {
    pub text: String,
    /// Told without scripts, too. Columns to hover do not: what they tell is in the table, and twice the text makes a page heavy.
    pub is_titled: bool,
}

impl Ink {
    /// Writes markup as it is.
    pub fn raw(&self, markup: &str) {
        self.0.borrow_mut().svg.push_str(markup);
    }

    /// What the next shapes tell, until told otherwise.
    pub fn tip(&self, tip: Option<Tip>) {
        self.0.borrow_mut().tip = tip;
    }

    pub fn taken(&self) -> String {
        std::mem::take(&mut self.0.borrow_mut().svg)
    }

    /// Writes `<name attributes/>`, with the tip if there is one.
    fn shape(&self, name: &str, attributes: &str) {
        let mut written = self.0.borrow_mut();
        let Written { svg, tip } = &mut *written;
        // Writing to a string does not fail.
        let _ = match tip {
            None => write!(svg, "<{name} {attributes}/>"),
            Some(Tip { text, is_titled: false }) => write!(svg, "<{name} {attributes} data-tip=\"{}\"/>", escaped(text)),
            Some(tip) => write!(svg, "<{name} {attributes} data-tip=\"{0}\"><title>{0}</title></{name}>", escaped(&tip.text)),
        };
    }
}

/// Text within markup: without what would end it, what XML forbids, and what hides or turns text. Lines stay apart.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (number, line) in text.split('\n').enumerate() {
        out.push_str(if number > 0 { "&#10;" } else { "" });
        for c in printable(line, usize::MAX).chars() {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                '\'' => out.push_str("&#39;"),
                '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
                c => out.push(c),
            }
        }
    }
    out
}

/// A coordinate of plotters in units of the view box, as short as it goes.
fn unit(tenths: i32) -> String {
    match (tenths / 10, tenths % 10) {
        (whole, 0) => whole.to_string(),
        (0, part) if tenths < 0 => format!("-.{}", -part),
        (0, part) => format!(".{part}"),
        (whole, part) => format!("{whole}.{}", part.abs()),
    }
}

/// The back end.
pub struct Canvas {
    pub ink: Ink,
    /// In plotters' units.
    pub size: (u32, u32),
}

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

fn opacity(what: &str, color: BackendColor) -> String {
    if color.alpha >= 1.0 { String::new() } else { format!(" {what}-opacity=\"{}\"", (color.alpha * 100.0).round() / 100.0) }
}

/// Colors stand in `style`, for attributes do not know CSS variables.
fn fill(color: BackendColor) -> String {
    format!("style=\"fill:{}\"{}", css(color.rgb), opacity("fill", color))
}

fn stroke(style: &impl BackendStyle) -> String {
    let width = f64::from(style.stroke_width()) / SCALE;
    format!("fill=\"none\" style=\"stroke:{}\" stroke-width=\"{width}\"{}", css(style.color().rgb), opacity("stroke", style.color()))
}

impl DrawingBackend for Canvas {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, color: BackendColor) -> Drawn {
        self.draw_rect((x, y), (x + 1, y + 1), &color, true)
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(&mut self, (x0, y0): BackendCoord, (x1, y1): BackendCoord, style: &S, is_filled: bool) -> Drawn {
        if style.color().alpha > 0.0 || self.ink.0.borrow().tip.is_some() {
            let look = if is_filled { fill(style.color()) } else { stroke(style) };
            let (width, height) = (unit((x1 - x0).max(0)), unit((y1 - y0).max(0)));
            self.ink.shape("rect", &format!("x=\"{}\" y=\"{}\" width=\"{width}\" height=\"{height}\" {look}", unit(x0), unit(y0)));
        }
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn {
        let points: Vec<String> = path.into_iter().map(|(x, y)| format!("{},{}", unit(x), unit(y))).collect();
        if style.color().alpha > 0.0 && points.len() > 1 {
            self.ink.shape("polyline", &format!("points=\"{}\" {}", points.join(" "), stroke(style)));
        }
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(&mut self, (x, y): BackendCoord, radius: u32, style: &S, is_filled: bool) -> Drawn {
        let look = if is_filled { fill(style.color()) } else { stroke(style) };
        self.ink.shape("circle", &format!("cx=\"{}\" cy=\"{}\" r=\"{}\" {look}", unit(x), unit(y), unit(radius as i32)));
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn {
        let points: Vec<String> = path.into_iter().map(|(x, y)| format!("{},{}", unit(x), unit(y))).collect();
        self.ink.shape("polygon", &format!("points=\"{}\" {}", points.join(" "), fill(style.color())));
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, (x, y): BackendCoord) -> Drawn {
        let size = style.size() / SCALE;
        let anchor = match style.anchor().h_pos {
            text_anchor::HPos::Left => "",
            text_anchor::HPos::Center => " text-anchor=\"middle\"",
            text_anchor::HPos::Right => " text-anchor=\"end\"",
        };
        let below = size
            * match style.anchor().v_pos {
                text_anchor::VPos::Top => 0.8,
                text_anchor::VPos::Center => 0.35,
                text_anchor::VPos::Bottom => -0.2,
            };
        let (x, y) = (f64::from(x) / SCALE, f64::from(y) / SCALE);
        let turn = match style.transform() {
            FontTransform::Rotate90 => format!(" transform=\"rotate(90 {x:.1} {y:.1})\""),
            FontTransform::Rotate180 => format!(" transform=\"rotate(180 {x:.1} {y:.1})\""),
            FontTransform::Rotate270 => format!(" transform=\"rotate(270 {x:.1} {y:.1})\""),
            FontTransform::None => String::new(),
        };
        let weight = if matches!(style.style(), FontStyle::Bold) { " font-weight=\"600\"" } else { "" };
        let size = if size == TEXT { String::new() } else { format!(" font-size=\"{size}\"") };
        let look = fill(style.color());
        let y = y + below;
        self.ink.raw(&format!("<text x=\"{x:.1}\" y=\"{y:.1}\"{anchor}{size}{weight}{turn} {look}>{}</text>", escaped(text)));
        Ok(())
    }

    fn estimate_text_size<S: BackendTextStyle>(&self, text: &str, style: &S) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        Ok((text_width(text, style.size()) as u32, style.size() as u32))
    }
}
