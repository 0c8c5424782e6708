//! A small plotter: what a plot shows, its drawing, the drawing as SVG and PDF, and its points as CSV.
//!
//! One drawing serves inside the page, where colours come from the page's variables and follow light
//! and dark, and as files of its own in the colours of the light theme. No text is ever measured by a
//! browser: widths are estimated from above, so that nothing overlaps.

mod colours;
mod draw;
mod drawing;
mod font;
mod letters;
mod pdf;
mod points;
mod scale;
mod svg;

use serde::{Deserialize, Serialize};

pub use colours::{KINDS, page_variables};

/// What a plot shows, and in which words: an entry of figures.json.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plot {
    /// File name without ending, and prefix of its ids: letters, digits and dashes.
    pub name: String,
    /// Title above the plot in its file; the page has its own heading.
    pub title: String,
    /// Sizes and step, below the title in its file.
    pub note: String,
    /// What the plot shows, for those who do not see it.
    pub description: String,
    /// The horizontal axis, below.
    pub x: Axis,
    /// The vertical axis, named above the field.
    pub y: Axis,
    /// What all entries of the legend begin with, e.g. "L ="; may be empty.
    pub legend: String,
    /// Points and curves, in the order of the legend.
    pub series: Vec<Series>,
    /// Curves to compare with, drawn behind in grey.
    pub guides: Vec<Guide>,
}

/// An axis by its name and its scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// The name of the axis with its symbol; `_` lowers the next letter.
    pub label: String,
    /// How numbers become places on the axis.
    pub scale: Scale,
}

/// How numbers become places, and where ticks stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// A linear scale with ticks at round numbers.
    Linear,
    /// A linear scale with ticks at whole numbers.
    Count,
    /// A logarithmic scale with ticks at powers of ten, or at round numbers where there are few.
    Log,
    /// A logarithmic scale with ticks at the sizes that occur: 4, 8, 16, …
    Sizes,
}

impl Scale {
    /// Whether only positive numbers have a place.
    pub fn is_log(self) -> bool {
        matches!(self, Scale::Log | Scale::Sizes)
    }
}

/// How a series looks: by colour and by shape, so that either suffices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The entry of the series in the legend.
    pub label: String,
    /// Colour of everything, shape of the points.
    pub look: Look,
    /// The measured points, from left to right.
    pub points: Vec<Mark>,
    /// Whether a line joins the points.
    pub joined: bool,
    /// The fitted curve from left to right, or none.
    pub curve: Vec<(f64, f64)>,
    /// A band by x and its lower and upper end there, or none.
    pub band: Vec<(f64, f64, f64)>,
    /// A horizontal dotted line, e.g. a plateau.
    pub level: Option<f64>,
}

/// A measured point with its error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// Where it stands across, in the axis's unit.
    pub x: f64,
    /// Where it stands upwards, in the axis's unit.
    pub y: f64,
    /// The standard error of y, drawn as a bar.
    pub error: Option<f64>,
}

/// A curve to compare with, e.g. the slope of theory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Guide {
    /// The entry of the guide in the legend.
    pub label: String,
    /// Points of the curve from left to right.
    pub curve: Vec<(f64, f64)>,
}

impl Plot {
    /// An SVG element for a page that declares the variables of [`page_variables`], without title.
    pub fn embedded(&self) -> String {
        svg::embedded(&draw::draw(self, false))
    }

    /// An SVG file in literal colours, with title, note and white paper.
    pub fn svg(&self) -> String {
        svg::standalone(&draw::draw(self, true))
    }

    /// The same as a PDF file, with the font that it needs.
    pub fn pdf(&self) -> Vec<u8> {
        pdf::file(&draw::draw(self, true))
    }

    /// Its points as CSV: series, x, y and standard error.
    pub fn csv(&self) -> Vec<u8> {
        points::table(self)
    }

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
