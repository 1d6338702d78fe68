// Haraka's queue plugin for scripts/bench: parses, posts the payload, and lets Haraka answer 250 then.
const { simpleParser } = require('mailparser');
const { payloadOf, poster } = require(process.env.BENCH_PAYLOAD);

const post = poster(process.env.BENCH_URL);

exports.hook_queue = function (next, connection) {
  const { mail_from: sender, rcpt_to: recipients, message_stream: stream } = connection.transaction;
  simpleParser(stream)
    .then((mail) => post(payloadOf(mail, sender.address, recipients[0].address)))
    .then(() => next(OK), (error) => next(DENYSOFT, error.message));
};

exports.hook_rcpt = function (next) {
  next(OK);
};
