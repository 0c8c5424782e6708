//! Types of PTX.

/// A fundamental type, or f32 with denormals flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ty {
    B8,
    U8,
    S8,
    B16,
    U16,
    S16,
    B32,
    U32,
    S32,
    B64,
    U64,
    S64,
    F16,
    BF16,
    F16x2,
    BF16x2,
    F32,
    /// `.ftz.f32`.
    F32z,
    F64,
    Pred,
}

impl Ty {
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "b8" => Self::B8,
            "u8" => Self::U8,
            "s8" => Self::S8,
            "b16" => Self::B16,
            "u16" => Self::U16,
            "s16" => Self::S16,
            "b32" => Self::B32,
            "u32" => Self::U32,
            "s32" => Self::S32,
            "b64" => Self::B64,
            "u64" => Self::U64,
            "s64" => Self::S64,
            "f16" => Self::F16,
            "bf16" => Self::BF16,
            "f16x2" => Self::F16x2,
            "bf16x2" => Self::BF16x2,
            "f32" => Self::F32,
            "f64" => Self::F64,
            "pred" => Self::Pred,
            _ => return None,
        })
    }

    pub fn bytes(self) -> u32 {
        match self {
            Self::Pred | Self::B8 | Self::U8 | Self::S8 => 1,
            Self::B16 | Self::U16 | Self::S16 | Self::F16 | Self::BF16 => 2,
            Self::B64 | Self::U64 | Self::S64 | Self::F64 => 8,
            _ => 4,
        }
    }

    /// Whether a register of this type takes two 32-bit rows.
    pub fn wide(self) -> bool {
        self.bytes() == 8
    }

    pub fn signed(self) -> bool {
        matches!(self, Self::S8 | Self::S16 | Self::S32 | Self::S64)
    }

    pub fn float(self) -> bool {
        matches!(
            self,
            Self::F16
                | Self::BF16
                | Self::F16x2
                | Self::BF16x2
                | Self::F32
                | Self::F32z
                | Self::F64
        )
    }

    /// An integer of the same width and, for `b` types, unsigned.
    pub fn integer(self) -> Self {
        match self {
            Self::B8 => Self::U8,
            Self::B16 | Self::F16 | Self::BF16 => Self::U16,
            Self::B32 | Self::F32 | Self::F32z | Self::F16x2 | Self::BF16x2 => Self::U32,
            Self::B64 | Self::F64 => Self::U64,
            other => other,
        }
    }
}
