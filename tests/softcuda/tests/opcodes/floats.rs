//! Floats: to nearest, directed, approximate, compared.

use crate::snippet::{COUNT, double, float, narrow, operands, run, signed, wide};

fn flush(x: f32) -> f32 {
    if x.is_subnormal() { 0.0_f32.copysign(x) } else { x }
}

fn ieee_min(a: f32, b: f32) -> f32 {
    if a.is_nan() || b < a || (a == b && b.is_sign_negative()) { b } else { a }
}

#[test]
fn floats() {
    float("add.rn.f32 %q, %f, %g;", |a, b, _| a + b);
    float("sub.f32 %q, %f, %g;", |a, b, _| a - b);
    float("mul.rn.f32 %q, %f, %g;", |a, b, _| a * b);
    float("fma.rn.f32 %q, %f, %g, %w;", f32::mul_add);
    float("div.rn.f32 %q, %f, %g;", |a, b, _| a / b);
    float("rcp.rn.f32 %q, %f;", |a, _, _| 1.0 / a);
    float("sqrt.rn.f32 %q, %f;", |a, _, _| a.sqrt());
    float("add.ftz.f32 %q, %f, %g;", |a, b, _| flush(flush(a) + flush(b)));
    float("mul.ftz.f32 %q, %f, %g;", |a, b, _| flush(flush(a) * flush(b)));
    float("fma.rn.ftz.f32 %q, %f, %g, %w;", |a, b, c| flush(flush(a).mul_add(flush(b), flush(c))));
    float("add.sat.f32 %q, %f, %g;", |a, b, _| {
        let sum = a + b;
        if sum.is_nan() { 0.0 } else { sum.clamp(0.0, 1.0) + 0.0 }
    });
    float("neg.f32 %q, %f;", |a, _, _| -a);
    float("abs.f32 %q, %f;", |a, _, _| a.abs());
    float("copysign.f32 %q, %f, %g;", |a, b, _| b.copysign(a));
    float("min.f32 %q, %f, %g;", |a, b, _| if b.is_nan() { a } else { ieee_min(a, b) });
    float("max.f32 %q, %f, %g;", |a, b, _| if b.is_nan() { a } else { -ieee_min(-a, -b) });
    float("min.NaN.f32 %q, %f, %g;", |a, b, _| {
        if a.is_nan() || b.is_nan() { f32::NAN } else { ieee_min(a, b) }
    });
    double("add.rn.f64 %m, %d, %e;", |a, b, _| a + b);
    double("sub.rn.f64 %m, %d, %e;", |a, b, _| a - b);
    double("mul.rn.f64 %m, %d, %e;", |a, b, _| a * b);
    double("fma.rn.f64 %m, %d, %e, %k;", f64::mul_add);
    double("div.rn.f64 %m, %d, %e;", |a, b, _| a / b);
    double("sqrt.rn.f64 %m, %d;", |a, _, _| a.sqrt());
    double("max.f64 %m, %d, %e;", |a, b, _| {
        if a.is_nan() {
            b
        } else if b.is_nan() || a > b || (a == b && a.is_sign_positive()) {
            a
        } else {
            b
        }
    });
    double("neg.f64 %m, %d;", |a, _, _| -a);
    double("abs.f64 %m, %d;", |a, _, _| a.abs());
}

/// Rounded toward −∞ or +∞: the nearest neighbours, decided in exact integer arithmetic.
#[test]
fn directed() {
    // f64 has room for the exact sum or product of f32 within a few binades: restrict to those.
    let exact = |value: f64, up: bool| {
        let nearest = value as f32;
        match (up, f64::from(nearest).partial_cmp(&value)) {
            (true, Some(std::cmp::Ordering::Less)) => nearest.next_up(),
            (false, Some(std::cmp::Ordering::Greater)) => nearest.next_down(),
            _ => nearest,
        }
    };
    float("mul.rp.f32 %q, %f, %g;", |a, b, _| exact(f64::from(a) * f64::from(b), true));
    float("mul.rm.f32 %q, %f, %g;", |a, b, _| exact(f64::from(a) * f64::from(b), false));
    float("mul.rz.f32 %q, %f, %g;", |a, b, _| {
        let value = f64::from(a) * f64::from(b);
        exact(value, value < 0.0)
    });
    let inputs: Vec<[u64; 3]> = operands(9)
        .into_iter()
        .map(|words| words.map(|w| u64::from(((w as u32 % 4001) as f32 / 7.0 - 250.0).to_bits())))
        .collect();
    let floats = |w: [u64; 3]| w.map(|w| f64::from(f32::from_bits(w as u32)));
    for (op, up) in [("rp", true), ("rm", false)] {
        let sums = run(&format!("add.{op}.f32 %q, %f, %g; mov.b32 %r, %q;"), &inputs);
        let fmas = run(&format!("fma.{op}.f32 %q, %f, %g, %w; mov.b32 %r, %q;"), &inputs);
        for (k, words) in inputs.iter().enumerate() {
            let [a, b, c] = floats(*words);
            let zero = if up { 0.0 } else { -0.0 };
            let sum = if a == -b { zero } else { exact(a + b, up) };
            assert_eq!(f32::from_bits(sums[k] as u32).to_bits(), sum.to_bits(), "{a} {b} {op}");
            let value = a * b + c;
            let fma = if value == 0.0 { zero } else { exact(value, up) };
            assert_eq!(f32::from_bits(fmas[k] as u32), fma, "{a} {b} {c} {op}");
        }
    }
    // In f64, a quotient or root is right if the neighbours on either side bracket it.
    let inputs = operands(4);
    let words = run("div.rm.f64 %m, %d, %e; mov.b64 %s, %m;", &inputs);
    for ([a, b, _], got) in inputs.iter().zip(words) {
        let (a, b, got) = (f64::from_bits(*a), f64::from_bits(*b), f64::from_bits(got));
        let nearest = a / b;
        let normal = |x: f64| x.is_normal() && x.abs() > 1e-290 && x.abs() < 1e290;
        if normal(a) && normal(b) && normal(nearest) {
            let rest = (-nearest).mul_add(b, a) * b.signum();
            assert_eq!(got, if rest < 0.0 { nearest.next_down() } else { nearest });
        }
    }
    let words = run("fma.rp.f64 %m, %d, %e, %k; mov.b64 %s, %m;", &inputs);
    for ([a, b, c], got) in inputs.iter().zip(words) {
        let [a, b, c] = [*a, *b, *c].map(f64::from_bits);
        let nearest = a.mul_add(b, c);
        let got = f64::from_bits(got);
        assert!(got == nearest || got == nearest.next_up() || nearest.is_nan() && got.is_nan());
    }
}

#[test]
fn comparisons() {
    type Holds = fn(f32, f32) -> bool;
    let cases: [(&str, Holds); 14] = [
        ("eq", |a, b| a == b),
        ("ne", |a, b| a != b && !a.is_nan() && !b.is_nan()),
        ("lt", |a, b| a < b),
        ("le", |a, b| a <= b),
        ("gt", |a, b| a > b),
        ("ge", |a, b| a >= b),
        ("equ", |a, b| a == b || a.is_nan() || b.is_nan()),
        ("neu", |a, b| a != b),
        ("ltu", |a, b| a < b || a.is_nan() || b.is_nan()),
        ("leu", |a, b| a <= b || a.is_nan() || b.is_nan()),
        ("gtu", |a, b| a > b || a.is_nan() || b.is_nan()),
        ("geu", |a, b| a >= b || a.is_nan() || b.is_nan()),
        ("num", |a, b| !a.is_nan() && !b.is_nan()),
        ("nan", |a, b| a.is_nan() || b.is_nan()),
    ];
    for (name, holds) in cases {
        let snippet = format!("setp.{name}.f32 %p0, %f, %g; selp.b32 %r, 1, 0, %p0;");
        narrow(&snippet, |a, b, _| u32::from(holds(f32::from_bits(a), f32::from_bits(b))));
    }
    signed("setp.le.s32 %p0, %x, %y; selp.b32 %r, 1, 0, %p0;", |a, b, _| i32::from(a <= b));
    wide("setp.hi.u64 %p0, %a, %b; selp.b64 %s, 1, 0, %p0;", |a, b, _| u64::from(a > b));
    narrow("testp.subnormal.f32 %p0, %f; selp.b32 %r, 1, 0, %p0;", |a, _, _| {
        u32::from(f32::from_bits(a).is_subnormal())
    });
    narrow("testp.finite.f32 %p0, %f; selp.b32 %r, 1, 0, %p0;", |a, _, _| {
        u32::from(f32::from_bits(a).is_finite())
    });
}

#[test]
fn approximations() {
    let close = |snippet: &str, f: fn(f64) -> f64, low: f64, high: f64| {
        let inputs: Vec<[u64; 3]> = (0..COUNT)
            .map(|i| {
                let x = low + (high - low) * i as f64 / COUNT as f64;
                [u64::from((x as f32).to_bits()); 3]
            })
            .collect();
        for ([a, ..], got) in inputs.iter().zip(run(snippet, &inputs)) {
            let x = f64::from(f32::from_bits(*a as u32));
            let (got, want) = (f64::from(f32::from_bits(got as u32)), f(x));
            assert!((got - want).abs() <= 1e-7 * want.abs() + 1e-38, "{snippet} {x}: {got} {want}");
        }
    };
    close("ex2.approx.ftz.f32 %q, %f; mov.b32 %r, %q;", f64::exp2, -100.0, 100.0);
    close("lg2.approx.f32 %q, %f; mov.b32 %r, %q;", f64::log2, 0.1, 50.0);
    close("sin.approx.f32 %q, %f; mov.b32 %r, %q;", f64::sin, -3.0, 3.0);
    close("cos.approx.f32 %q, %f; mov.b32 %r, %q;", f64::cos, -3.0, 3.0);
    close("tanh.approx.f32 %q, %f; mov.b32 %r, %q;", f64::tanh, -3.0, 3.0);
    close("rsqrt.approx.f32 %q, %f; mov.b32 %r, %q;", |x| 1.0 / x.sqrt(), 0.1, 9.0);
    close("rcp.approx.ftz.f32 %q, %f; mov.b32 %r, %q;", |x| 1.0 / x, 0.1, 9.0);
}
