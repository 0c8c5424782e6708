//! How many machine instructions an instruction of PTX becomes, by kernel and line of the source: the
//! software device counts PTX, and a processor issues SASS.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use nfd::backend::cuda::device::image::{HEADERS, KERNEL_FILES};
use nfd::backend::cuda::device::nvrtc::Target;

/// The architecture whose machine code is taken.
const ARCHITECTURE: u32 = 90;

type Lines = HashMap<(String, String), f64>;

/// SASS an instruction of PTX; 1 everywhere without a disassembler.
#[derive(Debug, Default)]
pub struct Issued {
    ratios: Lines,
    /// Lines on which blocks of a grid wait for each other.
    waits: Vec<String>,
    /// Whether instructions are those of the machine.
    pub disassembled: bool,
}

impl Issued {
    /// From the embedded images, by `nvdisasm` (or the program that `NFD_NVDISASM` names).
    pub fn read() -> Issued {
        let mut issued = Issued::default();
        for file in KERNEL_FILES {
            let image = |wanted: fn(&Target) -> bool| {
                file.images.iter().find(|image| wanted(&image.target))
            };
            let Some(code) = image(|target| *target == Target::Code(ARCHITECTURE)) else {
                continue;
            };
            let Some(ptx) = image(|target| matches!(target, Target::Ptx(_))) else { continue };
            let Some(sass) = disassembled(code.bytes) else { return issued.with_waits() };
            let (sass, ptx) = (of_sass(&sass), of_ptx(&String::from_utf8_lossy(ptx.bytes)));
            // A build for chosen architectures has no lines.
            if sass.is_empty() {
                return Issued::default().with_waits();
            }
            issued.ratios.extend(ptx.into_iter().map(|(place, count)| {
                let ratio = sass.get(&place).copied().unwrap_or(0.0) / count;
                (place, ratio)
            }));
            issued.disassembled = true;
        }
        issued.with_waits()
    }

    /// The loop in which a block asks whether all have come.
    fn with_waits(mut self) -> Issued {
        const TEAM: &str = "conditional/team.cuh";
        let source = HEADERS.iter().find(|(name, _)| *name == TEAM);
        let text = source.map_or("", |(_, text)| text);
        let lines =
            text.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with("while ("));
        self.waits = lines.map(|(number, _)| format!("{TEAM}:{}", number + 1)).collect();
        self
    }

    /// Machine instructions for one of PTX on a line.
    pub fn of(&self, kernel: &str, line: &str) -> f64 {
        let place = (kernel.to_owned(), short(line));
        self.ratios.get(&place).copied().unwrap_or(1.0)
    }

    /// Whether blocks wait for each other on a line.
    pub fn waits(&self, line: &str) -> bool {
        self.waits.iter().any(|wait| line.ends_with(wait.as_str()))
    }
}

/// `file:line` without folders, which the compiler and the disassembler write differently.
fn short(place: &str) -> String {
    Path::new(place)
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn disassembled(code: &[u8]) -> Option<String> {
    let program =
        std::env::var_os("NFD_NVDISASM").map_or_else(|| PathBuf::from("nvdisasm"), PathBuf::from);
    let folder = tempfile::tempdir().ok()?;
    let file = folder.path().join("kernels.cubin");
    std::fs::write(&file, code).ok()?;
    let output = Command::new(program).args(["-g", "-c"]).arg(file).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Instructions of a disassembly by kernel, the functions that it calls included, and line; those of a line that
/// is not known are left out.
fn of_sass(text: &str) -> Lines {
    let (mut kernel, mut line, mut counts) = (String::new(), String::new(), Lines::new());
    for row in text.lines().map(str::trim) {
        if let Some(name) = row.strip_prefix(".section\t.text.") {
            name.split(',').next().unwrap_or_default().clone_into(&mut kernel);
            line.clear();
        } else if let Some(place) = row.strip_prefix("//## File \"") {
            let (file, rest) = place.split_once("\", line ").unwrap_or((place, ""));
            let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
            line = short(&format!("{file}:{number}"));
        } else if row.starts_with("/*")
            && row.ends_with(';')
            && !row.contains(" NOP ")
            && !line.is_empty()
        {
            *counts.entry((kernel.clone(), line.clone())).or_default() += 1.0;
        }
    }
    counts
}

/// A kernel of PTX, or a function that kernels call.
#[derive(Debug, Default)]
struct Body {
    is_kernel: bool,
    /// Instructions by line.
    lines: HashMap<String, f64>,
    /// Words of its calls, the names of functions among them.
    called: HashSet<String>,
}

/// Instructions of PTX by kernel and line, where every function that a kernel reaches counts once, as in machine
/// code.
fn of_ptx(text: &str) -> Lines {
    let bodies = bodies_of(text);
    let mut counts = Lines::new();
    for (kernel, body) in bodies.iter().filter(|(_, body)| body.is_kernel) {
        let (mut reached, mut left) = (HashSet::from([kernel.as_str()]), vec![body]);
        while let Some(body) = left.pop() {
            for (line, count) in &body.lines {
                *counts.entry((kernel.clone(), line.clone())).or_default() += count;
            }
            let called = body.called.iter().filter_map(|word| bodies.get_key_value(word.as_str()));
            let new = called.filter(|(name, _)| reached.insert(name.as_str()));
            left.extend(new.map(|(_, body)| body));
        }
    }
    counts
}

/// What stands in a text of PTX, by name.
fn bodies_of(text: &str) -> HashMap<String, Body> {
    let files: HashMap<&str, &str> = (text.lines())
        .filter_map(|row| row.trim().strip_prefix(".file")?.trim().split_once(' '))
        .map(|(number, name)| (number, name.trim().trim_matches('"')))
        .collect();
    let mut bodies: HashMap<String, Body> = HashMap::new();
    let (mut name, mut line, mut calls) = (String::new(), String::new(), false);
    for row in text.lines().map(str::trim) {
        let heads = [(".entry ", true), (".func ", false)];
        let head = heads.iter().find_map(|(word, kernel)| Some((row.split_once(word)?.1, kernel)));
        if let Some((rest, is_kernel)) = head {
            // What a function returns stands before its name.
            let rest = match rest.trim().starts_with('(') {
                true => rest.split_once(')').map_or("", |(_, rest)| rest),
                false => rest,
            };
            rest.split('(').next().unwrap_or_default().trim().clone_into(&mut name);
            bodies.entry(name.clone()).or_default().is_kernel = *is_kernel;
            continue;
        }
        let Some(body) = bodies.get_mut(&name) else { continue };
        calls = calls || row.starts_with("call");
        if calls {
            let words = row.split(|c: char| c.is_whitespace() || "(),;".contains(c));
            body.called.extend(words.filter(|word| !word.is_empty()).map(str::to_owned));
            calls = !row.ends_with(';');
            if row.starts_with("call") {
                *body.lines.entry(line.clone()).or_default() += 1.0;
            }
        } else if let Some(place) = row.strip_prefix(".loc") {
            let mut words = place.split_whitespace();
            let file =
                words.next().and_then(|number| files.get(number)).copied().unwrap_or_default();
            line = short(&format!("{file}:{}", words.next().unwrap_or_default()));
        } else if row.ends_with(';')
            && row.starts_with(|c: char| c.is_ascii_lowercase() || c == '@')
        {
            *body.lines.entry(line.clone()).or_default() += 1.0;
        }
    }
    bodies
}
