//! A query names exactly the parameters that are declared beside it.

use analyze::config::{Config, Engine};
use analyze::plan::Source;
use analyze::session;
use datafusion::datasource::empty::EmptyTable;
use queries::{Argument, Grain, Table, sections};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The parameters that `sql` names, after planning it over empty tables.
async fn named(table: &Table, sql: &str) -> BTreeSet<String> {
    let context = session::session(&Engine::default()).expect("a session");
    for source in Source::all() {
        let mut fields: Vec<_> = schema::table::arrow(source.columns()).fields().iter().cloned().collect();
        let date = datafusion::arrow::datatypes::DataType::Date32;
        fields.push(Arc::new(datafusion::arrow::datatypes::Field::new("date", date, false)));
        let schema = Arc::new(datafusion::arrow::datatypes::Schema::new(fields));
        session::register(&context, source, Arc::new(EmptyTable::new(schema))).expect("an empty table");
    }
    let frame =
        context.sql(sql).await.unwrap_or_else(|error| panic!("derived.{}: {error}\n{sql}", table.name));
    frame
        .logical_plan()
        .get_parameter_names()
        .expect("names")
        .into_iter()
        .map(|name| name.replace('$', ""))
        .collect()
}

#[tokio::test]
async fn declared_and_used_parameters_are_the_same() {
    for table in queries::TABLES {
        let declared: BTreeSet<String> =
            Config::default().bind(table).into_iter().map(|(name, _)| name).collect();
        let mut used = named(table, table.query).await;
        let texts = table.summary.iter().copied().chain(table.views.iter().map(|view| view.sql));
        for section in texts.flat_map(sections) {
            used.extend(named(table, section.sql).await);
        }
        if let Some(live) = table.live {
            used.extend(named(table, live.sql).await);
        }
        let arguments = table.views.iter().filter_map(|view| view.argument);
        let mut supplied: BTreeSet<String> =
            arguments.flat_map(Argument::parameters).map(|&name| name.to_owned()).collect();
        if let Grain::Day { .. } = table.grain {
            supplied.extend(["since".to_owned(), "until".to_owned()]);
        }
        if table.sliced {
            supplied.extend(["first".to_owned(), "last".to_owned()]);
        }
        let own: BTreeSet<_> = used.difference(&supplied).cloned().collect();
        assert_eq!(own, declared, "derived.{}: named in SQL (left) and declared (right)", table.name);
    }
}
