#!/bin/sh
# Builds the wheel of a checkout: build_wheel.sh PYTHON CHECKOUT FOLDER
set -eu
"$1" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$3" "$2"
