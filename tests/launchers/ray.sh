#!/bin/sh
# Installs Ray for its tests, of the version that the lock file names, where it can be fetched in time:
#   tests/launchers/ray.sh .venv/bin/python [SECONDS]
# It is fetched first and then installed from there, so that a wait that is cut short changes nothing in the environment;
# what else is installed keeps its version. Status 1 and a sentence where it cannot be had.
set -eu
python=$1
seconds=${2:-120}
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
wanted=$(grep '^ray==' "$root/requirements.lock")
pip="$python -m pip --disable-pip-version-check"
"$python" -c 'import ray' 2>/dev/null && exit 0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
$pip freeze --exclude-editable | grep '==' >"$folder/installed" || true
if ! timeout "$seconds" $pip download -q --only-binary :all: -d "$folder" -c "$folder/installed" "$wanted" >&2; then
    echo "no Ray here: its tests skip (it could not be fetched within $seconds s)" >&2
    exit 1
fi
if ! $pip install -q --no-index --find-links "$folder" -c "$folder/installed" "$wanted" >&2 ||
    ! "$python" -c 'import ray' >&2; then
    $pip uninstall -q -y ray >&2 || true
    echo "no Ray here: its tests skip (it could not be installed)" >&2
    exit 1
fi
