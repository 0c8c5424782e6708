//! Journals cut at every byte and with every bit flipped.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::common::faults::value;
use nfd::engine::Trajectory;
use nfd::store::files::Disk;
use nfd::store::journal::{Journal, encode, read_contents, read_value};
use xxhash_rust::xxh3::xxh3_64;

const KEYS: [u128; 3] = [7, u128::MAX - 3, 1 << 77];

fn record(path: &Path, i: usize) -> Vec<u8> {
    encode(path, KEYS[i], &value(i)).unwrap()
}

fn reopen(path: &Path) -> (Journal, Vec<String>) {
    Journal::open(Arc::new(Disk), path).unwrap()
}

/// Which of the three records the journal has; their values must be right.
fn there(path: &Path, journal: &Journal) -> Vec<usize> {
    let has = |&i: &usize| {
        let Some(place) = journal.find(KEYS[i]) else { return false };
        assert_eq!(read_value::<Trajectory>(path, KEYS[i], place).unwrap(), value(i));
        true
    };
    (0..3).filter(has).collect()
}

/// A journal of three records; its bytes and where each ends.
fn three(path: &Path) -> (Vec<u8>, Vec<usize>) {
    let (mut journal, messages) = reopen(path);
    assert!(messages.is_empty());
    let mut ends = vec![0];
    for (i, key) in KEYS.into_iter().enumerate() {
        journal.append(key, &record(path, i)).unwrap();
        ends.push(fs::metadata(path).unwrap().len() as usize);
    }
    assert_eq!(there(path, &journal), [0, 1, 2]);
    drop(journal);
    assert_eq!(there(path, &reopen(path).0), [0, 1, 2]);
    (fs::read(path).unwrap(), ends)
}

#[test]
fn a_journal_cut_at_any_byte_keeps_its_whole_records() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let (bytes, ends) = three(&path);
    for cut in 0..=bytes.len() {
        fs::write(&path, &bytes[..cut]).unwrap();
        let whole: Vec<usize> = (0..3).filter(|&i| ends[i + 1] <= cut).collect();
        let (mut journal, messages) = reopen(&path);
        assert_eq!(there(&path, &journal), whole, "cut at {cut}");
        if ends.contains(&cut) {
            assert!(messages.is_empty(), "cut at {cut}: {messages:?}");
        } else {
            assert_eq!(messages.len(), 1, "cut at {cut}: {messages:?}");
            assert!(
                messages[0].contains("torn") && messages[0].contains("journal"),
                "{messages:?}"
            );
        }
        // The redone tasks come behind what was kept, and nothing is left to complain about.
        for (i, key) in KEYS.into_iter().enumerate().filter(|(i, _)| !whole.contains(i)) {
            journal.append(key, &record(&path, i)).unwrap();
        }
        drop(journal);
        let (journal, messages) = reopen(&path);
        assert_eq!((there(&path, &journal), messages), (vec![0, 1, 2], vec![]), "cut at {cut}");
        assert_eq!(fs::read(&path).unwrap(), bytes, "cut at {cut}");
    }
}

#[test]
fn a_flipped_bit_costs_one_record_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let (bytes, ends) = three(&path);
    for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << bit;
        fs::write(&path, &flipped).unwrap();
        let hit = (0..3).find(|&i| at < ends[i + 1]).unwrap();
        let others: Vec<usize> = (0..3).filter(|&i| i != hit).collect();
        let (mut journal, messages) = reopen(&path);
        assert_eq!(there(&path, &journal), others, "bit {bit} of byte {at}");
        let named = match hit {
            2 => format!("from byte {}", ends[2]),
            _ => format!("record {} (bytes {} to {})", hit + 1, ends[hit], ends[hit + 1]),
        };
        assert!(messages.len() == 1 && messages[0].contains(&named), "{named}: {messages:?}");
        assert!(messages[0].contains(&path.display().to_string()));
        journal.append(KEYS[hit], &record(&path, hit)).unwrap();
        assert_eq!(there(&path, &journal), [0, 1, 2]);
        drop(journal);
        assert_eq!(there(&path, &reopen(&path).0), [0, 1, 2], "bit {bit} of byte {at}");
    }
}

#[test]
fn what_changes_after_opening_is_noticed_when_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let (mut bytes, ends) = three(&path);
    let (journal, _) = reopen(&path);
    bytes[ends[2] - 1] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let place = journal.find(KEYS[1]).unwrap();
    let error = read_value::<Trajectory>(&path, KEYS[1], place).unwrap_err().to_string();
    assert!(error.contains(&format!("byte {}", ends[1])), "{error}");
    assert!(read_value::<Trajectory>(&path, KEYS[0], journal.find(KEYS[0]).unwrap()).is_ok());
}

#[test]
fn later_records_win_and_other_formats_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let (mut bytes, _) = three(&path);
    let mut again = encode(&path, KEYS[0], &value(2)).unwrap();
    bytes.extend(&again);
    fs::write(&path, &bytes).unwrap();
    let (journal, _) = reopen(&path);
    let place = journal.find(KEYS[0]).unwrap();
    assert_eq!(read_value::<Trajectory>(&path, KEYS[0], place).unwrap(), value(2));

    again[8] = 9; // the version; the checksum is over all that follows the marker but itself
    let covered = [&again[8..20], &again[28..]].concat();
    again[20..28].copy_from_slice(&xxh3_64(&covered).to_le_bytes());
    bytes.extend(&again);
    fs::write(&path, &bytes).unwrap();
    let error = read_contents(&path).unwrap_err().to_string();
    assert!(error.contains("record 5 has format 9, this program reads 5"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
}
