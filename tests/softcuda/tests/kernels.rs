//! Kernels as NVRTC compiles them, against the same numbers computed here.

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

fn device(source: &str, checked: bool) -> Option<Device> {
    let ptx = compile(source, "kernel.cu")?;
    Some(Device::new(&ptx, checked))
}

const GEMM: &str = include_str!("../kernels/gemm.cu");
const TRIAL: &str = include_str!("../kernels/trial.cu");

#[test]
fn products() {
    for checked in [false, true] {
        let Some(device) = device(GEMM, checked) else { return };
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

#[test]
fn speed() {
    let Some(mut device) = device(GEMM, false) else { return };
    device.options.threads = 1;
    device.options.watchdog = u64::MAX;
    let (n, k) = (256_usize, 256_usize);
    let (a, b): (Vec<f32>, Vec<f32>) = (
        numbers(n * k, 1).iter().map(|x| *x as f32).collect(),
        numbers(n * k, 2).iter().map(|x| *x as f32).collect(),
    );
    let (da, db, dc) = (device.upload(&a), device.upload(&b), device.zeros((n * n * 4) as u64));
    let arguments = Arguments::new().u64(da).u64(db).u64(dc).u32(n as u32).u32(k as u32);
    let start = Instant::now();
    device.run("micro", [4, 4, 1], [256, 1, 1], 0, arguments, false).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    println!("{:.0} million fma lanes a second", (n * n * k) as f64 / seconds / 1e6);
    let c: Vec<f32> = device.download(dc, n * n);
    for (i, c) in c.iter().enumerate() {
        let exact = (0..k).fold(0.0_f32, |s, l| a[i / n * k + l].mul_add(b[l * n + i % n], s));
        assert_eq!(*c, exact);
    }
}

#[test]
fn reduction() {
    for checked in [false, true] {
        let Some(device) = device(GEMM, checked) else { return };
        let x: Vec<f32> = (0..5000).map(|i| (i % 17) as f32).collect();
        let (dx, dy) = (device.upload(&x), device.upload(&[0.0_f32]));
        let arguments = Arguments::new().u64(dx).u64(dy).u32(x.len() as u32);
        device.launch("reduce", 3, 256, 32, arguments).unwrap();
        assert_eq!(device.download::<f32>(dy, 1)[0], x.iter().sum::<f32>());
    }
}

#[test]
fn functions() {
    let Some(device) = device(TRIAL, true) else { return };
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
        let Some(device) = device(TRIAL, checked) else { return };
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
