#!/usr/bin/env bash
# The regression gate for a pipeline: the verdict on standard output, Markdown and JUnit as files, the gate's exit status.
#
#   RUN=runs/x BASELINE=baseline.json [MARGIN=5%] [ON=return] [ALPHA=0.05] [ACROSS="code_revision packages_json"]
#   [INCONCLUSIVE=pass|fail] [OUT=gate] [HARNESS=harness] bash ci/check.sh
#
# 0 not worse, 1 worse, 3 cannot tell, 2 no verdict.
set -uo pipefail
if [ -z "${RUN:-}" ] || [ -z "${BASELINE:-}" ]; then
    echo "error: RUN names a run and BASELINE what it is held against; one of them is empty." >&2
    exit 2
fi
out=${OUT:-gate}
mkdir -p "$out" && rm -f "$out/summary.md" "$out/junit.xml" || exit 2 # no answer of an earlier run stands for this one
arguments=("$RUN" --baseline "$BASELINE" --margin "${MARGIN:-5%}" --on "${ON:-return}" --alpha "${ALPHA:-0.05}")
for field in ${ACROSS:-}; do
    arguments+=(--across "$field")
done
if [ -n "${INCONCLUSIVE:-}" ]; then
    arguments+=(--inconclusive "$INCONCLUSIVE")
fi
"${HARNESS:-harness}" check "${arguments[@]}" --format junit --out "$out/junit.xml"
status=$?
if [ "$status" -ne 2 ]; then
    "${HARNESS:-harness}" check "${arguments[@]}" --format markdown --out "$out/summary.md" >/dev/null
fi
if [ -n "${GITHUB_STEP_SUMMARY:-}" ] && [ -f "$out/summary.md" ]; then
    cat "$out/summary.md" >>"$GITHUB_STEP_SUMMARY"
fi
exit "$status"
