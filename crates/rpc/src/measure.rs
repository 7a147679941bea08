//! Counts and times of requests by method, and how the requests of a batch share a connection.
//!
//! A batch runs [`AT_ONCE`] of its requests at a time; answers are in the order of the requests.

use cairn_telemetry::{
    Registry,
    metrics::{Counter, Histogram, LATENCY_BUCKETS_SECONDS},
};
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use jsonrpsee::{
    MethodResponse,
    core::middleware::{Batch, BatchEntry, BatchEntryErr, Notification, RpcServiceT},
    core::server::BatchResponseBuilder,
    types::Request,
};
use std::{collections::BTreeMap, sync::Arc, time::Instant};

/// Requests of one batch that run at a time.
const AT_ONCE: usize = 16;
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
        let help = "Time to answer a request.";
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
    response_bytes: usize,
}

/// Counts the requests of a service.
#[derive(Clone, Debug)]
pub(crate) struct Measure {
    /// Where they are counted.
    pub(crate) metrics: Metrics,
    /// Most bytes that the answers of a batch have together.
    pub(crate) response_bytes: usize,
}

impl<S> tower::Layer<S> for Measure {
    type Service = Measured<S>;

    fn layer(&self, service: S) -> Measured<S> {
        let (metrics, response_bytes) = (self.metrics.clone(), self.response_bytes);
        Measured { service, metrics, response_bytes }
    }
}

impl<S> RpcServiceT for Measured<S>
where
    S: RpcServiceT<MethodResponse = MethodResponse> + Clone + Send + Sync + 'static,
{
    type MethodResponse = S::MethodResponse;
    type NotificationResponse = S::NotificationResponse;
    type BatchResponse = MethodResponse;

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
        let service = self.clone();
        async move {
            let notified =
                batch.iter().any(|entry| matches!(entry, Ok(BatchEntry::Notification(_))));
            let mut answer = BatchResponseBuilder::new_with_limit(service.response_bytes);
            let answers: Vec<_> =
                batch.into_iter().filter_map(|entry| service.entry(entry)).collect();
            let mut answers = stream::iter(answers).buffered(AT_ONCE);
            while let Some(next) = answers.next().await {
                if let Err(too_large) = answer.append(next) {
                    return too_large;
                }
            }
            if answer.is_empty() && notified {
                return MethodResponse::notification();
            }
            MethodResponse::from_batch(answer.finish())
        }
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = Self::NotificationResponse> + Send + 'a {
        self.service.notification(notification)
    }
}

impl<S> Measured<S>
where
    S: RpcServiceT<MethodResponse = MethodResponse> + Clone + Send + Sync + 'static,
{
    /// The answer to one entry of a batch; none to a notification.
    fn entry<'a>(
        &self,
        entry: Result<BatchEntry<'a>, BatchEntryErr<'a>>,
    ) -> Option<BoxFuture<'a, MethodResponse>> {
        match entry {
            Ok(BatchEntry::Call(request)) => Some(self.call(request).boxed()),
            Ok(BatchEntry::Notification(_)) => None,
            Err(malformed) => {
                let (error, id) = malformed.into_parts();
                Some(std::future::ready(MethodResponse::error(id, error)).boxed())
            }
        }
    }
}
