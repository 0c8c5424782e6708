//! What is counted of planted kernels, whose counts are known by hand.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{Arguments, Device, compile};
use softcuda::counters::{Counts, Launch};

const SOURCE: &str = include_str!("../kernels/planted.cu");
const STORED: &str = include_str!("../kernels/planted.ptx");

/// One warp of a planted kernel, with 1 KB of numbers to write and, where `reads`, to read; in a thread of its
/// own, whose L2 is empty.
fn planted(kernel: &str, reads: bool) -> Launch {
    let run = || {
        let compiled = compile(SOURCE, "planted.cu");
        let device = Device::new(compiled.as_deref().unwrap_or(STORED), false);
        let out = Arguments::new().u64(device.zeros(1024));
        let arguments = if reads { out.u64(device.zeros(1024)) } else { out };
        device.count(kernel, 1, 32, arguments)
    };
    std::thread::scope(|scope| scope.spawn(run).join().unwrap())
}

/// Wavefronts of stores and of loads of shared memory, all without conflicts, and arrivals at barriers.
fn shared(kernel: &str) -> [u64; 4] {
    let total = planted(kernel, false).total();
    let Counts { shared_load_wavefronts, shared_store_wavefronts, .. } = total;
    [shared_store_wavefronts, shared_load_wavefronts, total.shared_ideal, total.barriers]
}

#[test]
fn banks_are_counted() {
    // A store and a load of 32 words each: in one bank, in 32, and of one word.
    assert_eq!(shared("conflict"), [32, 32, 2, 1]);
    assert_eq!(shared("padded"), [1, 1, 2, 1]);
    assert_eq!(shared("broadcast"), [1, 1, 2, 1]);
    // Eight words.
    assert_eq!(shared("bytes"), [1, 1, 2, 1]);
    // 512 bytes are four wavefronts.
    assert_eq!(shared("vector"), [4, 4, 8, 1]);
    // Eight lanes at a time, whose 16 bytes lie in the same banks.
    assert_eq!(shared("columns"), [4 + 4, 4 * 8, 8 + 4, 1]);
}

/// Loads, their sectors, wavefronts of loads and stores, sectors of L2 and of DRAM, of loads and stores.
fn global(kernel: &str) -> [u64; 5] {
    let Counts { loads, load_sectors, wavefronts, l2_sectors, dram_sectors, .. } =
        planted(kernel, true).total();
    [loads, load_sectors, wavefronts, l2_sectors, dram_sectors]
}

#[test]
fn sectors_and_levels_are_counted() {
    // 32 lanes a sector each are 8 lines; the store of 128 bytes is one line of 4 sectors.
    assert_eq!(global("stride"), [1, 32, 8 + 1, 32 + 4, 32 + 4]);
    // Three reads of 128 bytes: the first is asked of L2 and DRAM.
    assert_eq!(global("again"), [3, 12, 3 + 1, 4 + 4, 4 + 4]);
    // After a fence, of L2 again; and at once where others may have to see it.
    assert_eq!(global("fenced"), [2, 8, 2 + 1, 8 + 4, 4 + 4]);
    assert_eq!(global("strong"), [2, 8, 2 + 1, 8 + 4, 4 + 4]);
}

#[test]
fn an_asynchronous_copy_is_a_load_and_a_store() {
    // 512 bytes are 16 sectors, 4 lines and 4 wavefronts of banks; they are read back 4 bytes of each 16.
    assert_eq!(global("copied"), [1, 16, 4 + 1, 16 + 4, 16 + 4]);
    let total = planted("copied", true).total();
    let Counts { shared_load_wavefronts, shared_store_wavefronts, .. } = total;
    assert_eq!([shared_store_wavefronts, shared_load_wavefronts], [4, 4]);
}

#[test]
fn exchanges_fences_and_atomics_are_counted_by_line() {
    let launch = planted("reduced", false);
    let total = launch.total();
    assert_eq!((total.shuffles, total.atomics, total.store_sectors), (5, 1, 1));
    assert_eq!(planted("fenced", true).total().fences, 1);
    // The reduction is on one line of the source, the sum of all lines is the kernel.
    let line = SOURCE.lines().position(|line| line.contains("__shfl_xor_sync")).unwrap() + 1;
    let ends = format!("planted.cu:{line}");
    let of_line: u64 = (launch.lines.iter().filter(|(at, _)| at.ends_with(&ends)))
        .map(|(_, counts)| counts.shuffles)
        .sum();
    assert_eq!(of_line, 5, "{:?}", launch.lines.keys());
}

#[test]
fn products_of_matrices_are_counted() {
    let total = planted("multiplied", false).total();
    assert_eq!((total.matrix_products, total.shuffles), (2, 0));
    assert_eq!(planted("reduced", false).total().matrix_products, 0);
}

/// A row for the kernel and one for each of its lines, with the header once.
#[test]
fn launches_are_written_as_csv() {
    let launch = planted("stride", true);
    let file = std::env::temp_dir().join(format!("softcuda-count-{}.csv", std::process::id()));
    let _ = std::fs::remove_file(&file);
    (0..2).for_each(|_| launch.append_to(&file).unwrap());
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert!(rows.iter().all(|row| row.len() == rows[0].len() && row.len() == 21), "{text}");
    let of_kernel: Vec<_> =
        rows.iter().filter(|row| row[0] == "stride" && row[4].is_empty()).collect();
    assert_eq!(of_kernel.len(), 2);
    let column = |name: &str| rows[0].iter().position(|column| *column == name).unwrap();
    assert_eq!(of_kernel[0][column("load_sectors")], "32");
    let lines = rows.iter().skip(2).take_while(|row| !row[4].is_empty());
    let sum: u64 = lines.map(|row| row[column("instructions")].parse::<u64>().unwrap()).sum();
    assert!(sum > 0 && sum <= launch.total().instructions);
}
