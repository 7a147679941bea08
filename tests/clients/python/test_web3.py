"""web3.py 8 and eth-account against a fresh node: the essentials, and what its result formatters
and validating middleware insist on."""

import asyncio

import pytest
from eth_account import Account
from hexbytes import HexBytes
from web3 import AsyncWeb3, Web3, WebSocketProvider
from web3.exceptions import (
    BlockNotFound,
    ContractCustomError,
    ContractLogicError,
    ContractPanicError,
    TransactionNotFound,
    Web3RPCError,
)

from conftest import not_on_peer, send

DEADLINE_S = 20


def fresh():
    return Account.create().address


def put(w3, account, ledger, key, value, **fields):
    call = ledger.functions.put(key, value)
    return send(w3, account, to=ledger.address, data=call._encode_transaction_data(), **fields)


def test_connects(w3, node):
    assert w3.is_connected()
    assert w3.eth.chain_id == node.chain_id
    assert w3.net.version == str(node.chain_id)
    assert w3.eth.syncing is False
    assert w3.client_version
    assert w3.eth.gas_price > 0
    assert w3.eth.max_priority_fee >= 0


@pytest.mark.parametrize(
    "fields",
    [
        {"gasPrice": 2 * 10**10},
        {"gasPrice": 2 * 10**10, "accessList": [{"address": "0x" + "11" * 20, "storageKeys": ["0x" + "00" * 32]}], "type": 1},
        {"type": 2},
    ],
    ids=["legacy", "eip2930", "eip1559"],
)
def test_transfer(w3, account, fields):
    to = fresh()
    before = w3.eth.get_balance(account.address)
    receipt = send(w3, account, to=to, value=7, gas=50_000, **fields)
    assert receipt["status"] == 1
    assert receipt["type"] == fields.get("type", 0)
    assert w3.eth.get_balance(to) == 7
    assert w3.eth.get_balance(account.address) == before - 7 - receipt["gasUsed"] * receipt["effectiveGasPrice"]
    transaction = w3.eth.get_transaction(receipt["transactionHash"])
    assert (transaction["from"], transaction["to"], transaction["value"]) == (account.address, to, 7)


def test_set_code_transaction(w3, account, artifacts):
    wallet_artifact = artifacts("Wallet")
    wallet = send(w3, account, data=wallet_artifact["bytecode"])["contractAddress"]
    owner = w3.eth.contract(account.address, abi=wallet_artifact["abi"])
    nonce = w3.eth.get_transaction_count(account.address)
    authorization = account.sign_authorization({"chainId": w3.eth.chain_id, "address": wallet, "nonce": nonce + 1})
    to = fresh()
    data = owner.encode_abi("execute", [[(to, 5, b"")]])
    receipt = send(w3, account, to=account.address, data=data, nonce=nonce, authorizationList=[authorization])
    assert receipt["status"] == 1
    assert receipt["type"] == 4
    assert w3.eth.get_balance(to) == 5
    assert w3.eth.get_code(account.address) == HexBytes("0xef0100" + wallet[2:])
    assert len(owner.events.Executed().process_receipt(receipt)) == 1
    assert len(w3.eth.get_transaction(receipt["transactionHash"])["authorizationList"]) == 1


def test_contract_reads_and_writes(w3, account, ledger):
    receipt = put(w3, account, ledger, 1, 11)
    assert receipt["status"] == 1
    assert ledger.functions.entries(account.address, 1).call() == 11
    put(w3, account, ledger, 1, 12)
    assert ledger.functions.entries(account.address, 1).call(block_identifier=receipt["blockNumber"]) == 11
    assert ledger.functions.entries(account.address, 1).call(block_identifier=receipt["blockHash"]) == 11
    assert ledger.functions.name().call() == "web3.py"
    gas = ledger.functions.put(1, 13).estimate_gas({"from": account.address})
    assert 25_000 < gas < 60_000
    assert int.from_bytes(w3.eth.get_storage_at(ledger.address, 0)) == 2


def test_state_override(w3, ledger):
    override = {ledger.address: {"stateDiff": {"0x" + "00" * 32: "0x" + "00" * 31 + "2a"}}}
    assert ledger.functions.total().call(state_override=override) == 42
    assert ledger.functions.total().call() == 0


def test_events_and_filters(w3, account, ledger):
    installed = ledger.events.Entry.create_filter(from_block="latest", argument_filters={"key": 3})
    blocks = w3.eth.filter("latest")
    put(w3, account, ledger, 2, 20)
    receipt = put(w3, account, ledger, 3, 30)
    (event,) = ledger.events.Entry().process_receipt(receipt)
    assert dict(event["args"]) == {"who": account.address, "key": 3, "value": 30}
    assert [log["args"]["value"] for log in installed.get_new_entries()] == [30]
    assert receipt["blockHash"] in blocks.get_new_entries()
    assert w3.eth.uninstall_filter(installed.filter_id) is True
    logs = ledger.events.Entry.get_logs(from_block=0, argument_filters={"who": account.address})
    assert [log["args"]["key"] for log in logs] == [2, 3]
    by_hash = w3.eth.get_logs({"blockHash": receipt["blockHash"], "address": ledger.address})
    assert [log["transactionHash"] for log in by_hash] == [receipt["transactionHash"]]


def test_reverts_are_decoded(account, ledger):
    sender = {"from": account.address}
    with pytest.raises(ContractLogicError, match="the ledger is closed"):
        ledger.functions.withReason().call(sender)
    with pytest.raises(ContractLogicError, match="the ledger is closed"):
        ledger.functions.withReason().estimate_gas(sender)
    with pytest.raises(ContractCustomError) as refused:
        ledger.functions.put(1, 5000).call(sender)
    (decoded,) = [refused.value.data[-192:]]
    assert [int(decoded[i : i + 64], 16) for i in (64, 128)] == [5000, 1000]
    with pytest.raises(ContractPanicError):
        ledger.functions.panics(0).call(sender)
    with pytest.raises(ContractLogicError):
        ledger.functions.silent().call(sender)


def test_a_reverted_receipt(w3, account, ledger):
    receipt = send(w3, account, to=ledger.address, data=ledger.encode_abi("withReason", []), gas=100_000)
    assert receipt["status"] == 0
    assert receipt["logs"] == []


def test_fee_history(w3, account):
    receipt = send(w3, account, to=fresh(), value=1, maxPriorityFeePerGas=3 * 10**9)
    history = w3.eth.fee_history(4, receipt["blockNumber"], [10, 90])
    assert history["oldestBlock"] + len(history["gasUsedRatio"]) - 1 == receipt["blockNumber"]
    assert len(history["baseFeePerGas"]) == len(history["gasUsedRatio"]) + 1
    assert history["reward"][-1] == [3 * 10**9, 3 * 10**9]
    assert history["baseFeePerGas"][-2] == w3.eth.get_block(receipt["blockNumber"])["baseFeePerGas"]


def test_block_fields(w3, account):
    receipt = send(w3, account, to=fresh(), value=1)
    for identifier in (receipt["blockHash"], receipt["blockNumber"]):
        block = w3.eth.get_block(identifier, full_transactions=True)
        assert block["hash"] == receipt["blockHash"]
        assert account.address in [transaction["from"] for transaction in block["transactions"]]
    for field in ("parentHash", "stateRoot", "transactionsRoot", "receiptsRoot", "mixHash", "withdrawalsRoot", "parentBeaconBlockRoot", "requestsHash"):
        assert isinstance(block[field], HexBytes) and len(block[field]) == 32, field
    assert len(block["logsBloom"]) == 256 and len(block["nonce"]) == 8
    assert block["difficulty"] == 0 and block["blobGasUsed"] == 0 and block["withdrawals"] == []


def test_extra_data_passes_the_validator(w3):
    """Middleware refuses more than 32 bytes unless told that the chain is proof-of-authority."""
    for identifier in ("earliest", "latest", "safe", "finalized", 1):
        block = w3.eth.get_block(identifier)
        assert len(block["extraData"] if "extraData" in block else block["proofOfAuthorityData"]) <= 32
        assert "proofOfAuthorityData" not in block


def test_receipt_fields(w3, account):
    receipt = send(w3, account, to=fresh(), value=1)
    assert receipt["from"] == account.address
    assert receipt["contractAddress"] is None
    assert receipt["cumulativeGasUsed"] >= receipt["gasUsed"] == 21_000
    assert len(receipt["logsBloom"]) == 256
    assert receipt in w3.eth.get_block_receipts(receipt["blockNumber"])


def test_what_is_not_there(w3):
    with pytest.raises(TransactionNotFound):
        w3.eth.get_transaction("0x" + "12" * 32)
    with pytest.raises(TransactionNotFound):
        w3.eth.get_transaction_receipt("0x" + "12" * 32)
    with pytest.raises(BlockNotFound):
        w3.eth.get_block(10**9)


def test_refusals(w3, account):
    send(w3, account, to=fresh(), value=1)
    with pytest.raises(Web3RPCError, match="nonce too low"):
        send(w3, account, to=fresh(), value=1, nonce=0)
    with pytest.raises(Web3RPCError, match="(?i)insufficient funds"):
        send(w3, account, to=fresh(), value=10**24)
    with pytest.raises(Web3RPCError, match="intrinsic gas too low"):
        send(w3, account, to=fresh(), value=1, gas=20_000)


@not_on_peer
def test_blob_transactions_are_refused(w3, account):
    request = {
        "type": 3, "chainId": w3.eth.chain_id, "nonce": 0, "to": fresh(), "value": 0, "gas": 21_000, "maxFeePerGas": 10**11,
        "maxPriorityFeePerGas": 1, "maxFeePerBlobGas": 10**9, "blobVersionedHashes": ["0x01" + "11" * 31], "data": "0x",
    }
    signed = account.sign_transaction(request)
    with pytest.raises(Web3RPCError, match="(?i)blob|type not supported"):
        w3.eth.send_raw_transaction(signed.raw_transaction)


def test_signed_messages_are_recovered_on_chain(w3, account):
    digest = Web3.keccak(text="a device report")
    signature = account.unsafe_sign_hash(digest)
    data = digest + signature.v.to_bytes(32) + signature.r.to_bytes(32) + signature.s.to_bytes(32)
    recovered = w3.eth.call({"to": "0x" + "00" * 19 + "01", "data": data})
    assert recovered[-20:] == HexBytes(account.address)


def test_subscriptions_over_websocket(w3, node, account):
    async def heads_and_pending():
        async with AsyncWeb3(WebSocketProvider(node.ws)) as socket:
            heads = await socket.eth.subscribe("newHeads")
            logs = await socket.eth.subscribe("logs", {"address": fresh()})
            sending = asyncio.to_thread(send, w3, account, to=fresh(), value=1)
            receipt = await sending
            async for message in socket.socket.process_subscriptions():
                assert message["subscription"] == heads
                if message["result"]["number"] >= receipt["blockNumber"]:
                    break
            assert await socket.eth.unsubscribe(heads) and await socket.eth.unsubscribe(logs)
            return message["result"], receipt

    head, receipt = asyncio.run(asyncio.wait_for(heads_and_pending(), DEADLINE_S))
    assert head["number"] > receipt["blockNumber"] or head["hash"] == receipt["blockHash"]
