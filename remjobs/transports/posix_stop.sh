# End the whole process tree of one execution, and say whether it is gone.
#
# Words: KEY PID START BOOT GRACE
#   KEY    the execution's key; processes carry it as REMJOBS_KEY
#   PID    the process that became the work; it leads a session of its own
#   START  its start time as in /proc/PID/stat, field 22; - where unknown
#   BOOT   the boot id of that moment; - where unknown
#   GRACE  seconds between TERM and KILL
#
# Prints one line: gone N (N processes were signalled), left PID..., or rebooted.
# Found are: the process itself, its session, whoever carries the key, and all
# their descendants. A reused pid is told by its start time.
key=$1 pid=$2 start=$3 boot=$4 grace=$5

now=-
{ read -r now </proc/sys/kernel/random/boot_id; } 2>/dev/null
if [ "$boot" != - ] && [ "$now" != "$boot" ]; then
    echo rebooted
    exit 0
fi

if [ -r /proc/self/stat ]; then
    # One line a process: PID PPID SESSION START
    snapshot() {
        cat /proc/[0-9]*/stat 2>/dev/null | awk '{
            n = split($0, part, ")"); split(part[n], f, " "); split($0, head, " ")
            if (f[1] != "Z" && f[1] != "X") print head[1], f[2], f[4], f[20]
        }'
    }
    carriers() {
        grep -lsF "REMJOBS_KEY=$key" /proc/[0-9]*/environ 2>/dev/null | tr -dc '0-9\n' | tr '\n' ' '
    }
else
    # BSD and macOS: no start time and no environment to look at.
    snapshot() {
        # shellcheck disable=SC2009
        ps -A -o pid= -o ppid= -o pgid= -o stat= | awk '$4 !~ /^Z/ { print $1, $2, $3, "-" }'
    }
    carriers() { :; }
fi

tree() {
    snapshot | awk -v pid="$pid" -v start="$start" -v marked="$(carriers)" -v me="$$" '
        { parent[$1] = $2; session[$1] = $3; began[$1] = $4 }
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
            for (p in mine) if (p != me && session[p] != session[me]) printf "%s ", p
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

pause() { sleep 0.1 2>/dev/null || sleep 1; }

# Wait up to $1 tenths of a second for the tree to be gone.
gone() {
    turns=$1
    while :; do
        found=$(tree)
        [ -z "$found" ] && return 0
        [ "$turns" -le 0 ] && return 1
        turns=$((turns - 1))
        pause
    done
}

first=$(tree)
# shellcheck disable=SC2086
set -- $first
count=$#
if [ "$count" -eq 0 ]; then
    echo gone 0
    exit 0
fi
# A stopped process takes its TERM only once it goes on.
# shellcheck disable=SC2086
send TERM $first
# shellcheck disable=SC2086
send CONT $first
tenths=$(awk -v s="$grace" 'BEGIN { printf "%d", s * 10 }')
if gone "$tenths"; then
    echo "gone $count"
    exit 0
fi
rounds=10
while [ "$rounds" -gt 0 ]; do
    # shellcheck disable=SC2086
    send KILL $found
    if gone 5; then
        echo "gone $count"
        exit 0
    fi
    rounds=$((rounds - 1))
done
echo "left $found"
