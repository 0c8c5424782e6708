//! Tokens of PTX.
//!
//! A word keeps its dots and double colons, so an opcode with all its modifiers
//! (`ld.global.L1::no_allocate.v2.f32`), a directive (`.reg`) and a register (`%tid.x`) are one
//! token each.

/// A token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Token<'a> {
    Word(&'a str),
    Int(u64),
    /// `0f` and eight hexadecimal digits.
    F32(u32),
    /// `0d` and sixteen, or a decimal fraction.
    F64(u64),
    Text(&'a str),
    Mark(char),
}

/// Splits text into tokens, each with its line (from 1).
pub fn tokens(text: &str) -> Result<Vec<(Token<'_>, u32)>, String> {
    let bytes = text.as_bytes();
    let (mut at, mut line) = (0, 1);
    let mut found = Vec::with_capacity(text.len() / 4);
    while let Some(&byte) = bytes.get(at) {
        let rest = &text[at..];
        match byte {
            b'\n' => {
                line += 1;
                at += 1;
            }
            // NVRTC ends its PTX with a NUL.
            b' ' | b'\t' | b'\r' | 0 => at += 1,
            b'/' if rest.starts_with("//") => at += rest.find('\n').unwrap_or(rest.len()),
            b'/' if rest.starts_with("/*") => {
                let end = rest.find("*/").ok_or(format!("line {line}: comment without end"))?;
                line += rest[..end].matches('\n').count() as u32;
                at += end + 2;
            }
            b'"' => {
                let end = rest[1..].find('"').ok_or(format!("line {line}: text without end"))?;
                found.push((Token::Text(&rest[1..=end]), line));
                at += end + 2;
            }
            b'0'..=b'9' => {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.');
                let number = &rest[..end.unwrap_or(rest.len())];
                let token = self::number(number)
                    .ok_or_else(|| format!("line {line}: `{number}` isn't a number"))?;
                found.push((token, line));
                at += number.len();
            }
            _ if starts_word(byte) => {
                let length = word(rest.as_bytes());
                found.push((Token::Word(&rest[..length]), line));
                at += length;
            }
            _ if byte.is_ascii() => {
                found.push((Token::Mark(byte as char), line));
                at += 1;
            }
            _ => return Err(format!("line {line}: a character that PTX doesn't have")),
        }
    }
    Ok(found)
}

fn starts_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'$' | b'%' | b'.')
}

fn word(bytes: &[u8]) -> usize {
    let mut length = 1;
    while let Some(&byte) = bytes.get(length) {
        if starts_word(byte) || byte.is_ascii_digit() {
            length += 1;
        } else if byte == b':'
            && bytes.get(length + 1) == Some(&b':')
            && bytes.get(length + 2).is_some_and(u8::is_ascii_alphanumeric)
        {
            length += 2;
        } else {
            break;
        }
    }
    length
}

fn number(text: &str) -> Option<Token<'_>> {
    let radix = |digits: &str, radix| u64::from_str_radix(digits.trim_end_matches('U'), radix).ok();
    let (prefix, digits) = text.split_at_checked(2).unwrap_or((text, ""));
    match prefix {
        "0f" | "0F" if digits.len() == 8 => u32::from_str_radix(digits, 16).ok().map(Token::F32),
        "0d" | "0D" if digits.len() == 16 => radix(digits, 16).map(Token::F64),
        "0x" | "0X" => radix(digits, 16).map(Token::Int),
        "0b" | "0B" => radix(digits, 2).map(Token::Int),
        _ if text.contains('.') => text.parse().ok().map(|x: f64| Token::F64(x.to_bits())),
        _ if text.len() > 1 && text.starts_with('0') => radix(text, 8).map(Token::Int),
        _ => radix(text, 10).map(Token::Int),
    }
}
