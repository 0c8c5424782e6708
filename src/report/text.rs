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

/// What `_` or `^` lowers or raises of the text behind it, and the rest: what stands in braces, a number
/// with a sign, or one letter.
pub fn script(text: &str) -> (&str, &str) {
    if let Some(braced) = text.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
        return braced;
    }
    let first = text.chars().next().map_or(0, char::len_utf8);
    let number = match text.starts_with(['±', '−']) {
        true => text[first..].find(|c: char| !matches!(c, '0'..='9' | '.')),
        false => Some(0),
    };
    text.split_at(number.map_or(text.len(), |more| first + more))
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
    fn scripts_are_letters_numbers_with_a_sign_or_braces() {
        assert_eq!(script("l of"), ("l", " of"));
        assert_eq!(script("{ref}|"), ("ref", "|"));
        assert_eq!(script("±0.1 (x)"), ("±0.1", " (x)"));
        assert_eq!(script("−1"), ("−1", ""));
        assert_eq!(script("φx"), ("φ", "x"));
        assert_eq!(script(""), ("", ""));
    }

    #[test]
    fn a_list_reads_as_a_sentence_does() {
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
    }
}
