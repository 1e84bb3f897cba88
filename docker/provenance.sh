#!/usr/bin/env bash
# Prints the predicate of the images' provenance (SLSA 1.0, https://slsa.dev/spec/v1.0/provenance): the commit, the base images with
# their digests, and the workflow run that built from them. Reads RUST_IMAGE and DEBIAN_IMAGE (NAME@sha256:DIGEST), and what GitHub
# sets in each job. Needs jq.
set -euo pipefail
: "${RUST_IMAGE:?}" "${DEBIAN_IMAGE:?}" "${GITHUB_SERVER_URL:?}" "${GITHUB_REPOSITORY:?}" "${GITHUB_REF:?}" "${GITHUB_SHA:?}"
: "${GITHUB_WORKFLOW_REF:?}" "${GITHUB_RUN_ID:?}" "${GITHUB_RUN_ATTEMPT:?}"

jq -n '
  def digest: capture("@sha256:(?<sha256>[0-9a-f]{64})$") // error("no digest: \(.)");
  def image: { uri: "pkg:docker/\(sub("@.*"; ""))", digest: digest };
  ($ENV.GITHUB_SERVER_URL + "/" + $ENV.GITHUB_REPOSITORY) as $repository
  | {
      buildDefinition: {
        buildType: "https://actions.github.io/buildtypes/workflow/v1",
        externalParameters: {
          workflow: {
            ref: $ENV.GITHUB_REF,
            repository: $repository,
            path: ($ENV.GITHUB_WORKFLOW_REF | sub("@.*"; "") | ltrimstr($ENV.GITHUB_REPOSITORY + "/"))
          }
        },
        internalParameters: { build_arguments: { RUST_IMAGE: $ENV.RUST_IMAGE, DEBIAN_IMAGE: $ENV.DEBIAN_IMAGE } },
        resolvedDependencies: [
          { uri: "git+\($repository)@\($ENV.GITHUB_REF)", digest: { gitCommit: $ENV.GITHUB_SHA } },
          ($ENV.RUST_IMAGE | image),
          ($ENV.DEBIAN_IMAGE | image)
        ]
      },
      runDetails: {
        builder: { id: "\($ENV.GITHUB_SERVER_URL)/\($ENV.GITHUB_WORKFLOW_REF)" },
        metadata: { invocationId: "\($repository)/actions/runs/\($ENV.GITHUB_RUN_ID)/attempts/\($ENV.GITHUB_RUN_ATTEMPT)" }
      }
    }'
