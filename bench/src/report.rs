// SPDX-License-Identifier: GPL-2.0

//! The results, as a table for people and as JSON for programs.

use crate::rounds::Series;
use crate::stats::Summary;
use crate::workload::{Better, Figure};
use comfy_table::{presets, CellAlignment, Table};
use serde::Serialize;

/// What was measured of one workload.
pub struct Outcome {
    workload: String,
    figure: Figure,
    devpts: Summary,
    rdevpts: Summary,
    pipe: Option<Summary>,
    /// The cost of each round, of what was measured one right after the other.
    cost: Summary,
}

/// Where it was measured.
#[derive(Serialize)]
pub struct Place<'a> {
    /// The kernel's release.
    pub kernel: &'a str,
    /// What it ran on.
    pub machine: &'a str,
    /// What the clock went by.
    pub clock: &'a str,
    /// How many processors there were.
    pub cpus: usize,
}

/// One object of the JSON list.
#[derive(Serialize)]
pub struct Record<'a> {
    #[serde(flatten)]
    place: &'a Place<'a>,
    workload: &'a str,
    unit: &'a str,
    rdevpts: f64,
    devpts: f64,
    pipe: Option<f64>,
    /// `rdevpts` / `devpts`.
    ratio: f64,
    better: Better,
    /// Half the distance between the quartiles, as a share of the median.
    spread: Spread,
}

/// That of each subject.
#[derive(Serialize)]
struct Spread {
    rdevpts: f64,
    devpts: f64,
    pipe: Option<f64>,
}

impl Outcome {
    /// `None` if there is nothing to compare.
    pub fn new(
        workload: &str,
        figure: Figure,
        [devpts, rdevpts, pipe]: [Series; 3],
    ) -> Option<Self> {
        let (devpts, rdevpts) = (devpts?, rdevpts?);
        let costs = devpts
            .iter()
            .zip(&rdevpts)
            .map(|(&devpts, &rdevpts)| cost(figure.better(), rdevpts / devpts))
            .collect();
        Some(Self {
            workload: workload.into(),
            figure,
            cost: Summary::of(costs)?,
            devpts: Summary::of(devpts)?,
            rdevpts: Summary::of(rdevpts)?,
            pipe: pipe.and_then(Summary::of),
        })
    }

    fn ratio(&self) -> f64 {
        self.rdevpts.median / self.devpts.median
    }

    /// For the JSON list.
    pub fn record<'a>(&'a self, place: &'a Place) -> Record<'a> {
        Record {
            place,
            workload: &self.workload,
            unit: self.figure.unit(),
            rdevpts: self.rdevpts.median,
            devpts: self.devpts.median,
            pipe: self.pipe.map(|pipe| pipe.median),
            ratio: self.ratio(),
            better: self.figure.better(),
            spread: Spread {
                rdevpts: self.rdevpts.half_spread(),
                devpts: self.devpts.half_spread(),
                pipe: self.pipe.map(|pipe| pipe.half_spread()),
            },
        }
    }
}

/// What a ratio of figures means in time or work: below 1 is better than devpts, whatever the figure.
fn cost(better: Better, ratio: f64) -> f64 {
    match better {
        Better::Lower => ratio,
        Better::Higher => 1.0 / ratio,
    }
}

/// The table.
pub fn table(outcomes: &[Outcome]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header([
        "workload",
        "unit",
        "better",
        "devpts",
        "rdevpts",
        "pipe",
        "ratio",
        "cost",
        "cost, by round",
    ]);
    for outcome in outcomes {
        let better = outcome.figure.better();
        let ratio = outcome.ratio();
        let Summary { lower, upper, .. } = outcome.cost;
        table.add_row([
            outcome.workload.clone(),
            outcome.figure.unit().into(),
            match better {
                Better::Lower => "lower".into(),
                Better::Higher => "higher".into(),
            },
            figure(&outcome.devpts),
            figure(&outcome.rdevpts),
            outcome.pipe.as_ref().map_or("-".into(), figure),
            format!("{ratio:.2}"),
            format!("{:.2}", cost(better, ratio)),
            format!("{lower:.2}..{upper:.2}"),
        ]);
    }
    for column in table.column_iter_mut().skip(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// How to read the table.
pub const LEGEND: &str = "\
Figures are medians, ± half the distance between the quartiles. Ratio is rdevpts to devpts. Cost is the same as time or
work: below 1 is cheaper than devpts, whichever way the figure goes. By round: the quartiles of the rounds' own costs.";

fn figure(summary: &Summary) -> String {
    let median = summary.median;
    // Three digits that mean something.
    let digits = (2 - median.abs().log10().floor() as i32).clamp(0, 3) as usize;
    format!("{median:.digits$} ±{:2.0} %", summary.half_spread() * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(figure: Figure, devpts: [f64; 3], rdevpts: [f64; 3]) -> Outcome {
        let series = [Some(devpts.to_vec()), Some(rdevpts.to_vec()), None];
        Outcome::new("w", figure, series).unwrap()
    }

    #[test]
    fn ratio_and_cost_of_a_time() {
        let slower = outcome(Figure::Time, [10.0, 9.0, 11.0], [20.0, 18.0, 22.0]);
        assert_eq!((slower.ratio(), slower.cost.median), (2.0, 2.0));
    }

    #[test]
    fn ratio_and_cost_of_a_throughput() {
        let figure = Figure::Throughput { bytes: 1 };
        let faster = outcome(figure, [10.0, 9.0, 11.0], [20.0, 18.0, 22.0]);
        assert_eq!((faster.ratio(), faster.cost.median), (2.0, 0.5));
    }

    #[test]
    fn rounds_are_compared_with_their_own() {
        // The machine was slow in the second round, for both.
        let outcome = outcome(Figure::Time, [10.0, 90.0, 10.0], [11.0, 99.0, 11.0]);
        assert!((outcome.cost.upper - 1.1).abs() < 1e-9);
    }

    #[test]
    fn json_has_the_fields_that_are_promised() {
        let outcome = outcome(Figure::Time, [4.0, 6.0, 2.0], [2.0; 3]);
        let place = Place {
            kernel: "7.3",
            machine: "qemu",
            clock: "wall",
            cpus: 2,
        };
        assert_eq!(
            serde_json::to_value(outcome.record(&place)).unwrap(),
            serde_json::json!({
                "kernel": "7.3", "machine": "qemu", "clock": "wall", "cpus": 2,
                "workload": "w", "unit": "us", "rdevpts": 2.0, "devpts": 4.0, "pipe": null,
                "ratio": 0.5, "better": "lower",
                "spread": { "rdevpts": 0.0, "devpts": 0.25, "pipe": null },
            })
        );
    }

    #[test]
    fn figures_have_three_digits() {
        let say = |median| {
            figure(&Summary {
                lower: median * 0.9,
                median,
                upper: median * 1.1,
            })
        };
        assert_eq!(say(0.1234), "0.123 ±10 %");
        assert_eq!(say(1.234), "1.23 ±10 %");
        assert_eq!(say(123.4), "123 ±10 %");
        assert_eq!(say(12345.0), "12345 ±10 %");
    }
}
