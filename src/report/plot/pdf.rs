//! A drawing as PDF: one page, with the font that it needs, and the same bytes each time.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use pdf_writer::types::{
    CidFontType, FontFlags, LineCapStyle, LineJoinStyle, SystemInfo, UnicodeCmap,
};
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, Str, TextStr};

use super::colours::Colour;
use super::draw::MILLIMETRE;
use super::drawing::{Anchor, Drawing, Item, Paint, Place, Step, Text};
use super::font::Font;

/// PDF points in a pixel.
const POINT: f64 = MILLIMETRE * 72.0 / 25.4;
/// Identity-H: two bytes a letter, the number of its glyph.
const GLYPHS: SystemInfo =
    SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };

/// The drawing as a PDF file of one page.
pub fn file(drawing: &Drawing) -> Vec<u8> {
    let mut page = Page {
        content: Content::new(),
        size: (drawing.size.0 + 2.0 * drawing.margin, drawing.size.1 + 2.0 * drawing.margin),
        margin: drawing.margin,
        fonts: [Font::new(false), Font::new(true)],
        opacities: Vec::new(),
    };
    page.content.transform([POINT as f32, 0.0, 0.0, POINT as f32, 0.0, 0.0]);
    page.items(&drawing.items);

    let ids: Vec<Ref> = (1..).take(5).map(Ref::new).collect();
    let mut pdf = Pdf::new();
    pdf.catalog(ids[0]).pages(ids[1]);
    pdf.pages(ids[1]).kids([ids[2]]).count(1);
    pdf.document_info(ids[4]).title(TextStr(&drawing.title));
    let mut entry = pdf.page(ids[2]);
    let [width, height] = [page.size.0, page.size.1].map(|size| (size * POINT) as f32);
    entry.media_box(Rect::new(0.0, 0.0, width, height)).parent(ids[1]).contents(ids[3]);
    let mut resources = entry.resources();
    let mut names = resources.fonts();
    for (i, first) in FONT_IDS.into_iter().enumerate() {
        names.pair(Name(FONT_NAMES[i]), Ref::new(first));
    }
    names.finish();
    let mut states = resources.ext_g_states();
    for (i, opacity) in page.opacities.iter().enumerate() {
        let mut state = states.insert(Name(format!("o{i}").as_bytes())).dict();
        state.pair(Name(b"CA"), *opacity as f32).pair(Name(b"ca"), *opacity as f32);
    }
    states.finish();
    resources.finish();
    entry.finish();
    let content = compressed(&page.content.finish());
    pdf.stream(ids[3], &content).filter(Filter::FlateDecode);
    for (i, font) in page.fonts.iter().enumerate() {
        embed(&mut pdf, font, FONT_IDS[i], FONT_FAMILIES[i]);
    }
    pdf.finish()
}

/// Names of both fonts inside the page, regular and semibold.
const FONT_NAMES: [&[u8]; 2] = [b"regular", b"semibold"];
/// Names of both fonts, with the tag that says that glyphs are missing.
const FONT_FAMILIES: [&[u8]; 2] = [b"NFDPLT+NotoSans-Regular", b"NFDPLT+NotoSans-SemiBold"];
/// The first of the five objects of each font.
const FONT_IDS: [i32; 2] = [10, 15];

fn embed(pdf: &mut Pdf, font: &Font, first: i32, name: &[u8]) {
    let ids: Vec<Ref> = (first..).take(5).map(Ref::new).collect();
    let mut outer = pdf.type0_font(ids[0]);
    outer.base_font(Name(name)).encoding_predefined(Name(b"Identity-H"));
    outer.descendant_font(ids[1]).to_unicode(ids[3]);
    outer.finish();
    let mut inner = pdf.cid_font(ids[1]);
    inner.subtype(CidFontType::Type2).base_font(Name(name)).system_info(GLYPHS);
    inner.font_descriptor(ids[2]).cid_to_gid_map_predefined(Name(b"Identity"));
    let mut widths = inner.widths();
    for &glyph in font.shown.keys() {
        widths.consecutive(glyph, [font.width(glyph) as f32]);
    }
    widths.finish();
    inner.finish();
    let [left, bottom, right, top] = font.bounds().map(f32::from);
    let mut descriptor = pdf.font_descriptor(ids[2]);
    descriptor.name(Name(name)).flags(FontFlags::SYMBOLIC).italic_angle(0.0);
    descriptor.bbox(Rect::new(left, bottom, right, top)).ascent(top).descent(bottom);
    descriptor.cap_height(714.0).stem_v(80.0).font_file2(ids[4]);
    descriptor.finish();
    let mut letters = UnicodeCmap::<u16>::new(Name(b"letters"), GLYPHS);
    font.shown.iter().for_each(|(&glyph, &letter)| letters.pair(glyph, letter));
    pdf.cmap(ids[3], &letters.finish());
    let file = font.file();
    let bytes = compressed(&file);
    let mut stream = pdf.stream(ids[4], &bytes);
    stream.filter(Filter::FlateDecode).pair(Name(b"Length1"), file.len() as i32);
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    // Writing to a Vec cannot fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

struct Page {
    content: Content,
    /// Width and height in pixels.
    size: (f64, f64),
    margin: f64,
    /// The fonts, regular and semibold.
    fonts: [Font; 2],
    /// Each has a graphics state of its own.
    opacities: Vec<f64>,
}

impl Page {
    /// Right and up from the lower left corner, in pixels.
    fn place(&self, (x, y): Place) -> [f32; 2] {
        [(x + self.margin) as f32, (self.size.1 - self.margin - y) as f32]
    }

    fn items(&mut self, items: &[Item]) {
        for item in items {
            match item {
                Item::Path(paint, steps) => {
                    self.begin(paint);
                    self.path(steps);
                    self.end(paint);
                }
                Item::Circle(paint, centre, radius) => {
                    self.begin(paint);
                    self.circle(*centre, *radius);
                    self.end(paint);
                }
                Item::Text(text) => self.text(text),
                Item::Clipped([from, to], items) => {
                    let ([left, top], [right, bottom]) = (self.place(*from), self.place(*to));
                    self.content.save_state().rect(left, bottom, right - left, top - bottom);
                    self.content.clip_nonzero().end_path();
                    self.items(items);
                    self.content.restore_state();
                }
                Item::Named(_, items) => self.items(items),
            }
        }
    }

    fn begin(&mut self, paint: &Paint) {
        self.content.save_state();
        if paint.opacity < 1.0 {
            let known = self.opacities.iter().position(|opacity| *opacity == paint.opacity);
            let state = known.unwrap_or(self.opacities.len());
            if known.is_none() {
                self.opacities.push(paint.opacity);
            }
            self.content.set_parameters(Name(format!("o{state}").as_bytes()));
        }
        if let Some(colour) = paint.fill {
            let [red, green, blue] = rgb(colour);
            self.content.set_fill_rgb(red, green, blue);
        }
        if let Some((colour, width)) = paint.stroke {
            let [red, green, blue] = rgb(colour);
            let dashes = paint.dashes.iter().map(|length| *length as f32);
            self.content.set_stroke_rgb(red, green, blue).set_line_width(width as f32);
            self.content.set_line_cap(LineCapStyle::RoundCap);
            self.content.set_line_join(LineJoinStyle::RoundJoin).set_dash_pattern(dashes, 0.0);
        }
    }

    fn end(&mut self, paint: &Paint) {
        match (paint.fill, paint.stroke) {
            (Some(_), Some(_)) => self.content.fill_nonzero_and_stroke(),
            (Some(_), None) => self.content.fill_nonzero(),
            (None, Some(_)) => self.content.stroke(),
            (None, None) => self.content.end_path(),
        };
        self.content.restore_state();
    }

    fn path(&mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::To(at) => {
                    let [x, y] = self.place(*at);
                    self.content.move_to(x, y);
                }
                Step::Line(at) => {
                    let [x, y] = self.place(*at);
                    self.content.line_to(x, y);
                }
                Step::Close => {
                    self.content.close_path();
                }
            }
        }
    }

    /// Four cubic curves, off by less than a thousandth of the radius.
    fn circle(&mut self, centre: Place, radius: f64) {
        let ([x, y], r) = (self.place(centre), radius as f32);
        let k = 0.552_284_8 * r;
        self.content.move_to(x + r, y);
        self.content.cubic_to(x + r, y + k, x + k, y + r, x, y + r);
        self.content.cubic_to(x - k, y + r, x - r, y + k, x - r, y);
        self.content.cubic_to(x - r, y - k, x - k, y - r, x, y - r);
        self.content.cubic_to(x + k, y - r, x + r, y - k, x + r, y);
        self.content.close_path();
    }

    fn text(&mut self, text: &Text) {
        let bold = usize::from(text.style.is_bold());
        let font = &mut self.fonts[bold];
        let mut width = 0.0;
        let mut pieces = Vec::new();
        for (words, level) in text.pieces() {
            let size = level.size(text.style.size());
            let glyphs = font.show(words);
            width += glyphs.iter().map(|glyph| font.width(*glyph)).sum::<f64>() * size / 1000.0;
            let rise = -level.drop();
            let bytes: Vec<u8> = glyphs.iter().flat_map(|glyph| glyph.to_be_bytes()).collect();
            pieces.push((bytes, size, rise));
        }
        let before = match text.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => width / 2.0,
            Anchor::End => width,
        };
        let [x, y] = self.place((text.at.0 - before, text.at.1));
        let [red, green, blue] = rgb(text.style.colour());
        self.content.begin_text().set_fill_rgb(red, green, blue).next_line(x, y);
        for (bytes, size, rise) in pieces {
            self.content.set_font(Name(FONT_NAMES[bold]), size as f32).set_rise(rise as f32);
            self.content.show(Str(&bytes));
        }
        self.content.end_text();
    }
}

fn rgb(colour: Colour) -> [f32; 3] {
    colour.light().map(|part| f32::from(part) / 255.0)
}
