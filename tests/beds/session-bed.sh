#!/bin/bash
# session-bed.sh CMD...: run CMD with a private session bus and XDG folders of its own.
#
# As dbus-run-session, but nothing of the user's is read or written: HOME and the XDG folders lie
# in a scratch folder, BED, and there is no system bus. Exit status: CMD's.
set -eu
BED=$(mktemp -d)
export BED HOME=$BED/home XDG_RUNTIME_DIR=$BED/run XDG_STATE_HOME=$BED/state
export XDG_CONFIG_HOME=$BED/config XDG_DATA_HOME=$BED/data XDG_CACHE_HOME=$BED/cache
export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$BED/no-system-bus
mkdir -m 700 "$HOME" "$XDG_RUNTIME_DIR" "$XDG_STATE_HOME"
trap 'rm -rf "$BED"' EXIT
dbus-run-session -- "$@"
