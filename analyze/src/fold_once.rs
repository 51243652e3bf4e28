//! A rule of the planner for aggregations that have little to gain from two stages.
//!
//! The engine aggregates in two stages, so that what travels between threads is small. The functions of
//! [`queries::functions`] cannot make it small: they keep every row until a group is whole. Nor can groups of an
//! address or an id: there are nearly as many as rows. Here each row is sent to the thread of its group at once, and
//! grouped once.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_expr::Partitioning;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use std::collections::BTreeSet;
use std::sync::Arc;

/// See the module.
#[derive(Debug)]
pub struct FoldOnce {
    /// Names of the functions that hold their rows.
    folds: BTreeSet<String>,
}

impl FoldOnce {
    /// The rule for our functions.
    #[must_use]
    pub fn new() -> Self {
        Self {
            folds: queries::functions::aggregate()
                .iter()
                .map(|function| function.name().to_owned())
                .collect(),
        }
    }

    /// The two stages of `last` and the way between them as one stage, if a function in them holds its rows or groups
    /// are those of an address or an id.
    fn one_stage(&self, last: &AggregateExec) -> Result<Option<AggregateExec>> {
        let Some(first) = first_stage(last) else { return Ok(None) };
        let (keys, schema) = (first.group_expr().input_exprs(), first.input().schema());
        let holds = first.aggr_expr().iter().any(|function| self.folds.contains(function.fun().name()));
        let many = keys.iter().any(|key| matches!(key.data_type(&schema), Ok(DataType::FixedSizeBinary(_))));
        if !(holds || many) || !first.group_expr().is_single() {
            return Ok(None);
        }
        let threads = last.input().output_partitioning().partition_count();
        let by_group = Partitioning::Hash(keys, threads);
        let rows = RepartitionExec::try_new(Arc::clone(first.input()), by_group)?;
        let one = AggregateExec::try_new(
            AggregateMode::SinglePartitioned,
            first.group_expr().clone(),
            first.aggr_expr().to_vec(),
            first.filter_expr().to_vec(),
            Arc::new(rows),
            first.input_schema(),
        )?;
        Ok(Some(one.with_limit_options(last.limit_options())))
    }
}

/// The first of the two stages of which `last` is the second.
fn first_stage(last: &AggregateExec) -> Option<&AggregateExec> {
    let way = last.input().downcast_ref::<RepartitionExec>()?;
    let first = way.input().downcast_ref::<AggregateExec>()?;
    let stages = *last.mode() == AggregateMode::FinalPartitioned && *first.mode() == AggregateMode::Partial;
    stages.then_some(first)
}

impl PhysicalOptimizerRule for FoldOnce {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_down(|plan| {
            let last = plan.downcast_ref::<AggregateExec>();
            let one = last.map(|last| self.one_stage(last)).transpose()?.flatten();
            Ok(one.map_or(Transformed::no(plan), |one| {
                Transformed::yes(Arc::new(one) as Arc<dyn ExecutionPlan>)
            }))
        })
        .map(|plan| plan.data)
    }

    fn name(&self) -> &str {
        "FoldOnce"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
