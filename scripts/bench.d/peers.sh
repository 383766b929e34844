# shellcheck shell=bash
# The programs that are measured; sourced by scripts/bench.
#
# Each has four functions:
#   NAME_version            prints its version; fails if it is not installed
#   NAME_setup              makes an empty repository in $repo
#   NAME_command OPERATION  sets the array "command"; leaves it empty for what it cannot do
#   NAME_bytes              prints how many bytes one copy of the repository has
# They use $repo (the program's folder, empty before setup), $source (what is backed up; also the
# working directory of a backup), $target (where to restore to, an empty folder and the working
# directory of a restore) and the program $tozai.
# shellcheck disable=SC2154,SC2034

bytes_below() {
    find "$@" -type f -printf '%s\n' | awk '{ sum += $1 } END { printf "%.0f\n", sum }'
}

# tozai: two stores, a key file, and its state on the same file system.
tozai_version() {
    "$tozai" version | awk 'NR == 1 { print $NF }'
}

tozai_setup() {
    cat >"$repo/tozai.conf" <<CONFIG
[repository]
state = $repo/state
key_file = $repo/key

[store east]
url = file://$repo/east
location = east

[store west]
url = file://$repo/west
location = west

[source data]
type = directory
path = $source
CONFIG
    "$tozai" -c "$repo/tozai.conf" init
}

tozai_command() {
    command=("$tozai" -c "$repo/tozai.conf" --no-progress)
    case $1 in
    first | unchanged | changed) command+=(backup data) ;;
    restore) command+=(restore data --target "$target") ;;
    check) command+=(verify --level content) ;;
    esac
}

# Both stores hold the same; if not, the larger counts.
tozai_bytes() {
    { bytes_below "$repo/east"; bytes_below "$repo/west"; } | sort -n | tail -n 1
}

restic_version() {
    restic version | awk 'NR == 1 { print $2 }'
}

restic_options() {
    printf '%s\n' restic -q -r "$repo/repository" --cache-dir "$repo/cache" \
        --password-file "$repo/password"
}

restic_setup() {
    local options
    echo benchmark >"$repo/password"
    mapfile -t options < <(restic_options)
    "${options[@]}" init
}

restic_command() {
    mapfile -t command < <(restic_options)
    case $1 in
    first | unchanged | changed) command+=(backup .) ;;
    restore) command+=(restore latest --target "$target") ;;
    check) command+=(check --read-data) ;;
    esac
}

restic_bytes() {
    bytes_below "$repo/repository"
}

# borg: ids of keyed BLAKE2b, and the compression that the others have.
borg_version() {
    borg --version | awk '{ print $2 }'
}

borg_options() {
    printf '%s\n' env "BORG_BASE_DIR=$repo/base" BORG_PASSPHRASE=benchmark \
        "BORG_REPO=$repo/repository" BORG_RELOCATED_REPO_ACCESS_IS_OK=yes borg
}

borg_setup() {
    local options
    mapfile -t options < <(borg_options)
    mkdir "$repo/base"
    "${options[@]}" init -e repokey-blake2
}

borg_command() {
    mapfile -t command < <(borg_options)
    case $1 in
    first | unchanged | changed) command+=(create -C "zstd,3" "::$1" .) ;;
    restore) command+=(extract ::first) ;;
    check) command+=(check --verify-data) ;;
    esac
}

borg_bytes() {
    bytes_below "$repo/repository"
}

# The pipe that people make by hand; further backups are incremental ones of tar.
pipe_version() {
    command -v zstd >/dev/null && command -v age >/dev/null &&
        printf 'tar %s, zstd %s, age %s\n' "$(tar --version | awk 'NR == 1 { print $NF }')" \
            "$(zstd -V | grep -o 'v[0-9.]*')" "$(age --version)"
}

pipe_setup() {
    age-keygen -o "$repo/key"
    age-keygen -y "$repo/key" >"$repo/recipient"
    : >"$repo/first.list"
}

# shellcheck disable=SC2016 # the variables are those of the inner shell
pipe_command() {
    local script
    case $1 in
    first) script='tar --listed-incremental=first.list -C "$1" -cf - .' ;;
    unchanged | changed)
        script='cp first.list next.list; tar --listed-incremental=next.list -C "$1" -cf - .'
        ;;
    restore | check) script='age -d -i key first.age | zstd -dq' ;;
    esac
    case $1 in
    first | unchanged | changed) script+=" | zstd -q -3 | age -R recipient -o $1.age" ;;
    restore) script+=' | tar --listed-incremental=/dev/null -C "$2" -xpf -' ;;
    check) script+=' | tar -tf - >/dev/null' ;;
    esac
    command=(bash -c "set -e -o pipefail; cd \"\$3\"; $script" bash "$source" "$target" "$repo")
}

pipe_bytes() {
    find "$repo" -name '*.age' -printf '%s\n' | awk '{ sum += $1 } END { printf "%.0f\n", sum }'
}

# No backup program: what copying costs, to a file system in memory both times.
copy_version() {
    cp --version | awk 'NR == 1 { print $NF }'
}

copy_setup() {
    :
}

copy_command() {
    command=()
    case $1 in
    first | restore) command=(cp -a "$source/." "$target") ;;
    esac
}

copy_bytes() {
    bytes_below "$source"
}
