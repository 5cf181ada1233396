#!/bin/sh
# Installs the wheel in a folder at the locked versions: install.sh PYTHON FOLDER LOCK [TORCH_INDEX]
set -eu
python=$1 folder=$2 lock=$3 index=${4:-}
set -- --quiet --disable-pip-version-check --no-cache-dir --constraint "$lock"
[ -z "$index" ] || set -- "$@" --extra-index-url "$index"
"$python" -m pip install "$@" "$folder"/visual_rl_harness-*.whl
"$python" -m harness --help >/dev/null
