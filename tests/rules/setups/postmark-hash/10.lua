-- Postmark inbound: MailboxHash, what stands after "+", and StrippedTextReply.
return function(msg)
    msg.headers["X-Mailbox-Hash"] = msg.envelope.tag
    msg.headers["X-Stripped-Text-Reply"] = msg.reply_text and route.encode_base64(msg.reply_text)
    return "https://app.example/inbound"
end
