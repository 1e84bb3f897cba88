//! One `run:` step as a process in a group of its own.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::Value;

use crate::worker::Job;

/// How long to wait for the last lines of a step that left something running behind.
const LAST_LINES: Duration = Duration::from_secs(1);

/// How a step ended.
pub(crate) enum Outcome {
    /// With this exit code; a signal counts as 128 and its number.
    Exited(i32),
    /// It could not be started; the log says why.
    Broken,
    /// There was nothing to do.
    Skipped,
}

/// Where the steps of a job run.
pub(crate) struct Place {
    /// The directory they start in.
    pub(crate) work: PathBuf,
    scripts: PathBuf,
    exported: PathBuf,
}

impl Place {
    /// Makes the directories, below the current one.
    pub(crate) fn prepare(job: &Value) -> io::Result<Self> {
        let repository = job["repository"].as_str().unwrap_or_default();
        let name = repository.rsplit('/').next().unwrap_or_default();
        let root = std::env::current_dir()?.join("_work");
        let place = Self {
            work: root.join(name),
            scripts: root.join("_temp"),
            exported: root.join("_temp/env"),
        };
        fs::create_dir_all(&place.work)?;
        fs::create_dir_all(&place.scripts)?;
        File::create(&place.exported)?;
        Ok(place)
    }

    /// Runs a step to its end.
    pub(crate) fn run(&self, job: &Job, step: &Value, env: &BTreeMap<String, String>) -> Outcome {
        let script = step["run"].as_str().unwrap_or_default();
        let file = self.scripts.join(format!("step-{}.sh", step["number"]));
        if let Err(error) = fs::write(&file, script) {
            job.print(format!("##[error]{} cannot be written: {error}", file.display()));
            return Outcome::Broken;
        }
        let words = command(step["shell"].as_str(), &file);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(&self.work).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.envs(env).envs(variables(&step["env"]));
        command.env("RUNNER_TEMP", &self.scripts).env("GITHUB_ENV", &self.exported);
        for name in ["GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY"] {
            command.env(name, self.scripts.join(name.to_ascii_lowercase()));
        }
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let shell = &words[0];
                job.print(format!(
                    "##[error]run: steps need a shell, and this image has no {shell}; build it on a machine that has one"
                ));
                return Outcome::Broken;
            }
            Err(error) => {
                job.print(format!("##[error]{} cannot be started: {error}", words[0]));
                return Outcome::Broken;
            }
        };
        job.started(child.id());
        let (done, ended) = channel();
        std::thread::scope(|scope| {
            // The threads borrow the job, so they must end with the step: killing the group closes what they read.
            for stream in streams(&mut child) {
                let done = done.clone();
                scope.spawn(move || {
                    follow(job, stream);
                    done.send(()).ok();
                });
            }
            let status = child.wait();
            for _ in 0..2 {
                if ended.recv_timeout(LAST_LINES).is_err() {
                    job.print("A process the step left running was ended.");
                    kill_group(child.id());
                    break;
                }
            }
            match status {
                Ok(status) => {
                    use std::os::unix::process::ExitStatusExt as _;
                    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
                    Outcome::Exited(code.unwrap_or(1))
                }
                Err(error) => {
                    job.print(format!("##[error]{error}"));
                    Outcome::Broken
                }
            }
        })
    }

    /// Adds what a step wrote to `GITHUB_ENV` for the steps after it.
    pub(crate) fn take_over(&self, env: &mut BTreeMap<String, String>) {
        let written = fs::read_to_string(&self.exported).unwrap_or_default();
        env.extend(written.lines().filter_map(|line| {
            let (name, value) = line.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        }));
    }
}

fn kill_group(group: u32) {
    use rustix::process::{Pid, Signal, kill_process_group};
    if let Some(group) = Pid::from_raw(group.cast_signed()) {
        // Gone already is what is wanted.
        kill_process_group(group, Signal::KILL).ok();
    }
}

fn streams(child: &mut std::process::Child) -> Vec<Box<dyn Read + Send>> {
    let out = child.stdout.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>);
    let err = child.stderr.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>);
    [out, err].into_iter().flatten().collect()
}

/// Copies lines into the log until the stream ends. What is not UTF-8 is replaced.
fn follow(job: &Job, stream: Box<dyn Read + Send>) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    while matches!(reader.read_until(b'\n', &mut line), Ok(read) if read > 0) {
        let text = String::from_utf8_lossy(&line);
        job.print(text.trim_end_matches(['\n', '\r']));
        line.clear();
    }
}

/// The command for a `shell:` (GitHub docs, "Workflow syntax", `jobs.<job_id>.steps[*].shell`).
fn command(shell: Option<&str>, file: &Path) -> Vec<String> {
    let file = file.to_string_lossy().into_owned();
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    match shell {
        None | Some("sh" | "") => [words(&["sh", "-e"]), vec![file]].concat(),
        Some("bash") => {
            [words(&["bash", "--noprofile", "--norc", "-eo", "pipefail"]), vec![file]].concat()
        }
        Some(template) if template.contains("{0}") => {
            template.split_whitespace().map(|word| word.replace("{0}", &file)).collect()
        }
        Some(program) => [words(&[program]), vec![file]].concat(),
    }
}

/// A JSON object of texts.
pub(crate) fn variables(value: &Value) -> BTreeMap<String, String> {
    let pairs = value.as_object().into_iter().flatten();
    pairs.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_as_the_documentation_gives_them() {
        let of = |shell| command(shell, Path::new("/t/x.sh")).join(" ");
        assert_eq!(of(None), "sh -e /t/x.sh");
        assert_eq!(of(Some("bash")), "bash --noprofile --norc -eo pipefail /t/x.sh");
        assert_eq!(of(Some("python {0} -x")), "python /t/x.sh -x");
        assert_eq!(of(Some("perl")), "perl /t/x.sh");
    }
}
