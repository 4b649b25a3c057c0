//! The process, its logs and its end.

use crate::config::choices::{LogLevel, OomScoreAdj, Supervised, SyslogFacility};
use crate::config::row::{
    Group, Text, Words, checked_text, choice, directives, hint, number, switch, text, words,
};
use crate::config::words::{OOM_SCORES, SHUTDOWN_FLAGS, check_title_template};

const I32: i64 = i32::MAX as i64;

directives! {
    group Group::General, after steering;

    /// Run in the background.
    DAEMONIZE: bool = switch("daemonize", false).startup();

    /// File the process id is written to; empty writes none.
    PIDFILE: Text = text("pidfile", "").startup();

    /// Log file; empty logs to standard output.
    LOGFILE: Text = text("logfile", "").startup();

    /// How much is logged.
    LOGLEVEL: LogLevel = choice::<LogLevel>("loglevel", LogLevel::Notice as u8);

    /// Working directory: data files and relative paths are found there.
    DIR: Text = text("dir", ".").protected();

    /// Number of databases that SELECT knows.
    DATABASES: i64 = number("databases", 16, 1, I32).startup();

    /// Times a second that housekeeping runs: expiry, timeouts, statistics.
    HZ: i64 = hint("hz", 10, 1, 500);

    /// Raise hz with the number of clients.
    DYNAMIC_HZ: bool = switch("dynamic-hz", true).kept();

    /// Seconds to wait at shutdown for what is still under way.
    SHUTDOWN_TIMEOUT: i64 = number("shutdown-timeout", 10, 0, I32);

    /// What SIGINT does.
    SHUTDOWN_ON_SIGINT: Words = words("shutdown-on-sigint", &["default"], &SHUTDOWN_FLAGS);

    /// What SIGTERM does.
    SHUTDOWN_ON_SIGTERM: Words = words("shutdown-on-sigterm", &["default"], &SHUTDOWN_FLAGS);

    /// Milliseconds after which a command that is still running makes others answer BUSY.
    BUSY_REPLY_THRESHOLD: i64 =
        number("busy-reply-threshold", 5000, 0, i64::MAX).alias("lua-time-limit").kept();

    /// Service manager to tell about readiness.
    SUPERVISED: Supervised = choice::<Supervised>("supervised", Supervised::No as u8).startup()
        .refused_except(
            &["auto"],
            "readiness is not reported yet, so that the service manager would wait in vain",
        );

    /// Log to syslog.
    SYSLOG_ENABLED: bool = switch("syslog-enabled", false).startup()
        .refused("nothing is sent to syslog yet; use logfile or standard output");

    /// Name in syslog.
    SYSLOG_IDENT: Text = text("syslog-ident", "redis").startup().kept();

    /// Facility in syslog.
    SYSLOG_FACILITY: SyslogFacility =
        choice::<SyslogFacility>("syslog-facility", SyslogFacility::Local0 as u8).startup().kept();

    /// Show the logo at start even in a log file.
    ALWAYS_SHOW_LOGO: bool = switch("always-show-logo", false).startup().kept();

    /// Show the server's address in the process title.
    SET_PROC_TITLE: bool = switch("set-proc-title", true).startup().kept();

    /// Form of the process title.
    PROC_TITLE_TEMPLATE: Text =
        checked_text("proc-title-template", "{title} {listen-addr} {server-mode}", check_title_template)
            .kept();

    /// Locale for sorting text; empty takes it from the environment.
    LOCALE_COLLATE: Text = text("locale-collate", "").kept();

    /// Log a report when the process crashes.
    CRASH_LOG_ENABLED: bool = switch("crash-log-enabled", true).kept();

    /// Test the memory when the process crashes.
    CRASH_MEMCHECK_ENABLED: bool = switch("crash-memcheck-enabled", true).kept();

    /// Startup warnings to pass over.
    IGNORE_WARNINGS: Text = text("ignore-warnings", "").kept();

    /// Do without transparent huge pages; data that has them keeps them until it moves.
    DISABLE_THP: bool = switch("disable-thp", false);

    /// Adjust the kernel's out-of-memory score of the process.
    OOM_SCORE_ADJ: OomScoreAdj = choice::<OomScoreAdj>("oom-score-adj", OomScoreAdj::No as u8)
        .refused("the score is not adjusted yet");

    /// Scores of a master, a replica and a background process.
    OOM_SCORE_ADJ_VALUES: Words = words("oom-score-adj-values", &["0", "200", "800"], &OOM_SCORES).kept();

    /// Let jemalloc purge memory in a thread of its own.
    JEMALLOC_BG_THREAD: bool = switch("jemalloc-bg-thread", true);

    /// CPUs of the server; see cpu-affinity.
    SERVER_CPULIST: Text = text("server-cpulist", "").alias("server_cpulist").startup().kept();

    /// CPUs of background threads.
    BIO_CPULIST: Text = text("bio-cpulist", "").alias("bio_cpulist").startup().kept();

    /// CPUs of the append-only file's rewrite.
    AOF_REWRITE_CPULIST: Text =
        text("aof-rewrite-cpulist", "").alias("aof_rewrite_cpulist").startup().kept();

    /// CPUs of a background save.
    BGSAVE_CPULIST: Text = text("bgsave-cpulist", "").alias("bgsave_cpulist").startup().kept();

    /// Read and parse in I/O threads; they always do here.
    IO_THREADS_DO_READS: bool = switch("io-threads-do-reads", false).startup().kept();

    /// Milliseconds between software watchdog checks, a debugging aid.
    WATCHDOG_PERIOD: i64 = number("watchdog-period", 0, 0, I32).kept().hidden();

    /// Exit instead of aborting on a failed assertion, a debugging aid.
    USE_EXIT_ON_PANIC: bool = switch("use-exit-on-panic", false).kept().hidden();
}
