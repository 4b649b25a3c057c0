//! `cargo xtask tune`: compares a machine with the profiles of `sysctl/`, and applies and undoes them.
//!
//! Nothing is changed that was not printed, and nothing is undone that was not changed.

mod guide;
mod machine;
mod profiles;
mod state;

use crate::workspace::root;
use anyhow::{Context, bail};
use machine::{Finding, Machine};
use profiles::{Applied, Profile};
use state::State;
use std::path::PathBuf;

/// The guide, below the workspace's root.
const GUIDE: &str = "sysctl/README.md";

/// What `cargo xtask tune` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// What to do
    #[command(subcommand)]
    action: Action,
    /// Another root than /, with proc and sys below it
    #[arg(long, default_value = "/", global = true)]
    root: PathBuf,
    /// Where what was changed is kept until it is undone
    #[arg(long, default_value = "/var/lib/boxcar/tune.json", global = true)]
    state: PathBuf,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Compare this machine with the profiles, and explain each gap
    Check {
        /// Only these profiles
        profiles: Vec<String>,
    },
    /// Close the gaps; `undo` takes it back
    Apply {
        /// Only these profiles
        profiles: Vec<String>,
        /// Also this knob, which has a price; may be repeated
        #[arg(long, value_name = "KNOB")]
        with: Vec<String>,
        /// Only show what would be changed
        #[arg(long)]
        dry_run: bool,
    },
    /// Restore what `apply` has changed
    Undo {
        /// Also what somebody else has changed since
        #[arg(long)]
        force: bool,
        /// Only show what would be restored
        #[arg(long)]
        dry_run: bool,
    },
    /// Write the derived part of the guide
    Guide,
}

/// Does what was asked for.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let machine = Machine::at(&arguments.root);
    match &arguments.action {
        Action::Check { profiles } => {
            print!("{}", check(&machine, &chosen(profiles)?)?);
            Ok(())
        }
        Action::Apply { profiles, with, dry_run } => {
            let gaps = gaps(&machine, &chosen(profiles)?, with)?;
            if *dry_run {
                for gap in &gaps {
                    println!("{}: {} -> {} ({})", gap.name, gap.value, gap.wanted, gap.path);
                }
                println!("{} would be changed; nothing was", gaps.len());
                return Ok(());
            }
            State::open(&arguments.state)?.apply(&machine, &gaps, &mut |line| println!("{line}"))?;
            println!("{} changed; `cargo xtask tune undo` restores what was", gaps.len());
            Ok(())
        }
        Action::Undo { force, dry_run } => {
            let state = State::open(&arguments.state)?;
            if state.changes()?.is_empty() {
                println!("there is nothing to undo");
            }
            if *dry_run {
                for change in state.changes()?.iter().rev() {
                    println!(
                        "{}: {} -> {} ({})",
                        change.name,
                        machine.read(&change.path)?,
                        change.before,
                        change.path
                    );
                }
                return Ok(());
            }
            state.undo(&machine, *force, &mut |line| println!("{line}"))
        }
        Action::Guide => {
            let path = root().join(GUIDE);
            let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            std::fs::write(&path, guide::with_profiles(&text, &all()?)?)?;
            println!("{GUIDE} is up to date");
            Ok(())
        }
    }
}

fn all() -> anyhow::Result<Vec<Profile>> {
    profiles::read(&root().join("sysctl/profiles"))
}

/// The profiles of these names; all if there is none.
fn chosen(names: &[String]) -> anyhow::Result<Vec<Profile>> {
    let mut profiles = all()?;
    if let Some(unknown) = names.iter().find(|name| !profiles.iter().any(|profile| profile.name == **name)) {
        let known: Vec<&str> = profiles.iter().map(|profile| profile.name.as_str()).collect();
        bail!("no profile {unknown:?}; there are {}", known.join(", "));
    }
    profiles.retain(|profile| names.is_empty() || names.contains(&profile.name));
    Ok(profiles)
}

/// What `apply` has to change.
fn gaps(machine: &Machine, profiles: &[Profile], with: &[String]) -> anyhow::Result<Vec<Finding>> {
    let knobs = || profiles.iter().flat_map(|profile| &profile.knobs);
    if let Some(unknown) = with.iter().find(|name| !knobs().any(|knob| knob.name == **name)) {
        bail!("no knob {unknown:?} in these profiles");
    }
    let mut gaps = Vec::new();
    for knob in knobs() {
        if knob.applied == Applied::Always || knob.applied == Applied::Choice && with.contains(&knob.name) {
            gaps.extend(machine.look(knob)?.into_iter().filter(|finding| !finding.met));
        }
    }
    Ok(gaps)
}

/// What `check` prints.
fn check(machine: &Machine, profiles: &[Profile]) -> anyhow::Result<String> {
    let (mut lines, mut met, mut open) = (Vec::new(), 0, 0);
    for profile in profiles {
        lines.push(format!("[{}]", profile.name));
        for knob in &profile.knobs {
            let findings = machine.look(knob)?;
            if findings.is_empty() {
                lines.push(format!("  absent  {}: this machine has no /{}", knob.name, knob.path));
            }
            // Once for all files of the knob.
            let mut explained = false;
            for finding in findings {
                let Finding { name, path, value, .. } = &finding;
                if finding.met {
                    met += 1;
                    lines.push(format!("  ok      {name} = {value}"));
                    continue;
                }
                let mark = match finding.applied {
                    Applied::Always => "gap   ",
                    Applied::Choice => "choice",
                    Applied::Never => "advice",
                };
                open += usize::from(finding.applied != Applied::Choice);
                lines.push(format!("  {mark}  {name} = {value}, should be {} (/{path})", knob.want.words()));
                if std::mem::replace(&mut explained, true) {
                    continue;
                }
                lines
                    .push(format!("          {}", knob.why.split_whitespace().collect::<Vec<_>>().join(" ")));
                lines.push(format!("          See {GUIDE}, section \"{name}\"."));
            }
        }
    }
    lines.push(format!("{met} as they should be, {open} not; a choice has a price, and is no gap."));
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::profiles::{Knob, Want};
    use super::*;
    use std::fs;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A folder with files in it, which stands for a machine.
    pub(super) struct FakeRoot {
        pub path: PathBuf,
    }

    impl FakeRoot {
        pub fn new(files: &[(&str, &str)]) -> FakeRoot {
            static NUMBER: AtomicU32 = AtomicU32::new(0);
            let name =
                format!("boxcar-tune-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
            let path = std::env::temp_dir().join(name);
            fs::create_dir_all(&path).unwrap();
            for (file, text) in files {
                let file = path.join(file);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, text).unwrap();
            }
            FakeRoot { path }
        }

        pub fn text(&self, file: &str) -> String {
            fs::read_to_string(self.path.join(file)).unwrap()
        }
    }

    impl Drop for FakeRoot {
        fn drop(&mut self) {
            let _removed = fs::remove_dir_all(&self.path);
        }
    }

    pub(super) fn knob(name: &str, path: &str, want: Want) -> Knob {
        let text = || "text".to_owned();
        Knob {
            name: name.to_owned(),
            path: path.to_owned(),
            want,
            default: text(),
            why: text(),
            measured: text(),
            applied: Applied::Always,
        }
    }

    #[test]
    fn the_guide_is_what_the_profiles_say() {
        let guide = fs::read_to_string(root().join(GUIDE)).unwrap();
        let expected = guide::with_profiles(&guide, &all().unwrap()).unwrap();
        assert!(guide == expected, "run `cargo xtask tune guide`");
    }

    #[test]
    fn this_machine_is_checked_knob_by_knob() {
        let profiles = all().unwrap();
        let text = check(&Machine::at(std::path::Path::new("/")), &profiles).unwrap();
        for knob in profiles.iter().flat_map(|profile| &profile.knobs) {
            assert!(text.contains(&knob.name), "{} is not in\n{text}", knob.name);
            assert!(!knob.why.is_empty() && !knob.measured.is_empty(), "{}", knob.name);
        }
    }

    #[test]
    fn a_whole_machine_is_tuned_and_untuned() {
        let root = FakeRoot::new(&[
            ("proc/sys/net/core/somaxconn", "128\n"),
            ("proc/sys/vm/overcommit_memory", "0\n"),
            ("proc/sys/vm/swappiness", "1\n"),
            ("proc/sys/net/core/busy_read", "0\n"),
            ("sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n"),
        ]);
        let (machine, profiles) = (Machine::at(&root.path), all().unwrap());
        let text = check(&machine, &profiles).unwrap();
        assert!(text.contains("gap     net.core.somaxconn = 128, should be at least 4096"), "{text}");
        assert!(
            text.contains("ok      vm.swappiness = 1") && text.contains("choice  net.core.busy_read = 0"),
            "{text}"
        );
        let state = State::open(&root.path.join("state/tune.json")).unwrap();
        let wanted = gaps(&machine, &profiles, &[]).unwrap();
        let names: Vec<&str> = wanted.iter().map(|gap| gap.name.as_str()).collect();
        assert_eq!(names, ["vm.overcommit_memory", "transparent_hugepage/enabled", "net.core.somaxconn"]);
        state.apply(&machine, &wanted, &mut |_| {}).unwrap();
        assert!(gaps(&machine, &profiles, &[]).unwrap().is_empty());
        assert_eq!(root.text("proc/sys/net/core/somaxconn"), "4096");
        assert_eq!(gaps(&machine, &profiles, &["net.core.busy_read".to_owned()]).unwrap().len(), 1);
        state.undo(&machine, false, &mut |_| {}).unwrap();
        assert_eq!(root.text("proc/sys/net/core/somaxconn"), "128");
        assert_eq!(root.text("sys/kernel/mm/transparent_hugepage/enabled"), "never");
        assert!(gaps(&machine, &profiles, &["no.such".to_owned()]).is_err());
    }
}
