#!/bin/sh
# Builds cross_check.cpp for this machine and for aarch64, runs the second under an emulator, and compares what they print.
set -eu
root=$(cd "$(dirname "$0")/../../.." && pwd)
for tool in cmake qemu-aarch64 aarch64-linux-gnu-g++; do
    command -v "$tool" >/dev/null || {
        echo "$tool is missing; on Debian: apt-get install cmake qemu-user g++-aarch64-linux-gnu" >&2
        exit 1
    }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# build NAME [CMAKE OPTIONS]
build() {
    name=$1
    shift
    cmake -S "$root" -B "$work/$name" -DLACONIC_CPP_TESTS=ON "$@" >"$work/$name.log"
    cmake --build "$work/$name" --target cross_check >>"$work/$name.log" || { cat "$work/$name.log" >&2; exit 1; }
}

build here
build aarch64 -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++
"$work/here/cross_check" >"$work/here.txt"
qemu-aarch64 -L /usr/aarch64-linux-gnu "$work/aarch64/cross_check" >"$work/aarch64.txt"
cat "$work/aarch64.txt"
cmp "$work/here.txt" "$work/aarch64.txt"
echo "the same on $(uname -m) and on aarch64"
