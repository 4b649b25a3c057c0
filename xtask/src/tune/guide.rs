//! The part of `sysctl/README.md` that is derived from the profiles.

use super::profiles::{Applied, Knob, Profile};
use anyhow::Context;
use std::fmt::Write;

/// What stands before the derived part and behind it.
const BEGIN: &str = "<!-- derived from profiles/ by `cargo xtask tune guide`: do not edit below -->\n";

/// The guide with its derived part as the profiles say.
///
/// # Errors
/// The line that the derived part begins with is missing.
pub fn with_profiles(guide: &str, profiles: &[Profile]) -> anyhow::Result<String> {
    let (own, _) = guide.split_once(BEGIN).with_context(|| format!("the guide has no line {BEGIN:?}"))?;
    Ok(format!("{own}{BEGIN}{}", sections(profiles)))
}

fn sections(profiles: &[Profile]) -> String {
    let mut out = String::new();
    for profile in profiles {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "\n## {}\n\n{}", profile.name, profile.about.trim());
        let _ = writeln!(out, "\n| Knob | Value | Applied | Kernel's own |\n|---|---|---|---|");
        for knob in &profile.knobs {
            let (name, want) = (&knob.name, knob.want.words());
            let link = name.to_lowercase().replace(['.', '/'], "").replace(' ', "-");
            let applied = words(knob.applied);
            let _ = writeln!(out, "| [{name}](#{link}) | {want} | {applied} | {} |", knob.default);
        }
        for knob in &profile.knobs {
            section(&mut out, knob);
        }
    }
    out
}

fn words(applied: Applied) -> &'static str {
    match applied {
        Applied::Always => "by `tune apply`",
        Applied::Choice => "only `--with` its name",
        Applied::Never => "by hand",
    }
}

fn section(out: &mut String, knob: &Knob) {
    let Knob { name, path, default, why, measured, .. } = knob;
    let want = knob.want.words();
    let _ = writeln!(out, "\n### {name}\n\n`/{path}`: **{want}**. {}\n", why.trim());
    let _ = writeln!(out, "*Measured:* {}\n", measured.trim());
    let undo = match knob.applied {
        Applied::Never => format!("by hand; the kernel's own value: {default}."),
        _ => format!("`cargo xtask tune undo`; the kernel's own value: {default}."),
    };
    let _ = writeln!(out, "*Undo:* {undo}");
}
