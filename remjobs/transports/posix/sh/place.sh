# Find where this host keeps what outlives a connection.
#
# In:  $key, the execution's key
# Out: $mask, the umask that the work shall have
#      $spot, the key's folder if it is here already, else nothing
#      choose: sets $place to the first folder of ours that can be written to,
#      and makes $place/$key.$$ there
#
# The host's name is in the path since homes may be shared between hosts. Only
# folders that a restart keeps are taken: a key that vanished would look like
# one that never was.
mask=$(umask);
umask 077;
name=;
{ read -r name </proc/sys/kernel/hostname; } 2>/dev/null || name=$(uname -n);
own=${HOME:-}/.remjobs/$name;
spot=;
for k in "${REMJOBS_SPOOL:-$own}/$key" "$own/$key" /var/tmp/.remjobs-*/"$key"; do
    if [ -d "$k" ] && [ -O "$k" ]; then spot=$k; fi;
done;

try() {
    [ -z "$place" ] || return 0;
    [ -d "$1" ] || mkdir -p "$1" 2>/dev/null || return 0;
    if [ -h "$1" ]; then return 0; fi;
    [ -O "$1" ] || return 0;
    if { echo "$key" >"$1/$key.$$"; } 2>/dev/null; then place=$1; else rm -f "$1/$key.$$"; fi;
};
choose() {
    place=;
    try "${REMJOBS_SPOOL:-$own}";
    [ -n "$place" ] || try "/var/tmp/.remjobs-$(id -u)";
};
