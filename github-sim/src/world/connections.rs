//! Connections: a runner comes online, asks for a job, is lost; and what the passing of time does.

use crate::names::Scope;
use jiff::{SignedDuration, Timestamp};
use std::fmt;

use super::model::{Conclusion, Connection, Job, Runner, Status};
use super::{Refusal, World, read, secret};

/// After so much silence a waiting runner is shown as offline.
pub const IDLE_TIMEOUT: SignedDuration = SignedDuration::from_secs(60);
/// After so much silence a busy runner's job fails. (What GitHub's page of a run shows after a runner was killed.)
pub const JOB_LOST_AFTER: SignedDuration = SignedDuration::from_mins(10);
/// How long an offline ephemeral runner stays registered (GitHub docs, "Self-hosted runners reference": one day).
pub const OFFLINE_EPHEMERAL_KEPT: SignedDuration = SignedDuration::from_hours(24);
/// How long any other offline runner stays registered (same page: 14 days).
pub const OFFLINE_KEPT: SignedDuration = SignedDuration::from_hours(14 * 24);
/// How long a job waits for a self-hosted runner before it is cancelled (GitHub docs, "Actions limits": 24 hours).
pub const QUEUED_KEPT: SignedDuration = SignedDuration::from_hours(24);

// A runner must be seen as silent before its job is given up, and both long before its registration goes.
const _: () = assert!(
    IDLE_TIMEOUT.as_secs() < JOB_LOST_AFTER.as_secs()
        && JOB_LOST_AFTER.as_secs() < OFFLINE_EPHEMERAL_KEPT.as_secs()
        && OFFLINE_EPHEMERAL_KEPT.as_secs() < OFFLINE_KEPT.as_secs()
);

impl World {
    /// Uses up a just-in-time secret and opens a session. A second use is refused.
    pub fn connect_jit(&mut self, jit_secret: &str, os: &str) -> Result<(String, u64), Refusal> {
        let known = |runner: &&Runner| runner.jit_secret.as_deref() == Some(jit_secret);
        let Some(id) = self.runners.values().find(known).map(|runner| runner.id) else {
            let why = "the just-in-time configuration is unknown or was used before";
            return Err(Refusal::Unauthorized(why));
        };
        let token = self.open_session(id, os)?;
        self.runners.entry(id).and_modify(|runner| runner.jit_secret = None);
        Ok((token, id))
    }

    /// Opens a session for a registered runner, as its only one.
    pub fn open_session(&mut self, id: u64, os: &str) -> Result<String, Refusal> {
        let now = self.now();
        let runner = self.runners.get_mut(&id).ok_or(Refusal::NotFound("runner"))?;
        let token = secret("session_");
        os.clone_into(&mut runner.os);
        runner.connection = Some(Connection::Session { token: token.clone(), last_seen: now });
        Ok(token)
    }

    /// The runner behind a session, which is thereby heard of.
    pub fn session(&mut self, token: &str) -> Result<&Runner, Refusal> {
        let now = self.now();
        for runner in self.runners.values_mut() {
            if let Some(Connection::Session { token: known, last_seen }) = &mut runner.connection
                && known == token
            {
                *last_seen = now;
                return Ok(runner);
            }
        }
        Err(Refusal::Unauthorized("the session has ended"))
    }

    /// Ends a session and the registration of its runner; refused while the runner has a job.
    pub fn close_session(&mut self, token: &str) -> Result<(), Refusal> {
        let runner = self.session(token)?;
        if runner.busy() {
            return Err(Refusal::Busy(runner.name.clone()));
        }
        let id = runner.id;
        self.runners.remove(&id);
        Ok(())
    }

    /// What the runner of a session works on: the job it has, or the oldest queued one that fits.
    ///
    /// Asking again gives the same job again, so an answer that was lost on the way is not a lost job.
    pub fn take_job(&mut self, token: &str) -> Result<Option<&Job>, Refusal> {
        let runner = self.session(token)?;
        let id = runner.id;
        let job = match runner.job {
            Some(job) => Some(job),
            None => self.assign(id),
        };
        if let Some(job) = job.and_then(|job| self.jobs.get_mut(&job)) {
            job.session = Some(token.to_owned());
        }
        Ok(job.and_then(|job| self.jobs.get(&job)))
    }

    /// The job with this id, if the session has it or had it; the session is thereby heard of.
    pub fn job_of_session(&mut self, token: &str, id: u64) -> Result<&Job, Refusal> {
        let job = self.jobs.get(&id).ok_or(Refusal::NotFound("job"))?;
        if job.session.as_deref() != Some(token) {
            return Err(Refusal::Unauthorized("the job is another runner's"));
        }
        if job.status != Status::Completed {
            self.session(token)?;
        }
        self.jobs.get(&id).ok_or(Refusal::NotFound("job"))
    }

    /// Brings a registered runner online without a session and gives it a job if one fits, now or later.
    pub fn connect_runner(
        &mut self,
        scope: &(impl fmt::Display + ?Sized),
        name: &str,
    ) -> Result<Option<u64>, Refusal> {
        let scope = &read::<Scope>(scope, "runner")?;
        let id = self.runner_named(scope, name).ok_or(Refusal::NotFound("runner"))?.id;
        if let Some(runner) = self.runners.get_mut(&id) {
            runner.connection = Some(Connection::Direct);
            runner.jit_secret = None;
            "linux".clone_into(&mut runner.os);
        }
        self.settle();
        Ok(self.runners.get(&id).and_then(|runner| runner.job))
    }

    /// Cuts a runner's connection. GitHub does not know yet whether it comes back, so its job stays in progress.
    pub fn disconnect_runner(&mut self, name: &str) -> Result<(), Refusal> {
        let now = self.now();
        let mut named = self.runners.values_mut().filter(|runner| runner.name == name);
        let runner = named.next().ok_or(Refusal::NotFound("runner"))?;
        runner.connection = None;
        runner.offline_since = now;
        Ok(())
    }

    /// Gives a runner up: it goes offline, and its job, if it has one, fails.
    pub fn lose_runner(&mut self, name: &str) -> Result<(), Refusal> {
        self.disconnect_runner(name)?;
        let lost = self.runners.values().find(|runner| runner.name == name);
        if let Some(job) = lost.and_then(|runner| runner.job) {
            self.fail_lost(job);
        }
        self.settle();
        Ok(())
    }

    /// Does what GitHub does as time passes: silent runners go offline, their jobs fail, old registrations and jobs go.
    pub fn expire(&mut self, now: Timestamp) {
        let older = |since: Timestamp, limit: SignedDuration| now.duration_since(since) >= limit;
        let (mut lost, mut gone) = (Vec::new(), Vec::new());
        for runner in self.runners.values_mut() {
            let limit = if runner.busy() { JOB_LOST_AFTER } else { IDLE_TIMEOUT };
            if let Some(Connection::Session { last_seen, .. }) = runner.connection
                && older(last_seen, limit)
            {
                runner.connection = None;
                runner.offline_since = last_seen;
            }
            if runner.online() {
                continue;
            }
            let kept = if runner.ephemeral { OFFLINE_EPHEMERAL_KEPT } else { OFFLINE_KEPT };
            match runner.job {
                Some(job) if older(runner.offline_since, JOB_LOST_AFTER) => lost.push(job),
                None if older(runner.offline_since, kept) => gone.push(runner.id),
                Some(_) | None => {}
            }
        }
        for job in lost {
            self.fail_lost(job);
        }
        for id in gone {
            self.runners.remove(&id);
        }
        let forgotten = |job: &&Job| {
            job.status == Status::Queued && job.queued_at.is_some_and(|at| older(at, QUEUED_KEPT))
        };
        let forgotten: Vec<u64> = self.jobs.values().filter(forgotten).map(|job| job.id).collect();
        for id in forgotten {
            self.complete(id, Conclusion::Cancelled);
        }
        self.tokens.expire(now);
        self.expire_deliveries(now);
        self.settle();
    }

    fn fail_lost(&mut self, job_id: u64) {
        if let Some(job) = self.jobs.get_mut(&job_id) {
            let name = job.taker.as_ref().map_or("", |taker| taker.name.as_str());
            let line =
                format!("The self-hosted runner: {name} lost communication with the server.");
            job.log.push(line);
        }
        self.complete(job_id, Conclusion::Failure);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Registration;
    use super::super::testing::{queue, scope, world};
    use super::*;

    fn jit(world: &mut World, name: &str, labels: &[&str]) -> String {
        let labels = labels.iter().map(|&label| label.to_owned()).collect();
        let new = Registration { name: name.into(), labels, ..Registration::default() };
        world.create_jit_runner(&scope("org:octo-org"), new).unwrap().1
    }

    #[test]
    fn a_just_in_time_runner_serves_one_job_and_is_gone() {
        let (mut world, _) = world();
        let secret = jit(&mut world, "r1", &["self-hosted", "GPU"]);
        let (session, _) = world.connect_jit(&secret, "linux").unwrap();
        assert!(world.connect_jit(&secret, "linux").is_err(), "one connection only");
        assert!(world.take_job(&session).unwrap().is_none());
        let other = queue(&mut world, &["self-hosted", "arm"]);
        let first = queue(&mut world, &["gpu"]);
        queue(&mut world, &["Self-Hosted"]);
        assert_eq!(world.take_job(&session).unwrap().unwrap().id, first, "oldest that fits");
        assert_eq!(world.take_job(&session).unwrap().unwrap().id, first, "a retry gets it again");
        world.finish_job(first, Conclusion::Success).unwrap();
        assert!(world.take_job(&session).is_err(), "the registration went with the job");
        assert_eq!(world.all_runners().count(), 0);
        assert_eq!(world.job(first).unwrap().taker.as_ref().unwrap().name, "r1");
        assert_eq!(world.job(other).unwrap().status, Status::Queued);
        assert_eq!(world.violations(), Vec::<String>::new());
    }

    #[test]
    fn a_spent_runner_may_stay_listed_offline_and_takes_no_second_job() {
        let (mut world, clock) = world();
        world.set_keeps_spent_runners(true);
        let org = scope("org:octo-org");
        let serve = |world: &mut World, name: &str| {
            let secret = jit(world, name, &["x"]);
            let (session, _) = world.connect_jit(&secret, "linux").unwrap();
            let job = queue(world, &["x"]);
            assert_eq!(world.take_job(&session).unwrap().unwrap().id, job);
            (session, job)
        };
        let (session, finished) = serve(&mut world, "r1");
        world.finish_job(finished, Conclusion::Success).unwrap();
        serve(&mut world, "r2");
        world.lose_runner("r2").unwrap();
        queue(&mut world, &["x"]);
        assert!(world.take_job(&session).is_err(), "its session ended with its job");
        let shown = |world: &World| {
            let all = world.listed_runners(&org);
            all.map(|one| (one.name.clone(), one.online(), one.busy())).collect::<Vec<_>>()
        };
        let spent = |name: &str| (name.to_owned(), false, false);
        assert_eq!(shown(&world), [spent("r1"), spent("r2")]);
        let id = world.runner_named(&org, "r1").unwrap().id;
        world.delete_runner(&org, id).unwrap();
        clock.advance(OFFLINE_EPHEMERAL_KEPT);
        world.expire(clock.now());
        assert_eq!(shown(&world), []);
        assert_eq!(world.violations(), Vec::<String>::new());
    }

    #[test]
    fn a_silent_busy_runner_fails_its_job_after_ten_minutes() {
        let (mut world, clock) = world();
        let secret = jit(&mut world, "r1", &["x"]);
        let (session, _) = world.connect_jit(&secret, "linux").unwrap();
        let job = queue(&mut world, &["x"]);
        world.take_job(&session).unwrap().unwrap();
        clock.advance(JOB_LOST_AFTER - SignedDuration::from_secs(1));
        world.expire(clock.now());
        assert_eq!(world.job(job).unwrap().status, Status::InProgress);
        clock.advance(SignedDuration::from_secs(1));
        world.expire(clock.now());
        assert_eq!(world.job(job).unwrap().conclusion, Some(Conclusion::Failure));
        assert_eq!(world.all_runners().count(), 0, "an ephemeral runner goes with its job");
    }

    #[test]
    fn an_idle_silent_runner_goes_offline_and_its_registration_after_a_day() {
        let (mut world, clock) = world();
        let secret = jit(&mut world, "r1", &["x"]);
        world.connect_jit(&secret, "linux").unwrap();
        world.add_offline_runner(&scope("org:octo-org"), "r2", &["x"]).unwrap();
        clock.advance(IDLE_TIMEOUT);
        world.expire(clock.now());
        assert!(world.all_runners().all(|runner| !runner.online()));
        clock.advance(OFFLINE_EPHEMERAL_KEPT);
        world.expire(clock.now());
        let left: Vec<_> = world.all_runners().map(|runner| runner.name.as_str()).collect();
        assert_eq!(left, ["r2"], "only the ephemeral one goes after a day");
        clock.advance(OFFLINE_KEPT);
        world.expire(clock.now());
        assert_eq!(world.all_runners().count(), 0);
    }

    #[test]
    fn losing_a_runner_fails_its_job_at_once_and_a_cut_connection_only_later() {
        let (mut world, clock) = world();
        let org = scope("org:octo-org");
        for name in ["r1", "r2"] {
            world.add_offline_runner(&org, name, &["x"]).unwrap();
            queue(&mut world, &["x"]);
        }
        let lost = world.connect_runner(&org, "r1").unwrap().unwrap();
        let cut = world.connect_runner(&org, "r2").unwrap().unwrap();
        world.lose_runner("r1").unwrap();
        world.disconnect_runner("r2").unwrap();
        assert_eq!(world.job(lost).unwrap().conclusion, Some(Conclusion::Failure));
        assert_eq!(world.job(cut).unwrap().status, Status::InProgress);
        clock.advance(JOB_LOST_AFTER);
        world.expire(clock.now());
        assert_eq!(world.job(cut).unwrap().conclusion, Some(Conclusion::Failure));
    }

    #[test]
    fn a_job_nobody_takes_is_cancelled_after_a_day() {
        let (mut world, clock) = world();
        let job = queue(&mut world, &["x"]);
        clock.advance(QUEUED_KEPT);
        world.expire(clock.now());
        assert_eq!(world.job(job).unwrap().conclusion, Some(Conclusion::Cancelled));
    }
}
