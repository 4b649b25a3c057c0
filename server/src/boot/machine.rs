//! What of the machine hurts the server: said at start, each with the section of the guide that explains it.
//!
//! Where Redis has the same warning, the words are Redis's, so that whoever looks for them finds them.

use crate::config::{Config, rows};
use std::fmt;
use std::fs;
use std::path::Path;

/// The guide, within the source.
const GUIDE: &str = "sysctl/README.md";

/// Something that hurts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    text: String,
    /// The title of the guide's section.
    section: &'static str,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} See {GUIDE}, section \"{}\".", self.text, self.section)
    }
}

/// Looks at the machine below `root`, which is `/` except in tests. What cannot be read is no reason to warn.
pub fn warnings(root: &Path, config: &Config) -> Vec<Warning> {
    [backlog(root, config), overcommit(root), huge_pages(root, config)].into_iter().flatten().collect()
}

fn read(root: &Path, file: &str) -> Option<String> {
    fs::read_to_string(root.join(file)).ok()
}

fn backlog(root: &Path, config: &Config) -> Option<Warning> {
    let limit: i64 = read(root, "proc/sys/net/core/somaxconn")?.trim().parse().ok()?;
    let wanted = config.int(rows::TCP_BACKLOG);
    (limit > 0 && limit < wanted).then(|| Warning {
        text: format!(
            "WARNING: The TCP backlog setting of {wanted} cannot be enforced because /proc/sys/net/core/somaxconn is set \
             to the lower value of {limit}."
        ),
        section: "net.core.somaxconn",
    })
}

/// Redis's other reason, saving in a child process, does not hold here and is left out.
fn overcommit(root: &Path) -> Option<Warning> {
    let mode: i64 = read(root, "proc/sys/vm/overcommit_memory")?.trim().parse().ok()?;
    (mode != 1).then(|| Warning {
        text: "WARNING Memory overcommit must be enabled! Being disabled, it can also cause failures without low memory \
               condition, see https://github.com/jemalloc/jemalloc/issues/1328. To fix this issue add \
               'vm.overcommit_memory = 1' to /etc/sysctl.conf and then reboot or run the command 'sysctl \
               vm.overcommit_memory=1' for this to take effect."
            .to_owned(),
        section: "vm.overcommit_memory",
    })
}

/// The opposite of Redis's warning: nothing here forks, and random access is cheaper with huge pages.
fn huge_pages(root: &Path, config: &Config) -> Option<Warning> {
    let modes = read(root, "sys/kernel/mm/transparent_hugepage/enabled")?;
    (modes.contains("[never]") && !config.bool(rows::DISABLE_THP)).then(|| Warning {
        text: "WARNING You have Transparent Huge Pages (THP) support disabled in your kernel. Access to many keys will be \
               slower. To fix this issue run the command 'echo madvise > /sys/kernel/mm/transparent_hugepage/enabled' as \
               root, or set disable-thp to do without."
            .to_owned(),
        section: "transparent_hugepage/enabled",
    })
}

/// The limit of open files is `limit` and stays there, and `wanted` are needed.
pub fn few_open_files(config: &Config, wanted: u64, limit: u64) -> Warning {
    Warning {
        text: format!(
            "You requested maxclients of {} requiring at least {wanted} max file descriptors, but the limit is {limit}: \
             further clients will be refused by the system. If you need higher maxclients increase 'ulimit -n'.",
            config.int(rows::MAXCLIENTS)
        ),
        section: "Open files of the process",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    const SOMAXCONN: &str = "proc/sys/net/core/somaxconn";
    const OVERCOMMIT: &str = "proc/sys/vm/overcommit_memory";
    const HUGE_PAGES: &str = "sys/kernel/mm/transparent_hugepage/enabled";

    /// The sections that a machine with these files is warned of.
    fn warned(name: &str, files: &[(&str, &str)], config: &str) -> Vec<Warning> {
        let root = std::env::temp_dir().join(format!("boxcar-machine-{name}-{}", std::process::id()));
        for (file, text) in files {
            let file = root.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let found = warnings(&root, &Config::from_text(config).unwrap());
        // Without files there is no folder.
        let _removed = fs::remove_dir_all(&root);
        found
    }

    fn sections(warnings: &[Warning]) -> Vec<&str> {
        warnings.iter().map(|warning| warning.section).collect()
    }

    #[test]
    fn a_tuned_machine_is_not_warned() {
        let files = [(SOMAXCONN, "4096\n"), (OVERCOMMIT, "1\n"), (HUGE_PAGES, "always [madvise] never\n")];
        assert!(warned("tuned", &files, "").is_empty());
        assert!(warned("empty", &[], "").is_empty());
    }

    #[test]
    fn what_hurts_is_named_with_its_section() {
        let files = [(SOMAXCONN, "128\n"), (OVERCOMMIT, "2\n"), (HUGE_PAGES, "always madvise [never]\n")];
        let found = warned("untuned", &files, "tcp-backlog 511");
        assert_eq!(
            sections(&found),
            ["net.core.somaxconn", "vm.overcommit_memory", "transparent_hugepage/enabled"]
        );
        assert_eq!(
            found[0].to_string(),
            "WARNING: The TCP backlog setting of 511 cannot be enforced because /proc/sys/net/core/somaxconn is set to the \
             lower value of 128. See sysctl/README.md, section \"net.core.somaxconn\"."
        );
    }

    #[test]
    fn directives_decide_what_hurts() {
        let files = [(SOMAXCONN, "128\n"), (OVERCOMMIT, "1\n"), (HUGE_PAGES, "always madvise [never]\n")];
        assert!(warned("directives", &files, "tcp-backlog 128\ndisable-thp yes").is_empty());
    }

    #[test]
    fn the_guide_has_every_section() {
        let guide = PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(GUIDE);
        let guide = fs::read_to_string(guide).unwrap();
        let files = [(SOMAXCONN, "1\n"), (OVERCOMMIT, "0\n"), (HUGE_PAGES, "[never]\n")];
        let mut found = warned("guide", &files, "");
        found.push(few_open_files(&Config::default(), 20_000, 1024));
        assert_eq!(found.len(), 4);
        for warning in found {
            let title =
                |line: &str| line.starts_with('#') && line.trim_start_matches('#').trim() == warning.section;
            assert!(guide.lines().any(title), "{GUIDE} has no section {}", warning.section);
        }
    }
}
