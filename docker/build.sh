#!/usr/bin/env bash
# Builds and tags all images.
#
#     docker/build.sh [registry] [version]
#
# Arguments come before the variables REGISTRY and IMAGE_VERSION; without either: localhost and 0.0.0-dev.
# RUST_IMAGE and DEBIAN_IMAGE replace the base images, for example by ones with a digest.
# Each image gets the tags `<version>` and `latest` (which deploy/compose.yaml starts if nothing else is said).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

registry=${1:-${REGISTRY:-localhost}}
version=${2:-${IMAGE_VERSION:-0.0.0-dev}}
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
# Only a public address belongs into a label.
source=$(git config --get remote.origin.url 2>/dev/null || true)
[[ $source =~ ^https://[^@]+$ ]] || source=""

# Without them the defaults of the Dockerfile hold.
bases=()
for base in RUST_IMAGE DEBIAN_IMAGE; do
    [[ -z ${!base:-} ]] || bases+=(--build-arg "$base=${!base}")
done

for target in api-gateway orchestrator github-sim demo-runner; do
    image=$registry/mayfly-$target
    echo "== $image:$version"
    # Same arguments for all, so that the builder stage is built once.
    docker build -f docker/Dockerfile --target "$target" \
        --build-arg VERSION="$version" --build-arg REVISION="$revision" --build-arg SOURCE="${source%.git}" "${bases[@]}" \
        -t "$image:$version" -t "$image:latest" .
done

echo "== images"
docker images --format '{{.Repository}}:{{.Tag}}  {{.Size}}' \
    | grep -E "^$registry/mayfly-(api-gateway|orchestrator|github-sim|demo-runner):$version "
