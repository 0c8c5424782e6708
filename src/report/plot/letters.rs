//! Widths of text, estimated from above, and lines that fit.

use super::drawing::TextStyle;

/// Width in pixels, from above for the widest usual fonts: nobody asks a browser.
pub fn text_width(text: &str, style: TextStyle) -> f64 {
    let share = |c: char| match c {
        ' ' | '\u{a0}' | '.' | ',' | ':' | 'i' | 'l' | 'j' | '(' | ')' | 't' | 'f' => 0.42,
        '⁰'..='⁹' | '¹' | '²' | '³' | '⁻' => 0.46,
        'm' | 'w' | 'M' | 'W' | '=' | '+' | '−' | '×' | '…' => 0.98,
        c if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' => 0.65,
        c if c.is_ascii_uppercase() => 0.8,
        _ => 1.0,
    };
    let bold = if style.is_bold() { 1.13 } else { 1.0 };
    // Where they lower and raise they are not shown; what they lower and raise is smaller, too.
    let is_shown = |c: &char| !(style.is_bold() && matches!(c, '_' | '^' | '{' | '}'));
    text.chars().filter(is_shown).map(share).sum::<f64>() * style.size() * bold
}

/// `text` in lines that fit into `room` pixels, broken at spaces, and within words that are longer;
/// at least one line.
pub fn wrap(text: &str, style: TextStyle, room: f64) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut start_line = |line: &mut String| lines.push(std::mem::take(line));
    let mut line = String::new();
    for word in text.split(' ') {
        let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if text_width(&longer, style) <= room {
            line = longer;
            continue;
        }
        if !line.is_empty() {
            start_line(&mut line);
        }
        for letter in word.chars() {
            line.push(letter);
            if text_width(&line, style) > room && line.chars().count() > 1 {
                line.pop();
                start_line(&mut line);
                line.push(letter);
            }
        }
    }
    start_line(&mut line);
    lines.split_off(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_lose_nothing() {
        let text = "gap of f to the exact network in a-word-without-any-place-to-break stays";
        for room in [20.0, 60.0, 120.0, 1000.0] {
            let lines = wrap(text, TextStyle::Title, room);
            assert!(lines.iter().all(|l| text_width(l, TextStyle::Title) <= room), "{lines:?}");
            let letters = |s: &str| s.chars().filter(|c| *c != ' ').collect::<String>();
            assert_eq!(letters(&lines.concat()), letters(text));
        }
        assert_eq!(wrap("", TextStyle::Tick, 10.0), [""]);
        assert_eq!(wrap("one two", TextStyle::Tick, 30.0), ["one", "two"]);
    }
}
