// A peer of mxhook for scripts/bench: smtp-server and mailparser. node.mjs PORT URL
// Parses, posts the payload, and answers 250 once the web server has taken it. Nothing is stored.
import { createRequire } from 'node:module';

// Modules are looked for from the folder that scripts/bench installed them into.
const require = createRequire(process.cwd() + '/');
const { SMTPServer } = require('smtp-server');
const { simpleParser } = require('mailparser');
const { payloadOf, poster } = require(import.meta.dirname + '/payload.cjs');

const [port, url] = process.argv.slice(2);
const post = poster(url);
const server = new SMTPServer({
  disabledCommands: ['AUTH', 'STARTTLS'],
  disableReverseLookup: true,
  size: 64 << 20,
  logger: false,
  onData(stream, session, done) {
    simpleParser(stream)
      .then((mail) => post(payloadOf(mail, session.envelope.mailFrom.address, session.envelope.rcptTo[0].address)))
      .then(() => done(), done);
  },
});
server.listen(Number(port), '127.0.0.1');
