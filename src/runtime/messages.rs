//! The supervisor's own messages: `log` records, written out by env_logger into a queue that the event
//! loop empties. Nothing waits for a reader of stderr, and no record is ever written by the code that
//! makes it.

use std::io::{self, Write};
use std::sync::{Mutex, OnceLock};

use env_logger::Target;
use log::{LevelFilter, Log, Metadata, Record};

/// More than this is not queued: it is dropped and counted.
const MOST: usize = 64 * 1024;

struct Queue {
    text: Vec<u8>,
    dropped: u64,
}

static QUEUE: Mutex<Queue> = Mutex::new(Queue { text: Vec::new(), dropped: 0 });

struct Queued;

impl Write for Queued {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Ok(mut queue) = QUEUE.lock() {
            if queue.text.len() + bytes.len() <= MOST {
                queue.text.extend_from_slice(bytes);
            } else {
                queue.dropped += 1;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// env_logger, made when there is something to say: mostly there is not, and a container that starts
/// in a millisecond should not spend a part of it on that.
struct Lazy(OnceLock<env_logger::Logger>);

static LOGGER: Lazy = Lazy(OnceLock::new());

impl Log for Lazy {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.get_or_init(|| logger(log::max_level())).enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        self.0.get_or_init(|| logger(log::max_level())).log(record);
    }

    fn flush(&self) {}
}

/// From now on records of this level and above become messages; PODINIT_LOG says otherwise, in
/// env_logger's syntax.
pub(crate) fn init(level: LevelFilter) {
    log::set_max_level(level);
    if std::env::var_os(FILTER).is_some() {
        let logger = logger(level);
        log::set_max_level(logger.filter());
        let _ = LOGGER.0.set(logger);
    }
    // Only fails if there is a logger already, which then stays.
    let _ = log::set_logger(&LOGGER);
}

const FILTER: &str = "PODINIT_LOG";

fn logger(level: LevelFilter) -> env_logger::Logger {
    let mut builder = env_logger::Builder::new();
    builder.filter_level(level).parse_env(FILTER);
    builder.target(Target::Pipe(Box::new(Queued)));
    builder.format(|out, record| writeln!(out, "podinit: {}", record.args()));
    builder.build()
}

/// Everything that is queued.
pub(crate) fn take() -> Option<Vec<u8>> {
    let mut queue = QUEUE.lock().ok()?;
    if queue.dropped > 0 {
        let dropped = std::mem::take(&mut queue.dropped);
        let note = format!("podinit: {dropped} messages were dropped\n");
        queue.text.extend_from_slice(note.as_bytes());
    }
    (!queue.text.is_empty()).then(|| std::mem::take(&mut queue.text))
}
