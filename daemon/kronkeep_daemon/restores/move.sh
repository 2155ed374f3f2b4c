# Move what stages contain to its place, all of it or nothing:
#
#     sh -c SCRIPT move MODE [STAGE TARGET OLD]...
#
# It needs a POSIX shell and programs that busybox has. STAGE and OLD are on the file system of TARGET. What
# is only in STAGE is added to TARGET. A folder that both have stays, with the mode, owner and times of the
# stage's. Whatever else TARGET has under a name of STAGE, of the same type or another, is replaced.
#
# MODE move: move. MODE recover: after a `move` that was killed at any step, put everything back, or finish it
# where everything was moved; without such a `move` it does nothing.
#
# OLD is the journal. Folders that both have are folders in all of its parts:
#     plan/       an empty file for each name that only STAGE has; its folders have the times of STAGE's
#     replaced/   what was replaced
#     attributes/ archives of TARGET's folders as they were, without what is in them
#     planned     is there from the end of the plan to the end of the move; nothing is moved without it
#     done        is there instead once everything is in its place: then OLD is only removed
#
# Exit codes: 2 nothing was moved; 3 it failed and everything is back in its place; 4 it could not be put back
# and is in OLD; 5 after a recovery, OLD could not be removed.
set -u
umask 077
export LC_ALL=C
mode=$1
shift
stopped=
trap 'stopped=1' TERM INT

exists() { [ -e "$1" ] || [ -L "$1" ]; }

is_folder() { [ -d "$1" ] && ! [ -L "$1" ]; }

refuse() {
  printf '%s\n' "$1" >&2
  return 1
}

# Call a function for each stage, until it fails.
for_each() {
  action=$1
  shift
  while [ $# -gt 0 ]; do
    stage=$1
    target=$2
    old=$3
    shift 3
    "$action" || return 1
  done
}

plan() {
  mkdir "$old" && mkdir "$old/plan" "$old/replaced" "$old/attributes" && plan_folder "" &&
    check_mounts && check_devices && save_attributes && printf '' > "$old/planned"
}

# Here and below: $1 is a folder by its path in STAGE, with a slash at its end; the root is empty. The three
# patterns match every name but . and ..; one that matches nothing stays as it is and does not exist.
plan_folder() {
  for entry in "$stage/$1"* "$stage/$1".[!.]* "$stage/$1"..?*; do
    exists "$entry" || continue
    path=${entry#"$stage/"}
    if is_folder "$entry" && is_folder "$target/$path"; then
      mkdir "$old/plan/$path" "$old/replaced/$path" && plan_folder "$path/" || return 1
      continue
    fi
    [ -w "$target/$1." ] ||
      refuse "$target/$1 may not be written by the user of this restore, so nothing can be moved into it" ||
      return 1
    exists "$target/$path" || printf '' > "$old/plan/$path" || return 1
  done
  touch -r "$stage/$1." "$old/plan/$1."
}

check_mounts() {
  [ -r /proc/self/mountinfo ] || return 0
  while read -r _ _ _ _ point _; do
    point=$(printf '%b' "$point")
    case $point in
      "$target"/*) check_mount "${point#"$target/"}" || return 1 ;;
    esac
  done < /proc/self/mountinfo
}

# Fail where a mount point would be replaced, moved away or moved into: mv would copy.
check_mount() {
  rest=$1
  checked=
  while :; do
    checked=$checked${rest%%/*}
    exists "$stage/$checked" || return 0
    is_folder "$stage/$checked" || break
    case $rest in
      */*) checked=$checked/ rest=${rest#*/} ;;
      *) break ;;
    esac
  done
  refuse "$target/$1 is a mount point, so nothing can be moved to it or replace it"
}

# Fail where a folder is of another file system without being a mount point, as a subvolume is.
check_devices() {
  (cd "$old/plan" && find . -type d -exec sh -c 'cd "$0" && stat -c %d -- "$@"' "$target" {} +) \
    > "$old/devices" || return 1
  [ "$(sort -u "$old/devices" | wc -l)" -eq 1 ] ||
    refuse "a folder in $target is a file system of its own, so nothing can be moved to it"
}

save_attributes() {
  (cd "$old/plan" && find . -type d -exec sh -c '
    number=0
    while [ -e "$1/$number.tar" ]; do number=$((number + 1)); done
    archive=$1/$number.tar
    cd "$2" && shift 2 && tar --no-recursion -cf "$archive" "$@"' sh "$old/attributes" "$target" {} +)
}

# In a plan: names that TARGET had, names that are no folders of both, and of those what has been moved in.
is_replaced() { ! exists "$old/plan/$1"; }
is_moved() { ! is_folder "$old/plan/$1"; }
is_in_place() { is_moved "$1" && exists "$target/$1" && ! exists "$stage/$1"; }

# Move from $3 to $4 what stands in folder $2 of $1 and passes the test $5, 50 paths at once.
move_names() {
  names=$1 folder=$2 from=$3 to=$4 wanted=$5
  set --
  for entry in "$names/$folder"* "$names/$folder".[!.]* "$names/$folder"..?*; do
    exists "$entry" || continue
    path=${entry#"$names/"}
    "$wanted" "$path" || continue
    set -- "$@" "$from/$path"
    if [ $# -ge 50 ]; then
      move_to "$to/$folder" "$@" || return 1
      set --
    fi
  done
  [ $# -eq 0 ] || move_to "$to/$folder" "$@"
}

move_to() {
  destination=$1
  shift
  [ -z "$stopped" ] || refuse "it was stopped" || return 1
  mode=
  for source in "$@"; do
    ! is_folder "$source" || [ -w "$source" ] || mode=read-only
  done
  if [ -n "$mode" ]; then
    move_each "$@"
    return
  fi
  mv -n -- "$@" "$destination" && require_moved "$@"
}

# A user other than root cannot move a folder without the right to write to it, so it gets that for the move.
move_each() {
  for source in "$@"; do
    mode=
    if is_folder "$source" && ! [ -w "$source" ]; then
      mode=$(stat -c %a -- "$source") && chmod u+w -- "$source" || return 1
    fi
    mv -n -- "$source" "$destination" && require_moved "$source" || return 1
    [ -z "$mode" ] || chmod "$mode" -- "$destination${source##*/}" || return 1
  done
}

require_moved() {
  for source in "$@"; do
    ! exists "$source" || refuse "$source: something else has taken its place meanwhile" || return 1
  done
}

move() {
  move_folder "" && apply_attributes && sync -f "$target"
}

move_folder() {
  move_names "$stage" "$1" "$target" "$old/replaced" is_replaced &&
    move_names "$stage" "$1" "$stage" "$target" is_moved || return 1
  for entry in "$stage/$1"* "$stage/$1".[!.]* "$stage/$1"..?*; do
    exists "$entry" || continue
    path=${entry#"$stage/"}
    move_folder "$path/" || return 1
  done
}

# Only folders are left in STAGE: their modes and owners are copied, and the times that they had.
apply_attributes() {
  find "$stage" ! -type d > "$old/left" || return 1
  ! [ -s "$old/left" ] || refuse "some files could not be moved from $stage" || return 1
  cp -a "$stage/." "$target/" && set_times ""
}

set_times() {
  for entry in "$old/plan/$1"* "$old/plan/$1".[!.]* "$old/plan/$1"..?*; do
    is_folder "$entry" || continue
    path=${entry#"$old/plan/"}
    set_times "$path/" || return 1
  done
  touch -r "$old/plan/$1." "$target/$1."
}

commit() { ! [ -e "$old/planned" ] || mv "$old/planned" "$old/done"; }

undo() {
  [ -e "$old/planned" ] || return 0
  undo_folder "" && restore_attributes && sync -f "$target" && rm "$old/planned"
}

undo_folder() {
  move_names "$old/plan" "$1" "$target" "$stage" is_in_place &&
    move_names "$old/replaced" "$1" "$target" "$stage" is_in_place &&
    move_names "$old/replaced" "$1" "$old/replaced" "$target" is_moved || return 1
  for entry in "$old/plan/$1"* "$old/plan/$1".[!.]* "$old/plan/$1"..?*; do
    is_folder "$entry" || continue
    path=${entry#"$old/plan/"}
    undo_folder "$path/" || return 1
  done
}

restore_attributes() {
  for archive in "$old/attributes/"*.tar; do
    tar -C "$target" -xpf "$archive" || return 1
  done
}

undo_all() {
  trap '' TERM INT
  stopped=
  for_each undo "$@"
}

note_done() { ! [ -e "$old/done" ] || finished=1; }

# Finish where everything was moved, which is so once one stage is done; else put everything back.
settle() {
  finished=
  for_each note_done "$@"
  if [ -n "$finished" ]; then for_each commit "$@"; else undo_all "$@"; fi
}

# `done` goes last, so that a half removed OLD is never taken for one to be put back.
discard() { remove "$old/plan" "$old/replaced" "$old/attributes" && rm -rf -- "$old"; }

# A user other than root removes nothing from a folder without the right to write to it.
remove() {
  rm -rf -- "$@" 2> /dev/null && return
  find "$@" -type d -exec chmod u+rwx -- {} + 2> /dev/null
  rm -rf -- "$@"
}

require_folders() {
  is_folder "$stage" || refuse "nothing was restored to $stage" || return 1
  ! exists "$old" || refuse "$old is there already"
}

move_all() { for_each move "$@" && for_each commit "$@"; }

case $mode in
  move)
    for_each require_folders "$@" || exit 2
    if ! for_each plan "$@"; then
      for_each discard "$@"
      exit 2
    fi
    if ! move_all "$@"; then
      settle "$@" || exit 4
      for_each discard "$@"
      [ -n "$finished" ] || exit 3
    fi
    for_each discard "$@"
    exit 0
    ;;
  recover)
    settle "$@" || exit 4
    for_each discard "$@" || exit 5
    ;;
esac
