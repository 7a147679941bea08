//! `eth_subscribe` over WebSocket: new heads, logs, pending transactions.
//!
//! A subscriber sees every block in order: one that falls behind the node's announcements gets what it
//! missed from the history. Announcements of pending transactions it may miss.

use crate::{
    api::{Api, Module},
    convert,
    error::RpcError,
    eth::logs,
    params::Args,
};
use alloy_rpc_types_eth::Filter;
use cairn_chain::Sealed;
use jsonrpsee::{
    PendingSubscriptionSink, SubscriptionSink, core::SubscriptionResult, types::ErrorObjectOwned,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::broadcast::{Receiver, error::RecvError};

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    NewHeads,
    Logs,
    NewPendingTransactions,
    Syncing,
}

/// A subscription with its options.
#[derive(Debug)]
enum Wanted {
    Heads,
    Logs(Box<Filter>),
    Pending { full: bool },
    Syncing,
}

pub(crate) fn register(module: &mut Module) {
    module
        .register_subscription(
            "eth_subscribe",
            "eth_subscription",
            "eth_unsubscribe",
            |params, pending, api, _| async move {
                let wanted = Args::parse(&params).and_then(parse);
                serve(wanted, pending, Api::clone(&api)).await
            },
        )
        .expect("every method has a name of its own");
}

fn parse(mut args: Args) -> Result<Wanted, RpcError> {
    Ok(match args.next::<Kind>("subscription")? {
        Kind::NewHeads => Wanted::Heads,
        Kind::Logs => Wanted::Logs(args.or_default("filter")?),
        Kind::NewPendingTransactions => Wanted::Pending { full: args.or_default("full")? },
        Kind::Syncing => Wanted::Syncing,
    })
}

async fn serve(
    wanted: Result<Wanted, RpcError>,
    pending: PendingSubscriptionSink,
    api: Api,
) -> SubscriptionResult {
    let wanted = match wanted {
        Ok(wanted) => wanted,
        Err(error) => {
            pending.reject(ErrorObjectOwned::from(error)).await;
            return Ok(());
        }
    };
    // Subscribed before the client learns of it, so that it misses nothing.
    let heads = Heads::new(&api);
    let transactions = api.chain().pool().subscribe();
    let sink = pending.accept().await?;
    match wanted {
        Wanted::Heads => send_heads(&sink, heads).await,
        Wanted::Logs(filter) => send_logs(&sink, heads, &filter).await,
        Wanted::Pending { full } => send_pending(&sink, &api, transactions, full).await,
        Wanted::Syncing => {
            send(&sink, &false).await;
            sink.closed().await;
        }
    }
    Ok(())
}

/// Sends one notification; returns whether the subscription goes on.
async fn send(sink: &SubscriptionSink, value: &impl Serialize) -> bool {
    let Ok(json) = serde_json::value::to_raw_value(value) else { return false };
    sink.send(json).await.is_ok()
}

/// New heads in order, none left out.
struct Heads {
    api: Api,
    receiver: Receiver<Arc<Sealed>>,
    next: u64,
}

impl Heads {
    fn new(api: &Api) -> Self {
        let receiver = api.chain().subscribe();
        let next = api.chain().head().number() + 1;
        Self { api: api.clone(), receiver, next }
    }

    /// The blocks since the last call, at least one; `None` when the node or the client stops.
    async fn next(&mut self, sink: &SubscriptionSink) -> Option<Vec<Arc<Sealed>>> {
        loop {
            let received = tokio::select! {
                received = self.receiver.recv() => received,
                () = sink.closed() => return None,
            };
            match received {
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
                Ok(block) if block.number() < self.next => {}
                Ok(block) => return self.up_to(block).ok(),
            }
        }
    }

    fn up_to(&mut self, block: Arc<Sealed>) -> Result<Vec<Arc<Sealed>>, RpcError> {
        let mut blocks = Vec::new();
        // After state sync the history may begin later.
        for height in self.next.max(self.api.chain().earliest())..block.number() {
            blocks.extend(self.api.by_number(height)?);
        }
        self.next = block.number() + 1;
        blocks.push(block);
        Ok(blocks)
    }
}

async fn send_heads(sink: &SubscriptionSink, mut heads: Heads) {
    while let Some(blocks) = heads.next(sink).await {
        for block in blocks {
            if !send(sink, &convert::header(&block)).await {
                return;
            }
        }
    }
}

async fn send_logs(sink: &SubscriptionSink, mut heads: Heads, filter: &Filter) {
    while let Some(blocks) = heads.next(sink).await {
        for block in blocks {
            if !filter.matches_bloom(block.block.header.logs_bloom) {
                continue;
            }
            let mut found = Vec::new();
            logs::append(&block, filter, &mut found);
            for log in found {
                if !send(sink, &log).await {
                    return;
                }
            }
        }
    }
}

async fn send_pending(
    sink: &SubscriptionSink,
    api: &Api,
    mut transactions: Receiver<Arc<cairn_evm::RecoveredTx>>,
    full: bool,
) {
    loop {
        let received = tokio::select! {
            received = transactions.recv() => received,
            () = sink.closed() => return,
        };
        let sent = match received {
            Ok(tx) if full => {
                let base_fee = Some(api.chain().next_base_fee());
                send(sink, &convert::pending(&tx, base_fee)).await
            }
            Ok(tx) => send(sink, &tx.hash).await,
            Err(RecvError::Lagged(_)) => true,
            Err(RecvError::Closed) => false,
        };
        if !sent {
            return;
        }
    }
}
