//! Bits, and what selects by predicates.

use crate::snippet::{narrow, signed, wide};

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
