# Sourced by the scripts that need another Debian, in a root directory of its own. Needs root, for debootstrap and chroot.
# shellcheck shell=bash

# Runs the script anew in a mount namespace of its own, so that what is mounted goes with it, however this ends.
own_mounts() { # SCRIPT ARGUMENT…
    [ "${VIADUCT_MOUNTS-}" != own ] || return 0
    local as_user=() sysroot
    [ "$(id -u)" = 0 ] || as_user=(sudo --preserve-env)
    sysroot=$(rustc --print sysroot)
    exec "${as_user[@]}" env VIADUCT_MOUNTS=own SYSROOT="$sysroot" CARGO_HOME="${CARGO_HOME:-$HOME/.cargo}" \
        unshare --mount --propagation private "$@"
}

# Makes the root directory where it is not there, and mounts what programs look for.
debian_root() { # RELEASE DIRECTORY PACKAGE,PACKAGE…
    local release=$1 new=$2 log=$root/build/debootstrap.log
    if [ ! -e "$new/etc/complete" ]; then
        command -v debootstrap >/dev/null || apt-get install -qq -y --no-install-recommends debootstrap >/dev/null
        rm -rf "$new"
        mkdir -p "$new"
        echo "making $new from Debian $release"
        debootstrap --variant=minbase --include="ca-certificates,$3" "$release" "$new" >"$log" ||
            die "debootstrap failed: see build/debootstrap.log."
        touch "$new/etc/complete"
    fi
    # Whatever this system trusts and asks names of, its guest does, too.
    cp -L /etc/resolv.conf "$new/etc/resolv.conf"
    [ ! -f /etc/ssl/certs/ca-certificates.crt ] || cp -L /etc/ssl/certs/ca-certificates.crt "$new/etc/ssl/certs/"
    mount --bind /proc "$new/proc"
    mount --rbind /dev "$new/dev"
}
