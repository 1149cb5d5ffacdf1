//! A figure over time as SVG: axes with units, a line per series, the two sixths that the verdict
//! compares. Colours follow the reader's preference for light or dark.

use std::fmt::Write;

/// A figure.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    pub(super) title: String,
    /// For those who cannot see it.
    pub(super) description: String,
    /// What the vertical axis counts.
    pub(super) unit: &'static str,
    /// Whether each tick of the vertical axis is ten times the one below, where a rare peak would
    /// else make everything flat.
    pub(super) by_tens: bool,
    pub(super) series: Vec<Series>,
    /// What the verdict compares: from one minute to another, at a height.
    pub(super) compared: Vec<(f64, f64, f64)>,
}

/// One line of it.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) name: &'static str,
    /// Minutes since the start, and the value.
    pub(super) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = WIDTH - 20.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = HEIGHT - 48.0;
/// No line has more points than that.
const POINTS: usize = 400;
/// About how many ticks an axis has.
const TICKS: f64 = 6.0;

const STYLE: &str = "svg{--paper:#fff;--ink:#1f2328;--faint:#d0d7de;--a:#0550ae;--b:#bc4c00}\
    @media (prefers-color-scheme:dark){\
    svg{--paper:#0d1117;--ink:#e6edf3;--faint:#30363d;--a:#79c0ff;--b:#ffa657}}\
    .paper{fill:var(--paper)}text{fill:var(--ink);font:12px system-ui,sans-serif}\
    .title{font-size:15px;font-weight:600}.grid{stroke:var(--faint)}\
    .line{fill:none;stroke-width:1.5;stroke-linejoin:round}.a{stroke:var(--a)}.b{stroke:var(--b)}\
    .compared{stroke:var(--ink);stroke-width:2;stroke-dasharray:6 4}";

/// The lines' classes, in order.
const CLASSES: [&str; 2] = ["a", "b"];

/// Draws a figure.
pub(super) fn draw(figure: &Figure) -> String {
    let points = || figure.series.iter().flat_map(|series| &series.points);
    let across = Scale::to(points().map(|point| point.0).fold(0.0, f64::max), LEFT, RIGHT);
    let heights = || points().map(|point| point.1);
    let highest = heights().fold(0.0, f64::max);
    let up = if figure.by_tens {
        let above_0 = heights().filter(|height| *height > 0.0);
        Scale::by_tens(above_0.fold(f64::INFINITY, f64::min), highest, BOTTOM, TOP)
    } else {
        Scale::to_next_tick(highest, BOTTOM, TOP)
    };
    let (title, description) = (escape(&figure.title), escape(&figure.description));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-labelledby=\"title desc\">\n<title id=\"title\">{title}</title>\n\
         <desc id=\"desc\">{description}</desc>\n<style>{STYLE}</style>\n\
         <rect class=\"paper\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n\
         <text class=\"title\" x=\"{LEFT}\" y=\"22\">{title}</text>\n"
    );
    axes(&mut svg, &across, &up, figure.unit);
    for (series, class) in figure.series.iter().zip(CLASSES) {
        let mut line = String::new();
        for (x, y) in thin(&series.points) {
            let _ = write!(line, "{:.1},{:.1} ", across.place(x), up.place(y));
        }
        let _ = writeln!(svg, "<polyline class=\"line {class}\" points=\"{}\"/>", line.trim_end());
    }
    for (from, to, value) in &figure.compared {
        let (from, to, y) = (across.place(*from), across.place(*to), up.place(*value));
        let _ = writeln!(
            svg,
            "<line class=\"compared\" x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
        );
    }
    legend(&mut svg, figure);
    svg.push_str("</svg>\n");
    svg
}

/// From values to places on the paper.
struct Scale {
    /// Where it begins; 0 but for a scale by tens.
    least: f64,
    most: f64,
    /// From tick to tick: what is added, or by tens the factor.
    step: f64,
    is_by_tens: bool,
    from: f64,
    to: f64,
}

impl Scale {
    fn to(most: f64, from: f64, to: f64) -> Self {
        let most = if most > 0.0 { most } else { 1.0 };
        Self { least: 0.0, most, step: step(most), is_by_tens: false, from, to }
    }

    /// One whose end is a tick.
    fn to_next_tick(most: f64, from: f64, to: f64) -> Self {
        let scale = Self::to(most, from, to);
        Self { most: (scale.most / scale.step).ceil() * scale.step, ..scale }
    }

    /// One from power of ten to power of ten, two of them at least.
    fn by_tens(least: f64, most: f64, from: f64, to: f64) -> Self {
        let least = if least.is_finite() { least } else { 1.0 };
        let least = 10_f64.powf(least.log10().floor());
        let most = 10_f64.powf(most.max(10.0 * least).log10().ceil());
        Self { least, most, step: 10.0, is_by_tens: true, from, to }
    }

    fn place(&self, value: f64) -> f64 {
        let share = if self.is_by_tens {
            (value.max(self.least) / self.least).ln() / (self.most / self.least).ln()
        } else {
            value / self.most
        };
        self.from + (self.to - self.from) * share
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        // What was calculated with fractions is a little off.
        let end = self.most * (1.0 + 1e-9);
        let ticks = (0_i32..).map(|number| {
            if self.is_by_tens {
                self.least * self.step.powi(number)
            } else {
                f64::from(number) * self.step
            }
        });
        ticks.take_while(move |tick| *tick <= end)
    }

    fn label(&self, tick: f64) -> String {
        let finest = if self.is_by_tens { tick } else { self.step };
        let decimals = if finest < 0.09 { 2 } else { usize::from(finest < 0.9) };
        format!("{tick:.decimals$}")
    }
}

/// 1, 2 or 5 times a power of ten, so that an axis to `most` has about [`TICKS`] ticks.
fn step(most: f64) -> f64 {
    let rough = most / TICKS;
    let power = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0].into_iter().map(|digit| digit * power);
    steps.into_iter().find(|step| *step >= rough).unwrap_or(10.0 * power)
}

fn axes(svg: &mut String, across: &Scale, up: &Scale, unit: &str) {
    for tick in up.ticks() {
        let (y, label) = (up.place(tick), up.label(tick));
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            LEFT - 8.0,
            y + 4.0
        );
    }
    for tick in across.ticks() {
        let (x, label) = (across.place(tick), across.label(tick));
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{BOTTOM}\" y2=\"{:.1}\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
            BOTTOM + 5.0,
            BOTTOM + 19.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{:.1}\" text-anchor=\"end\">{unit}</text>\
         <text x=\"{RIGHT}\" y=\"{:.1}\" text-anchor=\"end\">minutes</text>",
        TOP - 12.0,
        BOTTOM + 38.0
    );
}

fn legend(svg: &mut String, figure: &Figure) {
    let mut x = LEFT;
    let y = BOTTOM + 38.0;
    let compared = (!figure.compared.is_empty()).then_some(("compared", "compared"));
    let named = figure.series.iter().zip(CLASSES).map(|(series, class)| (series.name, class));
    for (name, class) in named.chain(compared) {
        let (end, line) = (x + 22.0, y - 4.0);
        let _ = writeln!(
            svg,
            "<line class=\"line {class}\" x1=\"{x:.1}\" x2=\"{end:.1}\" y1=\"{line:.1}\" \
             y2=\"{line:.1}\"/><text x=\"{:.1}\" y=\"{y:.1}\">{name}</text>",
            end + 6.0
        );
        x = end + 26.0 + 7.0 * name.chars().count() as f64;
    }
}

/// At most [`POINTS`] of the points: the highest of each group, since no peak may go unseen.
fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let group = points.len().div_ceil(POINTS).max(1);
    let highest = |group: &[(f64, f64)]| group.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1));
    points.chunks(group).filter_map(highest).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(points: usize) -> Figure {
        let points: Vec<_> = (0..points).map(|at| (at as f64 / 60.0, (at % 97) as f64)).collect();
        Figure {
            title: "Memory < 100 & more".to_owned(),
            description: "It stays.".to_owned(),
            unit: "MB",
            by_tens: false,
            series: vec![
                Series { name: "resident", points: points.clone() },
                Series { name: "heap", points },
            ],
            compared: vec![(1.0, 2.0, 50.0)],
        }
    }

    #[test]
    fn a_figure_is_small_and_says_what_it_shows() {
        let svg = draw(&figure(20_000));
        assert!(svg.len() < 40_000, "{}", svg.len());
        for part in [
            "<title id=\"title\">Memory &lt; 100 &amp; more</title>",
            "<desc id=\"desc\">It stays.</desc>",
            "prefers-color-scheme:dark",
            ">MB</text>",
            ">minutes</text>",
            ">heap</text>",
            ">compared</text>",
        ] {
            assert!(svg.contains(part), "{part} in {svg}");
        }
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert_eq!(svg.matches("<svg").count(), svg.matches("</svg>").count());
    }

    #[test]
    fn nothing_is_drawn_outside_of_the_paper() {
        for (points, by_tens) in [(0, false), (1, false), (700, false), (0, true), (700, true)] {
            let svg = draw(&Figure { by_tens, ..figure(points) });
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            for line in svg.split("points=\"").skip(1) {
                let (line, _) = line.split_once('"').unwrap();
                for point in line.split_whitespace() {
                    let (x, y) = point.split_once(',').unwrap();
                    let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
                    assert!((LEFT..=RIGHT).contains(&x) && (TOP..=BOTTOM).contains(&y));
                }
            }
        }
    }

    #[test]
    fn ticks_are_round() {
        for (most, expected) in [(60.0, 10.0), (15.0, 5.0), (2.0, 0.5), (7.3, 2.0), (180.0, 50.0)] {
            assert!((step(most) - expected).abs() < 1e-9, "{most}: {}", step(most));
        }
        let scale = Scale::to_next_tick(7.3, BOTTOM, TOP);
        assert_eq!(scale.ticks().collect::<Vec<_>>(), [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(scale.label(2.0), "2");
        assert_eq!(Scale::to(0.2, LEFT, RIGHT).label(0.05), "0.05");
        let scale = Scale::by_tens(0.42, 130.0, BOTTOM, TOP);
        let labels: Vec<_> = scale.ticks().map(|tick| scale.label(tick)).collect();
        assert_eq!(labels, ["0.1", "1", "10", "100", "1000"]);
        assert!((scale.place(10.0) - f64::midpoint(BOTTOM, TOP)).abs() < 1e-6);
    }

    #[test]
    fn thinning_keeps_the_peaks() {
        let mut points: Vec<_> = (0..10_000).map(|at| (f64::from(at), 1.0)).collect();
        points[5_003].1 = 9.0;
        let thinned = thin(&points);
        assert!(thinned.len() <= POINTS);
        assert!(thinned.contains(&(5_003.0, 9.0)));
    }
}
