//! A small plotter: what a plot shows, and its SVG.
//!
//! The same drawing serves inside the page, where colours come from the page's variables and follow
//! light and dark, and as a file of its own, which carries its style with it. No text is ever
//! measured by a browser: widths are estimated from above, so that nothing overlaps.

mod draw;
mod letters;
mod scale;

pub use draw::{embedded, standalone};

/// A plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Plot {
    /// File name without ending, and prefix of its ids: letters, digits and dashes.
    pub name: String,
    /// Above the plot in its file; the page has its own heading.
    pub title: String,
    /// Below the title in its file.
    pub note: String,
    /// For those who do not see it.
    pub description: String,
    /// Horizontal.
    pub x: Axis,
    /// Vertical.
    pub y: Axis,
    /// What all entries of the legend begin with, e.g. "L ="; may be empty.
    pub legend: String,
    /// What is shown, in the order of the legend.
    pub series: Vec<Series>,
    /// Drawn behind, in grey.
    pub guides: Vec<Guide>,
}

/// An axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// With its symbol; `_` lowers the next letter.
    pub label: String,
    /// How numbers become places.
    pub scale: Scale,
}

/// How numbers become places, and where ticks stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Ticks at round numbers.
    Linear,
    /// Linear, ticks at whole numbers.
    Count,
    /// Logarithmic, ticks at powers of ten, or at round numbers where there are few.
    Log,
    /// Logarithmic, ticks at the sizes that occur: 4, 8, 16, …
    Sizes,
}

impl Scale {
    /// Whether only positive numbers have a place.
    pub fn is_log(self) -> bool {
        matches!(self, Scale::Log | Scale::Sizes)
    }
}

/// How a series looks: by colour and by shape, so that either suffices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// One of a few kinds, e.g. closures: 0, 1, 2.
    Kind(usize),
    /// Place of several in an order, e.g. depths: 0 … 5.
    Rank(usize),
}

impl Look {
    /// Of the `i`th of `n` in an order: more than six share the six looks that there are.
    pub fn rank(i: usize, n: usize) -> Look {
        Look::Rank(if n > 6 { i * 5 / (n - 1) } else { i })
    }
}

/// A set of points and what was fitted to them.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// In the legend.
    pub label: String,
    /// Colour and shape.
    pub look: Look,
    /// The points.
    pub points: Vec<Mark>,
    /// Whether a line joins the points.
    pub joined: bool,
    /// A fitted curve.
    pub curve: Vec<(f64, f64)>,
    /// x, lower and upper end of a band.
    pub band: Vec<(f64, f64, f64)>,
    /// A horizontal dotted line, e.g. a plateau.
    pub level: Option<f64>,
}

/// A point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    /// Across.
    pub x: f64,
    /// Up.
    pub y: f64,
    /// Standard error.
    pub error: Option<f64>,
}

/// A curve to compare with.
#[derive(Clone, Debug, PartialEq)]
pub struct Guide {
    /// In the legend.
    pub label: String,
    /// From left to right.
    pub curve: Vec<(f64, f64)>,
}

impl Plot {
    /// Whether there is a point to draw.
    pub fn has_points(&self) -> bool {
        self.series.iter().any(|series| series.points.iter().any(|mark| self.can_show(mark)))
    }

    /// The number of points that have no place on these axes.
    pub fn hidden(&self) -> usize {
        let marks = self.series.iter().flat_map(|series| &series.points);
        marks.filter(|mark| !self.can_show(mark)).count()
    }

    fn can_show(&self, mark: &Mark) -> bool {
        let fits = |axis: &Axis, v: f64| v.is_finite() && (v > 0.0 || !axis.scale.is_log());
        fits(&self.x, mark.x) && fits(&self.y, mark.y)
    }
}

/// Light colours, as CSS declarations. Kinds are told apart by all common kinds of colour vision;
/// ranks go from light to dark in one order.
pub const LIGHT: &str = "--ink:#1d2126;--muted:#5a626c;--line:#d9d8d2;--grid:#ecebe6;\
    --surface:#ffffff;--k0:#0a5ea8;--k1:#c2480c;--k2:#0b7d5c;\
    --r0:#b98a00;--r1:#6f9420;--r2:#21896a;--r3:#1f7a92;--r4:#3a5aa6;--r5:#5a2d86;";

/// Dark colours, as CSS declarations.
pub const DARK: &str = "--ink:#e9e7e2;--muted:#a2a8b0;--line:#3d4248;--grid:#2a2e33;\
    --surface:#1b1e22;--k0:#6db8ff;--k1:#ff9a5c;--k2:#4fd1a5;\
    --r0:#f5d547;--r1:#a9d65a;--r2:#54cb92;--r3:#45b7c4;--r4:#7fa3ee;--r5:#c29cf5;";

/// The rules that plots need wherever they stand.
pub const RULES: &str = ".plot{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;\
    font-size:13px}\
    .plot text{fill:var(--muted)}.plot .name,.plot .title{fill:var(--ink);font-weight:600}\
    .plot .title{font-size:15px}.plot .key{fill:var(--ink)}\
    .plot .grid{stroke:var(--grid);fill:none}.plot .frame{stroke:var(--line);fill:none}\
    .plot .guide{stroke:var(--muted);fill:none;stroke-width:1.4;stroke-dasharray:2 4;\
    stroke-linecap:round}\
    .plot .k0{color:var(--k0)}.plot .k1{color:var(--k1)}.plot .k2{color:var(--k2)}\
    .plot .r0{color:var(--r0)}.plot .r1{color:var(--r1)}.plot .r2{color:var(--r2)}\
    .plot .r3{color:var(--r3)}.plot .r4{color:var(--r4)}.plot .r5{color:var(--r5)}\
    .plot .curve{stroke:currentColor;fill:none;stroke-width:1.7;stroke-linejoin:round}\
    .plot .joined{stroke-width:1.3;opacity:.75}\
    .plot .level{stroke:currentColor;fill:none;stroke-width:1.2;stroke-dasharray:1 3;\
    stroke-linecap:round}\
    .plot .band{fill:currentColor;stroke:none;opacity:.15}\
    .plot .bar{stroke:currentColor;fill:none;stroke-width:1.3}\
    .plot .full{fill:currentColor;stroke:var(--surface);stroke-width:.8}\
    .plot .open{fill:none;stroke:currentColor;stroke-width:1.8}";

#[cfg(test)]
mod tests {
    use super::{DARK, LIGHT, RULES};

    /// A class or a variable that one part lacks would draw black on black.
    #[test]
    fn both_palettes_name_the_same_colours() {
        let names = |palette: &'static str| -> Vec<&str> {
            palette.split(';').filter_map(|d| d.split_once(':')).map(|(n, _)| n.trim()).collect()
        };
        assert_eq!(names(LIGHT), names(DARK));
        for used in RULES.split("var(").skip(1).filter_map(|rest| rest.split_once(')')) {
            assert!(names(LIGHT).contains(&used.0), "{}", used.0);
        }
    }
}
