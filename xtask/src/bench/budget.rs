//! The lines of the table, and what the house allows itself in each.

use super::figures::{Load, Target};
use crate::harness::statistics::median;

/// A line of the table.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) decimals: usize,
    pub(super) budget: Budget,
    /// The figure of a target, given that of the direct way.
    pub(super) figure: fn(&Target, &Target) -> Option<f64>,
}

/// The most that a figure may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Budget {
    None,
    AtMost(f64),
    /// So many times nginx's figure.
    TimesNginx(f64),
}

pub(super) const LINES: &[Line] = &[
    Line {
        name: "whole answers, 32 connections: calls per second",
        decimals: 0,
        budget: Budget::None,
        figure: |target, _| median(&whole(target).calls_per_s),
    },
    Line {
        name: "… p50, ms",
        decimals: 2,
        budget: Budget::None,
        figure: |target, _| median(&whole(target).p50_ms),
    },
    Line {
        name: "… p99, ms",
        decimals: 2,
        budget: Budget::None,
        figure: |target, _| median(&whole(target).p99_ms),
    },
    Line {
        name: "… CPU per call, ms",
        decimals: 4,
        budget: Budget::TimesNginx(2.0),
        figure: |target, _| median(&whole(target).cpu_ms),
    },
    Line {
        name: "whole answers, 5,000 a second for all: p50, ms",
        decimals: 2,
        budget: Budget::None,
        figure: |target, _| median(&paced(target).p50_ms),
    },
    Line {
        name: "… p99, ms",
        decimals: 2,
        budget: Budget::None,
        figure: |target, _| median(&paced(target).p99_ms),
    },
    Line {
        name: "… CPU per call, ms",
        decimals: 4,
        budget: Budget::TimesNginx(2.0),
        figure: |target, _| median(&paced(target).cpu_ms),
    },
    Line {
        name: "streams of 53 events, 32 connections: streams per second",
        decimals: 0,
        budget: Budget::None,
        figure: |target, _| median(&stream(target).calls_per_s),
    },
    Line {
        name: "… p50, ms",
        decimals: 2,
        budget: Budget::None,
        figure: |target, _| median(&stream(target).p50_ms),
    },
    Line {
        name: "… p99, ms",
        decimals: 2,
        budget: Budget::None,
        figure: |target, _| median(&stream(target).p99_ms),
    },
    Line {
        name: "… CPU per stream, ms",
        decimals: 3,
        budget: Budget::TimesNginx(3.0),
        figure: |target, _| median(&stream(target).cpu_ms),
    },
    Line {
        name: "whole answers, one connection: p50, ms",
        decimals: 3,
        budget: Budget::None,
        figure: |target, _| median(&whole_alone(target).p50_ms),
    },
    Line {
        name: "… added p50, ms",
        decimals: 3,
        budget: Budget::AtMost(0.2),
        figure: |target, direct| added(whole_alone(target), whole_alone(direct)),
    },
    Line {
        name: "streams, one connection: p50, ms",
        decimals: 2,
        budget: Budget::None,
        figure: |target, _| median(&stream_alone(target).p50_ms),
    },
    Line {
        name: "resident memory, idle, MB",
        decimals: 1,
        budget: Budget::AtMost(30.0),
        figure: |target, _| median(&target.idle_mb),
    },
    Line {
        name: "resident memory, under load, MB",
        decimals: 1,
        budget: Budget::AtMost(60.0),
        figure: |target, _| target.busy_mb.iter().copied().max_by(f64::total_cmp),
    },
    Line {
        name: "start to first answered call, s",
        decimals: 3,
        budget: Budget::AtMost(0.3),
        figure: |target, _| median(&target.start_s),
    },
    Line {
        name: "hang-up of a stream reaches the upstream, s",
        decimals: 4,
        budget: Budget::AtMost(0.2),
        figure: |target, _| median(&target.hang_up_stream_s),
    },
    Line {
        name: "hang-up of a whole call reaches the upstream, s",
        decimals: 4,
        budget: Budget::AtMost(0.2),
        figure: |target, _| median(&target.hang_up_whole_s),
    },
    Line {
        name: "failed calls",
        decimals: 0,
        budget: Budget::AtMost(0.0),
        figure: |target, _| Some(target.errors as f64),
    },
];

fn whole(target: &Target) -> &Load {
    let [load, ..] = &target.loads;
    load
}

fn stream(target: &Target) -> &Load {
    let [_, load, ..] = &target.loads;
    load
}

fn whole_alone(target: &Target) -> &Load {
    let [_, _, load, ..] = &target.loads;
    load
}

fn stream_alone(target: &Target) -> &Load {
    let [_, _, _, load, _] = &target.loads;
    load
}

fn paced(target: &Target) -> &Load {
    let [.., load] = &target.loads;
    load
}

fn added(load: &Load, direct: &Load) -> Option<f64> {
    Some(median(&load.p50_ms)? - median(&direct.p50_ms)?)
}
