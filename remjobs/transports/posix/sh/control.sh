# End, hold or wake the whole process tree of one execution, and say what is left.
#
# Words: VERB KEY PID START BOOT GRACE; then place.sh
#   VERB   stop, suspend or resume
#   KEY    the execution's key; processes carry it as REMJOBS_KEY
#   PID    the process that leads a session of its own; - asks the spool
#   START  its start time as in /proc/PID/stat, field 22; - where unknown
#   BOOT   the boot id of that moment; - where unknown
#   GRACE  seconds between TERM and KILL
# yield_lease() stands before this; see yield.sh.
#
# Prints one line: gone N (N processes were signalled), held N, awake N,
# left PID..., or rebooted.
# Found are: the process itself, its session, whoever carries the key, and all
# their descendants. A reused pid is told by its start time.
verb=$1 pid=$3 start=$4 boot=$5 grace=$6

pause() { sleep 0.1 2>/dev/null || sleep 1; }

if [ "$pid" = - ] && [ -z "$spot" ] && [ "$verb" = stop ]; then
    # It never began here. Whoever comes late with it shall find the key taken.
    choose
    [ -z "$place" ] || { mkdir "$place/$key" && : >"$place/$key/done"; rm -f "$place/$key.$$"; } 2>/dev/null
elif [ "$pid" = - ] && [ -n "$spot" ]; then
    turns=20
    while :; do
        { read -r pid start boot <"$spot/pid"; } 2>/dev/null && break
        pid=-
        for f in "$spot"/*.* "$spot/done"; do [ -e "$f" ] && break 2; done
        [ "$turns" -gt 0 ] || break
        turns=$((turns - 1))
        pause
    done
fi

now=-
{ read -r now </proc/sys/kernel/random/boot_id; } 2>/dev/null ||
    now=$(sysctl -n kern.boottime 2>/dev/null | tr -cd 0-9)
if [ "$boot" != - ] && [ "$now" != "$boot" ]; then
    echo rebooted
    exit 0
fi

# One line a process: PID PPID SESSION START STATE
if [ -r /proc/self/stat ]; then
    snapshot() {
        cat /proc/[0-9]*/stat 2>/dev/null | awk '{
            n = split($0, part, ")"); split(part[n], f, " "); split($0, head, " ")
            if (f[1] != "Z" && f[1] != "X") print head[1], f[2], f[4], f[20], f[1]
        }'
    }
    carriers() {
        grep -lsF "REMJOBS_KEY=$key" /proc/[0-9]*/environ 2>/dev/null | tr -dc '0-9\n' | tr '\n' ' '
    }
else
    # BSD and macOS: no start time and no environment to look at.
    snapshot() {
        # shellcheck disable=SC2009
        ps -A -o pid= -o ppid= -o pgid= -o stat= | awk '$4 !~ /^Z/ { print $1, $2, $3, "-", $4 }'
    }
    carriers() { :; }
    start=-
fi

# The pids of the tree; with "awake" of those in it that are not held, with
# "held" of those that are.
tree() {
    snapshot | awk -v pid="$pid" -v start="$start" -v marked="$(carriers)" -v me="$$" -v only="${1-}" '
        { parent[$1] = $2; session[$1] = $3; began[$1] = $4; state[$1] = $5 }
        END {
            same = (pid in began) && (start == "-" || began[pid] == start)
            alien = (pid in began) && !same
            if (same) mine[pid] = 1
            n = split(marked, list, " ")
            for (i = 1; i <= n; i++) if (list[i] in parent) mine[list[i]] = 1
            for (p in session)
                if (!alien && session[p] == pid && (start == "-" || began[p] + 0 >= start + 0)) mine[p] = 1
            do {
                grown = 0
                for (p in parent) if (!(p in mine) && (parent[p] in mine)) { mine[p] = 1; grown = 1 }
            } while (grown)
            for (p in mine) {
                held = (state[p] ~ /^[Tt]/)
                if (only == "awake" && held || only == "held" && !held) continue
                if (p != me && session[p] != session[me]) printf "%s ", p
            }
        }'
}

# Processes that are not ours to signal (the work used sudo) get it through sudo,
# if that asks no password.
send() {
    name=$1
    shift
    denied=
    for p in "$@"; do
        kill -s "$name" "$p" 2>/dev/null || denied="$denied $p"
    done
    still=
    for p in $denied; do
        if [ ! -d /proc/self ] || [ -d "/proc/$p" ]; then still="$still $p"; fi
    done
    if [ -n "$still" ] && command -v sudo >/dev/null; then
        # shellcheck disable=SC2086
        sudo -n kill -s "$name" $still </dev/null >/dev/null 2>&1
    fi
}

# Wait up to $1 tenths of a second for the tree (what is awake, held in it) to be gone.
gone() {
    turns=$1
    while :; do
        found=$(tree "${2-}")
        [ -z "$found" ] && return 0
        [ "$turns" -le 0 ] && return 1
        turns=$((turns - 1))
        pause
    done
}

# The runner was killed with its work and could not tell the end.
done_with() {
    yield_lease
    if [ -n "$spot" ] && [ -e "$spot/pid" ]; then mv "$spot/pid" "$spot/stopped.1"; fi
    echo "gone $1"
    exit 0
}

first=$(tree)
# shellcheck disable=SC2086
set -- $first
count=$#
[ "$count" -gt 0 ] || done_with 0

case $verb in
suspend)
    rounds=10
    found=$first
    while [ "$rounds" -gt 0 ]; do
        # shellcheck disable=SC2086
        send STOP $found
        if gone 3 awake; then
            echo "held $count"
            exit 0
        fi
        rounds=$((rounds - 1))
    done
    echo "left $found"
    exit 0
    ;;
resume)
    # sudo holds itself again when it wakes before its child does: look twice.
    rounds=10
    calm=0
    found=$first
    while [ "$rounds" -gt 0 ]; do
        # shellcheck disable=SC2086
        send CONT $found
        pause
        if gone 3 held; then
            calm=$((calm + 1))
            found=$(tree)
        else
            calm=0
        fi
        if [ "$calm" -ge 2 ]; then
            echo "awake $count"
            exit 0
        fi
        rounds=$((rounds - 1))
    done
    echo "left $(tree held)"
    exit 0
    ;;
esac

# A stopped process takes its TERM only once it goes on.
# shellcheck disable=SC2086
send TERM $first
# shellcheck disable=SC2086
send CONT $first
tenths=$(awk -v s="$grace" 'BEGIN { printf "%d", s * 10 }')
gone "$tenths" && done_with "$count"
rounds=10
while [ "$rounds" -gt 0 ]; do
    # shellcheck disable=SC2086
    send KILL $found
    gone 5 && done_with "$count"
    rounds=$((rounds - 1))
done
echo "left $found"
