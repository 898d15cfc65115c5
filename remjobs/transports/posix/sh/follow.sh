# Follow a key's output to its end.
#
# In: $key, $spot, $word (a random word that ends every line of ours), $out and
#     $err (offsets to begin at, in bytes)
#
# Output and error go out as they are, on our own two streams; lines that begin
# with $word are ours. A follower whose reader has gone ends by itself.
pause() { sleep 0.1 2>/dev/null || sleep 1; };

# The name of the file that says how the key ended, if it did.
final() {
    end=;
    for f in "$spot"/rc.* "$spot"/sig.* "$spot"/init.* "$spot"/refused.* "$spot"/stopped.* "$spot"/swept "$spot"/done; do
        if [ -e "$f" ]; then end=${f##*/}; fi;
    done;
};

# When a process began, as the pid file tells it; fails if there is none.
born() {
    began=;
    if { read -r line <"/proc/$1/stat"; } 2>/dev/null; then
        line=${line##*") "};
        case $line in Z* | X*) return 1 ;; esac;
        # shellcheck disable=SC2086
        set -- $line;
        began=${20};
    elif [ -r /proc/self/stat ]; then
        return 1;
    else
        began=$(ps -o lstart= -p "$1" 2>/dev/null | tr -d " ");
        [ -n "$began" ];
    fi;
};
boot() {
    now=-;
    { read -r now </proc/sys/kernel/random/boot_id; } 2>/dev/null ||
        now=$(sysctl -n kern.boottime 2>/dev/null | tr -cd 0-9) || now=-;
    [ -n "$now" ] || now=-;
};

# GNU tail waits in the kernel and costs nothing; where it is another, we look
# ten times a second. $1 is the runner, $2 says whether somebody reaps it.
live() {
    if tail -c 0 --pid=$$ /dev/null 2>/dev/null; then
        tail -c +$((out + 1)) -s 0.05 --pid="$1" -f "$spot/out" 2>/dev/null &
        a=$!;
        tail -c +$((err + 1)) -s 0.05 --pid="$1" -f "$spot/err" >&2 2>/dev/null &
        b=$!;
        guard=;
        if [ "$2" = orphan ]; then
            (
                while [ -e "$spot/pid" ]; do sleep 2; done;
                sleep 2;
                kill "$a" "$b";
            ) </dev/null >/dev/null 2>&1 &
            guard=$!;
        fi;
        wait "$a" || exit 75;
        wait "$b" || exit 75;
        [ -z "$guard" ] || kill "$guard" 2>/dev/null;
        return 0;
    fi;
    exec 3<"$spot/out" 4<"$spot/err";
    tail -c +$((out + 1)) <&3;
    tail -c +$((err + 1)) <&4 >&2;
    turn=0;
    while [ -e "$spot/pid" ]; do
        pause;
        cat <&3;
        cat <&4 >&2;
        turn=$((turn + 1));
        if [ "$turn" -ge 20 ]; then
            turn=0;
            echo "$word beat" || exit 75;
            born "$1" || break;
        fi;
    done;
    cat <&3;
    cat <&4 >&2;
};

# Wait for the runner's word on how it ended, a moment longer than it lives.
settle() {
    turn=0;
    final;
    while [ -z "$end" ] && [ "$turn" -lt 5 ]; do
        turn=$((turn + 1));
        pause;
        final;
    done;
    [ -n "$end" ] || end=vanished;
};

# Tell the end, then keep everything until the other side says that it is stored.
finish() {
    more=;
    if [ -e "$spot/refused" ]; then { read -r more <"$spot/refused"; } 2>/dev/null; fi;
    if [ -e "$spot/capped" ]; then end="$end cut"; else end="$end whole"; fi;
    printf %s "$word end $end $more";
    echo;
    echo "$word end" >&2;
    while read -r line; do
        if [ "$line" = "$word ok" ]; then
            if { :; } 2>/dev/null >"$spot/done"; then
                cd "$spot" && rm -f rc.* sig.* init* refused* stopped.* out err note capped pid;
            else
                cd "$spot" && rm -f out err;
            fi;
            break;
        fi;
    done;
};

# Follow what was started by somebody, perhaps long ago.
adopt() {
    turn=0;
    p=;
    while :; do
        final;
        [ -z "$end" ] || break;
        if { read -r p s b <"$spot/pid"; } 2>/dev/null; then break; fi;
        turn=$((turn + 1));
        if [ "$turn" -ge 50 ]; then
            end=unborn;
            break;
        fi;
        pause;
    done;
    echo "remjobs-$key known";
    echo "remjobs-$key" >&2;
    boot;
    if [ -z "$end" ] && [ "$b" = "$now" ] && born "$p" && [ "$began" = "$s" ]; then
        live "$p" orphan;
        settle;
        finish;
        return 0;
    fi;
    if [ -z "$end" ] && [ "$b" = "$now" ]; then settle; fi;
    [ -n "$end" ] || end=rebooted;
    if [ -e "$spot/out" ]; then tail -c +$((out + 1)) "$spot/out"; fi;
    if [ -e "$spot/err" ]; then tail -c +$((err + 1)) "$spot/err" >&2; fi;
    finish;
};
