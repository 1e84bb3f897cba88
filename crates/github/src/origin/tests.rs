use serde_json::{Value, json};

use super::*;
use crate::stand_in::{StandIn, no, ok};

#[tokio::test]
async fn a_job_comes_from_the_workflow_file_of_its_run() {
    let job = json!({"id": 5, "status": "queued", "run_id": 6, "name": "build"});
    let run = |path: Value, sha: Value| json!({"id": 6, "path": path, "head_sha": sha});
    let from = |path: &str| {
        Ok(Some(Origin { path: path.to_owned(), sha: "abc".to_owned(), job: "build".to_owned() }))
    };
    let file = ".github/workflows/ci.yml";
    let rows = [
        (job.clone(), ok(&run(file.into(), "abc".into())), from(file)),
        (job.clone(), ok(&run(format!("{file}@refs/heads/x").into(), "abc".into())), from(file)),
        (job.clone(), ok(&run("dynamic/pages".into(), "abc".into())), Ok(None)),
        (job.clone(), ok(&run(Value::Null, "abc".into())), Ok(None)),
        (job.clone(), ok(&run(file.into(), Value::Null)), Ok(None)),
        (job, no(403, "No"), Err(GitHubError::Forbidden("No".to_owned()))),
        (json!({"id": 5, "status": "queued"}), ok(&run(file.into(), "abc".into())), Ok(None)),
    ];
    for (job, run, expected) in rows {
        let (of_job, of_run) = ("GET /repos/o/r/actions/jobs/5", "GET /repos/o/r/actions/runs/6");
        let github = StandIn::new([(of_job, vec![ok(&job)]), (of_run, vec![run])]).await;
        let repo = RepoSlug::parse("o/r").unwrap();
        assert_eq!(github.client().origin(&repo, 5).await, expected, "{job}");
    }
}
