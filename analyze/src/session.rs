//! The one place where a query session is made: settings, memory, functions and tables.

use crate::config::{Config, Engine};
use crate::dataset::{DataFile, Dataset};
use crate::files::{Files, Partitioning};
use crate::fold_once::FoldOnce;
use crate::memory::Pool;
use crate::plan::{Source, Tier};
use anyhow::{Context, Result};
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider, TableProvider};
use datafusion::datasource::MemTable;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};
use std::sync::Arc;

/// What the engine wants to have set aside for merging before it sorts, in each thread and of every sort: no
/// more than its default of 10 MiB, and of a small pool so small a part that several sorts find room.
const SORT_SHARE: usize = 64;
const SORT_MOST: usize = 10 << 20;

/// Rows that operators hand to each other at a time: twice the engine's default takes 3 to 5 % less time, and no more
/// memory.
const BATCH_ROWS: usize = 16384;

/// The memory and the disk that sessions share.
///
/// # Errors
/// When it cannot be set up.
pub fn runtime(engine: &Engine) -> Result<Arc<RuntimeEnv>> {
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(Pool::new(engine.memory_mib << 20)))
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::OsTmpDirectory))
        .build_arc()?;
    Ok(runtime)
}

/// A session that knows every SQL function and no table.
///
/// # Errors
/// When it cannot be set up.
pub fn session(engine: &Engine) -> Result<SessionContext> {
    session_in(&runtime(engine)?, engine.threads)
}

/// As [`session`], with a share of what there is.
///
/// # Errors
/// When it cannot be set up.
pub fn session_in(runtime: &Arc<RuntimeEnv>, threads: usize) -> Result<SessionContext> {
    let pool = match runtime.memory_pool.memory_limit() {
        MemoryLimit::Finite(bytes) => bytes,
        _ => usize::MAX,
    };
    let reservation = SORT_MOST.min(pool / SORT_SHARE);
    let config = SessionConfig::new()
        // Conditions of detectors keep most rows; to guess that they drop four in five would put the wrong side
        // of a join into memory.
        .set_u64("datafusion.optimizer.default_filter_selectivity", 100)
        .with_target_partitions(threads)
        .with_batch_size(BATCH_ROWS)
        .with_sort_spill_reservation_bytes(reservation)
        .with_information_schema(true)
        // The newer hash aggregate is erratic under a memory pool; the older one is 5 % slower and keeps its word.
        .set_bool("datafusion.execution.enable_migration_aggregate", false);
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(Arc::clone(runtime))
        .with_default_features()
        .with_physical_optimizer_rule(Arc::new(FoldOnce::new()))
        .build();
    let mut context = SessionContext::new_with_state(state);
    queries::functions::register(&mut context)?;
    let catalog = context.catalog("datafusion").context("DataFusion has no default catalog")?;
    for tier in Tier::ALL {
        catalog.register_schema(tier.name(), Arc::new(MemorySchemaProvider::new()))?;
    }
    Ok(context)
}

/// Makes `provider` known as `source`, in place of what was known by that name.
///
/// # Errors
/// When DataFusion refuses it.
pub fn register(context: &SessionContext, source: Source, provider: Arc<dyn TableProvider>) -> Result<()> {
    let schema = schema_of(context, source.tier)?;
    schema.deregister_table(source.name)?;
    schema.register_table(source.name.to_owned(), provider)?;
    Ok(())
}

fn schema_of(context: &SessionContext, tier: Tier) -> Result<Arc<dyn SchemaProvider>> {
    let catalog = context.catalog("datafusion").context("DataFusion has no default catalog")?;
    catalog.schema(tier.name()).with_context(|| format!("there is no schema {}", tier.name()))
}

/// Registers `source`; a table that consists of files, over those that `keep` accepts.
///
/// # Errors
/// When a file has vanished since the dataset was opened.
pub fn register_source(
    context: &SessionContext,
    dataset: &Dataset,
    config: &Config,
    source: Source,
    keep: impl Fn(&DataFile) -> bool,
) -> Result<()> {
    let (files, partitioning) = match source.tier {
        Tier::Captured => (dataset.captured(source.name), Partitioning::Hour),
        Tier::Derived => {
            let table = queries::table(source.name).context("no such derived table")?;
            let partitioning = match table.grain {
                queries::Grain::Day { .. } => Partitioning::Day,
                queries::Grain::Window => Partitioning::None,
            };
            (dataset.derived(source.name), partitioning)
        }
        Tier::User => {
            let rows = config.actors().rows()?;
            return register(context, source, Arc::new(MemTable::try_new(rows.schema(), vec![vec![rows]])?));
        }
    };
    let files = files.iter().filter(|file| keep(file));
    let provider = Files::new(schema::table::arrow(source.columns()), partitioning, files)?;
    register(context, source, Arc::new(provider))
}

/// Registers every table over all its files.
///
/// # Errors
/// As [`register_source`].
pub fn register_all(context: &SessionContext, dataset: &Dataset, config: &Config) -> Result<()> {
    for source in Source::all() {
        register_source(context, dataset, config, source, |_| true)?;
    }
    Ok(())
}
