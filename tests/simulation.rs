//! The simulated world is what it says it is: the same for everybody, calibrated, true to its labels,
//! and the same through both outlets.

use crate::cli::captured_files;
use crate::live::capture;
use capture::event::Event;
use capture::id::Id;
use capture::krpc::Method;
use capture::rows::Rows;
use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::util::display::array_value_to_string;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::net::{IpAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tests::world::actors::{Cast, KINDS};
use tests::world::contact::ContactModel;
use tests::world::evaluate::goals::{FALSE_ALARMS, GOALS, MACRO_F1, UNKNOWN};
use tests::world::evaluate::verdict::{BOTH, Profiles, Share};
use tests::world::evaluate::{self, EVALUATION_SEEDS, Extent, TUNING_SEEDS};
use tests::world::figures::{Figure, measure};
use tests::world::nulls::NULLS;
use tests::world::stage::Received;
use tests::world::{SENSOR, Settings, World, keyspace, output, replay};

/// A world of `clients` over `days`.
fn settings(clients: u32, days: i32) -> Settings {
    let mut settings = Settings { days, ..Settings::default() };
    settings.society.clients = clients;
    settings
}

fn world(settings: Settings) -> World {
    World::new(settings).expect("a world")
}

/// Every captured file of a dataset with its bytes.
fn bytes(data: &Path) -> BTreeMap<String, Vec<u8>> {
    ["events", "presences", "gaps", "system_metrics"]
        .iter()
        .flat_map(|table| captured_files(data, table))
        .map(|path| {
            let name = path.strip_prefix(data).expect("a path below").display().to_string();
            (name, fs::read(path).expect("a file"))
        })
        .collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let write = |seed| {
        let data = tempfile::tempdir().expect("a temporary folder");
        let settings = Settings { seed, cast: Cast::Reference, ..settings(300, 2) };
        output::write(&world(settings), data.path()).expect("a dataset");
        bytes(data.path())
    };
    let first = write(1);
    assert_eq!(first.keys().filter(|name| name.contains("gaps")).count(), 2);
    assert!(first == write(1), "one seed gave two worlds");
    assert!(first != write(2), "two seeds gave one world");
}

#[test]
fn a_dataset_is_not_written_over() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let world = world(settings(10, 1));
    output::write(&world, data.path()).expect("a dataset");
    let refusal = output::write(&world, data.path()).expect_err("a dataset is there").to_string();
    assert!(refusal.contains("captured exists"), "{refusal}");
}

#[test]
fn midnight_is_an_hour_like_any_other() {
    let world = world(Settings { outages: 0, ..settings(10_000, 3) });
    let counts: Vec<_> = world.hours().map(|hour| world.hour(hour).queries.len()).collect();
    for pair in counts.windows(2) {
        let (before, after) = (pair[0] as f64, pair[1] as f64);
        assert!((0.75..1.33).contains(&(after / before)), "{before} queries, then {after}");
    }
}

#[test]
fn rows_are_those_that_the_daemon_makes() {
    const ORIGIN: [&str; 3] = ["asn", "as_organization", "country"];
    let world = world(Settings { cast: Cast::Reference, ..settings(1000, 1) });
    let mut datagram = Vec::new();
    for hour in world.hours() {
        let Received { callers, queries } = world.hour(hour);
        let events: Vec<_> = queries
            .iter()
            .map(|query| query.event(&callers[query.caller as usize], &world.keyspace, &mut datagram))
            .collect();
        let made = tests::world::rows::Rows::new(&world.keyspace, &callers).take(&queries);
        let daemon = rows(&events);
        for field in daemon.schema().fields() {
            let (made, daemon) = (&made[field.name()], &daemon[field.name()]);
            if ORIGIN.contains(&field.name().as_str()) {
                assert_eq!((made.null_count(), daemon.null_count()), (0, daemon.len()), "{field}");
            } else {
                assert_eq!(made, daemon, "{field}");
            }
        }
    }
}

/// The figure called `name`.
fn value(figures: &[Figure], name: &str) -> f64 {
    figures.iter().find(|figure| figure.name == name).unwrap_or_else(|| panic!("no figure {name}")).value
}

#[test]
fn the_background_measures_what_it_should() {
    let figures = measure(&world(settings(10_000, 2)));
    figures.iter().for_each(|figure| println!("{figure}"));
    for (name, least, most) in [
        // A tenth of the full size gives a tenth of 1,000 to 10,000 queries an hour.
        ("queries an hour, mean", 100.0, 1000.0),
        ("busiest over quietest hour", 1.2, 3.0),
        ("share of get_peers", 0.5, 0.9),
        ("share of find_node", 0.05, 0.2),
        ("share of ping", 0.05, 0.2),
        ("share of announce_peer", 0.01, 0.06),
        ("libtorrent get_peers that share 8 bits with its id", 0.005, 0.05),
        ("presences hit by a lookup", 1.0, 3.0),
        ("median gap between lookups, LT", 14.5, 31.0),
        ("median gap between lookups, UT", 29.0, 31.0),
        ("median gap between lookups, TR", 25.0, 28.0),
        ("median session", 1.4, 1.6),
        ("clients that are always online", 0.11, 0.13),
    ] {
        let value = value(&figures, name);
        assert!((least..=most).contains(&value), "{name}: {value} is not in {least}–{most}");
    }
}

#[test]
fn more_addresses_see_more() {
    let of = |addresses| measure(&world(Settings { addresses, ..settings(1000, 1) }));
    let (one, many) = (of(1), of(16));
    let rate = "queries an hour, mean";
    assert!(value(&many, rate) > 8.0 * value(&one, rate));
    let hit = "presences hit by a lookup";
    assert!(value(&many, hit) > value(&one, hit));
}

#[test]
fn the_other_contact_model_is_another_one() {
    let of = |contact| measure(&world(Settings { contact, ..settings(10_000, 2) }));
    let (tables, other) = (of(ContactModel::Tables), of(ContactModel::Acquaintance));
    let hit = "presences hit by a lookup";
    assert!(value(&other, hit) > 1.5 * value(&tables, hit));
    let gap = "median gap between lookups, UT";
    assert!(value(&other, gap) > 1.5 * value(&tables, gap));
}

#[test]
fn labels_match_what_was_recorded() {
    let world = world(Settings { cast: Cast::Evaluation, ..settings(0, 5) });
    let mut recorded = BTreeMap::<(IpAddr, Id), u64>::new();
    let mut of_address = BTreeMap::<IpAddr, u64>::new();
    for hour in world.hours() {
        let received = world.hour(hour);
        for query in received.queries {
            let address = received.callers[query.caller as usize].address.ip();
            *of_address.entry(address).or_default() += 1;
            if query.method == Method::GetPeers {
                *recorded.entry((address, query.target)).or_default() += 1;
            }
        }
    }
    assert_eq!(world.plan.actors.len(), KINDS.len());
    for actor in &world.plan.actors {
        assert!(!actor.units.is_empty() && !actor.tracks.is_empty(), "{} is without a label", actor.kind);
        for track in &actor.tracks {
            let Some(infohash) = &track.infohash else {
                assert_eq!(of_address[&track.address], track.observed, "{}", actor.kind);
                continue;
            };
            let ((_, target), count) = recorded
                .iter()
                .find(|((address, id), _)| *address == track.address && id.to_string() == *infohash)
                .map_or(((track.address, Id([0; 20])), 0), |(key, &count)| (*key, count));
            // A lookup reaches one to three presences.
            assert!((track.observed..=3 * track.observed).contains(&count), "{}: {target}", actor.kind);
            assert!(track.expected <= track.planned as f64);
        }
    }
    let planted: BTreeSet<IpAddr> =
        world.plan.actors.iter().flat_map(|actor| &actor.parties).map(|party| party.address).collect();
    assert!(of_address.keys().all(|address| planted.contains(address)));
}

#[test]
fn nobody_is_planted_in_a_null() {
    let base = Settings { cast: Cast::Reference, ..settings(500, 1) };
    let mut seen = Vec::new();
    for null in &NULLS {
        let world = world(null.settings(&base));
        assert!(world.plan.actors.is_empty(), "{}", null.name);
        assert!(!seen.contains(&world.settings), "{} is another null again", null.name);
        seen.push(world.settings);
    }
}

#[test]
fn tuning_and_evaluation_see_different_actors() {
    for kind in KINDS {
        for parameter in kind.parameters {
            let ((a, b), (c, d)) = (parameter.tuning, parameter.evaluation);
            assert!(a <= b && c <= d && (b < c || d < a), "{} {}: ranges overlap", kind.name, parameter.name);
        }
    }
}

#[test]
fn an_antenna_records_what_the_world_says_it_receives() {
    let mut config = capture::config::Config::default();
    config.remote_rate = 3600.0;
    config.remote_burst = 60_000;
    let world = world(Settings { cast: Cast::Reference, ..settings(1000, 1) });
    let (sent, recorded) = replay::feed(&world, config.antenna(), world.hours()).expect("fed");
    assert!(sent.len() > 1000 && sent.iter().any(|event| event.token_valid == Some(true)));
    assert!(sent == recorded, "the antenna recorded something else");
}

#[test]
fn a_sensor_records_what_the_world_says_it_receives() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let here: IpAddr = "127.62.0.1".parse().expect("an address");
    let only = ["heavy_announcer", "prober", "dead_drop_checker", "indexer"].map(str::to_owned).to_vec();
    let world = world(Settings { cast: Cast::Reference, only, ..settings(300, 1) });
    let seed = world.settings.seed;
    let keyspace = keyspace(seed, &[here]).expect("a keyspace");
    let mut sensor = Command::new(capture())
        .args(["run", "--bind", "127.62.0.1", "--bootstrap", "none", "--query-rate", "0", "--sensor", SENSOR])
        .args(["--seed", &format!("{SENSOR} {seed}"), "--remote-rate", "3600", "--remote-burst", "60000"])
        .arg("--data")
        .arg(data.path())
        .spawn()
        .expect("the sensor starts");
    let last = keyspace.sockets().last().expect("a socket");
    let listens = (0..100).any(|_| answers("127.62.0.2", *last));
    let sent = replay::send(&world, &keyspace, world.hours().skip(9).take(3));
    let stopped = Command::new("kill").arg(sensor.id().to_string()).status().expect("kill starts");
    assert!(sensor.wait().expect("the sensor ends").success() && stopped.success());
    assert!(listens, "the sensor did not start to listen");

    let sent = sent.expect("every lookup was answered");
    assert!(sent.len() > 100, "{} datagrams are too few to tell", sent.len());
    let recorded: Vec<RecordBatch> = captured_files(data.path(), "events")
        .iter()
        .flat_map(|path| {
            let file = File::open(path).expect("a file");
            ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet").build().expect("a reader")
        })
        .collect::<Result<_, _>>()
        .expect("batches");
    assert_eq!(lines(&recorded), lines(&[rows(&sent)]));
}

/// Whether a ping from `from` to `to` is answered soon.
fn answers(from: &str, to: std::net::SocketAddr) -> bool {
    let socket = UdpSocket::bind((from, 0)).expect("a free port");
    socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
    let ping = b"d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:t2:aa1:y1:qe";
    let sent = socket.send_to(ping, to).is_ok();
    let answered = sent && socket.recv(&mut [0; 512]).is_ok();
    if !answered {
        std::thread::sleep(Duration::from_millis(100));
    }
    answered
}

fn rows(events: &[Event]) -> RecordBatch {
    let mut rows = Rows::new(SENSOR);
    events.iter().for_each(|event| rows.push(event.clone()));
    rows.take()
}

/// The rows as text, sorted, without what the network adds, and without those who only knocked.
fn lines(batches: &[RecordBatch]) -> Vec<String> {
    const ADDED: [&str; 4] = ["ts", "ttl", "asn", "country"];
    let mut lines = Vec::new();
    for batch in batches {
        let schema = batch.schema();
        for row in 0..batch.num_rows() {
            let cells = schema.fields().iter().zip(batch.columns()).filter_map(|(field, column)| {
                let text = || array_value_to_string(column, row).expect("text");
                (!ADDED.contains(&field.name().as_str())).then(text)
            });
            lines.push(cells.collect::<Vec<_>>().join(" "));
        }
    }
    // 127.62.0.2, mapped into IPv6.
    lines.retain(|line| !line.contains("ffff7f3e0002"));
    lines.sort();
    lines
}

#[test]
fn intervals_are_those_of_clopper_and_pearson() {
    // scipy.stats.binomtest(part, whole).proportion_ci(method="exact")
    for (part, whole, from, to) in [
        (0, 10, 0.0, 0.308_497_107_8),
        (3, 10, 0.066_739_511_2, 0.652_452_850_1),
        (10, 100, 0.049_004_689_2, 0.176_222_597_7),
        (10, 10, 0.691_502_892_2, 1.0),
    ] {
        let share = Share::new(part, whole).expect("a share");
        assert!(
            (share.from - from).abs() < 1e-9 && (share.to - to).abs() < 1e-9,
            "{part}/{whole}: {share:?}"
        );
    }
    assert_eq!(Share::new(0, 0), None);
}

#[test]
fn tuning_and_evaluation_see_different_worlds() {
    assert!(TUNING_SEEDS.end <= EVALUATION_SEEDS.start);
    let full = Extent::full();
    assert!(
        full.planted_seeds.end <= full.null_seeds.start,
        "a world with actors and one without share a seed"
    );
    let tuned = Settings { cast: Cast::Tuning, ..full.planted.clone() };
    let refusal =
        evaluate::evaluate(Extent { planted: tuned, ..full }, &[], |_| {}).expect_err("not these seeds");
    assert!(refusal.to_string().contains("are not for this cast"), "{refusal}");
}

#[test]
fn profiles_are_judged_class_by_class() {
    let given = |classes: &[(&str, u64)]| -> BTreeMap<String, u64> {
        classes.iter().map(|&(class, count)| (class.to_owned(), count)).collect()
    };
    let operators = BTreeMap::from([
        ("crawler".to_owned(), given(&[("crawler", 6), ("unknown", 2)])),
        ("normal_client".to_owned(), given(&[("normal_client", 88), ("crawler", 4)])),
    ]);
    let profiles = Profiles::new(BOTH, operators);
    // Precision 6/10 and recall 6/8; 88/88 and 88/92.
    assert!((profiles.f1["crawler"] - 2.0 / 3.0).abs() < 1e-12);
    assert!((profiles.f1["normal_client"] - 176.0 / 180.0).abs() < 1e-12);
    assert!((profiles.macro_f1 - (2.0 / 3.0 + 176.0 / 180.0) / 2.0).abs() < 1e-12);
    assert!((profiles.unknown - 0.02).abs() < 1e-12);
}

#[test]
fn detectors_find_what_was_planted_as_often_as_promised() {
    let extent = Extent { null_seeds: 0..0, ..Extent::small() };
    let verdict = evaluate::evaluate(extent, &[], |_| {}).expect("an evaluation");
    println!("{verdict}");
    let planted: BTreeSet<&str> = verdict.judgements.iter().filter_map(|judgement| judgement.role).collect();
    for goal in GOALS {
        assert!(planted.contains(goal.role), "nobody is planted as {}", goal.role);
        let (contact, precision, recall) = goal.floor();
        let measured =
            verdict.measured(goal, contact).unwrap_or_else(|| panic!("{} is not judged", goal.role));
        assert!(measured.score.observable > 0, "no {} can be observed", goal.role);
        // So few worlds can refute a rate, not establish it.
        let refuted = |share: Option<Share>, least| share.is_none_or(|share| share.to < least);
        assert!(
            !refuted(measured.recall, recall) && !refuted(measured.precision, precision),
            "{}: less than {precision} / {recall}: {measured:?}",
            goal.role
        );
    }
    let profiles = verdict.profiles.iter().find(|profiles| profiles.contact == BOTH).expect("profiles");
    assert!(profiles.macro_f1 >= MACRO_F1 && profiles.unknown <= UNKNOWN, "{profiles:?}");
}

#[test]
fn nothing_is_significant_where_nothing_was_planted() {
    let extent = Extent { planted_seeds: 0..0, ..Extent::small() };
    let verdict =
        evaluate::evaluate(extent, &NULLS.iter().collect::<Vec<_>>(), |_| {}).expect("an evaluation");
    println!("{verdict}");
    assert!(verdict.false_alarms.iter().any(|alarm| alarm.tier == "rule" && alarm.findings > 0));
    for alarm in
        verdict.false_alarms.iter().filter(|alarm| alarm.tier == "significant" && alarm.label == "any")
    {
        let worlds = alarm.worlds.expect("worlds");
        assert!(worlds.from <= FALSE_ALARMS, "{}, null {}: {worlds}", alarm.table, alarm.null);
    }
}
