# Remove what ended, or never came whole, more than $minutes minutes ago.
#
# In: $minutes, $day; place.sh
# Prints one line: swept N kept M. Kept is what runs, and what is younger.
# Of a key its folder stays two days more, so that it is not taken for one that
# never came; see ChildRun._start_late.
boot=-
{ read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null ||
    boot=$(sysctl -n kern.boottime 2>/dev/null | tr -cd 0-9)

# Whether $1 was changed more than $2 minutes ago.
older() { [ "$2" -eq 0 ] || [ -n "$(find "$1" -prune -mmin +"$2")" ]; }

# What runs since this boot is nobody's leftover, however old it looks.
runs() {
    { read -r pid start began <"$1/pid"; } 2>/dev/null &&
        [ "$began" = "$boot" ] && kill -0 "$pid" 2>/dev/null
}

least=$minutes
[ "$least" -gt 2880 ] || least=2880
swept=0 kept=0
set -- "$own" /var/tmp/.remjobs-*
if [ "${REMJOBS_SPOOL:-$own}" != "$own" ]; then set -- "$REMJOBS_SPOOL" "$@"; fi
for place in "$@"; do
    if [ ! -d "$place" ] || [ ! -O "$place" ]; then continue; fi
    for k in "$place"/????????-????-????-????-????????????*; do
        if [ ! -e "$k" ]; then
            continue
        elif [ -e "$k/done" ] || [ -e "$k/swept" ]; then
            if older "$k" "$least"; then rm -rf "$k"; fi
        elif runs "$k" || ! older "$k" "$minutes"; then
            kept=$((kept + 1))
        elif [ -d "$k" ]; then
            : >"$k/swept" && (cd "$k" && rm -f rc.* sig.* init* refused* stopped.* out err note capped pid)
            swept=$((swept + 1))
        else
            rm -f "$k"
            swept=$((swept + 1))
        fi
    done
    rm -f "$place"/.swept-*
    rmdir "$place" 2>/dev/null || : >"$place/.swept-$day"
done
echo "swept $swept kept $kept"
