# Give back the lease that $key holds, if it holds one; see lease.sh.
#
# Its keeper may be renaming the same file: then look again.
yield_lease() {
    for turn in 1 2 3 4 5; do
        set -- "${REMJOBS_LEASES:-/tmp/.remjobs-leases}"/*/*/beat.*."$key"
        [ -e "$1" ] || continue
        if [ -O "$1" ] && mv "$1" "${1%/*}/free" 2>/dev/null; then break; fi
    done
}
