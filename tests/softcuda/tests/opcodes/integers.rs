//! Whole numbers: sums, products, carries.

use crate::snippet::{narrow, signed, wide};

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
