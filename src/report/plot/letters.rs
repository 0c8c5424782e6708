//! Text in plots: its width, estimated from above, and its SVG.

use std::fmt::Write;

use crate::report::text::escape;

/// Size of letters, as in [`super::RULES`].
pub const LETTER: f64 = 13.0;
/// Of titles.
pub const TITLE: f64 = 15.0;

/// From above, for the widest usual fonts.
pub fn text_width(text: &str) -> f64 {
    let share = |c: char| match c {
        ' ' | '\u{a0}' | '.' | ',' | ':' | 'i' | 'l' | 'j' | '(' | ')' | 't' | 'f' => 0.42,
        '⁰'..='⁹' | '¹' | '²' | '³' | '⁻' => 0.46,
        'm' | 'w' | 'M' | 'W' | '=' | '+' | '−' | '×' | '…' => 0.98,
        c if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' => 0.65,
        c if c.is_ascii_uppercase() => 0.8,
        _ => 1.0,
    };
    text.chars().map(share).sum::<f64>() * LETTER
}

/// Bold letters are wider.
pub const BOLD: f64 = 1.13;

/// `text`, cut so that it fits into `room`.
pub fn fitted(text: &str, room: f64) -> String {
    if text_width(text) <= room {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if text_width(&kept) + LETTER > room {
            kept.pop();
            break;
        }
    }
    kept + "…"
}

pub fn label(out: &mut String, (x, y): (f64, f64), anchor: &str, class: &str, text: &str) {
    let (x, y) = (px(x), px(y));
    let text = match class {
        "name" | "title" => lowered(text),
        _ => escape(text),
    };
    let _ = write!(
        out,
        "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{text}</text>"
    );
}

/// h_L and the like with the index lowered, escaped.
fn lowered(text: &str) -> String {
    let mut parts = text.split('_');
    let mut out = escape(parts.next().unwrap_or_default());
    for part in parts {
        let mut letters = part.chars();
        let index: String = letters.next().into_iter().collect();
        let (index, rest) = (escape(&index), escape(letters.as_str()));
        let _ = write!(
            out,
            "<tspan dy=\"3\" font-size=\"10\">{index}</tspan><tspan dy=\"-3\">{rest}</tspan>"
        );
    }
    out
}

/// A length, to a tenth.
pub fn px(value: f64) -> String {
    let text = format!("{:.1}", value + 0.0);
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}
