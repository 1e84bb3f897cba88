#!/usr/bin/env bash
# Starts the demo with Compose, runs jobs through it, and fails unless
#   - /health says healthy, and the database is on its volume,
#   - jobs queued at the simulated GitHub run on fresh containers and end as they should,
#   - a job cannot reach the gateway or the orchestrator, on none of their addresses,
#   - no container and no registration is left,
#   - a drain lets the job at work finish and starts no other, also after a restart of the orchestrator,
#   - after an uninstall `down` ends well and nothing of the installation is left.
# Removes everything it started. Needs Docker, Compose (v2 or 1.29), curl and python3.
#
#     deploy/check-demo.sh              builds the images first
#     deploy/check-demo.sh --no-build   takes those there are
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build=--build
[[ ${1:-} == --no-build ]] && build=--no-build

if docker compose version >/dev/null 2>&1; then compose=(docker compose); else compose=(docker-compose); fi
# Not the .env of this machine: the demo must do without.
compose+=(--env-file deploy/defaults.env -p mayfly-check -f deploy/compose.yaml -f deploy/compose.demo.yaml)

gateway=http://127.0.0.1:${API_GATEWAY_PORT:-8080}
sim=http://127.0.0.1:8090
net=${MAYFLY_DEMO_NET:-10.213.77}

say() { printf '== %s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
runners() { docker ps -aq --filter label=dev.mayfly.instance=demo; }
# Evaluates a Python expression on the JSON `d` of standard input.
json() { python3 -c "import json, sys; d = json.load(sys.stdin); print($1)"; }

clean_up() {
    code=$?
    if ((code != 0)); then
        "${compose[@]}" ps || true
        "${compose[@]}" logs --no-color --tail 60 || true
    fi
    say "cleaning up"
    # First what starts runners, then the runners: their network can only go when it is empty.
    "${compose[@]}" stop orchestrator >/dev/null 2>&1 || true
    runners | xargs -r docker rm -f >/dev/null || true
    "${compose[@]}" down -v --remove-orphans >/dev/null 2>&1 || code=1
    if ((code == 0)); then say "passed"; else printf 'FAILED\n' >&2; fi
    exit "$code"
}
trap clean_up EXIT

say "starting the demo"
"${compose[@]}" up -d $build

say "health"
healthy=no
for _ in $(seq 60); do
    status=$(curl -fsS -m 5 "$gateway/health" 2>/dev/null | json 'd["status"]' 2>/dev/null || true)
    if [[ $status == healthy ]]; then healthy=yes; break; fi
    sleep 1
done
[[ $healthy == yes ]] || fail "$gateway/health is not healthy: ${status:-no answer}"
curl -fsS -m 5 "$gateway/health"; echo

ledger=$(curl -fsS -m 5 "$gateway/api/v1/status" | json 'd["github"]["ledger"]')
[[ $ledger == kept ]] || fail "the database on the volume is not used: the job ledger is $ledger"

addresses_of() { docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}' "$("${compose[@]}" ps -q "$1")"; }
targets=()
for address in $(addresses_of orchestrator); do targets+=("$address:8000"); done
for address in $(addresses_of api-gateway); do targets+=("$address:8080"); done
# The check is worth something only if they do listen there.
for target in "${targets[@]}"; do
    curl -fsS -m 5 -o /dev/null "http://$target/livez" || fail "nothing listens on $target"
done
# Where the gateway's port is published it is on loopback, so not on what a runner has for this machine.
targets+=("$net.1:${gateway##*:}")

say "queueing jobs"
# Inside a job: the simulator must be reachable (so the network works), the services must not.
# `timeout`, because busybox's wget crashes on its own -T.
read -r -d '' script <<JOB || true
timeout 5 wget -q -O /dev/null http://$net.1:8090/ || { echo "no network at all"; exit 2; }
for target in ${targets[*]}; do
  if timeout 3 wget -q -O /dev/null "http://\$target/livez"; then echo "reached \$target"; exit 1; fi
done
echo "out of reach: ${targets[*]}"
JOB
queue() { # name, script
    NAME=$1 SCRIPT=$2 python3 -c 'import json, os; print(json.dumps({"repo": "octo-org/tools", "name": os.environ["NAME"],
        "labels": ["self-hosted", "linux"], "steps": [os.environ["SCRIPT"]]}))' \
        | curl -fsS -m 5 -X POST "$sim/_sim/jobs" -H 'content-type: application/json' -d @- >/dev/null
}
queue hello 'echo "hello from $(hostname)"; uname -a; test "$(id -u)" != 0'
queue isolation "$script"
queue broken 'exit 3'

say "waiting for them"
for _ in $(seq 120); do
    state=$(curl -fsS -m 5 "$sim/_sim/state")
    open=$(json 'sum(job["status"] != "completed" for job in d["jobs"])' <<<"$state")
    ((open == 0)) && break
    sleep 1
done
json '"\n".join("{name}: {conclusion} on {runner_name}".format(**job) for job in d["jobs"])' <<<"$state"
for id in $(json '" ".join(str(job["id"]) for job in d["jobs"])' <<<"$state"); do
    curl -fsS -m 5 "$sim/_sim/jobs/$id/log" | sed 's/^/    /'
done
ended=$(json '" ".join(sorted(str(job["name"]) + "=" + str(job["conclusion"]) for job in d["jobs"]))' <<<"$state")
[[ $ended == "broken=failure hello=success isolation=success" ]] || fail "the jobs ended like this: $ended"

say "waiting for the runners to go"
for _ in $(seq 60); do
    containers=$(runners | wc -l)
    registrations=$(curl -fsS -m 5 "$sim/_sim/state" | json 'len(d["runners"])')
    ((containers + registrations == 0)) && break
    sleep 1
done
((containers == 0)) || fail "$containers containers are left"
((registrations == 0)) || fail "$registrations registrations are left"
say "nothing is left"

say "draining while a job runs"
drain() { curl -fsS -m 5 -X "$1" "$gateway/api/v1/drain"; }
queue long 'sleep 20'
for _ in $(seq 60); do
    busy=$(curl -fsS -m 5 "$gateway/api/v1/runners?state=busy" | json 'd["total_count"]')
    ((busy == 1)) && break
    sleep 1
done
((busy == 1)) || fail "the long job does not run"
drain PUT >/dev/null
queue late 'true'
"${compose[@]}" restart orchestrator >/dev/null 2>&1
for _ in $(seq 90); do
    left=$(drain GET 2>/dev/null | json 'd["left"] if d["draining"] else "no drain"' 2>/dev/null || true)
    [[ $left == 0 ]] && break
    sleep 1
done
[[ $left == 0 ]] || fail "it is not drained: $left"
state=$(curl -fsS -m 5 "$sim/_sim/state")
ended=$(json '" ".join(sorted(str(job["name"]) + "=" + str(job["conclusion"] or job["status"]) for job in d["jobs"] if job["name"] in ("long", "late")))' <<<"$state")
[[ $ended == "late=queued long=success" ]] || fail "with a drain the jobs ended like this: $ended"

say "uninstalling"
for _ in $(seq 60); do
    left=$(curl -fsS -m 30 -X POST "$gateway/api/v1/uninstall" | json '"; ".join(d["left"])')
    [[ -z $left ]] && break
    sleep 1
done
[[ -z $left ]] || fail "this is left: $left"
"${compose[@]}" down -v --remove-orphans || fail "down does not end well"
for what in container network volume; do
    all=()
    [[ $what == container ]] && all=(-a)
    rest=$(docker "$what" ls "${all[@]}" -q --filter label=com.docker.compose.project=mayfly-check)
    [[ -z $rest ]] || fail "a $what of the project is left: $rest"
done
rest=$(docker network ls -q --filter label=dev.mayfly.instance=demo)$(runners)
[[ -z $rest ]] || fail "something of the installation is left: $rest"
