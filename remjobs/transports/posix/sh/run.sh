# The runner: claim the key, run the work apart from any connection, keep its end.
#
# Words: KEY SPOT CAP BODY LENGTH MASK (see start.sh); this file is what start.sh took.
# work() stands before this: it becomes the work, or calls `decline WHY`; and
# yield_lease(), see yield.sh.
#
# SPOT/pid          "PID START BOOT" of the runner while it runs; then renamed to
# SPOT/rc.N         ended with exit status N       (a rename needs no disk space)
# SPOT/sig.NAME     ended by a signal
# SPOT/init.N       its initialization ended with exit status N
# SPOT/refused.125  could not begin; SPOT/refused says why
# SPOT/out, err     what it printed, no more than CAP bytes each once CAP is passed
# SPOT/capped        more was printed than that
key=$1 spot=$2 cap=$3 body=$4 length=$5 mask=$6 load=$0
if ! mkdir "$spot" 2>/dev/null; then
    rm -f "$load"
    if [ -d "$spot" ]; then echo known >&9; else echo "refused cannot make $spot" >&9; fi
    exit 0
fi
start=- boot=-
if { read -r line </proc/$$/stat; } 2>/dev/null; then
    line=${line##*") "}
    # shellcheck disable=SC2086
    set -- $line
    start=${20}
else
    start=$(ps -o lstart= -p $$ | tr -d ' ')
fi
{ read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null ||
    boot=$(sysctl -n kern.boottime 2>/dev/null | tr -cd 0-9)
if ! { echo "$$ ${start:--} ${boot:--}" >"$spot/pid" && : >"$spot/out" && : >"$spot/err" && : >"$spot/note"; } 2>/dev/null; then
    rm -f "$load" "$spot/pid" "$spot/out" "$spot/err" "$spot/note"
    rmdir "$spot"
    echo "refused cannot write to $spot; is the disk full?" >&9
    exit 0
fi
# A stop's gentle signal ends the work; the runner outlives it and keeps the end.
trap : HUP INT QUIT TERM
exec 2>"$spot/note" 5>>"$spot/out" 6>>"$spot/err"
if [ "$length" -gt "$body" ]; then
    exec <"$load"
    dd bs="$body" count=1 of=/dev/null 2>/dev/null
fi
rm -f "$load"
(
    cd "$spot" || exit
    trap 'kill "$nap"; exit' TERM
    # A TERM that comes before the trap is lost: the end of the runner is seen here too.
    while [ -e pid ] && kill -0 $$; do
        sleep 1 &
        nap=$!
        wait "$nap"
        # shellcheck disable=SC2044
        for file in $(find out err -size +$((cap / 512 + 1))); do
            echo >capped
            dd if=/dev/null of="$file" bs=1 seek="$cap"
        done
    done
) </dev/null >/dev/null 2>&1 5>&- 6>&- 9>&- &
watch=$!
echo "begun $$" >&9
exec 9>&-
# shellcheck disable=SC2317
decline() {
    printf '%s\n' "$1" >"$spot/refused"
    exit 125
}
export REMJOBS_KEY="$key"
# A shell tells of a child's signal on its own error output, the note.
(
    exec >&5 2>&6 5>&- 6>&-
    umask "$mask"
    work
)
code=$?
if [ -e "$spot/refused" ]; then
    end=refused.125
elif [ -e "$spot/initialization" ]; then
    end=init.$code
elif [ "$code" -gt 256 ]; then
    end=sig.$(kill -l $((code - 256)))
elif [ "$code" -gt 128 ] && [ -s "$spot/note" ]; then
    end=sig.$(kill -l $((code - 128)))
else
    end=rc.$code
fi
kill "$watch"
yield_lease
mv "$spot/pid" "$spot/$end"
exit 0
