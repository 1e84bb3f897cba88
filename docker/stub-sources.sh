#!/bin/sh
# Makes empty sources for every crate whose Cargo.toml is here, so that a build of nothing but the dependencies
# can be a Docker layer of its own: it stays cached until a manifest or the lock file changes.
set -eu

for manifest in $(find . -mindepth 2 -name Cargo.toml -not -path './target/*'); do
    crate=$(dirname "$manifest")
    mkdir -p "$crate/src"
    : >"$crate/src/lib.rs"
    echo 'fn main() {}' >"$crate/src/main.rs"
    # Targets that the manifest names must have a file, although none of them is built here.
    awk '
        function flush() { if (kind != "") print (path != "" ? path : kind (kind ~ /ch$/ ? "es/" : "s/") name ".rs"); kind = "" }
        /^\[/ { flush(); name = path = "" }
        /^\[\[(test|bench|example)\]\]/ { gsub(/[\[\]]/, ""); kind = $0 }
        /^name *=/ { split($0, part, "\""); name = part[2] }
        /^path *=/ { split($0, part, "\""); path = part[2] }
        END { flush() }
    ' "$manifest" | while read -r file; do
        mkdir -p "$crate/$(dirname "$file")"
        echo 'fn main() {}' >"$crate/$file"
    done
done
