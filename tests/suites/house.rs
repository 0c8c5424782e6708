//! How the sources are kept: imports go down the list of rooms in src/lib.rs, files stay short, public doc
//! comments can be read alone, and nothing names a place on somebody's machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// All files below `folder` of the repository, but what is built or not ours.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(ROOT).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            // Only at the root: kernels/shared is ours.
            let built =
                folder == Path::new(ROOT) && ["target", "runs", "shared"].contains(&name.as_str());
            if built || (name.starts_with('.') && name != ".ci") {
                continue;
            }
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

fn shown(path: &Path) -> String {
    path.strip_prefix(ROOT).unwrap().to_string_lossy().into_owned()
}

/// The source without comments.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n").collect()
}

/// The paths in `tree`, a use declaration behind `use `, with its braces multiplied out.
fn paths(tree: &str) -> Vec<String> {
    let Some(open) = tree.find('{') else { return vec![tree.trim().to_owned()] };
    let (prefix, inner) = (&tree[..open], &tree[open + 1..tree.rfind('}').unwrap_or(tree.len())]);
    let (mut depth, mut begin, mut parts) = (0, 0, Vec::new());
    for (at, letter) in inner.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inner[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[begin..]);
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(|part| paths(part)).map(|path| format!("{}{path}", prefix.trim())).collect()
}

/// All paths of the crate that a source of module `module` names, from the root: those that begin with
/// `crate` or `super`, in use declarations and elsewhere.
fn imports(text: &str, module: &[String]) -> BTreeSet<Vec<String>> {
    let code = code(text);
    let mut found = BTreeSet::new();
    let mut add = |path: &str, nested: usize| {
        let mut parts = path.split("::").map(str::trim).peekable();
        let mut absolute = match parts.peek() {
            Some(&"crate") => Vec::new(),
            Some(&"super") => {
                let mut here = module.to_vec();
                here.extend(vec![String::new(); nested]);
                here
            }
            _ => return,
        };
        for part in parts {
            match part {
                "crate" => {}
                "super" => drop(absolute.pop()),
                "self" => break,
                part => {
                    let name: String =
                        part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                    absolute.push(name);
                }
            }
        }
        found.insert(absolute);
    };
    // Of modules in a file there is one level, which rustfmt begins and ends at the margin.
    let mut nested = 0;
    let mut declaration = String::new();
    for line in code.lines() {
        let trimmed = line.trim();
        if line.starts_with("mod ") && line.ends_with('{') {
            nested = 1;
        } else if line == "}" {
            nested = 0;
        }
        let begins = ["use ", "pub use ", "pub(crate) use ", "pub(super) use "];
        let behind = begins.iter().find_map(|begin| trimmed.strip_prefix(begin));
        if !declaration.is_empty() {
            declaration.push_str(trimmed);
        } else if let Some(behind) = behind {
            declaration.push_str(behind);
        } else {
            for start in ["crate::", "super::"] {
                let mut from = 0;
                while let Some(at) = line[from..].find(start).map(|at| from + at) {
                    let alone = !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
                    let inside = line[..at].ends_with("::");
                    let path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
                    let end = line[at..].find(|c| !path(c)).map_or(line.len(), |end| at + end);
                    if alone && !inside {
                        add(&line[at..end], nested);
                    }
                    from = end;
                }
            }
        }
        if declaration.ends_with(';') {
            for path in paths(declaration.trim_end_matches(';')) {
                add(&path, nested);
            }
            declaration.clear();
        }
    }
    found
}

/// Where a file of src/ is among the modules, from the root: room, then module by module.
fn module(path: &Path) -> Vec<String> {
    let inside = path.strip_prefix(Path::new(ROOT).join("src")).unwrap().with_extension("");
    let mut parts: Vec<String> =
        inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    parts.pop_if(|last| last == "mod");
    parts
}

/// The rooms in the order of the list in src/lib.rs, topmost first.
fn rooms() -> Vec<String> {
    let text = fs::read_to_string(Path::new(ROOT).join("src/lib.rs")).unwrap();
    let (_, list) = text.split_once("Imports go down this list only").unwrap();
    let names = list.lines().filter_map(|line| line.strip_prefix("//! * "));
    let name = |line: &str| line.split('`').nth(1).unwrap().to_owned();
    names.map(name).collect()
}

fn sources() -> Vec<(PathBuf, String)> {
    let paths = files("src").into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs"));
    let roots = ["lib.rs", "main.rs"];
    let paths = paths.filter(|path| !roots.iter().any(|r| shown(path) == format!("src/{r}")));
    paths.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn every_room_is_on_the_list() {
    let listed: BTreeSet<String> = rooms().into_iter().collect();
    let there: BTreeSet<String> =
        sources().iter().map(|(path, _)| module(path)[0].clone()).collect();
    assert_eq!(listed, there, "the list in src/lib.rs and the rooms in src/");
}

#[test]
fn imports_go_down_the_list() {
    let rooms = rooms();
    let floor = |room: &str| rooms.iter().position(|other| other == room);
    let mut upward = String::new();
    for (path, text) in sources() {
        let own = module(&path);
        for import in imports(&text, &own) {
            let Some(room) = import.first() else { continue };
            // A macro or a type at the root is of no room.
            let (Some(from), Some(to)) = (floor(&own[0]), floor(room)) else { continue };
            if to < from {
                writeln!(upward, "{} imports {}", shown(&path), import.join("::")).unwrap();
            }
        }
    }
    assert!(upward.is_empty(), "imports go down the list in src/lib.rs only:\n{upward}");
}

/// Backends stand beside each other, on what they share: a change to one is none to another.
#[test]
fn no_backend_imports_another() {
    const BACKENDS: [&str; 3] = ["plain", "cpu", "cuda"];
    let (mut sideways, mut seen) = (String::new(), BTreeSet::new());
    for (path, text) in sources() {
        let own = module(&path);
        let of = |module: &[String]| match module {
            [room, backend, ..] if room == "backend" => {
                BACKENDS.into_iter().find(|known| known == backend)
            }
            _ => None,
        };
        let Some(from) = of(&own) else { continue };
        seen.insert(from);
        for import in imports(&text, &own) {
            if of(&import).is_some_and(|to| to != from) {
                writeln!(sideways, "{} imports {}", shown(&path), import.join("::")).unwrap();
            }
        }
    }
    assert_eq!(seen, BTreeSet::from(BACKENDS));
    assert!(sideways.is_empty(), "what backends share stands in src/backend itself:\n{sideways}");
}

/// Siblings are the files and folders of one room or folder. What they take from its mod.rs is no circle.
#[test]
fn no_siblings_import_each_other_in_a_circle() {
    let sources = sources();
    let modules: BTreeSet<Vec<String>> = sources.iter().map(|(path, _)| module(path)).collect();
    let mut edges: BTreeMap<Vec<String>, BTreeSet<Vec<String>>> = BTreeMap::new();
    for (path, text) in &sources {
        let own = module(path);
        for import in imports(text, &own) {
            // The first level at which the two part, where there is a module on both sides.
            let Some(at) = (0..own.len().min(import.len())).find(|&i| own[i] != import[i]) else {
                continue;
            };
            let (from, to) = (own[..=at].to_vec(), import[..=at].to_vec());
            let is_module = |path: &[String]| modules.iter().any(|module| module.starts_with(path));
            if is_module(&to) {
                edges.entry(from).or_default().insert(to);
            }
        }
    }
    let mut circles = String::new();
    for start in edges.keys() {
        let mut left = vec![vec![start.clone()]];
        let mut seen = BTreeSet::new();
        while let Some(way) = left.pop() {
            for next in edges.get(way.last().unwrap()).into_iter().flatten() {
                let mut longer = way.clone();
                longer.push(next.clone());
                if next == start {
                    let names: Vec<String> = longer.iter().map(|m| m.join("::")).collect();
                    writeln!(circles, "{}", names.join(" -> ")).unwrap();
                } else if seen.insert(next.clone()) {
                    left.push(longer);
                }
            }
        }
    }
    assert!(circles.is_empty(), "modules that import each other:\n{circles}");
}

#[test]
fn files_stay_short() {
    const MOST: usize = 400;
    let mut long = String::new();
    for path in files("src").into_iter().chain(files("kernels")) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        if path.extension().is_some_and(|e| e == "csv") {
            continue;
        }
        let lines = text.lines().count();
        let reason = text.lines().take(40).any(|line| line.contains("longer than 400 lines"));
        if lines > MOST && !reason {
            writeln!(long, "{}: {lines} lines", shown(&path)).unwrap();
        }
    }
    assert!(long.is_empty(), "split these, or say why each is longer than 400 lines:\n{long}");
}

/// The doc comments of public items, fields of public structs, and everything in public enums and traits,
/// by line.
fn public_comments(text: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut found = Vec::new();
    let mut open: Option<usize> = None;
    let mut at = 0;
    while at < lines.len() {
        let begin = at;
        let mut words = String::new();
        while let Some(comment) = lines.get(at).and_then(|l| l.trim_start().strip_prefix("///")) {
            words.push_str(comment);
            words.push(' ');
            at += 1;
        }
        while at > begin && lines.get(at).is_some_and(|line| line.trim_start().starts_with("#[")) {
            at += 1;
        }
        let Some(line) = lines.get(at) else { break };
        let public = line.trim_start().starts_with("pub ");
        if at > begin && (public || open.is_some()) {
            found.push((begin + 1, words));
        }
        let whole = line.trim_end().ends_with('{');
        if whole && ["pub enum ", "pub trait "].iter().any(|w| line.trim_start().starts_with(w)) {
            open = Some(indent(line));
        } else if open == Some(indent(line)) && line.trim() == "}" {
            open = None;
        }
        at += 1;
    }
    found
}

#[test]
fn public_comments_can_be_read_alone() {
    const FEW: usize = 3;
    let (mut all, mut short) = (0, Vec::new());
    for (path, text) in sources() {
        for (line, words) in public_comments(&text) {
            all += 1;
            if words.split_whitespace().count() <= FEW {
                short.push(format!("{}:{line}: {}", shown(&path), words.trim()));
            }
        }
    }
    assert!(all > 200, "only {all} public doc comments were found");
    let (few, list) = (short.len(), short.join("\n"));
    assert!(
        50 * few <= all,
        "{few} of {all} public doc comments have {FEW} words at most:\n{list}"
    );
}

#[test]
fn nothing_names_a_place_on_somebodys_machine() {
    let places = ["home", "root", "work", "Users", "mnt"].map(|folder| format!("/{folder}/"));
    let mut found = String::new();
    for path in files(".") {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (number, line) in text.lines().enumerate() {
            let named = |place: &String| {
                line.match_indices(place.as_str()).any(|(at, _)| {
                    // Not the middle of a longer path or address.
                    !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-$}~>".contains(c))
                })
            };
            if places.iter().any(named) {
                writeln!(found, "{}:{}: {}", shown(&path), number + 1, line.trim()).unwrap();
            }
        }
    }
    assert!(found.is_empty(), "absolute paths:\n{found}");
}
