// Compiles contracts/*.sol with solc-js into build/<Contract>.json ({ abi, bytecode, deployedBytecode }).
// The output is reused until a source, OpenZeppelin or the compiler changes.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const HERE = dirname(fileURLToPath(import.meta.url));
const BUILD = join(HERE, 'build');
const STAMP = join(BUILD, 'stamp');

const settings = {
  evmVersion: 'osaka',
  optimizer: { enabled: true, runs: 200 },
  outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object'] } },
};

function readSources() {
  const names = readdirSync(join(HERE, 'contracts')).filter((name) => name.endsWith('.sol')).sort();
  return Object.fromEntries(names.map((name) => [name, { content: readFileSync(join(HERE, 'contracts', name), 'utf8') }]));
}

function stampOf(sources) {
  const versions = ['solc', '@openzeppelin/contracts'].map((name) => require(`${name}/package.json`).version);
  return createHash('sha256').update(JSON.stringify([sources, settings, versions])).digest('hex');
}

function findImport(path) {
  const file = join(HERE, 'node_modules', path);
  return existsSync(file) ? { contents: readFileSync(file, 'utf8') } : { error: `no such import: ${path}` };
}

function compile(sources) {
  const solc = require('solc');
  const input = { language: 'Solidity', sources, settings };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: findImport }));
  const errors = (output.errors ?? []).filter((entry) => entry.severity === 'error');
  if (errors.length > 0) throw new Error(errors.map((entry) => entry.formattedMessage).join('\n'));
  return Object.entries(output.contracts).filter(([file]) => file in sources);
}

function write(contracts, stamp) {
  const fresh = `${BUILD}.${process.pid}`;
  mkdirSync(fresh, { recursive: true });
  for (const [, byName] of contracts) {
    for (const [name, { abi, evm }] of Object.entries(byName)) {
      const artifact = { abi, bytecode: `0x${evm.bytecode.object}`, deployedBytecode: `0x${evm.deployedBytecode.object}` };
      writeFileSync(join(fresh, `${name}.json`), JSON.stringify(artifact));
    }
  }
  writeFileSync(join(fresh, 'stamp'), stamp);
  rmSync(BUILD, { recursive: true, force: true });
  renameSync(fresh, BUILD);
}

const sources = readSources();
const stamp = stampOf(sources);
if (!existsSync(STAMP) || readFileSync(STAMP, 'utf8') !== stamp) write(compile(sources), stamp);
