//! The one place where a query session is made: settings, memory, functions and tables.

use crate::config::Engine;
use crate::dataset::{DataFile, Dataset};
use crate::files::{Files, Partitioning};
use crate::plan::{Source, Tier};
use anyhow::{Context, Result};
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider, TableProvider};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use std::sync::Arc;

/// A session that knows every SQL function and no table.
///
/// # Errors
/// When the runtime cannot be set up.
pub fn session(engine: &Engine) -> Result<SessionContext> {
    // The newer hash aggregate is erratic under a memory pool; the older one is 5 % slower and
    // keeps its word.
    let config = SessionConfig::new()
        .with_target_partitions(engine.threads)
        .with_information_schema(true)
        .set_bool("datafusion.execution.enable_migration_aggregate", false);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(engine.memory_mib << 20)))
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::OsTmpDirectory))
        .build_arc()?;
    let mut context = SessionContext::new_with_config_rt(config, runtime);
    queries::functions::register(&mut context)?;
    let catalog = context.catalog("datafusion").context("DataFusion has no default catalog")?;
    for tier in [Tier::Captured, Tier::Derived] {
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

/// Registers `source` over those of its files that `keep` accepts.
///
/// # Errors
/// When a file has vanished since the dataset was opened.
pub fn register_files(
    context: &SessionContext,
    dataset: &Dataset,
    source: Source,
    keep: impl Fn(&DataFile) -> bool,
) -> Result<()> {
    let (files, columns, partitioning) = match source.tier {
        Tier::Captured => {
            let table = schema::captured(source.name).context("no such captured table")?;
            (dataset.captured(source.name), table.columns, Partitioning::Hour)
        }
        Tier::Derived => {
            let table = queries::table(source.name).context("no such derived table")?;
            let partitioning = match table.grain {
                queries::Grain::Day { .. } => Partitioning::Day,
                queries::Grain::Window => Partitioning::None,
            };
            (dataset.derived(source.name), table.columns, partitioning)
        }
    };
    let files = files.iter().filter(|file| keep(file));
    let provider = Files::new(schema::table::arrow(columns), partitioning, files)?;
    register(context, source, Arc::new(provider))
}

/// Registers every table of the dataset over all its files.
///
/// # Errors
/// As [`register_files`].
pub fn register_all(context: &SessionContext, dataset: &Dataset) -> Result<()> {
    for source in Source::all() {
        register_files(context, dataset, source, |_| true)?;
    }
    Ok(())
}
