//! A finished drawing: shapes and texts with their places and paints, whatever it is written as.

use super::colours::Colour;
use crate::report::text::script;

/// A place in pixels, from the left and from the top.
pub type Place = (f64, f64);

/// A finished drawing, ready to be written as SVG or PDF.
pub struct Drawing {
    /// Prefix of the ids of its parts: letters, digits and dashes.
    pub name: String,
    /// What the drawing is called.
    pub title: String,
    /// What the drawing shows, for those who do not see it.
    pub description: String,
    /// Width and height in pixels, without the margin.
    pub size: (f64, f64),
    /// White paper around it, in pixels; none inside a page.
    pub margin: f64,
    /// Shapes and texts, from back to front.
    pub items: Vec<Item>,
}

/// A part of a drawing, or several together.
pub enum Item {
    /// Straight lines, and the areas between them.
    Path(Paint, Vec<Step>),
    /// A circle by its centre and radius.
    Circle(Paint, Place, f64),
    /// A line of text at its place.
    Text(Text),
    /// Items that show nothing outside of a rectangle, given by two opposite corners.
    Clipped([Place; 2], Vec<Item>),
    /// Items that belong together, with words that the page shows over them.
    Named(String, Vec<Item>),
}

/// A step of a path.
#[derive(Clone, Copy)]
pub enum Step {
    /// Lifts the pen and puts it down elsewhere.
    To(Place),
    /// Draws a straight line to a place.
    Line(Place),
    /// Draws back to where the pen was last put down.
    Close,
}

/// How a shape is painted.
#[derive(Clone, Copy)]
pub struct Paint {
    /// What it is, as the class of its element.
    pub class: &'static str,
    /// Colour and width of its line.
    pub stroke: Option<(Colour, f64)>,
    /// Colour of the area that it encloses.
    pub fill: Option<Colour>,
    /// Lengths of dashes and gaps in turn; empty for an unbroken line.
    pub dashes: &'static [f64],
    /// From 0, invisible, to 1.
    pub opacity: f64,
}

impl Paint {
    /// Paint of an unbroken, opaque line of a width in pixels.
    pub fn line(class: &'static str, colour: Colour, width: f64) -> Paint {
        Paint { class, stroke: Some((colour, width)), fill: None, dashes: &[], opacity: 1.0 }
    }

    /// Paint of an opaque area without a line around it.
    pub fn area(class: &'static str, colour: Colour) -> Paint {
        Paint { class, stroke: None, fill: Some(colour), dashes: &[], opacity: 1.0 }
    }
}

/// A line of text, where it stands and how it looks.
pub struct Text {
    /// What the text is, which says its size, weight and colour.
    pub style: TextStyle,
    /// Which part of the text stands at its place.
    pub anchor: Anchor,
    /// Where the anchor stands on the baseline.
    pub at: Place,
    /// The words themselves; in titles and names of axes `_` lowers and `^` raises the next letter,
    /// or what stands in braces ([`script`]).
    pub words: String,
}

/// What a text is, which says how it looks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TextStyle {
    /// The title above the drawing.
    Title,
    /// The name of an axis.
    Name,
    /// An entry of the legend.
    Key,
    /// A number on an axis, or a note.
    Tick,
}

/// Which part of a text stands at its place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// The left end of the text.
    Start,
    /// The middle of the text.
    Middle,
    /// The right end of the text.
    End,
}

impl TextStyle {
    /// The style's name, the class of its elements.
    pub fn class(self) -> &'static str {
        match self {
            TextStyle::Title => "title",
            TextStyle::Name => "name",
            TextStyle::Key => "key",
            TextStyle::Tick => "tick",
        }
    }

    /// The height of its letters in pixels.
    pub fn size(self) -> f64 {
        if self == TextStyle::Title { 15.0 } else { 13.0 }
    }

    /// Whether its letters are semibold.
    pub fn is_bold(self) -> bool {
        matches!(self, TextStyle::Title | TextStyle::Name)
    }

    /// The colour of its letters.
    pub fn colour(self) -> Colour {
        if self == TextStyle::Tick { Colour::Muted } else { Colour::Ink }
    }
}

/// How an index or a power in a text differs from what it belongs to.
pub struct Index {
    /// By how many pixels an index is lowered, and a power raised.
    pub drop: f64,
    /// Height of its letters in pixels.
    pub size: f64,
}

/// How indices look in titles and names of axes.
pub const INDEX: Index = Index { drop: 3.0, size: 10.0 };

/// Where a piece of a text stands beside the rest of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// On the line, at the text's own size.
    Line,
    /// Lowered, as an index.
    Lowered,
    /// Raised, as a power.
    Raised,
}

impl Level {
    /// By how many pixels the piece stands below the line.
    pub fn drop(self) -> f64 {
        match self {
            Level::Line => 0.0,
            Level::Lowered => INDEX.drop,
            Level::Raised => -INDEX.drop,
        }
    }

    /// The height of its letters in pixels, in a text of letters of `size`.
    pub fn size(self, size: f64) -> f64 {
        if self == Level::Line { size } else { INDEX.size }
    }
}

impl Text {
    /// The words in pieces, each with its level: h_L is h and a lowered L, n^{-1} an n and a raised -1.
    pub fn pieces(&self) -> Vec<(&str, Level)> {
        if !self.style.is_bold() {
            return vec![(&self.words, Level::Line)];
        }
        let mut pieces = Vec::new();
        let mut rest = self.words.as_str();
        while let Some(at) = rest.find(['_', '^']) {
            let level = if rest[at..].starts_with('_') { Level::Lowered } else { Level::Raised };
            let (before, behind) = (&rest[..at], &rest[at + 1..]);
            let (raised, after) = script(behind);
            pieces.extend([(before, Level::Line), (raised, level)]);
            rest = after;
        }
        pieces.push((rest, Level::Line));
        pieces.retain(|(words, _)| !words.is_empty());
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_and_powers_are_told_from_the_line() {
        let pieces = |style, words: &str| {
            let text =
                Text { style, anchor: Anchor::Start, at: (0.0, 0.0), words: words.to_owned() };
            text.pieces().into_iter().map(|(words, at)| (words.to_owned(), at)).collect::<Vec<_>>()
        };
        let of = |words: &[(&str, Level)]| -> Vec<(String, Level)> {
            words.iter().map(|&(words, level)| (words.to_owned(), level)).collect()
        };
        use Level::{Line, Lowered, Raised};
        let words = "h_L − h_{ref}, n^{−1}g^2";
        let expected = [
            ("h", Line),
            ("L", Lowered),
            (" − h", Line),
            ("ref", Lowered),
            (", n", Line),
            ("−1", Raised),
            ("g", Line),
            ("2", Raised),
        ];
        assert_eq!(pieces(TextStyle::Name, words), of(&expected));
        assert_eq!(pieces(TextStyle::Tick, words), of(&[(words, Line)]));
        for odd in ["a_", "^", "a_{b", "_φ"] {
            let all: String = pieces(TextStyle::Title, odd).into_iter().map(|p| p.0).collect();
            assert_eq!(all, odd.replace(['_', '^'], ""), "{odd}");
        }
    }
}
