-- The configuration that the dialogues are written for.
hostname = "mx.test"
domains = { "example.com", "*.sub.example.com" }
listen = { "127.0.0.1:0" }
smtp = { max_size = 100000, max_recipients = 5, max_errors = 4 }
