//! The rows of features tell the truth, and a kernel that has them all uses them all.

use boxcar_sys::{Backend, Driver, DriverOptions, Feature, Toggles};

use crate::harness::{Config, open};
use crate::{bare, epoll, io_uring, without};

fn features(config: &Config) -> Option<Vec<Feature>> {
    Some(open(config)?.features().to_vec())
}

/// Major and minor number of the running kernel.
fn kernel() -> (u32, u32) {
    let text = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = text.split(['.', '-']).map(|number| number.trim().parse().unwrap_or(0));
    (numbers.next().unwrap(), numbers.next().unwrap())
}

#[test]
fn every_toggle_has_a_row_in_one_backend() {
    let Some(mut rows) = features(&io_uring()) else { return };
    rows.extend(features(&epoll()).unwrap());
    let mut names: Vec<_> = rows.iter().map(|row| row.name).collect();
    let mut toggles = Toggles::NAMES.to_vec();
    names.sort_unstable();
    toggles.sort_unstable();
    assert_eq!(names, toggles);
}

#[test]
fn a_new_kernel_has_them_all() {
    if kernel() < (6, 15) {
        eprintln!("skipped: this kernel is {:?}", kernel());
        return;
    }
    let Some(rows) = features(&io_uring()) else { return };
    for row in rows {
        assert!(row.wanted);
        assert_eq!(row.active, row.name != "coop_taskrun", "{row:?}");
    }
}

#[test]
fn what_is_switched_off_is_off() {
    let Some(all) = features(&io_uring()) else { return };
    for toggle in all.iter().map(|row| row.name) {
        let rows = features(&without(io_uring(), toggle)).unwrap();
        let row = rows.iter().find(|row| row.name == toggle).unwrap();
        assert!(!row.wanted && !row.active && !row.reason.is_empty(), "{row:?}");
        let lost: Vec<_> = rows.iter().filter(|row| row.wanted && !row.active).map(|row| row.name).collect();
        let expected: &[_] = match toggle {
            "single_issuer" => &["defer_taskrun"],
            "buffer_ring" => &["coop_taskrun", "multishot_receive"],
            "defer_taskrun" | "coop_taskrun" => &[],
            _ => &["coop_taskrun"],
        };
        assert_eq!(lost, expected, "without {toggle}");
    }
    assert!(features(&bare()).unwrap().iter().all(|row| !row.active));
    assert!(features(&without(epoll(), "epoll_pwait2")).unwrap().iter().all(|row| !row.active));
}

#[test]
fn options_are_checked() {
    for backend in [Backend::IoUring, Backend::Epoll] {
        let error =
            Driver::open(backend, &DriverOptions { epoll_events: 0, ..Default::default() }).unwrap_err();
        assert_eq!(error.to_string(), "epoll_events must be 1 to 65,536, not 0");
    }
}
