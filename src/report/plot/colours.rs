//! The colours of plots, light and dark, by name.

use std::fmt::Write;

/// A colour by its role, which the light and the dark theme fill differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// The darkest colour, of titles and legends.
    Ink,
    /// The grey of ticks, notes and guides.
    Muted,
    /// The light grey of the frame around the data.
    Line,
    /// The lightest grey, of grid lines.
    Grid,
    /// The colour of the paper behind everything.
    Surface,
    /// The colour of one of [`KINDS`] kinds, e.g. closures.
    Kind(usize),
    /// The colour of one of [`RANKS`] places in an order, e.g. depths.
    Rank(usize),
}

/// The number of kinds with a colour and a marker of their own.
pub const KINDS: usize = 4;
/// The number of places in an order with a colour and a marker of their own.
pub const RANKS: usize = 6;

/// Name in the page's style, light and dark. Kinds are told apart by all common kinds of colour
/// vision; ranks go from light to dark in one order.
const PALETTE: [(&str, u32, u32); 5 + KINDS + RANKS] = [
    ("ink", 0x1d2126, 0xe9e7e2),
    ("muted", 0x5a626c, 0xa2a8b0),
    ("line", 0xd9d8d2, 0x3d4248),
    ("grid", 0xecebe6, 0x2a2e33),
    ("surface", 0xffffff, 0x1b1e22),
    ("k0", 0x0a5ea8, 0x6db8ff),
    ("k1", 0xc2480c, 0xff9a5c),
    ("k2", 0x0b7d5c, 0x4fd1a5),
    ("k3", 0x8a3f8f, 0xe29be6),
    ("r0", 0xb98a00, 0xf5d547),
    ("r1", 0x6f9420, 0xa9d65a),
    ("r2", 0x21896a, 0x54cb92),
    ("r3", 0x1f7a92, 0x45b7c4),
    ("r4", 0x3a5aa6, 0x7fa3ee),
    ("r5", 0x5a2d86, 0xc29cf5),
];

impl Colour {
    fn entry(self) -> (&'static str, u32, u32) {
        PALETTE[match self {
            Colour::Ink => 0,
            Colour::Muted => 1,
            Colour::Line => 2,
            Colour::Grid => 3,
            Colour::Surface => 4,
            Colour::Kind(i) => 5 + i % KINDS,
            Colour::Rank(i) => 5 + KINDS + i.min(RANKS - 1),
        }]
    }

    /// As a variable that [`page_variables`] declares.
    pub fn variable(self) -> String {
        format!("var(--{})", self.entry().0)
    }

    /// Red, green and blue of the light theme.
    pub fn light(self) -> [u8; 3] {
        let [_, red, green, blue] = self.entry().1.to_be_bytes();
        [red, green, blue]
    }

    /// The light theme's colour as every SVG reader knows it: `#0a5ea8`.
    pub fn literal(self) -> String {
        format!("#{:06x}", self.entry().1)
    }
}

/// CSS declarations of all colours, for the root of a page in light or in dark.
pub fn page_variables(dark: bool) -> String {
    PALETTE.iter().fold(String::new(), |mut css, (name, light, night)| {
        // Writing to a String cannot fail.
        let _ = write!(css, "--{name}:#{:06x};", if dark { night } else { light });
        css
    })
}
