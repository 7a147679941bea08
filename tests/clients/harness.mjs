// A fresh node per test file, clients for it, and funded accounts that no other test uses.
//
//   CAIRN_BIN         the binary under test (default ../../target/release/cairn)
//   CAIRN_TEST_PEER   set to `anvil` to run the same tests against anvil instead, which tells a
//                     wrong test from a wrong node; tests of what anvil lacks are skipped then
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createPublicClient, createTestClient, createWalletClient, defineChain, http, parseEther, webSocket } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';

const HERE = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const READY_MS = 60_000;
const STOP_MS = 20_000;

export const PEER = process.env.CAIRN_TEST_PEER ?? null;
/** For `test(name, { skip: notOnPeer('why') }, …)`: skips only when running against the peer. */
export const notOnPeer = (why) => (PEER ? `${PEER}: ${why}` : false);

export const MULTICALL3 = '0xcA11bde05977b3631167028862bE2a173976CA11';
export const CREATE2_DEPLOYER = '0x4e59b44847b379578588920cA78FbF26c0B4956C';

/** The artifact of a contract in contracts/, built by compile.mjs. */
export function artifact(name) {
  return JSON.parse(readFileSync(join(HERE, 'build', `${name}.json`), 'utf8'));
}

/** Polls `probe` until it returns something truthy, which is returned; fails at the deadline. */
export async function until(what, probe, deadlineMs = 20_000) {
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    const result = await probe();
    if (result) return result;
    assert.ok(Date.now() < deadline, `waited ${deadlineMs} ms for: ${what}`);
    await new Promise((wake) => setTimeout(wake, 20));
  }
}

/** A promise with its deadline: for callbacks that may never come. */
export function within(what, promise, deadlineMs = 20_000) {
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error(`waited ${deadlineMs} ms for: ${what}`)), deadlineMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Asserts that `promise` rejects and returns the error. */
export async function rejection(promise) {
  try {
    const value = await promise;
    return assert.fail(`expected a rejection, got ${JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? `${v}` : v))}`);
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    return error;
  }
}

function commandFor(dataDir, { validators, args = [] }) {
  if (PEER === 'anvil') {
    const bin = require.resolve('@foundry-rs/anvil-linux-amd64/package.json').replace('package.json', 'bin/anvil');
    return [bin, ['--port', '0', '--hardfork', 'osaka', '--block-time', '0.25', '--accounts', '10', '--prune-history', '10000']];
  }
  assert.equal(PEER, null, `unknown CAIRN_TEST_PEER ${PEER}`);
  const bin = resolve(process.env.CAIRN_BIN ?? join(HERE, '../../target/release/cairn'));
  assert.ok(existsSync(bin), `no binary at ${bin}: build it (cargo build --release) or set CAIRN_BIN`);
  const committee = validators ? ['--validators', `${validators}`] : [];
  return [bin, ['up', '--json', '--port', '0', '--data-dir', dataDir, ...committee, ...args]];
}

/** Reads the ready line of `cairn up --json`. */
function readCairn(line) {
  const { rpc_http: http, rpc_ws: ws, chain_id: chainId, dev_keys: devKeys } = JSON.parse(line);
  return { http, ws, chainId: Number(chainId), devKeys };
}

const ANVIL_KEYS = ['0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80', '0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d'];

function readAnvil(line) {
  const address = /^Listening on (\S+)/.exec(line)?.[1];
  return address && { http: `http://${address}`, ws: `ws://${address}`, chainId: 31337, devKeys: ANVIL_KEYS };
}

async function prepareAnvil(ready) {
  const client = createTestClient({ mode: 'anvil', transport: http(ready.http) });
  const bytecode = readFileSync(join(HERE, '../../crates/chain/predeploys/multicall3.hex'), 'utf8').trim();
  await client.setCode({ address: MULTICALL3, bytecode: bytecode.startsWith('0x') ? bytecode : `0x${bytecode}` });
}

/** Waits for the ready line; rejects with the end of stderr if the process ends or is late. */
async function readiness(child, stderr) {
  const read = PEER ? readAnvil : readCairn;
  const ready = new Promise((found, fail) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      try {
        const parsed = read(line);
        if (parsed) found(parsed);
      } catch (error) {
        fail(new Error(`not a ready line: ${line}`, { cause: error }));
      }
    });
    child.once('error', fail);
    child.once('exit', (code, signal) => fail(new Error(`node ended before it was ready (${code ?? signal}):\n${stderr()}`)));
  });
  return within('the ready line', ready, READY_MS);
}

/** One running process; `dataDir` outlives it unless the node made it for itself. */
class Node {
  constructor(child, ready, dataDir, ownsDir, stderr) {
    Object.assign(this, { child, dataDir, ownsDir, stderr, ...ready });
    this.exited = new Promise((done) => child.once('exit', (code, signal) => done({ code, signal })));
    this.chain = defineChain({
      id: this.chainId,
      name: 'Cairn',
      nativeCurrency: { name: 'Cairn', symbol: 'CRN', decimals: 18 },
      rpcUrls: { default: { http: [this.http], webSocket: [this.ws] } },
      contracts: { multicall3: { address: MULTICALL3 } },
    });
    this.client = createPublicClient({ ...this.options, transport: http(this.http) });
    this.treasurer = createWalletClient({ ...this.options, account: privateKeyToAccount(this.devKeys[0]), transport: http(this.http) });
  }

  get options() {
    return { chain: this.chain, pollingInterval: 50, cacheTime: 0 };
  }

  /** A public client over WebSocket; the caller closes it with `closeSocket`. */
  socketClient() {
    return createPublicClient({ ...this.options, transport: webSocket(this.ws, { reconnect: false, retryCount: 0 }) });
  }

  wallet(account) {
    return createWalletClient({ ...this.options, account, transport: http(this.http) });
  }

  /** `count` fresh accounts with `ether` each, usable at once. */
  async accounts(count = 1, ether = '100') {
    const fresh = Array.from({ length: count }, () => privateKeyToAccount(generatePrivateKey()));
    const hashes = [];
    let nonce = await this.client.getTransactionCount({ address: this.treasurer.account.address, blockTag: 'pending' });
    for (const { address } of fresh) {
      hashes.push(await this.treasurer.sendTransaction({ to: address, value: parseEther(ether), nonce: nonce++, gas: 21_000n }));
    }
    for (const hash of hashes) assert.equal((await this.receipt(hash)).status, 'success');
    return fresh;
  }

  receipt(hash) {
    return this.client.waitForTransactionReceipt({ hash, timeout: 20_000, retryCount: 0 });
  }

  /** Deploys an artifact and returns { address, abi, receipt }. */
  async deploy(name, args = [], account = this.treasurer.account, overrides = {}) {
    const { abi, bytecode } = artifact(name);
    const hash = await this.wallet(account).deployContract({ abi, bytecode, args, ...overrides });
    const receipt = await this.receipt(hash);
    assert.equal(receipt.status, 'success', `deploying ${name}`);
    return { address: receipt.contractAddress, abi, receipt };
  }

  /** One JSON-RPC call over plain HTTP; returns the whole response object. */
  async raw(method, params = []) {
    const response = await this.post(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }));
    return response.json();
  }

  /** One JSON-RPC call that must succeed; returns its result. */
  async rpc(method, params = []) {
    const { result, error } = await this.raw(method, params);
    assert.equal(error, undefined, `${method}: ${JSON.stringify(error)}`);
    return result;
  }

  post(body, headers = {}) {
    return fetch(this.http, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body });
  }

  /** Ctrl-C; returns { code, signal } once the process is gone. */
  async interrupt() {
    this.child.kill('SIGINT');
    return within(`the node to stop\n${this.stderr()}`, this.exited, STOP_MS);
  }

  /** kill -9, at whatever point the node is. */
  async crash() {
    this.child.kill('SIGKILL');
    return this.exited;
  }

  /** Ends the node and forgets its data; a clean end is part of every test. */
  async stop() {
    const ended = this.child.exitCode === null && this.child.signalCode === null ? await this.interrupt() : await this.exited;
    if (this.ownsDir) rmSync(this.dataDir, { recursive: true, force: true });
    if (!PEER) assert.deepEqual(ended, { code: 0, signal: null }, `SIGINT must end in exit code 0:\n${this.stderr()}`);
  }
}

/**
 * Starts a node and waits until it answers.
 * options: validators (committee size in one process), dataDir (kept by the caller), args.
 */
export async function startNode(options = {}) {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'cairn-client-test-'));
  const [bin, args] = commandFor(dataDir, options);
  const child = spawn(bin, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const end = () => child.kill('SIGKILL');
  process.once('exit', end);
  child.once('exit', () => process.removeListener('exit', end));
  let tail = '';
  child.stderr.on('data', (chunk) => { tail = (tail + chunk).slice(-8_000); });
  try {
    const ready = await readiness(child, () => tail);
    if (PEER === 'anvil') await prepareAnvil(ready);
    return new Node(child, ready, dataDir, options.dataDir === undefined, () => tail);
  } catch (error) {
    end();
    throw error;
  }
}

/** Closes the socket under a viem WebSocket client. */
export async function closeSocket(client) {
  (await client.transport.getRpcClient()).close();
}
