//! A drawing as SVG.

use std::fmt::Write;

use super::colours::Colour;
use super::draw::MILLIMETRE;
use super::drawing::{Anchor, Drawing, Item, Level, Paint, Step, Text};
use crate::report::text::escape;

const FONTS: &str = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif";

/// An element for a page that declares the variables of [`super::page_variables`], whose width it
/// takes.
pub fn embedded(drawing: &Drawing) -> String {
    Writer { colour: Colour::variable, out: String::new() }.write(drawing, "")
}

/// A file of its own, in literal colours of the light theme and without a style sheet, which not
/// every program that reads SVG follows.
pub fn standalone(drawing: &Drawing) -> String {
    let length = |size: f64| (size + 2.0 * drawing.margin) * MILLIMETRE;
    let (width, height) = (length(drawing.size.0), length(drawing.size.1));
    let size = format!("width=\"{width:.3}mm\" height=\"{height:.3}mm\" ");
    Writer { colour: Colour::literal, out: String::new() }.write(drawing, &size) + "\n"
}

struct Writer {
    /// How colours are written.
    colour: fn(Colour) -> String,
    out: String,
}

impl Writer {
    fn write(mut self, drawing: &Drawing, size: &str) -> String {
        let (title, description) = (escape(&drawing.title), escape(&drawing.description));
        let from = px(-drawing.margin);
        let [width, height] =
            [drawing.size.0, drawing.size.1].map(|size| px(size + 2.0 * drawing.margin));
        self.push(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" {size}\
             viewBox=\"{from} {from} {width} {height}\" font-family=\"{FONTS}\" role=\"img\" \
             aria-label=\"{title}. {description}\"><title>{title}</title>"
        ));
        if drawing.margin > 0.0 {
            let paper = (self.colour)(Colour::Surface);
            self.push(format_args!(
                "<rect class=\"paper\" x=\"{from}\" y=\"{from}\" width=\"{width}\" \
                 height=\"{height}\" fill=\"{paper}\"/>"
            ));
        }
        self.items(&drawing.items, &drawing.name);
        self.out + "</svg>"
    }

    fn push(&mut self, text: std::fmt::Arguments) {
        // Writing to a String cannot fail.
        let _ = self.out.write_fmt(text);
    }

    fn items(&mut self, items: &[Item], name: &str) {
        for item in items {
            match item {
                Item::Path(paint, steps) => {
                    let paint = self.paint(paint);
                    self.push(format_args!("<path {paint} d=\"{}\"/>", path(steps)));
                }
                Item::Circle(paint, (x, y), radius) => {
                    let paint = self.paint(paint);
                    let (x, y) = (px(*x), px(*y));
                    self.push(format_args!(
                        "<circle {paint} cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"/>"
                    ));
                }
                Item::Text(text) => self.text(text),
                Item::Clipped([(left, top), (right, bottom)], items) => {
                    self.push(format_args!(
                        "<clipPath id=\"clip-{name}\"><rect x=\"{}\" y=\"{}\" width=\"{}\" \
                         height=\"{}\"/></clipPath><g clip-path=\"url(#clip-{name})\">",
                        px(*left),
                        px(*top),
                        px(right - left),
                        px(bottom - top)
                    ));
                    self.items(items, name);
                    self.push(format_args!("</g>"));
                }
                Item::Named(words, items) => {
                    self.push(format_args!("<g><title>{}</title>", escape(words)));
                    self.items(items, name);
                    self.push(format_args!("</g>"));
                }
            }
        }
    }

    fn paint(&self, paint: &Paint) -> String {
        let fill = paint.fill.map_or("none".to_owned(), self.colour);
        let mut out = format!("class=\"{}\" fill=\"{fill}\"", paint.class);
        if let Some((colour, width)) = paint.stroke {
            let _ = write!(out, " stroke=\"{}\" stroke-width=\"{width}\"", (self.colour)(colour));
            if !paint.dashes.is_empty() {
                let dashes: Vec<String> = paint.dashes.iter().map(f64::to_string).collect();
                let _ = write!(out, " stroke-dasharray=\"{}\"", dashes.join(" "));
            }
            out.push_str(" stroke-linejoin=\"round\" stroke-linecap=\"round\"");
        }
        if paint.opacity < 1.0 {
            let _ = write!(out, " opacity=\"{}\"", paint.opacity);
        }
        out
    }

    fn text(&mut self, text: &Text) {
        let style = text.style;
        let anchor = match text.anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let weight = if style.is_bold() { " font-weight=\"600\"" } else { "" };
        let fill = (self.colour)(style.colour());
        self.push(format_args!(
            "<text class=\"{}\" x=\"{}\" y=\"{}\"{anchor} font-size=\"{}\"{weight} fill=\"{fill}\">",
            style.class(),
            px(text.at.0),
            px(text.at.1),
            style.size()
        ));
        let mut before = Level::Line;
        for (words, level) in text.pieces() {
            let words = escape(words);
            let (drop, size) = (level.drop() - before.drop(), level.size(style.size()));
            match level != Level::Line || before != Level::Line {
                true => self.push(format_args!(
                    "<tspan dy=\"{drop}\" font-size=\"{size}\">{words}</tspan>"
                )),
                false => self.push(format_args!("{words}")),
            }
            before = level;
        }
        self.push(format_args!("</text>"));
    }
}

fn path(steps: &[Step]) -> String {
    let mut path = String::new();
    for step in steps {
        let _ = match step {
            Step::To((x, y)) => write!(path, "M{} {}", px(*x), px(*y)),
            Step::Line((x, y)) => write!(path, "L{} {}", px(*x), px(*y)),
            Step::Close => write!(path, "Z"),
        };
    }
    path
}

/// A length, to a tenth.
fn px(value: f64) -> String {
    let text = format!("{:.1}", value + 0.0);
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}
