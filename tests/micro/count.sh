#!/usr/bin/env bash
# Counts the instructions that each hot loop takes for a byte:
#
#     count.sh PROGRAM
#
# Each loop runs twice under callgrind, over 4 MiB and over 8: the difference is what 4 MiB take, without what comes once.
set -euo pipefail

hot=${1:?the program hot}
few=$((4 << 20))
many=$((8 << 20))

# Instructions of a loop over so many bytes.
count() {
    local told
    told=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null "$hot" "$1" "$2" 2>&1) || { echo "$told" >&2; exit 1; }
    awk '/Collected *:/ { print $NF }' <<< "$told"
}

# Instructions of a loop for 4 MiB.
more() { echo $(($(count "$1" "$many") - $(count "$1" "$few"))); }

nothing=$(more nothing)
printf '%-10s %s\n' loop 'instructions a byte'
for loop in sha1 both seal open archive pipe; do
    counted=$(more "$loop")
    base=$nothing
    # To open a message it has to be sealed before.
    [ "$loop" != open ] || base=$sealed
    [ "$loop" != seal ] || sealed=$counted
    awk -v loop="$loop" -v counted="$((counted - base))" -v bytes="$((many - few))" \
        'BEGIN { printf "%-10s %.2f\n", loop, counted / bytes }'
done
