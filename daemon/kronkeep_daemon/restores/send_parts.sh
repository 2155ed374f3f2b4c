# Print what a command writes as numbered parts in base64, and wait until they have been read:
#
#     sh -c SCRIPT send FOLDER GO BLOCKS WINDOW SKIP COMMAND...
#
# It needs a POSIX shell and programs that busybox has (with `dd iflag=fullblock`). FOLDER is scratch space for
# WINDOW parts of BLOCKS times 64 KiB each. The first SKIP blocks are not sent, only hashed. GO is a file that
# the reader changes: `READ ASKED`, how many parts have arrived well, and how often it has asked for the others
# again. Where it says nothing new for 15 minutes, nobody reads any more.
#
#     #skipped SHA256            of the blocks that are not sent
#     #part NUMBER BYTES SHA256  then the part in lines of base64, then #end NUMBER
#     #total PARTS SHA256 CODE   at the end: the sum of all that the command wrote, and its exit code
#     #error TEXT                what it wrote to its standard error
set -u
folder=$1
go=$2
blocks=$3
window=$4
skip=$5
shift 5
patience=4500 # times 0.2 s
sent=0
seen=0
total=
trap 'exit 143' TERM
mkfifo "$folder/stream" "$folder/whole" || exit 1
sha256sum < "$folder/whole" > "$folder/sum" &
summing=$!
{
  "$@" 2> "$folder/errors"
  echo $? > "$folder/code"
} | tee "$folder/whole" > "$folder/stream" &
exec 3< "$folder/stream"

send() {
  bytes=$(wc -c < "$folder/part-$1")
  sum=$(sha256sum < "$folder/part-$1")
  printf '\n#part %s %s %s\n' "$1" "$((bytes))" "${sum%% *}"
  base64 -w 12000 "$folder/part-$1"
  printf '\n#end %s\n' "$1"
}

tell_total() {
  tail -c 2000 "$folder/errors" | sed 's/^/#error /'
  printf '\n#total %s %s %s\n' "$sent" "$whole" "$code"
}

# Return once so many parts have been read; meanwhile send those again that are asked for.
wait_until() {
  idle=0
  while :; do
    has=0
    asked=$seen
    { read -r has asked < "$go"; } 2>/dev/null
    [ "$has" -ge "$1" ] && return
    if [ "$asked" != "$seen" ]; then
      seen=$asked
      idle=0
      number=$((has + 1))
      while [ "$number" -le "$sent" ]; do
        send "$number"
        number=$((number + 1))
      done
      [ -z "$total" ] || tell_total
    fi
    idle=$((idle + 1))
    [ "$idle" -le "$patience" ] || exit 9
    sleep 0.2 || exit 1
  done
}

if [ "$skip" -gt 0 ]; then
  sum=$(dd bs=65536 count="$skip" iflag=fullblock <&3 2>/dev/null | sha256sum)
  printf '\n#skipped %s\n' "${sum%% *}"
fi
while :; do
  next=$((sent + 1))
  dd bs=65536 count="$blocks" iflag=fullblock <&3 > "$folder/part-$next" 2>/dev/null || exit 1
  [ -s "$folder/part-$next" ] || break
  sent=$next
  send "$sent"
  wait_until $((sent - window + 1))
  [ "$sent" -lt "$window" ] || rm -f "$folder/part-$((sent - window + 1))"
done
wait "$summing"
whole=$(cat "$folder/sum")
whole=${whole%% *}
code=$(cat "$folder/code")
total=yes
tell_total
wait_until "$sent"
exit "$code"
