//! Comments in experiment files: `// to the end of the line` and `/* between these */`, as editors know them from
//! JSON with comments.

/// `text` with spaces in the place of comments, so that every other letter keeps its line and column. A comment
/// that is never closed stays, for the parser to complain of.
pub fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => string(rest),
            '/' if rest.starts_with("//") => {
                let length = rest.find('\n').unwrap_or(rest.len());
                out.extend(rest[..length].chars().map(|_| ' '));
                rest = &rest[length..];
                continue;
            }
            '/' if rest.starts_with("/*") => match rest[2..].find("*/") {
                Some(inside) => {
                    let length = inside + 4;
                    let blank = |c: char| if c == '\n' { c } else { ' ' };
                    out.extend(rest[..length].chars().map(blank));
                    rest = &rest[length..];
                    continue;
                }
                None => rest.len(),
            },
            other => other.len_utf8(),
        };
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    out
}

/// The bytes of the string that `text` begins with, both quotation marks included; all of them where it does not
/// end.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}
