//! Floats of 16 bits.

use crate::snippet::{check, operands, run};
use half::{bf16, f16};

/// The nearest of a 16-bit float's neighbours to an exact value, ties to even.
fn nearest16(value: f64, guess: u16, decode: fn(u16) -> f64) -> u16 {
    let distance = |bits: u16| (decode(bits) - value).abs();
    let candidates = [guess, guess.wrapping_add(1), guess.wrapping_sub(1)];
    let usable = candidates.into_iter().filter(|c| decode(*c).is_finite());
    let best =
        usable.min_by(|a, b| distance(*a).total_cmp(&distance(*b)).then((a & 1).cmp(&(b & 1))));
    best.filter(|_| decode(guess).is_finite()).unwrap_or(guess)
}

#[test]
fn halves() {
    let bf = |x: u16| bf16::from_bits(x).to_f64();
    let hf = |x: u16| f16::from_bits(x).to_f64();
    let setup = "mov.b32 {%h0, %h3}, %x; mov.b32 {%h1, %h3}, %y; mov.b32 {%h2, %h3}, %z;";
    let fma = format!("{setup} fma.rn.bf16 %h4, %h0, %h1, %h2; cvt.u32.u16 %r, %h4;");
    for seed in 0..4 {
        let inputs = operands(seed);
        for ([a, b, c], got) in inputs.iter().zip(run(&fma, &inputs)) {
            let [a, b, c] = [*a, *b, *c].map(|x| bf(x as u16));
            let (product, sum) = (a * b, a * b + c);
            // Only where f64 holds the sum.
            if sum - product == c && sum - c == product {
                let want =
                    nearest16(sum, bf16::from_f64(sum).to_bits(), |x| bf16::from_bits(x).to_f64());
                assert_eq!(bf(got as u16), bf(want), "{a} {b} {c}");
            }
        }
    }
    check(&format!("{setup} add.f16 %h4, %h0, %h1; cvt.u32.u16 %r, %h4;"), 16, |a, b, _| {
        u64::from(f16::from_f64(hf(a as u16) + hf(b as u16)).to_bits())
    });
    check(&format!("{setup} mul.bf16 %h4, %h0, %h1; cvt.u32.u16 %r, %h4;"), 17, |a, b, _| {
        u64::from(bf16::from_f64(bf(a as u16) * bf(b as u16)).to_bits())
    });
    check("cvt.rn.bf16.f64 %h0, %d; mov.b32 %r, {%h0, 0};", 17, |a, _, _| {
        let a = f64::from_bits(a);
        u64::from(nearest16(a, bf16::from_f64(a).to_bits(), |x| bf16::from_bits(x).to_f64()))
    });
}
