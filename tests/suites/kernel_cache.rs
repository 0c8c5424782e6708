//! The cache of kernels that were compiled at run time, as a folder of files: what it gives back, and what
//! it does not trust.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nfd::backend::cuda::device::cache::{Cache, Content, key};
use nfd::backend::cuda::device::compiler::targets;
use nfd::backend::cuda::device::nvrtc::{Program, Target};

/// The files of a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

/// A cache with the image "abc" under key 5, and its file.
fn with_entry(folder: &Path) -> (Cache, PathBuf) {
    let cache = Cache::at(&folder.join("of/kernels"));
    cache.put(5, b"abc").unwrap();
    let [file] = &files(cache.folder().unwrap())[..] else { panic!("one file") };
    (cache.clone(), file.clone())
}

#[test]
fn what_was_kept_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(&folder.path().join("later"));
    assert_eq!(cache.content().unwrap(), Content::default());
    let large: Vec<u8> = (0..1 << 20).map(|i: u32| (i.wrapping_mul(i) >> 7) as u8).collect();
    for (key, image) in [(0, &b""[..]), (1, b"\0"), (u128::MAX, &large)] {
        assert_eq!(cache.get(key), None);
        cache.put(key, image).unwrap();
        assert!(cache.get(key).unwrap() == image, "{key}");
    }
    cache.put(1, b"another").unwrap();
    assert_eq!(cache.get(1).unwrap(), b"another");
    assert_eq!(cache.check().unwrap().entries, 3);
    assert_eq!(files(cache.folder().unwrap()).len(), 3);
}

#[test]
fn a_key_knows_everything_that_an_image_depends_on() {
    let headers = [("a.cuh", "one"), ("b.cuh", "two")];
    let program = Program { name: "x.cu", source: "text", headers: &headers };
    let changed = [("a.cuh", "one"), ("b.cuh", "Two")];
    let shifted = [("a.cuh", "oneb.cuh"), ("", "two")];
    let keys = [
        key(program, Target::Code(90), (12, 9)),
        key(program, Target::Code(80), (12, 9)),
        key(program, Target::Ptx(90), (12, 9)),
        key(program, Target::Code(90), (12, 8)),
        key(program, Target::Code(90), (13, 9)),
        key(Program { source: "text ", ..program }, Target::Code(90), (12, 9)),
        key(Program { name: "y.cu", ..program }, Target::Code(90), (12, 9)),
        key(Program { headers: &changed, ..program }, Target::Code(90), (12, 9)),
        key(Program { headers: &shifted, ..program }, Target::Code(90), (12, 9)),
    ];
    for (i, key) in keys.iter().enumerate() {
        assert!(!keys[..i].contains(key), "{i}");
    }
    assert_eq!(keys[0], key(program, Target::Code(90), (12, 9)));
}

#[test]
fn damaged_entries_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let (cache, file) = with_entry(folder.path());
    let sound = fs::read(&file).unwrap();
    for length in 0..sound.len() {
        fs::write(&file, &sound[..length]).unwrap();
        assert_eq!(cache.get(5), None, "cut to {length} bytes");
    }
    fs::write(&file, [&sound[..], b"\0"].concat()).unwrap();
    assert_eq!(cache.get(5), None, "a byte too many");
    for bit in 0..8 * sound.len() {
        let mut flipped = sound.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&file, flipped).unwrap();
        assert_eq!(cache.get(5), None, "bit {bit}");
    }
    cache.put(5, b"abc").unwrap();
    assert_eq!((cache.get(5).unwrap(), fs::read(&file).unwrap()), (b"abc".to_vec(), sound));
    // A whole entry of another image.
    cache.put(6, b"def").unwrap();
    let other = files(file.parent().unwrap()).into_iter().find(|path| *path != file).unwrap();
    fs::rename(other, &file).unwrap();
    assert_eq!(cache.get(5), None, "an entry under another name");
}

#[test]
fn what_is_not_used_goes_first() {
    let folder = tempfile::tempdir().unwrap();
    let (cache, file) = with_entry(folder.path());
    let age = |path: &Path, hours: u64| {
        let then = SystemTime::now() - Duration::from_secs(3600 * hours);
        fs::File::open(path).unwrap().set_modified(then).unwrap();
    };
    for key in 100..163 {
        cache.put(key, b"more").unwrap();
    }
    let (left, recent) = (file.with_file_name(".x.tmp"), file.with_file_name(".y.tmp"));
    let foreign = file.with_file_name("notes.txt");
    for path in [&left, &recent, &foreign] {
        fs::write(path, "").unwrap();
    }
    for path in files(file.parent().unwrap()) {
        if path != recent {
            age(&path, 2);
        }
    }
    age(&file, 3);
    assert_eq!(cache.content().unwrap().entries, 64);
    assert!(cache.get(5).is_some());
    cache.put(200, b"one too many").unwrap();
    assert_eq!(cache.content().unwrap().entries, 64);
    assert!(cache.get(5).is_some() && cache.get(200).is_some(), "used, and new");
    assert!(!left.exists() && recent.exists() && foreign.exists(), "what others left");
}

#[test]
fn a_folder_that_cannot_be_used_is_no_cache() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "in the way").unwrap();
    for path in [file.clone(), file.join("below")] {
        let cache = Cache::at(&path);
        assert!(cache.put(1, b"x").is_err() && cache.check().is_err(), "{}", path.display());
        assert_eq!(cache.get(1), None);
    }
    assert_eq!(fs::read(&file).unwrap(), b"in the way");
}

/// Eight threads write and read one key at once: nobody ever gets anything but an image that was put.
#[test]
fn entries_appear_whole() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path());
    std::thread::scope(|scope| {
        for thread in 0..8_u8 {
            let cache = &cache;
            scope.spawn(move || {
                for round in 0..50 {
                    let image = vec![thread; 1000 + 5000 * usize::from(thread) + round];
                    cache.put(1, &image).unwrap();
                    let found = cache.get(1).unwrap();
                    assert!(found.iter().all(|byte| *byte == found[0]) && found.len() >= 1000);
                }
            });
        }
    });
    assert_eq!(files(folder.path()).len(), 1);
}

#[test]
fn a_device_gets_the_newest_that_its_compiler_knows() {
    let known = [80, 86, 90, 100, 120];
    for (capability, expected) in [
        ((9, 0), vec![Target::Code(90), Target::Ptx(90)]),
        ((8, 9), vec![Target::Code(86), Target::Ptx(86)]),
        ((10, 3), vec![Target::Code(100), Target::Ptx(100)]),
        ((13, 0), vec![Target::Ptx(120)]),
    ] {
        assert_eq!(targets(&known, capability), Some(expected), "{capability:?}");
    }
    assert_eq!(targets(&known, (7, 5)), None);
    assert_eq!(targets(&[], (9, 0)), None);
}
