//! The drawing of a plot: what stands where.

use super::colours::{Colour, KINDS, RANKS};
use super::drawing::{Anchor, Drawing, Item, Paint, Place, Step, Text, TextStyle};
use super::letters::{text_width, wrap};
use super::scale::{Range, Ticks};
use super::{Look, Mark, Plot};
use crate::report::text::{measured, plain};

const WIDTH: f64 = 420.0;
/// Height of the rectangle of the data.
const FIELD: f64 = 236.0;
/// Room at the left and the right edge.
const SIDE: f64 = 2.0;
/// Margin of a file of its own.
const PAPER: f64 = 8.0;
/// Millimetres in a pixel of a file of its own: with its margin as wide as a column of a journal, 86 mm
/// (3.4 in), where letters are 7.3 pt high, those of titles 8.4 pt, and indices 5.6 pt.
pub const MILLIMETRE: f64 = 86.0 / (WIDTH + 2.0 * PAPER);
/// Height of a line of the legend.
const ROW: f64 = 20.0;
/// Room of a legend entry's sample.
const SAMPLE: f64 = 26.0;

/// The drawing of `plot`: with `heading` for a file of its own, which has its title, note and
/// paper; a page has its own.
pub fn draw(plot: &Plot, heading: bool) -> Drawing {
    let mut items = Vec::new();
    let mut top = 0.0;
    let across = WIDTH - 2.0 * SIDE;
    if heading {
        for line in wrap(&plot.title, TextStyle::Title, across) {
            top += ROW;
            items.push(text(TextStyle::Title, Anchor::Start, (SIDE, top - 4.0), line));
        }
        let note = Some(&plot.note).filter(|note| !note.is_empty());
        for line in note.iter().flat_map(|note| wrap(note, TextStyle::Tick, across)) {
            top += 18.0;
            items.push(text(TextStyle::Tick, Anchor::Start, (SIDE, top - 4.0), line));
        }
        top += 6.0;
    }
    for line in wrap(&plot.y.label, TextStyle::Name, across) {
        top += 17.0;
        items.push(text(TextStyle::Name, Anchor::Start, (SIDE, top - 4.0), line));
    }
    top = legend(&mut items, plot, top);
    let bottom = top + 10.0 + FIELD;
    let mut middle = WIDTH / 2.0;
    match ranges(plot) {
        Some((x, y)) => {
            let y_ticks = y.ticks(&[], |_| 20.0 / FIELD);
            let width = |label: &str| text_width(label, TextStyle::Tick);
            let widest = y_ticks.major.iter().map(|(_, l)| width(l)).fold(20.0, f64::max);
            let (left, right) = (SIDE + widest + 6.0, WIDTH - 16.0);
            let field = Field { left, right, top: top + 10.0, bottom, x, y };
            let sizes = all(plot, |mark| mark.x);
            let x_ticks = x.ticks(&sizes, |l| (width(l) + 6.0) / (right - left));
            middle = (left + right) / 2.0;
            axes(&mut items, &field, &x_ticks, &y_ticks);
            data(&mut items, plot, &field);
        }
        None => {
            let centre = (middle, (top + bottom) / 2.0);
            let words = "Nothing to draw".to_owned();
            items.push(text(TextStyle::Tick, Anchor::Middle, centre, words));
        }
    }
    let mut height = bottom + 20.0;
    for line in wrap(&plot.x.label, TextStyle::Name, FIELD) {
        height += 17.0;
        items.push(text(TextStyle::Name, Anchor::Middle, (middle, height - 1.0), line));
    }
    Drawing {
        name: plot.name.clone(),
        title: plot.title.clone(),
        description: plot.description.clone(),
        size: (WIDTH, height + 7.0),
        margin: if heading { PAPER } else { 0.0 },
        items,
    }
}

fn text(style: TextStyle, anchor: Anchor, at: Place, words: String) -> Item {
    Item::Text(Text { style, anchor, at, words })
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
    fn place(&self, x: f64, y: f64) -> Option<Place> {
        let (across, up) = (self.across(x), self.down(y));
        // Far outside is as good as just outside, and keeps numbers short.
        let fine = across.is_finite() && !up.is_nan();
        fine.then(|| (across, up.clamp(self.top - 1000.0, self.bottom + 1000.0)))
    }

    fn across(&self, x: f64) -> f64 {
        self.left + self.x.share(x) * (self.right - self.left)
    }

    fn down(&self, y: f64) -> f64 {
        self.bottom - self.y.share(y) * (self.bottom - self.top)
    }

    /// Joins the points that have a place.
    fn path(&self, points: impl Iterator<Item = (f64, f64)>) -> Vec<Step> {
        let places = points.filter_map(|(x, y)| self.place(x, y)).enumerate();
        places.map(|(i, at)| if i == 0 { Step::To(at) } else { Step::Line(at) }).collect()
    }
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

fn axes(out: &mut Vec<Item>, field: &Field, x_ticks: &Ticks, y_ticks: &Ticks) {
    let Field { left, right, top, bottom, .. } = *field;
    let rows = y_ticks.major.iter().map(|(value, _)| field.down(*value));
    let columns = x_ticks.major.iter().map(|(value, _)| field.across(*value));
    let mut grid: Vec<Step> = rows.flat_map(|y| line((left, y), (right, y))).collect();
    grid.extend(columns.flat_map(|x| line((x, top), (x, bottom))));
    out.push(Item::Path(Paint::line("grid", Colour::Grid, 1.0), grid));
    let corner = (left, bottom);
    let mut frame = vec![Step::To((left, top)), Step::Line(corner), Step::Line((right, bottom))];
    let minor = y_ticks.minor.iter().map(|value| field.down(*value));
    frame.extend(minor.flat_map(|y| line((left, y), (left + 3.0, y))));
    out.push(Item::Path(Paint::line("frame", Colour::Line, 1.0), frame));
    for (value, label) in &y_ticks.major {
        let at = (left - 6.0, field.down(*value) + 4.0);
        out.push(text(TextStyle::Tick, Anchor::End, at, label.clone()));
    }
    for (value, label) in &x_ticks.major {
        let at = (field.across(*value), bottom + 16.0);
        out.push(text(TextStyle::Tick, Anchor::Middle, at, label.clone()));
    }
}

fn line(from: Place, to: Place) -> [Step; 2] {
    [Step::To(from), Step::Line(to)]
}

fn data(out: &mut Vec<Item>, plot: &Plot, field: &Field) {
    let Field { left, right, top, bottom, .. } = *field;
    let guides = plot.guides.iter();
    let mut inside: Vec<Item> =
        guides.map(|g| Item::Path(guide(), field.path(g.curve.iter().copied()))).collect();
    for series in &plot.series {
        let colour = series.look.colour();
        if series.band.len() > 1 {
            // An end that is not positive has no logarithm: the band then reaches the floor.
            let low =
                |y: f64| if y > 0.0 || !plot.y.scale.is_log() { y } else { f64::MIN_POSITIVE };
            let upper = series.band.iter().map(|(x, _, high)| (*x, *high));
            let lower = series.band.iter().rev().map(|(x, y, _)| (*x, low(*y)));
            let mut steps = field.path(upper.chain(lower));
            steps.push(Step::Close);
            let paint = Paint { opacity: 0.15, ..Paint::area("band", colour) };
            inside.push(Item::Path(paint, steps));
        }
        if let Some((_, y)) = series.level.and_then(|level| field.place(1.0, level)) {
            let paint = Paint { dashes: &[1.0, 3.0], ..Paint::line("level", colour, 1.2) };
            inside.push(Item::Path(paint, line((left, y), (right, y)).to_vec()));
        }
        if series.curve.len() > 1 {
            let steps = field.path(series.curve.iter().copied());
            inside.push(Item::Path(curve(series.look), steps));
        }
        if series.joined && series.points.len() > 1 {
            let steps = field.path(series.points.iter().map(|mark| (mark.x, mark.y)));
            let stroke = Some((colour, 1.3));
            let paint = Paint { class: "joined", stroke, opacity: 0.75, ..curve(series.look) };
            inside.push(Item::Path(paint, steps));
        }
    }
    out.push(Item::Clipped([(left, top), (right, bottom)], inside));
    for series in &plot.series {
        let name = [plot.legend.as_str(), &series.label].join(" ");
        let marks = series.points.iter().filter(|mark| plot.can_show(mark));
        out.extend(marks.filter_map(|mark| point(name.trim(), series.look, mark, field)));
    }
}

/// The marker of a series called `name`, with its bar.
fn point(name: &str, look: Look, mark: &Mark, field: &Field) -> Option<Item> {
    let (x, y) = field.place(mark.x, mark.y)?;
    let error = mark.error.filter(|e| e.is_finite());
    let spread = error.map(|e| format!(" ± {}", measured(e))).unwrap_or_default();
    let mut items = Vec::new();
    if let Some(error) = error {
        let inside = |y: f64| y.clamp(field.top, field.bottom);
        // A bar that reaches zero has no lower end on a logarithmic axis.
        let low = field.place(mark.x, mark.y - error).map_or(field.bottom, |(_, y)| inside(y));
        let high = field.place(mark.x, mark.y + error).map_or(field.top, |(_, y)| inside(y));
        if low - high > 3.0 {
            let cap = |y: f64| line((x - 3.0, y), (x + 3.0, y));
            let steps = [line((x, low), (x, high)), cap(low), cap(high)].concat();
            items.push(Item::Path(Paint::line("bar", look.colour(), 1.3), steps));
        }
    }
    items.push(marker(look, (x, y)));
    let words = format!("{name} at {}: {}{spread}", plain(mark.x), measured(mark.y));
    Some(Item::Named(words, items))
}

impl Look {
    fn colour(self) -> Colour {
        match self {
            Look::Kind(i) => Colour::Kind(i),
            Look::Rank(i) => Colour::Rank(i),
        }
    }
}

/// The line through a series. Curves that lie on each other stay visible through each other's gaps.
fn curve(look: Look) -> Paint {
    let dashes: &[f64] = match look {
        Look::Kind(i) => [&[], &[6.0, 5.0][..], &[8.0, 4.5, 1.0, 4.5], &[3.0, 4.0]][i % KINDS],
        Look::Rank(_) => &[],
    };
    Paint { dashes, ..Paint::line("curve", look.colour(), 1.7) }
}

fn guide() -> Paint {
    Paint { dashes: &[2.0, 4.0], ..Paint::line("guide", Colour::Muted, 1.4) }
}

/// The first kind is an open circle around, the others full shapes within: points that fall on each
/// other can still be told apart.
fn marker(look: Look, at: Place) -> Item {
    let colour = look.colour();
    let full = Paint { stroke: Some((Colour::Surface, 0.8)), ..Paint::area("full", colour) };
    let shape = |corners: &[(f64, f64)]| {
        let places = corners.iter().map(|(x, y)| (at.0 + x, at.1 + y)).enumerate();
        let steps = places.map(|(i, at)| if i == 0 { Step::To(at) } else { Step::Line(at) });
        Item::Path(full, steps.chain([Step::Close]).collect())
    };
    let ring = |radius: f64| Item::Circle(Paint::line("open", colour, 1.8), at, radius);
    let square = |r: f64| shape(&[(-r, -r), (r, -r), (r, r), (-r, r)]);
    let up = [(-4.6, 3.6), (4.6, 3.6), (0.0, -4.8)];
    let diamond = [(-4.6, 0.0), (0.0, -4.6), (4.6, 0.0), (0.0, 4.6)];
    match look {
        Look::Kind(i) => match i % KINDS {
            0 => ring(5.2),
            1 => square(3.1),
            2 => shape(&up),
            _ => shape(&diamond),
        },
        Look::Rank(i) => match i.min(RANKS - 1) {
            0 => Item::Circle(full, at, 3.6),
            1 => square(3.3),
            2 => shape(&up),
            3 => shape(&up.map(|(x, y)| (x, -y))),
            4 => shape(&diamond),
            _ => ring(4.2),
        },
    }
}

/// Entries in rows from the left; returns where the last row ends.
fn legend(out: &mut Vec<Item>, plot: &Plot, top: f64) -> f64 {
    let (mut x, mut row) = (SIDE, top + ROW - 3.0);
    if !plot.legend.is_empty() {
        out.push(text(TextStyle::Key, Anchor::Start, (x, row), plot.legend.clone()));
        x += text_width(&plot.legend, TextStyle::Key) + 8.0;
    }
    let mut entry = |label: &str, sample: &dyn Fn(Place) -> Vec<Item>| {
        let lines = wrap(label, TextStyle::Key, WIDTH - 2.0 * SIDE - SAMPLE);
        let widths = lines.iter().map(|line| text_width(line, TextStyle::Key));
        let width = SAMPLE + widths.fold(0.0, f64::max) + 10.0;
        if x > SIDE && x + width > WIDTH - SIDE {
            (x, row) = (SIDE, row + ROW);
        }
        out.extend(sample((x, row - 4.0)));
        for (i, line) in lines.into_iter().enumerate() {
            row += if i == 0 { 0.0 } else { ROW };
            out.push(text(TextStyle::Key, Anchor::Start, (x + SAMPLE, row), line));
        }
        x += width;
    };
    let dash =
        |paint: Paint, (x, y): Place| Item::Path(paint, line((x, y), (x + 20.0, y)).to_vec());
    for series in &plot.series {
        entry(&series.label, &|(x, y)| {
            let joined = series.joined || !series.curve.is_empty();
            let stroke = joined.then(|| dash(curve(series.look), (x, y)));
            stroke.into_iter().chain([marker(series.look, (x + 10.0, y))]).collect()
        });
    }
    for guide_line in &plot.guides {
        entry(&guide_line.label, &|at| vec![dash(guide(), at)]);
    }
    row + 4.0
}
