'use strict';
// A certificate authority of the test's own, by the openssl tool; removed with the process.
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const dirs = [];
process.on('exit', () => dirs.forEach((dir) => fs.rmSync(dir, { recursive: true, force: true })));

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

class Authority {
  constructor(name = 'Muster test authority') {
    this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'muster-ca-'));
    dirs.push(this.dir);
    this.ca = path.join(this.dir, 'ca.pem');
    this.caKey = path.join(this.dir, 'ca.key');
    this.made = 0;
    this.openssl('req', '-x509', ...NEW_KEY, '-days', '2', '-subj', `/CN=${name}`, '-keyout', this.caKey, '-out', this.ca);
  }

  openssl(...args) {
    execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  }

  /** A signed certificate that bears these names ('DNS:…', 'IP:…'): {cert, key}, files. */
  sign(...names) {
    const file = (end) => path.join(this.dir, `${this.made}.${end}`);
    const [cert, key, request, more] = ['pem', 'key', 'csr', 'ext'].map(file);
    this.made++;
    fs.writeFileSync(more, `basicConstraints=CA:FALSE\n${names.length ? `subjectAltName=${names}\n` : ''}`);
    this.openssl('req', ...NEW_KEY, '-subj', `/CN=test ${this.made}`, '-keyout', key, '-out', request);
    this.openssl('x509', '-req', '-in', request, '-CA', this.ca, '-CAkey', this.caKey, '-CAcreateserial', '-days', '2', '-extfile', more, '-out', cert);
    return { cert, key };
  }
}

module.exports = { Authority };
