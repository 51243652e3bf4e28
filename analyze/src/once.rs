//! What a query names more than once is computed once.
//!
//! The engine puts the text of a WITH table wherever it is named, and so computes it as often. Here those
//! that are named at least twice are computed first, in their order, and their rows are kept until the session
//! ends or computes another of that name: in memory where they are few, otherwise in files, because they may be as
//! many as there are visits. So are those that group rows: all of their input has been read before their first row
//! anyway, what follows knows how many there are, and each step has the memory to itself. What follows also knows
//! what they are ordered by: a table that ends with ORDER BY need not be ordered again, not even once lists in it
//! have become rows.

use crate::files::Files;
use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use datafusion::arrow::array::{Array, ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ipc::writer::FileWriter;
use datafusion::catalog::memory::{DataSourceExec, MemorySourceConfig};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::ParamValues;
use datafusion::dataframe::DataFrame;
use datafusion::datasource::TableType;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::LexOrdering;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, execute_stream_partitioned};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::{DFParser, Statement};
use datafusion::sql::sqlparser::ast::{self, Cte, GroupByExpr, Query, SetExpr, Visit, visit_relations};
use futures::{StreamExt, future};
use std::fs::File;
use std::io::BufWriter;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

/// The part of all memory that the rows of all such tables of a query may take before they go to files.
const IN_MEMORY_SHARE: usize = 8;

/// The result of `sql`, one query, with `parameters` bound.
///
/// # Errors
/// When it is no query, does not plan, or a table that it shares cannot be computed.
pub async fn dataframe(context: &SessionContext, sql: &str, parameters: ParamValues) -> Result<DataFrame> {
    let mut statements = DFParser::parse_sql(sql)?;
    let (Some(Statement::Statement(statement)), true) = (statements.pop_front(), statements.is_empty())
    else {
        bail!("not one statement");
    };
    let ast::Statement::Query(mut query) = *statement else { bail!("not a query") };
    let named = |name: &str| -> usize {
        let tables = query.with.iter().flat_map(|with| &with.cte_tables);
        tables.map(|table| names(&*table.query, name)).sum::<usize>() + names(&query.body, name)
    };
    let tables = query.with.iter().flat_map(|with| &with.cte_tables);
    let shared = tables.filter(|table| groups(&table.query.body) || named(&table.alias.name.value) > 1);
    let shared: Vec<String> = shared.map(|table| table.alias.name.value.clone()).collect();
    let room = Arc::new(Room::new(&context.runtime_env().memory_pool));
    for name in shared {
        let Some(with) = &mut query.with else { break };
        let Some(place) = with.cte_tables.iter().position(|table| table.alias.name.value == name) else {
            break;
        };
        let table = with.cte_tables.remove(place);
        let before = with.cte_tables[..place].to_vec();
        share(context, table, before, &parameters, &room).await.with_context(|| format!("WITH {name}"))?;
    }
    query.with.take_if(|with| with.cte_tables.is_empty());
    plan(context, *query, &parameters).await
}

/// Whether the rows of a query are groups.
fn groups(query: &SetExpr) -> bool {
    let SetExpr::Select(select) = query else { return false };
    !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty())
}

/// How often `name` stands for a table in `part`.
fn names(part: &impl Visit, name: &str) -> usize {
    let mut count = 0;
    let _ = visit_relations(part, |relation| {
        let own =
            matches!(relation.0.as_slice(), [only] if only.as_ident().is_some_and(|it| it.value == name));
        count += usize::from(own);
        ControlFlow::<()>::Continue(())
    });
    count
}

async fn plan(context: &SessionContext, query: Query, parameters: &ParamValues) -> Result<DataFrame> {
    let statement = Statement::Statement(Box::new(ast::Statement::Query(Box::new(query))));
    let state = context.state();
    let plan = state.statement_to_plan(statement).await?;
    Ok(DataFrame::new(state, plan).with_param_values(parameters.clone())?)
}

/// Computes `table`, which may name those `before` it, and makes it known to `context`.
async fn share(
    context: &SessionContext,
    table: Cte,
    before: Vec<Cte>,
    parameters: &ParamValues,
    room: &Arc<Room>,
) -> Result<()> {
    let mut query = *table.query;
    if let (None, Some(first)) = (&query.with, before.first()) {
        let with_token = first.closing_paren_token.clone();
        query.with = Some(ast::With { with_token, recursive: false, cte_tables: before });
    }
    let rows = plan(context, query, parameters).await?;
    let schema: SchemaRef = Arc::new(rows.schema().as_arrow().clone());
    let folder = tempfile::tempdir().context("no room for what a query shares")?;
    let task = Arc::new(rows.task_ctx());
    let rows = rows.create_physical_plan().await?;
    let order = rows.output_ordering().cloned();
    let streams = execute_stream_partitioned(rows, task)?;
    let parts = streams.into_iter().enumerate().map(|(number, rows)| {
        let part = Part::new(folder.path().join(format!("{number}.arrow")), Arc::clone(&schema), room);
        tokio::spawn(part.keep(rows))
    });
    let parts: Vec<Part> =
        future::join_all(parts).await.into_iter().map(|part| part?).collect::<Result<_>>()?;
    let rows: Arc<dyn TableProvider> = if parts.iter().all(Part::in_memory) {
        let parts = parts.into_iter().map(|part| part.held).collect();
        Arc::new(Held { schema, parts, order, _room: Arc::clone(room) })
    } else {
        let files = parts.into_iter().filter_map(|part| part.finish().transpose());
        Arc::new(Files::held(schema, files.collect::<Result<_>>()?, folder, order)?)
    };
    let name = table.alias.name.value.as_str();
    // Another query of the session, which has been answered, may have called one the same.
    context.deregister_table(name)?;
    context.register_table(name, rows)?;
    Ok(())
}

/// The memory that the tables of a query may take.
#[derive(Debug)]
struct Room {
    reserved: MemoryReservation,
    /// Bytes.
    most: usize,
}

impl Room {
    fn new(pool: &Arc<dyn MemoryPool>) -> Self {
        let most = match pool.memory_limit() {
            MemoryLimit::Finite(bytes) => bytes / IN_MEMORY_SHARE,
            _ => usize::MAX,
        };
        Self { reserved: MemoryConsumer::new("WITH").register(pool), most }
    }

    /// Whether `batch` may stay in memory as well.
    fn takes(&self, batch: &RecordBatch) -> bool {
        let bytes = bytes(batch);
        self.reserved.size() + bytes <= self.most && self.reserved.try_grow(bytes).is_ok()
    }

    /// `batch`, which was taken, leaves.
    fn gives_up(&self, batch: &RecordBatch) {
        self.reserved.shrink(bytes(batch));
    }
}

/// The size of the rows of `batch`, which may be pieces of larger arrays.
fn bytes(batch: &RecordBatch) -> usize {
    let bytes = |column: &ArrayRef| {
        column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size())
    };
    batch.columns().iter().map(bytes).sum()
}

/// What one thread computes of a table.
struct Part {
    path: PathBuf,
    schema: SchemaRef,
    room: Arc<Room>,
    /// All rows, as long as there is room.
    held: Vec<RecordBatch>,
    /// Takes all rows once there is none.
    file: Option<FileWriter<BufWriter<File>>>,
    rows: u64,
}

impl Part {
    fn new(path: PathBuf, schema: SchemaRef, room: &Arc<Room>) -> Self {
        Self { path, schema, room: Arc::clone(room), held: Vec::new(), file: None, rows: 0 }
    }

    fn in_memory(&self) -> bool {
        self.file.is_none()
    }

    /// Takes all `rows`.
    async fn keep(mut self, mut rows: SendableRecordBatchStream) -> Result<Self> {
        while let Some(batch) = rows.next().await {
            let batch = RecordBatch::try_new(Arc::clone(&self.schema), batch?.columns().to_vec())?;
            self.rows += batch.num_rows() as u64;
            if self.in_memory() && self.room.takes(&batch) {
                self.held.push(batch);
            } else {
                self.file()?.write(&batch)?;
            }
        }
        Ok(self)
    }

    /// The file, to which all that is held has moved.
    fn file(&mut self) -> Result<&mut FileWriter<BufWriter<File>>> {
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                let file = File::create(&self.path).with_context(|| self.path.display().to_string())?;
                FileWriter::try_new(BufWriter::new(file), &self.schema)?
            }
        };
        let file = self.file.insert(file);
        for batch in self.held.drain(..) {
            self.room.gives_up(&batch);
            file.write(&batch)?;
        }
        Ok(file)
    }

    /// The file with the number of its rows, where there are any.
    fn finish(mut self) -> Result<Option<(PathBuf, u64)>> {
        self.file()?.finish()?;
        Ok((self.rows > 0).then_some((self.path, self.rows)))
    }
}

/// A table over rows in memory.
#[derive(Debug)]
struct Held {
    schema: SchemaRef,
    parts: Vec<Vec<RecordBatch>>,
    /// What the rows of each part are ordered by, where that is known.
    order: Option<LexOrdering>,
    /// Given back with the table.
    _room: Arc<Room>,
}

#[async_trait]
impl TableProvider for Held {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        let rows = MemorySourceConfig::try_new(&self.parts, self.schema(), projection.cloned())?;
        let rows = rows.with_limit(limit).try_with_sort_information(self.order.iter().cloned().collect())?;
        Ok(DataSourceExec::from_data_source(rows))
    }
}
