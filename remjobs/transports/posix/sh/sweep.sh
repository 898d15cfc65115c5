# Remove what ended, or never came whole, more than $minutes minutes ago.
#
# In: $minutes, $day; place.sh
# Prints one line: swept N kept M. Kept is what runs, and what is younger.
boot=-
{ read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null ||
    boot=$(sysctl -n kern.boottime 2>/dev/null | tr -cd 0-9)
swept=0 kept=0
set -- "$own" /var/tmp/.remjobs-*
if [ "${REMJOBS_SPOOL:-$own}" != "$own" ]; then set -- "$REMJOBS_SPOOL" "$@"; fi
for place in "$@"; do
    if [ ! -d "$place" ] || [ ! -O "$place" ]; then continue; fi
    for k in "$place"/????????-????-????-????-????????????*; do
        [ -e "$k" ] || continue
        old=$k
        [ "$minutes" = 0 ] || old=$(find "$k" -prune -mmin +"$minutes")
        if [ -e "$k/pid" ]; then
            { read -r pid start began <"$k/pid"; } 2>/dev/null
            # What runs since this boot is nobody's leftover, however old.
            [ "$began" = "$boot" ] && kill -0 "$pid" 2>/dev/null && old=
        fi
        if [ -n "$old" ] && rm -rf "$k"; then
            swept=$((swept + 1))
        else
            kept=$((kept + 1))
        fi
    done
    rm -f "$place"/.swept-*
    rmdir "$place" 2>/dev/null || : >"$place/.swept-$day"
done
echo "swept $swept kept $kept"
