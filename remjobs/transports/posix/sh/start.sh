# Start a key's work, unless it was started before, and follow it.
#
# In: $key, $word, $length, $sum, $sha, $body, $cap, $day; place.sh and follow.sh
# Standard input: $length bytes, whose POSIX cksum is $sum and SHA-256 $sha: the
# runner and what it runs (the first $body bytes), then the work's own standard
# input. After them, one line "$word ok" once the outcome is stored.
# Prints, on both streams, a line that begins with remjobs-KEY, then the output.
refuse() {
    printf %s "remjobs-$key refused $1";
    echo;
    exit 125;
};
take() {
    dd bs="$length" count=1 iflag=fullblock 2>/dev/null || dd bs=1 count="$length" 2>/dev/null;
};
if [ -n "$spot" ]; then adopt; exit 0; fi;
choose;
[ -n "$place" ] || refuse "neither ${REMJOBS_SPOOL:-$own} nor /var/tmp can keep the work: both full, read-only or not ours; --attached needs neither";
load=$place/$key.$$;
take >"$load" || { rm -f "$load"; refuse "$place cannot hold the work; is the disk full?"; };
if command -v cksum >/dev/null; then got=$(cksum <"$load"); else got=$(sha256sum <"$load"); fi;
case $got in
"$sum $length" | "$sum $length "* | "$sha "*) ;;
*)
    rm -f "$load";
    refuse "the work did not arrive whole";
    ;;
esac;
spot=$place/$key;
risk=;
[ -e "$place/.swept-$day" ] || risk=,due;
if [ -n "${XDG_SESSION_ID:-}" ]; then
    if grep -qsiE "^KillUserProcesses=(yes|true|on|1)" /etc/systemd/logind.conf /etc/systemd/logind.conf.d/*.conf; then risk=$risk,killed; fi;
fi;
if command -v setsid >/dev/null; then
    set -- setsid;
elif command -v perl >/dev/null; then
    set -- perl -e "use POSIX; POSIX::setsid(); exec @ARGV";
else
    risk=$risk,together;
    set --;
fi;
# The runner holds the pipe and tells on it how it began. A background job would
# have the signals INT and QUIT ignored, and so would the work.
exec 8<&0;
exec "$@" /bin/sh "$load" "$key" "$spot" "$cap" "$body" "$length" "$mask" 9>&1 </dev/null >/dev/null 2>&1 8<&- | {
    read -r how p rest;
    exec <&8 8<&-;
    case $how in
    begun)
        echo "remjobs-$key begun $risk";
        echo "remjobs-$key" >&2;
        live "$p" child;
        settle;
        finish;
        ;;
    known) adopt ;;
    refused) refuse "$p $rest" ;;
    *) refuse "the runner did not start in $place" ;;
    esac;
}
