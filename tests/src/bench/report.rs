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

/// The middle and the value that 95 of a hundred do not exceed, of numbers in any order.
pub(super) fn middle_and_most(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let index = (values.len() as f64 * share).ceil() as usize;
        values
            .get(index.saturating_sub(1))
            .copied()
            .unwrap_or_default()
    };
    (at(0.5), at(0.95))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn middle_and_most_are_values_that_were_there() {
        let values: Vec<f64> = (1..=30).rev().map(f64::from).collect();
        assert_eq!(middle_and_most(values), (15.0, 29.0));
        assert_eq!(middle_and_most(vec![7.0]), (7.0, 7.0));
    }
}
