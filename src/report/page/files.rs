//! A plot as files: beside the page, and inside it, so that a page that is sent alone has them all.

use data_encoding::BASE64;

use crate::report::plot::Plot;

/// A file of a plot.
pub struct PlotFile {
    /// Its kind in capitals, as on its button.
    pub kind: &'static str,
    /// Its name with ending.
    pub name: String,
    /// Its media type.
    pub media: &'static str,
    /// Its content, whole.
    pub content: Vec<u8>,
}

impl PlotFile {
    /// The whole file as an address, which needs no other file and no network.
    pub fn address(&self) -> String {
        format!("data:{};base64,{}", self.media, BASE64.encode(&self.content))
    }
}

/// A plot as SVG, as PDF, and its points as CSV.
pub fn files(plot: &Plot) -> [PlotFile; 3] {
    let file = |kind: &'static str, media, content| PlotFile {
        kind,
        name: format!("{}.{}", plot.name, kind.to_lowercase()),
        media,
        content,
    };
    [
        file("SVG", "image/svg+xml", plot.svg().into_bytes()),
        file("PDF", "application/pdf", plot.pdf()),
        file("CSV", "text/csv", plot.csv()),
    ]
}
