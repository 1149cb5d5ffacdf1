#!/bin/sh
# Makes the secrets of compose.yaml, once. What is there already stays as it is: without the same
# master key, what is sealed in the database cannot be read any more.
set -eu
umask 077
folder="$(dirname "$0")/secrets"
mkdir -p "$folder"

random() { head -c "$1" /dev/urandom | base64 | tr -d '\n'; }
word() { head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'; }
make() { [ -s "$folder/$1" ] || printf '%s' "$2" >"$folder/$1"; }

make master_key "$(random 32)"
make admin_key "sk-admin-$(word)"
make database_password "$(word)"
make database_url "postgres://kijun:$(cat "$folder/database_password")@postgres/kijun"
make counters_password "$(word)"
make counters_url "redis://:$(cat "$folder/counters_password")@valkey/"
# The accounts inside the containers, which are nobody on this machine, must read them; the folder
# itself is closed to everybody else.
chmod 0444 "$folder"/*
echo "The admin key is in $folder/admin_key"
