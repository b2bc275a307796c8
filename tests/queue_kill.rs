//! Processes that push, deliver, adopt and are killed at random times: everything accepted is delivered, nothing torn.
//!
//! `QUEUE_KILL_ROUNDS` is the number of processes (default 200); half of the deaths are SIGKILL, half a `close`.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::too_many_lines
)]

mod common;

use std::collections::HashMap;
use std::fs::DirBuilder;
use std::io::{BufRead, BufReader, PipeReader, Write, pipe};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use common::{Random, options, shared_memory_rung};
use readme_metrics_core::queue::{Options, Queue};

const RUNG: &str = "QUEUE_KILL_RUNG";
const NUMBER: &str = "QUEUE_KILL_NUMBER";
/// How many run at once: two processes compete for every orphan.
const PROCESSES: usize = 3;
/// Half of what orphans may take. Beyond the bound, the oldest would be evicted, which is another test's subject.
const MOST_BYTES: u64 = 32 << 20;
/// After every so many processes, the directory is moved away while others use it.
const MOVED_AFTER: u64 = 25;

/// The bytes of an entry: who pushed it, its number there, and bytes that follow from both.
fn entry(who: u64, number: u64) -> Vec<u8> {
    let mut random = Random::seeded(who << 32 | number);
    let filler = random.below(3000) as usize;
    let mut entry = [who.to_le_bytes(), number.to_le_bytes()].concat();
    entry.extend((0..filler).map(|_| random.byte()));
    entry
}

fn identify(bytes: &[u8]) -> (u64, u64) {
    let who = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    let number = u64::from_le_bytes(bytes[8..16].try_into().unwrap());
    assert!(bytes == entry(who, number), "torn: {who} {number}");
    (who, number)
}

/// Reports on stderr, in writes that a pipe takes whole or not at all: `A` for an accepted entry, `D` for delivered
/// ones. Ends on its own only if its input does.
#[test]
#[ignore = "the process that is killed: started by the test below"]
fn child() {
    let rung = std::env::var(RUNG).unwrap();
    let number: u64 = std::env::var(NUMBER).unwrap().parse().unwrap();
    let queue = Queue::open(&options(Path::new(&rung)));
    assert!(queue.directory().is_some(), "{:?}", queue.refusals());
    let report = |lines: String| std::io::stderr().write_all(lines.as_bytes()).unwrap();
    let stop = thread::spawn(|| std::io::stdin().read_line(&mut String::new()).unwrap());
    thread::scope(|scope| {
        for lane in 0..2 {
            let (queue, stop, who) = (&queue, &stop, number * 2 + lane);
            scope.spawn(move || {
                for number in 0.. {
                    if stop.is_finished() {
                        break;
                    }
                    if queue.waiting() > 500 {
                        thread::yield_now(); // bounded, or the orphans of a busy test outgrow their bound
                    } else if queue.push(&entry(who, number)).is_ok() {
                        report(format!("A {who} {number}\n"));
                    }
                }
            });
        }
        let mut random = Random::seeded(number);
        while !stop.is_finished() {
            let adopted = queue.adopt();
            if adopted.dropped_segments + adopted.corrupt_segments > 0 {
                report(format!("{adopted:?}\n"));
            }
            // Mostly fewer than are pushed, so that something is left behind.
            for _ in 0..random.below(4) {
                let mut lines = Vec::new();
                let Some(peek) = queue.peek(1 + random.below(20) as usize, |entry| {
                    let (who, number) = identify(entry);
                    lines.push(format!("D {who} {number}\n"));
                    true
                }) else {
                    break;
                };
                report(lines.concat());
                queue.release(peek);
            }
            thread::yield_now();
        }
    });
    queue.close();
}

struct Running {
    process: Child,
    number: u64,
    reports: thread::JoinHandle<()>,
}

#[derive(Debug)]
enum Report {
    Accepted(u64, u64),
    Delivered {
        by: u64,
        who: u64,
        number: u64,
        at: Instant,
    },
}

fn start(rung: &Path, number: u64, sender: Sender<Report>) -> Running {
    let (reader, writer) = pipe().unwrap();
    let process = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "child",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(RUNG, rung)
        .env(NUMBER, number.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(writer)
        .spawn()
        .unwrap();
    Running {
        process,
        number,
        reports: thread::spawn(move || read_reports(reader, number, &sender)),
    }
}

fn read_reports(reader: PipeReader, by: u64, sender: &Sender<Report>) {
    for line in BufReader::new(reader).lines() {
        let line = line.unwrap();
        let mut words = line.split(' ');
        let (kind, who, number) = (words.next(), words.next(), words.next());
        let parsed = who
            .and_then(|who| who.parse().ok())
            .zip(number.and_then(|number| number.parse().ok()));
        let report = match (kind, parsed) {
            (Some("A"), Some((who, number))) => Report::Accepted(who, number),
            (Some("D"), Some((who, number))) => Report::Delivered {
                by,
                who,
                number,
                at: Instant::now(),
            },
            _ => panic!("process {by} says: {line}"),
        };
        sender.send(report).unwrap();
    }
}

/// Waits until the living processes have delivered enough of what the dead ones left, however slow the machine is.
fn wait_for_deliveries(app: &Path) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while bytes_below(app) > MOST_BYTES {
        assert!(Instant::now() < deadline, "no process delivers");
        thread::yield_now();
    }
}

/// What the files below `directory` take. A file that is removed meanwhile counts as nothing.
fn bytes_below(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

#[test]
fn nothing_accepted_is_lost_when_processes_are_killed() {
    let rounds = common::number_from("QUEUE_KILL_ROUNDS", 200);
    let seed = common::number_from("QUEUE_KILL_SEED", u64::from(std::process::id()));
    println!("seed {seed}");
    let mut random = Random::seeded(seed);
    let rung = shared_memory_rung();
    let (sender, receiver) = channel();
    let tally = thread::spawn(move || {
        let (mut accepted, mut delivered) = (Vec::new(), HashMap::new());
        let mut adopted = Vec::new();
        for report in receiver {
            match report {
                Report::Accepted(who, number) => accepted.push((who, number)),
                Report::Delivered {
                    by,
                    who,
                    number,
                    at,
                } => {
                    *delivered.entry((who, number)).or_insert(0_u64) += 1;
                    if by != who / 2 {
                        adopted.push((who / 2, at));
                    }
                }
            }
        }
        (accepted, delivered, adopted)
    });

    let mut running: Vec<Running> = Vec::new();
    let mut deaths = HashMap::new();
    let (mut killed, mut closed) = (0, 0);
    let mut moved = vec!["app".to_owned()];
    for number in 0..rounds {
        wait_for_deliveries(&rung.path().join("app"));
        running.push(start(rung.path(), number, sender.clone()));
        let app = rung.path().join("app");
        if number % MOVED_AFTER == MOVED_AFTER - 1 && app.exists() {
            // Living processes move their logs to a new directory. The logs of a process that is killed before it
            // notices stay in the old one, for the next start.
            std::fs::rename(&app, rung.path().join(format!("moved-{number}"))).unwrap();
            moved.push(format!("moved-{number}"));
        }
        if running.len() >= PROCESSES {
            thread::sleep(Duration::from_micros(random.below(20_000)));
            let mut victim = running.swap_remove(random.below(running.len() as u64) as usize);
            if random.below(2) == 0 {
                victim.process.kill().unwrap();
                victim.process.wait().unwrap();
                killed += 1;
            } else {
                drop(victim.process.stdin.take());
                let status = victim.process.wait().unwrap();
                assert!(
                    status.success(),
                    "process {} ended with {status}",
                    victim.number
                );
                closed += 1;
            }
            deaths.insert(victim.number, Instant::now());
            victim.reports.join().unwrap();
        }
    }
    for mut victim in running {
        victim.process.kill().unwrap();
        victim.process.wait().unwrap();
        victim.reports.join().unwrap();
        killed += 1;
    }

    // The next start.
    for name in &moved {
        let queue = Queue::open(&Options {
            name: name.clone(),
            ..options(rung.path())
        });
        let directory = queue.directory().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while common::files(&directory).len() > 1 {
            assert!(
                Instant::now() < deadline,
                "left: {:?}",
                common::files(&directory)
            );
            let adopted = queue.adopt();
            assert_eq!((adopted.corrupt_segments, adopted.dropped_segments), (0, 0));
            for entry in common::drain(&queue) {
                let (who, number) = identify(&entry);
                sender
                    .send(Report::Delivered {
                        by: rounds,
                        who,
                        number,
                        at: Instant::now(),
                    })
                    .unwrap();
            }
        }
    }
    drop(sender);

    let (accepted, delivered, adopted) = tally.join().unwrap();
    let lost = accepted
        .iter()
        .filter(|entry| !delivered.contains_key(entry))
        .count();
    let duplicates: u64 = delivered.values().map(|times| times - 1).sum();
    let wait = adopted
        .iter()
        .filter_map(|(owner, at)| Some(at.saturating_duration_since(*deaths.get(owner)?)))
        .max();
    println!(
        "{killed} killed, {closed} closed, directory moved {} times; {} accepted, {} delivered ({} by others), {duplicates} twice, {lost} lost; \
         longest from death to delivery {wait:?}",
        moved.len() - 1,
        accepted.len(),
        delivered.len(),
        adopted.len(),
    );
    assert!(accepted.len() as u64 > rounds);
    assert_eq!(lost, 0);
}

/// A process that makes orphans smaller is killed at any moment, again and again: each orphan is found whole, in its
/// old file or in its new one.
#[test]
fn nothing_is_lost_when_processes_are_killed_that_make_orphans_smaller() {
    let rounds = common::number_from("QUEUE_KILL_ROUNDS", 200) / 10;
    let seed = common::number_from("QUEUE_KILL_SEED", u64::from(std::process::id()));
    let mut random = Random::seeded(seed);
    let rung = shared_memory_rung();
    let app = rung.path().join("app");
    let (mut expected, mut delivered) = (0_u64, HashMap::new());
    let (mut rewritten, mut half_done) = (0, 0);
    for round in 0..rounds {
        // More than are adopted at once: the rest are rewritten.
        for number in 0..48 {
            leave_orphan(rung.path(), round * 48 + number);
            expected += 2;
        }
        // SAFETY: the child opens a queue of its own and is killed; allocation after a fork is allowed by the C library.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let queue = common::adopter(&rung);
            loop {
                queue.adopt();
            }
        }
        thread::sleep(Duration::from_micros(random.below(6_000)));
        // SAFETY: our own child, and nothing is to be stored.
        unsafe {
            libc::kill(child, libc::SIGKILL);
            libc::waitpid(child, std::ptr::null_mut(), 0);
        }
        let compact = format!("-{}.seg", u64::MAX);
        let names = common::names(&app);
        rewritten += names.iter().filter(|name| name.ends_with(&compact)).count();
        half_done += names.iter().filter(|name| name.contains(".tmp")).count();
        let heir = common::adopter(&rung);
        while common::files(&app).len() > 1 {
            let adopted = heir.adopt();
            assert_eq!((adopted.corrupt_segments, adopted.dropped_segments), (0, 0));
            for entry in common::drain(&heir) {
                *delivered.entry(identify(&entry)).or_insert(0_u64) += 1;
            }
        }
        heir.close();
    }
    let twice: u64 = delivered.values().map(|times| times - 1).sum();
    println!(
        "{rounds} killed; {rewritten} orphans made smaller, {half_done} temporary files left; {expected} entries, {} \
         delivered, {twice} twice",
        delivered.len()
    );
    assert_eq!((delivered.len() as u64, twice), (expected, 0));
    assert!(rewritten > 0);
}

/// Leaves what a killed process leaves: a segment in full size with two entries, under the name of no living process.
fn leave_orphan(rung: &Path, who: u64) {
    let queue = Queue::open(&Options {
        name: "maker".to_owned(),
        ..options(rung)
    });
    for number in 0..2 {
        queue.push(&entry(who, number)).unwrap();
    }
    let maker = queue.directory().unwrap();
    let app = rung.join("app");
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&app)
        .unwrap();
    for (name, _) in common::files(&maker) {
        let dead = format!("00000000deadbeef-{}.seg", who + 1);
        std::fs::copy(maker.join(name), app.join(dead)).unwrap();
    }
    common::drain(&queue);
}
