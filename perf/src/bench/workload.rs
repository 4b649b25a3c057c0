//! What is asked of the servers in one measurement, as scenario files say it.

use super::servers::Server;
use crate::load::{self, Distribution, Endpoint, Extent, Kind, LoadError, LoadOptions, Mix, Pace, Values};
use boxcar_sys::affinity::CpuList;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

/// The generator's threads have CPUs to themselves and poll when the next request is due within this time.
const POLL: Duration = Duration::from_micros(100);

/// A workload. In a scenario file every field but `about` may be left out; the file's name is its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Workload {
    /// Its name in tables.
    pub name: String,
    /// What it stands for.
    pub about: String,
    /// Requests in flight on each connection, at most.
    pub depth: usize,
    /// Connections.
    pub connections: usize,
    /// What is asked, as `boxcar-load --mix` takes it: `get`, `get:9,set:1`.
    pub mix: String,
    /// Number of keys.
    pub keys: u64,
    /// Bytes of a value, as `boxcar-load --value-size` takes them: `64`, `16-1024`.
    pub value_size: String,
    /// How keys are drawn: absent for uniform, else the exponent of a Zipf distribution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zipf: Option<f64>,
    /// Open loop: what comes due while a connection waits for a reply leaves together, up to `depth` requests in a write, as
    /// with a client that batches by itself.
    pub auto_batch: bool,
    /// Open loop: so many requests come due at once on a connection, at most `depth`.
    pub burst: usize,
    /// Open loop: requests a second. Absent: closed loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Open loop: share of what one server can do, as the run defines it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
}

impl Default for Workload {
    fn default() -> Workload {
        Workload {
            name: String::new(),
            about: String::new(),
            depth: 1,
            connections: 50,
            mix: "get:1".to_owned(),
            keys: 100_000,
            value_size: "64".to_owned(),
            zipf: None,
            auto_batch: false,
            burst: 1,
            rate: None,
            share: None,
        }
    }
}

impl Workload {
    /// GETs or SETs at this depth.
    pub fn plain(depth: usize, set: bool) -> Workload {
        Workload {
            name: format!("depth {depth} {}", if set { "SET" } else { "GET" }),
            depth,
            mix: if set { "set:1" } else { "get:1" }.to_owned(),
            ..Workload::default()
        }
    }

    /// All scenarios of a directory, in the order of their names.
    ///
    /// # Errors
    /// The directory or a file cannot be read, or is no scenario; the message names it.
    pub fn read_all(directory: &Path) -> Result<Vec<Workload>, String> {
        let entries = fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths.sort();
        paths.iter().map(|path| Workload::read(path)).collect()
    }

    fn read(path: &Path) -> Result<Workload, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let named = |error: &dyn fmt::Display| format!("{}: {error}", path.display());
        let mut workload: Workload = toml::from_str(&text).map_err(|error| named(&error))?;
        workload.name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        workload.check().map_err(|error| named(&error))?;
        Ok(workload)
    }

    fn check(&self) -> Result<(), String> {
        Mix::from_str(&self.mix).map_err(|error| format!("mix: {error}"))?;
        load::Sizes::from_str(&self.value_size).map_err(|error| format!("value-size: {error}"))?;
        let rules = [
            (!self.about.is_empty(), "about: say what it stands for"),
            (self.rate.is_none() || self.share.is_none(), "rate, share: only one of them"),
            (self.burst == 1 || self.paced(), "burst: give a rate or a share"),
            (self.share.is_none_or(|share| share > 0.0 && share <= 1.0), "share: above 0, at most 1"),
        ];
        // What else may be wrong, the generator refuses with its own words.
        rules.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, broken)| Err(broken.to_owned()))
    }

    /// The one kind of request that it asks, if there is one and all values have one size, which is given too.
    pub(super) fn simple(&self) -> Option<(Kind, usize)> {
        let mix = Mix::from_str(&self.mix).ok()?;
        let kind = [Kind::Get, Kind::Set].into_iter().find(|&kind| mix == Mix::only(kind))?;
        Some((kind, load::Sizes::from_str(&self.value_size).ok()?.fixed()?))
    }

    /// Whether latency is counted from when requests were due.
    pub fn paced(&self) -> bool {
        self.rate.is_some() || self.share.is_some()
    }

    /// What the generator does for it.
    ///
    /// # Errors
    /// The mix or the sizes are not what the generator takes.
    pub(super) fn load(
        &self,
        server: &Server,
        rate: Option<f64>,
        cpus: &CpuList,
        (warmup, measure): (Duration, Duration),
    ) -> Result<LoadOptions, LoadError> {
        Ok(LoadOptions {
            connections: self.connections,
            pipeline: self.depth,
            threads: cpus.len().clamp(1, self.connections.max(1)),
            cpus: cpus.clone(),
            keys: self.keys,
            distribution: self.zipf.map_or(Distribution::Uniform, Distribution::Zipf),
            values: Values::of(self.value_size.parse().map_err(LoadError::Options)?),
            mix: self.mix.parse().map_err(LoadError::Options)?,
            auto_batch: self.auto_batch && rate.is_some(),
            burst: if rate.is_some() { self.burst } else { 1 },
            poll: POLL,
            pace: rate.map_or(Pace::Closed, Pace::Open),
            warmup,
            extent: Extent::Time(measure),
            preload: false,
            server_pid: Some(server.pid()),
            ..LoadOptions::new(Endpoint::Tcp(server.address))
        })
    }

    /// The same as a command line.
    pub fn command(&self, cpus: &CpuList, warmup: Duration, measure: Duration) -> String {
        let mut words = format!(
            "boxcar-load --port PORT --cpus {cpus} --threads {} --connections {} --pipeline {} --keys {} \
             --value-size {} --mix {}",
            cpus.len().clamp(1, self.connections.max(1)),
            self.connections,
            self.depth,
            self.keys,
            self.value_size,
            self.mix
        );
        if let Some(exponent) = self.zipf {
            words.push_str(&format!(" --distribution zipf --zipf-exponent {exponent}"));
        }
        if self.auto_batch {
            words.push_str(" --auto-batch");
        }
        if self.paced() {
            words.push_str(&format!(" --burst {} --poll-us {}", self.burst, POLL.as_micros()));
        }
        match (self.rate, self.share) {
            (Some(rate), _) => words.push_str(&format!(" --rate {rate:.0}")),
            (None, Some(_)) => words.push_str(" --rate RATE"),
            (None, None) => {}
        }
        words
            + &format!(
                " --warmup {} --duration {} --server-pid PID",
                warmup.as_secs_f64(),
                measure.as_secs_f64()
            )
    }

    /// Arguments of a null server for it; `None`: its requests differ in length, or in their replies.
    pub(super) fn null_arguments(&self) -> Option<Vec<String>> {
        let (kind, size) = self.simple()?;
        let reply = if kind == Kind::Get { format!("get{size}") } else { "ok".to_owned() };
        let request = load::request_len(kind, size).to_string();
        Some(vec!["--request-bytes".to_owned(), request, "--reply".to_owned(), reply])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_says_only_what_is_special() {
        let text = "about = 'x'\ndepth = 16\nvalue-size = '16-1024'\nzipf = 0.99";
        let workload: Workload = toml::from_str(text).unwrap();
        assert_eq!((workload.depth, workload.connections, workload.value_size.as_str()), (16, 50, "16-1024"));
        assert!(!workload.paced() && workload.check().is_ok() && workload.null_arguments().is_none());
        assert_eq!(Workload::plain(1, true).simple(), Some((Kind::Set, 64)));
        assert!(toml::from_str::<Workload>("dept = 16").unwrap_err().to_string().contains("dept"));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for (text, word) in [
            ("about = 'x'\nrate = 1.0\nshare = 0.5", "only one"),
            ("depth = 1", "about"),
            ("about = 'x'\nmix = 'gte'", "gte"),
            ("about = 'x'\nvalue-size = '9-x'", "value-size"),
            ("about = 'x'\nshare = 1.5", "at most 1"),
        ] {
            let workload: Workload = toml::from_str(text).unwrap();
            assert!(workload.check().unwrap_err().contains(word), "{text}");
        }
    }

    #[test]
    fn the_scenarios_of_this_repository_are_read() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let workloads = Workload::read_all(&directory).unwrap();
        assert!(workloads.len() >= 5 && workloads.iter().any(Workload::paced));
    }

    #[test]
    fn commands_are_what_the_generator_takes() {
        use crate::load::command_line::LoadArguments;
        use clap::Parser;
        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            load: LoadArguments,
        }
        let workload =
            Workload { zipf: Some(0.99), rate: Some(1000.0), burst: 4, ..Workload::plain(16, true) };
        let second = Duration::from_secs(1);
        let command = workload.command(&CpuList::from_iter([1]), second, second);
        let words = command.replace("PORT", "1").replace("PID", "1");
        assert!(
            Line::try_parse_from(words.split(' ')).is_ok_and(|line| line.load.options().is_ok()),
            "{command}"
        );
    }
}
