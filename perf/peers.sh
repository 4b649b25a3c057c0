#!/usr/bin/env bash
# Fetches the newest redis-server, valkey-server and memcached of Debian into a directory, without touching the system:
#     perf/peers.sh DIRECTORY && BOXCAR_PEERS=DIRECTORY cargo xtask bench peers
# DIRECTORY/run PROGRAM ARGUMENTS... then runs one of them with the libraries that came with it. SUITE chooses another
# suite than the default. Needs apt-get and dpkg-deb, and Debian's archive as a source of packages.
set -euo pipefail

SUITE="${SUITE:-forky}"
PACKAGES=(redis-server redis-tools valkey-server valkey-tools memcached)
LIBRARIES=(libc6 libssl3t64 libsystemd0 libjemalloc2 liblzf1 libatomic1 libgcc-s1 libstdc++6 libzstd1 liblua5.4-0
    zlib1g libcap2 libevent-2.1-7t64 libsasl2-2)

[ $# -eq 1 ] || { echo "usage: peers.sh DIRECTORY" >&2; exit 2; }
mkdir -p "$1"
cd "$1"
apt="$PWD/.apt"
mkdir -p "$apt/lists/partial"
: >"$apt/status"

# Wherever this machine gets its packages from.
uri=$(cat /etc/apt/sources.list.d/*.sources 2>/dev/null | awk '/^URIs:/ {print $2; exit}' || true)
[ -n "$uri" ] || uri=$(awk '$1 == "deb" {for (i = 2; i <= NF; i++) if ($i ~ /^http/) {print $i; exit}}' /etc/apt/sources.list 2>/dev/null || true)
[ -n "$uri" ] || { echo "peers.sh: no source of Debian's packages is configured" >&2; exit 1; }
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
signed=""
[ ! -f "$keyring" ] || signed="[signed-by=$keyring] "
echo "deb $signed$uri $SUITE main" >"$apt/sources.list"

options=(-q -o Dir::State="$apt" -o Dir::State::lists="$apt/lists" -o Dir::State::status="$apt/status"
    -o Dir::Cache="$apt/cache" -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o Dir::Etc::preferencesparts=/dev/null -o APT::Sandbox::User=root -o Acquire::Languages=none)
apt-get "${options[@]}" update
apt-get "${options[@]}" download "${PACKAGES[@]}" "${LIBRARIES[@]}"
for package in *.deb; do dpkg-deb -x "$package" .; done

cat >run <<'RUN'
#!/usr/bin/env bash
here=$(dirname "$(readlink -f "$0")")
program=$1
shift
libraries=$(echo "$here"/usr/lib/*-linux-gnu*)
exec "$libraries"/ld-linux-*.so.* --argv0 "$program" --library-path "$libraries" "$(readlink -f "$here/usr/bin/$program")" "$@"
RUN
chmod +x run
