#!/bin/bash
# system-bed.sh CMD...: run CMD with a private system bus, a real polkitd and our service.
#
# Stock bus configuration, stock socket path, stock activation helper, in mount and pid
# namespaces of its own. /run is a tmpfs; /etc, /usr/libexec, /usr/share/polkit-1,
# /usr/share/dbus-1 and /var/lib are throw-away overlays: nothing outside changes, and when CMD
# ends every process in here ends.
# Two users exist: snapalice (password alicepw, administrator) and snapbob (bobpw).
#
#   BED_BUILD=DIR    build folder; its files are installed into a scratch folder, BED_DEST, and
#                    those of the service from there into the overlays
#   BED_TIMEOUT=S    end everything after S seconds (120)
#   BED_LOGS=1       print the logs of both daemons at the end, on stderr
#
# CMD sees BED, a scratch folder that every user may enter, and BED_DEST. Exit status: CMD's;
# 77 (skip) without root; 137 when the time is up.
set -eu

if [ "${BED_IN:-}" != 1 ]; then
  [ "$(id -u)" = 0 ] || { echo "system-bed.sh: needs root, skipped" >&2; exit 77; }
  exec env BED_IN=1 timeout --foreground -s KILL "${BED_TIMEOUT:-120}" \
    unshare --mount --propagation private --fork --pid --mount-proc --kill-child -- "$0" "$@"
fi

overlay() {
  mkdir -p "$BED/$2.upper" "$BED/$2.work"
  mount -t overlay overlay -o "lowerdir=$1,upperdir=$BED/$2.upper,workdir=$BED/$2.work" "$1"
}

# our build, where it would be installed
install_service() {
  export BED_DEST=$BED/dest
  meson install -C "$BED_BUILD" --no-rebuild --quiet --destdir "$BED_DEST" >"$BED/install.log" 2>&1 \
    || { cat "$BED/install.log" >&2; exit 1; }
  overlay /usr/libexec libexec
  for d in etc usr/libexec usr/share/dbus-1 usr/share/polkit-1; do
    [ ! -d "$BED_DEST/$d" ] || cp -r "$BED_DEST/$d/." "/$d/"
  done
  PATH=$BED_DEST/usr/bin:$PATH
}

mount -t tmpfs -o mode=755 tmpfs /run
export BED=/run/bed
mkdir -p "$BED" /run/dbus /run/lock /run/systemd/{sessions,users,seats,machines}
overlay /etc etc
overlay /usr/share/polkit-1 polkit
overlay /usr/share/dbus-1 dbus
overlay /var/lib varlib
for u in snapalice snapbob; do
  useradd --create-home --home-dir "$BED/home-$u" --shell /bin/bash "$u"
done
printf '%s\n' snapalice:alicepw snapbob:bobpw | chpasswd
usermod -aG sudo snapalice
[ -z "${BED_BUILD:-}" ] || install_service

dbus-daemon --system --nofork --nopidfile --nosyslog >"$BED/dbus.log" 2>&1 &
bus=$!
for _ in $(seq 200); do [ -S /run/dbus/system_bus_socket ] && break; sleep 0.01; done
/usr/lib/polkit-1/polkitd >"$BED/polkitd.log" 2>&1 &
polkit=$!
gdbus wait --system --timeout 5 org.freedesktop.PolicyKit1

rc=0
"$@" || rc=$?

if [ -n "${BED_LOGS:-}" ]; then
  { echo "--- dbus.log"; cat "$BED/dbus.log"; echo "--- polkitd.log"; cat "$BED/polkitd.log"; } >&2
fi
kill "$polkit" "$bus" 2>/dev/null || true
wait "$polkit" "$bus" 2>/dev/null || true
exit "$rc"
