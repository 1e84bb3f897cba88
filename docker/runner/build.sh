#!/usr/bin/env bash
# Builds the runner images `minimal` and `enhanced` for this machine's Docker engine. Needs curl and jq to ask GitHub for a release.
# See --help, and docs/runner-images.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
    cat <<'TEXT'
usage: docker/runner/build.sh [options] VERSION

VERSION is a release of actions/runner, such as 2.337.0, or `latest`, which asks GitHub.
The images are REGISTRY/mayfly-runner:minimal and :enhanced, and the same with -VERSION.

  --only TARGET      only `minimal` or `enhanced`
  --fresh            use no layer of an earlier build and ask for a newer base image: with Debian's updates since then
  --registry NAME    default: $REGISTRY, or localhost
  --sha256 SUM       of the tarball; default: what GitHub says, or with --url: not checked
  --url URL          where the tarball is; needs no GitHub if VERSION is a number
  --arch ARCH        x64, arm64 or arm; default: the engine's
  --base IMAGE       default: debian:bookworm-slim
  --image-os NAME    what the images call their system (ImageOS); default: debian12

Exit codes: 0 built, 1 not built, 64 wrong arguments.
RUNNER_RELEASES replaces https://api.github.com/repos/actions/runner/releases.
TEXT
}

wrong() {
    printf 'build.sh: %s\n' "$1" >&2
    printf 'build.sh --help says what there is\n' >&2
    exit 64
}

fail() {
    printf 'build.sh: %s\n' "$1" >&2
    exit 1
}

version="" arch="" url="" sum="" registry=${REGISTRY:-localhost} base="" image_os="" targets=(minimal enhanced) fresh=()
while (($#)); do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --fresh) fresh=(--pull --no-cache) ;;
        --only | --registry | --sha256 | --url | --arch | --base | --image-os)
            [[ -n ${2:-} ]] || wrong "$1 needs a value"
            case $1 in
                --only) targets=("$2") ;;
                --registry) registry=$2 ;;
                --sha256) sum=$2 ;;
                --url) url=$2 ;;
                --arch) arch=$2 ;;
                --base) base=$2 ;;
                --image-os) image_os=$2 ;;
            esac
            shift
            ;;
        -*) wrong "there is no option $1" ;;
        *)
            [[ -z $version ]] || wrong "one version, please: $version or $1?"
            [[ -n $1 ]] || wrong "VERSION is empty"
            version=$1
            ;;
    esac
    shift
done

[[ -n $version ]] || wrong "VERSION is missing"
version=${version#v}
[[ $version == latest || $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || wrong "VERSION is three numbers, such as 2.337.0, or latest: $version"
[[ ${targets[0]} =~ ^(minimal|enhanced)$ ]] || wrong "--only is minimal or enhanced: ${targets[0]}"
[[ -z $arch || $arch =~ ^(x64|arm64|arm)$ ]] || wrong "--arch is x64, arm64 or arm: $arch"
[[ -z $sum || $sum =~ ^[0-9a-fA-F]{64}$ ]] || wrong "--sha256 is 64 hexadecimal digits: $sum"
[[ -z $url || $url =~ ^https?://[^[:space:]]+$ ]] || wrong "--url begins with http:// or https://"
[[ $registry =~ ^[a-z0-9][a-z0-9./:_-]*[a-z0-9]$ ]] || wrong "--registry is no name of a registry: $registry"

if [[ -z $arch ]]; then
    engine=$(docker version --format '{{.Server.Arch}}') || fail "the Docker engine does not answer"
    case $engine in
        amd64) arch=x64 ;;
        arm64 | arm) arch=$engine ;;
        *) fail "GitHub has no runner for this engine's architecture, $engine" ;;
    esac
fi

# GitHub's release says which version is the latest, and the SHA-256 of its files.
if [[ $version == latest || (-z $url && -z $sum) ]]; then
    which=latest
    [[ $version == latest ]] || which=tags/v$version
    release=$(curl -fsSL --retry 3 -m 60 -H 'accept: application/vnd.github+json' \
        "${RUNNER_RELEASES:-https://api.github.com/repos/actions/runner/releases}/$which") \
        || fail "GitHub does not show the release $version; with --sha256, or --url and a number, it is not asked"
    version=$(jq -er '.tag_name' <<<"$release") || fail "GitHub's answer has no tag_name"
    version=${version#v}
    [[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || fail "the latest release is called $version, which is not understood"
    if [[ -z $sum && -z $url ]]; then
        sum=$(jq -er --arg name "actions-runner-linux-$arch-$version.tar.gz" \
            '.assets[] | select(.name == $name) | .digest // empty | select(startswith("sha256:"))[7:]' <<<"$release") \
            || fail "GitHub shows no SHA-256 of the runner $version for $arch; look it up, and give it as --sha256"
    fi
fi
[[ -n $sum ]] || echo "build.sh: without --sha256 the tarball of --url is not checked" >&2

revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
# Only a public address belongs into a label.
source=$(git config --get remote.origin.url 2>/dev/null || true)
[[ $source =~ ^https://[^@]+$ ]] || source=""

# Empty ones are left out, so that the Dockerfile's defaults hold.
arguments=(--build-arg "RUNNER_VERSION=$version" --build-arg "RUNNER_ARCH=$arch" --build-arg "REVISION=$revision")
[[ -z $source ]] || arguments+=(--build-arg "SOURCE=${source%.git}")
[[ -z $url ]] || arguments+=(--build-arg "RUNNER_URL=$url")
[[ -z $sum ]] || arguments+=(--build-arg "RUNNER_SHA256=${sum,,}")
[[ -z $base ]] || arguments+=(--build-arg "BASE=$base")
[[ -z $image_os ]] || arguments+=(--build-arg "IMAGE_OS=$image_os")

image=$registry/mayfly-runner
for target in "${targets[@]}"; do
    echo "== $image:$target-$version"
    # --force-rm: a step that fails leaves no container either.
    docker build --force-rm --target "$target" "${fresh[@]}" "${arguments[@]}" \
        -t "$image:$target-$version" -t "$image:$target" . || fail "$target was not built"
    # The second image is made on top of what was fresh with the first.
    fresh=()
done

echo "== images"
for target in "${targets[@]}"; do
    docker image inspect --format "$image:$target-$version  {{.Size}} bytes" "$image:$target-$version"
done
