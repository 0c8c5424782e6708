//! The points of a plot as a table.

use super::Plot;

/// The points as CSV, a line each: entry of the legend, place across, place upwards, standard error; the
/// header has the names of the axes. Numbers are as short as they can be without loss.
pub fn table(plot: &Plot) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing to a Vec cannot fail, and all lines have four cells.
    let _ = writer.write_record(["series", &plot.x.label, &plot.y.label, "standard error"]);
    for series in &plot.series {
        let name = [plot.legend.as_str(), &series.label].join(" ");
        for mark in &series.points {
            let error = mark.error.map(|error| error.to_string()).unwrap_or_default();
            let _ = writer.write_record([
                name.trim(),
                &mark.x.to_string(),
                &mark.y.to_string(),
                &error,
            ]);
        }
    }
    writer.into_inner().unwrap_or_default()
}
