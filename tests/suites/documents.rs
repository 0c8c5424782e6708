//! The pages of the repository: citations in the sources name sections that exist, links lead
//! somewhere, formulas are written as GitHub shows them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use nfd::rng::noise::{BrownianPath, Direction, Entry, NoiseAddress, Purpose, Query};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// The page that the sources cite.
const THEORY: &str = concat!("docs/", "theory.md");

/// All files under `folder` of these extensions, but for what is built.
fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_none_or(|name| name != "target") {
            found.extend(files(&path, extensions));
        } else if path.extension().is_some_and(|e| extensions.iter().any(|x| e == *x)) {
            found.push(path);
        }
    }
    found
}

/// A source with its comments as running text, so that a citation may be broken between lines.
fn running_text(source: &str) -> String {
    let words =
        source.lines().map(|line| line.trim_start().trim_start_matches(['/', '!', '*', '#']));
    words.map(str::trim).collect::<Vec<_>>().join(" ")
}

/// The sections of the theory that a source cites: "section 3", "section 3.2", "sections 1 and 3",
/// "sections 1, 3 and 5".
fn cited(source: &str) -> Vec<String> {
    let text = running_text(source);
    let mut sections = Vec::new();
    for after in text.split(THEORY).skip(1) {
        let Some(list) = after.strip_prefix(", section") else { continue };
        let mut words = list.trim_start_matches('s').split_whitespace();
        while let Some(word) = words.next() {
            let number = word.trim_end_matches(|c: char| !c.is_ascii_digit());
            if !number.starts_with(|c: char| c.is_ascii_digit()) {
                break;
            }
            sections.push(number.to_owned());
            // Goes on after "3 and" and after "3," where another number comes.
            let list_goes_on = match &word[number.len()..] {
                "" => words.next() == Some("and"),
                "," => true,
                _ => false,
            };
            if !list_goes_on {
                break;
            }
        }
    }
    sections
}

/// The numbers of a page's headings: "3" of "## 3. Title", "3.2" of "### 3.2 Title".
fn numbered_headings(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let numbers =
        headings.filter_map(|line| line.trim_start_matches('#').split_whitespace().next());
    numbers.map(|word| word.trim_end_matches('.').to_owned()).collect()
}

fn sources() -> Vec<PathBuf> {
    let folders = ["src", "tests", "benches", "kernels", "examples", "build"]
        .map(|f| Path::new(ROOT).join(f));
    let folders = folders.iter().filter(|folder| folder.is_dir());
    folders.flat_map(|folder| files(folder, &["rs", "cu", "cuh", "py", "md"])).collect()
}

#[test]
fn every_citation_of_the_theory_names_a_section() {
    let sections = numbered_headings(&fs::read_to_string(Path::new(ROOT).join(THEORY)).unwrap());
    assert!(["1", "7", "3.3"].iter().all(|section| sections.contains(*section)), "{sections:?}");
    let mut citations = 0;
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        for section in cited(&text) {
            assert!(sections.contains(&section), "{}: no section {section}", path.display());
            citations += 1;
        }
        // Citations that nobody could follow.
        let running = running_text(&text);
        for form in ["theory, ", "theory: ", "theory "].map(|before| format!("{before}section")) {
            assert!(!running.contains(&form), "{}: \"{form}\"", path.display());
        }
    }
    assert!(citations >= 30, "only {citations}: are they still seen?");
    // Seen, in all forms, and not there.
    let lines = format!(
        "/// ({THEORY},\n    /// sections 1, 2.5 and 30). {THEORY}, section 9, and {THEORY}."
    );
    assert_eq!(cited(&lines), ["1", "2.5", "30", "9"]);
    assert!(!sections.contains("2.5") && !sections.contains("9"));
}

/// A page without its code: fenced and indented blocks, spans.
fn prose(page: &str) -> String {
    let mut fenced = false;
    let mut out = String::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced && !line.starts_with("    ") {
            let outside = line.split('`').step_by(2);
            out.extend(outside);
            out.push('\n');
        }
    }
    out
}

/// Targets of links and pictures.
fn links(page: &str) -> Vec<String> {
    let prose = prose(page);
    let targets = prose.split("](").skip(1).filter_map(|after| after.split([')', ' ']).next());
    targets.map(str::to_owned).collect()
}

/// The anchors that GitHub gives the headings of a page.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let slug = |line: &str| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(slug).collect()
}

/// What is wrong with a link on the page `from`; None if it leads somewhere, or out of the repository.
fn fault(from: &Path, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = link.split_once('#').map_or((link, None), |(p, a)| (p, Some(a)));
    let target = if path.is_empty() { from.to_owned() } else { from.parent().unwrap().join(path) };
    if !target.exists() {
        return Some(format!("{}: {link} is not there", from.display()));
    }
    let anchor = anchor?;
    let page = fs::read_to_string(&target).unwrap();
    (!anchors(&page).contains(anchor)).then(|| format!("{}: {link} is no heading", from.display()))
}

/// README and its companions, and all of docs/.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    let mut pages = files(&root.join("docs"), &["md"]);
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
    pages.push(root.join("benches/NOTES.md"));
    pages
}

#[test]
fn every_relative_link_resolves() {
    let mut faults = Vec::new();
    let mut seen = 0;
    for page in pages() {
        for link in links(&fs::read_to_string(&page).unwrap()) {
            seen += 1;
            faults.extend(fault(&page, &link));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(seen >= 20, "only {seen}: are they still seen?");
    // Seen, and leading nowhere.
    let readme = Path::new(ROOT).join("README.md");
    let bad = "[a](docs/none.md) ![b](#no-heading) `[c](not-a-link)` [d](docs/theory.md#8-more)";
    let found = links(bad);
    assert_eq!(found, ["docs/none.md", "#no-heading", "docs/theory.md#8-more"]);
    assert!(found.iter().all(|link| fault(&readme, link).is_some()));
}

/// README.md links to them, and docs/SUMMARY.md, from which the book is made, has each once.
#[test]
fn the_readme_and_the_book_lead_to_every_page() {
    let read = |name: &str| fs::read_to_string(Path::new(ROOT).join(name)).unwrap();
    let (linked, chapters) = (links(&read("README.md")), links(&read("docs/SUMMARY.md")));
    let unique: BTreeSet<_> = chapters.iter().collect();
    assert_eq!(unique.len(), chapters.len(), "twice in docs/SUMMARY.md: {chapters:?}");
    let pages = files(&Path::new(ROOT).join("docs"), &["md"]);
    for page in pages.iter().filter(|page| !page.ends_with("SUMMARY.md")) {
        let name = page.strip_prefix(ROOT).unwrap().display().to_string();
        assert!(linked.contains(&name), "README.md has no link to {name}");
        let name = name.trim_start_matches("docs/").to_owned();
        assert!(chapters.contains(&name), "docs/SUMMARY.md has no link to {name}");
    }
    // Pages that these link to are in the book, or it would have dead links.
    for page in chapters.iter().map(|chapter| Path::new(ROOT).join("docs").join(chapter)) {
        for link in links(&fs::read_to_string(&page).unwrap()) {
            let path = link.split('#').next().unwrap();
            if !path.ends_with(".md") || path.contains("://") {
                continue;
            }
            let target = page.parent().unwrap().join(path).canonicalize().unwrap();
            let mut chapters = chapters.iter().map(|c| Path::new(ROOT).join("docs").join(c));
            let there = chapters.any(|chapter| chapter.canonicalize().unwrap() == target);
            assert!(there, "{}: {link} is not in docs/SUMMARY.md", page.display());
        }
    }
}

/// Every picture that pages show is one that jobs/gallery.sh makes, and the other way round.
#[test]
fn pictures_are_those_of_the_gallery() {
    let pages = pages();
    let pages = pages.iter().map(|page| fs::read_to_string(page).unwrap());
    let pictures = pages.flat_map(|page| links(&page)).filter(|link| link.ends_with(".svg"));
    let shown: BTreeSet<String> =
        pictures.map(|path| path.trim_start_matches("../").to_owned()).collect();
    let script = fs::read_to_string(Path::new(ROOT).join("jobs/gallery.sh")).unwrap();
    let (_, list) = script.split_once("PLOTS=\"\n").unwrap();
    let rows: Vec<Vec<&str>> = list
        .lines()
        .take_while(|line| *line != "\"")
        .map(|line| line.split_whitespace().collect())
        .collect();
    let made = rows.iter().map(|row| format!("jobs/gallery/{}.svg", row[0]));
    assert_eq!(shown, made.collect());
    for row in &rows {
        assert!(Path::new(ROOT).join("jobs").join(row[1]).with_extension("json").is_file());
    }
}

/// Whether every formula is in a fence or in dollars with backquotes, which protects it from
/// Markdown: in bare dollars `_` and `\,` are lost.
fn formulas_are_protected(page: &str) -> bool {
    let mut fenced = false;
    let lines = page.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fence && !fenced
    });
    lines.map(|line| line.replace("$`", "\u{1}").replace("`$", "\u{2}")).all(|line| {
        // Pairs, closed on the line where they opened, and no other dollar.
        let signs: String = line.chars().filter(|c| matches!(c, '\u{1}' | '\u{2}' | '$')).collect();
        signs.replace("\u{1}\u{2}", "").is_empty()
    })
}

#[test]
fn formulas_are_shown_by_github() {
    for page in files(&Path::new(ROOT).join("docs"), &["md"]) {
        let text = fs::read_to_string(&page).unwrap();
        assert!(formulas_are_protected(&text), "{}", page.display());
    }
    assert!(formulas_are_protected("a $`h_l`$ and\n```math\nx\n```\nb"));
    assert!(!formulas_are_protected("a $h_l$ b"));
    assert!(!formulas_are_protected("a $`h_l\n`$ b"));
}

/// Paths of the repository that a page names in backquotes.
fn named_paths(page: &str) -> Vec<String> {
    let spans = page.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    let folders = ["src/", "tests/", "jobs/", "examples/", "kernels/", "benches/"];
    let path = |span: &&str| folders.iter().any(|folder| span.starts_with(folder));
    spans.filter(path).map(|span| span.split([' ', ':']).next().unwrap().to_owned()).collect()
}

#[test]
fn every_path_on_a_page_is_there() {
    let mut missing = Vec::new();
    for page in files(&Path::new(ROOT).join("docs"), &["md"]) {
        for path in named_paths(&fs::read_to_string(&page).unwrap()) {
            if !path.contains(['*', '<']) && !Path::new(ROOT).join(&path).exists() {
                missing.push(format!("{}: {path}", page.display()));
            }
        }
    }
    assert!(missing.is_empty(), "not there:\n{}", missing.join("\n"));
    assert_eq!(
        named_paths("a `src/rng` b `x/y` `jobs/toy.json --set a=1`"),
        ["src/rng", "jobs/toy.json"]
    );
}

/// The names between backquotes that begin items of a list or rows of a table.
fn rooms(text: &str, before: &str) -> Vec<String> {
    let rows = text.lines().filter_map(|line| line.strip_prefix(before));
    let name = |row: &str| row.trim_start_matches(['[', '`']).split('`').next().unwrap().to_owned();
    rows.map(name).collect()
}

#[test]
fn the_rooms_of_the_architecture_are_those_of_the_library() {
    let root = Path::new(ROOT);
    let library = fs::read_to_string(root.join("src/lib.rs")).unwrap();
    let of_library = rooms(&library, "//! * ");
    let page = fs::read_to_string(root.join("docs/architecture.md")).unwrap();
    assert_eq!(rooms(&page, "| `"), of_library);
    // And both are those that there are.
    let mut there: Vec<_> = library.lines().filter_map(|line| line.split_once("mod ")).collect();
    there.retain(|(before, name)| matches!(*before, "" | "pub ") && name.ends_with(';'));
    let mut there: Vec<_> = there.iter().map(|(_, name)| name.trim_end_matches(';')).collect();
    let mut listed: Vec<_> = of_library.iter().map(String::as_str).collect();
    there.sort_unstable();
    listed.sort_unstable();
    assert_eq!(there, listed);
}

#[test]
fn the_noise_address_of_the_architecture_is_right() {
    let query = Query { purpose: Purpose::Answer, step: 1, direction: Direction::Forward };
    let at = |depth, layer| {
        BrownianPath::new(5, 128, depth).address(Entry::Answer { query, layer, sample: 1 })
    };
    let NoiseAddress { fine, column, layer, tag } = at(16, 3);
    let counter = format!("({}, {column}, {layer} … {}, 0x{tag:x})", 100 / 4, layer + fine - 1);
    let page = fs::read_to_string(Path::new(ROOT).join("docs/architecture.md")).unwrap();
    assert!(page.contains(&counter), "{counter}");
    // Depth 32 reads the same fine layers, half of them in each of two layers.
    let halves = [at(32, 5), at(32, 6)].map(|at| (at.layer, at.fine, at.tag));
    assert_eq!(halves, [(17, 4, tag), (21, 4, tag)]);
}

#[test]
fn citation_changelog_and_licences_are_those_of_the_package() {
    let read = |name: &str| fs::read_to_string(Path::new(ROOT).join(name)).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert!(read("CITATION.cff").contains(&format!("\nversion: {version}\n")));
    assert!(read("CHANGELOG.md").contains(version));
    assert_eq!(env!("CARGO_PKG_LICENSE"), "MIT OR Apache-2.0");
    assert!(read("LICENSE-MIT").starts_with("MIT License\n"));
    assert!(read("LICENSE-APACHE").contains("Version 2.0, January 2004"));
    assert!(read("LICENSE-APACHE").contains("END OF TERMS AND CONDITIONS"));
}

/// What the timings on a GPU are printed beside is what the page says, in the row of that size.
#[test]
fn bounds_beside_times_are_those_of_the_page() {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/gpu.md")).unwrap();
    let bounds = include_str!("../../benches/bounds/dense.csv");
    assert!(bounds.lines().count() > 1);
    for line in bounds.lines().skip(1) {
        let (size, ms) = line.rsplit_once(',').unwrap();
        let begin = format!("| {} |", size.replace(',', ", "));
        let row = page.lines().find(|row| row.starts_with(&begin));
        assert!(row.is_some_and(|row| row.contains(&format!("**{ms}**"))), "{line}: {row:?}");
    }
}
