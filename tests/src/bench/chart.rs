//! Charts: lines over a logarithmic size, as SVG that needs no program to be looked at.

use std::fmt::Write as _;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 210.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 52.0;

/// Colours that people tell apart, in the order of the lines.
const COLOURS: [&str; 6] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#555555",
];

/// A line: its name, and its points as size in bytes and value.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// As it stands beside the chart.
    pub(super) name: String,
    /// In the order of the sizes.
    pub(super) points: Vec<(f64, f64)>,
}

/// Draws lines over a size.
pub(super) fn draw(title: &str, unit: &str, lines: &[Line]) -> String {
    let points = lines.iter().flat_map(|line| &line.points);
    let (mut least, mut most, mut top) = (f64::INFINITY, 0.0_f64, 0.0_f64);
    for (size, value) in points {
        least = least.min(*size);
        most = most.max(*size);
        top = top.max(*value);
    }
    let step = nice(top / 5.0);
    let top = (top / step).ceil().max(1.0) * step;
    let wide = (most / least).log2().max(1.0);
    let x = |size: f64| LEFT + (size / least).log2() / wide * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"15\">{title}</text>\n"
    );
    let mut value = 0.0;
    while value <= top * 1.001 {
        let at = y(value);
        let end = WIDTH - RIGHT;
        push(
            &mut svg,
            format_args!(
                "<line x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{end}\" y2=\"{at:.1}\" stroke=\"#dddddd\"/>"
            ),
        );
        let (left, below) = (LEFT - 8.0, at + 4.0);
        push(
            &mut svg,
            format_args!(
                "<text x=\"{left}\" y=\"{below:.1}\" text-anchor=\"end\">{value:.0}</text>"
            ),
        );
        value += step;
    }
    let (left, above) = (LEFT - 8.0, TOP - 6.0);
    push(
        &mut svg,
        format_args!("<text x=\"{left}\" y=\"{above}\" text-anchor=\"end\">{unit}</text>"),
    );
    let mut size = f64::from(1 << 20);
    while size <= most * 1.001 {
        if size >= least * 0.999 {
            let (at, below) = (x(size), HEIGHT - BOTTOM + 18.0);
            push(
                &mut svg,
                format_args!(
                    "<text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"middle\">{}</text>",
                    told(size)
                ),
            );
        }
        size *= 4.0;
    }
    let (middle, below) = (LEFT + (WIDTH - LEFT - RIGHT) / 2.0, HEIGHT - 12.0);
    push(
        &mut svg,
        format_args!(
            "<text x=\"{middle}\" y=\"{below}\" text-anchor=\"middle\">size of what is saved</text>"
        ),
    );
    for (number, line) in lines.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let path = line
            .points
            .iter()
            .map(|(size, value)| format!("{:.1},{:.1}", x(*size), y(*value)));
        let path = path.collect::<Vec<_>>().join(" ");
        push(
            &mut svg,
            format_args!(
                "<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
            ),
        );
        for (size, value) in &line.points {
            push(
                &mut svg,
                format_args!(
                    "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>",
                    x(*size),
                    y(*value)
                ),
            );
        }
        let (at, from) = (TOP + 20.0 * number as f64, WIDTH - RIGHT + 14.0);
        push(
            &mut svg,
            format_args!(
                "<rect x=\"{from}\" y=\"{at}\" width=\"12\" height=\"12\" fill=\"{colour}\"/>"
            ),
        );
        let (from, at) = (from + 18.0, at + 11.0);
        push(
            &mut svg,
            format_args!("<text x=\"{from}\" y=\"{at}\">{}</text>", line.name),
        );
    }
    svg + "</svg>\n"
}

/// Adds a line; writing to a text cannot fail.
fn push(svg: &mut String, line: std::fmt::Arguments<'_>) {
    let _ = writeln!(svg, "{line}");
}

/// A step of 1, 2 or 5 times a power of ten that is at least this.
fn nice(least: f64) -> f64 {
    let power = 10_f64.powf(least.max(0.1).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps
        .into_iter()
        .find(|step| *step >= least)
        .unwrap_or(power)
}

fn told(size: f64) -> String {
    let mebi = size / f64::from(1 << 20);
    match mebi >= 1024.0 {
        true => format!("{:.0} GiB", mebi / 1024.0),
        false => format!("{mebi:.0} MiB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_drawn_and_named_and_steps_are_round() {
        let line = |name: &str, top| Line {
            name: name.to_owned(),
            points: vec![(1048576.0, 10.0), (4194304.0, top)],
        };
        let svg = draw(
            "Throughput",
            "MB/s",
            &[line("ours", 410.0), line("theirs", 50.0)],
        );
        assert_eq!(svg.matches("<polyline").count(), 2);
        for text in [">ours<", ">theirs<", ">1 MiB<", ">4 MiB<", ">500<", ">100<"] {
            assert!(svg.contains(text), "{text} is not in {svg}");
        }
        assert_eq!([nice(0.8), nice(41.0), nice(82.0)], [1.0, 50.0, 100.0]);
    }
}
