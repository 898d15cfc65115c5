# Keep a lease alive while the process that it is held for lives, then give it back.
#
# Words: CLAIM KEY BEAT PID; see lease.sh. Runs in the claim's folder.
claim=$1 key=$2 beat=$3 pid=$4

clock() {
    at=
    { read -r at rest </proc/uptime; } 2>/dev/null
    at=${at%%.*}
    [ -n "$at" ] || at=$(date +%s)
}

# When the process began; nothing if it has ended.
born() {
    began=
    if { read -r line <"/proc/$pid/stat"; } 2>/dev/null; then
        line=${line##*") "}
        case $line in Z* | X*) return ;; esac
        # shellcheck disable=SC2086
        set -- $line
        began=${20}
    elif [ ! -r /proc/self/stat ]; then
        began=$(ps -o lstart= -p "$pid" 2>/dev/null | tr -d ' ')
    fi
}

# Whether somebody has a higher claim: we were taken for dead.
passed() {
    for other in ../*; do
        other=${other##*/}
        case $other in
        *[!0-9]* | 0* | ??????????*) ;;
        *) [ "$other" -le "${claim##*/}" ] || return 0 ;;
        esac
    done
    return 1
}

born
start=$began
set -- beat.*."$key"
file=$1
last=${file#beat.}
last=${last%%.*}
while [ -n "$began" ] && [ "$began" = "$start" ]; do
    sleep 1
    # Given back by a stop, or by the work's own runner.
    [ -e "$file" ] || exit 0
    clock
    if [ $((at - last)) -ge "$beat" ] || [ "$at" -lt "$last" ]; then
        if passed; then break; fi
        mv "$file" "beat.$at.$key" 2>/dev/null || exit 0
        file=beat.$at.$key
        last=$at
    fi
    born
done
mv "$file" free 2>/dev/null
