"""A fresh node for the module under test, started from the binary as `cairn up --json`.

CAIRN_BIN names the binary (default ../../../target/release/cairn). CAIRN_TEST_PEER=anvil runs the
same tests against anvil, which tells a wrong test from a wrong node.
"""

import json
import os
import re
import select
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from eth_account import Account
from web3 import Web3

HERE = Path(__file__).resolve().parent
CLIENTS = HERE.parent
PEER = os.environ.get("CAIRN_TEST_PEER")
ANVIL_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
READY_S = 60
not_on_peer = pytest.mark.skipif(PEER is not None, reason=f"{PEER} differs")


@dataclass
class Node:
    """What the ready line says."""

    http: str
    ws: str
    chain_id: int
    dev_keys: list


def command(data_dir):
    if PEER == "anvil":
        binary = CLIENTS / "node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"
        return [str(binary), "--port", "0", "--hardfork", "osaka", "--block-time", "0.25"]
    assert PEER is None, f"unknown CAIRN_TEST_PEER {PEER}"
    binary = Path(os.environ.get("CAIRN_BIN", CLIENTS / "../../target/release/cairn"))
    assert binary.exists(), f"no binary at {binary}: build it (cargo build --release) or set CAIRN_BIN"
    return [str(binary), "up", "--json", "--port", "0", "--data-dir", str(data_dir)]


def read_ready(line):
    """The node described by one line of stdout, or None if this is not the ready line."""
    if PEER == "anvil":
        found = re.match(r"Listening on (\S+)", line)
        return found and Node(f"http://{found[1]}", f"ws://{found[1]}", 31337, [ANVIL_KEY])
    ready = json.loads(line)
    return Node(ready["rpc_http"], ready["rpc_ws"], int(ready["chain_id"]), ready["dev_keys"])


def wait_ready(process):
    deadline = time.monotonic() + READY_S
    pending = b""
    while time.monotonic() < deadline:
        if select.select([process.stdout], [], [], 0.1)[0]:
            chunk = os.read(process.stdout.fileno(), 65536)
            assert chunk, f"the node ended before it was ready ({process.wait()})"
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                node = read_ready(line.decode())
                if node:
                    return node
    raise AssertionError(f"no ready line within {READY_S} s")


@pytest.fixture(scope="session")
def artifacts():
    """name -> {abi, bytecode}, compiled by the JavaScript side from ../contracts."""
    subprocess.run(["node", "compile.mjs"], cwd=CLIENTS, check=True)
    return lambda name: json.loads((CLIENTS / "build" / f"{name}.json").read_text())


@pytest.fixture(scope="session")
def node(tmp_path_factory):
    log = tmp_path_factory.mktemp("log") / "stderr"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            command(tmp_path_factory.mktemp("data")), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr
        )
    try:
        yield wait_ready(process)
        process.send_signal(signal.SIGINT)
        code = process.wait(20)
        assert PEER or code == 0, f"SIGINT must end in exit code 0, not {code}:\n{log.read_text()[-8000:]}"
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def w3(node):
    return Web3(Web3.HTTPProvider(node.http))


def send(w3, account, request=None, **fields):
    """Fills in, signs and sends a transaction; returns its receipt, whatever its status."""
    request = {"from": account.address, "chainId": w3.eth.chain_id, **(request or {}), **fields}
    request.setdefault("nonce", w3.eth.get_transaction_count(account.address, "pending"))
    request.setdefault("gas", 1_000_000)
    if "gasPrice" not in request:
        request.setdefault("maxFeePerGas", 10**11)
        request.setdefault("maxPriorityFeePerGas", 10**9)
    request.pop("from")
    signed = account.sign_transaction(request)
    return w3.eth.wait_for_transaction_receipt(w3.eth.send_raw_transaction(signed.raw_transaction), 20, 0.05)


@pytest.fixture
def account(w3, node):
    """A fresh account with 10 coins."""
    fresh = Account.create()
    receipt = send(w3, Account.from_key(node.dev_keys[0]), to=fresh.address, value=10**19)
    assert receipt["status"] == 1
    return fresh


@pytest.fixture
def ledger(w3, artifacts, account):
    """A Ledger deployed by `account`, with limit 1000."""
    artifact = artifacts("Ledger")
    factory = w3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"])
    request = factory.constructor("web3.py", 1000).build_transaction({"from": account.address, "gas": 2_000_000, "nonce": 0})
    receipt = send(w3, account, request)
    assert receipt["status"] == 1
    return w3.eth.contract(receipt["contractAddress"], abi=artifact["abi"])
