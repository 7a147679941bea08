//! The port: HTTP, WebSocket, health and metrics.

use crate::{
    api::Api,
    batch::Batch,
    body,
    limits::Limits,
    measure::{Measure, Metrics},
    module,
};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
    serve::ListenerExt as _,
};
use cairn_chain::Chain;
use cairn_telemetry::Registry;
use jsonrpsee::{
    Methods,
    core::{middleware::RpcServiceBuilder, traits::IdProvider},
    server::{
        BatchRequestConfig, PingConfig, ServerBuilder, ServerConfig, ServerHandle, StopHandle,
        TowerServiceBuilder, stop_channel,
    },
    types::SubscriptionId,
};
use serde_json::json;
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tower::{
    Service as _,
    layer::util::{Identity, Stack},
};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

/// Time that open requests get when the server stops.
const GRACE: Duration = Duration::from_secs(5);
/// A node whose last block is older than this is not healthy.
const STALLED: Duration = Duration::from_secs(60);
/// Between two pings on a WebSocket connection.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// What a browser sees where there are no pages.
const ABOUT: &str = "Cairn node: JSON-RPC over HTTP POST and WebSocket here; /health, /metrics\n";

/// Where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Address and port; port 0 is any free one.
    pub listen: SocketAddr,
}

/// What a server may do otherwise than by default.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Bounds of what clients can ask for.
    pub limits: Limits,
    /// Web pages of these origins may call; those of any origin without.
    pub origins: Option<Vec<HeaderValue>>,
    /// Serves every path but `/health`, `/metrics` and JSON-RPC at `/`, such as a dashboard; a `GET`
    /// of `/` too. Without it, JSON-RPC is served at every path.
    pub pages: Option<Router>,
}

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be used.
    #[error("cannot listen for JSON-RPC on {listen}: {source}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the operating system says.
        source: std::io::Error,
    },
}

/// A running server. Dropping it does not stop it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stopping: watch::Sender<bool>,
    connections: ServerHandle,
    task: JoinHandle<()>,
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops it: no new requests, open ones get 5 seconds, subscriptions end.
    pub async fn stop(self) {
        self.stopping.send_replace(true);
        // It may have stopped by itself.
        let _ = self.connections.stop();
        let mut task = self.task;
        if tokio::time::timeout(GRACE, &mut task).await.is_err() {
            task.abort();
        }
    }
}

/// Starts a server with default options.
///
/// # Errors
/// See [`ServeError`].
pub async fn serve(chain: Chain, config: Config, metrics: Registry) -> Result<Server, ServeError> {
    serve_with(chain, config, Options::default(), metrics).await
}

/// Starts a server.
///
/// # Errors
/// See [`ServeError`].
pub async fn serve_with(
    chain: Chain,
    config: Config,
    options: Options,
    registry: Registry,
) -> Result<Server, ServeError> {
    let failed = |source| ServeError::Listen { listen: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let listener = listener.tap_io(|socket| {
        // Only a matter of latency: notifications must not wait for acknowledgements.
        let _ = socket.set_nodelay(true);
    });
    let Options { limits, origins, pages } = options;
    let (stop_handle, connections) = stop_channel();
    let api = Api::new(chain, limits);
    let methods: Methods = module(api.clone()).into();
    let metrics = Metrics::new(&registry, methods.method_names());
    let dispatcher = dispatcher(api.limits(), metrics.clone());
    let shared = Shared { api, methods, dispatcher, metrics, registry, pages, stop_handle };
    let stopping = watch::Sender::new(false);
    let mut stopped = stopping.subscribe();
    let served =
        axum::serve(listener, router(shared, origins)).with_graceful_shutdown(async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        });
    let task = tokio::spawn(async move {
        if let Err(error) = served.await {
            tracing::error!(%error, "the JSON-RPC server failed");
        }
    });
    Ok(Server { address, stopping, connections, task })
}

/// What requests share.
struct Shared {
    api: Api,
    methods: Methods,
    dispatcher: Dispatcher,
    metrics: Metrics,
    registry: Registry,
    pages: Option<Router>,
    stop_handle: StopHandle,
}

fn router(shared: Shared, origins: Option<Vec<HeaderValue>>) -> Router {
    let cors = CorsLayer::new()
        .allow_origin(origins.map_or_else(AllowOrigin::any, AllowOrigin::list))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(Any)
        .max_age(Duration::from_secs(86_400));
    Router::new()
        .route("/health", get(health))
        .route("/metrics", get(encode_metrics))
        .fallback(dispatch)
        .layer(cors)
        .with_state(Arc::new(shared))
}

/// 200 while blocks come, 503 when none came for a minute.
async fn health(State(shared): State<Arc<Shared>>) -> Response {
    let chain = shared.api.chain();
    let head = chain.head();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let age = now.saturating_sub(Duration::from_millis(head.block.extra.timestamp_ms));
    let healthy = age < STALLED;
    let status = if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({
        "status": if healthy { "ok" } else { "stalled" },
        "height": head.number(),
        "hash": head.hash,
        "ageSeconds": age.as_secs(),
        "peers": chain.backend().peers(),
    });
    (status, axum::Json(body)).into_response()
}

async fn encode_metrics(State(shared): State<Arc<Shared>>) -> Response {
    let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, format)], shared.registry.encode()).into_response()
}

/// JSON-RPC by its method and path, everything else to the pages.
async fn dispatch(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let is_get = matches!(*request.method(), Method::GET | Method::HEAD);
    let upgrades = request.headers().contains_key(header::UPGRADE);
    if let Some(pages) = &shared.pages
        && (request.uri().path() != "/" || (is_get && !upgrades))
    {
        let Ok(response) = pages.clone().call(request).await;
        return response;
    }
    match *request.method() {
        _ if upgrades => shared.dispatch(request).await,
        Method::POST => shared.post(request).await,
        _ if is_get => ABOUT.into_response(),
        _ => (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, POST, OPTIONS")])
            .into_response(),
    }
}

impl Shared {
    async fn post(&self, request: Request) -> Response {
        let limits = self.api.limits();
        let (mut parts, stream) = request.into_parts();
        let limit = usize::try_from(limits.body_bytes).unwrap_or(usize::MAX);
        let Ok(bytes) = to_bytes(stream, limit).await else {
            let text = format!("request too large: a body has at most {limit} bytes");
            return (
                StatusCode::PAYLOAD_TOO_LARGE,
                answer(body::failure("null", body::TOO_LARGE, &text)),
            )
                .into_response();
        };
        if let Some(batch) = Batch::parse(&bytes, limits.batch) {
            self.metrics.submitted(batch.len());
            return answer(batch.submit(&self.api).await);
        }
        if let Err(malformed) = body::check(&bytes) {
            return answer(malformed);
        }
        let json = HeaderValue::from_static("application/json");
        parts.headers.insert(header::CONTENT_TYPE, json);
        self.dispatch(Request::from_parts(parts, Body::from(bytes))).await
    }

    /// Hands a request to the general dispatcher, also one that upgrades to WebSocket.
    async fn dispatch(&self, request: Request) -> Response {
        let mut service =
            self.dispatcher.clone().build(self.methods.clone(), self.stop_handle.clone());
        match service.call(request).await {
            Ok(response) => response.map(Body::new),
            Err(error) => {
                tracing::error!(%error, "a request failed in an unforeseen way");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

/// The general dispatcher, of which every request gets its own.
type Dispatcher = TowerServiceBuilder<Stack<Measure, Identity>, Identity>;

fn dispatcher(limits: &Limits, metrics: Metrics) -> Dispatcher {
    let config = ServerConfig::builder()
        .max_request_body_size(limits.body_bytes)
        .max_response_body_size(limits.response_bytes)
        .max_connections(limits.connections)
        .max_subscriptions_per_connection(limits.subscriptions)
        .set_batch_request_config(BatchRequestConfig::Limit(limits.batch))
        .enable_ws_ping(PingConfig::new().ping_interval(PING_INTERVAL))
        .set_id_provider(HexIds)
        .build();
    let response_bytes = usize::try_from(limits.response_bytes).unwrap_or(usize::MAX);
    let measure = Measure { metrics, response_bytes };
    let measured = RpcServiceBuilder::new().layer(measure);
    ServerBuilder::with_config(config).set_rpc_middleware(measured).to_service_builder()
}

/// Ids of subscriptions as Ethereum clients expect them: `0x` and 32 hex digits.
#[derive(Clone, Copy, Debug)]
struct HexIds;

impl IdProvider for HexIds {
    fn next_id(&self) -> SubscriptionId<'static> {
        SubscriptionId::Str(format!("{:#034x}", rand::random::<u128>()).into())
    }
}

/// An HTTP response with this JSON.
fn answer(json: String) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], json).into_response()
}

#[cfg(test)]
mod tests;
