# Sourced by the other scripts: where things are, and what to say when they are not there.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1

extension=${EXTENSION:-${CARGO_TARGET_DIR:-$root/target}/release/libgrpc.so}
# shellcheck disable=SC2034 # for those who source this
python=$root/.venv/bin/python
requirements=tests-php/interop/requirements.txt

# Roots of whoever runs this are not the tests'.
unset GRPC_DEFAULT_SSL_ROOTS_FILE_PATH

die() {
    printf '%s\n' "$*" >&2
    exit 1
}

# Builds what the tests need, without optimisation. All of the workspace at once, as 'cargo test --workspace' does: what is
# chosen decides the features of the dependencies, so that each other choice would build them, and the engine, anew.
build_debug() { # CARGO-OPTION…
    cargo build --quiet --workspace "$@"
}

need_setup() { # [demo]
    local tool tools=(php php-config protoc openssl) what=${1-test}
    [ "$what" = test ] || tools=(php protoc)
    for tool in "${tools[@]}"; do
        command -v "$tool" >/dev/null || die "$tool is missing: run 'scripts/setup $what' first."
    done
    cmp -s "$requirements" .venv/requirements.installed ||
        die "The Python environment .venv is missing or old: run 'scripts/setup $what' first."
}

need_extension() {
    [ -f "$extension" ] || die "$extension is missing: run 'make build' first."
}

# Where 'make install' has enabled a grpc extension, PHP would load that one and refuse ours: leave its ini file out.
without_installed_grpc() {
    php -r 'exit(extension_loaded("grpc") ? 0 : 1);' || return 0
    local ini
    rm -rf build/ini
    mkdir -p build/ini
    for ini in "$(php-config --ini-dir)"/*.ini; do
        grep -Eq '^ *extension *= *"?(.*/)?(lib)?grpc(\.so)?"? *$' "$ini" || ln -s "$ini" build/ini/
    done
    export PHP_INI_SCAN_DIR=$root/build/ini
}

# What PHP's run-tests.php says in a log, as "passed failed skipped".
count_phpt() { # "Tests passed    :   12 ( 92.3%) ( 92.3%)"
    awk -F '[:(]' '/^(Tests [a-z]+|Expected fail|Expected leak) *:/ { sub(/ *$/, "", $1); n[$1] = $2 }
        END { print n["Tests passed"] + 0,
            n["Tests failed"] + n["Tests warned"] + n["Tests leaked"] + n["Tests borked"] + 0,
            n["Tests skipped"] + n["Expected fail"] + n["Expected leak"] + 0 }' "$1"
}
