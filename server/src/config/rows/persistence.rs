//! Snapshots and the append-only file.

use crate::config::choices::{AppendFsync, SanitizeDumpPayload};
use crate::config::row::{
    Group, Text, Words, checked_text, choice, directives, memory, number, switch, words,
};
use crate::config::words::{
    SAVE_POINTS, check_dump_file_name, check_log_directory_name, check_log_file_name,
};

const I32: i64 = i32::MAX as i64;

directives! {
    group Group::Persistence, after data;

    /// Snapshot when after that many seconds that many keys have changed; `""` = never.
    SAVE: Words = words("save", &[], &SAVE_POINTS)
        .refused("snapshots do not exist yet, so that data would not be saved");

    /// Name of the snapshot file.
    DBFILENAME: Text = checked_text("dbfilename", "dump.rdb", check_dump_file_name).protected().kept();

    /// Compress strings in snapshots.
    RDBCOMPRESSION: bool = switch("rdbcompression", true).kept();

    /// Put a checksum at the end of snapshots.
    RDBCHECKSUM: bool = switch("rdbchecksum", true).startup().kept();

    /// Refuse writes after a snapshot has failed.
    STOP_WRITES_ON_BGSAVE_ERROR: bool = switch("stop-writes-on-bgsave-error", true).kept();

    /// Delete snapshot files that only replication needed.
    RDB_DEL_SYNC_FILES: bool = switch("rdb-del-sync-files", false).kept();

    /// Write snapshots to the disk piece by piece.
    RDB_SAVE_INCREMENTAL_FSYNC: bool = switch("rdb-save-incremental-fsync", true).kept();

    /// Check serialised values in depth on load.
    SANITIZE_DUMP_PAYLOAD: SanitizeDumpPayload =
        choice::<SanitizeDumpPayload>("sanitize-dump-payload", SanitizeDumpPayload::No as u8).kept();

    /// Log every write to the append-only file.
    APPENDONLY: bool = switch("appendonly", false)
        .refused("the append-only file does not exist yet, so that data would not be saved");

    /// When the append-only file reaches the disk.
    APPENDFSYNC: AppendFsync = choice::<AppendFsync>("appendfsync", AppendFsync::EverySec as u8).kept();

    /// Name that the append-only files begin with.
    APPENDFILENAME: Text =
        checked_text("appendfilename", "appendonly.aof", check_log_file_name).startup().kept();

    /// Directory of the append-only files.
    APPENDDIRNAME: Text =
        checked_text("appenddirname", "appendonlydir", check_log_directory_name).startup().kept();

    /// Do not sync the append-only file while it is rewritten.
    NO_APPENDFSYNC_ON_REWRITE: bool = switch("no-appendfsync-on-rewrite", false).kept();

    /// Growth in percent at which the append-only file is rewritten; 0 = never.
    AUTO_AOF_REWRITE_PERCENTAGE: i64 = number("auto-aof-rewrite-percentage", 100, 0, I32).kept();

    /// Size below which the append-only file is not rewritten.
    AUTO_AOF_REWRITE_MIN_SIZE: u64 = memory("auto-aof-rewrite-min-size", 64 << 20, 0, i64::MAX).kept();

    /// Load an append-only file whose end is missing.
    AOF_LOAD_TRUNCATED: bool = switch("aof-load-truncated", true).kept();

    /// Begin the append-only file with a snapshot.
    AOF_USE_RDB_PREAMBLE: bool = switch("aof-use-rdb-preamble", true).kept();

    /// Note times in the append-only file.
    AOF_TIMESTAMP_ENABLED: bool = switch("aof-timestamp-enabled", false).kept();

    /// Write a rewritten append-only file to the disk piece by piece.
    AOF_REWRITE_INCREMENTAL_FSYNC: bool = switch("aof-rewrite-incremental-fsync", true).kept();

    /// Keep superseded append-only files.
    AOF_DISABLE_AUTO_GC: bool = switch("aof-disable-auto-gc", false).kept();

    /// Microseconds to wait after each key saved, a testing aid.
    RDB_KEY_SAVE_DELAY: i64 = number("rdb-key-save-delay", 0, i32::MIN as i64, I32).kept().hidden();

    /// Microseconds to wait after each key loaded, a testing aid.
    KEY_LOAD_DELAY: i64 = number("key-load-delay", 0, i32::MIN as i64, I32).kept().hidden();

    /// Bytes loaded between two looks at the clients, a testing aid.
    LOADING_PROCESS_EVENTS_INTERVAL_BYTES: i64 =
        number("loading-process-events-interval-bytes", 2 << 20, 1024, I32).kept().hidden();
}
