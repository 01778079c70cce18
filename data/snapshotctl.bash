# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of snapshotctl: the program itself knows, also the names of domains and snapshots.
_snapshotctl() {
  local i word words=()
  # bash makes a word of the = in --option=value; two words mean the same
  for ((i = 1; i <= COMP_CWORD; i++)); do
    if [ "${COMP_WORDS[i]}" != '=' ]; then
      words+=("${COMP_WORDS[i]}")
    elif [ "$i" = "$COMP_CWORD" ]; then
      words+=('')
    fi
  done
  COMPREPLY=()
  while IFS= read -r word; do
    COMPREPLY+=("$(printf '%q' "$word")")
  done < <("$1" complete -- "${words[@]}" 2>/dev/null </dev/null)
}
complete -o default -F _snapshotctl snapshotctl
