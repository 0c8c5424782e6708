//! Kernels as NVRTC compiles them, against the same numbers computed here.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{Arguments, Device, compile};
use std::time::Instant;

fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 11) as f64 / (1_u64 << 53) as f64 * 2.0 - 1.0
        })
        .collect()
}

/// A kernel's source, and what NVRTC once made of it.
type Source = (&'static str, &'static str);

macro_rules! source {
    ($name:literal) => {
        (
            include_str!(concat!("../kernels/", $name, ".cu")),
            include_str!(concat!("../kernels/", $name, ".ptx")),
        )
    };
}

const GEMM: Source = source!("gemm");
const TRIAL: Source = source!("trial");
const RANDOM: Source = source!("random");
const CONTROL: Source = source!("control");

/// A device with a module: compiled anew where there's an NVRTC.
fn device((source, stored): Source, checked: bool) -> Device {
    let compiled = compile(source, "kernel.cu");
    Device::new(compiled.as_deref().unwrap_or(stored), checked)
}

#[test]
fn products() {
    for checked in [false, true] {
        let device = device(GEMM, checked);
        let (m, n, k) = (37, 50, 43);
        let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
        let at = |x: &[f64]| device.upload(x);
        let (da, db, dc) = (at(&a), at(&b), device.memory.alloc((m * n * 8) as u64).unwrap());
        let shape = |p: Arguments| p.u32(m as u32).u32(n as u32).u32(k as u32);
        let grid = [n.div_ceil(16) as u32, m.div_ceil(16) as u32, 1];
        let arguments = shape(Arguments::new().u64(da).u64(db).u64(dc));
        device.run("gemm64", grid, [16, 16, 1], 0, arguments, false).unwrap();
        let c: Vec<f64> = device.download(dc, m * n);
        for (i, c) in c.iter().enumerate() {
            let exact = (0..k).fold(0.0_f64, |s, l| a[i / n * k + l].mul_add(b[l * n + i % n], s));
            assert_eq!(*c, exact);
        }
        let narrow = |x: &[f64]| x.iter().map(|x| *x as f32).collect::<Vec<_>>();
        let (a, b) = (narrow(&a), narrow(&b));
        let (da, db) = (device.upload(&a), device.upload(&b));
        let dc = device.memory.alloc((m * n * 4) as u64).unwrap();
        let arguments = shape(Arguments::new().u64(da).u64(db).u64(dc));
        device.run("gemm32", grid, [16, 16, 1], 0, arguments, false).unwrap();
        let c: Vec<f32> = device.download(dc, m * n);
        for (i, c) in c.iter().enumerate() {
            let exact = (0..k).fold(0.0_f32, |s, l| a[i / n * k + l].mul_add(b[l * n + i % n], s));
            assert_eq!(*c, exact);
        }
    }
}

/// Says how fast products run, checked and not.
#[test]
fn speed() {
    for (checked, n, k) in [(false, 256_usize, 512_usize), (true, 64, 64)] {
        let mut device = device(GEMM, checked);
        device.options.threads = 1;
        device.options.watchdog = u64::MAX;
        let narrow = |seed| numbers(n * k, seed).iter().map(|x| *x as f32).collect::<Vec<_>>();
        let (a, b) = (narrow(1), narrow(2));
        let (da, db) = (device.upload(&a), device.upload(&b));
        let dc = device.zeros((n * n * 4) as u64);
        let arguments = Arguments::new().u64(da).u64(db).u64(dc).u32(n as u32).u32(k as u32);
        let start = Instant::now();
        let tiles = n as u32 / 64;
        device.run("micro", [tiles, tiles, 1], [256, 1, 1], 0, arguments, false).unwrap();
        let rate = (n * n * k) as f64 / start.elapsed().as_secs_f64() / 1e6;
        println!("checked: {checked}: {rate:.1} million fused multiply-adds a second");
        let c: Vec<f32> = device.download(dc, n * n);
        for (i, c) in c.iter().enumerate() {
            let exact = (0..k).fold(0.0_f32, |s, l| a[i / n * k + l].mul_add(b[l * n + i % n], s));
            assert_eq!(*c, exact);
        }
    }
}

#[test]
fn reduction() {
    for checked in [false, true] {
        let device = device(GEMM, checked);
        let x: Vec<f32> = (0..5000).map(|i| (i % 17) as f32).collect();
        let (dx, dy) = (device.upload(&x), device.upload(&[0.0_f32]));
        let arguments = Arguments::new().u64(dx).u64(dy).u32(x.len() as u32);
        device.launch("reduce", 3, 256, 32, arguments).unwrap();
        assert_eq!(device.download::<f32>(dy, 1)[0], x.iter().sum::<f32>());
    }
}

#[test]
fn functions() {
    let device = device(TRIAL, true);
    let n = 200;
    let u: Vec<f64> = numbers(n, 3).iter().map(|x| x * 8.0).collect();
    let mut u = u;
    u[0] = 3e9;
    let x: Vec<f32> = u.iter().map(|u| *u as f32).collect();
    let (dx, du) = (device.upload(&x), device.upload(&u));
    let (dy, dv) = (device.zeros(4 * n as u64), device.zeros(8 * n as u64));
    let arguments = Arguments::new().u64(dx).u64(dy).u64(du).u64(dv).u32(n as u32);
    device.launch("maths", 2, 128, 0, arguments).unwrap();
    let (y, v): (Vec<f32>, Vec<f64>) = (device.download(dy, n), device.download(dv, n));
    for i in 1..n {
        let u = u[i];
        let exact = u.tanh()
            + u.exp() * libm::erf(u)
            + (u.abs() + 1.0).ln()
            + u.sin() * u.cos()
            + u.abs().sqrt() / u
            + u.abs().powf(1.3);
        let scale = u.exp().max(1.0) + u.abs().powf(1.3);
        assert!((v[i] - exact).abs() < 1e-14 * scale, "{u}: {} {exact}", v[i]);
        let u = f64::from(x[i]);
        let exact = u.tanh()
            + u.exp() * libm::erf(u)
            + (u.abs() + 1.0).ln()
            + u.sin() * u.cos()
            + u.abs().sqrt() / u;
        assert!((f64::from(y[i]) - exact).abs() < 1e-6 * scale, "{u}: {} {exact}", y[i]);
    }
}

#[test]
fn grid_barrier() {
    for checked in [false, true] {
        let device = device(TRIAL, checked);
        let (n, rounds) = (5 * 64_usize, 7);
        let x: Vec<f32> = (0..2 * n).map(|i| if i < n { i as f32 } else { 0.0 }).collect();
        let (bar, dx) = (device.upload(&[0_u32]), device.upload(&x));
        let arguments = Arguments::new().u64(bar).u64(dx).u32(n as u32).u32(rounds);
        device.run("barrier", [5, 1, 1], [64, 1, 1], 0, arguments, true).unwrap();
        let y: Vec<f32> = device.download(dx + 4 * n as u64, n);
        for (i, y) in y.iter().enumerate() {
            assert_eq!(*y, ((i + rounds as usize) % n) as f32 + rounds as f32);
        }
    }
}

#[test]
fn everything_at_once() {
    for checked in [false, true] {
        let device = device(TRIAL, checked);
        let x: Vec<f32> = (0..8).map(|i| i as f32 * 0.5).collect();
        for n in 0..7_u32 {
            let (dx, y, c) = (device.upload(&x), device.zeros(4 * 64), device.zeros(12));
            // struct P { int n; float s; double z; const float* x; }
            let p = Arguments::new().u32(n).f32(2.0).f64(0.25).u64(dx);
            device.launch("misc", 1, 32, 4 * 32, p.u64(y).u64(c)).unwrap();
            let (y, c): (Vec<f32>, Vec<u32>) = (device.download(y, 64), device.download(c, 3));
            let loc: Vec<f32> = x.iter().map(|x| x * 2.0).collect();
            let first: Vec<f32> = (0..32)
                .map(|t| {
                    let start = loc[((t + 1) % 32 * 7 + n as usize) & 7];
                    (0..n as usize).fold(start, |x, i| x * 1.5 + loc[i])
                })
                .collect();
            let v: Vec<f32> = (0..32).map(|t| first[t] + first[t ^ 3]).collect();
            let v: Vec<f32> = (0..32).map(|t| v[t] + v[(t + 1).min(31)]).collect();
            let count = v.iter().filter(|v| **v > 3.0).count() as u32;
            assert_eq!(c, [count * 32, 31, 5]);
            for t in 0..32 {
                let half = f32::from_bits(v[t].to_bits() >> 16 << 16);
                let base = half + [1.0, 2.0, 3.0, 4.0][(t + 5) % 4] + 0.25;
                let want = match n {
                    0 => base + 1.0,
                    1 => base * 2.0,
                    2 => base - v[t],
                    3 => v[t].exp(),
                    4 => base / 3.0,
                    5 => v[t].sqrt(),
                    _ => base,
                };
                assert!((y[t] - want).abs() <= 1e-6 * want.abs(), "{n} {t}: {} {want}", y[t]);
            }
        }
        let (counter, bytes) = device.module.variable("counter").unwrap();
        assert_eq!((device.download::<f64>(counter, 1)[0], bytes), (2.5 + 7.0 * 32.0, 8));
    }
}

fn philox(mut c: [u32; 4], mut k: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let (a, b) = (0xD251_1F53 * u64::from(c[0]), 0xCD9E_8D57 * u64::from(c[2]));
        let high = |x: u64| (x >> 32) as u32;
        c = [high(b) ^ c[1] ^ k[0], b as u32, high(a) ^ c[3] ^ k[1], a as u32];
        k = [k[0].wrapping_add(0x9E37_79B9), k[1].wrapping_add(0xBB67_AE85)];
    }
    c
}

#[test]
fn random_numbers() {
    let device = device(RANDOM, true);
    let (words, pairs) = (device.zeros(16 * 512), device.zeros(8 * 512));
    let key = |a: Arguments| a.u32(123).u32(456);
    device.launch("words", 4, 128, 0, key(Arguments::new().u64(words))).unwrap();
    device.launch("normals", 4, 128, 0, key(Arguments::new().u64(pairs))).unwrap();
    let words: Vec<[u32; 4]> = device.download(words, 512);
    let pairs: Vec<[f32; 2]> = device.download(pairs, 512);
    for i in 0..512 {
        let exact = philox([i as u32, 0, 7, 9], [123, 456]);
        assert_eq!(words[i], exact);
        let u = ((exact[0] >> 8) as f32).mul_add(0.5_f32.powi(24), 0.5_f32.powi(25));
        let v = f64::from((exact[1] >> 8) as f32 * 0.5_f32.powi(24));
        let r = (-2.0 * f64::from(u).ln()).sqrt();
        let (s, c) = (f64::from(6.283_185_5_f32) * v).sin_cos();
        for (got, want) in pairs[i].into_iter().zip([r * s, r * c]) {
            assert!((f64::from(got) - want).abs() < 3e-6, "{got} {want}");
        }
    }
}

#[test]
fn brain_floats() {
    let device = device(RANDOM, true);
    let x: Vec<f32> = numbers(500, 8).iter().map(|x| (x * 100.0) as f32).collect();
    let (dx, y, z) = (device.upload(&x), device.zeros(1000), device.zeros(2000));
    let arguments = Arguments::new().u64(dx).u64(y).u64(z).u32(500);
    device.launch("brain", 4, 128, 0, arguments).unwrap();
    let (y, z): (Vec<u16>, Vec<f32>) = (device.download(y, 500), device.download(z, 500));
    for (i, x) in x.iter().enumerate() {
        let exact = half::bf16::from_f32(*x);
        assert_eq!((y[i], z[i]), (exact.to_bits(), exact.to_f32()));
    }
}

fn collatz(mut n: u32) -> i32 {
    let mut steps = 0;
    while n > 1 {
        n = if n % 2 == 1 { 3 * n + 1 } else { n / 2 };
        steps += 1;
    }
    steps
}

fn tree(v: i32) -> i32 {
    v + if v > 1 { tree(v / 2) + tree(v / 3) } else { 0 }
}

#[test]
fn control_flow() {
    for checked in [false, true] {
        let device = device(CONTROL, checked);
        let y = device.zeros(4 * 128);
        device.launch("calls", 1, 100, 0, Arguments::new().u64(y)).unwrap();
        let got: Vec<i32> = device.download(y, 100);
        for (t, got) in got.into_iter().enumerate() {
            let t = t as u32;
            assert_eq!(got, if t.is_multiple_of(3) { -collatz(t + 7) } else { collatz(t) });
        }
        let x: Vec<i32> = (0..64).map(|t| t * 5 % 9).collect();
        let (dx, y) = (device.upload(&x), device.zeros(4 * 128));
        device.launch("table", 1, 64, 0, Arguments::new().u64(dx).u64(y)).unwrap();
        let got: Vec<i32> = device.download(y, 128);
        for (t, v) in x.into_iter().enumerate() {
            let (r, mark) = match v {
                0 => (5, 1),
                1 => (7, 7),
                2 => (2 ^ 0x55, 0),
                3 => (3 << 9, 3),
                4 => ((4_i32 * 12345).count_ones() as i32, 0),
                5 => (5 / (t as i32 + 1), 5),
                6 => (6_i32.leading_zeros() as i32, 0),
                _ => (-1, 0),
            };
            assert_eq!((got[t], got[t + 64]), (r, mark));
        }
        let y = device.zeros(4 * 64);
        device.launch("stack", 1, 64, 0, Arguments::new().u64(y)).unwrap();
        let got: Vec<i32> = device.download(y, 64);
        assert_eq!(got, (0..64).map(tree).collect::<Vec<_>>());
    }
}

#[test]
fn collectives() {
    for checked in [false, true] {
        let device = device(CONTROL, checked);
        let y = device.zeros(4 * 16 * 96);
        device.launch("collectives", 1, 96, 0, Arguments::new().u64(y)).unwrap();
        let got: Vec<[u32; 16]> = device.download(y, 96);
        for (t, got) in got.into_iter().enumerate() {
            let (t, lane, base) = (t as u32, t as u32 % 32, t as u32 / 32 * 32);
            let ballot = |f: &dyn Fn(u32) -> bool| {
                (0..32).fold(0_u32, |mask, l| mask | u32::from(f(base + l)) << l)
            };
            assert_eq!(got[0], ballot(&|t| t % 3 == 0));
            assert_eq!(got[1], u32::from(base == 0) * 2 + u32::from(base == 0));
            assert_eq!(got[2], if lane < 3 { t } else { t - 3 });
            assert_eq!(got[3], t ^ 5);
            assert_eq!(got[4], base + lane / 16 * 16 + 9);
            assert_eq!(got[5], ballot(&|other| other / 5 == t / 5));
            assert_eq!(got[6], u32::MAX.wrapping_add(1));
            assert_eq!(got[7], (base..base + 32).sum::<u32>());
            assert_eq!(got[8] as i32, base as i32 - 40);
            let (nine, ten) =
                if lane < 10 { (t ^ 1, 0x3ff) } else { (ballot(&|t| t % 32 > 20), 0) };
            assert_eq!((got[9], got[10]), (nine, ten));
            assert_eq!(got[11], 48 + 1000 + 2000);
        }
    }
}

#[test]
fn atomics() {
    for checked in [false, true] {
        let device = device(CONTROL, checked);
        let mut u = vec![0_u32; 16];
        u[2] = u32::MAX;
        let (u, s) = (device.upload(&u), device.upload(&[0_i32, -1000]));
        let (f, d, w) = (device.zeros(4), device.zeros(8), device.zeros(8));
        let arguments = Arguments::new().u64(u).u64(s).u64(f).u64(d).u64(w);
        let result = device.launch("atomics", 3, 64, 0, arguments);
        if checked {
            // `u[7]` is read plainly while others change it: a race, rightly.
            assert_eq!(result.unwrap_err().kind, softcuda::exec::FaultKind::GlobalRace);
            continue;
        }
        result.unwrap();
        let n = 192_u32;
        let sum = n * (n - 1) / 2;
        let u: Vec<u32> = device.download(u, 11);
        let xor = (0..n).fold(0, |x, t| x ^ t);
        assert_eq!(u, [sum, n - 1, 0, 0xf_ffff, xor, n % 7, 9, 2 * n, 64, 64, 64]);
        assert_eq!(device.download::<i32>(s, 2), [-191, 91]);
        assert_eq!(device.download::<f32>(f, 1), [96.0]);
        assert_eq!(device.download::<f64>(d, 1), [48.0]);
        assert_eq!(device.download::<u64>(w, 1), [(u64::from(n) << 33) + u64::from(sum)]);
    }
}
