//! A profile as a page of Markdown.

use super::syscalls::{CLASSES, Calls};
use super::{Profile, Spent};
use std::fmt::Write;

/// Width of the longest bar of a histogram.
const BAR: u64 = 30;

/// The whole page.
pub(super) fn page(profile: &Profile) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = head(&mut out, profile);
    let _ = counters(&mut out, profile);
    let _ = functions(&mut out, profile);
    let _ = changes(&mut out, profile);
    let _ = absences(&mut out, profile);
    let _ = syscalls(&mut out, profile);
    out
}

fn head(out: &mut String, profile: &Profile) -> std::fmt::Result {
    let host = &profile.host;
    writeln!(out, "# Profile: {}, {}, {}\n", profile.scenario, profile.head.name, host.date)?;
    let machine = if host.virtual_machine { "virtual machine" } else { "bare metal" };
    writeln!(
        out,
        "Kernel {}; {}, {} CPUs online, {machine}; load average at the start: {}.\n",
        host.kernel, host.cpu, host.cpus, host.load_average
    )?;
    writeln!(out, "Server: `{}`; load: `{}`. ", profile.server, profile.load)?;
    writeln!(
        out,
        "Recordings of {} s (system calls: at most 2 s); {} samples in a second of CPU time, by the kernel's cpu-clock.\n",
        profile.seconds, profile.frequency
    )?;
    if profile.lost > 0 {
        writeln!(out, "**{} records were lost: perf's buffers were full.**\n", profile.lost)?;
    }
    let mut files = vec!["[cpu.svg](cpu.svg)"];
    if profile.absences.values().any(|absence| absence.waited_us + absence.preempted_us > 0) {
        files.push("[offcpu.svg](offcpu.svg)");
    }
    if profile.base.is_some() {
        files.push("[cpu-difference.svg](cpu-difference.svg)");
    }
    writeln!(out, "Flame graphs: {}.\n", files.join(", "))
}

fn counters(out: &mut String, profile: &Profile) -> std::fmt::Result {
    writeln!(out, "## For each operation\n")?;
    let servers: Vec<&Spent> = profile.base.iter().chain([&profile.head]).collect();
    let names: Vec<&str> = servers.iter().map(|spent| spent.name.as_str()).collect();
    writeln!(out, "| event | unit | {} |", names.join(" | "))?;
    writeln!(out, "| :--- | :--- |{}", " ---: |".repeat(servers.len()))?;
    let rows: Vec<_> = servers.iter().map(|spent| spent.counts.per_operation(spent.operations)).collect();
    for (index, (event, _)) in rows[0].iter().enumerate() {
        let cells: Vec<String> = rows.iter().filter_map(|row| Some(figure(row.get(index)?.1))).collect();
        writeln!(out, "| {} | {} | {} |", event.name, event.unit, cells.join(" | "))?;
    }
    let operations: Vec<String> = servers.iter().map(|spent| spent.operations.to_string()).collect();
    writeln!(out, "\nOperations: {}. Not counted on this machine:\n", operations.join(", "))?;
    for missing in &profile.head.counts.missing {
        writeln!(out, "- {}: {}", missing.name, missing.reason)?;
    }
    writeln!(out)
}

fn functions(out: &mut String, profile: &Profile) -> std::fmt::Result {
    writeln!(out, "## Where the CPU time goes\n")?;
    for thread in &profile.threads {
        writeln!(out, "### {} ({} samples)\n", thread.name, thread.weight)?;
        writeln!(out, "| own | with callees | function |\n| ---: | ---: | :--- |")?;
        for function in &thread.functions {
            let (own, total) = (function.own * 100.0, function.total * 100.0);
            writeln!(out, "| {own:.1} % | {total:.1} % | {} |", code(&function.name))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn changes(out: &mut String, profile: &Profile) -> std::fmt::Result {
    let Some(base) = &profile.base else { return Ok(()) };
    writeln!(out, "## What has changed since {}\n", base.name)?;
    let samples: u64 = profile.threads.iter().map(|thread| thread.weight).sum();
    writeln!(
        out,
        "CPU time of an operation: {:.3} us, was {:.3} us. One sample stands for {:.1} ns of it: a difference of a few \
         samples is chance.\n",
        profile.head.cpu_us(),
        base.cpu_us(),
        profile.head.cpu_us() * 1000.0 / samples.max(1) as f64
    )?;
    writeln!(out, "| change, ns | before | after | function (own time) |\n| ---: | ---: | ---: | :--- |")?;
    for change in &profile.changes {
        let (before, after) = (change.before_ns, change.after_ns);
        writeln!(out, "| {:+.1} | {before:.1} | {after:.1} | {} |", after - before, code(&change.name))?;
    }
    writeln!(out)
}

fn absences(out: &mut String, profile: &Profile) -> std::fmt::Result {
    writeln!(out, "## Off the CPU\n")?;
    writeln!(out, "| thread | waits | waiting, ms | preemptions | preempted, ms |")?;
    writeln!(out, "| :--- | ---: | ---: | ---: | ---: |")?;
    for (thread, absence) in &profile.absences {
        writeln!(
            out,
            "| {thread} | {} | {:.1} | {} | {:.1} |",
            absence.waits,
            absence.waited_us as f64 / 1000.0,
            absence.preemptions,
            absence.preempted_us as f64 / 1000.0
        )?;
    }
    writeln!(out)
}

fn syscalls(out: &mut String, profile: &Profile) -> std::fmt::Result {
    writeln!(out, "## System calls\n")?;
    let operations = profile.syscall_operations;
    writeln!(
        out,
        "While {operations} operations were processed; times include waiting, and what tracing costs.\n"
    )?;
    writeln!(out, "| call | calls | for each operation | errors | mean, us | median below | 99 % below |")?;
    writeln!(out, "| :--- | ---: | ---: | ---: | ---: | ---: | ---: |")?;
    let mut rows: Vec<(&String, &Calls)> = profile.syscalls.iter().collect();
    rows.sort_by_key(|(_, calls)| std::cmp::Reverse(calls.calls));
    for (name, calls) in &rows {
        let bound = |share| calls.quantile_us(share).map_or("-".to_owned(), |us| format!("{us} us"));
        writeln!(
            out,
            "| {name} | {} | {} | {} | {:.1} | {} | {} |",
            calls.calls,
            figure(calls.calls as f64 / operations.max(1) as f64),
            calls.errors,
            calls.time_ns as f64 / 1000.0 / calls.calls.max(1) as f64,
            bound(0.5),
            bound(0.99)
        )?;
    }
    for (name, calls) in rows.iter().take(3) {
        writeln!(out, "\n```\n{name}")?;
        histogram(out, calls)?;
        writeln!(out, "```")?;
    }
    Ok(())
}

fn histogram(out: &mut String, calls: &Calls) -> std::fmt::Result {
    let most = calls.histogram.iter().copied().max().unwrap_or_default().max(1);
    for (class, &count) in calls.histogram.iter().enumerate().filter(|&(_, &count)| count > 0) {
        let bound = if class + 1 < CLASSES { format!("< {} us", 1u64 << class) } else { "longer".to_owned() };
        let bar = "#".repeat((count * BAR).div_ceil(most) as usize);
        writeln!(out, "{bound:>12} {count:>9} {bar}")?;
    }
    Ok(())
}

/// A figure with as many digits as say something.
fn figure(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 1.0 => format!("{value:.2}"),
        value => format!("{value:.5}"),
    }
}

/// A name in a cell: a bar would end it.
fn code(name: &str) -> String {
    format!("`{}`", name.replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    use super::super::{Absence, Change, Function, Thread};
    use super::*;
    use crate::bench::Host;
    use crate::counters::{Counts, Missing};

    fn spent(name: &str, clock: u64) -> Spent {
        let missing = vec![Missing { name: "cycles".to_owned(), reason: "no counter".to_owned() }];
        let counts = Counts { values: [("task-clock".to_owned(), clock)].into(), missing };
        Spent { name: name.to_owned(), operations: 1000, counts }
    }

    #[test]
    fn the_page_has_every_part() {
        let mut histogram = vec![0; CLASSES];
        histogram[2] = 10;
        let calls = Calls { calls: 10, errors: 1, time_ns: 30_000, histogram };
        let functions = vec![Function { name: "a|b".to_owned(), own: 0.5, total: 1.0 }];
        let profile = Profile {
            scenario: "get".to_owned(),
            host: Host::read(0),
            server: "boxcar".to_owned(),
            load: "boxcar-load".to_owned(),
            seconds: 5.0,
            frequency: 1999,
            head: spent("head", 2_000_000),
            threads: vec![Thread { name: "io-0".to_owned(), weight: 7, functions }],
            absences: [("io-0".to_owned(), Absence { waits: 3, waited_us: 4500, ..Absence::default() })]
                .into(),
            syscall_operations: 20,
            syscalls: [("read".to_owned(), calls)].into(),
            lost: 5,
            base: Some(spent("base", 3_000_000)),
            changes: vec![Change { name: "parse".to_owned(), before_ns: 300.0, after_ns: 100.0 }],
        };
        let page = page(&profile);
        for expected in [
            "| task-clock | ns on a CPU | 3000 | 2000 |",
            "- cycles: no counter",
            "| 50.0 % | 100.0 % | `a\\|b` |",
            "| -200.0 | 300.0 | 100.0 | `parse` |",
            "2.000 us, was 3.000 us",
            "| io-0 | 3 | 4.5 | 0 | 0.0 |",
            "| read | 10 | 0.50000 | 1 | 3.0 | 4 us | 4 us |",
            "      < 4 us        10 ##",
            "5 records were lost",
        ] {
            assert!(page.contains(expected), "{expected} is not in\n{page}");
        }
    }
}
