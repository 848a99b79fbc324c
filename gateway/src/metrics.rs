//! What can be measured, in the Prometheus text format 0.0.4.
//!
//! Each part that has something to measure adds a source to the [`Registry`]; a scrape asks all of them. A source reads what is
//! there already and waits for nothing. No label may name a person, an account or a brand: whoever scrapes shows no key.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// The media type of a rendered page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

type Source = Box<dyn Fn(&mut Page) + Send + Sync>;

/// Everything that measures.
#[derive(Default)]
pub struct Registry {
    sources: Mutex<Vec<Source>>,
}

impl Registry {
    /// Adds a source. It is asked at each scrape, and must neither wait nor fail.
    pub fn add(&self, source: impl Fn(&mut Page) + Send + Sync + 'static) {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(source));
    }

    /// What the sources say now, as a scrape shows it.
    pub fn render(&self) -> String {
        self.page().text()
    }

    /// What the sources say now.
    pub fn page(&self) -> Page {
        let mut page = Page::default();
        for source in self.sources.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            source(&mut page);
        }
        page
    }
}

/// One scrape. Samples of one name stand together, whichever source they come from.
#[derive(Default)]
pub struct Page {
    families: BTreeMap<&'static str, Family>,
}

/// All samples of one name.
pub struct Family {
    /// What the number is.
    pub kind: Kind,
    /// What it tells, in a sentence.
    pub help: &'static str,
    /// The samples.
    pub samples: Vec<Sample>,
}

/// What a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows while the process runs.
    Counter,
    /// It goes up and down.
    Gauge,
    /// A distribution.
    Histogram,
}

/// One sample.
pub enum Sample {
    /// A number and its labels.
    Number(Vec<(String, String)>, f64),
    /// A distribution.
    Distribution {
        /// The upper bound of each bucket but the last, included.
        bounds: Vec<f64>,
        /// How many are in each bucket; the last has what is above all bounds.
        counts: Vec<u64>,
        /// The sum of all.
        sum: f64,
    },
}

/// Labels of a sample: names and values.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

impl Page {
    /// A number that only grows while the process runs. Its name ends in `_total`.
    pub fn counter(&mut self, name: &'static str, help: &'static str, labels: Labels<'_>, value: u64) {
        self.family(name, Kind::Counter, help).samples.push(Sample::Number(owned(labels), value as f64));
    }

    /// A number that goes up and down. Its name ends in its unit.
    pub fn gauge(&mut self, name: &'static str, help: &'static str, labels: Labels<'_>, value: f64) {
        self.family(name, Kind::Gauge, help).samples.push(Sample::Number(owned(labels), value));
    }

    /// A distribution.
    pub fn histogram(&mut self, name: &'static str, help: &'static str, histogram: &Histogram) {
        let bounds = histogram.bounds.iter().map(|bound| *bound as f64 / histogram.scale).collect();
        let mut counts: Vec<u64> = histogram.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        counts.push(histogram.above.load(Ordering::Relaxed));
        let sum = histogram.sum.load(Ordering::Relaxed) as f64 / histogram.scale;
        self.family(name, Kind::Histogram, help).samples.push(Sample::Distribution { bounds, counts, sum });
    }

    /// Every family with its name, in the order of names.
    pub fn families(&self) -> impl Iterator<Item = (&'static str, &Family)> {
        self.families.iter().map(|(name, family)| (*name, family))
    }

    fn family(&mut self, name: &'static str, kind: Kind, help: &'static str) -> &mut Family {
        self.families.entry(name).or_insert_with(|| Family { kind, help, samples: Vec::new() })
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (name, family) in self.families() {
            let kind = match family.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram => "histogram",
            };
            // Writing to a text does not fail.
            let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} {kind}", escaped(family.help, false));
            for shown in &family.samples {
                shown.text(name, &mut text);
            }
        }
        text
    }
}

impl Sample {
    fn text(&self, name: &str, text: &mut String) {
        match self {
            Self::Number(labels, value) => sample(text, name, "", labels, *value),
            Self::Distribution { bounds, counts, sum } => {
                // The buckets were read one after the other; counting them here keeps the sum of them and the count the same.
                let mut count = 0;
                for (bound, bucket) in bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()]).zip(counts) {
                    count += bucket;
                    sample(text, name, "_bucket", &[("le".to_owned(), bound)], count as f64);
                }
                sample(text, name, "_sum", &[], *sum);
                sample(text, name, "_count", &[], count as f64);
            }
        }
    }
}

fn owned(labels: Labels<'_>) -> Vec<(String, String)> {
    labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn sample(text: &mut String, name: &str, suffix: &str, labels: &[(String, String)], value: f64) {
    let shown: Vec<String> =
        labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value, true))).collect();
    let labels = if shown.is_empty() { String::new() } else { format!("{{{}}}", shown.join(",")) };
    // Writing to a text does not fail.
    let _ = writeln!(text, "{name}{suffix}{labels} {value}");
}

fn escaped(text: &str, quotes: bool) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    if quotes { text.replace('"', "\\\"") } else { text }
}

/// How often which amount was seen.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    scale: f64,
    buckets: Vec<AtomicU64>,
    above: AtomicU64,
    sum: AtomicU64,
}

impl Histogram {
    /// Buckets up to these bounds, rising, each included. What is observed is shown divided by `scale`: microseconds with a scale
    /// of 1,000,000 are shown in seconds.
    pub fn new(bounds: &'static [u64], scale: f64) -> Self {
        let buckets = bounds.iter().map(|_| AtomicU64::new(0)).collect();
        Self { bounds, scale, buckets, above: AtomicU64::new(0), sum: AtomicU64::new(0) }
    }

    /// Takes one amount down.
    pub fn observe(&self, amount: u64) {
        let place = self.bounds.iter().position(|bound| amount <= *bound);
        place.and_then(|place| self.buckets.get(place)).unwrap_or(&self.above).fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(amount, Ordering::Relaxed);
    }
}

/// What the gateway did since it started. The log's heartbeats repeat it, so that it can be held against the other leaves.
#[derive(Debug, Default)]
pub struct Counters {
    /// Attempts that passed every stage up to `record`.
    pub accepted: Counter,
    /// Calls that were refused and are in the log, strangers' included.
    pub denied: Counter,
    /// Requests that change something and were handed to the network: one intent leaf each.
    pub sent: Counter,
    /// Requests of these that the network refused, or that stayed without an answer.
    pub failed: Counter,
    /// Reads of low priority that were put off while the log was slow. No leaf tells of them.
    pub shed: Counter,
    /// Media that a network fetched.
    pub media_served: Counter,
    /// Requests at addresses of media that are none, or not any more.
    pub media_refused: Counter,
    /// Calendars that were read by the address of a feed.
    pub feeds_served: Counter,
    /// Requests at addresses of feeds that showed nothing.
    pub feeds_refused: Counter,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts so many more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    /// Puts the counters on a page.
    pub fn show(&self, page: &mut Page) {
        let mut calls = |result, count: &Counter| {
            let help = "Calls by what became of them; attempts that were accepted, and refusals.";
            page.counter("pressgate_calls_total", help, &[("result", result)], count.get());
        };
        calls("accepted", &self.accepted);
        calls("denied", &self.denied);
        let help = "Requests that change something and were handed to a network; one intent in the log each.";
        page.counter("pressgate_requests_sent_total", help, &[], self.sent.get());
        let help = "Requests of these that the network refused, or that stayed without an answer.";
        page.counter("pressgate_requests_failed_total", help, &[], self.failed.get());
        let help = "Reads of low priority that were put off while the log was slow.";
        page.counter("pressgate_reads_shed_total", help, &[], self.shed.get());
        let help = "Requests at public addresses of media; refused are those that are wrong or have expired.";
        for (result, count) in [("served", &self.media_served), ("refused", &self.media_refused)] {
            page.counter("pressgate_public_media_requests_total", help, &[("result", result)], count.get());
        }
        let help =
            "Requests at addresses of calendar feeds; refused are those that are wrong, ended, or come too often.";
        for (result, count) in [("served", &self.feeds_served), ("refused", &self.feeds_refused)] {
            page.counter("pressgate_calendar_feed_requests_total", help, &[("result", result)], count.get());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_reads_as_prometheus_wants_it() {
        let registry = Registry::default();
        let sizes = std::sync::Arc::new(Histogram::new(&[1_000, 5_000_000], 1_000_000.0));
        for amount in [1_000, 1_001, 9_000_000] {
            sizes.observe(amount);
        }
        registry.add(|page| page.gauge("b_bytes", "Room.", &[("disk", "a \"b\"\\\n")], 1.5));
        registry.add(move |page| page.histogram("c_seconds", "Time.", &sizes));
        registry.add(|page| page.counter("a_total", "Two\nlines.", &[], 7));
        registry.add(|page| page.gauge("b_bytes", "Room.", &[("disk", "z")], 0.0));
        let expected = "# HELP a_total Two\\nlines.\n# TYPE a_total counter\na_total 7\n\
             # HELP b_bytes Room.\n# TYPE b_bytes gauge\nb_bytes{disk=\"a \\\"b\\\"\\\\\\n\"} 1.5\nb_bytes{disk=\"z\"} 0\n\
             # HELP c_seconds Time.\n# TYPE c_seconds histogram\nc_seconds_bucket{le=\"0.001\"} 1\n\
             c_seconds_bucket{le=\"5\"} 2\nc_seconds_bucket{le=\"+Inf\"} 3\nc_seconds_sum 9.002001\nc_seconds_count 3\n";
        assert_eq!(registry.render(), expected);
    }
}
