#!/usr/bin/env bash
# A folder of recordings in; their stems and one table of scores out.
#
#     examples/batch.sh RECORDINGS REFERENCES N [OPTION...]
#
# REFERENCES has a folder of reference stems for each recording, of the recording's name (mix.wav:
# REFERENCES/mix/). Options go to `musisep separate`, -o DIR among them. Run it again after an
# interruption: what is done is kept, what was begun goes on.
set -uo pipefail

if [ $# -lt 3 ]; then
    sed -n '4,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
recordings=$1 references=$2 n=$3
shift 3

# Where stems go, for the scores: what -o says, or `separated`.
out=separated
given=("$@")
for ((k = 0; k < ${#given[@]}; k++)); do
    case ${given[k]} in
        -o | --out) out=${given[k + 1]-} ;;
        --out=*) out=${given[k]#--out=} ;;
    esac
done

# One command for all: a recording that fails does not stop the others. What it prints goes to
# stderr, so that stdout has the table alone.
musisep separate "$recordings" -n "$n" --resume "$@" >&2
status=$?
# 2: wrong usage, 130: interrupted. Only a failed recording among others is worth going on.
[ "$status" -le 1 ] || exit "$status"

musisep evaluate "$out"/musisep/*/ --refs "$references" --csv || exit 1
exit "$status"
