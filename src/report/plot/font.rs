//! The font that PDF files of plots carry: Noto Sans at two weights, see `font/README.md`.

use std::collections::BTreeMap;

use ttf_parser::{Face, Tag};

const REGULAR: &[u8] = include_bytes!("font/NotoSans-regular.ttf");
const SEMIBOLD: &[u8] = include_bytes!("font/NotoSans-semibold.ttf");

/// A font, and the glyphs of it that a document shows.
pub struct Font {
    file: &'static [u8],
    face: Face<'static>,
    /// Glyphs shown so far, each with the letter that it stands for.
    pub shown: BTreeMap<u16, char>,
}

impl Font {
    /// Noto Sans in regular or in semibold, nothing of it shown yet.
    #[expect(clippy::expect_used, reason = "the file is part of the program")]
    pub fn new(bold: bool) -> Font {
        let file = if bold { SEMIBOLD } else { REGULAR };
        let face = Face::parse(file, 0).expect("a font file");
        Font { file, face, shown: BTreeMap::new() }
    }

    /// The glyphs of `text`, which count as shown from now on; a question mark where there is none.
    pub fn show(&mut self, text: &str) -> Vec<u16> {
        let glyph = |letter: char| {
            let of = |c| Some((c, self.face.glyph_index(c)?.0));
            let (shown, glyph) = [letter, '?'].into_iter().find_map(of).unwrap_or((letter, 0));
            self.shown.insert(glyph, shown);
            glyph
        };
        text.chars().map(glyph).collect()
    }

    /// Width of a glyph in thousandths of the height of letters.
    pub fn width(&self, glyph: u16) -> f64 {
        f64::from(self.face.glyph_hor_advance(ttf_parser::GlyphId(glyph)).unwrap_or(0))
    }

    /// Left, bottom, right and top end of all glyphs, in thousandths of the height of letters.
    pub fn bounds(&self) -> [i16; 4] {
        let all = self.face.global_bounding_box();
        [all.x_min, all.y_min, all.x_max, all.y_max]
    }

    /// The font file with the outlines of all glyphs that are not shown wiped out: those compress to
    /// nothing, and every glyph keeps its number.
    pub fn file(&self) -> Vec<u8> {
        let mut file = self.file.to_vec();
        let raw = self.face.raw_face();
        let start = |name| {
            let found =
                raw.table_records.into_iter().find(|table| table.tag == Tag::from_bytes(name));
            found.map_or(0, |table| table.offset as usize)
        };
        // Where each glyph starts, in half as many bytes, and at the end where the last one ends.
        let places = raw.table(Tag::from_bytes(b"loca")).unwrap_or_default();
        let places: Vec<usize> = places
            .chunks_exact(2)
            .map(|pair| 2 * usize::from(u16::from_be_bytes([pair[0], pair[1]])))
            .collect();
        let outlines = start(b"glyf");
        for (glyph, ends) in (0..).zip(places.windows(2)) {
            if !self.shown.contains_key(&glyph) {
                file[outlines + ends[0]..outlines + ends[1]].fill(0);
            }
        }
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fonts_have_what_plots_say() {
        for bold in [false, true] {
            let font = Font::new(bold);
            assert_eq!(font.face.units_per_em(), 1000);
            for letter in "Aa0 φηλμγχθ′²³⁻¹⁰₀₁·×±−…–’“”=?".chars()
            {
                assert!(font.face.glyph_index(letter).is_some(), "{letter}");
            }
        }
    }

    #[test]
    fn glyphs_that_are_not_shown_leave_no_outline() {
        let mut font = Font::new(false);
        let glyphs = font.show("φ√");
        let file = font.file();
        let left = Face::parse(&file, 0).unwrap();
        let outlined = |c: char| left.glyph_bounding_box(left.glyph_index(c).unwrap()).is_some();
        assert!(outlined('φ') && outlined('?') && !outlined('a'));
        assert_eq!(
            font.width(glyphs[0]),
            f64::from(font.face.glyph_hor_advance(left.glyph_index('φ').unwrap()).unwrap())
        );
    }
}
