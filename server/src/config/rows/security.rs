//! Passwords, guarded operations, access control and TLS.

use crate::config::choices::{AclPubsubDefault, Guard, TlsAuthClients};
use crate::config::row::{Group, Text, choice, directives, number, switch, text};

const I32: i64 = i32::MAX as i64;

directives! {
    group Group::Security, after general;

    /// Password of the default user; empty = none.
    REQUIREPASS: Text = text("requirepass", "").sensitive();

    /// Who may use DEBUG.
    ENABLE_DEBUG_COMMAND: Guard = choice::<Guard>("enable-debug-command", Guard::No as u8).startup();

    /// Who may use MODULE.
    ENABLE_MODULE_COMMAND: Guard = choice::<Guard>("enable-module-command", Guard::No as u8).startup().kept();

    /// Who may change protected directives with CONFIG SET.
    ENABLE_PROTECTED_CONFIGS: Guard = choice::<Guard>("enable-protected-configs", Guard::No as u8).startup();

    /// File of access control users.
    ACLFILE: Text = text("aclfile", "").startup()
        .refused("access control users do not exist yet, so that everybody would have every right");

    /// Channels a new access control user may use.
    ACL_PUBSUB_DEFAULT: AclPubsubDefault =
        choice::<AclPubsubDefault>("acl-pubsub-default", AclPubsubDefault::ResetChannels as u8).kept();

    /// Entries kept in the access control log.
    ACLLOG_MAX_LEN: i64 = number("acllog-max-len", 128, 0, i64::MAX).kept();

    /// TCP port for TLS; 0 opens none.
    TLS_PORT: i64 =
        number("tls-port", 0, 0, 65_535).refused("there is no TLS yet, so that nothing would be encrypted");

    /// Certificate of the server.
    TLS_CERT_FILE: Text = text("tls-cert-file", "").kept();

    /// Private key of the server.
    TLS_KEY_FILE: Text = text("tls-key-file", "").kept();

    /// Passphrase of the server's key.
    TLS_KEY_FILE_PASS: Text = text("tls-key-file-pass", "").kept().sensitive();

    /// Certificate for outgoing connections.
    TLS_CLIENT_CERT_FILE: Text = text("tls-client-cert-file", "").kept();

    /// Private key for outgoing connections.
    TLS_CLIENT_KEY_FILE: Text = text("tls-client-key-file", "").kept();

    /// Passphrase of the key for outgoing connections.
    TLS_CLIENT_KEY_FILE_PASS: Text = text("tls-client-key-file-pass", "").kept().sensitive();

    /// Diffie-Hellman parameters.
    TLS_DH_PARAMS_FILE: Text = text("tls-dh-params-file", "").kept();

    /// Certificates of trusted authorities, one file.
    TLS_CA_CERT_FILE: Text = text("tls-ca-cert-file", "").kept();

    /// Certificates of trusted authorities, a directory.
    TLS_CA_CERT_DIR: Text = text("tls-ca-cert-dir", "").kept();

    /// Whether clients must show a certificate.
    TLS_AUTH_CLIENTS: TlsAuthClients =
        choice::<TlsAuthClients>("tls-auth-clients", TlsAuthClients::Yes as u8).kept();

    /// TLS for replication.
    TLS_REPLICATION: bool = switch("tls-replication", false).kept();

    /// TLS for the cluster bus.
    TLS_CLUSTER: bool = switch("tls-cluster", false).kept();

    /// Accepted protocol versions; empty = the library's choice.
    TLS_PROTOCOLS: Text = text("tls-protocols", "").kept();

    /// Accepted ciphers up to TLS 1.2.
    TLS_CIPHERS: Text = text("tls-ciphers", "").kept();

    /// Accepted ciphers of TLS 1.3.
    TLS_CIPHERSUITES: Text = text("tls-ciphersuites", "").kept();

    /// The server's order of ciphers counts.
    TLS_PREFER_SERVER_CIPHERS: bool = switch("tls-prefer-server-ciphers", false).kept();

    /// Let clients resume TLS sessions.
    TLS_SESSION_CACHING: bool = switch("tls-session-caching", true).kept();

    /// TLS sessions remembered; 0 = no limit.
    TLS_SESSION_CACHE_SIZE: i64 = number("tls-session-cache-size", 20_480, 0, I32).kept();

    /// Seconds a TLS session is remembered.
    TLS_SESSION_CACHE_TIMEOUT: i64 = number("tls-session-cache-timeout", 300, 0, I32).kept();
}
