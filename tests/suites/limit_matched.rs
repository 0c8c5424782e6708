//! Noise with exact moments ([`nfd::backend::cpu::conditional::matched`]).

use std::sync::Arc;

use crate::common::{samples, sphere};
use nfd::backend::cpu::conditional::matched::{Drawn, MatchedColumns, MatchedNoise};
use nfd::data::Samples;
use nfd::rng::noise::{BrownianPath, Direction, Entry, Noise, Purpose, Query};
use nfd::rng::normal::Instructions;

const KEY: u64 = 1 << 63 | 5;
const DEPTH: u32 = 4;
const STEPS: u32 = 1;

fn answer(step: u32, direction: Direction, layer: u32, sample: u32) -> Entry {
    Entry::Answer { query: Query { purpose: Purpose::Answer, step, direction }, layer, sample }
}

/// All answers that training draws on a grid of `depth` layers, but those of the last backward pass.
fn answers(train: &Samples, depth: u32) -> Vec<Entry> {
    use Direction::{Backward, Forward};
    [(0, Forward), (0, Backward), (1, Forward)]
        .into_iter()
        .flat_map(|(step, direction)| {
            (1..=depth).flat_map(move |layer| (0..).map(move |p| answer(step, direction, layer, p)).take(2))
        })
        .filter(|entry| matches!(entry, Entry::Answer { sample, .. } if (*sample as usize) < train.len()))
        .collect()
}

fn matched(train: &Samples, rows: (usize, usize)) -> Option<Arc<MatchedColumns>> {
    let drawn = Drawn { train, steps: STEPS, depth: DEPTH as usize };
    let path = BrownianPath::new(KEY, DEPTH, DEPTH);
    MatchedColumns::new(Instructions::detect(), &drawn, &path, rows).map(Arc::new)
}

/// A column as a network of `depth` layers and `rows` rows reads it.
fn column(columns: &Arc<MatchedColumns>, depth: u32, entry: Entry, rows: usize) -> Vec<f64> {
    let noise = MatchedNoise::new(columns.clone(), BrownianPath::new(KEY, DEPTH, depth));
    let mut out = vec![0.0; rows];
    noise.fill(entry, 0, &mut out);
    out
}

/// U x/√d of every sample.
fn inputs(train: &Samples, of: &dyn Fn(Entry) -> Vec<f64>) -> Vec<Vec<f64>> {
    let d = train.dimension;
    let coordinates: Vec<Vec<f64>> =
        (0..d as u32).map(|coordinate| of(Entry::Input { coordinate })).collect();
    let along = |x: &[f64]| -> Vec<f64> {
        (0..coordinates[0].len())
            .map(|row| (0..d).map(|i| coordinates[i][row] * x[i]).sum::<f64>() / (d as f64).sqrt())
            .collect()
    };
    train.inputs.chunks(d).map(along).collect()
}

fn mean_product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / a.len() as f64
}

/// By how much means and second moments miss those of infinite width: 0 and S of h_0, 0 and 1 of V and of
/// all answers, and none between them.
fn worst_moment(train: &Samples, of: &dyn Fn(Entry) -> Vec<f64>) -> f64 {
    let features = inputs(train, of);
    let count = features.len();
    let mut all = features;
    all.push(of(Entry::Readout { output: 0 }));
    all.extend(answers(train, DEPTH).into_iter().map(of));
    let ones = vec![1.0; all[0].len()];
    let mut worst = 0.0_f64;
    for (i, a) in all.iter().enumerate() {
        worst = worst.max(mean_product(a, &ones).abs());
        for (j, b) in all.iter().enumerate() {
            let x = |p: usize| &train.inputs[p * train.dimension..(p + 1) * train.dimension];
            let wanted = match (i < count, j < count) {
                (true, true) => mean_product(x(i), x(j)),
                (false, false) if i == j => 1.0,
                _ => 0.0,
            };
            let off = (mean_product(a, b) - wanted).abs();
            assert!(off.is_finite());
            worst = worst.max(off);
        }
    }
    worst
}

/// Moments are exact: sums of a few hundred to a thousand products of numbers in f32 are known to 1e-5. Of
/// independent columns the worst of 400 would miss by 0.1. So are those of rows by themselves, of as many
/// inputs as there are dimensions, and of inputs that are multiples of one another.
#[test]
fn moments_are_those_of_infinite_width() {
    let along_a_line =
        samples(&[vec![1.0, 2.0, -1.0], vec![-2.0, -4.0, 2.0]], &[vec![1.0], vec![1.0]]);
    let narrow = samples(&[vec![1.5]], &[vec![1.0]]);
    for (train, name) in [(sphere(2, 6, 1), "sphere"), (along_a_line, "line"), (narrow, "narrow")] {
        for rows in [(0, 1024), (0, 512), (512, 512), (768, 256), (0, 1040)] {
            let columns = matched(&train, rows).unwrap();
            let worst = worst_moment(&train, &|entry| column(&columns, DEPTH, entry, rows.1));
            assert!(worst < 1e-4, "{name}, {rows:?}: {worst}");
            let path = BrownianPath::new(KEY, DEPTH, DEPTH);
            let plain = worst_moment(&train, &|entry| {
                let mut out = vec![0.0; rows.1];
                path.fill(entry, rows.0, &mut out);
                out
            });
            assert!(plain > 0.03, "{name}, {rows:?}: {plain}");
        }
    }
}

/// Columns are changed little, by O(n^{-1/2}) of themselves: the root mean square over rows of what is
/// changed is about √(columns before it/n), and of no column 1.7 times that of the last: a sum of 27 squares is 2.9
/// times its mean once in a million. Nothing that a run draws but once and does not keep is
/// changed: the last backward pass, tests.
#[test]
fn columns_stay_near_the_noise_that_they_are_of() {
    let train = sphere(2, 6, 1);
    let (first, n) = (512, 1024);
    let columns = matched(&train, (first, n)).unwrap();
    let plain = |depth: u32, entry: Entry| {
        let mut out = vec![0.0; n];
        BrownianPath::new(KEY, DEPTH, depth).fill(entry, first, &mut out);
        out
    };
    let apart = |entry: Entry| {
        let pairs = column(&columns, DEPTH, entry, n).into_iter().zip(plain(DEPTH, entry));
        (pairs.map(|(a, b)| (a - b).powi(2)).sum::<f64>() / n as f64).sqrt()
    };
    let count = (4 + answers(&train, DEPTH).len()) as f64;
    let moved: Vec<f64> = answers(&train, DEPTH).into_iter().map(apart).collect();
    let most = moved.iter().copied().fold(0.0, f64::max);
    assert!(most <= 1.7 * (count / n as f64).sqrt(), "{most}");
    assert!(moved.iter().all(|moved| *moved > 0.0), "{moved:?}");
    for depth in [DEPTH, DEPTH / 2] {
        for step in [STEPS, STEPS + 1] {
            let last = answer(step, Direction::Backward, 1, 1);
            let pairs = column(&columns, depth, last, n).into_iter().zip(plain(depth, last));
            assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-6), "{last:?}");
        }
        let query = Query { purpose: Purpose::TestAnswer, step: 0, direction: Direction::Forward };
        let test = Entry::Answer { query, layer: 1, sample: 0 };
        let pairs = column(&columns, depth, test, n).into_iter().zip(plain(depth, test));
        assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-6));
    }
}

/// A network of half the depth reads (fine + next)/√2 of the same columns, and V and U as they are; rows
/// from anywhere are those rows.
#[test]
fn coarse_networks_read_sums_of_the_fine() {
    let train = sphere(2, 6, 1);
    let n = 1040;
    let columns = matched(&train, (0, n)).unwrap();
    let near = |a: &[f64], b: &[f64]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6)
    };
    for coarse in [DEPTH / 2, DEPTH / 4] {
        let fine = DEPTH / coarse;
        for entry in answers(&train, coarse) {
            let Entry::Answer { query, layer, sample } = entry else { unreachable!() };
            let mut sum = vec![0.0; n];
            for layer in (layer - 1) * fine + 1..=layer * fine {
                let entry = Entry::Answer { query, layer, sample };
                let own = column(&columns, DEPTH, entry, n);
                sum.iter_mut().zip(own).for_each(|(sum, own)| *sum += own / f64::from(fine).sqrt());
            }
            assert!(near(&column(&columns, coarse, entry, n), &sum), "{entry:?}");
        }
        for entry in [Entry::Readout { output: 0 }, Entry::Input { coordinate: 3 }] {
            let (a, b) = (column(&columns, coarse, entry, n), column(&columns, DEPTH, entry, n));
            assert!(near(&a, &b), "{entry:?}");
        }
    }
    let entry = answer(1, Direction::Forward, 2, 1);
    let whole = column(&columns, DEPTH, entry, n);
    let noise = MatchedNoise::new(columns, BrownianPath::new(KEY, DEPTH, DEPTH));
    let mut some = vec![0.0; 300];
    noise.fill(entry, 512, &mut some);
    assert!(near(&some, &whole[512..812]));
}

/// As many rows as columns, or fewer, cannot have all moments: there are none then, rather than wrong
/// ones.
#[test]
fn too_few_rows_have_no_matched_columns() {
    let train = sphere(2, 6, 1);
    let drawn = Drawn { train: &train, steps: STEPS, depth: DEPTH as usize };
    assert_eq!(drawn.columns(), 4 + answers(&train, DEPTH).len());
    assert!(matched(&train, (0, 16)).is_none());
    assert!(matched(&train, (0, 64)).is_some());
}

/// Engines ask for rows in pieces: whatever their length, the rows are those of the whole column, and no
/// row is another's.
#[test]
fn rows_are_the_same_in_pieces_of_any_length() {
    const ROWS: usize = 1536;
    let train = sphere(2, 6, 1);
    let columns = matched(&train, (0, ROWS)).unwrap();
    let noise = MatchedNoise::new(columns, BrownianPath::new(KEY, DEPTH, DEPTH));
    let of = |entry, piece: usize| {
        let mut rows = vec![0.0_f32; ROWS];
        for (i, out) in rows.chunks_mut(piece).enumerate() {
            noise.fill_f32(entry, i * piece, out);
        }
        rows
    };
    let fresh = answer(1, Direction::Forward, 3, train.indices[1]);
    for entry in [fresh, Entry::Readout { output: 0 }, Entry::Input { coordinate: 2 }] {
        let whole = of(entry, ROWS);
        for piece in [4, 64, 100, 512, 768] {
            assert_eq!(of(entry, piece), whole, "{entry:?} in pieces of {piece}");
        }
        let mut sorted = whole.clone();
        sorted.sort_unstable_by(f32::total_cmp);
        sorted.dedup();
        // Of 1536 normals in f32 a few may be the same by chance.
        assert!(sorted.len() > ROWS - 10, "{entry:?}: {} different rows", sorted.len());
    }
}
