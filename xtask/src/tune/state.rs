//! Changing knobs, and restoring exactly what was changed.
//!
//! The state file is written, and on disk, before the first knob is touched: it has every change that is about to be made with the
//! value from before. A run that is killed half-way is therefore undone like one that came to its end: knobs that do not have
//! the value that was to be written are left alone.

use super::machine::{Finding, Machine, write_whole};
use super::profiles::same;
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The knob's name.
    pub name: String,
    /// Its file, below the root.
    pub path: String,
    /// What was in it.
    pub before: String,
    /// What was written.
    pub after: String,
}

/// The state file.
#[derive(Debug)]
pub struct State {
    file: PathBuf,
    /// Held while this lives: one run at a time.
    _lock: fs::File,
}

impl State {
    /// The state in `file`, for this run alone.
    ///
    /// # Errors
    /// Another run has it, or the folder cannot be written.
    pub fn open(file: &Path) -> anyhow::Result<State> {
        let lock = file.with_extension("lock");
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let open = fs::File::create(&lock).with_context(|| format!("cannot create {}", lock.display()))?;
        open.try_lock().with_context(|| format!("another run has {}", lock.display()))?;
        Ok(State { file: file.to_owned(), _lock: open })
    }

    /// What is in force, in the order in which it was changed.
    pub fn changes(&self) -> anyhow::Result<Vec<Change>> {
        match fs::read(&self.file) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| self.file.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error).with_context(|| self.file.display().to_string()),
        }
    }

    fn save(&self, changes: &[Change]) -> anyhow::Result<()> {
        if !changes.is_empty() {
            return write_whole(&self.file, &serde_json::to_vec_pretty(changes)?);
        }
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Makes every finding what it should be; all of them or none. `say` is told of each.
    ///
    /// # Errors
    /// A knob cannot be written, or the kernel takes it as something else: then everything is as it was.
    pub fn apply(
        &self,
        machine: &Machine,
        findings: &[Finding],
        say: &mut dyn FnMut(String),
    ) -> anyhow::Result<()> {
        let old = self.changes()?;
        let mut all = old.clone();
        let mut new = Vec::new();
        for finding in findings {
            let change = Change {
                name: finding.name.clone(),
                path: finding.path.clone(),
                before: finding.value.clone(),
                after: finding.wanted.clone(),
            };
            match all.iter_mut().find(|earlier| earlier.path == change.path) {
                // Ours, interrupted or with another value: what was there before us stays the value to restore.
                Some(earlier)
                    if same(&change.before, &earlier.after) || same(&change.before, &earlier.before) =>
                {
                    earlier.after.clone_from(&change.after);
                }
                // Somebody else's since: that is what undoing restores.
                Some(earlier) => earlier.clone_from(&change),
                None => all.push(change.clone()),
            }
            new.push(change);
        }
        self.save(&all)?;
        for (index, change) in new.iter().enumerate() {
            say(format!("{}: {} -> {} ({})", change.name, change.before, change.after, change.path));
            if let Err(error) = set(machine, &change.path, &change.after) {
                let back: Vec<_> =
                    new[..=index].iter().rev().map(|change| restore(machine, change, true)).collect();
                if back.iter().any(Result::is_err) {
                    // The state keeps all of it.
                    return Err(error.context("not everything could be taken back: `tune undo` tries again"));
                }
                self.save(&old)?;
                return Err(error.context("nothing was changed"));
            }
        }
        Ok(())
    }

    /// Restores what was changed, last change first. What somebody else has changed since is left alone, unless `force`.
    ///
    /// # Errors
    /// Something was left alone, or could not be written; it stays in the state.
    pub fn undo(&self, machine: &Machine, force: bool, say: &mut dyn FnMut(String)) -> anyhow::Result<()> {
        let changes = self.changes()?;
        let mut kept = Vec::new();
        for change in changes.iter().rev() {
            match restore(machine, change, force) {
                Ok(line) => say(line),
                Err(error) => {
                    say(format!("{}: {error:#}", change.name));
                    kept.insert(0, change.clone());
                }
            }
        }
        self.save(&kept)?;
        if !kept.is_empty() {
            bail!("{} of {} changes are not undone", kept.len(), changes.len());
        }
        Ok(())
    }
}

/// Restores one change, and says so. What somebody else has changed since is an error, unless `force`.
fn restore(machine: &Machine, change: &Change, force: bool) -> anyhow::Result<String> {
    let Change { name, path, before, after } = change;
    let now = machine.read(path)?;
    if same(&now, before) {
        return Ok(format!("{name}: is {before} ({path})"));
    }
    if !same(&now, after) && !force {
        bail!("somebody has set it to {now} since; --force restores {before} all the same");
    }
    set(machine, path, before)?;
    Ok(format!("{name}: {now} -> {before} ({path})"))
}

/// Writes a value, and makes sure that the kernel has taken it.
fn set(machine: &Machine, path: &str, value: &str) -> anyhow::Result<()> {
    machine.write(path, value)?;
    let now = machine.read(path)?;
    if !same(&now, value) {
        bail!("{path}: {value:?} was written, and the kernel made {now:?} of it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::profiles::Applied;
    use super::super::tests::FakeRoot;
    use super::*;

    fn finding(path: &str, value: &str, wanted: &str) -> Finding {
        Finding {
            name: path.to_owned(),
            path: path.to_owned(),
            value: value.to_owned(),
            wanted: wanted.to_owned(),
            met: false,
            applied: Applied::Always,
        }
    }

    fn quiet(_: String) {}

    #[test]
    fn what_is_applied_is_undone_exactly() {
        let root = FakeRoot::new(&[("a", "1\n"), ("b", "x y\n"), ("c", "7\n")]);
        let (machine, state) = (Machine::at(&root.path), State::open(&root.path.join("state.json")).unwrap());
        state.apply(&machine, &[finding("a", "1", "2"), finding("b", "x y", "z")], &mut quiet).unwrap();
        assert_eq!((root.text("a"), root.text("b"), root.text("c")), ("2".into(), "z".into(), "7\n".into()));
        // Once more with another value: what was there first is what comes back.
        state.apply(&machine, &[finding("a", "2", "3")], &mut quiet).unwrap();
        state.undo(&machine, false, &mut quiet).unwrap();
        assert_eq!(
            (root.text("a"), root.text("b"), root.text("c")),
            ("1".into(), "x y".into(), "7\n".into())
        );
        assert!(state.changes().unwrap().is_empty() && !root.path.join("state.json").exists());
        state.undo(&machine, false, &mut quiet).unwrap();
    }

    #[test]
    fn a_knob_that_cannot_be_set_takes_the_others_back() {
        let root = FakeRoot::new(&[("a", "1\n")]);
        let (machine, state) = (Machine::at(&root.path), State::open(&root.path.join("state.json")).unwrap());
        let missing = finding("no/such", "1", "2");
        let error = state.apply(&machine, &[finding("a", "1", "2"), missing], &mut quiet).unwrap_err();
        // What was never there cannot be read back, so the state keeps it; the other knob is as it was.
        assert!(format!("{error:#}").contains("no/such"), "{error:#}");
        assert_eq!(root.text("a").trim(), "1");
        assert_eq!(state.changes().unwrap().len(), 2);
    }

    #[test]
    fn a_value_that_the_kernel_refuses_takes_the_others_back() {
        let root = FakeRoot::new(&[("a", "1\n"), ("b", "always [madvise] never\n")]);
        let (machine, state) = (Machine::at(&root.path), State::open(&root.path.join("state.json")).unwrap());
        // A file that reads as something else than what was written: here by what brackets mean.
        let odd = finding("b", "madvise", "x [y] z");
        let error = state.apply(&machine, &[finding("a", "1", "2"), odd], &mut quiet).unwrap_err();
        assert!(format!("{error:#}").contains("nothing was changed"), "{error:#}");
        assert_eq!((root.text("a").trim(), machine.read("b").unwrap().as_str()), ("1", "madvise"));
        assert!(state.changes().unwrap().is_empty());
    }

    #[test]
    fn a_run_that_was_killed_half_way_is_undone() {
        let root = FakeRoot::new(&[("a", "2\n"), ("b", "1\n")]);
        let file = root.path.join("state.json");
        let change = |path: &str| Change {
            name: path.to_owned(),
            path: path.to_owned(),
            before: "1".to_owned(),
            after: "2".to_owned(),
        };
        // It had written `a` and not yet `b`.
        fs::write(&file, serde_json::to_vec(&[change("a"), change("b")]).unwrap()).unwrap();
        let (machine, state) = (Machine::at(&root.path), State::open(&file).unwrap());
        state.undo(&machine, false, &mut quiet).unwrap();
        assert_eq!((root.text("a").trim(), root.text("b").trim()), ("1", "1"));
    }

    #[test]
    fn what_others_changed_since_is_left_alone() {
        let root = FakeRoot::new(&[("a", "1\n"), ("b", "1\n")]);
        let (machine, state) = (Machine::at(&root.path), State::open(&root.path.join("state.json")).unwrap());
        state.apply(&machine, &[finding("a", "1", "2"), finding("b", "1", "2")], &mut quiet).unwrap();
        machine.write("a", "9").unwrap();
        assert!(state.undo(&machine, false, &mut quiet).is_err());
        assert_eq!((root.text("a").trim(), root.text("b").trim()), ("9", "1"));
        assert_eq!(state.changes().unwrap().len(), 1);
        state.undo(&machine, true, &mut quiet).unwrap();
        assert_eq!(root.text("a").trim(), "1");
    }

    #[test]
    fn two_runs_do_not_meet() {
        let root = FakeRoot::new(&[]);
        let file = root.path.join("state.json");
        let first = State::open(&file).unwrap();
        assert!(State::open(&file).is_err());
        drop(first);
        State::open(&file).unwrap();
    }
}
