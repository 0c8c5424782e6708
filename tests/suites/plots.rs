//! The files in plots/ as other programs show them: rsvg-convert, Inkscape and poppler paint the
//! colours of the light theme on white paper, nothing black, and no text beyond the margin. Without
//! them skipped, with a visible line.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::missing::skipped;
use crate::common::report as made;
use nfd::observables::Observable;
use nfd::report::page::{plot_files, plots};

/// Of titles, ticks, and the paper behind.
const INK: [u8; 3] = [0x1d, 0x21, 0x26];
const MUTED: [u8; 3] = [0x5a, 0x62, 0x6c];
const WHITE: [u8; 3] = [0xff; 3];
/// Of exact, fresh and gia.
const CLOSURES: [[u8; 3]; 3] = [[0x0a, 0x5e, 0xa8], [0xc2, 0x48, 0x0c], [0x0b, 0x7d, 0x5c]];
/// Of six depths, ascending.
const DEPTHS: [[u8; 3]; 6] = [
    [0xb9, 0x8a, 0x00],
    [0x6f, 0x94, 0x20],
    [0x21, 0x89, 0x6a],
    [0x1f, 0x7a, 0x92],
    [0x3a, 0x5a, 0xa6],
    [0x5a, 0x2d, 0x86],
];

/// Pixels across: two for each of the drawing.
const ACROSS: &str = "872";

/// A picture at [`ACROSS`] pixels.
struct Picture {
    width: usize,
    pixels: Vec<[u8; 3]>,
}

impl Picture {
    fn read(path: &Path) -> Picture {
        let mut decoder = png::Decoder::new(BufReader::new(File::open(path).unwrap()));
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut bytes).unwrap();
        let samples = frame.color_type.samples();
        let pixel = |p: &[u8]| {
            assert!(samples == 3 || p[3] == 255, "transparent paper");
            [p[0], p[1], p[2]]
        };
        assert!(samples >= 3, "{samples}");
        let pixels = bytes[..frame.buffer_size()].chunks_exact(samples).map(pixel).collect();
        Picture { width: frame.width as usize, pixels }
    }

    /// Pixels of a colour, as far as rounding lets it be the same.
    fn count(&self, colour: [u8; 3]) -> usize {
        let is = |p: &&[u8; 3]| p.iter().zip(colour).all(|(a, b)| a.abs_diff(b) <= 2);
        self.pixels.iter().filter(is).count()
    }

    fn margin_is_white(&self) -> bool {
        const MARGIN: usize = 2 * 7;
        let height = self.pixels.len() / self.width;
        let outer = |i: usize| {
            let (x, y) = (i % self.width, i / self.width);
            x.min(self.width - 1 - x) < MARGIN || y.min(height - 1 - y) < MARGIN
        };
        self.pixels.iter().enumerate().all(|(i, p)| !outer(i) || *p == WHITE)
    }

    fn check(&self, name: &str, at: &str) {
        let all = self.pixels.len();
        assert!(self.width > 860, "{at}: {} pixels wide", self.width);
        assert!(self.count(WHITE) > all * 7 / 10, "{at}: the paper is not white");
        assert!(self.count([0; 3]) < all / 1000, "{at}: black");
        assert!(self.margin_is_white(), "{at}: something in the margin");
        let series: &[_] = match name {
            "weak-f-depth" | "closure-gap-f-depth" | "loss-by-closure" => &CLOSURES,
            "loss-by-depth" | "own-movement" => &DEPTHS,
            _ => &[],
        };
        for colour in series.iter().chain([&INK, &MUTED]) {
            assert!(self.count(*colour) >= 40, "{at}: {} of {colour:?}", self.count(*colour));
        }
    }
}

/// Whether a program is here.
fn has(program: &str) -> bool {
    let quiet = || Stdio::null();
    Command::new(program).arg("--version").stdout(quiet()).stderr(quiet()).status().is_ok()
}

/// The plots in a folder, one of them with a title of several lines; their paths without ending.
fn written(folder: &Path) -> Vec<PathBuf> {
    let mut made = made::full();
    for claim in made.claims.iter_mut().filter(|claim| claim.observable == Observable::WeakError) {
        claim.statement = "weak error of f falls like 1/L at every step of training, in whatever \
                           parametrization, and for whatever closure there may be";
    }
    let mut paths = Vec::new();
    for (name, bytes) in plot_files(&plots(&made.report())) {
        fs::write(folder.join(&name), bytes).unwrap();
        paths.extend(name.strip_suffix(".svg").map(|name| folder.join(name)));
    }
    assert!(paths.len() > 10);
    paths
}

/// Lets `command` make FILE.png of every plot, and looks at the pictures.
fn look(program: &str, command: impl Fn(&mut Command, &Path)) {
    if !has(program) {
        return skipped("plots as other programs show them", program);
    }
    let folder = tempfile::tempdir().unwrap();
    for path in written(folder.path()) {
        let mut run = Command::new(program);
        command(&mut run, &path);
        let done = run.output().unwrap();
        assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
        let name = path.file_name().unwrap().to_str().unwrap();
        Picture::read(&path.with_extension("png")).check(name, &format!("{name} by {program}"));
    }
}

/// As wide as a column of a journal, with letters that can be read there.
#[test]
fn files_have_the_size_of_a_column() {
    const COLUMN: f64 = 86.0;
    const POINTS: f64 = 72.0 / 25.4;
    let (mut svgs, mut pdfs) = (0, 0);
    for (name, bytes) in plot_files(&plots(&made::full().report())) {
        if name.ends_with(".pdf") {
            let text = String::from_utf8_lossy(&bytes);
            let (_, behind) = text.split_once("/MediaBox [").unwrap();
            let ends: Vec<f64> =
                behind.split(']').next().unwrap().split(' ').map(|n| n.parse().unwrap()).collect();
            assert!((ends[2] - ends[0] - COLUMN * POINTS).abs() < 0.1, "{name}: {ends:?}");
            pdfs += 1;
        }
        let Some(svg) = name.strip_suffix(".svg") else { continue };
        let text = String::from_utf8(bytes).unwrap();
        let document = roxmltree::Document::parse(&text).unwrap();
        let root = document.root_element();
        let millimetres = |side: &str| -> f64 {
            root.attribute(side).unwrap().strip_suffix("mm").unwrap().parse().unwrap()
        };
        let view: Vec<f64> =
            root.attribute("viewBox").unwrap().split(' ').map(|n| n.parse().unwrap()).collect();
        assert!((millimetres("width") - COLUMN).abs() < 0.06, "{svg}");
        let ratio = millimetres("height") / millimetres("width");
        assert!((ratio / (view[3] / view[2]) - 1.0).abs() < 2e-3, "{svg} is distorted");
        let scale = COLUMN * POINTS / view[2];
        for text in document.descendants().filter(|node| node.has_tag_name("text")) {
            let size: f64 = text.attribute("font-size").unwrap().parse().unwrap();
            assert!(size * scale >= 7.0, "{svg}: letters of {:.1} pt", size * scale);
        }
        svgs += 1;
    }
    assert!(svgs > 10 && pdfs == svgs);
}

/// Many programs paint black what they do not understand.
#[test]
fn files_need_no_style_sheet() {
    for (name, svg) in made::full().svgs() {
        for word in ["var(", "<style", "style=", "currentColor"] {
            assert!(!svg.contains(word), "{name}: {word}");
        }
    }
}

#[test]
fn rsvg_paints_every_plot_in_its_colours() {
    look("rsvg-convert", |run, path| {
        run.args(["--width", ACROSS, "--keep-aspect-ratio", "--output"]);
        run.arg(path.with_extension("png")).arg(path.with_extension("svg"));
    });
}

#[test]
fn poppler_paints_every_plot_in_its_colours() {
    look("pdftoppm", |run, path| {
        run.args(["-png", "-scale-to-x", ACROSS, "-scale-to-y", "-1", "-singlefile"]);
        run.arg(path.with_extension("pdf")).arg(path);
    });
}

#[test]
fn inkscape_paints_every_plot_in_its_colours() {
    look("inkscape", |run, path| {
        run.args(["--export-type=png", "--export-width", ACROSS]).arg(path.with_extension("svg"));
    });
}

#[test]
fn text_of_a_pdf_is_text_in_its_own_font() {
    if !has("pdftotext") || !has("pdffonts") {
        return skipped("text_of_a_pdf_is_text_in_its_own_font", "pdftotext");
    }
    let folder = tempfile::tempdir().unwrap();
    for path in written(folder.path()) {
        let said = |program: &str, last: &[&str]| {
            let path = path.with_extension("pdf");
            let done = Command::new(program).arg(path).args(last).output().unwrap();
            assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
            String::from_utf8(done.stdout).unwrap()
        };
        let text = said("pdftotext", &["-"]);
        let words: Vec<&str> = text.split_whitespace().collect();
        assert!(!text.contains(['?', '\u{fffd}']), "{text}");
        let expected: &[&str] = match path.file_name().unwrap().to_str().unwrap() {
            "weak-f-depth" => &["Weak", "parametrization,", "10⁻³", "exact", "−1", "128"],
            "own-movement" => &["layer’s", "own", "weights,", "0.0010", "updates"],
            _ => &[],
        };
        for word in expected {
            assert!(words.contains(word), "{word} in {text}");
        }
        let fonts = said("pdffonts", &[]);
        let lines: Vec<&str> = fonts.lines().skip(2).collect();
        assert_eq!(lines.len(), 2, "{fonts}");
        for line in lines {
            let words: Vec<&str> = line.split_whitespace().collect();
            // Name, type (two or three words), encoding, embedded, subset, with its letters.
            assert!(words[0].contains("NotoSans"), "{line}");
            assert_eq!(words[words.len() - 5..words.len() - 2], ["yes", "yes", "yes"], "{line}");
        }
    }
}
