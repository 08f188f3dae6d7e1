//! The report: tables that can be pasted into a document.

/// A table, printed row by row as the numbers come.
pub(super) struct Table;

impl Table {
    /// Begins with a heading and the names of the columns.
    pub(super) fn begin(heading: &str, columns: &[&str]) -> Self {
        println!("\n### {heading}\n");
        let table = Self;
        table.row(columns);
        table.row(&vec!["---"; columns.len()]);
        table
    }

    /// Prints one row.
    pub(super) fn row(&self, cells: &[&str]) {
        println!("| {} |", cells.join(" | "));
    }
}

/// Says something between tables.
pub(super) fn say(text: &str) {
    println!("\n{text}");
}

/// Tells on the side what is being done: it is no part of the report.
pub(super) fn aside(text: &str) {
    eprintln!("bench: {text} ...");
}

/// Megabytes (10^6) a second.
pub(super) fn rate(bytes: u64, seconds: f64) -> String {
    format!("{:.0}", bytes as f64 / 1e6 / seconds)
}

/// Seconds.
pub(super) fn seconds(seconds: f64) -> String {
    format!("{seconds:.1}")
}

/// KiB as MiB.
pub(super) fn mebi(kib: u64) -> String {
    format!("{:.0}", kib as f64 / 1024.0)
}
