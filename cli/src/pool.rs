//! `mayfly pool`: policies for runners, made and changed while the platform runs.
//!
//! | module | what |
//! |---|---|
//! | `fields` | the options that describe a pool |
//! | `apply` | pools from a file |
//! | `show` | pools as people read them |
//! | `wait` | until a pool is as it should be |

mod apply;
mod fields;
mod show;
mod wait;

use clap::{Args, Subcommand};
use mayfly_common::api::{Pool, PoolList};
use mayfly_common::pool::PoolName;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use self::fields::Fields;
pub(crate) use self::show::table;
use crate::ask;
use crate::failure::Failure;
use crate::gateway::{Connection, Gateway};
use crate::print::{ExitStatus, Output};

/// What to do with pools.
///
/// Exit codes: 0 done, 1 refused or failed, 2 wrong arguments or files.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the pools and how they stand.
    #[command(alias = "ls")]
    List,
    /// Show one pool: its description and how it stands.
    Show(Named),
    /// How a pool stands, or all of them.
    Status(MaybeNamed),
    /// Make a pool.
    Create(Described),
    /// Change what is named, and nothing else.
    Update(Described),
    /// Have a pool serve jobs: made if it is not there, changed as named if it is.
    Enable(Described),
    /// Have a pool serve no jobs: its waiting runners go, its busy ones finish.
    Disable(Named),
    /// Start no runner in a pool for the time being. Those it has stay.
    Pause(Named),
    /// End a pause.
    Resume(Named),
    /// Keep so many runners waiting.
    Scale(Scale),
    /// Replace every waiting runner by a fresh one, the new one first.
    Rotate(Named),
    /// Remove a pool: its waiting runners go, its busy ones finish.
    #[command(alias = "rm")]
    Delete(Named),
    /// Make the pools be as a file describes them.
    Apply(apply::Options),
}

/// A pool.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Named {
    /// The pool.
    #[arg(value_name = "NAME")]
    name: Option<PoolName>,
    /// The same.
    #[arg(long = "pool", value_name = "NAME")]
    pool: Option<PoolName>,
}

/// A pool, or all.
#[derive(Debug, Clone, Args)]
#[group(multiple = false)]
pub(crate) struct MaybeNamed {
    /// The pool.
    #[arg(value_name = "NAME")]
    name: Option<PoolName>,
    /// The same.
    #[arg(long = "pool", value_name = "NAME")]
    pool: Option<PoolName>,
}

/// A pool and what it is to be.
#[derive(Debug, Args)]
pub(crate) struct Described {
    #[command(flatten)]
    pool: Named,
    #[command(flatten)]
    fields: Box<Fields>,
}

/// How many.
#[derive(Debug, Args)]
pub(crate) struct Scale {
    #[command(flatten)]
    pool: Named,
    /// How many runners wait for a job at any time; at most the pool's max.
    #[arg(long, value_name = "COUNT", required_unless_present = "max")]
    count: Option<u32>,
    /// Most runners.
    #[arg(long, value_name = "COUNT")]
    max: Option<u32>,
    /// Return when so many wait.
    #[arg(long)]
    wait: bool,
    /// With `--wait`: give up after so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    timeout: u64,
}

impl Named {
    fn get(&self) -> Result<&PoolName, Failure> {
        let name = self.name.as_ref().or(self.pool.as_ref());
        name.ok_or_else(|| Failure::Usage("name the pool".to_owned()))
    }

    fn path(&self) -> Result<String, Failure> {
        Ok(format!("/pools/{}", self.get()?))
    }
}

pub(crate) async fn run(command: Command, connection: Connection) -> ExitStatus {
    ask::gateway(&connection, async |gateway| act(command, gateway).await).await
}

async fn act(command: Command, gateway: &Gateway) -> Result<Output, Failure> {
    match command {
        Command::List => list(gateway).await,
        Command::Show(named) => show(gateway, &named).await,
        Command::Status(MaybeNamed { name, pool }) => match name.or(pool) {
            Some(name) => show(gateway, &Named { name: Some(name), pool: None }).await,
            None => list(gateway).await,
        },
        Command::Create(described) => create(gateway, &described).await,
        Command::Update(described) => {
            let change = described.fields.patch()?;
            if change.as_object().is_none_or(serde_json::Map::is_empty) {
                return Err(Failure::Usage("name what is to change; see --help".to_owned()));
            }
            patch(gateway, &described.pool, &change, "is changed").await
        }
        Command::Enable(described) => enable(gateway, &described).await,
        Command::Disable(named) => {
            let change = json!({"enabled": false});
            patch(gateway, &named, &change, "serves no jobs; its busy runners finish").await
        }
        Command::Pause(named) => {
            patch(gateway, &named, &json!({"paused": true}), "starts no runner until it is resumed")
                .await
        }
        Command::Resume(named) => {
            patch(gateway, &named, &json!({"paused": false}), "goes on").await
        }
        Command::Scale(scale) => scaled(gateway, &scale).await,
        Command::Rotate(named) => {
            let path = format!("{}/rotate", named.path()?);
            let pool: Pool = gateway.send(Method::POST, &path, None, None).await?;
            let text = format!("Pool {}: its waiting runners are being replaced.\n", pool.name);
            Ok(Output::new(text, &pool))
        }
        Command::Delete(named) => {
            gateway.send::<Value>(Method::DELETE, &named.path()?, None, None).await?;
            let name = named.get()?;
            Ok(Output::new(
                format!("Pool {name} is gone; its busy runners finish.\n"),
                &json!({"deleted": name}),
            ))
        }
        Command::Apply(options) => apply::run(gateway, &options).await,
    }
}

/// Checks that there is a pool `name`, or that it is the one of runners made by hand, which is not listed.
///
/// Errors: there is none, or the gateway does not answer.
pub(crate) async fn must_exist(gateway: &Gateway, name: &PoolName) -> Result<(), Failure> {
    if *name == PoolName::manual() {
        return Ok(());
    }
    match gateway.get::<Pool>(&format!("/pools/{name}")).await {
        Err(failure) if failure.is(StatusCode::NOT_FOUND) => {
            Err(Failure::Failed(format!("there is no pool {name}; mayfly pool list names them")))
        }
        outcome => outcome.map(drop),
    }
}

async fn list(gateway: &Gateway) -> Result<Output, Failure> {
    let list: PoolList = gateway.get("/pools").await?;
    Ok(Output::new(show::table(&list.pools), &list))
}

async fn show(gateway: &Gateway, named: &Named) -> Result<Output, Failure> {
    let pool: Pool = gateway.get(&named.path()?).await?;
    Ok(Output::new(show::page(&pool), &pool))
}

async fn create(gateway: &Gateway, described: &Described) -> Result<Output, Failure> {
    let mut spec = described.fields.patch()?;
    spec["name"] = described.pool.get()?.as_str().into();
    let pool: Pool = gateway.send(Method::POST, "/pools", Some(&spec), None).await?;
    Ok(Output::new(format!("Pool {} is made.\n{}", pool.name, show::page(&pool)), &pool))
}

async fn enable(gateway: &Gateway, described: &Described) -> Result<Output, Failure> {
    let mut change = described.fields.patch()?;
    change["enabled"] = true.into();
    match patch(gateway, &described.pool, &change, "serves jobs").await {
        Err(failure) if failure.is(StatusCode::NOT_FOUND) => create(gateway, described).await,
        outcome => outcome,
    }
}

async fn patch(
    gateway: &Gateway,
    named: &Named,
    change: &Value,
    done: &str,
) -> Result<Output, Failure> {
    let pool: Pool = gateway.send(Method::PATCH, &named.path()?, Some(change), None).await?;
    Ok(Output::new(format!("Pool {} {done}.\n", pool.name), &pool))
}

async fn scaled(gateway: &Gateway, scale: &Scale) -> Result<Output, Failure> {
    let mut change = json!({});
    if let Some(max) = scale.max {
        change["max"] = max.into();
    }
    if let Some(count) = scale.count {
        // As the pool's owner set its bounds: never beyond them.
        let most = if let Some(max) = scale.max {
            max
        } else {
            let pool: Pool = gateway.get(&scale.pool.path()?).await?;
            u32::try_from(pool.status.max).unwrap_or(u32::MAX)
        };
        change["min_idle"] = count.min(most).into();
    }
    let path = scale.pool.path()?;
    let pool: Pool = gateway.send(Method::PATCH, &path, Some(&change), None).await?;
    let wanted = pool.status.min_idle;
    if scale.wait {
        if wanted == 0 && scale.count.is_some_and(|count| count > 0) {
            let why = match &*pool.status.state {
                "disabled" => format!("the pool is disabled (mayfly pool enable {})", pool.name),
                _ => format!("the pool's max is {}", pool.status.max),
            };
            return Err(Failure::Failed(format!(
                "pool {}: no runner is to wait: {why}",
                pool.name
            )));
        }
        return wait::until_waiting(gateway, &path, wanted, scale.timeout).await;
    }
    let max = pool.status.max;
    let cut = scale.count.filter(|count| usize::try_from(*count).is_ok_and(|count| count > max));
    let cut = cut.map(|count| format!(" --count {count} is more than that: raise --max, too."));
    let text = format!(
        "Pool {}: {wanted} runners are to wait, {max} at most in all.{}\n",
        pool.name,
        cut.unwrap_or_default()
    );
    Ok(Output::new(text, &pool))
}
