//! What came of a run: tables for people, figures, a verdict for each figure.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::flat::{Allowance, LOWER_QUARTILE, MEDIAN, Verdict, part};
use super::mix::MIX;
use super::pace::Count;
use super::sample::{Sample, csv};
use super::svg::{Figure, Series, draw};
use crate::Error;

const MIB: f64 = 1024.0 * 1024.0;

/// A figure that must be flat.
struct Judged {
    file: &'static str,
    title: &'static str,
    unit: &'static str,
    by_tens: bool,
    allowance: Allowance,
    /// The values that are judged.
    value: Line,
    /// Another line of the same drawing.
    beside: Line,
}

/// A name, and what it is of a sample.
type Line = (&'static str, fn(&Sample) -> Option<f64>);

const JUDGED: &[Judged] = &[
    Judged {
        file: "memory.svg",
        title: "Resident memory",
        unit: "MiB",
        by_tens: false,
        allowance: Allowance { of: MEDIAN, share: 0.1, more: 4.0 },
        value: ("resident", |sample| Some(sample.holdings.resident_bytes as f64 / MIB)),
        beside: ("without files", |sample| Some(sample.holdings.anonymous_bytes as f64 / MIB)),
    },
    Judged {
        file: "handles.svg",
        title: "Open file handles",
        unit: "handles",
        by_tens: false,
        allowance: Allowance { of: MEDIAN, share: 0.0, more: 16.0 },
        value: ("file handles", |sample| Some(sample.holdings.handles as f64)),
        beside: ("threads", |sample| Some(sample.holdings.threads as f64)),
    },
    Judged {
        file: "latency.svg",
        title: "Latency of plain calls",
        unit: "ms",
        by_tens: true,
        allowance: Allowance { of: LOWER_QUARTILE, share: 0.5, more: 1.0 },
        value: ("p99", |sample| sample.p99_ms),
        beside: ("p50", |sample| sample.p50_ms),
    },
];

/// A run.
pub(super) struct Report {
    /// The machine, the pace, the database.
    pub(super) about: String,
    pub(super) counts: Vec<Count>,
    pub(super) samples: Vec<Sample>,
}

impl Report {
    /// Whether every answer was right and every figure is flat.
    pub(super) fn is_good(&self) -> bool {
        let flat = |judged: &Judged| judged.verdict(&self.samples).is_some_and(Verdict::is_flat);
        self.counts.iter().all(|count| count.wrong == 0) && JUDGED.iter().all(flat)
    }

    /// The tables, in Markdown.
    pub(super) fn render(&self) -> String {
        let mut text = String::from("| kind | calls | wrong | expected |\n|---|---|---|---|\n");
        for (entry, Count { right, wrong, .. }) in MIX.iter().zip(&self.counts) {
            let (calls, name, expected) = (right + wrong, entry.name, entry.expected);
            let _ = writeln!(text, "| {name} | {calls} | {wrong} | {expected} |");
        }
        let (right, wrong) = self
            .counts
            .iter()
            .fold((0, 0), |(right, wrong), count| (right + count.right, wrong + count.wrong));
        let _ = writeln!(text, "| all | {} | {wrong} | |\n", right + wrong);
        text.push_str(
            "| figure | second sixth | last sixth | at most | flat |\n|---|---|---|---|---|\n",
        );
        for judged in JUDGED {
            let _ = writeln!(text, "{}", judged.row(&self.samples));
        }
        for (name, bytes) in [
            ("data folder", self.disk(|sample| sample.disk.data)),
            ("journal", self.disk(|sample| sample.disk.journal)),
            ("database", self.disk(|sample| sample.disk.database)),
        ] {
            let _ = writeln!(text, "| {name}, MiB | {} | {} | – | – |", bytes.0, bytes.1);
        }
        let _ = writeln!(text, "\n{}.", self.about);
        for (entry, count) in MIX.iter().zip(&self.counts) {
            if let Some(first) = &count.first_wrong {
                let _ =
                    writeln!(text, "\n{}: {} wrong, the first: {first}", entry.name, count.wrong);
            }
        }
        text
    }

    /// Writes the samples and a drawing of each figure into a folder.
    pub(super) fn write(&self, folder: &Path) -> Result<(), Error> {
        let write = |name: &str, text: &str| {
            fs::write(folder.join(name), text).map_err(Error::io(format!("write {name}")))
        };
        write("samples.csv", &csv(&self.samples))?;
        for judged in JUDGED {
            write(judged.file, &draw(&judged.figure(&self.samples)))?;
        }
        Ok(())
    }

    /// Of the end of the second sixth, and of the end.
    fn disk(&self, bytes: fn(&Sample) -> u64) -> (String, String) {
        let last = |number| part(&self.samples, number).and_then(<[Sample]>::last).map(bytes);
        let shown = |bytes: Option<u64>| {
            bytes.map_or("–".to_owned(), |bytes| format!("{:.1}", bytes as f64 / MIB))
        };
        (shown(last(1)), shown(last(5)))
    }
}

impl Judged {
    fn verdict(&self, samples: &[Sample]) -> Option<Verdict> {
        let values: Vec<f64> = samples.iter().filter_map(self.value.1).collect();
        Verdict::of(&values, self.allowance)
    }

    fn row(&self, samples: &[Sample]) -> String {
        let name = format!("{}, {}", self.value.0, self.unit);
        let Some(verdict) = self.verdict(samples) else {
            return format!("| {name} | – | – | – | **too few samples** |");
        };
        let Verdict { early, late, most } = verdict;
        let flat = if verdict.is_flat() { "yes" } else { "**no**" };
        format!("| {name} | {early:.2} | {late:.2} | {most:.2} | {flat} |")
    }

    fn figure(&self, samples: &[Sample]) -> Figure {
        let minutes = |sample: &Sample| sample.seconds / 60.0;
        let series = [self.value, self.beside].map(|(name, value)| Series {
            name,
            points: samples.iter().filter_map(|it| Some((minutes(it), value(it)?))).collect(),
        });
        let verdict = self.verdict(samples);
        let span = |number, value| {
            let part = part(samples, number)?;
            Some((minutes(part.first()?), minutes(part.last()?), value))
        };
        let compared = verdict.map(|it| [span(1, it.early), span(5, it.late)]);
        let description = verdict.map_or("Too few samples.".to_owned(), |it| {
            let which = if self.allowance.of == MEDIAN { "median" } else { "lower quartile" };
            format!(
                "Over time, in {}. The {which} of {} in the second sixth of the run is {:.2}, in \
                 the last {:.2}; at most {:.2} counts as flat.",
                self.unit, self.value.0, it.early, it.late, it.most
            )
        });
        Figure {
            title: self.title.to_owned(),
            description,
            unit: self.unit,
            by_tens: self.by_tens,
            series: series.into(),
            compared: compared.into_iter().flatten().flatten().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::process::Holdings;

    fn report(growth: u64, wrong: u64) -> Report {
        let samples = (0..60_u64).map(|at| {
            let resident_bytes = (100 << 20) + at * growth;
            let holdings =
                Holdings { resident_bytes, handles: 40, threads: 8, ..Holdings::default() };
            let sample = Sample { seconds: at as f64, holdings, ..Sample::default() };
            sample.with_latencies(&[1.0, 2.0])
        });
        let mut counts = vec![Count { right: 5, ..Count::default() }; MIX.len()];
        counts[0].wrong = wrong;
        counts[0].first_wrong = (wrong > 0).then(|| "expected 200".to_owned());
        Report { about: "A machine".to_owned(), counts, samples: samples.collect() }
    }

    #[test]
    fn a_run_is_good_when_all_is_right_and_flat() {
        assert!(report(0, 0).is_good());
        assert!(!report(0, 1).is_good());
        assert!(!report(1 << 19, 0).is_good());
        assert!(!Report { samples: Vec::new(), ..report(0, 0) }.is_good());
    }

    #[test]
    fn the_tables_tell_why() {
        let text = report(1 << 19, 2).render();
        assert!(text.contains("| whole answer | 7 | 2 | 200, usage in it |"), "{text}");
        assert!(text.contains("| resident, MiB | 107.00 | 127.00 | 121.70 | **no** |"), "{text}");
        assert!(text.contains("| p99, ms | 2.00 | 2.00 | 4.00 | yes |"), "{text}");
        assert!(text.contains("whole answer: 2 wrong, the first: expected 200"), "{text}");
    }

    #[test]
    fn a_drawing_of_each_figure_is_written() {
        let folder = tempfile::tempdir().unwrap();
        report(0, 0).write(folder.path()).unwrap();
        for judged in JUDGED {
            let svg = fs::read_to_string(folder.path().join(judged.file)).unwrap();
            assert!(svg.contains(judged.title) && svg.contains("class=\"compared\""));
        }
        let csv = fs::read_to_string(folder.path().join("samples.csv")).unwrap();
        assert_eq!(csv.lines().count(), 61);
    }
}
