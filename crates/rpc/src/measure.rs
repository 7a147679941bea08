//! Counts and times of requests by method.

use cairn_telemetry::{
    Registry,
    metrics::{Counter, Histogram, LATENCY_BUCKETS_SECONDS},
};
use jsonrpsee::{
    MethodResponse,
    core::middleware::{Batch, BatchEntry, Notification, RpcServiceT},
    types::Request,
};
use std::{collections::BTreeMap, sync::Arc, time::Instant};

/// Label of requests for methods that do not exist.
const UNKNOWN: &str = "unknown";

/// Metrics of all methods. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    methods: BTreeMap<&'static str, Method>,
    unknown: Method,
    submitted: Counter,
}

#[derive(Clone, Debug)]
struct Method {
    requests: Counter,
    errors: Counter,
    seconds: Histogram,
}

impl Method {
    fn new(registry: &Registry, name: &str) -> Self {
        let labels = [("method", name)];
        let help = "Time to answer a request, outside of batches.";
        Self {
            requests: registry.counter("cairn_rpc_requests_total", "Requests.", &labels),
            errors: registry.counter("cairn_rpc_errors_total", "Requests that failed.", &labels),
            seconds: registry.histogram(
                "cairn_rpc_request_seconds",
                help,
                &labels,
                LATENCY_BUCKETS_SECONDS,
            ),
        }
    }
}

impl Metrics {
    pub(crate) fn new(registry: &Registry, names: impl Iterator<Item = &'static str>) -> Self {
        let methods = names.map(|name| (name, Method::new(registry, name))).collect();
        let submitted = registry.counter(
            "cairn_rpc_batched_transactions_total",
            "Transactions that came in batches of nothing else.",
            &[],
        );
        Self(Arc::new(Inner { methods, unknown: Method::new(registry, UNKNOWN), submitted }))
    }

    /// Counts a batch of transactions.
    pub(crate) fn submitted(&self, transactions: usize) {
        self.0.submitted.add(transactions as u64);
    }

    fn method(&self, name: &str) -> &Method {
        self.0.methods.get(name).unwrap_or(&self.0.unknown)
    }
}

/// A service whose requests are counted.
#[derive(Clone, Debug)]
pub(crate) struct Measured<S> {
    service: S,
    metrics: Metrics,
}

/// Counts the requests of a service.
#[derive(Clone, Debug)]
pub(crate) struct Measure(pub(crate) Metrics);

impl<S> tower::Layer<S> for Measure {
    type Service = Measured<S>;

    fn layer(&self, service: S) -> Measured<S> {
        Measured { service, metrics: self.0.clone() }
    }
}

impl<S> RpcServiceT for Measured<S>
where
    S: RpcServiceT<MethodResponse = MethodResponse> + Clone + Send + Sync + 'static,
{
    type MethodResponse = S::MethodResponse;
    type NotificationResponse = S::NotificationResponse;
    type BatchResponse = S::BatchResponse;

    fn call<'a>(
        &self,
        request: Request<'a>,
    ) -> impl Future<Output = Self::MethodResponse> + Send + 'a {
        let method = self.metrics.method(&request.method).clone();
        let service = self.service.clone();
        async move {
            let start = Instant::now();
            let response = service.call(request).await;
            method.requests.increment();
            method.seconds.observe_duration(start.elapsed());
            if response.is_error() {
                method.errors.increment();
            }
            response
        }
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = Self::BatchResponse> + Send + 'a {
        for entry in batch.iter().flatten() {
            if let BatchEntry::Call(request) = entry {
                self.metrics.method(&request.method).requests.increment();
            }
        }
        self.service.batch(batch)
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = Self::NotificationResponse> + Send + 'a {
        self.service.notification(notification)
    }
}
