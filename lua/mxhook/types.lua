---@meta mxhook
-- For editors: what rules see, for the Lua language server (LuaLS). Nothing here is ever run. Point it at this
-- file: in .luarc.json, { "runtime.version": "LuaJIT", "workspace.library": ["…/lua/mxhook/types.lua"] }.

---@class mxhook.Mailbox
---@field name string?
---@field email string?

---@class mxhook.Part
---@field name string?
---@field type string      # "image/png"
---@field size integer     # bytes, decoded
---@field content string   # decoded when it is asked for
---@field cid string?

---@class mxhook.Headers
---@field [string] string|string[]|nil  # reads the first value, in any case; assign a string, a list or nil
local headers = {}
---Every value of that name, in order.
---@param name string
---@return string[]
function headers:all(name) end
---Every header in order; pairs(msg.headers) is the same.
---@return fun(): string?, string?
function headers:iter() end

---@class mxhook.Envelope
---@field sender string    # "" is the null one
---@field recipient string # as the client gave it
---@field address string   # the same in lower case, its domain as A-label (xn--...)
---@field localpart string # of address, without the tag
---@field tag string?      # of address: what stands after the first '+'
---@field domain string    # of address
---@field client_ip string # "" where nobody knows: by a Unix-domain socket
---@field client_name string?  # what its address is called, where that name has the address
---@field helo string?
---@field tls boolean
---@field user string?     # authenticated as
---@field proxy string?    # who told client_ip: the address of a proxy (PROXY header, XCLIENT)

---@class mxhook.Spf
---@field result string
---@field domain string?
---@field reason string?
---@field explanation string?

---@class mxhook.Dkim
---@field result string
---@field domain string?
---@field selector string?
---@field algorithm string?
---@field reason string?

---@class mxhook.Dmarc
---@field result string
---@field domain string?
---@field policy string?
---@field reason string?

---@class mxhook.Iprev
---@field result string    # "pass": msg.envelope.client_name is there
---@field reason string?

---@class mxhook.Dnsbl
---@field listed boolean
---@field codes string[]   # such as "127.0.0.2"
---@field reason string?
---@field error string?    # why it is not known whether it lists the client

---@class mxhook.Auth
---@field spf mxhook.Spf?
---@field dkim mxhook.Dkim[]?
---@field dmarc mxhook.Dmarc?
---@field iprev mxhook.Iprev?
---@field dnsbl table<string, mxhook.Dnsbl?>  # by zone; nil where the configuration does not name it

---@class mxhook.Symbol
---@field score number
---@field options string[]  # what it found

---@class mxhook.Scan        # of a scanner that did not answer only error is there
---@field score number?
---@field required number?   # so much and more is what the scanner would reject
---@field action "no action"|"greylist"|"add header"|"rewrite subject"|"soft reject"|"reject"|string|nil # or an operator's own
---@field symbols table<string, mxhook.Symbol?>?  # by name; nil: not found
---@field spam boolean?      # the action is "add header", "rewrite subject" or "reject"
---@field virus string?
---@field error string?      # why it did not answer

---@class mxhook.Message
---@field subject string
---@field text string?
---@field html string?
---@field from mxhook.Mailbox
---@field to mxhook.Mailbox[]
---@field cc mxhook.Mailbox[]
---@field date string?
---@field timestamp integer  # Unix time
---@field message_id string?
---@field size integer
---@field headers mxhook.Headers
---@field attachments mxhook.Part[]
---@field inlines mxhook.Part[]
---@field envelope mxhook.Envelope
---@field auth mxhook.Auth
---@field scan mxhook.Scan?  # nil: no scanner was asked
---@field received integer   # Unix time of receipt
---@field automatic "reply"|"list"|"bounce"|"report"|nil  # written by a program
---@field automatic_reason string?  # such as "List-Id: <a.example>"
---@field bounce mxhook.Bounce?  # of a delivery status notification
---@field repairs string[]  # what was put right to read it: "mbox-line", "stray-lines", "content-types", "boundary"
---@field reply_text string?  # the text without what is quoted and the signature: a heuristic

---@class mxhook.Bounce
---@field recipient string?
---@field action string?     # "failed", "delayed", ...
---@field status string?     # "5.1.1"
---@field diagnostic string?
---@field message_id string? # of the message that came back

---@class mxhook.Destination
---@field url string         # or an e-mail address, which has only timeout, attempts, schedule
---@field secret string?      # of Standard Webhooks; or "env:NAME", "file:/path"
---@field headers table<string, string|{ env: string }|{ file: string }>?  # of the request
---@field timeout number?     # seconds, of an attempt
---@field attempts integer?   # the first included
---@field schedule string[]?  # pauses before the second, third, ... attempt
---@field rate string?        # "10/s", "600/m", "1000/h": of all to this URL without its query
---@field max_in_flight integer?  # the same, at once
---@field max_body integer|string?  # bytes, or "5 MB": a larger payload fails without being sent
---@field ca_file string?     # PEM
---@field client_cert string?
---@field client_key string?

---@alias mxhook.Destinations string | mxhook.Destination | (string | mxhook.Destination)[]

---@class mxhook.Answer  # what route.also, .discard, .reject and .defer make
---@class mxhook.Rule    # what alias, route.regex and route.cel make

---@alias mxhook.RuleFunction fun(msg: mxhook.Message): mxhook.Destinations|mxhook.Answer|false|nil

---@class mxhook.route
route = {}
---To these, and the next rules are asked as well.
---@param destinations mxhook.Destinations
---@return mxhook.Answer
function route.also(destinations) end
---Accepted, and dropped.
---@return mxhook.Answer
function route.discard() end
---550 to the sender.
---@param text string?
---@return mxhook.Answer
function route.reject(text) end
---451 to the sender.
---@param text string?
---@return mxhook.Answer
function route.defer(text) end
---The text as it can stand in a URL's path segment or query value.
---@param text string|number
---@return string
function route.encode(text) end
---The text in base64; up to 64 KiB.
---@param text string
---@return string
function route.encode_base64(text) end

---@class mxhook.Patterns
---@field recipient string?
---@field sender string?
---@field subject string?
---@field from string?
---@field to string?         # of the To field
---@field cc string?
---@field body string?
---@field headers table<string, string>?

---@param rule { recipient: string?, sender: string?, subject: string?, from: string?, cc: string?, body: string?, headers: table<string, string>?, all: mxhook.Patterns?, any: mxhook.Patterns?, to: mxhook.Destinations }
---@return mxhook.Rule
function route.regex(rule) end
---@param rule { when: string, to: mxhook.Destinations }
---@return mxhook.Rule
function route.cel(rule) end

---@class mxhook.alias
---@overload fun(entries: table<string, mxhook.Destinations|mxhook.Answer>): mxhook.Rule
alias = {}
---Lines of `address,destination`, in one table for all workers.
---@param path string  # relative to the rules' folder
---@return mxhook.Rule
function alias.file(path) end
---A table `aliases (address, destination)`, asked for each message.
---@param path string  # relative to the rules' folder
---@return mxhook.Rule
function alias.sqlite(path) end

---An application, the configuration's lookups.NAME, is asked by HTTP.
---@param name string
---@return mxhook.Rule
function alias.http(name) end
---A table of PostgreSQL, the configuration's databases.NAME, is asked.
---@param name string
---@return mxhook.Rule
function alias.postgres(name) end

---Writes a line into the server's log, under the message's id.
---@param ... any
function log(...) end

---An environment variable that begins with MXHOOK_.
---@param name string
---@param default string?
---@return string?
function env(name, default) end

---@class mxhook.store
local store = {}
---@param key string
---@return string|number|nil
function store.get(key) end
---@param key string
---@param value string|number|nil  # nil deletes
---@param seconds number?
function store.set(key, value, seconds) end
---@param key string
---@param amount number?   # 1
---@param seconds number?  # from the first add
---@return number
function store.add(key, amount, seconds) end
---@param key string
function store.delete(key) end
---A reservation: kept when the message is answered 250, released otherwise.
---@param key string
---@param seconds number
---@return boolean  # true: no message with that key was taken before
function store.once(key, seconds) end

---@class mxhook.TestResult
---@field destinations string[]
---@field details mxhook.Destination[]
---@field headers table<string, string|string[]>  # in any case
---@field reply { code: integer, enhanced: string, text: string } as the server would say it
---@field rule string?  # "10-alias.lua:3"
---@field steps { rule: string, answer: string }[]

---@class mxhook.TestAuth
---@field spf string|{ result: string?, domain: string?, reason: string?, explanation: string? }|nil
---@field dkim string|{ result: string?, domain: string?, selector: string?, algorithm: string?, reason: string? }[]|nil
---@field dmarc string|{ result: string?, domain: string?, policy: string?, reason: string? }|nil

---@field iprev string|{ result: string?, reason: string? }|nil
---@field dnsbl (string|{ listed: boolean?, codes: string[]?, reason: string?, error: string? })[]|nil  # zones, or by zone

---@class mxhook.TestEnvelope
---@field sender string?     # default: the first address of From
---@field recipient string?  # default: the first address of To
---@field client_ip string?  # 127.0.0.1
---@field client_name string?
---@field helo string?       # localhost
---@field tls boolean?
---@field user string?
---@field auth mxhook.TestAuth?
---@field at string?         # the time that rules see, "2026-03-01T09:00:00+01:00"
---@field scan { score: number?, required: number?, action: string?, symbols: table<string, number|{ score: number?, options: string[]? }>?, spam: boolean?, virus: string?, error: string?, message: string? }?

---@class mxhook.TestMessage
---@field from string?
---@field to string|string[]|nil
---@field cc string|string[]|nil
---@field subject string?
---@field text string?
---@field html string?
---@field date string?
---@field headers table<string, string|string[]>?
---@field attachments { name: string?, type: string?, content: string? }[]?
---@field sender string?
---@field recipient string?
---@field envelope mxhook.TestEnvelope?
---@field auth mxhook.TestAuth?
---@field scan { score: number?, required: number?, action: string?, symbols: table<string, number|{ score: number?, options: string[]? }>?, spam: boolean?, virus: string?, error: string?, message: string? }?

---@alias mxhook.TestRoute fun(message: mxhook.TestMessage|string, envelope: mxhook.TestEnvelope?): mxhook.TestResult
