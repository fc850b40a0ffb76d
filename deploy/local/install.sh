#!/usr/bin/env bash
# deploy/local/install.sh - installs the Debian packages that are missing.
#
#   install.sh run|test|peers  what ./run needs; ./test needs some more; bench/run --peers a Java compiler
#
# Calls apt only when something is missing, as root or through sudo; otherwise it is done in a
# blink.  What apt said is in $CACHE/install.log.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# build: compiler, libraries, code generators; servers: what servers.sh and cache.sh start
RUN_PACKAGES=(
    gcc libc6-dev meson ninja-build pkg-config
    librdkafka-dev libpq-dev libprotobuf-c-dev protobuf-c-compiler protobuf-compiler libprotobuf-dev
    libcriterion-dev libjansson-dev libinih-dev uthash-dev libxxhash-dev
    postgresql-15 postgresql-client-15 kcat jq curl python3-venv ca-certificates
)
# git and debootstrap: style, shellcheck and tools/bare ask the one and start from the other; openssl: the
# certificate of the payment provider
TEST_PACKAGES=(
    g++ clang clang-tidy clang-format libclang-rt-14-dev shellcheck valgrind binutils git debootstrap
    pgbouncer openssl
)

# Java and Maven may have come by another way than apt.
java_is_new_enough() {
    local version
    version=$(java -version 2>&1) && [[ $version =~ version\ \"([0-9]+) ]] && ((BASH_REMATCH[1] >= 17))
}

missing_packages() {
    local package installed
    # shellcheck disable=SC2016  # dpkg-query's own variables
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true)
    for package in "$@"; do
        [[ $'\n'$installed$'\n' == *$'\n'"installed $package"$'\n'* ]] || printf '%s\n' "$package"
    done
    java_is_new_enough || printf 'openjdk-17-jre-headless\n'
    command -v mvn >/dev/null || printf 'maven\n'
}

# The server package would make and start a cluster for the whole machine.
prevent_main_cluster() {
    [[ -e /usr/lib/postgresql/15/bin/initdb ]] ||
        "${AS_ROOT[@]}" sh -c 'mkdir -p /etc/postgresql-common/createcluster.d &&
            echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/orderlog.conf'
}

# And this one would run a pool for the whole machine, now (RUNLEVEL, where there is no systemd) and at
# every start.
prevent_pooler() {
    [[ -e /usr/sbin/pgbouncer || " $* " != *' pgbouncer '* ]] ||
        "${AS_ROOT[@]}" sh -c 'mkdir -p /etc/systemd/system &&
            ln -sf /dev/null /etc/systemd/system/pgbouncer.service'
}

apt_install() {
    "${AS_ROOT[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -o DPkg::Lock::Timeout=600 \
        -y -qq --no-install-recommends install "$@" </dev/null
}

install() {
    local missing log=$CACHE/install.log
    # Another process may have installed them while this one waited.
    mapfile -t missing < <(missing_packages "$@")
    ((${#missing[@]})) || return 0
    say "installing ${#missing[@]} Debian packages: ${missing[*]}"
    if ! {
        prevent_main_cluster && prevent_pooler "${missing[@]}" &&
            { apt_install "${missing[@]}" ||
                { "${AS_ROOT[@]}" apt-get -o DPkg::Lock::Timeout=600 -qq update &&
                    apt_install "${missing[@]}"; }; }
    } >"$log" 2>&1; then
        complain "could not install ${missing[*]}: see $log"
        return 1
    fi
}

case ${1:-} in
    run) packages=("${RUN_PACKAGES[@]}") ;;
    test) packages=("${RUN_PACKAGES[@]}" "${TEST_PACKAGES[@]}") ;;
    peers)
        packages=("${RUN_PACKAGES[@]}")
        # Like Java itself, it may have come by another way.
        command -v javac >/dev/null || packages+=(openjdk-17-jdk-headless)
        ;;
    *)
        say "usage: deploy/local/install.sh run|test|peers"
        exit 2
        ;;
esac
lacking=$(missing_packages "${packages[@]}")
[[ -n $lacking ]] || exit 0

AS_ROOT=()
if ((EUID != 0)); then
    command -v sudo >/dev/null ||
        die "these Debian packages are missing, and installing them needs root or sudo: ${lacking//$'\n'/ }"
    # Asks for the password here, where it can be seen.
    sudo -v || die "sudo was refused; missing Debian packages: ${lacking//$'\n'/ }"
    AS_ROOT=(sudo)
fi
mkdir -p "$CACHE"
with_lock "$CACHE/install.lock" install "${packages[@]}"
