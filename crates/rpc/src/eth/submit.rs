//! New transactions.

use crate::{
    api::{Api, Module, method},
    convert::{self, RpcReceipt},
    error::RpcError,
    eth::{chain::locate, fee::Count},
    params::Args,
};
use alloy_primitives::{B256, Bytes};
use tokio::{
    sync::broadcast::error::RecvError,
    time::{Duration, timeout},
};

pub(crate) fn register(module: &mut Module) {
    method(module, "eth_sendRawTransaction", |api, mut args| async move {
        Ok(api.chain().submit(args.next::<Bytes>("transaction")?).await?)
    });
    method(module, "eth_sendRawTransactionSync", send_sync);
}

/// EIP-7966: sends a transaction and answers with its receipt, which is final.
async fn send_sync(api: Api, mut args: Args) -> Result<RpcReceipt, RpcError> {
    let raw: Bytes = args.next("transaction")?;
    let asked = args.optional::<Count>("timeout")?.map(|ms| Duration::from_millis(ms.get()));
    let limits = api.limits();
    let wait = asked.unwrap_or(limits.sync_wait_default).min(limits.sync_wait);
    let mut heads = api.chain().subscribe();
    let hash = api.chain().submit(raw).await?;
    let included = async {
        loop {
            match heads.recv().await {
                Ok(block) => {
                    if let Some(index) = block.transactions.iter().position(|tx| tx.hash == hash) {
                        return Ok(convert::receipt(&block, index));
                    }
                }
                Err(RecvError::Lagged(_)) => {
                    if let Some((block, index)) = locate(&api, hash)? {
                        return Ok(convert::receipt(&block, index));
                    }
                }
                Err(RecvError::Closed) => return Err(closed(hash)),
            }
        }
    };
    match timeout(wait, included).await {
        Ok(receipt) => receipt?.ok_or_else(|| closed(hash)),
        Err(_) => Err(RpcError::NotInTime { hash, waited_ms: wait.as_millis() }),
    }
}

fn closed(hash: B256) -> RpcError {
    RpcError::Internal(format!("the node is stopping; {hash} may still be included"))
}
