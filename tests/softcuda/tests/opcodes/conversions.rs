//! Conversions between types.

use crate::snippet::{check, double, float, narrow, wide};
use half::{bf16, f16};

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
