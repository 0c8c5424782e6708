//! How many machine instructions an instruction of PTX becomes, by kernel and line of the source: the
//! software device counts PTX, and a processor issues SASS.

use std::collections::HashMap;
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

/// Instructions of a disassembly by kernel and line.
fn of_sass(text: &str) -> Lines {
    let (mut kernel, mut line, mut counts) = (String::new(), String::new(), Lines::new());
    for row in text.lines().map(str::trim) {
        if let Some(name) = row.strip_prefix(".section\t.text.") {
            name.split(',').next().unwrap_or_default().clone_into(&mut kernel);
        } else if let Some(place) = row.strip_prefix("//## File \"") {
            let (file, rest) = place.split_once("\", line ").unwrap_or((place, ""));
            let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
            line = short(&format!("{file}:{number}"));
        } else if row.starts_with("/*") && row.ends_with(';') && !row.contains(" NOP ") {
            *counts.entry((kernel.clone(), line.clone())).or_default() += 1.0;
        }
    }
    counts
}

/// Instructions of PTX by kernel and line.
fn of_ptx(text: &str) -> Lines {
    let files: HashMap<&str, &str> = (text.lines())
        .filter_map(|row| row.trim().strip_prefix(".file")?.trim().split_once(' '))
        .map(|(number, name)| (number, name.trim().trim_matches('"')))
        .collect();
    let (mut kernel, mut line, mut counts) = (String::new(), String::new(), Lines::new());
    for row in text.lines().map(str::trim) {
        if let Some((_, name)) = row.split_once(".entry ") {
            name.split('(').next().unwrap_or_default().trim().clone_into(&mut kernel);
        } else if row.starts_with(".func") || row.contains(" .func ") {
            kernel.clear();
        } else if let Some(place) = row.strip_prefix(".loc") {
            let mut words = place.split_whitespace();
            let file =
                words.next().and_then(|number| files.get(number)).copied().unwrap_or_default();
            line = short(&format!("{file}:{}", words.next().unwrap_or_default()));
        } else if row.ends_with(';')
            && row.starts_with(|c: char| c.is_ascii_lowercase() || c == '@')
        {
            *counts.entry((kernel.clone(), line.clone())).or_default() += 1.0;
        }
    }
    counts
}
