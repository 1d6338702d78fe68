// A peer of mxhook for scripts/bench: smtp-server and mailparser. node.cjs PORT URL
// Parses, posts the payload, and answers 250 once the web server has taken it. Nothing is stored.
const { createRequire } = require('node:module');

// Modules are looked for in the folder that it is started in: scripts/bench installs them there.
const installed = createRequire(process.cwd() + '/');
const { SMTPServer } = installed('smtp-server');
const { simpleParser } = installed('mailparser');
const { payloadOf, poster } = require('./payload.cjs');

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
