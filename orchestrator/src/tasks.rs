//! The background tasks of one [`App`](crate::App): one set, in which none outlives the App.

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The set. Its tasks end when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct TaskSet(Tasks);

impl TaskSet {
    /// What spawns tasks into the set.
    pub(crate) fn tasks(&self) -> &Tasks {
        &self.0
    }

    /// Ends every task, and waits until they have ended.
    pub(crate) async fn end(self) {
        self.0.stop();
        self.0.running.wait().await;
    }
}

impl Drop for TaskSet {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Spawns tasks into a set. Clones spawn into the same set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks {
    running: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// Runs `task` until it ends or the set is stopped, whichever comes first. Needs a tokio runtime.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        let task = self.until_stopped(task);
        self.running.spawn(async move {
            task.await;
        })
    }

    /// Completes with `future`, or when the set is stopped; what is left of `future` is dropped then.
    pub(crate) fn until_stopped<F: Future>(
        &self,
        future: F,
    ) -> impl Future<Output = Option<F::Output>> + use<F> {
        self.stop.clone().run_until_cancelled_owned(future)
    }

    /// Ends every task of the set where it waits next. Tasks that are spawned later do not begin.
    fn stop(&self) {
        self.running.close();
        self.stop.cancel();
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn what_runs_in_a_set_and_what_comes_later_ends_with_it() {
        let set = TaskSet::default();
        let tasks = set.tasks().clone();
        let (held, released) = oneshot::channel::<()>();
        let (later, never_begun) = oneshot::channel::<()>();
        let holding = tasks.spawn(async move {
            let _held = held;
            pending::<()>().await;
        });
        tokio::task::yield_now().await;
        assert!(!holding.is_finished());
        drop(set);
        tasks.spawn(async move { later.send(()).unwrap() });
        assert!(released.await.is_err(), "what the task held is dropped");
        assert!(never_begun.await.is_err(), "nothing begins after the end");
    }

    #[tokio::test]
    async fn a_task_that_ends_by_itself_is_not_waited_for() {
        let set = TaskSet::default();
        set.tasks().spawn(async {}).await.unwrap();
        set.end().await;
    }
}
