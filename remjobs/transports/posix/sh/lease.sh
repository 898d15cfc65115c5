# Take a lease on this host, and have it kept for as long as this process lives.
#
# In:  $lease   its name
#      $holder  who wants it for what, in words
#      $key     the execution's key
#      $beat    seconds between two heartbeats
#      $expiry  seconds without one after which it may be taken
#      $keeper  keep.sh
# Run in a shell of its own. Fails with one line on why: "leased held by ...",
# or what stands in the way of any lease here.
#
# All accounts meet in one folder with mode 1777 for each name. Whoever takes the
# lease makes a folder there, named by the number after the highest one: mkdir is
# what exactly one can do. So nobody has to remove what is another account's, and
# what was left by a crash is passed by. In a claim's folder, which only its owner
# can write to, is one file:
#
#   beat.SECONDS.KEY  the heartbeat, by the host's uptime. Its first line is
#                     BOOT PID EXPIRY DATE TIME, its second one the holder
#   free              the same, once the lease was given back
#
# Each change of it is a rename: that needs no space on the disk, and nobody ever
# sees half of one. The highest claim always stays, since numbers that went back
# could be claimed by two; its owner removes it when it has a higher one.
CDPATH=
umask 022
set -- "${REMJOBS_LEASES:-/tmp/.remjobs-leases}"

pause() { sleep 0.1 2>/dev/null || sleep 1; }

fail() {
    printf '%s\n' "$1" | tr -d '\000-\011\013-\037\177'
    exit 1
}

# The clock of this boot: nobody can set it, and it goes on while the host sleeps.
clock() {
    at=
    { read -r at rest </proc/uptime; } 2>/dev/null
    at=${at%%.*}
    [ -n "$at" ] || at=$(date +%s)
}

boot=-
{ read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null ||
    boot=$(sysctl -n kern.boottime 2>/dev/null | tr -cd 0-9)
[ -n "$boot" ] || boot=-

# Enter $1 in the present folder, made if need be. Anybody may have put anything
# there: only where no link led to it we are where we meant to be.
enter() {
    here=${here%/}/$1
    tries=0
    until mkdir -m 1777 "./$1" 2>/dev/null || [ -k "./$1" ]; do
        # Another one has just made it, and not opened it to all yet; or it is wrong.
        tries=$((tries + 1))
        [ "$tries" -lt 20 ] || fail "no lease can be taken: $here is not a folder with mode 1777 and cannot be made one; who owns it removes it"
        pause
    done
    if ! cd -P "./$1" 2>/dev/null || [ "$(pwd -P)" != "$here" ]; then
        fail "no lease can be taken: $here is no folder of its own; who owns it removes it"
    fi
}
root=${1%/*}
cd -P "${root:-/}" 2>/dev/null || fail "no lease can be taken: there is no folder ${root:-/}"
here=$(pwd -P)
enter "${1##*/}"
enter "$lease"

# Whether $1 is the name of a claim.
numbered() {
    case $1 in
    (*[!0-9]* | 0* | ??????????*) return 1 ;;
    esac
    [ -d "$1" ] && [ ! -h "$1" ]
}

# Read the claim $1: free, dead (no heartbeat any more) or alive.
judge() {
    state=dead
    # A file that is being renamed may be seen under neither name.
    for look in 1 2 3; do
        [ ! -e "$1/free" ] || state=free
        for file in "$1"/beat.*; do
            if [ -h "$file" ] || [ ! -f "$file" ]; then continue; fi
            said=$(dd if="$file" bs=1024 count=1 2>/dev/null | tr -d '\000-\011\013-\037\177')
            [ -n "$said" ] || continue
            last=${file#"$1/beat."}
            last=${last%%.*}
            case $last in
            ('' | *[!0-9]* | 0?* | ???????????*) continue ;;
            esac
            age=$((at - last))
            holding=${said#*"$newline"}
            set -f
            # shellcheck disable=SC2086
            set -- "$1" ${said%%"$newline"*}
            set +f
            pid=$3
            date=$5
            time=$6
            # What another boot left behind has ended with it.
            if [ "$2" != "$boot" ]; then state=free; elif [ "$age" -le "$4" ]; then state=alive; fi
            return
        done
        [ "$state" = dead ] || return
    done
} 2>/dev/null

# Look at all claims but $1: sets $top, the highest one, and $state. Whoever holds
# a lower one that is dead was passed by already.
newline='
'
survey() {
    top=0
    for claim in *; do
        if numbered "$claim" && [ "$claim" -gt "$top" ]; then top=$claim; fi
    done
    found=free
    clock
    for claim in *; do
        if ! numbered "$claim" || [ "$claim" = "$1" ]; then continue; fi
        judge "$claim"
        case $state in
        (alive) return ;;
        (dead) [ "$claim" != "$top" ] || found=dead ;;
        esac
    done
    state=$found
}

# Whether the process $1 is seen to run; it may run unseen.
runs() {
    { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
    case ${line##*") "} in
    (Z* | X*) return 1 ;;
    esac
}

held() {
    case $date in
    ("$(date -u +%Y-%m-%d)") date= ;;
    (*) date="$date " ;;
    esac
    [ "$age" -ge 0 ] || age=0
    fail "leased held by ${holding%%"$newline"*} since $date$time UTC, last heartbeat $age s ago"
}

# Publish the claim $1, or leave nothing of it.
publish() (
    cd -P "./$1" && [ "$(pwd -P)" = "$here/$1" ] && [ -O . ] || exit 1
    clock
    since=$(date -u '+%Y-%m-%d %H:%M')
    printf '%s\n%s\n' "$boot $$ $expiry $since" "$holder" >new &&
        mv new "beat.$at.$key" && exit 0
    rm -f new
    exit 1
) 2>/dev/null

# Give up the claim $1 that another one beats.
withdraw() { mv "$1/beat."* "$1/free" 2>/dev/null; }

# Remove claims of ours below $1; none of them holds any more.
clean() {
    for claim in *; do
        if numbered "$claim" && [ "$claim" -lt "$1" ] && [ -O "$claim" ]; then
            (cd -P "./$claim" && [ "$(pwd -P)" = "$here/$claim" ] && rm -f free beat.* new)
            rmdir "$claim"
        fi
    done
} 2>/dev/null

# The keeper is nobody's child and has no part in the work, so that it is neither
# held nor stopped with it; it holds none of its pipes either.
keep() (
    cd -P "./$1" || exit 1
    unset REMJOBS_KEY
    if command -v setsid >/dev/null; then
        set -- setsid
    elif command -v perl >/dev/null; then
        set -- perl -e 'use POSIX; POSIX::setsid(); exec @ARGV'
    else
        set --
    fi
    exec "$@" /bin/sh -c "$keeper" remjobs-lease "$here/$claim" "$key" "$beat" "$$" </dev/null >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
)

# Work that has just ended gives its lease back within a second, and a heartbeat that
# has stopped may go on where the host only slept: what is not seen to run is looked
# at for a while.
tries=0
seen=
while :; do
    survey -
    if [ "$top" != "$seen" ]; then
        seen=$top
        patience=$((at + 3))
    fi
    if [ "$state" = alive ] && runs "$pid"; then held; fi
    if [ "$state" != free ] && [ "$at" -le "$patience" ]; then
        pause
        continue
    fi
    [ "$state" != alive ] || held
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || fail "no lease can be taken: too many want one in $here"
    claim=$((top + 1))
    if ! mkdir -m 755 "$claim" 2>/dev/null; then
        [ -d "$claim" ] || fail "no lease can be taken: $here cannot be written to; is the disk full?"
        pause
        continue
    fi
    mine=$claim
    publish "$mine" || {
        rmdir "$mine"
        fail "no lease can be taken: $here cannot be written to; is the disk full?"
    }
    # Between the look and the claim somebody may have woken or come late.
    survey "$mine"
    if [ "$state" = alive ] || [ "$top" -gt "$mine" ]; then
        withdraw "$mine"
        continue
    fi
    clean "$mine"
    claim=$mine
    keep "$mine"
    exit 0
done
