//! report.html and its plots: well-formed, complete, escaped, the same each time, loading nothing.

use std::collections::{HashMap, HashSet};

use crate::common::report as made;
use data_encoding::BASE64;
use nfd::claims::{FittedPoint, Point};
use nfd::model::Closure;
use nfd::report::page::{html, plot_files, plots};
use nfd::stats::verdict::Verdict;
use roxmltree::{Document, Node, ParsingOptions};

fn parse(text: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).unwrap_or_else(|error| panic!("{error}"))
}

fn with_id<'a>(document: &'a Document, id: &str) -> Node<'a, 'a> {
    document.descendants().find(|node| node.attribute("id") == Some(id)).unwrap()
}

fn text(node: Node) -> String {
    let all: String = node.descendants().filter(Node::is_text).filter_map(|n| n.text()).collect();
    all.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Supported => "supported",
        Verdict::Contradicted => "contradicted",
        Verdict::Inconclusive => "inconclusive",
    }
}

/// Well-formed, ids once each, every reference to an id met, no number that is none.
fn check(text: &str) {
    let document = parse(text);
    let ids: Vec<_> = document.descendants().filter_map(|node| node.attribute("id")).collect();
    let set: HashSet<_> = ids.iter().copied().collect();
    assert_eq!(set.len(), ids.len(), "an id twice");
    for node in document.descendants() {
        for attribute in node.attributes() {
            let value = attribute.value();
            let local = value.strip_prefix('#').filter(|_| attribute.name() == "href");
            let url = value.strip_prefix("url(#").and_then(|v| v.strip_suffix(')'));
            assert!(local.or(url).is_none_or(|id| set.contains(id)), "{value} leads nowhere");
            if ["d", "x", "y", "cx", "cy", "viewBox"].contains(&attribute.name()) {
                assert!(!value.contains("NaN") && !value.contains("inf"), "{value}");
            }
        }
    }
}

#[test]
fn page_and_plots_are_well_formed_and_the_same_each_time() {
    let made = made::full();
    let page = html(&made.report());
    check(&page);
    let files = plot_files(&plots(&made.report()));
    assert_eq!((&page, &files), (&html(&made.report()), &plot_files(&plots(&made.report()))));

    let names: HashSet<_> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.len(), files.len(), "a file twice");
    let figures = ["weak-f-depth", "closure-gap-f-depth", "loss-by-depth", "test-loss-by-closure"];
    for name in figures.into_iter().chain(["movement-along-depth", "rank-features"]) {
        assert!(names.contains(format!("{name}.svg").as_str()), "{name}");
    }
    let drawn = made.svgs();
    assert_eq!(3 * drawn.len(), files.len(), "each as SVG and PDF, and its points as CSV");
    for (_, svg) in &drawn {
        check(svg);
        let document = parse(svg);
        let root = document.root_element();
        assert_eq!(root.attribute("role"), Some("img"));
        assert!(root.attribute("aria-label").unwrap().len() > 10);
        assert_eq!(root.first_element_child().unwrap().tag_name().name(), "title");
    }
    // The page has the same figures.
    let document = parse(&page);
    let figures = document.descendants().filter(|node| node.tag_name().name() == "svg").count();
    assert_eq!(figures, drawn.len());
}

#[test]
fn every_claim_stands_there_with_its_verdict() {
    let made = made::full();
    let page = html(&made.report());
    let document = parse(&page);
    for (id, observable) in [("weak-f-depth", "weak.f"), ("closure-gap-f-depth", "closure_gap.f")] {
        let article = with_id(&document, id);
        let rows: Vec<String> = article
            .descendants()
            .filter(|node| node.tag_name().name() == "tr")
            .map(|row| {
                let cells = row.children().filter(Node::is_element).map(text);
                cells.collect::<Vec<_>>().join(" | ")
            })
            .collect();
        for claim in made.claims.iter().filter(|claim| claim.observable.name() == observable) {
            let start = format!("{} | n = 4096 | {} | ", claim.closure.name(), claim.step);
            let row = rows.iter().find(|row| row.starts_with(&start)).unwrap();
            assert!(row.contains(word(claim.verdict)), "{row}");
            assert!(row.ends_with(&claim.reason), "{row}");
        }
        let points = |name: &str| {
            let named = |node: &Node| node.attribute("class").is_some_and(|c| c == name);
            article.descendants().filter(named).count()
        };
        assert_eq!(points("band"), 3);
        assert_eq!(points("bar"), 18);
        // The step of the primary claim in words.
        let words = text(article);
        assert!(words.contains("Supported if the interval lies above 0.9."), "{words}");
        assert!(words.contains("Because of gia at step 2."), "{words}");
        assert!(words.contains("one run of this closure diverged and are left out."), "{words}");
        // What is undecided says what would decide it.
        let open = made.claims.iter().find(|claim| {
            claim.observable.name() == observable
                && claim.step == 2
                && claim.verdict == Verdict::Inconclusive
        });
        assert!(open.is_none() || words.contains("Next: Take 8 seeds."), "{words}");
    }
    let words = text(with_id(&document, "weak-f-depth"));
    assert!(
        words.contains("Theory: exponent 1.") && words.contains("0.95 [0.91, 1.02]"),
        "{words}"
    );
    assert!(words.contains("slope −1 (theory)"));
    let words = text(with_id(&document, "closure-gap-f-depth"));
    assert!(words.contains("1.00×10⁻³ [8.00×10⁻⁴, 1.20×10⁻³]"), "{words}");
    // The primary claims with their verdicts, and how many there are.
    let verdicts = text(with_id(&document, "verdicts"));
    for claim in made.claims.iter().filter(|claim| claim.primary) {
        assert!(verdicts.contains(word(claim.verdict)));
        let reason = nfd::report::text::sentence(&claim.reason);
        assert!(verdicts.contains(&reason), "{verdicts}");
    }
    assert!(
        verdicts.contains("Here they are 2") && verdicts.contains("claims (16, each"),
        "{verdicts}"
    );
    assert!(text(with_id(&document, "diverged")).contains("gia"));
    let data = text(with_id(&document, "data"));
    for name in ["pd.read_csv", "np.load", "nfd.open", "nfd.plot", "CC BY 4.0"] {
        assert!(data.contains(name), "{name}");
    }
}

/// The page alone has every figure as files: the bytes of those in plots/, and in the CSV the points of
/// figures.json.
#[test]
fn every_figure_is_in_the_page_as_files() {
    let made = made::full();
    let page = html(&made.report());
    let document = parse(&page);
    let mut files: HashMap<String, Vec<u8>> =
        plot_files(&plots(&made.report())).into_iter().collect();
    let mut drawn = plots(&made.report());
    let types = [("svg", "image/svg+xml"), ("pdf", "application/pdf"), ("csv", "text/csv")];
    for link in document.descendants().filter(|node| node.has_attribute("download")) {
        let name = link.attribute("download").unwrap();
        let (_, ending) = name.rsplit_once('.').unwrap();
        let (_, media) = types.into_iter().find(|(known, _)| *known == ending).unwrap();
        let start = format!("data:{media};base64,");
        let data = link.attribute("href").unwrap().strip_prefix(&start).unwrap();
        let bytes = BASE64.decode(data.as_bytes()).unwrap();
        assert_eq!(files.remove(name), Some(bytes), "{name}: not in plots/, or another");
        // Of many buttons with the same word each is told apart by those who hear it.
        let label = link.attribute("aria-label").unwrap();
        assert!(label.len() > 10 && label.ends_with(&ending.to_uppercase()), "{label}");
        // Beside its figure.
        let figure = link.ancestors().find(|node| node.has_tag_name("figure")).unwrap();
        assert!(figure.descendants().any(|node| node.has_tag_name("svg")));
    }
    assert_eq!(files.len(), 0, "without a button: {:?}", files.keys());

    let csvs: HashMap<String, Vec<u8>> = plot_files(&drawn).into_iter().collect();
    for plot in drawn.drain(..) {
        let json = serde_json::to_value(&plot).unwrap();
        let mut reader = csv::Reader::from_reader(&csvs[&format!("{}.csv", plot.name)][..]);
        let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
        let labels = ["x", "y"].map(|axis| json[axis]["label"].as_str().unwrap());
        assert_eq!(header, ["series", labels[0], labels[1], "standard error"]);
        let lines: Vec<(String, f64, f64, Option<f64>)> =
            reader.deserialize().map(Result::unwrap).collect();
        let mut points = Vec::new();
        for series in json["series"].as_array().unwrap() {
            let label = series["label"].as_str().unwrap();
            let name = format!("{} {label}", json["legend"].as_str().unwrap()).trim().to_owned();
            for point in series["points"].as_array().unwrap() {
                let [x, y] = ["x", "y"].map(|at| point[at].as_f64().unwrap());
                points.push((name.clone(), x, y, point["error"].as_f64()));
            }
        }
        assert_eq!(lines, points, "{}", plot.name);
    }
}

/// What was found and the primary claims come first, each with its fit and residuals; all else behind.
#[test]
fn primary_claims_come_first_with_their_fits() {
    let made = made::full();
    let page = html(&made.report());
    let document = parse(&page);
    let sections = document.descendants().filter(|node| node.has_tag_name("section"));
    let ids: Vec<&str> = sections.filter_map(|section| section.attribute("id")).collect();
    assert_eq!(ids[..3], ["found", "verdicts", "claims"], "{ids:?}");
    assert!(
        with_id(&document, "claims")
            .descendants()
            .any(|n| n.attribute("id") == Some("weak-f-depth"))
    );

    let article = with_id(&document, "weak-f-depth");
    let tables: Vec<Node> =
        article.descendants().filter(|node| node.has_tag_name("table")).collect();
    let rows = |table: &Node| -> Vec<String> {
        let rows = table.descendants().filter(|node| node.has_tag_name("tr"));
        let cells =
            |row: Node| row.children().filter(Node::is_element).map(text).collect::<Vec<_>>();
        rows.map(|row| cells(row).join(" | ")).collect()
    };
    let parts = [
        "part | value | interval",
        "exponent p, as judged | 0.95 | [0.91, 1.02]",
        "p of all sizes | 0.95 | [0.93, 0.97]",
        "p of the last four sizes | 0.96 | [0.91, 1.02]",
        "change of the exponent with every doubling | −0.01 | –",
        "A | 2.00×10⁻² | –",
        "β | 0.300 | [0.200, 0.400]",
    ];
    assert_eq!(rows(&tables[0]), parts);
    // Values lie 5 % above and below the fit in turn, with errors of a quarter: 0.05/(0.25 · 1.05).
    let residuals = rows(&tables[1]);
    let last = |row: &String| row.rsplit(" | ").next().unwrap().to_owned();
    let found: Vec<String> = residuals[1..].iter().map(last).collect();
    assert_eq!(found, ["+0.19", "−0.21", "+0.19", "−0.21", "+0.19", "−0.21"]);
    let sizes = ["4", "8", "16", "32", "64", "128"];
    for (row, size) in residuals[1..].iter().zip(sizes) {
        assert!(row.starts_with(&format!("{size} | ")) && row.contains(" ± "), "{row}");
    }
    assert!(text(article).contains("Drawn: A L−p eβ/L"), "{}", text(article));
    assert!(text(article).contains("Each interval misses with probability 5 %/2."));
    // Without a fit there is nothing of the kind.
    assert!(!text(with_id(&document, "closure-gap-f-depth")).contains("Residuals"));
}

#[test]
fn hostile_names_stay_text() {
    let hostile = "</title><script>alert(1)</script>&\"'<img src=x onerror=y>\u{0}\u{b}";
    let mut made = made::full();
    made.experiment.name = hostile.to_owned();
    made.experiment.data.source = nfd::data::Source::Csv;
    made.experiment.data.path = Some(hostile.into());
    for claim in &mut made.claims {
        claim.rule = hostile.to_owned();
        claim.reason = hostile.to_owned();
    }
    let page = html(&made.report());
    check(&page);
    let document = parse(&page);
    for node in document.descendants() {
        assert!(!["script", "img"].contains(&node.tag_name().name()));
        assert!(node.attributes().all(|a| !a.name().starts_with("on")));
    }
    assert_eq!(page.matches("<script").count(), 0);
    assert!(page.matches("&lt;script&gt;").count() > 4);
    made.svgs().iter().for_each(|(_, svg)| check(svg));
}

/// Nothing that a browser would fetch: links are followed by people only.
#[test]
fn nothing_is_loaded() {
    let made = made::full();
    let page = html(&made.report());
    let files = made.svgs();
    for text in files.iter().map(|(_, svg)| svg).chain([&page]) {
        let document = parse(text);
        for node in document.descendants() {
            let tag = node.tag_name().name();
            let loading = ["script", "iframe", "object", "embed", "img", "image", "use", "video"];
            assert!(!loading.contains(&tag), "<{tag}>");
            for attribute in node.attributes() {
                let (name, value) = (attribute.name(), attribute.value());
                assert!(!["src", "srcset", "action", "data", "poster"].contains(&name), "{name}");
                assert!(name != "href" || value.starts_with(['#', 'd', 'h']), "{value}");
                if name == "href" && tag != "a" {
                    assert_eq!(value, "data:,");
                }
                assert!(!value.contains("url(") || value.starts_with("url(#"), "{value}");
            }
            if tag == "style" {
                let style = node.text().unwrap();
                assert!(!style.contains("@import") && !style.contains("url("));
            }
        }
    }
}

#[test]
fn little_or_nothing_to_show_is_no_reason_to_fail() {
    // No claims, no rows.
    let made = made::empty();
    check(&html(&made.report()));
    assert!(plots(&made.report()).is_empty());

    // An empty grid.
    let mut made = made::empty();
    made.experiment.ensemble.depths.clear();
    made.experiment.ensemble.closures.clear();
    check(&html(&made.report()));

    // Claims with no points, one point, nothing finite, nothing positive, a band around zero.
    let point = |x, value, standard_error| {
        let fitted = Some(1.0);
        Point { x, width: 4096, depth: x, value, standard_error, fitted }
    };
    let fitted = |x, value, ci95| FittedPoint { x, held: None, value, ci95 };
    let curves = [
        vec![],
        vec![point(4, 1e-3, None)],
        vec![point(4, f64::NAN, Some(f64::NAN)), point(8, f64::INFINITY, None)],
        vec![point(4, 0.0, None), point(8, -1.0, Some(1.0))],
        vec![point(4, 1e-300, Some(1.0)), point(8, 1e300, Some(f64::INFINITY))],
        vec![point(4, 5e-324, Some(5e-324)), point(8, f64::MAX, Some(f64::MAX))],
        vec![point(4, 2.0, Some(0.0)), point(4, 2.0, Some(0.0))],
    ];
    for curve in curves {
        let mut made = made::full();
        for claim in &mut made.claims {
            claim.points = curve.len();
            claim.curve = curve.clone();
            claim.exponent = curve.first().map(|p| p.value);
            claim.ci95 = None;
            claim.plateau = Some(f64::NAN);
            claim.plateau_ci95 = Some([f64::NEG_INFINITY, f64::NAN]);
            claim.plateau_upper = Some(f64::NAN);
            claim.at_start = Some(f64::NAN);
            claim.local_exponents = vec![None, Some(f64::NAN)];
            claim.fitted = vec![
                fitted(0.0, f64::NAN, Some([f64::NAN, f64::NAN])),
                fitted(4.0, 1.0, Some([-1.0, f64::INFINITY])),
                fitted(8.0, 0.0, None),
            ];
        }
        for row in &mut made.rows {
            row.value = curve.last().map_or(f64::NAN, |p| p.value);
        }
        check(&html(&made.report()));
        made.svgs().iter().for_each(|(_, svg)| check(svg));
    }
}

#[test]
fn what_is_unknown_is_left_out() {
    let mut made = made::full();
    made.claims.retain(|claim| claim.closure == Closure::Exact);
    for claim in &mut made.claims {
        claim.rule.clear();
        claim.reason.clear();
        claim.next = None;
        claim.fitted.clear();
    }
    let page = html(&made.report());
    check(&page);
    assert!(!page.contains("Rule, declared"));
    assert!(!page.contains("Next:"));
    assert!(!page.contains("class=\"band\""));
}
