#!/bin/bash
# systemd-bed.sh CMD...: boot this very system in a container with systemd as process 1 and our
# service installed, run CMD in it as root, power off, keep nothing.
#
# The container's tree is a throw-away overlay over the host's root; of the host's units only
# basic.target is started, and what that activates. No network. Users as in system-bed.sh.
#
#   BED_BUILD=DIR    build folder; its files are installed into the overlay
#   BED_TIMEOUT=S    end everything after S seconds (120)
#   BED_LOGS=1       print the journal at the end, on stderr
#
# Works where systemd is not the host's process 1 (hence --register=no --keep-unit). Exit status:
# CMD's; 77 (skip) without root, 125 if the boot failed, 137 when the time is up.
set -eu

groups() { # the container's own cgroups, in both hierarchies where there are two
  local tree
  for tree in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
    [ ! -e "$tree/cgroup.procs" ] || echo "$tree/bed-$BED_GROUP"
  done
}

remove_groups() {
  local group
  for group in $(groups); do
    for _ in $(seq 50); do
      find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null || true
      [ -d "$group" ] || break
      sleep 0.02
    done
  done
}

if [ "${BED_IN:-}" != 1 ]; then
  [ "$(id -u)" = 0 ] || { echo "systemd-bed.sh: needs root, skipped" >&2; exit 77; }
  export BED_GROUP=$$
  for group in $(groups); do mkdir -p "$group"; done
  rc=0
  BED_IN=1 timeout --foreground -s KILL "${BED_TIMEOUT:-120}" \
    unshare --mount --propagation private --fork --pid --mount-proc --kill-child -- "$0" "$@" \
    || rc=$?
  remove_groups
  exit $rc
fi

for group in $(groups); do echo 0 >"$group/cgroup.procs"; done
source=$(dirname "$(dirname "$(dirname "$(realpath "$0")")")")
mount -t tmpfs -o mode=755 tmpfs /run
work=/run/bed
tree=$work/root
mkdir -p $work/upper $work/work $tree
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/work" $tree

rm -rf $tree/etc/systemd/system/* $tree/etc/systemd/user/* $tree/etc/init.d/*
: >$tree/etc/fstab
: >$tree/etc/machine-id
for u in snapalice snapbob; do
  chroot $tree useradd --create-home --shell /bin/bash "$u"
done
printf '%s\n' snapalice:alicepw snapbob:bobpw | chroot $tree chpasswd
chroot $tree usermod -aG sudo snapalice
binds=("--bind-ro=$source")
if [ -n "${BED_BUILD:-}" ]; then
  binds+=("--bind-ro=$BED_BUILD")
  meson install -C "$BED_BUILD" --no-rebuild --quiet --destdir $tree >$work/install.log 2>&1 \
    || { cat $work/install.log >&2; exit 1; }
fi

if [ -n "${ASAN_OPTIONS:-}" ]; then
  # the leak checker traces its own process, which the unit does not allow
  mkdir -p $tree/etc/systemd/system/snapshotd.service.d
  printf '[Service]\nEnvironment=ASAN_OPTIONS=%s:detect_leaks=0\n' "$ASAN_OPTIONS" \
    >$tree/etc/systemd/system/snapshotd.service.d/asan.conf
fi
systemd-nspawn --quiet --register=no --keep-unit --boot -D $tree --machine=bed \
  --private-network --console=pipe "${binds[@]}" -- --unit=basic.target \
  </dev/null >$work/console.log 2>&1 &
nspawn=$!

leader_of() { # the container's process 1, once its bus is there
  local p
  # shellcheck disable=SC2013  # one line, several words
  for p in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
    [ "$(awk '/^NSpid/ { print $NF }' "/proc/$p/status" 2>/dev/null)" = 1 ] || continue
    nsenter -t "$p" -a test -S /run/dbus/system_bus_socket 2>/dev/null && echo "$p"
  done
}

leader=
for _ in $(seq 1000); do
  leader=$(leader_of $nspawn || true)
  [ -z "$leader" ] || break
  sleep 0.02
done
[ -n "$leader" ] || { cat $work/console.log >&2; exit 125; }

inside() {
  nsenter -t "$leader" -a -- env -i HOME=/root LANG=C.UTF-8 TERM=dumb "${pass[@]}" \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

pass=()
for name in QS_SOURCE QS_BUILD PYTHONDONTWRITEBYTECODE; do
  [ -z "${!name:-}" ] || pass+=("$name=${!name}")
done
inside systemctl is-system-running --wait >/dev/null 2>&1 || true
rc=0
inside "$@" || rc=$?
[ -z "${BED_LOGS:-}" ] || inside journalctl --no-pager -o short-monotonic >&2 || true
inside systemctl poweroff >/dev/null 2>&1 || kill -s RTMIN+4 "$leader"
for _ in $(seq 250); do kill -0 $nspawn 2>/dev/null || break; sleep 0.02; done
kill $nspawn 2>/dev/null || true
wait $nspawn 2>/dev/null || true
exit $rc
