//! Products of matrices: which entry lies where, what is read of an operand, how sums are rounded.

use crate::common::{Arguments, Device};
use crate::snippet::{check, source};

/// One `mma` of a warp: each lane has four numbers of A, two of B and four of C, and leaves four of D.
const PRODUCT: &str = r"
.version 8.8
.target sm_80
.address_size 64
.visible .entry product(.param .u64 in, .param .u64 out)
{
    .reg .b32 %tid, %a<4>, %b<2>;
    .reg .f32 %c<4>, %d<4>;
    .reg .b64 %in, %out;
    ld.param.u64 %in, [in];
    ld.param.u64 %out, [out];
    mov.u32 %tid, %tid.x;
    mad.wide.u32 %in, %tid, 40, %in;
    mad.wide.u32 %out, %tid, 16, %out;
    ld.global.b32 %a0, [%in];
    ld.global.b32 %a1, [%in+4];
    ld.global.b32 %a2, [%in+8];
    ld.global.b32 %a3, [%in+12];
    ld.global.b32 %b0, [%in+16];
    ld.global.b32 %b1, [%in+20];
    ld.global.f32 %c0, [%in+24];
    ld.global.f32 %c1, [%in+28];
    ld.global.f32 %c2, [%in+32];
    ld.global.f32 %c3, [%in+36];
    mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%d0, %d1, %d2, %d3}, {%a0, %a1, %a2, %a3}, {%b0, %b1},
        {%c0, %c1, %c2, %c3};
    st.global.f32 [%out], %d0;
    st.global.f32 [%out+4], %d1;
    st.global.f32 [%out+8], %d2;
    st.global.f32 [%out+12], %d3;
    ret;
}
";

struct Matrices {
    a: [[f32; 8]; 16],
    b: [[f32; 8]; 8],
    c: [[f32; 8]; 16],
}

impl Default for Matrices {
    fn default() -> Self {
        Matrices { a: [[0.0; 8]; 16], b: [[0.0; 8]; 8], c: [[0.0; 8]; 16] }
    }
}

/// Rows and columns of a matrix of eight columns.
fn entries(rows: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).flat_map(|i| (0..8).map(move |j| (i, j)))
}

/// Where lane `lane` has number `i` of a 16 × 8 accumulator, by the PTX ISA.
fn of_accumulator(lane: usize, i: usize) -> (usize, usize) {
    let (group, in_group) = (lane >> 2, lane % 4);
    (if i < 2 { group } else { group + 8 }, in_group * 2 + (i & 1))
}

/// D of these matrices.
fn product(of: &Matrices, checked: bool) -> [[f32; 8]; 16] {
    let device = Device::new(PRODUCT, checked);
    let mut words = Vec::new();
    for lane in 0..32 {
        let (group, in_group) = (lane >> 2, lane % 4);
        // By the PTX ISA: rows group for a0 and a2, group + 8 for a1 and a3; columns in_group for a0 and a1.
        words.extend((0..4).map(|i| {
            let row = if i == 0 || i == 2 { group } else { group + 8 };
            of.a[row][if i < 2 { in_group } else { in_group + 4 }]
        }));
        words.extend([of.b[in_group][group], of.b[in_group + 4][group]]);
        words.extend((0..4).map(|i| {
            let (row, column) = of_accumulator(lane, i);
            of.c[row][column]
        }));
    }
    let words: Vec<u64> = (words.chunks(2))
        .map(|pair| u64::from(pair[0].to_bits()) | u64::from(pair[1].to_bits()) << 32)
        .collect();
    let input: Vec<[u64; 1]> = words.into_iter().map(|word| [word]).collect();
    let (input, output) = (device.upload(&input), device.zeros(32 * 16));
    let arguments = Arguments::new().u64(input).u64(output);
    device.launch("product", 1, 32, 0, arguments).unwrap();
    let words: Vec<u64> = device.download(output, 64);
    let mut d = [[0.0; 8]; 16];
    for lane in 0..32 {
        for i in 0..4 {
            let word = words[lane * 2 + i / 2] >> (i % 2 * 32);
            let (row, column) = of_accumulator(lane, i);
            d[row][column] = f32::from_bits(word as u32);
        }
    }
    d
}

/// Every pair of entries of A and B alone, which shows where each of them lies; and all together.
#[test]
fn every_entry_lies_where_the_isa_has_it() {
    for (row, k) in entries(16) {
        for (inner, column) in entries(8) {
            // One in every so many, so that all are met with others.
            if (row + 3 * k + 5 * inner + 7 * column) % 8 != 0 {
                continue;
            }
            let mut of = Matrices::default();
            (of.a[row][k], of.b[inner][column]) = (3.0, 5.0);
            let d = product(&of, false);
            for (i, j) in entries(16) {
                let want = if (i, j, k) == (row, column, inner) { 15.0 } else { 0.0 };
                assert_eq!(d[i][j], want, "a[{row}][{k}] b[{inner}][{column}] at ({i}, {j})");
            }
        }
    }
    let mut of = Matrices::default();
    for (i, j) in entries(16) {
        (of.a[i][j], of.c[i][j]) = ((1 + 8 * i + j) as f32, (1000 * i + 100 * j) as f32);
        of.b[i % 8][j] = (2 + 8 * (i % 8) + j) as f32;
    }
    let d = product(&of, true);
    for (i, j) in entries(16) {
        let sum: f32 = (0..8).map(|k| of.a[i][k] * of.b[k][j]).sum();
        assert_eq!(d[i][j], sum + of.c[i][j], "({i}, {j})");
    }
}

/// One entry of D: of eight products and an entry of C.
fn entry(a: [f32; 8], b: [f32; 8], c: f32) -> f32 {
    let mut of = Matrices::default();
    of.a[5] = a;
    of.c[5][3] = c;
    (0..8).for_each(|k| of.b[k][3] = b[k]);
    product(&of, false)[5][3]
}

#[test]
fn sums_are_cut_off_one_bit_beyond_a_number() {
    let ones = |x: f32| [x, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    let one = ones(1.0);
    // The bits that tf32 does not have are not read.
    assert_eq!(entry(ones(1.0 + 2.0_f32.powi(-11)), one, 0.0), 1.0);
    assert_eq!(entry(ones(1.0 + 2.0_f32.powi(-10)), one, 0.0), 1.0 + 2.0_f32.powi(-10));
    // Products are exact: 22 bits.
    let x = 2.0 - 2.0_f32.powi(-10);
    assert_eq!(entry(ones(x), ones(x), 0.0), x * x);
    // Two halves of the last place, of one bit more than a number has, are one of it.
    let (last, half) = (2.0_f32.powi(-23), 2.0_f32.powi(-24));
    let mut a = ones(half);
    assert_eq!(entry(a, [1.0; 8], 1.0), 1.0);
    a[1] = half;
    assert_eq!(entry(a, [1.0; 8], 1.0), 1.0 + last);
    // Toward zero on either side.
    assert_eq!(entry(ones(-half * 0.5), [1.0; 8], -1.0), -1.0);
    assert_eq!(entry(ones(1.5 * last), [1.0; 8], 1.0), 1.0 + last);
    assert_eq!(entry(ones(-1.5 * last), [1.0; 8], -1.0), -1.0 - last);
    // Two bits below the last place nothing is left, of as many as there are.
    assert_eq!(entry([half * 0.5; 8], [1.0; 8], 1.0), 1.0);
    // What is not finite, too large or tiny.
    assert!(entry(ones(f32::INFINITY), ones(0.0), 1.0).is_nan());
    assert_eq!(entry(ones(f32::INFINITY), one, 1.0), f32::INFINITY);
    assert!(entry(ones(f32::NAN), one, 1.0).is_nan());
    assert_eq!(entry(ones(2.0_f32.powi(127)), [2.0; 8], 0.0), f32::INFINITY);
    assert_eq!(entry(ones(2.0_f32.powi(-75)), ones(2.0_f32.powi(-74)), 0.0), 2.0_f32.powi(-149));
    assert_eq!(entry(ones(2.0_f32.powi(-75)), ones(2.0_f32.powi(-75)), 0.0), 0.0);
}

/// To the nearer of the two neighbours, of two as near to the larger one.
#[test]
fn rounded_to_tf32() {
    check("cvt.rna.tf32.f32 %r, %f;", 32, |a, _, _| {
        let x = f32::from_bits(a as u32);
        if !x.is_finite() {
            return u64::from(x.to_bits());
        }
        let below = x.to_bits() & !0x1fff;
        let value = |bits: u32| {
            // The exponent after the largest is infinity, which stands for the number in its place.
            let infinite = bits & 0x7fff_ffff == 0x7f80_0000;
            let place =
                if infinite { 2.0_f64.powi(128) } else { f64::from(f32::from_bits(bits)).abs() };
            (place - f64::from(x).abs()).abs()
        };
        u64::from(if value(below + 0x2000) <= value(below) { below + 0x2000 } else { below })
    });
}

#[test]
fn other_products_are_refused_by_name() {
    let error = |snippet: &str| softcuda::ptx::parse(&source(snippet)).unwrap_err();
    let of = "{%q, %q, %q, %q}, {%r, %r, %r, %r}, {%r, %r}, {%q, %q, %q, %q};";
    let known = "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32";
    assert!(softcuda::ptx::parse(&source(&format!("{known} {of}"))).is_ok());
    for other in ["m16n8k4", "m16n8k16"] {
        let said = error(&format!("{} {of}", known.replace("m16n8k8", other)));
        assert!(said.contains("of these shapes and types"), "{said}");
    }
    let said = error(&format!("{known} {}", of.replace("{%r, %r}", "{%r}")));
    assert!(said.contains("operand 3 is not of 2 registers"), "{said}");
    assert!(error("cvt.rn.tf32.f32 %r, %f;").contains("to tf32"));
}
