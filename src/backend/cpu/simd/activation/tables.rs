//! Constants and polynomials of the activations, per format.
//!
//! Every polynomial is our own: a Remez exchange in 45 digits on the stated interval, with the
//! stated weight, then rounded to the format (binary32: one coefficient after the other, the
//! remaining ones fitted again, except in EXPM1). Stated errors are those of the rounded
//! coefficients, without the rounding of their evaluation. Constant term first.

use crate::backend::real::Real;

/// What the activations need to know of a format: binary32 or binary64.
pub trait Tables: Real {
    /// log₂ e
    const LOG2_E: Self;
    /// −ln 2
    const MINUS_LN_2: Self;
    /// 1.5·2^m + bias, where m is the number of fraction bits and bias that of the exponent. A sum
    /// with it is rounded to an integer k, and its lowest bits are k + bias, the exponent of 2^k.
    const ROUND: Self;
    /// −bias·ln 2: from here downwards 2^k is 0, and so is the exponential.
    const LOWEST: Self;
    /// (eʳ − 1 − r)/r² on |r| ≤ ½ ln 2; relative error of eʳ − 1: 2e-8, 3e-17.
    const EXPM1: &'static [Self];
    /// 2 atanh(s)/s in s², 0 ≤ s ≤ ⅓; relative error 5e-9, 9e-17.
    const ATANH: &'static [Self];
    /// ln(erfc a)/a on [0, 3.9], [0, 5.95]; relative error of erf a: 5e-8, 8e-17. From there to 6,
    /// a times it goes on falling, so that erf a is 1.
    const LN_ERFC: &'static [Self];
    /// P(z ≤ −a) e^{a²/2}, z ~ N(0,1), in v = a/(a + MILLS_MAP), on 0 ≤ a ≤ 5.5, 8.3; error of
    /// P(z ≤ −a): 2e-8, 2e-17, also from there to 8.5, and 0 at a = 0.
    const MILLS: &'static [Self];
    /// The map of MILLS.
    const MILLS_MAP: Self;

    /// 2^k from k + ROUND, −bias ≤ k ≤ bias; 0 for k = −bias. Meaningless from NaN.
    fn power_of_two(rounded: Self) -> Self;
    /// |self| with the sign of `sign`, also from and to NaN.
    fn copysign(self, sign: Self) -> Self;
}

impl Tables for f32 {
    const LOG2_E: Self = std::f32::consts::LOG2_E;
    const MINUS_LN_2: Self = -std::f32::consts::LN_2;
    const ROUND: Self = 12_582_912.0 + 127.0;
    const LOWEST: Self = -127.0 * std::f32::consts::LN_2;
    const EXPM1: &'static [Self] =
        &[0.499_999_97, 0.166_665_43, 0.041_667_2, 0.008_366_578, 0.001_388_258_2];
    const ATANH: &'static [Self] = &[2.0, 0.666_664_2, 0.400_214_37, 0.280_029_62, 0.280_077_04];
    const LN_ERFC: &'static [Self] = &[
        -std::f32::consts::FRAC_2_SQRT_PI,
        -0.636_615_16,
        -0.102_829_04,
        0.019_378_033,
        -0.000_303_335_95,
        -0.001_169_294_2,
        0.000_348_146_07,
        -3.581_112_5e-5,
    ];
    const MILLS: &'static [Self] =
        &[0.5, -1.284_096, 1.305_981, -0.537_917_55, -0.114_914_53, 0.140_214_58];
    const MILLS_MAP: Self = 3.218_75;

    #[inline(always)]
    fn power_of_two(rounded: Self) -> Self {
        f32::from_bits(rounded.to_bits() << 23)
    }
    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        f32::copysign(self, sign)
    }
}

impl Tables for f64 {
    const LOG2_E: Self = std::f64::consts::LOG2_E;
    const MINUS_LN_2: Self = -std::f64::consts::LN_2;
    const ROUND: Self = 6_755_399_441_055_744.0 + 1023.0;
    const LOWEST: Self = -1023.0 * std::f64::consts::LN_2;
    const EXPM1: &'static [Self] = &[
        0.500_000_000_000_000_6,
        0.166_666_666_666_665_88,
        0.041_666_666_666_576_11,
        0.008_333_333_333_389_994,
        0.001_388_888_893_179_518_2,
        0.000_198_412_697_182_490_4,
        2.480_150_497_835_220_6e-5,
        2.755_740_795_338_640_4e-6,
        2.762_616_170_114_389_7e-7,
        2.505_374_813_613_958e-8,
    ];
    const ATANH: &'static [Self] = &[
        2.0,
        0.666_666_666_666_724_9,
        0.399_999_999_971_845_15,
        0.285_714_289_763_570_94,
        0.222_221_955_722_034_1,
        0.181_827_716_338_279_1,
        0.153_645_715_020_373_25,
        0.135_868_322_366_519_38,
        0.098_875_270_429_639_23,
        0.177_933_710_494_302_07,
    ];
    const LN_ERFC: &'static [Self] = &[
        -std::f64::consts::FRAC_2_SQRT_PI,
        -0.636_619_772_367_603_5,
        -0.102_772_603_300_351_33,
        0.019_128_446_967_880_075,
        0.000_209_195_185_228_816_98,
        -0.001_696_210_262_391_690_3,
        0.000_590_145_731_380_219_7,
        -2.595_208_173_810_547_2e-5,
        -6.429_668_688_909_04e-5,
        2.933_434_403_639_765_5e-5,
        -2.809_353_387_403_452e-6,
        -3.551_529_594_123_957_5e-6,
        2.419_690_684_441_856_4e-6,
        -8.475_705_878_753_879e-7,
        1.711_348_443_582_061_8e-7,
        -7.246_117_844_427_991e-9,
        -8.117_720_421_469_816e-9,
        3.230_339_476_276_453_5e-9,
        -6.945_405_847_277_3e-10,
        9.719_102_157_205_5e-11,
        -8.870_367_400_015_228e-12,
        4.834_962_642_692_44e-13,
        -1.199_869_417_992_203_3e-14,
    ];
    const MILLS: &'static [Self] = &[
        0.5,
        -1.595_769_121_605_717,
        2.404_230_878_391_335_8,
        -2.106_537_769_949_44,
        0.871_924_924_378_202_6,
        0.105_159_497_429_317_49,
        -0.209_089_989_799_680_71,
        -0.024_361_449_557_299_356,
        0.053_801_073_586_333_355,
        0.018_966_055_686_089_99,
        -0.014_372_303_603_731_202,
        -0.002_595_983_690_007_017_3,
        -0.012_386_399_592_982_187,
        0.015_829_792_221_484_017,
        -0.004_787_815_309_126_521,
    ];
    const MILLS_MAP: Self = 4.0;

    #[inline(always)]
    fn power_of_two(rounded: Self) -> Self {
        f64::from_bits(rounded.to_bits() << 52)
    }
    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        f64::copysign(self, sign)
    }
}
