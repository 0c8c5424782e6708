//! Each family of instructions against Rust's arithmetic, bit for bit, on random operands and on
//! the edges: zeros, denormals, infinities, NaN, the extremes.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

#[path = "opcodes/bits.rs"]
mod bits;
#[path = "opcodes/conversions.rs"]
mod conversions;
#[path = "opcodes/floats.rs"]
mod floats;
#[path = "opcodes/halves.rs"]
mod halves;
#[path = "opcodes/integers.rs"]
mod integers;
#[path = "opcodes/snippet.rs"]
mod snippet;
#[path = "opcodes/tensor.rs"]
mod tensor;

use snippet::source;

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
