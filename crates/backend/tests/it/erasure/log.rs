//! What this process logs, at the most talkative level: of all parts of the backend and of what they are built on. A test has
//! a process of its own.

use std::{
    fmt::{Debug, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

pub(super) struct Log(Arc<Mutex<String>>);

impl Log {
    /// From now on.
    pub(super) fn start() -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let writes = Writes { text: Arc::clone(&text), spans: AtomicU64::new(0) };
        tracing::subscriber::set_global_default(writes).expect("the only test of its process");
        Self(text)
    }

    /// The lines so far.
    pub(super) fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

struct Writes {
    text: Arc<Mutex<String>>,
    spans: AtomicU64,
}

impl Writes {
    fn line(&self, of: &Metadata<'_>, record: impl FnOnce(&mut Fields)) {
        let mut fields = Fields(format!("{} {} {}", of.level(), of.target(), of.name()));
        record(&mut fields);
        let mut text = self.text.lock().unwrap();
        text.push_str(&fields.0);
        text.push('\n');
    }
}

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").expect("a text takes more");
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.0, " {field}={value}").expect("a text takes more");
    }
}

impl Subscriber for Writes {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.line(span.metadata(), |fields| span.record(fields));
        // From 1: there is no span 0.
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut fields = Fields("of a span:".to_owned());
        values.record(&mut fields);
        let mut text = self.text.lock().unwrap();
        text.push_str(&fields.0);
        text.push('\n');
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.line(event.metadata(), |fields| event.record(fields));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
