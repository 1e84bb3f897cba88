//! The runners that a pass left behind, for the next process.

use jiff::Timestamp;
use mayfly_common::name::RunnerName;
use mayfly_common::pool::PoolName;
use mayfly_common::scope::Scope;
use mayfly_planner::left_runners::LeftRunner;
use rusqlite::{Connection, Row as Found, Transaction, params};

use super::{read, word};

/// Puts `runners` in the place of all earlier ones.
pub(super) fn save(
    transaction: &Transaction<'_>,
    installation: &str,
    runners: &[LeftRunner],
) -> Result<(), rusqlite::Error> {
    transaction.execute("DELETE FROM left_runners", [])?;
    let mut insert = transaction.prepare_cached(
        "INSERT OR REPLACE INTO left_runners (name, installation, machine, pool, scope, scope_name, image, created_at, state)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    for runner in runners {
        insert.execute(params![
            runner.name.as_str(),
            installation,
            runner.machine,
            runner.pool.as_str(),
            word(&runner.scope.kind())?,
            runner.scope.name(),
            runner.image,
            runner.created_at.as_millisecond(),
            runner.state.as_str(),
        ])?;
    }
    Ok(())
}

/// Those of `installation`, without those of which it is kept what became of them.
pub(super) fn load(
    connection: &Connection,
    installation: &str,
) -> Result<Vec<LeftRunner>, rusqlite::Error> {
    let mut query = connection.prepare(
        "SELECT name, machine, pool, scope, scope_name, image, created_at, state FROM left_runners
             WHERE installation = ?1 AND NOT EXISTS (SELECT 1 FROM finished_runners AS finished
                 WHERE finished.name = left_runners.name AND finished.created_at = left_runners.created_at)",
    )?;
    let found = query.query_map([installation], runner)?;
    // A row that cannot be read any more is history that is lost, not a reason to read none.
    Ok(found.flatten().flatten().collect())
}

/// None: the row is not one that this program wrote.
fn runner(found: &Found<'_>) -> Result<Option<LeftRunner>, rusqlite::Error> {
    let (name, pool): (String, String) = (found.get("name")?, found.get("pool")?);
    let (kind, scope): (String, String) = (found.get("scope")?, found.get("scope_name")?);
    let (Ok(name), Ok(pool)) = (RunnerName::parse(&name), PoolName::parse(&pool)) else {
        return Ok(None);
    };
    let created_at = Timestamp::from_millisecond(found.get("created_at")?);
    let (Ok(scope), Ok(created_at)) = (Scope::parse(read(kind)?, &scope), created_at) else {
        return Ok(None);
    };
    Ok(Some(LeftRunner {
        name,
        machine: found.get("machine")?,
        pool,
        scope,
        image: found.get("image")?,
        created_at,
        state: read(found.get("state")?)?,
    }))
}
