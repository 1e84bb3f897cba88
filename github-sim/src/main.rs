//! The simulator as a program.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use github_sim::{Sim, SimConfig, demo};
use mayfly_common::VERSION;
use mayfly_service::shutdown;
use mayfly_service::telemetry::{self, Logging};
use tracing::info;

/// GitHub's REST and GraphQL API for Actions runners, simulated: repositories, workflow runs and runners without an account.
///
/// Each option can also be set by the environment variable shown with it. `GET /_sim/` on a running simulator lists its control
/// interface; deploy/compose.demo.yaml shows it at work.
#[derive(Parser)]
#[command(name = "github-sim", version = VERSION)]
struct Arguments {
    /// Where to listen; may be given more than once.
    #[arg(
        long,
        env = "GITHUB_SIM_LISTEN",
        value_delimiter = ',',
        default_value = "127.0.0.1:8090",
        global = true
    )]
    listen: Vec<SocketAddr>,
    /// The URL that answers point clients at; by default the one each client used.
    #[arg(long, env = "GITHUB_SIM_PUBLIC_URL")]
    public_url: Option<String>,
    /// Start with three repositories and their workflows instead of an empty world.
    #[arg(long, env = "GITHUB_SIM_SEED_DEMO")]
    seed_demo: bool,
    /// Listen on an address that no interface has yet, such as the gateway of a network still to be made.
    #[arg(long, env = "GITHUB_SIM_FREE_BIND")]
    free_bind: bool,
    #[command(subcommand)]
    command: Option<Task>,
}

#[derive(Subcommand)]
enum Task {
    /// Ask a running simulator for its root and say by the exit code whether it answered.
    Healthcheck,
    /// Write the root file system of the simulated runner, for `docker import`, to standard output or a file.
    RunnerImage {
        /// The file; standard output if not given.
        #[arg(long)]
        output: Option<std::path::PathBuf>,
    },
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(wrong) if wrong.use_stderr() => wrong.exit(),
        // Help and version are answers like any other: nobody reads them where they cannot be written.
        Err(asked) => {
            let written = asked.print().and_then(|()| std::io::stdout().flush());
            return written.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
        }
    };
    telemetry::init(Logging::default());
    let done = match arguments.command {
        Some(Task::Healthcheck) => healthcheck(&arguments.listen),
        Some(Task::RunnerImage { output }) => runner_image(output.as_deref()),
        None => tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .and_then(|runtime| runtime.block_on(serve(arguments))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "github-sim cannot go on");
            ExitCode::FAILURE
        }
    }
}

async fn serve(arguments: Arguments) -> std::io::Result<()> {
    let sim = Sim::start(SimConfig {
        listen: arguments.listen,
        public_url: arguments.public_url,
        free_bind: arguments.free_bind,
        ..SimConfig::default()
    })
    .await?;
    if arguments.seed_demo {
        sim.with(demo::load).map_err(std::io::Error::other)?;
    }
    for address in sim.addresses() {
        info!(category = telemetry::START, %address, "github-sim is listening");
    }
    shutdown::signal().await;
    info!(category = telemetry::SHUTDOWN, "github-sim stops");
    sim.stop().await;
    Ok(())
}

fn runner_image(output: Option<&std::path::Path>) -> std::io::Result<()> {
    let archive = github_sim::runner_image::tar()?;
    match output {
        Some(path) => std::fs::write(path, archive),
        None => std::io::stdout().lock().write_all(&archive),
    }
}

/// By hand, since an HTTP client would be this program's largest dependency.
fn healthcheck(listeners: &[SocketAddr]) -> std::io::Result<()> {
    const PATIENCE: Duration = Duration::from_secs(3);
    let address =
        listeners.first().ok_or_else(|| std::io::Error::other("there is no address to ask"))?;
    let mut stream = TcpStream::connect_timeout(address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {address}\r\nUser-Agent: github-sim\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    if &status == b"HTTP/1.1 200" {
        return Ok(());
    }
    Err(std::io::Error::other(format!("{address} answered {}", String::from_utf8_lossy(&status))))
}
