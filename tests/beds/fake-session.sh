#!/bin/bash
# fake-session.sh STATE USER CMD...: inside system-bed.sh, run CMD as USER in a pretended
# login session. STATE: active, inactive (local, in the background) or remote.
#
# polkitd asks libsystemd, and libsystemd only reads the process's cgroup path and
# files in /run/systemd, so no logind is needed. The cgroup is the one thing made
# outside the bed; it is removed again. Needs a writable cgroup v2 tree, alone or
# beside v1 ("hybrid").
set -eu
state=$1 user=$2; shift 2
uid=$(id -u "$user")
root=/sys/fs/cgroup
[ ! -d $root/unified ] || root=$root/unified
scope=user.slice/user-$uid.slice/session-bed$$.scope

active=1 session=active seat=seat0 current=bed$$
case $state in
  active) ;;
  inactive) active=0 session=online current=other ;;
  remote) seat= ;;
  *) echo "fake-session.sh: unknown state '$state'" >&2; exit 2 ;;
esac

cat >"/run/systemd/sessions/bed$$" <<X
UID=$uid
USER=$user
ACTIVE=$active
IS_DISPLAY=1
STATE=$session
REMOTE=0
TYPE=x11
CLASS=user
${seat:+SEAT=$seat}
X
cat >"/run/systemd/users/$uid" <<X
NAME=$user
STATE=$session
DISPLAY=bed$$
SESSIONS=bed$$
ONLINE_SESSIONS=bed$$
ACTIVE_SESSIONS=bed$$
SEATS=$seat
ACTIVE_SEATS=$seat
X
cat >/run/systemd/seats/seat0 <<X
IS_SEAT0=1
ACTIVE=$current
ACTIVE_UID=$uid
SESSIONS=bed$$
X

mkdir -p "$root/$scope"
rc=0
( echo "$BASHPID" >"$root/$scope/cgroup.procs"
  exec setpriv --reuid "$user" --regid "$user" --init-groups "$@" ) || rc=$?
rm -f "/run/systemd/sessions/bed$$" "/run/systemd/users/$uid" /run/systemd/seats/seat0
rmdir -p --ignore-fail-on-non-empty "$root/$scope" 2>/dev/null || true
exit $rc
