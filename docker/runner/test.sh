#!/usr/bin/env bash
# Builds the runner images with a stand-in for the runner's tarball, made here, and checks build.sh and what is in the images.
# Needs Docker with debian:bookworm-slim, python3, curl, jq and Debian's packages; no GitHub, and nothing of the real runner, which
# is therefore not tested. Removes everything it made. About four minutes.
#
#     docker/runner/test.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# The classic builder names every layer it makes, so that all of them can be removed afterwards, and nothing else.
export DOCKER_BUILDKIT=0
registry=mayfly-test-$$
image=$registry/mayfly-runner
version=9.8.7
# Stands for a password in the address of a mirror.
canary=canary-$$-$RANDOM$RANDOM
work=$(mktemp -d)
server=""
before=$(docker images -aq --no-trunc)

say() { printf '== %s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

clean_up() {
    code=$?
    if ((code != 0)); then find "$work" -name '*.log' -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2 | xargs -r tail -n 40; fi
    say "cleaning up"
    [[ -z $server ]] || kill "$server" 2>/dev/null || true
    docker images --filter "reference=$image" --format '{{.Repository}}:{{.Tag}}' | xargs -r docker rmi >/dev/null || code=1
    # What the builder mentioned and was not there before; the youngest first, since a layer goes only after those above it.
    local ids id
    ids=$(cat "$work"/*.log 2>/dev/null | sed -nE 's/^ ---> ([0-9a-f]{12})$/\1/p' | tac | awk '!seen[$0]++')
    for id in $ids; do
        grep -q "^sha256:$id" <<<"$before" || docker rmi "$id" >/dev/null 2>&1 || true
    done
    for id in $ids; do
        grep -q "^sha256:$id" <<<"$before" || ! docker image inspect "$id" >/dev/null 2>&1 || { echo "left over: $id" >&2; code=1; }
    done
    rm -rf "$work"
    if ((code == 0)); then say "passed"; else echo FAILED >&2; fi
    exit "$code"
}
trap clean_up EXIT

# Ends with the code that is expected, and says the words that are.
expect() { # name, code, words, command...
    local name=$1 code=$2 words=$3 got=0
    shift 3
    "$@" >"$work/$name.log" 2>&1 || got=$?
    # The builder colours what programs say on standard error, piece by piece, in the middle of words too.
    sed -i 's/\x1b\[[0-9;]*m//g' "$work/$name.log"
    ((got == code)) || fail "$name: exit code $got, not $code"
    grep -qF -- "$words" "$work/$name.log" || fail "$name: does not say: $words"
}

# As the orchestrator starts containers: `strict` and `compat` of orchestrator/src/backend/docker/spec.rs.
strict() { docker run --rm --network none --cap-drop ALL --security-opt no-new-privileges --pids-limit 4096 "$@"; }
compat() {
    docker run --rm --cap-drop ALL --cap-add AUDIT_WRITE --cap-add CHOWN --cap-add DAC_OVERRIDE --cap-add FOWNER \
        --cap-add KILL --cap-add SETGID --cap-add SETUID --pids-limit 4096 "$@"
}

# --- a tarball like GitHub's, and a server that has it

stand_in() { # file, version
    local root=$work/tree-$2
    mkdir -p "$root/bin"
    cat >"$root/run.sh" <<'RUN'
#!/bin/bash
cd "$(dirname "$0")" || exit 1
[ -n "$ACTIONS_RUNNER_INPUT_JITCONFIG" ] || { echo "no just-in-time configuration"; exit 3; }
# The real one writes beside itself, too.
cp run-helper.sh.template run-helper.sh || exit 4
mkdir -p _work || exit 4
echo "Listening for Jobs"
echo "Running job: x"
echo "Job x completed with result: Succeeded"
RUN
    printf '#!/bin/sh\n[ "$1" = --version ] && mkdir -p _diag && echo %s\n' "$2" >"$root/bin/Runner.Listener"
    echo '#!/bin/bash' >"$root/run-helper.sh.template"
    chmod +x "$root/run.sh" "$root/bin/Runner.Listener"
    # Not this test's user, as GitHub's is not: the image must not keep it.
    tar -C "$root" --owner=4711 --group=4711 -czf "$1" .
}

mkdir -p "$work/www/tags"
stand_in "$work/www/runner.tar.gz" "$version"
stand_in "$work/www/other.tar.gz" 1.2.3
sum=$(sha256sum "$work/www/runner.tar.gz" | cut -d ' ' -f 1)
wrong_sum=$(sha256sum "$work/www/other.tar.gz" | cut -d ' ' -f 1)
arch=x64
# Two files, since the one of another architecture must not be taken.
jq -n --arg v "$version" --arg sum "sha256:$sum" --arg wrong "sha256:$wrong_sum" '{tag_name: "v\($v)", assets: [
    {name: "actions-runner-linux-arm64-\($v).tar.gz", digest: $wrong},
    {name: "actions-runner-linux-x64-\($v).tar.gz", digest: $sum}]}' >"$work/www/latest"
jq '.assets[].digest = null' "$work/www/latest" >"$work/www/tags/v$version"

# On the address by which a build's containers reach this machine.
# The kernel writes it backwards, in hexadecimal. (`docker network inspect` does not tell on every engine.)
gateway=$(docker run --rm debian:bookworm-slim awk '$2 == "00000000" { print $3 }' /proc/net/route)
[[ $gateway =~ ^[0-9A-F]{8}$ ]] || fail "containers have no gateway: $gateway"
host=$((16#${gateway:6:2})).$((16#${gateway:4:2})).$((16#${gateway:2:2})).$((16#${gateway:0:2}))
python3 - "$host" "$work/www" >"$work/port" 2>/dev/null <<'PYTHON' &
import functools, http.server, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[2])
with http.server.ThreadingHTTPServer((sys.argv[1], 0), handler) as server:
    print(server.server_address[1], flush=True)
    server.serve_forever()
PYTHON
server=$!
for _ in $(seq 50); do [[ -s $work/port ]] && break; kill -0 "$server" || fail "no server on $host"; sleep 0.1; done
port=$(cat "$work/port")
url=http://mirror:$canary@$host:$port
export RUNNER_RELEASES=http://$host:$port

# --- build.sh

say "build.sh: arguments"
expect help 0 "usage: docker/runner/build.sh" ./build.sh --help
expect no-version 64 "VERSION is missing" ./build.sh
expect two-versions 64 "one version, please" ./build.sh 2.1.0 2.2.0
expect odd-version 64 "VERSION is three numbers" ./build.sh 2.1
expect option 64 "there is no option --platform" ./build.sh --platform linux/arm64 "$version"
expect no-value 64 "--sha256 needs a value" ./build.sh "$version" --sha256
expect odd-sum 64 "--sha256 is 64 hexadecimal digits" ./build.sh --sha256 abc "$version"
expect odd-target 64 "--only is minimal or enhanced" ./build.sh --only tarball "$version"
expect odd-arch 64 "--arch is x64, arm64 or arm" ./build.sh --arch amd64 "$version"
expect odd-url 64 "--url begins with http" ./build.sh --url file:///runner.tar.gz "$version"
expect odd-registry 64 "--registry is no name" ./build.sh --registry 'a b' "$version"

say "build.sh: what must not be built"
build() { ./build.sh --registry "$registry" --arch "$arch" "$@"; }
expect unknown-release 1 "GitHub does not show the release 4.0.4" build 4.0.4
expect no-digest 1 "GitHub shows no SHA-256" build "$version"
expect wrong-sum 1 "minimal was not built" build --url "$url/runner.tar.gz" --sha256 "$wrong_sum" "$version"
grep -q 'runner.tar.gz: FAILED' "$work/wrong-sum.log" || fail "the wrong sum is not what stopped it"
expect missing 1 "minimal was not built" build --url "$url/nothing.tar.gz" --sha256 "$sum" "$version"
grep -q '404' "$work/missing.log" || fail "the missing file is not what stopped it"
expect other-version 1 "has version 1.2.3 of the runner, not $version" build --url "$url/other.tar.gz" --only minimal "$version"
grep -q 'the tarball is not checked' "$work/other-version.log" || fail "an unchecked tarball is not mentioned"
[[ -z $(docker images -q "$image") ]] || fail "a failed build left an image"

say "build.sh: both images"
expect both 0 "$image:enhanced-$version" build --url "$url/runner.tar.gz" --sha256 "$sum" latest
grep -q 'runner.tar.gz: OK' "$work/both.log" || fail "the tarball was not checked"
tags=$(docker images --filter "reference=$image" --format '{{.Tag}}' | sort | xargs)
[[ $tags == "enhanced enhanced-$version minimal minimal-$version" ]] || fail "tags: $tags"

say "build.sh: version and SHA-256 from GitHub's release"
# The tarball's address would be GitHub's own, so only what is asked for shows: a `docker` that is a list of its arguments.
mkdir "$work/bin"
printf '#!/bin/sh\nprintf "%%s\\n" "$@"\n' >"$work/bin/docker"
chmod +x "$work/bin/docker"
expect latest 0 "RUNNER_SHA256=$sum" env PATH="$work/bin:$PATH" ./build.sh --arch "$arch" --only minimal latest
grep -qx "RUNNER_VERSION=$version" "$work/latest.log" || fail "latest is not $version"
if grep -q 'RUNNER_URL\|BASE=\|not checked' "$work/latest.log"; then fail "latest: more than was asked for"; fi
expect fresh 0 "--pull" env PATH="$work/bin:$PATH" ./build.sh --arch "$arch" --fresh latest
(($(grep -cx -- --no-cache "$work/fresh.log") == 1)) || fail "--fresh is for the first image: the second one stands on it"

# --- what is in the images

for target in minimal enhanced; do
    tag=$image:$target
    say "$target: $(docker image inspect --format '{{.Size}}' "$tag" | numfmt --to=si) bytes with the stand-in"

    config=$(docker image inspect --format '{{json .Config}}' "$tag")
    jq -e --arg version "$version" --arg target "$target" '
        .User == "runner" and .WorkingDir == "/home/runner" and .Cmd == ["/home/runner/run.sh"] and .Entrypoint == null
        and (.Env | contains(["RUNNER_MANUALLY_TRAP_SIG=1", "ACTIONS_RUNNER_PRINT_LOG_TO_STDOUT=1", "ImageOS=debian12"]))
        and .Labels["org.opencontainers.image.version"] == $version
        and .Labels["org.opencontainers.image.title"] == "mayfly-runner \($target)"
        and (.Labels | keys | all(startswith("org.opencontainers.image.")))' <<<"$config" >/dev/null || fail "$target: its configuration is $config"

    # A job from start to end, as the orchestrator runs one.
    expect "$target-job" 0 "Job x completed with result: Succeeded" strict -e ACTIONS_RUNNER_INPUT_JITCONFIG=e30= "$tag"
    diff <(printf '%s\n' 'Listening for Jobs' 'Running job: x' 'Job x completed with result: Succeeded') "$work/$target-job.log" \
        || fail "$target: the runner says something else"
    expect "$target-no-jit" 3 "no just-in-time configuration" strict "$tag"

    [[ $(strict "$tag" id) == "uid=1001(runner) gid=1001(runner) groups=1001(runner)" ]] || fail "$target: $(strict "$tag" id)"
    foreign=$(strict "$tag" find /home/runner ! -user runner -o ! -group runner)
    [[ -z $foreign ]] || fail "$target: the runner does not own $foreign"
    left=$(strict "$tag" find /home/runner -name _diag -o -name .credentials\* -o -name .runner)
    [[ -z $left ]] || fail "$target: left by the build: $left"
    libraries=$(strict "$tag" sh -c 'ldconfig -p 2>/dev/null || /sbin/ldconfig -p')
    grep -q libicuuc.so <<<"$libraries" || fail "$target: no libicu"

    history=$(docker history --no-trunc --format '{{.CreatedBy}}' "$tag"; docker image inspect "$tag")
    if grep -q "$canary" <<<"$history"; then fail "$target: the mirror's password is in the image"; fi
    if grep -qiE 'token|secret|password=|jitconfig=|private key|ghp_|github_pat_' <<<"$history"; then fail "$target: its history has a secret: $history"; fi
done

say "minimal: programs"
strict "$image:minimal" sh -c 'for p in curl git gzip jq tar unzip; do command -v $p >/dev/null || { echo "no $p"; exit 1; }; done; test -s /etc/ssl/certs/ca-certificates.crt' \
    || fail "minimal: a program is missing"
for program in sudo gcc python3 docker; do
    if strict "$image:minimal" sh -c "command -v $program"; then fail "minimal has $program"; fi
done
# As root, so that no folder is left out.
raised() { docker run --rm --network none --user 0 "$1" sh -c 'find / -xdev -type f -perm /6000; command -v getcap >/dev/null && getcap -r / 2>/dev/null; true'; }
[[ -z $(raised "$image:minimal") ]] || fail "minimal: programs that raise rights: $(raised "$image:minimal")"

say "enhanced: programs"
strict "$image:enhanced" bash -euc '
    for p in bzip2 file g++ gcc git-lfs gpg less locale make pkg-config ps python3 pip3 rsync ssh ssh-keygen sudo wget xz zip zstd; do
        command -v $p >/dev/null || { echo "no $p"; exit 1; }
    done
    cd /tmp
    echo "int main(void) { return 0; }" >a.c && gcc a.c -o a && ./a
    python3 -m venv v && v/bin/pip --version >/dev/null
    printf "#include <Python.h>\n" >p.c && gcc $(pkg-config --cflags python3) -c p.c
    test "$(locale charmap)" = UTF-8
    git config --system --get filter.lfs.process >/dev/null' || fail "enhanced: a program is missing or does not work"
if strict "$image:enhanced" sh -c "command -v docker"; then fail "enhanced has a Docker client"; fi
[[ $(raised "$image:enhanced") == /usr/bin/sudo ]] || fail "enhanced: programs that raise rights: $(raised "$image:enhanced")"

say "enhanced: sudo with compat, and none with strict"
[[ $(compat "$image:enhanced" sudo -n sh -c 'id -u; echo $DEBIAN_FRONTEND' | xargs) == "0 noninteractive" ]] || fail "enhanced: sudo does not work"
expect sudo-strict 1 "no new privileges" strict "$image:enhanced" sudo -n id
compat "$image:enhanced" sh -c 'sudo apt-get update -qq && sudo apt-get install -y -qq --no-install-recommends tree >/dev/null && tree --version >/dev/null' \
    || fail "enhanced: a job cannot install a package"
