//! Counters, gauges and histograms in the Prometheus text format.
//!
//! A metric is a few atomics behind an `Arc`: recording never blocks and never allocates. The
//! [`Registry`] knows all of them and prints them; text of other libraries is appended through
//! [`Registry::append`].
//!
//! Invariants, asserted at registration because breaking one is a bug of ours:
//! - a name is lower-case snake case, starts with `cairn_`, and ends in its unit ([`UNITS`]);
//! - counters add `_total` after the unit, nothing else does;
//! - one name has one kind, and registering it again with the same labels gives the same metric.
//!
//! Limit: a family holds at most [`MAX_SERIES`] label sets; later ones are counted together under
//! the label value `other`, so that label values from outside cannot grow memory.
//!
//! ```
//! let registry = cairn_telemetry::Registry::default();
//! let requests = registry.counter("cairn_rpc_requests_total", "Requests answered.", &[("method", "eth_call")]);
//! requests.add(2);
//! assert!(registry.encode().contains("cairn_rpc_requests_total{method=\"eth_call\"} 2"));
//! ```

use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// Units that a metric's name may end in.
pub const UNITS: &[&str] = &[
    "accounts",
    "blocks",
    "bytes",
    "connections",
    "errors",
    "gas",
    "height",
    "info",
    "keys",
    "messages",
    "peers",
    "ratio",
    "requests",
    "seconds",
    "signatures",
    "subscriptions",
    "transactions",
    "wei",
];

/// Most label sets of one name.
pub const MAX_SERIES: usize = 256;

/// Bucket bounds in seconds that suit requests and block production, 1 ms to 10 s.
pub const LATENCY_BUCKETS_SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// A count that only grows.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Counts one more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Counts `amount` more.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Relaxed);
    }

    /// The count.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A value that goes up and down.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicI64>);

impl Gauge {
    /// Sets the value; one beyond `i64::MAX` counts as `i64::MAX`.
    pub fn set(&self, value: u64) {
        self.0.store(i64::try_from(value).unwrap_or(i64::MAX), Relaxed);
    }

    /// Adds `amount`, which may be negative.
    pub fn add(&self, amount: i64) {
        self.0.fetch_add(amount, Relaxed);
    }

    /// The value.
    #[must_use]
    pub fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// A distribution in buckets.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<Buckets>);

#[derive(Debug)]
struct Buckets {
    bounds: &'static [f64],
    /// One count a bound and one for what exceeds them all.
    counts: Vec<AtomicU64>,
    /// Sum of the observations, as the bits of an `f64`.
    sum: AtomicU64,
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Buckets { bounds, counts, sum: AtomicU64::new(0_f64.to_bits()) }))
    }

    /// Records a value in the unit of the metric's name.
    pub fn observe(&self, value: f64) {
        let bucket = self.0.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.0.counts.get(bucket) {
            count.fetch_add(1, Relaxed);
        }
        let add = |bits| Some((f64::from_bits(bits) + value).to_bits());
        // The closure never declines, so the update cannot fail.
        let _ = self.0.sum.fetch_update(Relaxed, Relaxed, add);
    }

    /// Records a duration, in seconds.
    pub fn observe_duration(&self, duration: Duration) {
        self.observe(duration.as_secs_f64());
    }

    /// How many values were recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.counts.iter().map(|count| count.load(Relaxed)).sum()
    }

    /// Sum of the values recorded.
    #[must_use]
    pub fn sum(&self) -> f64 {
        f64::from_bits(self.0.sum.load(Relaxed))
    }
}

#[derive(Clone, Debug)]
enum Metric {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
}

impl Metric {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Counter(_) => "counter",
            Self::Gauge(_) => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

#[derive(Debug)]
struct Family {
    help: &'static str,
    kind: &'static str,
    /// Metrics by their encoded labels (`method="eth_call"`).
    series: BTreeMap<String, Metric>,
}

type Appended = Box<dyn Fn() -> String + Send + Sync>;

#[derive(Default)]
struct Inner {
    families: Mutex<BTreeMap<&'static str, Family>>,
    appended: Mutex<Vec<Appended>>,
}

/// All metrics of a process. Clones share them.
#[derive(Clone, Default)]
pub struct Registry(Arc<Inner>);

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.families.lock().keys().copied().collect();
        f.debug_tuple("Registry").field(&names).finish()
    }
}

impl Registry {
    /// The counter with this name and these labels.
    ///
    /// # Panics
    /// When the name breaks the rules of this module or names a metric of another kind.
    #[must_use]
    pub fn counter(&self, name: &'static str, help: &'static str, labels: Labels<'_>) -> Counter {
        let unit = name.strip_suffix("_total").unwrap_or_default();
        assert!(well_named(unit), "counter `{name}` must be cairn_…_<unit>_total");
        match self.register(name, help, labels, || Metric::Counter(Counter::default())) {
            Metric::Counter(counter) => counter,
            other => panic!("`{name}` is already a {}", other.kind()),
        }
    }

    /// The gauge with this name and these labels.
    ///
    /// # Panics
    /// When the name breaks the rules of this module or names a metric of another kind.
    #[must_use]
    pub fn gauge(&self, name: &'static str, help: &'static str, labels: Labels<'_>) -> Gauge {
        assert!(well_named(name), "gauge `{name}` must be cairn_…_<unit>");
        match self.register(name, help, labels, || Metric::Gauge(Gauge::default())) {
            Metric::Gauge(gauge) => gauge,
            other => panic!("`{name}` is already a {}", other.kind()),
        }
    }

    /// The histogram with this name and these labels. `bounds` are the upper bounds of its
    /// buckets, increasing, in the unit of the name.
    ///
    /// # Panics
    /// When the name breaks the rules of this module or names a metric of another kind.
    #[must_use]
    pub fn histogram(
        &self,
        name: &'static str,
        help: &'static str,
        labels: Labels<'_>,
        bounds: &'static [f64],
    ) -> Histogram {
        assert!(well_named(name), "histogram `{name}` must be cairn_…_<unit>");
        assert!(bounds.is_sorted_by(|a, b| a < b), "bounds of `{name}` must increase");
        match self.register(name, help, labels, || Metric::Histogram(Histogram::new(bounds))) {
            Metric::Histogram(histogram) => histogram,
            other => panic!("`{name}` is already a {}", other.kind()),
        }
    }

    /// Appends the text that `source` gives, at every [`Self::encode`]. It must be in the same
    /// format, with names of its own.
    pub fn append(&self, source: impl Fn() -> String + Send + Sync + 'static) {
        self.0.appended.lock().push(Box::new(source));
    }

    /// Everything in the Prometheus text format, version 0.0.4, sorted by name.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        for (name, family) in self.0.families.lock().iter() {
            encode_family(&mut text, name, family).expect("writing to a string cannot fail");
        }
        for source in self.0.appended.lock().iter() {
            text.push_str(&source());
        }
        text
    }

    fn register(
        &self,
        name: &'static str,
        help: &'static str,
        labels: Labels<'_>,
        make: impl Fn() -> Metric,
    ) -> Metric {
        let mut families = self.0.families.lock();
        let family = families.entry(name).or_insert_with(|| Family {
            help,
            kind: make().kind(),
            series: BTreeMap::new(),
        });
        let mut key = encode_labels(labels);
        if !family.series.contains_key(&key) && family.series.len() >= MAX_SERIES {
            let others: Vec<_> = labels.iter().map(|(name, _)| (*name, "other")).collect();
            key = encode_labels(&others);
        }
        family.series.entry(key).or_insert_with(make).clone()
    }
}

/// Label names and values of one series.
pub type Labels<'a> = &'a [(&'static str, &'a str)];

fn well_named(name: &str) -> bool {
    let snake = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let unit = name.rsplit('_').next().unwrap_or_default();
    name.starts_with("cairn_") && name.chars().all(snake) && UNITS.contains(&unit)
}

fn encode_labels(labels: Labels<'_>) -> String {
    let escape =
        |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let pairs: Vec<_> = labels.iter().map(|(k, v)| format!("{k}=\"{}\"", escape(v))).collect();
    pairs.join(",")
}

fn encode_family(text: &mut String, name: &str, family: &Family) -> fmt::Result {
    writeln!(text, "# HELP {name} {}\n# TYPE {name} {}", family.help, family.kind)?;
    for (labels, metric) in &family.series {
        let braced = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        match metric {
            Metric::Counter(counter) => writeln!(text, "{name}{braced} {}", counter.get())?,
            Metric::Gauge(gauge) => writeln!(text, "{name}{braced} {}", gauge.get())?,
            Metric::Histogram(histogram) => {
                encode_histogram(text, name, labels, histogram)?;
                writeln!(text, "{name}_sum{braced} {}", histogram.sum())?;
                writeln!(text, "{name}_count{braced} {}", histogram.count())?;
            }
        }
    }
    Ok(())
}

fn encode_histogram(text: &mut String, name: &str, labels: &str, h: &Histogram) -> fmt::Result {
    let comma = if labels.is_empty() { "" } else { "," };
    let mut cumulative = 0;
    for (i, count) in h.0.counts.iter().enumerate() {
        cumulative += count.load(Relaxed);
        let bound = h.0.bounds.get(i).map_or_else(|| "+Inf".to_owned(), f64::to_string);
        writeln!(text, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {cumulative}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_format_is_exact() {
        let registry = Registry::default();
        registry.counter("cairn_rpc_requests_total", "Requests.", &[("method", "a\"b")]).add(3);
        registry.gauge("cairn_chain_head_height", "Last final block.", &[]).set(7);
        let bounds: &[f64] = &[0.1, 1.0];
        let seconds =
            registry.histogram("cairn_block_seconds", "Time.", &[("step", "execute")], bounds);
        for value in [0.05, 0.1, 0.5, 2.0] {
            seconds.observe(value);
        }
        registry.append(|| "# from elsewhere\n".to_owned());
        let expected = "\
# HELP cairn_block_seconds Time.
# TYPE cairn_block_seconds histogram
cairn_block_seconds_bucket{step=\"execute\",le=\"0.1\"} 2
cairn_block_seconds_bucket{step=\"execute\",le=\"1\"} 3
cairn_block_seconds_bucket{step=\"execute\",le=\"+Inf\"} 4
cairn_block_seconds_sum{step=\"execute\"} 2.65
cairn_block_seconds_count{step=\"execute\"} 4
# HELP cairn_chain_head_height Last final block.
# TYPE cairn_chain_head_height gauge
cairn_chain_head_height 7
# HELP cairn_rpc_requests_total Requests.
# TYPE cairn_rpc_requests_total counter
cairn_rpc_requests_total{method=\"a\\\"b\"} 3
# from elsewhere
";
        assert_eq!(registry.encode(), expected);
    }

    #[test]
    fn registering_again_gives_the_same_metric() {
        let registry = Registry::default();
        let one = registry.counter("cairn_pool_transactions_total", "Seen.", &[]);
        registry.counter("cairn_pool_transactions_total", "Seen.", &[]).increment();
        assert_eq!(one.get(), 1);
    }

    #[test]
    fn label_sets_beyond_the_limit_are_counted_together() {
        let registry = Registry::default();
        let name = "cairn_rpc_errors_total";
        for i in 0..MAX_SERIES + 5 {
            registry.counter(name, "Errors.", &[("code", &i.to_string())]).increment();
        }
        assert_eq!(registry.counter(name, "Errors.", &[("code", "other")]).get(), 5);
        let series = registry.encode().lines().filter(|line| line.starts_with(name)).count();
        assert_eq!(series, MAX_SERIES + 1);
    }

    #[test]
    fn names_carry_their_unit() {
        for good in ["cairn_block_seconds", "cairn_pool_bytes", "cairn_chain_head_height"] {
            assert!(well_named(good), "{good}");
        }
        for bad in ["block_seconds", "cairn_block_time", "cairn_Block_seconds", "cairn_x_ms"] {
            assert!(!well_named(bad), "{bad}");
        }
    }

    #[test]
    #[should_panic(expected = "must be cairn_…_<unit>_total")]
    fn a_counter_without_total_is_refused() {
        let _ = Registry::default().counter("cairn_rpc_requests", "Requests.", &[]);
    }
}
