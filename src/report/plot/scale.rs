//! From numbers to places, and where ticks stand.

use super::Scale;
use crate::report::text::{measured, power_of_ten};

/// Ticks on an axis: the number and its label; minor ticks have none.
pub struct Ticks {
    /// Numbers with the labels that stand beside them.
    pub major: Vec<(f64, String)>,
    /// Numbers with a short stroke only.
    pub minor: Vec<f64>,
}

/// An axis with its range.
#[derive(Clone, Copy)]
pub struct Range {
    scale: Scale,
    /// In the coordinate of the scale: a logarithm, or the number itself.
    low: f64,
    high: f64,
}

impl Range {
    /// A range that holds all `values`, with a margin as a share of its length; None if no value
    /// has a place.
    pub fn of(scale: Scale, values: impl IntoIterator<Item = f64>, margin: f64) -> Option<Self> {
        let places = values.into_iter().map(|v| place(scale, v)).filter(|v| v.is_finite());
        let ends = |(low, high): (f64, f64), v: f64| -> (f64, f64) { (low.min(v), high.max(v)) };
        let (low, high) = places.fold((f64::INFINITY, f64::NEG_INFINITY), ends);
        if low > high {
            return None;
        }
        // A single value, or values that differ by rounding, still need room for ticks.
        let least = match scale {
            Scale::Sizes => 0.6,
            Scale::Log => 0.25,
            Scale::Count => 1.0,
            Scale::Linear => (1e-3 * low.abs().max(high.abs())).max(1e-12),
        };
        let grow = ((least - (high - low)) / 2.0).max(0.0) + margin * (high - low).max(least);
        Some(Range { scale, low: low - grow, high: high + grow })
    }

    /// Where `value` stands: 0 at the low end, 1 at the high end.
    pub fn share(&self, value: f64) -> f64 {
        (place(self.scale, value) - self.low) / (self.high - self.low)
    }

    /// Ticks. `sizes` are the numbers that occur, ascending; `room(label)` is the share of the axis
    /// that a label takes.
    pub fn ticks(&self, sizes: &[f64], room: impl Fn(&str) -> f64) -> Ticks {
        let (major, minor) = match self.scale {
            Scale::Linear => (self.round_numbers(self.low, self.high, 0.0), vec![]),
            Scale::Count => (self.round_numbers(self.low, self.high, 1.0), vec![]),
            Scale::Sizes => (sizes.to_vec(), vec![]),
            Scale::Log => self.logarithmic(),
        };
        let mut kept: Vec<(f64, String)> = Vec::new();
        let mut end = f64::NEG_INFINITY;
        for value in major.into_iter().filter(|&v| (-1e-9..=1.0 + 1e-9).contains(&self.share(v))) {
            let label = self.label(value);
            let (at, half) = (self.share(value), room(&label) / 2.0);
            if at - half >= end {
                end = at + half;
                kept.push((value, label));
            }
        }
        Ticks { major: kept, minor }
    }

    fn label(&self, value: f64) -> String {
        match self.scale {
            Scale::Log if self.span() >= 1.2 => power_of_ten(libm::log10(value).round() as i32),
            Scale::Log => short(measured(value)),
            Scale::Linear => {
                // All labels of an axis have the decimals of its step.
                let step = self.step(0.0);
                match libm::log10(step).floor() as i32 {
                    power @ -4..=3 => {
                        let text = format!("{value:.*}", (-power).max(0) as usize);
                        let zero = text.bytes().all(|b| matches!(b, b'-' | b'0' | b'.'));
                        if zero { "0".to_owned() } else { text.replace('-', "−") }
                    }
                    _ => short(measured(value)),
                }
            }
            Scale::Count | Scale::Sizes => format!("{}", value.round()),
        }
    }

    fn span(&self) -> f64 {
        self.high - self.low
    }

    /// Powers of ten; over little more than a decade 1, 2 and 5 times them; over less, round
    /// numbers.
    fn logarithmic(&self) -> (Vec<f64>, Vec<f64>) {
        let decades = |factors: &'static [f64]| {
            let first = self.low.floor() as i32;
            let last = self.high.ceil() as i32;
            (first..=last)
                .flat_map(move |k| factors.iter().map(move |f| f * libm::pow(10.0, f64::from(k))))
        };
        let inside = |v: &f64| (0.0..=1.0).contains(&self.share(*v));
        if self.span() >= 1.2 {
            let every = (self.span() / 7.0).ceil().max(1.0) as i32;
            let power = |v: &f64| libm::log10(*v).round() as i32;
            let major = decades(&[1.0]).filter(|v| power(v).rem_euclid(every) == 0).collect();
            let minor = match every {
                1 => decades(&[2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]).filter(inside).collect(),
                _ => decades(&[1.0]).filter(inside).collect(),
            };
            return (major, minor);
        }
        let coarse: Vec<f64> = decades(&[1.0, 2.0, 5.0]).filter(inside).collect();
        if coarse.len() >= 3 {
            return (coarse, vec![]);
        }
        let ends = [self.low, self.high].map(|place| libm::pow(10.0, place));
        (self.round_numbers(ends[0], ends[1], 0.0), vec![])
    }

    /// 1, 2 or 5 times a power of ten, at least `least`: about five steps in the range.
    fn step(&self, least: f64) -> f64 {
        step_of(self.low, self.high, least)
    }

    fn round_numbers(&self, low: f64, high: f64, least: f64) -> Vec<f64> {
        let step = step_of(low, high, least);
        let first = (low / step).ceil();
        (0..20).map(|i| (first + f64::from(i)) * step).take_while(|v| *v <= high).collect()
    }
}

fn step_of(low: f64, high: f64, least: f64) -> f64 {
    let rough = (high - low) / 5.0;
    let power = libm::pow(10.0, libm::log10(rough).floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|f| f * power).into_iter().find(|s| *s >= rough);
    step.unwrap_or(rough).max(least)
}

fn place(scale: Scale, value: f64) -> f64 {
    if scale.is_log() { libm::log10(value) } else { value }
}

/// 2.00×10⁻³ as 2×10⁻³: ticks are round.
fn short(label: String) -> String {
    let (mantissa, rest) = match label.split_once('×') {
        Some((mantissa, power)) => (mantissa, format!("×{power}")),
        None => (label.as_str(), String::new()),
    };
    let mantissa = match mantissa.contains('.') {
        true => mantissa.trim_end_matches('0').trim_end_matches('.'),
        false => mantissa,
    };
    format!("{mantissa}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale, values: &[f64]) -> Vec<String> {
        let range = Range::of(scale, values.iter().copied(), 0.05).unwrap();
        range.ticks(values, |_| 0.1).major.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_and_enough() {
        assert_eq!(labels(Scale::Sizes, &[4.0, 8.0, 16.0]), ["4", "8", "16"]);
        assert_eq!(labels(Scale::Count, &[0.0, 3.0]), ["0", "1", "2", "3"]);
        assert_eq!(labels(Scale::Log, &[3e-6, 2e-3]), ["10⁻⁵", "10⁻⁴", "10⁻³"]);
        assert_eq!(labels(Scale::Log, &[1.0e-3, 4.0e-3]), ["1×10⁻³", "2×10⁻³", "3×10⁻³", "4×10⁻³"]);
        assert_eq!(labels(Scale::Linear, &[0.0, 0.19]), ["0", "0.05", "0.10", "0.15"]);
        assert_eq!(labels(Scale::Linear, &[-0.5, 0.5]), ["−0.5", "0", "0.5"]);
        for scale in [Scale::Linear, Scale::Log, Scale::Count, Scale::Sizes] {
            assert!(!labels(scale, &[7.0]).is_empty(), "{scale:?}");
            assert!(!labels(scale, &[1.0, 1.0 + 1e-13]).is_empty(), "{scale:?}");
        }
        for power in -300..300 {
            let value = libm::pow(10.0, f64::from(power));
            assert!(!labels(Scale::Log, &[value, 1.7 * value]).is_empty(), "{value:e}");
            assert!(!labels(Scale::Linear, &[value, 1.7 * value]).is_empty(), "{value:e}");
        }
    }

    #[test]
    fn no_values_no_range() {
        assert!(Range::of(Scale::Linear, [f64::NAN], 0.1).is_none());
        assert!(Range::of(Scale::Log, [0.0, -1.0], 0.1).is_none());
    }
}
