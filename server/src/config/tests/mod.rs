//! Tests of the room as a whole; the syntax of lines and patterns is tested beside its code.

mod command_line;
mod load;
mod register;
mod rewrite;
mod set;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// A directory of one test's own, gone with the value.
struct TestDirectory(PathBuf);

impl TestDirectory {
    fn new() -> TestDirectory {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("boxcar-config-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("the temporary directory is writable");
        TestDirectory(path.canonicalize().expect("it was just created"))
    }

    fn path(&self) -> &Path {
        &self.0
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).expect("the test's directory is writable");
        path
    }
}

impl Drop for TestDirectory {
    fn drop(&mut self) {
        // Left over, it harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
