#!/bin/sh
# A restic for the benchmark of the queue: an archive takes a second and no work, and is found afterwards.
set -f
id=$(printf '%064d' 7)
tags=""
command=""
previous=""
for word; do
  [ "$previous" = --tag ] && tags="$tags,$word"
  case $word in
    version|init|backup|snapshots|cat|list|forget|check|stats|unlock) [ -n "$command" ] || command=$word ;;
  esac
  previous=$word
done
quoted=$(printf '%s' "${tags#,}" | sed 's/,/","/g')
case $command in
  version) echo "restic 0.19.1 compiled with go1.26 on linux/amd64" ;;
  cat) echo "{\"version\": 2, \"id\": \"$id\", \"chunker_polynomial\": \"1\"}" ;;
  list) case $* in *" keys"*) echo "$id" ;; esac ;;
  backup)
    sleep 1
    echo "{\"message_type\":\"summary\",\"files_new\":1,\"total_files_processed\":1,\"total_bytes_processed\":1,\"total_duration\":1,\"data_added\":1,\"snapshot_id\":\"$id\"}"
    ;;
  snapshots)
    if [ -n "$tags" ]; then
      echo "[{\"time\":\"2026-01-01T00:00:00Z\",\"hostname\":\"stub\",\"tags\":[\"$quoted\"],\"id\":\"$id\",\"short_id\":\"00000007\"}]"
    else
      echo "[]"
    fi
    ;;
esac
