//! Pinned maps: what bpftool shows by name while the server runs, and what is left when it was killed.

use super::SteeringError;
use aya::maps::{Array, Map, MapData};
use boxcar_ebpf_abi::layout::Owner;
use boxcar_ebpf_abi::names;
use nix::mount::{MsFlags, mount};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};
use std::fs;
use std::path::{Path, PathBuf};

const BPFFS: &str = "/sys/fs/bpf";

/// The maps that are pinned.
pub const PINNED: &[&str] =
    &[names::OWNER, names::SETTINGS, names::COUNTERS, names::LATENCY, names::LATENCY_FINE];

/// The folder of one server's maps; removed when dropped.
#[derive(Debug)]
pub struct Pins {
    folder: PathBuf,
}

impl Pins {
    /// Makes the folder of a port, mounting the BPF file system if there is none, and taking the folder over from a process
    /// that is gone.
    ///
    /// # Errors
    /// When it belongs to a running process, or the system refuses.
    pub fn open(port: u16) -> Result<Self, SteeringError> {
        let folder = Path::new(BPFFS).join("boxcar").join(port.to_string());
        let fail = |reason: String| SteeringError::Pin { path: folder.display().to_string(), reason };
        mount_bpffs().map_err(&fail)?;
        if folder.exists() {
            if let Some(pid) = living_owner(&folder) {
                return Err(fail(format!("they are in use by process {pid}")));
            }
            tracing::info!("XDP: removing the maps that an ended process left in {}", folder.display());
            remove(&folder).map_err(|error| fail(format!("removing what an ended process left: {error}")))?;
        }
        fs::create_dir_all(&folder).map_err(|error| fail(error.to_string()))?;
        Ok(Self { folder })
    }

    /// Pins one map under its name.
    pub fn pin(&self, name: &'static str, map: &Map) -> Result<(), SteeringError> {
        let path = self.folder.join(name);
        map.pin(&path).map_err(|error| SteeringError::Pin {
            path: path.display().to_string(),
            reason: error.to_string(),
        })
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.folder) {
            tracing::warn!("XDP: {} was not removed: {error}", self.folder.display());
        }
    }
}

fn mount_bpffs() -> Result<(), String> {
    let is_there = |path: &str| statfs(path).is_ok_and(|found| found.filesystem_type() == BPF_FS_MAGIC);
    if is_there(BPFFS) {
        return Ok(());
    }
    mount(Some("bpf"), BPFFS, Some("bpf"), MsFlags::empty(), None::<&str>)
        .map_err(|error| format!("there is no BPF file system and it cannot be mounted: {error}"))
}

/// The process whose maps these are, if it still runs.
fn living_owner(folder: &Path) -> Option<u64> {
    let map = MapData::from_pin(folder.join(names::OWNER)).ok()?;
    let owners: Array<_, Owner> = Map::from_map_data(map).ok()?.try_into().ok()?;
    let owner = owners.get(&0, 0).ok()?;
    (started(owner.pid) == Some(owner.started)).then_some(owner.pid)
}

/// When a process started, in clock ticks since boot: field 22 of its stat, counted behind the parenthesis that ends its name.
fn started(pid: u64) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// This process, for whoever finds its maps.
pub fn this_process() -> Owner {
    let pid = u64::from(std::process::id());
    Owner { pid, started: started(pid).unwrap_or(0) }
}

/// Removes the folder and the pins in it, nothing below.
fn remove(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        fs::remove_file(entry?.path())?;
    }
    fs::remove_dir(folder)?;
    // The folder of all servers goes with the last of them.
    if let Some(all) = folder.parent()
        && let Err(error) = fs::remove_dir(all)
        && error.kind() != std::io::ErrorKind::DirectoryNotEmpty
    {
        tracing::debug!("{} was not removed: {error}", all.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_start() {
        let own = this_process();
        assert!(own.started > 0 && started(own.pid) == Some(own.started));
        assert_eq!(started(u64::from(u32::MAX)), None);
    }
}
