//! What a query names more than once is computed once.
//!
//! The engine puts the text of a WITH table wherever it is named, and so computes it as often. Here those
//! that are named at least twice are computed first, in their order, and their rows are kept until the session
//! ends or computes another of that name: in memory where they are few, otherwise in files, because they may be as
//! many as there are visits. So are those that group rows: all of their input has been read before their first row
//! anyway, what follows knows how many there are, and each step has the memory to itself. What follows also knows
//! what they are ordered by: a table that ends with ORDER BY need not be ordered again, not even once lists in it
//! have become rows.

use crate::held::{self, Room};
use anyhow::{Context, Result, bail};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::ParamValues;
use datafusion::dataframe::DataFrame;
use datafusion::physical_plan::{ExecutionPlanProperties, execute_stream_partitioned};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::{DFParser, Statement};
use datafusion::sql::sqlparser::ast::{self, Cte, GroupByExpr, Query, SetExpr, Visit, visit_relations};
use std::ops::ControlFlow;
use std::sync::Arc;

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

/// A table over `rows`, which are computed now and kept as long as it is.
///
/// # Errors
/// When they cannot be computed, or there is no room for them.
pub async fn keep(rows: DataFrame, room: &Arc<Room>) -> Result<Arc<dyn TableProvider>> {
    let schema: SchemaRef = Arc::new(rows.schema().as_arrow().clone());
    let task = Arc::new(rows.task_ctx());
    let rows = rows.create_physical_plan().await?;
    let order = rows.output_ordering().cloned();
    held::keep(execute_stream_partitioned(rows, task)?, schema, order, room).await
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
    let rows = keep(plan(context, query, parameters).await?, room).await?;
    let name = table.alias.name.value.as_str();
    // Another query of the session, which has been answered, may have called one the same.
    context.deregister_table(name)?;
    context.register_table(name, rows)?;
    Ok(())
}
