//! The services of the demo, wired together on free ports of this machine.

use std::net::SocketAddr;

use anyhow::Context as _;
use github_sim::demo::{self, ExpectedJob};
use github_sim::world::model::{Conclusion, Job, Status};
use github_sim::{Sim, SimConfig};
use mayfly_common::clock::{Clock as _, SystemClock};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::engine::Engine;
use super::table::Row;

/// The running services.
pub(super) struct Stage<'a> {
    engine: &'a Engine,
    sim: Sim,
    gateway_url: String,
    stop: watch::Sender<bool>,
    services: Vec<JoinHandle<std::io::Result<()>>>,
}

impl<'a> Stage<'a> {
    /// Starts github-sim, orchestrator and gateway.
    pub(super) async fn open(engine: &'a Engine) -> anyhow::Result<Self> {
        let sim = Sim::start(SimConfig::default()).await.context("github-sim cannot start")?;
        let reachable = sim.listen(SocketAddr::new(engine.gateway, 0)).await.with_context(|| {
            let gateway = engine.gateway;
            format!("cannot listen on {gateway}, the runner network's address of this machine; is the engine on another one?")
        })?;
        sim.set_public_url(format!("http://{reachable}"));
        sim.with(demo::load).context("the demo's repositories cannot be made")?;

        let (stop, stopped) = watch::channel(false);
        let stopped = move || {
            let mut stopped = stopped.clone();
            async move {
                // An error means that the stage is gone, which is also a stop.
                let _ = stopped.wait_for(|stop| *stop).await;
            }
        };
        let (internal, public) = (free_port().await?, free_port().await?);
        let (internal_address, public_address) = (internal.local_addr()?, public.local_addr()?);
        let config = engine.config(&sim.url())?;
        let orchestrator = tokio::spawn(orchestrator::run(config, internal, stopped()));
        let variables = [
            ("ORCHESTRATOR_URL", format!("http://{internal_address}")),
            ("LOG_LEVEL", "ERROR".to_owned()),
        ];
        let config = api_gateway::Config::from_variables(
            variables.map(|(name, value)| (name.to_owned(), value)),
        )?;
        let gateway = tokio::spawn(api_gateway::run(config, public, stopped()));
        let gateway_url = format!("http://{public_address}");
        Ok(Self { engine, sim, gateway_url, stop, services: vec![gateway, orchestrator] })
    }

    /// Queues the jobs.
    pub(super) fn dispatch(&self, jobs: usize) -> anyhow::Result<Vec<ExpectedJob>> {
        self.sim
            .with(|world| demo::dispatch(world, jobs))
            .context("the demo's workflows cannot be dispatched")
    }

    /// Where the gateway is.
    pub(super) fn gateway_url(&self) -> &str {
        &self.gateway_url
    }

    /// The simulated GitHub.
    pub(super) fn sim(&self) -> &Sim {
        &self.sim
    }

    /// What the table shows now.
    pub(super) async fn rows(&self, jobs: &[ExpectedJob]) -> Vec<Row> {
        let containers = self.engine.container_ids().await;
        let now = SystemClock.now();
        self.sim.with(|world| {
            let found = jobs.iter().filter_map(|job| Some((job, world.job(job.job_id)?)));
            found
                .map(|(expected, job)| Row::of(expected, job, &containers, now))
                .collect::<Vec<_>>()
        })
    }

    /// True if every container and every registration is gone.
    pub(super) async fn nothing_left(&self) -> anyhow::Result<bool> {
        Ok(self.registrations() == 0 && self.containers().await? == 0)
    }

    /// Runners registered at the simulated GitHub.
    pub(super) fn registrations(&self) -> usize {
        self.sim.with(|world| world.all_runners().count())
    }

    /// Containers of the demo.
    pub(super) async fn containers(&self) -> anyhow::Result<usize> {
        self.engine.containers().await
    }

    /// Where to look while the demo stays up.
    pub(super) fn invitation(&self) -> String {
        let (gateway, sim) = (&self.gateway_url, self.sim.url());
        format!(
            "\nThe platform is still up. Have a look, queue more jobs, press Ctrl-C to end it.\n\
             \x20 Swagger UI       {gateway}/docs\n\
             \x20 ReDoc            {gateway}/redoc\n\
             \x20 health           {gateway}/health\n\
             \x20 status           {gateway}/api/v1/status\n\
             \x20 metrics          {gateway}/metrics\n\
             \x20 simulated GitHub {sim}/_sim/\n\
             \x20 the command      MAYFLY_URL={gateway} mayfly top (or events, explain, pool, runner, job …)\n"
        )
    }

    /// Stops the services in the order of a shutdown: no runner is started any more, then everything ends.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        self.stop.send_replace(true);
        for service in self.services {
            service.await?.context("a service ended badly")?;
        }
        self.sim.stop().await;
        Ok(())
    }
}

/// How a job ended, or where it is.
pub(super) fn state(job: &Job) -> &'static str {
    match (job.status, job.conclusion) {
        (Status::Completed, Some(Conclusion::Success)) => "succeeded",
        (Status::Completed, Some(conclusion)) => conclusion.as_str(),
        (status, _) => status.as_str(),
    }
}

async fn free_port() -> anyhow::Result<TcpListener> {
    TcpListener::bind("127.0.0.1:0").await.context("no free port on 127.0.0.1")
}
