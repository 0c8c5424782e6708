//! Text for people: what HTML and SVG need escaped, and lists as a sentence writes them.

use std::fmt;

pub use crate::numbers::{
    count, exponent, measured, plain, power_of_ten, probability, superscript,
};

/// `text` with the five characters that mean something in HTML and XML written out, and without
/// the control characters that XML forbids.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(c),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// The markup of the page's templates, which write every value by [`escape`].
#[derive(Clone, Copy)]
pub struct Markup;

impl askama::filters::Escaper for Markup {
    fn write_escaped_str<W: fmt::Write>(&self, mut out: W, text: &str) -> fmt::Result {
        out.write_str(&escape(text))
    }
}

/// `text` with a capital at its beginning.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    first + letters.as_str()
}

/// `text` as a sentence, with a capital and a full stop.
pub fn sentence(text: &str) -> String {
    let text = capital(text.trim());
    let stop = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    text + stop
}

/// Items as a sentence lists them: "a, b and c".
pub fn list<T: AsRef<str>>(items: &[T]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_escapes_the_escape() {
        assert_eq!(escape("<a href=\"x\">&'\0"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;\u{fffd}");
    }

    #[test]
    fn a_list_reads_as_a_sentence_does() {
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
    }
}
