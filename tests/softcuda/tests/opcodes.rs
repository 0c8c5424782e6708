//! Each family of instructions against Rust's arithmetic, bit for bit, on random operands and on
//! the edges: zeros, denormals, infinities, NaN, the extremes.
//!
//! A snippet reads three 64-bit words per thread (registers `%a`, `%b`, `%c` and their halves `%x`,
//! `%y`, `%z`, floats `%f`, `%g`, `%h` and `%d`, `%e`, `%k`) and leaves its result in `%r` (narrow)
//! or `%s` (wide).

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{Arguments, Device};
use half::{bf16, f16};

const COUNT: usize = 1024;

fn source(snippet: &str) -> String {
    format!(
        r"
.version 8.8
.target sm_80
.address_size 64
.visible .entry test(.param .u64 in, .param .u64 out)
{{
    .reg .pred %p<8>;
    .reg .b16 %h<8>;
    .reg .b32 %x, %y, %z, %r, %t<8>, %tid;
    .reg .f32 %f, %g, %w, %q;
    .reg .f64 %d, %e, %k, %m;
    .reg .b64 %a, %b, %c, %s, %u<8>, %in, %out;
    ld.param.u64 %in, [in];
    ld.param.u64 %out, [out];
    mov.u32 %tid, %tid.x;
    mad.wide.u32 %in, %tid, 24, %in;
    mad.wide.u32 %out, %tid, 8, %out;
    ld.global.u64 %a, [%in];
    ld.global.u64 %b, [%in+8];
    ld.global.u64 %c, [%in+16];
    cvt.u32.u64 %x, %a;
    cvt.u32.u64 %y, %b;
    cvt.u32.u64 %z, %c;
    mov.b32 %f, %x;
    mov.b32 %g, %y;
    mov.b32 %w, %z;
    mov.b64 %d, %a;
    mov.b64 %e, %b;
    mov.b64 %k, %c;
    mov.u32 %r, 0;
    mov.u64 %s, 0;
    {snippet}
    cvt.u64.u32 %u7, %r;
    or.b64 %s, %s, %u7;
    st.global.u64 [%out], %s;
    ret;
}}
"
    )
}

/// Words that make trouble, and random ones: of all bits, of small numbers, of floats near one.
fn operands(seed: u64) -> Vec<[u64; 3]> {
    let mut edges32: Vec<u32> =
        vec![0, 1, 2, 31, 32, 33, 63, 64, 0x7fff_ffff, 0x8000_0000, u32::MAX];
    for x in [0.0, 1.0, 1.5, 0.5, 2.5, 3.5, 1e-40, 1e-45, f32::MIN_POSITIVE, f32::MAX, 1e10, 4e9] {
        edges32.extend([x.to_bits(), (-x).to_bits()]);
    }
    edges32.extend([f32::INFINITY.to_bits(), f32::NEG_INFINITY.to_bits(), 0x7fc0_0000]);
    let mut edges64: Vec<u64> = vec![0, 1, 2, 63, 64, i64::MAX as u64, 1 << 63, u64::MAX];
    for x in [0.0, 1.0, 1.5, 2.5, 5e-324, 1e-310, f64::MIN_POSITIVE, f64::MAX, 1e20, 1.8e19, 1e-50]
    {
        edges64.extend([f64::to_bits(x), (-x).to_bits()]);
    }
    edges64.extend([f64::INFINITY.to_bits(), f64::NEG_INFINITY.to_bits(), f64::NAN.to_bits()]);
    let mut state = seed;
    let mut random = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    };
    let mut word = |kind: u64| match kind {
        0 => u64::from(edges32[random() as usize % edges32.len()]) | random() << 32,
        1 => edges64[random() as usize % edges64.len()],
        2 => random(),
        3 => random() % 70,
        4 => u64::from(((random() % 4096) as f32 / 512.0 - 4.0).to_bits()),
        5 => ((random() % 4096) as f64 / 512.0 - 4.0).to_bits(),
        6 => (f64::from_bits(random() >> 12 | 1023 << 52)).to_bits(),
        _ => u64::from((random() as u32 >> 9) | 127 << 23),
    };
    (0..COUNT as u64)
        .map(|i| {
            if i % 5 == 0 {
                [word(i % 8), word(i / 8 % 8), word(i / 64 % 8)]
            } else {
                [word(i % 8); 3].map(|_| word(i % 8))
            }
        })
        .collect()
}

fn run(snippet: &str, inputs: &[[u64; 3]]) -> Vec<u64> {
    let device = Device::new(&source(snippet), true);
    let (input, output) = (device.upload(inputs), device.zeros(8 * inputs.len() as u64));
    let arguments = Arguments::new().u64(input).u64(output);
    device.launch("test", 1, inputs.len() as u32, 0, arguments).unwrap();
    device.download(output, inputs.len())
}

fn same(got: u64, want: u64, float: u32) -> bool {
    let nan = match float {
        32 => f32::from_bits(got as u32).is_nan() && f32::from_bits(want as u32).is_nan(),
        64 => f64::from_bits(got).is_nan() && f64::from_bits(want).is_nan(),
        16 => f16::from_bits(got as u16).is_nan() && f16::from_bits(want as u16).is_nan(),
        17 => bf16::from_bits(got as u16).is_nan() && bf16::from_bits(want as u16).is_nan(),
        _ => false,
    };
    got == want || nan
}

/// `float`: width of the result where any NaN is as good as another.
fn check(snippet: &str, float: u32, want: impl Fn(u64, u64, u64) -> u64) {
    for seed in [1, 2] {
        let inputs = operands(seed);
        for ([a, b, c], got) in inputs.iter().zip(run(snippet, &inputs)) {
            let want = want(*a, *b, *c);
            assert!(
                same(got, want, float),
                "{snippet}: of {a:#x} {b:#x} {c:#x} is {got:#x}, should be {want:#x}"
            );
        }
    }
}

fn narrow(snippet: &str, want: impl Fn(u32, u32, u32) -> u32) {
    check(snippet, 0, |a, b, c| u64::from(want(a as u32, b as u32, c as u32)));
}

fn signed(snippet: &str, want: impl Fn(i32, i32, i32) -> i32) {
    narrow(snippet, |a, b, c| want(a as i32, b as i32, c as i32) as u32);
}

fn wide(snippet: &str, want: impl Fn(u64, u64, u64) -> u64) {
    check(snippet, 0, want);
}

fn float(snippet: &str, want: impl Fn(f32, f32, f32) -> f32) {
    check(&format!("{snippet} mov.b32 %r, %q;"), 32, |a, b, c| {
        let [a, b, c] = [a, b, c].map(|x| f32::from_bits(x as u32));
        u64::from(want(a, b, c).to_bits())
    });
}

fn double(snippet: &str, want: impl Fn(f64, f64, f64) -> f64) {
    check(&format!("{snippet} mov.b64 %s, %m;"), 64, |a, b, c| {
        want(f64::from_bits(a), f64::from_bits(b), f64::from_bits(c)).to_bits()
    });
}

#[test]
fn integers() {
    narrow("add.u32 %r, %x, %y;", |a, b, _| a.wrapping_add(b));
    narrow("add.s32 %r, %x, -7;", |a, _, _| a.wrapping_sub(7));
    narrow("sub.u32 %r, %x, %y;", |a, b, _| a.wrapping_sub(b));
    narrow("mul.lo.u32 %r, %x, %y;", |a, b, _| a.wrapping_mul(b));
    narrow("mul.hi.u32 %r, %x, %y;", |a, b, _| ((u64::from(a) * u64::from(b)) >> 32) as u32);
    signed("mul.hi.s32 %r, %x, %y;", |a, b, _| ((i64::from(a) * i64::from(b)) >> 32) as i32);
    narrow("mad.lo.s32 %r, %x, %y, %z;", |a, b, c| a.wrapping_mul(b).wrapping_add(c));
    narrow("mad.hi.u32 %r, %x, %y, %z;", |a, b, c| {
        (((u64::from(a) * u64::from(b)) >> 32) as u32).wrapping_add(c)
    });
    wide("mul.wide.u32 %s, %x, %y;", |a, b, _| u64::from(a as u32) * u64::from(b as u32));
    wide("mul.wide.s32 %s, %x, %y;", |a, b, _| (i64::from(a as i32) * i64::from(b as i32)) as u64);
    wide("mad.wide.s32 %s, %x, %y, %c;", |a, b, c| {
        ((i64::from(a as i32) * i64::from(b as i32)) as u64).wrapping_add(c)
    });
    narrow("div.u32 %r, %x, %y;", |a, b, _| a.checked_div(b).unwrap_or(!0));
    signed("div.s32 %r, %x, %y;", |a, b, _| if b == 0 { -1 } else { a.wrapping_div(b) });
    narrow("rem.u32 %r, %x, %y;", |a, b, _| a.checked_rem(b).unwrap_or(a));
    signed("rem.s32 %r, %x, %y;", |a, b, _| if b == 0 { a } else { a.wrapping_rem(b) });
    signed("min.s32 %r, %x, %y;", |a, b, _| a.min(b));
    narrow("max.u32 %r, %x, %y;", |a, b, _| a.max(b));
    signed("abs.s32 %r, %x;", |a, _, _| a.wrapping_abs());
    signed("neg.s32 %r, %x;", |a, _, _| a.wrapping_neg());
    signed("add.sat.s32 %r, %x, %y;", |a, b, _| a.saturating_add(b));
    signed("sub.sat.s32 %r, %x, %y;", |a, b, _| a.saturating_sub(b));
    narrow("sad.u32 %r, %x, %y, %z;", |a, b, c| c.wrapping_add(a.abs_diff(b)));
    signed("slct.s32.s32 %r, %x, %y, %z;", |a, b, c| if c >= 0 { a } else { b });
    wide("add.s64 %s, %a, %b;", |a, b, _| a.wrapping_add(b));
    wide("sub.s64 %s, %a, %b;", |a, b, _| a.wrapping_sub(b));
    wide("mul.lo.s64 %s, %a, %b;", |a, b, _| a.wrapping_mul(b));
    wide("mul.hi.u64 %s, %a, %b;", |a, b, _| ((u128::from(a) * u128::from(b)) >> 64) as u64);
    wide("mul.hi.s64 %s, %a, %b;", |a, b, _| {
        ((i128::from(a as i64) * i128::from(b as i64)) >> 64) as u64
    });
    wide("mad.lo.s64 %s, %a, %b, %c;", |a, b, c| a.wrapping_mul(b).wrapping_add(c));
    wide("div.u64 %s, %a, %b;", |a, b, _| a.checked_div(b).unwrap_or(!0));
    wide(
        "rem.s64 %s, %a, %b;",
        |a, b, _| {
            if b == 0 { a } else { (a as i64).wrapping_rem(b as i64) as u64 }
        },
    );
    wide("max.s64 %s, %a, %b;", |a, b, _| (a as i64).max(b as i64) as u64);
    narrow(
        "cvt.u16.u32 %h0, %x; cvt.u16.u32 %h1, %y; mul.lo.u16 %h2, %h0, %h1; cvt.u32.u16 %r, %h2;",
        |a, b, _| u32::from((a as u16).wrapping_mul(b as u16)),
    );
    signed("cvt.u16.u32 %h0, %x; cvt.u16.u32 %h1, %y; mul.wide.s16 %r, %h0, %h1;", |a, b, _| {
        i32::from(a as i16) * i32::from(b as i16)
    });
    signed("cvt.u16.u32 %h0, %x; shr.s16 %h1, %h0, 3; cvt.s32.s16 %r, %h1;", |a, _, _| {
        i32::from(a as i16 >> 3)
    });
    narrow("dp4a.u32.u32 %r, %x, %y, %z;", |a, b, c| {
        let (a, b) = (a.to_le_bytes(), b.to_le_bytes());
        (0..4).fold(c, |s, i| s.wrapping_add(u32::from(a[i]) * u32::from(b[i])))
    });
}

#[test]
fn carries() {
    wide(
        "cvt.u32.u64 %t0, %a; shr.u64 %u0, %a, 32; cvt.u32.u64 %t1, %u0;
         cvt.u32.u64 %t2, %b; shr.u64 %u1, %b, 32; cvt.u32.u64 %t3, %u1;
         add.cc.u32 %t4, %t0, %t2; addc.u32 %t5, %t1, %t3; mov.b64 %s, {%t4, %t5};",
        |a, b, _| a.wrapping_add(b),
    );
    wide(
        "mov.b64 {%t0, %t1}, %a; mov.b64 {%t2, %t3}, %b;
         sub.cc.u32 %t4, %t0, %t2; subc.u32 %t5, %t1, %t3; mov.b64 %s, {%t4, %t5};",
        |a, b, _| a.wrapping_sub(b),
    );
    // The low 64 bits of 64 × 64 by parts.
    wide(
        "mov.b64 {%t0, %t1}, %a; mov.b64 {%t2, %t3}, %b;
         mul.lo.u32 %t4, %t0, %t2; mul.hi.u32 %t5, %t0, %t2;
         mad.lo.cc.u32 %t5, %t0, %t3, %t5; mad.lo.cc.u32 %t5, %t1, %t2, %t5;
         mov.b64 %s, {%t4, %t5};",
        |a, b, _| a.wrapping_mul(b),
    );
    narrow("add.cc.u32 %t0, %x, %y; addc.cc.u32 %t1, %x, %y; addc.u32 %r, 0, 0;", |a, b, _| {
        let first = u64::from(a) + u64::from(b);
        u32::from(first + (first >> 32) > u64::from(u32::MAX))
    });
    wide("add.cc.u64 %u0, %a, %b; addc.u64 %s, %c, 0;", |a, b, c| {
        c.wrapping_add(u64::from(a.checked_add(b).is_none()))
    });
    narrow("mad.lo.cc.u32 %t0, %x, %y, %z; madc.hi.u32 %r, %x, %y, 0;", |a, b, c| {
        ((u64::from(a) * u64::from(b) + u64::from(c)) >> 32) as u32
    });
}

#[test]
fn bits() {
    narrow("and.b32 %r, %x, %y;", |a, b, _| a & b);
    narrow("or.b32 %r, %x, %y;", |a, b, _| a | b);
    wide("xor.b64 %s, %a, %b;", |a, b, _| a ^ b);
    narrow("not.b32 %r, %x;", |a, _, _| !a);
    narrow("cnot.b32 %r, %x;", |a, _, _| u32::from(a == 0));
    narrow("shl.b32 %r, %x, %y;", |a, b, _| a.checked_shl(b).unwrap_or(0));
    narrow("shr.u32 %r, %x, %y;", |a, b, _| a.checked_shr(b).unwrap_or(0));
    signed("shr.s32 %r, %x, %y;", |a, b, _| a >> (b as u32).min(31));
    wide("shl.b64 %s, %a, %y;", |a, b, _| a.checked_shl(b as u32).unwrap_or(0));
    wide("shr.s64 %s, %a, %y;", |a, b, _| (a as i64 >> (b as u32).min(63)) as u64);
    narrow("popc.b32 %r, %x;", |a, _, _| a.count_ones());
    wide("popc.b64 %r, %a;", |a, _, _| u64::from(a.count_ones()));
    narrow("clz.b32 %r, %x;", |a, _, _| a.leading_zeros());
    wide("clz.b64 %r, %a;", |a, _, _| u64::from(a.leading_zeros()));
    narrow("brev.b32 %r, %x;", |a, _, _| a.reverse_bits());
    narrow("bfind.u32 %r, %x;", |a, _, _| a.checked_ilog2().unwrap_or(!0));
    signed("bfind.s32 %r, %x;", |a, _, _| {
        let magnitude = if a < 0 { !a } else { a };
        (magnitude as u32).checked_ilog2().map_or(-1, |bit| bit as i32)
    });
    narrow("bfind.shiftamt.u32 %r, %x;", |a, _, _| a.checked_ilog2().map_or(!0, |bit| 31 - bit));
    narrow("bfe.u32 %r, %x, %y, %z;", |a, b, c| {
        let (position, length) = (b & 255, c & 255);
        let mut result = 0;
        for i in 0..length.min(32) {
            if position + i < 32 {
                result |= (a >> (position + i) & 1) << i;
            }
        }
        result
    });
    signed("bfe.s32 %r, %x, %y, %z;", |a, b, c| {
        // As PTX defines it.
        let (position, length) = (b as u32 & 255, c as u32 & 255);
        let sign = if length == 0 { 0 } else { a as u32 >> (position + length - 1).min(31) & 1 };
        let mut result = 0_u32;
        for i in 0..32 {
            let inside = i < length && position + i <= 31;
            let bit = if inside { a as u32 >> (position + i) & 1 } else { sign };
            result |= bit << i;
        }
        result as i32
    });
    narrow("bfi.b32 %r, %x, %y, %z, 7;", |a, b, c| {
        let position = c & 255;
        let mut result = b;
        for i in 0..7 {
            if position + i < 32 {
                result = result & !(1 << (position + i)) | (a >> i & 1) << (position + i);
            }
        }
        result
    });
    wide("bfi.b64 %s, %a, %b, 20, 30;", |a, b, _| {
        let mask = ((1 << 30) - 1) << 20;
        b & !mask | a << 20 & mask
    });
    narrow("prmt.b32 %r, %x, %y, 0x3706;", |a, b, _| {
        let bytes = (u64::from(b) << 32 | u64::from(a)).to_le_bytes();
        u32::from_le_bytes([bytes[6], bytes[0], bytes[7], bytes[3]])
    });
    narrow("prmt.b32 %r, %x, %y, 0xba98;", |a, _, _| {
        u32::from_le_bytes(a.to_le_bytes().map(|byte| ((byte as i8) >> 7) as u8))
    });
    for table in [0x96_u32, 0xe8, 0xca, 0x3c, 0x01, 0xfe] {
        narrow(&format!("lop3.b32 %r, %x, %y, %z, {table};"), |a, b, c| {
            (0..32).fold(0, |result, i| {
                let index = (a >> i & 1) << 2 | (b >> i & 1) << 1 | c >> i & 1;
                result | (table >> index & 1) << i
            })
        });
    }
    let pair = |a: u32, b: u32| u64::from(b) << 32 | u64::from(a);
    narrow("shf.l.wrap.b32 %r, %x, %y, %z;", |a, b, c| (pair(a, b) << (c & 31) >> 32) as u32);
    narrow("shf.r.wrap.b32 %r, %x, %y, %z;", |a, b, c| (pair(a, b) >> (c & 31)) as u32);
    narrow("shf.l.clamp.b32 %r, %x, %y, %z;", |a, b, c| (pair(a, b) << c.min(32) >> 32) as u32);
    narrow("shf.r.clamp.b32 %r, %x, %y, %z;", |a, b, c| (pair(a, b) >> c.min(32)) as u32);
    narrow("mov.b32 {%h0, %h1}, %x; mov.b32 %r, {%h1, %h0};", |a, _, _| a.rotate_left(16));
    wide("mov.b64 {%h0, %h1, %h2, %h3}, %a; mov.b64 %s, {%h3, %h2, %h1, %h0};", |a, _, _| {
        (0..4).fold(0, |r, i| r << 16 | a >> (16 * i) & 0xffff)
    });
    narrow(
        "setp.eq.u32 %p0|%p1, %x, %y; selp.u32 %r, 1, 0, %p0; @%p1 add.u32 %r, %r, 2;",
        |a, b, _| {
            if a == b { 1 } else { 2 }
        },
    );
    signed(
        "setp.lt.and.s32 %p0, %x, %y, %p2; setp.ge.s32 %p2, %x, 5; setp.lt.or.s32 %p1, %x, %y, !%p2; selp.s32 %r, 1, 0, %p1;",
        |a, b, _| i32::from(a < b || a < 5),
    );
    narrow("set.lo.u32.u32 %r, %x, %y;", |a, b, _| if a < b { !0 } else { 0 });
}

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
fn conversions() {
    let f = |x: u32| f32::from_bits(x);
    narrow("cvt.rzi.s32.f32 %r, %f;", |a, _, _| f(a) as i32 as u32);
    narrow("cvt.rzi.u32.f32 %r, %f;", |a, _, _| f(a) as u32);
    narrow("cvt.rni.s32.f32 %r, %f;", |a, _, _| f(a).round_ties_even() as i32 as u32);
    narrow("cvt.rmi.s32.f32 %r, %f;", |a, _, _| f(a).floor() as i32 as u32);
    narrow("cvt.rpi.u32.f32 %r, %f;", |a, _, _| f(a).ceil() as u32);
    wide("cvt.rzi.s64.f64 %s, %d;", |a, _, _| f64::from_bits(a) as i64 as u64);
    wide("cvt.rni.u64.f64 %s, %d;", |a, _, _| f64::from_bits(a).round_ties_even() as u64);
    float("cvt.rni.f32.f32 %q, %f;", |a, _, _| a.round_ties_even());
    float("cvt.rzi.f32.f32 %q, %f;", |a, _, _| a.trunc());
    double("cvt.rmi.f64.f64 %m, %d;", |a, _, _| a.floor());
    float(
        "cvt.sat.f32.f32 %q, %f;",
        |a, _, _| {
            if a.is_nan() { 0.0 } else { a.clamp(0.0, 1.0) + 0.0 }
        },
    );
    narrow("cvt.rn.f32.u32 %q, %x; mov.b32 %r, %q;", |a, _, _| (a as f32).to_bits());
    narrow("cvt.rn.f32.s32 %q, %x; mov.b32 %r, %q;", |a, _, _| (a as i32 as f32).to_bits());
    wide("cvt.rn.f64.u64 %m, %a; mov.b64 %s, %m;", |a, _, _| (a as f64).to_bits());
    wide("cvt.rn.f64.s64 %m, %a; mov.b64 %s, %m;", |a, _, _| (a as i64 as f64).to_bits());
    wide("cvt.rn.f32.u64 %q, %a; mov.b32 %r, %q;", |a, _, _| u64::from((a as f32).to_bits()));
    narrow("cvt.rz.f32.u32 %q, %x; mov.b32 %r, %q;", |a, _, _| {
        let nearest = a as f32;
        if nearest as u64 > u64::from(a) { nearest.next_down() } else { nearest }.to_bits()
    });
    check("cvt.f64.f32 %m, %f; mov.b64 %s, %m;", 64, |a, _, _| f64::from(f(a as u32)).to_bits());
    check("cvt.rn.f32.f64 %q, %d; mov.b32 %r, %q;", 32, |a, _, _| {
        u64::from((f64::from_bits(a) as f32).to_bits())
    });
    check("cvt.rz.f32.f64 %q, %d; mov.b32 %r, %q;", 32, |a, _, _| {
        let value = f64::from_bits(a);
        let nearest = value as f32;
        let away = f64::from(nearest).abs() > value.abs();
        let toward = if value > 0.0 { nearest.next_down() } else { nearest.next_up() };
        u64::from(if away { toward } else { nearest }.to_bits())
    });
    check("cvt.rn.bf16.f32 %h0, %f; mov.b32 %r, {%h0, 0};", 17, |a, _, _| {
        u64::from(bf16::from_f32(f(a as u32)).to_bits())
    });
    check("cvt.rn.f16.f32 %h0, %f; mov.b32 %r, {%h0, 0};", 16, |a, _, _| {
        u64::from(f16::from_f32(f(a as u32)).to_bits())
    });
    check("cvt.u16.u32 %h0, %x; cvt.f32.f16 %q, %h0; mov.b32 %r, %q;", 32, |a, _, _| {
        u64::from(f16::from_bits(a as u16).to_f32().to_bits())
    });
    check("cvt.u16.u32 %h0, %x; cvt.f32.bf16 %q, %h0; mov.b32 %r, %q;", 32, |a, _, _| {
        u64::from(bf16::from_bits(a as u16).to_f32().to_bits())
    });
    narrow(
        "cvt.rn.bf16x2.f32 %t0, %f, %g; and.b32 %r, %t0, 0x7fff7fff; setp.nan.f32 %p0, %f, %g; selp.b32 %r, 0, %r, %p0;",
        |a, b, _| {
            if f(a).is_nan() || f(b).is_nan() {
                return 0;
            }
            let part = |x| u32::from(bf16::from_f32(f(x)).to_bits());
            (part(a) << 16 | part(b)) & 0x7fff_7fff
        },
    );
    wide("cvt.s64.s32 %s, %x;", |a, _, _| a as i32 as u64);
    wide("cvt.s64.s8 %s, %a;", |a, _, _| a as i8 as u64);
    narrow("cvt.s32.s8 %r, %x;", |a, _, _| a as i8 as u32);
    narrow("cvt.u32.u8 %r, %x;", |a, _, _| u32::from(a as u8));
    narrow("cvt.sat.u8.s32 %r, %x;", |a, _, _| (a as i32).clamp(0, 255) as u32);
    narrow("cvt.sat.s16.s32 %r, %x;", |a, _, _| {
        (a as i32).clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as u32
    });
    wide("cvt.sat.s32.s64 %r, %a;", |a, _, _| {
        u64::from((a as i64).clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as u32)
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

#[test]
fn unknown_things_are_errors() {
    let error = |snippet: &str| softcuda::ptx::parse(&source(snippet)).unwrap_err();
    assert!(error("wibble.u32 %r, %x;").contains("`wibble.u32`"));
    assert!(error("add.u32.wobble %r, %x, %y;").contains("modifier `.wobble`"));
    assert!(error("add.u32 %r, %x, %nope;").contains("`%nope` isn't declared"));
    assert!(error("bra $nowhere;").contains("no label `$nowhere`"));
    assert!(error("add.u64 %s, %a, %x;").contains("32 bits"));
    assert!(error("add.u32 %r, %x, %y").contains("line "));
    assert!(
        error("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%q}, {%r}, {%r}, {%q};")
            .contains("line ")
    );
}
