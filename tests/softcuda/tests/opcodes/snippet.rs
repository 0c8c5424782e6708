//! A few instructions, run on many operands and compared with what Rust makes of them.
//!
//! A snippet reads three 64-bit words per thread (registers `%a`, `%b`, `%c` and their halves `%x`,
//! `%y`, `%z`, floats `%f`, `%g`, `%h` and `%d`, `%e`, `%k`) and leaves its result in `%r` (narrow)
//! or `%s` (wide).

use crate::common::{Arguments, Device};
use half::{bf16, f16};

pub const COUNT: usize = 1024;

pub fn source(snippet: &str) -> String {
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
pub fn operands(seed: u64) -> Vec<[u64; 3]> {
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

pub fn run(snippet: &str, inputs: &[[u64; 3]]) -> Vec<u64> {
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
pub fn check(snippet: &str, float: u32, want: impl Fn(u64, u64, u64) -> u64) {
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

pub fn narrow(snippet: &str, want: impl Fn(u32, u32, u32) -> u32) {
    check(snippet, 0, |a, b, c| u64::from(want(a as u32, b as u32, c as u32)));
}

pub fn signed(snippet: &str, want: impl Fn(i32, i32, i32) -> i32) {
    narrow(snippet, |a, b, c| want(a as i32, b as i32, c as i32) as u32);
}

pub fn wide(snippet: &str, want: impl Fn(u64, u64, u64) -> u64) {
    check(snippet, 0, want);
}

pub fn float(snippet: &str, want: impl Fn(f32, f32, f32) -> f32) {
    check(&format!("{snippet} mov.b32 %r, %q;"), 32, |a, b, c| {
        let [a, b, c] = [a, b, c].map(|x| f32::from_bits(x as u32));
        u64::from(want(a, b, c).to_bits())
    });
}

pub fn double(snippet: &str, want: impl Fn(f64, f64, f64) -> f64) {
    check(&format!("{snippet} mov.b64 %s, %m;"), 64, |a, b, c| {
        want(f64::from_bits(a), f64::from_bits(b), f64::from_bits(c)).to_bits()
    });
}
