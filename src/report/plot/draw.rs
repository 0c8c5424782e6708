//! The SVG of a plot.

use std::fmt::Write;

use super::letters::{BOLD, LETTER, TITLE, fitted, label, px, text_width};
use super::scale::{Range, Ticks};
use super::{DARK, LIGHT, Look, Mark, Plot, RULES};
use crate::report::text::{escape, measured, plain};

const WIDTH: f64 = 440.0;
const FIELD: f64 = 236.0;
const SIDE: f64 = 2.0;
/// Margin of a file of its own.
const PAPER: f64 = 14.0;
const ROW: f64 = 20.0;
/// Room of a legend entry's sample.
const SAMPLE: f64 = 26.0;

/// For use inside the page, whose style has [`RULES`] and the colours.
pub fn embedded(plot: &Plot) -> String {
    draw(plot, false)
}

/// A file of its own, with title, background and style.
pub fn standalone(plot: &Plot) -> String {
    let mut out = draw(plot, true);
    out.push('\n');
    out
}

/// The rectangle of the data.
struct Field {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: Range,
    y: Range,
}

impl Field {
    fn at(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        let across = self.left + self.x.share(x) * (self.right - self.left);
        let up = self.bottom - self.y.share(y) * (self.bottom - self.top);
        // Far outside is as good as just outside, and keeps numbers short.
        let fine = across.is_finite() && !up.is_nan();
        fine.then(|| (across, up.clamp(self.top - 1000.0, self.bottom + 1000.0)))
    }

    fn path(&self, points: impl Iterator<Item = (f64, f64)>) -> String {
        let mut path = String::new();
        for (x, y) in points.filter_map(|(x, y)| self.at(x, y)) {
            let letter = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{letter}{} {}", px(x), px(y));
        }
        path
    }
}

fn draw(plot: &Plot, alone: bool) -> String {
    let mut body = String::new();
    let mut top = 0.0;
    if alone {
        top += 24.0;
        let title = fitted(&plot.title, (WIDTH - 2.0 * SIDE) / BOLD * LETTER / TITLE);
        label(&mut body, (SIDE, top - 8.0), "start", "title", &title);
        if !plot.note.is_empty() {
            top += ROW;
            let note = fitted(&plot.note, WIDTH - 2.0 * SIDE);
            label(&mut body, (SIDE, top - 8.0), "start", "tick", &note);
        }
        top += 4.0;
    }
    top += 16.0;
    let name = fitted(&plot.y.label, (WIDTH - 2.0 * SIDE) / BOLD);
    label(&mut body, (SIDE, top - 3.0), "start", "name", &name);
    top = legend(&mut body, plot, top);
    let bottom = top + 10.0 + FIELD;
    let height = bottom + 44.0;
    let mut middle = WIDTH / 2.0;
    match ranges(plot) {
        Some((x, y)) => {
            let y_ticks = y.ticks(&[], |_| 20.0 / FIELD);
            let widest = y_ticks.major.iter().map(|(_, l)| text_width(l)).fold(20.0, f64::max);
            let (left, right) = (SIDE + widest + 6.0, WIDTH - 16.0);
            let field = Field { left, right, top: top + 10.0, bottom, x, y };
            let sizes = all(plot, |mark| mark.x);
            let x_ticks = x.ticks(&sizes, |l| (text_width(l) + 6.0) / (right - left));
            middle = (left + right) / 2.0;
            axes(&mut body, &field, &x_ticks, &y_ticks);
            data(&mut body, plot, &field);
        }
        None => {
            let centre = (middle, (top + bottom) / 2.0);
            label(&mut body, centre, "middle", "empty", "Nothing to draw");
        }
    }
    let axis = fitted(&plot.x.label, FIELD / BOLD);
    label(&mut body, (middle, height - 8.0), "middle", "name", &axis);

    let (title, description) = (escape(&plot.title), escape(&plot.description));
    let (from, width, tall) = match alone {
        true => (px(-PAPER), px(WIDTH + 2.0 * PAPER), px(height + 2.0 * PAPER)),
        false => (px(0.0), px(WIDTH), px(height)),
    };
    let size = if alone { format!("width=\"{width}\" height=\"{tall}\" ") } else { String::new() };
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" {size}\
         viewBox=\"{from} {from} {width} {tall}\" role=\"img\" \
         aria-label=\"{title}. {description}\"><title>{title}</title>"
    );
    if alone {
        let _ = write!(
            out,
            "<style>svg{{{LIGHT}}}@media (prefers-color-scheme:dark){{svg{{{DARK}}}}}{RULES}\
             .paper{{fill:var(--surface)}}</style><rect class=\"paper\" x=\"{from}\" y=\"{from}\" \
             width=\"{width}\" height=\"{tall}\"/>"
        );
    }
    out + &body + "</svg>"
}

/// Distinct finite coordinates of the points, ascending.
fn all(plot: &Plot, coordinate: impl Fn(&Mark) -> f64) -> Vec<f64> {
    let marks = plot.series.iter().flat_map(|s| &s.points).filter(|mark| plot.can_show(mark));
    let mut values: Vec<f64> = marks.map(coordinate).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    values
}

/// What must be visible: points, their bars, curves, levels. Bands and guides may leave the field,
/// but not before they have had some room.
fn ranges(plot: &Plot) -> Option<(Range, Range)> {
    let log = plot.y.scale.is_log();
    let xs = all(plot, |mark| mark.x);
    let ys = all(plot, |mark| mark.y);
    let (low, high) = (*ys.first()?, *ys.last()?);
    // A factor on logarithmic axes, a share of the spread on others.
    let allowed = move |v: f64, reach: f64| match log {
        true => v.clamp(low / reach, high * reach),
        false => v.clamp(low - (high - low) * 0.5, high + (high - low) * 0.5),
    };
    let mut seen = ys.clone();
    for series in &plot.series {
        for mark in series.points.iter().filter(|mark| plot.can_show(mark)) {
            let error = mark.error.filter(|e| e.is_finite()).unwrap_or(0.0);
            seen.extend([mark.y - error, mark.y + error].map(|v| allowed(v, 3.0)));
        }
        let curve = series.curve.iter().map(|(_, y)| *y).chain(series.level);
        seen.extend(curve.filter(|v| v.is_finite()).map(|v| allowed(v, 3.0)));
        let band = series.band.iter().flat_map(|(_, low, high)| [*low, *high]);
        seen.extend(band.filter(|v| v.is_finite()).map(|v| allowed(v, 1.5)));
    }
    let guides = plot.guides.iter().flat_map(|guide| &guide.curve);
    seen.extend(guides.map(|(_, y)| *y).filter(|v| v.is_finite()).map(|v| allowed(v, 6.0)));
    Some((Range::of(plot.x.scale, xs, 0.04)?, Range::of(plot.y.scale, seen, 0.06)?))
}

fn axes(out: &mut String, field: &Field, x_ticks: &Ticks, y_ticks: &Ticks) {
    let Field { left, right, top, bottom, .. } = *field;
    let mut grid = String::new();
    for (value, _) in &y_ticks.major {
        let y = px(bottom - field.y.share(*value) * (bottom - top));
        let _ = write!(grid, "M{} {y}H{}", px(left), px(right));
    }
    for (value, _) in &x_ticks.major {
        let x = px(left + field.x.share(*value) * (right - left));
        let _ = write!(grid, "M{x} {}V{}", px(top), px(bottom));
    }
    let _ = write!(out, "<path class=\"grid\" d=\"{grid}\"/>");
    let mut frame = format!("M{} {}V{}H{}", px(left), px(top), px(bottom), px(right));
    for value in &y_ticks.minor {
        let y = px(bottom - field.y.share(*value) * (bottom - top));
        let _ = write!(frame, "M{} {y}h3", px(left));
    }
    let _ = write!(out, "<path class=\"frame\" d=\"{frame}\"/>");
    for (value, text) in &y_ticks.major {
        let y = bottom - field.y.share(*value) * (bottom - top);
        label(out, (left - 6.0, y + 4.0), "end", "tick", text);
    }
    for (value, text) in &x_ticks.major {
        let x = left + field.x.share(*value) * (right - left);
        label(out, (x, bottom + 16.0), "middle", "tick", text);
    }
}

fn data(out: &mut String, plot: &Plot, field: &Field) {
    let Field { left, right, top, bottom, .. } = *field;
    let name = escape(&plot.name);
    let _ = write!(
        out,
        "<clipPath id=\"clip-{name}\"><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>\
         </clipPath><g clip-path=\"url(#clip-{name})\">",
        px(left),
        px(top),
        px(right - left),
        px(bottom - top)
    );
    for guide in &plot.guides {
        let path = field.path(guide.curve.iter().copied());
        let _ = write!(out, "<path class=\"guide\" d=\"{path}\"/>");
    }
    for series in &plot.series {
        let _ = write!(out, "<g class=\"{}\">", class(series.look));
        if series.band.len() > 1 {
            // An end that is not positive has no logarithm: the band then reaches the floor.
            let low =
                |y: f64| if y > 0.0 || !plot.y.scale.is_log() { y } else { f64::MIN_POSITIVE };
            let upper = series.band.iter().map(|(x, _, high)| (*x, *high));
            let lower = series.band.iter().rev().map(|(x, y, _)| (*x, low(*y)));
            let path = field.path(upper.chain(lower));
            let _ = write!(out, "<path class=\"band\" d=\"{path}Z\"/>");
        }
        if let Some((_, y)) = series.level.and_then(|level| field.at(1.0, level)) {
            let _ =
                write!(out, "<path class=\"level\" d=\"M{} {}H{}\"/>", px(left), px(y), px(right));
        }
        if series.curve.len() > 1 {
            let path = field.path(series.curve.iter().copied());
            let _ = write!(out, "<path class=\"curve\"{} d=\"{path}\"/>", dashes(series.look));
        }
        if series.joined && series.points.len() > 1 {
            let path = field.path(series.points.iter().map(|mark| (mark.x, mark.y)));
            let _ =
                write!(out, "<path class=\"curve joined\"{} d=\"{path}\"/>", dashes(series.look));
        }
        out.push_str("</g>");
    }
    out.push_str("</g>");
    for series in &plot.series {
        let name = [plot.legend.as_str(), &series.label].join(" ");
        let name = name.trim();
        let _ = write!(out, "<g class=\"{}\">", class(series.look));
        for mark in series.points.iter().filter(|mark| plot.can_show(mark)) {
            point(out, (name, series.look), mark, field);
        }
        out.push_str("</g>");
    }
}

/// A marker with its bar; `series` is its name and look.
fn point(out: &mut String, (series, look): (&str, Look), mark: &Mark, field: &Field) {
    let Some((x, y)) = field.at(mark.x, mark.y) else { return };
    let error = mark.error.filter(|e| e.is_finite());
    let spread = error.map(|e| format!(" ± {}", measured(e))).unwrap_or_default();
    let words = format!("{series} at {}: {}{spread}", plain(mark.x), measured(mark.y));
    let _ = write!(out, "<g><title>{}</title>", escape(&words));
    if let Some(error) = error {
        let inside = |y: f64| y.clamp(field.top, field.bottom);
        // A bar that reaches zero has no lower end on a logarithmic axis.
        let low = field.at(mark.x, mark.y - error).map_or(field.bottom, |(_, y)| inside(y));
        let high = field.at(mark.x, mark.y + error).map_or(field.top, |(_, y)| inside(y));
        if low - high > 3.0 {
            let (from, x) = (px(x - 3.0), px(x));
            let (low, high) = (px(low), px(high));
            let _ = write!(
                out,
                "<path class=\"bar\" d=\"M{x} {low}V{high}M{from} {low}h6M{from} {high}h6\"/>"
            );
        }
    }
    marker(out, look, x, y);
    out.push_str("</g>");
}

fn class(look: Look) -> String {
    match look {
        Look::Kind(i) => format!("k{}", i.min(2)),
        Look::Rank(i) => format!("r{}", i.min(5)),
    }
}

/// Curves that lie on each other stay visible through each other's gaps.
fn dashes(look: Look) -> &'static str {
    match look {
        Look::Kind(1) => " stroke-dasharray=\"7 4\"",
        Look::Kind(2) => " stroke-dasharray=\"9 3 2 3\"",
        _ => "",
    }
}

/// The first kind is an open circle around, the others full shapes within: points that fall on each
/// other can still be told apart.
fn marker(out: &mut String, look: Look, x: f64, y: f64) {
    let shape = |corners: &[(f64, f64)]| {
        let mut path = String::new();
        for (i, (dx, dy)) in corners.iter().enumerate() {
            let _ = write!(path, "{}{} {}", if i == 0 { 'M' } else { 'L' }, px(x + dx), px(y + dy));
        }
        format!("<path class=\"full\" d=\"{path}Z\"/>")
    };
    let circle = |radius: f64, class: &str| {
        format!("<circle class=\"{class}\" cx=\"{}\" cy=\"{}\" r=\"{radius}\"/>", px(x), px(y))
    };
    let up = [(-4.6, 3.6), (4.6, 3.6), (0.0, -4.8)];
    out.push_str(&match look {
        Look::Kind(0) => circle(5.2, "open"),
        Look::Kind(1) => shape(&[(-3.1, -3.1), (3.1, -3.1), (3.1, 3.1), (-3.1, 3.1)]),
        Look::Kind(_) | Look::Rank(2) => shape(&up),
        Look::Rank(0) => circle(3.6, "full"),
        Look::Rank(1) => shape(&[(-3.3, -3.3), (3.3, -3.3), (3.3, 3.3), (-3.3, 3.3)]),
        Look::Rank(3) => shape(&up.map(|(dx, dy)| (dx, -dy))),
        Look::Rank(4) => shape(&[(-4.6, 0.0), (0.0, -4.6), (4.6, 0.0), (0.0, 4.6)]),
        Look::Rank(_) => circle(4.2, "open"),
    });
}

/// Entries in rows from the left; returns where the last row ends.
fn legend(out: &mut String, plot: &Plot, top: f64) -> f64 {
    let (mut x, mut row) = (SIDE, top + ROW - 3.0);
    if !plot.legend.is_empty() {
        label(out, (x, row), "start", "key", &plot.legend);
        x += text_width(&plot.legend) + 8.0;
    }
    let mut place = |text: &str| {
        let width = SAMPLE + text_width(text) + 10.0;
        if x > SIDE && x + width > WIDTH - SIDE {
            (x, row) = (SIDE, row + ROW);
        }
        let here = (x, row);
        x += width;
        here
    };
    let room = WIDTH - 2.0 * SIDE - SAMPLE;
    for series in &plot.series {
        let text = fitted(&series.label, room);
        let (x, y) = place(&text);
        let _ = write!(out, "<g class=\"{}\">", class(series.look));
        if series.joined || !series.curve.is_empty() {
            let (from, y) = (px(x), px(y - 4.0));
            let _ =
                write!(out, "<path class=\"curve\"{} d=\"M{from} {y}h20\"/>", dashes(series.look));
        }
        marker(out, series.look, x + 10.0, y - 4.0);
        out.push_str("</g>");
        label(out, (x + SAMPLE, y), "start", "key", &text);
    }
    for guide in &plot.guides {
        let text = fitted(&guide.label, room);
        let (x, y) = place(&text);
        let _ = write!(out, "<path class=\"guide\" d=\"M{} {}h20\"/>", px(x), px(y - 4.0));
        label(out, (x + SAMPLE, y), "start", "key", &text);
    }
    row + 4.0
}
