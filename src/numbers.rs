//! Numbers as a journal would print them, the same in findings, tables, plots and the page.

/// With a real minus sign, and no sign on zero.
fn minus(text: String) -> String {
    match text.strip_prefix('-') {
        Some(digits) if digits.bytes().all(|b| matches!(b, b'0' | b'.')) => digits.to_owned(),
        Some(digits) => format!("−{digits}"),
        None => text,
    }
}

/// An exponent, with two decimals.
pub fn exponent(value: f64) -> String {
    if value.is_finite() { minus(format!("{value:.2}")) } else { "not finite".to_owned() }
}

/// As short as it can be without loss: learning rates, depth times.
pub fn plain(value: f64) -> String {
    if value.is_finite() && (value == 0.0 || (1e-4..1e7).contains(&value.abs())) {
        minus(format!("{value}"))
    } else {
        measured(value)
    }
}

/// A measured number: three digits, powers of ten where they read better.
pub fn measured(value: f64) -> String {
    if !value.is_finite() {
        return "not finite".to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let text = format!("{value:.2e}");
    let Some((mantissa, power)) = text.split_once('e') else { return text };
    match power.parse::<i32>() {
        Ok(power @ -1..=3) => minus(format!("{value:.*}", (2 - power).max(0) as usize)),
        Ok(power) => minus(format!("{mantissa}×{}", power_of_ten(power))),
        Err(_) => text,
    }
}

/// A number with its error in units of its last digit: 0.7396(5); an error with a leading 1 has two
/// digits.
pub fn with_error(value: f64, error: f64) -> String {
    if !(value.is_finite() && error.is_finite() && error > 0.0) {
        return measured(value);
    }
    let magnitude = error.log10().floor() as i32;
    let digits = if error / 10.0_f64.powi(magnitude) < 1.95 { 1 } else { 0 };
    let decimals = (digits - magnitude).max(0);
    let units = (error * 10.0_f64.powi(decimals)).round();
    // The sign of a zero says nothing.
    let rounded = format!("{value:.*}", decimals as usize);
    let zero = rounded.trim_start_matches('-').chars().all(|c| matches!(c, '0' | '.'));
    let rounded = if zero { rounded.trim_start_matches('-').to_owned() } else { minus(rounded) };
    format!("{rounded}({units:.0})")
}

/// The probability of residuals as large, a p-value.
pub fn probability(value: f64) -> String {
    match value {
        v if !v.is_finite() => "not finite".to_owned(),
        v if v < 0.001 => "below 0.001".to_owned(),
        v => format!("{v:.3}"),
    }
}

/// A power of ten, with a raised exponent: 10⁻³.
pub fn power_of_ten(power: i32) -> String {
    format!("10{}", superscript(power))
}

/// An integer in raised digits: ⁻¹².
pub fn superscript(number: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let raise = |c: char| c.to_digit(10).map_or('⁻', |d| DIGITS[d as usize]);
    number.to_string().chars().map(raise).collect()
}

/// "one run", "3 runs".
pub fn count(number: u64, noun: &str) -> String {
    match number {
        1 => format!("one {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let cases = [
            (0.0, "0"),
            (6.084e-3, "6.08×10⁻³"),
            (-6.1234e-12, "−6.12×10⁻¹²"),
            (0.5111, "0.511"),
            (0.01234, "1.23×10⁻²"),
            (9.999, "10.0"),
            (31.8125, "31.8"),
            (4096.0, "4096"),
            (12345.0, "1.23×10⁴"),
            (f64::NAN, "not finite"),
        ];
        for (value, text) in cases {
            assert_eq!(measured(value), text);
        }
        assert_eq!(exponent(-0.001), "0.00");
        assert_eq!(exponent(-0.22), "−0.22");
        assert_eq!(plain(0.25), "0.25");
        assert_eq!(plain(1.0), "1");
        assert_eq!(plain(1e-7), "1.00×10⁻⁷");
        assert_eq!(superscript(-12), "⁻¹²");
    }
}
