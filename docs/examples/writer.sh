#!/bin/sh
# Logs scores as predictions, in the documented line format, from any program that prints them.
#
#   my-model | sh writer.sh FOLDER MODEL VERSION >ids.txt
#
# Each line that it reads has an item and a score (0..1). It prints the item and the id of the prediction. A click that
# comes later is logged by its id and its time:
#
#   sh writer.sh FOLDER click ID TIME
#
# Each line goes to the file with one write, so several of these may run at once: each has a file of its own.
set -eu

folder=$1
mkdir -p "$folder"
file=$folder/shell-$(uname -n)-$$.ndjson

now() { date -u +%Y-%m-%dT%H:%M:%S.%3NZ; }
new_id() { cat /proc/sys/kernel/random/uuid; }

if [ "$2" = click ]; then
  printf '{"@timestamp":"%s","event":{"dataset":"model.feedback","id":"%s"},"prediction":{"id":"%s","timestamp":"%s"},"feedback":{"type":"click"}}\n' \
    "$(now)" "$(new_id)" "$3" "$4" >>"$file"
  exit
fi

model=$2 version=$3 threshold=${THRESHOLD:-0.5}
while read -r item score; do
  case $item in *[\"\\]*) echo "error: the item $item has a quotation mark or a backslash" >&2; exit 1 ;; esac
  id=$(new_id) time=$(now)
  label=$(awk -v score="$score" -v threshold="$threshold" 'BEGIN { print (score + 0 >= threshold + 0) ? 1 : 0 }')
  printf '{"@timestamp":"%s","event":{"dataset":"model.prediction","id":"%s"},"model":{"name":"%s","version":"%s"},"item":{"id":"%s"},"prediction":{"id":"%s","score":%s,"label":%s,"threshold":%s,"rank":1}}\n' \
    "$time" "$id" "$model" "$version" "$item" "$id" "$score" "$label" "$threshold" >>"$file"
  printf '%s %s %s\n' "$item" "$id" "$time"
done
