//! The files behind the knobs, below a root that is `/` or a test's folder.

use super::profiles::{Applied, Knob};
use anyhow::{Context, bail};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A machine.
#[derive(Debug, Clone)]
pub struct Machine {
    root: PathBuf,
    cpus: Vec<usize>,
}

/// One file of a knob, compared with what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The knob's name.
    pub name: String,
    /// The file, below the root.
    pub path: String,
    /// What is in it.
    pub value: String,
    /// What should be, for `apply`.
    pub wanted: String,
    /// Whether it is what it should be.
    pub met: bool,
    /// Who changes it.
    pub applied: Applied,
}

impl Machine {
    /// The machine below `root`.
    pub fn at(root: &Path) -> Machine {
        let online = fs::read_to_string(root.join("sys/devices/system/cpu/online")).unwrap_or_default();
        let cpus = cpu_list(&online).unwrap_or_else(|| vec![0]);
        Machine { root: root.to_owned(), cpus }
    }

    /// Every file of a knob; none when this machine has no such knob.
    ///
    /// # Errors
    /// A file is there and cannot be read.
    pub fn look(&self, knob: &Knob) -> anyhow::Result<Vec<Finding>> {
        let mut findings = Vec::new();
        for (index, path) in self.files(&knob.path).into_iter().enumerate() {
            let value = self.read(&path)?;
            findings.push(Finding {
                name: knob.name.clone(),
                met: knob.want.holds(&value, index, &self.cpus),
                wanted: knob.want.value(index, &self.cpus),
                path,
                value,
                applied: knob.applied,
            });
        }
        Ok(findings)
    }

    /// What a file says; of a list with one choice in brackets, the choice.
    pub fn read(&self, path: &str) -> anyhow::Result<String> {
        let file = self.root.join(path);
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let choice =
            text.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map(|(choice, _)| choice);
        Ok(choice.unwrap_or(&text).trim().to_owned())
    }

    /// Writes a file that is there.
    pub fn write(&self, path: &str, value: &str) -> anyhow::Result<()> {
        let file = self.root.join(path);
        let write =
            || fs::OpenOptions::new().write(true).truncate(true).open(&file)?.write_all(value.as_bytes());
        write().with_context(|| format!("cannot write {value:?} to {}", file.display()))
    }

    /// The files that a knob's path stands for, below the root, in the order of their numbers.
    fn files(&self, pattern: &str) -> Vec<String> {
        let mut found = vec![String::new()];
        for part in pattern.split('/') {
            let mut next = Vec::new();
            for before in &found {
                let names = match part {
                    "{interface}" => self.interfaces(),
                    "{irq}" => self.interrupts(),
                    part if part.contains('*') => matching(&self.names(before), part),
                    part => vec![part.to_owned()],
                };
                let join = |name: String| if before.is_empty() { name } else { format!("{before}/{name}") };
                next.extend(names.into_iter().map(join));
            }
            found = next;
        }
        found.retain(|path| self.root.join(path).is_file());
        found
    }

    /// The names in a folder, in the order of the numbers in them.
    fn names(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.root.join(folder)) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        let number = |name: &str| name.trim_start_matches(|c: char| !c.is_ascii_digit()).parse::<u64>().ok();
        names.sort_by(|a, b| number(a).cmp(&number(b)).then_with(|| a.cmp(b)));
        names
    }

    /// Network interfaces with a device behind them.
    fn interfaces(&self) -> Vec<String> {
        let class = "sys/class/net";
        let mut names = self.names(class);
        names.retain(|name| self.root.join(class).join(name).join("device").exists());
        names
    }

    /// The interrupts of those; a virtio interface's belong to the device above it.
    fn interrupts(&self) -> Vec<String> {
        let mut numbers = Vec::new();
        for interface in self.interfaces() {
            for folder in ["device/msi_irqs", "device/../msi_irqs"] {
                numbers.extend(self.names(&format!("sys/class/net/{interface}/{folder}")));
            }
        }
        numbers
    }
}

/// The names that fit `pattern`, in which one `*` stands for anything.
fn matching(names: &[String], pattern: &str) -> Vec<String> {
    let (start, end) = pattern.split_once('*').unwrap_or((pattern, ""));
    let fits = |name: &&String| {
        name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
    };
    names.iter().filter(fits).cloned().collect()
}

/// `0-3,8`.
fn cpu_list(text: &str) -> Option<Vec<usize>> {
    let mut cpus = Vec::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        cpus.extend(first.parse::<usize>().ok()?..=last.parse::<usize>().ok()?);
    }
    (!cpus.is_empty()).then_some(cpus)
}

/// Writes a file so that after a crash it is there whole or not at all.
pub fn write_whole(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let Some(folder) = file.parent() else { bail!("{} is no file", file.display()) };
    let part = file.with_extension("part");
    let write = || {
        fs::create_dir_all(folder)?;
        let mut open = fs::File::create(&part)?;
        open.write_all(bytes)?;
        open.sync_all()?;
        fs::rename(&part, file)?;
        fs::File::open(folder)?.sync_all()
    };
    write().with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::super::profiles::Want;
    use super::super::tests::{FakeRoot, knob};
    use super::*;

    #[test]
    fn a_path_stands_for_every_file_that_is_there() {
        let root = FakeRoot::new(&[
            ("sys/devices/system/cpu/online", "0-1\n"),
            ("sys/class/net/lo/mtu", "65536\n"),
            ("sys/class/net/eth0/device/msi_irqs/9", "msix\n"),
            ("sys/class/net/eth0/device/msi_irqs/10", "msix\n"),
            ("proc/irq/9/smp_affinity_list", "0\n"),
            ("proc/irq/10/smp_affinity_list", "0-1\n"),
            ("sys/class/net/eth0/queues/rx-0/x", "1"),
            ("sys/class/net/eth0/queues/rx-10/x", "1"),
            ("sys/class/net/eth0/queues/rx-2/x", "1"),
        ]);
        let machine = Machine::at(&root.path);
        let irqs = machine
            .look(&knob("irqs", "proc/irq/{irq}/smp_affinity_list", Want::Equal("{cpu}".to_owned())))
            .unwrap();
        assert_eq!(
            irqs.iter().map(|irq| (irq.met, irq.wanted.as_str())).collect::<Vec<_>>(),
            [(true, "0"), (false, "1")]
        );
        assert_eq!(irqs[1].path, "proc/irq/10/smp_affinity_list");
        let files = machine.files("sys/class/net/{interface}/queues/rx-*/x");
        let numbers: Vec<&str> = files.iter().map(|file| file.split('/').nth(5).unwrap()).collect();
        assert_eq!(numbers, ["rx-0", "rx-2", "rx-10"]);
        assert!(machine.files("proc/sys/no/such").is_empty());
    }

    #[test]
    fn the_choice_in_brackets_is_the_value() {
        let root = FakeRoot::new(&[("thp", "always [madvise] never\n")]);
        assert_eq!(Machine::at(&root.path).read("thp").unwrap(), "madvise");
    }

    #[test]
    fn nothing_is_written_that_was_not_there() {
        let root = FakeRoot::new(&[]);
        assert!(Machine::at(&root.path).write("proc/sys/new", "1").is_err());
        assert!(!root.path.join("proc/sys/new").exists());
    }

    #[test]
    fn cpu_lists_are_read() {
        assert_eq!(cpu_list("0-2,5\n"), Some(vec![0, 1, 2, 5]));
        assert_eq!(cpu_list(""), None);
    }
}
